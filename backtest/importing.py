"""Takes market data files of other origin into the storage: ours, Binance's public archive, freqtrade's."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.feather

from backtest.candle_files import (
    MINUTE_MS,
    Part,
    as_data_errors,
    check_candles,
    check_times,
    merged,
    read_parts,
    spacing_of,
    symbols_in,
)
from backtest.errors import DataError
from backtest.storage import CANDLES, FUNDING, MARK, Added, Kind, Shelf
from backtest.vision import check_sum, rows_of, unzipped
from simulator.market import recordings

_PAIR = re.compile(
    r"(?P<base>[A-Z0-9]+)_(?P<quote>[A-Z0-9]+)_[A-Z0-9]+-\w+-(?P<what>futures|mark|funding_rate)\.feather"
)
_KINDS = {"futures": CANDLES, "mark": MARK, "funding_rate": FUNDING}
_ARCHIVED = re.compile(r"(?P<symbol>[A-Z0-9]+)-(?:\w+)-\d{4}-\d{2}(?:-\d{2})?\.(?:zip|csv)")


@dataclass(frozen=True, slots=True)
class Imported:
    """What a file brought to one series: rows it holds, what they changed, identical duplicates dropped."""

    shelf: Shelf
    rows: int
    added: Added
    duplicates: int


def import_file(
    path: Path, root: Path, symbols: Sequence[str], kind: Kind = CANDLES, *, replace: bool = False
) -> list[Imported]:
    """Store the rows of a file: of these symbols, else of all it holds. The interval is the rows' smallest spacing.

    Nothing is stored unless the whole file is right. Raises `DataError` where it is not, or contradicts what is stored
    and `replace` is not given.
    """
    kind, parts = _read(path, symbols, kind)
    if not parts:
        raise DataError(f"{path}: holds no rows of {', '.join(symbols) or 'any symbol'}: check --symbol")
    checked = [_checked(root, part, kind) for part in parts]
    return [
        Imported(shelf, whole.times.size, shelf.add(whole, replace=replace), dropped)
        for shelf, whole, dropped in checked
    ]


def _read(path: Path, symbols: Sequence[str], kind: Kind) -> tuple[Kind, list[Part]]:
    if path.suffix == ".feather":
        return _freqtrade(path, symbols, kind)
    if path.suffix == ".zip" or _is_headless(path):
        return kind, _archived(path, symbols, kind)
    wanted = symbols or symbols_in([path], (kind.time_name, *kind.value_names))
    return kind, read_parts(path, wanted, kind.time_name, kind.value_names, whole_minutes=kind is not FUNDING)


def _checked(root: Path, part: Part, kind: Kind) -> tuple[Shelf, Part, int]:
    if kind is FUNDING:
        part.times = part.times // MINUTE_MS * MINUTE_MS
        whole, dropped, _ = merged([part], kind.value_names)
        return Shelf(root, part.symbol, kind), whole, dropped
    check_candles(part)
    whole, dropped, _ = merged([part], kind.value_names)
    interval_ms = spacing_of(whole)
    if not interval_ms:
        raise DataError(f"{part.path}: {part.symbol} has a single row, which tells no interval: import more at once")
    return Shelf(root, part.symbol, kind, interval_ms), whole, dropped


# Binance's public archive


def _is_headless(path: Path) -> bool:
    try:
        with path.open("rb") as file:
            return path.suffix == ".csv" and file.read(1).isdigit()
    except OSError as error:
        raise DataError(str(recordings.unreadable(path, error))) from error


def _archived(path: Path, symbols: Sequence[str], kind: Kind) -> list[Part]:
    named = _ARCHIVED.fullmatch(path.name)
    symbol = named["symbol"] if named else ""
    if symbols and symbol and symbol not in symbols:
        return []
    if not symbol and len(symbols) != 1:
        raise DataError(f"{path}: the name is none of the public archive's, so it does not say of which: pass --symbol")
    try:
        content = path.read_bytes()
        published = path.with_name(f"{path.name}.CHECKSUM")
        if published.exists():
            check_sum(path, content, published.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{path}: cannot be read ({error}): check the path") from error
    text = unzipped(path, content) if path.suffix == ".zip" else content
    part = rows_of(path, text, symbol or symbols[0], kind)
    return [part] if part else []


# freqtrade


def _freqtrade(path: Path, symbols: Sequence[str], kind: Kind) -> tuple[Kind, list[Part]]:
    named = _PAIR.fullmatch(path.name)
    symbol = f"{named['base']}{named['quote']}" if named else ""
    kind = _KINDS[named["what"]] if named else kind
    if not symbol and len(symbols) != 1:
        raise DataError(
            f"{path}: the name is not that of a futures pair, such as BTC_USDT_USDT-1m-futures.feather: pass --symbol"
        )
    if symbols and symbol and symbol not in symbols:
        return kind, []
    return kind, [_feather_part(path, symbol or symbols[0], kind)]


def _feather_part(path: Path, symbol: str, kind: Kind) -> Part:
    # freqtrade keeps a funding rate in the column of the opening price
    source = {name: "open" if kind is FUNDING else name for name in kind.value_names}
    table = _feather(path, ("date", *source.values()))
    with as_data_errors():
        times = recordings.times_of(path, symbol, {kind.time_name: table["date"]}, kind.time_name)
        check_times(path, symbol, times, kind.time_name, whole_minutes=kind is not FUNDING)
        values = {
            name: recordings.floats_of(path, symbol, {name: table[column]}, name, times)
            for name, column in source.items()
        }
    return Part(path, symbol, times, values)


def _feather(path: Path, names: Sequence[str]) -> Any:
    try:
        table = pyarrow.feather.read_table(path)
    except (OSError, pa.ArrowException) as error:
        raise DataError(f"{path}: cannot be read as a feather file ({error}): check the path") from error
    missing = [name for name in names if name not in table.column_names]
    if missing:
        raise DataError(f"{path}: no column {missing[0]!r}: a feather file of freqtrade has {', '.join(names)}")
    if table.num_rows == 0:
        raise DataError(f"{path}: holds no rows: give a file with data")
    return table
