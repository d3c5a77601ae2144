"""Executions and the other money movements of the account, copied from the wire, never recomputed."""

from decimal import Decimal

from msgspec import Struct

from bot.domain.order import Side


class Fill(Struct, frozen=True, gc=False):
    """One execution; its key is (symbol, trade_id). Commission is positive when paid; realized_pnl is before fees."""

    symbol: str
    trade_id: int
    order_id: int
    time_ms: int
    side: Side
    price: Decimal
    quantity: Decimal
    maker: bool
    commission: Decimal
    commission_asset: str
    realized_pnl: Decimal
    position_side: str = "BOTH"


class Funding(Struct, frozen=True, gc=False):
    """A funding settlement; negative amounts were paid. `time_ms` is floored to the minute (settlements jitter)."""

    symbol: str
    kind: str
    time_ms: int
    asset: str
    amount: Decimal


class Transfer(Struct, frozen=True, gc=False):
    """Any other balance change. `time_ms` is floored to the second; deposits and withdrawals are kind TRANSFER."""

    kind: str
    time_ms: int
    symbol: str
    asset: str
    amount: Decimal


class OpeningBalance(Struct, frozen=True, gc=False):
    """What an asset's wallet held before the first row of these books. `from_ms` 0 = since the account was opened."""

    asset: str
    balance: Decimal
    from_ms: int = 0
