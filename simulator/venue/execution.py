"""How orders come to life and change: accepted, matched, filled, cancelled, expired, with their events in order."""

from decimal import Decimal

from msgspec.structs import replace

from simulator.venue.decimals import ZERO
from simulator.venue.margin import is_reducing
from simulator.venue.market import Market
from simulator.venue.matching import Match, is_worse, resting_match, walk
from simulator.venue.model import (
    AccountReason,
    AlgoStatus,
    ExecutionType,
    ExpiryReason,
    Order,
    OrderRequest,
    OrderStatus,
    OrderType,
    Side,
    Tick,
    TimeInForce,
    Trade,
    WorkingType,
)
from simulator.venue.state import State


def accept(state: State, request: OrderRequest, *, algo_id: int = 0, close_position: bool = False) -> Order:
    """Give a checked request its order id and tell NEW, unless it is left to its fill to tell (`State`)."""
    order_id, now_ms = state.next_order_id, state.now_ms
    state.next_order_id += 1
    is_market = request.type is OrderType.MARKET
    order = Order(
        order_id,
        request.client_order_id or f"venue-{order_id}",
        request.symbol,
        request.side,
        request.position_side,
        request.type,
        TimeInForce.GTC if is_market else request.time_in_force,
        request.quantity,
        ZERO if is_market else request.price,
        request.reduce_only,
        close_position,
        OrderStatus.NEW,
        now_ms,
        now_ms,
        algo_id,
        ZERO,
        ZERO,
        ExpiryReason.NONE,
        WorkingType.CONTRACT_PRICE,
        request.self_trade_prevention,
        request.price_match,
    )
    state.keep_order(order)
    if not state.is_tacit or algo_id or not is_market:
        state.tell_order(order, ExecutionType.NEW)
    return order


def reachable(market: Market, order: Order | OrderRequest) -> list[Match]:
    """List what the order could take from the book now, within its price and the symbol's market bound."""
    quantity = order.remaining if isinstance(order, Order) else order.quantity
    return walk(market.levels(order.side), order.side, quantity, _worst_price(market, order))


def match_as_taker(state: State, market: Market, order: Order) -> Order:
    """Match an arriving order against the book and end what its type or time in force does not let rest."""
    matches = reachable(market, order)
    refused = _refused_on_arrival(order, matches)
    if refused is not None:
        return expire(state, order, refused)
    for match in matches:
        market.take(match.price, match.quantity)
        order = fill(state, order, match.price, match.quantity, maker=False)
    if order.is_open and order.type is OrderType.MARKET:
        order = expire(state, order, ExpiryReason.MARKET_REMAINDER)
    elif order.is_open and order.time_in_force is TimeInForce.IOC:
        order = expire(state, order, ExpiryReason.IOC_REMAINDER)
    if matches:
        enforce_reduce_only(state, market)
    return state.orders[order.order_id]


def match_resting(state: State, market: Market, tick: Tick) -> None:
    """Fill resting orders that a trade of the path reached, the oldest first."""
    for order in list(market.resting.values()):
        if order.order_id in market.travelling or order.order_id not in market.resting:
            continue
        quantity = resting_match(
            order, tick.price, tick.quantity, market.liquidity.touch_share, market.instrument.step_size
        )
        if quantity:
            fill(state, order, order.price, quantity, maker=True)
            enforce_reduce_only(state, market)


def match_crossed(state: State, market: Market) -> None:
    """Fill resting orders that the best price of the other side has reached, the oldest first."""
    for order in list(market.resting.values()):
        if order.order_id in market.travelling or order.order_id not in market.resting:
            continue
        best = market.ask if order.side is Side.BUY else market.bid
        if not is_worse(best, order.price, order.side):
            fill(state, order, order.price, order.remaining, maker=True)
            enforce_reduce_only(state, market)


