"""Watches the background tasks: a dying or hanging one is noticed, restarted with a limit, else the bot halts."""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable

import structlog

from bot.ports import Clock

_log = structlog.get_logger()

RESTARTS = 5
WINDOW_SECONDS = 600.0
CHECK_SECONDS = 0.5


class Beat:
    """A task's sign of life: called each time it gets somewhere."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self.at = clock.monotonic()

    def __call__(self) -> None:
        self.at = self._clock.monotonic()


type Work = Callable[[Beat], Awaitable[None]]


class _Ward:
    def __init__(self, name: str, work: Work, limit_seconds: float) -> None:
        self.name = name
        self.work = work
        self.limit_seconds = limit_seconds
        self.task: asyncio.Task[None] | None = None
        self.beat: Beat | None = None
        self.deaths: deque[float] = deque()
        self.given_up = False


class Supervisor:
    """Runs named tasks that must never end by themselves.

    A task that raises, returns, or gives no sign of life within its limit is restarted; more than five times in ten
    minutes and `on_give_up(name, why)` is called once, which halts the bot.
    """

    def __init__(
        self, clock: Clock, on_death: Callable[[str, str], None], on_give_up: Callable[[str, str], None]
    ) -> None:
        self._clock = clock
        self._on_death = on_death
        self._on_give_up = on_give_up
        self._wards: dict[str, _Ward] = {}

    def watch(self, name: str, work: Work, *, limit_seconds: float) -> None:
        """Start a task and keep it running."""
        ward = _Ward(name, work, limit_seconds)
        self._wards[name] = ward
        self._start(ward)

    def failed(self) -> tuple[str, ...]:
        """Return the names of tasks that were given up."""
        return tuple(ward.name for ward in self._wards.values() if ward.given_up)

    async def run(self) -> None:
        """Check every ward twice a second until cancelled; time in which nobody could run is held against nobody."""
        checked_at = self._clock.monotonic()
        while True:
            now = self._clock.monotonic()
            self._excuse(now, now - checked_at - CHECK_SECONDS)
            checked_at = now
            for ward in self._wards.values():
                self._check(ward)
            await self._clock.sleep(CHECK_SECONDS)

    async def stop(self) -> None:
        """Cancel every task and wait for them to end."""
        tasks = [ward.task for ward in self._wards.values() if ward.task is not None]
        for ward in self._wards.values():
            ward.given_up = True
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _start(self, ward: _Ward) -> None:
        ward.beat = Beat(self._clock)
        ward.task = asyncio.create_task(_endless(ward.work, ward.beat), name=ward.name)

    def _excuse(self, now: float, lost_seconds: float) -> None:
        if lost_seconds < CHECK_SECONDS:
            return
        _log.warning("loop.stood_still", seconds=round(lost_seconds, 1))
        for ward in self._wards.values():
            if ward.beat is not None:
                ward.beat.at = min(now, ward.beat.at + lost_seconds)

    def _check(self, ward: _Ward) -> None:
        if ward.given_up or ward.task is None or ward.beat is None:
            return
        if ward.task.done():
            self._died(ward, _cause(ward.task))
        elif self._clock.monotonic() - ward.beat.at > ward.limit_seconds:
            ward.task.cancel()
            self._died(ward, f"gave no sign of life for {ward.limit_seconds:g} s")

    def _died(self, ward: _Ward, why: str) -> None:
        now = self._clock.monotonic()
        ward.deaths.append(now)
        while now - ward.deaths[0] > WINDOW_SECONDS:
            ward.deaths.popleft()
        _log.error("task.died", task=ward.name, why=why, deaths=len(ward.deaths))
        if len(ward.deaths) > RESTARTS:
            ward.given_up = True
            self._on_give_up(ward.name, why)
            return
        self._on_death(ward.name, why)
        self._start(ward)


async def _endless(work: Work, beat: Beat) -> None:
    await work(beat)


def _cause(task: asyncio.Task[None]) -> str:
    if task.cancelled():
        return "was cancelled"
    error = task.exception()
    return f"{type(error).__name__}: {error}" if error is not None else "ended although it must not"
