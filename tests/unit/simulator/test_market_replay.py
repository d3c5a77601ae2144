import gzip
import json
import math
import os
from decimal import Decimal
from pathlib import Path

import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet
import pytest

from simulator.market.instruments import builtin_exchange_info, load_exchange_info
from simulator.market.path import candle_of_ticks
from simulator.market.replay import open_recording
from simulator.market.tape import DAY_MS, DataError

MIDNIGHT = 1_740_787_200_000
MINUTE = 60_000
NOW = MIDNIGHT + 400 * DAY_MS + 5 * 3_600_000
LEAD_IN = 1_740


def recorded_data() -> Path:
    folder = os.environ.get("ACT_TEST_DATA")
    if not folder:
        pytest.skip("ACT_TEST_DATA is not set")
    return Path(folder)


def rows(symbol="BTCUSDT", *, first=MIDNIGHT - LEAD_IN * MINUTE, count=LEAD_IN + 60):
    return [
        {
            "symbol": symbol,
            "open_time": first + number * MINUTE,
            "open": 100000.1 + number % 7,
            "high": 100020.5,
            "low": 99990.3,
            "close": 100000.2 + number % 5,
            "volume": 12.345,
        }
        for number in range(count)
    ]


def parquet(folder, candles, name="candles.parquet"):
    pyarrow.parquet.write_table(pa.Table.from_pylist(candles), folder / name)
    return folder / name


def csv(folder, candles, name="candles.csv"):
    pyarrow.csv.write_csv(pa.Table.from_pylist(candles), folder / name)
    return folder / name


def replay(path, *, symbols=("BTCUSDT",), start_ms=None, now_ms=NOW, **options):
    return open_recording(
        path, builtin_exchange_info(symbols), symbols=symbols, start_ms=start_ms, now_ms=now_ms, **options
    )


def shape(candle):
    return candle.open, candle.high, candle.low, candle.close, candle.volume


@pytest.mark.parametrize("write", [parquet, csv])
def test_candles_of_a_file_are_played_exactly(tmp_path, write):
    candles = rows()
    tape = replay(write(tmp_path, candles))
    for row in candles[LEAD_IN:]:
        minute = tape.minute(row["open_time"] + tape.shift_ms)
        expected = tuple(Decimal(repr(row[name])) for name in ("open", "high", "low", "close", "volume"))
        assert shape(minute.candles["BTCUSDT"]) == expected
        assert minute.candles["BTCUSDT"] == candle_of_ticks("BTCUSDT", minute.open_time, minute.ticks)


def test_the_market_moves_by_whole_days_to_the_latest_day_not_in_the_future(tmp_path):
    tape = replay(parquet(tmp_path, rows()))
    assert tape.shift_ms == 400 * DAY_MS
    assert tape.start_ms == MIDNIGHT + 400 * DAY_MS
    assert tape.end_ms == tape.start_ms + 60 * MINUTE


def test_a_start_later_in_the_day_than_now_moves_to_yesterday(tmp_path):
    late = MIDNIGHT + 6 * 3_600_000
    tape = replay(parquet(tmp_path, rows(count=LEAD_IN + 400)), start_ms=late)
    assert tape.start_ms == late + 399 * DAY_MS


def test_without_a_start_the_first_midnight_with_enough_history_begins(tmp_path):
    tape = replay(parquet(tmp_path, rows(first=MIDNIGHT - 2_000 * MINUTE, count=2_100)))
    assert tape.start_ms == MIDNIGHT + tape.shift_ms
    assert len(tape.history("BTCUSDT")) == 2_000


def test_a_given_start_gets_just_the_history_it_needs(tmp_path):
    tape = replay(parquet(tmp_path, rows(count=1_900)), start_ms=MIDNIGHT + 30 * MINUTE)
    history = tape.history("BTCUSDT")
    assert len(history) == LEAD_IN
    assert history[-1].open_time == tape.start_ms - MINUTE


