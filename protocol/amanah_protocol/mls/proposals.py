"""Proposals and the lists of them that commits carry (RFC 9420 sections 12.1 and 12.4)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import IntEnum
from typing import ClassVar, Final, NamedTuple, TypeAlias

from amanah_protocol.errors import Code, DecodeError
from amanah_protocol.mls.codec import Reader, opaque, optional, u8, u16, u32, vector
from amanah_protocol.mls.credential import Extensions, encode_extensions, read_extensions
from amanah_protocol.mls.key_package import KeyPackage
from amanah_protocol.mls.leaf_node import LeafNode
from amanah_protocol.mls.psk import PskId, read_psk_id
from amanah_protocol.mls.update_path import UpdatePath


class ProposalType(IntEnum):
    """Section 17.4."""

    ADD = 1
    UPDATE = 2
    REMOVE = 3
    PSK = 4
    REINIT = 5
    EXTERNAL_INIT = 6
    GROUP_CONTEXT_EXTENSIONS = 7


@dataclass(frozen=True, slots=True)
class Add:
    """Add the client of a key package (section 12.1.1)."""

    key_package: KeyPackage
    type: ClassVar[ProposalType] = ProposalType.ADD

    def encode_body(self) -> bytes:
        """Its bytes without the type."""
        return self.key_package.encode()


@dataclass(frozen=True, slots=True)
class Update:
    """Replace the sender's leaf (section 12.1.2)."""

    leaf_node: LeafNode
    type: ClassVar[ProposalType] = ProposalType.UPDATE

    def encode_body(self) -> bytes:
        """Its bytes without the type."""
        return self.leaf_node.encoded


@dataclass(frozen=True, slots=True)
class Remove:
    """Remove the member at a leaf (section 12.1.3)."""

    removed: int
    type: ClassVar[ProposalType] = ProposalType.REMOVE

    def encode_body(self) -> bytes:
        """Its bytes without the type."""
        return u32(self.removed)


@dataclass(frozen=True, slots=True)
class PreSharedKey:
    """Mix a key from outside in (section 12.1.4)."""

    psk: PskId
    type: ClassVar[ProposalType] = ProposalType.PSK

    def encode_body(self) -> bytes:
        """Its bytes without the type."""
        return self.psk.encode()


@dataclass(frozen=True, slots=True)
class ReInit:
    """Go on in a new group with other parameters (section 12.1.5)."""

    group_id: bytes
    version: int
    suite: int
    extensions: Extensions
    type: ClassVar[ProposalType] = ProposalType.REINIT

    def encode_body(self) -> bytes:
        """Its bytes without the type."""
        return opaque(self.group_id) + u16(self.version) + u16(self.suite) + encode_extensions(self.extensions)


@dataclass(frozen=True, slots=True)
class ExternalInit:
    """The joiner's half of the init secret of an external commit (section 12.1.6)."""

    kem_output: bytes
    type: ClassVar[ProposalType] = ProposalType.EXTERNAL_INIT

    def encode_body(self) -> bytes:
        """Its bytes without the type."""
        return opaque(self.kem_output)


@dataclass(frozen=True, slots=True)
class GroupContextExtensions:
    """Replace the extensions of the group's context (section 12.1.7)."""

    extensions: Extensions
    type: ClassVar[ProposalType] = ProposalType.GROUP_CONTEXT_EXTENSIONS

    def encode_body(self) -> bytes:
        """Its bytes without the type."""
        return encode_extensions(self.extensions)


Proposal: TypeAlias = Add | Update | Remove | PreSharedKey | ReInit | ExternalInit | GroupContextExtensions

BODIES: Final[dict[ProposalType, Callable[[Reader], Proposal]]] = {
    ProposalType.ADD: lambda reader: Add(KeyPackage.read(reader)),
    ProposalType.UPDATE: lambda reader: Update(LeafNode.read(reader)),
    ProposalType.REMOVE: lambda reader: Remove(reader.uint(4)),
    ProposalType.PSK: lambda reader: PreSharedKey(read_psk_id(reader)),
    ProposalType.REINIT: lambda reader: ReInit(
        reader.opaque(), reader.uint(2), reader.uint(2), read_extensions(reader)
    ),
    ProposalType.EXTERNAL_INIT: lambda reader: ExternalInit(reader.opaque()),
    ProposalType.GROUP_CONTEXT_EXTENSIONS: lambda reader: GroupContextExtensions(read_extensions(reader)),
}
_TYPES: Final = {kind.value: kind for kind in ProposalType}


def read_proposal(reader: Reader) -> Proposal:
    """Decode a proposal with its type; a type that is not known cannot be read past."""
    return BODIES[reader.choice(2, _TYPES, "proposal type")](reader)


def encode_proposal(proposal: Proposal) -> bytes:
    """Encode a proposal with its type."""
    return u16(proposal.type) + proposal.encode_body()


@dataclass(frozen=True, slots=True)
class ProposalRef:
    """A proposal that was sent before, by its 32-byte reference (section 5.2)."""

    reference: bytes


ProposalOrRef: TypeAlias = Proposal | ProposalRef
_BY_VALUE: Final = 1
_BY_REFERENCE: Final = 2


def _read_proposal_or_ref(reader: Reader) -> ProposalOrRef:
    kind = reader.uint(1)
    if kind == _BY_VALUE:
        return read_proposal(reader)
    if kind == _BY_REFERENCE:
        return ProposalRef(reader.opaque())
    raise DecodeError(Code.MALFORMED, f"proposal or reference: {kind} is neither")


def _encode_proposal_or_ref(item: ProposalOrRef) -> bytes:
    if isinstance(item, ProposalRef):
        return u8(_BY_REFERENCE) + opaque(item.reference)
    return u8(_BY_VALUE) + encode_proposal(item)


class Commit(NamedTuple):
    """`Commit` (section 12.4): proposals, and new keys for the committer's path."""

    proposals: tuple[ProposalOrRef, ...]
    path: UpdatePath | None

    @classmethod
    def read(cls, reader: Reader) -> Commit:
        """Decode one."""
        return cls(reader.vector(_read_proposal_or_ref), reader.optional(UpdatePath.read))

    def encode(self) -> bytes:
        """Its bytes."""
        path = None if self.path is None else self.path.encode()
        return vector(_encode_proposal_or_ref(item) for item in self.proposals) + optional(path)
