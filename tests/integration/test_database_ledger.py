import json
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.domain.errors import GiveUp
from bot.domain.order import OrderState, Side
from database.ledger import canonical, difference, encode
from support.database_rows import (
    D,
    a_fill,
    a_funding,
    a_store,
    a_transfer,
    an_algo_order,
    an_instrument,
    an_opening,
    an_order,
    client_id,
    urls,
)


def ledger_with(folder, *rows):
    store = a_store(folder)
    store.commit(rows)
    store.close()
    text = canonical(urls(folder)[0])
    return text, json.loads(text)


def test_books_without_rows_have_every_list(tmp_path):
    text, _ = ledger_with(tmp_path)
    assert text == (
        b'{"algo_orders":[],"fills":[],"from_ms":0,"funding":[],"opening":[],"orders":[],"positions":[],'
        b'"schema":"act-ledger/1","totals":[],"transfers":[],"wallets":[]}\n'
    )


def test_books_computed_by_hand(tmp_path):
    _, ledger = ledger_with(
        tmp_path,
        an_opening("10000"),
        a_fill(1, quantity=D(1), price=D(100), commission=D("0.05")),
        a_fill(2, quantity=D(2), price=D(103), commission=D("0.103")),
        a_fill(3, side=Side.SELL, quantity=D(1), price=D(110), commission=D("0.055"), realized_pnl=D(8)),
        a_fill(4, side=Side.SELL, quantity=D(5), price=D(90), commission=D("0.225"), realized_pnl=D(-24)),
        a_fill(5, side=Side.BUY, quantity=D(1), price=D(91), commission=D("0.0455"), realized_pnl=D(-1)),
        a_funding(amount=D("-0.5")),
        a_transfer(amount=D(25)),
    )
    assert ledger["positions"] == [
        {"entry_price": "90", "position_side": "BOTH", "quantity": "-2", "symbol": "BTCUSDT"}
    ]
    assert ledger["totals"] == [
        {"asset": "USDT", "commission": "0.4785", "funding": "-0.5", "realized_pnl": "-17", "transfers": "25"}
    ]
    assert ledger["wallets"] == [{"asset": "USDT", "balance": "10007.0215"}]


def test_reducing_releases_cost_rounded_half_away_to_eight_decimals(tmp_path):
    _, ledger = ledger_with(
        tmp_path,
        a_fill(1, quantity=D(1), price=D(10)),
        a_fill(2, quantity=D(2), price=D("10.00000001")),
        a_fill(3, side=Side.SELL, quantity=D(1), price=D(11)),
    )
    # cost 30.00000002, released round(10.000000006...) = 10.00000001, left 20.00000001 for 2
    assert ledger["positions"][0]["entry_price"] == "10.00000001"


def test_fills_are_replayed_in_trade_id_order_however_they_arrived(tmp_path):
    _, ledger = ledger_with(
        tmp_path,
        a_fill(9, side=Side.SELL, quantity=D(1), price=D(110)),
        a_fill(10, quantity=D(1), price=D(120)),
        a_fill(2, quantity=D(1), price=D(100)),
    )
    assert ledger["positions"] == [
        {"entry_price": "120", "position_side": "BOTH", "quantity": "1", "symbol": "BTCUSDT"}
    ]
    assert [fill["trade_id"] for fill in ledger["fills"]] == [2, 9, 10]


def test_a_flat_symbol_and_an_empty_wallet_are_left_out(tmp_path):
    _, ledger = ledger_with(
        tmp_path,
        an_opening("1"),
        an_opening("0", "BNB"),
        a_fill(1, commission=D("0.5")),
        a_fill(2, side=Side.SELL, commission=D("0.5")),
    )
    assert ledger["positions"] == []
    assert ledger["wallets"] == []
    assert ledger["opening"] == [{"asset": "USDT", "balance": "1"}]


def test_fees_in_another_asset_move_that_wallet(tmp_path):
    _, ledger = ledger_with(
        tmp_path, an_opening("10"), an_opening("2", "BNB"), a_fill(1, commission=D("0.001"), commission_asset="BNB")
    )
    assert ledger["totals"] == [
        {"asset": "BNB", "commission": "0.001", "funding": "0", "realized_pnl": "0", "transfers": "0"},
        {"asset": "USDT", "commission": "0", "funding": "0", "realized_pnl": "0", "transfers": "0"},
    ]
    assert ledger["wallets"] == [{"asset": "BNB", "balance": "1.999"}, {"asset": "USDT", "balance": "10"}]


