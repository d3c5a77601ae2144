"""The exact filters of a symbol (docs/wire.md B.6, Filters), each refusing with the exchange's own code."""

import re
from decimal import Decimal
from typing import Final

from simulator.venue.decimals import ZERO, ceil_to, floor_to, plain
from simulator.venue.errors import refusal
from simulator.venue.instrument import Instrument
from simulator.venue.model import Side

CLIENT_ID: Final = re.compile(r"[.A-Za-z0-9:/_-]{0,36}")
REDUCE_ONLY_STATUSES: Final = frozenset({"PRE_DELIVERING", "PRE_SETTLE", "SETTLING"})


def check_status(instrument: Instrument, *, reduce_only: bool) -> None:
    """Refuse orders on a symbol that does not trade: -4141 when closed, -4140 for opening otherwise."""
    if instrument.status == "TRADING":
        return
    if instrument.status == "CLOSE":
        raise refusal(-4141)
    if not (reduce_only and instrument.status in REDUCE_ONLY_STATUSES):
        raise refusal(-4140)


def check_client_id(client_id: str) -> None:
    """Refuse a client id that is too long or has other characters (-4015); "" means none was given."""
    if not CLIENT_ID.fullmatch(client_id):
        raise refusal(-4015)


def check_price(instrument: Instrument, price: Decimal) -> None:
    """PRICE_FILTER: -4013, -4002, -4014, and -1111 with more decimals than the symbol's precision."""
    if price <= ZERO or price < instrument.min_price:
        raise refusal(-4013)
    if instrument.max_price and price > instrument.max_price:
        raise refusal(-4002)
    if instrument.tick_size and (price - instrument.min_price) % instrument.tick_size:
        raise refusal(-1111 if _decimals(price) > instrument.price_precision else -4014)


def check_quantity(instrument: Instrument, quantity: Decimal, *, market: bool) -> None:
    """LOT_SIZE or MARKET_LOT_SIZE: -4003, -4004, -4005, -4023, and -1111 beyond the symbol's precision."""
    smallest = instrument.market_min_quantity if market else instrument.min_quantity
    largest = instrument.market_max_quantity if market else instrument.max_quantity
    step = instrument.market_step_size if market else instrument.step_size
    if quantity <= ZERO:
        raise refusal(-4003)
    if step and (quantity - smallest) % step:
        raise refusal(-1111 if _decimals(quantity) > instrument.quantity_precision else -4023)
    if quantity < smallest:
        raise refusal(-4004)
    if largest and quantity > largest:
        raise refusal(-4005)


def check_percent_price(instrument: Instrument, side: Side, price: Decimal, mark: Decimal) -> None:
    """PERCENT_PRICE of a limit price, one-sided: a buy may not be too high (-4016), a sell not too low (-4024)."""
    if not mark:
        return
    if side is Side.BUY and instrument.multiplier_up:
        highest = floor_to(mark * instrument.multiplier_up, instrument.tick_size)
        if price > highest:
            raise refusal(-4016, plain(highest))
    if side is Side.SELL and instrument.multiplier_down:
        lowest = ceil_to(mark * instrument.multiplier_down, instrument.tick_size)
        if price < lowest:
            raise refusal(-4024, plain(lowest))


def check_counterparty_price(instrument: Instrument, side: Side, best: Decimal, mark: Decimal) -> None:
    """PERCENT_PRICE of a market order: the best price of the other side must satisfy it (-4131)."""
    if side is Side.BUY and instrument.multiplier_up and best > mark * instrument.multiplier_up:
        raise refusal(-4131)
    if side is Side.SELL and instrument.multiplier_down and best < mark * instrument.multiplier_down:
        raise refusal(-4131)


def check_notional(instrument: Instrument, price: Decimal, quantity: Decimal) -> None:
    """MIN_NOTIONAL (-4164); the caller leaves reduce-only orders out and gives the mark price for market orders."""
    if price * quantity < instrument.min_notional:
        raise refusal(-4164, plain(instrument.min_notional))


def _decimals(value: Decimal) -> int:
    text = plain(value)
    return len(text.partition(".")[2])
