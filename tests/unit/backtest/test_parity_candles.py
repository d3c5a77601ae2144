"""The candles the bot saw beside a recording: how many days apart, and where they are not the same."""

from decimal import Decimal

import numpy as np
import pytest

from backtest.errors import DataError
from backtest.parity.recorded import changed, cut, history_of, shift_between
from bot.domain.errors import ConfigurationError
from bot.domain.market import DAY_MS, Candle
from support.backtest_outcomes import MINUTE, MONDAY, a_history, a_series
from support.database_rows import an_instrument

WAVE = [1_000 + round(7 * np.sin(row / 9), 1) + row % 3 for row in range(400)]


def moved(series, days, first=100, last=300):
    """Return a part of the candles as seen so many days later."""
    part = cut(a_history(series), MONDAY + first * MINUTE, MONDAY + last * MINUTE).series[series.symbol]
    return a_history(a_series(part.close * 0.1, start=MONDAY + first * MINUTE + days * DAY_MS))


@pytest.mark.parametrize("days", [0, 1, 139, -3])
def test_the_shift_is_found_from_the_candles(days):
    recorded = a_series(WAVE)
    assert shift_between(a_history(recorded), moved(recorded, days)) == days * DAY_MS


def test_a_day_that_only_begins_alike_is_not_taken():
    twice = a_series([*WAVE, *[1_000.0] * 1_040, *WAVE[:200], *[price + 1 for price in WAVE[200:]]])
    assert shift_between(a_history(twice), moved(a_series(WAVE), 5)) == 5 * DAY_MS


def test_candles_that_were_never_recorded_are_refused_with_what_to_do():
    other = a_series([price + 50 for price in WAVE])
    with pytest.raises(ConfigurationError, match="not those the bot saw, on no day: pass the file"):
        shift_between(a_history(a_series(WAVE)), moved(other, 2))


def test_too_few_or_flat_candles_prove_nothing():
    flat = a_series([1_000.0] * 400)
    for seen in (moved(flat, 1), moved(a_series(WAVE), 1, 100, 150)):
        with pytest.raises(ConfigurationError):
            shift_between(a_history(flat), seen)


def test_candles_that_differ_or_stand_on_one_side_alone_are_named_by_time():
    ours = a_series([100, 101, 102, 103])
    theirs = a_series([100, 101, 102.5], times=[MONDAY + DAY_MS + row * MINUTE for row in (0, 1, 2)])
    found = changed(a_history(ours), a_history(theirs), DAY_MS)
    assert found == {"BTCUSDT": [MONDAY + 2 * MINUTE, MONDAY + 3 * MINUTE]}


def test_stored_candles_become_exact_ticks_and_steps():
    candle = Candle("BTCUSDT", MONDAY, *map(Decimal, ("100.1", "100.3", "99.9", "100.2", "1.234")))
    series = history_of({"BTCUSDT": [candle]}, {"BTCUSDT": an_instrument("BTCUSDT")}).series["BTCUSDT"]
    assert [column.tolist() for column in (series.open, series.high, series.low, series.close)] == [
        [1001.0], [1003.0], [999.0], [1002.0],
    ]  # fmt: skip
    assert series.volume.tolist() == [1234.0]


def test_a_stored_price_off_the_tick_is_refused():
    candle = Candle("BTCUSDT", MONDAY, *map(Decimal, ("100.15", "101", "100", "100", "1")))
    with pytest.raises(DataError, match=r"holds 100.15, which is no whole number of 0.1"):
        history_of({"BTCUSDT": [candle]}, {"BTCUSDT": an_instrument("BTCUSDT")})
