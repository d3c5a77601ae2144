"""One symbol's market: its prices, the book around them, what rests there, and which prices would wake it."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Final

from simulator.venue.costs import FREE, Tier
from simulator.venue.decimals import ZERO, ceil_to, floor_to
from simulator.venue.instrument import Bracket, Instrument
from simulator.venue.liquidity import Liquidity, synthetic_levels
from simulator.venue.model import (
    AlgoOrder,
    AlgoRequest,
    Candle,
    Level,
    Order,
    OrderRequest,
    OrderType,
    Side,
    WorkingType,
)

ABOVE_ALL: Final = Decimal("1e18")
STOPS: Final = frozenset({OrderType.STOP, OrderType.STOP_MARKET, OrderType.TRAILING_STOP_MARKET})
PERCENT: Final = Decimal("0.01")


def fires_when_falling(algo: AlgoOrder | AlgoRequest) -> bool:
    """Tell the trigger's direction: sell stops and buy take-profits fire at or below their price (docs/wire.md B.6)."""
    return (algo.type in STOPS) == (algo.side is Side.SELL)


@dataclass(slots=True)
class Trail:
    """How far a trailing stop has come: the best price since it became active and where it fires; 0 before that."""

    best: Decimal = ZERO
    level: Decimal = ZERO


@dataclass(slots=True)
class CandleState:
    """What candle mode keeps of a symbol between two steps.

    `is_open`: the candle has opened and is not finished. `before` is the candle finished last, `tier` what follows
    from its volume. `shares` is the volume that resting orders have been promised by this candle and not got, for less
    than a step. `reached` are the lowest and highest price since a position was entered inside the candle finished
    last: what a stop sent only now has to answer for.
    """

    is_open: bool = False
    before: Candle | None = None
    tier: Tier = FREE
    shares: dict[int, Decimal] = field(default_factory=dict)
    reached: tuple[Decimal, Decimal] | None = None


