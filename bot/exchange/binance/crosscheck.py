"""Asks REST, over and over, whether the user stream has told us everything; the fallback while it has not.

Each round reads positions, open orders and open conditional orders. What changed since the round before is read in
full (executions by trade id) and told as the same events the stream would have brought; the core takes each once.
What a connected stream should have brought and did not is `StreamWitness`'s to judge.
"""

from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from decimal import Decimal

import structlog
from msgspec import Struct
from msgspec.structs import replace

from bot.domain.events import AlgoUpdated, Event, FillRecovered, OrderUpdated
from bot.domain.fill import Fill
from bot.domain.order import AlgoReport, OrderReport
from bot.exchange.binance.account import ALL_SYMBOLS_WEIGHT, PAGE, Account
from bot.exchange.binance.budget import Budget
from bot.exchange.binance.errors import NO_SUCH_ORDER, ApiFailure
from bot.exchange.binance.lookups import LookUps
from bot.exchange.binance.witness import StreamWitness
from bot.ports import Clock, Sink

_log = structlog.get_logger()

FINAL_STATUSES = frozenset({"FILLED", "CANCELED", "EXPIRED", "EXPIRED_IN_MATCH", "REJECTED", "FINISHED"})
_CALM_SECONDS = 5.0
_ALARMED_SECONDS = 2.0
_CALM_SHARE_OF_WEIGHT = 0.15
_ALARMED_SHARE_OF_WEIGHT = 0.3
_REMEMBERED = 5_000

type _Key = tuple[str, int]


class _Round(Struct, frozen=True):
    positions: dict[str, Decimal]
    orders: dict[_Key, OrderReport]
    algos: dict[_Key, AlgoReport]


