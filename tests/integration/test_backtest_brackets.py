"""Leverage brackets of a backtest: those the bot read at its start, those of a file, or the table the costs name."""

import json
import math
import random
import sqlite3
from fractions import Fraction

import pytest

from bot import cli
from bot.domain.account import LeverageBracket
from database.queries import Queries
from database.session import act_url, desk_url
from database.store import SqlStore
from simulator.venue.instrument import DEFAULT_BRACKETS
from support.backtest_data import COLUMNS, MONDAY, an_instrument, backtest, write_csv, write_exchange_info
from support.database_rows import AClock, D
from support.reference_backtest import MINUTE, Filters
from support.replay_bed import replay

BTC = "BTCUSDT"
SETTINGS = 78
HISTORY = 1_740
FILTERS = Filters(Fraction("0.1"), Fraction("0.001"))
LIVELY = '[strategy.vwap_reversion]\nk = 1.0\nadx_max = 60\n[execution]\nentry = "market"\n'
DEFAULT = "Leverage brackets are the table named conservative, none being known."
STORED = "Leverage brackets are those of the bot's database, read in mode demo."
TOO_SMALL = LeverageBracket(BTC, D(0), D(50), 125, D("0.004"), D(0))


def swings(path, minutes):
    """Write candles that swing around a price and leave the bands every few minutes."""
    chance, close, rows = random.Random(5), 1_000_000, []
    for minute in range(minutes):
        opened, close = close, round(10 * (100_000 + 180 * math.sin(minute / 6) + chance.gauss(0, 40)))
        ticks = (opened, max(opened, close) + 50, min(opened, close) - 50, close)
        prices = dict(zip(("open", "high", "low", "close"), (f"{each / 10:.1f}" for each in ticks), strict=True))
        rows.append({"symbol": BTC, "open_time": MONDAY + minute * MINUTE, **prices, "volume": 50})
    return write_csv(path, rows, ("symbol", *COLUMNS))


@pytest.fixture(scope="module")
def ran(tmp_path_factory):
    """A home in which the bot was started on the simulator, and candles."""
    folder = tmp_path_factory.mktemp("brackets")
    data = swings(folder / "candles.csv", HISTORY + 70)
    replay(
        folder / "home", data=data, exchange_info=None, symbols=BTC, start_ms=MONDAY + HISTORY * MINUTE,
        market_minutes=60, speed=300, config=LIVELY,
    )  # fmt: skip
    return folder / "home", data


@pytest.fixture
def home(ran, tmp_path):
    """The same home to change."""
    copy = tmp_path / "home"
    (copy / "status").mkdir(parents=True)
    for name in ("act.toml", "status/act.db", "status/desk.db"):
        (copy / name).write_bytes((ran[0] / name).read_bytes())
    return copy


def stored(home):
    status = home / "status"
    return Queries(act_url(status), desk_url(status)).leverage_brackets()


def store(home, *brackets):
    """Write brackets as the bot does at a start."""
    status = home / "status"
    written = SqlStore(act_url(status), desk_url(status), AClock())
    written.commit_contracts(Queries(act_url(status), desk_url(status)).instruments(), brackets)
    written.close()


def run(home, data, *words):
    return backtest(home / "out.json", "--home", home, "--data", data, "--quiet", *words)


def said(result):
    return [sentence for sentence in result["assumptions"] if "racket" in sentence]


def a_file(path, cap, symbol=BTC):
    bracket = {
        "bracket": 1, "initialLeverage": 125, "notionalCap": cap, "notionalFloor": 0, "maintMarginRatio": 0.004,
        "cum": 0.0,
    }  # fmt: skip
    path.write_text(json.dumps([{"symbol": symbol, "brackets": [bracket]}]))
    return path


def test_a_bot_that_was_started_leaves_the_brackets_of_its_exchange(ran):
    home, _ = ran
    assert stored(home) == tuple(
        LeverageBracket(
            BTC, row.notional_floor, row.notional_cap, row.initial_leverage, row.maintenance_ratio, row.cumulative
        )
        for row in DEFAULT_BRACKETS
    )


def test_stored_brackets_allow_what_the_default_would_refuse(ran, home, capsys):
    _, data = ran
    at_fifty = ("--set", "account.leverage=50")
    by_stored = run(home, data, *at_fifty)
    assert by_stored["trades"]
    assert said(by_stored) == [STORED]
    store(home)
    words = ["backtest", "--home", home, "--data", data, *at_fifty]
    assert cli.main([str(word) for word in words]) == SETTINGS
    assert "Leverage 50 is not valid" in capsys.readouterr().err


def test_stored_brackets_refuse_what_the_default_would_allow(ran, home):
    _, data = ran
    store(home, TOO_SMALL)
    refused = run(home, data)
    assert (refused["trades"], refused["open"]) == ([], [])
    assert said(refused) == [STORED]
    store(home)
    by_default = run(home, data)
    assert by_default["trades"]
    assert said(by_default) == [DEFAULT]


def test_a_file_of_brackets_wins_over_stored_ones(ran, home, tmp_path):
    _, data = ran
    refused = run(home, data, "--brackets", a_file(tmp_path / "small.json", 50))
    assert refused["trades"] == []
    assert said(refused) == ["Leverage brackets are those of small.json."]
    store(home, TOO_SMALL)
    assert run(home, data, "--brackets", a_file(tmp_path / "large.json", 1_000_000))["trades"]


def test_symbols_that_a_file_of_brackets_lacks_keep_the_stored_ones(ran, home, tmp_path):
    _, data = ran
    result = run(home, data, "--brackets", a_file(tmp_path / "other.json", 50, "ETHUSDT"))
    assert result["trades"]
    assert said(result) == [STORED]


def test_contracts_from_a_file_take_no_brackets_from_the_database(ran, home, tmp_path):
    _, data = ran
    store(home, TOO_SMALL)
    info = write_exchange_info(tmp_path / "info.json", an_instrument(BTC, FILTERS))
    result = run(home, data, "--exchange-info", info)
    assert result["trades"]
    assert said(result) == [DEFAULT]


def test_a_database_of_an_earlier_version_holds_none(ran, home):
    _, data = ran
    with sqlite3.connect(home / "status" / "act.db") as connection:
        connection.execute("DROP TABLE leverage_brackets")
    connection.close()
    assert said(run(home, data)) == [DEFAULT]


def test_without_limits_no_bracket_is_named(ran, home):
    _, data = ran
    store(home, TOO_SMALL)
    result = run(home, data, "--no-limits")
    assert result["trades"]
    assert said(result) == [
        "No limit binds: margin is lent without end, brackets allow any size, no rule keeps trades apart."
    ]


@pytest.mark.parametrize("given", [False, True], ids=["stored contracts", "a file of contracts"])
def test_a_comparison_with_the_bot_is_by_the_brackets_of_the_bot(home, tmp_path, capsys, given):
    info = write_exchange_info(tmp_path / "info.json", an_instrument(BTC, FILTERS))

    def causes():
        capsys.readouterr()
        words = ["--exchange-info", info] if given else []
        assert cli.main(["parity", "--home", str(home), "--json", *map(str, words)]) == 0
        return {each["cause"] for each in json.loads(capsys.readouterr().out)["differences"]}

    assert "filter" not in causes()
    store(home, TOO_SMALL)
    assert "filter" in causes()
