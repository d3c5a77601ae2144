"""Amounts and ids of the wire, exact."""

from decimal import Decimal

import msgspec

from bot.domain.money import ZERO

UNREADABLE = (msgspec.MsgspecError, ArithmeticError, ValueError)
"""What decoding raises for a frame or an answer that is not what it should be."""


def exact(text: str) -> Decimal:
    """Read an amount; raises ArithmeticError or ValueError for what is no finite number."""
    amount = Decimal(text)
    if not amount.is_finite():
        raise ValueError(f"{text[:20]} is no amount")
    return amount


def amount_or_zero(text: str | None) -> Decimal:
    """Read an amount that may be empty or left out; raises as `exact` does."""
    return exact(text) if text else ZERO


def id_or_zero(value: int | str | None) -> int:
    """Read an id that may be empty or left out, and may be text; raises ValueError for what is no whole number."""
    return int(value) if value else 0
