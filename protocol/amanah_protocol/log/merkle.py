"""The Merkle tree of the log (RFC 9162 section 2.1): root, proofs, and their verification; the same for subtrees.

A subtree holds the leaves `start` to `end` (exclusive), where `start` is a multiple of the smallest power of
two that holds them all (draft-ietf-plants-merkle-tree-certs, section Subtrees). Its hash is that of a tree of
those leaves alone. Cosigners that sign subtrees prove one inside the tree; the prefix of a log is one too.

Nothing here recurses or holds the tree. Appending needs the right edge only (`Frontier`); a proof
reads about log2(size) hashes of complete subtrees through a `ReadNode`; verifying takes at most one
hash (for consistency two) per element of the path, and stops at the first element too many.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Final, NamedTuple, TypeAlias

from amanah_protocol.crypto import sha256
from amanah_protocol.errors import Code, UsageError, VerifyError
from amanah_protocol.types import LeafHash

HASH_BYTES: Final = 32
MAX_TREE_SIZE: Final = 2**63 - 1
"""The largest size that every C2SP implementation can hold in a signed 64-bit integer."""

MAX_PATH: Final = 64
"""Hashes in the longest proof: one per level, and for consistency one more."""

EMPTY_ROOT: Final = sha256(b"")
"""The root of a tree without leaves (RFC 9162 section 2.1.1)."""

# Different first bytes keep an inner node from being passed off as a leaf, and the other way round.
_LEAF: Final = b"\x00"
_NODE: Final = b"\x01"

ReadNode: TypeAlias = Callable[[int, int], bytes]
"""`read(level, index)`: the root of the complete subtree that holds the 2**level leaves from index * 2**level on.

