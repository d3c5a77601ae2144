"""The leverage brackets of the contracts."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def _big(name: str) -> sa.Column[int]:
    return sa.Column(name, sa.BigInteger(), autoincrement=False, nullable=False)


def upgrade() -> None:
    op.create_table(
        "leverage_brackets",
        sa.Column("symbol", sa.String(), nullable=False),
        _big("floor"),
        _big("cap"),
        sa.Column("leverage", sa.Integer(), nullable=False),
        _big("maintenance_rate"),
        _big("cum"),
        sa.PrimaryKeyConstraint("symbol", "floor"),
    )


def downgrade() -> None:
    op.drop_table("leverage_brackets")
