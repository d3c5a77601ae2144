"""A seeded market without end: calm, trending, reverting and volatile stretches for any number of symbols."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from enum import Enum
from random import Random
from typing import Any, Final

from simulator.market.funding import FundingRates
from simulator.market.instruments import Grid, grids, start_price
from simulator.market.path import TICKS_PER_MINUTE, Bar, candle_of_bar, minute_of_bars
from simulator.market.tape import DAY_MS, HISTORY_MINUTES, MINUTE_MS, Candle, Minute

_USUAL_NOTIONAL_PER_MINUTE: Final = 2_000_000
_WICK: Final = 0.00012
_HOMESICKNESS: Final = 0.00002
_FARTHEST: Final = math.log(3)


class Regime(Enum):
    """How prices behave for a while; each stretch of another kind is followed by a reverting one.

    The values: weight in the draw, shortest and longest stretch in minutes, noise per minute as a fraction.
    """

    REVERTING = (0, 40, 75, 0.00025)
    CALM = (2, 8, 20, 0.0002)
    TRENDING = (2, 8, 18, 0.0003)
    VOLATILE = (1, 5, 12, 0.0006)

    def __init__(self, weight: int, shortest: int, longest: int, noise: float) -> None:
        self.weight = weight
        self.shortest = shortest
        self.longest = longest
        self.noise = noise


class GeneratedTape:
    """A market made from a seed: the same seed and symbol give the same prices, whatever other symbols there are.

    `start_ms` is a whole minute. A symbol starts at its usual price, see `start_price`.
    Raises `DataError` for a symbol the exchangeInfo answer lacks.
    """

    def __init__(
        self,
        exchange_info: dict[str, Any],
        *,
        symbols: Sequence[str],
        seed: int,
        start_ms: int,
        ticks_per_minute: int = TICKS_PER_MINUTE,
        history_minutes: int = HISTORY_MINUTES,
    ) -> None:
        self._grids = grids(exchange_info, symbols)
        self.symbols = tuple(self._grids)
        self.start_ms = start_ms
        self.end_ms: int | None = None
        self.shift_ms = 0
        self._seed = seed
        self._count = ticks_per_minute
        self._funding = FundingRates(seed)
        first = start_ms - history_minutes * MINUTE_MS
        self._walks = {
            symbol: Walk.starting_at(start_price(exchange_info, symbol), grid, seed=seed, open_time=first)
            for symbol, grid in self._grids.items()
        }
        self._past = {symbol: [walk.bar() for _ in range(history_minutes)] for symbol, walk in self._walks.items()}

    def history(self, symbol: str) -> Sequence[Candle]:
        """See `Tape.history`."""
        return [candle_of_bar(bar, self._grids[symbol]) for bar in self._past[symbol]]

    def minute(self, open_time: int) -> Minute:
        """See `Tape.minute`; minutes left out are generated all the same."""
        bars = {symbol: walk.bar_at(open_time) for symbol, walk in self._walks.items()}
        return minute_of_bars(open_time, bars, self._grids, count=self._count, seed=self._seed)

    def funding_rate(self, symbol: str, funding_time: int) -> Decimal:
        """See `Tape.funding_rate`."""
        return self._funding.rate(symbol, funding_time)

    def funding_interval_hours(self, symbol: str) -> int:
        """See `Tape.funding_interval_hours`."""
        return self._funding.interval_hours(symbol, self.start_ms)


@dataclass(slots=True)
class _Session:
    """Volume-weighted mean and spread since 00:00 UTC, of which the reverting stretches keep their distance."""

    volume: float = 0
    price_sum: float = 0
    square_sum: float = 0

    def add(self, bar: Bar) -> None:
        typical = (bar.high + bar.low + bar.close) / 3
        self.volume += bar.volume
        self.price_sum += typical * bar.volume
        self.square_sum += typical * typical * bar.volume

    def mean(self, otherwise: float) -> float:
        return self.price_sum / self.volume if self.volume else otherwise

    def spread(self) -> float:
        if not self.volume:
            return 0
        mean = self.price_sum / self.volume
        return math.sqrt(max(0, self.square_sum / self.volume - mean * mean))


@dataclass(slots=True)
class Walk:
    """One symbol's prices from minute to minute; in ticks, as floats until they become a bar."""

    rng: Random
    open_time: int
    home: float
    price: float
    usual_volume: float
    session: _Session = field(default_factory=_Session)
    regime: Regime = Regime.REVERTING
    minutes_left: int = 0
    drift: float = 0
    side: int = 1
    rest: int = 0
    targets: list[float] = field(default_factory=list)

    @classmethod
    def starting_at(cls, price: Decimal, grid: Grid, *, seed: int, open_time: int) -> "Walk":
        """Begin at a price, with the minute that starts at `open_time`."""
        ticks = float(price / grid.tick_size)
        return cls(
            rng=Random(f"{seed} {grid.symbol}"),  # noqa: S311 - prices of a simulation, not secrets
            open_time=open_time,
            home=ticks,
            price=ticks,
            usual_volume=float(_USUAL_NOTIONAL_PER_MINUTE / price / grid.step_size),
        )

    def bar_at(self, open_time: int) -> Bar:
        """Walk on to the minute that starts at `open_time`, which has not been walked yet."""
        bar = self.bar()
        while bar.open_time < open_time:
            bar = self.bar()
        return bar

    def bar(self) -> Bar:
        """Walk one minute on."""
        if self.open_time % DAY_MS == 0:
            self.session = _Session()
            self._begin(Regime.REVERTING)
        if self.minutes_left == 0:
            self._begin(self._drawn_regime())
        bar = self._bar_to(self._next_price())
        self.session.add(bar)
        self.open_time += MINUTE_MS
        self.minutes_left -= 1
        return bar

    def _drawn_regime(self) -> Regime:
        if self.regime is not Regime.REVERTING:
            return Regime.REVERTING
        return self.rng.choices(list(Regime), [regime.weight for regime in Regime])[0]

    def _begin(self, regime: Regime) -> None:
        self.regime = regime
        self.minutes_left = self.rng.randint(regime.shortest, regime.longest)
        self.targets = []
        self.rest = self.rng.randint(2, 7)
        self.drift = self.rng.choice((-1, 1)) * self.rng.uniform(0.00012, 0.0003)

    def _next_price(self) -> float:
        move = self._pull() + self.rng.gauss(0, self.regime.noise)
        move -= _HOMESICKNESS * math.log(self.price / self.home)
        nearest, farthest = self.home * math.exp(-_FARTHEST), self.home * math.exp(_FARTHEST)
        return min(farthest, max(nearest, self.price * math.exp(move)))

    def _pull(self) -> float:
        if self.regime is Regime.TRENDING:
            return self.drift
        if self.regime is Regime.REVERTING:
            return self._reversion()
        distance = math.log(self.session.mean(self.price) / self.price)
        return 0.02 * max(-0.01, min(0.01, distance))

    def _reversion(self) -> float:
        """Rest near the session's mean, and every few minutes leave it for beyond two spreads and come back."""
        mean = self.session.mean(self.price)
        if self.rest == 0:
            self.targets = self._excursion(mean)
            self.rest = len(self.targets) + self.rng.randint(2, 7)
        self.rest -= 1
        if self.targets:
            return math.log(self.targets.pop(0) / self.price)
        distance = math.log(mean / self.price)
        return max(-0.0008, min(0.0008, 0.4 * distance))

    def _excursion(self, mean: float) -> list[float]:
        spread = self.session.spread() / mean
        self.side = -self.side if self.rng.random() < 0.75 else self.side
        size = self.side * min(0.0045, max(0.0015, spread * self.rng.uniform(2.6, 3.4)))
        shares = (0.6, 1.0, 0.9, 0.45, 0.1) if self.rng.random() < 0.6 else (0.45, 0.85, 1.05, 0.75, 0.35, 0)
        return [mean * math.exp(size * share) for share in shares]

    def _bar_to(self, price: float) -> Bar:
        start, end = round(self.price), round(price)
        high = max(start, end) + 1 + round(abs(self.rng.gauss(0, _WICK)) * self.price)
        low = min(start, end) - 1 - round(abs(self.rng.gauss(0, _WICK)) * self.price)
        volume = max(1, round(self.usual_volume * self.rng.lognormvariate(0, 0.5)))
        self.price = price
        return Bar(self.open_time, start, high, max(1, low), end, volume)
