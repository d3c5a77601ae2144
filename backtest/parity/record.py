"""What one side did, backtest or bot, in the same words: decisions, the orders they led to, and round trips."""

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Final, NamedTuple

from msgspec.structs import replace

from bot.domain.fill import Fill
from bot.domain.market import MINUTE_MS
from bot.domain.money import ZERO
from bot.domain.records import (
    AlgoOrderRow,
    Decision,
    Intent,
    OrderRow,
    PositionRow,
    RiskEvent,
    Row,
    TradeRow,
)

ENTER: Final = "enter"
EXIT: Final = "exit"
NEVER: Final = 1 << 62


class Key(NamedTuple):
    """Which decision: the close of the candle that opened at `open_ms`. Sorts as decisions are made: exits first."""

    open_ms: int
    kind: str
    symbol: str

    @property
    def close_ms(self) -> int:
        """Return the moment of the decision."""
        return self.open_ms + MINUTE_MS

    @property
    def order(self) -> tuple[int, bool, str]:
        """Return what decisions are sorted by."""
        return self.open_ms, self.kind == ENTER, self.symbol


class Attempt(NamedTuple):
    """One order of an intent, as far as two sides can agree on it. `price` is 0 for market orders."""

    type: str
    side: str
    quantity: Decimal
    price: Decimal


@dataclass(frozen=True, slots=True)
class Leg:
    """How a position was entered or left: the orders (none for a stop) and their fills. Times are market time."""

    attempts: tuple[Attempt, ...]
    fills: tuple[Fill, ...]

    @property
    def quantity(self) -> Decimal:
        """Return what was filled."""
        return sum((fill.quantity for fill in self.fills), ZERO)

    @property
    def price(self) -> Decimal:
        """Return the average price, 0 without a fill."""
        notional = sum((fill.quantity * fill.price for fill in self.fills), ZERO)
        return notional / self.quantity if self.fills else ZERO

    @property
    def first_ms(self) -> int:
        """Return when the first fill was, NEVER without one."""
        return self.fills[0].time_ms if self.fills else NEVER

    @property
    def role(self) -> str:
        """Return maker, taker, or mixed."""
        roles = {"maker" if fill.maker else "taker" for fill in self.fills}
        return roles.pop() if len(roles) == 1 else "mixed"

    @property
    def is_crossing(self) -> bool:
        """Say whether it is one market order, filled at once: only then the time of its fill says how late it was."""
        return [attempt.type for attempt in self.attempts] == ["MARKET"]

    @property
    def manner(self) -> tuple[tuple[str, ...], str]:
        """Return how it was filled: the types of its orders in turn, and the role of its fills."""
        return tuple(attempt.type for attempt in self.attempts), self.role


@dataclass(frozen=True, slots=True)
class Trip:
    """A position from flat to flat, or to the end of the period (`exit` None; money then 0).

    `entry_key` and `exit_key` are the decisions behind it, None where there is none (a stop) or it is not known.
    `exit_decided` is the price the exit was decided at: the close, or a stop's trigger.
    """

    symbol: str
    side: str
    entry_key: Key | None
    entry: Leg
    exit: Leg | None
    exit_key: Key | None
    exit_reason: str
    exit_decided: Decimal
    opened_ms: int
    closed_ms: int
    pnl: Decimal
    fees: Decimal
    funding: Decimal

    @property
    def sign(self) -> int:
        """Return +1 for a long position, -1 for a short one."""
        return 1 if self.side == "LONG" else -1

    @property
    def won(self) -> bool:
        """Say whether it made a profit, by which pacing decides how long the symbol rests."""
        return self.pnl > ZERO

    def held_at(self, at_ms: int) -> bool:
        """Say whether a decision at this moment finds the position open: what fills at that moment comes after it."""
        return self.opened_ms < at_ms <= self.closed_ms


@dataclass(frozen=True, slots=True)
class Pending:
    """An entry that was decided: how long its orders were at work, and how its intent ended."""

    since_ms: int
    until_ms: int
    state: str
    attempts: tuple[Attempt, ...]
    words: str


