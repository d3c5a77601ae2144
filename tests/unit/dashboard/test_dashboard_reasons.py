from datetime import UTC, datetime
from decimal import Decimal

import pytest

from bot.domain.order import Side
from bot.domain.records import Decision
from dashboard import data
from dashboard.data import Situation
from dashboard.heartbeat import Heartbeat, Pulse, Sign
from dashboard.reasons import box, verdict
from support.dashboard_rows import NOW_MS, a_fill, a_position, a_trade, an_order

INPUTS = {"close": 64_000.0, "vwap": 64_010.0, "lower": 63_900.0, "upper": 64_120.0, "adx": 14.2, "candles": 400}


def a_sign(pulse=Pulse.ALIVE, **fields):
    return Sign(Heartbeat(ts=datetime(2025, 5, 23, tzinfo=UTC), **({"state": "running"} | fields)), pulse, 1.0)


def a_situation(**fields):
    known = {
        "sign": a_sign(),
        "verdict": "",
        "inputs": INPUTS,
        "at_ms": NOW_MS,
        "position": None,
        "decision": None,
        "places": 1,
        "adx_max": 20.0,
    }
    return Situation(**(known | fields))


def a_refusal(**fields):
    known = {
        "decision_id": "d1",
        "symbol": "BTCUSDT",
        "strategy": "vwap_reversion",
        "at_ms": NOW_MS,
        "action": "refuse",
        "side": Side.BUY,
        "reason": "global_trade_spacing",
        "price": Decimal(63_800),
        "quantity": Decimal(0),
        "inputs": "{}",
        "gates": "{}",
        "sizing": "{}",
        "intent_id": "",
        "retry_ms": NOW_MS + 60_000,
        "config_hash": "",
        "code_version": "",
    }
    return Decision(**(known | fields))


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"sign": a_sign(Pulse.DEAD)}, "The bot is not running"),
        ({"sign": a_sign(state="halted", reason="daily_loss")}, "Entries are off: the bot is halted (daily_loss)."),
        (
            {"position": a_position()},
            "it leaves at the VWAP, now 64,010.0, or by its stop at 64,852.6.",
        ),
        ({"at_ms": 0, "inputs": {}}, "Not evaluated yet"),
        ({}, "a close below 63,900.0 or above 64,120.0 is needed"),
        ({"inputs": INPUTS | {"adx": 31.0}}, "Inside the band and trending: ADX 31.0 is not below 20."),
        ({"inputs": INPUTS | {"adx": 31.0, "close": 63_000.0}}, "Outside the band, but trending"),
        ({"inputs": INPUTS | {"close": 63_000.0}, "decision": a_refusal()}, "refused: global trade spacing"),
        ({"inputs": {}, "verdict": "no VWAP: nothing was traded"}, "no VWAP: nothing was traded"),
    ],
)
def test_the_strongest_cause_comes_first(fields, words):
    assert words in verdict(a_situation(**fields))


def test_the_box_lists_the_numbers_behind_it_and_the_last_decision():
    markup = box("BTCUSDT", a_situation(decision=a_refusal()))
    for text in ("Why no trade now", "64,000.0", "ADX(14)", "14.2", "Refused: global trade spacing", "05-23 11:35:56"):
        assert text in markup


def test_without_a_decision_the_box_says_so():
    assert "no signal has been given" in box("BTCUSDT", a_situation())


def test_fills_of_one_order_are_one_marker_with_their_result():
    fills = (
        a_fill(1, Side.BUY, "entry", order="e1"),
        a_fill(2, Side.BUY, "entry", order="e1"),
        a_fill(3, Side.SELL, "exit", "2.1", "x1", time_ms=NOW_MS + 60_000),
        a_fill(4, Side.SELL, "exit", "2.1", "x1", time_ms=NOW_MS + 61_000),
        a_fill(5, Side.SELL, "entry", order="e2", time_ms=NOW_MS + 120_000),
        a_fill(6, Side.BUY, "stop", "-9.8", "s2", time_ms=NOW_MS + 180_000),
    )
    assert [(marker.kind, marker.word) for marker in data.markers(fills)] == [
        ("long", "LONG"),
        ("exit", "EXIT +4.20"),
        ("short", "SHORT"),
        ("stop", "STOP -9.80"),
    ]


def test_only_trips_that_began_in_the_window_are_drawn():
    trade = a_trade()
    assert data.trips((trade,), trade.entry_ms + 1) == ()
    (trip,) = data.trips((trade,), trade.entry_ms)
    assert trip.won


def test_levels_are_entry_stop_and_priced_orders_of_the_symbol():
    found = data.levels("BTCUSDT", (a_position(stop_rests=False),), (an_order(), an_order(price=Decimal(0))), 1)
    assert [level.word for level in found] == [
        "ENTRY 64,210.5",
        "STOP NOT RESTING 64,852.6",
        "BUY 0.015 @ 64,371.0 (2/5)",
    ]
    assert data.levels("ETHUSDT", (a_position(),), (an_order(),), 1) == ()
