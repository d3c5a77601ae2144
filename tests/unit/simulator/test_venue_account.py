"""Margin, leverage, modes, transfers and the account as it is shown."""

import pytest

from simulator.venue.errors import VenueError
from simulator.venue.liquidity import Liquidity
from simulator.venue.model import AccountConfigEvent, IncomeType, MarginType
from tests.unit.simulator.venue_builders import (
    BTC,
    ETH,
    a_limit,
    a_market,
    a_tick,
    an_entry,
    an_exchange,
    d,
    position,
    told,
    wallet,
)


def code_of(call, *args, **named):
    with pytest.raises(VenueError) as info:
        call(*args, **named)
    return info.value.code


def an_isolated(leverage=5, **options):
    exchange = an_exchange(**options)
    exchange.set_margin_type(BTC, MarginType.ISOLATED)
    exchange.set_leverage(BTC, leverage)
    return exchange


def test_an_order_beyond_the_free_margin_is_refused():
    exchange = an_exchange(balance="100")
    exchange.set_leverage(BTC, 10)
    assert code_of(exchange.place_order, a_market("BUY", "0.011")) == -2019
    assert exchange.place_order(a_limit("BUY", "0.010", "99990")).is_open
    assert code_of(exchange.place_order, a_limit("BUY", "0.002", "99990")) == -2019


def test_orders_of_the_other_side_need_margin_only_beyond_the_worse_side():
    exchange = an_exchange(balance="100")
    exchange.set_leverage(BTC, 10)
    exchange.place_order(a_limit("BUY", "0.009", "99990"))
    assert exchange.place_order(a_limit("SELL", "0.008", "100500")).is_open
    assert code_of(exchange.place_order, a_limit("SELL", "0.003", "100500")) == -2019


def test_closing_needs_no_margin():
    exchange = an_exchange(balance="105")
    exchange.set_leverage(BTC, 10)
    exchange.place_order(a_market("BUY", "0.010"))
    assert exchange.account().available_balance < 5
    exchange.place_order(a_market("SELL", "0.010"))
    assert position(exchange) == 0


def test_a_price_worse_than_the_mark_costs_its_opening_loss():
    exchange = an_exchange(balance="100")
    exchange.set_leverage(BTC, 10)
    exchange.set_mark(BTC, d("98000"), d("98000"), exchange.now_ms)
    assert code_of(exchange.place_order, a_limit("BUY", "0.010", "99990", tif="IOC")) == -2019


def test_the_bracket_limits_the_notional_at_a_leverage():
    exchange = an_exchange(balance="100000000")
    exchange.set_leverage(BTC, 125)
    assert code_of(exchange.place_order, a_market("BUY", "3.1")) == -2027


def test_leverage_is_bounded_by_the_brackets_and_the_position():
    exchange = an_exchange(balance="1000000")
    assert code_of(exchange.set_leverage, BTC, 126) == -4028
    assert code_of(exchange.set_leverage, BTC, 0) == -4028
    exchange.place_order(a_limit("BUY", "5", "104000", tif="IOC"))
    assert code_of(exchange.set_leverage, BTC, 125) == -2027


def test_a_cross_position_s_leverage_can_only_fall_as_far_as_the_margin_reaches():
    exchange = an_exchange(balance="600")
    exchange.place_order(a_market("BUY", "0.010"))
    assert exchange.set_leverage(BTC, 10).leverage == 10
    assert code_of(exchange.set_leverage, BTC, 1) == -2028
    assert exchange.symbol_config(BTC)[0].leverage == 10


def test_an_isolated_position_s_leverage_can_only_rise():
    exchange = an_isolated(leverage=5)
    exchange.place_order(a_market("BUY", "0.010"))
    assert code_of(exchange.set_leverage, BTC, 4) == -4161
    assert exchange.set_leverage(BTC, 6).leverage == 6


def test_a_leverage_change_is_told():
    exchange = an_exchange()
    config = exchange.set_leverage(BTC, 3)
    assert config.max_notional == 600_000_000
    (event,) = exchange.drain_events()
    assert event == AccountConfigEvent(at_ms=exchange.now_ms, symbol=BTC, leverage=3)


