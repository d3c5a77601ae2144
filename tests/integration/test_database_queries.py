import sqlite3

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.domain.errors import RetryLater
from bot.domain.order import OrderState, Purpose, Side
from bot.domain.records import ConfigVersion, Evaluation, ExecutionMetric, RiskEvent
from database.ledger import canonical
from database.queries import Queries, thinned
from database.session import DatabaseMissingError
from support.database_rows import (
    D,
    a_bracket,
    a_candle,
    a_decision,
    a_fill,
    a_funding,
    a_position,
    a_signal,
    a_store,
    a_trade,
    a_transfer,
    an_alert,
    an_algo_order,
    an_equity_point,
    an_incident,
    an_instrument,
    an_intent,
    an_opening,
    an_order,
    client_id,
    urls,
)


def after(folder, *rows):
    store = a_store(folder)
    store.commit(rows)
    store.close()
    return Queries(*urls(folder))


def test_before_the_first_start_there_is_one_clear_error(tmp_path):
    with pytest.raises(DatabaseMissingError):
        Queries(*urls(tmp_path))


def test_a_read_that_fails_may_be_tried_again(tmp_path):
    queries = after(tmp_path)
    with sqlite3.connect(tmp_path / "act.db") as connection:
        connection.execute("DROP TABLE equity")
    connection.close()
    with pytest.raises(RetryLater, match="could not be read"):
        queries.latest_equity()


def test_a_damaged_file_is_told_by_every_reader(tmp_path):
    queries = after(tmp_path)
    (tmp_path / "act.db").write_bytes(b"no database at all" * 500)
    with pytest.raises(RetryLater, match="act db restore"):
        queries.counts()
    with pytest.raises(RetryLater, match="act db restore"):
        canonical(urls(tmp_path)[0])


def test_empty_books_answer_everything(tmp_path):
    queries = after(tmp_path)
    assert queries.latest_equity() is None
    assert queries.open_positions() == queries.open_orders() == queries.fills() == queries.trades() == ()
    assert queries.candles("BTCUSDT").open_time == []
    assert queries.equity_curve().at_ms == []
    assert queries.config_version() is None
    assert queries.newest_alert_number() == 0
    assert queries.money_since().net == 0
    assert queries.symbols() == ()
    assert queries.last_decision("BTCUSDT") is None


def test_an_open_position_shows_its_stop_and_why_it_was_entered(tmp_path):
    queries = after(
        tmp_path,
        a_position("BTCUSDT", "-0.5", stop_client_algo_id=client_id(1, "s")),
        a_position("ETHUSDT", "0"),
        an_algo_order(1, state=OrderState.RESTING),
        a_decision(1, reason="above_upper_band"),
        a_candle(4, close="98.5"),
        a_candle(5, close="99.5"),
    )
    (position,) = queries.open_positions()
    assert (position.symbol, position.quantity, position.stop_rests) == ("BTCUSDT", D("-0.5"), True)
    assert (position.stop_state, position.reason) == ("resting", "above_upper_band")
    assert (position.last_close, position.last_close_ms) == (D("99.5"), 300_000)


@pytest.mark.parametrize("state", [OrderState.SENT, OrderState.UNKNOWN, OrderState.CANCELLED])
def test_a_stop_that_is_not_confirmed_does_not_rest(tmp_path, state):
    queries = after(tmp_path, a_position(stop_client_algo_id=client_id(1, "s")), an_algo_order(1, state=state))
    assert not queries.open_positions()[0].stop_rests


def test_a_position_without_stop_and_candle_is_shown_all_the_same(tmp_path):
    (position,) = after(tmp_path, a_position(stop_client_algo_id="")).open_positions()
    assert (position.stop_state, position.stop_rests, position.last_close) == ("", False, None)


