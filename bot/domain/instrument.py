"""A contract and its filters, exact; the only place where prices and quantities are rounded to what is accepted."""

from decimal import Decimal

from msgspec import Struct

from bot.domain.money import EIGHT_PLACES, ZERO, plain
from bot.domain.order import Side


class FilterRefusal(Struct, frozen=True, gc=False):
    """The filter an order would break, by the exchange's name, and a sentence saying what, why and what to do."""

    filter: str
    message: str


class Instrument(Struct, frozen=True, gc=False):
    """A perpetual contract as exchangeInfo describes it. A zero limit disables that part of a filter.

    `percent_up` and `percent_down` are the PERCENT_PRICE multipliers of the mark price. `market=True` asks for the
    rules of market orders (MARKET_LOT_SIZE) instead of those of limit orders (LOT_SIZE).
    """

    symbol: str
    status: str
    base_asset: str
    quote_asset: str
    margin_asset: str
    tick_size: Decimal
    min_price: Decimal
    max_price: Decimal
    step_size: Decimal
    min_quantity: Decimal
    max_quantity: Decimal
    market_step_size: Decimal
    market_min_quantity: Decimal
    market_max_quantity: Decimal
    min_notional: Decimal
    percent_up: Decimal
    percent_down: Decimal
    max_orders: int

    def step(self, *, market: bool = False) -> Decimal:
        """Return the quantity step; without one, the eighth decimal, because our own ninth is refused."""
        return (self.market_step_size if market else self.step_size) or EIGHT_PLACES

    @property
    def has_one_grid(self) -> bool:
        """Return whether quantities of limit and of market orders lie on the same grid."""
        return self.step_size == self.market_step_size and self.min_quantity == self.market_min_quantity

    @property
    def tick(self) -> Decimal:
        """Return the price tick; without one, the eighth decimal."""
        return self.tick_size or EIGHT_PLACES

    def floor_quantity(self, quantity: Decimal, *, market: bool = False) -> Decimal:
        """Round a quantity down to the step; 0 when it is below the first one."""
        return _floor(quantity, *self._quantity_grid(market=market))

    def floor_quantity_worth(self, notional: Decimal, price: Decimal, *, market: bool = False) -> Decimal:
        """Return the largest quantity on the grid that is worth at most `notional` at `price`.

        Divides once, by price x step, so that no rounded quotient can push it up by a step.
        """
        if notional <= ZERO or price <= ZERO:
            return ZERO
        step, offset = self._quantity_grid(market=market)
        left = notional - offset * price
        return left // (price * step) * step + offset if left >= ZERO else ZERO

    def floor_price(self, price: Decimal) -> Decimal:
        """Round a price down to the tick."""
        return _floor(price, *self._price_grid())

    def ceil_price(self, price: Decimal) -> Decimal:
        """Round a price up to the tick."""
        return _ceil(price, *self._price_grid())

    def price_towards(self, price: Decimal, target: Decimal) -> Decimal:
        """Round a price to the tick on the side where `target` lies."""
        return self.ceil_price(price) if price < target else self.floor_price(price)

    def stop_price(self, entry_side: Side, entry_price: Decimal, percent: Decimal) -> Decimal:
        """Return the stop `percent` away from the entry, rounded to the tick towards it, at least one tick away."""
        tick, offset = self._price_grid()
        away = entry_price * percent / 100
        if entry_side is Side.BUY:
            return min(_ceil(entry_price - away, tick, offset), _ceil(entry_price, tick, offset) - tick)
        return max(_floor(entry_price + away, tick, offset), _floor(entry_price, tick, offset) + tick)

    def refusal(
        self,
        quantity: Decimal,
        price: Decimal,
        *,
        market: bool = False,
        reduce_only: bool = False,
        side: Side | None = None,
        mark: Decimal = ZERO,
        open_orders: int = 0,
    ) -> FilterRefusal | None:
        """Return the first filter the exchange would refuse the order for, or None.

        `price` is the limit, for market orders the best guess of the mark price. PERCENT_PRICE is judged when `side`
        and `mark` are given: a BUY may not be too high, a SELL not too low. Reduce-only orders need no least notional.
        """
        lot = self._quantity_refusal(quantity, market=market)
        if lot:
            return lot
        unfit = None if market else self._price_refusal(price)
        if unfit:
            return unfit
        if not reduce_only and quantity * price < self.min_notional:
            return self._refuse("MIN_NOTIONAL", f"{self._worth(quantity, price)} < {plain(self.min_notional)}")
        if side and mark and not market:
            far = self._percent_refusal(side, price, mark)
            if far:
                return far
        if self.max_orders and open_orders >= self.max_orders:
            return self._refuse(
                "MAX_NUM_ORDERS", f"{open_orders} open orders on {self.symbol}, {self.max_orders} allowed"
            )
        return None

    def _quantity_refusal(self, quantity: Decimal, *, market: bool) -> FilterRefusal | None:
        name = "MARKET_LOT_SIZE" if market else "LOT_SIZE"
        least = self.market_min_quantity if market else self.min_quantity
        most = self.market_max_quantity if market else self.max_quantity
        if quantity <= ZERO or quantity < least:
            return self._refuse(name, f"{plain(quantity)} {self.symbol} < {plain(least)}")
        if most and quantity > most:
            return self._refuse(name, f"{plain(quantity)} {self.symbol} > {plain(most)}")
        step, offset = self._quantity_grid(market=market)
        if (quantity - offset) % step:
            return self._refuse(name, f"{plain(quantity)} {self.symbol} is not a multiple of {plain(step)}")
        return None

    def _price_refusal(self, price: Decimal) -> FilterRefusal | None:
        name = "PRICE_FILTER"
        if price <= ZERO or price < self.min_price:
            return self._refuse(name, f"{self.symbol} @ {plain(price)} < {plain(self.min_price)}")
        if self.max_price and price > self.max_price:
            return self._refuse(name, f"{self.symbol} @ {plain(price)} > {plain(self.max_price)}")
        if price != self.floor_price(price):
            return self._refuse(name, f"{self.symbol} @ {plain(price)} is not a multiple of {plain(self.tick)}")
        return None

    def _percent_refusal(self, side: Side, price: Decimal, mark: Decimal) -> FilterRefusal | None:
        highest = mark * self.percent_up
        lowest = mark * self.percent_down
        if side is Side.BUY and highest and price > highest:
            return self._refuse("PERCENT_PRICE", f"BUY {self.symbol} @ {plain(price)} > {plain(highest)}")
        if side is Side.SELL and price < lowest:
            return self._refuse("PERCENT_PRICE", f"SELL {self.symbol} @ {plain(price)} < {plain(lowest)}")
        return None

    def _refuse(self, name: str, what: str) -> FilterRefusal:
        return FilterRefusal(name, f"{name}: {what}. {_REMEDIES[name].format(symbol=self.symbol)}")

    def _worth(self, quantity: Decimal, price: Decimal) -> str:
        worth = f"{_grouped(quantity * price)} {self.quote_asset}"
        return f"{plain(quantity)} {self.symbol} @ {_grouped(price)} = {worth}"

    def _quantity_grid(self, *, market: bool) -> tuple[Decimal, Decimal]:
        """Return the step, and where the grid begins within the first one."""
        step = self.step(market=market)
        return step, (self.market_min_quantity if market else self.min_quantity) % step

    def _price_grid(self) -> tuple[Decimal, Decimal]:
        """Return the tick, and where the grid begins within the first one."""
        tick = self.tick
        return tick, self.min_price % tick


_REMEDIES = {
    "LOT_SIZE": "Change the notional or drop {symbol}.",
    "MARKET_LOT_SIZE": "Change the notional or drop {symbol}.",
    "PRICE_FILTER": "Refresh the filters of {symbol}; its tick size may have changed.",
    "PERCENT_PRICE": "Wait until the price of {symbol} is near its mark price again.",
    "MIN_NOTIONAL": "Raise the notional or drop {symbol}.",
    "MAX_NUM_ORDERS": "Cancel some.",
}


def _floor(amount: Decimal, step: Decimal, offset: Decimal) -> Decimal:
    if not offset:
        return amount // step * step if amount > ZERO else ZERO
    if amount < offset:
        return ZERO
    return (amount - offset) // step * step + offset


def _ceil(amount: Decimal, step: Decimal, offset: Decimal) -> Decimal:
    floored = _floor(amount, step, offset)
    return floored if floored == amount else floored + step


def _grouped(amount: Decimal) -> str:
    return f"{Decimal(plain(amount)):,f}"
