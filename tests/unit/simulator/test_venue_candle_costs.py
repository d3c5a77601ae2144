"""Candle mode: what a taker pays, what a resting order gets, and what lateness does."""

import pytest

from simulator.venue.costs import CandleCosts, Tier
from simulator.venue.latency import ConstantLatency
from simulator.venue.model import AlgoStatus, OrderEvent, OrderStatus
from tests.unit.simulator.candle_run import MINUTE_MS, ARun, a_long
from tests.unit.simulator.venue_builders import BTC, START_MS, a_limit, a_market, a_stop, d, position, trades

# From 5,000,000 a minute (50 BTC at 100,000) on: 1 bps of spread and 1 of slippage, below it ten times that.
TIERS = (Tier(d("5000000"), d("1"), d("1")), Tier(d("0"), d("10"), d("10")))
COSTS = CandleCosts(tiers=TIERS)


def last_price(run):
    return trades(run.exchange)[-1][0]


# spread and slippage


def test_a_taker_pays_half_the_spread_and_the_slippage_rounded_to_the_tick_away_from_him():
    run = a_long(costs=COSTS)
    assert last_price(run) == d("100065.1")  # 100,050 x 1.00015 = 100,065.0075
    run.finish("100100", "99900", "100000")
    run.exchange.place_order(a_market("SELL", "0.010", reduce_only=True))
    run.open("100050")
    assert last_price(run) == d("100034.9")  # 100,050 x 0.99985 = 100,034.9925


@pytest.mark.parametrize(
    ("volume", "paid"),
    [("50", "100015.0"), ("49.999", "100150.0"), ("0", "100150.0"), ("5000", "100015.0")],
)
def test_the_tier_is_that_of_the_volume_of_the_candle_before(volume, paid):
    run = ARun(costs=COSTS)
    run.candle("100000", "100100", "99900", "100000", volume=volume)
    run.exchange.place_order(a_market("BUY", "0.010"))
    run.candle("100000", "100100", "99900", "100000", volume="50")
    assert last_price(run) == d(paid)


def test_a_longer_candle_s_volume_counts_by_the_minute():
    run = ARun(costs=COSTS, interval_ms=5 * MINUTE_MS)
    run.candle("100000", "100100", "99900", "100000", volume="249")
    run.exchange.place_order(a_market("BUY", "0.010"))
    run.open("100000")
    assert last_price(run) == d("100150.0")
    assert run.exchange.user_trades(BTC)[0].time_ms == START_MS + 5 * MINUTE_MS


def test_the_volume_can_be_told_where_the_candle_before_was_left_out():
    run = ARun(costs=COSTS)
    run.candle("100000", "100100", "99900", "100000", volume="0")
    run.exchange.place_order(a_market("BUY", "0.010"))
    run.open("100000", minute_notional=d("5000000"))
    assert last_price(run) == d("100015.0")


def test_the_first_candle_s_tier_is_the_least_liquid_one():
    run = ARun(costs=COSTS)
    run.open("100000")
    run.exchange.place_order(a_market("BUY", "0.010"))
    assert last_price(run) == d("100150.0")


def test_stops_and_take_profits_pay_the_same_after_the_worse_and_the_better_price():
    run = a_long(costs=COSTS)
    run.exchange.place_algo(a_stop("SELL", "99000"))
    run.finish("100100", "98000", "100000")
    assert last_price(run) == d("98985.1")  # 99,000 x 0.99985 = 98,985.15
    run = a_long(costs=COSTS)
    run.exchange.place_algo(a_stop("SELL", "101000", kind="TAKE_PROFIT_MARKET"))
    run.finish("101000", "99900", "100000")
    assert last_price(run) == d("100984.8")  # 101,000 x 0.99985 = 100,984.85


def test_a_price_is_never_moved_to_zero():
    run = ARun(costs=CandleCosts(tiers=(Tier(d("0"), d("9999"), d("4999")),)))
    run.candle("1000", "1000", "1000", "1000")
    run.exchange.place_order(a_market("SELL", "0.100"))
    run.open("0.1")
    assert last_price(run) == d("0.1")


# resting limits


def a_resting(price="99900", *, tif="GTC", quantity="1.000", **options):
    run = ARun(balance="100000", **options)
    run.candle("100000", "100000", "100000", "100000")
    order = run.exchange.place_order(a_limit("BUY", quantity, price, tif=tif))
    return run, order


def test_a_limit_gets_its_share_of_each_candle_that_trades_through_it_in_whole_steps():
    run, order = a_resting(quantity="0.500")
    run.candle("100000", "100000", "99899.9", "100000", volume="2.019")
    assert trades(run.exchange) == [(d("99900"), d("0.201"), True)]
    assert run.exchange.query_order(BTC, order.order_id).status is OrderStatus.PARTIALLY_FILLED
    run.candle("100000", "100000", "99899.9", "100000", volume="0")
    run.candle("100000", "100000", "99899.9", "100000", volume="0.009")
    assert len(trades(run.exchange)) == 1
    run.candle("100000", "100000", "99899.9", "100000", volume="100")
    assert trades(run.exchange)[1:] == [(d("99900"), d("0.299"), True)]


