"""How a signal becomes an order, or a refusal with its reason."""

from decimal import Decimal

import pytest

from bot.domain.commands import CancelOrder, LookUpOrder, PlaceStop, Reconcile, RefreshInstruments, SubmitOrder
from bot.domain.events import (
    CancelFailed,
    GateClosed,
    GateOpened,
    InstrumentsRefreshed,
    OrderOutcomeUnknown,
    OrderProvenAbsent,
    OrderRefused,
    OrderUpdated,
    TimeAdvanced,
    VolatilityBreached,
)
from bot.domain.order import OrderState, OrderType, Side, TimeInForce
from bot.domain.records import Alert, Decision, Intent, OrderRow, RiskState, SignalRow
from bot.trading.limits import PacingLimits
from bot.trading.strategy import ENTER_LONG, ENTER_SHORT, EXIT_LONG
from support.core_bench import BTC, ETH, MINUTE_MS, PRICE, Bench, an_instrument, of

LIMIT = {"entry": "limit"}


def submitted(commands):
    (order,) = of(commands, SubmitOrder)
    return order


def refused_for(bench):
    return [row.reason for row in bench.all(Decision) if row.action == "refuse"]


def test_a_signal_becomes_a_recorded_decision_intent_and_order():
    bench = Bench(**LIMIT)
    order = submitted(bench.candle(ENTER_LONG))
    decision, intent, row = bench.one(Decision), bench.one(Intent), bench.one(OrderRow)
    assert (decision.action, decision.intent_id, decision.config_hash) == ("enter", intent.intent_id, "c0ffee")
    assert '"quantity":"10"' in decision.sizing
    assert '"daily_loss":"ok"' in decision.gates
    assert bench.one(SignalRow).signal_id == decision.decision_id
    assert (intent.quantity, intent.attempt, intent.state) == (Decimal(10), 1, "open")
    assert row.state is OrderState.SENT
    assert row.expires_ms == bench.now + 20_000
    assert order.request.client_order_id == f"aab12{intent.intent_id}-1"
    assert len(order.request.client_order_id) == 28


@pytest.mark.parametrize(
    ("entry", "kind", "time_in_force", "price"),
    [
        ("limit", OrderType.LIMIT, TimeInForce.GTC, PRICE),
        ("post_only", OrderType.LIMIT, TimeInForce.GTX, PRICE),
        ("market", OrderType.MARKET, TimeInForce.GTC, Decimal(0)),
    ],
)
def test_the_setting_decides_the_kind_of_entry_order(entry, kind, time_in_force, price):
    request = submitted(Bench(entry=entry).candle(ENTER_LONG)).request
    assert (request.type, request.time_in_force, request.price) == (kind, time_in_force, price)
    assert not request.reduce_only


def test_a_short_entry_sells():
    assert submitted(Bench().candle(ENTER_SHORT)).request.side is Side.SELL


def test_contradicting_flags_are_no_signal():
    bench = Bench()
    assert bench.candle(ENTER_LONG | ENTER_SHORT) == []
    assert bench.all(SignalRow) == []


def test_a_candle_of_a_symbol_that_is_not_traded_is_nothing():
    bench = Bench()
    bench.strategies[ETH] = bench.strategies[BTC]
    assert bench.candle(ENTER_LONG, symbol=ETH) == []


def test_no_entry_before_the_books_agree_with_the_account():
    bench = Bench(opened=False)
    assert bench.candle(ENTER_LONG) == []
    assert refused_for(bench) == ["unreconciled"]


def test_a_signal_a_minute_old_is_refused_as_stale():
    bench = Bench()
    assert bench.candle(ENTER_LONG, late_ms=59_999) != []
    late = Bench()
    assert late.candle(ENTER_LONG, late_ms=60_000) == []
    assert refused_for(late) == ["stale_signal"]
    assert late.one(Decision).retry_ms > 0


