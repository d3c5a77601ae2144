"""What the market looks like now and looked like before: candles of every interval, last price, trade ids."""

from bisect import bisect_left
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import msgspec

from simulator.market.tape import MINUTE_MS, Candle, Tick
from simulator.server.formats import SymbolFormat, symbol_format

_ZERO = Decimal(0)
_HOUR_MS = 3_600_000
_DAY_MS = 86_400_000
_RECENT_TRADES = 1_000
_FIRST_MONDAY_MS = 4 * _DAY_MS

INTERVAL_MS = {
    "1m": MINUTE_MS,
    "3m": 3 * MINUTE_MS,
    "5m": 5 * MINUTE_MS,
    "15m": 15 * MINUTE_MS,
    "30m": 30 * MINUTE_MS,
    "1h": _HOUR_MS,
    "2h": 2 * _HOUR_MS,
    "4h": 4 * _HOUR_MS,
    "6h": 6 * _HOUR_MS,
    "8h": 8 * _HOUR_MS,
    "12h": 12 * _HOUR_MS,
    "1d": _DAY_MS,
    "3d": 3 * _DAY_MS,
    "1w": 7 * _DAY_MS,
    "1M": 31 * _DAY_MS,
}


def bucket(interval: str, at_ms: int) -> tuple[int, int]:
    """Return open time and close time (the last ms) of the candle of `interval` that holds `at_ms`."""
    if interval == "1M":
        start = datetime.fromtimestamp(at_ms / 1_000, UTC).replace(day=1, hour=0, minute=0, second=0, microsecond=0)
        following = start.replace(year=start.year + start.month // 12, month=start.month % 12 + 1)
        return int(start.timestamp()) * 1_000, int(following.timestamp()) * 1_000 - 1
    length = INTERVAL_MS[interval]
    offset = _FIRST_MONDAY_MS if interval == "1w" else 0
    opens = at_ms - (at_ms - offset) % length
    return opens, opens + length - 1


class Bar(msgspec.Struct):
    """A candle of any interval, open or closed. Trade ids are -1 where nothing was traded."""

    open_time: int
    close_time: int
    open: Decimal
    high: Decimal
    low: Decimal
    close: Decimal
    volume: Decimal = _ZERO
    quote_volume: Decimal = _ZERO
    trades: int = 0
    taker_base: Decimal = _ZERO
    taker_quote: Decimal = _ZERO
    first_id: int = -1
    last_id: int = -1

    def take(self, later: "Bar") -> None:
        """Add a later bar to this one."""
        self.high = max(self.high, later.high)
        self.low = min(self.low, later.low)
        self.close = later.close
        self.volume += later.volume
        self.quote_volume += later.quote_volume
        self.trades += later.trades
        self.taker_base += later.taker_base
        self.taker_quote += later.taker_quote
        if later.first_id >= 0:
            self.first_id = later.first_id if self.first_id < 0 else self.first_id
            self.last_id = later.last_id


class Trade(msgspec.Struct, frozen=True, gc=False):
    """One public trade, which is one aggregate trade of its own."""

    agg_id: int
    trade_id: int
    tick: Tick


class SymbolBoard:
    """One symbol's market as its followers see it."""

    def __init__(self, info: Mapping[str, Any], history: Sequence[Candle]) -> None:
        self.symbol: str = info["symbol"]
        self.pair: str = info.get("pair", self.symbol)
        self.form: SymbolFormat = symbol_format(info)
        self.stream_name = self.symbol.lower()
        self.candles: list[Candle] = list(history)
        self._first_ids = list(_running_ids(history))
        self._open_times = [candle.open_time for candle in history]
        self._next_trade_id = (self._first_ids[-1] + history[-1].trades) if history else 1
        self._next_agg_id = self._next_trade_id
        self.price = history[-1].close if history else _ZERO
        self.price_at_ms = (history[-1].open_time + MINUTE_MS - 1) if history else 0
        self.update_id = 1
        self.open_bar: Bar | None = None
        self.recent: deque[Trade] = deque(maxlen=_RECENT_TRADES)
        self.batch: list[Trade] = []
        self.bar_changed = False

    def open_minute(self, open_time: int, candle: Candle | None) -> None:
        """Begin a minute; None where the recording has a hole."""
        self.open_bar = None
        if candle is None:
            return
        price = candle.open
        self.open_bar = Bar(open_time, open_time + MINUTE_MS - 1, price, price, price, price)

    def tick(self, tick: Tick) -> None:
        """Take a trade into the open candle."""
        price = tick.price
        self.price = price
        self.price_at_ms = tick.at_ms
        self.update_id += 1
        bar = self.open_bar
        self.bar_changed = True
        if bar is not None:
            _into_bar(bar, tick, self._next_trade_id)
        if not tick.quantity:
            return
        trade = Trade(self._next_agg_id, self._next_trade_id, tick)
        self._next_agg_id += 1
        self._next_trade_id += 1
        self.recent.append(trade)
        self.batch.append(trade)

    def close_minute(self, candle: Candle | None) -> None:
        """End the minute with the candle as recorded or generated."""
        bar, self.open_bar = self.open_bar, None
        if candle is None or bar is None:
            return
        first = bar.first_id if bar.first_id >= 0 else self._next_trade_id
        self.candles.append(candle)
        self._open_times.append(candle.open_time)
        self._first_ids.append(first)
        self._next_trade_id = max(self._next_trade_id, first + candle.trades)

    def bars(self, interval: str, start_ms: int | None, end_ms: int | None, limit: int) -> list[Bar]:
        """Return candles opening within [start_ms, end_ms], oldest first, the open one included.

        With `start_ms` the first `limit` of them, else the last.
        """
        lowest = bucket(interval, max(0, start_ms))[0] if start_ms is not None else 0
        if start_ms is not None and lowest < start_ms:
            lowest = bucket(interval, start_ms)[1] + 1
        position = bisect_left(self._open_times, lowest)
        if start_ms is None:
            position = max(0, self._last_position(end_ms) - limit * (INTERVAL_MS[interval] // MINUTE_MS) - 1)
        found = list(self._merged(interval, position, end_ms, None if start_ms is None else limit))
        return found if start_ms is not None else found[-limit:]

    def bar(self, interval: str, at_ms: int) -> Bar | None:
        """Return the candle of `interval` that holds `at_ms`, as far as it has come."""
        start, _ = bucket(interval, at_ms)
        found = list(self._merged(interval, bisect_left(self._open_times, start), at_ms, 1))
        return found[0] if found else None

    def closed_bar(self, interval: str, last_candle: Candle) -> Bar | None:
        """Return the candle of `interval` that ends with the minute of `last_candle`, None if it goes on."""
        start, end = bucket(interval, last_candle.open_time)
        if last_candle.open_time + MINUTE_MS - 1 != end:
            return None
        found = list(self._merged(interval, bisect_left(self._open_times, start), end, 1))
        return found[0] if found else None

    def _last_position(self, end_ms: int | None) -> int:
        return len(self._open_times) if end_ms is None else bisect_left(self._open_times, end_ms + 1)

    def _merged(self, interval: str, position: int, end_ms: int | None, limit: int | None) -> Iterator[Bar]:
        current: Bar | None = None
        given = 0
        for minute in self._minutes(position, end_ms):
            opens, closes = bucket(interval, minute.open_time)
            if end_ms is not None and opens > end_ms:
                break
            if current is not None and current.open_time == opens:
                current.take(minute)
                continue
            if current is not None:
                yield current
                given += 1
            if given == limit:
                return
            minute.open_time, minute.close_time = opens, closes
            current = minute
        if current is not None:
            yield current

    def _minutes(self, position: int, end_ms: int | None) -> Iterator[Bar]:
        for index in range(position, len(self.candles)):
            yield _bar_of(self.candles[index], self._first_ids[index])
        if self.open_bar is not None and (end_ms is None or self.open_bar.open_time <= end_ms):
            yield msgspec.structs.replace(self.open_bar)


def _into_bar(bar: Bar, tick: Tick, trade_id: int) -> None:
    price, quantity = tick.price, tick.quantity
    bar.high = max(bar.high, price)
    bar.low = min(bar.low, price)
    bar.close = price
    if not quantity:
        return
    bar.volume += quantity
    bar.quote_volume += price * quantity
    bar.trades += 1
    if not tick.buyer_is_maker:
        bar.taker_base += quantity
        bar.taker_quote += price * quantity
    if bar.first_id < 0:
        bar.first_id = trade_id
    bar.last_id = trade_id


def _bar_of(candle: Candle, first_id: int) -> Bar:
    traded = candle.trades > 0
    return Bar(
        candle.open_time,
        candle.open_time + MINUTE_MS - 1,
        candle.open,
        candle.high,
        candle.low,
        candle.close,
        candle.volume,
        candle.quote_volume,
        candle.trades,
        candle.taker_base,
        candle.taker_quote,
        first_id if traded else -1,
        first_id + candle.trades - 1 if traded else -1,
    )


def _running_ids(history: Sequence[Candle]) -> Iterator[int]:
    following = 1
    for candle in history:
        yield following
        following += candle.trades
