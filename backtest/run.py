"""Plugs a backtest together, by name, and runs it: contracts, candles, the live core, the venue in candle mode."""

import gc
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import Final

import numpy as np

from backtest.compiled import Flags, Scans, compiled_kernel, joined, scans
from backtest.contracts import Contracts
from backtest.errors import DataError
from backtest.history import FundingSeries, History, MarkSeries, Series
from backtest.lane import ExactCandles, Lane, foretold
from backtest.loop import Loop
from backtest.notebook import Notebook
from backtest.results import OpenPosition, Outcome
from bot.domain.account import LeverageBracket
from bot.domain.books import Books
from bot.domain.instrument import Instrument
from bot.domain.market import MINUTE_MS, FundingRate
from bot.domain.money import ZERO, round_half_away
from bot.domain.records import Decision, Row
from bot.exchange.simulated.candles import open_candle_venue
from bot.exchange.simulated.exchange import SimulatedExchange
from bot.loader import strategy_class
from bot.trading.engine import Engine
from bot.trading.limits import MOST_LEVERAGE, CorePlan, Costs, SymbolPlan
from bot.trading.state import caps_by_symbol
from bot.trading.strategy import Strategy
from simulator.market.recordings import iso

INSTANCE: Final = "back"
LENT: Final = Decimal(10) ** 12
_LEAST_MAINTENANCE: Final = Decimal("0.004")


@dataclass(frozen=True, slots=True)
class Recording:
    """What is traded on: contracts, candles, and funding, mark prices and finer candles where they were given."""

    contracts: Contracts
    instruments: Mapping[str, Instrument]
    history: History
    funding: Mapping[str, FundingSeries] = field(default_factory=dict)
    marks: Mapping[str, MarkSeries] = field(default_factory=dict)
    detail: History | None = None


@dataclass(frozen=True, slots=True)
class Terms:
    """How it is traded: the core's plan, costs, the opening wallet in USDT, the first candle (ms UTC) that decides.

    `unlimited`: margin is lent without end and brackets allow any size, so that neither binds.
    """

    plan: CorePlan
    costs: Costs
    balance: Decimal
    from_ms: int = 0
    unlimited: bool = False


@dataclass(frozen=True, slots=True)
class Run:
    """A result with what it took: seconds by the clock and of CPU, from candles in memory to round trips."""

    outcome: Outcome
    run_s: float
    cpu_s: float


def run(
    recording: Recording,
    terms: Terms,
    *,
    every_candle: bool = False,
    flags: Mapping[str, Flags] | None = None,
    others: list[Row] | None = None,
) -> Run:
    """Run one backtest; the same input always gives the same outcome, whether candles are skipped or not.

    `flags` are those of a sweep, computed from shared readings; else they are computed here. `others` receives the
    rows that no result is made of (decisions), where the plan has them made. Raises ConfigurationError for parameters
    a strategy refuses and for capital that cannot work.
    """
    searches = scans()
    all_series = [recording.history.series[each.symbol] for each in terms.plan.symbols]
    for each, series in zip(terms.plan.symbols, all_series, strict=True):
        _warm_up(each, series, searches)
    if len(all_series) > 1:
        _warm_up_together(all_series, searches)
    collected = gc.isenabled()
    gc.disable()
    try:
        began, began_cpu = time.perf_counter(), time.process_time()  # clock: tells people what a run takes
        outcome = _run(recording, terms, searches, flags or {}, others, every_candle=every_candle)
        ended, ended_cpu = time.perf_counter(), time.process_time()  # clock: tells people what a run takes
        return Run(outcome, ended - began, ended_cpu - began_cpu)
    finally:
        if collected:
            gc.enable()


def run_told(
    recording: Recording, terms: Terms, flags: Mapping[str, Flags] | None = None
) -> tuple[Outcome, list[Decision]]:
    """Run one backtest as `run` does, and return the core's decisions too."""
    rows: list[Row] = []
    told = replace(terms, plan=replace(terms.plan, narrated=True))
    outcome = run(recording, told, flags=flags, others=rows).outcome
    return outcome, [row for row in rows if isinstance(row, Decision)]


