"""Which kind of day it was: how far the price moved, and whether it went somewhere.

Judged after the fact, from the whole day, to sort trades; nothing here may ever feed a decision.
"""

from dataclasses import dataclass

import numpy as np

from backtest.history import History, Series
from bot.domain.market import DAY_MS

QUIET, NORMAL, WILD = "quiet", "normal", "wild"
VOLATILITIES = (QUIET, NORMAL, WILD)
TREND, RANGE = "trend", "range"
DIRECTIONS = (TREND, RANGE)
UNKNOWN = "unknown"
_BODY_OF_A_TREND = 0.5


@dataclass(frozen=True, slots=True)
class DayKind:
    """What a UTC day of a symbol was like.

    `volatility`: the tercile of its range, (high - low) / open, among all days of the symbol in the data: quiet, normal
    or wild. `direction`: trend when |close - open| is at least half of high - low, else range.
    """

    volatility: str
    direction: str


class Regimes:
    """The kind of every day of every symbol in the data."""

    def __init__(self, history: History) -> None:
        self._kinds = {symbol: _day_kinds(series) for symbol, series in history.series.items()}

    def of(self, symbol: str, at_ms: int) -> DayKind:
        """Return the kind of the day that holds this time; unknown where the data has no candle of that day."""
        return self._kinds.get(symbol, {}).get(at_ms // DAY_MS, DayKind(UNKNOWN, UNKNOWN))


def _day_kinds(series: Series) -> dict[int, DayKind]:
    if not series.open_time.size:
        return {}
    days = series.open_time // DAY_MS
    starts = np.flatnonzero(np.diff(days, prepend=days[0] - 1))
    ends = np.append(starts[1:], days.size) - 1
    opened, closed = series.open[starts], series.close[ends]
    spread = np.maximum.reduceat(series.high, starts) - np.minimum.reduceat(series.low, starts)
    lower, upper = np.quantile(spread / opened, [1 / 3, 2 / 3])
    return {
        day: DayKind(_volatility(width, lower, upper), _direction(abs(body), height))
        for day, width, body, height in zip(
            days[starts].tolist(), (spread / opened).tolist(), (closed - opened).tolist(), spread.tolist(), strict=True
        )
    }


def _volatility(width: float, lower: float, upper: float) -> str:
    if width <= lower:
        return QUIET
    return WILD if width > upper else NORMAL


def _direction(body: float, height: float) -> str:
    return TREND if height and body >= _BODY_OF_A_TREND * height else RANGE
