"""The core on a bench: a scripted strategy, a small exchange that tells the truth, and what came out of it."""

from dataclasses import dataclass, field, fields, is_dataclass
from decimal import ROUND_HALF_UP, Decimal

from msgspec.structs import replace

from bot.domain.account import AccountSnapshot, LeverageBracket, ReportedPosition
from bot.domain.books import Books
from bot.domain.commands import (
    CancelOrder,
    CancelStop,
    LookUpOrder,
    LookUpStop,
    PlaceStop,
    Record,
    SubmitOrder,
)
from bot.domain.events import AlgoUpdated, CandleClosed, OrderUpdated, SnapshotTaken, TimeAdvanced
from bot.domain.fill import Fill, OpeningBalance
from bot.domain.instrument import Instrument
from bot.domain.market import DAY_MS, MINUTE_MS, Candle
from bot.domain.order import AlgoReport, OrderReport, OrderType, Side
from bot.domain.records import (
    Alert,
    AlgoOrderRow,
    Incident,
    Intent,
    OrderRow,
    PositionRow,
    RiskState,
)
from bot.trading.engine import Engine
from bot.trading.keys import key_of
from bot.trading.limits import CorePlan, ExecutionRules, PacingLimits, RiskLimits, SymbolPlan
from bot.trading.strategy import Strategy, Verdict

BTC = "BTCUSDT"
ETH = "ETHUSDT"
START = 20_000 * DAY_MS + 12 * 60 * MINUTE_MS
PRICE = Decimal(100)
INSTANCE = "ab12"
NO_PACING = PacingLimits(0, 0, 0)


def an_instrument(symbol=BTC, **changes):
    values = {
        "symbol": symbol,
        "status": "TRADING",
        "base_asset": symbol.removesuffix("USDT"),
        "quote_asset": "USDT",
        "margin_asset": "USDT",
        "tick_size": Decimal("0.1"),
        "min_price": Decimal("0.1"),
        "max_price": Decimal(1_000_000),
        "step_size": Decimal("0.001"),
        "min_quantity": Decimal("0.001"),
        "max_quantity": Decimal(1_000),
        "market_step_size": Decimal("0.001"),
        "market_min_quantity": Decimal("0.001"),
        "market_max_quantity": Decimal(100),
        "min_notional": Decimal(5),
        "percent_up": Decimal("1.05"),
        "percent_down": Decimal("0.95"),
        "max_orders": 200,
    }
    return Instrument(**(values | changes))


class Says(Strategy):
    """Says what the test told it to say."""

    name = "says"

    def __init__(self, instrument, parameters=None):
        super().__init__(instrument, parameters)
        self.flags = 0

    def restart(self):
        pass

    def evaluate(self, candle):
        return Verdict(self.flags, {"close": str(candle.close)}, ready=True)


@dataclass
class TrueOrder:
    """An order as the exchange has it."""

    report: OrderReport
    left: Decimal


