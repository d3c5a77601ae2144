"""Roundings and filters, against a second opinion in whole numbers."""

from decimal import Decimal
from fractions import Fraction
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as some

from bot.domain.instrument import Instrument
from bot.domain.money import EIGHT_PLACES
from bot.domain.order import Side
from simulator.venue import filters
from simulator.venue.errors import VenueError
from simulator.venue.instrument import Instrument as VenueInstrument
from simulator.venue.instrument import parse_instrument

TRIPLES = 100_000
PRICES = (
    ("0.10", "556.80", "4529764", 64_210),
    ("0.01", "39.86", "306177", 3_400),
    ("0.0001", "0.0141", "1000", "2.3"),
    ("0.00001", "0.00242", "1000", "0.21"),
    ("0.000001", "0.000261", "200", "0.0124"),
    ("0.0000001", "0.0000001", "2", "0.0000127"),
    ("1", "1", "1000000", 98_765),
    ("0.05", "0.02", "1000000", 777),
)
LOTS = (
    ("0.001", "0.001", "1000"),
    ("1", "1", "10000000"),
    ("10", "10", "90000000"),
    ("0.0000001", "0.0000001", "5000"),
    ("0.01", "0.01", "100000"),
    ("0.1", "0.1", "5000000"),
    ("0.002", "0.001", "100000"),
)


def an_instrument(**changes) -> Instrument:
    limits = {
        "tick_size": "0.10",
        "min_price": "556.80",
        "max_price": "4529764",
        "step_size": "0.001",
        "min_quantity": "0.001",
        "max_quantity": "1000",
        "market_step_size": "0.001",
        "market_min_quantity": "0.001",
        "market_max_quantity": "120",
        "min_notional": "100",
        "percent_up": "1.05",
        "percent_down": "0.95",
        **changes,
    }
    names = {"symbol": "BTCUSDT", "status": "TRADING", "base_asset": "BTC", "quote_asset": "USDT"}
    return Instrument(
        **names, margin_asset="USDT", max_orders=200, **{key: Decimal(text) for key, text in limits.items()}
    )


def complaints(instrument: Instrument, quantity: Decimal, price: Decimal, *, market: bool = False) -> list[str]:
    """The exchange's published rules, word for word, on exact fractions."""
    amount, at = Fraction(quantity), Fraction(price)
    least = Fraction(instrument.market_min_quantity if market else instrument.min_quantity)
    most = Fraction(instrument.market_max_quantity if market else instrument.max_quantity)
    step = Fraction(instrument.market_step_size if market else instrument.step_size)
    found = []
    if amount <= 0 or amount < least or (most and amount > most) or (step and (amount - least) % step):
        found.append("MARKET_LOT_SIZE" if market else "LOT_SIZE")
    low, high = Fraction(instrument.min_price), Fraction(instrument.max_price)
    tick = Fraction(instrument.tick_size)
    if not market and (at <= 0 or at < low or (high and at > high) or (tick and (at - low) % tick)):
        found.append("PRICE_FILTER")
    if amount * at < Fraction(instrument.min_notional):
        found.append("MIN_NOTIONAL")
    return found


def a_triple(dice: Random) -> tuple[Instrument, Decimal, Decimal]:
    tick, lowest, highest, around = dice.choice(PRICES)
    step, least, most = dice.choice(LOTS)
    instrument = an_instrument(
        tick_size=tick,
        min_price=lowest,
        max_price=highest,
        step_size=step,
        min_quantity=least,
        max_quantity=most,
        market_step_size=step,
        market_min_quantity=least,
        market_max_quantity=most,
        min_notional=dice.choice(("5", "20", "100")),
    )
    price = Decimal(around) * dice.randrange(5_000, 20_000) / 10_000 + Decimal(dice.randrange(10**6)).scaleb(-9)
    notional = Decimal(dice.randrange(5_00, 2_000_00)).scaleb(-2)
    return instrument, price, notional


def test_what_rounding_yields_is_accepted_by_the_published_rules_and_never_over_size():
    dice = Random(20251120)
    accepted = 0
    while accepted < TRIPLES:
        instrument, price, notional = a_triple(dice)
        limit = instrument.floor_price(price) if dice.random() < 0.5 else instrument.ceil_price(price)
        quantity = instrument.floor_quantity_worth(notional, limit)
        assert quantity * limit <= notional
        assert not quantity or (quantity + instrument.step_size) * limit > notional
        refusal = instrument.refusal(quantity, limit)
        published = complaints(instrument, quantity, limit)
        assert (refusal.filter if refusal else None) == (published[0] if published else None)
        accepted += refusal is None


