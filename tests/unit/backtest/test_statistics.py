"""Equity and figures against loops and textbook formulas written here once more."""

import math
import random
import statistics
from decimal import Decimal
from itertools import pairwise

import numpy as np
import pytest

from backtest.statistics import (
    EquityCurve,
    daily_returns,
    day_ends,
    equity_curve,
    max_drawdown,
    profit_factor,
    sharpe,
    sortino,
    summarize,
    win_rate,
)
from bot.domain.fill import Transfer
from support.backtest_outcomes import (
    DAY,
    MINUTE,
    MONDAY,
    a_fill,
    a_funding,
    a_history,
    a_series,
    a_trade,
    an_open_position,
    an_outcome,
)


def a_curve(equity, opening=10_000.0, times=None):
    times = np.arange(1, len(equity) + 1, dtype=np.int64) * MINUTE + MONDAY if times is None else np.array(times)
    return EquityCurve(times, np.array(equity, dtype=float), np.zeros(len(equity), dtype=bool), opening)


def daily_curve(equity, opening=10_000.0):
    return a_curve(equity, opening, [MONDAY + (day + 1) * DAY for day in range(len(equity))])


# equity


def test_equity_is_wallet_plus_what_the_open_position_would_realize_at_each_close():
    history = a_history(a_series([100, 101, 103, 102, 104]))
    fills = [
        a_fill(MONDAY + MINUTE, "BUY", "100", "2", commission="0.1"),
        a_fill(MONDAY + 3 * MINUTE, "SELL", "103", "2", commission="0.2", realized="6"),
    ]
    curve = equity_curve(an_outcome(fills=fills), history, MONDAY)
    assert curve.times.tolist() == [MONDAY + minute * MINUTE for minute in (1, 2, 3, 4, 5)]
    assert curve.equity == pytest.approx([10_000, 10_001.9, 10_005.9, 10_005.7, 10_005.7])
    assert curve.in_position.tolist() == [False, True, True, False, False]


def test_a_flat_account_is_its_wallet_whatever_rounding_left_of_the_cost():
    fills = [a_fill(MONDAY, "BUY", "100"), a_fill(MONDAY + MINUTE, "SELL", "101", realized="1.5")]
    curve = equity_curve(an_outcome(fills=fills), a_history(a_series([100, 101, 101])), MONDAY)
    assert curve.equity == pytest.approx([10_000, 10_001.5, 10_001.5])


def test_a_short_gains_when_the_price_falls():
    history = a_history(a_series([100, 99, 98]))
    curve = equity_curve(an_outcome(fills=[a_fill(MONDAY + MINUTE, "SELL", "100", "3")]), history, MONDAY)
    assert curve.equity == pytest.approx([10_000, 10_003, 10_006])


def test_a_stop_in_the_last_millisecond_of_a_candle_belongs_to_that_candle():
    history = a_history(a_series([100, 90, 90]))
    fills = [
        a_fill(MONDAY, "BUY", "100"),
        a_fill(MONDAY + 2 * MINUTE - 1, "SELL", "95", realized="-5"),
    ]
    curve = equity_curve(an_outcome(fills=fills), history, MONDAY)
    assert curve.equity == pytest.approx([10_000, 9_995, 9_995])


def test_funding_at_a_close_belongs_to_the_minute_that_begins_there():
    history = a_history(a_series([100, 100, 100]))
    curve = equity_curve(an_outcome(fundings=[a_funding(MONDAY + MINUTE, "-2")]), history, MONDAY)
    assert curve.equity == pytest.approx([10_000, 9_998, 9_998])


def test_funding_inside_a_hole_is_seen_at_the_first_close_after_it():
    times = [MONDAY, MONDAY + 10 * MINUTE]
    history = a_history(a_series([100, 100], times=times))
    curve = equity_curve(an_outcome(fundings=[a_funding(MONDAY + 5 * MINUTE, "-2")]), history, MONDAY)
    assert curve.equity == pytest.approx([10_000, 9_998])


def test_a_symbol_without_a_candle_keeps_its_last_close():
    btc = a_series([100, 110, 130], times=[MONDAY, MONDAY + MINUTE, MONDAY + 3 * MINUTE])
    eth = a_series([10, 10, 10], "ETHUSDT", times=[MONDAY + MINUTE, MONDAY + 2 * MINUTE, MONDAY + 3 * MINUTE])
    fills = [a_fill(MONDAY, "BUY", "100"), a_fill(MONDAY + 2 * MINUTE, "SELL", "11", symbol="ETHUSDT")]
    curve = equity_curve(an_outcome(fills=fills), a_history(btc, eth), MONDAY)
    assert curve.times.tolist() == [MONDAY + minute * MINUTE for minute in (1, 2, 3, 4)]
    assert curve.equity == pytest.approx([10_000, 10_010, 10_011, 10_031])


