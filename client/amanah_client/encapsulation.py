"""ML-KEM-768 encapsulation (FIPS 203 section 7.2), which draws its own randomness: the shell's part of X-Wing."""

from __future__ import annotations

from cryptography.hazmat.primitives.asymmetric.mlkem import MLKEM768PublicKey


def encapsulate(public: bytes) -> tuple[bytes, bytes]:
    """A fresh shared secret (32 bytes) and its ciphertext (1,088 bytes); a `kem.Encapsulate`.

    Raises:
        ValueError: The key (1,184 bytes) is none.
    """
    return MLKEM768PublicKey.from_public_bytes(public).encapsulate()
