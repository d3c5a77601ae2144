"""Every position has its stop at the exchange from its first fill; no stop outlives its position."""

from decimal import Decimal
from typing import Final

from msgspec.structs import replace

from bot.domain.commands import CancelStop, LookUpStop, PlaceStop
from bot.domain.money import ZERO, plain
from bot.domain.order import (
    ALGO_STATES,
    FINAL_STATES,
    AlgoReport,
    OrderState,
    Purpose,
    Side,
    Step,
    StopRequest,
    merge_algo_reports,
    next_state,
)
from bot.domain.records import AlgoOrderRow, Intent
from bot.trading import audit, exits, fills, ids, orders
from bot.trading.orders import ABSENT
from bot.trading.refusals import WOULD_TRIGGER, Policy, policy
from bot.trading.state import OPEN, State, SymbolState, awaits_answer, too_old

_PAUSE_MS: Final = 1_000
_CHILD_LATE_MS: Final = 10_000
_NAKED_RETRY_MS: Final = 60_000
_KEPT_ALGOS: Final = 64
_MOST_LOST: Final = 5
_OVER: Final = FINAL_STATES | {OrderState.PARTIALLY_FILLED}
_GONE: Final = frozenset({OrderState.CANCELLED, OrderState.EXPIRED, OrderState.REJECTED})


def protect(state: State, symbol: SymbolState) -> None:
    """Make the stops fit the position: place, move or cancel them. Called after everything that touches the symbol."""
    if symbol.stop_after_ms:
        _wait_no_longer(symbol)
    if not _is_settled(symbol):
        _forget_ended(state, symbol)
    if not symbol.track.quantity:
        for row in symbol.live_algos():
            _cancel(state, symbol, row)
        return
    if symbol.strategy is None:
        return
    current = symbol.algos.get(symbol.stop_id)
    if current is None or current.state in _OVER or not _fits(symbol, current):
        _place_missing(state, symbol)
    elif current.state is OrderState.RESTING:
        _retire_others(state, symbol, current)
        _move(state, symbol, current)


def update(state: State, report: AlgoReport) -> None:
    """Take the exchange's word about a conditional order."""
    symbol = state.symbol_state(report.symbol)
    row = symbol.algo(report.client_algo_id) or _adopt(state, report)
    if row is None:
        return
    merged = merge_algo_reports(row.report, report)
    if merged is None:
        return
    word = ALGO_STATES.get(report.status, row.state)
    if row.state is OrderState.CANCELLING and word is OrderState.RESTING:
        word = row.state
    if word is row.state and merged == row.report and symbol.algo(report.client_algo_id) is not None:
        return
    moved = replace(row, state=word, report=merged, updated_ms=state.now_ms)
    _keep(state, symbol, moved)
    _after_move(state, symbol, row, moved)


def refused(state: State, symbol_name: str, client_algo_id: str, code: int, message: str) -> None:
    """Take a definite refusal of a stop: the price is through it already, or another attempt follows."""
    symbol = state.symbol_state(symbol_name)
    row = symbol.algo(client_algo_id)
    if row is None or not (awaits_answer(row.state) or row.state is OrderState.UNKNOWN):
        return
    what = policy(code)
    if what is Policy.LOOK_UP:
        lost(state, symbol_name, client_algo_id)
        return
    _step(state, symbol, row, Step.REFUSED)
    if what is Policy.RETRY:
        symbol.stop_after_ms = state.now_ms + _PAUSE_MS
    if what is Policy.REFRESH:
        orders.refresh(state, symbol)
    if code in WOULD_TRIGGER:
        _end_intent(state, symbol, row)
        _leave(state, symbol, f"stop refused: {code} {message}")


def lost(state: State, symbol_name: str, client_algo_id: str) -> None:
    """Take that a stop's outcome is unknown: look it up, never place it again."""
    symbol = state.symbol_state(symbol_name)
    row = symbol.algo(client_algo_id)
    if row is not None and awaits_answer(row.state):
        look_up(state, symbol, row)


def look_up(state: State, symbol: SymbolState, row: AlgoOrderRow) -> None:
    """Mark a stop unknown and ask what became of it."""
    _step(state, symbol, row, Step.LOST)
    state.ask(LookUpStop(symbol.symbol, row.client_algo_id))


