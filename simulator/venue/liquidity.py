"""How wide and how deep the book around the path price is, and how much of a trade reaches resting orders."""

from collections.abc import Iterator
from decimal import Decimal
from typing import Final

import msgspec

from simulator.venue.decimals import floor_to
from simulator.venue.instrument import Instrument
from simulator.venue.model import Level, Side

PERCENT: Final = Decimal("0.01")


class Liquidity(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """Parameters of the synthetic book, the same for every symbol.

    `spread_ticks`: distance of best bid and ask. `top_notional`: mean quote value of the best level; each further
    level is larger by `growth`, and every level varies between half and one and a half of that by its price.
    `levels`: how many levels a market order may walk. `touch_share`: part of a trade's quantity that reaches our
    order when the path only touches its price (the queue ahead gets the rest); a path that trades through fills all.
    """

    spread_ticks: int = 1
    top_notional: Decimal = Decimal(1_000)
    growth: Decimal = Decimal("1.15")
    levels: int = 50
    touch_share: Decimal = Decimal("0.25")


def synthetic_levels(liquidity: Liquidity, instrument: Instrument, best: Decimal, taker: Side) -> Iterator[Level]:
    """Yield the levels a `taker` order meets, from `best` outwards; the same price always shows the same quantity."""
    direction = 1 if taker is Side.BUY else -1
    tick = instrument.tick_size
    unit = instrument.step_size
    notional = liquidity.top_notional
    price = best
    for _ in range(liquidity.levels):
        if price <= 0:
            return
        ticks = int(price / tick)
        variation = (50 + ticks * 7919 % 101) * PERCENT
        yield Level(price, max(floor_to(notional * variation / price, unit), unit))
        price += direction * tick
        notional *= liquidity.growth
