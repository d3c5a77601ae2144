"""The account as its owner is shown it: balances, positions and their sums (docs/wire.md B.3)."""

from collections.abc import Iterable, Iterator
from decimal import Decimal

from simulator.venue.account import Position
from simulator.venue.decimals import ZERO
from simulator.venue.margin import Load, available, liquidation_price, load_of
from simulator.venue.model import AccountView, BalanceView, PositionSide, PositionView
from simulator.venue.state import State


def position_views(state: State, symbol: str = "") -> list[PositionView]:
    """Show symbols with a position or an open order, of one symbol or of all with ""."""
    symbols = [symbol] if symbol else list(state.markets)
    return [
        _position_view(state, name) for name in symbols if state.position(name).quantity or state.market(name).resting
    ]


def balance_views(state: State) -> list[BalanceView]:
    """Show every asset with a wallet."""
    return [_balance_view(state, asset) for asset in state.account.wallets]


def account_view(state: State) -> AccountView:
    """Show the whole account; the sums run over all assets as if each were worth one quote unit (one asset: USDT)."""
    balances = tuple(balance_views(state))
    return AccountView(
        total_initial_margin=_total(b.initial_margin for b in balances),
        total_maintenance_margin=_total(b.maintenance_margin for b in balances),
        total_wallet_balance=_total(b.wallet_balance for b in balances),
        total_unrealized_profit=_total(b.unrealized_profit for b in balances),
        total_margin_balance=_total(b.margin_balance for b in balances),
        total_position_initial_margin=_total(b.position_initial_margin for b in balances),
        total_open_order_initial_margin=_total(b.open_order_initial_margin for b in balances),
        total_cross_wallet_balance=_total(b.cross_wallet_balance for b in balances),
        total_cross_unrealized=_total(b.cross_unrealized for b in balances),
        available_balance=_total(b.available_balance for b in balances),
        max_withdraw=_total(b.max_withdraw for b in balances),
        balances=balances,
        positions=tuple(position_views(state)),
    )


def _total(values: Iterable[Decimal]) -> Decimal:
    return sum(values, ZERO)


def _position_view(state: State, symbol: str) -> PositionView:
    market, position = state.market(symbol), state.position(symbol)
    load = load_of(market, position)
    return PositionView(
        symbol=symbol,
        position_side=PositionSide.BOTH,
        quantity=position.quantity,
        entry_price=position.entry_price,
        break_even_price=position.break_even_price,
        mark_price=market.mark,
        unrealized_profit=load.unrealized,
        liquidation_price=liquidation_price(state, market, position),
        isolated_margin=position.isolated_wallet + load.unrealized if position.is_isolated else ZERO,
        isolated_wallet=position.isolated_wallet,
        notional=load.notional,
        margin_asset=position.margin_asset,
        initial_margin=load.position_margin + load.order_margin,
        maintenance_margin=load.maintenance_margin,
        position_initial_margin=load.position_margin,
        open_order_initial_margin=load.order_margin,
        bid_notional=load.bid_notional,
        ask_notional=load.ask_notional,
        leverage=position.leverage,
        margin_type=position.margin_type,
        updated_ms=position.updated_ms,
    )


def _balance_view(state: State, asset: str) -> BalanceView:
    loads = list(_loads(state, asset))
    wallet = state.account.wallets[asset]
    unrealized = _total(load.unrealized for _, load in loads)
    positions = _total(load.position_margin for _, load in loads)
    orders = _total(load.order_margin for _, load in loads)
    free = available(state, asset)
    return BalanceView(
        asset=asset,
        wallet_balance=wallet,
        unrealized_profit=unrealized,
        margin_balance=wallet + unrealized,
        maintenance_margin=_total(load.maintenance_margin for _, load in loads),
        initial_margin=positions + orders,
        position_initial_margin=positions,
        open_order_initial_margin=orders,
        cross_wallet_balance=state.account.cross_wallet(asset),
        cross_unrealized=_total(load.unrealized for position, load in loads if not position.is_isolated),
        available_balance=free,
        max_withdraw=free,
        updated_ms=state.account.updated_ms,
    )


def _loads(state: State, asset: str) -> Iterator[tuple[Position, Load]]:
    for symbol, market in state.markets.items():
        position = state.account.positions[symbol]
        if position.margin_asset == asset and (position.quantity or market.resting):
            yield position, load_of(market, position)
