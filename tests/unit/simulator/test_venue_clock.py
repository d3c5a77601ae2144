"""What falls due by market time, and the venue that stands still."""

import pytest

from simulator.venue.errors import VenueError
from simulator.venue.funding import HOUR_MS, ConstantFunding
from simulator.venue.liquidity import Liquidity
from simulator.venue.model import IncomeType, MarginType
from tests.unit.simulator.venue_builders import (
    BTC,
    ETH,
    START_MS,
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
    wallet,
)

DEEP = Liquidity(top_notional=d("1000000"))


class Steps:
    """A source whose interval shrinks, as real ones sometimes do."""

    def funding_rate(self, symbol, funding_time):
        return d("-0.0005")

    def funding_interval_hours(self, symbol):
        return 4 if symbol == BTC else 8


def test_a_long_pays_a_positive_rate_at_each_settlement():
    exchange = an_exchange(liquidity=DEEP, taker_fee=d("0"))
    exchange.place_order(a_market("BUY", "0.010"))
    exchange.drain_events()
    exchange.advance(START_MS + 16 * HOUR_MS)
    assert told(exchange) == ["ACCOUNT FUNDING_FEE"] * 2
    rows = exchange.income(income_type=IncomeType.FUNDING_FEE)
    assert [(row.time_ms - START_MS, row.amount) for row in rows] == [
        (8 * HOUR_MS, d("-0.1")),
        (16 * HOUR_MS, d("-0.1")),
    ]
    assert wallet(exchange) == d("9999.8")


def test_a_short_is_paid_a_positive_rate_and_each_symbol_has_its_own_interval():
    exchange = an_exchange(an_entry(), an_entry(ETH), funding=Steps(), liquidity=DEEP)
    exchange.place_order(a_market("SELL", "0.010"))
    exchange.advance(START_MS + 8 * HOUR_MS)
    times = [(row.symbol, (row.time_ms - START_MS) // HOUR_MS) for row in exchange.funding_history()]
    assert times == [(BTC, 4), (BTC, 8), (ETH, 8)]
    assert [row.amount for row in exchange.income(income_type=IncomeType.FUNDING_FEE)] == [d("-0.5"), d("-0.5")]
    assert exchange.funding_history(ETH)[0].rate == d("-0.0005")


def test_isolated_funding_comes_out_of_the_position_s_margin():
    exchange = an_exchange(liquidity=DEEP)
    exchange.set_margin_type(BTC, MarginType.ISOLATED)
    exchange.place_order(a_market("BUY", "0.010"))
    before = exchange.positions()[0].isolated_wallet
    exchange.drain_events()
    exchange.fund(BTC)
    (event,) = exchange.drain_events()
    assert (event.symbol, event.positions[0].symbol, event.balances[0].change) == (BTC, BTC, d("-0.1"))
    assert exchange.positions()[0].isolated_wallet == before - d("0.1")


def test_a_cross_position_is_left_out_of_the_funding_event():
    exchange = an_exchange(liquidity=DEEP)
    exchange.place_order(a_market("BUY", "0.010"))
    exchange.drain_events()
    exchange.fund(BTC)
    (event,) = exchange.drain_events()
    assert event.positions == ()


def test_a_flat_symbol_has_a_rate_but_pays_nothing():
    exchange = an_exchange()
    exchange.advance(START_MS + 8 * HOUR_MS)
    assert exchange.drain_events() == []
    assert len(exchange.funding_history(BTC)) == 1


def test_the_market_view_names_the_next_settlement():
    exchange = an_exchange(funding=ConstantFunding(d("0.0003"), 1))
    view = exchange.market(BTC)
    assert (view.next_funding_ms, view.funding_rate, view.funding_interval_ms) == (
        START_MS + HOUR_MS,
        d("0.0003"),
        HOUR_MS,
    )
    assert (view.last, view.mark, view.index) == (d("100000"),) * 3


def test_funding_is_settled_before_a_later_tick_moves_the_price():
    exchange = an_exchange(liquidity=DEEP)
    exchange.place_order(a_market("BUY", "0.010"))
    exchange.on_tick(a_tick("120000", at=8 * HOUR_MS + 5))
    assert exchange.funding_history()[0].mark_price == d("100000")


def test_the_dead_man_s_switch_cancels_unless_renewed():
    exchange = an_exchange()
    order = exchange.place_order(a_limit("BUY", "0.010", "99000"))
    exchange.countdown_cancel_all(BTC, 1_000)
    exchange.advance(START_MS + 900)
    exchange.countdown_cancel_all(BTC, 1_000)
    exchange.advance(START_MS + 1_500)
    assert exchange.open_order(BTC, order.order_id)
    exchange.advance(START_MS + 1_900)
    assert exchange.open_orders() == []
    assert exchange.query_order(BTC, order.order_id).updated_ms == START_MS + 1_900


def test_the_dead_man_s_switch_can_be_switched_off():
    exchange = an_exchange()
    exchange.place_order(a_limit("BUY", "0.010", "99000"))
    exchange.countdown_cancel_all(BTC, 1_000)
    exchange.countdown_cancel_all(BTC, 0)
    exchange.advance(START_MS + 5_000)
    assert len(exchange.open_orders()) == 1


def test_time_never_goes_back():
    exchange = an_exchange()
    exchange.advance(START_MS + 10)
    exchange.advance(START_MS + 5)
    exchange.on_tick(a_tick("100000", at=3))
    assert exchange.now_ms == START_MS + 10


def test_a_held_venue_refuses_orders_and_cancels_but_answers_reads():
    exchange = an_exchange()
    order = exchange.place_order(a_limit("BUY", "0.010", "99000"))
    stop = exchange.place_algo(a_stop("SELL", "98000"))
    exchange.hold()
    calls = (
        lambda: exchange.place_order(a_market("BUY", "0.010")),
        lambda: exchange.cancel_order(BTC, order.order_id),
        lambda: exchange.cancel_all(BTC),
        lambda: exchange.modify_order(BTC, order.order_id),
        lambda: exchange.countdown_cancel_all(BTC, 5),
        lambda: exchange.place_algo(a_stop("SELL", "98000")),
        lambda: exchange.cancel_algo(stop.algo_id),
        lambda: exchange.cancel_all_algos(BTC),
    )
    for call in calls:
        with pytest.raises(VenueError) as info:
            call()
        assert (info.value.http_status, info.value.message) == (503, "Service Unavailable.")
    assert exchange.query_order(BTC, order.order_id) == order
    assert exchange.is_held


def test_a_held_venue_neither_matches_nor_pays_nor_triggers_until_released():
    exchange = an_exchange(liquidity=DEEP)
    exchange.place_order(a_market("BUY", "0.010"))
    exchange.place_order(a_limit("BUY", "0.010", "99000"))
    exchange.place_algo(a_stop("SELL", "98000"))
    before = exchange.ledger()
    exchange.drain_events()
    exchange.hold()
    exchange.on_tick(a_tick("90000", at=1))
    exchange.set_mark(BTC, d("90000"), d("90000"), START_MS + 2)
    exchange.set_top(BTC, d("90000"), d("90001"), START_MS + 2)
    exchange.advance(START_MS + 9 * HOUR_MS)
    assert (exchange.ledger(), exchange.drain_events(), exchange.now_ms) == (before, [], START_MS)
    exchange.release()
    exchange.on_tick(a_tick("97000", at=1))
    assert position(exchange) == 0
    assert len(trades(exchange)) == 3
