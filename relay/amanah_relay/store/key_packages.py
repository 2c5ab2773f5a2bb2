"""Key packages: handed out once each, but for the last resort.

A package stays in the table after it was handed out, without its data. A device that never got the
answer to its offer offers the same packages again; those that were taken meanwhile must not come back.
"""

from __future__ import annotations

from typing import Any, Final

from sqlalchemy import Connection, Select, bindparam, case, delete, func, insert, select, update

from amanah_protocol import limits
from amanah_protocol.crypto import sha256
from amanah_protocol.types import DeviceId
from amanah_relay.effects import PutKeyPackages, TakeKeyPackages
from amanah_relay.store import schema
from amanah_relay.store.damage import check_row, checksum, damaged
from amanah_relay.store.rows import AnyRow
from amanah_relay.store.schema import Cells

MAX_REMEMBERED: Final = 1_000
"""Of one device and suite; an offer is repeated soon or never."""

_table = schema.key_package.c
_OF_SUITE: Final = (_table.device == bindparam("of"), _table.suite == bindparam("in_suite"))
_LEFT: Final[Select[Any]] = select(func.count()).where(*_OF_SUITE, ~_table.last_resort, _table.data.is_not(None))
_HASHES: Final[Select[Any]] = select(_table.hash).where(*_OF_SUITE, ~_table.last_resort)
# Newest first: it expires last. What lies below is pushed out by the cap.
_NEWEST: Final[Select[Any]] = (
    select(*_table).where(*_OF_SUITE, _table.data.is_not(None)).order_by(_table.last_resort, _table.id.desc()).limit(1)
)
_OLD: Final[Select[Any]] = (
    select(_table.id)
    .where(*_OF_SUITE, ~_table.last_resort, _table.data.is_not(None))
    .order_by(_table.id.desc())
    .offset(limits.MAX_KEY_PACKAGES)
)
_SPENT: Final[Select[Any]] = (
    select(_table.id).where(*_OF_SUITE, _table.data.is_(None)).order_by(_table.id.desc()).offset(MAX_REMEMBERED)
)
_STOCK: Final[Select[Any]] = (
    select(_table.suite, func.sum(case((_table.last_resort | _table.data.is_(None), 0), else_=1)))
    .where(_table.device == bindparam("of"))
    .group_by(_table.suite)
    .order_by(_table.suite)
)
_INSERT: Final = insert(schema.key_package)
_DROP_LAST_RESORT: Final = delete(schema.key_package).where(*_OF_SUITE, _table.last_resort)
_HAND_OUT: Final = (
    update(schema.key_package).where(_table.id == bindparam("taken")).values(data=None, checksum=bindparam("checksum"))
)


def put(connection: Connection, offer: PutKeyPackages) -> int:
    """Store an offer; the caller commits.

    One-time packages that were stored before, handed out or not, are passed over; of more than
    `limits.MAX_KEY_PACKAGES` the oldest are dropped. A last resort replaces the stored one.

    Returns:
        How many one-time packages of the suite are left.
    """
    which = _which(offer.device, offer.suite)
    known = set(connection.execute(_HASHES, which).scalars())
    fresh = {sha256(package): package for package in offer.packages}
    rows = [_cells(offer, hash_, data) for hash_, data in fresh.items() if hash_ not in known]
    if offer.last_resort is not None:
        connection.execute(_DROP_LAST_RESORT, which)
        rows.append(_cells(offer, sha256(offer.last_resort), offer.last_resort, last_resort=True))
    if rows:
        connection.execute(_INSERT, rows)
    for surplus in (_OLD, _SPENT):
        if ids := connection.execute(surplus, which).scalars().all():
            connection.execute(delete(schema.key_package).where(_table.id.in_(ids)))
    return _left(connection, which)


def take(connection: Connection, request: TakeKeyPackages) -> tuple[tuple[bytes | None, bool, int], ...]:
    """Hand out one package of each device; the caller commits before anything is sent.

    Returns:
        (package or None, whether it is the last resort, one-time packages left), in the order asked.

    Raises:
        OperationalError: `DAMAGED`.
    """
    return tuple(_take_one(connection, device, request.suite) for device in request.devices)


def count(connection: Connection, device: DeviceId) -> tuple[tuple[int, int], ...]:
    """A device's one-time packages as (suite, number), ascending; 0 where all were handed out."""
    return tuple((row[0], int(row[1])) for row in connection.execute(_STOCK, {"of": device}))


def check_key_package(row: AnyRow) -> None:
    """A row is as it was stored.

    Raises:
        OperationalError: `DAMAGED`.
    """
    what = f"key package {row.id}"
    taken = row.data is None
    check_row(row.checksum, row.device, row.suite, row.hash, row.last_resort, taken, what=what)
    if not taken and (type(row.data) is not bytes or sha256(row.data) != row.hash):
        raise damaged(what)


def _take_one(connection: Connection, device: DeviceId, suite: int) -> tuple[bytes | None, bool, int]:
    which = _which(device, suite)
    row = connection.execute(_NEWEST, which).first()
    if row is None:
        return None, False, 0
    check_key_package(row)
    if not row.last_resort:
        sealed = checksum(device, suite, row.hash, False, True)  # noqa: FBT003 - the cells' values
        connection.execute(_HAND_OUT, {"taken": row.id, "checksum": sealed})
    return row.data, row.last_resort, _left(connection, which)


def _cells(offer: PutKeyPackages, package_hash: bytes, data: bytes, *, last_resort: bool = False) -> Cells:
    return {
        "device": offer.device,
        "suite": offer.suite,
        "hash": package_hash,
        "last_resort": last_resort,
        "checksum": checksum(offer.device, offer.suite, package_hash, last_resort, False),  # noqa: FBT003 - a cell's value
        "data": data,
    }


def _left(connection: Connection, which: Cells) -> int:
    return int(connection.execute(_LEFT, which).scalar_one())


def _which(device: DeviceId, suite: int) -> Cells:
    return {"of": device, "in_suite": suite}