def test_realized_pnl_is_settled_in_the_contract_s_margin_asset(tmp_path):
    _, ledger = ledger_with(
        tmp_path,
        an_instrument("BTCUSDC", margin_asset="USDC"),
        a_fill(1, symbol="BTCUSDC", realized_pnl=D(3), commission_asset="USDC"),
    )
    assert [total["asset"] for total in ledger["totals"]] == ["USDC"]


def test_orders_need_an_order_id_and_carry_the_sum_of_their_fills(tmp_path):
    _, ledger = ledger_with(
        tmp_path,
        an_order(1, order_id=0, state=OrderState.UNKNOWN),
        an_order(2, order_id=102, status="FILLED", price=D("100.10"), executed_quantity=D("0.3")),
        a_fill(1, order_id=102, price=D("100.1"), quantity=D("0.1")),
        a_fill(2, order_id=102, price=D("100.05"), quantity=D("0.2")),
    )
    assert ledger["orders"] == [
        {
            "algo_id": 0,
            "client_order_id": client_id(2),
            "close_position": False,
            "executed_quantity": "0.3",
            "executed_quote": "30.02",
            "order_id": 102,
            "position_side": "BOTH",
            "price": "100.1",
            "quantity": "0.123",
            "reduce_only": False,
            "side": "BUY",
            "status": "FILLED",
            "symbol": "BTCUSDT",
            "time_in_force": "GTC",
            "type": "LIMIT",
        }
    ]


def test_a_triggered_order_names_the_conditional_order_it_was_born_from(tmp_path):
    _, ledger = ledger_with(
        tmp_path,
        an_algo_order(1, algo_id=900, actual_order_id=7, status="FINISHED", quantity=D(3)),
        an_algo_order(2, algo_id=0),
        an_order(1, order_id=7, client_order_id=client_id(1, "s")),
    )
    assert ledger["orders"][0]["algo_id"] == 900
    assert ledger["algo_orders"] == [
        {
            "activate_price": "0",
            "actual_order_id": 7,
            "algo_id": 900,
            "callback_rate": "0",
            "client_algo_id": client_id(1, "s"),
            "close_position": True,
            "position_side": "BOTH",
            "price": "0",
            "quantity": "0",
            "reduce_only": True,
            "side": "SELL",
            "status": "FINISHED",
            "symbol": "BTCUSDT",
            "trigger_price": "63568.4",
            "type": "STOP_MARKET",
            "working_type": "CONTRACT_PRICE",
        }
    ]


def test_settlements_and_transfers_are_ordered_and_zero_ones_left_out(tmp_path):
    _, ledger = ledger_with(
        tmp_path,
        a_funding(time_ms=120_000, symbol="ETHUSDT"),
        a_funding(time_ms=120_000, symbol="BTCUSDT"),
        a_funding(time_ms=60_000, amount=D(0)),
        a_transfer(amount=D(10)),
        a_transfer(amount=D(9)),
        a_transfer(amount=D(0), asset="BNB"),
    )
    assert [each["symbol"] for each in ledger["funding"]] == ["BTCUSDT", "ETHUSDT"]
    assert [each["amount"] for each in ledger["transfers"]] == ["9", "10"]
    assert [total["asset"] for total in ledger["totals"]] == ["USDT"]


def test_digits_beyond_the_eighth_are_all_in_the_ledger(tmp_path):
    _, ledger = ledger_with(
        tmp_path,
        an_opening("100"),
        a_fill(1, commission=D("0.123456789012")),
        a_fill(2, side=Side.SELL, commission=D("0.1")),
    )
    assert [fill["commission"] for fill in ledger["fills"]] == ["0.123456789012", "0.1"]
    assert ledger["wallets"] == [{"asset": "USDT", "balance": "99.776543210988"}]


def test_when_the_books_begin_later_the_ledger_says_so(tmp_path):
    _, ledger = ledger_with(tmp_path, an_opening("100", from_ms=77))
    assert ledger["from_ms"] == 77


fills = st.lists(
    st.tuples(st.booleans(), st.integers(1, 5_000), st.integers(1, 2_000_000), st.integers(-500, 500)),
    min_size=1,
    max_size=25,
)


