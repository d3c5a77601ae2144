"""Engines: how the two database files are created, opened for writing, and read without disturbing the writer."""

import os
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal
from urllib.parse import quote

from sqlalchemy import Engine, NullPool, create_engine
from sqlalchemy.engine import URL, make_url
from sqlalchemy.engine.interfaces import IsolationLevel
from sqlalchemy.exc import ArgumentError, DBAPIError

from bot.domain.errors import ConfigurationError

type Synchronous = Literal["NORMAL", "FULL"]

ACT_FILE = "act.db"
DESK_FILE = "desk.db"
FILE_MODE = 0o640
_WRITER_WAITS_MS = 250  # the writer sits on the event loop: better a closed gate than a blocked loop
_READER_WAITS_MS = 2_000
_CHECKPOINT_PAGES = 8_000  # a safety net: the store checkpoints earlier, between slices
_LOG_BYTES = 64 * 1024 * 1024


class DatabaseMissingError(ConfigurationError):
    """There is no database yet: the bot has not been started here."""


def act_url(status: Path) -> str:
    """Return the URL of the bot's file in the status folder."""
    return sqlite_url(status / ACT_FILE)


def desk_url(status: Path) -> str:
    """Return the URL of the people's file in the status folder."""
    return sqlite_url(status / DESK_FILE)


def sqlite_url(path: Path) -> str:
    """Return the URL of a SQLite file."""
    return URL.create("sqlite", database=str(path.absolute())).render_as_string(hide_password=False)


def sqlite_path(url: str) -> Path | None:
    """Return the file behind a URL, None when it is no SQLite file."""
    parsed = _parse(url)
    if parsed.get_backend_name() != "sqlite":
        return None
    if not parsed.database or parsed.database == ":memory:":
        raise ConfigurationError(f"{url}: the database must be a file; set database.url to sqlite:////absolute/path")
    return Path(parsed.database)


def writing_engine(url: str, synchronous: Synchronous = "NORMAL", wait_ms: int = _READER_WAITS_MS) -> Engine:
    """Return an engine that may write; creates the file (mode 0640 at most, less where the umask says so).

    Raises ConfigurationError when the file cannot be written or is no database.
    """
    path = sqlite_path(url)
    if path is None:
        return _postgres(url)
    _create(path)
    _check_usable(path)

    def connect() -> sqlite3.Connection:
        connection = _open_to_write(path, synchronous, wait_ms)
        connection.autocommit = False
        return connection

    return _sqlite_engine(connect)


def writing_connection(url: str, synchronous: Synchronous = "NORMAL", wait_ms: int = _WRITER_WAITS_MS) -> Any:
    """Return one driver connection in autocommit mode, for a writer that states its own BEGIN and COMMIT."""
    path = sqlite_path(url)
    if path is None:
        lent = _postgres(url).raw_connection()
        connection: Any = lent.driver_connection
        lent.detach()
        connection.autocommit = True
        return connection
    _create(path)
    _check_usable(path)
    return _open_to_write(path, synchronous, wait_ms)


def reading_engine(url: str) -> Engine:
    """Return an engine that cannot write, opens the file anew for each read, and shows each read one moment.

    Without write permission on the folder a stopped bot's file is opened as immutable; a running bot's never is,
    because what stands in its write-ahead log would be missed. Raises DatabaseMissingError when there is no file.
    """
    path = sqlite_path(url)
    if path is None:
        return _postgres(url, "REPEATABLE READ")
    if not path.exists():
        raise DatabaseMissingError(
            f"{path} does not exist: the bot has not been started here; start it, or set ACT_HOME"
        )
    return _sqlite_engine(lambda: _open_to_read(path))


def unreadable(what: str, error: DBAPIError) -> str:
    """Say that a read failed, and what a person can do."""
    return f"{what} could not be read: {error.orig}; try again, and if the file is damaged run `act db restore`"


def is_sound(path: Path) -> bool:
    """Return whether a file that nobody writes is a sound SQLite database, by its own full check."""
    try:
        connection = sqlite3.connect(f"file:{quote(str(path))}?immutable=1", uri=True)
        try:
            return bool(connection.execute("PRAGMA integrity_check").fetchone() == ("ok",))
        finally:
            connection.close()
    except sqlite3.Error:
        return False


def _sqlite_engine(opener: Callable[[], sqlite3.Connection]) -> Engine:
    return create_engine("sqlite://", creator=opener, poolclass=NullPool)


def _postgres(url: str, isolation: IsolationLevel = "READ COMMITTED") -> Engine:
    try:
        return create_engine(url, paramstyle="format", pool_pre_ping=True, isolation_level=isolation)
    except ImportError as error:
        raise ConfigurationError(f"database.url needs a driver that is not installed: {error.name}") from error


def _open(uri: str, wait_ms: int) -> sqlite3.Connection:
    return sqlite3.connect(uri, uri=True, timeout=wait_ms / 1000, check_same_thread=False, autocommit=True)


def _open_to_write(path: Path, synchronous: Synchronous, wait_ms: int) -> sqlite3.Connection:
    connection = _open(f"file:{quote(str(path))}?mode=rw", wait_ms)
    try:
        connection.execute("PRAGMA journal_mode = WAL").fetchone()
        connection.execute(f"PRAGMA synchronous = {synchronous}")
        connection.execute("PRAGMA foreign_keys = ON")
        connection.execute(f"PRAGMA wal_autocheckpoint = {_CHECKPOINT_PAGES}")
        connection.execute(f"PRAGMA journal_size_limit = {_LOG_BYTES}")
    except sqlite3.DatabaseError:
        connection.close()
        raise
    return connection


def _open_to_read(path: Path) -> sqlite3.Connection:
    address = f"file:{quote(str(path))}"
    connection = _open(f"{address}?mode=ro", _READER_WAITS_MS)
    try:
        connection.execute("SELECT 1 FROM sqlite_master").fetchone()
    except sqlite3.DatabaseError as error:
        connection.close()
        if not isinstance(error, sqlite3.OperationalError) or _has_log(path):
            raise
        connection = _open(f"{address}?immutable=1", _READER_WAITS_MS)
    connection.autocommit = False  # several statements see one moment
    return connection


def _has_log(path: Path) -> bool:
    log = path.with_name(path.name + "-wal")
    return log.exists() and log.stat().st_size > 0


def _create(path: Path) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        os.close(os.open(path, os.O_RDWR | os.O_CREAT, FILE_MODE))
    except OSError as error:
        raise ConfigurationError(
            f"{path}: the database cannot be written ({error.strerror}); make the folder writable for this user, "
            "or set ACT_HOME or database.url to one that is"
        ) from error


def _check_usable(path: Path) -> None:
    connection: sqlite3.Connection | None = None
    try:
        connection = _open_to_write(path, "NORMAL", _READER_WAITS_MS)
        connection.execute("BEGIN IMMEDIATE")
        connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
        connection.execute("ROLLBACK")
    except sqlite3.DatabaseError as error:
        raise ConfigurationError(
            f"{path}: the database cannot be used ({error}); free the disk or end the other program that holds it; "
            "if the file is damaged, move it aside and run `act db restore`"
        ) from error
    finally:
        if connection is not None:
            connection.close()


def _parse(url: str) -> URL:
    try:
        return make_url(url)
    except ArgumentError as error:
        raise ConfigurationError(f"database.url is no database URL: {error}") from error
