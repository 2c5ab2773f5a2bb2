"""The local store: the core's writes in one transaction, and what the faces read.

Contract: `commit` makes all writes of a step durable or none; it returns only when they are on disk
(`synchronous=FULL`). Several processes may open the store; only the one that holds the profile's
lock commits steps, the others queue intents and read.
"""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import Final, TypeVar

from sqlcipher3 import dbapi2 as sqlcipher

from amanah_client import effects as e
from amanah_client import model
from amanah_client.incident.labelled import labelling
from amanah_client.keystore.durable import operational_errors
from amanah_client.log_rows import ConflictRow, CustodyRow, LogView, WitnessedRow
from amanah_client.store.copy import AuditCopy
from amanah_client.store.database import Database
from amanah_client.store.desk import Desk, drop_draft
from amanah_client.store.rows import decode_intent, decode_row, encode_action, encode_intent
from amanah_client.store.schema import STEPS
from amanah_client.store.writes import HEADS, UNFINISHED, decode_heads, perform, put_value
from amanah_protocol.errors import Code, UsageError
from amanah_protocol.types import DeviceId, EnvelopeId, RoomId

_FILE_MODE: Final = 0o600
_LAST: Final = 2**62
"""Behind every place of a room."""
# Ordered by id, the planner would read the whole table.
_UNPLACED: Final = "SELECT row FROM message INDEXED BY message_without_place WHERE room_seq IS NULL ORDER BY id"
_PLACED: Final = (
    "SELECT row FROM message WHERE room = ? AND room_seq > ? AND room_seq < ? ORDER BY room_seq, id LIMIT ?"
)
_PLACED_LAST: Final = _PLACED.replace("room_seq, id", "room_seq DESC, id DESC")
_ONE: Final = "SELECT row FROM message WHERE room = ? AND envelope = ?"
_OWN: Final = "SELECT row FROM message WHERE room = ? AND room_seq IS NULL ORDER BY id LIMIT ?"
_OWN_LAST: Final = _OWN.replace("BY id", "BY id DESC")

COPY_NAME: Final = "audit.db"
INSTALL: Final = "Hand the request to your organisation, then run `amanah device install FILE`."
_MOST_MISSING: Final = 8_192
"""Messages that cannot be read, of all rooms, that a core is told of at start."""
_LAST_ALARMS: Final = 64
"""That a core is told at start."""

T = TypeVar("T")


