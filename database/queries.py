"""Reads for dashboard, alerts and command line. Every call opens, reads and closes, so the writer is never held up.

Rows that the bot writes come back as its own structs; what is joined for people comes as the dataclasses below.
"""

import json
from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import Any

from msgspec import Struct
from sqlalchemy import ColumnElement, Connection, RowMapping, Select, and_, case, func, inspect, select
from sqlalchemy.exc import DBAPIError

from bot.domain.account import LeverageBracket
from bot.domain.errors import RetryLater
from bot.domain.fill import Fill
from bot.domain.instrument import Instrument
from bot.domain.market import Candle
from bot.domain.money import ZERO
from bot.domain.order import OrderState, Purpose, Side
from bot.domain.records import (
    Alert,
    CommandRow,
    ConfigVersion,
    Decision,
    EquityPoint,
    Evaluation,
    Incident,
    OrderRow,
    PositionRow,
    RiskEvent,
    SignalRow,
    TradeRow,
)
from database import tables
from database.chain import order_chain
from database.exact import ExactReader
from database.instance import instance_of
from database.period import judged_span, recorded_period, stored_candles
from database.rows import FINAL_STATES, read
from database.session import DatabaseMissingError, reading_engine, unreadable
from database.tables import table_of
from database.views import (
    CandleColumns,
    Counts,
    DeliveryView,
    EquityColumns,
    FillView,
    MoneySums,
    NumberedAlert,
    OpenOrder,
    OpenPosition,
    OpenStop,
    OrderChain,
    RecordedPeriod,
    RequestView,
)

_ALERTS = table_of(tables.Alerts)
_ALGO_ORDERS = table_of(tables.AlgoOrders)
_BRACKETS = table_of(tables.LeverageBrackets)
_CANDLES = table_of(tables.Candles)
_COMMANDS = table_of(tables.Commands)
_CONFIG = table_of(tables.ConfigVersions)
_DECISIONS = table_of(tables.Decisions)
_DELIVERIES = table_of(tables.Deliveries)
_EQUITY = table_of(tables.Equity)
_EVALUATIONS = table_of(tables.Strategies)
_FILLS = table_of(tables.Fills)
_FUNDING = table_of(tables.FundingEvents)
_INCIDENTS = table_of(tables.Incidents)
_INSTRUMENTS = table_of(tables.Instruments)
_INTENTS = table_of(tables.Intents)
_METRICS = table_of(tables.ExecutionMetrics)
_ORDERS = table_of(tables.Orders)
_POSITIONS = table_of(tables.Positions)
_REQUESTS = table_of(tables.Requests)
_RISK_EVENTS = table_of(tables.RiskEvents)
_SIGNALS = table_of(tables.Signals)
_TRADES = table_of(tables.Trades)

_OPEN_STATES = tuple(state.value for state in OrderState if state not in FINAL_STATES)
_NOT_SENT_YET = (OrderState.INTENDED.value, OrderState.SENT.value, OrderState.UNKNOWN.value)


