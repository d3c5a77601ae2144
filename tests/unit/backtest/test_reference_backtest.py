"""The second witness against values worked out by hand; prices are whole USDT, so that ticks can be read as prices."""

from fractions import Fraction

import numpy as np
import pytest

from support.backtest_data import MONDAY, a_candle, flat_candles
from support.reference_backtest import (
    DAY,
    MINUTE,
    Candles,
    Filters,
    Rules,
    judge,
    reference_trades,
    rounded,
    text,
    whole_numbers,
)

FILTERS = Filters(tick=Fraction(1), step=Fraction(1, 100))
RULES = Rules(warm_up=30)
QUIET = flat_candles(30, open=1000, close=1000)
# 30 candles at 1,000 and one that closes at 970, typical price 980: V = 31, m = 92,940 / 31 = 2,998.1, s = 10.6,
# lower band 2,976.9, and three times 970 is 2,910.
LONG_AT_30 = [*QUIET, a_candle(MONDAY + 30 * MINUTE, open=1000, close=970)]
SHORT_AT_30 = [*QUIET, a_candle(MONDAY + 30 * MINUTE, open=1000, close=1030)]


def columns(rows):
    return Candles(**{name: [row[name] for row in rows] for name in rows[0]})


def after(rows, *more, minutes=1):
    """Append candles, the first of them `minutes` after the last one."""
    start = rows[-1]["open_time"] + minutes * MINUTE
    return [*rows, *({**row, "open_time": start + index * MINUTE} for index, row in enumerate(more))]


def run(rows, rules=RULES, filters=FILTERS, **rest):
    return reference_trades("XUSDT", columns(rows), filters, rules, **rest)


def test_long_is_filled_at_the_next_open_and_leaves_at_the_open_after_the_close_at_the_vwap():
    rows = after(LONG_AT_30, a_candle(open=980, close=985), a_candle(open=985, close=1005), a_candle(open=1004))
    trades, still_open = run(rows)
    # 1,000 / 970 = 1.0309 -> 1.03. Fees 980 * 1.03 * 0.0005 = 0.5047 and 1,004 * 1.03 * 0.0005 = 0.51706.
    assert still_open == []
    assert trades == [
        {
            "symbol": "XUSDT",
            "side": "LONG",
            "quantity": "1.03",
            "entry_time": MONDAY + 31 * MINUTE,
            "entry_price": "980",
            "exit_time": MONDAY + 33 * MINUTE,
            "exit_price": "1004",
            "fees": "1.02176",
            "funding": "0",
            "pnl": "23.69824",  # 24 * 1.03 = 24.72
            "exit_reason": "signal",
        }
    ]


def test_short_that_is_open_at_the_end_is_marked_at_the_last_close():
    trades, still_open = run(after(SHORT_AT_30, a_candle(open=1020, close=1025)))
    assert trades == []
    assert still_open == [
        {
            "symbol": "XUSDT",
            "side": "SHORT",
            "quantity": "0.97",  # 1,000 / 1,030 = 0.9708
            "entry_time": MONDAY + 31 * MINUTE,
            "entry_price": "1020",
            "mark_price": "1025",
            "unrealized": "-4.85",
            "fees": "0.4947",
            "funding": "0",
            "stop_price": "1030",  # 1,030.2 towards the entry
        }
    ]


@pytest.mark.parametrize(
    ("low", "opened", "left_at"),
    [
        (972, 979, None),  # the stop is 970.2, rounded up to 971
        (971, 979, "971"),
        (960, 979, "971"),
        (960, 965, "965"),  # a gap: the worse of stop and open
    ],
)
def test_stop_of_a_long_fires_at_the_tick_towards_the_entry_or_worse(low, opened, left_at):
    trades, _ = run(after(LONG_AT_30, a_candle(open=980), a_candle(open=opened, low=low, close=975)))
    assert [(trade["exit_price"], trade["exit_reason"]) for trade in trades] == ([(left_at, "stop")] if left_at else [])


