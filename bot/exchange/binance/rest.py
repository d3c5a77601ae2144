"""REST through the official SDK: one client per worker thread, no retries of its own, our time and our signature.

The SDK builds path, parameters and headers and sends them; `_Adapter` below it is the one seam where the request gets
the exchange's time and where the answer is kept as it came, because the SDK throws away the body of a 5xx.
"""

import asyncio
import threading
from collections.abc import Callable, Mapping
from typing import Any, override

import structlog
from binance_common.configuration import ConfigurationRestAPI
from binance_common.errors import Error as SdkError
from binance_sdk_derivatives_trading_usds_futures.rest_api.rest_api import DerivativesTradingUsdsFuturesRestAPI
from msgspec import Struct
from requests import ConnectionError as RequestsConnectionError
from requests import ConnectTimeout, PreparedRequest, RequestException, Response
from requests.adapters import BaseAdapter
from urllib3.exceptions import MaxRetryError, NewConnectionError

from bot.exchange.binance.budget import Budget
from bot.exchange.binance.errors import CLOCK_SKEW, ApiFailure
from bot.exchange.binance.exact import UNREADABLE
from bot.exchange.binance.public_answers import read_server_ms
from bot.exchange.binance.replies import read_error
from bot.exchange.binance.settings import BinanceSettings
from bot.exchange.binance.signing import Signer, Timestamp, restamp
from bot.ports import Clock, ExchangeHealth, Executor, StreamHealth, Transport

_log = structlog.get_logger()

_ROUTINE_AT_ONCE = 2
_TIME_SAMPLES = 3
_MEASURE_SECONDS = 300.0
_PAUSES_SECONDS = (0.25, 0.75)
_RESIGNED = "signed-below"

type Api = DerivativesTradingUsdsFuturesRestAPI
type Send = Callable[[Api], object]


class _Answer(Struct, frozen=True):
    status: int
    headers: Mapping[str, str]
    body: bytes


class ServerClock:
    """The exchange's wall time: ours plus the measured offset. Every signature takes its time from here."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self.offset_ms = 0

    def now_ms(self) -> int:
        """Return the exchange's wall time as far as we know it (ms UTC)."""
        return self._clock.wall_ms() + self.offset_ms

    def note(self, asked_ms: int, server_ms: int, answered_ms: int) -> None:
        """Take one measurement: the server's time lies halfway between question and answer."""
        self.offset_ms = server_ms - (asked_ms + answered_ms) // 2


class _Adapter(BaseAdapter):
    """Sits between the SDK's session and the network."""

    def __init__(self, below: BaseAdapter, signer: Signer, now_ms: Timestamp) -> None:
        super().__init__()
        self._below = below
        self._signer = signer
        self._now_ms = now_ms
        self.answer: _Answer | None = None
        self.failure: RequestException | None = None

    def forget(self) -> None:
        self.answer = self.failure = None

    @override
    def send(self, request: PreparedRequest, *args: Any, **options: Any) -> Response:
        if request.url:
            request.url = restamp(request.url, self._now_ms(), self._signer)
        try:
            response = self._below.send(request, *args, **options)
            self.answer = _Answer(response.status_code, response.headers, response.content)
        except RequestException as failure:
            self.failure = failure
            raise
        return response

    @override
    def close(self) -> None:
        self._below.close()


class _Client:
    """One SDK client with its session and adapter, used by one thread alone."""

    def __init__(self, settings: BinanceSettings, adapter: _Adapter) -> None:
        self.adapter = adapter
        self.api = DerivativesTradingUsdsFuturesRestAPI(
            ConfigurationRestAPI(
                api_key=settings.api_key.get_secret_value(),
                api_secret=_RESIGNED,
                base_path=settings.rest_url.rstrip("/"),
                timeout=round(settings.request_timeout_seconds * 1_000),
                retries=0,
            )
        )
        session = self.api._session  # noqa: SLF001 - the SDK offers no way to hand in a session or an adapter
        session.trust_env = False
        session.max_redirects = 0
        session.mount("https://", adapter)
        session.mount("http://", adapter)