def test_margin_type_changes_only_without_orders_and_position():
    exchange = an_exchange()
    assert code_of(exchange.set_margin_type, BTC, MarginType.CROSSED) == -4046
    order = exchange.place_order(a_limit("BUY", "0.010", "99000"))
    assert code_of(exchange.set_margin_type, BTC, MarginType.ISOLATED) == -4047
    exchange.cancel_order(BTC, order.order_id)
    exchange.place_order(a_market("BUY", "0.010"))
    assert code_of(exchange.set_margin_type, BTC, MarginType.ISOLATED) == -4048
    exchange.place_order(a_market("SELL", "0.010"))
    exchange.set_margin_type(BTC, MarginType.ISOLATED)
    assert told(exchange)[-1] == "ACCOUNT MARGIN_TYPE_CHANGE"


def test_position_mode_is_locked_and_hedge_mode_is_not_offered():
    exchange = an_exchange()
    assert code_of(exchange.set_position_mode, dual=False) == -4059
    exchange.place_order(a_limit("BUY", "0.010", "99000"))
    assert code_of(exchange.set_position_mode, dual=True) == -4067
    exchange.cancel_all(BTC)
    exchange.place_order(a_market("BUY", "0.010"))
    assert code_of(exchange.set_position_mode, dual=True) == -4068
    exchange.place_order(a_market("SELL", "0.010"))
    assert code_of(exchange.set_position_mode, dual=True) == -1020
    exchange.force_position_mode(dual=True)
    exchange.set_position_mode(dual=False)
    assert not exchange.is_dual()


def test_multi_assets_mode_and_isolated_margin_exclude_each_other():
    exchange = an_exchange()
    assert code_of(exchange.set_multi_assets, on=False) == -4171
    exchange.set_margin_type(BTC, MarginType.ISOLATED)
    assert code_of(exchange.set_multi_assets, on=True) == -4167
    exchange.set_margin_type(BTC, MarginType.CROSSED)
    exchange.place_order(a_limit("BUY", "0.010", "99000"))
    assert code_of(exchange.set_multi_assets, on=True) == -4170
    exchange.cancel_all(BTC)
    exchange.set_multi_assets(on=True)
    assert exchange.is_multi_assets()
    assert code_of(exchange.set_margin_type, BTC, MarginType.ISOLATED) == -4168


def test_an_isolated_position_sets_its_margin_aside_and_gives_it_back():
    exchange = an_isolated(leverage=5)
    exchange.place_order(a_limit("BUY", "0.002", "100000.10"))
    (row,) = exchange.positions()
    assert row.isolated_wallet == d("40.00004")
    (balance,) = exchange.balances()
    assert balance.cross_wallet_balance == balance.wallet_balance - row.isolated_wallet
    exchange.place_order(a_market("SELL", "0.001"))
    assert exchange.positions()[0].isolated_wallet == d("20.00002")
    exchange.place_order(a_market("SELL", "0.001"))
    (balance,) = exchange.balances()
    assert balance.cross_wallet_balance == balance.wallet_balance


def test_isolated_margin_can_be_added_and_taken_back_within_bounds():
    exchange = an_isolated(leverage=5)
    change = exchange.modify_isolated_margin
    assert code_of(change, BTC, d("10"), add=True) == -4054
    exchange.place_order(a_limit("BUY", "0.002", "100000.10"))
    assert code_of(change, BTC, d("0"), add=True) == -4055
    assert code_of(change, BTC, d("20000"), add=True) == -4050
    change(BTC, d("10"), add=True)
    assert exchange.positions()[0].isolated_wallet == d("50.00004")
    assert code_of(change, BTC, d("11"), add=False) == -4051
    change(BTC, d("9"), add=False)
    assert exchange.positions()[0].isolated_wallet == d("41.00004")
    assert told(exchange)[-1] == "ACCOUNT MARGIN_TRANSFER"


