"""Primitives: the only importer of PyNaCl in this package.

Nothing here takes a choice from a peer: one signature (Ed25519, RFC 8032), one agreement (X25519,
RFC 7748), one AEAD (ChaCha20-Poly1305, RFC 8439, for attachments in the form with long nonces), one
hash (SHA-256), one KDF (HKDF, RFC 5869).
"""

from __future__ import annotations

import hashlib
import hmac
from functools import lru_cache
from typing import Final, NamedTuple

from nacl import bindings, exceptions
from nacl import signing as nacl_signing

from amanah_protocol.errors import Code, UsageError, VerifyError

SIGNATURE_BYTES: Final = 64
KEY_BYTES: Final = 32
TAG_BYTES: Final = 16
NONCE_BYTES: Final = 12
LONG_NONCE_BYTES: Final = 24
_HKDF_MAX_BYTES: Final = 255 * 32


def sha256(data: bytes) -> bytes:
    """SHA-256, 32 bytes."""
    return hashlib.sha256(data).digest()


def hmac_sha256(key: bytes, data: bytes) -> bytes:
    """HMAC-SHA256 (RFC 2104), 32 bytes."""
    return hmac.digest(key, data, "sha256")


def same(left: bytes, right: bytes) -> bool:
    """Compare in constant time; for tags and commitments."""
    return hmac.compare_digest(left, right)


def hkdf(secret: bytes, *, salt: bytes, info: bytes, length: int = KEY_BYTES) -> bytes:
    """HKDF-SHA256 (RFC 5869), extract and expand.

    Args:
        secret: Input keying material.
        salt: Any length; empty means 32 zero bytes.
        info: The context; names the use.
        length: Bytes wanted, at most 8,160.

    Raises:
        UsageError: `TOO_LARGE` for more.
    """
    return hkdf_expand(hkdf_extract(salt, secret), info, length)


def hkdf_extract(salt: bytes, secret: bytes) -> bytes:
    """HKDF-Extract with SHA-256 (RFC 5869 section 2.2), 32 bytes; an empty salt means 32 zero bytes."""
    return hmac.digest(salt or bytes(32), secret, "sha256")


