"""Queries that look back: windows, limits and what the exchange no longer shows."""

import pytest

from simulator.venue.errors import VenueError
from simulator.venue.model import IncomeType
from tests.unit.simulator.venue_builders import BTC, ETH, START_MS, a_limit, a_market, a_stop, an_entry, an_exchange

DAY_MS = 86_400_000


def some_fills(count):
    exchange = an_exchange()
    for index in range(count):
        exchange.advance(START_MS + index * 1_000)
        exchange.place_order(a_market("BUY" if index % 2 == 0 else "SELL", "0.001"))
    return exchange


def test_the_newest_rows_come_without_a_start_and_the_oldest_from_one():
    exchange = some_fills(6)
    ids = [row.trade_id for row in exchange.user_trades(BTC)]
    assert ids == sorted(ids)
    assert [row.trade_id for row in exchange.user_trades(BTC, limit=2)] == ids[-2:]
    assert [row.trade_id for row in exchange.user_trades(BTC, start_ms=START_MS, limit=2)] == ids[:2]
    assert [row.trade_id for row in exchange.user_trades(BTC, end_ms=START_MS + 2_000, limit=2)] == ids[1:3]
    assert [row.trade_id for row in exchange.user_trades(BTC, from_id=ids[3], limit=2)] == ids[3:5]


def test_fills_of_one_order_can_be_asked_for():
    exchange = some_fills(3)
    order = exchange.all_orders(BTC)[1]
    assert [row.order_id for row in exchange.user_trades(BTC, order_id=order.order_id)] == [order.order_id]


def test_orders_page_by_id_and_by_window():
    exchange = some_fills(5)
    ids = [row.order_id for row in exchange.all_orders()]
    assert [row.order_id for row in exchange.all_orders(BTC, order_id=ids[2])] == ids[2:]
    assert [row.order_id for row in exchange.all_orders(BTC, start_ms=START_MS + 3_000)] == ids[3:]


def test_income_is_filtered_by_symbol_and_type():
    exchange = some_fills(2)
    exchange.transfer("USDT", exchange.balances()[0].wallet_balance)
    assert {row.type for row in exchange.income(BTC)} == {IncomeType.COMMISSION, IncomeType.REALIZED_PNL}
    assert len(exchange.income(income_type=IncomeType.COMMISSION)) == 2
    assert len({row.transaction_id for row in exchange.income()}) == len(exchange.income())


def test_algo_orders_page_by_id_within_their_symbol():
    exchange = an_exchange(an_entry(), an_entry(ETH))
    algos = [exchange.place_algo(a_stop("SELL", "99000", symbol=symbol)) for symbol in (BTC, ETH, BTC)]
    assert [row.algo_id for row in exchange.all_algos(BTC)] == [algos[0].algo_id, algos[2].algo_id]
    assert exchange.all_algos(BTC, algo_id=algos[1].algo_id) == [algos[2]]
    assert exchange.query_algo(client_algo_id=algos[1].client_algo_id) == algos[1]


def test_unfilled_closed_orders_vanish_after_three_days_and_filled_ones_after_ninety():
    exchange = an_exchange()
    cancelled = exchange.place_order(a_limit("BUY", "0.010", "99000"))
    exchange.cancel_all(BTC)
    filled = exchange.place_order(a_market("BUY", "0.001"))
    resting = exchange.place_order(a_limit("BUY", "0.010", "99000"))
    exchange.advance(START_MS + 3 * DAY_MS)
    assert len(exchange.all_orders(BTC)) == 3
    exchange.advance(START_MS + 3 * DAY_MS + 1)
    with pytest.raises(VenueError) as info:
        exchange.query_order(BTC, cancelled.order_id)
    assert info.value.code == -2013
    assert [row.order_id for row in exchange.all_orders(BTC)] == [filled.order_id, resting.order_id]
    exchange.advance(START_MS + 91 * DAY_MS)
    assert [row.order_id for row in exchange.all_orders(BTC)] == [resting.order_id]
    assert len(exchange.ledger()["orders"]) == 3


def test_an_order_is_found_under_its_own_symbol_only_and_by_one_of_its_ids():
    exchange = an_exchange(an_entry(), an_entry(ETH))
    order = exchange.place_order(a_limit("BUY", "0.010", "99000"))
    with pytest.raises(VenueError) as info:
        exchange.query_order(ETH, order.order_id)
    assert info.value.code == -2013
    with pytest.raises(VenueError) as info:
        exchange.query_order(BTC)
    assert info.value.code == -1102