class LocalStore:
    """One profile's database. Synchronous; threads may share it and wait for each other."""

    def __init__(self, path: Path, key: bytes, *, create: bool = False) -> None:
        """Open a store, and bring its schema up to date.

        Args:
            path: The database file.
            key: 32 bytes from the keystore; never derived from a passphrase here.
            create: Make it if it is not there.

        Raises:
            UsageError: `NO_PROFILE` when it is not there; `PASSPHRASE` when the key is another's;
                `UNKNOWN_VERSION` when a newer program wrote it.
            OperationalError: `STORE` or `DISK_FULL`.
        """
        with operational_errors(path):
            if not create and not path.exists():
                raise UsageError(Code.NO_PROFILE, f"there is no profile at {path.parent}")
            if create:
                os.close(os.open(path, os.O_CREAT | os.O_RDWR, _FILE_MODE))
        self._database = Database(path, key, STEPS)
        self._copy_path, self._key = path.with_name(COPY_NAME), key
        self._copy: AuditCopy | None = None
        self.desk = Desk(self._database)

    def close(self) -> None:
        """Close the files."""
        self._database.close()
        if self._copy is not None:
            self._copy.close()

    @property
    def copy(self) -> AuditCopy:
        """The auditor's copy of the log; it is made when it is first asked for.

        Raises:
            OperationalError: `STORE` or `DISK_FULL`.
        """
        if self._copy is None:
            self._copy = AuditCopy.open(self._copy_path, self._key)
        return self._copy

    # ---- the core

    def commit(self, writes: tuple[e.Write, ...]) -> None:
        """Make all writes durable, or none.

        Raises:
            OperationalError: `STORE` or `DISK_FULL`; the caller makes its core anew from `snapshot`.
        """
        # Of the copy the core remembers nothing but how far it is, which it asks for at start: it may be ahead.
        for write in writes:
            if isinstance(write, e.PutAuditRows):
                self.copy.append(write.rows)
            elif isinstance(write, e.PutCheckpoints):
                self.copy.put_checkpoints(write.notes, settled=write.settled)
            elif isinstance(write, e.PutStamps):
                self.copy.put_stamps(write.stamps)
        with self._database.writing() as connection:
            for write in writes:
                perform(connection, write)

    def snapshot(self) -> model.Snapshot:
        """Everything the core needs at start.

        Raises:
            UsageError: `NO_PROFILE` before `install`.
            DecodeError: A row is damaged or of another version.
        """
        with self._database.reading() as connection:
            values: dict[str, bytes] = dict(connection.execute("SELECT name, data FROM value").fetchall())
            if "certificate" not in values:
                raise UsageError(Code.NO_PROFILE, "this profile has no certificate yet", hint=INSTALL)
            log, witnessed = values.get("log"), values.get("witnessed")
            packages = connection.execute("SELECT reference, private FROM key_package").fetchall()
            return model.Snapshot(
                certificate=values["certificate"],
                enrolment=values["enrolment"],
                profile=values["profile"],
                roster=values["roster"],
                first_roster=values.get("first_roster", b""),
                control=_rows(connection, model.ControlRow, "SELECT row FROM control ORDER BY sequence"),
                control_head=values.get("control_head", b""),
                log=None if log is None else decode_row(log, LogView),
                witnessed=None if witnessed is None else decode_row(witnessed, WitnessedRow),
                conflicts=tuple((row.key, row.at_ms) for row in _conflicts(connection)),
                rooms=_rooms(connection),
                intents=_intents(connection, UNFINISHED),
                key_packages=tuple((reference, private) for reference, private in packages),
                profiles=_profiles(connection),
                audit_size=self.copy.size if self._copy_path.exists() else 0,
                audit_settled=self.copy.settled if self._copy_path.exists() else 0,
                audit_stamps=self.copy.newest_stamp if self._copy_path.exists() else 0,
                sent=_rows(connection, model.MessageRow, _UNPLACED),
                alarms=_rows(connection, model.Alarm, "SELECT row FROM alarm ORDER BY id DESC LIMIT ?", _LAST_ALARMS),
                missing=_missing(connection),
                custody=_rows(connection, CustodyRow, "SELECT row FROM custody ORDER BY room, sequence"),
            )

    # ---- the profile

    def install(self, *, certificate: bytes, enrolment: bytes, profile: bytes, roster: bytes) -> None:
        """Keep the own chain and the roster handed over by the own organisation."""
        values = {"certificate": certificate, "enrolment": enrolment, "profile": profile, "roster": roster}
        with self._database.writing() as connection:
            for name, data in values.items():
                put_value(connection, name, data)

    def value(self, name: str) -> bytes | None:
        """A single value, or None."""
        with self._database.reading() as connection:
            found = connection.execute("SELECT data FROM value WHERE name = ?", (name,)).fetchone()
        return None if found is None else bytes(found[0])

    def control_heads(self) -> list[bytes]:
        """The newest signed heads of the control stream, in the order in which they came."""
        return decode_heads(self.value(HEADS))

    def put_value(self, name: str, data: bytes) -> None:
        """Keep a single value."""
        with self._database.writing() as connection:
            put_value(connection, name, data)

    # ---- the faces

    def add_intent(self, *intents: model.Intent) -> None:
        """Queue intents, durably, all or none; the draft that one sends is gone with that."""
        rows = [(one.id, str(one.state), *encode_action(one.action), encode_intent(one)) for one in intents]
        with self._database.writing() as connection:
            connection.executemany("INSERT INTO intent (id, state, action, body, row) VALUES (?, ?, ?, ?, ?)", rows)
            for one in intents:
                drop_draft(connection, one.action)

    def intent(self, intent_id: str) -> model.Intent | None:
        """An intent in whatever state."""
        with self._database.reading() as connection:
            query = "SELECT action, body, row FROM intent WHERE id = ?"
            found = connection.execute(query, (intent_id,)).fetchone()
        return None if found is None else decode_intent(*found)

    def intents(self, *states: model.IntentState) -> tuple[model.Intent, ...]:
        """Intents in these states, oldest first."""
        with self._database.reading() as connection:
            return _intents(connection, states)

    def put_wish(self, intent_id: str, wish: model.Wish) -> None:
        """Keep what a person decided of an intent, for the process that is connected."""
        statement = (
            "INSERT INTO wish (intent, wish) VALUES (?, ?) ON CONFLICT (intent) DO UPDATE SET wish = excluded.wish"
        )
        with self._database.writing() as connection:
            connection.execute(statement, (intent_id, str(wish)))

    def wishes(self) -> tuple[tuple[str, model.Wish], ...]:
        """(intent, wish) of all wishes; each is there until the step that carries it out is durable."""
        with self._database.reading() as connection:
            rows = connection.execute("SELECT intent, wish FROM wish").fetchall()
        return tuple((intent, model.Wish(wish)) for intent, wish in rows)

    def rooms(self) -> tuple[model.RoomRow, ...]:
        """All rooms."""
        with self._database.reading() as connection:
            return _rooms(connection)

    def room(self, room: RoomId) -> model.RoomRow | None:
        """A room, if it is known."""
        with self._database.reading() as connection:
            return next(iter(_rooms(connection, " WHERE room = ?", room)), None)

    def messages(
        self, room: RoomId, *, after: int = 0, before: int | None = None, limit: int = 500, newest: bool = False
    ) -> tuple[model.MessageRow, ...]:
        """Messages of a room in room order, own unacknowledged ones last; no more is read than is given.

        Args:
            room: The room.
            after: Only those behind this place.
            before: Only those before this place, which own unacknowledged ones have none of.
            limit: At most so many: the first ones of all that fit.
            newest: The last ones instead; so with `before`, too.
        """
        placed = (room, after, _LAST if before is None else before)
        from_end = newest or before is not None
        with self._database.reading() as connection:
            if not from_end:
                rows = _rows(connection, model.MessageRow, _PLACED, *placed, limit)
                return rows + _rows(connection, model.MessageRow, _OWN, room, limit - len(rows))
            last = () if before is not None else _rows(connection, model.MessageRow, _OWN_LAST, room, limit)
            rows = last + _rows(connection, model.MessageRow, _PLACED_LAST, *placed, limit - len(last))
        return rows[::-1]

    def message(self, room: RoomId, envelope: EnvelopeId) -> model.MessageRow | None:
        """One message of a room, if it is there."""
        with self._database.reading() as connection:
            return _row(connection, model.MessageRow, _ONE, room, envelope)

    def labelling(self, room: RoomId, envelope: EnvelopeId) -> tuple[model.MessageRow, ...]:
        """The entries from which the label of a message follows, in room order; own unacknowledged ones come last."""
        query = """
            SELECT message.row FROM about JOIN message ON message.id = about.message
            WHERE about.room = ? AND about.target = ? ORDER BY message.id"""
        with self._database.reading() as connection:
            return labelling(
                envelope,
                lambda name: _row(connection, model.MessageRow, _ONE, room, name),
                lambda name: _rows(connection, model.MessageRow, query, room, name),
            )

    def unreadable(self, room: RoomId) -> dict[model.Cause, int]:
        """How many messages of a room cannot be read, by cause."""
        query = "SELECT cause, count(*) FROM message WHERE room = ? AND cause IS NOT NULL GROUP BY cause ORDER BY cause"
        with self._database.reading() as connection:
            found = connection.execute(query, (room,)).fetchall()
        return {model.Cause(cause): count for cause, count in found}

    def messages_between(self, first: EnvelopeId, last: EnvelopeId) -> tuple[model.MessageRow, ...]:
        """Messages whose envelope id lies between two, both included; at most 2 of them."""
        query = "SELECT row FROM message WHERE envelope BETWEEN ? AND ? LIMIT 2"
        with self._database.reading() as connection:
            return _rows(connection, model.MessageRow, query, first, last)

    def control_rows(self) -> tuple[model.ControlRow, ...]:
        """The verified control stream."""
        with self._database.reading() as connection:
            return _rows(connection, model.ControlRow, "SELECT row FROM control ORDER BY sequence")

    def custody(self, room: RoomId) -> tuple[CustodyRow, ...]:
        """What is known of a room's custody, in order."""
        query = "SELECT row FROM custody WHERE room = ? ORDER BY sequence"
        with self._database.reading() as connection:
            return _rows(connection, CustodyRow, query, room)

    def profiles(self) -> tuple[bytes, ...]:
        """Encoded verified profiles of others."""
        with self._database.reading() as connection:
            return _profiles(connection)

    def add_alarm(self, alarm: model.Alarm) -> None:
        """Keep what this device was refused, outside of the core; what was kept within ten minutes not again."""
        with self._database.writing() as connection:
            newest = _rows(connection, model.Alarm, "SELECT row FROM alarm ORDER BY id DESC LIMIT ?", _LAST_ALARMS)
            lately = [one for one in newest if one.own and 0 <= alarm.at_ms - one.at_ms < model.ALARM_AGAIN_MS]
            same = any((one.code, one.room, one.detail) == (alarm.code, alarm.room, alarm.detail) for one in lately)
            if not same and len(lately) < _LAST_ALARMS:
                perform(connection, e.PutAlarm(alarm=alarm))

    def alarms(self) -> tuple[model.Alarm, ...]:
        """All alarms, oldest first."""
        return tuple(alarm for alarm in self._kept() if not alarm.own)

    def refused(self) -> tuple[model.Alarm, ...]:
        """What this device was refused for its label, oldest first."""
        return tuple(alarm for alarm in self._kept() if alarm.own)

    def _kept(self) -> tuple[model.Alarm, ...]:
        with self._database.reading() as connection:
            return _rows(connection, model.Alarm, "SELECT row FROM alarm ORDER BY id")

    def conflicts(self) -> tuple[ConflictRow, ...]:
        """Evidence against the log, oldest first."""
        with self._database.reading() as connection:
            return _conflicts(connection)

    def log(self) -> LogView | None:
        """The newest checkpoint that continues all before it, if there is one.

        Raises:
            DecodeError: The row is damaged or of another version.
        """
        data = self.value("log")
        return None if data is None else decode_row(data, LogView)

    def witnessed(self) -> WitnessedRow | None:
        """What the witnesses have cosigned, if that was ever looked at.

        Raises:
            DecodeError: The row is damaged or of another version.
        """
        data = self.value("witnessed")
        return None if data is None else decode_row(data, WitnessedRow)

    def data_version(self) -> int:
        """Changes when another process changed the store."""
        with self._database.reading() as connection:
            (version,) = connection.execute("PRAGMA data_version").fetchone()
        return int(version)

    # ---- the organisation's own record

    def put_issued(self, device: DeviceId, name: str, certificate: bytes, revocation: bytes | None = None) -> None:
        """Remember whom the organisation certified."""
        statement = """
            INSERT INTO issued (device, name, certificate, revocation) VALUES (?, ?, ?, ?)
            ON CONFLICT (device) DO UPDATE SET
                name = excluded.name, certificate = excluded.certificate, revocation = excluded.revocation"""
        with self._database.writing() as connection:
            connection.execute(statement, (device, name, certificate, revocation))

    def rename_issued(self, device: DeviceId, name: str) -> None:
        """Put another name in the place of the one that a device was certified for."""
        with self._database.writing() as connection:
            connection.execute("UPDATE issued SET name = ? WHERE device = ?", (name, device))

    def issued(self) -> tuple[tuple[DeviceId, str, bytes, bytes | None], ...]:
        """(device, name, certificate, revocation or None) of all that were certified here."""
        with self._database.reading() as connection:
            found = connection.execute("SELECT device, name, certificate, revocation FROM issued").fetchall()
        return tuple((DeviceId(device), name, certificate, gone) for device, name, certificate, gone in found)


