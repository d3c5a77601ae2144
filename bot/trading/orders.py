"""Attempts of intents: sent once, looked up when unknown, cancelled when unwanted."""

from decimal import Decimal
from typing import Final

from msgspec import Struct
from msgspec.structs import replace

from bot.domain.commands import CancelOrder, LookUpOrder, RefreshInstruments, SubmitOrder
from bot.domain.fill import Fill
from bot.domain.money import ZERO, plain
from bot.domain.order import (
    FINAL_STATES,
    WIRE_STEPS,
    OrderReport,
    OrderRequest,
    OrderState,
    OrderType,
    Purpose,
    Step,
    TimeInForce,
    merge_reports,
    next_state,
)
from bot.domain.records import Intent, OrderRow
from bot.trading import audit, fills, ids
from bot.trading.refusals import Policy, policy
from bot.trading.state import OPEN, State, SymbolState, awaits_answer, too_old

_KEPT_ORDERS: Final = 128
_FILLS_LATE_MS: Final = 10_000
_MOST_ASKED: Final = 5
_CANCEL_PAUSE_MS: Final = 1_000
_REFUSED_PAUSE_MS: Final = 60_000
_LIVE_WORDS: Final = frozenset({"NEW", "PARTIALLY_FILLED"})
_CANCELLABLE: Final = frozenset({OrderState.RESTING, OrderState.PARTIALLY_FILLED})
ABSENT: Final = "absent"


class ApprovedOrder(Struct, frozen=True, gc=False):
    """An order that passed risk and filters: the only thing `submit` takes. Built by `entries` and `exits` alone.

    `price` is zero for market orders; `expires_ms` 0 = no TTL; `decision_price` is the close it was decided at.
    """

    intent: Intent
    type: OrderType
    quantity: Decimal
    price: Decimal
    time_in_force: TimeInForce
    expires_ms: int
    decision_price: Decimal


def submit(state: State, symbol: SymbolState, approved: ApprovedOrder) -> None:
    """Record the intent's next attempt and send it."""
    attempt = approved.intent.attempt + 1
    client_order_id = ids.client_id(state.instance, approved.intent.intent_id, attempt)
    intent = replace(approved.intent, attempt=attempt, client_order_id=client_order_id, updated_ms=state.now_ms)
    request = OrderRequest(
        symbol=symbol.symbol,
        client_order_id=client_order_id,
        side=intent.side,
        type=approved.type,
        quantity=approved.quantity,
        price=approved.price,
        time_in_force=approved.time_in_force,
        reduce_only=intent.purpose is Purpose.EXIT,
    )
    keep_intent(state, symbol, intent)
    _keep(state, symbol, _sent(state, intent, request, approved))
    state.ask(SubmitOrder(request))


def known(state: State, symbol: SymbolState, intent_id: str) -> bool:
    """Return whether this intent was sent before, in this life or an earlier one: it must not be sent twice."""
    key = ids.client_id(state.instance, intent_id, 1)
    return key in symbol.orders or key in symbol.ended


def keep_intent(state: State, symbol: SymbolState, intent: Intent) -> None:
    """Remember and record an intent."""
    symbol.intents[intent.intent_id] = intent
    state.record(intent)


def close_intent(state: State, symbol: SymbolState, intent: Intent, word: str) -> None:
    """Want nothing more of an intent: `done` or `given_up`. What is still live of it will be cancelled."""
    keep_intent(state, symbol, replace(intent, state=word, updated_ms=state.now_ms))
    symbol.retry_ms.pop(intent.intent_id, None)


def update(state: State, report: OrderReport, fill: Fill | None) -> None:
    """Take the exchange's word about an order, and the execution that caused it."""
    symbol = state.symbol_state(report.symbol)
    before = symbol.order(report.client_order_id) or symbol.order_by_id(report.order_id)
    row = _adopt(state, symbol, report) if before is None else before
    booked_before = report.order_id in symbol.executed
    after = None if row is None else _apply(state, symbol, row, report, is_known=before is not None)
    if fill is not None:
        fills.book(state, symbol, fill)
    if row is not None and after is not None:
        if booked_before and (not row.report.order_id or row.state is OrderState.SENT):
            fills.attribute(state, symbol, after)
        if row.state is OrderState.UNKNOWN and symbol.booked(after) < after.report.executed_quantity:
            state.ask_reconcile("fills_missing")
        _count_executed(state, symbol, after)


def take_fill(state: State, fill: Fill) -> None:
    """Take an execution read back from history."""
    symbol = state.symbol_state(fill.symbol)
    fills.book(state, symbol, fill)
    row = symbol.order_by_id(fill.order_id)
    if row is not None:
        _count_executed(state, symbol, row)


