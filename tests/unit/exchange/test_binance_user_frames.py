"""The user stream in the domain's words, from recorded frames and from the exchange's odd cases."""

import json
import os
from decimal import Decimal
from pathlib import Path

import msgspec
import pytest

from bot.domain.events import AlgoUpdated, FundingPaid, OrderUpdated, TransferSeen
from bot.domain.order import Side
from bot.exchange.binance.replies import read_reply
from bot.exchange.binance.user_frames import read_user_frame

LISTEN_KEY = "k" * 64


def an_order_frame(**changes) -> dict:
    order = {
        "s": "BTCUSDT", "c": "a0001e-1", "S": "BUY", "o": "LIMIT", "f": "GTC", "q": "0.010", "p": "100.1", "ap": "100",
        "sp": "0", "x": "TRADE", "X": "PARTIALLY_FILLED", "i": 7, "l": "0.004", "z": "0.006", "L": "100.05",
        "n": "0.00020010", "N": "USDT", "T": 1_760_000_000_002, "t": 55, "b": "0", "a": "0", "m": True, "R": False,
        "wt": "CONTRACT_PRICE", "ot": "LIMIT", "ps": "BOTH", "cp": False, "rp": "0", "si": 0, "ss": 0, "er": "0",
    }  # fmt: skip
    return {"e": "ORDER_TRADE_UPDATE", "E": 1_760_000_000_003, "T": 1_760_000_000_002, "o": order | changes}


def an_account_frame(reason, change="-0.5", positions=(), **body) -> dict:
    balances = [{"a": "USDT", "wb": "99.5", "cw": "99.5", "bc": change}]
    rows = [{"s": symbol, "pa": "1", "ep": "1", "cr": "0", "up": "0", "mt": "cross", "iw": "0", "ps": "BOTH"}
            for symbol in positions]  # fmt: skip
    return {"e": "ACCOUNT_UPDATE", "E": 1_760_000_040_031, "T": 1_760_000_040_017,
            "a": {"m": reason, "B": balances, "P": rows} | body}  # fmt: skip


def read(frame: dict):
    return read_user_frame(json.dumps(frame).encode())


def test_an_execution_becomes_an_order_report_with_its_fill():
    (event,) = read(an_order_frame()).events
    assert isinstance(event, OrderUpdated)
    assert event.at_ms == 1_760_000_000_003
    assert event.order.status == "PARTIALLY_FILLED"
    assert event.order.executed_quantity == Decimal("0.006")
    assert event.order.updated_ms == 1_760_000_000_002
    assert event.fill is not None
    assert (event.fill.trade_id, event.fill.quantity, event.fill.price) == (55, Decimal("0.004"), Decimal("100.05"))
    assert event.fill.commission == Decimal("0.00020010")
    assert event.fill.maker
    assert event.fill.side is Side.BUY


def test_the_acknowledgement_of_an_order_carries_no_fill():
    (event,) = read(an_order_frame(x="NEW", X="NEW", t=0, l="0", z="0")).events
    assert event.fill is None


@pytest.mark.parametrize("stream", [LISTEN_KEY, f"{LISTEN_KEY}@ORDER_TRADE_UPDATE"])
def test_both_envelopes_bring_the_same_event_as_the_bare_frame(stream):
    bare = read(an_order_frame())
    assert read({"stream": stream, "data": an_order_frame()}) == bare


def test_a_child_of_a_stop_is_taken_although_its_st_is_no_number():
    (event,) = read(an_order_frame(si=2_000_000_547_400_625, ss=-1, st="ALGO_CONDITION")).events
    assert event.order.algo_id == 2_000_000_547_400_625
    assert event.fill is not None


def test_a_liquidation_without_fees_is_told_without_fill_and_asks_for_its_executions():
    frame = an_order_frame(c="autoclose-123", x="CALCULATED", X="NEW")
    del frame["o"]["n"], frame["o"]["N"]
    news = read(frame)
    assert news.events[0].fill is None
    assert news.ask_fills_of == ("BTCUSDT", 7)


