"""Is a strategy ready for real money? A list of conditions, each with the number it was judged by."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal

from backtest.history import History
from backtest.regimes import VOLATILITIES, Regimes
from backtest.results import Outcome, Trade
from backtest.statistics import EquityCurve, max_drawdown
from bot.domain.money import ZERO

MIN_TRADES = 30
MAX_DRAWDOWN_SHARE = Decimal("0.10")
_REGIMES_WANTED = 2
_THIRDS = ("first third", "second third", "last third")


@dataclass(frozen=True, slots=True)
class Check:
    """One condition: whether it is met, and the number behind it in words."""

    name: str
    passed: bool
    detail: str


def is_ready(checks: Sequence[Check]) -> bool:
    """Say whether every condition is met."""
    return all(check.passed for check in checks)


def gate(
    outcome: Outcome,
    history: History,
    curve: EquityCurve,
    *,
    min_trades: int = MIN_TRADES,
    max_drawdown_share: Decimal = MAX_DRAWDOWN_SHARE,
) -> tuple[Check, ...]:
    """Judge a backtest that was run with realistic costs and limits.

    Wanted: enough trades; a net profit, also without the best trade; a net profit in two of the three thirds of the
    time tested and in two of the three volatility terciles of days; no limit that halted, no liquidation; a drawdown
    below a share of the opening balance.
    """
    return tuple(_judged(outcome, Regimes(history), curve, min_trades, max_drawdown_share))


def _judged(
    outcome: Outcome, regimes: Regimes, curve: EquityCurve, min_trades: int, max_drawdown_share: Decimal
) -> Iterator[Check]:
    trades = outcome.trades
    net = _net(trades) + sum((position.unrealized - position.fees for position in outcome.open), ZERO)
    best = max((trade.pnl for trade in trades), default=ZERO)
    yield Check("enough trades", len(trades) >= min_trades, f"{len(trades)} of at least {min_trades}")
    yield Check("net profit after costs", net > 0, f"{_usdt(net)}, open positions included")
    yield Check("does not hang on one trade", net - best > 0, f"{_usdt(net - best)} without the best one")
    yield _regimes("profit in several thirds of the time", trades, _THIRDS, _third(curve))
    yield _regimes(
        "profit in several kinds of days",
        trades,
        VOLATILITIES,
        lambda trade: regimes.of(trade.symbol, trade.entry_time).volatility,
    )
    yield _limits(outcome)
    yield _drawdown(curve, outcome.opening_balance * max_drawdown_share)


def _regimes(name: str, trades: Sequence[Trade], regimes: Sequence[str], regime: Callable[[Trade], str]) -> Check:
    sums = {each: _net([trade for trade in trades if regime(trade) == each]) for each in regimes}
    detail = ", ".join(f"{each} {_usdt(amount)}" for each, amount in sums.items())
    return Check(name, sum(amount > 0 for amount in sums.values()) >= _REGIMES_WANTED, detail)


def _third(curve: EquityCurve) -> Callable[[Trade], str]:
    first, last = (int(curve.times[0]), int(curve.times[-1])) if curve.times.size else (0, 0)
    length = max(1, last - first + 1)
    return lambda trade: _THIRDS[min(2, max(0, (trade.entry_time - first) * 3 // length))]


def _limits(outcome: Outcome) -> Check:
    halts = [event.rule for event in outcome.risk_events if event.kind == "halt"]
    liquidations = sum(trade.exit_reason == "liquidation" for trade in outcome.trades)
    told = [f"{rule} halted {halts.count(rule)} times" for rule in sorted(set(halts))]
    told += [f"{liquidations} liquidations"] if liquidations else []
    return Check("no limit breached", not told, ", ".join(told) or "no halt, no liquidation")


def _drawdown(curve: EquityCurve, allowed: Decimal) -> Check:
    deepest = max_drawdown(curve)
    return Check("drawdown in bounds", deepest < allowed, f"{deepest:,.2f} USDT of less than {allowed:,.2f}")


def _net(trades: Sequence[Trade]) -> Decimal:
    return sum((trade.pnl for trade in trades), ZERO)


def _usdt(amount: Decimal) -> str:
    return f"{amount:+,.2f} USDT"
