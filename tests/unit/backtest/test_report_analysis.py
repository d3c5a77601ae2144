"""The tables of a report, on trades counted by hand."""

import base64
import gzip
import json
from decimal import Decimal

import numpy as np
import pytest

from backtest.report import words
from backtest.report.analysis import analyse, change, hold_word, months, year_share
from backtest.report.figures import cost_words, facts, flat
from backtest.report.series import bar_candles, packed_candles, thinned_curve
from backtest.statistics import EquityCurve
from bot.trading.attribution import Attribution
from bot.trading.limits import Costs, LiquidityTier
from support.backtest_outcomes import DAY, MINUTE, MONDAY, a_fill, a_history, a_series, a_trade
from support.backtest_reports import a_report

HOUR = 60 * MINUTE
FEBRUARY = MONDAY + 34 * DAY


def table(run, title):
    (found,) = [table for table in analyse(run).tables if table.title.startswith(title)]
    return {group.name: (group.trades, group.wins, group.pnl) for group in found.groups}


def test_trades_are_grouped_by_symbol_best_first():
    run = a_report([a_trade(exit="99"), a_trade(exit="104", symbol="ETHUSDT"), a_trade(exit="102")])
    assert list(table(run, "By symbol").items()) == [("ETHUSDT", (1, 1, 4)), ("BTCUSDT", (2, 1, 1))]


def test_hours_and_weekdays_are_those_of_the_entry_in_utc_and_complete():
    run = a_report([a_trade(MONDAY + DAY + 23 * HOUR + 59 * MINUTE, MONDAY + 3 * DAY, exit="99")])
    hours, days = table(run, "By hour"), table(run, "By weekday")
    assert (len(hours), len(days)) == (24, 7)
    assert {name: row for name, row in hours.items() if row[0]} == {"23:00": (1, 0, -1)}
    assert {name: row for name, row in days.items() if row[0]} == {"Tuesday": (1, 0, -1)}


def test_exit_reasons_and_sides_are_words():
    run = a_report([a_trade(reason="take_profit"), a_trade(side="SHORT", reason="stop", exit="105")])
    assert table(run, "By exit reason") == {"take profit": (1, 1, 1), "stop": (1, 0, -5)}
    assert table(run, "By side") == {"LONG": (1, 1, 1), "SHORT": (1, 0, -5)}


@pytest.mark.parametrize(
    ("minutes", "word"),
    [
        (0, "under 5 min"),
        (4, "under 5 min"),
        (5, "5 to 15 min"),
        (59, "15 to 60 min"),
        (60, "1 to 4 h"),
        (1440, "a day or more"),
    ],
)
def test_a_class_of_hold_times_begins_with_its_lower_edge(minutes, word):
    assert hold_word(minutes * MINUTE) == word


def test_days_of_entry_are_regimes():
    calm, wild = a_trade(MONDAY + MINUTE), a_trade(MONDAY + DAY + MINUTE, MONDAY + DAY + 2 * MINUTE)
    closes = [100, 100.5, 100.2, 100, 120, 119]
    times = [MONDAY + day * DAY + minute * MINUTE for day in (0, 1) for minute in (0, 1, 2)]
    run = a_report([calm, wild], history=a_history(a_series(closes, times=times)))
    volatility, direction = table(run, "By volatility"), table(run, "By direction")
    assert {name for name, row in volatility.items() if row[0]} == {"quiet", "wild"}
    assert direction == {"trend": (1, 1, 1), "range": (1, 1, 1)}


def test_parts_of_the_profit_add_up_over_all_trades_and_in_every_table():
    trades = [
        a_trade(exit="103", fees="0.2", funding="-0.1", entry_decision="99.5", exit_decision="103.5"),
        a_trade(side="SHORT", exit="101", fees="0.3", entry_decision="100.5"),
    ]
    analysis = analyse(a_report(trades))
    assert analysis.total == Attribution(Decimal("3.5"), Decimal("1.5"), Decimal("0.5"), Decimal("-0.1"))
    for each in analysis.tables:
        assert sum(group.pnl for group in each.groups) == analysis.total.pnl == sum(trade.pnl for trade in trades)


