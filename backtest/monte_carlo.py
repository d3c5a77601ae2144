"""What luck could have made of the same trades: another order of them, and other draws from them."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from backtest.results import Trade
from simulator.market.recordings import Floats

QUANTILES = (5, 25, 50, 75, 95, 99)
RUNS = 1_000


@dataclass(frozen=True, slots=True)
class Spread:
    """Percentiles of a figure over all runs, in USDT: the value that this percentage of the runs does not exceed."""

    percentiles: dict[int, float]

    def __getitem__(self, percentage: int) -> float:
        return self.percentiles[percentage]


@dataclass(frozen=True, slots=True)
class MonteCarlo:
    """What `runs` reshuffles of the trades gave. Drawdowns are positive, judged at the end of each trade.

    `shuffled_drawdown`: every trade once, in another order, so that the final pnl stays. `drawn_pnl` and
    `drawn_drawdown`: as many trades drawn with repetition (bootstrap). `losing_share`: how many of the draws end at a
    loss or at nothing.
    """

    trades: int
    runs: int
    seed: int
    pnl: float
    drawdown: float
    shuffled_drawdown: Spread
    drawn_pnl: Spread
    drawn_drawdown: Spread
    losing_share: float


def monte_carlo(trades: Sequence[Trade], seed: int, runs: int = RUNS) -> MonteCarlo | None:
    """Shuffle and draw the trades `runs` times; the same seed gives the same answer. None with fewer than two."""
    if len(trades) < 2:
        return None
    ended = sorted(trades, key=lambda trade: (trade.exit_time, trade.symbol))
    pnl = np.array([float(trade.pnl) for trade in ended])
    chance = np.random.default_rng(seed)  # clock: seeded chance
    shuffled = np.empty(runs)
    drawn = np.empty((2, runs))
    for run in range(runs):
        shuffled[run] = _drawdown(chance.permutation(pnl))
        draw = pnl[chance.integers(pnl.size, size=pnl.size)]
        drawn[:, run] = draw.sum(), _drawdown(draw)
    return MonteCarlo(
        trades=pnl.size,
        runs=runs,
        seed=seed,
        pnl=float(pnl.sum()),
        drawdown=_drawdown(pnl),
        shuffled_drawdown=_spread(shuffled),
        drawn_pnl=_spread(drawn[0]),
        drawn_drawdown=_spread(drawn[1]),
        losing_share=float(np.mean(drawn[0] <= 0)),
    )


def _drawdown(pnl: Floats) -> float:
    equity = np.cumsum(pnl)
    return float((np.maximum.accumulate(equity).clip(min=0) - equity).max(initial=0))


def _spread(values: Floats) -> Spread:
    return Spread(dict(zip(QUANTILES, np.percentile(values, QUANTILES).tolist(), strict=True)))
