"""Reading recorded market data: candle files (Parquet, CSV), trade files and raw stream recordings, all checked.

Files hold floats where Binance publishes decimals; a float stands for the decimal of its shortest representation, which
is a whole number of ticks or steps, or the file does not belong to the instrument.
"""

import gzip
import json
import math
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
import pyarrow.parquet
from numpy.typing import NDArray

from simulator.market.instruments import Grid
from simulator.market.tape import MINUTE_MS, DataError

type Integers = NDArray[np.int64]
type Floats = NDArray[np.float64]

_PRICES = ("open", "high", "low", "close")
_CANDLE_COLUMNS = ("open_time", *_PRICES, "volume")
_TRADE_COLUMNS = ("transact_time", "price", "quantity", "is_buyer_maker")
_TEXT_SUFFIXES = (".txt", ".txt.gz", ".jsonl", ".jsonl.gz", ".log", ".log.gz", ".gz")
_OFF_LATTICE = 1e-3


@dataclass(frozen=True, slots=True)
class CandleColumns:
    """One symbol's candles as the file has them, oldest first; `open_time` in ms of the file's own time."""

    symbol: str
    open_time: Integers
    open: Floats
    high: Floats
    low: Floats
    close: Floats
    volume: Floats


@dataclass(frozen=True, slots=True)
class TradeColumns:
    """One symbol's trades in time order: prices in ticks, quantities in steps, `at_ms` of the file's own time."""

    symbol: str
    at_ms: Integers
    price: Integers
    quantity: Integers
    buyer_is_maker: NDArray[np.bool_]


