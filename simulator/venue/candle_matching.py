"""The fill rules of candle mode (docs/strategy.md, Fills): what happens within a candle, and in which order.

A candle is given in two steps, and orders placed between them are inside it. At its open: funding that has fallen due,
then what was decided before, then conditional orders the market opened beyond. At its end, what hurts comes first:

1. orders that arrive late (latency);
2. resting limit orders that open or increase the position;
3. stops, trailing ones at the level they had, by the extreme against them, the nearest to the open first;
4. liquidation at the extreme against the position;
5. resting limit orders that close the position, and take-profits;
6. trailing stops follow the extreme in their favour, and fire if the close is beyond their new level.

Finer pieces of the candle (detail) go through the same steps one after the other, each at its own time.
"""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import Final, NamedTuple

from simulator.venue.account import Position
from simulator.venue.algo_orders import fire
from simulator.venue.candle_orders import arrivals, arrive, price_at
from simulator.venue.costs import tier_of
from simulator.venue.decimals import ZERO, floor_to
from simulator.venue.errors import CandleError
from simulator.venue.execution import enforce_reduce_only, fill
from simulator.venue.liquidation import judge
from simulator.venue.margin import is_reducing
from simulator.venue.market import STOPS, Market, fires_when_falling
from simulator.venue.model import AlgoOrder, Candle, Order, Side, WorkingType
from simulator.venue.settlement import advance, settle_until
from simulator.venue.state import State
from simulator.venue.waking import liquidation_bounds, wake_prices

MINUTE_MS: Final = 60_000


class Reach(NamedTuple):
    """How far a piece of the path went, and the mark price beside it (the path's own where no mark is known)."""

    low: Decimal
    high: Decimal
    mark_low: Decimal
    mark_high: Decimal


def open_candle(state: State, candle: Candle, minute_notional: Decimal | None, mark: Candle | None) -> None:
    """Move to the candle's open and trade there what waited for it, in the order it was placed.

    `minute_notional`: quote volume a minute of the candle before, wanted where candles were left out since the last
    one given; `mark`: the mark price's own candle.
    """
    market = state.markets[candle.symbol]
    open_ms, open_price = candle.open_time, candle.open
    advance(state, open_ms)
    market.last = open_price
    market.explicit_mark = ZERO if mark is None else mark.open
    now = market.candle
    now.is_open = True
    now.reached = None
    if now.shares:
        now.shares.clear()
    if state.costs.tiers:
        known = _minute_notional(now.before) if minute_notional is None else minute_notional
        now.tier = tier_of(state.costs.tiers, known)
    if market.next_funding_ms <= open_ms:
        settle_until(state, market, open_ms)
    if market.travelling:
        for order_id in arrivals(market, open_ms):
            arrive(state, market, order_id, open_price)
    if not market.waiting:
        return
    low, high = (open_price, open_price) if mark is None else sorted((open_price, mark.open))
    if market.is_woken_by(low, high):
        mark_open = open_price if mark is None else mark.open
        reach = Reach(open_price, open_price, mark_open, mark_open)
        _follow(market, reach)
        _fire(state, market, market.waiting.values(), open_price, reach)


def finish_candle(state: State, candle: Candle, detail: Sequence[Candle], mark: Candle | None) -> None:
    """Do what the candle reached, whole or piece by piece, then move to its close."""
    market = state.markets[candle.symbol]
    end_ms = candle.open_time + candle.interval_ms - 1
    state.now_ms = candle.open_time  # other symbols may have come to its end: each goes through it by itself
    if market.next_funding_ms <= end_ms:
        settle_until(state, market, end_ms)
    if detail:
        _check_detail(candle, detail)
        _finish_by_pieces(state, market, detail, mark)
    else:
        low, high = wake_prices(state, market)
        if not (low < candle.low and candle.high < high and (mark is None or (low < mark.low and mark.high < high))):
            _finish_whole(state, market, candle, mark, end_ms)
    advance(state, end_ms)
    market.last = candle.close
    now = market.candle
    now.is_open = False
    now.before = candle
    if now.reached is not None and not state.account.positions[candle.symbol].quantity:
        now.reached = None
    if mark is not None:
        market.explicit_mark = mark.close


