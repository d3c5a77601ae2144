"""Market frames in the domain's words."""

import gzip
import json
import os
from decimal import Decimal
from pathlib import Path

import msgspec
import pytest

from bot.exchange.binance.market_frames import BookTickerEvent, KlineEvent, MarkPriceEvent, read_frame, read_other


def combined(data: dict, stream: str = "btcusdt@x") -> bytes:
    return json.dumps({"stream": stream, "data": data}).encode()


KLINE = {
    "e": "kline", "E": 60_010, "s": "BTCUSDT",
    "k": {"t": 0, "T": 59_999, "s": "BTCUSDT", "i": "1m", "f": 1, "L": 9, "o": "100.10", "c": "100.30", "h": "100.40",
          "l": "100.00", "v": "1.234", "n": 9, "x": True, "q": "123", "V": "1", "Q": "100", "B": "0"},
}  # fmt: skip
MARK = {"e": "markPriceUpdate", "E": 5, "s": "BTCUSDT", "p": "95209.55336957", "ap": "1", "P": "2", "i": "3",
        "r": "0.00005383", "T": 1768665600000, "st": 1}  # fmt: skip
BOOK = {"e": "bookTicker", "u": 8, "s": "BTCUSDT", "b": "58950.76", "B": "0.172", "a": "58955.21", "A": "0.191",
        "T": 6, "E": 7, "st": 1}  # fmt: skip


def test_a_closed_kline_is_an_exact_candle():
    event = read_frame(combined(KLINE))
    assert isinstance(event, KlineEvent)
    assert event.bar.closed
    candle = event.candle()
    assert (candle.open, candle.high, candle.low, candle.close, candle.volume) == tuple(
        map(Decimal, ("100.10", "100.40", "100.00", "100.30", "1.234"))
    )
    assert candle.close_time == 60_000


def test_a_mark_price_keeps_every_digit():
    event = read_frame(combined(MARK))
    assert isinstance(event, MarkPriceEvent)
    assert event.price().mark == Decimal("95209.55336957")
    assert event.price().next_funding_ms == 1_768_665_600_000


def test_a_mark_price_without_scheduled_funding_has_rate_zero():
    assert read_frame(combined(MARK | {"r": "", "T": 0})).price().funding_rate == 0


def test_a_book_ticker_is_read_for_display():
    event = read_frame(combined(BOOK))
    assert isinstance(event, BookTickerEvent)
    assert (event.bid, event.ask, event.at_ms) == (58950.76, 58955.21, 7)


def test_a_coin_margined_row_is_recognised():
    assert read_frame(combined(BOOK | {"st": 2})).st == 2


@pytest.mark.parametrize(
    ("frame", "answer"),
    [
        ({"result": None, "id": 1}, ("ack", "")),
        ({"stream": "x", "data": {"e": "aggTrade", "s": "BTCUSDT"}}, ("event", "aggTrade")),
        ({"stream": "!markPrice@arr", "data": [{}]}, ("event", "unnamed")),
    ],
)
def test_whatever_is_no_market_event_of_ours_is_named(frame, answer):
    payload = json.dumps(frame).encode()
    with pytest.raises(msgspec.MsgspecError):
        read_frame(payload)
    assert read_other(payload) == answer


def test_a_refused_subscription_is_an_error():
    assert read_other(b'{"error":{"code":2,"msg":"Invalid request"},"id":3}')[0] == "error"
    assert read_other(b'{"code":2,"msg":"Invalid request","id":3}')[0] == "error"


def test_recorded_market_frames_decode():
    folder = os.environ.get("ACT_TEST_DATA")
    if not folder:
        pytest.skip("ACT_TEST_DATA names no folder of recorded data")
    found = {KlineEvent: 0, BookTickerEvent: 0}
    with gzip.open(Path(folder) / "ws" / "fstream_combined_recording_2021-07-22.jsonl.gz", "rt") as lines:
        for line in lines:
            payload = json.dumps(json.loads(line)["msg"]).encode()
            try:
                found[type(read_frame(payload))] += 1
            except msgspec.MsgspecError:
                assert read_other(payload)[1] in {"depthUpdate", "aggTrade"}
    assert found == {KlineEvent: 67, BookTickerEvent: 613}
