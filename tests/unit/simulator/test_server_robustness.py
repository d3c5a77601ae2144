"""No request, frame or option makes the exchange fall over: everything odd is answered with a refusal."""

import json
import random

import pytest

from simulator.server.options import Options
from simulator.server.rest import ENDPOINTS
from simulator.server.virtual import VirtualSimulator
from simulator.server.wsapi import METHODS

ODD = [
    "", "0", "-1", "1", "1.5", "1e5", "NaN", "Infinity", "9" * 20, "9" * 40, "true", "FALSE", "BTCUSDT", "btcusdt",
    "BUY", "SELL", "LIMIT", "MARKET", "STOP_MARKET", "GTC", "GTX", "GTD", "CONDITIONAL", "ISOLATED", "币安", "a" * 300,
    "'; DROP TABLE orders", "\x00", "%", "0.001", "0.01", "100000.0",
]  # fmt: skip
REASONABLE = {200, 400, 401, 404, 503}


def odd_params(draw, endpoint):
    names = [name for name in sorted(endpoint.known) if name in endpoint.mandatory or draw.random() < 0.4]
    params = {name: draw.choice(ODD) for name in names}
    if "symbol" in params and draw.random() < 0.9:
        params["symbol"] = "BTCUSDT"
    return params


def sane(simulator):
    return simulator.request("GET", "/fapi/v1/time").answered.status == 200


@pytest.mark.parametrize("seed", range(4))
def test_odd_parameters_are_answered_on_every_endpoint(seed):
    draw = random.Random(seed)
    simulator = VirtualSimulator(Options(symbols=("BTCUSDT",), speed=60, seed=seed))
    for _ in range(12):
        for (method, path), endpoint in ENDPOINTS.items():
            reply = simulator.call(method, path, **odd_params(draw, endpoint)).answered
            assert reply.status in REASONABLE | {429, 418}, (method, path, reply.body)
            json.loads(reply.body)
        simulator.run(20_000)
    simulator.run(120_000)

    assert sane(simulator)


def test_odd_messages_are_answered_on_the_websocket_api():
    draw = random.Random(7)
    simulator = VirtualSimulator()
    line = simulator.connect("/ws-fapi/v1")
    for method, endpoint in METHODS.items():
        for _ in range(20):
            params = odd_params(draw, endpoint) | {"apiKey": "demo-key", "timestamp": simulator.wall_ms}
            payload = "&".join(f"{name}={params[name]}" for name in sorted(params))
            simulator.send(
                line, {"id": None, "method": method, "params": {**params, "signature": simulator.sign(payload)}}
            )
            assert line.frames()[-1]["status"] in REASONABLE | {429, 418}
        simulator.run(5_000)


@pytest.mark.parametrize(
    "text", ["", "null", "[]", "{}", "1", '{"method": 1}', '{"method": "order.place", "params": []}', "[" * 100_000]
)
@pytest.mark.parametrize("target", ["/ws-fapi/v1", "/market/stream"])
def test_odd_frames_are_refused_and_the_connection_lives(target, text):
    simulator = VirtualSimulator()
    line = simulator.connect(target)
    simulator.send(line, text)

    assert "error" in line.frames()[0]
    assert line.ended is None


def test_odd_bodies_and_control_requests_are_refused():
    simulator = VirtualSimulator()
    headers = {"x-mbx-apikey": "demo-key"}

    assert simulator.request("POST", "/fapi/v1/order", "", b"\xff\xfe", headers).answered.status == 400
    for body in (b"", b"[", b"[" * 100_000, b"null", b'{"hold": "yes"}'):
        assert simulator.request("POST", "/sim/v1/clock", body=body).answered.status == 400
        assert simulator.request("POST", "/sim/v1/faults", body=body).answered.status == 400
    assert sane(simulator)


def test_a_plan_may_come_from_a_file(tmp_path):
    plan = tmp_path / "plan.json"
    plan.write_text('[{"match": {"kind": "rest", "path": "/fapi/v1/time", "nth": 2}, "action": {"status": 503}}]')
    simulator = VirtualSimulator(Options(symbols=("BTCUSDT",), faults=plan))

    statuses = [simulator.request("GET", "/fapi/v1/time").answered.status for _ in range(3)]

    assert statuses == [200, 503, 200]
