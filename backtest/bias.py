"""Does a backtest know the future, and does it depend on where its data begins? Answered by running it again."""

import random
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from itertools import zip_longest
from typing import Final

import numpy as np
from numpy.typing import NDArray

from backtest.errors import DataError
from backtest.history import History, Series
from backtest.results import Outcome, Trade
from backtest.run import Recording, Terms, run
from bot.domain.fill import Fill
from simulator.market.recordings import Floats, Integers, iso

type RunOn = Callable[[History], Outcome]
type Flags = Callable[[Series], NDArray[np.uint8]]
type Deal = tuple[int, str, str, Decimal, Decimal]

_OFF_THE_EDGE: Final = 0.382


@dataclass(frozen=True, slots=True)
class Leak:
    """Something in the past that changed when the future was taken away.

    `cut_ms` is where the data ended, `at_ms` the first thing that differs; `text` says what, for people.
    """

    cut_ms: int
    symbol: str
    at_ms: int
    text: str


@dataclass(frozen=True, slots=True)
class Foresight:
    """At how many moments the future was taken away, and what of the past changed by that."""

    cuts: int
    leaks: tuple[Leak, ...]


@dataclass(frozen=True, slots=True)
class Settling:
    """How a backtest that began at `start_ms` compares with the one over all the data.

    Of the trades entered at or after `start_ms`, `differing` are in only one of the two. From `agrees_from_ms` on all
    are in both: the entry after the last one that differs, or the start itself; None = they never agree.
    """

    start_ms: int
    trades: int
    differing: int
    agrees_from_ms: int | None


def lookahead(
    run_on: RunOn,
    history: History,
    cuts: int,
    seed: int,
    flags: Mapping[str, Flags] | None = None,
    *,
    from_ms: int = 0,
    has_detail: bool = False,
) -> Foresight:
    """Take the future away at `cuts` moments and return the first thing in the past that changed, for each that did.

    Half of the moments are random, half are those at which something filled, all after the first candle that decides,
    which opens at or after `from_ms`; there are fewer where there are fewer candles. At each, every candle from then on
    is gone except for the bare open of the next one, at which what was decided before still fills. `flags` are the
    strategy's own flags by symbol: they show a leak of a single candle, even where it led to no trade. `has_detail`:
    what fills early in a candle, by finer ones, has the time of its open, so more may fill then with the future than
    without. Raises `DataError` where no candle follows the first one.
    """
    whole = run_on(history)
    known = {symbol: compute(history.series[symbol]) for symbol, compute in (flags or {}).items()}
    leaks: list[Leak] = []
    chance = random.Random(seed)  # noqa: S311 - repeatable, not secret
    moments = _cuts(whole, history, cuts, chance, from_ms)
    for cut_ms in moments:
        past = before(history, cut_ms)
        leak = _flag_leak(past, flags or {}, known, cut_ms)
        leak = leak or _fill_leak(run_on(_with_open(past, history, cut_ms)), whole, cut_ms, has_detail=has_detail)
        leaks += [leak] if leak else []
    return Foresight(len(moments), tuple(leaks))


def warm_up_sensitivity(run_on: RunOn, history: History, starts: Iterable[int]) -> tuple[Settling, ...]:
    """Run from each of these moments (ms UTC) on, without the data before, and compare with the run over all of it."""
    whole = run_on(history)
    return tuple(_settling(run_on(_from(history, start_ms)), whole, start_ms) for start_ms in starts)


def spread_starts(history: History, count: int, from_ms: int = 0) -> tuple[int, ...]:
    """Return `count` moments, each in its own share of the candles at or after `from_ms`; fewer where there are fewer.

    At each a symbol has a candle, and others before and after it. None lies on the edge of its share, which is a whole
    day where the data is whole days: a session that begins with the data leaves nothing to compare. Raises `DataError`
    where there is no such moment.
    """
    inner = [series.open_time[1:-1] for series in history.series.values()]
    times = np.unique(np.concatenate([each[each >= from_ms] for each in inner])).tolist()
    if not times:
        since = f" at or after {iso(from_ms)}" if from_ms else ""
        raise DataError(
            f"{', '.join(history.series)}: no candle{since} has others before and after it: give more data."
        )
    count = min(count, len(times))
    return tuple(times[int(len(times) * (place + _OFF_THE_EDGE) / count)] for place in range(count))


def run_with(recording: Recording, terms: Terms, history: History) -> Outcome:
    """Run a backtest on these candles in place of the recording's; a symbol that has none of them does not trade."""
    symbols = tuple(each for each in terms.plan.symbols if each.symbol in history.series)
    terms = replace(terms, plan=replace(terms.plan, symbols=symbols))
    return run(replace(recording, history=history), terms).outcome


def run_on_past(recording: Recording, terms: Terms, history: History) -> Outcome:
    """Run a backtest on candles of which only the open of each symbol's last one is known: finer ones end before it."""
    if recording.detail is None:
        return run_with(recording, terms, history)
    known = {
        symbol: _part(series, slice(0, int(np.searchsorted(series.open_time, history.series[symbol].open_time[-1]))))
        for symbol, series in recording.detail.series.items()
    }
    return run_with(replace(recording, detail=replace(recording.detail, series=known)), terms, history)


