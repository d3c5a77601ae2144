"""The market as it goes by: plays the tape into venue and boards, and sends what its followers subscribed to.

Candle, mark and depth frames come in market time, but not more often than a client can read in wall time (a fast market
would otherwise drown it); the last frame of a candle always comes, before anything of the next minute.
"""

from collections.abc import Callable, Mapping

from simulator.market.tape import MINUTE_MS, Minute, Tape
from simulator.server import frames
from simulator.server.board import INTERVAL_MS, SymbolBoard
from simulator.server.connections import Route
from simulator.server.delivery import Channel, Delivery
from simulator.server.streams import Streams
from simulator.venue.decimals import ZERO
from simulator.venue.exchange import Exchange
from simulator.venue.model import ForceOrderEvent

_KLINE_WALL_MS = 20
_MARK_WALL_MS = 10
_DEPTH_WALL_MS = 20
_DEPTH_LEVELS = 1_000


class Cadence:
    """A rhythm in market time: `work(at_ms)` at every multiple of `every_ms`."""

    def __init__(self, every_ms: int, start_ms: int, work: Callable[[int], None]) -> None:
        self.every_ms = every_ms
        self.next_ms = (start_ms // every_ms + 1) * every_ms
        self.work = work


class SymbolChannels:
    """The channels of one symbol that are looked at with every tick or second."""

    def __init__(self, board: SymbolBoard, streams: Streams) -> None:
        name = board.stream_name
        self.book_ticker = streams.channel(f"{name}@bookTicker", Route.PUBLIC)
        self.agg_trade = streams.channel(f"{name}@aggTrade", Route.MARKET)
        self.mark = streams.channel(f"{name}@markPrice", Route.MARKET)
        self.mark_1s = streams.channel(f"{name}@markPrice@1s", Route.MARKET)
        self.klines = {i: streams.channel(f"{name}@kline_{i}", Route.MARKET) for i in INTERVAL_MS}
        self.force_order = streams.channel(f"{name}@forceOrder", Route.MARKET)
        self.diffs: dict[Channel, Diff] = {
            streams.channel(f"{name}@depth{speed}", Route.PUBLIC): Diff(every_ms)
            for speed, every_ms in (("", 250), ("@100ms", 100), ("@250ms", 250), ("@500ms", 500))
        }
        self.partials: dict[Channel, tuple[int, Diff]] = {
            streams.channel(f"{name}@depth{levels}{speed}", Route.PUBLIC): (levels, Diff(every_ms))
            for levels in (5, 10, 20)
            for speed, every_ms in (("", 250), ("@100ms", 100), ("@250ms", 250), ("@500ms", 500))
        }


class Diff:
    """What a depth stream sent last."""

    def __init__(self, every_ms: int) -> None:
        self.every_ms = every_ms
        self.next_ms = 0
        self.update_id = 0
        self.bids: frames.Sizes = {}
        self.asks: frames.Sizes = {}


class Play:
    """The tape, read up to `advance(to_ms)`; `told` is called after every step with what the venue has to tell."""

    def __init__(
        self,
        tape: Tape,
        exchange: Exchange,
        boards: Mapping[str, SymbolBoard],
        streams: Streams,
        delivery: Delivery,
        speed: float,
        tell_user: Callable[[], None],
    ) -> None:
        self._tape = tape
        self._exchange = exchange
        self._boards = boards
        self._delivery = delivery
        self._tell_user = tell_user
        self._channels = {symbol: SymbolChannels(board, streams) for symbol, board in boards.items()}
        self._all_marks = streams.channel("!markPrice@arr", Route.MARKET)
        self._all_marks_1s = streams.channel("!markPrice@arr@1s", Route.MARKET)
        self._all_books = streams.channel("!bookTicker", Route.PUBLIC)
        self._all_forced = streams.channel("!forceOrder@arr", Route.MARKET)
        start = tape.start_ms
        self._cadences = [
            Cadence(_slowed(100, _KLINE_WALL_MS, speed), start, self._send_agg_trades),
            Cadence(_slowed(250, _KLINE_WALL_MS, speed), start, self._send_klines),
            Cadence(_slowed(100, _DEPTH_WALL_MS, speed), start, self._send_depth),
            Cadence(_slowed(1_000, _MARK_WALL_MS, speed), start, self._send_marks_1s),
            Cadence(_slowed(3_000, _MARK_WALL_MS, speed), start, self._send_marks),
            Cadence(_slowed(5_000, _MARK_WALL_MS, speed), start, self._send_all_books),
        ]
        self.now_ms = start
        self._minute = Minute(start, {}, (), ())
        self._tick = 0
        self._mark = 0
        self._open_minute(start)
        self.advance(start)

    def next_ms(self) -> int:
        """Market time of the next thing that happens."""
        following = min(cadence.next_ms for cadence in self._cadences)
        following = min(following, self._minute.open_time + MINUTE_MS)
        if self._tick < len(self._minute.ticks):
            following = min(following, self._minute.ticks[self._tick].at_ms)
        if self._mark < len(self._minute.marks):
            following = min(following, self._minute.marks[self._mark].at_ms)
        return following

    def advance(self, to_ms: int) -> None:
        """Play everything up to and including `to_ms`."""
        while (at_ms := self.next_ms()) <= to_ms:
            self.now_ms = at_ms
            self._step(at_ms)
        self.now_ms = max(self.now_ms, to_ms)
        self._exchange.advance(self.now_ms)
        self._tell_user()

    def publish_forced(self, event: ForceOrderEvent) -> None:
        """Send a liquidation to the market's followers."""
        symbol = event.order.symbol
        data = frames.force_order(event.order, self._boards[symbol].pair, event.at_ms)
        for channel in (self._channels[symbol].force_order, self._all_forced):
            if channel.connections:
                self._delivery.publish(channel, "forceOrder", data)

    def _step(self, at_ms: int) -> None:
        if at_ms == self._minute.open_time + MINUTE_MS:
            self._close_minute(at_ms)
            self._exchange.advance(at_ms)
            self._tell_user()
            self._open_minute(at_ms)
        self._play_marks(at_ms)
        self._play_ticks(at_ms)
        for cadence in self._cadences:
            if cadence.next_ms <= at_ms:
                cadence.next_ms = (at_ms // cadence.every_ms + 1) * cadence.every_ms
                cadence.work(at_ms)

    def _play_marks(self, at_ms: int) -> None:
        marks = self._minute.marks
        while self._mark < len(marks) and marks[self._mark].at_ms <= at_ms:
            mark = marks[self._mark]
            self._mark += 1
            self._exchange.set_mark(mark.symbol, mark.mark, mark.index, mark.at_ms)
            self._tell_user()

    def _play_ticks(self, at_ms: int) -> None:
        ticks = self._minute.ticks
        while self._tick < len(ticks) and ticks[self._tick].at_ms <= at_ms:
            tick = ticks[self._tick]
            self._tick += 1
            self._exchange.on_tick(tick)
            self._boards[tick.symbol].tick(tick)
            self._send_book_ticker(tick.symbol, tick.at_ms)
            self._tell_user()

    def _open_minute(self, open_time: int) -> None:
        self._minute = self._tape.minute(open_time)
        self._tick = self._mark = 0
        for symbol, board in self._boards.items():
            board.open_minute(open_time, self._minute.candles.get(symbol))

    def _close_minute(self, at_ms: int) -> None:
        self._send_agg_trades(at_ms)
        for symbol, board in self._boards.items():
            candle = self._minute.candles.get(symbol)
            board.close_minute(candle)
            if candle is None:
                continue
            for interval, channel in self._channels[symbol].klines.items():
                bar = board.closed_bar(interval, candle) if channel.connections else None
                if bar is not None:
                    self._delivery.publish(channel, "kline", frames.kline(board, interval, bar, at_ms, closed=True))

    def _send_book_ticker(self, symbol: str, at_ms: int) -> None:
        channel = self._channels[symbol].book_ticker
        if channel.connections:
            self._delivery.publish(channel, "bookTicker", self._book_ticker(symbol, at_ms))

    def _book_ticker(self, symbol: str, at_ms: int) -> str:
        board = self._boards[symbol]
        bid, bid_quantity, ask, ask_quantity = self._exchange.best(symbol)
        price, quantity = board.form.price, board.form.quantity
        best = (price(bid), quantity(bid_quantity), price(ask), quantity(ask_quantity))
        return frames.book_ticker(board, best, at_ms)

    def _send_all_books(self, at_ms: int) -> None:
        if self._all_books.connections:
            for symbol in self._boards:
                self._delivery.publish(self._all_books, "bookTicker", self._book_ticker(symbol, at_ms))

    def _send_agg_trades(self, at_ms: int) -> None:
        for symbol, board in self._boards.items():
            if not board.batch:
                continue
            channel = self._channels[symbol].agg_trade
            if channel.connections:
                for trade in board.batch:
                    self._delivery.publish(channel, "aggTrade", frames.agg_trade(board, trade, at_ms))
            board.batch.clear()

    def _send_klines(self, at_ms: int) -> None:
        for symbol, board in self._boards.items():
            if not board.bar_changed or board.open_bar is None:
                continue
            board.bar_changed = False
            for interval, channel in self._channels[symbol].klines.items():
                if not channel.connections:
                    continue
                bar = board.open_bar if interval == "1m" else board.bar(interval, board.open_bar.open_time)
                if bar is not None:
                    self._delivery.publish(channel, "kline", frames.kline(board, interval, bar, at_ms, closed=False))

    def _send_marks_1s(self, at_ms: int) -> None:
        self._send_mark_frames(self._all_marks_1s, {s: c.mark_1s for s, c in self._channels.items()}, at_ms)

    def _send_marks(self, at_ms: int) -> None:
        self._send_mark_frames(self._all_marks, {s: c.mark for s, c in self._channels.items()}, at_ms)

    def _send_mark_frames(self, everything: Channel, channels: dict[str, Channel], at_ms: int) -> None:
        rows: list[str] = []
        for symbol, channel in channels.items():
            if not channel.connections and not everything.connections:
                continue
            data = frames.mark_price(self._exchange.market(symbol), at_ms)
            rows.append(data)
            if channel.connections:
                self._delivery.publish(channel, "markPriceUpdate", data)
        if everything.connections:
            self._delivery.publish(everything, "markPriceUpdate", f"[{','.join(rows)}]")

    def _send_depth(self, at_ms: int) -> None:
        for symbol, channels in self._channels.items():
            for channel, diff in channels.diffs.items():
                if channel.connections and diff.next_ms <= at_ms:
                    self._send_diff(symbol, channel, diff, at_ms)
            for channel, (levels, last) in channels.partials.items():
                if channel.connections and last.next_ms <= at_ms:
                    self._send_partial(symbol, channel, levels, last, at_ms)

    def _send_diff(self, symbol: str, channel: Channel, diff: Diff, at_ms: int) -> None:
        board = self._boards[symbol]
        diff.next_ms = at_ms + diff.every_ms
        if diff.update_id == board.update_id:
            return
        book = self._exchange.book(symbol, _DEPTH_LEVELS)
        bids, asks = frames.sizes(board, book.bids), frames.sizes(board, book.asks)
        previous = diff.update_id or board.update_id - 1
        zero = board.form.quantity(ZERO)
        changed_bids, changed_asks = _changes(diff.bids, bids, zero), _changes(diff.asks, asks, zero)
        data = frames.depth_update(board, changed_bids, changed_asks, previous + 1, previous, at_ms)
        diff.bids, diff.asks, diff.update_id = bids, asks, board.update_id
        self._delivery.publish(channel, "depthUpdate", data)

    def _send_partial(self, symbol: str, channel: Channel, levels: int, last: Diff, at_ms: int) -> None:
        board = self._boards[symbol]
        last.next_ms = at_ms + last.every_ms
        book = self._exchange.book(symbol, levels)
        previous = last.update_id or board.update_id - 1
        bids, asks = frames.sizes(board, book.bids), frames.sizes(board, book.asks)
        last.update_id = board.update_id
        self._delivery.publish(
            channel, "depthUpdate", frames.depth_update(board, bids, asks, previous + 1, previous, at_ms)
        )


def _changes(before: frames.Sizes, after: frames.Sizes, zero: str) -> frames.Sizes:
    changes = {price: size for price, size in after.items() if before.get(price) != size}
    changes.update({price: zero for price in before if price not in after})
    return changes


def _slowed(every_ms: int, least_wall_ms: int, speed: float) -> int:
    return max(every_ms, round(least_wall_ms * speed))
