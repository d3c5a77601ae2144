"""Request weight, order counts, their headers, and the way from 429 to 418."""

from simulator.server.limits import Limits, Window
from simulator.server.options import Options
from simulator.server.virtual import VirtualSimulator

SLOW = Options(symbols=("BTCUSDT",), speed=0.01)
KLINES = "symbol=BTCUSDT&interval=1m&limit=1500"


def test_window_starts_anew_with_each_whole_interval():
    window = Window(60_000, 10)
    window.use(7, 119_999)

    assert window.count(119_999) == 7
    assert window.count(120_000) == 0
    assert window.seconds_left(119_999) == 1


def test_limits_are_those_of_the_exchange_info_in_use():
    limits = Limits([{"rateLimitType": "REQUEST_WEIGHT", "interval": "MINUTE", "intervalNum": 1, "limit": 6000}])

    assert limits.weight.limit == 6000
    assert limits.orders_10s.limit == 300


def test_every_answer_tells_the_used_weight():
    simulator = VirtualSimulator()
    simulator.request("GET", "/fapi/v1/klines", KLINES)

    headers = simulator.request("GET", "/fapi/v1/time").answered.headers

    assert headers["X-MBX-USED-WEIGHT-1M"] == "11"
    assert "X-MBX-ORDER-COUNT-1M" not in headers


def test_order_answers_tell_the_order_counts():
    simulator = VirtualSimulator()

    reply = simulator.call("POST", "/fapi/v1/order", symbol="BTCUSDT", side="BUY", type="MARKET", quantity="0.010")

    assert reply.answered.headers["X-MBX-ORDER-COUNT-10S"] == "1"
    assert reply.answered.headers["X-MBX-ORDER-COUNT-1M"] == "1"


def test_too_much_weight_is_429_and_not_listening_is_418_until_the_ban_is_over():
    simulator = VirtualSimulator(SLOW)
    for _ in range(120):
        simulator.request("GET", "/fapi/v1/depth", "symbol=BTCUSDT&limit=1000")

    refused = [simulator.request("GET", "/fapi/v1/time").answered for _ in range(11)]
    simulator.run(119_999)
    banned = simulator.request("GET", "/fapi/v1/time").answered
    simulator.run(1)

    assert [reply.status for reply in refused] == [429] * 10 + [418]
    assert refused[0].headers["Retry-After"] == "60"
    assert b"-1003" in refused[0].body
    assert (banned.status, banned.headers["Retry-After"]) == (418, "1")
    assert simulator.request("GET", "/fapi/v1/time").answered.status == 200


def test_the_301st_order_within_ten_seconds_is_refused():
    simulator = VirtualSimulator()
    order = {"symbol": "BTCUSDT", "side": "BUY", "type": "LIMIT", "timeInForce": "GTC", "quantity": "0"}
    for _ in range(300):
        simulator.call("POST", "/fapi/v1/order", **order, price="1")

    refused = simulator.call("POST", "/fapi/v1/order", **order, price="1")
    simulator.run(10_000)
    later = simulator.call("POST", "/fapi/v1/order", **order, price="1")

    assert refused.answered.status == 429
    assert refused.json()["code"] == -1015
    assert later.json()["code"] != -1015


def test_funding_history_has_a_pool_of_its_own():
    simulator = VirtualSimulator()

    statuses = [simulator.request("GET", "/fapi/v1/fundingRate", "limit=1").answered.status for _ in range(501)]

    assert statuses == [200] * 500 + [429]
    assert simulator.request("GET", "/fapi/v1/time").answered.status == 200
