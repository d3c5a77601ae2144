import hashlib
import zipfile

import numpy as np
import pyarrow as pa
import pyarrow.feather
import pytest

from backtest.errors import DataError
from backtest.importing import import_file
from backtest.storage import CANDLES, FUNDING, MARK, Shelf, shelves_in
from support.market_files import MIDNIGHT, MINUTE, candles, csv, parquet, recorded_data, without

HOUR = 60 * MINUTE
NAMES = (
    "open_time,open,high,low,close,volume,close_time,quote_volume,count,taker_buy_volume,taker_buy_quote_volume,ignore"
)


def archive_lines(rows, *, unit=1):
    return [
        f"{row['open_time'] * unit},{row['open']},{row['high']},{row['low']},{row['close']},{row['volume']},"
        f"{(row['open_time'] + MINUTE) * unit - 1},1.0,5,0.5,0.5,0"
        for row in rows
    ]


def zipped(path, lines):
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(path.with_suffix(".csv").name, "\n".join(lines) + "\n")
    return path


def feather(path, rows, *, unit="ns"):
    table = pa.Table.from_pylist(without("symbol", rows))
    dates = table["open_time"].cast(pa.timestamp("ms", "UTC")).cast(pa.timestamp(unit, "UTC"))
    table = table.set_column(table.column_names.index("open_time"), "date", dates)
    pyarrow.feather.write_feather(table, path, compression="lz4")
    return path


def stored(root, month="2025-03"):
    return {(shelf.symbol, shelf.name): shelf.read(month) for shelf in shelves_in(root)}


def refusal(path, root, *arguments, **options):
    with pytest.raises(DataError) as caught:
        import_file(path, root, *arguments, **options)
    assert not root.exists() or not shelves_in(root)
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize("write", [parquet, csv])
def test_a_candle_file_goes_to_the_interval_of_its_rows(tmp_path, write):
    rows = candles(count=3) + candles("ETHUSDT", count=2, interval=15 * MINUTE)
    file = write(tmp_path / f"a.{write.__name__}", rows)
    done = import_file(file, tmp_path / "data", ())
    assert [(each.shelf.symbol, each.shelf.name, each.rows, each.added.new) for each in done] == [
        ("BTCUSDT", "1m", 3, 3),
        ("ETHUSDT", "15m", 2, 2),
    ]
    assert stored(tmp_path / "data")["BTCUSDT", "1m"].values["close"].tolist() == [1000.0, 1000.1, 1000.2]
    assert [each.added.new for each in import_file(file, tmp_path / "data", ())] == [0, 0]


def test_only_the_symbols_asked_for_are_stored(tmp_path):
    file = parquet(tmp_path / "a.parquet", candles() + candles("ETHUSDT"))
    import_file(file, tmp_path / "data", ("ETHUSDT",))
    assert list(stored(tmp_path / "data")) == [("ETHUSDT", "1m")]
    with pytest.raises(DataError, match="holds no rows of XRPUSDT"):
        import_file(file, tmp_path / "data", ("XRPUSDT",))


def test_identical_duplicates_are_dropped_and_counted(tmp_path):
    rows = candles(count=4)
    (done,) = import_file(parquet(tmp_path / "a.parquet", [rows[0], *rows]), tmp_path / "data", ())
    assert (done.rows, done.duplicates) == (4, 1)


def test_a_file_with_one_bad_symbol_stores_none_of_it(tmp_path):
    rows = candles() + candles("ETHUSDT")
    rows[-1] |= {"high": 1.0}
    assert "ETHUSDT at 2025-03-01T00:04:00Z" in refusal(parquet(tmp_path / "a.parquet", rows), tmp_path / "data", ())


def test_a_single_row_tells_no_interval(tmp_path):
    assert "tells no interval" in refusal(parquet(tmp_path / "a.parquet", candles(count=1)), tmp_path / "data", ())


# the public archive