def _minute_notional(candle: Candle | None) -> Decimal:
    return ZERO if candle is None else candle.close * candle.volume * MINUTE_MS / candle.interval_ms


def _finish_whole(state: State, market: Market, candle: Candle, mark: Candle | None, end_ms: int) -> None:
    size = abs(state.account.positions[candle.symbol].quantity)
    for order_id in arrivals(market, end_ms):
        due_ms = max(market.travelling.get(order_id, 0), candle.open_time)
        advance(state, due_ms)
        arrive(state, market, order_id, price_at(market, candle, state.orders[order_id].side, due_ms))
    advance(state, end_ms)
    _judge(state, market, candle, mark, size)


def _finish_by_pieces(state: State, market: Market, detail: Sequence[Candle], mark: Candle | None) -> None:
    position = state.account.positions[market.instrument.symbol]
    for piece in detail:
        size = abs(position.quantity)
        advance(state, piece.open_time)
        market.last = piece.open
        for order_id in arrivals(market, piece.open_time):
            arrive(state, market, order_id, piece.open)
        if market.trails:
            market.follow(piece.open, WorkingType.CONTRACT_PRICE)
        _judge(state, market, piece, mark, size)


def _judge(state: State, market: Market, piece: Candle, mark: Candle | None, size_before: Decimal) -> None:
    """Do what one piece of the path reached; it starts at the present price."""
    position = state.account.positions[market.instrument.symbol]
    reach = _reach(piece, mark)
    if market.is_woken_by(min(reach.low, reach.mark_low), max(reach.high, reach.mark_high)):
        closing = [order for order in market.resting.values() if is_reducing(position, order)]
        opening = [order for order in market.resting.values() if not is_reducing(position, order)]
        _fill_limits(state, market, opening, piece)
        _note_entry(market, position, size_before, reach)
        _fire(state, market, [algo for algo in market.waiting.values() if algo.type in STOPS], piece.open, reach)
        _judge_worst(state, market, position, reach)
        _fill_limits(state, market, closing, piece)
        _fire(state, market, [algo for algo in market.waiting.values() if algo.type not in STOPS], piece.open, reach)
        _trail(state, market, piece, mark, reach)
    else:
        _note_entry(market, position, size_before, reach)
        _judge_worst(state, market, position, reach)


def _reach(piece: Candle, mark: Candle | None) -> Reach:
    if mark is None:
        return Reach(piece.low, piece.high, piece.low, piece.high)
    return Reach(piece.low, piece.high, mark.low, mark.high)


def _note_entry(market: Market, position: Position, size_before: Decimal, reach: Reach) -> None:
    known = market.candle.reached
    if known is not None:
        market.candle.reached = min(known[0], reach.low), max(known[1], reach.high)
    elif abs(position.quantity) > size_before:
        market.candle.reached = reach.low, reach.high


def _fill_limits(state: State, market: Market, orders: Iterable[Order], piece: Candle) -> None:
    for order in orders:
        if order.order_id not in market.resting or order.order_id in market.travelling:
            continue
        quantity = _limit_quantity(state, market, order, piece)
        if quantity:
            fill(state, order, order.price, quantity, maker=True)
            enforce_reduce_only(state, market)


def _limit_quantity(state: State, market: Market, order: Order, piece: Candle) -> Decimal:
    """Return what a resting order gets of this piece's volume, in whole steps; what is left of one is kept."""
    reached = piece.low if order.side is Side.BUY else piece.high
    share = state.costs.volume_share
    if reached == order.price:
        share *= state.costs.touch_share
    elif (reached > order.price) == (order.side is Side.BUY):
        return ZERO
    shares = market.candle.shares
    promised = shares.get(order.order_id, ZERO) + piece.volume * share
    quantity = min(floor_to(promised, market.instrument.step_size), order.remaining)
    shares[order.order_id] = promised - quantity
    return quantity


