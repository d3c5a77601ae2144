"""Reads from the exchange what the books may have missed, then lets the core compare."""

import asyncio

import structlog

from bot.domain.errors import RetryLater
from bot.domain.events import GateClosed, GateOpened, SnapshotTaken
from bot.ports import Clock, Exchange, Store
from bot.runtime.loop import Shell
from bot.runtime.supervisor import Beat

_log = structlog.get_logger()

LEAST_CHECK_SECONDS = 5.0
LEAST_FULL_SECONDS = 60.0
FIRST_WAIT_SECONDS = 0.5
LONGEST_WAIT_SECONDS = 15.0


def check_seconds(symbols: int) -> float:
    """Return how often the account is compared: more rarely with many symbols, whose histories need the weight."""
    return max(LEAST_CHECK_SECONDS, 0.2 * symbols)


def full_seconds(symbols: int) -> float:
    """Return how often the history is read too: three requests for each symbol (weight 5 each)."""
    return max(LEAST_FULL_SECONDS, 6.0 * symbols)


class Recovery:
    """Runs one recovery at a time: history since the books' mark, then a snapshot to compare with.

    A requested recovery keeps the gate `unreconciled` closed until it has succeeded; the periodic ones do not.
    """

    def __init__(self, shell: Shell, store: Store, exchange: Exchange, clock: Clock, symbols: tuple[str, ...]) -> None:
        self._shell = shell
        self._store = store
        self._exchange = exchange
        self._clock = clock
        self._symbols = symbols
        self._check_seconds = check_seconds(len(symbols))
        self._full_seconds = full_seconds(len(symbols))
        self._wanted = ""
        self._wake = asyncio.Event()
        self._read_at = clock.monotonic()
        self._full_at = clock.monotonic()
        self._useless = 0

    def age_seconds(self) -> float:
        """Return the wall time since the account was last compared."""
        return self._clock.monotonic() - self._read_at

    def request(self, reason: str) -> None:
        """Ask for a full recovery: something was missed or does not agree."""
        if not self._wanted:
            _log.warning("recovery.requested", reason=reason)
            self._shell.on_event(GateClosed(self._shell.market_ms(), "unreconciled", "", reason))
        self._wanted = reason
        self._wake.set()

    async def first(self) -> None:
        """Recover before anything else is handled; raises what the exchange raises.

        Books that are opened on an account that was used before begin now: what happened earlier is no part of them.
        """
        from_ms = 0
        if self._store.books().wallets:
            await self._read_history()
        elif await self._exchange.was_used(self._symbols):
            from_ms = self._shell.market_ms()
        snapshot = await self._exchange.snapshot(self._symbols)
        self._shell.handle(SnapshotTaken(self._shell.market_ms(), snapshot, first=True, from_ms=from_ms))
        self._mark(full=True)

    async def run(self, beat: Beat) -> None:
        """Compare every few seconds, recover fully when asked and every few minutes, for ever."""
        while True:
            beat()
            await self._pause()
            await self._once()

    async def _pause(self) -> None:
        """Wait for a request, at most until the next check is due; longer each time a recovery did not help."""
        self._useless = self._useless + 1 if self._wake.is_set() else 0
        if self._useless:
            await self._clock.sleep(min(FIRST_WAIT_SECONDS * 2 ** (self._useless - 1), LONGEST_WAIT_SECONDS))
        deadline = self._clock.monotonic() + self._check_seconds
        while not self._wake.is_set() and self._clock.monotonic() < deadline:
            await self._clock.sleep(0.1)
        self._wake.clear()

    async def _once(self) -> None:
        wait = FIRST_WAIT_SECONDS
        while True:
            wanted = self._wanted
            try:
                await self._recover(full=bool(wanted) or self._clock.monotonic() - self._full_at >= self._full_seconds)
            except RetryLater as error:
                _log.warning("recovery.delayed", why=str(error))
                await self._clock.sleep(max(wait, min(error.retry_after_seconds, LONGEST_WAIT_SECONDS)))
                wait = min(wait * 2, LONGEST_WAIT_SECONDS)
                continue
            if wanted and self._wanted == wanted:
                self._wanted = ""
                self._shell.on_event(GateOpened(self._shell.market_ms(), "unreconciled", ""))
            return

    async def _recover(self, *, full: bool) -> None:
        if full:
            await self._read_history()
        snapshot = await self._exchange.snapshot(self._symbols)
        self._shell.on_event(SnapshotTaken(self._shell.market_ms(), snapshot))
        self._mark(full=full)

    async def _read_history(self) -> None:
        for event in await self._exchange.history(self._store.history_mark(self._symbols)):
            self._shell.handle(event)

    def _mark(self, *, full: bool) -> None:
        self._read_at = self._clock.monotonic()
        if full:
            self._full_at = self._read_at
