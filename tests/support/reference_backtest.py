"""A second witness of the reference strategy's backtest with market entries, written from its description alone.

It shares nothing with the product. Prices are whole ticks, volumes whole steps, money is a Fraction until it is
rounded; the band is compared as whole numbers. Only ADX is float, and TA-Lib's.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise

import numpy as np
import talib

MINUTE = 60_000
DAY = 24 * 60 * MINUTE
ADX_PERIOD = 14


@dataclass(frozen=True)
class Filters:
    """What the exchange accepts of a market order; sizes as exact numbers."""

    tick: Fraction
    step: Fraction
    min_quantity: Fraction = Fraction(0)
    max_quantity: Fraction = Fraction(10**12)
    min_notional: Fraction = Fraction(0)


@dataclass(frozen=True)
class Rules:
    """The strategy's parameters and the account's taker fee, as the reference strategy has them."""

    k: Fraction = Fraction(2)
    adx_max: int = 20
    notional: Fraction = Fraction(1000)
    stop_pct: Fraction = Fraction(1)
    min_session_candles: int = 30
    warm_up: int = 300
    taker_fee: Fraction = Fraction(5, 10_000)


@dataclass(frozen=True)
class Candles:
    """Columns of one symbol in time order: ms of the open, prices in ticks, volumes in steps, all whole numbers."""

    open_time: list[int]
    open: list[int]
    high: list[int]
    low: list[int]
    close: list[int]
    volume: list[int]


@dataclass(frozen=True)
class Verdict:
    """What a candle's close says: `entry` is +1 long, -1 short, 0 nothing."""

    entry: int = 0
    ends_long: bool = False
    ends_short: bool = False


@dataclass(frozen=True)
class Position:
    """A filled entry; side is +1 or -1, prices are ticks."""

    side: int
    quantity: Fraction
    entry_time: int
    entry: int
    stop: int


SILENT = Verdict()


def whole_numbers(columns: dict[str, np.ndarray], filters: Filters) -> Candles:
    """Turn columns of floats into ticks and steps; refuse a value that is not on the grid."""
    prices = {name: _counts(columns[name], filters.tick) for name in ("open", "high", "low", "close")}
    return Candles(columns["open_time"].tolist(), **prices, volume=_counts(columns["volume"], filters.step))


def reference_trades(
    symbol: str, candles: Candles, filters: Filters, rules: Rules | None = None, *, from_ms: int | None = None
) -> tuple[list[dict], list[dict]]:
    """Return the round trips and what is open at the end, as the fields of `act backtest --json`."""
    rules = rules or Rules()
    verdicts = list(judge(candles, rules))
    first = 0 if from_ms is None else sum(time < from_ms for time in candles.open_time)
    last = len(candles.open_time) - 1
    trades: list[dict] = []
    position: Position | None = None
    entering = Fraction(0)  # the signed quantity that waits for the next open
    leaving = False
    for index in range(first, last + 1):
        left_here = False
        opened = candles.open[index]
        if leaving:
            trades.append(_trade(symbol, position, candles.open_time[index], opened, "signal", filters, rules))
            position, leaving, left_here = None, False, True
        if entering:
            position, entering = _enter(entering, candles.open_time[index], opened, rules), Fraction(0)
        if position and _reached(position, candles, index):
            filled = min(opened * position.side, position.stop * position.side) * position.side
            trades.append(_trade(symbol, position, candles.open_time[index], filled, "stop", filters, rules))
            position, left_here = None, True
        if index == last:
            break
        verdict = verdicts[index]
        if position:
            leaving = verdict.ends_long if position.side > 0 else verdict.ends_short
        elif verdict.entry and not left_here:
            entering = verdict.entry * _size(candles.close[index], filters, rules)
    if position is None:
        return trades, []
    return trades, [_open(symbol, position, candles.close[last], filters, rules)]


def judge(candles: Candles, rules: Rules) -> Iterator[Verdict]:
    """Say at each close what the indicators alone say, whoever holds what.

    m is P/V and s the root of Q/V - m*m, so with D = P - 3cV the close is below the lower band when D > 0 and
    D*D > k*k * (QV - PP), above the upper one when D < 0 and the same holds.
    """
    over, under = (rules.k**2).as_integer_ratio()
    quiet = _quiet(candles, rules)
    volume = total = squares = 0
    seen = session = 0  # candles since the start or the last hole; candles of the session, 0 = not seen from 00:00
    previous = None
    for index, time in enumerate(candles.open_time):
        if previous is None or time != previous + MINUTE:
            seen = session = 0
        previous = time
        seen += 1
        if time % DAY == 0:
            session = 1
            volume = total = squares = 0
        elif session:
            session += 1
        if not session:
            yield SILENT
            continue
        traded, close = candles.volume[index], candles.close[index]
        three = candles.high[index] + candles.low[index] + close
        volume += traded
        total += three * traded
        squares += three * three * traded
        if not volume:
            yield SILENT
            continue
        below = total - 3 * close * volume
        entry = 0
        if seen > rules.warm_up and session >= rules.min_session_candles and quiet[index]:
            beyond = below * below * under > over * (squares * volume - total * total)
            entry = (below > 0) - (below < 0) if beyond else 0
        yield Verdict(entry, ends_long=below <= 0, ends_short=below >= 0)


