"""Which alerts are sent, how loudly, and what their first line says."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from dashboard.alerts.message import Message, Severity

RESULT_EVENTS = frozenset({"exit"})


class Loudness(StrEnum):
    """`[alerts.events]`: ON is sent at once, SILENT waits for the next digest, OFF is not sent at all."""

    ON = "on"
    SILENT = "silent"
    OFF = "off"


@dataclass(frozen=True, slots=True)
class Rules:
    """How this installation wants its alerts. A CRITICAL one is always sent at once: it cannot be turned off."""

    name: str
    events: Mapping[str, str] = field(default_factory=dict)

    def loudness(self, message: Message) -> Loudness:
        """Return how a message is to be treated."""
        if message.severity is Severity.CRITICAL:
            return Loudness.ON
        return Loudness(self.events.get(message.event, Loudness.ON))

    def headline(self, mode: str, title: str) -> str:
        """Return the first line: `[DEMO] act-1 · LONG BTCUSDT filled 0.004 @ 64,210.5`."""
        return f"[{(mode or 'unknown').upper()}] {self.name} · {' '.join(title.split())}"


def severity_of(text: str) -> Severity:
    """Read a stored severity; an unknown one counts as WARNING, so that it is neither lost nor alarming."""
    try:
        return Severity(text)
    except ValueError:
        return Severity.WARNING
