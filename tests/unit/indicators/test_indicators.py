"""The indicators on made-up candles: definitions, edges, and the compiled form."""

from math import isnan, sqrt
from random import Random

import numpy as np
import pytest
import talib

from bot.indicators.adx import adx_start, adx_step, adx_value
from bot.indicators.vwap import vwap_bands, vwap_start, vwap_step
from bot.indicators.window import MidRange


def some_candles(count: int, seed: int) -> list[tuple[float, float, float, float]]:
    dice = Random(seed)
    close = 100_000
    found = []
    for _ in range(count):
        opened = close
        close = max(1_000, opened + dice.randrange(-300, 301))
        high = max(opened, close) + dice.randrange(60)
        low = min(opened, close) - dice.randrange(60)
        found.append((float(high), float(low), float(close), float(dice.randrange(5_000))))
    return found


def adx_of(candles: list[tuple[float, float, float, float]]) -> list[float]:
    state = adx_start()
    found = []
    for high, low, close, _ in candles:
        state = adx_step(state, high, low, close)
        found.append(adx_value(state))
    return found


def test_adx_has_its_first_value_at_the_28th_candle():
    values = adx_of(some_candles(30, seed=1))
    assert all(isnan(value) for value in values[:27])
    assert not isnan(values[27])


@pytest.mark.parametrize("seed", range(5))
def test_adx_equals_talib(seed):
    candles = some_candles(600, seed)
    high, low, close, _ = (np.array(column) for column in zip(*candles, strict=True))
    theirs = talib.ADX(high, low, close, 14)
    np.testing.assert_allclose(adx_of(candles), theirs, rtol=0, atol=1e-9)


def test_adx_of_a_market_that_stands_still_is_zero():
    assert adx_of([(100.0, 100.0, 100.0, 0.0)] * 40)[-1] == 0.0


def test_adx_equals_talib_when_the_market_freezes_and_thaws():
    candles = [*some_candles(60, seed=2), *[(99_000.0, 99_000.0, 99_000.0, 0.0)] * 60, *some_candles(60, seed=3)]
    flat_first = [(99_000.0, 99_000.0, 99_000.0, 0.0)] * 40 + candles
    for each in (candles, flat_first):
        high, low, close, _ = (np.array(column) for column in zip(*each, strict=True))
        np.testing.assert_allclose(adx_of(each), talib.ADX(high, low, close, 14), rtol=0, atol=1e-9)


def test_candles_without_direction_leave_the_average_as_it_is():
    widening = [(100.0 + n, 100.0 - n, 100.0, 1.0) for n in range(40)]
    assert adx_of(widening)[-1] == 0.0


def test_vwap_is_the_volume_weighted_mean_of_three_prices():
    state = vwap_step(vwap_start(), True, 12.0, 9.0, 10.0, 2.0)
    state = vwap_step(state, False, 15.0, 12.0, 14.0, 6.0)
    mean, deviation = vwap_bands(state)
    expected = (31 * 2 + 41 * 6) / 8
    assert mean == expected
    assert deviation == sqrt((31**2 * 2 + 41**2 * 6) / 8 - expected**2)


def test_vwap_has_no_value_in_a_session_not_seen_from_its_first_candle():
    state = vwap_step(vwap_start(), False, 12.0, 9.0, 10.0, 2.0)
    assert state == vwap_start()
    assert all(isnan(value) for value in vwap_bands(state))


def test_vwap_has_no_value_before_anything_is_traded():
    state = vwap_step(vwap_start(), True, 12.0, 9.0, 10.0, 0.0)
    assert all(isnan(value) for value in vwap_bands(state))
    state = vwap_step(state, False, 12.0, 9.0, 10.0, 0.0)
    assert state[3] == 2.0


def test_a_new_session_starts_from_nothing():
    old = vwap_step(vwap_start(), True, 12.0, 9.0, 10.0, 2.0)
    assert vwap_step(old, True, 3.0, 2.0, 2.0, 7.0) == vwap_step(vwap_start(), True, 3.0, 2.0, 2.0, 7.0)


def test_range_is_judged_over_the_last_five_seconds_only():
    window = MidRange(5_000)
    assert window.add(0, 100.0) == 0.0
    assert window.add(1_000, 101.0) == 1.0
    assert window.add(5_000, 100.5) == 1.0
    assert window.add(5_001, 100.5) == pytest.approx((101 - 100.5) / 100.5 * 100)
    assert window.add(6_001, 100.5) == 0.0


def test_range_equals_the_plain_definition_on_any_walk():
    dice = Random(4)
    window = MidRange(5_000)
    seen: list[tuple[int, float]] = []
    at_ms = 0
    for _ in range(3_000):
        at_ms += dice.choice((0, 1, 50, 400, 2_500))
        value = 1_000.0 + dice.randrange(40)
        seen.append((at_ms, value))
        recent = [each for when, each in seen if when >= at_ms - 5_000]
        assert window.add(at_ms, value) == (max(recent) - min(recent)) / min(recent) * 100.0


def test_a_tick_from_the_past_counts_as_the_latest():
    window = MidRange(5_000)
    window.add(10_000, 100.0)
    assert window.add(4_000, 102.0) == 2.0
    assert window.add(14_999, 101.0) == 2.0


def test_a_cleared_range_starts_anew():
    window = MidRange(5_000)
    window.add(0, 100.0)
    window.clear()
    assert window.add(1, 200.0) == 0.0
