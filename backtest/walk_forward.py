"""Walk-forward: choose parameters on one stretch of time, judge them on the next, and move on."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from itertools import product

from backtest.results import Outcome
from bot.domain.errors import ConfigurationError
from bot.domain.money import ZERO

type Parameters = dict[str, str]
type RunWith = Callable[[Parameters, int, int], Outcome]
type Score = Callable[[Outcome], Decimal]


@dataclass(frozen=True, slots=True)
class Window:
    """Parameters are chosen on [in_from_ms, split_ms) and judged on [split_ms, out_to_ms); ms UTC."""

    in_from_ms: int
    split_ms: int
    out_to_ms: int


@dataclass(frozen=True, slots=True)
class Walk:
    """What a window gave: the best parameters in sample, and their net pnl (USDT) in and out of sample."""

    window: Window
    parameters: Parameters
    in_pnl: Decimal
    in_trades: int
    out_pnl: Decimal
    out_trades: int


@dataclass(frozen=True, slots=True)
class WalkForward:
    """All windows. `efficiency` = pnl per day out of sample / pnl per day in sample; None without profit in sample."""

    walks: tuple[Walk, ...]
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
    run: RunWith, spans: Sequence[Window], grid: Mapping[str, Sequence[str]], score: Score = net_pnl
) -> WalkForward:
    """Choose and judge in every window. `run(parameters, from_ms, to_ms)` has to warm up on what lies before.

    Of equal scores the first in the order of the grid wins.
    """
    walks = tuple(_walk(run, window, grid, score) for window in spans)
    return WalkForward(walks, sum((walk.out_pnl for walk in walks), ZERO), _efficiency(walks))


def _walk(run: RunWith, window: Window, grid: Mapping[str, Sequence[str]], score: Score) -> Walk:
    tried = [(each, run(each, window.in_from_ms, window.split_ms)) for each in combinations(grid)]
    parameters, chosen = max(tried, key=lambda one: score(one[1]))
    judged = run(parameters, window.split_ms, window.out_to_ms)
    return Walk(window, parameters, net_pnl(chosen), len(chosen.trades), net_pnl(judged), len(judged.trades))


def _efficiency(walks: Sequence[Walk]) -> float | None:
    in_ms = sum(walk.window.split_ms - walk.window.in_from_ms for walk in walks)
    out_ms = sum(walk.window.out_to_ms - walk.window.split_ms for walk in walks)
    in_pnl = sum((walk.in_pnl for walk in walks), ZERO)
    out_pnl = sum((walk.out_pnl for walk in walks), ZERO)
    return float(out_pnl / out_ms / (in_pnl / in_ms)) if in_pnl > 0 else None
