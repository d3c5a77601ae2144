"""A backtest that passes over idle candles gives what one that steps through all of them gives, to the last byte.

The campaign takes its seeds from ACT_SKIP_SEEDS ("17", or "1000:5000"); a case that differs says how to run it again.
"""

import json
import os
from collections import Counter
from collections.abc import Iterable
from dataclasses import fields, replace
from decimal import Decimal
from fractions import Fraction
from functools import cache

import numpy as np
import pytest

from backtest.command import as_json
from backtest.contracts import Contracts
from backtest.report.run import ReportInput
from backtest.run import Recording, Terms, run
from backtest.statistics import equity_curve, summarize_curve
from bot.domain.records import RiskState, SignalRow
from bot.trading.limits import CorePlan, Costs, ExecutionRules, PacingLimits, RiskLimits, SymbolPlan
from support.backtest_data import an_instrument
from support.backtest_outcomes import MONDAY, a_history, a_series
from support.reference_backtest import DAY, MINUTE, Filters
from support.skipping import SYMBOLS, a_case
from support.skipping_tally import happenings

FIRST, LAST = (os.environ.get("ACT_SKIP_SEEDS", "1000:6000") + ":").split(":")[:2]
CAMPAIGN = range(int(FIRST), int(LAST or int(FIRST) + 1))
SUITE = range(300)
CHUNK = 30
AGAIN = "again: ACT_SKIP_SEEDS={} make backtest-skips"

SEEN = {
    "case at a loss limit": 60,
    "crossed": 1,
    "funding": 40,
    "funding inside a candle": 5,
    "halt at a close, one held": 15,
    "halt at a close, several held": 5,
    "halt at exactly the limit": 1,
    "halt by daily_loss": 50,
    "halt_ended by daily_loss": 30,
    "held over a hole": 40,
    "held over midnight": 30,
    "liquidation": 30,
    "maker fill": 35,
    "partial fill": 4,
    "post-only expired": 3,
    "refused by the exchange": 2,
    "refused: daily_loss": 10,
    "refused: exit_in_candle": 10,
    "refused: global_trade_spacing": 5,
    "refused: max_symbol_notional": 5,
    "refused: max_symbol_share": 5,
    "refused: symbol_cooldown_active": 5,
    "signal": 35,
    "sparse case": 75,
    "still open": 35,
    "stop": 45,
    "stop touched and no more": 25,
    "time to live over": 14,
    "two held at once": 25,
}
"""In how many cases of the suite each of these has to happen, about half of those in which it does."""

A, B, C = SYMBOLS[:3]
LONG, SHORT = 1, 2
EVENING = MONDAY + DAY - 2 * 60 * MINUTE


def chunks(seeds):
    return [seeds[at : at + CHUNK] for at in range(0, len(seeds), CHUNK)]


@cache
def hold_to_every_candle(seed) -> Counter[str]:
    """Run a case both ways, compare everything, and count what happened in it."""
    case = a_case(seed)
    rows, all_rows = [], []
    skipped = run(case.recording, case.terms, flags=case.flags, others=rows).outcome
    stepped = run(case.recording, case.terms, flags=case.flags, every_candle=True, others=all_rows).outcome
    assert not differences(skipped, stepped), AGAIN.format(seed)
    assert decided(rows) == decided(all_rows), AGAIN.format(seed)
    assert published(case, skipped) == published(case, stepped), AGAIN.format(seed)
    return happenings(case, skipped, stepped, all_rows)


def differences(skipped, stepped):
    """Return the first difference of each part of two outcomes."""
    found = []
    for name in (each.name for each in fields(skipped) if each.name != "visited"):
        one, two = getattr(skipped, name), getattr(stepped, name)
        if isinstance(one, tuple) and len(one) == len(two):
            found += [(name, *pair) for pair in zip(one, two, strict=True) if pair[0] != pair[1]][:1]
        elif one != two:
            found.append((name, one, two))
    return found


def decided(rows: Iterable[object]) -> list[object]:
    """Return the rows without those of entries that were refused once more, and of what rules remember."""
    left_out = SignalRow | RiskState
    return [row for row in rows if not isinstance(row, left_out) and getattr(row, "action", "") != "refuse"]


