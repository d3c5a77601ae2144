"""The deterministic bed for lives that end badly: kill -9 and restart, and REST calls that really run side by side.

`bed_run` lets one service live well; here a life may end between any two steps, with nothing said to anybody. Each life
has an event loop of its own, which is abandoned as a process is: no task of it ever runs again. Calls of the SDK run in
worker threads of which exactly one is awake at a time, so the order of things is still decided by the seed alone.
"""

import asyncio
import re
import threading
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from decimal import Decimal
from itertools import pairwise
from pathlib import Path
from queue import SimpleQueue
from typing import Any
from urllib.parse import urlsplit

import msgspec
from pydantic import SecretStr
from requests import PreparedRequest, ReadTimeout, Response
from requests.adapters import BaseAdapter
from requests.exceptions import ConnectionError as RequestsConnectionError
from requests.structures import CaseInsensitiveDict

from bot.app import engine_maker
from bot.domain.errors import ActError, StopTrading, StoreError
from bot.exchange.binance.exchange import BinanceExchange
from bot.exchange.binance.settings import BinanceSettings
from bot.runtime.service import Parts, Service
from bot.settings import Settings
from database.schema import upgrade
from database.session import act_url, desk_url
from database.store import SqlStore
from simulator.server.assemble import assemble
from simulator.server.options import DEMO_API_KEY, DEMO_API_SECRET, Options
from simulator.server.wire import HttpReply, HttpRequest
from support.bed import EPOCH_MS, BedClock, BedTransport, VirtualLoop

WORKERS = 4
OURS = re.compile(r"(a[a-z0-9]{4}[exs][0-9a-f]{20})-[1-9][0-9]*")
SAMPLE_SECONDS = 0.1


class Killed(KeyboardInterrupt):
    """SIGKILL: nothing of the process runs after it (the only exception that passes through tasks and callbacks)."""


class LivesTransport(BedTransport):
    """The transport of one process: it can die with everything that it has open."""

    def __init__(self, loop: VirtualLoop, clock: BedClock, server: Any, first_id: int) -> None:
        super().__init__(loop, clock, server)
        self._next_id = first_id
        self._on_the_way: list[tuple[int, bytes]] = []
        self._waiting: dict[int, asyncio.Future[HttpReply | None]] = {}
        self.dead = False

    @property
    def next_id(self) -> int:
        return self._next_id

    def http_adapter(self) -> BaseAdapter:
        return _LivesAdapter()

    def send(self, connection: int, payload: bytes) -> None:
        if self.dead or connection not in self._listeners:
            raise ConnectionError("the connection is gone")
        self._on_the_way.append((connection, payload))
        self._loop.call_later(self._latency, self._first_arrives)

    def hang_up(self, connection: int) -> None:
        if not self.dead:
            super().hang_up(connection)

    async def ask(self, request: HttpRequest, timeout_seconds: float) -> HttpReply | None:
        """Carry one HTTP request while everybody else goes on; None = reset; raises ReadTimeout."""
        number = self._new_id()
        answer = self._waiting[number] = self._loop.create_future()
        await self._clock.sleep(self._latency)
        self.server.http(number, request, self._clock.wall_ms())
        self.flush()
        try:
            async with asyncio.timeout(timeout_seconds):
                reply = await answer
        except TimeoutError:
            raise ReadTimeout("no answer in time") from None
        finally:
            del self._waiting[number]
        await self._clock.sleep(self._latency)
        return reply

    def flush(self) -> None:
        super().flush()
        for number in tuple(self._replies):
            reply = self._replies.pop(number)
            if (answer := self._waiting.get(number)) is not None and not answer.done():
                answer.set_result(reply)

    def die(self, now_ms: int) -> None:
        """End as the kernel ends a killed process: what was written goes out, then every connection is closed."""
        while self._on_the_way:
            connection, payload = self._on_the_way.pop(0)
            self.server.ws_text(connection, payload.decode(), now_ms)
        self.dead = True
        for connection in tuple(self._listeners):
            self.server.ws_closed(connection, now_ms)
        self._listeners.clear()
        self.server.take()

    def _first_arrives(self) -> None:
        connection, payload = self._on_the_way.pop(0)
        self._arrive(connection, payload.decode())


