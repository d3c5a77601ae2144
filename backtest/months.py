"""Times people give and months files are kept by; everything is ms UTC."""

import argparse
from collections.abc import Iterator
from datetime import UTC, datetime

DAY_MS = 86_400_000


def moment(text: str) -> int:
    """Read 2025-05-23 or 2025-05-23T10:00:00Z, an option's value, as ms UTC; raises ArgumentTypeError."""
    try:
        found = datetime.fromisoformat(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(
            f"{text!r} is no time: give a date or a time in UTC, such as 2025-05-23 or 2025-05-23T10:00:00Z"
        ) from error
    aware = found if found.tzinfo else found.replace(tzinfo=UTC)
    return int(aware.timestamp()) * 1000


def month_of(at_ms: int) -> str:
    """Return the month a time lies in, as in 2025-05."""
    return datetime.fromtimestamp(at_ms // 1000, UTC).strftime("%Y-%m")


def day_of(at_ms: int) -> str:
    """Return the day a time lies in, as in 2025-05-23."""
    return datetime.fromtimestamp(at_ms // 1000, UTC).strftime("%Y-%m-%d")


def month_bounds(month: str) -> tuple[int, int]:
    """Return the first ms of a month and the first of the next."""
    year, number = int(month[:4]), int(month[5:7])
    after = (year + 1, 1) if number == 12 else (year, number + 1)
    return _start(year, number), _start(*after)


def months_between(from_ms: int, to_ms: int) -> Iterator[str]:
    """Yield the months that hold any time from `from_ms` up to, not including, `to_ms`."""
    while from_ms < to_ms:
        month = month_of(from_ms)
        yield month
        from_ms = month_bounds(month)[1]


def _start(year: int, month: int) -> int:
    return int(datetime(year, month, 1, tzinfo=UTC).timestamp()) * 1000
