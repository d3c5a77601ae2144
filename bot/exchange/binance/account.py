"""Reads of the account through the SDK, each one call and one answer. All raise ApiFailure."""

from collections.abc import Collection, Sequence
from decimal import Decimal
from functools import partial

from bot.domain.account import ReportedPosition
from bot.domain.fill import Fill
from bot.domain.order import AlgoReport, OrderReport
from bot.exchange.binance.account_answers import (
    read_algo,
    read_algos,
    read_fills,
    read_income,
    read_order,
    read_orders,
    read_positions,
    read_wallets,
)
from bot.exchange.binance.income import Income
from bot.exchange.binance.rest import Api, Rest

PAGE = 1_000
ALL_SYMBOLS_WEIGHT = 40


class Account:
    """Orders, fills, positions, wallets and income of the account."""

    def __init__(self, rest: Rest, recv_window_ms: int) -> None:
        self._rest = rest
        self._window = recv_window_ms

    async def wallets(self) -> dict[str, Decimal]:
        """Read the wallet balance of each asset."""
        window = self._window
        return await self._rest.read(lambda api: api.futures_account_balance_v3(recv_window=window), read_wallets)

    async def positions(self) -> tuple[tuple[ReportedPosition, ...], frozenset[str]]:
        """Read every position that is not flat, and every symbol with a position or an open order."""
        window = self._window
        return await self._rest.read(lambda api: api.position_information_v3(recv_window=window), read_positions)

    async def open_orders(self, symbols: Collection[str]) -> tuple[OrderReport, ...]:
        """Read the open orders of some symbols; of all, where that weighs less."""
        found: list[OrderReport] = []
        for symbol in _asked_for(symbols):
            found += await self._rest.read(partial(self._open_orders, symbol), read_orders)
        return tuple(found)

    async def open_algos(self, symbols: Collection[str]) -> tuple[AlgoReport, ...]:
        """Read the open conditional orders of some symbols; of all, where that weighs less."""
        found: list[AlgoReport] = []
        for symbol in _asked_for(symbols):
            found += await self._rest.read(partial(self._open_algos, symbol), read_algos)
        return tuple(found)

    async def order(self, symbol: str, client_order_id: str) -> OrderReport:
        """Look an order up by our id."""
        window = self._window
        return await self._rest.act(
            lambda api: api.query_order(symbol, orig_client_order_id=client_order_id, recv_window=window), read_order
        )

    async def order_by_id(self, symbol: str, order_id: int) -> OrderReport:
        """Look an order up by the exchange's id."""
        window = self._window
        return await self._rest.act(
            lambda api: api.query_order(symbol, order_id=order_id, recv_window=window), read_order
        )

    async def algo(self, client_algo_id: str) -> AlgoReport:
        """Look a conditional order up by our id."""
        window = self._window
        return await self._rest.act(
            lambda api: api.query_algo_order(client_algo_id=client_algo_id, recv_window=window), read_algo
        )

    async def fills_of(self, symbol: str, order_id: int) -> tuple[Fill, ...]:
        """Read the executions of one order."""
        window = self._window
        return await self._rest.act(
            lambda api: api.account_trade_list(symbol, order_id=order_id, limit=PAGE, recv_window=window), read_fills
        )

    async def fills(self, symbol: str, *, from_id: int | None = None, start_ms: int | None = None) -> tuple[Fill, ...]:
        """Read a page of executions, ascending, from an id on or within seven days of a start."""
        window = self._window
        return await self._rest.read(
            lambda api: api.account_trade_list(
                symbol, from_id=from_id, start_time=start_ms, limit=PAGE, recv_window=window
            ),
            read_fills,
        )

    async def orders(
        self, symbol: str, *, from_id: int | None = None, start_ms: int | None = None
    ) -> tuple[OrderReport, ...]:
        """Read a page of all orders, ascending, from an id on or within seven days of a start."""
        window = self._window
        return await self._rest.read(
            lambda api: api.all_orders(symbol, order_id=from_id, start_time=start_ms, limit=PAGE, recv_window=window),
            read_orders,
        )

    async def algos(
        self, symbol: str, *, from_id: int | None = None, start_ms: int | None = None
    ) -> tuple[AlgoReport, ...]:
        """Read a page of all conditional orders, ascending, from an id on or within seven days of a start."""
        window = self._window
        return await self._rest.read(
            lambda api: api.query_all_algo_orders(
                symbol, algo_id=from_id, start_time=start_ms, limit=PAGE, recv_window=window
            ),
            read_algos,
        )

    async def income(self, start_ms: int) -> Sequence[Income]:
        """Read a page of income of every kind and symbol, ascending."""
        window = self._window
        return await self._rest.read(
            lambda api: api.get_income_history(start_time=start_ms, limit=PAGE, recv_window=window), read_income
        )

    def _open_orders(self, symbol: str | None, api: Api) -> object:
        return api.current_all_open_orders(symbol=symbol, recv_window=self._window)

    def _open_algos(self, symbol: str | None, api: Api) -> object:
        return api.current_all_algo_open_orders(symbol=symbol, recv_window=self._window)


def _asked_for(symbols: Collection[str]) -> Collection[str | None]:
    return symbols if len(symbols) < ALL_SYMBOLS_WEIGHT else (None,)
