"""How round trips were executed, read back from the books, and as `act trades --attribution` shows it."""

import json
from decimal import Decimal

import pytest
from msgspec.structs import replace

from bot import cli
from bot.domain.errors import ConfigurationError
from bot.domain.market import Candle
from bot.domain.order import OrderState, Side
from bot.trading.attribution import Attribution, Execution
from database.executions import executed
from support.database_rows import a_fill, a_store, a_trade, an_algo_order, an_order, urls

D = Decimal
ENTRY_MS, EXIT_MS = 180_000, 245_000
TRADE = a_trade(entry_ms=ENTRY_MS, exit_ms=EXIT_MS, entry_price=D(101), exit_price=D(104), pnl=D("2.9"), quantity=D(1))
INTO = a_fill(1, order_id=101, time_ms=ENTRY_MS, price=D(101), maker=True)
OUT = a_fill(2, order_id=102, time_ms=EXIT_MS, price=D(104), side=Side.SELL, realized_pnl=D(3))


def decided(number, price, **report):
    order = an_order(number, state=OrderState.FILLED, status="FILLED", **report)
    return replace(order, decision_price=D(price))


@pytest.fixture
def written(tmp_path):
    """Write rows into a new home's books and read the round trip back."""

    def write(*rows):
        store = a_store(tmp_path / "status")
        store.commit([TRADE, INTO, OUT, *rows])
        store.close()
        return executed(urls(tmp_path / "status")[0], [TRADE])[0]

    return write


def test_orders_of_ours_know_the_close_they_were_decided_at(written):
    found = written(decided(1, "100.5"), decided(2, "104.5", side=Side.SELL))
    assert (found.entry_decision_price, found.exit_decision_price) == (D("100.5"), D("104.5"))
    assert found.parts == Attribution(edge=D(4), slippage=D(1), fees=D("0.1"), funding=D(0))


def test_a_stop_was_decided_at_its_trigger_price(written):
    child = decided(2, "0", side=Side.SELL, algo_id=901)
    found = written(child, an_algo_order(1, trigger_price=D("104.2")))
    assert found.exit_decision_price == D("104.2")


def test_a_stop_is_found_by_the_order_it_became_as_well(written):
    found = written(an_algo_order(1, trigger_price=D("104.2"), actual_order_id=102))
    assert found.exit_decision_price == D("104.2")


def test_what_we_did_not_decide_has_no_decision_price(written):
    found = written(decided(1, "100.5"), an_algo_order(1, symbol="ETHUSDT", actual_order_id=102))
    assert found.exit_decision_price == 0
    assert found.parts.slippage == D("0.5")


def test_fills_of_the_trip_come_with_what_traded_in_the_minute_before(written):
    candles = [
        Candle("BTCUSDT", minute * 60_000, D(100), D(100), D(100), D(100 + minute), D(7)) for minute in (1, 2, 3, 4)
    ]
    others = [
        a_fill(3, time_ms=EXIT_MS + 1),
        a_fill(9, time_ms=ENTRY_MS - 1),
        a_fill(4, symbol="ETHUSDT", time_ms=ENTRY_MS),
    ]
    found = written(*candles, *others)
    assert found.executions == (Execution(D(101), True, D(714)), Execution(D(104), False, D(721)))


def test_a_candle_that_is_not_stored_counts_as_a_quiet_minute(written):
    assert [each.minute_notional for each in written().executions] == [0, 0]


def test_a_bot_that_never_started_is_told_so(tmp_path):
    with pytest.raises(ConfigurationError):
        executed(urls(tmp_path)[0], [TRADE])


# on the command line


def test_the_parts_of_each_profit_stand_beside_what_the_cost_model_expected(written, tmp_path, capsys):
    written(decided(1, "100.5"), decided(2, "104.5", side=Side.SELL))
    tiers = "tiers = [{minute_notional = '0', spread_bps = '10', slippage_bps = '5'}]"
    (tmp_path / "act.toml").write_text(f"[symbols.BTCUSDT]\n[costs]\n{tiers}\n")
    assert cli.main(["trades", "--attribution", "--home", str(tmp_path)]) == 0
    heads, row = capsys.readouterr().out.splitlines()
    assert heads.split()[3:10] == ["EDGE", "SLIPPAGE", "EXPECTED", "FEES", "EXPECTED", "FUNDING", "PNL"]
    # The maker paid 101 x 0.0002 and no slippage, the taker 104 x 0.0005, half of 10 bps of spread and 5 bps beside.
    assert row.split()[3:10] == ["+4", "-1", "-0.104", "-0.1", "-0.0722", "0", "+2.9"]
    assert cli.main(["trades", "--attribution", "--json", "--home", str(tmp_path)]) == 0
    (told,) = json.loads(capsys.readouterr().out)
    assert told["attribution"] == {"edge": "4", "slippage": "1", "fees": "0.1", "funding": "0"}
    assert told["expected"] == {"fees": "0.0722", "slippage": "0.104"}


def test_without_trades_that_is_said(tmp_path, capsys):
    a_store(tmp_path / "status").close()
    (tmp_path / "act.toml").write_text("[symbols.BTCUSDT]\n")
    assert cli.main(["trades", "--attribution", "--home", str(tmp_path)]) == 0
    assert capsys.readouterr().out == "no completed trades yet\n"
