"""The shape of both files: brought up to date by Alembic migrations that travel inside the package."""

from pathlib import Path
from typing import TYPE_CHECKING, Literal

from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from alembic.util import CommandError
from sqlalchemy import Connection, Engine
from sqlalchemy.exc import DBAPIError

from bot.domain.errors import ConfigurationError
from database.instance import LENGTH, instance_of, set_instance
from database.session import writing_engine
from database.tables import Act, Desk

if TYPE_CHECKING:
    from bot.ports import Clock

type Side = Literal["act", "desk"]

_MIGRATIONS = Path(__file__).parent / "migrations"


def upgrade(act_url: str, desk_url: str, clock: "Clock") -> None:
    """Bring both files to the newest shape, creating them where needed; give the bot its instance id if it has none.

    The bot must not be running. Raises ConfigurationError when a file cannot be written or comes from a newer version.
    """
    upgrade_side("desk", desk_url)
    upgrade_side("act", act_url)
    engine = writing_engine(act_url)
    with engine.begin() as connection:
        if not instance_of(connection):
            set_instance(connection, clock.token(LENGTH))
    engine.dispose()


def upgrade_side(side: Side, url: str) -> None:
    """Bring one file to the newest shape in one transaction: after a failure it is as it was."""
    engine = writing_engine(url)
    try:
        with engine.connect() as connection:
            if revision_of(connection) == newest_revision(side):
                return
            config = _config(side)
            config.attributes["connection"] = connection
            command.upgrade(config, "head")
            connection.commit()
    except DBAPIError as error:
        raise ConfigurationError(
            f"the {side} database could not be upgraded ({error.orig}); it is as it was"
        ) from error
    except CommandError as error:
        raise ConfigurationError(
            f"the {side} database was written by a newer version of this program ({error}); install that version"
        ) from error
    finally:
        engine.dispose()


def require_current(side: Side, engine: Engine) -> None:
    """Raise ConfigurationError unless the file has exactly the shape this program was written for."""
    with engine.connect() as connection:
        found = revision_of(connection)
    if found != newest_revision(side):
        raise ConfigurationError(
            f"the {side} database has shape {found or 'none'}, this program needs {newest_revision(side)}: "
            "run `act db upgrade`"
        )


def revision_of(connection: Connection) -> str:
    """Return the revision a file stands at, empty when it has none."""
    return MigrationContext.configure(connection).get_current_revision() or ""


def newest_revision(side: Side) -> str:
    """Return the revision this program was written for."""
    return ScriptDirectory.from_config(_config(side)).get_current_head() or ""


def differences(side: Side, connection: Connection) -> list[str]:
    """Return how a file differs from the models, empty = equal."""
    metadata = Act.metadata if side == "act" else Desk.metadata
    return [str(each) for each in compare_metadata(MigrationContext.configure(connection), metadata)]


def _config(side: Side) -> Config:
    config = Config()
    config.set_main_option("script_location", str(_MIGRATIONS / side).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    config.set_main_option("file_template", "r%%(rev)s_%%(slug)s")
    return config
