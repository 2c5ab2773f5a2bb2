"""Arithmetic of the tree's array form (RFC 9420 appendix C).

Leaves stand at even places, parents at odd ones; a tree has 2^d leaves. Nodes are numbered by place,
leaves by half of it.
"""

from __future__ import annotations

from functools import lru_cache


def width(leaves: int) -> int:
    """Places of a tree of that many leaves."""
    return 2 * leaves - 1


def root(leaves: int) -> int:
    """The root of a tree of that many leaves, a power of two."""
    return leaves - 1


def level(node: int) -> int:
    """Height above the leaves; 0 for a leaf."""
    return (~node & (node + 1)).bit_length() - 1


def left(node: int) -> int:
    """The left child of a parent."""
    return node ^ (1 << (level(node) - 1))


def right(node: int) -> int:
    """The right child of a parent."""
    return node ^ (3 << (level(node) - 1))


def parent(node: int) -> int:
    """The parent of a node that is not the root."""
    height = level(node)
    return (node | (1 << height)) & ~(1 << (height + 1))


def sibling(node: int) -> int:
    """The other child of the node's parent."""
    above = parent(node)
    return right(above) if node < above else left(above)


@lru_cache(maxsize=4_096)
def direct_path(leaf: int, leaves: int) -> tuple[int, ...]:
    """Nodes above a leaf, from its parent to the root."""
    node, top = 2 * leaf, root(leaves)
    path = []
    while node != top:
        node = parent(node)
        path.append(node)
    return tuple(path)


def leaves_below(node: int) -> range:
    """Numbers of the leaves below a node; a leaf is below itself."""
    reach = (1 << level(node)) - 1
    return range((node - reach) // 2, (node + reach) // 2 + 1)


def is_below(leaf: int, node: int) -> bool:
    """Whether a leaf lies below a node, or is it."""
    return leaf in leaves_below(node)


def common_ancestor(left_leaf: int, right_leaf: int) -> int:
    """The lowest node above two different leaves."""
    x, y = 2 * left_leaf, 2 * right_leaf
    height = (x ^ y).bit_length()
    return (x >> height << height) + (1 << (height - 1)) - 1
