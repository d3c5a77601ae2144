"""The adapter against the simulator over real sockets: set-up, orders, stops, history, and what faults do to them."""

import asyncio
import json
import time
from decimal import Decimal

import pytest
from Crypto.PublicKey import ECC

from bot.domain.books import HistoryMark
from bot.domain.commands import CancelOrder, CancelStop, LookUpOrder, PlaceStop, SubmitOrder
from bot.domain.errors import ConfigurationError, StopTrading
from bot.domain.order import OrderRequest, OrderType, Side, StopRequest, TimeInForce
from bot.exchange.binance.exchange import BinanceExchange
from bot.exchange.binance.settings import BinanceSettings
from bot.runtime.clock import SystemClock
from bot.runtime.transport import PicowsTransport, ThreadExecutor
from simulator.server.background import RunningSimulator
from simulator.server.options import Options
from support.wire import RecordingSink

SYMBOLS = ("BTCUSDT", "ETHUSDT")


class TimedSink(RecordingSink):
    """Keeps market time as the runtime does."""

    def __init__(self) -> None:
        super().__init__(0)

    def on_mark_price(self, mark) -> None:
        super().on_mark_price(mark)
        self.now = max(self.now, mark.at_ms)


@pytest.fixture(scope="module")
def simulator():
    with RunningSimulator(Options(symbols=SYMBOLS, speed=10, seed=4)) as running:
        yield running


@pytest.fixture(autouse=True)
def no_faults(simulator):
    yield
    simulator.clear_faults()


def an_exchange(simulator, api_key="", secret="") -> BinanceExchange:
    options = simulator.options
    settings = BinanceSettings.loopback(simulator.urls, api_key or options.api_key, secret or options.api_secret)
    return BinanceExchange(settings, SystemClock(), PicowsTransport(), ThreadExecutor())


@pytest.fixture
async def trading(simulator):
    exchange, sink = an_exchange(simulator), TimedSink()
    await exchange.connect()
    await exchange.instruments(SYMBOLS)
    await exchange.open_streams(SYMBOLS, sink)
    yield exchange, sink
    simulator.clear_faults()
    await make_flat(simulator, exchange)
    await exchange.close()
    assert list(exchange.tasks()) == []


async def until(condition, seconds=8.0):
    deadline = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < deadline, "it never came"
        await asyncio.sleep(0.01)
    return found


async def make_flat(simulator, exchange):
    for position in positions(simulator):
        exchange.execute(SubmitOrder(an_order(side=Side.SELL, quantity=position["quantity"], reduce_only=True)))
    await until(lambda: not positions(simulator))


def positions(simulator) -> list[dict]:
    return json.loads(simulator.ledger())["positions"]


_NUMBER = iter(range(1, 1_000))


def an_order(side=Side.BUY, kind=OrderType.MARKET, price="0", quantity="0.010", reduce_only=False):
    client_order_id = f"a0001e{next(_NUMBER):020d}-1"
    return OrderRequest(
        "BTCUSDT", client_order_id, side, kind, Decimal(quantity), Decimal(price), TimeInForce.GTC, reduce_only
    )


def statuses(sink, client_order_id) -> list[str]:
    orders = [event.order for event in sink.events if type(event).__name__ == "OrderUpdated"]
    return [order.status for order in orders if order.client_order_id == client_order_id]


def fills(sink) -> dict:
    found = [getattr(event, "fill", None) for event in sink.events]
    return {(fill.symbol, fill.trade_id): fill for fill in found if fill is not None}


async def far_below(exchange) -> str:
    candles = await exchange.candles("BTCUSDT", 0, 10**15)
    return str((candles[-1].close * Decimal("0.97")).quantize(Decimal("0.1")))


async def test_the_account_is_set_up_through_the_sdk(simulator):
    exchange = an_exchange(simulator)
    await exchange.connect()
    for _ in range(2):
        await exchange.set_one_way_mode()
        await exchange.set_single_asset_mode()
        await exchange.set_margin_type("ETHUSDT", "ISOLATED")
        await exchange.set_leverage("ETHUSDT", 3)
    found = await exchange.account_settings(SYMBOLS)
    assert (found.hedge_mode, found.multi_assets) == (False, False)
    assert (found.leverage["ETHUSDT"], found.margin_type["ETHUSDT"]) == (3, "ISOLATED")
    assert {bracket.symbol for bracket in await exchange.brackets(["BTCUSDT"])} == {"BTCUSDT"}
    with pytest.raises(ConfigurationError, match="NOSUCHUSDT"):
        await exchange.instruments(["BTCUSDT", "NOSUCHUSDT"])
    await exchange.close()


async def test_a_wrong_key_and_a_wrong_url_are_named(simulator):
    wrong = an_exchange(simulator, api_key="somebody-else")
    with pytest.raises(ConfigurationError, match="API key"):
        await wrong.connect()
    unsigned = an_exchange(simulator, secret="wrong")
    with pytest.raises(ConfigurationError, match="ACT_BINANCE_API_SECRET"):
        await unsigned.connect()
    nowhere = BinanceSettings.loopback(
        dict.fromkeys(("rest", "ws_api", "streams"), "http://127.0.0.1:9"), "key", "secret"
    )
    lost = BinanceExchange(nowhere, SystemClock(), PicowsTransport(), ThreadExecutor())
    with pytest.raises(StopTrading, match="rest URL"):
        await lost.connect()


async def test_candles_are_closed_and_without_holes(simulator, trading):
    exchange, sink = trading
    end = sink.now // 60_000 * 60_000
    candles = await exchange.candles("BTCUSDT", end - 1_700 * 60_000, end)
    assert [candle.open_time for candle in candles] == list(range(end - 1_700 * 60_000, end, 60_000))


