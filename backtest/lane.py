"""One symbol's way through its candles: arrays to search in, candles made where they are visited."""

from functools import cache
from typing import Any, Final

import numpy as np

from backtest.compiled import Flags, Floats, Integers
from backtest.history import Series
from bot.domain.market import Candle
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

    `at` is the next candle not yet visited, `due_ms` the open of the next one that can matter, `now` the candle opened
    last. `is_held` and `is_busy` say whether there is a position, and whether anything is on its way. The decision
    prices are the closes of the latest orders, `stop_price` that of the latest stop.
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
        self.now = _NO_CANDLE
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

    def candle(self, row: int) -> Candle:
        """Return one candle in exact prices."""
        series = self.series
        tick = self.tick
        return Candle(
            self.symbol,
            int(self.times.item(row)),
            int(series.open.item(row)) * tick,
            int(self.high.item(row)) * tick,
            int(self.low.item(row)) * tick,
            int(self.close.item(row)) * tick,
            int(series.volume.item(row)) * series.step,
            self.interval_ms,
        )
