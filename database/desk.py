"""People's writes: what they ask of the bot, and what became of each alert. The bot only reads this file."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from msgspec.structs import asdict as asdict_of
from sqlalchemy import Executable, Select, Table, func, insert, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import DBAPIError

from bot.domain.errors import StoreError
from bot.domain.records import Alert
from database.rows import read
from database.schema import upgrade_side
from database.session import writing_engine
from database.tables import Cursors, Deliveries, Notices, Requests, table_of
from database.views import NumberedAlert

_REQUESTS = table_of(Requests)
_DELIVERIES = table_of(Deliveries)
_CURSORS = table_of(Cursors)
_NOTICES = table_of(Notices)


@dataclass(frozen=True, slots=True)
class Delivery:
    """What became of an alert on one channel. State: sent, digested, failed or dropped.

    `place` and `message` are the channel's own names of where the message stands (Slack: channel and ts);
    `thread` is the alert's, so that later messages find the first one.
    """

    alert_id: str
    channel: str
    state: str
    at_ms: int
    attempts: int = 1
    thread: str = ""
    place: str = ""
    message: str = ""
    detail: str = ""


class DeskWriter:
    """Opens the people's file for writing, bringing it to the newest shape first.

    Every call is one short transaction, so dashboard, command line and alerts may write side by side.
    Raises ConfigurationError when the file cannot be used, StoreError when a write fails.
    """

    def __init__(self, url: str) -> None:
        upgrade_side("desk", url)
        self._engine = writing_engine(url)

    def ask(self, request_id: str, who: str, command: str, arguments: Mapping[str, str], at_ms: int) -> None:
        """Ask the bot for something: pause, resume, flatten, halt. `at_ms` is the wall time of asking."""
        values = {
            "request_id": request_id,
            "who": who,
            "command": command,
            "arguments": json.dumps(dict(arguments), sort_keys=True),
            "at_ms": at_ms,
        }
        self._write(insert(_REQUESTS).values(values))

    def record(self, delivery: Delivery) -> None:
        """Remember what became of an alert on a channel; a later word replaces an earlier one."""
        self.record_all((delivery,))

    def record_all(self, deliveries: Iterable[Delivery]) -> None:
        """Remember several deliveries in one transaction: a digest covers many alerts."""
        self._write(*(self._upsert(_DELIVERIES, asdict(each)) for each in deliveries))

    def give_notice(self, notice: Alert) -> None:
        """Have people told something by the alerts process; a notice with the same id is given once."""
        values = asdict_of(notice)
        insertion: Any = self._insert(_NOTICES, values)
        self._write(insertion.on_conflict_do_nothing(index_elements=["alert_id"]))

    def notices_after(self, number: int, limit: int = 100) -> tuple[NumberedAlert, ...]:
        """Return the notices behind a number, in the order they were given."""
        statement = select(_NOTICES).where(_NOTICES.c.number > number).order_by(_NOTICES.c.number).limit(limit)
        with self._engine.connect() as connection:
            rows = connection.execute(statement).mappings().all()
        return tuple(NumberedAlert(row["number"], read(Alert, row)) for row in rows)

    def newest_notice_number(self) -> int:
        """Return the number of the newest notice, 0 = none."""
        with self._engine.connect() as connection:
            return connection.execute(select(func.max(_NOTICES.c.number))).scalar() or 0

    def move_cursor(self, name: str, number: int) -> None:
        """Remember how far a reader of the outbox has come."""
        self._write(self._upsert(_CURSORS, {"name": name, "number": number}))

    def cursor(self, name: str) -> int | None:
        """Return how far a reader of the outbox has come, None when it never read."""
        with self._engine.connect() as connection:
            return connection.execute(select(_CURSORS.c.number).where(_CURSORS.c.name == name)).scalar()

    def delivery(self, alert_id: str, channel: str) -> Delivery | None:
        """Return what became of an alert on a channel, None when nothing did yet."""
        table = _DELIVERIES
        return self._first(select(table).where(table.c.alert_id == alert_id, table.c.channel == channel))

    def thread_root(self, channel: str, thread: str) -> Delivery | None:
        """Return the first message sent in a thread on a channel: later ones are replies to it."""
        table = _DELIVERIES
        return self._first(
            select(table)
            .where(table.c.channel == channel, table.c.thread == thread, table.c.message != "")
            .order_by(table.c.at_ms, table.c.alert_id)
        )

    def close(self) -> None:
        """Let go of the file."""
        self._engine.dispose()

    def _first(self, statement: Select[Any]) -> Delivery | None:
        with self._engine.connect() as connection:
            row = connection.execute(statement.limit(1)).mappings().first()
        return Delivery(**row) if row else None

    def _upsert(self, table: Table, values: dict[str, Any]) -> Executable:
        keys = [column.name for column in table.primary_key]
        statement = self._insert(table, values)
        replaced = {name: statement.excluded[name] for name in values if name not in keys}
        upsert: Executable = statement.on_conflict_do_update(index_elements=keys, set_=replaced)
        return upsert

    def _insert(self, table: Table, values: dict[str, Any]) -> Any:
        is_sqlite = self._engine.dialect.name == "sqlite"
        return (sqlite if is_sqlite else postgresql).insert(table).values(values)

    def _write(self, *statements: Executable) -> None:
        try:
            with self._engine.begin() as connection:
                for statement in statements:
                    connection.execute(statement)
        except DBAPIError as error:
            raise StoreError(f"nothing was written to the people's database: {error.orig}") from error
