"""Conditional orders (docs/wire.md B.6, B.8): accepted without margin, triggered by price, giving birth to an order."""

from decimal import Decimal
from typing import Final

from msgspec.structs import replace

from simulator.venue.candle_orders import reach
from simulator.venue.decimals import ZERO
from simulator.venue.errors import VenueError, refusal
from simulator.venue.execution import accept, enforce_reduce_only, finish_algo, reachable
from simulator.venue.filters import check_client_id, check_notional, check_price, check_quantity, check_status
from simulator.venue.margin import check_new_order, is_reducing
from simulator.venue.market import Market, fires_when_falling
from simulator.venue.model import (
    AlgoOrder,
    AlgoRequest,
    AlgoStatus,
    Order,
    OrderRequest,
    OrderType,
    Side,
    TimeInForce,
    WorkingType,
)
from simulator.venue.placing import check_position_side, send_to_book
from simulator.venue.state import State

MOST_CONDITIONAL_ORDERS: Final = 200
LEAST_CALLBACK: Final = Decimal("0.1")
MOST_CALLBACK: Final = Decimal(10)
CLOSING_TYPES: Final = frozenset({OrderType.STOP_MARKET, OrderType.TAKE_PROFIT_MARKET})
MARKET_TYPES: Final = CLOSING_TYPES | {OrderType.TRAILING_STOP_MARKET}
LIMIT_TYPES: Final = frozenset({OrderType.STOP, OrderType.TAKE_PROFIT})


def place_algo(state: State, request: AlgoRequest) -> AlgoOrder:
    """Check and accept a conditional order."""
    state.check_not_held()
    market = state.markets[request.symbol]
    _check_kind(state, request)
    _check_filters(market, request)
    if state.waiting_count >= MOST_CONDITIONAL_ORDERS:
        raise refusal(-4045)
    price = working_price(market, request.working_type)
    is_late = _is_late(market, request)
    if price and not is_late and _would_trigger(request, price):
        raise refusal(-2021)
    algo = _new_algo(state, request)
    state.keep_algo(algo)
    if is_late:
        return _fire_late(state, market, algo)
    if price and request.type is OrderType.TRAILING_STOP_MARKET and not request.activate_price:
        market.follow(price, request.working_type)
    return algo


def fire_reached(state: State, market: Market, working_type: WorkingType, price: Decimal) -> None:
    """Trigger every algo order of the working type that `price` reaches, the oldest first.

    One with price protection waits while mark and contract price are further apart than the symbol's triggerProtect.
    """
    if market.trails:
        market.follow(price, working_type)
    reached = [a for a in market.waiting.values() if a.working_type is working_type and market.is_reached(a, price)]
    if abs(market.last - market.mark) > market.mark * market.instrument.trigger_protect:
        reached = [algo for algo in reached if not algo.price_protect]
    for algo in reached:
        if algo.algo_id in market.waiting:
            fire(state, market, algo)


def fire(state: State, market: Market, algo: AlgoOrder) -> None:
    """Trigger one algo order: TRIGGERING, its child's NEW and first fills, TRIGGERED, and FINISHED once that closed.

    A closePosition order on a position that is flat or on the other side expires; a refused child rejects its parent.
    """
    algo = replace(algo, status=AlgoStatus.TRIGGERING, triggered_ms=state.now_ms, updated_ms=state.now_ms)
    state.keep_algo(algo)
    position = state.account.positions[algo.symbol]
    if algo.close_position and not is_reducing(position, _child_request(algo, algo.quantity)):
        end(state, algo, AlgoStatus.EXPIRED)
        return
    request = _child_request(algo, _child_quantity(algo, abs(position.quantity)))
    try:
        _check_child(state, market, request)
    except VenueError as refused:
        reason = "margin not enough" if refused.code == -2019 else refused.message
        end(state, algo, AlgoStatus.REJECTED, reason)
        return
    child = accept(state, request, algo_id=algo.algo_id, close_position=algo.close_position)
    if state.by_candles:  # it trades at once, and what it leaves nothing to close is told after it
        child = reach(state, market, child, market.last)
    if child.reduce_only and child.is_open:
        enforce_reduce_only(state, market)
    if not state.by_candles:
        child = send_to_book(state, market, child)
    _tell_triggered(state, algo, child)


def working_price(market: Market, working_type: WorkingType) -> Decimal:
    """Return the price an algo order watches; 0 before the first tick."""
    return market.last if working_type is WorkingType.CONTRACT_PRICE else market.mark


def _would_trigger(request: AlgoRequest, price: Decimal) -> bool:
    """Tell whether the price has passed the trigger, or what should make a trailing stop active, already."""
    if request.type is OrderType.TRAILING_STOP_MARKET:
        activate = request.activate_price
        return bool(activate) and (activate <= price if request.side is Side.SELL else activate >= price)
    is_falling = fires_when_falling(request)
    return price <= request.trigger_price if is_falling else price >= request.trigger_price


def _is_late(market: Market, request: AlgoRequest) -> bool:
    """Tell whether the finished candle reached a stop after it had entered the position that the stop is for.

    Only candle mode knows this: its owner learns of the entry, and can send the stop, when the candle is over.
    """
    if market.candle.reached is None or request.type is not OrderType.STOP_MARKET:
        return False
    low, high = market.candle.reached
    return _would_trigger(request, low if fires_when_falling(request) else high)


