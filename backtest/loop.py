"""The plain loop of a backtest: the live core on the simulated exchange, minute by minute, without the idle ones.

Whatever is skipped could not have changed anything: the core says which flags, deadlines and equity matter to it, the
venue which prices matter to what rests there. Visiting more never changes the result; `every_candle` visits all.

A minute has three steps over its symbols: open (funding due by then, and what was decided before it trades), finish
(stops and limits that high and low reached), close (equity is judged and the strategy decides). Only the first is taken
where something waits for an open and the rest of the candle cannot matter. While several symbols are held, the closes
before a visited minute are given to the core first, because equity is judged over all of them.
"""

from collections.abc import Iterable, Sequence
from decimal import Decimal
from typing import Final

import numpy as np

from backtest.compiled import Scans, joined
from backtest.lane import NEVER, Lane
from backtest.notebook import Notebook
from bot.domain.commands import ExchangeCommand, PlaceStop, Reconcile, Record, RefreshInstruments, SubmitOrder
from bot.domain.events import (
    CandleClosed,
    CandleWarmedUp,
    Event,
    InstrumentsRefreshed,
    SnapshotTaken,
    TimeAdvanced,
)
from bot.domain.market import DAY_MS
from bot.exchange.simulated.exchange import SimulatedExchange
from bot.trading.engine import Engine
from bot.trading.strategy import ENTER_LONG, ENTER_SHORT

_NO_LIMIT: Final = float("inf")  # float: a search that is open on this side
_NO_CLOSES: Final = (-_NO_LIMIT, _NO_LIMIT)
_SLACK: Final = 1e-9  # float: equity is searched in floats, and judged exactly where it comes near a level
_ENTRIES: Final = ENTER_LONG | ENTER_SHORT


