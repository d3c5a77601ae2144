"""What people give to `act backtest` by mistake: one clear line, exit 1 (data) or 78 (settings), nothing written."""

import gzip
import json
import os
from fractions import Fraction

import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq
import pytest

from bot import cli
from support.backtest_data import COLUMNS, MONDAY, a_candle, an_instrument, flat_candles, write_csv, write_exchange_info
from support.full_disk import files_of_at_most
from support.reference_backtest import MINUTE, Filters

DATA, SETTINGS = 1, 78
GOOD = flat_candles(40, close=100)
NAMED = [{"symbol": "BTCUSDT", **row} for row in GOOD]
FILTERS = Filters(Fraction("0.1"), Fraction("0.001"))


pytestmark = pytest.mark.usefixtures("without_settings")


@pytest.fixture
def given(tmp_path):
    """A folder with a good file of candles and a good answer of the exchange."""
    folder = tmp_path / "given"
    folder.mkdir()
    write_csv(folder / "candles.csv", GOOD)
    write_exchange_info(folder / "info.json", an_instrument("BTCUSDT", FILTERS))
    return folder


@pytest.fixture
def act(tmp_path, given, monkeypatch, capsys):
    """Run `act backtest` on the good files but for what is changed, from an empty folder."""
    empty = tmp_path / "empty"
    empty.mkdir()
    monkeypatch.chdir(empty)

    def run(*more, **changed):
        options = {
            "--data": given / "candles.csv",
            "--symbol": "BTCUSDT",
            "--exchange-info": given / "info.json",
            "--json": "out.json",
        }
        options |= {f"--{name.replace('_', '-')}": value for name, value in changed.items()}
        words = [str(word) for name, value in options.items() if value is not None for word in (name, value)]
        before = sorted(given.rglob("*"))
        try:
            code = cli.main(["backtest", *words, *more])
        except SystemExit as ended:
            code = ended.code
        assert sorted(given.rglob("*")) == before
        return code, capsys.readouterr().err, sorted(path.name for path in empty.rglob("*"))

    return run


def assert_refused(answer, code, *words):
    given_code, error, written = answer
    assert error.startswith("act: ")
    assert error.count("\n") == 1
    assert error.endswith("\n")
    assert "Traceback" not in error
    for word in words:
        assert word.lower() in error.lower(), error
    assert written == []
    assert given_code == code, error


def test_a_compressed_file_with_a_value_that_is_none_names_its_line(act, given):
    write_csv(given / "candles.csv", changed(30, low="-"))
    packed = given / "packed.csv.gz"
    packed.write_bytes(gzip.compress((given / "candles.csv").read_bytes()))
    assert_refused(act(data=packed), DATA, "packed.csv.gz: line 32: low is '-', no number: correct it")


def changed(row, **values):
    return [*GOOD[:row], {**GOOD[row], **values}, *GOOD[row + 1 :]]


