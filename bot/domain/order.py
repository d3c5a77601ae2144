"""Orders: what we intend, what the exchange says about it, and the one table of legal steps between states."""

from decimal import Decimal
from enum import StrEnum

from msgspec import Struct


class Side(StrEnum):
    BUY = "BUY"
    SELL = "SELL"

    @property
    def sign(self) -> int:
        """Return +1 for BUY and -1 for SELL, so that quantities can be signed."""
        return 1 if self is Side.BUY else -1

    @property
    def opposite(self) -> "Side":
        return Side.SELL if self is Side.BUY else Side.BUY


class OrderType(StrEnum):
    LIMIT = "LIMIT"
    MARKET = "MARKET"


class TimeInForce(StrEnum):
    GTC = "GTC"
    IOC = "IOC"
    FOK = "FOK"
    GTX = "GTX"


class Purpose(StrEnum):
    """Why an order exists. The value is the role letter inside its client order id."""

    ENTRY = "e"
    EXIT = "x"
    STOP = "s"


class OrderState(StrEnum):
    """Where an order stands in our books. UNKNOWN is a state of its own: looked up, never re-sent."""

    INTENDED = "intended"
    SENT = "sent"
    UNKNOWN = "unknown"
    RESTING = "resting"
    PARTIALLY_FILLED = "partially_filled"
    FILLED = "filled"
    CANCELLING = "cancelling"
    CANCELLED = "cancelled"
    EXPIRED = "expired"
    REJECTED = "rejected"


class OrderReport(Struct, frozen=True, gc=False):
    """What the exchange says about one order: from the user stream, from REST, or from a snapshot.

    `status` is the wire's own word. `algo_id` is the id of the conditional order it was born from, 0 otherwise.
    `updated_ms` is the exchange's update time: a report older than what is known changes nothing.
    """

    symbol: str
    order_id: int
    client_order_id: str
    status: str
    side: Side
    type: str
    time_in_force: str
    quantity: Decimal
    price: Decimal
    executed_quantity: Decimal
    updated_ms: int
    reduce_only: bool = False
    close_position: bool = False
    position_side: str = "BOTH"
    algo_id: int = 0
    expiry_reason: str = ""


class AlgoReport(Struct, frozen=True, gc=False):
    """What the exchange says about one conditional order. Fields that do not apply are zero or empty."""

    symbol: str
    algo_id: int
    client_algo_id: str
    status: str
    side: Side
    type: str
    quantity: Decimal
    price: Decimal
    trigger_price: Decimal
    working_type: str
    close_position: bool
    reduce_only: bool
    updated_ms: int
    actual_order_id: int = 0
    position_side: str = "BOTH"
    activate_price: Decimal = Decimal(0)
    callback_rate: Decimal = Decimal(0)


class OrderRequest(Struct, frozen=True, gc=False):
    """One attempt of an intent, checked against every filter. Only risk-approved requests reach the exchange."""

    symbol: str
    client_order_id: str
    side: Side
    type: OrderType
    quantity: Decimal
    price: Decimal
    time_in_force: TimeInForce
    reduce_only: bool


class StopRequest(Struct, frozen=True, gc=False):
    """The resting `closePosition` STOP_MARKET of a position. `side` is the closing side."""

    symbol: str
    client_algo_id: str
    side: Side
    trigger_price: Decimal
