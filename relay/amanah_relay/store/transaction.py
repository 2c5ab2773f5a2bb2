"""The one transaction that makes an append durable: the contract of `effects.Append`.

All of it or nothing is stored. The head of the log is a row that is set only where it still has the
size the batch continues, so a second process cannot write the same place: on SQLite it waits for the
write lock, elsewhere for the row, and then finds another size. Envelope ids are unique, so nothing
is stored twice.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from sqlalchemy import Connection, bindparam, insert, select, update

from amanah_protocol.errors import Code, OperationalError, UsageError
from amanah_protocol.log.leaf import LeafType
from amanah_protocol.log.merkle import Frontier
from amanah_protocol.types import OrgName, RoomId
from amanah_relay.effects import Append, Attached, Entry, Erasure, Held, MemberRow, RoomRow, Tree
from amanah_relay.store import retention, schema
from amanah_relay.store.damage import Cell, checksum, only
from amanah_relay.store.hashes import write_full_tiles
from amanah_relay.store.rows import content_cells, leaf_cells
from amanah_relay.store.schema import Cells
from amanah_relay.store.sqlite import PutMany, insert_missing

_INSERT_LEAVES: Final = PutMany(schema.leaf)
_INSERT_CONTENTS: Final = PutMany(schema.content)
_INSERT_DOCUMENT: Final = insert(schema.document)
_INSERT_BATCH: Final = PutMany(schema.batch)
_INSERT_MEMBERSHIP: Final = insert(schema.membership)
_INSERT_TREE: Final = insert_missing(schema.tree)
_SET_CHAIN: Final = PutMany(schema.chain, ["room"])
_SET_ROOM: Final = PutMany(schema.room, ["room"])
_SET_MEMBER: Final = PutMany(schema.member, ["room", "device"])
_SET_ATTACHMENT: Final = PutMany(schema.attachment, ["envelope"])
_READ_ORIGIN: Final = select(schema.head.c.origin).where(schema.head.c.id == 1)
_MOVE_HEAD: Final = update(schema.head).where(schema.head.c.id == 1, schema.head.c.size == bindparam("expected"))


def append(connection: Connection, batch: Append) -> tuple[Held, ...]:
    """Write one batch; the caller commits.

    Args:
        connection: A writing connection inside a transaction.
        batch: What to store.

    Returns:
        What of `batch.held`, or of what was held before, is not: trees that were there, contents that it erases.

    Raises:
        UsageError: `USAGE` when the batch contradicts itself; nothing was written.
        OperationalError: `STORE` when the stored size is not `batch.first`: the caller rolls back.
        DBAPIError: Anything the database says, an envelope that is stored already included.
    """
    check_append(batch)
    _move_head(connection, batch)
    if batch.entries:
        _insert_entries(connection, batch)
        write_full_tiles(connection, batch.first, [entry.hash for entry in batch.entries])
    if chains := _chain_rows(batch):
        _SET_CHAIN.execute(connection, chains)
    if batch.rooms:
        _SET_ROOM.execute(connection, [room_cells(row) for row in batch.rooms])
    if batch.members:
        _SET_MEMBER.execute(connection, [member_cells(row) for row in batch.members])
    if batch.attachments:
        _SET_ATTACHMENT.execute(connection, [attachment_cells(found) for found in batch.attachments])
    freed: list[tuple[OrgName, int]] = []
    if batch.trees:
        freed.extend(
            (_sender(batch, tree), len(tree.data)) for tree in retention.stored_before(connection, batch.trees)
        )
        connection.execute(_INSERT_TREE, [tree_cells(tree) for tree in batch.trees])
    for erasure in batch.erasures:
        freed.extend(_erase(connection, erasure))
    if batch.purges:
        freed.extend(retention.drop_over(connection, batch.purges))
    retention.hold(connection, [(part.organisation, part.size) for part in batch.held])
    retention.hold(connection, [(organisation, -size) for organisation, size in freed])
    return retention.summed(freed)


def check_append(batch: Append) -> None:
    """The parts of a batch agree: a batch that does not add up must not become durable.

    Raises:
        UsageError: `USAGE`.
    """
    indices = [entry.index for entry in batch.entries]
    size = batch.first + len(indices)
    if indices != list(range(batch.first, size)):
        raise UsageError(Code.USAGE, "the entries of a batch do not follow one another")
    if Frontier(size, batch.edge).root() != batch.root:
        raise UsageError(Code.USAGE, "root and right edge of a batch are not of one tree")
    for entry in batch.entries:
        parts = (entry.envelope, entry.kid, entry.payload, entry.content)
        if parts.count(None) != (0 if entry.type is LeafType.ENVELOPE else len(parts)):
            raise UsageError(Code.USAGE, "envelopes have an id, a sender and content, other leaves have none")
        if entry.accepted_at_ms != batch.accepted_at_ms:
            raise UsageError(Code.USAGE, "a batch has one time of acceptance")
    sizes = [len(entry.content or b"") for entry in batch.entries] + [len(tree.data) for tree in batch.trees]
    if sum(part.size for part in batch.held) != sum(sizes):
        raise UsageError(Code.USAGE, "what a batch adds to what is held is not what it stores")
    last = _last_of_chain(batch.entries)
    for row in batch.rooms:
        newest = last.get(row.room)
        if newest is not None and (newest.room_seq, newest.hash) != (row.head_seq, row.head_leaf):
            raise UsageError(Code.USAGE, "the head of a room is not its last entry")
    rooms = {row.room for row in batch.rooms}
    if any(entry.type is LeafType.ENVELOPE and room not in rooms for room, entry in last.items()):
        raise UsageError(Code.USAGE, "a room with new envelopes has a new head")


def head_cells(origin: str, size: int, root: bytes, edge: Iterable[bytes], last_accepted_ms: int) -> Cells:
    """The one row of `head`."""
    joined = b"".join(edge)
    return {
        "id": 1,
        "origin": origin,
        "size": size,
        "root": root,
        "edge": joined,
        "last_accepted_ms": last_accepted_ms,
        "checksum": checksum(origin, size, root, joined, last_accepted_ms),
    }


def batch_cells(first: int, size: int, root: bytes, accepted_at_ms: int) -> Cells:
    """The row of `batch`."""
    return {
        "first": first,
        "size": size,
        "root": root,
        "accepted_at_ms": accepted_at_ms,
        "checksum": checksum(first, size, root, accepted_at_ms),
    }


def chain_cells(room: bytes, head_seq: int, head_leaf: bytes) -> Cells:
    """The row of `chain`."""
    return {
        "room": room,
        "head_seq": head_seq,
        "head_leaf": head_leaf,
        "checksum": checksum(room, head_seq, head_leaf),
    }


def room_cells(row: RoomRow) -> Cells:
    """The row of `room`; its creation is a leaf like any other."""
    return {
        "room": row.room,
        "epoch": row.epoch,
        "head_seq": row.head_seq,
        "head_leaf": row.head_leaf,
        "checksum": checksum(row.room, row.epoch, row.head_seq, row.head_leaf),
    }


def member_cells(row: MemberRow) -> Cells:
    """The row of `member`."""
    cells: dict[str, Cell] = {
        "room": row.room,
        "device": row.device,
        "organisation": row.organisation,
        "added_seq": row.added_seq,
        "removed_seq": row.removed_seq,
        "cursor": row.cursor,
        "last_counter": row.last_counter,
        "last_id": row.last_id,
    }
    return {**cells, "checksum": checksum(*cells.values())}


def tree_cells(tree: Tree) -> Cells:
    """The row of `tree`."""
    return {
        "room": tree.room,
        "hash": tree.hash,
        "room_seq": tree.room_seq,
        "checksum": checksum(tree.room, tree.hash, tree.room_seq),
        "data": tree.data,
    }


def attachment_cells(found: Attached) -> Cells:
    """The row of `attachment`."""
    return {
        "envelope": found.envelope,
        "room": found.room,
        "hash": found.attachment,
        "standing": int(found.standing),
        "checksum": checksum(found.envelope, found.room, found.attachment, int(found.standing)),
    }


def _move_head(connection: Connection, batch: Append) -> None:
    origin = only(connection.execute(_READ_ORIGIN).scalar_one_or_none(), "the head of the log")
    size = batch.first + len(batch.entries)
    cells = head_cells(origin, size, batch.root, batch.edge, batch.accepted_at_ms)
    del cells["id"], cells["origin"]
    moved = connection.execute(_MOVE_HEAD, {"expected": batch.first, **cells})
    if moved.rowcount != 1:
        raise OperationalError(
            Code.STORE, f"the log has not {batch.first} leaves: another process writes to this store"
        )


def _sender(batch: Append, tree: Tree) -> OrgName:
    """The organisation whose device sent the welcome of a tree."""
    kids = {(entry.room, entry.room_seq): entry.kid for entry in batch.entries}
    organisations = {(row.room, row.device): OrgName(row.organisation) for row in batch.members}
    sender = kids.get((tree.room, tree.room_seq))
    found = None if sender is None else organisations.get((tree.room, sender))
    if found is None:
        raise UsageError(Code.USAGE, "a tree stands at the welcome that names it")
    return found


def _insert_entries(connection: Connection, batch: Append) -> None:
    entries = batch.entries
    _INSERT_LEAVES.execute(connection, [leaf_cells(entry) for entry in entries])
    if contents := [content_cells(entry) for entry in entries if entry.envelope is not None]:
        _INSERT_CONTENTS.execute(connection, contents)
    if changes := [{"room": entry.room, "room_seq": entry.room_seq} for entry in entries if entry.membership]:
        connection.execute(_INSERT_MEMBERSHIP, changes)
    documents = [{"log_index": entry.index, "data": entry.document} for entry in entries if entry.document is not None]
    if documents:
        connection.execute(_INSERT_DOCUMENT, documents)
    size = batch.first + len(entries)
    _INSERT_BATCH.execute(connection, [batch_cells(batch.first, size, batch.root, batch.accepted_at_ms)])


def _chain_rows(batch: Append) -> list[Cells]:
    """Heads of the chains that no row of a room tells."""
    rooms = {row.room for row in batch.rooms}
    last = _last_of_chain(batch.entries)
    return [chain_cells(room, entry.room_seq, entry.hash) for room, entry in last.items() if room not in rooms]


def _last_of_chain(entries: Iterable[Entry]) -> dict[RoomId, Entry]:
    return {entry.room: entry for entry in entries}


def _erase(connection: Connection, erasure: Erasure) -> list[tuple[OrgName, int]]:
    """Drop contents; gives what of them was held, by organisation."""
    leaf = schema.leaf.c
    # Header-only kinds have nothing to drop.
    wanted = retention.SELECT_CONTENTS.where(
        leaf.envelope.in_(erasure.envelopes), leaf.room == erasure.room, retention.KEPT
    )
    if erasure.by is not None:
        wanted = wanted.where(leaf.kid == erasure.by)
    # A commit or welcome that is gone would shut out every member that has not come so far.
    found = [row for row in connection.execute(wanted) if not retention.is_handshake(row.log_index, row.object)]
    since_ms = erasure.held_since_ms
    held = [row for row in found if since_ms is not None and row.accepted_at_ms >= since_ms]
    retention.mark_erased(connection, held)
    return retention.drop(connection, [row for row in found if row not in held])
