"""One symbol's way through its candles: arrays to search in, candles made where they are visited."""

from collections.abc import Sequence
from decimal import Decimal
from functools import cache
from typing import Any, Final

import numpy as np

from backtest.compiled import Flags, Floats, Integers
from backtest.history import MarkSeries, Series
from bot.domain.market import MINUTE_MS, Candle
from bot.domain.money import ZERO
from bot.trading.strategy import Strategy, Verdict

NEVER: Final = 1 << 62
_NO_CANDLE: Final = Candle("", 0, ZERO, ZERO, ZERO, ZERO, ZERO)
_NO_INPUTS: Final[dict[str, str | int | float]] = {}
VERDICTS: Final = tuple(Verdict(flags, _NO_INPUTS, ready=True) for flags in range(16))


class Foretold:
    """Stands before a strategy whose verdicts were computed for all candles: `flags` are those of the next one.

    Sizes, stops and everything else is the strategy's own.
    """

    flags = 0

    def on_candle(self, candle: Candle) -> Verdict:  # noqa: ARG002 - holes were seen when the flags were computed
        """Return the verdict known before."""
        return VERDICTS[self.flags]


@cache
def foretold(kind: type[Strategy]) -> type[Strategy]:
    """Return the strategy with its verdicts looked up instead of computed."""
    return type(f"Foretold{kind.__name__}", (Foretold, kind), {})


class ExactCandles:
    """A series read one candle at a time, in exact prices and volume."""

    def __init__(self, series: Series, interval_ms: int) -> None:
        self._symbol, self._tick, self._step = series.symbol, series.tick, series.step
        self._interval_ms = interval_ms
        self._times = memoryview(series.open_time)
        self._open, self._high = memoryview(series.open), memoryview(series.high)
        self._low, self._close = memoryview(series.low), memoryview(series.close)
        self._volume = memoryview(series.volume)

    def at(self, row: int) -> Candle:
        """Return one candle."""
        tick = self._tick
        return Candle(
            self._symbol,
            self._times[row],
            int(self._open[row]) * tick,
            int(self._high[row]) * tick,
            int(self._low[row]) * tick,
            int(self._close[row]) * tick,
            int(self._volume[row]) * self._step,
            self._interval_ms,
        )

    def between(self, from_ms: int, to_ms: int) -> list[Candle]:
        """Return the candles that open from a time on and before another."""
        first, last = np.searchsorted(self._times, (from_ms, to_ms)).tolist()
        return [self.at(row) for row in range(first, last)]

    def minute_notional(self, row: int) -> Decimal:
        """Return a candle's quote volume a minute."""
        volume = int(self._volume[row]) * self._step
        return int(self._close[row]) * self._tick * volume * MINUTE_MS / self._interval_ms


class Lane:
    """One symbol's candles and where the run stands in them.

    `at` is the next candle not yet visited, `given` the last one given to its end, `due` and its open `due_ms` the next
    one that can matter. `now` is the candle opened last, `mark` its mark price's own and `volume_before` the quote
    volume a minute of the candle before it; None where there is none, or the venue knows it. `is_held` and `is_busy`
    say whether there is a position, and whether anything is on its way. The decision prices are the closes of the
    latest orders, `stop_price` that of the latest stop.
    """

    def __init__(
        self, series: Series, flags: Flags, strategy: Any, interval_ms: int, first: int, *, has_tiers: bool
    ) -> None:
        self.symbol = series.symbol
        self.flags = flags
        self.bits = memoryview(flags)
        self.strategy = strategy
        self.times: Integers = series.open_time
        self.high: Floats = series.high
        self.low: Floats = series.low
        self.close: Floats = series.close
        self.tick = series.tick
        self.interval_ms = interval_ms
        self.first = first
        self.end = len(series.open_time)
        self.at = first
        self.due = self.end
        self.due_ms = NEVER
        self.is_held = False
        self.is_busy = False
        self.given = -1
        self.now = _NO_CANDLE
        self.mark: Candle | None = None
        self.volume_before: Decimal | None = None
        self.entry_decision_price = ZERO
        self.exit_decision_price = ZERO
        self.stop_price = ZERO
        self._exact = ExactCandles(series, interval_ms)
        self._open_times = memoryview(series.open_time)
        self._has_tiers = has_tiers
        self._marks: MarkSeries | None = None
        self._detail: ExactCandles | None = None

    def time_of(self, row: int) -> int:
        """Return when a candle opens (ms UTC), `NEVER` beyond the last one."""
        return self._open_times[row] if row < self.end else NEVER

    def row_from(self, at_ms: int) -> int:
        """Return the first candle that opens at or after a time, not before `at`."""
        if self.at >= self.end:
            return self.end
        guess = self.at + (at_ms - self._open_times[self.at]) // self.interval_ms
        if self.at <= guess < self.end and self._open_times[guess] == at_ms:
            return guess
        return max(self.at, int(np.searchsorted(self.times, at_ms)))

    def wait_for(self, row: int) -> None:
        """Let a candle be the next one that can matter."""
        self.due, self.due_ms = row, self.time_of(row)

    def go_to(self, row: int) -> None:
        """Stand at a candle."""
        self.at = row
        self.now = self._exact.at(row)
        if self._has_tiers:
            is_known = row == 0 or row - 1 == self.given
            self.volume_before = None if is_known else self._exact.minute_notional(row - 1)
        if self._marks is not None:
            self.mark = _mark_candle(self._marks, self.now.open_time, self.interval_ms)

    def leave(self, row: int) -> None:
        """Go on to the next candle; the strategy's verdict is the one at this one's close."""
        self.strategy.flags = self.bits[row]
        self.at = row + 1

    def note_decision(self, *, reduces: bool) -> None:
        """Keep the close at which an order was decided."""
        if reduces:
            self.exit_decision_price = self.now.close
        else:
            self.entry_decision_price = self.now.close

    def use_marks(self, marks: MarkSeries | None) -> None:
        """Judge liquidation by mark prices where they come in candles as long as these."""
        if marks is None or not _are_spaced(marks.open_time, self.interval_ms):
            return
        self._marks = marks
        rows = np.searchsorted(marks.open_time, self.times)
        rows[rows == len(marks.open_time)] = 0
        known = marks.open_time[rows] == self.times
        tick = float(self.tick)
        self.low = np.where(known, np.minimum(self.low, marks.low[rows] / tick), self.low)
        self.high = np.where(known, np.maximum(self.high, marks.high[rows] / tick), self.high)

    def use_detail(self, detail: Series, interval_ms: int) -> None:
        """Judge what happens within a candle by finer ones."""
        self._detail = ExactCandles(detail, interval_ms)

    def pieces(self) -> Sequence[Candle]:
        """Return the finer candles of the one opened last."""
        return () if self._detail is None else self._detail.between(self.now.open_time, self.now.close_time)

    def candle(self, row: int) -> Candle:
        """Return one candle in exact prices."""
        return self._exact.at(row)


def _are_spaced(times: Integers, interval_ms: int) -> bool:
    return len(times) > 1 and int(np.diff(times).min()) == interval_ms


def _mark_candle(marks: MarkSeries, open_time: int, interval_ms: int) -> Candle | None:
    row = int(np.searchsorted(marks.open_time, open_time))
    if row == len(marks.open_time) or marks.open_time.item(row) != open_time:
        return None
    opened, high, low, close = (
        Decimal(repr(column.item(row))) for column in (marks.open, marks.high, marks.low, marks.close)
    )
    return Candle(marks.symbol, open_time, opened, high, low, close, ZERO, interval_ms)
