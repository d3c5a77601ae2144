"""One incident row per fault: opened when it begins, counted while it lasts, closed when it ends."""

from collections.abc import Callable, Iterable

from msgspec.structs import replace

from bot.domain.records import Alert, Incident, Row
from bot.ports import Clock

RUNTIME_CODES = frozenset(
    {
        "candle_revised",
        "data_stale",
        "kill_switch",
        "requests_unreadable",
        "stream_down",
        "task_died",
        "task_failed",
    }
)
"""What the runtime opens and closes; every other incident is the core's or the database's own."""
_SAME_MS = 60_000


class Incidents:
    """Keeps the open faults of the running process and writes them down through `write`."""

    def __init__(self, clock: Clock, write: Callable[[list[Row]], None]) -> None:
        self._clock = clock
        self._write = write
        self._open: dict[tuple[str, str], Incident] = {}
        self._noted: dict[tuple[str, str], Incident] = {}
        self.critical = 0

    def inherit(self, left_open: Iterable[Incident]) -> None:
        """End the runtime's incidents of a process that could not do so itself; what still holds is opened anew."""
        now = self._clock.wall_ms()
        rows: list[Row] = [_closed(each, now) for each in left_open if each.code in RUNTIME_CODES]
        if rows:
            self._write(rows)

    def note(self, code: str, symbol: str, detail: str) -> None:
        """Note a fault that is over as soon as it is seen; the same one again within a minute is only counted."""
        key = code, symbol
        now = self._clock.wall_ms()
        known = self._noted.get(key)
        if known is not None and now - known.opened_ms < _SAME_MS:
            row = _closed(_counted(known), now)
        else:
            row = Incident(f"{code}-{symbol or 'all'}-{now}", code, symbol, "WARNING", now, now, detail, 1)
        self._noted[key] = row
        self._write([row])

    def open(self, code: str, symbol: str, detail: str, *, severity: str = "WARNING", alert: bool = False) -> None:
        """Note a fault; one that is already open is only counted."""
        key = code, symbol
        now = self._clock.wall_ms()
        known = self._open.get(key)
        if known is not None:
            self._open[key] = _counted(known)
            return
        incident = Incident(f"{code}-{symbol or 'all'}-{now}", code, symbol, severity, now, 0, detail, 1)
        self._open[key] = incident
        self.critical += severity == "CRITICAL"
        rows: list[Row] = [incident]
        if alert:
            rows.append(
                Alert(
                    f"incident-{incident.incident_id}", now, severity, code, symbol, code.replace("_", " "), detail, ""
                )
            )
        self._write(rows)

    def close(self, code: str, symbol: str = "") -> None:
        """Note that a fault has ended; nothing happens when it was not open."""
        known = self._open.pop((code, symbol), None)
        if known is not None:
            self._write([_closed(known, self._clock.wall_ms())])


def _counted(known: Incident) -> Incident:
    return replace(known, count=known.count + 1)


def _closed(known: Incident, now: int) -> Incident:
    return replace(known, closed_ms=now)
