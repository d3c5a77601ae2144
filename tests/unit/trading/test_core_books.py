"""The books: money booked once, held against the account, taken up again by the next process."""

from decimal import Decimal

import pytest
from msgspec.structs import replace

from bot.domain.account import AccountSnapshot
from bot.domain.commands import CancelOrder, CancelStop, LookUpOrder, LookUpStop, PlaceStop, Reconcile, SubmitOrder
from bot.domain.errors import StopTrading
from bot.domain.events import (
    AlgoUpdated,
    CandleClosed,
    CandleWarmedUp,
    FillRecovered,
    FundingPaid,
    InstrumentsRefreshed,
    OrderOutcomeUnknown,
    OrderProvenAbsent,
    OrderUpdated,
    SnapshotTaken,
    TimeAdvanced,
    TransferSeen,
)
from bot.domain.fill import Fill, Funding, OpeningBalance, Transfer
from bot.domain.instrument import Instrument
from bot.domain.market import DAY_MS, Candle
from bot.domain.order import AlgoReport, OrderRequest, OrderState, OrderType, Side, StopRequest, TimeInForce
from bot.domain.records import (
    Alert,
    AlgoOrderRow,
    Decision,
    Incident,
    Intent,
    OrderRow,
    PositionRow,
    RiskEvent,
    RiskState,
    TradeRow,
)
from bot.trading import fills
from bot.trading.limits import PacingLimits, RiskLimits
from bot.trading.state import SymbolState
from bot.trading.strategy import ENTER_LONG, EXIT_LONG
from support.core_bench import BTC, ETH, MINUTE_MS, START, Bench, an_instrument, of

MIDNIGHT = 20_000 * DAY_MS


def the(commands, kind):
    (command,) = of(commands, kind)
    return command


def funding(amount="-0.5", at=START, symbol=BTC, asset="USDT"):
    return FundingPaid(at, Funding(symbol, "FUNDING_FEE", at - at % MINUTE_MS, asset, Decimal(amount)))


def wallet(bench):
    return bench.engine.view().wallet


def agrees(bench):
    assert bench.snapshot() == []
    assert bench.engine.view().reconciled
    return True


# Opening


def test_the_first_snapshot_opens_the_books():
    bench = Bench(opened=False)
    bench.handle(SnapshotTaken(bench.now, bench.exchange.snapshot(), first=True, from_ms=123))
    assert bench.one(OpeningBalance) == OpeningBalance("USDT", Decimal(10_000), 123)
    assert bench.snapshot() == []
    assert len(bench.all(OpeningBalance)) == 1


def test_assets_with_nothing_in_them_are_left_out_of_the_opening():
    bench = Bench(opened=False)
    bench.handle(SnapshotTaken(bench.now, AccountSnapshot({"USDT": Decimal(5), "BNB": Decimal(0)}, (), (), ())))
    assert [row.asset for row in bench.all(OpeningBalance)] == ["USDT"]


# Money


def test_money_moves_by_the_wires_words():
    bench = Bench()
    bench.enter()
    bench.fill(the(bench.candle(EXIT_LONG), SubmitOrder), price="101")
    bench.handle(funding())
    bench.handle(TransferSeen(bench.now, Transfer("TRANSFER", START, "", "USDT", Decimal(50))))
    bench.handle(TransferSeen(bench.now, Transfer("REBATE", START, "", "BNB", Decimal(1))))
    assert wallet(bench) == 10_000 - Decimal("0.5") - Decimal("0.505") + 10 - Decimal("0.5") + 50
    assert bench.state.wallets["BNB"] == 1


def test_whatever_comes_twice_is_booked_once():
    bench = Bench()
    bench.enter()
    transfer = TransferSeen(bench.now, Transfer("TRANSFER", START, "", "USDT", Decimal(50)))
    bench.handle(transfer)
    bench.handle(funding())
    (done,) = bench.exchange.orders.values()
    (fill,) = bench.exchange.fills
    before = bench.frozen()
    for event in (transfer, funding(), OrderUpdated(bench.now, done.report, fill), FillRecovered(bench.now, fill)):
        assert bench.handle(event) == []
    assert bench.frozen() == before


def test_nothing_paid_leaves_no_row():
    bench = Bench()
    assert bench.handle(funding("0")) == []
    assert bench.handle(TransferSeen(bench.now, Transfer("TRANSFER", START, "", "USDT", Decimal(0)))) == []


