"""Windows, and choosing on one to judge on the next."""

from decimal import Decimal

import pytest

from backtest.errors import DataError
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


def no_holes(from_ms, to_ms):
    return to_ms - from_ms


def candles_outside(*holes):
    """Say how much of a span has candles, where these spans (from, to) have none."""

    def covered(from_ms, to_ms):
        return sum(not any(first <= at < end for first, end in holes) for at in range(from_ms, to_ms))

    return covered


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
    got = walk_forward(run_made_of(table), windows(0, 80, 40, 20), {"k": ["1", "2"]}, no_holes)
    assert [(walk.parameters, walk.in_pnl, walk.out_pnl) for walk in got.walks] == [
        ({"k": "2"}, Decimal(8), Decimal(-3)),
        ({"k": "1"}, Decimal(7), Decimal(5)),
    ]
    assert (got.out_pnl, got.profitable) == (2, 1)
    assert got.efficiency == pytest.approx((2 / 40) / (15 / 80))


def test_of_equal_scores_the_first_of_the_grid_wins():
    table = {("1", 0, 40): 5, ("2", 0, 40): 5, ("1", 40, 50): 1}
    got = walk_forward(run_made_of(table), windows(0, 50, 40, 20), {"k": ["1", "2"]}, no_holes)
    assert got.walks[0].parameters == {"k": "1"}


def test_another_score_may_choose():
    table = {("1", 0, 40): 5, ("2", 0, 40): 8, ("1", 40, 50): 1}
    worst = walk_forward(
        run_made_of(table),
        windows(0, 50, 40, 20),
        {"k": ["1", "2"]},
        no_holes,
        score=lambda outcome: -outcome.trades[0].pnl,
    )
    assert worst.walks[0].parameters == {"k": "1"}


def test_efficiency_is_absent_without_profit_in_sample():
    table = {("1", 0, 40): -5, ("1", 40, 50): 1}
    assert walk_forward(run_made_of(table), windows(0, 50, 40, 20), {"k": ["1"]}, no_holes).efficiency is None


HOLE = candles_outside((30, 60))


def test_windows_without_candles_in_a_part_are_left_out_and_the_others_go_on():
    earned = {(0, 20): 8, (20, 30): 2, (50, 70): 8, (70, 80): 3, (60, 80): 4, (80, 90): 1}
    table = {("1", *span): pnl for span, pnl in earned.items()}
    got = walk_forward(run_made_of(table), windows(0, 90, 20, 10), {"k": ["1"]}, HOLE)
    assert [walk.window.split_ms for walk in got.walks] == [20, 70, 80]
    assert [(each.window.split_ms, each.reason) for each in got.left_out] == [
        (30, "no candles out of sample to judge on"),
        (40, "no candles out of sample to judge on"),
        (50, "no candles"),
        (60, "no candles in sample to choose on"),
    ]
    assert got.out_pnl == 6


def test_efficiency_counts_the_time_that_has_candles():
    table = {("1", 50, 70): 8, ("1", 70, 80): 3}
    got = walk_forward(run_made_of(table), [Window(50, 70, 80)], {"k": ["1"]}, HOLE)
    assert (got.walks[0].in_ms, got.walks[0].out_ms) == (10, 10)
    assert got.efficiency == pytest.approx((3 / 10) / (8 / 10))


def test_data_of_which_no_window_can_be_made_is_refused():
    with pytest.raises(DataError, match="walk-forward: no window has candles both to choose on and to judge on"):
        walk_forward(run_made_of({}), [Window(20, 40, 50)], {"k": ["1"]}, HOLE)
