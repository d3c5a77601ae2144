"""Sizing: what a notional buys, and what can never work."""

from decimal import Decimal

import pytest

from bot.domain.instrument import Instrument
from bot.trading.limits import RiskLimits
from bot.trading.sizing import hopeless, size


def an_instrument(**changes: str) -> Instrument:
    limits = {
        "tick_size": "0.1",
        "min_price": "0.1",
        "max_price": "1000000",
        "step_size": "0.001",
        "min_quantity": "0.001",
        "max_quantity": "1000",
        "market_step_size": "0.01",
        "market_min_quantity": "0.01",
        "market_max_quantity": "120",
        "min_notional": "100",
        "percent_up": "1.05",
        "percent_down": "0.95",
        **changes,
    }
    exact = {key: Decimal(text) for key, text in limits.items()}
    names = {"base_asset": "BTC", "quote_asset": "USDT", "margin_asset": "USDT", "max_orders": 200}
    return Instrument(symbol="BTCUSDT", status="TRADING", **names, **exact)


def test_the_quantity_is_what_the_notional_buys_rounded_down():
    sizing = size(an_instrument(), Decimal(1_000), Decimal("64210.1"), market=False)
    assert sizing.quantity == Decimal("0.015")
    assert sizing.inputs() == {
        "notional": "1000",
        "price": "64210.1",
        "step_size": "0.001",
        "quantity": "0.015",
        "formula": "floor(notional / price, step_size)",
    }


def test_market_orders_are_sized_on_their_own_step():
    assert size(an_instrument(), Decimal(1_000), Decimal("64210.1"), market=True).quantity == Decimal("0.01")


def test_a_notional_below_one_step_buys_nothing():
    assert size(an_instrument(), Decimal(10), Decimal("64210.1"), market=False).quantity == 0


@pytest.mark.parametrize(
    ("notional", "equity", "complaint"),
    [
        ("1000", "10000", ""),
        ("99", "10000", "MARKET_LOT_SIZE: 0 BTCUSDT < 0.01."),
        ("10001", "1000000", ""),
        ("10000", "10000", "exceeds risk.max_symbol_share 0.25 of 10000 USDT equity"),
        ("20000", "1000000", "exceeds risk.max_symbol_notional 10000"),
    ],
)
def test_what_can_never_work_is_told_at_the_start(notional, equity, complaint):
    told = hopeless(an_instrument(), Decimal(notional), Decimal(50_000), Decimal(equity), RiskLimits())
    assert complaint in told
    assert bool(complaint) == bool(told)


def test_a_share_below_the_minimum_notional_is_told_at_the_start():
    instrument = an_instrument(market_step_size="0.001", market_min_quantity="0.001")
    told = hopeless(instrument, Decimal(99), Decimal(33_000), Decimal(10_000), RiskLimits())
    assert told.startswith("MIN_NOTIONAL: 0.003 BTCUSDT @ 33,000 = 99 USDT < 100.")
    assert "drop BTCUSDT" in told
