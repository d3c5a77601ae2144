"""Rows for people: why each decision was made, alerts, incidents, halts."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Final

from msgspec import json
from msgspec.structs import replace

from bot.domain.order import Side
from bot.domain.records import Alert, Decision, Incident, RiskEvent, RiskState, SignalRow
from bot.trading.state import Halt, State, SymbolState

INFO: Final = "INFO"
WARNING: Final = "WARNING"
CRITICAL: Final = "CRITICAL"
HALT_PREFIX: Final = "halt."
NOTHING: Final[dict[str, str]] = {}
_REMEMBERED_ALERTS: Final = 1_000


def text_of(values: Mapping[str, object]) -> str:
    """Write audit values as JSON."""
    return json.encode(values).decode()


def decode(text: str) -> dict[str, str]:
    """Read back audit values that are texts."""
    return json.decode(text, type=dict[str, str])


def signal(state: State, symbol: SymbolState, signal_id: str, kind: str, side: Side) -> None:
    """Record a strategy's signal at the symbol's last close."""
    if not state.narrated:
        return
    row = SignalRow(
        signal_id=signal_id,
        symbol=symbol.symbol,
        strategy=strategy_name(symbol),
        at_ms=state.now_ms,
        kind=kind,
        side=side,
        price=symbol.last_close,
    )
    state.record(row)


def decide(
    state: State,
    symbol: SymbolState,
    decision_id: str,
    *,
    action: str,
    side: Side,
    reason: str,
    price: Decimal,
    quantity: Decimal,
    gates: Mapping[str, str] = NOTHING,
    sizing: Mapping[str, str] = NOTHING,
    intent_id: str = "",
    retry_ms: int = 0,
) -> None:
    """Record a decision with the numbers and verdicts behind it."""
    state.last_decision_ms = state.now_ms
    if not state.narrated:
        return
    row = Decision(
        decision_id=decision_id,
        symbol=symbol.symbol,
        strategy=strategy_name(symbol),
        at_ms=state.now_ms,
        action=action,
        side=side,
        reason=reason,
        price=price,
        quantity=quantity,
        inputs=text_of(symbol.verdict.inputs if symbol.verdict else NOTHING),
        gates=text_of(gates),
        sizing=text_of(sizing),
        intent_id=intent_id,
        retry_ms=retry_ms,
        config_hash=state.plan.config_hash,
        code_version=state.plan.code_version,
    )
    state.record(row)


def alert(
    state: State, severity: str, event: str, symbol: str, cause: object, title: str, text: str, thread: str = ""
) -> None:
    """Tell people, once for each event, symbol and cause."""
    if not state.narrated:
        return
    alert_id = f"{event}-{symbol}-{cause}" if symbol else f"{event}-{cause}"
    if alert_id in state.alerted:
        return
    state.alerted[alert_id] = None
    if len(state.alerted) > _REMEMBERED_ALERTS:
        del state.alerted[next(iter(state.alerted))]
    state.record(Alert(alert_id, state.now_ms, severity, event, symbol, title, text, thread))


def open_incident(state: State, code: str, symbol: str, severity: str, detail: str) -> None:
    """Open an incident unless it is open already, and alert."""
    key = f"{code}-{symbol}"
    if key in state.incidents:
        return
    row = Incident(f"{key}-{state.now_ms}", code, symbol, severity, state.now_ms, 0, detail, 1)
    state.incidents[key] = row
    state.record(row)
    alert(state, severity, code, symbol, state.now_ms, f"{code} {symbol}".strip(), detail)


def close_incident(state: State, code: str, symbol: str) -> None:
    """Close an incident if it is open."""
    row = state.incidents.pop(f"{code}-{symbol}", None)
    if row is not None:
        state.record(replace(row, closed_ms=state.now_ms))


def halt(state: State, reason: str, symbol: str, detail: str, severity: str = CRITICAL) -> None:
    """Stop entries (of one symbol, or with "" of all) until a person resumes; positions stay managed."""
    if (reason, symbol) in state.halted:
        return
    _keep_halt(state, reason, symbol, Halt(detail, state.now_ms))
    state.touch_all()
    title = f"HALT {symbol} {reason}" if symbol else f"HALT {reason}"
    alert(state, severity, "halt", symbol, f"{reason}-{state.now_ms}", title, detail)


def end_halts(state: State, symbol: str, why: str) -> list[str]:
    """End the halts of a symbol, or with "" all; return their reasons."""
    ended = [key for key in state.halted if symbol in {"", key[1]}]
    for reason, where in ended:
        _keep_halt(state, reason, where, Halt(why, state.now_ms, active=False))
    return [reason for reason, _ in ended]


def restore_halt(state: State, row: RiskState) -> None:
    """Take back a halt that an earlier process kept."""
    kept = json.decode(row.value, type=Halt)
    if kept.active:
        state.halted[row.rule.removeprefix(HALT_PREFIX), row.symbol] = kept


def strategy_name(symbol: SymbolState) -> str:
    """Return the strategy's registered name, empty for a foreign symbol."""
    return symbol.strategy.name if symbol.strategy else ""


def thread_of(symbol: str, trip: int) -> str:
    """Return the alert thread of a position."""
    return f"{symbol}-{trip}"


def _keep_halt(state: State, reason: str, symbol: str, kept: Halt) -> None:
    if kept.active:
        state.halted[reason, symbol] = kept
    else:
        state.halted.pop((reason, symbol), None)
    state.record(RiskState(f"{HALT_PREFIX}{reason}", symbol, json.encode(kept).decode(), state.now_ms))
    kind = "halt" if kept.active else "halt_ended"
    event_id = f"{reason}-{symbol}-{state.now_ms}-{kind}"
    state.record(RiskEvent(event_id, state.now_ms, reason, symbol, kind, kept.detail))
