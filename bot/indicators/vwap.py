"""Session VWAP and its volume-weighted deviation, one candle at a time.

A plain function over floats, so that it runs as Python live and compiled in a backtest, bit for bit the same.
Prices are whole ticks and volumes whole steps: sums of whole numbers stay exact far longer than sums of prices.
"""

from math import nan, sqrt

type VwapState = tuple[float, float, float, float]


def vwap_start() -> VwapState:
    """Return the state of a session that was not seen from its first candle: (V, P, Q, candles), all 0."""
    return 0.0, 0.0, 0.0, 0.0


def vwap_step(state: VwapState, opens_session: bool, high: float, low: float, close: float, volume: float) -> VwapState:
    """Take a candle; the one that opens the session starts anew, others count only in a session seen from there.

    With t = high + low + close: V = sum(v), P = sum(t v), Q = sum(t^2 v).
    """
    traded, weighted, squared, candles = state
    if opens_session:
        traded, weighted, squared, candles = 0.0, 0.0, 0.0, 0.0
    elif candles == 0.0:
        return state
    tripled = high + low + close
    value = tripled * volume
    return traded + volume, weighted + value, squared + tripled * value, candles + 1.0


def vwap_bands(state: VwapState) -> tuple[float, float]:
    """Return (m, s): three times the VWAP and the deviation of high + low + close, in ticks; nan without a trade."""
    traded, weighted, squared, _ = state
    if traded <= 0.0:
        return nan, nan
    mean = weighted / traded
    return mean, sqrt(max(0.0, squared / traded - mean * mean))
