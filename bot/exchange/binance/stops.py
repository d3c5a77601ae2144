"""Resting stops: conditional orders on the algo endpoints, through the SDK's REST (docs/wire.md B.6)."""

from bot.domain.events import AlgoUpdated, StopCancelFailed, StopOutcomeUnknown, StopOverdue, StopRefused
from bot.domain.order import StopRequest
from bot.exchange.binance.account import Account
from bot.exchange.binance.account_answers import read_algo
from bot.exchange.binance.encode import stop_arguments
from bot.exchange.binance.errors import ApiFailure, Verdict
from bot.exchange.binance.rest import Rest
from bot.exchange.binance.tasks import Tasks
from bot.ports import Clock, Sink

_OVERDUE_SECONDS = 9.3
"""Later than a first attempt whose answer never came is proven absent (4 s + 5 s), and within I3's ten seconds."""


class Stops:
    """Places and cancels resting stops; answers come as events."""

    def __init__(
        self, rest: Rest, account: Account, clock: Clock, sink: Sink, tasks: Tasks, recv_window_ms: int
    ) -> None:
        self._rest = rest
        self._account = account
        self._clock = clock
        self._sink = sink
        self._tasks = tasks
        self._window = recv_window_ms
        self._order_asked_at: dict[str, float] = {}
        self._exposed_at: dict[str, float] = {}

    def order_asked(self, symbol: str) -> None:
        """Note that an order is sent or cancelled."""
        self._order_asked_at[symbol] = self._clock.monotonic()
        self._exposed_at.pop(symbol, None)

    def order_lost(self, symbol: str) -> None:
        """Note that it is not known what became of an order: what is found of it later may be as old as that."""
        if symbol in self._order_asked_at:
            self._exposed_at[symbol] = self._order_asked_at[symbol]

    async def place(self, request: StopRequest) -> None:
        """Rest a STOP_MARKET that closes the whole position when the last price reaches its trigger."""
        arguments = stop_arguments(request, self._window)
        began = self._exposed_since(request.symbol)
        try:
            report = await self._rest.place(lambda api: api.new_algo_order(**arguments), read_algo)
        except ApiFailure as failure:
            self._tasks.spawn(f"overdue stop {request.client_algo_id}", self._tell_overdue(request, began))
            self._tell_placing_failed(request, failure)
        else:
            self._sink.on_event(AlgoUpdated(self._sink.market_ms(), report))

    async def cancel(self, symbol: str, client_algo_id: str) -> None:
        """Cancel a stop and read it back: the answer to a cancel names only its ids."""
        try:
            await self._rest.act(
                lambda api: api.cancel_algo_order(client_algo_id=client_algo_id, recv_window=self._window), bytes
            )
            report = await self._account.algo(client_algo_id)
        except ApiFailure as failure:
            self._tell_cancel_failed(symbol, client_algo_id, failure.code, failure.message)
        else:
            self._sink.on_event(AlgoUpdated(self._sink.market_ms(), report))

    def _exposed_since(self, symbol: str) -> float:
        """Return since when the position may be there; an order lost longer ago than a stop may take does not count."""
        now = self._clock.monotonic()
        exposed_at = self._exposed_at.pop(symbol, now)
        return exposed_at if now - exposed_at < _OVERDUE_SECONDS else now

    def _tell_placing_failed(self, request: StopRequest, failure: ApiFailure) -> None:
        if failure.verdict is Verdict.UNKNOWN:
            self._tell_unknown(request, failure.message)
            return
        self._sink.on_event(
            StopRefused(self._sink.market_ms(), request.symbol, request.client_algo_id, failure.code, failure.message)
        )

    async def _tell_overdue(self, request: StopRequest, began: float) -> None:
        await self._clock.sleep(began + _OVERDUE_SECONDS - self._clock.monotonic())
        self._sink.on_event(StopOverdue(self._sink.market_ms(), request.symbol, request.client_algo_id))

    def _tell_unknown(self, request: StopRequest, why: str) -> None:
        self._sink.on_event(StopOutcomeUnknown(self._sink.market_ms(), request.symbol, request.client_algo_id, why))

    def _tell_cancel_failed(self, symbol: str, client_algo_id: str, code: int, why: str) -> None:
        self._sink.on_event(StopCancelFailed(self._sink.market_ms(), symbol, client_algo_id, code, why))
