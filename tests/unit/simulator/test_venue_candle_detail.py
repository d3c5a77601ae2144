"""Candle mode with finer data of a candle, with a mark price of its own, and with funding."""

import pytest

from simulator.venue.errors import CandleError
from simulator.venue.funding import HOUR_MS, NoFunding, RecordedFunding, Settlement
from simulator.venue.latency import ConstantLatency
from simulator.venue.model import IncomeType, MarginType, OrderStatus, WorkingType
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
    told,
    trades,
)


def test_detail_tells_which_of_stop_and_take_profit_came_first():
    run = a_long()
    run.exchange.place_algo(a_stop("SELL", "101000", kind="TAKE_PROFIT_MARKET"))
    run.exchange.place_algo(a_stop("SELL", "99000"))
    pieces = (run.piece(0, "100050", "101500", "100000", "101000"), run.piece(30, "101000", "101000", "98500", "98500"))
    run.finish("101500", "98500", "98500", detail=pieces)
    (_, exit_) = run.exchange.user_trades(BTC)
    assert (exit_.price, exit_.time_ms) == (d("101000"), START_MS + MINUTE_MS)


def test_a_stop_fills_at_the_worse_of_its_price_and_the_piece_s_open():
    run = a_long()
    run.exchange.place_algo(a_stop("SELL", "99000"))
    run.finish("100100", "98000", "98500", detail=(run.tick(1, "99500"), run.tick(2, "98700"), run.tick(3, "98000")))
    (_, exit_) = run.exchange.user_trades(BTC)
    assert (exit_.price, exit_.time_ms) == (d("98700"), START_MS + MINUTE_MS + 2_000)


def test_a_late_order_trades_at_the_first_piece_at_or_after_its_arrival():
    run = ARun(latency=ConstantLatency(2_000))
    run.candle("100000", "100000", "100000", "100000")
    run.exchange.place_order(a_market("BUY", "0.010"))
    run.open("100000")
    run.finish(
        "100300", "100000", "100100", detail=(run.tick(1, "100200"), run.tick(2, "100100"), run.tick(3, "100300"))
    )
    assert trades(run.exchange) == [(d("100100"), d("0.010"), False)]


def test_an_order_that_arrives_after_the_last_piece_trades_at_the_next_candle():
    run = ARun(latency=ConstantLatency(30_000))
    run.candle("100000", "100000", "100000", "100000")
    run.exchange.place_order(a_market("BUY", "0.010"))
    run.open("100000")
    run.finish("100300", "100000", "100100", detail=(run.tick(1, "100200"),))
    assert trades(run.exchange) == []
    run.open("100500")
    assert trades(run.exchange) == [(d("100500"), d("0.010"), False)]


def test_a_stop_sent_after_an_entry_answers_for_the_pieces_since_then_only():
    for low, gone in (("98000", True), ("99950", False)):
        run = ARun()
        run.candle("100000", "100000", "100000", "100000")
        run.exchange.place_order(a_limit("BUY", "0.010", "99990"))
        run.open("100000")
        pieces = (run.tick(1, "98000" if not gone else "100000", volume="0"), run.tick(2, "99980"), run.tick(3, low))
        run.finish("100000", "98000", "99980", detail=pieces)
        run.exchange.place_algo(a_stop("SELL", "99000"))
        assert (position(run.exchange) == 0) is gone


def test_what_is_left_of_a_step_is_carried_to_the_next_piece():
    run = ARun()
    run.candle("100000", "100000", "100000", "100000")
    order = run.exchange.place_order(a_limit("BUY", "0.010", "99990"))
    run.open("100000")
    run.finish("100000", "99980", "99980", detail=[run.tick(n, "99980", volume="0.005") for n in range(4)])
    assert trades(run.exchange) == [(d("99990"), d("0.001"), True)] * 2
    assert run.exchange.query_order(BTC, order.order_id).status is OrderStatus.PARTIALLY_FILLED


