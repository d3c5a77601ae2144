"""When `act parity` raises an alert."""

from argparse import ArgumentTypeError

import pytest

from backtest.parity.command import Limit
from support.parity_rows import Story, compared


def a_difference(pnl):
    bot = Story()
    bot.enter(10, fill="100")
    bot.leave(20, fill="110")
    bot.trip(10, pnl)
    return compared(Story(), bot)


@pytest.mark.parametrize(("pnl", "passed"), [("25", False), ("25.01", True), ("-25", False), ("-25.01", True)])
def test_an_amount_is_passed_by_more_than_it_either_way(pnl, passed):
    assert Limit.of("25").is_passed(a_difference(pnl)) is passed


def test_a_share_is_passed_by_more_differing_decisions():
    found = a_difference("0")
    assert found.differing_share == 1
    assert Limit.of("99.9%").is_passed(found)
    assert not Limit.of("100%").is_passed(found)


@pytest.mark.parametrize("text", ["", "x", "-1", "nan", "5%%", "%"])
def test_what_is_neither_is_refused(text):
    with pytest.raises(ArgumentTypeError, match="neither an amount such as 25 nor a share such as 5%"):
        Limit.of(text)
