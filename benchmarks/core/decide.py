"""What a decision costs, in microseconds of one core: `python benchmarks/core/decide.py`.

Prints one JSON line; the lines measured so far are kept in `decide.jsonl` beside this file.
"""

import json
import platform
from collections.abc import Callable
from decimal import Decimal
from random import Random
from statistics import median
from time import perf_counter

from bot.domain.instrument import Instrument
from bot.domain.market import DAY_MS, MINUTE_MS, Candle
from bot.indicators.window import MidRange
from strategies import vwap_reversion
from strategies.vwap_reversion import VwapReversion, VwapReversionParameters

CANDLES = 50_000
ROUNDS = 7
MIDNIGHT = 20_000 * DAY_MS


def an_instrument() -> Instrument:
    tick, step, zero = Decimal("0.1"), Decimal("0.001"), Decimal(0)
    prices = {"tick_size": tick, "min_price": tick, "max_price": zero, "percent_up": zero, "percent_down": zero}
    lot = {"step_size": step, "min_quantity": step, "max_quantity": zero}
    market_lot = {"market_step_size": step, "market_min_quantity": step, "market_max_quantity": zero}
    names = {"symbol": "BTCUSDT", "status": "TRADING", "base_asset": "BTC", "quote_asset": "USDT"}
    return Instrument(
        **names, margin_asset="USDT", **prices, **lot, **market_lot, min_notional=Decimal(100), max_orders=0
    )


def rows() -> list[tuple[bool, float, float, float, float]]:
    dice = Random(1)
    close, found = 1_000_000, []
    for minute in range(CANDLES):
        opened, close = close, close + dice.randrange(-400, 401)
        high, low = max(opened, close) + dice.randrange(90), min(opened, close) - dice.randrange(90)
        found.append((minute % 1_440 == 0, float(high), float(low), float(close), float(dice.randrange(10**6))))
    return found


def candles() -> list[Candle]:
    tick, step = Decimal("0.1"), Decimal("0.001")
    return [
        Candle(
            "BTCUSDT",
            MIDNIGHT + n * MINUTE_MS,
            *(int(price) * tick for price in (close, high, low, close)),
            int(volume) * step,
        )
        for n, (_, high, low, close, volume) in enumerate(rows())
    ]


def steps_and_flags() -> Callable[[], None]:
    data, numbers = rows(), vwap_reversion.numbers(VwapReversionParameters())
    step, flags = vwap_reversion.step, vwap_reversion.flags

    def run() -> None:
        state = vwap_reversion.start()
        for row in data:
            state, readings = step(state, *row)
            flags(readings, numbers)

    return run


def whole_strategy() -> Callable[[], None]:
    data = candles()

    def run() -> None:
        strategy = VwapReversion(an_instrument())
        for candle in data:
            strategy.on_candle(candle)

    return run


def five_second_range() -> Callable[[], None]:
    ticks = [(n * 3, row[3]) for n, row in enumerate(rows())]

    def run() -> None:
        window = MidRange(5_000)
        for at_ms, mid in ticks:
            window.add(at_ms, mid)

    return run


def filter_check() -> Callable[[], None]:
    instrument, data = an_instrument(), candles()
    notional = Decimal(1_000)

    def run() -> None:
        for candle in data:
            instrument.refusal(instrument.floor_quantity_worth(notional, candle.close), candle.close)

    return run


def microseconds(run: Callable[[], None]) -> float:
    taken = []
    for _ in range(ROUNDS):
        started = perf_counter()
        run()
        taken.append((perf_counter() - started) / CANDLES * 1e6)
    return round(median(taken), 2)


if __name__ == "__main__":
    measured = {
        "python": platform.python_version(),
        "step_and_flags_us": microseconds(steps_and_flags()),
        "strategy_on_candle_us": microseconds(whole_strategy()),
        "five_second_range_us": microseconds(five_second_range()),
        "size_and_filters_us": microseconds(filter_check()),
    }
    print(json.dumps(measured))
