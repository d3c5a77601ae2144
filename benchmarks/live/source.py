"""A traffic source: market frames encoded beforehand, over a loopback WebSocket, at a chosen rate or flat out.

Runs in a process of its own: `python -m benchmarks.live.source --rate 10000` prints one JSON line with its address. A
reader connects to `/public/stream` or `/market/stream` and subscribes, by SUBSCRIBE or by `?streams=`, to
`<symbol>@bookTicker` and `<symbol>@aggTrade`. The moment of sending travels inside the frame: `u` of a bookTicker and
`a` of an aggTrade are STAMP_BASE + time.monotonic_ns(), which all processes of a machine share; STAMP_BASE alone means
"not stamped". Flat out, one message in 256 is stamped.
"""

import argparse
import asyncio
import json
import struct
import sys
import time
from itertools import cycle
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import picows
import uvloop

from simulator.market.generate import GeneratedTape
from simulator.market.instruments import builtin_exchange_info, load_exchange_info
from simulator.market.replay import open_recording

STAMP_BASE = 10**17
_STAMP_DIGITS = 18
_UNSTAMPED = str(STAMP_BASE).encode()
_FRAMES = 20_000
_BATCH_FRAMES = 256
_BUFFERED_BYTES = 4_000_000
_MIDNIGHT = 1_767_225_600_000


class Frame:
    """One encoded text message and where its stamp stands."""

    __slots__ = ("body", "stamp_at", "stream")

    def __init__(self, stream: str, data: dict[str, object]) -> None:
        self.stream = stream
        self.body = json.dumps({"stream": stream, "data": data}, separators=(",", ":")).encode()
        self.stamp_at = self.body.index(_UNSTAMPED)

    def stamped(self, now_ns: int) -> bytes:
        stamp = str(STAMP_BASE + now_ns).encode()
        return self.body[: self.stamp_at] + stamp + self.body[self.stamp_at + _STAMP_DIGITS :]


def frames_of(tape, count=_FRAMES):
    """Encode the first trades of a market as one bookTicker and one aggTrade each."""
    frames = []
    for open_time in range(tape.start_ms, tape.start_ms + 86_400_000, 60_000):
        for tick in tape.minute(open_time).ticks:
            frames += (_book_ticker(tick), _aggregate_trade(tick))
            if len(frames) >= count:
                return frames
    return frames


def _book_ticker(tick):
    name, price, quantity = tick.symbol.lower(), f"{tick.price:f}", f"{tick.quantity:f}"
    return Frame(
        f"{name}@bookTicker",
        {
            "e": "bookTicker", "u": STAMP_BASE, "E": tick.at_ms, "T": tick.at_ms, "s": tick.symbol, "ps": tick.symbol,
            "b": price, "B": quantity, "a": price, "A": quantity, "st": 1,
        },
    )  # fmt: skip


def _aggregate_trade(tick):
    name = tick.symbol.lower()
    return Frame(
        f"{name}@aggTrade",
        {
            "e": "aggTrade", "E": tick.at_ms, "s": tick.symbol, "a": STAMP_BASE, "p": f"{tick.price:f}",
            "q": f"{tick.quantity:f}", "nq": f"{tick.quantity:f}", "f": 1, "l": 1, "T": tick.at_ms,
            "m": tick.buyer_is_maker, "st": 1,
        },
    )  # fmt: skip


