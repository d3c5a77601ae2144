"""A real simulator server in a thread of its own, for tests of its clients: real sockets on 127.0.0.1, any free port.

`with RunningSimulator(Options(symbols=("BTCUSDT",), speed=60)) as simulator:` then `simulator.urls["rest"]`,
`simulator.hold()`, `simulator.ledger()`.
"""

import asyncio
import threading
from collections.abc import Callable
from typing import Any, Self, TypeVar

import msgspec

from simulator.server.assemble import assemble
from simulator.server.control import journal_entries
from simulator.server.options import Options
from simulator.server.protocol import Server
from simulator.server.sockets import Shell, wall_clock_ms

_T = TypeVar("_T")
_START_SECONDS = 20
_CALL_SECONDS = 20


class RunningSimulator:
    """Start the simulator on entering, stop it on leaving.

    `urls` has `rest`, `ws_api`, `streams` and `control`; `options` the credentials. The control methods do what the
    control endpoints do, without HTTP. Every method may be called from any thread but the simulator's own.
    """

    def __init__(self, options: Options | None = None) -> None:
        self.options = options or Options()
        self.urls: dict[str, str] = {}
        self._ready = threading.Event()
        self._stop: asyncio.Event | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._server: Server | None = None
        self._shell: Shell | None = None
        self._failure: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name="simulator", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        if not self._ready.wait(_START_SECONDS):
            raise TimeoutError("the simulator did not start in time")
        if self._failure is not None:
            raise self._failure
        return self

    def __exit__(self, *_: object) -> None:
        if self._loop is not None and self._stop is not None:
            self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(_CALL_SECONDS)
        if self._failure is not None:
            raise self._failure

    def call(self, work: Callable[[Server], _T]) -> _T:
        """Run `work` with the protocol server inside its thread and return what it returns."""
        if self._loop is None:
            raise RuntimeError("the simulator is not running")
        return asyncio.run_coroutine_threadsafe(self._work(work), self._loop).result(_CALL_SECONDS)

    def hold(self) -> dict[str, int]:
        """Stop the market; every queued event is sent. Return `held_at_ms`, `orders`, `fills`."""
        return self.call(lambda server: server.hold(wall_clock_ms()))

    def release(self) -> None:
        """Let the market run again."""
        self.call(lambda server: server.release(wall_clock_ms()))

    def ledger(self) -> bytes:
        """Return the bytes of `GET /sim/v1/ledger`."""
        return self.call(lambda server: server.ledger_bytes())

    def journal(self) -> list[dict[str, Any]]:
        """Return what was received, done and sent, oldest first."""
        return self.call(lambda server: journal_entries(server.journal))

    def add_faults(self, *faults: dict[str, Any]) -> None:
        """Load faults as `POST /sim/v1/faults` does."""
        self.call(lambda server: server.add_faults(msgspec.json.encode(faults), wall_clock_ms()))

    def clear_faults(self) -> None:
        """Forget every loaded fault."""
        self.call(lambda server: server.clear_faults())

    async def _work(self, work: Callable[[Server], _T]) -> _T:
        if self._server is None or self._shell is None:
            raise RuntimeError("the simulator is not running")
        result = work(self._server)
        self._shell.flush()
        return result

    def _run(self) -> None:
        try:
            asyncio.run(self._serve())
        except BaseException as failure:  # noqa: BLE001 - the edge of the thread: handed to the starter
            self._failure = failure
            self._ready.set()

    async def _serve(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._stop = asyncio.Event()
        self._server = assemble(self.options, wall_clock_ms())
        self._shell = Shell(self._server)
        self.urls = await self._shell.start(self.options.port)
        self._ready.set()
        try:
            await self._shell.run_until(self._stop)
        finally:
            await self._shell.stop()
