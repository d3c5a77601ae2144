import json

import httpx
import numpy as np
import pytest
import respx

from backtest.download import ARCHIVE_URL, REST_URL, Web, fetch
from backtest.errors import DataError
from backtest.months import DAY_MS, moment, month_bounds
from backtest.storage import CANDLES, FUNDING, MARK, Shelf
from bot.domain.errors import ConfigurationError, RetryLater
from support.market_archive import PretendedExchange
from support.market_files import MINUTE

HOUR = 60 * MINUTE
LISTED = moment("2024-12-20")
NOW = moment("2025-03-03T10:05:30Z")
JANUARY, FEBRUARY, MARCH = "2025-01", "2025-02", "2025-03"


class Desk:
    """A fetch against a pretended exchange, with what it asked and how long it waited."""

    def __init__(self, folder, **options):
        months = options.pop("months", ("2024-12", JANUARY, FEBRUARY))
        days = options.pop("days", ("2025-03-01", "2025-03-02"))
        self.exchange = PretendedExchange(listed_ms=LISTED, now_ms=NOW, months=months, days=days, **options)
        self.folder = folder
        self.waited = []

    def fetch(self, first, last, *, kind=CANDLES, interval_ms=HOUR, symbol="BTCUSDT", **options):
        shelf = Shelf(self.folder, symbol, kind, 0 if kind is FUNDING else interval_ms)
        self.exchange.asked.clear()
        with respx.mock, httpx.Client() as client:
            respx.route(url__startswith=ARCHIVE_URL).mock(side_effect=self._answer)
            respx.route(url__startswith=REST_URL).mock(side_effect=self._answer)
            web = Web(client, self.waited.append)
            return shelf, fetch(shelf, (moment(first), moment(last)), web, self.exchange.now_ms, **options)

    def _answer(self, request):
        status, headers, body = self.exchange.answer(request.url.path, dict(request.url.params))
        if status == 0:
            raise httpx.ReadError("the connection broke")
        return httpx.Response(status, headers=headers, content=body)

    def kinds(self):
        """Return what was asked, in short: monthly, daily or rest."""
        files = [path for path in self.exchange.asked if not path.endswith(".CHECKSUM")]
        return [path.split("/")[4] if path.startswith("/data/") else "rest" for path in files]


def test_months_come_from_the_archive_days_where_the_month_is_not_over_and_the_rest_by_rest(tmp_path):
    desk = Desk(tmp_path)
    shelf, done = desk.fetch("2025-01-01", "2025-03-10")
    assert desk.kinds() == ["monthly", "monthly", "daily", "daily", "rest"]
    assert (done.months_fetched, done.months_kept, done.months_empty) == (3, 0, 0)
    assert [file.stem for file in shelf.files()] == [JANUARY, FEBRUARY, MARCH]
    rows = np.concatenate([shelf.read(month).times for month in (JANUARY, FEBRUARY, MARCH)])
    assert rows.tolist() == list(range(moment("2025-01-01"), moment("2025-03-03T10:00:00Z"), HOUR))
    assert done.new_rows == rows.size


def test_an_open_candle_is_never_taken(tmp_path):
    desk = Desk(tmp_path)
    shelf, _ = desk.fetch("2025-03-03", "2025-03-04", interval_ms=MINUTE)
    assert shelf.read(MARCH).times[-1] == NOW - 30_000 - MINUTE
    desk.exchange.now_ms = NOW - 25_000
    shelf, _ = Desk(tmp_path / "other").fetch("2025-03-03", "2025-03-04", interval_ms=HOUR)
    assert shelf.read(MARCH).times[-1] == moment("2025-03-03T09:00:00Z")


@pytest.mark.parametrize("header", [True, False])
def test_values_are_those_that_were_published(tmp_path, header):
    desk = Desk(tmp_path, header=header)
    shelf, _ = desk.fetch("2025-02-01", "2025-03-10")
    for month, at in ((FEBRUARY, moment("2025-02-03T05:00:00Z")), (MARCH, moment("2025-03-03T09:00:00Z"))):
        part = shelf.read(month)
        row = int(np.searchsorted(part.times, at))
        published = desk.exchange.row("klines", at, HOUR)
        assert [part.values[name][row] for name in CANDLES.value_names] == [float(text) for text in published[1:6]]


def test_what_is_stored_is_not_fetched_again(tmp_path):
    desk = Desk(tmp_path)
    desk.fetch("2025-01-01", "2025-03-10")
    _, done = desk.fetch("2025-01-01", "2025-03-10")
    assert desk.exchange.asked == []
    assert (done.months_kept, done.new_rows) == (3, 0)
    desk.exchange.now_ms = NOW + 2 * HOUR
    shelf, done = desk.fetch("2025-01-01", "2025-03-10")
    assert desk.kinds() == ["rest"]
    assert done.new_rows == 2
    assert shelf.read(MARCH).times[-1] == moment("2025-03-03T11:00:00Z")