class Rest:
    """Sends calls of the official SDK through the worker pool, within the budget, and decodes what comes back."""

    def __init__(
        self,
        settings: BinanceSettings,
        signer: Signer,
        clock: Clock,
        transport: Transport,
        executor: Executor,
        budget: Budget,
    ) -> None:
        self.server_clock = ServerClock(clock)
        self._settings = settings
        self._signer = signer
        self._clock = clock
        self._transport = transport
        self._executor = executor
        self._budget = budget
        self._threads = threading.local()
        self._routine = asyncio.Semaphore(_ROUTINE_AT_ONCE)

    async def read[T](self, send: Send, decode: Callable[[bytes], T]) -> T:
        """Send what may be sent again: at most two at once, so that orders always find a free worker.

        A passing fault (5xx, no answer) is tried again twice, soon. Raises ApiFailure, for an unreadable answer too.
        """
        async with self._routine:
            for pause in _PAUSES_SECONDS:
                try:
                    return _decoded(await self._patiently(send, essential=False), decode)
                except ApiFailure as failure:
                    if not failure.passing:
                        raise
                await self._clock.sleep(pause)
            return _decoded(await self._patiently(send, essential=False), decode)

    async def act[T](self, send: Send, decode: Callable[[bytes], T]) -> T:
        """Send a cancel or a look-up, once, ahead of routine reads. Raises as `read` does."""
        return _decoded(await self._patiently(send, essential=True), decode)

    async def place[T](self, send: Send, decode: Callable[[bytes], T]) -> T:
        """Send an order or a stop, once; it has no weight (docs/wire.md B.2), so only order counts and bans delay it.

        Raises as `read` does.
        """
        while delay := self._budget.order_delay(reducing=True):
            await self._clock.sleep(delay)
        return _decoded(await self._in_time(send), decode)

    async def measure_time(self) -> None:
        """Measure the offset of the exchange's clock, by the quickest of three answers. Raises ApiFailure."""
        best = float("inf")
        for _ in range(_TIME_SAMPLES):
            if left := self._budget.banned_seconds():
                raise ApiFailure(0, 0, "silent while banned", retry_after_seconds=left, sent=False)
            asked_ms = self._clock.wall_ms()
            server_ms = _decoded(await self._once(lambda api: api.check_server_time()), read_server_ms)
            answered_ms = self._clock.wall_ms()
            if answered_ms - asked_ms < best:
                best = answered_ms - asked_ms
                self.server_clock.note(asked_ms, server_ms, answered_ms)
                self._budget.offset_ms = self.server_clock.offset_ms

    async def keep_time(self) -> None:
        """Measure the offset again and again; what fails is tried the next time."""
        while True:
            await self._clock.sleep(_MEASURE_SECONDS)
            try:
                await self.measure_time()
            except ApiFailure as failure:
                _log.warning("exchange.clock_unmeasured", why=str(failure))

    def health(self, streams: tuple[StreamHealth, ...]) -> ExchangeHealth:
        """Return what is known of clock and request budget, with these streams beside it."""
        return ExchangeHealth(
            streams=streams,
            clock_offset_ms=self.server_clock.offset_ms,
            used_weight=self._budget.used_weight,
            weight_limit=self._budget.weight_limit,
            banned_until_ms=self._budget.banned_until_ms(),
        )

    async def _patiently(self, send: Send, *, essential: bool) -> bytes:
        while delay := self._budget.read_delay(essential=essential):
            if not essential:
                raise ApiFailure(0, 0, "the request budget is used up", retry_after_seconds=delay, sent=False)
            await self._clock.sleep(delay)
        return await self._in_time(send)

    async def _in_time(self, send: Send) -> bytes:
        """Send; where the exchange finds our clock wrong, measure it and send again: nothing was executed."""
        try:
            return await self._once(send)
        except ApiFailure as failure:
            if failure.code not in CLOCK_SKEW:
                raise
            _log.warning("exchange.clock_skew", offset_ms=self.server_clock.offset_ms)
        await self.measure_time()
        return await self._once(send)

    async def _once(self, send: Send) -> bytes:
        asked_ms = self._budget.now_ms()
        answer = await self._executor.run(lambda: self._send(send))
        self._budget.note_headers(answer.headers, asked_ms)
        if answer.status < 400:
            return answer.body
        raise self._failure(answer)

    def _send(self, send: Send) -> _Answer:
        client = self._client()
        adapter = client.adapter
        adapter.forget()
        try:
            send(client.api)
        except (SdkError, RequestException, ValueError) as error:
            if adapter.answer is None:
                raise _unanswered(adapter.failure or error) from None
        if adapter.answer is None:
            raise ApiFailure(0, 0, "the SDK sent nothing", sent=False)
        return adapter.answer

    def _client(self) -> _Client:
        client: _Client | None = getattr(self._threads, "client", None)
        if client is None:
            adapter = _Adapter(self._transport.http_adapter(), self._signer, self.server_clock.now_ms)
            client = self._threads.client = _Client(self._settings, adapter)
        return client

    def _failure(self, answer: _Answer) -> ApiFailure:
        error = read_error(answer.body)
        wait = _seconds(answer.headers.get("Retry-After", ""))
        failure = ApiFailure(answer.status, error.code, error.msg or f"HTTP {answer.status}", retry_after_seconds=wait)
        if answer.status in {418, 429}:
            self._budget.ban(wait)
            _log.warning("exchange.rate_limited", status=answer.status, seconds=wait)
        return failure


def _decoded[T](body: bytes, decode: Callable[[bytes], T]) -> T:
    try:
        return decode(body)
    except UNREADABLE as error:
        raise ApiFailure(200, 0, f"the answer could not be read: {error}") from None


def _unanswered(error: Exception) -> ApiFailure:
    if isinstance(error, ConnectTimeout):
        return ApiFailure(0, 0, "the connection could not be opened in time", sent=False)
    if isinstance(error, RequestsConnectionError) and _never_opened(error):
        return ApiFailure(0, 0, "no connection could be opened", sent=False)
    return ApiFailure(0, 0, f"no answer ({type(error).__name__})")


def _never_opened(error: RequestsConnectionError) -> bool:
    cause = error.args[0] if error.args else None
    return isinstance(cause, MaxRetryError) and isinstance(cause.reason, NewConnectionError)


def _seconds(text: str) -> float:
    return float(text) if text.isdigit() else 0.0
