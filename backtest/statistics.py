"""The equity curve and the summary of a backtest, computed afterwards from fills, funding and closes."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from math import isfinite
from typing import Any

import numpy as np
from numpy.typing import NDArray

from backtest.history import History, Series
from backtest.results import Outcome, Trade
from bot.domain.fill import Fill, Funding, Transfer
from bot.domain.market import DAY_MS
from bot.domain.money import ZERO, plain, round_half_away
from simulator.market.recordings import Floats, Integers

type Booleans = NDArray[np.bool_]

DAYS_A_YEAR = 365
_DIGITS = 10


@dataclass(frozen=True, slots=True)
class EquityCurve:
    """Equity (wallet + unrealized, USDT) at the close of every minute on which any symbol has a candle.

    `times` are the closes, the first millisecond after each candle (ms UTC). `in_position` says whether any position
    was open at that close. `opening` is the opening balance. Floats: statistics and charts read them, no money is
    booked from them; the last point is the closing wallet plus unrealized to a millionth.
    """

    times: Integers
    equity: Floats
    in_position: Booleans
    opening: float

    @property
    def drawdown(self) -> Floats:
        """Return how far equity is below its highest close so far (USDT, zero or negative); the opening counts."""
        below: Floats = self.equity - np.maximum(np.maximum.accumulate(self.equity), self.opening)
        return below


@dataclass(frozen=True, slots=True)
class Summary:
    """A backtest in a dozen figures. Money in USDT; ratios are None where they are not defined.

    `pnl`, `fees` and `funding` are sums over the completed trades: what is open at the end is not in them.
    `max_drawdown` is the largest fall of equity at minute closes from its running peak, the opening balance being the
    first peak. `win_rate` = trades with a positive pnl / trades. `profit_factor` = sum of the positive pnl / sum of the
    negative ones without their sign, None without a loss. `exposure` = minutes that closed with a position open /
    minutes. `sharpe` and `sortino` are those of `sharpe` and `sortino` below.
    """

    candles: int
    trades: int
    pnl: Decimal
    fees: Decimal
    funding: Decimal
    max_drawdown: Decimal
    sharpe: float | None
    sortino: float | None
    win_rate: float | None
    profit_factor: float | None
    exposure: float | None

    def as_json(self) -> dict[str, Any]:
        """Return the published fields: money as text, ratios as numbers of 10 significant digits or null."""
        return {
            "candles": self.candles,
            "trades": self.trades,
            "pnl": plain(self.pnl),
            "fees": plain(self.fees),
            "funding": plain(self.funding),
            "max_drawdown": plain(self.max_drawdown),
            "sharpe": _shortened(self.sharpe),
            "sortino": _shortened(self.sortino),
            "win_rate": _shortened(self.win_rate),
            "profit_factor": _shortened(self.profit_factor),
            "exposure": _shortened(self.exposure),
        }


def equity_curve(outcome: Outcome, history: History, from_ms: int) -> EquityCurve:
    """Return equity at the close of every minute from `from_ms` on, over all symbols.

    A symbol without a candle in a minute keeps its last close. What happens exactly at a close (funding, a fill at the
    next open) belongs to the minute that begins there.
    """
    opens = _minutes(history, from_ms)
    closes = opens + history.interval_ms
    in_position = np.zeros(opens.size, dtype=np.bool_)
    equity = _wallet(outcome, closes)
    for symbol, series in history.series.items():
        fills = [fill for fill in outcome.fills if fill.symbol == symbol]
        if fills and opens.size:
            in_position |= _add_unrealized(equity, fills, series, opens, closes)
    return EquityCurve(closes, equity, in_position, float(outcome.opening_balance))


def summarize(outcome: Outcome, history: History, from_ms: int) -> Summary:
    """Return the summary of what happened from `from_ms` on."""
    return summarize_curve(outcome, equity_curve(outcome, history, from_ms))


def summarize_curve(outcome: Outcome, curve: EquityCurve) -> Summary:
    """Return the summary where the equity curve is known already."""
    returns = daily_returns(curve)
    return Summary(
        candles=outcome.candles,
        trades=len(outcome.trades),
        pnl=_total(outcome.trades, lambda trade: trade.pnl),
        fees=_total(outcome.trades, lambda trade: trade.fees),
        funding=_total(outcome.trades, lambda trade: trade.funding),
        max_drawdown=max_drawdown(curve),
        sharpe=sharpe(returns),
        sortino=sortino(returns),
        win_rate=win_rate(outcome.trades),
        profit_factor=profit_factor(outcome.trades),
        exposure=float(curve.in_position.mean()) if curve.in_position.size else None,
    )


def max_drawdown(curve: EquityCurve) -> Decimal:
    """Return the largest fall of equity from its running peak (USDT, 8 decimals), zero when it never fell."""
    deepest = float(-curve.drawdown.min()) if curve.equity.size else 0.0
    return round_half_away(Decimal(repr(max(0.0, deepest))))


def day_ends(curve: EquityCurve) -> tuple[Integers, Floats]:
    """Return the UTC days with a candle (ms UTC of their start) and the equity at the last close of each."""
    days = (curve.times - 1) // DAY_MS
    last = np.flatnonzero(np.diff(days, append=days[-1:] + 1))
    return days[last] * DAY_MS, curve.equity[last]


def daily_returns(curve: EquityCurve) -> Floats:
    """Return equity at the end of each UTC day / the day before - 1, the first day against the opening balance.

    Empty when equity before some day was not positive: a return is not defined then.
    """
    _, equity = day_ends(curve)
    before = np.append(curve.opening, equity[:-1])[: equity.size]
    return equity / before - 1 if (before > 0).all() else np.empty(0)


def sharpe(returns: Floats) -> float | None:
    """Return mean / sample standard deviation (n - 1) of daily returns x sqrt(365), the risk-free rate being 0.

    None with fewer than two days or without deviation.
    """
    return _annual(returns, float(returns.std(ddof=1))) if returns.size > 1 else None


def sortino(returns: Floats) -> float | None:
    """Return mean / downside deviation of daily returns x sqrt(365).

    Downside deviation = sqrt(sum of min(return, 0) squared / all days). None with fewer than two days or without a
    losing day.
    """
    return _annual(returns, float(np.sqrt(np.mean(np.minimum(returns, 0.0) ** 2)))) if returns.size > 1 else None


def win_rate(trades: Sequence[Trade]) -> float | None:
    """Return the share of trades with a positive pnl; None without trades."""
    return sum(trade.pnl > 0 for trade in trades) / len(trades) if trades else None


def profit_factor(trades: Sequence[Trade]) -> float | None:
    """Return the sum of positive pnl / the sum of negative pnl without its sign; None without a loss."""
    won = _total(trades, lambda trade: max(trade.pnl, ZERO))
    lost = _total(trades, lambda trade: min(trade.pnl, ZERO))
    return float(won / -lost) if lost else None


def _minutes(history: History, from_ms: int) -> Integers:
    times = [series.open_time for series in history.series.values()]
    if not times:
        return np.empty(0, dtype=np.int64)
    union = times[0]
    for more in times[1:]:
        union = union if np.array_equal(union, more) else np.union1d(union, more)
    return union[np.searchsorted(union, from_ms) :]


def _wallet(outcome: Outcome, closes: Integers) -> Floats:
    """Return the wallet at each close. What no row explains is booked at the last one."""
    rows: list[Fill | Funding | Transfer] = [*outcome.fills, *outcome.fundings, *outcome.transfers]
    rows.sort(key=lambda row: row.time_ms)
    changes = [row.realized_pnl - row.commission if isinstance(row, Fill) else row.amount for row in rows]
    unexplained = outcome.wallet - outcome.opening_balance - sum(changes, ZERO)
    running = np.cumsum([float(outcome.opening_balance), *map(float, changes)])
    wallet = _steps(running, _places([row.time_ms for row in rows], closes), closes.size)
    wallet[-1:] += float(unexplained)
    return wallet


def _add_unrealized(
    equity: Floats, fills: Sequence[Fill], series: Series, opens: Integers, closes: Integers
) -> Booleans:
    """Add what the symbol's position would realize at each close, and return where it is open."""
    quantity, cost = _position(fills)
    places = _places([fill.time_ms for fill in fills], closes)
    held = _steps(quantity, places, closes.size)
    equity += held * (_last_closes(series, opens) * float(series.tick))
    equity -= _steps(cost, places, closes.size)
    return np.not_equal(held, 0)


