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


class Lane:
    """One symbol's candles and where the run stands in them.

    `at` is the next candle not yet visited, `given` the last one given to its end, `due_ms` the open of the next one
    that can matter, `now` the candle opened last. `is_held` and `is_busy` say whether there is a position, and whether
    anything is on its way. The decision prices are the closes of the latest orders, `stop_price` that of the latest
    stop.
    """

    def __init__(self, series: Series, flags: Flags, strategy: Any, interval_ms: int, first: int) -> None:
        self.symbol = series.symbol
        self.series = series
        self.flags = flags
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
        self.due_ms = NEVER
        self.is_held = False
        self.is_busy = False
        self.given = -1
        self.now = _NO_CANDLE
        self._marks: MarkSeries | None = None
        self._detail: Series | None = None
        self._detail_ms = 0
        self.entry_decision_price = ZERO
        self.exit_decision_price = ZERO
        self.stop_price = ZERO

    def time_of(self, row: int) -> int:
        """Return when a candle opens (ms UTC), `NEVER` beyond the last one."""
        return int(self.times.item(row)) if row < self.end else NEVER

    def row_from(self, at_ms: int) -> int:
        """Return the first candle that opens at or after a time, not before `at`."""
        if self.at >= self.end:
            return self.end
        guess = self.at + (at_ms - int(self.times.item(self.at))) // self.interval_ms
        if self.at <= guess < self.end and self.times.item(guess) == at_ms:
            return guess
        return max(self.at, int(np.searchsorted(self.times, at_ms)))

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
        self._detail, self._detail_ms = detail, interval_ms

    def mark(self, row: int) -> Candle | None:
        """Return the mark price's own candle beside one of these, None where there is none."""
        if self._marks is None:
            return None
        return _mark_candle(self._marks, self.time_of(row), self.interval_ms)

    def pieces(self) -> Sequence[Candle]:
        """Return the finer candles of the one opened last."""
        detail = self._detail
        if detail is None:
            return ()
        first, last = np.searchsorted(detail.open_time, (self.now.open_time, self.now.close_time)).tolist()
        return [exact_candle(detail, row, self._detail_ms) for row in range(first, last)]

    def volume_before(self) -> Decimal | None:
        """Return the quote volume a minute of the candle before `at`; None = it was the last one given."""
        before = self.at - 1
        if before == self.given or before < 0:
            return None
        close = int(self.close.item(before)) * self.tick
        return close * (int(self.series.volume.item(before)) * self.series.step) * MINUTE_MS / self.interval_ms

    def candle(self, row: int) -> Candle:
        """Return one candle in exact prices."""
        return exact_candle(self.series, row, self.interval_ms)


def exact_candle(series: Series, row: int, interval_ms: int) -> Candle:
    """Return one candle of a series in exact prices and volume."""
    tick = series.tick
    return Candle(
        series.symbol,
        int(series.open_time.item(row)),
        int(series.open.item(row)) * tick,
        int(series.high.item(row)) * tick,
        int(series.low.item(row)) * tick,
        int(series.close.item(row)) * tick,
        int(series.volume.item(row)) * series.step,
        interval_ms,
    )


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
