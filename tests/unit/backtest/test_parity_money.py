"""The difference in profit of two round trips, split so that nothing is lost on the way."""

from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from backtest.parity.causes import Cause
from backtest.parity.money import Parts, split
from bot.domain.money import round_half_away
from support.parity_rows import D, Story

PRICES = st.decimals("0.01", "90000", places=2)
QUANTITIES = st.decimals("0.001", "900", places=3)
SMALL = st.decimals("-50", "50", places=8)


def a_trip(side, entry, leave, quantities, fees="0", funding="0", trigger="0"):
    """Make a round trip of as many fills as there are quantities, with the profit a ledger would book."""
    story = Story()
    opening, closing = ("BUY", "SELL") if side == "LONG" else ("SELL", "BUY")
    for number, quantity in enumerate(quantities):
        story.stop(10, "0", str(entry + number), side=opening, quantity=str(quantity), second=number)
    whole = sum(quantities)
    story.stop(20, trigger, str(leave), side=closing, quantity=str(whole))
    cost = sum(quantity * (entry + number) for number, quantity in enumerate(quantities))
    gross = (whole * leave - cost) * (1 if side == "LONG" else -1)
    pnl = round_half_away(gross) - D(fees) + D(funding)
    story.trip(None, str(pnl), reason="stop", side=side, fees=str(fees), funding=str(funding))
    (trip,) = story.record().trips["BTCUSDT"]
    return trip


@given(
    side=st.sampled_from(["LONG", "SHORT"]),
    prices=st.tuples(PRICES, PRICES, PRICES, PRICES),
    ours=st.lists(QUANTITIES, min_size=1, max_size=3),
    theirs=st.lists(QUANTITIES, min_size=1, max_size=3),
    money=st.tuples(SMALL, SMALL, SMALL, SMALL),
    triggers=st.tuples(PRICES, PRICES),
    edge=st.sampled_from([None, Cause.EXECUTION, Cause.EDGE]),
)
def test_the_parts_add_up_to_the_last_digit(side, prices, ours, theirs, money, triggers, edge):
    one = a_trip(side, prices[0], prices[1], ours, money[0], money[1], str(triggers[0]))
    two = a_trip(side, prices[2], prices[3], theirs, money[2], money[3], str(triggers[1]))
    parts = split(one, two, entry=Cause.SLIPPAGE, edge=edge, leave=Cause.SLIPPAGE)
    assert parts.total == two.pnl - one.pnl


def test_each_part_goes_where_it_belongs():
    ours = a_trip("SHORT", D(100), D(90), [D(2)], "0.10", "0.01")
    theirs = a_trip("SHORT", D(99), D(91), [D(2)], "0.15", "-0.02")
    parts = split(ours, theirs, entry=Cause.EXECUTION, edge=None, leave=Cause.SLIPPAGE)
    assert parts.amounts == {
        Cause.EXECUTION: D(-2),
        Cause.SLIPPAGE: D(-2),
        Cause.FEE: D("-0.05"),
        Cause.FUNDING: D("-0.03"),
    }


def test_a_larger_position_is_execution_and_the_common_part_keeps_its_causes():
    ours = a_trip("LONG", D(100), D(110), [D(1)])
    theirs = a_trip("LONG", D(101), D(110), [D(3)])
    parts = split(ours, theirs, entry=Cause.SLIPPAGE, edge=None, leave=Cause.SLIPPAGE)
    assert parts.amounts == {Cause.SLIPPAGE: D(-1), Cause.EXECUTION: D(18)}


def test_an_exit_decided_elsewhere_is_told_from_how_it_filled():
    ours = a_trip("LONG", D(100), D(95), [D(1)], trigger="95")
    theirs = a_trip("LONG", D(100), D(93), [D(1)], trigger="94")
    parts = split(ours, theirs, entry=Cause.SLIPPAGE, edge=Cause.EXECUTION, leave=Cause.EXECUTION)
    assert parts.amounts == {Cause.EXECUTION: D(-1), Cause.SLIPPAGE: D(-1)}


def test_amounts_that_cancel_out_are_not_shown():
    parts = Parts()
    parts.add(Cause.FEE, Decimal(1))
    parts.add(Cause.FEE, Decimal(-1))
    assert parts.amounts == {}
