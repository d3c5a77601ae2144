"""Why a backtest and the bot can differ: the names of the causes, and which refusal belongs to which."""

from enum import StrEnum
from typing import Final


class Cause(StrEnum):
    """What made a difference. EDGE and DATA are those that should not be: everything else is inherent to a live run."""

    EDGE = "edge"
    """The strategy decided differently on the same candles, and nothing outside it explains why."""
    DATA = "data"
    """The candles differ."""
    START_UP = "start_up"
    """The bot came from a past that the backtest does not know, or was not running."""
    VOLATILITY = "volatility"
    """The five-second volatility safety, which exists only where there are quotes."""
    GATE = "gate"
    """A gate or halt of the running bot: stale data, a stream down, not reconciled."""
    PEOPLE = "people"
    """A person paused, halted or flattened."""
    FILTER = "filter"
    """A contract filter or bracket applied on one side only."""
    LIMIT = "limit"
    """A limit on equity bound on one side only, because profit and loss had differed before."""
    EXECUTION = "execution"
    """Orders filled in another way: a resting limit order, its time to live, a stop inside a candle."""
    LATENCY = "latency"
    """The order reached the exchange later than the open of the next candle."""
    SLIPPAGE = "slippage"
    """The same order filled at another price."""
    FEE = "fee"
    """Fees: another rate, or the same on another price."""
    FUNDING = "funding"
    """Funding settled at other rates or times."""
    END = "end"
    """The period ends before the outcome is known."""


UNEXPLAINED: Final = frozenset({Cause.EDGE, Cause.DATA})

_GATES: Final = (
    "data_stale",
    "stream_down",
    "unreconciled",
    "database",
    "back_fill",
    "task_failed",
    "exit_failed",
    "second_instance",
)
_REASONS: Final = {
    "volatility": Cause.VOLATILITY,
    "stale_signal": Cause.LATENCY,
    "stop_pending": Cause.LATENCY,
    "symbol_refused": Cause.EXECUTION,
    "kill_switch": Cause.PEOPLE,
    "paused": Cause.PEOPLE,
    "halted_by_person": Cause.PEOPLE,
    "flatten": Cause.PEOPLE,
    "manual": Cause.PEOPLE,
    "daily_loss": Cause.LIMIT,
    "max_symbol_share": Cause.LIMIT,
    "max_symbol_notional": Cause.LIMIT,
    "conditional_order_slots": Cause.LIMIT,
    "leverage_bracket": Cause.FILTER,
    "not_trading": Cause.FILTER,
    "price_filter": Cause.FILTER,
    "lot_size": Cause.FILTER,
    "market_lot_size": Cause.FILTER,
    "min_notional": Cause.FILTER,
    "percent_price": Cause.FILTER,
    "max_num_orders": Cause.FILTER,
    "liquidation": Cause.EXECUTION,
    "adl": Cause.EXECUTION,
    "settlement": Cause.EXECUTION,
} | dict.fromkeys(_GATES, Cause.GATE)

SPACING: Final = "global_trade_spacing"
RESTS: Final = frozenset({"symbol_cooldown_active", "exit_in_candle"})


def cause_of(reason: str) -> Cause | None:
    """Return the cause that a reason names by itself; None where it follows from what happened before."""
    return _REASONS.get(reason)
