"""What the running bot needs from outside, as Protocols; `bot.app` plugs in the concrete parts."""

from collections.abc import Callable, Iterable, Sequence
from typing import Protocol

from msgspec import Struct
from requests.adapters import BaseAdapter

from bot.domain.account import AccountSettings, AccountSnapshot, LeverageBracket
from bot.domain.books import Books, HistoryMark
from bot.domain.commands import ExchangeCommand
from bot.domain.events import Event, PersonAsked
from bot.domain.instrument import Instrument
from bot.domain.market import BookTicker, Candle, FundingRate, MarkPrice
from bot.domain.records import Row


class Clock(Protocol):
    """Wall time and chance, at one seam. Market time is not here: it arrives inside events."""

    def wall_ms(self) -> int:
        """Return UTC now in ms, by the local clock."""

    def monotonic(self) -> float:
        """Return seconds that never go back, for ages and timeouts."""

    async def sleep(self, seconds: float) -> None:
        """Wait; zero yields to the loop."""

    def random(self) -> float:
        """Return a number in [0, 1), for jitter only."""

    def token(self, length: int) -> str:
        """Return random characters of [a-z0-9], for ids of requests and instances."""


class Executor(Protocol):
    """Runs blocking calls off the loop; inline in the deterministic test bed."""

    async def run[T](self, call: Callable[[], T]) -> T:
        """Run `call` elsewhere and return what it returns; what it raises is raised here."""

    def close(self) -> None:
        """Stop taking calls and let go of the workers."""


class SocketListener(Protocol):
    """Is told what a WebSocket brings. Called on the loop, synchronously: never block in it."""

    def on_text(self, payload: bytes) -> None:
        """Take one whole text message."""

    def on_closed(self, why: str) -> None:
        """Learn, once, that the connection is gone, whoever ended it."""


class Socket(Protocol):
    """An open WebSocket connection. Pings are answered below this seam."""

    def send(self, payload: bytes) -> None:
        """Write one text message now, synchronously; raises ConnectionError when the connection is gone."""

    def close(self) -> None:
        """End the connection; safe to call twice."""


class Transport(Protocol):
    """What lies below both the official SDK and our own sockets."""

    async def connect(self, url: str, listener: SocketListener) -> Socket:
        """Open a WebSocket; raises ConnectionError or TimeoutError."""

    def http_adapter(self) -> BaseAdapter:
        """Return a requests adapter for the SDK's sessions, one for each worker thread."""


class Sink(Protocol):
    """Where an exchange delivers. All calls are made on the loop, synchronously."""

    def market_ms(self) -> int:
        """Return the latest market time seen (ms UTC), for answers that carry no exchange time."""

    def on_candle(self, candle: Candle, at_ms: int) -> None:
        """Take a closed candle as the stream brought it: it may be late, double, revised, or after a gap."""

    def on_book_ticker(self, ticker: BookTicker) -> None:
        """Take the best bid and ask; only the latest matters."""

    def on_mark_price(self, mark: MarkPrice) -> None:
        """Take a mark price; only the latest matters."""

    def on_event(self, event: Event) -> None:
        """Take something that happened to the account or to an order; none may be lost."""

    def on_stream_up(self, stream: str) -> None:
        """Learn that a stream delivered its first data after a (re)connect. Streams: market, public, user, orders."""

    def on_stream_down(self, stream: str, why: str) -> None:
        """Learn that a stream has lost its connection or its proof of life; a gap begins."""


class StreamHealth(Struct, frozen=True):
    """A stream's state for heartbeat and watchdog. `age_ms` counts wall time since the last proof of life."""

    name: str
    up: bool
    age_ms: int
    reconnects: int


class ExchangeHealth(Struct, frozen=True):
    """What the adapter knows about its own state."""

    streams: tuple[StreamHealth, ...]
    clock_offset_ms: int
    used_weight: int
    weight_limit: int
    banned_until_ms: int


