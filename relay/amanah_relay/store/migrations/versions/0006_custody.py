"""Audit grants and legal holds are found without reading the log."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    """Add an index; an older relay has logged neither."""
    some = sa.text("type IN (7, 8)")
    op.create_index("leaf_custody", "leaf", ["log_index"], sqlite_where=some, postgresql_where=some)
