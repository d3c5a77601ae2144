from decimal import Decimal
from itertools import pairwise
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from simulator.market.instruments import Grid
from simulator.market.path import Bar, candle_of_bar, candle_of_ticks, marks_of, minute_of_bars, ticks_of

NOON = 1_767_268_800_000
GRID = Grid("BTCUSDT", Decimal("0.10"), Decimal("0.001"))


def a_bar(*, open=1000, high=1050, low=970, close=1020, volume=5000, open_time=NOON):  # noqa: A002 - the candle's word
    return Bar(open_time, open, high, low, close, volume)


@st.composite
def bars(draw):
    low = draw(st.integers(1, 1_000_000))
    high = low + draw(st.integers(0, 5_000))
    inside = st.integers(low, high)
    return a_bar(open=draw(inside), high=high, low=low, close=draw(inside), volume=draw(st.integers(0, 10_000_000)))


@given(bar=bars(), count=st.integers(1, 120), seed=st.integers(0, 99))
@settings(max_examples=300, deadline=None)
def test_trades_of_a_candle_add_up_to_the_candle(bar, count, seed):
    ticks = ticks_of(bar, GRID, count=count, rng=Random(seed))
    if bar.volume == 0:
        assert ticks == []
        return
    candle, expected = candle_of_ticks("BTCUSDT", NOON, ticks), candle_of_bar(bar, GRID)
    assert (candle.open, candle.high, candle.low, candle.close) == (
        expected.open,
        expected.high,
        expected.low,
        expected.close,
    )
    assert candle.volume == expected.volume
    assert candle.low * candle.volume <= candle.quote_volume <= candle.high * candle.volume
    assert 0 <= candle.taker_base <= candle.volume


@given(bar=bars(), count=st.integers(1, 120), seed=st.integers(0, 99))
@settings(max_examples=200, deadline=None)
def test_trades_are_in_time_order_within_the_minute_and_begin_with_it(bar, count, seed):
    times = [tick.at_ms for tick in ticks_of(bar, GRID, count=count, rng=Random(seed))]
    assert times == sorted(times)
    assert not times or (times[0] == NOON and times[-1] < NOON + 60_000)


def test_a_full_candle_has_the_number_of_trades_asked_for():
    assert len(ticks_of(a_bar(), GRID, count=60, rng=Random(1))) == 60


def test_a_candle_of_few_steps_has_no_more_trades_than_steps():
    ticks = ticks_of(a_bar(volume=7), GRID, count=60, rng=Random(1))
    assert [tick.quantity for tick in ticks] == [Decimal("0.001")] * 7


def test_extremes_without_volume_for_them_are_visited_by_ticks_of_quantity_zero():
    ticks = ticks_of(a_bar(volume=2), GRID, count=60, rng=Random(1))
    assert {tick.price for tick in ticks} == {Decimal("100.0"), Decimal("105.0"), Decimal("97.0"), Decimal("102.0")}
    assert [tick.quantity for tick in ticks] == [Decimal("0.001"), Decimal("0.001"), Decimal(0), Decimal(0)]
    assert candle_of_ticks("BTCUSDT", NOON, ticks).trades == 2


def test_a_falling_trade_is_the_sellers_and_a_rising_one_the_buyers():
    ticks = ticks_of(a_bar(), GRID, count=60, rng=Random(1))
    for before, now in pairwise(ticks):
        assert now.price >= before.price or now.buyer_is_maker
        assert now.price <= before.price or not now.buyer_is_maker


def test_prices_keep_the_decimals_of_the_tick():
    assert str(ticks_of(a_bar(), GRID, count=60, rng=Random(1))[0].price) == "100.00"


def test_marks_follow_the_path_second_by_second():
    ticks = ticks_of(a_bar(), GRID, count=60, rng=Random(1))
    marks = marks_of("BTCUSDT", NOON, ticks, before=Decimal(1))
    assert [mark.at_ms for mark in marks] == list(range(NOON, NOON + 60_000, 1000))
    assert marks[0].mark == marks[0].index == Decimal("100.0")
    assert marks[59].mark == [tick for tick in ticks if tick.at_ms <= NOON + 59_000][-1].price


def test_a_minute_joins_the_symbols_in_time_order_and_leaves_out_the_hole():
    other = Grid("ETHUSDT", Decimal("0.01"), Decimal("0.001"))
    grids = {"BTCUSDT": GRID, "ETHUSDT": other, "SOLUSDT": GRID}
    minute = minute_of_bars(NOON, {"BTCUSDT": a_bar(), "ETHUSDT": a_bar()}, grids, count=60, seed=1)
    times = [tick.at_ms for tick in minute.ticks]
    assert times == sorted(times)
    assert set(minute.candles) == {tick.symbol for tick in minute.ticks} == {"BTCUSDT", "ETHUSDT"}


def test_a_candle_without_volume_has_marks_and_no_trade():
    flat = a_bar(open=1000, high=1000, low=1000, close=1000, volume=0)
    minute = minute_of_bars(NOON, {"BTCUSDT": flat}, {"BTCUSDT": GRID}, count=60, seed=1)
    assert minute.ticks == ()
    assert {mark.mark for mark in minute.marks} == {Decimal("100.0")}
    assert minute.candles["BTCUSDT"].volume == 0


@pytest.mark.parametrize("seed", [1, 2])
def test_the_same_seed_gives_the_same_minute(seed):
    first, again = (minute_of_bars(NOON, {"BTCUSDT": a_bar()}, {"BTCUSDT": GRID}, count=60, seed=seed) for _ in "12")
    assert first == again
