"""Tables of the local store. The file is SQLCipher: every page is encrypted with the keystore's key."""

from __future__ import annotations

from typing import Final

from sqlalchemy import Column, Index, Integer, LargeBinary, MetaData, String, Table

metadata: Final = MetaData()

value = Table(
    "value",
    metadata,
    Column("name", String(32), primary_key=True),
    Column("data", LargeBinary, nullable=False),
)
"""Single values: own chain, roster, newest head, newest log view."""

room = Table(
    "room",
    metadata,
    Column("room", LargeBinary(16), primary_key=True),
    Column("row", LargeBinary, nullable=False),
)

message = Table(
    "message",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("room", LargeBinary(16), nullable=False),
    Column("envelope", LargeBinary(32), nullable=False),
    Column("room_seq", Integer),
    Column("row", LargeBinary, nullable=False),
    Index("message_by_envelope", "room", "envelope", unique=True),
    Index("message_by_seq", "room", "room_seq"),
)

intent = Table(
    "intent",
    metadata,
    Column("position", Integer, primary_key=True, autoincrement=True),
    Column("id", String(32), nullable=False, unique=True),
    Column("state", String(8), nullable=False),
    Column("action", String(32), nullable=False),
    Column("body", LargeBinary, nullable=False),
    Column("row", LargeBinary, nullable=False),
    Index("intent_by_state", "state"),
)
"""`body` is the action with its plaintext, `row` everything else; a finished intent keeps no body."""

control = Table(
    "control",
    metadata,
    Column("sequence", Integer, primary_key=True),
    Column("row", LargeBinary, nullable=False),
)

key_package = Table(
    "key_package",
    metadata,
    Column("reference", LargeBinary(32), primary_key=True),
    Column("private", LargeBinary, nullable=False),
)

profile = Table(
    "profile",
    metadata,
    Column("organisation", String(253), primary_key=True),
    Column("subject", LargeBinary(16), primary_key=True),
    Column("encoded", LargeBinary, nullable=False),
)

alarm = Table(
    "alarm",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("row", LargeBinary, nullable=False),
)

audit_leaf = Table(
    "audit_leaf",
    metadata,
    Column("index", Integer, primary_key=True),
    Column("hash", LargeBinary(32), nullable=False),
    Column("entry", LargeBinary),
    Column("document", LargeBinary),
)

issued = Table(
    "issued",
    metadata,
    Column("device", LargeBinary(32), primary_key=True),
    Column("name", String(253), nullable=False),
    Column("certificate", LargeBinary, nullable=False),
    Column("revocation", LargeBinary),
)
"""What this home's organisation certified; the only place where device and name stand together."""

wish = Table(
    "wish",
    metadata,
    Column("intent", String(32), primary_key=True),
    Column("wish", String(8), nullable=False),
)
"""What a person decided of an intent in another process than the one that is connected."""
