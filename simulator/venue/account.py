"""Wallets and positions: what a fill, a fee, a funding or a transfer changes (docs/ledger.md R2 and R3)."""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal

from simulator.venue.decimals import ZERO, round8
from simulator.venue.model import MarginType, Trade


@dataclass(slots=True)
class Position:
    """One symbol's position: signed quantity and exact cost, and the margin set aside for it when isolated.

    `fees` are the commissions of the part still open: they move the break-even price only.
    """

    symbol: str
    margin_asset: str
    leverage: int = 20
    margin_type: MarginType = MarginType.CROSSED
    quantity: Decimal = ZERO
    cost: Decimal = ZERO
    fees: Decimal = ZERO
    accumulated_realized: Decimal = ZERO
    isolated_wallet: Decimal = ZERO
    updated_ms: int = 0

    @property
    def is_isolated(self) -> bool:
        return self.margin_type is MarginType.ISOLATED

    @property
    def entry_price(self) -> Decimal:
        """Mean entry, as shown (R4): 8 decimals, 0 when flat."""
        return round8(self.cost / abs(self.quantity)) if self.quantity else ZERO

    @property
    def break_even_price(self) -> Decimal:
        """The entry price with the commissions paid for it, 8 decimals, 0 when flat."""
        if not self.quantity:
            return ZERO
        fees = self.fees if self.quantity > 0 else -self.fees
        return round8((self.cost + fees) / abs(self.quantity))

    def unrealized(self, price: Decimal) -> Decimal:
        """Return the profit of closing everything at `price`, before fees."""
        if not self.quantity:
            return ZERO
        return self.quantity * price - (self.cost if self.quantity > 0 else -self.cost)

    def fill(self, signed_quantity: Decimal, price: Decimal, commission: Decimal) -> Decimal:
        """Apply one fill, positive = bought, and return the realized PnL; a flip closes, then opens at `price`."""
        held = self.quantity
        if not held or (held > ZERO) == (signed_quantity > ZERO):
            self._increase(signed_quantity, price, commission)
            return ZERO
        if signed_quantity == -held:
            return self._close(price)
        closed = min(abs(signed_quantity), abs(held))
        realized = self._reduce(closed, price)
        opened = abs(signed_quantity) - closed
        if opened:
            share = commission * opened / abs(signed_quantity)
            self._increase(opened if signed_quantity > 0 else -opened, price, share)
        self.accumulated_realized += realized
        return realized

    def _close(self, price: Decimal) -> Decimal:
        quantity = self.quantity
        realized = round8(quantity * price - (self.cost if quantity > ZERO else -self.cost))
        self.quantity = self.cost = self.fees = self.isolated_wallet = ZERO
        self.accumulated_realized += realized
        return realized

    def _increase(self, signed_quantity: Decimal, price: Decimal, commission: Decimal) -> None:
        quote = price * (signed_quantity if signed_quantity > ZERO else -signed_quantity)
        self.quantity += signed_quantity
        self.cost += quote
        self.fees += commission
        if self.margin_type is MarginType.ISOLATED:
            self.isolated_wallet += round8(quote / self.leverage)

    def _reduce(self, quantity: Decimal, price: Decimal) -> Decimal:
        held = abs(self.quantity)
        side = 1 if self.quantity > 0 else -1
        if quantity == held:
            released, fees, margin = self.cost, self.fees, self.isolated_wallet
        else:
            released = round8(self.cost * quantity / held)
            fees = self.fees * quantity / held
            margin = round8(self.isolated_wallet * quantity / held)
        self.cost -= released
        self.fees -= fees
        self.isolated_wallet -= margin
        self.quantity -= side * quantity
        return round8(side * (price * quantity - released))


class Account:
    """The wallets by asset and the positions by symbol of the one account; `held` are those that are not flat."""

    def __init__(self, opening: Mapping[str, Decimal], margin_assets: Mapping[str, str], opened_ms: int = 0) -> None:
        self.opening = dict(opening)
        self.wallets = dict(opening)
        self.positions = {symbol: Position(symbol, asset) for symbol, asset in margin_assets.items()}
        self.held: dict[str, Position] = {}
        self.updated_ms = opened_ms
        for asset in margin_assets.values():
            self.wallets.setdefault(asset, ZERO)

    def add(self, asset: str, amount: Decimal, at_ms: int) -> None:
        """Change a wallet by a signed amount."""
        self.wallets[asset] = self.wallets.get(asset, ZERO) + amount
        self.updated_ms = at_ms

    def book(self, trade: Trade) -> None:
        """Take a fill's profit and commission into the wallet of its asset, and note what is held after it."""
        if trade.realized_pnl or trade.commission:
            self.add(trade.commission_asset, trade.realized_pnl - trade.commission, trade.time_ms)
        self.note(self.positions[trade.symbol])

    def note(self, position: Position) -> None:
        """Take note of a position's new quantity."""
        if position.quantity:
            self.held[position.symbol] = position
        else:
            self.held.pop(position.symbol, None)

    def cross_wallet(self, asset: str) -> Decimal:
        """Return the wallet without what isolated positions hold."""
        free = self.wallets[asset]
        for position in self.held.values():
            if position.isolated_wallet and position.margin_asset == asset:
                free -= position.isolated_wallet
        return free