@pytest.mark.parametrize(
    ("detail", "message"),
    [
        ([(1, "100101")], "2023-11-15T00:01:01.000+00:00 runs from 100101 to 100101, outside"),
        ([(1, "99899.9")], "outside its candle's 99900 to 100100"),
        ([(60, "100000")], "2023-11-15T00:02:00.000"),
        ([(2, "100000"), (1, "100000")], "2023-11-15T00:01:01.000+00:00 is out of order"),
    ],
)
def test_pieces_that_contradict_their_candle_are_named_by_their_time(detail, message):
    run = a_long()
    pieces = [run.tick(seconds, price) for seconds, price in detail]
    with pytest.raises(CandleError) as caught:
        run.finish("100100", "99900", "100000", detail=pieces)
    assert message in str(caught.value)


# a mark price of its own


def an_isolated(**options):
    run = ARun(**options)
    run.exchange.set_margin_type(BTC, MarginType.ISOLATED)
    run.candle("100000", "100100", "99900", "100000")
    run.exchange.place_order(a_market("BUY", "0.010"))
    return run


def test_liquidation_is_judged_by_the_mark_where_it_is_known():
    run = an_isolated()
    run.open("100000", mark=run.bar("100000", "100000", "100000", "100000"))
    run.finish("100000", "90000", "100000", mark=run.bar("100000", "100000", "99000", "100000"))
    assert position(run.exchange) == d("0.010")
    mark = run.bar("100000", "100000", "95000", "100000")
    run.open("100000", mark=mark)
    run.finish("100000", "99000", "100000", mark=mark)
    assert position(run.exchange) == 0


def test_where_the_mark_is_not_known_the_path_stands_for_it_again():
    run = an_isolated()
    run.open("100000", mark=run.bar("100000", "100000", "100000", "100000"))
    run.finish("100000", "99000", "100000", mark=run.bar("100000", "100000", "99000", "99500"))
    run.open("100000")
    assert run.exchange.market(BTC).mark == d("100000")
    run.finish("100000", "95000", "100000")
    assert position(run.exchange) == 0


def test_liquidation_comes_before_a_take_profit_of_the_same_candle():
    run = an_isolated()
    run.open("100000")
    run.exchange.place_algo(a_stop("SELL", "101000", kind="TAKE_PROFIT_MARKET"))
    run.finish("102000", "90000", "100000")
    assert run.exchange.all_orders(BTC)[-1].client_order_id == "autoclose-1"


def test_mark_price_stops_follow_the_mark_where_it_is_known():
    run = a_long()
    run.exchange.place_algo(a_stop("SELL", "99000", working_type=WorkingType.MARK_PRICE))
    run.finish("100100", "98000", "100000", mark=run.bar("100000", "100000", "99100", "100000"))
    assert position(run.exchange) == d("0.010")
    run.open("100000")
    run.finish("100100", "99900", "100000", mark=run.bar("100000", "100000", "98900", "100000"))
    assert trades(run.exchange)[-1][0] == d("99000")


# funding