@dataclass(slots=True)
class Market:
    """Mutable state of one symbol.

    `wake_low` and `wake_high` bound the prices at which nothing can happen: inside them a tick only moves the price.
    They are recomputed when next asked for after a change (`is_stale`); market orders never rest and change nothing.
    `is_exact`: candle mode (`candle_orders`), where the book has no depth; `candle` is what that mode keeps.
    `travelling` are accepted orders that have not reached the book, with the time at which they do. `trails` are the
    trailing stops among those waiting. `quiet` are wake prices that regard the position too (`waking`), None = unknown.
    """

    instrument: Instrument
    brackets: Sequence[Bracket]
    liquidity: Liquidity
    funding_rate: Decimal = ZERO
    funding_mark: Decimal = ZERO
    next_funding_ms: int = 0
    last: Decimal = ZERO
    is_last_bid: bool = True
    top: tuple[Decimal, Decimal] | None = None
    explicit_mark: Decimal = ZERO
    explicit_index: Decimal = ZERO
    resting: dict[int, Order] = field(default_factory=dict)
    waiting: dict[int, AlgoOrder] = field(default_factory=dict)
    travelling: dict[int, int] = field(default_factory=dict)
    trails: dict[int, Trail] = field(default_factory=dict)
    taken: dict[Decimal, Decimal] = field(default_factory=dict)
    wake_low: Decimal = ZERO
    wake_high: Decimal = ABOVE_ALL
    is_stale: bool = False
    quiet: tuple[Decimal, Decimal] | None = None
    is_exact: bool = False
    candle: CandleState = field(default_factory=CandleState)

    @property
    def bid(self) -> Decimal:
        """The best price to sell at; 0 before the first tick."""
        if self.is_exact:
            return self.last
        if self.top is not None:
            return self.top[0]
        if self.is_last_bid:
            return self.last
        return self.last - self._spread()

    @property
    def ask(self) -> Decimal:
        """The best price to buy at; 0 before the first tick."""
        if self.is_exact:
            return self.last
        if self.top is not None:
            return self.top[1]
        if not self.is_last_bid or not self.last:
            return self.last
        return self.last + self._spread()

    @property
    def mark(self) -> Decimal:
        """The mark price; the path price until a mark was given."""
        return self.explicit_mark or self.last

    @property
    def index(self) -> Decimal:
        """The index price; the mark price until one was given."""
        return self.explicit_index or self.mark

    def expected_price(self, request: OrderRequest) -> Decimal:
        """Return the price an order's margin is judged at: its limit, or the best price a market order meets."""
        if request.type is not OrderType.MARKET:
            return request.price
        if self.is_exact:
            return self.last
        return self.ask if request.side is Side.BUY else self.bid

    def move(self, price: Decimal, *, buyer_is_maker: bool) -> None:
        """Move the path price: a trade by a seller happened at the bid, one by a buyer at the ask."""
        self.last = price
        self.is_last_bid = buyer_is_maker
        if self.taken:
            self.taken.clear()

    def set_top(self, bid: Decimal, ask: Decimal) -> None:
        """Take best prices from a real book."""
        self.top = (bid, ask)
        if self.taken:
            self.taken.clear()

    def levels(self, taker: Side) -> Iterator[Level]:
        """Yield what a `taker` order can meet now, without what others of this instant took."""
        best = self.ask if taker is Side.BUY else self.bid
        if best <= 0:
            return
        if self.is_exact:
            yield Level(best, ABOVE_ALL)
            return
        for level in synthetic_levels(self.liquidity, self.instrument, best, taker):
            left = level.quantity - self.taken.get(level.price, ZERO) if self.taken else level.quantity
            if left > 0:
                yield Level(level.price, left)

    def take(self, price: Decimal, quantity: Decimal) -> None:
        """Remember that a taker took `quantity` at `price`, until the next move."""
        if not self.is_exact:
            self.taken[price] = self.taken.get(price, ZERO) + quantity

    def level(self, algo: AlgoOrder) -> Decimal:
        """Return the price at which a waiting algo order fires now; 0 while a trailing one is not active."""
        return self.trails[algo.algo_id].level if algo.algo_id in self.trails else algo.trigger_price

    def is_reached(self, algo: AlgoOrder, price: Decimal) -> bool:
        """Tell whether `price` fires a waiting algo order; reaching its level is enough."""
        level = self.level(algo)
        if not level:
            return False
        return price <= level if fires_when_falling(algo) else price >= level

    def follow(self, price: Decimal, working_type: WorkingType | None = None) -> None:
        """Let trailing stops (of one working type) see a price: become active by it, or move behind it."""
        for algo_id, trail in self.trails.items():
            algo = self.waiting[algo_id]
            if working_type is not None and algo.working_type is not working_type:
                continue
            if price != trail.best and _is_better(algo, price, trail.best or algo.activate_price):
                trail.best = price
                trail.level = trailing_level(algo, price, self.instrument.tick_size)
                self.is_stale = True

    def is_woken_by(self, low: Decimal, high: Decimal) -> bool:
        """Tell whether a price from `low` to `high` may fill an order or fire a trigger."""
        if self.is_stale:
            self.set_wake_prices()
        return low <= self.wake_low or high >= self.wake_high

    def open_notionals(self) -> tuple[Decimal, Decimal]:
        """Return the quote value of open buys and sells that may add exposure (`b` and `a` of the wire)."""
        bids = asks = ZERO
        for order in self.resting.values():
            if order.reduce_only:
                continue
            value = order.remaining * (order.price or self.mark)
            if order.side is Side.BUY:
                bids += value
            else:
                asks += value
        return bids, asks

    def set_wake_prices(self) -> None:
        """Recompute what depends on open orders and on those waiting."""
        low, high = ZERO, ABOVE_ALL
        for order in self.resting.values():
            if order.type is OrderType.MARKET or order.order_id in self.travelling:
                continue
            if order.side is Side.BUY:
                low = max(low, order.price)
            else:
                high = min(high, order.price)
        for algo in self.waiting.values():
            if algo.working_type is WorkingType.CONTRACT_PRICE or self.is_exact:
                below, above = self._wake_prices_of(algo)
                low, high = max(low, below), min(high, above)
        self.wake_low, self.wake_high = low, high
        self.quiet = None
        self.is_stale = False

    def _wake_prices_of(self, algo: AlgoOrder) -> tuple[Decimal, Decimal]:
        falls = fires_when_falling(algo)
        if algo.algo_id not in self.trails:
            return (algo.trigger_price, ABOVE_ALL) if falls else (ZERO, algo.trigger_price)
        trail = self.trails[algo.algo_id]
        ahead = trail.best or algo.activate_price
        if not ahead:
            return ABOVE_ALL, ZERO
        return (trail.level, ahead) if falls else (ahead, trail.level or ABOVE_ALL)

    def _spread(self) -> Decimal:
        return self.instrument.tick_size * self.liquidity.spread_ticks


def trailing_level(algo: AlgoOrder, best: Decimal, tick: Decimal) -> Decimal:
    """Return where a trailing stop fires after this best price: its callback rate away, on the tick further away."""
    distance = best * algo.callback_rate * PERCENT
    return floor_to(best - distance, tick) if algo.side is Side.SELL else ceil_to(best + distance, tick)


def _is_better(algo: AlgoOrder, price: Decimal, best: Decimal) -> bool:
    if not best:
        return True
    return price >= best if algo.side is Side.SELL else price <= best
