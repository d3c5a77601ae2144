"""One incident row per fault: opened when it begins, counted while it lasts, closed when it ends."""

from collections.abc import Callable

from bot.domain.records import Alert, Incident, Row
from bot.ports import Clock


class Incidents:
    """Keeps the open faults of the running process and writes them down through `write`."""

    def __init__(self, clock: Clock, write: Callable[[list[Row]], None]) -> None:
        self._clock = clock
        self._write = write
        self._open: dict[tuple[str, str], Incident] = {}
        self.critical = 0

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
    return Incident(
        known.incident_id, known.code, known.symbol, known.severity, known.opened_ms, 0, known.detail, known.count + 1
    )


def _closed(known: Incident, now: int) -> Incident:
    return Incident(
        known.incident_id, known.code, known.symbol, known.severity, known.opened_ms, now, known.detail, known.count
    )
