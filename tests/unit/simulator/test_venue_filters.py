"""The venue's filters, each with the exchange's own code."""

from decimal import Decimal
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from simulator.venue.errors import VenueError
from simulator.venue.instrument import (
    DEFAULT_BRACKETS,
    bracket_of,
    largest_notional,
    parse_brackets,
    parse_instrument,
)
from simulator.venue.margin import maintenance_margin
from tests.unit.simulator.venue_builders import BTC, a_limit, a_market, a_stop, an_entry, an_exchange, d

RICH = "100000000"


def code_of(call, *args):
    with pytest.raises(VenueError) as info:
        call(*args)
    return info.value.code, info.value.message


@pytest.mark.parametrize(
    ("request_", "code"),
    [
        (a_limit("BUY", "0.010", "999"), -4013),
        (a_limit("BUY", "0.010", "0"), -4013),
        (a_limit("BUY", "0.010", "1000000.1"), -4002),
        (a_limit("BUY", "0.010", "99000.05"), -4014),
        (a_limit("BUY", "0.010", "99000.001"), -1111),
        (a_limit("BUY", "0", "99000"), -4003),
        (a_limit("BUY", "-1", "99000"), -4003),
        (a_limit("BUY", "0.0005", "99000"), -1111),
        (a_limit("BUY", "100.001", "99000"), -4005),
        (a_market("BUY", "50.001"), -4005),
        (a_limit("BUY", "0.010", "105000.1"), -4016),
        (a_limit("SELL", "0.010", "94999.9"), -4024),
        (a_limit("BUY", "0.001", "99000"), -4164),
    ],
)
def test_a_value_outside_a_filter_is_refused(request_, code):
    assert code_of(an_exchange(balance=RICH).place_order, request_)[0] == code


def test_the_minimum_and_the_step_are_told_apart():
    exchange = an_exchange(an_entry(min_quantity="0.010", step="0.005"), balance=RICH)
    assert code_of(exchange.place_order, a_limit("BUY", "0.005", "99000"))[0] == -4004
    assert code_of(exchange.place_order, a_limit("BUY", "0.012", "99000"))[0] == -4023


def test_the_price_lattice_starts_at_the_minimum_price():
    exchange = an_exchange(an_entry(tick="0.30", min_price="1000.10"), balance=RICH)
    exchange.place_order(a_limit("BUY", "0.010", "99000.20"))
    assert code_of(exchange.place_order, a_limit("BUY", "0.010", "99000.10"))[0] == -4014


def test_percent_price_is_one_sided_and_inclusive():
    exchange = an_exchange(balance=RICH)
    exchange.place_order(a_limit("SELL", "0.010", "200000"))
    exchange.place_order(a_limit("BUY", "0.010", "50000"))
    exchange.place_order(a_limit("BUY", "0.010", "105000", tif="IOC"))


def test_messages_name_the_bound():
    exchange = an_exchange()
    assert code_of(exchange.place_order, a_limit("BUY", "0.010", "105001"))[1] == (
        "Limit price can't be higher than 105000."
    )
    assert code_of(exchange.place_order, a_limit("BUY", "0.001", "99000"))[1] == (
        "Order's notional must be no smaller than 100 (unless you choose reduce only)"
    )


def test_a_market_order_is_refused_where_the_other_side_is_too_far_from_the_mark():
    exchange = an_exchange()
    exchange.set_mark(BTC, d("90000"), d("90000"), exchange.now_ms)
    assert code_of(exchange.place_order, a_market("BUY", "0.010"))[0] == -4131
    exchange.set_mark(BTC, d("110000"), d("110000"), exchange.now_ms)
    assert code_of(exchange.place_order, a_market("SELL", "0.010"))[0] == -4131


def test_reduce_only_is_exempt_from_the_minimum_notional():
    exchange = an_exchange()
    exchange.place_order(a_market("BUY", "0.010"))
    exchange.place_order(a_limit("SELL", "0.009", "100500", reduce_only=True))
    order = exchange.place_order(a_limit("SELL", "0.001", "99990", reduce_only=True))
    assert order.executed_quantity == d("0.001")


