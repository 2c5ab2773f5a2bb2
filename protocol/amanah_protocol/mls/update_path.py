"""Update paths as they travel (RFC 9420 section 7.6): the committer's new leaf and the new keys above it."""

from __future__ import annotations

from typing import NamedTuple

from amanah_protocol.mls.codec import Reader, opaque, vector
from amanah_protocol.mls.hpke import Ciphertext
from amanah_protocol.mls.leaf_node import LeafNode


class UpdatePathNode(NamedTuple):
    """The new public key of a node, and its path secret sealed to everyone below its other child."""

    encryption_key: bytes
    secrets: tuple[Ciphertext, ...]

    @classmethod
    def read(cls, reader: Reader) -> UpdatePathNode:
        """Decode one."""
        return cls(reader.opaque(), reader.vector(Ciphertext.read))

    def encode(self) -> bytes:
        """Its bytes."""
        return opaque(self.encryption_key) + vector(secret.encode() for secret in self.secrets)


class UpdatePath(NamedTuple):
    """The committer's new leaf, and the nodes of its filtered direct path, from below."""

    leaf_node: LeafNode
    nodes: tuple[UpdatePathNode, ...]

    @classmethod
    def read(cls, reader: Reader) -> UpdatePath:
        """Decode one."""
        return cls(LeafNode.read(reader), reader.vector(UpdatePathNode.read))

    def encode(self) -> bytes:
        """Its bytes."""
        return self.leaf_node.encoded + vector(node.encode() for node in self.nodes)
