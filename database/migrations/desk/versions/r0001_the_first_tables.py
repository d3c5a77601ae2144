"""The first tables."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def _text(name: str) -> sa.Column[str]:
    return sa.Column(name, sa.String(), nullable=False)


def _big(name: str) -> sa.Column[int]:
    return sa.Column(name, sa.BigInteger(), autoincrement=False, nullable=False)


def _integer(name: str) -> sa.Column[int]:
    return sa.Column(name, sa.Integer(), nullable=False)


def upgrade() -> None:
    op.create_table("cursors", _text("name"), _big("number"), sa.PrimaryKeyConstraint("name"))
    op.create_table(
        "deliveries",
        _text("alert_id"),
        _text("channel"),
        _text("state"),
        _big("at_ms"),
        _integer("attempts"),
        _text("thread"),
        _text("place"),
        _text("message"),
        _text("detail"),
        sa.PrimaryKeyConstraint("alert_id", "channel"),
    )
    op.create_index("deliveries_thread", "deliveries", ["channel", "thread"])
    op.create_table(
        "requests",
        sa.Column("number", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        _text("request_id"),
        _text("who"),
        _text("command"),
        _text("arguments"),
        _big("at_ms"),
        sa.PrimaryKeyConstraint("number"),
        sa.UniqueConstraint("request_id", name="requests_request_id"),
        sqlite_autoincrement=True,
    )


def downgrade() -> None:
    op.drop_table("requests")
    op.drop_table("deliveries")
    op.drop_table("cursors")
