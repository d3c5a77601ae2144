import asyncio
from decimal import Decimal

import pytest

from bot.domain.errors import RetryLater
from bot.domain.market import MINUTE_MS, Candle
from bot.runtime.candles import CandleFeed
from support.clocks import TestClock


def a_candle(minute: int, close: str = "100") -> Candle:
    price = Decimal(close)
    return Candle("BTCUSDT", minute * MINUTE_MS, price, price, price, price, Decimal(1))


class Stand:
    """A feed with everything it tells written down, and an exchange that has the given minutes."""

    def __init__(self, rest: dict[int, Candle], failures: int = 0) -> None:
        self.rest = rest
        self.failures = failures
        self.asked = 0
        self.delivered: list[int] = []
        self.gaps: list[bool] = []
        self.revised: list[Candle] = []
        self.clock = TestClock()
        self.feed = CandleFeed(
            self.read,
            self.clock,
            lambda candle: self.delivered.append(candle.open_time // MINUTE_MS),
            lambda _symbol, open_: self.gaps.append(open_),
            self.revised.append,
        )

    async def read(self, _symbol: str, start_ms: int, end_ms: int) -> tuple[Candle, ...]:
        self.asked += 1
        if self.failures:
            self.failures -= 1
            raise RetryLater("busy")
        wanted = range(start_ms // MINUTE_MS, end_ms // MINUTE_MS)
        return tuple(self.rest[minute] for minute in wanted if minute in self.rest)


async def settle() -> None:
    for _ in range(30):
        await asyncio.sleep(0)


async def test_candles_in_order_are_delivered_at_once():
    stand = Stand({})
    stand.feed.begin("BTCUSDT", a_candle(9))
    for minute in (10, 11, 12):
        stand.feed.take(a_candle(minute))
    assert stand.delivered == [10, 11, 12]
    assert stand.gaps == []


async def test_a_gap_is_filled_by_rest_before_the_newer_candle_is_delivered():
    stand = Stand({10: a_candle(10), 11: a_candle(11)})
    stand.feed.begin("BTCUSDT", a_candle(9))
    stand.feed.take(a_candle(12))
    stand.feed.take(a_candle(13))
    assert stand.delivered == []
    await settle()
    assert stand.delivered == [10, 11, 12, 13]
    assert stand.gaps == [True, False]


async def test_a_minute_the_exchange_does_not_have_becomes_a_hole_after_asking_twice():
    stand = Stand({10: a_candle(10)})
    stand.feed.begin("BTCUSDT", a_candle(9))
    stand.feed.take(a_candle(12))
    await settle()
    assert stand.delivered == [10, 12]
    assert stand.asked == 2


async def test_an_exchange_that_is_busy_is_asked_until_it_answers():
    stand = Stand({10: a_candle(10)}, failures=4)
    stand.feed.begin("BTCUSDT", a_candle(9))
    stand.feed.take(a_candle(11))
    await settle()
    assert stand.delivered == [10, 11]


async def test_a_candle_that_comes_twice_is_delivered_once():
    stand = Stand({})
    stand.feed.begin("BTCUSDT", a_candle(9))
    stand.feed.take(a_candle(10))
    stand.feed.take(a_candle(10))
    assert stand.delivered == [10]
    assert stand.revised == []


async def test_a_candle_that_comes_again_with_other_values_is_a_revision():
    stand = Stand({})
    stand.feed.begin("BTCUSDT", a_candle(9))
    stand.feed.take(a_candle(10))
    stand.feed.take(a_candle(10, close="101"))
    assert stand.delivered == [10]
    assert [candle.close for candle in stand.revised] == [Decimal(101)]


async def test_a_silent_stream_is_caught_up_by_rest():
    stand = Stand({10: a_candle(10), 11: a_candle(11)})
    stand.feed.begin("BTCUSDT", a_candle(9))
    stand.feed.check(12 * MINUTE_MS + 5)
    await settle()
    assert stand.delivered == [10, 11]


async def test_a_silent_stream_is_not_asked_about_at_every_check():
    stand = Stand({})
    stand.feed.begin("BTCUSDT", a_candle(9))
    stand.feed.check(12 * MINUTE_MS)
    await settle()
    asked = stand.asked
    stand.feed.check(12 * MINUTE_MS)
    await settle()
    assert stand.asked == asked


@pytest.mark.parametrize("symbol", ["ETHUSDT"])
async def test_symbols_that_were_never_begun_are_left_alone(symbol):
    stand = Stand({})
    stand.feed.take(a_candle(10))
    assert stand.delivered == []
