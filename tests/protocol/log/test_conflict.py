"""Evidence against a log holds only where nothing that the log could show makes both statements true."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from amanah_protocol import cbor, limits
from amanah_protocol.errors import Code, DecodeError, VerifyError
from amanah_protocol.log.checkpoint import Checkpoint
from amanah_protocol.log.conflict import (
    MAX_CONFLICTS,
    Conflict,
    OtherLeaf,
    OtherPrefix,
    Proof,
    Verdict,
    decode_evidence,
    encode_evidence,
    other_prefix,
    verify_conflict,
)
from amanah_protocol.log.merkle import consistency_path, inclusion_path
from amanah_protocol.log.statement import Statement
from tests.protocol.refusal import refused
from tests.vectors import examples as x
from tests.vectors import log_examples as log

RELAY = x.relay()
SIZE = log.SIZE
EVIDENCE = encode_evidence(log.conflicts())
OWN = log.checkpoint(SIZE)


@pytest.mark.parametrize(("conflict", "verdict"), list(zip(log.conflicts(), Verdict, strict=True)))
def test_each_sort_of_conflict_is_told_from_the_others(conflict: Conflict, verdict: Verdict) -> None:
    judged = verify_conflict(conflict, RELAY)
    assert judged.verdict is verdict
    assert judged.verdict.is_proof is (verdict is not Verdict.UNEXPLAINED)
    # Which of the two was learnt first changes nothing but where a receipt is one of them.
    if verdict is not Verdict.OTHER_LEAF:
        turned = replace(conflict, first=conflict.second, second=conflict.first)
        assert verify_conflict(turned, RELAY).verdict is verdict


def test_it_is_about_the_log_that_it_is_held_against() -> None:
    with refused(Code.CHECKPOINT, VerifyError):
        verify_conflict(log.conflicts()[0], replace(RELAY, origin="relay.example/other"))


@pytest.mark.parametrize("which", ["first", "second"])
def test_both_statements_have_to_be_the_logs(which: str) -> None:
    conflict = log.conflicts()[0]
    sighting = getattr(conflict, which)
    forged = Statement(form=sighting.statement.form, data=sighting.statement.data[:-3] + b"AA\n")
    damaged: dict[str, Any] = {which: replace(sighting, statement=forged)}
    with pytest.raises((DecodeError, VerifyError)):
        verify_conflict(replace(conflict, **damaged), RELAY)


@pytest.mark.parametrize(
    ("first", "second", "proof"),
    [
        (OWN, OWN, None),
        (OWN, log.head(SIZE), None),
        (OWN, log.checkpoint(7), log.other_prefix(7)),
        (OWN, log.checkpoint(7, 1), log.other_prefix(6)),
        (OWN, log.checkpoint(7, 1), OtherPrefix(root=log.root(7), path=log.other_prefix(7).path[:-1])),
        (OWN, log.checkpoint(7, 1), OtherPrefix(root=bytes(32), path=log.other_prefix(7).path)),
        (log.checkpoint(SIZE, 1), log.checkpoint(7, 1), log.other_prefix(7)),
        (OWN, log.checkpoint(SIZE, 1), OtherPrefix(root=log.root(SIZE), path=())),
        (OWN, log.checkpoint(7, 1), log.other_leaf(6)),
        (log.head(7, 1), OWN, log.other_leaf(6)),
        (log.receipt(10), OWN, log.other_leaf(9)),
        (log.receipt(10, 1), OWN, log.other_leaf(7)),
        (log.receipt(10, 1), OWN, log.other_leaf(10)),
        (log.receipt(10, 1), OWN, replace(log.other_leaf(9), leaf=bytes(32))),
        (log.receipt(10, 1), log.checkpoint(9), log.other_leaf(9)),
    ],
)  # fmt: skip
def test_what_shows_no_contradiction_is_no_evidence(first: Statement, second: Statement, proof: Proof | None) -> None:
    with refused(Code.PROOF, VerifyError):
        verify_conflict(log.conflict(first, second, proof), RELAY)


def head(size: int, fork: int = 0) -> Checkpoint:
    return Checkpoint(origin=x.ORIGIN, size=size, root=log.root(size, fork))


@pytest.mark.parametrize("new", range(2, SIZE + 1))
def test_a_path_shows_the_other_root_of_every_size_but_powers_of_two(new: int) -> None:
    for old in range(1, new):
        path = consistency_path(log.tree().read, old, new)
        found = other_prefix(head(old, 1), head(new), path)
        differs, shows = old > 4, old & (old - 1) != 0
        assert found == (OtherPrefix(root=log.root(old), path=path) if differs and shows else None)
        if found is not None:
            conflict = log.conflict(log.checkpoint(old, 1), log.checkpoint(new), found)
            assert verify_conflict(conflict, RELAY).verdict is Verdict.OTHER_PREFIX


def test_a_path_that_leads_nowhere_shows_nothing() -> None:
    path = log.other_prefix(7).path
    for damaged in ((), path[:-1], (*path, bytes(32)), (bytes(32),) * 65, (bytes(31), *path[1:])):
        assert other_prefix(head(7, 1), head(SIZE), damaged) is None
    assert other_prefix(head(7, 1), head(SIZE, 1), path) is None
    assert other_prefix(head(0), head(SIZE), path) is None


@given(st.integers(2, SIZE), st.data())
def test_no_honest_log_can_be_accused(new: int, data: st.DataObject) -> None:
    old = data.draw(st.integers(1, new - 1))
    index = data.draw(st.integers(0, new - 1))
    paths = consistency_path(log.tree().read, old, new), inclusion_path(log.tree().read, index, new)
    path = tuple(data.draw(st.permutations([*paths[0], *paths[1]])))[: data.draw(st.integers(0, 8))]
    root = data.draw(st.sampled_from([log.root(old), log.root(old, 1), bytes(32), *paths[0]]))
    leaf = data.draw(st.sampled_from([*log.tree().leaves, *log.tree(1).leaves]))
    proofs: list[Proof] = [OtherPrefix(root=root, path=path), OtherLeaf(index=index, leaf=leaf, path=paths[1])]
    for proof in proofs:
        for first in (log.checkpoint(old), log.receipt(old, count=min(old, 2))):
            with refused(Code.PROOF, VerifyError):
                verify_conflict(log.conflict(first, log.checkpoint(new), proof), RELAY)


# ---- as bytes


def test_evidence_comes_back() -> None:
    assert decode_evidence(EVIDENCE) == log.conflicts()


def changed(value: object, *path: int) -> bytes:
    """The evidence with one field of its first conflict that has a path replaced."""
    whole = cbor.decode(EVIDENCE, max_bytes=limits.MIB)
    place: Any = whole
    for step in path[:-1]:
        place = place[step]
    place[path[-1]] = value
    return cbor.encode(whole)


@pytest.mark.parametrize(
    ("value", "path"),
    [
        ("amanah/log-evidence/2", (0,)),
        ([], (1,)),
        ([[]] * (MAX_CONFLICTS + 1), (1,)),
        (7, (1, 0, 0)),
        (0, (1, 0, 1, 0)),
        (4, (1, 0, 1, 0)),
        ("text", (1, 0, 1, 1)),
        (0, (1, 0, 1, 2)),
        (7, (1, 0, 1, 2)),
        (-1, (1, 0, 1, 3)),
        (bytes(32), (1, 0, 1, 4)),
        (bytes(16), (1, 0, 1, 5)),
        (b"", (1, 0, 2, 4)),
        (bytes(31), (1, 0, 2, 4)),
        ([bytes(32)], (1, 1, 3)),
        ([bytes(31), []], (1, 1, 3)),
        ([bytes(32), [bytes(31)]], (1, 1, 3)),
        ([-1, bytes(32), []], (1, 1, 3)),
        ([1, bytes(32), [], 0], (1, 1, 3)),
    ],
)
def test_what_is_no_evidence_is_not_read(value: object, path: tuple[int, ...]) -> None:
    with refused(Code.BAD_TYPE, DecodeError):
        decode_evidence(changed(value, *path))
