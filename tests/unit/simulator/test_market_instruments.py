import gzip
import json
import os
from decimal import Decimal
from pathlib import Path

import pytest

from simulator.market.instruments import builtin_exchange_info, grids, load_exchange_info, start_price
from simulator.market.tape import DataError

WITHOUT_A_TICK = (
    b'{"symbols": [{"symbol": "BTCUSDT", "filters": [{"filterType": "LOT_SIZE", "stepSize": "1"},'
    b'{"filterType": "PRICE_FILTER", "tickSize": "0"}]}]}'
)
RECORDED = "rest/fapi_v1_exchangeInfo_mainnet_2025-08-07_25symbols.json"


def recorded_data() -> Path:
    folder = os.environ.get("ACT_TEST_DATA")
    if not folder:
        pytest.skip("ACT_TEST_DATA is not set")
    return Path(folder)


def test_the_built_in_answer_has_every_key_of_a_recorded_one():
    recorded = json.loads((recorded_data() / RECORDED).read_bytes())
    built_in = builtin_exchange_info(["ETHUSDT", "BTCUSDT"])
    assert set(built_in) == set(recorded)
    assert [set(entry) for entry in built_in["symbols"]] == [set(recorded["symbols"][0])] * 2
    kinds = {item["filterType"]: set(item) for item in recorded["symbols"][0]["filters"]}
    del kinds["MAX_NUM_ALGO_ORDERS"]
    assert {item["filterType"]: set(item) for item in built_in["symbols"][0]["filters"]} == kinds


def test_built_in_filters_of_the_big_symbols_are_the_recorded_ones():
    recorded = {entry["symbol"]: entry for entry in json.loads((recorded_data() / RECORDED).read_bytes())["symbols"]}
    for entry in builtin_exchange_info(["BTCUSDT", "ETHUSDT", "BNBUSDT", "XRPUSDT", "ADAUSDT", "LTCUSDT"])["symbols"]:
        theirs = {item["filterType"]: item for item in recorded[entry["symbol"]]["filters"]}
        for item in entry["filters"]:
            if item["filterType"] in {"LOT_SIZE", "MARKET_LOT_SIZE", "MIN_NOTIONAL"}:
                assert item == theirs[item["filterType"]]
        assert grids({"symbols": [entry]}, [entry["symbol"]]) == grids(
            {"symbols": [recorded[entry["symbol"]]]}, [entry["symbol"]]
        )


def test_made_up_symbols_are_known_and_others_are_not():
    assert [entry["symbol"] for entry in builtin_exchange_info(["SIM7USDT", "SIM50USDT"])["symbols"]] == [
        "SIM7USDT",
        "SIM50USDT",
    ]
    with pytest.raises(DataError, match="unknown symbol 'NOSUCHUSDT': use one of"):
        builtin_exchange_info(["BTCUSDT", "NOSUCHUSDT"])


def test_a_symbol_asked_for_twice_is_there_once():
    assert len(builtin_exchange_info(["BTCUSDT", "BTCUSDT"])["symbols"]) == 1


@pytest.mark.parametrize("symbol", ["BTCUSDT", "SOLUSDT", "DOGEUSDT", "IOSTUSDT", "SIM3USDT", "SIM9999USDT"])
def test_the_start_price_lies_on_the_lattice_and_between_the_bounds(symbol):
    answer = builtin_exchange_info([symbol])
    limits = answer["symbols"][0]["filters"][0]
    price = start_price(answer, symbol)
    assert Decimal(limits["minPrice"]) < price < Decimal(limits["maxPrice"])
    assert price % Decimal(limits["tickSize"]) == 0
    assert price / Decimal(limits["tickSize"]) >= 1_000


def test_a_recorded_symbol_nobody_built_in_starts_in_the_middle_of_its_filter():
    answer = builtin_exchange_info(["BTCUSDT"])
    answer["symbols"][0]["symbol"] = "FOOUSDT"
    answer["symbols"][0]["filters"][0] |= {"minPrice": "1", "maxPrice": "100"}
    assert start_price(answer, "FOOUSDT") == 10


def test_a_recorded_answer_is_cut_to_the_symbols_asked_for(tmp_path):
    path = tmp_path / "info.json.gz"
    path.write_bytes(gzip.compress(json.dumps(builtin_exchange_info(["BTCUSDT", "ETHUSDT", "SOLUSDT"])).encode()))
    answer = load_exchange_info(path, ["SOLUSDT", "BTCUSDT"])
    assert [entry["symbol"] for entry in answer["symbols"]] == ["SOLUSDT", "BTCUSDT"]
    assert answer["timezone"] == "UTC"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "cannot be read"),
        (b"{", "no JSON"),
        (b"\x1f\x8bbroken", "no JSON|cannot be read"),
        (b"[]", "no exchangeInfo answer"),
        (b'{"symbols": []}', "unknown symbol 'BTCUSDT'"),
        (b'{"symbols": [{"symbol": "BTCUSDT"}]}', "no usable tickSize"),
        (WITHOUT_A_TICK, "tickSize or stepSize of 0"),
    ],
)
def test_an_unusable_answer_is_one_line_that_names_the_file(tmp_path, content, message):
    path = tmp_path / "info.json"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(DataError, match=message) as caught:
        load_exchange_info(path, ["BTCUSDT"])
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)
