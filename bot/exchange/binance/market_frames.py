"""Market stream frames to the domain's words; dicts stop here (docs/wire.md B.7)."""

from typing import Literal

from msgspec import UNSET, Struct, UnsetType
from msgspec.json import Decoder

from bot.domain.market import BookTicker, Candle, MarkPrice
from bot.exchange.binance.exact import exact

USDS_MARGINED = 1


class _Bar(Struct, frozen=True, gc=False, rename={"open_time": "t", "closed": "x"}):
    open_time: int
    o: str
    h: str
    l: str  # noqa: E741 - the wire's own key
    c: str
    v: str
    i: str
    closed: bool


class KlineEvent(
    Struct, frozen=True, gc=False, tag_field="e", tag="kline", rename={"at_ms": "E", "symbol": "s", "bar": "k"}
):
    """A kline update; `bar.closed` only on the final one."""

    at_ms: int
    symbol: str
    bar: _Bar
    st: int = USDS_MARGINED

    def candle(self) -> Candle:
        """Return the bar as a candle, exact; raises ArithmeticError or ValueError for what is no number."""
        bar = self.bar
        return Candle(self.symbol, bar.open_time, exact(bar.o), exact(bar.h), exact(bar.l), exact(bar.c), exact(bar.v))


class MarkPriceEvent(
    Struct,
    frozen=True,
    gc=False,
    tag_field="e",
    tag="markPriceUpdate",
    rename={"at_ms": "E", "symbol": "s", "mark": "p", "rate": "r", "next_funding_ms": "T"},
):
    """A mark price update; the rate is an empty text where no funding is scheduled."""

    at_ms: int
    symbol: str
    mark: str
    rate: str
    next_funding_ms: int
    st: int = USDS_MARGINED

    def price(self) -> MarkPrice:
        """Return the update as a mark price, exact; raises as `KlineEvent.candle`."""
        return MarkPrice(self.symbol, self.at_ms, exact(self.mark), exact(self.rate or "0"), self.next_funding_ms)


class BookTickerEvent(
    BookTicker,
    frozen=True,
    gc=False,
    tag_field="e",
    tag="bookTicker",
    rename={"at_ms": "E", "symbol": "s", "bid": "b", "ask": "a"},
):
    """A best bid and ask update: a `BookTicker` straight from the wire, because thousands come each second."""

    symbol: str
    at_ms: int
    bid: float
    ask: float
    st: int = USDS_MARGINED


type MarketEvent = KlineEvent | MarkPriceEvent | BookTickerEvent


class Frame(Struct, frozen=True, gc=False):
    """A frame of a combined market stream."""

    data: KlineEvent | MarkPriceEvent | BookTickerEvent


class _Named(Struct, frozen=True, gc=False, rename={"event": "e"}):
    event: str = ""


class _Control(Struct, frozen=True, gc=False):
    """Anything that is no event of ours: an answer to SUBSCRIBE, an error, an event we did not ask for."""

    id: int | str | UnsetType | None = UNSET
    code: int | UnsetType = UNSET
    error: dict[str, object] | UnsetType | None = UNSET
    data: _Named | list[object] | UnsetType = UNSET


decode_frame = Decoder(Frame, strict=False).decode
_controls = Decoder(_Control)


def read_frame(payload: bytes) -> MarketEvent:
    """Decode a frame of a combined market stream; raises msgspec.MsgspecError for any other."""
    return decode_frame(payload).data


def read_other(payload: bytes) -> tuple[Literal["ack", "error", "event"], str]:
    """Say what a frame is that `read_frame` did not take; raises msgspec.MsgspecError when it is no JSON object."""
    control = _controls.decode(payload)
    if control.code is not UNSET or (control.error is not UNSET and control.error is not None):
        return "error", str(control.error if control.error is not UNSET else control.code)
    if isinstance(control.data, _Named):
        return "event", control.data.event
    return ("ack", "") if control.id is not UNSET else ("event", "unnamed")
