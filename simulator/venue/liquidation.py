"""Liquidation on the mark price (docs/wire.md B.10).

Open orders of the symbol expire, an `autoclose-` order closes the position, and the liquidation fee, or what the
insurance fund pays in, is booked as INSURANCE_CLEAR.
"""

from decimal import Decimal

from simulator.venue.account import Position
from simulator.venue.decimals import ZERO, ceil_to, floor_to, round8
from simulator.venue.execution import accept, expire, fill
from simulator.venue.margin import must_be_liquidated
from simulator.venue.market import Market
from simulator.venue.model import (
    AccountReason,
    ExecutionType,
    ExpiryReason,
    ForceOrderEvent,
    IncomeType,
    OrderRequest,
    OrderType,
    Side,
    TimeInForce,
)
from simulator.venue.state import State


def judge(state: State, market: Market) -> None:
    """Liquidate the symbol's position when its margin is used up."""
    position = state.account.positions[market.instrument.symbol]
    if position.quantity and must_be_liquidated(state, market, position):
        liquidate(state, market, position)


def liquidate(state: State, market: Market, position: Position) -> None:
    """Close the position at the mark price, whatever its margin."""
    for order in state.open_orders(position.symbol):
        expire(state, order, ExpiryReason.LIQUIDATION)
    is_long = position.quantity > 0
    tick = market.instrument.tick_size
    price = max(floor_to(market.mark, tick) if is_long else ceil_to(market.mark, tick), tick)
    quantity = abs(position.quantity)
    margin = position.isolated_wallet if position.is_isolated else state.account.cross_wallet(position.margin_asset)
    state.liquidation_count += 1
    order = accept(
        state,
        OrderRequest(
            symbol=position.symbol,
            side=Side.SELL if is_long else Side.BUY,
            type=OrderType.LIMIT,
            quantity=quantity,
            price=price,
            time_in_force=TimeInForce.IOC,
            reduce_only=True,
            client_order_id=f"autoclose-{state.liquidation_count}",
        ),
    )
    order = fill(state, order, price, quantity, maker=False, execution=ExecutionType.CALCULATED)
    state.events.append(ForceOrderEvent(state.now_ms, order))
    trade = next(reversed(state.trades.values()))
    left = margin + trade.realized_pnl - trade.commission
    _clear(state, position, left, round8(price * quantity * market.instrument.liquidation_fee))


def _clear(state: State, position: Position, left: Decimal, fee: Decimal) -> None:
    amount = -min(fee, left) if left >= 0 else -left
    if amount == ZERO:
        return
    asset = position.margin_asset
    state.earn(IncomeType.INSURANCE_CLEAR, amount, asset, symbol=position.symbol)
    state.tell_account(AccountReason.INSURANCE_CLEAR, asset, change=amount)
