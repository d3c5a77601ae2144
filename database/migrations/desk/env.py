"""Alembic runs this with the connection that `database.schema` opened."""

from alembic import context

from database.tables import Desk

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=Desk.metadata,
    render_as_batch=True,
)
with context.begin_transaction():
    context.run_migrations()
