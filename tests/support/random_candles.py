"""Small random data sets that go where a backtest can go wrong: holes, empty minutes, gaps, bands and stops touched."""

import random
from dataclasses import dataclass
from fractions import Fraction

from support.backtest_data import MONDAY
from support.reference_backtest import MINUTE, Candles, Filters, Rules, judge

GRIDS = (Fraction("0.01"), Fraction("0.1"), Fraction("0.0005"), Fraction(1))
Row = tuple[int, int, int, int, int, int]


@dataclass(frozen=True)
class Case:
    """Candles and what to run on them; `from_ms` is 0 or a minute inside the data."""

    candles: Candles
    filters: Filters
    rules: Rules
    from_ms: int


def random_case(seed: int) -> Case:
    """Return the same case for the same seed; every fourth swings between two prices, so that it touches its bands."""
    chance = random.Random(seed)
    start = MONDAY + chance.choice((0, 0, -60, -400, 700)) * MINUTE
    count = chance.randint(1000, 2400)
    swinging = seed % 4 == 0
    k = chance.choice((1, 2)) if swinging else Fraction(chance.choice(("1", "1.5", "2", "2.5")))
    rules = Rules(
        k=Fraction(k),
        adx_max=chance.choice((20, 30, 60)),
        notional=Fraction(chance.choice((50, 500, 1000))),
        stop_pct=Fraction(chance.choice(("0.3", "0.5", "1", "1", "2"))),
        min_session_candles=chance.choice((1, 30, 30, 90)),
        warm_up=chance.choice((30, 100, 300)),
    )
    base = chance.choice((60, 1000, 1000, 30_000) if swinging else (60, 1000, 1000, 30_000, 700_000))
    rows = _swings(chance, base, start, count, rules.k) if swinging else _walk(chance, base, start, count)
    rows = _cut(chance, rows, rules)
    return Case(
        columns(rows), _filters(chance, base, rules), rules, chance.choice((0, 0, start + (count // 3) * MINUTE))
    )


def columns(rows: list[Row]) -> Candles:
    """Turn rows (open_time, open, high, low, close, volume) into columns."""
    return Candles(*map(list, zip(*rows, strict=True)))


def _walk(chance: random.Random, base: int, start: int, count: int) -> list[Row]:
    coarse = max(1, base // 100) if chance.random() < 0.4 else 1
    noise, drift = base * chance.uniform(0.0005, 0.004), base * chance.uniform(0, 0.0006)
    gap_chance, empty_chance = chance.choice((0, 0.02, 0.1)), chance.choice((0, 0.05, 0.5))
    level = away = 0.0
    close, rows = base, []
    empty_until = chance.choice((0, 0, count // 3))
    for index in range(count):
        level += chance.gauss(0, drift)
        away = 0.95 * away + chance.gauss(0, noise)
        opened, close = close, max(coarse, round((base + level + away) / coarse) * coarse)
        if chance.random() < gap_chance:
            opened = max(coarse, opened + round(chance.gauss(0, base * 0.01) / coarse) * coarse)
        high = max(opened, close) + coarse * chance.choice((0, 0, 1, 2))
        low = max(1, min(opened, close) - coarse * chance.choice((0, 0, 1, 2)))
        empty = index < empty_until or chance.random() < empty_chance
        rows.append((start + index * MINUTE, opened, high, low, close, 0 if empty else chance.randint(1, 5000)))
    return rows


def _swings(chance: random.Random, base: int, start: int, count: int, k: Fraction) -> list[Row]:
    """Alternate around `base` with equal volumes, so that VWAP and bands are whole, and probe them in empty minutes.

    The sums of a session stay below 2**53: beyond it the last bit of a float64, in which the strategy is described,
    decides a tie that whole numbers see.
    """
    apart = max(1, base * chance.choice((2, 4, 8)) // 1000)
    band = int(k * apart)
    probes = (base - band, base - band - 1, base + band, base + band + 1, base)
    volume, side, rows = chance.randint(1, 500), 1, []
    for index in range(count):
        if chance.random() < 0.2:
            price, traded = chance.choice(probes), 0
        else:
            price, traded, side = base + side * apart, volume, -side
        rows.append((start + index * MINUTE, price, price, price, price, traded))
    return rows


def _cut(chance: random.Random, rows: list[Row], rules: Rules) -> list[Row]:
    """Take out minutes: some anywhere, some right after a close at which something is decided."""
    for _ in range(chance.choice((0, 1, 1, 3))):
        decided = [index for index, verdict in enumerate(judge(columns(rows), rules), 1) if verdict.entry]
        anywhere = chance.randrange(1, len(rows))
        first = chance.choice(decided) if decided and chance.random() < 0.7 else anywhere
        length = chance.choice((1, 1, 7, 45, 300))
        if len(rows) - first > length:
            rows = rows[:first] + rows[first + length :]
    return rows


def _filters(chance: random.Random, base: int, rules: Rules) -> Filters:
    fine = chance.random() < 0.2  # price times quantity has nine decimals: profits are rounded, not only fees
    tick = Fraction(1, 10**6) if fine else chance.choice(GRIDS)
    at_base = rules.notional / (base * tick)
    step = Fraction(1, 1000) if fine else Fraction(1000)
    while step * chance.choice((3, 40)) > at_base:
        step /= 10
    limits = chance.choice(("none", "none", "largest", "smallest", "notional"))
    return Filters(
        tick,
        step,
        min_quantity=step * max(1, at_base // step) if limits == "smallest" else step,
        max_quantity=step * max(1, at_base // step) if limits == "largest" else Fraction(10**9),
        min_notional=rules.notional if limits == "notional" else Fraction(5),
    )
