"""A stand-in venue for tick-to-order: closes a candle, and notes how long the order takes to arrive.

Runs in a process of its own: `python -m benchmarks.live.order_source --orders 2000` prints one JSON line with its
addresses, then, when so many orders have come, one with the times in microseconds from the moment before the candle's
bytes are written to the moment an order's bytes are there. Every order is refused (-2010), so that the next candle
finds the bot flat and idle. REST and WebSocket lie on two ports, both read by plain protocol callbacks on one loop.
"""

import argparse
import asyncio
import json
import re
import sys
import time

import picows
import uvloop

SYMBOL = "BTCUSDT"
_MINUTE_MS = 60_000
_MIDNIGHT = 1_767_225_600_000
_SECONDS_BETWEEN_CANDLES = 0.01
_SECONDS_BETWEEN_TICKS = 0.5
_ANSWER_SECONDS = 2.0
_REFUSAL = {"code": -2010, "msg": "Order would be rejected."}
_LENGTH = re.compile(rb"(?i)content-length: *(\d+)")


class Venue:
    """Sends candles one at a time, the next one when an order has answered the last one."""

    def __init__(self, orders: int) -> None:
        self._wanted = orders
        self._open_time = _MIDNIGHT
        self._sent_ns = 0
        self._arrived = asyncio.Event()
        self._connected = asyncio.Event()
        self.took_us: list[float] = []
        self.market = None
        self.public = None

    def order_came(self) -> None:
        if self._sent_ns:
            self.took_us.append((time.monotonic_ns() - self._sent_ns) / 1_000)
            self._sent_ns = 0
            self._arrived.set()

    def subscribed(self, path: str, transport: picows.WSTransport) -> None:
        if "/market" in path:
            self.market = transport
        elif "/public" in path:
            self.public = transport
        if self.market and self.public:
            self._connected.set()

    async def run(self) -> None:
        await self._connected.wait()
        ticking = asyncio.get_running_loop().create_task(self._tick())
        await asyncio.sleep(1)
        while len(self.took_us) < self._wanted:
            self._arrived.clear()
            payload = self._closed_candle()
            self._sent_ns = time.monotonic_ns()
            self.market.send(picows.WSMsgType.TEXT, payload)
            try:
                async with asyncio.timeout(_ANSWER_SECONDS):
                    await self._arrived.wait()
            except TimeoutError:
                self._sent_ns = 0
            await asyncio.sleep(_SECONDS_BETWEEN_CANDLES)
        ticking.cancel()

    async def _tick(self) -> None:
        """Keep the watchdogs of a real client content."""
        while True:
            mark = {
                "e": "markPriceUpdate",
                "s": SYMBOL,
                "E": self._open_time,
                "p": "100000.0",
                "r": "0",
                "T": 0,
                "st": 1,
            }
            book = {"e": "bookTicker", "s": SYMBOL, "E": self._open_time, "b": "99999.9", "a": "100000.0", "st": 1}
            self._send(self.market, "markPrice@1s", mark)
            self._send(self.public, "bookTicker", book)
            self._send(self.market, "kline_1m", self._kline(closed=False))
            await asyncio.sleep(_SECONDS_BETWEEN_TICKS)

    def _send(self, transport, suffix, data):
        transport.send(picows.WSMsgType.TEXT, _combined(suffix, data))

    def _closed_candle(self) -> bytes:
        payload = _combined("kline_1m", self._kline(closed=True))
        self._open_time += _MINUTE_MS
        return payload

    def _kline(self, *, closed: bool) -> dict:
        opened = self._open_time
        price = f"{100_000 + (opened // _MINUTE_MS) % 97}.0"
        bar = {
            "t": opened, "T": opened + _MINUTE_MS - 1, "s": SYMBOL, "i": "1m", "f": 1, "L": 2, "o": price, "c": price,
            "h": price, "l": price, "v": "12.345", "n": 2, "x": closed, "q": "1", "V": "1", "Q": "1", "B": "0",
        }  # fmt: skip
        return {"e": "kline", "E": opened + _MINUTE_MS, "s": SYMBOL, "k": bar}


class Client(picows.WSListener):
    """One WebSocket of the client, whatever its route."""

    def __init__(self, venue: Venue, path: str) -> None:
        self._venue = venue
        self._path = path

    def on_ws_frame(self, transport, frame):
        if frame.msg_type == picows.WSMsgType.CLOSE:
            transport.disconnect()
        if frame.msg_type != picows.WSMsgType.TEXT:
            return
        if "ws-fapi" in self._path:
            self._venue.order_came()
        request = json.loads(frame.get_payload_as_bytes())
        if "ws-fapi" in self._path:
            answer = {"id": request["id"], "status": 400, "error": _REFUSAL, "rateLimits": []}
        else:
            answer = {"result": None, "id": request["id"]}
            self._venue.subscribed(self._path, transport)
        transport.send(picows.WSMsgType.TEXT, json.dumps(answer).encode())


class Rest(asyncio.Protocol):
    """Answers each HTTP request at once; an order is noted at its first bytes."""

    def __init__(self, venue: Venue) -> None:
        self._venue = venue
        self._buffer = b""

    def connection_made(self, transport):
        self._transport = transport

    def data_received(self, data):
        if not self._buffer and data.startswith(b"POST /fapi/v1/order"):
            self._venue.order_came()
        self._buffer += data
        head, end, rest = self._buffer.partition(b"\r\n\r\n")
        length = _LENGTH.search(head)
        if not end or len(rest) < (int(length[1]) if length else 0):
            return
        self._buffer = b""
        status, body = _answer(head.split(b" ", 2)[1].decode())
        text = json.dumps(body).encode()
        self._transport.write(
            b"HTTP/1.1 %b\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%b" % (status, len(text), text)
        )


def _answer(target: str) -> tuple[bytes, object]:
    path = target.partition("?")[0]
    if path == "/fapi/v1/order":
        return b"400 Bad Request", _REFUSAL
    if path == "/fapi/v1/time":
        return b"200 OK", {"serverTime": time.time_ns() // 1_000_000}
    return b"200 OK", {"listenKey": "x" * 64} if path == "/fapi/v1/listenKey" else []


def _combined(suffix: str, data: dict) -> bytes:
    return json.dumps({"stream": f"{SYMBOL.lower()}@{suffix}", "data": data}, separators=(",", ":")).encode()


async def _serve(orders: int) -> None:
    venue = Venue(orders)
    sockets = await picows.ws_create_server(
        lambda request: Client(venue, request.path.decode()), "127.0.0.1", 0, enable_auto_pong=True
    )
    rest = await asyncio.get_running_loop().create_server(lambda: Rest(venue), "127.0.0.1", 0)
    streams = f"ws://127.0.0.1:{sockets.sockets[0].getsockname()[1]}"
    urls = {
        "rest": f"http://127.0.0.1:{rest.sockets[0].getsockname()[1]}",
        "ws_api": f"{streams}/ws-fapi/v1",
        "streams": streams,
    }
    print(json.dumps(urls), flush=True)
    await venue.run()
    print(json.dumps({"took_us": venue.took_us}), flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--orders", type=int, default=2_000)
    uvloop.run(_serve(parser.parse_args().orders))


if __name__ == "__main__":
    sys.exit(main())
