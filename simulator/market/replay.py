"""Markets played from recordings, moved by whole days to the latest day that is not in the future."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from simulator.market.funding import FundingRates
from simulator.market.generate import Walk
from simulator.market.instruments import Grid, grids
from simulator.market.path import (
    TICKS_PER_MINUTE,
    Bar,
    candle_of_bar,
    candle_of_ticks,
    marks_of,
    minute_in_time_order,
    minute_of_bars,
)
from simulator.market.recordings import (
    CandleColumns,
    Integers,
    TradeColumns,
    holds_trades,
    iso,
    on_lattice,
    read_candles,
    read_funding,
    read_trades,
)
from simulator.market.tape import DAY_MS, HISTORY_MINUTES, MINUTE_MS, Candle, DataError, Mark, Minute, Tape, Tick

_HISTORY_MS: Final = HISTORY_MINUTES * MINUTE_MS
_LATE_FIRST_TRADE_MS: Final = 10_000


def open_recording(
    path: Path,
    exchange_info: dict[str, Any],
    *,
    symbols: Sequence[str],
    start_ms: int | None,
    now_ms: int,
    seed: int = 0,
    ticks_per_minute: int = TICKS_PER_MINUTE,
    funding_path: Path | None = None,
) -> Tape:
    """Open a file of candles or of trades as a market, see `CandleReplay` and `TradeReplay`.

    `start_ms` is in the file's own time, a whole minute; None is the first 00:00 UTC with enough history (for trades,
    which bring no history, the first minute). `now_ms` is the wall time the market is moved to. `seed` decides the path
    within each candle and the funding rates that are not in `funding_path`. Raises `DataError`.
    """
    if start_ms is not None and start_ms % MINUTE_MS:
        raise DataError(f"--start {iso(start_ms)}: not a whole minute: leave the seconds out")
    lattice = grids(exchange_info, symbols)
    recorded = read_funding(funding_path, symbols) if funding_path else {}
    if holds_trades(path):
        return _open_trades(path, lattice, start_ms=start_ms, now_ms=now_ms, seed=seed, recorded=recorded)
    return _open_candles(
        path, lattice, start_ms=start_ms, now_ms=now_ms, seed=seed, recorded=recorded, count=ticks_per_minute
    )


class CandleReplay:
    """Recorded 1-minute candles, each expanded to a path; a missing row is a hole, also in what is played."""

    def __init__(
        self, bars: Mapping[str, "_Bars"], *, grids: Mapping[str, Grid], plan: "_Plan", seed: int, count: int
    ) -> None:
        self.symbols = tuple(bars)
        self.start_ms = plan.start_ms + plan.shift_ms
        self.end_ms: int | None = plan.end_ms + plan.shift_ms
        self.shift_ms = plan.shift_ms
        self._bars = bars
        self._grids = grids
        self._plan = plan
        self._seed = seed
        self._count = count

    def history(self, symbol: str) -> Sequence[Candle]:
        """See `Tape.history`."""
        bars = self._bars[symbol]
        first, last = bars.index(self._plan.history_ms), bars.index(self._plan.start_ms)
        return [candle_of_bar(bars.at(row, self.shift_ms), self._grids[symbol]) for row in range(first, last)]

    def minute(self, open_time: int) -> Minute:
        """See `Tape.minute`; any order will do."""
        bars = {symbol: bars.find(open_time - self.shift_ms, self.shift_ms) for symbol, bars in self._bars.items()}
        known = {symbol: bar for symbol, bar in bars.items() if bar is not None}
        return minute_of_bars(open_time, known, self._grids, count=self._count, seed=self._seed)

    def funding_rate(self, symbol: str, funding_time: int) -> Decimal:
        """See `Tape.funding_rate`."""
        return self._plan.funding.rate(symbol, funding_time - self.shift_ms)

    def funding_interval_hours(self, symbol: str) -> int:
        """See `Tape.funding_interval_hours`."""
        return self._plan.funding.interval_hours(symbol, self._plan.start_ms)


class TradeReplay:
    """Recorded trades at their own times. A minute without trades is a flat candle, for recordings run through.

    A recording is rarely long enough for its own history, so candles before it are generated from the seed and end at
    its first price.
    """

    def __init__(
        self, trades: Mapping[str, TradeColumns], *, grids: Mapping[str, Grid], plan: "_Plan", seed: int
    ) -> None:
        self.symbols = tuple(trades)
        self.start_ms = plan.start_ms + plan.shift_ms
        self.end_ms: int | None = plan.end_ms + plan.shift_ms
        self.shift_ms = plan.shift_ms
        self._trades = trades
        self._grids = grids
        self._plan = plan
        self._seed = seed

    def history(self, symbol: str) -> Sequence[Candle]:
        """See `Tape.history`."""
        first = _first_minute(self._trades[symbol])
        recorded = [
            self._candle(symbol, open_time, self._ticks(symbol, open_time))
            for open_time in range(first, self._plan.start_ms, MINUTE_MS)
        ]
        return [*self._generated(symbol, before=first), *recorded]

    def minute(self, open_time: int) -> Minute:
        """See `Tape.minute`; any order will do."""
        if not self.start_ms <= open_time < self._plan.end_ms + self.shift_ms:
            return Minute(open_time=open_time, candles={}, ticks=(), marks=())
        candles: dict[str, Candle] = {}
        ticks: list[Tick] = []
        marks: list[Mark] = []
        for symbol in self.symbols:
            own = self._ticks(symbol, open_time - self.shift_ms)
            candles[symbol] = self._candle(symbol, open_time - self.shift_ms, own)
            ticks += own
            marks += marks_of(symbol, open_time, own, before=self._price_before(symbol, open_time - self.shift_ms))
        return minute_in_time_order(open_time, candles, ticks, marks)

    def funding_rate(self, symbol: str, funding_time: int) -> Decimal:
        """See `Tape.funding_rate`."""
        return self._plan.funding.rate(symbol, funding_time - self.shift_ms)

    def funding_interval_hours(self, symbol: str) -> int:
        """See `Tape.funding_interval_hours`."""
        return self._plan.funding.interval_hours(symbol, self._plan.start_ms)

    def _ticks(self, symbol: str, open_time: int) -> list[Tick]:
        trades, grid = self._trades[symbol], self._grids[symbol]
        first, last = np.searchsorted(trades.at_ms, (open_time, open_time + MINUTE_MS))
        return [
            Tick(
                symbol,
                int(trades.at_ms[row]) + self.shift_ms,
                grid.price(int(trades.price[row])),
                grid.quantity(int(trades.quantity[row])),
                bool(trades.buyer_is_maker[row]),
            )
            for row in range(first, last)
        ]

    def _candle(self, symbol: str, open_time: int, ticks: Sequence[Tick]) -> Candle:
        if ticks:
            return candle_of_ticks(symbol, open_time + self.shift_ms, ticks)
        price = self._ticks_before(symbol, open_time)
        return candle_of_bar(Bar(open_time + self.shift_ms, price, price, price, price, 0), self._grids[symbol])

    def _price_before(self, symbol: str, open_time: int) -> Decimal:
        return self._grids[symbol].price(self._ticks_before(symbol, open_time))

    def _ticks_before(self, symbol: str, open_time: int) -> int:
        trades = self._trades[symbol]
        row = int(np.searchsorted(trades.at_ms, open_time))
        return int(trades.price[max(0, row - 1)])

    def _generated(self, symbol: str, *, before: int) -> list[Candle]:
        grid = self._grids[symbol]
        price = int(self._trades[symbol].price[0])
        walk = Walk.starting_at(
            grid.price(price), grid, seed=self._seed, open_time=before - _HISTORY_MS + self.shift_ms
        )
        bars = [walk.bar() for _ in range(HISTORY_MINUTES)]
        return [candle_of_bar(_moved(bar, price - bars[-1].close), grid) for bar in bars]


@dataclass(frozen=True, slots=True)
class _Plan:
    """What is played of a recording, in the file's own time, and how far it is moved."""

    history_ms: int
    start_ms: int
    end_ms: int
    shift_ms: int
    funding: FundingRates


