"""Market streams: routes that deliver or stay silent, control frames, candles in order, books that can be rebuilt."""

from itertools import pairwise

import pytest

from simulator.server.options import Options
from simulator.server.virtual import VirtualSimulator

MINUTE_MS = 60_000


def events(line):
    return [(frame["stream"], frame["data"]) for frame in line.frames() if "stream" in frame]


def test_a_stream_is_delivered_on_its_own_route_in_both_forms():
    simulator = VirtualSimulator()
    combined = simulator.connect("/market/stream?streams=btcusdt@kline_1m/btcusdt@aggTrade")
    raw = simulator.connect("/public/ws/btcusdt@bookTicker")
    simulator.run(5_000)

    assert {stream for stream, _ in events(combined)} == {"btcusdt@kline_1m", "btcusdt@aggTrade"}
    assert {frame["e"] for frame in raw.frames()} == {"bookTicker"}


@pytest.mark.parametrize(
    ("route", "stream"),
    [
        ("public", "btcusdt@kline_1m"),
        ("market", "btcusdt@bookTicker"),
        ("private", "btcusdt@bookTicker"),
        ("market", "BTCUSDT@kline_1m"),
        ("market", "btcusdt@kline_7m"),
        ("market", "nopeusdt@aggTrade"),
    ],
)
def test_wrong_route_upper_case_and_unknown_streams_are_acknowledged_and_silent(route, stream):
    simulator = VirtualSimulator()
    line = simulator.connect(f"/{route}/stream")
    simulator.send(line, {"method": "SUBSCRIBE", "params": [stream], "id": "a"})
    simulator.send(line, {"method": "LIST_SUBSCRIPTIONS", "id": 2})
    simulator.run(10_000)

    assert line.frames() == [{"result": None, "id": "a"}, {"result": [stream], "id": 2}]


def test_unrouted_connection_receives_public_streams_only():
    simulator = VirtualSimulator()
    line = simulator.connect("/stream?streams=btcusdt@bookTicker/btcusdt@kline_1m")
    simulator.run(5_000)

    assert {stream for stream, _ in events(line)} == {"btcusdt@bookTicker"}


def test_unsubscribing_ends_the_frames():
    simulator = VirtualSimulator()
    line = simulator.connect("/market/ws/btcusdt@kline_1m")
    simulator.run(2_000)
    assert line.frames()

    simulator.send(line, {"method": "UNSUBSCRIBE", "params": ["btcusdt@kline_1m"], "id": 1})
    simulator.run(5_000)

    assert line.frames() == [{"result": None, "id": 1}]


def test_the_envelope_is_a_property_of_the_connection():
    simulator = VirtualSimulator()
    line = simulator.connect("/market/ws/btcusdt@markPrice@1s")
    simulator.send(line, {"method": "SET_PROPERTY", "params": ["combined", True], "id": 1})
    simulator.send(line, {"method": "GET_PROPERTY", "params": ["combined"], "id": 2})
    simulator.run(2_000)

    answers = line.frames()

    assert answers[:2] == [{"result": None, "id": 1}, {"result": True, "id": 2}]
    assert answers[2]["stream"] == "btcusdt@markPrice@1s"


@pytest.mark.parametrize(
    ("message", "code"),
    [
        ("not json", 3),
        ('["SUBSCRIBE"]', 2),
        ({"method": "DANCE", "id": 1}, 2),
        ({"method": "SUBSCRIBE", "params": "btcusdt@aggTrade", "id": 1}, 2),
        ({"method": "SET_PROPERTY", "params": ["colour", True], "id": 1}, 0),
        ({"method": "SET_PROPERTY", "params": ["combined", "yes"], "id": 1}, 1),
    ],
)
def test_bad_control_frames_are_answered_with_their_code(message, code):
    simulator = VirtualSimulator()
    line = simulator.connect("/market/stream")
    simulator.send(line, message)

    assert line.frames()[0]["error"]["code"] == code


def test_forty_control_frames_at_once_are_too_many():
    simulator = VirtualSimulator()
    line = simulator.connect("/market/stream")
    for number in range(40):
        simulator.send(line, {"method": "LIST_SUBSCRIPTIONS", "id": number})

    assert len(line.frames()) == 15
    assert line.ended == 1008


def test_the_1025th_stream_ends_the_connection():
    simulator = VirtualSimulator()
    line = simulator.connect("/market/stream")
    simulator.send(line, {"method": "SUBSCRIBE", "params": [f"x{n}@aggTrade" for n in range(1_024)], "id": 1})
    assert line.ended is None

    simulator.send(line, {"method": "SUBSCRIBE", "params": ["one@aggTrade"], "id": 2})

    assert line.frames()[-1]["error"]["code"] == 4
    assert line.ended == 1008


