"""Incidents of the runtime: opened once, closed once, never left open by a process that was killed."""

from bot.runtime.incidents import Incidents
from support.clocks import TestClock


def some_incidents() -> tuple[Incidents, list, TestClock]:
    written, clock = [], TestClock(1_000)
    return Incidents(clock, written.extend), written, clock


def test_what_a_killed_process_left_open_is_closed_by_the_next_one():
    first, left, _ = some_incidents()
    first.open("stream_down", "user", "reset")
    second, written, clock = some_incidents()
    clock.seconds = 1_007
    second.inherit(left)
    (row,) = written
    assert (row.incident_id, row.closed_ms) == (left[0].incident_id, 1_007_000)


def test_the_cores_own_incidents_are_left_to_the_core():
    first, left, _ = some_incidents()
    first.open("dust", "BTCUSDT", "0.001 left")
    second, written, _ = some_incidents()
    second.inherit(left)
    assert written == []


def test_a_fault_of_a_moment_is_never_open_and_is_counted_within_a_minute():
    incidents, written, clock = some_incidents()
    incidents.note("candle_revised", "BTCUSDT", "again")
    clock.seconds += 30
    incidents.note("candle_revised", "BTCUSDT", "again")
    clock.seconds += 60
    incidents.note("candle_revised", "BTCUSDT", "again")
    assert [(row.count, row.closed_ms) for row in written] == [(1, 1_000_000), (2, 1_030_000), (1, 1_090_000)]
    assert len({row.incident_id for row in written}) == 2
