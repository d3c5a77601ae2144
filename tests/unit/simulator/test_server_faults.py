"""Faults as data, on REST, WebSocket API and frames: late, lost, twice, out of order, changed, cut, silent."""

import json

import pytest

from simulator.faults import FaultError, FaultPlan, parse_plan
from simulator.server.options import Options
from simulator.server.virtual import VirtualSimulator

BUY = {"symbol": "BTCUSDT", "side": "BUY", "type": "MARKET", "quantity": "0.010"}
ORDER = {"kind": "rest", "method": "POST", "path": "/fapi/v1/order"}


def a_simulator(*faults):
    simulator = VirtualSimulator(Options(symbols=("BTCUSDT",)))
    load(simulator, *faults)
    return simulator


def load(simulator, *faults):
    reply = simulator.request("POST", "/sim/v1/faults", body=json.dumps(faults).encode())
    assert reply.answered.status == 200, reply.answered.body


def a_fault(match, **action):
    return {"match": match, "action": action}


def buy(simulator, **params):
    return simulator.call("POST", "/fapi/v1/order", **{**BUY, **params})


def a_user_line(simulator):
    return simulator.connect("/private/ws/" + simulator.call("POST", "/fapi/v1/listenKey").json()["listenKey"])


def orders_of(simulator):
    return simulator.call("GET", "/fapi/v1/allOrders", symbol="BTCUSDT").json()


def fired(match, number, seed=1):
    plan = FaultPlan(seed, parse_plan(json.dumps([a_fault(match, drop=True)]).encode()))
    return [plan.rest("POST", "/fapi/v1/order", {}) is not None for _ in range(number)]


def test_how_often_is_said_by_nth_every_times_and_probability():
    rest = {"kind": "rest"}

    assert fired(rest, 3) == [True, True, True]
    assert fired(rest | {"nth": 2}, 4) == [False, True, False, False]
    assert fired(rest | {"every": 3}, 6) == [False, False, True, False, False, True]
    assert fired(rest | {"every": 3, "nth": 1}, 5) == [True, False, False, True, False]
    assert fired(rest | {"times": 2}, 4) == [True, True, False, False]
    assert fired(rest | {"nth": 2, "times": 2}, 4) == [False, True, True, False]
    half = fired(rest | {"probability": 0.5}, 200)
    assert 60 < sum(half) < 140
    assert half == fired(rest | {"probability": 0.5}, 200)


def test_a_plan_with_an_unknown_key_says_so():
    with pytest.raises(FaultError, match="fault plan not understood"):
        parse_plan(b'[{"match": {"kind": "rest"}, "action": {"explode": true}}]')


def test_a_bad_plan_is_refused_by_the_endpoint_and_changes_nothing():
    simulator = a_simulator()

    assert simulator.request("POST", "/sim/v1/faults", body=b"[{]").answered.status == 400
    assert simulator.request("GET", "/sim/v1/faults").json() == []


def test_an_executed_order_may_be_answered_with_503():
    simulator = a_simulator(a_fault(ORDER, status=503, body={"code": -1007, "msg": "Timeout"}))

    reply = buy(simulator)

    assert (reply.answered.status, reply.json()["code"]) == (503, -1007)
    assert len(orders_of(simulator)) == 1


def test_an_order_may_be_refused_without_being_executed():
    simulator = a_simulator(a_fault(ORDER | {"every": 2}, process=False, status=503, body="<html>down</html>"))

    replies = [buy(simulator).answered for _ in range(4)]

    assert [reply.status for reply in replies] == [200, 503, 200, 503]
    assert replies[1].headers["Content-Type"] == "text/html"
    assert len(orders_of(simulator)) == 2


def test_half_of_the_failed_orders_are_executed():
    simulator = a_simulator(a_fault(ORDER, process=0.5, status=503, body={"code": -1001, "msg": "?"}))
    for _ in range(40):
        buy(simulator)

    assert 8 < len(orders_of(simulator)) < 32


def test_a_lost_request_gets_no_answer_at_all():
    simulator = a_simulator(a_fault(ORDER, process=False))
    reply = buy(simulator)
    simulator.run(60_000)

    assert reply.reply is None
    assert orders_of(simulator) == []


def test_delays_before_and_after_the_execution():
    simulator = a_simulator(a_fault(ORDER, delay_before_ms=300, delay_after_ms=200))
    line = a_user_line(simulator)
    reply = buy(simulator)
    simulator.run(299)
    assert line.texts == []

    simulator.run(1)
    assert line.texts != []
    assert reply.reply is None

    simulator.run(200)
    assert reply.answered.status == 200


