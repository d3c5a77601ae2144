"""Reads what happened since a mark: executions, orders, conditional orders, fundings, transfers (docs/ledger.md)."""

from collections.abc import Awaitable, Callable, Sequence

from msgspec.structs import replace

from bot.domain.books import HistoryMark
from bot.domain.events import AlgoUpdated, Event, FillRecovered, OrderUpdated
from bot.domain.fill import Fill
from bot.domain.market import DAY_MS, MINUTE_MS
from bot.domain.order import AlgoReport, OrderReport
from bot.exchange.binance.account import PAGE, Account
from bot.exchange.binance.income import Income, floor_to, income_events

_LONGEST_WINDOW_MS = 7 * DAY_MS - 1

type _Page[T] = Callable[[int | None, int | None], Awaitable[Sequence[T]]]


class History:
    """Pages through the account's history from stored ids on, or from a time where no id is stored."""

    def __init__(self, account: Account) -> None:
        self._account = account

    async def since(self, mark: HistoryMark, now_ms: int) -> list[Event]:
        """Return the events since the mark: executions first, then orders, conditional orders, income.

        `now_ms` is the market time at which they are learned. What happened before the books were opened is left out.
        Raises ApiFailure.
        """
        income = [row for row in await self._income(mark.income_from_ms) if row.time >= mark.from_ms]
        symbols = sorted({*mark.symbols, *(row.symbol for row in income if row.symbol)})
        fills: list[Fill] = []
        orders: list[OrderReport] = []
        algos: list[AlgoReport] = []
        for symbol in symbols:
            fills += await self._fills(symbol, mark, now_ms)
            algos += await self._algos(symbol, mark, now_ms)
            orders += await self._orders(symbol, mark, now_ms)
        fills = [fill for fill in fills if fill.time_ms >= mark.from_ms]
        orders = [order for order in orders if order.updated_ms >= mark.from_ms]
        algos = [algo for algo in algos if algo.updated_ms >= mark.from_ms]
        parents = {algo.actual_order_id: algo.algo_id for algo in algos if algo.actual_order_id}
        return [
            *(FillRecovered(now_ms, fill) for fill in sorted(fills, key=lambda fill: (fill.time_ms, fill.trade_id))),
            *(OrderUpdated(now_ms, replace(one, algo_id=parents.get(one.order_id, 0))) for one in orders),
            *(AlgoUpdated(now_ms, algo) for algo in algos),
            *income_events(income, now_ms),
        ]

    async def _fills(self, symbol: str, mark: HistoryMark, now_ms: int) -> list[Fill]:
        return await _every_page(
            lambda from_id, start_ms: self._account.fills(symbol, from_id=from_id, start_ms=start_ms),
            lambda fill: fill.trade_id,
            mark.trade_from.get(symbol, 0),
            mark.from_ms,
            now_ms,
        )

    async def _orders(self, symbol: str, mark: HistoryMark, now_ms: int) -> list[OrderReport]:
        return await _every_page(
            lambda from_id, start_ms: self._account.orders(symbol, from_id=from_id, start_ms=start_ms),
            lambda order: order.order_id,
            mark.order_from.get(symbol, 0),
            mark.from_ms,
            now_ms,
        )

    async def _algos(self, symbol: str, mark: HistoryMark, now_ms: int) -> list[AlgoReport]:
        return await _every_page(
            lambda from_id, start_ms: self._account.algos(symbol, from_id=from_id, start_ms=start_ms),
            lambda algo: algo.algo_id,
            mark.algo_from.get(symbol, 0),
            mark.from_ms,
            now_ms,
        )

    async def _income(self, start_ms: int) -> list[Income]:
        rows: dict[tuple[str, ...], Income] = {}
        start_ms = floor_to(start_ms, MINUTE_MS)
        while True:
            page = await self._account.income(max(1, start_ms))
            rows.update({_income_key(row): row for row in page})
            if len(page) < PAGE:
                return sorted(rows.values(), key=lambda row: row.time)
            start_ms = max(page[-1].time, start_ms + 1)


async def _every_page[T](read: _Page[T], id_of: Callable[[T], int], from_id: int, from_ms: int, now_ms: int) -> list[T]:
    """Page by id; where none is known, find the first row by time, a week at a time, and go on by its id.

    With neither an id nor a time, history begins with the account.
    """
    rows: list[T] = []
    if not from_id and not from_ms:
        from_id = 1
    if not from_id:
        rows = list(await _first_page(read, from_ms, now_ms))
        if len(rows) < PAGE:
            return rows
        from_id = id_of(rows[-1]) + 1
    while True:
        page = await read(from_id, None)
        rows += page
        if len(page) < PAGE:
            return rows
        from_id = id_of(page[-1]) + 1


async def _first_page[T](read: _Page[T], from_ms: int, now_ms: int) -> Sequence[T]:
    start_ms = from_ms
    while True:
        page = await read(None, start_ms)
        start_ms += _LONGEST_WINDOW_MS
        if page or start_ms > now_ms:
            return page


def _income_key(row: Income) -> tuple[str, ...]:
    return (row.kind, str(row.id), row.symbol, row.asset, str(row.time), row.amount)
