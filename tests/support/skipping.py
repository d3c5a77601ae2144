"""Random backtests that go where skipping candles can go wrong. One seed is one case, the same each time.

What is drawn: symbols with holes, gaps, empty and flat stretches on one account; bits of a strategy that never was;
orders, costs, funding, mark prices and limits tight enough to bind. Prices move by whole ticks on a coarse grid and
amounts are often round, so that stops, limits and loss limits are touched exactly.
"""

import random
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction

import numpy as np

from backtest.contracts import Contracts
from backtest.history import FundingSeries, History, MarkSeries, Series, resampled
from backtest.run import Recording, Terms
from bot.trading.limits import (
    DEFAULT_TIERS,
    AccountRules,
    CorePlan,
    Costs,
    ExecutionRules,
    LiquidityTier,
    PacingLimits,
    RiskLimits,
    SymbolPlan,
)
from support.backtest_data import MONDAY, an_instrument
from support.reference_backtest import DAY, MINUTE, Filters

SYMBOLS = ("AAAUSDT", "BBBUSDT", "CCCUSDT", "DDDUSDT", "EEEUSDT")
STRATEGY = "vwap_reversion"
HOUR = 60 * MINUTE
ENDLESS = Decimal("Infinity")


@dataclass(frozen=True)
class Case:
    """What to run; `flags` is empty where the strategy's own bits are used."""

    seed: int
    recording: Recording
    terms: Terms
    flags: Mapping[str, np.ndarray]


@dataclass(frozen=True)
class _Grid:
    """A price in ticks, by how many ticks prices move at least, and the contract's units."""

    base: int
    coarse: int
    filters: Filters

    def quantity(self, notional: int) -> Fraction:
        """Return the size of a position at the base price."""
        step = self.filters.step
        return notional / (self.base * self.filters.tick) // step * step


@dataclass(frozen=True)
class _Draw:
    """Where chance comes from, and what all symbols of a case share.

    `holds`: positions are left alone and kept long, several at once, so that equity is all that matters.
    """

    chance: random.Random
    noise: np.random.Generator
    interval_ms: int
    start: int
    count: int
    notional: int
    shared: np.ndarray
    holds: bool


def a_case(seed: int) -> Case:
    """Draw a case."""
    chance = random.Random(seed)
    holds = chance.random() < 0.4
    symbols = SYMBOLS[: chance.choice((1, 2, 2, 3, 3, 4, 5) if holds else (1, 1, 2, 2, 3, 4, 5))]
    draw = _draw(seed, chance, len(symbols), holds=holds)
    grids = {symbol: _grid(draw) for symbol in symbols}
    together = _holes(draw) if chance.random() < 0.3 else np.ones(draw.count, bool)
    finest = {symbol: _series(draw, symbol, grids[symbol], together) for symbol in symbols}
    history, detail = _with_detail(draw, finest)
    contracts = Contracts({"symbols": [an_instrument(each, grids[each].filters) for each in symbols]}, "made up")
    recording = Recording(
        contracts=contracts,
        instruments=contracts.instruments(),
        history=history,
        funding=_funding(draw, history) if chance.random() < 0.5 else {},
        marks=_marks(draw, history) if chance.random() < 0.4 else {},
        detail=detail,
    )
    own_bits = chance.random() < 0.07
    flags = {} if own_bits else {each: _bits(draw, history.series[each]) for each in symbols}
    last_ms = max(int(each.open_time[-1]) for each in history.series.values())
    return Case(seed, recording, _terms(draw, grids, last_ms), flags)


