"""Key packages (RFC 9420 section 10): what a client leaves behind so that others can add it while it is away."""

from __future__ import annotations

from dataclasses import dataclass

from amanah_protocol.mls.codec import Reader, decode, opaque, u16
from amanah_protocol.mls.credential import (
    Extension,
    Extensions,
    ExtensionType,
    encode_extensions,
    find_extension,
    read_extensions,
)
from amanah_protocol.mls.kem import KeyPair, Random
from amanah_protocol.mls.labelled import key_package_reference, sign_with_label, verify_with_label
from amanah_protocol.mls.leaf_node import MLS10, Identity, LeafNode, Lifetime
from amanah_protocol.mls.rules import Rule
from amanah_protocol.mls.suites import HASH_BYTES, Suite


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyPackage:
    """A key package, not yet verified.

    Attributes:
        version: Protocol version.
        suite: Number of its suite.
        init_key: HPKE public key that a welcome is sealed to, once.
        leaf_node: The leaf that is added.
        extensions: Its extensions.
        signature: By the leaf's key.
        unsigned: What is signed.
    """

    version: int
    suite: int
    init_key: bytes
    leaf_node: LeafNode
    extensions: Extensions
    signature: bytes
    unsigned: bytes

    @classmethod
    def read(cls, reader: Reader) -> KeyPackage:
        """Decode one."""
        at = reader.at
        version, suite, init_key = reader.uint(2), reader.uint(2), reader.opaque()
        leaf_node, extensions = LeafNode.read(reader), read_extensions(reader)
        unsigned = reader.since(at)
        return cls(
            version=version,
            suite=suite,
            init_key=init_key,
            leaf_node=leaf_node,
            extensions=extensions,
            signature=reader.opaque(),
            unsigned=unsigned,
        )

    def encode(self) -> bytes:
        """Its bytes."""
        return self.unsigned + opaque(self.signature)

    @property
    def reference(self) -> bytes:
        """`KeyPackageRef`, 32 bytes."""
        return key_package_reference(self.encode())

    @property
    def last_resort(self) -> bool:
        """Whether it may be used more than once, when no other is left."""
        return find_extension(self.extensions, ExtensionType.LAST_RESORT) is not None

    def verify_signature(self) -> None:
        """Hold it against its leaf's key (`KeyPackageTBS`).

        Raises:
            InvalidError: `KEY_PACKAGE_SIGNATURE`.
        """
        verify_with_label(
            self.leaf_node.signature_key, b"KeyPackageTBS", self.unsigned, self.signature, Rule.KEY_PACKAGE_SIGNATURE
        )


def decode_key_package(data: bytes) -> KeyPackage:
    """Decode one whole key package, without the frame of an `MLSMessage`.

    Raises:
        DecodeError: `MALFORMED`.
    """
    return decode(data, KeyPackage.read)


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class KeyPackageBundle:
    """An own key package and its two private keys, which are deleted once it was used.

    Attributes:
        public: The key package.
        init_private: Opens the welcome.
        leaf_private: Of the leaf's encryption key.
    """

    public: KeyPackage
    init_private: bytes
    leaf_private: bytes


def make_key_package(
    suite: Suite, identity: Identity, lifetime: Lifetime, *, last_resort: bool, random: Random
) -> KeyPackageBundle:
    """A fresh key package.

    Args:
        suite: The suite it is for.
        identity: Whose.
        lifetime: When it may be used.
        last_resort: Whether it may be used more than once.
        random: Source of randomness.
    """
    init, leaf = fresh_key_pair(suite, random), fresh_key_pair(suite, random)
    extensions = (Extension(ExtensionType.LAST_RESORT, b""),) if last_resort else ()
    unsigned = b"".join(
        (
            u16(MLS10),
            u16(suite.number),
            opaque(init.public),
            identity.leaf_for_key_package(leaf.public, lifetime).encoded,
            encode_extensions(extensions),
        )
    )
    signature = sign_with_label(identity.key, b"KeyPackageTBS", unsigned)
    public = decode_key_package(unsigned + opaque(signature))
    return KeyPackageBundle(public=public, init_private=init.private, leaf_private=leaf.private)


def fresh_key_pair(suite: Suite, random: Random) -> KeyPair:
    """A fresh HPKE key pair of the suite's KEM."""
    return suite.kem.derive_key_pair(random(HASH_BYTES))
