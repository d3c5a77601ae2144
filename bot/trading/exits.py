"""Exits: reduce-only market orders, one at a time, until the position is flat or five attempts have failed."""

from decimal import Decimal
from typing import Final

from bot.domain.market import Candle
from bot.domain.money import ZERO, plain
from bot.domain.order import OrderState, OrderType, Purpose, TimeInForce
from bot.domain.records import Intent
from bot.trading import audit, entries, ids, orders
from bot.trading.fills import closing_side, side_word
from bot.trading.orders import ApprovedOrder
from bot.trading.state import OPEN, State, SymbolState
from bot.trading.strategy import EXIT_LONG, EXIT_SHORT

SIGNAL: Final = "signal"
STOP: Final = "stop"
FLATTEN: Final = "flatten"


def exit_flag(symbol: SymbolState) -> int:
    """Return the strategy flag that ends the position, 0 when flat."""
    quantity = symbol.track.quantity
    if not quantity:
        return 0
    return EXIT_LONG if quantity > 0 else EXIT_SHORT


def in_flight(symbol: SymbolState) -> bool:
    """Return whether an exit is under way: ours, or a stop that has triggered and whose fills are not all here."""
    for intent in symbol.intents.values():
        if intent.purpose is Purpose.EXIT:
            return True
    return triggered(symbol)


def triggered(symbol: SymbolState) -> bool:
    """Return whether a stop has triggered and its order is still at work."""
    for order in symbol.orders.values():
        if order.report.algo_id and not symbol.settled(order):
            return True
    for algo in symbol.algos.values():
        if algo.state is OrderState.PARTIALLY_FILLED and not symbol.child_ended(algo.client_algo_id):
            return True
    return False


def lost_ms(symbol: SymbolState) -> int:
    """Return since when it is not known what became of the exit under way, 0 = it is."""
    lost = (row for row in symbol.orders.values() if row.report.reduce_only and row.state is OrderState.UNKNOWN)
    return max((row.updated_ms for row in lost if row.intent_id), default=0)


def consider(state: State, symbol: SymbolState, candle: Candle) -> None:
    """Leave the position at a candle's close if the strategy says so."""
    flags = symbol.verdict.flags if symbol.verdict else 0
    if not flags & exit_flag(symbol) or in_flight(symbol):
        return
    signal_id = f"{symbol.symbol}-{candle.open_time}-exit"
    audit.signal(state, symbol, signal_id, "exit", closing_side(symbol.track))
    _leave(state, symbol, SIGNAL, signal_id)


def leave(state: State, symbol: SymbolState, reason: str, cause: str) -> None:
    """Close the whole position at the market, unless that is under way already."""
    if symbol.track.quantity and not in_flight(symbol):
        _leave(state, symbol, reason, cause)


def _leave(state: State, symbol: SymbolState, reason: str, cause: str) -> None:
    strategy = audit.strategy_name(symbol)
    intent_id = ids.intent_id(Purpose.EXIT, f"{symbol.symbol}|{strategy}|{Purpose.EXIT}|{cause}")
    if orders.known(state, symbol, intent_id):
        return
    entries.withdraw(state, symbol)
    side = closing_side(symbol.track)
    quantity = abs(symbol.track.quantity)
    audit.decide(
        state,
        symbol,
        cause,
        action="exit",
        side=side,
        reason=reason,
        price=symbol.last_close,
        quantity=quantity,
        intent_id=intent_id,
    )
    intent = Intent(
        intent_id=intent_id,
        symbol=symbol.symbol,
        purpose=Purpose.EXIT,
        side=side,
        quantity=quantity,
        executed_quantity=ZERO,
        price=symbol.mark,
        stop_price=ZERO,
        reason=reason,
        decision_id=cause,
        state=OPEN,
        attempt=0,
        client_order_id="",
        created_ms=state.now_ms,
        updated_ms=state.now_ms,
    )
    again(state, symbol, intent)


def again(state: State, symbol: SymbolState, intent: Intent) -> None:
    """Send the next attempt for what is left of the position; dust is recorded and left to the stop."""
    left = min(intent.quantity - intent.executed_quantity, abs(symbol.track.quantity))
    price = symbol.mark
    quantity = _sendable(symbol, left, price)
    if quantity:
        approved = ApprovedOrder(intent, OrderType.MARKET, quantity, ZERO, TimeInForce.GTC, 0, price)
        orders.submit(state, symbol, approved)
        return
    detail = f"{plain(left)} {symbol.symbol} left: too little for an order; the stop closes it"
    audit.open_incident(state, "dust", symbol.symbol, audit.WARNING, detail)
    orders.close_intent(state, symbol, intent, "given_up")


def failed(state: State, symbol: SymbolState, intent: Intent) -> None:
    """Give up an exit after its last attempt: people must look, no entries meanwhile."""
    orders.close_intent(state, symbol, intent, "given_up")
    side = side_word(symbol.track.side)
    detail = f"{side} {symbol.symbol} {plain(abs(symbol.track.quantity))} is still open after {intent.attempt} attempts"
    audit.halt(state, "exit_failed", symbol.symbol, detail)
    title = f"EXIT FAILED {symbol.symbol}"
    thread = audit.thread_of(symbol.symbol, symbol.track.trip)
    audit.alert(state, audit.CRITICAL, "exit_failed", symbol.symbol, intent.intent_id, title, detail, thread)


def _sendable(symbol: SymbolState, left: Decimal, price: Decimal) -> Decimal:
    if symbol.instrument is None:
        return left
    most = symbol.instrument.market_max_quantity or left
    quantity = symbol.instrument.floor_quantity(min(left, most), market=True)
    complaint = symbol.instrument.refusal(quantity, price, market=True, reduce_only=True)
    return ZERO if complaint else quantity
