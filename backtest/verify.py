"""Judges stored market data: what is missing, stands twice, cannot be, or contradicts a coarser interval."""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

import numpy as np
from numpy.typing import NDArray

from backtest.candle_files import PRICES, Part, interval_name, read_parts
from backtest.errors import DataError
from backtest.history import Finding, Series, holes, resampled
from backtest.storage import CANDLES, FUNDING, Shelf
from simulator.market.recordings import Floats, Integers, iso

type Booleans = NDArray[np.bool_]

WRONG = frozenset({"duplicate", "insane", "contradiction", "unreadable"})
"""Kinds of findings that make data wrong. Holes and minutes without volume happen at the exchange itself."""

_LONGEST_FUNDING_MS = 8 * 3_600_000
_SHORTEST_SILENCE = 3
_ONE = Decimal(1)


@dataclass(frozen=True, slots=True)
class Checked:
    """One stored series: its rows, their first and last time (0 without rows), and what was found."""

    symbol: str
    name: str
    rows: int
    first_ms: int
    last_ms: int
    findings: tuple[Finding, ...]

    @property
    def wrong(self) -> int:
        """Return how many findings make the data wrong."""
        return sum(finding.kind in WRONG for finding in self.findings)


def verify(shelves: Sequence[Shelf], *, silence: int = _SHORTEST_SILENCE) -> list[Checked]:
    """Judge stored series, each by itself and the candles of a symbol against its coarser ones.

    `silence` is the number of candles without volume in a row from which on they are told.
    """
    checked: list[Checked] = []
    finer: list[tuple[int, Series]] = []
    for shelf in shelves:
        if finer and finer[0][1].symbol != shelf.symbol:
            finer = []
        checked.append(_checked(shelf, finer, silence))
    return checked


def _checked(shelf: Shelf, finer: list[tuple[int, Series]], silence: int) -> Checked:
    findings: list[Finding] = []
    part = _rows(shelf, findings)
    if part is None:
        return Checked(shelf.symbol, shelf.name, 0, 0, 0, tuple(findings))
    if shelf.kind is FUNDING:
        findings += _twice(part, shelf) + _late(part)
    else:
        findings += _twice(part, shelf) + _insane(part, shelf)
        single = _without_duplicates(part)
        series = _series(single)
        findings += holes(series, shelf.interval_ms)
        if shelf.kind is CANDLES:
            findings += _silent(series, shelf.interval_ms, silence)
            for interval_ms, fine in finer:
                findings += _contradictions(fine, interval_ms, series, shelf.interval_ms)
            finer.append((shelf.interval_ms, series))
    return Checked(shelf.symbol, shelf.name, part.times.size, int(part.times[0]), int(part.times[-1]), tuple(findings))


def _rows(shelf: Shelf, findings: list[Finding]) -> Part | None:
    parts = []
    for file in shelf.files():
        try:
            parts += read_parts(file, (shelf.symbol,), shelf.kind.time_name, shelf.kind.value_names)
        except DataError as error:
            findings.append(Finding(shelf.symbol, "unreadable", 0, 1, str(error)))
    if not parts:
        return None
    times = np.concatenate([part.times for part in parts])
    order = np.argsort(times, kind="stable")
    values = {name: np.concatenate([part.values.pop(name) for part in parts])[order] for name in shelf.kind.value_names}
    return Part(shelf.folder, shelf.symbol, times[order], values)


def _without_duplicates(part: Part) -> Part:
    keep = np.diff(part.times, prepend=part.times[0] - 1) != 0
    return Part(part.path, part.symbol, part.times[keep], {name: each[keep] for name, each in part.values.items()})


def _series(part: Part) -> Series:
    volume = part.values.get("volume", np.zeros(part.times.size))
    prices = {name: part.values[name] for name in PRICES}
    return Series(symbol=part.symbol, tick=_ONE, step=_ONE, open_time=part.times, volume=volume, **prices)


def _twice(part: Part, shelf: Shelf) -> list[Finding]:
    rows = np.flatnonzero(np.diff(part.times) == 0)
    return [
        Finding(part.symbol, "duplicate", at, 1, f"{part.symbol} {shelf.name}: two rows of {iso(at)}")
        for at in part.times[rows].tolist()
    ]


