"""AES-128-GCM (NIST SP 800-38D) and ML-KEM-768 (FIPS 203): the only importer of `cryptography` here.

PyNaCl has neither. Encapsulation draws its own randomness inside the library and is therefore not here:
whoever needs it brings it along (`kem.Encapsulate`).
"""

from __future__ import annotations

from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.mlkem import MLKEM768PrivateKey, MLKEM768PublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from amanah_protocol.errors import Code, VerifyError

MLKEM_SEED_BYTES: Final = 64
MLKEM_PUBLIC_BYTES: Final = 1_184
MLKEM_CIPHERTEXT_BYTES: Final = 1_088


def aes128gcm_seal(key: bytes, nonce: bytes, plaintext: bytes, aad: bytes) -> bytes:
    """Ciphertext and 16-byte tag; key 16 bytes, nonce 12 bytes, never reused."""
    return AESGCM(key).encrypt(nonce, plaintext, aad)


def aes128gcm_open(key: bytes, nonce: bytes, ciphertext: bytes, aad: bytes) -> bytes:
    """Open what `aes128gcm_seal` made.

    Raises:
        VerifyError: `OPEN` when key, nonce, aad or ciphertext differ.
    """
    try:
        return AESGCM(key).decrypt(nonce, ciphertext, aad)
    except InvalidTag as error:
        raise VerifyError(Code.OPEN, "the sealed bytes do not open") from error


def mlkem768_public(seed: bytes) -> bytes:
    """The encapsulation key, 1,184 bytes, of a 64-byte seed d || z (FIPS 203 section 7.1)."""
    return MLKEM768PrivateKey.from_seed_bytes(seed).public_key().public_bytes_raw()


def mlkem768_check_public(public: bytes) -> None:
    """Length and modulus check of an encapsulation key (FIPS 203 section 7.2).

    Raises:
        VerifyError: `OPEN` when nothing can be encapsulated to it.
    """
    try:
        MLKEM768PublicKey.from_public_bytes(public)
    except ValueError as error:
        raise VerifyError(Code.OPEN, "an ML-KEM-768 public key of another form") from error


def mlkem768_decapsulate(seed: bytes, ciphertext: bytes) -> bytes:
    """The shared secret, 32 bytes; of a ciphertext for another key, a secret that nobody shares.

    Args:
        seed: 64 bytes, d || z.
        ciphertext: 1,088 bytes; the caller checks the length.
    """
    return MLKEM768PrivateKey.from_seed_bytes(seed).decapsulate(ciphertext)