@dataclass
class SmallExchange:
    """Takes orders, fills them when told to, and keeps wallet and position by the ledger's rules, on its own."""

    symbol: str = BTC
    wallet: Decimal = Decimal(10_000)
    quantity: Decimal = Decimal(0)
    cost: Decimal = Decimal(0)
    orders: dict = field(default_factory=dict)
    algos: dict = field(default_factory=dict)
    fills: list = field(default_factory=list)
    next_id: int = 1

    def new_id(self):
        self.next_id += 1
        return self.next_id

    def place(self, request, at_ms, algo_id=0):
        report = OrderReport(
            symbol=self.symbol,
            order_id=self.new_id(),
            client_order_id=request.client_order_id,
            status="NEW",
            side=request.side,
            type=str(request.type),
            time_in_force=str(request.time_in_force),
            quantity=request.quantity,
            price=request.price,
            executed_quantity=Decimal(0),
            updated_ms=at_ms,
            reduce_only=request.reduce_only,
            algo_id=algo_id,
        )
        self.orders[request.client_order_id] = TrueOrder(report, request.quantity)
        return OrderUpdated(at_ms, report)

    def by_hand(self, side, quantity, at_ms, client_order_id="web_1", price=None):
        """A person sends an order."""
        request = _Request(
            client_order_id, side, OrderType.MARKET if price is None else OrderType.LIMIT, quantity, price
        )
        return self.place(request, at_ms)

    def execute(self, client_order_id, at_ms, quantity=None, price=PRICE, maker=False):
        order = self.orders[client_order_id]
        quantity = min(quantity or order.left, order.left)
        if order.report.reduce_only:
            quantity = min(quantity, abs(self.quantity))
        order.left -= quantity
        rate = Decimal("0.0002") if maker else Decimal("0.0005")
        fill = Fill(
            symbol=self.symbol,
            trade_id=len(self.fills) + 1,
            order_id=order.report.order_id,
            time_ms=at_ms,
            side=order.report.side,
            price=price,
            quantity=quantity,
            maker=maker,
            commission=_round(price * quantity * rate),
            commission_asset="USDT",
            realized_pnl=self._book(order.report.side, quantity, price),
        )
        self.wallet += fill.realized_pnl - fill.commission
        self.fills.append(fill)
        self._report(order, "PARTIALLY_FILLED" if order.left else "FILLED", at_ms)
        return OrderUpdated(at_ms, order.report, fill)

    def cancel(self, client_order_id, at_ms, word="CANCELED"):
        order = self.orders[client_order_id]
        self._report(order, word, at_ms)
        return OrderUpdated(at_ms, order.report)

    def place_stop(self, request, at_ms):
        report = AlgoReport(
            symbol=self.symbol,
            algo_id=self.new_id(),
            client_algo_id=request.client_algo_id,
            status="NEW",
            side=request.side,
            type="STOP_MARKET",
            quantity=Decimal(0),
            price=Decimal(0),
            trigger_price=request.trigger_price,
            working_type="CONTRACT_PRICE",
            close_position=True,
            reduce_only=False,
            updated_ms=at_ms,
        )
        self.algos[request.client_algo_id] = report
        return AlgoUpdated(at_ms, report)

    def algo_word(self, client_algo_id, word, at_ms):
        report = self.algos[client_algo_id]
        self.algos[client_algo_id] = _but(report, status=word, updated_ms=at_ms)
        return AlgoUpdated(at_ms, self.algos[client_algo_id])

    def trigger(self, client_algo_id, at_ms):
        """The price reaches the stop: its order is born first, then the stop is reported triggered."""
        algo = self.algos[client_algo_id]
        request = _Request(client_algo_id, algo.side, OrderType.MARKET, abs(self.quantity), None, reduce_only=True)
        born = self.place(request, at_ms, algo_id=algo.algo_id)
        return [born, self.algo_word(client_algo_id, "TRIGGERED", at_ms)]

    def snapshot(self):
        held = (ReportedPosition(self.symbol, self.quantity, Decimal(0)),) if self.quantity else ()
        return AccountSnapshot(
            wallets={"USDT": self.wallet},
            positions=held,
            open_orders=tuple(o.report for o in self.orders.values() if o.report.status in {"NEW", "PARTIALLY_FILLED"}),
            open_algo_orders=tuple(a for a in self.algos.values() if a.status == "NEW"),
        )

    def _report(self, order, word, at_ms):
        executed = order.report.quantity - order.left
        order.report = _but(order.report, status=word, executed_quantity=executed, updated_ms=at_ms)

    def _book(self, side, quantity, price):
        held, sign = abs(self.quantity), 1 if self.quantity > 0 else -1
        realized = Decimal(0)
        if self.quantity and sign != side.sign:
            closing = min(quantity, held)
            released = self.cost if closing == held else _round(self.cost * closing / held)
            realized = _round(sign * (price * closing - released))
            self.cost -= released
            self.quantity -= sign * closing
            quantity -= closing
        self.cost += price * quantity
        self.quantity += side.sign * quantity
        return realized


@dataclass
class _Request:
    client_order_id: str
    side: Side
    type: OrderType
    quantity: Decimal
    price: Decimal | None
    time_in_force: str = "GTC"
    reduce_only: bool = False

    def __post_init__(self):
        self.price = self.price or Decimal(0)


