"""Orders and cancels over the WebSocket API, written synchronously; the SDK's REST where the socket is not there.

The second lane is taken only when nothing was sent on the first. Every request ends in exactly one of: an order
report, a definite refusal, an unknown outcome. An unknown one is never sent again, only looked up.
"""

from collections.abc import Callable

import msgspec
import structlog
from msgspec import UNSET, Struct

from bot.domain.events import CancelFailed, Event, OrderOutcomeUnknown, OrderRefused, OrderUpdated
from bot.domain.order import OrderReport, OrderRequest
from bot.exchange.binance.account_answers import read_order
from bot.exchange.binance.budget import Budget
from bot.exchange.binance.encode import Signing, cancel_params, order_arguments, order_params
from bot.exchange.binance.errors import CLOCK_SKEW, ApiFailure, Verdict, judge
from bot.exchange.binance.exact import UNREADABLE
from bot.exchange.binance.replies import WireReply, read_reply
from bot.exchange.binance.rest import Rest
from bot.exchange.binance.settings import BinanceSettings
from bot.exchange.binance.signing import Signer
from bot.exchange.binance.tasks import Tasks
from bot.ports import Clock, Sink, Socket

_log = structlog.get_logger()

_TOO_MANY_ORDERS = -1015
_ENTRY_PAUSE_SECONDS = 10.0
_LOGON_ID = "logon"
_FORGET_AFTER_SECONDS = 60.0


class _Pending(Struct):
    """A request on its way. `told_unknown`: nobody waits for it any more, but an answer is still welcome."""

    symbol: str
    client_order_id: str
    is_cancel: bool
    sent_at: float
    told_unknown: bool = False


