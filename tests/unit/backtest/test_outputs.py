"""Files are written whole or not at all, all of them or none."""

import errno
import os

import pytest

from backtest.outputs import Outputs
from bot.domain.errors import ConfigurationError


def failing(path):
    path.write_text("the first half")
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def test_files_are_there_at_the_end_in_folders_that_are_made(tmp_path):
    with Outputs() as outputs:
        outputs.add_text(tmp_path / "a.json", "one")
        outputs.add_text(tmp_path / "new" / "b.html", "two")
        assert not (tmp_path / "a.json").exists()
    assert (tmp_path / "a.json").read_text() == "one"
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["b.html"]


def test_a_link_is_followed_not_replaced(tmp_path):
    (tmp_path / "link").symlink_to(tmp_path / "real")
    with Outputs() as outputs:
        outputs.add_text(tmp_path / "link", "one")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "real").read_text() == "one"


def test_where_one_cannot_be_written_none_is_and_older_ones_stay(tmp_path):
    (tmp_path / "a.json").write_text("older")
    full = pytest.raises(ConfigurationError, match=r"c.html cannot be written: No space left on device. Make room, or")
    with full, Outputs() as outputs:
        outputs.add_text(tmp_path / "a.json", "one")
        outputs.add_text(tmp_path / "new" / "b.html", "two")
        outputs.add(tmp_path / "c.html", failing)
    assert [path.name for path in tmp_path.rglob("*")] == ["a.json"]
    assert (tmp_path / "a.json").read_text() == "older"
