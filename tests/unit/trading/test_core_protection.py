"""Every position has its stop from its first fill, and leaves by one exit at a time."""

from decimal import Decimal

import pytest
from msgspec.structs import replace

from bot.domain.commands import (
    CancelOrder,
    CancelStop,
    LookUpOrder,
    LookUpStop,
    PlaceStop,
    Reconcile,
    RefreshInstruments,
    SubmitOrder,
)
from bot.domain.events import (
    AlgoUpdated,
    FillRecovered,
    InstrumentsRefreshed,
    OrderOutcomeUnknown,
    OrderProvenAbsent,
    OrderRefused,
    OrderUpdated,
    StopCancelFailed,
    StopOutcomeUnknown,
    StopOverdue,
    StopProvenAbsent,
    StopRefused,
)
from bot.domain.order import OrderState, Purpose, Side
from bot.domain.records import Alert, AlgoOrderRow, Decision, Intent, OrderRow, PositionRow, TradeRow
from bot.trading.strategy import ENTER_LONG, ENTER_SHORT, EXIT_LONG, EXIT_SHORT
from support.core_bench import BTC, ETH, MINUTE_MS, PRICE, Bench, an_instrument, kinds, of

LIMIT = {"entry": "limit"}


def the(commands, kind):
    (command,) = of(commands, kind)
    return command


def id_of(stop):
    return stop.request.client_algo_id


def stop_rows(bench):
    return {row.client_algo_id: row.state for row in bench.all(AlgoOrderRow)}


def intent_of(bench, purpose):
    return next(row for row in bench.all(Intent) if row.purpose is purpose)


# Stops


def test_the_first_partial_fill_places_the_stop_and_records_it_before():
    bench = Bench(**LIMIT)
    order = the(bench.candle(ENTER_LONG), SubmitOrder)
    bench.accept(order)
    stop = the(bench.fill(order, "0.5"), PlaceStop)
    assert (stop.request.side, stop.request.trigger_price) == (Side.SELL, Decimal(99))
    position = bench.one(PositionRow)
    assert (position.stop_client_algo_id, position.stop_price) == (id_of(stop), Decimal(99))
    assert of(bench.fill(order, "0.5"), PlaceStop) == []


def test_a_short_position_is_protected_above():
    bench = Bench()
    stop = the(bench.fill(the(bench.candle(ENTER_SHORT), SubmitOrder)), PlaceStop)
    assert (stop.request.side, stop.request.trigger_price) == (Side.BUY, Decimal(101))


def test_the_stop_moves_when_the_entry_moves_by_a_tick_the_new_one_first():
    bench = Bench(**LIMIT)
    order = the(bench.candle(ENTER_LONG), SubmitOrder)
    bench.accept(order)
    first = the(bench.fill(order, "1"), PlaceStop)
    bench.accept(first)
    assert of(bench.fill(order, "0.001", price="99.9"), PlaceStop) == []
    second = the(bench.fill(order, "4", price="99"), PlaceStop)
    assert second.request.trigger_price < first.request.trigger_price
    assert bench.accept(second) == [CancelStop(BTC, id_of(first))]
    assert bench.handle(bench.exchange.algo_word(id_of(first), "CANCELED", bench.now)) == []
    assert stop_rows(bench) == {id_of(first): OrderState.CANCELLED, id_of(second): OrderState.RESTING}


def test_a_stop_in_flight_is_moved_only_once_it_rests():
    bench = Bench(**LIMIT)
    order = the(bench.candle(ENTER_LONG), SubmitOrder)
    bench.accept(order)
    first = the(bench.fill(order, "1"), PlaceStop)
    assert of(bench.fill(order, "4", price="99"), PlaceStop) == []
    assert len(of(bench.accept(first), PlaceStop)) == 1


def test_a_move_that_rounds_to_the_same_stop_price_is_none():
    bench = Bench(**LIMIT)
    order = the(bench.candle(ENTER_LONG), SubmitOrder)
    bench.accept(order)
    bench.accept(the(bench.fill(order, "1", price="100.001"), PlaceStop))
    assert of(bench.fill(order, "1", price="100.201"), PlaceStop) == []
    assert bench.one(PositionRow).entry_price == Decimal("100.101")


