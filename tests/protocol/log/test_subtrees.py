from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from functools import partial

import pytest
from hypothesis import given
from hypothesis import strategies as st

from amanah_client.mldsa import MlDsaKey
from amanah_protocol.crypto import SigningKey
from amanah_protocol.errors import Code, UsageError, VerifyError
from amanah_protocol.log.merkle import (
    EMPTY_ROOT,
    MAX_PATH,
    MAX_TREE_SIZE,
    consistency_path,
    inclusion_path,
    is_subtree,
    leaf_hash,
    node_hash,
    subtree_consistency_path,
    subtree_inclusion_path,
    subtree_root,
    verify_subtree_consistency,
    verify_subtree_inclusion,
)
from amanah_protocol.log.note_keys import NoteSigner, SignatureType
from amanah_protocol.types import LeafHash
from tests.protocol.log.reference import RecursiveTree
from tests.protocol.log.trees import StoredTree, entries

LEAVES = 300
REFERENCE = RecursiveTree(entries(LEAVES))
STORED = StoredTree(entries(LEAVES))
TREES = 64
"""Every subtree of every tree of up to this many leaves."""

# What filippo.io/torchwood (subtree_test.go) publishes: SHA-256 of one line for each subtree in 130 leaves, each
# leaf's entry being its number in one byte; for the proofs, of each subtree in each tree.
PUBLISHED = 130
PUBLISHED_HASHES = "b82806ad4265bb151c1119c0f4db437bb4d1a1f887b3a7fba1cd4ebf552e3e81"
PUBLISHED_INCLUSION = "ac2a8f989e44d99e399db448050ff5f19757df53cfb716aa81015d3955d8163f"
PUBLISHED_CONSISTENCY = "10fa99b37bf9bf9ffa26b412fbd98bd75363256d0b75d61bc4538b9c9c5a0a74"


def subtrees(size: int) -> Iterator[tuple[int, int]]:
    """Those with leaves, of a tree, in no other way than the definition says."""
    for end in range(1, size + 1):
        for start in range(end):
            width = 1
            while width < end - start:
                width *= 2
            if start % width == 0:
                yield start, end


def refused(call: Callable[[], None]) -> bool:
    with pytest.raises(VerifyError) as caught:
        call()
    return caught.value.code is Code.PROOF


def flip(value: bytes) -> bytes:
    return bytes([value[0] ^ 1]) + value[1:]


@pytest.mark.parametrize(
    ("start", "end", "valid"),
    [
        (0, 1, True), (4, 8, True), (8, 13, True), (0, 13, True), (2, 4, True), (6, 8, True), (0, 0, True),
        (5, 5, True), (2, 6, False), (5, 13, False), (1, 7, False), (7, 9, False), (5, 3, False), (-1, 3, False),
        (-4, 0, False), (0, MAX_TREE_SIZE, True), (0, MAX_TREE_SIZE + 1, False), (2**62, MAX_TREE_SIZE, True),
    ],
)  # fmt: skip
def test_a_subtree_starts_at_a_multiple_of_the_power_of_two_that_holds_it(start: int, end: int, valid: bool) -> None:  # noqa: FBT001 - a parameter of the table
    assert is_subtree(start, end) is valid


def test_hashes_and_proofs_are_those_another_implementation_publishes() -> None:
    tree = StoredTree([bytes([number]) for number in range(PUBLISHED)])
    every = [(start, end) for end in range(PUBLISHED + 1) for start in range(end + 1) if is_subtree(start, end)]
    hashes = hashlib.sha256()
    for start, end in every:
        hashes.update(f"[{start}, {end}) {subtree_root(tree.read, start, end).hex()}\n".encode())
    assert hashes.hexdigest() == PUBLISHED_HASHES
    inclusion = hashlib.sha256()
    for start, end in every:
        for index in range(start, end):
            path = subtree_inclusion_path(tree.read, index, start, end)
            inclusion.update(" ".join([f"{index} [{start}, {end})", *map(bytes.hex, path)]).encode() + b"\n")
    assert inclusion.hexdigest() == PUBLISHED_INCLUSION
    consistency = hashlib.sha256()
    for size in range(PUBLISHED + 1):
        for start, end in every:
            if end <= size:
                path = subtree_consistency_path(tree.read, start, end, size)
                consistency.update(" ".join([f"[{start}, {end}) {size}", *map(bytes.hex, path)]).encode() + b"\n")
    assert consistency.hexdigest() == PUBLISHED_CONSISTENCY


