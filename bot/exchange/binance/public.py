"""The public half: real prices of Binance without an account, for paper trading. No key, no user stream, no orders."""

from collections.abc import Iterable, Sequence

from bot.domain.market import Candle, FundingRate
from bot.exchange.binance.budget import Budget
from bot.exchange.binance.kept_streams import KeptStreams
from bot.exchange.binance.prices import Prices
from bot.exchange.binance.rest import Rest
from bot.exchange.binance.settings import BinanceSettings
from bot.exchange.binance.signing import signer_for
from bot.exchange.binance.streams import market_routes
from bot.exchange.binance.tasks import Tasks
from bot.ports import Clock, ExchangeHealth, Executor, Sink, Transport


class BinanceMarket:
    """Candles, marks, best prices, contracts and settled fundings; the settings may hold an empty key."""

    def __init__(self, settings: BinanceSettings, clock: Clock, transport: Transport, executor: Executor) -> None:
        self._settings = settings
        self._clock = clock
        self._transport = transport
        self._executor = executor
        self._budget = Budget(clock)
        self._rest = Rest(settings, signer_for(settings), clock, transport, executor, self._budget)
        self._prices = Prices(self._rest, self._budget, settings.rest_url)
        self._tasks = Tasks()
        self._streams: KeptStreams | None = None
        self._sink: Sink | None = None

    async def connect(self) -> None:
        """Check reachability and measure the clock offset."""
        await self._prices.reach()

    async def exchange_info(self) -> bytes:
        """Read the exchangeInfo answer as it came."""
        return await self._prices.exchange_info()

    async def candles(self, symbol: str, start_ms: int, end_ms: int) -> tuple[Candle, ...]:
        """Read closed candles with start_ms <= open_time < end_ms, ascending; missing minutes are missing."""
        market_ms = self._sink.market_ms() if self._sink is not None else 0
        return await self._prices.candles(symbol, start_ms, end_ms, market_ms)

    async def fundings(self, symbol: str, start_ms: int, end_ms: int) -> tuple[FundingRate, ...]:
        """Read the fundings settled with start_ms <= time < end_ms, ascending."""
        return await self._prices.fundings(symbol, start_ms, end_ms)

    async def open_streams(self, symbols: Sequence[str], sink: Sink) -> None:
        """Open the market and the public stream and keep them open until `close`; returns at first data.

        Raises RetryLater when that takes long; asked again, it goes on waiting for the same connections.
        """
        self._sink = sink
        if self._streams is None:
            routes = market_routes(self._settings, symbols, self._clock, sink)
            self._streams = KeptStreams(routes, self._settings, self._clock, self._transport, self._tasks)
        await self._streams.open()
        self._tasks.spawn("clock measurement", self._rest.keep_time())

    def health(self) -> ExchangeHealth:
        """Return ages and counters for heartbeat and watchdogs."""
        return self._rest.health(self._streams.health() if self._streams is not None else ())

    def tasks(self) -> Iterable[str]:
        """Return names of background tasks that have died."""
        return self._tasks.dead()

    async def close(self) -> None:
        """Close every connection and worker."""
        await self._tasks.close()
        self._executor.close()