def _fire(state: State, market: Market, algos: Iterable[AlgoOrder], open_price: Decimal, reach: Reach) -> None:
    """Fire what was reached, the nearest to the open first, each at the worse of its level and the open.

    For a take-profit that is the better of the two.
    """
    reached = [algo for algo in algos if market.is_reached(algo, _extreme(algo, reach))]
    if not reached:
        return
    reached.sort(key=lambda algo: (algo.type not in STOPS, abs(market.level(algo) - open_price), algo.algo_id))
    for algo in reached:
        if algo.algo_id in market.waiting:
            choose = min if fires_when_falling(algo) else max
            _fire_at(state, market, algo, choose(market.level(algo), open_price))
    market.last = open_price


def _fire_at(state: State, market: Market, algo: AlgoOrder, price: Decimal) -> None:
    market.last = price
    fire(state, market, algo)


def _extreme(algo: AlgoOrder, reach: Reach) -> Decimal:
    by_mark = algo.working_type is WorkingType.MARK_PRICE
    if fires_when_falling(algo):
        return reach.mark_low if by_mark else reach.low
    return reach.mark_high if by_mark else reach.high


def _follow(market: Market, reach: Reach) -> None:
    """Let trailing stops see the extremes: only the one in their favour can move them."""
    if not market.trails:
        return
    for price in (reach.low, reach.high):
        market.follow(price, WorkingType.CONTRACT_PRICE)
    for price in (reach.mark_low, reach.mark_high):
        market.follow(price, WorkingType.MARK_PRICE)


def _trail(state: State, market: Market, piece: Candle, mark: Candle | None, reach: Reach) -> None:
    """Let trailing stops follow the extreme in their favour, then judge them against the close."""
    if not market.trails:
        return
    _follow(market, reach)
    mark_close = piece.close if mark is None else mark.close
    close = Reach(piece.close, piece.close, mark_close, mark_close)
    for algo in [market.waiting[algo_id] for algo_id in market.trails]:
        if algo.algo_id in market.waiting and market.is_reached(algo, _extreme(algo, close)):
            _fire_at(state, market, algo, market.level(algo))
    market.last = piece.open


def _judge_worst(state: State, market: Market, position: Position, reach: Reach) -> None:
    """Liquidate by the extreme against the position: of the mark price where it is known, else of the path."""
    if not position.quantity:
        return
    bounds = liquidation_bounds(state, market, position)
    if bounds[0] < reach.mark_low and reach.mark_high < bounds[1]:
        return
    before, market.explicit_mark = market.explicit_mark, reach.mark_low if position.quantity > 0 else reach.mark_high
    judge(state, market)
    market.explicit_mark = before


def _check_detail(candle: Candle, detail: Sequence[Candle]) -> None:
    before_ms = candle.open_time
    for piece in detail:
        if piece.low < candle.low or piece.high > candle.high:
            raise CandleError(
                f"{candle.symbol}: the detail of {_when(piece.open_time)} runs from {piece.low} to {piece.high}, "
                f"outside its candle's {candle.low} to {candle.high}. Use detail of the same market, or leave it out."
            )
        if not before_ms <= piece.open_time < candle.open_time + candle.interval_ms:
            raise CandleError(
                f"{candle.symbol}: the detail of {_when(piece.open_time)} is out of order or outside the candle of "
                f"{_when(candle.open_time)}. Sort the detail by time."
            )
        before_ms = piece.open_time


def _when(at_ms: int) -> str:
    return datetime.fromtimestamp(at_ms / 1_000, UTC).isoformat(timespec="milliseconds")
