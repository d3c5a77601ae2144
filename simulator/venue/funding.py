"""When funding is settled and at which rate (docs/wire.md B.11); the amount is docs/ledger.md R4."""

from bisect import bisect_right
from collections.abc import Mapping, Sequence
from decimal import Decimal
from itertools import pairwise
from typing import Final, Protocol

import msgspec

from simulator.venue.decimals import ZERO

HOUR_MS: Final = 3_600_000
USUAL_INTERVAL_MS: Final = 8 * HOUR_MS
NEVER_MS: Final = 1 << 62


class Settlement(msgspec.Struct, frozen=True, gc=False):
    """One funding: when, at which rate of the position's value, and at which mark price (0 = the venue's own then)."""

    time_ms: int
    rate: Decimal
    mark: Decimal = ZERO


NO_SETTLEMENT: Final = Settlement(NEVER_MS, ZERO)


class FundingSource(Protocol):
    """Rates of settlements that fall on UTC multiples of an interval; a market tape is one."""

    def funding_rate(self, symbol: str, funding_time: int) -> Decimal:
        """Return the rate, as a fraction per interval, settled at `funding_time`."""

    def funding_interval_hours(self, symbol: str) -> int:
        """Return the hours between two settlements, which fall on UTC multiples of it."""


class FundingSchedule(Protocol):
    """Settlements one after the other, at whatever times."""

    def next_settlement(self, symbol: str, after_ms: int) -> Settlement:
        """Return the first settlement strictly after `after_ms`, `NO_SETTLEMENT` when there is none."""

    def interval_ms(self, symbol: str, after_ms: int) -> int:
        """Return the time between that settlement and the one before it."""


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


class ByTheClock:
    """The schedule of a source whose settlements fall on UTC multiples of its interval."""

    def __init__(self, source: FundingSource) -> None:
        self._source = source

    def next_settlement(self, symbol: str, after_ms: int) -> Settlement:
        """See `FundingSchedule.next_settlement`."""
        time_ms = next_settlement(after_ms, self._source.funding_interval_hours(symbol))
        return Settlement(time_ms, self._source.funding_rate(symbol, time_ms))

    def interval_ms(self, symbol: str, after_ms: int) -> int:  # noqa: ARG002 - the protocol's argument
        """See `FundingSchedule.interval_ms`."""
        return self._source.funding_interval_hours(symbol) * HOUR_MS


class RecordedFunding:
    """Recorded settlements by symbol, at rising times that need not be regular; a symbol without any never settles.

    Raises ValueError, naming the symbol and the time, where times do not rise.
    """

    def __init__(self, settlements: Mapping[str, Sequence[Settlement]]) -> None:
        self._settlements = {symbol: tuple(rows) for symbol, rows in settlements.items()}
        self._times = {symbol: [row.time_ms for row in rows] for symbol, rows in self._settlements.items()}
        for symbol, times in self._times.items():
            for before, after in pairwise(times):
                if after <= before:
                    raise ValueError(f"{symbol}: the funding of {after} follows that of {before}; sort the settlements")

    def next_settlement(self, symbol: str, after_ms: int) -> Settlement:
        """See `FundingSchedule.next_settlement`."""
        times = self._times.get(symbol, ())
        place = bisect_right(times, after_ms)
        return self._settlements[symbol][place] if place < len(times) else NO_SETTLEMENT

    def interval_ms(self, symbol: str, after_ms: int) -> int:
        """See `FundingSchedule.interval_ms`; eight hours where it is not known."""
        times = self._times.get(symbol, ())
        place = bisect_right(times, after_ms)
        return times[place] - times[place - 1] if 0 < place < len(times) else USUAL_INTERVAL_MS


class NoFunding:
    """Never settles."""

    def next_settlement(self, symbol: str, after_ms: int) -> Settlement:  # noqa: ARG002 - the protocol's arguments
        """See `FundingSchedule.next_settlement`."""
        return NO_SETTLEMENT

    def interval_ms(self, symbol: str, after_ms: int) -> int:  # noqa: ARG002 - the protocol's arguments
        """See `FundingSchedule.interval_ms`."""
        return USUAL_INTERVAL_MS


def next_settlement(at_ms: int, interval_hours: int) -> int:
    """Return the first settlement strictly after `at_ms`."""
    interval_ms = interval_hours * HOUR_MS
    return (at_ms // interval_ms + 1) * interval_ms