def test_no_entry_at_the_close_of_the_candle_in_which_an_exit_filled():
    bench = Bench()
    bench.enter()
    exit_order = submitted(bench.candle(EXIT_LONG))
    bench.now += 500
    bench.fill(exit_order)
    (stop,) = bench.exchange.algos
    bench.handle(bench.exchange.algo_word(stop, "CANCELED", bench.now))
    assert of(bench.candle(ENTER_LONG), SubmitOrder) == []
    assert refused_for(bench) == ["exit_in_candle"]
    assert of(bench.candle(ENTER_LONG), SubmitOrder) != []


def test_no_entry_while_the_last_stop_is_not_proven_ended():
    bench = Bench()
    bench.enter()
    bench.fill(submitted(bench.candle(EXIT_LONG)))
    bench.wait(MINUTE_MS)
    assert of(bench.candle(ENTER_LONG), SubmitOrder) == []
    assert refused_for(bench) == ["stop_pending"]


def test_one_entry_at_a_time():
    bench = Bench(**LIMIT)
    bench.accept(submitted(bench.candle(ENTER_LONG)))
    assert of(bench.candle(ENTER_LONG), SubmitOrder) == []
    assert len(bench.all(SignalRow)) == 1


def test_a_pacing_refusal_says_when_to_ask_again():
    bench = Bench(symbols=(BTC, ETH), pacing=PacingLimits(60, 0, 0))
    bench.candle(ENTER_LONG)
    taken_ms = bench.now
    bench.now += 1_000
    assert bench.close_candle(taken_ms - MINUTE_MS, ENTER_LONG, symbol=ETH) == []
    refusal = next(row for row in bench.all(Decision) if row.action == "refuse")
    assert (refusal.reason, refusal.retry_ms) == ("global_trade_spacing", taken_ms + 60_000)
    assert "spacing" in refusal.gates


def test_too_small_a_position_is_refused_by_the_filters_name():
    bench = Bench()
    bench.handle(InstrumentsRefreshed(bench.now, (an_instrument(min_notional=Decimal(5_000)),)))
    assert bench.candle(ENTER_LONG) == []
    assert refused_for(bench) == ["min_notional"]


def test_a_symbol_that_does_not_trade_is_refused():
    bench = Bench()
    bench.handle(InstrumentsRefreshed(bench.now, (an_instrument(status="SETTLING"), an_instrument(ETH))))
    assert bench.candle(ENTER_LONG) == []
    assert refused_for(bench) == ["not_trading"]


def test_a_breach_of_volatility_pauses_entries_for_a_minute_of_market_time():
    bench = Bench()
    bench.now += MINUTE_MS - 30_000
    bench.handle(VolatilityBreached(bench.now, BTC, Decimal("0.9")))
    assert bench.handle(VolatilityBreached(bench.now, BTC, Decimal("0.9"))) == []
    assert bench.handle(VolatilityBreached(bench.now, ETH, Decimal("0.9"))) == []
    assert bench.candle(ENTER_LONG) == []
    assert refused_for(bench) == ["volatility"]
    assert bench.candle(ENTER_LONG) != []


# Attempts


def test_an_entry_that_rests_is_cancelled_at_its_ttl_and_crosses_with_what_is_left():
    bench = Bench(**LIMIT)
    order = submitted(bench.candle(ENTER_LONG))
    bench.accept(order)
    bench.fill(order, "4", maker=True)
    assert of(bench.wait(19_999), CancelOrder) == []
    (cancel,) = of(bench.wait(1), CancelOrder)
    crossing = submitted(bench.handle(bench.exchange.cancel(cancel.client_order_id, bench.now)))
    assert (crossing.request.type, crossing.request.quantity) == (OrderType.MARKET, Decimal(6))
    assert crossing.request.client_order_id.endswith("-2")
    bench.fill(crossing)
    assert bench.position() == 10
    assert next(row for row in bench.all(Intent) if row.purpose.name == "ENTRY").state == "done"
    assert bench.alerts().count("entry") == 1


def test_an_entry_that_may_not_cross_ends_with_its_ttl():
    bench = Bench(**LIMIT, on_ttl="cancel")
    order = submitted(bench.candle(ENTER_LONG))
    bench.accept(order)
    bench.wait(20_000)
    assert bench.handle(bench.exchange.cancel(order.request.client_order_id, bench.now)) == []
    assert bench.one(Intent).state == "given_up"


