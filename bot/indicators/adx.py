"""Wilder's ADX(14), one candle at a time, equal to TA-Lib's.

A plain function over floats, so that it runs as Python live and compiled in a backtest, bit for bit the same. What it
chooses by is written as expressions, not branches: compiled, a candle then takes two thirds of the time.
The first value comes with the 28th candle: 1 to start from, 13 to fill the sums, 14 to average DX.
"""

from math import nan

type AdxState = tuple[float, float, float, float, float, float, float, float]

_PERIOD = 14.0
_ZERO = 1e-14


def adx_start() -> AdxState:
    """Return the state before the first candle: (candles, high, low, close, +DM, -DM, TR, ADX or the sum of DX)."""
    return 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0


def adx_step(state: AdxState, high: float, low: float, close: float) -> AdxState:
    """Take a candle: smooth directional movement and true range by Wilder's rule, then their index DX."""
    candles, last_high, last_low, last_close, plus, minus, true_range, average = state
    if candles == 0.0:
        return 1.0, high, low, close, 0.0, 0.0, 0.0, 0.0
    candles += 1.0
    if candles > _PERIOD:
        plus -= plus / _PERIOD
        minus -= minus / _PERIOD
        true_range -= true_range / _PERIOD
    up = high - last_high
    down = last_low - low
    minus += down if down > 0.0 and down > up else 0.0
    plus += up if up > 0.0 and up > down else 0.0
    true_range += max(high, last_close) - min(low, last_close)
    if candles > _PERIOD:
        average = _average(candles, plus, minus, true_range, average)
    return candles, high, low, close, plus, minus, true_range, average


def adx_value(state: AdxState) -> float:
    """Return the ADX, nan before the 28th candle."""
    return state[7] if state[0] >= 2.0 * _PERIOD else nan


def _average(candles: float, plus: float, minus: float, true_range: float, average: float) -> float:
    if true_range < _ZERO:
        return average
    rising = 100.0 * (plus / true_range)
    falling = 100.0 * (minus / true_range)
    both = rising + falling
    moves = both >= _ZERO
    index = 100.0 * (abs(falling - rising) / both) if moves else 0.0
    if candles > 2.0 * _PERIOD:
        return (average * (_PERIOD - 1.0) + index) / _PERIOD if moves else average
    total = average + index
    return total / _PERIOD if candles == 2.0 * _PERIOD else total
