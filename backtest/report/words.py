"""How numbers and times look in a report. Amounts are rounded for display only; times are UTC."""

from datetime import UTC, datetime
from decimal import ROUND_HALF_EVEN, Decimal

type Number = Decimal | float

ABSENT = "-"


def number(amount: Number | None, places: int = 2) -> str:
    """Write an amount with thousands separators; None is a dash, and nothing is ever minus zero."""
    if amount is None:
        return ABSENT
    if isinstance(amount, Decimal):
        amount = amount.quantize(Decimal(1).scaleb(-places), rounding=ROUND_HALF_EVEN)
    text = f"{amount:,.{places}f}"
    return text.removeprefix("-") if not text.strip("-0.,") else text


def signed(amount: Number | None, places: int = 2) -> str:
    """Write an amount with its sign always printed: colour alone must never tell gain from loss."""
    text = number(amount, places)
    return f"+{text}" if amount is not None and amount > 0 and text.strip("0.,") else text


def percent(share: Number | None, places: int = 1) -> str:
    """Write a ratio as a percentage: 0.25 is 25.0 %."""
    return ABSENT if share is None else f"{number(share * 100, places)} %"


def signed_percent(share: Number | None, places: int = 2) -> str:
    """Write a ratio as a percentage with its sign."""
    return ABSENT if share is None else f"{signed(share * 100, places)} %"


def duration(milliseconds: int) -> str:
    """Write a duration in its two largest units."""
    minutes = milliseconds // 60_000
    if minutes < 60:
        return f"{minutes} min"
    if minutes < 1_440:
        return f"{minutes // 60} h {minutes % 60:02} min"
    return f"{minutes // 1_440} d {minutes % 1_440 // 60:02} h"


def minute(at_ms: int) -> str:
    """Write date and time to the minute."""
    return f"{datetime.fromtimestamp(at_ms / 1_000, UTC):%Y-%m-%d %H:%M}"


def date(at_ms: int) -> str:
    """Write the date."""
    return f"{datetime.fromtimestamp(at_ms / 1_000, UTC):%Y-%m-%d}"


def tone(amount: Number | None) -> str:
    """Return the style of a signed amount: up, down or flat."""
    if not amount:
        return "flat"
    return "up" if amount > 0 else "down"
