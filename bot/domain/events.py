"""What happened. Every event carries `at_ms`, the market time at which the core learns of it (ms UTC)."""

from decimal import Decimal

from msgspec import Struct

from bot.domain.account import AccountSnapshot
from bot.domain.fill import Fill, Funding, Transfer
from bot.domain.instrument import Instrument
from bot.domain.market import Candle
from bot.domain.order import AlgoReport, OrderReport


class Happened(Struct, frozen=True, gc=False):
    """The base of every event."""

    at_ms: int


# The market


class CandleClosed(Happened, frozen=True, gc=False):
    """A candle closed. Each is delivered once, in order per symbol; a missing one is a hole.

    `complete` says that no other symbol's candle of the same minute follows: a backtest knows, a live feed does not.
    """

    candle: Candle
    complete: bool = False


class CandleWarmedUp(Happened, frozen=True, gc=False):
    """A candle that is past: it feeds the indicators and is the last close, and decides nothing."""

    candle: Candle


class VolatilityBreached(Happened, frozen=True, gc=False):
    """The mid price moved more than the limit within five seconds. `percent` is (max - min) / min x 100."""

    symbol: str
    percent: Decimal


class TimeAdvanced(Happened, frozen=True, gc=False):
    """The deadline named by `watch()` has come (TTL, cooldown, hold time, day change)."""


# Answers of the exchange about orders


class OrderUpdated(Happened, frozen=True, gc=False):
    """The exchange reported an order, with the execution that caused the report if there was one."""

    order: OrderReport
    fill: Fill | None = None


class FillRecovered(Happened, frozen=True, gc=False):
    """A past execution read back from the account's trade history."""

    fill: Fill


class OrderRefused(Happened, frozen=True, gc=False):
    """The exchange definitely refused an order: none exists. Code 0 = nothing was sent at all."""

    symbol: str
    client_order_id: str
    code: int
    message: str


class OrderOutcomeUnknown(Happened, frozen=True, gc=False):
    """An order request may or may not have been executed. The shell looks it up until it is found or proven absent."""

    symbol: str
    client_order_id: str
    why: str


class OrderProvenAbsent(Happened, frozen=True, gc=False):
    """Repeated look-ups over at least five wall seconds, and the user stream, showed that no such order exists."""

    symbol: str
    client_order_id: str


class CancelFailed(Happened, frozen=True, gc=False):
    """A cancel was refused or its outcome is unknown; the shell is looking the order up."""

    symbol: str
    client_order_id: str
    code: int
    message: str


class AlgoUpdated(Happened, frozen=True, gc=False):
    """The exchange reported a conditional order."""

    algo: AlgoReport


class StopRefused(Happened, frozen=True, gc=False):
    """The exchange definitely refused a conditional order. Code 0 = nothing was sent at all."""

    symbol: str
    client_algo_id: str
    code: int
    message: str


class StopOutcomeUnknown(Happened, frozen=True, gc=False):
    """A conditional order may or may not rest at the exchange; the shell is looking it up."""

    symbol: str
    client_algo_id: str
    why: str


class StopProvenAbsent(Happened, frozen=True, gc=False):
    """Repeated look-ups showed that no such conditional order exists."""

    symbol: str
    client_algo_id: str


class StopOverdue(Happened, frozen=True, gc=False):
    """Wall time has passed since a conditional order was sent that was not accepted at once; I3 allows no more."""

    symbol: str
    client_algo_id: str


class StopCancelFailed(Happened, frozen=True, gc=False):
    """Cancelling a conditional order was refused or its outcome is unknown; the shell is looking it up."""

    symbol: str
    client_algo_id: str
    code: int
    message: str


# The account


class FundingPaid(Happened, frozen=True, gc=False):
    """A funding settlement was booked, seen on the stream or in the income history."""

    funding: Funding


class TransferSeen(Happened, frozen=True, gc=False):
    """The wallet changed for a reason other than trading and funding."""

    transfer: Transfer


class SnapshotTaken(Happened, frozen=True, gc=False):
    """The account was read from the exchange after all missed history had been delivered.

    `first` marks the snapshot that opens the books: its wallets become the opening balances if none are stored, and
    what happened before `from_ms` is no part of them (0 = the account has no history yet).
    """

    snapshot: AccountSnapshot
    first: bool = False
    from_ms: int = 0


class InstrumentsRefreshed(Happened, frozen=True, gc=False):
    """The contract filters were read again."""

    instruments: tuple[Instrument, ...]


# Gates and people


class GateClosed(Happened, frozen=True, gc=False):
    """Something outside the core is not right: no new exposure until it opens. An empty symbol means all."""

    gate: str
    symbol: str
    detail: str


class GateOpened(Happened, frozen=True, gc=False):
    """The cause of a closed gate is gone."""

    gate: str
    symbol: str


class PersonAsked(Happened, frozen=True, gc=False):
    """A person's request from the desk or the command line: pause, resume, flatten, halt."""

    request_id: str
    who: str
    command: str
    arguments: dict[str, str]


type Event = (
    CandleClosed
    | CandleWarmedUp
    | VolatilityBreached
    | TimeAdvanced
    | OrderUpdated
    | FillRecovered
    | OrderRefused
    | OrderOutcomeUnknown
    | OrderProvenAbsent
    | CancelFailed
    | AlgoUpdated
    | StopRefused
    | StopOutcomeUnknown
    | StopProvenAbsent
    | StopOverdue
    | StopCancelFailed
    | FundingPaid
    | TransferSeen
    | SnapshotTaken
    | InstrumentsRefreshed
    | GateClosed
    | GateOpened
    | PersonAsked
)
