"""What is kept of the core's rows."""

from decimal import Decimal

import numpy as np
import pytest

from backtest.lane import Lane
from backtest.notebook import Notebook
from bot.domain.errors import StopTrading
from bot.domain.fill import Transfer
from bot.domain.records import Incident, TradeRow
from support.backtest_outcomes import MINUTE, MONDAY, a_series


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


def a_row(pnl):
    prices = {"entry_price": Decimal(100), "exit_price": Decimal(101), "fees": Decimal(0), "funding": Decimal(0)}
    return TradeRow(
        symbol="BTCUSDT",
        trip=1,
        side="LONG",
        quantity=Decimal(1),
        entry_ms=MONDAY,
        exit_ms=MONDAY + MINUTE,
        pnl=Decimal(pnl),
        exit_reason="signal",
        entry_decision_id="",
        **prices,
    )


def test_a_round_trip_that_is_corrected_later_keeps_the_prices_it_was_decided_at():
    lane = Lane(a_series([100, 101]), np.zeros(2, np.uint8), None, MINUTE, 0, has_tiers=False)
    notebook = Notebook({"BTCUSDT": lane})
    lane.entry_decision_price, lane.exit_decision_price = Decimal(99), Decimal(102)
    notebook.take(a_row(pnl=1))
    lane.entry_decision_price, lane.exit_decision_price = Decimal(1), Decimal(2)
    notebook.take(a_row(pnl=3))
    (trade,) = notebook.trades(MINUTE)
    assert (trade.entry_decision_price, trade.exit_decision_price, trade.pnl) == (Decimal(99), Decimal(102), Decimal(3))
