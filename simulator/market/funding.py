"""Funding rates of a market: small ones derived from the seed, or recorded ones where a file has them."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from zlib import crc32

from simulator.market.tape import MINUTE_MS

_HOUR_MS = 3_600_000
_USUAL_HOURS = 8
_DRAWS = 10_001
_UNIT = Decimal("0.00000001")


@dataclass(frozen=True, slots=True)
class FundingRates:
    """Rates by symbol and settlement time. `recorded` maps symbol to {settlement ms, floored to the minute: rate}.

    A settlement that was not recorded gets a rate between 0 and 0.0001, the same for the same seed, symbol and time.
    """

    seed: int
    recorded: Mapping[str, Mapping[int, Decimal]] = field(default_factory=dict)

    def rate(self, symbol: str, funding_time: int) -> Decimal:
        """Return the rate settled at `funding_time`, as a fraction of the position's notional."""
        known = self.recorded.get(symbol, {}).get(funding_time - funding_time % MINUTE_MS)
        if known is not None:
            return known
        draw = crc32(f"{self.seed} {symbol} {funding_time}".encode()) % _DRAWS
        return draw * _UNIT

    def interval_hours(self, symbol: str, start_ms: int) -> int:
        """Return the hours between settlements: the recorded ones' first gap after `start_ms`, 8 where unknown."""
        times = sorted(time for time in self.recorded.get(symbol, {}) if time >= start_ms)
        if len(times) < 2:
            return _USUAL_HOURS
        hours = (times[1] - times[0]) // _HOUR_MS
        return hours if hours in {1, 2, 4, 8} else _USUAL_HOURS
