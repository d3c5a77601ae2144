"""How a sweep deals with what its runner finds."""

import pytest

from backtest.sweep.grid import read_grid
from backtest.sweep.store import Store
from backtest.sweep.sweep import ScreenDefect, Sweep
from backtest.sweep.work import CONFIRMED, FAILED, SCREENED, Found
from support.random_candles import random_case
from support.sweep_cases import a_plan, a_recording, free_terms

GRID = read_grid(["k=1:10:1"])
CASE = random_case(1)


class PlainStudy:
    """Gives every combination the same terms, at costs that a screen leaves out or not."""

    def __init__(self, left_out=()):
        self._left_out = left_out

    def terms(self, parameters):
        return free_terms(a_plan(CASE, k=parameters["k"]))

    def left_out(self, parameters, recording):
        return self._left_out


class Answering:
    """A runner that answers by a function and remembers what it was asked."""

    width, cpu_s = 2, 0.0

    def __init__(self, answer):
        self._answer = answer
        self.asked = []

    def run(self, batches):
        for batch in batches:
            for job in batch:
                self.asked.append(job)
                yield self._answer(job)


def a_sweep(answer, left_out=()):
    sweep = Sweep(GRID, PlainStudy(left_out), a_recording(BTCUSDT=CASE), Store(None))
    sweep.runner, sweep.told = Answering(answer), lambda: None
    return sweep


def worth(job):
    return Found(job.number, job.state, {"pnl": str(-abs(job.number - 6)), "trades": job.number})


def asked(sweep, state):
    return [job.number for job in sweep.runner.asked if job.state == state]


def test_all_are_screened_and_the_best_and_their_neighbours_confirmed_the_longest_first():
    sweep = a_sweep(worth)
    sweep.screen_and_confirm(2, "pnl")
    assert asked(sweep, SCREENED) == list(range(10))
    assert asked(sweep, CONFIRMED) == [7, 6, 5, 4]
    assert all(job.is_exact for job in sweep.runner.asked if job.state == CONFIRMED)
    assert sweep.combinations == 10


def test_what_cannot_be_screened_is_confirmed():
    def answer(job):
        unfit = job.number == 0 and job.state == SCREENED
        return Found(0, FAILED, error="cannot be screened") if unfit else worth(job)

    sweep = a_sweep(answer)
    sweep.screen_and_confirm(1, "pnl")
    assert sorted(asked(sweep, CONFIRMED)) == [0, 5, 6, 7]
    assert sweep.found[0].state == CONFIRMED


def test_costs_that_the_screen_leaves_out_are_no_reason_to_compare():
    sweep = a_sweep(worth, left_out=("funding",))
    sweep.screen_and_confirm(1, "pnl")
    assert not any(job.is_exact for job in sweep.runner.asked)


def test_a_defect_ends_the_sweep_and_names_combination_and_trade():
    sweep = a_sweep(lambda job: Found(job.number, CONFIRMED, {"pnl": "1"}, defect="screen A, core B"))
    with pytest.raises(ScreenDefect, match="differ at k=1: screen A, core B"):
        sweep.try_all([0, 1])
    assert sweep.found == {}


def test_nothing_is_tried_twice():
    sweep = a_sweep(worth)
    sweep.try_all([1, 2, 1])
    sweep.try_all([2, 3])
    assert asked(sweep, CONFIRMED) == [1, 2, 3]
