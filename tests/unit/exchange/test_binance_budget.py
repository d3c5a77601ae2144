"""Weights, order counts and bans: never over the limit, exits before entries."""

import pytest

from bot.exchange.binance.budget import Budget
from bot.exchange.binance.public_answers import WireRateLimit
from support.clocks import TestClock


def a_budget(seconds=1_000.0) -> tuple[Budget, TestClock]:
    clock = TestClock(seconds)
    return Budget(clock), clock


def test_used_weight_is_what_the_exchange_counted_and_ends_with_the_minute():
    budget, clock = a_budget(960)
    budget.note_headers({"X-MBX-USED-WEIGHT-1M": "1000"})
    assert budget.used_weight == 1_000
    clock.seconds = 1_020
    assert budget.used_weight == 0


def test_an_answer_from_the_minute_before_does_not_use_up_this_one():
    budget, clock = a_budget(1_019)
    asked_ms = budget.now_ms()
    clock.seconds = 1_021
    budget.note_headers({"X-MBX-USED-WEIGHT-1M": "2300"}, asked_ms)
    assert budget.read_delay(essential=False) == 0
    budget.note_headers({"X-MBX-USED-WEIGHT-1M": "5"})
    budget.note_headers({"X-MBX-USED-WEIGHT-1M": "2300"}, asked_ms)
    assert budget.used_weight == 5


def test_minutes_are_the_exchanges_own():
    budget, clock = a_budget(1_021)
    budget.offset_ms = -2_000
    budget.note_headers({"X-MBX-USED-WEIGHT-1M": "2300"})
    assert budget.read_delay(essential=False) == 1
    clock.seconds = 1_022
    assert budget.read_delay(essential=False) == 0


def test_routine_reads_stop_before_urgent_ones_do():
    budget, _ = a_budget(960)
    budget.note_headers({"x-mbx-used-weight-1m": "1700"})
    assert budget.read_delay(essential=False) == 60
    assert budget.read_delay(essential=True) == 0
    budget.note_headers({"x-mbx-used-weight-1m": "1920"})
    assert budget.read_delay(essential=True) == 60


def test_entries_stop_before_exits_do():
    budget, _ = a_budget(960)
    budget.note_headers({"X-MBX-ORDER-COUNT-10S": "180", "X-MBX-ORDER-COUNT-1M": "180"})
    assert budget.order_delay(reducing=False) == 10
    assert budget.order_delay(reducing=True) == 0
    budget.note_headers({"X-MBX-ORDER-COUNT-10S": "240"})
    assert budget.order_delay(reducing=True) == 10


def test_counts_of_the_websocket_api_count_too_and_minus_one_says_nothing():
    budget, _ = a_budget(960)
    budget.note_counts(
        [WireRateLimit("ORDERS", "SECOND", 10, 300, 200), WireRateLimit("REQUEST_WEIGHT", "MINUTE", 1, -1, -1)]
    )
    assert budget.order_delay(reducing=False) == 10
    assert budget.used_weight == 0


def test_published_limits_replace_the_assumed_ones():
    budget, _ = a_budget()
    budget.learn([WireRateLimit("REQUEST_WEIGHT", "MINUTE", 1, 6_000), WireRateLimit("ORDERS", "SECOND", 10, 100)])
    assert budget.weight_limit == 6_000
    budget.note_headers({"X-MBX-ORDER-COUNT-10S": "60"})
    assert budget.order_delay(reducing=False) > 0


def test_a_ban_silences_everything_until_the_time_given():
    budget, clock = a_budget(1_000)
    budget.ban(120)
    assert budget.order_delay(reducing=True) == 120
    assert budget.read_delay(essential=True) == 120
    assert budget.banned_until_ms() == 1_120_000
    clock.seconds = 1_120
    assert budget.read_delay(essential=True) == 0
    assert budget.banned_until_ms() == 0


def test_a_ban_without_a_time_is_still_a_ban_and_leaves_time_to_come_back_within_30_s():
    budget, _ = a_budget()
    budget.ban(0)
    assert budget.banned_seconds() == pytest.approx(20)


def test_too_many_orders_pauses_entries_only():
    budget, _ = a_budget()
    budget.pause_entries(10)
    assert budget.order_delay(reducing=False) == 10
    assert budget.order_delay(reducing=True) == 0
