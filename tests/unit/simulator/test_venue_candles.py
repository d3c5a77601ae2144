"""Candle mode: the fill rules of a backtest."""

from simulator.venue.latency import ConstantLatency
from simulator.venue.model import AlgoStatus, MarginType, OrderStatus
from tests.unit.simulator.candle_run import MINUTE_MS, ARun, a_long
from tests.unit.simulator.venue_builders import (
    BTC,
    ETH,
    START_MS,
    a_limit,
    a_market,
    a_stop,
    an_entry,
    an_exchange,
    d,
    position,
    trades,
)


def test_a_market_order_fills_whole_at_the_next_open_at_taker_fee():
    run = ARun(balance="100000")
    run.candle("100000", "100100", "99900", "100000")
    order = run.exchange.place_order(a_market("BUY", "5.000"))
    assert order.status is OrderStatus.NEW
    assert trades(run.exchange) == []
    run.open("100050")
    assert trades(run.exchange) == [(d("100050"), d("5.000"), False)]
    (trade,) = run.exchange.user_trades(BTC)
    assert (trade.time_ms, trade.commission) == (START_MS + MINUTE_MS, d("250.125"))


def test_an_order_waiting_across_a_hole_fills_at_the_first_open_after_it():
    run = ARun()
    run.candle("100000", "100100", "99900", "100000")
    run.exchange.place_order(a_market("BUY", "0.010"))
    run.minute += 30
    run.open("101000")
    assert trades(run.exchange) == [(d("101000"), d("0.010"), False)]


def test_a_stop_is_live_in_the_entry_candle_and_fires_when_touched():
    run = a_long()
    run.exchange.place_algo(a_stop("SELL", "99000"))
    run.finish("100100", "99000", "100000")
    assert trades(run.exchange)[-1][0] == d("99000")
    assert position(run.exchange) == 0


def test_a_stop_that_is_not_reached_stays():
    run = a_long()
    run.exchange.place_algo(a_stop("SELL", "99000"))
    run.finish("100100", "99000.1", "100000")
    assert position(run.exchange) == d("0.010")


def test_a_stop_fills_at_the_open_where_the_market_gapped_through_it():
    run = a_long()
    run.exchange.place_algo(a_stop("SELL", "99000"))
    run.finish("100100", "99900", "100000")
    run.candle("98500", "98600", "98000", "98500")
    assert trades(run.exchange)[-1][0] == d("98500")


def test_a_short_s_stop_mirrors_it():
    run = ARun()
    run.candle("100000", "100100", "99900", "100000")
    run.exchange.place_order(a_market("SELL", "0.010"))
    run.open("100000")
    run.exchange.place_algo(a_stop("BUY", "101000"))
    run.finish("100900", "99900", "100900")
    run.open("101500")
    run.finish("101600", "101400", "101500")
    assert trades(run.exchange)[-1][0] == d("101500")
    assert position(run.exchange) == 0


def test_an_exit_waiting_for_the_open_comes_before_the_candle_s_stop():
    run = a_long()
    stop = run.exchange.place_algo(a_stop("SELL", "99000"))
    run.finish("100100", "99900", "100000")
    run.exchange.place_order(a_market("SELL", "0.010", reduce_only=True))
    run.open("98500")
    run.finish("98600", "98000", "98500")
    assert [price for price, _, _ in trades(run.exchange)] == [d("100050"), d("98500")]
    assert run.exchange.query_algo(stop.algo_id).status is AlgoStatus.EXPIRED


def test_a_stop_comes_before_a_take_profit_of_the_same_candle():
    run = a_long()
    profit = run.exchange.place_algo(a_stop("SELL", "101000", kind="TAKE_PROFIT_MARKET"))
    run.exchange.place_algo(a_stop("SELL", "99000"))
    run.finish("101500", "98500", "100000")
    assert trades(run.exchange)[-1][0] == d("99000")
    assert run.exchange.query_algo(profit.algo_id).status is AlgoStatus.EXPIRED


def test_a_take_profit_fills_at_its_price_or_a_better_open():
    run = a_long()
    run.exchange.place_algo(a_stop("SELL", "101000", kind="TAKE_PROFIT_MARKET"))
    run.finish("100100", "99900", "100000")
    run.candle("102000", "102100", "101900", "102000")
    assert trades(run.exchange)[-1][0] == d("102000")


