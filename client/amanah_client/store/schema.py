"""Tables of the local store. The file is SQLCipher: every page is encrypted with the keystore's key.

`STEPS` lead from an empty file to the newest schema, one transaction each; a step that was released is
never changed, a new one is put behind it.
"""

from __future__ import annotations

from typing import Final

import msgspec
from sqlcipher3 import dbapi2 as sqlcipher

from amanah_client.causes import COUNTED, cause_of, mending_of
from amanah_client.store.migrate import Statement
from amanah_client.store.noting import mark_precedence, note_all
from amanah_protocol import cbor

_BATCH: Final = 500


def name_causes(connection: sqlcipher.Connection) -> None:
    """Rows that held an error's code as their cause get the cause by name, and begin to be repaired."""
    last = 0
    while found := connection.execute(
        "SELECT id, row FROM message WHERE id > ? ORDER BY id LIMIT ?", (last, _BATCH)
    ).fetchall():
        named = [(*_named(msgspec.msgpack.decode(data)), number) for number, data in found]
        connection.executemany("UPDATE message SET row = ?, cause = ? WHERE id = ?", named)
        last = found[-1][0]


def _named(row: dict[str, object]) -> tuple[bytes, str | None]:
    code, kind = str(row["cause"]), int(str(row["kind"]))
    if row["state"] != "unreadable":
        return msgspec.msgpack.encode(row | {"cause": None}), None
    cause = cause_of(code, kind=kind, was_in=True, has_keys=False, has_content=True)
    said = {"cause": cause, "code": code, "mending": mending_of(cause, kind)}
    return msgspec.msgpack.encode(row | said), str(cause) if kind in COUNTED else None


_FIRST: Final = (
    # Single values: own chain, roster, newest head, newest log view.
    "CREATE TABLE value (name VARCHAR(32) PRIMARY KEY NOT NULL, data BLOB NOT NULL)",
    "CREATE TABLE room (room BLOB PRIMARY KEY NOT NULL, row BLOB NOT NULL)",
    """CREATE TABLE message (
        id INTEGER PRIMARY KEY NOT NULL, room BLOB NOT NULL, envelope BLOB NOT NULL, room_seq INTEGER,
        row BLOB NOT NULL)""",
    "CREATE UNIQUE INDEX message_by_envelope ON message (room, envelope)",
    "CREATE INDEX message_by_seq ON message (room, room_seq)",
    # `body` is the action with its plaintext, `row` everything else; a finished intent keeps no body.
    """CREATE TABLE intent (
        position INTEGER PRIMARY KEY NOT NULL, id VARCHAR(32) NOT NULL UNIQUE, state VARCHAR(8) NOT NULL,
        action VARCHAR(32) NOT NULL, body BLOB NOT NULL, row BLOB NOT NULL)""",
    "CREATE INDEX intent_by_state ON intent (state)",
    "CREATE TABLE control (sequence INTEGER PRIMARY KEY NOT NULL, row BLOB NOT NULL)",
    "CREATE TABLE key_package (reference BLOB PRIMARY KEY NOT NULL, private BLOB NOT NULL)",
    """CREATE TABLE profile (
        organisation VARCHAR(253) NOT NULL, subject BLOB NOT NULL, encoded BLOB NOT NULL,
        PRIMARY KEY (organisation, subject))""",
    "CREATE TABLE alarm (id INTEGER PRIMARY KEY NOT NULL, row BLOB NOT NULL)",
    'CREATE TABLE audit_leaf ("index" INTEGER PRIMARY KEY NOT NULL, hash BLOB NOT NULL, entry BLOB, document BLOB)',
    # What this home's organisation certified; the only place where device and name stand together.
    """CREATE TABLE issued (
        device BLOB PRIMARY KEY NOT NULL, name VARCHAR(253) NOT NULL, certificate BLOB NOT NULL, revocation BLOB)""",
    # What a person decided of an intent in another process than the one that is connected.
    "CREATE TABLE wish (intent VARCHAR(32) PRIMARY KEY NOT NULL, wish VARCHAR(8) NOT NULL)",
)

_GROUPS: Final = (
    # The large part of a room's keys, which commits alone change, so that a message does not write it again.
    "CREATE TABLE room_group (room BLOB PRIMARY KEY NOT NULL, epoch BLOB NOT NULL)",
)

_CAUSES: Final = (
    # Why a message cannot be read; NULL for all others, and for entries whose header is all that there is to them.
    "ALTER TABLE message ADD COLUMN cause VARCHAR(16)",
    "CREATE INDEX message_by_cause ON message (room, cause) WHERE cause IS NOT NULL",
    name_causes,
)

_COPY_APART: Final = (
    # The auditor's copy has a file of its own (`copy_schema`); one that was here is made again.
    "DROP TABLE audit_leaf",
)

_CUSTODY: Final = (
    """CREATE TABLE custody (
        room BLOB NOT NULL, sequence INTEGER NOT NULL, row BLOB NOT NULL, PRIMARY KEY (room, sequence))""",
)