def test_the_stop_is_cancelled_by_us_when_the_position_is_flat():
    bench = Bench()
    stop = bench.enter()
    exit_order = the(bench.candle(EXIT_LONG), SubmitOrder)
    assert bench.fill(exit_order) == [CancelStop(BTC, id_of(stop))]
    bench.handle(bench.exchange.algo_word(id_of(stop), "CANCELED", bench.now))
    assert bench.state.by_symbol[BTC].intents == {}
    assert not bench.state.by_symbol[BTC].busy


def test_a_stop_in_flight_when_the_position_goes_flat_is_cancelled_once_it_rests():
    bench = Bench()
    stop = the(bench.fill(the(bench.candle(ENTER_LONG), SubmitOrder)), PlaceStop)
    assert bench.fill(the(bench.candle(EXIT_LONG), SubmitOrder)) == []
    assert bench.accept(stop) == [CancelStop(BTC, id_of(stop))]


def test_a_stop_that_fires_closes_the_trip_with_reason_stop():
    bench = Bench()
    stop = bench.enter()
    assert bench.handle_all(bench.exchange.trigger(id_of(stop), bench.now)) == []
    assert of(bench.candle(EXIT_LONG), SubmitOrder) == [], "the stop's order is an exit in flight"
    bench.fill(id_of(stop), "4", price="98.9")
    assert bench.fill(id_of(stop), price="98.8") == []
    assert bench.handle(bench.exchange.algo_word(id_of(stop), "FINISHED", bench.now)) == []
    trade = bench.one(TradeRow)
    assert (trade.exit_reason, trade.side, trade.quantity) == ("stop", "LONG", Decimal(10))
    assert trade.exit_price == Decimal("98.84")
    assert bench.wait(MINUTE_MS) == []
    assert not bench.incidents()


def test_what_the_order_of_a_fired_stop_leaves_is_protected_again_at_once():
    bench = Bench()
    stop = bench.enter()
    bench.handle_all(bench.exchange.trigger(id_of(stop), bench.now))
    bench.handle(bench.exchange.algo_word(id_of(stop), "FINISHED", bench.now))
    bench.fill(id_of(stop), "4", price="98.9")
    again = bench.handle(bench.exchange.cancel(id_of(stop), bench.now, "EXPIRED"))
    assert kinds(again) == [PlaceStop]


def test_an_exit_that_ends_because_the_stop_fired_leaves_the_position_to_it():
    bench = Bench(attempts=1)
    stop = bench.enter()
    leaving = the(bench.candle(EXIT_LONG), SubmitOrder)
    bench.accept(leaving)
    bench.handle_all(bench.exchange.trigger(id_of(stop), bench.now))
    assert bench.handle(bench.exchange.cancel(leaving.request.client_order_id, bench.now, "EXPIRED")) == []
    bench.fill(id_of(stop), price="98.9")
    bench.handle(bench.exchange.algo_word(id_of(stop), "FINISHED", bench.now))
    assert bench.one(TradeRow).exit_reason == "stop"
    assert not bench.engine.view().halts
    assert not bench.state.by_symbol[BTC].intents


def test_a_finished_stop_whose_fills_do_not_come_is_replaced_after_ten_seconds():
    bench = Bench()
    stop = bench.enter()
    assert bench.handle(bench.exchange.algo_word(id_of(stop), "FINISHED", bench.now)) == []
    assert bench.wait(9_999) == []
    assert kinds(bench.wait(1)) == [PlaceStop]


@pytest.mark.parametrize("code", [-2021, -4142])
def test_a_stop_the_price_has_passed_becomes_an_exit_at_the_market(code):
    bench = Bench()
    stop = the(bench.fill(the(bench.candle(ENTER_LONG), SubmitOrder)), PlaceStop)
    out = bench.handle(StopRefused(bench.now, BTC, id_of(stop), code, "would trigger"))
    leave = the(out, SubmitOrder)
    assert leave.request.reduce_only
    assert leave.request.quantity == 10
    assert of(out, PlaceStop) == []
    bench.fill(leave)
    assert bench.one(TradeRow).exit_reason == "stop"
    assert "stop_refused" in bench.alerts()


