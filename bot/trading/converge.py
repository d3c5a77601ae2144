"""After every event: make orders and stops fit what is wanted now. Doing it twice changes nothing."""

from typing import Final

from bot.domain.order import Purpose
from bot.trading import attempts, entries, equity, orders, people, stops
from bot.trading.state import State, SymbolState, is_open

_UNCOMMITTED_GATE: Final = "database"


def converge(state: State) -> None:
    """Look after every symbol that was touched or is due, and judge equity if that is due."""
    equity.judge_if_due(state)
    _touch_due(state)
    while state.touched:
        symbol = state.by_symbol[state.touched.popitem()[0]]
        _look_after(state, symbol)
        symbol.wake_ms = _next_ms(state, symbol)
    if state.requests:
        people.follow_up(state)


def deadline_ms(state: State) -> int | None:
    """Return the next market time at which something is due, None = never."""
    times = (order_deadline_ms(state), equity.deadline_ms(state))
    return min((each for each in times if each is not None), default=None)


def order_deadline_ms(state: State) -> int | None:
    """Return the next market time at which an order or a stop has to be looked after, None = never."""
    times = [symbol.wake_ms for symbol in state.by_symbol.values() if symbol.wake_ms is not None]
    return min(times) if times else None


def _look_after(state: State, symbol: SymbolState) -> None:
    if symbol.orders:
        if _wants_entry(symbol) and _entries_stopped(state, symbol.symbol):
            entries.withdraw(state, symbol)
        attempts.advance(state, symbol)
    if symbol.track.quantity or symbol.algos or symbol.intents:
        stops.protect(state, symbol)
    if symbol.orders:
        orders.cancel_unwanted(state, symbol)
        orders.chase_missing_fills(state, symbol)
        orders.put_aside(symbol)
    else:
        symbol.fills_due_ms = 0


def _wants_entry(symbol: SymbolState) -> bool:
    for intent in symbol.intents.values():  # noqa: SIM110 - a generator costs three times as much
        if intent.purpose is Purpose.ENTRY and is_open(intent):
            return True
    return False


def _entries_stopped(state: State, symbol: str) -> bool:
    """Say whether resting entries must go. With the database shut a cancel could not be recorded, so they stay."""
    gates = state.gates and any(where in {"", symbol} and gate != _UNCOMMITTED_GATE for gate, where in state.gates)
    return bool(gates) or bool(state.halts(symbol)) or bool(state.risk.halts(state.now_ms))


def _touch_due(state: State) -> None:
    now_ms = state.now_ms
    for symbol in state.by_symbol.values():
        if symbol.wake_ms is not None and symbol.wake_ms <= now_ms:
            state.touched[symbol.symbol] = None


def _next_ms(state: State, symbol: SymbolState) -> int | None:
    if not (symbol.orders or symbol.retry_ms or symbol.fills_due_ms or symbol.stop_after_ms):
        return None
    times = (attempts.next_ms(state, symbol), symbol.fills_due_ms or None, stops.next_ms(state, symbol))
    return min((each for each in times if each is not None and each > state.now_ms), default=None)
