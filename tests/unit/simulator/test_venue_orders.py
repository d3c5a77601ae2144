"""Orders on the venue: matching, times in force, reduce-only, ids and the order of events."""

import pytest

from simulator.venue.errors import VenueError
from simulator.venue.latency import ConstantLatency
from simulator.venue.model import ExpiryReason, OrderEvent, OrderStatus, PositionSide
from tests.unit.simulator.venue_builders import (
    BTC,
    ETH,
    a_limit,
    a_market,
    a_tick,
    an_entry,
    an_exchange,
    d,
    position,
    told,
    trades,
)


def refused(exchange, request):
    with pytest.raises(VenueError) as info:
        exchange.place_order(request)
    assert exchange.counts()[0] == len(exchange.all_orders())
    return info.value.code


def test_a_market_order_walks_the_book_at_rising_prices():
    exchange = an_exchange()
    asks = exchange.book(BTC, 3).asks
    order = exchange.place_order(a_market("BUY", "0.020"))
    assert order.status is OrderStatus.FILLED
    assert [(price, quantity) for price, quantity, _ in trades(exchange)][:2] == [
        (asks[0].price, asks[0].quantity),
        (asks[1].price, asks[1].quantity),
    ]
    assert order.executed_quote == sum(price * quantity for price, quantity, _ in trades(exchange))


def test_a_second_taker_of_the_same_instant_meets_what_the_first_left():
    exchange = an_exchange()
    best = exchange.book(BTC, 1).asks[0]
    exchange.place_order(a_market("BUY", str(best.quantity)))
    assert exchange.book(BTC, 1).asks[0].price == best.price + d("0.1")
    exchange.on_tick(a_tick("100000", at=1))
    assert exchange.book(BTC, 1).asks[0] == best


def test_the_book_is_one_tick_wide_around_the_last_trade():
    exchange = an_exchange()
    exchange.on_tick(a_tick("100000", seller=True))
    assert exchange.best(BTC)[::2] == (d("100000"), d("100000.1"))
    exchange.on_tick(a_tick("100000", seller=False))
    assert exchange.best(BTC)[::2] == (d("99999.9"), d("100000"))


def test_a_real_top_of_book_replaces_the_derived_one():
    exchange = an_exchange()
    exchange.set_top(BTC, d("99990"), d("100010"), exchange.now_ms)
    exchange.place_order(a_market("BUY", "0.002"))
    assert trades(exchange)[0][0] == d("100010")


def test_a_real_book_stays_until_the_next_one_and_fills_what_it_crosses():
    exchange = an_exchange()
    buy = exchange.place_order(a_limit("BUY", "0.010", "99990"))
    sell = exchange.place_order(a_limit("SELL", "0.010", "100090"))
    exchange.set_top(BTC, d("99990"), d("100010"), exchange.now_ms)
    exchange.on_tick(a_tick("100000", at=1))
    assert exchange.best(BTC)[::2] == (d("99990"), d("100010"))
    exchange.set_top(BTC, d("99980"), d("99990"), exchange.now_ms)
    assert [order.order_id for order in exchange.open_orders()] == [sell.order_id]
    exchange.set_top(BTC, d("100090"), d("100091"), exchange.now_ms)
    assert exchange.open_orders() == []
    assert trades(exchange) == [(d("99990"), d("0.010"), True), (d("100090"), d("0.010"), True)]
    assert exchange.query_order(BTC, buy.order_id).status is OrderStatus.FILLED


def test_an_order_on_its_way_is_not_filled_by_a_moving_book():
    exchange = an_exchange(latency=ConstantLatency(50))
    exchange.place_order(a_limit("BUY", "0.010", "99990"))
    exchange.place_order(a_limit("BUY", "0.010", "99980"))
    exchange.advance(exchange.now_ms + 49)
    exchange.set_top(BTC, d("99000"), d("99001"), exchange.now_ms)
    exchange.on_tick(a_tick("99000", at=49))
    assert trades(exchange) == []


def test_a_market_order_tells_new_then_each_fill_with_its_account_update():
    exchange = an_exchange()
    exchange.place_order(a_market("BUY", "0.001"))
    assert told(exchange) == ["ORDER NEW NEW", "ORDER TRADE FILLED", "ACCOUNT ORDER"]


def test_a_resting_order_fills_as_maker_when_the_path_trades_through_it():
    exchange = an_exchange()
    exchange.place_order(a_limit("BUY", "0.010", "99990"))
    exchange.on_tick(a_tick("99995", at=1))
    assert trades(exchange) == []
    exchange.on_tick(a_tick("99989.9", at=2))
    assert trades(exchange) == [(d("99990"), d("0.010"), True)]
    assert exchange.user_trades(BTC)[0].commission == d("0.19998")


def test_a_touch_fills_only_a_share_of_what_traded():
    exchange = an_exchange()
    exchange.place_order(a_limit("SELL", "0.010", "100010"))
    exchange.on_tick(a_tick("100010", quantity="0.012", at=1))
    exchange.on_tick(a_tick("100010", quantity="0", at=2))
    assert trades(exchange) == [(d("100010"), d("0.003"), True)]
    order = exchange.open_orders(BTC)[0]
    assert order.status is OrderStatus.PARTIALLY_FILLED
    assert order.remaining == d("0.007")


