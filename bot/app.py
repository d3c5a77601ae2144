"""Plugs the concrete parts of the running bot together, by name, and runs it: `act run`."""

import argparse
import asyncio
import gc
import importlib
import os
import signal
import sys
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from importlib.metadata import version
from pathlib import Path

import structlog
import uvloop
from pydantic import SecretStr

from bot.domain.account import LeverageBracket
from bot.domain.books import Books
from bot.domain.errors import ConfigurationError
from bot.domain.instrument import Instrument
from bot.exchange.binance.exchange import BinanceExchange
from bot.exchange.binance.public import BinanceMarket
from bot.exchange.binance.settings import BinanceSettings
from bot.loader import check_strategies, strategy_class
from bot.ports import Exchange, MarketData, Store
from bot.runtime import guard, logs
from bot.runtime.clock import SystemClock
from bot.runtime.lock import account_lock, home_lock
from bot.runtime.service import MakeEngine, Parts, Service
from bot.runtime.transport import PicowsTransport, ThreadExecutor
from bot.settings import Mode, Settings, home, load, secret
from bot.trading.engine import Engine
from bot.trading.limits import CorePlan, SymbolPlan
from bot.trading.strategy import Strategy
from database.queries import Queries
from database.schema import upgrade
from database.session import act_url, desk_url
from database.store import SqlStore

_log = structlog.get_logger()

SHUTDOWN_SECONDS = 15


def main(argv: list[str]) -> int:
    """Run the bot until a signal ends it; returns the exit code."""
    options = _parser().parse_args(argv)
    folder = Path(options.home).resolve() if options.home else home()
    settings = _with_mode(load(folder), options.mode)
    key, key_secret = _credentials(settings)
    check_strategies(settings.core_plan(_code_version()))
    if settings.mode != "paper":
        guard.refuse_simulation(sys.modules, settings.mode)
    binance = _binance_settings(settings, key, key_secret)
    os.umask(0o077)
    for name in ("status", "logs"):
        _make_folder(folder / name)
    logs.set_up(
        folder / "logs", [key.get_secret_value(), key_secret.get_secret_value()], to_stdout=options.log_to_stdout
    )
    with home_lock(folder), _account_lock(settings, key):
        return uvloop.run(_run(settings, folder, binance))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="act run",
        description="Run the bot in the foreground. Ctrl-C or SIGTERM ends it; orders and stops at the exchange stay.",
        epilog="example: ACT_BINANCE_API_KEY=... ACT_BINANCE_API_SECRET=... act run --testnet",
    )
    which = parser.add_mutually_exclusive_group(required=True)
    for mode, purpose in (
        ("paper", "real prices, pretended account"),
        ("testnet", "the exchange's test network"),
        ("live", 'real money; act.toml must say mode = "live" too'),
        ("demo", "the simulator whose URLs stand in [endpoints]"),
    ):
        which.add_argument(f"--{mode}", dest="mode", action="store_const", const=mode, help=purpose)
    parser.add_argument(
        "--home", default="", help="folder with act.toml, status/ and logs/ (default ACT_HOME, else here)"
    )
    parser.add_argument("--log-to-stdout", action="store_true", help="write the log to stdout too, as under systemd")
    return parser


def _with_mode(settings: Settings, mode: Mode) -> Settings:
    if mode == "live" and settings.mode != "live":
        raise ConfigurationError('--live also needs mode = "live" in act.toml. Nothing was started.')
    return settings.model_copy(update={"mode": mode})


def _credentials(settings: Settings) -> tuple[SecretStr, SecretStr]:
    if settings.mode == "paper":
        return SecretStr(""), SecretStr("")
    key, key_secret = secret("ACT_BINANCE_API_KEY"), secret("ACT_BINANCE_API_SECRET")
    if key is None or key_secret is None:
        raise ConfigurationError(
            "no API key. Set ACT_BINANCE_API_KEY and ACT_BINANCE_API_SECRET (or ..._FILE), never in act.toml."
        )
    return key, key_secret


def _account_lock(settings: Settings, key: SecretStr) -> AbstractContextManager[object]:
    """Lock the exchange account; a paper account lives in its home alone."""
    return nullcontext() if settings.mode == "paper" else account_lock(key.get_secret_value(), settings.urls().rest)


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(mode=0o770, parents=True, exist_ok=True)
        probe = folder / f".probe-{os.getpid()}"
        probe.touch()
        probe.unlink()
    except OSError as error:
        raise ConfigurationError(
            f"{folder} cannot be written: {error.strerror}. Check its owner, or set ACT_HOME."
        ) from error


