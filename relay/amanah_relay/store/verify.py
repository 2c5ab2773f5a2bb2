"""Verification of a whole store: every cell against the log's hashes, or against a checksum.

It reads in pages, each in a transaction of its own, so that a relay can go on appending and the WAL
stays small; the last page and all that hangs on the head are read as of one moment.

Not found is what leaves no trace elsewhere: a key package or a ratchet tree whose whole row is gone, the newest
time stamps, and content that somebody erased by hand as an `erase` would have.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final, TypeVar

from sqlalchemy import Connection, Select, bindparam, func, select

from amanah_protocol.crypto import sha256
from amanah_protocol.envelope import decode_envelope
from amanah_protocol.errors import Code, DecodeError, OperationalError, VerifyError
from amanah_protocol.kinds import Commit, Create, Message
from amanah_protocol.log.leaf import CONTROL_TYPES, LeafType
from amanah_protocol.log.merkle import Frontier
from amanah_protocol.log.tiles import TILE_HEIGHT, full_tiles
from amanah_protocol.types import CONTROL, ZERO_32, DeviceId, EnvelopeId, LeafHash, RoomId
from amanah_relay.effects import Entry, Standing
from amanah_relay.inputs import StoredEntry
from amanah_relay.store import checkpoints, schema, stamps
from amanah_relay.store.damage import check_row, damaged
from amanah_relay.store.engine import Reader
from amanah_relay.store.hashes import read_tile
from amanah_relay.store.key_packages import check_key_package
from amanah_relay.store.load import check_attachment_row, check_chain_row, check_member_row, check_room_row, read_head
from amanah_relay.store.reads import read_batch
from amanah_relay.store.retention import check_held_row, check_mark_row, count_held
from amanah_relay.store.rows import SELECT_ENTRIES, AnyRow, decode_entry_row

T = TypeVar("T")

_PAGE: Final = 500
_leaf = schema.leaf.c
_ENTRIES: Final[Select[Any]] = (
    SELECT_ENTRIES.where(_leaf.log_index >= bindparam("start")).order_by(_leaf.log_index).limit(_PAGE)
)


@dataclass(frozen=True, slots=True, kw_only=True)
class LogReport:
    """What was verified.

    Attributes:
        origin: The log's origin.
        size: Leaves.
        root: Root of the tree, 32 bytes.
        batches: Batches.
        rooms: Rooms.
        envelopes: Leaves that are envelopes.
        erased: Envelopes whose content was erased.
    """

    origin: str
    size: int
    root: bytes
    batches: int
    rooms: int
    envelopes: int
    erased: int


class DamageError(VerifyError):
    """The store does not hold what it must.

    Attributes:
        index: Log index of the first leaf that is wrong, or whose batch or tile is; None where the damage
            is in what the log does not cover, such as a member's row.
    """

    def __init__(self, detail: str, index: int | None) -> None:
        super().__init__(Code.DAMAGED, detail)
        self.index = index


@dataclass(slots=True, kw_only=True)
class _Head:
    """Newest place of a room or chain on the way through the log."""

    is_room: bool
    seq: int = 0
    leaf: LeafHash = LeafHash(ZERO_32)  # noqa: RUF009 - bytes are immutable


class _Walk:
    """One pass over the log; holds the right edge and the head of each room, no leaf."""

    def __init__(self) -> None:
        self.frontier = Frontier()
        self.heads: dict[RoomId, _Head] = {}
        self.senders: dict[tuple[RoomId, DeviceId], tuple[int, EnvelopeId]] = {}
        """Counter and id of each device's newest envelope in each room."""
        self.added: set[tuple[RoomId, DeviceId]] = set()
        self.changes: set[tuple[RoomId, int]] = set()
        """Places of `create` and commits."""
        self.attached: dict[EnvelopeId, tuple[RoomId, bytes, bool]] = {}
        """Room and hash of the attachment of each message that has one, and whether it was erased."""
        self.batch: AnyRow | None = None
        self.accepted_at_ms = 0
        self.batches = self.documents = self.envelopes = self.erased = self.published = 0

    def step(self, connection: Connection, row: AnyRow) -> None:
        """Verify the next leaf and what it completes.

        Raises:
            DamageError: The leaf, its batch or a tile that it fills is wrong.
        """
        index = self.frontier.size
        with naming(index):
            stored = decode_entry_row(row)
            if stored.entry.index != index:
                raise damaged(f"leaf {index} is missing")
            self._check_chain(stored.entry)
            self._check_kind(stored)
            self._check_batch(connection, stored.entry)

    def _check_chain(self, entry: Entry) -> None:
        head = self.heads.setdefault(entry.room, _Head(is_room=entry.type is LeafType.ENVELOPE))
        if (entry.room_seq, entry.previous) != (head.seq + 1, head.leaf):
            raise damaged(f"leaf {entry.index} does not follow the one before it in its room")
        # An erasure stands in either: of a person in the control stream, of content in a room's custody.
        control = entry.type in CONTROL_TYPES or (entry.type is LeafType.ERASURE and entry.room == CONTROL)
        if control != (entry.room == CONTROL):
            raise damaged(f"the room of leaf {entry.index}")
        head.seq, head.leaf = entry.room_seq, entry.hash

    def _check_kind(self, stored: StoredEntry) -> None:
        entry = stored.entry
        self.documents += entry.document is not None
        if entry.type is not LeafType.ENVELOPE:
            return
        self.envelopes += 1
        self.erased += stored.erased
        envelope = decode_envelope(entry.object)
        header = envelope.header
        found = (envelope.id, header.kid, envelope.payload, header.room)
        if found != (entry.envelope, entry.kid, entry.payload, entry.room):
            raise damaged(f"what stands beside the envelope of leaf {entry.index}")
        self.senders[header.room, header.kid] = header.counter, envelope.id
        if isinstance(header.specific, Create | Commit):
            self.changes.add((entry.room, entry.room_seq))
        if isinstance(header.specific, Message) and header.specific.attachment is not None:
            self.attached[envelope.id] = header.room, header.specific.attachment, stored.erased
        if isinstance(header.specific, Create):
            self.added.add((header.room, header.kid))
        elif isinstance(header.specific, Commit):
            self.added.update((header.room, device) for device in header.specific.added)

    def _check_batch(self, connection: Connection, entry: Entry) -> None:
        if self.batch is None:
            self.batch = read_batch(connection, entry.index)
            self.batches += 1
            if self.batch.first != entry.index or self.batch.accepted_at_ms < self.accepted_at_ms:
                raise damaged(f"the batch of leaf {entry.index}")
            self.accepted_at_ms = self.batch.accepted_at_ms
        if entry.accepted_at_ms != self.accepted_at_ms:
            raise damaged(f"the time of leaf {entry.index}")
        for subtree in self.frontier.append(entry.hash):
            level, rest = divmod(subtree.level, TILE_HEIGHT)
            if level and not rest:
                self._check_tile(connection, level - 1, subtree.place, subtree.root)
        if self.frontier.size == self.batch.size:
            if self.frontier.root() != self.batch.root:
                raise damaged(f"the root of the batch of leaf {entry.index}")
            self._check_published(connection, self.batch.size, self.batch.root)
            self.batch = None

    def _check_published(self, connection: Connection, size: int, root: bytes) -> None:
        published = checkpoints.read_at(connection, size)
        if published is not None:
            self.published += 1
            if published.root != root:
                raise damaged(f"the checkpoint of size {size}")

    def _check_tile(self, connection: Connection, level: int, place: int, root: bytes) -> None:
        # The root is recomputed from the tile's hashes; one root has one set of hashes.
        read_tile(connection, level, place, self.frontier.size)
        stored = connection.execute(
            select(schema.tile.c.root).where(schema.tile.c.level == level, schema.tile.c.place == place)
        ).scalar_one()
        if stored != root:
            raise damaged(f"tile {level}/{place}")


