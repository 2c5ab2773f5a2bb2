"""What the store notes of an entry in the transaction that writes its row: what it says, to whom, and of what.

All of it follows from the row. Whoever teaches the program a new body puts `note_all` behind the last step of the
schema: what was stored before the program knew it is then noted, too.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from sqlcipher3 import dbapi2 as sqlcipher

from amanah_client import model
from amanah_client.causes import MENDED_KINDS
from amanah_client.incident.about import speaks_of
from amanah_client.search.folding import fold
from amanah_client.search.query import marks
from amanah_client.search.words import mentions_of, speaks, words_of
from amanah_client.store.rows import decode_row
from amanah_protocol import kinds
from amanah_protocol.content.bodies import Body
from amanah_protocol.content.sealed import decode_content
from amanah_protocol.envelope import decode_envelope
from amanah_protocol.errors import DecodeError
from amanah_protocol.kinds import Kind
from amanah_protocol.labels import Precedence
from amanah_protocol.types import DeviceId

_BATCH: Final = 500
_SHOWN: Final = frozenset({Kind.ACK, Kind.RELABEL, Kind.DECISION})
"""Kinds whose header speaks of another entry or of the incident."""
_NEXT_TURN: Final = """
    INSERT INTO turn (name, number) VALUES (?, 1)
    ON CONFLICT (name) DO UPDATE SET number = number + 1 RETURNING number"""

MESSAGES, NAMES = "messages", "names"
"""What is counted on when it changes, so that another process sees what to read again."""


def next_turn(connection: sqlcipher.Connection, name: str) -> int:
    """Count on; gives the new number."""
    (number,) = connection.execute(_NEXT_TURN, (name,)).fetchone()
    return int(number)


def sayer_of(row: model.MessageRow, body: Body | None) -> DeviceId | None:
    """The device that says something to a person by it; None where nothing is said."""
    return row.sender if speaks(body, row.kind) else None


def body_of(row: model.MessageRow) -> Body | None:
    """What was sealed; None where there is none, or it cannot be read: it was kept as what it is."""
    try:
        return decode_content(row.content).body if row.content else None
    except DecodeError:
        return None


def precedence_of(row: model.MessageRow) -> Precedence:
    """How urgent a message or an alert is by its header, also where its words are not here."""
    try:
        return decode_envelope(row.encoded).header.precedence if row.kind in MENDED_KINDS else Precedence.ROUTINE
    except DecodeError:
        return Precedence.ROUTINE  # a header of a newer version says nothing here


def mark_precedence(connection: sqlcipher.Connection) -> None:
    """Note how urgent is what was stored before that was noted: a step of the schema."""
    for number, row in _all(connection):
        if precedence := precedence_of(row):
            connection.execute("UPDATE message SET precedence = ? WHERE id = ?", (int(precedence), number))


def note(connection: sqlcipher.Connection, number: int, row: model.MessageRow, body: Body | None) -> None:
    """Note an entry for the first time, by the number of its row."""
    if words := words_of(body):
        said = (number, fold(words), marks(row.room, row.sender, int(row.label)))
        connection.execute("INSERT INTO found (rowid, words, marks) VALUES (?, ?, ?)", said)
    called = [(row.room, m.organisation, row.room_seq, int(m.called), m.person, number) for m in mentions_of(body)]
    if called:
        statement = (
            "INSERT INTO mention (room, organisation, room_seq, called, person, message) VALUES (?, ?, ?, ?, ?, ?)"
        )
        connection.executemany(statement, called)
    for target in dict.fromkeys(speaks_of(_header(row), body, row.struck)):
        connection.execute("INSERT INTO about (room, target, message) VALUES (?, ?, ?)", (row.room, target, number))


def follows_from(row: model.MessageRow) -> tuple[object, ...]:
    """All that a note follows from: where it is the same, the note is."""
    return row.content, row.room_seq, row.sender, row.label, row.kind, row.encoded, row.struck


def strike(connection: sqlcipher.Connection, number: int) -> None:
    """Take away all that was noted of an entry; nothing of its words is left in the index (`secure-delete`)."""
    connection.execute("DELETE FROM found WHERE rowid = ?", (number,))
    connection.execute("DELETE FROM mention WHERE message = ?", (number,))
    connection.execute("DELETE FROM about WHERE message = ?", (number,))


def note_all(connection: sqlcipher.Connection) -> None:
    """Note all entries anew: a step of the schema."""
    for table in ("found", "mention", "about"):
        connection.execute(f"DELETE FROM {table}")  # noqa: S608 - names of ours
    for number, row in _all(connection):
        body = body_of(row)
        note(connection, number, row, body)
        connection.execute("UPDATE message SET sayer = ? WHERE id = ?", (sayer_of(row, body), number))


def _all(connection: sqlcipher.Connection) -> Iterator[tuple[int, model.MessageRow]]:
    """All entries with the numbers of their rows, read a batch at a time."""
    last, some = 0, "SELECT id, row FROM message WHERE id > ? ORDER BY id LIMIT ?"
    while found := connection.execute(some, (last, _BATCH)).fetchall():
        for number, data in found:
            yield number, decode_row(data, model.MessageRow)
        last = found[-1][0]


def _header(row: model.MessageRow) -> kinds.Specific | None:
    if row.kind not in _SHOWN:
        return None
    try:
        return decode_envelope(row.encoded).header.specific
    except DecodeError:
        return None  # a header of a newer version says nothing here
