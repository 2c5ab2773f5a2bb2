"""Proofs of the store, held against the verifiers of the protocol."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from amanah_protocol.errors import Code, OperationalError, UsageError
from amanah_protocol.log.leaf import LeafType
from amanah_protocol.log.merkle import Frontier, verify_consistency, verify_inclusion
from amanah_relay.effects import ReadLog, ReadProof
from amanah_relay.store import Store
from tests.relay.store.asking import prove_inclusion, started
from tests.relay.store.sequence import CHAIN, Draft, Sequence


def root_at(log: Sequence, size: int) -> bytes:
    """The root by the frontier, which the tests of the protocol hold against RFC 9162."""
    frontier = Frontier()
    leaves = [log_entry.hash for log_entry in log.entries]
    for leaf in leaves[:size]:
        frontier.append(leaf)
    return frontier.root()


def whole(store: Store, log: Sequence) -> Sequence:
    """The sequence with the leaf in front that made the store."""
    first = store.read_log(ReadLog(token=0, first=0, until=1)).entries
    log.entries[:0] = first
    return log


def test_every_leaf_and_size_is_proven_across_the_edges_of_tiles_and_batches(store: Store, log: Sequence) -> None:
    store.append(log.batch(log.create()))
    for count in (100, 200, 300):
        store.append(log.batch(*log.messages(count)))
    whole(store, log)
    roots = {size: root_at(log, size) for size in (1, 2, 102, 255, 256, 257, 300, 302, 511, 512, 513, 602)}
    for size, root in roots.items():
        for index in {0, size // 2, size - 1, min(size - 1, 255), min(size - 1, 256)}:
            proof = store.read_proof(ReadProof(token=1, inclusion=True, old_or_index=index, size=size))
            assert proof.leaf == log.entries[index].hash
            verify_inclusion(log.entries[index].hash, index, size, proof.hashes, root)
        for old, old_root in roots.items():
            if old <= size:
                proof = store.read_proof(ReadProof(token=1, inclusion=False, old_or_index=old, size=size))
                assert proof.leaf is None
                verify_consistency(old, old_root, size, root, proof.hashes)


@pytest.mark.parametrize(
    ("inclusion", "place", "size"),
    [(True, 6, 6), (True, 0, 7), (True, 0, 0), (False, 0, 6), (False, 5, 4), (False, 6, 7)],
)
def test_what_the_log_does_not_have_is_not_proven(
    store: Store, log: Sequence, *, inclusion: bool, place: int, size: int
) -> None:
    started(store, log)
    with pytest.raises(UsageError) as refused:
        store.read_proof(ReadProof(token=1, inclusion=inclusion, old_or_index=place, size=size))
    assert refused.value.code is Code.NOT_FOUND


@pytest.mark.slow
def test_tiles_of_the_second_level_serve_proofs_of_a_large_log(store: Store, log: Sequence, tmp_path: Path) -> None:
    number = 0
    for _ in range(17):
        drafts = []
        for _ in range(4_000):
            number += 1
            drafts.append(Draft(type=LeafType.AUDIT_READ, room=CHAIN, object=b"\xd2" + number.to_bytes(4, "big")))
        store.append(log.batch(*drafts))
        store.checkpoint()
    whole(store, log)
    size = len(log.entries)
    assert size == 68_001
    for index in (0, 255, 65_535, 65_536, size - 1):
        prove_inclusion(store, log, index, size)
    for old in (1, 4_001, 65_536, 65_537, 65_792):
        proof = store.read_proof(ReadProof(token=1, inclusion=False, old_or_index=old, size=size))
        verify_consistency(old, root_at(log, old), size, log.frontier.root(), proof.hashes)
    assert store.verify_log().size == size
    with closing(sqlite3.connect(tmp_path / "relay.db")) as raw, raw:
        raw.execute("DELETE FROM tile WHERE level = 0 AND place = 260")
    with pytest.raises(OperationalError, match="tile 0/260"):
        prove_inclusion(store, log, 0, size)
