from datetime import UTC, datetime
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from database.columns import InexactAmountError, to_amount, to_datetime, to_ms, to_units, to_units_towards_zero

LARGEST = Decimal("92233720368.54775807")


@given(st.integers(-(2**63) + 1, 2**63 - 1))
def test_every_amount_that_fits_comes_back_exactly(units):
    amount = to_amount(units)
    assert to_units(amount) == units
    assert amount == Decimal(units).scaleb(-8)


@given(st.integers(-(2**63) + 1, 2**63 - 1))
def test_amounts_come_back_as_the_wire_writes_them(units):
    text = format(to_amount(units), "f")
    assert "E" not in text
    assert not ("." in text and text.endswith("0"))


@pytest.mark.parametrize("text", ["0", "-0", "0.00000001", "-0.00000001", "123456789.12345678", str(LARGEST), "1E+3"])
def test_extreme_amounts_are_exact(text):
    assert to_amount(to_units(Decimal(text))) == Decimal(text)


@pytest.mark.parametrize("text", ["0.000000001", "1.123456789", "92233720368.54775808", "-1E+30", "NaN", "Infinity"])
def test_what_would_not_be_exact_is_refused(text):
    with pytest.raises(InexactAmountError):
        to_units(Decimal(text))


def test_a_cut_amount_lies_towards_zero():
    assert to_amount(to_units_towards_zero(Decimal("1.999999999"))) == Decimal("1.99999999")
    assert to_amount(to_units_towards_zero(Decimal("-1.999999999"))) == Decimal("-1.99999999")
    assert to_amount(to_units_towards_zero(Decimal("1E+20"))) == LARGEST


def test_no_amount_at_all_cannot_be_cut():
    with pytest.raises(InexactAmountError):
        to_units_towards_zero(Decimal("NaN"))


@given(st.integers(0, 4_102_444_800_000))
def test_times_survive_the_way_to_people_and_back(at_ms):
    moment = to_datetime(at_ms)
    assert moment.tzinfo is UTC
    assert to_ms(moment) == at_ms


def test_a_time_without_a_zone_is_refused():
    with pytest.raises(ValueError, match="no time zone"):
        to_ms(datetime(2025, 1, 1))
