"""The simulated exchange on a virtual wall clock, without sockets: for deterministic runs in one thread.

Nothing happens between calls. `run(ms)` moves the clock from one due moment to the next, so the same calls always give
the same answers, frames and books.
"""

import hashlib
import hmac
from typing import Any
from urllib.parse import urlencode

import msgspec

from simulator.server.assemble import assemble
from simulator.server.options import Options
from simulator.server.wire import Abort, Close, HttpReply, HttpRequest, Ping, Refusal, Reply, ResetRequest, Send

_JSON = msgspec.json.Decoder()
NOON_MS = 1_748_001_600_000
"""2025-05-23 12:00 UTC: where the virtual wall clock starts unless told otherwise."""


class Line:
    """A WebSocket to the simulator: `texts` and `pings` received; `ended` = close code, 0 by reset, None while open."""

    def __init__(self, connection_id: int) -> None:
        self.connection_id = connection_id
        self.texts: list[str] = []
        self.pings = 0
        self.ended: int | None = None

    def frames(self) -> list[Any]:
        """Decode and forget what was received."""
        texts, self.texts = self.texts, []
        return [_JSON.decode(text) for text in texts]


class Pending:
    """A request on its way; `reply` once it is answered, `ended` when the connection was cut instead."""

    def __init__(self) -> None:
        self.reply: HttpReply | None = None
        self.ended = False

    @property
    def answered(self) -> HttpReply:
        """The reply; `TimeoutError` while there is none."""
        if self.reply is None:
            raise TimeoutError("no answer yet")
        return self.reply

    def json(self) -> Any:
        """Decode the reply's body."""
        return _JSON.decode(self.answered.body)


class VirtualSimulator:
    """A protocol server and its virtual wall clock, `wall_ms`; BTCUSDT alone unless the options say otherwise."""

    def __init__(self, options: Options | None = None, wall_ms: int = NOON_MS) -> None:
        self.options = options or Options(symbols=("BTCUSDT",))
        self.wall_ms = wall_ms
        self.server = assemble(self.options, wall_ms)
        self._ids = 0
        self._lines: dict[int, Line] = {}
        self._pending: dict[int, Pending] = {}

    def run(self, ms: int) -> None:
        """Let `ms` of wall time pass."""
        end_ms = self.wall_ms + ms
        while (due_ms := self.server.next_due_wall_ms()) <= end_ms:
            self.wall_ms = max(self.wall_ms, due_ms)
            self.server.advance(self.wall_ms)
            self._deliver()
        self.wall_ms = end_ms
        self.server.advance(end_ms)
        self._deliver()

    def request(
        self,
        method: str,
        path: str,
        query: str = "",
        body: bytes = b"",
        headers: dict[str, str] | None = None,
    ) -> Pending:
        """Send a request as it stands; header names in lower case."""
        self._ids += 1
        pending = self._pending[self._ids] = Pending()
        self.server.http(self._ids, HttpRequest(method, path, query, headers or {}, body), self.wall_ms)
        self._deliver()
        return pending

    def call(self, method: str, path: str, **params: Any) -> Pending:
        """Send a request with key, timestamp and HMAC signature; underscore-free parameter names as on the wire."""
        query = urlencode({**params, "timestamp": self.wall_ms})
        return self.request(
            method, path, f"{query}&signature={self.sign(query)}", headers={"x-mbx-apikey": self.options.api_key}
        )

    def sign(self, payload: str) -> str:
        """Return the HMAC signature of a payload."""
        return hmac.new(self.options.api_secret.encode(), payload.encode(), hashlib.sha256).hexdigest()

    def connect(self, target: str) -> Line:
        """Open a WebSocket; one that is refused has ended at once, with the HTTP status (0 by reset)."""
        self._ids += 1
        line = Line(self._ids)
        refusal: Refusal | None = self.server.ws_open(self._ids, target, self.wall_ms)
        if refusal is None:
            self._lines[self._ids] = line
        else:
            line.ended = refusal.status
        self._deliver()
        return line

    def send(self, line: Line, message: Any) -> None:
        """Send a text frame: text as it is, anything else as JSON."""
        text = message if isinstance(message, str) else msgspec.json.encode(message).decode()
        self.server.ws_text(line.connection_id, text, self.wall_ms)
        self._deliver()

    def pong(self, line: Line) -> None:
        """Answer a ping."""
        self.server.ws_pong(line.connection_id, self.wall_ms)

    def hang_up(self, line: Line) -> None:
        """Close a WebSocket from the client's side."""
        self._lines.pop(line.connection_id, None)
        self.server.ws_closed(line.connection_id, self.wall_ms)
        self._deliver()

    def _deliver(self) -> None:
        for action in self.server.take():
            match action:
                case Send(connection_id, text):
                    self._line(connection_id).texts.append(text)
                case Reply(request_id, reply):
                    self._pending.pop(request_id).reply = reply
                case ResetRequest(request_id):
                    self._pending.pop(request_id).ended = True
                case Ping(connection_id):
                    self._line(connection_id).pings += 1
                case Close(connection_id, code):
                    self._end(connection_id, code)
                case Abort(connection_id):
                    self._end(connection_id, 0)

    def _line(self, connection_id: int) -> Line:
        return self._lines.get(connection_id) or Line(connection_id)

    def _end(self, connection_id: int, code: int) -> None:
        line = self._lines.pop(connection_id, None)
        if line is not None:
            line.ended = code
            self.server.ws_closed(connection_id, self.wall_ms)