def test_minutes_before_the_start_serve_only_as_warm_up():
    history = a_history(a_series([100, 100, 105, 106]))
    curve = equity_curve(an_outcome(fills=[a_fill(MONDAY + 2 * MINUTE, "BUY", "100")]), history, MONDAY + 2 * MINUTE)
    assert curve.times.tolist() == [MONDAY + 3 * MINUTE, MONDAY + 4 * MINUTE]
    assert curve.equity == pytest.approx([10_005, 10_006])


def test_insurance_clearance_is_booked_when_it_happened():
    history = a_history(a_series([100, 100, 100]))
    cleared = Transfer("INSURANCE_CLEAR", MONDAY + MINUTE, "BTCUSDT", "USDT", Decimal(-7))
    curve = equity_curve(an_outcome(wallet="9993", transfers=(cleared,)), history, MONDAY)
    assert curve.equity == pytest.approx([10_000, 9_993, 9_993])


def test_what_no_row_explains_is_booked_at_the_end():
    curve = equity_curve(an_outcome(wallet="9990"), a_history(a_series([100, 100])), MONDAY)
    assert curve.equity == pytest.approx([10_000, 9_990])


def test_without_candles_there_is_no_curve():
    curve = equity_curve(an_outcome(), a_history(), MONDAY)
    assert curve.equity.size == 0
    assert max_drawdown(curve) == 0


def test_the_curve_equals_a_walk_over_every_minute_and_ends_at_wallet_plus_unrealized():
    for seed in range(30):
        compare_with_walk(random.Random(seed))


def compare_with_walk(dice):
    series = [
        a_series(
            [round(dice.uniform(90, 110), 1) for _ in range(200)],
            symbol,
            times=sorted(dice.sample(range(MONDAY, MONDAY + 400 * MINUTE, MINUTE), 200)),
        )
        for symbol in ("AUSDT", "BUSDT")
    ]
    history = a_history(*series)
    fills, fundings = drawn_rows(dice, series)
    outcome = an_outcome(fills=fills, fundings=fundings)
    curve = equity_curve(outcome, history, MONDAY)
    walked = list(walk(series, outcome))
    assert curve.times.tolist() == [at_ms for at_ms, _ in walked]
    assert np.max(np.abs(curve.equity - np.array([float(equity) for _, equity in walked]))) < 1e-6


def drawn_rows(dice, series):
    fills, fundings = [], []
    for each in series:
        position = cost = Decimal(0)
        for index, row in enumerate(sorted(dice.sample(range(len(each.open_time)), 40))):
            at_ms = int(each.open_time[row]) + dice.choice([0, 59_999])
            side = dice.choice([1, -1]) if not position or dice.random() < 0.5 else -1 if position > 0 else 1
            quantity = abs(position) if position * side < 0 else Decimal(dice.randint(1, 9)) / 1000
            price = Decimal(str(round(dice.uniform(90, 110), 1)))
            realized = -side * (price * quantity - abs(cost)) if position * side < 0 else Decimal(0)
            cost = Decimal(0) if position * side < 0 else cost + price * quantity
            position += side * quantity
            word = "BUY" if side > 0 else "SELL"
            more = {"symbol": each.symbol, "commission": "0.03", "realized": realized, "number": index + 1}
            fills.append(a_fill(at_ms, word, price, quantity, **more))
            fundings.append(a_funding(int(each.open_time[row]), "-0.01", each.symbol))
    return fills, fundings


def walk(series, outcome):
    """Go through every minute with dictionaries, as the definition reads."""
    wallet, held, cost, last = outcome.opening_balance, {}, {}, {}
    rows = sorted([*outcome.fills, *outcome.fundings], key=lambda row: row.time_ms)
    for open_ms in sorted({int(at_ms) for each in series for at_ms in each.open_time}):
        while rows and rows[0].time_ms < open_ms + MINUTE:
            row = rows.pop(0)
            if not hasattr(row, "price"):
                wallet += row.amount
                continue
            wallet += row.realized_pnl - row.commission
            signed = row.quantity * row.side.sign
            held[row.symbol] = held.get(row.symbol, 0) + signed
            cost[row.symbol] = cost.get(row.symbol, 0) + signed * row.price + row.realized_pnl
        for each in series:
            place = np.flatnonzero(each.open_time == open_ms)
            if place.size:
                last[each.symbol] = Decimal(int(each.close[place[0]])) * each.tick
        unrealized = sum(held[name] * last[name] - cost[name] for name in held if name in last)
        yield open_ms + MINUTE, wallet + unrealized


