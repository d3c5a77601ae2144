"""Every order request ends in exactly one of: a report, a definite refusal, an unknown outcome."""

import asyncio
import json
from decimal import Decimal

import pytest
from Crypto.PublicKey import ECC

from bot.domain.order import OrderRequest, OrderType, Side, StopRequest, TimeInForce
from bot.exchange.binance.budget import Budget
from bot.exchange.binance.lookups import LookUps
from bot.exchange.binance.order_lane import OrderLane
from bot.exchange.binance.rest import Rest
from bot.exchange.binance.signing import signer_for
from bot.exchange.binance.stops import Stops
from bot.exchange.binance.tasks import Tasks
from bot.runtime.transport import InlineExecutor
from support.clocks import TestClock
from support.wire import (
    RecordingSink,
    RecordingSocket,
    ScriptedNetwork,
    a_trade_row,
    an_account,
    an_algo_row,
    an_order_answer,
    settings,
)

ID = "a0001e00000000000000000000-1"


def an_order(reduce_only=False, client_order_id=ID) -> OrderRequest:
    return OrderRequest(
        "BTCUSDT", client_order_id, Side.BUY, OrderType.LIMIT, Decimal("0.010"), Decimal("100.10"), TimeInForce.GTC,
        reduce_only,
    )  # fmt: skip


class Bench:
    """An order lane with everything around it scripted."""

    def __init__(self, answer=None, **changes) -> None:
        self.clock = TestClock(960)
        self.network = ScriptedNetwork(answer)
        self.sink = RecordingSink()
        self.tasks = Tasks()
        self.budget = Budget(self.clock)
        given = settings(**changes)
        signer = signer_for(given)
        rest = Rest(given, signer, self.clock, self.network, InlineExecutor(), self.budget)
        self.lane = OrderLane(given, signer, rest, self.budget, self.clock, self.sink, self.tasks, self.sink.on_event)
        self.socket = RecordingSocket()

    async def open(self) -> "Bench":
        await self.lane.opened(self.socket)
        return self

    def reply(self, number=-1, status=200, **content) -> None:
        request_id = self.socket.sent[number]["id"]
        self.lane.text(json.dumps({"id": request_id, "status": status, **content}).encode())

    async def settle(self) -> None:
        for _ in range(20):
            await asyncio.sleep(0)


async def test_an_order_is_written_at_once_and_its_answer_is_a_report_without_fill():
    bench = await Bench().open()
    bench.lane.submit(an_order())
    assert bench.socket.sent[0]["method"] == "order.place"
    assert bench.socket.sent[0]["params"]["newClientOrderId"] == ID
    bench.reply(result=an_order_answer(ID), rateLimits=[])
    (event,) = bench.sink.events
    assert type(event).__name__ == "OrderUpdated"
    assert event.fill is None
    assert bench.network.asked == []


async def test_a_definite_refusal_names_the_code():
    bench = await Bench().open()
    bench.lane.submit(an_order())
    bench.reply(status=400, error={"code": -2019, "msg": "Margin is insufficient."})
    (event,) = bench.sink.events
    assert (type(event).__name__, event.code) == ("OrderRefused", -2019)


@pytest.mark.parametrize(
    ("status", "error"),
    [
        (503, {"code": -1000, "msg": "Unknown error, please check your request or try again later."}),
        (503, {"code": -1007, "msg": "Timeout waiting for response from backend server."}),
        (408, {"code": 0, "msg": "timeout"}),
        (400, {"code": -4116, "msg": "ClientOrderId is duplicated."}),
    ],
)
async def test_an_answer_that_does_not_say_is_an_unknown_outcome(status, error):
    bench = await Bench().open()
    bench.lane.submit(an_order())
    bench.reply(status=status, error=error)
    assert bench.sink.names() == ["OrderOutcomeUnknown"]


async def test_orders_on_their_way_when_the_connection_dies_are_unknown_and_not_sent_again():
    bench = await Bench().open()
    bench.lane.submit(an_order())
    bench.lane.cancel("BTCUSDT", "a0001e-9")
    bench.lane.lost("reset by the peer")
    await bench.settle()
    assert bench.sink.names() == ["OrderOutcomeUnknown", "CancelFailed"]
    assert bench.network.asked == []


