"""Where the money of a round trip came from: the edge of its decisions, slippage, fees and funding."""

from collections.abc import Iterable
from decimal import Decimal
from typing import Final, Protocol

from msgspec import Struct

from bot.domain.money import ZERO, round_half_away
from bot.trading.limits import Costs

_BPS: Final = Decimal(10_000)


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


class Execution(Struct, frozen=True, gc=False):
    """One fill of a trip, for what the cost model expected of it.

    `notional` is its price x quantity, `minute_notional` what the market traded in the minute before (USDT).
    """

    notional: Decimal
    maker: bool
    minute_notional: Decimal


class Expected(Struct, frozen=True, gc=False):
    """What `[costs]` expected fills to cost (USDT): fees, and slippage with half the spread in it."""

    fees: Decimal = ZERO
    slippage: Decimal = ZERO


def expected(executions: Iterable[Execution], costs: Costs) -> Expected:
    """Return what the cost model expected of these fills, each taken as the maker or taker it was; 8 decimals."""
    fees = slippage = ZERO
    for each in executions:
        fees += each.notional * (costs.maker_rate if each.maker else costs.taker_rate)
        slippage += ZERO if each.maker else each.notional * _against_taker(costs, each.minute_notional)
    return Expected(round_half_away(fees), round_half_away(slippage))


def _against_taker(costs: Costs, minute_notional: Decimal) -> Decimal:
    """Return how much worse than the last price a taker fills, as a fraction; the least liquid tier holds below all."""
    tiers = sorted(costs.tiers, key=lambda tier: tier.minute_notional)
    if not tiers:
        return ZERO
    tier = next((each for each in reversed(tiers) if each.minute_notional <= minute_notional), tiers[0])
    return (tier.spread_bps / 2 + tier.slippage_bps) / _BPS
