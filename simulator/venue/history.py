"""Looking back: which orders, fills and income rows a query shows, and how many (docs/wire.md B.2)."""

from collections.abc import Callable, Sequence
from typing import Final

from simulator.venue.errors import refusal
from simulator.venue.model import AlgoOrder, FundingRate, Income, IncomeType, Order, Trade
from simulator.venue.state import State

DAY_MS: Final = 86_400_000
UNFILLED_SHOWN_MS: Final = 3 * DAY_MS
SHOWN_MS: Final = 90 * DAY_MS


def find_order(state: State, symbol: str, order_id: int, client_order_id: str) -> Order | None:
    """Find an order by its id, else by its client id (the latest one that carried it), within one symbol."""
    state.market(symbol)
    if not order_id and not client_order_id:
        raise refusal(-1102, "orderId")
    found = state.orders.get(order_id or state.order_ids.get((symbol, client_order_id), 0))
    return found if found is not None and found.symbol == symbol else None


def find_algo(state: State, algo_id: int, client_algo_id: str) -> AlgoOrder | None:
    """Find an algo order by its id, else by its client id."""
    if not algo_id and not client_algo_id:
        raise refusal(-1102, "algoId")
    return state.algos.get(algo_id or state.algo_ids.get(client_algo_id, 0))


def is_shown(state: State, order: Order) -> bool:
    """Tell whether queries still show an order: unfilled closed ones for 3 days, closed ones for 90."""
    if order.is_open:
        return True
    age_ms = state.now_ms - order.updated_ms
    return age_ms <= (SHOWN_MS if order.executed_quantity else UNFILLED_SHOWN_MS)


def orders(
    state: State, symbol: str, order_id: int, start_ms: int | None, end_ms: int | None, limit: int
) -> list[Order]:
    """List shown orders of a symbol, or of all with ""."""
    if symbol:
        state.market(symbol)
        rows = [row for row in state.orders.values() if row.symbol == symbol]
    else:
        rows = list(state.orders.values())
    rows = [row for row in rows if is_shown(state, row)]
    if order_id:
        return [row for row in rows if row.order_id >= order_id][:limit]
    return _window(rows, lambda row: row.created_ms, start_ms, end_ms, limit)


def algos(
    state: State, symbol: str, algo_id: int, start_ms: int | None, end_ms: int | None, limit: int
) -> list[AlgoOrder]:
    """List algo orders of a symbol."""
    state.market(symbol)
    rows = [row for row in state.algos.values() if row.symbol == symbol]
    if algo_id:
        return [row for row in rows if row.algo_id >= algo_id][:limit]
    return _window(rows, lambda row: row.created_ms, start_ms, end_ms, limit)


def trades(
    state: State,
    symbol: str,
    order_id: int,
    from_id: int | None,
    start_ms: int | None,
    end_ms: int | None,
    limit: int,
) -> list[Trade]:
    """List fills of a symbol."""
    state.market(symbol)
    rows = [row for row in state.trades.values() if row.symbol == symbol]
    if order_id:
        rows = [row for row in rows if row.order_id == order_id]
    if from_id is not None:
        return [row for row in rows if row.trade_id >= from_id][:limit]
    return _window(rows, lambda row: row.time_ms, start_ms, end_ms, limit)


def incomes(
    state: State, symbol: str, income_type: IncomeType | None, start_ms: int | None, end_ms: int | None, limit: int
) -> list[Income]:
    """List income rows, of one symbol and type where given."""
    rows = [
        row
        for row in state.incomes()
        if (not symbol or row.symbol == symbol) and (income_type is None or row.type is income_type)
    ]
    return _window(rows, lambda row: row.time_ms, start_ms, end_ms, limit)


def funding_rates(state: State, symbol: str, start_ms: int | None, end_ms: int | None, limit: int) -> list[FundingRate]:
    """List settled funding rates."""
    rows = [row for row in state.funding_rates if not symbol or row.symbol == symbol]
    return _window(rows, lambda row: row.time_ms, start_ms, end_ms, limit)


def _window[T](
    rows: Sequence[T], time_of: Callable[[T], int], start_ms: int | None, end_ms: int | None, limit: int
) -> list[T]:
    """Cut to the window; the oldest `limit` from a start on, else the newest."""
    if start_ms is None and end_ms is None:
        return list(rows[-limit:]) if limit > 0 else []
    found = [
        row
        for row in rows
        if (start_ms is None or time_of(row) >= start_ms) and (end_ms is None or time_of(row) <= end_ms)
    ]
    return found[:limit] if start_ms is not None else found[-limit:]
