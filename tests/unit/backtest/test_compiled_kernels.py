"""What a backtest compiles is what runs live: the same bits, and machine code that is kept and used again."""

import os
import subprocess
import sys
from decimal import Decimal
from pathlib import Path

import numpy as np
import pytest

from backtest import kernels
from backtest.compiled import compiled_kernel, joined, scans
from backtest.history import Series
from backtest.lane import ExactCandles
from backtest.run import flags_of
from bot.domain.market import DAY_MS, MINUTE_MS
from bot.trading.limits import SymbolPlan
from strategies.vwap_reversion import VwapReversion
from support.core_bench import an_instrument

START = 20_000 * DAY_MS - 400 * MINUTE_MS


def a_series(seed, minutes=3_000, interval_ms=MINUTE_MS):
    """A random walk over midnights, with holes and stretches nobody traded in."""
    chance = np.random.default_rng(seed)
    close = 10_000.0 + np.cumsum(chance.integers(-9, 10, minutes)).astype(float)
    opened = np.concatenate(([10_000.0], close[:-1]))
    high = np.maximum(opened, close) + chance.integers(0, 6, minutes)
    low = np.minimum(opened, close) - chance.integers(0, 6, minutes)
    volume = chance.integers(0, 50, minutes).astype(float)
    volume[700:760] = 0.0
    times = START + interval_ms * np.arange(minutes)
    kept = np.ones(minutes, bool)
    kept[[900, 901, 1_500]] = False
    columns = (column[kept] for column in (times, opened, high, low, close, volume))
    return Series("BTCUSDT", Decimal("0.1"), Decimal("0.001"), *columns)


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("interval_ms", [MINUTE_MS, 5 * MINUTE_MS])
def test_the_compiled_bits_are_those_of_the_live_strategy(seed, interval_ms):
    series = a_series(seed, interval_ms=interval_ms)
    parameters = {"k": "1.3", "warm_up": "60", "min_session_candles": "10", "adx_max": "35"}
    strategy = VwapReversion(an_instrument(), parameters)
    candles = ExactCandles(series, interval_ms)
    live = [strategy.on_candle(candles.at(row)).flags for row in range(len(series.open_time))]
    plan = SymbolPlan("BTCUSDT", "vwap_reversion", parameters)
    compiled = flags_of(plan, series, an_instrument(), interval_ms)
    assert compiled.tolist() == live
    assert {flags & 3 for flags in live} == {0, 1, 2}


def test_bits_from_shared_readings_are_those_of_one_pass():
    series = a_series(7)
    compiled = compiled_kernel(VwapReversion)
    columns = (series.open_time, series.high, series.low, series.close, series.volume)
    readings = compiled.readings(*columns, MINUTE_MS)
    for numbers in ((2.0, 20.0, 30.0, 300.0), (0.5, 60.0, 5.0, 30.0)):
        together, apart = np.zeros(len(series.close), np.uint8), np.zeros(len(series.close), np.uint8)
        compiled.flags(*columns, MINUTE_MS, numbers, together)
        compiled.flags_of(readings, numbers, apart)
        assert together.tolist() == apart.tolist()


def test_the_searches_find_what_their_plain_form_finds():
    series = a_series(3)
    chance = np.random.default_rng(5)
    bits = chance.integers(0, 16, len(series.close)).astype(np.uint8)
    bits[chance.random(len(bits)) < 0.9] = 0
    for _ in range(200):
        first = int(chance.integers(0, len(bits)))
        until = int(series.open_time[min(len(bits) - 1, first + int(chance.integers(0, 500)))])
        low, high = sorted(chance.integers(9_500, 10_500, 2).tolist())
        entry = (bits, series.open_time, first, len(bits), until)
        prices = (series.high, series.low, series.close)
        touch = (
            bits,
            series.open_time,
            *prices,
            first,
            len(bits),
            4,
            float(low),
            float(high),
            9_400.0,
            10_600.0,
            until,
        )
        assert scans().next_entry(*entry) == kernels.next_entry(*entry)
        assert scans().next_touch(*touch) == kernels.next_touch(*touch)


def test_a_level_that_is_touched_exactly_counts():
    series = a_series(1)
    bits = np.zeros(len(series.close), np.uint8)
    low, high = float(series.low.min()), float(series.high.max())
    none, never = float("-inf"), float("inf")
    arrays = (bits, series.open_time, series.high, series.low, series.close, 0, len(bits), 0)
    assert scans().next_touch(*arrays, low, never, none, never, 1 << 62) == int(series.low.argmin())
    assert scans().next_touch(*arrays, none, high, none, never, 1 << 62) == int(series.high.argmax())
    assert scans().next_touch(*arrays, none, never, float(series.close.min()), never, 1 << 62) == series.close.argmin()
    assert scans().next_touch(*arrays, none, never, none, float(series.close.max()), 1 << 62) == series.close.argmax()
    assert scans().next_touch(*arrays, low - 1, high + 1, none, never, 1 << 62) == len(bits)


def test_a_second_process_compiles_nothing(tmp_path):
    program = (
        "import numpy as np; from backtest.compiled import compiled_kernel, scans;"
        "from strategies.vwap_reversion import VwapReversion;"
        "one = np.ones(1); time = np.zeros(1, np.int64); out = np.zeros(1, np.uint8);"
        "kernel = compiled_kernel(VwapReversion);"
        "kernel.flags(time, one, one, one, one, 60_000, (2.0, 20.0, 30.0, 300.0), out);"
        "scans().next_entry(out, time, 0, 1, 0);"
        "print(sum(sum(each.stats.cache_misses.values()) for each in (kernel.flags, scans().next_entry)))"
    )
    environment = {**os.environ, "ACT_CACHE": str(tmp_path)}
    misses = [
        subprocess.run(
            [sys.executable, "-c", program], env=environment, cwd=Path(__file__).parents[3], check=True, text=True,
            capture_output=True,
        ).stdout.strip()
        for _ in range(2)
    ]  # fmt: skip
    assert misses == ["2", "0"]
    assert list(tmp_path.rglob("*.nbi"))


def test_arrays_that_may_not_be_written_stand_beside_those_that_may():
    mine, lent = np.array([1.0, 2.0]), np.array([3.0])
    lent.flags.writeable = False
    assert [each.tolist() for each in joined([mine, lent])] == [[1.0, 2.0], [3.0]]
    assert mine.flags.writeable
