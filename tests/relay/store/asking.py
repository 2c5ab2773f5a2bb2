"""How tests ask a store, and how most of them begin."""

from __future__ import annotations

from typing import Final

from amanah_protocol.log.merkle import verify_inclusion
from amanah_protocol.types import RoomId
from amanah_relay.effects import Entry, ReadContent, ReadEntries, ReadLog, ReadMembership, ReadProof
from amanah_relay.inputs import ContentRead, EntriesRead
from amanah_relay.store import Store
from tests.relay.store.sequence import Sequence, identities
from tests.vectors import examples as x

MANY: Final = 10_000_000


def page(store: Store, room: RoomId = x.ROOM, after: int = 0, limit: int = 100, max_bytes: int = MANY) -> EntriesRead:
    """A page of a room or chain."""
    return store.read_entries(ReadEntries(token=5, room=room, after=after, limit=limit, max_bytes=max_bytes))


def membership(
    store: Store, room: RoomId = x.ROOM, *, after: int = 0, until: int = MANY, limit: int = 100, max_bytes: int = MANY
) -> tuple[Entry, ...]:
    """The `create` and commits of a room."""
    wanted = ReadMembership(token=7, room=room, after=after, until=until, limit=limit, max_bytes=max_bytes)
    read = store.read_membership(wanted)
    assert read.token == 7
    return read.entries


def content(store: Store, payload: bytes, room: RoomId = x.ROOM) -> ContentRead:
    """A content by its hash."""
    return store.read_content(ReadContent(token=6, room=room, payload=payload))


def size_of(store: Store) -> int:
    """Leaves in the log."""
    return len(store.read_log(ReadLog(token=0, first=0, until=MANY)).entries)


def started(store: Store, log: Sequence) -> None:
    """A room, and who is in it."""
    store.append(log.batch(*identities()))
    store.append(log.batch(log.create()))


def prove_inclusion(store: Store, log: Sequence, index: int, size: int) -> None:
    """The store proves a leaf under the newest root."""
    proof = store.read_proof(ReadProof(token=4, inclusion=True, old_or_index=index, size=size))
    leaf = store.read_log(ReadLog(token=0, first=index, until=index + 1)).entries[0].hash
    assert (proof.token, proof.leaf) == (4, leaf)
    assert log.frontier.size == size
    verify_inclusion(leaf, index, size, proof.hashes, log.frontier.root())
