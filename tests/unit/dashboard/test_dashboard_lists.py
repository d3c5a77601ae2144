from decimal import Decimal

import pytest

from bot.domain.order import Side
from bot.domain.records import Alert
from dashboard import lists
from dashboard.lists import unrealized
from database.views import NumberedAlert
from support.dashboard_rows import MARKET, NOW_MS, a_fill, a_position, a_trade, an_order


def test_a_short_gains_when_the_price_falls():
    assert unrealized(a_position()) == Decimal("3.15")
    assert unrealized(a_position(last_close=None)) is None


def test_a_position_is_listed_with_side_signed_result_and_resting_stop():
    markup = lists.positions([a_position()], MARKET)
    for text in ("SHORT", "0.015", "64,210.5", "64,000.5", "+3.15", "+0.33 %", "64,852.6", "at exchange", "3 m 05 s"):
        assert f">{text}<" in markup


def test_a_stop_that_does_not_rest_is_called_out():
    assert "NOT RESTING" in lists.positions([a_position(stop_rests=False, stop_state="unknown")], MARKET)


def test_an_order_is_listed_with_life_left_attempt_and_share_filled():
    markup = lists.orders([an_order()], MARKET)
    for text in ("BUY", "entry", "64,371.0", "0.20 %", "40 %", "15 s", "2/5", "partially filled"):
        assert f">{text}<" in markup


def test_a_market_order_without_ttl_and_an_order_of_somebody_else_have_words():
    markup = lists.orders([an_order(price=Decimal(0), expires_ms=0, purpose="", attempt=0)], MARKET)
    assert ">market<" in markup
    assert ">not ours<" in markup


def test_a_fill_is_listed_with_role_fee_and_result():
    markup = lists.fills([a_fill(side=Side.SELL, purpose="exit", realized="-1.5")], MARKET)
    for text in ("05-23 11:34:56", "SELL", "exit", "maker", "0.1280 USDT", "-1.50"):
        assert f">{text}<" in markup


def test_a_round_trip_is_listed_with_result_duration_and_exit():
    markup = lists.trades([a_trade()], MARKET)
    for text in ("SHORT", "+2.19", "10 m 00 s", "stop"):
        assert f">{text}<" in markup


@pytest.mark.parametrize(
    ("markup", "words"),
    [
        (lists.positions([], MARKET), "No positions yet: the bot is waiting for"),
        (lists.orders([], MARKET), "No open orders"),
        (lists.fills([], MARKET), "No fills yet"),
        (lists.trades([], MARKET), "No round trips yet"),
        (lists.alerts([]), "No alerts yet"),
    ],
)
def test_empty_lists_speak_in_words(markup, words):
    assert words in markup


def test_a_critical_alert_is_named_so_in_words():
    alert = Alert("a1", NOW_MS, "CRITICAL", "halt", "", "daily loss reached", "", "")
    markup = lists.alerts([NumberedAlert(1, alert)])
    assert "CRITICAL daily loss reached" in markup
