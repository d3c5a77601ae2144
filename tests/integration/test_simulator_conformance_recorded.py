"""Recorded real answers and frames have the same keys and value shapes as the simulator's."""

import gzip
import json
import os
import re
from pathlib import Path

import pytest

from simulator.server.options import Options
from simulator.server.virtual import VirtualSimulator

FOLDER = Path(os.environ.get("ACT_TEST_DATA", ""))
pytestmark = pytest.mark.skipif(
    not os.environ.get("ACT_TEST_DATA"), reason="ACT_TEST_DATA names no folder of recorded data"
)
NUMBER = re.compile(r"-?\d+(\.\d+)?")
NEWER_KEYS = {
    "nq": "aggTrade since 2026",
    "st": "product tag since 2026",
    "ps": "pair, also on USD-M frames since 2026",
    "ap": "moving average mark price since 2025",
    "bep": "break-even price since 2024",
    "lastUpdateId": "bookTicker of REST since 2024",
    "markPrice": "fundingRate since 2023",
    "time": "ticker times since 2020",
}
BUY = {"symbol": "BTCUSDT", "side": "BUY", "type": "MARKET", "quantity": "0.010"}
RESTING = BUY | {"type": "LIMIT", "price": "100000.0", "timeInForce": "GTC"}


def shape(value):
    if isinstance(value, dict):
        return {key: shape(item) for key, item in value.items()}
    if isinstance(value, list):
        return [shape(value[0])] if value else []
    if isinstance(value, str):
        return "number as text" if NUMBER.fullmatch(value) else "text"
    return type(value).__name__


def differences(recorded, ours, where=""):
    if isinstance(recorded, dict) and isinstance(ours, dict):
        missing = [f"{where}.{key} is missing" for key in recorded.keys() - ours.keys()]
        added = [f"{where}.{key} is new" for key in ours.keys() - recorded.keys() - NEWER_KEYS.keys()]
        inside = [
            text
            for key in recorded.keys() & ours.keys()
            for text in differences(recorded[key], ours[key], f"{where}.{key}")
        ]
        return missing + added + inside
    if isinstance(recorded, list) and isinstance(ours, list):
        return differences(recorded[0], ours[0], f"{where}[]") if recorded and ours else []
    return [] if recorded == ours else [f"{where}: {recorded} recorded, {ours} here"]


def unlike(recorded, ours, *, but=()):
    found = differences(shape(recorded), shape(ours))
    return [text for text in found if not any(word in text for word in but)]


def lines(name):
    path = FOLDER / name
    text = gzip.decompress(path.read_bytes()).decode() if path.suffix == ".gz" else path.read_text()
    return [json.loads(line) for line in text.splitlines()]


def a_simulator(**options):
    return VirtualSimulator(Options(symbols=("BTCUSDT", "ETHUSDT", "SOLUSDT"), **options))


REST = [
    ("/fapi/v1/aggTrades", "symbol=BTCUSDT&limit=5", "limit=5&symbol=BTCUSDT"),
    ("/fapi/v1/depth", "symbol=BTCUSDT&limit=100", "limit=100&symbol=BTCUSDT"),
    ("/fapi/v1/fundingRate", "symbol=BTCUSDT&limit=1", "limit=1&symbol=BTCUSDT"),
    ("/fapi/v1/klines", "symbol=BTCUSDT&interval=1d&limit=5", "interval=1d&limit=5&symbol=BTCUSDT"),
    ("/fapi/v1/premiumIndex", "symbol=BTCUSDT", "symbol=BTCUSDT"),
    ("/fapi/v1/ticker/bookTicker", "", ""),
    ("/fapi/v1/ticker/bookTicker", "symbol=BTCUSDT", "symbol=BTCUSDT"),
    ("/fapi/v1/ticker/price", "", ""),
    ("/fapi/v1/ticker/price", "symbol=BTCUSDT", "symbol=BTCUSDT"),
    ("/fapi/v1/time", "", ""),
]


@pytest.mark.parametrize(("path", "query", "recorded_query"), REST)
def test_public_answers(path, query, recorded_query):
    recorded = [
        row["response"]
        for row in lines("rest/fapi_recorded_public_responses.jsonl")
        if row["path"] == path and row["query"] == recorded_query
    ][-1]
    simulator = a_simulator()
    simulator.run(30_000)

    assert unlike(recorded, simulator.request("GET", path, query).json()) == []


def test_exchange_info():
    recorded = json.loads((FOLDER / "rest/fapi_v1_exchangeInfo_mainnet_2025-08-07_25symbols.json").read_text())
    ours = a_simulator().request("GET", "/fapi/v1/exchangeInfo").json()
    filters = [{row["filterType"]: sorted(row) for row in info["symbols"][0]["filters"]} for info in (recorded, ours)]

    assert unlike(recorded, ours, but=(".timezone is new", "underlyingSubType", ".filters[]")) == []
    assert {name: filters[1].get(name) for name in filters[0] if name != "MAX_NUM_ALGO_ORDERS"} == filters[1]


def market_frames():
    recorded = {}
    for line in lines("ws/fstream_combined_recording_2021-07-22.jsonl.gz"):
        message = json.loads(line["msg"]) if isinstance(line["msg"], str) else line["msg"]
        if message.get("data", {}).get("b") != [] and message.get("data", {}).get("a") != []:
            recorded.setdefault(message["data"]["e"], message)
    return recorded