def text(amount: Fraction) -> str:
    """Write an amount of at most 8 decimals plainly: no exponent, no trailing zeros, zero is 0."""
    units = amount * 10**8
    if units.denominator != 1:
        raise ValueError(f"{amount} has more than 8 decimals")
    digits = f"{abs(units.numerator):09d}"
    written = f"{digits[:-8]}.{digits[-8:]}".rstrip("0").rstrip(".")
    return f"-{written}" if units < 0 else written


def rounded(amount: Fraction) -> Fraction:
    """Round to 8 decimals, half away from zero."""
    units, rest = divmod(abs(amount) * 10**8, 1)
    units += rest >= Fraction(1, 2)
    return Fraction(units, 10**8) * (-1 if amount < 0 else 1)


def _counts(column: np.ndarray, unit: Fraction) -> list[int]:
    counts = column / float(unit)
    whole = np.rint(counts)
    if not np.allclose(counts, whole, rtol=1e-9, atol=1e-6):
        raise ValueError(f"values that are no multiples of {unit}")
    return whole.astype(np.int64).tolist()


def _quiet(candles: Candles, rules: Rules) -> list[bool]:
    times = candles.open_time
    holes = [index for index, (a, b) in enumerate(pairwise(times), 1) if b != a + MINUTE]
    found: list[bool] = []
    for start, end in pairwise([0, *holes, len(times)]):
        high, low, close = (
            np.array(column[start:end], dtype=np.float64) for column in (candles.high, candles.low, candles.close)
        )
        # TA-Lib has no reading before its 28th candle: not a number, which is never below the limit.
        found += (talib.ADX(high, low, close, ADX_PERIOD) < rules.adx_max).tolist()
    return found


def _size(close: int, filters: Filters, rules: Rules) -> Fraction:
    """Return the quantity for a decision at this close, 0 where the exchange would refuse it."""
    price = close * filters.tick
    quantity = rules.notional / price // filters.step * filters.step
    fits = filters.min_quantity <= quantity <= filters.max_quantity and quantity * price >= filters.min_notional
    return quantity if fits else Fraction(0)


def _enter(signed: Fraction, time: int, price: int, rules: Rules) -> Position:
    side = 1 if signed > 0 else -1
    exact = price * (1 - side * rules.stop_pct / 100)
    # Towards the entry: up for a long, down for a short; on a coarse tick that would be the entry itself.
    stop = side * min(-(-exact * side // 1), price * side - 1)
    return Position(side, abs(signed), time, price, stop)


def _reached(position: Position, candles: Candles, index: int) -> bool:
    if position.side > 0:
        return candles.low[index] <= position.stop
    return candles.high[index] >= position.stop


def _trade(
    symbol: str, position: Position, time: int, price: int, reason: str, filters: Filters, rules: Rules
) -> dict[str, object]:
    fees = _fee(position, position.entry, filters, rules) + _fee(position, price, filters, rules)
    return {
        **_entry(symbol, position, filters),
        "exit_time": time,
        "exit_price": text(price * filters.tick),
        "fees": text(fees),
        "funding": "0",
        "pnl": text(_gross(position, price, filters) - fees),
        "exit_reason": reason,
    }


def _open(symbol: str, position: Position, mark: int, filters: Filters, rules: Rules) -> dict[str, object]:
    return {
        **_entry(symbol, position, filters),
        "mark_price": text(mark * filters.tick),
        "unrealized": text(_gross(position, mark, filters)),
        "fees": text(_fee(position, position.entry, filters, rules)),
        "funding": "0",
        "stop_price": text(position.stop * filters.tick),
    }


def _entry(symbol: str, position: Position, filters: Filters) -> dict[str, object]:
    return {
        "symbol": symbol,
        "side": "LONG" if position.side > 0 else "SHORT",
        "quantity": text(position.quantity),
        "entry_time": position.entry_time,
        "entry_price": text(position.entry * filters.tick),
    }


def _fee(position: Position, price: int, filters: Filters, rules: Rules) -> Fraction:
    return rounded(price * filters.tick * position.quantity * rules.taker_fee)


def _gross(position: Position, price: int, filters: Filters) -> Fraction:
    return rounded(position.side * position.quantity * (price - position.entry) * filters.tick)