def _fire_late(state: State, market: Market, algo: AlgoOrder) -> AlgoOrder:
    close = market.last
    market.move(algo.trigger_price, buyer_is_maker=False)
    fire(state, market, algo)
    market.move(close, buyer_is_maker=False)
    return state.algos[algo.algo_id]


def _tell_triggered(state: State, algo: AlgoOrder, child: Order) -> None:
    state.keep_algo(
        replace(
            algo,
            status=AlgoStatus.TRIGGERED,
            actual_order_id=child.order_id,
            actual_type=child.type.value,
            updated_ms=state.now_ms,
        )
    )
    if not child.is_open:
        finish_algo(state, child)


def _check_kind(state: State, request: AlgoRequest) -> None:
    if request.type not in MARKET_TYPES and request.type not in LIMIT_TYPES:
        raise refusal(-1116)
    if request.time_in_force is TimeInForce.GTD:
        raise refusal(-1115)
    if request.price_match != "NONE":
        raise refusal(-5037)
    if request.good_till_ms:
        raise refusal(-5040)
    check_position_side(state, request)
    check_client_id(request.client_algo_id)
    known = state.algo_ids.get(request.client_algo_id)
    if known is not None and state.algos[known].is_open:
        raise refusal(-4116)
    if request.close_position:
        _check_close_position(request)


def _check_close_position(request: AlgoRequest) -> None:
    if request.type not in CLOSING_TYPES:
        raise refusal(-4136, request.type, "true")
    if request.quantity:
        raise refusal(-4137)
    if request.reduce_only:
        raise refusal(-1106, "reduceOnly")


def _check_filters(market: Market, request: AlgoRequest) -> None:
    rules = market.instrument
    is_market = request.type in MARKET_TYPES
    check_status(rules, reduce_only=request.reduce_only or request.close_position)
    if request.type is OrderType.TRAILING_STOP_MARKET:
        _check_trailing(market, request)
    else:
        check_price(rules, request.trigger_price)
    if not is_market:
        check_price(rules, request.price)
    if request.close_position:
        return
    check_quantity(rules, request.quantity, market=is_market)
    if not request.reduce_only:
        trigger_price = request.trigger_price or request.activate_price or market.last
        check_notional(rules, trigger_price if is_market else request.price, request.quantity)


def _check_trailing(market: Market, request: AlgoRequest) -> None:
    if not LEAST_CALLBACK <= request.callback_rate <= MOST_CALLBACK:
        raise refusal(-2007)
    if request.activate_price:
        check_price(market.instrument, request.activate_price)


def _new_algo(state: State, request: AlgoRequest) -> AlgoOrder:
    algo_id, now_ms = state.next_algo_id, state.now_ms
    state.next_algo_id += 1
    return AlgoOrder(
        algo_id,
        request.client_algo_id or f"venue-{algo_id}",
        request.symbol,
        request.side,
        request.position_side,
        request.type,
        request.time_in_force,
        request.quantity,
        ZERO if request.type in MARKET_TYPES else request.price,
        request.trigger_price,
        request.working_type,
        request.close_position,
        request.reduce_only,
        request.price_protect,
        AlgoStatus.NEW,
        now_ms,
        now_ms,
        0,
        0,
        ZERO,
        ZERO,
        "",
        "",
        request.self_trade_prevention,
        request.price_match,
        request.activate_price,
        request.callback_rate,
    )


def _child_request(algo: AlgoOrder, quantity: Decimal) -> OrderRequest:
    return OrderRequest(
        symbol=algo.symbol,
        side=algo.side,
        type=OrderType.MARKET if algo.type in MARKET_TYPES else OrderType.LIMIT,
        quantity=quantity,
        price=algo.price,
        time_in_force=algo.time_in_force,
        reduce_only=algo.reduce_only or algo.close_position,
        client_order_id=algo.client_algo_id,
        position_side=algo.position_side,
        self_trade_prevention=algo.self_trade_prevention,
    )


def _child_quantity(algo: AlgoOrder, held: Decimal) -> Decimal:
    if algo.close_position:
        return held
    return min(algo.quantity, held) if algo.reduce_only else algo.quantity


def _check_child(state: State, market: Market, request: OrderRequest) -> None:
    if request.reduce_only:
        if not is_reducing(state.account.positions[request.symbol], request):
            raise refusal(-2022)
    else:
        check_new_order(state, market, request, market.expected_price(request))
    if request.type is OrderType.MARKET:
        return
    matches = reachable(market, request)
    if request.time_in_force is TimeInForce.GTX and matches:
        raise refusal(-5022)
    if request.time_in_force is TimeInForce.FOK and sum((m.quantity for m in matches), ZERO) < request.quantity:
        raise refusal(-5021)


def end(state: State, algo: AlgoOrder, status: AlgoStatus, reason: str = "") -> AlgoOrder:
    """End an untriggered algo order and tell it."""
    algo = replace(algo, status=status, reject_reason=reason, updated_ms=state.now_ms)
    state.keep_algo(algo)
    return algo
