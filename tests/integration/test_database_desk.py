import threading

import pytest
from msgspec.structs import replace

from bot.domain.errors import StoreError
from bot.domain.records import Alert, CommandRow
from database.desk import Delivery, DeskWriter
from database.queries import Queries
from support.database_rows import a_store, urls


@pytest.fixture
def desk(tmp_path):
    made = DeskWriter(urls(tmp_path)[1])
    yield made
    made.close()


def a_delivery(number, **changes):
    values = {"alert_id": f"alert-{number}", "channel": "slack", "state": "sent", "at_ms": number}
    return Delivery(**{**values, **changes})


def test_requests_show_how_far_the_bot_has_come(desk, tmp_path):
    store = a_store(tmp_path)
    desk.ask("q1", "ann", "flatten", {"symbol": "BTCUSDT"}, 10)
    desk.ask("q2", "bob", "pause", {}, 20)
    store.commit([CommandRow("q1", "ann", "flatten", "{}", "DONE", "closed 1 position", 10, 30)])
    newest, oldest = Queries(*urls(tmp_path)).requests()
    assert (newest.request_id, newest.state, newest.arguments) == ("q2", "WAITING", {})
    assert (oldest.state, oldest.result, oldest.arguments) == ("DONE", "closed 1 position", {"symbol": "BTCUSDT"})
    store.close()


def test_a_request_id_is_used_once(desk):
    desk.ask("q1", "ann", "pause", {}, 10)
    with pytest.raises(StoreError, match="nothing was written"):
        desk.ask("q1", "ann", "halt", {}, 11)


def test_notices_come_in_the_order_they_were_given_and_each_once(desk):
    assert desk.newest_notice_number() == 0
    notices = [Alert(name, 5, "WARNING", "parity", "", f"title {name}", "text", "") for name in ("n1", "n2")]
    for notice in (*notices, replace(notices[0], title="said again")):
        desk.give_notice(notice)
    assert [each.alert for each in desk.notices_after(0)] == notices
    first = desk.notices_after(0)[0].number
    assert [each.alert for each in desk.notices_after(first)] == notices[1:]
    assert [each.number for each in desk.notices_after(0, limit=1)] == [first]
    assert desk.newest_notice_number() > first


def test_deliveries_survive_and_are_replaced_by_later_words(desk, tmp_path):
    desk.record(a_delivery(1, state="failed", detail="timeout"))
    desk.record(a_delivery(1, attempts=2))
    desk.record(a_delivery(1, channel="log"))
    again = DeskWriter(urls(tmp_path)[1])
    assert again.delivery("alert-1", "slack") == a_delivery(1, attempts=2)
    assert again.delivery("alert-1", "webhook") is None
    again.close()


def test_a_thread_is_found_by_its_first_sent_message(desk):
    desk.record_all(
        [
            a_delivery(1, thread="BTCUSDT-1", state="failed"),
            a_delivery(2, thread="BTCUSDT-1", place="C1", message="12.5"),
            a_delivery(3, thread="BTCUSDT-1", place="C1", message="13.5"),
            a_delivery(4, thread="BTCUSDT-1", channel="other", place="C2", message="1.5"),
        ]
    )
    root = desk.thread_root("slack", "BTCUSDT-1")
    assert (root.place, root.message) == ("C1", "12.5")
    assert desk.thread_root("slack", "ETHUSDT-1") is None


def test_readers_of_the_outbox_resume_where_they_were(desk):
    assert desk.cursor("slack") is None
    desk.move_cursor("slack", 4)
    desk.move_cursor("slack", 9)
    assert desk.cursor("slack") == 9


def test_dashboard_command_line_and_alerts_write_side_by_side(desk, tmp_path):
    def write(name):
        mine = DeskWriter(urls(tmp_path)[1])
        for number in range(20):
            mine.ask(f"{name}-{number}", name, "pause", {}, number)
        mine.close()

    threads = [threading.Thread(target=write, args=(name,)) for name in ("ann", "bob", "cli")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    a_store(tmp_path).close()
    assert len(Queries(*urls(tmp_path)).requests(limit=1_000)) == 60


def test_before_anybody_asked_there_are_no_requests(tmp_path):
    a_store(tmp_path).close()
    (tmp_path / "desk.db").unlink()
    queries = Queries(*urls(tmp_path))
    assert queries.requests() == ()
    assert queries.deliveries() == ()
