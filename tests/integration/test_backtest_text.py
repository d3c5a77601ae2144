"""What `act backtest` and its relatives print for people."""

import re
from fractions import Fraction

import pytest

from bot import cli
from support.backtest_data import (
    an_instrument,
    backtest,
    flat_candles,
    settings_of,
    write_csv,
    write_exchange_info,
    write_parquet,
)
from support.random_candles import random_case
from support.reference_backtest import Filters

pytestmark = pytest.mark.usefixtures("without_settings")


def test_costs_are_told_in_words_of_people(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("COLUMNS", "160")
    data = write_csv(tmp_path / "candles.csv", flat_candles(40, close=100))
    info = write_exchange_info(tmp_path / "info.json", an_instrument("BTCUSDT", Filters(Fraction(1, 10), Fraction(1))))
    words = ("--data", data, "--exchange-info", info, "--symbol", "BTCUSDT", "--home", tmp_path)
    backtest(tmp_path / "out.json", *words)
    lines = [" ".join(line.split()) for line in capsys.readouterr().out.splitlines()]
    assert "taker fee 0.0500 %" in lines
    assert "from 1,000,000 USDT a minute spread 0.1 bps, slippage 0.2 bps" in lines
    assert not [line for line in lines if "LiquidityTier" in line or "Decimal(" in line]


@pytest.mark.parametrize(
    "words",
    [
        "backtest --from yesterday",
        "backtest --to yesterday",
        "sweep --from yesterday",
        "walk-forward --to yesterday",
        "parity --from yesterday",
        "data fetch BTCUSDT --from yesterday",
    ],
)
def test_a_time_that_is_none_is_answered_by_what_is_accepted(words, capsys):
    assert usage_mistake(words, capsys).endswith(
        "'yesterday' is no time: give a date or a time in UTC, such as 2025-05-23 or 2025-05-23T10:00:00Z"
    )


@pytest.mark.parametrize("days", ["many", "1.5"])
def test_a_number_of_days_that_is_none_is_answered_by_what_is_accepted(days, capsys):
    told = usage_mistake(f"walk-forward --in-days={days}", capsys)
    assert told.endswith(f"--in-days: {days!r} is no number of days: give a whole number of 1 or more")


def usage_mistake(words, capsys):
    with pytest.raises(SystemExit, match="2"):
        cli.main(words.split())
    return capsys.readouterr().err.splitlines()[-1]


# what a result says of itself


def words_for(folder, candles, symbol="BTCUSDT"):
    data = write_csv(folder / "candles.csv", candles)
    info = write_exchange_info(folder / "info.json", an_instrument(symbol, Filters(Fraction(1, 10), Fraction(1))))
    return (
        "--data",
        data,
        "--exchange-info",
        info,
        "--symbol",
        symbol,
        "--home",
        folder,
        "--set",
        "execution.entry=market",
    )


def test_without_a_signal_it_says_so(tmp_path, capsys):
    backtest(tmp_path / "out.json", *words_for(tmp_path, flat_candles(40, close=100)))
    assert capsys.readouterr().err == "nothing was traded: the strategy asked for no entry\n"


def test_where_rules_refuse_every_entry_it_says_which(tmp_path, capsys):
    case = random_case(1)
    data = write_parquet(tmp_path / "data.parquet", case.candles, case.filters)
    info = write_exchange_info(tmp_path / "info.json", an_instrument("XUSDT", case.filters))
    words = ("--data", data, "--exchange-info", info, "--symbol", "XUSDT", *settings_of(case.rules))
    backtest(tmp_path / "out.json", *words, "--set", "execution.entry=market", "--set", "paper.balance=1", "--quiet")
    told = capsys.readouterr().err.splitlines()[-1]
    assert re.fullmatch(r"nothing was traded: (\d+) of \1 entries were refused \(max_symbol_share \1\)", told)


def test_a_hole_in_the_data_is_a_finding_for_machines_too(tmp_path):
    candles = flat_candles(40, close=100)
    words = words_for(tmp_path, candles[:20] + candles[25:])
    (found,) = backtest(tmp_path / "out.json", *words)["findings"]
    assert (found["symbol"], found["kind"], found["count"]) == ("BTCUSDT", "hole", 5)
    assert found["at"] == candles[20]["open_time"]


def test_every_parameter_is_told_whether_set_or_not(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("COLUMNS", "160")
    parameter = ("--set", "strategy.vwap_reversion.k=1.5")
    backtest(tmp_path / "out.json", *words_for(tmp_path, flat_candles(40, close=100)), *parameter)
    told = {tuple(line.split()) for line in capsys.readouterr().out.splitlines()}
    assert ("symbols.BTCUSDT.parameters.k", "1.5") in told
    assert ("symbols.BTCUSDT.parameters.adx_max", "20.0") in told
    assert ("symbols.BTCUSDT.parameters.notional", "1000") in told