def test_funding_belongs_to_the_trip_that_was_open_then():
    bench = Bench()
    bench.now += 5 * MINUTE_MS
    bench.enter()
    bench.handle(funding("-0.25", bench.now))
    assert bench.one(PositionRow).funding == Decimal("-0.25")
    bench.fill(the(bench.candle(EXIT_LONG), SubmitOrder))
    late = bench.now
    bench.now += 60 * MINUTE_MS
    bench.handle(funding("-0.75", late))
    trade = bench.one(TradeRow)
    assert (trade.funding, trade.pnl) == (Decimal(-1), Decimal(-2))


def test_funding_of_no_trip_is_booked_all_the_same():
    bench = Bench()
    bench.handle(funding(symbol=""))
    bench.handle(funding("0.1", START + MINUTE_MS))
    assert wallet(bench) == Decimal("9999.6")


def test_a_late_fill_is_put_in_its_place():
    bench = Bench(entry="limit")
    order = the(bench.candle(ENTER_LONG), SubmitOrder)
    bench.accept(order)
    events = [
        bench.exchange.execute(order.request.client_order_id, bench.now, Decimal(2), Decimal(p)) for p in (100, 98)
    ]
    bench.handle(events[1])
    bench.handle(events[0])
    row = bench.one(PositionRow)
    assert (row.quantity, row.entry_price) == (Decimal(4), Decimal(99))
    assert agrees(bench)


def test_a_late_entry_fill_makes_a_trip_that_seemed_closed_open_again():
    bench = Bench()
    order = the(bench.candle(ENTER_LONG), SubmitOrder)
    bench.exchange.place(order.request, bench.now)
    first, second = (bench.exchange.execute(order.request.client_order_id, bench.now, Decimal(5)) for _ in range(2))
    bench.handle(first)
    bench.handle(bench.exchange.by_hand(Side.SELL, Decimal(5), bench.now))
    bench.fill("web_1")
    assert bench.position() == 0
    bench.handle(second)
    assert bench.position() == 5
    assert len(bench.state.by_symbol[BTC].live_algos()) == 1
    assert bench.one(PositionRow).trip == 1
    bench.handle(bench.exchange.by_hand(Side.SELL, Decimal(5), bench.now, "web_2"))
    bench.fill("web_2", price="101")
    trade = bench.one(TradeRow)
    assert (trade.quantity, trade.trip) == (Decimal(10), 1)
    bench.snapshot()
    assert not bench.incidents()


def test_the_exit_reason_is_named_when_the_order_is_reported_after_its_fill():
    bench = Bench()
    stop = bench.enter()
    bench.exchange.trigger(stop.request.client_algo_id, bench.now)
    done = bench.exchange.execute(stop.request.client_algo_id, bench.now)
    bench.handle(FillRecovered(bench.now, done.fill))
    assert bench.one(TradeRow).exit_reason == "unknown"
    bench.handle(OrderUpdated(bench.now, done.order))
    assert bench.one(TradeRow).exit_reason == "stop"


def test_a_realized_profit_that_is_not_ours_is_judged_after_the_account_was_read_again():
    bench = Bench()
    bench.enter()
    order = the(bench.candle(EXIT_LONG), SubmitOrder)
    bench.exchange.place(order.request, bench.now)
    done = bench.exchange.execute(order.request.client_order_id, bench.now, price=Decimal(101))
    wrong = replace(done, fill=replace(done.fill, realized_pnl=Decimal(11)))
    bench.exchange.wallet += 1
    assert Reconcile("ledger_difference") in bench.handle(wrong)
    assert bench.incidents() == set()
    bench.snapshot()
    incident = next(row for row in bench.all(Incident) if row.code == "ledger_difference")
    assert incident.severity == "CRITICAL"
    assert bench.one(TradeRow).pnl == Decimal("9.995")


def test_on_the_real_exchange_a_difference_is_a_warning():
    bench = Bench(mode="live")
    bench.enter()
    done = bench.exchange.place(_bare(bench), bench.now)
    assert done
    fill = replace(bench.exchange.fills[0], trade_id=9, side=Side.SELL, realized_pnl=Decimal(7), order_id=99)
    bench.handle(FillRecovered(bench.now, fill))
    bench.exchange.wallet += 7 - fill.commission
    bench.exchange.quantity = Decimal(0)
    bench.snapshot()
    assert next(row for row in bench.all(Incident) if row.code == "ledger_difference").severity == "WARNING"


