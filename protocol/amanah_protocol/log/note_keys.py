"""The keys that sign notes: their text forms, signing, and the verification of a note.

Three signature types are known: plain Ed25519 (0x01, C2SP signed-note) and the timestamped cosignatures
of a witness with Ed25519 (0x04) and with ML-DSA-44 (0x06, C2SP tlog-cosignature). The type is part of a
key; a line of an unknown type is the line of an unknown key and is ignored.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import IntEnum
from typing import Final, Protocol, TypeAlias

from amanah_protocol.crypto import KEY_BYTES, SigningKey, sha256, verify_signature
from amanah_protocol.errors import Code, DecodeError, UsageError, VerifyError
from amanah_protocol.log.cosigned import MAX_OPAQUE_BYTES, cosigned_message
from amanah_protocol.log.fields import MAX_DECIMAL, decode_base64, decode_head, encode_base64
from amanah_protocol.log.mldsa import MLDSA44_PUBLIC_BYTES, mldsa44_public, verify_mldsa44
from amanah_protocol.log.note import KEY_ID_BYTES, Note, NoteSignature, check_name, check_text

_TIME_BYTES: Final = 8
_SKEY_PREFIX: Final = "PRIVATE+KEY+"


class SignatureType(IntEnum):
    """The signature type byte of a key (C2SP signed-note, section Signature types)."""

    ED25519 = 0x01
    """Ed25519 over the text."""
    COSIGNATURE = 0x04
    """Timestamped Ed25519 cosignature. It does not bind the cosigner's name: one key per cosigner."""
    ML_DSA_44 = 0x06
    """ML-DSA-44 cosignature of a checkpoint, whose text must be one. A log may sign with it too, at time 0."""

    @property
    def cosigns(self) -> bool:
        """Whether a witness can have such a key."""
        return self is not SignatureType.ED25519

    @property
    def public_bytes(self) -> int:
        """Length of a public key."""
        return MLDSA44_PUBLIC_BYTES if self is SignatureType.ML_DSA_44 else KEY_BYTES


class PrivateKey(Protocol):
    """What signs: a `crypto.SigningKey`, or the ML-DSA-44 key of whoever may draw randomness."""

    @property
    def public(self) -> bytes:
        """Its raw public key."""

    def sign(self, message: bytes) -> bytes:
        """The signature alone, without a time."""


MlDsa: TypeAlias = Callable[[bytes], PrivateKey]
"""The ML-DSA-44 private key of a 32-byte seed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NoteVerifier:
    """A public key that a verifier knows, as a vkey configures it.

    Attributes:
        name: The key's name; for a log, its origin.
        public: The raw public key: 32 bytes of Ed25519, 1,312 of ML-DSA-44.
        kind: What its signatures are.

    Raises:
        UsageError: `MALFORMED`.
    """

    name: str
    public: bytes
    kind: SignatureType = SignatureType.ED25519

    def __post_init__(self) -> None:
        check_name(self.name)
        if len(self.public) != self.kind.public_bytes:
            raise UsageError(Code.MALFORMED, f"a public key of this type has {self.kind.public_bytes} bytes")
        if self.kind is SignatureType.ML_DSA_44 and len(self.name.encode()) > MAX_OPAQUE_BYTES:
            raise UsageError(Code.MALFORMED, f"the name of an ML-DSA-44 key has at most {MAX_OPAQUE_BYTES} bytes")

    @property
    def key_id(self) -> bytes:
        """SHA-256(name ‖ 0x0A ‖ type ‖ public key), its first 4 bytes."""
        return sha256(self.name.encode() + b"\n" + bytes([self.kind]) + self.public)[:KEY_ID_BYTES]

    @property
    def vkey(self) -> str:
        """The key's text form: `name+hex(key id)+base64(type ‖ public key)`."""
        return f"{self.name}+{self.key_id.hex()}+{encode_base64(bytes([self.kind]) + self.public)}"

    def verify(self, text: str, signature: bytes) -> int:
        """Verify one signature of this key over a text.

        Returns:
            The time of a cosignature in seconds of Unix time; 0 where the type has no time, and where a cosigner
            with ML-DSA-44 does not say that it knows no larger tree.

        Raises:
            VerifyError: `SIGNATURE`, also for a time above 2**63 - 1, for a time of 0 with Ed25519, and where an
                ML-DSA-44 key should have signed what is no checkpoint of three lines.
        """
        if self.kind is SignatureType.ED25519:
            verify_signature(self.public, signature, text.encode())
            return 0
        if self.kind is SignatureType.ML_DSA_44:
            try:
                # Extension lines, which this signature would not cover, are refused with the text.
                origin, size, root = decode_head(text)
            except DecodeError as error:
                raise VerifyError(Code.SIGNATURE, f"{self.name} cannot have cosigned this: {error.detail}") from error
            return self.verify_subtree(signature, origin=origin, start=0, end=size, root=root)
        time_s = int.from_bytes(signature[:_TIME_BYTES], "big")
        # Time 0 would be the witness's word that it says nothing about when (attack 42).
        if not 0 < time_s <= MAX_DECIMAL:
            raise VerifyError(Code.SIGNATURE, f"the cosignature of {self.name} has no time")
        verify_signature(self.public, signature[_TIME_BYTES:], _cosigned_text(text, time_s))
        return time_s

    def verify_subtree(self, signature: bytes, *, origin: str, start: int, end: int, root: bytes) -> int:
        """Verify an ML-DSA-44 cosignature of a subtree; of a whole log, what `verify` verifies.

        Returns:
            The time, as `verify` gives it; 0 unless the subtree starts at the first leaf.

        Raises:
            VerifyError: `SIGNATURE`, also for a key of another type and for leaves that are no subtree.
        """
        if self.kind is not SignatureType.ML_DSA_44:
            raise VerifyError(Code.SIGNATURE, f"the key {self.name} cosigns no subtrees")
        time_s = int.from_bytes(signature[:_TIME_BYTES], "big")
        try:
            message = cosigned_message(name=self.name, time_s=time_s, origin=origin, start=start, end=end, root=root)
        except UsageError as error:
            raise VerifyError(Code.SIGNATURE, f"{self.name} cannot have cosigned this: {error.detail}") from error
        verify_mldsa44(self.public, signature[_TIME_BYTES:], message)
        return time_s


