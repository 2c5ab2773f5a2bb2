"""A log held in memory as a relay holds one: every complete subtree, under its level and place."""

from __future__ import annotations

from amanah_protocol.log.merkle import Frontier, leaf_hash


def entries(count: int) -> list[bytes]:
    """Distinct entries of different lengths; the first is empty."""
    return [b"entry" * (number % 7) + number.to_bytes(3, "big") if number else b"" for number in range(count)]


class StoredTree:
    """A tree whose `read` gives only what lies whole inside it."""

    def __init__(self, data: list[bytes]) -> None:
        self.leaves = [leaf_hash(entry) for entry in data]
        self.frontier = Frontier()
        self.subtrees = {
            (subtree.level, subtree.place): subtree.root
            for leaf in self.leaves
            for subtree in self.frontier.append(leaf)
        }

    def read(self, level: int, index: int) -> bytes:
        return self.subtrees[level, index]
