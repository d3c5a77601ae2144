"""Recovery pages the account's history, and the cross-check finds what the user stream did not tell."""

import asyncio

import pytest

from bot.domain.books import HistoryMark
from bot.domain.market import DAY_MS
from bot.exchange.binance.budget import Budget
from bot.exchange.binance.crosscheck import CrossCheck
from bot.exchange.binance.history import History
from bot.exchange.binance.income import Income, income_events
from bot.exchange.binance.lookups import LookUps
from bot.exchange.binance.witness import StreamWitness
from support.clocks import TestClock
from support.wire import (
    RecordingSink,
    ScriptedNetwork,
    a_trade_row,
    an_account,
    an_algo_row,
    an_order_answer,
)

NOW = 1_760_000_000_000


class Venue:
    """Answers reads of one account out of plain lists, as the exchange pages them."""

    def __init__(self) -> None:
        self.trades = []
        self.orders = []
        self.algos = []
        self.income = []
        self.positions = []

    def __call__(self, asked):
        rows = {
            "/fapi/v1/userTrades": (self.trades, "id", "fromId", "time"),
            "/fapi/v1/allOrders": (self.orders, "orderId", "orderId", "updateTime"),
            "/fapi/v1/allAlgoOrders": (self.algos, "algoId", "algoId", "updateTime"),
            "/fapi/v1/income": (self.income, "tranId", "", "time"),
        }
        if asked.path in rows:
            return 200, self.page(asked.params, *rows[asked.path]), {}
        if asked.path == "/fapi/v1/openOrders":
            return 200, [row for row in self.orders if row["status"] in {"NEW", "PARTIALLY_FILLED"}], {}
        if asked.path == "/fapi/v1/openAlgoOrders":
            return 200, [row for row in self.algos if row["algoStatus"] == "NEW"], {}
        if asked.path == "/fapi/v3/positionRisk":
            return 200, self.positions, {}
        if asked.path == "/fapi/v1/order":
            return self.one(self.orders, "orderId", asked.params["orderId"])
        return self.one(self.algos, "clientAlgoId", asked.params["clientAlgoId"])

    @staticmethod
    def one(rows, key, wanted):
        found = [row for row in rows if str(row[key]) == wanted]
        return (200, found[0], {}) if found else (400, {"code": -2013, "msg": "Order does not exist."}, {})

    @staticmethod
    def page(params, rows, key, from_key, time_key):
        kept = [row for row in rows if "symbol" not in params or row["symbol"] == params["symbol"]]
        if key == "id" and "orderId" in params:
            return [row for row in kept if row["orderId"] == int(params["orderId"])]
        if from_key and from_key in params:
            kept = [row for row in kept if row[key] >= int(params[from_key])]
        elif "startTime" in params:
            start = int(params["startTime"])
            window = 7 * DAY_MS if from_key else 10**15
            kept = [row for row in kept if start <= row[time_key] < start + window]
        return kept[: int(params["limit"])]


def a_position(symbol="BTCUSDT", quantity="0.010") -> dict:
    return {"symbol": symbol, "positionAmt": quantity, "entryPrice": "100.10", "positionSide": "BOTH"}


def an_income(kind, time, tran_id=1, amount="-1", symbol="BTCUSDT") -> dict:
    return {"symbol": symbol, "incomeType": kind, "income": amount, "asset": "USDT", "time": time, "tranId": tran_id,
            "info": "", "tradeId": ""}  # fmt: skip


def a_mark(income_from_ms=NOW - 1_000, from_ms=0, **ids) -> HistoryMark:
    return HistoryMark(
        ("BTCUSDT",), ids.get("orders", {}), ids.get("algos", {}), ids.get("trades", {}), income_from_ms, from_ms
    )


async def history(venue, mark):
    return await History(an_account(ScriptedNetwork(venue), TestClock())).since(mark, NOW)


async def test_executions_come_before_the_orders_they_belong_to():
    venue = Venue()
    venue.trades = [a_trade_row(1, time=NOW), a_trade_row(2, time=NOW)]
    venue.orders = [an_order_answer(status="FILLED", executed="0.020", updateTime=NOW)]
    names = [type(event).__name__ for event in await history(venue, a_mark())]
    assert names == ["FillRecovered", "FillRecovered", "OrderUpdated"]


async def test_more_than_a_page_is_read_to_its_end():
    venue = Venue()
    venue.trades = [a_trade_row(number, time=NOW) for number in range(1, 2_501)]
    events = await history(venue, a_mark(trades={"BTCUSDT": 100}))
    assert [event.fill.trade_id for event in events] == list(range(100, 2_501))