def decode_vkey(text: str) -> NoteVerifier:
    """Decode a vkey, `name+hex(key id)+base64(type ‖ public key)`.

    Raises:
        DecodeError: `MALFORMED`, `NOT_CANONICAL` (base64), `BAD_TYPE` for a signature type that is not
            known, `KEY_ID` when the key id is not that of name and key.
    """
    name, key_id, kind, public = _decode_key(text)
    try:
        verifier = NoteVerifier(name=name, public=public, kind=kind)
    except UsageError as error:
        raise DecodeError(error.code, error.detail) from error
    if verifier.key_id.hex() != key_id:
        raise DecodeError(Code.KEY_ID, f"the key id {key_id} is not that of the key {name}")
    return verifier


class NoteSigner:
    """A private key that signs notes. Its `repr` shows the public key only."""

    __slots__ = ("_key", "verifier")

    def __init__(self, *, name: str, key: PrivateKey, kind: SignatureType = SignatureType.ED25519) -> None:
        """Name a key.

        Raises:
            UsageError: `MALFORMED` for a name with spaces, plus or control characters, and for a key of another type.
        """
        self._key = key
        self.verifier: NoteVerifier = NoteVerifier(name=name, public=key.public, kind=kind)

    @property
    def name(self) -> str:
        """The key's name."""
        return self.verifier.name

    def sign(self, text: str, *, time_s: int = 0) -> NoteSignature:
        """Sign a note's text.

        Args:
            text: With its final newline.
            time_s: Seconds of Unix time for a cosignature; 0 for a type without time, and for an ML-DSA-44 key
                that does not say that it knows no larger tree.

        Raises:
            UsageError: `MALFORMED` for a text that no note can have, or that an ML-DSA-44 key cannot sign because it
                is no checkpoint of three lines; `USAGE` for a time that does not fit the type, `MALFORMED` for one
                of more than 63 bits with ML-DSA-44.
        """
        check_text(text)
        kind = self.verifier.kind
        if kind is SignatureType.ML_DSA_44:
            try:
                origin, size, root = decode_head(text)
            except DecodeError as error:
                raise UsageError(error.code, error.detail) from error
            return self.sign_subtree(origin=origin, start=0, end=size, root=root, time_s=time_s)
        timed = kind is SignatureType.COSIGNATURE
        if not (0 < time_s <= MAX_DECIMAL if timed else time_s == 0):
            raise UsageError(Code.USAGE, "a cosignature has a time, another signature has none")
        signature = self._key.sign(_cosigned_text(text, time_s) if timed else text.encode())
        return self._line((time_s.to_bytes(_TIME_BYTES, "big") if timed else b"") + signature)

    def sign_subtree(self, *, origin: str, start: int, end: int, root: bytes, time_s: int = 0) -> NoteSignature:
        """Cosign a subtree with ML-DSA-44, after it was verified to be one of the log.

        Args:
            origin: The log's, 1 to 255 bytes.
            start: Index of the first leaf.
            end: Index after the last leaf.
            root: Hash of the subtree, 32 bytes.
            time_s: Seconds of Unix time; 0 unless the subtree is the largest tree known.

        Raises:
            UsageError: `USAGE` for a key of another type, and for a time where the first leaf is left out;
                `MALFORMED` for what is no subtree, origin, hash or time.
        """
        if self.verifier.kind is not SignatureType.ML_DSA_44:
            raise UsageError(Code.USAGE, "only ML-DSA-44 keys cosign subtrees")
        message = cosigned_message(name=self.name, time_s=time_s, origin=origin, start=start, end=end, root=root)
        return self._line(time_s.to_bytes(_TIME_BYTES, "big") + self._key.sign(message))

    def _line(self, signature: bytes) -> NoteSignature:
        return NoteSignature(name=self.name, key_id=self.verifier.key_id, signature=signature)

    def __repr__(self) -> str:
        return f"NoteSigner({self.verifier.vkey})"


