"""Market data as we keep it: one Parquet file for each month, written whole or not at all.

    FOLDER/BTCUSDT/1m/2025-05.parquet         candles of an interval
    FOLDER/BTCUSDT/mark-8h/2025-05.parquet    mark price bars
    FOLDER/BTCUSDT/funding/2025-05.parquet    settled funding

Values are floats whose shortest text is the published decimal. A file remembers the times it was fetched for, so that
no candle is fetched twice, nor a hole of the exchange's own.
"""

import fcntl
import json
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet
from numpy.typing import NDArray

from backtest.candle_files import INTERVALS, PRICES, Part, interval_name, merged, read_parts
from backtest.errors import DataError
from backtest.months import month_bounds, months_between
from bot.domain.errors import ConfigurationError

type Window = tuple[int, int]
"""From ms, to ms, the end not included."""

_ABOUT = b"act"


@dataclass(frozen=True, slots=True)
class Kind:
    """What a series is made of: the columns of its files, and what its folder is called."""

    name: str
    time_name: str
    value_names: tuple[str, ...]


CANDLES = Kind("candles", "open_time", (*PRICES, "volume"))
MARK = Kind("mark", "open_time", PRICES)
FUNDING = Kind("funding", "funding_time", ("funding_rate",))


@dataclass(frozen=True, slots=True)
class Added:
    """How many rows are new, and how many stand instead of a stored one that was different."""

    new: int = 0
    replaced: int = 0


@dataclass(frozen=True, slots=True)
class Shelf:
    """Where one series of one symbol is kept. `interval_ms` is 0 for funding."""

    root: Path
    symbol: str
    kind: Kind
    interval_ms: int = 0

    @property
    def name(self) -> str:
        """Return the series' name, which is its folder's: 1m, mark-8h, funding."""
        if self.kind is FUNDING:
            return FUNDING.name
        interval = interval_name(self.interval_ms)
        return interval if self.kind is CANDLES else f"{MARK.name}-{interval}"

    @property
    def folder(self) -> Path:
        """Return the folder of the months."""
        return self.root / self.symbol / self.name

    def file(self, month: str) -> Path:
        """Return the path of a month, whether it is there or not."""
        return self.folder / f"{month}.parquet"

    def files(self) -> list[Path]:
        """Return the months that are there, oldest first."""
        return sorted(self.folder.glob("[0-9]*.parquet"))

    def covered(self, month: str) -> list[Window]:
        """Return the times of a month that were fetched, whether the exchange had rows or not."""
        file = self.file(month)
        if not file.exists():
            return []
        try:
            about = (pyarrow.parquet.read_schema(file).metadata or {}).get(_ABOUT, b"{}")
            return [(int(start), int(end)) for start, end in json.loads(about).get("covered", [])]
        except (OSError, ValueError, pa.ArrowException) as error:
            raise DataError(f"{file}: cannot be read ({error}): delete it and fetch it again") from error

    def read(self, month: str) -> Part | None:
        """Return the rows of a month, None where there are none. Raises `DataError`."""
        file = self.file(month)
        found = read_parts(file, (self.symbol,), self.kind.time_name, self.kind.value_names) if file.exists() else []
        return found[0] if found else None

    def add(self, part: Part, covered: Window | None = None, *, replace: bool = False) -> Added:
        """Put rows in their months and return what that changed; identical ones do no harm.

        `covered` are the times that the rows are all there is of. Raises `DataError` where a stored row differs, naming
        both; with `replace` the new row stands instead.
        """
        months = months_between(int(part.times[0]), int(part.times[-1]) + 1)
        done = [self._add_to_month(month, _within(part, month_bounds(month)), covered, replace) for month in months]
        return Added(sum(each.new for each in done), sum(each.replaced for each in done))

    def _add_to_month(self, month: str, rows: Part, covered: Window | None, replace: bool) -> Added:
        if not rows.times.size:
            return Added()
        stored = self.read(month)
        before = stored.times.size if stored else 0
        replaced = 0
        if stored and replace:
            replaced = _differing(stored, rows)
            stored = _chosen(stored, ~np.isin(stored.times, rows.times))
        whole = merged([each for each in (stored, rows) if each and each.times.size], self.kind.value_names)[0]
        windows = self.covered(month) + ([_cut(covered, month_bounds(month))] if covered else [])
        self._write(month, whole, joined(windows))
        return Added(int(whole.times.size) - int(before), replaced)

    def _write(self, month: str, rows: Part, windows: Sequence[Window]) -> None:
        about = json.dumps({"covered": windows}).encode()
        columns = {
            "symbol": pa.array([self.symbol] * rows.times.size).dictionary_encode(),
            self.kind.time_name: pa.array(rows.times),
            **{name: pa.array(rows.values[name]) for name in self.kind.value_names},
        }
        table = pa.table(columns).replace_schema_metadata({_ABOUT: about})
        file = self.file(month)
        fresh = file.with_name(f".{file.name}.new")
        try:
            file.parent.mkdir(parents=True, exist_ok=True)
            pyarrow.parquet.write_table(table, fresh, compression="zstd", write_page_checksum=True)
            fresh.replace(file)
        except OSError as error:
            raise _unwritable(file, error) from error
        finally:
            fresh.unlink(missing_ok=True)


