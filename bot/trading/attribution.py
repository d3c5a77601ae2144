"""Where the money of a round trip came from: the edge of its decisions, slippage, fees and funding."""

from decimal import Decimal
from typing import Protocol

from msgspec import Struct

from bot.domain.money import ZERO


class RoundTrip(Protocol):
    """What has to be known of a completed round trip: a `TradeRow`, or a backtest's trade. `side` is LONG or SHORT."""

    @property
    def side(self) -> str: ...
    @property
    def quantity(self) -> Decimal: ...
    @property
    def entry_price(self) -> Decimal: ...
    @property
    def exit_price(self) -> Decimal: ...
    @property
    def fees(self) -> Decimal: ...
    @property
    def funding(self) -> Decimal: ...
    @property
    def pnl(self) -> Decimal: ...


class Attribution(Struct, frozen=True, gc=False):
    """The parts of a PnL (USDT): pnl = edge - slippage - fees + funding, exactly.

    `edge` is what the trip would have made at the prices it was decided at. `slippage` is what the fills cost against
    those prices, `fees` what was paid: both positive when they cost. `funding` is negative when it was paid.
    """

    edge: Decimal = ZERO
    slippage: Decimal = ZERO
    fees: Decimal = ZERO
    funding: Decimal = ZERO

    @property
    def pnl(self) -> Decimal:
        """Return what the parts add up to."""
        return self.edge - self.slippage - self.fees + self.funding

    def __add__(self, other: "Attribution") -> "Attribution":
        return Attribution(
            self.edge + other.edge,
            self.slippage + other.slippage,
            self.fees + other.fees,
            self.funding + other.funding,
        )


def attribute(trip: RoundTrip, entry_decision_price: Decimal, exit_decision_price: Decimal) -> Attribution:
    """Split the PnL of a round trip by the prices at which its entry and its exit were decided.

    A stop is decided at its trigger price, everything else at the close of the deciding candle. 0 = not known: the
    fill price stands for it, and that side shows no slippage.
    """
    entry = entry_decision_price or trip.entry_price
    leave = exit_decision_price or trip.exit_price
    edge = _side(trip) * trip.quantity * (leave - entry)
    gross = trip.pnl + trip.fees - trip.funding
    return Attribution(edge, edge - gross, trip.fees, trip.funding)


def _side(trip: RoundTrip) -> int:
    return 1 if trip.side == "LONG" else -1
