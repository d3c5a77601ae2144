"""What is kept of the core's rows."""

from decimal import Decimal

import pytest

from backtest.notebook import Notebook
from bot.domain.errors import StopTrading
from bot.domain.fill import Transfer
from bot.domain.records import Incident


def an_incident(severity):
    return Incident("1", "books_differ", "BTCUSDT", severity, 1, 0, "2 here, 3 there", 1)


def test_books_that_differ_from_the_exchange_end_the_run():
    with pytest.raises(StopTrading, match="books_differ BTCUSDT: 2 here, 3 there"):
        Notebook({}).take(an_incident("CRITICAL"))


def test_lesser_incidents_are_rows_like_others_and_others_are_kept_where_asked_for():
    moved = Transfer("INSURANCE_CLEAR", 1_000, "BTCUSDT", "USDT", Decimal(-7))
    others = []
    notebook = Notebook({}, others)
    notebook.take(an_incident("WARNING"))
    notebook.take(moved)
    assert notebook.transfers == [moved]
    assert others == [an_incident("WARNING"), moved]
