"""The numbers a person may set for the core, with their defaults: the only place where a default stands."""

from dataclasses import dataclass, field
from decimal import Decimal
from typing import ClassVar, Literal, Self

from bot.domain.errors import ConfigurationError

_STRICT: dict[str, str] = {"extra": "forbid"}
MOST_LEVERAGE = 125


def _refuse_below(section: str, least: int, **values: Decimal | int) -> None:
    """Raise ConfigurationError naming the first value that is smaller than `least`."""
    for name, value in values.items():
        if value < least:
            raise ConfigurationError(f"{section}.{name} must be {least} or more, not {value}. Correct the value.")


def _refuse_nothing(section: str, **values: Decimal) -> None:
    """Raise ConfigurationError naming the first value that is not above zero."""
    for name, value in values.items():
        if not value > 0:
            raise ConfigurationError(f"{section}.{name} must be more than 0, not {value}. Correct the value.")


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

    def __post_init__(self) -> None:
        _refuse_below("execution", 1, ttl_seconds=self.ttl_seconds, attempts=self.attempts)


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

    def __post_init__(self) -> None:
        _refuse_nothing(
            "risk",
            max_symbol_notional=self.max_symbol_notional,
            max_symbol_share=self.max_symbol_share,
            daily_loss=self.daily_loss,
            volatility_percent=self.volatility_percent,
        )
        _refuse_below("risk", 0, volatility_pause_seconds=self.volatility_pause_seconds)
        _refuse_below("risk", 1, max_data_age_seconds=self.max_data_age_seconds)


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

    def __post_init__(self) -> None:
        _refuse_below(
            "pacing",
            0,
            min_seconds_between_trades=self.min_seconds_between_trades,
            cooldown_after_win_seconds=self.cooldown_after_win_seconds,
            cooldown_after_loss_seconds=self.cooldown_after_loss_seconds,
        )


@dataclass(frozen=True, slots=True)
class LiquidityTier:
    """What trading costs beside the fee where a market trades so much: `minute_notional` USDT a minute or more.

    `spread_bps` is the distance of best bid and ask, `slippage_bps` how much worse than the best price a taker fills,
    both in hundredths of a percent of the price.
    """

    __pydantic_config__: ClassVar[dict[str, str]] = _STRICT

    minute_notional: Decimal
    spread_bps: Decimal
    slippage_bps: Decimal


DEFAULT_TIERS = (
    LiquidityTier(Decimal(0), Decimal(5), Decimal(5)),
    LiquidityTier(Decimal(10_000), Decimal(2), Decimal(2)),
    LiquidityTier(Decimal(100_000), Decimal(1), Decimal("0.5")),
    LiquidityTier(Decimal(1_000_000), Decimal("0.1"), Decimal("0.2")),
)
_LONGEST_LATENCY_MS = 3_600_000
_WIDEST_SPREAD_BPS = 10_000
_WORST_SLIPPAGE_BPS = 5_000


@dataclass(frozen=True, slots=True)
class Costs:
    """What trading costs, the same for backtest and paper: `[costs]`.

    Paper trading charges the fees; spread, slippage and latency it has from real quotes, and funding from the market.
    """

    __pydantic_config__: ClassVar[dict[str, str]] = _STRICT

    maker_rate: Decimal = Decimal("0.0002")
    """Fee rate of an order that rested; the core expects it of the exchange too."""
    taker_rate: Decimal = Decimal("0.0005")
    """Fee rate of an order that crossed."""
    tiers: tuple[LiquidityTier, ...] = DEFAULT_TIERS
    """Backtest: spread and slippage by the quote volume of the candle before; none = neither."""
    funding_rate: Decimal = Decimal("0.0001")
    """Backtest: rate of each funding where no recorded series is given; 0 = none."""
    funding_interval_hours: int = 8
    """Backtest: hours between those fundings, from 00:00 UTC."""
    volume_share: Decimal = Decimal("0.1")
    """Backtest: part of a candle's volume that one resting limit order gets when the candle trades through it."""
    touch_share: Decimal = Decimal(0)
    """Backtest: part of that when the candle only touches its price; 0 = the whole queue is ahead of us."""
    latency_ms: int = 0
    """Backtest: market time from a decision until its order is at the exchange."""
    brackets: Literal["conservative", "bitcoin"] = "conservative"
    """Backtest: leverage brackets where the database holds none: those of a small contract, or of the largest."""

    def __post_init__(self) -> None:
        complaint = self._complaint()
        if complaint:
            raise ConfigurationError(f"costs.{complaint} Correct the value.")

    @classmethod
    def free(cls) -> Self:
        """Return costs that other engines can be compared on: 0.05 % for takers, and nothing else."""
        return cls(taker_rate=Decimal("0.0005"), tiers=(), funding_rate=Decimal(0), latency_ms=0)

    def _complaint(self) -> str:
        for name, rate in (("maker_rate", self.maker_rate), ("taker_rate", self.taker_rate)):
            if not -1 < rate < 1:
                return f"{name} must be a fraction such as 0.0005, not {rate}."
        for tier in self.tiers:
            if not tier.minute_notional >= 0:
                return f"tiers: minute_notional must be 0 or more, not {tier.minute_notional}."
            if not 0 <= tier.spread_bps < _WIDEST_SPREAD_BPS:
                return f"tiers: spread_bps must be 0 or more and below {_WIDEST_SPREAD_BPS}, not {tier.spread_bps}."
            if not 0 <= tier.slippage_bps < _WORST_SLIPPAGE_BPS:
                return (
                    f"tiers: slippage_bps must be 0 or more and below {_WORST_SLIPPAGE_BPS}, not {tier.slippage_bps}."
                )
        if not -1 < self.funding_rate < 1:
            return f"funding_rate must be a fraction such as 0.0001, not {self.funding_rate}."
        if self.funding_interval_hours < 1:
            return f"funding_interval_hours must be 1 or more, not {self.funding_interval_hours}."
        for name, share in (("volume_share", self.volume_share), ("touch_share", self.touch_share)):
            if not 0 <= share <= 1:
                return f"{name} must lie between 0 and 1, not {share}."
        if not 0 <= self.latency_ms <= _LONGEST_LATENCY_MS:
            return f"latency_ms must lie between 0 and an hour, not {self.latency_ms}."
        return ""


@dataclass(frozen=True, slots=True)
class AccountRules:
    """How the account must be set up: `[account]`. One-way mode and single-asset margin are not negotiable."""

    __pydantic_config__: ClassVar[dict[str, str]] = _STRICT

    leverage: int = 3
    """Initial leverage, set at start on every symbol that trades."""
    margin_type: Literal["ISOLATED", "CROSSED"] = "ISOLATED"
    """Margin type, set likewise."""

    def __post_init__(self) -> None:
        if not 1 <= self.leverage <= MOST_LEVERAGE:
            raise ConfigurationError(
                f"account.leverage must lie between 1 and {MOST_LEVERAGE}, not {self.leverage}. Correct the value."
            )


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