class Queries:
    """Reads both files. Raises DatabaseMissingError before the bot's first start, RetryLater when a read fails."""

    def __init__(self, act_url: str, desk_url: str) -> None:
        self._act = reading_engine(act_url)
        self._desk_url = desk_url

    # account

    def instance(self) -> str:
        """Return the instance id inside our client order ids."""
        return self._read(instance_of)

    def config_version(self) -> ConfigVersion | None:
        """Return the configuration of the latest start."""
        return self._first(ConfigVersion, select(_CONFIG).order_by(_CONFIG.c.at_ms.desc()))

    def wallets(self) -> dict[str, Decimal]:
        """Return each wallet as calculated from the rows."""
        return self._read(lambda connection: ExactReader(connection).wallets())

    def latest_equity(self) -> EquityPoint | None:
        """Return the newest point of the equity curve."""
        return self._first(EquityPoint, select(_EQUITY).order_by(_EQUITY.c.at_ms.desc()))

    def equity_curve(self, since_ms: int = 0, max_points: int = 1_500) -> EquityColumns:
        """Return the equity curve since a moment, in at most about `max_points` points that keep highs and lows."""
        columns = (_EQUITY.c.at_ms, _EQUITY.c.equity, _EQUITY.c.wallet, _EQUITY.c.unrealized, _EQUITY.c.day_pnl)
        statement = select(*columns).where(_EQUITY.c.at_ms >= since_ms).order_by(_EQUITY.c.at_ms)
        rows = thinned(self._rows(statement), max_points)
        return EquityColumns(
            at_ms=[row["at_ms"] for row in rows],
            equity=[float(row["equity"]) for row in rows],
            wallet=[float(row["wallet"]) for row in rows],
            unrealized=[float(row["unrealized"]) for row in rows],
            day_pnl=[float(row["day_pnl"]) for row in rows],
        )

    def money_since(self, since_ms: int = 0) -> MoneySums:
        """Return what trading brought and cost since a moment (market time)."""

        def ask(connection: Connection) -> MoneySums:
            fills = connection.execute(
                select(func.sum(_FILLS.c.realized_pnl), func.sum(_FILLS.c.commission), func.count()).where(
                    _FILLS.c.time_ms >= since_ms
                )
            ).one()
            funding = select(func.sum(_FUNDING.c.amount)).where(_FUNDING.c.time_ms >= since_ms)
            won = func.sum(case((_TRADES.c.pnl > ZERO, 1), else_=0))
            trades = connection.execute(select(func.count(), won).where(_TRADES.c.exit_ms >= since_ms)).one()
            return MoneySums(
                realized_pnl=fills[0] or ZERO,
                commission=fills[1] or ZERO,
                funding=connection.execute(funding).scalar() or ZERO,
                fills=fills[2],
                trades=trades[0],
                wins=int(trades[1] or 0),
            )

        return self._read(ask)

    def counts(self) -> Counts:
        """Return how many orders, fills, trades, positions and incidents there are."""
        return self._read(
            lambda connection: Counts(
                orders=_count(connection, _ORDERS.c.order_id > 0),
                fills=_count(connection, _FILLS.c.trade_id >= 0),
                trades=_count(connection, _TRADES.c.trip >= 0),
                open_positions=_count(connection, _POSITIONS.c.quantity != ZERO),
                incidents=_count(connection, _INCIDENTS.c.incident_id != ""),
                critical_incidents=_count(connection, _INCIDENTS.c.severity == "CRITICAL"),
            )
        )

    # positions and orders

    def open_positions(self) -> tuple[OpenPosition, ...]:
        """Return every position that is not flat, with its stop and the newest close."""
        stop = and_(
            _ALGO_ORDERS.c.symbol == _POSITIONS.c.symbol,
            _ALGO_ORDERS.c.client_algo_id == _POSITIONS.c.stop_client_algo_id,
        )
        newest = (
            select(func.max(_CANDLES.c.open_time))
            .where(_CANDLES.c.symbol == _POSITIONS.c.symbol)
            .correlate(_POSITIONS)
            .scalar_subquery()
        )
        candle = and_(_CANDLES.c.symbol == _POSITIONS.c.symbol, _CANDLES.c.open_time == newest)
        statement = (
            select(
                _POSITIONS,
                _ALGO_ORDERS.c.state.label("stop_state"),
                _DECISIONS.c.reason.label("reason"),
                _CANDLES.c.close.label("last_close"),
                _CANDLES.c.open_time.label("last_close_ms"),
            )
            .outerjoin(_ALGO_ORDERS, stop)
            .outerjoin(_DECISIONS, _DECISIONS.c.decision_id == _POSITIONS.c.entry_decision_id)
            .outerjoin(_CANDLES, candle)
            .where(_POSITIONS.c.quantity != ZERO)
            .order_by(_POSITIONS.c.symbol)
        )
        return tuple(_open_position(row) for row in self._rows(statement))

    def positions(self) -> tuple[PositionRow, ...]:
        """Return where every symbol stands, flat ones included."""
        return self._all(PositionRow, select(_POSITIONS).order_by(_POSITIONS.c.symbol))

    def open_orders(self) -> tuple[OpenOrder, ...]:
        """Return every order not proven ended, oldest first."""
        statement = (
            select(_ORDERS, _INTENTS.c.purpose)
            .outerjoin(_INTENTS, _INTENTS.c.intent_id == _ORDERS.c.intent_id)
            .where(_ORDERS.c.state.in_(_OPEN_STATES))
            .order_by(_ORDERS.c.created_ms, _ORDERS.c.client_order_id)
        )
        return tuple(_pick(OpenOrder, row, purpose=_word(row["purpose"])) for row in self._rows(statement))

    def open_stops(self) -> tuple[OpenStop, ...]:
        """Return every conditional order not proven ended."""
        statement = (
            select(_ALGO_ORDERS)
            .where(_ALGO_ORDERS.c.state.in_(_OPEN_STATES))
            .order_by(_ALGO_ORDERS.c.symbol, _ALGO_ORDERS.c.created_ms)
        )
        return tuple(_pick(OpenStop, row) for row in self._rows(statement))

    def orders(self, limit: int = 100, symbol: str = "", since_ms: int = 0) -> tuple[OrderRow, ...]:
        """Return the newest orders, newest first."""
        where = _when(_ORDERS.c.symbol, symbol, _ORDERS.c.created_ms, since_ms)
        return self._all(OrderRow, select(_ORDERS).where(*where).order_by(_ORDERS.c.created_ms.desc()).limit(limit))

    def fills(self, limit: int = 100, symbol: str = "", since_ms: int = 0) -> tuple[FillView, ...]:
        """Return the newest fills, newest first."""
        where = _when(_FILLS.c.symbol, symbol, _FILLS.c.time_ms, since_ms)
        of_order = and_(_ORDERS.c.symbol == _FILLS.c.symbol, _ORDERS.c.order_id == _FILLS.c.order_id)
        of_stop = and_(
            _ALGO_ORDERS.c.symbol == _FILLS.c.symbol,
            _ALGO_ORDERS.c.client_algo_id == _ORDERS.c.client_order_id,
        )
        statement = (
            select(
                _FILLS,
                _ORDERS.c.client_order_id,
                _INTENTS.c.purpose,
                _ALGO_ORDERS.c.intent_id.label("stop_intent"),
            )
            .outerjoin(_ORDERS, of_order)
            .outerjoin(_INTENTS, _INTENTS.c.intent_id == _ORDERS.c.intent_id)
            .outerjoin(_ALGO_ORDERS, of_stop)
            .where(*where)
            .order_by(_FILLS.c.time_ms.desc(), _FILLS.c.trade_id.desc())
            .limit(limit)
        )
        return tuple(_fill_view(row) for row in self._rows(statement))

    def trades(self, limit: int = 100, symbol: str = "", since_ms: int = 0) -> tuple[TradeRow, ...]:
        """Return the newest round trips by their end, newest first."""
        where = _when(_TRADES.c.symbol, symbol, _TRADES.c.exit_ms, since_ms)
        return self._all(TradeRow, select(_TRADES).where(*where).order_by(_TRADES.c.exit_ms.desc()).limit(limit))

    # market

    def symbols(self) -> tuple[str, ...]:
        """Return the symbols the bot evaluates, and before its first evaluation those whose contract it has read."""
        evaluated = self._scalars(select(_EVALUATIONS.c.symbol).distinct().order_by(_EVALUATIONS.c.symbol))
        return evaluated or self._scalars(select(_INSTRUMENTS.c.symbol).order_by(_INSTRUMENTS.c.symbol))

    def instruments(self) -> tuple[Instrument, ...]:
        """Return every contract as last read."""
        return self._all(Instrument, select(_INSTRUMENTS).order_by(_INSTRUMENTS.c.symbol))

    def instrument(self, symbol: str) -> Instrument | None:
        """Return a contract's filters, None when it was never read."""
        return self._first(Instrument, select(_INSTRUMENTS).where(_INSTRUMENTS.c.symbol == symbol))

    def leverage_brackets(self) -> tuple[LeverageBracket, ...]:
        """Return the brackets of every contract as last read at a start, by symbol from the smallest notional up.

        Those of a database that an earlier version has written and this one has not upgraded yet: none.
        """

        def ask(connection: Connection) -> tuple[LeverageBracket, ...]:
            if not inspect(connection).has_table(_BRACKETS.name):
                return ()
            return ExactReader(connection).rows(LeverageBracket, order_by=(_BRACKETS.c.symbol, _BRACKETS.c.floor))

        return self._read(ask)

    def candles(self, symbol: str, limit: int = 500, until_ms: int = 0) -> CandleColumns:
        """Return the newest `limit` candles, those opened before `until_ms` when it is given."""
        bound = (_CANDLES.c.open_time < until_ms,) if until_ms else ()
        newest = (
            select(_CANDLES)
            .where(_CANDLES.c.symbol == symbol, *bound)
            .order_by(_CANDLES.c.open_time.desc())
            .limit(limit)
        )
        rows = self._rows(newest)[::-1]
        return CandleColumns(
            open_time=[row["open_time"] for row in rows],
            open=[float(row["open"]) for row in rows],
            high=[float(row["high"]) for row in rows],
            low=[float(row["low"]) for row in rows],
            close=[float(row["close"]) for row in rows],
            volume=[float(row["volume"]) for row in rows],
        )

    def latest_candle_ms(self, symbol: str) -> int:
        """Return the open time of the newest stored candle, 0 = none."""
        newest = select(_CANDLES.c.open_time).where(_CANDLES.c.symbol == symbol).order_by(_CANDLES.c.open_time.desc())
        return next(iter(self._scalars(newest.limit(1))), 0)

    def last_closes(self) -> dict[str, Decimal]:
        """Return the newest stored close of every evaluated symbol."""
        closes: dict[str, Decimal] = {}
        for symbol in self.symbols():
            newest = select(_CANDLES).where(_CANDLES.c.symbol == symbol).order_by(_CANDLES.c.open_time.desc())
            if (candle := self._first(Candle, newest)) is not None:
                closes[symbol] = candle.close
        return closes

    # why

    def evaluations(self) -> tuple[Evaluation, ...]:
        """Return the latest evaluation of each symbol."""
        return self._all(Evaluation, select(_EVALUATIONS).order_by(_EVALUATIONS.c.symbol, _EVALUATIONS.c.strategy))

    def last_decision(self, symbol: str) -> Decision | None:
        """Return the newest decision on a symbol."""
        return next(iter(self.decisions(limit=1, symbol=symbol)), None)

    def decisions(
        self,
        limit: int = 100,
        symbol: str = "",
        action: str = "",
        reason: str = "",
        since_ms: int = 0,
        until_ms: int = 0,
    ) -> tuple[Decision, ...]:
        """Return the newest decisions that meet every given condition, newest first."""
        where = _when(_DECISIONS.c.symbol, symbol, _DECISIONS.c.at_ms, since_ms)
        if action:
            where.append(_DECISIONS.c.action == action)
        if reason:
            where.append(_DECISIONS.c.reason == reason)
        if until_ms:
            where.append(_DECISIONS.c.at_ms < until_ms)
        return self._all(Decision, select(_DECISIONS).where(*where).order_by(_DECISIONS.c.at_ms.desc()).limit(limit))

    def decision_counts(self, since_ms: int = 0) -> dict[tuple[str, str], int]:
        """Return how often each (action, reason) was decided since a moment."""
        statement = (
            select(_DECISIONS.c.action, _DECISIONS.c.reason, func.count().label("times"))
            .where(_DECISIONS.c.at_ms >= since_ms)
            .group_by(_DECISIONS.c.action, _DECISIONS.c.reason)
        )
        return {(row["action"], row["reason"]): row["times"] for row in self._rows(statement)}

    def signals(self, limit: int = 100, symbol: str = "", since_ms: int = 0) -> tuple[SignalRow, ...]:
        """Return the newest signals, newest first."""
        where = _when(_SIGNALS.c.symbol, symbol, _SIGNALS.c.at_ms, since_ms)
        return self._all(SignalRow, select(_SIGNALS).where(*where).order_by(_SIGNALS.c.at_ms.desc()).limit(limit))

    def order_chain(self, name: str) -> OrderChain:
        """Return everything about the order with this order id, client order id or conditional order id."""
        return self._read(lambda connection: order_chain(connection, name))

    # what happened when

    def judged_span(self) -> tuple[int, int]:
        """Return the first and the last market time at which the bot judged its equity, (0, 0) before the first."""
        return self._read(judged_span)

    def period(self, since_ms: int, until_ms: int) -> RecordedPeriod:
        """Return everything recorded in a stretch of market time, `until_ms` not included."""
        return self._read(lambda connection: recorded_period(connection, since_ms, until_ms))

    def stored_candles(self, symbol: str, since_ms: int, until_ms: int) -> Sequence[Candle]:
        """Return the exact candles that open in a stretch of market time, oldest first."""
        return self._read(lambda connection: stored_candles(connection, symbol, since_ms, until_ms))

    # health

    def risk_events(self, limit: int = 100) -> tuple[RiskEvent, ...]:
        """Return the newest limits that tripped and halts, newest first."""
        return self._all(RiskEvent, select(_RISK_EVENTS).order_by(_RISK_EVENTS.c.at_ms.desc()).limit(limit))

    def incidents(self, limit: int = 100, *, only_open: bool = False) -> tuple[Incident, ...]:
        """Return the newest incidents, newest first."""
        where = (_INCIDENTS.c.closed_ms == 0,) if only_open else ()
        statement = select(_INCIDENTS).where(*where).order_by(_INCIDENTS.c.opened_ms.desc()).limit(limit)
        return self._all(Incident, statement)

    def metrics(self, name: str, since_ms: int = 0) -> tuple[float, ...]:
        """Return every measured value of a name since a moment, oldest first."""
        return self._scalars(
            select(_METRICS.c.value)
            .where(_METRICS.c.name == name, _METRICS.c.at_ms >= since_ms)
            .order_by(_METRICS.c.at_ms)
        )

    # alerts and requests

    def alerts_after(self, number: int, limit: int = 100) -> tuple[NumberedAlert, ...]:
        """Return the alerts of the outbox behind a cursor, in the order they were raised."""
        statement = select(_ALERTS).where(_ALERTS.c.number > number).order_by(_ALERTS.c.number).limit(limit)
        return tuple(NumberedAlert(row["number"], read(Alert, row)) for row in self._rows(statement))

    def newest_alert_number(self) -> int:
        """Return the number of the newest alert, 0 = none."""
        return next(iter(self._scalars(select(_ALERTS.c.number).order_by(_ALERTS.c.number.desc()).limit(1))), 0)

    def alerts(self, limit: int = 100) -> tuple[NumberedAlert, ...]:
        """Return the newest alerts, newest first."""
        statement = select(_ALERTS).order_by(_ALERTS.c.number.desc()).limit(limit)
        return tuple(NumberedAlert(row["number"], read(Alert, row)) for row in self._rows(statement))

    def deliveries(self, limit: int = 100) -> tuple[DeliveryView, ...]:
        """Return what became of the newest alerts on each channel, newest first."""
        statement = select(_DELIVERIES).order_by(_DELIVERIES.c.at_ms.desc()).limit(limit)
        return tuple(_pick(DeliveryView, row) for row in self._desk_rows(statement))

    def commands(self, limit: int = 100) -> tuple[CommandRow, ...]:
        """Return people's requests as the bot sees them, newest first."""
        return self._all(CommandRow, select(_COMMANDS).order_by(_COMMANDS.c.updated_ms.desc()).limit(limit))

    def requests(self, limit: int = 100) -> tuple[RequestView, ...]:
        """Return people's requests with how far the bot has come, newest first."""
        asked = self._desk_rows(select(_REQUESTS).order_by(_REQUESTS.c.number.desc()).limit(limit))
        ids = [row["request_id"] for row in asked]
        seen = {row["request_id"]: row for row in self._rows(select(_COMMANDS).where(_COMMANDS.c.request_id.in_(ids)))}
        return tuple(_request(row, seen.get(row["request_id"])) for row in asked)

    # reading

    def _read[T](self, question: Callable[[Connection], T]) -> T:
        try:
            with self._act.connect() as connection:
                return question(connection)
        except DBAPIError as error:
            raise RetryLater(unreadable("the bot's database", error)) from error

    def _rows(self, statement: Select[Any]) -> Sequence[RowMapping]:
        return self._read(lambda connection: connection.execute(statement).mappings().all())

    def _scalars(self, statement: Select[Any]) -> tuple[Any, ...]:
        return self._read(lambda connection: tuple(connection.execute(statement).scalars()))

    def _all[R: Struct](self, kind: type[R], statement: Select[Any]) -> tuple[R, ...]:
        return tuple(read(kind, row) for row in self._rows(statement))

    def _first[R: Struct](self, kind: type[R], statement: Select[Any]) -> R | None:
        return next(iter(self._all(kind, statement.limit(1))), None)

    def _desk_rows(self, statement: Select[Any]) -> Sequence[RowMapping]:
        try:
            with reading_engine(self._desk_url).connect() as connection:
                return connection.execute(statement).mappings().all()
        except DatabaseMissingError:
            return ()
        except DBAPIError as error:
            raise RetryLater(unreadable("the people's database", error)) from error


