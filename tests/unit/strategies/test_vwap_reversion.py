"""The reference strategy on made-up candles: what it wants, what it never does, and the compiled form."""

from decimal import Decimal
from math import isnan, nan
from random import Random
from types import FunctionType

import numba
import pytest

from bot.domain.errors import ConfigurationError
from bot.domain.instrument import Instrument
from bot.domain.market import DAY_MS, MINUTE_MS, Candle
from bot.domain.order import Side
from bot.trading.strategy import ENTER_LONG, ENTER_SHORT, EXIT_LONG, EXIT_SHORT
from strategies import vwap_reversion
from strategies.vwap_reversion import VwapReversion, VwapReversionParameters

MIDNIGHT = 20_000 * DAY_MS
NUMBERS = vwap_reversion.numbers(VwapReversionParameters())


def an_instrument(tick: str = "0.1", step: str = "0.001") -> Instrument:
    zero = Decimal(0)
    return Instrument(
        symbol="BTCUSDT",
        status="TRADING",
        base_asset="BTC",
        quote_asset="USDT",
        margin_asset="USDT",
        tick_size=Decimal(tick),
        min_price=zero,
        max_price=zero,
        step_size=Decimal(step),
        min_quantity=Decimal(step),
        max_quantity=zero,
        market_step_size=Decimal(step),
        market_min_quantity=Decimal(step),
        market_max_quantity=zero,
        min_notional=Decimal(100),
        percent_up=zero,
        percent_down=zero,
        max_orders=200,
    )


def a_candle(open_time: int, close: str = "100", volume: str = "1", spread: str = "0.1") -> Candle:
    middle = Decimal(close)
    return Candle(
        "BTCUSDT", open_time, middle, middle + Decimal(spread), middle - Decimal(spread), middle, Decimal(volume)
    )


def a_quiet_market(start: int, count: int) -> list[Candle]:
    """Closes swing around 100 without a trend; the band is about one wide."""
    closes = ("99.5", "100", "100.5", "100")
    return [a_candle(start + n * MINUTE_MS, closes[n % 4]) for n in range(count)]


def fed(candles: list[Candle], **parameters: str) -> VwapReversion:
    strategy = VwapReversion(an_instrument(), parameters)
    for candle in candles:
        strategy.on_candle(candle)
    return strategy


def test_below_the_band_of_a_quiet_market_it_wants_to_be_long():
    verdict = fed(a_quiet_market(MIDNIGHT, 400)).on_candle(a_candle(MIDNIGHT + 400 * MINUTE_MS, "97"))
    assert verdict.flags == ENTER_LONG | EXIT_SHORT
    assert verdict.ready
    assert not verdict.why
    assert verdict.inputs["close"] == pytest.approx(97)
    assert verdict.inputs["lower"] > 97
    assert verdict.inputs["adx"] < 20


def test_above_the_band_of_a_quiet_market_it_wants_to_be_short():
    verdict = fed(a_quiet_market(MIDNIGHT, 400)).on_candle(a_candle(MIDNIGHT + 400 * MINUTE_MS, "103"))
    assert verdict.flags == ENTER_SHORT | EXIT_LONG


def test_inside_the_band_only_the_exits_hold():
    verdict = fed(a_quiet_market(MIDNIGHT, 400)).on_candle(a_candle(MIDNIGHT + 400 * MINUTE_MS, "100.2"))
    assert verdict.flags == EXIT_LONG


@pytest.mark.parametrize(
    ("readings", "expected"),
    [
        ((300.0, 303.0, 1.0, 19.9, 30.0, 301.0), ENTER_LONG | EXIT_SHORT),
        ((300.0, 303.0, 1.0, 20.0, 30.0, 301.0), EXIT_SHORT),
        ((300.0, 303.0, 1.0, nan, 30.0, 301.0), EXIT_SHORT),
        ((300.0, 303.0, 1.0, 19.9, 29.0, 301.0), EXIT_SHORT),
        ((300.0, 303.0, 1.0, 19.9, 30.0, 300.0), EXIT_SHORT),
        ((300.0, 302.0, 1.0, 19.9, 30.0, 301.0), EXIT_SHORT),
        ((306.0, 303.0, 1.0, 19.9, 30.0, 301.0), ENTER_SHORT | EXIT_LONG),
        ((303.0, 303.0, 1.0, 19.9, 30.0, 301.0), EXIT_LONG | EXIT_SHORT),
        ((300.0, nan, nan, 19.9, 30.0, 301.0), 0),
    ],
)
def test_each_condition_counts_and_touching_the_band_is_not_enough(readings, expected):
    assert vwap_reversion.flags(readings, NUMBERS) == expected


def test_readiness_says_what_is_missing():
    strategy = VwapReversion(an_instrument())
    candles = a_quiet_market(MIDNIGHT - 10 * MINUTE_MS, 400)
    verdicts = [strategy.on_candle(candle) for candle in candles]
    assert verdicts[9].why.startswith("no VWAP")
    assert "vwap" not in verdicts[9].inputs
    assert verdicts[10].why == "1 of 30 candles of the session"
    assert verdicts[299].why == "300 candles since the start or the last hole, more than 300 wanted"
    assert verdicts[300].ready
    assert [verdict.ready for verdict in verdicts].index(True) == 300