def _warm_up(plan: SymbolPlan, series: Series, searches: Scans) -> None:
    """Run what is compiled on one candle of these arrays, so that no run pays for compiling or reading machine code."""
    kind = strategy_class(plan.strategy)
    time_, high, low, close = series.open_time[:1], series.high[:1], series.low[:1], series.close[:1]
    flags = np.zeros(1, np.uint8)
    compiled = compiled_kernel(kind)
    if compiled is not None and kind.kernel is not None:
        numbers = kind.kernel.numbers(kind.parameters_type())
        compiled.flags(time_, high, low, close, series.volume[:1], MINUTE_MS, numbers, flags)
    searches.next_entry(flags, time_, 0, 1, 0)
    searches.next_touch(flags, time_, high, low, close, 0, 1, 1, 0.0, 1.0, 0.0, 1.0, 1)


def _warm_up_together(all_series: Sequence[Series], searches: Scans) -> None:
    times, closes = joined([each.open_time for each in all_series]), joined([each.close for each in all_series])
    rows, amounts = np.zeros(1, np.int64), np.zeros(1)
    searches.next_breach(times, closes, rows, rows, rows, amounts, amounts, 0.0, -1.0, 1)


def flags_of(plan: SymbolPlan, series: Series, instrument: Instrument, interval_ms: int) -> Flags:
    """Return the strategy's bits at each candle, by its compiled kernel or, without one, by the strategy itself."""
    kind = strategy_class(plan.strategy)
    compiled = compiled_kernel(kind)
    out = np.zeros(len(series.open_time), np.uint8)
    if compiled is None or kind.kernel is None:
        _evaluate(kind(instrument, plan.parameters), series, interval_ms, out)
        return out
    numbers = kind.kernel.numbers(kind.parameters_type.read(kind.name, plan.parameters))
    compiled.flags(series.open_time, series.high, series.low, series.close, series.volume, interval_ms, numbers, out)
    return out


def _evaluate(strategy: Strategy, series: Series, interval_ms: int, out: Flags) -> None:
    candles = ExactCandles(series, interval_ms)
    for row in range(len(series.open_time)):
        out[row] = strategy.on_candle(candles.at(row)).flags


def _run(
    recording: Recording,
    terms: Terms,
    searches: Scans,
    flags: Mapping[str, Flags],
    others: list[Row] | None,
    *,
    every_candle: bool,
) -> Outcome:
    plan, history = terms.plan, recording.history
    lanes = [_lane(recording, terms, each, flags.get(each.symbol)) for each in plan.symbols]
    symbols = [each.symbol for each in plan.symbols]
    strategies = {lane.symbol: lane.strategy for lane in lanes}
    lanes = [lane for lane in lanes if lane.at < lane.end]
    if not lanes:
        raise DataError(
            f"{', '.join(symbols)}: no candle at or after {iso(terms.from_ms)}: correct --from or the data."
        )
    exchange = _open_account(recording, terms, min((lane.time_of(lane.at) for lane in lanes), default=0))
    engine = Engine(plan, strategies, recording.instruments.values(), exchange.brackets(symbols), Books(INSTANCE, {}))
    limited = plan.risk.daily_loss.is_finite()
    notebook = Notebook({lane.symbol: lane for lane in lanes}, others)
    loop = Loop(engine, exchange, lanes, searches, notebook, watches_equity=limited, every_candle=every_candle)
    loop.run()
    return Outcome(
        trades=notebook.trades(history.interval_ms),
        open=_still_open(engine, lanes),
        fills=tuple(notebook.fills),
        fundings=tuple(notebook.fundings),
        risk_events=tuple(notebook.risk_events),
        opening_balance=terms.balance,
        wallet=engine.stakes()[0] - (LENT if terms.unlimited else ZERO),
        candles=sum(lane.end - lane.first for lane in lanes),
        visited=loop.visited,
        transfers=tuple(notebook.transfers),
    )


