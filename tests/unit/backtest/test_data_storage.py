import resource
from argparse import ArgumentTypeError

import numpy as np
import pyarrow.parquet
import pytest

from backtest.candle_files import Part
from backtest.errors import DataError
from backtest.months import moment, month_bounds, months_between
from backtest.storage import CANDLES, FUNDING, MARK, Added, Shelf, joined, shelves_in, uncovered, writing
from bot.domain.errors import ConfigurationError
from support.market_files import MIDNIGHT, MINUTE

HOUR = 60 * MINUTE
NAMES = ("open", "high", "low", "close", "volume")


def a_part(*, first=MIDNIGHT, count=5, base=1000.1, names=NAMES, step_ms=MINUTE):
    times = first + np.arange(count) * step_ms
    return Part("somewhere", "BTCUSDT", times, {name: np.arange(count) + base for name in names})


def minutes(folder):
    return Shelf(folder, "BTCUSDT", CANDLES, MINUTE)


def test_a_month_is_one_file_and_values_come_back_exactly(tmp_path):
    shelf = minutes(tmp_path)
    assert shelf.add(a_part()) == Added(5)
    assert [file.relative_to(tmp_path).as_posix() for file in shelf.files()] == ["BTCUSDT/1m/2025-03.parquet"]
    stored = shelf.read("2025-03")
    assert stored.times.tolist() == a_part().times.tolist()
    assert all(np.array_equal(stored.values[name], a_part().values[name]) for name in NAMES)
    assert pyarrow.parquet.read_schema(shelf.file("2025-03")).names == ["symbol", "open_time", *NAMES]


def test_rows_go_to_the_months_they_lie_in(tmp_path):
    shelf = minutes(tmp_path)
    shelf.add(a_part(first=MIDNIGHT - 2 * MINUTE))
    assert [file.stem for file in shelf.files()] == ["2025-02", "2025-03"]
    assert shelf.read("2025-02").times.size == 2
    assert shelf.read("2025-03").times.size == 3


def test_rows_stored_again_change_nothing(tmp_path):
    shelf = minutes(tmp_path)
    shelf.add(a_part())
    assert shelf.add(a_part(count=7)) == Added(2)
    assert shelf.add(a_part()) == Added(0)
    assert shelf.read("2025-03").times.size == 7


def test_a_row_that_differs_is_refused_and_what_is_stored_stays(tmp_path):
    shelf = minutes(tmp_path)
    shelf.add(a_part())
    with pytest.raises(DataError, match=r"2025-03\.parquet and somewhere: BTCUSDT at 2025-03-01T00:00:00Z"):
        shelf.add(a_part(base=1.0))
    assert shelf.read("2025-03").values["open"][0] == 1000.1


def test_a_row_that_differs_stands_instead_when_told_so(tmp_path):
    shelf = minutes(tmp_path)
    shelf.add(a_part())
    assert shelf.add(a_part(base=1.0, count=3), replace=True) == Added(0, replaced=3)
    assert shelf.read("2025-03").values["open"].tolist() == [1.0, 2.0, 3.0, 1003.1, 1004.1]


def test_what_was_fetched_is_remembered_month_by_month(tmp_path):
    shelf = minutes(tmp_path)
    shelf.add(a_part(first=MIDNIGHT - 2 * MINUTE), (MIDNIGHT - HOUR, MIDNIGHT + HOUR))
    assert shelf.covered("2025-02") == [(MIDNIGHT - HOUR, MIDNIGHT)]
    assert shelf.covered("2025-03") == [(MIDNIGHT, MIDNIGHT + HOUR)]
    shelf.add(a_part(first=MIDNIGHT + 30 * MINUTE))
    assert shelf.covered("2025-03") == [(MIDNIGHT, MIDNIGHT + HOUR)]
    shelf.add(a_part(first=MIDNIGHT + HOUR), (MIDNIGHT + HOUR, MIDNIGHT + 2 * HOUR))
    assert shelf.covered("2025-03") == [(MIDNIGHT, MIDNIGHT + 2 * HOUR)]
    assert shelf.covered("2025-04") == []


def test_a_write_that_fails_leaves_the_month_as_it_was_and_nothing_beside_it(tmp_path):
    shelf = minutes(tmp_path)
    shelf.add(a_part())
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (2_000, before[1]))
    try:
        with pytest.raises(ConfigurationError, match=r"2025-03\.parquet cannot be written"):
            shelf.add(a_part(count=5_000))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert [path.name for path in shelf.folder.iterdir()] == ["2025-03.parquet"]
    assert shelf.read("2025-03").times.size == 5