def paid(run):
    return [
        ((row.time_ms - START_MS) // MINUTE_MS, row.amount)
        for row in run.exchange.income(income_type=IncomeType.FUNDING_FEE)
    ]


def recorded(*rows, symbol=BTC):
    return RecordedFunding(
        {symbol: [Settlement(START_MS + minute * MINUTE_MS, d(rate), d(mark)) for minute, rate, mark in rows]}
    )


def test_recorded_settlements_come_at_their_own_times_rates_and_mark_prices():
    run = a_long(settlements=recorded((2, "0.0001", "100200"), (3, "-0.0002", "0"), (5, "0.0001", "0")))
    assert run.exchange.next_funding_ms(BTC) == START_MS + 2 * MINUTE_MS
    run.finish("100100", "99900", "100000")
    for price in ("100010", "100020", "100030", "100040"):
        run.candle(price, price, price, price)
    # with its mark, then at the open of the candle that opens at it
    assert paid(run) == [(2, d("-0.1002")), (3, d("0.20004")), (5, d("-0.10004"))]
    assert run.exchange.next_funding_ms(BTC) > START_MS + 1_000_000 * HOUR_MS


def test_what_was_decided_before_a_settlement_s_candle_does_not_pay_it():
    run = ARun(settlements=recorded((1, "0.0001", "0")))
    run.candle("100000", "100100", "99900", "100000")
    run.exchange.place_order(a_market("BUY", "0.010"))
    run.open("100050")
    assert paid(run) == []
    run = a_long(settlements=recorded((2, "0.0001", "0")))
    run.finish("100100", "99900", "100000")
    run.exchange.place_order(a_market("SELL", "0.010", reduce_only=True))
    run.open("100000")
    assert paid(run) == [(2, d("-0.1"))]


def test_a_settlement_within_a_hole_is_paid_after_it_and_booked_at_its_own_time():
    run = a_long(settlements=recorded((4, "0.0001", "0")))
    run.finish("100100", "99900", "100000")
    run.minute = 9
    run.open("101000")
    assert paid(run) == [(4, d("-0.101"))]
    (event,) = [event for event in run.exchange.drain_events() if getattr(event, "reason", "") == "FUNDING_FEE"]
    assert (event.due_ms - START_MS) // MINUTE_MS == 4
    assert (event.at_ms - START_MS) // MINUTE_MS == 9


def test_one_symbol_s_candle_does_not_settle_another_s_funding():
    funding = RecordedFunding({name: [Settlement(START_MS + MINUTE_MS, d("0.0001"))] for name in (BTC, ETH)})
    run = ARun()
    run.exchange = an_exchange(an_entry(), an_entry(ETH), by_candles=True, settlements=funding)
    for symbol in (BTC, ETH):
        run.open("100000", symbol)
        run.exchange.place_order(a_market("BUY", "0.010", symbol=symbol))
    run.finish("100000", "100000", "100000")
    run.minute = 0
    run.finish("100000", "100000", "100000", ETH)
    run.open("100500")
    assert [row.symbol for row in run.exchange.income(income_type=IncomeType.FUNDING_FEE)] == [BTC]
    run.open("100700", ETH)
    amounts = [row.amount for row in run.exchange.income(income_type=IncomeType.FUNDING_FEE)]
    assert amounts == [d("-0.1005"), d("-0.1007")]


def test_settlements_inside_a_long_candle_are_paid_at_its_open():
    run = a_long(interval_ms=24 * HOUR_MS, settlements=recorded((24 * 60 + 480, "0.0001", "0")))
    run.finish("100100", "99900", "100000")
    assert paid(run) == [(24 * 60 + 480, d("-0.10005"))]


def test_without_a_position_a_settlement_leaves_no_trace():
    run = ARun(settlements=recorded((1, "0.0001", "0"), (2, "0.0001", "0"), (9, "0.0001", "0")))
    run.minute = 3
    run.candle("100000", "100000", "100000", "100000")
    assert told(run.exchange) == []
    assert run.exchange.funding_history() == []
    assert run.exchange.next_funding_ms(BTC) == START_MS + 9 * MINUTE_MS


def test_the_usual_funding_is_settled_every_eight_hours():
    run = a_long()
    run.finish("100100", "99900", "100000")
    assert run.exchange.next_funding_ms(BTC) == START_MS + 8 * HOUR_MS
    run.minute = 8 * 60
    run.open("100000")
    assert paid(run) == [(480, d("-0.1"))]


def test_a_source_that_never_settles_is_never_due():
    run = a_long(settlements=NoFunding())
    run.finish("100100", "99900", "100000")
    run.minute = 1_000_000
    run.open("100000")
    assert paid(run) == []


def test_recorded_settlements_have_to_be_sorted():
    with pytest.raises(ValueError, match=f"{BTC}.*sort"):
        recorded((2, "0.0001", "0"), (1, "0.0001", "0"))
