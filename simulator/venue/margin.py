"""Margin arithmetic (docs/wire.md B.10): what positions and orders tie up, what is free, where liquidation stands."""

from collections.abc import Sequence
from decimal import Decimal
from typing import Final

import msgspec

from simulator.venue.account import Position
from simulator.venue.decimals import ZERO
from simulator.venue.errors import refusal
from simulator.venue.instrument import Bracket, bracket_of, largest_notional
from simulator.venue.market import Market
from simulator.venue.model import Order, OrderRequest, Side
from simulator.venue.state import State

MOST_BRACKETS: Final = 24


class Load(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """What one symbol's position and open orders mean for the account, in its margin asset."""

    notional: Decimal
    unrealized: Decimal
    bid_notional: Decimal
    ask_notional: Decimal
    position_margin: Decimal
    order_margin: Decimal
    maintenance_margin: Decimal


def load_of(market: Market, position: Position) -> Load:
    """Compute a symbol's load at its mark price.

    One-way initial margin is that of the worse outcome, all bids or all asks filled; what exceeds the position's own
    belongs to the open orders.
    """
    notional = position.quantity * market.mark
    bids, asks = market.open_notionals()
    position_margin = abs(notional) / position.leverage
    return Load(
        notional=notional,
        unrealized=position.unrealized(market.mark),
        bid_notional=bids,
        ask_notional=asks,
        position_margin=position_margin,
        order_margin=max(worst_notional(notional, bids, asks) / position.leverage - position_margin, ZERO),
        maintenance_margin=maintenance_margin(market.brackets, abs(notional)),
    )


def worst_notional(notional: Decimal, bids: Decimal, asks: Decimal) -> Decimal:
    """Return the largest absolute notional that fills of one side could lead to."""
    return max(abs(notional + bids), abs(notional - asks), abs(notional))


def maintenance_margin(brackets: Sequence[Bracket], notional: Decimal) -> Decimal:
    """Return notional x ratio - cum of its bracket; 0 when flat."""
    if not notional:
        return ZERO
    row = bracket_of(brackets, notional)
    return notional * row.maintenance_ratio - row.cumulative


def available(state: State, asset: str) -> Decimal:
    """Return what new orders may use of an asset: cross wallet + cross PnL - margins tied up, never below 0."""
    account = state.account
    if not account.held and not state.busy:
        return max(account.wallets[asset], ZERO)
    free = account.cross_wallet(asset)
    for symbol in {**account.held, **state.busy}:
        market, position = state.markets[symbol], account.positions[symbol]
        if position.margin_asset != asset or (position.is_isolated and not market.resting):
            continue
        load = load_of(market, position)
        free -= load.order_margin
        if not position.is_isolated:
            free += load.unrealized - load.position_margin
    return max(free, ZERO)


def check_new_order(state: State, market: Market, request: OrderRequest, price: Decimal) -> None:
    """Refuse an order the account cannot carry at `price`: -2027 over the bracket, -2019 without the margin.

    An order that only reduces the worst outcome needs nothing. A price worse than the mark costs the difference too.
    """
    position = state.account.positions[request.symbol]
    before, after = ZERO, request.quantity * price
    is_buy = request.side is Side.BUY
    if position.quantity or market.resting:
        notional = position.quantity * market.mark
        bids, asks = market.open_notionals()
        before = worst_notional(notional, bids, asks)
        bids, asks = (bids + after, asks) if is_buy else (bids, asks + after)
        after = worst_notional(notional, bids, asks)
    if after <= before:
        return
    if after > largest_notional(market.brackets, position.leverage):
        raise refusal(-2027)
    needed = (after - before) / position.leverage
    mark = market.mark
    if mark and mark != price:
        needed += max((price - mark if is_buy else mark - price) * request.quantity, ZERO)
    if needed > available(state, position.margin_asset):
        raise refusal(-2019)


def is_reducing(position: Position, order: Order | OrderRequest) -> bool:
    """Tell whether the order's side is the one that closes the position."""
    return bool(position.quantity) and (position.quantity > ZERO) == (order.side is Side.SELL)


def must_be_liquidated(state: State, market: Market, position: Position) -> bool:
    """Judge a position on its mark price: margin balance not above maintenance (isolated: of it alone)."""
    if position.is_isolated:
        balance = position.isolated_wallet + position.unrealized(market.mark)
        return balance <= maintenance_margin(market.brackets, abs(position.quantity) * market.mark)
    balance = state.account.cross_wallet(position.margin_asset)
    needed = ZERO
    for symbol, other in state.account.held.items():
        if other.is_isolated or other.margin_asset != position.margin_asset:
            continue
        at = state.markets[symbol]
        balance += other.unrealized(at.mark)
        needed += maintenance_margin(at.brackets, abs(other.quantity) * at.mark)
    return balance <= needed


def liquidation_price(state: State, market: Market, position: Position) -> Decimal:
    """Solve balance = maintenance for the symbol's price, with the bracket at that price; 0 when there is none."""
    if not position.quantity:
        return ZERO
    if position.is_isolated:
        wallet = position.isolated_wallet
    else:
        wallet = state.account.cross_wallet(position.margin_asset)
        for symbol, other in state.account.held.items():
            if other is position or other.is_isolated:
                continue
            at = state.markets[symbol]
            wallet += other.unrealized(at.mark) - maintenance_margin(at.brackets, abs(other.quantity) * at.mark)
    quantity = position.quantity
    size, cost = (quantity, position.cost) if quantity > ZERO else (-quantity, -position.cost)
    row = bracket_of(market.brackets, size * market.mark)
    for _ in range(MOST_BRACKETS):
        price = (wallet + row.cumulative - cost) / (size * row.maintenance_ratio - quantity)
        at_price = bracket_of(market.brackets, size * price)
        if at_price is row:
            break
        row = at_price
    return max(price, ZERO)
