"""The WebSocket API: the answers of REST under other names, sessions for Ed25519 keys, errors with their limits."""

import base64

from Crypto.PublicKey import ECC
from Crypto.Signature import eddsa

from simulator.server.options import Options
from simulator.server.virtual import NOON_MS, VirtualSimulator


def signed(simulator, **params):
    params = {"apiKey": "demo-key", "timestamp": simulator.wall_ms, **params}
    payload = "&".join(f"{name}={params[name]}" for name in sorted(params))
    return {**params, "signature": simulator.sign(payload)}


def ask(simulator, line, method, params, ident="1"):
    simulator.send(line, {"id": ident, "method": method, "params": params})
    return line.frames()[-1]


def test_an_order_is_placed_queried_and_canceled():
    simulator = VirtualSimulator()
    line = simulator.connect("/ws-fapi/v1")
    placed = ask(
        simulator,
        line,
        "order.place",
        signed(
            simulator, symbol="BTCUSDT", side="BUY", type="LIMIT", timeInForce="GTC", quantity="0.010", price="100000"
        ),
        ident=7,
    )
    order_id = placed["result"]["orderId"]
    status = ask(simulator, line, "order.status", signed(simulator, symbol="BTCUSDT", orderId=str(order_id)))
    canceled = ask(simulator, line, "order.cancel", signed(simulator, symbol="BTCUSDT", orderId=order_id))
    again = ask(simulator, line, "order.cancel", signed(simulator, symbol="BTCUSDT", orderId=order_id))

    assert (placed["id"], placed["status"]) == (7, 200)
    assert [row["rateLimitType"] for row in placed["rateLimits"]] == ["REQUEST_WEIGHT", "ORDERS", "ORDERS"]
    assert status["result"]["status"] == "NEW"
    assert canceled["result"]["status"] == "CANCELED"
    assert (again["status"], again["error"]["code"]) == (400, -2011)
    assert "rateLimits" in again


def test_limits_are_left_out_on_request():
    simulator = VirtualSimulator()
    line = simulator.connect("/ws-fapi/v1?returnRateLimits=false")

    assert "rateLimits" not in ask(simulator, line, "ticker.price", {"symbol": "BTCUSDT"})


def test_account_answers_are_those_of_rest():
    simulator = VirtualSimulator()
    line = simulator.connect("/ws-fapi/v1")

    for method, path in (
        ("v2/account.balance", "/fapi/v3/balance"),
        ("v2/account.status", "/fapi/v3/account"),
        ("v2/account.position", "/fapi/v3/positionRisk"),
        ("account.position", "/fapi/v2/positionRisk"),
    ):
        assert ask(simulator, line, method, signed(simulator))["result"] == simulator.call("GET", path).json()


def test_wrong_signatures_keys_and_methods_are_refused():
    simulator = VirtualSimulator()
    line = simulator.connect("/ws-fapi/v1")
    forged = {**signed(simulator), "signature": "00"}

    assert ask(simulator, line, "account.status", forged)["error"]["code"] == -1022
    assert ask(simulator, line, "account.status", signed(simulator, apiKey="other"))["status"] == 401
    assert ask(simulator, line, "account.dance", {})["error"]["code"] == -1000
    simulator.send(line, "no json")
    assert line.frames()[0] == {"id": None, "status": 400, "error": {"code": -1000, "msg": "Invalid JSON request."}}


def test_hmac_keys_cannot_log_on():
    simulator = VirtualSimulator()
    line = simulator.connect("/ws-fapi/v1")

    assert ask(simulator, line, "session.logon", signed(simulator))["error"]["code"] == -4056


def test_after_an_ed25519_logon_neither_key_nor_signature_is_needed():
    key = ECC.generate(curve="Ed25519")
    simulator = VirtualSimulator(Options(api_secret=key.export_key(format="PEM")))
    line = simulator.connect("/ws-fapi/v1")
    payload = f"apiKey=demo-key&timestamp={NOON_MS}"
    signature = base64.b64encode(eddsa.new(key, "rfc8032").sign(payload.encode())).decode()

    before = ask(simulator, line, "account.status", {"timestamp": NOON_MS})
    logon = ask(simulator, line, "session.logon", {"apiKey": "demo-key", "timestamp": NOON_MS, "signature": signature})
    after = ask(simulator, line, "account.status", {"timestamp": NOON_MS})
    ask(simulator, line, "session.logout", {})
    later = ask(simulator, line, "session.status", {})

    assert before["status"] == 401
    assert logon["result"]["apiKey"] == "demo-key"
    assert after["status"] == 200
    assert later["result"]["apiKey"] is None


def test_listen_keys_are_managed_here_too_and_are_the_same():
    simulator = VirtualSimulator()
    line = simulator.connect("/ws-fapi/v1")

    started = ask(simulator, line, "userDataStream.start", {"apiKey": "demo-key"})["result"]

    assert started == simulator.call("POST", "/fapi/v1/listenKey").json()
    assert ask(simulator, line, "userDataStream.stop", {"apiKey": "demo-key"})["result"] == {}
    assert ask(simulator, line, "userDataStream.ping", {"apiKey": "demo-key"})["error"]["code"] == -1125


def test_a_stop_is_placed_and_canceled():
    simulator = VirtualSimulator()
    line = simulator.connect("/ws-fapi/v1")
    placed = ask(
        simulator,
        line,
        "algoOrder.place",
        signed(
            simulator,
            algoType="CONDITIONAL",
            symbol="BTCUSDT",
            side="SELL",
            type="STOP_MARKET",
            triggerPrice="90000",
            closePosition="true",
        ),
    )

    canceled = ask(simulator, line, "algoOrder.cancel", signed(simulator, algoId=placed["result"]["algoId"]))

    assert canceled["result"]["msg"] == "success"
