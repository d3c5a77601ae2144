"""Everything the core knows between two events, and what one event makes it record and ask for."""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from itertools import islice
from typing import Final

from msgspec import Struct

from bot.domain.account import LeverageBracket
from bot.domain.commands import Command, Reconcile, Record
from bot.domain.errors import StopTrading
from bot.domain.fill import Fill, Funding, OpeningBalance, Transfer
from bot.domain.instrument import Instrument
from bot.domain.money import ZERO
from bot.domain.order import FINAL_STATES, OrderState, Purpose, Side
from bot.domain.records import AlgoOrderRow, CommandRow, Incident, Intent, OrderRow, RiskEvent, Row, TradeRow
from bot.trading.keys import key_of
from bot.trading.limits import CorePlan
from bot.trading.positions import Track
from bot.trading.risk import Risk, bracket_cap
from bot.trading.rule import Exposure
from bot.trading.strategy import Strategy, Verdict

OPEN: Final = "open"
"""The state of an intent that still wants something."""
UNRECONCILED = "unreconciled"
PAUSED = "paused"
RESULT_ROWS: Final = frozenset({Fill, Funding, Transfer, OpeningBalance, TradeRow, RiskEvent, Incident})
"""Rows that are made whatever `CorePlan.narrated` says: what happened to the money, and why trading stopped."""
_NOTHING: Final[dict[str, str]] = {}
_FORGOTTEN_AT_ONCE: Final = 64


class Halt(Struct, frozen=True, gc=False):
    """Why entries are stopped until a person resumes, as kept in the risk states. An ended one is not active."""

    detail: str
    since_ms: int
    active: bool = True


@dataclass(slots=True)
class SymbolState:
    """One symbol: its market, its orders, its position. Foreign symbols have no strategy.

    `fills` are kept from `base` on, in trade id order, so that a late one can be put in its place; `tracks` is where
    the symbol stood after each. `orders` are those
    that may still matter, `ended` the latest of the others; ours are keyed by client order id, others by `#order_id`.
    `algos` and `ended_algos` likewise. `stop_id` is the stop that is meant to protect the position.
    """

    symbol: str
    strategy: Strategy | None = None
    instrument: Instrument | None = None
    last_close: Decimal = ZERO
    verdict: Verdict | None = None
    verdict_ms: int = 0
    volatile_until_ms: int = 0
    refused_until_ms: int = 0
    entry_retry_ms: int = 0

    base: Track = field(default_factory=Track)
    track: Track = field(default_factory=Track)
    fills: list[Fill] = field(default_factory=list)
    tracks: list[Track] = field(default_factory=list)
    trade_ids: dict[int, None] = field(default_factory=dict)
    forgotten_trade_id: int = 0
    executed: dict[int, Decimal] = field(default_factory=dict)
    funding: Decimal = ZERO
    last_reduced_ms: int = 0
    last_trade: TradeRow | None = None
    last_exit_order_id: int = 0
    unverified: bool = False
    entry_decisions: dict[int, str] = field(default_factory=dict)

    intents: dict[str, Intent] = field(default_factory=dict)
    orders: dict[str, OrderRow] = field(default_factory=dict)
    ended: dict[str, OrderRow] = field(default_factory=dict)
    order_keys: dict[int, str] = field(default_factory=dict)
    algos: dict[str, AlgoOrderRow] = field(default_factory=dict)
    ended_algos: dict[str, AlgoOrderRow] = field(default_factory=dict)
    retry_ms: dict[str, int] = field(default_factory=dict)
    cancels: dict[str, int] = field(default_factory=dict)
    refreshing: bool = False
    fills_due_ms: int = 0
    fills_asked: int = 0

    stop_id: str = ""
    stop_basis: Decimal = ZERO
    stop_after_ms: int = 0
    stops_lost: int = 0

    wake_ms: int | None = None

    @property
    def trading(self) -> tuple[Strategy, Instrument]:
        """Return strategy and contract of a traded symbol; a foreign one raises StopTrading."""
        if self.strategy is None or self.instrument is None:
            raise StopTrading(f"{self.symbol} is not among the traded symbols: no entry may be decided on it.")
        return self.strategy, self.instrument

    def order(self, key: str) -> OrderRow | None:
        """Return an order in memory by its key."""
        return self.orders.get(key) or self.ended.get(key)

    def order_by_id(self, order_id: int) -> OrderRow | None:
        """Return an order in memory by the exchange's id."""
        return self.order(self.order_keys.get(order_id, ""))

    def algo(self, client_algo_id: str) -> AlgoOrderRow | None:
        """Return a conditional order in memory."""
        return self.algos.get(client_algo_id) or self.ended_algos.get(client_algo_id)

    def last_attempt(self, intent: Intent) -> OrderRow | None:
        """Return the intent's last order attempt if all of them are settled; None = none yet, or one is not."""
        last = None
        for row in self.orders.values():
            if row.intent_id == intent.intent_id:
                if not self.settled(row):
                    return None
                last = row
        return last

    def executed_by(self, intent: Intent) -> Decimal:
        """Return what all attempts of an intent are known to have executed."""
        executed = ZERO
        for row in self.orders.values():
            if row.intent_id == intent.intent_id:
                executed += self.executed_of(row)
        return executed

    def executed_of(self, row: OrderRow) -> Decimal:
        """Return what is known to be executed: by report or by booked fills, whichever knows more."""
        return max(row.report.executed_quantity, self.booked(row))

    def booked(self, row: OrderRow) -> Decimal:
        """Return what of the order has been booked as fills."""
        return self.executed.get(row.report.order_id, ZERO)

    def settled(self, row: OrderRow) -> bool:
        """Return whether the order is proven ended and every fill of it is booked."""
        return row.state in FINAL_STATES and self.booked(row) >= row.report.executed_quantity

    def child_ended(self, client_algo_id: str) -> bool:
        """Return whether the order that a conditional order gave birth to is known and proven ended."""
        for row in (*self.orders.values(), *self.ended.values()):
            if row.client_order_id == client_algo_id and row.report.algo_id and self.settled(row):
                return True
        return False

    def forget_tries(self, key: str) -> None:
        """Forget how often cancelling an order or stop failed, and when it is tried again."""
        self.cancels.pop(key, None)
        self.retry_ms.pop(key, None)

    def exposure(self) -> Exposure:
        """Return what is held and may come to be held (see `Standing`)."""
        buying = selling = ZERO
        for row in self.orders.values():
            report = row.report
            if report.reduce_only or report.algo_id:
                continue
            wanted = report.executed_quantity if row.state in FINAL_STATES else report.quantity
            open_quantity = max(ZERO, wanted - self.booked(row))
            if report.side is Side.BUY:
                buying += open_quantity
            else:
                selling += open_quantity
        return Exposure(self.track.quantity, buying, selling)

    def live_algos(self) -> list[AlgoOrderRow]:
        """Return conditional orders not proven ended."""
        return [row for row in self.algos.values() if row.state not in FINAL_STATES]

    @property
    def mark(self) -> Decimal:
        """Return the price at which the position is valued: the last close, before the first one the entry."""
        return self.last_close or self.track.entry_price

    @property
    def under_way(self) -> bool:
        """Return whether an entry or exit has not yet come to its end."""
        for intent in self.intents.values():  # noqa: SIM110 - a generator costs three times as much
            if intent.purpose is not Purpose.STOP:
                return True
        return False

    @property
    def busy(self) -> bool:
        """Return whether anything of ours is open here, so that it has to be looked after."""
        return bool(self.track.quantity or self.intents or self.live_algos())