def absent(state: State, symbol_name: str, client_algo_id: str) -> None:
    """Take the proof that a stop does not exist."""
    symbol = state.symbol_state(symbol_name)
    row = symbol.algo(client_algo_id)
    if row is None or row.state is not OrderState.UNKNOWN:
        return
    existed = row.report.algo_id != 0
    _step(state, symbol, row, Step.CANCELED if existed else Step.PROVEN_ABSENT)
    if existed:
        _after_move(state, symbol, row, symbol.algos[client_algo_id])


def overdue(state: State, symbol_name: str, client_algo_id: str) -> None:
    """Leave a position that is still without a stop long after this one was asked for."""
    symbol = state.symbol_state(symbol_name)
    row, current = symbol.algo(client_algo_id), symbol.algos.get(symbol.stop_id)
    if row is None or current is None or row.intent_id != current.intent_id:
        return
    if not symbol.track.quantity or exits.in_flight(symbol) or _resting(symbol) is not None:
        return
    _leave(state, symbol, "the exchange did not confirm one in time")


def cancel_failed(state: State, symbol_name: str, client_algo_id: str) -> None:
    """Take that cancelling a stop did not work or may not have: look it up."""
    symbol = state.symbol_state(symbol_name)
    row = symbol.algo(client_algo_id)
    if row is None or row.state is not OrderState.CANCELLING:
        return
    failures = symbol.cancels.get(client_algo_id, 0) + 1
    symbol.cancels[client_algo_id] = failures
    symbol.retry_ms[client_algo_id] = state.now_ms + _PAUSE_MS * 2 ** min(failures - 1, 6)
    look_up(state, symbol, row)


def _is_settled(symbol: SymbolState) -> bool:
    """Say whether the position has its stop and no other, so that no stop can be over."""
    if not symbol.track.quantity or len(symbol.algos) != 1:
        return False
    current = symbol.algos.get(symbol.stop_id)
    return current is not None and current.state is OrderState.RESTING


def _wait_no_longer(symbol: SymbolState) -> None:
    """Protect again at once what the order of a triggered stop has left, or what a lost exit may have left open."""
    last = symbol.algos.get(symbol.stop_id)
    exit_got_lost = last is not None and last.state in _GONE and exits.lost_ms(symbol) > last.updated_ms
    if exit_got_lost or symbol.child_ended(symbol.stop_id):
        symbol.stop_after_ms = 0


def next_ms(state: State, symbol: SymbolState) -> int | None:
    """Return when a stop may be placed again, None = nothing is waiting."""
    return symbol.stop_after_ms if symbol.track.quantity and symbol.stop_after_ms > state.now_ms else None


def _place_missing(state: State, symbol: SymbolState) -> None:
    waiting = state.now_ms < symbol.stop_after_ms or symbol.refreshing
    if waiting or _is_leaving(symbol) or exits.triggered(symbol):
        return
    intent = _open_stop_intent(symbol)
    if intent is None:
        _place_new(state, symbol)
    elif intent.attempt < state.plan.execution.attempts:
        _place(state, symbol, intent, _wanted_price(symbol))
    else:
        _give_up(state, symbol, intent)


def _is_leaving(symbol: SymbolState) -> bool:
    """Say whether an exit takes the place of the stop; one that got lost does not: it may have to be sent again."""
    leaving = any(intent.purpose is Purpose.EXIT and intent.reason == exits.STOP for intent in symbol.intents.values())
    return leaving and not exits.lost_ms(symbol)


def _move(state: State, symbol: SymbolState, current: AlgoOrderRow) -> None:
    """Re-place the stop when the average entry has moved by a tick: the new one first."""
    track = symbol.track
    basis = symbol.stop_basis or track.entry_price
    symbol.stop_basis = basis
    tick = symbol.instrument.tick if symbol.instrument else ZERO
    if abs(track.entry_price - basis) < tick or exits.triggered(symbol):
        return
    if _wanted_price(symbol) == current.report.trigger_price:
        symbol.stop_basis = track.entry_price
        return
    _place_new(state, symbol)


def _place_new(state: State, symbol: SymbolState) -> None:
    price = _wanted_price(symbol)
    cause = f"{symbol.symbol}|{Purpose.STOP}|{symbol.track.trip}|{price}|{symbol.stop_id}|{state.now_ms}"
    intent = Intent(
        intent_id=ids.intent_id(Purpose.STOP, cause),
        symbol=symbol.symbol,
        purpose=Purpose.STOP,
        side=fills.closing_side(symbol.track),
        quantity=abs(symbol.track.quantity),
        executed_quantity=ZERO,
        price=price,
        stop_price=price,
        reason="protect",
        decision_id="",
        state=OPEN,
        attempt=0,
        client_order_id="",
        created_ms=state.now_ms,
        updated_ms=state.now_ms,
    )
    _place(state, symbol, intent, price)


