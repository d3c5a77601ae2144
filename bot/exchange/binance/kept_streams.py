"""Several streams, each on a connection of its own, opened together and watched for silence."""

from collections.abc import Callable, Sequence
from typing import Protocol

from bot.domain.errors import RetryLater
from bot.exchange.binance.connection import KeptConnection, Link
from bot.exchange.binance.settings import BinanceSettings
from bot.exchange.binance.tasks import Tasks
from bot.ports import Clock, StreamHealth, Transport

_CHECK_SECONDS = 0.5
_POLL_SECONDS = 0.05


class KeptStream(Link, Protocol):
    """A link that judges its own life: `up` once it has proven it, `restart(why)` asks for another connection."""

    up: bool
    restart: Callable[[str], None]

    def age_ms(self) -> int:
        """Return the wall time since the last proof of life, in ms."""

    def check(self) -> None:
        """Look for silence; called every half second."""


class KeptStreams:
    """Keeps streams connected from `open` until the tasks are closed."""

    def __init__(
        self,
        streams: Sequence[KeptStream],
        settings: BinanceSettings,
        clock: Clock,
        transport: Transport,
        tasks: Tasks,
    ) -> None:
        self._streams = tuple(streams)
        self._settings = settings
        self._clock = clock
        self._tasks = tasks
        self._connections = {stream.name: KeptConnection(stream, clock, transport) for stream in streams}
        self._begun = False
        for stream in streams:
            stream.restart = self._connections[stream.name].restart

    async def open(self) -> None:
        """Connect everything and return when each stream has proven to be alive; raises RetryLater while one has not.

        They go on trying at their own pace meanwhile: ask again.
        """
        if not self._begun:
            self._begun = True
            for name, connection in self._connections.items():
                self._tasks.spawn(f"{name} connection", connection.run())
            self._tasks.spawn("stream checks", self._check_for_ever())
        began = self._clock.monotonic()
        while silent := [stream.name for stream in self._streams if not stream.up]:
            if self._clock.monotonic() - began > self._settings.first_data_timeout_seconds:
                why = "; ".join(self._connections[name].last_trouble or "connected, but silent" for name in silent)
                raise RetryLater(
                    f"no data on the {', '.join(silent)} stream ({why}). Check the stream URLs in [endpoints]."
                )
            await self._clock.sleep(_POLL_SECONDS)

    def health(self) -> tuple[StreamHealth, ...]:
        """Return each stream's state."""
        return tuple(
            StreamHealth(stream.name, stream.up, stream.age_ms(), self._connections[stream.name].reconnects)
            for stream in self._streams
        )

    async def _check_for_ever(self) -> None:
        while True:
            await self._clock.sleep(_CHECK_SECONDS)
            for stream in self._streams:
                stream.check()
