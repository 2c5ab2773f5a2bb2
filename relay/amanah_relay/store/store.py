"""The durable store of a relay: what the core's storage effects ask for, synchronously."""

from __future__ import annotations

from functools import cached_property
from pathlib import Path
from typing import Final, Self

from sqlalchemy import Connection, insert

from amanah_protocol.errors import Code, UsageError
from amanah_protocol.log.leaf import Leaf, LeafType
from amanah_protocol.log.merkle import EMPTY_ROOT, Frontier
from amanah_protocol.roster import decode_roster, verify_roster
from amanah_protocol.types import CONTROL, ZERO_32, LeafHash
from amanah_relay.effects import (
    Append,
    Confirm,
    CountKeyPackages,
    Entry,
    Held,
    Purge,
    PutCheckpoint,
    PutKeyPackages,
    PutStamp,
    ReadCheckpoints,
    ReadContent,
    ReadEnding,
    ReadEntries,
    ReadKnown,
    ReadLog,
    ReadMembership,
    ReadProof,
    ReadStamps,
    Survey,
    TakeKeyPackages,
)
from amanah_relay.inputs import (
    CheckpointPut,
    CheckpointsRead,
    Confirmed,
    ContentRead,
    EndingRead,
    EntriesRead,
    KeyPackagesCounted,
    KeyPackagesPut,
    KeyPackagesTaken,
    KnownRead,
    LogRead,
    MembershipRead,
    ProofRead,
    Purged,
    StampPut,
    StampsRead,
    Surveyed,
)
from amanah_relay.state import RelayState
from amanah_relay.store import checkpoints, key_packages, reads, retention, schema, stamps, transaction
from amanah_relay.store.backup import Backup, make_backup
from amanah_relay.store.engine import Database, Reader
from amanah_relay.store.hashes import read_tile
from amanah_relay.store.load import load_state, read_head
from amanah_relay.store.migrate import migrate, read_revision
from amanah_relay.store.proofs import read_proof
from amanah_relay.store.verify import LogReport, naming, verify_log
from amanah_relay.store.writer import Writer

_ROW_BYTES: Final = 4_096
"""About what an entry costs in the WAL beside its bytes: parts of pages, and the pages of indices."""