class _Worker:
    """One worker thread. Either it or the loop's thread is awake, never both."""

    def __init__(self) -> None:
        self._inbox: SimpleQueue[Any] = SimpleQueue()
        self._outbox: SimpleQueue[Any] = SimpleQueue()
        self._thread = threading.Thread(target=self._work, daemon=True)
        self._thread.start()

    def give(self, what: Any) -> Any:
        """Hand over a call, or the answer to a request, and wait for the next request or the end of the call."""
        self._inbox.put(what)
        return self._outbox.get()

    def stop(self) -> None:
        self._inbox.put(None)
        self._thread.join()

    def _work(self) -> None:
        _here.worker = self
        while (call := self._inbox.get()) is not None:
            try:
                ended = ("done", call(), None)
            except BaseException as error:
                ended = ("done", None, error)
            self._outbox.put(ended)

    def ask(self, request: HttpRequest, timeout_seconds: float) -> HttpReply | None:
        """Called on the worker's thread: let the loop carry a request, and sleep until it is answered."""
        self._outbox.put(("ask", request, timeout_seconds))
        answer = self._inbox.get()
        if isinstance(answer, BaseException):
            raise answer
        return answer


_here = threading.local()


class HandOverExecutor:
    """Runs blocking calls on worker threads that take turns with the loop, so that a run can be repeated."""

    def __init__(self, transport: LivesTransport) -> None:
        self._transport = transport
        self._free = [_Worker() for _ in range(WORKERS)]
        self._busy: list[_Worker] = []
        self._turns = asyncio.Semaphore(WORKERS)

    async def run[T](self, call: Callable[[], T]) -> T:
        async with self._turns:
            worker = self._free.pop(0)
            self._busy.append(worker)
            try:
                return await self._through(worker, call)
            finally:
                if worker in self._busy:
                    self._busy.remove(worker)
                    self._free.append(worker)

    async def _through(self, worker: _Worker, call: Callable[[], Any]) -> Any:
        kind, first, second = worker.give(call)
        while kind == "ask":
            try:
                answer: Any = await self._transport.ask(first, second)
            except ReadTimeout as error:
                answer = error
            except asyncio.CancelledError:
                while worker.give(ReadTimeout("nobody waits any more"))[0] == "ask":
                    pass
                raise
            kind, first, second = worker.give(answer)
        if second is not None:
            raise second
        return first

    def close(self) -> None:
        pass

    def die(self) -> None:
        """Let every thread end; what it was waiting for never came."""
        for worker in self._busy:
            while worker.give(ReadTimeout("killed"))[0] == "ask":
                pass
        for worker in (*self._busy, *self._free):
            worker.stop()
        self._busy.clear()
        self._free.clear()


class _LivesAdapter(BaseAdapter):
    def send(self, request: PreparedRequest, *_args, timeout=None, **_options) -> Response:
        parts = urlsplit(request.url)
        body = request.body or b""
        headers = {name.lower(): value for name, value in request.headers.items()}
        received = HttpRequest(
            request.method, parts.path, parts.query, headers, body if isinstance(body, bytes) else body.encode()
        )
        reply = _here.worker.ask(received, timeout[-1] if isinstance(timeout, tuple) else timeout or 5.0)
        if reply is None:
            raise RequestsConnectionError("connection reset by peer")
        answer = Response()
        answer.status_code = reply.status
        answer.headers = CaseInsensitiveDict(reply.headers)
        answer._content = reply.body
        answer.request = request
        answer.url = request.url
        answer.encoding = "utf-8"
        return answer

    def close(self) -> None:
        pass


class DeadlyStore(SqlStore):
    """The real store; the process dies right before or right after one of its commits when told so."""

    dies_in: int = 0
    dies_after: bool = False
    dead: bool = False
    fails: Callable[[], bool] = staticmethod(lambda: False)

    def commit(self, rows) -> None:
        if self.dead:
            raise Killed
        if self.fails():
            raise StoreError("the disk is full, says the test")
        self.dies_in -= 1
        if self.dies_in == 0 and not self.dies_after:
            raise Killed
        super().commit(rows)
        if self.dies_in == 0:
            raise Killed