@dataclass(slots=True)
class State:
    """The whole core. Satisfies `Standing`, so that rules read it directly.

    `wake_ms` is the earliest of its symbols', so that an event need not ask them all.
    """

    plan: CorePlan
    instance: str
    risk: Risk
    caps: dict[str, Decimal]
    traded: tuple[str, ...]
    by_symbol: dict[str, SymbolState]
    margin_asset: str
    now_ms: int = 0
    wallets: dict[str, Decimal] = field(default_factory=dict)
    opened: bool = False
    inherited: set[tuple[str, str]] = field(default_factory=set)
    reconciled: bool = False
    reconcile_tries: int = 0
    reconcile_asked: bool = False
    gates: dict[tuple[str, str], str] = field(default_factory=dict)
    halted: dict[tuple[str, str], Halt] = field(default_factory=dict)
    funding_keys: dict[tuple[str, str, int], None] = field(default_factory=dict)
    transfer_keys: dict[tuple[str, int, str, str, Decimal], None] = field(default_factory=dict)
    incidents: dict[str, Incident] = field(default_factory=dict)
    alerted: dict[str, None] = field(default_factory=dict)
    requests: dict[str, CommandRow] = field(default_factory=dict)
    boundary_ms: int = 0
    boundary_closed: set[str] = field(default_factory=set)
    boundary_judged: bool = True
    judge_ms: int | None = None
    peak_equity: Decimal = ZERO
    last_decision_ms: int = 0
    touched: dict[str, None] = field(default_factory=dict)
    wake_ms: int | None = None
    rows: dict[tuple[object, ...], Row] = field(default_factory=dict)
    results: list[Command] = field(default_factory=list)
    commands: list[Command] = field(default_factory=list)
    narrated: bool = True

    # What one event asks for

    def record(self, row: Row) -> None:
        """Write this row with the others of this event; a row of the same key is replaced."""
        if self.narrated:
            self.rows[key_of(row)] = row
        elif type(row) in RESULT_ROWS:
            self.results.append(Record(row))

    def ask(self, command: Command) -> None:
        """Send this command once the rows are written."""
        self.commands.append(command)

    def ask_reconcile(self, reason: str) -> None:
        """Have history and account read again, once until the next snapshot."""
        if not self.reconcile_asked:
            self.reconcile_asked = True
            self.ask(Reconcile(reason))

    def drain(self) -> list[Command]:
        """Return and forget what this event asked for: records first."""
        if not (self.rows or self.results or self.commands):
            return []
        drained: list[Command] = [*map(Record, self.rows.values()), *self.results, *self.commands]
        self.rows, self.results, self.commands = {}, [], []
        return drained

    def symbol_state(self, symbol: str) -> SymbolState:
        """Return the symbol's state, marking it to be looked after at the end of this event."""
        state = self.by_symbol.get(symbol)
        if state is None:
            state = self.by_symbol[symbol] = SymbolState(symbol)
        self.touched[symbol] = None
        return state

    def remember_risk(self, rows: Iterable[Row]) -> None:
        """Write what rules remember, and have their next deadline read anew."""
        for row in rows:
            self.record(row)
            self.judge_ms = None

    def touch_all(self) -> None:
        """Have every symbol looked after at the end of this event."""
        self.touched |= dict.fromkeys(self.by_symbol)

    # Standing: what rules read

    @property
    def symbols(self) -> Sequence[str]:
        """Return the traded symbols, and any other that has a position."""
        return (*self.traded, *(each for each in self._foreign() if self.by_symbol[each].track.quantity))

    @property
    def wallet(self) -> Decimal:
        """Return the wallet of the margin asset."""
        return self.wallets.get(self.margin_asset, ZERO)

    @property
    def unrealized(self) -> Decimal:
        """Return unrealized profit at the last closes."""
        return self.equity - self.wallet

    @property
    def equity(self) -> Decimal:
        """Return wallet + unrealized profit at the last closes."""
        equity = self.wallets.get(self.margin_asset, ZERO)
        for symbol in self.by_symbol.values():
            track = symbol.track
            if track.quantity:
                equity += track.unrealized(symbol.last_close or track.entry_price)
        return equity

    @property
    def conditional_orders(self) -> int:
        """Return conditional orders in use or reserved (see `Standing`)."""
        return sum([_conditional_orders(each) for each in self.by_symbol.values() if each.algos or each.orders])

    def exposure(self, symbol: str) -> Exposure:
        """Return what the symbol holds and may come to hold."""
        return self.by_symbol[symbol].exposure()

    def last_close(self, symbol: str) -> Decimal:
        """Return the last closed candle's close, 0 before the first."""
        return self.by_symbol[symbol].last_close

    def closed_gates(self, symbol: str) -> Mapping[str, str]:
        """Return the closed gates that concern the symbol."""
        if not self.gates and self.reconciled:
            return _NOTHING
        closed = {gate: detail for (gate, where), detail in self.gates.items() if where in {"", symbol}}
        if not self.reconciled:
            closed.setdefault(UNRECONCILED, "account and books have not been found equal yet")
        return closed

    def halts(self, symbol: str) -> Mapping[str, str]:
        """Return halts and pauses that concern the symbol."""
        if not self.halted:
            return _NOTHING
        return {reason: halt.detail for (reason, where), halt in self.halted.items() if where in {"", symbol}}

    def volatility_pause_until_ms(self, symbol: str) -> int:
        """Return until when a volatility breach pauses entries."""
        return self.by_symbol[symbol].volatile_until_ms

    def largest_notional(self, symbol: str) -> Decimal:
        """Return the largest position notional the brackets allow at the configured leverage."""
        return self.caps.get(symbol, ZERO)

    def _foreign(self) -> Iterator[str]:
        return (each for each in self.by_symbol if each not in self.traded)


