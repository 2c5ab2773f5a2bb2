"""The first schema."""

from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import sqlite

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Make all tables."""
    _make_log()
    _make_rooms()
    op.create_table(
        "key_package",
        sa.Column("id", _row_id(), primary_key=True, autoincrement=True),
        sa.Column("device", sa.LargeBinary, nullable=False),
        sa.Column("suite", sa.Integer, nullable=False),
        sa.Column("hash", sa.LargeBinary, nullable=False),
        sa.Column("last_resort", sa.Boolean, nullable=False),
        sa.Column("checksum", sa.BigInteger, nullable=False),
        sa.Column("data", sa.LargeBinary),
        sa.UniqueConstraint("device", "suite", "hash", "last_resort"),
    )


def _make_log() -> None:
    op.create_table(
        "leaf",
        sa.Column("log_index", _row_id(), primary_key=True, autoincrement=False),
        sa.Column("type", sa.SmallInteger, nullable=False),
        sa.Column("room", sa.LargeBinary, nullable=False),
        sa.Column("room_seq", sa.BigInteger, nullable=False),
        sa.Column("accepted_at_ms", sa.BigInteger, nullable=False),
        sa.Column("previous", sa.LargeBinary, nullable=False),
        sa.Column("hash", sa.LargeBinary, nullable=False),
        sa.Column("envelope", sa.LargeBinary, unique=True),
        sa.Column("kid", sa.LargeBinary),
        sa.Column("checksum", sa.BigInteger, nullable=False),
        sa.Column("object", sa.LargeBinary, nullable=False),
        sa.UniqueConstraint("room", "room_seq"),
    )
    op.create_table(
        "content",
        sa.Column("log_index", _row_id(), sa.ForeignKey("leaf.log_index"), primary_key=True, autoincrement=False),
        sa.Column("payload", sa.LargeBinary, nullable=False),
        sa.Column("length", sa.BigInteger, nullable=False),
        sa.Column("erased", sa.Boolean, nullable=False),
        sa.Column("addressees", sa.LargeBinary),
        sa.Column("checksum", sa.BigInteger, nullable=False),
        sa.Column("data", sa.LargeBinary),
    )
    some = sa.text("length > 0")
    op.create_index("content_payload", "content", ["payload"], sqlite_where=some, postgresql_where=some)
    op.create_table(
        "document",
        sa.Column("log_index", _row_id(), sa.ForeignKey("leaf.log_index"), primary_key=True, autoincrement=False),
        sa.Column("data", sa.LargeBinary, nullable=False),
    )
    op.create_table(
        "batch",
        sa.Column("first", _row_id(), primary_key=True, autoincrement=False),
        sa.Column("size", sa.BigInteger, nullable=False),
        sa.Column("root", sa.LargeBinary, nullable=False),
        sa.Column("accepted_at_ms", sa.BigInteger, nullable=False),
        sa.Column("checksum", sa.BigInteger, nullable=False),
    )
    op.create_table(
        "tile",
        sa.Column("level", sa.SmallInteger, primary_key=True, autoincrement=False),
        sa.Column("place", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("root", sa.LargeBinary, nullable=False),
        sa.Column("checksum", sa.BigInteger, nullable=False),
        sa.Column("hashes", sa.LargeBinary, nullable=False),
    )
    op.create_table(
        "head",
        sa.Column("id", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("origin", sa.Text, nullable=False),
        sa.Column("size", sa.BigInteger, nullable=False),
        sa.Column("root", sa.LargeBinary, nullable=False),
        sa.Column("edge", sa.LargeBinary, nullable=False),
        sa.Column("last_accepted_ms", sa.BigInteger, nullable=False),
        sa.Column("checksum", sa.BigInteger, nullable=False),
    )


def _make_rooms() -> None:
    op.create_table(
        "chain",
        sa.Column("room", sa.LargeBinary, primary_key=True),
        sa.Column("head_seq", sa.BigInteger, nullable=False),
        sa.Column("head_leaf", sa.LargeBinary, nullable=False),
        sa.Column("checksum", sa.BigInteger, nullable=False),
    )
    op.create_table(
        "room",
        sa.Column("room", sa.LargeBinary, primary_key=True),
        sa.Column("epoch", sa.BigInteger, nullable=False),
        sa.Column("head_seq", sa.BigInteger, nullable=False),
        sa.Column("head_leaf", sa.LargeBinary, nullable=False),
        sa.Column("checksum", sa.BigInteger, nullable=False),
    )
    op.create_table(
        "member",
        sa.Column("room", sa.LargeBinary, sa.ForeignKey("room.room"), primary_key=True),
        sa.Column("device", sa.LargeBinary, primary_key=True),
        sa.Column("organisation", sa.Text, nullable=False),
        sa.Column("added_seq", sa.BigInteger, nullable=False),
        sa.Column("removed_seq", sa.BigInteger),
        sa.Column("cursor", sa.BigInteger, nullable=False),
        sa.Column("last_counter", sa.BigInteger, nullable=False),
        sa.Column("last_id", sa.LargeBinary, nullable=False),
        sa.Column("checksum", sa.BigInteger, nullable=False),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "tree",
        sa.Column("room", sa.LargeBinary, primary_key=True),
        sa.Column("hash", sa.LargeBinary, primary_key=True),
        sa.Column("checksum", sa.BigInteger, nullable=False),
        sa.Column("data", sa.LargeBinary, nullable=False),
    )


def _row_id() -> Any:  # noqa: ANN401 - a type with a variant has no nameable type
    return sa.BigInteger().with_variant(sqlite.INTEGER(), "sqlite")
