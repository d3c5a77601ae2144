"""What every rival's process shares: its arguments, its candles, CPU seconds, and the one JSON line it prints.

Imports, reading the file and compiling are outside the clock, indicators inside. CPU seconds are user and system time
of the process and of the children it waited for.
"""

import argparse
import json
import resource
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd

COLUMNS = ("open", "high", "low", "close", "volume")
SWEEP_K = [round(1.5 + 0.1 * n, 1) for n in range(10)]
SWEEP_ADX_MAX = [float(n) for n in range(16, 26)]


def arguments(description: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("file", type=Path, help="Parquet with open_time, open, high, low, close, volume")
    parser.add_argument("--repetitions", type=int, default=1, help="runs in this process, each timed by itself")
    parser.add_argument("--way", default="", help="another way to write it, where the engine has one")
    parser.add_argument("--sweep", default="", help="run the sweep of k and adx_max instead, in the way named")
    parser.add_argument("--combinations", type=int, default=100, help="of the sweep, at most 100")
    return parser.parse_args()


def candles(path: Path) -> pd.DataFrame:
    """Return the candles with a UTC index of their opens."""
    table = pd.read_parquet(path, columns=["open_time", *COLUMNS])
    table.index = pd.to_datetime(table.pop("open_time").to_numpy(), unit="ms", utc=True)
    return table


def columns(table: pd.DataFrame) -> dict[str, np.ndarray]:
    return {name: np.ascontiguousarray(table[name].to_numpy(np.float64)) for name in COLUMNS}


def grid(count: int) -> list[tuple[float, float]]:
    """Return the first combinations of (k, adx_max); a small count still covers the whole range of both."""
    pairs = [(k, adx_max) for k in SWEEP_K for adx_max in SWEEP_ADX_MAX]
    return pairs[:: max(1, len(pairs) // count)][:count]


def cpu_seconds() -> float:
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    return time.process_time() + children.ru_utime + children.ru_stime


def report(engine: str, version: str, count: int, run: Callable[[], int], repetitions: int = 1, **also: object) -> None:
    """Time `run`, which returns its number of trades, and print what it took."""
    cpu_s, wall_s, trades = [], [], 0
    for _ in range(repetitions):
        began, wall_began = cpu_seconds(), time.perf_counter()
        trades = run()
        cpu_s.append(round(cpu_seconds() - began, 6))
        wall_s.append(round(time.perf_counter() - wall_began, 6))
    taken = {"cpu_s": cpu_s, "wall_s": wall_s}
    print(json.dumps({"engine": engine, "version": version, "candles": count, "trades": int(trades), **taken, **also}))