@pytest.mark.parametrize(("when", "orders"), [("before", 0), ("after", 1)])
def test_a_reset_before_or_after_the_execution(when, orders):
    simulator = a_simulator(a_fault(ORDER | {"times": 1}, reset=when))

    reply = buy(simulator)

    assert reply.ended
    assert len(orders_of(simulator)) == orders


def test_matching_by_parameter():
    simulator = a_simulator(a_fault(ORDER | {"params": {"side": "SELL"}}, status=500, body=""))

    assert buy(simulator).answered.status == 200
    assert buy(simulator, side="SELL").answered.status == 500


def test_websocket_api_requests_fail_the_same_way():
    simulator = a_simulator(
        a_fault(
            {"kind": "wsapi", "method": "ticker.price", "nth": 1},
            status=503,
            body={"code": -1008, "msg": "throttled"},
        ),
        a_fault({"kind": "wsapi", "method": "ticker.price", "nth": 2}, reset="after"),
    )
    line = simulator.connect("/ws-fapi/v1")
    simulator.send(line, {"id": 1, "method": "ticker.price", "params": {}})
    simulator.send(line, {"id": 2, "method": "ticker.price", "params": {}})

    assert line.frames() == [{"id": 1, "status": 503, "error": {"code": -1008, "msg": "throttled"}}]
    assert line.ended == 0


def order_frames(simulator, action, **match):
    line = a_user_line(simulator)
    load(simulator, a_fault({"kind": "ws", "event": "ORDER_TRADE_UPDATE", **match}, **action))
    return line


def states(line):
    return [frame["o"]["x"] for frame in line.frames() if frame["e"] == "ORDER_TRADE_UPDATE"]


def test_dropped_duplicated_and_delayed_frames():
    simulator = a_simulator()
    line = order_frames(simulator, {"drop": True}, fields={"o.x": "NEW"})
    buy(simulator)
    assert "NEW" not in states(line)

    simulator.server.clear_faults()
    load(simulator, a_fault({"kind": "ws", "fields": {"o.x": "NEW"}}, duplicate=2))
    buy(simulator)
    assert states(line).count("NEW") == 3

    simulator.server.clear_faults()
    load(simulator, a_fault({"kind": "ws", "fields": {"o.x": "NEW"}}, delay_ms=4_000))
    buy(simulator)
    assert "NEW" not in states(line)
    simulator.run(4_000)
    assert states(line) == ["NEW"]


def test_reordered_frames_all_arrive():
    simulator = a_simulator()
    line = order_frames(simulator, {"reorder": 4}, stream="user")
    for _ in range(6):
        buy(simulator)
    simulator.run(2_000)
    ids = [frame["o"]["i"] for frame in line.frames() if frame["e"] == "ORDER_TRADE_UPDATE"]

    assert len(set(ids)) == 6
    assert len(ids) >= 12


def test_mutated_injected_and_replaced_frames():
    simulator = a_simulator(
        a_fault({"kind": "ws", "event": "kline", "nth": 1}, mutate={"k.v": "12345"}, remove=["E"]),
        a_fault({"kind": "ws", "event": "kline", "nth": 2}, text="not json"),
        a_fault({"kind": "ws", "event": "kline", "nth": 3}, inject=[{"e": "strange"}, "raw"]),
    )
    line = simulator.connect("/market/ws/btcusdt@kline_1m")
    simulator.run(10_000)

    assert json.loads(line.texts[0])["k"]["v"] == "12345"
    assert "E" not in json.loads(line.texts[0])
    assert line.texts[1] == "not json"
    assert line.texts[3:5] == ['{"e":"strange"}', "raw"]


def test_one_connection_is_closed_reset_or_silent():
    simulator = a_simulator(a_fault({"kind": "ws", "route": "market", "nth": 2}, close=1006 + 5))
    line = simulator.connect("/market/ws/btcusdt@kline_1m")
    other = simulator.connect("/public/ws/btcusdt@bookTicker")
    simulator.run(5_000)
    assert (line.ended, other.ended) == (1011, None)

    load(simulator, a_fault({"kind": "open", "route": "public"}, silent={"ms": 3_000, "pings": False}))
    other.frames()
    simulator.run(2_900)
    assert other.texts == []
    simulator.run(5_000)
    assert other.texts != []

    load(simulator, a_fault({"kind": "open"}, reset=True))
    assert other.ended == 0


