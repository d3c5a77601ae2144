"""Reads `status/heartbeat.json` and judges it by its age: its being there proves nothing."""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from pathlib import Path
from typing import Any

import msgspec

SUSPECT_AFTER_SECONDS = 6.0
DEAD_AFTER_SECONDS = 10.0


class Pulse(StrEnum):
    """What a heartbeat's age says about the bot."""

    ALIVE = "alive"
    SUSPECT = "suspect"
    DEAD = "dead"
    NEVER = "never"
    STOPPED = "stopped"


class Heartbeat(msgspec.Struct, frozen=True):
    """What the bot last said about itself. `ts` is RFC 3339 UTC; ages are milliseconds at that moment."""

    ts: datetime
    mode: str = ""
    name: str = ""
    state: str = ""
    reason: str = ""
    version: str = ""
    pid: int = 0
    seq: int = 0
    market_ms: int = 0
    streams: dict[str, Any] = msgspec.field(default_factory=dict)
    positions: int = 0
    open_orders: int = 0
    equity: Decimal | None = None
    day_pnl: Decimal | None = None
    risk: dict[str, Any] = msgspec.field(default_factory=dict)
    reconcile_age_s: float | None = None
    clock_offset_ms: float | None = None
    last_error: Any = None

    @property
    def at_ms(self) -> int:
        """Return when it was written (ms UTC)."""
        return round(self.ts.timestamp() * 1_000)


@dataclass(frozen=True, slots=True)
class Sign:
    """A heartbeat and the verdict on it; `beat` is None when none was ever readable."""

    beat: Heartbeat | None
    pulse: Pulse
    age_seconds: float

    @property
    def live(self) -> bool:
        """Say whether numbers may be shown as the present ones."""
        return self.pulse is Pulse.ALIVE or self.pulse is Pulse.SUSPECT


def read(path: Path, now_ms: int) -> Sign:
    """Read and judge the heartbeat file; a missing or broken one is no sign of life."""
    try:
        beat = msgspec.json.decode(path.read_bytes(), type=Heartbeat)
    except (OSError, msgspec.MsgspecError):
        return Sign(None, Pulse.NEVER, float("inf"))
    seconds = max(0.0, (now_ms - beat.at_ms) / 1_000)
    return Sign(beat, _judge(beat, seconds), seconds)


@dataclass(frozen=True, slots=True)
class Stream:
    """A stream as the bot last told of it: the age of its last proof of life, and whether it is connected."""

    age_ms: int
    up: bool


def streams(beat: Heartbeat) -> dict[str, Stream]:
    """Return each stream by name; what cannot be read is left out."""
    found = {}
    for name, value in beat.streams.items():
        if isinstance(value, dict) and isinstance(age := value.get("age_ms"), int | float):
            found[name] = Stream(int(age), bool(value.get("up", True)))
    return found


def _judge(beat: Heartbeat, seconds: float) -> Pulse:
    if beat.state == "stopped":
        return Pulse.STOPPED
    if seconds > DEAD_AFTER_SECONDS:
        return Pulse.DEAD
    return Pulse.SUSPECT if seconds > SUSPECT_AFTER_SECONDS else Pulse.ALIVE
