"""The bot's own market stream as a reader of the traffic source: adapter, shell and price state, as in `act run`.

A message counts, and its latency ends, when the price state has taken it.
`python -m benchmarks.live.act_client --rate 10000 --seconds 10`, or `--rate 0` for flat out. Prints one JSON line.
"""

import argparse
import asyncio
import gc
import json
import tempfile
from pathlib import Path

import uvloop

from benchmarks.live.bot import Venue, a_shell
from benchmarks.live.measure import Tally, running_source
from bot.exchange.binance.connection import KeptConnection
from bot.exchange.binance.market_frames import BookTickerEvent
from bot.exchange.binance.streams import RouteStream
from bot.runtime.transport import PicowsTransport

_WARM_UP_SECONDS = 1.0
_STAMP = b'"u":'
_STAMP_DIGITS = 18


class _Counted(RouteStream):
    """The route with a tally behind it."""

    tally: Tally
    stamped: bool

    def text(self, payload: bytes) -> None:
        super().text(payload)
        at = payload.find(_STAMP) if self.stamped else -1
        self.tally.seen(int(payload[at + len(_STAMP) :][:_STAMP_DIGITS]) if at > 0 else 0)


async def _read(url: str, symbols: list[str], seconds: float, *, stamped: bool) -> dict[str, float]:
    with tempfile.TemporaryDirectory() as folder:
        venue = Venue({"rest": "http://127.0.0.1:1", "ws_api": "ws://127.0.0.1:1/ws-fapi/v1", "streams": url})
        shell = a_shell(venue, symbols, Path(folder))
        route = _Counted("public", f"{url}/public", (BookTickerEvent,), symbols, venue.clock, shell)
        route.tally, route.stamped = Tally(), stamped
        gc.collect()
        gc.freeze()
        connection = asyncio.create_task(KeptConnection(route, venue.clock, PicowsTransport()).run())
        await asyncio.sleep(_WARM_UP_SECONDS)
        route.tally.begin()
        await asyncio.sleep(seconds)
        figures = route.tally.figures()
        if len(shell.market.books) != len(symbols):
            raise RuntimeError("the price state did not see every symbol")
        connection.cancel()
        await asyncio.gather(connection, return_exceptions=True)
        return figures


def measured(rate: int, seconds: float) -> dict[str, float]:
    """Measure the bot's stream at a rate of messages a second, 0 for flat out."""
    with running_source("--rate", str(rate)) as source:
        return uvloop.run(_read(source["streams"], source["symbols"], seconds, stamped=rate > 0))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rate", type=int, default=10_000)
    parser.add_argument("--seconds", type=float, default=10.0)
    options = parser.parse_args()
    print(json.dumps({"reader": "act", "rate": options.rate, **measured(options.rate, options.seconds)}))


if __name__ == "__main__":
    main()
