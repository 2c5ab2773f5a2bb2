"""Published checkpoints in the store: one note a size, its cosignatures in it."""

from __future__ import annotations

from typing import Any, Final

from sqlalchemy import Connection, Select, bindparam, select

from amanah_protocol.errors import DecodeError
from amanah_protocol.log.checkpoint import Checkpoint, decode_checkpoint
from amanah_relay.effects import PutCheckpoint, ReadCheckpoints
from amanah_relay.inputs import CheckpointsRead
from amanah_relay.store import schema
from amanah_relay.store.damage import check_row, checksum, damaged
from amanah_relay.store.rows import AnyRow
from amanah_relay.store.schema import Cells
from amanah_relay.store.sqlite import PutMany

_checkpoint = schema.log_checkpoint.c
_COLUMNS: Final[Select[Any]] = select(_checkpoint.size, _checkpoint.checksum, _checkpoint.note)
_AFTER: Final = _COLUMNS.where(_checkpoint.size > bindparam("after")).order_by(_checkpoint.size)
_NEWEST: Final = _COLUMNS.order_by(_checkpoint.size.desc()).limit(bindparam("most"))
_AT: Final = _COLUMNS.where(_checkpoint.size == bindparam("at"))
_PUT: Final = PutMany(schema.log_checkpoint, ["size"])


def put(connection: Connection, wanted: PutCheckpoint) -> None:
    """Record a checkpoint; the caller commits."""
    _PUT.execute(connection, [cells(wanted.size, wanted.note)])


def cells(size: int, note: bytes) -> Cells:
    """The row of `checkpoint`."""
    return {"size": size, "checksum": checksum(size, note), "note": note}


def read(connection: Connection, wanted: ReadCheckpoints) -> CheckpointsRead:
    """Checkpoints behind a size, ascending.

    Raises:
        OperationalError: `DAMAGED`.
    """
    notes: list[bytes] = []
    left = wanted.max_bytes
    for row in connection.execute(_AFTER.limit(wanted.limit), {"after": wanted.after}):
        check(row)
        left -= len(row.note)
        if notes and left < 0:
            break
        notes.append(row.note)
    return CheckpointsRead(token=wanted.token, notes=tuple(notes))


def newest(connection: Connection, most: int) -> tuple[bytes, ...]:
    """The newest notes, ascending.

    Raises:
        OperationalError: `DAMAGED`.
    """
    rows = connection.execute(_NEWEST, {"most": most}).all()
    for row in rows:
        check(row)
    return tuple(row.note for row in reversed(rows))


def read_at(connection: Connection, size: int) -> Checkpoint | None:
    """What was published of a tree size; None for nothing.

    Raises:
        OperationalError: `DAMAGED`.
    """
    row = connection.execute(_AT, {"at": size}).first()
    return None if row is None else check(row)


def check(row: AnyRow) -> Checkpoint:
    """A row is as it was stored, and its note is of its size.

    Raises:
        OperationalError: `DAMAGED`.
    """
    what = f"the checkpoint of size {row.size}"
    check_row(row.checksum, row.size, row.note, what=what)
    try:
        checkpoint = decode_checkpoint(row.note)[0]
    except DecodeError as error:
        raise damaged(what) from error
    if checkpoint.size != row.size:
        raise damaged(what)
    return checkpoint