def test_the_good_files_run(act):
    code, error, written = act()
    assert (code, written) == (0, ["out.json"]), error


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        ([*GOOD[:5], GOOD[7], GOOD[6], *GOOD[8:]], ["out of order", "2025-01-06T00:06"]),
        (changed(7, close="nan"), ["close", "2025-01-06T00:07"]),
        (changed(7, close=""), ["close"]),
        (changed(7, close="about a hundred"), ["line 9: close is 'about a hundred', no number"]),
        (changed(7, volume="1_000"), ["line 9: volume is '1_000', no number"]),
        (changed(7, open_time="later"), ["line 9: open_time is 'later', no time in milliseconds"]),
        (changed(0, open_time="6 January"), ["line 2: open_time is '6 January', no time in milliseconds"]),
        (changed(7, close="inf", high="inf"), ["2025-01-06T00:07"]),
        (changed(7, volume=-1), ["volume", "2025-01-06T00:07"]),
        (changed(7, open=0, low=0), ["2025-01-06T00:07"]),
        (changed(7, high=99), ["high", "2025-01-06T00:07"]),
        (changed(7, low=101, high=102), ["low", "2025-01-06T00:07"]),
        (changed(7, open_time=GOOD[7]["open_time"] + 30_000), ["minute"]),
        ([{**row, "open_time": row["open_time"] // 1000} for row in GOOD], ["seconds", "millisecond"]),
        ([{**row, "open_time": row["open_time"] * 1000} for row in GOOD], ["microseconds", "millisecond"]),
        ([*GOOD[:8], {**GOOD[7], "volume": 2}, *GOOD[8:]], ["differ", "2025-01-06T00:07"]),
        ([], ["no rows"]),
    ],
)
def test_rows_that_cannot_be_are_refused(act, given, rows, words):
    write_csv(given / "candles.csv", rows)
    assert_refused(act(), DATA, "candles.csv", *words)


@pytest.mark.parametrize("name", ["candles.csv", "candles.parquet"])
def test_a_file_without_rows_is_named_though_no_symbol_is_asked_for(act, given, name):
    write_csv(given / "candles.csv", [], ["symbol", *COLUMNS])
    pq.write_table(pa.csv.read_csv(given / "candles.csv"), given / "candles.parquet")
    assert_refused(act(data=given / name, symbol=None), DATA, f"{name}: holds no rows")


@pytest.mark.parametrize("separator", ["none", ";", "text"])
def test_all_missing_columns_are_named_though_no_symbol_is_asked_for(act, given, separator):
    lines = (given / "candles.csv").read_text().splitlines(keepends=True)
    texts = {"none": lines[1:], ";": [line.replace(",", ";") for line in lines], "text": ["some words\n"] * 3}
    (given / "candles.csv").write_text("".join(texts[separator]))
    told = ", ".join(map(repr, COLUMNS))
    assert_refused(act(symbol=None), DATA, f"candles.csv: no column {told}: ", "with commas in its first line")


@pytest.mark.parametrize("missing", COLUMNS)
def test_missing_column_is_named(act, given, missing):
    write_csv(given / "candles.csv", GOOD, [name for name in COLUMNS if name != missing])
    assert_refused(act(), DATA, "candles.csv", missing)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("empty.csv", b""),
        ("empty.parquet", b""),
        ("torn.parquet", b"PAR1 and then nothing"),
        ("noise.csv", b"\xff\xfe\x00\x01\n\x80"),
    ],
)
def test_file_that_is_no_table_is_refused(act, given, name, content):
    (given / name).write_bytes(content)
    assert_refused(act(data=given / name), DATA, name)


def test_file_that_may_not_be_read_or_is_not_there_is_refused(act, given):
    assert_refused(act(data=given / "other.csv"), DATA, "other.csv")
    (given / "folder").mkdir()
    assert_refused(act(data=given / "folder"), DATA, "folder")


def test_folder_that_cannot_be_looked_through_is_refused(act, given):
    (given / "folder").mkdir()
    (given / "folder" / "BTCUSDT.csv").symlink_to("a" * 300)
    assert_refused(act(data=given / "folder"), DATA, "folder/BTCUSDT.csv in it cannot be read (File name too long)")


def test_symbol_that_the_file_lacks_is_refused(act, given):
    write_csv(given / "candles.csv", NAMED, ["symbol", *COLUMNS])
    write_exchange_info(given / "info.json", *(an_instrument(name, FILTERS) for name in ("BTCUSDT", "ETHUSDT")))
    assert act()[0] == 0
    (given.parent / "empty" / "out.json").unlink()
    assert_refused(act(symbol="ETHUSDT"), DATA, "ETHUSDT", "candles.csv")


def test_symbol_that_the_exchange_does_not_list_is_refused(act):
    assert_refused(act(symbol="ETHUSDT"), DATA, "ETHUSDT", "info.json")


def test_symbol_given_twice_is_refused(act):
    assert_refused(act("--symbol", "BTCUSDT"), SETTINGS, "BTCUSDT", "twice")


def test_filters_from_nowhere_are_asked_for(act):
    assert_refused(act(exchange_info=None), SETTINGS, "--exchange-info")


def test_data_from_nowhere_is_asked_for(act):
    assert_refused(act(data=None), SETTINGS, "--data")


def test_home_that_is_no_folder_is_refused(act, given):
    assert_refused(act(home=given / "nowhere"), SETTINGS, "nowhere")


@pytest.mark.parametrize("option", ["funding", "mark", "brackets"])
@pytest.mark.parametrize("name", ["candles.csv", "nowhere.json"])
def test_series_or_tables_of_another_kind_are_refused(act, given, option, name):
    write_csv(given / "candles.csv", GOOD, COLUMNS[1:])  # a table without times
    write_csv(given / "good.csv", GOOD)
    assert_refused(act(data=given / "good.csv", **{option: given / name}), DATA, name)