def test_a_remainder_too_small_for_the_filters_does_not_cross():
    bench = Bench(**LIMIT)
    order = submitted(bench.candle(ENTER_LONG))
    bench.accept(order)
    bench.fill(order, "9.99")
    bench.wait(20_000)
    out = bench.handle(bench.exchange.cancel(order.request.client_order_id, bench.now))
    assert of(out, SubmitOrder) == []
    assert refused_for(bench) == ["min_notional"]
    assert bench.position() == Decimal("9.99")


def test_a_remainder_does_not_cross_while_a_gate_is_shut():
    bench = Bench(**LIMIT)
    order = submitted(bench.candle(ENTER_LONG))
    bench.accept(order)
    bench.wait(20_000)
    bench.handle(GateClosed(bench.now, "database", "", "disk full"))
    assert bench.handle(bench.exchange.cancel(order.request.client_order_id, bench.now)) == []
    assert refused_for(bench) == ["database"]


def test_a_fill_while_the_cancel_is_on_its_way_wins():
    bench = Bench(**LIMIT)
    order = submitted(bench.candle(ENTER_LONG))
    bench.accept(order)
    bench.wait(20_000)
    out = bench.fill(order)
    assert len(of(out, PlaceStop)) == 1
    assert of(out, SubmitOrder) == []
    assert bench.handle(CancelFailed(bench.now, BTC, order.request.client_order_id, -2011, "Unknown order sent.")) == []
    assert bench.position() == 10


def test_a_failed_cancel_is_looked_up_and_tried_again_only_when_the_order_is_found_resting():
    bench = Bench(**LIMIT)
    order = submitted(bench.candle(ENTER_LONG))
    accepted = OrderUpdated(bench.now, bench.exchange.place(order.request, bench.now).order)
    bench.handle(accepted)
    bench.wait(20_000)
    failed = CancelFailed(bench.now, BTC, order.request.client_order_id, 0, "timeout")
    assert len(of(bench.handle(failed), LookUpOrder)) == 1
    assert bench.one(OrderRow).state is OrderState.UNKNOWN
    assert bench.wait(5_000) == []
    assert len(of(bench.handle(OrderUpdated(bench.now, accepted.order)), CancelOrder)) == 1
    bench.handle(failed)
    assert of(bench.handle(OrderUpdated(bench.now, accepted.order)), CancelOrder) == []
    assert len(of(bench.wait(2_000), CancelOrder)) == 1


def test_an_unknown_outcome_is_looked_up_and_never_sent_again():
    bench = Bench()
    order = submitted(bench.candle(ENTER_LONG))
    unknown = OrderOutcomeUnknown(bench.now, BTC, order.request.client_order_id, "timeout")
    assert bench.handle(unknown) == [LookUpOrder(BTC, order.request.client_order_id)]
    assert bench.handle(unknown) == []
    assert bench.wait(10 * MINUTE_MS) == []
    assert of(bench.candle(ENTER_LONG), SubmitOrder) == []
    assert bench.one(OrderRow).state is OrderState.UNKNOWN
    bench.exchange.place(order.request, bench.now)
    assert len(of(bench.fill(order), PlaceStop)) == 1


def test_an_order_proven_absent_is_followed_by_the_next_attempt_with_a_new_id():
    bench = Bench()
    order = submitted(bench.candle(ENTER_LONG))
    client_order_id = order.request.client_order_id
    bench.handle(OrderOutcomeUnknown(bench.now, BTC, client_order_id, "timeout"))
    bench.now += 6_000
    again = submitted(bench.handle(OrderProvenAbsent(bench.now, BTC, client_order_id)))
    assert again.request.client_order_id == client_order_id[:-1] + "2"
    assert bench.handle(OrderProvenAbsent(bench.now, BTC, client_order_id)) == []


