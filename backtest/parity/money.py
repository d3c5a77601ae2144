"""Splits the difference in profit of two round trips by cause, so that the parts add up to it exactly."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Self

from backtest.parity.causes import Cause
from backtest.parity.record import Leg, Trip
from bot.domain.money import ZERO, round_half_away


class Parts:
    """Amounts by cause (bot - backtest, USDT)."""

    def __init__(self, amounts: Mapping[Cause, Decimal] | None = None) -> None:
        self._amounts: dict[Cause, Decimal] = dict(amounts or {})

    def add(self, cause: Cause, amount: Decimal) -> None:
        """Add an amount to a cause."""
        if amount:
            self._amounts[cause] = self._amounts.get(cause, ZERO) + amount

    def __iadd__(self, other: "Parts") -> Self:
        for cause, amount in other.amounts.items():
            self.add(cause, amount)
        return self

    @property
    def amounts(self) -> Mapping[Cause, Decimal]:
        """Return the amounts that are not zero."""
        return {cause: amount for cause, amount in self._amounts.items() if amount}

    @property
    def total(self) -> Decimal:
        """Return what they add up to."""
        return sum(self._amounts.values(), ZERO)


def split(ours: Trip, theirs: Trip, *, entry: Cause, edge: Cause | None, leave: Cause) -> Parts:
    """Split theirs.pnl - ours.pnl of two completed trips with the same entry.

    `entry` and `leave` are the causes of what the fills' prices moved, `edge` that of an exit decided at another price
    (None = it was the same). Averages are rounded to eight decimals on the way; the exit's part takes what is left, so
    nothing is lost.
    """
    parts = Parts()
    quantity = min(_entered(ours), _entered(theirs))
    sign = theirs.sign
    parts.add(Cause.FEE, ours.fees - theirs.fees)
    parts.add(Cause.FUNDING, theirs.funding - ours.funding)
    parts.add(entry, round_half_away(-sign * quantity * (theirs.entry.price - ours.entry.price)))
    parts.add(Cause.EXECUTION, _surplus(theirs, quantity) - _surplus(ours, quantity))
    is_known = bool(ours.exit_decided and theirs.exit_decided)
    if edge is not None and is_known:
        parts.add(edge, sign * quantity * (theirs.exit_decided - ours.exit_decided))
    rest = leave if edge is None else Cause.SLIPPAGE if is_known else edge
    parts.add(rest, theirs.pnl - ours.pnl - parts.total)
    return parts


def _entered(trip: Trip) -> Decimal:
    return trip.entry.quantity


def _surplus(trip: Trip, quantity: Decimal) -> Decimal:
    """Return what the part of a trip beyond the common quantity made before fees."""
    return round_half_away(trip.sign * (_entered(trip) - quantity) * (_price(trip.exit) - trip.entry.price))


def _price(leg: Leg | None) -> Decimal:
    return leg.price if leg is not None else ZERO
