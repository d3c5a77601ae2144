"""The fill rules of candle mode (docs/strategy.md, Fills), for backtests: no spread, no slippage, one price at a time.

- What was decided at the close of a candle trades at the open of the next one given, however much later that is.
- A stop is live from the fill on, the entry candle included; it fires when low <= stop (long) or high >= stop (short)
  and fills at the worse of the stop and the open. A take-profit fills at the better of its price and the open.
- An exit waiting for an open comes before that candle's stop: the candle is given in two steps, and orders placed
  between them trade at the open.
- A resting limit order fills at its own price when the candle trades through it; touching is not enough.
- Where a candle could fire both a stop and a take-profit, the stop comes first.
"""

from decimal import Decimal
from typing import Final

from simulator.venue.algo_orders import fire
from simulator.venue.execution import arrive, enforce_reduce_only, fill
from simulator.venue.liquidation import judge
from simulator.venue.market import STOPS, Market, fires_when_falling, is_triggered
from simulator.venue.model import AlgoOrder, Order, Side
from simulator.venue.settlement import advance
from simulator.venue.state import State

CANDLE_END_MS: Final = 59_999


def open_candle(state: State, symbol: str, open_time: int, open_price: Decimal) -> None:
    """Move to the candle's open and trade there what waited for it, in the order it was placed."""
    market = state.market(symbol)
    advance(state, open_time)
    market.move(open_price, buyer_is_maker=False)
    market.is_inside_candle = True
    market.candle_open_ms = open_time
    for order_id in sorted(market.travelling):
        arrive(state, order_id)
    if market.is_woken_by(open_price, open_price):
        _fire(state, market, open_price, open_price)


def finish_candle(state: State, symbol: str, high: Decimal, low: Decimal, close: Decimal) -> None:
    """Fill limits and fire stops the candle reached, then move to its close."""
    market = state.market(symbol)
    advance(state, market.candle_open_ms + CANDLE_END_MS)
    open_price = market.last
    if market.is_woken_by(low, high):
        _fill_limits(state, market, high, low)
        _fire(state, market, high, low)
    if state.account.positions[symbol].quantity:
        _judge_worst(state, market, high, low, open_price)
    market.move(close, buyer_is_maker=False)
    market.is_inside_candle = False


def _fill_limits(state: State, market: Market, high: Decimal, low: Decimal) -> None:
    for order in list(market.resting.values()):
        if order.order_id in market.resting and _is_passed(order, high, low):
            fill(state, order, order.price, order.remaining, maker=True)
            enforce_reduce_only(state, market)


def _is_passed(order: Order, high: Decimal, low: Decimal) -> bool:
    return low < order.price if order.side is Side.BUY else high > order.price


def _fire(state: State, market: Market, high: Decimal, low: Decimal) -> None:
    open_price = market.last
    reached = [algo for algo in market.waiting.values() if is_triggered(algo, _extreme(algo, high, low))]
    reached.sort(key=lambda algo: (algo.type not in STOPS, algo.algo_id))
    for algo in reached:
        if algo.algo_id in market.waiting:
            market.move(_fill_price(algo, open_price), buyer_is_maker=False)
            fire(state, market, algo)
    market.move(open_price, buyer_is_maker=False)


def _extreme(algo: AlgoOrder, high: Decimal, low: Decimal) -> Decimal:
    return low if fires_when_falling(algo) else high


def _fill_price(algo: AlgoOrder, open_price: Decimal) -> Decimal:
    """Return the trigger price, or the open where the market opened beyond it."""
    return min(algo.trigger_price, open_price) if fires_when_falling(algo) else max(algo.trigger_price, open_price)


def _judge_worst(state: State, market: Market, high: Decimal, low: Decimal, open_price: Decimal) -> None:
    is_long = state.account.positions[market.instrument.symbol].quantity > 0
    market.move(low if is_long else high, buyer_is_maker=False)
    judge(state, market)
    market.move(open_price, buyer_is_maker=False)