def _bare(bench):

    return OrderRequest(BTC, "web_9", Side.SELL, OrderType.LIMIT, Decimal(1), Decimal(100), TimeInForce.GTC, False)


def test_a_commission_that_is_not_by_our_rate_is_a_warning_told_once():
    bench = Bench()
    order = the(bench.candle(ENTER_LONG), SubmitOrder)
    bench.exchange.place(order.request, bench.now)
    for _ in range(2):
        done = bench.exchange.execute(order.request.client_order_id, bench.now, Decimal(1))
        bench.handle(replace(done, fill=replace(done.fill, commission=Decimal("0.04"))))
    assert [row.severity for row in bench.all(Incident)] == ["WARNING"]


def test_commission_in_bnb_is_taken_from_that_wallet():
    bench = Bench()
    order = the(bench.candle(ENTER_LONG), SubmitOrder)
    bench.exchange.place(order.request, bench.now)
    done = bench.exchange.execute(order.request.client_order_id, bench.now)
    bench.handle(replace(done, fill=replace(done.fill, commission=Decimal("0.001"), commission_asset="BNB")))
    assert bench.state.wallets == {"USDT": Decimal(10_000), "BNB": Decimal("-0.001")}


# Reconciliation


def test_an_account_that_differs_is_read_again_a_few_times_then_entries_stop():
    bench = Bench()
    bench.exchange.wallet += 3
    for _ in range(4):
        assert bench.snapshot() == [Reconcile("USDT: books 10000, exchange 10003")]
        assert bench.engine.view().reconciled
    assert bench.snapshot() == []
    assert not bench.engine.view().reconciled
    assert bench.incidents() == {"unreconciled"}
    assert bench.candle(ENTER_LONG) == []
    assert bench.engine.view().gates[0].gate == "unreconciled"
    bench.handle(TransferSeen(bench.now, Transfer("TRANSFER", START, "", "USDT", Decimal(3))))
    assert agrees(bench)
    assert bench.incidents() == set()
    assert of(bench.candle(ENTER_LONG), SubmitOrder)


def test_a_position_that_differs_is_a_difference():
    bench = Bench()
    bench.exchange.quantity = Decimal(1)
    assert bench.snapshot() == [Reconcile("BTCUSDT: books 0, exchange 1")]


def test_an_order_the_snapshot_does_not_show_is_looked_up():
    bench = Bench(entry="limit")
    order = the(bench.candle(ENTER_LONG), SubmitOrder)
    bench.accept(order)
    bench.exchange.cancel(order.request.client_order_id, bench.now)
    assert bench.snapshot() == [LookUpOrder(BTC, order.request.client_order_id)]


def test_an_order_in_flight_is_left_to_its_answer():
    bench = Bench()
    bench.candle(ENTER_LONG)
    assert bench.snapshot() == []


def test_a_stop_the_snapshot_does_not_show_is_looked_up():
    bench = Bench()
    stop = bench.enter()
    bench.exchange.algo_word(stop.request.client_algo_id, "CANCELED", bench.now)
    assert bench.snapshot() == [LookUpStop(BTC, stop.request.client_algo_id)]


def test_an_order_of_ours_that_nothing_wants_is_cancelled():
    bench = Bench()
    request = replace(_bare(bench), client_order_id="aab12e" + "0" * 20 + "-3")
    bench.exchange.place(request, bench.now)
    assert bench.snapshot() == [CancelOrder(BTC, request.client_order_id)]
    assert bench.one(OrderRow).attempt == 3


def test_a_stop_of_ours_without_a_position_is_cancelled():
    bench = Bench()

    request = StopRequest(BTC, "aab12s" + "0" * 20 + "-1", Side.SELL, Decimal(90))
    bench.exchange.place_stop(request, bench.now)
    assert bench.snapshot() == [CancelStop(BTC, request.client_algo_id)]


# The next process


def test_the_next_process_adopts_a_position_with_its_stop():
    bench = Bench()
    stop = bench.enter()
    again = bench.restarted()
    assert agrees(again)
    view = again.engine.view()
    assert (view.positions[0].quantity, view.positions[0].stop_resting) == (Decimal(10), True)
    assert (view.wallet, view.positions[0].stop_price) == (wallet(bench), Decimal(99))
    out = again.candle(EXIT_LONG)
    again.fill(the(out, SubmitOrder), price="101")
    assert again.one(TradeRow).pnl == Decimal("8.995")
    assert again.one(TradeRow).entry_decision_id != ""
    assert again.commands[-1] == CancelStop(BTC, stop.request.client_algo_id)


