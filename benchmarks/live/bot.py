"""The bot's own live path for measuring: adapter, shell, core and database as `act run` plugs them together."""

from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path
from typing import override

from bot.domain.account import AccountSnapshot, LeverageBracket
from bot.domain.books import Books
from bot.domain.events import CandleClosed, SnapshotTaken
from bot.domain.instrument import Instrument
from bot.domain.market import Candle
from bot.exchange.binance.exchange import BinanceExchange
from bot.exchange.binance.settings import BinanceSettings
from bot.runtime import logs
from bot.runtime.clock import SystemClock
from bot.runtime.loop import Shell
from bot.runtime.market import Market
from bot.runtime.transport import PicowsTransport, ThreadExecutor
from bot.trading.engine import Engine
from bot.trading.limits import CorePlan, ExecutionRules, PacingLimits, SymbolPlan
from bot.trading.strategy import ENTER_LONG, Verdict
from database.schema import upgrade
from database.session import act_url, desk_url
from database.store import SqlStore
from strategies.vwap_reversion import VwapReversion

_WALLET = Decimal(1_000_000)


class AlwaysLong(VwapReversion):
    """The reference strategy with all its work, asking for an entry at every candle."""

    @override
    def evaluate(self, candle: Candle) -> Verdict:
        verdict = super().evaluate(candle)
        return Verdict(ENTER_LONG, verdict.inputs, ready=True)


class Venue:
    """The adapter, connected to loopback."""

    def __init__(self, urls: dict[str, str]) -> None:
        self.clock = SystemClock()
        settings = BinanceSettings.loopback(urls, "key", "secret")
        self.exchange = BinanceExchange(settings, self.clock, PicowsTransport(), ThreadExecutor())


def a_shell(venue: Venue, symbols: Sequence[str], folder: Path) -> Shell:
    """Build core, shell and a fresh database; entries are market orders, everything else as by default."""
    plan = CorePlan(
        symbols=tuple(SymbolPlan(symbol, AlwaysLong.name) for symbol in symbols),
        execution=ExecutionRules(entry="market"),
        pacing=PacingLimits(min_seconds_between_trades=0),
        mode="demo",
    )
    logs.set_up(folder / "logs", ["secret"], to_stdout=False)
    upgrade(act_url(folder), desk_url(folder), venue.clock)
    store = SqlStore(act_url(folder), desk_url(folder), venue.clock)
    instruments = [_instrument(symbol) for symbol in symbols]
    brackets = [
        LeverageBracket(symbol, Decimal(0), Decimal(10**9), 20, Decimal("0.01"), Decimal(0)) for symbol in symbols
    ]
    strategies = {one.symbol: AlwaysLong(one) for one in instruments}
    engine = Engine(plan, strategies, instruments, brackets, Books("b3nc", {}))
    shell = Shell(engine, store, venue.exchange, Market(symbols, plan.risk.volatility_percent))
    shell.market.on_candle = lambda candle: shell.on_event(CandleClosed(candle.close_time, candle))
    shell.handle(SnapshotTaken(0, AccountSnapshot({"USDT": _WALLET}, (), (), ()), first=True))
    shell.release()
    return shell


def _instrument(symbol: str) -> Instrument:
    tick, step = Decimal("0.1"), Decimal("0.001")
    return Instrument(
        symbol=symbol,
        status="TRADING",
        base_asset=symbol.removesuffix("USDT"),
        quote_asset="USDT",
        margin_asset="USDT",
        tick_size=tick,
        min_price=tick,
        max_price=Decimal(10**7),
        step_size=step,
        min_quantity=step,
        max_quantity=Decimal(1_000),
        market_step_size=step,
        market_min_quantity=step,
        market_max_quantity=Decimal(1_000),
        min_notional=Decimal(100),
        percent_up=Decimal("1.05"),
        percent_down=Decimal("0.95"),
        max_orders=200,
    )