async def test_no_answer_in_time_is_unknown_once_and_a_late_answer_is_still_welcome():
    bench = await Bench().open()
    bench.lane.submit(an_order())
    bench.clock.seconds += 5
    bench.lane.check()
    bench.lane.check()
    bench.reply(result=an_order_answer(ID))
    assert bench.sink.names() == ["OrderOutcomeUnknown", "OrderUpdated"]


async def test_a_lane_that_answers_nothing_is_opened_anew():
    bench = await Bench().open()
    restarts = []
    bench.lane.restart = restarts.append
    bench.clock.seconds += 1
    bench.lane.submit(an_order())
    bench.clock.seconds += 5
    bench.lane.check()
    assert restarts == ["no answers"]


async def test_a_late_refusal_after_unknown_is_left_to_the_look_up():
    bench = await Bench().open()
    bench.lane.submit(an_order())
    bench.clock.seconds += 5
    bench.lane.check()
    bench.reply(status=400, error={"code": -2019, "msg": "Margin is insufficient."})
    assert bench.sink.names() == ["OrderOutcomeUnknown"]


@pytest.mark.parametrize("gone", [True, False])
async def test_the_second_lane_is_taken_when_nothing_was_sent_on_the_first(gone):
    bench = Bench(lambda asked: (200, an_order_answer(ID), {}))
    if gone:
        await bench.open()
        bench.socket.gone = True
    bench.lane.submit(an_order())
    await bench.settle()
    assert [(asked.method, asked.path) for asked in bench.network.asked] == [("POST", "/fapi/v1/order")]
    assert bench.sink.names()[-1] == "OrderUpdated"


async def test_the_second_lane_tells_unknown_from_refused_too():
    bench = Bench(lambda asked: (503, {"code": -1007, "msg": "Timeout"}, {}))
    bench.lane.submit(an_order())
    await bench.settle()
    assert bench.sink.names() == ["OrderOutcomeUnknown"]


async def test_a_cancel_that_finds_nothing_says_so():
    bench = await Bench().open()
    bench.lane.cancel("BTCUSDT", ID)
    bench.reply(status=400, error={"code": -2011, "msg": "Unknown order sent."})
    (event,) = bench.sink.events
    assert (type(event).__name__, event.code) == ("CancelFailed", -2011)


async def test_entries_are_refused_and_exits_wait_while_orders_are_counted_out():
    bench = await Bench().open()
    bench.budget.note_headers({"X-MBX-ORDER-COUNT-10S": "299"})
    bench.lane.submit(an_order())
    assert [(type(event).__name__, event.code) for event in bench.sink.events] == [("OrderRefused", 0)]
    bench.lane.submit(an_order(reduce_only=True, client_order_id="a0001x-1"))
    await bench.settle()
    assert [message["params"]["newClientOrderId"] for message in bench.socket.sent] == ["a0001x-1"]
    assert bench.clock.seconds >= 970


async def test_a_rate_limit_answer_silences_the_lane_until_the_moment_it_names():
    bench = await Bench().open()
    bench.lane.submit(an_order())
    bench.reply(status=429, error={"code": -1003, "msg": "Too many", "data": {"retryAfter": 960_000 + 45_000}})
    assert bench.sink.names() == ["OrderRefused"]
    assert bench.budget.banned_seconds() == 45


async def test_an_ed25519_key_logs_on_once_and_then_sends_unsigned():
    pem = ECC.generate(curve="Ed25519").export_key(format="PEM")
    bench = await Bench(secret=pem).open()
    assert bench.socket.sent[0]["method"] == "session.logon"
    assert not bench.lane.up
    bench.reply(result={"apiKey": "x"})
    bench.lane.submit(an_order())
    assert not {"apiKey", "signature"} & bench.socket.sent[1]["params"].keys()


async def test_a_refused_logon_falls_back_to_signing_each_request():
    pem = ECC.generate(curve="Ed25519").export_key(format="PEM")
    bench = await Bench(secret=pem).open()
    bench.reply(status=400, error={"code": -1022, "msg": "Signature for this request is not valid."})
    bench.lane.submit(an_order())
    assert {"apiKey", "signature"} <= bench.socket.sent[1]["params"].keys()


@pytest.mark.parametrize("payload", [b"", b"nonsense", b'{"id":"r77","status":200,"result":{}}', b"[]"])
async def test_a_malformed_answer_changes_nothing(payload):
    bench = await Bench().open()
    bench.lane.text(payload)
    assert bench.sink.events == []