def test_stop_is_live_in_the_candle_of_the_entry_and_no_entry_is_decided_at_its_close():
    rows = after(LONG_AT_30, a_candle(open=980, low=960, close=961), a_candle(open=962, close=962), a_candle(open=963))
    (first,), (second,) = run(after(rows, a_candle(open=964)))
    assert (first["entry_time"], first["exit_time"], first["exit_price"]) == (*[MONDAY + 31 * MINUTE] * 2, "971")
    assert second["entry_time"] == MONDAY + 33 * MINUTE  # decided at the close of minute 32, not of 31


def test_no_entry_is_decided_at_the_close_of_the_candle_in_which_an_exit_filled():
    rows = after(
        LONG_AT_30,
        a_candle(open=980, close=1001),  # the exit is decided here
        a_candle(open=1001, low=930, close=931),  # and fills here; its close is below the band
        a_candle(open=931, close=931),
        a_candle(open=931),
    )
    (trade,), (reopened,) = run(rows, Rules(warm_up=30, adx_max=30))
    assert (trade["exit_time"], trade["exit_reason"]) == (MONDAY + 32 * MINUTE, "signal")
    assert reopened["entry_time"] == MONDAY + 34 * MINUTE


def test_exit_that_waits_for_the_open_comes_before_the_stop_of_that_candle():
    rows = after(LONG_AT_30, a_candle(open=980, close=1001), a_candle(open=950, close=950))
    (trade,), _ = run(rows)
    assert (trade["exit_price"], trade["exit_reason"]) == ("950", "signal")


def test_decision_on_the_last_candle_places_nothing():
    assert run(LONG_AT_30) == ([], [])
    _, still_open = run(after(LONG_AT_30, a_candle(open=980, close=1000)))
    assert len(still_open) == 1


def test_touching_the_band_is_not_beyond_it():
    # Equal volumes at 990 and 1,010: three times the VWAP is 3,000, the deviation 30, the lower band 2,940.
    swings = [a_candle(MONDAY + minute * MINUTE, close=1000 + 10 * (-1) ** minute) for minute in range(40)]
    touching = after(swings, a_candle(close=980, volume=0), a_candle(close=980))
    beyond = after(swings, a_candle(close=979, volume=0), a_candle(close=980))
    assert run(touching) == ([], [])
    assert len(run(beyond)[1]) == 1


def test_entries_need_more_candles_than_the_warm_up_and_enough_of_the_session():
    assert len(run(after(LONG_AT_30, a_candle(open=980)))[1]) == 1
    assert run(after(LONG_AT_30, a_candle(open=980)), Rules(warm_up=31)) == ([], [])
    assert run(after(LONG_AT_30, a_candle(open=980)), Rules(warm_up=30, min_session_candles=32)) == ([], [])


def test_session_that_was_not_seen_from_midnight_has_no_vwap():
    late = [{**row, "open_time": row["open_time"] + MINUTE} for row in LONG_AT_30]
    assert run(after(late, a_candle(open=980))) == ([], [])


def test_session_without_volume_has_no_vwap_and_counts_its_candles():
    empty = [{**row, "volume": 0} for row in LONG_AT_30]
    assert run(after(empty, a_candle(open=980))) == ([], [])
    late_volume = [*empty[:29], *LONG_AT_30[29:]]
    # V = 2: m = 2,970, s = 30; the band 2,910 is touched by 2,910, not passed.
    assert run(after(late_volume, a_candle(open=980))) == ([], [])
    assert len(run(after(late_volume, a_candle(open=980)), Rules(warm_up=30, k=Fraction(3, 2)))[1]) == 1


def test_order_pending_across_a_hole_fills_at_the_open_after_it_and_the_stop_stays():
    rows = after(LONG_AT_30, a_candle(open=950, close=1050), a_candle(open=1050, close=1060), minutes=5)
    trades, (held,) = run(rows)
    assert (trades, held["entry_time"], held["entry_price"]) == ([], MONDAY + 35 * MINUTE, "950")
    stopped, _ = run(after(rows, a_candle(open=900), minutes=9))
    assert [(trade["exit_price"], trade["exit_reason"]) for trade in stopped] == [("900", "stop")]