def test_what_may_have_been_sent_is_looked_up_not_sent_again():
    bench = Bench()
    order = the(bench.candle(ENTER_LONG), SubmitOrder)
    again = bench.restarted()
    assert again.snapshot() == [LookUpOrder(BTC, order.request.client_order_id)]
    assert again.one(OrderRow).state is OrderState.UNKNOWN
    assert of(again.candle(ENTER_LONG), SubmitOrder) == []


def test_a_stop_that_may_have_been_placed_is_looked_up():
    bench = Bench()
    stop = the(bench.fill(the(bench.candle(ENTER_LONG), SubmitOrder)), PlaceStop)
    again = bench.restarted()
    assert again.snapshot() == [LookUpStop(BTC, stop.request.client_algo_id)]
    bench.exchange.place_stop(stop.request, again.now)
    found = again.snapshot()
    assert found == []
    assert again.one(AlgoOrderRow).state is OrderState.RESTING


def test_a_resting_entry_keeps_its_ttl_over_a_restart():
    bench = Bench(entry="limit")
    order = the(bench.candle(ENTER_LONG), SubmitOrder)
    bench.accept(order)
    bench.now += 5_000
    again = bench.restarted(entry="limit")
    assert again.snapshot() == []
    assert again.wait(14_999) == []
    assert again.wait(1) == [CancelOrder(BTC, order.request.client_order_id)]


def test_history_read_twice_changes_nothing():
    bench = Bench()
    bench.enter()
    bench.fill(the(bench.candle(EXIT_LONG), SubmitOrder))
    bench.handle(bench.exchange.algo_word(next(iter(bench.exchange.algos)), "CANCELED", bench.now))
    again = bench.restarted()
    before = again.frozen()
    for fill in bench.exchange.fills:
        assert again.handle(FillRecovered(again.now, fill)) == []
    for order in bench.exchange.orders.values():
        assert again.handle(OrderUpdated(again.now, order.report)) == []
    assert again.frozen() == before
    assert agrees(again)


def test_what_filled_while_we_were_down_is_booked_and_protected():
    bench = Bench(entry="limit")
    order = the(bench.candle(ENTER_LONG), SubmitOrder)
    bench.accept(order)
    again = bench.restarted(entry="limit")
    done = again.exchange.execute(order.request.client_order_id, again.now)
    stop = the(again.handle(FillRecovered(again.now, done.fill)), PlaceStop)
    again.handle(OrderUpdated(again.now, done.order))
    again.accept(stop)
    assert agrees(again)
    assert again.one(PositionRow).entry_decision_id != ""


def test_a_late_fill_from_before_what_is_remembered_is_booked_and_history_read_again():
    bench = Bench()
    bench.enter()
    books = replace(bench.remembered(), recent_fills=())
    again = Bench(books=books, exchange=bench.exchange, start=bench.now, opened=False)
    assert again.position() == 10
    early = replace(bench.exchange.fills[0], trade_id=1, order_id=55, quantity=Decimal(1), commission=Decimal("0.05"))
    again.state.by_symbol[BTC].base = replace(again.state.by_symbol[BTC].base, last_trade_id=5)
    again.state.by_symbol[BTC].track = again.state.by_symbol[BTC].base
    assert Reconcile("late_fill") in again.handle(FillRecovered(again.now, early))
    assert again.position() == 11


def test_a_candle_delivered_again_after_a_restart_is_not_decided_twice():
    bench = Bench(entry="limit")
    order = the(bench.candle(ENTER_LONG), SubmitOrder)
    bench.accept(order)
    bench.handle(bench.exchange.cancel(order.request.client_order_id, bench.now))
    again = bench.restarted(entry="limit")
    again.snapshot()
    assert again.close_candle(again.now - MINUTE_MS, ENTER_LONG) == []
    stop = Bench()
    stop.enter()
    leave = the(stop.candle(EXIT_LONG), SubmitOrder)
    stop.fill(leave, "1")
    stop.handle(stop.exchange.cancel(leave.request.client_order_id, stop.now, "EXPIRED"))
    assert of(stop.close_candle(stop.now - MINUTE_MS, EXIT_LONG), SubmitOrder) == []


