"""Finding out what became of an order or a stop, for as long as it takes.

An order is proven absent by at least four answers "does not exist" over at least five seconds of wall time, and by a
user stream that has not mentioned it. Whatever else goes wrong, the question is asked again, ever more slowly.
"""

from collections.abc import Awaitable, Callable

import structlog
from msgspec.structs import replace

from bot.domain.events import AlgoUpdated, Event, FillRecovered, OrderProvenAbsent, OrderUpdated, StopProvenAbsent
from bot.domain.order import OrderReport
from bot.exchange.binance.account import Account
from bot.exchange.binance.errors import NO_SUCH_ORDER, UNKNOWN_ORDER_SENT, ApiFailure
from bot.ports import Clock, Sink

_log = structlog.get_logger()

_ABSENT_ANSWERS = 4
_ABSENT_SECONDS = 5.0
_FIRST_DELAY_SECONDS = 1.0
_LONGEST_DELAY_SECONDS = 15.0
_ABSENT_CODES = frozenset({NO_SUCH_ORDER, UNKNOWN_ORDER_SENT})


class LookUps:
    """One look-up at a time per order or stop."""

    def __init__(self, account: Account, clock: Clock, sink: Sink) -> None:
        self._account = account
        self._clock = clock
        self._sink = sink
        self._running: set[str] = set()
        self._mentioned: set[str] = set()

    def mention(self, client_id: str) -> None:
        """Note that the user stream knows this order or stop: it is not absent, whatever REST says yet."""
        if client_id in self._running:
            self._mentioned.add(client_id)

    async def order(self, symbol: str, client_order_id: str) -> None:
        """Find an order and report it, its executions first."""

        async def ask() -> list[Event]:
            return await self.found(await self._account.order(symbol, client_order_id))

        await self._until_answered(client_order_id, ask, lambda now: OrderProvenAbsent(now, symbol, client_order_id))

    async def stop(self, symbol: str, client_algo_id: str) -> None:
        """Find a stop and report it, and the order it gave birth to."""

        async def ask() -> list[Event]:
            algo = await self._account.algo(client_algo_id)
            events: list[Event] = [AlgoUpdated(self._sink.market_ms(), algo)]
            if algo.actual_order_id:
                child = await self._account.order_by_id(symbol, algo.actual_order_id)
                events += await self.found(replace(child, algo_id=algo.algo_id))
            return events

        await self._until_answered(client_algo_id, ask, lambda now: StopProvenAbsent(now, symbol, client_algo_id))

    async def found(self, report: OrderReport) -> list[Event]:
        """Turn an order report into events: its executions come before it. Raises ApiFailure."""
        fills = await self._account.fills_of(report.symbol, report.order_id) if report.executed_quantity else ()
        now = self._sink.market_ms()
        return [*(FillRecovered(now, fill) for fill in fills), OrderUpdated(now, report)]

    async def _until_answered(
        self, client_id: str, ask: Callable[[], Awaitable[list[Event]]], absent: Callable[[int], Event]
    ) -> None:
        if client_id in self._running:
            return
        self._running.add(client_id)
        try:
            for event in await self._ask_until_answered(client_id, ask, absent):
                self._sink.on_event(event)
        finally:
            self._running.discard(client_id)
            self._mentioned.discard(client_id)

    async def _ask_until_answered(
        self, client_id: str, ask: Callable[[], Awaitable[list[Event]]], absent: Callable[[int], Event]
    ) -> list[Event]:
        began, misses, delay = self._clock.monotonic(), 0, _FIRST_DELAY_SECONDS
        while True:
            try:
                return await ask()
            except ApiFailure as failure:
                missed = failure.code in _ABSENT_CODES
                _log.info("exchange.look_up", client_id=client_id, why=str(failure))
            misses = misses + 1 if missed else misses
            long_enough = self._clock.monotonic() - began >= _ABSENT_SECONDS
            if misses >= _ABSENT_ANSWERS and long_enough and client_id not in self._mentioned:
                return [absent(self._sink.market_ms())]
            await self._clock.sleep(delay)
            delay = _FIRST_DELAY_SECONDS if missed else min(_LONGEST_DELAY_SECONDS, delay * 1.5)
