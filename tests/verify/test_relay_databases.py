"""Whoever owns the relay's database, and its keys, changes it: both verifiers find it, at the same entry.

The tables are the relay's own. The operator of these tests writes what it likes in them, makes hashes, chains,
checksums and the log's signature anew where that helps, and hands out the rows as they are. An auditor holds them
against a pinned policy and the checkpoint that it remembers.
"""

from __future__ import annotations

import io
import random
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import pytest
from msgspec import structs

from amanah_client.audit.anchors import anchor_of_policy
from amanah_client.audit.bundle import Bundle
from amanah_client.audit.bundle_check import check_bundle
from amanah_client.log_rows import AuditRow
from amanah_protocol.audit import audit_chain
from amanah_protocol.crypto import sha256
from amanah_protocol.envelope import decode_envelope
from amanah_protocol.errors import DecodeError, PeerError
from amanah_protocol.log.checkpoint import decode_checkpoint
from amanah_protocol.log.leaf import Leaf, LeafType
from amanah_protocol.log.policy import decode_policy, encode_policy, policy_of_roster
from amanah_protocol.roster import decode_roster
from amanah_protocol.types import LeafHash, RoomId
from amanah_relay.store import Store
from amanah_relay.store.damage import checksum
from tests.client.audit.world import MA, NOW_MS, incident
from tests.vectors import examples as x
from tests.verify.bundles import ROSTER, VERIFIER, WITNESSED, Evidence, checkpoint_at, cosigned

MUTATIONS: Final = 300
"""In a short run; a campaign makes more than 5,000."""

TOLD: Final = incident(more=12)
PUBLISHED: Final = (9, 20)
BARE: Final = (TOLD.hidden, audit_chain(MA))
"""What the auditor is not entitled to."""

SEEN: Final = checkpoint_at(TOLD.rows(), TOLD.log.size)
"""What the auditor remembers: the whole log."""

POLICY: Final = encode_policy(policy_of_roster(decode_roster(WITNESSED.encode())))
UNWITNESSED: Final = encode_policy(policy_of_roster(decode_roster(ROSTER)))
COSIGNED_S: Final = NOW_MS // 1000 + 60


