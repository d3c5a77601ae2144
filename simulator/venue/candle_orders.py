"""How an order reaches the market in candle mode, and what a taker pays there (docs/strategy.md, Fills)."""

from decimal import Decimal

from simulator.venue.costs import moved_against
from simulator.venue.decimals import ceil_to, floor_to
from simulator.venue.execution import enforce_reduce_only, expire, fill
from simulator.venue.market import Market
from simulator.venue.matching import is_worse
from simulator.venue.model import Candle, ExpiryReason, Order, OrderType, Side, TimeInForce
from simulator.venue.state import State


def send(state: State, market: Market, order: Order) -> Order:
    """Let an order travel to the next open, or further by its latency; sent inside a candle it trades at the open."""
    delay_ms = state.latency.delay_ms(order.order_id) if state.latency else 0
    if market.candle.is_open:
        if not delay_ms:
            return reach(state, market, order, market.last)
        market.travelling[order.order_id] = state.now_ms + delay_ms
    else:
        market.travelling[order.order_id] = state.now_ms + 1 + delay_ms
    if order.type is not OrderType.MARKET:
        market.is_stale = True
    return order


def arrive(state: State, market: Market, order_id: int, price: Decimal) -> None:
    """End the travels of an order: it meets the market at this price, unless one before it closed it."""
    if market.travelling.pop(order_id, None) is None:
        return
    order = state.orders[order_id]
    if order.type is not OrderType.MARKET:
        market.is_stale = True
    reach(state, market, order, price)


def arrivals(market: Market, until_ms: int) -> list[int]:
    """List the travelling orders that arrive up to a time, in the order they were placed."""
    return [order_id for order_id, due_ms in market.travelling.items() if due_ms <= until_ms]


def price_at(market: Market, candle: Candle, side: Side, at_ms: int) -> Decimal:
    """Return what an order meets inside a candle: the worse of the open and the straight line from open to close."""
    passed = (candle.close - candle.open) * (at_ms - candle.open_time) / candle.interval_ms
    tick = market.instrument.tick_size
    if side is Side.BUY:
        return max(candle.open, ceil_to(candle.open + passed, tick))
    return min(candle.open, floor_to(candle.open + passed, tick))


def reach(state: State, market: Market, order: Order, price: Decimal) -> Order:
    """Trade an arriving order at a price, moved against it by the costs, or let it rest there.

    A market order trades whole. So does a limit order that the best price (half the spread away) is within, at most
    at its own price; post-only it expires instead. One that is not reached rests, unless its time in force forbids it.
    """
    tier, tick = market.candle.tier, market.instrument.tick_size
    paid = moved_against(price, order.side, tier.against_taker, tick) if tier.against_taker else price
    if order.type is not OrderType.MARKET:
        if is_worse(moved_against(price, order.side, tier.half_spread, tick), order.price, order.side):
            return _rest(state, order)
        if order.time_in_force is TimeInForce.GTX:
            return expire(state, order, ExpiryReason.NONE)
        paid = order.price if is_worse(paid, order.price, order.side) else paid
    order = fill(state, order, paid, order.remaining, maker=False)
    if market.resting:
        enforce_reduce_only(state, market)
    return order


def _rest(state: State, order: Order) -> Order:
    if order.time_in_force is TimeInForce.IOC or order.time_in_force is TimeInForce.FOK:
        return expire(state, order, ExpiryReason.IOC_REMAINDER)
    return order