def fill(
    state: State,
    order: Order,
    price: Decimal,
    quantity: Decimal,
    *,
    maker: bool,
    execution: ExecutionType = ExecutionType.TRADE,
) -> Order:
    """Book one fill: position, wallet, income, then ORDER_TRADE_UPDATE and ACCOUNT_UPDATE."""
    position = state.account.positions[order.symbol]
    asset = position.margin_asset
    quote = price * quantity
    commission = state.fees.commission(quote, maker=maker)
    realized = position.fill(quantity if order.side is Side.BUY else -quantity, price, commission)
    position.updated_ms = state.now_ms
    trade = Trade(
        state.next_trade_id,
        order.order_id,
        order.symbol,
        order.side,
        order.position_side,
        price,
        quantity,
        quote,
        maker,
        commission,
        asset,
        realized,
        state.now_ms,
    )
    state.keep_trade(trade)
    executed = order.executed_quantity + quantity
    order = replace(
        order,
        executed_quantity=executed,
        executed_quote=order.executed_quote + quote,
        status=OrderStatus.FILLED if executed == order.quantity else OrderStatus.PARTIALLY_FILLED,
        updated_ms=state.now_ms,
    )
    state.keep_order(order)
    state.tell_order(order, execution, trade)
    if not state.is_brief:
        state.tell_account(AccountReason.ORDER, asset, position=position, change=ZERO)
    if order.algo_id:
        _finish_parent(state, order)
    return order


def cancel(state: State, order: Order) -> Order:
    """Cancel an open order and tell it."""
    return _close(state, order, OrderStatus.CANCELED, ExecutionType.CANCELED, ExpiryReason.NONE)


def expire(state: State, order: Order, reason: ExpiryReason) -> Order:
    """End an open order for a reason of the exchange's and tell it."""
    return _close(state, order, OrderStatus.EXPIRED, ExecutionType.EXPIRED, reason)


def enforce_reduce_only(state: State, market: Market) -> None:
    """Expire reduce-only orders that could do more than close the position, the least likely to fill first (er 4)."""
    if not market.resting:
        return
    position = state.account.positions[market.instrument.symbol]
    left = abs(position.quantity)
    for order in reduce_only_orders(market):
        if is_reducing(position, order) and order.remaining <= left:
            left -= order.remaining
        else:
            expire(state, order, ExpiryReason.REDUCE_ONLY)


def reduce_only_orders(market: Market) -> list[Order]:
    """List open reduce-only orders, those most likely to fill first: what is on its way comes after the others."""
    orders = [order for order in market.resting.values() if order.reduce_only]
    if len(orders) > 1:
        orders.sort(key=lambda each: (each.order_id in market.travelling, *closing_rank(each), each.order_id))
    return orders


def closing_rank(order: Order | OrderRequest) -> tuple[bool, Decimal]:
    """Rank reduce-only orders: market orders first, then the price most likely to fill."""
    return order.type is not OrderType.MARKET, order.price if order.side is Side.SELL else -order.price


def arrive(state: State, order_id: int) -> None:
    """Let a delayed order reach the book, unless it was closed on its way."""
    order = state.orders[order_id]
    market = state.markets[order.symbol]
    if order_id not in market.travelling:
        return
    del market.travelling[order_id]
    market.is_stale = True
    match_as_taker(state, market, order)


def _close(state: State, order: Order, status: OrderStatus, execution: ExecutionType, reason: ExpiryReason) -> Order:
    order = replace(order, status=status, expiry_reason=reason, updated_ms=state.now_ms)
    state.keep_order(order)
    state.tell_order(order, execution)
    if order.algo_id:
        _finish_parent(state, order)
    return order


def _finish_parent(state: State, order: Order) -> None:
    if order.is_open:
        return
    algo = state.algos[order.algo_id]
    if algo.status is AlgoStatus.TRIGGERED:
        finish_algo(state, order)


def finish_algo(state: State, child: Order) -> None:
    """Tell FINISHED of the algo order whose child is closed."""
    state.keep_algo(
        replace(
            state.algos[child.algo_id],
            status=AlgoStatus.FINISHED,
            actual_price=child.average_price,
            actual_quantity=child.executed_quantity,
            updated_ms=state.now_ms,
        )
    )


def _worst_price(market: Market, order: Order | OrderRequest) -> Decimal:
    if order.type is not OrderType.MARKET:
        return order.price
    bound = market.instrument.market_take_bound
    if not bound or market.is_exact:
        return ZERO
    return market.mark * (1 + bound) if order.side is Side.BUY else market.mark * (1 - bound)


def _refused_on_arrival(order: Order, matches: list[Match]) -> ExpiryReason | None:
    if order.type is OrderType.MARKET:
        return None
    if order.time_in_force is TimeInForce.GTX and matches:
        return ExpiryReason.NONE
    if order.time_in_force is TimeInForce.FOK and sum((m.quantity for m in matches), ZERO) < order.remaining:
        return ExpiryReason.IOC_REMAINDER
    return None
