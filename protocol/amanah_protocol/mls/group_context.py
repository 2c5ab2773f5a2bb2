"""What a group agrees on in an epoch (RFC 9420 section 8.1) and what newcomers are told of it (section 12.4.3)."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

from amanah_protocol.crypto import SigningKey
from amanah_protocol.mls.codec import Reader, opaque, optional, u16, u32, u64, vector
from amanah_protocol.mls.credential import Extensions, encode_extensions, read_extensions
from amanah_protocol.mls.hpke import Ciphertext
from amanah_protocol.mls.labelled import sign_with_label, verify_with_label
from amanah_protocol.mls.leaf_node import MLS10
from amanah_protocol.mls.psk import PskId, read_psk_id
from amanah_protocol.mls.rules import InvalidError, Rule

LAST_EPOCH: Final = (1 << 64) - 1


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupContext:
    """`GroupContext` (section 8.1).

    Attributes:
        suite: Number of the suite.
        group_id: The group.
        epoch: Counts commits.
        tree_hash: Of the ratchet tree, 32 bytes.
        confirmed_transcript_hash: Of all commits so far; empty in epoch 0.
        extensions: What the group agreed on.
    """

    suite: int
    group_id: bytes
    epoch: int
    tree_hash: bytes
    confirmed_transcript_hash: bytes
    extensions: Extensions

    @classmethod
    def read(cls, reader: Reader) -> GroupContext:
        """Decode one."""
        if reader.uint(2) != MLS10:
            raise InvalidError(Rule.VERSION)
        return cls(
            suite=reader.uint(2),
            group_id=reader.opaque(),
            epoch=reader.uint(8),
            tree_hash=reader.opaque(),
            confirmed_transcript_hash=reader.opaque(),
            extensions=read_extensions(reader),
        )

    def following(self, tree_hash: bytes, extensions: Extensions) -> GroupContext:
        """The provisional context of the next epoch: all of it but the transcript (section 12.4.1).

        Raises:
            InvalidError: `EPOCH_LAST`.
        """
        if self.epoch >= LAST_EPOCH:
            raise InvalidError(Rule.EPOCH_LAST)
        return replace(self, epoch=self.epoch + 1, tree_hash=tree_hash, extensions=extensions)

    def encode(self) -> bytes:
        """Its bytes, which the key schedule and signatures go over."""
        return b"".join(
            (
                u16(MLS10),
                u16(self.suite),
                opaque(self.group_id),
                u64(self.epoch),
                opaque(self.tree_hash),
                opaque(self.confirmed_transcript_hash),
                encode_extensions(self.extensions),
            )
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupInfo:
    """`GroupInfo` (section 12.4.3), not yet verified.

    Attributes:
        context: Of the epoch that is entered.
        extensions: The ratchet tree, the external public key and the like.
        confirmation_tag: Of the epoch.
        signer: The leaf whose key signed.
        signature: By that key.
    """

    context: GroupContext
    extensions: Extensions
    confirmation_tag: bytes
    signer: int
    signature: bytes = b""

    @classmethod
    def read(cls, reader: Reader) -> GroupInfo:
        """Decode one."""
        return cls(
            context=GroupContext.read(reader),
            extensions=read_extensions(reader),
            confirmation_tag=reader.opaque(),
            signer=reader.uint(4),
            signature=reader.opaque(),
        )

    def unsigned(self) -> bytes:
        """`GroupInfoTBS`."""
        extensions = encode_extensions(self.extensions)
        return self.context.encode() + extensions + opaque(self.confirmation_tag) + u32(self.signer)

    def sign(self, key: SigningKey) -> bytes:
        """The whole, signed, encoded."""
        unsigned = self.unsigned()
        return unsigned + opaque(sign_with_label(key, b"GroupInfoTBS", unsigned))

    def encode(self) -> bytes:
        """Its bytes."""
        return self.unsigned() + opaque(self.signature)

    def verify_signature(self, public: bytes) -> None:
        """Hold it against the signer's key.

        Raises:
            InvalidError: `GROUP_INFO_SIGNATURE`.
        """
        verify_with_label(public, b"GroupInfoTBS", self.unsigned(), self.signature, Rule.GROUP_INFO_SIGNATURE)


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class GroupSecrets:
    """`GroupSecrets` (section 12.4.3.1): what one newcomer is told in secret.

    Attributes:
        joiner_secret: Of the epoch, 32 bytes.
        path_secret: Of the lowest node above both newcomer and committer, if the commit had a path.
        psks: Pre-shared keys that the epoch rests on.
    """

    joiner_secret: bytes
    path_secret: bytes | None
    psks: tuple[PskId, ...]

    @classmethod
    def read(cls, reader: Reader) -> GroupSecrets:
        """Decode one."""
        return cls(
            joiner_secret=reader.opaque(),
            path_secret=reader.optional(Reader.opaque),
            psks=reader.vector(read_psk_id),
        )

    def encode(self) -> bytes:
        """Its bytes."""
        path = None if self.path_secret is None else opaque(self.path_secret)
        return opaque(self.joiner_secret) + optional(path) + vector(psk.encode() for psk in self.psks)


@dataclass(frozen=True, slots=True, kw_only=True)
class EncryptedGroupSecrets:
    """`GroupSecrets`, sealed to the init key of one key package.

    Attributes:
        new_member: `KeyPackageRef`.
        sealed: By HPKE.
    """

    new_member: bytes
    sealed: Ciphertext

    @classmethod
    def read(cls, reader: Reader) -> EncryptedGroupSecrets:
        """Decode one."""
        return cls(new_member=reader.opaque(), sealed=Ciphertext.read(reader))

    def encode(self) -> bytes:
        """Its bytes."""
        return opaque(self.new_member) + self.sealed.encode()


@dataclass(frozen=True, slots=True, kw_only=True)
class Welcome:
    """`Welcome` (section 12.4.3.1).

    Attributes:
        suite: Number of the suite.
        secrets: One for each newcomer.
        encrypted_group_info: The group info, sealed with a key out of the joiner secret.
    """

    suite: int
    secrets: tuple[EncryptedGroupSecrets, ...]
    encrypted_group_info: bytes

    @classmethod
    def read(cls, reader: Reader) -> Welcome:
        """Decode one."""
        return cls(
            suite=reader.uint(2),
            secrets=reader.vector(EncryptedGroupSecrets.read),
            encrypted_group_info=reader.opaque(),
        )

    def encode(self) -> bytes:
        """Its bytes."""
        secrets = vector(secret.encode() for secret in self.secrets)
        return u16(self.suite) + secrets + opaque(self.encrypted_group_info)