class Reader(picows.WSListener):
    """One connection: sends what it subscribed to, at `rate` messages a second (0: as fast as it reads)."""

    def __init__(self, path: str, frames: list[Frame], rate: int) -> None:
        self._frames = frames
        self._rate = rate
        self._wanted = set(parse_qs(urlsplit(path).query).get("streams", [""])[0].split("/")) - {""}
        self._pump: asyncio.Task[None] | None = None
        self._transport = None

    def on_ws_connected(self, transport):
        self._transport = transport
        self._start()

    def on_ws_frame(self, transport, frame):
        if frame.msg_type == picows.WSMsgType.CLOSE:
            transport.send_close(frame.get_close_code())
            transport.disconnect()
        if frame.msg_type != picows.WSMsgType.TEXT:
            return
        request = json.loads(frame.get_payload_as_bytes())
        if request.get("method") == "SUBSCRIBE":
            self._wanted |= set(request["params"])
        transport.send(picows.WSMsgType.TEXT, json.dumps({"result": None, "id": request.get("id")}).encode())
        self._start()

    def on_ws_disconnected(self, _transport):
        if self._pump:
            self._pump.cancel()

    def pause_writing(self):
        """Let the reader fall behind: `_flat` looks at the buffer itself, and `_paced` is about being late."""

    def _start(self):
        wanted = [frame for frame in self._frames if frame.stream in self._wanted]
        if self._pump:
            self._pump.cancel()
        if wanted:
            self._pump = asyncio.get_running_loop().create_task(
                self._paced(wanted) if self._rate else self._flat(wanted)
            )

    async def _paced(self, frames):
        ring, sent, started = cycle(frames), 0, time.monotonic_ns()
        while True:
            due = (time.monotonic_ns() - started) * self._rate // 1_000_000_000
            while sent < due:
                self._transport.send(picows.WSMsgType.TEXT, next(ring).stamped(time.monotonic_ns()))
                sent += 1
            await asyncio.sleep(0)

    async def _flat(self, frames):
        ring = cycle([_Batch(frames[at : at + _BATCH_FRAMES]) for at in range(0, len(frames), _BATCH_FRAMES)])
        raw = self._transport.underlying_transport
        while True:
            while raw.get_write_buffer_size() < _BUFFERED_BYTES:
                raw.write(next(ring).stamped(time.monotonic_ns()))
            await asyncio.sleep(0)


class _Batch:
    """Many messages as the bytes of their WebSocket frames; only the first one is stamped."""

    def __init__(self, frames):
        wire = [_header(len(frame.body)) + frame.body for frame in frames]
        self._bytes = bytearray(b"".join(wire))
        self._stamp_at = len(wire[0]) - len(frames[0].body) + frames[0].stamp_at

    def stamped(self, now_ns):
        self._bytes[self._stamp_at : self._stamp_at + _STAMP_DIGITS] = str(STAMP_BASE + now_ns).encode()
        return bytes(self._bytes)


def _header(length):
    return struct.pack("!BB", 0x81, length) if length < 126 else struct.pack("!BBH", 0x81, 126, length)


def _tape(options, symbols):
    if options.data is None:
        return GeneratedTape(
            builtin_exchange_info(symbols), symbols=symbols, seed=1, start_ms=_MIDNIGHT, history_minutes=1
        )
    answer = load_exchange_info(options.exchange_info, symbols) if options.exchange_info else None
    return open_recording(
        options.data, answer or builtin_exchange_info(symbols), symbols=symbols, start_ms=None, now_ms=_MIDNIGHT
    )


async def _serve(options):
    symbols = options.symbols.split(",") if options.symbols else [f"SIM{number}USDT" for number in range(1, 51)]
    frames = frames_of(_tape(options, symbols))
    server = await picows.ws_create_server(
        lambda request: Reader(request.path.decode(), frames, options.rate), "127.0.0.1", options.port
    )
    port = server.sockets[0].getsockname()[1]
    print(json.dumps({"streams": f"ws://127.0.0.1:{port}", "symbols": symbols}), flush=True)
    await server.serve_forever()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rate", type=int, default=10_000, help="messages a second and connection, 0 = flat out")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--symbols", help="comma-separated; default 50 made-up ones")
    parser.add_argument("--data", type=Path, help="recorded candles or trades instead of generated ones")
    parser.add_argument("--exchange-info", type=Path)
    uvloop.run(_serve(parser.parse_args()))


if __name__ == "__main__":
    sys.exit(main())
