"""A connection is opened again whenever it is lost, never too fast, and never twice at once."""

import asyncio
from itertools import pairwise

import pytest

from bot.exchange.binance.connection import KeptConnection
from bot.exchange.binance.market_frames import BookTickerEvent, KlineEvent, MarkPriceEvent
from bot.exchange.binance.streams import RouteStream
from support.clocks import TestClock
from support.wire import RecordingSink, ScriptedNetwork


class ALink:
    name = "link"

    def __init__(self) -> None:
        self.heard = []
        self.ends = []

    async def url(self) -> str:
        return "ws://127.0.0.1:1"

    async def opened(self, socket) -> None:
        pass

    def text(self, payload) -> None:
        self.heard.append(payload)

    def lost(self, why) -> None:
        self.ends.append(why)


async def until(condition) -> None:
    for _ in range(10_000):
        if condition():
            return
        await asyncio.sleep(0)
    raise AssertionError("it never came")


@pytest.fixture
async def running():
    tasks = []

    def start(connection):
        tasks.append(asyncio.create_task(connection.run()))

    yield start
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


async def test_a_lost_connection_is_opened_again(running):
    network, link = ScriptedNetwork(), ALink()
    running(KeptConnection(link, TestClock(), network))
    await until(lambda: network.sockets)
    network.sockets[0].listener.on_closed("reset by the peer")
    await until(lambda: len(network.sockets) == 2)
    assert link.ends == ["reset by the peer"]
    assert network.sockets[0].closed


async def test_what_an_old_connection_still_says_is_ignored(running):
    network, link = ScriptedNetwork(), ALink()
    running(KeptConnection(link, TestClock(), network))
    await until(lambda: network.sockets)
    old = network.sockets[0].listener
    old.on_closed("gone")
    await until(lambda: len(network.sockets) == 2)
    old.on_text(b"late")
    network.sockets[1].listener.on_text(b"fresh")
    assert link.heard == [b"fresh"]


async def test_refused_connects_back_off_and_stay_under_twenty_in_five_minutes(running):
    clock, moments = TestClock(0), []

    class Refusing(ScriptedNetwork):
        async def connect(self, url, listener):
            moments.append(clock.monotonic())
            raise ConnectionError("refused")

    running(KeptConnection(ALink(), clock, Refusing()))
    await until(lambda: len(moments) >= 60)
    gaps = [later - sooner for sooner, later in pairwise(moments)]
    assert gaps[:4] == sorted(gaps[:4])
    assert max(gaps) <= 121
    for start in moments:
        assert sum(1 for moment in moments if start <= moment < start + 300) <= 20


async def test_a_stable_connection_is_reopened_at_once(running):
    clock, network = TestClock(0), ScriptedNetwork(connect_fails=6)
    running(KeptConnection(ALink(), clock, network))
    await until(lambda: network.sockets)
    clock.seconds += 3_600
    before = clock.seconds
    network.sockets[0].listener.on_closed("the daily cut")
    await until(lambda: len(network.sockets) == 2)
    assert clock.seconds == before


async def test_ending_the_task_ends_the_socket_quietly():
    network, link = ScriptedNetwork(), ALink()
    task = asyncio.create_task(KeptConnection(link, TestClock(), network).run())
    await until(lambda: network.sockets)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert network.sockets[0].closed
    assert link.ends == []


def frame(kind: str, symbol="BTCUSDT", **changes) -> bytes:
    import json

    bar = {"t": 0, "o": "1", "h": "1", "l": "1", "c": "1", "v": "1", "i": "1m", "x": True}
    data = {
        "kline": {"e": "kline", "E": 60_001, "s": symbol, "k": bar},
        "mark": {"e": "markPriceUpdate", "E": 1, "s": symbol, "p": "1", "r": "0", "T": 0, "st": 1},
        "book": {"e": "bookTicker", "E": 1, "s": symbol, "b": "1", "a": "2", "st": 1},
    }[kind]
    return json.dumps({"stream": "x", "data": data | changes}).encode()


