"""Bias checks on toy backtests: honest ones, and ones that cheat in a known way."""

import random

import numpy as np
import pytest

from backtest.bias import Foresight, lookahead, spread_starts, warm_up_sensitivity
from backtest.errors import DataError
from support.backtest_outcomes import MINUTE, MONDAY, a_history, a_series, a_trade, an_outcome

DICE = random.Random(11)
WALK = [100 + round(sum(DICE.choice([-1, 1]) for _ in range(DICE.randint(1, 9))) / 10, 1) for _ in range(400)]
HISTORY = a_history(a_series(WALK), a_series([price + 5 for price in WALK], "ETHUSDT"))


def rises(closes, row):
    """Say whether the candle closed above the one before."""
    return row > 0 and closes[row] > closes[row - 1]


def buys_at_the_open_after(signal):
    """Make a backtest that holds for the two candles after a signal; a signal on the last candle does nothing."""

    def run(history):
        return an_outcome([trade for series in history.series.values() for trade in trades_of(series, signal)])

    return run


def trades_of(series, signal):
    row = 0
    while row + 3 < series.open_time.size:
        if not signal(series.close, row):
            row += 1
            continue
        entry, leave = series.open[row + 1] / 10, series.open[row + 3] / 10
        times = int(series.open_time[row + 1]), int(series.open_time[row + 3])
        yield a_trade(*times, str(entry), str(leave), symbol=series.symbol)
        row += 3


def flags_of(signal):
    return lambda series: np.array([signal(series.close, row) for row in range(series.open_time.size)], dtype=np.uint8)


def open_too(run):
    """Let entries without an exit count, as an account that is still open does."""

    def with_open(history):
        longer = {
            symbol: type(series)(
                symbol,
                series.tick,
                series.step,
                *(
                    np.append(column, column[-1:] + (np.arange(1, 4) * step))
                    for column, step in (
                        (series.open_time, MINUTE),
                        (series.open, 0),
                        (series.high, 0),
                        (series.low, 0),
                        (series.close, 0),
                        (series.volume, 0),
                    )
                ),
            )
            for symbol, series in history.series.items()
        }
        last_ms = max(int(series.open_time[-1]) for series in history.series.values())
        outcome = run(a_history(*longer.values()))
        fills = [fill for fill in outcome.fills if fill.time_ms <= last_ms]
        return an_outcome([trade for trade in outcome.trades if trade.exit_time <= last_ms], fills=fills)

    return with_open


HONEST = open_too(buys_at_the_open_after(rises))


def test_an_honest_backtest_has_no_leak():
    assert lookahead(HONEST, HISTORY, 60, seed=3) == Foresight(60, ())


@pytest.mark.parametrize("candles", [1, 2, 30])
def test_a_signal_that_reads_later_candles_is_found(candles):
    def peeks(closes, row):
        return rises(closes, min(row + candles, len(closes) - 1))

    leaks = lookahead(open_too(buys_at_the_open_after(peeks)), HISTORY, 60, seed=3).leaks
    assert leaks
    assert all(leak.at_ms <= leak.cut_ms for leak in leaks)
    assert "with the future" in leaks[0].text


