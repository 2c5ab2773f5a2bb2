"""Time stamps on published checkpoints in the store: kept for ever, numbered as they came."""

from __future__ import annotations

from typing import Any, Final

from sqlalchemy import Connection, Select, bindparam, func, insert, select

from amanah_protocol.errors import Code, UsageError
from amanah_relay.effects import PutStamp, ReadEnding, ReadStamps
from amanah_relay.inputs import Ending, EndingRead, StampsRead, StoredStamp
from amanah_relay.store import schema
from amanah_relay.store.damage import check_row, checksum, damaged
from amanah_relay.store.rows import AnyRow

_stamp = schema.stamp.c
_checkpoint = schema.log_checkpoint.c
_ROWS: Final[Select[Any]] = select(*_stamp, _checkpoint.note).join(
    schema.log_checkpoint, _checkpoint.size == _stamp.size
)
_AFTER: Final = _ROWS.where(_stamp.number > bindparam("after")).order_by(_stamp.number)
_OF_SIZE: Final = _ROWS.where(_stamp.size == bindparam("of")).order_by(_stamp.number)
_ALL: Final[Select[Any]] = select(*_stamp, _checkpoint.note).outerjoin(
    schema.log_checkpoint, _checkpoint.size == _stamp.size
)
_LAST: Final[Select[Any]] = select(func.coalesce(func.max(_stamp.number), 0))
_NOTE: Final[Select[Any]] = select(_checkpoint.note).where(_checkpoint.size == bindparam("of"))
_NEWEST: Final[Select[Any]] = select(func.coalesce(func.max(_stamp.size), 0)).where(_stamp.authority == bindparam("by"))
_renewal = schema.stamp.alias("renewal")
_COVERED: Final = (
    select(1)
    .where(
        _renewal.c.size == _stamp.size,
        _renewal.c.authority == bindparam("by"),
        _renewal.c.upto >= _stamp.number,
        _renewal.c.ends_ms > _stamp.ends_ms,
    )
    .exists()
)
# What has ended already cannot be helped: a renewal says nothing of a token that was not valid any more.
_ENDING: Final[Select[Any]] = (
    select(_stamp.size, func.max(_stamp.ends_ms))
    .where(_stamp.ends_ms > bindparam("now_ms"), _stamp.ends_ms < bindparam("before_ms"), ~_COVERED)
    .group_by(_stamp.size)
    .order_by(_stamp.size)
)
_INSERT: Final = insert(schema.stamp)
_OVERHEAD: Final = 512
"""Number, size and name of an authority in a frame."""


def put(connection: Connection, wanted: PutStamp) -> int:
    """Record a time stamp under the next number, which it gives; the caller commits.

    Raises:
        UsageError: `USAGE` when there is no checkpoint of its size, or one with a shorter note.
    """
    note = connection.execute(_NOTE, {"of": wanted.size}).scalar_one_or_none()
    if note is None or not 0 < wanted.covered <= len(note):
        raise UsageError(Code.USAGE, f"the checkpoint of size {wanted.size} is not the one that was stamped")
    number = int(connection.execute(_LAST).scalar_one()) + 1
    cells = (number, wanted.size, wanted.authority, wanted.covered, wanted.upto, wanted.ends_ms)
    names = ("number", "size", "authority", "covered", "upto", "ends_ms")
    row = {**dict(zip(names, cells, strict=True)), "checksum": checksum(*cells, wanted.data), "token": wanted.data}
    connection.execute(_INSERT, row)
    return number


def read(connection: Connection, wanted: ReadStamps) -> StampsRead:
    """Time stamps behind a number, ascending.

    Raises:
        OperationalError: `DAMAGED`.
    """
    stamps: list[StoredStamp] = []
    left = wanted.max_bytes
    for row in connection.execute(_AFTER.limit(wanted.limit), {"after": wanted.after}):
        stamp = _stored(row)
        left -= len(stamp.note) + len(stamp.data) + _OVERHEAD
        if stamps and left < 0:
            break
        stamps.append(stamp)
    return StampsRead(token=wanted.token, stamps=tuple(stamps))


def read_ending(connection: Connection, wanted: ReadEnding) -> EndingRead:
    """What an authority has stamped last, and what it should renew.

    Raises:
        OperationalError: `DAMAGED`.
    """
    newest = int(connection.execute(_NEWEST, {"by": wanted.authority}).scalar_one())
    which = {"by": wanted.authority, "now_ms": wanted.now_ms, "before_ms": wanted.before_ms}
    found = connection.execute(_ENDING.limit(wanted.limit), which).all()
    return EndingRead(
        token=wanted.token,
        newest=newest,
        ending=tuple(_ending(connection, size, ends_ms) for size, ends_ms in found),
    )


def check_all(connection: Connection) -> None:
    """Every row is as it was stored, and stands beside its checkpoint.

    Raises:
        OperationalError: `DAMAGED`.
    """
    sizes: dict[int, int] = {}
    for number, row in enumerate(connection.execute(_ALL.order_by(_stamp.number)), start=1):
        if row.number != number:
            raise damaged(f"time stamp {number} is missing")
        stamp = _stored(row)
        # A renewal covers older ones of its own checkpoint, and no signature line is covered by half.
        if (row.upto and sizes.get(row.upto) != row.size) or not stamp.note.endswith(b"\n"):
            raise damaged(f"time stamp {number}")
        sizes[number] = row.size


def _ending(connection: Connection, size: int, ends_ms: int) -> Ending:
    rows = connection.execute(_OF_SIZE, {"of": size}).all()
    stamps = [_stored(row) for row in rows]
    return Ending(
        size=size,
        note=rows[0].note,
        tokens=tuple(stamp.data for stamp in stamps),
        upto=stamps[-1].number,
        ends_ms=ends_ms,
    )


def _stored(row: AnyRow) -> StoredStamp:
    what = f"time stamp {row.number}"
    cells = (row.number, row.size, row.authority, row.covered, row.upto, row.ends_ms, row.token)
    check_row(row.checksum, *cells, what=what)
    if row.note is None or not 0 < row.covered <= len(row.note):
        raise damaged(what)
    return StoredStamp(
        number=row.number, size=row.size, authority=row.authority, note=row.note[: row.covered], data=row.token
    )
