"""One symbol's market: its prices, the book around them, what rests there, and which prices would wake it."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Final

from simulator.venue.decimals import ZERO
from simulator.venue.instrument import Bracket, Instrument
from simulator.venue.liquidity import Liquidity, synthetic_levels
from simulator.venue.model import AlgoOrder, Level, Order, OrderType, Side, WorkingType

ABOVE_ALL: Final = Decimal("1e18")
STOPS: Final = frozenset({OrderType.STOP, OrderType.STOP_MARKET})


def fires_when_falling(algo: AlgoOrder) -> bool:
    """Tell the trigger's direction: sell stops and buy take-profits fire at or below their price (docs/wire.md B.6)."""
    return (algo.type in STOPS) == (algo.side is Side.SELL)


def is_triggered(algo: AlgoOrder, price: Decimal) -> bool:
    """Tell whether `price` fires the algo order; reaching the trigger price is enough."""
    return price <= algo.trigger_price if fires_when_falling(algo) else price >= algo.trigger_price


@dataclass(slots=True)
class Market:
    """Mutable state of one symbol.

    `wake_low` and `wake_high` bound the prices at which nothing can happen: inside them a tick only moves the price.
    They are recomputed when next asked for after a change (`is_stale`).
    `is_exact`: candle mode, where the whole quantity trades at the last price, without spread.
    """

    instrument: Instrument
    brackets: Sequence[Bracket]
    liquidity: Liquidity
    funding_rate: Decimal
    next_funding_ms: int
    last: Decimal = ZERO
    is_last_bid: bool = True
    top: tuple[Decimal, Decimal] | None = None
    explicit_mark: Decimal = ZERO
    explicit_index: Decimal = ZERO
    resting: dict[int, Order] = field(default_factory=dict)
    waiting: dict[int, AlgoOrder] = field(default_factory=dict)
    travelling: set[int] = field(default_factory=set)
    taken: dict[Decimal, Decimal] = field(default_factory=dict)
    wake_low: Decimal = ZERO
    wake_high: Decimal = ABOVE_ALL
    is_stale: bool = False
    is_exact: bool = False
    is_inside_candle: bool = False
    candle_open_ms: int = 0

    @property
    def bid(self) -> Decimal:
        """The best price to sell at; 0 before the first tick."""
        if self.top is not None:
            return self.top[0]
        if self.is_exact or self.is_last_bid:
            return self.last
        return self.last - self._spread()

    @property
    def ask(self) -> Decimal:
        """The best price to buy at; 0 before the first tick."""
        if self.top is not None:
            return self.top[1]
        if self.is_exact or not self.is_last_bid or not self.last:
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

    def keep(self, order: Order) -> None:
        """Store an order's new state among the open ones, or drop it when it is closed."""
        if order.is_open:
            self.resting[order.order_id] = order
        else:
            self.resting.pop(order.order_id, None)
            self.travelling.discard(order.order_id)
        self.is_stale = True

    def keep_algo(self, algo: AlgoOrder) -> None:
        """Store an algo order among the untriggered ones, or drop it."""
        if algo.is_open:
            self.waiting[algo.algo_id] = algo
        else:
            self.waiting.pop(algo.algo_id, None)
        self.is_stale = True

    def is_woken_by(self, low: Decimal, high: Decimal) -> bool:
        """Tell whether a price from `low` to `high` may fill an order or fire a trigger."""
        if self.is_stale:
            self._set_wake_prices()
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

    def _set_wake_prices(self) -> None:
        low, high = ZERO, ABOVE_ALL
        for order in self.resting.values():
            if order.order_id in self.travelling or order.type is OrderType.MARKET:
                continue
            if order.side is Side.BUY:
                low = max(low, order.price)
            else:
                high = min(high, order.price)
        for algo in self.waiting.values():
            if algo.working_type is not WorkingType.CONTRACT_PRICE and not self.is_exact:
                continue
            if fires_when_falling(algo):
                low = max(low, algo.trigger_price)
            else:
                high = min(high, algo.trigger_price)
        self.wake_low, self.wake_high = low, high
        self.is_stale = False

    def _spread(self) -> Decimal:
        return self.instrument.tick_size * self.liquidity.spread_ticks
