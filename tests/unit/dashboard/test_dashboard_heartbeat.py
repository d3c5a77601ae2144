import json
from datetime import UTC, datetime

import pytest

from dashboard.heartbeat import Pulse, Stream, read, streams

WRITTEN_MS = 1_748_000_096_000


def a_heartbeat_file(folder, **fields):
    beat = {
        "schema": 1,
        "ts": datetime.fromtimestamp(WRITTEN_MS / 1000, UTC).isoformat().replace("+00:00", "Z"),
        "state": "running",
        "mode": "demo",
        "equity": "10012.5",
        "streams": {"market": {"age_ms": 120}, "user": {"age_ms": None}},
    }
    path = folder / "heartbeat.json"
    path.write_text(json.dumps(beat | fields))
    return path


@pytest.mark.parametrize(
    ("age_ms", "pulse"),
    [(0, Pulse.ALIVE), (6_000, Pulse.ALIVE), (6_001, Pulse.SUSPECT), (10_000, Pulse.SUSPECT), (10_001, Pulse.DEAD)],
)
def test_a_heartbeat_is_judged_by_its_age(tmp_path, age_ms, pulse):
    sign = read(a_heartbeat_file(tmp_path), WRITTEN_MS + age_ms)
    assert sign.pulse is pulse
    assert sign.live is (pulse is not Pulse.DEAD)


def test_a_stopped_bot_is_neither_dead_nor_live(tmp_path):
    sign = read(a_heartbeat_file(tmp_path, state="stopped"), WRITTEN_MS + 60_000)
    assert sign.pulse is Pulse.STOPPED
    assert not sign.live


@pytest.mark.parametrize("content", [None, "", "{", '{"ts": 5}', "[]"])
def test_a_missing_or_broken_file_is_no_sign_of_life(tmp_path, content):
    path = tmp_path / "heartbeat.json"
    if content is not None:
        path.write_text(content)
    sign = read(path, WRITTEN_MS)
    assert sign.pulse is Pulse.NEVER
    assert sign.beat is None


def test_stream_ages_are_read_and_unknown_ones_left_out(tmp_path):
    sign = read(a_heartbeat_file(tmp_path), WRITTEN_MS)
    assert streams(sign.beat) == {"market": Stream(120, up=True)}


def test_unknown_fields_do_not_disturb(tmp_path):
    assert read(a_heartbeat_file(tmp_path, added_later=[1, 2]), WRITTEN_MS).beat.state == "running"