def test_touching_a_limit_fills_its_share_of_the_share_only_where_the_queue_assumption_says_so():
    run, _ = a_resting()
    run.candle("100000", "100000", "99900", "100000", volume="10")
    assert trades(run.exchange) == []
    run, _ = a_resting(costs=CandleCosts(touch_share=d("0.5")))
    run.candle("100000", "100000", "99900", "100000", volume="10")
    assert trades(run.exchange) == [(d("99900"), d("0.500"), True)]


def test_a_limit_that_the_open_is_through_fills_whole_as_a_taker_but_never_worse_than_its_price():
    run, _ = a_resting("100000", costs=COSTS)
    run.open("99994")  # the best ask is 99,994 x 1.00005 = 99,999.0, a taker's price 100,008.9
    assert trades(run.exchange) == [(d("100000"), d("1.000"), False)]


def test_a_limit_that_the_open_is_through_by_less_than_half_the_spread_rests():
    run, order = a_resting("100000", costs=COSTS)
    run.open("99999")  # the best ask is 100,004.0
    assert run.exchange.query_order(BTC, order.order_id).status is OrderStatus.NEW
    run.finish("100000", "99999", "99999", volume="100")
    assert trades(run.exchange) == [(d("100000"), d("1.000"), True)]


@pytest.mark.parametrize(
    ("open_price", "status"), [("99994", OrderStatus.EXPIRED), ("99999", OrderStatus.NEW), ("100001", OrderStatus.NEW)]
)
def test_a_post_only_order_expires_where_it_would_take(open_price, status):
    run, order = a_resting("100000", tif="GTX", costs=COSTS)
    run.open(open_price)
    assert run.exchange.query_order(BTC, order.order_id).status is status
    assert trades(run.exchange) == []


def test_an_immediate_order_that_is_not_reached_expires():
    run, order = a_resting("100000", tif="IOC", costs=COSTS)
    run.open("99999")
    assert run.exchange.query_order(BTC, order.order_id).status is OrderStatus.EXPIRED


def test_a_stop_comes_before_a_limit_that_takes_a_profit_in_the_same_candle():
    run = a_long()
    run.exchange.place_algo(a_stop("SELL", "99000"))
    profit = run.exchange.place_order(a_limit("SELL", "0.010", "101000", reduce_only=True))
    run.finish("101500", "98500", "100000")
    assert last_price(run) == d("99000")
    assert run.exchange.query_order(BTC, profit.order_id).status is OrderStatus.EXPIRED


def test_an_increase_comes_before_a_stop_of_the_same_candle():
    run = a_long()
    run.exchange.place_algo(a_stop("SELL", "99000"))
    run.exchange.place_order(a_limit("BUY", "0.010", "99500"))
    run.finish("100100", "98500", "100000")
    assert trades(run.exchange)[1:] == [(d("99500"), d("0.010"), True), (d("99000"), d("0.020"), False)]


def test_a_stop_sent_after_a_limit_entry_answers_for_the_candle_that_filled_it():
    run, _ = a_resting("99900", quantity="0.010")
    run.candle("100000", "100000", "98800", "99950")
    stop = run.exchange.place_algo(a_stop("SELL", "98900"))
    assert stop.status is AlgoStatus.FINISHED
    assert trades(run.exchange)[1:] == [(d("98900"), d("0.010"), False)]


def test_a_stop_that_the_close_has_passed_too_is_not_refused_after_a_limit_entry():
    run, _ = a_resting("99900", quantity="0.010")
    run.candle("100000", "100000", "98800", "98850")
    assert run.exchange.place_algo(a_stop("SELL", "98900")).status is AlgoStatus.FINISHED


def test_a_stop_sent_when_the_position_is_gone_again_answers_for_nothing():
    run, _ = a_resting("99900", quantity="0.010")
    run.exchange.place_algo(a_stop("SELL", "98950"))
    run.candle("100000", "100000", "98800", "99950")
    assert position(run.exchange) == 0
    assert run.exchange.place_algo(a_stop("SELL", "98900")).status is AlgoStatus.NEW


def test_only_the_limit_that_the_candle_traded_through_fills():
    run, _ = a_resting("99900", quantity="0.010")
    run.exchange.place_order(a_limit("BUY", "0.010", "99800"))
    run.candle("100000", "100000", "99850", "100000")
    assert trades(run.exchange) == [(d("99900"), d("0.010"), True)]


