"""The core's writes as statements, inside the transaction that `LocalStore.commit` holds."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from dataclasses import replace
from typing import Final

from sqlcipher3 import dbapi2 as sqlcipher

from amanah_client import effects as e
from amanah_client import model
from amanah_client.causes import COUNTED, GIVING_WAY
from amanah_client.incident.labelled import tombstone
from amanah_client.store import noting
from amanah_client.store.rows import decode_intent, decode_row, encode_action, encode_intent, encode_row
from amanah_protocol import cbor
from amanah_protocol.content.bodies import Profile
from amanah_protocol.content.sealed import decode_content
from amanah_protocol.custody.retention import decode_policy
from amanah_protocol.envelope import decode_envelope
from amanah_protocol.errors import DecodeError
from amanah_protocol.identity import decode_profile
from amanah_protocol.kinds import HEADER_ONLY, Kind
from amanah_protocol.log.conflict import MAX_CONFLICTS
from amanah_protocol.log.disclosure import decode_disclosure
from amanah_protocol.types import DeviceId, EnvelopeId, OrgName, PersonId, RoomId

UNFINISHED: Final = (model.IntentState.QUEUED, model.IntentState.HELD, model.IntentState.SENT)

HEADS: Final = "control_heads"
MAX_HEADS: Final = 16
"""Signed heads of the control stream that are kept: a copy of the log ends some way behind the newest."""
_PUT_VALUE: Final = "INSERT INTO value (name, data) VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET data = excluded.data"
_PUT_ROOM: Final = "INSERT INTO room (room, row) VALUES (?, ?) ON CONFLICT (room) DO UPDATE SET row = excluded.row"
_PUT_GROUP: Final = """
    INSERT INTO room_group (room, epoch) VALUES (?, ?)
    ON CONFLICT (room) DO UPDATE SET epoch = excluded.epoch WHERE room_group.epoch <> excluded.epoch"""
_PUT_MESSAGE: Final = """
    INSERT INTO message (room, envelope, room_seq, row, cause, sayer, precedence, changed)
    VALUES (?, ?, ?, ?, ?, ?, ?, ?)
    ON CONFLICT (room, envelope) DO UPDATE SET
        room_seq = excluded.room_seq, row = excluded.row, cause = excluded.cause, sayer = excluded.sayer,
        precedence = excluded.precedence, changed = excluded.changed"""
_UNREAD: Final = " WHERE message.room_seq IS NULL OR message.cause IS NOT NULL"
_DROP_MESSAGE: Final = "DELETE FROM message WHERE room = ? AND envelope = ? RETURNING id"
_ERASE_MESSAGE: Final = "UPDATE message SET row = ?, cause = NULL, sayer = NULL, changed = ? WHERE id = ?"
_NOTE_ERASED: Final = "INSERT INTO erased (room, envelope, sender) VALUES (?, ?, ?) ON CONFLICT DO NOTHING"
_WAS_ERASED: Final = "SELECT 1 FROM erased WHERE room = ? AND envelope = ? AND sender IN (x'', ?)"
DISCLOSED: Final = "SELECT action, body, row FROM intent WHERE action = 'Disclose' AND state = 'done'"
_FIND_MESSAGE: Final = "SELECT id, row FROM message WHERE room = ? AND envelope = ?"
_CAUSES: Final = ", ".join(f"'{cause}'" for cause in sorted(GIVING_WAY))
_GIVING_WAY: Final = f" WHERE message.cause IN ({_CAUSES})"
_PUT_PROFILE: Final = """
    INSERT INTO profile (organisation, subject, encoded) VALUES (?, ?, ?)
    ON CONFLICT (organisation, subject) DO UPDATE SET encoded = excluded.encoded"""

_PUT_CUSTODY: Final = "INSERT INTO custody (room, sequence, row) VALUES (?, ?, ?)"
_SOME_MESSAGES: Final = "SELECT id, room, envelope, row FROM message WHERE id > ? ORDER BY id LIMIT 500"


# A contradiction is kept as it was found first; of many, the first of all and the newest.
_PUT_CONFLICT: Final = "INSERT INTO conflict (key, row) VALUES (?, ?) ON CONFLICT (key) DO NOTHING"
_OLD_CONFLICTS: Final = """
    DELETE FROM conflict WHERE id > (SELECT min(id) FROM conflict)
        AND id NOT IN (SELECT id FROM conflict ORDER BY id DESC LIMIT ?)"""


def put_value(connection: sqlcipher.Connection, name: str, data: bytes) -> None:
    """Keep a single value."""
    connection.execute(_PUT_VALUE, (name, data))


def _put_head(connection: sqlcipher.Connection, head: bytes) -> None:
    put_value(connection, "control_head", head)
    row = connection.execute("SELECT data FROM value WHERE name = ?", (HEADS,)).fetchone()
    known = decode_heads(None if row is None else row[0])
    put_value(connection, HEADS, cbor.encode([*known, head][-MAX_HEADS:]))


def decode_heads(data: bytes | None) -> list[bytes]:
    """The newest signed heads of the control stream that were kept, in the order in which they came."""
    items = [] if data is None else cbor.decode(data, max_bytes=len(data))
    return [head for head in items if isinstance(head, bytes)] if isinstance(items, list) else []


def perform(connection: sqlcipher.Connection, write: e.Write) -> None:  # noqa: C901, PLR0912, PLR0915 - one branch a write
    """Perform one write."""
    if isinstance(write, e.PutControl | e.PutProfile | e.PutRoster | e.ForgetPerson):
        noting.next_turn(connection, noting.NAMES)
    match write:
        case e.PutRoom(row=room):
            connection.execute(_PUT_ROOM, (room.room, encode_row(replace(room, group=b""))))
            connection.execute(_PUT_GROUP, (room.room, room.group))
        case e.PutMessage(row=message):
            # A copy that does not hold takes no place from one that was read there.
            _put_message(connection, message, "" if message.state is model.MessageState.STORED else _UNREAD)
        case e.PutGranted(row=message):
            _put_message(connection, _unless_erased(connection, message), _GIVING_WAY)
        case e.DropMessage(room=room_id, envelope=envelope):
            gone = connection.execute(_DROP_MESSAGE, (room_id, envelope)).fetchone()
            if gone is not None:
                noting.strike(connection, gone[0])
        case e.EraseContent(room=room_id, envelopes=envelopes, by=by):
            _erase(connection, ((room_id, envelope) for envelope in envelopes), by)
        case e.PutIntent(intent=intent):
            _put_intent(connection, intent)
        case e.PutAction(intent=intent):
            name, body = encode_action(intent.action)
            connection.execute("UPDATE intent SET action = ?, body = ? WHERE id = ?", (name, body, intent.id))
        case e.DropWish(intent=intent_id):
            connection.execute("DELETE FROM wish WHERE intent = ?", (intent_id,))
        case e.PutControl(row=control):
            values = (control.sequence, encode_row(control))
            connection.execute("INSERT INTO control (sequence, row) VALUES (?, ?)", values)
        case e.PutRoster(roster=roster, first=first):
            put_value(connection, "roster", roster)
            if first:
                put_value(connection, "first_roster", first)
        case e.PutControlHead(head=head):
            _put_head(connection, head)
        case e.PutLogView(view=view):
            put_value(connection, "log", encode_row(view))
        case e.PutWitnessed(row=witnessed):
            put_value(connection, "witnessed", encode_row(witnessed))
        case e.PutConflict(row=conflict):
            connection.execute(_PUT_CONFLICT, (conflict.key, encode_row(conflict)))
            connection.execute(_OLD_CONFLICTS, (MAX_CONFLICTS - 1,))
        case e.PutKeyPackage(reference=reference, private=private):
            connection.execute("INSERT INTO key_package (reference, private) VALUES (?, ?)", (reference, private))
        case e.DropKeyPackage(reference=reference):
            connection.execute("DELETE FROM key_package WHERE reference = ?", (reference,))
        case e.PutProfile(profile=encoded):
            profile = decode_profile(encoded)
            connection.execute(_PUT_PROFILE, (profile.organisation, profile.subject, encoded))
        case e.PutAlarm(alarm=alarm):
            connection.execute("INSERT INTO alarm (row) VALUES (?)", (encode_row(alarm),))
        case e.PutCustody(row=custody):
            connection.execute(_PUT_CUSTODY, (custody.room, custody.sequence, encode_row(custody)))
        case e.ForgetPerson(organisation=organisation, subject=subject):
            _forget_person(connection, organisation, subject)
        case e.DropOver():
            _drop_over(connection, write)
        case e.PutAuditRows() | e.PutCheckpoints() | e.PutStamps():
            pass  # they go to the copy, which is a file of its own


def _put_message(connection: sqlcipher.Connection, row: model.MessageRow, where: str) -> None:
    """Insert a message, or replace one that is there and fits."""
    known = connection.execute(_FIND_MESSAGE, (row.room, row.envelope)).fetchone()
    statement = _PUT_MESSAGE + where
    cause = str(row.cause) if row.cause is not None and row.kind in COUNTED else None
    body = noting.body_of(row)
    values = (
        row.room,
        row.envelope,
        row.room_seq,
        encode_row(row),
        cause,
        noting.sayer_of(row, body),
        int(noting.precedence_of(row)),
        noting.next_turn(connection, noting.MESSAGES),
    )
    put = connection.execute(statement + " RETURNING id", values).fetchone()
    if put is None:
        return
    if known is not None:
        if noting.follows_from(decode_row(known[1], model.MessageRow)) == noting.follows_from(row):
            return
        noting.strike(connection, known[0])
    noting.note(connection, put[0], row, body)


def _erase(
    connection: sqlcipher.Connection, named: Iterable[tuple[RoomId, EnvelopeId]], by: DeviceId | None = None
) -> None:
    """Drop what a member names, of its own words; of anybody's where `by` is None, as the room's owner may."""
    struck = {row.encoded for one in named if (row := _erase_one(connection, *one, by)) is not None}
    if struck:
        _strike_proofs(connection, struck)


def _erase_one(
    connection: sqlcipher.Connection, room: RoomId, envelope: EnvelopeId, by: DeviceId | None
) -> model.MessageRow | None:
    """The entry as it stood, where its words are gone now."""
    found = connection.execute(_FIND_MESSAGE, (room, envelope)).fetchone()
    if found is None:
        connection.execute(_NOTE_ERASED, (room, envelope, by or b""))
        return None
    number, row = found[0], decode_row(found[1], model.MessageRow)
    # A header holds no words, and what it says, such as a label, goes on.
    if by not in (None, row.sender) or row.kind in HEADER_ONLY:
        return None
    erased = tombstone(row)
    values = (encode_row(erased), noting.next_turn(connection, noting.MESSAGES), number)
    connection.execute(_ERASE_MESSAGE, values)
    noting.strike(connection, number)
    noting.note(connection, number, erased, None)
    return row


def _strike_proofs(connection: sqlcipher.Connection, struck: Collection[bytes]) -> None:
    """Disclosures of a message hold its words: what was taken out is outside, the copy here goes with them.

    Each is read once, however many messages end together: a room whose time is over has many.
    """
    found = connection.execute(DISCLOSED).fetchall()
    for intent in (decode_intent(*columns) for columns in found):
        if intent.result and _discloses(intent.result, struck):
            row = encode_intent(replace(intent, result=b""))
            connection.execute("UPDATE intent SET row = ? WHERE id = ?", (row, intent.id))


def _discloses(result: bytes, struck: Collection[bytes]) -> bool:
    try:
        return decode_disclosure(result).envelope in struck
    except DecodeError:
        return True  # whose words these are cannot be told any more


def _unless_erased(connection: sqlcipher.Connection, row: model.MessageRow) -> model.MessageRow:
    """A message that comes late, or its tombstone where it was erased before."""
    found = connection.execute(_WAS_ERASED, (row.room, row.envelope, row.sender)).fetchone()
    return row if found is None else tombstone(row)


def _forget_person(connection: sqlcipher.Connection, organisation: OrgName, subject: PersonId) -> None:
    """Drop a profile, and the messages in which members introduced the person, as an `erase` would."""
    connection.execute("DELETE FROM profile WHERE organisation = ? AND subject = ?", (organisation, subject))
    _erase(connection, _introductions(connection, organisation, subject))


def _introductions(
    connection: sqlcipher.Connection, organisation: OrgName, subject: PersonId
) -> Iterator[tuple[RoomId, EnvelopeId]]:
    last = 0
    while found := connection.execute(_SOME_MESSAGES, (last,)).fetchall():
        for number, room, envelope, data in found:
            last = number
            if _introduces(decode_row(data, model.MessageRow), organisation, subject):
                yield room, envelope


def _drop_over(connection: sqlcipher.Connection, wanted: e.DropOver) -> None:
    _erase(connection, ((wanted.room, envelope) for envelope in _over(connection, wanted)))


def _over(connection: sqlcipher.Connection, wanted: e.DropOver) -> Iterator[EnvelopeId]:
    policy = decode_policy(wanted.policy)
    found = connection.execute("SELECT row FROM message WHERE room = ? AND room_seq > 0", (wanted.room,)).fetchall()
    rows = [decode_row(data, model.MessageRow) for (data,) in found]
    placed = [(row, row.accepted_at_ms) for row in rows if row.accepted_at_ms is not None]
    last_ms = max((at_ms for _, at_ms in placed), default=0)
    for row, at_ms in placed:
        is_held = wanted.held_since_ms is not None and at_ms >= wanted.held_since_ms
        if policy is None or is_held or not row.content:
            continue
        # By the outer label, as the relay and auditors do, who know no other.
        label = decode_envelope(row.encoded).header.label if row.label_differs else row.label
        over_ms = policy.over_at_ms(Kind(row.kind), label, accepted_at_ms=at_ms, last_at_ms=last_ms)
        if over_ms is not None and over_ms <= wanted.now_ms:
            yield row.envelope


def _introduces(row: model.MessageRow, organisation: OrgName, subject: PersonId) -> bool:
    if not row.content:
        return False
    try:
        body = decode_content(row.content).body
        profile = decode_profile(body.encoded) if isinstance(body, Profile) else None
    except DecodeError:
        return False  # it was kept as what it is; a name that cannot be read is none
    return profile is not None and (profile.organisation, profile.subject) == (organisation, subject)


def _put_intent(connection: sqlcipher.Connection, intent: model.Intent) -> None:
    # A finished intent's plaintext stands in the message; the outbox keeps no second copy.
    body = "" if intent.state in UNFINISHED else ", body = x''"
    statement = f"UPDATE intent SET state = ?, row = ?{body} WHERE id = ?"  # noqa: S608 - one of two texts of ours
    connection.execute(statement, (str(intent.state), encode_intent(intent), intent.id))