def _insane(part: Part, shelf: Shelf) -> list[Finding]:
    prices = [part.values[name] for name in PRICES]
    volume = part.values.get("volume", np.zeros(part.times.size))
    top, bottom = np.maximum(prices[0], prices[3]), np.minimum(prices[0], prices[3])
    bad = (prices[1] < top) | (prices[2] > bottom) | (prices[2] <= 0) | (volume < 0)
    return [
        Finding(part.symbol, "insane", at, 1, f"{part.symbol} {shelf.name}: {iso(at)} cannot be: {_row(part, row)}")
        for row, at in zip(np.flatnonzero(bad).tolist(), part.times[bad].tolist(), strict=True)
    ]


def _row(part: Part, row: int) -> str:
    return ", ".join(f"{name} {values[row]}" for name, values in part.values.items())


def _late(part: Part) -> list[Finding]:
    gaps = np.diff(part.times)
    rows = np.flatnonzero(gaps > _LONGEST_FUNDING_MS)
    return [
        Finding(
            part.symbol,
            "hole",
            after,
            1,
            f"{part.symbol} funding: nothing settled for {gap / 3_600_000:g} hours after {iso(after)}",
        )
        for after, gap in zip(part.times[rows].tolist(), gaps[rows].tolist(), strict=True)
    ]


def _silent(series: Series, interval_ms: int, least: int) -> list[Finding]:
    found = []
    for first, count in _runs(series.open_time, series.volume == 0, interval_ms):
        if count >= least:
            when = f"{iso(first)} to {iso(first + (count - 1) * interval_ms)}"
            text = f"{series.symbol} {interval_name(interval_ms)}: {count:,} candles without volume, {when}"
            found.append(Finding(series.symbol, "zero_volume", first, count, text))
    return found


def _runs(times: Integers, wanted: Booleans, interval_ms: int) -> list[tuple[int, int]]:
    rows = np.flatnonzero(wanted)
    if not rows.size:
        return []
    starts = np.flatnonzero(np.diff(times[rows], prepend=times[rows[0]] - 2 * interval_ms) != interval_ms)
    counts = np.diff(starts, append=rows.size)
    return list(zip(times[rows[starts]].tolist(), counts.tolist(), strict=True))


def _contradictions(fine: Series, fine_ms: int, coarse: Series, coarse_ms: int) -> list[Finding]:
    try:
        made = resampled(fine, fine_ms, coarse_ms, [])
    except DataError:
        return []  # not a multiple, or not one whole bar
    _, ours, theirs = np.intersect1d(made.open_time, coarse.open_time, assume_unique=True, return_indices=True)
    differs = np.zeros(ours.size, dtype=np.bool_)
    for name in (*PRICES, "volume"):
        differs |= _unequal(getattr(made, name)[ours], getattr(coarse, name)[theirs], name)
    return [
        _contradiction(made, int(ours[row]), fine_ms, coarse, int(theirs[row]), coarse_ms)
        for row in np.flatnonzero(differs).tolist()
    ]


def _unequal(made: Floats, given: Floats, name: str) -> Booleans:
    # a sum of floats is off by some last digits; a whole step never is so little
    return made != given if name != "volume" else np.abs(made - given) > 1e-9 + np.abs(given) * 1e-12


def _contradiction(made: Series, ours: int, fine_ms: int, coarse: Series, theirs: int, coarse_ms: int) -> Finding:
    at_ms = int(coarse.open_time[theirs])
    pairs = {name: (getattr(made, name)[ours], getattr(coarse, name)[theirs]) for name in (*PRICES, "volume")}
    differing = ", ".join(f"{name} {one:.12g} and {other:.12g}" for name, (one, other) in pairs.items() if one != other)
    text = (
        f"{coarse.symbol} at {iso(at_ms)}: {interval_name(fine_ms)} and {interval_name(coarse_ms)} differ: {differing}"
    )
    return Finding(coarse.symbol, "contradiction", at_ms, 1, text)
