"""A bot's home that keeps filling: candles, positions, orders, fills and a heartbeat, written as the bot writes them.

Run as a process of its own: `python tests/support/fed_home.py HOME [--tick SECONDS]`. Each tick is a market minute. The
trades are made up from a seed; what matters is that they are consistent rows in the real tables.
"""

import argparse
import json
import random
import signal
import sys
import time
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path

from bot.domain.fill import Fill, OpeningBalance
from bot.domain.instrument import Instrument
from bot.domain.market import DAY_MS, MINUTE_MS, Candle
from bot.domain.order import AlgoReport, OrderReport, OrderState, Purpose, Side
from bot.domain.records import (
    Alert,
    AlgoOrderRow,
    ConfigVersion,
    Decision,
    EquityPoint,
    Evaluation,
    Intent,
    OrderRow,
    PositionRow,
    TradeRow,
)
from bot.runtime.clock import SystemClock
from bot.runtime.heartbeat import HeartbeatFile
from database.schema import upgrade
from database.session import act_url, desk_url
from database.store import SqlStore
from strategies.vwap_reversion import VwapReversion

START_MS = 20_231 * DAY_MS
HISTORY = 1_740
ZERO = Decimal(0)
LIVELY = {"min_session_candles": "5", "k": "1.2", "adx_max": "60"}
SYMBOLS = {"BTCUSDT": ("64000", "0.1", "0.001"), "ETHUSDT": ("3100", "0.01", "0.001"), "SOLUSDT": ("148", "0.01", "1")}


@dataclass
class Held:
    """An open position of the feed."""

    side: Side
    quantity: Decimal
    entry: Decimal
    since_ms: int
    trip: int
    stop: Decimal
    decision: str


class Symbol:
    """One symbol's made-up market and trades."""

    def __init__(self, name: str, chance: random.Random) -> None:
        price, tick, step = SYMBOLS[name]
        self.name = name
        self.instrument = an_instrument(name, tick, step)
        self.price = self.base = float(price)
        self.chance = chance
        self.strategy = VwapReversion(self.instrument, LIVELY)
        self.held: Held | None = None
        self.trips = 0
        self.verdict = None

    def candle(self, open_time: int) -> Candle:
        """Make the next candle and let the strategy judge it."""
        first = self.price
        pull = (self.base - first) * 0.03
        last = first + pull + self.chance.gauss(0, self.base * 0.0006)
        wick = abs(self.chance.gauss(0, self.base * 0.0003))
        self.price = last
        volume = self.strategy.instrument.step_size * self.chance.randint(200, 4_000)
        made = [self.rounded(value) for value in (first, max(first, last) + wick, min(first, last) - wick, last)]
        candle = Candle(self.name, open_time, *made, volume)
        self.verdict = self.strategy.on_candle(candle)
        return candle

    def rounded(self, price: float) -> Decimal:
        tick = self.instrument.tick_size
        return (Decimal(str(price)) / tick).quantize(Decimal(1)) * tick


