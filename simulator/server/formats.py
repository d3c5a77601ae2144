"""Decimals as the wire spells them: fixed digits by symbol in answers and market frames, plain in user events."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import msgspec

from simulator.venue.decimals import plain, round8

_MOST_DIGITS = 8


class SymbolFormat(msgspec.Struct, frozen=True, gc=False):
    """How a symbol's prices and quantities are written."""

    price_digits: int
    quantity_digits: int

    def price(self, value: Decimal) -> str:
        """Write a price of an order, a trade or a candle."""
        return f"{value:.{self.price_digits}f}"

    def quantity(self, value: Decimal) -> str:
        """Write a quantity in base asset."""
        return f"{value:.{self.quantity_digits}f}"

    def quote(self, value: Decimal) -> str:
        """Write an amount in quote asset: price times quantity."""
        return f"{value:.{self.price_digits + self.quantity_digits}f}"

    def average(self, value: Decimal) -> str:
        """Write an average price, which may need more digits than a price."""
        text = plain(round8(value))
        return text if len(text.partition(".")[2]) > self.price_digits else self.price(value)


def symbol_format(entry: Mapping[str, Any]) -> SymbolFormat:
    """Read the digits out of a symbol's exchangeInfo entry."""
    sizes = {row["filterType"]: row for row in entry["filters"]}
    return SymbolFormat(
        max(int(entry["pricePrecision"]), _digits(sizes["PRICE_FILTER"]["tickSize"])),
        max(int(entry["quantityPrecision"]), _digits(sizes["LOT_SIZE"]["stepSize"])),
    )


def amount(value: Decimal) -> str:
    """Write an amount of an asset with its eight digits."""
    return f"{round8(value):.{_MOST_DIGITS}f}"


def short(value: Decimal) -> str:
    """Write a decimal without trailing zeros, at most eight digits behind the point."""
    return plain(round8(value))


def number(value: Decimal) -> msgspec.Raw:
    """Write a decimal as a bare JSON number."""
    return msgspec.Raw(plain(value).encode())


def _digits(size: str) -> int:
    exponent = Decimal(size).normalize().as_tuple().exponent
    return max(0, -exponent) if isinstance(exponent, int) else 0