def test_a_crossing_limit_order_takes_up_to_its_price_and_rests_with_the_remainder():
    exchange = an_exchange()
    best = exchange.book(BTC, 1).asks[0]
    order = exchange.place_order(a_limit("BUY", "0.500", "100000.10"))
    assert order.executed_quantity == best.quantity
    assert order.status is OrderStatus.PARTIALLY_FILLED


def test_an_ioc_remainder_expires_with_reason_2():
    exchange = an_exchange()
    order = exchange.place_order(a_limit("BUY", "0.500", "100000.10", tif="IOC"))
    assert (order.status, order.expiry_reason) == (OrderStatus.EXPIRED, ExpiryReason.IOC_REMAINDER)
    assert order.executed_quantity > 0
    assert exchange.open_orders() == []


def test_a_market_remainder_beyond_the_book_expires_with_reason_9():
    exchange = an_exchange(balance="100000000")
    exchange.set_leverage(BTC, 1)
    order = exchange.place_order(a_market("BUY", "50"))
    exchange.place_order(a_market("BUY", "50"))
    order = exchange.place_order(a_market("BUY", "50"))
    assert (order.status, order.expiry_reason) == (OrderStatus.EXPIRED, ExpiryReason.MARKET_REMAINDER)


def test_fill_or_kill_fills_whole_or_is_refused_without_a_trace():
    exchange = an_exchange()
    assert exchange.place_order(a_limit("BUY", "0.010", "100001", tif="FOK")).status is OrderStatus.FILLED
    assert refused(exchange, a_limit("BUY", "0.090", "100000.10", tif="FOK")) == -5021


def test_post_only_rests_or_is_refused_without_a_trace():
    exchange = an_exchange()
    assert exchange.place_order(a_limit("BUY", "0.010", "100000", tif="GTX")).status is OrderStatus.NEW
    assert refused(exchange, a_limit("BUY", "0.010", "100000.10", tif="GTX")) == -5022


def test_conditional_types_belong_to_the_algo_endpoint():
    exchange = an_exchange()
    request = a_market("SELL", "0.010")
    assert refused(exchange, type(request)(**{**as_dict(request), "type": "STOP_MARKET"})) == -4120


def as_dict(request):
    return {name: getattr(request, name) for name in request.__struct_fields__}


@pytest.mark.parametrize(
    ("request_", "code"),
    [
        (a_limit("BUY", "0.010", "99000", tif="GTD"), -1115),
        (a_limit("BUY", "0.010", "99000", price_match="QUEUE"), -5037),
        (a_limit("BUY", "0.010", "99000", good_till_ms=1), -5040),
        (a_market("BUY", "0.010", position_side=PositionSide.LONG), -4061),
        (a_market("BUY", "0.010", symbol="NOUSDT"), -1121),
        (a_market("BUY", "0.010", client_order_id="a" * 37), -4015),
        (a_market("BUY", "0.010", client_order_id="no spaces"), -4015),
    ],
)
def test_what_is_not_offered_is_refused_with_the_exchange_s_own_error(request_, code):
    assert refused(an_exchange(), request_) == code


def test_hedge_mode_orders_are_refused_in_either_form():
    exchange = an_exchange()
    exchange.force_position_mode(dual=True)
    assert refused(exchange, a_market("BUY", "0.010")) == -4061
    assert refused(exchange, a_market("BUY", "0.010", position_side=PositionSide.LONG)) == -1020


def test_a_client_id_is_unique_among_open_orders_only():
    exchange = an_exchange()
    exchange.place_order(a_limit("BUY", "0.010", "99000", client_order_id="mine"))
    assert refused(exchange, a_limit("BUY", "0.010", "99000", client_order_id="mine")) == -4116
    exchange.cancel_order(BTC, client_order_id="mine")
    again = exchange.place_order(a_limit("BUY", "0.010", "99000", client_order_id="mine"))
    assert exchange.query_order(BTC, client_order_id="mine").order_id == again.order_id


def test_ids_rise_and_the_same_calls_give_the_same_events():
    def play():
        exchange = an_exchange()
        exchange.place_order(a_market("BUY", "0.010"))
        exchange.place_order(a_limit("SELL", "0.010", "100100"))
        exchange.on_tick(a_tick("100200", at=5))
        return exchange.drain_events()

    events = play()
    assert events == play()
    ids = [event.order.order_id for event in events if isinstance(event, OrderEvent)]
    assert ids == sorted(ids)


def test_cancelling_tells_it_and_finds_nothing_the_second_time():
    exchange = an_exchange()
    order = exchange.place_order(a_limit("BUY", "0.010", "99000"))
    assert exchange.cancel_order(BTC, order.order_id).status is OrderStatus.CANCELED
    assert told(exchange) == ["ORDER NEW NEW", "ORDER CANCELED CANCELED"]
    with pytest.raises(VenueError) as info:
        exchange.cancel_order(BTC, order.order_id)
    assert info.value.code == -2011