def test_an_entry_proven_absent_after_its_time_is_not_sent_again():
    bench = Bench()
    order = submitted(bench.candle(ENTER_LONG))
    bench.handle(OrderOutcomeUnknown(bench.now, BTC, order.request.client_order_id, "timeout"))
    bench.now += 80_000
    assert bench.handle(OrderProvenAbsent(bench.now, BTC, order.request.client_order_id)) == []
    assert bench.one(Intent).state == "given_up"


def test_an_attempt_that_appears_after_its_absence_was_proven_is_cancelled_and_what_it_filled_counts():
    bench = Bench(**LIMIT)
    order = submitted(bench.candle(ENTER_LONG))
    bench.handle(OrderOutcomeUnknown(bench.now, BTC, order.request.client_order_id, "timeout"))
    bench.now += 6_000
    second = submitted(bench.handle(OrderProvenAbsent(bench.now, BTC, order.request.client_order_id)))
    bench.accept(second)
    assert of(bench.accept(order), CancelOrder) == [CancelOrder(BTC, order.request.client_order_id)]
    bench.fill(order, "3")
    bench.handle(bench.exchange.cancel(order.request.client_order_id, bench.now))
    assert bench.position() == 3
    assert bench.all(Intent)[0].executed_quantity == 3


@pytest.mark.parametrize("code", [-5022, -4016, -4024])
def test_a_price_out_of_place_is_quoted_again_at_the_last_close_a_second_later(code):
    bench = Bench(entry="post_only")
    order = submitted(bench.candle(ENTER_LONG))
    refused = OrderRefused(bench.now, BTC, order.request.client_order_id, code, "no")
    assert bench.handle(refused) == []
    assert bench.handle(refused) == []
    assert bench.wait(999) == []
    again = submitted(bench.wait(1))
    assert again.request.price == PRICE
    assert again.request.time_in_force is TimeInForce.GTX


def test_a_storm_of_post_only_refusals_ends_after_five_attempts():
    bench = Bench(entry="post_only")
    orders = of(bench.candle(ENTER_LONG), SubmitOrder)
    for _ in range(10):
        bench.handle(OrderRefused(bench.now, BTC, orders[-1].request.client_order_id, -5022, "maker"))
        orders += of(bench.wait(2_000), SubmitOrder)
    assert len(orders) == 5
    assert len({each.request.client_order_id for each in orders}) == 5
    assert bench.one(Intent).state == "given_up"


def test_post_only_refusals_until_the_ttl_end_in_a_crossing():
    bench = Bench(entry="post_only", ttl_seconds=2)
    order = submitted(bench.candle(ENTER_LONG))
    bench.now += 1_500
    bench.handle(OrderRefused(bench.now, BTC, order.request.client_order_id, -5022, "maker"))
    assert submitted(bench.wait(1_000)).request.type is OrderType.MARKET


def test_a_busy_exchange_is_asked_again_by_the_next_attempt():
    bench = Bench()
    order = submitted(bench.candle(ENTER_LONG))
    assert bench.handle(OrderRefused(bench.now, BTC, order.request.client_order_id, -1008, "throttled")) == []
    assert submitted(bench.wait(1_000)).request.client_order_id.endswith("-2")


def test_a_filter_refusal_waits_for_the_filters_and_takes_the_new_ones():
    bench = Bench()
    order = submitted(bench.candle(ENTER_LONG, close="101"))
    out = bench.handle(OrderRefused(bench.now, BTC, order.request.client_order_id, -1111, "precision"))
    assert out == [RefreshInstruments(BTC)]
    assert bench.wait(3_000) == []
    one = Decimal(1)
    coarse = an_instrument(step_size=one, market_step_size=one, min_quantity=one, market_min_quantity=one)
    again = submitted(bench.handle(InstrumentsRefreshed(bench.now, (coarse,))))
    assert again.request.quantity == 9


def test_missing_margin_gives_the_entry_up_and_reads_the_account_again():
    bench = Bench()
    order = submitted(bench.candle(ENTER_LONG))
    out = bench.handle(OrderRefused(bench.now, BTC, order.request.client_order_id, -2019, "margin"))
    assert out == [Reconcile("refused -2019")]
    assert bench.one(Intent).state == "given_up"