def _rows(connection: sqlcipher.Connection, row_type: type[T], query: str, *values: object) -> tuple[T, ...]:
    """The one column of a query, decoded."""
    return tuple(decode_row(data, row_type) for (data,) in connection.execute(query, values).fetchall())


def _conflicts(connection: sqlcipher.Connection) -> tuple[ConflictRow, ...]:
    return _rows(connection, ConflictRow, "SELECT row FROM conflict ORDER BY id")


def _rooms(connection: sqlcipher.Connection, where: str = "", *values: object) -> tuple[model.RoomRow, ...]:
    """Rooms, with the part of their keys that lies apart."""
    # A room whose keys are gone is a room all the same.
    query = f"SELECT row, coalesce(epoch, x'') FROM room LEFT JOIN room_group USING (room){where}"  # noqa: S608 - of two texts of ours
    found = connection.execute(query, values).fetchall()
    return tuple(replace(decode_row(data, model.RoomRow), group=epoch) for data, epoch in found)


def _row(connection: sqlcipher.Connection, row_type: type[T], query: str, *values: object) -> T | None:
    """The one row that a query finds, decoded."""
    found = connection.execute(query, values).fetchone()
    return None if found is None else decode_row(found[0], row_type)


def _missing(connection: sqlcipher.Connection) -> tuple[model.MessageRow, ...]:
    """Messages whose repair is not done."""
    query = "SELECT row FROM message INDEXED BY message_by_cause WHERE cause IS NOT NULL ORDER BY id LIMIT ?"
    return tuple(row for row in _rows(connection, model.MessageRow, query, _MOST_MISSING) if row.mending is not None)


def _profiles(connection: sqlcipher.Connection) -> tuple[bytes, ...]:
    return tuple(encoded for (encoded,) in connection.execute("SELECT encoded FROM profile").fetchall())


def _intents(connection: sqlcipher.Connection, states: tuple[model.IntentState, ...]) -> tuple[model.Intent, ...]:
    marks = ", ".join("?" * len(states))
    query = f"SELECT action, body, row FROM intent WHERE state IN ({marks}) ORDER BY position"  # noqa: S608 - only marks
    found = connection.execute(query, [str(state) for state in states]).fetchall()
    return tuple(decode_intent(*columns) for columns in found)
