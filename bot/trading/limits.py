"""The numbers a person may set for the core, with their defaults: the only place where a default stands."""

from dataclasses import dataclass, field
from decimal import Decimal
from typing import ClassVar, Literal

_STRICT: dict[str, str] = {"extra": "forbid"}


@dataclass(frozen=True, slots=True)
class ExecutionRules:
    """How an intent becomes orders: `[execution]`."""

    __pydantic_config__: ClassVar[dict[str, str]] = _STRICT

    entry: Literal["limit", "post_only", "market"] = "limit"
    """How an entry is first placed: at the deciding close, the same but only as maker, or at market."""
    ttl_seconds: int = 20
    """Market time a limit entry may rest before it is cancelled."""
    on_ttl: Literal["cross", "cancel"] = "cross"
    """What follows when that time is over: the rest at market, or nothing."""
    attempts: int = 5
    """Orders one intent may use, the last one included."""


@dataclass(frozen=True, slots=True)
class RiskLimits:
    """Limits that refuse an entry or halt the bot: `[risk]`. Amounts in USDT."""

    __pydantic_config__: ClassVar[dict[str, str]] = _STRICT

    max_symbol_notional: Decimal = Decimal(10_000)
    """Largest worst-case position on one symbol, in USDT."""
    max_symbol_share: Decimal = Decimal("0.25")
    """The same as a share of equity."""
    daily_loss: Decimal = Decimal(500)
    """Loss since 00:00 UTC, open positions included, that halts entries until the next UTC day; in USDT."""
    volatility_percent: Decimal = Decimal("0.5")
    """Range of the mid price within five seconds, in percent, above which a symbol's entries pause."""
    volatility_pause_seconds: int = 60
    """Market time for which they pause."""
    max_data_age_seconds: int = 10
    """Wall time without market data after which a symbol's entries stop."""


@dataclass(frozen=True, slots=True)
class PacingLimits:
    """How far apart trades must lie, in market time: `[pacing]`."""

    __pydantic_config__: ClassVar[dict[str, str]] = _STRICT

    min_seconds_between_trades: int = 60
    """Between two entries on whatever symbols; 0 = off."""
    cooldown_after_win_seconds: int = 600
    """Rest of a symbol after a round trip that won."""
    cooldown_after_loss_seconds: int = 2_700
    """Rest of a symbol after a round trip that did not win."""


@dataclass(frozen=True, slots=True)
class AccountRules:
    """How the account must be set up: `[account]`. One-way mode and single-asset margin are not negotiable."""

    __pydantic_config__: ClassVar[dict[str, str]] = _STRICT

    leverage: int = 3
    """Initial leverage, set at start on every symbol that trades."""
    margin_type: Literal["ISOLATED", "CROSSED"] = "ISOLATED"
    """Margin type, set likewise."""


@dataclass(frozen=True, slots=True)
class SymbolPlan:
    """What trades on one symbol: the strategy's registered name and its parameters as text, validated by it."""

    symbol: str
    strategy: str
    parameters: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class CorePlan:
    """Everything the core is told at its start."""

    symbols: tuple[SymbolPlan, ...]
    execution: ExecutionRules = field(default_factory=ExecutionRules)
    risk: RiskLimits = field(default_factory=RiskLimits)
    pacing: PacingLimits = field(default_factory=PacingLimits)
    account: AccountRules = field(default_factory=AccountRules)
    taker_rate: Decimal = Decimal("0.0005")
    maker_rate: Decimal = Decimal("0.0002")
    config_hash: str = ""
    code_version: str = ""
    mode: str = "backtest"
    narrated: bool = True
    """Whether rows are made that nothing is computed from: signals, decisions, alerts, open orders and positions.

    A backtest that only wants its round trips does without; it decides nothing differently.
    """
