"""Market data over our own thin client: one connection a route, proof of life by data, watchdogs by wall time.

An acknowledged subscription proves nothing: a stream asked for on the wrong route is acknowledged and never delivers
(docs/wire.md B.7). So a route is up when each kind it carries has brought a frame, and a silent stream is asked for
again.
"""

from collections import Counter
from collections.abc import Callable, Sequence

import msgspec
import structlog

from bot.domain.errors import ConfigurationError
from bot.exchange.binance.encode import subscribe
from bot.exchange.binance.exact import UNREADABLE
from bot.exchange.binance.market_frames import (
    USDS_MARGINED,
    BookTickerEvent,
    KlineEvent,
    MarketEvent,
    MarkPriceEvent,
    decode_frame,
    read_other,
)
from bot.exchange.binance.settings import BinanceSettings
from bot.ports import Clock, Sink, Socket

_log = structlog.get_logger()

_STREAMS_PER_MESSAGE = 200
_STREAMS_PER_CONNECTION = 1_000
_SECONDS_BETWEEN_MESSAGES = 0.25
_FIRST_DATA_SECONDS = 10.0
_LONGEST_RE_ASK_SECONDS = 600.0

type Kind = type[KlineEvent | MarkPriceEvent | BookTickerEvent]

# Silence of a whole kind proves the route dead, silence of one symbol only its subscription. Mark prices come every
# second whatever the market does; klines and book tickers only when something trades or quotes.
_ROUTE_SILENCE_SECONDS: dict[Kind, float] = {KlineEvent: 30.0, MarkPriceEvent: 5.0, BookTickerEvent: 30.0}
_SYMBOL_SILENCE_SECONDS: dict[Kind, float] = {KlineEvent: 25.0, MarkPriceEvent: 10.0, BookTickerEvent: 60.0}
_SUFFIXES: dict[Kind, str] = {KlineEvent: "@kline_1m", MarkPriceEvent: "@markPrice@1s", BookTickerEvent: "@bookTicker"}


def market_routes(
    settings: BinanceSettings, symbols: Sequence[str], clock: Clock, sink: Sink
) -> "tuple[RouteStream, RouteStream]":
    """Return what brings prices: candles and marks on the market route, best prices on the public one."""
    return (
        RouteStream("market", settings.market_stream_url, (KlineEvent, MarkPriceEvent), symbols, clock, sink),
        RouteStream("public", settings.public_stream_url, (BookTickerEvent,), symbols, clock, sink),
    )