def test_open_orders_know_their_purpose(tmp_path):
    queries = after(
        tmp_path,
        an_intent(1),
        an_intent(2, purpose=Purpose.EXIT),
        an_order(1),
        an_order(2),
        an_order(3, state=OrderState.FILLED),
        an_order(4, intent_id="", client_order_id="web_x"),
    )
    orders = queries.open_orders()
    assert [(order.client_order_id, order.purpose) for order in orders] == [
        (client_id(1), "entry"),
        (client_id(2), "exit"),
        ("web_x", ""),
    ]
    assert orders[0].state is OrderState.RESTING
    assert orders[0].side is Side.BUY
    assert [order.report.order_id for order in queries.orders(limit=2)] == [104, 103]


def test_open_stops_are_those_not_proven_ended(tmp_path):
    queries = after(tmp_path, an_algo_order(1), an_algo_order(2, state=OrderState.FILLED))
    assert [(stop.algo_id, stop.state) for stop in queries.open_stops()] == [(901, OrderState.RESTING)]


def test_fills_know_why_their_order_existed(tmp_path):
    queries = after(
        tmp_path,
        an_intent(1),
        an_order(1, order_id=101),
        an_algo_order(9),
        an_order(9, order_id=109, client_order_id=client_id(9, "s"), intent_id=""),
        a_fill(1, order_id=101),
        a_fill(2, order_id=109),
        a_fill(3, order_id=999, symbol="ETHUSDT"),
    )
    assert [(view.fill.trade_id, view.purpose) for view in queries.fills()] == [(3, ""), (2, "stop"), (1, "entry")]
    assert [view.fill.trade_id for view in queries.fills(symbol="BTCUSDT", limit=1)] == [2]
    assert [view.fill.trade_id for view in queries.fills(since_ms=3)] == [3]


def test_money_is_summed_exactly_since_a_moment(tmp_path):
    queries = after(
        tmp_path,
        *(a_fill(number, commission=D("0.00000001"), realized_pnl=D("0.1")) for number in range(1, 12)),
        a_funding(amount=D("-0.3")),
        a_trade(1, pnl=D(5)),
        a_trade(2, pnl=D(-5)),
        a_trade(3, pnl=D(0)),
    )
    money = queries.money_since()
    assert (money.realized_pnl, money.commission, money.funding) == (D("1.1"), D("0.00000011"), D("-0.3"))
    assert (money.fills, money.trades, money.wins) == (11, 3, 1)
    assert money.net == D("0.79999989")
    assert queries.money_since(11).fills == 1


def test_a_period_holds_what_was_recorded_in_it_and_the_wallet_it_began_with(tmp_path):
    queries = after(
        tmp_path,
        an_opening("10000"),
        *(a_fill(number, time_ms=number, commission=D("0.1"), realized_pnl=D(2)) for number in (4, 5, 9, 10)),
        a_fill(3, time_ms=3, commission=D("0.001"), commission_asset="BNB", realized_pnl=D(1)),
        a_funding(time_ms=4, amount=D("-0.25")),
        a_transfer(time_ms=4, amount=D(50)),
        *(a_decision(number) for number in (4, 5, 9, 10)),
        a_trade(1, entry_ms=1, exit_ms=4),
        a_trade(2, entry_ms=3, exit_ms=5),
        a_trade(3, entry_ms=9, exit_ms=99),
        a_trade(4, entry_ms=10, exit_ms=99),
        a_position("A", opened_ms=9),
        a_position("B", opened_ms=10),
        *(an_equity_point(at_ms=number) for number in (4, 5, 10, 11)),
    )
    found = queries.period(5, 10)
    assert found.wallet == D("10000") + D(1) + D("1.9") - D("0.25") + D(50)
    assert [row.time_ms for row in found.fills] == [row.at_ms for row in found.decisions] == [5, 9]
    assert sorted(row.trip for row in found.trades) == [2, 3]
    assert [row.symbol for row in found.positions] == ["A"]
    assert found.judged_ms == (5, 10)
    assert queries.judged_span() == (4, 11)


def test_stored_candles_are_exact_and_in_order(tmp_path):
    queries = after(tmp_path, *(a_candle(minute) for minute in (3, 1, 2, 4)), a_candle(2, symbol="ETHUSDT"))
    assert list(queries.stored_candles("BTCUSDT", 120_000, 240_000)) == [a_candle(2), a_candle(3)]
    assert after(tmp_path / "new").judged_span() == (0, 0)


