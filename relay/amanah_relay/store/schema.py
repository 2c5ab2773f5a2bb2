"""The tables, as SQLAlchemy Core. The migrations make them; a test holds both against each other.

What a hash of the log or of the content covers needs nothing more. All other cells of a row stand
under its `checksum` (`damage.checksum`), because SQLite itself keeps none: a flipped bit in a
counter would otherwise be served as the truth. It finds damage, not forgery.
"""

from __future__ import annotations

from typing import Any, Final, TypeAlias

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Dialect,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    SmallInteger,
    Table,
    Text,
    UniqueConstraint,
    text,
)
from sqlalchemy.dialects import sqlite

REVISION: Final = "0007"
"""The newest migration: what a store of this version says of itself."""

metadata: Final = MetaData()


class Bytes(LargeBinary):
    """Byte strings that go to the driver as they are: the usual wrapping costs a third of an append."""

    cache_ok = True

    def bind_processor(self, dialect: Dialect) -> None:
        """Drivers take `bytes`."""

    def result_processor(self, dialect: Dialect, coltype: object) -> None:
        """Drivers give `bytes`; a damaged cell of another type is found by its checksum."""


Cells: TypeAlias = dict[str, Any]
"""A row's cells by name, as statements take them."""

# Only a column of the type INTEGER is SQLite's own row id; any other needs a second tree.
ROW_ID: Final = BigInteger().with_variant(sqlite.INTEGER(), "sqlite")


def _integer(name: str) -> Column[int]:
    return Column(name, BigInteger, nullable=False)


def _bytes(name: str) -> Column[bytes]:
    return Column(name, Bytes, nullable=False)


def _checksum() -> Column[int]:
    return _integer("checksum")


leaf: Final = Table(
    "leaf",
    metadata,
    Column("log_index", ROW_ID, primary_key=True, autoincrement=False),
    Column("type", SmallInteger, nullable=False),
    _bytes("room"),
    _integer("room_seq"),
    _integer("accepted_at_ms"),
    _bytes("previous"),
    _bytes("hash"),
    Column("envelope", Bytes, unique=True),
    Column("kid", Bytes),
    _checksum(),
    # Last: a query for the hashes alone does not walk through it.
    _bytes("object"),
    UniqueConstraint("room", "room_seq"),
)
"""One row a leaf, never changed. `hash` covers type to `previous` and `object`; the checksum the rest."""

# Grants and holds are few among millions, and are all read at the start.
leaf_custody: Final = Index(
    "leaf_custody",
    leaf.c.log_index,
    sqlite_where=text("type IN (7, 8)"),
    postgresql_where=text("type IN (7, 8)"),
)

content: Final = Table(
    "content",
    metadata,
    Column("log_index", ROW_ID, ForeignKey("leaf.log_index"), primary_key=True, autoincrement=False),
    _bytes("payload"),
    _integer("length"),
    Column("erased", Boolean, nullable=False),
    Column("addressees", Bytes),
    _checksum(),
    Column("data", Bytes),
)
"""One row an envelope. `payload` covers `data`, which is NULL only when it was erased, and then
is there still only for a legal hold;
`addressees` are device ids, 32 bytes each, NULL for every member."""

# Header-only kinds all have one payload hash: looking them up would read them all.
content_by_payload: Final = Index(
    "content_payload", content.c.payload, sqlite_where=content.c.length > 0, postgresql_where=content.c.length > 0
)

# A purge looks at what is still there, and is not to walk through years of what is not.
content_kept: Final = Index(
    "content_kept",
    content.c.log_index,
    sqlite_where=text("length > 0 AND data IS NOT NULL"),
    postgresql_where=text("length > 0 AND data IS NOT NULL"),
)

document: Final = Table(
    "document",
    metadata,
    Column("log_index", ROW_ID, ForeignKey("leaf.log_index"), primary_key=True, autoincrement=False),
    _bytes("data"),
)
"""Endorsed documents beside leaves; the leaf's object covers them."""

batch: Final = Table(
    "batch",
    metadata,
    Column("first", ROW_ID, primary_key=True, autoincrement=False),
    _integer("size"),
    _bytes("root"),
    _integer("accepted_at_ms"),
    _checksum(),
)
"""One row a transaction that stored leaves: index of its first, tree size and root after it."""

tile: Final = Table(
    "tile",
    metadata,
    Column("level", SmallInteger, primary_key=True, autoincrement=False),
    Column("place", BigInteger, primary_key=True, autoincrement=False),
    _bytes("root"),
    _checksum(),
    _bytes("hashes"),
)
"""Full tiles (C2SP tlog-tiles): 256 hashes, and the root over them, which is one hash of the next level."""