@pytest.mark.parametrize(
    "content",
    [b"", b"{}", b"[]", b"not json", b'{"symbols": 3}', b'{"symbols": [{"symbol": "BTCUSDT"}]}', b"\x1f\x8b broken"],
)
@pytest.mark.parametrize("name", ["bad.json", "bad.json.gz"])
def test_answer_of_the_exchange_that_is_none_is_refused(act, given, name, content):
    (given / name).write_bytes(gzip.compress(content) if name.endswith("gz") and content[:1] in b"{[n" else content)
    assert_refused(act(exchange_info=given / name), DATA, name)


def test_answer_of_the_exchange_that_is_not_there_is_refused(act, given):
    assert_refused(act(exchange_info=given / "nowhere.json"), DATA, "nowhere.json")


def test_filter_that_is_missing_in_the_answer_is_named(act, given):
    instrument = an_instrument("BTCUSDT", FILTERS)
    instrument["filters"] = [each for each in instrument["filters"] if each["filterType"] != "PRICE_FILTER"]
    write_exchange_info(given / "info.json", instrument)
    assert_refused(act(), DATA, "tickSize", "BTCUSDT")


def test_unknown_strategy_is_refused(act):
    assert_refused(act("--strategy", "vwap_revision"), SETTINGS, "vwap_revision")


@pytest.mark.parametrize(
    ("setting", "word"),
    [
        ("strategy.vwap_reversion.kk=2", "kk"),
        ("strategy.vwap_reversion.k=many", "k"),
        ("strategy.vwap_reversion.k=-1", "k"),
        ("strategy.vwap_reversion.k=nan", "k=nan: nan is no number to trade with. Give a finite one."),
        ("risk.daily_loss=-inf", "daily_loss=-inf: -inf is no number to trade with. Give a finite one."),
        ("strategy.vwap_reversion.notional=0", "notional"),
        ("strategy.vwap_revision.k=2", "vwap_revision"),
        ("execution.entri=market", "entri"),
        ("execution.entry=hope", "entry"),
        ("execution.entry=", "entry"),
        ("risk.daily_los=300", "daily_los"),
        ("riskk.daily_loss=300", "riskk"),
        ("costs.taker=fee", "taker"),
        ("k", "--set k"),
        ("k=2", "k"),
        ("=2", "--set =2"),
    ],
)
def test_setting_that_is_unknown_or_out_of_range_is_named(act, setting, word):
    assert_refused(act("--set", setting), SETTINGS, word)


def test_settings_file_with_an_unknown_key_is_refused(act, given, tmp_path):
    (tmp_path / "empty" / "act.toml").write_text("[risk]\ndaily_los = 3\n")
    code, error, written = act()
    assert (code, written) == (SETTINGS, ["act.toml"])
    assert "daily_los" in error
    assert error.count("\n") == 1


@pytest.mark.parametrize("end", ["00:10", "00:20"])
def test_span_that_ends_before_it_begins_is_refused(act, end):
    span = ("--from", "2025-01-06T00:20:00Z", "--to", f"2025-01-06T{end}:00Z")
    assert_refused(act(*span), SETTINGS, "2025-01-06T00:20", f"2025-01-06T{end}")


@pytest.mark.parametrize("span", [("--from", "2025-02-01"), ("--to", "2025-01-01")])
def test_span_without_candles_is_refused(act, span):
    assert_refused(act(*span), DATA, "BTCUSDT")


def test_overlapping_files_that_contradict_each_other_are_refused_and_equal_ones_joined(act, given):
    folder = given / "both"
    folder.mkdir()
    write_csv(folder / "BTCUSDT-1.csv", GOOD[:30])
    write_csv(folder / "BTCUSDT-2.csv", GOOD[20:])
    assert act(data=folder)[0] == 0
    found = json.loads((given.parent / "empty" / "out.json").read_text())
    assert found["summary"]["candles"] == len(GOOD)
    (given.parent / "empty" / "out.json").unlink()
    write_csv(folder / "BTCUSDT-2.csv", [*GOOD[20:25], a_candle(MONDAY + 25 * MINUTE, close=101), *GOOD[26:]])
    assert_refused(act(data=folder), DATA, "BTCUSDT-1.csv", "BTCUSDT-2.csv", "2025-01-06T00:25", "differ")


