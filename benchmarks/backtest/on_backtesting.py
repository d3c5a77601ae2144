"""The reference strategy on backtesting.py: signals over whole columns in `init`, one candle at a time in `next`.

Prices are for one step (0.001 BTC), since the engine trades whole units. The stop needs the fill price, which the
engine tells only a candle later, so it is computed from the next open beforehand. Not expressed: a stop comes before an
exit that waits for the same candle's open.
"""

import warnings

import backtesting
import numpy as np
import pandas as pd
from backtesting import Backtest, Strategy

from benchmarks.backtest import indicators, measure

_TICK = 0.1 * indicators.STEP


class VwapReversion(Strategy):
    """As the engine's documentation has it: what `next` reads is declared by `I`, which shows it candle by candle."""

    k = indicators.K
    adx_max = indicators.ADX_MAX

    def init(self):
        high, low, close = (np.asarray(self.data[name]) / indicators.STEP for name in ("High", "Low", "Close"))
        readings = indicators.read(high, low, close, np.asarray(self.data.Volume))
        found = indicators.signals(readings, close, self.k, self.adx_max)
        opens = np.asarray(self.data.Open)
        fill = np.append(opens[1:], opens[-1])
        self.stop_long = np.ceil(fill * (1 - indicators.STOP) / _TICK - 1e-6) * _TICK
        self.stop_short = np.floor(fill * (1 + indicators.STOP) / _TICK + 1e-6) * _TICK
        self.units = np.rint(indicators.quantities(close) / indicators.STEP).astype(int)
        self.declare(found.enter_long.astype(float) - found.enter_short, found.exit_long, found.exit_short)

    def declare(self, enter: np.ndarray, exit_long: np.ndarray, exit_short: np.ndarray):
        self.enter = self.I(lambda: enter, name="enter")
        self.exit_long = self.I(lambda: exit_long.astype(float), name="exit_long")
        self.exit_short = self.I(lambda: exit_short.astype(float), name="exit_short")

    def next(self):
        if self.position:
            if (self.exit_long if self.position.is_long else self.exit_short)[-1]:
                self.position.close()
        elif self.enter[-1]:
            self.open(len(self.data) - 1, self.enter[-1])

    def open(self, at: int, side: float):
        if self.closed_trades and self.closed_trades[-1].exit_bar == at:
            return
        if side > 0:
            self.buy(size=int(self.units[at]), sl=self.stop_long[at])
        else:
            self.sell(size=int(self.units[at]), sl=self.stop_short[at])


class LookedUp(VwapReversion):
    """Faster by going round the engine: plain lists, read at the candle's position."""

    def declare(self, enter: np.ndarray, exit_long: np.ndarray, exit_short: np.ndarray):
        self.enter, self.exit_long, self.exit_short = enter.tolist(), exit_long.tolist(), exit_short.tolist()

    def next(self):
        at = len(self.data) - 1
        if self.trades:
            if (self.exit_long if self.trades[0].size > 0 else self.exit_short)[at]:
                self.trades[0].close()
        elif self.enter[at]:
            self.open(at, self.enter[at])


def engine(table: pd.DataFrame, strategy: type[Strategy]) -> Backtest:
    scaled = table.rename(columns=str.capitalize)
    scaled.index = scaled.index.tz_localize(None)
    for name in ("Open", "High", "Low", "Close"):
        scaled[name] = scaled[name] * indicators.STEP
    return Backtest(scaled, strategy, cash=10_000, commission=indicators.TAKER_FEE)


def main() -> None:
    options = measure.arguments(__doc__)
    warnings.simplefilter("ignore")
    table = measure.candles(options.file)
    backtest = engine(table, LookedUp if options.way == "lookup" else VwapReversion)
    if options.sweep:
        pairs = measure.grid(options.combinations)
        wanted = {"k": sorted({k for k, _ in pairs}), "adx_max": sorted({adx_max for _, adx_max in pairs})}
        allowed = set(pairs)

        def run() -> int:
            best = backtest.optimize(**wanted, maximize="# Trades", constraint=lambda p: (p.k, p.adx_max) in allowed)
            return best["# Trades"]

        also = {"combinations": len(pairs)}
    else:
        run, also = lambda: backtest.run()["# Trades"], {}
    measure.report("backtesting", backtesting.__version__, len(table), run, options.repetitions, **also)


if __name__ == "__main__":
    main()
