"""The real bot on the simulator replaying recorded candles, on the virtual clock: a recorded day as if it were live."""

import asyncio
from pathlib import Path

from pydantic import SecretStr

from bot.app import engine_maker
from bot.exchange.binance.exchange import BinanceExchange
from bot.exchange.binance.settings import BinanceSettings
from bot.runtime.service import Parts, Service
from bot.runtime.transport import InlineExecutor
from bot.settings import load
from database.ledger import canonical, difference
from database.schema import upgrade
from database.session import act_url, desk_url
from database.store import SqlStore
from simulator.server.assemble import assemble
from simulator.server.options import DEMO_API_KEY, DEMO_API_SECRET, Options
from support.bed import EPOCH_MS, BedClock, BedTransport, VirtualLoop

HOST = "127.0.0.1:1"


def replay(
    home: Path,
    *,
    data: Path,
    exchange_info: Path | None,
    symbols: str,
    start_ms: int,
    market_minutes: int,
    speed: int = 60,
    config: str = "",
) -> None:
    """Let the bot trade recorded candles in `home`, whose act.toml and act.db are left behind as after a demo.

    `start_ms` is in the file's own time. Raises AssertionError when the books differ from the exchange's at the end.
    """
    status = home / "status"
    status.mkdir(parents=True)
    sections = "".join(f"[symbols.{symbol}]\n" for symbol in symbols.split(","))
    (home / "act.toml").write_text(f'mode = "demo"\n{sections}[simulator]\nspeed = {speed}\n{config}')
    options = Options(
        symbols=tuple(symbols.split(",")),
        data=data,
        exchange_info=exchange_info,
        start_ms=start_ms,
        speed=speed,
        ticks_per_minute=12,
    )
    loop = VirtualLoop()
    try:
        loop.run_until_complete(_run(loop, home, options, market_minutes))
    finally:
        loop.close()


async def _run(loop: VirtualLoop, home: Path, options: Options, market_minutes: int) -> None:
    clock = BedClock(loop, seed=1)
    server = assemble(options, EPOCH_MS)
    transport = BedTransport(loop, clock, server)
    service = _service(home, clock, transport)
    await service.start()
    running = asyncio.create_task(service.run())
    await clock.sleep(market_minutes * 60 / options.speed - loop.time())
    server.hold(clock.wall_ms())
    transport.flush()
    await clock.sleep(5)
    differences = difference(canonical(act_url(home / "status")), server.ledger_bytes())
    service.ask_to_stop()
    await running
    await service.stop("the replay is over")
    assert not differences, differences


def _service(home: Path, clock: BedClock, transport: BedTransport) -> Service:
    settings = load(home)
    plan = settings.core_plan("bed")
    act, desk = act_url(home / "status"), desk_url(home / "status")
    upgrade(act, desk, clock)
    urls = BinanceSettings(
        rest_url=f"http://{HOST}",
        ws_api_url=f"ws://{HOST}/ws-fapi/v1",
        market_stream_url=f"ws://{HOST}/market",
        public_stream_url=f"ws://{HOST}/public",
        private_stream_url=f"ws://{HOST}/private",
        api_key=SecretStr(DEMO_API_KEY),
        api_secret=SecretStr(DEMO_API_SECRET),
    )
    exchange = BinanceExchange(urls, clock, transport, InlineExecutor())
    store = SqlStore(act, desk, clock)
    return Service(Parts(plan, exchange, store, clock, engine_maker(plan), home, "bed", settings.resolved()))