class CrossCheck:
    """Compares the account by REST; `on_silent(why)` is called when the user stream is proven dead."""

    def __init__(
        self,
        account: Account,
        lookups: LookUps,
        budget: Budget,
        clock: Clock,
        sink: Sink,
        symbols: Sequence[str],
        stream_is_up: Callable[[], bool],
        witness: StreamWitness,
        on_agreed: Callable[[], None],
        on_silent: Callable[[str], None],
    ) -> None:
        self._account = account
        self._lookups = lookups
        self._budget = budget
        self._clock = clock
        self._sink = sink
        self._symbols = tuple(symbols)
        self._stream_is_up = stream_is_up
        self._witness = witness
        self._on_agreed = on_agreed
        self._on_silent = on_silent
        self._last = _Round({}, {}, {})
        self._trade_ids: dict[str, int] = {}
        self._since_ms = sink.market_ms()
        self._ended: dict[_Key, None] = {}

    def saw(self, events: Iterable[Event]) -> None:
        """Note what the user stream has told, or has made us ask for."""
        for event in events:
            self._note(event)
            match event:
                case OrderUpdated(fill=Fill() as fill) | FillRecovered(fill=fill):
                    self._witness.told(fill)

    def read_back(self, events: Iterable[Event]) -> None:
        """Note what a recovery has read by REST."""
        for event in events:
            self._note(event)
            if isinstance(event, FillRecovered):
                self._witness.read_back(event.fill)

    async def run(self) -> None:
        """Compare for ever, the first time at once; what is older than now is left to recovery."""
        self._since_ms = self._sink.market_ms()
        while True:
            try:
                events = await self._compare()
            except ApiFailure as failure:
                _log.warning("exchange.cross_check_failed", why=str(failure))
                await self._clock.sleep(max(self._pause(), failure.retry_after_seconds))
                continue
            for event in events:
                self._sink.on_event(event)
            self._judge_the_stream()
            await self._clock.sleep(self._pause())

    def _pause(self) -> float:
        calm = self._stream_is_up()
        wanted, share = (_CALM_SECONDS, _CALM_SHARE_OF_WEIGHT) if calm else (_ALARMED_SECONDS, _ALARMED_SHARE_OF_WEIGHT)
        weight = 2 * min(len(self._symbols), ALL_SYMBOLS_WEIGHT) + 5
        return max(wanted, weight * 60 / (share * self._budget.weight_limit))

    async def _compare(self) -> list[Event]:
        self._witness.look()
        last, now = self._last, await self._read()
        events: list[Event] = []
        for symbol in self._changed(last, now):
            events += await self._new_fills(symbol)
        events += await self._changed_algos(last, now)
        events += await self._changed_orders(last, now)
        events += await self._orders_behind(events)
        self._last = now
        return events

    async def _read(self) -> _Round:
        positions, touched = await self._account.positions()
        symbols = sorted(touched.union(self._symbols))
        orders = await self._account.open_orders(symbols)
        algos = await self._account.open_algos(symbols)
        return _Round(
            {row.symbol: row.quantity for row in positions},
            {(row.symbol, row.order_id): row for row in orders},
            {(row.symbol, -row.algo_id): row for row in algos},
        )

    def _changed(self, last: _Round, now: _Round) -> list[str]:
        moved = {symbol for symbol, _ in last.positions.items() ^ now.positions.items()}
        gone = {symbol for symbol, _ in last.orders.keys() - now.orders.keys()}
        gone |= {symbol for symbol, _ in last.algos.keys() - now.algos.keys()}
        filled = {
            key[0]
            for key, order in now.orders.items()
            if key in last.orders and order.executed_quantity != last.orders[key].executed_quantity
        }
        return sorted(moved | gone | filled)

    async def _new_fills(self, symbol: str) -> list[Event]:
        known = self._trade_ids.get(symbol, 0)
        page = await self._account.fills(
            symbol,
            from_id=known + 1 if known else None,
            start_ms=None if known else self._since_ms,
        )
        fresh = [fill for fill in page if fill.trade_id > self._trade_ids.get(symbol, 0)]
        for fill in fresh:
            self._note_fill(fill)
            self._witness.read_back(fill)
        more = await self._new_fills(symbol) if len(page) == PAGE and fresh else []
        now = self._sink.market_ms()
        return [*(FillRecovered(now, fill) for fill in fresh), *more]

    async def _changed_orders(self, last: _Round, now: _Round) -> list[Event]:
        at_ms = self._sink.market_ms()
        events: list[Event] = [
            OrderUpdated(at_ms, order) for key, order in now.orders.items() if last.orders.get(key) != order
        ]
        for symbol, order_id in self._vanished(last.orders, now.orders):
            report = await self._missing_is_none(self._account.order_by_id(symbol, order_id))
            if report is not None:
                events += await self._lookups.found(report)
        return events

    async def _changed_algos(self, last: _Round, now: _Round) -> list[Event]:
        at_ms = self._sink.market_ms()
        events: list[Event] = [
            AlgoUpdated(at_ms, algo) for key, algo in now.algos.items() if last.algos.get(key) != algo
        ]
        for key in self._vanished(last.algos, now.algos):
            algo = await self._missing_is_none(self._account.algo(last.algos[key].client_algo_id))
            if algo is None:
                continue
            events.append(AlgoUpdated(at_ms, algo))
            if algo.actual_order_id:
                child = await self._missing_is_none(self._account.order_by_id(algo.symbol, algo.actual_order_id))
                events += await self._lookups.found(replace(child, algo_id=algo.algo_id)) if child else []
        return events

    def _vanished(self, last: Mapping[_Key, object], now: Mapping[_Key, object]) -> list[_Key]:
        return [key for key in last if key not in now and key not in self._ended]

    async def _orders_behind(self, events: list[Event]) -> list[Event]:
        """Report the orders of new executions that came and went between two rounds."""
        told = {(event.order.symbol, event.order.order_id) for event in events if isinstance(event, OrderUpdated)}
        filled = {(event.fill.symbol, event.fill.order_id) for event in events if isinstance(event, FillRecovered)}
        reports = [
            await self._missing_is_none(self._account.order_by_id(symbol, order_id))
            for symbol, order_id in sorted(filled - told - self._ended.keys())
        ]
        return [OrderUpdated(self._sink.market_ms(), report) for report in reports if report is not None]

    async def _missing_is_none[T](self, asked: Awaitable[T]) -> T | None:
        try:
            return await asked
        except ApiFailure as failure:
            if failure.code != NO_SUCH_ORDER:
                raise
            return None

    def _note(self, event: Event) -> None:
        match event:
            case OrderUpdated(order=order, fill=fill):
                self._note_end(order.symbol, order.order_id, order.status)
                if fill is not None:
                    self._note_fill(fill)
            case FillRecovered(fill=fill):
                self._note_fill(fill)
            case AlgoUpdated(algo=algo):
                self._note_end(algo.symbol, -algo.algo_id, algo.status)

    def _note_fill(self, fill: Fill) -> None:
        self._trade_ids[fill.symbol] = max(fill.trade_id, self._trade_ids.get(fill.symbol, 0))

    def _note_end(self, symbol: str, number: int, status: str) -> None:
        if status not in FINAL_STATUSES:
            return
        self._ended[symbol, number] = None
        if len(self._ended) > _REMEMBERED:
            del self._ended[next(iter(self._ended))]

    def _judge_the_stream(self) -> None:
        if missing := self._witness.missing():
            self._on_silent(f"{missing} executions known to REST did not come")
        elif self._witness.agrees():
            self._on_agreed()