def _when(symbol_column: Any, symbol: str, time_column: Any, since_ms: int) -> list[ColumnElement[bool]]:
    where: list[ColumnElement[bool]] = [time_column >= since_ms] if since_ms else []
    if symbol:
        where.append(symbol_column == symbol)
    return where


def _count(connection: Connection, where: ColumnElement[bool]) -> int:
    return connection.execute(select(func.count()).where(where)).scalar() or 0


def _pick[T](kind: type[T], row: RowMapping, **more: Any) -> T:
    names = kind.__dataclass_fields__  # type: ignore[attr-defined]  # every view here is a dataclass
    picked = {name: row[name] for name in names if name not in more}
    for name, made in (("side", Side), ("state", OrderState)):
        if name in picked and names[name].type is made:
            picked[name] = made(picked[name])
    return kind(**picked, **more)


def _word(purpose: str | None) -> str:
    return Purpose(purpose).name.lower() if purpose else ""


def _open_position(row: RowMapping) -> OpenPosition:
    state = row["stop_state"] or ""
    return _pick(
        OpenPosition,
        row,
        stop_state=state,
        stop_rests=state in _OPEN_STATES and state not in _NOT_SENT_YET,
        reason=row["reason"] or "",
        last_close_ms=row["last_close_ms"] or 0,
    )