def test_handshakes_are_refused_so_often():
    simulator = a_simulator(
        a_fault({"kind": "connect", "route": "market", "times": 1}, refuse=503),
        a_fault({"kind": "connect", "route": "market", "nth": 2}, refuse=0),
        a_fault({"kind": "connect", "route": "market", "nth": 3}, drop_after_ms=500),
    )
    lines = [simulator.connect("/market/stream") for _ in range(4)]
    simulator.run(500)

    assert [line.ended for line in lines] == [503, 0, 0, None]


def test_the_listen_key_is_ended_by_a_fault():
    simulator = a_simulator()
    line = a_user_line(simulator)
    load(simulator, a_fault({"kind": "open", "route": "none"}, expire_listen_key=True))
    buy(simulator)

    assert [frame["e"] for frame in line.frames()] == ["listenKeyExpired"]


def test_cleared_faults_are_gone():
    simulator = a_simulator(a_fault(ORDER, status=503))

    assert simulator.request("DELETE", "/sim/v1/faults").json() == {"loaded": 0}
    assert buy(simulator).answered.status == 200


def test_the_journal_knows_which_requests_were_hit():
    simulator = a_simulator(a_fault(ORDER | {"nth": 2}, status=503))
    buy(simulator)
    buy(simulator)

    hit = [entry.get("fault") for entry in simulator.request("GET", "/sim/v1/journal").json()["entries"]]

    assert hit.count(True) == 1


def account(**action):
    return a_fault({"kind": "account"}, **action)


def test_a_person_trades_moves_money_and_the_exchange_acts_beside_the_client():
    simulator = a_simulator()
    line = a_user_line(simulator)
    load(simulator, account(request={"method": "POST", "path": "/fapi/v1/order", "params": BUY}))
    load(simulator, account(transfer={"asset": "USDT", "amount": "-2500"}))
    load(simulator, account(fund="BTCUSDT"), account(liquidate="BTCUSDT"))
    told = line.frames()
    books = simulator.request("GET", "/sim/v1/ledger").json()

    assert {"ORDER", "WITHDRAW", "FUNDING_FEE"} <= {frame["a"]["m"] for frame in told if frame["e"] == "ACCOUNT_UPDATE"}
    assert any(order["client_order_id"].startswith("autoclose-") for order in books["orders"])
    assert books["positions"] == []
    assert "-2500" in [row["amount"] for row in books["transfers"]]


def test_a_contract_is_funded_once_a_minute_at_most():
    simulator = a_simulator()
    before = len(simulator.request("GET", "/fapi/v1/fundingRate").json())
    for times in (2, 1):
        simulator.run(60_000)
        for _ in range(times):
            load(simulator, account(fund="BTCUSDT"))

    settled = [row["fundingTime"] for row in simulator.request("GET", "/fapi/v1/fundingRate").json()[before:]]

    assert len(settled) == 2
    assert settled[1] - settled[0] == 60_000


def test_the_exchange_changes_a_symbols_rules_at_a_set_time():
    simulator = a_simulator()
    changes = {"symbol": "BTCUSDT", "filters": [{"filterType": "LOT_SIZE", "stepSize": "0.010", "minQty": "0.010"}]}
    load(simulator, a_fault({"kind": "account", "after_ms": 2_000}, symbol=changes))
    resting = {"type": "LIMIT", "timeInForce": "GTC", "price": "100000", "quantity": "0.015"}

    before = buy(simulator, **resting)
    simulator.run(2_000)
    after = buy(simulator, **resting)
    info = simulator.request("GET", "/fapi/v1/exchangeInfo").json()["symbols"][0]

    assert before.answered.status == 200
    assert after.json()["code"] == -4023
    assert {rule["filterType"]: rule for rule in info["filters"]}["LOT_SIZE"]["maxQty"] == "1000"


def test_what_is_refused_to_a_person_is_journaled():
    simulator = a_simulator()
    load(simulator, account(request={"method": "POST", "path": "/fapi/v1/order", "params": BUY | {"side": "UP"}}))

    entry = simulator.request("GET", "/sim/v1/journal").json()["entries"][-1]

    assert entry["answer"] == {"code": -1117, "msg": "Invalid side."}


def test_what_is_planned_for_later_does_not_hurry_for_a_hold():
    simulator = a_simulator()
    line = a_user_line(simulator)
    load(simulator, a_fault({"kind": "open", "after_ms": 5_000}, reset=True))
    simulator.request("POST", "/sim/v1/clock", body=b'{"hold": true}')
    assert line.ended is None

    simulator.run(5_000)

    assert line.ended == 0
