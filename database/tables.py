"""The tables of both files as SQLModel: `act.db` is written by the bot alone, `desk.db` by people's side alone.

Amounts are `Money` (64-bit integers of 1e-8), times are integer ms UTC. Keys are the natural ones of the rows.
"""

from decimal import Decimal
from typing import Any, ClassVar

from sqlalchemy import BigInteger, Index, Integer, MetaData, Table, UniqueConstraint
from sqlmodel import Field, SQLModel

from database.columns import Money

_COUNTING = BigInteger().with_variant(Integer, "sqlite")  # SQLite counts up only an INTEGER key


def _key(kind: type[Any] | None = None) -> Any:
    return Field(primary_key=True, sa_type=kind) if kind else Field(primary_key=True)


def _id() -> Any:
    return Field(primary_key=True, sa_type=BigInteger, sa_column_kwargs={"autoincrement": False})


def _sequence() -> Any:
    return Field(default=None, primary_key=True, sa_type=_COUNTING)


def _money() -> Any:
    return Field(sa_type=Money)


def _money_key() -> Any:
    return Field(primary_key=True, sa_type=Money, sa_column_kwargs={"autoincrement": False})


def _big() -> Any:
    return Field(sa_type=BigInteger)


class Act(SQLModel):
    """The base of the tables in `act.db`."""

    metadata: ClassVar[MetaData] = MetaData()


class Desk(SQLModel):
    """The base of the tables in `desk.db`."""

    metadata: ClassVar[MetaData] = MetaData()


class Meta(Act, table=True):
    """Facts about the file itself: `instance` is the four characters inside our client order ids."""

    __tablename__ = "meta"
    name: str = _key()
    value: str


class WideValues(Act, table=True):
    """Exact text of amounts that do not fit a `Money` column; that column then holds the amount cut towards zero."""

    __tablename__ = "wide_values"
    table_name: str = _key()
    row_key: str = _key()
    column_name: str = _key()
    value: str


class Intents(Act, table=True):
    """What we meant to do, written before the first byte left."""

    __tablename__ = "intents"
    __table_args__ = (Index("intents_state", "state"), Index("intents_decision", "decision_id"))
    intent_id: str = _key()
    symbol: str
    purpose: str
    side: str
    quantity: Decimal = _money()
    executed_quantity: Decimal = _money()
    price: Decimal = _money()
    stop_price: Decimal = _money()
    reason: str
    decision_id: str
    state: str
    attempt: int
    client_order_id: str
    created_ms: int = _big()
    updated_ms: int = _big()


class Orders(Act, table=True):
    """Every order, ours or not. `status` is the exchange's latest word, `state` ours.

    `order_key` is 0 for our own orders. Others carry their order id there, because the exchange repeats
    client order ids such as "adl_autoclose".
    """

    __tablename__ = "orders"
    __table_args__ = (
        Index("orders_by_id", "symbol", "order_id"),
        Index("orders_state", "state"),
        Index("orders_intent", "intent_id"),
        Index("orders_updated", "symbol", "reported_ms"),
    )
    symbol: str = _key()
    client_order_id: str = _key()
    order_id: int = _big()
    intent_id: str
    attempt: int
    state: str
    status: str
    side: str
    type: str
    time_in_force: str
    quantity: Decimal = _money()
    price: Decimal = _money()
    executed_quantity: Decimal = _money()
    reduce_only: bool
    close_position: bool
    position_side: str
    algo_id: int = _big()
    expiry_reason: str
    decision_price: Decimal = _money()
    reported_ms: int = _big()
    expires_ms: int = _big()
    created_ms: int = _big()
    updated_ms: int = _big()
    order_key: int = _id()


class AlgoOrders(Act, table=True):
    """Every conditional order, ours or not."""

    __tablename__ = "algo_orders"
    __table_args__ = (
        Index("algo_orders_by_id", "symbol", "algo_id"),
        Index("algo_orders_state", "state"),
        Index("algo_orders_updated", "symbol", "reported_ms"),
    )
    symbol: str = _key()
    client_algo_id: str = _key()
    algo_id: int = _big()
    intent_id: str
    state: str
    status: str
    side: str
    type: str
    quantity: Decimal = _money()
    price: Decimal = _money()
    trigger_price: Decimal = _money()
    working_type: str
    close_position: bool
    reduce_only: bool
    position_side: str
    activate_price: Decimal = _money()
    callback_rate: Decimal = _money()
    actual_order_id: int = _big()
    reported_ms: int = _big()
    created_ms: int = _big()
    updated_ms: int = _big()


