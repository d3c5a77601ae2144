"""Amounts of the wire, exact."""

from decimal import Decimal


def exact(text: str) -> Decimal:
    """Read an amount; raises ArithmeticError or ValueError for what is no finite number."""
    amount = Decimal(text)
    if not amount.is_finite():
        raise ValueError(f"{text[:20]} is no amount")
    return amount
