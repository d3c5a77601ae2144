"""The REST surface: candles, prices, orders by any id, settings, and refusals in the exchange's own words."""

import pytest

from simulator.server.options import Options
from simulator.server.rest import ENDPOINTS
from simulator.server.virtual import NOON_MS, VirtualSimulator

MINUTE_MS = 60_000
BUY = {"symbol": "BTCUSDT", "side": "BUY", "type": "MARKET", "quantity": "0.010"}
RESTING = {
    "symbol": "BTCUSDT",
    "side": "BUY",
    "type": "LIMIT",
    "timeInForce": "GTC",
    "quantity": "0.010",
    "price": "100000",
}
STOP = {
    "algoType": "CONDITIONAL",
    "symbol": "BTCUSDT",
    "side": "SELL",
    "type": "STOP_MARKET",
    "triggerPrice": "90000",
    "closePosition": "true",
}


def klines(simulator, **params):
    query = "&".join(f"{name}={value}" for name, value in params.items())
    return simulator.request("GET", "/fapi/v1/klines", f"symbol=BTCUSDT&{query}").json()


def place(simulator, **params):
    return simulator.call("POST", "/fapi/v1/order", **params).json()


def test_candles_reach_from_the_history_to_the_open_minute_without_a_hole():
    simulator = VirtualSimulator()
    simulator.run(5 * MINUTE_MS)

    rows = klines(simulator, interval="1m", limit=1_500)

    assert len(rows) == 1_500
    assert [row[0] for row in rows] == list(range(rows[0][0], rows[0][0] + 1_500 * MINUTE_MS, MINUTE_MS))
    assert rows[-1][0] == NOON_MS - 12 * 3_600_000 + 5 * MINUTE_MS


def test_longer_candles_are_made_of_the_minutes_they_span():
    simulator = VirtualSimulator()
    simulator.run(7 * MINUTE_MS)

    five = klines(simulator, interval="5m", limit=2)[0]
    ones = klines(simulator, interval="1m", startTime=five[0], endTime=five[6])

    assert len(ones) == 5
    assert five[1] == ones[0][1]
    assert five[4] == ones[-1][4]
    assert five[2] == max((row[2] for row in ones), key=float)
    assert five[8] == sum(row[8] for row in ones)


def test_a_window_with_a_start_gives_the_first_candles_of_it():
    simulator = VirtualSimulator()
    start = klines(simulator, interval="1m", limit=100)[0][0]

    rows = klines(simulator, interval="1m", startTime=start + 1, limit=3)

    assert [row[0] for row in rows] == [start + MINUTE_MS, start + 2 * MINUTE_MS, start + 3 * MINUTE_MS]


def test_months_and_weeks_begin_where_the_calendar_says():
    simulator = VirtualSimulator()

    assert klines(simulator, interval="1M", limit=1)[0][0] == 1_746_057_600_000
    assert klines(simulator, interval="1w", limit=1)[0][0] == 1_747_612_800_000


def test_acknowledged_market_order_says_new_and_result_says_filled():
    simulator = VirtualSimulator()

    acknowledged = place(simulator, **BUY)
    filled = place(simulator, **BUY, newOrderRespType="RESULT")

    assert (acknowledged["status"], acknowledged["executedQty"]) == ("NEW", "0.000")
    assert (filled["status"], filled["executedQty"]) == ("FILLED", "0.010")
    assert "avgPrice" not in filled


def test_fuller_order_answers_can_be_asked_for():
    simulator = VirtualSimulator(Options(full_order_answers=True))

    filled = place(simulator, **BUY, newOrderRespType="RESULT")

    assert filled["cumQuote"] != "0.00000"
    assert filled["avgPrice"] != "0.00"


def test_an_order_is_found_by_either_id_and_in_the_open_list_until_it_is_canceled():
    simulator = VirtualSimulator()
    order = place(simulator, **RESTING, newClientOrderId="mine-1")

    by_id = simulator.call("GET", "/fapi/v1/order", symbol="BTCUSDT", orderId=order["orderId"]).json()
    by_name = simulator.call("GET", "/fapi/v1/openOrder", symbol="BTCUSDT", origClientOrderId="mine-1").json()
    listed = simulator.call("GET", "/fapi/v1/openOrders").json()
    canceled = simulator.call("DELETE", "/fapi/v1/order", symbol="BTCUSDT", origClientOrderId="mine-1").json()

    assert by_id == by_name == listed[0]
    assert (by_id["status"], by_id["price"], by_id["avgPrice"]) == ("NEW", "100000.00", "0.00")
    assert canceled["status"] == "CANCELED"
    assert simulator.call("GET", "/fapi/v1/openOrders").json() == []


def test_conditional_orders_live_on_their_own_endpoints_only():
    simulator = VirtualSimulator()

    refused = place(simulator, symbol="BTCUSDT", side="SELL", type="STOP_MARKET", quantity="0.01", stopPrice="90000")
    algo = simulator.call("POST", "/fapi/v1/algoOrder", **STOP).json()
    listed = simulator.call("GET", "/fapi/v1/openAlgoOrders", symbol="BTCUSDT").json()

    assert refused["code"] == -4120
    assert (algo["algoStatus"], algo["closePosition"], algo["quantity"]) == ("NEW", True, "0.000")
    assert [row["algoId"] for row in listed] == [algo["algoId"]]
    assert simulator.call("GET", "/fapi/v1/openOrders").json() == []
    assert simulator.call("DELETE", "/fapi/v1/algoOrder", algoId=algo["algoId"]).json() == {
        "algoId": algo["algoId"],
        "clientAlgoId": algo["clientAlgoId"],
        "code": "200",
        "msg": "success",
    }


