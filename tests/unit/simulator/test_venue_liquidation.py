"""Liquidation on the mark price and the price it is announced at."""

from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from simulator.venue.liquidity import Liquidity
from simulator.venue.model import ExecutionType, ExpiryReason, ForceOrderEvent, IncomeType, MarginType, OrderEvent
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
    wallet,
)

DEEP = Liquidity(top_notional=d("100000000"))


def an_isolated_long(leverage=10, quantity="0.010", **options):
    exchange = an_exchange(liquidity=DEEP, **options)
    exchange.set_margin_type(BTC, MarginType.ISOLATED)
    exchange.set_leverage(BTC, leverage)
    exchange.place_order(a_market("BUY", quantity))
    exchange.drain_events()
    return exchange


def test_an_isolated_position_is_liquidated_at_its_announced_price():
    exchange = an_isolated_long()
    price = exchange.positions()[0].liquidation_price
    assert d("90300") < price < d("90500")
    exchange.set_mark(BTC, price + d("0.01"), price, exchange.now_ms)
    assert position(exchange) == d("0.010")
    exchange.set_mark(BTC, price, price, exchange.now_ms)
    assert position(exchange) == 0


def test_the_contract_price_alone_does_not_liquidate():
    exchange = an_isolated_long()
    exchange.set_mark(BTC, d("100000"), d("100000"), exchange.now_ms)
    exchange.on_tick(a_tick("80000", at=1))
    assert position(exchange) == d("0.010")


def test_the_path_price_liquidates_where_no_mark_is_given():
    exchange = an_isolated_long()
    exchange.on_tick(a_tick("90000", at=1))
    assert position(exchange) == 0


def test_a_liquidation_tells_its_story_in_order():
    exchange = an_isolated_long()
    exchange.place_order(a_limit("BUY", "0.010", "80000"))
    exchange.drain_events()
    exchange.set_mark(BTC, d("90300"), d("90300"), exchange.now_ms)
    events = exchange.drain_events()
    orders = [event for event in events if isinstance(event, OrderEvent)]
    assert orders[0].order.expiry_reason is ExpiryReason.LIQUIDATION
    assert orders[1].order.client_order_id == "autoclose-1"
    assert orders[2].execution is ExecutionType.CALCULATED
    assert isinstance(events[4], ForceOrderEvent)
    assert events[-1].reason == "INSURANCE_CLEAR"
    assert exchange.income(income_type=IncomeType.INSURANCE_CLEAR)[0].amount < 0


def test_what_is_left_of_the_margin_bounds_the_fee_and_the_rest_of_the_wallet_is_safe():
    exchange = an_isolated_long()
    before = wallet(exchange) - exchange.positions()[0].isolated_wallet
    exchange.set_mark(BTC, d("90300"), d("90300"), exchange.now_ms)
    assert wallet(exchange) == before


def test_the_insurance_fund_covers_a_margin_that_went_below_zero():
    exchange = an_isolated_long()
    before = wallet(exchange) - exchange.positions()[0].isolated_wallet
    exchange.set_mark(BTC, d("50000"), d("50000"), exchange.now_ms)
    assert exchange.income(income_type=IncomeType.INSURANCE_CLEAR)[0].amount > 0
    assert wallet(exchange) == before


def test_a_short_is_liquidated_above():
    exchange = an_exchange(liquidity=DEEP)
    exchange.set_margin_type(BTC, MarginType.ISOLATED)
    exchange.set_leverage(BTC, 10)
    exchange.place_order(a_market("SELL", "0.010"))
    price = exchange.positions()[0].liquidation_price
    assert d("109400") < price < d("109700")
    exchange.set_mark(BTC, price - d("0.01"), price, exchange.now_ms)
    assert position(exchange) == d("-0.010")
    exchange.set_mark(BTC, price + d("0.01"), price, exchange.now_ms)
    assert position(exchange) == 0


def test_a_cross_position_stands_on_the_whole_wallet():
    exchange = an_exchange(an_entry(), an_entry(ETH), liquidity=DEEP, balance="1000")
    exchange.place_order(a_market("BUY", "0.100"))
    exchange.place_order(a_market("SELL", "0.010", symbol=ETH))
    rows = {row.symbol: row for row in exchange.positions()}
    price = rows[BTC].liquidation_price
    assert d("90000") < price < d("91000")
    exchange.set_mark(BTC, price + d("0.1"), price, exchange.now_ms)
    assert position(exchange) == d("0.100")
    exchange.set_mark(BTC, price - d("0.1"), price, exchange.now_ms)
    assert position(exchange) == 0


def test_a_position_that_cannot_be_liquidated_announces_zero():
    exchange = an_exchange()
    exchange.place_order(a_market("BUY", "0.010"))
    assert exchange.positions()[0].liquidation_price == 0


def test_a_liquidation_can_be_ordered_by_hand_and_the_stop_then_expires():
    exchange = an_isolated_long()
    stop = exchange.place_algo(a_stop("SELL", "99000"))
    exchange.liquidate(BTC)
    assert position(exchange) == 0
    exchange.liquidate(BTC)
    exchange.on_tick(a_tick("98000", at=1))
    assert exchange.query_algo(stop.algo_id).status.value == "EXPIRED"
    assert told(exchange)[-1] == "ALGO EXPIRED"


@pytest.mark.parametrize("side", ["BUY", "SELL"])
@settings(max_examples=100, deadline=None)
@given(leverage=st.integers(2, 50), steps=st.integers(2, 500))
def test_at_the_announced_price_margin_equals_maintenance(side, leverage, steps):
    exchange = an_exchange(liquidity=DEEP, balance="10000000")
    exchange.set_margin_type(BTC, MarginType.ISOLATED)
    exchange.set_leverage(BTC, leverage)
    exchange.place_order(a_market(side, str(steps * Decimal("0.001"))))
    (row,) = exchange.positions()
    exchange.set_mark(BTC, row.liquidation_price + (1 if side == "BUY" else -1), d("1"), exchange.now_ms)
    (after,) = exchange.positions()
    slack = after.isolated_wallet + after.unrealized_profit - after.maintenance_margin
    assert 0 < slack < after.quantity.copy_abs() * 2
