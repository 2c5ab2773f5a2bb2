"""The ratchet tree (RFC 9420 sections 4.1 and 7): members at the leaves, shared keys above them.

A tree never changes: every operation gives another one that shares its nodes, and the hashes of all subtrees that
stayed as they were. Staging a commit therefore copies no more than a list of references.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Final, TypeAlias

from amanah_protocol.crypto import sha256
from amanah_protocol.limits import MAX_MEMBERS
from amanah_protocol.mls import tree_math
from amanah_protocol.mls.codec import Reader, decode, opaque, optional, read_u32, u8, u32, vector
from amanah_protocol.mls.leaf_node import LeafNode
from amanah_protocol.mls.rules import InvalidError, Rule

MAX_LEAVES: Final = 1 << MAX_MEMBERS.bit_length()
_LEAF: Final = 1
_PARENT: Final = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class ParentNode:
    """`ParentNode` (section 7.1).

    Attributes:
        encryption_key: HPKE public key; the members below hold its private key, but for the unmerged ones.
        parent_hash: Binds the node to the keys above it (section 7.9).
        unmerged_leaves: Leaves below that were added since the key was made, ascending.
    """

    encryption_key: bytes
    parent_hash: bytes
    unmerged_leaves: tuple[int, ...] = ()

    @classmethod
    def read(cls, reader: Reader) -> ParentNode:
        """Decode one."""
        return cls(encryption_key=reader.opaque(), parent_hash=reader.opaque(), unmerged_leaves=reader.vector(read_u32))

    def encode(self) -> bytes:
        """Its bytes."""
        unmerged = vector(u32(leaf) for leaf in self.unmerged_leaves)
        return opaque(self.encryption_key) + opaque(self.parent_hash) + unmerged

    def parent_hash_of_child(self, sibling_hash: bytes) -> bytes:
        """What a child's `parent_hash` says of this node (section 7.9); `sibling_hash` is of the other child."""
        return sha256(opaque(self.encryption_key) + opaque(self.parent_hash) + opaque(sibling_hash))


Node: TypeAlias = LeafNode | ParentNode
_NODES: Final[dict[int, Callable[[Reader], Node]]] = {_LEAF: LeafNode.read, _PARENT: ParentNode.read}


def _read_node(reader: Reader) -> Node:
    return reader.choice(1, _NODES, "node type")(reader)


