"""The reference strategy's decisions on recorded minutes, against a second reading of its definition.

The second reading uses whole numbers for the VWAP, TA-Lib for the ADX, and its own book-keeping of one position with
market entries: decided at a close, filled at the next open.
"""

import os
from decimal import Decimal
from functools import cache
from itertools import pairwise
from math import nan
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
import talib

from bot.domain.instrument import Instrument
from bot.domain.market import DAY_MS, MINUTE_MS, Candle
from bot.domain.order import Side
from bot.trading.strategy import ENTER_LONG, ENTER_SHORT, EXIT_LONG, EXIT_SHORT
from strategies.vwap_reversion import VwapReversion

DATA = os.environ.get("ACT_TEST_DATA", "")
pytestmark = pytest.mark.skipif(not DATA, reason="ACT_TEST_DATA names no folder of recorded data")

TICKS = {"BTCUSDT": "0.1", "ETHUSDT": "0.01"}
STEP = "0.001"
MAY_23 = 1_747_958_400_000

type Minute = tuple[int, int, int, int, int, int]
type Deed = tuple[int, str, int]


@cache
def recorded(symbol: str) -> list[Minute]:
    """Minutes as (open time, open, high, low, close in ticks, volume in steps)."""
    path = Path(DATA) / "klines" / "um_perp_1m_2025.parquet"
    names = ["open_time", "open", "high", "low", "close", "volume"]
    table = pq.read_table(path, columns=names, filters=[("symbol", "=", symbol)])
    units = [1.0, *[float(TICKS[symbol])] * 4, float(STEP)]
    columns = (
        np.round(table[name].to_numpy() / unit).astype(int).tolist() for name, unit in zip(names, units, strict=True)
    )
    return list(zip(*columns, strict=True))


def unbroken(minutes: list[Minute]) -> list[list[Minute]]:
    cuts = [n + 1 for n, (one, two) in enumerate(pairwise(minutes)) if two[0] - one[0] != MINUTE_MS]
    return [minutes[start:end] for start, end in pairwise([0, *cuts, len(minutes)])]


def wishes(minutes: list[Minute]) -> list[tuple[int, int, int]]:
    """What the definition says at each close: (entry direction or 0, long may leave, short may leave)."""
    found = []
    for stretch in unbroken(minutes):
        high, low, close = (np.array([float(minute[n]) for minute in stretch]) for n in (2, 3, 4))
        trend = talib.ADX(high, low, close, 14).tolist() if len(stretch) > 27 else [nan] * len(stretch)
        session: list[tuple[int, int]] | None = None
        volume = weighted = squared = 0
        for seen, (open_time, _, top, bottom, last, steps) in enumerate(stretch, start=1):
            if open_time % DAY_MS == 0:
                session, volume, weighted, squared = [], 0, 0, 0
            if session is not None:
                session.append((open_time, steps))
                tripled = top + bottom + last
                volume, weighted, squared = volume + steps, weighted + tripled * steps, squared + tripled**2 * steps
            if not volume:
                found.append((0, 0, 0))
                continue
            above = 3 * last * volume - weighted
            outside = above**2 > 4 * (squared * volume - weighted**2)
            quiet = trend[seen - 1] < 20 and len(session) >= 30 and seen > 300
            entry = (1 if above < 0 else -1) if outside and quiet else 0
            found.append((entry, int(above >= 0), int(above <= 0)))
    return found


def the_definitions_deeds(symbol: str) -> list[Deed]:
    minutes = recorded(symbol)
    deeds: list[Deed] = []
    held = pending = 0
    stop = Decimal(0)
    for (open_time, opened, top, bottom, _, _), (entry, long_out, short_out) in zip(
        minutes, wishes(minutes), strict=True
    ):
        left = False
        if pending and held:
            deeds.append((open_time, "exit", opened))
            held, left = 0, True
        elif pending:
            held = pending
            stop = Decimal(opened) * (100 - held) / 100
            stop = stop.to_integral_value("ROUND_CEILING" if held > 0 else "ROUND_FLOOR")
            deeds.append((open_time, "long" if held > 0 else "short", opened))
        pending = 0
        if (held > 0 and bottom <= stop) or (held < 0 and top >= stop):
            worse = min(int(stop), opened) if held > 0 else max(int(stop), opened)
            deeds.append((open_time, "stop", worse))
            held, left = 0, True
        if held > 0:
            pending = long_out
        elif held < 0:
            pending = short_out
        elif not left:
            pending = entry
    return deeds


def an_instrument(symbol: str) -> Instrument:
    zero = Decimal(0)
    tick, step = Decimal(TICKS[symbol]), Decimal(STEP)
    names = {"status": "TRADING", "base_asset": symbol[:3], "quote_asset": "USDT", "margin_asset": "USDT"}
    prices = {"tick_size": tick, "min_price": tick, "max_price": zero, "percent_up": zero, "percent_down": zero}
    lot = {"step_size": step, "min_quantity": step, "max_quantity": zero}
    market_lot = {"market_step_size": step, "market_min_quantity": step, "market_max_quantity": zero}
    return Instrument(symbol, **names, **prices, **lot, **market_lot, min_notional=Decimal(100), max_orders=200)


def the_strategys_deeds(symbol: str) -> list[Deed]:
    """What comes of the strategy's verdicts and stops, with market entries and no other rule."""
    strategy = VwapReversion(an_instrument(symbol))
    tick, step = Decimal(TICKS[symbol]), Decimal(STEP)
    deeds: list[Deed] = []
    side: Side | None = None
    wanted: Side | None = None
    leaving = False
    stop = Decimal(0)
    for open_time, *prices, steps in recorded(symbol):
        candle = Candle(symbol, open_time, *(price * tick for price in prices), steps * step)
        flat_before = side is None
        if leaving:
            deeds.append((open_time, "exit", int(candle.open / tick)))
            side, leaving = None, False
        if wanted:
            side, wanted = wanted, None
            stop = strategy.stop_price(side, candle.open)
            deeds.append((open_time, "long" if side is Side.BUY else "short", int(candle.open / tick)))
            flat_before = False
        if side and side.sign * ((candle.low if side is Side.BUY else candle.high) - stop) <= 0:
            worse = min(stop, candle.open) if side is Side.BUY else max(stop, candle.open)
            deeds.append((open_time, "stop", int(worse / tick)))
            side = None
        flags = strategy.on_candle(candle).flags
        if side:
            leaving = bool(flags & (EXIT_LONG if side is Side.BUY else EXIT_SHORT))
        elif flat_before and flags & (ENTER_LONG | ENTER_SHORT):
            wanted = Side.BUY if flags & ENTER_LONG else Side.SELL
    return deeds


@pytest.mark.parametrize("symbol", TICKS)
def test_the_strategy_decides_as_its_definition_says(symbol):
    deeds = the_definitions_deeds(symbol)
    assert the_strategys_deeds(symbol) == deeds
    assert len(deeds) > 200
    assert {kind for _, kind, _ in deeds} == {"long", "short", "exit", "stop"}


def test_the_four_hours_of_the_demo_on_real_input_hold_four_round_trips():
    hours = range(MAY_23, MAY_23 + 4 * 60 * MINUTE_MS)
    trips = [deed for symbol in TICKS for deed in the_definitions_deeds(symbol) if deed[0] in hours]
    assert [kind in {"exit", "stop"} for _, kind, _ in trips].count(True) == 4