def test_the_last_point_holds_to_a_millionth_after_thousands_of_round_trips():
    closes = [100 + (minute % 7) / 10 for minute in range(10_000)]
    trades = [
        a_trade(
            MONDAY + minute * MINUTE, MONDAY + (minute + 1) * MINUTE, "100.1", "100.3", quantity="7.123", fees="0.7131"
        )
        for minute in range(1, 9_990, 2)
    ]
    still_open = a_fill(MONDAY + 9_995 * MINUTE, "BUY", "100", "3")
    fills = an_outcome(trades).fills
    outcome = an_outcome(trades, fills=[*fills, still_open])
    last = float(outcome.wallet) + 3 * (closes[-1] - 100)
    assert abs(equity_curve(outcome, a_history(a_series(closes)), MONDAY).equity[-1] - last) < 1e-6


# figures


def test_drawdown_counts_from_the_opening_balance_on():
    assert max_drawdown(a_curve([9_990, 9_995])) == 10
    assert max_drawdown(a_curve([10_050, 10_020, 10_060, 10_029.5])) == Decimal("30.5")


def test_drawdown_is_zero_for_a_curve_that_never_falls():
    assert max_drawdown(a_curve([10_000, 10_001])) == 0


def test_days_end_at_midnight_utc_and_the_first_one_counts_against_the_opening_balance():
    times = [MONDAY + MINUTE, MONDAY + DAY, MONDAY + DAY + MINUTE, MONDAY + 3 * DAY]
    curve = a_curve([10_001, 10_100, 10_090, 10_201], times=times)
    days, equity = day_ends(curve)
    assert days.tolist() == [MONDAY, MONDAY + DAY, MONDAY + 2 * DAY]
    assert equity.tolist() == [10_100, 10_090, 10_201]
    assert daily_returns(curve) == pytest.approx([0.01, 10_090 / 10_100 - 1, 10_201 / 10_090 - 1])


def test_ratios_equal_the_textbook():
    dice = random.Random(5)
    equity = [10_000.0]
    for _ in range(90):
        equity.append(equity[-1] * (1 + dice.gauss(0.001, 0.01)))
    returns = [after / before - 1 for before, after in pairwise(equity)]
    got = daily_returns(daily_curve(equity[1:]))
    downside = math.sqrt(sum(change**2 for change in returns if change < 0) / len(returns))
    assert sharpe(got) == pytest.approx(statistics.mean(returns) / statistics.stdev(returns) * math.sqrt(365), rel=1e-9)
    assert sortino(got) == pytest.approx(statistics.mean(returns) / downside * math.sqrt(365), rel=1e-9)


def test_ratios_are_absent_where_they_are_not_defined():
    assert sharpe(daily_returns(daily_curve([10_010]))) is None
    assert sortino(daily_returns(daily_curve([10_010]))) is None
    assert sharpe(daily_returns(daily_curve([10_000, 10_000]))) is None
    assert sortino(daily_returns(daily_curve([10_010, 10_030]))) is None
    assert sharpe(daily_returns(daily_curve([-5, 10, 20]))) is None
    assert win_rate([]) is None
    assert profit_factor([a_trade()]) is None


def test_a_trade_without_profit_is_no_win():
    trades = [a_trade(exit="103"), a_trade(exit="100"), a_trade(exit="98"), a_trade(exit="99")]
    assert win_rate(trades) == 0.25
    assert profit_factor(trades) == 1.0


def test_summary_has_its_fields_in_order_with_money_as_text():
    trades = [
        a_trade(MONDAY + MINUTE, MONDAY + 3 * MINUTE, "100", "103", fees="0.2", funding="0.05"),
        a_trade(MONDAY + 3 * MINUTE, MONDAY + 4 * MINUTE, "103", "102", fees="0.1"),
    ]
    outcome = an_outcome(trades, [a_funding(MONDAY + 2 * MINUTE, "0.05")], candles=5)
    got = summarize(outcome, a_history(a_series([100, 100, 103, 102, 102])), MONDAY).as_json()
    assert got == {
        "candles": 5,
        "trades": 2,
        "pnl": "1.75",
        "fees": "0.3",
        "funding": "0.05",
        "max_drawdown": "1.2",
        "sharpe": None,
        "sortino": None,
        "win_rate": 0.5,
        "profit_factor": 2.590909091,
        "exposure": 0.6,
    }
    assert " ".join(got) == (
        "candles trades pnl fees funding max_drawdown sharpe sortino win_rate profit_factor exposure"
    )


def test_what_is_open_at_the_end_counts_in_equity_but_not_in_pnl():
    fills = [a_fill(MONDAY + MINUTE, "BUY", "100", "2")]
    outcome = an_outcome(fills=fills, still_open=[an_open_position("-8")])
    got = summarize(outcome, a_history(a_series([100, 100, 96])), MONDAY)
    assert (got.pnl, got.max_drawdown, got.trades) == (0, 8, 0)
