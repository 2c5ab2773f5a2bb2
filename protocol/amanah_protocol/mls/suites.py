"""Cipher suites (RFC 9420 section 5.1): a table of what each is made of.

All of them hash with SHA-256 and sign with Ed25519; they differ in KEM and AEAD.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from amanah_protocol.crypto import KEY_BYTES, NONCE_BYTES, aead_open, aead_seal
from amanah_protocol.mls.kem import Encapsulate, Kem, X25519Kem, XWing
from amanah_protocol.mls.primitives import aes128gcm_open, aes128gcm_seal

HASH_BYTES: Final = 32
"""Kdf.Nh: SHA-256 in every suite here."""

Seal = Callable[[bytes, bytes, bytes, bytes], bytes]
"""Key, nonce, plaintext, additional data."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Aead:
    """An AEAD (RFC 5116) with its number in the HPKE registry and its lengths in bytes.

    Attributes:
        id: HPKE's number.
        key_bytes: Nk.
        nonce_bytes: Nn.
        seal: Key, nonce, plaintext and additional data to ciphertext and tag.
        open: The reverse; raises `VerifyError` (`OPEN`).
    """

    id: int
    key_bytes: int
    nonce_bytes: int
    seal: Seal
    open: Seal


AES_128_GCM: Final = Aead(id=1, key_bytes=16, nonce_bytes=NONCE_BYTES, seal=aes128gcm_seal, open=aes128gcm_open)
CHACHA20_POLY1305: Final = Aead(id=3, key_bytes=KEY_BYTES, nonce_bytes=NONCE_BYTES, seal=aead_seal, open=aead_open)


@dataclass(frozen=True, slots=True, kw_only=True)
class Suite:
    """A cipher suite.

    Attributes:
        number: As it stands on the wire.
        kem: Of HPKE, of the tree's nodes and of init keys.
        aead: Of HPKE and of messages.
    """

    number: int
    kem: Kem
    aead: Aead


X25519_AES128GCM: Final = Suite(number=0x0001, kem=X25519Kem(), aead=AES_128_GCM)
"""MLS_128_DHKEMX25519_AES128GCM_SHA256_Ed25519, which RFC 9420 makes mandatory."""

X25519_CHACHA20POLY1305: Final = Suite(number=0x0003, kem=X25519Kem(), aead=CHACHA20_POLY1305)
"""MLS_128_DHKEMX25519_CHACHA20POLY1305_SHA256_Ed25519."""

XWING: Final = 0xF001


def xwing_aes128gcm(encapsulate: Encapsulate | None = None) -> Suite:
    """MLS_128_MLKEM768X25519_AES128GCM_SHA256_Ed25519 (draft-ietf-mls-pq-ciphersuites) under a private number.

    Experimental: IANA has not assigned its number yet. Without an `encapsulate` it opens and cannot seal.
    """
    return Suite(number=XWING, kem=XWing(encapsulate), aead=AES_128_GCM)
