from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from amanah_protocol.mls import tree_math

SIZES = [1 << depth for depth in range(8)]


@pytest.mark.parametrize("leaves", SIZES)
def test_every_node_but_the_root_is_a_child_of_its_parent(leaves: int) -> None:
    top = tree_math.root(leaves)
    for node in range(tree_math.width(leaves)):
        if node == top:
            continue
        above = tree_math.parent(node)
        children = {tree_math.left(above), tree_math.right(above)}
        assert children == {node, tree_math.sibling(node)}
        assert tree_math.level(above) == tree_math.level(node) + 1


@pytest.mark.parametrize("leaves", SIZES)
def test_a_direct_path_goes_from_the_parent_to_the_root(leaves: int) -> None:
    for leaf in range(leaves):
        path = tree_math.direct_path(leaf, leaves)
        assert [tree_math.level(node) for node in path] == list(range(1, len(path) + 1))
        assert (path[-1] if path else 2 * leaf) == tree_math.root(leaves)
        assert all(tree_math.is_below(leaf, node) for node in path)


@pytest.mark.parametrize("leaves", SIZES)
def test_the_leaves_below_a_node_are_those_whose_paths_hold_it(leaves: int) -> None:
    for node in range(tree_math.width(leaves)):
        found = [leaf for leaf in range(leaves) if node in (2 * leaf, *tree_math.direct_path(leaf, leaves))]
        assert list(tree_math.leaves_below(node)) == found


@given(st.integers(0, 1023), st.integers(0, 1023))
def test_a_common_ancestor_is_the_lowest_node_on_both_paths(left: int, right: int) -> None:
    if left == right:
        return
    other = tree_math.direct_path(right, 1024)
    assert tree_math.common_ancestor(left, right) == next(
        node for node in tree_math.direct_path(left, 1024) if node in other
    )