def _place(state: State, symbol: SymbolState, intent: Intent, price: Decimal) -> None:
    attempt = intent.attempt + 1
    client_algo_id = ids.client_id(state.instance, intent.intent_id, attempt)
    sent = replace(intent, attempt=attempt, client_order_id=client_algo_id, stop_price=price, updated_ms=state.now_ms)
    orders.keep_intent(state, symbol, sent)
    request = StopRequest(symbol.symbol, client_algo_id, intent.side, price)
    _keep(state, symbol, _sent(state, sent, request))
    symbol.stop_id = client_algo_id
    symbol.stop_basis = symbol.track.entry_price
    put_aside(symbol)
    fills.record_position(state, symbol)
    state.ask(PlaceStop(request))


def _sent(state: State, intent: Intent, request: StopRequest) -> AlgoOrderRow:
    report = AlgoReport(
        symbol=request.symbol,
        algo_id=0,
        client_algo_id=request.client_algo_id,
        status="",
        side=request.side,
        type="STOP_MARKET",
        quantity=ZERO,
        price=ZERO,
        trigger_price=request.trigger_price,
        working_type="CONTRACT_PRICE",
        close_position=True,
        reduce_only=False,
        updated_ms=0,
    )
    return AlgoOrderRow(
        symbol=request.symbol,
        client_algo_id=request.client_algo_id,
        intent_id=intent.intent_id,
        state=OrderState.SENT,
        report=report,
        created_ms=state.now_ms,
        updated_ms=state.now_ms,
    )


def _give_up(state: State, symbol: SymbolState, intent: Intent) -> None:
    """After the last attempt: an older stop goes on protecting, otherwise the position is closed."""
    orders.close_intent(state, symbol, intent, "given_up")
    older = _resting(symbol)
    if older is None:
        _leave(state, symbol, f"no stop after {intent.attempt} attempts")
        return
    symbol.stop_id = older.client_algo_id
    symbol.stop_basis = symbol.track.entry_price
    fills.record_position(state, symbol)
    detail = f"the stop of {symbol.symbol} could not be moved; the one at {plain(older.report.trigger_price)} stays"
    audit.alert(state, audit.WARNING, "stop_not_moved", symbol.symbol, intent.intent_id, "Stop not moved", detail)


def _resting(symbol: SymbolState) -> AlgoOrderRow | None:
    """Return a stop that protects the position now."""
    return next((row for row in symbol.live_algos() if row.state is OrderState.RESTING and _fits(symbol, row)), None)


def _leave(state: State, symbol: SymbolState, why: str) -> None:
    cause = f"{symbol.symbol}-{exits.STOP}-{symbol.stop_id}-{state.now_ms}"
    title = f"No stop on {symbol.symbol}: closing"
    audit.alert(state, audit.WARNING, "stop_refused", symbol.symbol, symbol.stop_id, title, why)
    symbol.stop_after_ms = state.now_ms + _NAKED_RETRY_MS
    exits.leave(state, symbol, exits.STOP, cause)


def _after_move(state: State, symbol: SymbolState, before: AlgoOrderRow, row: AlgoOrderRow) -> None:
    if row.client_algo_id != symbol.stop_id or before.state in FINAL_STATES:
        return
    if row.state is OrderState.FILLED:
        symbol.stop_after_ms = state.now_ms + _CHILD_LATE_MS
        _end_intent(state, symbol, row)
    elif row.state in _GONE and before.state is not OrderState.CANCELLING:
        _stop_lost(state, symbol, row)


def _stop_lost(state: State, symbol: SymbolState, row: AlgoOrderRow) -> None:
    _end_intent(state, symbol, row)
    if not symbol.track.quantity:
        return
    symbol.stops_lost += 1
    detail = f"the stop of {symbol.symbol} was {row.report.status or ABSENT} at the exchange; it is placed again"
    audit.alert(state, audit.WARNING, "stop_lost", symbol.symbol, row.client_algo_id, "Stop gone", detail)
    if symbol.stops_lost > _MOST_LOST:
        _leave(state, symbol, f"the stop was taken away {symbol.stops_lost} times")


