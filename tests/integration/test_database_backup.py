import sqlite3
import stat
import threading

import pytest

from bot.domain.errors import ConfigurationError
from database.backup import backup, restore
from database.desk import DeskWriter
from database.ledger import canonical
from database.queries import Queries
from support.database_rows import AClock, a_fill, a_store, an_intent, an_opening, an_order, urls


def test_a_backup_taken_while_the_bot_writes_is_whole(tmp_path):
    home, copies = tmp_path / "home", tmp_path / "copy"
    store = a_store(home)
    stop = threading.Event()
    written = 0

    def copy():
        backup(*urls(home), copies)
        stop.set()

    store.commit([an_opening()])
    copier = threading.Thread(target=copy)
    copier.start()
    while not stop.is_set():
        written += 1
        store.commit([an_intent(written), an_order(written), a_fill(written)])
    copier.join()
    store.close()
    counts = Queries(*urls(copies)).counts()
    assert counts.orders == counts.fills <= written
    assert stat.S_IMODE((copies / "act.db").stat().st_mode) & 0o027 == 0


def test_restoring_brings_the_books_back_under_a_new_instance(tmp_path):
    home, copies = tmp_path / "home", tmp_path / "copy"
    store = a_store(home)
    store.commit([an_opening("500")])
    desk = DeskWriter(urls(home)[1])
    desk.ask("q1", "ann", "pause", {}, 1)
    before = canonical(urls(home)[0])
    backup(*urls(home), copies)
    store.commit([a_fill(1)])
    store.close()
    restored = restore(*urls(home), copies, AClock("new1"))
    assert canonical(urls(home)[0]) == before
    assert restored.instance == Queries(*urls(home)).instance() == "new1"
    assert len(Queries(*urls(home)).requests()) == 1
    assert all(path.is_file() for path in restored.kept_aside)
    with sqlite3.connect(restored.kept_aside[0]) as kept:
        assert kept.execute("SELECT count(*) FROM fills").fetchone() == (1,)
    kept.close()
    desk.close()


def test_restoring_after_a_kill_keeps_the_unfinished_log_aside(tmp_path):
    home, copies = tmp_path / "home", tmp_path / "copy"
    store = a_store(home)
    backup(*urls(home), copies)
    store.commit([an_opening("500")])
    assert (home / "act.db-wal").stat().st_size
    restored = restore(*urls(home), copies, AClock("new1"))
    assert Queries(*urls(home)).wallets() == {}
    with sqlite3.connect(restored.kept_aside[0]) as kept:
        assert kept.execute("SELECT count(*) FROM opening_balances").fetchone() == (1,)
    kept.close()


def test_restoring_into_an_empty_home_works(tmp_path):
    home, copies = tmp_path / "home", tmp_path / "copy"
    store = a_store(home)
    store.commit([an_opening("500")])
    store.close()
    backup(*urls(home), copies)
    fresh = tmp_path / "fresh" / "status"
    assert restore(*urls(fresh), copies, AClock("new1")).kept_aside == ()
    assert canonical(urls(fresh)[0]) == canonical(urls(home)[0])


@pytest.mark.parametrize("damage", [b"", b"no database at all" * 300])
def test_a_damaged_backup_changes_nothing(tmp_path, damage):
    home, copies = tmp_path / "home", tmp_path / "copy"
    store = a_store(home)
    store.commit([an_opening("500")])
    store.close()
    backup(*urls(home), copies)
    (copies / "desk.db").unlink()
    if damage:
        (copies / "desk.db").write_bytes(damage)
    before = {path.name: path.read_bytes() for path in home.iterdir()}
    with pytest.raises(ConfigurationError, match="nothing was changed"):
        restore(*urls(home), copies, AClock("new1"))
    assert {path.name: path.read_bytes() for path in home.iterdir()} == before


def test_no_backup_replaces_another(tmp_path):
    a_store(tmp_path / "home").close()
    backup(*urls(tmp_path / "home"), tmp_path / "copy")
    with pytest.raises(ConfigurationError, match="name a new folder"):
        backup(*urls(tmp_path / "home"), tmp_path / "copy")


def test_there_must_be_something_to_back_up(tmp_path):
    with pytest.raises(ConfigurationError, match="nothing to back up"):
        backup(*urls(tmp_path / "home"), tmp_path / "copy")
    assert not (tmp_path / "copy").exists()


def test_postgresql_has_its_own_tools(tmp_path):
    with pytest.raises(ConfigurationError, match="pg_dump"):
        backup("postgresql://localhost/act", "postgresql://localhost/desk", tmp_path / "copy")