def refused(state: State, symbol_name: str, client_order_id: str, code: int, message: str) -> None:
    """Take a definite refusal: no such order exists."""
    symbol = state.symbol_state(symbol_name)
    row = symbol.order(client_order_id)
    if row is None or not (awaits_answer(row.state) or row.state is OrderState.UNKNOWN):
        return
    what = policy(code)
    if what is Policy.LOOK_UP:
        lost(state, symbol_name, client_order_id)
        return
    _step(state, symbol, row, Step.REFUSED, str(code))
    if what is Policy.REFRESH:
        refresh(state, symbol)
    if what is Policy.RECONCILE:
        state.ask_reconcile(f"refused {code}")
    if what is Policy.PAUSE:
        symbol.refused_until_ms = state.now_ms + _REFUSED_PAUSE_MS
        refresh(state, symbol)
    if what is Policy.HALT:
        audit.halt(state, "symbol_refused", symbol_name, f"{code} {message}")


def lost(state: State, symbol_name: str, client_order_id: str) -> None:
    """Take that a request's outcome is unknown: look the order up, never send it again."""
    symbol = state.symbol_state(symbol_name)
    row = symbol.order(client_order_id)
    if row is not None and awaits_answer(row.state):
        look_up(state, symbol, row)


def look_up(state: State, symbol: SymbolState, row: OrderRow) -> None:
    """Mark an order unknown and ask what became of it."""
    _step(state, symbol, row, Step.LOST)
    state.ask(LookUpOrder(symbol.symbol, row.client_order_id))


def absent(state: State, symbol_name: str, client_order_id: str) -> None:
    """Take the proof that an order does not exist."""
    symbol = state.symbol_state(symbol_name)
    row = symbol.order(client_order_id)
    if row is not None and row.state is OrderState.UNKNOWN:
        existed = row.report.order_id != 0
        _step(state, symbol, row, Step.CANCELED if existed else Step.PROVEN_ABSENT, ABSENT)


def cancel_failed(state: State, symbol_name: str, client_order_id: str) -> None:
    """Take that a cancel did not work or may not have: look the order up; it counts as live until then."""
    symbol = state.symbol_state(symbol_name)
    row = symbol.order(client_order_id)
    if row is None or row.state is not OrderState.CANCELLING:
        return
    failures = symbol.cancels.get(client_order_id, 0) + 1
    symbol.cancels[client_order_id] = failures
    symbol.retry_ms[client_order_id] = state.now_ms + _CANCEL_PAUSE_MS * 2 ** min(failures - 1, 6)
    look_up(state, symbol, row)


def cancel_unwanted(state: State, symbol: SymbolState) -> None:
    """Cancel what rests beyond its TTL or without an intent that wants it."""
    for row in list(symbol.orders.values()):
        if row.state in _CANCELLABLE and row.intent_id and _unwanted(state, symbol, row):
            _step(state, symbol, row, Step.CANCEL_ASKED)
            state.ask(CancelOrder(symbol.symbol, row.client_order_id))


def settle(state: State, symbol: SymbolState) -> None:
    """Put aside what is over, and read history when an order is reported executed and its fills do not come.

    After a few times that is left at that; what is still missing shows as a difference when the account is compared.
    """
    if not put_aside(symbol):
        symbol.fills_due_ms = 0
    elif not symbol.fills_due_ms:
        symbol.fills_due_ms = state.now_ms + _FILLS_LATE_MS
        symbol.fills_asked = 0
    elif state.now_ms >= symbol.fills_due_ms and symbol.fills_asked < _MOST_ASKED:
        symbol.fills_asked += 1
        symbol.fills_due_ms = state.now_ms + _FILLS_LATE_MS
        state.ask_reconcile("fills_missing")


def put_aside(symbol: SymbolState) -> bool:
    """Put aside the orders that are proven ended and belong to no intent in memory; return whether one misses fills."""
    misses_fills = False
    over: list[str] = []
    for key, row in symbol.orders.items():
        if symbol.booked(row) < row.report.executed_quantity:
            misses_fills = True
        elif row.state in FINAL_STATES and row.intent_id not in symbol.intents:
            over.append(key)
    for key in over:
        symbol.ended[key] = symbol.orders.pop(key)
    for key in too_old(symbol.ended, _KEPT_ORDERS):
        order_id = symbol.ended.pop(key).report.order_id
        symbol.order_keys.pop(order_id, None)
        symbol.executed.pop(order_id, None)
        symbol.forget_tries(key)
    return misses_fills


def refresh(state: State, symbol: SymbolState) -> None:
    """Have the symbol's filters read again, once until they come."""
    if not symbol.refreshing:
        symbol.refreshing = True
        state.ask(RefreshInstruments(symbol.symbol))


