"""Where the simulator's prices come from: the values a market hands out and the protocol of their source.

A tape is pure: no clock, no I/O after it was built. Times are int ms UTC of market time, money is `Decimal` on the
symbol's tick and step.
"""

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Protocol

import msgspec

MINUTE_MS = 60_000
DAY_MS = 86_400_000
HISTORY_MINUTES = 1_740
"""Candles served before the start at the least: a whole session and the 300 candles of warm-up before it."""


class Tick(msgspec.Struct, frozen=True, gc=False):
    """One trade of somebody else: the path price moves to `price` at `at_ms`.

    `quantity` is in base asset and above zero, except where a candle holds fewer steps than prices to visit: then a
    tick of quantity 0 moves the price without a trade. `buyer_is_maker` is the wire's `m`: True = the seller aggressed.
    """

    symbol: str
    at_ms: int
    price: Decimal
    quantity: Decimal
    buyer_is_maker: bool


class Candle(msgspec.Struct, frozen=True, gc=False):
    """One whole 1-minute candle: `volume`, `taker_base` in base asset, `quote_volume`, `taker_quote` in quote asset."""

    symbol: str
    open_time: int
    open: Decimal
    high: Decimal
    low: Decimal
    close: Decimal
    volume: Decimal
    quote_volume: Decimal
    trades: int
    taker_base: Decimal
    taker_quote: Decimal


class Mark(msgspec.Struct, frozen=True, gc=False):
    """Mark and index price of a symbol at the start of one market second."""

    symbol: str
    at_ms: int
    mark: Decimal
    index: Decimal


class Minute(msgspec.Struct, frozen=True):
    """Everything that happens to the market in one minute.

    `candles` lacks a symbol where the recording has a hole; such a symbol has no tick and no mark either. A candle
    without volume has marks but no tick. `ticks` and `marks` are in time order over all symbols, within
    [open_time, open_time + 60,000). A symbol's first tick is at `open_time` and at the candle's open (but for raw tick
    recordings, which keep their own times), its ticks visit high and low and end at the close, and their quantities
    sum to the candle's volume exactly.
    """

    open_time: int
    candles: Mapping[str, Candle]
    ticks: Sequence[Tick]
    marks: Sequence[Mark]


class Tape(Protocol):
    """A market, from `start_ms` on, and the candles before it."""

    @property
    def symbols(self) -> tuple[str, ...]:
        """Symbols of the market, in the order asked for."""

    @property
    def start_ms(self) -> int:
        """Start of the first minute that is played; a whole minute."""

    @property
    def end_ms(self) -> int | None:
        """First moment after the last minute, None for a market without end."""

    @property
    def shift_ms(self) -> int:
        """Whole days by which a recording was moved, 0 for a market that is not replayed."""

    def history(self, symbol: str) -> Sequence[Candle]:
        """Return the 1-minute candles before `start_ms`, oldest first, no hole, `HISTORY_MINUTES` at the least."""

    def minute(self, open_time: int) -> Minute:
        """Return the minute that starts at `open_time`. Ask in rising order, each minute from `start_ms` on, once.

        At and after `end_ms` the market stands still: the minute is empty.
        """

    def funding_rate(self, symbol: str, funding_time: int) -> Decimal:
        """Return the rate, as a fraction per interval, settled at `funding_time` (a whole hour, market time)."""

    def funding_interval_hours(self, symbol: str) -> int:
        """Return the hours between two settlements: 8, 4, 2 or 1. Settlements fall on UTC multiples of it."""


class DataError(ValueError):
    """A recording cannot be used. The message is one line that says what is wrong, where, and what to do."""
