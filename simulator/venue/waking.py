"""Between which prices nothing can happen to a symbol: what lets a backtest pass over the candles in between."""

from decimal import Decimal
from typing import Final

from simulator.venue.account import Position
from simulator.venue.decimals import ZERO, ceil_to, floor_to
from simulator.venue.margin import liquidation_price
from simulator.venue.market import ABOVE_ALL, Market
from simulator.venue.state import State

ALWAYS: Final = (ABOVE_ALL, ZERO)
"""No price lies above the first and below the second: every candle has to be looked at."""
NEVER: Final = (ZERO, ABOVE_ALL)


def wake_prices(state: State, market: Market) -> tuple[Decimal, Decimal]:
    """Return (low, high): a candle (and mark price) strictly between them does nothing but move the price."""
    if market.travelling:
        return ALWAYS
    if market.is_stale:
        market.set_wake_prices()
    if market.quiet is None:
        low, high = market.wake_low, market.wake_high
        position = state.account.positions[market.instrument.symbol]
        if position.quantity:
            below, above = liquidation_bounds(state, market, position)
            low, high = max(low, below), min(high, above)
        market.quiet = low, high
    return market.quiet


def liquidation_bounds(state: State, market: Market, position: Position) -> tuple[Decimal, Decimal]:
    """Return prices strictly between which the position is safe, a tick to spare; of a crossed one none is known."""
    if not position.quantity:
        return NEVER
    if not position.is_isolated:
        return ALWAYS
    price, tick = liquidation_price(state, market, position), market.instrument.tick_size
    if position.quantity > ZERO:
        return (ceil_to(price, tick) + tick if price else ZERO), ABOVE_ALL
    return ZERO, floor_to(price, tick) - tick