@pytest.mark.parametrize("option", ["json", "report"])
def test_output_that_cannot_be_written_is_refused_before_anything_runs(act, given, option):
    wanted = given / "nowhere" / "out.json" if option == "json" else given / "candles.csv"
    assert_refused(act(**{option: wanted}), SETTINGS, str(wanted if option == "report" else wanted.parent))


@pytest.mark.parametrize("option", ["json", "tear-sheet", "report"])
def test_a_place_that_cannot_be_looked_at_is_refused(act, option):
    assert_refused(act(**{option: "a" * 300}), SETTINGS, "cannot be written: File name too long")


@pytest.mark.parametrize("option", ["data", "detail", "funding", "mark", "exchange-info", "brackets"])
def test_an_input_that_cannot_be_looked_at_is_refused(act, option):
    assert_refused(act(**{option: "a" * 300}), DATA, "File name too long")


@pytest.mark.parametrize("option", ["json", "tear-sheet", "report"])
def test_a_pipe_is_never_replaced_by_a_file(act, tmp_path, option):
    folder = tmp_path / "pipes"
    folder.mkdir()
    pipe = folder / "report.html"
    os.mkfifo(pipe)
    wanted = folder if option == "report" else pipe
    assert_refused(act(**{option: wanted}), SETTINGS, f"--{option}", "a pipe")
    assert pipe.is_fifo()


@pytest.mark.parametrize("option", ["data", "detail", "funding", "mark", "exchange-info", "brackets"])
def test_a_result_never_replaces_what_is_read(act, given, option):
    (given / "input").write_text("what is read")
    (given / "link").symlink_to(given / "input")
    answer = act(**{option: given / "input", "json": given / "link"})
    assert_refused(answer, SETTINGS, "--json would replace", f"--{option} reads")
    assert (given / "input").read_text() == "what is read"


def test_a_result_never_becomes_candles_of_the_next_run(act, given):
    assert_refused(act(data=given, json=given / "result.csv"), SETTINGS, "--json", "--data")


def test_a_result_never_replaces_the_settings(act):
    assert_refused(act(json="act.toml"), SETTINGS, "--json would replace")


@pytest.mark.parametrize("option", ["strategy", "symbol", "data", "detail", "funding", "json", "report", "tear-sheet"])
def test_an_option_without_a_value_is_refused(act, option):
    assert_refused(act(f"--{option}", ""), SETTINGS, f"--{option} '': this names nothing. Give a name, or leave")


@pytest.mark.parametrize("minutes", [1, 5])
def test_detail_that_is_no_finer_is_refused(act, given, minutes):
    every = [{**row, "open_time": MONDAY + number * minutes * MINUTE} for number, row in enumerate(GOOD)]
    write_csv(given / "detail.csv", every)
    told = f"its candles of {minutes}m are not finer than those traded on, of 1m"
    assert_refused(act(detail=given / "detail.csv"), SETTINGS, "--detail", told)


def test_a_full_disk_leaves_no_part_of_a_result(act):
    with files_of_at_most(100_000):
        answer = act(report="page")
    assert_refused(answer, SETTINGS, "page/report.html cannot be written: File too large. Make room, or")


def test_a_tear_sheet_of_too_little_is_refused_and_nothing_is_written(act):
    pytest.importorskip("quantstats_lumi", reason="the extra tearsheet is not installed")
    assert_refused(act(tear_sheet="sheet.html", report="page"), SETTINGS, "2 days or more", "Take more data")


@pytest.mark.parametrize("sheet", ["./out.json", "page"])
def test_a_place_named_twice_is_refused(act, sheet):
    assert_refused(act(tear_sheet=sheet, report="page"), SETTINGS, "both name")


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("--symbol",), "--symbol"),
        (("--bogus",), "--bogus"),
        (("more",), "more"),
        (("--from", "yesterday"), "'yesterday' is no time: give a date or a time in UTC, such as 2025-05-23 or"),
        (("--to", "2025-13-01"), "'2025-13-01' is no time"),
    ],
)
def test_words_that_are_no_option_are_a_mistake_in_usage(act, words, told):
    code, error, written = act(*words)
    assert (code, written) == (2, [])
    assert told in error.splitlines()[-1]
