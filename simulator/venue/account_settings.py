"""Leverage, margin type, modes, transfers: what a client may change about the account, and when it may not."""

from decimal import Decimal

from simulator.venue.decimals import ZERO
from simulator.venue.errors import refusal
from simulator.venue.instrument import largest_notional
from simulator.venue.margin import available, load_of
from simulator.venue.model import (
    AccountConfigEvent,
    AccountEvent,
    AccountReason,
    IncomeType,
    MarginType,
    SymbolConfig,
)
from simulator.venue.state import State


def symbol_config(state: State, symbol: str) -> SymbolConfig:
    """Describe a symbol's leverage, margin type and the notional they allow."""
    position = state.position(symbol)
    allowed = largest_notional(state.market(symbol).brackets, position.leverage)
    return SymbolConfig(symbol, position.margin_type, position.leverage, allowed)


def set_leverage(state: State, symbol: str, leverage: int) -> SymbolConfig:
    """Change the leverage; an unchanged one is confirmed all the same."""
    market, position = state.market(symbol), state.position(symbol)
    allowed = largest_notional(market.brackets, leverage)
    if leverage < 1 or not allowed:
        raise refusal(-4028, leverage)
    if position.quantity and position.is_isolated and leverage < position.leverage:
        raise refusal(-4161)
    if abs(position.quantity) * market.mark > allowed:
        raise refusal(-2027)
    before, was_free = position.leverage, available(state, position.margin_asset)
    needed = _tied(state, symbol)
    position.leverage = leverage
    if _tied(state, symbol) - needed > was_free:
        position.leverage = before
        raise refusal(-2028)
    state.events.append(AccountConfigEvent(at_ms=state.now_ms, symbol=symbol, leverage=leverage))
    return symbol_config(state, symbol)


def set_margin_type(state: State, symbol: str, margin_type: MarginType) -> None:
    """Change between isolated and crossed margin of a symbol without orders and position."""
    market, position = state.market(symbol), state.position(symbol)
    if position.margin_type is margin_type:
        raise refusal(-4046)
    if state.is_multi_assets and margin_type is MarginType.ISOLATED:
        raise refusal(-4168)
    if market.resting:
        raise refusal(-4047)
    if position.quantity:
        raise refusal(-4048)
    position.margin_type = margin_type
    market.is_stale = True
    state.events.append(
        AccountEvent(
            at_ms=state.now_ms,
            reason=AccountReason.MARGIN_TYPE_CHANGE,
            balances=(),
            positions=(state.position_change(position),),
        )
    )


def set_position_mode(state: State, *, dual: bool) -> None:
    """Refuse what locks the mode first, then hedge mode itself, which is not supported yet."""
    if dual == state.is_dual:
        raise refusal(-4059)
    if any(market.resting for market in state.markets.values()):
        raise refusal(-4067)
    if any(position.quantity for position in state.account.positions.values()):
        raise refusal(-4068)
    if dual:
        raise refusal(-1020)
    state.is_dual = False


def set_multi_assets(state: State, *, on: bool) -> None:
    """Change multi-assets mode, which forbids isolated symbols and open orders."""
    if on == state.is_multi_assets:
        raise refusal(-4171)
    if any(market.resting for market in state.markets.values()):
        raise refusal(-4170)
    if on and any(position.is_isolated for position in state.account.positions.values()):
        raise refusal(-4167)
    state.is_multi_assets = on
    state.events.append(AccountConfigEvent(at_ms=state.now_ms, multi_assets=on))


def transfer(state: State, asset: str, amount: Decimal) -> None:
    """Move money in (positive) or out (negative) of a wallet; -2018 when more is asked than is free."""
    if amount < 0 and -amount > (available(state, asset) if asset in state.account.wallets else ZERO):
        raise refusal(-2018)
    if not amount:
        return
    state.earn(IncomeType.TRANSFER, amount, asset)
    reason = AccountReason.DEPOSIT if amount > 0 else AccountReason.WITHDRAW
    state.tell_account(reason, asset, change=amount)


def modify_isolated_margin(state: State, symbol: str, amount: Decimal, *, add: bool) -> None:
    """Move margin between the cross wallet and an isolated position; the initial margin stays in it."""
    market, position = state.market(symbol), state.position(symbol)
    if amount <= 0:
        raise refusal(-4055)
    if not position.is_isolated:
        raise refusal(-1130, "symbol")
    if not position.quantity:
        raise refusal(-4054)
    if add and amount > available(state, position.margin_asset):
        raise refusal(-4050)
    load = load_of(market, position)
    if not add and position.isolated_wallet + min(load.unrealized, ZERO) - amount < load.position_margin:
        raise refusal(-4051)
    position.isolated_wallet += amount if add else -amount
    market.is_stale = True
    state.tell_account(AccountReason.MARGIN_TRANSFER, position.margin_asset, position=position, change=ZERO)


def _tied(state: State, symbol: str) -> Decimal:
    position = state.position(symbol)
    load = load_of(state.market(symbol), position)
    return load.order_margin + (ZERO if position.is_isolated else load.position_margin)