def test_the_proofs_of_the_draft_hold_the_nodes_that_it_names() -> None:
    mth = REFERENCE.mth
    assert subtree_inclusion_path(STORED.read, 10, 8, 13) == (mth(11, 12), mth(8, 10), mth(12, 13))
    assert subtree_consistency_path(STORED.read, 4, 8, 14) == (mth(0, 4), mth(8, 14))
    assert subtree_consistency_path(STORED.read, 8, 13, 14) == (mth(12, 13), mth(13, 14), mth(8, 12), mth(0, 8))


def test_every_subtree_of_a_small_tree_is_that_of_the_recursive_definition(scale: int) -> None:
    for start, end in subtrees(TREES * min(scale, 4)):
        root = subtree_root(STORED.read, start, end)
        assert root == REFERENCE.mth(start, end)
        for index in range(start, end):
            path = subtree_inclusion_path(STORED.read, index, start, end)
            assert list(path) == REFERENCE.path(index - start, start, end)
            verify_subtree_inclusion(STORED.leaves[index], index, start, end, path, root)


def test_every_subtree_of_every_small_tree_is_proven_as_the_recursive_definition_says(scale: int) -> None:
    for size in range(1, TREES * min(scale, 2) + 1):
        tree_root = REFERENCE.mth(0, size)
        for start, end in subtrees(size):
            path, root = subtree_consistency_path(STORED.read, start, end, size), REFERENCE.mth(start, end)
            assert list(path) == REFERENCE.subtree_proof(start, end, size)
            verify_subtree_consistency(start, end, root, size, tree_root, path)


def test_every_prefix_and_every_leaf_is_a_subtree_whose_proof_is_the_one_of_the_rfc(scale: int) -> None:
    for size in range(1, min(100 * scale, LEAVES) + 1):
        for end in range(1, size + 1):
            path = subtree_consistency_path(STORED.read, 0, end, size)
            assert list(path) == REFERENCE.subtree_proof(0, end, size) == REFERENCE.proof(end, size)
    for size in (1, 2, 7, 64, 299, 300):
        for index in range(size):
            single = subtree_consistency_path(STORED.read, index, index + 1, size)
            assert (
                single
                == inclusion_path(STORED.read, index, size)
                == subtree_inclusion_path(STORED.read, index, 0, size)
            )
        assert subtree_consistency_path(STORED.read, 0, size, LEAVES) == consistency_path(STORED.read, size, LEAVES)


def test_no_proof_of_a_subtree_verifies_for_a_tree_that_has_other_leaves_there() -> None:
    """Each leaf of each subtree of one tree is replaced in turn, and the proof is made anew over what was forged."""
    size = 21
    for start, end in subtrees(size):
        for place in range(start, end):
            forged = entries(size)
            forged[place] = b"forged"
            other = RecursiveTree(forged)
            path, tree_root = other.subtree_proof(start, end, size), other.mth(0, size)
            verify_subtree_consistency(start, end, other.mth(start, end), size, tree_root, path)
            own = REFERENCE.mth(start, end)
            assert refused(partial(verify_subtree_consistency, start, end, own, size, tree_root, path))


@given(st.data())
def test_one_change_anywhere_in_a_consistency_proof_is_refused(data: st.DataObject) -> None:
    size = data.draw(st.integers(2, LEAVES))
    start, end = data.draw(st.sampled_from(sorted(subtrees(min(size, 40)))))
    path = list(subtree_consistency_path(STORED.read, start, end, size))
    root, tree_root = REFERENCE.mth(start, end), REFERENCE.mth(0, size)
    verify_subtree_consistency(start, end, root, size, tree_root, path)
    wrong = [[*path[:at], flip(node), *path[at + 1 :]] for at, node in enumerate(path)]
    wrong += [[*path, root], [root, *path], *([path[1:], path[:-1]] if path else [])]
    for other in wrong:
        assert refused(partial(verify_subtree_consistency, start, end, root, size, tree_root, other))
    assert refused(lambda: verify_subtree_consistency(start, end, flip(root), size, tree_root, path))
    assert refused(lambda: verify_subtree_consistency(start, end, root, size, flip(tree_root), path))