def test_cancel_all_leaves_other_symbols_alone():
    exchange = an_exchange(an_entry(), an_entry(ETH))
    exchange.place_order(a_limit("BUY", "0.010", "99000"))
    exchange.place_order(a_limit("BUY", "0.010", "99000", symbol=ETH))
    assert [order.symbol for order in exchange.cancel_all(BTC)] == [BTC]
    assert [order.symbol for order in exchange.open_orders()] == [ETH]


def test_an_unknown_order_does_not_exist_for_a_query_or_an_amendment():
    exchange = an_exchange()
    for ask in (exchange.query_order, exchange.open_order, exchange.modify_order):
        with pytest.raises(VenueError) as info:
            ask(BTC, 77)
        assert info.value.code == -2013


def test_amending_an_open_order_is_refused():
    exchange = an_exchange()
    order = exchange.place_order(a_limit("BUY", "0.010", "99000"))
    with pytest.raises(VenueError) as info:
        exchange.modify_order(BTC, order.order_id)
    assert info.value.code == -1020


def test_reduce_only_needs_a_position_on_the_other_side():
    exchange = an_exchange()
    assert refused(exchange, a_market("SELL", "0.010", reduce_only=True)) == -2022
    exchange.place_order(a_market("BUY", "0.010"))
    assert refused(exchange, a_market("BUY", "0.010", reduce_only=True)) == -2022


def test_reduce_only_shrinks_to_the_position_and_never_turns_it():
    exchange = an_exchange()
    exchange.place_order(a_market("BUY", "0.010"))
    order = exchange.place_order(a_market("SELL", "0.025", reduce_only=True))
    assert (order.quantity, order.status) == (d("0.010"), OrderStatus.FILLED)
    assert position(exchange) == 0


def test_a_better_reduce_only_order_expires_the_one_it_leaves_nothing_for():
    exchange = an_exchange()
    exchange.place_order(a_market("BUY", "0.010"))
    resting = exchange.place_order(a_limit("SELL", "0.010", "101000", reduce_only=True))
    assert refused(exchange, a_limit("SELL", "0.010", "102000", reduce_only=True)) == -2022
    told(exchange)
    exchange.place_order(a_limit("SELL", "0.010", "100500", reduce_only=True))
    assert told(exchange) == ["ORDER NEW NEW", "ORDER EXPIRED EXPIRED"]
    assert exchange.query_order(BTC, resting.order_id).expiry_reason is ExpiryReason.REDUCE_ONLY


def test_closing_the_position_expires_its_reduce_only_orders():
    exchange = an_exchange()
    exchange.place_order(a_market("BUY", "0.010"))
    resting = exchange.place_order(a_limit("SELL", "0.010", "101000", reduce_only=True))
    exchange.place_order(a_market("SELL", "0.010"))
    order = exchange.query_order(BTC, resting.order_id)
    assert (order.status, order.expiry_reason) == (OrderStatus.EXPIRED, ExpiryReason.REDUCE_ONLY)


def test_a_smaller_position_expires_reduce_only_orders_that_would_turn_it():
    exchange = an_exchange()
    exchange.place_order(a_market("BUY", "0.010"))
    near = exchange.place_order(a_limit("SELL", "0.006", "101000", reduce_only=True))
    far = exchange.place_order(a_limit("SELL", "0.004", "102000", reduce_only=True))
    exchange.place_order(a_market("SELL", "0.003"))
    assert exchange.query_order(BTC, near.order_id).is_open
    assert exchange.query_order(BTC, far.order_id).expiry_reason is ExpiryReason.REDUCE_ONLY


def test_a_delayed_order_meets_the_market_of_its_arrival():
    exchange = an_exchange(latency=ConstantLatency(50))
    order = exchange.place_order(a_market("BUY", "0.001"))
    assert order.status is OrderStatus.NEW
    exchange.on_tick(a_tick("100200", at=49))
    assert trades(exchange) == []
    exchange.on_tick(a_tick("100300", at=60))
    assert trades(exchange) == [(d("100200.1"), d("0.001"), False)]
    assert exchange.user_trades(BTC)[0].time_ms == order.created_ms + 50


def test_a_delayed_order_can_be_cancelled_on_its_way():
    exchange = an_exchange(latency=ConstantLatency(50))
    order = exchange.place_order(a_market("BUY", "0.001"))
    exchange.cancel_order(BTC, order.order_id)
    exchange.advance(exchange.now_ms + 100)
    assert trades(exchange) == []


def test_a_post_only_order_that_would_take_on_arrival_expires():
    exchange = an_exchange(latency=ConstantLatency(50))
    order = exchange.place_order(a_limit("BUY", "0.010", "99990", tif="GTX"))
    exchange.on_tick(a_tick("99980", at=10))
    exchange.advance(exchange.now_ms + 50)
    assert exchange.query_order(BTC, order.order_id).status is OrderStatus.EXPIRED
    assert trades(exchange) == []


def test_a_negative_latency_is_refused():
    with pytest.raises(ValueError, match="give 0 or more"):
        ConstantLatency(-1)