def test_a_stop_that_the_entry_s_candle_did_not_reach_rests_and_the_next_candle_judges_it():
    run, _ = a_resting("99900", quantity="0.010")
    run.candle("100000", "100000", "98900.1", "99950")
    stop = run.exchange.place_algo(a_stop("SELL", "98900"))
    assert stop.status is AlgoStatus.NEW
    run.candle("99950", "99950", "99000", "99950")
    later = run.exchange.place_algo(a_stop("SELL", "98950"))
    assert later.status is AlgoStatus.NEW


# latency


def test_a_late_order_trades_at_the_worse_of_the_open_and_the_line_to_the_close():
    run = ARun(latency=ConstantLatency(15_000))
    run.candle("100000", "100000", "100000", "100000")
    run.exchange.place_order(a_market("BUY", "0.010"))
    run.candle("100000", "100400", "100000", "100400.3")
    assert trades(run.exchange) == [(d("100100.1"), d("0.010"), False)]
    assert run.exchange.user_trades(BTC)[0].time_ms == START_MS + MINUTE_MS + 15_000
    run.exchange.place_order(a_market("SELL", "0.010", reduce_only=True))
    run.candle("100000", "100400", "100000", "100400")
    assert last_price(run) == d("100000")


def test_a_latency_longer_than_the_candle_moves_the_order_into_a_later_one():
    run = ARun(latency=ConstantLatency(90_000))
    run.candle("100000", "100000", "100000", "100000")
    run.exchange.place_order(a_market("BUY", "0.010"))
    run.candle("100000", "100400", "100000", "100400")
    assert trades(run.exchange) == []
    run.candle("100400", "100500", "100400", "100500")
    assert last_price(run) == d("100450")


def test_an_order_that_arrives_within_a_hole_trades_at_the_open_after_it():
    run = ARun(latency=ConstantLatency(90_000))
    run.candle("100000", "100000", "100000", "100000")
    run.exchange.place_order(a_market("BUY", "0.010"))
    run.minute += 10
    run.candle("101000", "102000", "101000", "102000")
    assert last_price(run) == d("101000")


def test_a_limit_still_on_its_way_is_not_filled():
    run = ARun(latency=ConstantLatency(90_000))
    run.candle("100000", "100000", "100000", "100000")
    run.exchange.place_order(a_limit("BUY", "0.010", "99900"))
    run.candle("100000", "100000", "99000", "100000")
    run.exchange.place_order(a_limit("BUY", "0.020", "99900"))
    run.candle("100000", "100000", "99000", "100000")
    assert trades(run.exchange) == [(d("99900"), d("0.010"), True)]


def test_a_stop_sent_after_a_late_entry_answers_for_the_whole_candle():
    run = ARun(latency=ConstantLatency(1_000))
    run.candle("100000", "100000", "100000", "100000")
    run.exchange.place_order(a_market("BUY", "0.010"))
    run.candle("100000", "100000", "98000", "100000")
    assert run.exchange.place_algo(a_stop("SELL", "99000")).status is AlgoStatus.FINISHED
    assert position(run.exchange) == 0


def test_a_late_limit_is_judged_by_the_candle_in_which_it_comes_to_rest():
    run = ARun(latency=ConstantLatency(1_000))
    run.candle("100000", "100000", "100000", "100000")
    run.exchange.place_order(a_limit("BUY", "0.010", "99900"))
    run.candle("100000", "100000", "99800", "100000")
    assert trades(run.exchange) == [(d("99900"), d("0.010"), True)]


def test_without_latency_the_fill_is_exactly_the_open():
    run = ARun()
    run.candle("100000", "100000", "100000", "100000")
    run.exchange.place_order(a_market("BUY", "0.010"))
    run.candle("100000", "100400", "100000", "100400")
    assert last_price(run) == d("100000")


def test_a_stop_that_fires_comes_before_an_exit_still_on_its_way():
    run = ARun(latency=ConstantLatency(90_000))
    run.candle("100000", "100000", "100000", "100000")
    run.exchange.place_order(a_market("BUY", "0.010"))
    run.candle("100000", "100000", "100000", "100000")
    run.candle("100000", "100000", "100000", "100000")
    run.exchange.place_algo(a_stop("SELL", "99000"))
    leaving = run.exchange.place_order(a_market("SELL", "0.010", reduce_only=True))
    run.exchange.drain_events()
    run.candle("100000", "100000", "98000", "98000")
    told = [
        (event.order.order_id, event.order.status)
        for event in run.exchange.drain_events()
        if isinstance(event, OrderEvent)
    ]
    child = leaving.order_id + 1
    assert told == [
        (child, OrderStatus.NEW),
        (child, OrderStatus.FILLED),
        (leaving.order_id, OrderStatus.EXPIRED),
    ]
    assert position(run.exchange) == 0
