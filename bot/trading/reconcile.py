"""The account as the exchange shows it against our books: what is missing is looked up, what differs is read again."""

from decimal import Decimal
from typing import Final

from bot.domain.account import AccountSnapshot
from bot.domain.events import SnapshotTaken
from bot.domain.money import ZERO, plain
from bot.domain.order import OrderState
from bot.trading import audit, equity, fills, ledger, orders, stops
from bot.trading.state import UNRECONCILED, State, awaits_answer

_MOST_TRIES: Final = 5
_LOST_IF_NOT_SHOWN: Final = frozenset({OrderState.RESTING, OrderState.PARTIALLY_FILLED})


def compare(state: State, event: SnapshotTaken) -> None:
    """Take a snapshot: open the books with it, or hold them against it."""
    state.reconcile_asked = False
    state.touch_all()
    if not state.opened:
        ledger.open_books(state, event.snapshot.wallets, event.from_ms)
    _take_orders(state, event.snapshot)
    _look_up_what_is_missing(state, event.snapshot)
    differences = [*_wallet_differences(state, event.snapshot), *_position_differences(state, event.snapshot)]
    if differences:
        _disagree(state, differences)
    else:
        _agree(state)
    equity.judge(state)


def _take_orders(state: State, snapshot: AccountSnapshot) -> None:
    for report in snapshot.open_orders:
        orders.update(state, report, None)
    for algo in snapshot.open_algo_orders:
        stops.update(state, algo)


def _look_up_what_is_missing(state: State, snapshot: AccountSnapshot) -> None:
    shown = {(each.symbol, each.client_order_id) for each in snapshot.open_orders}
    shown |= {(each.symbol, each.client_algo_id) for each in snapshot.open_algo_orders}
    for symbol in state.by_symbol.values():
        for row in tuple(symbol.orders.values()):
            key = (row.symbol, row.client_order_id)
            if _is_doubtful(row.state, shown=key in shown, inherited=key in state.inherited):
                orders.look_up(state, symbol, row)
        for algo in (*symbol.ended_algos.values(), *symbol.algos.values()):
            key = (algo.symbol, algo.client_algo_id)
            if _is_doubtful(algo.state, shown=key in shown, inherited=key in state.inherited):
                stops.look_up(state, symbol, algo)
    state.inherited.clear()


def _is_doubtful(state: OrderState, *, shown: bool, inherited: bool) -> bool:
    """Say whether an order has to be looked up: it should be shown and is not, or a cancel may have gone astray.

    What this process has sent and not seen answered is answered by its request, or is being looked up.
    """
    if state is OrderState.CANCELLING:
        return True
    if shown:
        return False
    return state in _LOST_IF_NOT_SHOWN or (inherited and (awaits_answer(state) or state is OrderState.UNKNOWN))


def _wallet_differences(state: State, snapshot: AccountSnapshot) -> list[str]:
    assets = sorted(set(state.wallets) | set(snapshot.wallets))
    pairs = ((asset, state.wallets.get(asset, ZERO), snapshot.wallets.get(asset, ZERO)) for asset in assets)
    return [_difference(asset, ours, theirs) for asset, ours, theirs in pairs if ours != theirs]


def _position_differences(state: State, snapshot: AccountSnapshot) -> list[str]:
    theirs = {each.symbol: each.quantity for each in snapshot.positions if each.quantity}
    ours = {each.symbol: each.track.quantity for each in state.by_symbol.values() if each.track.quantity}
    symbols = sorted(set(ours) | set(theirs))
    pairs = ((symbol, ours.get(symbol, ZERO), theirs.get(symbol, ZERO)) for symbol in symbols)
    return [_difference(symbol, mine, other) for symbol, mine, other in pairs if mine != other]


def _difference(name: str, ours: Decimal, theirs: Decimal) -> str:
    return f"{name}: books {plain(ours)}, exchange {plain(theirs)}"


def _agree(state: State) -> None:
    state.reconcile_tries = 0
    state.reconciled = True
    audit.close_incident(state, UNRECONCILED, "")
    for symbol in state.by_symbol.values():
        fills.verify(state, symbol)


def _disagree(state: State, differences: list[str]) -> None:
    state.reconcile_tries += 1
    if state.reconcile_tries < _MOST_TRIES:
        state.ask_reconcile("; ".join(differences))
        return
    state.reconciled = False
    audit.open_incident(state, UNRECONCILED, "", audit.CRITICAL, "; ".join(differences))
