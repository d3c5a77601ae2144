"""How wide and how deep the book around the path price is, and how much of a trade reaches resting orders."""

from decimal import Decimal

import msgspec


class Liquidity(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """Parameters of the synthetic book, the same for every symbol.

    `spread_ticks`: distance of best bid and ask. `top_notional`: mean quote value of the best level; each further
    level is larger by `growth`. `levels`: how many levels a market order may walk. `touch_share`: part of a trade's
    quantity that reaches our order when the path only touches its price; a path that trades through fills all of it.
    """

    spread_ticks: int = 1
    top_notional: Decimal = Decimal(2_000)
    growth: Decimal = Decimal("1.15")
    levels: int = 50
    touch_share: Decimal = Decimal("0.25")
