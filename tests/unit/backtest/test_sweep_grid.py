"""Which combinations `--param` means."""

import pytest

from backtest.sweep.grid import MOST_COMBINATIONS, read_grid
from bot.domain.errors import ConfigurationError


def values(*given):
    return [axis.values for axis in read_grid(given).axes]


def test_a_range_includes_its_last_value_and_steps_exactly():
    assert values("k=1.5:2:0.1") == [("1.5", "1.6", "1.7", "1.8", "1.9", "2")]


def test_a_range_ends_before_a_last_value_that_no_step_reaches():
    assert values("adx_max=10:19:4") == [("10", "14", "18")]


def test_one_value_is_a_range_too():
    assert values("k=2:2:1") == [("2",)]


def test_a_list_of_numbers_is_sorted_so_that_the_next_one_is_a_neighbour():
    assert values("notional=1000,50,200.0") == [("50", "200", "1000")]


def test_a_list_of_words_keeps_its_order():
    assert values("execution.entry=market,limit") == [("market", "limit")]


def test_the_last_axis_changes_fastest():
    grid = read_grid(["k=1,2", "adx_max=15,20,25"])
    assert len(grid) == 6
    assert [grid.parameters(number)["adx_max"] for number in range(4)] == ["15", "20", "25", "15"]
    assert grid.parameters(3) == {"k": "2", "adx_max": "15"}
    assert [grid.number(grid.places(number)) for number in range(6)] == list(range(6))


def test_neighbours_are_one_step_away_in_one_parameter():
    grid = read_grid(["k=1,2,3", "adx_max=15,20,25"])
    assert sorted(grid.neighbours(4)) == [1, 3, 5, 7]
    assert sorted(grid.neighbours(0)) == [1, 3]


def test_words_have_no_neighbours():
    grid = read_grid(["execution.entry=market,limit,post_only", "k=1,2"])
    assert sorted(grid.neighbours(2)) == [3]


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ([], "at least one --param"),
        (["k"], "write name=first:last:step or name=a,b,c"),
        (["=1,2"], "write name="),
        (["k="], "write name="),
        (["k=1:2"], "three numbers"),
        (["k=1:2:x"], "three numbers"),
        (["k=1:NaN:1"], "three numbers"),
        (["k=1:2:0"], "step must be above 0"),
        (["k=3:2:1"], "first must not lie above last"),
        (["k=1,,2"], "empty"),
        (["k=1,2,1.0"], "given twice"),
        (["entry=a,a"], "given twice"),
        (["k=1,2", "k=3,4"], "given twice"),
        (["k=0:1:0.000000001"], "Take a larger step"),
        (["k=0:1e30:1"], "Take a larger step"),
        (["k=1:1000:1", "adx_max=1:1000:1"], f"more than {MOST_COMBINATIONS:,} combinations"),
    ],
)
def test_what_makes_no_grid_is_refused_in_one_line(given, said):
    with pytest.raises(ConfigurationError) as raised:
        read_grid(given)
    assert said in str(raised.value)
    assert "\n" not in str(raised.value)
