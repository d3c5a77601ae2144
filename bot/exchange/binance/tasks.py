"""The adapter's background tasks: named, awaited at the end, and never dying unseen."""

import asyncio
from collections.abc import Coroutine

import structlog

from bot.exchange.binance.errors import scrub

_log = structlog.get_logger()


class Tasks:
    """Starts tasks and remembers which of them died of an exception."""

    def __init__(self) -> None:
        self._running: dict[asyncio.Task[None], None] = {}
        self._dead: dict[str, None] = {}
        self._closing = False

    def spawn(self, name: str, work: Coroutine[None, None, None]) -> None:
        """Run `work` in the background."""
        if self._closing:
            work.close()
            return
        task = asyncio.create_task(work, name=name)
        self._running[task] = None
        task.add_done_callback(self._ended)

    def dead(self) -> tuple[str, ...]:
        """Return the names of tasks that an exception ended."""
        return tuple(self._dead)

    async def close(self) -> None:
        """Cancel what still runs, the oldest first, and wait for its end."""
        self._closing = True
        for task in self._running:
            task.cancel()
        await asyncio.gather(*self._running, return_exceptions=True)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._running.pop(task, None)
        if task.cancelled() or (error := task.exception()) is None:
            return
        self._dead[task.get_name()] = None
        _log.error("exchange.task_died", task=task.get_name(), error=type(error).__name__, why=scrub(str(error)))
