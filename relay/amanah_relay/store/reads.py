"""What the core asks the store for, each as one read in one transaction.

Every row is held against its hashes and checksums before it is given out (`rows`, `damage`): a
damaged one raises `OperationalError` (`DAMAGED`) and is never served.
"""

from __future__ import annotations

from typing import Any, Final

from sqlalchemy import Connection, Select, bindparam, select

from amanah_protocol.crypto import sha256
from amanah_protocol.envelope import decode_envelope
from amanah_protocol.errors import PeerError
from amanah_protocol.kinds import Commit, Create
from amanah_protocol.types import DeviceId, LeafHash
from amanah_relay.effects import Entry, ReadContent, ReadEntries, ReadKnown, ReadLog, ReadMembership
from amanah_relay.inputs import ContentRead, EntriesRead, Known, KnownRead, LogRead, MembershipRead, StoredEntry
from amanah_relay.store import schema
from amanah_relay.store.damage import check_row, damaged, only
from amanah_relay.store.hashes import read_leaf_hashes
from amanah_relay.store.rows import (
    SELECT_ENTRIES,
    SELECT_LEAVES,
    AnyRow,
    check_content_row,
    check_data,
    check_hash_row,
    decode_addressees,
    decode_entry_row,
    decode_leaf_row,
)

_MOST_CARRIERS: Final = 1_024
"""Envelopes with one content that are looked at for its addressees."""
_leaf, _content, _batch, _tree = schema.leaf.c, schema.content.c, schema.batch.c, schema.tree.c
_membership = schema.membership.c

_ENTRIES: Final[Select[Any]] = (
    SELECT_ENTRIES.where(_leaf.room == bindparam("in_room"), _leaf.room_seq > bindparam("after"))
    .order_by(_leaf.room_seq)
    .limit(bindparam("count"))
)
_MEMBERSHIP: Final[Select[Any]] = (
    SELECT_LEAVES.join(schema.membership, (_leaf.room == _membership.room) & (_leaf.room_seq == _membership.room_seq))
    .where(
        _membership.room == bindparam("in_room"),
        _membership.room_seq > bindparam("after"),
        _membership.room_seq < bindparam("until"),
    )
    .order_by(_membership.room_seq)
    .limit(bindparam("count"))
)
_LOG: Final[Select[Any]] = SELECT_LEAVES.where(
    _leaf.log_index >= bindparam("start"), _leaf.log_index < bindparam("end")
).order_by(_leaf.log_index)
_KNOWN: Final[Select[Any]] = select(
    _leaf.log_index, _leaf.hash, _leaf.envelope, _leaf.kid, _leaf.checksum, _leaf.room_seq
).where(_leaf.envelope == bindparam("id"))
_BATCH: Final[Select[Any]] = (
    select(*schema.batch.c).where(_batch.first <= bindparam("at")).order_by(_batch.first.desc()).limit(1)
)
_CONTENTS: Final[Select[Any]] = (
    select(
        _content.log_index, _content.payload, _content.length, _content.erased, _content.addressees, _content.checksum
    )
    .join(schema.leaf, _leaf.log_index == _content.log_index)
    # The condition on the length is what lets the partial index serve this.
    .where(_content.payload == bindparam("hash"), _content.length > 0, _leaf.room == bindparam("in_room"))
    .order_by(_content.log_index)
    .limit(_MOST_CARRIERS)
)
_DATA: Final[Select[Any]] = select(_content.data).where(_content.log_index == bindparam("at"))
_TREE: Final[Select[Any]] = select(_tree.room_seq, _tree.checksum, _tree.data).where(
    _tree.room == bindparam("in_room"), _tree.hash == bindparam("hash")
)


def read_entries(connection: Connection, wanted: ReadEntries) -> EntriesRead:
    """A page of a room or chain, in its order; `more` when entries are left behind it.

    What counts towards `max_bytes` are objects, contents and documents.

    Raises:
        OperationalError: `DAMAGED`, also when an entry between two others is missing.
    """
    rows = connection.execute(_ENTRIES, {"in_room": wanted.room, "after": wanted.after, "count": wanted.limit + 1})
    entries: list[StoredEntry] = []
    left, more = wanted.max_bytes, False
    for row in rows:
        stored = decode_entry_row(row)
        if stored.entry.room_seq != wanted.after + len(entries) + 1:
            raise damaged(f"the entry before leaf {stored.entry.index} in its room is missing")
        left -= _size(stored.entry)
        if entries and (left < 0 or len(entries) == wanted.limit):
            more = True
            break
        entries.append(stored)
    rows.close()
    return EntriesRead(token=wanted.token, room=wanted.room, entries=tuple(entries), more=more)


