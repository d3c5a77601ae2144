"""What the core shows of itself: cheap values for heartbeat, equity points and evaluations, and what could matter."""

from dataclasses import dataclass, field
from decimal import Decimal

from msgspec import Struct

from bot.domain.money import ZERO
from bot.domain.order import OrderState, Purpose, Side


class SymbolWatch(Struct, frozen=True, gc=False):
    """What could matter on one symbol: the flags that count, and the prices at which something may happen.

    `idle`: nothing of ours is on its way, so that between deadlines only flags and levels can matter; otherwise every
    candle can. Entries before `entry_retry_ms` (market time) would be refused as the last one was; 0 = not known.
    """

    flags: int
    levels: tuple[Decimal, ...] = ()
    idle: bool = True
    entry_retry_ms: int = 0


class Stake(Struct, frozen=True, gc=False):
    """An open position as a term of equity: `quantity` is signed, `cost` what it was entered for (ledger rule R2)."""

    symbol: str
    quantity: Decimal
    cost: Decimal


@dataclass(frozen=True, slots=True)
class Watch:
    """What could matter next. `deadline_ms` is the market time at which `TimeAdvanced` is due; None = never.

    `equity_at_or_below` is the equity at which a rule would halt the bot; None = no such level.
    """

    deadline_ms: int | None
    symbols: dict[str, SymbolWatch] = field(default_factory=dict)
    equity_at_or_below: Decimal | None = None


@dataclass(frozen=True, slots=True)
class PositionView:
    """An open position. `quantity` is signed; `stop_resting` says whether the exchange has acknowledged the stop."""

    symbol: str
    trip: int
    quantity: Decimal
    entry_price: Decimal
    last_close: Decimal
    unrealized: Decimal
    stop_price: Decimal
    stop_client_algo_id: str
    stop_resting: bool
    opened_ms: int
    commission: Decimal = ZERO
    funding: Decimal = ZERO


@dataclass(frozen=True, slots=True)
class OrderView:
    """An order not proven ended. `purpose` is None for orders that are not ours; `expires_ms` 0 = no TTL."""

    symbol: str
    client_order_id: str
    purpose: Purpose | None
    side: Side
    state: OrderState
    quantity: Decimal
    executed_quantity: Decimal
    price: Decimal
    attempt: int
    expires_ms: int


@dataclass(frozen=True, slots=True)
class GateView:
    """A closed gate. An empty symbol means all."""

    gate: str
    symbol: str
    detail: str


@dataclass(frozen=True, slots=True)
class HaltView:
    """A halt of entries. An empty symbol means all; `until_ms` 0 = until a person clears it."""

    reason: str
    symbol: str
    until_ms: int
    detail: str


@dataclass(frozen=True, slots=True)
class EvaluationView:
    """The latest evaluation of a strategy: `verdict` in words, `inputs` as JSON, `at_ms` the close it judged."""

    symbol: str
    strategy: str
    at_ms: int
    verdict: str
    inputs: str


@dataclass(frozen=True, slots=True)
class View:
    """The core at one moment. Amounts in USDT; `risk` is the used share of each limit (1 = reached)."""

    at_ms: int
    wallet: Decimal = ZERO
    unrealized: Decimal = ZERO
    equity: Decimal = ZERO
    day_pnl: Decimal = ZERO
    peak_equity: Decimal = ZERO
    positions: tuple[PositionView, ...] = ()
    orders: tuple[OrderView, ...] = ()
    gates: tuple[GateView, ...] = ()
    halts: tuple[HaltView, ...] = ()
    paused: bool = False
    risk: dict[str, Decimal] = field(default_factory=dict)
    last_decision_ms: int = 0
    evaluations: tuple[EvaluationView, ...] = ()
    reconciled: bool = False