def _draw(seed: int, chance: random.Random, symbols: int, *, holds: bool) -> _Draw:
    interval_ms = chance.choice((1, 1, 1, 1, 1, 1, 5, 60, 240)) * MINUTE
    noise = np.random.default_rng(seed)
    count = chance.choice((200, 800, 2500, 5000)) + chance.randrange(90)
    if symbols == 1 and chance.random() < 0.1:
        count *= 5
    count = max(60, 2 * count // (symbols + 1))
    before = chance.choice((0, 1, 2, 10, count // 2, count - 3)) * interval_ms
    edge = MONDAY + chance.choice((0, 0, 8, 16)) * HOUR
    return _Draw(
        chance=chance,
        noise=noise,
        interval_ms=interval_ms,
        start=(edge - before) // interval_ms * interval_ms,
        count=count,
        notional=chance.choice((50, 100, 300, 1000)),
        shared=np.cumsum(noise.normal(0, 1, count)),
        holds=holds,
    )


# candles


def _grid(draw: _Draw) -> _Grid:
    """Return a grid on which a position is a few or many steps."""
    base = draw.chance.choice((60, 200, 1000, 30_000))
    tick = draw.chance.choice((Fraction("0.01"), Fraction("0.1"), Fraction("0.0005"), Fraction(1)))
    step = Fraction(1000)
    while step * draw.chance.choice((3, 40, 500)) * base * tick > draw.notional:
        step /= 10
    filters = Filters(tick, step, min_quantity=step, max_quantity=Fraction(10**9), min_notional=Fraction(1))
    return _Grid(base, draw.chance.choice((1, 1, max(1, base // 200), max(1, base // 50))), filters)


def _series(draw: _Draw, symbol: str, grid: _Grid, together: np.ndarray) -> Series:
    chance, noise, count = draw.chance, draw.noise, draw.count
    base, coarse = grid.base, grid.coarse
    swing = base * chance.choice((0.0005, 0.002, 0.006, 0.015))
    path = np.cumsum(noise.normal(0, swing, count)) + swing * chance.choice((0, 0, 0.5, 1)) * draw.shared
    path += np.arange(count) * swing * chance.choice((0, 0, 0.1, -0.1))
    if chance.random() < 0.3:
        path = swing * 4 * np.sin(np.arange(count) / chance.choice((2, 9, 50)))
    still = _stretches(draw, chance.choice((0, 0, 1, 3)))
    path[still] = np.maximum.accumulate(np.where(still, 0, np.arange(count)))[still]
    path[still] = path[path[still].astype(int)]
    close = np.maximum(np.rint((base + path) / coarse) * coarse, coarse)
    opened = np.append(close[:1], close[:-1])
    gap = (noise.random(count) < chance.choice((0, 0.02, 0.1, 0.5))) & ~still
    jump = np.rint(noise.normal(0, base * chance.choice((0.005, 0.03)), count) / coarse) * coarse
    opened = np.maximum(opened + gap * jump, coarse)
    wick = np.where(still, 0, coarse) * noise.integers(0, 3, (2, count)) * (noise.random((2, count)) < 0.6)
    quantity = int(grid.quantity(draw.notional) / grid.filters.step) + 1
    volume = noise.integers(0, chance.choice((2, 3 * quantity, 30 * quantity, 1000 * quantity)), count).astype(float)
    volume[still | (noise.random(count) < chance.choice((0, 0.05, 0.5)))] = 0
    keep = together & _holes(draw) & _lifetime(draw)
    keep[keep.argmax() if keep.any() else 0] = True
    return Series(
        symbol=symbol,
        tick=_exact(grid.filters.tick),
        step=_exact(grid.filters.step),
        open_time=_times(draw)[keep],
        open=opened[keep],
        high=(np.maximum(opened, close) + wick[0])[keep],
        low=np.maximum(np.minimum(opened, close) - wick[1], 1)[keep],
        close=close[keep],
        volume=volume[keep],
    )


def _times(draw: _Draw) -> np.ndarray:
    return draw.start + np.arange(draw.count, dtype=np.int64) * draw.interval_ms


def _stretches(draw: _Draw, most: int) -> np.ndarray:
    """Return where a few stretches lie."""
    inside = np.zeros(draw.count, bool)
    for _ in range(most):
        first = draw.chance.randrange(draw.count)
        inside[first : first + draw.chance.choice((1, 2, 20, 60, 120))] = True
    return inside


def _holes(draw: _Draw) -> np.ndarray:
    """Return which candles are there."""
    chance, times = draw.chance, _times(draw)
    keep = np.ones(draw.count, bool)
    kind = chance.choice(("none", "single", "sparse", "stretches", "midnight", "funding", "all"))
    if kind in {"single", "all"}:
        keep &= draw.noise.random(draw.count) > chance.choice((0.005, 0.03))
    if kind == "sparse":
        keep &= draw.noise.random(draw.count) > chance.choice((0.1, 0.4, 0.8))
    if kind in {"stretches", "all"}:
        keep &= ~_stretches(draw, chance.choice((1, 3)))
    for edge, kinds in ((DAY, {"midnight", "all"}), (8 * HOUR, {"funding", "all"})):
        if kind in kinds:
            before, after = (chance.choice((0, 1, 2, 30)) * draw.interval_ms for _ in range(2))
            keep &= ((times + before) % edge) >= before + after
    return keep


def _lifetime(draw: _Draw) -> np.ndarray:
    """Return which candles lie between a symbol's first and last one."""
    first, last = (draw.chance.choice((0, 0, 0, 1, draw.count // 3)) for _ in range(2))
    row = np.arange(draw.count)
    return (row >= first) & (row < draw.count - last)


def _with_detail(draw: _Draw, finest: dict[str, Series]) -> tuple[History, History | None]:
    """Return the candles, sometimes made coarser of these, which then may tell what happened within."""
    history = History(draw.interval_ms, finest, ())
    wanted_ms = draw.interval_ms * draw.chance.choice((5, 15))
    if DAY % wanted_ms or draw.chance.random() > 0.15:
        return history, None
    bars = [np.unique(each.open_time // wanted_ms, return_counts=True)[1].max() for each in finest.values()]
    if min(bars) < wanted_ms // draw.interval_ms:
        return history, None
    coarser = {symbol: resampled(each, draw.interval_ms, wanted_ms, []) for symbol, each in finest.items()}
    detail = {symbol: _thinned(draw, each) for symbol, each in finest.items()}
    return History(wanted_ms, coarser, ()), History(draw.interval_ms, detail, ())


def _thinned(draw: _Draw, series: Series) -> Series:
    keep = draw.noise.random(series.open_time.size) > draw.chance.choice((0, 0.2))
    columns = {name: getattr(series, name)[keep] for name in ("open_time", "open", "high", "low", "close", "volume")}
    return Series(symbol=series.symbol, tick=series.tick, step=series.step, **columns)


# what else is known of the market


def _funding(draw: _Draw, history: History) -> dict[str, FundingSeries]:
    """Return settlements at irregular times, of all symbols or some."""
    found = {}
    for symbol, series in history.series.items():
        if draw.chance.random() < 0.8:
            first, last = int(series.open_time[0]) // MINUTE, int(series.open_time[-1] + history.interval_ms) // MINUTE
            times = draw.noise.integers(first - 2, last + 2, draw.chance.choice((0, 3, 20)))
            hours = np.arange(first - first % 480, last, 480)
            at_ms = np.unique(np.append(times, hours)) * MINUTE
            rates = tuple(Decimal(draw.chance.choice((-300, -1, 1, 10, 200))) / 100_000 for _ in at_ms)
            found[symbol] = FundingSeries(symbol, at_ms, rates)
    return found


def _marks(draw: _Draw, history: History) -> dict[str, MarkSeries]:
    """Return mark prices near the candles, as long as these or once in eight hours, and not always there."""
    found = {}
    for symbol, series in history.series.items():
        tick = float(series.tick)
        keep = draw.noise.random(series.open_time.size) > draw.chance.choice((0, 0, 0.3))
        if draw.chance.random() < 0.3:
            keep &= series.open_time % (8 * HOUR) == 0
        if keep.any() and draw.chance.random() < 0.8:
            away = draw.chance.choice((0, 0, 0.5, 3))
            columns = [getattr(series, name)[keep] for name in ("open", "high", "low", "close")]
            opened, high, low, close = (each + away * draw.noise.normal(0, 1, each.size) for each in columns)
            columns = [opened, np.max((opened, high, low, close), 0), np.min((opened, high, low, close), 0), close]
            prices = [np.round(np.maximum(each, 0.5) * tick, 8) for each in columns]
            found[symbol] = MarkSeries(symbol, series.open_time[keep], *prices)
    return found


# the strategy that never was


def _bits(draw: _Draw, series: Series) -> np.ndarray:
    """Return bits at random, for single candles or for some on end."""
    chance, count = draw.chance, series.open_time.size
    bits = np.zeros(count, np.uint8)
    entries = chance.choice((0.01, 0.1) if draw.holds else (0.003, 0.02, 0.1, 0.5))
    exits = chance.choice((0, 0, 0.003) if draw.holds else (0, 0.01, 0.1, 0.5, 1))
    for bit, share in ((1, entries), (2, entries), (4, exits), (8, exits)):
        length = chance.choice((1, 1, 5, 30))
        held = np.repeat(draw.noise.random(count // length + 1) < share, length)[:count]
        bits[held] |= bit
    return bits


# settings


def _terms(draw: _Draw, grids: Mapping[str, _Grid], last_ms: int) -> Terms:
    chance, notional = draw.chance, Decimal(draw.notional)
    costs = _costs(draw)
    leverage = chance.choice((1, 3, 10, 20)) if costs.brackets == "conservative" else chance.choice((3, 20, 50, 50))
    balance = notional * len(grids) * Decimal(chance.choice(("0.04", "0.3", "1.1", "20", "20", "20", "20")))
    unlimited = chance.random() < 0.05
    limits = RiskLimits(max_symbol_notional=ENDLESS, max_symbol_share=ENDLESS, daily_loss=ENDLESS)
    stop_pct = chance.choice(("5", "20", "90") if draw.holds else ("0.05", "0.3", "1", "1", "3", "20", "90"))
    parameters = {"notional": str(notional), "stop_pct": stop_pct}
    parameters |= {"k": "0.5", "adx_max": "60", "min_session_candles": "2", "warm_up": "20"}
    plan = CorePlan(
        symbols=tuple(SymbolPlan(symbol, STRATEGY, parameters) for symbol in grids),
        execution=ExecutionRules(
            entry=chance.choice(("market", "market", "limit", "limit", "post_only")),
            ttl_seconds=chance.choice((5, 20, 59, 60, 61, 150, 400, 3600)),
            on_ttl=chance.choice(("cross", "cancel")),
            attempts=chance.choice((1, 2, 5)),
        ),
        risk=limits if unlimited else _limits(draw, grids[SYMBOLS[0]], balance),
        pacing=_pacing(draw),
        account=AccountRules(leverage, chance.choice(("ISOLATED", "ISOLATED", "ISOLATED", "CROSSED"))),
        taker_rate=costs.taker_rate,
        maker_rate=costs.maker_rate,
        narrated=chance.random() < 0.25,
    )
    times = _times(draw)
    from_ms = min(last_ms, int(chance.choice((0, 0, times[draw.count // 3], times[draw.count // 2] + 1))))
    return Terms(plan, costs, balance, from_ms, unlimited)


def _costs(draw: _Draw) -> Costs:
    chance = draw.chance
    maker, taker = chance.choice((("0", "0"), ("0", "0"), ("0.0002", "0.0005"), ("-0.0001", "0.001")))
    if draw.holds:
        maker, taker = chance.choice((("0", "0"), ("0", "0"), ("0.0002", "0.0005")))
    of_a_candle = Decimal(draw.notional)
    tiers = tuple(
        LiquidityTier(of_a_candle * many, Decimal(spread), Decimal(slippage))
        for many, spread, slippage in ((0, "20", "30"), (3, "5", "2.5"), (50, "1", "0"))
    )
    return Costs(
        maker_rate=Decimal(maker),
        taker_rate=Decimal(taker),
        tiers=chance.choice(((), (), DEFAULT_TIERS, tiers, tiers)),
        funding_rate=Decimal(chance.choice(("0", "0", "0.0001", "0.003", "-0.002"))),
        funding_interval_hours=chance.choice((1, 4, 8)),
        volume_share=Decimal(chance.choice(("1", "0.1", "0.1", "0.02"))),
        touch_share=Decimal(chance.choice(("0", "0", "1", "0.5"))),
        latency_ms=chance.choice((0, 0, 0, 0, 500, 70_000)),
        brackets=chance.choice(("conservative", "bitcoin")),
    )


def _limits(draw: _Draw, grid: _Grid, balance: Decimal) -> RiskLimits:
    chance, notional = draw.chance, Decimal(draw.notional)
    loss = notional * Decimal(chance.choice(("0.002", "0.01", "0.01", "0.02", "0.04", "0.1", "1")))
    if chance.random() < 0.4:
        move = grid.coarse * grid.filters.tick * grid.quantity(draw.notional)
        loss = _exact(move * chance.choice((1, 2, 3, 5, 10)))
    share = Decimal(chance.choice(("0.95", "1", "1.02", "3", "1000", "1000", "1000", "1000")))
    return RiskLimits(
        max_symbol_notional=notional * Decimal(chance.choice(("0.97", "1", "1.02", "1.5", "100", "100", "100"))),
        max_symbol_share=(notional / balance * share).quantize(Decimal("0.0001")),
        daily_loss=ENDLESS if chance.random() < 0.1 else loss,
    )


def _pacing(draw: _Draw) -> PacingLimits:
    if draw.holds:
        return PacingLimits(draw.chance.choice((0, 60)), 0, 0)
    off = PacingLimits(0, 0, 0)
    return draw.chance.choice((off, off, PacingLimits(), PacingLimits(300, 1200, 7200), PacingLimits(61, 1)))


def _exact(number: Fraction) -> Decimal:
    return Decimal(number.numerator) / Decimal(number.denominator)