class Store:
    """A store, open.

    Contract: what a writing method did is durable (a power cut does not undo it) when the method
    returns, and is there whole or not at all. Writing methods are `load`, `append`,
    `put_key_packages`, `take_key_packages`, `confirm`, `purge`, `put_checkpoint`, `put_stamp` and
    `checkpoint`; only one thread at a time may be in one of them. The reading methods have a connection of
    their own; one thread at a time too may be in one of them, at the same time as the other. They see
    everything that was written before they were called.
    `load` comes before the first write, and again after a failed one.

    Errors of every method: `OperationalError` with `STORE`, `DISK_FULL`, or `DAMAGED` for rows that do
    not hold against their hashes, which are never given out.
    """

    def __init__(self, database: Database) -> None:
        """Use `init` or `open`."""
        self._database = database
        self._writer = Writer(database)
        self._reader = Reader(database)

    @classmethod
    def init(cls, url: str, *, roster: bytes, origin: str, now_ms: int) -> Self:
        """Make a store whose log begins with the roster.

        All of it is one transaction: after a crash there is no store, and `init` can be run again.

        Args:
            url: `sqlite:///PATH`; the file is made, readable by its owner alone.
            roster: The endorsed roster (`Endorsed.encode`), the community's first or any later version.
            origin: The log's origin, that of a relay in the roster.
            now_ms: Time of acceptance of the first leaf.

        Raises:
            UsageError: `CONFIG` when the roster has no relay of this origin or the database is of
                something else, `USAGE` when there is a store already.
            DecodeError: The roster does not parse.
            VerifyError: The roster is not signed as it must be, or has expired.
            OperationalError: `STORE` or `DISK_FULL`.
        """
        database = Database(url)
        verified = verify_roster(decode_roster(roster), None, now_ms=now_ms).value
        if origin not in {relay.origin for relay in verified.relays}:
            raise UsageError(Code.CONFIG, f"the roster names no relay with the log origin {origin}")
        first = _first_batch(verified.endorsed.record, roster, now_ms)
        database.file.create()
        database.file.check()
        writer = Writer(database)
        writer.restart()
        try:
            writer.transact(lambda connection: _found(connection, origin, first))
        finally:
            writer.close()
        return cls(database)

    @classmethod
    def open(cls, url: str) -> Self:
        """Open a store, migrating one of an older version.

        Raises:
            UsageError: `CONFIG` when there is none or others may read it; `UNKNOWN_VERSION` when a newer
                program wrote it.
            OperationalError: `STORE` when the database would not be durable here; `DAMAGED`.
        """
        database = Database(url)
        database.file.check()
        reader = Reader(database)
        try:
            found = reader.read(read_revision)
        finally:
            reader.close()
        if found is None:
            raise UsageError(Code.CONFIG, "the store is empty; `amanah-relay init` fills it")
        if found != schema.REVISION:
            writer = Writer(database)
            writer.restart()
            try:
                writer.transact(migrate)
            finally:
                writer.close()
        return cls(database)

    # ---- writing

    def load(self) -> RelayState:
        """Everything the core must know; after a failed write, whether or not that was stored."""
        self._writer.restart()
        return self._writer.read(load_state)

    def append(self, batch: Append) -> tuple[Held, ...]:
        """Store one batch durably, or nothing of it (see `effects.Append`); gives `Appended.freed`.

        Raises:
            UsageError: `USAGE` when the batch contradicts itself.
            OperationalError: `STORE` also when the stored size is not `batch.first` or an envelope is
                stored already.
        """
        size = sum(_ROW_BYTES + len(entry.object) + len(entry.content or b"") for entry in batch.entries)
        return self._writer.transact(
            lambda connection: transaction.append(connection, batch),
            bytes_written=_ROW_BYTES + size + sum(len(tree.data) for tree in batch.trees),
            forget=bool(batch.erasures or batch.purges),
        )

    def put_key_packages(self, offer: PutKeyPackages) -> KeyPackagesPut:
        """Store key packages (see `key_packages.put`)."""
        left = self._writer.transact(
            lambda connection: key_packages.put(connection, offer),
            bytes_written=_ROW_BYTES + sum(len(package) for package in offer.packages),
        )
        return KeyPackagesPut(token=offer.token, left=left)

    def take_key_packages(self, request: TakeKeyPackages) -> KeyPackagesTaken:
        """Take one key package of each device; none is handed out twice, whatever happens next."""
        taken = self._writer.transact(
            lambda connection: key_packages.take(connection, request),
            bytes_written=_ROW_BYTES * len(request.devices),
        )
        return KeyPackagesTaken(token=request.token, taken=taken)

    def confirm(self, wanted: Confirm) -> Confirmed:
        """Move marks of rooms."""
        return self._writer.transact(
            lambda connection: retention.confirm(connection, wanted), bytes_written=_ROW_BYTES * len(wanted.marks)
        )

    def survey(self, wanted: Survey) -> Surveyed:
        """Take one step of a pass through old contents, and change nothing."""
        return self._reader.read(lambda connection: retention.survey(connection, wanted))

    def purge(self, wanted: Purge) -> Purged:
        """Drop old trees."""
        return self._writer.transact(
            lambda connection: retention.purge(connection, wanted), bytes_written=_ROW_BYTES * wanted.limit, forget=True
        )

    def put_checkpoint(self, wanted: PutCheckpoint) -> CheckpointPut:
        """Record a published checkpoint of the log."""
        self._writer.transact(
            lambda connection: checkpoints.put(connection, wanted), bytes_written=_ROW_BYTES + len(wanted.note)
        )
        return CheckpointPut(token=wanted.token)

    def put_stamp(self, wanted: PutStamp) -> StampPut:
        """Record a time stamp on a published checkpoint.

        Raises:
            UsageError: `USAGE` when that checkpoint is not recorded.
        """
        number = self._writer.transact(
            lambda connection: stamps.put(connection, wanted), bytes_written=_ROW_BYTES + len(wanted.data)
        )
        return StampPut(token=wanted.token, number=number)

    @property
    def checkpoint_due(self) -> bool:
        """Whether `checkpoint` should not wait for an idle moment."""
        return self._writer.checkpoint_due

    def checkpoint(self) -> bool:
        """Move what was written into the database file, between appends.

        After erasures the WAL is emptied too, so that erased content is in no file.

        Returns:
            False when a reader was in the way, so that it has to be tried again.
        """
        return self._writer.checkpoint()

    # ---- reading

    @cached_property
    def origin(self) -> str:
        """The log's origin, as it was when the store was made."""
        origin: str = self._reader.read(read_head).origin
        return origin

    def read_entries(self, wanted: ReadEntries) -> EntriesRead:
        """A page of a room or chain."""
        return self._reader.read(lambda connection: reads.read_entries(connection, wanted))

    def read_membership(self, wanted: ReadMembership) -> MembershipRead:
        """The `create` and commits of a room."""
        return self._reader.read(lambda connection: reads.read_membership(connection, wanted))

    def read_known(self, wanted: ReadKnown) -> KnownRead:
        """Where an envelope stands."""
        return self._reader.read(lambda connection: reads.read_known(connection, wanted))

    def read_content(self, wanted: ReadContent) -> ContentRead:
        """A content or tree by its hash."""
        return self._reader.read(lambda connection: reads.read_content(connection, wanted))

    def read_log(self, wanted: ReadLog) -> LogRead:
        """Leaves by index."""
        return self._reader.read(lambda connection: reads.read_log(connection, wanted))

    def read_proof(self, wanted: ReadProof) -> ProofRead:
        """A proof.

        Raises:
            UsageError: `NOT_FOUND` for a leaf or size that the log does not have.
        """
        return self._reader.read(lambda connection: read_proof(connection, wanted))

    def read_checkpoints(self, wanted: ReadCheckpoints) -> CheckpointsRead:
        """Published checkpoints of the log, by size."""
        return self._reader.read(lambda connection: checkpoints.read(connection, wanted))

    def read_stamps(self, wanted: ReadStamps) -> StampsRead:
        """Time stamps on published checkpoints, as they came."""
        return self._reader.read(lambda connection: stamps.read(connection, wanted))

    def read_ending(self, wanted: ReadEnding) -> EndingRead:
        """Checkpoints whose time stamps an authority has to renew."""
        return self._reader.read(lambda connection: stamps.read_ending(connection, wanted))

    def read_tile(self, level: int, place: int, size: int) -> bytes:
        """The hashes of a tile of the tree of `size` leaves, concatenated."""
        return self._reader.read(lambda connection: read_tile(connection, level, place, size))

    def count_key_packages(self, wanted: CountKeyPackages) -> KeyPackagesCounted:
        """A device's one-time key packages by suite."""
        stock = self._reader.read(lambda connection: key_packages.count(connection, wanted.device))
        return KeyPackagesCounted(token=wanted.token, stock=stock)

    # ---- care

    def backup(self, path: Path) -> Backup:
        """Copy the store into a new file while it is in use, from any thread.

        Raises:
            UsageError: `USAGE` when the file exists.
        """
        return make_backup(self._database, path)

    def verify_log(self) -> LogReport:
        """Verify every cell of the store, on a connection of its own, from any thread.

        Raises:
            DamageError: Names the first leaf that is wrong.
        """
        with naming(None):  # pages of the schema itself may be broken
            reader = Reader(self._database)
        try:
            return verify_log(reader)
        finally:
            reader.close()

    def close(self) -> None:
        """Close both connections; nothing may be under way."""
        self._reader.close()
        self._writer.close()


def _first_batch(record: bytes, roster: bytes, now_ms: int) -> Append:
    leaf = Leaf(
        type=LeafType.ROSTER,
        accepted_at_ms=now_ms,
        room=CONTROL,
        room_seq=1,
        previous=LeafHash(ZERO_32),
        object=record,
    )
    frontier = Frontier()
    frontier.append(leaf.hash)
    entry = Entry(
        index=0,
        type=leaf.type,
        room=leaf.room,
        room_seq=leaf.room_seq,
        accepted_at_ms=now_ms,
        previous=leaf.previous,
        hash=leaf.hash,
        object=record,
        document=roster,
    )
    return Append(batch=0, first=0, root=frontier.root(), edge=frontier.edge, accepted_at_ms=now_ms, entries=(entry,))


def _found(connection: Connection, origin: str, first: Append) -> None:
    """Fill an empty database."""
    if read_revision(connection) is not None:
        raise UsageError(Code.USAGE, "there is a store already; it was not changed")
    migrate(connection)
    connection.execute(insert(schema.head), transaction.head_cells(origin, 0, EMPTY_ROOT, (), 0))
    transaction.append(connection, first)