def encode_skey(name: str, seed: bytes, kind: SignatureType = SignatureType.ED25519) -> str:
    """The text form of a private key, `PRIVATE+KEY+name+hex(key id)+base64(type ‖ seed)`: a secret.

    Raises:
        UsageError: `MALFORMED` for the name, `BAD_TYPE` for a seed that is not 32 bytes.
    """
    public = mldsa44_public(seed) if kind is SignatureType.ML_DSA_44 else SigningKey.from_seed(seed).public
    verifier = NoteVerifier(name=name, public=public, kind=kind)
    return f"{_SKEY_PREFIX}{name}+{verifier.key_id.hex()}+{encode_base64(bytes([kind]) + seed)}"


def decode_skey(text: str, *, mldsa: MlDsa | None = None) -> NoteSigner:
    """Decode what `encode_skey` made. No error shows any of it but the name.

    Args:
        text: The private key.
        mldsa: Makes an ML-DSA-44 key of its seed; without it a key of that type is refused.

    Raises:
        DecodeError: as `decode_vkey`.
    """
    if not text.startswith(_SKEY_PREFIX):
        raise DecodeError(Code.MALFORMED, f"a private note key starts with {_SKEY_PREFIX}")
    name, key_id, kind, seed = _decode_key(text.removeprefix(_SKEY_PREFIX))
    make: Callable[[bytes], PrivateKey] | None = mldsa if kind is SignatureType.ML_DSA_44 else SigningKey.from_seed
    if make is None:
        raise DecodeError(Code.BAD_TYPE, f"the key {name} is one of ML-DSA-44, with which nothing signs here")
    try:
        signer = NoteSigner(name=name, key=make(seed), kind=kind)
    except UsageError as error:
        raise DecodeError(error.code, error.detail) from error
    if signer.verifier.key_id.hex() != key_id:
        raise DecodeError(Code.KEY_ID, f"the key id is not that of the key {name}")
    return signer


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownSignature:
    """A verified signature of a known key.

    Attributes:
        verifier: The key.
        time_s: The time of a cosignature, seconds of Unix time; 0 where the type has none, and where an ML-DSA-44
            key signed without one: whoever counts witnesses does not count such a line (attack 42).
    """

    verifier: NoteVerifier
    time_s: int


def verify_note(note: Note, verifiers: Iterable[NoteVerifier]) -> tuple[KnownSignature, ...]:
    """Verify a note's signatures by known keys; lines of unknown keys are ignored.

    Args:
        note: The note.
        verifiers: The known keys.

    Returns:
        One entry for each key that signed, at least one, in no promised order: a line that is there twice
        counts once, of several cosignatures of one key the newest. Two names for one public key are two
        keys here; whoever counts a quorum counts distinct `public`.

    Raises:
        VerifyError: `SIGNATURE` when any signature of a known key fails, or no known key has signed.
        UsageError: `USAGE` when two of the keys share name and id.
    """
    known: dict[tuple[str, bytes], NoteVerifier] = {}
    for verifier in verifiers:
        if known.setdefault((verifier.name, verifier.key_id), verifier) != verifier:
            raise UsageError(Code.USAGE, f"two different keys are named {verifier.name} with one key id")
    times: dict[NoteVerifier, int] = {}
    for line in note.signatures:
        signer = known.get((line.name, line.key_id))
        if signer is not None:
            # One bad line of a known key spoils the note: else it could be passed on with a forged line in it.
            times[signer] = max(signer.verify(note.text, line.signature), times.get(signer, 0))
    if not times:
        raise VerifyError(Code.SIGNATURE, "no known key has signed this note")
    return tuple(KnownSignature(verifier=signer, time_s=time_s) for signer, time_s in times.items())


def _cosigned_text(text: str, time_s: int) -> bytes:
    # The first line separates the two types of Ed25519: no checkpoint has a second line that starts with `time`.
    return f"cosignature/v1\ntime {time_s}\n{text}".encode()


def _decode_key(text: str) -> tuple[str, str, SignatureType, bytes]:
    """Name, hexadecimal key id, type and key material; the base64 may hold further plus signs."""
    name, _, rest = text.partition("+")
    key_id, _, encoded = rest.partition("+")
    data = decode_base64(encoded, "a note key")
    try:
        kind = SignatureType(data[0]) if data else None
    except ValueError:
        kind = None
    if kind is None:
        raise DecodeError(Code.BAD_TYPE, "the signature type of this note key is not known")
    return name, key_id, kind, data[1:]