@pytest.mark.parametrize("header", [[], [NAMES]])
@pytest.mark.parametrize("unit", [1, 1000])
def test_the_archives_files_come_with_and_without_names_in_ms_and_microseconds(tmp_path, header, unit):
    rows = candles(count=4)
    file = zipped(tmp_path / "BTCUSDT-1m-2025-03.zip", header + archive_lines(rows, unit=unit))
    import_file(file, tmp_path / "data", ())
    part = stored(tmp_path / "data")["BTCUSDT", "1m"]
    assert part.times.tolist() == [row["open_time"] for row in rows]
    for name in CANDLES.value_names:
        assert part.values[name].tolist() == [row[name] for row in rows]


@pytest.mark.parametrize(("kind", "column"), [(CANDLES, "volume"), (FUNDING, "funding_rate")])
def test_a_file_lacking_columns_of_its_kind_or_rows_is_named(tmp_path, kind, column):
    file = tmp_path / "x.csv"
    file.write_text(",".join(("symbol", kind.time_name, *kind.value_names)) + "\n")
    assert "x.csv: holds no rows" in refusal(file, tmp_path / "data", (), kind)
    file.write_text("a,b\n1,2\n")
    assert f"{column!r}: a file of this kind names" in refusal(file, tmp_path / "data", (), kind)


def test_the_archives_csv_may_lie_beside_its_zip(tmp_path):
    file = tmp_path / "BTCUSDT-1m-2025-03-01.csv"
    file.write_text("\n".join(archive_lines(candles())))
    import_file(file, tmp_path / "data", ())
    assert stored(tmp_path / "data")["BTCUSDT", "1m"].times.size == 5


def test_a_file_of_another_name_needs_its_symbol(tmp_path):
    file = zipped(tmp_path / "mine.zip", archive_lines(candles()))
    assert "pass --symbol" in refusal(file, tmp_path / "data", ())
    import_file(file, tmp_path / "data", ("BTCUSDT",))
    assert list(stored(tmp_path / "data")) == [("BTCUSDT", "1m")]


def test_a_checksum_beside_the_file_must_be_right(tmp_path):
    file = zipped(tmp_path / "BTCUSDT-1m-2025-03.zip", archive_lines(candles()))
    published = tmp_path / "BTCUSDT-1m-2025-03.zip.CHECKSUM"
    published.write_text(f"{'0' * 64}  {file.name}\n")
    assert "does not have the published SHA-256" in refusal(file, tmp_path / "data", ())
    published.write_text(f"{hashlib.sha256(file.read_bytes()).hexdigest()}  {file.name}\n")
    import_file(file, tmp_path / "data", ())


def test_funding_of_the_archive_is_floored_to_the_minute(tmp_path):
    lines = ["calc_time,funding_interval_hours,last_funding_rate", f"{MIDNIGHT + 7},8,0.00010000"]
    file = zipped(tmp_path / "BTCUSDT-fundingRate-2025-03.zip", [*lines, f"{MIDNIGHT + 8 * HOUR},8,-0.00003"])
    import_file(file, tmp_path / "data", (), FUNDING)
    part = stored(tmp_path / "data")["BTCUSDT", "funding"]
    assert part.times.tolist() == [MIDNIGHT, MIDNIGHT + 8 * HOUR]
    assert part.values["funding_rate"].tolist() == [0.0001, -0.00003]