def test_without_adx_it_is_not_ready():
    strategy = fed(a_quiet_market(MIDNIGHT, 26), warm_up="0", min_session_candles="1")
    candles = a_quiet_market(MIDNIGHT + 26 * MINUTE_MS, 2)
    assert strategy.on_candle(candles[0]).why == "no ADX yet"
    assert strategy.on_candle(candles[1]).ready


def test_after_a_missing_minute_it_says_nothing_until_the_next_midnight():
    strategy = fed(a_quiet_market(MIDNIGHT, 700))
    after = [strategy.on_candle(candle) for candle in a_quiet_market(MIDNIGHT + 701 * MINUTE_MS, 738)]
    assert {verdict.flags for verdict in after} == {0}
    tomorrow = strategy.on_candle(a_candle(MIDNIGHT + DAY_MS - MINUTE_MS, "100"))
    assert tomorrow.flags == 0
    assert strategy.on_candle(a_candle(MIDNIGHT + DAY_MS, "100")).flags == EXIT_LONG | EXIT_SHORT


def test_after_a_hole_warm_up_and_adx_start_anew():
    strategy = fed(a_quiet_market(MIDNIGHT, 500))
    verdict = strategy.on_candle(a_candle(MIDNIGHT + 502 * MINUTE_MS))
    assert verdict.inputs["candles"] == 1
    assert "adx" not in verdict.inputs


def test_a_session_that_opens_right_after_a_hole_is_seen_from_its_first_candle():
    strategy = fed(a_quiet_market(MIDNIGHT - 10 * MINUTE_MS, 9))
    verdict = strategy.on_candle(a_candle(MIDNIGHT))
    assert verdict.inputs["session_candles"] == 1
    assert "vwap" in verdict.inputs


def test_a_session_without_trades_has_no_vwap_and_no_exit():
    strategy = VwapReversion(an_instrument())
    assert strategy.on_candle(a_candle(MIDNIGHT, volume="0")).flags == 0


def test_the_stop_is_a_percent_from_the_entry_towards_it():
    strategy = VwapReversion(an_instrument())
    assert strategy.stop_price(Side.BUY, Decimal("100.05")) == Decimal("99.1")
    assert strategy.stop_price(Side.SELL, Decimal("100.05")) == Decimal("101.0")


def test_refreshed_filters_round_the_stop_and_leave_the_indicators_alone():
    candles = a_quiet_market(MIDNIGHT, 400)
    strategy, untouched = fed(candles), fed(candles)
    strategy.use(an_instrument(tick="0.5"))
    later = a_candle(MIDNIGHT + 400 * MINUTE_MS, "97")
    assert strategy.on_candle(later) == untouched.on_candle(later)
    assert strategy.stop_price(Side.BUY, Decimal(100)) == Decimal("99.0")
    assert strategy.stop_price(Side.BUY, Decimal("100.2")) == Decimal("99.5")


def test_parameters_are_read_from_text():
    strategy = VwapReversion(an_instrument(), {"k": "2.5", "adx_max": "25", "notional": "250", "warm_up": "100"})
    assert strategy.notional == Decimal(250)
    assert vwap_reversion.numbers(strategy.parameters) == (2.5, 25.0, 30.0, 100.0)


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"kk": "2"}, "unknown key kk. Known keys: adx_max, k, min_session_candles, notional, stop_pct, warm_up."),
        ({"k": "two"}, "k must be a number, not two."),
        ({"k": "nan"}, "k must be a finite number"),
        ({"notional": "Infinity"}, "notional must be a finite number"),
        ({"notional": "0"}, "notional must be above 0"),
        ({"stop_pct": "100"}, "stop_pct must lie between 0 and 100"),
        ({"k": "0"}, "k and adx_max must be above 0"),
        ({"warm_up": "1.5"}, "warm_up must be a whole number, not 1.5."),
        ({"min_session_candles": "0"}, "min_session_candles must be at least 1"),
    ],
)
def test_a_setting_it_does_not_understand_is_refused_by_name(parameters, message):
    with pytest.raises(ConfigurationError, match=r"^strategy\.vwap_reversion: ") as refused:
        VwapReversion(an_instrument(), parameters)
    assert message in str(refused.value)


def compiled(function: FunctionType) -> FunctionType:
    """Compile a plain function together with every plain function it calls by name."""
    found = dict(function.__globals__)
    for name in function.__code__.co_names:
        if isinstance(found.get(name), FunctionType) and found[name].__module__.startswith(("bot.", "strategies.")):
            found[name] = compiled(found[name])
    return numba.njit(FunctionType(function.__code__, found, function.__name__))


def test_plain_and_compiled_steps_agree_in_every_bit():
    dice = Random(6)
    plain, fast = vwap_reversion.step, compiled(vwap_reversion.step)
    fast_flags = compiled(vwap_reversion.flags)
    state = fast_state = vwap_reversion.start()
    close = 1_000_000
    for minute in range(4_000):
        opened = close
        close += dice.randrange(-700, 701)
        high = float(max(opened, close) + dice.randrange(300))
        low = float(min(opened, close) - dice.randrange(300))
        candle = (minute % 1_440 == 5, high, low, float(close), float(dice.choice((0, 7, 10**5, 10**7))))
        state, readings = plain(state, *candle)
        fast_state, fast_readings = fast(fast_state, *candle)
        assert [value.hex() for value in readings] == [value.hex() for value in fast_readings]
        assert vwap_reversion.flags(readings, NUMBERS) == fast_flags(fast_readings, NUMBERS)
    assert state == fast_state
    assert not isnan(readings[1])
