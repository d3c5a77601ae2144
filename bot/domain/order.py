"""Orders: what we intend, what the exchange says about it, and the one table of legal steps between states."""

from decimal import Decimal
from enum import StrEnum
from typing import Final

from msgspec import Struct
from msgspec.structs import replace


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

    @property
    def is_final(self) -> bool:
        """Return whether the exchange will do nothing more with the order."""
        return self in FINAL_STATES


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


class Step(StrEnum):
    """What can happen to an order: what we did or proved, and the exchange's words."""

    SENT = "sent"
    LOST = "lost"
    REFUSED = "refused"
    PROVEN_ABSENT = "proven_absent"
    CANCEL_ASKED = "cancel_asked"
    NEW = "NEW"
    PARTIALLY_FILLED = "PARTIALLY_FILLED"
    FILLED = "FILLED"
    CANCELED = "CANCELED"
    EXPIRED = "EXPIRED"
    REJECTED = "REJECTED"


_REPORTED: Final = {
    Step.NEW: OrderState.RESTING,
    Step.PARTIALLY_FILLED: OrderState.PARTIALLY_FILLED,
    Step.FILLED: OrderState.FILLED,
    Step.CANCELED: OrderState.CANCELLED,
    Step.EXPIRED: OrderState.EXPIRED,
    Step.REJECTED: OrderState.REJECTED,
}
_WORKING: Final = {
    Step.LOST: OrderState.UNKNOWN,
    Step.CANCEL_ASKED: OrderState.CANCELLING,
    Step.PARTIALLY_FILLED: OrderState.PARTIALLY_FILLED,
    Step.FILLED: OrderState.FILLED,
    Step.CANCELED: OrderState.CANCELLED,
    Step.EXPIRED: OrderState.EXPIRED,
    Step.REJECTED: OrderState.REJECTED,
}

STEPS: Final[dict[OrderState, dict[Step, OrderState]]] = {
    OrderState.INTENDED: _REPORTED
    | {Step.SENT: OrderState.SENT, Step.LOST: OrderState.UNKNOWN, Step.REFUSED: OrderState.REJECTED},
    # The stream may be faster than the answer, so every word of the exchange is legal before it.
    OrderState.SENT: _REPORTED
    | {
        Step.LOST: OrderState.UNKNOWN,
        Step.REFUSED: OrderState.REJECTED,
        Step.PROVEN_ABSENT: OrderState.REJECTED,
    },
    OrderState.UNKNOWN: _REPORTED | {Step.REFUSED: OrderState.REJECTED, Step.PROVEN_ABSENT: OrderState.REJECTED},
    # A resting order is lost when its cancel has an unknown outcome or a snapshot no longer shows it.
    OrderState.RESTING: _WORKING,
    OrderState.PARTIALLY_FILLED: _WORKING,
    # A cancel can lose the race: the order may fill, wholly or in part, while the cancel is on its way.
    OrderState.CANCELLING: {
        Step.LOST: OrderState.UNKNOWN,
        Step.FILLED: OrderState.FILLED,
        Step.CANCELED: OrderState.CANCELLED,
        Step.EXPIRED: OrderState.EXPIRED,
        Step.REJECTED: OrderState.REJECTED,
    },
    OrderState.FILLED: {},
    # A fill after a cancel does happen: the report of the last fill may be overtaken by the one of the cancel.
    OrderState.CANCELLED: {Step.FILLED: OrderState.FILLED},
    OrderState.EXPIRED: {Step.FILLED: OrderState.FILLED},
    # Proven absent, and there it is after all: the exchange showed it later than we were willing to wait.
    OrderState.REJECTED: _REPORTED,
}
"""Every legal pair of state and step. A pair that is missing changes nothing: a state never goes backwards."""

