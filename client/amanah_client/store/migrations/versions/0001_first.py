"""The first schema of the local store."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Make all tables."""
    op.create_table(
        "value",
        sa.Column("name", sa.String(32), primary_key=True),
        sa.Column("data", sa.LargeBinary, nullable=False),
    )
    op.create_table(
        "room",
        sa.Column("room", sa.LargeBinary(16), primary_key=True),
        sa.Column("row", sa.LargeBinary, nullable=False),
    )
    op.create_table(
        "message",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("room", sa.LargeBinary(16), nullable=False),
        sa.Column("envelope", sa.LargeBinary(32), nullable=False),
        sa.Column("room_seq", sa.Integer),
        sa.Column("row", sa.LargeBinary, nullable=False),
    )
    op.create_index("message_by_envelope", "message", ["room", "envelope"], unique=True)
    op.create_index("message_by_seq", "message", ["room", "room_seq"])
    op.create_table(
        "intent",
        sa.Column("position", sa.Integer, primary_key=True, autoincrement=True),
        sa.Column("id", sa.String(32), nullable=False, unique=True),
        sa.Column("state", sa.String(8), nullable=False),
        sa.Column("action", sa.String(32), nullable=False),
        sa.Column("body", sa.LargeBinary, nullable=False),
        sa.Column("row", sa.LargeBinary, nullable=False),
    )
    op.create_index("intent_by_state", "intent", ["state"])
    op.create_table(
        "control",
        sa.Column("sequence", sa.Integer, primary_key=True),
        sa.Column("row", sa.LargeBinary, nullable=False),
    )
    op.create_table(
        "key_package",
        sa.Column("reference", sa.LargeBinary(32), primary_key=True),
        sa.Column("private", sa.LargeBinary, nullable=False),
    )
    op.create_table(
        "profile",
        sa.Column("organisation", sa.String(253), primary_key=True),
        sa.Column("subject", sa.LargeBinary(16), primary_key=True),
        sa.Column("encoded", sa.LargeBinary, nullable=False),
    )
    op.create_table(
        "alarm",
        sa.Column("id", sa.Integer, primary_key=True, autoincrement=True),
        sa.Column("row", sa.LargeBinary, nullable=False),
    )
    op.create_table(
        "audit_leaf",
        sa.Column("index", sa.Integer, primary_key=True),
        sa.Column("hash", sa.LargeBinary(32), nullable=False),
        sa.Column("entry", sa.LargeBinary),
        sa.Column("document", sa.LargeBinary),
    )
    op.create_table(
        "issued",
        sa.Column("device", sa.LargeBinary(32), primary_key=True),
        sa.Column("name", sa.String(253), nullable=False),
        sa.Column("certificate", sa.LargeBinary, nullable=False),
        sa.Column("revocation", sa.LargeBinary),
    )
    op.create_table(
        "wish",
        sa.Column("intent", sa.String(32), primary_key=True),
        sa.Column("wish", sa.String(8), nullable=False),
    )
