"""From a candle to the trades inside it: a seeded walk over ticks that visits open, both extremes and close."""

from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from itertools import pairwise
from operator import attrgetter
from random import Random
from typing import Final

import msgspec

from simulator.market.instruments import Grid
from simulator.market.tape import MINUTE_MS, Candle, Mark, Minute, Tick

TICKS_PER_MINUTE: Final = 60
_CONTRARY_PATHS: Final = 0.3
_WIGGLE: Final = 0.08


class Bar(msgspec.Struct, frozen=True, gc=False):
    """A 1-minute candle on the lattice: prices in ticks, volume in steps."""

    open_time: int
    open: int
    high: int
    low: int
    close: int
    volume: int


def ticks_of(bar: Bar, grid: Grid, *, count: int, rng: Random) -> list[Tick]:
    """Expand a candle into `count` trades, fewer where its volume has fewer steps, none where it has no volume.

    Rising candles mostly visit the low first, falling ones the high. The first trade is at `open_time` and at the open,
    the last at the close; quantities sum to the volume. Where there are fewer steps than prices to visit, the last ones
    get quantity 0.
    """
    if bar.volume == 0:
        return []
    corners = _corners(bar, rng)
    length = max(len(corners), min(count, bar.volume))
    prices = _walk(corners, length, bar, rng)
    quantities = _shares(bar.volume, length, rng)
    times = _times(bar.open_time, length, rng)
    return [
        Tick(grid.symbol, at_ms, grid.price(price), grid.quantity(quantity), seller)
        for at_ms, price, quantity, seller in zip(times, prices, quantities, _sellers(prices, rng), strict=True)
    ]


def candle_of_ticks(symbol: str, open_time: int, ticks: Sequence[Tick]) -> Candle:
    """Aggregate the trades of one minute; `ticks` is not empty."""
    prices = [tick.price for tick in ticks]
    bought = [tick for tick in ticks if not tick.buyer_is_maker]
    return Candle(
        symbol=symbol,
        open_time=open_time,
        open=prices[0],
        high=max(prices),
        low=min(prices),
        close=prices[-1],
        volume=sum((tick.quantity for tick in ticks), start=Decimal(0)),
        quote_volume=sum((tick.price * tick.quantity for tick in ticks), start=Decimal(0)),
        trades=sum(1 for tick in ticks if tick.quantity),
        taker_base=sum((tick.quantity for tick in bought), start=Decimal(0)),
        taker_quote=sum((tick.price * tick.quantity for tick in bought), start=Decimal(0)),
    )


def candle_of_bar(bar: Bar, grid: Grid) -> Candle:
    """Turn a bar nobody saw the trades of into a candle; what the bar does not know is set to plausible values.

    The quote volume is at the middle of open and close, half of the volume is the takers', 40 trades a full candle.
    """
    middle = (grid.price(bar.open) + grid.price(bar.close)) / 2
    volume, taken = grid.quantity(bar.volume), grid.quantity(bar.volume // 2)
    return Candle(
        symbol=grid.symbol,
        open_time=bar.open_time,
        open=grid.price(bar.open),
        high=grid.price(bar.high),
        low=grid.price(bar.low),
        close=grid.price(bar.close),
        volume=volume,
        quote_volume=volume * middle,
        trades=min(bar.volume, 40),
        taker_base=taken,
        taker_quote=taken * middle,
    )


def minute_of_bars(
    open_time: int, bars: Mapping[str, Bar], grids: Mapping[str, Grid], *, count: int, seed: int
) -> Minute:
    """Play one minute of several symbols; a symbol without a bar has a hole. The same seed gives the same minute."""
    candles: dict[str, Candle] = {}
    ticks: list[Tick] = []
    marks: list[Mark] = []
    for symbol, bar in bars.items():
        rng = Random(f"{seed} {symbol} {open_time}")  # noqa: S311 - prices of a simulation, not secrets
        own = ticks_of(bar, grids[symbol], count=count, rng=rng)
        candles[symbol] = candle_of_ticks(symbol, open_time, own) if own else candle_of_bar(bar, grids[symbol])
        ticks += own
        marks += marks_of(symbol, open_time, own, before=candles[symbol].open)
    return minute_in_time_order(open_time, candles, ticks, marks)


def minute_in_time_order(
    open_time: int, candles: Mapping[str, Candle], ticks: Iterable[Tick], marks: Iterable[Mark]
) -> Minute:
    """Put the symbols' own sequences together; at the same millisecond the order of the symbols is kept."""
    return Minute(
        open_time=open_time,
        candles=candles,
        ticks=tuple(sorted(ticks, key=attrgetter("at_ms"))),
        marks=tuple(sorted(marks, key=attrgetter("at_ms"))),
    )


def marks_of(symbol: str, open_time: int, ticks: Sequence[Tick], *, before: Decimal) -> list[Mark]:
    """Sample the path at each second of the minute; `before` is the price until the first trade."""
    marks: list[Mark] = []
    price, position = before, 0
    for at_ms in range(open_time, open_time + MINUTE_MS, 1000):
        while position < len(ticks) and ticks[position].at_ms <= at_ms:
            price = ticks[position].price
            position += 1
        marks.append(Mark(symbol, at_ms, price, price))
    return marks


def _corners(bar: Bar, rng: Random) -> list[int]:
    rising = bar.close >= bar.open
    low_first = rising != (rng.random() < _CONTRARY_PATHS)
    extremes = (bar.low, bar.high) if low_first else (bar.high, bar.low)
    corners = [bar.open]
    for price in (*extremes, bar.close):
        if price != corners[-1]:
            corners.append(price)
    return corners


def _walk(corners: Sequence[int], length: int, bar: Bar, rng: Random) -> list[int]:
    stops = _stops(len(corners), length, rng)
    wiggle = _WIGGLE * (bar.high - bar.low)
    prices = [corners[0]]
    for leg in range(1, len(corners)):
        steps = stops[leg] - stops[leg - 1]
        start, end = corners[leg - 1], corners[leg]
        for step in range(1, steps):
            price = round(start + (end - start) * step / steps + rng.gauss(0, wiggle))
            prices.append(min(bar.high, max(bar.low, price)))
        prices.append(end)
    return prices + [corners[-1]] * (length - len(prices))


def _stops(corners: int, length: int, rng: Random) -> list[int]:
    if corners == 1:
        return [0]
    shortest = max(1, length // 8)
    spare = length - 1 - shortest * (corners - 1)
    slack = sorted(rng.randint(0, spare) for _ in range(corners - 2))
    return [0, *(shortest * leg + extra for leg, extra in enumerate(slack, start=1)), length - 1]


def _shares(volume: int, length: int, rng: Random) -> list[int]:
    if volume <= length:
        return [1] * volume + [0] * (length - volume)
    weights = [rng.expovariate(1) for _ in range(length)]
    scale = (volume - length) / sum(weights)
    shares = [1 + int(weight * scale) for weight in weights]
    shares[rng.randrange(length)] += volume - sum(shares)
    return shares


def _times(open_time: int, length: int, rng: Random) -> list[int]:
    slot = MINUTE_MS / length
    return [open_time, *(open_time + int((index + rng.random()) * slot) for index in range(1, length))]


def _sellers(prices: Sequence[int], rng: Random) -> list[bool]:
    sellers = [rng.random() < 0.5]
    for before, now in pairwise(prices):
        sellers.append(now < before if now != before else rng.random() < 0.5)
    return sellers