class Fills(Act, table=True):
    """Executions, copied from the wire."""

    __tablename__ = "fills"
    __table_args__ = (
        Index("fills_time", "time_ms"),
        Index("fills_order", "symbol", "order_id"),
        Index("fills_symbol_time", "symbol", "time_ms"),
    )
    symbol: str = _key()
    trade_id: int = _id()
    order_id: int = _big()
    time_ms: int = _big()
    side: str
    position_side: str
    price: Decimal = _money()
    quantity: Decimal = _money()
    maker: bool
    commission: Decimal = _money()
    commission_asset: str
    realized_pnl: Decimal = _money()


class FundingEvents(Act, table=True):
    """Funding settlements; negative amounts were paid."""

    __tablename__ = "funding_events"
    __table_args__ = (Index("funding_events_time", "time_ms"),)
    symbol: str = _key()
    kind: str = _key()
    time_ms: int = _id()
    asset: str = _key()
    amount: Decimal = _money()


class Transfers(Act, table=True):
    """Every other balance change. Two equal ones within a second are the same one, seen on stream and in history."""

    __tablename__ = "transfers"
    kind: str = _key()
    time_ms: int = _id()
    symbol: str = _key()
    asset: str = _key()
    amount: Decimal = _money_key()


class OpeningBalances(Act, table=True):
    """What each wallet held before the first row of these books."""

    __tablename__ = "opening_balances"
    asset: str = _key()
    balance: Decimal = _money()
    from_ms: int = _big()


class Positions(Act, table=True):
    """Where each symbol stands after its latest fill; flat ones stay as zero rows."""

    __tablename__ = "positions"
    symbol: str = _key()
    quantity: Decimal = _money()
    cost: Decimal = _money()
    entry_price: Decimal = _money()
    stop_price: Decimal = _money()
    stop_client_algo_id: str
    opened_ms: int = _big()
    entry_decision_id: str
    realized_pnl: Decimal = _money()
    commission: Decimal = _money()
    funding: Decimal = _money()
    updated_ms: int = _big()
    trip: int = _big()


class Trades(Act, table=True):
    """Completed round trips, flat to flat."""

    __tablename__ = "trades"
    __table_args__ = (Index("trades_exit", "exit_ms"),)
    symbol: str = _key()
    trip: int = _id()
    side: str
    quantity: Decimal = _money()
    entry_ms: int = _big()
    entry_price: Decimal = _money()
    exit_ms: int = _big()
    exit_price: Decimal = _money()
    fees: Decimal = _money()
    funding: Decimal = _money()
    pnl: Decimal = _money()
    exit_reason: str
    entry_decision_id: str


class Signals(Act, table=True):
    """What strategies asked for."""

    __tablename__ = "signals"
    __table_args__ = (Index("signals_time", "symbol", "at_ms"),)
    signal_id: str = _key()
    symbol: str
    strategy: str
    at_ms: int = _big()
    kind: str
    side: str
    price: Decimal = _money()


class Decisions(Act, table=True):
    """What became of each signal and exit, with the arithmetic behind it as JSON."""

    __tablename__ = "decisions"
    __table_args__ = (Index("decisions_time", "at_ms"), Index("decisions_symbol", "symbol", "at_ms"))
    decision_id: str = _key()
    symbol: str
    strategy: str
    at_ms: int = _big()
    action: str
    side: str
    reason: str
    price: Decimal = _money()
    quantity: Decimal = _money()
    inputs: str
    gates: str
    sizing: str
    intent_id: str
    retry_ms: int = _big()
    config_hash: str
    code_version: str


class RiskEvents(Act, table=True):
    """Limits that tripped, halts that began or ended."""

    __tablename__ = "risk_events"
    __table_args__ = (Index("risk_events_time", "at_ms"),)
    risk_event_id: str = _key()
    at_ms: int = _big()
    rule: str
    symbol: str
    kind: str
    detail: str


class RiskStates(Act, table=True):
    """Persisted counters of the risk rules; only the rule reads its value."""

    __tablename__ = "risk_state"
    rule: str = _key()
    symbol: str = _key()
    value: str
    updated_ms: int = _big()


class Equity(Act, table=True):
    """The equity curve: at minute boundaries and fills."""

    __tablename__ = "equity"
    at_ms: int = _id()
    wallet: Decimal = _money()
    unrealized: Decimal = _money()
    equity: Decimal = _money()
    day_pnl: Decimal = _money()


class Strategies(Act, table=True):
    """The latest evaluation of each strategy on each symbol, overwritten at each candle."""

    __tablename__ = "strategies"
    symbol: str = _key()
    strategy: str = _key()
    at_ms: int = _big()
    verdict: str
    inputs: str


class Commands(Act, table=True):
    """People's requests as the bot sees them: PENDING, ACCEPTED, DONE or FAILED."""

    __tablename__ = "commands"
    request_id: str = _key()
    who: str
    command: str
    arguments: str
    state: str
    result: str
    asked_ms: int = _big()
    updated_ms: int = _big()


