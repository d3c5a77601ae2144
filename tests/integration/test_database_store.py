import json
import sqlite3
import statistics
import subprocess
import sys
import time
from pathlib import Path

import pytest

from bot.domain.errors import StoreError
from bot.domain.events import PersonAsked
from bot.domain.records import CommandRow, Incident, PositionRow
from database.desk import DeskWriter
from database.exact import ExactReader
from database.queries import Queries
from database.rows import MAPS
from database.session import reading_engine
from database.store import SLICE_ROWS
from support.database_rows import (
    D,
    a_bracket,
    a_candle,
    a_decision,
    a_fill,
    a_position,
    a_store,
    an_alert,
    an_equity_point,
    an_instrument,
    an_intent,
    an_opening,
    an_order,
    client_id,
    one_of_each,
    urls,
)

ROOT = Path(__file__).parents[2]


def rows_of(folder, kind):
    with reading_engine(urls(folder)[0]).connect() as connection:
        return list(ExactReader(connection).rows(kind))


@pytest.fixture
def store(tmp_path):
    made = a_store(tmp_path)
    yield made
    made.close()


@pytest.mark.parametrize("row", one_of_each(), ids=lambda row: type(row).__name__)
def test_every_row_comes_back_as_it_was(store, tmp_path, row):
    store.commit([row])
    assert rows_of(tmp_path, type(row)) == [row]


def test_rows_with_the_same_key_are_replaced(store, tmp_path):
    store.commit([an_intent(1, state="open"), an_intent(2)])
    store.commit([an_intent(1, state="done")])
    assert {intent.intent_id: intent.state for intent in rows_of(tmp_path, type(an_intent()))} == {
        "i1": "done",
        "i2": "open",
    }


def test_a_fill_told_twice_is_one_row(store, tmp_path):
    store.commit([a_fill(1), a_fill(1)])
    store.commit([a_fill(1)])
    assert len(rows_of(tmp_path, type(a_fill()))) == 1


def test_alerts_keep_their_number_when_told_again(store, tmp_path):
    store.commit([an_alert(1), an_alert(2)])
    store.commit([an_alert(1, title="again"), an_alert(3)])
    told = Queries(*urls(tmp_path)).alerts_after(0)
    assert [each.alert.alert_id for each in told] == ["alert-1", "alert-2", "alert-3"]
    assert told[0].alert.title == "again"
    assert Queries(*urls(tmp_path)).alerts_after(told[1].number) == told[2:]


@pytest.mark.parametrize("text", ["0.00000001", "92233720368.54775807", "-92233720368.54775807", "123456789.12345678"])
def test_extreme_amounts_are_exact(store, tmp_path, text):
    store.commit([a_position(quantity=text, cost=D(text))])
    assert rows_of(tmp_path, PositionRow)[0].cost == D(text)


def test_our_own_ninth_decimal_is_refused_and_nothing_is_written(store, tmp_path):
    with pytest.raises(StoreError, match="nothing was written"):
        store.commit([an_order(1), an_intent(1, quantity=D("0.123456789"))])
    assert rows_of(tmp_path, type(an_order())) == []


@pytest.mark.parametrize("text", ["NaN", "Infinity"])
def test_what_is_no_amount_is_refused(store, text):
    for row in (an_intent(price=D(text)), a_fill(price=D(text)), an_equity_point(wallet=D(text))):
        with pytest.raises(StoreError):
            store.commit([row])


def test_shown_values_are_rounded_half_away(store, tmp_path):
    store.commit([an_equity_point(unrealized=D("-0.123456785"))])
    assert Queries(*urls(tmp_path)).latest_equity().unrealized == D("-0.12345679")


@pytest.mark.parametrize("text", ["0.123456789", "123456789012345.5", "-0.000000001"])
def test_the_wire_s_ninth_decimal_is_kept_and_told_once(store, tmp_path, text):
    fills = [a_fill(number, commission=D(text)) for number in (1, 2)]
    store.commit(fills)
    assert rows_of(tmp_path, type(a_fill())) == fills
    assert [(each.code, each.count) for each in rows_of(tmp_path, Incident)] == [("inexact_amount", 1)]
    assert store.books().wallets == {"USDT": -2 * D(text)}


def test_a_later_exact_amount_replaces_the_kept_text(store, tmp_path):
    store.commit([a_fill(1, commission=D("0.123456789"))])
    store.commit([a_fill(1, commission=D("0.5"))])
    assert rows_of(tmp_path, type(a_fill()))[0].commission == D("0.5")


def test_kept_text_is_replaced_after_a_restart_too(tmp_path):
    first = a_store(tmp_path)
    first.commit([a_fill(1, commission=D("0.123456789"))])
    first.close()
    second = a_store(tmp_path)
    second.commit([a_fill(1, commission=D("0.5"))])
    second.close()
    assert rows_of(tmp_path, type(a_fill()))[0].commission == D("0.5")


