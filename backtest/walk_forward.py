"""Walk-forward: choose parameters on one stretch of time, judge them on the next, and move on.

Holes in the data stay holes: a window with none of its candles in one of its parts is left out, and time counts where
there are candles.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from itertools import product

from backtest.errors import DataError
from backtest.results import Outcome
from bot.domain.errors import ConfigurationError
from bot.domain.money import ZERO

type Parameters = dict[str, str]
type RunWith = Callable[[Parameters, int, int], Outcome]
type Covered = Callable[[int, int], int]
type Score = Callable[[Outcome], Decimal]


@dataclass(frozen=True, slots=True)
class Window:
    """Parameters are chosen on [in_from_ms, split_ms) and judged on [split_ms, out_to_ms); ms UTC."""

    in_from_ms: int
    split_ms: int
    out_to_ms: int


@dataclass(frozen=True, slots=True)
class Walk:
    """What a window gave: the best parameters in sample, and their net pnl (USDT) in and out of sample.

    `in_ms` and `out_ms` are how much of the two parts has candles.
    """

    window: Window
    parameters: Parameters
    in_pnl: Decimal
    in_trades: int
    in_ms: int
    out_pnl: Decimal
    out_trades: int
    out_ms: int


@dataclass(frozen=True, slots=True)
class LeftOut:
    """A window that a hole left without candles to choose on or to judge on; `reason` says which, for people."""

    window: Window
    reason: str


@dataclass(frozen=True, slots=True)
class WalkForward:
    """All windows. `efficiency` = pnl per day out of sample / pnl per day in sample; None without profit in sample.

    Days are those that have candles, by the candle; windows left out count nowhere.
    """

    walks: tuple[Walk, ...]
    left_out: tuple[LeftOut, ...]
    out_pnl: Decimal
    efficiency: float | None

    @property
    def profitable(self) -> int:
        """Return how many windows made a profit out of sample."""
        return sum(walk.out_pnl > 0 for walk in self.walks)


def net_pnl(outcome: Outcome) -> Decimal:
    """Return the sum of the completed trades: the usual score."""
    return sum((trade.pnl for trade in outcome.trades), ZERO)


def windows(from_ms: int, to_ms: int, in_ms: int, out_ms: int, *, anchored: bool = False) -> tuple[Window, ...]:
    """Divide a span into windows whose out-of-sample parts follow each other without gap; the last may be shorter.

    `anchored`: every in-sample part begins at `from_ms` and grows. Raises ConfigurationError when not one fits.
    """
    if in_ms <= 0 or out_ms <= 0 or from_ms + in_ms >= to_ms:
        raise ConfigurationError(
            "walk-forward: the data is not longer than one in-sample window. Shorten the windows or take more data."
        )
    return tuple(
        Window(from_ms if anchored else split_ms - in_ms, split_ms, min(split_ms + out_ms, to_ms))
        for split_ms in range(from_ms + in_ms, to_ms, out_ms)
    )


def combinations(grid: Mapping[str, Sequence[str]]) -> Iterator[Parameters]:
    """Yield every combination of a grid, the last parameter changing fastest; an empty grid has one."""
    for values in product(*grid.values()):
        yield dict(zip(grid, values, strict=True))


def walk_forward(
    run: RunWith,
    spans: Sequence[Window],
    grid: Mapping[str, Sequence[str]],
    covered: Covered,
    score: Score = net_pnl,
) -> WalkForward:
    """Choose and judge in every window. `run(parameters, from_ms, to_ms)` has to warm up on what lies before.

    `covered(from_ms, to_ms)` says how much of a span has candles. Of equal scores the first in the order of the grid
    wins. Raises `DataError` where every window is left out.
    """
    missing = {window: _missing(window, covered) for window in spans}
    walks = tuple(_walk(run, window, grid, covered, score) for window in spans if not missing[window])
    if not walks:
        raise DataError(
            "walk-forward: no window has candles both to choose on and to judge on: change the windows or the data."
        )
    left_out = tuple(LeftOut(window, reason) for window, reason in missing.items() if reason)
    return WalkForward(walks, left_out, sum((walk.out_pnl for walk in walks), ZERO), _efficiency(walks))


def _missing(window: Window, covered: Covered) -> str:
    """Say what a window cannot be walked through for; parameters that were not chosen are not judged either."""
    has_in = covered(window.in_from_ms, window.split_ms)
    has_out = covered(window.split_ms, window.out_to_ms)
    if has_in and has_out:
        return ""
    if has_in:
        return "no candles out of sample to judge on"
    return "no candles in sample to choose on" if has_out else "no candles"


def _walk(run: RunWith, window: Window, grid: Mapping[str, Sequence[str]], covered: Covered, score: Score) -> Walk:
    tried = [(each, run(each, window.in_from_ms, window.split_ms)) for each in combinations(grid)]
    parameters, chosen = max(tried, key=lambda one: score(one[1]))
    judged = run(parameters, window.split_ms, window.out_to_ms)
    return Walk(
        window=window,
        parameters=parameters,
        in_pnl=net_pnl(chosen),
        in_trades=len(chosen.trades),
        in_ms=covered(window.in_from_ms, window.split_ms),
        out_pnl=net_pnl(judged),
        out_trades=len(judged.trades),
        out_ms=covered(window.split_ms, window.out_to_ms),
    )


def _efficiency(walks: Sequence[Walk]) -> float | None:
    in_ms, out_ms = sum(walk.in_ms for walk in walks), sum(walk.out_ms for walk in walks)
    in_pnl = sum((walk.in_pnl for walk in walks), ZERO)
    out_pnl = sum((walk.out_pnl for walk in walks), ZERO)
    return float(out_pnl / out_ms / (in_pnl / in_ms)) if in_pnl > 0 else None
