"""Key encapsulation: X25519 (RFC 9180 section 4.1) and X-Wing (MLKEM768-X25519), one interface.

X-Wing is that of draft-connolly-cfrg-xwing-kem, as HPKE KEM 0x647a: a secret stays closed while either
ML-KEM-768 or X25519 holds.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import Final, NamedTuple, Protocol, TypeAlias

from amanah_protocol.crypto import KEY_BYTES, agree, agreement_public, hkdf_expand, hkdf_extract
from amanah_protocol.errors import Code, UsageError, VerifyError
from amanah_protocol.mls.codec import u16
from amanah_protocol.mls.primitives import (
    MLKEM_CIPHERTEXT_BYTES,
    MLKEM_PUBLIC_BYTES,
    MLKEM_SEED_BYTES,
    mlkem768_check_public,
    mlkem768_decapsulate,
    mlkem768_public,
)
from amanah_protocol.mls.rules import InvalidError, Rule

Random: TypeAlias = Callable[[int], bytes]
"""Gives that many bytes from a cryptographic source."""

Encapsulate: TypeAlias = Callable[[bytes], tuple[bytes, bytes]]
"""ML-KEM-768 encapsulation to a public key of 1,184 bytes: shared secret (32) and ciphertext (1,088)."""

_VERSION: Final = b"HPKE-v1"


class KeyPair(NamedTuple):
    """A private key in its serialised form and its public key."""

    private: bytes
    public: bytes

    def __repr__(self) -> str:
        return f"KeyPair(public={self.public[:8].hex()})"


class Kem(Protocol):
    """What HPKE and MLS ask of a key encapsulation mechanism."""

    @property
    def id(self) -> int:
        """Its number in the HPKE registry."""

    @property
    def public_bytes(self) -> int:
        """Length of a public key."""

    def check_public(self, public: bytes) -> None:
        """Whether something can be sealed to a key at all.

        Whoever could bring one to which nothing can would stop every later commit of a group (attack 26).

        Raises:
            InvalidError: `HPKE_KEY`.
        """

    def derive_key_pair(self, ikm: bytes) -> KeyPair:
        """`DeriveKeyPair` of at least 32 secret bytes."""

    def public_of(self, private: bytes) -> bytes:
        """The public key of a serialised private key."""

    def encapsulate(self, public: bytes, random: Random) -> tuple[bytes, bytes]:
        """A fresh shared secret, 32 bytes, and what carries it to the key's owner.

        Raises:
            InvalidError: `HPKE_KEY` when the key is none.
        """

    def decapsulate(self, enc: bytes, private: bytes) -> bytes:
        """The shared secret.

        Raises:
            InvalidError: `DECRYPTION` when `enc` has another form.
        """


# u-coordinates of the points of order 1, 2, 4 and 8 and their non-canonical forms, the unused high bit cleared.
_P: Final = 2**255 - 19
_ORDER_8: Final = (
    325606250916557431795983626356110631294008115727848805560023387167927233504,
    39382357235489614581723060781553021112529911719440698176882885853963445705823,
)
_LOW_ORDER: Final = frozenset((0, 1, *_ORDER_8, _P - 1, _P, _P + 1))


def _check_point(public: bytes) -> None:
    if len(public) != KEY_BYTES or int.from_bytes(public, "little") & ((1 << 255) - 1) in _LOW_ORDER:
        raise InvalidError(Rule.HPKE_KEY)


class X25519Kem:
    """DHKEM(X25519, HKDF-SHA256), 0x0020 (RFC 9180 section 4.1)."""

    id: Final = 0x0020
    public_bytes: Final = KEY_BYTES
    _suite: Final = b"KEM" + u16(0x0020)

    def check_public(self, public: bytes) -> None:
        """A point that all secrets agree with on zero is none (RFC 7748 section 6.1)."""
        _check_point(public)

    def derive_key_pair(self, ikm: bytes) -> KeyPair:
        """RFC 9180 section 7.1.3."""
        private = self._expand(self._extract(b"dkp_prk", ikm), b"sk", b"")
        return KeyPair(private, agreement_public(private))

    def public_of(self, private: bytes) -> bytes:
        """Of 32 bytes."""
        return agreement_public(private)

    def encapsulate(self, public: bytes, random: Random) -> tuple[bytes, bytes]:
        """RFC 9180 section 4.1, `Encap`."""
        ephemeral = random(KEY_BYTES)
        enc = agreement_public(ephemeral)
        try:
            shared = agree(ephemeral, public)
        except VerifyError as error:
            raise InvalidError(Rule.HPKE_KEY) from error
        return self._derive(shared, enc + public), enc

    def decapsulate(self, enc: bytes, private: bytes) -> bytes:
        """RFC 9180 section 4.1, `Decap`."""
        try:
            shared = agree(private, enc)
        except VerifyError as error:
            raise InvalidError(Rule.DECRYPTION) from error
        return self._derive(shared, enc + agreement_public(private))

    def _derive(self, shared: bytes, context: bytes) -> bytes:
        return self._expand(self._extract(b"eae_prk", shared), b"shared_secret", context)

    def _extract(self, label: bytes, ikm: bytes) -> bytes:
        return hkdf_extract(b"", _VERSION + self._suite + label + ikm)

    def _expand(self, secret: bytes, label: bytes, info: bytes) -> bytes:
        return hkdf_expand(secret, u16(KEY_BYTES) + _VERSION + self._suite + label + info, KEY_BYTES)


class XWing:
    """MLKEM768-X25519, 0x647a; a private key is its 32-byte seed."""

    id: Final = 0x647A
    public_bytes: Final = MLKEM_PUBLIC_BYTES + KEY_BYTES
    _suite: Final = b"KEM" + u16(0x647A)
    _LABEL: Final = b"\\.//^\\"

    def __init__(self, encapsulate: Encapsulate | None = None) -> None:
        """Without an `encapsulate` it opens and cannot seal."""
        self._encapsulate = encapsulate

    def check_public(self, public: bytes) -> None:
        """The modulus check of FIPS 203 section 7.2, and X25519's."""
        _check_point(public[MLKEM_PUBLIC_BYTES:])
        try:
            mlkem768_check_public(public[:MLKEM_PUBLIC_BYTES])
        except VerifyError as error:
            raise InvalidError(Rule.HPKE_KEY) from error

    def derive_key_pair(self, ikm: bytes) -> KeyPair:
        """`LabeledDerive` with SHAKE256 (draft-ietf-hpke-pq)."""
        label = b"DeriveKeyPair"
        named = ikm + _VERSION + self._suite + u16(len(label)) + label + u16(KEY_BYTES)
        private = hashlib.shake_256(named).digest(KEY_BYTES)
        return KeyPair(private, self.public_of(private))

    def public_of(self, private: bytes) -> bytes:
        """Of a 32-byte seed."""
        seed, x25519 = self._expand(private)
        return mlkem768_public(seed) + agreement_public(x25519)

    def encapsulate(self, public: bytes, random: Random) -> tuple[bytes, bytes]:
        """Both secrets, joined.

        Raises:
            InvalidError: `HPKE_KEY`.
            UsageError: `SUITE` when nothing was given to encapsulate with.
        """
        if self._encapsulate is None:
            raise UsageError(Code.SUITE, "no source of ML-KEM encapsulations was given")
        self.check_public(public)
        lattice, curve = public[:MLKEM_PUBLIC_BYTES], public[MLKEM_PUBLIC_BYTES:]
        ephemeral = random(KEY_BYTES)
        carried = agreement_public(ephemeral)
        agreed = agree(ephemeral, curve)
        secret, ciphertext = self._encapsulate(lattice)
        return self._combine(secret, agreed, carried, curve), ciphertext + carried

    def decapsulate(self, enc: bytes, private: bytes) -> bytes:
        """The joined secret."""
        seed, x25519 = self._expand(private)
        ciphertext, carried = enc[:MLKEM_CIPHERTEXT_BYTES], enc[MLKEM_CIPHERTEXT_BYTES:]
        try:
            # Refuses another length of what is left, and so of the whole.
            agreed = agree(x25519, carried)
        except VerifyError as error:
            raise InvalidError(Rule.DECRYPTION) from error
        secret = mlkem768_decapsulate(seed, ciphertext)
        return self._combine(secret, agreed, carried, agreement_public(x25519))

    def _combine(self, secret: bytes, agreed: bytes, carried: bytes, curve: bytes) -> bytes:
        return hashlib.sha3_256(secret + agreed + carried + curve + self._LABEL).digest()

    @staticmethod
    def _expand(private: bytes) -> tuple[bytes, bytes]:
        if len(private) != KEY_BYTES:
            raise UsageError(Code.BAD_TYPE, "an X-Wing private key has 32 bytes")
        expanded = hashlib.shake_256(private).digest(MLKEM_SEED_BYTES + KEY_BYTES)
        return expanded[:MLKEM_SEED_BYTES], expanded[MLKEM_SEED_BYTES:]
