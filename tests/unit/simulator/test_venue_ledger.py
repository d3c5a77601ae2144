"""The canonical ledger, and the identities its rows must fulfil after anything that can happen."""

import json
from contextlib import suppress
from decimal import Decimal

from hypothesis import given, settings
from hypothesis import strategies as st

from simulator.venue.decimals import ceil_to, floor_to, plain, round8
from simulator.venue.errors import VenueError
from simulator.venue.model import MarginType, OrderEvent
from tests.unit.simulator.venue_builders import (
    BTC,
    ETH,
    START_MS,
    ATick,
    a_limit,
    a_market,
    a_stop,
    a_tick,
    an_entry,
    an_exchange,
    d,
    wallet,
)

HOUR_MS = 3_600_000


def test_the_ledger_of_a_round_trip_is_written_as_the_contract_says():
    exchange = an_exchange()
    exchange.transfer("USDT", d("-100"))
    exchange.place_order(a_limit("BUY", "0.002", "100000.10", client_order_id="in"))
    exchange.advance(START_MS + 8 * HOUR_MS + 20)
    exchange.place_algo(a_stop("SELL", "99000", client_algo_id="out"))
    exchange.on_tick(a_tick("99000", at=8 * HOUR_MS + 30))
    ledger = exchange.ledger()
    assert ledger["schema"] == "act-ledger/1"
    assert ledger["opening"] == [{"asset": "USDT", "balance": "10000"}]
    assert [row["client_order_id"] for row in ledger["orders"]] == ["in", "out"]
    assert ledger["orders"][1] | {"order_id": 0, "algo_id": 0} == {
        "symbol": BTC,
        "order_id": 0,
        "client_order_id": "out",
        "algo_id": 0,
        "side": "SELL",
        "position_side": "BOTH",
        "type": "MARKET",
        "time_in_force": "GTC",
        "quantity": "0.002",
        "price": "0",
        "reduce_only": True,
        "close_position": True,
        "status": "FILLED",
        "executed_quantity": "0.002",
        "executed_quote": "198",
    }
    assert ledger["algo_orders"][0]["quantity"] == "0"
    assert ledger["algo_orders"][0]["actual_order_id"] == ledger["orders"][1]["order_id"]
    assert [row["commission"] for row in ledger["fills"]] == ["0.1000001", "0.099"]
    assert ledger["fills"][1]["realized_pnl"] == "-2.0002"
    assert ledger["funding"] == [
        {"symbol": BTC, "kind": "FUNDING_FEE", "time_ms": START_MS + 8 * HOUR_MS, "asset": "USDT", "amount": "-0.02"}
    ]
    assert ledger["transfers"] == [
        {"kind": "TRANSFER", "time_ms": START_MS, "symbol": "", "asset": "USDT", "amount": "-100"}
    ]
    assert ledger["positions"] == []
    assert ledger["totals"] == [
        {
            "asset": "USDT",
            "realized_pnl": "-2.0002",
            "commission": "0.1990001",
            "funding": "-0.02",
            "transfers": "-100",
        }
    ]
    assert ledger["wallets"] == [{"asset": "USDT", "balance": "9897.7807999"}]


def test_an_untouched_account_has_every_list_and_no_row():
    ledger = an_exchange().ledger()
    assert set(ledger) == {
        "schema", "from_ms", "opening", "orders", "algo_orders", "fills", "funding", "transfers", "positions",
        "totals", "wallets",
    }  # fmt: skip
    assert [name for name, rows in ledger.items() if rows] == ["schema", "opening", "wallets"]


def test_zero_wallets_are_left_out():
    exchange = an_exchange(balance="0")
    assert exchange.ledger()["opening"] == exchange.ledger()["wallets"] == []


def test_decimals_are_plain():
    for value, text in {
        "0": "0",
        "-0": "0",
        "0E-8": "0",
        "-0.000": "0",
        "1E+3": "1000",
        "1E-8": "0.00000001",
        "100": "100",
        "-12.500": "-12.5",
    }.items():
        assert plain(Decimal(value)) == text


def test_halves_round_away_from_zero():
    assert round8(d("0.000000005")) == d("0.00000001")
    assert round8(d("-0.000000005")) == d("-0.00000001")
    assert (floor_to(d("-1.5"), d("1")), ceil_to(d("-1.5"), d("1"))) == (-2, -1)


PRICES = st.integers(985_000, 1_015_000).map(lambda ticks: str(ticks * Decimal("0.1")))
QUANTITIES = st.integers(2, 60).map(lambda steps: str(steps * Decimal("0.001")))
SIDES = st.sampled_from(["BUY", "SELL"])
SYMBOLS = st.sampled_from([BTC, ETH])

