"""Hybrid public key encryption (RFC 9180) in base mode, with the KDF HKDF-SHA256: one schedule for all KEMs."""

from __future__ import annotations

from typing import NamedTuple

from amanah_protocol.crypto import hkdf_expand, hkdf_extract
from amanah_protocol.errors import VerifyError
from amanah_protocol.mls.codec import Reader, opaque, u16
from amanah_protocol.mls.kem import Random
from amanah_protocol.mls.rules import InvalidError, Rule
from amanah_protocol.mls.suites import HASH_BYTES, Suite

_KDF = u16(0x0001)
_MODE_BASE = b"\x00"


class Ciphertext(NamedTuple):
    """`HPKECiphertext` (RFC 9420 section 7.6)."""

    kem_output: bytes
    ciphertext: bytes

    @classmethod
    def read(cls, reader: Reader) -> Ciphertext:
        """Decode one."""
        return cls(reader.opaque(), reader.opaque())

    def encode(self) -> bytes:
        """Its bytes."""
        return opaque(self.kem_output) + opaque(self.ciphertext)


class Context(NamedTuple):
    """What both sides hold after set-up (RFC 9180 section 5.1); seals and opens its first message only."""

    suite: Suite
    key: bytes
    nonce: bytes
    exporter: bytes

    def seal(self, plaintext: bytes, aad: bytes = b"") -> bytes:
        """The first message of this context."""
        return self.suite.aead.seal(self.key, self.nonce, plaintext, aad)

    def open(self, ciphertext: bytes, aad: bytes = b"") -> bytes:
        """The first message of this context.

        Raises:
            InvalidError: `DECRYPTION`.
        """
        try:
            return self.suite.aead.open(self.key, self.nonce, ciphertext, aad)
        except VerifyError as error:
            raise InvalidError(Rule.DECRYPTION) from error

    def export(self, context: bytes, length: int) -> bytes:
        """A secret for another use (RFC 9180 section 5.3)."""
        return _Labelled(self.suite).expand(self.exporter, b"sec", context, length)


class _Labelled:
    """`LabeledExtract` and `LabeledExpand` (RFC 9180 section 4)."""

    __slots__ = ("_prefix",)

    def __init__(self, suite: Suite) -> None:
        self._prefix = b"HPKE-v1HPKE" + u16(suite.kem.id) + _KDF + u16(suite.aead.id)

    def extract(self, salt: bytes, label: bytes, ikm: bytes) -> bytes:
        return hkdf_extract(salt, self._prefix + label + ikm)

    def expand(self, secret: bytes, label: bytes, info: bytes, length: int) -> bytes:
        return hkdf_expand(secret, u16(length) + self._prefix + label + info, length)


def _schedule(suite: Suite, shared: bytes, info: bytes) -> Context:
    """`KeySchedule` in base mode (RFC 9180 section 5.1), without a pre-shared key."""
    kdf = _Labelled(suite)
    context = _MODE_BASE + kdf.extract(b"", b"psk_id_hash", b"") + kdf.extract(b"", b"info_hash", info)
    secret = kdf.extract(shared, b"secret", b"")
    return Context(
        suite,
        kdf.expand(secret, b"key", context, suite.aead.key_bytes),
        kdf.expand(secret, b"base_nonce", context, suite.aead.nonce_bytes),
        kdf.expand(secret, b"exp", context, HASH_BYTES),
    )


def set_up_sender(suite: Suite, public: bytes, info: bytes, random: Random) -> tuple[bytes, Context]:
    """`SetupBaseS`: what is sent along, and the context.

    Raises:
        InvalidError: `HPKE_KEY`.
    """
    shared, enc = suite.kem.encapsulate(public, random)
    return enc, _schedule(suite, shared, info)


def set_up_receiver(suite: Suite, enc: bytes, private: bytes, info: bytes) -> Context:
    """`SetupBaseR`.

    Raises:
        InvalidError: `DECRYPTION`.
    """
    return _schedule(suite, suite.kem.decapsulate(enc, private), info)
