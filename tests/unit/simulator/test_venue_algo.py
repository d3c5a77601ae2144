"""Conditional orders: placing, triggering, the children and the order of events."""

import pytest

from simulator.venue.errors import VenueError
from simulator.venue.model import AlgoEvent, AlgoStatus, OrderEvent, PositionSide, TimeInForce, WorkingType
from tests.unit.simulator.venue_builders import (
    BTC,
    ETH,
    a_limit,
    a_market,
    a_stop,
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
        exchange.place_algo(request)
    return info.value.code


def a_long(**options):
    exchange = an_exchange(**options)
    exchange.place_order(a_market("BUY", "0.002"))
    exchange.drain_events()
    return exchange


def test_a_stop_market_closes_the_position_and_tells_it_in_the_recorded_order():
    exchange = a_long()
    stop = exchange.place_algo(a_stop("SELL", "99000", client_algo_id="my-stop"))
    exchange.on_tick(a_tick("99000.1", at=1))
    assert told(exchange) == ["ALGO NEW"]
    exchange.on_tick(a_tick("99000", at=2))
    events = exchange.drain_events()
    children = [event.order for event in events if isinstance(event, OrderEvent)]
    algos = [event.algo for event in events if isinstance(event, AlgoEvent)]
    assert [algo.status.value for algo in algos] == ["TRIGGERING", "TRIGGERED", "FINISHED"]
    assert [type(event).__name__ for event in events] == [
        "AlgoEvent",
        "OrderEvent",
        "OrderEvent",
        "AccountEvent",
        "AlgoEvent",
        "AlgoEvent",
    ]
    child = children[-1]
    assert (child.client_order_id, child.algo_id, child.close_position) == ("my-stop", stop.algo_id, True)
    assert (algos[-1].actual_order_id, algos[-1].actual_quantity) == (child.order_id, d("0.002"))
    assert algos[-1].actual_price == d("99000")
    assert position(exchange) == 0


@pytest.mark.parametrize(
    ("side", "kind", "trigger", "price"),
    [
        ("SELL", "STOP_MARKET", "99000", "98990"),
        ("BUY", "STOP_MARKET", "101000", "101010"),
        ("BUY", "TAKE_PROFIT_MARKET", "99000", "98990"),
        ("SELL", "TAKE_PROFIT_MARKET", "101000", "101010"),
    ],
)
def test_each_kind_fires_on_its_own_side(side, kind, trigger, price):
    exchange = an_exchange()
    exchange.place_algo(a_stop(side, trigger, kind=kind, quantity="0.002"))
    exchange.on_tick(a_tick(price, at=1))
    assert sum(quantity for _, quantity, _ in trades(exchange)) == d("0.002")


def test_a_stop_that_would_trigger_at_once_is_refused():
    exchange = an_exchange()
    assert refused(exchange, a_stop("SELL", "100000")) == -2021
    assert refused(exchange, a_stop("BUY", "99999")) == -2021
    exchange.set_mark(BTC, d("98000"), d("98000"), exchange.now_ms)
    assert refused(exchange, a_stop("SELL", "98500", working_type=WorkingType.MARK_PRICE)) == -2021
    assert exchange.all_algos(BTC) == []


def test_a_mark_price_stop_ignores_the_contract_price():
    exchange = a_long()
    exchange.set_mark(BTC, d("100000"), d("100000"), exchange.now_ms)
    exchange.place_algo(a_stop("SELL", "99000", working_type=WorkingType.MARK_PRICE))
    exchange.on_tick(a_tick("98000", at=1))
    assert position(exchange) == d("0.002")
    exchange.set_mark(BTC, d("99000"), d("99000"), exchange.now_ms)
    assert position(exchange) == 0


def test_a_mark_price_stop_follows_the_path_where_no_mark_is_given():
    exchange = a_long()
    exchange.place_algo(a_stop("SELL", "99000", working_type=WorkingType.MARK_PRICE))
    exchange.on_tick(a_tick("98999", at=1))
    assert position(exchange) == 0


def test_price_protection_waits_for_mark_and_contract_price_to_meet_again():
    exchange = a_long()
    exchange.set_mark(BTC, d("100000"), d("100000"), exchange.now_ms)
    exchange.place_algo(a_stop("SELL", "99000", price_protect=True))
    exchange.on_tick(a_tick("94000", at=1))
    assert position(exchange) == d("0.002")
    exchange.on_tick(a_tick("95500", at=2))
    assert position(exchange) == 0


def test_close_position_expires_at_the_trigger_when_the_position_is_gone():
    exchange = a_long()
    stop = exchange.place_algo(a_stop("SELL", "99000"))
    exchange.place_order(a_market("SELL", "0.002"))
    assert exchange.query_algo(stop.algo_id).status is AlgoStatus.NEW
    exchange.on_tick(a_tick("98000", at=1))
    assert exchange.query_algo(stop.algo_id).status is AlgoStatus.EXPIRED
    assert position(exchange) == 0


def test_two_stops_at_one_price_close_once():
    exchange = a_long()
    first = exchange.place_algo(a_stop("SELL", "99000"))
    second = exchange.place_algo(a_stop("SELL", "99000"))
    exchange.on_tick(a_tick("98999", at=1))
    assert position(exchange) == 0
    assert exchange.query_algo(first.algo_id).status is AlgoStatus.FINISHED
    assert exchange.query_algo(second.algo_id).status is AlgoStatus.EXPIRED


def test_a_triggered_stop_expires_the_resting_exit_it_overtakes():
    exchange = a_long()
    resting = exchange.place_order(a_limit("SELL", "0.002", "101000", reduce_only=True))
    exchange.place_algo(a_stop("SELL", "99000"))
    exchange.on_tick(a_tick("98999", at=1))
    assert not exchange.query_order(BTC, resting.order_id).is_open
    assert position(exchange) == 0


def test_a_reduce_only_stop_shrinks_to_the_position_or_is_rejected():
    exchange = a_long()
    exchange.place_algo(a_stop("SELL", "99000", quantity="0.005", reduce_only=True))
    late = exchange.place_algo(a_stop("SELL", "98000", quantity="0.005", reduce_only=True))
    exchange.on_tick(a_tick("98999", at=1))
    assert position(exchange) == 0
    exchange.on_tick(a_tick("97999", at=2))
    algo = exchange.query_algo(late.algo_id)
    assert (algo.status, algo.reject_reason) == (AlgoStatus.REJECTED, "ReduceOnly Order is rejected.")


def test_margin_is_only_asked_for_at_the_trigger():
    exchange = an_exchange(balance="100")
    stop = exchange.place_algo(a_stop("BUY", "101000", quantity="1"))
    exchange.on_tick(a_tick("101000", at=1))
    algo = exchange.query_algo(stop.algo_id)
    assert (algo.status, algo.reject_reason) == (AlgoStatus.REJECTED, "margin not enough")
    assert exchange.counts() == (0, 0)


def test_a_stop_limit_rests_as_a_limit_order_and_finishes_with_it():
    exchange = a_long()
    stop = exchange.place_algo(a_stop("SELL", "99000", kind="STOP", quantity="0.002", price="99500"))
    exchange.on_tick(a_tick("98900", at=1))
    algo = exchange.query_algo(stop.algo_id)
    assert (algo.status, algo.actual_type) == (AlgoStatus.TRIGGERED, "LIMIT")
    assert exchange.open_orders(BTC)[0].price == d("99500")
    exchange.drain_events()
    exchange.on_tick(a_tick("99600", at=2))
    assert told(exchange) == ["ORDER TRADE FILLED", "ACCOUNT ORDER", "ALGO FINISHED"]
    assert exchange.query_algo(stop.algo_id).status is AlgoStatus.FINISHED


@pytest.mark.parametrize(("tif", "price"), [("FOK", "99500"), ("GTX", "98000")])
def test_a_stop_limit_whose_child_cannot_live_is_rejected(tif, price):
    exchange = a_long()
    request = a_stop("SELL", "99000", kind="STOP", quantity="0.002", price=price, time_in_force=TimeInForce(tif))
    stop = exchange.place_algo(request)
    exchange.on_tick(a_tick("98900", at=1))
    assert exchange.query_algo(stop.algo_id).status is AlgoStatus.REJECTED
    assert position(exchange) == d("0.002")


@pytest.mark.parametrize(
    ("request_", "code"),
    [
        (a_stop("SELL", "99000", kind="MARKET", quantity="0.002"), -1116),
        (a_stop("SELL", "99000", kind="TRAILING_STOP_MARKET", quantity="0.002"), -2007),
        (a_stop("SELL", "99000", kind="STOP", price="99000"), -4136),
        (a_stop("SELL", "99000", quantity="0.002", close_position=True), -4137),
        (a_stop("SELL", "99000", reduce_only=True), -1106),
        (a_stop("SELL", "99000", time_in_force=TimeInForce.GTD), -1115),
        (a_stop("SELL", "99000", price_match="QUEUE"), -5037),
        (a_stop("SELL", "99000", good_till_ms=1), -5040),
        (a_stop("SELL", "99000", position_side=PositionSide.SHORT), -4061),
        (a_stop("SELL", "99000", client_algo_id="not valid"), -4015),
        (a_stop("SELL", "99000.05"), -4014),
        (a_stop("SELL", "99000", quantity="0.0015"), -1111),
        (a_stop("SELL", "99000", quantity="0.001"), -4164),
        (a_stop("SELL", "99000", kind="STOP", quantity="0.002", price="99000.05"), -4014),
        (a_stop("SELL", "99000", symbol="NOUSDT"), -1121),
    ],
)
def test_misuse_is_refused(request_, code):
    exchange = an_exchange()
    assert refused(exchange, request_) == code
    assert exchange.drain_events() == []


def test_two_hundred_conditional_orders_are_the_limit_across_symbols():
    exchange = an_exchange(an_entry(), an_entry(ETH))
    for index in range(200):
        exchange.place_algo(a_stop("SELL", "99000", symbol=(BTC, ETH)[index % 2]))
    assert refused(exchange, a_stop("SELL", "99000")) == -4045
    exchange.cancel_algo(exchange.open_algos(BTC)[0].algo_id)
    exchange.place_algo(a_stop("SELL", "99000"))


def test_a_client_algo_id_is_unique_among_open_ones():
    exchange = an_exchange()
    exchange.place_algo(a_stop("SELL", "99000", client_algo_id="mine"))
    assert refused(exchange, a_stop("SELL", "99000", client_algo_id="mine")) == -4116
    exchange.cancel_algo(client_algo_id="mine")
    assert exchange.place_algo(a_stop("SELL", "99000", client_algo_id="mine")).is_open


def test_cancelling_an_algo_order_tells_it_and_finds_nothing_the_second_time():
    exchange = an_exchange()
    stop = exchange.place_algo(a_stop("SELL", "99000"))
    assert exchange.cancel_algo(stop.algo_id).status is AlgoStatus.CANCELED
    assert told(exchange) == ["ALGO NEW", "ALGO CANCELED"]
    for ask, code in ((exchange.cancel_algo, -2011), (exchange.query_algo, -2013)):
        with pytest.raises(VenueError) as info:
            ask(77)
        assert info.value.code == code
    with pytest.raises(VenueError) as info:
        exchange.query_algo()
    assert info.value.code == -1102


def test_algo_orders_are_no_open_orders_and_survive_cancel_all():
    exchange = an_exchange(an_entry(), an_entry(ETH))
    exchange.place_algo(a_stop("SELL", "99000"))
    exchange.place_algo(a_stop("SELL", "99000", symbol=ETH))
    assert exchange.open_orders() == []
    exchange.cancel_all(BTC)
    assert len(exchange.open_algos()) == 2
    assert [algo.symbol for algo in exchange.cancel_all_algos(BTC)] == [BTC]
    assert [algo.symbol for algo in exchange.open_algos()] == [ETH]
