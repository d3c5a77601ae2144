"""`act bias` and `act walk-forward` as people use them: data with holes, several symbols, numbers that are none."""

import json
import random
from fractions import Fraction

import pytest

from bot import cli
from support.backtest_data import COLUMNS, MONDAY, a_candle, an_instrument, write_csv, write_exchange_info
from support.reference_backtest import MINUTE, Filters

FILTERS = Filters(Fraction("0.1"), Fraction("0.001"))
HOUR, DAY = 60 * MINUTE, 1440 * MINUTE
QUICK = ("strategy.vwap_reversion.warm_up=30", "strategy.vwap_reversion.adx_max=60", "strategy.vwap_reversion.k=1")


@pytest.fixture(autouse=True)
def _somewhere(tmp_path, monkeypatch, without_settings):
    monkeypatch.chdir(tmp_path)


def swings(symbol, *spans):
    """Return candles of a symbol in these spans of time (from, to) after Monday; they return to 1000 often."""
    chance, price, rows = random.Random(symbol), 1000.0, []
    for from_ms, to_ms in spans:
        for at_ms in range(from_ms, to_ms, MINUTE):
            opened, price = price, round(price + (1000 - price) / 20 + chance.uniform(-2, 2), 1)
            rows.append({"symbol": symbol, **a_candle(MONDAY + at_ms, open=opened, close=price)})
    return rows


@pytest.fixture
def act(tmp_path, capsys):
    """Run a command on these candles; return its exit code and what it printed."""

    def run(words, *rows, entry="market"):
        candles = [row for each in rows for row in each]
        symbols = sorted({row["symbol"] for row in candles})
        data = write_csv(tmp_path / "candles.csv", candles, ("symbol", *COLUMNS))
        info = write_exchange_info(tmp_path / "info.json", *(an_instrument(symbol, FILTERS) for symbol in symbols))
        given = [f"--data={data}", f"--exchange-info={info}", *(f"--symbol={symbol}" for symbol in symbols)]
        settings = [f"--set={each}" for each in (f"execution.entry={entry}", *QUICK)]
        code = cli.main([*words.split(), *given, *settings])
        told = capsys.readouterr()
        assert not told.err or code, told.err
        return code, told.out or told.err

    return run


# symbols that begin late or end early


BITCOIN = swings("BTCUSDT", (0, DAY))


@pytest.mark.parametrize(
    "ether", [swings("ETHUSDT", (0, 6 * HOUR)), swings("ETHUSDT", (18 * HOUR, DAY))], ids=["ends early", "begins late"]
)
@pytest.mark.parametrize("words", ["bias warm-up", "bias lookahead --cuts 6"])
def test_a_check_goes_on_where_a_symbol_has_no_candles(words, ether, act):
    code, told = act(words, BITCOIN, ether)
    assert code == 0
    assert "never changed" in told or told.count("trades") == 5


# where the data is cut


def test_the_data_is_cut_within_the_period_asked_for(act):
    assert act("bias lookahead --cuts 6 --from 2025-01-06T20:00:00", BITCOIN) == (
        0,
        "look-ahead: 6 cuts, the past never changed.\n",
    )


def test_finer_candles_end_where_the_data_is_cut(act):
    assert act("bias lookahead --cuts 200 --interval 5m --detail candles.csv", BITCOIN) == (
        0,
        "look-ahead: 200 cuts, the past never changed.\n",
    )


# where it begins later


def test_later_beginnings_lie_in_the_period_and_never_in_a_hole(act):
    holed = swings("BTCUSDT", (0, DAY), (9 * DAY, 10 * DAY))
    code, told = act("bias warm-up --from 2025-01-06T18:00:00 --json", holed)
    starts = [(each["start_ms"] - MONDAY) / HOUR for each in json.loads(told)]
    assert (code, len(starts)) == (0, 5)
    assert 18 < starts[0] < 24
    assert starts[1] > 9 * 24
    assert starts[-1] < 10 * 24 - 3


