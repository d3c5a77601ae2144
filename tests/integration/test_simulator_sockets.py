"""What only real sockets show: resets, keep-alive, WebSocket close codes, and frames after a hold."""

import http.client
import json

import aiohttp
import pytest

from simulator.server.background import RunningSimulator
from simulator.server.options import Options


@pytest.fixture
def simulator():
    with RunningSimulator(Options(symbols=("BTCUSDT",), speed=60)) as running:
        yield running


def a_connection(simulator):
    return http.client.HTTPConnection(simulator.urls["rest"].removeprefix("http://"), timeout=5)


def get(connection, path):
    connection.request("GET", path)
    answer = connection.getresponse()
    return answer.status, json.loads(answer.read())


def test_one_connection_carries_many_requests(simulator):
    connection = a_connection(simulator)
    statuses = [get(connection, "/fapi/v1/time")[0] for _ in range(20)]
    connection.close()

    assert statuses == [200] * 20


@pytest.mark.parametrize(
    ("action", "failure"),
    [({"reset": "before"}, ConnectionResetError), ({"close": "after"}, http.client.RemoteDisconnected)],
)
def test_a_request_is_cut_by_reset_or_in_order(simulator, action, failure):
    simulator.add_faults({"match": {"kind": "rest", "path": "/fapi/v1/time", "nth": 1}, "action": action})
    connection = a_connection(simulator)

    with pytest.raises(failure):
        get(connection, "/fapi/v1/time")
    connection.close()
    fresh = a_connection(simulator)
    assert get(fresh, "/fapi/v1/time")[0] == 200
    fresh.close()


def test_a_delayed_answer_holds_up_nobody_else(simulator):
    simulator.add_faults({"match": {"kind": "rest", "path": "/fapi/v1/ping"}, "action": {"delay_after_ms": 300}})
    slow, quick = a_connection(simulator), a_connection(simulator)
    slow.request("GET", "/fapi/v1/ping")

    assert get(quick, "/fapi/v1/time")[0] == 200
    assert slow.getresponse().status == 200
    slow.close()
    quick.close()


def test_hold_ledger_and_journal_over_http(simulator):
    connection = a_connection(simulator)
    connection.request("POST", "/sim/v1/clock", body=b'{"hold": true}')
    held = json.loads(connection.getresponse().read())
    connection.request("GET", "/sim/v1/ledger")
    body = connection.getresponse().read()

    assert held == {"held_at_ms": held["held_at_ms"], "orders": 0, "fills": 0}
    assert body == simulator.ledger()
    assert get(connection, "/sim/v1/journal")[1]["entries"][-1]["kind"] == "hold"
    connection.close()


async def test_streams_flow_and_a_close_code_arrives(simulator):
    async with aiohttp.ClientSession() as session:
        address = f"{simulator.urls['streams']}/market/stream?streams=btcusdt@kline_1m"
        async with session.ws_connect(address) as line:
            first = json.loads((await line.receive(timeout=5)).data)
            simulator.add_faults({"match": {"kind": "open", "route": "market"}, "action": {"close": 1011}})
            while not line.closed:
                await line.receive(timeout=5)

    assert first["stream"] == "btcusdt@kline_1m"
    assert line.close_code == 1011


async def test_a_reset_stream_ends_without_a_close_frame(simulator):
    address = f"{simulator.urls['streams']}/market/stream"
    async with aiohttp.ClientSession() as session, session.ws_connect(address) as line:
        simulator.add_faults({"match": {"kind": "open"}, "action": {"reset": True}})
        await line.receive(timeout=5)

    assert line.close_code == 1006


async def test_pings_of_the_client_are_answered_and_a_clean_end_is_clean(simulator):
    address = f"{simulator.urls['streams']}/public/ws"
    async with aiohttp.ClientSession() as session, session.ws_connect(address, autoping=False) as line:
        await line.ping(b"hello")
        pong = await line.receive(timeout=5)

    assert (pong.type, bytes(pong.data)) == (aiohttp.WSMsgType.PONG, b"hello")
    assert line.close_code == 1000


async def test_refused_handshakes(simulator):
    simulator.add_faults(
        {"match": {"kind": "connect", "nth": 1}, "action": {"refuse": 503}},
        {"match": {"kind": "connect", "nth": 2, "times": 2}, "action": {"refuse": 0}},
    )
    async with aiohttp.ClientSession() as session:
        with pytest.raises(aiohttp.WSServerHandshakeError, match="503"):
            await session.ws_connect(f"{simulator.urls['streams']}/market/stream")
        with pytest.raises(aiohttp.ClientError):
            await session.ws_connect(f"{simulator.urls['streams']}/market/stream")
        line = await session.ws_connect(f"{simulator.urls['streams']}/market/stream")
        await line.close()


async def test_user_events_come_before_the_answer_of_a_hold(simulator):
    simulator.add_faults({"match": {"kind": "ws", "event": "ACCOUNT_CONFIG_UPDATE"}, "action": {"delay_ms": 60_000}})
    headers = {"X-MBX-APIKEY": simulator.options.api_key}
    async with aiohttp.ClientSession(headers=headers) as session:
        async with session.post(f"{simulator.urls['rest']}/fapi/v1/listenKey") as created:
            key = (await created.json())["listenKey"]
        async with session.ws_connect(f"{simulator.urls['streams']}/private/ws/{key}") as line:
            simulator.call(lambda server: server.exchange.set_leverage("BTCUSDT", 7))
            async with session.post(f"{simulator.urls['control']}/clock", json={"hold": True}) as held:
                assert held.status == 200
            event = await line.receive_json(timeout=1)

    assert event["ac"]["l"] == 7
