"""Between its wake prices nothing happens to a symbol; at them, or beyond, something may."""

from decimal import Decimal
from random import Random

import pytest

from simulator.venue.costs import CandleCosts, Tier
from simulator.venue.errors import VenueError
from simulator.venue.latency import ConstantLatency
from simulator.venue.model import AlgoRequest, MarginType, OrderType, Side, WorkingType
from tests.unit.simulator.candle_run import ARun, a_long
from tests.unit.simulator.venue_builders import BTC, a_limit, a_market, a_stop, d, position

TICK = Decimal("0.1")


def an_isolated(side="BUY", leverage=20, quantity="0.010", **options):
    run = ARun(**options)
    run.exchange.set_margin_type(BTC, MarginType.ISOLATED)
    run.exchange.set_leverage(BTC, leverage)
    run.candle("100000", "100000", "100000", "100000")
    run.exchange.place_order(a_market(side, quantity))
    run.open("100000")
    run.finish("100000", "100000", "100000")
    return run


def test_an_idle_symbol_sleeps_at_every_price():
    run = ARun()
    run.candle("100000", "100000", "100000", "100000")
    low, high = run.exchange.wake_prices(BTC)
    assert low == 0
    assert high > d("1e12")


def test_orders_stops_and_liquidation_bound_the_sleep():
    run = an_isolated()
    assert run.exchange.wake_prices(BTC)[0] == d("95381.7")  # (1,000 - 50) / (0.010 x 0.996) = 95,381.53
    run.exchange.place_order(a_limit("BUY", "0.010", "98000"))
    run.open("100000")
    run.finish("100000", "100000", "100000")
    assert run.exchange.wake_prices(BTC)[0] == d("98000")
    run.exchange.place_algo(a_stop("SELL", "99000"))
    run.exchange.place_algo(a_stop("SELL", "101000", kind="TAKE_PROFIT_MARKET"))
    assert run.exchange.wake_prices(BTC) == (d("99000"), d("101000"))


@pytest.mark.parametrize("side", ["BUY", "SELL"])
@pytest.mark.parametrize("leverage", [3, 20, 100])
def test_a_tick_inside_the_bound_the_position_lives_and_two_beyond_it_is_liquidated(side, leverage):
    for inside in (True, False):
        run = an_isolated(side, leverage)
        low, high = run.exchange.wake_prices(BTC)
        if side == "BUY":
            low += TICK if inside else -2 * TICK
            high = d("100000")
        else:
            low, high = d("100000"), high + (-TICK if inside else 2 * TICK)
        run.open("100000")
        run.finish(str(high), str(low), "100000")
        assert (position(run.exchange) != 0) is inside


def is_safe(exchange, price):
    """Judge the one isolated position at a mark price, by the table alone."""
    (held,) = exchange.positions(BTC)
    notional = abs(held.quantity) * price
    row = next(row for row in exchange.leverage_brackets(BTC)[BTC] if notional <= row.notional_cap)
    balance = held.isolated_wallet + held.quantity * (price - held.entry_price)
    return balance > notional * row.maintenance_ratio - row.cumulative


@pytest.mark.parametrize("side", ["BUY", "SELL"])
@pytest.mark.parametrize("leverage", [2, 20, 75])
@pytest.mark.parametrize("quantity", ["0.010", "2.900", "3.100"])
def test_the_bound_lies_one_to_two_ticks_before_the_first_price_that_liquidates(side, leverage, quantity):
    run = an_isolated(side, leverage, quantity, balance="1000000")
    low, high = run.exchange.wake_prices(BTC)
    away = -TICK if side == "BUY" else TICK
    bound = low if side == "BUY" else high
    assert is_safe(run.exchange, bound)
    assert not is_safe(run.exchange, bound + 2 * away)


def test_an_order_on_its_way_and_a_crossed_position_always_wake():
    run = ARun(latency=ConstantLatency(90_000))
    run.candle("100000", "100000", "100000", "100000")
    run.exchange.place_order(a_market("BUY", "0.010"))
    low, high = run.exchange.wake_prices(BTC)
    assert low > high
    run = a_long()
    run.finish("100100", "99900", "100000")
    low, high = run.exchange.wake_prices(BTC)
    assert low > high


