"""Where leverage brackets come from, symbol by symbol, and how a result says so."""

import gzip
from fractions import Fraction

import pytest

from backtest.contracts import Contracts, with_recorded_brackets
from backtest.errors import DataError
from support.backtest_data import an_instrument
from support.database_rows import a_bracket
from support.reference_backtest import Filters

FILTERS = Filters(Fraction("0.1"), Fraction("0.001"))


def contracts(*symbols):
    return Contracts({"symbols": [an_instrument(symbol, FILTERS) for symbol in symbols]}, "made up")


def test_each_source_is_named_with_its_symbols():
    found = contracts("BTCUSDT", "ETHUSDT", "SOLUSDT", "XRPUSDT")
    found = found.with_brackets([a_bracket("BTCUSDT"), a_bracket("SOLUSDT")], "the database")
    found = found.with_brackets([a_bracket("ETHUSDT")], "a file")
    assert found.bracket_words("conservative") == (
        "Leverage brackets of BTCUSDT, SOLUSDT are those of the database.",
        "Leverage brackets of ETHUSDT are those of a file.",
        "Leverage brackets of XRPUSDT are the table named conservative, none being known.",
    )


def test_one_source_for_all_is_one_short_sentence():
    assert contracts("BTCUSDT", "ETHUSDT").bracket_words("bitcoin") == (
        "Leverage brackets are the table named bitcoin, none being known.",
    )


def test_later_brackets_replace_all_of_a_symbol_and_leave_the_others():
    stored = [a_bracket(), a_bracket(floor="300000", cap="800000"), a_bracket("ETHUSDT")]
    found = contracts("BTCUSDT", "ETHUSDT").with_brackets(stored, "the database")
    found = found.with_brackets([a_bracket(cap="50")], "a file")
    assert set(found.brackets) == {a_bracket(cap="50"), a_bracket("ETHUSDT")}
    assert found.bracket_sources == {"BTCUSDT": "a file", "ETHUSDT": "the database"}


def test_brackets_of_symbols_that_are_not_traded_are_left_out():
    found = contracts("BTCUSDT").with_brackets([a_bracket(), a_bracket("ETHUSDT")], "the database")
    assert found.brackets == (a_bracket(),)
    assert set(found.bracket_sources) == {"BTCUSDT"}


def test_a_cut_off_answer_is_refused_in_one_sentence(tmp_path):
    path = tmp_path / "brackets.json.gz"
    path.write_bytes(gzip.compress(b"[]" * 100)[:-12])
    with pytest.raises(DataError, match="no leverageBracket answer"):
        with_recorded_brackets(contracts("BTCUSDT"), path)
