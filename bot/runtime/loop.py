"""The shell around the core: decide, record, act. Everything that happens passes through `handle`, on one thread."""

from collections import deque
from collections.abc import Callable, Iterable

import structlog

from bot.domain.commands import (
    CancelOrder,
    CancelStop,
    Command,
    PlaceStop,
    Reconcile,
    Record,
    RefreshInstruments,
    SubmitOrder,
)
from bot.domain.errors import StoreError
from bot.domain.events import (
    CancelFailed,
    CandleClosed,
    Event,
    GateClosed,
    GateOpened,
    OrderRefused,
    OrderUpdated,
    StopCancelFailed,
    StopRefused,
    TimeAdvanced,
)
from bot.domain.fill import Fill
from bot.domain.market import BookTicker, Candle, MarkPrice
from bot.domain.records import Alert, Decision, EquityPoint, Evaluation, Incident, Row
from bot.ports import Exchange, Store
from bot.runtime.market import Market
from bot.trading.engine import Engine

_log = structlog.get_logger()


class Shell:
    """Feeds the core, commits what it records, and only then carries out what it commands."""

    def __init__(self, engine: Engine, store: Store, exchange: Exchange, market: Market) -> None:
        self.engine = engine
        self.market = market
        self._store = store
        self._exchange = exchange
        self._deadline_ms: int | None = None
        self._unwritten: list[Row] = []
        self._untold: list[Row] = []
        self._database_failing = False
        self._inbox: deque[Event] = deque()
        self._busy = False
        self._holding_back = True
        self._held: list[Event] = []
        self._evaluated: set[str] = set()
        self._traded = False
        self.on_reconcile: Callable[[str], None] = _ignore
        self.on_refresh: Callable[[str], None] = _ignore
        self.on_stream_lost: Callable[[str, str], None] = _ignore
        self.on_stream_back: Callable[[str], None] = _ignore
        self.last_error = ""

    def handle(self, event: Event) -> None:
        """Decide, record, act. Events that arrive while one is being handled wait their turn."""
        self._inbox.append(event)
        if self._busy:
            return
        self._busy = True
        try:
            while self._inbox:
                self._handle_one(self._inbox.popleft())
        finally:
            self._busy = False

    def _handle_one(self, event: Event) -> None:
        commands = self.engine.handle(event)
        if commands and self._record(commands):
            self._act(commands)
        self._deadline_ms = self.engine.watch().deadline_ms
        self._tell()
        self._observe(event)

    # decide -> record

    def _record(self, commands: Iterable[Command]) -> bool:
        rows = [*self._unwritten, *(command.row for command in commands if type(command) is Record)]
        if not rows:
            return True
        try:
            self._store.commit(rows)
        except StoreError as error:
            self._unwritten = rows
            self._refuse_unrecorded(commands, str(error))
            return False
        self._unwritten = []
        self._untold = rows
        return True

    def _tell(self) -> None:
        """Log what was recorded, once the orders are on their way: they do not wait for a log file."""
        if self._untold:
            _report(self._untold)
            self._untold = []

    def _refuse_unrecorded(self, commands: Iterable[Command], why: str) -> None:
        """Tell the core that nothing was sent: an order whose intent cannot be stored never leaves. Reads still go."""
        now = self.market.now_ms
        self.database_failed(why)
        for command in commands:
            match command:
                case SubmitOrder(request=request):
                    self._inbox.append(OrderRefused(now, request.symbol, request.client_order_id, 0, why))
                case PlaceStop(request=stop):
                    self._inbox.append(StopRefused(now, stop.symbol, stop.client_algo_id, 0, why))
                case CancelOrder(symbol=symbol, client_order_id=order_id):
                    self._inbox.append(CancelFailed(now, symbol, order_id, 0, why))
                case CancelStop(symbol=symbol, client_algo_id=algo_id):
                    self._inbox.append(StopCancelFailed(now, symbol, algo_id, 0, why))
                case _:
                    self._act([command])

    def write(self, rows: Iterable[Row]) -> None:
        """Write rows that accompany the run; those a failing database refuses are written when it works again."""
        self._record([Record(row) for row in rows])

    def database_failed(self, why: str) -> None:
        """Close the gate: what cannot be recorded is not begun."""
        _log.error("database.write_failed", why=why)
        self.last_error = why
        if not self._database_failing:
            self._database_failing = True
            self.handle(GateClosed(self.market.now_ms, "database", "", why))

    def retry_unwritten(self) -> None:
        """Write what a failing database has not taken yet, and open the gate once it did."""
        if not self._database_failing:
            return
        try:
            self._store.commit(self._unwritten)
            self._store.flush_slice()
        except StoreError as error:
            self.last_error = str(error)
            return
        self._unwritten = []
        self._database_failing = False
        self.handle(GateOpened(self.market.now_ms, "database", ""))

    # record -> act

    def _act(self, commands: Iterable[Command]) -> None:
        for command in commands:
            match command:
                case Record():
                    pass
                case Reconcile(reason=reason):
                    self.on_reconcile(reason)
                case RefreshInstruments(symbol=symbol):
                    self.on_refresh(symbol)
                case _:
                    self._exchange.execute(command)

    # what observers may see

    def _observe(self, event: Event) -> None:
        match event:
            case CandleClosed(candle=candle):
                self._store.defer([candle])
                self._evaluated.add(candle.symbol)
            case OrderUpdated(fill=fill) if fill is not None:
                self._traded = True
            case _:
                pass

    def write_observations(self) -> None:
        """Queue an equity point and the evaluations since the last call, off the path of orders."""
        if not self._evaluated and not self._traded:
            return
        view = self.engine.view()
        fresh, self._evaluated, self._traded = self._evaluated, set(), False
        rows: list[Row] = [EquityPoint(view.at_ms, view.wallet, view.unrealized, view.equity, view.day_pnl)]
        rows.extend(
            Evaluation(each.symbol, each.strategy, each.at_ms, each.verdict, each.inputs)
            for each in view.evaluations
            if each.symbol in fresh
        )
        self._store.defer(rows)

    # the Sink: what an exchange delivers

    def market_ms(self) -> int:
        """Return the latest market time seen."""
        return self.market.now_ms

    def on_candle(self, candle: Candle, at_ms: int) -> None:
        """Pass a closed candle to the feed that orders them."""
        self.market.see_time(at_ms)
        self.market.candle(candle)

    def on_book_ticker(self, ticker: BookTicker) -> None:
        """Keep the best prices; let the core know of a burst."""
        breach = self.market.book_ticker(ticker)
        if breach is not None:
            self.on_event(breach)
        if self._deadline_ms is not None:
            self._let_time_pass()

    def on_mark_price(self, mark: MarkPrice) -> None:
        """Keep the mark price; it also carries the market's time forward."""
        self.market.mark_price(mark)
        self._let_time_pass()

    def on_event(self, event: Event) -> None:
        """Handle what happened, or keep it until recovery has read the past."""
        if self._holding_back:
            self._held.append(event)
            return
        self.handle(event)

    def on_stream_up(self, stream: str) -> None:
        """Learn that a stream delivers again: what it missed is read back."""
        self.on_stream_back(stream)

    def on_stream_down(self, stream: str, why: str) -> None:
        """Learn that a stream is gone or silent: a gap begins."""
        _log.warning("stream.down", stream=stream, why=why)
        self.on_stream_lost(stream, why)

    def release(self) -> None:
        """Recovery is done: handle what arrived meanwhile, then everything as it comes."""
        self._holding_back = False
        held, self._held = self._held, []
        for event in held:
            self.handle(event)

    def _let_time_pass(self) -> None:
        deadline = self._deadline_ms
        if deadline is not None and self.market.now_ms >= deadline and not self._holding_back:
            self.handle(TimeAdvanced(self.market.now_ms))


def _ignore(*_: str) -> None:
    pass


def _report(rows: Iterable[Row]) -> None:
    """Log what people look for, after it is safely stored."""
    for row in rows:
        match row:
            case Fill():
                _log.info(
                    "trade.filled",
                    symbol=row.symbol,
                    trade_id=row.trade_id,
                    side=row.side.value,
                    price=row.price,
                    quantity=row.quantity,
                )
            case Decision():
                _log.info(
                    "trade.decided",
                    symbol=row.symbol,
                    action=row.action,
                    reason=row.reason,
                    decision_id=row.decision_id,
                )
            case Alert():
                _log.info("alert.raised", alert=row.event, symbol=row.symbol, severity=row.severity, title=row.title)
            case Incident():
                _log.warning(
                    "incident.noted", code=row.code, symbol=row.symbol, detail=row.detail, open=row.closed_ms == 0
                )
            case _:
                pass
