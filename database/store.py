"""The bot's own writes: one transaction for what a decision needs, slices of at most 20 rows for everything else.

Core compiles each statement once; rows then go straight to the driver, because a commit stands between every decision
and its order. Calls are synchronous, on PostgreSQL too; only checkpoints run in a thread.
"""

import json
from collections import deque
from collections.abc import Callable, Collection, Sequence
from contextlib import suppress
from threading import Lock, Thread
from typing import Any

from msgspec import Struct
from sqlalchemy import Connection, Dialect, Engine, bindparam, delete, select
from sqlalchemy.exc import DBAPIError

from bot.domain.account import LeverageBracket
from bot.domain.books import Books, HistoryMark
from bot.domain.errors import ConfigurationError, StoreError
from bot.domain.events import PersonAsked
from bot.domain.instrument import Instrument
from bot.domain.money import plain
from bot.domain.records import Incident, Row
from bot.ports import Clock
from database.columns import InexactAmountError
from database.recovery import read_books, read_mark
from database.rows import MAPS, Ninth, RowMap, positional, upsert
from database.schema import require_current
from database.session import (
    DatabaseMissingError,
    Synchronous,
    reading_engine,
    sqlite_path,
    unreadable,
    writing_connection,
)
from database.tables import Commands, LeverageBrackets, Requests, WideValues, table_of

SLICE_ROWS = 20
CHECKPOINT_ROWS = 1_000

_BRACKETS = table_of(LeverageBrackets)
_COMMANDS = table_of(Commands)
_REQUESTS = table_of(Requests)
_WIDE = table_of(WideValues)
_INCIDENT = MAPS[Incident]
_WIDE_COLUMNS = tuple(column.name for column in _WIDE.columns)
_TIMES = ("time_ms", "at_ms", "updated_ms", "open_time")

type _Write = tuple[str, Sequence[Any]]


