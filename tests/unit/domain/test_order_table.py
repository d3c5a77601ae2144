"""The order table: every legal step, and that nothing else moves an order."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from bot.domain.order import (
    STEPS,
    WIRE_STEPS,
    AlgoReport,
    OrderReport,
    OrderState,
    Side,
    Step,
    merge_algo_reports,
    merge_reports,
    next_state,
)

A_REPORT = OrderReport(
    symbol="BTCUSDT",
    order_id=1,
    client_order_id="a",
    status="NEW",
    side=Side.BUY,
    type="LIMIT",
    time_in_force="GTC",
    quantity=Decimal(10),
    price=Decimal(100),
    executed_quantity=Decimal(0),
    updated_ms=5,
)
AN_ALGO = AlgoReport(
    symbol="BTCUSDT",
    algo_id=1,
    client_algo_id="s",
    status="NEW",
    side=Side.SELL,
    type="STOP_MARKET",
    quantity=Decimal(0),
    price=Decimal(0),
    trigger_price=Decimal(99),
    working_type="CONTRACT_PRICE",
    close_position=True,
    reduce_only=False,
    updated_ms=5,
)


def a_report(status, executed=0, at=5, **more):
    return replace(A_REPORT, status=status, executed_quantity=Decimal(executed), updated_ms=at, **more)


def test_the_table_names_every_state():
    assert set(STEPS) == set(OrderState)


def test_every_state_but_filled_can_be_left_and_no_end_becomes_live_again_but_a_wrongly_proven_absence():
    for state in OrderState:
        for step, after in STEPS[state].items():
            if state.is_final and state is not OrderState.REJECTED:
                assert after.is_final, (state, step)
    assert STEPS[OrderState.FILLED] == {}


@pytest.mark.parametrize(
    ("state", "step", "after"),
    [
        (OrderState.SENT, Step.FILLED, OrderState.FILLED),
        (OrderState.CANCELLING, Step.FILLED, OrderState.FILLED),
        (OrderState.CANCELLING, Step.PARTIALLY_FILLED, OrderState.CANCELLING),
        (OrderState.CANCELLED, Step.FILLED, OrderState.FILLED),
        (OrderState.FILLED, Step.NEW, OrderState.FILLED),
        (OrderState.PARTIALLY_FILLED, Step.NEW, OrderState.PARTIALLY_FILLED),
        (OrderState.UNKNOWN, Step.LOST, OrderState.UNKNOWN),
        (OrderState.UNKNOWN, Step.CANCEL_ASKED, OrderState.UNKNOWN),
        (OrderState.RESTING, Step.PROVEN_ABSENT, OrderState.RESTING),
        (OrderState.REJECTED, Step.NEW, OrderState.RESTING),
        (OrderState.SENT, None, OrderState.SENT),
    ],
)
def test_the_odd_pairs(state, step, after):
    assert next_state(state, step) is after


def test_an_older_report_changes_nothing():
    known = a_report("PARTIALLY_FILLED", 3)
    assert merge_reports(known, a_report("NEW", 0, 9)) is None
    assert merge_reports(known, a_report("NEW", 3, 9)) is None
    assert merge_reports(known, a_report("PARTIALLY_FILLED", 2, 9)) is None
    assert merge_reports(known, a_report("PARTIALLY_FILLED", 3, 4)) is None


def test_the_same_report_again_is_the_same_knowledge():
    known = a_report("CANCELED", 3)
    assert merge_reports(known, known) == known


def test_a_report_keeps_what_it_cannot_tell():
    known = a_report("NEW", algo_id=7, expiry_reason="2")
    merged = merge_reports(known, a_report("FILLED", 10, 4))
    assert (merged.algo_id, merged.expiry_reason, merged.updated_ms) == (7, "2", 5)


def test_a_proof_of_absence_is_forgotten_when_the_order_appears():
    absent = a_report("", expiry_reason="absent", at=0)
    assert merge_reports(absent, a_report("NEW")).expiry_reason == ""


def test_an_execution_told_after_the_end_counts_and_the_end_stays():
    merged = merge_reports(a_report("CANCELED", 3), a_report("PARTIALLY_FILLED", 4, 6))
    assert (merged.status, merged.executed_quantity) == ("CANCELED", Decimal(4))


def test_an_unknown_status_is_kept_and_moves_nothing():
    assert WIRE_STEPS.get("NEW_MYSTERY") is None
    assert merge_reports(a_report("NEW"), a_report("NEW_MYSTERY")).status == "NEW_MYSTERY"


def test_a_known_status_replaces_an_unknown_one():
    known = a_report("NEW_MYSTERY", 3)
    assert merge_reports(known, a_report("PARTIALLY_FILLED", 3, 4)) is None
    assert merge_reports(known, a_report("PARTIALLY_FILLED", 3)).status == "PARTIALLY_FILLED"
    assert merge_reports(known, a_report("CANCELED", 3, 4)).status == "CANCELED"
    assert merge_reports(a_report("CANCELED", 3), a_report("NEW_MYSTERY", 3, 9)) is None
    assert merge_algo_reports(replace(AN_ALGO, status="NEW_MYSTERY"), AN_ALGO).status == "NEW"


def test_a_conditional_order_never_goes_back():
    known = replace(AN_ALGO, status="TRIGGERED", actual_order_id=9)
    assert merge_algo_reports(known, replace(AN_ALGO, updated_ms=9)) is None
    assert merge_algo_reports(known, replace(known, updated_ms=4)) is None
    assert merge_algo_reports(known, replace(AN_ALGO, status="FINISHED")).actual_order_id == 9


reports = st.builds(
    a_report,
    st.sampled_from(["NEW", "PARTIALLY_FILLED", "FILLED", "CANCELED", "EXPIRED"]),
    st.integers(0, 10),
    st.integers(0, 9),
)


@given(st.lists(reports, min_size=1, max_size=8))
def test_whatever_is_reported_in_whatever_order_what_is_executed_never_falls(sequence):
    known, state = a_report("", at=0), OrderState.SENT
    for report in sequence:
        merged = merge_reports(known, report)
        if merged is None:
            continue
        assert merged.executed_quantity >= known.executed_quantity
        after = next_state(state, WIRE_STEPS[report.status])
        assert after.is_final or not state.is_final
        known, state = merged, after


def test_a_side_knows_its_sign_and_its_opposite():
    assert (Side.BUY.sign, Side.SELL.sign) == (1, -1)
    assert (Side.BUY.opposite, Side.SELL.opposite) == (Side.SELL, Side.BUY)