def test_an_exit_in_place_of_a_refused_stop_that_gets_lost_makes_the_stop_be_placed_once_more():
    bench = Bench()
    stop = the(bench.fill(the(bench.candle(ENTER_LONG), SubmitOrder)), PlaceStop)
    leave = the(bench.handle(StopRefused(bench.now, BTC, id_of(stop), -2021, "would trigger")), SubmitOrder)
    exit_id = leave.request.client_order_id
    assert bench.wait(4_000) == []
    out = bench.handle(OrderOutcomeUnknown(bench.now, BTC, exit_id, "timeout"))
    assert kinds(out) == [LookUpOrder, PlaceStop]
    refused = StopRefused(bench.now, BTC, id_of(the(out, PlaceStop)), -2021, "would trigger")
    assert bench.handle(refused) == []
    assert bench.wait(59_999) == []
    bench.accept(the(bench.wait(1), PlaceStop))
    again = the(bench.handle(OrderProvenAbsent(bench.now, BTC, exit_id)), SubmitOrder)
    assert kinds(bench.fill(again)) == [CancelStop]


def test_a_stop_refused_five_times_becomes_an_exit_at_the_market():
    bench = Bench()
    out = bench.fill(the(bench.candle(ENTER_LONG), SubmitOrder))
    placed = []
    while of(out, PlaceStop):
        placed.append(id_of(the(out, PlaceStop)))
        out = bench.handle(StopRefused(bench.now, BTC, placed[-1], -4045, "max stop orders"))
    assert [each[-1] for each in placed] == ["1", "2", "3", "4", "5"]
    assert len({each[:-1] for each in placed}) == 1
    assert the(out, SubmitOrder).request.reduce_only


def test_a_busy_exchange_gets_the_stop_again_a_second_later():
    bench = Bench()
    stop = the(bench.fill(the(bench.candle(ENTER_LONG), SubmitOrder)), PlaceStop)
    assert bench.handle(StopRefused(bench.now, BTC, id_of(stop), 0, "not sent")) == []
    assert kinds(bench.wait(1_000)) == [PlaceStop]


def test_a_stop_refused_by_a_filter_waits_for_the_filters():
    bench = Bench()
    stop = the(bench.fill(the(bench.candle(ENTER_LONG), SubmitOrder)), PlaceStop)
    out = bench.handle(StopRefused(bench.now, BTC, id_of(stop), -4014, "tick"))
    assert out == [RefreshInstruments(BTC)]
    again = the(bench.handle(InstrumentsRefreshed(bench.now, (an_instrument(tick_size=Decimal(2)),))), PlaceStop)
    assert again.request.trigger_price % 2 == Decimal("0.1")


def test_an_unknown_stop_is_looked_up_and_only_its_absence_lets_the_next_one_go():
    bench = Bench()
    stop = the(bench.fill(the(bench.candle(ENTER_LONG), SubmitOrder)), PlaceStop)
    unknown = StopOutcomeUnknown(bench.now, BTC, id_of(stop), "timeout")
    assert bench.handle(unknown) == [LookUpStop(BTC, id_of(stop))]
    assert bench.handle(unknown) == []
    assert bench.wait(30_000) == []
    again = the(bench.handle(StopProvenAbsent(bench.now, BTC, id_of(stop))), PlaceStop)
    assert id_of(again) == id_of(stop)[:-1] + "2"
    assert bench.handle(StopProvenAbsent(bench.now, BTC, id_of(stop))) == []


def test_a_stop_that_is_overdue_becomes_an_exit_once():
    bench = Bench()
    stop = the(bench.fill(the(bench.candle(ENTER_LONG), SubmitOrder)), PlaceStop)
    bench.handle(StopOutcomeUnknown(bench.now, BTC, id_of(stop), "timeout"))
    overdue = StopOverdue(bench.now, BTC, id_of(stop))
    assert the(bench.handle(overdue), SubmitOrder).request.reduce_only
    assert bench.alerts().count("stop_refused") == 1
    assert bench.handle(overdue) == []
    assert bench.alerts().count("stop_refused") == 1


def test_an_overdue_first_attempt_becomes_an_exit_while_the_second_is_on_its_way():
    bench = Bench()
    stop = the(bench.fill(the(bench.candle(ENTER_LONG), SubmitOrder)), PlaceStop)
    bench.handle(StopOutcomeUnknown(bench.now, BTC, id_of(stop), "timeout"))
    the(bench.handle(StopProvenAbsent(bench.now, BTC, id_of(stop))), PlaceStop)
    out = bench.handle(StopOverdue(bench.now, BTC, id_of(stop)))
    assert the(out, SubmitOrder).request.reduce_only