def the_venues(instrument: Instrument) -> VenueInstrument:
    """The same contract as the simulated exchange reads it from its own exchangeInfo."""
    lot = {
        "minQty": str(instrument.min_quantity),
        "maxQty": str(instrument.max_quantity),
        "stepSize": str(instrument.step_size),
    }
    price = {
        "minPrice": str(instrument.min_price),
        "maxPrice": str(instrument.max_price),
        "tickSize": str(instrument.tick_size),
    }
    return parse_instrument(
        {
            "symbol": instrument.symbol,
            "status": "TRADING",
            "baseAsset": "BTC",
            "quoteAsset": "USDT",
            "marginAsset": "USDT",
            "pricePrecision": 8,
            "quantityPrecision": 8,
            "marketTakeBound": "0.05",
            "liquidationFee": "0.01",
            "filters": [
                {"filterType": "PRICE_FILTER", **price},
                {"filterType": "LOT_SIZE", **lot},
                {"filterType": "MARKET_LOT_SIZE", **lot},
                {"filterType": "MIN_NOTIONAL", "notional": str(instrument.min_notional)},
                {"filterType": "PERCENT_PRICE", "multiplierUp": "1.05", "multiplierDown": "0.95"},
            ],
        }
    )


def the_venue_refuses(venue: VenueInstrument, side: Side, quantity: Decimal, price: Decimal, mark: Decimal) -> bool:
    try:
        filters.check_quantity(venue, quantity, market=False)
        filters.check_price(venue, price)
        filters.check_percent_price(venue, filters.Side(side.value), price, mark)
        filters.check_notional(venue, price, quantity)
    except VenueError:
        return True
    return False


def test_the_simulated_exchange_accepts_and_refuses_the_same_orders():
    dice = Random(8)
    refused = 0
    for _ in range(3_000):
        instrument, price, notional = a_triple(dice)
        quantity = instrument.floor_quantity_worth(notional, price)
        if dice.random() < 0.3:
            quantity += instrument.step_size / dice.choice((1, 2, 3))
        limit = instrument.floor_price(price) if dice.random() < 0.8 else price
        side = dice.choice((Side.BUY, Side.SELL))
        mark = price * dice.randrange(90, 111) / 100
        ours = instrument.refusal(quantity, limit, side=side, mark=mark) is not None
        assert ours == the_venue_refuses(the_venues(instrument), side, quantity, limit, mark)
        refused += ours
    assert 500 < refused < 2_500


@given(
    quantity=some.decimals(min_value="0", max_value="5000", places=8),
    step=some.sampled_from(["0.001", "1", "10", "0.0000001", "0.01", "0.25"]),
)
def test_floor_quantity_is_the_largest_multiple_that_is_not_larger(quantity, step):
    instrument = an_instrument(step_size=step, min_quantity=step)
    floored = instrument.floor_quantity(quantity)
    assert floored <= quantity < floored + Decimal(step)
    assert Fraction(floored) % Fraction(step) == 0
    assert instrument.floor_quantity(floored) == floored


@given(
    price=some.decimals(min_value="0.01", max_value="100000", places=8),
    tick=some.sampled_from(["0.1", "0.01", "0.5", "0.00001", "1"]),
)
def test_floor_and_ceil_enclose_the_price_by_less_than_a_tick(price, tick):
    instrument = an_instrument(tick_size=tick, min_price="0")
    low, high = instrument.floor_price(price), instrument.ceil_price(price)
    assert low <= price <= high
    assert high - low in {Decimal(0), Decimal(tick)}


@pytest.mark.parametrize("text", ["0.29", "0.57", "1.13", "0.07"])
def test_sizes_that_floats_get_wrong_stay_whole(text):
    assert an_instrument(step_size="0.01", min_quantity="0.01").floor_quantity(Decimal(text)) == Decimal(text)


def test_a_quotient_that_rounds_up_at_28_digits_is_not_bought():
    instrument = an_instrument(step_size="1", min_quantity="1")
    price = Decimal("3.000000000000000000000000001")
    assert instrument.floor_quantity_worth(Decimal(9), price) == 2


def test_nothing_is_bought_for_nothing():
    assert an_instrument().floor_quantity_worth(Decimal(0), Decimal(100)) == 0
    assert an_instrument().floor_quantity_worth(Decimal(100), Decimal(0)) == 0


def test_a_grid_that_starts_off_the_step_is_kept():
    instrument = an_instrument(step_size="0.002", min_quantity="0.001", tick_size="0.05", min_price="0.02")
    assert instrument.floor_quantity(Decimal("0.0048")) == Decimal("0.003")
    assert instrument.floor_quantity(Decimal("0.0005")) == 0
    assert instrument.floor_quantity_worth(Decimal(10), Decimal(2_500)) == Decimal("0.003")
    assert instrument.floor_quantity_worth(Decimal(1), Decimal(2_500)) == 0
    assert instrument.floor_price(Decimal("7.06")) == Decimal("7.02")
    assert instrument.ceil_price(Decimal("7.06")) == Decimal("7.07")


