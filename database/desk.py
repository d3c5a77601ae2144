"""People's writes: what they ask of the bot, and what became of each alert. The bot only reads this file."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from sqlalchemy import Executable, Select, Table, insert, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import DBAPIError

from bot.domain.errors import StoreError
from database.schema import upgrade_side
from database.session import writing_engine
from database.tables import Cursors, Deliveries, Requests, table_of

_REQUESTS = table_of(Requests)
_DELIVERIES = table_of(Deliveries)
_CURSORS = table_of(Cursors)


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
        is_sqlite = self._engine.dialect.name == "sqlite"
        statement: Any = (sqlite if is_sqlite else postgresql).insert(table).values(values)
        replaced = {name: statement.excluded[name] for name in values if name not in keys}
        upsert: Executable = statement.on_conflict_do_update(index_elements=keys, set_=replaced)
        return upsert

    def _write(self, *statements: Executable) -> None:
        try:
            with self._engine.begin() as connection:
                for statement in statements:
                    connection.execute(statement)
        except DBAPIError as error:
            raise StoreError(f"nothing was written to the people's database: {error.orig}") from error
