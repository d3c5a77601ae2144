"""The running bot: brings the parts up in order, keeps them supervised, and ends them cleanly."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import structlog

from bot.domain.account import LeverageBracket
from bot.domain.books import Books
from bot.domain.errors import ConfigurationError, RetryLater, StoreError
from bot.domain.events import CandleClosed, GateClosed, GateOpened
from bot.domain.instrument import Instrument
from bot.domain.market import Candle
from bot.domain.records import Alert, ConfigVersion, Row
from bot.ports import Clock, Exchange, Store
from bot.runtime import notify
from bot.runtime.candles import CandleFeed
from bot.runtime.heartbeat import INTERVAL_SECONDS, HeartbeatFile
from bot.runtime.incidents import Incidents
from bot.runtime.loop import Shell
from bot.runtime.market import Market
from bot.runtime.recovery import Recovery
from bot.runtime.startup import first_market_time, set_up_account, warm_up
from bot.runtime.supervisor import Beat, Supervisor
from bot.runtime.vitals import Ages, Stage, facts_of
from bot.runtime.watches import WATCH_SECONDS, Watches
from bot.trading.engine import Engine
from bot.trading.limits import CorePlan

_log = structlog.get_logger()

type MakeEngine = Callable[[Sequence[Instrument], Sequence[LeverageBracket], Books], Engine]


@dataclass(frozen=True)
class Parts:
    """What `bot.app` plugs together for one run."""

    plan: CorePlan
    exchange: Exchange
    store: Store
    clock: Clock
    make_engine: MakeEngine
    home: Path
    name: str
    resolved_config: str


@dataclass(frozen=True)
class _Live:
    """The parts that exist once the contracts are known."""

    shell: Shell
    feed: CandleFeed
    recovery: Recovery
    watches: Watches


class Service:
    """One run of the bot, from `start` to `stop`."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._clock = parts.clock
        self._symbols = tuple(plan.symbol for plan in parts.plan.symbols)
        self._run_id = f"{parts.clock.wall_ms()}-{parts.clock.token(4)}"
        self._stage = "starting"
        self._reason = ""
        self._file = HeartbeatFile(parts.home / "status" / "heartbeat.json")
        self._stop = asyncio.Event()
        self._interval = min(INTERVAL_SECONDS, notify.watchdog_seconds() or INTERVAL_SECONDS)
        self._incidents = Incidents(parts.clock, self._write_rows)
        self._supervisor = Supervisor(parts.clock, self._task_died, self._task_given_up)
        self._live: _Live | None = None
        self._failed: tuple[str, ...] = ()

    # life

    async def start(self) -> None:
        """Bring everything up and open the gates; raises ConfigurationError or what the exchange raises."""
        self._supervisor.watch("heartbeat", self._keep_beating, limit_seconds=10)
        await self._patiently(self._parts.exchange.connect)
        live = self._live = await self._build()
        self._stage = "reconciling"
        self.beat()
        await self._patiently(lambda: self._parts.exchange.open_streams(self._symbols, live.shell))
        await first_market_time(live.shell, self._clock)
        await self._warm_up(live)
        await self._patiently(live.recovery.first)
        if complaint := live.shell.engine.capital_complaint():
            raise ConfigurationError(complaint)
        self._go(live)

    async def run(self) -> None:
        """Run until `ask_to_stop`; the supervisor's own failure ends the run with its error."""
        watching = asyncio.create_task(self._supervisor.run(), name="supervisor")
        stopping = asyncio.create_task(self.stopped(), name="stop")
        await asyncio.wait({watching, stopping}, return_when=asyncio.FIRST_COMPLETED)
        failed = watching.done()
        for task in (watching, stopping):
            task.cancel()
        if failed:
            watching.result()

    async def stopped(self) -> None:
        """Wait until somebody asked to stop."""
        await self._stop.wait()

    def ask_to_stop(self) -> None:
        """End the run soon; safe to call twice and from a signal handler."""
        self._stop.set()

    async def stop(self, reason: str) -> None:
        """Close streams, write what is queued, and say goodbye; orders and stops at the exchange stay as they are."""
        self._stage, self._reason = "draining", reason
        notify.tell("STOPPING=1")
        self.beat()
        if self._live is not None:
            self._live.feed.close()
        await self._supervisor.stop()
        await self._parts.exchange.close()
        if self._live is not None:
            self._live.shell.retry_unwritten()
            self._alert("stop", "stopped", reason)
        self._stage = "stopped"
        self.beat()
        self._parts.store.close()

    def _go(self, live: _Live) -> None:
        self._stage = "running"
        live.shell.release()
        for name, work, limit_seconds in (
            ("recovery", live.recovery.run, 300.0),
            ("flush", live.watches.flush, 10.0),
            ("judge", live.watches.judge, 10.0),
            ("requests", live.watches.take_requests, 10.0),
            ("refresh", live.watches.refresh, 120.0),
            ("adapter", self._watch_adapter, 10.0),
        ):
            self._supervisor.watch(name, work, limit_seconds=limit_seconds)
        self._write_rows([self._config_version()])
        self._alert("start", "running", f"{', '.join(self._symbols)}; configuration {self._parts.plan.config_hash}")
        _log.info("bot.running", symbols=list(self._symbols), mode=self._parts.plan.mode, run_id=self._run_id)
        self.beat()
        notify.tell("READY=1")

    # start-up in steps

    async def _build(self) -> _Live:
        parts, exchange, store = self._parts, self._parts.exchange, self._parts.store
        instruments = await self._patiently(lambda: exchange.instruments(self._symbols))
        await self._patiently(lambda: set_up_account(exchange, self._symbols, parts.plan.account))
        brackets = await self._patiently(lambda: exchange.brackets(self._symbols))
        books = store.books()
        engine = parts.make_engine(instruments, brackets, books)
        self._incidents.inherit(books.incidents)
        store.commit_contracts(instruments, brackets)
        market = Market(self._symbols, parts.plan.risk.volatility_percent)
        shell = Shell(engine, store, exchange, market)
        feed = CandleFeed(exchange.candles, self._clock, self._candle, self._gap, self._revised)
        market.on_candle = feed.take
        recovery = Recovery(shell, store, exchange, self._clock, self._symbols)
        shell.on_reconcile = recovery.request
        max_age = parts.plan.risk.max_data_age_seconds
        watches = Watches(
            shell, store, exchange, self._clock, self._incidents, feed, recovery, self._symbols, parts.home, max_age
        )
        return _Live(shell, feed, recovery, watches)

    async def _warm_up(self, live: _Live) -> None:
        for symbol in self._symbols:
            call = partial(warm_up, self._parts.exchange, self._parts.store, live.shell, symbol)
            live.feed.begin(symbol, await self._patiently(call))

    async def _patiently[T](self, call: Callable[[], Awaitable[T]]) -> T:
        """Call until it works; passing faults are waited out, and shown in the heartbeat."""
        wait = 0.5
        while True:
            try:
                result = await call()
            except RetryLater as error:
                self._reason = str(error)
                _log.warning("start.delayed", why=str(error))
                await self._clock.sleep(max(wait, min(error.retry_after_seconds, 30.0)))
                wait = min(wait * 2, 15.0)
                continue
            self._reason = ""
            return result

    # what the candle feed calls

    def _candle(self, candle: Candle) -> None:
        if self._live is not None:
            shell = self._live.shell
            shell.on_event(CandleClosed(max(shell.market_ms(), candle.close_time), candle))

    def _gap(self, symbol: str, is_open: bool) -> None:
        if self._live is None:
            return
        now = self._live.shell.market_ms()
        closed = GateClosed(now, "back_fill", symbol, "candles are missing")
        self._live.shell.on_event(closed if is_open else GateOpened(now, "back_fill", symbol))

    def _revised(self, candle: Candle) -> None:
        self._parts.store.defer([candle])
        detail = f"the candle of {candle.open_time} came again with other values"
        self._incidents.note("candle_revised", candle.symbol, detail)

    # supervision

    async def _keep_beating(self, beat: Beat) -> None:
        while True:
            beat()
            self.beat()
            notify.tell("WATCHDOG=1")
            await self._clock.sleep(self._interval)

    async def _watch_adapter(self, beat: Beat) -> None:
        known: set[str] = set()
        while True:
            beat()
            for name in set(self._parts.exchange.tasks()) - known:
                known.add(name)
                self._task_given_up(name, "ended inside the exchange adapter")
            await self._clock.sleep(WATCH_SECONDS)

    def _task_died(self, name: str, why: str) -> None:
        self._incidents.note("task_died", name, why)

    def _task_given_up(self, name: str, why: str) -> None:
        self._failed = (*self._failed, name)
        self._reason = f"task {name}: {why}"
        self._incidents.open("task_failed", name, why, severity="CRITICAL", alert=True)
        if self._live is not None:
            shell = self._live.shell
            shell.on_event(GateClosed(shell.market_ms(), "task_failed", "", self._reason))

    # what the world sees

    def beat(self) -> None:
        """Write the heartbeat from what can be proven now."""
        try:
            self._file.write(self._clock.wall_ms(), self._facts())
        except OSError as error:
            _log.error("heartbeat.not_written", why=str(error))

    def _facts(self) -> dict[str, Any]:
        plan, live = self._parts.plan, self._live
        facts: dict[str, Any] = {
            "version": plan.code_version,
            "name": self._parts.name,
            "mode": plan.mode,
            "state": self._stage,
            "reason": self._reason,
            "run_id": self._run_id,
            "critical_incidents": self._incidents.critical,
        }
        if live is None:
            return facts
        stage = Stage(self._stage, self._reason, self._failed)
        ages = Ages(self._parts.store.write_age_ms(), live.recovery.age_seconds())
        known = facts_of(stage, live.shell.engine.view(), self._parts.exchange.health(), ages, live.shell.market_ms())
        return facts | known | {"last_error": live.shell.last_error}

    def _alert(self, event: str, title: str, text: str) -> None:
        self._write_rows([Alert(f"{event}-{self._run_id}", self._clock.wall_ms(), "INFO", event, "", title, text, "")])

    def _config_version(self) -> ConfigVersion:
        plan = self._parts.plan
        return ConfigVersion(
            plan.config_hash, self._clock.wall_ms(), plan.code_version, plan.mode, self._parts.resolved_config
        )

    def _write_rows(self, rows: list[Row]) -> None:
        """Write rows that accompany the run; those a failing database refuses are written when it works again."""
        if self._live is not None:
            self._live.shell.write(rows)
            return
        try:
            self._parts.store.commit(rows)
        except StoreError as error:
            _log.error("database.write_failed", why=str(error))