class MarketData(Protocol):
    """Public prices of an exchange, without an account: what paper trading stands on. Errors as in `Exchange`."""

    async def connect(self) -> None:
        """Check reachability and measure the clock offset."""

    async def exchange_info(self) -> bytes:
        """Read contracts and filters, as the exchange wrote them (exchangeInfo)."""

    async def candles(self, symbol: str, start_ms: int, end_ms: int) -> tuple[Candle, ...]:
        """Read closed candles with start_ms <= open_time < end_ms, ascending; missing minutes are missing."""

    async def fundings(self, symbol: str, start_ms: int, end_ms: int) -> tuple[FundingRate, ...]:
        """Read the fundings settled with start_ms <= time < end_ms, ascending."""

    async def open_streams(self, symbols: Sequence[str], sink: Sink) -> None:
        """Open market and public streams and keep them open until `close`; returns at first data."""

    def health(self) -> ExchangeHealth:
        """Return ages and counters for heartbeat and watchdogs."""

    def tasks(self) -> Iterable[str]:
        """Return names of background tasks that have died, for the supervisor; empty = all well."""

    async def close(self) -> None:
        """Close every connection and worker."""


class Exchange(Protocol):
    """An exchange account and its market data. Answers to `execute` come as events through the sink.

    Awaited calls raise `bot.domain.errors` classes by what to do next: RetryLater, ConfigurationError, StopTrading.
    """

    async def connect(self) -> None:
        """Check reachability and credentials and measure the clock offset."""

    async def instruments(self, symbols: Sequence[str]) -> tuple[Instrument, ...]:
        """Read the contract filters; raises ConfigurationError for an unknown symbol."""

    async def brackets(self, symbols: Sequence[str]) -> tuple[LeverageBracket, ...]:
        """Read the leverage brackets."""

    async def account_settings(self, symbols: Sequence[str]) -> AccountSettings:
        """Read position mode, assets mode, leverage and margin types."""

    async def set_leverage(self, symbol: str, leverage: int) -> None:
        """Set the initial leverage of a symbol."""

    async def set_margin_type(self, symbol: str, margin_type: str) -> None:
        """Set ISOLATED or CROSSED; already being so is success."""

    async def set_one_way_mode(self) -> None:
        """Turn hedge mode off; already being off is success."""

    async def set_single_asset_mode(self) -> None:
        """Turn multi-assets margin off; already being off is success."""

    async def candles(self, symbol: str, start_ms: int, end_ms: int) -> tuple[Candle, ...]:
        """Read closed candles with start_ms <= open_time < end_ms, ascending; missing minutes are missing."""

    async def snapshot(self, symbols: Sequence[str]) -> AccountSnapshot:
        """Read wallets, positions, open orders and open conditional orders."""

    async def was_used(self, symbols: Sequence[str]) -> bool:
        """Say whether the account has any history of trading, funding or transfers that can still be read."""

    async def history(self, mark: HistoryMark) -> list[Event]:
        """Read what happened since the mark: orders, fills, conditional orders, funding, transfers, as events."""

    async def open_streams(self, symbols: Sequence[str], sink: Sink) -> None:
        """Open market, public, user and order connections and keep them open until `close`; returns at first data."""

    def execute(self, command: ExchangeCommand) -> None:
        """Start carrying out a command now; a look-up goes on until it is answered."""

    def health(self) -> ExchangeHealth:
        """Return ages and counters for heartbeat and watchdogs."""

    def tasks(self) -> Iterable[str]:
        """Return names of background tasks that have died, for the supervisor; empty = all well."""

    async def close(self) -> None:
        """Close every connection and worker; resting orders stay as they are."""


class Store(Protocol):
    """The bot's own database. Only the bot writes it."""

    def commit(self, rows: Sequence[Row]) -> None:
        """Write rows in one transaction, now; raises StoreError and then nothing is written."""

    def commit_contracts(self, instruments: Sequence[Instrument], brackets: Sequence[LeverageBracket]) -> None:
        """Write contracts as read, their brackets in place of all earlier ones, as `commit` does."""

    def defer(self, rows: Sequence[Row]) -> None:
        """Queue rows that no order depends on (candles, equity, evaluations, metrics) for the next slices."""

    def flush_slice(self) -> int:
        """Write at most 20 queued rows and return how many remain."""

    def books(self) -> Books:
        """Read back everything the core remembers."""

    def history_mark(self, symbols: Sequence[str]) -> HistoryMark:
        """Return how far the books reach, for recovery."""

    def take_requests(self) -> tuple[PersonAsked, ...]:
        """Read people's requests not yet mirrored into `commands`; at_ms is when they asked."""

    def write_age_ms(self) -> int:
        """Return the wall time since the last successful write."""

    def close(self) -> None:
        """Write what is queued, checkpoint, and let go of the file."""
