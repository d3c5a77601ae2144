"""`act simulator`: run the simulated exchange until told to stop, also as `python -m simulator.server.main`."""

import argparse
import asyncio
import json
import os
import signal
import sys
from datetime import UTC, datetime
from pathlib import Path

import uvloop

from simulator.faults import FaultError
from simulator.market.tape import DataError
from simulator.server.assemble import OptionError, assemble
from simulator.server.options import DEFAULT_SYMBOLS, DEMO_API_KEY, DEMO_API_SECRET, Options
from simulator.server.protocol import Server
from simulator.server.sockets import Shell, wall_clock_ms

_BAD_INPUT = 78
_FAILED = 1


def main(argv: list[str]) -> int:
    """Run the simulator with command line arguments; return the exit code (78 bad input, 1 port taken)."""
    try:
        options = read_options(argv)
        server = assemble(options, wall_clock_ms())
    except (OptionError, DataError, FaultError) as error:
        return _complain(str(error), _BAD_INPUT)
    return run(server, options.port)


def run(server: Server, port: int) -> int:
    """Serve until SIGTERM or SIGINT; print the addresses as one JSON line when ready."""
    try:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(_serve(server, port))
    except OSError as error:
        return _complain(f"port {port} cannot be used ({error.strerror}): choose another --port, 0 takes any", _FAILED)
    return 0


async def _serve(server: Server, port: int) -> None:
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopped.set)
    shell = Shell(server)
    urls = await shell.start(port)
    sys.stdout.write(json.dumps(urls) + "\n")
    sys.stdout.flush()
    try:
        await shell.run_until(stopped)
    finally:
        await shell.stop()


def read_options(argv: list[str]) -> Options:
    """Read arguments and environment; `OptionError` for what cannot be used."""
    given = _parser().parse_args(argv)
    return Options(
        port=given.port,
        symbols=tuple(symbol.strip().upper() for symbol in given.symbols.split(",") if symbol.strip()),
        seed=given.seed,
        data=given.data,
        start_ms=None if given.start is None else _time(given.start),
        exchange_info=given.exchange_info,
        speed=given.speed,
        api_key=given.api_key or os.environ.get("ACT_BINANCE_API_KEY") or DEMO_API_KEY,
        api_secret=_secret(given.api_secret_file),
        balance=given.balance,
        faults=given.faults,
        ticks_per_minute=given.ticks_per_minute,
        connection_life_ms=round(given.connection_life * 1_000),
        full_order_answers=given.full_order_answers,
    )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="act simulator",
        description="A Binance USD-M futures exchange on 127.0.0.1, for any of its clients.",
        epilog="example: act simulator --port 7001 --symbols BTCUSDT,ETHUSDT --speed 60",
    )
    add = parser.add_argument
    add("--port", type=int, default=0, help="port to listen on; 0 takes any free one (default)")
    add("--symbols", default=",".join(DEFAULT_SYMBOLS), help="symbols, separated by commas")
    add("--seed", type=int, default=1, help="seed of prices, paths and faults (default 1)")
    add("--data", type=Path, help="replay this file of candles or ticks instead of generated prices")
    add("--start", help="where to start, like 2025-05-23T00:00:00Z (default: first 00:00 UTC with enough history)")
    add("--exchange-info", type=Path, help="a recorded exchangeInfo answer (JSON, may be gzipped)")
    add("--speed", type=float, default=1.0, help="market seconds per second (default 1)")
    add("--api-key", help="the API key to accept (default: ACT_BINANCE_API_KEY, else demo-key)")
    add(
        "--api-secret-file",
        type=Path,
        help="file with its HMAC secret or Ed25519 PEM (default: ACT_BINANCE_API_SECRET)",
    )
    add("--balance", default="10000", help="opening wallet in USDT (default 10000)")
    add("--faults", type=Path, help="a fault plan, see docs/simulator.md")
    add("--ticks-per-minute", type=int, default=60, help="trades per symbol and minute (default 60)")
    add("--connection-life", type=float, default=86_400.0, help="seconds after which a WebSocket is closed (86400)")
    add("--full-order-answers", action="store_true", help="avgPrice and cumQuote in order answers, as before 2026-07")
    return parser


def _time(text: str) -> int:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise OptionError(f"start {text!r} is no time: write --start 2025-05-23T00:00:00Z") from None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return round(moment.timestamp() * 1_000)


def _secret(path: Path | None) -> str:
    if path is None:
        return os.environ.get("ACT_BINANCE_API_SECRET") or DEMO_API_SECRET
    try:
        secret = path.read_text().strip()
    except (OSError, UnicodeDecodeError) as error:
        raise OptionError(f"{path}: cannot be read ({error}): check --api-secret-file") from error
    if not secret:
        raise OptionError(f"{path}: is empty: put the API secret into it")
    return secret


def _complain(message: str, code: int) -> int:
    sys.stderr.write(f"act simulator: {message}\n")
    return code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