@given(st.data())
def test_one_change_anywhere_in_an_inclusion_proof_is_refused(data: st.DataObject) -> None:
    start, end = data.draw(st.sampled_from(sorted(subtrees(40))))
    index = data.draw(st.integers(start, end - 1))
    leaf, root = STORED.leaves[index], REFERENCE.mth(start, end)
    path = list(subtree_inclusion_path(STORED.read, index, start, end))
    verify_subtree_inclusion(leaf, index, start, end, path, root)
    for other in [[*path[:at], flip(node), *path[at + 1 :]] for at, node in enumerate(path)]:
        assert refused(partial(verify_subtree_inclusion, leaf, index, start, end, other, root))
    assert refused(lambda: verify_subtree_inclusion(LeafHash(flip(leaf)), index, start, end, path, root))
    for elsewhere in (start - 1, end, *(set(range(start, end)) - {index})):
        assert refused(partial(verify_subtree_inclusion, leaf, elsewhere, start, end, path, root))


@pytest.mark.parametrize(("start", "end"), [(1, 3), (2, 6), (7, 9), (5, 3), (-2, 0)])
def test_leaves_that_are_no_subtree_have_no_hash_and_no_proof(start: int, end: int) -> None:
    for call in (
        lambda: subtree_root(STORED.read, start, end),
        lambda: subtree_inclusion_path(STORED.read, start, start, end),
        lambda: subtree_consistency_path(STORED.read, start, end, 20),
    ):
        with pytest.raises(UsageError) as caught:
            call()
        assert caught.value.code is Code.NOT_FOUND
    root = STORED.leaves[0]
    assert refused(lambda: verify_subtree_inclusion(root, start, start, end, (), root))
    assert refused(lambda: verify_subtree_consistency(start, end, root, 20, root, ()))


def test_a_subtree_that_would_verify_if_it_were_one_is_refused() -> None:
    """Leaves 1 and 2 under a node of their own: the walk of a tree of two leaves would accept them."""
    first, second = STORED.leaves[1:3]
    verify_subtree_inclusion(first, 2, 2, 4, (second,), node_hash(first, second))
    assert refused(lambda: verify_subtree_inclusion(first, 1, 1, 3, (second,), node_hash(first, second)))


@pytest.mark.parametrize("size", [12, 2**63])
def test_a_tree_that_ends_before_the_subtree_does_not_hold_it(size: int) -> None:
    path, root, tree_root = subtree_consistency_path(STORED.read, 8, 13, 14), REFERENCE.mth(8, 13), REFERENCE.mth(0, 14)
    verify_subtree_consistency(8, 13, root, 14, tree_root, path)
    assert refused(lambda: verify_subtree_consistency(8, 13, root, size, tree_root, path))
    with pytest.raises(UsageError) as caught:
        subtree_consistency_path(STORED.read, 8, 13, size)
    assert caught.value.code is Code.NOT_FOUND


def test_an_empty_subtree_lies_in_every_tree_and_holds_nothing() -> None:
    assert subtree_root(STORED.read, 5, 5) == EMPTY_ROOT
    assert subtree_consistency_path(STORED.read, 5, 5, 9) == ()
    verify_subtree_consistency(5, 5, EMPTY_ROOT, 9, REFERENCE.mth(0, 9), ())
    assert refused(lambda: verify_subtree_consistency(5, 5, STORED.leaves[5], 9, REFERENCE.mth(0, 9), ()))
    assert refused(lambda: verify_subtree_consistency(5, 5, EMPTY_ROOT, 9, REFERENCE.mth(0, 9), (EMPTY_ROOT,)))
    assert refused(lambda: verify_subtree_inclusion(STORED.leaves[5], 5, 5, 5, (), EMPTY_ROOT))
    with pytest.raises(UsageError) as caught:
        subtree_inclusion_path(STORED.read, 5, 5, 5)
    assert caught.value.code is Code.NOT_FOUND


def test_a_hash_of_another_length_is_refused_even_under_a_root_made_for_it() -> None:
    leaf, long = STORED.leaves[2], bytes(33)
    verify_subtree_consistency(2, 3, leaf, 4, node_hash(bytes(32), node_hash(leaf, bytes(32))), (bytes(32),) * 2)
    forged = node_hash(bytes(32), node_hash(leaf, long))
    assert refused(lambda: verify_subtree_consistency(2, 3, leaf, 4, forged, (long, bytes(32))))


