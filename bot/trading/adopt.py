"""Build the state from the books: what an earlier process left open goes on, nothing is doubled."""

from collections.abc import Iterable, Mapping

from msgspec.structs import replace

from bot.domain.account import LeverageBracket
from bot.domain.books import Books
from bot.domain.fill import Fill
from bot.domain.instrument import Instrument
from bot.domain.records import PositionRow
from bot.trading import audit, fills, ledger, orders, stops
from bot.trading.limits import CorePlan
from bot.trading.positions import Track, divide, follow_all
from bot.trading.risk import Risk
from bot.trading.state import State, SymbolState, caps_by_symbol
from bot.trading.strategy import Strategy


def open_state(
    plan: CorePlan,
    strategies: Mapping[str, Strategy],
    instruments: Iterable[Instrument],
    brackets: Iterable[LeverageBracket],
    books: Books,
) -> State:
    """Return the state these books describe."""
    contracts = {each.symbol: each for each in instruments}
    traded = tuple(each.symbol for each in plan.symbols)
    state = State(
        plan=plan,
        instance=books.instance,
        risk=Risk(plan, books.risk),
        caps=caps_by_symbol(brackets, traded, plan.account.leverage),
        traded=traded,
        by_symbol={name: SymbolState(name, strategies[name], contracts[name]) for name in traded},
        margin_asset=contracts[traded[0]].margin_asset if traded else "USDT",
        wallets=dict(books.wallets),
        opened=bool(books.wallets),
        narrated=plan.narrated,
        incidents={f"{each.code}-{each.symbol}": each for each in books.incidents if not each.closed_ms},
    )
    for row in books.risk:
        if row.rule.startswith(audit.HALT_PREFIX):
            audit.restore_halt(state, row)
    _take_orders(state, books)
    _take_money(state, books)
    _take_positions(state, books)
    for symbol in state.by_symbol.values():
        orders.put_aside(symbol)
        stops.put_aside(symbol)
    state.touched.clear()
    state.inherited = {(row.symbol, row.client_order_id) for row in books.orders if not row.state.is_final}
    state.inherited |= {(row.symbol, row.client_algo_id) for row in books.algo_orders if not row.state.is_final}
    return state


def _take_orders(state: State, books: Books) -> None:
    for intent in books.intents:
        state.symbol_state(intent.symbol).intents[intent.intent_id] = intent
    for row in sorted(books.orders, key=lambda each: (each.created_ms, each.attempt)):
        orders.remember(state.symbol_state(row.symbol), row)
    for algo in sorted(books.algo_orders, key=lambda each: each.created_ms):
        state.symbol_state(algo.symbol).algos[algo.client_algo_id] = algo


def _take_money(state: State, books: Books) -> None:
    state.funding_keys = {(each.symbol, each.kind, each.time_ms): None for each in books.recent_funding}
    state.transfer_keys = {ledger.transfer_key(each): None for each in books.recent_transfers}


def _take_positions(state: State, books: Books) -> None:
    known: dict[str, dict[int, Fill]] = {}
    for fill in (*books.recent_fills, *books.fills):
        known.setdefault(fill.symbol, {})[fill.trade_id] = fill
    rows = {row.symbol: row for row in books.positions}
    for name in sorted(known.keys() | rows.keys()):
        symbol = state.symbol_state(name)
        booked = [fill for _, fill in sorted(known.get(name, {}).items())]
        for fill in booked:
            fills.remember(symbol, fill)
        if name in rows:
            _take_position(state, symbol, rows[name], booked)


def _take_position(state: State, symbol: SymbolState, row: PositionRow, booked: list[Fill]) -> None:
    symbol.funding = row.funding if row.quantity else symbol.funding
    symbol.stop_id = row.stop_client_algo_id
    symbol.stop_basis = row.entry_price
    symbol.base, symbol.fills = _base_of(row, booked, state.margin_asset)
    symbol.tracks = [step.track for step in follow_all(symbol.base, symbol.fills, state.margin_asset)]
    symbol.track = symbol.tracks[-1] if symbol.tracks else symbol.base
    symbol.entry_decisions = {symbol.track.entry_order_id: row.entry_decision_id}


def _base_of(row: PositionRow, booked: list[Fill], margin_asset: str) -> tuple[Track, list[Fill]]:
    """Find the flat moment from which the known fills lead to the position, so that a late one finds its place."""
    held = row.quantity - sum(fill.side.sign * fill.quantity for fill in booked)
    for at, fill in enumerate(booked):
        if not held:
            before = Track(last_trade_id=fill.trade_id - 1)
            reached = follow_all(before, booked[at:], margin_asset)[-1].track
            if reached.cost == row.cost:
                return replace(before, trip=row.trip - reached.trip), booked[at:]
        held += fill.side.sign * fill.quantity
    return _track_of(row, booked[-1].trade_id if booked else 0), []


def _track_of(row: PositionRow, last_trade_id: int) -> Track:
    track = Track(trip=row.trip, last_trade_id=last_trade_id, last_ms=row.updated_ms)
    if not row.quantity:
        return track
    return replace(
        track,
        quantity=row.quantity,
        cost=row.cost,
        entry_price=divide(row.cost, abs(row.quantity)),
        opened_ms=row.opened_ms,
        entered=abs(row.quantity),
        entered_value=row.cost,
        realized=row.realized_pnl,
        commission=row.commission,
    )