def test_a_later_hole_is_a_minute_without_that_symbol(tmp_path):
    gone = MIDNIGHT + 10 * MINUTE
    candles = [row for row in rows() if row["open_time"] != gone] + rows("ETHUSDT")
    tape = replay(parquet(tmp_path, candles), symbols=("BTCUSDT", "ETHUSDT"))
    minute = tape.minute(gone + tape.shift_ms)
    assert set(minute.candles) == {"ETHUSDT"}
    assert {tick.symbol for tick in minute.ticks} == {mark.symbol for mark in minute.marks} == {"ETHUSDT"}


def test_after_the_end_the_market_stands_still(tmp_path):
    tape = replay(parquet(tmp_path, rows()))
    minute = tape.minute(tape.end_ms)
    assert (dict(minute.candles), minute.ticks, minute.marks) == ({}, (), ())


def test_rows_of_symbols_not_in_use_do_not_matter(tmp_path):
    broken = [row | {"close": math.nan} for row in reversed(rows("ETHUSDT", count=5))] * 2
    tape = replay(parquet(tmp_path, [*broken, *rows()]))
    assert tape.symbols == ("BTCUSDT",)


def test_the_same_seed_plays_the_same_path_and_another_one_another(tmp_path):
    path = parquet(tmp_path, rows())
    first, again, other = (replay(path, seed=seed) for seed in (1, 1, 2))
    assert first.minute(first.start_ms) == again.minute(first.start_ms)
    assert first.minute(first.start_ms).ticks != other.minute(first.start_ms).ticks


def test_times_may_be_timestamps(tmp_path):
    table = pa.Table.from_pylist(rows())
    stamps = table["open_time"].cast(pa.timestamp("ms"))
    pyarrow.parquet.write_table(table.set_column(1, "open_time", stamps), tmp_path / "stamps.parquet")
    assert replay(tmp_path / "stamps.parquet").start_ms == MIDNIGHT + 400 * DAY_MS


def test_a_file_without_symbols_is_of_the_one_asked_for(tmp_path):
    path = parquet(tmp_path, [{key: row[key] for key in row if key != "symbol"} for row in rows()])
    assert replay(path).symbols == ("BTCUSDT",)
    with pytest.raises(DataError, match="no column 'symbol'"):
        replay(path, symbols=("BTCUSDT", "ETHUSDT"))


def changed(number, **values):
    return [row | values if position == number else row for position, row in enumerate(rows())]


@pytest.mark.parametrize(
    ("candles", "message"),
    [
        ([*rows()[:50], *rows()[49:]], "BTCUSDT at 2025-02-27T19:49:00Z: duplicate row: remove it"),
        ([*rows()[50:], *rows()[:50]], "row out of order: sort the file"),
        (changed(5, close=math.nan), "close is not a number"),
        (changed(5, volume=None), "volume is not a number"),
        (changed(LEAD_IN + 5, high=math.inf), "high is not a number"),
        (changed(5, low=0.0), "price not above 0"),
        (changed(5, volume=-1.0), "volume below 0"),
        (changed(5, high=99995.0), "open or close outside low..high"),
        (changed(5, open_time=rows()[5]["open_time"] + 1), "no whole minute"),
        (changed(5, open_time=None), "without open_time"),
        ([row for row in rows() if row["open_time"] != MIDNIGHT - MINUTE], "no candle at 2025-02-28T23:59:00Z, a hole"),
        (rows()[:100], "nothing is left to play"),
        (rows("ETHUSDT"), "unknown symbol 'BTCUSDT'"),
        (changed(5, close=100000.25), "close 100000.25 is not a multiple of 0.10"),
        (changed(5, volume=1.0005), "volume 1.0005 is not a multiple of 0.001"),
        ([{"symbol": "BTCUSDT", "open_time": MIDNIGHT, "open": 1.0}], "no column 'high'"),
        ([row | {"close": "dear"} for row in rows()], "it must be numbers"),
        ([row | {"open_time": float(row["open_time"])} for row in rows()], "whole milliseconds UTC"),
    ],
)
def test_bad_candles_are_refused_in_one_line_that_says_what_to_do(tmp_path, candles, message):
    path = parquet(tmp_path, candles)
    with pytest.raises(DataError) as caught:
        replay(path)
    assert message in str(caught.value)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("start_ms", [None, MIDNIGHT])
