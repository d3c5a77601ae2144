"""What the tables remember: everything the core needs to go on where an earlier process stopped."""

from decimal import Decimal

from msgspec import Struct

from bot.domain.fill import Fill
from bot.domain.records import AlgoOrderRow, Incident, Intent, OrderRow, PositionRow, RiskState


class Books(Struct, frozen=True):
    """The recovered state. `wallets` are calculated from the rows; empty = these books were never opened.

    `orders` and `algo_orders` are those not in a final state, plus every one of an open intent; `fills` are those of
    positions that are not flat, in trade id order, from the one that opened the position.
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


class HistoryMark(Struct, frozen=True):
    """How far the books reach into the exchange's history, per symbol: the ids to page on from (inclusive).

    `order_from` is the lowest order id not yet final, else the last known one; 0 = nothing known.
    `income_from_ms` reaches a minute further back than the last row, because settlements arrive late.
    `symbols` are the configured ones and every other one these books have seen.
    """

    symbols: tuple[str, ...]
    order_from: dict[str, int]
    algo_from: dict[str, int]
    trade_from: dict[str, int]
    income_from_ms: int