async def test_an_account_without_known_ids_is_searched_week_by_week():
    venue = Venue()
    venue.trades = [a_trade_row(1, time=NOW - DAY_MS)]
    events = await history(venue, a_mark(income_from_ms=NOW - 30 * DAY_MS))
    assert len(events) == 1


async def test_what_happened_before_the_books_were_opened_is_no_part_of_them():
    venue = Venue()
    venue.trades = [a_trade_row(1, time=NOW - 5_000), a_trade_row(2, time=NOW)]
    venue.orders = [an_order_answer(order_id=1, updateTime=NOW - 5_000)]
    venue.income = [an_income("TRANSFER", NOW - 5_000)]
    events = await history(venue, a_mark(income_from_ms=0, from_ms=NOW - 1_000))
    assert [event.fill.trade_id for event in events] == [2]


async def test_an_order_born_from_a_stop_names_it():
    venue = Venue()
    venue.algos = [an_algo_row(algo_id=20, status="FINISHED", actualOrderId="7", updateTime=NOW)]
    venue.orders = [an_order_answer(order_id=7, status="FILLED", updateTime=NOW)]
    order, algo = await history(venue, a_mark())
    assert order.order.algo_id == 20
    assert algo.algo.actual_order_id == 7


async def test_symbols_known_only_from_income_are_read_too():
    venue = Venue()
    venue.income = [an_income("COMMISSION", NOW, symbol="DOGEUSDT")]
    venue.trades = [a_trade_row(1, time=NOW, symbol="DOGEUSDT")]
    events = await history(venue, a_mark())
    assert [event.fill.symbol for event in events] == ["DOGEUSDT"]