def test_what_a_killed_write_left_behind_is_no_month(tmp_path):
    shelf = minutes(tmp_path)
    shelf.folder.mkdir(parents=True)
    (shelf.folder / ".2025-03.parquet.new").write_bytes(b"half")
    assert shelf.files() == []
    shelf.add(a_part())
    assert [path.name for path in shelf.folder.iterdir()] == ["2025-03.parquet"]


def test_a_damaged_month_is_told_as_such(tmp_path):
    shelf = minutes(tmp_path)
    shelf.add(a_part(count=500))
    whole = shelf.file("2025-03").read_bytes()
    middle = whole.index(b"PAR1") + 2000
    shelf.file("2025-03").write_bytes(whole[:middle] + bytes(64) + whole[middle + 64 :])
    with pytest.raises(DataError, match="cannot be read"):
        shelf.read("2025-03")
    shelf.file("2025-03").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(DataError, match="delete it and fetch it again"):
        shelf.covered("2025-03")


def test_stored_series_are_found_by_their_folders(tmp_path):
    minutes(tmp_path).add(a_part())
    Shelf(tmp_path, "BTCUSDT", CANDLES, HOUR).add(a_part(step_ms=HOUR))
    Shelf(tmp_path, "BTCUSDT", MARK, HOUR).add(a_part(step_ms=HOUR, names=NAMES[:4]))
    Shelf(tmp_path, "ETHUSDT", FUNDING).add(a_part(step_ms=8 * HOUR, names=("funding_rate",)))
    (tmp_path / "BTCUSDT" / "notes").mkdir()
    assert [(shelf.symbol, shelf.name) for shelf in shelves_in(tmp_path)] == [
        ("BTCUSDT", "1m"),
        ("BTCUSDT", "1h"),
        ("BTCUSDT", "mark-1h"),
        ("ETHUSDT", "funding"),
    ]
    assert [shelf.name for shelf in shelves_in(tmp_path, ("ETHUSDT",))] == ["funding"]
    with pytest.raises(DataError, match="nothing of XRPUSDT is stored"):
        shelves_in(tmp_path, ("XRPUSDT",))


def test_only_one_writes_at_a_time(tmp_path):
    with writing(tmp_path / "data"), pytest.raises(DataError, match="another act data"), writing(tmp_path / "data"):
        pass
    with writing(tmp_path / "data"):
        pass


def test_a_folder_that_cannot_be_made_is_a_matter_of_configuration(tmp_path):
    (tmp_path / "data").write_text("a file")
    with pytest.raises(ConfigurationError, match="cannot be written"), writing(tmp_path / "data"):
        pass


def test_windows_are_joined_and_what_is_missing_is_found():
    assert joined([(5, 7), (1, 3), (3, 4), (6, 9)]) == [(1, 4), (5, 9)]
    assert uncovered([], (0, 10)) == [(0, 10)]
    assert uncovered([(2, 4), (6, 7)], (0, 10)) == [(0, 2), (4, 6), (7, 10)]
    assert uncovered([(0, 10)], (0, 10)) == []
    assert uncovered([(0, 5), (5, 20)], (3, 10)) == []
    assert uncovered([(12, 20)], (3, 10)) == [(3, 10)]
    assert uncovered([(0, 2)], (3, 10)) == [(3, 10)]


def test_months_have_their_own_lengths():
    february = month_bounds("2024-02")
    assert (february[1] - february[0]) // 86_400_000 == 29
    assert month_bounds("2024-12") == (moment("2024-12-01"), moment("2025-01-01"))
    assert list(months_between(moment("2024-11-30T23:59:00Z"), moment("2025-02-01"))) == [
        "2024-11",
        "2024-12",
        "2025-01",
    ]
    assert list(months_between(5, 5)) == []


def test_times_are_read_as_utc_unless_they_say_otherwise():
    assert moment("2025-03-01") == MIDNIGHT
    assert moment("2025-03-01T00:01:00Z") == MIDNIGHT + MINUTE
    assert moment("2025-03-01T02:00:00+02:00") == MIDNIGHT
    with pytest.raises(ArgumentTypeError, match="'soon' is no time"):
        moment("soon")
