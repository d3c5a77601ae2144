"""Whether a limit could bind on the way of a screened combination, judged by its trades.

The screen knows no limit, so that its trades are the core's only where none binds. What is said here errs on one side:
a combination may be given to the core needlessly, but none keeps its screen where a limit would have refused an entry,
halted or liquidated. Until the first of these both trade alike, so that looking at the screen's trades is enough.
"""

from collections.abc import Mapping
from decimal import Decimal
from typing import Final

import numpy as np

from backtest.compiled import Floats, Integers
from backtest.history import History, Series
from backtest.run import Terms
from backtest.sweep import kernels
from backtest.sweep.screen import Screened
from bot.loader import strategy_class
from bot.trading.limits import CorePlan, SymbolPlan
from bot.trading.pacing import SECOND_MS
from bot.trading.risk import CONDITIONAL_ORDER_SLOTS

_NEAR: Final = 0.999  # float: amounts are compared in floats, what comes near a limit counts as binding
_MARGIN_SHARE: Final = 0.95  # float: the rest is left for fees and prices that move on the way
_LIQUIDATION_SHARE: Final = 0.4  # float: of the margin; maintenance takes up to half of it


def may_bind(terms: Terms, screened: Screened, history: History, caps: Mapping[str, Decimal]) -> bool:
    """Say whether the core might trade otherwise than the screen did; `caps` are the brackets' by symbol."""
    trips = {symbol: rows for symbol, rows in screened.trips.items() if len(rows)}
    plan, series = terms.plan, history.series
    if not trips:
        return False
    values = {symbol: _values(rows, series[symbol]) for symbol, rows in trips.items()}
    return (
        len(trips) + 2 > CONDITIONAL_ORDER_SLOTS
        or _loses_much(terms, screened, trips, series)
        or _is_large(terms, screened, values, caps)
        or _is_hurried(plan, trips, history)
        or any(
            _is_liquidated(plan, each, trips[each.symbol], series[each.symbol])
            for each in plan.symbols
            if each.symbol in trips
        )
    )


def _values(rows: Integers, series: Series) -> Floats:
    """Return what each position was worth where it was decided or filled, whichever is more, in quote asset."""
    price: Floats = np.maximum(_decided(rows, series), rows[:, kernels.ENTRY])
    return price * rows[:, kernels.QUANTITY] * float(series.tick * series.step)


def _decided(rows: Integers, series: Series) -> Floats:
    closes: Floats = series.close[rows[:, kernels.ENTRY_ROW] - 1]
    return closes


def _loses_much(terms: Terms, screened: Screened, trips: Mapping[str, Integers], series: Mapping[str, Series]) -> bool:
    """Look at equity: the day's loss. Between closes it is judged at fills, with the close before an entry's gap."""
    limit = terms.plan.risk.daily_loss
    if not limit.is_finite():
        return False
    gaps = 0.0
    for symbol, rows in trips.items():
        gap = np.abs(rows[:, kernels.ENTRY] - _decided(rows, series[symbol])) * rows[:, kernels.QUANTITY]
        gaps += float(gap.max()) * float(series[symbol].tick * series[symbol].step)
    return float(screened.summary.max_drawdown) + gaps >= float(limit) * _NEAR


def _is_large(terms: Terms, screened: Screened, values: Mapping[str, Floats], caps: Mapping[str, Decimal]) -> bool:
    """Look at sizes: a symbol's limits, its bracket, and the margin of all positions together."""
    plan = terms.plan
    largest = {symbol: float(each.max()) for symbol, each in values.items()}
    least_equity = max(0.0, float(terms.balance) - float(screened.summary.max_drawdown))
    share = plan.risk.max_symbol_share
    of_equity = float(share) * least_equity if share.is_finite() else np.inf
    for symbol, value in largest.items():
        if value >= min(float(plan.risk.max_symbol_notional), of_equity, float(caps[symbol])) * _NEAR:
            return True
    return not terms.unlimited and sum(largest.values()) / plan.account.leverage >= least_equity * _MARGIN_SHARE


def _is_hurried(plan: CorePlan, trips: Mapping[str, Integers], history: History) -> bool:
    """Look at times: entries on whatever symbols too close to each other, or to a symbol's last round trip.

    An entry is decided at the close before its candle; a round trip has ended when the candle that ends it has.
    """
    times = {symbol: history.series[symbol].open_time for symbol in trips}
    decided = {
        symbol: times[symbol][rows[:, kernels.ENTRY_ROW] - 1] + history.interval_ms for symbol, rows in trips.items()
    }
    pacing = plan.pacing
    every = np.sort(np.concatenate(list(decided.values())))
    if np.any(np.diff(every) < pacing.min_seconds_between_trades * SECOND_MS):
        return True
    for symbol, rows in trips.items():
        before = rows[:-1]
        won = before[:, kernels.PNL] > 0
        rest_ms = np.where(won, pacing.cooldown_after_win_seconds, pacing.cooldown_after_loss_seconds) * SECOND_MS
        ended_ms = times[symbol][before[:, kernels.EXIT_ROW]] + history.interval_ms
        if np.any((rest_ms > 0) & (decided[symbol][1:] < ended_ms + rest_ms)):
            return True
    return False


def _is_liquidated(plan: CorePlan, each: SymbolPlan, rows: Integers, series: Series) -> bool:
    """Look at how far prices went against a position: until its stop is reached it cannot be liquidated before it."""
    furthest = _LIQUIDATION_SHARE / plan.account.leverage
    parameters = strategy_class(each.strategy).parameters_type.read(each.strategy, each.parameters)
    if float(parameters.stop_pct) / 100 >= furthest:
        return True
    stopped = rows[rows[:, kernels.IS_STOP] == 1]
    at, entry = stopped[:, kernels.EXIT_ROW], stopped[:, kernels.ENTRY]
    against = np.where(stopped[:, kernels.SIDE] > 0, entry - series.low[at], series.high[at] - entry) / entry
    return bool(np.any(against >= furthest))
