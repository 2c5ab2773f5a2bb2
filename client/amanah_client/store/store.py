"""The local store: the core's writes in one transaction, and what the faces read.

Contract: `commit` makes all writes of a step durable or none; it returns only when they are on disk
(`synchronous=FULL`). Several processes may open the store; only the one that holds the profile's
lock commits steps, the others queue intents and read.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from threading import Lock
from typing import Final

from sqlalchemy import Connection, create_engine, delete, func, insert, select, text, update
from sqlalchemy.dialects.sqlite import insert as upsert
from sqlalchemy.exc import DatabaseError, SQLAlchemyError
from sqlalchemy.pool import StaticPool
from sqlcipher3 import dbapi2 as sqlcipher

from amanah_client import effects as e
from amanah_client import model
from amanah_client.keystore.durable import operational_errors
from amanah_client.store import migrate, schema
from amanah_client.store.rows import decode_intent, decode_row, encode_action, encode_intent, encode_row
from amanah_protocol.errors import AmanahError, Code, OperationalError, UsageError
from amanah_protocol.identity import decode_profile
from amanah_protocol.types import DeviceId, EnvelopeId, RoomId

_UNFINISHED: Final = (model.IntentState.QUEUED, model.IntentState.HELD, model.IntentState.SENT)
_FILE_MODE: Final = 0o600
_ROOM_BYTES: Final = 128 * 1024
"""What the files beside the database take at the least."""
_HARMLESS: Final = frozenset({
    "attempt to write a readonly database", "database is locked", "disk I/O error", "unable to open database file",
})  # fmt: skip
"""What SQLite says that quotes nothing which is stored."""


class LocalStore:
    """One profile's database. Synchronous; threads may share it and wait for each other."""

    def __init__(self, path: Path, key: bytes, *, create: bool = False) -> None:
        """Open a store, and bring its schema up to date.

        Args:
            path: The database file.
            key: 32 bytes from the keystore; never derived from a passphrase here.
            create: Make it if it is not there.

        Raises:
            UsageError: `NO_PROFILE` when it is not there; `PASSPHRASE` when the key is another's.
            OperationalError: `STORE` or `DISK_FULL`.
        """
        with operational_errors(path):
            if not create and not path.exists():
                raise UsageError(Code.NO_PROFILE, f"there is no profile at {path.parent}")
            if create:
                os.close(os.open(path, os.O_CREAT | os.O_RDWR, _FILE_MODE))
        self._path = path
        self._engine = create_engine(
            "sqlite://",
            creator=lambda: _connect(path, key),
            module=sqlcipher,
            poolclass=StaticPool,
        )
        # There is one connection: a thread that read in between would end another's transaction.
        self._turn = Lock()
        with _typed_errors(self._path):
            migrate.upgrade(self._engine)

    def close(self) -> None:
        """Close the file."""
        self._engine.dispose()

    # ---- the core

    def commit(self, writes: tuple[e.Write, ...]) -> None:
        """Make all writes durable, or none.

        Raises:
            OperationalError: `STORE` or `DISK_FULL`; the caller makes its core anew from `snapshot`.
        """
        with self._transaction() as connection:
            for write in writes:
                _perform(connection, write)

    def snapshot(self) -> model.Snapshot:
        """Everything the core needs at start.

        Raises:
            UsageError: `NO_PROFILE` before `install`.
            DecodeError: A row is damaged or of another version.
        """
        with self._reading() as connection:
            rows = connection.execute(select(schema.value.c.name, schema.value.c.data)).all()
            values: dict[str, bytes] = {name: data for name, data in rows}  # noqa: C416 - rows are not typed as pairs
            if "certificate" not in values:
                raise UsageError(Code.NO_PROFILE, "this profile has no certificate yet")
            log = values.get("log")
            rooms = connection.execute(select(schema.room.c.row)).scalars().all()
            control = (
                connection.execute(select(schema.control.c.row).order_by(schema.control.c.sequence)).scalars().all()
            )
            packages = connection.execute(select(schema.key_package.c.reference, schema.key_package.c.private)).all()
            sent = (
                connection.execute(select(schema.message.c.row).where(schema.message.c.room_seq.is_(None)))
                .scalars()
                .all()
            )
            return model.Snapshot(
                certificate=values["certificate"],
                enrolment=values["enrolment"],
                profile=values["profile"],
                roster=values["roster"],
                control=tuple(decode_row(row, model.ControlRow) for row in control),
                control_head=values.get("control_head", b""),
                log=None if log is None else decode_row(log, model.LogView),
                rooms=tuple(decode_row(row, model.RoomRow) for row in rooms),
                intents=_intents(connection, _UNFINISHED),
                key_packages=tuple((reference, private) for reference, private in packages),
                profiles=tuple(connection.execute(select(schema.profile.c.encoded)).scalars().all()),
                audit_size=connection.execute(select(func.count()).select_from(schema.audit_leaf)).scalar_one(),
                sent=tuple(decode_row(row, model.MessageRow) for row in sent),
            )

    # ---- the profile

    def install(self, *, certificate: bytes, enrolment: bytes, profile: bytes, roster: bytes) -> None:
        """Keep the own chain and the roster handed over by the own organisation."""
        with self._transaction() as connection:
            values = {"certificate": certificate, "enrolment": enrolment, "profile": profile, "roster": roster}
            for name, data in values.items():
                _put_value(connection, name, data)

    def value(self, name: str) -> bytes | None:
        """A single value, or None."""
        with self._reading() as connection:
            return connection.execute(select(schema.value.c.data).where(schema.value.c.name == name)).scalar()

    def put_value(self, name: str, data: bytes) -> None:
        """Keep a single value."""
        with self._transaction() as connection:
            _put_value(connection, name, data)

    # ---- the faces

    def add_intent(self, intent: model.Intent) -> None:
        """Queue an intent, durably."""
        with self._transaction() as connection:
            action, body = encode_action(intent.action)
            row = encode_intent(intent)
            values = {"id": intent.id, "state": str(intent.state), "action": action, "body": body, "row": row}
            connection.execute(insert(schema.intent).values(values))

    def intent(self, intent_id: str) -> model.Intent | None:
        """An intent in whatever state."""
        with self._reading() as connection:
            query = select(schema.intent).where(schema.intent.c.id == intent_id)
            found = connection.execute(query).one_or_none()
            return None if found is None else decode_intent(found.action, found.body, found.row)

    def intents(self, *states: model.IntentState) -> tuple[model.Intent, ...]:
        """Intents in these states, oldest first."""
        with self._reading() as connection:
            return _intents(connection, states)

    def put_wish(self, intent_id: str, wish: model.Wish) -> None:
        """Keep what a person decided of an intent, for the process that is connected."""
        with self._transaction() as connection:
            values = {"intent": intent_id, "wish": str(wish)}
            statement = upsert(schema.wish).values(values)
            connection.execute(statement.on_conflict_do_update(["intent"], set_={"wish": str(wish)}))

    def wishes(self) -> tuple[tuple[str, model.Wish], ...]:
        """(intent, wish) of all wishes; each is there until the step that carries it out is durable."""
        with self._reading() as connection:
            rows = connection.execute(select(schema.wish.c.intent, schema.wish.c.wish)).all()
            return tuple((intent, model.Wish(wish)) for intent, wish in rows)

    def rooms(self) -> tuple[model.RoomRow, ...]:
        """All rooms."""
        with self._reading() as connection:
            return tuple(
                decode_row(row, model.RoomRow) for row in connection.execute(select(schema.room.c.row)).scalars().all()
            )

    def room(self, room: RoomId) -> model.RoomRow | None:
        """A room, if it is known."""
        with self._reading() as connection:
            found = connection.execute(select(schema.room.c.row).where(schema.room.c.room == room)).scalar()
        return None if found is None else decode_row(found, model.RoomRow)

    def messages(
        self, room: RoomId, *, after: int = 0, limit: int = 500, newest: bool = False
    ) -> tuple[model.MessageRow, ...]:
        """Messages of a room in room order: behind `after`, or the newest ones; own unacknowledged ones come last."""
        table = schema.message
        rank = func.coalesce(table.c.room_seq, 2**62)
        query = select(table.c.row).where(table.c.room == room, rank > after)
        order = (rank.desc(), table.c.id.desc()) if newest else (rank, table.c.id)
        with self._reading() as connection:
            rows = list(connection.execute(query.order_by(*order).limit(limit)).scalars().all())
        return tuple(decode_row(row, model.MessageRow) for row in (reversed(rows) if newest else rows))

    def message(self, room: RoomId, envelope: EnvelopeId) -> model.MessageRow | None:
        """One message of a room, if it is there."""
        table = schema.message
        query = select(table.c.row).where(table.c.room == room, table.c.envelope == envelope)
        with self._reading() as connection:
            found = connection.execute(query).scalar()
        return None if found is None else decode_row(found, model.MessageRow)

    def messages_between(self, first: EnvelopeId, last: EnvelopeId) -> tuple[model.MessageRow, ...]:
        """Messages whose envelope id lies between two, both included; at most 2 of them."""
        table = schema.message
        query = select(table.c.row).where(table.c.envelope.between(first, last)).limit(2)
        with self._reading() as connection:
            return tuple(decode_row(row, model.MessageRow) for row in connection.execute(query).scalars().all())

    def control_rows(self) -> tuple[model.ControlRow, ...]:
        """The verified control stream."""
        with self._reading() as connection:
            query = select(schema.control.c.row).order_by(schema.control.c.sequence)
            return tuple(decode_row(row, model.ControlRow) for row in connection.execute(query).scalars().all())

    def profiles(self) -> tuple[bytes, ...]:
        """Encoded verified profiles of others."""
        with self._reading() as connection:
            return tuple(connection.execute(select(schema.profile.c.encoded)).scalars().all())

    def alarms(self) -> tuple[model.Alarm, ...]:
        """All alarms, oldest first."""
        with self._reading() as connection:
            query = select(schema.alarm.c.row).order_by(schema.alarm.c.id)
            return tuple(decode_row(row, model.Alarm) for row in connection.execute(query).scalars().all())

    def audit_rows(self, first: int = 0, limit: int = 10_000) -> tuple[model.AuditRow, ...]:
        """The auditor's copy in log order."""
        table = schema.audit_leaf
        query = select(table).where(table.c["index"] >= first).order_by(table.c["index"]).limit(limit)
        with self._reading() as connection:
            return tuple(
                model.AuditRow(index=index, hash=digest, entry=entry, document=document)
                for index, digest, entry, document in connection.execute(query).all()
            )

    def drop_audit_rows(self) -> None:
        """Forget the auditor's copy; the next one begins anew. Only while no core of this profile runs."""
        with self._transaction() as connection:
            connection.execute(delete(schema.audit_leaf))

    def data_version(self) -> int:
        """Changes when another process changed the store."""
        with self._reading() as connection:
            return int(connection.execute(text("PRAGMA data_version")).scalar_one())

    # ---- the organisation's own record

    def put_issued(self, device: DeviceId, name: str, certificate: bytes, revocation: bytes | None = None) -> None:
        """Remember whom the organisation certified."""
        with self._transaction() as connection:
            values = {"device": device, "name": name, "certificate": certificate, "revocation": revocation}
            changed = {key: values[key] for key in ("name", "certificate", "revocation")}
            connection.execute(upsert(schema.issued).values(values).on_conflict_do_update(["device"], set_=changed))

    def issued(self) -> tuple[tuple[DeviceId, str, bytes, bytes | None], ...]:
        """(device, name, certificate, revocation or None) of all that were certified here."""
        with self._reading() as connection:
            query = select(
                schema.issued.c.device, schema.issued.c.name, schema.issued.c.certificate, schema.issued.c.revocation
            )
            return tuple((device, name, cert, gone) for device, name, cert, gone in connection.execute(query).all())

    @contextmanager
    def _transaction(self) -> Iterator[Connection]:
        with self._turn, _typed_errors(self._path), self._engine.begin() as connection:
            connection.exec_driver_sql("BEGIN IMMEDIATE")
            yield connection

    @contextmanager
    def _reading(self) -> Iterator[Connection]:
        # Callers take all rows at once: a result that an error leaves open keeps this connection at an old
        # state of the file.
        with self._turn, _typed_errors(self._path), self._engine.connect() as connection:
            yield connection


