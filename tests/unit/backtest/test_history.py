import gc
import gzip
import os
import random
import subprocess
import sys
import tracemalloc
from decimal import Decimal

import numpy as np
import pyarrow as pa
import pytest

from backtest.errors import DataError
from backtest.history import read_funding, read_history, read_marks, symbols_in, written
from bot.exchange.binance.public_answers import read_exchange_info
from support.market_files import MIDNIGHT, MINUTE, candles, csv, instruments, parquet, recorded_data, without

BTC = instruments("BTCUSDT")
BOTH = instruments("BTCUSDT", "ETHUSDT")


def refusal(paths, wanted=BTC, **options):
    with pytest.raises(DataError) as caught:
        read_history(paths if isinstance(paths, list) else [paths], wanted, **options)
    message = str(caught.value)
    assert "\n" not in message
    return message


# what is read


@pytest.mark.parametrize("write", [parquet, csv])
def test_candles_are_whole_ticks_and_steps(tmp_path, write):
    history = read_history([write(tmp_path / "any", candles(count=3)).rename(tmp_path / f"a.{write.__name__}")], BTC)
    series = history.series["BTCUSDT"]
    assert history.interval_ms == MINUTE
    assert history.findings == ()
    assert (series.tick, series.step) == (Decimal("0.1"), Decimal("0.001"))
    assert series.open_time.tolist() == [MIDNIGHT, MIDNIGHT + MINUTE, MIDNIGHT + 2 * MINUTE]
    assert series.open.tolist() == [10000.0, 10001.0, 10002.0]
    assert series.high.tolist() == [10020.0, 10021.0, 10022.0]
    assert series.low.tolist() == [9990.0] * 3
    assert series.close.tolist() == [10000.0, 10001.0, 10002.0]
    assert series.volume.tolist() == [1000.0, 1001.0, 1002.0]


def test_further_columns_do_not_matter_and_rows_of_other_symbols_neither(tmp_path):
    rows = candles("ETHUSDT") + [row | {"trades": None} for row in candles()]
    history = read_history([parquet(tmp_path / "a.parquet", rows)], BTC)
    assert list(history.series) == ["BTCUSDT"]
    assert history.series["BTCUSDT"].open_time.size == 5


def test_sorted_means_within_a_symbol(tmp_path):
    by_time = sorted(candles() + candles("ETHUSDT", base=50.0), key=lambda row: row["open_time"])
    history = read_history([parquet(tmp_path / "a.parquet", by_time)], BOTH)
    assert history.series["BTCUSDT"].close.tolist() == [10000.0, 10001.0, 10002.0, 10003.0, 10004.0]
    assert history.series["ETHUSDT"].close.tolist() == [500.0, 501.0, 502.0, 503.0, 504.0]


def test_a_symbol_is_found_whatever_row_groups_it_lies_in(tmp_path):
    rows = [row for symbol in ("ADAUSDT", "BTCUSDT", "ETHUSDT") for row in candles(symbol, count=50)]
    pa.parquet.write_table(pa.Table.from_pylist(rows), tmp_path / "a.parquet", row_group_size=7)
    history = read_history([tmp_path / "a.parquet"], BOTH)
    assert {name: series.open_time.size for name, series in history.series.items()} == {"BTCUSDT": 50, "ETHUSDT": 50}


def test_times_may_be_timestamps(tmp_path):
    table = pa.Table.from_pylist(candles())
    for unit, zone in (("s", None), ("ms", "UTC"), ("ns", "UTC")):
        times = table["open_time"].cast(pa.timestamp("ms", zone)).cast(pa.timestamp(unit, zone))
        file = parquet(tmp_path / f"{unit}.parquet", table.set_column(1, "open_time", times))
        assert read_history([file], BTC).series["BTCUSDT"].open_time.tolist()[:2] == [MIDNIGHT, MIDNIGHT + MINUTE]


