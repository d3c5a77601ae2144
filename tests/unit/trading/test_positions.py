"""Fills become positions by the ledger's rules R2 and R3."""

from decimal import Decimal
from fractions import Fraction

from hypothesis import given
from hypothesis import strategies as st

from bot.domain.fill import Fill
from bot.domain.order import Side
from bot.trading.positions import Track, divide, follow, follow_all

numbers = iter(range(1, 10_000_000))


def a_fill(signed, price, commission="0", asset="USDT", realized="0", at=0):
    quantity = Decimal(signed)
    return Fill(
        symbol="BTCUSDT",
        trade_id=next(numbers),
        order_id=1,
        time_ms=at,
        side=Side.BUY if quantity > 0 else Side.SELL,
        price=Decimal(price),
        quantity=abs(quantity),
        maker=False,
        commission=Decimal(commission),
        commission_asset=asset,
        realized_pnl=Decimal(realized),
    )


def followed(*fills):
    return follow_all(Track(), fills, "USDT")


def test_increases_add_cost_exactly():
    track = followed(a_fill("1", "100"), a_fill("2", "100.000001"))[-1].track
    assert (track.quantity, track.cost) == (Decimal(3), Decimal("300.000002"))
    assert track.entry_price == Decimal("100.00000067")


def test_a_reduction_releases_its_share_of_cost_rounded_half_away():
    step = followed(a_fill("3", "100.000001"), a_fill("-1", "101"))[-1]
    assert step.expected == Decimal("0.99999900")
    assert step.track.cost == Decimal("200.00000200")


def test_a_close_releases_all_cost_and_ends_the_trip():
    steps = followed(
        a_fill("-2", "50", "0.05", at=1_000),
        a_fill("1", "49", "0.02", realized="1"),
        a_fill("1", "48", realized="2", at=9),
    )
    trip = steps[-1].closed
    assert (trip.side, trip.quantity, trip.entry_price, trip.exit_price) == (
        -1,
        Decimal(2),
        Decimal(50),
        Decimal("48.5"),
    )
    assert (trip.realized, trip.commission, trip.entry_ms, trip.exit_ms) == (Decimal(3), Decimal("0.07"), 1_000, 9)
    assert steps[-1].track.quantity == steps[-1].track.cost == 0
    assert steps[-1].track.trip == 1


def test_a_flip_is_a_full_close_and_then_an_open_at_the_fill_price_with_shared_commission():
    step = followed(a_fill("2", "100", "0.2"), a_fill("-3", "110", "0.3", realized="20"))[-1]
    assert (step.expected, step.opened, step.reduced) == (Decimal(20), True, True)
    assert (step.track.quantity, step.track.cost, step.track.trip) == (Decimal(-1), Decimal(110), 2)
    assert (step.closed.commission, step.track.commission) == (Decimal("0.4"), Decimal("0.1"))


def test_commission_in_another_asset_is_no_part_of_the_trip():
    assert followed(a_fill("1", "100", "0.001", "BNB"))[-1].track.commission == 0


def test_unrealized_profit_is_signed():
    long = follow(Track(), a_fill("2", "100"), "USDT").track
    short = follow(Track(), a_fill("-2", "100"), "USDT").track
    assert (long.unrealized(Decimal(101)), short.unrealized(Decimal(101))) == (Decimal(2), Decimal(-2))
    assert Track().unrealized(Decimal(101)) == 0


def test_division_rounds_half_away_from_zero():
    assert divide(Decimal("0.00000001"), Decimal(2)) == Decimal("0.00000001")
    assert divide(Decimal("-0.00000001"), Decimal(2)) == Decimal("-0.00000001")


amounts = st.integers(-50, 50).filter(bool).map(lambda n: Decimal(n) / 1000)
prices = st.integers(1, 10**7).map(lambda n: Decimal(n) / 100)


@given(st.lists(st.tuples(amounts, prices), max_size=20))
def test_position_is_the_sum_of_fills_and_money_is_conserved(legs):
    fills = [a_fill(str(quantity), str(price)) for quantity, price in legs]
    steps = followed(*fills)
    track = steps[-1].track if steps else Track()
    assert track.quantity == sum((quantity for quantity, _ in legs), Decimal(0))
    spent = sum((Fraction(q) * Fraction(p) for q, p in legs), Fraction(0))
    realized = sum((Fraction(step.expected) for step in steps), Fraction(0))
    assert Fraction(track.side * track.cost) - spent == realized


def test_a_close_leaves_no_crumb_of_a_cost_finer_than_eight_decimals():
    steps = followed(a_fill("0.00001", "0.00012"), a_fill("-0.00001", "0.00012"))
    assert steps[-1].track.cost == 0
    assert steps[-1].expected == 0
