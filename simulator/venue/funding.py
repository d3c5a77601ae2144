"""When funding is settled and at which rate (docs/wire.md B.11); the amount is docs/ledger.md R4."""

from decimal import Decimal
from typing import Final, Protocol

HOUR_MS: Final = 3_600_000


class FundingSource(Protocol):
    """Where rates come from; a market tape is one."""

    def funding_rate(self, symbol: str, funding_time: int) -> Decimal:
        """Return the rate, as a fraction per interval, settled at `funding_time`."""

    def funding_interval_hours(self, symbol: str) -> int:
        """Return the hours between two settlements, which fall on UTC multiples of it."""


class ConstantFunding:
    """The same rate for every symbol at each interval."""

    def __init__(self, rate: Decimal = Decimal("0.0001"), interval_hours: int = 8) -> None:
        self._rate = rate
        self._interval_hours = interval_hours

    def funding_rate(self, symbol: str, funding_time: int) -> Decimal:  # noqa: ARG002 - the protocol's arguments
        """Return the constant rate."""
        return self._rate

    def funding_interval_hours(self, symbol: str) -> int:  # noqa: ARG002 - the protocol's argument
        """Return the constant interval."""
        return self._interval_hours


def next_settlement(at_ms: int, interval_hours: int) -> int:
    """Return the first settlement strictly after `at_ms`."""
    interval_ms = interval_hours * HOUR_MS
    return (at_ms // interval_ms + 1) * interval_ms
