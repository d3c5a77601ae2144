"""What the tables remember: everything the core needs to go on where an earlier process stopped."""

from decimal import Decimal

from msgspec import Struct

from bot.domain.fill import Fill, Funding, Transfer
from bot.domain.records import AlgoOrderRow, Incident, Intent, OrderRow, PositionRow, RiskState


class Books(Struct, frozen=True):
    """The recovered state. `wallets` are calculated from the rows; empty = these books were never opened.

    `orders` and `algo_orders` are those not in a final state, plus every one of an open intent; `fills` are those of
    positions that are not flat, in trade id order, from the one that opened the position.
    `recent_*` (and the final ones among the orders) are booked already and lie at or after the `HistoryMark`: history
    reads them back once more, and then they must change nothing. `recent_fills` begin earlier, with the first fill of
    any of `orders`, where that is so.
    """

    instance: str
    wallets: dict[str, Decimal]
    intents: tuple[Intent, ...] = ()
    orders: tuple[OrderRow, ...] = ()
    algo_orders: tuple[AlgoOrderRow, ...] = ()
    positions: tuple[PositionRow, ...] = ()
    fills: tuple[Fill, ...] = ()
    risk: tuple[RiskState, ...] = ()
    incidents: tuple[Incident, ...] = ()
    recent_fills: tuple[Fill, ...] = ()
    recent_funding: tuple[Funding, ...] = ()
    recent_transfers: tuple[Transfer, ...] = ()


class HistoryMark(Struct, frozen=True):
    """How far the books reach into the exchange's history, per symbol: the ids to page on from (inclusive).

    Each is at most the lowest id not yet final and the last one known over an hour before the latest row, or before
    the oldest order whose executions are incomplete, because a stream may have skipped something before it went on;
    0 = from the opening of the books. `income_from_ms` reaches an hour back likewise.
    `symbols` are the configured ones and every other one these books have seen.
    `from_ms` is when the books were opened: what happened before is no part of them (0 = the account's beginning).
    """

    symbols: tuple[str, ...]
    order_from: dict[str, int]
    algo_from: dict[str, int]
    trade_from: dict[str, int]
    income_from_ms: int
    from_ms: int = 0
