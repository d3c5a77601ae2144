"""What people ask of the core, and what it answers."""

from decimal import Decimal

from bot.domain.commands import CancelOrder, PlaceStop, SubmitOrder
from bot.domain.events import GateClosed, OrderRefused, PersonAsked
from bot.domain.order import Side
from bot.domain.records import Alert, CommandRow, Decision, RiskEvent
from bot.trading.limits import RiskLimits
from bot.trading.strategy import ENTER_LONG, EXIT_LONG
from support.core_bench import BTC, ETH, MINUTE_MS, Bench, of

numbers = iter(range(1, 1_000_000))


def ask(bench, command, request_id=None, **arguments):
    return bench.handle(PersonAsked(bench.now, request_id or f"r{next(numbers)}", "ann", command, arguments))


def answer(bench):
    return bench.all(CommandRow)[-1]


def refusals(bench):
    return [row.reason for row in bench.all(Decision) if row.action == "refuse"]


def test_a_pause_stops_entries_until_resume_and_survives_a_restart():
    bench = Bench()
    ask(bench, "pause")
    assert (answer(bench).state, bench.engine.view().paused) == ("DONE", True)
    alert = bench.all(Alert)[-1]
    assert (alert.severity, alert.title, alert.text) == ("WARNING", "HALT paused", "paused by ann")
    again = bench.restarted()
    again.snapshot()
    assert again.engine.view().paused
    assert again.candle(ENTER_LONG) == []
    assert refusals(again) == ["paused"]
    ask(again, "resume")
    assert answer(again).result == "ended: paused"
    assert of(again.candle(ENTER_LONG), SubmitOrder)
    assert not again.restarted().engine.view().paused


def test_a_halt_takes_back_resting_entries_and_lets_exits_go_on():
    bench = Bench(entry="limit", ttl_seconds=600)
    (order,) = of(bench.candle(ENTER_LONG), SubmitOrder)
    bench.accept(order)
    bench.fill(order, "3")
    assert of(ask(bench, "halt"), CancelOrder)
    bench.handle(bench.exchange.cancel(order.request.client_order_id, bench.now))
    assert of(bench.candle(EXIT_LONG), SubmitOrder)
    assert [row.kind for row in bench.all(RiskEvent)] == ["halt"]


def test_a_request_is_obeyed_once():
    bench = Bench()
    ask(bench, "pause", "same")
    ask(bench, "resume")
    before = bench.frozen()
    assert ask(bench, "pause", "same") == []
    assert bench.frozen() == before


def test_a_rules_halt_ends_only_when_it_is_named():
    bench = Bench(risk=RiskLimits(daily_loss=Decimal(20)))
    bench.enter()
    bench.candle(close="95")
    ask(bench, "resume")
    assert answer(bench).result == "ended: nothing; still halted: daily_loss"
    ask(bench, "resume", clear="daily_loss")
    assert (answer(bench).state, answer(bench).result) == ("DONE", "ended: daily_loss")
    ask(bench, "resume", clear="daily_loss")
    assert (answer(bench).state, answer(bench).result) == ("FAILED", "daily_loss does not halt the bot")


def test_resume_of_one_symbol_leaves_the_others_halted():
    bench = Bench(symbols=(BTC, ETH))
    bench.enter()
    bench.handle(bench.exchange.by_hand(of_side(bench), Decimal(10), bench.now, "adl_autoclose"))
    ask(bench, "halt")
    ask(bench, "resume", symbol=BTC)
    assert answer(bench).result == "ended: adl; still halted: halted_by_person"


def of_side(bench):
    from bot.domain.order import Side

    return Side.SELL if bench.position() > 0 else Side.BUY


def test_flatten_closes_everything_and_answers_when_flat():
    bench = Bench()
    bench.enter()
    (leave,) = of(ask(bench, "flatten"), SubmitOrder)
    assert answer(bench).state == "ACCEPTED"
    bench.fill(leave)
    assert (answer(bench).state, answer(bench).result) == ("DONE", "flat")


def test_flatten_of_a_flat_symbol_is_done_at_once_and_takes_back_its_entry():
    bench = Bench(entry="limit")
    (order,) = of(bench.candle(ENTER_LONG), SubmitOrder)
    bench.accept(order)
    assert of(ask(bench, "flatten", symbol=BTC), CancelOrder)
    assert answer(bench).state == "DONE"


def test_flatten_that_cannot_succeed_fails():
    bench = Bench()
    bench.enter()
    (leave,) = of(ask(bench, "flatten"), SubmitOrder)
    bench.handle(OrderRefused(bench.now, BTC, leave.request.client_order_id, -9999, "?"))
    assert (answer(bench).state, answer(bench).result) == ("FAILED", "still open: BTCUSDT")


def test_what_nobody_understands_fails():
    bench = Bench()
    ask(bench, "dance")
    assert (answer(bench).state, answer(bench).result) == ("FAILED", "unknown command dance")
    ask(bench, "flatten", symbol="XRPUSDT")
    assert (answer(bench).state, answer(bench).result) == ("FAILED", "unknown symbol XRPUSDT")


def test_requests_are_remembered_within_bounds():
    bench = Bench()
    for _ in range(1_010):
        ask(bench, "dance")
    assert len(bench.state.requests) <= 1_000


def test_the_kill_switch_stops_entries_at_once_but_not_stops():
    bench = Bench()
    (order,) = of(bench.candle(ENTER_LONG), SubmitOrder)
    bench.handle(GateClosed(bench.now, "kill_switch", "", "file"))
    (stop,) = of(bench.fill(order), PlaceStop)
    bench.fill(of(bench.candle(EXIT_LONG), SubmitOrder)[0])
    bench.accept(stop)
    bench.handle(bench.exchange.algo_word(stop.request.client_algo_id, "CANCELED", bench.now))
    bench.now += 2 * MINUTE_MS
    assert of(bench.candle(ENTER_LONG), SubmitOrder) == []
    assert refusals(bench) == ["kill_switch"]


def test_flatten_closes_a_position_on_a_symbol_that_is_not_traded():
    bench = Bench()
    bench.exchange.symbol = ETH
    bench.handle(bench.exchange.by_hand(Side.BUY, Decimal(2), bench.now))
    bench.fill("web_1")
    (leave,) = of(ask(bench, "flatten", symbol=ETH), SubmitOrder)
    assert (leave.request.symbol, leave.request.quantity, leave.request.reduce_only) == (ETH, Decimal(2), True)
    bench.fill(leave)
    assert answer(bench).state == "DONE"
