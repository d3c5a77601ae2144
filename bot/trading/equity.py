"""When equity is judged: once all traded symbols have closed a minute, and (in `fills`) at each fill."""

from typing import Final

from bot.domain.market import MINUTE_MS
from bot.domain.records import RiskEvent
from bot.trading import audit
from bot.trading.state import State

_BOUNDARY_PATIENCE_MS: Final = 2_000


def before_candle(state: State, close_ms: int) -> None:
    """Judge the last minute before the first candle of a later one changes a close."""
    if close_ms > state.boundary_ms:
        if not state.boundary_judged:
            _judge_boundary(state)
        state.boundary_ms = close_ms
        state.boundary_closed.clear()
        state.boundary_judged = False


def after_candle(state: State, symbol: str, close_ms: int, *, complete: bool) -> None:
    """Judge the minute if this was the last symbol to close it, or the feed says that no other follows."""
    if close_ms != state.boundary_ms or state.boundary_judged:
        return
    if not complete:
        state.boundary_closed.add(symbol)
    if complete or state.boundary_closed.issuperset(state.traded):
        _judge_boundary(state)


def judge_if_due(state: State) -> None:
    """Judge a minute that some symbol has not closed in time, or a day that began in silence."""
    if state.boundary_judged and state.judge_ms is not None and state.now_ms < state.judge_ms:
        return
    due_ms = deadline_ms(state)
    if due_ms is not None and state.now_ms >= due_ms:
        state.boundary_ms = max(state.boundary_ms, state.now_ms - state.now_ms % MINUTE_MS)
        _judge_boundary(state)


def deadline_ms(state: State) -> int | None:
    """Return when equity has to be judged though nothing happens."""
    if not state.opened:
        return None
    quiet_ms = None if state.judge_ms is None else state.judge_ms + _BOUNDARY_PATIENCE_MS
    if state.boundary_judged:
        return quiet_ms
    due_ms = state.boundary_ms + _BOUNDARY_PATIENCE_MS
    return due_ms if quiet_ms is None else min(due_ms, quiet_ms)


def judge(state: State) -> None:
    """Have the rules look at equity now; a halt of theirs withdraws what still rests."""
    if not state.opened:
        return
    equity = state.equity
    state.peak_equity = max(state.peak_equity, equity)
    rows = state.risk.judge(state, equity)
    if rows:
        state.remember_risk(rows)
        for row in rows:
            if isinstance(row, RiskEvent):
                _tell(state, row)
    if state.judge_ms is None or state.now_ms >= state.judge_ms:
        state.judge_ms = state.risk.wake(state).deadline_ms


def _judge_boundary(state: State) -> None:
    state.boundary_judged = True
    judge(state)


def _tell(state: State, event: RiskEvent) -> None:
    state.touch_all()
    severity = audit.CRITICAL if event.kind == "halt" else audit.INFO
    title = f"{event.kind.upper().replace('_', ' ')} {event.rule}"
    audit.alert(state, severity, event.kind, event.symbol, event.risk_event_id, title, event.detail)
