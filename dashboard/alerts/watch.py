"""Watches the heartbeat: one alert when it dies, one when it is back. Pure: what was already said is given."""

from dataclasses import dataclass
from enum import StrEnum

from dashboard.heartbeat import DEAD_AFTER_SECONDS, Pulse, Sign

NEVER_SEEN_SECONDS = 60.0
NOT_DEAD = -1


class Turn(StrEnum):
    """What changed."""

    DEAD = "dead"
    BACK = "back"


@dataclass(frozen=True, slots=True)
class News:
    """A change to tell. `key` is derived from the last beat, so that no channel is told of one death twice."""

    key: str
    turn: Turn
    title: str
    text: str


class HeartbeatWatch:
    """Judges each look at the heartbeat.

    `died_ms` is the time of the last beat before a death that was told (0 = there never was a beat), NOT_DEAD for none;
    it is kept for the next process. A death that is still on at its start is news once more, under the same key.
    """

    def __init__(self, died_ms: int = NOT_DEAD) -> None:
        self.died_ms = died_ms
        self._told = False

    def look(self, sign: Sign, watching_seconds: float) -> News | None:
        """Return what has to be told now, or None. `watching_seconds` is how long we have been looking."""
        if sign.live or sign.pulse is Pulse.STOPPED:
            return self._back(sign)
        if self._told or (sign.pulse is Pulse.NEVER and watching_seconds < NEVER_SEEN_SECONDS):
            return None
        return self._dead(sign)

    def _dead(self, sign: Sign) -> News:
        self.died_ms = sign.beat.at_ms if sign.beat else 0
        self._told = True
        key = f"heartbeat-{Turn.DEAD}-{self.died_ms}"
        text = "Open positions keep their stops at the exchange. Check that the bot runs: act health"
        if sign.beat is None:
            return News(key, Turn.DEAD, "The bot has written no heartbeat", text)
        title = f"The bot's heartbeat is older than {DEAD_AFTER_SECONDS:g} s (last {sign.beat.ts:%H:%M:%S} UTC)"
        return News(key, Turn.DEAD, title, text)

    def _back(self, sign: Sign) -> News | None:
        if self.died_ms == NOT_DEAD:
            return None
        key = f"heartbeat-{Turn.BACK}-{self.died_ms}"
        self.died_ms = NOT_DEAD
        self._told = False
        state = sign.beat.state if sign.beat else ""
        return News(key, Turn.BACK, f"The bot's heartbeat is back: {state}", "")