async def an_open_route(kinds=(KlineEvent, MarkPriceEvent), symbols=("BTCUSDT", "ETHUSDT")):
    clock, sink, socket = TestClock(0), RecordingSink(), ScriptedNetwork()
    route = RouteStream("market", "ws://127.0.0.1:1/market", kinds, symbols, clock, sink)
    restarts = []
    route.restart = restarts.append
    opened = await socket.connect("", None)
    await route.opened(opened)
    return route, clock, sink, opened, restarts


async def test_streams_are_asked_for_in_lower_case_and_few_messages():
    _, _, _, socket, _ = await an_open_route(symbols=[f"S{number}USDT" for number in range(300)])
    assert [len(message["params"]) for message in socket.sent] == [200, 200, 200]
    assert socket.sent[0]["method"] == "SUBSCRIBE"
    assert socket.sent[0]["params"][0] == "s0usdt@kline_1m"


async def test_a_route_is_up_when_each_kind_has_brought_data_not_when_it_was_acknowledged():
    route, _, sink, _, _ = await an_open_route()
    route.text(b'{"result":null,"id":1}')
    route.text(frame("mark"))
    assert sink.streams == []
    route.text(frame("kline"))
    assert sink.streams == [("up", "market")]


async def test_an_acknowledged_but_silent_subscription_is_opened_anew():
    route, clock, _, _, restarts = await an_open_route()
    route.text(b'{"result":null,"id":1}')
    clock.seconds = 11
    route.check()
    assert restarts == ["subscribed, but no data came"]


async def test_silence_of_the_whole_route_is_noticed_within_seconds():
    route, clock, sink, _, restarts = await an_open_route()
    route.text(frame("mark"))
    route.text(frame("kline"))
    clock.seconds = 5.5
    route.check()
    assert sink.streams[-1] == ("down", "market")
    assert restarts == ["silent"]


async def test_silence_of_one_symbol_asks_for_its_stream_again_with_growing_patience():
    route, clock, sink, socket, restarts = await an_open_route()
    for kind in ("mark", "kline"):
        for symbol in ("BTCUSDT", "ETHUSDT"):
            route.text(frame(kind, symbol))
    socket.sent.clear()
    for second in range(1, 24):
        clock.seconds = second
        route.check()
        route.text(frame("mark", "BTCUSDT"))
        route.text(frame("kline", "BTCUSDT"))
        route.text(frame("kline", "ETHUSDT"))
    assert restarts == []
    assert [message["method"] for message in socket.sent] == ["UNSUBSCRIBE", "SUBSCRIBE"]
    assert socket.sent[1]["params"] == ["ethusdt@markPrice@1s"]
    assert ("down", "market") not in sink.streams


async def test_only_closed_candles_are_delivered():
    route, _, sink, _, _ = await an_open_route()
    route.text(frame("kline", k={"t": 0, "o": "1", "h": "1", "l": "1", "c": "1", "v": "1", "i": "1m", "x": False}))
    assert sink.candles == []
    route.text(frame("kline"))
    assert len(sink.candles) == 1


async def test_coin_margined_rows_are_no_news():
    route, _, sink, _, _ = await an_open_route(kinds=(BookTickerEvent,))
    route.text(frame("book", st=2))
    assert sink.tickers == []
    assert sink.streams == []


@pytest.mark.parametrize("price", ["NaN", "-1", "0", "", "x"])
async def test_a_price_that_is_none_is_not_delivered(price):
    route, _, sink, _, _ = await an_open_route(kinds=(BookTickerEvent, KlineEvent, MarkPriceEvent))
    route.text(frame("book", b=price))
    route.text(frame("mark", p="NaN" if price in {"-1", "0"} else price))
    bar = {"t": 0, "o": "Infinity", "h": "1", "l": "1", "c": "1", "v": "1", "i": "1m", "x": True}
    route.text(frame("kline", k=bar))
    assert (sink.tickers, sink.marks, sink.candles) == ([], [], [])


@pytest.mark.parametrize("payload", [b"not json", b"[1]", b"", b'{"stream":"x","data":{"e":"kline"}}', b"\xff\xfe"])
async def test_a_malformed_frame_changes_nothing(payload):
    route, _, sink, _, restarts = await an_open_route(kinds=(BookTickerEvent,))
    route.text(payload)
    route.text(frame("book"))
    assert len(sink.tickers) == 1
    assert restarts == []
