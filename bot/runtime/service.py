"""The running bot: brings the parts up in order, keeps them supervised, and ends them cleanly."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import Any

import structlog
from msgspec.structs import replace

from bot.domain.account import LeverageBracket
from bot.domain.books import Books
from bot.domain.errors import ConfigurationError, RetryLater, StoreError
from bot.domain.events import CandleClosed, GateClosed, GateOpened, InstrumentsRefreshed, PersonAsked
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
from bot.trading.engine import Engine
from bot.trading.limits import CorePlan

_log = structlog.get_logger()

FLUSH_SECONDS = 0.02
WATCH_SECONDS = 0.25
CARRIES_ACCOUNT = frozenset({"user", "orders"})
TECHNICAL_GATES = frozenset({"unreconciled", "data_stale", "database", "stream_down", "back_fill", "task_failed"})

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
        self._stale: set[str] = set()
        self._lost: set[str] = set()
        self._killed = False
        self._watchdog_seconds = notify.watchdog_seconds()
        self.incidents = Incidents(parts.clock, self._write_rows)
        self._supervisor = Supervisor(parts.clock, self._task_died, self._task_given_up)
        self._shell: Shell | None = None
        self._feed: CandleFeed | None = None
        self._recovery: Recovery | None = None

    @property
    def shell(self) -> Shell:
        """Return the shell; there is one as soon as the instruments are known."""
        if self._shell is None:
            raise RuntimeError("the shell exists only after start() has read the instruments")
        return self._shell

    # life

    async def start(self) -> None:
        """Bring everything up and open the gates; raises ConfigurationError or what the exchange raises."""
        self.beat()
        await self._patiently(self._parts.exchange.connect)
        await self._build()
        self._stage = "reconciling"
        self.beat()
        await self._patiently(lambda: self._parts.exchange.open_streams(self._symbols, self.shell))
        await first_market_time(self.shell, self._clock)
        await self._warm_up()
        await self._patiently(self._need(self._recovery).first)
        self._check_capital()
        self._go()

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
        if self._feed is not None:
            self._feed.close()
        await self._supervisor.stop()
        await self._parts.exchange.close()
        if self._shell is not None:
            self._shell.retry_unwritten()
            self._alert("stop", "INFO", "stopped", reason)
        self._stage = "stopped"
        self.beat()
        self._parts.store.close()

    def _go(self) -> None:
        self._stage = "running"
        self.shell.release()
        for name, work, limit in (
            ("recovery", self._need(self._recovery).run, 300.0),
            ("flush", self._flush, 10.0),
            ("watch", self._watch, 10.0),
            ("requests", self._take_requests, 10.0),
            ("heartbeat", self._heartbeat, 10.0),
        ):
            self._supervisor.watch(name, work, limit_seconds=limit)
        self._write_rows([self._config_version()])
        self._alert(
            "start", "INFO", "running", f"{', '.join(self._symbols)}; configuration {self._parts.plan.config_hash}"
        )
        _log.info("bot.running", symbols=list(self._symbols), mode=self._parts.plan.mode, run_id=self._run_id)
        self.beat()
        notify.tell("READY=1")

    # start-up in steps

    async def _build(self) -> None:
        exchange = self._parts.exchange
        instruments = await self._patiently(lambda: exchange.instruments(self._symbols))
        await self._patiently(lambda: set_up_account(exchange, self._symbols, self._parts.plan.account))
        brackets = await self._patiently(lambda: exchange.brackets(self._symbols))
        store = self._parts.store
        engine = self._parts.make_engine(instruments, brackets, store.books())
        store.commit(instruments)
        market = Market(self._symbols, self._parts.plan.risk.volatility_percent)
        shell = Shell(engine, store, exchange, self._clock, market)
        self._shell = shell
        self._feed = CandleFeed(exchange.candles, self._clock, self._candle, self._gap, self._revised)
        market.on_candle = self._feed.take
        self._recovery = Recovery(shell, store, exchange, self._clock, self._symbols)
        shell.on_reconcile = self._recovery.request
        shell.on_refresh = self._refresh
        shell.on_stream_lost = self._stream_lost
        shell.on_stream_back = self._stream_back

    async def _warm_up(self) -> None:
        for symbol in self._symbols:
            call = partial(warm_up, self._parts.exchange, self._parts.store, self.shell, symbol)
            self._need(self._feed).begin(symbol, await self._patiently(call))
            self.beat()

    def _check_capital(self) -> None:
        complaint = self.shell.engine.capital_complaint()
        if complaint:
            raise ConfigurationError(complaint)

    async def _patiently[T](self, call: Callable[[], Awaitable[T]]) -> T:
        """Call until it works; passing faults are waited out, and shown in the heartbeat."""
        wait = 0.5
        while True:
            try:
                result = await call()
            except RetryLater as error:
                self._reason = str(error)
                _log.warning("start.delayed", why=str(error))
                self.beat()
                await self._clock.sleep(max(wait, min(error.retry_after_seconds, 30.0)))
                wait = min(wait * 2, 15.0)
                continue
            self._reason = ""
            return result

    def _need[T](self, part: T | None) -> T:
        if part is None:
            raise RuntimeError("this part exists only after start() has read the instruments")
        return part

    # what the parts call

    def _candle(self, candle: Candle) -> None:
        self.shell.on_event(CandleClosed(max(self.shell.market_ms(), candle.close_time), candle))

    def _gap(self, symbol: str, open_: bool) -> None:
        now = self.shell.market_ms()
        self.shell.on_event(
            GateClosed(now, "back_fill", symbol, "candles are missing")
            if open_
            else GateOpened(now, "back_fill", symbol)
        )

    def _revised(self, candle: Candle) -> None:
        self._parts.store.defer([candle])
        self.incidents.open(
            "candle_revised", candle.symbol, f"the candle of {candle.open_time} came again with other values"
        )

    def _refresh(self, symbol: str) -> None:
        _log.info("instruments.refresh_requested", symbol=symbol)
        task = asyncio.create_task(self._read_instruments(), name="instruments")
        task.add_done_callback(self._log_failure)

    async def _read_instruments(self) -> None:
        instruments = await self._patiently(lambda: self._parts.exchange.instruments(self._symbols))
        self._parts.store.commit(instruments)
        self.shell.on_event(InstrumentsRefreshed(self.shell.market_ms(), tuple(instruments)))

    def _log_failure(self, task: "asyncio.Task[None]") -> None:
        if not task.cancelled() and (error := task.exception()) is not None:
            self.incidents.open("refresh_failed", "", str(error), alert=True)

    def _stream_lost(self, stream: str, why: str) -> None:
        self._lost.add(stream)
        self.incidents.open("stream_down", stream, why)
        self.shell.on_event(GateClosed(self.shell.market_ms(), "stream_down", "", f"{stream}: {why}"))

    def _stream_back(self, stream: str) -> None:
        if stream not in self._lost:
            return
        self._lost.discard(stream)
        self.incidents.close("stream_down", stream)
        if stream in CARRIES_ACCOUNT:
            self._need(self._recovery).request(f"the {stream} stream was interrupted")
        if not self._lost:
            self.shell.on_event(GateOpened(self.shell.market_ms(), "stream_down", ""))

    # supervised tasks

    async def _flush(self, beat: Beat) -> None:
        while True:
            beat()
            self.shell.write_observations()
            try:
                while self._parts.store.flush_slice():
                    beat()
                    await self._clock.sleep(0)
            except StoreError as error:
                self.shell.database_failed(str(error))
                await self._clock.sleep(1)
            await self._clock.sleep(FLUSH_SECONDS)

    async def _watch(self, beat: Beat) -> None:
        while True:
            beat()
            self.shell.retry_unwritten()
            self._need(self._feed).check(self.shell.market_ms())
            self._judge_staleness()
            self._judge_kill_file()
            self._judge_exchange_tasks()
            await self._clock.sleep(WATCH_SECONDS)

    def _judge_staleness(self) -> None:
        now = self.shell.market_ms()
        limit = self._parts.plan.risk.max_data_age_seconds
        for symbol, age in self.shell.market.ages(self._clock.monotonic()).items():
            if age > limit and symbol not in self._stale:
                self._stale.add(symbol)
                self.incidents.open("data_stale", symbol, f"no market data for {age:.0f} s")
                self.shell.on_event(GateClosed(now, "data_stale", symbol, f"no market data for {age:.0f} s"))
            elif age <= limit and symbol in self._stale:
                self._stale.discard(symbol)
                self.incidents.close("data_stale", symbol)
                self.shell.on_event(GateOpened(now, "data_stale", symbol))

    def _judge_kill_file(self) -> None:
        killed = (self._parts.home / "status" / "KILL").exists()
        if killed == self._killed:
            return
        self._killed = killed
        now = self.shell.market_ms()
        if killed:
            self.incidents.open("kill_switch", "", "status/KILL exists; remove it to allow entries again", alert=True)
            self.shell.on_event(GateClosed(now, "kill_switch", "", "status/KILL exists"))
            return
        self.incidents.close("kill_switch")
        self.shell.on_event(GateOpened(now, "kill_switch", ""))

    def _judge_exchange_tasks(self) -> None:
        for name in self._parts.exchange.tasks():
            self._task_given_up(name, "ended inside the exchange adapter")

    async def _take_requests(self, beat: Beat) -> None:
        while True:
            beat()
            for request in self._asked():
                self.shell.on_event(replace(request, at_ms=self.shell.market_ms()))
            await self._clock.sleep(WATCH_SECONDS)

    def _asked(self) -> tuple[PersonAsked, ...]:
        try:
            asked = self._parts.store.take_requests()
        except StoreError as error:
            self.incidents.open("requests_unreadable", "", str(error), alert=True)
            return ()
        self.incidents.close("requests_unreadable")
        return asked

    async def _heartbeat(self, beat: Beat) -> None:
        interval = min(INTERVAL_SECONDS, self._watchdog_seconds or INTERVAL_SECONDS)
        while True:
            beat()
            self.beat()
            notify.tell("WATCHDOG=1")
            await self._clock.sleep(interval)

    def _task_died(self, name: str, why: str) -> None:
        self.incidents.open("task_died", name, why)

    def _task_given_up(self, name: str, why: str) -> None:
        self._reason = f"task {name}: {why}"
        self.incidents.open("task_failed", name, why, severity="CRITICAL", alert=True)
        self.shell.on_event(GateClosed(self.shell.market_ms(), "task_failed", "", self._reason))

    # what the world sees

    def beat(self) -> None:
        """Write the heartbeat from what can be proven now."""
        try:
            self._file.write(self._clock.wall_ms(), self._facts())
        except OSError as error:
            _log.error("heartbeat.not_written", why=str(error))

    def _facts(self) -> dict[str, Any]:
        plan = self._parts.plan
        facts: dict[str, Any] = {
            "version": plan.code_version,
            "name": self._parts.name,
            "mode": plan.mode,
            "state": self._stage,
            "reason": self._reason,
            "run_id": self._run_id,
        }
        if self._shell is None or self._recovery is None:
            return facts
        view = self._shell.engine.view()
        health = self._parts.exchange.health()
        state, reason = self._state(view)
        facts |= {
            "state": state,
            "reason": reason,
            "market_ms": self._shell.market_ms(),
            "streams": {
                each.name: {"up": each.up, "age_ms": each.age_ms, "reconnects": each.reconnects}
                for each in health.streams
            },
            "database": {"write_age_ms": self._parts.store.write_age_ms()},
            "reconcile_age_s": round(self._recovery.age_seconds(), 1),
            "positions": len(view.positions),
            "open_orders": len(view.orders),
            "equity": _money(view.equity),
            "day_pnl": _money(view.day_pnl),
            "risk": {name: _money(share) for name, share in view.risk.items()},
            "gates": sorted({gate.gate for gate in view.gates}),
            "clock_offset_ms": health.clock_offset_ms,
            "used_weight": health.used_weight,
            "last_decision_ts": view.last_decision_ms,
            "last_error": self._shell.last_error,
            "critical_incidents": self.incidents.critical,
        }
        return facts

    def _state(self, view: Any) -> tuple[str, str]:
        if self._stage != "running":
            return self._stage, self._reason
        failed = self._supervisor.failed()
        if failed:
            return "halted", self._reason
        for halt in view.halts:
            if not halt.symbol:
                return "halted", f"{halt.reason}: {halt.detail}"
        technical = [gate for gate in view.gates if gate.gate in TECHNICAL_GATES]
        if technical:
            return "degraded", f"{technical[0].gate} {technical[0].symbol} {technical[0].detail}".strip()
        if any(gate.gate == "kill_switch" for gate in view.gates):
            return "paused", "kill_switch"
        return ("paused", "entries are paused by a person") if view.paused else ("running", "")

    def _alert(self, event: str, severity: str, title: str, text: str) -> None:
        now = self._clock.wall_ms()
        self._write_rows([Alert(f"{event}-{self._run_id}", now, severity, event, "", title, text, "")])

    def _config_version(self) -> ConfigVersion:
        plan = self._parts.plan
        return ConfigVersion(
            plan.config_hash, self._clock.wall_ms(), plan.code_version, plan.mode, self._parts.resolved_config
        )

    def _write_rows(self, rows: list[Row]) -> None:
        try:
            self._parts.store.commit(rows)
        except StoreError as error:
            _log.error("database.write_failed", why=str(error))


def _money(amount: Decimal) -> str:
    return format(amount, "f")