def test_a_position_of_a_flat_symbol_starts_the_next_trip():
    bench = Bench()
    bench.enter()
    bench.fill(the(bench.candle(EXIT_LONG), SubmitOrder))
    bench.handle(bench.exchange.algo_word(next(iter(bench.exchange.algos)), "CANCELED", bench.now))
    books = replace(bench.remembered(), recent_fills=())
    again = Bench(books=books, exchange=bench.exchange, start=bench.now + MINUTE_MS)
    again.enter()
    assert again.one(PositionRow).trip == 2


# Equity


def test_equity_is_judged_when_all_symbols_have_closed_the_minute():
    bench = Bench(symbols=(BTC, ETH), risk=RiskLimits(daily_loss=Decimal(20)))
    bench.enter()
    bench.close_candle(bench.now - MINUTE_MS, symbol=ETH)
    bench.candle(close="98")
    assert not bench.all(RiskEvent)
    bench.close_candle(bench.now - MINUTE_MS, symbol=ETH)
    assert bench.one(RiskEvent).rule == "daily_loss"
    assert "halt" in bench.alerts()
    assert bench.engine.view().halts[0].reason == "daily_loss"


def test_a_symbol_that_stays_away_is_waited_for_two_seconds():
    bench = Bench(symbols=(BTC, ETH), risk=RiskLimits(daily_loss=Decimal(20)))
    bench.enter()
    bench.wait(3_000)
    bench.candle(close="98")
    bench.wait(1_999)
    assert not bench.all(RiskEvent)
    bench.wait(1)
    assert bench.one(RiskEvent).kind == "halt"


def test_a_later_candle_ends_the_wait():
    bench = Bench(symbols=(BTC, ETH), risk=RiskLimits(daily_loss=Decimal(20)))
    bench.enter()
    bench.wait(3_000)
    bench.candle(close="98")
    bench.candle(close="100")
    assert bench.one(RiskEvent).kind == "halt"


def test_a_fill_is_judged_at_once():
    bench = Bench(risk=RiskLimits(daily_loss=Decimal(20)))
    bench.enter()
    bench.fill(the(bench.candle(EXIT_LONG), SubmitOrder), price="95")
    assert bench.one(RiskEvent).rule == "daily_loss"


def test_a_daily_loss_takes_back_resting_entries_and_ends_with_the_day():
    bench = Bench(symbols=(BTC, ETH), entry="limit", ttl_seconds=3_000, risk=RiskLimits(daily_loss=Decimal(20)))
    order = the(bench.candle(ENTER_LONG), SubmitOrder)
    bench.accept(order)
    bench.accept(the(bench.fill(order, "5"), PlaceStop))
    bench.close_candle(bench.now - MINUTE_MS, symbol=ETH)
    bench.candle(close="95")
    out = bench.close_candle(bench.now - MINUTE_MS, symbol=ETH)
    assert CancelOrder(BTC, order.request.client_order_id) in out
    bench.handle(bench.exchange.cancel(order.request.client_order_id, bench.now))
    bench.wait(12 * 60 * MINUTE_MS)
    assert {row.kind for row in bench.all(RiskEvent)} == {"halt", "halt_ended"}
    assert bench.engine.view().halts == ()


def test_the_day_begins_two_seconds_after_midnight_even_in_silence():
    bench = Bench(start=MIDNIGHT + DAY_MS - 30_000)
    assert bench.engine.watch().deadline_ms == MIDNIGHT + DAY_MS + 2_000
    bench.wait(MINUTE_MS)
    assert f'"day_ms":{MIDNIGHT + DAY_MS}' in next(
        row.value for row in bench.all(RiskState) if row.rule == "daily_loss"
    )
    assert bench.engine.watch().deadline_ms == MIDNIGHT + 2 * DAY_MS + 2_000


def test_a_transfer_is_no_loss():
    bench = Bench(risk=RiskLimits(daily_loss=Decimal(20)))
    bench.handle(TransferSeen(bench.now, Transfer("TRANSFER", START, "", "USDT", Decimal(-5_000))))
    bench.candle()
    assert not bench.all(RiskEvent)
    assert bench.engine.view().day_pnl == 0


def test_warm_up_candles_decide_nothing_and_value_positions():
    bench = Bench()
    bench.strategies[BTC].flags = ENTER_LONG
    candle = Candle(BTC, bench.now, *([Decimal(90)] * 4), Decimal(1))
    assert bench.handle(CandleWarmedUp(bench.now, candle)) == []
    assert bench.handle(CandleWarmedUp(bench.now, replace(candle, symbol=ETH))) == []
    assert not bench.all(Decision)
    assert bench.engine.view().evaluations[0].verdict == "enter_long"