async def test_an_order_is_filled_and_history_tells_the_same(simulator, trading):
    exchange, sink = trading
    request = an_order()
    exchange.execute(SubmitOrder(request))
    await until(lambda: "FILLED" in statuses(sink, request.client_order_id))
    await make_flat(simulator, exchange)
    await until(lambda: sum(fill.quantity * fill.side.sign for fill in fills(sink).values()) == 0)
    read = TimedSink()
    read.events = await exchange.history(HistoryMark(SYMBOLS, {}, {}, {}, 0))
    assert {key: fill for key, fill in fills(read).items() if key in fills(sink)} == fills(sink)


async def test_a_resting_order_and_a_stop_are_placed_and_cancelled(simulator, trading):
    exchange, sink = trading
    price = await far_below(exchange)
    resting = an_order(kind=OrderType.LIMIT, price=price)
    exchange.execute(SubmitOrder(resting))
    exchange.execute(SubmitOrder(an_order()))
    await until(lambda: fills(sink))
    stop = StopRequest("BTCUSDT", f"a0001s{next(_NUMBER):020d}-1", Side.SELL, Decimal(price))
    exchange.execute(PlaceStop(stop))
    await until(lambda: [event for event in sink.events if type(event).__name__ == "AlgoUpdated"])
    account = await exchange.snapshot(SYMBOLS)
    assert [order.client_order_id for order in account.open_orders] == [resting.client_order_id]
    assert [algo.client_algo_id for algo in account.open_algo_orders] == [stop.client_algo_id]
    exchange.execute(CancelStop("BTCUSDT", stop.client_algo_id))
    exchange.execute(CancelOrder("BTCUSDT", resting.client_order_id))
    await until(lambda: "CANCELED" in statuses(sink, resting.client_order_id))
    algos = [event.algo for event in sink.events if type(event).__name__ == "AlgoUpdated"]
    await until(lambda: any(event.algo.status == "CANCELED" for event in sink.events if hasattr(event, "algo")))
    assert all(algo.close_position for algo in algos)


async def test_an_order_whose_answer_was_lost_is_found_not_sent_again(simulator, trading):
    exchange, sink = trading
    simulator.add_faults(
        {"match": {"kind": "wsapi", "method": "order.place", "nth": 1}, "action": {"status": 503, "body": {
            "code": -1007, "msg": "Timeout waiting for response from backend server. Send status unknown."}}}
    )  # fmt: skip
    request = an_order()
    exchange.execute(SubmitOrder(request))
    await until(lambda: "OrderOutcomeUnknown" in sink.names())
    exchange.execute(LookUpOrder("BTCUSDT", request.client_order_id))
    await until(lambda: "FILLED" in statuses(sink, request.client_order_id))


async def test_every_stream_comes_back_after_a_reset(simulator, trading):
    exchange, sink = trading
    simulator.add_faults({"match": {"kind": "open"}, "action": {"reset": True}})
    await until(lambda: len([1 for what, _ in sink.streams if what == "down"]) >= 4)
    await until(lambda: all(stream.up for stream in exchange.health().streams))
    request = an_order(kind=OrderType.LIMIT, price=await far_below(exchange))
    exchange.execute(SubmitOrder(request))
    await until(lambda: "NEW" in statuses(sink, request.client_order_id))
    exchange.execute(CancelOrder("BTCUSDT", request.client_order_id))
    await until(lambda: "CANCELED" in statuses(sink, request.client_order_id))


async def test_an_expired_listen_key_is_replaced(simulator, trading):
    exchange, sink = trading
    simulator.add_faults({"match": {"kind": "open", "route": "private"}, "action": {"expire_listen_key": True}})
    await until(lambda: ("down", "user") in sink.streams)
    await until(lambda: sink.streams.count(("up", "user")) == 2)
    exchange.execute(SubmitOrder(an_order()))
    await until(lambda: fills(sink))


async def test_events_that_come_twice_and_out_of_order_are_all_delivered(simulator, trading):
    exchange, sink = trading
    simulator.add_faults(
        {"match": {"kind": "ws", "stream": "user"}, "action": {"duplicate": 1, "copies_delay_ms": 20}},
        {
            "match": {"kind": "ws", "stream": "user"},
            "action": {"inject": ["not json", "[]", {"e": "SURPRISE", "E": 1}]},
        },
    )
    request = an_order()
    exchange.execute(SubmitOrder(request))
    await until(lambda: "FILLED" in statuses(sink, request.client_order_id))


async def test_a_fill_on_a_silent_user_stream_is_found_by_rest(simulator, trading):
    exchange, sink = trading
    simulator.add_faults({"match": {"kind": "ws", "route": "private"}, "action": {"drop": True}})
    request = an_order()
    exchange.execute(SubmitOrder(request))
    await until(lambda: "FILLED" in statuses(sink, request.client_order_id))
    assert fills(sink)


async def test_an_ed25519_key_logs_on_and_trades():
    pem = ECC.generate(curve="Ed25519").export_key(format="PEM")
    with RunningSimulator(Options(symbols=SYMBOLS, speed=10, seed=4, api_secret=pem)) as simulator:
        exchange, sink = an_exchange(simulator), TimedSink()
        await exchange.connect()
        await exchange.open_streams(SYMBOLS, sink)
        request = an_order()
        exchange.execute(SubmitOrder(request))
        await until(lambda: "FILLED" in statuses(sink, request.client_order_id))
        await exchange.close()
