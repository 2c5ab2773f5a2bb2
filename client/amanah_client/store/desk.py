"""What faces ask of the store for a desk: search, what is unread, drafts, parts of a room; nothing reads a whole room.

Contract: marks and drafts are durable when a call returns, and any process of the profile may write them. A mark never
goes back, so of two faces the one that has read further counts.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Collection
from typing import Final

from sqlcipher3 import dbapi2 as sqlcipher

from amanah_client import actions, model
from amanah_client.reading import MOST_URGENT, Draft, Reader, Unread
from amanah_client.saying import Say
from amanah_client.store import noting
from amanah_client.store.database import Database
from amanah_client.store.rows import decode_row, encode_row
from amanah_protocol.content.text import Called, Text
from amanah_protocol.errors import DecodeError
from amanah_protocol.labels import Precedence
from amanah_protocol.types import EnvelopeId, OrgName, RoomId

_SOME: Final = 500
"""Ids that one query names."""
_FOUND: Final = """
    SELECT found.rowid, message.row FROM found JOIN message ON message.id = found.rowid
    WHERE found MATCH ? AND found.rowid < ? ORDER BY found.rowid DESC LIMIT ?"""
_BEHIND_ALL: Final = 2**63 - 1
_PUT_MARK: Final = """
    INSERT INTO reading (room, room_seq)
    VALUES (?, min(?, (SELECT coalesce(max(room_seq), 0) FROM message WHERE room = ?)))
    ON CONFLICT (room) DO UPDATE SET room_seq = max(reading.room_seq, excluded.room_seq)"""
_PUT_DRAFT: Final = "INSERT INTO draft (room, row) VALUES (?, ?) ON CONFLICT (room) DO UPDATE SET row = excluded.row"
_MARK: Final = "coalesce((SELECT room_seq FROM reading WHERE room = ?), 0)"
_CHANGED: Final = "SELECT changed, row FROM message WHERE changed > ? ORDER BY changed LIMIT ?"


class Desk:
    """The part of a profile's store that is read and written for people."""

    def __init__(self, database: Database) -> None:
        """Use `LocalStore.desk`."""
        self._database = database

    # ---- search

    def search(self, expression: str, *, before: int | None, limit: int) -> tuple[tuple[int, model.MessageRow], ...]:
        """Entries that fit, what came here last first, each with its place.

        Args:
            expression: As `search.query.expression` makes it: anything else may be an error of the store.
            before: Only places before this one.
            limit: At most so many.
        """
        values = (expression, _BEHIND_ALL if before is None else before, limit)
        with self._database.reading() as connection:
            found = connection.execute(_FOUND, values).fetchall()
        return tuple((place, decode_row(data, model.MessageRow)) for place, data in found)

    # ---- what is unread

    def mark(self, room: RoomId) -> int:
        """Up to which place of the room it was read; 0 for nothing."""
        with self._database.reading() as connection:
            (found,) = connection.execute(f"SELECT {_MARK}", (room,)).fetchone()
        return int(found)

    def put_mark(self, room: RoomId, room_seq: int) -> None:
        """Set the mark, if it stands further on; never behind the last entry that is here."""
        with self._database.writing() as connection:
            connection.execute(_PUT_MARK, (room, room_seq, room))

    def unread(self, rooms: Collection[RoomId], reader: Reader) -> dict[RoomId, Unread]:
        """What stands behind the marks of some rooms."""
        mine = ", ".join("?" * len(reader.devices))
        entries = f"""
            SELECT count(*) FROM message INDEXED BY message_by_sayer
            WHERE room = ? AND room_seq > {_MARK} AND sayer IS NOT NULL AND sayer NOT IN ({mine})"""  # noqa: S608 - texts of ours
        calls = f"""
            SELECT count(DISTINCT mention.message) FROM mention JOIN message ON message.id = mention.message
            WHERE mention.room = ? AND mention.organisation = ? AND mention.room_seq > {_MARK}
                AND (mention.called <> {int(Called.PERSON)} OR mention.person = ?)
                AND message.sayer NOT IN ({mine})"""  # noqa: S608 - texts of ours
        urgent = f"""
            SELECT envelope FROM message INDEXED BY message_by_precedence
            WHERE room = ? AND room_seq > {_MARK} AND precedence > 0 AND precedence >= {int(Precedence.IMMEDIATE)}
                AND sayer IS NOT NULL AND sayer NOT IN ({mine})
            ORDER BY room_seq DESC LIMIT {MOST_URGENT}"""  # noqa: S608 - texts of ours
        found = {}
        with self._database.reading() as connection:
            for room in rooms:
                (count,) = connection.execute(entries, (room, room, *reader.devices)).fetchone()
                called = (room, reader.organisation, room, reader.person, *reader.devices)
                (mentions,) = connection.execute(calls, called).fetchone()
                wanted = connection.execute(urgent, (room, room, *reader.devices)).fetchall() if count else ()
                found[room] = Unread(
                    entries=count, mentions=mentions, urgent=tuple(EnvelopeId(one) for (one,) in wanted)
                )
        return found

    def calling(self, room: RoomId, organisation: OrgName, least: Precedence) -> list[model.MessageRow]:
        """Entries with a place that are at least so urgent, or call the duty desk of an organisation."""
        # The index has no routine: it is used where the query says so, too.
        urgent = "precedence >= 0" if least is Precedence.ROUTINE else f"precedence > 0 AND precedence >= {int(least)}"
        query = f"""
            SELECT row FROM message WHERE id IN (
                SELECT id FROM message WHERE room = ? AND room_seq IS NOT NULL AND {urgent}
                UNION SELECT message FROM mention
                WHERE room = ? AND organisation = ? AND room_seq IS NOT NULL AND called = {int(Called.DESK)})
            ORDER BY room_seq"""  # noqa: S608 - texts of ours
        with self._database.reading() as connection:
            found = connection.execute(query, (room, room, organisation)).fetchall()
        return [decode_row(data, model.MessageRow) for (data,) in found]

    # ---- drafts

    def draft(self, room: RoomId) -> Draft | None:
        """What somebody was about to say there."""
        with self._database.reading() as connection:
            found = connection.execute("SELECT row FROM draft WHERE room = ?", (room,)).fetchone()
        return None if found is None else decode_row(found[0], Draft)

    def put_draft(self, room: RoomId, draft: Draft | None) -> None:
        """Keep a draft; None for none any more."""
        with self._database.writing() as connection:
            if draft is None:
                connection.execute("DELETE FROM draft WHERE room = ?", (room,))
            else:
                connection.execute(_PUT_DRAFT, (room, encode_row(draft)))

    # ---- parts of a room

    def entries(self, room: RoomId, envelopes: Collection[EnvelopeId]) -> list[model.MessageRow]:
        """The entries of these ids that are here."""
        query = "SELECT row FROM message WHERE room = ? AND envelope IN ({})"
        return self._rows_of(query, room, envelopes)

    def about(self, room: RoomId, targets: Collection[EnvelopeId]) -> list[model.MessageRow]:
        """The entries with a place that are about any of these (`incident.about`); one twice that is about two."""
        query = """
            SELECT message.row FROM about JOIN message ON message.id = about.message
            WHERE about.room = ? AND about.target IN ({}) AND message.room_seq IS NOT NULL"""
        return self._rows_of(query, room, targets)

    def _rows_of(self, query: str, room: RoomId, named: Collection[EnvelopeId]) -> list[model.MessageRow]:
        names, rows = list(named), list[model.MessageRow]()
        with self._database.reading() as connection:
            for at in range(0, len(names), _SOME):
                some = names[at : at + _SOME]
                found = connection.execute(query.format(", ".join("?" * len(some))), (room, *some)).fetchall()
                rows += [decode_row(data, model.MessageRow) for (data,) in found]
        return rows

    # ---- what another process writes

    def turns(self) -> tuple[int, int]:
        """Numbers that grow with each change of a message, and of what is known of people and devices."""
        with self._database.reading() as connection:
            found = dict(connection.execute("SELECT name, number FROM turn").fetchall())
        return found.get(noting.MESSAGES, 0), found.get(noting.NAMES, 0)

    def changed(self, after: int, limit: int) -> list[tuple[int, model.MessageRow]]:
        """(turn, row) of messages that were written behind a turn, as they are now, in the order of writing."""
        with self._database.reading() as connection:
            found = connection.execute(_CHANGED, (after, limit)).fetchall()
        return [(turn, decode_row(data, model.MessageRow)) for turn, data in found]


def drop_draft(connection: sqlcipher.Connection, action: actions.Action) -> None:
    """Drop the draft that this action sends: one that another program sends takes nobody's draft away."""
    if not isinstance(action, Say):
        return
    try:
        body = action.body
    except DecodeError:
        return
    found = connection.execute("SELECT row FROM draft WHERE room = ?", (action.room,)).fetchone()
    if isinstance(body, Text) and found is not None and _same(decode_row(found[0], Draft).text) == _same(body.text):
        connection.execute("DELETE FROM draft WHERE room = ?", (action.room,))


def _same(text: str) -> str:
    """A text as it is sent: faces normalise it, and take away what stands around it."""
    return unicodedata.normalize("NFC", text).strip()