head: Final = Table(
    "head",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("origin", Text, nullable=False),
    _integer("size"),
    _bytes("root"),
    _bytes("edge"),
    _integer("last_accepted_ms"),
    _checksum(),
)
"""One row, id 1: the head of the log. An append sets it only where its size is the one expected."""

chain: Final = Table(
    "chain",
    metadata,
    Column("room", Bytes, primary_key=True),
    _integer("head_seq"),
    _bytes("head_leaf"),
    _checksum(),
)
"""Heads of the control stream and of other chains that are not rooms."""

room: Final = Table(
    "room",
    metadata,
    Column("room", Bytes, primary_key=True),
    _integer("epoch"),
    _integer("head_seq"),
    _bytes("head_leaf"),
    _checksum(),
)
"""Rooms; their creation is the object of the first leaf there."""

member: Final = Table(
    "member",
    metadata,
    Column("room", Bytes, ForeignKey("room.room"), primary_key=True),
    Column("device", Bytes, primary_key=True),
    Column("organisation", Text, nullable=False),
    _integer("added_seq"),
    Column("removed_seq", BigInteger),
    _integer("cursor"),
    _integer("last_counter"),
    _bytes("last_id"),
    _checksum(),
    sqlite_with_rowid=False,
)
"""Members by room and device, removed ones included."""

membership: Final = Table(
    "membership",
    metadata,
    Column("room", Bytes, primary_key=True),
    Column("room_seq", BigInteger, primary_key=True, autoincrement=False),
    sqlite_with_rowid=False,
)
"""Places of each room's `create` and commits: a newcomer reads them without the entries between."""

tree: Final = Table(
    "tree",
    metadata,
    Column("room", Bytes, primary_key=True),
    Column("hash", Bytes, primary_key=True),
    _integer("room_seq"),
    _checksum(),
    _bytes("data"),
)
"""Staged ratchet trees by room and SHA-256; `room_seq` is the place of the welcome that brought it first."""

confirmed: Final = Table(
    "confirmed",
    metadata,
    Column("room", Bytes, ForeignKey("room.room"), primary_key=True),
    _integer("room_seq"),
    _checksum(),
)
"""Marks: up to here every member has confirmed a room, and nothing is counted in `held`."""

held: Final = Table(
    "held",
    metadata,
    Column("organisation", Text, primary_key=True),
    _integer("size"),
    _checksum(),
)
"""Bytes of contents and trees behind the marks, by the sender's organisation."""

attachment: Final = Table(
    "attachment",
    metadata,
    Column("envelope", Bytes, ForeignKey("leaf.envelope"), primary_key=True),
    _bytes("room"),
    _bytes("hash"),
    Column("standing", SmallInteger, nullable=False),
    _checksum(),
    UniqueConstraint("room", "hash"),
    sqlite_with_rowid=False,
)
"""Attachments by the message that names them; `standing` is `effects.Standing`. Their bytes are files."""

key_package: Final = Table(
    "key_package",
    metadata,
    Column("id", ROW_ID, primary_key=True, autoincrement=True),
    _bytes("device"),
    Column("suite", Integer, nullable=False),
    _bytes("hash"),
    Column("last_resort", Boolean, nullable=False),
    _checksum(),
    Column("data", Bytes),
    UniqueConstraint("device", "suite", "hash", "last_resort"),
)
"""Key packages; `data` becomes NULL when one is handed out. The row stays, so that a package which
its device offers once more after a lost answer is not handed out twice."""

log_checkpoint: Final = Table(
    "checkpoint",
    metadata,
    Column("size", ROW_ID, primary_key=True, autoincrement=False),
    _checksum(),
    _bytes("note"),
)
"""Published checkpoints by tree size: the signed note, with the cosignatures that came for it."""

stamp: Final = Table(
    "stamp",
    metadata,
    Column("number", ROW_ID, primary_key=True, autoincrement=True),
    Column("size", BigInteger, ForeignKey("checkpoint.size"), nullable=False),
    Column("authority", Text, nullable=False),
    _integer("covered"),
    _integer("upto"),
    _integer("ends_ms"),
    _checksum(),
    _bytes("token"),
)
"""Time stamps on published checkpoints, numbered as they came. A token covers the first `covered` bytes of the note,
and all tokens of this size up to the number `upto`, 0 for none; `ends_ms` is the end of its certificate."""

stamp_by_size: Final = Index("stamp_size", stamp.c.size, stamp.c.number)
stamp_by_end: Final = Index("stamp_end", stamp.c.ends_ms)