market_orders = st.builds(
    lambda side, quantity, symbol, reduce: ("place", a_market(side, quantity, symbol=symbol, reduce_only=reduce)),
    SIDES, QUANTITIES, SYMBOLS, st.booleans(),
)  # fmt: skip
limit_orders = st.builds(
    lambda side, quantity, price, symbol, tif: ("place", a_limit(side, quantity, price, symbol=symbol, tif=tif)),
    SIDES, QUANTITIES, PRICES, SYMBOLS, st.sampled_from(["GTC", "IOC", "FOK", "GTX"]),
)  # fmt: skip
reducing = st.builds(
    lambda side, quantity, price, symbol: ("place", a_limit(side, quantity, price, symbol=symbol, reduce_only=True)),
    SIDES, QUANTITIES, PRICES, SYMBOLS,
)  # fmt: skip
stops = st.builds(
    lambda side, price, kind, symbol: ("algo", a_stop(side, price, kind=kind, symbol=symbol)),
    SIDES, PRICES, st.sampled_from(["STOP_MARKET", "TAKE_PROFIT_MARKET"]), SYMBOLS,
)  # fmt: skip
ticks = st.builds(lambda price, quantity, symbol: ("tick", price, quantity, symbol), PRICES, QUANTITIES, SYMBOLS)
others = st.sampled_from(
    [("cancel",), ("time",), ("transfer", "25.5"), ("transfer", "-13.25"), ("crash",), ("leverage",), ("liquidate",)]
)
STEPS = st.lists(st.one_of(market_orders, limit_orders, reducing, stops, ticks, ticks, others), max_size=40)


def play(exchange, steps):
    for index, step in enumerate(steps):
        with suppress(VenueError):
            act(exchange, step, START_MS + index * 1_000)


def act(exchange, step, at_ms):
    match step:
        case ("place", request):
            exchange.place_order(request)
        case ("algo", request):
            exchange.place_algo(request)
        case ("tick", price, quantity, symbol):
            exchange.on_tick(ATick(symbol, at_ms, d(price), d(quantity), buyer_is_maker=True))
        case ("cancel",):
            exchange.cancel_all(BTC)
        case ("time",):
            exchange.advance(exchange.now_ms + 8 * HOUR_MS)
        case ("transfer", amount):
            exchange.transfer("USDT", d(amount))
        case ("crash",):
            exchange.on_tick(ATick(BTC, at_ms, d("97000"), d("1"), buyer_is_maker=True))
        case ("leverage",):
            exchange.set_leverage(BTC, 7)
        case ("liquidate",):
            exchange.liquidate(ETH)


def an_account(*, isolated):
    exchange = an_exchange(an_entry(), an_entry(ETH), balance="3000")
    if isolated:
        exchange.set_margin_type(BTC, MarginType.ISOLATED)
    return exchange


@settings(max_examples=300, deadline=None)
@given(steps=STEPS, isolated=st.booleans())
def test_wallet_is_opening_plus_realized_minus_commission_plus_funding_plus_transfers(steps, isolated):
    exchange = an_account(isolated=isolated)
    play(exchange, steps)
    ledger = exchange.ledger()
    assert json.loads(json.dumps(ledger)) == ledger
    (shown,) = ledger["wallets"] or [{"balance": "0"}]
    assert Decimal(shown["balance"]) == wallet(exchange)
    assert wallet(exchange) == 3000 + sum((row.amount for row in exchange.income(limit=10_000)), Decimal(0))


@settings(max_examples=300, deadline=None)
@given(steps=STEPS, isolated=st.booleans())
def test_positions_and_orders_are_the_sums_of_their_fills(steps, isolated):
    exchange = an_account(isolated=isolated)
    play(exchange, steps)
    for symbol in (BTC, ETH):
        fills = exchange.user_trades(symbol, limit=10_000)
        quantity, cost = replay(fills)
        row = next((row for row in exchange.positions(symbol)), None)
        assert (row.quantity if row else 0) == quantity
        if quantity:
            assert row.entry_price == round8(cost / abs(quantity))
        for order in exchange.all_orders(symbol, limit=10_000):
            own = [trade for trade in fills if trade.order_id == order.order_id]
            assert order.executed_quantity == sum((trade.quantity for trade in own), Decimal(0))
            assert order.executed_quote == sum((trade.quote for trade in own), Decimal(0))


def replay(fills):
    """Recompute position and realized PnL by R2 and R3, from the fills alone."""
    quantity, cost = Decimal(0), Decimal(0)
    for trade in fills:
        signed = trade.quantity if trade.side == "BUY" else -trade.quantity
        realized = Decimal(0)
        if quantity and (quantity > 0) != (signed > 0):
            side = 1 if quantity > 0 else -1
            closed = min(abs(quantity), abs(signed))
            released = cost if closed == abs(quantity) else round8(cost * closed / abs(quantity))
            realized = round8(side * (trade.price * closed - released))
            cost -= released
            quantity -= side * closed
            signed += side * closed
        quantity += signed
        cost += trade.price * abs(signed)
        assert trade.realized_pnl == realized
    return quantity, cost


@settings(max_examples=300, deadline=None)
@given(steps=STEPS, isolated=st.booleans())
def test_every_event_tells_what_the_venue_then_holds(steps, isolated):
    exchange = an_account(isolated=isolated)
    play(exchange, steps)
    latest = {event.order.order_id: event.order for event in exchange.drain_events() if isinstance(event, OrderEvent)}
    for order in exchange.all_orders(limit=10_000):
        assert latest[order.order_id] == order
    for order in exchange.open_orders():
        assert order.is_open
        assert order.remaining > 0
    for position in exchange.positions():
        reducing_left = sum((o.remaining for o in exchange.open_orders(position.symbol) if o.reduce_only), Decimal(0))
        assert reducing_left <= abs(position.quantity)