def test_maker_share_is_by_notional():
    fills = [a_fill(1, "BUY", "100", "3", maker=True), a_fill(2, "SELL", "100", "1", number=3)]
    assert analyse(a_report(fills=fills)).maker_share == 0.75
    assert analyse(a_report()).maker_share is None


def test_streaks_and_hold_times():
    results = [5, -1, -2, 0, 3, -4]
    trades = [
        a_trade(MONDAY + number * HOUR, MONDAY + number * HOUR + (number + 1) * MINUTE, exit=str(100 + result))
        for number, result in enumerate(results)
    ]
    analysis = analyse(a_report(trades[::-1]))
    assert analysis.streaks.longest_losing == 3
    assert (analysis.streaks.best, analysis.streaks.worst) == (5, -4)
    assert (analysis.streaks.mean_win, analysis.streaks.mean_loss) == (4, Decimal("-1.75"))
    hold = analysis.hold
    assert (hold.shortest, hold.median, hold.longest, hold.mean) == (MINUTE, 3.5 * MINUTE, 6 * MINUTE, 3.5 * MINUTE)


def test_a_report_without_trades_has_its_tables():
    analysis = analyse(a_report())
    assert analysis.total == Attribution()
    assert analysis.streaks.longest_losing == 0
    assert len(analysis.tables) == 8


def curve_of(*points, opening=1_000.0):
    times, equity = zip(*points, strict=True)
    return EquityCurve(np.array(times), np.array(equity, dtype=float), np.zeros(len(times), dtype=bool), opening)


def test_months_are_calendar_months_and_compound_to_the_year():
    found = months(
        curve_of((MONDAY + DAY, 1_100), (MONDAY + 2 * DAY, 1_210), (MONDAY + 10 * DAY, 1_331), (FEBRUARY, 1_331))
    )
    assert [(month.year, month.month, round(month.change), round(month.share, 9)) for month in found] == [
        (2024, 12, 210, 0.21),
        (2025, 1, 121, 0.1),
        (2025, 2, 0, 0.0),
    ]
    assert year_share(found) == pytest.approx(0.331)
    assert change(found) == pytest.approx(331)


def test_a_share_of_nothing_is_absent():
    found = months(curve_of((MONDAY + DAY, -5), (FEBRUARY, 10)))
    assert [month.share for month in found] == [-1.005, None]
    assert year_share(found) is None


def test_a_thinned_curve_keeps_its_extremes_and_ends():
    dice = np.random.default_rng(4)
    equity = 10_000 + np.cumsum(dice.normal(size=50_000))
    equity[31_234], equity[40_001] = 9_000, 12_000
    curve = EquityCurve(np.arange(50_000) * MINUTE, equity, np.zeros(50_000, dtype=bool), 10_000.0)
    thin = thinned_curve(curve, 1_000)
    assert len(thin["time"]) <= 1_002
    assert {9_000, 12_000} <= set(thin["equity"])
    assert min(thin["drawdown"]) == pytest.approx(float(curve.drawdown.min()), abs=0.01)
    assert (thin["time"][0], thin["time"][-1]) == (0, 49_999 * MINUTE)


def unpacked(packed):
    """Read packed candles as the page does."""
    deltas = np.frombuffer(gzip.decompress(base64.b64decode(packed["data"])), dtype="<i4").reshape(5, -1).tolist()
    time, close, rows = packed["start"], packed["open"], []
    for gap, moved, above, below, body in zip(*deltas, strict=True):
        time, opened = time + gap * packed["interval"], close + moved
        close = opened + body
        prices = (opened, max(opened, close) + above, min(opened, close) - below, close)
        rows.append((time, *(round(price * packed["unit"], 8) for price in prices)))
    assert len(rows) == packed["count"]
    return rows