def _lane(recording: Recording, terms: Terms, plan: SymbolPlan, flags: Flags | None) -> Lane:
    history, instrument = recording.history, recording.instruments[plan.symbol]
    series = history.series[plan.symbol]
    if flags is None:
        flags = flags_of(plan, series, instrument, history.interval_ms)
    strategy = foretold(strategy_class(plan.strategy))(instrument, plan.parameters)
    first = int(np.searchsorted(series.open_time, terms.from_ms))
    lane = Lane(series, flags, strategy, history.interval_ms, first, has_tiers=bool(terms.costs.tiers))
    lane.use_marks(recording.marks.get(plan.symbol))
    if recording.detail is not None:
        lane.use_detail(recording.detail.series[plan.symbol], recording.detail.interval_ms)
    return lane


def _open_account(recording: Recording, terms: Terms, start_ms: int) -> SimulatedExchange:
    plan, contracts = terms.plan, recording.contracts
    symbols = [each.symbol for each in plan.symbols]
    exchange = open_candle_venue(
        contracts.exchange_info,
        balance=terms.balance + (LENT if terms.unlimited else ZERO),
        start_ms=start_ms,
        costs=terms.costs,
        brackets=[any_size(symbol) for symbol in symbols] if terms.unlimited else contracts.brackets,
        funding={
            symbol: _settlements(series, recording.marks.get(symbol)) for symbol, series in recording.funding.items()
        },
        is_tacit=True,
    )
    for symbol in symbols:
        exchange.set_margin_type(symbol, plan.account.margin_type)
        exchange.set_leverage(symbol, plan.account.leverage)
    exchange.drain()
    return exchange


def caps_of(recording: Recording, terms: Terms) -> dict[str, Decimal]:
    """Return the largest position (USDT) that each symbol's brackets allow at the account's leverage."""
    symbols = [each.symbol for each in terms.plan.symbols]
    return caps_by_symbol(_open_account(recording, terms, 0).brackets(symbols), symbols, terms.plan.account.leverage)


def any_size(symbol: str) -> LeverageBracket:
    """Return a bracket that allows every size at every leverage."""
    return LeverageBracket(symbol, ZERO, LENT, MOST_LEVERAGE, _LEAST_MAINTENANCE, ZERO)


def _settlements(series: FundingSeries, marks: MarkSeries | None) -> list[FundingRate]:
    settled: list[FundingRate] = []
    for at_ms, rate in zip(series.at_ms.tolist(), series.rate, strict=True):
        mark = marks.opening(at_ms) if marks is not None else None
        settled.append(FundingRate(series.symbol, at_ms, rate, mark or ZERO))
    return settled


def _still_open(engine: Engine, lanes: Sequence[Lane]) -> tuple[OpenPosition, ...]:
    by_symbol = {lane.symbol: lane for lane in lanes}
    views = {view.symbol: view for view in engine.view().positions}
    found: list[OpenPosition] = []
    for stake in engine.stakes()[1]:
        view, lane = views[stake.symbol], by_symbol[stake.symbol]
        mark = int(lane.close.item(-1)) * lane.tick
        is_long = stake.quantity > 0
        found.append(
            OpenPosition(
                symbol=stake.symbol,
                side="LONG" if is_long else "SHORT",
                quantity=abs(stake.quantity),
                entry_time=view.opened_ms - view.opened_ms % lane.interval_ms,
                entry_price=view.entry_price,
                mark_price=mark,
                unrealized=round_half_away(stake.quantity * mark - (stake.cost if is_long else -stake.cost)),
                fees=view.commission,
                funding=view.funding,
                stop_price=view.stop_price,
            )
        )
    return tuple(found)
