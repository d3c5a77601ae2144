"""Reads market data files column by column, so that five years of minutes never stand in memory twice.

A file is Parquet or CSV. Its rows belong to the symbols of its `symbol` column, or to the one symbol that its name, its
folder or the caller gives.
"""

import csv
import gzip
import re
import string
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
import pyarrow.parquet
from numpy.typing import NDArray

from backtest.errors import DataError
from simulator.market import recordings, tape
from simulator.market.recordings import Floats, Integers, iso

PRICES = ("open", "high", "low", "close")
CANDLE_COLUMNS = ("open_time", *PRICES, "volume")
MINUTE_MS = tape.MINUTE_MS
INTERVALS = {
    "1m": 60_000,
    "3m": 180_000,
    "5m": 300_000,
    "15m": 900_000,
    "30m": 1_800_000,
    "1h": 3_600_000,
    "2h": 7_200_000,
    "4h": 14_400_000,
    "6h": 21_600_000,
    "8h": 28_800_000,
    "12h": 43_200_000,
    "1d": 86_400_000,
}
"""Every interval of candles we know, in ms, by the exchange's name for it."""

NO_SYMBOL = "is no symbol of Binance, which has capital letters, digits and _ only"
_SIGNS = frozenset(string.ascii_uppercase + string.digits + "_")
_CASELESS = "Lo"
"""The category of letters that are neither capital nor small, as Chinese ones."""

