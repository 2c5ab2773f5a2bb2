"""ML-DSA-44 signing (FIPS 204), which draws its own randomness: the shell's part of cosignatures of type 0x06."""

from __future__ import annotations

from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA44PrivateKey

from amanah_protocol.errors import Code, UsageError
from amanah_protocol.log.mldsa import MLDSA44_SEED_BYTES


class MlDsaKey:
    """A private key; a `note_keys.PrivateKey`. Two signatures of one message differ.

    Attributes:
        public: 1,312 bytes.
    """

    __slots__ = ("_key", "public")

    def __init__(self, seed: bytes) -> None:
        """Make the key of a 32-byte seed.

        Raises:
            UsageError: `BAD_TYPE` when the seed is not 32 bytes.
        """
        if len(seed) != MLDSA44_SEED_BYTES:
            raise UsageError(Code.BAD_TYPE, "an ML-DSA-44 seed has 32 bytes")
        self._key = MLDSA44PrivateKey.from_seed_bytes(seed)
        self.public: bytes = self._key.public_key().public_bytes_raw()

    def sign(self, message: bytes) -> bytes:
        """Sign; 2,420 bytes."""
        return self._key.sign(message)

    def __repr__(self) -> str:
        return f"MlDsaKey(public={self.public[:8].hex()})"