def read_membership(connection: Connection, wanted: ReadMembership) -> MembershipRead:
    """The `create` and commits of a room between two places, in its order; fewer than there are where they end.

    Raises:
        OperationalError: `DAMAGED`, also for a place at which something else stands.
    """
    bounds = {"in_room": wanted.room, "after": wanted.after, "until": wanted.until, "count": wanted.limit}
    rows = connection.execute(_MEMBERSHIP, bounds)
    entries: list[Entry] = []
    left = wanted.max_bytes
    for row in rows:
        entry = _checked_membership(decode_leaf_row(row))
        left -= len(entry.object)
        if entries and left < 0:
            break
        entries.append(entry)
    rows.close()
    return MembershipRead(token=wanted.token, entries=tuple(entries))


def read_known(connection: Connection, wanted: ReadKnown) -> KnownRead:
    """Where an envelope stands, and its whole batch, from which the same receipt is made again.

    Raises:
        OperationalError: `DAMAGED`.
    """
    row = connection.execute(_KNOWN, {"id": wanted.envelope}).first()
    if row is None:
        return KnownRead(token=wanted.token, known=None)
    check_hash_row(*row[:5])
    batch = read_batch(connection, row.log_index)
    leaves = read_leaf_hashes(connection, batch.first, batch.size)
    known = Known(
        index=row.log_index,
        room_seq=row.room_seq,
        batch_first=batch.first,
        batch_size=batch.size,
        batch_root=batch.root,
        accepted_at_ms=batch.accepted_at_ms,
        leaves=tuple(LeafHash(leaf) for leaf in leaves),
    )
    return KnownRead(token=wanted.token, known=known)


def read_content(connection: Connection, wanted: ReadContent) -> ContentRead:
    """A content of a room that is not erased, or a staged tree, by its hash.

    Where several envelopes carry the same content, the addressees are those of all of them, as far as these are
    looked at: none behind one that is for every member, and `_MOST_CARRIERS` in all, or whoever sends one small
    content for days would make every question for it read a table.

    Raises:
        OperationalError: `DAMAGED`.
    """
    data: bytes | None = None
    named: set[DeviceId] = set()
    everybody = False
    rows = connection.execute(_CONTENTS, {"in_room": wanted.room, "hash": wanted.payload})
    for row in rows:
        check_content_row(*row)
        if row.erased:
            continue
        if data is None:
            data = connection.execute(_DATA, {"at": row.log_index}).scalar_one()
            check_data(row.log_index, row.payload, row.length, False, data)  # noqa: FBT003 - the cell's value
        devices = decode_addressees(row.log_index, row.addressees)
        if devices is None:
            everybody = True
            break
        named.update(devices)
    rows.close()
    if data is None:
        return ContentRead(token=wanted.token, data=_read_tree(connection, wanted), addressees=None)
    return ContentRead(token=wanted.token, data=data, addressees=None if everybody else tuple(sorted(named)))


def read_log(connection: Connection, wanted: ReadLog) -> LogRead:
    """Leaves by index, with documents and without contents; fewer where the log ends before `until`.

    Raises:
        OperationalError: `DAMAGED`, also when one is missing.
    """
    rows = connection.execute(_LOG, {"start": wanted.first, "end": wanted.until}).all()
    entries: list[Entry] = []
    for row in rows:
        entry = decode_leaf_row(row)
        if entry.index != wanted.first + len(entries):
            raise damaged(f"leaf {wanted.first + len(entries)} is missing")
        entries.append(entry)
    return LogRead(token=wanted.token, entries=tuple(entries))


def read_batch(connection: Connection, index: int) -> AnyRow:
    """The row of the batch that stored leaf `index`.

    Raises:
        OperationalError: `DAMAGED`.
    """
    what = f"the batch of leaf {index}"
    row = only(connection.execute(_BATCH, {"at": index}).first(), what)
    check_row(row.checksum, *row[:4], what=what)
    if not row.first <= index < row.size:
        raise damaged(what)
    return row


def _checked_membership(entry: Entry) -> Entry:
    """The entry, if it is one of the sort that the table of places says."""
    try:
        specific = decode_envelope(entry.object).header.specific
    except PeerError as error:
        raise damaged(f"leaf {entry.index}") from error
    if not isinstance(specific, Create | Commit):
        raise damaged(f"the place of leaf {entry.index} among the changes of its room")
    return entry


def _read_tree(connection: Connection, wanted: ReadContent) -> bytes | None:
    row = connection.execute(_TREE, {"in_room": wanted.room, "hash": wanted.payload}).first()
    if row is None:
        return None
    what = f"the tree {wanted.payload.hex()[:16]}"
    check_row(row.checksum, wanted.room, wanted.payload, row.room_seq, what=what)
    if type(row.data) is not bytes or sha256(row.data) != wanted.payload:
        raise damaged(what)
    return row.data


def _size(entry: Entry) -> int:
    return len(entry.object) + len(entry.content or b"") + len(entry.document or b"")
