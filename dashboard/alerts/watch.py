"""Watches the heartbeat: one alert when it dies, one when it is back. Pure: what was already said is given."""

from dataclasses import dataclass
from enum import StrEnum

from dashboard.heartbeat import DEAD_AFTER_SECONDS, Pulse, Sign

NEVER_SEEN_SECONDS = 60.0
KEY_PREFIX = "heartbeat-"


class Turn(StrEnum):
    """What changed."""

    DEAD = "dead"
    BACK = "back"


@dataclass(frozen=True, slots=True)
class News:
    """A change to tell. `key` is derived from the last beat, so that a restarted watcher says nothing twice."""

    key: str
    turn: Turn
    title: str
    text: str


class HeartbeatWatch:
    """Judges each look at the heartbeat. `last_key` is the last news told, by whichever process told it."""

    def __init__(self, last_key: str = "") -> None:
        self._dead_key = last_key if last_key.startswith(f"{KEY_PREFIX}{Turn.DEAD}") else ""

    def look(self, sign: Sign, watching_seconds: float) -> News | None:
        """Return what has to be told now, or None. `watching_seconds` is how long we have been looking."""
        if sign.live or sign.pulse is Pulse.STOPPED:
            return self._back(sign)
        if self._dead_key or (sign.pulse is Pulse.NEVER and watching_seconds < NEVER_SEEN_SECONDS):
            return None
        return self._dead(sign)

    def _dead(self, sign: Sign) -> News:
        at_ms = sign.beat.at_ms if sign.beat else 0
        self._dead_key = f"{KEY_PREFIX}{Turn.DEAD}-{at_ms}"
        text = "Open positions keep their stops at the exchange. Check that the bot runs: act health"
        if sign.beat is None:
            return News(self._dead_key, Turn.DEAD, "The bot has written no heartbeat", text)
        title = f"The bot's heartbeat is older than {DEAD_AFTER_SECONDS:g} s (last {sign.beat.ts:%H:%M:%S} UTC)"
        return News(self._dead_key, Turn.DEAD, title, text)

    def _back(self, sign: Sign) -> News | None:
        if not self._dead_key:
            return None
        key = self._dead_key.replace(f"{KEY_PREFIX}{Turn.DEAD}", f"{KEY_PREFIX}{Turn.BACK}")
        self._dead_key = ""
        state = sign.beat.state if sign.beat else ""
        return News(key, Turn.BACK, f"The bot's heartbeat is back: {state}", "")
