"""The candles the bot saw: as a history, how many days later than a recording they are, and where the two differ."""

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Final

import numpy as np

from backtest.errors import DataError
from backtest.history import History, Series
from bot.domain.errors import ConfigurationError
from bot.domain.instrument import Instrument
from bot.domain.market import DAY_MS, MINUTE_MS, Candle
from simulator.market.recordings import Floats, Integers, iso

HISTORY_MS: Final = 1_740 * MINUTE_MS
_COLUMNS: Final = ("open", "high", "low", "close", "volume")
_ENOUGH: Final = 60


def history_of(candles: Mapping[str, Sequence[Candle]], instruments: Mapping[str, Instrument]) -> History:
    """Make a history of one-minute candles the bot stored. Raises DataError for prices off the contract's tick."""
    return History(MINUTE_MS, {name: _series(rows, instruments[name]) for name, rows in candles.items()}, ())


def cut(history: History, first_ms: int, end_ms: int) -> History:
    """Return the candles that open from `first_ms` to before `end_ms`."""
    series = {symbol: _cut(each, first_ms, end_ms) for symbol, each in history.series.items()}
    return History(history.interval_ms, series, history.findings)


def shift_between(recorded: History, seen: History) -> int:
    """Return by how many ms (whole days) the candles the bot saw are later than those recorded.

    Raises ConfigurationError when they are not the same candles on any day.
    """
    for symbol, series in seen.series.items():
        if len(series.open_time) >= _ENOUGH and (found := _shift(recorded.series[symbol], series)) is not None:
            return found
    raise ConfigurationError(
        "the candles of --data are not those the bot saw, on no day: pass the file the simulator replayed, say the "
        "days between them with --shift-days, or leave --data out to use the bot's own candles."
    )


def changed(recorded: History, seen: History, shift_ms: int) -> dict[str, list[int]]:
    """Return the candles (open times by symbol, time of the recording) that are not the same, or on one side alone."""
    found: dict[str, list[int]] = {}
    for symbol, theirs in seen.series.items():
        ours = recorded.series[symbol]
        times = theirs.open_time - shift_ms
        both, mine, other = np.intersect1d(ours.open_time, times, assume_unique=True, return_indices=True)
        differs = np.zeros(len(both), dtype=np.bool_)
        for name in _COLUMNS:
            differs |= ~np.isclose(_value(ours, name)[mine], _value(theirs, name)[other], rtol=1e-12, atol=0)
        alone = np.setxor1d(ours.open_time, times, assume_unique=True)
        found[symbol] = sorted([*both[differs].tolist(), *alone.tolist()])
    return found


def _series(rows: Sequence[Candle], instrument: Instrument) -> Series:
    tick, step = instrument.tick, instrument.step()
    return Series(
        symbol=instrument.symbol,
        tick=tick,
        step=step,
        open_time=np.array([row.open_time for row in rows], dtype=np.int64),
        open=_units(rows, [row.open for row in rows], tick),
        high=_units(rows, [row.high for row in rows], tick),
        low=_units(rows, [row.low for row in rows], tick),
        close=_units(rows, [row.close for row in rows], tick),
        volume=_units(rows, [row.volume for row in rows], step),
    )


def _units(rows: Sequence[Candle], values: Sequence[Decimal], unit: Decimal) -> Floats:
    for row, value in zip(rows, values, strict=True):
        if value % unit:
            raise DataError(
                f"the bot's candle of {row.symbol} at {iso(row.open_time)} holds {value}, which is no whole number of "
                f"{unit}: its contract has changed since; pass --exchange-info of that time"
            )
    return np.array([int(value / unit) for value in values], dtype=np.float64)


def _cut(series: Series, first_ms: int, end_ms: int) -> Series:
    rows = slice(*np.searchsorted(series.open_time, (first_ms, end_ms)).tolist())
    return Series(
        symbol=series.symbol,
        tick=series.tick,
        step=series.step,
        open_time=series.open_time[rows],
        open=series.open[rows],
        high=series.high[rows],
        low=series.low[rows],
        close=series.close[rows],
        volume=series.volume[rows],
    )


def _shift(recorded: Series, seen: Series) -> int | None:
    """Return the shift at which the last candles seen are in the recording; none while they are all alike."""
    last, closes = seen.open_time[-_ENOUGH:], _value(seen, "close")[-_ENOUGH:]
    if np.ptp(closes) == 0:
        return None
    same_minute = (recorded.open_time - last[-1]) % DAY_MS == 0
    ends: Integers = recorded.open_time[same_minute & np.isclose(_value(recorded, "close"), closes[-1], rtol=1e-12)]
    for end in ends.tolist():
        rows = np.searchsorted(recorded.open_time, last - (last[-1] - end))
        if rows[-1] < len(recorded.open_time) and np.allclose(
            _value(recorded, "close")[rows], closes, rtol=1e-12, atol=0
        ):
            return int(last[-1]) - int(end)
    return None


def _value(series: Series, name: str) -> Floats:
    """Return a column in the contract's own money, for comparing two histories only."""
    unit = series.step if name == "volume" else series.tick
    column: Floats = getattr(series, name)
    return column * float(unit)