def test_proofs_reach_into_the_largest_tree_and_no_longer_path_is_read() -> None:
    levels: list[bytes] = [leaf_hash(b"same")]
    for _ in range(63):
        levels.append(node_hash(levels[-1], levels[-1]))

    def read(level: int, index: int) -> bytes:
        assert 0 <= (index + 1) << level <= MAX_TREE_SIZE
        return levels[level]

    tree_root = subtree_root(read, 0, MAX_TREE_SIZE)
    for start, end in ((0, 1), (2**62, MAX_TREE_SIZE), (2**62, MAX_TREE_SIZE - 1), (0, 2**62 + 1), (2**40, 2**41)):
        path, root = subtree_consistency_path(read, start, end, MAX_TREE_SIZE), subtree_root(read, start, end)
        assert len(path) <= MAX_PATH
        verify_subtree_consistency(start, end, root, MAX_TREE_SIZE, tree_root, path)
    assert refused(lambda: verify_subtree_consistency(0, 1, levels[0], MAX_TREE_SIZE, tree_root, [levels[0]] * 65))


ORIGIN = "log.example/incidents"
COSIGNER = NoteSigner(name="witness.example", key=MlDsaKey(bytes(32)), kind=SignatureType.ML_DSA_44)


def test_a_subtree_is_cosigned_without_a_time_and_verifies() -> None:
    root = REFERENCE.mth(8, 13)
    line = COSIGNER.sign_subtree(origin=ORIGIN, start=8, end=13, root=root)
    assert (line.name, line.key_id, line.signature[:8]) == ("witness.example", COSIGNER.verifier.key_id, bytes(8))
    parts = {"origin": ORIGIN, "start": 8, "end": 13, "root": root}
    assert COSIGNER.verifier.verify_subtree(line.signature, **parts) == 0  # type: ignore[arg-type]  # each value has its argument's type
    timed = (1).to_bytes(8, "big") + line.signature[8:]
    for changed, signature in (
        ({"origin": "log.example/other"}, line.signature),
        ({"start": 0}, line.signature),
        ({"end": 14}, line.signature),
        ({"start": 7}, line.signature),
        ({"root": flip(root)}, line.signature),
        ({}, timed),
        ({}, line.signature[:-1]),
        ({}, b""),
    ):
        with pytest.raises(VerifyError) as caught:
            COSIGNER.verifier.verify_subtree(signature, **parts | changed)  # type: ignore[arg-type]  # the same
        assert caught.value.code is Code.SIGNATURE


def test_a_prefix_that_is_not_the_whole_log_may_be_cosigned_with_a_time_and_is_a_checkpoint() -> None:
    root = REFERENCE.mth(0, 13)
    line = COSIGNER.sign_subtree(origin=ORIGIN, start=0, end=13, root=root, time_s=7)
    assert COSIGNER.verifier.verify_subtree(line.signature, origin=ORIGIN, start=0, end=13, root=root) == 7
    with pytest.raises(UsageError) as caught:
        COSIGNER.sign_subtree(origin=ORIGIN, start=8, end=13, root=root, time_s=7)
    assert caught.value.code is Code.USAGE


def test_what_is_no_subtree_is_not_cosigned() -> None:
    with pytest.raises(UsageError) as caught:
        COSIGNER.sign_subtree(origin=ORIGIN, start=7, end=9, root=bytes(32))
    assert caught.value.code is Code.MALFORMED


def test_keys_of_other_types_cosign_no_subtrees() -> None:
    for kind in (SignatureType.ED25519, SignatureType.COSIGNATURE):
        signer = NoteSigner(name="witness.example", key=SigningKey(bytes(32)), kind=kind)
        with pytest.raises(UsageError) as caught:
            signer.sign_subtree(origin=ORIGIN, start=0, end=4, root=bytes(32))
        assert caught.value.code is Code.USAGE
        with pytest.raises(VerifyError) as refusal:
            signer.verifier.verify_subtree(bytes(72), origin=ORIGIN, start=0, end=4, root=bytes(32))
        assert refusal.value.code is Code.SIGNATURE
