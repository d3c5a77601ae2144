"""The candles that every engine is given, written once to `.venv-bench/data/`."""

import os
from pathlib import Path

import pyarrow.compute as pc
import pyarrow.parquet as pq

from benchmarks.backtest import dense
from benchmarks.backtest.install import FOLDER

FROM_MS = 1_746_403_200_000  # 2025-05-05 00:00 UTC
UNTIL_MS = 1_750_809_600_000  # 2025-06-25 00:00 UTC; the recording ends on the day before
GROWTH_YEARS = 5


def recordings() -> Path:
    """Return the folder of recorded data that ACT_TEST_DATA names."""
    folder = os.environ.get("ACT_TEST_DATA")
    if not folder:
        raise SystemExit("ACT_TEST_DATA is not set: name the folder that holds klines/ and rest/ with recorded data.")
    return Path(folder)


def exchange_info() -> Path:
    return recordings() / "rest" / "fapi_v1_exchangeInfo_mainnet_2025-08-07_25symbols.json"


def recorded() -> Path:
    """Return BTCUSDT from 2025-05-05 to the end of the recording on 06-24: 72,632 candles without a hole."""
    path = _folder() / "recorded.parquet"
    if not path.exists():
        table = pq.read_table(recordings() / "klines" / "um_perp_1m_2025.parquet")
        times = table["open_time"]
        wanted = pc.and_(pc.greater_equal(times, FROM_MS), pc.less(times, UNTIL_MS))
        table = table.filter(pc.and_(pc.equal(table["symbol"], "BTCUSDT"), wanted))
        pq.write_table(table.select(["open_time", "open", "high", "low", "close", "volume"]), path)
    return path


def dense_years(years: int) -> Path:
    path = _folder() / f"dense-{years}-seed-{dense.SEED}.parquet"
    if not path.exists():
        dense.write(path, years * dense.YEAR_DAYS)
    return path


def _folder() -> Path:
    folder = FOLDER / "data"
    folder.mkdir(parents=True, exist_ok=True)
    return folder
