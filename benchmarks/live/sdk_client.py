"""The official SDK's streams as a reader of the traffic source: messages per CPU second, latency in the callback.

`python -m benchmarks.live.sdk_client --rate 10000 --seconds 10`, or `--rate 0` for flat out. Prints one JSON line.
"""

import argparse
import asyncio
import json
import logging

from binance_common.configuration import ConfigurationWebSocketStreams
from binance_sdk_derivatives_trading_usds_futures.derivatives_trading_usds_futures import (
    DerivativesTradingUsdsFutures,
)
from binance_sdk_derivatives_trading_usds_futures.websocket_streams.models import (
    IndividualSymbolBookTickerStreamsResponse,
)

from benchmarks.live.measure import Tally, running_source

_WARM_UP_SECONDS = 1.0


async def _read(url: str, symbols: list[str], seconds: float) -> dict[str, float]:
    client = DerivativesTradingUsdsFutures(config_ws_streams=ConfigurationWebSocketStreams(stream_url=url))
    connection = await client.websocket_streams.create_connection()
    if connection is None:
        raise ConnectionError(f"the SDK did not connect to {url}")
    tally = Tally()
    streams = [f"{symbol.lower()}@bookTicker" for symbol in symbols]
    await connection.subscribe(streams, response_model=IndividualSymbolBookTickerStreamsResponse, stream_url="public")
    for stream in streams:
        connection.on("message", lambda message: tally.seen(message.u), stream)
    await asyncio.sleep(_WARM_UP_SECONDS)
    tally.begin()
    await asyncio.sleep(seconds)
    figures = tally.figures()
    await connection.close_connection(close_session=True)
    return figures


def measured(rate: int, seconds: float) -> dict[str, float]:
    """Measure the SDK's streams at a rate of messages a second, 0 for flat out."""
    with running_source("--rate", str(rate)) as source:
        return asyncio.run(_read(source["streams"], source["symbols"], seconds))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rate", type=int, default=10_000)
    parser.add_argument("--seconds", type=float, default=10.0)
    options = parser.parse_args()
    logging.disable(logging.INFO)
    print(json.dumps({"reader": "sdk", "rate": options.rate, **measured(options.rate, options.seconds)}))


if __name__ == "__main__":
    main()
