"""What a worker does: one combination through the full core, or many through the screen, on one history."""

from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from decimal import Decimal
from time import process_time
from typing import Any, Final

import numpy as np

from backtest.compiled import Flags, Floats, compiled_kernel
from backtest.results import Outcome, Trade
from backtest.run import Recording, Terms, caps_of, flags_of, run, run_told
from backtest.statistics import summarize
from backtest.sweep.binding import may_bind
from backtest.sweep.screen import Screen, Screened, compiled_screen, trades_of
from bot.domain.errors import ActError
from bot.loader import strategy_class
from bot.trading.limits import SymbolPlan
from bot.trading.strategy import Strategy

CONFIRMED: Final = "confirmed"
SCREENED: Final = "screened"
FAILED: Final = "failed"

_FLAGS_KEPT_BYTES: Final = 64_000_000
_SCREEN_KNOWS: Final = frozenset({"exit_in_candle", "lot_size", "market_lot_size", "min_notional"})


@dataclass(frozen=True, slots=True)
class Job:
    """One combination to try. `state` is what it shall become: `confirmed` by the core or `screened`.

    What shall be screened is confirmed where a limit might bind.

    `is_exact`: no cost is configured that the screen leaves out, so that core and screen must agree on every trade.
    """

    number: int
    state: str
    terms: Terms
    is_exact: bool = False


@dataclass(frozen=True, slots=True)
class Found:
    """What became of a combination.

    `figures` is its summary as published. `limits` names what bound in the core and therefore kept it from trading
    like the screen. `error` says why it failed. `defect` names the first trade in which core and screen differ though
    nothing explains it; `is_checked` says that they were compared.
    """

    number: int
    state: str
    figures: dict[str, Any] = field(default_factory=dict)
    limits: tuple[str, ...] = ()
    error: str = ""
    defect: str = ""
    is_checked: bool = False
    cpu_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Difference:
    """The first trade that is not the same, and the latest moment at which what caused it can have happened."""

    at_ms: int
    text: str


class Work:
    """Everything that combinations share. It is sent to workers whole, its arrays without being copied.

    `base` are the terms before any parameter; `readings` the strategies' own, one row a candle, by symbol and strategy.
    """

    def __init__(self, recording: Recording, base: Terms, readings: Mapping[tuple[str, str], Floats]) -> None:
        self.recording = recording
        self.base = base
        self.readings = readings
        self._flags: OrderedDict[tuple[object, ...], Flags] = OrderedDict()
        self._screen: Screen | None = None
        self._caps: dict[tuple[object, ...], Mapping[str, Decimal]] = {}

    def __reduce__(self) -> tuple[type["Work"], tuple[Any, ...]]:
        """Send what it was made of; what is cached each worker makes for itself."""
        return type(self), (self.recording, self.base, self.readings)

    @property
    def screen(self) -> Screen:
        """Return the screen over this history."""
        if self._screen is None:
            self._screen = Screen(self.recording.instruments, self.recording.history, self.base.from_ms)
        return self._screen

    @property
    def bits_kept(self) -> int:
        """Return how many arrays of bits are held for combinations to come."""
        return len(self._flags)

    def warm_up(self) -> None:
        """Run everything on the last candles, so that no combination pays for compiling or reading machine code."""
        series = self.recording.history.series.values()
        last_ms = max(int(each.open_time[-1]) for each in series)
        idle = {each.symbol: np.zeros(len(each.open_time), np.uint8) for each in series}
        with suppress(ActError):  # what it refuses is told where it is tried
            run(self.recording, replace(self.base, from_ms=last_ms), flags=idle)
        for (_, strategy), readings in self.readings.items():
            kind = strategy_class(strategy)
            if kind.kernel is not None:
                _bits(kind, readings[-1:], kind.kernel.numbers(kind.parameters_type()))
        compiled_screen()

    def do(self, job: Job) -> Found:
        """Try one combination; what it refuses becomes a failed one with the reason."""
        began = process_time()  # clock: measures
        try:
            found = self._confirm(job) if job.state == CONFIRMED else self._screened(job)
        except ActError as error:
            found = Found(job.number, FAILED, error=str(error))
        return replace(found, cpu_s=process_time() - began)  # clock: measures

    def _screened(self, job: Job) -> Found:
        plan = job.terms.plan
        why = self.screen.refusal(plan)
        if why:
            return Found(job.number, FAILED, error=f"cannot be screened: {why}")
        screened = self.screen.run(plan, self._all_flags(job.terms), job.terms.balance)
        if may_bind(job.terms, screened, self.recording.history, self._caps_of(job.terms)):
            return self._confirm(job, screened)
        return Found(job.number, SCREENED, screened.summary.as_json())

    def _confirm(self, job: Job, screened: Screened | None = None) -> Found:
        """Run the core, and hold it against the screen where that is exact; `screened` is this, where it was made."""
        terms, flags = job.terms, self._all_flags(job.terms)
        outcome = run(self.recording, terms, flags=flags).outcome
        figures = summarize(outcome, self.recording.history, terms.from_ms).as_json()
        if not job.is_exact or self.screen.refusal(terms.plan):
            return Found(job.number, CONFIRMED, figures)
        screened = screened or self.screen.run(terms.plan, flags, terms.balance)
        difference = self._difference(outcome, screened)
        if difference is None:
            return Found(job.number, CONFIRMED, figures, is_checked=True)
        limits = self._limits_before(difference.at_ms, terms, flags)
        defect = "" if limits else difference.text
        return Found(job.number, CONFIRMED, figures, limits, defect=defect, is_checked=True)

    def _difference(self, outcome: Outcome, screened: Screened) -> Difference | None:
        series = self.recording.history.series
        steps = {symbol: each.step(market=True) for symbol, each in self.recording.instruments.items()}
        return first_difference(trades_of(screened.trips, series, steps), outcome.trades)

    def _limits_before(self, at_ms: int, terms: Terms, flags: Mapping[str, Flags]) -> tuple[str, ...]:
        """Name the limits that bound until a moment, from a second run of the core that tells its decisions."""
        outcome, decisions = run_told(self.recording, terms, flags)
        found = {event.rule for event in outcome.risk_events if event.at_ms <= at_ms}
        found |= {trade.exit_reason for trade in outcome.trades if trade.exit_time <= at_ms} - {"signal", "stop"}
        found |= {each.reason for each in decisions if each.action == "refuse" and each.at_ms <= at_ms}
        return tuple(sorted(found - _SCREEN_KNOWS))

    def _caps_of(self, terms: Terms) -> Mapping[str, Decimal]:
        key = (terms.plan.account, terms.costs.brackets, terms.unlimited)
        if key not in self._caps:
            self._caps[key] = caps_of(self.recording, terms)
        return self._caps[key]

    def _all_flags(self, terms: Terms) -> dict[str, Flags]:
        return {each.symbol: self._flags_of(each) for each in terms.plan.symbols}

    def _flags_of(self, plan: SymbolPlan) -> Flags:
        """Return a symbol's bits; combinations that differ only in what no flag depends on share them."""
        kind = strategy_class(plan.strategy)
        readings = self.readings.get((plan.symbol, plan.strategy))
        if kind.kernel is None or readings is None:
            key: tuple[object, ...] = (plan.symbol, plan.strategy, *sorted(plan.parameters.items()))
            return self._kept(key, lambda: self._evaluated(plan))
        numbers = kind.kernel.numbers(kind.parameters_type.read(kind.name, plan.parameters))
        return self._kept((plan.symbol, plan.strategy, *numbers), lambda: _bits(kind, readings, numbers))

    def _evaluated(self, plan: SymbolPlan) -> Flags:
        history, instrument = self.recording.history, self.recording.instruments[plan.symbol]
        return flags_of(plan, history.series[plan.symbol], instrument, history.interval_ms)

    def _kept(self, key: tuple[object, ...], make: Callable[[], Flags]) -> Flags:
        found = self._flags.get(key)
        if found is None:
            found = self._flags[key] = make()
            if len(self._flags) * len(found) > _FLAGS_KEPT_BYTES and len(self._flags) > len(self.recording.instruments):
                self._flags.popitem(last=False)
        return found


