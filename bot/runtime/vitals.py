"""What the bot can prove about itself, as the heartbeat shows it."""

from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from bot.ports import ExchangeHealth
from bot.trading.state import PAUSED
from bot.trading.view import View

# Gates that close because something technical is not right; the others are closed by limits or by people.
TECHNICAL_GATES = frozenset({"unreconciled", "data_stale", "database", "stream_down", "back_fill"})


@dataclass(frozen=True)
class Stage:
    """How far the run has come. `failed` names tasks that were given up."""

    name: str
    reason: str = ""
    failed: tuple[str, ...] = ()


@dataclass(frozen=True)
class Ages:
    """Wall-clock ages that prove progress."""

    database_write_ms: int
    reconcile_seconds: float


def state_of(stage: Stage, view: View) -> tuple[str, str]:
    """Return the one word people and health checks read, and why: the worst that is true now."""
    if stage.name != "running":
        return stage.name, stage.reason
    if stage.failed:
        return "halted", stage.reason
    for halt in view.halts:
        if not halt.symbol and halt.reason != PAUSED:
            return "halted", f"{halt.reason}: {halt.detail}"
    for gate in view.gates:
        if gate.gate in TECHNICAL_GATES:
            return "degraded", f"{gate.gate} {gate.symbol} {gate.detail}".strip()
    if any(gate.gate == "kill_switch" for gate in view.gates):
        return "paused", "kill_switch"
    return ("paused", "entries are paused by a person") if view.paused else ("running", "")


def facts_of(stage: Stage, view: View, health: ExchangeHealth, ages: Ages, market_ms: int) -> dict[str, Any]:
    """Return the heartbeat's fields that need a running core."""
    state, reason = state_of(stage, view)
    return {
        "state": state,
        "reason": reason,
        "market_ms": market_ms,
        "streams": {
            each.name: {"up": each.up, "age_ms": each.age_ms, "reconnects": each.reconnects} for each in health.streams
        },
        "database": {"write_age_ms": ages.database_write_ms},
        "reconcile_age_s": round(ages.reconcile_seconds, 1),
        "positions": len(view.positions),
        "open_orders": len(view.orders),
        "equity": _money(view.equity),
        "day_pnl": _money(view.day_pnl),
        "risk": {name: _money(share) for name, share in view.risk.items()},
        "gates": sorted({gate.gate for gate in view.gates}),
        "clock_offset_ms": health.clock_offset_ms,
        "used_weight": health.used_weight,
        "last_decision_ts": view.last_decision_ms,
    }


def _money(amount: Decimal) -> str:
    return format(amount, "f")
