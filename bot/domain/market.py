"""What the market says: candles, book tickers, mark prices."""

from decimal import Decimal

from msgspec import Struct

MINUTE_MS = 60_000
DAY_MS = 86_400_000


class Candle(Struct, frozen=True, gc=False):
    """A closed candle (the exchange's kline), one minute long unless told. `open_time` is ms UTC; volume is in base."""

    symbol: str
    open_time: int
    open: Decimal
    high: Decimal
    low: Decimal
    close: Decimal
    volume: Decimal
    interval_ms: int = MINUTE_MS

    @property
    def close_time(self) -> int:
        """Return the first millisecond after the candle: the moment of its decision."""
        return self.open_time + self.interval_ms


class BookTicker(Struct, frozen=True, gc=False):
    """Best bid and ask of a symbol at an exchange time (ms UTC).

    Floats, because volatility and display are all that reads them; paper trading turns them back by shortest text.
    """

    symbol: str
    at_ms: int
    bid: float
    ask: float


class MarkPrice(Struct, frozen=True, gc=False):
    """Mark price, the running funding rate and when it is next settled (0 = not scheduled)."""

    symbol: str
    at_ms: int
    mark: Decimal
    funding_rate: Decimal
    next_funding_ms: int


class FundingRate(Struct, frozen=True, gc=False):
    """A settled funding: the rate per interval and the mark price it was settled at. `at_ms` jitters by some ms."""

    symbol: str
    at_ms: int
    rate: Decimal
    mark: Decimal