def test_a_crossed_position_takes_no_isolated_margin():
    exchange = an_exchange()
    assert code_of(exchange.modify_isolated_margin, BTC, d("1"), add=True) == -1130


def test_transfers_change_the_wallet_and_leave_an_income_row():
    exchange = an_exchange()
    exchange.transfer("USDT", d("500"))
    exchange.transfer("USDT", d("-200"))
    exchange.transfer("USDT", d("0"))
    assert wallet(exchange) == 10_300
    assert told(exchange) == ["ACCOUNT DEPOSIT", "ACCOUNT WITHDRAW"]
    assert [row.amount for row in exchange.income(income_type=IncomeType.TRANSFER)] == [500, -200]
    assert code_of(exchange.transfer, "USDT", d("-10301")) == -2018
    assert code_of(exchange.transfer, "BNB", d("-1")) == -2018


def test_a_transfer_can_bring_a_new_asset():
    exchange = an_exchange()
    exchange.transfer("BNB", d("2"))
    assert wallet(exchange, "BNB") == 2


def test_the_account_sums_what_its_positions_and_orders_tie_up():
    exchange = an_exchange(an_entry(), an_entry(ETH))
    exchange.place_order(a_limit("BUY", "0.002", "100000.10"))
    exchange.place_order(a_limit("BUY", "0.010", "99000", symbol=ETH))
    exchange.on_tick(a_tick("101000", at=1))
    account = exchange.account()
    assert [row.symbol for row in account.positions] == [BTC, ETH]
    assert account.total_unrealized_profit == d("1.9998")
    assert account.total_position_initial_margin == d("10.1")
    assert account.total_open_order_initial_margin == d("49.5")
    assert account.available_balance == account.total_wallet_balance + d("1.9998") - d("10.1") - d("49.5")
    assert account.total_maintenance_margin == d("0.808")
    btc = account.positions[0]
    assert (btc.entry_price, btc.notional, btc.mark_price) == (d("100000.1"), d("202"), d("101000"))


def test_a_flat_account_shows_no_positions():
    exchange = an_exchange()
    assert exchange.positions() == []
    assert exchange.positions(BTC) == []
    assert exchange.account().positions == ()


def test_the_break_even_price_counts_the_commission():
    exchange = an_exchange()
    exchange.place_order(a_limit("BUY", "0.002", "100000.10"))
    assert exchange.positions()[0].break_even_price == d("100050.10005000")


def test_a_flip_starts_anew_at_the_fill_price():
    exchange = an_exchange(liquidity=Liquidity(top_notional=d("100000")))
    exchange.place_order(a_limit("BUY", "0.002", "100000.10"))
    exchange.on_tick(a_tick("101000", at=1, quantity="0"))
    exchange.place_order(a_limit("SELL", "0.005", "101000"))
    (row,) = exchange.positions()
    assert (row.quantity, row.entry_price) == (d("-0.003"), d("101000"))
    assert exchange.user_trades(BTC)[-1].realized_pnl == d("1.9998")
    assert exchange.user_trades(BTC)[-1].quantity == d("0.005")


def test_unknown_symbols_are_refused_everywhere():
    exchange = an_exchange()
    for call in (exchange.book, exchange.market, exchange.instrument, exchange.symbol_config, exchange.positions):
        assert code_of(call, "NOUSDT") == -1121
    assert code_of(exchange.fee_rates, "NOUSDT") == -1121
    assert exchange.fee_rates(BTC) == (d("0.0002"), d("0.0005"))


def test_tables_can_be_read_and_replaced():
    exchange = an_exchange(an_entry(), an_entry(ETH))
    assert set(exchange.leverage_brackets()) == {BTC, ETH}
    exchange.set_brackets(BTC, exchange.leverage_brackets(BTC)[BTC][-2:])
    assert code_of(exchange.set_leverage, BTC, 3) == -4028
    assert [(row.symbol, row.max_notional) for row in exchange.symbol_config()] == [(BTC, 0), (ETH, 70_000_000)]
    assert code_of(exchange.place_order, a_market("BUY", "0.010")) == -2027