def test_signal_exit_pending_across_a_hole_fills_at_the_open_after_it():
    rows = after(LONG_AT_30, a_candle(open=980, close=1001))
    (trade,), _ = run(after(rows, a_candle(open=940), minutes=700))
    assert (trade["exit_price"], trade["exit_time"], trade["exit_reason"]) == ("940", MONDAY + 731 * MINUTE, "signal")


def test_after_a_hole_only_the_next_midnight_brings_a_signal_exit_and_it_needs_no_warm_up():
    held = after(LONG_AT_30, a_candle(open=980, close=985))
    before = flat_candles(2, since=MONDAY + DAY - 2 * MINUTE, open=985, close=1050)
    midnight = flat_candles(2, since=MONDAY + DAY, open=1050, low=1040, close=1050)
    assert run([*held, *before])[0] == []
    (trade,), _ = run([*held, *before, *midnight])
    assert (trade["exit_time"], trade["exit_reason"]) == (MONDAY + DAY + MINUTE, "signal")


def test_adx_starts_anew_after_a_hole():
    rules = Rules(warm_up=0, min_session_candles=1)
    rows = flat_candles(27, open=1000, close=1000)
    short = after(rows, a_candle(close=999), a_candle(close=999))
    assert [verdict.entry for verdict in judge(columns(short), rules)][26:] == [0, 1, 1]  # the 28th candle is the first
    broken = [*flat_candles(27, since=MONDAY - 28 * MINUTE), *short[:28]]
    assert [verdict.entry for verdict in judge(columns(broken), rules)][-2:] == [0, 1]


@pytest.mark.parametrize(
    "filters",
    [
        Filters(FILTERS.tick, FILTERS.step, max_quantity=Fraction("1.02")),
        Filters(FILTERS.tick, FILTERS.step, min_quantity=Fraction("1.04")),
        Filters(FILTERS.tick, FILTERS.step, min_notional=Fraction("999.11")),  # 970 * 1.03 = 999.1
        Filters(FILTERS.tick, Fraction(2)),
    ],
)
def test_order_the_exchange_would_refuse_is_no_trade(filters):
    assert run(after(LONG_AT_30, a_candle(open=980)), filters=filters) == ([], [])


def test_candles_before_the_start_are_warm_up_only():
    rows = after(LONG_AT_30, a_candle(open=980, close=975), a_candle(open=976))
    (_, (held,)) = run(rows, from_ms=MONDAY + 31 * MINUTE)
    assert held["entry_time"] == MONDAY + 32 * MINUTE


def test_stop_on_a_coarse_tick_is_one_tick_away():
    rows = [{**row, **{name: row[name] // 20 for name in ("open", "high", "low", "close")}} for row in LONG_AT_30]
    _, (held,) = run(after(rows, a_candle(open=48)))
    assert held["stop_price"] == "47"


def test_money_is_rounded_half_away_from_zero_and_written_plainly():
    assert text(rounded(Fraction("0.000000005"))) == "0.00000001"
    assert text(rounded(Fraction("-0.000000005"))) == "-0.00000001"
    assert text(rounded(Fraction("0.0000000049"))) == "0"
    assert text(Fraction(1200)) == "1200"
    with pytest.raises(ValueError, match="more than 8"):
        text(Fraction(1, 3))


def test_prices_off_the_grid_are_refused():
    good = {name: np.array([100.1]) for name in ("open", "high", "low", "close")}
    filters = Filters(Fraction("0.1"), Fraction("0.001"))
    read = whole_numbers({"open_time": np.array([MONDAY]), **good, "volume": np.array([0.003])}, filters)
    assert (read.close, read.volume) == ([1001], [3])
    with pytest.raises(ValueError, match="no multiples"):
        whole_numbers({"open_time": np.array([MONDAY]), **good, "volume": np.array([0.0005])}, filters)