async def test_an_unreadable_success_is_an_unknown_outcome():
    bench = await Bench().open()
    bench.lane.submit(an_order())
    bench.reply(result={"surprise": 1})
    assert bench.sink.names() == ["OrderOutcomeUnknown"]


# Stops


def stops_answering(answer) -> tuple[Stops, RecordingSink]:
    stops, sink, _, _ = stops_over(answer)
    return stops, sink


def stops_over(answer) -> tuple[Stops, RecordingSink, TestClock, Tasks]:
    clock, sink, network, tasks = TestClock(1_000), RecordingSink(), ScriptedNetwork(answer), Tasks()
    account = an_account(network, clock)
    return Stops(account._rest, account, clock, sink, tasks, 5_000), sink, clock, tasks


BUSY = (503, {"code": -1008, "msg": "Server is currently overloaded"}, {})


async def everything_else():
    for _ in range(10):
        await asyncio.sleep(0)


A_STOP = StopRequest("BTCUSDT", "a0001s-1", Side.SELL, Decimal("99.00"))


@pytest.mark.parametrize(
    ("status", "body", "told"),
    [
        (200, an_algo_row(), "AlgoUpdated"),
        (400, {"code": -2021, "msg": "Order would immediately trigger."}, "StopRefused"),
        (400, {"code": -4120, "msg": "Order type not supported for this endpoint."}, "StopRefused"),
        (503, {"msg": "Service Unavailable."}, "StopRefused"),
        (503, {"code": -1007, "msg": "Timeout"}, "StopOutcomeUnknown"),
        (200, {"surprise": 1}, "StopOutcomeUnknown"),
    ],
)
async def test_a_stop_rests_or_is_refused_or_is_unknown(status, body, told):
    stops, sink = stops_answering(lambda asked: (status, body, {}))
    await stops.place(A_STOP)
    assert sink.names() == [told]


@pytest.mark.parametrize(
    ("status", "body", "told"),
    [
        (503, {"code": -1007, "msg": "Timeout"}, "StopOutcomeUnknown"),
        (503, {"code": -1008, "msg": "Server is currently overloaded"}, "StopRefused"),
    ],
)
async def test_a_stop_that_was_not_accepted_at_once_is_told_overdue_within_ten_seconds(status, body, told):
    stops, sink, clock, tasks = stops_over(lambda asked: (status, body, {}))
    await stops.place(A_STOP)
    assert sink.names() == [told]
    await everything_else()
    assert sink.names() == [told, "StopOverdue"]
    assert 1_009 < clock.seconds < 1_010
    assert tasks.dead() == ()


async def test_a_stop_behind_an_order_that_had_to_be_looked_up_is_overdue_counted_from_that_order():
    stops, sink, clock, _ = stops_over(lambda asked: BUSY)
    stops.order_asked("BTCUSDT")
    clock.seconds += 5
    stops.order_lost("BTCUSDT")
    await stops.place(A_STOP)
    await everything_else()
    assert sink.names() == ["StopRefused", "StopOverdue"]
    assert 1_009 < clock.seconds < 1_010


async def test_a_stop_behind_a_later_order_is_not_overdue_by_the_lost_one():
    stops, sink, clock, _ = stops_over(lambda asked: BUSY)
    stops.order_asked("BTCUSDT")
    stops.order_lost("BTCUSDT")
    clock.seconds += 5
    stops.order_asked("BTCUSDT")
    await stops.place(A_STOP)
    await everything_else()
    assert sink.names() == ["StopRefused", "StopOverdue"]
    assert 1_014 < clock.seconds < 1_015


async def test_a_stop_long_after_an_order_was_lost_is_not_overdue_by_it():
    stops, sink, clock, _ = stops_over(lambda asked: BUSY)
    stops.order_asked("BTCUSDT")
    stops.order_lost("BTCUSDT")
    clock.seconds += 100
    await stops.place(A_STOP)
    await everything_else()
    assert sink.names() == ["StopRefused", "StopOverdue"]
    assert 1_109 < clock.seconds < 1_110


async def test_an_accepted_stop_is_never_overdue():
    stops, sink = stops_answering(lambda asked: (200, an_algo_row(), {}))
    await stops.place(A_STOP)
    await everything_else()
    assert sink.names() == ["AlgoUpdated"]