def test_settings_are_changed_and_read_back():
    simulator = VirtualSimulator()

    simulator.call("POST", "/fapi/v1/leverage", symbol="BTCUSDT", leverage=3)
    simulator.call("POST", "/fapi/v1/marginType", symbol="BTCUSDT", marginType="ISOLATED")
    again = simulator.call("POST", "/fapi/v1/marginType", symbol="BTCUSDT", marginType="ISOLATED").json()
    config = simulator.call("GET", "/fapi/v1/symbolConfig", symbol="BTCUSDT").json()[0]

    assert again["code"] == -4046
    assert (config["marginType"], config["leverage"]) == ("ISOLATED", 3)


def test_fills_positions_income_and_balance_tell_the_same_story():
    simulator = VirtualSimulator()
    place(simulator, **BUY)

    trades = simulator.call("GET", "/fapi/v1/userTrades", symbol="BTCUSDT").json()
    position = simulator.call("GET", "/fapi/v3/positionRisk").json()[0]
    rows = simulator.call("GET", "/fapi/v1/income", incomeType="COMMISSION").json()
    account = simulator.call("GET", "/fapi/v3/account").json()

    assert position["positionAmt"] == "0.010"
    assert sum(float(row["commission"]) for row in trades) == -sum(float(row["income"]) for row in rows)
    assert account["positions"][0]["symbol"] == "BTCUSDT"
    assert float(account["totalWalletBalance"]) < 10_000


def test_listen_keys_are_extended_not_multiplied():
    simulator = VirtualSimulator()
    first = simulator.call("POST", "/fapi/v1/listenKey").json()
    second = simulator.call("POST", "/fapi/v1/listenKey").json()
    kept = simulator.call("PUT", "/fapi/v1/listenKey").json()
    simulator.call("DELETE", "/fapi/v1/listenKey")

    assert first == second == kept
    assert simulator.call("PUT", "/fapi/v1/listenKey").json()["code"] == -1125
    assert simulator.call("POST", "/fapi/v1/listenKey").json() != first


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"symbol": "NOPEUSDT"}, -1121),
        ({"side": "HOLD"}, -1117),
        ({"type": "MAGIC"}, -1116),
        ({"timeInForce": "DAY"}, -1115),
        ({"quantity": "1e-2"}, -1100),
        ({"quantity": "0.0101"}, -1111),
        ({"price": "100000.123"}, -1111),
        ({"price": "100000.05"}, -4014),
        ({"quantity": ""}, -1102),
        ({"price": ""}, -1102),
        ({"newOrderRespType": "FULL"}, -1136),
        ({"sandwich": "ham"}, -1104),
        ({"positionSide": "LONG"}, -4061),
        ({"type": "MARKET"}, -1106),
        ({"newClientOrderId": "so many letters that nobody wants to read them all"}, -4015),
        ({"quantity": "0.001", "price": "50000.0", "side": "BUY"}, -4164),
    ],
)
def test_bad_orders_are_refused_in_the_exchanges_words(changes, code):
    assert place(VirtualSimulator(), **{**RESTING, **changes})["code"] == code


def test_what_is_not_offered_yet_is_refused_and_not_invented():
    simulator = VirtualSimulator()

    assert simulator.call("POST", "/fapi/v1/batchOrders", batchOrders="[]").json()["code"] == -1020
    amended = simulator.call("PUT", "/fapi/v1/order", **RESTING | {"orderId": 1} | {"type": ""})
    assert amended.json()["code"] in {-1020, -1104}
    assert simulator.call("POST", "/fapi/v1/positionSide/dual", dualSidePosition="true").json()["code"] == -1020


def test_unknown_paths_are_404_with_the_exchanges_error():
    reply = VirtualSimulator().request("GET", "/fapi/v1/nothing")

    assert reply.answered.status == 404
    assert reply.json() == {"code": -5000, "msg": "Path /fapi/v1/nothing, Method GET is invalid"}
    assert reply.answered.headers["Content-Type"] == "application/json"


@pytest.mark.parametrize(
    ("path", "query", "code"),
    [
        ("/fapi/v1/klines", "symbol=BTCUSDT&interval=7m", -1120),
        ("/fapi/v1/klines", "symbol=BTCUSDT&interval=1m&startTime=2&endTime=1", -1023),
        ("/fapi/v1/depth", "symbol=BTCUSDT&limit=7", -4021),
        ("/fapi/v1/premiumIndex", "symbol=NOPE", -1121),
    ],
)
def test_bad_market_requests_are_refused(path, query, code):
    assert VirtualSimulator().request("GET", path, query).json()["code"] == code


def test_every_public_endpoint_answers():
    simulator = VirtualSimulator(Options(symbols=("BTCUSDT", "ETHUSDT")))
    queries = {"/fapi/v1/klines": "symbol=BTCUSDT&interval=1m", "/fapi/v1/depth": "symbol=BTCUSDT&limit=5"}
    queries["/fapi/v1/aggTrades"] = "symbol=BTCUSDT"

    for (method, path), endpoint in ENDPOINTS.items():
        if endpoint.security.name == "NONE":
            assert simulator.request(method, path, queries.get(path, "")).answered.status == 200, path


def test_too_long_a_look_back_is_refused():
    week = 7 * 86_400_000
    reply = VirtualSimulator().call(
        "GET", "/fapi/v1/userTrades", symbol="BTCUSDT", startTime=NOON_MS - week - 2, endTime=NOON_MS
    )

    assert reply.json()["code"] == -1127
