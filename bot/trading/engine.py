"""The trading core: one event in, what to record and do out. No clock, no I/O, no chance."""

from collections.abc import Iterable, Mapping
from decimal import Decimal

from bot.domain.account import LeverageBracket
from bot.domain.books import Books
from bot.domain.commands import Command
from bot.domain.events import (
    AlgoUpdated,
    CancelFailed,
    CandleClosed,
    CandleWarmedUp,
    Event,
    FillRecovered,
    FundingPaid,
    GateClosed,
    GateOpened,
    InstrumentsRefreshed,
    OrderOutcomeUnknown,
    OrderProvenAbsent,
    OrderRefused,
    OrderUpdated,
    PersonAsked,
    SnapshotTaken,
    StopCancelFailed,
    StopOutcomeUnknown,
    StopOverdue,
    StopProvenAbsent,
    StopRefused,
    TimeAdvanced,
    TransferSeen,
    VolatilityBreached,
)
from bot.domain.instrument import Instrument
from bot.trading import adopt, candles, fills, gates, ledger, orders, people, reconcile, show, stops
from bot.trading.converge import converge
from bot.trading.limits import CorePlan
from bot.trading.strategy import Strategy
from bot.trading.view import Stake, SymbolWatch, View, Watch


class Engine:
    """Everything the bot decides. `books` may hold the open ends of an earlier process: they are adopted.

    Orders that an earlier process may have sent are looked up at the first `SnapshotTaken`; before it no entry is made.
    `strategies` are keyed by symbol.
    """

    def __init__(
        self,
        plan: CorePlan,
        strategies: Mapping[str, Strategy],
        instruments: Iterable[Instrument],
        brackets: Iterable[LeverageBracket],
        books: Books,
    ) -> None:
        self._state = adopt.open_state(plan, strategies, instruments, brackets, books)

    def handle(self, event: Event) -> list[Command]:
        """Take one event and return all `Record`s, then the rest; [] when there is nothing to do."""
        state = self._state
        state.now_ms = max(state.now_ms, event.at_ms)
        match event:
            case CandleClosed():
                candles.close(state, event.candle, complete=event.complete)
            case OrderUpdated():
                orders.update(state, event.order, event.fill)
            case AlgoUpdated():
                stops.update(state, event.algo)
            case TimeAdvanced():
                pass  # what is due is done below, whatever woke us
            case FillRecovered():
                orders.take_fill(state, event.fill)
            case OrderRefused():
                orders.refused(state, event.symbol, event.client_order_id, event.code, event.message)
            case OrderOutcomeUnknown():
                orders.lost(state, event.symbol, event.client_order_id)
            case OrderProvenAbsent():
                orders.absent(state, event.symbol, event.client_order_id)
            case CancelFailed():
                orders.cancel_failed(state, event.symbol, event.client_order_id)
            case StopRefused():
                stops.refused(state, event.symbol, event.client_algo_id, event.code, event.message)
            case StopOutcomeUnknown():
                stops.lost(state, event.symbol, event.client_algo_id)
            case StopProvenAbsent():
                stops.absent(state, event.symbol, event.client_algo_id)
            case StopOverdue():
                stops.overdue(state, event.symbol, event.client_algo_id)
            case StopCancelFailed():
                stops.cancel_failed(state, event.symbol, event.client_algo_id)
            case FundingPaid():
                fills.book_funding(state, event.funding)
            case TransferSeen():
                ledger.book_transfer(state, event.transfer)
            case SnapshotTaken():
                reconcile.compare(state, event)
            case InstrumentsRefreshed():
                gates.use_instruments(state, event.instruments)
            case GateClosed():
                gates.close(state, event.gate, event.symbol, event.detail)
            case GateOpened():
                gates.open_again(state, event.gate, event.symbol)
            case VolatilityBreached():
                gates.pause_volatile(state, event.symbol, event.percent)
            case PersonAsked():
                people.obey(state, event)
            case CandleWarmedUp():
                candles.warm_up(state, event.candle)
        converge(state)
        return state.drain()

    def watch(self) -> Watch:
        """Return what could matter next; deliver `TimeAdvanced` when market time reaches its deadline."""
        return show.watch(self._state)

    def watch_symbol(self, symbol: str) -> SymbolWatch:
        """Return the part of `watch` that concerns one traded symbol, but for the levels: the exchange knows them."""
        return show.symbol_watch(self._state.by_symbol[symbol])

    def order_deadline_ms(self) -> int | None:
        """Return the part of `watch`'s deadline that concerns orders and stops, None = never."""
        return self._state.wake_ms

    def equity_level(self) -> Decimal | None:
        """Return the part of `watch` that concerns equity: where a rule would halt; None = it has, or none would."""
        return self._state.risk.wake(self._state).equity_at_or_below

    def stakes(self) -> tuple[Decimal, list[Stake]]:
        """Return the terms of equity: the wallet in margin asset, and every open position."""
        return show.stakes(self._state)

    def view(self) -> View:
        """Return the core as it stands, for heartbeat, equity points and evaluations."""
        return show.view(self._state)

    def capital_complaint(self) -> str:
        """Say why a configured symbol could never trade with the present equity, empty = all can."""
        return show.capital_complaint(self._state)