def test_counts_sum_up_a_demo(tmp_path):
    queries = after(
        tmp_path,
        an_order(1),
        an_order(2, order_id=0),
        a_fill(1),
        a_trade(1),
        a_position("A", "1"),
        a_position("B", "0"),
        an_incident(1),
        an_incident(2, severity="CRITICAL"),
    )
    counts = queries.counts()
    assert (counts.orders, counts.fills, counts.trades, counts.open_positions) == (1, 1, 1, 1)
    assert (counts.incidents, counts.critical_incidents) == (2, 1)


def test_the_newest_candles_come_oldest_first(tmp_path):
    queries = after(tmp_path, *(a_candle(minute, close=str(minute)) for minute in range(1, 11)))
    assert queries.candles("BTCUSDT", limit=3).close == [8.0, 9.0, 10.0]
    assert queries.candles("BTCUSDT", limit=3, until_ms=5 * 60_000).close == [2.0, 3.0, 4.0]
    assert queries.latest_candle_ms("BTCUSDT") == 600_000
    assert queries.latest_candle_ms("ETHUSDT") == 0


def test_brackets_are_read_by_symbol_from_the_smallest_notional_up_and_exactly(tmp_path):
    highest = a_bracket("ETHUSDT", "800000", "9223372036854775807")
    middle, lowest, other = a_bracket("ETHUSDT", "5000"), a_bracket("ETHUSDT", "0"), a_bracket("BTCUSDT")
    store = a_store(tmp_path)
    store.commit_contracts([an_instrument(), an_instrument("ETHUSDT")], [highest, lowest, other, middle])
    store.close()
    assert Queries(*urls(tmp_path)).leverage_brackets() == (other, lowest, middle, highest)


def test_a_file_of_an_earlier_version_holds_no_brackets(tmp_path):
    queries = after(tmp_path)
    with sqlite3.connect(tmp_path / "act.db") as connection:
        connection.execute("DROP TABLE leverage_brackets")
    connection.close()
    assert queries.leverage_brackets() == ()


def test_symbols_are_those_evaluated_else_those_read(tmp_path):
    queries = after(tmp_path, an_instrument("ETHUSDT"), an_instrument("BTCUSDT"))
    assert queries.symbols() == ("BTCUSDT", "ETHUSDT")
    assert queries.instrument("BTCUSDT") == an_instrument("BTCUSDT")
    assert queries.instrument("SOLUSDT") is None
    queries = after(tmp_path, Evaluation("ETHUSDT", "vwap_reversion", 1, "flat", "{}"), a_candle(1, "ETHUSDT", "7"))
    assert queries.symbols() == ("ETHUSDT",)
    assert queries.last_closes() == {"ETHUSDT": D(7)}
    assert [each.verdict for each in queries.evaluations()] == ["flat"]


def test_the_equity_curve_starts_where_asked(tmp_path):
    queries = after(tmp_path, *(an_equity_point(minute, str(minute)) for minute in range(1, 6)))
    assert queries.equity_curve(since_ms=3 * 60_000).equity == [3.0, 4.0, 5.0]
    assert queries.latest_equity().equity == 5


@given(st.lists(st.integers(0, 1_000), min_size=1, max_size=400), st.integers(10, 60))
def test_a_thinned_curve_keeps_its_extremes_and_its_end(values, max_points):
    rows = [{"at_ms": place, "equity": value} for place, value in enumerate(values)]
    kept = thinned(rows, max_points)
    assert len(kept) <= max_points
    assert kept[-1] == rows[-1]
    assert kept[0] == rows[0]
    assert {min(values), max(values)} <= {row["equity"] for row in kept}
    assert kept == sorted(kept, key=lambda row: row["at_ms"])