# ---- the database


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The record as a relay stores it."""
    path = tmp_path_factory.mktemp("relay") / "relay.db"
    Store.init(f"sqlite:///{path}", roster=ROSTER, origin=x.ORIGIN, now_ms=x.NOW_MS).close()
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("DELETE FROM document")
        connection.execute("DELETE FROM leaf")
        for index, leaf in enumerate(TOLD.log.leaves):
            put_leaf(connection, index, leaf)
            if index in TOLD.log.documents:
                connection.execute("INSERT INTO document VALUES (?, ?)", (index, TOLD.log.documents[index]))
        for size in PUBLISHED:
            put_checkpoint(connection, size, checkpoint_at(TOLD.rows(), size))
        put_checkpoint(connection, TOLD.log.size, cosigned(TOLD.log.checkpoint(), [COSIGNED_S] * 3))
    return path


def put_leaf(connection: sqlite3.Connection, index: int, leaf: Leaf) -> None:
    """Write a leaf, all of it fitting together."""
    envelope: bytes | None = None
    kid: bytes | None = None
    if leaf.type is LeafType.ENVELOPE:
        try:
            made = decode_envelope(leaf.object)
            envelope, kid = made.id, made.header.kid
        except DecodeError:
            envelope, kid = bytes(32), bytes(32)
    cells = (
        index, int(leaf.type), leaf.room, leaf.room_seq, leaf.accepted_at_ms, leaf.previous, leaf.hash, envelope, kid,
        checksum(index, leaf.hash, envelope, kid), leaf.object,
    )  # fmt: skip
    connection.execute("INSERT INTO leaf VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", cells)


def put_checkpoint(connection: sqlite3.Connection, size: int, note: bytes) -> None:
    cells = (size, checksum(size, note), note)
    connection.execute("INSERT OR REPLACE INTO checkpoint VALUES (?, ?, ?)", cells)


def leaves_of(connection: sqlite3.Connection) -> list[Leaf]:
    query = "SELECT type, accepted_at_ms, room, room_seq, previous, object FROM leaf ORDER BY log_index"
    return [
        Leaf(
            type=LeafType(kind), accepted_at_ms=at, room=RoomId(room), room_seq=seq,
            previous=LeafHash(previous), object=data,
        )
        for kind, at, room, seq, previous, data in connection.execute(query)
    ]  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Served:
    """What a relay hands out that trusts its database."""

    rows: tuple[AuditRow, ...]
    notes: tuple[bytes, ...]


def serve(connection: sqlite3.Connection) -> Served:
    query = """SELECT leaf.log_index, type, accepted_at_ms, room, room_seq, previous, object, hash, data
        FROM leaf LEFT JOIN document USING (log_index) ORDER BY log_index"""
    rows: list[AuditRow] = []
    for index, kind, at, room, seq, previous, data, leaf_hash, document in connection.execute(query):
        leaf = Leaf(
            type=LeafType(kind), accepted_at_ms=at, room=RoomId(room), room_seq=seq,
            previous=LeafHash(previous), object=data,
        )  # fmt: skip
        shown = room not in BARE
        entry = leaf.encode() if shown else None
        rows.append(AuditRow(index=index, hash=LeafHash(leaf_hash), entry=entry, document=document if shown else None))
    notes = tuple(note for (note,) in connection.execute("SELECT note FROM checkpoint ORDER BY size"))
    return Served(rows=tuple(rows), notes=notes)


# ---- what an operator does


def rewrite(connection: sqlite3.Connection, leaves: list[Leaf], rng: random.Random) -> None:
    """Write the log anew: at times with each chain relinked, so that only the tree can tell."""
    if rng.random() < 0.7:
        chains: dict[RoomId, tuple[int, LeafHash]] = {}
        for index, leaf in enumerate(leaves):
            seq, previous = chains.get(leaf.room, (0, LeafHash(bytes(32))))
            leaves[index] = relinked = structs.replace(leaf, room_seq=seq + 1, previous=previous)
            chains[leaf.room] = relinked.room_seq, relinked.hash
    connection.execute("DELETE FROM leaf")
    for index, leaf in enumerate(leaves):
        put_leaf(connection, index, leaf)
    resign(connection, rng)


def resign(connection: sqlite3.Connection, rng: random.Random) -> None:
    """Sign the heads of the tree that is there now; witnesses sign nothing twice."""
    if rng.random() < 0.7:
        rows = list(serve(connection).rows)
        connection.execute("DELETE FROM checkpoint")
        for size in {*(size for size in PUBLISHED if size < len(rows)), len(rows)}:
            put_checkpoint(connection, size, checkpoint_at(rows, size))


def some(connection: sqlite3.Connection, rng: random.Random, *types: LeafType) -> tuple[list[Leaf], int]:
    """All leaves, and the index of one that the auditor sees, of one of these types if there are any."""
    leaves = leaves_of(connection)
    fit = [at for at, leaf in enumerate(leaves) if leaf.room not in BARE and (not types or leaf.type in types)]
    return leaves, rng.choice(fit)


def flipped(data: bytes, rng: random.Random) -> bytes:
    changed = bytearray(data)
    changed[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
    return bytes(changed)


def delete(connection: sqlite3.Connection, rng: random.Random) -> None:
    leaves, at = some(connection, rng)
    del leaves[at]
    connection.execute("DELETE FROM document WHERE log_index = ?", (at,))
    connection.execute("UPDATE document SET log_index = log_index - 1 WHERE log_index > ?", (at,))
    rewrite(connection, leaves, rng)


def delete_the_row_alone(connection: sqlite3.Connection, rng: random.Random) -> None:
    _, at = some(connection, rng)
    connection.execute("DELETE FROM leaf WHERE log_index = ?", (at,))


def insert(connection: sqlite3.Connection, rng: random.Random) -> None:
    leaves, at = some(connection, rng, LeafType.ENVELOPE)
    place = rng.randrange(at + 1, len(leaves) + 1)
    copied = leaves[at] if rng.random() < 0.5 else structs.replace(leaves[at], object=flipped(leaves[at].object, rng))
    leaves.insert(place, copied)
    documents = connection.execute("SELECT log_index, data FROM document").fetchall()
    connection.execute("DELETE FROM document")
    moved = [(index + (index >= place), data) for index, data in documents]
    connection.executemany("INSERT INTO document VALUES (?, ?)", moved)
    rewrite(connection, leaves, rng)


def reorder(connection: sqlite3.Connection, rng: random.Random) -> None:
    leaves, first = some(connection, rng, LeafType.ENVELOPE)
    second = rng.choice([at for at, leaf in enumerate(leaves) if leaf.type is LeafType.ENVELOPE and at != first])
    leaves[first], leaves[second] = leaves[second], leaves[first]
    rewrite(connection, leaves, rng)


def roll_back(connection: sqlite3.Connection, rng: random.Random) -> None:
    size = rng.randrange(1, TOLD.log.size)
    connection.execute("DELETE FROM document WHERE log_index >= ?", (size,))
    connection.execute("DELETE FROM leaf WHERE log_index >= ?", (size,))
    connection.execute("DELETE FROM checkpoint WHERE size > ?", (size,))
    put_checkpoint(connection, size, checkpoint_at(list(serve(connection).rows), size))


def move_a_time(connection: sqlite3.Connection, rng: random.Random) -> None:
    leaves, at = some(connection, rng)
    by = rng.choice([-86_400_000, -1_000, -1, 1, 1_000, 86_400_000])
    leaves[at] = structs.replace(leaves[at], accepted_at_ms=leaves[at].accepted_at_ms + by)
    rewrite(connection, leaves, rng)


def move_all_times(connection: sqlite3.Connection, rng: random.Random) -> None:
    by = rng.choice([-1_000, 1_000, 3_600_000])
    moved = [structs.replace(leaf, accepted_at_ms=leaf.accepted_at_ms + by) for leaf in leaves_of(connection)]
    rewrite(connection, moved, rng)


def swap_two_signatures(connection: sqlite3.Connection, rng: random.Random) -> None:
    leaves, first = some(connection, rng, LeafType.ENVELOPE)
    one = leaves[first]
    others = [at for at, leaf in enumerate(leaves) if leaf.type is LeafType.ENVELOPE and at != first]
    second = rng.choice(others)
    other = leaves[second]
    leaves[first] = structs.replace(one, object=one.object[:-64] + other.object[-64:])
    leaves[second] = structs.replace(other, object=other.object[:-64] + one.object[-64:])
    rewrite(connection, leaves, rng)


def turn_a_bit(connection: sqlite3.Connection, rng: random.Random, *types: LeafType) -> None:
    leaves, at = some(connection, rng, *types)
    leaves[at] = structs.replace(leaves[at], object=flipped(leaves[at].object, rng))
    rewrite(connection, leaves, rng)


def turn_a_bit_of_an_envelope(connection: sqlite3.Connection, rng: random.Random) -> None:
    turn_a_bit(connection, rng, LeafType.ENVELOPE)


def turn_a_bit_of_a_certificate(connection: sqlite3.Connection, rng: random.Random) -> None:
    turn_a_bit(connection, rng, LeafType.CERTIFICATE, LeafType.REVOCATION)


def turn_a_bit_of_a_cell(connection: sqlite3.Connection, rng: random.Random) -> None:
    _, at = some(connection, rng)
    column = rng.choice(["previous", "hash", "object"])
    ((cell,),) = connection.execute(f"SELECT {column} FROM leaf WHERE log_index = ?", (at,))  # noqa: S608 - one of three
    change = f"UPDATE leaf SET {column} = ? WHERE log_index = ?"  # noqa: S608 - one of three
    connection.execute(change, (flipped(cell, rng), at))


def change_a_document(connection: sqlite3.Connection, rng: random.Random) -> None:
    documents = connection.execute("SELECT log_index, data FROM document").fetchall()
    at, data = rng.choice(documents)
    if rng.random() < 0.3:
        connection.execute("DELETE FROM document WHERE log_index = ?", (at,))
    elif rng.random() < 0.3:
        other = rng.choice([other for _, other in documents if other != data])
        connection.execute("UPDATE document SET data = ? WHERE log_index = ?", (other, at))
    else:
        connection.execute("UPDATE document SET data = ? WHERE log_index = ?", (flipped(data, rng), at))


def drop_cosignatures(connection: sqlite3.Connection, rng: random.Random) -> None:
    ((note,),) = connection.execute("SELECT note FROM checkpoint WHERE size = ?", (TOLD.log.size,))
    lines = note.decode().splitlines(keepends=True)
    for _ in range(rng.randrange(1, 4)):
        del lines[rng.randrange(5, len(lines))]
    put_checkpoint(connection, TOLD.log.size, "".join(lines).encode())


def turn_a_bit_of_a_checkpoint(connection: sqlite3.Connection, rng: random.Random) -> None:
    size, note = rng.choice(connection.execute("SELECT size, note FROM checkpoint").fetchall())
    put_checkpoint(connection, size, flipped(note, rng))


def sign_another_head(connection: sqlite3.Connection, rng: random.Random) -> None:
    rows = list(serve(connection).rows)
    at = rng.randrange(len(rows))
    rows[at] = structs.replace(rows[at], hash=LeafHash(flipped(rows[at].hash, rng)))
    put_checkpoint(connection, len(rows), checkpoint_at(rows, len(rows)))


SORTS: Final[tuple[Callable[[sqlite3.Connection, random.Random], None], ...]] = (
    delete, delete_the_row_alone, insert, reorder, roll_back, move_a_time, move_all_times, swap_two_signatures,
    turn_a_bit_of_an_envelope, turn_a_bit_of_a_certificate, turn_a_bit_of_a_cell, change_a_document,
    drop_cosignatures, turn_a_bit_of_a_checkpoint, sign_another_head,
)  # fmt: skip


# ---- both verifiers


def judged(served: Served, policy: bytes, remembered: bytes) -> tuple[tuple[bool, int | None], tuple[bool, int | None]]:
    """Whether it holds, and the first bad index, by each."""
    roster = WITNESSED.encode() if policy == POLICY else ROSTER
    *smaller, newest = served.notes
    evidence = Evidence(
        rows=list(served.rows), checkpoint=newest, checkpoints=tuple(smaller), rosters=(roster,), policy=policy
    )
    try:
        decode_checkpoint(newest)
    except DecodeError:  # a manifest cannot name what it says; that of before is put beside it
        evidence = replace(
            evidence,
            checkpoint=SEEN,
            manifest=lambda found: found["files"].update(checkpoint=sha256(newest).hex()),
            members=lambda members: members.update(checkpoint=newest),
        )
    data = evidence.encode()
    anchor = anchor_of_policy(decode_policy(policy), (roster,))
    try:
        bad = check_bundle(Bundle(io.BytesIO(data)), anchor, (remembered,)).report.first_bad
        main = bad is None, None if bad is None else bad.index
    except PeerError:
        main = False, None
    single = VERIFIER.Bundle(io.BytesIO(data), len(data))
    single.verify(policy, [], [VERIFIER.Checkpoint(remembered)])
    return main, (not single.first, single.first[0][0] if single.first else None)


@pytest.fixture
def opened(database: Path, tmp_path: Path) -> Iterator[sqlite3.Connection]:
    """A copy of the database, for one test, without the index that keeps an envelope from being stored twice."""
    path = tmp_path / "relay.db"
    shutil.copyfile(database, path)
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("CREATE TEMP TABLE bare AS SELECT * FROM leaf")
        connection.execute("DROP TABLE leaf")
        connection.execute("CREATE TABLE leaf AS SELECT * FROM bare")
        yield connection


def mutated(connection: sqlite3.Connection, sort: Callable[..., None], rng: random.Random) -> Served:
    """What is served after one change, which is taken back."""
    connection.execute("BEGIN")
    try:
        sort(connection, rng)
        return serve(connection)
    finally:
        connection.execute("ROLLBACK")


@pytest.mark.parametrize("policy", [POLICY, UNWITNESSED], ids=["witnessed", "unwitnessed"])
def test_both_hold_what_nobody_has_touched(opened: sqlite3.Connection, policy: bytes) -> None:
    assert judged(serve(opened), policy, SEEN) == ((True, None), (True, None))


@pytest.mark.slow
@pytest.mark.parametrize("sort", SORTS, ids=lambda sort: sort.__name__)
def test_every_change_of_the_database_is_found_by_both_at_the_same_entry(
    opened: sqlite3.Connection, sort: Callable[..., None], scale: int
) -> None:
    rng, untouched, tried = random.Random(sort.__name__), serve(opened), 0
    while tried * len(SORTS) < MUTATIONS * scale:
        served = mutated(opened, sort, rng)
        if served == untouched:
            continue
        # Without witnesses nothing but the remembered checkpoint stands against an operator who signs anew.
        needs_witnesses = sort in (drop_cosignatures, turn_a_bit_of_a_checkpoint)
        policy = POLICY if needs_witnesses or rng.random() < 0.5 else UNWITNESSED
        main, single = judged(served, policy, SEEN)
        assert main[0] is False, (policy == POLICY, tried)
        assert single[0] is False, (policy == POLICY, tried)
        assert main == single, (policy == POLICY, tried)
        tried += 1


def test_without_witnesses_and_memory_a_log_that_was_signed_anew_is_believed(opened: sqlite3.Connection) -> None:
    """A control: what finds a cut log is the remembered checkpoint, and nothing else."""
    served = mutated(opened, roll_back, random.Random(3))
    cut = served.notes[-1]
    assert judged(served, UNWITNESSED, cut) == ((True, None), (True, None))
    assert judged(served, UNWITNESSED, SEEN) == ((False, None), (False, None))