def test_a_csv_may_write_its_times_out(tmp_path):
    text = "open_time,open,high,low,close,volume\n2025-03-01 00:00:00,1,1,1,1,1\n2025-03-01 00:01:00,1,1,1,1,1\n"
    (tmp_path / "a.csv").write_text(text)
    assert read_history([tmp_path / "a.csv"], BTC).series["BTCUSDT"].open_time.tolist() == [MIDNIGHT, MIDNIGHT + MINUTE]


def test_a_file_without_symbol_column_is_of_the_symbol_it_is_named_after(tmp_path):
    parquet(tmp_path / "um_perp_1m_vision_ETHUSDT.parquet", without("symbol", candles(count=4)))
    parquet(tmp_path / "BTCUSDT" / "1m" / "2025-03.parquet", without("symbol", candles(count=3)))
    assert symbols_in([tmp_path]) == ("BTCUSDT", "ETHUSDT")
    history = read_history([tmp_path], BOTH)
    assert {name: series.open_time.size for name, series in history.series.items()} == {"BTCUSDT": 3, "ETHUSDT": 4}


def test_a_file_that_names_no_symbol_is_of_the_only_one_asked_for(tmp_path):
    file = parquet(tmp_path / "x.parquet", without("symbol", candles()))
    assert list(read_history([file], BTC).series) == ["BTCUSDT"]
    assert "BTCUSDT, ETHUSDT" in refusal(file, BOTH)
    with pytest.raises(DataError, match="pass --symbol"):
        symbols_in([file])


def test_a_file_named_after_another_symbol_is_not_taken_for_the_one_asked_for(tmp_path):
    assert "no candles of BTCUSDT" in refusal(parquet(tmp_path / "ETHUSDT.parquet", without("symbol", candles())))


def test_a_folder_stands_for_all_files_in_it_in_time_order(tmp_path):
    parquet(tmp_path / "a" / "later.parquet", candles(first=MIDNIGHT + 3 * MINUTE, count=2))
    csv(tmp_path / "b" / "c" / "earlier.csv", candles(count=3))
    (tmp_path / "notes.txt").write_text("no data")
    history = read_history([tmp_path], BTC)
    assert np.diff(history.series["BTCUSDT"].open_time).tolist() == [MINUTE] * 4
    assert history.findings == ()


def test_of_stored_months_the_interval_asked_for_is_taken_else_the_finest(tmp_path):
    parquet(tmp_path / "BTCUSDT" / "1m" / "2025-03.parquet", candles(count=30))
    parquet(tmp_path / "BTCUSDT" / "15m" / "2025-03.parquet", candles(count=2, interval=15 * MINUTE, base=7.0))
    parquet(tmp_path / "BTCUSDT" / "funding" / "2025-03.parquet", [{"funding_time": 1}])
    parquet(tmp_path / "BTCUSDT" / "mark-1h" / "2025-03.parquet", [{"open_time": 1}])
    assert read_history([tmp_path], BTC).interval_ms == MINUTE
    coarse = read_history([tmp_path], BTC, interval_ms=15 * MINUTE)
    assert coarse.series["BTCUSDT"].open.tolist() == [70.0, 71.0]
    made = read_history([tmp_path], BTC, interval_ms=5 * MINUTE)
    assert made.series["BTCUSDT"].open_time.size == 6


