"""How numbers, times and words look. Everything shown to a person passes here; times are UTC."""

from datetime import UTC, datetime
from decimal import ROUND_HALF_EVEN, Decimal
from html import escape

type Number = Decimal | float | int

ABSENT = "-"


def number(amount: Number | None, places: int = 2) -> str:
    """Write an amount with thousands separators, rounded for display only; None is a dash."""
    if amount is None:
        return ABSENT
    if isinstance(amount, Decimal):
        amount = amount.quantize(Decimal(1).scaleb(-places), rounding=ROUND_HALF_EVEN)
    text = f"{amount:,.{places}f}"
    return text.removeprefix("-") if not text.strip("-0.,") else text


def signed(amount: Number | None, places: int = 2) -> str:
    """Write an amount with its sign always printed, because colour alone must never tell gain from loss."""
    text = number(amount, places)
    return f"+{text}" if amount is not None and amount > 0 and text.strip("0.,") else text


def exact(amount: Decimal) -> str:
    """Write a quantity with all its decimals and none too many."""
    text = f"{amount:,f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def places_of(step: Decimal) -> int:
    """Return the decimals of a tick or step size: 0.10 has one, 5 has none."""
    exponent = step.normalize().as_tuple().exponent
    return max(0, -exponent) if isinstance(exponent, int) else 0


def percent(share: Number | None, places: int = 1) -> str:
    """Write a ratio as a percentage: 0.25 is 25.0 %."""
    return ABSENT if share is None else f"{number(share * 100, places)} %"


def clock(at_ms: int) -> str:
    """Write the time of day, hh:mm:ss."""
    return f"{_utc(at_ms):%H:%M:%S}"


def stamp(at_ms: int) -> str:
    """Write date and time without the year, for table rows; 0 is a dash."""
    return f"{_utc(at_ms):%m-%d %H:%M:%S}" if at_ms else ABSENT


def minute(at_ms: int) -> str:
    """Write the label of a candle: month-day hour:minute, unique within any window shown."""
    return f"{_utc(at_ms):%m-%d %H:%M}"


def day(at_ms: int) -> str:
    """Write a full date and time, for the header."""
    return f"{_utc(at_ms):%Y-%m-%d %H:%M:%S}"


def duration(seconds: float) -> str:
    """Write a duration in its two largest units; negative ones count as zero."""
    whole = max(0, int(seconds))
    if whole < 60:
        return f"{whole} s"
    if whole < 3_600:
        return f"{whole // 60} m {whole % 60:02} s"
    if whole < 86_400:
        return f"{whole // 3_600} h {whole % 3_600 // 60:02} m"
    return f"{whole // 86_400} d {whole % 86_400 // 3_600:02} h"


def age(milliseconds: int | None) -> str:
    """Write how old something is: tenths of a second while it is young."""
    if milliseconds is None:
        return ABSENT
    return f"{milliseconds / 1_000:.1f} s" if milliseconds < 10_000 else duration(milliseconds / 1_000)


def tone(amount: Number | None) -> str:
    """Return the style class of a signed amount: up, down or flat."""
    if not amount:
        return "flat"
    return "up" if amount > 0 else "down"


def side_word(quantity: Decimal) -> str:
    """Return LONG, SHORT or FLAT for a signed quantity."""
    if not quantity:
        return "FLAT"
    return "LONG" if quantity > 0 else "SHORT"


def words(code: str) -> str:
    """Turn a reason code into words: global_trade_spacing is "global trade spacing"."""
    return code.replace("_", " ").strip()


def safe(text: str) -> str:
    """Escape text for HTML: whatever came from outside stays text."""
    return escape(text, quote=True)


def _utc(at_ms: int) -> datetime:
    return datetime.fromtimestamp(at_ms / 1_000, UTC)