@dataclass(frozen=True, slots=True)
class Record:
    """Everything one side did, on the time of the recording."""

    decisions: Mapping[Key, Decision]
    refusals: Mapping[Key, Decision]
    """What was refused when an entry was to be sent again, by the entry's key."""
    pending: Mapping[Key, Pending]
    trips: Mapping[str, Sequence[Trip]]
    events: Sequence[RiskEvent]

    def trip_of(self, key: Key) -> Trip | None:
        """Return the round trip an entry led to."""
        return next((trip for trip in self.trips.get(key.symbol, ()) if trip.entry_key == key), None)

    def holding(self, symbol: str, at_ms: int) -> Trip | None:
        """Return the position that a decision at this moment finds open."""
        return next((trip for trip in self.trips.get(symbol, ()) if trip.held_at(at_ms)), None)

    def entering(self, symbol: str, at_ms: int) -> Key | None:
        """Return the entry whose orders are still at work at this moment."""
        found = (key for key, each in self.pending.items() if key.symbol == symbol and each.since_ms < at_ms)
        return next((key for key in found if at_ms < self.pending[key].until_ms), None)

    def last_trip(self, symbol: str, at_ms: int) -> Trip | None:
        """Return the last round trip that had ended by this moment."""
        ended = [trip for trip in self.trips.get(symbol, ()) if trip.closed_ms <= at_ms]
        return max(ended, key=lambda trip: trip.closed_ms, default=None)

    def last_entry(self, at_ms: int) -> Key | None:
        """Return the last entry decided before this moment, on any symbol."""
        taken = [key for key, each in self.decisions.items() if each.action == ENTER and key.close_ms < at_ms]
        return max(taken, key=lambda key: key.open_ms, default=None)


class Ids:
    """Reads decision ids: those of candles name their symbol and candle; of the rest the intent knows the entry."""

    def __init__(self, shift_ms: int) -> None:
        self._shift_ms = shift_ms

    def key(self, decision_id: str) -> Key | None:
        """Return the key, on the time of the recording; None for what no candle decided."""
        symbol, _, rest = decision_id.partition("-")
        open_ms, _, kind = rest.partition("-")
        if kind not in {ENTER, EXIT} or not open_ms.isdecimal():
            return None
        return Key(int(open_ms) - self._shift_ms, kind, symbol)


def record_of(rows: Iterable[Row], shift_ms: int, until_ms: int) -> Record:
    """Make a record out of the rows that a core wrote, later rows replacing earlier ones of the same key.

    `shift_ms` is how much later than the recording the rows are; what was closed at or after `until_ms` (time of the
    recording) counts as still open.
    """
    return _Reader(rows, shift_ms, until_ms).record()


