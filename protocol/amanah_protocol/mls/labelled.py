"""Labelled cryptography: every use of a key names its purpose (RFC 9420 sections 5.1.2, 5.1.3, 5.2 and 8)."""

from __future__ import annotations

from amanah_protocol.crypto import SigningKey, hkdf_expand, hmac_sha256, sha256, verify_signature
from amanah_protocol.errors import VerifyError
from amanah_protocol.mls.codec import opaque, u16, u32
from amanah_protocol.mls.hpke import Ciphertext, set_up_receiver, set_up_sender
from amanah_protocol.mls.kem import Random
from amanah_protocol.mls.rules import InvalidError, Rule
from amanah_protocol.mls.suites import HASH_BYTES, Suite

_PREFIX = b"MLS 1.0 "


def expand_with_label(secret: bytes, label: bytes, context: bytes, length: int) -> bytes:
    """`ExpandWithLabel` (section 8)."""
    return hkdf_expand(secret, u16(length) + opaque(_PREFIX + label) + opaque(context), length)


def derive_secret(secret: bytes, label: bytes) -> bytes:
    """`DeriveSecret` (section 8), 32 bytes."""
    return expand_with_label(secret, label, b"", HASH_BYTES)


def derive_tree_secret(secret: bytes, label: bytes, generation: int, length: int) -> bytes:
    """`DeriveTreeSecret` (section 9)."""
    return expand_with_label(secret, label, u32(generation), length)


def mac(key: bytes, data: bytes) -> bytes:
    """The suites' MAC (section 5.1.1): HMAC-SHA256."""
    return hmac_sha256(key, data)


def make_reference(label: bytes, value: bytes) -> bytes:
    """`RefHash` (section 5.2), 32 bytes."""
    return sha256(opaque(label) + opaque(value))


def key_package_reference(encoded: bytes) -> bytes:
    """`MakeKeyPackageRef` (section 5.2)."""
    return make_reference(b"MLS 1.0 KeyPackage Reference", encoded)


def proposal_reference(authenticated: bytes) -> bytes:
    """`MakeProposalRef` (section 5.2), of an encoded `AuthenticatedContent`."""
    return make_reference(b"MLS 1.0 Proposal Reference", authenticated)


def sign_with_label(key: SigningKey, label: bytes, content: bytes) -> bytes:
    """`SignWithLabel` (section 5.1.2), 64 bytes."""
    return key.sign(opaque(_PREFIX + label) + opaque(content))


def verify_with_label(public: bytes, label: bytes, content: bytes, signature: bytes, rule: Rule) -> None:
    """`VerifyWithLabel` (section 5.1.2).

    Raises:
        InvalidError: By the rule that was given.
    """
    try:
        verify_signature(public, signature, opaque(_PREFIX + label) + opaque(content))
    except VerifyError as error:
        raise InvalidError(rule) from error


def encrypt_with_label(
    suite: Suite, public: bytes, label: bytes, context: bytes, plaintext: bytes, random: Random
) -> Ciphertext:
    """`EncryptWithLabel` (section 5.1.3).

    Raises:
        InvalidError: `HPKE_KEY`.
    """
    enc, hpke = set_up_sender(suite, public, opaque(_PREFIX + label) + opaque(context), random)
    return Ciphertext(enc, hpke.seal(plaintext))


def decrypt_with_label(suite: Suite, private: bytes, label: bytes, context: bytes, sealed: Ciphertext) -> bytes:
    """`DecryptWithLabel` (section 5.1.3).

    Raises:
        InvalidError: `DECRYPTION`.
    """
    hpke = set_up_receiver(suite, sealed.kem_output, private, opaque(_PREFIX + label) + opaque(context))
    return hpke.open(sealed.ciphertext)
