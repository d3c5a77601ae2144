"""Market data files as tests make them: rows written as Parquet or CSV, and instruments to read them with."""

import os
from decimal import Decimal
from pathlib import Path

import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet
import pytest

from bot.domain.instrument import Instrument

MIDNIGHT = 1_740_787_200_000
MINUTE = 60_000


def recorded_data() -> Path:
    folder = os.environ.get("ACT_TEST_DATA")
    if not folder:
        pytest.skip("ACT_TEST_DATA is not set")
    return Path(folder)


def instruments(*symbols: str, tick: str = "0.1", step: str = "0.001") -> dict[str, Instrument]:
    ticks, steps, large = Decimal(tick), Decimal(step), Decimal(1_000_000)
    return {
        symbol: Instrument(
            symbol, "TRADING", symbol.removesuffix("USDT"), "USDT", "USDT", ticks, ticks, large, steps, steps, large,
            steps, steps, large, Decimal(5), Decimal("1.05"), Decimal("0.95"), 200,
        )
        for symbol in symbols
    }  # fmt: skip


def candles(symbol="BTCUSDT", *, first=MIDNIGHT, count=5, interval=MINUTE, base=1000.0):
    """Return rows whose values differ from row to row, all on tick 0.1 and step 0.001."""
    return [
        {
            "symbol": symbol,
            "open_time": first + number * interval,
            "open": base + number % 7 / 10,
            "high": base + 2 + number % 3 / 10,
            "low": base - 1,
            "close": base + number % 5 / 10,
            "volume": (1000 + number) / 1000,
        }
        for number in range(count)
    ]


def without(name, rows):
    return [{key: value for key, value in row.items() if key != name} for row in rows]


def parquet(path, rows):
    path.parent.mkdir(parents=True, exist_ok=True)
    pyarrow.parquet.write_table(rows if isinstance(rows, pa.Table) else pa.Table.from_pylist(rows), path)
    return path


def csv(path, rows):
    path.parent.mkdir(parents=True, exist_ok=True)
    pyarrow.csv.write_csv(rows if isinstance(rows, pa.Table) else pa.Table.from_pylist(rows), path)
    return path