class Feed:
    """Writes one market minute at a time."""

    def __init__(self, home: Path, seed: int = 7) -> None:
        (home / "status").mkdir(parents=True, exist_ok=True)
        (home / "logs").mkdir(exist_ok=True)
        status = home / "status"
        clock = SystemClock()
        upgrade(act_url(status), desk_url(status), clock)
        self.store = SqlStore(act_url(status), desk_url(status), clock)
        self.file = HeartbeatFile(status / "heartbeat.json")
        chance = random.Random(seed)
        self.symbols = [Symbol(name, chance) for name in SYMBOLS]
        self.wallet = Decimal(10_000)
        self.day_start = self.wallet
        self.ids = 1_000
        self.minute_ms = START_MS - HISTORY * MINUTE_MS

    def warm_up(self) -> None:
        """Write the history before the start, and the contracts."""
        self.store.commit([symbol.instrument for symbol in self.symbols])
        self.store.commit([OpeningBalance("USDT", self.wallet), a_config(START_MS)])
        for _ in range(HISTORY):
            self.store.defer([symbol.candle(self.minute_ms) for symbol in self.symbols])
            self.minute_ms += MINUTE_MS
        while self.store.flush_slice():
            pass
        self.store.commit([Alert("start-1", START_MS, "INFO", "start", "", "started", "3 symbols", "")])

    def advance(self) -> None:
        """Write one market minute: candles, what the strategy asks for, equity, evaluations."""
        rows = [symbol.candle(self.minute_ms) for symbol in self.symbols]
        self.minute_ms += MINUTE_MS
        for symbol in self.symbols:
            rows += self.trade(symbol)
            rows.append(self.evaluation(symbol))
        rows.append(self.equity())
        self.store.commit(rows)

    def trade(self, symbol: Symbol) -> list:
        """Enter or leave as the strategy asks."""
        flags, held = symbol.verdict.flags, symbol.held
        if held is None:
            return self.enter(symbol, Side.BUY if flags & 1 else Side.SELL) if flags & 3 else []
        stopped = (symbol.price - float(held.stop)) * held.side.sign <= 0
        leaving = flags & (4 if held.side is Side.BUY else 8)
        return self.leave(symbol, stopped=stopped) if stopped or leaving else []

    def enter(self, symbol: Symbol, side: Side) -> list:
        price = symbol.rounded(symbol.price)
        quantity = symbol.instrument.floor_quantity_worth(Decimal(1_000), price)
        stop = symbol.rounded(symbol.price * (1 - 0.01 * side.sign))
        symbol.trips += 1
        decision = f"d-{symbol.name}-{symbol.trips}"
        symbol.held = Held(side, quantity, price, self.minute_ms, symbol.trips, stop, decision)
        word = "LONG" if side is Side.BUY else "SHORT"
        return [
            *self.order(symbol, Purpose.ENTRY, side, quantity, price, ZERO, decision),
            self.stop(symbol, OrderState.RESTING),
            self.position(symbol),
            Decision(
                decision, symbol.name, "vwap_reversion", self.minute_ms, "enter", side, "band_break", price, quantity,
                "{}", "{}", "{}", f"i-{self.ids}", 0, "c1", "v1",
            ),
            Alert(
                f"entry-{symbol.name}-{symbol.trips}", self.minute_ms, "INFO", "entry", symbol.name,
                f"{word} {symbol.name} filled {quantity} @ {price}", f"stop {stop}", f"{symbol.name}-{symbol.trips}",
            ),
        ]  # fmt: skip

    def leave(self, symbol: Symbol, *, stopped: bool) -> list:
        held = symbol.held
        price = symbol.rounded(symbol.price)
        gross = held.side.sign * held.quantity * (price - held.entry)
        purpose = Purpose.STOP if stopped else Purpose.EXIT
        rows = self.order(symbol, purpose, held.side.opposite, held.quantity, price, gross, held.decision)
        fees = (held.quantity * (held.entry + price) * Decimal("0.0005")).quantize(Decimal("0.00000001"))
        word = "LONG" if held.side is Side.BUY else "SHORT"
        rows += [
            self.stop(symbol, OrderState.FILLED if stopped else OrderState.CANCELLED),
            TradeRow(
                symbol.name, held.trip, word, held.quantity, held.since_ms, held.entry, self.minute_ms, price, fees,
                ZERO, gross - fees, "stop" if stopped else "vwap", held.decision,
            ),
            Alert(
                f"exit-{symbol.name}-{held.trip}", self.minute_ms, "INFO", "exit", symbol.name,
                f"{word} {symbol.name} closed {gross - fees:+.2f} USDT", f"fees {fees:.2f}",
                f"{symbol.name}-{held.trip}",
            ),
        ]  # fmt: skip
        symbol.held = None
        return [*rows, self.position(symbol)]

    def order(self, symbol, purpose, side, quantity, price, realized, decision) -> list:
        self.ids += 1
        name, at_ms = f"atest{purpose.value}{self.ids:020}-1", self.minute_ms
        fee = (quantity * price * Decimal("0.0005")).quantize(Decimal("0.00000001"))
        self.wallet += realized - fee
        report = OrderReport(
            symbol.name, self.ids, name, "FILLED", side, "LIMIT" if purpose is Purpose.ENTRY else "MARKET", "GTC",
            quantity, price, quantity, at_ms,
        )  # fmt: skip
        return [
            Intent(
                f"i-{self.ids}", symbol.name, purpose, side, quantity, quantity, price, ZERO, "band_break", decision,
                "done", 1, name, at_ms, at_ms,
            ),
            OrderRow(symbol.name, name, f"i-{self.ids}", 1, OrderState.FILLED, report, at_ms + 20_000, at_ms, at_ms),
            Fill(symbol.name, self.ids, self.ids, at_ms, side, price, quantity, False, fee, "USDT", realized),
        ]  # fmt: skip

    def working_order(self, symbol: Symbol) -> list:
        """Return a resting entry order of a flat symbol, for the list of open orders."""
        self.ids += 1
        name = f"ateste{self.ids:020}-2"
        price = symbol.rounded(symbol.price * 0.998)
        report = OrderReport(
            symbol.name, self.ids, name, "NEW", Side.BUY, "LIMIT", "GTC", symbol.instrument.step_size * 5, price,
            symbol.instrument.step_size * 2, self.minute_ms,
        )  # fmt: skip
        intent = Intent(
            f"i-{self.ids}", symbol.name, Purpose.ENTRY, Side.BUY, report.quantity, report.executed_quantity, price,
            ZERO, "band_break", "", "open", 2, name, self.minute_ms, self.minute_ms,
        )  # fmt: skip
        expires_ms = self.minute_ms + 9_000_000
        return [
            intent,
            OrderRow(symbol.name, name, intent.intent_id, 2, OrderState.PARTIALLY_FILLED, report, expires_ms, 0, 0),
        ]

    def stop(self, symbol: Symbol, state: OrderState) -> AlgoOrderRow:
        held = symbol.held
        name = f"atests{held.trip:020}-1"
        report = AlgoReport(
            symbol.name, 5_000 + held.trip, name, "NEW", held.side.opposite, "STOP_MARKET", ZERO, ZERO, held.stop,
            "CONTRACT_PRICE", True, True, self.minute_ms,
        )  # fmt: skip
        return AlgoOrderRow(symbol.name, name, "", state, report, self.minute_ms, self.minute_ms)

    def position(self, symbol: Symbol) -> PositionRow:
        held = symbol.held
        if held is None:
            nothing = [ZERO] * 4
            return PositionRow(symbol.name, *nothing, "", 0, "", ZERO, ZERO, ZERO, self.minute_ms, symbol.trips)
        return PositionRow(
            symbol.name, held.side.sign * held.quantity, held.quantity * held.entry, held.entry, held.stop,
            f"atests{held.trip:020}-1", held.since_ms, held.decision, ZERO, Decimal("0.50"), ZERO, self.minute_ms,
            held.trip,
        )  # fmt: skip

    def evaluation(self, symbol: Symbol) -> Evaluation:
        inputs = json.dumps(symbol.verdict.inputs, default=str)
        return Evaluation(symbol.name, "vwap_reversion", self.minute_ms, symbol.verdict.why or "no signal", inputs)

    def equity(self) -> EquityPoint:
        unrealized = sum((gain_of(symbol) for symbol in self.symbols if symbol.held), ZERO)
        equity = self.wallet + unrealized
        if self.minute_ms % DAY_MS == 0:
            self.day_start = equity
        return EquityPoint(self.minute_ms, self.wallet, unrealized, equity, equity - self.day_start)

    def beat(self, **facts) -> None:
        """Write the heartbeat of a running bot."""
        point = self.equity()
        known = {
            "version": "0.1.0", "name": "act-1", "mode": "demo", "state": "running", "reason": "",
            "market_ms": self.minute_ms, "positions": sum(symbol.held is not None for symbol in self.symbols),
            "open_orders": 0, "equity": str(point.equity), "day_pnl": str(point.day_pnl),
            "streams": {"market": {"age_ms": 130}, "public": {"age_ms": 80}, "user": {"age_ms": 2_100}},
            "risk": {"max_symbol_notional": "0.1", "max_symbol_share": "0.41", "daily_loss": "0.04"},
        }  # fmt: skip
        self.file.write(time.time_ns() // 1_000_000, known | facts)


def gain_of(symbol: Symbol) -> Decimal:
    held = symbol.held
    return held.side.sign * held.quantity * (symbol.rounded(symbol.price) - held.entry)


def an_instrument(name: str, tick: str, step: str) -> Instrument:
    """Return a contract with plain filters."""
    ticks, steps, large = Decimal(tick), Decimal(step), Decimal(1_000_000)
    return Instrument(
        name, "TRADING", name.removesuffix("USDT"), "USDT", "USDT", ticks, ticks, large, steps, steps, large, steps,
        steps, large, Decimal(5), Decimal("1.05"), Decimal("0.95"), 200,
    )  # fmt: skip


def a_config(at_ms: int) -> ConfigVersion:
    """Return a configuration as a bot would have stored it."""
    config = {
        "mode": "demo",
        "symbols": {name: {"strategy": "vwap_reversion"} for name in SYMBOLS},
        "strategy": {"vwap_reversion": LIVELY},
    }
    return ConfigVersion("c1", at_ms, "0.1.0", "demo", json.dumps(config))


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("home", type=Path)
    parser.add_argument("--tick", type=float, default=0.25)
    parser.add_argument("--ahead", type=int, default=300, help="market minutes to write at once")
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    feed = Feed(options.home)
    feed.warm_up()
    for _ in range(options.ahead):
        feed.advance()
    feed.store.commit(feed.working_order(feed.symbols[2]))
    feed.beat()
    print("fed", flush=True)
    while True:
        time.sleep(options.tick)
        feed.advance()
        feed.beat()


if __name__ == "__main__":
    main()
