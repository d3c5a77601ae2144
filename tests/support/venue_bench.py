"""CPU time of a round trip on the simulated venue in candle mode, its adapter included; run it as a script.

One trip: a market order at a close, its fill at the next open, the stop for it, three candles, a market exit at a
close, its fill at the next open, and the stop's cancellation; built from commands, ending in events. The least of many
turns counts, because other work on the machine only ever adds.
"""

import gc
import sys
import time
from decimal import Decimal

from bot.domain.commands import CancelStop, PlaceStop, SubmitOrder
from bot.domain.market import MINUTE_MS, Candle
from bot.domain.order import OrderRequest, OrderType, Side, StopRequest, TimeInForce
from bot.exchange.simulated.candles import open_candle_venue
from bot.exchange.simulated.exchange import SimulatedExchange
from bot.trading.limits import Costs
from simulator.market.instruments import builtin_exchange_info

START_MS = 1_760_054_400_000
SYMBOL = "BTCUSDT"
TRIPS = 100
TURNS = 200
PRICE, LOW, HIGH, STOP = Decimal("100000.0"), Decimal("99990.1"), Decimal("100010.2"), Decimal("99000.0")
QUANTITY, NOTHING, VOLUME = Decimal("0.010"), Decimal(0), Decimal("12.345")
CANDLES_HELD = 3


def main() -> None:
    """Print microseconds a trip and a candle that reaches nothing."""
    gc.disable()
    trip, candle = min(turn(number) for number in range(TURNS)), min(idle() for _ in range(TURNS))
    sys.stdout.write(f"round trip {trip:.1f} us, candle in position {candle:.2f} us\n")


def turn(number: int, trips: int = TRIPS) -> float:
    """Return the microseconds of one trip."""
    simulated = a_venue()
    commands = [a_trip(number * trips + place) for place in range(trips)]
    candles = [a_candle(minute) for minute in range(trips * (CANDLES_HELD + 2) + 1)]
    simulated.open_candle(candles[0])
    simulated.finish_candle(candles[0])
    began = time.process_time()
    play(simulated, commands, iter(candles[1:]))
    return (time.process_time() - began) / trips * 1e6


def play(simulated: SimulatedExchange, commands, candles) -> None:
    """Trade every trip, on the candles that follow."""
    for entry, stop, leave, cancel in commands:
        simulated.execute(entry)
        candle = next(candles)
        simulated.open_candle(candle)
        simulated.execute(stop)
        simulated.finish_candle(candle)
        for _ in range(CANDLES_HELD):
            candle = next(candles)
            simulated.open_candle(candle)
            simulated.finish_candle(candle)
        simulated.execute(leave)
        candle = next(candles)
        simulated.open_candle(candle)
        simulated.execute(cancel)
        simulated.finish_candle(candle)


def idle() -> float:
    """Return the microseconds of a candle with a position and its stop that reaches neither."""
    simulated = a_venue()
    candles = [a_candle(minute) for minute in range(1_002)]
    entry, stop, _, _ = a_trip(0)
    simulated.open_candle(candles[0])
    simulated.finish_candle(candles[0])
    simulated.execute(entry)
    simulated.open_candle(candles[1])
    simulated.execute(stop)
    simulated.finish_candle(candles[1])
    began = time.process_time()
    for candle in candles[2:]:
        simulated.open_candle(candle)
        simulated.finish_candle(candle)
    return (time.process_time() - began) / 1_000 * 1e6


def a_venue() -> SimulatedExchange:
    """Return an isolated account at three times leverage."""
    simulated = open_candle_venue(
        builtin_exchange_info((SYMBOL,)),
        balance=Decimal(1_000_000),
        start_ms=START_MS,
        costs=Costs.free(),
        is_tacit=True,
    )
    simulated.set_margin_type(SYMBOL, "ISOLATED")
    simulated.set_leverage(SYMBOL, 3)
    simulated.drain()
    return simulated


def a_candle(minute: int) -> Candle:
    """Return one of many equal candles."""
    return Candle(SYMBOL, START_MS + minute * MINUTE_MS, PRICE, HIGH, LOW, PRICE, VOLUME)


def a_trip(number: int):
    """Return the commands of a long trip: entry, stop, exit, cancel."""
    entry, stop, leave = f"ae2e1{number:020x}-1", f"ae2s1{number:020x}-1", f"ae2x1{number:020x}-1"
    return (
        SubmitOrder(OrderRequest(SYMBOL, entry, Side.BUY, OrderType.MARKET, QUANTITY, NOTHING, TimeInForce.GTC, False)),
        PlaceStop(StopRequest(SYMBOL, stop, Side.SELL, STOP)),
        SubmitOrder(OrderRequest(SYMBOL, leave, Side.SELL, OrderType.MARKET, QUANTITY, NOTHING, TimeInForce.GTC, True)),
        CancelStop(SYMBOL, stop),
    )


if __name__ == "__main__":
    main()
