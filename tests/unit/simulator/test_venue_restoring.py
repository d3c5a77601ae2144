"""A venue takes an account over from its owner's books."""

import pytest

from simulator.venue.model import AlgoStatus, MarginType, OrderStatus
from simulator.venue.restoring import Restored
from tests.unit.simulator.venue_builders import (
    BTC,
    a_limit,
    a_market,
    a_stop,
    a_tick,
    an_exchange,
    d,
    position,
    told,
    wallet,
)


@pytest.fixture
def earlier():
    """An account with a position, a stop, and a limit order that is partly filled."""
    exchange = an_exchange()
    exchange.set_margin_type(BTC, MarginType.ISOLATED)
    exchange.set_leverage(BTC, 3)
    exchange.place_order(a_market("BUY", "0.010", client_order_id="entry"))
    exchange.place_algo(a_stop("SELL", "99000", client_algo_id="stop"))
    exchange.place_order(a_limit("BUY", "0.010", "99500", client_order_id="more"))
    exchange.on_tick(a_tick("99500", quantity="0.016", at=5))
    return exchange


def remembered(exchange, **changes):
    trades = exchange.user_trades(BTC)
    row = exchange._state.account.positions[BTC]
    values = {
        "wallets": {"USDT": wallet(exchange)},
        "positions": {BTC: (row.quantity, row.cost)} if row.quantity else {},
        "orders": tuple(exchange.all_orders(BTC)),
        "algos": tuple(exchange.all_algos(BTC)),
        "leverage": 3,
        "margin_type": MarginType.ISOLATED,
        "next_order_id": 1 + max(order.order_id for order in exchange.all_orders(BTC)),
        "next_trade_id": 1 + max(trade.trade_id for trade in trades),
        "next_algo_id": 1 + max((algo.algo_id for algo in exchange.all_algos(BTC)), default=0),
    } | changes
    return Restored(**values)


def restored(account):
    exchange = an_exchange(price=None)
    exchange.restore(account)
    return exchange


def test_wallet_position_orders_and_stops_are_as_remembered(earlier):
    exchange = restored(remembered(earlier))
    assert told(exchange) == []
    assert wallet(exchange) == wallet(earlier)
    assert position(exchange) == position(earlier) == d("0.014")
    assert [order.client_order_id for order in exchange.open_orders()] == ["more"]
    assert [algo.client_algo_id for algo in exchange.open_algos()] == ["stop"]
    assert exchange.positions(BTC)[0].entry_price == earlier.positions(BTC)[0].entry_price
    assert exchange.symbol_config(BTC)[0].leverage == 3


def test_what_rests_goes_on_and_new_ids_lie_above_all_known_ones(earlier):
    known = remembered(earlier)
    exchange = restored(known)
    exchange.on_tick(a_tick("99400", at=10))
    filled = exchange.query_order(BTC, client_order_id="more")
    assert filled.status is OrderStatus.FILLED
    assert exchange.user_trades(BTC)[0].trade_id == known.next_trade_id
    assert exchange.place_order(a_limit("BUY", "0.010", "90000")).order_id == known.next_order_id
    assert exchange.place_algo(a_stop("SELL", "98000")).algo_id == known.next_algo_id
    exchange.on_tick(a_tick("98900", at=11))
    assert position(exchange) == 0


def test_realized_profit_follows_the_remembered_cost(earlier):
    exchange = restored(remembered(earlier))
    exchange.on_tick(a_tick("101000", at=10))
    exchange.place_order(a_market("SELL", "0.014", reduce_only=True))
    earlier.on_tick(a_tick("101000", at=10))
    earlier.place_order(a_market("SELL", "0.014", reduce_only=True))
    assert wallet(exchange) == wallet(earlier)


def test_a_market_order_left_half_done_expires(earlier):
    half = earlier.query_order(BTC, client_order_id="entry")
    changed = type(half)(
        **{name: getattr(half, name) for name in half.__struct_fields__}
        | {"status": OrderStatus.PARTIALLY_FILLED, "executed_quantity": d("0.004")}
    )
    exchange = restored(remembered(earlier, orders=(changed,)))
    assert told(exchange) == ["ORDER EXPIRED EXPIRED"]


def triggered(status, exchange, **changes):
    algo = exchange.all_algos(BTC)[0]
    return type(algo)(
        **{name: getattr(algo, name) for name in algo.__struct_fields__} | {"status": AlgoStatus(status)} | changes
    )


def test_a_stop_left_triggering_without_a_child_expires_so_that_another_can_be_placed(earlier):
    exchange = restored(remembered(earlier, algos=(triggered("TRIGGERING", earlier),)))
    assert told(exchange) == ["ALGO EXPIRED"]
    assert exchange.open_algos() == []


@pytest.mark.parametrize("status", ["TRIGGERING", "TRIGGERED"])
def test_a_stop_whose_child_was_filled_is_finished(earlier, status):
    earlier.cancel_all(BTC)
    earlier.on_tick(a_tick("98900", at=20))
    account = remembered(earlier, algos=(triggered(status, earlier, actual_order_id=0),))
    exchange = restored(account)
    assert told(exchange) == ["ALGO FINISHED"]
    assert exchange.query_algo(client_algo_id="stop").actual_order_id == account.orders[-1].order_id


def test_a_tick_without_a_trade_passes_no_resting_order_of_a_real_book():
    exchange = an_exchange()
    exchange.place_order(a_limit("BUY", "0.010", "99999", client_order_id="resting"))
    exchange.set_top(BTC, d("99990"), d("100001"), exchange.now_ms)
    exchange.on_tick(a_tick("99995", quantity="0"))
    assert exchange.open_orders() != []
    exchange.on_tick(a_tick("99995", quantity="1"))
    assert exchange.open_orders() == []
