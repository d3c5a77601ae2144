"""Taking over an account from its owner's books: paper trading goes on where an earlier process stopped.

The venue dies with the process that holds it, so what the books say is what happened. What they left half done cannot
go on: a market order's remainder expires, a conditional order that was triggering ends with its child or expires.
"""

from collections.abc import Mapping
from decimal import Decimal

import msgspec
from msgspec.structs import replace

from simulator.venue.decimals import round8
from simulator.venue.execution import expire, finish_algo
from simulator.venue.model import AlgoOrder, AlgoStatus, ExpiryReason, MarginType, Order, OrderType, TimeInForce
from simulator.venue.state import State


class Restored(msgspec.Struct, frozen=True, kw_only=True):
    """An account as remembered: `positions` are (signed quantity, cost), `orders` and `algos` open or recent ones.

    The `next_...` ids must lie above every id the books have seen, the margin settings are those of every symbol.
    """

    wallets: Mapping[str, Decimal]
    positions: Mapping[str, tuple[Decimal, Decimal]]
    orders: tuple[Order, ...]
    algos: tuple[AlgoOrder, ...]
    leverage: int
    margin_type: MarginType
    next_order_id: int
    next_trade_id: int
    next_algo_id: int


def restore(state: State, account: Restored) -> None:
    """Fill a venue that nobody has used yet; only what ends here is told as an event."""
    state.account.opening = dict(account.wallets)
    state.account.wallets |= account.wallets
    for position in state.account.positions.values():
        position.leverage, position.margin_type = account.leverage, account.margin_type
    for symbol, (quantity, cost) in account.positions.items():
        position = state.position(symbol)
        position.quantity, position.cost = quantity, cost
        state.account.note(position)
        state.markets[symbol].is_stale = True
        if position.is_isolated:
            position.isolated_wallet = round8(cost / account.leverage)
    for order in account.orders:
        state.keep_order(order)
    for algo in account.algos:
        state.keep_algo(algo)
    state.events.clear()
    state.next_order_id = account.next_order_id
    state.next_trade_id = account.next_trade_id
    state.next_algo_id = account.next_algo_id
    _end_what_was_half_done(state, account)


def _end_what_was_half_done(state: State, account: Restored) -> None:
    for order in account.orders:
        if order.is_open and order.type is OrderType.MARKET:
            expire(state, order, ExpiryReason.MARKET_REMAINDER)
        elif order.is_open and order.time_in_force in {TimeInForce.IOC, TimeInForce.FOK}:
            expire(state, order, ExpiryReason.IOC_REMAINDER)
    children = {order.algo_id: order.order_id for order in account.orders if order.algo_id}
    for algo in account.algos:
        _end_triggered(state, state.algos[algo.algo_id], children.get(algo.algo_id, 0))


def _end_triggered(state: State, algo: AlgoOrder, child_id: int) -> None:
    if algo.status is not AlgoStatus.TRIGGERING and algo.status is not AlgoStatus.TRIGGERED:
        return
    if not child_id:
        state.keep_algo(replace(algo, status=AlgoStatus.EXPIRED, updated_ms=state.now_ms))
        return
    child = state.orders[child_id]
    state.algos[algo.algo_id] = replace(algo, actual_order_id=child_id, actual_type=child.type.value)
    if not child.is_open:
        finish_algo(state, child)