async def test_income_is_paged_across_rows_of_the_same_moment():
    venue = Venue()
    venue.income = [an_income("TRANSFER", NOW + number // 3, number, f"{number}") for number in range(1, 1_500)]

    events = await history(venue, a_mark())
    assert len(events) == 1_499


def test_funding_is_summed_per_minute_and_trading_kinds_are_skipped():
    rows = [
        Income("BTCUSDT", "FUNDING_FEE", "-1.5", "USDT", 120_017, 1),
        Income("BTCUSDT", "FUNDING_FEE", "0.5", "USDT", 120_041, 2),
        Income("BTCUSDT", "SPECIAL_FUNDING_FEE", "-1", "USDT", 120_041, 3),
        Income("BTCUSDT", "COMMISSION", "-9", "USDT", 120_041, 4),
        Income("BTCUSDT", "REALIZED_PNL", "9", "USDT", 120_041, 5),
        Income("", "TRANSFER", "7", "USDT", 120_541, 6),
    ]
    first, second, third = income_events(rows, NOW)
    assert (first.funding.kind, str(first.funding.amount), first.funding.time_ms) == ("FUNDING_FEE", "-1.0", 120_000)
    assert second.funding.kind == "SPECIAL_FUNDING_FEE"
    assert (third.transfer.kind, third.transfer.time_ms) == ("TRANSFER", 120_000)


def test_fundings_that_cancel_out_leave_no_row():
    rows = [Income("B", "FUNDING_FEE", amount, "USDT", 60_001, number) for number, amount in enumerate(("-1", "1"))]
    assert income_events(rows, NOW) == []


# The cross-check


class Watch:
    """A cross-check over a scripted account; `rounds` runs so many of them."""

    def __init__(self, venue, stream_up=True) -> None:
        self.clock = TestClock()
        self.sink = RecordingSink(NOW)
        self.stream_up = stream_up
        self.life = 1
        self.silent = []
        self.agreed = 0
        account = an_account(ScriptedNetwork(venue), self.clock)
        self.check = CrossCheck(
            account,
            LookUps(account, self.clock, self.sink),
            Budget(self.clock),
            self.clock,
            self.sink,
            ["BTCUSDT"],
            stream_is_up=lambda: self.stream_up,
            witness=StreamWitness(self.clock, self.sink, lambda: self.life if self.stream_up else 0),
            on_agreed=self._agree,
            on_silent=self.silent.append,
        )

    def _agree(self) -> None:
        self.agreed += 1

    async def rounds(self, count: int) -> None:
        for _ in range(count):
            for event in await self.check._compare():
                self.sink.on_event(event)
            self.clock.seconds += 10
            self.check._judge_the_stream()


async def test_agreement_proves_the_user_stream():
    watch = Watch(Venue())
    await watch.rounds(3)
    assert watch.agreed == 3
    assert watch.sink.events == []


async def test_a_fill_that_the_stream_did_not_bring_is_found_and_told_with_its_order():
    venue = Venue()
    venue.orders = [an_order_answer(status="NEW")]
    watch = Watch(venue, stream_up=False)
    await watch.rounds(1)
    watch.sink.events.clear()
    venue.orders = [an_order_answer(status="FILLED", executed="0.010")]
    venue.trades = [a_trade_row(1, time=NOW)]
    venue.positions = [a_position()]
    await watch.rounds(1)
    assert watch.sink.names()[0] == "FillRecovered"
    assert watch.sink.names()[-1] == "OrderUpdated"
    assert watch.sink.events[-1].order.status == "FILLED"
    told = len(watch.sink.events)
    await watch.rounds(2)
    assert len(watch.sink.events) == told


async def test_what_ended_between_two_rounds_is_told_in_an_order_that_every_process_repeats():
    venue = Venue()
    watch = Watch(venue, stream_up=False)
    venue.orders = [an_order_answer(f"a0001e-{number}", order_id=number) for number in range(1, 9)]
    venue.algos = [an_algo_row(f"a0001s-{number}", algo_id=number) for number in range(1, 9)]
    await watch.rounds(1)
    watch.sink.events.clear()
    venue.orders = [row | {"status": "CANCELED"} for row in venue.orders]
    venue.algos = [row | {"algoStatus": "CANCELED"} for row in venue.algos]
    await watch.rounds(1)
    assert [event.algo.algo_id for event in watch.sink.events[:8]] == [1, 2, 3, 4, 5, 6, 7, 8]
    assert [event.order.order_id for event in watch.sink.events[8:]] == [1, 2, 3, 4, 5, 6, 7, 8]


async def test_a_connected_stream_that_keeps_an_execution_to_itself_is_dead():
    venue = Venue()
    watch = Watch(venue)
    await watch.rounds(1)
    venue.trades, venue.positions = [a_trade_row(1, time=NOW + 1)], [a_position()]
    await watch.rounds(1)
    assert watch.silent == ["1 executions known to REST did not come"]


async def test_a_recovery_that_knew_first_does_not_hide_a_silent_stream():
    venue = Venue()
    watch = Watch(venue)
    await watch.rounds(1)
    venue.trades, venue.positions = [a_trade_row(1, time=NOW + 1)], [a_position()]
    watch.check.read_back(await history(venue, a_mark()))
    watch.clock.seconds += 10
    await watch.rounds(1)
    assert watch.sink.events == []
    assert watch.silent == ["1 executions known to REST did not come"]


async def test_a_new_connection_does_not_answer_for_the_gap_before_it():
    venue = Venue()
    watch = Watch(venue)
    await watch.rounds(1)
    watch.life, watch.sink.now = 2, NOW + 10_000
    venue.trades, venue.positions = [a_trade_row(1, time=NOW + 5_000)], [a_position()]
    await watch.rounds(2)
    assert watch.sink.names()[0] == "FillRecovered"
    assert watch.silent == []


async def test_an_execution_that_the_stream_told_first_is_not_told_again():
    venue = Venue()
    watch = Watch(venue)
    await watch.rounds(1)
    venue.trades, venue.positions = [a_trade_row(1, time=NOW + 1)], [a_position()]
    watch.check.saw(await history(venue, a_mark()))
    await watch.rounds(2)
    assert watch.sink.events == []
    assert watch.silent == []


async def test_a_triggered_stop_is_found_with_the_order_it_gave_birth_to():
    venue = Venue()
    venue.algos = [an_algo_row()]
    watch = Watch(venue, stream_up=False)
    await watch.rounds(1)
    venue.algos = [an_algo_row(status="FINISHED", actualOrderId="7")]
    venue.orders = [an_order_answer("a0001s-1", order_id=7, status="FILLED", executed="0.010")]
    venue.trades = [a_trade_row(1, order_id=7, time=NOW)]
    await watch.rounds(1)
    assert {"AlgoUpdated", "OrderUpdated", "FillRecovered"} <= set(watch.sink.names())
    order = next(event.order for event in watch.sink.events if type(event).__name__ == "OrderUpdated")
    assert order.algo_id == 20


async def test_an_order_that_came_and_went_between_two_rounds_is_reported_behind_its_fill():
    venue = Venue()
    watch = Watch(venue, stream_up=False)
    await watch.rounds(1)
    venue.orders = [an_order_answer(status="FILLED", executed="0.010")]
    venue.trades, venue.positions = [a_trade_row(1, time=NOW)], [a_position()]
    await watch.rounds(1)
    assert watch.sink.names() == ["FillRecovered", "OrderUpdated"]


@pytest.mark.parametrize(("up", "pause"), [(True, 5), (False, 2)])
async def test_it_asks_more_often_while_the_stream_is_down(up, pause):
    watch = Watch(Venue(), stream_up=up)
    running = asyncio.create_task(watch.check.run())
    began = watch.clock.seconds
    await asyncio.sleep(0)
    assert watch.clock.seconds - began == pause
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
