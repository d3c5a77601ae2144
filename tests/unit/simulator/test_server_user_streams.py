"""User data: every connect form, order of events, what a stop looks like, keys that end."""

from simulator.server.options import Options
from simulator.server.virtual import VirtualSimulator

SLOW = Options(symbols=("BTCUSDT",), speed=0.01)
BUY = {"symbol": "BTCUSDT", "side": "BUY", "type": "MARKET", "quantity": "0.010"}


def a_key(simulator):
    return simulator.call("POST", "/fapi/v1/listenKey").json()["listenKey"]


def buy(simulator):
    return simulator.call("POST", "/fapi/v1/order", **BUY)


def names(frames):
    return [frame["e"] for frame in frames]


def test_raw_form_by_path_gives_every_event_without_an_envelope():
    simulator = VirtualSimulator()
    line = simulator.connect(f"/private/ws/{a_key(simulator)}")
    buy(simulator)

    assert {"ORDER_TRADE_UPDATE", "TRADE_LITE", "ACCOUNT_UPDATE"} == set(names(line.frames()))


def test_raw_form_by_query_gives_the_events_asked_for():
    simulator = VirtualSimulator()
    line = simulator.connect(f"/private/ws?listenKey={a_key(simulator)}&events=ORDER_TRADE_UPDATE/ALGO_UPDATE")
    buy(simulator)

    assert set(names(line.frames())) == {"ORDER_TRADE_UPDATE"}


def test_combined_form_with_events_names_key_and_event():
    simulator = VirtualSimulator()
    key = a_key(simulator)
    line = simulator.connect(f"/private/stream?listenKey={key}&events=ACCOUNT_UPDATE&listenKey={key}&events=TRADE_LITE")
    simulator.send(line, {"method": "LIST_SUBSCRIPTIONS", "id": 1})
    buy(simulator)
    listed, *frames = line.frames()

    assert listed["result"] == [f"{key}@ACCOUNT_UPDATE", f"{key}@TRADE_LITE"]
    assert {frame["stream"] for frame in frames} == {f"{key}@ACCOUNT_UPDATE", f"{key}@TRADE_LITE"}


def test_subscribing_the_key_names_the_key_alone():
    simulator = VirtualSimulator()
    key = a_key(simulator)
    line = simulator.connect("/private/stream")
    simulator.send(line, {"method": "SUBSCRIBE", "params": [key], "id": 1})
    buy(simulator)

    assert {frame["stream"] for frame in line.frames()[1:]} == {key}


def test_a_key_on_another_route_and_a_wrong_key_stay_silent():
    simulator = VirtualSimulator()
    key = a_key(simulator)
    lines = [simulator.connect(target) for target in (f"/market/ws/{key}", f"/ws/{key}", "/private/ws/nonsense")]
    buy(simulator)

    assert [line.texts for line in lines] == [[], [], []]


def test_a_market_order_is_told_as_new_then_fills_each_after_its_lite_form():
    simulator = VirtualSimulator()
    line = simulator.connect(f"/private/ws/{a_key(simulator)}")
    buy(simulator)
    frames = line.frames()
    orders = [frame["o"] for frame in frames if frame["e"] == "ORDER_TRADE_UPDATE"]

    assert (orders[0]["x"], orders[0]["X"], orders[0]["t"]) == ("NEW", "NEW", 0)
    assert orders[-1]["X"] == "FILLED"
    assert all(order["x"] == "TRADE" for order in orders[1:])
    for index, frame in enumerate(frames):
        if frame["e"] == "TRADE_LITE":
            assert frames[index + 1]["o"]["t"] == frame["t"]


def test_a_fired_stop_carries_its_algo_order_and_comes_before_triggered():
    simulator = VirtualSimulator(Options(symbols=("BTCUSDT",), speed=60))
    line = simulator.connect(f"/private/ws/{a_key(simulator)}")
    buy(simulator)
    price = float(simulator.request("GET", "/fapi/v1/ticker/price", "symbol=BTCUSDT").json()["price"])
    stop = simulator.call(
        "POST",
        "/fapi/v1/algoOrder",
        algoType="CONDITIONAL",
        symbol="BTCUSDT",
        side="SELL",
        type="STOP_MARKET",
        triggerPrice=f"{price * 0.9995:.1f}",
        closePosition="true",
    ).json()
    line.frames()
    while not line.texts:
        simulator.run(1_000)
    simulator.run(1_000)
    frames = line.frames()
    child = next(frame["o"] for frame in frames if frame["e"] == "ORDER_TRADE_UPDATE")
    told = [
        frame["o"]["X"] if frame["e"] == "ALGO_UPDATE" else frame["o"]["x"]
        for frame in frames
        if frame["e"] in {"ALGO_UPDATE", "ORDER_TRADE_UPDATE"}
    ]

    assert (child["si"], child["c"], child["st"]) == (stop["algoId"], stop["clientAlgoId"], "ALGO_CONDITION")
    assert told[:2] == ["TRIGGERING", "NEW"]
    assert told.index("NEW") < told.index("TRIGGERED") < told.index("FINISHED")
    assert simulator.call("GET", "/fapi/v3/positionRisk").json() == []


def test_leverage_change_is_told():
    simulator = VirtualSimulator()
    line = simulator.connect(f"/private/ws/{a_key(simulator)}")
    simulator.call("POST", "/fapi/v1/leverage", symbol="BTCUSDT", leverage=7)

    assert line.frames()[0]["ac"] == {"s": "BTCUSDT", "l": 7}


def test_a_key_ends_after_an_hour_without_keep_alive_and_its_line_goes_silent():
    simulator = VirtualSimulator(SLOW)
    key = a_key(simulator)
    line = simulator.connect(f"/private/ws/{key}")
    for _ in range(6):
        simulator.run(580_000)
        simulator.pong(line)
    simulator.run(122_000)
    buy(simulator)
    frames = line.frames()

    assert names(frames) == ["listenKeyExpired"]
    assert frames[0]["listenKey"] == key
    assert line.ended is None
    assert a_key(simulator) != key


def test_keep_alive_keeps_the_key():
    simulator = VirtualSimulator(SLOW)
    key = a_key(simulator)
    for _ in range(3):
        simulator.run(3_000_000)
        assert simulator.call("PUT", "/fapi/v1/listenKey").json()["listenKey"] == key