def test_a_trailing_stop_wakes_at_its_level_and_at_a_better_price():
    run = an_isolated()
    run.exchange.place_algo(a_trail(Side.SELL, "1"))
    assert run.exchange.wake_prices(BTC) == (d("99000"), d("100000"))
    run.candle("100000", "102000", "101500", "101500")
    assert run.exchange.wake_prices(BTC) == (d("100980"), d("102000"))


def a_trail(side, callback, activate="0", working_type=WorkingType.CONTRACT_PRICE):
    return AlgoRequest(
        symbol=BTC,
        side=side,
        type=OrderType.TRAILING_STOP_MARKET,
        quantity=d("0.010"),
        activate_price=d(activate),
        callback_rate=d(callback),
        reduce_only=True,
        working_type=working_type,
    )


# the law, on random books


def a_price(chance, spread_ticks=20_000):
    return d("100000") + TICK * chance.randint(-spread_ticks, spread_ticks)


def a_random_run(chance):
    costs = CandleCosts(
        tiers=(Tier(d("0"), d("2"), d("1")),) if chance.random() < 0.5 else (),
        touch_share=d(chance.choice(["0", "0.5"])),
    )
    run = ARun(balance="1000000", costs=costs, latency=ConstantLatency(chance.choice([0, 0, 500, 70_000])))
    run.exchange.set_leverage(BTC, chance.choice([2, 20, 75, 125]))
    if chance.random() < 0.8:
        run.exchange.set_margin_type(BTC, MarginType.ISOLATED)
    run.candle("100000", "100000", "100000", "100000")
    if chance.random() < 0.8:
        run.exchange.place_order(a_market(chance.choice(["BUY", "SELL"]), chance.choice(["0.010", "1.000", "2.900"])))
    for _ in range(chance.randint(0, 4)):
        something(chance, run)
    run.open("100000")
    for _ in range(chance.randint(0, 2)):
        something(chance, run)
    run.finish("100100", "99900", "100000", volume=str(chance.choice([0, 1, 100])))
    return run


def something(chance, run):
    side = chance.choice(["BUY", "SELL"])
    price = str(a_price(chance, 3_000))
    kind = chance.choice(["LIMIT", "STOP_MARKET", "TAKE_PROFIT_MARKET", "STOP", "TRAIL"])
    try:
        if kind == "LIMIT":
            run.exchange.place_order(a_limit(side, "0.500", price, reduce_only=chance.random() < 0.3))
        elif kind == "TRAIL":
            working = chance.choice([WorkingType.CONTRACT_PRICE, WorkingType.MARK_PRICE])
            run.exchange.place_algo(a_trail(Side(side), "0.5", chance.choice(["0", price]), working))
        elif kind == "STOP":
            run.exchange.place_algo(a_stop(side, price, kind="STOP", quantity="0.010", price=price))
        else:
            working = chance.choice([WorkingType.CONTRACT_PRICE, WorkingType.MARK_PRICE])
            run.exchange.place_algo(a_stop(side, price, kind=kind, working_type=working))
    except VenueError:
        return


def everything_but_the_price(run):
    exchange = run.exchange
    return (
        exchange.ledger(),
        exchange.open_orders(),
        exchange.open_algos(),
        exchange.wake_prices(BTC),
        [(row.quantity, row.entry_price, row.isolated_wallet) for row in exchange.positions()],
        [row.wallet_balance for row in exchange.balances()],
    )


def a_candle_between(chance, low, high):
    """Four random prices, ticks strictly between the bounds, often right beside them."""
    least = max(low, d("90000")) // TICK + 1
    most = -(-min(high, d("110000")) // TICK) - 1
    if least > most:
        return None
    ticks = [chance.choice([int(least), int(most), chance.randint(int(least), int(most))]) for _ in range(4)]
    open_price, close, *others = (TICK * tick for tick in ticks)
    return open_price, max(open_price, close, *others), min(open_price, close, *others), close


@pytest.mark.parametrize("seed", range(300))
def test_a_candle_strictly_between_the_wake_prices_changes_nothing_but_the_last_price(seed):
    chance = Random(seed)
    run = a_random_run(chance)
    for _ in range(5):
        prices = a_candle_between(chance, *run.exchange.wake_prices(BTC))
        if prices is None:
            return
        before = everything_but_the_price(run)
        run.exchange.drain_events()
        run.candle(*(str(price) for price in prices), volume=str(chance.choice([0, 5])))
        assert run.exchange.drain_events() == []
        assert everything_but_the_price(run) == before
        assert run.exchange.market(BTC).last == prices[3]