def test_decisions_are_found_by_every_filter(tmp_path):
    queries = after(
        tmp_path,
        a_decision(1),
        a_decision(2, action="refuse", reason="global_trade_spacing"),
        a_decision(3, symbol="ETHUSDT"),
    )
    assert [each.decision_id for each in queries.decisions()] == ["d3", "d2", "d1"]
    assert [each.decision_id for each in queries.decisions(symbol="BTCUSDT", limit=1)] == ["d2"]
    assert [each.decision_id for each in queries.decisions(action="refuse")] == ["d2"]
    assert [each.decision_id for each in queries.decisions(reason="global_trade_spacing")] == ["d2"]
    assert [each.decision_id for each in queries.decisions(since_ms=2, until_ms=3)] == ["d2"]
    assert queries.last_decision("ETHUSDT").decision_id == "d3"
    assert queries.decision_counts() == {("enter", "below_lower_band"): 2, ("refuse", "global_trade_spacing"): 1}


def test_the_chain_leads_from_an_order_to_its_signal_and_its_trade(tmp_path):
    queries = after(
        tmp_path,
        a_signal(1),
        a_decision(1),
        an_intent(1),
        an_order(1, order_id=101, intent_id="i1"),
        an_algo_order(3, intent_id="i1", actual_order_id=55),
        an_order(7, order_id=55, client_order_id=client_id(3, "s"), intent_id="", algo_id=903),
        a_fill(1, order_id=101),
        a_fill(2, order_id=55),
        a_trade(1, entry_decision_id="d1"),
        ExecutionMetric(client_id(1), "BTCUSDT", "ack_us", 800.0, 1),
    )
    for name in (client_id(1), "101"):
        chain = queries.order_chain(name)
        assert chain.order.report.order_id == 101
        assert (chain.intent.intent_id, chain.decision.decision_id, chain.signal.signal_id) == ("i1", "d1", "s1")
        assert [fill.trade_id for fill in chain.fills] == [1]
        assert [metric.name for metric in chain.metrics] == ["ack_us"]
        assert [stop.report.algo_id for stop in chain.stops] == [903]
        assert chain.trade.trip == 1
    child = queries.order_chain("55")
    assert child.algo_order.report.algo_id == 903
    assert child.decision.decision_id == "d1"
    assert [fill.trade_id for fill in child.fills] == [1, 2]
    assert queries.order_chain("903").algo_order.client_algo_id == client_id(3, "s")


def test_the_chain_of_a_person_s_order_is_the_order_and_its_fills(tmp_path):
    queries = after(tmp_path, an_order(1, order_id=9, intent_id="", client_order_id="web_1"), a_fill(4, order_id=9))
    chain = queries.order_chain("web_1")
    assert chain.intent is None
    assert [fill.trade_id for fill in chain.fills] == [4]


def test_an_unknown_order_has_an_empty_chain(tmp_path):
    chain = after(tmp_path, an_order(1)).order_chain("nothing")
    assert chain.order is None
    assert chain.algo_order is None


def test_health_is_listed_newest_first(tmp_path):
    queries = after(
        tmp_path,
        an_incident(1, closed_ms=2),
        an_incident(2),
        RiskEvent("r1", 1, "daily_loss", "", "halted", ""),
        RiskEvent("r2", 2, "daily_loss", "", "resumed", ""),
        ConfigVersion("old", 1, "0.1.0", "demo", "{}"),
        ConfigVersion("new", 2, "0.1.0", "paper", "{}"),
        ExecutionMetric("a", "BTCUSDT", "ack_us", 2.0, 2),
        ExecutionMetric("b", "BTCUSDT", "ack_us", 1.0, 1),
        an_alert(1),
        an_alert(2),
    )
    assert [each.incident_id for each in queries.incidents()] == ["incident-2", "incident-1"]
    assert [each.incident_id for each in queries.incidents(only_open=True)] == ["incident-2"]
    assert [each.kind for each in queries.risk_events()] == ["resumed", "halted"]
    assert queries.config_version().mode == "paper"
    assert queries.metrics("ack_us") == (1.0, 2.0)
    assert [each.alert.alert_id for each in queries.alerts()] == ["alert-2", "alert-1"]
    assert queries.newest_alert_number() == queries.alerts()[0].number
