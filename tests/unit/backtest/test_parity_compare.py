"""What differs between a backtest and the bot, and which cause it gets; above all what must stay unexplained."""

import pytest

from backtest.parity.causes import Cause
from bot.domain.records import Decision
from support.parity_rows import MINUTE, D, Story, at, causes, compared

TWO_DAYS = 2 * 86_400_000


def a_trip(story, *, entry="100", leave="110", pnl="10", out=20, entered=10, **how):
    story.enter(entered, fill=entry, **how)
    story.leave(out, fill=leave)
    story.trip(entered, pnl)
    return story


def test_the_same_story_told_twice_is_the_same():
    found = compared(a_trip(Story()), a_trip(Story()))
    assert (found.decisions, found.orders, found.fills) == ({None: 2}, {None: 1}, {None: 2})
    assert found.differences == ()
    assert found.matched_trips == 1
    assert found.parts.amounts == {}


def test_a_clock_moved_by_whole_days_changes_nothing():
    found = compared(a_trip(Story()), a_trip(Story(shift_ms=TWO_DAYS)))
    assert found.differences == ()


def test_a_later_fill_at_the_same_price_is_latency_with_its_milliseconds():
    found = compared(a_trip(Story()), a_trip(Story(late_ms=600)))
    assert causes(found) == ["latency", "latency"]
    assert found.delays_ms == (600, 600)
    assert found.decisions == {None: 2}


def test_worse_prices_are_slippage_and_the_fees_on_them_fees():
    bot = Story(late_ms=600)
    bot.enter(10, fill="100.5")
    bot.leave(20, fill="109.75")
    bot.trip(10, "9.2", fees="0.05")
    backtest = Story()
    backtest.enter(10, fill="100")
    backtest.leave(20, fill="110")
    backtest.trip(10, "9.96", fees="0.04")
    found = compared(backtest, bot)
    assert causes(found) == ["slippage", "slippage"]
    assert found.parts.amounts == {Cause.SLIPPAGE: D("-0.75"), Cause.FEE: D("-0.01")}
    assert found.parts.total == found.bot_pnl - found.backtest_pnl == D("-0.76")


def test_an_entry_that_only_the_backtest_made_for_no_reason_is_edge():
    found = compared(a_trip(Story()), Story())
    assert causes(found) == ["edge", "edge", "edge"]
    assert found.parts.amounts == {Cause.EDGE: D(-10)}
    assert (found.decisions, found.matched_trips) == ({Cause.EDGE: 2}, 0)


def test_an_entry_that_only_the_bot_made_for_no_reason_is_edge():
    found = compared(Story(), a_trip(Story()))
    assert found.parts.amounts == {Cause.EDGE: D(10)}
    assert found.decisions == {Cause.EDGE: 2}


@pytest.mark.parametrize(
    ("reason", "cause"),
    [
        ("volatility", Cause.VOLATILITY), ("data_stale", Cause.GATE), ("unreconciled", Cause.GATE),
        ("paused", Cause.PEOPLE), ("kill_switch", Cause.PEOPLE), ("daily_loss", Cause.LIMIT),
        ("percent_price", Cause.FILTER), ("stale_signal", Cause.LATENCY), ("stop_pending", Cause.LATENCY),
        ("something_new", Cause.EDGE),
    ],
)  # fmt: skip
def test_what_the_bot_refused_has_the_cause_of_its_reason_and_so_has_what_follows(reason, cause):
    bot = Story()
    bot.refuse(10, reason)
    found = compared(a_trip(Story()), bot)
    assert set(found.decisions) == {cause}
    assert found.parts.amounts == {cause: D(-10)}


def test_a_bot_that_was_not_running_is_start_up():
    found = compared(a_trip(Story()), Story(), absent=(10,))
    assert found.differences[0].cause is Cause.START_UP
    assert found.parts.amounts == {Cause.START_UP: D(-10)}


def test_a_signal_on_other_candles_is_data():
    found = compared(a_trip(Story()), Story(), changed={"BTCUSDT": [at(9)]})
    assert found.parts.amounts == {Cause.DATA: D(-10)}


def test_candles_that_changed_later_explain_nothing_before():
    found = compared(a_trip(Story()), Story(), changed={"BTCUSDT": [at(11)], "ETHUSDT": [at(9)]})
    assert found.parts.amounts == {Cause.EDGE: D(-10)}


def test_the_other_side_is_edge():
    bot = Story()
    bot.enter(10, side="SELL", fill="100")
    assert compared(a_trip(Story()), bot).differences[0].cause is Cause.EDGE


def test_another_size_at_the_same_close_is_a_filter():
    backtest, bot = Story(), Story()
    backtest.enter(10, quantity="1")
    bot.enter(10, quantity="0.9")
    found = compared(backtest, bot)
    assert causes(found) == ["filter"]
    assert found.orders == {Cause.FILTER: 1}


