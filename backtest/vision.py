"""The files of Binance's public archive: zipped CSV, with or without a line of names."""

import hashlib
import io
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.csv

from backtest.candle_files import MINUTE_MS, Part, as_data_errors, check_candles, check_times
from backtest.errors import DataError
from backtest.storage import FUNDING, Kind
from simulator.market import recordings
from simulator.market.recordings import Integers

_MICROSECONDS = 100_000_000_000_000
_POSITIONS = {
    "open_time": 0,
    "open": 1,
    "high": 2,
    "low": 3,
    "close": 4,
    "volume": 5,
    "funding_time": 0,
    "funding_rate": 2,
}


def check_sum(path: Path, content: bytes, line: str) -> None:
    """Compare a file with its line `SHA-256  NAME`. Raises `DataError` where they differ."""
    wanted = line.split()
    if not wanted or hashlib.sha256(content).hexdigest() != wanted[0].lower():
        raise DataError(f"{path}: its content does not have the published SHA-256: fetch it again")


def unzipped(path: Path, content: bytes) -> bytes:
    """Return the one file inside. Raises `DataError` where it is no such archive."""
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            names = archive.namelist()
            if len(names) == 1:
                return archive.read(names[0])
    except (zipfile.BadZipFile, EOFError, OSError) as error:
        raise DataError(f"{path}: is no zip file ({error}): fetch it again") from error
    raise DataError(f"{path}: holds {len(names)} files where one is expected: give a file of the public archive")


def rows_of(path: Path, text: bytes, symbol: str, kind: Kind) -> Part | None:
    """Read the archive's CSV, None where it has no rows. Times become ms, those of funding whole minutes.

    Raises `DataError` for whatever does not look like such a file.
    """
    options = pyarrow.csv.ReadOptions(autogenerate_column_names=True, skip_rows=_lines_of_names(text))
    try:
        table = pyarrow.csv.read_csv(io.BytesIO(text), read_options=options)
    except pa.ArrowException as error:
        if not text[text.find(b"\n") + 1 :].strip():
            return None
        raise DataError(f"{path}: is no CSV of the public archive ({error}): fetch it again") from error
    if table.num_columns <= max(_POSITIONS[name] for name in kind.value_names):
        raise DataError(f"{path}: has only {table.num_columns} columns: give a file of the public archive")
    return _part(path, table, symbol, kind)


def _lines_of_names(text: bytes) -> int:
    return int(not text[:1].isdigit())


def _part(path: Path, table: Any, symbol: str, kind: Kind) -> Part:
    named = {name: table.column(_POSITIONS[name]) for name in (kind.time_name, *kind.value_names)}
    with as_data_errors():
        times = _milliseconds(path, symbol, recordings.times_of(path, symbol, named, kind.time_name))
        check_times(path, symbol, times, kind.time_name, whole_minutes=kind is not FUNDING)
        values = {name: recordings.floats_of(path, symbol, named, name, times) for name in kind.value_names}
    part = Part(path, symbol, times // MINUTE_MS * MINUTE_MS, values)
    if kind is not FUNDING:
        check_candles(part)
    return part


def _milliseconds(path: Path, symbol: str, times: Integers) -> Integers:
    # the spot archive has microseconds from 2025 on; where they are no whole ms, something else is wrong
    if not times.size or times[0] < _MICROSECONDS:
        return times
    if np.any(times % 1000):
        raise DataError(f"{path}: {symbol} has times that are no whole milliseconds: give a file of the public archive")
    return times // 1000
