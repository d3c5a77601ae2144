"""After every event: make orders and stops fit what is wanted now. Doing it twice changes nothing."""

from collections.abc import Iterable

from bot.trading import attempts, equity, orders, people, stops
from bot.trading.state import State, SymbolState


def converge(state: State) -> None:
    """Look after every symbol that was touched or is due, and judge equity if that is due."""
    equity.judge_if_due(state)
    if state.wake_ms is not None and state.now_ms >= state.wake_ms:
        state.touched |= {symbol.symbol: None for symbol in state.by_symbol.values() if _is_due(state, symbol)}
    while state.touched:
        symbol = state.by_symbol[state.touched.popitem()[0]]
        _look_after(state, symbol)
        wake_ms = _next_ms(state, symbol)
        if wake_ms != symbol.wake_ms:
            symbol.wake_ms = wake_ms
            state.wake_ms = _earliest(each.wake_ms for each in state.by_symbol.values())
    if state.requests:
        people.follow_up(state)


def deadline_ms(state: State) -> int | None:
    """Return the next market time at which something is due, None = never."""
    return _earliest((state.wake_ms, equity.deadline_ms(state)))


def _look_after(state: State, symbol: SymbolState) -> None:
    if symbol.orders:
        attempts.advance(state, symbol)
    if symbol.track.quantity or symbol.algos or symbol.intents:
        stops.protect(state, symbol)
    if symbol.orders:
        orders.cancel_unwanted(state, symbol)
        orders.settle(state, symbol)
    else:
        symbol.fills_due_ms = 0


def _is_due(state: State, symbol: SymbolState) -> bool:
    return symbol.wake_ms is not None and symbol.wake_ms <= state.now_ms


def _next_ms(state: State, symbol: SymbolState) -> int | None:
    if not (symbol.orders or symbol.retry_ms or symbol.fills_due_ms or symbol.stop_after_ms):
        return None
    fills_ms = symbol.fills_due_ms if symbol.fills_due_ms > state.now_ms else None
    return _earliest((attempts.next_ms(state, symbol), fills_ms, stops.next_ms(state, symbol)))


def _earliest(times: Iterable[int | None]) -> int | None:
    return min((each for each in times if each is not None), default=None)