def test_packed_candles_come_out_as_they_went_in():
    times = [MONDAY, MONDAY + MINUTE, MONDAY + 7 * MINUTE, MONDAY + 8 * MINUTE]
    series = a_series([100.1, 99.7, 101.2, 101.2], times=times)
    series.high[2] += 4
    series.low[1] -= 3
    assert unpacked(packed_candles(series, 0, MINUTE)) == [
        (times[0], 100.1, 100.1, 100.1, 100.1),
        (times[1], 100.1, 100.1, 99.4, 99.7),
        (times[2], 99.7, 101.6, 99.7, 101.2),
        (times[3], 101.2, 101.2, 101.2, 101.2),
    ]
    assert len(unpacked(packed_candles(series, times[2], MINUTE))) == 2


def test_candles_may_be_merged_into_bars():
    series = a_series([100, 103, 101, 99, 98], start=MONDAY + 3 * MINUTE)
    assert unpacked(packed_candles(series, 0, MINUTE, bar=5)) == [
        (MONDAY, 100.0, 103.0, 100.0, 103.0),
        (MONDAY + 5 * MINUTE, 103.0, 103.0, 98.0, 98.0),
    ]


def test_prices_too_far_apart_for_32_bits_are_packed_in_a_coarser_unit():
    series = a_series(["1000000", "1000100"], tick=Decimal("0.00000001"))
    packed = packed_candles(series, 0, MINUTE)
    assert packed["unit"] == pytest.approx(1e-7)
    assert [row[4] for row in unpacked(packed)] == [1_000_000, 1_000_100]


def test_no_candle_is_packed_as_none():
    packed = packed_candles(a_series([100]), MONDAY + DAY, MINUTE)
    assert (packed["count"], unpacked(packed)) == (0, [])


def test_bars_grow_until_all_symbols_fit():
    history = a_history(a_series([100] * 60), a_series([100] * 60, "ETHUSDT"))
    assert [bar_candles(history, 0, most) for most in (120, 119, 24, 23, 1)] == [1, 5, 5, 15, 240]
    assert bar_candles(history, MONDAY + 30 * MINUTE, 60) == 1


def test_a_configuration_is_shown_as_dotted_keys():
    text = json.dumps({"risk": {"daily_loss": "500"}, "alerts": {}, "on": True, "name": "", "tiers": [{"bps": "5"}, 2]})
    shown = [("risk.daily_loss", "500"), ("alerts", "{}"), ("on", "true"), ("name", '""')]
    assert flat(text) == [*shown, ("tiers.1.bps", "5"), ("tiers.2", "2")]
    assert flat("not json") == [("configuration", "not json")]


def test_the_cost_model_is_shown_with_its_units():
    shown = cost_words(Costs(tiers=(LiquidityTier(Decimal(10_000), Decimal("2.0"), Decimal("0.5")),), latency_ms=250))
    assert shown["taker fee"] == "0.0500 %"
    assert shown["from 10,000 USDT a minute"] == "spread 2 bps, slippage 0.5 bps"
    assert shown["funding"] == "0.0100 % every 8 h, where not recorded"
    assert shown["latency"] == "250 ms"
    assert cost_words(Costs.free())["spread and slippage"] == "none"


def test_all_of_the_data_begins_with_its_first_candle():
    assert facts(a_report(from_ms=0))["Data"].startswith("2024-12-30 00:00 to 2024-12-30 00:04 UTC")


def test_numbers_and_times_for_people():
    assert (words.number(None), words.number(Decimal("-0.001")), words.signed(1234.5)) == ("-", "0.00", "+1,234.50")
    assert (words.percent(0.25), words.signed_percent(-0.5), words.signed_percent(None)) == ("25.0 %", "-50.00 %", "-")
    assert [words.duration(minutes * MINUTE) for minutes in (5, 65, 1_505)] == ["5 min", "1 h 05 min", "1 d 01 h"]
    assert words.minute(MONDAY) == "2024-12-30 00:00"
    assert [words.tone(amount) for amount in (1, -1, 0, None)] == ["up", "down", "flat", "flat"]