def test_funding_of_an_isolated_position_is_booked_to_its_minute_and_symbol():
    (event,) = read(an_account_frame("FUNDING_FEE", positions=["ETHUSDT"])).events
    assert isinstance(event, FundingPaid)
    assert (event.funding.symbol, event.funding.kind, event.funding.asset) == ("ETHUSDT", "FUNDING_FEE", "USDT")
    assert event.funding.time_ms == 1_759_999_980_000 + 60_000 * ((1_760_000_040_017 - 1_759_999_980_000) // 60_000)
    assert event.funding.amount == Decimal("-0.5")


def test_funding_of_a_cross_position_takes_the_symbol_of_the_update():
    (event,) = read(an_account_frame("FUNDING_FEE", S="SOLUSDT")).events
    assert event.funding.symbol == "SOLUSDT"


def test_funding_that_names_no_symbol_is_asked_for_instead_of_guessed():
    news = read(an_account_frame("FUNDING_FEE"))
    assert news.events == ()
    assert news.ask_income


@pytest.mark.parametrize("reason", ["DEPOSIT", "WITHDRAW"])
def test_deposits_and_withdrawals_are_transfers_floored_to_the_second(reason):
    (event,) = read(an_account_frame(reason)).events
    assert isinstance(event, TransferSeen)
    assert (event.transfer.kind, event.transfer.time_ms) == ("TRANSFER", 1_760_000_040_000)


def test_other_balance_changes_keep_their_name():
    (event,) = read(an_account_frame("INSURANCE_CLEAR", positions=["BTCUSDT"])).events
    assert (event.transfer.kind, event.transfer.symbol) == ("INSURANCE_CLEAR", "BTCUSDT")


def test_what_a_liquidation_cost_is_asked_for_when_its_symbol_is_missing():
    news = read(an_account_frame("INSURANCE_CLEAR"))
    assert news.ask_income
    assert not news.events


def test_balance_changes_by_trading_are_left_to_the_fills():
    assert read(an_account_frame("ORDER", positions=["BTCUSDT"])).events == ()


@pytest.mark.parametrize("event_time", [1_760_000_000_000, "1760000000000"])
def test_an_expired_listen_key_is_understood_even_when_its_time_is_a_text(event_time):
    assert read({"e": "listenKeyExpired", "E": event_time, "listenKey": LISTEN_KEY}).key_expired


@pytest.mark.parametrize("name", ["TRADE_LITE", "STRATEGY_UPDATE", "GRID_UPDATE", "ACCOUNT_CONFIG_UPDATE"])
def test_events_that_mean_nothing_to_us_are_ignored(name):
    assert read({"e": name, "E": 1}).ignored == name


def test_an_unheard_of_event_is_named_not_fatal():
    assert read({"e": "SOMETHING_NEW", "E": 1, "x": [1]}).unknown == "SOMETHING_NEW"


def test_answers_to_control_messages_are_no_events():
    assert read({"result": None, "id": 1}).ignored == "control"


@pytest.mark.parametrize("payload", [b"", b"not json", b"[1,2]", b'{"e":"ORDER_TRADE_UPDATE","E":1,"o":{}}'])
def test_a_malformed_frame_raises_one_kind_of_error(payload):
    with pytest.raises(msgspec.MsgspecError):
        read_user_frame(payload)


def recorded(name: str) -> list[dict]:
    folder = os.environ.get("ACT_TEST_DATA")
    if not folder:
        pytest.skip("ACT_TEST_DATA names no folder of recorded data")
    with (Path(folder) / "ws" / name).open(encoding="utf-8") as lines:
        return [json.loads(line) for line in lines]


def test_every_recorded_order_lifecycle_decodes():
    for row in recorded("lean_user_stream_order_lifecycles.jsonl"):
        news = read(row["msg"])
        kind = row["msg"]["e"]
        if kind == "CONDITIONAL_ORDER_TRIGGER_REJECT":
            assert news.unknown == kind
            continue
        (event,) = news.events
        if kind == "ALGO_UPDATE":
            assert isinstance(event, AlgoUpdated)
            assert event.algo.client_algo_id == row["msg"]["o"]["caid"]
            continue
        assert isinstance(event, OrderUpdated)
        assert (event.fill is not None) == (row["msg"]["o"]["x"] == "TRADE")


def test_a_recorded_stop_names_the_order_it_gave_birth_to():
    frames = [row["msg"] for row in recorded("lean_user_stream_order_lifecycles.jsonl")]
    finished = [read(frame).events[0].algo for frame in frames if frame.get("o", {}).get("X") == "FINISHED"]
    assert [algo.actual_order_id for algo in finished] == [4_904_025_190, 4_904_005_884]


def test_every_other_recorded_user_frame_decodes():
    user_events = {"ACCOUNT_UPDATE", "ORDER_TRADE_UPDATE", "ACCOUNT_CONFIG_UPDATE", "MARGIN_CALL"}
    frames = [row["message"] for row in recorded("roq_wire_samples.jsonl") if isinstance(row["message"], dict)]
    decoded = [read(frame) for frame in frames if frame.get("e") in user_events]
    assert len(decoded) >= 12
    assert not any(news.unknown for news in decoded)


def test_every_recorded_answer_of_the_websocket_api_decodes():
    rows = [row for row in recorded("roq_wire_samples.jsonl") if "wsapi" in row["file"] or "logon" in row["file"]]
    replies = [read_reply(json.dumps(row["message"]).encode()) for row in rows]
    assert len(replies) >= 15
    assert {reply.error.code for reply in replies if reply.error} >= {-2011, -2013, -2019, -2027, -4013}
