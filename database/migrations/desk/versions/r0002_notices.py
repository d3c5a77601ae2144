"""What people's side has to tell people itself."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def _text(name: str) -> sa.Column[str]:
    return sa.Column(name, sa.String(), nullable=False)


def upgrade() -> None:
    op.create_table(
        "notices",
        sa.Column("number", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        _text("alert_id"),
        sa.Column("at_ms", sa.BigInteger(), autoincrement=False, nullable=False),
        _text("severity"),
        _text("event"),
        _text("symbol"),
        _text("title"),
        _text("text"),
        _text("thread"),
        sa.PrimaryKeyConstraint("number"),
        sa.UniqueConstraint("alert_id", name="notices_alert_id"),
        sqlite_autoincrement=True,
    )


def downgrade() -> None:
    op.drop_table("notices")