def test_nothing_is_overdue_once_a_stop_rests():
    bench = Bench()
    stop = the(bench.fill(the(bench.candle(ENTER_LONG), SubmitOrder)), PlaceStop)
    bench.handle(StopOutcomeUnknown(bench.now, BTC, id_of(stop), "timeout"))
    bench.accept(stop)
    assert bench.handle(StopOverdue(bench.now, BTC, id_of(stop))) == []


def test_nothing_is_overdue_while_an_older_stop_protects():
    bench = Bench(**LIMIT)
    order = the(bench.candle(ENTER_LONG), SubmitOrder)
    bench.accept(order)
    first = the(bench.fill(order, "1"), PlaceStop)
    bench.accept(first)
    moved = the(bench.fill(order, "4", price="99"), PlaceStop)
    bench.handle(StopOutcomeUnknown(bench.now, BTC, id_of(moved), "timeout"))
    assert bench.handle(StopOverdue(bench.now, BTC, id_of(moved))) == []


def test_the_stop_of_an_earlier_position_is_not_overdue_for_the_present_one():
    bench = Bench()
    first = the(bench.fill(the(bench.candle(ENTER_LONG), SubmitOrder)), PlaceStop)
    bench.handle(StopOutcomeUnknown(bench.now, BTC, id_of(first), "timeout"))
    bench.handle(bench.exchange.by_hand(Side.SELL, Decimal(15), bench.now))
    second = the(bench.fill("web_1"), PlaceStop)
    assert bench.handle(StopOverdue(bench.now, BTC, id_of(first))) == []
    assert the(bench.handle(StopOverdue(bench.now, BTC, id_of(second))), SubmitOrder).request.reduce_only


def test_no_stop_is_overdue_while_an_exit_is_under_way():
    bench = Bench()
    stop = the(bench.fill(the(bench.candle(ENTER_LONG), SubmitOrder)), PlaceStop)
    bench.handle(StopOutcomeUnknown(bench.now, BTC, id_of(stop), "timeout"))
    assert the(bench.candle(EXIT_LONG), SubmitOrder).request.reduce_only
    assert bench.handle(StopOverdue(bench.now, BTC, id_of(stop))) == []
    assert "stop_refused" not in bench.alerts()


def test_no_stop_is_overdue_without_a_position():
    bench = Bench()
    stop = the(bench.fill(the(bench.candle(ENTER_LONG), SubmitOrder)), PlaceStop)
    bench.handle(StopOutcomeUnknown(bench.now, BTC, id_of(stop), "timeout"))
    bench.handle(bench.exchange.by_hand(Side.SELL, Decimal(10), bench.now))
    bench.fill("web_1")
    assert bench.handle(StopOverdue(bench.now, BTC, id_of(stop))) == []
    assert "stop_refused" not in bench.alerts()


def test_a_taken_stop_id_means_that_it_rests_so_it_is_looked_up():
    bench = Bench()
    stop = the(bench.fill(the(bench.candle(ENTER_LONG), SubmitOrder)), PlaceStop)
    out = bench.handle(StopRefused(bench.now, BTC, id_of(stop), -4116, "duplicated"))
    assert out == [LookUpStop(BTC, id_of(stop))]


def test_a_stop_taken_away_by_a_person_is_placed_again_and_told():
    bench = Bench()
    stop = bench.enter()
    again = the(bench.handle(bench.exchange.algo_word(id_of(stop), "CANCELED", bench.now + 1)), PlaceStop)
    assert id_of(again)[:-2] != id_of(stop)[:-2]
    assert "stop_lost" in bench.alerts()


def test_a_stop_taken_away_too_often_becomes_an_exit():
    bench = Bench()
    stop = bench.enter()
    out = []
    for _ in range(6):
        bench.now += 1
        out = bench.handle(bench.exchange.algo_word(id_of(stop), "CANCELED", bench.now))
        if of(out, PlaceStop):
            stop = the(out, PlaceStop)
            bench.accept(stop)
    assert the(out, SubmitOrder).request.reduce_only


def test_a_stop_that_cannot_be_moved_leaves_the_old_one_in_charge():
    bench = Bench(**LIMIT)
    order = the(bench.candle(ENTER_LONG), SubmitOrder)
    bench.accept(order)
    first = the(bench.fill(order, "1"), PlaceStop)
    bench.accept(first)
    out = bench.fill(order, "4", price="99")
    for _ in range(5):
        out = bench.handle(StopRefused(bench.now, BTC, id_of(the(out, PlaceStop)), -4045, "max"))
    assert out == []
    assert bench.one(PositionRow).stop_client_algo_id == id_of(first)
    assert "stop_not_moved" in bench.alerts()


