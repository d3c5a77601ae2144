"""The deterministic bed: core, shell, adapter and simulator in one thread on a virtual clock.

Nothing waits: when every task sleeps, time jumps to the next moment somebody asked for. The adapter's own code runs,
its requests and frames cross `simulator.server.protocol` as they would cross a socket, in an order that only the seed
and the fault plan decide.
"""

import asyncio
import hashlib
import random
import selectors
import string
from urllib.parse import urlsplit

import msgspec
from requests import PreparedRequest, ReadTimeout, Response
from requests.adapters import BaseAdapter
from requests.exceptions import ConnectionError as RequestsConnectionError
from requests.structures import CaseInsensitiveDict

from bot.ports import Socket, SocketListener
from simulator.server.protocol import Server
from simulator.server.wire import Abort, Close, HttpReply, HttpRequest, Reply, ResetRequest, Send

EPOCH_MS = 1_760_000_000_000


class _Jump(selectors.DefaultSelector):
    """A selector that never waits: it moves the virtual time instead."""

    loop: "VirtualLoop"

    def select(self, timeout: float | None = None):
        if timeout is None:
            raise RuntimeError("the bed is stuck: every task waits for something that cannot come")
        if timeout > 0:
            self.loop.now += timeout
        return super().select(0)


class VirtualLoop(asyncio.SelectorEventLoop):
    """An event loop whose time is a number."""

    def __init__(self) -> None:
        selector = _Jump()
        selector.loop = self
        self.now = 0.0
        super().__init__(selector)

    def time(self) -> float:
        return self.now


class BedClock:
    """The `Clock` of the bed: virtual time and seeded chance."""

    def __init__(self, loop: VirtualLoop, seed: int) -> None:
        self._loop = loop
        self._chance = random.Random(seed)

    def wall_ms(self) -> int:
        return EPOCH_MS + round(self._loop.now * 1_000)

    def monotonic(self) -> float:
        return self._loop.now

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)

    def random(self) -> float:
        return self._chance.random()

    def token(self, length: int) -> str:
        return "".join(self._chance.choices(string.ascii_lowercase + string.digits, k=length))


class BedTransport:
    """The `Transport` of the bed: connects straight to a protocol server, frames arriving after a small delay."""

    def __init__(self, loop: VirtualLoop, clock: BedClock, server: Server, latency_seconds: float = 0.001) -> None:
        self._loop = loop
        self._clock = clock
        self._latency = latency_seconds
        self._next_id = 0
        self._listeners: dict[int, SocketListener] = {}
        self._replies: dict[int, HttpReply | None] = {}
        self._timer: asyncio.TimerHandle | None = None
        self.server = server
        self.arm()

    async def connect(self, url: str, listener: SocketListener) -> Socket:
        await self._clock.sleep(self._latency)
        connection = self._new_id()
        parts = urlsplit(url)
        target = f"{parts.path}?{parts.query}" if parts.query else parts.path
        refusal = self.server.ws_open(connection, target, self._clock.wall_ms())
        if refusal is not None:
            self.flush()
            raise ConnectionError(f"refused with {refusal.status}")
        self._listeners[connection] = listener
        self._loop.call_soon(self.flush)
        return _BedSocket(self, connection)

    def http_adapter(self) -> BaseAdapter:
        return _BedAdapter(self)

    def send(self, connection: int, payload: bytes) -> None:
        if connection not in self._listeners:
            raise ConnectionError("the connection is gone")
        self._loop.call_later(self._latency, self._arrive, connection, payload.decode())

    def hang_up(self, connection: int) -> None:
        if connection in self._listeners:
            self._cut(connection, "closed by us")
            self.server.ws_closed(connection, self._clock.wall_ms())
            self.flush()

    def request(self, request: HttpRequest, timeout_seconds: float) -> HttpReply | None:
        """Carry one HTTP request; while the caller is blocked, time passes for everybody else too."""
        number = self._new_id()
        self.server.http(number, request, self._clock.wall_ms())
        deadline = self._loop.now + timeout_seconds
        self.flush()
        while number not in self._replies:
            due = (self.server.next_due_wall_ms() - EPOCH_MS) / 1_000
            self._loop.now = max(self._loop.now, min(due, deadline))
            if self._loop.now >= deadline:
                raise ReadTimeout("no answer in time")
            self.server.advance(self._clock.wall_ms())
            self.flush()
        return self._replies.pop(number)

    def flush(self) -> None:
        for action in self.server.take():
            match action:
                case Send(connection_id, text):
                    self._loop.call_later(self._latency, self._deliver, connection_id, text.encode())
                case Reply(request_id, reply):
                    self._replies[request_id] = reply
                case ResetRequest(request_id):
                    self._replies[request_id] = None
                case Close(connection_id, code):
                    self._loop.call_later(self._latency, self._cut, connection_id, f"closed by the peer ({code})")
                case Abort(connection_id):
                    self._loop.call_later(self._latency, self._cut, connection_id, "reset by the peer")
                case _:
                    self.server.ws_pong(action.connection_id, self._clock.wall_ms())
        self.arm()

    def arm(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        due = (self.server.next_due_wall_ms() - EPOCH_MS) / 1_000
        self._timer = self._loop.call_at(max(due, self._loop.now + 0.000_5), self._wake)

    def _wake(self) -> None:
        self.server.advance(self._clock.wall_ms())
        self.flush()

    def _arrive(self, connection: int, text: str) -> None:
        self.server.ws_text(connection, text, self._clock.wall_ms())
        self.flush()

    def _deliver(self, connection: int, payload: bytes) -> None:
        listener = self._listeners.get(connection)
        if listener is not None:
            listener.on_text(payload)

    def _cut(self, connection: int, why: str) -> None:
        listener = self._listeners.pop(connection, None)
        if listener is not None:
            listener.on_closed(why)

    def _new_id(self) -> int:
        self._next_id += 1
        return self._next_id


class _BedSocket:
    def __init__(self, transport: BedTransport, connection: int) -> None:
        self._transport = transport
        self._connection = connection

    def send(self, payload: bytes) -> None:
        self._transport.send(self._connection, payload)

    def close(self) -> None:
        self._transport.hang_up(self._connection)


class _BedAdapter(BaseAdapter):
    def __init__(self, transport: BedTransport) -> None:
        super().__init__()
        self._transport = transport

    def send(self, request: PreparedRequest, *_args, timeout=None, **_options) -> Response:
        parts = urlsplit(request.url)
        body = request.body or b""
        headers = {name.lower(): value for name, value in request.headers.items()}
        received = HttpRequest(
            request.method, parts.path, parts.query, headers, body if isinstance(body, bytes) else body.encode()
        )
        reply = self._transport.request(received, _seconds(timeout))
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


def _seconds(timeout) -> float:
    if isinstance(timeout, tuple):
        return timeout[-1]
    return timeout or 5.0


def journal_hash(server: Server) -> str:
    """Return the SHA-256 over everything the exchange received, did and sent, in order."""
    digest = hashlib.sha256()
    for entry in server.journal.entries:
        digest.update(msgspec.json.encode(entry, order="sorted"))
    return digest.hexdigest()
