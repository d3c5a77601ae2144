"""Tick to order: from a closed candle on the wire to an order's bytes on the wire.

`python -m benchmarks.live.orders act` measures the bot's whole path: stream, indicators, decision, filters, risk, the
intent committed to SQLite, the signed order on the WebSocket API. `python -m benchmarks.live.orders sdk` measures the
official SDK's stream and REST with nothing in between. Prints one JSON line.
"""

import argparse
import asyncio
import gc
import json
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import uvloop
from binance_common.configuration import ConfigurationRestAPI, ConfigurationWebSocketStreams
from binance_common.errors import BadRequestError
from binance_sdk_derivatives_trading_usds_futures.derivatives_trading_usds_futures import (
    DerivativesTradingUsdsFutures,
)
from binance_sdk_derivatives_trading_usds_futures.websocket_streams.models import KlineCandlestickStreamsResponse

from benchmarks.live.bot import Venue, a_shell
from benchmarks.live.order_source import SYMBOL

_ORDERS = 1_500
_WARM_UP = 300


@contextmanager
def _source(orders: int) -> Iterator[tuple[dict[str, str], subprocess.Popen]]:
    command = [sys.executable, "-m", "benchmarks.live.order_source", "--orders", str(orders)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        yield json.loads(process.stdout.readline()), process
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(10)
        process.stdout.close()


async def _results(process: subprocess.Popen) -> list[float]:
    """Wait for the source's last line in a thread, so that the measured loop is left alone."""
    done: asyncio.Future[str] = asyncio.get_running_loop().create_future()
    loop = asyncio.get_running_loop()
    reader = threading.Thread(
        target=lambda: loop.call_soon_threadsafe(done.set_result, process.stdout.readline()), daemon=True
    )
    reader.start()
    return json.loads(await done)["took_us"]


async def _act(urls: dict[str, str], process: subprocess.Popen) -> list[float]:
    with tempfile.TemporaryDirectory() as folder:
        venue = Venue(urls)
        shell = a_shell(venue, [SYMBOL], Path(folder))
        await venue.exchange.open_streams([SYMBOL], shell)
        gc.collect()
        gc.freeze()
        took = await _results(process)
        await venue.exchange.close()
        return took


async def _sdk(urls: dict[str, str], process: subprocess.Popen) -> list[float]:
    client = DerivativesTradingUsdsFutures(
        config_rest_api=ConfigurationRestAPI(api_key="key", api_secret="secret", base_path=urls["rest"], retries=0),
        config_ws_streams=ConfigurationWebSocketStreams(stream_url=urls["streams"]),
    )
    rest = client.rest_api

    def on_candle(message):
        if message.k is None or not message.k.x:
            return
        try:
            rest.new_order(SYMBOL, "BUY", "MARKET", quantity="0.010", new_client_order_id="a0001e-1")
        except BadRequestError:
            return

    connection = await client.websocket_streams.create_connection()
    stream = f"{SYMBOL.lower()}@kline_1m"
    await connection.subscribe(
        [f"{SYMBOL.lower()}@bookTicker"], response_model=KlineCandlestickStreamsResponse, stream_url="public"
    )
    await connection.subscribe([stream], response_model=KlineCandlestickStreamsResponse, stream_url="market")
    connection.on("message", on_candle, stream)
    gc.collect()
    gc.freeze()
    took = await _results(process)
    await connection.close_connection(close_session=True)
    return took


def measured(who: str, orders: int = _ORDERS) -> dict[str, float]:
    """Measure one path and return percentiles in microseconds, the first orders left out."""
    with _source(orders + _WARM_UP) as (urls, process):
        took = uvloop.run(_act(urls, process)) if who == "act" else asyncio.run(_sdk(urls, process))
    ordered = sorted(took[_WARM_UP:])
    return {
        "orders": len(ordered),
        **{f"p{share}_us": round(ordered[len(ordered) * share // 100], 1) for share in (50, 90, 99)},
        "max_us": round(ordered[-1], 1),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("who", choices=("act", "sdk"))
    parser.add_argument("--orders", type=int, default=_ORDERS)
    options = parser.parse_args()
    print(json.dumps({"path": options.who, **measured(options.who, options.orders)}))


if __name__ == "__main__":
    main()
