"""Rounding and plain notation of the venue's own money arithmetic (docs/ledger.md, Rounding and Bytes)."""

from decimal import ROUND_CEILING, ROUND_FLOOR, ROUND_HALF_UP, Decimal
from typing import Final

ZERO: Final = Decimal(0)
ONE: Final = Decimal(1)
EIGHT_PLACES: Final = Decimal("0.00000001")


def round8(value: Decimal) -> Decimal:
    """Round half away from zero at the eighth decimal."""
    return value.quantize(EIGHT_PLACES, ROUND_HALF_UP)


def floor_to(value: Decimal, unit: Decimal) -> Decimal:
    """Round down (towards minus infinity) to a multiple of `unit`."""
    return (value / unit).to_integral_value(ROUND_FLOOR) * unit


def ceil_to(value: Decimal, unit: Decimal) -> Decimal:
    """Round up (towards plus infinity) to a multiple of `unit`."""
    return (value / unit).to_integral_value(ROUND_CEILING) * unit


def plain(value: Decimal) -> str:
    """Write a decimal without exponent, plus sign, trailing zeros or a negative zero."""
    text = format(value, "f")
    if "." in text:
        text = text.rstrip("0").rstrip(".")
    return "0" if text in {"-0", ""} else text