def _connect(path: Path, key: bytes) -> sqlcipher.Connection:
    connection = sqlcipher.connect(str(path), timeout=10, check_same_thread=False, isolation_level=None)
    try:
        connection.execute("PRAGMA cipher_log_level = NONE")
        connection.execute(f"PRAGMA key = \"x'{key.hex()}'\"")
        connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute("PRAGMA secure_delete = ON")
        connection.execute("PRAGMA foreign_keys = ON")
    except BaseException:
        connection.close()
        raise
    return connection


@contextmanager
def _typed_errors(path: Path) -> Iterator[None]:
    try:
        yield
    except AmanahError:
        raise
    except (SQLAlchemyError, sqlcipher.Error) as error:
        cause = str(error.orig) if isinstance(error, DatabaseError) else str(error)
        if "not a database" in cause:
            raise UsageError(Code.PASSPHRASE, "the local store does not open with this profile's key") from error
        # SQLite says "disk I/O error" where it has no room for the files beside the database.
        if "full" in cause or _is_full(path.parent):
            raise OperationalError(Code.DISK_FULL, "the disk that holds the profile is full") from error
        said = cause if cause in _HARMLESS else type(error).__name__
        raise OperationalError(Code.STORE, f"the local store failed: {said}") from error


def _is_full(folder: Path) -> bool:
    try:
        return shutil.disk_usage(folder).free < _ROOM_BYTES
    except OSError:
        return False


