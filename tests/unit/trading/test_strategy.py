"""The base class as a newcomer meets it: the smallest strategy, its parameters, and holes."""

from dataclasses import dataclass
from decimal import Decimal

import pytest

from bot.domain.errors import ConfigurationError
from bot.domain.instrument import Instrument
from bot.domain.market import MINUTE_MS, Candle
from bot.domain.order import Side
from bot.trading.strategy import ENTER_LONG, EXIT_LONG, Parameters, Strategy, Verdict


@dataclass(frozen=True, slots=True)
class StreakParameters(Parameters):
    streak: int = 3
    loud: bool = False
    label: str = "rising"


class Streak(Strategy):
    """Long after a streak of rising closes, out after the first falling one."""

    name = "streak"
    parameters_type = StreakParameters
    parameters: StreakParameters

    def restart(self) -> None:
        self.last = Decimal(0)
        self.rising = -1

    def evaluate(self, candle: Candle) -> Verdict:
        self.rising = self.rising + 1 if candle.close > self.last else 0
        self.last = candle.close
        flags = ENTER_LONG if self.rising >= self.parameters.streak else 0
        return Verdict(flags if self.rising else EXIT_LONG, {"rising": self.rising}, ready=True)


def an_instrument() -> Instrument:
    one = Decimal("0.01")
    names = {"symbol": "XUSDT", "status": "TRADING", "base_asset": "X", "quote_asset": "USDT", "margin_asset": "USDT"}
    amounts = dict.fromkeys(
        ["tick_size", "min_price", "step_size", "min_quantity", "market_step_size", "market_min_quantity"], one
    )
    zeros = ["max_price", "max_quantity", "market_max_quantity", "min_notional", "percent_up", "percent_down"]
    return Instrument(**names, **amounts, **dict.fromkeys(zeros, Decimal(0)), max_orders=0)


def a_candle(minute: int, close: str, volume: str = "1.5") -> Candle:
    at = Decimal(close)
    return Candle("XUSDT", minute * MINUTE_MS, at, at + 1, at - 1, at, Decimal(volume))


def test_a_strategy_is_a_restart_and_an_evaluation():
    strategy = Streak(an_instrument())
    verdicts = [strategy.on_candle(a_candle(n, str(100 + n))) for n in range(4)]
    assert [verdict.flags for verdict in verdicts] == [EXIT_LONG, 0, 0, ENTER_LONG]
    assert strategy.on_candle(a_candle(4, "90")).flags == EXIT_LONG


def test_a_missing_minute_restarts_it():
    strategy = Streak(an_instrument())
    for minute in range(4):
        strategy.on_candle(a_candle(minute, str(100 + minute)))
    assert strategy.on_candle(a_candle(5, "105")).inputs == {"rising": 0}


def test_it_starts_with_any_minute():
    assert Streak(an_instrument()).on_candle(a_candle(29_000_000, "5")).inputs == {"rising": 0}


def test_parameters_have_defaults_and_are_read_from_text():
    assert Streak(an_instrument()).parameters == StreakParameters()
    texts = {"streak": "5", "loud": "true", "label": "up", "stop_pct": "0.5", "notional": "250.25"}
    read = Streak(an_instrument(), texts).parameters
    assert read == StreakParameters(Decimal("250.25"), Decimal("0.5"), streak=5, loud=True, label="up")


@pytest.mark.parametrize("texts", [{"streak": "many"}, {"loud": "perhaps"}, {"stop_pct": "0"}, {"Streak": "1"}])
def test_parameters_that_make_no_sense_name_the_strategy(texts):
    with pytest.raises(ConfigurationError, match=r"^strategy\.streak: .*\.$"):
        Streak(an_instrument(), texts)


def test_stop_and_notional_come_from_the_parameters():
    strategy = Streak(an_instrument(), {"stop_pct": "0.5", "notional": "250"})
    assert strategy.notional == 250
    assert strategy.stop_price(Side.BUY, Decimal("10.01")) == Decimal("9.96")
    assert strategy.stop_price(Side.SELL, Decimal("10.01")) == Decimal("10.06")


def test_indicators_see_whole_ticks_and_steps():
    strategy = Streak(an_instrument())
    assert strategy.whole(a_candle(0, "123.45")) == (12_445.0, 12_245.0, 12_345.0, 150.0)
    assert strategy.price(12_345.0) == pytest.approx(123.45)