@dataclass(frozen=True, slots=True)
class _Bars:
    """One symbol's candles on the lattice, oldest first, in the file's own time."""

    open_time: Integers
    open: Integers
    high: Integers
    low: Integers
    close: Integers
    volume: Integers

    def index(self, open_time: int) -> int:
        return int(np.searchsorted(self.open_time, open_time))

    def at(self, row: int, shift_ms: int) -> Bar:
        return Bar(
            int(self.open_time[row]) + shift_ms,
            int(self.open[row]),
            int(self.high[row]),
            int(self.low[row]),
            int(self.close[row]),
            int(self.volume[row]),
        )

    def find(self, open_time: int, shift_ms: int) -> Bar | None:
        row = self.index(open_time)
        if row == len(self.open_time) or self.open_time[row] != open_time:
            return None
        return self.at(row, shift_ms)


def _open_candles(
    path: Path,
    lattice: Mapping[str, Grid],
    *,
    start_ms: int | None,
    now_ms: int,
    seed: int,
    recorded: Mapping[str, Mapping[int, Decimal]],
    count: int,
) -> CandleReplay:
    candles = read_candles(path, tuple(lattice))
    latest_first = max(int(columns.open_time[0]) for columns in candles.values())
    start = _first_midnight(latest_first + _HISTORY_MS) if start_ms is None else start_ms
    history = latest_first if start_ms is None else start - _HISTORY_MS
    end = max(int(columns.open_time[-1]) for columns in candles.values()) + MINUTE_MS
    _check_end(path, start, end)
    for columns in candles.values():
        _check_history(path, columns, history, start)
    return CandleReplay(
        {symbol: _bars(path, columns, lattice[symbol], history) for symbol, columns in candles.items()},
        grids=lattice,
        plan=_Plan(history, start, end, _shift(start, now_ms), FundingRates(seed, recorded)),
        seed=seed,
        count=count,
    )