def _intents(connection: Connection, states: tuple[model.IntentState, ...]) -> tuple[model.Intent, ...]:
    table = schema.intent
    query = select(table).where(table.c.state.in_([str(state) for state in states])).order_by(table.c.position)
    return tuple(decode_intent(row.action, row.body, row.row) for row in connection.execute(query).all())


def _put_value(connection: Connection, name: str, data: bytes) -> None:
    connection.execute(
        upsert(schema.value).values(name=name, data=data).on_conflict_do_update(["name"], set_={"data": data})
    )


def _perform(connection: Connection, write: e.Write) -> None:  # noqa: C901, PLR0912 - one branch for each write
    match write:
        case e.PutRoom(row=room):
            data = encode_row(room)
            connection.execute(
                upsert(schema.room).values(room=room.room, row=data).on_conflict_do_update(["room"], set_={"row": data})
            )
        case e.PutMessage(row=message):
            _put_message(connection, message)
        case e.DropMessage(room=room_id, envelope=envelope):
            table = schema.message
            connection.execute(delete(table).where(table.c.room == room_id, table.c.envelope == envelope))
        case e.EraseContent(room=room_id, envelopes=envelopes, by=by):
            _erase(connection, room_id, envelopes, by)
        case e.PutIntent(intent=intent):
            _put_intent(connection, intent)
        case e.DropWish(intent=intent_id):
            connection.execute(delete(schema.wish).where(schema.wish.c.intent == intent_id))
        case e.PutControl(row=control):
            connection.execute(insert(schema.control).values(sequence=control.sequence, row=encode_row(control)))
        case e.PutRoster(roster=roster):
            _put_value(connection, "roster", roster)
        case e.PutControlHead(head=head):
            _put_value(connection, "control_head", head)
        case e.PutLogView(view=view):
            _put_value(connection, "log", encode_row(view))
        case e.PutKeyPackage(reference=reference, private=private):
            connection.execute(insert(schema.key_package).values(reference=reference, private=private))
        case e.DropKeyPackage(reference=reference):
            connection.execute(delete(schema.key_package).where(schema.key_package.c.reference == reference))
        case e.PutProfile(profile=encoded):
            _put_profile(connection, encoded)
        case e.PutAlarm(alarm=alarm):
            connection.execute(insert(schema.alarm).values(row=encode_row(alarm)))
        case e.PutAuditRows(rows=rows):
            values = [{"index": r.index, "hash": r.hash, "entry": r.entry, "document": r.document} for r in rows]
            connection.execute(insert(schema.audit_leaf), values)