async def _run(settings: Settings, folder: Path, binance: BinanceSettings) -> int:
    clock = SystemClock()
    store = _open_store(settings, folder, clock)
    plan = settings.core_plan(_code_version())
    service = Service(
        Parts(
            plan=plan,
            exchange=_make_exchange(settings, binance, clock, store),
            store=store,
            clock=clock,
            make_engine=engine_maker(plan),
            home=folder,
            name=settings.alerts.name,
            resolved_config=settings.resolved(),
        )
    )
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(_log_unhandled)
    for each in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(each, service.ask_to_stop)
    return await _live(service)


async def _live(service: Service) -> int:
    starting = asyncio.create_task(service.start(), name="start")
    stopping = asyncio.create_task(service.stopped(), name="stop")
    await asyncio.wait({starting, stopping}, return_when=asyncio.FIRST_COMPLETED)
    stopping.cancel()
    if not starting.done():
        starting.cancel()
        await service.stop("stopped by a signal while starting")
        return 0
    if (error := starting.exception()) is not None:
        await service.stop(str(error))
        raise error
    gc.collect()
    gc.freeze()
    await service.run()
    async with asyncio.timeout(SHUTDOWN_SECONDS):
        await service.stop("stopped by a signal")
    return 0


def _log_unhandled(_loop: asyncio.AbstractEventLoop, context: dict[str, object]) -> None:
    error = context.get("exception")
    _log.critical("loop.unhandled", message=str(context.get("message")), error=repr(error), exc_info=error)


def _open_store(settings: Settings, folder: Path, clock: SystemClock) -> Store:
    act, desk = database_urls(settings, folder)
    upgrade(act, desk, clock)
    _refuse_books_of_another_mode(settings, act, desk)
    return SqlStore(act, desk, clock, synchronous=settings.database.synchronous)


def _refuse_books_of_another_mode(settings: Settings, act: str, desk: str) -> None:
    """Keep accounts apart: positions of a pretended account must never get stops at a real one."""
    latest = Queries(act, desk).config_version()
    if latest is not None and latest.mode != settings.mode:
        raise ConfigurationError(
            f"this home holds the books of {latest.mode}, not of {settings.mode}. "
            "Give each mode a home of its own: --home DIR or ACT_HOME."
        )


def database_urls(settings: Settings, folder: Path) -> tuple[str, str]:
    """Return the URLs of the bot's file and of the people's file."""
    status = folder / "status"
    return settings.database.url or act_url(status), settings.database.desk_url or desk_url(status)


def _binance_settings(settings: Settings, key: SecretStr, key_secret: SecretStr) -> BinanceSettings:
    urls = settings.urls()
    return BinanceSettings(
        rest_url=urls.rest,
        ws_api_url=urls.ws_api,
        market_stream_url=urls.market,
        public_stream_url=urls.public,
        private_stream_url=urls.private,
        api_key=key,
        api_secret=key_secret,
    )


def _make_exchange(settings: Settings, binance: BinanceSettings, clock: SystemClock, store: Store) -> Exchange:
    if settings.mode == "paper":
        market = BinanceMarket(binance, clock, PicowsTransport(), ThreadExecutor())
        return _paper_exchange(settings, market, store)
    return BinanceExchange(binance, clock, PicowsTransport(), ThreadExecutor())


def _paper_exchange(settings: Settings, market: MarketData, store: Store) -> Exchange:
    """Load paper trading by name, for its mode alone: it brings the simulated exchange into the process."""
    paper = importlib.import_module("bot.exchange.simulated.paper")
    account = paper.PaperAccount(
        balance=settings.paper.balance,
        costs=settings.costs,
        leverage=settings.account.leverage,
        margin_type=settings.account.margin_type,
    )
    exchange: Exchange = paper.PaperExchange(market, account, store.books())
    return exchange


def engine_maker(plan: CorePlan) -> MakeEngine:
    """Return what builds the core once the contracts are known; raises ConfigurationError for an unknown strategy."""
    classes = {each.symbol: strategy_class(each.strategy) for each in plan.symbols}

    def make(instruments: Sequence[Instrument], brackets: Sequence[LeverageBracket], books: Books) -> Engine:
        by_symbol = {each.symbol: each for each in instruments}
        strategies = {each.symbol: _build(classes[each.symbol], by_symbol[each.symbol], each) for each in plan.symbols}
        return Engine(plan, strategies, instruments, brackets, books)

    return make


def _build(kind: type[Strategy], instrument: Instrument, plan: SymbolPlan) -> Strategy:
    return kind(instrument, plan.parameters)


def _code_version() -> str:
    return version("auto-coin-trader")