def test_a_candle_of_a_foreign_symbol_values_its_position():
    bench = Bench()
    bench.exchange.symbol = ETH
    bench.handle(bench.exchange.by_hand(Side.BUY, Decimal(2), bench.now))
    bench.fill("web_1")
    bench.handle(CandleClosed(bench.now, Candle(ETH, bench.now, *([Decimal(90)] * 4), Decimal(1))))
    assert bench.engine.view().unrealized == -20


# What is shown


def test_the_view_shows_positions_orders_limits_and_money():
    bench = Bench(entry="limit")
    order = the(bench.candle(ENTER_LONG), SubmitOrder)
    bench.accept(order)
    bench.fill(order, "4", maker=True)
    view = bench.engine.view()
    (position,), (resting,) = view.positions, view.orders
    assert (position.quantity, position.stop_resting, position.trip) == (Decimal(4), False, 1)
    assert (resting.attempt, resting.executed_quantity, resting.purpose.name) == (1, Decimal(4), "ENTRY")
    assert view.equity == view.wallet + view.unrealized == Decimal("9999.92")
    assert view.day_pnl == Decimal("-0.08")
    assert view.last_decision_ms == bench.now
    assert view.risk["max_symbol_notional"] == Decimal("0.1")
    assert not view.paused


def test_a_limit_of_nothing_is_used_up_by_anything():
    bench = Bench()
    bench.candle()
    bench.handle(TransferSeen(bench.now, Transfer("TRANSFER", bench.now, "", "USDT", -bench.engine.view().equity)))
    assert bench.engine.view().risk["max_symbol_share"] == 0
    bench.handle(bench.exchange.by_hand(Side.BUY, Decimal(2), bench.now))
    bench.fill("web_1")
    assert bench.engine.view().risk["max_symbol_share"] == 1


def test_the_watch_names_the_flags_that_count_and_the_prices_of_what_rests():
    bench = Bench()
    assert bench.engine.watch().symbols[BTC].flags == 3
    bench.enter()
    watch = bench.engine.watch().symbols[BTC]
    assert (watch.flags, watch.levels) == (EXIT_LONG, (Decimal(99),))
    assert bench.engine.watch().equity_at_or_below == 9_500


def test_a_fill_older_than_memory_is_asked_about_not_booked_twice():
    bench = Bench()
    bench.enter()
    bench.state.by_symbol[BTC].forgotten_trade_id = 3
    old = replace(bench.exchange.fills[0], trade_id=2)
    assert bench.handle(FillRecovered(bench.now, old)) == [Reconcile("forgotten_fill")]
    assert len(bench.all(Fill)) == 1


def test_memory_is_bounded_over_many_trips():
    bench = Bench(pacing=PacingLimits(0, 0, 0))
    for _ in range(300):
        stop = bench.enter()
        bench.fill(the(bench.candle(EXIT_LONG), SubmitOrder))
        bench.handle(bench.exchange.algo_word(stop.request.client_algo_id, "CANCELED", bench.now))
        bench.now += MINUTE_MS
    symbol = bench.state.by_symbol[BTC]
    assert len(symbol.orders) <= 129
    assert len(symbol.algos) <= 65
    assert len(symbol.fills) <= 513
    assert symbol.intents == {}
    assert agrees(bench)
    assert len(bench.all(TradeRow)) == 300


def test_time_alone_changes_nothing():
    bench = Bench()
    bench.candle()
    before = bench.frozen()
    assert bench.handle(TimeAdvanced(bench.now + 500)) == []
    assert bench.frozen() == before


def test_alerts_are_told_once_and_remembered_within_bounds():
    bench = Bench()
    for number in range(1_100):
        bench.handle(bench.exchange.by_hand(Side.BUY, Decimal(1), bench.now, f"web_{number}", Decimal(50)))
    assert len(bench.state.alerted) <= 1_000
    assert len([row for row in bench.all(Alert) if row.event == "external_order"]) == 1_100


@pytest.mark.parametrize("tick", ["0.1", "1"])
def test_refreshed_filters_are_kept(tick):
    bench = Bench()

    bench.handle(InstrumentsRefreshed(bench.now, (an_instrument(tick_size=Decimal(tick)),)))
    assert len(bench.all(Instrument)) == (tick != "0.1")
    assert bench.strategies[BTC].instrument.tick_size == Decimal(tick)