def _adopt(state: State, report: AlgoReport) -> AlgoOrderRow | None:
    known = ids.parse(report.client_algo_id)
    live = not ALGO_STATES.get(report.status, OrderState.RESTING).is_final
    if known is not None and known.instance != state.instance:
        if live:
            detail = f"stop {report.client_algo_id} on {report.symbol} was placed by another bot of this kind"
            audit.halt(state, "second_instance", "", detail)
    elif known is not None and not live:
        return None
    elif known is None:
        what = f"{report.type} {report.side} {report.symbol} @ {plain(report.trigger_price)}"
        title = f"Conditional order not ours on {report.symbol}"
        audit.alert(state, audit.WARNING, "external_order", report.symbol, report.client_algo_id, title, what)
    ours = known is not None and known.instance == state.instance
    return AlgoOrderRow(
        symbol=report.symbol,
        client_algo_id=report.client_algo_id,
        intent_id=known.intent_id if known and ours else "",
        state=OrderState.SENT,
        report=replace(report, status="", updated_ms=0),
        created_ms=state.now_ms,
        updated_ms=state.now_ms,
    )


def _retire_others(state: State, symbol: SymbolState, current: AlgoOrderRow) -> None:
    for row in symbol.live_algos():
        if row.client_algo_id != current.client_algo_id:
            _cancel(state, symbol, row)


def _cancel(state: State, symbol: SymbolState, row: AlgoOrderRow) -> None:
    due = state.now_ms >= symbol.retry_ms.get(row.client_algo_id, 0)
    if row.intent_id and row.state is OrderState.RESTING and due:
        _step(state, symbol, row, Step.CANCEL_ASKED)
        state.ask(CancelStop(symbol.symbol, row.client_algo_id))


def _forget_ended(state: State, symbol: SymbolState) -> None:
    for intent in list(symbol.intents.values()):
        if intent.purpose is not Purpose.STOP:
            continue
        if intent.state == OPEN:
            if not _stop_over(symbol, intent):
                continue
            orders.close_intent(state, symbol, intent, "done")
        del symbol.intents[intent.intent_id]
    put_aside(symbol)


def put_aside(symbol: SymbolState) -> None:
    """Put aside the stops that are over and protect nothing any more; forget the oldest of them."""
    if len(symbol.algos) == 1 and symbol.stop_id in symbol.algos and symbol.track.quantity:
        return
    over = [
        key
        for key, row in symbol.algos.items()
        if row.state in FINAL_STATES and (key != symbol.stop_id or not symbol.track.quantity)
    ]
    for key in over:
        symbol.ended_algos[key] = symbol.algos.pop(key)
    for key in too_old(symbol.ended_algos, _KEPT_ALGOS):
        del symbol.ended_algos[key]
        symbol.forget_tries(key)


def _stop_over(symbol: SymbolState, intent: Intent) -> bool:
    row = symbol.algo(intent.client_order_id)
    if not symbol.track.quantity:
        return row is None or row.state in FINAL_STATES
    return row is not None and row.state in _GONE and row.client_algo_id != symbol.stop_id


def _open_stop_intent(symbol: SymbolState) -> Intent | None:
    """Return the intent whose last attempt never came to be, so that the next one may be placed."""
    current = symbol.algos.get(symbol.stop_id)
    if current is None or current.state is not OrderState.REJECTED:
        return None
    intent = symbol.intents.get(current.intent_id)
    usable = intent is not None and intent.state == OPEN and intent.side is fills.closing_side(symbol.track)
    return intent if usable else None


def _end_intent(state: State, symbol: SymbolState, row: AlgoOrderRow) -> None:
    intent = symbol.intents.get(row.intent_id)
    if intent is not None and intent.state == OPEN:
        orders.close_intent(state, symbol, intent, "done")


def _fits(symbol: SymbolState, row: AlgoOrderRow) -> bool:
    return row.report.side is fills.closing_side(symbol.track) and row.state is not OrderState.CANCELLING


def _wanted_price(symbol: SymbolState) -> Decimal:
    entry_side = Side.BUY if symbol.track.quantity > 0 else Side.SELL
    return symbol.strategy.stop_price(entry_side, symbol.track.entry_price) if symbol.strategy else ZERO


def _step(state: State, symbol: SymbolState, row: AlgoOrderRow, step: Step) -> None:
    moved = next_state(row.state, step)
    if moved is not row.state:
        _keep(state, symbol, replace(row, state=moved, updated_ms=state.now_ms))


def _keep(state: State, symbol: SymbolState, row: AlgoOrderRow) -> None:
    symbol.algos[row.client_algo_id] = row
    state.record(row)