def verify_log(reader: Reader) -> LogReport:
    """Verify every leaf, chain, batch, tile and content, the head, and every other row of a store.

    Raises:
        DamageError: A `VerifyError` (`DAMAGED`) that names what is wrong first.
        OperationalError: `STORE` when the store cannot be read.
    """
    walk = _Walk()
    report = None
    while report is None:
        with naming(walk.frontier.size):
            report = reader.read(lambda connection: _verify_page(connection, walk))
    return report


def _verify_page(connection: Connection, walk: _Walk) -> LogReport | None:
    """Verify the next leaves; at the end of the log, everything else."""
    rows = connection.execute(_ENTRIES, {"start": walk.frontier.size}).all()
    for row in rows:
        walk.step(connection, row)
    return None if len(rows) == _PAGE else _verify_rest(connection, walk)


def _verify_rest(connection: Connection, walk: _Walk) -> LogReport:
    size = walk.frontier.size
    with naming(size):
        head = read_head(connection)
        if (head.size, head.root) != (size, walk.frontier.root()) or walk.batch is not None:
            raise damaged("the head of the log")
    with naming(None):
        if head.last_accepted_ms < walk.accepted_at_ms:
            raise damaged("the time of the newest batch")
        _verify_counts(connection, walk)
        _verify_heads(connection, walk)
        _verify_members(connection, walk)
        _verify_changes(connection, walk)
        _verify_retention(connection, walk)
        _verify_attachments(connection, walk)
        stamps.check_all(connection)
        _verify_others(connection)
    return LogReport(
        origin=head.origin,
        size=size,
        root=head.root,
        batches=walk.batches,
        rooms=sum(head.is_room for head in walk.heads.values()),
        envelopes=walk.envelopes,
        erased=walk.erased,
    )


