"""VWAP with its bands and the ADX over stored candles: the same steps as the bot's, so the chart shows what it saw."""

from math import nan

import pandas as pd

from bot.domain.market import DAY_MS, MINUTE_MS
from bot.indicators.adx import adx_start, adx_step, adx_value
from bot.indicators.vwap import vwap_bands, vwap_start, vwap_step

COLUMNS = ("vwap", "lower", "upper", "adx")


def add_studies(candles: pd.DataFrame, *, tick: float, step: float, width: float) -> pd.DataFrame:
    """Return the candles with vwap, lower, upper and adx added; NaN where the bot had no value either.

    Columns needed: open_time (ms), high, low, close, volume; ascending. `width` is the bands' distance in deviations.
    """
    rows = [nan] * len(candles), [nan] * len(candles), [nan] * len(candles), [nan] * len(candles)
    vwap, adx, expected = vwap_start(), adx_start(), -1
    columns = (candles[name].tolist() for name in ("open_time", "high", "low", "close", "volume"))
    for index, (open_time, high, low, close, volume) in enumerate(zip(*columns, strict=True)):
        if open_time != expected:
            vwap, adx = vwap_start(), adx_start()
        expected = open_time + MINUTE_MS
        ticks = float(round(high / tick)), float(round(low / tick)), float(round(close / tick))
        vwap = vwap_step(vwap, open_time % DAY_MS == 0, *ticks, float(round(volume / step)))
        adx = adx_step(adx, *ticks)
        tripled, deviation = vwap_bands(vwap)
        rows[0][index] = tripled / 3 * tick
        rows[1][index] = (tripled - width * deviation) / 3 * tick
        rows[2][index] = (tripled + width * deviation) / 3 * tick
        rows[3][index] = adx_value(adx)
    return candles.assign(**dict(zip(COLUMNS, rows, strict=True)))