class Lives:
    """One market, one account, one home, and service after service on it.

    `timeline` is a list of (wall seconds, what to do); what to do is called with the running `Service` or None while
    there is none. `trouble` collects every broken promise in words.
    """

    def __init__(
        self,
        home: Path,
        *,
        seed: int,
        speed: float,
        symbols: str,
        strategy: dict[str, Any],
        pacing: dict[str, int],
        execution: dict[str, Any],
    ) -> None:
        self.home = home
        self.options = Options(symbols=tuple(symbols.split(",")), seed=seed, speed=speed, ticks_per_minute=12)
        self.server = assemble(self.options, EPOCH_MS)
        self.settings = Settings(
            mode="demo",
            symbols={symbol: {} for symbol in self.options.symbols},
            pacing=pacing,
            strategy={"vwap_reversion": strategy},
            execution=execution,
        )
        self.trouble: list[str] = []
        self.deaths = 0
        self.store_fails_until = 0.0
        self.service: Service | None = None
        self.transport: LivesTransport | None = None
        self.store: DeadlyStore | None = None
        self.watch = ProtectionWatch(self)
        self.unhandled: list[str] = []
        self._seed = seed
        self._now = 0.0
        self._next_id = 0
        self._down_seconds = 0.0
        self._timeline: list[tuple[float, Callable[[], None]]] = []
        self._buried: list[Any] = []
        (home / "status").mkdir(parents=True)

    @property
    def now(self) -> float:
        """Wall seconds since the beginning."""
        return self._loop.now if self.transport is not None else self._now

    @property
    def wall_ms(self) -> int:
        return EPOCH_MS + round(self.now * 1_000)

    def at(self, seconds: float, deed: Callable[[], None]) -> None:
        """Do something at a moment."""
        self._timeline.append((seconds, deed))
        self._timeline.sort(key=lambda each: each[0])

    def kill(self, down_seconds: float) -> None:
        """End the present life here and now; the next one begins `down_seconds` later."""
        self._down_seconds = down_seconds
        raise Killed

    def kill_at_commit(self, number: int, down_seconds: float, *, after: bool) -> None:
        """End the present life around a commit to come."""
        self._down_seconds = down_seconds
        if self.store is not None:
            self.store.dies_in, self.store.dies_after = number, after

    def touch(self) -> None:
        """Let the server's new faults and the like take effect now."""
        if self.transport is not None:
            self.transport.flush()

    def run(self, until_seconds: float) -> None:
        """Live, die and live again until the timeline ends at `until_seconds`."""
        while True:
            loop = self._loop = VirtualLoop()
            loop.now = self._now
            loop.set_exception_handler(self._note_unhandled)
            try:
                loop.run_until_complete(self._life(loop, until_seconds))
            except Killed:
                self._bury(loop)
                continue
            self._bury(loop)
            return

    def can_act(self) -> bool:
        """Say whether there is a running bot that may send something: a banned one may not."""
        return self.service is not None and self.exchange.health().banned_until_ms <= self.wall_ms

    def state(self) -> str:
        """What the heartbeat says."""
        return msgspec.json.decode((self.home / "status" / "heartbeat.json").read_bytes())["state"]

    async def _life(self, loop: VirtualLoop, until_seconds: float) -> None:
        clock = BedClock(loop, self._seed * 1_000 + self.deaths)
        self.transport = LivesTransport(loop, clock, self.server, self._next_id)
        watching = asyncio.create_task(self._watch(clock))
        directing = asyncio.create_task(self._direct(clock, until_seconds))
        if self.deaths:
            await clock.sleep(self._down_seconds)
        living = asyncio.create_task(self._serve(clock))
        await directing
        if living.done() and living.exception() is not None:
            raise living.exception()
        watching.cancel()
        living.cancel()

    async def _serve(self, clock: BedClock) -> None:
        while True:
            service = self._make_service(clock)
            try:
                await service.start()
                self.service = service
                await service.run()
            except ActError as error:
                self.service = None
                if not isinstance(error, StopTrading | StoreError):  # that one means: tried again by whoever started it
                    self.trouble.append(f"{self.now:.1f} s: the service ended: {type(error).__name__}: {error}")
                await service.stop(str(error))
                await clock.sleep(5)
                continue
            self.trouble.append(f"{self.now:.1f} s: the service ended by itself")
            return

    def _make_service(self, clock: BedClock) -> Service:
        status = self.home / "status"
        upgrade(act_url(status), desk_url(status), clock)
        self.store = DeadlyStore(act_url(status), desk_url(status), clock)
        self.store.fails = lambda: self.now < self.store_fails_until
        self.executor = HandOverExecutor(self.transport)
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
            self.transport,
            self.executor,
        )
        self.exchange = exchange
        plan = self.settings.core_plan("bed")
        resolved = self.settings.resolved()
        return Service(Parts(plan, exchange, self.store, clock, engine_maker(plan), self.home, "bed", resolved))

    async def _direct(self, clock: BedClock, until_seconds: float) -> None:
        while self._timeline:
            due, deed = self._timeline[0]
            await clock.sleep(max(0.0, due - self.now))
            self._timeline.pop(0)
            deed()
            self.touch()
        await clock.sleep(max(0.0, until_seconds - self.now))

    async def _watch(self, clock: BedClock) -> None:
        while True:
            self.watch.sample()
            await clock.sleep(SAMPLE_SECONDS)

    def _note_unhandled(self, _loop: Any, context: dict[str, Any]) -> None:
        if isinstance(context.get("exception"), Killed):
            return
        self.trouble.append(f"{self.now:.1f} s: unhandled: {context.get('message')} {context.get('exception')!r}")

    def _bury(self, loop: VirtualLoop) -> None:
        self._now = loop.now
        self.transport.die(self.wall_ms)
        self._next_id = self.transport.next_id
        self.executor.die()
        self.store.dead = True
        self.store._let_go()
        self.store._reader.dispose()
        tasks = asyncio.all_tasks(loop)
        for task in tasks:
            task._log_destroy_pending = False
            with suppress(BaseException):  # it finds nothing that works any more, and no later run hears of it
                task.get_coro().close()
        loop.close()
        self._buried.append((tasks, self.service))
        self.transport = self.service = None
        self.deaths += 1


