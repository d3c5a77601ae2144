"""Recorded candles, funding and mark prices as checked arrays: what a backtest runs on.

Holes stay holes, identical duplicates are dropped, everything else that is odd is refused or told as a finding.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path

import numpy as np

from backtest.candle_files import (
    INTERVALS,
    MINUTE_MS,
    PRICES,
    Part,
    Rows,
    check_candles,
    files_in,
    give_memory_back,
    interval_name,
    read_parts,
    spacing_of,
    symbols_in,
)
from backtest.errors import DataError
from bot.domain.instrument import Instrument
from bot.domain.money import plain
from simulator.market.recordings import Floats, Integers, iso

__all__ = [
    "INTERVALS",
    "Finding",
    "FundingSeries",
    "History",
    "MarkSeries",
    "Series",
    "read_funding",
    "read_history",
    "read_marks",
    "symbols_in",
    "written",
]

_CANDLE = (*PRICES, "volume")
_MOST_PLACES = 8
_EXACT = 2**53
_NOISE = 1e-9
_ULPS = 1e-15
_BLOCK = 65_536


@dataclass(frozen=True, slots=True)
class Series:
    """One symbol's candles, oldest first, on its price and quantity unit.

    `tick` and `step` are the contract's own, or a finer decimal unit where the data does not lie on them, as it was
    with older tick sizes; a finding says so. `open_time` is ms UTC and strictly increasing, prices are whole ticks and
    `volume` whole steps, held as floats.
    """

    symbol: str
    tick: Decimal
    step: Decimal
    open_time: Integers
    open: Floats
    high: Floats
    low: Floats
    close: Floats
    volume: Floats


@dataclass(frozen=True, slots=True)
class Finding:
    """Something in the data that people should know and that is handled by policy; `text` is one line for them.

    `kind` and `count`: hole (missing candles), duplicate (rows dropped), off_tick and off_step (values off the
    contract's unit), incomplete (candles present of a bar that was not made of them). `at_ms` is the first time.
    """

    symbol: str
    kind: str
    at_ms: int
    count: int
    text: str


@dataclass(frozen=True, slots=True)
class History:
    """The candles of all symbols, `interval_ms` apart or with holes, and what was found while reading."""

    interval_ms: int
    series: dict[str, Series]
    findings: tuple[Finding, ...]


@dataclass(frozen=True, slots=True)
class FundingSeries:
    """Settled funding of one symbol: times in ms UTC floored to the minute, rates as a fraction per settlement."""

    symbol: str
    at_ms: Integers
    rate: tuple[Decimal, ...]


@dataclass(frozen=True, slots=True)
class MarkSeries:
    """Mark price bars of one symbol in quote asset; each float stands for the decimal of its shortest text."""

    symbol: str
    open_time: Integers
    open: Floats
    high: Floats
    low: Floats
    close: Floats

    def opening(self, at_ms: int) -> Decimal | None:
        """Return the mark price at the open of the bar that starts at this time; None where there is none."""
        row = int(np.searchsorted(self.open_time, at_ms))
        if row == self.open_time.size or self.open_time[row] != at_ms:
            return None
        return Decimal(repr(float(self.open[row])))


def read_history(
    paths: Sequence[Path],
    instruments: Mapping[str, Instrument],
    *,
    interval_ms: int | None = None,
    to_ms: int | None = None,
) -> History:
    """Read the candles of these instruments from Parquet and CSV files or folders of them.

    Columns: open_time (ms UTC), open, high, low, close, volume, and symbol unless the name says it; others do not
    matter. `interval_ms` resamples to a coarser interval, a bar only where all its candles are there; None keeps the
    data's own. Candles at or after `to_ms` are left out. Raises `DataError`, one line naming file, symbol and time, for
    whatever cannot be used as it is.
    """
    files = files_in(paths, tuple(instruments), interval_ms=interval_ms)
    rows = _rows(files, tuple(instruments), to_ms)
    findings: list[Finding] = []
    series: dict[str, Series] = {}
    spacings: dict[str, int] = {}
    for symbol, instrument in instruments.items():
        if symbol not in rows:
            raise DataError(f"{_named(files)}: no candles of {symbol}{_before(to_ms)}: give data that holds it")
        whole = _whole(rows.pop(symbol), findings)
        spacings[symbol] = spacing_of(whole)
        series[symbol] = _series(whole, instrument, findings)
    known = interval_ms or _common(spacings)
    for symbol in instruments:
        spacing_ms = spacings[symbol] or known
        findings += holes(series[symbol], spacing_ms)
        series[symbol] = resampled(series[symbol], spacing_ms, known, findings)
    give_memory_back()
    return History(interval_ms=known, series=series, findings=tuple(findings))


def read_funding(path: Path, symbols: Sequence[str]) -> dict[str, FundingSeries]:
    """Read settled funding (columns symbol, funding_time, funding_rate) of the symbols that have any.

    Times lose their jitter of some ms by flooring to the minute. Raises `DataError`.
    """
    found = _gathered(path, symbols, "funding", "funding_time", ("funding_rate",))
    return {
        symbol: FundingSeries(symbol, part.times, tuple(map(Decimal, map(repr, part.values["funding_rate"].tolist()))))
        for symbol, part in found.items()
    }


def read_marks(path: Path, symbols: Sequence[str]) -> dict[str, MarkSeries]:
    """Read mark price bars (columns symbol, open_time, open, high, low, close) of the symbols that have any.

    Any interval; raises `DataError`.
    """
    found = _gathered(path, symbols, "mark", "open_time", PRICES)
    return {symbol: MarkSeries(symbol, part.times, **part.values) for symbol, part in found.items()}


def written(findings: Iterable[Finding], *, most_of_a_kind: int = 5) -> list[str]:
    """Return the findings as lines for people: of each symbol and kind the first ones, and how many more there are."""
    groups: dict[tuple[str, str], list[Finding]] = {}
    for finding in findings:
        groups.setdefault((finding.symbol, finding.kind), []).append(finding)
    lines = []
    for (symbol, kind), group in groups.items():
        lines += [finding.text for finding in group[:most_of_a_kind]]
        rest = group[most_of_a_kind:]
        if rest:
            total = sum(finding.count for finding in rest)
            lines.append(f"{symbol}: {len(rest)} more of kind {kind}, {total:,} candles")
    return lines


# files to one part for each symbol


def _rows(files: Sequence[Path], symbols: Sequence[str], to_ms: int | None) -> dict[str, Rows]:
    found: dict[str, Rows] = {}
    for file in files:
        for part in read_parts(file, symbols, "open_time", _CANDLE, to_ms=to_ms):
            check_candles(part)
            found.setdefault(part.symbol, Rows(_CANDLE)).add(part)
    return found


def _gathered(
    path: Path, symbols: Sequence[str], kind: str, time_name: str, value_names: Sequence[str]
) -> dict[str, Part]:
    found: dict[str, Rows] = {}
    for file in files_in([path], symbols, kind=kind):
        for part in read_parts(file, symbols, time_name, value_names, whole_minutes=kind == "mark"):
            if kind == "mark":
                check_candles(part)
            part.times = part.times // MINUTE_MS * MINUTE_MS
            found.setdefault(part.symbol, Rows(value_names)).add(part)
    return {symbol: rows.whole()[0] for symbol, rows in found.items()}


def _named(files: Sequence[Path]) -> str:
    return str(files[0]) if len(files) == 1 else f"{files[0]} and {len(files) - 1} more"


def _before(to_ms: int | None) -> str:
    return "" if to_ms is None else f" before {iso(to_ms)}"


# one part to a series


def _whole(rows: Rows, findings: list[Finding]) -> Part:
    whole, dropped, first_ms = rows.whole()
    if dropped:
        text = f"{whole.symbol}: {dropped:,} rows stand twice, the first at {iso(first_ms)}: one of each is used"
        findings.append(Finding(whole.symbol, "duplicate", first_ms, dropped, text))
    return whole


def _series(part: Part, instrument: Instrument, findings: list[Finding]) -> Series:
    tick = _price_unit(part, instrument, findings)
    step = _volume_unit(part, instrument, findings)
    units = {name: step if name == "volume" else tick for name in _CANDLE}
    columns = {name: _whole_units(part.values.pop(name), unit) for name, unit in units.items()}
    return Series(symbol=part.symbol, tick=tick, step=step, open_time=part.times, **columns)


def _price_unit(part: Part, instrument: Instrument, findings: list[Finding]) -> Decimal:
    unit, off, row = _unit([part.values[name] for name in PRICES], instrument.tick)
    if unit is None:
        raise DataError(
            f"{part.path}: {part.symbol} at {iso(int(part.times[row]))}: a price has more than {_MOST_PLACES} "
            "decimals: round the file's prices to the contract's tick"
        )
    if off:
        findings.append(_off_unit(part, "off_tick", "prices", off, row, f"{instrument.tick:f}", unit))
    return unit


def _volume_unit(part: Part, instrument: Instrument, findings: list[Finding]) -> Decimal:
    volume = part.values["volume"]
    unit, off, row = _unit([volume], instrument.step())
    # A volume is no money: one that is no decimal at all, as made-up ones are, is rounded to the finest unit that fits.
    used = unit or next((each for each in _units(instrument.step())[::-1] if _holds(volume, each)), instrument.step())
    if off:
        findings.append(_off_unit(part, "off_step", "volumes", off, row, f"{instrument.step():f}", used))
    return used


def _off_unit(part: Part, kind: str, what: str, off: int, row: int, unit: str, used: Decimal) -> Finding:
    at_ms = int(part.times[row])
    text = (
        f"{part.symbol}: {off:,} {what} are no multiple of {unit}, the first at {iso(at_ms)}: "
        f"the data is read in units of {plain(used)}"
    )
    return Finding(part.symbol, kind, at_ms, off, text)


def _unit(columns: Sequence[Floats], contract: Decimal) -> tuple[Decimal | None, int, int]:
    """Return the coarsest unit that fits, how many values are off the contract's own, and the first row of them."""
    off = [_off(values, contract) for values in columns]
    count = sum(rows.size for rows in off)
    if not count:
        return contract, 0, 0
    first = min(int(rows[0]) for rows in off if rows.size)
    for unit in _units(contract)[1:]:
        if all(_holds(values, unit) and not _off(values, unit).size for values in columns):
            return unit, count, first
    return None, count, first


def _units(contract: Decimal) -> list[Decimal]:
    places = max(0, -int(contract.normalize().as_tuple().exponent))
    finer = [Decimal(1).scaleb(-place) for place in range(places, _MOST_PLACES + 1)]
    return [contract, *(unit for unit in finer if unit < contract)]


def _holds(values: Floats, unit: Decimal) -> bool:
    return float(values.max()) / float(unit) < _EXACT


def _off(values: Floats, unit: Decimal) -> Integers:
    starts = range(0, values.size, _BLOCK)
    return np.concatenate([start + _off_in_block(values[start : start + _BLOCK], unit) for start in starts])


def _off_in_block(values: Floats, unit: Decimal) -> Integers:
    ratio = values / float(unit)
    return np.flatnonzero(np.abs(ratio - np.rint(ratio)) > np.maximum(_NOISE, ratio * _ULPS))


def _whole_units(values: Floats, unit: Decimal) -> Floats:
    ratio: Floats = values / float(unit)
    return np.rint(ratio, out=ratio)


# intervals


def _common(spacings: Mapping[str, int]) -> int:
    known = {spacing_ms: symbol for symbol, spacing_ms in spacings.items() if spacing_ms}
    if len(known) > 1:
        (one, first), (other, second) = sorted(known.items())[:2]
        raise DataError(
            f"{first} has candles of {interval_name(one)}, {second} of {interval_name(other)}: "
            "ask for one interval that all can make"
        )
    return next(iter(known), MINUTE_MS)


def holes(series: Series, interval_ms: int) -> list[Finding]:
    """Return a finding for each stretch of candles that are missing."""
    times = series.open_time
    before = np.flatnonzero(np.diff(times) > interval_ms)
    firsts = (times[before] + interval_ms).tolist()
    counts = ((times[before + 1] - times[before]) // interval_ms - 1).tolist()
    return [
        Finding(series.symbol, "hole", first, count, f"{series.symbol}: {_missing(first, count, interval_ms)}")
        for first, count in zip(firsts, counts, strict=True)
    ]


def _missing(first_ms: int, count: int, interval_ms: int) -> str:
    if count == 1:
        return f"the candle of {iso(first_ms)} is missing"
    return f"{count:,} candles are missing, {iso(first_ms)} to {iso(first_ms + (count - 1) * interval_ms)}"


def resampled(series: Series, interval_ms: int, wanted_ms: int, findings: list[Finding]) -> Series:
    """Make coarser bars of a series, each only where all its candles are there; the others become findings.

    Raises `DataError` where the coarser interval cannot be made of the finer one.
    """
    if wanted_ms == interval_ms:
        return series
    name, wanted = interval_name(interval_ms), interval_name(wanted_ms)
    if wanted_ms % interval_ms:
        raise DataError(f"{series.symbol}: the data has candles of {name}, from which {wanted} cannot be made")
    bar = series.open_time // wanted_ms * wanted_ms
    first = np.flatnonzero(np.diff(bar, prepend=bar[0] - 1))
    count = np.diff(first, append=bar.size)
    needed = wanted_ms // interval_ms
    whole = count == needed
    findings += [
        _incomplete(series.symbol, int(bar[first[row]]), int(count[row]), needed) for row in np.flatnonzero(~whole)
    ]
    if not whole.any():
        raise DataError(f"{series.symbol}: the candles of {name} make no whole {wanted}: give more data")
    return Series(
        symbol=series.symbol,
        tick=series.tick,
        step=series.step,
        open_time=bar[first][whole],
        open=series.open[first][whole],
        high=np.maximum.reduceat(series.high, first)[whole],
        low=np.minimum.reduceat(series.low, first)[whole],
        close=series.close[first + count - 1][whole],
        volume=np.add.reduceat(series.volume, first)[whole],
    )


def _incomplete(symbol: str, at_ms: int, present: int, wanted: int) -> Finding:
    text = f"{symbol}: the bar of {iso(at_ms)} is left out, {present} of its {wanted} candles are there"
    return Finding(symbol, "incomplete", at_ms, present, text)
