"""Wallets move by what the wire says; what we would have expected is computed beside it."""

from collections.abc import Mapping
from decimal import Decimal

from bot.domain.fill import Fill, Funding, OpeningBalance, Transfer
from bot.domain.money import ZERO, plain, round_half_away
from bot.trading import audit
from bot.trading.state import State, SymbolState

_REMEMBERED = 4_096
_STRICT_MODES = frozenset({"demo", "paper", "backtest"})


def open_books(state: State, wallets: Mapping[str, Decimal], from_ms: int) -> None:
    """Take the wallets as opening balances: these books begin here."""
    state.opened = True
    for asset, balance in wallets.items():
        state.wallets[asset] = balance
        if balance:
            state.record(OpeningBalance(asset, balance, from_ms))


def move(state: State, asset: str, amount: Decimal) -> None:
    """Change a wallet."""
    state.wallets[asset] = state.wallets.get(asset, ZERO) + amount


def pay_fill(state: State, fill: Fill) -> None:
    """Book an execution's realized profit and commission; one that is not at our rate opens an incident."""
    if fill.commission_asset != state.margin_asset:
        move(state, state.margin_asset, fill.realized_pnl)
        move(state, fill.commission_asset or state.margin_asset, -fill.commission)
        return
    move(state, state.margin_asset, fill.realized_pnl - fill.commission)
    rate = state.plan.maker_rate if fill.maker else state.plan.taker_rate
    expected = expected_commission(fill.price, fill.quantity, rate)
    if fill.commission != expected:
        detail = f"fill {fill.trade_id}: commission {plain(fill.commission)}, by our rate {plain(expected)}"
        audit.open_incident(state, "commission_difference", fill.symbol, audit.WARNING, detail)


def book_funding(state: State, funding: Funding) -> SymbolState | None:
    """Book a settlement once; None = known already, or nothing was paid."""
    key = (funding.symbol, funding.kind, funding.time_ms)
    if key in state.funding_keys or not funding.amount:
        return None
    state.funding_keys[key] = None
    _forget_oldest(state.funding_keys)
    state.record(funding)
    move(state, funding.asset, funding.amount)
    return state.symbol_state(funding.symbol) if funding.symbol else None


def book_transfer(state: State, transfer: Transfer) -> None:
    """Book any other balance change once, and move what the rules measure losses from."""
    key = transfer_key(transfer)
    if key in state.transfer_keys or not transfer.amount:
        return
    state.transfer_keys[key] = None
    _forget_oldest(state.transfer_keys)
    state.record(transfer)
    move(state, transfer.asset, transfer.amount)
    if transfer.asset == state.margin_asset:
        state.peak_equity += transfer.amount
        state.remember_risk(state.risk.transferred(transfer.amount, state.now_ms))


def transfer_key(transfer: Transfer) -> tuple[str, int, str, str, Decimal]:
    """Return what makes a transfer the same one when it is seen again."""
    return (transfer.kind, transfer.time_ms, transfer.symbol, transfer.asset, transfer.amount)


def expected_commission(price: Decimal, quantity: Decimal, rate: Decimal) -> Decimal:
    """Return the commission by ledger rule R1."""
    return round_half_away(price * quantity * rate)


def report_difference(state: State, symbol: SymbolState, fill: Fill, expected: Decimal) -> None:
    """Open an incident: the exchange's realized profit is not what rule R3 gives. The books keep the exchange's."""
    severity = audit.CRITICAL if state.plan.mode in _STRICT_MODES else audit.WARNING
    detail = f"fill {fill.trade_id}: realized {plain(fill.realized_pnl)}, by our books {plain(expected)}"
    audit.open_incident(state, "ledger_difference", symbol.symbol, severity, detail)


def _forget_oldest[Key](keys: dict[Key, None]) -> None:
    if len(keys) > _REMEMBERED:
        del keys[next(iter(keys))]
