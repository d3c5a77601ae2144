"""The account as the exchange shows it at one moment."""

from decimal import Decimal

from msgspec import Struct

from bot.domain.order import AlgoReport, OrderReport


class ReportedPosition(Struct, frozen=True, gc=False):
    """A non-zero position in the exchange's words; quantity is signed."""

    symbol: str
    quantity: Decimal
    entry_price: Decimal
    position_side: str = "BOTH"


class AccountSnapshot(Struct, frozen=True):
    """Wallets, positions and everything open, read together. Missed history is delivered before it as events."""

    wallets: dict[str, Decimal]
    positions: tuple[ReportedPosition, ...]
    open_orders: tuple[OrderReport, ...]
    open_algo_orders: tuple[AlgoReport, ...]


class AccountSettings(Struct, frozen=True):
    """What must be right before trading: position mode, assets mode, and per symbol leverage and margin type."""

    hedge_mode: bool
    multi_assets: bool
    leverage: dict[str, int]
    margin_type: dict[str, str]
    can_trade: bool = True


class LeverageBracket(Struct, frozen=True, gc=False):
    """One notional bracket of a symbol: positions above `floor` up to `cap` USDT allow `leverage` at most."""

    symbol: str
    floor: Decimal
    cap: Decimal
    leverage: int
    maintenance_rate: Decimal
    cum: Decimal