def test_intents_of_an_earlier_life_that_nothing_serves_are_ended():
    bench = Bench()
    bench.enter()
    bench.fill(the(bench.candle(EXIT_LONG), SubmitOrder))
    again = bench.restarted()
    again.handle(again.exchange.algo_word(next(iter(again.exchange.algos)), "CANCELED", again.now))
    assert agrees(again)
    assert again.state.by_symbol[BTC].intents == {}
    assert {row.state for row in again.all(Intent)} == {"done"}


def test_a_late_fill_turns_a_seeming_flip_into_a_close():
    bench = Bench()
    order = the(bench.candle(ENTER_LONG), SubmitOrder)
    bench.exchange.place(order.request, bench.now)
    first, second = (bench.exchange.execute(order.request.client_order_id, bench.now, Decimal(5)) for _ in range(2))
    bench.handle(first)
    bench.handle(bench.exchange.by_hand(Side.SELL, Decimal(10), bench.now))
    out = bench.fill("web_1", price="101")
    assert bench.position() == -5
    assert Reconcile("ledger_difference") in out
    bench.handle(second)
    assert bench.position() == 0
    trade = bench.one(TradeRow)
    assert (trade.quantity, trade.pnl) == (Decimal(10), Decimal("8.995"))
    assert bench.alerts().count("exit") == 1
    bench.snapshot()
    assert "ledger_difference" not in bench.incidents()


def test_what_is_known_of_trade_ids_is_bounded():
    symbol = SymbolState(BTC)
    fill = Fill(BTC, 0, 1, 0, Side.BUY, Decimal(1), Decimal(1), False, Decimal(0), "USDT", Decimal(0))
    for trade_id in range(1, 8_200):
        fills.remember(symbol, replace(fill, trade_id=trade_id))
    assert len(symbol.trade_ids) == 8_192
    assert symbol.forgotten_trade_id == 7


def test_what_is_known_of_settlements_is_bounded():
    bench = Bench()
    for minute in range(4_100):
        bench.handle(funding("0.1", START + minute * MINUTE_MS))
    assert len(bench.state.funding_keys) == 4_096


def test_a_foreign_symbol_never_decides_an_entry():
    with pytest.raises(StopTrading, match="not among the traded symbols"):
        _ = SymbolState(ETH).trading


def test_fills_of_a_foreign_symbol_are_known_again_after_a_restart():
    bench = Bench()
    bench.exchange.symbol = ETH
    bench.handle(bench.exchange.by_hand(Side.BUY, Decimal(2), bench.now))
    bench.fill("web_1")
    books = replace(bench.remembered(), positions=())
    again = Bench(books=books, exchange=bench.exchange, start=bench.now, opened=False)
    assert again.handle(FillRecovered(again.now, bench.exchange.fills[0])) == []


def test_a_position_whose_cost_the_known_fills_do_not_explain_is_taken_as_it_stands():
    bench = Bench()
    bench.enter()
    row = replace(bench.one(PositionRow), cost=Decimal(990))
    books = replace(bench.remembered(), positions=(row,))
    again = Bench(books=books, exchange=bench.exchange, start=bench.now, opened=False)
    assert again.state.by_symbol[BTC].track.cost == 990


def test_history_is_not_read_again_and_again_for_fills_that_never_come():
    bench = Bench()
    order = the(bench.candle(ENTER_LONG), SubmitOrder)
    bench.exchange.place(order.request, bench.now)
    done = bench.exchange.execute(order.request.client_order_id, bench.now)
    bench.handle(OrderUpdated(bench.now, done.order))
    asked = []
    for _ in range(20):
        asked += bench.wait(10_000)
        bench.state.reconcile_asked = False
    assert asked == [Reconcile("fills_missing")] * 5


def test_the_start_names_a_symbol_whose_size_cannot_work():
    bench = Bench(symbols=(BTC, ETH), risk=RiskLimits(max_symbol_share=Decimal("0.05")))
    bench.exchange.symbol = "XRPUSDT"
    bench.handle(bench.exchange.by_hand(Side.BUY, Decimal(2), bench.now))
    assert bench.engine.capital_complaint() == ""
    bench.candle()
    assert "max_symbol_share" in bench.engine.capital_complaint()


