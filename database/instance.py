"""The instance id: four characters inside our client order ids that tell these books from a restored copy."""

from sqlalchemy import Connection, delete, insert, inspect, select

from database.tables import Meta, table_of

LENGTH = 4
_NAME = "instance"
_META = table_of(Meta)


def instance_of(connection: Connection) -> str:
    """Return the instance id stored in the file, empty before the first upgrade."""
    if not inspect(connection).has_table(_META.name):
        return ""
    return connection.execute(select(_META.c.value).where(_META.c.name == _NAME)).scalar() or ""


def set_instance(connection: Connection, instance: str) -> None:
    """Give the file an instance id in place of the one it has."""
    connection.execute(delete(_META).where(_META.c.name == _NAME))
    connection.execute(insert(_META).values(name=_NAME, value=instance))
