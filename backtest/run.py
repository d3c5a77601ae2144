"""Plugs a backtest together, by name, and runs it: contracts, candles, the live core, the venue in candle mode."""

import gc
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal

import numpy as np

from backtest.compiled import Flags, Scans, compiled_kernel, scans
from backtest.contracts import Contracts
from backtest.history import FundingSeries, History, MarkSeries, Series
from backtest.lane import Lane, foretold
from backtest.loop import Loop
from backtest.notebook import Notebook
from backtest.results import OpenPosition, Outcome
from bot.domain.books import Books
from bot.domain.errors import ConfigurationError
from bot.domain.instrument import Instrument
from bot.domain.market import Candle
from bot.domain.money import ZERO, round_half_away
from bot.domain.records import Row
from bot.exchange.simulated.exchange import SimulatedExchange
from bot.loader import strategy_class
from bot.trading.engine import Engine
from bot.trading.limits import CorePlan, SymbolPlan
from bot.trading.strategy import Strategy
from simulator.venue.exchange import Exchange as Venue
from simulator.venue.funding import ConstantFunding

INSTANCE = "back"


@dataclass(frozen=True, slots=True)
class Recording:
    """What is traded on: contracts, candles, and funding and mark prices where they were given."""

    contracts: Contracts
    instruments: Mapping[str, Instrument]
    history: History
    funding: Mapping[str, FundingSeries] = field(default_factory=dict)
    marks: Mapping[str, MarkSeries] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Terms:
    """How it is traded: the core's plan, the opening wallet in USDT, and the first candle (ms UTC) that decides."""

    plan: CorePlan
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
    for each in terms.plan.symbols:
        compiled_kernel(strategy_class(each.strategy))
    searches = scans()
    collected = gc.isenabled()
    gc.disable()
    try:
        began, began_cpu = time.perf_counter(), time.process_time()
        outcome = _run(recording, terms, searches, flags or {}, Notebook(others), every_candle=every_candle)
        return Run(outcome, time.perf_counter() - began, time.process_time() - began_cpu)
    finally:
        if collected:
            gc.enable()


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
    columns = (series.open, series.high, series.low, series.close)
    for row, open_time in enumerate(series.open_time.tolist()):
        prices = (int(column.item(row)) * series.tick for column in columns)
        volume = int(series.volume.item(row)) * series.step
        candle = Candle(series.symbol, open_time, *prices, volume, interval_ms)
        out[row] = strategy.on_candle(candle).flags


def _run(
    recording: Recording,
    terms: Terms,
    searches: Scans,
    flags: Mapping[str, Flags],
    notebook: Notebook,
    *,
    every_candle: bool,
) -> Outcome:
    plan, history = terms.plan, recording.history
    lanes = [_lane(recording, each, terms.from_ms, flags.get(each.symbol)) for each in plan.symbols]
    lanes = [lane for lane in lanes if lane.at < lane.end]
    symbols = [each.symbol for each in plan.symbols]
    exchange = _open_account(recording, terms, min((lane.time_of(lane.at) for lane in lanes), default=0))
    strategies = {lane.symbol: lane.strategy for lane in lanes}
    engine = Engine(plan, strategies, recording.instruments.values(), exchange.brackets(symbols), Books(INSTANCE, {}))
    limited = plan.risk.daily_loss.is_finite()
    loop = Loop(engine, exchange, lanes, searches, notebook, watches_equity=limited, every_candle=every_candle)
    loop.run()
    return Outcome(
        trades=notebook.trades(history.interval_ms),
        open=_still_open(engine, lanes),
        fills=tuple(notebook.fills),
        fundings=tuple(notebook.fundings),
        risk_events=tuple(notebook.risk_events),
        opening_balance=terms.balance,
        wallet=engine.stakes()[0],
        candles=sum(lane.end - lane.first for lane in lanes),
        visited=loop.visited,
    )


def _lane(recording: Recording, plan: SymbolPlan, from_ms: int, flags: Flags | None) -> Lane:
    history, instrument = recording.history, recording.instruments[plan.symbol]
    series = history.series[plan.symbol]
    if flags is None:
        flags = flags_of(plan, series, instrument, history.interval_ms)
    strategy = foretold(strategy_class(plan.strategy))(instrument, plan.parameters)
    first = int(np.searchsorted(series.open_time, from_ms))
    return Lane(series, flags, strategy, history.interval_ms, first)


def _open_account(recording: Recording, terms: Terms, start_ms: int) -> SimulatedExchange:
    plan, contracts = terms.plan, recording.contracts
    venue = Venue(
        contracts.exchange_info,
        balance=terms.balance,
        start_ms=start_ms,
        maker_fee=plan.maker_rate,
        taker_fee=plan.taker_rate,
        brackets=contracts.brackets,
        funding=ConstantFunding(ZERO),
        by_candles=True,
    )
    exchange = SimulatedExchange(venue)
    for each in plan.symbols:
        exchange.set_margin_type(each.symbol, plan.account.margin_type)
        exchange.set_leverage(each.symbol, plan.account.leverage)
    exchange.drain()
    return exchange


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