def _position(fills: Sequence[Fill]) -> tuple[Floats, Floats]:
    """Return signed quantity and signed cost (ledger rules R2, R3) before the first fill and after each."""
    quantity = cost = ZERO
    quantities, costs = [0.0], [0.0]
    for fill in fills:
        signed = fill.side.sign * fill.quantity
        quantity += signed
        cost = cost + signed * fill.price + fill.realized_pnl if quantity else ZERO
        quantities.append(float(quantity))
        costs.append(float(cost))
    return np.array(quantities), np.array(costs)


def _last_closes(series: Series, opens: Integers) -> Floats:
    """Return the symbol's latest close (ticks) in each minute; before its first candle, that one's."""
    if np.array_equal(series.open_time[-opens.size :], opens):
        return series.close[-opens.size :]
    rows: Integers = np.searchsorted(series.open_time, opens, side="right") - 1
    closes: Floats = series.close[rows.clip(min=0)]
    return closes


def _places(times_ms: Sequence[int], closes: Integers) -> Integers:
    """Return the first minute that closes after each time; what comes later than all belongs to the last."""
    places: Integers = np.searchsorted(closes, np.array(times_ms, dtype=np.int64), side="right")
    return places.clip(max=max(closes.size - 1, 0))


def _steps(values: Floats, places: Integers, size: int) -> Floats:
    """Spread values over minutes: the first holds until places[0], values[n] from places[n - 1] on."""
    spread: Floats = np.repeat(values, np.diff(places, prepend=0, append=size)) if size else np.empty(0)
    return spread


def _annual(returns: Floats, deviation: float) -> float | None:
    ratio = float(returns.mean()) / deviation * DAYS_A_YEAR**0.5 if deviation else None
    return ratio if ratio is None or isfinite(ratio) else None


def _total(trades: Sequence[Trade], amount: Callable[[Trade], Decimal]) -> Decimal:
    return sum(map(amount, trades), ZERO)


def _shortened(ratio: float | None) -> float | None:
    return None if ratio is None else float(f"{ratio:.{_DIGITS}g}")
