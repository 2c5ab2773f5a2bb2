"""Attachments of messages."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    """Add a table; no message named an attachment before."""
    op.create_table(
        "attachment",
        sa.Column("envelope", sa.LargeBinary, sa.ForeignKey("leaf.envelope"), primary_key=True),
        sa.Column("room", sa.LargeBinary, nullable=False),
        sa.Column("hash", sa.LargeBinary, nullable=False),
        sa.Column("standing", sa.SmallInteger, nullable=False),
        sa.Column("checksum", sa.BigInteger, nullable=False),
        sa.UniqueConstraint("room", "hash"),
        sqlite_with_rowid=False,
    )
