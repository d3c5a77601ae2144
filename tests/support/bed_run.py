"""Runs the whole bot on the deterministic bed and says what came of it."""

import asyncio
import json
from dataclasses import dataclass
from pathlib import Path

import msgspec
from pydantic import SecretStr

from bot.app import engine_maker
from bot.exchange.binance.exchange import BinanceExchange
from bot.exchange.binance.settings import BinanceSettings
from bot.runtime.service import Parts, Service
from bot.runtime.transport import InlineExecutor
from bot.settings import Settings
from database import ledger
from database.schema import upgrade
from database.session import act_url, desk_url
from database.store import SqlStore
from simulator.server.assemble import assemble
from simulator.server.options import DEMO_API_KEY, DEMO_API_SECRET, Options
from support.bed import EPOCH_MS, BedClock, BedTransport, VirtualLoop, journal_hash

PACING = {"min_seconds_between_trades": 5, "cooldown_after_win_seconds": 60, "cooldown_after_loss_seconds": 60}


@dataclass(frozen=True)
class BedResult:
    """What is left when the bed has run: both books, and the hash of the exchange's journal."""

    ours: bytes
    theirs: bytes
    journal_hash: str
    orders: int
    fills: int
    state: str


def run_bed(
    home: Path,
    *,
    seed: int,
    market_minutes: int,
    speed: int,
    symbols: str = "BTCUSDT",
    faults: list | None = None,
    later: dict[int, list] | None = None,
) -> BedResult:
    """Let the bot trade for so many market minutes on the virtual clock, then hold the market and compare.

    `faults` are there from the start, those of `later` come at their market minute.
    """
    loop = VirtualLoop()
    try:
        return loop.run_until_complete(
            _run(loop, home, seed, market_minutes, speed, symbols, faults or [], later or {})
        )
    finally:
        loop.close()


async def _run(loop, home, seed, market_minutes, speed, symbols, faults, later) -> BedResult:
    clock = BedClock(loop, seed)
    options = Options(symbols=tuple(symbols.split(",")), seed=seed, speed=speed, ticks_per_minute=12)
    server = assemble(options, EPOCH_MS)
    server.add_faults(msgspec.json.encode(faults), EPOCH_MS)
    transport = BedTransport(loop, clock, server)
    service = _service(home, clock, transport, options)
    await service.start()
    running = asyncio.create_task(service.run())
    for minute in [*sorted(later), market_minutes]:
        await clock.sleep(max(0, minute * 60 / speed - loop.time()))
        server.add_faults(msgspec.json.encode(later.get(minute, [])), clock.wall_ms())
        transport.flush()
    server.hold(clock.wall_ms())
    transport.flush()
    await clock.sleep(10)
    result = _result(home, server, service)
    service.ask_to_stop()
    await running
    await service.stop("the bed is done")
    return result


def _service(home: Path, clock: BedClock, transport: BedTransport, options: Options) -> Service:
    status = home / "status"
    status.mkdir(parents=True)
    settings = Settings(
        mode="demo",
        symbols={symbol: {} for symbol in options.symbols},
        pacing=PACING,
        strategy={"vwap_reversion": {"min_session_candles": 5}},
    )
    plan = settings.core_plan("bed")
    upgrade(act_url(status), desk_url(status), clock)
    store = SqlStore(act_url(status), desk_url(status), clock)
    host = "127.0.0.1:1"
    exchange = BinanceExchange(
        BinanceSettings(
            rest_url=f"http://{host}",
            ws_api_url=f"ws://{host}/ws-fapi/v1",
            market_stream_url=f"ws://{host}/market",
            public_stream_url=f"ws://{host}/public",
            private_stream_url=f"ws://{host}/private",
            api_key=SecretStr(DEMO_API_KEY),
            api_secret=SecretStr(DEMO_API_SECRET),
        ),
        clock,
        transport,
        InlineExecutor(),
    )
    parts = Parts(plan, exchange, store, clock, engine_maker(plan), home, "bed", settings.resolved())
    return Service(parts)


def _result(home: Path, server, service: Service) -> BedResult:
    theirs = server.ledger_bytes()
    books = json.loads(theirs)
    beat = json.loads((home / "status" / "heartbeat.json").read_text())
    return BedResult(
        ours=ledger.canonical(act_url(home / "status")),
        theirs=theirs,
        journal_hash=journal_hash(server),
        orders=len(books["orders"]),
        fills=len(books["fills"]),
        state=beat["state"],
    )