def test_without_step_and_tick_the_eighth_decimal_is_the_grid():
    instrument = an_instrument(step_size="0", tick_size="0", market_step_size="0", min_quantity="0", min_price="0")
    assert instrument.step() == instrument.step(market=True) == instrument.tick == EIGHT_PLACES
    assert instrument.floor_quantity(Decimal("0.123456789")) == Decimal("0.12345678")


def test_a_price_is_rounded_to_the_side_of_its_target():
    instrument = an_instrument()
    assert instrument.price_towards(Decimal("100.04"), Decimal(200)) == Decimal("100.1")
    assert instrument.price_towards(Decimal("100.06"), Decimal(50)) == Decimal("100.0")


def test_a_stop_lies_a_percent_away_rounded_towards_the_entry():
    instrument = an_instrument()
    entry = Decimal("64210.7")
    assert instrument.stop_price(Side.BUY, entry, Decimal(1)) == Decimal("63568.6")
    assert instrument.stop_price(Side.SELL, entry, Decimal(1)) == Decimal("64852.8")


@pytest.mark.parametrize(("side", "stop"), [(Side.BUY, "0.0004"), (Side.SELL, "0.0006")])
def test_a_stop_is_never_closer_than_a_tick(side, stop):
    instrument = an_instrument(tick_size="0.0001", min_price="0.0001")
    assert instrument.stop_price(side, Decimal("0.0005"), Decimal(1)) == Decimal(stop)


@pytest.mark.parametrize(
    ("quantity", "price", "market", "filter_name"),
    [
        ("0.0005", "64210", False, "LOT_SIZE"),
        ("0", "64210", False, "LOT_SIZE"),
        ("1000.001", "64210", False, "LOT_SIZE"),
        ("0.0105", "64210", False, "LOT_SIZE"),
        ("120.001", "64210", True, "MARKET_LOT_SIZE"),
        ("0.01", "64210.05", False, "PRICE_FILTER"),
        ("1", "556.7", False, "PRICE_FILTER"),
        ("0.01", "4529764.1", False, "PRICE_FILTER"),
        ("0.001", "64210", False, "MIN_NOTIONAL"),
    ],
)
def test_a_broken_filter_is_named(quantity, price, market, filter_name):
    refusal = an_instrument().refusal(Decimal(quantity), Decimal(price), market=market)
    assert refusal is not None
    assert refusal.filter == filter_name
    assert refusal.message.startswith(f"{filter_name}: ")
    assert complaints(an_instrument(), Decimal(quantity), Decimal(price), market=market)[0] == filter_name


def test_the_error_says_what_why_and_what_to_do():
    refusal = an_instrument().refusal(Decimal("0.001"), Decimal(64210))
    assert refusal.message == (
        "MIN_NOTIONAL: 0.001 BTCUSDT @ 64,210 = 64.21 USDT < 100. Raise the notional or drop BTCUSDT."
    )


def test_market_orders_have_a_lot_size_of_their_own_and_no_price():
    instrument = an_instrument(market_step_size="0.01", market_min_quantity="0.01")
    assert instrument.refusal(Decimal("0.015"), Decimal("64210.05")).filter == "PRICE_FILTER"
    assert instrument.refusal(Decimal("0.015"), Decimal("64210.05"), market=True).filter == "MARKET_LOT_SIZE"
    assert instrument.refusal(Decimal("0.02"), Decimal("64210.05"), market=True) is None
    assert instrument.floor_quantity(Decimal("0.019"), market=True) == Decimal("0.01")


def test_reducing_orders_need_no_minimum_notional():
    assert an_instrument().refusal(Decimal("0.001"), Decimal(64210), reduce_only=True) is None


def test_percent_price_bounds_buys_above_and_sells_below_only():
    instrument = an_instrument()
    mark = Decimal(60_000)

    def answer(side: Side, price: str) -> str | None:
        refusal = instrument.refusal(Decimal("0.01"), Decimal(price), side=side, mark=mark)
        return refusal.filter if refusal else None

    assert answer(Side.BUY, "63000") is None
    assert answer(Side.BUY, "63000.1") == "PERCENT_PRICE"
    assert answer(Side.BUY, "30000") is None
    assert answer(Side.SELL, "57000") is None
    assert answer(Side.SELL, "56999.9") == "PERCENT_PRICE"
    assert answer(Side.SELL, "90000") is None


def test_a_symbol_takes_no_more_than_its_open_orders():
    assert an_instrument().refusal(Decimal("0.01"), Decimal(64210), open_orders=199) is None
    refusal = an_instrument().refusal(Decimal("0.01"), Decimal(64210), open_orders=200)
    assert refusal.message == "MAX_NUM_ORDERS: 200 open orders on BTCUSDT, 200 allowed. Cancel some."