def published(case, outcome) -> str:
    history, terms = case.recording.history, case.terms
    curve = equity_curve(outcome, history, terms.from_ms)
    report = ReportInput(
        outcome=outcome,
        history=history,
        curve=curve,
        summary=summarize_curve(outcome, curve),
        strategy="",
        symbols=SYMBOLS,
        from_ms=terms.from_ms,
        to_ms=0,
        assumptions=(),
        costs={},
        settings="",
        config_hash="",
        code_version="",
    )
    return json.dumps(as_json(report))


@pytest.mark.timeout(600)
@pytest.mark.parametrize("seeds", chunks(SUITE), ids=str)
def test_skipping_candles_changes_nothing(seeds):
    for seed in seeds:
        hold_to_every_candle(seed)


@pytest.mark.slow
@pytest.mark.parametrize("seeds", chunks(CAMPAIGN), ids=str)
def test_skipping_candles_changes_nothing_in_a_campaign(seeds):
    for seed in seeds:
        hold_to_every_candle(seed)


@pytest.mark.timeout(600)
def test_the_cases_go_where_it_can_go_wrong():
    found, cases = Counter(), Counter()
    for seed in SUITE:
        happened = hold_to_every_candle(seed)
        found += happened
        cases.update(happened.keys())
    assert found["visited"] * 3 < found["candles"], "candles are hardly skipped"
    assert {what: cases[what] for what, least in SEEN.items() if cases[what] < least} == {}


# what once went wrong, one case each


def candles(symbol, closes, since=EVENING, without=(), opens=()):
    """Return a candle a minute, but for those left out; `opens` are those that are not the close before."""
    series = a_series(closes, symbol, since)
    opened = series.open.copy()
    for row, price in dict(opens).items():
        opened[row] = price * 10
    keep = np.setdiff1d(np.arange(len(closes)), without)
    high, low = np.maximum(opened, series.close), np.minimum(opened, series.close)
    columns = {"open_time": series.open_time, "open": opened, "high": high, "low": low, "close": series.close}
    return replace(series, volume=series.volume[keep], **{name: column[keep] for name, column in columns.items()})


def traded_both_ways(*series, signals, risk=(), costs=(), from_ms=0, **execution):
    """Trade 100 USDT a position on signals {(symbol, minute): bits}, with and without skipping; return the outcome."""
    symbols = tuple(each.symbol for each in series)
    filters = Filters(tick=Fraction("0.1"), step=Fraction("0.001"), max_quantity=Fraction(1000))
    contracts = Contracts({"symbols": [an_instrument(symbol, filters) for symbol in symbols]}, "made up")
    free = {"maker_rate": Decimal(0), "taker_rate": Decimal(0), "tiers": (), "funding_rate": Decimal(0)}
    charged = Costs(**free | dict(costs))
    plan = CorePlan(
        symbols=tuple(SymbolPlan(each, "vwap_reversion", {"notional": "100", "stop_pct": "50"}) for each in symbols),
        execution=ExecutionRules(**{"entry": "market"} | execution),
        risk=RiskLimits(**{"max_symbol_share": Decimal(1)} | dict(risk)),
        pacing=PacingLimits(0, 0, 0),
        taker_rate=charged.taker_rate,
        maker_rate=charged.maker_rate,
    )
    flags = {each.symbol: np.zeros(each.open_time.size, np.uint8) for each in series}
    for each in series:
        minutes = (each.open_time - EVENING) // MINUTE
        for (symbol, minute), bits in signals.items():
            flags[each.symbol][(minutes == minute) & (symbol == each.symbol)] = bits
    recording = Recording(contracts, contracts.instruments(), a_history(*series))
    terms = Terms(plan, charged, Decimal(1000), from_ms)
    skipped, stepped = (run(recording, terms, flags=flags, every_candle=every).outcome for every in (False, True))
    assert not differences(skipped, stepped)
    return skipped


def minute_of(row):
    return (getattr(row, "time_ms", 0) or row.at_ms) / MINUTE - EVENING / MINUTE