def hkdf_expand(key: bytes, info: bytes, length: int) -> bytes:
    """HKDF-Expand with SHA-256 (RFC 5869 section 2.3).

    Raises:
        UsageError: `TOO_LARGE` for more than 8,160 bytes.
    """
    if length <= KEY_BYTES:
        return hmac.digest(key, info + b"\x01", "sha256")[:length]
    if length > _HKDF_MAX_BYTES:
        raise UsageError(Code.TOO_LARGE, f"HKDF-SHA256 gives at most {_HKDF_MAX_BYTES} bytes")
    out = block = b""
    for counter in range(1, -(-length // KEY_BYTES) + 1):
        block = hmac.digest(key, block + info + bytes([counter]), "sha256")
        out += block
    return out[:length]


class SigningKey:
    """An Ed25519 private key. Its `repr` shows the public key only."""

    __slots__ = ("_key", "public")

    def __init__(self, seed: bytes) -> None:
        """Make the key of a 32-byte seed (RFC 8032 section 5.1.5).

        Raises:
            UsageError: `BAD_TYPE` when the seed is not 32 bytes.
        """
        if len(seed) != KEY_BYTES:
            raise UsageError(Code.BAD_TYPE, "an Ed25519 seed has 32 bytes")
        self._key = nacl_signing.SigningKey(seed)
        self.public: bytes = bytes(self._key.verify_key)

    @classmethod
    def from_seed(cls, seed: bytes) -> SigningKey:
        """The key of a 32-byte seed."""
        return cls(seed)

    @property
    def key_id(self) -> bytes:
        """SHA-256 of the public key: the `kid` of everything this key signs."""
        return sha256(self.public)

    def sign(self, message: bytes) -> bytes:
        """Sign; 64 bytes. Callers pass only structures of this package, never a peer's bytes."""
        return self._key.sign(message).signature

    def __repr__(self) -> str:
        return f"SigningKey(public={self.public.hex()})"


@lru_cache(maxsize=16_384)
def _verify_key(public: bytes) -> nacl_signing.VerifyKey:
    return nacl_signing.VerifyKey(public)


def verify_signature(public: bytes, signature: bytes, message: bytes) -> None:
    """Verify Ed25519; libsodium refuses small-order keys and non-canonical scalars.

    Raises:
        VerifyError: `SIGNATURE`.
    """
    if len(public) != KEY_BYTES or len(signature) != SIGNATURE_BYTES:
        raise VerifyError(Code.SIGNATURE, "key or signature has a wrong length")
    try:
        _verify_key(public).verify(message, signature)
    except exceptions.CryptoError as error:
        raise VerifyError(Code.SIGNATURE, "the signature does not verify") from error


class SignatureClaim(NamedTuple):
    """That the owner of a key signed a message; to be verified here or by another process.

    Attributes:
        public: 32 bytes.
        signature: 64 bytes.
        message: What was signed.
    """

    public: bytes
    signature: bytes
    message: bytes

    @property
    def holds(self) -> bool:
        """Whether the signature verifies (`verify_signature`)."""
        try:
            verify_signature(*self)
        except VerifyError:
            return False
        return True


def agreement_public(private: bytes) -> bytes:
    """X25519 public key (32 bytes) of a 32-byte private key.

    Raises:
        UsageError: `BAD_TYPE` when the key is not 32 bytes.
    """
    _check_private(private)
    return bindings.crypto_scalarmult_base(private)


def agree(private: bytes, public: bytes) -> bytes:
    """X25519 shared secret, 32 bytes.

    Raises:
        UsageError: `BAD_TYPE` when the private key is not 32 bytes.
        VerifyError: `OPEN` for a public key of another length, or a low-order point, whose secret
            would be known to all (attack 26).
    """
    _check_private(private)
    # The binding hands both pointers to C as they are: a short key would be read past its end.
    if len(public) != KEY_BYTES:
        raise VerifyError(Code.OPEN, "a key agreement with a key of wrong length")
    try:
        return bindings.crypto_scalarmult(private, public)
    except exceptions.RuntimeError as error:
        raise VerifyError(Code.OPEN, "a key agreement with an unusable point") from error


def _check_private(private: bytes) -> None:
    if len(private) != KEY_BYTES:
        raise UsageError(Code.BAD_TYPE, "an X25519 private key has 32 bytes")


def aead_seal(key: bytes, nonce: bytes, plaintext: bytes, aad: bytes) -> bytes:
    """ChaCha20-Poly1305 (RFC 8439): ciphertext and 16-byte tag; nonce 12 bytes, never reused."""
    return bindings.crypto_aead_chacha20poly1305_ietf_encrypt(plaintext, aad, nonce, key)


def aead_open(key: bytes, nonce: bytes, ciphertext: bytes, aad: bytes) -> bytes:
    """Open what `aead_seal` made.

    Raises:
        VerifyError: `OPEN` when key, nonce, aad or ciphertext differ.
    """
    if len(ciphertext) < TAG_BYTES:
        raise VerifyError(Code.OPEN, "the sealed bytes are shorter than their tag")
    try:
        return bindings.crypto_aead_chacha20poly1305_ietf_decrypt(ciphertext, aad, nonce, key)
    except exceptions.CryptoError as error:
        raise VerifyError(Code.OPEN, "the sealed bytes do not open") from error


def long_aead_seal(key: bytes, nonce: bytes, plaintext: bytes, aad: bytes) -> bytes:
    """XChaCha20-Poly1305 (draft-irtf-cfrg-xchacha-03): ciphertext and 16-byte tag; nonce 24 bytes, never reused."""
    return bindings.crypto_aead_xchacha20poly1305_ietf_encrypt(plaintext, aad, nonce, key)


def long_aead_open(key: bytes, nonce: bytes, ciphertext: bytes, aad: bytes) -> bytes:
    """Open what `long_aead_seal` made.

    Raises:
        VerifyError: `OPEN` when key, nonce, aad or ciphertext differ.
    """
    if len(ciphertext) < TAG_BYTES:
        raise VerifyError(Code.OPEN, "the sealed bytes are shorter than their tag")
    try:
        return bindings.crypto_aead_xchacha20poly1305_ietf_decrypt(ciphertext, aad, nonce, key)
    except exceptions.CryptoError as error:
        raise VerifyError(Code.OPEN, "the sealed bytes do not open") from error