class OrderLane:
    """Places and cancels orders; answers come as events."""

    name = "orders"

    def __init__(
        self,
        settings: BinanceSettings,
        signer: Signer,
        rest: Rest,
        budget: Budget,
        clock: Clock,
        sink: Sink,
        tasks: Tasks,
        later: Callable[[Event], None],
    ) -> None:
        self.up = False
        self.restart: Callable[[str], None] = lambda _why: None
        self._settings = settings
        self._signing = Signing(settings.api_key.get_secret_value(), signer, settings.recv_window_ms)
        self._can_log_on = signer.can_log_on
        self._rest = rest
        self._budget = budget
        self._clock = clock
        self._sink = sink
        self._tasks = tasks
        self._later = later
        self._socket: Socket | None = None
        self._logged_on = False
        self._pending: dict[str, _Pending] = {}
        self._next_id = 0
        self._proven_at = clock.monotonic()

    # What is asked of it

    def submit(self, request: OrderRequest) -> None:
        """Send an order now; entries are refused, exits wait, while the exchange would count us out."""
        delay = self._budget.order_delay(reducing=request.reduce_only)
        if not delay:
            self._send_order(request)
        elif request.reduce_only:
            self._tasks.spawn(f"waiting exit {request.client_order_id}", self._submit_after(request, delay))
        else:
            why = f"not sent: the order limit is used up for {delay:.0f} s"
            self._later(OrderRefused(self._sink.market_ms(), request.symbol, request.client_order_id, 0, why))

    def cancel(self, symbol: str, client_order_id: str) -> None:
        """Cancel an order now, or when a ban ends."""
        if self._budget.banned_seconds() or not self._write(
            "order.cancel", cancel_params(symbol, client_order_id), _Pending(symbol, client_order_id, True, 0.0)
        ):
            self._tasks.spawn(f"cancel {client_order_id}", self._cancel_by_rest(symbol, client_order_id))

    # What the connection tells it

    async def url(self) -> str:
        """Return the WebSocket API's address."""
        return self._settings.ws_api_url

    async def opened(self, socket: Socket) -> None:
        """Log on where the key allows it; every other key signs each request."""
        self._socket = socket
        self._logged_on = False
        self._proven_at = self._clock.monotonic()
        if self._can_log_on:
            socket.send(self._signing.logon(_LOGON_ID, self._rest.server_clock.now_ms()))
            return
        self._go_up()

    def text(self, payload: bytes) -> None:
        """Take an answer."""
        self._proven_at = self._clock.monotonic()
        try:
            reply = read_reply(payload)
        except msgspec.MsgspecError:
            _log.warning("exchange.odd_frame", stream=self.name, bytes=len(payload))
            return
        self._budget.note_counts(reply.rate_limits)
        if reply.id == _LOGON_ID:
            self._take_logon(reply)
            return
        pending = self._pending.pop(str(reply.id), None)
        if pending is None:
            self._take_unasked(reply)
        elif reply.status == 200 and reply.result is not UNSET:
            self._take_success(pending, reply.result)
        else:
            self._take_failure(pending, self._failure(reply))

    def lost(self, why: str) -> None:
        """Take the end of the connection: whatever was on its way has an unknown outcome."""
        self._socket = None
        self._logged_on = False
        pending = list(self._pending.values())
        self._pending.clear()
        if self.up:
            self.up = False
            self._sink.on_stream_down(self.name, why)
        for one in pending:
            self._tell_unknown(one, f"the order connection was lost: {why}")

    def check(self) -> None:
        """Give up waiting for answers that are overdue; call it every half second."""
        now = self._clock.monotonic()
        for request_id, pending in list(self._pending.items()):
            age = now - pending.sent_at
            if age <= self._settings.reply_timeout_seconds:
                continue
            self._tell_unknown(pending, f"no answer within {self._settings.reply_timeout_seconds:.0f} s")
            if self._proven_at < pending.sent_at:
                self.restart("no answers")
                return
            if age > _FORGET_AFTER_SECONDS:
                del self._pending[request_id]

    def age_ms(self) -> int:
        """Return the wall time since the last answer or connect, in ms."""
        return round((self._clock.monotonic() - self._proven_at) * 1_000)

    # First lane

    def _send_order(self, request: OrderRequest) -> None:
        pending = _Pending(request.symbol, request.client_order_id, is_cancel=False, sent_at=0.0)
        if not self._write("order.place", order_params(request), pending):
            self._tasks.spawn(f"order {request.client_order_id}", self._submit_by_rest(request))

    def _write(self, method: str, params: dict[str, str | int], pending: _Pending) -> bool:
        """Write a request; False = not one byte of it left."""
        if self._socket is None or not self.up:
            return False
        self._next_id += 1
        request_id = f"r{self._next_id}"
        now_ms = self._rest.server_clock.now_ms()
        message = self._signing.message(request_id, method, params, now_ms, logged_on=self._logged_on)
        try:
            self._socket.send(message)
        except ConnectionError:
            return False
        pending.sent_at = self._clock.monotonic()
        self._pending[request_id] = pending
        return True

    def _take_logon(self, reply: WireReply) -> None:
        self._logged_on = reply.status == 200
        if not self._logged_on:
            _log.error("exchange.logon_refused", code=reply.error.code if reply.error else 0)
        self._go_up()

    def _go_up(self) -> None:
        self.up = True
        self._sink.on_stream_up(self.name)

    def _take_unasked(self, reply: WireReply) -> None:
        code = reply.error.code if reply.error else 0
        _log.warning("exchange.unasked_answer", status=reply.status, code=code)
        if reply.id is None and reply.status == 401:
            self._logged_on = False

    def _failure(self, reply: WireReply) -> ApiFailure:
        error = reply.error
        code, message = (error.code, error.msg) if error else (0, "")
        if reply.status in {418, 429}:
            self._budget.ban(error.wait_seconds(self._rest.server_clock.now_ms()) if error else 0)
        return ApiFailure(reply.status, code, message)

    # Second lane

    async def _submit_after(self, request: OrderRequest, delay: float) -> None:
        await self._clock.sleep(delay)
        self.submit(request)

    async def _submit_by_rest(self, request: OrderRequest) -> None:
        pending = _Pending(request.symbol, request.client_order_id, is_cancel=False, sent_at=0.0)
        arguments = order_arguments(request, self._settings.recv_window_ms)
        try:
            report = await self._rest.place(lambda api: api.new_order(**arguments), read_order)
        except ApiFailure as failure:
            self._take_failure(pending, failure)
            return
        self._take_report(report)

    async def _cancel_by_rest(self, symbol: str, client_order_id: str) -> None:
        pending = _Pending(symbol, client_order_id, is_cancel=True, sent_at=0.0)
        window = self._settings.recv_window_ms
        try:
            report = await self._rest.act(
                lambda api: api.cancel_order(symbol, orig_client_order_id=client_order_id, recv_window=window),
                read_order,
            )
        except ApiFailure as failure:
            self._take_failure(pending, failure)
            return
        self._take_report(report)

    # What became of it

    def _take_success(self, pending: _Pending, result: msgspec.Raw) -> None:
        try:
            report = read_order(result)
        except UNREADABLE:
            self._tell_unknown(pending, "the exchange's answer could not be read")
            return
        self._take_report(report)

    def _take_report(self, report: OrderReport) -> None:
        self._sink.on_event(OrderUpdated(self._sink.market_ms(), report))

    def _take_failure(self, pending: _Pending, failure: ApiFailure) -> None:
        if failure.code in CLOCK_SKEW:
            self._tasks.spawn("clock measurement", self._measure_time())
        if failure.code == _TOO_MANY_ORDERS:
            self._budget.pause_entries(_ENTRY_PAUSE_SECONDS)
        if pending.told_unknown:
            return
        if pending.is_cancel or judge(failure.http_status, failure.code, failure.message, sent=failure.sent) is (
            Verdict.UNKNOWN
        ):
            self._tell_unknown(pending, failure.message, failure.code)
            return
        self._sink.on_event(
            OrderRefused(self._sink.market_ms(), pending.symbol, pending.client_order_id, failure.code, failure.message)
        )

    def _tell_unknown(self, pending: _Pending, why: str, code: int = 0) -> None:
        if pending.told_unknown:
            return
        pending.told_unknown = True
        now = self._sink.market_ms()
        if pending.is_cancel:
            self._sink.on_event(CancelFailed(now, pending.symbol, pending.client_order_id, code, why))
        else:
            self._sink.on_event(OrderOutcomeUnknown(now, pending.symbol, pending.client_order_id, why))

    async def _measure_time(self) -> None:
        try:
            await self._rest.measure_time()
        except ApiFailure as failure:
            _log.warning("exchange.clock_unmeasured", why=str(failure))
