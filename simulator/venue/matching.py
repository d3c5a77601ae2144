"""Who trades with whom: a taker walking the book, a resting order met by the path. Pure: values in, fills out."""

from collections.abc import Iterable
from decimal import Decimal

import msgspec

from simulator.venue.decimals import ZERO, floor_to
from simulator.venue.model import Level, Order, Side


class Match(msgspec.Struct, frozen=True, gc=False):
    """A quantity that trades at a price."""

    price: Decimal
    quantity: Decimal


def walk(levels: Iterable[Level], side: Side, quantity: Decimal, worst_price: Decimal) -> list[Match]:
    """Take up to `quantity` level by level, no worse than `worst_price` (0 = any)."""
    matches: list[Match] = []
    left = quantity
    for level in levels:
        if not left or is_worse(level.price, worst_price, side):
            break
        taken = min(left, level.quantity)
        matches.append(Match(level.price, taken))
        left -= taken
    return matches


def is_worse(price: Decimal, limit: Decimal, side: Side) -> bool:
    """Tell whether `price` is beyond a taker's limit; a limit of 0 allows any."""
    if not limit:
        return False
    return price > limit if side is Side.BUY else price < limit


def resting_match(order: Order, price: Decimal, traded: Decimal, touch_share: Decimal, step: Decimal) -> Decimal:
    """Return how much of a resting order a trade of the path at `price` fills, at the order's own price.

    A path that trades through the order's price fills it all: the market could not have passed it otherwise. One that
    only touches it gives the order its share of the traded quantity, in whole steps, at least one when any was traded.
    """
    through = price < order.price if order.side is Side.BUY else price > order.price
    if through:
        return order.remaining
    if price != order.price or not traded:
        return ZERO
    share = max(floor_to(traded * touch_share, step), step)
    return min(share, order.remaining)
