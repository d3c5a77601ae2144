"""Trailing stops: on ticks as the exchange does them, on candles with what hurts first."""

import pytest

from simulator.venue.errors import VenueError
from simulator.venue.model import AlgoRequest, AlgoStatus, OrderType, Side, WorkingType
from tests.unit.simulator.candle_run import a_long
from tests.unit.simulator.venue_builders import (
    BTC,
    START_MS,
    a_market,
    a_stop,
    a_tick,
    an_exchange,
    d,
    position,
    trades,
)


def a_trail(side, callback="1", *, activate="0", **changes):
    return AlgoRequest(
        symbol=BTC,
        side=Side(side),
        type=OrderType.TRAILING_STOP_MARKET,
        quantity=d("0.010"),
        reduce_only=True,
        activate_price=d(activate),
        callback_rate=d(callback),
        **changes,
    )


def an_exchange_with(side):
    exchange = an_exchange()
    exchange.place_order(a_market(side, "0.010"))
    return exchange


def ticks(exchange, *prices):
    for place, price in enumerate(prices):
        exchange.on_tick(a_tick(price, at=1 + place, quantity="0"))


def test_it_follows_the_price_up_and_fires_its_callback_below_the_best():
    exchange = an_exchange_with("BUY")
    trail = exchange.place_algo(a_trail("SELL"))
    ticks(exchange, "100500", "102000", "100980.1")
    assert position(exchange) == d("0.010")
    ticks(exchange, "100980")
    assert position(exchange) == 0
    assert exchange.query_algo(trail.algo_id).status is AlgoStatus.FINISHED


def test_a_short_s_mirrors_it():
    exchange = an_exchange_with("SELL")
    exchange.place_algo(a_trail("BUY"))
    ticks(exchange, "98000", "98979.9")
    assert position(exchange) == d("-0.010")
    ticks(exchange, "98980")
    assert position(exchange) == 0


def test_it_sleeps_until_its_activation_price():
    exchange = an_exchange_with("BUY")
    exchange.place_algo(a_trail("SELL", activate="101000"))
    ticks(exchange, "95000", "100999.9", "95000")
    assert position(exchange) == d("0.010")
    ticks(exchange, "101000", "99990")
    assert position(exchange) == 0


def test_by_mark_price_it_follows_the_mark_alone():
    exchange = an_exchange_with("BUY")
    exchange.set_mark(BTC, d("100000"), d("100000"), START_MS)
    exchange.place_algo(a_trail("SELL", working_type=WorkingType.MARK_PRICE))
    ticks(exchange, "105000", "100000")
    assert position(exchange) == d("0.010")
    exchange.set_mark(BTC, d("99000"), d("99000"), START_MS + 9)
    assert position(exchange) == 0


@pytest.mark.parametrize(
    ("request_", "code"),
    [
        (a_trail("SELL", "0.09"), -2007),
        (a_trail("SELL", "10.1"), -2007),
        (a_trail("SELL", activate="100000"), -2021),
        (a_trail("BUY", activate="100000"), -2021),
        (a_trail("SELL", activate="101000.05"), -4014),
        (a_trail("SELL", close_position=True), -4136),
    ],
)
def test_what_cannot_be_is_refused(request_, code):
    with pytest.raises(VenueError) as caught:
        an_exchange().place_algo(request_)
    assert caught.value.code == code


def test_the_exchange_s_books_show_its_terms():
    exchange = an_exchange_with("BUY")
    exchange.place_algo(a_trail("SELL", "1.5", activate="101000"))
    (row,) = exchange.ledger()["algo_orders"]
    assert (row["trigger_price"], row["activate_price"], row["callback_rate"]) == ("0", "101000", "1.5")


# on candles


def a_trailed(**options):
    run = a_long(**options)
    run.exchange.place_algo(a_trail("SELL"))  # active at once: best 100,050, level 99,049.5
    return run


def test_the_adverse_extreme_is_judged_before_the_favourable_one_moves_the_level():
    run = a_trailed()
    run.finish("105000", "99049.5", "105000")
    assert trades(run.exchange)[-1][0] == d("99049.5")


def test_the_favourable_extreme_moves_it_and_the_close_judges_the_new_level():
    run = a_trailed()
    run.finish("102000", "99500", "100980")  # 1 % below 102,000
    assert trades(run.exchange)[-1][0] == d("100980")


def test_a_close_above_the_new_level_keeps_the_position_for_the_next_candle():
    run = a_trailed()
    run.finish("102000", "99500", "100980.1")
    assert position(run.exchange) == d("0.010")
    run.candle("100980.1", "101000", "100970", "100990")
    assert trades(run.exchange)[-1][0] == d("100980")


def test_an_open_beyond_the_level_fills_at_the_open():
    run = a_trailed()
    run.finish("102000", "101500", "101900")
    run.candle("100500", "100600", "100400", "100500")
    assert trades(run.exchange)[-1][0] == d("100500")


def test_an_open_in_favour_moves_the_level_before_the_candle_s_low_judges_it():
    run = a_trailed()
    run.finish("100060", "100000", "100050")
    run.candle("103000", "103000", "101970", "102500")
    assert trades(run.exchange)[-1][0] == d("101970")


def test_a_candle_activates_it_by_its_extreme():
    run = a_long()
    run.exchange.place_algo(a_trail("SELL", activate="101000"))
    run.finish("100999.9", "95000", "100000")
    assert position(run.exchange) == d("0.010")
    run.candle("100000", "101000", "99995", "100000")
    assert position(run.exchange) == d("0.010")
    run.candle("100000", "100000", "99990", "100000")
    assert trades(run.exchange)[-1][0] == d("99990")


def test_the_nearest_stop_of_a_falling_candle_comes_first():
    run = a_trailed()
    run.exchange.place_algo(a_stop("SELL", "99500"))
    run.finish("100060", "98000", "98500")
    assert trades(run.exchange)[-1][0] == d("99500")


def test_by_mark_price_the_mark_s_own_candle_moves_and_judges_it():
    run = a_long()
    run.exchange.place_algo(a_trail("SELL", working_type=WorkingType.MARK_PRICE))
    mark = run.bar("100050", "103000", "100000", "102000")
    run.finish("100100", "95000", "100000", mark=mark)
    assert position(run.exchange) == d("0.010")
    mark = run.bar("102000", "102000", "101970", "102000")
    run.open("100000", mark=mark)
    run.finish("100100", "99900", "100000", mark=mark)
    assert trades(run.exchange)[-1][0] == d("100000")


def test_a_piece_s_open_in_favour_moves_the_level_before_its_low_judges_it():
    run = a_trailed()
    pieces = (
        run.piece(0, "100050", "100060", "100000", "100050"),
        run.piece(1, "103000", "103000", "101970", "102500"),
    )
    run.finish("103000", "100000", "102500", detail=pieces)
    assert trades(run.exchange)[-1][0] == d("101970")