def test_a_symbol_that_takes_no_orders_now_is_left_alone_for_a_minute():
    bench = Bench()
    order = submitted(bench.candle(ENTER_LONG))
    out = bench.handle(OrderRefused(bench.now, BTC, order.request.client_order_id, -4140, "status"))
    assert out == [RefreshInstruments(BTC)]
    assert bench.one(Intent).state == "given_up"
    refused_ms = bench.now
    assert of(bench.candle(ENTER_LONG), SubmitOrder) != []
    early = Bench()
    order = submitted(early.candle(ENTER_LONG, late_ms=500))
    early.handle(OrderRefused(early.now, BTC, order.request.client_order_id, -4140, "status"))
    assert of(early.candle(ENTER_LONG), SubmitOrder) == []
    refusal = next(row for row in early.all(Decision) if row.action == "refuse")
    assert (refusal.reason, refusal.retry_ms) == ("symbol_refused", refused_ms + 500 + 60_000)


def test_a_symbol_that_does_not_exist_is_halted():
    bench = Bench()
    order = submitted(bench.candle(ENTER_LONG))
    bench.handle(OrderRefused(bench.now, BTC, order.request.client_order_id, -1121, "Invalid symbol."))
    assert of(bench.candle(ENTER_LONG), SubmitOrder) == []
    assert refused_for(bench) == ["symbol_refused"]
    assert "halt" in bench.alerts()


def test_an_unlisted_refusal_drops_the_order():
    bench = Bench()
    order = submitted(bench.candle(ENTER_LONG))
    assert bench.handle(OrderRefused(bench.now, BTC, order.request.client_order_id, -9999, "?")) == []
    assert bench.one(Intent).state == "given_up"


def test_a_taken_id_means_that_our_order_is_there_so_it_is_looked_up():
    bench = Bench()
    order = submitted(bench.candle(ENTER_LONG))
    out = bench.handle(OrderRefused(bench.now, BTC, order.request.client_order_id, -4116, "duplicated"))
    assert out == [LookUpOrder(BTC, order.request.client_order_id)]


def test_answers_about_orders_nobody_knows_are_ignored():
    bench = Bench()
    for event in (
        OrderRefused(bench.now, BTC, "x", -2019, ""),
        OrderOutcomeUnknown(bench.now, BTC, "x", ""),
        OrderProvenAbsent(bench.now, BTC, "x"),
        CancelFailed(bench.now, BTC, "x", -2011, ""),
    ):
        before = bench.frozen()
        assert bench.handle(event) == []
        assert bench.frozen() == before


def test_an_entry_cancelled_by_a_person_is_given_up():
    bench = Bench(**LIMIT)
    order = submitted(bench.candle(ENTER_LONG))
    bench.accept(order)
    assert bench.handle(bench.exchange.cancel(order.request.client_order_id, bench.now + 1)) == []
    assert bench.one(Intent).state == "given_up"


def test_an_entry_the_exchange_expires_is_given_up_but_a_post_only_one_is_quoted_again():
    bench = Bench(**LIMIT)
    order = submitted(bench.candle(ENTER_LONG))
    bench.accept(order)
    bench.handle(bench.exchange.cancel(order.request.client_order_id, bench.now, "EXPIRED_IN_MATCH"))
    assert bench.one(Intent).state == "given_up"
    assert bench.one(OrderRow).state is OrderState.EXPIRED
    posted = Bench(entry="post_only")
    order = submitted(posted.candle(ENTER_LONG))
    posted.accept(order)
    out = posted.handle(posted.exchange.cancel(order.request.client_order_id, posted.now, "EXPIRED"))
    assert submitted(out).request.client_order_id.endswith("-2")


