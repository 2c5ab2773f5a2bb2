"""Leaf nodes (RFC 9420 section 7.2): a member's keys, credential and capabilities, signed by the member."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import Final, NamedTuple

from amanah_protocol.crypto import SigningKey
from amanah_protocol.mls.codec import Reader, length, opaque, read_u16, u8, u16, u32, u64, vector
from amanah_protocol.mls.credential import (
    Credential,
    Extensions,
    ExtensionType,
    encode_extensions,
    read_extensions,
)
from amanah_protocol.mls.labelled import sign_with_label, verify_with_label
from amanah_protocol.mls.rules import Rule

MLS10: Final = 1
"""ProtocolVersion mls10."""


class Capabilities(NamedTuple):
    """What a client supports; default extensions and proposals are not named (section 7.2)."""

    versions: tuple[int, ...]
    suites: tuple[int, ...]
    extensions: tuple[int, ...] = ()
    proposals: tuple[int, ...] = ()
    credentials: tuple[int, ...] = ()

    @classmethod
    def read(cls, reader: Reader) -> Capabilities:
        """Decode one."""
        return cls(*(reader.vector(read_u16) for _ in range(5)))

    def encode(self) -> bytes:
        """Its bytes."""
        return b"".join(vector(u16(number) for number in numbers) for numbers in self)


class Lifetime(NamedTuple):
    """When a key package may be used: Unix time in seconds, both ends included."""

    not_before: int
    not_after: int

    @classmethod
    def read(cls, reader: Reader) -> Lifetime:
        """Decode one."""
        return cls(reader.uint(8), reader.uint(8))

    def encode(self) -> bytes:
        """Its bytes."""
        return u64(self.not_before) + u64(self.not_after)


class LeafSource(IntEnum):
    """How a leaf came into the tree."""

    KEY_PACKAGE = 1
    UPDATE = 2
    COMMIT = 3


SOURCES: Final = {source.value: source for source in LeafSource}


class Place(NamedTuple):
    """Where a leaf made in the group stands; its signature covers it, so that it fits nowhere else."""

    group_id: bytes
    leaf: int


@dataclass(frozen=True, slots=True, kw_only=True)
class LeafNode:
    """A leaf node, not yet verified.

    Attributes:
        encryption_key: HPKE public key.
        signature_key: Signature public key.
        credential: Who it is.
        capabilities: What it supports.
        source: How it came into the tree.
        lifetime: Of a leaf out of a key package, else None.
        parent_hash: Of a leaf out of a commit, else None.
        extensions: Its extensions.
        signature: By the signature key.
        encoded: The whole, as it is hashed.
    """

    encryption_key: bytes
    signature_key: bytes
    credential: Credential
    capabilities: Capabilities
    source: LeafSource
    lifetime: Lifetime | None
    parent_hash: bytes | None
    extensions: Extensions
    signature: bytes
    encoded: bytes

    @classmethod
    def read(cls, reader: Reader) -> LeafNode:
        """Decode one."""
        at = reader.at
        encryption_key, signature_key = reader.opaque(), reader.opaque()
        credential, capabilities = Credential.read(reader), Capabilities.read(reader)
        source = reader.choice(1, SOURCES, "leaf node source")
        lifetime = Lifetime.read(reader) if source is LeafSource.KEY_PACKAGE else None
        parent_hash = reader.opaque() if source is LeafSource.COMMIT else None
        extensions = read_extensions(reader)
        return cls(
            encryption_key=encryption_key,
            signature_key=signature_key,
            credential=credential,
            capabilities=capabilities,
            source=source,
            lifetime=lifetime,
            parent_hash=parent_hash,
            extensions=extensions,
            signature=reader.opaque(),
            encoded=reader.since(at),
        )

    def verify_signature(self, place: Place) -> None:
        """Hold it against its own key (section 7.2, `LeafNodeTBS`).

        Raises:
            InvalidError: `LEAF_SIGNATURE`.
        """
        size = len(self.signature)
        unsigned = self.encoded[: len(self.encoded) - size - len(length(size))]
        signed = unsigned + _context(self.source, place)
        verify_with_label(self.signature_key, b"LeafNodeTBS", signed, self.signature, Rule.LEAF_SIGNATURE)


DEFAULT_EXTENSIONS: Final = frozenset(kind.value for kind in ExtensionType if kind <= ExtensionType.EXTERNAL_SENDERS)
"""The RFC's own, which every client can live with and none has to list (section 7.2)."""


def _context(source: LeafSource, place: Place) -> bytes:
    return b"" if source is LeafSource.KEY_PACKAGE else opaque(place.group_id) + u32(place.leaf)


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """What a client puts into all its leaves.

    Attributes:
        key: Its signature key.
        credential: Who it is.
        capabilities: What it supports.
        extensions: Extensions of its leaves.
    """

    key: SigningKey
    credential: Credential
    capabilities: Capabilities
    extensions: Extensions = ()

    @classmethod
    def of(cls, key: SigningKey, leaf: LeafNode) -> Identity:
        """What the own leaf says."""
        return cls(key=key, credential=leaf.credential, capabilities=leaf.capabilities, extensions=leaf.extensions)

    def leaf_for_key_package(self, encryption_key: bytes, lifetime: Lifetime) -> LeafNode:
        """A leaf for a key package."""
        return self._sign(encryption_key, LeafSource.KEY_PACKAGE, lifetime.encode(), b"")

    def leaf_for_update(self, encryption_key: bytes, place: Place) -> LeafNode:
        """A leaf for an update proposal."""
        return self._sign(encryption_key, LeafSource.UPDATE, b"", _context(LeafSource.UPDATE, place))

    def leaf_for_commit(self, encryption_key: bytes, parent_hash: bytes, place: Place) -> LeafNode:
        """A leaf for an update path."""
        return self._sign(encryption_key, LeafSource.COMMIT, opaque(parent_hash), _context(LeafSource.COMMIT, place))

    def _sign(self, encryption_key: bytes, source: LeafSource, of_source: bytes, context: bytes) -> LeafNode:
        unsigned = b"".join(
            (
                opaque(encryption_key),
                opaque(self.key.public),
                self.credential.encode(),
                self.capabilities.encode(),
                u8(source),
                of_source,
                encode_extensions(self.extensions),
            )
        )
        signature = sign_with_label(self.key, b"LeafNodeTBS", unsigned + context)
        return LeafNode.read(Reader(unsigned + opaque(signature)))
