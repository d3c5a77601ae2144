import os
import threading
from datetime import UTC, datetime, timedelta

import pytest

from bot.runtime.heartbeat import HeartbeatFile, age_seconds, read


def test_a_heartbeat_is_read_back_with_its_age(tmp_path):
    path = tmp_path / "heartbeat.json"
    HeartbeatFile(path).write(1_700_000_000_123, {"state": "running"})
    beat = read(path)
    assert beat["state"] == "running"
    assert beat["seq"] == 1
    later = datetime.fromtimestamp(1_700_000_000, UTC) + timedelta(milliseconds=4_123)
    assert age_seconds(beat, later) == 4.0


def test_readers_never_see_half_a_heartbeat(tmp_path):
    path = tmp_path / "heartbeat.json"
    file = HeartbeatFile(path)
    file.write(1, {"state": "starting"})
    done = threading.Event()

    def keep_writing():
        while not done.is_set():
            file.write(1, {"state": "running", "ballast": "x" * 5_000})

    writer = threading.Thread(target=keep_writing)
    writer.start()
    try:
        for _ in range(2_000):
            assert read(path)["schema"]
    finally:
        done.set()
        writer.join()


def test_the_file_is_for_owner_and_group_whatever_the_umask_and_nothing_is_left_beside_it(tmp_path):
    path = tmp_path / "heartbeat.json"
    before = os.umask(0o077)
    HeartbeatFile(path).write(1, {})
    os.umask(before)
    assert path.stat().st_mode & 0o777 == 0o640
    assert [each.name for each in tmp_path.iterdir()] == ["heartbeat.json"]


def test_a_symlink_in_the_way_is_not_followed(tmp_path):
    target = tmp_path / "precious"
    target.write_text("keep")
    (tmp_path / "heartbeat.json").symlink_to(target)
    HeartbeatFile(tmp_path / "heartbeat.json").write(1, {"state": "running"})
    assert target.read_text() == "keep"


def test_another_json_file_is_not_taken_for_a_heartbeat(tmp_path):
    (tmp_path / "x.json").write_text("[]")
    with pytest.raises(ValueError, match="not a heartbeat"):
        read(tmp_path / "x.json")
