"""What the bot knows of the market between candles: market time, best prices, marks, and how fresh each symbol is."""

from collections.abc import Callable, Iterable
from decimal import Decimal

from bot.domain.events import VolatilityBreached
from bot.domain.market import BookTicker, Candle, MarkPrice
from bot.indicators.window import MidRange

VOLATILITY_WINDOW_MS = 5_000


class Market:
    """Latest prices per symbol. Market time is the largest exchange time any market stream has shown."""

    def __init__(self, symbols: Iterable[str], volatility_percent: Decimal) -> None:
        self.now_ms = 0
        self.marks: dict[str, MarkPrice] = {}
        self.books: dict[str, BookTicker] = {}
        self.on_candle: Callable[[Candle], None] = _drop
        self._limit_percent = float(volatility_percent)
        self._ranges = {symbol: MidRange(VOLATILITY_WINDOW_MS) for symbol in symbols}
        self._seen = dict.fromkeys(self._ranges, 0.0)
        self._breached_ms = dict.fromkeys(self._ranges, 0)

    def see_time(self, at_ms: int) -> None:
        """Let market time advance; it never goes back."""
        self.now_ms = max(self.now_ms, at_ms)

    def candle(self, candle: Candle, monotonic: float) -> None:
        """Pass on a closed candle of a symbol we trade."""
        if candle.symbol in self._seen:
            self._seen[candle.symbol] = monotonic
            self.on_candle(candle)

    def mark_price(self, mark: MarkPrice, monotonic: float) -> None:
        """Keep a mark price."""
        self.see_time(mark.at_ms)
        if mark.symbol in self._seen:
            self._seen[mark.symbol] = monotonic
            self.marks[mark.symbol] = mark

    def book_ticker(self, ticker: BookTicker, monotonic: float) -> VolatilityBreached | None:
        """Keep the best prices; return a breach, at most one a window, when the mid moved more than the limit."""
        self.see_time(ticker.at_ms)
        window = self._ranges.get(ticker.symbol)
        if window is None:
            return None
        self._seen[ticker.symbol] = monotonic
        self.books[ticker.symbol] = ticker
        percent = window.add(ticker.at_ms, (ticker.bid + ticker.ask) / 2)
        if percent <= self._limit_percent or ticker.at_ms - self._breached_ms[ticker.symbol] < VOLATILITY_WINDOW_MS:
            return None
        self._breached_ms[ticker.symbol] = ticker.at_ms
        return VolatilityBreached(ticker.at_ms, ticker.symbol, Decimal(f"{percent:.4f}"))

    def ages(self, monotonic: float) -> dict[str, float]:
        """Return for each symbol the wall seconds since it last delivered anything."""
        return {symbol: monotonic - seen for symbol, seen in self._seen.items()}


def _drop(_: Candle) -> None:
    pass