def test_orders_of_another_kind_for_the_same_decision_are_edge():
    backtest, bot = Story(), Story()
    backtest.enter(10, kind="LIMIT")
    bot.enter(10)
    assert compared(backtest, bot).orders == {Cause.EDGE: 1}


def test_a_resting_order_that_filled_in_another_way_is_execution():
    backtest = a_trip(Story(), entry="100", kind="LIMIT", maker=True, fills_in=59_000)
    bot = a_trip(Story(), entry="101", pnl="9", kind="LIMIT", fills_in=300)
    found = compared(backtest, bot)
    assert causes(found) == ["execution"]
    assert found.parts.amounts == {Cause.EXECUTION: D(-1)}
    assert found.delays_ms == (0,)


def test_an_entry_that_filled_on_one_side_alone_is_execution():
    bot = Story()
    bot.enter(10, kind="LIMIT", ends_in=20_000)
    found = compared(a_trip(Story(), kind="LIMIT"), bot)
    assert found.orders == {None: 1}
    assert found.parts.amounts == {Cause.EXECUTION: D(-10)}


def test_an_entry_withdrawn_by_a_gate_is_that_gate():
    bot = Story()
    bot.enter(10, kind="LIMIT", ends_in=15_000)
    bot.event(11, "gate_data_stale", "gate_closed", second=10)
    assert compared(a_trip(Story(), kind="LIMIT"), bot).parts.amounts == {Cause.GATE: D(-10)}


def test_an_entry_not_sent_again_because_prices_jumped_is_volatility():
    bot = Story()
    intent = bot.enter(10, kind="LIMIT", ends_in=20_000)
    bot.refuse_again(11, intent, "volatility")
    assert compared(a_trip(Story(), kind="LIMIT"), bot).parts.amounts == {Cause.VOLATILITY: D(-10)}


def test_an_entry_still_at_work_at_the_end_is_the_end():
    bot = Story()
    bot.enter(10, kind="LIMIT", state="open")
    assert compared(a_trip(Story(), kind="LIMIT"), bot).parts.amounts == {Cause.END: D(-10)}


def test_a_cooldown_that_lasted_longer_by_the_delay_of_the_exit_is_latency():
    backtest = a_trip(Story())
    backtest.enter(30, fill="100")
    bot = a_trip(Story(late_ms=600))
    bot.refuse(30, "symbol_cooldown_active")
    found = compared(backtest, bot)
    assert [each.cause for each in found.differences if each.what == "decision"] == [Cause.LATENCY]


def test_a_cooldown_after_a_trip_that_only_one_side_made_has_the_cause_of_that_trip():
    bot = Story()
    bot.refuse(10, "volatility")
    bot.enter(30, fill="100")
    backtest = a_trip(Story())
    backtest.refuse(30, "symbol_cooldown_active")
    found = compared(backtest, bot)
    assert found.decisions == {Cause.VOLATILITY: 3}


def test_a_cooldown_after_a_trip_that_won_on_one_side_only_is_slippage():
    backtest = a_trip(Story(), leave="100.01", pnl="0.01")
    bot = a_trip(Story(late_ms=600), leave="99.99", pnl="-0.01")
    backtest.enter(30, fill="100")
    bot.refuse(30, "symbol_cooldown_active")
    assert compared(backtest, bot).decisions == {None: 2, Cause.SLIPPAGE: 1}


def test_spacing_by_an_entry_on_another_symbol_has_the_cause_of_that_entry():
    backtest, bot = Story(), Story()
    backtest.enter(10, symbol="ETHUSDT")
    bot.refuse(10, "data_stale", symbol="ETHUSDT")
    backtest.refuse(11, "global_trade_spacing")
    bot.enter(11)
    assert compared(backtest, bot).decisions == {Cause.GATE: 2}


def test_spacing_by_an_entry_both_sides_made_is_latency():
    backtest, bot = Story(), Story(late_ms=600)
    for side in (backtest, bot):
        side.enter(10, symbol="ETHUSDT")
    backtest.enter(11)
    bot.refuse(11, "global_trade_spacing")
    assert compared(backtest, bot).decisions == {None: 1, Cause.LATENCY: 1}


def stopped(story, minute=20, trigger="99", fill="99", entry="100", pnl="-1", **how):
    story.enter(10, fill=entry, **how)
    story.stop(minute, trigger, fill, second=how.get("second", 59) if minute == 20 else 30)
    story.trip(10, pnl, reason="stop")
    return story


def test_a_stop_that_filled_worse_within_the_same_candle_is_slippage():
    found = compared(stopped(Story()), stopped(Story(), fill="98", pnl="-2"))
    assert causes(found) == ["slippage"]
    assert found.parts.amounts == {Cause.SLIPPAGE: D(-1)}