class Bench:
    """An engine with its exchange, opened and reconciled; `rows` is what its database would hold."""

    def __init__(self, *, books=None, exchange=None, start=START, opened=True, symbols=(BTC,), **plan):
        self.now = start
        self.exchange = exchange or SmallExchange()
        self.plan = a_plan(symbols, **plan)
        self.strategies = {each: Says(an_instrument(each)) for each in symbols}
        self.rows = {}
        self.commands = []
        brackets = [
            LeverageBracket(s, Decimal(0), Decimal(1_000_000), 20, Decimal("0.004"), Decimal(0)) for s in symbols
        ]
        self.books = books or Books(INSTANCE, {})
        self.engine = Engine(self.plan, self.strategies, [an_instrument(s) for s in symbols], brackets, self.books)
        if opened:
            self.snapshot()

    @property
    def state(self):
        return self.engine._state

    def handle(self, event):
        """Deliver an event, keep its rows, and return the commands that are no records."""
        out = self.engine.handle(event)
        kinds = [isinstance(each, Record) for each in out]
        assert kinds == sorted(kinds, reverse=True), "records come first"
        for each in out:
            if isinstance(each, Record):
                self.rows[key_of(each.row)] = each.row
        commands = [each for each in out if not isinstance(each, Record)]
        for command in commands:
            self._was_recorded_first(command)
        self.commands += commands
        return commands

    def handle_all(self, events):
        return [command for event in events for command in self.handle(event)]

    def candle(self, flags=0, close=PRICE, symbol=BTC, late_ms=0, volume="1"):
        """Close the next minute with these flags."""
        open_time = self.now - self.now % MINUTE_MS
        self.now = open_time + MINUTE_MS + late_ms
        return self.close_candle(open_time, flags, close, symbol, volume)

    def close_candle(self, open_time, flags=0, close=PRICE, symbol=BTC, volume="1"):
        self.strategies[symbol].flags = flags
        price = Decimal(close)
        return self.handle(
            CandleClosed(self.now, Candle(symbol, open_time, price, price, price, price, Decimal(volume)))
        )

    def wait(self, ms):
        """Let market time pass, waking the core at each deadline it names, as a shell does."""
        until, commands = self.now + ms, []
        while (due := self.engine.watch().deadline_ms) is not None and due <= until:
            assert due > self.state.now_ms, "a deadline lies ahead"
            self.now = due
            commands += self.handle(TimeAdvanced(due))
        self.now = until
        return commands + self.handle(TimeAdvanced(until))

    def snapshot(self):
        return self.handle(SnapshotTaken(self.now, self.exchange.snapshot()))

    def accept(self, command):
        """The exchange takes the order or stop and says so."""
        if isinstance(command, SubmitOrder):
            return self.handle(self.exchange.place(command.request, self.now))
        return self.handle(self.exchange.place_stop(command.request, self.now))

    def fill(self, command, quantity=None, price=PRICE, **how):
        """The exchange takes the order if it has not, and executes it."""
        client_order_id = command if isinstance(command, str) else command.request.client_order_id
        if client_order_id not in self.exchange.orders:
            self.exchange.place(command.request, self.now)
        how = {"quantity": Decimal(quantity) if quantity else None, "price": Decimal(price)} | how
        return self.handle(self.exchange.execute(client_order_id, self.now, **how))

    def enter(self, flags=1, price=PRICE):
        """Enter by a market order that fills, and have the stop accepted; returns the stop's command."""
        (order,) = of(self.candle(flags, price), SubmitOrder)
        (stop,) = of(self.fill(order, price=price), PlaceStop)
        self.accept(stop)
        return stop

    def all(self, kind):
        return [row for row in self.rows.values() if isinstance(row, kind)]

    def one(self, kind):
        (row,) = self.all(kind)
        return row

    def position(self, symbol=BTC):
        return self.state.by_symbol[symbol].track.quantity

    def incidents(self):
        return {row.code for row in self.all(Incident) if not row.closed_ms}

    def alerts(self):
        return [row.event for row in self.all(Alert)]

    def remembered(self):
        """The books an orderly store would give back."""
        opening = {row.asset: row.balance for row in self.all(OpeningBalance)}
        fills = tuple(sorted(self.all(Fill), key=lambda each: each.trade_id))
        wallet = opening["USDT"] + sum((each.realized_pnl - each.commission for each in fills), Decimal(0))
        return Books(
            instance=INSTANCE,
            wallets={"USDT": wallet},
            intents=tuple(row for row in self.all(Intent) if row.state == "open"),
            orders=tuple(self.all(OrderRow)),
            algo_orders=tuple(self.all(AlgoOrderRow)),
            positions=tuple(self.all(PositionRow)),
            recent_fills=fills,
            risk=tuple(self.all(RiskState)),
            incidents=tuple(self.all(Incident)),
        )

    def restarted(self, **plan):
        """A new process on the same exchange, with what this one wrote; not yet reconciled."""
        again = Bench(books=self.remembered(), exchange=self.exchange, start=self.now, opened=False, **plan)
        again.rows = dict(self.rows)
        return again

    def frozen(self):
        """Everything the core knows but the time, to see whether an event changed something."""
        return _laid_open(self.state, leave_out={"now_ms"})

    def _was_recorded_first(self, command):
        if isinstance(command, SubmitOrder):
            assert (OrderRow, command.request.symbol, command.request.client_order_id, 0) in self.rows
        elif isinstance(command, PlaceStop):
            assert (AlgoOrderRow, command.request.symbol, command.request.client_algo_id) in self.rows


def a_plan(symbols=(BTC,), entry="market", risk=None, pacing=NO_PACING, mode="demo", **execution):
    return CorePlan(
        symbols=tuple(SymbolPlan(each, "says") for each in symbols),
        execution=ExecutionRules(entry=entry, **execution),
        risk=risk or RiskLimits(),
        pacing=pacing,
        config_hash="c0ffee",
        code_version="1",
        mode=mode,
    )


def of(commands, kind):
    return [each for each in commands if isinstance(each, kind)]


def kinds(commands):
    return [type(each) for each in commands]


LIFE = (SubmitOrder, PlaceStop, CancelOrder, CancelStop, LookUpOrder, LookUpStop)


def _but(struct, **changes):
    return replace(struct, **changes)


def _laid_open(value, leave_out=frozenset()):
    """Turn a tree of objects into one of names and values, which compares by what it holds."""
    if is_dataclass(value):
        return {f.name: _laid_open(getattr(value, f.name)) for f in fields(value) if f.name not in leave_out}
    if isinstance(value, dict):
        return {key: _laid_open(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_laid_open(each) for each in value]
    if hasattr(value, "__dict__"):
        return _laid_open(vars(value))
    return value


def _round(amount):
    return amount.quantize(Decimal("0.00000001"), rounding=ROUND_HALF_UP)