def test_what_is_hidden_or_of_other_symbols_in_the_storage_is_not_even_opened(tmp_path):
    parquet(tmp_path / "BTCUSDT" / "1m" / "2025-03.parquet", candles())
    for name in ("BTCUSDT/1m/.2025-03.parquet", "ETHUSDT/1m/2025-03.parquet"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("not Parquet")
    assert read_history([tmp_path], BTC).series["BTCUSDT"].open_time.size == 5


def test_candles_from_the_given_end_on_are_left_out(tmp_path):
    file = parquet(tmp_path / "a.parquet", candles(count=5))
    assert read_history([file], BTC, to_ms=MIDNIGHT + 3 * MINUTE).series["BTCUSDT"].open_time.size == 3
    assert "before 2025-03-01T00:00:00Z" in refusal(file, to_ms=MIDNIGHT)


# holes and duplicates


def test_each_hole_stays_a_hole_and_is_told(tmp_path):
    rows = candles(count=20)
    history = read_history([parquet(tmp_path / "a.parquet", rows[:3] + rows[4:9] + rows[15:])], BTC)
    assert history.series["BTCUSDT"].open_time.size == 13
    assert [(each.kind, each.at_ms, each.count) for each in history.findings] == [
        ("hole", MIDNIGHT + 3 * MINUTE, 1),
        ("hole", MIDNIGHT + 9 * MINUTE, 6),
    ]
    assert history.findings[1].text == "BTCUSDT: 6 candles are missing, 2025-03-01T00:09:00Z to 2025-03-01T00:14:00Z"


def test_only_so_many_findings_are_written_but_all_are_counted(tmp_path):
    history = read_history([parquet(tmp_path / "a.parquet", [*candles(count=2), *candles(count=20)[3::2]])], BTC)
    assert len(history.findings) == 9
    lines = written(history.findings, most_of_a_kind=2)
    assert len(lines) == 3
    assert lines[-1] == "BTCUSDT: 7 more of kind hole, 7 candles"


def test_identical_duplicates_are_dropped_and_counted(tmp_path):
    rows = candles(count=5)
    file = parquet(tmp_path / "a.parquet", [rows[0], rows[1], rows[1], rows[1], *rows[2:]])
    history = read_history([file], BTC)
    assert history.series["BTCUSDT"].volume.tolist() == [1000.0, 1001.0, 1002.0, 1003.0, 1004.0]
    assert [(each.kind, each.at_ms, each.count) for each in history.findings] == [("duplicate", MIDNIGHT + MINUTE, 2)]


def test_files_that_overlap_and_agree_are_joined(tmp_path):
    rows = candles(count=10)
    files = [parquet(tmp_path / "b.parquet", rows[4:]), csv(tmp_path / "a.csv", rows[:7])]
    history = read_history(files, BTC)
    assert history.series["BTCUSDT"].volume.tolist() == [1000.0 + number for number in range(10)]
    assert [(each.kind, each.count) for each in history.findings] == [("duplicate", 3)]


@pytest.mark.parametrize("name", ["open", "high", "low", "close", "volume"])
def test_two_rows_of_one_minute_that_differ_are_refused(tmp_path, name):
    rows = candles(count=3)
    rows[1:1] = [rows[1] | {name: rows[1][name] + (-0.1 if name == "low" else 0.1)}]
    message = refusal(parquet(tmp_path / "a.parquet", rows))
    assert f"a.parquet twice: BTCUSDT at 2025-03-01T00:01:00Z: two rows that differ ({name}" in message


def test_files_that_contradict_each_other_are_both_named(tmp_path):
    rows = candles(count=6)
    one = parquet(tmp_path / "one.parquet", rows[:4])
    other = parquet(tmp_path / "other.parquet", [rows[3] | {"volume": 9.0}, *rows[4:]])
    message = refusal([one, other])
    assert "one.parquet and" in message
    assert "other.parquet: BTCUSDT at 2025-03-01T00:03:00Z" in message


# units


def test_data_off_the_tick_is_read_on_a_finer_one_and_told(tmp_path):
    rows = candles(count=4)
    rows[2] |= {"close": 1000.25}
    history = read_history([parquet(tmp_path / "a.parquet", rows)], BTC)
    series = history.series["BTCUSDT"]
    assert series.tick == Decimal("0.01")
    assert series.close.tolist() == [100000.0, 100010.0, 100025.0, 100030.0]
    assert series.open.tolist() == [100000.0, 100010.0, 100020.0, 100030.0]
    (finding,) = history.findings
    assert (finding.kind, finding.count, finding.at_ms) == ("off_tick", 1, MIDNIGHT + 2 * MINUTE)
    assert "0.01" in finding.text


def test_a_tick_of_five_is_refined_to_a_decimal_unit_that_divides_it(tmp_path):
    file = parquet(tmp_path / "a.parquet", candles(count=3))
    series = read_history([file], instruments("BTCUSDT", tick="0.5")).series["BTCUSDT"]
    assert series.tick == Decimal("0.1")
    assert series.open.tolist() == [10000.0, 10001.0, 10002.0]


def test_a_price_with_more_than_eight_decimals_is_refused(tmp_path):
    rows = candles(count=3)
    rows[1] |= {"close": 1000.123456789}
    assert "BTCUSDT at 2025-03-01T00:01:00Z: a price has more than 8 decimals" in refusal(
        parquet(tmp_path / "a.parquet", rows)
    )


def test_a_volume_that_is_no_decimal_is_rounded_to_the_finest_unit_and_told(tmp_path):
    rows = candles(count=3)
    rows[1] |= {"volume": 1 / 3}
    history = read_history([parquet(tmp_path / "a.parquet", rows)], BTC)
    assert history.series["BTCUSDT"].step == Decimal("0.00000001")
    assert history.series["BTCUSDT"].volume.tolist() == [1e8, 33333333.0, 1.002e8]
    assert [(each.kind, each.count) for each in history.findings] == [("off_step", 1)]


def test_noise_of_float_sums_is_not_taken_for_decimals(tmp_path):
    rows = candles(count=3)
    rows[1] |= {"volume": 0.1 + 0.2, "close": 1000.1 + 0.2 - 0.2}
    history = read_history([parquet(tmp_path / "a.parquet", rows)], BTC)
    assert history.findings == ()
    assert history.series["BTCUSDT"].volume[1] == 300.0


@pytest.mark.parametrize("places", [0, 1, 2, 3, 4, 5, 8])
def test_every_decimal_becomes_exactly_its_units(tmp_path, places):
    chance = random.Random(places)
    wholes = [chance.randrange(1, 10**10) for _ in range(2000)]
    rows = []
    for row, whole in zip(candles(count=2000), wholes, strict=True):
        price = float(Decimal(whole).scaleb(-places))
        rows.append(row | {"open": price, "high": price, "low": price, "close": price, "volume": price})
    unit = format(Decimal(1).scaleb(-places), "f")
    history = read_history([parquet(tmp_path / "a.parquet", rows)], instruments("BTCUSDT", tick=unit, step=unit))
    assert history.findings == ()
    assert history.series["BTCUSDT"].close.tolist() == wholes
    assert history.series["BTCUSDT"].volume.tolist() == wholes


# intervals


@pytest.mark.parametrize("minutes", [1, 3, 5, 15, 30, 60, 120, 240, 360, 480, 720, 1440])
def test_the_interval_is_the_smallest_spacing(tmp_path, minutes):
    rows = candles(count=6, interval=minutes * MINUTE)
    history = read_history([parquet(tmp_path / "a.parquet", rows[:2] + rows[4:])], BTC)
    assert history.interval_ms == minutes * MINUTE
    assert [each.count for each in history.findings] == [2]


def test_a_single_candle_tells_no_interval_and_takes_that_of_the_others(tmp_path):
    rows = candles(count=1) + candles("ETHUSDT", count=3, interval=5 * MINUTE)
    assert read_history([parquet(tmp_path / "a.parquet", rows)], BOTH).interval_ms == 5 * MINUTE
    assert read_history([parquet(tmp_path / "b.parquet", candles(count=1))], BTC).interval_ms == MINUTE


def test_a_spacing_that_is_no_interval_is_refused(tmp_path):
    message = refusal(parquet(tmp_path / "a.parquet", candles(count=6, interval=2 * MINUTE)))
    assert "a.parquet: BTCUSDT has candles 2 minutes apart" in message


def test_candles_beside_the_multiples_of_their_interval_are_refused(tmp_path):
    message = refusal(
        parquet(tmp_path / "a.parquet", candles(first=MIDNIGHT + 15 * MINUTE, interval=30 * MINUTE, count=4))
    )
    assert "BTCUSDT at 2025-03-01T00:15:00Z: not at a whole multiple of 30m" in message


def test_symbols_of_different_intervals_are_refused_unless_one_is_asked_for(tmp_path):
    rows = candles(count=30) + candles("ETHUSDT", count=2, interval=15 * MINUTE)
    file = parquet(tmp_path / "a.parquet", rows)
    assert "BTCUSDT has candles of 1m, ETHUSDT of 15m" in refusal(file, BOTH)
    history = read_history([file], BOTH, interval_ms=15 * MINUTE)
    assert [series.open_time.size for series in history.series.values()] == [2, 2]


def test_resampling_takes_first_open_highest_lowest_last_close_and_the_sum(tmp_path):
    rows = candles(count=10)
    rows[7] |= {"high": 1010.0, "low": 900.0}
    history = read_history([parquet(tmp_path / "a.parquet", rows)], BTC, interval_ms=5 * MINUTE)
    series = history.series["BTCUSDT"]
    assert history.interval_ms == 5 * MINUTE
    assert history.findings == ()
    assert series.open_time.tolist() == [MIDNIGHT, MIDNIGHT + 5 * MINUTE]
    assert series.open.tolist() == [10000.0, 10005.0]
    assert series.high.tolist() == [10022.0, 10100.0]
    assert series.low.tolist() == [9990.0, 9000.0]
    assert series.close.tolist() == [10004.0, 10004.0]
    assert series.volume.tolist() == [1000.0 + 1001 + 1002 + 1003 + 1004, 1005.0 + 1006 + 1007 + 1008 + 1009]


def test_a_bar_is_made_only_of_all_its_candles(tmp_path):
    rows = candles(first=MIDNIGHT + MINUTE, count=19)
    history = read_history([parquet(tmp_path / "a.parquet", rows[:7] + rows[8:])], BTC, interval_ms=5 * MINUTE)
    assert history.series["BTCUSDT"].open_time.tolist() == [MIDNIGHT + 10 * MINUTE, MIDNIGHT + 15 * MINUTE]
    assert [(each.kind, each.at_ms, each.count) for each in history.findings] == [
        ("hole", MIDNIGHT + 8 * MINUTE, 1),
        ("incomplete", MIDNIGHT, 4),
        ("incomplete", MIDNIGHT + 5 * MINUTE, 4),
    ]
    assert "make no whole 1h" in refusal(tmp_path / "a.parquet", interval_ms=60 * MINUTE)


def test_a_finer_interval_than_the_data_cannot_be_made(tmp_path):
    file = parquet(tmp_path / "a.parquet", candles(interval=5 * MINUTE))
    assert "candles of 5m, from which 1m cannot be made" in refusal(file, interval_ms=MINUTE)
    assert "candles of 5m, from which 3m cannot be made" in refusal(file, interval_ms=3 * MINUTE)


# what is refused


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"close": float("nan")}, "close is not a number"),
        ({"high": float("inf")}, "high is not a number"),
        ({"volume": None}, "volume is not a number"),
        ({"volume": -0.001}, "volume below 0"),
        ({"low": 0.0}, "price not above 0"),
        ({"low": -1.0}, "price not above 0"),
        ({"high": 999.5}, "open or close outside low..high"),
        ({"low": 1001.9}, "open or close outside low..high"),
    ],
)
@pytest.mark.parametrize("write", [parquet, csv])
def test_a_candle_that_cannot_be_is_refused_by_file_symbol_and_time(tmp_path, write, change, words):
    rows = candles(count=5)
    rows[2] |= change
    message = refusal(write(tmp_path / f"a.{write.__name__}", rows))
    assert f"a.{write.__name__}: BTCUSDT at 2025-03-01T00:02:00Z: {words}" in message


