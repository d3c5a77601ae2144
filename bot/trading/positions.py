"""Fills become positions: quantity and cost by ledger rules R2 and R3, and the round trips they make."""

from collections.abc import Iterable
from decimal import ROUND_HALF_UP, Context, Decimal

from msgspec import Struct
from msgspec.structs import replace

from bot.domain.fill import Fill
from bot.domain.money import EIGHT_PLACES, ZERO
from bot.domain.order import Side

_WIDE = Context(prec=60)


class Track(Struct, frozen=True, gc=False):
    """Where a symbol stands after a fill. `quantity` is signed; the rest counts since it was last flat.

    `trip` numbers the round trips of the symbol; `realized` is the wire's, `commission` only what was paid in
    `margin_asset`. `entry_price` is cost / |quantity| to 8 decimals (ledger rule R3), 0 when flat. `exit_order_id` is
    the order of the latest reducing fill.
    """

    trip: int = 0
    quantity: Decimal = ZERO
    cost: Decimal = ZERO
    opened_ms: int = 0
    entered: Decimal = ZERO
    entered_value: Decimal = ZERO
    exited_value: Decimal = ZERO
    realized: Decimal = ZERO
    commission: Decimal = ZERO
    entry_order_id: int = 0
    exit_order_id: int = 0
    last_trade_id: int = 0
    last_ms: int = 0
    entry_price: Decimal = ZERO

    @property
    def side(self) -> int:
        """Return +1 long, -1 short, 0 flat."""
        return (self.quantity > 0) - (self.quantity < 0)

    def unrealized(self, price: Decimal) -> Decimal:
        """Return what closing everything at `price` would realize, before fees."""
        worth = self.quantity * price
        return worth - self.cost if self.quantity > 0 else worth + self.cost


class Trip(Struct, frozen=True, gc=False):
    """A position that returned to flat. Prices are averages to 8 decimals."""

    trip: int
    side: int
    quantity: Decimal
    entry_ms: int
    entry_price: Decimal
    exit_ms: int
    exit_price: Decimal
    realized: Decimal
    commission: Decimal
    entry_order_id: int
    exit_order_id: int


class Followed(Struct, frozen=True, gc=False):
    """What one fill made of a position. `expected` is its realized PnL by rule R3; the books keep the wire's."""

    track: Track
    expected: Decimal
    opened: bool
    reduced: bool
    closed: Trip | None


def divide(amount: Decimal, by: Decimal) -> Decimal:
    """Divide and round to 8 decimals, half away from zero."""
    quotient = _WIDE.divide(amount, by)
    return quotient.quantize(EIGHT_PLACES, rounding=ROUND_HALF_UP, context=_WIDE)


def follow(track: Track, fill: Fill, margin_asset: str) -> Followed:
    """Apply one fill: an increase, a reduction, or a flip, which is a full close and then an open."""
    paid = fill.commission if fill.commission_asset == margin_asset else ZERO
    held = track.quantity
    if not held or (held > 0) is (fill.side is Side.BUY):
        return Followed(_increase(track, fill, fill.quantity, paid), ZERO, not held, reduced=False, closed=None)
    reducing = min(fill.quantity, abs(held))
    shared = paid if reducing == fill.quantity else divide(paid * reducing, fill.quantity)
    reduced, expected = _reduce(track, fill, reducing, shared)
    if reduced.quantity:
        return Followed(reduced, expected, opened=False, reduced=True, closed=None)
    trip = _trip(track, reduced)
    flat = Track(trip=reduced.trip, last_trade_id=reduced.last_trade_id, last_ms=fill.time_ms)
    if reducing == fill.quantity:
        return Followed(flat, expected, opened=False, reduced=True, closed=trip)
    opened = _increase(flat, fill, fill.quantity - reducing, paid - shared)
    return Followed(opened, expected, opened=True, reduced=True, closed=trip)


def follow_all(track: Track, fills: Iterable[Fill], margin_asset: str) -> list[Followed]:
    """Apply fills one after the other and return each step."""
    steps: list[Followed] = []
    for fill in fills:
        steps.append(follow(track, fill, margin_asset))
        track = steps[-1].track
    return steps


def _increase(track: Track, fill: Fill, quantity: Decimal, commission: Decimal) -> Track:
    value = _WIDE.multiply(fill.price, quantity)
    signed = quantity if fill.side is Side.BUY else -quantity
    last_trade_id = max(track.last_trade_id, fill.trade_id)
    if not track.quantity:
        return Track(
            trip=track.trip + 1,
            quantity=signed,
            cost=value,
            opened_ms=fill.time_ms,
            entered=quantity,
            entered_value=value,
            commission=commission,
            entry_order_id=fill.order_id,
            last_trade_id=last_trade_id,
            last_ms=fill.time_ms,
            entry_price=divide(value, quantity),
        )
    held, cost = track.quantity + signed, track.cost + value
    return replace(
        track,
        quantity=held,
        cost=cost,
        entry_price=divide(cost, abs(held)),
        entered=track.entered + quantity,
        entered_value=track.entered_value + value,
        commission=track.commission + commission,
        last_trade_id=last_trade_id,
        last_ms=fill.time_ms,
    )


def _reduce(track: Track, fill: Fill, quantity: Decimal, commission: Decimal) -> tuple[Track, Decimal]:
    held = abs(track.quantity)
    released = track.cost if quantity == held else divide(_WIDE.multiply(track.cost, quantity), held)
    value = _WIDE.multiply(fill.price, quantity)
    is_long = track.quantity > 0
    gain = value - released if is_long else released - value
    expected = gain.quantize(EIGHT_PLACES, rounding=ROUND_HALF_UP, context=_WIDE)
    left, cost = held - quantity, track.cost - released
    reduced = replace(
        track,
        quantity=left if is_long else -left,
        cost=cost,
        entry_price=divide(cost, left) if left else ZERO,
        exited_value=track.exited_value + value,
        realized=track.realized + fill.realized_pnl,
        commission=track.commission + commission,
        exit_order_id=fill.order_id,
        last_trade_id=max(track.last_trade_id, fill.trade_id),
        last_ms=fill.time_ms,
    )
    return reduced, expected


def _trip(before: Track, after: Track) -> Trip:
    return Trip(
        trip=after.trip,
        side=before.side,
        quantity=after.entered,
        entry_ms=after.opened_ms,
        entry_price=divide(after.entered_value, after.entered),
        exit_ms=after.last_ms,
        exit_price=divide(after.exited_value, after.entered),
        realized=after.realized,
        commission=after.commission,
        entry_order_id=after.entry_order_id,
        exit_order_id=after.exit_order_id,
    )