def test_a_failed_cancel_of_a_stop_is_looked_up_and_tried_again():
    bench = Bench()
    stop = bench.enter()
    bench.fill(the(bench.candle(EXIT_LONG), SubmitOrder))
    failed = StopCancelFailed(bench.now, BTC, id_of(stop), 0, "timeout")
    assert bench.handle(failed) == [LookUpStop(BTC, id_of(stop))]
    assert bench.handle(failed) == []
    found = AlgoUpdated(bench.now, bench.exchange.algos[id_of(stop)])
    assert bench.handle(found) == []
    assert bench.wait(1_000) == [CancelStop(BTC, id_of(stop))]
    bench.handle(StopCancelFailed(bench.now, BTC, id_of(stop), -2011, "unknown"))
    bench.handle(StopProvenAbsent(bench.now, BTC, id_of(stop)))
    assert stop_rows(bench) == {id_of(stop): OrderState.CANCELLED}


def test_a_late_word_about_a_stop_being_cancelled_does_not_bring_it_back():
    bench = Bench()
    stop = bench.enter()
    bench.fill(the(bench.candle(EXIT_LONG), SubmitOrder))
    late = AlgoUpdated(bench.now, bench.exchange.algos[id_of(stop)])
    assert bench.handle(late) == []
    assert stop_rows(bench) == {id_of(stop): OrderState.CANCELLING}
    bench.handle(bench.exchange.algo_word(id_of(stop), "CANCELED", bench.now))
    before = bench.frozen()
    assert bench.handle(late) == []
    assert bench.frozen() == before


def test_a_flip_by_hand_replaces_the_stop_by_one_on_the_other_side():
    bench = Bench()
    stop = bench.enter()
    bench.handle(bench.exchange.by_hand(Side.SELL, Decimal(15), bench.now))
    out = bench.fill("web_1")
    other = the(out, PlaceStop)
    assert (other.request.side, bench.position()) == (Side.BUY, Decimal(-5))
    assert bench.accept(other) == [CancelStop(BTC, id_of(stop))]
    assert bench.one(TradeRow).exit_reason == "manual"


def test_unknown_stops_are_ignored_when_answers_about_them_come():
    bench = Bench()
    for event in (
        StopRefused(bench.now, BTC, "x", -2021, ""),
        StopOutcomeUnknown(bench.now, BTC, "x", ""),
        StopProvenAbsent(bench.now, BTC, "x"),
        StopOverdue(bench.now, BTC, "x"),
        StopCancelFailed(bench.now, BTC, "x", -2011, ""),
    ):
        before = bench.frozen()
        assert bench.handle(event) == []
        assert bench.frozen() == before


# Exits


def test_an_exit_is_a_reduce_only_market_order_for_the_whole_position():
    bench = Bench()
    bench.enter()
    order = the(bench.candle(EXIT_LONG, close="103"), SubmitOrder).request
    assert (order.side, order.quantity, order.reduce_only) == (Side.SELL, Decimal(10), True)
    decision = next(row for row in bench.all(Decision) if row.action == "exit")
    assert (decision.reason, decision.price) == ("signal", Decimal(103))


def test_a_short_leaves_by_its_own_flag():
    bench = Bench()
    bench.enter(ENTER_SHORT)
    assert of(bench.candle(EXIT_LONG), SubmitOrder) == []
    assert the(bench.candle(EXIT_SHORT), SubmitOrder).request.side is Side.BUY


def test_no_second_exit_while_one_is_in_flight_or_unknown():
    bench = Bench()
    bench.enter()
    order = the(bench.candle(EXIT_LONG), SubmitOrder)
    assert of(bench.candle(EXIT_LONG), SubmitOrder) == []
    bench.handle(OrderOutcomeUnknown(bench.now, BTC, order.request.client_order_id, "timeout"))
    assert of(bench.candle(EXIT_LONG), SubmitOrder) == []