def test_rows_out_of_order_are_refused(tmp_path):
    rows = candles(count=5)
    rows[2], rows[3] = rows[3], rows[2]
    assert "BTCUSDT at 2025-03-01T00:02:00Z: row out of order" in refusal(parquet(tmp_path / "a.parquet", rows))


@pytest.mark.parametrize("name", ["open_time", "open", "high", "low", "close", "volume"])
def test_a_missing_column_is_named(tmp_path, name):
    assert f"a.parquet: no column {name!r}" in refusal(parquet(tmp_path / "a.parquet", without(name, candles())))


@pytest.mark.parametrize(
    ("numerator", "denominator", "unit"),
    [(1, 1000, "seconds"), (1000, 1, "microseconds"), (1_000_000, 1, "nanoseconds")],
)
def test_another_time_unit_is_recognised(tmp_path, numerator, denominator, unit):
    rows = [row | {"open_time": row["open_time"] * numerator // denominator} for row in candles()]
    message = refusal(parquet(tmp_path / "a.parquet", rows))
    assert f"open_time {rows[0]['open_time']}: these are {unit}: it must be milliseconds UTC" in message


def test_times_that_are_no_times_are_refused(tmp_path):
    low = parquet(tmp_path / "low.parquet", [row | {"open_time": 5} for row in candles()])
    assert "open_time 5: this is no time" in refusal(low)
    odd = parquet(tmp_path / "odd.parquet", candles(first=MIDNIGHT + 1))
    assert "BTCUSDT at 2025-03-01T00:00:00Z: open_time is no whole minute" in refusal(odd)
    empty = parquet(tmp_path / "empty.parquet", [*candles(), *[row | {"open_time": None} for row in candles()]])
    assert "BTCUSDT has a row without open_time" in refusal(empty)
    text = parquet(tmp_path / "text.parquet", [row | {"open_time": "noon"} for row in candles()])
    assert "column 'open_time' holds string" in refusal(text)
    fine = pa.Table.from_pylist(candles())
    times = pa.chunked_array([pa.array([time * 1_000_000 + 1 for time in fine["open_time"].to_pylist()])])
    split = parquet(tmp_path / "a.parquet", fine.set_column(1, "open_time", times.cast(pa.timestamp("ns"))))
    assert "no whole millisecond" in refusal(split)


def test_what_is_no_number_is_refused(tmp_path):
    text = [row | {"close": "high"} for row in candles()]
    assert "column 'close' of BTCUSDT holds string" in refusal(parquet(tmp_path / "a.parquet", text))
    assert "a.csv: line 2: close is 'high', no number" in refusal(csv(tmp_path / "a.csv", text))


def test_a_file_without_rows_is_refused(tmp_path):
    table = pa.Table.from_pylist(candles()).slice(0, 0)
    assert "a.parquet: holds no rows" in refusal(parquet(tmp_path / "a.parquet", table))
    assert "a.csv: holds no rows" in refusal(csv(tmp_path / "a.csv", table))
    (tmp_path / "b.csv").write_text("")
    assert "b.csv: cannot be read" in refusal(tmp_path / "b.csv")


def test_a_symbol_without_rows_is_refused(tmp_path):
    assert "a.parquet: no candles of ETHUSDT" in refusal(parquet(tmp_path / "a.parquet", candles()), BOTH)


def test_what_is_no_file_or_none_of_ours_is_refused(tmp_path):
    assert "no such file" in refusal(tmp_path / "a.parquet")
    assert "no such file" in refusal(tmp_path / "a.csv")
    (tmp_path / "b.parquet").write_text("not Parquet")
    assert "b.parquet: cannot be read" in refusal(tmp_path / "b.parquet")
    (tmp_path / "folder").mkdir()
    assert "folder: no candle files" in refusal(tmp_path / "folder")


# funding and marks


def settlements(symbol="BTCUSDT", *, jitter=0, rates=(0.0001, -0.00012345, 1e-05)):
    return [
        {"symbol": symbol, "funding_time": MIDNIGHT + number * 28_800_000 + jitter * number, "funding_rate": rate}
        for number, rate in enumerate(rates)
    ]


@pytest.mark.parametrize("write", [parquet, csv])
def test_funding_times_lose_their_jitter_and_rates_stay_exact(tmp_path, write):
    file = write(tmp_path / f"a.{write.__name__}", settlements(jitter=23))
    found = read_funding(file, ("BTCUSDT", "ETHUSDT"))
    assert list(found) == ["BTCUSDT"]
    assert found["BTCUSDT"].at_ms.tolist() == [MIDNIGHT, MIDNIGHT + 28_800_000, MIDNIGHT + 2 * 28_800_000]
    assert found["BTCUSDT"].rate == (Decimal("0.0001"), Decimal("-0.00012345"), Decimal("0.00001"))


def test_funding_of_two_files_that_differ_is_refused(tmp_path):
    parquet(tmp_path / "BTCUSDT" / "funding" / "2025-03.parquet", settlements())
    parquet(tmp_path / "BTCUSDT" / "1m" / "2025-03.parquet", candles())
    assert len(read_funding(tmp_path, ("BTCUSDT",))["BTCUSDT"].rate) == 3
    parquet(tmp_path / "BTCUSDT" / "funding" / "again.parquet", settlements(rates=(0.0002,)))
    with pytest.raises(DataError, match="two rows that differ"):
        read_funding(tmp_path, ("BTCUSDT",))


def test_an_empty_funding_rate_is_refused(tmp_path):
    with pytest.raises(DataError, match="BTCUSDT at 2025-03-01T08:00:00Z: funding_rate is not a number"):
        read_funding(parquet(tmp_path / "a.parquet", settlements(rates=(0.1, None))), ("BTCUSDT",))


def test_marks_give_the_price_at_the_open_of_a_bar(tmp_path):
    rows = [row | {"open": 1000.12345678} for row in without("volume", candles(interval=8 * 60 * MINUTE))]
    parquet(tmp_path / "BTCUSDT" / "mark-8h" / "2025-03.parquet", rows)
    marks = read_marks(tmp_path, ("BTCUSDT",))["BTCUSDT"]
    assert marks.opening(MIDNIGHT + 8 * 60 * MINUTE) == Decimal("1000.12345678")
    assert marks.opening(MIDNIGHT + MINUTE) is None
    assert marks.opening(MIDNIGHT + 5 * 8 * 60 * MINUTE) is None


def test_a_mark_price_bar_that_cannot_be_is_refused(tmp_path):
    rows = without("volume", candles(interval=8 * 60 * MINUTE))
    rows[1] |= {"high": 1.0}
    with pytest.raises(DataError, match="BTCUSDT at 2025-03-01T08:00:00Z: open or close outside"):
        read_marks(parquet(tmp_path / "a.parquet", rows), ("BTCUSDT",))


# recorded data


def recorded_instruments(*symbols):
    body = (recorded_data() / "rest" / "fapi_v1_exchangeInfo_testnet_2025-12-24.json.gz").read_bytes()
    return {each.symbol: each for each in read_exchange_info(gzip.decompress(body)).instruments(symbols)}


def test_recorded_minutes_of_bitcoin_lie_on_the_tick_and_have_two_holes():
    file = recorded_data() / "klines" / "um_perp_1m_2025.parquet"
    history = read_history([file], recorded_instruments("BTCUSDT"))
    assert history.series["BTCUSDT"].open_time.size == 127_056
    assert [each.kind for each in history.findings] == ["hole", "hole"]


def test_recorded_half_hours_from_the_old_tick_size_are_read_on_it():
    file = recorded_data() / "klines" / "um_perp_30m.parquet"
    history = read_history([file], recorded_instruments("BTCUSDT"))
    assert history.interval_ms == 30 * MINUTE
    assert history.series["BTCUSDT"].tick == Decimal("0.01")
    assert [each.kind for each in history.findings] == ["off_tick"]


def test_months_missing_in_the_recorded_file_of_filecoin_are_holes():
    file = recorded_data() / "klines" / "um_perp_1m_vision_FILUSDT.parquet"
    history = read_history([file], recorded_instruments("FILUSDT"))
    assert history.series["FILUSDT"].open_time.size == 902_880
    assert {each.kind for each in history.findings} == {"hole"}
    assert all(each.count % 1440 == 0 for each in history.findings)


def test_recorded_minutes_make_the_recorded_spot_five_minutes():
    klines = recorded_data() / "klines"
    made = read_history([klines / "spot_1m_2025.parquet"], BTC, interval_ms=5 * MINUTE).series["BTCUSDT"]
    given = read_history([klines / "spot_5m_BTCUSDT.parquet"], BTC).series["BTCUSDT"]
    both, ours, theirs = np.intersect1d(made.open_time, given.open_time, return_indices=True)
    assert both.size == 12_454
    for name in ("open", "high", "low", "close", "volume"):
        assert np.array_equal(getattr(made, name)[ours], getattr(given, name)[theirs])


def test_funding_intervals_of_layer_change_from_four_hours_to_one():
    found = read_funding(recorded_data() / "funding" / "funding_rate.parquet", ("LAYERUSDT", "BTCUSDT"))
    hours = np.diff(found["LAYERUSDT"].at_ms) // 3_600_000
    assert set(hours.tolist()) == {1, 4}
    assert all((found[symbol].at_ms % 3_600_000 == 0).all() for symbol in found)
    assert len(found["BTCUSDT"].rate) == 6_399


def test_a_long_history_never_stands_in_memory_twice(tmp_path):
    count = 400_000
    times = MIDNIGHT + np.arange(count) * MINUTE
    flat = np.full(count, 1000.0)
    columns = {"open_time": times} | dict.fromkeys(("open", "high", "low", "close", "volume"), flat)
    file = parquet(tmp_path / "a.parquet", pa.table(columns))
    gc.collect()
    tracemalloc.start()
    try:
        history = read_history([file], BTC)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    final = 6 * 8 * count
    assert history.series["BTCUSDT"].open_time.size == count
    assert peak < 1.9 * final


def test_rows_without_a_symbol_are_nobodys(tmp_path):
    rows = candles(count=3) + [row | {"symbol": None} for row in candles(count=2)]
    for file in (parquet(tmp_path / "a.parquet", rows), csv(tmp_path / "a.csv", rows)):
        assert read_history([file], BTC).series["BTCUSDT"].open_time.size == 3


def test_what_reading_takes_for_a_while_goes_back_to_the_system(tmp_path):
    count = 1_000_000
    prices = {name: np.full(count, 1000.0) for name in ("open", "high", "low", "close", "volume")}
    rows = pa.table({"open_time": MIDNIGHT + MINUTE * np.arange(count), **prices})
    parquet(tmp_path / "BTCUSDT.parquet", rows)
    program = (
        "import sys; from pathlib import Path; from backtest.history import read_history;"
        "from support.market_files import instruments;"
        "resident = lambda: int(Path('/proc/self/statm').read_text().split()[1]) * 4096;"
        "before = resident(); history = read_history([Path(sys.argv[1])], instruments('BTCUSDT'));"
        "print((resident() - before) / sum(getattr(history.series['BTCUSDT'], name).nbytes"
        " for name in ('open_time', 'open', 'high', 'low', 'close', 'volume')))"
    )
    told = subprocess.run(
        [sys.executable, "-c", program, tmp_path / "BTCUSDT.parquet"],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        check=True,
        text=True,
        capture_output=True,
    )
    assert float(told.stdout) < 2
