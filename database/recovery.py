"""What a starting bot reads back: the open ends of its books, and how far they reach into the exchange's history."""

from collections.abc import Iterable, Mapping, Sequence

from sqlalchemy import Column, ColumnElement, Connection, Subquery, Table, and_, false, func, or_, select

from bot.domain.books import Books, HistoryMark
from bot.domain.fill import Fill, Funding, Transfer
from bot.domain.market import MINUTE_MS
from bot.domain.money import ZERO
from bot.domain.order import OrderState
from bot.domain.records import AlgoOrderRow, Incident, Intent, OrderRow, PositionRow, RiskState
from database.exact import ExactReader
from database.instance import instance_of
from database.rows import FINAL_STATES
from database.tables import (
    AlgoOrders,
    Fills,
    FundingEvents,
    Incidents,
    Intents,
    OpeningBalances,
    Orders,
    Positions,
    RiskStates,
    Transfers,
    table_of,
)

OVERLAP_MS = 3_600_000
OPEN = "open"

_INTENTS = table_of(Intents)
_ORDERS = table_of(Orders)
_ALGO_ORDERS = table_of(AlgoOrders)
_FILLS = table_of(Fills)
_FUNDING = table_of(FundingEvents)
_TRANSFERS = table_of(Transfers)
_POSITIONS = table_of(Positions)
_OPEN_STATES = tuple(state.value for state in OrderState if state not in FINAL_STATES)


def read_books(connection: Connection) -> Books:
    """Return the recovered state; empty wallets mean that these books were never opened."""
    reader = ExactReader(connection)
    mark = read_mark(connection, ())
    intents = reader.rows(Intent, _INTENTS.c.state == OPEN, order_by=(_INTENTS.c.created_ms, _INTENTS.c.intent_id))
    wanted = tuple(intent.intent_id for intent in intents)
    positions = reader.rows(PositionRow, order_by=(_POSITIONS.c.symbol,))
    risk = table_of(RiskStates)
    incidents = table_of(Incidents)
    orders = reader.rows(
        OrderRow,
        _open_or_recent(_ORDERS, _ORDERS.c.order_id, wanted, mark.order_from),
        order_by=(_ORDERS.c.created_ms, _ORDERS.c.client_order_id),
    )
    return Books(
        instance=instance_of(connection),
        wallets=reader.wallets(),
        intents=intents,
        orders=orders,
        algo_orders=reader.rows(
            AlgoOrderRow,
            _open_or_recent(_ALGO_ORDERS, _ALGO_ORDERS.c.algo_id, wanted, mark.algo_from),
            order_by=(_ALGO_ORDERS.c.created_ms, _ALGO_ORDERS.c.client_algo_id),
        ),
        positions=positions,
        fills=tuple(fill for position in positions if position.quantity for fill in _fills_of(reader, position)),
        risk=reader.rows(RiskState, order_by=(risk.c.rule, risk.c.symbol)),
        incidents=reader.rows(Incident, incidents.c.closed_ms == 0, order_by=(incidents.c.opened_ms,)),
        recent_fills=_recent_fills(connection, reader, mark.trade_from, orders),
        recent_funding=reader.rows(Funding, _FUNDING.c.time_ms >= mark.income_from_ms, order_by=(_FUNDING.c.time_ms,)),
        recent_transfers=reader.rows(
            Transfer, _TRANSFERS.c.time_ms >= mark.income_from_ms, order_by=(_TRANSFERS.c.time_ms,)
        ),
    )


def read_mark(connection: Connection, configured: Sequence[str]) -> HistoryMark:
    """Return from where on the exchange's history has to be read again."""
    symbols = dict.fromkeys((*configured, *_seen(connection)))
    opening = connection.execute(select(func.max(table_of(OpeningBalances).c.from_ms))).scalar() or 0
    return HistoryMark(
        symbols=tuple(symbols),
        order_from=_smaller(
            _last_before_overlap(connection, _ORDERS, _ORDERS.c.order_id, _ORDERS.c.reported_ms, {}),
            _lowest_open(connection, _ORDERS, _ORDERS.c.order_id),
        ),
        algo_from=_smaller(
            _last_before_overlap(connection, _ALGO_ORDERS, _ALGO_ORDERS.c.algo_id, _ALGO_ORDERS.c.reported_ms, {}),
            _lowest_open(connection, _ALGO_ORDERS, _ALGO_ORDERS.c.algo_id),
        ),
        trade_from=_last_before_overlap(
            connection, _FILLS, _FILLS.c.trade_id, _FILLS.c.time_ms, _incomplete_since(connection)
        ),
        income_from_ms=max(opening, _latest_income(connection) - OVERLAP_MS),
        from_ms=opening,
    )


def _open_or_recent(
    table: Table, number: Column[int], intents: tuple[str, ...], lowest: Mapping[str, int]
) -> ColumnElement[bool]:
    recent = [(table.c.symbol == symbol) & (number >= least) for symbol, least in lowest.items()]
    return or_(table.c.state.in_(_OPEN_STATES), table.c.intent_id.in_(intents), *recent)


