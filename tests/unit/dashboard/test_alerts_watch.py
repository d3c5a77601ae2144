from datetime import UTC, datetime

from dashboard.alerts.watch import HeartbeatWatch, Turn
from dashboard.heartbeat import Heartbeat, Pulse, Sign

BEAT = Heartbeat(ts=datetime(2025, 5, 23, 11, 34, 56, tzinfo=UTC), state="running")
ALIVE = Sign(BEAT, Pulse.ALIVE, 1.0)
DEAD = Sign(BEAT, Pulse.DEAD, 11.0)
NEVER = Sign(None, Pulse.NEVER, float("inf"))
STOPPED = Sign(BEAT, Pulse.STOPPED, 100.0)


def test_a_dead_heartbeat_is_told_once_and_its_return_once():
    watch = HeartbeatWatch()
    told = [watch.look(sign, 0.0) for sign in (ALIVE, DEAD, DEAD, ALIVE, ALIVE)]
    assert [news.turn if news else None for news in told] == [None, Turn.DEAD, None, Turn.BACK, None]


def test_a_restarted_watcher_tells_of_the_return():
    first = HeartbeatWatch()
    dead = first.look(DEAD, 0.0)
    second = HeartbeatWatch(first.died_ms)
    assert second.look(DEAD, 0.0).key == dead.key
    assert second.look(ALIVE, 0.0).turn is Turn.BACK
    assert HeartbeatWatch(second.died_ms).look(ALIVE, 0.0) is None


def test_the_same_death_has_the_same_key():
    assert HeartbeatWatch().look(DEAD, 0.0).key == HeartbeatWatch().look(DEAD, 5.0).key


def test_a_stopped_bot_is_not_dead():
    assert HeartbeatWatch().look(STOPPED, 0.0) is None


def test_a_bot_that_never_started_is_told_after_a_minute():
    watch = HeartbeatWatch()
    assert watch.look(NEVER, 59.0) is None
    assert watch.look(NEVER, 61.0).title == "The bot has written no heartbeat"
