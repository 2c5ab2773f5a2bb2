"""The tree against a plain one: nodes in a list, hashes and resolutions worked out anew by the words of the RFC."""

from __future__ import annotations

from functools import lru_cache
from hashlib import sha256
from random import Random
from typing import Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from amanah_protocol.errors import Code, DecodeError
from amanah_protocol.mls import tree_math
from amanah_protocol.mls.codec import opaque, optional, u8, u32, vector
from amanah_protocol.mls.leaf_node import LeafNode, Place
from amanah_protocol.mls.ratchet_tree import (
    MAX_LEAVES,
    ParentNode,
    RatchetTree,
    decode_ratchet_tree,
)
from amanah_protocol.mls.rules import InvalidError, Rule
from amanah_protocol.mls.suites import X25519_CHACHA20POLY1305
from tests.protocol.mls.franken import LeafForm, repath
from tests.protocol.mls.stage import GROUP_ID, identity_of
from tests.protocol.refusal import refused

SUITE: Final = X25519_CHACHA20POLY1305


@lru_cache(maxsize=4_096)
def leaf(number: int) -> LeafNode:
    """One of many leaves."""
    seed = sha256(u32(number)).digest()
    return LeafForm.of(identity_of(f"member {number}", SUITE), SUITE.kem.derive_key_pair(seed).public).sign()


def plain_hash(tree: RatchetTree, node: int) -> bytes:
    """Section 7.8, without anything kept."""
    found = tree[node]
    if node % 2 == 0:
        there = found.encoded if isinstance(found, LeafNode) else None
        return sha256(u8(1) + u32(node // 2) + optional(there)).digest()
    children = b"".join(opaque(plain_hash(tree, child)) for child in (tree_math.left(node), tree_math.right(node)))
    there = found.encode() if isinstance(found, ParentNode) else None
    return sha256(u8(2) + optional(there) + children).digest()


def plain_resolution(tree: RatchetTree, node: int) -> list[int]:
    """Section 4.1.1."""
    found = tree[node]
    if isinstance(found, ParentNode):
        return [node] + [2 * unmerged for unmerged in found.unmerged_leaves]
    if isinstance(found, LeafNode):
        return [node]
    if node % 2 == 0:
        return []
    return plain_resolution(tree, tree_math.left(node)) + plain_resolution(tree, tree_math.right(node))


def check_against_plain(tree: RatchetTree, members: dict[int, LeafNode]) -> None:
    """Everything that the tree says of itself is what a slow look finds."""
    assert dict(tree.members()) == members
    for node in range(tree_math.width(tree.leaves)):
        assert tree.hash(node) == plain_hash(tree, node)
        assert tree.resolution(node) == plain_resolution(tree, node)
    for index in members:
        filtered = [(node, beside) for node, beside in tree.copath(index) if plain_resolution(tree, beside)]
        assert tree.filtered_direct_path(index) == filtered
    again = decode_ratchet_tree(tree.encode())
    assert again.encode() == tree.encode()
    assert again.hash() == tree.hash()
    assert again.leaves == tree.leaves
    assert tree.leaves == 1 or max(members) >= tree.leaves // 2
    tree.check_unmerged_leaves()
    tree.check_parent_hashes()


STEPS: Final = st.lists(
    st.tuples(st.sampled_from(("add", "remove", "update", "path")), st.integers(0, 1 << 16)), max_size=30
)


@given(STEPS)
def test_every_history_leads_to_the_tree_that_a_plain_model_has(steps: list[tuple[str, int]]) -> None:
    random = Random(1).randbytes
    tree, members = RatchetTree.of(leaf(0)), {0: leaf(0)}
    for number, (what, choice) in enumerate(steps, 1):
        index = sorted(members)[choice % len(members)]
        match what:
            case "add":
                free = next(place for place in range(len(members) + 1) if place not in members)
                tree, index = tree.with_leaf(leaf(number))
                assert index == free
                members[index] = leaf(number)
            case "remove" if len(members) > 1:
                tree = tree.without(index)
                del members[index]
            case "update":
                tree = tree.with_update(index, leaf(number))
                members[index] = leaf(number)
            case _:
                tree = repath(tree, SUITE, identity_of("x", SUITE), Place(GROUP_ID, index), random)
                changed = tree.leaf(index)
                assert changed is not None
                members[index] = changed
        check_against_plain(tree, members)


def test_an_operation_leaves_the_tree_that_it_was_done_on_as_it_was() -> None:
    tree = RatchetTree.of(leaf(0))
    for number in range(1, 6):
        tree, _ = tree.with_leaf(leaf(number))
    before, before_hash = tree.encode(), tree.hash()
    tree.with_leaf(leaf(9))
    tree.without(5)
    tree.with_update(2, leaf(9))
    repath(tree, SUITE, identity_of("x", SUITE), Place(GROUP_ID, 3), Random(1).randbytes)
    assert (tree.encode(), tree.hash()) == (before, before_hash)
    assert plain_hash(tree, tree_math.root(tree.leaves)) == before_hash


def test_a_tree_grows_to_its_bound_and_no_further() -> None:
    tree = RatchetTree.of(leaf(0))
    for _ in range(MAX_LEAVES - 1):
        tree, _ = tree.with_leaf(leaf(1))
    assert tree.leaves == MAX_LEAVES
    assert decode_ratchet_tree(tree.encode()).leaves == MAX_LEAVES
    with pytest.raises(InvalidError) as caught:
        tree.with_leaf(leaf(1))
    assert caught.value.rule is Rule.TREE_SIZE


def test_a_leaf_beyond_the_tree_is_nobody() -> None:
    tree = RatchetTree.of(leaf(0))
    assert tree.leaf(1) is None
    assert tree.leaf(-1) is None
    assert tree.leaf((1 << 32) - 1) is None


def test_long_lists_of_unmerged_leaves_cost_no_more_than_reading_them(monkeypatch: pytest.MonkeyPatch) -> None:
    """A list that is too long for the tree is refused before any list is searched in another."""
    tree = RatchetTree.of(leaf(0))
    for number in range(1, 4):
        tree, _ = tree.with_leaf(leaf(number))
    endless = ParentNode(encryption_key=bytes(32), parent_hash=b"", unmerged_leaves=tuple(range(100_000)))
    shown = RatchetTree([tree[0], endless, tree[2], endless, tree[4], endless, tree[6]], [None] * 7)
    looked_up: list[int] = []
    real = tree_math.direct_path

    def look_up(leaf: int, leaves: int) -> tuple[int, ...]:
        looked_up.append(leaf)
        return real(leaf, leaves)

    monkeypatch.setattr(tree_math, "direct_path", look_up)
    with pytest.raises(InvalidError) as caught:
        shown.check_unmerged_leaves()
    assert caught.value.rule is Rule.UNMERGED_LEAF
    assert not looked_up


def test_a_node_of_no_type_is_refused() -> None:
    with refused(Code.MALFORMED, DecodeError):
        decode_ratchet_tree(vector([b"\x01\x03"]))