def test_an_early_hole_counts_only_while_it_is_history(tmp_path, start_ms):
    candles = rows(first=MIDNIGHT - 2_000 * MINUTE, count=2_100)
    path = parquet(tmp_path, candles[:100] + candles[101:])
    if start_ms is None:
        with pytest.raises(DataError, match="a hole in the history before the start"):
            replay(path)
    else:
        assert len(replay(path, start_ms=start_ms).history("BTCUSDT")) == LEAD_IN


def test_a_start_without_enough_history_names_the_earliest_one(tmp_path):
    with pytest.raises(DataError, match="use --start 2025-03-01T00:00:00Z or later"):
        replay(parquet(tmp_path, rows()), start_ms=MIDNIGHT - MINUTE)


def test_a_start_within_a_minute_is_refused(tmp_path):
    with pytest.raises(DataError, match="not a whole minute"):
        replay(parquet(tmp_path, rows()), start_ms=MIDNIGHT + 1)


@pytest.mark.parametrize("name", ["nothing.parquet", "nothing.csv", "nothing.txt.gz"])
def test_a_missing_file_is_named(tmp_path, name):
    with pytest.raises(DataError, match=name):
        replay(tmp_path / name)


@pytest.mark.parametrize("name", ["noise.parquet", "noise.csv", "noise.txt", "noise.txt.gz"])
def test_a_file_of_noise_is_refused(tmp_path, name):
    (tmp_path / name).write_bytes(b"\x00\x01 noise \xff\n" * 20)
    with pytest.raises(DataError) as caught:
        replay(tmp_path / name)
    assert "\n" not in str(caught.value)


def test_a_folder_is_refused(tmp_path):
    with pytest.raises(DataError, match="a folder: name one"):
        replay(tmp_path)


def test_a_csv_cell_of_text_is_refused(tmp_path):
    (tmp_path / "bad.csv").write_text(
        "symbol,open_time,open,high,low,close,volume\nBTCUSDT,1740787200000,1,2,one,1,1\n", encoding="utf-8"
    )
    with pytest.raises(DataError, match="cannot be read"):
        replay(tmp_path / "bad.csv")


def test_recorded_funding_is_settled_at_its_shifted_time(tmp_path):
    rates = [
        {"symbol": "BTCUSDT", "funding_time": MIDNIGHT + hours * 3_600_000 + 17, "funding_rate": 0.0001 * hours}
        for hours in (4, 8)
    ]
    tape = replay(parquet(tmp_path, rows()), funding_path=parquet(tmp_path, rates, "funding.parquet"))
    assert tape.funding_rate("BTCUSDT", tape.start_ms + 4 * 3_600_000) == Decimal("0.0004")
    assert tape.funding_interval_hours("BTCUSDT") == 4


def raw_recording(folder, trades, name="raw.txt.gz"):
    frames = [
        {"stream": "btcusdt@trade", "data": {"e": "trade", "s": "BTCUSDT", "T": at, "p": p, "q": q, "X": x, "m": m}}
        for at, p, q, x, m in trades
    ]
    lines = "".join(f"17 {json.dumps(frame, separators=(',', ':'))}\n\n" for frame in frames)
    (folder / name).write_bytes(gzip.compress(lines.encode()))
    return folder / name


def test_raw_trades_are_played_at_their_own_times_and_joined_like_aggregate_trades(tmp_path):
    path = raw_recording(
        tmp_path,
        [
            (MIDNIGHT + 500, "100000.10", "0.002", "MARKET", True),
            (MIDNIGHT + 500, "100000.10", "0.003", "MARKET", True),
            (MIDNIGHT + 500, "0", "9", "NA", True),
            (MIDNIGHT + 2 * MINUTE, "100000.20", "0.001", "MARKET", False),
        ],
    )
    tape = replay(path)
    first, quiet, last = (tape.minute(tape.start_ms + number * MINUTE) for number in range(3))
    assert [(tick.at_ms - tape.start_ms, tick.quantity) for tick in first.ticks] == [(500, Decimal("0.005"))]
    assert shape(quiet.candles["BTCUSDT"]) == (*[Decimal("100000.1")] * 4, 0)
    assert quiet.ticks == ()
    assert last.candles["BTCUSDT"].close == Decimal("100000.2")
    assert tape.end_ms == tape.start_ms + 3 * MINUTE