def _put_message(connection: Connection, message: model.MessageRow) -> None:
    values = {"room": message.room, "envelope": message.envelope, "room_seq": message.room_seq}
    data = encode_row(message)
    changed = {"room_seq": message.room_seq, "row": data}
    unplaced = None if message.state is model.MessageState.STORED else schema.message.c.room_seq.is_(None)
    statement = upsert(schema.message).values(**values, row=data)
    connection.execute(statement.on_conflict_do_update(["room", "envelope"], set_=changed, where=unplaced))


def _erase(connection: Connection, room: RoomId, envelopes: tuple[EnvelopeId, ...], by: DeviceId | None) -> None:
    table = schema.message
    query = select(table.c.row).where(table.c.room == room, table.c.envelope.in_(envelopes))
    for data in connection.execute(query).scalars().all():
        row = decode_row(data, model.MessageRow)
        # A member erases its own words alone; `by` is None where the room's owner does.
        if by in (None, row.sender):
            erased = encode_row(replace(row, state=model.MessageState.ERASED, content=b"", key=b""))
            place = (table.c.room == room, table.c.envelope == row.envelope)
            connection.execute(update(table).where(*place).values(row=erased))


def _put_intent(connection: Connection, intent: model.Intent) -> None:
    table = schema.intent
    values: dict[str, object] = {"state": str(intent.state), "row": encode_intent(intent)}
    if intent.state not in _UNFINISHED:
        # A finished intent's plaintext stands in the message; the outbox keeps no second copy.
        values["body"] = b""
    connection.execute(update(table).where(table.c.id == intent.id).values(values))


def _put_profile(connection: Connection, encoded: bytes) -> None:
    profile = decode_profile(encoded)
    values = {"organisation": profile.organisation, "subject": profile.subject, "encoded": encoded}
    statement = upsert(schema.profile).values(values)
    connection.execute(statement.on_conflict_do_update(["organisation", "subject"], set_={"encoded": encoded}))
