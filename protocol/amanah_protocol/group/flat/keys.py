"""X25519 key pairs and the sealing of one secret to one key, in the manner of HPKE (RFC 9180).

One ephemeral key serves all recipients of a commit: the derived keys differ by the shared secret,
the recipient's key and the context, all of which are in the derivation.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from amanah_protocol import crypto
from amanah_protocol.crypto import KEY_BYTES, NONCE_BYTES, TAG_BYTES
from amanah_protocol.errors import Code, UsageError, VerifyError
from amanah_protocol.group.seam import Random

MATERIAL_BYTES: Final = KEY_BYTES + NONCE_BYTES
"""An AEAD key and its nonce, derived as one."""

SEALED_SECRET_BYTES: Final = KEY_BYTES + TAG_BYTES

_LABEL: Final = b"amanah/flat/1/"
_ANY_SCALAR: Final = bytes(31) + b"\x40"
_MAX_DERIVED_BYTES: Final = 8_160


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class KeyPair:
    """An X25519 key pair.

    Attributes:
        private: 32 bytes.
        public: 32 bytes.
    """

    private: bytes
    public: bytes

    @classmethod
    def of(cls, private: bytes) -> KeyPair:
        """The pair of a private key."""
        return cls(private=private, public=crypto.agreement_public(private))

    @classmethod
    def generate(cls, random: Random) -> KeyPair:
        """A fresh pair."""
        return cls.of(random(KEY_BYTES))


def is_usable(public: bytes) -> bool:
    """Whether an agreement with this point is secret: not one of the low-order points (attack 26).

    A member whose leaf key is such a point would make every later commit of the others fail.
    """
    try:
        # Scalars are clamped to multiples of the cofactor, so any of them shows a low-order point.
        crypto.agree(_ANY_SCALAR, public)
    except VerifyError:
        return False
    return True


def derive_secret(secret: bytes, label: str, context: bytes = b"", length: int = KEY_BYTES) -> bytes:
    """Derive by HKDF, separated by label, length and context (as ExpandWithLabel, RFC 9420 section 8).

    Args:
        secret: Input keying material.
        label: Names the use.
        context: What else the result depends on.
        length: 1 to 8,160 bytes.

    Raises:
        UsageError: `USAGE` for another length.
    """
    if not 0 < length <= _MAX_DERIVED_BYTES:
        raise UsageError(Code.USAGE, f"{length} bytes cannot be derived at once")
    info = _LABEL + label.encode() + b"\0" + length.to_bytes(2, "big") + context
    return crypto.hkdf(secret, salt=b"", info=info, length=length)


def seal_by(material: bytes, plaintext: bytes, aad: bytes) -> bytes:
    """ChaCha20-Poly1305 under derived material, which must serve once only."""
    return crypto.aead_seal(material[:KEY_BYTES], material[KEY_BYTES:], plaintext, aad)


def open_by(material: bytes, sealed: bytes, aad: bytes) -> bytes:
    """Open what `seal_by` made.

    Raises:
        VerifyError: `OPEN`.
    """
    return crypto.aead_open(material[:KEY_BYTES], material[KEY_BYTES:], sealed, aad)


def seal_secret(secret: bytes, *, ephemeral: KeyPair, recipient: bytes, context: bytes) -> bytes:
    """Seal 32 bytes to an X25519 key; 48 bytes.

    Args:
        secret: The 32 bytes.
        ephemeral: Fresh for the object that this is part of.
        recipient: The recipient's public key.
        context: Everything that the opener must agree on; differs for each sealing of one ephemeral key.

    Raises:
        VerifyError: `OPEN` for a recipient's key that is a low-order point.
    """
    shared = crypto.agree(ephemeral.private, recipient)
    return seal_by(_material(shared, ephemeral.public, recipient, context), secret, b"")


def open_secret(sealed: bytes, *, ephemeral: bytes, recipient: KeyPair, context: bytes) -> bytes:
    """Open what `seal_secret` made.

    Raises:
        VerifyError: `OPEN`.
    """
    shared = crypto.agree(recipient.private, ephemeral)
    return open_by(_material(shared, ephemeral, recipient.public, context), sealed, b"")


def _material(shared: bytes, ephemeral: bytes, recipient: bytes, context: bytes) -> bytes:
    return derive_secret(shared, "seal", ephemeral + recipient + context, MATERIAL_BYTES)
