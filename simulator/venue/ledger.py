"""The venue's books in the canonical form of `docs/ledger.md`, calculated from its own rows."""

from collections import defaultdict
from decimal import Decimal
from typing import Any, Final

from simulator.venue.account import Position
from simulator.venue.decimals import ZERO, plain
from simulator.venue.model import AlgoOrder, Income, IncomeType, Order, Trade
from simulator.venue.state import State

SCHEMA: Final = "act-ledger/1"
MINUTE_MS: Final = 60_000
SECOND_MS: Final = 1_000

Row = dict[str, Any]


def ledger(state: State) -> Row:
    """Return the whole ledger, JSON-ready; writing it as bytes is the server's."""
    trades = list(state.trades.values())
    funding = _funding(state)
    transfers = _transfers(state)
    totals = _totals(trades, state)
    return {
        "schema": SCHEMA,
        "from_ms": 0,
        "opening": _balances(state.account.opening),
        "orders": _by_id([_order(order) for order in state.orders.values()], "order_id"),
        "algo_orders": _by_id([_algo(algo) for algo in state.algos.values()], "algo_id"),
        "fills": _by_id([_fill(trade) for trade in trades], "trade_id"),
        "funding": funding,
        "transfers": transfers,
        "positions": _positions(state),
        "totals": [
            {"asset": asset} | {name: plain(amount) for name, amount in sums.items()}
            for asset, sums in sorted(totals.items())
        ],
        "wallets": _balances(_wallets(state.account.opening, totals)),
    }


def _order(order: Order) -> Row:
    return {
        "symbol": order.symbol,
        "order_id": order.order_id,
        "client_order_id": order.client_order_id,
        "algo_id": order.algo_id,
        "side": order.side.value,
        "position_side": order.position_side.value,
        "type": order.type.value,
        "time_in_force": order.time_in_force.value,
        "quantity": plain(order.quantity),
        "price": plain(order.price),
        "reduce_only": order.reduce_only,
        "close_position": order.close_position,
        "status": order.status.value,
        "executed_quantity": plain(order.executed_quantity),
        "executed_quote": plain(order.executed_quote),
    }


def _algo(algo: AlgoOrder) -> Row:
    return {
        "symbol": algo.symbol,
        "algo_id": algo.algo_id,
        "client_algo_id": algo.client_algo_id,
        "type": algo.type.value,
        "side": algo.side.value,
        "position_side": algo.position_side.value,
        "quantity": plain(algo.quantity),
        "price": plain(algo.price),
        "trigger_price": plain(algo.trigger_price),
        "working_type": algo.working_type.value,
        "close_position": algo.close_position,
        "reduce_only": algo.reduce_only,
        "activate_price": plain(algo.activate_price),
        "callback_rate": plain(algo.callback_rate),
        "status": algo.status.value,
        "actual_order_id": algo.actual_order_id,
    }


def _fill(trade: Trade) -> Row:
    return {
        "symbol": trade.symbol,
        "trade_id": trade.trade_id,
        "order_id": trade.order_id,
        "time_ms": trade.time_ms,
        "side": trade.side.value,
        "position_side": trade.position_side.value,
        "price": plain(trade.price),
        "quantity": plain(trade.quantity),
        "maker": trade.maker,
        "commission": plain(trade.commission),
        "commission_asset": trade.commission_asset,
        "realized_pnl": plain(trade.realized_pnl),
    }


def _funding(state: State) -> list[Row]:
    sums: dict[tuple[int, str, str, str], Decimal] = defaultdict(Decimal)
    for row in state.incomes():
        if row.type is IncomeType.FUNDING_FEE:
            sums[row.time_ms // MINUTE_MS * MINUTE_MS, row.symbol, row.type.value, row.asset] += row.amount
    return [
        {"symbol": symbol, "kind": kind, "time_ms": time_ms, "asset": asset, "amount": plain(amount)}
        for (time_ms, symbol, kind, asset), amount in sorted(sums.items())
        if amount
    ]


def _is_transfer(row: Income) -> bool:
    return row.type is IncomeType.TRANSFER or row.type is IncomeType.INSURANCE_CLEAR


def _transfers(state: State) -> list[Row]:
    rows = sorted(
        (row.time_ms // SECOND_MS * SECOND_MS, row.type.value, row.symbol, row.asset, row.amount)
        for row in state.incomes()
        if _is_transfer(row)
    )
    return [
        {"kind": kind, "time_ms": time_ms, "symbol": symbol, "asset": asset, "amount": plain(amount)}
        for time_ms, kind, symbol, asset, amount in rows
    ]


def _totals(trades: list[Trade], state: State) -> dict[str, dict[str, Decimal]]:
    totals: dict[str, dict[str, Decimal]] = defaultdict(
        lambda: dict.fromkeys(("realized_pnl", "commission", "funding", "transfers"), ZERO)
    )
    for trade in trades:
        margin_asset = state.account.positions[trade.symbol].margin_asset
        totals[margin_asset]["realized_pnl"] += trade.realized_pnl
        totals[trade.commission_asset]["commission"] += trade.commission
    for row in state.incomes():
        if row.type is IncomeType.FUNDING_FEE:
            totals[row.asset]["funding"] += row.amount
        elif _is_transfer(row):
            totals[row.asset]["transfers"] += row.amount
    return totals


def _wallets(opening: dict[str, Decimal], totals: dict[str, dict[str, Decimal]]) -> dict[str, Decimal]:
    wallets = dict(opening)
    for asset, sums in totals.items():
        change = sums["realized_pnl"] - sums["commission"] + sums["funding"] + sums["transfers"]
        wallets[asset] = wallets.get(asset, ZERO) + change
    return wallets


def _balances(wallets: dict[str, Decimal]) -> list[Row]:
    return [{"asset": asset, "balance": plain(amount)} for asset, amount in sorted(wallets.items()) if amount]


def _positions(state: State) -> list[Row]:
    rows = sorted(state.account.positions.values(), key=_symbol)
    return [
        {
            "symbol": position.symbol,
            "position_side": "BOTH",
            "quantity": plain(position.quantity),
            "entry_price": plain(position.entry_price),
        }
        for position in rows
        if position.quantity
    ]


def _symbol(position: Position) -> str:
    return position.symbol


def _by_id(rows: list[Row], key: str) -> list[Row]:
    return sorted(rows, key=lambda row: (row["symbol"], row[key]))