@pytest.mark.parametrize("speed", [1.0, 480.0])
def test_the_closing_candle_comes_before_anything_of_the_next_minute(speed):
    simulator = VirtualSimulator(Options(symbols=("BTCUSDT",), speed=speed))
    line = simulator.connect("/market/ws/btcusdt@kline_1m")
    simulator.run(round(5 * MINUTE_MS / speed) + 1)

    candles = [frame["k"] for frame in line.frames()]
    closed = [k for k in candles if k["x"]]
    order = [k["t"] for k in candles]

    assert len(closed) == 5
    assert order == sorted(order)
    for k in closed:
        last = max(index for index, other in enumerate(candles) if other["t"] == k["t"])
        assert candles[last] is k


def test_closed_candles_on_the_wire_are_those_of_rest():
    simulator = VirtualSimulator(Options(symbols=("BTCUSDT",)))
    line = simulator.connect("/market/ws/btcusdt@kline_1m/btcusdt@kline_3m")
    simulator.run(6 * MINUTE_MS)
    closed = [frame["k"] for frame in line.frames() if frame["k"]["x"]]

    for interval, number in (("1m", 6), ("3m", 2)):
        streamed = [
            [k["t"], k["o"], k["h"], k["l"], k["c"], k["v"], k["T"], k["q"], k["n"], k["V"], k["Q"]]
            for k in closed
            if k["i"] == interval
        ]
        rows = simulator.request(
            "GET", "/fapi/v1/klines", f"symbol=BTCUSDT&interval={interval}&limit={number + 1}"
        ).json()
        assert streamed == [row[:11] for row in rows[:-1]]


def test_a_fast_market_does_not_send_candles_faster_than_they_can_be_read():
    simulator = VirtualSimulator(Options(symbols=("BTCUSDT",), speed=480.0))
    line = simulator.connect("/market/ws/btcusdt@kline_1m")
    simulator.run(1_000)

    assert 8 < len(line.texts) <= 50 + 8


def test_all_market_streams_carry_every_symbol():
    simulator = VirtualSimulator(Options(symbols=("BTCUSDT", "ETHUSDT")))
    marks = simulator.connect("/market/ws/!markPrice@arr@1s")
    books = simulator.connect("/public/ws/!bookTicker")
    simulator.run(6_000)

    assert [row["s"] for row in marks.frames()[0]] == ["BTCUSDT", "ETHUSDT"]
    assert [frame["s"] for frame in books.frames()] == ["BTCUSDT", "ETHUSDT"]


def test_a_book_can_be_kept_from_a_snapshot_and_the_diffs():
    simulator = VirtualSimulator(Options(symbols=("BTCUSDT",)))
    line = simulator.connect("/public/ws/btcusdt@depth@100ms")
    simulator.run(3_000)
    snapshot = simulator.request("GET", "/fapi/v1/depth", "symbol=BTCUSDT&limit=1000").json()
    simulator.run(20_000)
    diffs = [diff for diff in line.frames() if diff["u"] >= snapshot["lastUpdateId"]]
    bids = dict(snapshot["bids"])
    for diff in diffs:
        bids.update(diff["b"])
    kept = {price: size for price, size in bids.items() if float(size)}
    now = simulator.request("GET", "/fapi/v1/depth", "symbol=BTCUSDT&limit=1000").json()

    assert len(diffs) > 10
    assert all(later["pu"] == earlier["u"] for earlier, later in pairwise(diffs))
    assert now["lastUpdateId"] == diffs[-1]["u"]
    assert kept == dict(now["bids"])


def test_partial_books_hold_so_many_levels():
    simulator = VirtualSimulator()
    line = simulator.connect("/public/ws/btcusdt@depth5@500ms")
    simulator.run(2_000)

    frame = line.frames()[0]

    assert len(frame["b"]) == len(frame["a"]) == 5
    assert float(frame["b"][0][0]) < float(frame["a"][0][0])


def test_pings_come_every_three_minutes_and_silence_for_ten_ends_the_connection():
    simulator = VirtualSimulator(Options(symbols=("BTCUSDT",), speed=0.01))
    deaf, alive = simulator.connect("/market/stream"), simulator.connect("/market/stream")
    for _ in range(5):
        simulator.run(180_000)
        simulator.pong(alive)

    assert alive.pings >= 4
    assert deaf.ended == 1008
    assert alive.ended is None


def test_a_connection_lives_a_day_or_as_long_as_configured():
    simulator = VirtualSimulator(Options(connection_life_ms=30_000))
    line = simulator.connect("/market/stream")
    simulator.run(29_000)
    assert line.ended is None

    simulator.run(2_000)

    assert line.ended == 1001


def test_what_is_no_stream_address_is_refused():
    assert VirtualSimulator().connect("/nowhere/ws").ended == 404


def test_a_closed_connection_is_forgotten():
    simulator = VirtualSimulator()
    line = simulator.connect("/market/ws/btcusdt@kline_1m")
    simulator.hang_up(line)
    simulator.run(3_000)

    assert line.texts == []
