"""Exact money: Decimals from strings, rounded only by methods that say which way."""

from decimal import ROUND_HALF_UP, Context, Decimal, DefaultContext, FloatOperation, getcontext

ZERO = Decimal(0)
ONE = Decimal(1)
EIGHT_PLACES = Decimal("0.00000001")
_WIDE = Context(prec=60)


def forbid_floats() -> None:
    """Make `Decimal(0.1)` and `Decimal < float` raise, in this thread and in every thread started later."""
    DefaultContext.traps[FloatOperation] = True
    getcontext().traps[FloatOperation] = True


def round_half_away(amount: Decimal) -> Decimal:
    """Round to 8 decimals, half away from zero (ledger rules R1, R3, R4)."""
    return amount.quantize(EIGHT_PLACES, rounding=ROUND_HALF_UP, context=_WIDE)


def plain(amount: Decimal) -> str:
    """Write an amount canonically: no exponent, no plus, no trailing zeros, zero is "0"."""
    if not amount:
        return "0"
    text = format(amount, "f")
    return text.rstrip("0").rstrip(".") if "." in text else text
