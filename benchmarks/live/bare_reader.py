"""The floor: picows and msgspec with nothing behind them, as a reader of the traffic source.

Shows what the source can deliver and what a client of our own could reach at best; checks nothing, keeps no state.
"""

import argparse
import asyncio
import gc
import json

import msgspec
import picows
import uvloop

from benchmarks.live.measure import Tally, running_source

_WARM_UP_SECONDS = 1.0


class _BookTicker(msgspec.Struct, gc=False):
    u: int = 0
    s: str = ""
    b: str = ""
    a: str = ""


class _Envelope(msgspec.Struct, gc=False):
    data: _BookTicker | None = None


class _Listener(picows.WSListener):
    def __init__(self, tally: Tally, streams: list[str]) -> None:
        self._tally = tally
        self._streams = streams
        self._decode = msgspec.json.Decoder(_Envelope).decode

    def on_ws_connected(self, transport):
        request = {"method": "SUBSCRIBE", "params": self._streams, "id": 1}
        transport.send(picows.WSMsgType.TEXT, json.dumps(request).encode())

    def on_ws_frame(self, _transport, frame):
        data = self._decode(frame.get_payload_as_memoryview()).data
        if data is not None:
            self._tally.seen(data.u)


async def _read(url: str, symbols: list[str], seconds: float) -> dict[str, float]:
    tally = Tally()
    streams = [f"{symbol.lower()}@bookTicker" for symbol in symbols]
    transport, _ = await picows.ws_connect(lambda: _Listener(tally, streams), f"{url}/public/stream")
    gc.freeze()
    await asyncio.sleep(_WARM_UP_SECONDS)
    tally.begin()
    await asyncio.sleep(seconds)
    figures = tally.figures()
    transport.disconnect()
    await transport.wait_disconnected()
    return figures


def measured(rate: int, seconds: float) -> dict[str, float]:
    """Measure the bare reader at a rate of messages a second, 0 for flat out."""
    with running_source("--rate", str(rate)) as source:
        return uvloop.run(_read(source["streams"], source["symbols"], seconds))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rate", type=int, default=10_000)
    parser.add_argument("--seconds", type=float, default=10.0)
    options = parser.parse_args()
    print(json.dumps({"reader": "bare", "rate": options.rate, **measured(options.rate, options.seconds)}))


if __name__ == "__main__":
    main()