def test_market_frames():
    recorded = market_frames()
    simulator = a_simulator()
    market = simulator.connect("/market/stream?streams=btcusdt@aggTrade/btcusdt@kline_1m")
    public = simulator.connect("/public/stream?streams=btcusdt@bookTicker/btcusdt@depth@100ms")
    simulator.run(10_000)
    ours = {}
    for frame in market.frames() + public.frames():
        ours.setdefault(frame["data"]["e"], frame)

    assert sorted(recorded) == ["aggTrade", "bookTicker", "depthUpdate", "kline"]
    for event, message in recorded.items():
        assert unlike(message, ours[event]) == [], event


def user_frames(simulator, act):
    key = simulator.call("POST", "/fapi/v1/listenKey").json()["listenKey"]
    line = simulator.connect(f"/private/ws/{key}")
    act()
    return line.frames()


def recorded_scenario(name):
    return [row["msg"] for row in lines("ws/lean_user_stream_order_lifecycles.jsonl") if row["scenario"] == name]


def in_kind(frames, event, field="x"):
    return {frame["o"][field]: frame for frame in frames if frame["e"] == event}


def test_order_updates():
    simulator = a_simulator()

    def act():
        simulator.call("POST", "/fapi/v1/order", **BUY)
        order = simulator.call("POST", "/fapi/v1/order", **RESTING).json()
        simulator.call("DELETE", "/fapi/v1/order", symbol="BTCUSDT", orderId=order["orderId"])

    ours = in_kind(user_frames(simulator, act), "ORDER_TRADE_UPDATE")

    for frame in recorded_scenario("MarketSubmittedFilled") + recorded_scenario("LimitSubmittedCancelled"):
        assert unlike(frame, ours[frame["o"]["x"]]) == []


def test_algo_updates_and_the_orders_born_from_them():
    simulator = a_simulator(speed=60)

    def act():
        simulator.call("POST", "/fapi/v1/order", **BUY)
        price = float(simulator.request("GET", "/fapi/v1/ticker/price", "symbol=BTCUSDT").json()["price"])
        stop = {"algoType": "CONDITIONAL", "symbol": "BTCUSDT", "side": "SELL", "type": "STOP_MARKET"}
        simulator.call("POST", "/fapi/v1/algoOrder", **stop, triggerPrice=f"{price * 0.9995:.1f}", quantity="0.010")
        far = simulator.call("POST", "/fapi/v1/algoOrder", **stop, triggerPrice="50000", quantity="0.010").json()
        simulator.call("DELETE", "/fapi/v1/algoOrder", algoId=far["algoId"])
        while simulator.call("GET", "/fapi/v1/openAlgoOrders").json():
            simulator.run(2_000)

    frames = user_frames(simulator, act)
    ours = in_kind(frames, "ALGO_UPDATE", "X")
    child = {frame["o"]["x"]: frame for frame in frames if frame["e"] == "ORDER_TRADE_UPDATE" and frame["o"]["si"]}

    recorded = recorded_scenario("StopMarketSubmitPartiallyFilledFilled") + recorded_scenario(
        "StopMarketSubmittedCanceled"
    )
    for frame in recorded:
        like = child[frame["o"]["x"]] if frame["e"] == "ORDER_TRADE_UPDATE" else ours[frame["o"]["X"]]
        assert unlike(frame, like, but=(".tp:", ".p:")) == [], frame


def test_account_updates():
    recorded = next(
        row["message"]
        for row in lines("ws/roq_wire_samples.jsonl")
        if isinstance(row["message"], dict)
        and row["message"].get("e") == "ACCOUNT_UPDATE"
        and "fs" not in row["message"]
        and row["message"]["a"]["P"]
    )
    simulator = a_simulator()
    frames = user_frames(simulator, lambda: simulator.call("POST", "/fapi/v1/order", **BUY))
    ours = next(frame for frame in frames if frame["e"] == "ACCOUNT_UPDATE")

    assert unlike(recorded, ours) == []


def recorded_api_answers():
    found = {}
    for row in lines("ws/roq_wire_samples.jsonl"):
        message = row["message"]
        if isinstance(message, dict) and "status" in message and "id" in message and "dapi" not in row["case"]:
            found.setdefault((row["file"].rsplit("/", 1)[-1], message["status"]), message)
    return found


def test_websocket_api_answers():
    simulator = a_simulator(full_order_answers=True)
    line = simulator.connect("/ws-fapi/v1")

    def ask(method, **params):
        params = {"apiKey": "demo-key", "timestamp": simulator.wall_ms, **params}
        payload = "&".join(f"{name}={params[name]}" for name in sorted(params))
        simulator.send(
            line, {"id": "x" * 36, "method": method, "params": {**params, "signature": simulator.sign(payload)}}
        )
        return line.frames()[-1]

    placed = ask("order.place", **RESTING)
    order_id = placed["result"]["orderId"]
    ours = {
        "place": placed,
        "cancel": ask("order.cancel", symbol="BTCUSDT", orderId=order_id),
        "balance": ask("account.balance"),
        "position": ask("account.position"),
        "status": ask("account.status"),
        "start": ask("userDataStream.start"),
        "failed": ask("order.cancel", symbol="BTCUSDT", orderId=order_id),
    }
    recorded = recorded_api_answers()
    compared = 0
    for (name, status), message in recorded.items():
        kind = "failed" if status != 200 else next((kind for kind in ours if kind in name), None)
        if kind is None or "rateLimits" not in message:
            continue
        compared += 1
        assert unlike(message, ours[kind], but=(".id", ".fee")) == [], name
    assert compared >= 5