def shelves_in(root: Path, symbols: Sequence[str] = ()) -> list[Shelf]:
    """Return the series that are stored, of these symbols or of all. Raises `DataError` where one has none."""
    found = [shelf for folder in sorted(root.glob("*/*")) if (shelf := _shelf_of(root, folder)) and shelf.files()]
    known = {shelf.symbol for shelf in found}
    missing = [symbol for symbol in symbols if symbol not in known]
    if missing:
        raise DataError(f"{root}: nothing of {missing[0]} is stored: act data fetch {missing[0]} --from 2025-01-01")
    chosen = [shelf for shelf in found if not symbols or shelf.symbol in symbols]
    return sorted(chosen, key=lambda shelf: (shelf.symbol, shelf.kind.name, shelf.interval_ms))


def joined(windows: Sequence[Window]) -> list[Window]:
    """Return the same times as few windows, oldest first."""
    found: list[Window] = []
    for start, end in sorted(windows):
        if found and start <= found[-1][1]:
            found[-1] = (found[-1][0], max(end, found[-1][1]))
        else:
            found.append((start, end))
    return found


def uncovered(windows: Sequence[Window], wanted: Window) -> list[Window]:
    """Return what is missing of the wanted times, oldest first."""
    missing, at_ms = [], wanted[0]
    for start, end in joined(windows):
        if start > at_ms and at_ms < wanted[1]:
            missing.append((at_ms, min(start, wanted[1])))
        at_ms = max(at_ms, end)
    if at_ms < wanted[1]:
        missing.append((at_ms, wanted[1]))
    return missing


@contextmanager
def writing(root: Path) -> Iterator[None]:
    """Be the only one who writes there. Raises `DataError` while another does, `ConfigurationError` if it may not."""
    try:
        root.mkdir(parents=True, exist_ok=True)
        handle = os.open(root / ".lock", os.O_RDWR | os.O_CREAT, 0o644)
    except OSError as error:
        raise _unwritable(root, error) from error
    try:
        _lock(root, handle)
        yield
    finally:
        os.close(handle)


def _lock(root: Path, handle: int) -> None:
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        raise DataError(f"{root}: another act data is writing there: wait until it has ended") from error


def _shelf_of(root: Path, folder: Path) -> Shelf | None:
    if folder.name == FUNDING.name:
        return Shelf(root, folder.parent.name, FUNDING)
    kind = MARK if folder.name.startswith(f"{MARK.name}-") else CANDLES
    interval_ms = INTERVALS.get(folder.name.removeprefix(f"{MARK.name}-"))
    return Shelf(root, folder.parent.name, kind, interval_ms) if interval_ms else None


def _within(part: Part, bounds: Window) -> Part:
    return _chosen(part, (part.times >= bounds[0]) & (part.times < bounds[1]))


def _chosen(part: Part, keep: NDArray[np.bool_]) -> Part:
    values = {name: column[keep] for name, column in part.values.items()}
    return Part(part.path, part.symbol, part.times[keep], values)


def _differing(stored: Part, rows: Part) -> int:
    times, at, by = np.intersect1d(stored.times, rows.times, assume_unique=True, return_indices=True)
    differs = np.zeros(times.size, dtype=np.bool_)
    for name, values in stored.values.items():
        differs |= values[at] != rows.values[name][by]
    return int(differs.sum())


def _cut(window: Window, bounds: Window) -> Window:
    return max(window[0], bounds[0]), min(window[1], bounds[1])


def _unwritable(path: Path, error: OSError) -> ConfigurationError:
    return ConfigurationError(f"{path} cannot be written: {error.strerror}. Check its owner, or set ACT_HOME.")