def caps_by_symbol(brackets: Iterable[LeverageBracket], symbols: Iterable[str], leverage: int) -> dict[str, Decimal]:
    """Return each symbol's largest notional at this leverage."""
    rows = tuple(brackets)
    return {symbol: bracket_cap(rows, symbol, leverage) for symbol in symbols}


def _conditional_orders(symbol: SymbolState) -> int:
    """Count live conditional orders; a live entry whose stop is yet to come reserves the place of one."""
    live = len(symbol.live_algos())
    return live or int(any(map(_is_live_entry, symbol.orders.values())))


def _is_live_entry(row: OrderRow) -> bool:
    report = row.report
    return bool(row.intent_id) and row.state not in FINAL_STATES and not report.reduce_only and not report.algo_id


def too_old(memory: Collection[str], kept: int) -> tuple[str, ...]:
    """Return the oldest keys of a dict beyond those to keep, once they are many: to find one it has to be searched."""
    over = len(memory) - kept
    return tuple(islice(memory, over)) if over > _FORGOTTEN_AT_ONCE else ()


_LIVE_BEFORE_ANSWER = frozenset({OrderState.INTENDED, OrderState.SENT})


def awaits_answer(state: OrderState) -> bool:
    """Return whether the exchange has not yet answered the request that made the order."""
    return state in _LIVE_BEFORE_ANSWER
