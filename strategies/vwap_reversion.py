"""Buys below and sells above the session's VWAP band while there is no trend, and leaves at the VWAP.

The three functions `start`, `step` and `flags` are the strategy: pure arithmetic that a backtest compiles. The class
below them connects them to candles. All prices are in ticks, all volumes in steps (see `bot/indicators/vwap.py`).
"""

from dataclasses import dataclass
from math import isnan

from bot.domain.market import DAY_MS, Candle
from bot.indicators.adx import AdxState, adx_start, adx_step, adx_value
from bot.indicators.vwap import VwapState, vwap_bands, vwap_start, vwap_step
from bot.trading.strategy import ENTER_LONG, ENTER_SHORT, EXIT_LONG, EXIT_SHORT, Kernel, Parameters, Strategy, Verdict

type State = tuple[VwapState, AdxState, float]
type Readings = tuple[float, float, float, float, float, float]
type Numbers = tuple[float, float, float, float]


def start() -> State:
    return vwap_start(), adx_start(), 0.0


def step(
    state: State, opens_session: bool, high: float, low: float, close: float, volume: float
) -> tuple[State, Readings]:
    session = vwap_step(state[0], opens_session, high, low, close, volume)
    trend = adx_step(state[1], high, low, close)
    candles = state[2] + 1.0
    mean, deviation = vwap_bands(session)
    return (session, trend, candles), (3.0 * close, mean, deviation, adx_value(trend), session[3], candles)


def flags(readings: Readings, numbers: Numbers) -> int:
    tripled_close, mean, deviation, adx, session_candles, candles = readings
    k, adx_max, min_session_candles, warm_up = numbers
    found = 0
    if adx < adx_max and session_candles >= min_session_candles and candles > warm_up:
        if tripled_close < mean - k * deviation:
            found |= ENTER_LONG
        if tripled_close > mean + k * deviation:
            found |= ENTER_SHORT
    if tripled_close >= mean:
        found |= EXIT_LONG
    if tripled_close <= mean:
        found |= EXIT_SHORT
    return found


@dataclass(frozen=True, slots=True)
class VwapReversionParameters(Parameters):
    """`k` deviations make the band; entries need ADX below `adx_max` and enough candles of session and history."""

    k: float = 2.0
    adx_max: float = 20.0
    min_session_candles: int = 30
    warm_up: int = 300

    def complaint(self) -> str:
        """Say what is wrong with these numbers."""
        if self.k <= 0 or self.adx_max <= 0:
            return "k and adx_max must be above 0."
        if self.min_session_candles < 1 or self.warm_up < 0:
            return "min_session_candles must be at least 1 and warm_up at least 0."
        return Parameters.complaint(self)


def numbers(parameters: VwapReversionParameters) -> Numbers:
    return parameters.k, parameters.adx_max, float(parameters.min_session_candles), float(parameters.warm_up)


class VwapReversion(Strategy):
    """Mean reversion to the VWAP of the UTC day, in quiet markets only."""

    name = "vwap_reversion"
    parameters_type = VwapReversionParameters
    kernel = Kernel(start, step, flags, numbers)
    parameters: VwapReversionParameters

    def restart(self) -> None:
        self._state = start()
        self._numbers = numbers(self.parameters)

    def evaluate(self, candle: Candle) -> Verdict:
        self._state, readings = step(self._state, candle.open_time % DAY_MS == 0, *self.whole(candle))
        why = self._missing(readings)
        return Verdict(flags(readings, self._numbers), self._inputs(readings), ready=not why, why=why)

    def _missing(self, readings: Readings) -> str:
        _, mean, _, adx, session_candles, candles = readings
        if isnan(mean):
            return "no VWAP: the session was not seen from 00:00 UTC, or nothing was traded in it"
        if session_candles < self.parameters.min_session_candles:
            return f"{session_candles:g} of {self.parameters.min_session_candles} candles of the session"
        if candles <= self.parameters.warm_up:
            return f"{candles:g} candles since the start or the last hole, more than {self.parameters.warm_up} wanted"
        return "no ADX yet" if isnan(adx) else ""

    def _inputs(self, readings: Readings) -> dict[str, str | int | float]:
        tripled_close, mean, deviation, adx, session_candles, candles = readings
        found: dict[str, str | int | float] = {
            "close": self.price(tripled_close / 3.0),
            "session_candles": int(session_candles),
            "candles": int(candles),
        }
        if not isnan(adx):
            found["adx"] = adx
        if not isnan(mean):
            band = self.parameters.k * deviation
            found["vwap"] = self.price(mean / 3.0)
            found["lower"] = self.price((mean - band) / 3.0)
            found["upper"] = self.price((mean + band) / 3.0)
        return found
