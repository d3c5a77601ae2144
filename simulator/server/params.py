"""Request parameters: text in, typed values out, each refusal with the exchange's own code and text."""

import re
from collections.abc import Mapping
from decimal import Decimal
from enum import StrEnum

from simulator.server.formats import SymbolFormat
from simulator.server.signing import missing
from simulator.venue.errors import VenueError, refusal

type Params = Mapping[str, str]
_DECIMAL = re.compile(r"[0-9]{1,20}(\.[0-9]{1,20})?")
_WHOLE = re.compile(r"[0-9]{1,20}")
_DECIMAL_RULE = r"^([0-9]{1,20})(\.[0-9]{1,20})?$"
_WHOLE_RULE = r"^[0-9]{1,20}$"


def text(params: Params, name: str) -> str:
    """Return a mandatory text, -1102 without it."""
    found = params.get(name, "")
    if not found:
        raise missing(name)
    return found


def decimal(params: Params, name: str, default: Decimal | None = None) -> Decimal:
    """Return a decimal, -1102 without it (unless `default`), -1100 when it is not written plainly."""
    found = params.get(name, "")
    if not found:
        if default is None:
            raise missing(name)
        return default
    if not _DECIMAL.fullmatch(found):
        raise VenueError(-1100, f"Illegal characters found in parameter '{name}'; legal range is '{_DECIMAL_RULE}'.")
    return Decimal(found)


def whole(params: Params, name: str, default: int | None = None) -> int:
    """Return a whole number, -1102 without it (unless `default`), -1100 for anything else."""
    found = params.get(name, "")
    if not found:
        if default is None:
            raise missing(name)
        return default
    if not _WHOLE.fullmatch(found):
        raise VenueError(-1100, f"Illegal characters found in parameter '{name}'; legal range is '{_WHOLE_RULE}'.")
    return int(found)


def maybe_whole(params: Params, name: str) -> int | None:
    """Return a whole number, None where it was not sent."""
    return whole(params, name) if params.get(name) else None


def truth(params: Params, name: str, *, default: bool | None = None) -> bool:
    """Return true or false, -1102 for anything else."""
    found = params.get(name, "").lower()
    if not found and default is not None:
        return default
    if found not in {"true", "false"}:
        raise missing(name)
    return found == "true"


def choice[E: StrEnum](params: Params, name: str, kind: type[E], code: int, default: E | None = None) -> E:
    """Return an enum value, -1102 without it (unless `default`), refusal `code` for an unknown one."""
    found = params.get(name, "")
    if not found:
        if default is None:
            raise missing(name)
        return default
    try:
        return kind(found)
    except ValueError:
        raise refusal(code, name) from None


def limit(params: Params, default: int, most: int) -> int:
    """Return `limit`, cut at `most`; -1130 for 0."""
    found = whole(params, "limit", default)
    if found < 1:
        raise refusal(-1130, "limit")
    return min(found, most)


def window(params: Params) -> tuple[int | None, int | None]:
    """Return startTime and endTime, -1023 when they are the wrong way round."""
    start, end = maybe_whole(params, "startTime"), maybe_whole(params, "endTime")
    if start is not None and end is not None and start > end:
        raise VenueError(-1023, "Start time is greater than end time.")
    return start, end


def check_precision(value: Decimal, digits: int) -> None:
    """Raise -1111 for more decimals than the symbol's precision."""
    exponent = value.normalize().as_tuple().exponent
    if isinstance(exponent, int) and -exponent > digits:
        raise refusal(-1111)


def priced(params: Params, name: str, form: SymbolFormat, default: Decimal | None = None) -> Decimal:
    """Return a price of the symbol's precision."""
    value = decimal(params, name, default)
    check_precision(value, form.price_digits)
    return value


def sized(params: Params, name: str, form: SymbolFormat, default: Decimal | None = None) -> Decimal:
    """Return a quantity of the symbol's precision."""
    value = decimal(params, name, default)
    check_precision(value, form.quantity_digits)
    return value