def _fill_view(row: RowMapping) -> FillView:
    purpose = "stop" if row["stop_intent"] is not None else _word(row["purpose"])
    return FillView(read(Fill, row), purpose, row["client_order_id"] or "")


def _request(asked: RowMapping, seen: RowMapping | None) -> RequestView:
    return RequestView(
        request_id=asked["request_id"],
        who=asked["who"],
        command=asked["command"],
        arguments=json.loads(asked["arguments"]),
        asked_ms=asked["at_ms"],
        state=seen["state"] if seen else "WAITING",
        result=seen["result"] if seen else "",
        updated_ms=seen["updated_ms"] if seen else asked["at_ms"],
    )


def thinned(rows: Sequence[RowMapping], max_points: int) -> list[RowMapping]:
    """Keep of each stretch the first point, the lowest and the highest, and the very last point."""
    if len(rows) <= max_points:
        return list(rows)
    stretch = -(-len(rows) * 3 // max(3, max_points - 1))
    kept: set[int] = {len(rows) - 1}
    for start in range(0, len(rows), stretch):
        places = range(start, min(start + stretch, len(rows)))
        kept.add(start)
        kept.add(min(places, key=lambda place: rows[place]["equity"]))
        kept.add(max(places, key=lambda place: rows[place]["equity"]))
    return [rows[place] for place in sorted(kept)]
