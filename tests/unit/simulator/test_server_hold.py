"""The cut of the canonical ledger: a held market stands still, answers what it received, and is read in peace."""

import json

from simulator.server.options import Options
from simulator.server.virtual import VirtualSimulator

BUY = {"symbol": "BTCUSDT", "side": "BUY", "type": "MARKET", "quantity": "0.010"}


def hold(simulator, *, on=True):
    return simulator.request("POST", "/sim/v1/clock", body=json.dumps({"hold": on}).encode()).json()


def test_a_held_market_stands_still_and_goes_on_where_it_stood():
    simulator = VirtualSimulator()
    line = simulator.connect("/market/ws/btcusdt@kline_1m")
    simulator.run(90_000)
    held = hold(simulator)
    line.frames()
    simulator.run(300_000)
    assert line.texts == []
    assert simulator.server.exchange.now_ms == held["held_at_ms"]

    hold(simulator, on=False)
    simulator.run(1_000)

    assert simulator.server.exchange.now_ms == held["held_at_ms"] + 1_000
    assert line.texts


def test_holding_counts_orders_and_fills():
    simulator = VirtualSimulator()
    simulator.call("POST", "/fapi/v1/order", **BUY)
    fills = len(simulator.call("GET", "/fapi/v1/userTrades", symbol="BTCUSDT").json())

    held = hold(simulator)

    assert (held["orders"], held["fills"]) == (1, fills)


def test_orders_and_cancels_of_a_held_market_answer_503_and_reads_work():
    simulator = VirtualSimulator()
    order = simulator.call(
        "POST", "/fapi/v1/order", **BUY | {"type": "LIMIT", "price": "100000", "timeInForce": "GTC"}
    ).json()
    hold(simulator)

    placed = simulator.call("POST", "/fapi/v1/order", **BUY)
    canceled = simulator.call("DELETE", "/fapi/v1/order", symbol="BTCUSDT", orderId=order["orderId"])

    assert (placed.answered.status, placed.json()["msg"]) == (503, "Service Unavailable.")
    assert canceled.answered.status == 503
    assert simulator.call("GET", "/fapi/v1/openOrders").json()[0]["orderId"] == order["orderId"]


def test_holding_first_answers_what_was_received_and_sends_what_waits():
    simulator = VirtualSimulator()
    line = simulator.connect("/private/ws/" + simulator.call("POST", "/fapi/v1/listenKey").json()["listenKey"])
    faults = [
        {"match": {"kind": "rest", "path": "/fapi/v1/order"}, "action": {"delay_before_ms": 5_000}},
        {"match": {"kind": "ws", "event": "ACCOUNT_UPDATE"}, "action": {"delay_ms": 60_000}},
    ]
    simulator.request("POST", "/sim/v1/faults", body=json.dumps(faults).encode())
    slow = simulator.call("POST", "/fapi/v1/order", **BUY)
    assert slow.reply is None

    held = hold(simulator)

    assert held["orders"] == 1
    assert slow.answered.status == 200
    assert "ACCOUNT_UPDATE" in {frame["e"] for frame in line.frames()}


def test_the_ledger_is_canonical_bytes():
    simulator = VirtualSimulator()
    simulator.call("POST", "/fapi/v1/order", **BUY)
    hold(simulator)

    body = simulator.request("GET", "/sim/v1/ledger").answered.body
    books = json.loads(body)

    assert body == (json.dumps(books, sort_keys=True, separators=(",", ":"), ensure_ascii=False) + "\n").encode()
    assert books["schema"] == "act-ledger/1"
    assert len(books["orders"]) == 1


def test_the_journal_tells_requests_events_and_frames_but_no_secret():
    simulator = VirtualSimulator(Options(symbols=("BTCUSDT",)))
    key = simulator.call("POST", "/fapi/v1/listenKey").json()["listenKey"]
    simulator.connect(f"/private/ws/{key}")
    simulator.connect("/market/ws/btcusdt@kline_1m")
    simulator.call("POST", "/fapi/v1/order", **BUY)
    simulator.run(2_000)

    page = simulator.request("GET", "/sim/v1/journal").json()
    rest = simulator.request("GET", "/sim/v1/journal", f"since={page['next']}")

    assert {entry["kind"] for entry in page["entries"]} >= {"rest", "connect", "user_event"}
    assert page["frames"]["kline"] > 0
    assert key not in str(page)
    assert "signature" not in str(page)
    assert rest.json()["entries"] == []


def test_the_same_seed_and_calls_give_the_same_frames():
    def frames():
        simulator = VirtualSimulator(Options(symbols=("BTCUSDT", "ETHUSDT"), seed=5, speed=60))
        key = simulator.call("POST", "/fapi/v1/listenKey").json()["listenKey"]
        lines = [
            simulator.connect(f"/private/ws/{key}"),
            simulator.connect("/market/ws/btcusdt@kline_1m/ethusdt@aggTrade"),
        ]
        simulator.run(3_000)
        simulator.call("POST", "/fapi/v1/order", **BUY)
        simulator.run(3_000)
        return [line.texts for line in lines]

    assert frames() == frames()


def test_unknown_control_endpoints_and_bad_orders_are_refused():
    simulator = VirtualSimulator()

    assert simulator.request("GET", "/sim/v1/nothing").answered.status == 404
    assert simulator.request("POST", "/sim/v1/clock", body=b'{"stop": true}').answered.status == 400