class Alerts(Act, table=True):
    """The outbox: messages for people. `number` grows and never repeats, so that a reader can resume."""

    __tablename__ = "alerts"
    __table_args__ = (UniqueConstraint("alert_id", name="alerts_alert_id"), {"sqlite_autoincrement": True})
    number: int | None = _sequence()
    alert_id: str
    at_ms: int = _big()
    severity: str
    event: str
    symbol: str
    title: str
    text: str
    thread: str


class Incidents(Act, table=True):
    """Faults, opened once and closed once; `closed_ms` 0 = still open."""

    __tablename__ = "incidents"
    __table_args__ = (Index("incidents_open", "closed_ms"),)
    incident_id: str = _key()
    code: str
    symbol: str
    severity: str
    opened_ms: int = _big()
    closed_ms: int = _big()
    detail: str
    count: int


class ExecutionMetrics(Act, table=True):
    """Measured moments of an order's life, in microseconds or basis points."""

    __tablename__ = "execution_metrics"
    __table_args__ = (Index("execution_metrics_time", "name", "at_ms"),)
    client_order_id: str = _key()
    name: str = _key()
    symbol: str
    value: float
    at_ms: int = _big()


class ConfigVersions(Act, table=True):
    """The resolved configuration of each start, secrets left out."""

    __tablename__ = "config_versions"
    config_hash: str = _key()
    at_ms: int = _big()
    code_version: str
    mode: str
    config: str


class Instruments(Act, table=True):
    """Contracts and their filters as last read."""

    __tablename__ = "instruments"
    symbol: str = _key()
    status: str
    base_asset: str
    quote_asset: str
    margin_asset: str
    tick_size: Decimal = _money()
    min_price: Decimal = _money()
    max_price: Decimal = _money()
    step_size: Decimal = _money()
    min_quantity: Decimal = _money()
    max_quantity: Decimal = _money()
    market_step_size: Decimal = _money()
    market_min_quantity: Decimal = _money()
    market_max_quantity: Decimal = _money()
    min_notional: Decimal = _money()
    percent_up: Decimal = _money()
    percent_down: Decimal = _money()
    max_orders: int


class LeverageBrackets(Act, table=True):
    """Notional brackets of each contract as last read at a start: a position above `floor` up to `cap` USDT."""

    __tablename__ = "leverage_brackets"
    symbol: str = _key()
    floor: Decimal = _money_key()
    cap: Decimal = _money()
    leverage: int
    maintenance_rate: Decimal = _money()
    cum: Decimal = _money()


class Candles(Act, table=True):
    """Closed one-minute candles."""

    __tablename__ = "candles_1m"
    symbol: str = _key()
    open_time: int = _id()
    open: Decimal = _money()
    high: Decimal = _money()
    low: Decimal = _money()
    close: Decimal = _money()
    volume: Decimal = _money()


class Requests(Desk, table=True):
    """What people asked the bot to do. `arguments` is a JSON object of texts, `at_ms` the wall time of asking."""

    __tablename__ = "requests"
    __table_args__ = (UniqueConstraint("request_id", name="requests_request_id"), {"sqlite_autoincrement": True})
    number: int | None = _sequence()
    request_id: str
    who: str
    command: str
    arguments: str
    at_ms: int = _big()


class Notices(Desk, table=True):
    """What people's side has to tell people itself, in the shape of `alerts`: a comparison that went wrong."""

    __tablename__ = "notices"
    __table_args__ = (UniqueConstraint("alert_id", name="notices_alert_id"), {"sqlite_autoincrement": True})
    number: int | None = _sequence()
    alert_id: str
    at_ms: int = _big()
    severity: str
    event: str
    symbol: str
    title: str
    text: str
    thread: str


class Deliveries(Desk, table=True):
    """What became of each alert on each channel: sent, digested, failed or dropped.

    `place` and `message` are the channel's own names of where it stands (Slack: channel and ts).
    """

    __tablename__ = "deliveries"
    __table_args__ = (Index("deliveries_thread", "channel", "thread"),)
    alert_id: str = _key()
    channel: str = _key()
    state: str
    at_ms: int = _big()
    attempts: int
    thread: str
    place: str
    message: str
    detail: str


class Cursors(Desk, table=True):
    """How far each reader of the outbox has come."""

    __tablename__ = "cursors"
    name: str = _key()
    number: int = _big()


def table_of(model: type[SQLModel]) -> Table:
    """Return the Core table of a model, for statements that make no objects."""
    return model.__table__  # type: ignore[attr-defined, no-any-return]  # SQLModel adds it when the class is made
