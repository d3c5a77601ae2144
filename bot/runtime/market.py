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
        self._candles = dict.fromkeys(self._ranges, 0)
        self._shown: dict[str, tuple[object, ...]] = {}
        self._seen = dict.fromkeys(self._ranges, 0.0)
        self._breached_ms = dict.fromkeys(self._ranges, 0)

    def see_time(self, at_ms: int) -> None:
        """Let market time advance; it never goes back."""
        self.now_ms = max(self.now_ms, at_ms)

    def candle(self, candle: Candle) -> None:
        """Pass on a closed candle of a symbol we trade."""
        if candle.symbol in self._candles:
            self._candles[candle.symbol] += 1
            self.on_candle(candle)

    def mark_price(self, mark: MarkPrice) -> None:
        """Keep a mark price."""
        self.see_time(mark.at_ms)
        if mark.symbol in self._candles:
            self.marks[mark.symbol] = mark

    def book_ticker(self, ticker: BookTicker) -> VolatilityBreached | None:
        """Keep the best prices; return a breach, at most one a window, when the mid moved more than the limit."""
        at_ms = ticker.at_ms
        if at_ms > self.now_ms:  # noqa: PLR1730 - a call costs more, and this runs for every message
            self.now_ms = at_ms
        symbol = ticker.symbol
        window = self._ranges.get(symbol)
        if window is None:
            return None
        self.books[symbol] = ticker
        percent = window.add(at_ms, (ticker.bid + ticker.ask) / 2)
        if percent <= self._limit_percent or at_ms - self._breached_ms[symbol] < VOLATILITY_WINDOW_MS:
            return None
        self._breached_ms[symbol] = at_ms
        return VolatilityBreached(at_ms, symbol, Decimal(f"{percent:.4f}"))

    def ages(self, monotonic: float) -> dict[str, float]:
        """Return for each symbol the wall seconds since something new was first noticed by this very call.

        Its caller asks a few times a second, so that no message pays for looking at the clock.
        """
        for symbol in self._seen:
            shown = (self.books.get(symbol), self.marks.get(symbol), self._candles[symbol])
            before = self._shown.get(symbol, (None, None, 0))
            if any(one is not other for one, other in zip(shown, before, strict=True)):
                self._shown[symbol] = shown
                self._seen[symbol] = monotonic
        return {symbol: monotonic - seen for symbol, seen in self._seen.items()}


def _drop(_: Candle) -> None:
    pass
