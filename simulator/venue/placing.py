"""What a new order must pass before it gets an id, and its way to the book."""

from decimal import Decimal

from msgspec.structs import replace

from simulator.venue import candle_orders
from simulator.venue.decimals import ZERO
from simulator.venue.errors import refusal
from simulator.venue.execution import (
    accept,
    closing_rank,
    enforce_reduce_only,
    match_as_taker,
    reachable,
    reduce_only_orders,
)
from simulator.venue.filters import (
    check_client_id,
    check_counterparty_price,
    check_notional,
    check_percent_price,
    check_price,
    check_quantity,
    check_status,
)
from simulator.venue.margin import check_new_order, is_reducing
from simulator.venue.market import Market
from simulator.venue.model import AlgoRequest, Order, OrderRequest, OrderType, PositionSide, TimeInForce
from simulator.venue.state import State


def place_order(state: State, request: OrderRequest) -> Order:
    """Check, accept and match an order; refusals leave no trace."""
    state.check_not_held()
    market = state.markets[request.symbol]
    _check_kind(state, request)
    price = market.expected_price(request)
    _check_filters(market, request, price)
    if request.reduce_only:
        request = _within_position(state, market, request)
    else:
        check_new_order(state, market, request, price)
    if not state.by_candles and request.type is OrderType.LIMIT:
        _check_book(market, request)
    order = accept(state, request)
    if order.reduce_only and len(market.resting) > 1:
        enforce_reduce_only(state, market)
    return candle_orders.send(state, market, order) if state.by_candles else send_to_book(state, market, order)


def send_to_book(state: State, market: Market, order: Order) -> Order:
    """Match now, or after the order's latency."""
    delay_ms = state.latency.delay_ms(order.order_id) if state.latency else 0
    if not delay_ms:
        return match_as_taker(state, market, order)
    due_ms = state.now_ms + delay_ms
    market.travelling[order.order_id] = due_ms
    market.is_stale = True
    state.arrivals.append((due_ms, order.order_id))
    state.next_due_ms = min(state.next_due_ms, due_ms)
    return order


def check_position_side(state: State, request: OrderRequest | AlgoRequest) -> None:
    """Refuse a position side of the other mode (-4061), and hedge mode itself, which is not supported yet (-1020)."""
    if (request.position_side is PositionSide.BOTH) == state.is_dual:
        raise refusal(-4061)
    if state.is_dual:
        raise refusal(-1020)


def _check_kind(state: State, request: OrderRequest) -> None:
    if request.type is not OrderType.LIMIT and request.type is not OrderType.MARKET:
        raise refusal(-4120)
    if request.time_in_force is TimeInForce.GTD:
        raise refusal(-1115)
    if request.price_match != "NONE":
        raise refusal(-5037)
    if request.good_till_ms:
        raise refusal(-5040)
    check_position_side(state, request)
    check_client_id(request.client_order_id)
    known = state.order_ids.get((request.symbol, request.client_order_id))
    if known is not None and state.orders[known].is_open:
        raise refusal(-4116)


def _check_filters(market: Market, request: OrderRequest, price: Decimal) -> None:
    rules, mark = market.instrument, market.mark
    is_market = request.type is OrderType.MARKET
    check_status(rules, reduce_only=request.reduce_only)
    check_quantity(rules, request.quantity, market=is_market)
    if is_market:
        if not market.last:
            raise refusal(-1112)
        check_counterparty_price(rules, request.side, price, mark)
    else:
        check_price(rules, price)
        check_percent_price(rules, request.side, price, mark)
    if not request.reduce_only:
        check_notional(rules, mark if is_market else price, request.quantity)
    if rules.max_orders and len(market.resting) >= rules.max_orders:
        raise refusal(-2025)


def _within_position(state: State, market: Market, request: OrderRequest) -> OrderRequest:
    """Shrink a reduce-only order to what orders ranking before it leave of the position; -2022 when that is nothing."""
    position = state.account.positions[request.symbol]
    if not is_reducing(position, request):
        raise refusal(-2022)
    left = abs(position.quantity)
    if market.resting:
        rank = closing_rank(request)
        left -= sum((o.remaining for o in reduce_only_orders(market) if closing_rank(o) <= rank), ZERO)
    if left <= ZERO:
        raise refusal(-2022)
    return replace(request, quantity=left) if request.quantity > left else request


def _check_book(market: Market, request: OrderRequest) -> None:
    matches = reachable(market, request) if market.last else []
    if request.time_in_force is TimeInForce.GTX and matches:
        raise refusal(-5022)
    if request.time_in_force is TimeInForce.FOK and sum((m.quantity for m in matches), ZERO) < request.quantity:
        raise refusal(-5021)