def test_a_month_that_is_over_now_is_completed_from_the_archive(tmp_path):
    desk = Desk(tmp_path)
    desk.fetch("2025-03-01", "2025-03-10")
    desk.exchange.now_ms = moment("2025-04-02T00:00:00Z")
    desk.exchange.months.add(MARCH)
    shelf, _ = desk.fetch("2025-03-01", "2025-04-01")
    assert desk.kinds() == ["monthly"]
    assert shelf.read(MARCH).times.size == 31 * 24
    assert shelf.covered(MARCH) == [month_bounds(MARCH)]


def test_a_month_not_published_yet_is_made_of_days_and_rest(tmp_path):
    desk = Desk(tmp_path, months=(JANUARY,), days=("2025-02-01", "2025-02-02"))
    shelf, _ = desk.fetch("2025-02-01", "2025-03-01")
    assert desk.kinds() == ["monthly", "daily", "daily", "daily", "rest"]
    assert shelf.read(FEBRUARY).times.size == 28 * 24


def test_rest_is_read_page_by_page(tmp_path):
    desk = Desk(tmp_path, days=())
    shelf, _ = desk.fetch("2025-03-01", "2025-03-10", interval_ms=MINUTE)
    assert desk.kinds() == ["daily", "rest", "rest", "rest"]
    assert shelf.read(MARCH).times.tolist() == list(range(moment("2025-03-01"), NOW - 30_000, MINUTE))


def test_a_fetch_that_was_interrupted_goes_on_where_it_was(tmp_path):
    desk = Desk(tmp_path)
    desk.exchange.troubles["2025-03-02"] = [(0, {}, b"")] * 6
    with pytest.raises(RetryLater, match=r"cannot be reached \(the connection broke\).*what was fetched is kept"):
        desk.fetch("2025-02-01", "2025-03-10")
    shelf, _ = desk.fetch("2025-02-01", "2025-03-10")
    assert desk.kinds() == ["daily", "rest"]
    assert desk.exchange.asked_for("2025-03-02")
    assert shelf.read(MARCH).times.size == 48 + 10


def test_days_already_stored_are_not_asked_for_when_the_end_moves_on(tmp_path):
    desk = Desk(tmp_path)
    desk.fetch("2025-03-01", "2025-03-02")
    desk.fetch("2025-03-01", "2025-03-03")
    assert desk.exchange.asked == desk.exchange.asked_for("BTCUSDT-1h-2025-03-02.zip")


def test_before_the_listing_there_is_nothing_and_that_is_no_error(tmp_path):
    desk = Desk(tmp_path)
    shelf, done = desk.fetch("2024-11-01", "2025-02-01")
    assert (done.months_empty, done.months_fetched) == (1, 2)
    assert shelf.read("2024-12").times[0] == LISTED
    assert not shelf.file("2024-11").exists()


def test_a_hole_of_the_exchange_is_not_asked_for_again(tmp_path):
    desk = Desk(tmp_path)
    desk.exchange.missing = {moment("2025-03-02T04:00:00Z"), moment("2025-03-03T04:00:00Z")}
    shelf, _ = desk.fetch("2025-03-01", "2025-03-10")
    assert shelf.read(MARCH).times.size == 47 + 9
    desk.fetch("2025-03-01", "2025-03-10")
    assert desk.exchange.asked == []


def test_a_candle_that_is_only_late_is_asked_for_again(tmp_path):
    desk = Desk(tmp_path)
    desk.exchange.missing = {moment("2025-03-03T10:04:00Z"), moment("2025-03-03T08:00:00Z")}
    desk.fetch("2025-03-03", "2025-03-10", interval_ms=MINUTE)
    desk.exchange.missing = set()
    shelf, done = desk.fetch("2025-03-03", "2025-03-10", interval_ms=MINUTE)
    assert desk.kinds() == ["rest"]
    assert done.new_rows == 1
    assert shelf.read(MARCH).times[-1] == moment("2025-03-03T10:04:00Z")


def test_funding_comes_by_month_and_rest_and_loses_its_jitter(tmp_path):
    desk = Desk(tmp_path)
    shelf, _ = desk.fetch("2025-02-01", "2025-03-10", kind=FUNDING)
    assert desk.kinds() == ["monthly", "rest"]
    assert shelf.read(FEBRUARY).times.tolist() == list(range(*month_bounds(FEBRUARY), 8 * HOUR))
    assert shelf.read(MARCH).times.tolist() == list(range(moment("2025-03-01"), NOW, 8 * HOUR))
    assert desk.exchange.asked_for("/data/futures/um/monthly/fundingRate/BTCUSDT/BTCUSDT-fundingRate-2025-02.zip")


