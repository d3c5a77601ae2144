"""Commission of a fill (docs/ledger.md R1)."""

from decimal import ROUND_HALF_UP, Decimal

from simulator.venue.decimals import EIGHT_PLACES


class Fees:
    """Maker and taker rates as fractions, the same for every symbol."""

    def __init__(self, maker: Decimal, taker: Decimal) -> None:
        self.maker = maker
        self.taker = taker

    def commission(self, quote: Decimal, *, maker: bool) -> Decimal:
        """Return what a fill of this quote value costs, in its margin asset."""
        return (quote * (self.maker if maker else self.taker)).quantize(EIGHT_PLACES, ROUND_HALF_UP)
