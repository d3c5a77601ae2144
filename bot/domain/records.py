"""Rows the bot writes: one struct a table, keyed as its docstring says. The store upserts them by that key."""

from decimal import Decimal

from msgspec import Struct

from bot.domain.fill import Fill, Funding, OpeningBalance, Transfer
from bot.domain.instrument import Instrument
from bot.domain.market import Candle
from bot.domain.order import AlgoReport, OrderReport, OrderState, Purpose, Side


class Intent(Struct, frozen=True, gc=False):
    """What we mean to do, written before the first byte leaves. Key: intent_id.

    At most five attempts; `client_order_id` is the latest attempt's. `quantity` is what is wanted in all,
    `executed_quantity` what its attempts have filled. `state` is open, done or given_up.
    """

    intent_id: str
    symbol: str
    purpose: Purpose
    side: Side
    quantity: Decimal
    executed_quantity: Decimal
    price: Decimal
    stop_price: Decimal
    reason: str
    decision_id: str
    state: str
    attempt: int
    client_order_id: str
    created_ms: int
    updated_ms: int


class OrderRow(Struct, frozen=True, gc=False):
    """An order in our books. Key: (symbol, client_order_id). Attempts not yet acknowledged have order_id 0.

    Orders that are not ours (manual, liquidation, children of conditional orders) have an empty intent_id.
    `report` is the exchange's latest word; `state` is ours.
    """

    symbol: str
    client_order_id: str
    intent_id: str
    attempt: int
    state: OrderState
    report: OrderReport
    expires_ms: int
    created_ms: int
    updated_ms: int
    decision_price: Decimal = Decimal(0)


class AlgoOrderRow(Struct, frozen=True, gc=False):
    """A conditional order in our books. Key: (symbol, client_algo_id). Not yet acknowledged: algo_id 0."""

    symbol: str
    client_algo_id: str
    intent_id: str
    state: OrderState
    report: AlgoReport
    created_ms: int
    updated_ms: int


class PositionRow(Struct, frozen=True, gc=False):
    """Where a symbol stands after its latest fill. Key: symbol. Quantity is signed; zero rows stay.

    `cost` is by ledger rule R2. The round-trip fields restart when the position opens from flat.
    """

    symbol: str
    quantity: Decimal
    cost: Decimal
    entry_price: Decimal
    stop_price: Decimal
    stop_client_algo_id: str
    opened_ms: int
    entry_decision_id: str
    realized_pnl: Decimal
    commission: Decimal
    funding: Decimal
    updated_ms: int
    trip: int


class TradeRow(Struct, frozen=True, gc=False):
    """A completed round trip, flat to flat. Key: (symbol, trip). pnl = gross - fees + funding."""

    symbol: str
    trip: int
    side: str
    quantity: Decimal
    entry_ms: int
    entry_price: Decimal
    exit_ms: int
    exit_price: Decimal
    fees: Decimal
    funding: Decimal
    pnl: Decimal
    exit_reason: str
    entry_decision_id: str


class SignalRow(Struct, frozen=True, gc=False):
    """A strategy's signal. Key: signal_id. `kind` is entry or exit, `side` the order side it asks for."""

    signal_id: str
    symbol: str
    strategy: str
    at_ms: int
    kind: str
    side: Side
    price: Decimal


class Decision(Struct, frozen=True, gc=False):
    """What became of a signal or exit. Key: decision_id. JSON texts hold inputs, each gate's verdict, and sizing.

    `action` is enter, exit or refuse; `reason` is the refusal's or the exit's reason code;
    `retry_ms` is when asking again makes sense (0 = unknown).
    """

    decision_id: str
    symbol: str
    strategy: str
    at_ms: int
    action: str
    side: Side
    reason: str
    price: Decimal
    quantity: Decimal
    inputs: str
    gates: str
    sizing: str
    intent_id: str
    retry_ms: int
    config_hash: str
    code_version: str


class RiskEvent(Struct, frozen=True, gc=False):
    """A limit tripped, a halt began or ended. Key: risk_event_id."""

    risk_event_id: str
    at_ms: int
    rule: str
    symbol: str
    kind: str
    detail: str


class RiskState(Struct, frozen=True, gc=False):
    """A rule's persisted counters. Key: (rule, symbol). `value` is JSON that only the rule reads."""

    rule: str
    symbol: str
    value: str
    updated_ms: int


class EquityPoint(Struct, frozen=True, gc=False):
    """Equity at a minute boundary or fill. Key: at_ms. Written by the shell from the core's view, not by the core."""

    at_ms: int
    wallet: Decimal
    unrealized: Decimal
    equity: Decimal
    day_pnl: Decimal


class Evaluation(Struct, frozen=True, gc=False):
    """The latest state of a strategy on a symbol. Key: (symbol, strategy). Written by the shell, overwritten."""

    symbol: str
    strategy: str
    at_ms: int
    verdict: str
    inputs: str


class CommandRow(Struct, frozen=True, gc=False):
    """A person's request as the bot sees it. Key: request_id. State: PENDING, ACCEPTED, DONE or FAILED."""

    request_id: str
    who: str
    command: str
    arguments: str
    state: str
    result: str
    asked_ms: int
    updated_ms: int


class Alert(Struct, frozen=True, gc=False):
    """A message for people, read by the alerts process. Key: alert_id. Severity: INFO, WARNING or CRITICAL."""

    alert_id: str
    at_ms: int
    severity: str
    event: str
    symbol: str
    title: str
    text: str
    thread: str


class Incident(Struct, frozen=True, gc=False):
    """A fault, opened once and closed once. Key: incident_id. `closed_ms` 0 = still open."""

    incident_id: str
    code: str
    symbol: str
    severity: str
    opened_ms: int
    closed_ms: int
    detail: str
    count: int


class ExecutionMetric(Struct, frozen=True, gc=False):
    """One measured moment of an order's life, microseconds or basis points. Key: (client_order_id, name)."""

    client_order_id: str
    symbol: str
    name: str
    value: float
    at_ms: int


class ConfigVersion(Struct, frozen=True, gc=False):
    """The resolved configuration of a start, secrets left out. Key: config_hash."""

    config_hash: str
    at_ms: int
    code_version: str
    mode: str
    config: str


type Row = (
    Intent
    | OrderRow
    | AlgoOrderRow
    | Fill
    | Funding
    | Transfer
    | OpeningBalance
    | PositionRow
    | TradeRow
    | SignalRow
    | Decision
    | RiskEvent
    | RiskState
    | EquityPoint
    | Evaluation
    | CommandRow
    | Alert
    | Incident
    | ExecutionMetric
    | ConfigVersion
    | Instrument
    | Candle
)