def test_an_exit_cancels_what_rests_of_the_entry():
    bench = Bench(**LIMIT, ttl_seconds=600)
    entry = the(bench.candle(ENTER_LONG), SubmitOrder)
    bench.accept(entry)
    bench.accept(the(bench.fill(entry, "2"), PlaceStop))
    out = bench.candle(EXIT_LONG)
    assert the(out, CancelOrder).client_order_id == entry.request.client_order_id
    assert the(out, SubmitOrder).request.quantity == 2
    assert intent_of(bench, Purpose.ENTRY).state == "given_up"
    bench.handle(bench.exchange.cancel(entry.request.client_order_id, bench.now))
    assert bench.alerts().count("entry") == 1


def test_an_exit_that_fills_in_part_goes_on_with_the_rest():
    bench = Bench()
    bench.enter()
    order = the(bench.candle(EXIT_LONG), SubmitOrder)
    bench.fill(order, "4")
    again = the(bench.handle(bench.exchange.cancel(order.request.client_order_id, bench.now, "EXPIRED")), SubmitOrder)
    assert again.request.quantity == 6
    bench.fill(again)
    assert bench.position() == 0
    assert intent_of(bench, Purpose.EXIT).state == "done"


def test_an_exit_larger_than_one_market_order_goes_out_in_pieces():
    bench = Bench()
    bench.enter()
    bench.handle(InstrumentsRefreshed(bench.now, (an_instrument(market_max_quantity=Decimal(6)),)))
    first = the(bench.candle(EXIT_LONG), SubmitOrder)
    second = the(bench.fill(first), SubmitOrder)
    assert (first.request.quantity, second.request.quantity) == (Decimal(6), Decimal(4))


def test_an_exit_that_fails_five_times_halts_the_symbol_and_a_later_candle_may_try_anew():
    bench = Bench()
    bench.enter()
    orders = of(bench.candle(EXIT_LONG), SubmitOrder)
    for _ in range(8):
        bench.handle(OrderRefused(bench.now, BTC, orders[-1].request.client_order_id, -1008, "busy"))
        orders += of(bench.wait(1_000), SubmitOrder)
    assert len(orders) == 5
    assert {"exit_failed", "halt"} <= set(bench.alerts())
    assert any(row.severity == "CRITICAL" for row in bench.all(Alert))
    assert bench.engine.view().halts[0].reason == "exit_failed"
    assert len(of(bench.candle(EXIT_LONG), SubmitOrder)) == 1


def test_a_refused_exit_that_cannot_succeed_is_given_up_loudly():
    bench = Bench()
    bench.enter()
    order = the(bench.candle(EXIT_LONG), SubmitOrder)
    bench.handle(OrderRefused(bench.now, BTC, order.request.client_order_id, -9999, "?"))
    assert "exit_failed" in bench.alerts()


def test_a_reduce_only_refusal_reads_the_account_again_instead_of_trying_on():
    bench = Bench()
    bench.enter()
    order = the(bench.candle(EXIT_LONG), SubmitOrder)
    out = bench.handle(OrderRefused(bench.now, BTC, order.request.client_order_id, -2022, "reduce only"))
    assert out == [Reconcile("refused -2022")]
    assert intent_of(bench, Purpose.EXIT).state == "given_up"


def test_an_exit_proven_absent_is_sent_again_under_a_new_id():
    bench = Bench()
    bench.enter()
    order = the(bench.candle(EXIT_LONG), SubmitOrder)
    client_order_id = order.request.client_order_id
    assert bench.handle(OrderOutcomeUnknown(bench.now, BTC, client_order_id, "")) == [LookUpOrder(BTC, client_order_id)]
    again = the(bench.handle(OrderProvenAbsent(bench.now, BTC, client_order_id)), SubmitOrder)
    assert again.request.client_order_id.endswith("-2")


def test_dust_is_recorded_and_left_to_the_stop():
    bench = Bench()
    bench.enter()
    bench.handle(InstrumentsRefreshed(bench.now, (an_instrument(market_min_quantity=Decimal(20)),)))
    assert of(bench.candle(EXIT_LONG), SubmitOrder) == []
    assert of(bench.candle(EXIT_LONG), SubmitOrder) == []
    assert bench.incidents() == {"dust"}
    bench.handle(bench.exchange.by_hand(Side.SELL, Decimal(10), bench.now))
    bench.fill("web_1")
    assert bench.incidents() == set()