Proofs ask only for subtrees that lie whole inside the tree whose size they are given. What is read is
trusted: a wrong hash gives a proof that does not verify.
"""


class Subtree(NamedTuple):
    """A complete subtree; a tuple, because one is made for every leaf while the log grows.

    Attributes:
        level: It holds 2**level leaves.
        place: Its index among the subtrees of that level, from 0.
        root: Its hash, 32 bytes.
    """

    level: int
    place: int
    root: bytes


def leaf_hash(entry: bytes) -> LeafHash:
    """Hash of a log entry: SHA-256(0x00 ‖ entry), 32 bytes."""
    return LeafHash(sha256(_LEAF + entry))


def node_hash(left: bytes, right: bytes) -> bytes:
    """Hash of an inner node: SHA-256(0x01 ‖ left ‖ right), 32 bytes."""
    return sha256(_NODE + left + right)


class Frontier:
    """The right edge of a tree: all that appending and the root need, at most 63 hashes.

    `edge` holds the roots of the complete subtrees that the leaves split into, one for each 1 bit of
    `size`, the largest and leftmost first.
    """

    __slots__ = ("_edge", "_size")

    def __init__(self, size: int = 0, edge: Sequence[bytes] = ()) -> None:
        """Restore a frontier from what `size` and `edge` gave; without arguments, the empty tree.

        Raises:
            UsageError: `BAD_TYPE` when the edge is not that of a tree of this size.
        """
        if not 0 <= size <= MAX_TREE_SIZE or len(edge) != size.bit_count():
            raise UsageError(Code.BAD_TYPE, f"{len(edge)} hashes are not the edge of a tree of size {size}")
        for node in edge:
            _check_hash(node)
        self._size = size
        self._edge = list(edge)

    @classmethod
    def load(cls, read: ReadNode, size: int) -> Frontier:
        """The frontier of the first `size` leaves, read from stored subtrees.

        Raises:
            UsageError: `BAD_TYPE` for a size out of range or a hash that is not 32 bytes.
        """
        if not 0 <= size <= MAX_TREE_SIZE:
            raise UsageError(Code.BAD_TYPE, f"no tree has the size {size}")
        return cls(size, _split(read, 0, size))

    @property
    def size(self) -> int:
        """Number of leaves."""
        return self._size

    @property
    def edge(self) -> tuple[bytes, ...]:
        """The hashes from which, with `size`, this frontier is restored."""
        return tuple(self._edge)

    def append(self, leaf: LeafHash) -> list[Subtree]:
        """Append a leaf.

        Returns:
            The subtrees that are now complete, from the leaf itself (level 0) upwards. Whoever stores
            them all can answer every later `ReadNode`.

        Raises:
            UsageError: `BAD_TYPE` when the leaf is not 32 bytes or the tree is full.
        """
        _check_hash(leaf)
        if self._size == MAX_TREE_SIZE:
            raise UsageError(Code.BAD_TYPE, "the tree is full")
        node: bytes = leaf
        level, index = 0, self._size
        complete = [Subtree(level, index, node)]
        while index & 1:
            node = node_hash(self._edge.pop(), node)
            level, index = level + 1, index >> 1
            complete.append(Subtree(level, index, node))
        self._edge.append(node)
        self._size += 1
        return complete

    def root(self) -> bytes:
        """The Merkle Tree Hash (RFC 9162 section 2.1.1), 32 bytes; one hash per 1 bit of the size."""
        return _fold(self._edge) if self._edge else EMPTY_ROOT

    def copy(self) -> Frontier:
        """A frontier that grows by itself; a batch that fails is forgotten with it."""
        return Frontier(self._size, self._edge)


def inclusion_path(read: ReadNode, index: int, size: int) -> tuple[bytes, ...]:
    """The inclusion proof of leaf `index`, from 0, in the tree of `size` leaves (RFC 9162 section 2.1.3.1).

    Returns:
        At most 63 hashes of 32 bytes, from the leaf's sibling to the root's child.

    Raises:
        UsageError: `NOT_FOUND` when a tree of this size has no such leaf.
    """
    if not 0 <= index < size <= MAX_TREE_SIZE:
        raise UsageError(Code.NOT_FOUND, f"a tree of size {size} has no leaf {index}")
    return _siblings(read, 0, index, size)


def consistency_path(read: ReadNode, old: int, new: int) -> tuple[bytes, ...]:
    """The proof that the first `old` leaves of a tree of size `new` are unchanged (RFC 9162 section 2.1.4.1).

    Returns:
        At most 64 hashes of 32 bytes; none when the sizes are equal.

    Raises:
        UsageError: `NOT_FOUND` unless 0 < old <= new. Every tree continues the empty one, so there is
            nothing to prove from size 0.
    """
    if not 0 < old <= new <= MAX_TREE_SIZE:
        raise UsageError(Code.NOT_FOUND, f"no proof leads from size {old} to size {new}")
    return subtree_consistency_path(read, 0, old, new)


def is_subtree(start: int, end: int) -> bool:
    """Whether the leaves `start` to `end` (exclusive) are a subtree; one without leaves may start anywhere."""
    return 0 <= start <= end <= MAX_TREE_SIZE and start % (1 << _height(start, end)) == 0


def subtree_root(read: ReadNode, start: int, end: int) -> bytes:
    """The hash of a subtree, 32 bytes; one hash per 1 bit of the number of its leaves.

    Raises:
        UsageError: `NOT_FOUND` when these leaves are no subtree.
    """
    _check_subtree(start, end)
    return _fold(_split(read, start, end)) if start < end else EMPTY_ROOT


def subtree_inclusion_path(read: ReadNode, index: int, start: int, end: int) -> tuple[bytes, ...]:
    """The inclusion proof of leaf `index` of the log in a subtree.

    Raises:
        UsageError: `NOT_FOUND` when these leaves are no subtree, or do not hold the leaf.
    """
    _check_subtree(start, end)
    return inclusion_path(lambda level, place: read(level, place + (start >> level)), index - start, end - start)


def subtree_consistency_path(read: ReadNode, start: int, end: int, size: int) -> tuple[bytes, ...]:
    """The proof that a subtree holds leaves of the tree of `size` leaves (SUBTREE_PROOF of the draft).

    From the first leaf on it is `consistency_path`, of a single leaf `inclusion_path`.

    Returns:
        At most 64 hashes of 32 bytes; none for a subtree without leaves, which every tree holds.

    Raises:
        UsageError: `NOT_FOUND` when these leaves are no subtree, or not all in the tree.
    """
    _check_subtree(start, end)
    if not end <= size <= MAX_TREE_SIZE:
        raise UsageError(Code.NOT_FOUND, f"a tree of size {size} does not hold the leaves {start} to {end}")
    if start == end:
        return ()
    level, index, known = _lowest_node(start, end, size)
    path = _siblings(read, level, index, size)
    return path if known else (read(level, index), *path)


def verify_inclusion(leaf: LeafHash, index: int, size: int, path: Sequence[bytes], root: bytes) -> None:
    """Verify that a leaf stands at `index` in the tree of `size` leaves under `root` (RFC 9162 section 2.1.3.2).

    Args:
        leaf: `leaf_hash` of the entry, made by the verifier; never taken from the prover.
        index: The leaf's place, from 0.
        size: The tree's size; with `root` from one verified checkpoint, since the path does not bind it.
        path: The proof, sibling of the leaf first.
        root: The tree's root.

    Raises:
        VerifyError: `PROOF`.
    """
    if not 0 <= index < size <= MAX_TREE_SIZE:
        raise _refusal(f"a tree of size {size} has no leaf {index}")
    _verify_lengths(path, leaf, root)
    node: bytes = leaf
    for _, sibling, on_left in _turns(0, index, size - 1, path):
        node = node_hash(sibling, node) if on_left else node_hash(node, sibling)
    if node != root:
        raise _refusal("the path leads to another root")


def verify_consistency(old_size: int, old_root: bytes, new_size: int, new_root: bytes, path: Sequence[bytes]) -> None:
    """Verify that the new tree starts with all leaves of the old one (RFC 9162 section 2.1.4.2).

    Equal sizes need equal roots and an empty path. From size 0 to a larger one is refused: such a proof
    would hold for every log and must not be taken for evidence; a caller that has seen nothing yet
    has nothing to verify.

    Raises:
        VerifyError: `PROOF`.
    """
    if not 0 <= old_size <= new_size <= MAX_TREE_SIZE:
        raise _refusal(f"size {new_size} does not continue size {old_size}")
    if not old_size:
        if path or new_size or old_root != EMPTY_ROOT or new_root != EMPTY_ROOT:
            raise _refusal("a proof from the empty tree proves nothing")
        return
    verify_subtree_consistency(0, old_size, old_root, new_size, new_root, path)


def verify_subtree_inclusion(
    leaf: LeafHash, index: int, start: int, end: int, path: Sequence[bytes], root: bytes
) -> None:
    """Verify that a leaf stands at `index` of the log in a subtree whose hash is `root`.

    Raises:
        VerifyError: `PROOF`.
    """
    if not is_subtree(start, end):
        raise _refusal(f"the leaves {start} to {end} are no subtree")
    verify_inclusion(leaf, index - start, end - start, path, root)


def verify_subtree_consistency(
    start: int, end: int, subtree: bytes, size: int, root: bytes, path: Sequence[bytes]
) -> None:
    """Verify that each leaf of a subtree is the leaf of the same index in a tree.

    Args:
        start: Index of the subtree's first leaf.
        end: Index after its last leaf. Every tree holds the empty subtree that ends at `start`; its `root` is not read.
        subtree: Hash of the subtree.
        size: Number of leaves of the tree.
        root: Root of the tree.
        path: What `subtree_consistency_path` gave.

    Raises:
        VerifyError: `PROOF`.
    """
    if not (is_subtree(start, end) and end <= size <= MAX_TREE_SIZE):
        raise _refusal(f"the leaves {start} to {end} are no subtree of a tree of size {size}")
    if start == end:
        if path or subtree != EMPTY_ROOT:
            raise _refusal("a subtree without leaves has one hash, and needs no path")
        return
    _verify_lengths(path, subtree, root)
    level, index, known = _lowest_node(start, end, size)
    if not (known or path):
        raise _refusal("a part of a tree needs a path")
    # A subtree that is a node of the tree is where the walk starts; else it starts at the first element.
    lowest, *rest = (subtree, *path) if known else path
    part = whole = lowest
    height = _height(start, end)
    for reached, sibling, on_left in _turns(level, index, (size - 1) >> level, rest):
        if not on_left:
            whole = node_hash(whole, sibling)
            continue
        whole = node_hash(sibling, whole)
        # From its height on, what stands to the left of the subtree is not in it.
        if reached < height:
            part = node_hash(sibling, part)
    if part != subtree:
        raise _refusal("the path leads to another subtree")
    if whole != root:
        raise _refusal("the path leads to another root")


def _height(start: int, end: int) -> int:
    """The level at which leaves `start` to `end` lie under one node, if they are a subtree."""
    return max(end - start - 1, 0).bit_length()


def _lowest_node(start: int, end: int, size: int) -> tuple[int, int, bool]:
    """Where the proof of a subtree in a tree starts: level, index, and whether that is the whole subtree.

    The whole subtree is a node of the tree when it is complete or ends where the tree ends. Else the proof starts
    at the last of the complete subtrees that it splits into.
    """
    height = _height(start, end)
    if end == size or end - start == 1 << height:
        return height, start >> height, True
    level = (end & -end).bit_length() - 1
    return level, (end >> level) - 1, False


def _split(read: ReadNode, start: int, end: int) -> list[bytes]:
    """The complete subtrees of leaves `start` to `end`, largest first; `start` is a multiple of the largest."""
    nodes = []
    for level in reversed(range((end - start).bit_length())):
        if (end - start) >> level & 1:
            nodes.append(read(level, start >> level))
            start += 1 << level
    return nodes


def _fold(nodes: Sequence[bytes]) -> bytes:
    """The root over what `_split` gave."""
    root = nodes[-1]
    for left in nodes[-2::-1]:
        root = node_hash(left, root)
    return root


def _siblings(read: ReadNode, level: int, index: int, size: int) -> tuple[bytes, ...]:
    """The siblings of a subtree and of all that it lies in, upwards; a last one may be incomplete."""
    path = []
    last = (size - 1) >> level
    while last:
        sibling = index ^ 1
        if sibling <= last:
            path.append(_fold(_split(read, sibling << level, min((sibling + 1) << level, size))))
        level, index, last = level + 1, index >> 1, last >> 1
    return tuple(path)


def _turns(level: int, index: int, last: int, path: Sequence[bytes]) -> Iterator[tuple[int, bytes, bool]]:
    """Walk up from node `index` of a level whose last node is `last`: level, sibling, and whether that is on the left.

    Steps 4 of RFC 9162 section 2.1.3.2 and 6 of section 2.1.4.2, which are the same walk.
    """
    for sibling in path:
        if not last:
            raise _refusal("the path is longer than the tree is high")
        on_left = bool(index & 1) or index == last
        yield level, sibling, on_left
        # On the right border a node without a sibling is lifted as it is.
        while on_left and not index & 1:
            level, index, last = level + 1, index >> 1, last >> 1
        level, index, last = level + 1, index >> 1, last >> 1
    if last:
        raise _refusal("the path ends below the root")


def _verify_lengths(path: Sequence[bytes], *hashes: bytes) -> None:
    # Before anything is hashed: what a peer sends sets no amount of work.
    if len(path) > MAX_PATH:
        raise _refusal(f"no path has more than {MAX_PATH} hashes")
    if any(len(value) != HASH_BYTES for value in (*hashes, *path)):
        raise _refusal("a hash in the proof is not 32 bytes long")


def _check_subtree(start: int, end: int) -> None:
    if not is_subtree(start, end):
        raise UsageError(Code.NOT_FOUND, f"the leaves {start} to {end} are no subtree")


def _check_hash(value: bytes) -> None:
    if len(value) != HASH_BYTES:
        raise UsageError(Code.BAD_TYPE, "a hash has 32 bytes")


def _refusal(why: str) -> VerifyError:
    return VerifyError(Code.PROOF, why)