def _verify_counts(connection: Connection, walk: _Walk) -> None:
    """No row stands beside the log that no leaf accounts for."""
    tiles = sum(1 for _ in full_tiles(0, walk.frontier.size))
    due = (
        (schema.batch, walk.batches),
        (schema.document, walk.documents),
        (schema.content, walk.envelopes),
        (schema.tile, tiles),
        # What stands at no end of a batch was never signed.
        (schema.log_checkpoint, walk.published),
    )
    for table, count in due:
        if connection.execute(select(func.count()).select_from(table)).scalar_one() != count:
            raise damaged(f"the number of rows of the table {table.name}")


def _verify_heads(connection: Connection, walk: _Walk) -> None:
    """Each room and chain ends where the log says, and there are no others."""
    found = {}
    for row in connection.execute(select(*schema.room.c)):
        check_room_row(row)
        found[row.room] = _Head(is_room=True, seq=row.head_seq, leaf=row.head_leaf)
    for row in connection.execute(select(*schema.chain.c)):
        check_chain_row(row)
        found[row.room] = _Head(is_room=False, seq=row.head_seq, leaf=row.head_leaf)
    for room in sorted(walk.heads.keys() | found.keys()):
        if walk.heads.get(room) != found.get(room):
            raise damaged(f"the head of the room or chain {room.hex()}")


def _verify_members(connection: Connection, walk: _Walk) -> None:
    """Everybody who was added has a row, and each row knows the device's newest envelope."""
    found = set()
    for row in connection.execute(select(*schema.member.c)):
        check_member_row(row)
        place = (row.room, row.device)
        newest = walk.senders.get(place, (0, ZERO_32))
        known = place in walk.added or place in walk.senders
        if not known or newest != (row.last_counter, row.last_id):
            raise damaged(f"a member of the room {row.room.hex()}")
        found.add(place)
    for room, device in sorted(walk.added - found):
        raise damaged(f"the member {device.hex()} of the room {room.hex()} is missing")


def _verify_changes(connection: Connection, walk: _Walk) -> None:
    """What is shown to newcomers is every `create` and commit, and nothing else."""
    found = {(row.room, row.room_seq) for row in connection.execute(select(*schema.membership.c))}
    if found != walk.changes:
        raise damaged("the places of a room's changes")


def _verify_retention(connection: Connection, walk: _Walk) -> None:
    """Marks stand in their rooms, and what is held is what is there."""
    for row in connection.execute(select(*schema.confirmed.c)):
        check_mark_row(row)
        head = walk.heads.get(row.room)
        if head is None or not 0 < row.room_seq <= head.seq:
            raise damaged(f"the mark of the room {row.room.hex()}")
    found = {}
    for row in connection.execute(select(*schema.held.c).where(schema.held.c.size != 0)):
        check_held_row(row)
        found[row.organisation] = row.size
    if found != count_held(connection):
        raise damaged("what is held of an organisation")


def _verify_attachments(connection: Connection, walk: _Walk) -> None:
    """Each message that names an attachment has a row, and what was erased is given to nobody."""
    found = {}
    for row in connection.execute(select(*schema.attachment.c)):
        check_attachment_row(row)
        found[row.envelope] = row.room, row.hash, row.standing != Standing.KEPT
    if found != walk.attached:
        raise damaged("the attachment of a message")


def _verify_others(connection: Connection) -> None:
    for row in connection.execute(select(*schema.tree.c)):
        check_row(row.checksum, row.room, row.hash, row.room_seq, what="a ratchet tree")
        if type(row.data) is not bytes or sha256(row.data) != row.hash:
            raise damaged("a ratchet tree")
    for row in connection.execute(select(*schema.key_package.c)):
        check_key_package(row)


@contextmanager
def naming(index: int | None) -> Iterator[None]:
    """Say of damage at which leaf it was found."""
    try:
        yield
    except DecodeError as error:
        raise DamageError(f"leaf {index}: {error.detail}", index) from error
    except OperationalError as error:
        if error.code is not Code.DAMAGED:
            raise
        raise DamageError(error.detail, index) from error