WIRE_STEPS: Final[dict[str, Step]] = {
    "NEW": Step.NEW,
    "NEW_INSURANCE": Step.NEW,
    "NEW_ADL": Step.NEW,
    "PARTIALLY_FILLED": Step.PARTIALLY_FILLED,
    "FILLED": Step.FILLED,
    "CANCELED": Step.CANCELED,
    "EXPIRED": Step.EXPIRED,
    "EXPIRED_IN_MATCH": Step.EXPIRED,
    "REJECTED": Step.REJECTED,
}
"""Order statuses of the wire. One that is not listed is kept in the report and moves nothing."""

ALGO_STATES: Final[dict[str, OrderState]] = {
    "NEW": OrderState.RESTING,
    "TRIGGERING": OrderState.PARTIALLY_FILLED,
    "TRIGGERED": OrderState.PARTIALLY_FILLED,
    "FINISHED": OrderState.FILLED,
    "CANCELED": OrderState.CANCELLED,
    "EXPIRED": OrderState.EXPIRED,
    "REJECTED": OrderState.REJECTED,
}
"""Statuses of conditional orders. A triggered one is at work (its child order fills) until it is FINISHED."""

FINAL_STATES: Final = frozenset(
    {OrderState.FILLED, OrderState.CANCELLED, OrderState.EXPIRED, OrderState.REJECTED},
)
"""States in which the exchange will do nothing more with an order."""
_FINAL_RANK: Final = 4
_RANKS: Final = dict.fromkeys((*WIRE_STEPS, *ALGO_STATES), _FINAL_RANK) | {
    "": 0,
    "NEW": 1,
    "NEW_INSURANCE": 1,
    "NEW_ADL": 1,
    "PARTIALLY_FILLED": 2,
    "TRIGGERING": 2,
    "TRIGGERED": 3,
}


def next_state(state: OrderState, step: Step | None) -> OrderState:
    """Return the state after a step; an illegal or unknown step leaves it as it is."""
    return state if step is None else STEPS[state].get(step, state)


def merge_reports(known: OrderReport, report: OrderReport) -> OrderReport | None:
    """Return what is known after a further report; None when it is older than what is known.

    The executed quantity decides first, then how far the status is, then the exchange's update time. What a report
    cannot tell (the conditional order it came from, why it expired) is kept.
    """
    if report.executed_quantity < known.executed_quantity:
        return None
    if report.executed_quantity == known.executed_quantity and _is_older(report, known):
        return None
    if _is_final(known.status) and not _is_final(report.status):
        return replace(known, executed_quantity=report.executed_quantity)
    algo_id = report.algo_id or known.algo_id
    expiry_reason = report.expiry_reason or (known.expiry_reason if known.status else "")
    updated_ms = max(report.updated_ms, known.updated_ms)
    if (algo_id, expiry_reason, updated_ms) == (report.algo_id, report.expiry_reason, report.updated_ms):
        return report
    return replace(report, algo_id=algo_id, expiry_reason=expiry_reason, updated_ms=updated_ms)


def merge_algo_reports(known: AlgoReport, report: AlgoReport) -> AlgoReport | None:
    """Return what is known of a conditional order after a further report; None when it is older."""
    if _is_older(report, known):
        return None
    actual_order_id = report.actual_order_id or known.actual_order_id
    updated_ms = max(report.updated_ms, known.updated_ms)
    if (actual_order_id, updated_ms) == (report.actual_order_id, report.updated_ms):
        return report
    return replace(report, actual_order_id=actual_order_id, updated_ms=updated_ms)


def _is_older(report: OrderReport | AlgoReport, known: OrderReport | AlgoReport) -> bool:
    """Say whether a report is behind what is known. A status that is not listed is judged by its time alone."""
    said, had = _RANKS.get(report.status), _RANKS.get(known.status)
    if (said == _FINAL_RANK) is not (had == _FINAL_RANK):
        return had == _FINAL_RANK
    if said is not None and had is not None and said != had:
        return said < had
    return report.updated_ms < known.updated_ms


def _is_final(status: str) -> bool:
    return _RANKS.get(status) == _FINAL_RANK