def _cuts(whole: Outcome, history: History, cuts: int, chance: random.Random, from_ms: int) -> list[int]:
    opens = np.unique(np.concatenate([series.open_time for series in history.series.values()]))
    moments = set(opens[opens >= from_ms][1:].tolist())
    if not moments:
        raise DataError(f"{', '.join(history.series)}: no second candle to cut the data at: give more data.")
    filled = sorted({fill.time_ms for fill in whole.fills} & moments)
    at_fills = chance.sample(filled, min(len(filled), cuts // 2))
    others = sorted(moments.difference(at_fills))
    return sorted([*at_fills, *chance.sample(others, min(len(others), cuts - len(at_fills)))])


def before(history: History, cut_ms: int) -> History:
    """Return the candles that open before a moment (ms UTC)."""
    return _sliced(history, lambda times: slice(0, int(np.searchsorted(times, cut_ms))))


def _from(history: History, start_ms: int) -> History:
    return _sliced(history, lambda times: slice(int(np.searchsorted(times, start_ms)), times.size))


def _sliced(history: History, rows: Callable[[Integers], slice]) -> History:
    kept = {symbol: _part(series, rows(series.open_time)) for symbol, series in history.series.items()}
    return replace(history, series={symbol: series for symbol, series in kept.items() if series.open_time.size})


def _part(series: Series, rows: slice) -> Series:
    return replace(
        series,
        open_time=series.open_time[rows],
        open=series.open[rows],
        high=series.high[rows],
        low=series.low[rows],
        close=series.close[rows],
        volume=series.volume[rows],
    )


def _with_open(past: History, history: History, cut_ms: int) -> History:
    """Append to each symbol its next candle, which has only its open."""
    opened = {}
    for symbol, series in history.series.items():
        row = int(np.searchsorted(series.open_time, cut_ms))
        if row < series.open_time.size:
            opened[symbol] = _opened(past.series.get(symbol, _part(series, slice(0, 0))), series, row)
    known = past.series | opened
    return replace(past, series={symbol: known[symbol] for symbol in history.series if symbol in known})


def _opened(past: Series, series: Series, row: int) -> Series:
    opened = series.open[row]
    return replace(
        past,
        open_time=_appended(past.open_time, series.open_time[row]),
        open=_appended(past.open, opened),
        high=_appended(past.high, opened),
        low=_appended(past.low, opened),
        close=_appended(past.close, opened),
        volume=_appended(past.volume, 0.0),
    )


def _appended[T: (Integers, Floats)](column: T, value: float) -> T:
    longer = np.append(column, value).astype(column.dtype)
    # What is compiled takes the arrays of all symbols as one type, so those from a file stay read-only.
    longer.flags.writeable = column.flags.writeable
    return longer


def _flag_leak(
    past: History, flags: Mapping[str, Flags], known: Mapping[str, NDArray[np.uint8]], cut_ms: int
) -> Leak | None:
    for symbol, compute in flags.items():
        if symbol not in past.series:
            continue
        series = past.series[symbol]
        now, then = compute(series), known[symbol][: series.open_time.size]
        differing = np.flatnonzero(now != then)
        if differing.size:
            row = int(differing[0])
            at_ms = int(series.open_time[row])
            text = f"the flags are {then[row]} with the future and {now[row]} without it"
            return Leak(cut_ms, symbol, at_ms, text)
    return None


def _fill_leak(cut: Outcome, whole: Outcome, cut_ms: int, *, has_detail: bool) -> Leak | None:
    """Compare the fills up to the open of the cut, and the trades ended before it."""
    then, without = _deals(whole.fills, cut_ms), _deals(cut.fills, cut_ms)
    if has_detail:
        then = [deal for deal in then if deal[0] < cut_ms or deal in without]
    fills = _first_difference(then, without)
    if fills is not None:
        at_ms, symbol = min(deal[:2] for deal in fills if deal)
        known, now = map(_told, fills)
        return Leak(cut_ms, symbol, at_ms, f"{known} with the future, {now} without it")
    trades = _first_difference(_ended(whole.trades, cut_ms), _ended(cut.trades, cut_ms))
    if trades is None:
        return None
    trade = next(filter(None, trades))
    known, now = ("no trade" if each is None else f"pnl {each.pnl} by {each.exit_reason}" for each in trades)
    return Leak(cut_ms, trade.symbol, trade.entry_time, f"{known} with the future, {now} without it")


def _first_difference[T](known: Sequence[T], now: Sequence[T]) -> tuple[T | None, T | None] | None:
    return next((pair for pair in zip_longest(known, now) if pair[0] != pair[1]), None)


def _deals(fills: Sequence[Fill], until_ms: int) -> list[Deal]:
    return sorted(
        (fill.time_ms, fill.symbol, fill.side.value, fill.price, fill.quantity)
        for fill in fills
        if fill.time_ms <= until_ms
    )


def _ended(trades: Sequence[Trade], until_ms: int) -> list[Trade]:
    ended = (trade for trade in trades if trade.exit_time < until_ms)
    return sorted(ended, key=lambda trade: (trade.exit_time, trade.symbol))


def _told(deal: Deal | None) -> str:
    return "no fill" if deal is None else f"{deal[2]} {deal[4]} at {deal[3]}"


def _settling(later: Outcome, whole: Outcome, start_ms: int) -> Settling:
    ours, theirs = _entered(later, start_ms), _entered(whole, start_ms)
    every = sorted(ours.keys() | theirs.keys())
    same = [ours.get(key) == theirs.get(key) for key in every]
    last = max((place for place, agrees in enumerate(same) if not agrees), default=-1)
    if last == -1:
        agrees_from_ms: int | None = start_ms
    else:
        agrees_from_ms = every[last + 1][0] if last + 1 < len(every) else None
    return Settling(start_ms, len(every), same.count(False), agrees_from_ms)


def _entered(outcome: Outcome, start_ms: int) -> dict[tuple[int, str], Trade]:
    return {(trade.entry_time, trade.symbol): trade for trade in outcome.trades if trade.entry_time >= start_ms}
