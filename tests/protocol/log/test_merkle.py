from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from amanah_protocol.errors import Code, UsageError, VerifyError
from amanah_protocol.log.merkle import (
    EMPTY_ROOT,
    MAX_PATH,
    MAX_TREE_SIZE,
    Frontier,
    Subtree,
    consistency_path,
    inclusion_path,
    leaf_hash,
    node_hash,
    verify_consistency,
    verify_inclusion,
)
from amanah_protocol.types import LeafHash
from tests.protocol.log.reference import RecursiveTree
from tests.protocol.log.trees import StoredTree, entries

LEAVES = 300
REFERENCE = RecursiveTree(entries(LEAVES))
STORED = StoredTree(entries(LEAVES))

# The tree that transparency-dev/merkle, certificate-transparency-go and others are tested with.
KNOWN_ENTRIES = ("", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f")
KNOWN_ROOTS = (
    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
)


def reader_of(size: int) -> Callable[[int, int], bytes]:
    """A `ReadNode` that fails the test when more than the tree of `size` is asked for."""

    def read(level: int, index: int) -> bytes:
        assert (index + 1) << level <= size
        return STORED.read(level, index)

    return read


def flip(value: bytes, bit: int) -> bytes:
    return bytes([*value[: bit // 8], value[bit // 8] ^ 1 << bit % 8, *value[bit // 8 + 1 :]])


def refuses(call: Callable[[], None]) -> None:
    with pytest.raises(VerifyError) as caught:
        call()
    assert caught.value.code is Code.PROOF


def test_the_roots_are_those_other_implementations_publish() -> None:
    frontier = Frontier()
    roots = [frontier.root().hex()]
    for entry in KNOWN_ENTRIES:
        frontier.append(leaf_hash(bytes.fromhex(entry)))
        roots.append(frontier.root().hex())
    assert tuple(roots) == KNOWN_ROOTS


def test_an_inner_node_is_never_the_hash_of_a_leaf() -> None:
    left, right = leaf_hash(b"left"), leaf_hash(b"right")
    assert node_hash(left, right) != leaf_hash(left + right)


def test_every_root_is_that_of_the_recursive_definition() -> None:
    frontier = Frontier()
    for size in range(LEAVES + 1):
        assert frontier.size == size
        assert frontier.root() == REFERENCE.mth(0, size)
        if size < LEAVES:
            frontier.append(STORED.leaves[size])


def test_appending_gives_each_complete_subtree_once() -> None:
    frontier = Frontier()
    given_out = [subtree for leaf in STORED.leaves for subtree in frontier.append(leaf)]
    assert given_out[:3] == [
        Subtree(0, 0, STORED.leaves[0]),
        Subtree(0, 1, STORED.leaves[1]),
        Subtree(1, 0, node_hash(STORED.leaves[0], STORED.leaves[1])),
    ]
    assert sorted((subtree.level, subtree.place) for subtree in given_out) == sorted(
        (level, place) for level in range(9) for place in range(LEAVES >> level)
    )
    for level, place, root in given_out:
        assert root == REFERENCE.mth(place << level, (place + 1) << level)


@pytest.mark.parametrize("size", [0, 1, 2, 3, 6, 7, 8, 255, 256, 257, LEAVES])
def test_a_frontier_is_restored_from_size_and_edge_and_from_stored_subtrees(size: int) -> None:
    grown = Frontier()
    for leaf in STORED.leaves[:size]:
        grown.append(leaf)
    for restored in (Frontier(grown.size, grown.edge), Frontier.load(reader_of(size), size), grown.copy()):
        assert (restored.size, restored.edge, restored.root()) == (size, grown.edge, REFERENCE.mth(0, size))
        restored.append(leaf_hash(b"next"))
        assert restored.root() == RecursiveTree([*entries(size), b"next"]).mth(0, size + 1)
    assert grown.root() == REFERENCE.mth(0, size)


def test_the_largest_tree_has_a_root_and_takes_no_further_leaf() -> None:
    full = Frontier(MAX_TREE_SIZE, [leaf_hash(b"")] * 63)
    assert len(full.root()) == 32
    with pytest.raises(UsageError) as caught:
        full.append(leaf_hash(b""))
    assert caught.value.code is Code.BAD_TYPE
    Frontier(MAX_TREE_SIZE - 1, [leaf_hash(b"")] * 62).append(leaf_hash(b""))


@pytest.mark.parametrize(
    ("size", "edge"),
    [
        (3, [bytes(32)]),
        (3, [bytes(32)] * 3),
        (3, [bytes(32), bytes(31)]),
        (-1, [bytes(32)]),
        (2**63, [bytes(32)]),
    ],
)
def test_an_edge_that_is_not_of_its_size_is_refused(size: int, edge: list[bytes]) -> None:
    assert Frontier(3, [bytes(32)] * 2).size == 3
    with pytest.raises(UsageError) as caught:
        Frontier(size, edge)
    assert caught.value.code is Code.BAD_TYPE


@pytest.mark.parametrize("size", [-1, 2**63])
def test_no_frontier_is_loaded_for_a_size_out_of_range(size: int) -> None:
    with pytest.raises(UsageError) as caught:
        Frontier.load(STORED.read, size)
    assert caught.value.code is Code.BAD_TYPE


def test_a_leaf_of_another_length_is_not_appended() -> None:
    frontier = Frontier()
    with pytest.raises(UsageError) as caught:
        frontier.append(LeafHash(bytes(31)))
    assert caught.value.code is Code.BAD_TYPE
    assert frontier.size == 0


def test_every_inclusion_path_is_that_of_the_recursive_definition_and_verifies() -> None:
    for size in range(1, LEAVES + 1):
        root, read = REFERENCE.mth(0, size), reader_of(size)
        for index in range(size):
            path = inclusion_path(read, index, size)
            assert list(path) == REFERENCE.path(index, 0, size)
            verify_inclusion(STORED.leaves[index], index, size, path, root)


def test_every_pair_of_prefixes_is_consistent_and_its_path_is_that_of_the_recursive_definition() -> None:
    roots = [REFERENCE.mth(0, size) for size in range(LEAVES + 1)]
    for new in range(1, LEAVES + 1):
        read = reader_of(new)
        for old in range(1, new + 1):
            path = consistency_path(read, old, new)
            assert list(path) == REFERENCE.proof(old, new)
            verify_consistency(old, roots[old], new, roots[new], path)


def test_no_proof_of_a_small_tree_verifies_for_another_history() -> None:
    """Every pair of sizes up to 40, against a log that differs from ours in one old leaf."""
    forged = entries(40)
    forged[0] = b"forged"
    other = RecursiveTree(forged)
    for new in range(1, 41):
        for old in range(1, new + 1):
            path = tuple(other.proof(old, new))
            verify_consistency(old, other.mth(0, old), new, other.mth(0, new), path)
            refuses(lambda: verify_consistency(old, REFERENCE.mth(0, old), new, other.mth(0, new), path))  # noqa: B023 - called at once


@given(st.data())
def test_one_changed_bit_anywhere_in_an_inclusion_proof_is_refused(data: st.DataObject) -> None:
    size = data.draw(st.integers(2, LEAVES))
    index = data.draw(st.integers(0, size - 1))
    path, root = list(inclusion_path(STORED.read, index, size)), REFERENCE.mth(0, size)
    place = data.draw(st.integers(0, len(path) - 1))
    bit = data.draw(st.integers(0, 255))
    leaf = STORED.leaves[index]
    verify_inclusion(leaf, index, size, path, root)
    refuses(lambda: verify_inclusion(LeafHash(flip(leaf, bit)), index, size, path, root))
    refuses(lambda: verify_inclusion(leaf, index, size, path, flip(root, bit)))
    changed = [*path[:place], flip(path[place], bit), *path[place + 1 :]]
    refuses(lambda: verify_inclusion(leaf, index, size, changed, root))
    elsewhere = data.draw(st.integers(0, size - 1).filter(lambda other: other != index))
    refuses(lambda: verify_inclusion(leaf, elsewhere, size, path, root))


@given(st.data())
def test_one_changed_bit_anywhere_in_a_consistency_proof_is_refused(data: st.DataObject) -> None:
    new = data.draw(st.integers(2, LEAVES))
    old = data.draw(st.integers(1, new - 1))
    path = list(consistency_path(STORED.read, old, new))
    old_root, new_root = REFERENCE.mth(0, old), REFERENCE.mth(0, new)
    place = data.draw(st.integers(0, len(path) - 1))
    bit = data.draw(st.integers(0, 255))
    verify_consistency(old, old_root, new, new_root, path)
    refuses(lambda: verify_consistency(old, flip(old_root, bit), new, new_root, path))
    refuses(lambda: verify_consistency(old, old_root, new, flip(new_root, bit), path))
    changed = [*path[:place], flip(path[place], bit), *path[place + 1 :]]
    refuses(lambda: verify_consistency(old, old_root, new, new_root, changed))


@pytest.mark.parametrize(("index", "size"), [(0, 2), (5, 7), (6, 7), (4, 8), (256, 257), (299, 300)])
def test_an_inclusion_path_of_another_length_is_refused(index: int, size: int) -> None:
    path, root = inclusion_path(STORED.read, index, size), REFERENCE.mth(0, size)
    verify_inclusion(STORED.leaves[index], index, size, path, root)
    for other in (path[:-1], path[1:], (*path, root), (root, *path), ()):
        refuses(lambda: verify_inclusion(STORED.leaves[index], index, size, other, root))  # noqa: B023 - called at once


@pytest.mark.parametrize(("old", "new"), [(1, 2), (3, 7), (4, 8), (6, 8), (7, 8), (255, 300), (256, 300)])
def test_a_consistency_path_of_another_length_is_refused(old: int, new: int) -> None:
    path, old_root, new_root = consistency_path(STORED.read, old, new), REFERENCE.mth(0, old), REFERENCE.mth(0, new)
    verify_consistency(old, old_root, new, new_root, path)
    for other in (path[:-1], path[1:], (*path, new_root), (old_root, *path), ()):
        refuses(lambda: verify_consistency(old, old_root, new, new_root, other))  # noqa: B023 - called at once


@pytest.mark.parametrize("length", [0, 31, 33, 64])
def test_a_hash_of_another_length_is_refused(length: int) -> None:
    path, root, wrong = inclusion_path(STORED.read, 2, 5), REFERENCE.mth(0, 5), bytes(length)
    verify_inclusion(STORED.leaves[2], 2, 5, path, root)
    refuses(lambda: verify_inclusion(LeafHash(wrong), 2, 5, path, root))
    refuses(lambda: verify_inclusion(STORED.leaves[2], 2, 5, path, wrong))
    refuses(lambda: verify_inclusion(STORED.leaves[2], 2, 5, (*path[:-1], wrong), root))
    path, old_root = consistency_path(STORED.read, 3, 5), REFERENCE.mth(0, 3)
    verify_consistency(3, old_root, 5, root, path)
    refuses(lambda: verify_consistency(3, wrong, 5, root, path))
    refuses(lambda: verify_consistency(3, old_root, 5, wrong, path))
    refuses(lambda: verify_consistency(3, old_root, 5, root, (*path[:-1], wrong)))


def test_a_sibling_of_another_length_is_refused_even_under_a_root_made_for_it() -> None:
    leaf, right, long = STORED.leaves[1], bytes(32), bytes(33)
    verify_inclusion(leaf, 1, 2, (right,), node_hash(right, leaf))
    refuses(lambda: verify_inclusion(leaf, 1, 2, (long,), node_hash(long, leaf)))
    verify_consistency(1, leaf, 2, node_hash(leaf, right), (right,))
    refuses(lambda: verify_consistency(1, leaf, 2, node_hash(leaf, long), (long,)))


def test_bytes_moved_between_two_hashes_are_refused() -> None:
    """Left and right are hashed in one string: without the check of lengths, the seam could move."""
    path, root = inclusion_path(STORED.read, 1, 2), REFERENCE.mth(0, 2)
    leaf = STORED.leaves[1]
    verify_inclusion(leaf, 1, 2, path, root)
    refuses(lambda: verify_inclusion(LeafHash(leaf[1:]), 1, 2, (path[0] + leaf[:1],), root))


@pytest.mark.parametrize(("index", "size"), [(-1, 5), (5, 5), (0, 0), (0, 2**63), (2**63, 2**63 + 1)])
def test_a_leaf_outside_of_the_tree_is_refused(index: int, size: int) -> None:
    refuses(lambda: verify_inclusion(STORED.leaves[0], index, size, (), STORED.leaves[0]))
    with pytest.raises(UsageError) as caught:
        inclusion_path(STORED.read, index, size)
    assert caught.value.code is Code.NOT_FOUND


def test_the_only_leaf_of_a_tree_is_its_root() -> None:
    assert inclusion_path(STORED.read, 0, 1) == ()
    verify_inclusion(STORED.leaves[0], 0, 1, (), STORED.leaves[0])


def test_a_path_longer_than_any_tree_is_refused_before_it_is_read() -> None:
    class Unread(list[bytes]):
        def __iter__(self) -> Iterator[bytes]:
            message = "the path was read"
            raise AssertionError(message)

    root = bytes(32)
    path = Unread([root] * (MAX_PATH + 1))
    refuses(lambda: verify_inclusion(STORED.leaves[0], 0, MAX_TREE_SIZE, path, root))
    refuses(lambda: verify_consistency(1, root, MAX_TREE_SIZE, root, path))


def test_proofs_reach_to_the_last_leaf_of_the_largest_tree() -> None:
    """Of a tree in which all leaves are one, complete subtrees of one level are one: it need not be stored."""
    levels: list[bytes] = [leaf_hash(b"same")]
    for _ in range(63):
        levels.append(node_hash(levels[-1], levels[-1]))

    def read(level: int, index: int) -> bytes:
        assert 0 <= (index + 1) << level <= MAX_TREE_SIZE
        return levels[level]

    new_root = Frontier.load(read, MAX_TREE_SIZE).root()
    for index in (0, 1, 2**62, MAX_TREE_SIZE - 1):
        path = inclusion_path(read, index, MAX_TREE_SIZE)
        verify_inclusion(LeafHash(levels[0]), index, MAX_TREE_SIZE, path, new_root)
    for old in (1, 2**62 - 1, 2**62, MAX_TREE_SIZE - 1):
        path = consistency_path(read, old, MAX_TREE_SIZE)
        assert len(path) <= MAX_PATH
        verify_consistency(old, Frontier.load(read, old).root(), MAX_TREE_SIZE, new_root, path)


def test_equal_sizes_need_equal_roots_and_no_path() -> None:
    root, other = REFERENCE.mth(0, 5), REFERENCE.mth(0, 6)
    assert consistency_path(STORED.read, 5, 5) == ()
    verify_consistency(5, root, 5, root, ())
    verify_consistency(0, EMPTY_ROOT, 0, EMPTY_ROOT, ())
    refuses(lambda: verify_consistency(5, root, 5, other, ()))
    refuses(lambda: verify_consistency(5, root, 5, root, (root,)))
    refuses(lambda: verify_consistency(0, root, 0, root, ()))


def test_the_empty_tree_proves_no_larger_one() -> None:
    refuses(lambda: verify_consistency(0, EMPTY_ROOT, 1, REFERENCE.mth(0, 1), ()))
    refuses(lambda: verify_consistency(0, EMPTY_ROOT, 1, REFERENCE.mth(0, 1), (REFERENCE.mth(0, 1),)))


@pytest.mark.parametrize(("old", "new"), [(0, 5), (-1, 5), (6, 5), (1, 2**63)])
def test_no_consistency_path_is_made_between_sizes_that_have_none(old: int, new: int) -> None:
    with pytest.raises(UsageError) as caught:
        consistency_path(STORED.read, old, new)
    assert caught.value.code is Code.NOT_FOUND


@pytest.mark.parametrize(("old", "new"), [(6, 5), (-1, 5), (5, 2**63)])
def test_a_log_that_shrinks_or_has_no_size_is_refused(old: int, new: int) -> None:
    refuses(lambda: verify_consistency(old, REFERENCE.mth(0, 5), new, REFERENCE.mth(0, 5), ()))
