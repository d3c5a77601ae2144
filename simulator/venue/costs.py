"""What trading on candles costs beside the fees, as data: spread, slippage, and how limit orders share the volume.

A candle shows no book, so these numbers stand in for it. They are used in candle mode only; elsewhere the book itself
is wide and deep (`liquidity`).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from functools import cached_property
from typing import Final

from simulator.venue.decimals import ZERO, ceil_to, floor_to
from simulator.venue.model import Side

BPS: Final = Decimal("0.0001")
TWO: Final = Decimal(2)


@dataclass(frozen=True)
class Tier:
    """What holds from a traded volume of `minute_notional` (quote asset a minute) on; spread and slippage in bps."""

    minute_notional: Decimal
    spread_bps: Decimal
    slippage_bps: Decimal

    @cached_property
    def half_spread(self) -> Decimal:
        """Distance of the best price from the candle's, as a fraction."""
        return self.spread_bps * BPS / TWO

    @cached_property
    def against_taker(self) -> Decimal:
        """Distance of a taker's price from the candle's, as a fraction: half the spread and the slippage."""
        return self.half_spread + self.slippage_bps * BPS


FREE: Final = Tier(ZERO, ZERO, ZERO)


@dataclass(frozen=True, kw_only=True)
class CandleCosts:
    """The costs of candle mode; no tiers: neither spread nor slippage.

    `volume_share`: part of a candle's volume that one resting limit order gets when the candle trades through it.
    `touch_share`: part of that when the candle only touches its price; 0 = touching never fills.
    """

    tiers: tuple[Tier, ...] = ()
    volume_share: Decimal = Decimal("0.1")
    touch_share: Decimal = ZERO


def sorted_tiers(tiers: Sequence[Tier]) -> tuple[Tier, ...]:
    """Return the tiers from the least liquid one up."""
    return tuple(sorted(tiers, key=lambda tier: tier.minute_notional))


def tier_of(tiers: Sequence[Tier], minute_notional: Decimal) -> Tier:
    """Find the tier of a volume; the least liquid one also holds below its own bound, so without volume."""
    if not tiers:
        return FREE
    found = tiers[0]
    for tier in tiers:
        if tier.minute_notional > minute_notional:
            break
        found = tier
    return found


def moved_against(price: Decimal, side: Side, fraction: Decimal, tick: Decimal) -> Decimal:
    """Move a price against a taker and round it to the tick away from them; nothing moves without costs."""
    if not fraction:
        return price
    if side is Side.BUY:
        return ceil_to(price * (1 + fraction), tick)
    return max(floor_to(price * (1 - fraction), tick), tick)