async def test_a_cancelled_stop_is_read_back():
    def answer(asked):
        if asked.method == "DELETE":
            return 200, {"algoId": 20, "clientAlgoId": "a0001s-1", "code": "200", "msg": "success"}, {}
        return 200, an_algo_row(status="CANCELED"), {}

    stops, sink = stops_answering(answer)
    await stops.cancel("BTCUSDT", "a0001s-1")
    assert sink.events[0].algo.status == "CANCELED"


async def test_a_stop_cancel_that_fails_says_so():
    stops, sink = stops_answering(lambda asked: (400, {"code": -2011, "msg": "Unknown order sent."}, {}))
    await stops.cancel("BTCUSDT", "a0001s-1")
    assert (sink.names(), sink.events[0].code) == (["StopCancelFailed"], -2011)


# Look-ups


def lookups_answering(answer) -> tuple[LookUps, RecordingSink, TestClock, ScriptedNetwork]:
    clock, sink, network = TestClock(1_000), RecordingSink(), ScriptedNetwork(answer)
    return LookUps(an_account(network, clock), clock, sink), sink, clock, network


ABSENT = (400, {"code": -2013, "msg": "Order does not exist."}, {})


async def test_a_found_order_tells_its_executions_first():
    def answer(asked):
        if asked.path == "/fapi/v1/userTrades":
            return 200, [a_trade_row()], {}
        return 200, an_order_answer(ID, status="FILLED", executed="0.010"), {}

    lookups, sink, _, network = lookups_answering(answer)
    await lookups.order("BTCUSDT", ID)
    assert sink.names() == ["FillRecovered", "OrderUpdated"]
    assert network.asked[0].params["origClientOrderId"] == ID


async def test_absence_is_proven_by_four_answers_over_five_seconds():
    lookups, sink, clock, network = lookups_answering(lambda asked: ABSENT)
    await lookups.order("BTCUSDT", ID)
    assert sink.names() == ["OrderProvenAbsent"]
    assert len(network.asked) >= 4
    assert clock.seconds >= 1_005


async def test_an_order_that_appears_late_is_found():
    answers = [ABSENT, ABSENT, (200, an_order_answer(ID), {})]
    lookups, sink, _, _ = lookups_answering(lambda asked: answers.pop(0))
    await lookups.order("BTCUSDT", ID)
    assert sink.names() == ["OrderUpdated"]


async def test_silence_and_failures_prove_nothing():
    answers = [(503, {"msg": "Service Unavailable."}, {})] * 8 + [(200, an_order_answer(ID), {})]
    lookups, sink, _, _ = lookups_answering(lambda asked: answers.pop(0))
    await lookups.order("BTCUSDT", ID)
    assert sink.names() == ["OrderUpdated"]


async def test_an_order_that_the_user_stream_mentioned_is_not_absent():
    answers = [ABSENT] * 8 + [(200, an_order_answer(ID), {})]

    def answer(asked):
        lookups.mention(ID)
        return answers.pop(0)

    lookups, sink, _, _ = lookups_answering(answer)
    await lookups.order("BTCUSDT", ID)
    assert sink.names() == ["OrderUpdated"]


async def test_one_order_is_looked_up_once_at_a_time():
    lookups, sink, _, _ = lookups_answering(lambda asked: ABSENT)
    await asyncio.gather(lookups.order("BTCUSDT", ID), lookups.order("BTCUSDT", ID))
    assert sink.names() == ["OrderProvenAbsent"]


async def test_a_triggered_stop_brings_the_order_it_gave_birth_to():
    def answer(asked):
        if asked.path == "/fapi/v1/algoOrder":
            return 200, an_algo_row(status="FINISHED", actualOrderId="7"), {}
        if asked.path == "/fapi/v1/userTrades":
            return 200, [a_trade_row()], {}
        return 200, an_order_answer("a0001s-1", status="FILLED", executed="0.010"), {}

    lookups, sink, _, _ = lookups_answering(answer)
    await lookups.stop("BTCUSDT", "a0001s-1")
    assert sink.names() == ["AlgoUpdated", "FillRecovered", "OrderUpdated"]
    assert sink.events[2].order.algo_id == 20


async def test_an_absent_stop_is_proven_absent():
    lookups, sink, _, _ = lookups_answering(lambda asked: ABSENT)
    await lookups.stop("BTCUSDT", "a0001s-1")
    assert sink.names() == ["StopProvenAbsent"]