def test_the_number_of_open_orders_is_limited():
    exchange = an_exchange(an_entry(max_orders=2))
    exchange.place_order(a_limit("BUY", "0.010", "99000"))
    exchange.place_order(a_limit("BUY", "0.010", "99000"))
    assert code_of(exchange.place_order, a_limit("BUY", "0.010", "99000"))[0] == -2025


def test_without_a_price_there_is_no_book_to_meet():
    exchange = an_exchange(price="")
    assert code_of(exchange.place_order, a_market("BUY", "0.010"))[0] == -1112
    assert exchange.place_order(a_limit("BUY", "0.010", "99000")).is_open
    assert exchange.best(BTC) == (0, 0, 0, 0)


@pytest.mark.parametrize(("status", "code"), [("CLOSE", -4141), ("SETTLING", -4140), ("PENDING_TRADING", -4140)])
def test_a_symbol_that_does_not_trade_opens_nothing(status, code):
    exchange = an_exchange()
    exchange.update_symbol(an_entry(status=status))
    assert code_of(exchange.place_order, a_market("BUY", "0.010"))[0] == code
    assert code_of(exchange.place_algo, a_stop("SELL", "99000", quantity="0.010"))[0] == code


def test_a_settling_symbol_can_still_be_left():
    exchange = an_exchange()
    exchange.place_order(a_market("BUY", "0.010"))
    exchange.update_symbol(an_entry(status="SETTLING"))
    assert exchange.place_order(a_market("SELL", "0.010", reduce_only=True)).executed_quantity == d("0.010")


def test_changed_filters_apply_to_the_next_order_and_show_in_the_answer():
    exchange = an_exchange()
    exchange.update_symbol(an_entry(tick="1", step="0.01", min_quantity="0.01"))
    assert code_of(exchange.place_order, a_limit("BUY", "0.01", "99000.10"))[0] == -4014
    assert code_of(exchange.place_order, a_limit("BUY", "0.011", "99000"))[0] == -4023
    assert exchange.exchange_info["symbols"][0]["filters"][0]["tickSize"] == "1"


@settings(max_examples=300, deadline=None)
@given(ticks=st.integers(990_000, 1_010_000), steps=st.integers(2, 90), drop=st.integers(0, 3))
def test_every_price_and_quantity_on_the_lattice_is_accepted(ticks, steps, drop):
    exchange = an_exchange(balance=RICH)
    price = str(ticks * Decimal("0.1")) + "0" * drop
    assert exchange.place_order(a_limit("BUY", str(steps * Decimal("0.001")), price)).order_id


def test_absent_filters_switch_their_limits_off():
    entry = an_entry() | {"filters": []}
    rules = parse_instrument(entry)
    assert (rules.tick_size, rules.max_quantity, rules.min_notional) == (0, 0, 0)


def test_brackets_are_read_from_numbers_and_from_text():
    row = {
        "bracket": "1",
        "initialLeverage": "50",
        "notionalCap": "5000",
        "notionalFloor": "0",
        "maintMarginRatio": 0.015,
        "cum": "0.0",
    }
    (bracket,) = parse_brackets([row])
    assert (bracket.initial_leverage, bracket.maintenance_ratio) == (50, d("0.015"))


def test_the_built_in_brackets_meet_without_a_jump_of_the_maintenance_margin():
    for low, high in pairwise(DEFAULT_BRACKETS):
        assert low.notional_cap == high.notional_floor
        edge = low.notional_cap
        assert maintenance_margin(DEFAULT_BRACKETS, edge) == edge * high.maintenance_ratio - high.cumulative
    assert bracket_of(DEFAULT_BRACKETS, d("1e12")) is DEFAULT_BRACKETS[-1]
    assert largest_notional(DEFAULT_BRACKETS, 125) == 300_000
    assert largest_notional(DEFAULT_BRACKETS, 126) == 0