def test_a_beginning_that_no_trade_follows_compares_nothing(act):
    code, told = act("bias warm-up --starts 1", swings("BTCUSDT", (0, 20 * MINUTE)))
    assert (code, told) == (0, "from 2025-01-06T00:07:00Z: no trades in either of the two runs, nothing to compare.\n")


def test_a_beginning_after_all_candles_is_answered_by_what_is_missing(act):
    assert act("bias warm-up --from 2025-01-07", BITCOIN) == (
        1,
        "act: BTCUSDT: no candle at or after 2025-01-07T00:00:00Z has others before and after it: give more data.\n",
    )


# walking forward


HOLED = swings("BTCUSDT", (0, 3 * DAY), (7 * DAY, 9 * DAY + DAY // 2))
WALK = "walk-forward --param k=1,2 --in-days 2 --out-days 1"


def test_a_hole_leaves_windows_out_and_the_others_go_on(act):
    code, told = act(WALK, HOLED)
    lines = told.splitlines()
    assert code == 0
    assert lines[1].endswith(
        "2025-01-09T00:00:00Z .. 2025-01-10T00:00:00Z  left out: no candles out of sample to judge on"
    )
    assert [line.split("left out: ")[1] for line in lines[3:6]] == [
        "no candles",
        "no candles",
        "no candles in sample to choose on",
    ]
    assert "in sample (1.0 of 2.0 days have candles)" in lines[6]
    assert lines[-2] == "5 of 8 windows are left out: the data has a hole there"


def test_what_walking_forward_tells_follows_from_its_windows(act):
    walked = json.loads(act(f"{WALK} --json", HOLED)[1])
    parts = walked["windows"]
    assert [(each["in_days"], each["out_days"]) for each in parts] == [(2, 1), (1, 1), (2, 0.5)]
    assert len(walked["left_out"]) == 5
    in_pnl, out_pnl = (sum(float(each[f"{part}_pnl"]) for each in parts) for part in ("in", "out"))
    assert float(walked["out_pnl"]) == pytest.approx(out_pnl)
    assert in_pnl > 0
    assert walked["efficiency"] == pytest.approx(out_pnl / 2.5 / (in_pnl / 5))


def test_a_symbol_that_begins_after_a_window_is_left_out_of_it(act):
    code, told = act(WALK, swings("BTCUSDT", (0, 4 * DAY)), swings("ETHUSDT", (3 * DAY, 4 * DAY)))
    assert code == 0
    assert told.count("out of sample") == 3


def test_walking_on_after_all_candles_is_answered_by_what_is_missing(act):
    assert act(f"{WALK} --from 2025-01-07", BITCOIN) == (
        1,
        "act: BTCUSDT: no candle at or after 2025-01-07T00:00:00Z: correct --from or the data.\n",
    )


# by mistake


@pytest.mark.parametrize("count", [0, -1])
@pytest.mark.parametrize(
    ("words", "option"),
    [
        ("bias lookahead", "--cuts"),
        ("bias warm-up", "--starts"),
        ("walk-forward --param k=1,2", "--in-days"),
        ("walk-forward --param k=1,2", "--out-days"),
    ],
)
def test_fewer_than_one_of_anything_is_refused_before_data_is_read(words, option, count, tmp_path, capsys):
    assert cli.main([*words.split(), option, str(count), "--data", str(tmp_path / "missing.parquet")]) == 78
    assert capsys.readouterr().err == f"act: {option} {count}: give 1 or more.\n"


def test_a_setting_is_no_parameter_to_choose(capsys):
    assert cli.main(["walk-forward", "--param", "k=1,2", "--param", "risk.daily_loss=5,10"]) == 78
    assert capsys.readouterr().err == (
        "act: --param risk.daily_loss: only parameters of the strategy are chosen here. "
        "Sweep a setting with act sweep.\n"
    )
