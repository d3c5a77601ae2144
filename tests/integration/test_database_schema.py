import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from sqlalchemy import text

from bot.domain.errors import ConfigurationError
from database import schema
from database.instance import instance_of
from database.queries import Queries
from database.session import DatabaseMissingError, reading_engine, sqlite_url, writing_engine
from database.store import SqlStore
from support.database_rows import AClock, a_bracket, a_store, an_instrument, an_opening, urls

NOBODY = 65534


def upgraded(folder):
    act, desk = urls(folder)
    schema.upgrade(act, desk, AClock("wxyz"))
    return act, desk


@pytest.mark.parametrize("side", ["act", "desk"])
def test_migrations_build_exactly_the_models(tmp_path, side):
    url = dict(zip(("act", "desk"), upgraded(tmp_path), strict=True))[side]
    with reading_engine(url).connect() as connection:
        assert schema.differences(side, connection) == []
        assert schema.revision_of(connection) == schema.newest_revision(side)


def test_money_and_times_are_integers_in_the_file(tmp_path):
    act, _ = upgraded(tmp_path)
    with reading_engine(act).connect() as connection:
        kinds = {row[0] for row in connection.execute(text("SELECT type FROM pragma_table_info('fills')"))}
    assert kinds == {"VARCHAR", "BIGINT", "BOOLEAN"}


def test_upgrading_twice_changes_nothing_and_keeps_the_instance(tmp_path):
    act, desk = upgraded(tmp_path)
    schema.upgrade(act, desk, AClock("other"))
    with reading_engine(act).connect() as connection:
        assert instance_of(connection) == "wxyz"


def test_a_file_of_the_first_version_gains_the_brackets_and_keeps_its_rows(tmp_path):
    act, _ = urls(tmp_path)
    store = a_store(tmp_path)
    store.commit([an_instrument(), an_opening("42")])
    store.close()
    with writing_engine(act).begin() as connection:
        connection.execute(text("DROP TABLE leverage_brackets"))
        connection.execute(text("UPDATE alembic_version SET version_num = '0001'"))
    store = a_store(tmp_path)
    store.commit_contracts([an_instrument()], [a_bracket()])
    assert store.books().wallets == {"USDT": 42}
    store.close()
    queries = Queries(*urls(tmp_path))
    assert (queries.instruments(), queries.leverage_brackets()) == ((an_instrument(),), (a_bracket(),))


def test_a_failed_upgrade_leaves_the_file_as_it_was(tmp_path):
    act, _ = urls(tmp_path)
    engine = writing_engine(act)
    with engine.begin() as connection:
        connection.execute(text("CREATE TABLE orders (other INTEGER)"))
    with pytest.raises(ConfigurationError, match="could not be upgraded"):
        schema.upgrade_side("act", act)
    with engine.connect() as connection:
        assert connection.execute(text("SELECT name FROM sqlite_master")).scalars().all() == ["orders"]


def test_a_file_of_a_newer_program_is_refused(tmp_path):
    act, desk = upgraded(tmp_path)
    with writing_engine(act).begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(ConfigurationError, match="newer version"):
        schema.upgrade(act, desk, AClock())
    with pytest.raises(ConfigurationError, match="act db upgrade"):
        SqlStore(act, desk, AClock())


def test_a_file_without_tables_is_refused(tmp_path):
    act, desk = urls(tmp_path)
    with pytest.raises(ConfigurationError, match="act db upgrade"):
        SqlStore(act, desk, AClock())


def test_a_damaged_file_is_refused_and_left_alone(tmp_path):
    act, desk = urls(tmp_path)
    garbled = b"this was a database once" * 500
    (tmp_path / "act.db").write_bytes(garbled)
    with pytest.raises(ConfigurationError, match="act db restore"):
        schema.upgrade(act, desk, AClock())
    assert (tmp_path / "act.db").read_bytes() == garbled


def test_a_folder_that_cannot_be_made_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigurationError, match="cannot be written"):
        writing_engine(sqlite_url(tmp_path / "file" / "act.db"))


def test_a_database_must_be_a_file():
    with pytest.raises(ConfigurationError, match="must be a file"):
        writing_engine("sqlite://")


def test_a_url_that_is_none_is_refused():
    with pytest.raises(ConfigurationError, match="no database URL"):
        writing_engine("here be dragons")


def test_a_missing_driver_is_named():
    with pytest.raises(ConfigurationError, match="not installed"):
        reading_engine("postgresql+psycopg://act@localhost/act")


def test_reading_what_was_never_started_says_so(tmp_path):
    with pytest.raises(DatabaseMissingError, match="has not been started here"):
        reading_engine(urls(tmp_path)[0])


@pytest.mark.parametrize(("mask", "mode"), [(0o077, 0o600), (0o022, 0o640), (0o000, 0o640)])
def test_files_are_never_open_to_others(tmp_path, mask, mode):
    before = os.umask(mask)
    try:
        store = a_store(tmp_path)
        store.commit([an_opening()])
    finally:
        os.umask(before)
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in tmp_path.iterdir()}
    store.close()
    assert modes["act.db"] == modes["act.db-wal"] == modes["desk.db"] == mode


def test_a_reader_cannot_write(tmp_path):
    act, _ = upgraded(tmp_path)
    with reading_engine(act).connect() as connection, pytest.raises(Exception, match="readonly"):
        connection.execute(text("DELETE FROM meta"))


@pytest.mark.skipif(os.getuid() != 0, reason="only root can become another user")
def test_a_stopped_bot_s_file_is_read_without_write_permission(tmp_path):
    store = a_store(tmp_path)
    store.commit([an_opening("42")])
    store.close()
    for parent in (tmp_path, *tmp_path.parents):
        if stat.S_IMODE(parent.stat().st_mode) & 0o005 != 0o005:
            parent.chmod(0o755)
    (tmp_path / "act.db").chmod(0o644)
    script = (
        "import os\n"
        "from database.queries import Queries\n"
        f"queries = Queries(*{urls(tmp_path)!r})\n"
        f"os.setgid({NOBODY}); os.setuid({NOBODY})\n"
        "print(queries.wallets())"
    )
    told = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, cwd=Path(__file__).parents[2], check=False
    )
    assert told.stdout.strip() == "{'USDT': Decimal('42')}", told.stderr