def _open_trades(
    path: Path,
    lattice: Mapping[str, Grid],
    *,
    start_ms: int | None,
    now_ms: int,
    seed: int,
    recorded: Mapping[str, Mapping[int, Decimal]],
) -> TradeReplay:
    trades = {symbol: _merged(columns) for symbol, columns in read_trades(path, lattice).items()}
    first = max(_first_minute(columns) for columns in trades.values())
    start = first if start_ms is None else start_ms
    end = max(int(columns.at_ms[-1]) for columns in trades.values()) // MINUTE_MS * MINUTE_MS + MINUTE_MS
    if start < first:
        raise DataError(f"{path}: begins after --start {iso(start)}: use --start {iso(first)} or later")
    _check_end(path, start, end)
    plan = _Plan(start - _HISTORY_MS, start, end, _shift(start, now_ms), FundingRates(seed, recorded))
    return TradeReplay(trades, grids=lattice, plan=plan, seed=seed)


def _first_midnight(at_ms: int) -> int:
    return -(-at_ms // DAY_MS) * DAY_MS


def _first_minute(trades: TradeColumns) -> int:
    """Count the minute in which the recording begins as whole where only its first seconds are without a trade."""
    return (int(trades.at_ms[0]) + MINUTE_MS - _LATE_FIRST_TRADE_MS) // MINUTE_MS * MINUTE_MS


def _shift(start_ms: int, now_ms: int) -> int:
    return (now_ms - start_ms) // DAY_MS * DAY_MS


def _check_end(path: Path, start_ms: int, end_ms: int) -> None:
    if start_ms >= end_ms:
        raise DataError(
            f"{path}: ends at {iso(end_ms)}, nothing is left to play from {iso(start_ms)}: history takes "
            f"{HISTORY_MINUTES:,} minutes, choose an earlier --start or a longer file"
        )


def _check_history(path: Path, candles: CandleColumns, history_ms: int, start_ms: int) -> None:
    times = candles.open_time
    first = int(times[0])
    if first > history_ms:
        raise DataError(
            f"{path}: not enough history: {candles.symbol} begins at {iso(first)}, {HISTORY_MINUTES:,} minutes before "
            f"the start are needed: use --start {iso(first + _HISTORY_MS)} or later"
        )
    before = times[(times >= history_ms) & (times < start_ms)]
    missing = _missing_minute(before, history_ms, start_ms)
    if missing is not None:
        raise DataError(
            f"{path}: {candles.symbol} has no candle at {iso(missing)}, a hole in the history before the start "
            f"{iso(start_ms)}: fill it, or use a --start with {HISTORY_MINUTES:,} 1-minute candles in a row before it"
        )


def _missing_minute(times: Integers, first_ms: int, end_ms: int) -> int | None:
    expected = np.arange(first_ms, end_ms, MINUTE_MS)
    gaps = np.setdiff1d(expected, times, assume_unique=True)
    return int(gaps[0]) if gaps.size else None


def _bars(path: Path, candles: CandleColumns, grid: Grid, history_ms: int) -> _Bars:
    rows = candles.open_time >= history_ms
    prices = {
        name: on_lattice(path, candles.symbol, name, values[rows], grid.tick_size)
        for name, values in _prices(candles).items()
    }
    volume = on_lattice(path, candles.symbol, "volume", candles.volume[rows], grid.step_size)
    return _Bars(open_time=candles.open_time[rows], volume=volume, **prices)


def _prices(candles: CandleColumns) -> dict[str, NDArray[np.float64]]:
    return {"open": candles.open, "high": candles.high, "low": candles.low, "close": candles.close}


def _merged(trades: TradeColumns) -> TradeColumns:
    """Join trades of the same millisecond, price and side, as aggTrade does."""
    new = np.ones(len(trades.at_ms), dtype=np.bool_)
    new[1:] = (
        (np.diff(trades.at_ms) != 0) | (np.diff(trades.price) != 0) | (np.diff(trades.buyer_is_maker.astype(int)) != 0)
    )
    first = np.flatnonzero(new)
    return TradeColumns(
        symbol=trades.symbol,
        at_ms=trades.at_ms[first],
        price=trades.price[first],
        quantity=np.add.reduceat(trades.quantity, first),
        buyer_is_maker=trades.buyer_is_maker[first],
    )


def _moved(bar: Bar, ticks: int) -> Bar:
    return Bar(bar.open_time, bar.open + ticks, bar.high + ticks, bar.low + ticks, bar.close + ticks, bar.volume)
