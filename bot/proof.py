"""What a demo proves: books equal to the exchange's, a heartbeat that never stopped, and every error counted."""

import json
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

from bot.domain.errors import RetryLater
from bot.runtime import heartbeat
from database import ledger
from database.queries import Queries
from database.session import act_url, desk_url

COMPARE_SECONDS = 10.0
OLDEST_BEAT_SECONDS = 6.0
UNHANDLED = frozenset({"process.crashed", "loop.unhandled", "task.died"})


def differences(home: Path, fetch: Callable[[], bytes], *, patience_seconds: float = COMPARE_SECONDS) -> list[str]:
    """Compare the bot's ledger with the exchange's until they are equal or patience ends; return what differs."""
    deadline = time.monotonic() + patience_seconds
    while True:
        found = _differences_now(home, fetch())
        if not found or time.monotonic() >= deadline:
            return found
        time.sleep(0.1)


def _differences_now(home: Path, theirs: bytes) -> list[str]:
    try:
        return ledger.difference(ledger.canonical(act_url(home / "status")), theirs)
    except RetryLater as error:
        return [str(error)]


def counted(home: Path) -> dict[str, int]:
    """Return orders, fills, trades, open positions and incidents out of the tables, and errors out of them and logs."""
    status = home / "status"
    counts = Queries(act_url(status), desk_url(status)).counts()
    return {
        "orders": counts.orders,
        "fills": counts.fills,
        "trades": counts.trades,
        "open_positions": counts.open_positions,
        "incidents": counts.incidents,
        "errors": counts.critical_incidents + _unhandled(home / "logs"),
    }


def _unhandled(logs: Path) -> int:
    lines = [line for path in logs.glob("*errors.jsonl*") for line in path.read_text(encoding="utf-8").splitlines()]
    return sum(_event(line) in UNHANDLED for line in lines)


def _event(line: str) -> str:
    with suppress(ValueError):  # a killed process may leave half a line
        return str(json.loads(line).get("event"))
    return ""


class HeartbeatWatch(threading.Thread):
    """Reads the heartbeat as a health check would: every read must parse, none may be older than six seconds."""

    def __init__(self, home: Path) -> None:
        super().__init__(name="heartbeat watch", daemon=True)
        self._path = home / "status" / "heartbeat.json"
        self._done = threading.Event()
        self._good = True

    def run(self) -> None:
        """Read five times a second until `finish`."""
        while not self._done.wait(0.2):
            self._good &= self._read()

    def finish(self) -> bool:
        """Stop watching and return whether every read was good."""
        self._done.set()
        self.join()
        return self._good

    def _read(self) -> bool:
        try:
            beat = heartbeat.read(self._path)
            return heartbeat.age_seconds(beat, datetime.now(UTC)) <= OLDEST_BEAT_SECONDS
        except (OSError, ValueError, KeyError):
            return False
