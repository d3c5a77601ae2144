"""Recorded answers of the real exchange, read by the venue's own parsers."""

import gzip
import json
import os
from decimal import Decimal
from itertools import pairwise
from pathlib import Path

import pytest

from simulator.venue.decimals import ceil_to
from simulator.venue.exchange import Exchange
from simulator.venue.instrument import parse_brackets, parse_instrument
from tests.unit.simulator.venue_builders import START_MS, ATick, a_market

FOLDER = os.environ.get("ACT_TEST_DATA")
pytestmark = pytest.mark.skipif(not FOLDER, reason="ACT_TEST_DATA names no folder of recorded data")
EXCHANGE_INFOS = (
    "fapi_v1_exchangeInfo_mainnet_2021-07-21.json",
    "fapi_v1_exchangeInfo_mainnet_2025-08-07_25symbols.json",
    "fapi_v1_exchangeInfo_testnet_2025-12-24.json.gz",
)


def recorded(name):
    path = Path(FOLDER, "rest", name)
    raw = gzip.decompress(path.read_bytes()) if name.endswith(".gz") else path.read_bytes()
    return json.loads(raw)


@pytest.mark.parametrize("name", EXCHANGE_INFOS)
def test_every_recorded_symbol_has_readable_rules(name):
    for rules in map(parse_instrument, recorded(name)["symbols"]):
        assert rules.status != "TRADING" or (rules.tick_size > 0 and rules.step_size > 0)
        assert rules.min_quantity <= rules.max_quantity


def test_recorded_brackets_follow_the_formula_of_their_cumulative_amounts():
    for entry in recorded("fapi_v1_leverageBracket_2025-07-10.json.gz"):
        brackets = parse_brackets(entry["brackets"])
        for low, high in pairwise(brackets):
            assert low.notional_cap == high.notional_floor
            step = high.notional_floor * (high.maintenance_ratio - low.maintenance_ratio)
            assert abs(low.cumulative + step - high.cumulative) <= max(Decimal(1), high.cumulative / 100)


def test_an_order_of_minimum_size_trades_on_every_recorded_mainnet_symbol():
    info = recorded(EXCHANGE_INFOS[1])
    exchange = Exchange(info, balance=Decimal(1_000_000), start_ms=START_MS)
    for symbol in exchange.symbols():
        rules = exchange.instrument(symbol)
        price = ceil_to(max(rules.min_price * 3, Decimal(1)), rules.tick_size) + rules.min_price % rules.tick_size
        exchange.on_tick(ATick(symbol, START_MS, price, Decimal(1), buyer_is_maker=True))
        quantity = max(ceil_to(rules.min_notional / price, rules.market_step_size), rules.market_min_quantity)
        order = exchange.place_order(a_market("BUY", str(quantity), symbol=symbol))
        assert order.executed_quantity == quantity