class ProtectionWatch:
    """Samples the exchange: positions without a stop or exit, weight used, what is live at once."""

    def __init__(self, lives: Lives) -> None:
        self._lives = lives
        self._naked_since: dict[str, float] = {}
        self.naked: list[tuple[str, float, float]] = []
        self.most_weight = 0.0
        self.largest: dict[str, Decimal] = {}

    def sample(self) -> None:
        server, now = self._lives.server, self._lives.now
        state = server.exchange._state
        if server.is_held or not self._lives.can_act():
            self._naked_since.clear()
            return
        for symbol in self._lives.options.symbols:
            quantity = state.position(symbol).quantity
            worth = abs(quantity) * state.market(symbol).last
            self.largest[symbol] = max(self.largest.get(symbol, Decimal(0)), worth)
            if quantity and not _is_protected(state, symbol, quantity):
                self._naked_since.setdefault(symbol, now)
            elif symbol in self._naked_since:
                self._end(symbol, now)
        limits = server._api.limits
        self.most_weight = max(self.most_weight, limits.weight.count(self._lives.wall_ms) / limits.weight.limit)

    def end(self) -> None:
        for symbol in tuple(self._naked_since):
            self._end(symbol, self._lives.now)

    def _end(self, symbol: str, now: float) -> None:
        since = self._naked_since.pop(symbol)
        self.naked.append((symbol, since, now - since))


def _is_protected(state: Any, symbol: str, quantity: Decimal) -> bool:
    closing = "SELL" if quantity > 0 else "BUY"
    market = state.market(symbol)
    stops = any(algo.close_position and algo.side == closing for algo in market.waiting.values())
    return stops or any(order.reduce_only and order.side == closing for order in market.resting.values())


def doubled_orders(server: Any) -> list[str]:
    """Say which intents had two live orders at once, more executed than meant, or one client id twice (I1)."""
    state = server.exchange._state
    found: list[str] = []
    ids = Counter((o.symbol, o.client_order_id) for o in state.orders.values() if OURS.fullmatch(o.client_order_id))
    found += [
        f"client order id {client_id} was accepted {count} times" for (_, client_id), count in ids.items() if count > 1
    ]
    found += _overlapping([o for o in state.orders.values() if not o.algo_id], lambda o: o.client_order_id)
    found += _overlapping(list(state.algos.values()), lambda a: a.client_algo_id)
    return found


def _overlapping(orders: list[Any], id_of: Callable[[Any], str]) -> list[str]:
    intents: dict[str, list[Any]] = {}
    for order in orders:
        if (ours := OURS.fullmatch(id_of(order))) is not None:
            intents.setdefault(ours.group(1), []).append(order)
    found = []
    for attempts in intents.values():
        attempts.sort(key=lambda each: each.created_ms)
        for one, two in pairwise(attempts):
            if one.is_open or two.created_ms < one.updated_ms:
                found.append(f"{id_of(two)} was accepted while {id_of(one)} was live")
    return found


def executed_too_much(server: Any, wanted: dict[str, Decimal]) -> list[str]:
    """Say which intents (id -> quantity) were executed beyond what was meant (I1)."""
    executed: dict[str, Decimal] = {}
    for order in server.exchange._state.orders.values():
        if (ours := OURS.fullmatch(order.client_order_id)) is not None and not order.algo_id:
            intent = ours.group(1)[5:]
            executed[intent] = executed.get(intent, Decimal(0)) + order.executed_quantity
    return [
        f"intent {intent} executed {quantity} of {wanted.get(intent)}"
        for intent, quantity in executed.items()
        if quantity > wanted.get(intent, Decimal(0))
    ]
