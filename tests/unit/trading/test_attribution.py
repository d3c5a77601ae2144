"""The parts of a round trip's PnL."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from bot.trading.attribution import Attribution, Execution, Expected, attribute, expected
from bot.trading.limits import Costs, LiquidityTier
from support.backtest_outcomes import a_trade


def test_a_long_that_bought_above_its_decision_and_sold_below_it_paid_slippage_twice():
    trade = a_trade(entry="100.2", exit="102.9", quantity="2", fees="0.3", funding="-0.1")
    parts = attribute(trade, Decimal(100), Decimal(103))
    assert parts == Attribution(edge=Decimal(6), slippage=Decimal("0.6"), fees=Decimal("0.3"), funding=Decimal("-0.1"))
    assert parts.pnl == trade.pnl == Decimal(5)


def test_a_short_that_sold_above_its_decision_gained_from_slippage():
    trade = a_trade(side="SHORT", entry="100.5", exit="98")
    assert attribute(trade, Decimal(100), Decimal(98)) == Attribution(edge=Decimal(2), slippage=Decimal("-0.5"))


@pytest.mark.parametrize("exit_decision", ["0", "101"])
def test_an_unknown_decision_price_shows_no_slippage_on_its_side(exit_decision):
    trade = a_trade(entry="100", exit="101")
    assert attribute(trade, Decimal(0), Decimal(exit_decision)).slippage == 0


def test_parts_add_up():
    one, two = attribute(a_trade(fees="1"), Decimal(99), Decimal(102)), attribute(a_trade(), Decimal(0), Decimal(0))
    assert one + two == Attribution(edge=Decimal(4), slippage=Decimal(2), fees=Decimal(1))
    assert (one + two).pnl == one.pnl + two.pnl


prices = st.decimals("0.00000001", "999999.99999999", places=8)


@given(prices, prices, prices, prices, st.decimals(-9, 9, places=8), st.sampled_from(["LONG", "SHORT"]))
def test_the_parts_are_the_pnl_to_the_last_digit(entry, leave, entry_decided, exit_decided, rounding, side):
    trade = a_trade(entry=entry, exit=leave, side=side, quantity="1234.567", fees="0.12345678", funding="-0.00000001")
    booked = replace(trade, pnl=trade.pnl + rounding)
    assert attribute(booked, entry_decided, exit_decided).pnl == booked.pnl


# what the model expected

TIERS = (
    LiquidityTier(Decimal(1_000), spread_bps=Decimal(2), slippage_bps=Decimal(3)),
    LiquidityTier(Decimal(0), spread_bps=Decimal(10), slippage_bps=Decimal(5)),
)
COSTS = Costs(maker_rate=Decimal("0.0002"), taker_rate=Decimal("0.0005"), tiers=TIERS)


def test_a_maker_is_expected_to_pay_its_fee_and_no_slippage():
    assert expected([Execution(Decimal(1_000), True, Decimal(0))], COSTS) == Expected(Decimal("0.2"), Decimal(0))


@pytest.mark.parametrize(
    ("volume", "slippage"), [("-1", "1"), ("0", "1"), ("999", "1"), ("1000", "0.4"), ("9999", "0.4")]
)
def test_a_taker_is_expected_to_pay_half_the_spread_and_slippage_of_its_liquidity(volume, slippage):
    fill = Execution(Decimal(1_000), False, Decimal(volume))
    assert expected([fill], COSTS) == Expected(Decimal("0.5"), Decimal(slippage))


def test_expectations_add_up_over_fills_and_without_tiers_there_is_no_slippage():
    fills = [Execution(Decimal(1_000), False, Decimal(0)), Execution(Decimal(2_000), True, Decimal(0))]
    assert expected(fills, COSTS) == Expected(Decimal("0.9"), Decimal(1))
    assert expected(fills, Costs(tiers=())).slippage == 0
    assert expected([], COSTS) == Expected()