@settings(max_examples=25, deadline=None)
@given(fills)
def test_positions_and_wallets_follow_from_any_fills(moves):
    rows = [
        a_fill(
            number,
            side=Side.BUY if is_buy else Side.SELL,
            quantity=Decimal(quantity).scaleb(-3),
            price=Decimal(price).scaleb(-2),
            commission=Decimal(1).scaleb(-8) * number,
            realized_pnl=Decimal(pnl).scaleb(-8),
        )
        for number, (is_buy, quantity, price, pnl) in enumerate(moves, 1)
    ]
    with TemporaryDirectory() as folder:
        _, ledger = ledger_with(Path(folder), an_opening("1000"), *rows)
    quantity, entry = _replayed([(is_buy, Fraction(q, 1000), Fraction(p, 100)) for is_buy, q, p, _ in moves])
    expected = [Fraction(each["quantity"]) for each in ledger["positions"]]
    assert expected == ([quantity] if quantity else [])
    if quantity:
        assert Fraction(ledger["positions"][0]["entry_price"]) == entry
    units = 1000 * 10**8 + sum(pnl for *_, pnl in moves) - sum(range(1, len(moves) + 1))
    assert Fraction(ledger["wallets"][0]["balance"]) == Fraction(units, 10**8)


def _replayed(moves):
    """The same rules in fractions: what is held, and its entry price."""
    held, cost = Fraction(0), Fraction(0)
    for is_buy, quantity, price in moves:
        signed = quantity if is_buy else -quantity
        if held * signed >= 0:
            held, cost = held + signed, cost + price * quantity
        elif quantity <= abs(held):
            cost -= cost if quantity == abs(held) else _rounded(cost * quantity / abs(held))
            held += signed
        else:
            held += signed
            cost = abs(held) * price
    return held, _rounded(cost / abs(held)) if held else Fraction(0)


def _rounded(amount):
    return Fraction(int(amount * 10**8 + Fraction(1, 2)), 10**8)


def a_ledger(**lists):
    names = ("opening", "orders", "algo_orders", "fills", "funding", "transfers", "positions", "totals", "wallets")
    return encode({"schema": "act-ledger/1", "from_ms": 0, **{name: [] for name in names}, **lists})


def test_equal_ledgers_have_no_difference():
    assert difference(a_ledger(), a_ledger()) == []


def test_differences_name_list_key_and_fields():
    one = a_ledger(
        wallets=[{"asset": "USDT", "balance": "1"}],
        fills=[{"symbol": "A", "trade_id": 2}, {"symbol": "A", "trade_id": 10}],
    )
    other = a_ledger(wallets=[{"asset": "USDT", "balance": "2"}], fills=[{"symbol": "A", "trade_id": 3}])
    assert difference(one, other) == [
        "fills A 2: only in the first: {'symbol': 'A', 'trade_id': 2}",
        "fills A 3: only in the second: {'symbol': 'A', 'trade_id': 3}",
        "fills A 10: only in the first: {'symbol': 'A', 'trade_id': 10}",
        "wallets USDT: balance '1' != '2'",
    ]


def test_only_the_first_differences_are_told():
    one = a_ledger(fills=[{"symbol": "A", "trade_id": number} for number in range(50)])
    lines = difference(one, a_ledger())
    assert len(lines) == 20
    assert lines[-1].startswith("fills A 19:")


def test_a_row_that_stands_twice_is_a_difference():
    row = {"asset": "USDT", "balance": "1"}
    assert difference(a_ledger(wallets=[row, row]), a_ledger(wallets=[row])) == [
        "wallets: a key stands twice in the first"
    ]


def test_other_bytes_of_the_same_rows_are_a_difference():
    assert difference(a_ledger(), a_ledger() + b"\n") == ["the same rows, written in different bytes"]


def test_another_beginning_is_a_difference():
    assert difference(a_ledger(), a_ledger(from_ms=5)) == ["from_ms: 0 != 5"]


@pytest.mark.parametrize("text", [b"", b"[]", b'{"schema":"other/1"}', b"\xff"])
def test_what_is_no_ledger_is_refused(text):
    with pytest.raises(GiveUp, match="no ledger"):
        difference(a_ledger(), text)
