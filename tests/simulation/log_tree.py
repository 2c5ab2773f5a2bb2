"""The Merkle tree of a whole log, to hold promises of any size against."""

from __future__ import annotations

from collections.abc import Iterable

from amanah_protocol.log.merkle import Frontier
from amanah_protocol.types import LeafHash


class LogTree:
    """Roots of all sizes, and the complete subtrees that proofs are made of."""

    def __init__(self, leaves: Iterable[LeafHash]) -> None:
        """Take all leaves in order."""
        frontier = Frontier()
        self._nodes: dict[tuple[int, int], bytes] = {}
        self._roots = [frontier.root()]
        for leaf in leaves:
            self._nodes.update({(node.level, node.place): node.root for node in frontier.append(leaf)})
            self._roots.append(frontier.root())

    def read(self, level: int, place: int) -> bytes:
        """A complete subtree, as `merkle.ReadNode`."""
        return self._nodes[level, place]

    def root(self, size: int) -> bytes:
        """The root of the first `size` leaves."""
        return self._roots[size]
