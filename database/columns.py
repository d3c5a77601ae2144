"""Column types that keep money exact and times plain: 64-bit integers of 1e-8 and integer ms UTC."""

from datetime import UTC, datetime
from decimal import Context, Decimal, DecimalException
from typing import override

from sqlalchemy import BigInteger, Dialect
from sqlalchemy.types import TypeDecorator

from bot.domain.errors import ActError
from bot.domain.money import EIGHT_PLACES

PLACES = 8
SCALE = 10**PLACES
LARGEST = 2**63 - 1
_WIDE = Context(prec=60)
_ALL_DIGITS = Context(prec=200)


class InexactAmountError(ActError):
    """An amount has a ninth decimal or exceeds 64 bits of 1e-8 (about 92 billion): it would not be stored exactly."""


def to_units(amount: Decimal) -> int:
    """Return the amount as an integer of 1e-8; raises InexactAmountError when that is not exact."""
    try:
        scaled = _WIDE.scaleb(amount, PLACES)
        units = int(scaled)
    except (DecimalException, ValueError, OverflowError) as error:
        raise InexactAmountError(f"{amount} is no amount that can be stored") from error
    if units != scaled or not -LARGEST <= units <= LARGEST:
        raise InexactAmountError(f"{amount} cannot be stored as 64 bits of 1e-8; round it before it is recorded")
    return units


def to_units_towards_zero(amount: Decimal) -> int:
    """Return the nearest smaller amount that can be stored: the exact one must be kept elsewhere as text."""
    if not amount.is_finite():
        raise InexactAmountError(f"{amount} is no amount that can be stored")
    return max(-LARGEST, min(LARGEST, int(_ALL_DIGITS.scaleb(amount, PLACES))))


def to_amount(units: int) -> Decimal:
    """Return the amount of so many 1e-8, without trailing zeros or a positive exponent."""
    whole, rest = divmod(units, SCALE)
    if not rest:
        return Decimal(whole)
    return _WIDE.multiply(Decimal(units), EIGHT_PLACES).normalize(_WIDE)


def to_datetime(at_ms: int) -> datetime:
    """Return an aware UTC datetime for people to read."""
    return datetime.fromtimestamp(at_ms // 1000, UTC).replace(microsecond=at_ms % 1000 * 1000)


def to_ms(moment: datetime) -> int:
    """Return ms UTC of an aware datetime; a naive one is refused, because its zone would be a guess."""
    if moment.tzinfo is None:
        raise ValueError(f"{moment} has no time zone")
    since = moment - datetime(1970, 1, 1, tzinfo=UTC)
    return since.days * 86_400_000 + since.seconds * 1000 + since.microseconds // 1000


class Money(TypeDecorator[Decimal]):
    """An exact amount: Decimal in Python, a 64-bit integer of 1e-8 in the table, so order and SUM are exact."""

    impl = BigInteger
    cache_ok = True

    @override
    def process_bind_param(self, value: Decimal | None, dialect: Dialect) -> int | None:
        return None if value is None else to_units(value)

    @override
    def process_result_value(self, value: int | None, dialect: Dialect) -> Decimal | None:
        return None if value is None else to_amount(int(value))