def iso(at_ms: int) -> str:
    """Write a time the way options take it: 2025-05-23T00:00:00Z."""
    return datetime.fromtimestamp(at_ms / 1000, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def holds_trades(path: Path) -> bool:
    """Tell whether a file holds single trades rather than candles. Raises `DataError` when it cannot be read."""
    if _is_text(path):
        return True
    names = column_names(path)
    return "transact_time" in names and "open_time" not in names


def read_candles(path: Path, symbols: Sequence[str]) -> dict[str, CandleColumns]:
    """Read the candles of the symbols asked for; rows of others do not matter.

    Raises `DataError` for an unreadable file, missing columns, a symbol without rows, and within a symbol for rows out
    of order, duplicates, empty or impossible values and times that are no whole minute.
    """
    names = column_names(path)
    missing = [name for name in _CANDLE_COLUMNS if name not in names]
    if missing:
        raise DataError(
            f"{path}: no column {missing[0]!r}: a candle file has the columns symbol, {', '.join(_CANDLE_COLUMNS)}"
        )
    if "symbol" not in names:
        symbol = _only_symbol(path, symbols)
        return {symbol: _candles(path, symbol, _read_table(path, _CANDLE_COLUMNS, None))}
    table = _read_table(path, ("symbol", *_CANDLE_COLUMNS), symbols)
    return {symbol: _candles(path, symbol, _rows_of(path, table, symbol)) for symbol in symbols}


def read_trades(path: Path, grids: Mapping[str, Grid]) -> dict[str, TradeColumns]:
    """Read recorded trades: a vision aggTrades file, or a raw stream recording with `<local ns> <JSON>` lines.

    Raises `DataError` for an unreadable file, a symbol without trades, trades out of order, values off the lattice.
    """
    if _is_text(path):
        return _raw_trades(path, grids)
    names = column_names(path)
    missing = [name for name in _TRADE_COLUMNS if name not in names]
    if missing:
        raise DataError(f"{path}: no column {missing[0]!r}: a trade file has the columns {', '.join(_TRADE_COLUMNS)}")
    if "symbol" not in names:
        symbol = _only_symbol(path, tuple(grids))
        return {symbol: _trades(path, grids[symbol], _read_table(path, _TRADE_COLUMNS, None))}
    table = _read_table(path, ("symbol", *_TRADE_COLUMNS), tuple(grids))
    return {symbol: _trades(path, grid, _rows_of(path, table, symbol)) for symbol, grid in grids.items()}


def read_funding(path: Path, symbols: Sequence[str]) -> dict[str, dict[int, Decimal]]:
    """Read settled funding rates (columns symbol, funding_time, funding_rate).

    The answer maps symbol to {settlement in ms, floored to the minute: rate as a fraction}. Raises `DataError`.
    """
    columns = ("symbol", "funding_time", "funding_rate")
    missing = [name for name in columns if name not in column_names(path)]
    if missing:
        raise DataError(f"{path}: no column {missing[0]!r}: a funding file has the columns {', '.join(columns)}")
    table = _read_table(path, columns, symbols)
    rates: dict[str, dict[int, Decimal]] = {symbol: {} for symbol in symbols}
    for row in table.to_pylist():
        if None in row.values() or not math.isfinite(row["funding_rate"]):
            raise DataError(f"{path}: {row['symbol']} has an empty funding row: remove it")
        rates[row["symbol"]][row["funding_time"] // MINUTE_MS * MINUTE_MS] = Decimal(repr(row["funding_rate"]))
    return rates


def on_lattice(path: Path, symbol: str, name: str, values: Floats, unit: Decimal) -> Integers:
    """Turn prices into ticks or quantities into steps. Raises `DataError` where a value is no whole number of them."""
    ratio = values / float(unit)
    whole = np.rint(ratio)
    off = np.flatnonzero(np.abs(ratio - whole) > _OFF_LATTICE)
    if off.size:
        raise DataError(
            f"{path}: {symbol} {name} {values[off[0]]!s} is not a multiple of {unit:f}: the file is of another market "
            "or time, give the exchangeInfo answer that belongs to it with --exchange-info"
        )
    return whole.astype(np.int64)


def _is_text(path: Path) -> bool:
    return path.name.endswith(_TEXT_SUFFIXES) and not path.name.endswith((".csv.gz", ".parquet.gz"))


def _is_parquet(path: Path) -> bool:
    return path.suffix in {".parquet", ".pq"}


def column_names(path: Path) -> list[str]:
    """Return the names of a file's columns. Raises `DataError` when it cannot be read."""
    try:
        if _is_parquet(path):
            return list(pyarrow.parquet.read_schema(path).names)
        with pyarrow.csv.open_csv(path) as reader:
            return list(reader.schema.names)
    except (OSError, pa.ArrowException, UnicodeDecodeError) as error:
        raise unreadable(path, error) from error


def _read_table(path: Path, columns: Sequence[str], symbols: Sequence[str] | None) -> Any:
    try:
        if _is_parquet(path):
            chosen = None if symbols is None else [("symbol", "in", list(symbols))]
            return pyarrow.parquet.read_table(path, columns=list(columns), filters=chosen)
        options = pyarrow.csv.ConvertOptions(include_columns=list(columns), column_types=_csv_types(columns))
        table = pyarrow.csv.read_csv(path, convert_options=options)
        return table if symbols is None else table.filter(pc.is_in(table["symbol"], pa.array(symbols)))
    except (OSError, pa.ArrowException, UnicodeDecodeError) as error:
        raise unreadable(path, error) from error


def _csv_types(columns: Sequence[str]) -> dict[str, Any]:
    times = {"open_time", "transact_time", "funding_time"}
    others = {"symbol": pa.string(), "is_buyer_maker": pa.bool_()}
    return {name: pa.int64() if name in times else others.get(name, pa.float64()) for name in columns}


def unreadable(path: Path, error: Exception) -> DataError:
    """Say in one line why a file cannot be read."""
    if isinstance(error, FileNotFoundError):
        return DataError(f"{path}: no such file: check its path")
    if path.is_dir():
        return DataError(f"{path}: a folder: name one of its files")
    reason = str(error).strip().splitlines()
    return DataError(
        f"{path}: cannot be read as a Parquet or CSV file ({reason[0] if reason else error!r}): replace it"
    )


def _only_symbol(path: Path, symbols: Sequence[str]) -> str:
    named = [symbol for symbol in symbols if symbol in path.name]
    if len(symbols) == 1:
        return symbols[0]
    others = [symbol for symbol in symbols if symbol not in named]
    raise DataError(
        f"{path}: no column 'symbol', so it holds one symbol only: leave {(others or symbols)[0]!r} out of --symbols"
    )


def _rows_of(path: Path, table: Any, symbol: str) -> Any:
    rows = table.filter(pc.equal(pc.cast(table["symbol"], pa.string()), symbol))
    if rows.num_rows == 0:
        raise DataError(f"{path}: unknown symbol {symbol!r}: no row has it, choose others with --symbols")
    return rows


def _candles(path: Path, symbol: str, table: Any) -> CandleColumns:
    if table.num_rows == 0:
        raise DataError(f"{path}: holds no candles: give a file with 1-minute candles")
    times = times_of(path, symbol, table, "open_time")
    values = {name: floats_of(path, symbol, table, name, times) for name in (*_PRICES, "volume")}
    candles = CandleColumns(symbol=symbol, open_time=times, **values)
    _check_times(path, candles)
    check_values(path, candles)
    return candles


def times_of(path: Path, symbol: str, table: Any, name: str) -> Integers:
    """Return a column of times, integers or timestamps, as ms. Raises `DataError` for empty rows and other types."""
    column = table[name]
    if column.null_count:
        raise DataError(f"{path}: {symbol} has a row without {name}: remove or fill it")
    if pa.types.is_timestamp(column.type):
        try:
            column = column.cast(pa.timestamp("ms", column.type.tz)).cast(pa.int64())
        except pa.ArrowException as error:
            raise DataError(f"{path}: {symbol} has a {name} that is no whole millisecond: correct it") from error
    if not pa.types.is_integer(column.type):
        raise DataError(f"{path}: column {name!r} holds {column.type}: it must be whole milliseconds UTC")
    return np.asarray(numbers_of(column), dtype=np.int64)


def floats_of(path: Path, symbol: str, table: Any, name: str, times: Integers) -> Floats:
    """Return a column of numbers. Raises `DataError` naming the first time at which there is none."""
    try:
        values = np.asarray(numbers_of(table[name].cast(pa.float64())), dtype=np.float64)
    except pa.ArrowException as error:
        raise DataError(f"{path}: column {name!r} of {symbol} holds {table[name].type}: it must be numbers") from error
    refuse(path, symbol, times, ~np.isfinite(values), f"{name} is not a number: fill or remove the row")
    return values


def _check_times(path: Path, candles: CandleColumns) -> None:
    times = candles.open_time
    refuse(path, candles.symbol, times, times % MINUTE_MS != 0, "open_time is no whole minute (ms UTC): correct it")
    refuse(path, candles.symbol, times[1:], np.diff(times) == 0, "duplicate row: remove it")
    refuse(path, candles.symbol, times[1:], np.diff(times) < 0, "row out of order: sort the file by symbol, open_time")


def numbers_of(column: Any) -> NDArray[Any]:
    """Return a column of numbers as an array, NaN where there is none.

    Arrow's own way imports pandas, which costs a third of a second and 70 MiB.
    """
    if column.null_count:
        return np.asarray(column.to_numpy())
    chunks = [np.from_dlpack(chunk) for chunk in column.chunks if len(chunk)]
    return chunks[0] if len(chunks) == 1 else np.concatenate([np.zeros(0, dtype=np.int8), *chunks])


def check_values(path: Path, candles: CandleColumns) -> None:
    """Raise `DataError` for the first candle that cannot be: price, volume, or open and close outside low..high."""
    symbol, times = candles.symbol, candles.open_time
    top = np.maximum(candles.open, candles.close)
    bottom = np.minimum(candles.open, candles.close)
    refuse(path, symbol, times, candles.low <= 0, "price not above 0: correct it")
    refuse(path, symbol, times, candles.volume < 0, "volume below 0: correct it")
    refuse(
        path,
        symbol,
        times,
        (candles.high < top) | (candles.low > bottom),
        "open or close outside low..high: correct it",
    )


def refuse(path: Path, symbol: str, times: Integers, bad: NDArray[np.bool_], what: str) -> None:
    """Raise `DataError` naming the time of the first bad row, if there is one."""
    rows = np.flatnonzero(bad)
    if rows.size:
        raise DataError(f"{path}: {symbol} at {iso(int(times[rows[0]]))}: {what}")


def _trades(path: Path, grid: Grid, table: Any) -> TradeColumns:
    if table.num_rows == 0:
        raise DataError(f"{path}: holds no trades of {grid.symbol}: choose others with --symbols")
    times = times_of(path, grid.symbol, table, "transact_time")
    prices = floats_of(path, grid.symbol, table, "price", times)
    quantities = floats_of(path, grid.symbol, table, "quantity", times)
    makers = np.asarray(table["is_buyer_maker"].to_numpy(), dtype=np.bool_)
    return _checked_trades(path, grid, times, prices, quantities, makers)


def _checked_trades(
    path: Path, grid: Grid, times: Integers, prices: Floats, quantities: Floats, makers: NDArray[np.bool_]
) -> TradeColumns:
    refuse(path, grid.symbol, times[1:], np.diff(times) < 0, "trade out of order: sort the file by time")
    refuse(path, grid.symbol, times, prices <= 0, "price not above 0: correct it")
    refuse(path, grid.symbol, times, quantities <= 0, "quantity not above 0: correct it")
    return TradeColumns(
        symbol=grid.symbol,
        at_ms=times,
        price=on_lattice(path, grid.symbol, "price", prices, grid.tick_size),
        quantity=on_lattice(path, grid.symbol, "quantity", quantities, grid.step_size),
        buyer_is_maker=makers,
    )


def _raw_trades(path: Path, grids: Mapping[str, Grid]) -> dict[str, TradeColumns]:
    found: dict[str, list[tuple[int, float, float, bool]]] = {symbol: [] for symbol in grids}
    try:
        for trade in _raw_trade_frames(path):
            if trade["s"] in found:
                found[trade["s"]].append((trade["T"], float(trade["p"]), float(trade["q"]), trade["m"]))
    except (KeyError, TypeError) as error:
        raise DataError(f"{path}: a trade lacks one of s T p q m ({error}): give a raw stream recording") from error
    return {symbol: _columns_of_raw(path, grids[symbol], rows) for symbol, rows in found.items()}


def _raw_trade_frames(path: Path) -> Iterator[dict[str, Any]]:
    opener = gzip.open if path.suffix == ".gz" else open
    try:
        with opener(path, "rt", encoding="utf-8") as lines:
            for line in lines:
                if '"e":"trade"' in line or '"e":"aggTrade"' in line:
                    frame = json.loads(line[line.index("{") :])
                    trade = frame.get("data", frame)
                    if trade.get("X", "MARKET") == "MARKET":
                        yield trade
    except (OSError, EOFError, zlib.error) as error:
        raise DataError(f"{path}: cannot be read ({error}): check its path") from error
    except ValueError as error:
        raise DataError(f"{path}: a line is not `<local ns> <JSON>`: give a raw stream recording") from error


def _columns_of_raw(path: Path, grid: Grid, rows: Sequence[tuple[int, float, float, bool]]) -> TradeColumns:
    if not rows:
        raise DataError(f"{path}: holds no trades of {grid.symbol}: choose others with --symbols")
    times, prices, quantities, makers = zip(*rows, strict=True)
    return _checked_trades(
        path,
        grid,
        np.array(times, dtype=np.int64),
        np.array(prices, dtype=np.float64),
        np.array(quantities, dtype=np.float64),
        np.array(makers, dtype=np.bool_),
    )
