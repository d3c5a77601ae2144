"""The screen: one combination over arrays of bits with exact money, a hundred times as fast as the core.

It holds for market entries where taking costs nothing but the taker fee and no limit binds. Money is whole units of
1e-8; what does not fit 64 bits is refused before anything is computed.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from functools import cache
from typing import Any, Final, NamedTuple

import numpy as np

from backtest.compiled import Flags, Floats, Integers, compile_with
from backtest.history import History, Series
from backtest.results import Trade
from backtest.statistics import Summary, sharpe, sortino
from backtest.sweep import kernels
from bot.domain.instrument import Instrument
from bot.domain.market import DAY_MS
from bot.domain.money import ZERO
from bot.loader import strategy_class
from bot.trading.limits import CorePlan, SymbolPlan
from bot.trading.strategy import Parameters, Strategy

_UNITS: Final = 10**8
_WIDEST: Final = 2**62
_PLACES: Final = 8


class Rules(NamedTuple):
    """A contract, a size, a stop and a fee as whole numbers, in the order in which the kernel reads them.

    Quantity = size_over // (price x size_under) steps, between `least` and `most`, and worth worth_least_over /
    worth_least_under ticks x steps or more. Prices lie on multiples of `grid` ticks from `offset` on. The stop is
    stop_over / stop_under of the entry away. A tick of a step is worth worth_over / worth_under units of 1e-8, and its
    fee is fee_over / fee_under of them.
    """

    size_over: int
    size_under: int
    least: int
    most: int
    worth_least_over: int
    worth_least_under: int
    grid: int
    offset: int
    stop_over: int
    stop_under: int
    worth_over: int
    worth_under: int
    fee_over: int
    fee_under: int


@dataclass(frozen=True, slots=True)
class Screened:
    """What the screen of one combination found: the positions of each symbol (rows as in `kernels`) and its figures.

    With several symbols `max_drawdown` and `exposure` are upper bounds: the sums over the symbols.
    """

    trips: Mapping[str, Integers]
    summary: Summary


class Screen:
    """Screens combinations on one history, from one candle on."""

    def __init__(self, instruments: Mapping[str, Instrument], history: History, from_ms: int) -> None:
        self._instruments = instruments
        self._series = history.series
        self._first = {
            symbol: int(np.searchsorted(series.open_time, from_ms)) for symbol, series in history.series.items()
        }
        self._extremes = {symbol: _extremes(series) for symbol, series in history.series.items()}
        self._days = Days(history, from_ms)

    def refusal(self, plan: CorePlan) -> str:
        """Say why a combination cannot be screened and what to do, empty = it can be."""
        if why := screen_complaint(plan):
            return why
        for each in plan.symbols:
            instrument, series = self._instruments[each.symbol], self._series[each.symbol]
            why = _misfit(each, instrument, series) or self._excess(each, self._rules(each, plan))
            if why:
                return f"{each.symbol}: {why}"
        return ""

    def run(self, plan: CorePlan, flags: Mapping[str, Flags], balance: Decimal) -> Screened:
        """Trade every symbol of the plan by its flags; `refusal` must have nothing to say."""
        trips: dict[str, Integers] = {}
        deepest = held = candles = 0
        equity = np.full(len(self._days.ends), int(balance * _UNITS), np.int64)
        for each in plan.symbols:
            series, first, rules = self._series[each.symbol], self._first[each.symbol], self._rules(each, plan)
            found, fell, minutes = _trade(flags[each.symbol], series, first, rules)
            trips[each.symbol] = found
            deepest, held = deepest + fell, held + minutes
            candles += len(series.open_time) - first
            equity += self._days.worth(each.symbol, found, series.close, rules)
        return Screened(trips, _summary(trips, candles, deepest, held, equity, balance))

    def _rules(self, each: SymbolPlan, plan: CorePlan) -> Rules:
        instrument, series = self._instruments[each.symbol], self._series[each.symbol]
        return rules_of(_parameters(each), plan.taker_rate, instrument, series)

    def _excess(self, plan: SymbolPlan, rules: Rules) -> str:
        """Say what could exceed 64 bits, judged by the largest price, quantity and number of trades that can be."""
        lowest, highest = self._extremes[plan.symbol]
        quantity = min(rules.most, rules.size_over // (lowest * rules.size_under) + 1)
        value = highest * quantity
        trades = len(self._series[plan.symbol].open_time) // 2 + 1
        whole = -(-value * rules.worth_over // rules.worth_under) + -(-value * abs(rules.fee_over) // rules.fee_under)
        largest = max(
            rules.size_over,
            highest * rules.size_under,
            value * rules.worth_least_under,
            rules.worth_least_over,
            2 * value * rules.worth_over + rules.worth_under,
            2 * value * abs(rules.fee_over) + rules.fee_under,
            (highest + abs(rules.offset)) * (rules.stop_over + rules.stop_under) * rules.grid,
            2 * whole * trades,
        )
        return "amounts do not fit 64 bits: lower the notional or drop --screen" if largest >= _WIDEST else ""


def screen_complaint(plan: CorePlan) -> str:
    """Say what of the settings alone forbids to screen and what to do, empty = nothing."""
    if plan.execution.entry != "market":
        return "it simulates market entries only: pass --set execution.entry=market"
    return ""


def trades_of(trips: Mapping[str, Integers], series: Mapping[str, Series], steps: Mapping[str, Decimal]) -> list[Trade]:
    """Return completed round trips as the core tells them, in the order of their exits."""
    found = [
        _told(row, series[symbol], steps[symbol])
        for symbol, rows in trips.items()
        for row in rows[rows[:, kernels.EXIT_ROW] >= 0].tolist()
    ]
    return sorted(found, key=lambda trade: (trade.exit_time, trade.symbol, trade.entry_time))


def rules_of(parameters: Parameters, fee_rate: Decimal, instrument: Instrument, series: Series) -> Rules:
    """Return size, filters, stop and fee of market orders in the series' own ticks, as whole numbers."""
    unit = Fraction(series.tick) * Fraction(instrument.step(market=True))
    size = Fraction(parameters.notional) / unit
    step = Fraction(instrument.step(market=True))
    least = max(1, -(-Fraction(instrument.market_min_quantity) // step))
    most = Fraction(instrument.market_max_quantity) // step if instrument.market_max_quantity else _WIDEST
    worth_least = Fraction(instrument.min_notional) / unit
    stop = Fraction(parameters.stop_pct) / 100
    worth = unit * _UNITS
    fee = worth * Fraction(fee_rate)
    return Rules(
        *size.as_integer_ratio(),
        least,
        most,
        *worth_least.as_integer_ratio(),
        int(Fraction(instrument.tick) / Fraction(series.tick)),
        int(Fraction(instrument.min_price % instrument.tick) / Fraction(series.tick)),
        *stop.as_integer_ratio(),
        *worth.as_integer_ratio(),
        *fee.as_integer_ratio(),
    )


class Days:
    """The UTC days with a candle of any symbol, and where each symbol stands at their ends."""

    def __init__(self, history: History, from_ms: int) -> None:
        last = {
            symbol: (series.open_time[np.searchsorted(series.open_time, from_ms) :] + history.interval_ms - 1)
            for symbol, series in history.series.items()
        }
        found = [_changes(times // DAY_MS) for times in last.values()]
        self.ends: Integers = np.unique(np.concatenate(found)) if found else np.empty(0, np.int64)
        self._rows = {
            symbol: np.searchsorted(
                series.open_time + (history.interval_ms - 1), (self.ends + 1) * DAY_MS, side="left"
            ) - 1
            for symbol, series in history.series.items()
        }  # fmt: skip

    def worth(self, symbol: str, trips: Integers, close: Floats, rules: Rules) -> Integers:
        """Return what the symbol's positions have added to equity at the end of each day, in units of 1e-8."""
        rows = self._rows[symbol]
        entry, left = trips[:, kernels.ENTRY_ROW], trips[:, kernels.EXIT_ROW]
        ended = left >= 0
        at = np.concatenate([entry, left[ended]])
        booked = np.concatenate(
            [
                -trips[:, kernels.ENTRY_FEE],
                (trips[:, kernels.PNL] + trips[:, kernels.ENTRY_FEE])[ended],
            ]
        )
        order = np.argsort(at, kind="stable")
        running = np.concatenate([np.zeros(1, np.int64), np.cumsum(booked[order])])
        added: Integers = running[np.searchsorted(at[order], rows, side="right")]
        latest = np.searchsorted(entry, rows, side="right") - 1
        open_days = np.flatnonzero((latest >= 0) & (~ended[latest] | (left[latest] > rows))) if len(trips) else ()
        for day in open_days:
            trip = trips[latest[day]]
            moved = int(trip[kernels.SIDE] * trip[kernels.QUANTITY]) * (
                int(close[rows[day]]) - int(trip[kernels.ENTRY])
            )
            added[day] += moved * rules.worth_over // rules.worth_under
        return added


def _changes(days: Integers) -> Integers:
    changed: Integers = days[np.flatnonzero(np.diff(days, prepend=days[:1] - 1))]
    return changed


def _parameters(plan: SymbolPlan) -> Parameters:
    return strategy_class(plan.strategy).parameters_type.read(plan.strategy, plan.parameters)


def _misfit(plan: SymbolPlan, instrument: Instrument, series: Series) -> str:
    """Say what of a strategy or contract the kernel does not know."""
    kind = strategy_class(plan.strategy)
    if kind.kernel is None:
        return f"strategy {plan.strategy} has no kernel to compile: drop --screen"
    if kind.stop_price is not Strategy.stop_price or kind.notional is not Strategy.notional:
        return f"strategy {plan.strategy} sizes or stops in a way of its own: drop --screen"
    if instrument.status != "TRADING":
        return f"the contract is {instrument.status}: leave it out"
    steps = (instrument.step(), instrument.step(market=True))
    odd = instrument.min_quantity % steps[0] or instrument.market_min_quantity % steps[1]
    if steps[0] != steps[1] or odd:
        return "limit and market orders have different quantity grids: drop --screen"
    if instrument.tick % series.tick or instrument.min_price % instrument.tick % series.tick:
        return f"the data's price unit {series.tick} does not divide the contract's tick: drop --screen"
    return ""


def _extremes(series: Series) -> tuple[int, int]:
    return int(series.low.min()), int(series.high.max())


def _trade(bits: Flags, series: Series, first: int, rules: Rules) -> tuple[Integers, int, int]:
    """Return the positions as rows, the largest fall of equity (1e-8) and the candles in position."""
    trips = np.empty(((len(bits) - first) // 2 + 2, kernels.COLUMNS), np.int64)
    curve = np.zeros(2)
    found = compiled_screen()(
        bits, series.open, series.high, series.low, series.close, first, tuple(rules), trips, curve
    )
    return trips[:found].copy(), round(curve[0]), int(curve[1])


@cache
def compiled_screen() -> Callable[..., int]:
    """Return the loop as machine code that has run once, so that no combination pays for compiling or reading it."""
    loop = compile_with(kernels.screen_loop, {})
    nothing = np.zeros(1)
    no_rules = (1,) * len(Rules._fields)
    loop(
        np.zeros(1, np.uint8), nothing, nothing, nothing, nothing, 0, no_rules, np.zeros((1, 10), np.int64), np.zeros(2)
    )
    return loop


def _summary(
    trips: Mapping[str, Integers], candles: int, deepest: int, held: int, equity: Integers, balance: Decimal
) -> Summary:
    rows = np.concatenate([each[each[:, kernels.EXIT_ROW] >= 0] for each in trips.values()])
    pnl = rows[:, kernels.PNL]
    won, lost = int(pnl[pnl > 0].sum()), -int(pnl[pnl < 0].sum())
    worth = equity / _UNITS
    before = np.append(float(balance), worth[:-1])[: worth.size]
    returns = worth / before - 1 if (before > 0).all() else np.empty(0)
    return Summary(
        candles=candles,
        trades=len(rows),
        pnl=_money(int(pnl.sum())),
        fees=_money(int(rows[:, kernels.ENTRY_FEE].sum() + rows[:, kernels.EXIT_FEE].sum())),
        funding=ZERO,
        max_drawdown=_money(deepest),
        sharpe=sharpe(returns),
        sortino=sortino(returns),
        win_rate=int((pnl > 0).sum()) / len(rows) if len(rows) else None,
        profit_factor=won / lost if lost else None,
        exposure=min(1.0, held / candles * len(trips)) if candles else None,
    )


def _told(row: Sequence[int], series: Series, step: Decimal) -> Trade:
    numbers: dict[int, Any] = dict(enumerate(row))
    return Trade(
        symbol=series.symbol,
        side="LONG" if numbers[kernels.SIDE] > 0 else "SHORT",
        quantity=numbers[kernels.QUANTITY] * step,
        entry_time=int(series.open_time[numbers[kernels.ENTRY_ROW]]),
        entry_price=numbers[kernels.ENTRY] * series.tick,
        exit_time=int(series.open_time[numbers[kernels.EXIT_ROW]]),
        exit_price=numbers[kernels.EXIT] * series.tick,
        fees=_money(numbers[kernels.ENTRY_FEE] + numbers[kernels.EXIT_FEE]),
        funding=ZERO,
        pnl=_money(numbers[kernels.PNL]),
        exit_reason="stop" if numbers[kernels.IS_STOP] else "signal",
    )


def _money(units: int) -> Decimal:
    return Decimal(units).scaleb(-_PLACES)
