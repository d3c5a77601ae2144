from dashboard.alerts.message import Message, Severity
from dashboard.alerts.rules import Loudness
from dashboard.alerts.spool import Bucket, Spool


def a_message(key="a1", severity=Severity.INFO, event="reject", symbol="BTCUSDT", thread=""):
    return Message(key, 0, severity, event, symbol, f"headline {key}", thread=thread)


def keys(parcel):
    return [message.key for message in parcel.covers]


def test_a_bucket_lets_three_go_at_once_then_one_a_second():
    bucket = Bucket()
    waits = []
    for _ in range(4):
        waits.append(bucket.wait(100.0))
        bucket.take(100.0)
    assert waits == [0.0, 0.0, 0.0, 1.0]
    assert bucket.wait(102.0) == 0.0


def test_messages_leave_in_order():
    spool = Spool()
    spool.put(a_message("a1", event="start"), Loudness.ON, 0.0)
    spool.put(a_message("a2", event="stop"), Loudness.ON, 0.0)
    assert keys(spool.next(0.0)) == ["a1"]
    spool.done(told_drops=0)
    assert keys(spool.next(0.0)) == ["a2"]


def test_what_was_not_done_stays_first():
    spool = Spool()
    spool.put(a_message("a1"), Loudness.ON, 0.0)
    assert keys(spool.next(0.0)) == keys(spool.next(5.0)) == ["a1"]


def test_similar_messages_within_a_minute_are_told_together():
    spool = Spool()
    for number in range(4):
        spool.put(a_message(f"a{number}"), Loudness.ON, float(number))
    assert keys(spool.next(5.0)) == ["a0"]
    spool.done(told_drops=0)
    assert spool.next(59.0) is None
    digest = spool.next(60.0)
    assert keys(digest) == ["a1", "a2", "a3"]
    assert digest.message.headline == "headline a3 (3 similar in 60 s)"


def test_critical_and_threaded_messages_are_never_held():
    spool = Spool()
    for number in range(2):
        spool.put(a_message(f"c{number}", severity=Severity.CRITICAL), Loudness.ON, 0.0)
        spool.put(a_message(f"t{number}", thread="BTCUSDT-1"), Loudness.ON, 0.0)
    seen = []
    while parcel := spool.next(0.0):
        seen += keys(parcel)
        spool.done(told_drops=0)
    assert seen == ["c0", "t0", "c1", "t1"]


def test_silent_messages_wait_for_the_digest():
    spool = Spool()
    spool.put(a_message("a1"), Loudness.SILENT, 0.0)
    assert spool.next(59.0) is None
    assert keys(spool.next(61.0)) == ["a1"]


def test_a_full_queue_drops_info_first_and_the_drops_are_told():
    spool = Spool(limit=3)
    spool.put(a_message("w1", Severity.WARNING, event="e1"), Loudness.ON, 0.0)
    spool.put(a_message("i1", Severity.INFO, event="e2"), Loudness.ON, 0.0)
    spool.put(a_message("c1", Severity.CRITICAL, event="e3"), Loudness.ON, 0.0)
    dropped = spool.put(a_message("c2", Severity.CRITICAL, event="e4"), Loudness.ON, 0.0)
    assert [message.key for message in dropped] == ["i1"]
    parcel = spool.next(0.0)
    assert parcel.drops == 1
    assert "1 less important messages were dropped" in parcel.message.text
    spool.done(told_drops=parcel.drops)
    assert spool.next(0.0).drops == 0


def test_the_queue_never_grows_beyond_its_limit():
    spool = Spool(limit=5)
    for number in range(50):
        spool.put(a_message(f"m{number}", Severity.CRITICAL), Loudness.ON, 0.0)
        spool.put(a_message(f"n{number}"), Loudness.ON, 0.0)
    assert len(spool) == 5
