"""A backtest in which the exchange takes a position: all its money has a row, at the time it moved."""

from decimal import Decimal
from fractions import Fraction

import numpy as np
import pytest

from backtest.contracts import Contracts
from backtest.history import MarkSeries
from backtest.run import Recording, Terms, run
from backtest.statistics import equity_curve
from bot.trading.limits import AccountRules, CorePlan, Costs, ExecutionRules, PacingLimits, RiskLimits, SymbolPlan
from support.backtest_data import an_instrument
from support.backtest_outcomes import MINUTE, MONDAY, a_history, a_series
from support.reference_backtest import Filters

BTC = "BTCUSDT"
LONG = 1
CLOSES = [100] * 10 + [92] * 20
FALL_MS = MONDAY + 10 * MINUTE


def outcome_of_a_fall(every_candle, marks=None):
    """Buy 1,000 USDT at twentyfold leverage with a stop far away, and let the price fall by 8 %."""
    filters = Filters(tick=Fraction("0.1"), step=Fraction("0.001"), max_quantity=Fraction(1000))
    contracts = Contracts({"symbols": [an_instrument(BTC, filters)]}, "made up")
    costs = Costs(tiers=(), funding_rate=Decimal(0))
    plan = CorePlan(
        symbols=(SymbolPlan(BTC, "vwap_reversion", {"notional": "1000", "stop_pct": "50"}),),
        execution=ExecutionRules(entry="market"),
        risk=RiskLimits(max_symbol_share=Decimal(1)),
        pacing=PacingLimits(0, 0, 0),
        account=AccountRules(leverage=20),
        taker_rate=costs.taker_rate,
        maker_rate=costs.maker_rate,
    )
    flags = np.zeros(len(CLOSES), np.uint8)
    flags[2] = LONG
    recording = Recording(contracts, contracts.instruments(), a_history(a_series(CLOSES)), marks=marks or {})
    return recording, run(recording, Terms(plan, costs, Decimal(10_000)), flags={BTC: flags}, every_candle=every_candle)


@pytest.mark.parametrize("every_candle", [False, True])
def test_what_the_insurance_fund_takes_or_gives_is_a_row_of_its_own_minute(every_candle):
    recording, done = outcome_of_a_fall(every_candle)
    outcome = done.outcome
    assert [trade.exit_reason for trade in outcome.trades] == ["liquidation"]
    (cleared,) = outcome.transfers
    assert (cleared.kind, cleared.symbol, cleared.asset) == ("INSURANCE_CLEAR", BTC, "USDT")
    assert FALL_MS <= cleared.time_ms < FALL_MS + MINUTE
    traded = sum(fill.realized_pnl - fill.commission for fill in outcome.fills)
    assert outcome.wallet == outcome.opening_balance + traded + cleared.amount
    curve = equity_curve(outcome, recording.history, 0)
    assert curve.equity[curve.times > FALL_MS] == pytest.approx(float(outcome.wallet))


def marks_of(prices):
    """Return mark price bars whose low is the price, beside the candles."""
    low = np.array(prices, np.float64)
    times = MONDAY + MINUTE * np.arange(low.size)
    return {
        BTC: MarkSeries(BTC, times, np.full(low.size, 100.0), np.full(low.size, 100.0), low, np.full(low.size, 100.0))
    }


@pytest.mark.parametrize("every_candle", [False, True])
@pytest.mark.parametrize(
    ("lows", "liquidated_ms"),
    [
        ([100] * 30, []),
        ([100] * 6 + [92] + [100] * 23, [MONDAY + 6 * MINUTE]),
        ([100] * 29 + [92], [MONDAY + 29 * MINUTE]),
    ],
    ids=["never falls", "falls before the price", "falls long after the price"],
)
def test_the_mark_price_decides_about_a_liquidation_where_it_is_given(every_candle, lows, liquidated_ms):
    _, done = outcome_of_a_fall(every_candle, marks_of(lows))
    assert [trade.exit_time for trade in done.outcome.trades if trade.exit_reason == "liquidation"] == liquidated_ms
