import pytest

from bot.runtime.vitals import Stage, state_of
from bot.trading.view import GateView, HaltView, View

BY_A_PERSON = HaltView("paused", "", 0, "paused by ada")
LIMIT = HaltView("daily_loss", "", 0, "lost 500")
ONE_SYMBOL = HaltView("liquidated", "BTCUSDT", 0, "autoclose")
STALE = GateView("data_stale", "BTCUSDT", "no data")
KILLED = GateView("kill_switch", "", "status/KILL exists")


@pytest.mark.parametrize(
    ("view", "state"),
    [
        (View(1), ("running", "")),
        (View(1, halts=(BY_A_PERSON,), paused=True), ("paused", "entries are paused by a person")),
        (View(1, halts=(BY_A_PERSON, LIMIT), paused=True), ("halted", "daily_loss: lost 500")),
        (View(1, halts=(BY_A_PERSON,), paused=True, gates=(STALE,)), ("degraded", "data_stale BTCUSDT no data")),
        (View(1, gates=(KILLED,)), ("paused", "kill_switch")),
        (View(1, halts=(ONE_SYMBOL,)), ("running", "")),
    ],
)
def test_the_state_is_the_worst_that_is_true(view, state):
    assert state_of(Stage("running"), view) == state


def test_a_task_that_was_given_up_halts_whatever_else_is_good():
    assert state_of(Stage("running", "task flush: full", ("flush",)), View(1)) == ("halted", "task flush: full")


def test_before_and_after_trading_the_stage_is_the_state():
    assert state_of(Stage("draining", "stopped by a signal"), View(1, gates=(STALE,)))[0] == "draining"
