"""Alembic runs this with the connection that `database.schema` opened."""

from alembic import context

from database.tables import Act

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=Act.metadata,
    render_as_batch=True,
)
with context.begin_transaction():
    context.run_migrations()
