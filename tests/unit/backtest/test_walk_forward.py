"""Windows, and choosing on one to judge on the next."""

from decimal import Decimal

import pytest

from backtest.walk_forward import Window, combinations, walk_forward, windows
from bot.domain.errors import ConfigurationError
from support.backtest_outcomes import a_trade, an_outcome


def test_out_of_sample_parts_follow_each_other_and_the_last_is_cut():
    assert windows(0, 100, 40, 25) == (Window(0, 40, 65), Window(25, 65, 90), Window(50, 90, 100))


def test_anchored_windows_all_begin_at_the_beginning():
    assert windows(0, 100, 40, 25, anchored=True) == (Window(0, 40, 65), Window(0, 65, 90), Window(0, 90, 100))


@pytest.mark.parametrize(("in_ms", "out_ms"), [(100, 10), (0, 10), (10, 0), (150, 10)])
def test_windows_that_do_not_fit_are_refused(in_ms, out_ms):
    with pytest.raises(ConfigurationError, match="walk-forward"):
        windows(0, 100, in_ms, out_ms)


def test_every_combination_of_a_grid_is_tried_in_order():
    grid = {"k": ["1", "2"], "adx": ["20", "30"]}
    assert list(combinations(grid)) == [
        {"k": "1", "adx": "20"},
        {"k": "1", "adx": "30"},
        {"k": "2", "adx": "20"},
        {"k": "2", "adx": "30"},
    ]
    assert list(combinations({})) == [{}]


def run_made_of(table):
    """Make a backtest whose only trade earns what the table says for its parameter and stretch."""

    def run(parameters, from_ms, to_ms):
        return an_outcome([a_trade(exit=str(100 + table[parameters["k"], from_ms, to_ms]))])

    return run


def test_the_best_in_sample_is_judged_out_of_sample():
    table = {
        ("1", 0, 40): 5,
        ("2", 0, 40): 8,
        ("2", 40, 60): -3,
        ("1", 20, 60): 7,
        ("2", 20, 60): 6,
        ("1", 60, 80): 5,
    }
    got = walk_forward(run_made_of(table), windows(0, 80, 40, 20), {"k": ["1", "2"]})
    assert [(walk.parameters, walk.in_pnl, walk.out_pnl) for walk in got.walks] == [
        ({"k": "2"}, Decimal(8), Decimal(-3)),
        ({"k": "1"}, Decimal(7), Decimal(5)),
    ]
    assert (got.out_pnl, got.profitable) == (2, 1)
    assert got.efficiency == pytest.approx((2 / 40) / (15 / 80))


def test_of_equal_scores_the_first_of_the_grid_wins():
    table = {("1", 0, 40): 5, ("2", 0, 40): 5, ("1", 40, 50): 1}
    got = walk_forward(run_made_of(table), windows(0, 50, 40, 20), {"k": ["1", "2"]})
    assert got.walks[0].parameters == {"k": "1"}


def test_another_score_may_choose():
    table = {("1", 0, 40): 5, ("2", 0, 40): 8, ("1", 40, 50): 1}
    worst = walk_forward(
        run_made_of(table), windows(0, 50, 40, 20), {"k": ["1", "2"]}, score=lambda outcome: -outcome.trades[0].pnl
    )
    assert worst.walks[0].parameters == {"k": "1"}


def test_efficiency_is_absent_without_profit_in_sample():
    table = {("1", 0, 40): -5, ("1", 40, 50): 1}
    assert walk_forward(run_made_of(table), windows(0, 50, 40, 20), {"k": ["1"]}).efficiency is None