class _Reader:
    def __init__(self, rows: Iterable[Row], shift_ms: int, until_ms: int) -> None:
        self._shift_ms = shift_ms
        self._until_ms = until_ms
        self._ids = Ids(shift_ms)
        self._decisions: dict[str, Decision] = {}
        self._intents: dict[str, Intent] = {}
        self._orders: dict[tuple[str, str, int], OrderRow] = {}
        self._algos: dict[tuple[str, int], AlgoOrderRow] = {}
        self._fills: dict[tuple[str, int], Fill] = {}
        self._trades: dict[tuple[str, int], TradeRow] = {}
        self._positions: dict[str, PositionRow] = {}
        self._events: list[RiskEvent] = []
        for row in rows:
            self._take(row)
        self._by_order: dict[tuple[str, int], OrderRow] = {
            (row.symbol, row.report.order_id): row for row in self._orders.values() if row.report.order_id
        }
        self._by_intent: dict[str, list[OrderRow]] = defaultdict(list)
        for row in self._orders.values():
            self._by_intent[row.intent_id].append(row)
        self._fills_of: dict[str, list[Fill]] = defaultdict(list)
        for fill in sorted(self._fills.values(), key=lambda each: (each.time_ms, each.trade_id)):
            self._fills_of[fill.symbol].append(fill)

    def record(self) -> Record:
        found = {key: row for row in self._decisions.values() if (key := self._ids.key(row.decision_id))}
        entries = {key: row for key, row in found.items() if row.action == ENTER}
        by_intent = {row.intent_id: key for key, row in entries.items()}
        again = [row for row in self._decisions.values() if row.action == "refuse" and row.intent_id in by_intent]
        return Record(
            decisions=found,
            refusals={by_intent[row.intent_id]: row for row in again},
            pending={key: self._pending(row) for key, row in entries.items()},
            trips=self._trips(),
            events=sorted(self._events, key=lambda event: event.at_ms),
        )

    def _take(self, row: Row) -> None:
        match row:
            case Decision():
                self._decisions[row.decision_id] = row
            case Intent():
                self._intents[row.intent_id] = row
            case OrderRow():
                number = 0 if row.intent_id else row.report.order_id
                self._orders[row.symbol, row.client_order_id, number] = row
            case AlgoOrderRow():
                self._algos[row.symbol, row.report.algo_id] = row
            case Fill():
                self._fills[row.symbol, row.trade_id] = row
            case TradeRow():
                self._trades[row.symbol, row.trip] = row
            case PositionRow():
                self._positions[row.symbol] = row
            case RiskEvent():
                self._events.append(row)
            case _:
                pass

    def _pending(self, decision: Decision) -> Pending:
        orders = sorted(self._by_intent[decision.intent_id], key=lambda row: row.attempt)
        intent = self._intents.get(decision.intent_id)
        is_open = intent is None or intent.state == "open"
        until_ms = (
            NEVER if is_open else max((row.updated_ms for row in orders), default=decision.at_ms) - self._shift_ms
        )
        return Pending(
            since_ms=decision.at_ms - self._shift_ms,
            until_ms=until_ms,
            state=intent.state if intent else "open",
            attempts=_attempts(orders),
            words=", ".join(f"{row.report.type} {_ended(row)}" for row in orders),
        )

    def _trips(self) -> dict[str, list[Trip]]:
        trips: dict[str, list[Trip]] = defaultdict(list)
        for row in self._trades.values():
            trips[row.symbol].append(self._trip(row))
        for position in self._positions.values():
            if position.quantity and position.opened_ms - self._shift_ms < self._until_ms:
                trips[position.symbol].append(self._open_trip(position))
        return {symbol: sorted(found, key=lambda trip: trip.opened_ms) for symbol, found in trips.items()}

    def _trip(self, row: TradeRow) -> Trip:
        is_open = row.exit_ms - self._shift_ms >= self._until_ms
        opening = 1 if row.side == "LONG" else -1
        fills = self._fills_between(row.symbol, row.entry_ms, row.exit_ms)
        leaving = tuple(fill for fill in fills if fill.side.sign != opening)
        order = self._by_order.get((row.symbol, leaving[-1].order_id)) if leaving else None
        decision = self._exit_decision(order)
        return Trip(
            symbol=row.symbol,
            side=row.side,
            entry_key=self._ids.key(row.entry_decision_id),
            entry=self._leg(tuple(fill for fill in fills if fill.side.sign == opening)),
            exit=None if is_open else self._leg(leaving),
            exit_key=None if is_open or decision is None else self._ids.key(decision.decision_id),
            exit_reason="" if is_open else row.exit_reason,
            exit_decided=ZERO if is_open else decision.price if decision else self._trigger(order),
            opened_ms=row.entry_ms - self._shift_ms,
            closed_ms=NEVER if is_open else row.exit_ms - self._shift_ms,
            pnl=ZERO if is_open else row.pnl,
            fees=ZERO if is_open else row.fees,
            funding=ZERO if is_open else row.funding,
        )

    def _open_trip(self, row: PositionRow) -> Trip:
        return Trip(
            symbol=row.symbol,
            side="LONG" if row.quantity > 0 else "SHORT",
            entry_key=self._ids.key(row.entry_decision_id),
            entry=self._leg(self._fills_between(row.symbol, row.opened_ms, NEVER)),
            exit=None,
            exit_key=None,
            exit_reason="",
            exit_decided=ZERO,
            opened_ms=row.opened_ms - self._shift_ms,
            closed_ms=NEVER,
            pnl=ZERO,
            fees=ZERO,
            funding=ZERO,
        )

    def _fills_between(self, symbol: str, first_ms: int, last_ms: int) -> tuple[Fill, ...]:
        fills = self._fills_of[symbol]
        start = bisect_left(fills, first_ms, key=lambda fill: fill.time_ms)
        return tuple(fill for fill in fills[start:] if fill.time_ms <= last_ms)

    def _leg(self, fills: tuple[Fill, ...]) -> Leg:
        orders = {(fill.symbol, fill.order_id): self._by_order.get((fill.symbol, fill.order_id)) for fill in fills}
        intents = dict.fromkeys(row.intent_id for row in orders.values() if row is not None and row.intent_id)
        attempts = [row for intent_id in intents for row in self._by_intent[intent_id]]
        return Leg(
            _attempts(sorted(attempts, key=lambda row: row.attempt)),
            tuple(_moved(fill, self._shift_ms) for fill in fills),
        )

    def _exit_decision(self, order: OrderRow | None) -> Decision | None:
        intent = self._intents.get(order.intent_id) if order is not None else None
        return self._decisions.get(intent.decision_id) if intent is not None else None

    def _trigger(self, order: OrderRow | None) -> Decimal:
        algo = self._algos.get((order.symbol, order.report.algo_id)) if order is not None else None
        return algo.report.trigger_price if algo is not None else ZERO


def _attempts(orders: Iterable[OrderRow]) -> tuple[Attempt, ...]:
    return tuple(
        Attempt(row.report.type, row.report.side.value, row.report.quantity, row.report.price) for row in orders
    )


def _ended(row: OrderRow) -> str:
    why = f" ({row.report.expiry_reason})" if row.report.expiry_reason not in {"", "0"} else ""
    return ("still open" if not row.state.is_final else row.state.value) + why


def _moved(fill: Fill, shift_ms: int) -> Fill:
    return replace(fill, time_ms=fill.time_ms - shift_ms) if shift_ms else fill