def test_a_contract_s_brackets_take_the_place_of_all_earlier_ones(store, tmp_path):
    eth = a_bracket("ETHUSDT")
    btc = [a_bracket(floor=floor, cap=cap) for floor, cap in (("0", "300000"), ("300000", "800000"))]
    store.commit_contracts([an_instrument(), an_instrument("ETHUSDT")], [*btc, eth])
    assert rows_of(tmp_path, type(eth)) == [*btc, eth]
    narrower = a_bracket(floor="0", cap="50000", leverage=20, maintenance_rate=D("0.0065"), cum=D("12.345"))
    store.commit_contracts([an_instrument(min_notional="5")], [narrower])
    assert set(rows_of(tmp_path, type(eth))) == {narrower, eth}
    assert {each.min_notional for each in rows_of(tmp_path, type(an_instrument()))} == {D(5), D(100)}


def test_brackets_that_cannot_be_written_leave_everything_as_it_was(store, tmp_path):
    store.commit_contracts([an_instrument()], [a_bracket()])
    with pytest.raises(StoreError, match="nothing was written"):
        store.commit_contracts([an_instrument(min_notional="5")], [a_bracket(cum=D("NaN"))])
    refuse = "CREATE TRIGGER refuse BEFORE INSERT ON leverage_brackets BEGIN SELECT RAISE(ABORT, 'no'); END"
    store._connection.execute(refuse)
    with pytest.raises(StoreError, match="nothing was written"):
        store.commit_contracts([an_instrument(min_notional="5")], [a_bracket(cap="1")])
    assert rows_of(tmp_path, type(a_bracket())) == [a_bracket()]
    assert rows_of(tmp_path, type(an_instrument())) == [an_instrument()]


def test_a_cap_without_end_is_kept_exactly_until_the_bracket_goes(tmp_path):
    endless = a_bracket(floor="300000", cap="9223372036854775807")
    first = a_store(tmp_path)
    first.commit_contracts([an_instrument()], [a_bracket(), endless])
    first.close()
    assert rows_of(tmp_path, type(endless)) == [a_bracket(), endless]
    second = a_store(tmp_path)
    second.commit_contracts([an_instrument()], [a_bracket()])
    with sqlite3.connect(tmp_path / "act.db") as connection:
        assert connection.execute("SELECT * FROM wide_values").fetchall() == []
    connection.close()
    second.commit_contracts([an_instrument()], [a_bracket(floor="300000", cap="800000")])
    second.close()
    assert rows_of(tmp_path, type(endless)) == [a_bracket(floor="300000", cap="800000")]


def test_deferred_rows_are_written_in_slices(store, tmp_path):
    store.defer([a_candle(minute) for minute in range(2 * SLICE_ROWS + 5)])
    assert rows_of(tmp_path, type(a_candle())) == []
    assert [store.flush_slice() for _ in range(3)] == [SLICE_ROWS + 5, 5, 0]
    assert len(rows_of(tmp_path, type(a_candle()))) == 2 * SLICE_ROWS + 5
    assert store.flush_slice() == 0


def test_closing_writes_what_is_queued(tmp_path):
    store = a_store(tmp_path)
    store.defer([a_candle(minute) for minute in range(50)])
    store.close()
    assert not (tmp_path / "act.db-wal").exists()
    assert len(rows_of(tmp_path, type(a_candle()))) == 50


def test_a_lock_held_by_another_program_is_an_error_soon(store, tmp_path):
    other = sqlite3.connect(tmp_path / "act.db", autocommit=True)
    other.execute("BEGIN IMMEDIATE")
    started = time.monotonic()
    with pytest.raises(StoreError, match="locked"):
        store.commit([an_intent()])
    assert time.monotonic() - started < 1.5
    other.execute("ROLLBACK")
    other.close()
    store.commit([an_intent()])
    assert len(rows_of(tmp_path, type(an_intent()))) == 1


def test_queued_rows_survive_a_failed_slice(store, tmp_path):
    other = sqlite3.connect(tmp_path / "act.db", autocommit=True)
    other.execute("BEGIN IMMEDIATE")
    store.defer([a_candle(1), a_candle(2)])
    with pytest.raises(StoreError):
        store.flush_slice()
    other.execute("ROLLBACK")
    other.close()
    assert store.flush_slice() == 0
    assert len(rows_of(tmp_path, type(a_candle()))) == 2


def test_a_full_disk_writes_nothing_and_the_next_write_goes_on(store, tmp_path):
    store.commit([an_opening("5")])
    store._connection.execute("PRAGMA max_page_count = 1")
    large = [[a_decision(number, inputs="x" * 4_000)] for number in range(2_000)]
    with pytest.raises(StoreError, match="full"):
        all(store.commit(rows) is None for rows in large)
    store._connection.execute("PRAGMA max_page_count = 4294967294")
    written = len(rows_of(tmp_path, type(a_decision())))
    assert written < 2_000
    store.commit([a_decision(9_999)])
    assert len(rows_of(tmp_path, type(a_decision()))) == written + 1


def test_a_file_made_read_only_is_an_error(store, tmp_path):
    store._connection.execute("PRAGMA query_only = ON")
    with pytest.raises(StoreError, match="readonly"):
        store.commit([an_intent()])


def test_the_age_of_the_last_write_starts_anew_with_each(store):
    store.commit([an_intent()])
    assert 0 <= store.write_age_ms() < 5_000


