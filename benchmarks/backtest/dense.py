"""A dense year of made-up BTCUSDT candles: about 1,600 round trips of the reference strategy a year.

`python -m benchmarks.backtest.dense FILE [--years N]` writes Parquet (`open_time` in ms UTC, prices in USDT, volume in
BTC; tick 0.1, step 0.001) and prints the round trips that a plain loop over the strategy's rules finds in it.
The same seed gives the same candles: additions and multiplications of one generator's numbers, nothing else.
"""

import argparse
import json
from itertools import accumulate
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

DAY_MINUTES = 1_440
YEAR_DAYS = 365
MIDNIGHT_MS = 1_704_067_200_000  # 2024-01-01
SEED = 3

_STEPS_A_MINUTE = 4
_LEVEL_TICKS = 600_000.0  # 60,000 USDT
_LEVEL_KEPT, _LEVEL_TICKS_A_STEP = 0.999998, 100.0  # a slow wander that returns within months
_SWING_KEPT, _SWING_TICKS_A_STEP = 0.984, 180.0  # a fast one that returns within a quarter of an hour: the trade


def dense_days(days: int) -> dict[str, np.ndarray]:
    """Return whole ticks and steps for this many days of minutes: open, high, low, close, volume, and open_time."""
    dice = np.random.default_rng(SEED)
    level = swing = 0.0
    found = []
    for _ in range(days):
        moves = dice.standard_normal((2, DAY_MINUTES * _STEPS_A_MINUTE))
        levels = _wander(level, _LEVEL_KEPT, _LEVEL_TICKS_A_STEP * moves[0])
        swings = _wander(swing, _SWING_KEPT, _SWING_TICKS_A_STEP * moves[1])
        path = np.rint(_LEVEL_TICKS + levels + swings)
        volume = dice.integers(1_000, 200_000, DAY_MINUTES).astype(np.float64)
        found.append(_candles(path, volume))
        level, swing = levels[-1], swings[-1]
    columns = {name: np.concatenate([day[name] for day in found]) for name in found[0]}
    return {"open_time": MIDNIGHT_MS + 60_000 * np.arange(days * DAY_MINUTES), **columns}


def _wander(start: float, kept: float, moves: np.ndarray) -> np.ndarray:
    return np.array(list(accumulate(moves.tolist(), lambda at, move: kept * at + move, initial=start)))


def _candles(path: np.ndarray, volume: np.ndarray) -> dict[str, np.ndarray]:
    opens, closes = path[:-1:_STEPS_A_MINUTE], path[_STEPS_A_MINUTE::_STEPS_A_MINUTE]
    inside = np.column_stack([opens, path[1:].reshape(-1, _STEPS_A_MINUTE)])
    return {"open": opens, "high": inside.max(axis=1), "low": inside.min(axis=1), "close": closes, "volume": volume}


def write(path: Path, days: int) -> None:
    """Write the candles in USDT and BTC, rounded to the decimals of tick and step."""
    candles = dense_days(days)
    prices = {name: np.round(candles[name] / 10, 1) for name in ("open", "high", "low", "close")}
    volume = np.round(candles["volume"] / 1_000, 3)
    table = pa.table({"open_time": candles["open_time"], **prices, "volume": volume})
    pq.write_table(table, path, compression="zstd")


def round_trips(candles: dict[str, np.ndarray]) -> dict[str, int]:
    """Count what the reference strategy does with candles free of holes, by a loop of its own: a check of the data."""
    trend = _adx(candles)
    columns = (candles[name].tolist() for name in ("open", "high", "low", "close", "volume"))
    traded = weighted = squared = stop = 0.0
    side = wanted = signals = stops = 0
    for n, (opened, high, low, close, volume) in enumerate(zip(*columns, strict=True)):
        acted = wanted != side
        if wanted != side:
            signals += wanted == 0
            side, stop = wanted, _stop(opened, wanted)
        if side and (low <= stop if side > 0 else high >= stop):
            side, acted, stops = 0, True, stops + 1
        minute = n % DAY_MINUTES
        if minute == 0:
            traded = weighted = squared = 0.0
        tripled = high + low + close
        traded, weighted, squared = traded + volume, weighted + tripled * volume, squared + tripled * tripled * volume
        mean = weighted / traded
        band = 2.0 * max(0.0, squared / traded - mean * mean) ** 0.5
        wanted = side
        if side:
            wanted = 0 if side * (3 * close - mean) >= 0 else side
        elif not acted and minute >= 29 and n >= 300 and trend[n] < 20.0:
            wanted = (3 * close < mean - band) - (3 * close > mean + band)
    return {"trades": signals + stops, "stops": stops, "open": int(side != 0)}


def _stop(entry: float, side: int) -> float:
    return float(np.ceil(entry * 0.99) if side > 0 else np.floor(entry * 1.01))


def _adx(candles: dict[str, np.ndarray]) -> np.ndarray:
    import talib

    return talib.ADX(candles["high"], candles["low"], candles["close"], 14)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("file", type=Path)
    parser.add_argument("--years", type=int, default=1)
    options = parser.parse_args()
    days = options.years * YEAR_DAYS
    write(options.file, days)
    print(json.dumps({"candles": days * DAY_MINUTES, **round_trips(dense_days(days))}))


if __name__ == "__main__":
    main()
