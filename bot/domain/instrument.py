"""A contract and its filters, exact; the only place where prices and quantities are rounded to what is accepted."""

from decimal import Decimal

from msgspec import Struct


class Instrument(Struct, frozen=True, gc=False):
    """A perpetual contract as exchangeInfo describes it. A zero limit disables that part of a filter.

    `percent_up` and `percent_down` are the PERCENT_PRICE multipliers of the mark price.
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
