"""`status/heartbeat.json`: what the bot can prove about itself, replaced atomically, and how readers judge it."""

import json
import os
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

SCHEMA = "act-heartbeat/1"
INTERVAL_SECONDS = 2.0
SUSPECT_SECONDS = 6.0
DEAD_SECONDS = 10.0


class HeartbeatFile:
    """Writes the heartbeat. A reader sees the old file or the new one, never half of one."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._sequence = 0

    def write(self, wall_ms: int, facts: Mapping[str, Any]) -> None:
        """Replace the file; raises OSError when the folder does not take it."""
        self._sequence += 1
        beat = {"schema": SCHEMA, "ts": _rfc3339(wall_ms), "seq": self._sequence, "pid": os.getpid(), **facts}
        fresh = self._path.with_name(f".{self._path.name}.{os.getpid()}")
        fresh.unlink(missing_ok=True)
        descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o640)
        with os.fdopen(descriptor, "w", encoding="utf-8") as stream:
            os.fchmod(descriptor, 0o640)
            json.dump(beat, stream, separators=(",", ":"), default=str)
        fresh.replace(self._path)


def read(path: Path) -> dict[str, Any]:
    """Read a heartbeat; raises FileNotFoundError, or ValueError when it is not one."""
    beat = json.loads(path.read_text(encoding="utf-8"))
    if not isinstance(beat, dict) or beat.get("schema") != SCHEMA:
        raise ValueError(f"{path} is not a heartbeat of this program")
    return beat


def age_seconds(beat: Mapping[str, Any], now: datetime) -> float:
    """Return how old a heartbeat is; readers judge by this, never by the file's existence."""
    return (now - datetime.fromisoformat(str(beat["ts"]))).total_seconds()


def _rfc3339(wall_ms: int) -> str:
    return datetime.fromtimestamp(wall_ms // 1000, UTC).replace(microsecond=wall_ms % 1000 * 1000).isoformat()
