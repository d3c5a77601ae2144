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
    ttl_seconds: int = 20
    on_ttl: Literal["cross", "cancel"] = "cross"
    attempts: int = 5


@dataclass(frozen=True, slots=True)
class RiskLimits:
    """Limits that refuse an entry or halt the bot: `[risk]`. Amounts in USDT; None = off."""

    __pydantic_config__: ClassVar[dict[str, str]] = _STRICT

    max_symbol_notional: Decimal = Decimal(10_000)
    max_symbol_share: Decimal = Decimal("0.25")
    daily_loss: Decimal = Decimal(500)
    volatility_percent: Decimal = Decimal("0.5")
    volatility_pause_seconds: int = 60
    max_data_age_seconds: int = 10


@dataclass(frozen=True, slots=True)
class PacingLimits:
    """How far apart trades must lie, in market time: `[pacing]`."""

    __pydantic_config__: ClassVar[dict[str, str]] = _STRICT

    min_seconds_between_trades: int = 60
    cooldown_after_win_seconds: int = 600
    cooldown_after_loss_seconds: int = 2_700


@dataclass(frozen=True, slots=True)
class AccountRules:
    """How the account must be set up: `[account]`. One-way mode and single-asset margin are not negotiable."""

    __pydantic_config__: ClassVar[dict[str, str]] = _STRICT

    leverage: int = 3
    margin_type: Literal["ISOLATED", "CROSSED"] = "ISOLATED"


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