def test_history_of_raw_trades_is_generated_up_to_the_first_price(tmp_path):
    trade = (MIDNIGHT + 500, "100000.10", "0.002", "MARKET", True)
    tape = replay(raw_recording(tmp_path, [trade, (MIDNIGHT + 3 * MINUTE, *trade[1:])]), start_ms=MIDNIGHT + MINUTE)
    history = tape.history("BTCUSDT")
    assert [candle.open_time for candle in history] == list(
        range(tape.start_ms - (LEAD_IN + 1) * MINUTE, tape.start_ms, MINUTE)
    )
    assert history[-2].close == history[-1].open == Decimal("100000.1")


@pytest.mark.parametrize(
    ("trades", "message"),
    [
        ([], "holds no trades of BTCUSDT"),
        ([(2, "1.0", "1", "MARKET", True), (1, "1.0", "1", "MARKET", True)], "trade out of order"),
        ([(2, "0", "1", "MARKET", True)], "price not above 0"),
        ([(2, "1.0", "0", "MARKET", True)], "quantity not above 0"),
        ([(2, "1.05", "1", "MARKET", True)], "price 1.05 is not a multiple of 0.10"),
    ],
)
def test_bad_trades_are_refused(tmp_path, trades, message):
    with pytest.raises(DataError, match=message):
        replay(raw_recording(tmp_path, trades))


def test_a_raw_start_before_the_recording_is_refused(tmp_path):
    path = raw_recording(tmp_path, [(MIDNIGHT + 500, "100000.10", "0.002", "MARKET", True)])
    with pytest.raises(DataError, match="use --start 2025-03-01T00:00:00Z or later"):
        replay(path, start_ms=MIDNIGHT - MINUTE)


def test_a_recorded_day_of_two_symbols_is_played_row_by_row():
    data = recorded_data()
    symbols, start = ("BTCUSDT", "ETHUSDT"), 1_747_958_400_000
    answer = load_exchange_info(data / "rest/fapi_v1_exchangeInfo_mainnet_2025-08-07_25symbols.json", symbols)
    path = data / "klines/um_perp_1m_2025.parquet"
    tape = open_recording(path, answer, symbols=symbols, start_ms=start, now_ms=NOW)
    wanted = [("symbol", "in", symbols), ("open_time", ">=", start), ("open_time", "<", start + 240 * MINUTE)]
    recorded = pyarrow.parquet.read_table(path, filters=wanted).to_pylist()
    assert len(recorded) == 480
    for row in recorded:
        minute = tape.minute(row["open_time"] + tape.shift_ms)
        own = [tick for tick in minute.ticks if tick.symbol == row["symbol"]]
        expected = tuple(Decimal(repr(row[name])) for name in ("open", "high", "low", "close", "volume"))
        assert shape(candle_of_ticks(row["symbol"], minute.open_time, own)) == expected


@pytest.mark.parametrize(
    ("name", "symbol", "volume"),
    [
        ("um_raw_BTCUSDT_20240808.txt.gz", "BTCUSDT", None),
        ("um_aggTrades_APEUSDT_2024-10-18.parquet", "APEUSDT", "41674860"),
    ],
)
def test_recorded_trades_are_played_to_their_end(name, symbol, volume):
    tape = replay(recorded_data() / "ticks" / name, symbols=(symbol,))
    played = [tape.minute(at) for at in range(tape.start_ms, tape.end_ms, MINUTE)]
    assert all(minute.candles[symbol].volume > 0 for minute in played[:5])
    assert len(tape.history(symbol)) == LEAD_IN
    assert volume is None or sum(minute.candles[symbol].volume for minute in played) == Decimal(volume)
