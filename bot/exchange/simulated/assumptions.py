"""What a backtest on candles takes for granted, in plain sentences (docs/strategy.md, Fills)."""

from decimal import Decimal

from bot.domain.money import plain
from bot.trading.limits import Costs, LiquidityTier

_PERCENT = 100


def assumptions(costs: Costs) -> tuple[str, ...]:
    """Return one sentence for each assumption that is made with these costs."""
    return (
        "An order decided at a candle's close trades at the open of the next candle given, however much later it is.",
        "Market orders and triggered stops fill whole, also in candles without volume.",
        *_taker_prices(costs),
        f"Fees are {_percent(costs.taker_rate)} for takers and {_percent(costs.maker_rate)} for makers.",
        "A stop is live from the fill on, the entry candle included, and fills at the worse of its price and the open.",
        "A take-profit fills at the better of its price and the open.",
        "Within a candle what hurts comes first: entries, then stops, then liquidation, then what takes a profit.",
        "A trailing stop is judged by the extreme against us, then moved by the one in our favour, then judged again.",
        *_limits(costs),
        "A limit order lives until the end of the candle in which its time runs out.",
        *_latency(costs),
        "Liquidation is judged by the candle's extremes, or by those of the mark price where a series is given.",
        *_funding(costs),
        "The rule on five-second volatility, which needs quotes, is never applied.",
    )


def _taker_prices(costs: Costs) -> tuple[str, ...]:
    if not any(tier.spread_bps or tier.slippage_bps for tier in costs.tiers):
        return ("Takers pay neither spread nor slippage.",)
    tiers = sorted(costs.tiers, key=lambda tier: tier.minute_notional)
    return (
        "Takers pay half the spread and the slippage, by the quote volume a minute of the candle before: "
        + ", ".join(_tier(tier) for tier in tiers)
        + "; without volume the first of these.",
    )


def _tier(tier: LiquidityTier) -> str:
    spread, slippage = plain(tier.spread_bps), plain(tier.slippage_bps)
    return f"{spread} + {slippage} bps from {plain(tier.minute_notional)} USDT"


def _limits(costs: Costs) -> tuple[str, ...]:
    share = f"at most {_percent(costs.volume_share)} of the candle's volume each"
    touching = "touching it is not enough"
    if costs.touch_share:
        touching = f"touching it gives {_percent(costs.touch_share)} of that"
    return (
        f"A resting limit order fills at its own price when the candle trades through it, {share}; {touching}.",
        "A limit order that the open is through already fills there as a taker, a post-only one expires.",
    )


def _latency(costs: Costs) -> tuple[str, ...]:
    if not costs.latency_ms:
        return ("Orders reach the exchange at once.",)
    return (
        f"Orders reach the exchange {costs.latency_ms} ms after their decision.",
        "What arrives late trades at the worse of the open and the straight line from open to close at that moment.",
    )


def _funding(costs: Costs) -> tuple[str, ...]:
    recorded = "Funding is settled at recorded times and rates where they are given"
    if not costs.funding_rate:
        return (f"{recorded}, and not at all where they are not.",)
    usual = f"{_percent(costs.funding_rate)} each {costs.funding_interval_hours} hours"
    return (f"{recorded}, else at {usual}; where no mark price is recorded the candle's open stands for it.",)


def _percent(rate: Decimal) -> str:
    return f"{plain(rate * _PERCENT)} %"