class Loop:
    """Runs one account over all its lanes. `watches_equity` is false where no rule looks at equity."""

    def __init__(
        self,
        engine: Engine,
        exchange: SimulatedExchange,
        lanes: Sequence[Lane],
        scans: Scans,
        notebook: Notebook,
        *,
        watches_equity: bool,
        every_candle: bool,
    ) -> None:
        self._engine = engine
        self._exchange = exchange
        self._lanes = lanes
        self._by_symbol = {lane.symbol: lane for lane in lanes}
        self._scans = scans
        self._notebook = notebook
        self._watches_equity = watches_equity
        self._every_candle = every_candle
        self._is_alone = len(lanes) == 1
        if not self._is_alone:
            self._all_times = joined([lane.times for lane in lanes])
            self._all_closes = joined([lane.close for lane in lanes])
        self._closed_ms = min((lane.time_of(lane.at) for lane in lanes), default=NEVER)
        self.visited = 0

    def run(self) -> None:
        """Go through all candles."""
        self._take([SnapshotTaken(self._closed_ms, self._exchange.snapshot(), first=True)])
        for lane in self._lanes:
            self._look_ahead(lane)
        if self._is_alone:
            self._run_alone(self._lanes[0])
        else:
            self._run_together()

    def _run_alone(self, lane: Lane) -> None:
        lanes = [lane]
        while lane.due_ms != NEVER:
            if self._watches_equity and lane.is_held and lane.due_ms >= self._next_day_ms():
                self._catch_up(lane, lane.due - 1)  # a day starts from the close before it
            if self._open_due(lane):
                self._close(lanes)

    def _run_together(self) -> None:
        while (now_ms := self._next_minute()) != NEVER:
            due = [lane for lane in self._lanes if lane.due_ms == now_ms]
            self._catch_up_before(now_ms, due)
            matters = [self._open_due(lane) for lane in due]
            if any(matters) or not due:
                self._close(due if self._every_candle else self._with_companions(now_ms, due))

    # one minute

    def _open_due(self, lane: Lane) -> bool:
        """Open the candle that is due, and say whether the rest of it can matter."""
        has_waited = lane.is_busy
        self._open(lane, lane.due)
        if has_waited:
            self._look_ahead(lane)
        return not has_waited or lane.due == lane.at

    def _open(self, lane: Lane, row: int) -> None:
        lane.go_to(row)
        events = self._exchange.open_candle(lane.now, lane.volume_before, lane.mark)
        if events:
            self._take(events)
        self.visited += 1

    def _close(self, lanes: list[Lane]) -> None:
        for lane in lanes:
            events = self._exchange.finish_candle(lane.now, lane.pieces(), lane.mark)
            if events:
                self._take(events)
        closed_ms = self._closed_ms = lanes[0].now.close_time
        deadline_ms = self._engine.order_deadline_ms()
        if deadline_ms is not None and deadline_ms <= closed_ms:
            self._take((TimeAdvanced(closed_ms),))
        last = lanes[-1]
        for lane in lanes:
            lane.given = lane.at
            lane.leave(lane.at)
            self._take((CandleClosed(closed_ms, lane.now, lane is last),))
        for lane in lanes:
            self._look_ahead(lane)

    def _with_companions(self, now_ms: int, opened: list[Lane]) -> list[Lane]:
        """Add the other held symbols that have a candle now: equity is judged with all closes.

        The last symbol decides after that, the others before: where it is about to, it has to be the last of all.
        """
        there = [lane for lane in self._lanes if lane.time_of(lane.row_from(now_ms)) == now_ms]
        lanes: list[Lane] = []
        for lane in there:
            if lane in opened:
                lanes.append(lane)
            elif lane.is_held or lane.is_busy or (lane is there[-1] and self._decides_last(lanes)):
                self._open(lane, lane.row_from(now_ms))
                lanes.append(lane)
        return lanes

    def _decides_last(self, lanes: list[Lane]) -> bool:
        return self._watches_equity and bool(lanes) and bool(lanes[-1].bits[lanes[-1].at])

    def _catch_up_before(self, now_ms: int, due: list[Lane]) -> None:
        is_new_day = now_ms >= self._next_day_ms()
        for lane in self._lanes:
            if lane.is_held and (due != [lane] or is_new_day):
                self._catch_up(lane, lane.row_from(now_ms) - 1)

    def _catch_up(self, lane: Lane, row: int) -> None:
        """Tell the core the symbol's last close before now; nothing else happened on the way there."""
        if row >= lane.at:
            candle = lane.candle(row)
            lane.leave(row)
            self._take((CandleWarmedUp(candle.close_time, candle),))

    # what can matter next

    def _next_minute(self) -> int:
        """Return the next minute at which something can happen, on a symbol or to all together; `NEVER` = none."""
        now_ms = min(lane.due_ms for lane in self._lanes)
        if self._every_candle:
            return now_ms
        return self._first_breach(self._first_deadline(now_ms))

    def _look_ahead(self, lane: Lane) -> None:
        """Find the next candle of the symbol at which something can happen."""
        if self._every_candle:
            lane.wait_for(lane.at)
            return
        watch = self._engine.watch_symbol(lane.symbol)
        lane.is_busy = not watch.idle
        lane.is_held = watch.flags != _ENTRIES
        if lane.is_busy:
            lane.wait_for(lane.at)
        elif lane.is_held:
            lane.wait_for(self._next_touch(lane, watch.flags))
        else:
            lane.wait_for(self._next_entry(lane, watch.entry_retry_ms))

    def _next_entry(self, lane: Lane, retry_ms: int) -> int:
        row = self._scans.next_entry(lane.flags, lane.times, lane.at, lane.end, retry_ms - lane.interval_ms)
        if self._watches_equity and (not self._is_alone or self._engine.equity_level() is None):
            return min(row, lane.row_from(self._next_day_ms() - lane.interval_ms))
        return row

    def _next_touch(self, lane: Lane, wanted: int) -> int:
        tick = lane.tick
        low, high = self._exchange.wake_prices(lane.symbol)
        below, above = _NO_CLOSES
        until_ms = self._exchange.next_funding_ms(lane.symbol) - lane.interval_ms + 1
        if self._watches_equity:
            until_ms = min(until_ms, self._next_day_ms() - lane.interval_ms)
            if self._is_alone:
                below, above = self._close_limits(lane)
        return self._scans.next_touch(
            lane.flags,
            lane.times,
            lane.high,
            lane.low,
            lane.close,
            lane.at,
            lane.end,
            wanted,
            float(low / tick),
            float(high / tick),
            below,
            above,
            until_ms,
        )

    def _close_limits(self, lane: Lane) -> tuple[float, float]:
        """Return the closes (in ticks) at or below and at or above which equity reaches a rule's level."""
        level = self._engine.equity_level()
        wallet, stakes = self._engine.stakes()
        if level is None or not stakes:
            return _NO_CLOSES
        held = stakes[0]
        if held.quantity > 0:
            return _ticks(level - wallet + held.cost, held.quantity * lane.tick) + _SLACK, _NO_LIMIT
        return -_NO_LIMIT, _ticks(level - wallet - held.cost, held.quantity * lane.tick) - _SLACK

    def _next_day_ms(self) -> int:
        return (self._closed_ms // DAY_MS + 1) * DAY_MS

    def _first_deadline(self, until_ms: int) -> int:
        """Return the first minute before `until_ms` in which an order's time runs out, else `until_ms`.

        The symbol itself may have no candle then; another's tells the time.
        """
        deadline_ms = self._engine.order_deadline_ms()
        if deadline_ms is None:
            return until_ms
        for lane in self._lanes:
            row = lane.row_from(deadline_ms - lane.interval_ms)
            if lane.time_of(row) < until_ms:
                lane.wait_for(row)
                until_ms = lane.due_ms
        return until_ms

    def _first_breach(self, until_ms: int) -> int:
        """Return the first minute before `until_ms` whose closes bring equity to a rule's level, else `until_ms`."""
        if not self._watches_equity:
            return until_ms
        level = self._engine.equity_level()
        wallet, stakes = self._engine.stakes()
        if level is None or not stakes:
            return until_ms
        lanes = [self._by_symbol[stake.symbol] for stake in stakes]
        base = wallet - sum((stake.cost if stake.quantity > 0 else -stake.cost for stake in stakes), Decimal(0))
        size = float(abs(wallet) + sum(stake.cost for stake in stakes))
        return int(
            self._scans.next_breach(
                self._all_times,
                self._all_closes,
                np.array([self._lanes.index(lane) for lane in lanes]),
                np.array([lane.at for lane in lanes]),
                np.array([lane.end for lane in lanes]),
                np.array([float(stake.quantity * lane.tick) for stake, lane in zip(stakes, lanes, strict=True)]),
                np.array([lane.close[max(0, lane.at - 1)] for lane in lanes]),
                float(base),
                float(level) + _SLACK * size,
                until_ms,
            )
        )

    # the shell

    def _take(self, events: Iterable[Event]) -> None:
        """Give events to the core and carry out what it asks, until nothing is left to say."""
        handle = self._engine.handle
        waiting = list(events)
        for event in waiting:
            for command in handle(event):
                match command:
                    case Record():
                        self._notebook.take(command.row)
                    case _:
                        waiting += self._carry_out(command)

    def _carry_out(self, command: ExchangeCommand | Reconcile | RefreshInstruments) -> Sequence[Event]:
        match command:
            case SubmitOrder(request=request):
                self._by_symbol[request.symbol].note_decision(reduces=request.reduce_only)
            case PlaceStop(request=stop):
                self._by_symbol[stop.symbol].stop_price = stop.trigger_price
            case Reconcile():
                return (SnapshotTaken(self._exchange.now_ms, self._exchange.snapshot()),)
            case RefreshInstruments(symbol=symbol):
                return (InstrumentsRefreshed(self._exchange.now_ms, self._exchange.instruments([symbol])),)
            case _:
                pass
        return self._exchange.execute(command)


def _ticks(amount: Decimal, worth_of_tick: Decimal) -> float:
    return float(amount / worth_of_tick)
