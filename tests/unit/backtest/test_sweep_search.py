"""The search finds the same with the same seed, and looks where it is better."""

from backtest.sweep.grid import read_grid
from backtest.sweep.search import search
from backtest.sweep.work import CONFIRMED, FAILED, Found

GRID = read_grid(["k=1:20:1", "adx_max=1:20:1"])


def hill(numbers):
    """Best at (15, 5); the drawdown grows with k."""
    found = {}
    for number in numbers:
        k, adx_max = GRID.places(number)
        pnl = 100 - (k - 15) ** 2 - (adx_max - 5) ** 2
        found[number] = Found(number, CONFIRMED, {"pnl": str(pnl), "max_drawdown": str(k)})
    return found


def asked_by(trials, objectives=("pnl",), seed=1, answer=hill):
    asked = []

    def try_all(numbers):
        asked.extend(numbers)
        return answer(numbers)

    return search(GRID, trials, objectives, seed, try_all), asked


def test_the_same_seed_asks_for_the_same():
    assert asked_by(24) == asked_by(24)
    assert asked_by(24) != asked_by(24, seed=2)


def test_it_asks_as_often_as_it_was_told():
    assert len(asked_by(21)[1]) == 21


def test_it_looks_where_it_is_better():
    best, asked = asked_by(80)
    pnls = [100 - (k - 15) ** 2 - (adx_max - 5) ** 2 for k, adx_max in map(GRID.places, asked)]
    assert sum(pnls[40:]) > sum(pnls[:40])
    assert max(pnls) > 90
    assert pnls[asked.index(best[0])] == max(pnls)


def test_several_objectives_give_those_that_none_surpasses():
    best, asked = asked_by(40, ("pnl", "max_drawdown"))
    points = {
        number: (float(one.figures["pnl"]), -float(one.figures["max_drawdown"])) for number, one in hill(asked).items()
    }
    for number in best:
        mine = points[number]
        assert not [each for each in points.values() if each != mine and each[0] >= mine[0] and each[1] >= mine[1]]
    assert len(best) > 1


def test_what_failed_or_has_no_value_is_passed_over():
    def answer(numbers):
        found = hill(numbers)
        return {
            number: Found(number, FAILED, error="no")
            if number % 2
            else Found(number, CONFIRMED, {"pnl": None})
            if number % 3
            else one
            for number, one in found.items()
        }

    best, _ = asked_by(40, answer=answer)
    assert all(number % 6 == 0 for number in best)


def test_words_are_chosen_among_too():
    grid = read_grid(["entry=market,limit", "k=1,2"])

    def try_all(numbers):
        return {number: Found(number, CONFIRMED, {"pnl": str(number)}) for number in numbers}

    assert search(grid, 16, ("pnl",), 0, try_all) == [3]
