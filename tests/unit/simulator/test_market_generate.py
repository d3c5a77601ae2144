import math
from itertools import pairwise

import numpy as np
import pytest
import talib

from simulator.market.generate import GeneratedTape
from simulator.market.instruments import builtin_exchange_info, grids
from simulator.market.tape import DataError, Tape

MIDNIGHT = 1_767_225_600_000
THREE = ("BTCUSDT", "ETHUSDT", "SOLUSDT")


def a_tape(*, symbols=THREE, seed=1, start_ms=MIDNIGHT) -> Tape:
    return GeneratedTape(builtin_exchange_info(symbols), symbols=symbols, seed=seed, start_ms=start_ms)


def minutes(tape, count):
    return [tape.minute(tape.start_ms + number * 60_000) for number in range(count)]


def test_history_is_whole_and_ends_where_the_market_begins():
    tape = a_tape()
    history = tape.history("ETHUSDT")
    assert [candle.open_time for candle in history] == list(range(MIDNIGHT - 1740 * 60_000, MIDNIGHT, 60_000))
    assert tape.minute(MIDNIGHT).candles["ETHUSDT"].open == history[-1].close


def test_every_price_and_quantity_lies_on_the_lattice_and_candles_are_whole():
    tape = a_tape()
    lattice = grids(builtin_exchange_info(THREE), THREE)
    for minute in minutes(tape, 30):
        assert set(minute.candles) == set(THREE)
        for tick in minute.ticks:
            assert tick.price % lattice[tick.symbol].tick_size == 0
            assert tick.quantity % lattice[tick.symbol].step_size == 0
        for candle in minute.candles.values():
            assert candle.low <= min(candle.open, candle.close) <= max(candle.open, candle.close) <= candle.high


def test_candles_follow_each_other_without_a_jump():
    played = [minute.candles["SOLUSDT"] for minute in minutes(a_tape(), 50)]
    assert all(now.open == before.close for before, now in pairwise(played))


def test_a_symbols_prices_depend_on_the_seed_and_not_on_its_company():
    alone, among = a_tape(symbols=("ETHUSDT",)), a_tape()
    assert alone.minute(MIDNIGHT).candles["ETHUSDT"] == among.minute(MIDNIGHT).candles["ETHUSDT"]
    assert a_tape(seed=2).history("ETHUSDT") != among.history("ETHUSDT")


def test_minutes_left_out_are_lived_through_all_the_same():
    step_by_step, leap = a_tape(), a_tape()
    assert minutes(step_by_step, 6)[-1] == leap.minute(MIDNIGHT + 5 * 60_000)


def test_fifty_symbols_are_no_trouble():
    symbols = [f"SIM{number}USDT" for number in range(1, 51)]
    assert len(a_tape(symbols=symbols).minute(MIDNIGHT).candles) == 50


def test_prices_stay_sane_for_a_week():
    tape = a_tape(symbols=("BTCUSDT",), start_ms=MIDNIGHT)
    last = tape.minute(MIDNIGHT + 7 * 1440 * 60_000).candles["BTCUSDT"].close
    assert 35_000 < last < 315_000


def test_funding_is_small_and_the_same_again():
    tape = a_tape()
    rates = [tape.funding_rate("BTCUSDT", MIDNIGHT + step * 28_800_000) for step in range(20)]
    assert all(0 <= rate <= 0.0001 for rate in map(float, rates))
    assert len(set(rates)) > 10
    assert rates == [a_tape().funding_rate("BTCUSDT", MIDNIGHT + step * 28_800_000) for step in range(20)]
    assert tape.funding_interval_hours("BTCUSDT") == 8


def test_a_symbol_the_exchange_lacks_is_refused():
    with pytest.raises(DataError, match="unknown symbol 'ETHUSDT'"):
        GeneratedTape(builtin_exchange_info(["BTCUSDT"]), symbols=["ETHUSDT"], seed=1, start_ms=MIDNIGHT)


def closes_and_spreads(tape, symbol, played):
    candles = [*tape.history(symbol), *(minute.candles[symbol] for minute in played)]
    high, low, close, volume = (
        np.array([float(getattr(candle, name)) for candle in candles]) for name in ("high", "low", "close", "volume")
    )
    return candles, high, low, close, volume, talib.ADX(high, low, close, 14)


def round_trips(tape, symbol, played, *, min_session_candles):
    candles, high, low, close, volume, adx = closes_and_spreads(tape, symbol, played)
    total = prices = squares = seen = side = trips = stops = 0
    entry = rested = 0
    for row, candle in enumerate(candles):
        if candle.open_time % 86_400_000 == 0:
            total = prices = squares = seen = 0
        typical = high[row] + low[row] + close[row]
        total, prices, squares = total + volume[row], prices + typical * volume[row], squares + typical**2 * volume[row]
        seen += 1
        if candle.open_time < tape.start_ms:
            continue
        mean = prices / total
        spread = math.sqrt(max(0, squares / total - mean * mean))
        rested += 1
        if side:
            stopped = side * (entry - (low if side > 0 else high)[row]) >= 0.01 * entry
            if stopped or side * (3 * close[row] - mean) >= 0:
                trips, stops, side, rested = trips + 1, stops + stopped, 0, 0
        elif rested >= 1 and seen >= min_session_candles and adx[row] < 20:
            outside = abs(3 * close[row] - mean) > 2 * spread
            side, entry = (1 if 3 * close[row] < mean else -1) * outside, close[row]
    return trips, stops


@pytest.mark.parametrize("seed", range(1, 7))
def test_the_reference_strategy_finds_many_round_trips_in_two_hours(seed):
    tape = a_tape(seed=seed)
    played = minutes(tape, 120)
    counts = [round_trips(tape, symbol, played, min_session_candles=30) for symbol in THREE]
    assert sum(trips for trips, _ in counts) >= 8
    assert sum(stops for _, stops in counts) <= 1


def test_five_seconds_seldom_move_the_price_as_far_as_the_volatility_pause():
    played = minutes(a_tape(seed=3), 120)
    moves = []
    for minute in played:
        prices = {symbol: [tick for tick in minute.ticks if tick.symbol == symbol] for symbol in THREE}
        for ticks in prices.values():
            for first in ticks:
                near = [tick.price for tick in ticks if 0 <= tick.at_ms - first.at_ms <= 5_000]
                moves.append((max(near) - min(near)) / min(near) * 100)
    assert max(moves) < 0.5
    assert sorted(moves)[len(moves) * 99 // 100] < 0.3
