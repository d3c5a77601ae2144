"""What the bot recorded in a stretch of market time, to be held against a backtest of the same candles."""

from collections.abc import Sequence
from decimal import Decimal

from msgspec import Struct
from sqlalchemy import Column, Connection, func, select

from bot.domain.fill import Fill, Funding, OpeningBalance, Transfer
from bot.domain.market import Candle
from bot.domain.money import ZERO
from bot.domain.records import AlgoOrderRow, Decision, Intent, OrderRow, PositionRow, RiskEvent, TradeRow
from database.exact import ExactReader
from database.rows import MAPS
from database.tables import Candles, Equity, Trades, table_of
from database.views import RecordedPeriod

_CANDLES = table_of(Candles)
_EQUITY = table_of(Equity)
_TRADES = table_of(Trades)


def recorded_period(connection: Connection, since_ms: int, until_ms: int) -> RecordedPeriod:
    """Return every row of `since_ms` <= market time < `until_ms`; trades are those that were open in it."""
    reader = ExactReader(connection)

    def within[R: Struct](kind: type[R], column: str) -> tuple[R, ...]:
        when = _column(kind, column)
        return reader.rows(kind, when >= since_ms, when < until_ms, order_by=(when,))

    judged = select(_EQUITY.c.at_ms).where(_EQUITY.c.at_ms >= since_ms, _EQUITY.c.at_ms <= until_ms)
    return RecordedPeriod(
        wallet=_wallet(reader, since_ms),
        decisions=within(Decision, "at_ms"),
        intents=within(Intent, "created_ms"),
        orders=within(OrderRow, "created_ms"),
        algo_orders=within(AlgoOrderRow, "created_ms"),
        fills=within(Fill, "time_ms"),
        trades=reader.rows(TradeRow, _TRADES.c.entry_ms < until_ms, _TRADES.c.exit_ms >= since_ms),
        positions=reader.rows(PositionRow, _column(PositionRow, "opened_ms") < until_ms),
        risk_events=within(RiskEvent, "at_ms"),
        judged_ms=tuple(connection.execute(judged.order_by(_EQUITY.c.at_ms)).scalars()),
    )


def judged_span(connection: Connection) -> tuple[int, int]:
    """Return the first and the last market time at which equity was judged, (0, 0) before the first."""
    first, last = connection.execute(select(func.min(_EQUITY.c.at_ms), func.max(_EQUITY.c.at_ms))).one()
    return first or 0, last or 0


def stored_candles(connection: Connection, symbol: str, since_ms: int, until_ms: int) -> Sequence[Candle]:
    """Return the symbol's candles that open in `since_ms` <= time < `until_ms`, oldest first."""
    when = _CANDLES.c.open_time
    return ExactReader(connection).rows(
        Candle, _CANDLES.c.symbol == symbol, when >= since_ms, when < until_ms, order_by=(when,)
    )


def _wallet(reader: ExactReader, at_ms: int) -> Decimal:
    """Return the wallet of the first asset the books were opened with, as it stood at a moment."""
    opening: tuple[OpeningBalance, ...] = reader.opening()
    if not opening:
        return ZERO
    asset = opening[0].asset
    fills = reader.rows(Fill, _column(Fill, "time_ms") < at_ms)
    change = sum((fill.realized_pnl for fill in fills), ZERO)
    change -= sum((fill.commission for fill in fills if fill.commission_asset == asset), ZERO)
    rows: list[Funding | Transfer] = [
        *reader.rows(Funding, _column(Funding, "time_ms") < at_ms, _column(Funding, "asset") == asset),
        *reader.rows(Transfer, _column(Transfer, "time_ms") < at_ms, _column(Transfer, "asset") == asset),
    ]
    change += sum((row.amount for row in rows), ZERO)
    return opening[0].balance + change


def _column(kind: type[Struct], name: str) -> "Column[int]":
    column: Column[int] = MAPS[kind].table.c[name]
    return column
