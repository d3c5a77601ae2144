"""The bot's outbox, read only, and people's record of what became of each alert on each channel."""

import time
from collections.abc import Iterable
from pathlib import Path
from typing import override

from bot.domain.errors import ConfigurationError
from dashboard.alerts.courier import Ledger, Root, State
from dashboard.alerts.message import Message, Severity
from dashboard.alerts.watch import NOT_DEAD
from database.desk import Delivery, DeskWriter
from database.queries import Queries
from database.session import DatabaseMissingError, act_url, desk_url
from database.views import NumberedAlert

FIRST_BACKLOG = 20
_DEATH = "heartbeat-death"


class Outbox:
    """Both database files as the alerts process needs them."""

    def __init__(self, act: str, desk: str, status: Path) -> None:
        """Take URLs, empty for the files in `status`. Raises ConfigurationError when desk.db cannot be written."""
        try:
            status.mkdir(exist_ok=True)
        except OSError as error:
            raise ConfigurationError(f"{status} cannot be written: {error.strerror}. Check its owner.") from error
        self._act_url = act or act_url(status)
        self._desk_url = desk or desk_url(status)
        self.desk = DeskWriter(self._desk_url)

    def after(self, number: int) -> tuple[NumberedAlert, ...]:
        """Return the next alerts behind a number; () while the bot has not been started here."""
        try:
            return Queries(self._act_url, self._desk_url).alerts_after(number)
        except DatabaseMissingError:
            return ()

    def start(self, channel: str) -> int:
        """Return the number behind which a channel goes on; a new channel is told the latest few only."""
        known = self.desk.cursor(_cursor(channel))
        if known is not None:
            return known
        try:
            newest = Queries(self._act_url, self._desk_url).newest_alert_number()
        except DatabaseMissingError:
            return 0
        return max(0, newest - FIRST_BACKLOG)

    def notices_start(self) -> int:
        """Return the number behind which notices of our own side are read: the latest few, told or not."""
        return max(0, self.desk.newest_notice_number() - FIRST_BACKLOG)

    def save_cursor(self, channel: str, number: int) -> None:
        """Remember up to which number every alert's fate on a channel is known."""
        self.desk.move_cursor(_cursor(channel), number)

    def death(self) -> int:
        """Return the last death of the heartbeat that was told and not taken back, NOT_DEAD for none."""
        known = self.desk.cursor(_DEATH)
        return NOT_DEAD if known is None else known

    def save_death(self, died_ms: int) -> None:
        """Remember a death of the heartbeat, NOT_DEAD when it is back."""
        self.desk.move_cursor(_DEATH, died_ms)


class ChannelLedger(Ledger):
    """The deliveries of one channel, in `desk.db`."""

    def __init__(self, desk: DeskWriter, channel: str) -> None:
        self._desk = desk
        self._channel = channel

    @override
    def record(
        self, messages: Iterable[Message], state: State, *, reference: str = "", attempts: int = 0, detail: str = ""
    ) -> None:
        rows = []
        for message in messages:
            place, _, name = reference.partition(":")
            rows.append(self._delivery(message, state, attempts, place, name, detail))
            reference = ""
        self._desk.record_all(rows)

    @override
    def state(self, key: str) -> State | None:
        known = self._desk.delivery(key, self._channel)
        return State(known.state) if known else None

    @override
    def root(self, thread: str) -> Root | None:
        first = self._desk.thread_root(self._channel, thread)
        if first is None:
            return None
        headline, _, text = first.detail.partition("\n")
        message = Message(first.alert_id, 0, Severity.INFO, "", "", headline, text, thread)
        return Root(f"{first.place}:{first.message}", message)

    def _delivery(self, message: Message, state: State, attempts: int, place: str, name: str, detail: str) -> Delivery:
        return Delivery(
            alert_id=message.key,
            channel=self._channel,
            state=state.value,
            at_ms=time.time_ns() // 1_000_000,
            attempts=attempts,
            thread="" if message.severity is Severity.CRITICAL else message.thread,
            place=place,
            message=name,
            detail=detail or (f"{message.headline}\n{message.text}" if name else ""),
        )


def _cursor(channel: str) -> str:
    return f"alerts-{channel}"
