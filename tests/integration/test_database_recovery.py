import pytest

from bot.domain.books import Books, HistoryMark
from bot.domain.order import OrderState, Side
from bot.domain.records import RiskState
from database.recovery import OVERLAP_MS
from support.database_rows import (
    D,
    a_fill,
    a_funding,
    a_position,
    a_store,
    a_transfer,
    an_algo_order,
    an_incident,
    an_intent,
    an_opening,
    an_order,
    client_id,
)

HOUR_MS = OVERLAP_MS


@pytest.fixture
def store(tmp_path):
    made = a_store(tmp_path)
    yield made
    made.close()


def test_books_that_were_never_opened_are_empty(store):
    assert store.books() == Books(instance="abcd", wallets={})
    assert store.history_mark(["BTCUSDT"]) == HistoryMark(("BTCUSDT",), {}, {}, {}, 0, 0)


def test_wallets_are_calculated_from_the_rows(store):
    store.commit(
        [
            an_opening("1000"),
            an_opening("2", "BNB"),
            a_fill(1, commission=D("0.5")),
            a_fill(2, side=Side.SELL, commission=D("0.001"), commission_asset="BNB", realized_pnl=D(7)),
            a_funding(amount=D("-0.25")),
            a_transfer(amount=D(-6)),
        ]
    )
    assert store.books().wallets == {"USDT": D("1000.25"), "BNB": D("1.999")}


def test_what_is_open_comes_back_and_what_ended_long_ago_does_not(store):
    old, now = 1_000, 10 * HOUR_MS
    store.commit(
        [
            an_intent(1, state="done"),
            an_intent(2, state="open"),
            an_order(1, state=OrderState.FILLED, updated_ms=old),
            an_order(2, state=OrderState.CANCELLED, updated_ms=old),
            an_order(3, state=OrderState.UNKNOWN, order_id=0, intent_id="i2", updated_ms=old),
            an_order(4, state=OrderState.FILLED, intent_id="i4", updated_ms=now),
            an_algo_order(5, state=OrderState.FILLED, updated_ms=old),
            an_algo_order(6, state=OrderState.RESTING, updated_ms=old),
            an_algo_order(7, state=OrderState.FILLED, updated_ms=now),
            RiskState("daily_loss", "", "{}", 5),
            an_incident(1, closed_ms=5),
            an_incident(2),
        ]
    )
    books = store.books()
    assert [intent.intent_id for intent in books.intents] == ["i2"]
    assert [order.client_order_id for order in books.orders] == [client_id(number) for number in (2, 3, 4)]
    assert [algo.client_algo_id for algo in books.algo_orders] == [client_id(number, "s") for number in (6, 7)]
    assert [risk.rule for risk in books.risk] == ["daily_loss"]
    assert [incident.incident_id for incident in books.incidents] == ["incident-2"]


def test_the_fills_of_an_open_position_start_with_the_one_that_opened_it(store):
    store.commit(
        [
            a_fill(1, quantity=D(1)),
            a_fill(2, side=Side.SELL, quantity=D(1)),
            a_fill(3, quantity=D(2)),
            a_fill(4, side=Side.SELL, quantity=D("0.5")),
            a_position(quantity="1.5"),
            a_fill(7, symbol="ETHUSDT"),
            a_position("ETHUSDT", quantity="0"),
        ]
    )
    assert [fill.trade_id for fill in store.books().fills] == [3, 4]


def test_a_flip_is_the_fill_that_opened_the_position(store):
    store.commit(
        [
            a_fill(1, quantity=D(1)),
            a_fill(2, side=Side.SELL, quantity=D(3)),
            a_fill(3, side=Side.SELL, quantity=D(1)),
            a_position(quantity="-3"),
        ]
    )
    assert [fill.trade_id for fill in store.books().fills] == [2, 3]