def test_mark_prices_have_folders_of_their_own(tmp_path):
    desk = Desk(tmp_path)
    shelf, _ = desk.fetch("2025-02-01", "2025-03-10", kind=MARK)
    assert desk.kinds() == ["monthly", "daily", "daily", "rest"]
    assert desk.exchange.asked_for("/data/futures/um/daily/markPriceKlines/BTCUSDT/1h/BTCUSDT-1h-2025-03-01.zip")
    assert desk.exchange.asked_for("/fapi/v1/markPriceKlines")
    assert shelf.name == "mark-1h"
    assert list(shelf.read(FEBRUARY).values) == ["open", "high", "low", "close"]


# trust


def test_a_file_whose_checksum_is_wrong_is_fetched_again(tmp_path):
    desk = Desk(tmp_path)
    desk.exchange.troubles["2025-02.zip"] = [(200, {}, b"half a zip")]
    _, done = desk.fetch("2025-02-01", "2025-03-01")
    assert done.new_rows == 28 * 24
    assert desk.waited == [1.0]


def test_a_file_whose_checksum_stays_wrong_is_refused_and_nothing_is_stored(tmp_path):
    desk = Desk(tmp_path)
    desk.exchange.troubles[".CHECKSUM"] = [(200, {}, b"0000  name\n")] * 6
    with pytest.raises(DataError, match=r"BTCUSDT-1h-2025-02\.zip: its content does not have the published SHA-256"):
        desk.fetch("2025-02-01", "2025-03-01")
    assert not list(tmp_path.rglob("*.parquet"))


def test_a_file_without_a_checksum_is_refused(tmp_path):
    desk = Desk(tmp_path)
    desk.exchange.troubles[".CHECKSUM"] = [(404, {}, b"")]
    with pytest.raises(DataError, match="has no CHECKSUM beside it"):
        desk.fetch("2025-02-01", "2025-03-01")


def test_rows_of_another_month_are_refused(tmp_path):
    desk = Desk(tmp_path)
    january = "/data/futures/um/monthly/klines/BTCUSDT/1h/BTCUSDT-1h-2025-01.zip"
    body, line = desk.exchange.answer(january, {})[2], desk.exchange.answer(f"{january}.CHECKSUM", {})[2]
    desk.exchange.troubles["2025-02.zip.CHECKSUM"] = [(200, {}, line)]
    desk.exchange.troubles["2025-02.zip"] = [(200, {}, body)]
    with pytest.raises(DataError, match="has rows of 2025-01-01T00:00:00Z, outside of 2025-02"):
        desk.fetch("2025-02-01", "2025-03-01")


def test_candles_of_the_archive_that_cannot_be_are_refused(tmp_path):
    desk = Desk(tmp_path)
    row = desk.exchange.row
    desk.exchange.row = lambda kind, at_ms, interval_ms: [*row(kind, at_ms, interval_ms)[:2], "1", "1", "1", "1"]
    with pytest.raises(DataError, match=r"1h-2025-02\.zip: BTCUSDT at 2025-02-01T00:00:00Z: open or close outside"):
        desk.fetch("2025-02-01", "2025-03-01")
    assert not list(tmp_path.rglob("*.parquet"))


def test_data_that_contradicts_what_is_stored_is_refused_unless_told_to_replace(tmp_path):
    desk = Desk(tmp_path)
    shelf, _ = desk.fetch("2025-03-03", "2025-03-04")
    part = shelf.read(MARCH)
    part.values["volume"] = part.values["volume"] + 1
    shelf.add(part, replace=True)
    desk.exchange.now_ms += DAY_MS
    desk.exchange.days.add("2025-03-03")
    with pytest.raises(DataError, match=r"2025-03\.parquet and .*/BTCUSDT-1h-2025-03-03\.zip: .* two rows that differ"):
        desk.fetch("2025-03-03", "2025-03-04")
    desk.fetch("2025-03-03", "2025-03-04", replace=True)
    assert shelf.read(MARCH).values["volume"].max() < 1