def test_stale_data_takes_back_the_resting_entries_of_that_symbol():
    bench = Bench(**LIMIT)
    order = submitted(bench.candle(ENTER_LONG))
    bench.accept(order)
    assert bench.handle(GateClosed(bench.now, "data_stale", ETH, "quiet")) == []
    assert bench.handle(GateClosed(bench.now, "data_stale", BTC, "quiet")) == [
        CancelOrder(BTC, order.request.client_order_id)
    ]
    assert bench.handle(GateClosed(bench.now, "data_stale", BTC, "quiet")) == []
    bench.handle(bench.exchange.cancel(order.request.client_order_id, bench.now))
    assert of(bench.candle(ENTER_LONG), SubmitOrder) == []
    assert refused_for(bench) == ["data_stale"]
    bench.handle(GateOpened(bench.now, "data_stale", BTC))
    assert bench.handle(GateOpened(bench.now, "data_stale", BTC)) == []
    assert of(bench.candle(ENTER_LONG), SubmitOrder) != []


def test_an_entry_in_flight_when_a_gate_closes_is_cancelled_once_it_rests():
    bench = Bench(**LIMIT)
    order = submitted(bench.candle(ENTER_LONG))
    assert bench.handle(GateClosed(bench.now, "kill_switch", "", "file")) == []
    assert len(of(bench.accept(order), CancelOrder)) == 1


def test_the_stream_may_be_faster_than_the_answer_and_the_state_never_goes_back():
    bench = Bench()
    order = submitted(bench.candle(ENTER_LONG))
    new = bench.exchange.place(order.request, bench.now)
    bench.fill(order)
    before = bench.frozen()
    assert bench.handle(new) == []
    assert bench.handle(OrderOutcomeUnknown(bench.now, BTC, order.request.client_order_id, "timeout")) == []
    assert bench.frozen() == before
    assert next(row for row in bench.all(OrderRow)).state is OrderState.FILLED


def test_handling_an_event_with_nothing_to_do_changes_nothing():
    bench = Bench()
    bench.enter()
    before = bench.frozen()
    bench.now += 3_000
    assert bench.handle(TimeAdvanced(bench.now)) == []
    assert bench.handle(GateOpened(bench.now, "kill_switch", "")) == []
    assert bench.frozen() == before


def test_the_entry_counts_for_spacing_from_its_decision():
    bench = Bench(pacing=PacingLimits(60, 0, 0))
    bench.candle(ENTER_LONG)
    assert {row.rule for row in bench.all(RiskState)} >= {"global_trade_spacing"}


def test_the_entry_alert_names_the_trip_and_its_stop():
    bench = Bench()
    bench.enter()
    alert = next(row for row in bench.all(Alert) if row.event == "entry")
    assert (alert.title, alert.thread) == ("LONG BTCUSDT 10 @ 100", "BTCUSDT-1")
    assert "stop 99" in alert.text


def test_spacing_hides_no_other_reason_from_a_remainder():
    bench = Bench(**LIMIT, pacing=PacingLimits(600, 0, 0))
    order = submitted(bench.candle(ENTER_LONG))
    bench.accept(order)
    bench.wait(20_000)
    bench.handle(bench.exchange.by_hand(Side.BUY, Decimal(30), bench.now))
    bench.fill("web_1")
    assert of(bench.handle(bench.exchange.cancel(order.request.client_order_id, bench.now)), SubmitOrder) == []
    assert refused_for(bench) == ["max_symbol_share"]


def test_spacing_does_not_hold_back_a_remainder():
    bench = Bench(**LIMIT, pacing=PacingLimits(600, 0, 0))
    order = submitted(bench.candle(ENTER_LONG))
    bench.accept(order)
    bench.wait(20_000)
    assert submitted(bench.handle(bench.exchange.cancel(order.request.client_order_id, bench.now)))


def test_the_same_candle_is_not_refused_twice_over_an_order_it_has_made():
    bench = Bench(**LIMIT)
    order = submitted(bench.candle(ENTER_LONG))
    bench.handle(OrderRefused(bench.now, BTC, order.request.client_order_id, -9999, "?"))
    assert bench.close_candle(bench.now - MINUTE_MS, ENTER_LONG) == []
    assert refused_for(bench) == []
