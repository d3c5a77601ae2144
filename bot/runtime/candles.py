"""Puts closed candles in order: each once, none skipped that the exchange has, before anything is evaluated."""

import asyncio
from collections.abc import Awaitable, Callable

import structlog

from bot.domain.errors import RetryLater
from bot.domain.market import MINUTE_MS, Candle
from bot.ports import Clock

_log = structlog.get_logger()

RE_ASK_SECONDS = 1.0
LONGEST_WAIT_SECONDS = 30.0
CHECK_SECONDS = 5.0

type Read = Callable[[str, int, int], Awaitable[tuple[Candle, ...]]]


class _Lane:
    """The candles of one symbol: the last one delivered, and those waiting behind a gap."""

    def __init__(self, last: Candle | None) -> None:
        self.last = last
        self.waiting: dict[int, Candle] = {}
        self.filling: asyncio.Task[None] | None = None
        self.ask_again_at = 0.0


class CandleFeed:
    """Delivers candles in order per symbol. A gap is filled by REST first; what REST lacks twice is a hole.

    `deliver(candle)` gets each candle once. `on_gap(symbol, open)` tells when a gap begins and ends.
    `on_revision(candle)` gets a candle that came again with other values: it is stored, not traded again.
    """

    def __init__(
        self,
        read: Read,
        clock: Clock,
        deliver: Callable[[Candle], None],
        on_gap: Callable[[str, bool], None],
        on_revision: Callable[[Candle], None],
    ) -> None:
        self._read = read
        self._clock = clock
        self._deliver = deliver
        self._on_gap = on_gap
        self._on_revision = on_revision
        self._lanes: dict[str, _Lane] = {}

    def begin(self, symbol: str, last: Candle | None) -> None:
        """Start a symbol after its warm-up; `last` is the newest candle already used."""
        lane = self._lanes.get(symbol)
        if lane is None:
            self._lanes[symbol] = _Lane(last)
            return
        lane.last = last

    def take(self, candle: Candle) -> None:
        """Take a candle as it came: in order, late, double, revised, or after a gap."""
        lane = self._lanes.get(candle.symbol)
        if lane is None:
            return
        if lane.last is not None and candle.open_time <= lane.last.open_time:
            self._again(lane.last, candle)
            return
        if lane.filling is None and (lane.last is None or candle.open_time == lane.last.open_time + MINUTE_MS):
            self._pass_on(lane, candle)
            return
        lane.waiting[candle.open_time] = candle
        if lane.filling is None:
            self._start_filling(candle.symbol, lane, candle.open_time)

    def check(self, now_ms: int) -> None:
        """Back-fill symbols whose stream has not brought a candle that must have closed by now."""
        for symbol, lane in self._lanes.items():
            late = lane.last is not None and now_ms - lane.last.close_time >= 2 * MINUTE_MS
            if late and lane.filling is None and self._clock.monotonic() >= lane.ask_again_at:
                lane.ask_again_at = self._clock.monotonic() + CHECK_SECONDS
                self._start_filling(symbol, lane, now_ms // MINUTE_MS * MINUTE_MS)

    def close(self) -> None:
        """Stop every back-fill."""
        for lane in self._lanes.values():
            if lane.filling is not None:
                lane.filling.cancel()

    def _again(self, last: Candle, candle: Candle) -> None:
        if candle.open_time == last.open_time and candle != last:
            _log.warning("candle.revised", symbol=candle.symbol, open_time=candle.open_time)
            self._on_revision(candle)

    def _pass_on(self, lane: _Lane, candle: Candle) -> None:
        lane.last = candle
        self._deliver(candle)

    def _start_filling(self, symbol: str, lane: _Lane, end_ms: int) -> None:
        self._on_gap(symbol, True)
        lane.filling = asyncio.create_task(self._fill(symbol, lane, end_ms), name=f"back-fill {symbol}")

    async def _fill(self, symbol: str, lane: _Lane, end_ms: int) -> None:
        try:
            await self._fill_up_to(symbol, lane, min(lane.waiting, default=end_ms))
            while lane.waiting:
                candle = lane.waiting.pop(min(lane.waiting))
                if lane.last is None or candle.open_time > lane.last.open_time:
                    self._pass_on(lane, candle)
                if lane.waiting:
                    await self._fill_up_to(symbol, lane, min(lane.waiting))
        finally:
            lane.filling = None
            self._on_gap(symbol, False)

    async def _fill_up_to(self, symbol: str, lane: _Lane, end_ms: int) -> None:
        if lane.last is None or lane.last.close_time >= end_ms:
            return
        start_ms = lane.last.close_time
        found = await self._ask(symbol, start_ms, end_ms)
        if len(found) < (end_ms - start_ms) // MINUTE_MS:
            await self._clock.sleep(RE_ASK_SECONDS)
            found = await self._ask(symbol, start_ms, end_ms)
        for candle in found:
            if candle.open_time > lane.last.open_time:
                self._pass_on(lane, candle)
        _log.info("candle.back_filled", symbol=symbol, found=len(found), up_to=end_ms)

    async def _ask(self, symbol: str, start_ms: int, end_ms: int) -> tuple[Candle, ...]:
        wait = RE_ASK_SECONDS
        while True:
            try:
                return await self._read(symbol, start_ms, end_ms)
            except RetryLater as error:
                _log.warning("candle.back_fill_delayed", symbol=symbol, why=str(error))
                await self._clock.sleep(max(wait, error.retry_after_seconds))
                wait = min(wait * 2, LONGEST_WAIT_SECONDS)
