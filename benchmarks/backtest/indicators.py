"""The reference strategy's signals as users of table-based engines write them: numpy and TA-Lib over whole columns.

Shared by the rivals. Prices in USDT, volumes in BTC, for candles free of holes that begin at 00:00 UTC.
"""

from dataclasses import dataclass

import numpy as np
import talib

DAY_MINUTES = 1_440
MIN_SESSION_CANDLES = 30
WARM_UP = 300
NOTIONAL = 1_000.0
STEP = 0.001
STOP = 0.01
TAKER_FEE = 0.0005
K = 2.0
ADX_MAX = 20.0


@dataclass(frozen=True)
class Readings:
    """The session's VWAP and deviation (USDT), ADX(14), and where entries are allowed at all, for every candle."""

    vwap: np.ndarray
    deviation: np.ndarray
    adx: np.ndarray
    ready: np.ndarray


@dataclass(frozen=True)
class Signals:
    """What is decided at the close of every candle."""

    enter_long: np.ndarray
    enter_short: np.ndarray
    exit_long: np.ndarray
    exit_short: np.ndarray


def read(high: np.ndarray, low: np.ndarray, close: np.ndarray, volume: np.ndarray) -> Readings:
    typical = (high + low + close) / 3.0
    weighted = typical * volume
    traded, value, square = (_session_sums(column) for column in (volume, weighted, typical * weighted))
    vwap = value / traded
    deviation = np.sqrt(np.maximum(square / traded - vwap * vwap, 0.0))
    minute = np.arange(len(close))
    ready = (minute % DAY_MINUTES >= MIN_SESSION_CANDLES - 1) & (minute >= WARM_UP)
    return Readings(vwap, deviation, talib.ADX(high, low, close, 14), ready)


def _session_sums(column: np.ndarray) -> np.ndarray:
    whole = len(column) // DAY_MINUTES * DAY_MINUTES
    days = np.cumsum(column[:whole].reshape(-1, DAY_MINUTES), axis=1).ravel()
    return np.concatenate([days, np.cumsum(column[whole:])])


def signals(readings: Readings, close: np.ndarray, k: float = K, adx_max: float = ADX_MAX) -> Signals:
    quiet = readings.ready & (readings.adx < adx_max)
    band = k * readings.deviation
    return Signals(
        quiet & (close < readings.vwap - band),
        quiet & (close > readings.vwap + band),
        close >= readings.vwap,
        close <= readings.vwap,
    )


def quantities(close: np.ndarray) -> np.ndarray:
    """Return the notional in BTC, rounded down to the step."""
    return np.floor(NOTIONAL / close / STEP) * STEP


def at_next_open(column: np.ndarray) -> np.ndarray:
    """Move what was decided at a close to the next candle, whose open fills it."""
    moved = np.zeros_like(column)
    moved[1:] = column[:-1]
    return moved
