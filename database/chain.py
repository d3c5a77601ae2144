"""From one order back to the signal that caused it, and on to what came of it."""

from msgspec import Struct
from sqlalchemy import ColumnElement, Connection, or_

from bot.domain.fill import Fill
from bot.domain.records import (
    AlgoOrderRow,
    Decision,
    ExecutionMetric,
    Intent,
    OrderRow,
    SignalRow,
    TradeRow,
)
from database.exact import ExactReader
from database.tables import (
    AlgoOrders,
    Decisions,
    ExecutionMetrics,
    Fills,
    Intents,
    Orders,
    Signals,
    Trades,
    table_of,
)
from database.views import OrderChain

_ALGO_ORDERS = table_of(AlgoOrders)
_DECISIONS = table_of(Decisions)
_FILLS = table_of(Fills)
_INTENTS = table_of(Intents)
_METRICS = table_of(ExecutionMetrics)
_ORDERS = table_of(Orders)
_SIGNALS = table_of(Signals)
_TRADES = table_of(Trades)

_NO_ID = -1


def order_chain(connection: Connection, name: str) -> OrderChain:
    """Return what led to the order named by order id, client order id or conditional order id."""
    reader = ExactReader(connection)
    number = int(name) if name.isdecimal() else _NO_ID
    order = _one(reader, OrderRow, or_(_ORDERS.c.client_order_id == name, _ORDERS.c.order_id == number))
    algo_order = _algo_order(reader, name, number, order)
    subject = order or algo_order
    if subject is None:
        return OrderChain()
    intent_id = next((each.intent_id for each in (order, algo_order) if each and each.intent_id), "")
    intent = _one(reader, Intent, _INTENTS.c.intent_id == intent_id)
    decision = _one(reader, Decision, _DECISIONS.c.decision_id == intent.decision_id) if intent else None
    attempts = (
        reader.rows(OrderRow, _ORDERS.c.intent_id == intent_id, order_by=(_ORDERS.c.attempt,))
        if intent_id
        else (order,)
        if order
        else ()
    )
    return OrderChain(
        order=order,
        algo_order=algo_order,
        intent=intent,
        decision=decision,
        signal=_signal(reader, decision),
        attempts=attempts,
        stops=reader.rows(AlgoOrderRow, _ALGO_ORDERS.c.intent_id == intent_id, order_by=(_ALGO_ORDERS.c.created_ms,))
        if intent_id
        else (),
        fills=_fills(reader, subject.symbol, attempts if order in attempts or order is None else (*attempts, order)),
        trade=_trade(reader, subject, decision),
        metrics=reader.rows(
            ExecutionMetric,
            _METRICS.c.client_order_id.in_([each.client_order_id for each in attempts]),
            order_by=(_METRICS.c.at_ms, _METRICS.c.name),
        ),
    )


def _one[R: Struct](reader: ExactReader, kind: type[R], where: ColumnElement[bool]) -> R | None:
    return next(iter(reader.rows(kind, where)), None)


def _algo_order(reader: ExactReader, name: str, number: int, order: OrderRow | None) -> AlgoOrderRow | None:
    table = _ALGO_ORDERS
    if order is None:
        return _one(reader, AlgoOrderRow, or_(table.c.client_algo_id == name, table.c.algo_id == number))
    born_from = table.c.algo_id == (order.report.algo_id or _NO_ID)
    same_name = table.c.client_algo_id == order.client_order_id
    return _one(reader, AlgoOrderRow, (table.c.symbol == order.symbol) & or_(same_name, born_from))


def _signal(reader: ExactReader, decision: Decision | None) -> SignalRow | None:
    if decision is None:
        return None
    same_moment = (_SIGNALS.c.symbol == decision.symbol) & (_SIGNALS.c.at_ms == decision.at_ms)
    return _one(reader, SignalRow, same_moment & (_SIGNALS.c.strategy == decision.strategy))


def _fills(reader: ExactReader, symbol: str, attempts: tuple[OrderRow, ...]) -> tuple[Fill, ...]:
    order_ids = [each.report.order_id for each in attempts if each.report.order_id]
    of_orders = (_FILLS.c.symbol == symbol) & _FILLS.c.order_id.in_(order_ids)
    return reader.rows(Fill, of_orders, order_by=(_FILLS.c.trade_id,))


def _trade(reader: ExactReader, subject: OrderRow | AlgoOrderRow, decision: Decision | None) -> TradeRow | None:
    table = _TRADES
    if decision is not None:
        entered = _one(reader, TradeRow, table.c.entry_decision_id == decision.decision_id)
        if entered is not None:
            return entered
    within = (table.c.entry_ms <= subject.updated_ms) & (table.c.exit_ms >= subject.created_ms)
    return _one(reader, TradeRow, (table.c.symbol == subject.symbol) & within)