def test_a_start_does_not_refuse_to_look_after_a_position_for_want_of_capital():
    bench = Bench()
    bench.enter()
    after = bench.restarted(risk=RiskLimits(max_symbol_share=Decimal("0.05")))
    after.candle()
    assert after.engine.capital_complaint() == ""


def test_a_halt_from_a_failed_write_of_an_earlier_life_stays_ended():
    bench = Bench()
    bench.enter()
    bench.handle(bench.exchange.by_hand(Side.SELL, Decimal(10), bench.now, "adl_autoclose"))
    bench.handle(bench.exchange.by_hand(Side.SELL, Decimal(10), bench.now, "adl_autoclose"))
    assert len(bench.engine.view().halts) == 1


def test_a_symbols_filters_may_come_for_one_that_is_only_watched():
    bench = Bench()
    bench.exchange.symbol = ETH
    bench.handle(bench.exchange.by_hand(Side.BUY, Decimal(2), bench.now))
    bench.handle(InstrumentsRefreshed(bench.now, (an_instrument(ETH),)))
    assert bench.state.by_symbol[ETH].instrument.symbol == ETH


def test_memory_of_fills_waits_for_a_flat_moment():
    bench = Bench(risk=RiskLimits(max_symbol_notional=Decimal(10_000_000), max_symbol_share=Decimal(1_000)))
    for number in range(520):
        bench.handle(bench.exchange.by_hand(Side.BUY, Decimal("0.001"), bench.now, f"web_{number}"))
        bench.fill(f"web_{number}")
    assert len(bench.state.by_symbol[BTC].fills) == 520


def test_an_order_of_another_bot_that_ended_long_ago_halts_nothing():
    bench = Bench()
    foreign = "azz99e" + "0" * 20 + "-1"
    born = bench.exchange.by_hand(Side.BUY, Decimal(1), bench.now, foreign, Decimal(50))
    assert born
    ended = bench.exchange.cancel(foreign, bench.now)
    stop = AlgoReport(
        symbol=BTC,
        algo_id=9,
        client_algo_id="azz99s" + "0" * 20 + "-1",
        status="CANCELED",
        side=Side.SELL,
        type="STOP_MARKET",
        quantity=Decimal(0),
        price=Decimal(0),
        trigger_price=Decimal(90),
        working_type="CONTRACT_PRICE",
        close_position=True,
        reduce_only=False,
        updated_ms=bench.now,
    )
    bench.handle(ended)
    bench.handle(AlgoUpdated(bench.now, stop))
    assert bench.engine.view().halts == ()
    assert bench.one(OrderRow).state is OrderState.CANCELLED


def test_a_stop_attempt_beyond_memory_is_forgotten_but_not_the_one_in_charge():
    bench = Bench()
    stop = bench.enter()
    for number in range(80):
        other = replace(
            bench.exchange.algos[stop.request.client_algo_id], client_algo_id=f"web_{number}", status="CANCELED"
        )
        bench.handle(AlgoUpdated(bench.now, other))
    algos = bench.state.by_symbol[BTC].algos
    assert stop.request.client_algo_id in algos
    assert len(algos) <= 65


def test_what_is_remembered_of_ended_orders_does_not_grow_with_round_trips():
    bench = Bench()
    for _ in range(150):
        stop = bench.enter()
        order = next(each for each in bench.candle(EXIT_LONG) if isinstance(each, SubmitOrder))
        bench.fill(order)
        bench.handle(bench.exchange.algo_word(stop.request.client_algo_id, "CANCELED", bench.now))
        bench.candle()
    symbol = bench.state.by_symbol[BTC]
    assert len(symbol.ended) <= 192
    assert len(symbol.ended_algos) <= 128
    assert len(symbol.order_keys) == len(symbol.executed) == len(symbol.ended)
    assert not symbol.orders
    assert not symbol.algos


def test_an_order_proven_absent_that_shows_up_after_all_is_remembered_once():
    bench = Bench(entry="limit", attempts=1)
    order = next(each for each in bench.candle(ENTER_LONG) if isinstance(each, SubmitOrder))
    client_order_id = order.request.client_order_id
    bench.handle(OrderOutcomeUnknown(bench.now, BTC, client_order_id, "no answer"))
    bench.handle(OrderProvenAbsent(bench.now, BTC, client_order_id))
    symbol = bench.state.by_symbol[BTC]
    assert client_order_id in symbol.ended
    bench.accept(order)
    assert client_order_id in symbol.orders
    assert client_order_id not in symbol.ended
