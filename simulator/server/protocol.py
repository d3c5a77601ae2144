"""The simulated exchange without a socket: requests, frames and wall time in, actions out.

Deterministic: the same calls with the same wall times give the same actions. A shell (`sockets.py`, or a test) calls
`http`, `ws_open`, `ws_text`, `ws_pong`, `ws_closed` with what it received, `advance` when `next_due_wall_ms` has come,
and does what `take` hands out, in order. `wall_ms` must never go back.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import msgspec

from simulator.faults import Deed, Fault, FaultPlan, parse_plan
from simulator.market.tape import Tape
from simulator.server import control, rest, wsapi
from simulator.server.api import Api
from simulator.server.board import SymbolBoard
from simulator.server.clock import MarketClock
from simulator.server.connections import Connection, Route, parse_target
from simulator.server.delivery import Delivery
from simulator.server.interventions import intervene
from simulator.server.journal import Journal
from simulator.server.limits import Limits
from simulator.server.play import Play
from simulator.server.signing import Credentials
from simulator.server.streams import Streams
from simulator.server.user_streams import UserStreams
from simulator.server.wire import Action, HttpReply, HttpRequest, Ping, Refusal, Reply, ResetRequest
from simulator.venue.errors import VenueError
from simulator.venue.exchange import Exchange
from simulator.venue.model import ForceOrderEvent

_CHORES_MS = 1_000
_PING_EVERY_MS = 180_000
_PONG_WITHIN_MS = 600_000
_HANDSHAKE_WEIGHT = 5
_UNKNOWN = {"code": -1000, "msg": "Unknown error, please check your request or try again later."}
_SECRET_PARAMS = {"signature", "listenKey", "apiKey"}


@dataclass(frozen=True)
class Terms:
    """How this exchange behaves beside its market: speed, connection life, answers old or new."""

    speed: float = 1.0
    seed: int = 1
    connection_life_ms: int = 86_400_000
    full_order_answers: bool = False


class Server:
    """Venue, market and faults joined behind the wire of the exchange."""

    def __init__(
        self,
        *,
        tape: Tape,
        exchange: Exchange,
        credentials: Credentials,
        plan: FaultPlan,
        terms: Terms,
        wall_ms: int,
    ) -> None:
        self.exchange = exchange
        self.plan = plan
        self.journal = Journal()
        self.clock = MarketClock(tape.start_ms, terms.speed, wall_ms)
        self._terms = terms
        self._delivery = Delivery(plan, self.journal)
        self._delivery.wall_ms = wall_ms
        self._offset_ms = 0
        infos = {entry["symbol"]: entry for entry in exchange.exchange_info["symbols"]}
        boards = {symbol: SymbolBoard(infos[symbol], tape.history(symbol)) for symbol in tape.symbols}
        self._users = UserStreams(
            self._delivery, terms.seed, {symbol: infos[symbol]["marginAsset"] for symbol in tape.symbols}
        )
        self._streams = Streams(self._delivery, {board.stream_name for board in boards.values()})
        self._play = Play(tape, exchange, boards, self._streams, self._delivery, terms.speed, self._tell)
        self._api = Api(
            exchange=exchange,
            tape=tape,
            boards=boards,
            user_streams=self._users,
            limits=Limits(exchange.exchange_info.get("rateLimits", [])),
            credentials=credentials,
            speed=terms.speed,
            full_order_answers=terms.full_order_answers,
            wall_ms=wall_ms,
        )
        self._next_chores_ms = wall_ms + _CHORES_MS
        self._last_ping_ms: dict[int, int] = {}
        self._plan_timed()

    # what the shell calls

    def http(self, request_id: int, request: HttpRequest, wall_ms: int) -> None:
        """Take a request; it is answered by a `Reply` or `ResetRequest` action, now or later."""
        self.advance(wall_ms)
        if request.path.startswith(control.PREFIX):
            self._delivery.do(Reply(request_id, control.answer(self, request, wall_ms)))
            return
        self._under_faults(
            self._rest_deed(request),
            lambda: self._rest(request),
            lambda reply, deed: self._reply(request_id, request, reply, deed),
            lambda in_order: self._cut(request_id, request, in_order=in_order),
        )

    def ws_open(self, connection_id: int, path_and_query: str, wall_ms: int) -> Refusal | None:
        """Take a handshake; None accepts it. A bad stream or key is accepted too, and stays silent."""
        self.advance(wall_ms)
        target = parse_target(path_and_query)
        if target is None:
            return Refusal(404)
        deed = self.plan.connect(target.route)
        self.journal.note("connect", connection=connection_id, route=target.route.value, fault=deed is not None)
        if deed is not None and deed.refuse is not None:
            return Refusal(deed.refuse)
        if target.route is Route.WS_API:
            try:
                self._api.limits.use_weight(_HANDSHAKE_WEIGHT, self._api.wall_ms)
            except VenueError as error:
                return Refusal(error.http_status)
        connection = Connection(connection_id, target.route, target.combined, wall_ms, last_pong_ms=wall_ms)
        connection.return_rate_limits = target.return_rate_limits
        self._delivery.connections[connection_id] = connection
        self._last_ping_ms[connection_id] = wall_ms
        self._streams.subscribe(connection, list(target.streams))
        if deed is not None:
            self._disturb_new(connection, deed)
        return None

    def ws_text(self, connection_id: int, text: str, wall_ms: int) -> None:
        """Take a text frame."""
        self.advance(wall_ms)
        connection = self._delivery.connections.get(connection_id)
        if connection is None:
            return
        if connection.route is Route.WS_API:
            self._ws_request(connection, text)
            return
        self._streams.control(connection, text)
        self._drop_if_closed(connection)

    def ws_pong(self, connection_id: int, wall_ms: int) -> None:
        """Take a pong."""
        self.advance(wall_ms)
        connection = self._delivery.connections.get(connection_id)
        if connection is not None:
            connection.last_pong_ms = wall_ms

    def ws_closed(self, connection_id: int, wall_ms: int) -> None:
        """Learn that a connection is gone."""
        self.advance(wall_ms)
        connection = self._delivery.connections.pop(connection_id, None)
        self._last_ping_ms.pop(connection_id, None)
        if connection is not None:
            self._streams.forget(connection)
            self.journal.note("gone", connection=connection_id, route=connection.route.value)

    def advance(self, wall_ms: int) -> None:
        """Do everything that falls due up to `wall_ms`."""
        while (due_ms := self._delivery.next_due_ms()) is not None and due_ms <= wall_ms:
            self._market_to(due_ms)
            self._delivery.run_next_due(wall_ms)
        self._market_to(wall_ms)
        if wall_ms >= self._next_chores_ms:
            self._next_chores_ms = wall_ms + _CHORES_MS
            self._chores(wall_ms)

    def take(self) -> list[Action]:
        """Hand over the actions due now, in order."""
        return self._delivery.take()

    def next_due_wall_ms(self) -> int:
        """Return the wall time at which `advance` has something to do."""
        due = [self._next_chores_ms]
        scheduled = self._delivery.next_due_ms()
        if scheduled is not None:
            due.append(scheduled)
        market = self.clock.wall_ms_of(self._play.next_ms())
        if market is not None:
            due.append(market)
        return min(due)

    # what control does

    @property
    def is_held(self) -> bool:
        """Say whether the market stands still."""
        return self.clock.held

    def hold(self, wall_ms: int) -> dict[str, int]:
        """Answer what was received, send what is queued, and stop the market (docs/ledger.md, Cut)."""
        self.advance(wall_ms)
        self._delivery.run_all()
        self.clock.hold(wall_ms)
        self.exchange.hold()
        orders, fills = self.exchange.counts()
        self.journal.note("hold", orders=orders, fills=fills)
        return {"held_at_ms": self.exchange.now_ms, "orders": orders, "fills": fills}

    def release(self, wall_ms: int) -> None:
        """Let the market go on from where it stood."""
        self.clock.release(wall_ms)
        self.exchange.release()
        self.journal.note("release")

    def shift_clock(self, offset_ms: int) -> None:
        """Let the exchange's wall clock run ahead of (positive) or behind the client's."""
        self._offset_ms = offset_ms
        self._api.wall_ms = self._delivery.wall_ms + offset_ms

    def ledger_bytes(self) -> bytes:
        """Return the books in the bytes of docs/ledger.md."""
        return msgspec.json.encode(self.exchange.ledger(), order="sorted") + b"\n"

    def add_faults(self, text: bytes, wall_ms: int) -> None:
        """Put further faults in force; those of kind `open` and `account` act at their time, usually at once."""
        self.advance(wall_ms)
        self.plan.add(parse_plan(text))
        self._plan_timed()

    def clear_faults(self) -> None:
        """Forget all faults; frames they hold back are sent."""
        for fault in self.plan.clear():
            self._delivery.release_held_back(fault)

    # inside

    def _market_to(self, wall_ms: int) -> None:
        self._delivery.wall_ms = max(self._delivery.wall_ms, wall_ms)
        self._api.wall_ms = self._delivery.wall_ms + self._offset_ms
        self.journal.wall_ms = self._delivery.wall_ms
        if not self.clock.held:
            self._play.advance(self.clock.market_ms(wall_ms))
        self.journal.market_ms = self._play.now_ms

    def _tell(self) -> None:
        for event in self.exchange.drain_events():
            if isinstance(event, ForceOrderEvent):
                self._play.publish_forced(event)
            self._users.tell(event)

    def _chores(self, wall_ms: int) -> None:
        self._users.expire_if_due(wall_ms, self._play.now_ms)
        for connection in list(self._delivery.connections.values()):
            self._look_after(connection, wall_ms)

    def _look_after(self, connection: Connection, wall_ms: int) -> None:
        ident = connection.connection_id
        if wall_ms - connection.opened_ms >= self._terms.connection_life_ms:
            self._delivery.close(connection, 1001, "24 hours are over")
        elif wall_ms - connection.last_pong_ms >= _PONG_WITHIN_MS:
            self._delivery.close(connection, 1008, "Pong timeout")
        elif wall_ms - self._last_ping_ms[ident] >= _PING_EVERY_MS and self._may_ping(connection, wall_ms):
            self._last_ping_ms[ident] = wall_ms
            self._delivery.do(Ping(ident, str(wall_ms).encode()))
        self._drop_if_closed(connection)

    def _may_ping(self, connection: Connection, wall_ms: int) -> bool:
        return connection.silent_pings or not connection.is_silent(wall_ms)

    def _drop_if_closed(self, connection: Connection) -> None:
        if connection.connection_id not in self._delivery.connections:
            self._streams.forget(connection)

    def _rest_deed(self, request: HttpRequest) -> Deed | None:
        return self.plan.rest(request.method, request.path, _readable(request))

    def _rest(self, request: HttpRequest) -> HttpReply:
        reply = rest.answer(self._api, request)
        self._tell()
        return reply

    def _reply(self, request_id: int, request: HttpRequest, reply: HttpReply | None, deed: Deed | None) -> None:
        if deed is not None and deed.status:
            reply = _instead(deed)
        failure = reply.body.decode(errors="replace") if reply is not None and reply.status != 200 else ""
        self._note_request(request, reply.status if reply is not None else 0, failure, fault=deed is not None)
        if reply is not None:
            self._delivery.do(Reply(request_id, reply))

    def _cut(self, request_id: int, request: HttpRequest, *, in_order: bool) -> None:
        self._note_request(request, 0, "", fault=True)
        self._delivery.do(ResetRequest(request_id, in_order))

    def _note_request(self, request: HttpRequest, status: int, failure: str, *, fault: bool) -> None:
        """Journal a request; status 0 = there was no answer."""
        params = {name: value for name, value in _readable(request).items() if name not in _SECRET_PARAMS}
        self.journal.note(
            "rest",
            method=request.method,
            path=request.path,
            params=params,
            status=status,
            error=failure,
            fault=fault,
        )

    def _ws_request(self, connection: Connection, text: str) -> None:
        try:
            message = wsapi.read_message(text)
        except VenueError as error:
            body = {"id": None, "status": 400, "error": {"code": error.code, "msg": error.message}}
            self._delivery.direct(connection, msgspec.json.encode(body).decode(), "reply")
            return
        self._under_faults(
            self.plan.wsapi(message.method, message.params),
            lambda: self._ws_served(connection, message),
            lambda body, deed: self._ws_reply(connection, message, body, deed),
            lambda in_order: self._hang_up(connection, in_order=in_order),
        )

    def _ws_served(self, connection: Connection, message: wsapi.Message) -> dict[str, Any]:
        body = wsapi.answer(self._api, connection, message)
        self._tell()
        return body

    def _ws_reply(
        self, connection: Connection, message: wsapi.Message, body: dict[str, Any] | None, deed: Deed | None
    ) -> None:
        text = ""
        if deed is not None and deed.status:
            body = {"id": message.ident, "status": deed.status, "error": deed.body or _UNKNOWN}
            text = deed.body if isinstance(deed.body, str) else ""
        if body is None:
            return
        params = {name: value for name, value in message.params.items() if name not in _SECRET_PARAMS}
        self.journal.note("wsapi", method=message.method, params=params, status=body["status"], fault=deed is not None)
        self._delivery.direct(connection, text or msgspec.json.encode(body).decode(), "reply")

    def _hang_up(self, connection: Connection, *, in_order: bool) -> None:
        if connection.connection_id not in self._delivery.connections:
            return
        if in_order:
            self._delivery.close(connection, 1011)
        else:
            self._delivery.abort(connection)
        self._drop_if_closed(connection)

    def _under_faults[T](
        self,
        deed: Deed | None,
        process: Callable[[], T],
        reply: Callable[[T | None, Deed | None], None],
        hang_up: Callable[[bool], None],
    ) -> None:
        """Go the way of a request: wait, execute or not, wait, answer, hang up, or leave it without an answer."""
        if deed is None:
            reply(process(), None)
            return

        def begin() -> None:
            if "before" in {deed.close, deed.reset}:
                hang_up(deed.close == "before")
                return
            executed = process() if self.plan.executes(deed) else None
            self._delivery.later(self._delivery.wall_ms + deed.delay_after_ms, lambda: end(executed))

        def end(executed: T | None) -> None:
            if deed.close == "after" or deed.reset in {"after", True}:
                hang_up(deed.close == "after")
                return
            reply(executed, deed)

        self._delivery.later(self._delivery.wall_ms + deed.delay_before_ms, begin)

    def _disturb_new(self, connection: Connection, deed: Deed) -> None:
        self._delivery.disturb(connection, deed)
        if deed.drop_after_ms is not None:
            due_ms = self._delivery.wall_ms + deed.drop_after_ms
            self._delivery.later(due_ms, lambda: self._hang_up(connection, in_order=False), planned=True)

    def _plan_timed(self) -> None:
        for fault in self.plan.take_timed():
            due_ms = self._delivery.wall_ms + fault.match.after_ms
            self._delivery.later(due_ms, partial(self._do_timed, fault), planned=True)

    def _do_timed(self, fault: Fault) -> None:
        if fault.match.kind == "account":
            self.journal.note("intervention", answer=intervene(self._api, fault.deed))
            self._tell()
            return
        if fault.deed.expire_listen_key:
            self._users.expire(self._play.now_ms)
        for connection in list(self._delivery.connections.values()):
            if fault.match.route in {"*", connection.route.value}:
                self._delivery.disturb(connection, fault.deed)
                self._drop_if_closed(connection)


def _readable(request: HttpRequest) -> dict[str, str]:
    try:
        return rest.parameters(request)
    except VenueError:
        return {}


def _instead(deed: Deed) -> HttpReply:
    body = deed.body.encode() if isinstance(deed.body, str) else msgspec.json.encode(deed.body or _UNKNOWN)
    kind = "text/html" if isinstance(deed.body, str) else "application/json"
    return HttpReply(deed.status, body, {"Content-Type": kind, **deed.headers})
