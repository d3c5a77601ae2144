"""The indicators on recorded minutes, against TA-Lib, pandas-ta and exact whole-number arithmetic."""

import os
import warnings
from functools import cache
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
import talib

from bot.indicators.adx import adx_start, adx_step, adx_value
from bot.indicators.vwap import vwap_bands, vwap_start, vwap_step

DATA = os.environ.get("ACT_TEST_DATA", "")
pytestmark = pytest.mark.skipif(not DATA, reason="ACT_TEST_DATA names no folder of recorded data")

DAY_MS = 86_400_000
GRIDS = {"BTCUSDT": (0.1, 0.001), "ETHUSDT": (0.01, 0.001), "ADAUSDT": (0.0001, 1.0)}
ROWS = 130_000


@cache
def recorded(symbol: str) -> tuple[np.ndarray, ...]:
    """Open times, high, low and close in ticks, volume in steps."""
    path = Path(DATA) / "klines" / "um_perp_1m_2025.parquet"
    table = pq.read_table(
        path, columns=["open_time", "high", "low", "close", "volume"], filters=[("symbol", "=", symbol)]
    )
    tick, step = GRIDS[symbol]
    prices = (np.round(table[name].to_numpy()[:ROWS] / tick) for name in ("high", "low", "close"))
    return table["open_time"].to_numpy()[:ROWS], *prices, np.round(table["volume"].to_numpy()[:ROWS] / step)


def adx_of(high: np.ndarray, low: np.ndarray, close: np.ndarray) -> np.ndarray:
    state = adx_start()
    found = []
    for each in zip(high.tolist(), low.tolist(), close.tolist(), strict=True):
        state = adx_step(state, *each)
        found.append(adx_value(state))
    return np.array(found)


@pytest.mark.parametrize("symbol", GRIDS)
def test_adx_equals_talib_on_recorded_minutes(symbol):
    _, high, low, close, _ = recorded(symbol)
    np.testing.assert_allclose(adx_of(high, low, close), talib.ADX(high, low, close, 14), rtol=0, atol=1e-9)


def test_adx_equals_pandas_ta_from_bar_27_on():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # importing it warns about pandas 4
        import pandas as pd
        import pandas_ta as ta
    _, high, low, close, _ = (column[:5_000] for column in recorded("BTCUSDT"))
    columns = [pd.Series(each) for each in (high, low, close)]
    theirs = ta.adx(*columns, length=14, talib=False, tvmode=True)["ADX_14"].to_numpy()
    np.testing.assert_allclose(adx_of(high, low, close)[27:], theirs[27:], rtol=0, atol=1e-9)


@pytest.mark.parametrize("symbol", GRIDS)
def test_vwap_decisions_equal_exact_whole_number_arithmetic(symbol):
    traded = weighted = squared = 0
    seen = False
    state = vwap_start()
    below = above = 0
    for open_time, *each in zip(*(column.tolist() for column in recorded(symbol)), strict=True):
        opens = open_time % DAY_MS == 0
        high, low, close, volume = each
        state = vwap_step(state, opens, high, low, close, volume)
        mean, deviation = vwap_bands(state)
        if opens:
            traded, weighted, squared, seen = 0, 0, 0, True
        tripled, steps = int(high) + int(low) + int(close), int(volume)
        traded, weighted, squared = traded + steps, weighted + tripled * steps, squared + tripled**2 * steps
        exact = (False,) * 4
        if seen and traded:
            distance = 3 * int(close) * traded - weighted
            outside = distance**2 > 4 * (squared * traded - weighted**2)
            exact = (outside and distance < 0, outside and distance > 0, distance >= 0, distance <= 0)
        tripled_close = 3.0 * close
        ours = (
            tripled_close < mean - 2.0 * deviation,
            tripled_close > mean + 2.0 * deviation,
            tripled_close >= mean,
            tripled_close <= mean,
        )
        assert ours == exact, open_time
        below += exact[0]
        above += exact[1]
    assert below > 500
    assert above > 500
