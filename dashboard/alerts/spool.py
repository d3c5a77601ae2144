"""What waits to be sent on one channel: bounded, one a second, similar ones told together. Pure: time is given."""

from collections import deque
from dataclasses import dataclass, field, replace

from dashboard.alerts.message import Message, Severity
from dashboard.alerts.rules import Loudness

DIGEST_SECONDS = 60.0


@dataclass(slots=True)
class Bucket:
    """Slack's limit: about one message a second and channel, short bursts allowed."""

    burst: int = 3
    per_second: float = 1.0
    _tokens: float = field(init=False)
    _since: float | None = field(default=None, init=False)

    def __post_init__(self) -> None:
        self._tokens = float(self.burst)

    def wait(self, now: float) -> float:
        """Return how many seconds until the next message may go; 0 = now."""
        self._refill(now)
        return 0.0 if self._tokens >= 1.0 else (1.0 - self._tokens) / self.per_second

    def take(self, now: float) -> None:
        """Count one message."""
        self._refill(now)
        self._tokens -= 1.0

    def _refill(self, now: float) -> None:
        if self._since is not None:
            self._tokens = min(float(self.burst), self._tokens + (now - self._since) * self.per_second)
        self._since = now


@dataclass(frozen=True, slots=True)
class Parcel:
    """One thing to send, every message it tells of (one, unless it is a digest), and how many drops it tells."""

    message: Message
    covers: tuple[Message, ...]
    drops: int = 0


@dataclass(slots=True)
class _Window:
    opened: float
    held: list[Message] = field(default_factory=list)


class Spool:
    """The queue of one channel. INFO is dropped first; drops are counted and told with the next message."""

    def __init__(self, limit: int = 200, *, digests: bool = True) -> None:
        self._limit = limit
        self._digests = digests
        self._waiting: deque[Parcel] = deque()
        self._windows: dict[tuple[str, str], _Window] = {}
        self._dropped = 0

    def __len__(self) -> int:
        return len(self._waiting) + sum(len(window.held) for window in self._windows.values())

    def put(self, message: Message, loudness: Loudness, now: float) -> tuple[Message, ...]:
        """Queue a message; returns the messages that had to be dropped for it."""
        if self._is_held(message, loudness, now):
            return self._shed()
        self._waiting.append(Parcel(message, (message,)))
        return self._shed()

    def next(self, now: float) -> Parcel | None:
        """Return what to send next, without removing it; None = nothing is due."""
        self._close_windows(now)
        if not self._waiting:
            return None
        parcel = self._waiting[0]
        if not self._dropped:
            return parcel
        return replace(parcel, message=_with_drops(parcel.message, self._dropped), drops=self._dropped)

    def done(self, *, told_drops: int) -> None:
        """Remove what `next` returned: it was sent, or given up."""
        self._waiting.popleft()
        self._dropped -= told_drops

    def _is_held(self, message: Message, loudness: Loudness, now: float) -> bool:
        if not self._digests or message.severity is Severity.CRITICAL or message.thread:
            return False
        key = (message.event, message.symbol)
        window = self._windows.get(key)
        if window is not None:
            window.held.append(message)
            return True
        self._windows[key] = _Window(now)
        if loudness is Loudness.SILENT:
            self._windows[key].held.append(message)
            return True
        return False

    def _close_windows(self, now: float) -> None:
        for key, window in list(self._windows.items()):
            if now - window.opened < DIGEST_SECONDS:
                continue
            del self._windows[key]
            if window.held:
                self._waiting.append(_digest(tuple(window.held)))
                self._windows[key] = _Window(now)

    def _shed(self) -> tuple[Message, ...]:
        dropped: list[Message] = []
        while len(self) > self._limit:
            dropped += self._drop_one()
        self._dropped += len(dropped)
        return tuple(dropped)

    def _drop_one(self) -> tuple[Message, ...]:
        for severity in (Severity.INFO, Severity.WARNING):
            for window in self._windows.values():
                for index, message in enumerate(window.held):
                    if message.severity is severity:
                        return (window.held.pop(index),)
            for index, parcel in enumerate(self._waiting):
                if index and parcel.message.severity is severity:  # the first one may be on its way
                    del self._waiting[index]
                    return parcel.covers
        return self._waiting.pop().covers


def _digest(held: tuple[Message, ...]) -> Parcel:
    last = held[-1]
    worst = Severity.WARNING if any(message.severity is Severity.WARNING for message in held) else Severity.INFO
    if len(held) == 1:
        return Parcel(last, held)
    headline = f"{last.headline} ({len(held)} similar in {DIGEST_SECONDS:g} s)"
    return Parcel(replace(last, headline=headline, severity=worst), held)


def _with_drops(message: Message, dropped: int) -> Message:
    note = f"{dropped} less important messages were dropped: this channel was too slow for them."
    return replace(message, text=f"{message.text}\n{note}" if message.text else note)
