"""What both the page and the terminal say, once: the first figures, what was run, and notes."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from backtest.monte_carlo import MonteCarlo
from backtest.report import words
from backtest.report.analysis import Analysis
from backtest.report.run import ReportInput
from bot.domain.money import plain
from bot.trading.limits import Costs


@dataclass(frozen=True, slots=True)
class Figure:
    """One figure with its name, a note on how to read it, and its tone: up, down, flat or none."""

    name: str
    shown: str
    note: str
    tone: str = ""


def figures(run: ReportInput, analysis: Analysis) -> tuple[Figure, ...]:
    """Return the figures a trader looks at first."""
    summary, opening = run.summary, run.outcome.opening_balance
    streaks, hold, slipped = analysis.streaks, analysis.hold, -analysis.total.slippage
    gained = words.signed_percent(summary.pnl / opening if opening else None)
    deepest = words.percent(summary.max_drawdown / opening if opening else None, 2)
    each = words.signed(summary.pnl / summary.trades if summary.trades else None)
    extremes = f"{words.signed(streaks.best, 0)} / {words.signed(streaks.worst, 0)}"
    return (
        Figure(
            "Net PnL", words.signed(summary.pnl), f"{gained} of {words.number(opening)} USDT", words.tone(summary.pnl)
        ),
        Figure("Max drawdown", words.number(summary.max_drawdown), f"{deepest} of opening balance"),
        Figure("Trades", words.number(summary.trades, 0), f"{words.percent(summary.win_rate)} won"),
        Figure("Profit factor", words.number(summary.profit_factor), f"{each} USDT a trade"),
        Figure("Sharpe", words.number(summary.sharpe), "daily, x sqrt(365)"),
        Figure("Sortino", words.number(summary.sortino), "daily, x sqrt(365)"),
        Figure("Fees", words.number(summary.fees), f"{words.percent(analysis.maker_share)} maker"),
        Figure("Funding", words.signed(summary.funding), "received +, paid -", words.tone(summary.funding)),
        Figure("Slippage", words.signed(slipped), "fills against decisions", words.tone(slipped)),
        Figure("Exposure", words.percent(summary.exposure), "of minutes in a position"),
        Figure("Median hold", words.duration(hold.median), f"longest {words.duration(hold.longest)}"),
        Figure("Best / worst", extremes, f"longest losing run {streaks.longest_losing}"),
    )


def facts(run: ReportInput) -> dict[str, str]:
    """Return what was run on what."""
    span = f"{words.minute(run.began_ms)} to {words.minute(run.to_ms)} UTC"
    still_open = [
        f"{each.side} {each.quantity} {each.symbol}, {words.signed(each.unrealized)} USDT" for each in run.outcome.open
    ]
    return {
        "Strategy": run.strategy,
        "Symbols": ", ".join(run.symbols),
        "Data": f"{span}, {words.number(run.summary.candles, 0)} candles",
        "Opening balance": f"{words.number(run.outcome.opening_balance)} USDT",
        "Closing wallet": f"{words.number(run.outcome.wallet)} USDT",
        "Open at the end": "; ".join(still_open) or "nothing",
        "Configuration": run.config_hash,
        "Code": run.code_version,
        **run.timing,
    }


def luck_note(found: MonteCarlo) -> str:
    """Say how the percentiles of luck were found."""
    return (
        f"{found.runs:,} times (seed {found.seed}): the trades in another order, and as many drawn from them with "
        "repetition. Percentiles in USDT, drawdown at the end of each trade. "
        f"{words.percent(found.losing_share)} of the draws end without a profit."
    )


def flat(text: str) -> list[tuple[str, str]]:
    """Return a JSON configuration as dotted keys with their values; any other text as it is."""
    try:
        return list(_flat("", json.loads(text)))
    except ValueError:
        return [("configuration", text)]


def cost_words(costs: Costs) -> dict[str, str]:
    """Return the cost model by name, rates as percentages and each tier of liquidity in a line."""
    tiers = {
        f"from {words.number(tier.minute_notional, 0)} USDT a minute": (
            f"spread {plain(tier.spread_bps)} bps, slippage {plain(tier.slippage_bps)} bps"
        )
        for tier in costs.tiers
    }
    return {
        "maker fee": words.percent(costs.maker_rate, 4),
        "taker fee": words.percent(costs.taker_rate, 4),
        **(tiers or {"spread and slippage": "none"}),
        "funding": f"{words.percent(costs.funding_rate, 4)} every {costs.funding_interval_hours} h, where not recorded",
        "volume share of a resting order": words.percent(costs.volume_share),
        "share of that when only touched": words.percent(costs.touch_share),
        "latency": f"{costs.latency_ms} ms",
        "leverage brackets where none are known": costs.brackets,
    }


def _flat(prefix: str, value: Any) -> Iterator[tuple[str, str]]:
    inside = dict(enumerate(value, start=1)) if isinstance(value, list) else value
    if isinstance(inside, dict) and inside:
        for key, inner in inside.items():
            yield from _flat(f"{prefix}.{key}" if prefix else str(key), inner)
        return
    shown = value if isinstance(value, str) else json.dumps(value)
    yield prefix, shown or '""'