def test_an_exit_order_answered_before_its_fills_keeps_the_exit_in_flight_until_they_come():
    bench = Bench()
    bench.enter()
    order = the(bench.candle(EXIT_LONG), SubmitOrder)
    bench.exchange.place(order.request, bench.now)
    done = bench.exchange.execute(order.request.client_order_id, bench.now)
    bench.handle(OrderUpdated(bench.now, done.order))
    assert of(bench.candle(EXIT_LONG), SubmitOrder) == []
    bench.handle(FillRecovered(bench.now, done.fill))
    assert bench.position() == 0
    assert intent_of(bench, Purpose.EXIT).state == "done"


def test_fills_that_do_not_come_make_history_be_read():
    bench = Bench()
    order = the(bench.candle(ENTER_LONG), SubmitOrder)
    bench.exchange.place(order.request, bench.now)
    done = bench.exchange.execute(order.request.client_order_id, bench.now)
    assert bench.handle(OrderUpdated(bench.now, done.order)) == []
    assert bench.wait(10_000) == [Reconcile("fills_missing")]
    assert bench.wait(60_000) == []
    assert kinds(bench.handle(FillRecovered(bench.now, done.fill))) == [PlaceStop]


def test_an_answer_to_a_look_up_without_its_fills_makes_history_be_read_at_once():
    bench = Bench()
    order = the(bench.candle(ENTER_LONG), SubmitOrder)
    bench.handle(OrderOutcomeUnknown(bench.now, BTC, order.request.client_order_id, "timeout"))
    bench.exchange.place(order.request, bench.now)
    done = bench.exchange.execute(order.request.client_order_id, bench.now)
    assert bench.handle(OrderUpdated(bench.now, done.order)) == [Reconcile("fills_missing")]


def test_a_losing_trip_is_told_with_its_result():
    bench = Bench()
    bench.enter()
    bench.now += 90_000
    bench.fill(the(bench.candle(EXIT_LONG), SubmitOrder), price="99")
    trade = bench.one(TradeRow)
    assert (trade.pnl, trade.fees) == (Decimal("-10.995"), Decimal("0.995"))
    alert = next(row for row in bench.all(Alert) if row.event == "exit")
    assert "result -10.995 USDT" in alert.text
    assert alert.thread == "BTCUSDT-1"


# Others trade on the account


def test_a_position_made_by_hand_is_protected_and_told_once():
    bench = Bench()
    bench.handle(bench.exchange.by_hand(Side.BUY, Decimal(2), bench.now))
    assert len(of(bench.fill("web_1", "1"), PlaceStop)) == 1
    bench.fill("web_1")
    assert bench.alerts().count("external_order") == 1
    row = next(row for row in bench.all(OrderRow))
    assert (row.intent_id, row.state) == ("", OrderState.FILLED)


def test_a_position_closed_by_hand_ends_the_trip_and_its_stop():
    bench = Bench()
    stop = bench.enter()
    bench.handle(bench.exchange.by_hand(Side.SELL, Decimal(10), bench.now))
    assert bench.fill("web_1") == [CancelStop(BTC, id_of(stop))]
    assert bench.one(TradeRow).exit_reason == "manual"


@pytest.mark.parametrize(
    ("client_order_id", "reason"),
    [("autoclose-1", "liquidation"), ("adl_autoclose", "adl"), ("settlement_autoclose-2", "settlement")],
)
def test_a_close_by_force_is_booked_told_and_halts_the_symbol(client_order_id, reason):
    bench = Bench()
    bench.enter()
    bench.handle(bench.exchange.by_hand(Side.SELL, Decimal(10), bench.now, client_order_id))
    bench.fill(client_order_id, price="90")
    assert bench.one(TradeRow).exit_reason == reason
    assert bench.engine.view().halts[0].reason == reason
    assert of(bench.candle(ENTER_LONG), SubmitOrder) == []


def test_a_live_order_of_another_instance_halts_everything():
    bench = Bench(symbols=(BTC, ETH))
    foreign = "azz99e" + "0" * 20 + "-1"
    bench.handle(bench.exchange.by_hand(Side.BUY, Decimal(1), bench.now, foreign, PRICE))
    halt = bench.engine.view().halts[0]
    assert (halt.reason, halt.symbol) == ("second_instance", "")


def test_a_live_stop_of_another_instance_halts_everything():
    bench = Bench()
    bench.enter()
    (mine,) = bench.exchange.algos.values()
    other = replace(mine, client_algo_id="azz99s" + "0" * 20 + "-1", algo_id=77)
    assert bench.handle(AlgoUpdated(bench.now, other)) == []
    assert bench.engine.view().halts[0].reason == "second_instance"


