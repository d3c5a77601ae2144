from decimal import Decimal

import pytest

from dashboard import format as shown


@pytest.mark.parametrize(
    ("amount", "text"),
    [
        (Decimal("1234567.895"), "+1,234,567.90"),
        (Decimal("-0.004"), "0.00"),
        (Decimal(0), "0.00"),
        (-12.3, "-12.30"),
        (None, "-"),
    ],
)
def test_a_signed_amount_prints_its_sign_and_zero_has_none(amount, text):
    assert shown.signed(amount) == text


def test_a_quantity_keeps_all_its_decimals_and_none_too_many():
    assert shown.exact(Decimal("1200.00400")) == "1,200.004"
    assert shown.exact(Decimal(50)) == "50"


@pytest.mark.parametrize(("step", "places"), [("0.10", 1), ("0.00001", 5), ("5", 0), ("10", 0)])
def test_decimals_follow_the_tick(step, places):
    assert shown.places_of(Decimal(step)) == places


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(-3, "0 s"), (59, "59 s"), (61, "1 m 01 s"), (7_500, "2 h 05 m"), (187_200, "2 d 04 h")],
)
def test_a_duration_shows_its_two_largest_units(seconds, text):
    assert shown.duration(seconds) == text


def test_a_young_age_has_tenths():
    assert shown.age(420) == "0.4 s"
    assert shown.age(65_000) == "1 m 05 s"
    assert shown.age(None) == "-"


def test_times_are_utc():
    assert shown.clock(1_748_000_096_000) == "11:34:56"
    assert shown.stamp(1_748_000_096_000) == "05-23 11:34:56"
    assert shown.minute(1_748_000_096_000) == "05-23 11:34"
    assert shown.day(1_748_000_096_000) == "2025-05-23 11:34:56"
    assert shown.stamp(0) == "-"


def test_sides_are_words():
    assert [shown.side_word(Decimal(q)) for q in ("0.1", "-2", "0")] == ["LONG", "SHORT", "FLAT"]


def test_tone_follows_the_sign():
    assert [shown.tone(amount) for amount in (Decimal(1), Decimal(-1), Decimal(0), None)] == [
        "up",
        "down",
        "flat",
        "flat",
    ]


def test_outside_text_cannot_become_markup():
    assert shown.safe('<b a="x">&') == "&lt;b a=&quot;x&quot;&gt;&amp;"


def test_shares_and_reason_codes_become_words():
    assert shown.percent(Decimal("0.255")) == "25.5 %"
    assert shown.words("global_trade_spacing") == "global trade spacing"
