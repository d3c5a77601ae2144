"""The supervised tasks beside the trading path: writing, judging freshness, people's requests, refreshing contracts."""

from pathlib import Path

import structlog
from msgspec.structs import replace

from bot.domain.errors import RetryLater, StoreError
from bot.domain.events import GateClosed, GateOpened, InstrumentsRefreshed, PersonAsked
from bot.ports import Clock, Exchange, Store
from bot.runtime.candles import CandleFeed
from bot.runtime.incidents import Incidents
from bot.runtime.loop import Shell
from bot.runtime.recovery import Recovery
from bot.runtime.supervisor import Beat

_log = structlog.get_logger()

FLUSH_SECONDS = 0.02
WATCH_SECONDS = 0.25
REFRESH_SECONDS = 3_600.0
# Streams whose silence may have hidden something that happened to the account.
CARRIES_ACCOUNT = frozenset({"user", "orders"})


class Watches:
    """What is looked at again and again while the bot runs, each as a task that must never end by itself."""

    def __init__(
        self,
        shell: Shell,
        store: Store,
        exchange: Exchange,
        clock: Clock,
        incidents: Incidents,
        feed: CandleFeed,
        recovery: Recovery,
        symbols: tuple[str, ...],
        home: Path,
        max_data_age_seconds: int,
    ) -> None:
        self._shell = shell
        self._store = store
        self._exchange = exchange
        self._clock = clock
        self._incidents = incidents
        self._feed = feed
        self._recovery = recovery
        self._symbols = symbols
        self._kill_file = home / "status" / "KILL"
        self._max_data_age_seconds = max_data_age_seconds
        self._stale: set[str] = set()
        self._lost: set[str] = set()
        self._killed = False
        self._refresh_at = clock.monotonic() + REFRESH_SECONDS
        shell.on_refresh = self._refresh_soon
        shell.on_stream_lost = self._stream_lost
        shell.on_stream_back = self._stream_back

    # tasks

    async def flush(self, beat: Beat) -> None:
        """Write what no order depends on, a slice at a time."""
        while True:
            beat()
            self._shell.write_observations()
            try:
                while self._store.flush_slice():
                    beat()
                    await self._clock.sleep(0)
            except StoreError as error:
                self._shell.database_failed(str(error))
                await self._clock.sleep(1)
            await self._clock.sleep(FLUSH_SECONDS)

    async def judge(self, beat: Beat) -> None:
        """Look at the database, missing candles, stale data and the kill file four times a second."""
        while True:
            beat()
            self._shell.retry_unwritten()
            self._feed.check(self._shell.market_ms())
            self._judge_staleness()
            self._judge_kill_file()
            await self._clock.sleep(WATCH_SECONDS)

    async def take_requests(self, beat: Beat) -> None:
        """Hand people's requests to the core."""
        while True:
            beat()
            for request in self._asked():
                self._shell.on_event(replace(request, at_ms=self._shell.market_ms()))
            await self._clock.sleep(WATCH_SECONDS)

    async def refresh(self, beat: Beat) -> None:
        """Read the contract filters again each hour, and at once when the exchange refused an order for one."""
        while True:
            beat()
            if self._clock.monotonic() >= self._refresh_at:
                await self._read_instruments()
            await self._clock.sleep(WATCH_SECONDS)

    # judging

    def _judge_staleness(self) -> None:
        for symbol, age in self._shell.market.ages(self._clock.monotonic()).items():
            stale = age > self._max_data_age_seconds
            if stale and symbol not in self._stale:
                self._stale.add(symbol)
                self._close("data_stale", symbol, f"no market data for {self._max_data_age_seconds} s")
            elif not stale and symbol in self._stale:
                self._stale.discard(symbol)
                self._open("data_stale", symbol)

    def _judge_kill_file(self) -> None:
        killed = self._kill_file.exists()
        if killed == self._killed:
            return
        self._killed = killed
        if killed:
            self._close("kill_switch", "", "status/KILL exists; act resume removes it", alert=True)
        else:
            self._open("kill_switch", "")

    def _close(self, gate: str, symbol: str, detail: str, *, alert: bool = False) -> None:
        self._incidents.open(gate, symbol, detail, alert=alert)
        self._shell.on_event(GateClosed(self._shell.market_ms(), gate, symbol, detail))

    def _open(self, gate: str, symbol: str) -> None:
        self._incidents.close(gate, symbol)
        self._shell.on_event(GateOpened(self._shell.market_ms(), gate, symbol))

    def _asked(self) -> tuple[PersonAsked, ...]:
        try:
            asked = self._store.take_requests()
        except StoreError as error:
            self._incidents.open("requests_unreadable", "", str(error), alert=True)
            return ()
        self._incidents.close("requests_unreadable")
        return asked

    # contracts

    def _refresh_soon(self, symbol: str) -> None:
        _log.info("instruments.refresh_requested", symbol=symbol)
        self._refresh_at = self._clock.monotonic()

    async def _read_instruments(self) -> None:
        try:
            instruments = await self._exchange.instruments(self._symbols)
            self._store.defer(instruments)
        except RetryLater as error:
            _log.warning("instruments.refresh_delayed", why=str(error))
            self._refresh_at = self._clock.monotonic() + max(1.0, error.retry_after_seconds)
            return
        self._refresh_at = self._clock.monotonic() + REFRESH_SECONDS
        self._shell.on_event(InstrumentsRefreshed(self._shell.market_ms(), tuple(instruments)))

    # streams

    def _stream_lost(self, stream: str, why: str) -> None:
        self._lost.add(stream)
        self._incidents.open("stream_down", stream, why)
        self._shell.on_event(GateClosed(self._shell.market_ms(), "stream_down", "", f"{stream}: {why}"))

    def _stream_back(self, stream: str) -> None:
        if stream not in self._lost:
            return
        self._lost.discard(stream)
        self._incidents.close("stream_down", stream)
        if stream in CARRIES_ACCOUNT:
            self._recovery.request(f"the {stream} stream was interrupted")
        if not self._lost:
            self._shell.on_event(GateOpened(self._shell.market_ms(), "stream_down", ""))
