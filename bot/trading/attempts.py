"""What follows an attempt that is proven ended: the next one, or the end of its intent."""

from typing import Final

from bot.domain.money import plain
from bot.domain.order import OrderState, Purpose, TimeInForce
from bot.domain.records import Intent, OrderRow
from bot.trading import audit, entries, exits, orders
from bot.trading.refusals import Policy, policy
from bot.trading.state import OPEN, State, SymbolState

DONE: Final = "done"
GIVEN_UP: Final = "given_up"
_UNCOMMITTED_GATE: Final = "database"
_PAUSE_MS: Final = 1_000
_STALE_MS: Final = 60_000
_PAUSING: Final = frozenset({Policy.RETRY, Policy.REPRICE})
_NEXT: Final = frozenset({Policy.RETRY, Policy.REPRICE, Policy.REFRESH})


def advance(state: State, symbol: SymbolState) -> None:
    """Go on with every intent whose attempts have all ended; want no entry any more once entries are stopped."""
    for intent in list(symbol.intents.values()):
        if intent.purpose is not Purpose.STOP:
            _advance(state, symbol, intent)


def _advance(state: State, symbol: SymbolState, intent: Intent) -> None:
    if intent.purpose is Purpose.ENTRY and intent.state == OPEN and _entries_stopped(state, symbol.symbol):
        entries.withdraw(state, symbol)
        intent = symbol.intents[intent.intent_id]
    last = symbol.last_attempt(intent)
    if last is None:
        return
    if intent.state == OPEN:
        _GO_ON[intent.purpose](state, symbol, intent, last)
        intent = symbol.intents[intent.intent_id]
    if intent.state != OPEN:
        _forget(state, symbol, intent)


def _entries_stopped(state: State, symbol: str) -> bool:
    """Say whether resting entries must go. With the database shut a cancel could not be recorded, so they stay."""
    gates = state.gates and any(where in {"", symbol} and gate != _UNCOMMITTED_GATE for gate, where in state.gates)
    return bool(gates or state.halts(symbol) or state.risk.halts(state.now_ms))


def next_ms(state: State, symbol: SymbolState) -> int | None:
    """Return the next market time at which an attempt of the symbol has to be cancelled or followed."""
    times = [row.expires_ms for row in symbol.orders.values() if row.expires_ms and row.state in _RESTS]
    times += symbol.retry_ms.values()
    return min((each for each in times if each > state.now_ms), default=None)


def _go_on_with_entry(state: State, symbol: SymbolState, intent: Intent, last: OrderRow) -> None:
    if intent.executed_quantity >= intent.quantity:
        orders.close_intent(state, symbol, intent, DONE)
        return
    limit = bool(last.expires_ms)
    overdue = limit and state.now_ms >= entries.deadline_ms(state, intent)
    too_late = state.now_ms >= entries.deadline_ms(state, intent) + _STALE_MS
    forgone = overdue and state.plan.execution.on_ttl == "cancel"
    if too_late or forgone or _exhausted(state, intent) or not _may_follow(last, overdue=overdue):
        orders.close_intent(state, symbol, intent, GIVEN_UP)
    elif _ready(state, symbol, intent, last):
        entries.again(state, symbol, intent, cross=overdue or not limit)


def _go_on_with_exit(state: State, symbol: SymbolState, intent: Intent, last: OrderRow) -> None:
    if not symbol.track.quantity or intent.executed_quantity >= intent.quantity:
        symbol.stop_after_ms = 0
        orders.close_intent(state, symbol, intent, DONE)
    elif exits.triggered(symbol):
        orders.close_intent(state, symbol, intent, GIVEN_UP)  # the stop has fired and closes what is left
    elif _exhausted(state, intent):
        exits.failed(state, symbol, intent)
    elif _refusal_policy(last) is Policy.RECONCILE:
        orders.close_intent(state, symbol, intent, GIVEN_UP)
    elif last.state is OrderState.REJECTED and not _may_follow(last):
        exits.failed(state, symbol, intent)
    elif _ready(state, symbol, intent, last):
        exits.again(state, symbol, intent)


_GO_ON: Final = {Purpose.ENTRY: _go_on_with_entry, Purpose.EXIT: _go_on_with_exit}
_RESTS: Final = frozenset({OrderState.RESTING, OrderState.PARTIALLY_FILLED})


def _ready(state: State, symbol: SymbolState, intent: Intent, last: OrderRow) -> bool:
    """Say whether the next attempt may go out now; if not, when is remembered."""
    if symbol.refreshing:
        return False
    due_ms = symbol.retry_ms.get(intent.intent_id)
    if due_ms is None and _refusal_policy(last) in _PAUSING:
        due_ms = symbol.retry_ms[intent.intent_id] = last.updated_ms + _PAUSE_MS
    if due_ms is not None and state.now_ms < due_ms:
        return False
    symbol.retry_ms.pop(intent.intent_id, None)
    return True


def _may_follow(last: OrderRow, *, overdue: bool = False) -> bool:
    """Say whether the way an attempt ended allows another one; a cancel that was not ours does not."""
    if last.state is OrderState.REJECTED:
        return last.report.expiry_reason == orders.ABSENT or _refusal_policy(last) in _NEXT
    if last.state is OrderState.EXPIRED:
        return last.report.time_in_force == TimeInForce.GTX
    return overdue or last.state is OrderState.FILLED


def _refusal_policy(row: OrderRow) -> Policy | None:
    reason = row.report.expiry_reason
    if row.state is not OrderState.REJECTED or not reason.lstrip("-").isdigit():
        return None
    return policy(int(reason))


def _exhausted(state: State, intent: Intent) -> bool:
    return intent.attempt >= state.plan.execution.attempts


def _forget(state: State, symbol: SymbolState, intent: Intent) -> None:
    del symbol.intents[intent.intent_id]
    if state.narrated and intent.purpose is Purpose.ENTRY and intent.executed_quantity:
        _tell_entry(state, symbol, intent)


def _tell_entry(state: State, symbol: SymbolState, intent: Intent) -> None:
    track = symbol.track
    side = "LONG" if intent.side.sign > 0 else "SHORT"
    price = track.entry_price or intent.price
    stop = symbol.strategy.stop_price(intent.side, price) if symbol.strategy else intent.stop_price
    title = f"{side} {symbol.symbol} {plain(intent.executed_quantity)} @ {plain(price)}"
    text = f"stop {plain(stop)}, attempts {intent.attempt}, reason {intent.reason}"
    thread = audit.thread_of(symbol.symbol, track.trip)
    audit.alert(state, audit.INFO, "entry", symbol.symbol, intent.intent_id, title, text, thread)