_CONFLICTS: Final = (
    # Evidence against the log; one contradiction once.
    "CREATE TABLE conflict (id INTEGER PRIMARY KEY NOT NULL, key BLOB NOT NULL UNIQUE, row BLOB NOT NULL)",
)


def say_texts(connection: sqlcipher.Connection) -> None:
    """Texts that wait to be sent become one case of all that can be said."""
    found = connection.execute("SELECT id, body FROM intent WHERE action = 'SendText'").fetchall()
    said = [(_said(msgspec.msgpack.decode(body)) if body else body, intent) for intent, body in found]
    connection.executemany("UPDATE intent SET action = 'Say', body = ? WHERE id = ?", said)


def _said(action: dict[str, object]) -> bytes:
    kept = {name: action[name] for name in ("room", "label", "pap", "precedence")}
    # Plain text is body number 1, an array of it alone.
    return msgspec.msgpack.encode(kept | {"number": 1, "value": cbor.encode([str(action["text"])])})


_SAID: Final = (say_texts,)

_DESK: Final = (
    # Which device says something to a person by it; NULL where nobody does. And when it was written last, by `turn`.
    "ALTER TABLE message ADD COLUMN sayer BLOB",
    "ALTER TABLE message ADD COLUMN changed INTEGER NOT NULL DEFAULT 0",
    "CREATE INDEX message_by_sayer ON message (room, room_seq, sayer) WHERE sayer IS NOT NULL",
    "CREATE INDEX message_by_change ON message (changed)",
    "CREATE INDEX message_without_place ON message (room) WHERE room_seq IS NULL",
    "CREATE INDEX message_by_id ON message (envelope)",
    "CREATE TABLE turn (name VARCHAR(16) PRIMARY KEY NOT NULL, number INTEGER NOT NULL)",
    # A beginning of one letter takes a little longer than with an index of these, which is as large as all else.
    """CREATE VIRTUAL TABLE found USING fts5(
        words, marks, tokenize = 'unicode61 remove_diacritics 2', prefix = '2 3')""",
    # Else an erased word stays in the index until that part of it is written anew.
    "INSERT INTO found (found, rank) VALUES ('secure-delete', 1)",
    """CREATE TABLE mention (
        room BLOB NOT NULL, organisation VARCHAR(253) NOT NULL, room_seq INTEGER, called INTEGER NOT NULL, person BLOB,
        message INTEGER NOT NULL)""",
    "CREATE INDEX mention_by_organisation ON mention (room, organisation, room_seq)",
    "CREATE INDEX mention_by_message ON mention (message)",
    "CREATE TABLE about (room BLOB NOT NULL, target BLOB NOT NULL, message INTEGER NOT NULL)",
    "CREATE INDEX about_by_target ON about (room, target, message)",
    "CREATE INDEX about_by_message ON about (message)",
    # Of this profile alone: up to where it has read, and what it was about to say.
    "CREATE TABLE reading (room BLOB PRIMARY KEY NOT NULL, room_seq INTEGER NOT NULL)",
    "CREATE TABLE draft (room BLOB PRIMARY KEY NOT NULL, row BLOB NOT NULL)",
    note_all,
)

_PAGES: Final = (
    # Records of paging that came before the program knew them.
    note_all,
)


_RESULT: Final = 9
"""Where the result of an intent stands in its row."""


def strike_results(connection: sqlcipher.Connection) -> None:
    """What was disclosed was handed out; of what was erased since, the copy here would tell it still."""
    for intent, data in connection.execute("SELECT id, row FROM intent WHERE action = 'Disclose'").fetchall():
        row = msgspec.msgpack.decode(data)
        row[_RESULT] = b""
        connection.execute("UPDATE intent SET row = ? WHERE id = ?", (msgspec.msgpack.encode(row), intent))


_ERASED: Final = (
    # What was erased before it came here: a grant brings it all the same. `sender` is x'' where the room's owner did.
    """CREATE TABLE erased (
        room BLOB NOT NULL, envelope BLOB NOT NULL, sender BLOB NOT NULL, PRIMARY KEY (room, envelope, sender))""",
    # Finished disclosures hold what they prove: an erasure finds them without reading all that was ever sent.
    "CREATE INDEX intent_disclosed ON intent (id) WHERE action = 'Disclose' AND state = 'done'",
    strike_results,
)

_URGENT: Final = (
    # What pages, and what is urgent in the list of rooms, is found without opening what is not.
    "ALTER TABLE message ADD COLUMN precedence INTEGER NOT NULL DEFAULT 0",
    "CREATE INDEX message_by_precedence ON message (room, room_seq) WHERE precedence > 0",
    note_all,  # corrections and handovers call, too
    mark_precedence,
)

STEPS: Final[tuple[tuple[Statement, ...], ...]] = (
    _FIRST,
    _GROUPS,
    _CAUSES,
    _COPY_APART,
    _CONFLICTS,
    _CUSTODY,
    _SAID,
    _DESK,
    _PAGES,
    _ERASED,
    _URGENT,
)
