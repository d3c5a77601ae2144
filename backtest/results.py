"""What a backtest found: round trips, what is still open, the fills behind them, and the JSON people read."""

from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from msgspec import Struct

from bot.domain.fill import Fill, Funding, Transfer
from bot.domain.money import plain
from bot.domain.records import RiskEvent


class Trade(Struct, frozen=True, gc=False):
    """A completed round trip. Times are the open (ms UTC) of the candle that filled it; pnl = gross - fees + funding.

    `exit_reason`: signal, stop, take_profit, trailing, liquidation, hold_time or kill_switch. `entry_decision_price`
    and `exit_decision_price` are the closes at which it was decided (0 = not decided by us: a stop).
    """

    symbol: str
    side: str
    quantity: Decimal
    entry_time: int
    entry_price: Decimal
    exit_time: int
    exit_price: Decimal
    fees: Decimal
    funding: Decimal
    pnl: Decimal
    exit_reason: str
    entry_decision_price: Decimal = Decimal(0)
    exit_decision_price: Decimal = Decimal(0)

    def as_json(self) -> dict[str, Any]:
        """Return the published fields; money as text."""
        return {
            "symbol": self.symbol,
            "side": self.side,
            "quantity": plain(self.quantity),
            "entry_time": self.entry_time,
            "entry_price": plain(self.entry_price),
            "exit_time": self.exit_time,
            "exit_price": plain(self.exit_price),
            "fees": plain(self.fees),
            "funding": plain(self.funding),
            "pnl": plain(self.pnl),
            "exit_reason": self.exit_reason,
        }


@dataclass(frozen=True, slots=True)
class OpenPosition:
    """A position that the data ended on, marked at the symbol's last close. `fees` and `funding` are those so far."""

    symbol: str
    side: str
    quantity: Decimal
    entry_time: int
    entry_price: Decimal
    mark_price: Decimal
    unrealized: Decimal
    fees: Decimal
    funding: Decimal
    stop_price: Decimal

    def as_json(self) -> dict[str, Any]:
        """Return the published fields; money as text."""
        return {
            "symbol": self.symbol,
            "side": self.side,
            "quantity": plain(self.quantity),
            "entry_time": self.entry_time,
            "entry_price": plain(self.entry_price),
            "mark_price": plain(self.mark_price),
            "unrealized": plain(self.unrealized),
            "fees": plain(self.fees),
            "funding": plain(self.funding),
            "stop_price": plain(self.stop_price),
        }


@dataclass(frozen=True, slots=True)
class Outcome:
    """Everything that happened on the account, in order; what statistics and reports are computed from.

    `wallet` is the closing wallet, `opening_balance` the first one, both USDT. `risk_events` are halts, trips of
    limits and their ends. `fills`, `fundings` and `transfers` (the insurance fund's share of a liquidation) are the
    account's own rows.
    """

    trades: tuple[Trade, ...]
    open: tuple[OpenPosition, ...]
    fills: tuple[Fill, ...]
    fundings: tuple[Funding, ...]
    risk_events: tuple[RiskEvent, ...]
    opening_balance: Decimal
    wallet: Decimal
    candles: int
    visited: int
    transfers: tuple[Transfer, ...] = ()
