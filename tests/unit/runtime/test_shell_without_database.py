"""What the shell does while the database takes no write: nothing leaves, and the core is told so."""

from decimal import Decimal

from bot.domain.commands import LookUpOrder
from bot.domain.errors import StoreError
from bot.domain.events import CandleClosed, OrderOutcomeUnknown
from bot.domain.market import MINUTE_MS, Candle
from bot.domain.order import OrderState
from bot.runtime.loop import Shell
from bot.runtime.market import Market
from bot.trading.strategy import ENTER_LONG
from support.core_bench import BTC, Bench


class FullDisk:
    """A store that refuses while it is full."""

    def __init__(self):
        self.full = True
        self.rows = []

    def commit(self, rows):
        if self.full:
            raise StoreError("the disk is full")
        self.rows += rows

    def defer(self, rows):
        pass

    def flush_slice(self):
        return 0


class Wire:
    """An exchange that keeps what it is told."""

    def __init__(self):
        self.told = []

    def execute(self, command):
        self.told.append(command)


def a_shell(bench):
    store, wire = FullDisk(), Wire()
    shell = Shell(bench.engine, store, wire, Market([BTC], Decimal("0.5")))
    shell.market.see_time(bench.now)
    shell.release()
    return shell, store, wire


def a_signal(bench):
    bench.strategies[BTC].flags = ENTER_LONG
    open_time = bench.now - MINUTE_MS
    return CandleClosed(bench.now, Candle(BTC, open_time, *([Decimal(100)] * 4), Decimal(1)))


def test_no_order_leaves_and_the_rows_are_written_once_the_disk_takes_them():
    bench = Bench()
    shell, store, wire = a_shell(bench)
    shell.handle(a_signal(bench))
    assert wire.told == []
    (row,) = bench.state.by_symbol[BTC].orders.values()
    assert row.state is OrderState.REJECTED
    store.full = False
    shell.retry_unwritten()
    assert any(getattr(each, "client_order_id", "") == row.client_order_id for each in store.rows)
    assert "database" not in {gate.gate for gate in bench.engine.view().gates}


def test_an_unknown_order_is_looked_up_even_so():
    bench = Bench()
    shell, store, wire = a_shell(bench)
    store.full = False
    shell.handle(a_signal(bench))
    store.full = True
    client_order_id = wire.told[0].request.client_order_id
    shell.handle(OrderOutcomeUnknown(bench.now, BTC, client_order_id, "timeout"))
    assert wire.told[1:] == [LookUpOrder(BTC, client_order_id)]


def test_a_cancel_that_could_not_be_recorded_is_tried_again_later():
    bench = Bench(entry="limit")
    shell, store, wire = a_shell(bench)
    store.full = False
    shell.handle(a_signal(bench))
    order = wire.told[0]
    shell.handle(bench.exchange.place(order.request, bench.now))
    store.full = True
    bench.now += 20_000
    shell.market.see_time(bench.now)
    shell.handle(bench.exchange.execute(order.request.client_order_id, bench.now, Decimal(1)))
    (row,) = bench.state.by_symbol[BTC].orders.values()
    assert row.state is OrderState.UNKNOWN
    assert LookUpOrder(BTC, order.request.client_order_id) in wire.told
