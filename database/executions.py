"""How a round trip was executed: the prices it was decided at, and its fills, to be held against the cost model."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal

from sqlalchemy import Connection, or_
from sqlalchemy.exc import DBAPIError

from bot.domain.errors import RetryLater
from bot.domain.fill import Fill
from bot.domain.market import MINUTE_MS, Candle
from bot.domain.money import ZERO
from bot.domain.records import AlgoOrderRow, OrderRow, TradeRow
from bot.trading.attribution import Attribution, Execution, attribute
from database.exact import ExactReader
from database.session import reading_engine, unreadable
from database.tables import AlgoOrders, Candles, Fills, Orders, table_of

_ALGO_ORDERS = table_of(AlgoOrders)
_CANDLES = table_of(Candles)
_FILLS = table_of(Fills)
_ORDERS = table_of(Orders)


@dataclass(frozen=True, slots=True)
class ExecutedTrade:
    """A round trip with the prices its entry and its exit were decided at (0 = not decided by us), and its fills."""

    trade: TradeRow
    entry_decision_price: Decimal
    exit_decision_price: Decimal
    executions: tuple[Execution, ...]

    @property
    def parts(self) -> Attribution:
        """Return what its pnl is made of."""
        return attribute(self.trade, self.entry_decision_price, self.exit_decision_price)


def executed(act_url: str, trades: Iterable[TradeRow]) -> tuple[ExecutedTrade, ...]:
    """Return each round trip with its decision prices and fills. Raises RetryLater when the read failed."""
    try:
        with reading_engine(act_url).connect() as connection:
            return tuple(_executed(connection, trade) for trade in trades)
    except DBAPIError as error:
        raise RetryLater(unreadable("the bot's database", error)) from error


def _executed(connection: Connection, trade: TradeRow) -> ExecutedTrade:
    reader = ExactReader(connection)
    fills = reader.rows(
        Fill,
        _FILLS.c.symbol == trade.symbol,
        _FILLS.c.time_ms >= trade.entry_ms,
        _FILLS.c.time_ms <= trade.exit_ms,
        order_by=(_FILLS.c.trade_id,),
    )
    return ExecutedTrade(
        trade=trade,
        entry_decision_price=_decided(reader, fills[:1]),
        exit_decision_price=_decided(reader, fills[-1:]),
        executions=tuple(
            Execution(fill.price * fill.quantity, fill.maker, _minute_notional(reader, fill)) for fill in fills
        ),
    )


def _decided(reader: ExactReader, fills: Sequence[Fill]) -> Decimal:
    """Return the trigger price of the stop that filled, or the close at which the order was decided; 0 = not ours."""
    for fill in fills:
        orders = reader.rows(OrderRow, _ORDERS.c.symbol == fill.symbol, _ORDERS.c.order_id == fill.order_id)
        for order in orders:
            if order.decision_price:
                return order.decision_price
        parents = [order.report.algo_id for order in orders if order.report.algo_id]
        born = or_(_ALGO_ORDERS.c.actual_order_id == fill.order_id, _ALGO_ORDERS.c.algo_id.in_(parents))
        for algo in reader.rows(AlgoOrderRow, _ALGO_ORDERS.c.symbol == fill.symbol, born):
            return algo.report.trigger_price
    return ZERO


def _minute_notional(reader: ExactReader, fill: Fill) -> Decimal:
    """Return what the symbol traded in the last whole minute before the fill; 0 where its candle is not stored."""
    opened = fill.time_ms // MINUTE_MS * MINUTE_MS - MINUTE_MS
    candles = reader.rows(Candle, _CANDLES.c.symbol == fill.symbol, _CANDLES.c.open_time == opened)
    return sum((candle.close * candle.volume for candle in candles), ZERO)
