"""What we want. The shell records every `Record` of one `handle()` in one transaction before it acts on the rest."""

from msgspec import Struct

from bot.domain.order import OrderRequest, StopRequest
from bot.domain.records import Row


class Record(Struct, frozen=True, gc=False):
    """Write this row; rows with the same key are replaced."""

    row: Row


class SubmitOrder(Struct, frozen=True, gc=False):
    """Send this order. Answered by OrderUpdated, OrderRefused or OrderOutcomeUnknown."""

    request: OrderRequest


class CancelOrder(Struct, frozen=True, gc=False):
    """Cancel a resting order. Answered by OrderUpdated or CancelFailed."""

    symbol: str
    client_order_id: str


class PlaceStop(Struct, frozen=True, gc=False):
    """Rest a stop at the exchange. Answered by AlgoUpdated, StopRefused or StopOutcomeUnknown."""

    request: StopRequest


class CancelStop(Struct, frozen=True, gc=False):
    """Cancel a resting stop. Answered by AlgoUpdated or StopCancelFailed."""

    symbol: str
    client_algo_id: str


class LookUpOrder(Struct, frozen=True, gc=False):
    """Find out what became of an order. Answered, however late, by OrderUpdated or OrderProvenAbsent."""

    symbol: str
    client_order_id: str


class LookUpStop(Struct, frozen=True, gc=False):
    """Find out what became of a stop. Answered, however late, by AlgoUpdated or StopProvenAbsent."""

    symbol: str
    client_algo_id: str


class Reconcile(Struct, frozen=True, gc=False):
    """Read history and account from the exchange again, because the books and the exchange disagree."""

    reason: str


class RefreshInstruments(Struct, frozen=True, gc=False):
    """Read the contract filters again: the exchange refused an order for one of them."""

    symbol: str


type ExchangeCommand = SubmitOrder | CancelOrder | PlaceStop | CancelStop | LookUpOrder | LookUpStop
type Command = Record | ExchangeCommand | Reconcile | RefreshInstruments