class RouteStream:
    """The market or the public route: subscribes, decodes, delivers, and judges whether it is alive."""

    def __init__(
        self, name: str, base_url: str, kinds: Sequence[Kind], symbols: Sequence[str], clock: Clock, sink: Sink
    ) -> None:
        self.name = name
        self.up = False
        self.restart: Callable[[str], None] = lambda _why: None
        self._base_url = base_url
        self._kinds = tuple(kinds)
        self._names = [f"{symbol.lower()}{_SUFFIXES[kind]}" for kind in kinds for symbol in symbols]
        if len(self._names) > _STREAMS_PER_CONNECTION:
            raise ConfigurationError(f"{len(symbols)} symbols are too many for one connection. Configure fewer.")
        self._symbols = tuple(symbols)
        self._clock = clock
        self._sink = sink
        self._take_ticker = sink.on_book_ticker
        self._now = clock.monotonic()
        self._socket: Socket | None = None
        self._opened_at = self._now
        self._seen: dict[Kind, dict[str, float]] = {kind: {} for kind in self._kinds}
        self._asked_again: dict[str, tuple[float, float]] = {}
        self._odd: Counter[str] = Counter()
        self._message_id = 0

    async def url(self) -> str:
        """Return the combined form of the route; the streams are asked for by message."""
        return f"{self._base_url}/stream"

    async def opened(self, socket: Socket) -> None:
        """Ask for every stream, at most five messages a second."""
        self._now = self._opened_at = self._clock.monotonic()
        self._seen = {kind: {} for kind in self._kinds}
        self._asked_again.clear()
        self._socket = socket
        for start in range(0, len(self._names), _STREAMS_PER_MESSAGE):
            if start:
                await self._clock.sleep(_SECONDS_BETWEEN_MESSAGES)
            self._ask(self._names[start : start + _STREAMS_PER_MESSAGE])

    def text(self, payload: bytes) -> None:
        """Decode a frame and deliver it: the hot path."""
        try:
            event = decode_frame(payload).data
        except msgspec.MsgspecError:
            self._take_other(payload)
            return
        kind = type(event)
        seen = self._seen.get(kind)
        if seen is None or event.st != USDS_MARGINED:
            return
        seen[event.symbol] = self._now
        if not self.up:
            self._prove()
        if type(event) is not BookTickerEvent:
            self._deliver(event, payload)
        elif event.bid > 0 and event.ask > 0:
            self._take_ticker(event)

    def lost(self, why: str) -> None:
        """Take the end of the connection."""
        self._socket = None
        self._go_down(why)

    def age_ms(self) -> int:
        """Return the wall time since the last frame, in ms."""
        return round((self._clock.monotonic() - self._newest()) * 1_000)

    def check(self) -> None:
        """Look for silence; call it every half second."""
        self._now = now = self._clock.monotonic()
        if self._socket is None:
            return
        if not self.up:
            if now - self._opened_at > _FIRST_DATA_SECONDS:
                self.restart("subscribed, but no data came")
            return
        for kind in self._kinds:
            newest = max(self._seen[kind].values(), default=self._opened_at)
            if now - newest > _ROUTE_SILENCE_SECONDS[kind]:
                self._go_down(f"no {_SUFFIXES[kind]} for {now - newest:.0f} s")
                self.restart("silent")
                return
        self._ask_again_for_silent()

    def _deliver(self, event: MarketEvent, payload: bytes) -> None:
        try:
            price = event.price() if isinstance(event, MarkPriceEvent) else None
            closed = isinstance(event, KlineEvent) and event.bar.closed and event.bar.i == "1m"
            candle = event.candle() if isinstance(event, KlineEvent) and closed else None
        except UNREADABLE:
            self._count_odd("event", "malformed", len(payload))
            return
        if price is not None:
            self._sink.on_mark_price(price)
        if candle is not None:
            self._sink.on_candle(candle, event.at_ms)

    def _prove(self) -> None:
        if all(self._seen[kind] for kind in self._kinds):
            self.up = True
            self._sink.on_stream_up(self.name)

    def _go_down(self, why: str) -> None:
        if self.up:
            self.up = False
            self._sink.on_stream_down(self.name, why)

    def _newest(self) -> float:
        return max((at for seen in self._seen.values() for at in seen.values()), default=self._opened_at)

    def _ask_again_for_silent(self) -> None:
        for kind in self._kinds:
            for symbol in self._symbols:
                if self._now - self._seen[kind].get(symbol, self._opened_at) <= _SYMBOL_SILENCE_SECONDS[kind]:
                    continue
                if self._may_ask_again(f"{symbol.lower()}{_SUFFIXES[kind]}", _SYMBOL_SILENCE_SECONDS[kind]):
                    return

    def _may_ask_again(self, stream: str, patience: float) -> bool:
        asked_at, wait = self._asked_again.get(stream, (float("-inf"), patience))
        if self._now - asked_at < wait:
            return False
        self._asked_again[stream] = (self._now, min(2 * wait, _LONGEST_RE_ASK_SECONDS))
        _log.warning("exchange.stream_silent", stream=stream)
        self._ask([stream], off=True)
        self._ask([stream])
        return True

    def _ask(self, names: list[str], *, off: bool = False) -> None:
        if self._socket is None:
            return
        self._message_id += 1
        self._socket.send(subscribe(names, self._message_id, off=off))

    def _take_other(self, payload: bytes) -> None:
        try:
            kind, what = read_other(payload)
        except msgspec.MsgspecError:
            kind, what = "event", "malformed"
        if kind != "ack":
            self._count_odd(kind, what, len(payload))

    def _count_odd(self, kind: str, what: str, size: int) -> None:
        self._odd[what] += 1
        if self._odd[what] == 1:
            _log.warning("exchange.odd_frame", stream=self.name, kind=kind, what=what[:200], bytes=size)
