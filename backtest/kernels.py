"""The loops a backtest compiles: plain functions over arrays, which run as they stand and as machine code alike.

`start`, `step` and `flags` hold the places of the strategy's own; whoever compiles a loop puts those there. Candles
come as arrays: `open_time` in ms UTC, prices in whole ticks, volume in whole steps. Bits are those of
`bot.trading.strategy`.
"""

from collections.abc import Callable
from typing import Any

import numpy as np

start: Callable[[], Any] = tuple
step: Callable[..., Any] = tuple
flags: Callable[..., int] = len

_DAY_MS = 86_400_000
_ENTRY = 3
_LONG = 1
_SHORT = 2


def flags_loop(open_time, high, low, close, volume, interval_ms, numbers, out):
    """Write the bits of every candle to `out`; the strategy starts anew at each hole."""
    state = start()
    expected = -1
    for at in range(len(open_time)):
        if open_time[at] != expected:
            state = start()
        expected = open_time[at] + interval_ms
        opens_session = open_time[at] % _DAY_MS == 0
        state, readings = step(state, opens_session, high[at], low[at], close[at], volume[at])
        out[at] = flags(readings, numbers)


def readings_loop(open_time, high, low, close, volume, interval_ms):
    """Return the readings of every candle, one row each."""
    state = start()
    state, readings = step(state, False, high[0], low[0], close[0], volume[0])
    rows = np.empty((len(open_time), len(readings)))
    expected = -1
    for at in range(len(open_time)):
        if open_time[at] != expected:
            state = start()
        expected = open_time[at] + interval_ms
        opens_session = open_time[at] % _DAY_MS == 0
        state, readings = step(state, opens_session, high[at], low[at], close[at], volume[at])
        for column in range(len(readings)):
            rows[at, column] = readings[column]
    return rows


def flags_of_loop(readings, numbers, out):
    """Write the bits that each row of readings gives with these numbers to `out`."""
    for at in range(len(readings)):
        out[at] = flags(readings[at], numbers)


def next_entry(bits, open_time, first, end, not_before_ms):
    """Return the first candle from `first` on that opens at or after a time and asks for one side; `end` = none."""
    for at in range(first, end):
        asked = bits[at] & _ENTRY
        if (asked == _LONG or asked == _SHORT) and open_time[at] >= not_before_ms:
            return at
    return end


def next_touch(
    bits,
    open_time,
    high,
    low,
    close,
    first,
    end,
    wanted,
    low_level,
    high_level,
    close_below,
    close_above,
    until_ms,
):
    """Return the first candle that shows a wanted bit, reaches a level, or opens at or after a time; `end` = none.

    Levels are in ticks: the low at or below `low_level`, the high at or above `high_level`, the close at or below
    `close_below` or at or above `close_above`.
    """
    for at in range(first, end):
        if (
            bits[at] & wanted
            or low[at] <= low_level
            or high[at] >= high_level
            or close[at] <= close_below
            or close[at] >= close_above
            or open_time[at] >= until_ms
        ):
            return at
    return end


def next_breach(open_time, close, held, at, end, worth, last, base, level, until_ms):
    """Return the open time of the first minute after which equity is at or below a level; `until_ms` = not before it.

    `open_time` and `close` are lists with an array for every symbol, `held` says which of them are held. Equity is
    `base` plus, for each of these, `worth` (quote value of a tick) times its close. `at` and `end` bound its rows,
    `last` is its close so far; both change on the way.
    """
    while True:
        now = until_ms
        for one in range(len(held)):
            if at[one] < end[one] and open_time[held[one]][at[one]] < now:
                now = open_time[held[one]][at[one]]
        if now >= until_ms:
            return until_ms
        equity = base
        for one in range(len(held)):
            if at[one] < end[one] and open_time[held[one]][at[one]] == now:
                last[one] = close[held[one]][at[one]]
                at[one] += 1
            equity += worth[one] * last[one]
        if equity <= level:
            return now