@pytest.mark.parametrize(
    ("lines", "words"),
    [
        (["1,2"], "has only 2 columns"),
        ([line.replace("1000.0", "text", 1) for line in archive_lines(candles())], "it must be numbers"),
        (
            [line.replace(str(MIDNIGHT), str(MIDNIGHT // 1000)) for line in archive_lines(candles())],
            "these are seconds",
        ),
        (archive_lines(candles())[::-1], "row out of order"),
        ([line.replace("0000,", "0001,", 1) for line in archive_lines(candles(), unit=1000)], "no whole milliseconds"),
        ([NAMES], "holds no rows"),
    ],
)
def test_what_is_no_file_of_the_archive_is_refused(tmp_path, lines, words):
    assert words in refusal(zipped(tmp_path / "BTCUSDT-1m-2025-03.zip", lines), tmp_path / "data", ())


def test_what_is_no_zip_is_refused(tmp_path):
    (tmp_path / "BTCUSDT-1m-2025-03.zip").write_bytes(b"no zip")
    assert "is no zip file" in refusal(tmp_path / "BTCUSDT-1m-2025-03.zip", tmp_path / "data", ())
    with zipfile.ZipFile(tmp_path / "BTCUSDT-1m-2025-04.zip", "w") as archive:
        archive.writestr("a", "")
        archive.writestr("b", "")
    assert "holds 2 files" in refusal(tmp_path / "BTCUSDT-1m-2025-04.zip", tmp_path / "data", ())
    assert "No such file" in refusal(tmp_path / "BTCUSDT-1m-2025-05.zip", tmp_path / "data", ())
    assert "no such file" in refusal(tmp_path / "a.csv", tmp_path / "data", ())


# freqtrade


@pytest.mark.parametrize("unit", ["ns", "ms"])
def test_candles_of_freqtrade_are_of_the_pair_in_the_name(tmp_path, unit):
    file = feather(tmp_path / "BTC_USDT_USDT-1m-futures.feather", candles(), unit=unit)
    import_file(file, tmp_path / "data", ())
    part = stored(tmp_path / "data")["BTCUSDT", "1m"]
    assert part.times.tolist() == [row["open_time"] for row in candles()]
    assert part.values["volume"].tolist() == [row["volume"] for row in candles()]


def test_mark_prices_and_funding_of_freqtrade_are_known_by_their_names(tmp_path):
    rows = candles(interval=8 * HOUR)
    import_file(feather(tmp_path / "ETH_USDT_USDT-8h-mark.feather", rows), tmp_path / "data", ())
    rates = [row | {"open": 0.0001, "high": 0.0, "low": 0.0, "close": 0.0, "volume": 0.0} for row in rows]
    import_file(feather(tmp_path / "ETH_USDT_USDT-8h-funding_rate.feather", rates), tmp_path / "data", ())
    found = stored(tmp_path / "data")
    assert set(found) == {("ETHUSDT", "mark-8h"), ("ETHUSDT", "funding")}
    assert found["ETHUSDT", "funding"].values["funding_rate"].tolist() == [0.0001] * 5
    assert Shelf(tmp_path / "data", "ETHUSDT", MARK, 8 * HOUR).read("2025-03").times.size == 5


def test_a_spot_file_of_freqtrade_is_not_taken_for_a_perpetual(tmp_path):
    file = feather(tmp_path / "BTC_USDT-1m.feather", candles())
    assert "not that of a futures pair" in refusal(file, tmp_path / "data", ())
    import_file(file, tmp_path / "data", ("BTCUSDT",))


def test_a_feather_of_other_columns_or_none_is_refused(tmp_path):
    other = tmp_path / "BTC_USDT_USDT-1m-futures.feather"
    pyarrow.feather.write_feather(pa.table({"date": pa.array([], pa.timestamp("ms"))}), other)
    assert "no column 'open'" in refusal(other, tmp_path / "data", ())
    other.write_text("no feather")
    assert "cannot be read as a feather file" in refusal(other, tmp_path / "data", ())
    feather(other, candles())
    pyarrow.feather.write_feather(pyarrow.feather.read_table(other).slice(0, 0), other)
    assert "holds no rows" in refusal(other, tmp_path / "data", ())


# recorded data


def test_recorded_files_come_back_from_the_storage_as_they_went_in(tmp_path):
    file = recorded_data() / "funding" / "mark_price_8h.parquet"
    done = import_file(file, tmp_path / "data", ("LAYERUSDT",), MARK)
    assert [(each.shelf.name, each.rows) for each in done] == [("mark-8h", 236)]
    theirs = pa.parquet.read_table(file, filters=[("symbol", "=", "LAYERUSDT")])
    ours = pa.parquet.read_table(tmp_path / "data" / "LAYERUSDT" / "mark-8h")
    assert np.array_equal(ours["close"].to_numpy(), theirs["close"].to_numpy())