def test_full_synchronous_is_an_option(tmp_path):
    store = a_store(tmp_path, synchronous="FULL")
    assert store._connection.execute("PRAGMA synchronous").fetchone() == (2,)
    store.close()


def test_no_reader_ever_blocks_the_writer(store, tmp_path):
    store.commit([an_intent()])
    reader = sqlite3.connect(tmp_path / "act.db", autocommit=True)
    reader.execute("BEGIN")
    reader.execute("SELECT count(*) FROM intents").fetchone()
    took = []
    for number in range(200):
        started = time.perf_counter()
        store.commit([an_intent(number), an_order(number), a_decision(number)])
        took.append(time.perf_counter() - started)
    assert reader.execute("SELECT count(*) FROM intents").fetchone() == (1,)
    reader.close()
    assert statistics.median(took) < 0.02


READER = """
import sys, time
from database.queries import Queries
queries = Queries(*sys.argv[1:])
print("ready", flush=True)
end = time.monotonic() + 0.5
reads = 0
while time.monotonic() < end:
    counts = queries.counts()
    assert counts.orders == counts.fills, counts
    reads += 1
print(reads)
"""


def test_a_dashboard_reads_one_moment_beside_the_writer(store, tmp_path):
    reader = subprocess.Popen(
        [sys.executable, "-c", READER, *urls(tmp_path)], stdout=subprocess.PIPE, text=True, cwd=ROOT
    )
    assert reader.stdout.readline() == "ready\n"
    number = 0
    while reader.poll() is None:
        number += 1
        store.commit([an_order(number), a_fill(number)])
        time.sleep(0.001)
    reads = int(reader.communicate()[0])
    assert reader.returncode == 0
    assert reads > 3
    assert number > 10


def test_requests_are_taken_until_they_are_mirrored(store, tmp_path):
    assert store.take_requests() == ()
    desk = DeskWriter(urls(tmp_path)[1])
    desk.ask("q1", "ann", "pause", {}, 10)
    desk.ask("q2", "bob", "flatten", {"symbol": "BTCUSDT"}, 20)
    both = (PersonAsked(10, "q1", "ann", "pause", {}), PersonAsked(20, "q2", "bob", "flatten", {"symbol": "BTCUSDT"}))
    assert store.take_requests() == both
    store.commit([CommandRow("q2", "bob", "flatten", "{}", "DONE", "", 20, 30)])
    assert store.take_requests() == both[:1]
    store.commit([CommandRow("q1", "ann", "pause", "{}", "ACCEPTED", "", 10, 30)])
    assert store.take_requests() == ()
    desk.ask("q3", "ann", "resume", {}, 40)
    assert [request.request_id for request in store.take_requests()] == ["q3"]
    desk.close()


def test_a_damaged_people_s_file_is_an_error_of_its_own(store, tmp_path):
    (tmp_path / "desk.db").write_bytes(b"no database at all" * 500)
    with pytest.raises(StoreError, match="people's database"):
        store.take_requests()
    store.commit([an_intent()])
    assert len(store.books().intents) == 1


def test_a_bot_without_a_people_s_file_has_no_requests(tmp_path):
    store = a_store(tmp_path)
    (tmp_path / "desk.db").unlink()
    assert store.take_requests() == ()
    store.close()


WRITER = """
import sys
sys.path.insert(0, "tests")
from pathlib import Path
from support.database_rows import a_store, a_decision, an_intent, an_order
store = a_store(Path(sys.argv[1]))
for number in range(1, 1_501):
    store.commit([a_decision(number), an_intent(number), an_order(number)])
    print(number, flush=True)
sys.stdin.read()
"""


def test_killing_the_writer_loses_no_committed_row(tmp_path):
    writer = subprocess.Popen(
        [sys.executable, "-c", WRITER, str(tmp_path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=ROOT,
    )
    for _ in range(120):
        writer.stdout.readline()
    writer.kill()
    rest = writer.communicate()[0]
    told = max([120, *(int(line) for line in rest.splitlines(keepends=True) if line.endswith("\n"))])
    store = a_store(tmp_path)
    books = store.books()
    store.close()
    assert len(books.intents) == len(books.orders) == len(rows_of(tmp_path, type(a_decision())))
    assert {order.client_order_id for order in books.orders} >= {client_id(number) for number in range(1, told + 1)}


def test_rows_are_written_for_machines_without_a_locale_or_zone(store, tmp_path):
    store.commit([an_alert(1, text="grün \u2713 'quote' \0 end")])
    assert rows_of(tmp_path, type(an_alert()))[0].text == "grün \u2713 'quote' \0 end"


def test_mapping_and_file_agree_on_columns(store, tmp_path):
    with sqlite3.connect(tmp_path / "act.db") as connection:
        for mapping in MAPS.values():
            found = {row[1] for row in connection.execute(f"PRAGMA table_info({mapping.table.name})")}
            assert found - {"number"} == set(mapping.columns), mapping.table.name
    connection.close()
    assert json.loads(a_decision().inputs) == {"adx": "12.5"}