def test_mark_price_stops_follow_the_candles_too():
    run = a_long()
    run.exchange.place_algo(a_stop("SELL", "99000", working_type="MARK_PRICE"))
    run.finish("100100", "98900", "99500")
    assert position(run.exchange) == 0


def test_an_order_sent_inside_a_candle_trades_at_its_open():
    run = a_long()
    run.exchange.place_order(a_market("SELL", "0.010", reduce_only=True))
    assert trades(run.exchange)[-1][0] == d("100050")


def test_a_limit_order_fills_at_a_better_open_or_when_the_candle_trades_through_it():
    run = ARun()
    run.candle("100000", "100100", "99900", "100000")
    run.exchange.place_order(a_limit("BUY", "0.010", "100000"))
    run.exchange.place_order(a_limit("BUY", "0.010", "99500"))
    run.open("99990")
    assert trades(run.exchange) == [(d("99990"), d("0.010"), False)]
    run.finish("100000", "99500", "100000")
    assert len(trades(run.exchange)) == 1
    run.candle("100000", "100000", "99499.9", "100000")
    assert trades(run.exchange)[-1] == (d("99500"), d("0.010"), True)


def test_a_pending_reduce_only_exit_is_gone_when_the_stop_was_first():
    run = a_long()
    run.exchange.place_algo(a_stop("SELL", "99000"))
    resting = run.exchange.place_order(a_limit("SELL", "0.010", "101000", reduce_only=True))
    run.finish("100100", "98000", "98500")
    assert run.exchange.query_order(BTC, resting.order_id).status is OrderStatus.EXPIRED
    run.candle("98000", "102000", "97000", "98000")
    assert position(run.exchange) == 0


def test_liquidation_is_judged_at_the_worst_price_of_the_candle():
    run = ARun()
    run.exchange.set_margin_type(BTC, MarginType.ISOLATED)
    run.candle("100000", "100100", "99900", "100000")
    run.exchange.place_order(a_market("BUY", "0.010"))
    run.open("100000")
    run.finish("100000", "95000", "100000")
    assert position(run.exchange) == 0
    assert run.exchange.all_orders(BTC)[-1].client_order_id == "autoclose-1"


def test_an_exit_that_an_order_before_it_made_pointless_is_gone_when_it_would_arrive():
    for latency in (None, ConstantLatency(500)):
        run = ARun(latency=latency)
        run.candle("100000", "100100", "99900", "100000")
        run.exchange.place_order(a_market("BUY", "0.010"))
        run.open("100050")
        run.finish("100100", "99900", "100000")
        run.exchange.place_order(a_market("SELL", "0.030"))
        late = run.exchange.place_order(a_market("SELL", "0.010", reduce_only=True))
        run.candle("100000", "100100", "99900", "100000")
        assert position(run.exchange) == d("-0.020")
        assert run.exchange.query_order(BTC, late.order_id).status is OrderStatus.EXPIRED


def test_two_stops_of_one_candle_close_once():
    run = a_long()
    first = run.exchange.place_algo(a_stop("SELL", "99500"))
    second = run.exchange.place_algo(a_stop("SELL", "99000"))
    run.finish("100100", "98000", "98500")
    assert trades(run.exchange)[-1][0] == d("99500")
    assert run.exchange.query_algo(first.algo_id).status is AlgoStatus.FINISHED
    assert run.exchange.query_algo(second.algo_id).status is AlgoStatus.EXPIRED


def test_a_fill_or_kill_order_expires_at_an_open_beyond_its_price():
    run = ARun()
    run.candle("100000", "100100", "99900", "100000")
    order = run.exchange.place_order(a_limit("BUY", "0.010", "100000", tif="FOK"))
    run.open("100050")
    assert run.exchange.query_order(BTC, order.order_id).status is OrderStatus.EXPIRED


def test_symbols_run_side_by_side():
    run = ARun()
    run.exchange = an_exchange(an_entry(), an_entry(ETH), by_candles=True)
    for symbol in (BTC, ETH):
        run.open("100000", symbol)
    run.finish("100100", "99900", "100000")
    run.minute = 0
    run.finish("100100", "99900", "100000", ETH)
    run.exchange.place_order(a_market("BUY", "0.010"))
    run.exchange.place_order(a_market("SELL", "0.010", symbol=ETH))
    run.open("100010", ETH)
    run.open("100020")
    assert [t.price for t in run.exchange.user_trades(ETH)] == [d("100010")]
    assert [t.time_ms for t in run.exchange.user_trades(BTC)] == [START_MS + MINUTE_MS]
