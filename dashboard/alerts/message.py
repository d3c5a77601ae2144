"""What is sent, what a channel is, and how a channel says that it could not send."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol


class Severity(StrEnum):
    """How much it matters. CRITICAL asks people to act now."""

    INFO = "INFO"
    WARNING = "WARNING"
    CRITICAL = "CRITICAL"


@dataclass(frozen=True, slots=True)
class Message:
    """One alert as people read it. `headline` carries mode, bot name and what happened, on one line.

    `thread` names the position it belongs to, empty for none. `result` marks the one that closes its thread.
    `key` is the alert's own id: one delivery each, whatever is restarted. `at_ms` is market time.
    """

    key: str
    at_ms: int
    severity: Severity
    event: str
    symbol: str
    headline: str
    text: str = ""
    thread: str = ""
    result: bool = False


class Channel(Protocol):
    """Where messages go. `root` is what `send` returned for the first message of the thread, empty for none."""

    @property
    def name(self) -> str:
        """Return the name under which deliveries are recorded."""

    @property
    def paced(self) -> bool:
        """Say whether people read it: then at most one message a second, and similar ones told together."""

    async def send(self, message: Message, root: str) -> str:
        """Send one message and return a reference to it (may be empty); raises Busy, Unreachable or Refused."""

    async def revise(self, root: str, first: Message, result: Message) -> None:
        """Show a thread's result in its first message, where the channel can; raises as `send` does."""

    async def close(self) -> None:
        """Let go of connections."""


class ChannelError(Exception):
    """The base of what a channel raises. Its text never holds an address or a secret."""


class Busy(ChannelError):  # noqa: N818 - named for what to do
    """The receiver asks for patience: nothing was sent, try again after `retry_after_seconds`."""

    def __init__(self, retry_after_seconds: float) -> None:
        super().__init__(f"busy for {retry_after_seconds:g} s")
        self.retry_after_seconds = retry_after_seconds


class Unreachable(ChannelError):  # noqa: N818 - named for what to do
    """No answer, or a server error: try again with back-off."""


class Refused(ChannelError):  # noqa: N818 - named for what to do
    """The receiver will never take this message as it is: give it up."""


def retry_after(value: str | None) -> float:
    """Read a Retry-After header in seconds; what cannot be read counts as one second, an hour is the most."""
    try:
        seconds = float(value or 1)
    except ValueError:
        return 1.0
    return min(max(seconds, 0.1), 3_600.0) if seconds == seconds else 1.0  # noqa: PLR0124 - NaN differs from itself
