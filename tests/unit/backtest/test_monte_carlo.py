"""What reshuffling trades gives."""

import pytest

from backtest.monte_carlo import monte_carlo
from support.backtest_outcomes import MINUTE, MONDAY, a_trade


def trades(*pnl):
    return [
        a_trade(MONDAY + number * MINUTE, MONDAY + (number + 1) * MINUTE, "100", str(100 + amount))
        for number, amount in enumerate(pnl)
    ]


def test_there_is_nothing_to_shuffle_in_one_trade():
    assert monte_carlo(trades(5), seed=1) is None


def test_figures_of_the_trades_as_they_came():
    got = monte_carlo(trades(5, -3, -4, 10, -1), seed=1, runs=10)
    assert (got.pnl, got.drawdown) == (7, 7)


def test_a_loss_at_the_beginning_is_a_drawdown():
    assert monte_carlo(trades(-3, 4), seed=1, runs=10).drawdown == 3


def test_two_trades_have_two_orders():
    got = monte_carlo(trades(-3, 4), seed=1, runs=1_000)
    assert (got.shuffled_drawdown[5], got.shuffled_drawdown[95]) == (3, 3)
    got = monte_carlo(trades(-3, -4, 10), seed=1, runs=2_000)
    # Of six orders two begin with both losses (7), two end with both (7), two have the win between them (4).
    assert got.shuffled_drawdown[50] == 7
    assert got.shuffled_drawdown[5] == 4


def test_draws_with_repetition_have_the_mean_of_the_trades():
    got = monte_carlo(trades(*([10, -8] * 50)), seed=4, runs=2_000)
    assert got.drawn_pnl[50] == pytest.approx(100, abs=15)
    # 100 draws of +10 or -8: 18 x binomial(100, 1/2) - 800, standard deviation 90: one in 7.5 ends at a loss.
    assert got.losing_share == pytest.approx(0.136, abs=0.03)
    assert got.drawn_pnl[5] == pytest.approx(100 - 1.645 * 90, abs=25)


def test_draws_that_end_at_nothing_made_no_profit():
    assert monte_carlo(trades(0, 0, 0), seed=1, runs=10).losing_share == 1


def test_the_same_seed_gives_the_same_answer_whatever_order_the_trades_are_given_in():
    given = trades(5, -3, -4, 10, -1)
    assert monte_carlo(given, seed=1) == monte_carlo(given[::-1], seed=1)
    assert monte_carlo(given, seed=1) != monte_carlo(given, seed=2)