def test_with_detail_only_a_fill_gone_at_the_open_of_the_cut_is_no_leak():
    def fills_only_with(a_future):
        def run(history):
            knows_all = history.series["BTCUSDT"].open_time.size == 400
            return an_outcome([a_trade(MONDAY + 200 * MINUTE, MONDAY + 399 * MINUTE)] if knows_all is a_future else [])

        return run

    history = a_history(a_series(WALK))
    for a_future in (True, False):
        found = lookahead(fills_only_with(a_future), history, 399, seed=3, has_detail=True)
        cuts = {(leak.cut_ms - MONDAY) // MINUTE for leak in found.leaks}
        assert (200 in cuts, 201 in cuts, 199 in cuts) == (not a_future, True, False)


def test_a_figure_normalised_over_the_whole_data_is_found():
    def above_the_mean_of_everything(closes, row):
        return closes[row] > closes.mean()

    assert lookahead(open_too(buys_at_the_open_after(above_the_mean_of_everything)), HISTORY, 30, seed=3).leaks


def test_flags_show_a_leak_that_led_to_no_trade():
    def peeks(closes, row):
        return rises(closes, min(row + 1, len(closes) - 1))

    leaks = lookahead(HONEST, HISTORY, 30, seed=3, flags={"BTCUSDT": flags_of(peeks)}).leaks
    assert {leak.symbol for leak in leaks} == {"BTCUSDT"}
    assert "flags" in leaks[0].text
    assert lookahead(HONEST, HISTORY, 30, seed=3, flags={"BTCUSDT": flags_of(rises)}).leaks == ()


def test_a_pnl_that_the_future_changed_is_found():
    def pays_by_the_length_of_the_data(history):
        honest = HONEST(history)
        fees = str(max(series.open_time.size for series in history.series.values()))
        trades = [
            a_trade(
                trade.entry_time, trade.exit_time, trade.entry_price, trade.exit_price, symbol=trade.symbol, fees=fees
            )
            for trade in honest.trades
        ]
        return an_outcome(trades, fills=honest.fills)

    leaks = lookahead(pays_by_the_length_of_the_data, HISTORY, 10, seed=3).leaks
    assert "pnl" in leaks[0].text


def test_a_symbol_that_begins_after_the_cut_is_no_leak():
    later = a_series(WALK[:100], "XRPUSDT", start=MONDAY + 300 * MINUTE)
    assert lookahead(HONEST, a_history(a_series(WALK), later), 60, seed=3).leaks == ()


def test_the_same_seed_asks_at_the_same_moments():
    def peeks(closes, row):
        return rises(closes, min(row + 1, len(closes) - 1))

    run = open_too(buys_at_the_open_after(peeks))
    assert lookahead(run, HISTORY, 20, seed=8) == lookahead(run, HISTORY, 20, seed=8)
    assert lookahead(run, HISTORY, 20, seed=8) != lookahead(run, HISTORY, 20, seed=9)


def test_the_future_is_taken_away_only_after_the_first_candle_that_decides():
    ends = []

    def run(history):
        ends.append(int(history.series["BTCUSDT"].open_time[-1]))
        return an_outcome([a_trade(MONDAY + 50 * MINUTE, MONDAY + 360 * MINUTE)])

    from_ms = MONDAY + 300 * MINUTE
    assert lookahead(run, a_history(a_series(WALK)), 20, seed=3, from_ms=from_ms).cuts == 20
    assert min(ends) > from_ms
    assert MONDAY + 360 * MINUTE in ends


def test_every_candle_is_a_cut_where_there_are_fewer_than_asked_for():
    assert lookahead(HONEST, a_history(a_series(WALK)), 1000, seed=3).cuts == 399


def test_one_candle_leaves_nothing_to_cut():
    with pytest.raises(DataError, match="BTCUSDT: no second candle to cut the data at: give more data"):
        lookahead(lambda _: an_outcome(), a_history(a_series([100])), 5, seed=3)


def test_a_backtest_that_needs_no_warm_up_agrees_at_once():
    def is_high(closes, row):
        return closes[row] > 1_005

    history = a_history(a_series([100, 100, 101, 100] * 50))
    starts = [MONDAY + 100 * MINUTE]
    (settled,) = warm_up_sensitivity(buys_at_the_open_after(is_high), history, starts)
    assert (settled.trades, settled.differing, settled.agrees_from_ms) == (24, 0, starts[0])


def test_a_backtest_that_remembers_its_beginning_never_agrees():
    def above_its_first_close(closes, row):
        return closes[row] > closes[0]

    history = a_history(a_series([100, 90, 90, *([95] * 100)]))
    (unsettled,) = warm_up_sensitivity(buys_at_the_open_after(above_its_first_close), history, [MONDAY + MINUTE])
    assert unsettled.agrees_from_ms is None
    assert unsettled.differing == unsettled.trades > 0


def test_agreement_counts_from_the_entry_after_the_last_difference():
    def run(history):
        first = int(history.series["BTCUSDT"].open_time[0])
        late = [a_trade(MONDAY + minute * MINUTE, MONDAY + (minute + 1) * MINUTE) for minute in (50, 60, 70)]
        return an_outcome(late if first == MONDAY else late[1:])

    (settled,) = warm_up_sensitivity(run, HISTORY, [MONDAY + 10 * MINUTE])
    assert (settled.trades, settled.differing, settled.agrees_from_ms) == (3, 1, MONDAY + 60 * MINUTE)


def minutes(starts):
    return [(start - MONDAY) // MINUTE for start in starts]


def test_starts_lie_in_equal_shares_of_the_candles():
    assert minutes(spread_starts(HISTORY, 4)) == [39, 138, 238, 337]


def test_starts_lie_in_the_period_at_candles_that_exist():
    times = [MONDAY + minute * MINUTE for minute in (*range(100), *range(5_000, 5_300))]
    holed = a_history(a_series(WALK, times=times))
    assert minutes(spread_starts(holed, 4)) == [39, 5_038, 5_138, 5_237]
    assert minutes(spread_starts(holed, 4, MONDAY + 1_000 * MINUTE)) == [5_028, 5_103, 5_178, 5_252]


def test_a_start_leaves_some_symbol_candles_before_and_after():
    early, late = a_series(WALK[:3], "XRPUSDT"), a_series(WALK[:3], start=MONDAY + 10 * MINUTE)
    assert minutes(spread_starts(a_history(early, late), 5)) == [1, 11]


def test_two_candles_leave_no_start():
    with pytest.raises(DataError, match="BTCUSDT: no candle has others before and after it: give more data"):
        spread_starts(a_history(a_series([100, 101])), 5)


def test_sessions_of_whole_days_are_begun_in_their_middle():
    week = a_history(a_series([100] * 7 * 1440))
    assert all(120 < minute % 1440 < 1320 for minute in minutes(spread_starts(week, 7)))
