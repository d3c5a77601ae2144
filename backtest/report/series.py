"""What a report draws, made small: the curve thinned so that its extremes stay, candles packed."""

import base64
import gzip
from typing import Any

import numpy as np

from backtest.history import History, Series
from backtest.statistics import EquityCurve
from simulator.market.recordings import Floats, Integers

CURVE_POINTS = 4_000
MOST_CANDLES = 1_000_000
_BARS = (1, 5, 15, 60, 240, 1_440)
_LARGEST = 2**31 - 1
_EFFORT = 6


def thinned_curve(curve: EquityCurve, points: int = CURVE_POINTS) -> dict[str, list[float]]:
    """Return times, equity and drawdown with at most about `points` points.

    Of each stretch stay its first point, its highest and lowest equity and its deepest drawdown; the last point too.
    """
    drawdown = curve.drawdown
    kept = _kept(curve.equity, drawdown, points)
    return {
        "time": curve.times[kept].tolist(),
        "equity": np.round(curve.equity[kept], 2).tolist(),
        "drawdown": np.round(drawdown[kept], 2).tolist(),
    }


def bar_candles(history: History, from_ms: int, most: int = MOST_CANDLES) -> int:
    """Return how many candles one bar has to hold so that all symbols together have at most `most` bars."""
    candles = sum(int((series.open_time >= from_ms).sum()) for series in history.series.values())
    return next((bar for bar in _BARS if candles <= most * bar), _BARS[-1])


def packed_candles(series: Series, from_ms: int, interval_ms: int, bar: int = 1) -> dict[str, Any]:
    """Return a symbol's candles as small text, `bar` of them merged into one.

    `data` is base64 of gzip of 32-bit integers, little end first, in five runs of `count`: bars since the one before,
    open - close before, high - the higher of open and close, the lower of them - low, close - open. Prices are in
    `unit`; the first one counts from `open`.
    """
    first = int(np.searchsorted(series.open_time, from_ms))
    times = series.open_time[first:]
    prices = [column[first:] for column in (series.open, series.high, series.low, series.close)]
    span_ms = interval_ms * bar
    if bar > 1:
        times, prices = _merged(times, prices, span_ms)
    unit = float(series.tick)
    columns = _differences(times, prices, span_ms)
    while columns.size and np.abs(columns).max() > _LARGEST:
        unit, prices = unit * 10, [np.round(column / 10) for column in prices]
        columns = _differences(times, prices, span_ms)
    return {
        "symbol": series.symbol,
        "count": int(times.size),
        "start": int(times[0]) if times.size else 0,
        "interval": span_ms,
        "unit": unit,
        "open": float(prices[0][0]) if times.size else 0.0,
        "data": base64.b64encode(gzip.compress(columns.astype("<i4").tobytes(), _EFFORT, mtime=0)).decode(),
    }


def _kept(equity: Floats, drawdown: Floats, points: int) -> Integers:
    if equity.size <= points:
        return np.arange(equity.size)
    length = -(-equity.size * 4 // points)
    starts = np.arange(0, equity.size, length)
    ends = np.append(starts[1:], equity.size)
    kept = [0, equity.size - 1]
    for start, end in zip(starts.tolist(), ends.tolist(), strict=True):
        stretch = equity[start:end]
        extremes = (stretch.argmin(), stretch.argmax(), drawdown[start:end].argmin())
        kept += [start, *(start + int(place) for place in extremes)]
    places: Integers = np.unique(np.array(kept))
    return places


def _merged(times: Integers, prices: list[Floats], span_ms: int) -> tuple[Integers, list[Floats]]:
    if not times.size:
        return times, prices
    bars = times // span_ms
    starts = np.flatnonzero(np.diff(bars, prepend=bars[0] - 1))
    ends = np.append(starts[1:], bars.size) - 1
    opened, high, low, closed = prices
    merged = [opened[starts], np.maximum.reduceat(high, starts), np.minimum.reduceat(low, starts), closed[ends]]
    return bars[starts] * span_ms, merged


def _differences(times: Integers, prices: list[Floats], span_ms: int) -> Floats:
    opened, high, low, closed = prices
    if not times.size:
        return np.empty(0)
    before = np.append(opened[:1], closed[:-1])
    higher, lower = np.maximum(opened, closed), np.minimum(opened, closed)
    gaps = np.diff(times, prepend=times[0]) // span_ms
    columns: Floats = np.rint(np.concatenate([gaps, opened - before, high - higher, lower - low, closed - opened]))
    return columns
