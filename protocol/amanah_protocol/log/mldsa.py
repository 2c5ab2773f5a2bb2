"""ML-DSA-44 (FIPS 204, pure, without a context): public keys and verification, for cosignatures of type 0x06.

Signing draws its own randomness inside `cryptography` and is therefore not here: whoever signs brings
the key along (`note_keys.PrivateKey`).
"""

from __future__ import annotations

from typing import Final

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA44PrivateKey, MLDSA44PublicKey

from amanah_protocol.errors import Code, UsageError, VerifyError

MLDSA44_SEED_BYTES: Final = 32
MLDSA44_PUBLIC_BYTES: Final = 1_312


def mldsa44_public(seed: bytes) -> bytes:
    """The public key, 1,312 bytes, of a 32-byte seed (FIPS 204 section 6.1).

    Raises:
        UsageError: `BAD_TYPE` when the seed is not 32 bytes.
    """
    if len(seed) != MLDSA44_SEED_BYTES:
        raise UsageError(Code.BAD_TYPE, "an ML-DSA-44 seed has 32 bytes")
    return MLDSA44PrivateKey.from_seed_bytes(seed).public_key().public_bytes_raw()


def verify_mldsa44(public: bytes, signature: bytes, message: bytes) -> None:
    """Verify ML-DSA-44; every 1,312 bytes are a key, and a signature of another length is none.

    Raises:
        VerifyError: `SIGNATURE`.
    """
    if len(public) != MLDSA44_PUBLIC_BYTES:
        raise VerifyError(Code.SIGNATURE, "an ML-DSA-44 public key has a wrong length")
    try:
        MLDSA44PublicKey.from_public_bytes(public).verify(signature, message)
    except InvalidSignature as error:
        raise VerifyError(Code.SIGNATURE, "the signature does not verify") from error
