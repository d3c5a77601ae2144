"""What `database.queries` answers where rows of several tables are joined for people. Amounts exact, times ms UTC."""

from dataclasses import dataclass
from decimal import Decimal

from bot.domain.fill import Fill
from bot.domain.order import OrderState, Side
from bot.domain.records import (
    Alert,
    AlgoOrderRow,
    Decision,
    ExecutionMetric,
    Intent,
    OrderRow,
    PositionRow,
    RiskEvent,
    SignalRow,
    TradeRow,
)


@dataclass(frozen=True, slots=True)
class OpenPosition:
    """A position that is not flat, with its stop. `stop_state` is the stop's state in our books, empty = no stop.

    `stop_rests` says whether the exchange has confirmed it. `reason` is the entry decision's, `last_close` the newest
    stored candle's (None before the first one).
    """

    symbol: str
    quantity: Decimal
    entry_price: Decimal
    stop_price: Decimal
    stop_client_algo_id: str
    stop_state: str
    stop_rests: bool
    opened_ms: int
    entry_decision_id: str
    reason: str
    realized_pnl: Decimal
    commission: Decimal
    funding: Decimal
    trip: int
    last_close: Decimal | None
    last_close_ms: int


@dataclass(frozen=True, slots=True)
class OpenOrder:
    """An order not proven ended. `purpose` is entry, exit or stop, empty for orders that are not ours."""

    symbol: str
    client_order_id: str
    order_id: int
    side: Side
    type: str
    price: Decimal
    quantity: Decimal
    executed_quantity: Decimal
    attempt: int
    purpose: str
    state: OrderState
    reduce_only: bool
    created_ms: int
    expires_ms: int


@dataclass(frozen=True, slots=True)
class OpenStop:
    """A conditional order not proven ended."""

    symbol: str
    client_algo_id: str
    algo_id: int
    side: Side
    type: str
    trigger_price: Decimal
    state: OrderState
    status: str
    created_ms: int


@dataclass(frozen=True, slots=True)
class FillView:
    """An execution and why its order existed (entry, exit, stop; empty = not ours)."""

    fill: Fill
    purpose: str
    client_order_id: str


@dataclass(frozen=True, slots=True)
class NumberedAlert:
    """An alert of the outbox; `number` grows with each and is the cursor to resume from."""

    number: int
    alert: Alert


@dataclass(frozen=True, slots=True)
class DeliveryView:
    """What became of an alert on a channel."""

    alert_id: str
    channel: str
    state: str
    at_ms: int
    attempts: int
    detail: str


@dataclass(frozen=True, slots=True)
class RequestView:
    """What a person asked, and how far the bot has come with it: WAITING until the bot has seen it."""

    request_id: str
    who: str
    command: str
    arguments: dict[str, str]
    asked_ms: int
    state: str
    result: str
    updated_ms: int


@dataclass(frozen=True, slots=True)
class MoneySums:
    """Money movements since a moment, over all assets as they stand; commission is positive when paid."""

    realized_pnl: Decimal
    commission: Decimal
    funding: Decimal
    fills: int
    trades: int
    wins: int

    @property
    def net(self) -> Decimal:
        """Return realized - commission + funding."""
        return self.realized_pnl - self.commission + self.funding


@dataclass(frozen=True, slots=True)
class Counts:
    """How much there is: what a demo sums up at its end. `orders` are those that the exchange acknowledged."""

    orders: int
    fills: int
    trades: int
    open_positions: int
    incidents: int
    critical_incidents: int


@dataclass(frozen=True, slots=True)
class OrderChain:
    """Everything that led to an order and came of it, for `act why`. None and empty = not in the books.

    With neither order nor algo_order the name is unknown.
    """

    order: OrderRow | None = None
    algo_order: AlgoOrderRow | None = None
    intent: Intent | None = None
    decision: Decision | None = None
    signal: SignalRow | None = None
    attempts: tuple[OrderRow, ...] = ()
    stops: tuple[AlgoOrderRow, ...] = ()
    fills: tuple[Fill, ...] = ()
    trade: TradeRow | None = None
    metrics: tuple[ExecutionMetric, ...] = ()


@dataclass(frozen=True, slots=True)
class CandleColumns:
    """Candles as columns for charts, ascending; floats, because nothing is decided from them."""

    open_time: list[int]
    open: list[float]
    high: list[float]
    low: list[float]
    close: list[float]
    volume: list[float]


@dataclass(frozen=True, slots=True)
class EquityColumns:
    """The equity curve as columns for charts, ascending; thinned so that highs and lows stay."""

    at_ms: list[int]
    equity: list[float]
    wallet: list[float]
    unrealized: list[float]
    day_pnl: list[float]


@dataclass(frozen=True, slots=True)
class RecordedPeriod:
    """A stretch of market time as the bot recorded it. `wallet` is how the wallet stood at its beginning.

    `trades` are the round trips that were open in it at some time, `positions` those that are open now, `judged_ms` the
    moments at which equity was judged: each minute at which the bot was there to decide.
    """

    wallet: Decimal
    decisions: tuple[Decision, ...]
    intents: tuple[Intent, ...]
    orders: tuple[OrderRow, ...]
    algo_orders: tuple[AlgoOrderRow, ...]
    fills: tuple[Fill, ...]
    trades: tuple[TradeRow, ...]
    positions: tuple[PositionRow, ...]
    risk_events: tuple[RiskEvent, ...]
    judged_ms: tuple[int, ...]