def remember(symbol: SymbolState, row: OrderRow) -> None:
    """Put an order into memory."""
    key = row.client_order_id if row.intent_id else f"#{row.report.order_id}"
    symbol.ended.pop(key, None)
    symbol.orders[key] = row
    if row.report.order_id:
        symbol.order_keys[row.report.order_id] = key


def _sent(state: State, intent: Intent, request: OrderRequest, approved: ApprovedOrder) -> OrderRow:
    report = OrderReport(
        symbol=request.symbol,
        order_id=0,
        client_order_id=request.client_order_id,
        status="",
        side=request.side,
        type=str(request.type),
        time_in_force=str(request.time_in_force),
        quantity=request.quantity,
        price=request.price,
        executed_quantity=ZERO,
        updated_ms=0,
        reduce_only=request.reduce_only,
    )
    return OrderRow(
        symbol=request.symbol,
        client_order_id=request.client_order_id,
        intent_id=intent.intent_id,
        attempt=intent.attempt,
        state=OrderState.SENT,
        report=report,
        expires_ms=approved.expires_ms,
        created_ms=state.now_ms,
        updated_ms=state.now_ms,
        decision_price=approved.decision_price,
    )


def _adopt(state: State, symbol: SymbolState, report: OrderReport) -> OrderRow | None:
    known = ids.parse(report.client_order_id)
    child = report.algo_id or (known is not None and known.purpose is Purpose.STOP)
    live = report.status in _LIVE_WORDS
    if known is not None and known.instance != state.instance:
        if live:
            detail = f"order {report.client_order_id} on {report.symbol} was sent by another bot of this kind"
            audit.halt(state, "second_instance", "", detail)
    elif known is not None and not child and not live:
        return None  # an echo of an order that ended, was recorded, and has been forgotten
    ours = known is not None and known.instance == state.instance and not child
    row = OrderRow(
        symbol=report.symbol,
        client_order_id=report.client_order_id,
        intent_id=known.intent_id if known and ours else "",
        attempt=known.attempt if known and ours else 0,
        state=OrderState.SENT,
        report=replace(report, status="", executed_quantity=ZERO, updated_ms=0),
        expires_ms=0,
        created_ms=state.now_ms,
        updated_ms=state.now_ms,
    )
    if not ours and known is None:
        _tell_foreign(state, symbol, report)
    return row


def _tell_foreign(state: State, symbol: SymbolState, report: OrderReport) -> None:
    what = f"{report.side} {plain(report.quantity)} {report.symbol} {report.type}, order {report.order_id}"
    forced = next((why for start, why in fills.FORCED_ORDERS.items() if report.client_order_id.startswith(start)), None)
    if forced is not None:
        audit.halt(state, forced, symbol.symbol, f"the exchange closed by force: {what}")
        return
    title = f"Order not ours on {report.symbol}"
    audit.alert(state, audit.WARNING, "external_order", report.symbol, report.order_id, title, what)


def _apply(state: State, symbol: SymbolState, row: OrderRow, report: OrderReport, *, is_known: bool) -> OrderRow:
    merged = merge_reports(row.report, report)
    if merged is None:
        return row
    after = next_state(row.state, WIRE_STEPS.get(report.status))
    if after is row.state and merged == row.report and is_known:
        return row
    moved = replace(row, state=after, report=merged, updated_ms=state.now_ms)
    _keep(state, symbol, moved)
    return moved


def _count_executed(state: State, symbol: SymbolState, row: OrderRow) -> None:
    intent = symbol.intents.get(row.intent_id)
    if intent is None:
        return
    executed = symbol.executed_by(intent)
    if executed != intent.executed_quantity:
        keep_intent(state, symbol, replace(intent, executed_quantity=executed, updated_ms=state.now_ms))


def _unwanted(state: State, symbol: SymbolState, row: OrderRow) -> bool:
    if state.now_ms < symbol.retry_ms.get(row.client_order_id, 0):
        return False
    intent = symbol.intents.get(row.intent_id)
    if intent is None or intent.state != OPEN or row.attempt != intent.attempt:
        return True
    return bool(row.expires_ms) and state.now_ms >= row.expires_ms


def _step(state: State, symbol: SymbolState, row: OrderRow, step: Step, why: str = "") -> None:
    moved = next_state(row.state, step)
    if moved is row.state:
        return
    report = replace(row.report, expiry_reason=why) if why else row.report
    _keep(state, symbol, replace(row, state=moved, report=report, updated_ms=state.now_ms))


def _keep(state: State, symbol: SymbolState, row: OrderRow) -> None:
    remember(symbol, row)
    state.record(row)