class RatchetTree:
    """A ratchet tree of 2^d leaves."""

    __slots__ = ("_hashes", "_nodes")

    def __init__(self, nodes: list[Node | None], hashes: list[bytes | None]) -> None:
        """Made by `of`, `decode_ratchet_tree` or an operation on another tree."""
        self._nodes = nodes
        self._hashes = hashes

    @classmethod
    def of(cls, leaf: LeafNode) -> RatchetTree:
        """A tree of one leaf."""
        return cls([leaf], [None])

    # ---- looking

    def __getitem__(self, node: int) -> Node | None:
        """The node at a place; None where it is blank."""
        return self._nodes[node]

    @property
    def leaves(self) -> int:
        """How many leaves there is room for, a power of two."""
        return (len(self._nodes) + 1) // 2

    def leaf(self, index: int) -> LeafNode | None:
        """The leaf of a number; None where it is blank, or beyond the tree."""
        node = self._nodes[2 * index] if 0 <= index < self.leaves else None
        return node if isinstance(node, LeafNode) else None

    def parent(self, node: int) -> ParentNode | None:
        """The parent node at an odd place; None where it is blank."""
        found = self._nodes[node]
        return found if isinstance(found, ParentNode) else None

    def members(self) -> Iterator[tuple[int, LeafNode]]:
        """All leaves that are not blank, in order."""
        for index, node in enumerate(self._nodes[::2]):
            if isinstance(node, LeafNode):
                yield index, node

    def parents(self) -> Iterator[tuple[int, ParentNode]]:
        """All parent nodes that are not blank, in order of places."""
        for index, node in enumerate(self._nodes[1::2]):
            if isinstance(node, ParentNode):
                yield 2 * index + 1, node

    def resolution(self, node: int) -> list[int]:
        """The places whose keys together reach everyone below a node (section 4.1.1)."""
        found = self._nodes[node]
        if isinstance(found, ParentNode):
            return [node, *(2 * leaf for leaf in found.unmerged_leaves)]
        if found is not None:
            return [node]
        if not node & 1:
            return []
        return self.resolution(tree_math.left(node)) + self.resolution(tree_math.right(node))

    def copath(self, leaf: int) -> list[tuple[int, int]]:
        """The direct path of a leaf, each node with its child beside the path."""
        below, path = 2 * leaf, []
        for node in tree_math.direct_path(leaf, self.leaves):
            path.append((node, tree_math.right(node) if below < node else tree_math.left(node)))
            below = node
        return path

    def filtered_direct_path(self, leaf: int) -> list[tuple[int, int]]:
        """Of the direct path what has somebody beside it (section 4.1.2), each node with its child there."""
        return [(node, beside) for node, beside in self.copath(leaf) if self._is_inhabited(beside)]

    def _is_inhabited(self, node: int) -> bool:
        below = tree_math.leaves_below(node)
        return any(found is not None for found in self._nodes[2 * below.start : 2 * below.stop - 1])

    # ---- hashes

    def hash(self, node: int | None = None) -> bytes:
        """The tree hash of a subtree, or of the whole (section 7.8), 32 bytes."""
        if node is None:
            node = tree_math.root(self.leaves)
        known = self._hashes[node]
        if known is None:
            known = self._hashes[node] = self._hash(node, frozenset())
        return known

    def _hash(self, node: int, without: frozenset[int]) -> bytes:
        """The hash of a subtree in which some leaves are taken for blank and unmerged nowhere."""
        found = self._nodes[node]
        if not node & 1:
            there = isinstance(found, LeafNode) and node // 2 not in without
            encoded = optional(found.encoded if there and isinstance(found, LeafNode) else None)
            return sha256(u8(_LEAF) + u32(node // 2) + encoded)
        if isinstance(found, ParentNode) and without:
            unmerged = tuple(leaf for leaf in found.unmerged_leaves if leaf not in without)
            found = replace(found, unmerged_leaves=unmerged)
        encoded = optional(found.encode() if isinstance(found, ParentNode) else None)
        children = (tree_math.left(node), tree_math.right(node))
        left, right = (opaque(self._original_hash(child, without)) for child in children)
        return sha256(u8(_PARENT) + encoded + left + right)

    def _original_hash(self, node: int, without: frozenset[int]) -> bytes:
        """`original_sibling_tree_hash` (section 7.9): the hash of a subtree before these leaves were added."""
        below = tree_math.leaves_below(node)
        without = frozenset(leaf for leaf in without if leaf in below)
        return self._hash(node, without) if without else self.hash(node)

    # ---- changes

    def with_leaf(self, leaf: LeafNode) -> tuple[RatchetTree, int]:
        """Add a leaf at the first free place (section 7.7); gives the place too.

        Raises:
            InvalidError: `TREE_SIZE`.
        """
        index = next((index for index in range(self.leaves) if self._nodes[2 * index] is None), self.leaves)
        nodes, hashes = list(self._nodes), list(self._hashes)
        if index == self.leaves:
            if 2 * self.leaves > MAX_LEAVES:
                raise InvalidError(Rule.TREE_SIZE)
            more: list[None] = [None] * (len(nodes) + 1)
            nodes += more
            hashes += more
        tree = RatchetTree(nodes, hashes)
        tree._set(index, leaf)
        for node in tree_math.direct_path(index, tree.leaves):
            found = nodes[node]
            if isinstance(found, ParentNode):
                unmerged = tuple(sorted((*found.unmerged_leaves, index)))
                nodes[node] = replace(found, unmerged_leaves=unmerged)
        return tree, index

    def with_update(self, index: int, leaf: LeafNode) -> RatchetTree:
        """Replace a leaf and blank everything above it (section 12.1.2)."""
        tree = RatchetTree(list(self._nodes), list(self._hashes))
        tree._set(index, leaf)
        for node in tree_math.direct_path(index, tree.leaves):
            tree._nodes[node] = None
        return tree

    def without(self, index: int) -> RatchetTree:
        """Blank a leaf and everything above it; then cut off a half that is all blank (section 7.7)."""
        tree = RatchetTree(list(self._nodes), list(self._hashes))
        tree._set(index, None)
        for node in tree_math.direct_path(index, tree.leaves):
            tree._nodes[node] = None
        while tree.leaves > 1 and not tree._is_inhabited(tree_math.right(tree_math.root(tree.leaves))):
            kept = len(tree._nodes) // 2
            del tree._nodes[kept:], tree._hashes[kept:]
        return tree

    def with_path(self, index: int, leaf: LeafNode, parents: Iterable[tuple[int, ParentNode]]) -> RatchetTree:
        """Replace a leaf and the nodes of its filtered direct path; the rest above it is blank (section 7.5)."""
        tree = RatchetTree(list(self._nodes), list(self._hashes))
        tree._set(index, leaf)
        for node in tree_math.direct_path(index, tree.leaves):
            tree._nodes[node] = None
        for node, parent in parents:
            tree._nodes[node] = parent
        return tree

    def _set(self, index: int, leaf: LeafNode | None) -> None:
        self._nodes[2 * index] = leaf
        self._hashes[2 * index] = None
        for node in tree_math.direct_path(index, self.leaves):
            self._hashes[node] = None

    def path_nodes(self, index: int, keys: Sequence[bytes]) -> tuple[list[tuple[int, ParentNode]], bytes]:
        """The new nodes of a leaf's filtered direct path, and the parent hash of the leaf (section 7.9).

        Args:
            index: The leaf.
            keys: A public key for each node, from below.
        """
        nodes: list[tuple[int, ParentNode]] = []
        parent_hash = b""
        for (node, beside), key in zip(reversed(self.filtered_direct_path(index)), reversed(keys), strict=True):
            parent = ParentNode(encryption_key=key, parent_hash=parent_hash)
            nodes.append((node, parent))
            parent_hash = parent.parent_hash_of_child(self.hash(beside))
        return nodes[::-1], parent_hash

    # ---- checks

    def check_unmerged_leaves(self) -> None:
        """Unmerged leaves are leaves below, listed by all nodes in between (section 12.4.3.1).

        Raises:
            InvalidError: `UNMERGED_SORTED`, `UNMERGED_LEAF` or `UNMERGED_BETWEEN`.
        """
        listed: dict[int, frozenset[int]] = {}
        for node, parent in self.parents():
            unmerged = parent.unmerged_leaves
            if list(unmerged) != sorted(set(unmerged)):
                raise InvalidError(Rule.UNMERGED_SORTED)
            if not all(tree_math.is_below(leaf, node) and self.leaf(leaf) is not None for leaf in unmerged):
                raise InvalidError(Rule.UNMERGED_LEAF)
            listed[node] = frozenset(unmerged)
        # Only now is each list known to be no longer than its leaves are many: the work is bounded by the tree.
        for node, unmerged_set in listed.items():
            for leaf in unmerged_set:
                path = tree_math.direct_path(leaf, self.leaves)
                between = path[: path.index(node)]
                if not all(leaf in listed[lower] for lower in between if lower in listed):
                    raise InvalidError(Rule.UNMERGED_BETWEEN)

    def check_parent_hashes(self) -> None:
        """Every parent node was made by somebody below it together with all above (section 7.9.2).

        Raises:
            InvalidError: `PARENT_HASH`.
        """
        for node, parent in self.parents():
            left, right = tree_math.left(node), tree_math.right(node)
            if not self._is_bound(parent, left, right) and not self._is_bound(parent, right, left):
                raise InvalidError(Rule.PARENT_HASH)

    def _is_bound(self, parent: ParentNode, child: int, other: int) -> bool:
        """Whether the one node below `child` that was there when `parent` was made holds its parent hash."""
        unmerged = frozenset(parent.unmerged_leaves)
        made = [node for node in self.resolution(child) if node & 1 or node // 2 not in unmerged]
        if len(made) != 1:
            return False
        node = self._nodes[made[0]]
        assert node is not None  # noqa: S101 - narrows for mypy: a resolution holds no blank nodes
        return node.parent_hash == parent.parent_hash_of_child(self._original_hash(other, unmerged))

    # ---- bytes

    def encode(self) -> bytes:
        """`ratchet_tree` (section 12.4.3.3): all nodes up to the last that is not blank."""
        end = max(place for place, node in enumerate(self._nodes) if node is not None) + 1
        return vector(optional(_encode_node(node)) for node in self._nodes[:end])


def _encode_node(node: Node | None) -> bytes | None:
    if node is None:
        return None
    return u8(_LEAF) + node.encoded if isinstance(node, LeafNode) else u8(_PARENT) + node.encode()


def _read_nodes(reader: Reader) -> list[Node | None]:
    """Counted as they are read: a blank node is one byte, and millions of them would fit into one message."""
    inner = Reader(reader.opaque())
    nodes: list[Node | None] = []
    while inner.more:
        if len(nodes) == tree_math.width(MAX_LEAVES):
            raise InvalidError(Rule.TREE_SIZE)
        nodes.append(inner.optional(_read_node))
    return nodes


def decode_ratchet_tree(data: bytes) -> RatchetTree:
    """Decode a whole ratchet tree; what it says is not checked yet.

    Raises:
        DecodeError: `MALFORMED`.
        InvalidError: `TREE_EMPTY`, `TREE_TRAILING_BLANK`, `TREE_NODE_TYPE` or `TREE_SIZE`.
    """
    nodes = decode(data, _read_nodes)
    if not nodes:
        raise InvalidError(Rule.TREE_EMPTY)
    # A parent in the last place has nobody below its right child; no sequence of changes makes one.
    if nodes[-1] is None or not len(nodes) & 1:
        raise InvalidError(Rule.TREE_TRAILING_BLANK)
    for place, node in enumerate(nodes):
        if node is not None and isinstance(node, ParentNode) != bool(place & 1):
            raise InvalidError(Rule.TREE_NODE_TYPE)
    leaves = 1 << (len(nodes) // 2).bit_length()
    width = tree_math.width(leaves)
    filled = [*nodes, *([None] * (width - len(nodes)))]
    return RatchetTree(filled, [None] * width)