_TIMES = "times"
_EMPTY = frozenset(pyarrow.csv.ConvertOptions().null_values)
_SUFFIXES = (".parquet", ".pq", ".csv", ".csv.gz")
_SYMBOL = re.compile(r"[A-Z0-9]{2,}(?:USDT|USDC|BUSD|FDUSD)")
_EARLIEST_MS, _LATEST_MS = 1_000_000_000_000, 5_000_000_000_000
_UNITS = {
    "seconds": (_EARLIEST_MS // 1_000, _LATEST_MS // 1_000),
    "microseconds": (_EARLIEST_MS * 1_000, _LATEST_MS * 1_000),
    "nanoseconds": (_EARLIEST_MS * 1_000_000, _LATEST_MS * 1_000_000),
}


@dataclass(slots=True)
class Part:
    """The rows of one symbol in one file, oldest first. `values` are as the file has them."""

    path: Path
    symbol: str
    times: Integers
    values: dict[str, Floats]


@contextmanager
def as_data_errors() -> Iterator[None]:
    """Turn what the recordings' checks raise into our own error."""
    try:
        yield
    except tape.DataError as error:
        raise DataError(str(error)) from error


def interval_name(interval_ms: int) -> str:
    """Return the exchange's name for an interval in ms, or the ms where it has none."""
    return next((name for name, ms in INTERVALS.items() if ms == interval_ms), f"{interval_ms} ms")


def files_in(
    paths: Sequence[Path], symbols: Sequence[str] = (), *, kind: str = "", interval_ms: int | None = None
) -> list[Path]:
    """Return the data files that paths name: themselves, or all in a folder, at any depth.

    Of a folder as `act data` stores it (SYMBOL/INTERVAL/MONTH) only these symbols and the interval asked for, else the
    finest, are taken, and of `kind` "funding" or "mark" only the folders so named. Raises `DataError` where nothing is.
    """
    found: list[Path] = []
    for path in paths:
        if not _is_folder(path):
            found.append(path)
            continue
        inside = [each for each in _data_in(path) if not _is_of_another(each, symbols)]
        chosen = _of_kind(inside, kind, interval_ms)
        if not chosen:
            whose = f" of {', '.join(symbols)}" if symbols else ""
            raise DataError(f"{path}: no {kind or 'candle'} files{whose} (Parquet or CSV) in this folder: give another")
        found += chosen
    return found


def is_symbol(name: str) -> bool:
    """Say whether a symbol could be Binance's: BTCUSDT, BTCUSDT_210924, \u5e01\u5b89\u4eba\u751fUSDT.

    It is also the name of a folder, so nothing else may pass.
    """
    return bool(name) and all(sign in _SIGNS or unicodedata.category(sign) == _CASELESS for sign in name)


def symbols_in(paths: Sequence[Path], columns: Sequence[str] = CANDLE_COLUMNS) -> tuple[str, ...]:
    """Return the symbols that the files hold rows of, sorted.

    Raises `DataError` for a file that does not tell, lacks one of these columns, or has no rows.
    """
    found: set[str] = set()
    for path in files_in(paths):
        symbol = _symbol_by_name(path, ())
        if _is_stored(path) and symbol == path.parent.parent.name:
            found.add(symbol)
            continue
        with as_data_errors():
            names = recordings.column_names(path)
        _check_columns(path, names, columns)
        if "symbol" in names:
            found.update(_named_in(path))
        elif symbol:
            found.add(symbol)
        else:
            raise DataError(f"{path}: neither a column 'symbol' nor the file's name says of which: pass --symbol")
    return tuple(sorted(found))


def read_parts(
    path: Path,
    symbols: Sequence[str],
    time_name: str,
    value_names: Sequence[str],
    *,
    to_ms: int | None = None,
    whole_minutes: bool = True,
) -> list[Part]:
    """Read the rows of the symbols asked for, those before `to_ms`; symbols without rows have no part.

    Raises `DataError`: unreadable, empty, columns missing, a time unit that is not ms, rows out of order, numbers that
    are none, and with `whole_minutes` times that are no whole minute.
    """
    with as_data_errors():
        names = recordings.column_names(path)
        _check_columns(path, names, (time_name, *value_names))
        file = _open(path, (time_name, *value_names))
        rows = _rows_by_symbol(path, file, "symbol" in names, symbols)
        parts = _timed_parts(file, path, rows, time_name, to_ms, whole_minutes=whole_minutes)
        for name in value_names:
            column = file.column(name)
            for part in parts:
                part.values[name] = _values(column, part, rows[part.symbol], name)
            del column
        give_memory_back()
        return parts


def give_memory_back() -> None:
    """Return to the system what reading has freed: what comes after would need as much again beside it."""
    pa.default_memory_pool().release_unused()


def _check_columns(path: Path, names: Sequence[str], wanted: Sequence[str]) -> None:
    missing = [repr(name) for name in wanted if name not in names]
    if missing:
        raise DataError(
            f"{path}: no column {', '.join(missing)}: a file of this kind names the columns "
            f"{', '.join(('symbol', *wanted))}, in CSV with commas in its first line"
        )


def _check_rows(path: Path, file: "_File") -> None:
    if file.rows == 0:
        raise DataError(f"{path}: holds no rows: give a file with data")


def _named_in(path: Path) -> list[str]:
    file = _open(path)
    _check_rows(path, file)
    names = file.symbols()
    for name in names:
        if not is_symbol(name):
            raise DataError(f"{path}: {name!r} in column 'symbol' {NO_SYMBOL}: correct it, or pass --symbol")
    return names


def is_data_name(name: str) -> bool:
    """Say whether a file of this name is read where a folder is given."""
    return name.endswith(_SUFFIXES) and not name.startswith(".")


def _is_folder(path: Path) -> bool:
    try:
        return path.is_dir()
    except OSError as error:
        raise DataError(f"{path}: cannot be looked at ({error.strerror}): check its path and owner") from error


def _data_in(folder: Path) -> list[Path]:
    try:
        return [path for path in sorted(folder.rglob("*")) if is_data_name(path.name) and path.is_file()]
    except OSError as error:
        raise DataError(
            f"{folder}: {error.filename} in it cannot be read ({error.strerror}): give a folder that holds market data"
        ) from error


def _is_of_another(path: Path, symbols: Sequence[str]) -> bool:
    return bool(symbols) and _is_stored(path) and path.parent.parent.name not in symbols


def _is_stored(path: Path) -> bool:
    return path.parent.name in INTERVALS or bool(_kind_of(path))


def _kind_of(path: Path) -> str:
    kind = path.parent.name.partition("-")[0]
    return kind if kind in {"funding", "mark"} else ""


def _of_kind(files: Sequence[Path], kind: str, interval_ms: int | None) -> list[Path]:
    if kind:
        stored = [path for path in files if _kind_of(path) == kind]
        return stored or list(files)
    candles = [path for path in files if not _kind_of(path)]
    stored_ms: dict[Path, set[int]] = {}
    for path in candles:
        if path.parent.name in INTERVALS:
            stored_ms.setdefault(path.parent.parent, set()).add(INTERVALS[path.parent.name])
    best = {folder: interval_ms if interval_ms in known else min(known) for folder, known in stored_ms.items()}
    return [path for path in candles if INTERVALS.get(path.parent.name) in {None, best.get(path.parent.parent)}]


def _symbol_by_name(path: Path, asked: Sequence[str]) -> str:
    tokens = [token for name in (path.name, path.parent.name, path.parent.parent.name) for token in _tokens(name)]
    known = [token for token in tokens if token.upper() in asked]
    looks = [token for token in tokens if _SYMBOL.fullmatch(token)]
    return next((token.upper() for token in known + looks), "")


def _tokens(name: str) -> list[str]:
    return re.split(r"[^A-Za-z0-9]+", name)


def _rows_by_symbol(path: Path, file: "_File", has_column: bool, symbols: Sequence[str]) -> dict[str, Integers | slice]:
    _check_rows(path, file)
    if has_column:
        return file.choose(symbols)
    symbol = _symbol_by_name(path, symbols) or (symbols[0] if len(symbols) == 1 else "")
    if not symbol:
        raise DataError(
            f"{path}: no column 'symbol', and the file's name does not say which of {', '.join(symbols)} it is: "
            "name it after its symbol, or ask for one symbol"
        )
    return {symbol: slice(0, file.rows)} if symbol in symbols else {}


def _timed_parts(
    file: "_File",
    path: Path,
    rows: dict[str, Integers | slice],
    time_name: str,
    to_ms: int | None,
    *,
    whole_minutes: bool,
) -> list[Part]:
    column = file.column(time_name)
    parts = []
    for symbol, chosen in rows.items():
        times = recordings.times_of(path, symbol, {time_name: _pick(column, chosen)}, time_name)
        check_times(path, symbol, times, time_name, whole_minutes=whole_minutes)
        if to_ms is not None:
            times = times[: np.searchsorted(times, to_ms)]
        if times.size:
            parts.append(Part(path, symbol, times, {}))
    return parts


def _wrong_unit(time: int) -> str:
    for unit, (first, last) in _UNITS.items():
        if first <= time < last:
            return f"these are {unit}: it must be milliseconds UTC"
    return "this is no time in milliseconds UTC: correct it"


def _values(column: Any, part: Part, rows: Integers | slice, name: str) -> Floats:
    piece = _pick(column, rows)
    if len(piece) > part.times.size:
        piece = piece.slice(0, part.times.size)
    return recordings.floats_of(part.path, part.symbol, {name: piece}, name, part.times)


def _pick(column: Any, rows: Integers | slice) -> Any:
    if isinstance(rows, slice):
        return column.slice(rows.start, rows.stop - rows.start)
    return column.take(pa.array(rows))


def _open(path: Path, names: Sequence[str] = ()) -> "_File":
    try:
        return _ParquetFile(path) if path.suffix in {".parquet", ".pq"} else _CsvFile(path, names)
    except (OSError, pa.ArrowException, UnicodeDecodeError) as error:
        raise DataError(str(recordings.unreadable(path, error))) from error


class _File:
    """A file whose columns are read one by one; `choose` narrows it to the rows that are wanted."""

    rows: int

    def __init__(self, path: Path) -> None:
        self._path = path

    def symbols(self) -> list[str]:
        names = pc.unique(self.column("symbol")).drop_null().cast(pa.string())
        return [str(name) for name in names.to_pylist()]

    def column(self, name: str) -> Any:
        try:
            return self._column(name)
        except (OSError, pa.ArrowException, UnicodeDecodeError) as error:
            raise DataError(str(recordings.unreadable(self._path, error))) from error

    def choose(self, symbols: Sequence[str]) -> dict[str, Integers | slice]:
        self._narrow(symbols)
        which = _numbers_of(self.column("symbol"), symbols)
        found = {symbol: np.flatnonzero(which == index) for index, symbol in enumerate(symbols)}
        return {symbol: _as_slice(rows) for symbol, rows in found.items() if rows.size}

    def _column(self, name: str) -> Any:
        raise NotImplementedError

    def _narrow(self, symbols: Sequence[str]) -> None:
        pass


class _ParquetFile(_File):
    def __init__(self, path: Path) -> None:
        super().__init__(path)
        named = [name for name in ("symbol",) if name in pyarrow.parquet.read_schema(path).names]
        self._file = pyarrow.parquet.ParquetFile(path, read_dictionary=named, page_checksum_verification=True)
        self._groups = list(range(self._file.metadata.num_row_groups))
        self.rows = self._file.metadata.num_rows

    def _column(self, name: str) -> Any:
        return self._file.read_row_groups(self._groups, columns=[name])[name]

    def _narrow(self, symbols: Sequence[str]) -> None:
        self._groups = [group for group in self._groups if self._may_hold(group, symbols)]

    def _may_hold(self, group: int, symbols: Sequence[str]) -> bool:
        about = self._file.metadata.row_group(group)
        columns = (about.column(position) for position in range(about.num_columns))
        statistics = next(column.statistics for column in columns if column.path_in_schema == "symbol")
        if statistics is None or not statistics.has_min_max or not isinstance(statistics.min, str):
            return True
        return any(statistics.min <= symbol <= statistics.max for symbol in symbols)


class _CsvFile(_File):
    def __init__(self, path: Path, names: Sequence[str]) -> None:
        super().__init__(path)
        with pyarrow.csv.open_csv(path) as reader:
            known = set(reader.schema.names)
        wanted = [name for name in ("symbol", *names) if name in known]
        kinds = {name: pa.float64() for name in names if not _is_time(name)} | {"symbol": pa.string()}
        options = pyarrow.csv.ConvertOptions(include_columns=wanted, column_types=kinds)
        try:
            # block by block: reading the file at once takes nearly twice the memory
            with pyarrow.csv.open_csv(path, convert_options=options) as reader:
                table = reader.read_all()
        except pa.ArrowInvalid:
            _refuse_wrong_cell(path, names)
            raise
        _refuse_wrong_cell(path, [name for name in names if _is_time(name) and pa.types.is_string(table[name].type)])
        self.rows = table.num_rows
        self._columns: dict[str, Any] = {name: table[name] for name in wanted}

    def _column(self, name: str) -> Any:
        # each is asked for once, so it goes as soon as it was converted
        return self._columns.pop(name)


def _refuse_wrong_cell(path: Path, names: Sequence[str]) -> None:
    """Raise `DataError` naming line and column of the first value of these columns that is no number, if there is one.

    Times are numbers here too: a file that writes them out is not asked about.
    """
    if not names:
        return
    opened = gzip.open if path.suffix == ".gz" else open
    with opened(path, "rt", encoding="utf-8", newline="") as file:
        rows = csv.DictReader(file)
        for row in rows:
            for name in names:
                text = row.get(name) or ""
                if text not in _EMPTY and not _is_number(text):
                    what = "time in milliseconds UTC" if _is_time(name) else "number"
                    raise DataError(f"{path}: line {rows.line_num}: {name} is {text!r}, no {what}: correct it")


def _is_time(name: str) -> bool:
    return name.endswith("_time")


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return "_" not in text


def _numbers_of(column: Any, symbols: Sequence[str]) -> Integers:
    """Return which of the symbols each row has, -1 for none of them."""
    places = {symbol: number for number, symbol in enumerate(symbols)}
    found = [np.zeros(0, dtype=np.int64)]
    for chunk in column.chunks:
        coded = chunk if pa.types.is_dictionary(chunk.type) else chunk.dictionary_encode()
        names = coded.dictionary.to_pylist()
        number = np.array([*(places.get(name, -1) for name in names), -1])
        codes = coded.indices.fill_null(len(names)) if coded.indices.null_count else coded.indices
        found.append(number[np.from_dlpack(codes)] if len(codes) else found[0])
    return np.concatenate(found)


def _as_slice(rows: NDArray[np.int64]) -> Integers | slice:
    first, last = int(rows[0]), int(rows[-1])
    return slice(first, last + 1) if last - first + 1 == rows.size else rows


def check_times(path: Path, symbol: str, times: Integers, name: str, *, whole_minutes: bool = True) -> None:
    """Raise `DataError` for another unit than ms, rows out of order, and times that are no whole minute."""
    odd = np.flatnonzero((times < _EARLIEST_MS) | (times >= _LATEST_MS))
    if odd.size:
        raise DataError(f"{path}: {symbol} has {name} {times[odd[0]]}: {_wrong_unit(int(times[odd[0]]))}")
    with as_data_errors():
        if whole_minutes:
            off = times % MINUTE_MS != 0
            recordings.refuse(path, symbol, times, off, f"{name} is no whole minute (ms UTC): correct it")
        back = np.diff(times) < 0
        recordings.refuse(path, symbol, times[1:], back, f"row out of order: sort the file by symbol, {name}")


def spacing_of(part: Part) -> int:
    """Return the data's own interval in ms, its smallest spacing; 0 for a single candle.

    Raises `DataError` where that is no interval, or a candle does not lie at a multiple of it.
    """
    symbol, times = part.symbol, part.times
    if times.size == 1:
        return 0
    spacing_ms = int(np.diff(times).min())
    if spacing_ms not in INTERVALS.values():
        raise DataError(
            f"{part.path}: {symbol} has candles {spacing_ms // MINUTE_MS} minutes apart, from {iso(int(times[0]))}: "
            f"an interval is one of {', '.join(INTERVALS)}"
        )
    odd = np.flatnonzero(times % spacing_ms)
    if odd.size:
        raise DataError(
            f"{part.path}: {symbol} at {iso(int(times[odd[0]]))}: not at a whole multiple of "
            f"{interval_name(spacing_ms)}, the interval of the data: correct or remove it"
        )
    return spacing_ms


class Rows:
    """One symbol's rows of several files, in one array for each column, which grows without standing twice."""

    def __init__(self, names: Sequence[str]) -> None:
        self._columns: dict[str, Any] = {}
        self._names = (_TIMES, *names)
        self._paths: list[Path] = []
        self._ends: list[int] = []
        self._symbol = ""
        self._size = 0

    def add(self, part: Part) -> None:
        """Take the rows out of a part."""
        self._symbol = part.symbol
        part.values[_TIMES] = part.times.view(np.float64)
        end = self._size + part.times.size
        for name in self._names:
            self._append(name, part.values.pop(name), end)
        self._size = end
        self._paths.append(part.path)
        self._ends.append(end)

    def whole(self) -> tuple[Part, int, int]:
        """Return the rows in time order, the number of identical duplicates dropped, and the time of the first of them.

        Raises `DataError` where two rows of one time differ, naming the files they are in.
        """
        columns = {name: column[: self._size] for name, column in self._columns.items()}
        self._columns.clear()
        times = columns.pop(_TIMES).view(np.int64)
        if np.all(times[1:] > times[:-1]):
            return Part(self._paths[0], self._symbol, times, columns), 0, 0
        order = np.argsort(times, kind="stable")
        for name in columns:
            columns[name] = columns[name][order]
        return self._without_duplicates(Part(self._paths[0], self._symbol, times[order], columns), order)

    def _append(self, name: str, values: Floats, end: int) -> None:
        column = self._columns.get(name)
        if column is None:
            self._columns[name] = values
            return
        if column.size < end:
            column = _roomier(column, end + end // 4)
            self._columns[name] = column
        column[self._size : end] = values

    def _without_duplicates(self, part: Part, order: Integers) -> tuple[Part, int, int]:
        again = np.flatnonzero(np.diff(part.times) == 0)
        if not again.size:
            return part, 0, 0
        for name, values in part.values.items():
            differing = again[values[again] != values[again + 1]]
            if differing.size:
                raise self._contradiction(part, int(differing[0]), name, order)
        first_ms = int(part.times[again[0]])
        keep = np.ones(part.times.size, dtype=np.bool_)
        keep[again + 1] = False
        kept = {name: values[keep] for name, values in part.values.items()}
        return Part(part.path, part.symbol, part.times[keep], kept), int(again.size), first_ms

    def _contradiction(self, part: Part, row: int, name: str, order: Integers) -> DataError:
        one, other = (self._paths[np.searchsorted(self._ends, order[each], side="right")] for each in (row, row + 1))
        where = f"{one} twice" if one == other else f"{one} and {other}"
        values = f"{part.values[name][row]} and {part.values[name][row + 1]}"
        return DataError(
            f"{where}: {part.symbol} at {iso(int(part.times[row]))}: two rows that differ ({name} {values}): "
            "keep the right one"
        )


def _roomier(column: Floats, size: int) -> Floats:
    if not column.flags.owndata:
        room = np.empty(size)
        room[: column.size] = column
        return room
    column.resize(size, refcheck=False)  # the pages move, they are not copied
    return column


def merged(parts: Sequence[Part], names: Sequence[str]) -> tuple[Part, int, int]:
    """Join the parts of one symbol, taking the arrays out of them: see `Rows.whole`."""
    rows = Rows(names)
    for part in parts:
        rows.add(part)
    return rows.whole()


def check_candles(part: Part) -> None:
    """Raise `DataError` for the first candle or bar that cannot be: see `recordings.check_values`."""
    columns: Mapping[str, Floats] = {"volume": np.zeros(part.times.size)} | part.values
    with as_data_errors():
        recordings.check_values(
            part.path,
            recordings.CandleColumns(
                symbol=part.symbol, open_time=part.times, **{name: columns[name] for name in (*PRICES, "volume")}
            ),
        )