def test_a_late_order_fills_at_its_own_time_whatever_else_is_there():
    quiet, traded = candles(A, [100] * 9), candles(B, [100] * 9)
    found = traded_both_ways(quiet, traded, signals={(B, 3): LONG}, costs={"latency_ms": 500})
    assert [fill.time_ms for fill in found.fills] == [EVENING + 4 * MINUTE + 500]


def test_an_order_runs_out_of_time_by_the_candles_of_another_symbol_where_its_own_are_missing():
    other = candles(A, [100] * 30)
    rising = candles(B, [100] * 4 + [110] * 26, without=range(6, 20), opens={4: 105})
    found = traded_both_ways(other, rising, signals={(B, 3): LONG}, entry="limit", ttl_seconds=150, on_ttl="cross")
    assert [(minute_of(fill), fill.price, fill.maker) for fill in found.fills] == [(20, Decimal(110), False)]


@pytest.mark.parametrize("symbols", [(B,), (A, B), (B, C)], ids=str)
def test_an_order_out_of_time_makes_way_for_a_signal_at_that_close_whatever_else_is_there(symbols):
    prices = dict.fromkeys(SYMBOLS, [100] * 9) | {B: [100] * 4 + [110] * 5}
    series = [candles(symbol, prices[symbol], opens={4: 105} if symbol == B else {}) for symbol in symbols]
    signals = {(B, 3): LONG, (B, 4): LONG}
    found = traded_both_ways(*series, signals=signals, entry="limit", ttl_seconds=20, on_ttl="cancel")
    assert [(minute_of(fill), fill.price) for fill in found.fills] == [(5, Decimal(110))]


def test_equity_is_not_judged_by_closes_that_never_stood_beside_each_other():
    falling = [100 - minute / 5 for minute in range(60)]
    one = candles(A, falling, without=range(5, 60, 2))
    two = candles(B, falling, without=range(6, 60, 2))
    found = traded_both_ways(
        one,
        two,
        candles(C, [100] * 60),
        signals={(A, 0): LONG, (B, 0): SHORT, (C, 50): LONG},
        risk={"daily_loss": Decimal(5)},
    )
    assert found.risk_events == ()
    assert len(found.fills) == 3


def test_a_day_that_begins_in_a_hole_starts_from_the_last_close_before_it():
    rising = candles(A, [100] * 100 + [120] * 30 + [104] * 30, without=range(110, 130))
    found = traded_both_ways(
        rising,
        signals={(A, 10): LONG},
        risk={"daily_loss": Decimal(15)},
        costs={"funding_rate": Decimal("0.0001")},
    )
    assert [(event.kind, minute_of(event)) for event in found.risk_events] == [("halt", 131)]
    assert len(found.fundings) == 1


@pytest.mark.parametrize("others", [(), (B,)], ids=["alone", "with others"])
def test_equity_is_watched_after_the_last_candle_at_which_a_symbol_by_itself_matters(others):
    falling = candles(A, [100] * 30 + [80] * 30)
    quiet = [candles(symbol, [100] * 60) for symbol in others]
    found = traded_both_ways(falling, *quiet, signals={(A, 3): LONG}, risk={"daily_loss": Decimal(20)})
    assert [(event.kind, minute_of(event)) for event in found.risk_events] == [("halt", 31)]


def test_an_entry_at_the_close_of_a_loss_is_decided_in_the_order_of_symbols_whichever_are_visited():
    falling = candles(A, [100] * 30 + [80] * 10 + [40] * 10)
    found = traded_both_ways(
        falling,
        candles(B, [100] * 50),
        candles(C, [100] * 50),
        signals={(A, 3): LONG, (B, 30): LONG},
        risk={"daily_loss": Decimal(10)},
    )
    assert [fill.symbol for fill in found.fills] == [A, B, A], "what B sent before equity was judged is not called back"
    assert [(event.kind, minute_of(event)) for event in found.risk_events] == [("halt", 31)]


def test_a_symbol_whose_candles_end_before_the_first_that_trades_is_left_alone():
    early, late = candles(A, [100] * 5), candles(B, [100] * 30, since=EVENING + 10 * MINUTE)
    found = traded_both_ways(early, late, signals={(A, 1): LONG, (B, 20): LONG}, from_ms=EVENING + 12 * MINUTE)
    assert [fill.symbol for fill in found.fills] == [B]
