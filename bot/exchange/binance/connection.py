"""One WebSocket for one purpose, opened again whenever it is lost: capped exponential back-off, jitter, a hard cap."""

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Protocol

import structlog

from bot.domain.errors import ActError
from bot.exchange.binance.errors import ApiFailure
from bot.ports import Clock, Socket, Transport

_log = structlog.get_logger()

_FIRST_DELAY_SECONDS = 0.5
_LONGEST_DELAY_SECONDS = 20.0
_STABLE_AFTER_SECONDS = 30.0
_CONNECTS_PER_WINDOW = 20
_WINDOW_SECONDS = 300.0


class Link(Protocol):
    """What a connection is for. The calls come in this order, over and over: url, opened, text..., lost."""

    name: str

    async def url(self) -> str:
        """Return where to connect; raises ApiFailure when that must be asked and cannot."""

    async def opened(self, socket: Socket) -> None:
        """Say hello on a fresh connection; text may arrive meanwhile."""

    def text(self, payload: bytes) -> None:
        """Take one text message."""

    def lost(self, why: str) -> None:
        """Learn that the connection is gone."""


class _Life:
    """One connection from its opening to its end; what it says afterwards is ignored."""

    def __init__(self, link: Link) -> None:
        self.on_text: Callable[[bytes], None] = link.text
        self.ended = asyncio.Event()
        self.why = ""

    def on_closed(self, why: str) -> None:
        self.end(why)

    def end(self, why: str) -> None:
        self.mute(why)
        self.ended.set()

    def mute(self, why: str) -> None:
        self.why = self.why or why or "closed"
        self.on_text = _ignore


def _ignore(_: bytes) -> None:
    pass


class KeptConnection:
    """Keeps at most one socket open for a link, from `run` until its task is cancelled."""

    def __init__(self, link: Link, clock: Clock, transport: Transport) -> None:
        self._link = link
        self._clock = clock
        self._transport = transport
        self._connects: deque[float] = deque(maxlen=_CONNECTS_PER_WINDOW)
        self._life: _Life | None = None
        self._troubles = 0
        self.opened_count = 0
        self.last_trouble = ""

    @property
    def reconnects(self) -> int:
        """Return how often the connection was opened again."""
        return max(0, self.opened_count - 1)

    async def run(self) -> None:
        """Open, listen, and open again; never returns."""
        while True:
            await self._pace()
            began = self._clock.monotonic()
            try:
                why = await self._live_once()
            except (ConnectionError, TimeoutError, ApiFailure, ActError) as error:
                why = str(error)
            lived = self._clock.monotonic() - began
            self._troubles = 0 if lived > _STABLE_AFTER_SECONDS else self._troubles + 1
            self.last_trouble = why
            _log.warning("exchange.disconnected", stream=self._link.name, why=why, troubles=self._troubles)

    def restart(self, why: str) -> None:
        """Give up the present connection, if any, and open another one."""
        if self._life is not None:
            self._life.end(why)

    async def _live_once(self) -> str:
        url = await self._link.url()
        life = _Life(self._link)
        self._connects.append(self._clock.monotonic())
        socket = await self._transport.connect(url, life)
        self.opened_count += 1
        self._life = life
        try:
            await self._greet(life, socket)
            await life.ended.wait()
        finally:
            self._life = None
            life.mute("closed by us")
            socket.close()
        self._link.lost(life.why)
        return life.why

    async def _greet(self, life: _Life, socket: Socket) -> None:
        try:
            await self._link.opened(socket)
        except ConnectionError as error:
            life.end(str(error))

    async def _pace(self) -> None:
        await self._clock.sleep(self._delay())
        if len(self._connects) == _CONNECTS_PER_WINDOW:
            await self._clock.sleep(max(0.0, self._connects[0] + _WINDOW_SECONDS - self._clock.monotonic()))

    def _delay(self) -> float:
        if not self._troubles:
            return 0.0
        full = min(_LONGEST_DELAY_SECONDS, _FIRST_DELAY_SECONDS * 2.0 ** min(self._troubles - 1, 10))
        return full * (0.75 + self._clock.random() / 4)
