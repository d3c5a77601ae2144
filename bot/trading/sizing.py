"""From a wanted notional to a quantity the exchange accepts."""

from decimal import Decimal

from msgspec import Struct

from bot.domain.instrument import Instrument
from bot.domain.money import plain
from bot.trading.limits import RiskLimits


class Sizing(Struct, frozen=True, gc=False):
    """A quantity and the numbers it came from. Quantity 0 = the notional does not buy one step."""

    quantity: Decimal
    notional: Decimal
    price: Decimal
    step_size: Decimal

    def inputs(self) -> dict[str, str]:
        """Return the arithmetic as text, for the decision's audit."""
        return {
            "notional": plain(self.notional),
            "price": plain(self.price),
            "step_size": plain(self.step_size),
            "quantity": plain(self.quantity),
            "formula": "floor(notional / price, step_size)",
        }


def size(instrument: Instrument, notional: Decimal, price: Decimal, *, market: bool) -> Sizing:
    """Return floor(notional / price) on the quantity grid, never worth more than `notional` at `price`.

    `market` takes the grid of market orders; it also suits a limit order that may have to cross later, if coarser.
    """
    quantity = instrument.floor_quantity_worth(notional, price, market=market)
    return Sizing(quantity, notional, price, instrument.step(market=market))


def hopeless(instrument: Instrument, notional: Decimal, price: Decimal, equity: Decimal, limits: RiskLimits) -> str:
    """Say why a symbol could never trade with this capital, empty = it can. A start must fail on it."""
    quantity = instrument.floor_quantity_worth(notional, price, market=True)
    refusal = instrument.refusal(quantity, price, market=True)
    if refusal:
        return refusal.message
    worth = quantity * price
    if worth > limits.max_symbol_notional:
        return (
            f"{instrument.symbol}: a position of {plain(worth)} USDT exceeds risk.max_symbol_notional "
            f"{plain(limits.max_symbol_notional)}. Raise the limit or lower the strategy's notional."
        )
    if worth > equity * limits.max_symbol_share:
        return (
            f"{instrument.symbol}: a position of {plain(worth)} USDT exceeds risk.max_symbol_share "
            f"{plain(limits.max_symbol_share)} of {plain(equity)} USDT equity. Lower the strategy's notional."
        )
    return ""