class SqlStore:
    """The `Store` of `bot.ports` on SQLite or PostgreSQL. Both files must have been upgraded before.

    Raises ConfigurationError when a file cannot be written, is damaged, or has another shape than this program's;
    reads raise StoreError when they fail.
    """

    def __init__(self, act_url: str, desk_url: str, clock: Clock, *, synchronous: Synchronous = "NORMAL") -> None:
        self._url = act_url
        self._desk_url = desk_url
        self._clock = clock
        self._synchronous: Synchronous = synchronous
        self._lock = Lock()
        self._queue: deque[Row] = deque()
        self._connection: Any = writing_connection(act_url, synchronous)
        self._reader = reading_engine(act_url)
        self._desk: Engine | None = None
        require_current("act", self._reader)
        self._is_sqlite = sqlite_path(act_url) is not None
        self._begin = "BEGIN IMMEDIATE" if self._is_sqlite else "BEGIN"
        dialect = self._reader.dialect
        self._errors: tuple[type[Exception], ...] = (dialect.loaded_dbapi.Error, OSError)
        self._statements = {kind: (mapping.upsert(dialect), mapping) for kind, mapping in MAPS.items()}
        self._forget_wide = _forget_statement(dialect)
        self._forget_brackets = _forget_brackets_statement(dialect)
        self._keep_wide = upsert(_WIDE, _WIDE_COLUMNS, _WIDE_COLUMNS[:3], dialect)
        self._open_incident = upsert(_INCIDENT.table, _INCIDENT.columns, _INCIDENT.keys, dialect, replace=False)
        self._wide_rows = self._read(_wide_rows)
        self._uncheckpointed = 0
        self._checkpointing: Thread | None = None
        self._desk_floor = 0
        self._written_at = clock.monotonic()

    def commit(self, rows: Sequence[Row]) -> None:
        """Write rows in one transaction, now; raises StoreError and then nothing is written."""
        if not rows:
            return
        with self._lock:
            self._write(rows)

    def commit_contracts(self, instruments: Sequence[Instrument], brackets: Sequence[LeverageBracket]) -> None:
        """Write contracts as read, their brackets in place of all earlier ones, as `commit` does."""
        symbols = {each.symbol for each in instruments}
        with self._lock:
            self._write([*instruments, *brackets], before=self._without_brackets(symbols))

    def defer(self, rows: Sequence[Row]) -> None:
        """Queue rows that no order depends on for the next slices."""
        self._queue.extend(rows)

    def flush_slice(self) -> int:
        """Write at most 20 queued rows and return how many remain; after a StoreError they are all still queued."""
        with self._lock:
            rows = [self._queue[place] for place in range(min(SLICE_ROWS, len(self._queue)))]
            if rows:
                self._write(rows)
            for _ in rows:
                self._queue.popleft()
            if not self._queue and self._uncheckpointed >= CHECKPOINT_ROWS:
                self._checkpoint_beside()
        return len(self._queue)

    def books(self) -> Books:
        """Read back everything the core remembers."""
        return self._read(read_books)

    def history_mark(self, symbols: Sequence[str]) -> HistoryMark:
        """Return how far the books reach, for recovery."""
        return self._read(lambda connection: read_mark(connection, symbols))

    def take_requests(self) -> tuple[PersonAsked, ...]:
        """Read people's requests not yet mirrored into `commands`; at_ms is the wall time when they asked."""
        rows = self._asked()
        if not rows:
            return ()
        mirrored = self._read(
            lambda connection: set(
                connection.execute(
                    select(_COMMANDS.c.request_id).where(_COMMANDS.c.request_id.in_([row.request_id for row in rows]))
                ).scalars()
            )
        )
        waiting = [row for row in rows if row.request_id not in mirrored]
        self._desk_floor = waiting[0].number - 1 if waiting else rows[-1].number
        return tuple(
            PersonAsked(row.at_ms, row.request_id, row.who, row.command, json.loads(row.arguments)) for row in waiting
        )

    def write_age_ms(self) -> int:
        """Return the wall time since the last successful write."""
        return int((self._clock.monotonic() - self._written_at) * 1000)

    def close(self) -> None:
        """Write what is queued, checkpoint, and let go of the file; raises StoreError when rows are lost."""
        try:
            while self.flush_slice():
                pass
            if self._checkpointing is not None:
                self._checkpointing.join()
            self._checkpoint()
        finally:
            self._let_go()
            self._reader.dispose()

    # writing

    def _write(self, rows: Sequence[Row | LeverageBracket], before: Sequence[_Write] = ()) -> None:
        try:
            writes = [*before, *self._encode(rows)]
        except InexactAmountError as error:
            raise StoreError(f"nothing was written: {error}") from error
        try:
            if self._connection is None:
                self._connection = writing_connection(self._url, self._synchronous)
            execute = self._connection.execute
            execute(self._begin)
            for statement, values in writes:
                execute(statement, values)
            execute("COMMIT")
        except self._errors as error:
            self._roll_back()
            raise StoreError(f"nothing was written: {error}") from error
        self._uncheckpointed += len(writes)
        self._written_at = self._clock.monotonic()

    def _encode(self, rows: Sequence[Row | LeverageBracket]) -> list[_Write]:
        writes: list[_Write] = []
        for row in rows:
            statement, mapping = self._statements[type(row)]
            try:
                values = mapping.encode(row)
            except InexactAmountError:
                if mapping.ninth is Ninth.REFUSE:
                    raise
                rounds = mapping.ninth is Ninth.ROUND
                writes.extend([(statement, mapping.rounded(row))] if rounds else self._encode_wide(mapping, row))
                continue
            if self._wide_rows and (wide := (mapping.table.name, mapping.key_of(values))) in self._wide_rows:
                writes.append((self._forget_wide, wide))
            writes.append((statement, values))
        return writes

    def _without_brackets(self, symbols: Collection[str]) -> list[_Write]:
        """Forget the brackets of symbols, and what is kept of them beside the table."""
        wide = [key for key in self._wide_rows if key[0] == _BRACKETS.name and key[1].partition("|")[0] in symbols]
        return [(self._forget_brackets, (symbol,)) for symbol in symbols] + [(self._forget_wide, key) for key in wide]

    def _encode_wide(self, mapping: RowMap, row: Row | LeverageBracket) -> list[_Write]:
        """Keep every digit beside the table, which gets the amounts cut towards zero; open one incident a column."""
        exact = mapping.values(row)
        values, wide_columns = mapping.cut(row)
        row_key = mapping.key_of(values)
        table = mapping.table.name
        self._wide_rows.add((table, row_key))
        writes: list[_Write] = [(self._forget_wide, (table, row_key)), (self._statements[type(row)][0], values)]
        for place in wide_columns:
            column = mapping.columns[place]
            detail = f"{table}.{column} of {row_key} is {exact[place]}: kept as text, shown with 8 decimals"
            writes.append((self._keep_wide, (table, row_key, column, plain(exact[place]))))
            writes.append((self._open_incident, _INCIDENT.encode(_inexact(mapping, row, column, detail))))
        return writes

    def _roll_back(self) -> None:
        if self._connection is None or (self._is_sqlite and not self._connection.in_transaction):
            return
        try:
            self._connection.execute("ROLLBACK")
        except self._errors:
            self._let_go()  # opened anew by the next write

    def _checkpoint(self) -> None:
        """Fold the log into the file and empty it."""
        if self._is_sqlite and self._connection is not None:
            with suppress(*self._errors):  # a reader may be in the way: the next one will do
                self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()

    def _checkpoint_beside(self) -> None:
        """Fold the log into the file in a thread and on a connection of its own: it waits for the disk, we do not."""
        self._uncheckpointed = 0
        if self._is_sqlite and (self._checkpointing is None or not self._checkpointing.is_alive()):
            self._checkpointing = Thread(target=self._fold, name="checkpoint", daemon=True)
            self._checkpointing.start()

    def _fold(self) -> None:
        with suppress(ConfigurationError, *self._errors):  # what is in the way now will not be next time
            connection = writing_connection(self._url, self._synchronous)
            try:
                connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchall()
            finally:
                connection.close()

    def _let_go(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            with suppress(*self._errors):
                connection.close()

    # reading

    def _read[T](self, question: Callable[[Connection], T]) -> T:
        try:
            with self._reader.connect() as connection:
                return question(connection)
        except DBAPIError as error:
            raise StoreError(unreadable("the bot's database", error)) from error

    def _asked(self) -> list[Any]:
        if self._desk is None:
            try:
                self._desk = reading_engine(self._desk_url)
            except DatabaseMissingError:
                return []
        waiting = select(_REQUESTS).where(_REQUESTS.c.number > self._desk_floor).order_by(_REQUESTS.c.number)
        try:
            with self._desk.connect() as connection:
                return list(connection.execute(waiting))
        except DBAPIError as error:
            raise StoreError(unreadable("the people's database", error)) from error


def _inexact(mapping: RowMap, row: Struct, column: str, detail: str) -> Incident:
    at_ms = next((getattr(row, name) for name in _TIMES if hasattr(row, name)), 0)
    table = mapping.table.name
    return Incident(
        incident_id=f"inexact-{table}-{column}",
        code="inexact_amount",
        symbol=getattr(row, "symbol", ""),
        severity="WARNING",
        opened_ms=at_ms,
        closed_ms=0,
        detail=detail,
        count=1,
    )


def _wide_rows(connection: Connection) -> set[tuple[str, str]]:
    return {(table, key) for table, key in connection.execute(select(_WIDE.c.table_name, _WIDE.c.row_key)).all()}


def _forget_statement(dialect: Dialect) -> str:
    named = (_WIDE.c.table_name == bindparam("one"), _WIDE.c.row_key == bindparam("key"))
    return positional(delete(_WIDE).where(*named).compile(dialect=dialect), ("one", "key"))


def _forget_brackets_statement(dialect: Dialect) -> str:
    named = delete(_BRACKETS).where(_BRACKETS.c.symbol == bindparam("one"))
    return positional(named.compile(dialect=dialect), ("one",))
