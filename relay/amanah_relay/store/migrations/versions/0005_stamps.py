"""Time stamps on published checkpoints."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    """Add a table; what was published before has none."""
    op.create_table(
        "stamp",
        sa.Column("number", sa.BigInteger().with_variant(sa.INTEGER(), "sqlite"), primary_key=True, autoincrement=True),
        sa.Column("size", sa.BigInteger, sa.ForeignKey("checkpoint.size"), nullable=False),
        sa.Column("authority", sa.Text, nullable=False),
        sa.Column("covered", sa.BigInteger, nullable=False),
        sa.Column("upto", sa.BigInteger, nullable=False),
        sa.Column("ends_ms", sa.BigInteger, nullable=False),
        sa.Column("checksum", sa.BigInteger, nullable=False),
        sa.Column("token", sa.LargeBinary, nullable=False),
    )
    op.create_index("stamp_size", "stamp", ["size", "number"])
    op.create_index("stamp_end", "stamp", ["ends_ms"])
