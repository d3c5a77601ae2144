"""Carries messages to one channel: paced, retried with back-off, each recorded, so that a restart repeats nothing."""

import asyncio
import time
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

import structlog

from dashboard.alerts.message import Busy, Channel, ChannelError, Message, Refused, Severity
from dashboard.alerts.rules import Loudness
from dashboard.alerts.spool import Bucket, Parcel, Spool

IDLE_SECONDS = 0.25
LONGEST_BACKOFF_SECONDS = 60.0
_UNPACED = 1_000


class State(StrEnum):
    """What became of an alert on a channel. SENDING found at a start: it may have arrived or not."""

    SENDING = "sending"
    WAITING = "waiting"
    SENT = "sent"
    DIGESTED = "digested"
    FAILED = "failed"
    DROPPED = "dropped"
    SKIPPED = "skipped"
    UNKNOWN = "unknown"


SETTLED = frozenset({State.SENT, State.DIGESTED, State.FAILED, State.DROPPED, State.SKIPPED, State.UNKNOWN})


@dataclass(frozen=True, slots=True)
class Root:
    """The first message of a thread and the channel's reference to it."""

    reference: str
    first: Message


class Ledger(Protocol):
    """Where one channel's deliveries are remembered."""

    def record(
        self, messages: Iterable[Message], state: State, *, reference: str = "", attempts: int = 0, detail: str = ""
    ) -> None:
        """Remember what became of messages; the first one carries the channel's reference."""

    def state(self, key: str) -> State | None:
        """Return what became of an alert on this channel, None = never heard of."""

    def root(self, thread: str) -> Root | None:
        """Return the first message of a thread that was sent on this channel."""


class Courier:
    """One channel's queue and its worker. A slow, refusing or hanging receiver holds up nothing but this channel."""

    def __init__(self, channel: Channel, ledger: Ledger, limit: int = 200) -> None:
        self._channel = channel
        self._ledger = ledger
        self._spool = Spool(limit, digests=channel.paced)
        self._bucket = Bucket() if channel.paced else Bucket(burst=_UNPACED, per_second=_UNPACED)
        self._failures = 0
        self._numbers: dict[str, int] = {}
        self._log = structlog.get_logger().bind(channel=channel.name)

    @property
    def name(self) -> str:
        """Return the channel's name."""
        return self._channel.name

    @property
    def waiting(self) -> int:
        """Return how many messages are queued."""
        return len(self._spool)

    def settled_up_to(self, read_up_to: int) -> int:
        """Return the outbox number up to which every alert's fate on this channel is known."""
        return min(self._numbers.values(), default=read_up_to + 1) - 1

    def offer(self, message: Message, loudness: Loudness, number: int = 0) -> None:
        """Queue a message unless its fate on this channel is settled, or nobody can know whether it has arrived.

        `number` is its place in the outbox, 0 for a message that does not come from there.
        """
        known = self._ledger.state(message.key)
        if known in SETTLED:
            return
        if known is State.SENDING and message.severity is not Severity.CRITICAL:
            self._ledger.record([message], State.UNKNOWN, detail="ended while it was being sent")
            return
        if loudness is Loudness.OFF:
            self._ledger.record([message], State.SKIPPED, detail="turned off in alerts.events")
            return
        if number:
            self._numbers[message.key] = number
        if dropped := self._spool.put(message, loudness, time.monotonic()):
            self._record_settled(dropped, State.DROPPED, detail="the queue was full")
            self._log.warning("alerts.dropped", count=len(dropped))

    async def run(self, stop: asyncio.Event) -> None:
        """Send what is queued until told to stop; a message on its way is seen through."""
        while not stop.is_set():
            wait = await self._step()
            with suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), wait)

    async def close(self) -> None:
        """Let go of the channel's connections."""
        await self._channel.close()

    async def _step(self) -> float:
        now = time.monotonic()
        parcel = self._spool.next(now)
        if parcel is None:
            return IDLE_SECONDS
        if wait := self._bucket.wait(now):
            return wait
        self._bucket.take(now)
        return await self._deliver(parcel)

    async def _deliver(self, parcel: Parcel) -> float:
        attempt = self._failures + 1
        root = self._ledger.root(parcel.message.thread) if parcel.message.thread else None
        self._ledger.record(parcel.covers, State.SENDING, attempts=attempt)
        try:
            reference = await self._channel.send(parcel.message, root.reference if root else "")
        except Refused as error:
            self._settle(parcel, State.FAILED, attempts=attempt, detail=str(error))
            self._log.error("alerts.refused", alert=parcel.message.key, why=str(error))
            return 0.0
        except ChannelError as error:
            return self._postpone(parcel, error, attempt)
        self._settle_sent(parcel, reference, attempt)
        if root is not None and parcel.message.result:
            await self._revise(root, parcel.message)
        return 0.0

    def _settle_sent(self, parcel: Parcel, reference: str, attempt: int) -> None:
        state = State.SENT if len(parcel.covers) == 1 else State.DIGESTED
        self._settle(parcel, state, reference=reference, attempts=attempt)
        self._log.info("alerts.sent", alert=parcel.message.key, messages=len(parcel.covers))

    def _settle(
        self, parcel: Parcel, state: State, *, reference: str = "", attempts: int = 0, detail: str = ""
    ) -> None:
        self._record_settled(parcel.covers, state, reference=reference, attempts=attempts, detail=detail)
        self._spool.done(told_drops=0 if state is State.FAILED else parcel.drops)
        self._failures = 0

    def _record_settled(
        self,
        messages: Iterable[Message],
        state: State,
        *,
        reference: str = "",
        attempts: int = 0,
        detail: str = "",
    ) -> None:
        self._ledger.record(messages, state, reference=reference, attempts=attempts, detail=detail)
        for message in messages:
            self._numbers.pop(message.key, None)

    def _postpone(self, parcel: Parcel, error: ChannelError, attempt: int) -> float:
        self._failures += 1
        self._ledger.record(parcel.covers, State.WAITING, attempts=attempt, detail=str(error))
        wait = error.retry_after_seconds if isinstance(error, Busy) else _backoff(self._failures)
        self._log.warning("alerts.postponed", alert=parcel.message.key, why=str(error), seconds=wait)
        return wait

    async def _revise(self, root: Root, result: Message) -> None:
        try:
            await self._channel.revise(root.reference, root.first, result)
        except ChannelError as error:  # the result itself was sent as a reply
            self._log.warning("alerts.thread_not_revised", alert=result.key, why=str(error))


def _backoff(failures: int) -> float:
    return min(LONGEST_BACKOFF_SECONDS, 2.0 ** min(failures - 1, 6))