def test_history_is_read_again_from_an_hour_before_the_latest_row(store):
    now = 10 * HOUR_MS
    store.commit(
        [
            an_opening(from_ms=5),
            *(a_fill(number, time_ms=number * HOUR_MS // 2) for number in range(1, 21)),
            an_order(1, order_id=50, updated_ms=now - HOUR_MS - 1, state=OrderState.FILLED),
            an_order(2, order_id=60, updated_ms=now - HOUR_MS, state=OrderState.FILLED),
            an_order(3, order_id=70, updated_ms=now, state=OrderState.FILLED),
            an_algo_order(1, algo_id=5, updated_ms=1),
            an_algo_order(2, algo_id=6, updated_ms=now, state=OrderState.CANCELLED),
            a_funding(time_ms=3 * HOUR_MS),
            a_funding(time_ms=8 * HOUR_MS, symbol="ETHUSDT"),
            a_transfer(time_ms=7 * HOUR_MS),
        ]
    )
    assert store.history_mark(["SOLUSDT", "BTCUSDT"]) == HistoryMark(
        symbols=("SOLUSDT", "BTCUSDT", "ETHUSDT"),
        order_from={"BTCUSDT": 50},
        algo_from={"BTCUSDT": 5},
        trade_from={"BTCUSDT": 17},
        income_from_ms=7 * HOUR_MS,
        from_ms=5,
    )


def test_a_missing_first_execution_of_an_order_lies_behind_the_mark(store):
    """The exchange executed 10, 11 and 12; the stream skipped 10, so 11 is the lowest that is known."""
    store.commit([a_fill(3, time_ms=1), a_fill(11, time_ms=9 * HOUR_MS), a_fill(12, time_ms=9 * HOUR_MS)])
    assert store.history_mark([]).trade_from == {"BTCUSDT": 3}


def test_an_order_with_missing_executions_holds_the_mark_back_for_as_long_as_they_are_missing(store):
    store.commit(
        [
            a_fill(3, time_ms=1),
            a_fill(9, time_ms=4 * HOUR_MS),
            an_order(1, order_id=50, updated_ms=4 * HOUR_MS, state=OrderState.FILLED, executed_quantity=D(5)),
            a_fill(30, time_ms=9 * HOUR_MS),
        ]
    )
    assert store.history_mark([]).trade_from == {"BTCUSDT": 0}


def test_what_history_reads_again_is_known_as_booked(store):
    store.commit(
        [
            a_fill(1, time_ms=1),
            a_fill(2, time_ms=9 * HOUR_MS),
            a_fill(3, time_ms=9 * HOUR_MS + 1),
            a_funding(time_ms=60_000),
            a_funding(time_ms=9 * HOUR_MS),
            a_transfer(time_ms=8 * HOUR_MS),
        ]
    )
    books = store.books()
    assert [fill.trade_id for fill in books.recent_fills] == [1, 2, 3]
    assert [each.time_ms for each in books.recent_funding] == [9 * HOUR_MS]
    assert [each.time_ms for each in books.recent_transfers] == [8 * HOUR_MS]


def test_an_order_comes_back_with_all_of_its_fills_however_far_apart_they_lie(store):
    now = 10 * HOUR_MS
    store.commit(
        [
            an_order(1, state=OrderState.FILLED, quantity=D(2), executed_quantity=D(2), updated_ms=now),
            a_fill(1, order_id=101, time_ms=now - 2 * HOUR_MS),
            a_fill(2, order_id=555, time_ms=now - 2 * HOUR_MS),
            a_fill(3, order_id=101, time_ms=now),
        ]
    )
    books = store.books()
    assert [row.report.order_id for row in books.orders] == [101]
    assert [fill.trade_id for fill in books.recent_fills] == [1, 2, 3]


def test_an_order_that_is_still_open_holds_the_mark_back(store):
    store.commit(
        [
            an_order(1, order_id=50, updated_ms=1, state=OrderState.RESTING),
            an_order(2, order_id=70, updated_ms=9 * HOUR_MS, state=OrderState.FILLED),
            an_order(3, order_id=0, updated_ms=9 * HOUR_MS, state=OrderState.UNKNOWN),
        ]
    )
    assert store.history_mark([]).order_from == {"BTCUSDT": 50}


def test_income_before_the_books_began_is_no_part_of_them(store):
    store.commit([an_opening(from_ms=8 * HOUR_MS), a_funding(time_ms=8 * HOUR_MS + 60_000)])
    assert store.history_mark([]).income_from_ms == 8 * HOUR_MS