def load_kernels(recording: Recording, plans: Sequence[SymbolPlan]) -> None:
    """Read one candle by every kernel, so that no reading pays for compiling or reading machine code."""
    _read_by_kernels(recording, plans, slice(1))


def readings_of(recording: Recording, plans: Sequence[SymbolPlan]) -> dict[tuple[str, str], Floats]:
    """Return the readings of every symbol and strategy that has a kernel, each computed once."""
    return _read_by_kernels(recording, plans, slice(None))


def _read_by_kernels(recording: Recording, plans: Sequence[SymbolPlan], rows: slice) -> dict[tuple[str, str], Floats]:
    found: dict[tuple[str, str], Floats] = {}
    history = recording.history
    for each in plans:
        compiled = compiled_kernel(strategy_class(each.strategy))
        key = (each.symbol, each.strategy)
        if compiled is not None and key not in found:
            series = history.series[each.symbol]
            candles = (series.open_time, series.high, series.low, series.close, series.volume)
            found[key] = compiled.readings(*(column[rows] for column in candles), history.interval_ms)
    return found


def first_difference(screened: Sequence[Trade], confirmed: Sequence[Trade]) -> Difference | None:
    """Return the earliest trade of any symbol in which screen and core differ, None where all are equal."""
    symbols = sorted({trade.symbol for trade in (*screened, *confirmed)})
    found = [_of_one(_only(symbol, screened), _only(symbol, confirmed)) for symbol in symbols]
    return min((each for each in found if each), key=lambda each: each.at_ms, default=None)


def _only(symbol: str, trades: Sequence[Trade]) -> list[Trade]:
    return [trade for trade in trades if trade.symbol == symbol]


def _of_one(screened: Sequence[Trade], confirmed: Sequence[Trade]) -> Difference | None:
    for ours, theirs in zip(screened, confirmed, strict=False):
        if _facts(ours) != _facts(theirs):
            is_same_entry = ours.entry_time == theirs.entry_time
            at_ms = min(ours.exit_time, theirs.exit_time) if is_same_entry else min(ours.entry_time, theirs.entry_time)
            return Difference(at_ms, f"screen {_written(ours)}, core {_written(theirs)}")
    shorter = min(len(screened), len(confirmed))
    extra = (*screened[shorter:], *confirmed[shorter:])
    if not extra:
        return None
    only = "screen" if len(screened) > shorter else "core"
    return Difference(extra[0].exit_time, f"{_written(extra[0])} in the {only} only")


def _bits(kind: type[Strategy], readings: Floats, numbers: tuple[float, ...]) -> Flags:
    found = np.zeros(len(readings), np.uint8)
    compiled = compiled_kernel(kind)
    if compiled is not None:
        compiled.flags_of(readings, numbers, found)
    return found


def _facts(trade: Trade) -> tuple[str | int | Decimal, ...]:
    return (
        trade.symbol,
        trade.side,
        trade.quantity,
        trade.entry_time,
        trade.entry_price,
        trade.exit_time,
        trade.exit_price,
        trade.fees,
        trade.funding,
        trade.pnl,
        trade.exit_reason,
    )


def _written(trade: Trade) -> str:
    return " ".join(str(value) for value in trade.as_json().values())