@pytest.mark.parametrize(
    ("row", "words"),
    [
        ([moment("2025-03-02"), "1", "1", "1", "1", "1"], "not asked for"),
        ([moment("2025-03-03"), "1", "0.5", "1", "1", "1"], "outside low..high"),
        ([moment("2025-03-03"), "1", "x", "1", "1", "1"], "a row that is none"),
        ([moment("2025-03-03"), "1", "nan", "1", "1", "1"], "no number"),
        ([moment("2025-03-03"), "1"], "a row that is none"),
        ([moment("2025-03-03") // 1000, "1", "1", "1", "1", "1"], "these are seconds"),
    ],
)
def test_rows_by_rest_that_cannot_be_are_refused(tmp_path, row, words):
    desk = Desk(tmp_path)
    desk.exchange.troubles["/fapi/"] = [(200, {}, json.dumps([row]).encode())]
    with pytest.raises(DataError, match=words):
        desk.fetch("2025-03-03", "2025-03-04")
    assert not list(tmp_path.rglob("*.parquet"))


# patience


@pytest.mark.parametrize("status", [429, 418, 500, 502, 503])
def test_a_passing_fault_is_waited_out(tmp_path, status):
    desk = Desk(tmp_path)
    desk.exchange.troubles["/fapi/"] = [(status, {}, b"")] * 3
    _, done = desk.fetch("2025-03-03", "2025-03-04")
    assert done.new_rows == 10
    assert desk.waited == [1.0, 2.0, 4.0]


def test_retry_after_is_kept_to(tmp_path):
    desk = Desk(tmp_path)
    desk.exchange.troubles["/fapi/"] = [(429, {"Retry-After": "37"}, b""), (418, {"Retry-After": "120"}, b"")]
    desk.fetch("2025-03-03", "2025-03-04")
    assert desk.waited == [37.0, 120.0]


def test_a_long_ban_is_told_instead_of_waited_out(tmp_path):
    desk = Desk(tmp_path)
    desk.exchange.troubles["/fapi/"] = [(418, {"Retry-After": "7200"}, b"")]
    with pytest.raises(RetryLater, match="status 418, to be tried again after 7200 s"):
        desk.fetch("2025-03-03", "2025-03-04")
    assert desk.waited == []


def test_an_archive_that_stays_away_is_given_up(tmp_path):
    desk = Desk(tmp_path)
    desk.exchange.troubles["monthly"] = [(503, {}, b"")] * 6
    with pytest.raises(RetryLater, match=r"2025-02\.zip cannot be reached \(status 503"):
        desk.fetch("2025-02-01", "2025-03-01")
    assert desk.waited == [1.0, 2.0, 4.0, 8.0, 16.0]


def test_half_of_the_weight_of_a_minute_is_left_to_a_bot(tmp_path):
    desk = Desk(tmp_path, days=())
    rows = json.dumps(desk.exchange.rows("klines", MINUTE, moment("2025-03-01"), NOW)[:1500]).encode()
    desk.exchange.troubles["/fapi/"] = [(200, {"X-MBX-USED-WEIGHT-1M": "1201"}, rows)]
    desk.fetch("2025-03-01", "2025-03-10", interval_ms=MINUTE)
    assert desk.waited == [60.0]


def test_an_unknown_symbol_is_named(tmp_path):
    desk = Desk(tmp_path)
    desk.exchange.troubles["/fapi/"] = [(400, {}, b'{"code":-1121,"msg":"Invalid symbol."}')]
    with pytest.raises(DataError, match="knows no symbol 'BTCUSD'"):
        desk.fetch("2025-03-03", "2025-03-04", symbol="BTCUSD")


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        ((403, {}, b"<html>\nforbidden here</html>"), "refuses with status 403: <html> forbidden here"),
        ((451, {}, b'{"code":0,"msg":"restricted location"}'), "refuses with status 451: restricted location"),
        ((200, {}, b"<html>"), "answers no JSON"),
        ((200, {}, b"{}"), "answers no list"),
    ],
)
def test_an_answer_that_is_none_is_told_in_one_line(tmp_path, answer, words):
    desk = Desk(tmp_path)
    desk.exchange.troubles["/fapi/"] = [answer]
    with pytest.raises(RetryLater, match=words) as caught:
        desk.fetch("2025-03-03", "2025-03-04")
    assert "\n" not in str(caught.value)


def test_a_rest_url_without_such_a_path_is_a_matter_of_configuration(tmp_path):
    desk = Desk(tmp_path)
    desk.exchange.troubles["/fapi/"] = [(404, {}, b"")]
    with pytest.raises(ConfigurationError, match="check --rest-url"):
        desk.fetch("2025-03-03", "2025-03-04")


@pytest.mark.parametrize("url", ["", "fapi.binance.com", "ftp://fapi.binance.com", "https://"])
def test_what_is_no_base_url_is_a_matter_of_configuration(url):
    with httpx.Client() as client, pytest.raises(ConfigurationError, match="is no base URL"):
        Web(client, lambda _: None, rest_url=url)