def _fills_of(reader: ExactReader, position: PositionRow) -> Iterable[Fill]:
    """Walk back from the position's quantity to the fill that opened it, a flip's own included."""
    left = position.quantity
    fills: list[Fill] = []
    for fill in reader.rows(Fill, _FILLS.c.symbol == position.symbol, order_by=(_FILLS.c.trade_id.desc(),)):
        fills.append(fill)
        left -= fill.quantity * fill.side.sign
        if left * position.quantity <= ZERO:
            break
    return reversed(fills)


def _recent_fills(
    connection: Connection, reader: ExactReader, trade_from: Mapping[str, int], orders: Iterable[OrderRow]
) -> tuple[Fill, ...]:
    """Return the fills from the mark on, or from the first one of the given orders, which would seem to lack it."""
    ids: dict[str, list[int]] = {}
    for row in orders:
        ids.setdefault(row.symbol, []).append(row.report.order_id)
    of_orders = [(_FILLS.c.symbol == symbol) & _FILLS.c.order_id.in_(known) for symbol, known in ids.items()]
    first = select(_FILLS.c.symbol, func.min(_FILLS.c.trade_id)).where(or_(false(), *of_orders))
    lowest = _smaller(trade_from, dict(connection.execute(first.group_by(_FILLS.c.symbol)).all()))
    recent = [(_FILLS.c.symbol == symbol) & (_FILLS.c.trade_id >= least) for symbol, least in lowest.items()]
    return reader.rows(Fill, or_(false(), *recent), order_by=(_FILLS.c.symbol, _FILLS.c.trade_id))


def _seen(connection: Connection) -> list[str]:
    symbols: set[str] = set(connection.execute(select(_TRANSFERS.c.symbol).distinct()).scalars())
    for table in (_ORDERS, _ALGO_ORDERS, _FILLS, _FUNDING, _POSITIONS):
        symbols.update(connection.execute(select(_symbols(table).c.symbol)).scalars())
    return sorted(symbols - {""})


def _symbols(table: Table) -> Subquery:
    """Return the distinct symbols of a table by one index step each, not by reading every row."""
    seen = select(func.min(table.c.symbol).label("symbol")).cte("seen", recursive=True)
    following = select(func.min(table.c.symbol)).where(table.c.symbol > seen.c.symbol).scalar_subquery()
    seen = seen.union_all(select(following).where(seen.c.symbol.is_not(None)))
    return select(seen.c.symbol).where(seen.c.symbol.is_not(None)).subquery("symbols")


def _last_before_overlap(
    connection: Connection, table: Table, number: Column[int], time: Column[int], not_after: Mapping[str, int]
) -> dict[str, int]:
    """Return each symbol's highest id that lies before the overlap, 0 = none: what follows it may have holes.

    `not_after` draws the start of a symbol's overlap back to a moment from which something is known to be missing.
    """
    newest = connection.execute(select(table.c.symbol, func.max(time)).group_by(table.c.symbol)).all()
    starts = {symbol: min(at_ms - OVERLAP_MS, not_after.get(symbol, at_ms)) for symbol, at_ms in newest}
    return {
        symbol: connection.execute(
            select(func.max(number)).where(table.c.symbol == symbol, time < start_ms, number > 0)
        ).scalar()
        or 0
        for symbol, start_ms in starts.items()
    }


def _incomplete_since(connection: Connection) -> dict[str, int]:
    """Return for each symbol when its oldest order was made whose executions are not all here."""
    booked = (
        select(_FILLS.c.symbol, _FILLS.c.order_id, func.sum(_FILLS.c.quantity).label("quantity"))
        .group_by(_FILLS.c.symbol, _FILLS.c.order_id)
        .subquery("booked")
    )
    of_order = and_(booked.c.symbol == _ORDERS.c.symbol, booked.c.order_id == _ORDERS.c.order_id)
    missing = connection.execute(
        select(_ORDERS.c.symbol, func.min(_ORDERS.c.created_ms))
        .outerjoin(booked, of_order)
        .where(_ORDERS.c.order_id > 0, _ORDERS.c.executed_quantity > func.coalesce(booked.c.quantity, ZERO))
        .group_by(_ORDERS.c.symbol)
    )
    return {symbol: created_ms - MINUTE_MS for symbol, created_ms in missing.all()}


def _lowest_open(connection: Connection, table: Table, number: Column[int]) -> dict[str, int]:
    still_open = connection.execute(
        select(table.c.symbol, func.min(number))
        .where(table.c.state.in_(_OPEN_STATES), number > 0)
        .group_by(table.c.symbol)
    )
    return dict(still_open.all())


def _smaller(one: Mapping[str, int], other: Mapping[str, int]) -> dict[str, int]:
    return {symbol: min(one.get(symbol, lowest), lowest) for symbol, lowest in {**one, **other}.items()}


def _latest_income(connection: Connection) -> int:
    latest = (connection.execute(select(func.max(table.c.time_ms))).scalar() for table in (_FUNDING, _TRANSFERS))
    return max((at_ms or 0 for at_ms in latest), default=0)