def test_a_conditional_order_by_hand_is_kept_told_and_left_alone():
    bench = Bench()
    bench.enter()
    (mine,) = bench.exchange.algos.values()
    other = replace(mine, client_algo_id="web_tp", algo_id=77, type="TAKE_PROFIT_MARKET")
    assert bench.handle(AlgoUpdated(bench.now, other)) == []
    assert bench.handle(AlgoUpdated(bench.now, other)) == []
    assert bench.alerts().count("external_order") == 1
    assert bench.state.conditional_orders == 2
    bench.fill(the(bench.candle(EXIT_LONG), SubmitOrder))
    assert stop_rows(bench)["web_tp"] is OrderState.RESTING


def test_an_order_on_a_symbol_that_is_not_traded_is_booked_and_left_alone():
    bench = Bench()
    bench.exchange.symbol = ETH
    bench.handle(bench.exchange.by_hand(Side.BUY, Decimal(2), bench.now))
    assert bench.fill("web_1") == []
    assert bench.position(ETH) == 2
    assert bench.engine.view().positions[0].symbol == ETH
    assert bench.state.symbols == (BTC, ETH)


def test_an_echo_of_an_order_that_was_forgotten_changes_nothing():
    bench = Bench()
    bench.enter()
    (done,) = bench.exchange.orders.values()
    echo = OrderUpdated(bench.now, done.report)
    stop_echo = bench.exchange.algo_word(next(iter(bench.exchange.algos)), "CANCELED", bench.now)
    other = Bench()
    assert other.handle(echo) == []
    assert other.handle(stop_echo) == []
    assert other.all(OrderRow) == other.all(AlgoOrderRow) == []


def test_a_fired_stop_that_is_never_reported_finished_hinders_nothing_once_its_order_has_ended():
    bench = Bench()
    stop = bench.enter()
    bench.handle_all(bench.exchange.trigger(id_of(stop), bench.now))
    bench.fill(id_of(stop), "4", price="98.9")
    again = the(bench.handle(bench.exchange.cancel(id_of(stop), bench.now, "EXPIRED")), PlaceStop)
    bench.accept(again)
    assert of(bench.candle(EXIT_LONG), SubmitOrder)


def test_an_exit_given_up_is_not_begun_again_by_the_same_candle():
    bench = Bench()
    bench.enter()
    order = the(bench.candle(EXIT_LONG), SubmitOrder)
    bench.handle(OrderRefused(bench.now, BTC, order.request.client_order_id, -2022, "reduce only"))
    assert of(bench.close_candle(bench.now - MINUTE_MS, EXIT_LONG), SubmitOrder) == []


def test_filters_are_asked_for_once_whatever_was_refused_for_them():
    bench = Bench(**LIMIT)
    order = the(bench.candle(ENTER_LONG), SubmitOrder)
    bench.accept(order)
    stop = the(bench.fill(order, "1"), PlaceStop)
    leave = the(bench.candle(EXIT_LONG), SubmitOrder)
    first = bench.handle(OrderRefused(bench.now, BTC, leave.request.client_order_id, -1111, "precision"))
    second = bench.handle(StopRefused(bench.now, BTC, id_of(stop), -4014, "tick"))
    assert (of(first, RefreshInstruments), of(second, RefreshInstruments)) == ([RefreshInstruments(BTC)], [])
    out = bench.handle(InstrumentsRefreshed(bench.now, (an_instrument(),)))
    assert {type(each) for each in out} >= {PlaceStop, SubmitOrder}


def test_a_stop_of_ours_found_without_its_intent_still_counts_as_lost_when_it_goes():
    bench = Bench()
    stop = bench.enter()
    del bench.state.by_symbol[BTC].intents[stop.request.client_algo_id[5:-2]]
    assert kinds(bench.handle(bench.exchange.algo_word(id_of(stop), "EXPIRED", bench.now + 1))) == [PlaceStop]


def test_whoever_else_wants_out_waits_for_the_exit_in_flight():
    bench = Bench()
    stop = the(bench.fill(the(bench.candle(ENTER_LONG), SubmitOrder)), PlaceStop)
    bench.candle(EXIT_LONG)
    out = bench.handle(StopRefused(bench.now, BTC, id_of(stop), -2021, "would trigger"))
    assert of(out, SubmitOrder) == []