def test_the_same_stop_in_another_candle_is_edge():
    found = compared(stopped(Story()), stopped(Story(), minute=25))
    assert "edge" in causes(found)


def test_a_stop_elsewhere_because_the_entry_was_elsewhere_has_the_cause_of_the_entry():
    backtest = stopped(Story())
    bot = stopped(Story(), minute=25, trigger="98.5", fill="98.5", entry="99.5")
    found = compared(backtest, bot)
    assert set(causes(found)) == {"slippage"}
    assert found.parts.total == found.bot_pnl - found.backtest_pnl == 0


def test_a_stop_where_the_other_side_left_by_signal_later_follows_from_the_entry():
    backtest = stopped(Story())
    bot = a_trip(Story(), entry="99.5", out=30, pnl="10.5", kind="LIMIT")
    found = compared(backtest, bot)
    assert found.parts.amounts[Cause.EXECUTION] == D("11") + D("0.5")
    assert found.parts.total == found.bot_pnl - found.backtest_pnl == D("11.5")


def test_an_exit_signal_that_the_bot_did_not_see_is_edge():
    bot = Story()
    bot.enter(10, fill="100")
    bot.leave(40, fill="110")
    bot.trip(10, "10")
    found = compared(a_trip(Story()), bot)
    assert [each.cause for each in found.differences if each.what == "decision"] == [Cause.EDGE, Cause.EDGE]


def test_a_position_flattened_by_a_person_is_people():
    bot = Story()
    bot.enter(10, fill="100")
    bot.stop(15, "0", "105")
    bot.trip(10, "5", reason="flatten")
    found = compared(a_trip(Story()), bot)
    assert found.parts.amounts == {Cause.PEOPLE: D(-5)}
    assert set(found.decisions) == {None, Cause.PEOPLE}


def test_a_round_trip_from_before_the_period_is_start_up():
    bot = Story()
    bot.rows += a_trip(Story()).rows
    found = compared(Story(), bot, lead=15, since=15)
    assert found.parts.amounts == {Cause.START_UP: D(10)}


def test_a_round_trip_that_no_decision_opened_is_peoples():
    bot = Story()
    bot.stop(10, "0", "100", side="BUY")
    bot.stop(11, "0", "101")
    bot.trip(None, "1", reason="manual")
    assert compared(Story(), bot).parts.amounts == {Cause.PEOPLE: D(1)}


def test_a_position_held_into_the_period_is_matched_when_both_sides_entered_it_before():
    found = compared(a_trip(Story()), a_trip(Story(late_ms=600)), since=15)
    assert (found.matched_trips, found.decisions) == (1, {None: 1})
    assert causes(found) == ["latency"]


def test_what_happened_before_the_period_is_not_counted():
    found = compared(a_trip(Story()), Story(), since=100)
    assert (found.differences, found.decisions, found.parts.amounts) == ((), {}, {})


def test_a_position_that_ends_after_the_period_on_one_side_alone_is_told():
    bot = Story()
    bot.enter(10, fill="100")
    bot.leave(25, fill="120")
    bot.trip(10, "20")
    found = compared(a_trip(Story(), out=22), bot, end=24)
    assert found.bot_pnl == 0
    assert found.parts.total == found.bot_pnl - found.backtest_pnl == D(-10)


def test_the_share_of_differing_decisions_counts_all_of_them():
    backtest = a_trip(Story())
    bot = a_trip(Story())
    bot.refuse(50, "volatility")
    assert compared(backtest, bot).differing_share == pytest.approx(1 / 3)


def test_times_are_those_of_the_recording():
    bot = Story(shift_ms=TWO_DAYS)
    bot.refuse(10, "volatility")
    (found,) = compared(Story(), bot).differences
    assert found.at_ms == at(10) + MINUTE


def test_profit_that_no_decision_accounts_for_is_shown_as_edge():
    bot = a_trip(Story())
    bot.rows = [row for row in bot.rows if not isinstance(row, Decision)]
    found = compared(Story(), bot)
    assert found.parts.amounts == {Cause.EDGE: D(10)}
    assert found.differences[-1].detail == "profit that no cause accounts for"


def test_a_gate_that_closed_at_another_time_explains_no_entry():
    bot = Story()
    bot.enter(10, kind="LIMIT", ends_in=15_000)
    bot.event(9, "gate_data_stale", "gate_closed")
    bot.event(12, "gate_data_stale", "gate_closed")
    assert compared(a_trip(Story(), kind="LIMIT"), bot).parts.amounts == {Cause.EXECUTION: D(-10)}


def test_a_stop_in_the_last_candle_that_has_not_fired_yet_on_the_other_side_is_the_end():
    bot = Story()
    bot.enter(10, fill="100")
    bot.stop(30, "99", "99")
    bot.trip(10, "-1", reason="stop")
    assert compared(stopped(Story(), minute=23), bot, end=24).parts.amounts == {Cause.END: D(1)}
