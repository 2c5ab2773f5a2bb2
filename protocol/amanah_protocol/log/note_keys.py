"""The keys that sign notes: their text forms, signing, and the verification of a note.

Two signature types are known: plain Ed25519 (0x01, C2SP signed-note) and the timestamped cosignature
of a witness (0x04, C2SP tlog-cosignature). The type is part of a key, so that another can be added
without any change of format; a line of an unknown type is the line of an unknown key and is ignored.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import IntEnum
from typing import Final

from amanah_protocol.crypto import KEY_BYTES, SigningKey, sha256, verify_signature
from amanah_protocol.errors import Code, DecodeError, UsageError, VerifyError
from amanah_protocol.log.fields import MAX_DECIMAL, decode_base64, encode_base64
from amanah_protocol.log.note import KEY_ID_BYTES, Note, NoteSignature, check_name, check_text

_TIME_BYTES: Final = 8
_SKEY_PREFIX: Final = "PRIVATE+KEY+"


class SignatureType(IntEnum):
    """The signature type byte of a key (C2SP signed-note, section Signature types)."""

    ED25519 = 0x01
    """Ed25519 over the text."""
    COSIGNATURE = 0x04
    """Timestamped Ed25519 cosignature. It does not bind the cosigner's name: one key per cosigner."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NoteVerifier:
    """A public key that a verifier knows, as a vkey configures it.

    Attributes:
        name: The key's name; for a log, its origin.
        public: The raw Ed25519 public key, 32 bytes.
        kind: What its signatures are.

    Raises:
        UsageError: `MALFORMED`.
    """

    name: str
    public: bytes
    kind: SignatureType = SignatureType.ED25519

    def __post_init__(self) -> None:
        check_name(self.name)
        if len(self.public) != KEY_BYTES:
            raise UsageError(Code.MALFORMED, "an Ed25519 public key has 32 bytes")

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
            The time of a cosignature in seconds of Unix time, at least 1; 0 where the type has no time.

        Raises:
            VerifyError: `SIGNATURE`, also for a time of 0 or above 2**63 - 1.
        """
        time_s = 0
        if self.kind is SignatureType.COSIGNATURE:
            time_s = int.from_bytes(signature[:_TIME_BYTES], "big")
            # Time 0 would be the witness's word that it says nothing about when (attack 42).
            if not 0 < time_s <= MAX_DECIMAL:
                raise VerifyError(Code.SIGNATURE, f"the cosignature of {self.name} has no time")
            signature = signature[_TIME_BYTES:]
        verify_signature(self.public, signature, _signed_message(self.kind, text, time_s))
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

    def __init__(self, *, name: str, key: SigningKey, kind: SignatureType = SignatureType.ED25519) -> None:
        """Name a key.

        Raises:
            UsageError: `MALFORMED` for a name with spaces, plus or control characters.
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
            time_s: Seconds of Unix time for a cosignature, at least 1; 0 for a type without time.

        Raises:
            UsageError: `MALFORMED` for a text that no note can have, `USAGE` for a time that does not fit the type.
        """
        check_text(text)
        timed = self.verifier.kind is SignatureType.COSIGNATURE
        if not (0 < time_s <= MAX_DECIMAL if timed else time_s == 0):
            raise UsageError(Code.USAGE, "a cosignature has a time, another signature has none")
        signature = self._key.sign(_signed_message(self.verifier.kind, text, time_s))
        stamp = time_s.to_bytes(_TIME_BYTES, "big") if timed else b""
        return NoteSignature(name=self.name, key_id=self.verifier.key_id, signature=stamp + signature)

    def __repr__(self) -> str:
        return f"NoteSigner({self.verifier.vkey})"


def encode_skey(name: str, seed: bytes, kind: SignatureType = SignatureType.ED25519) -> str:
    """The text form of a private key, `PRIVATE+KEY+name+hex(key id)+base64(type ‖ seed)`: a secret.

    Raises:
        UsageError: `MALFORMED` for the name, `BAD_TYPE` for a seed that is not 32 bytes.
    """
    verifier = NoteSigner(name=name, key=SigningKey.from_seed(seed), kind=kind).verifier
    return f"{_SKEY_PREFIX}{name}+{verifier.key_id.hex()}+{encode_base64(bytes([kind]) + seed)}"


def decode_skey(text: str) -> NoteSigner:
    """Decode what `encode_skey` made. No error shows any of it but the name.

    Raises:
        DecodeError: as `decode_vkey`.
    """
    if not text.startswith(_SKEY_PREFIX):
        raise DecodeError(Code.MALFORMED, f"a private note key starts with {_SKEY_PREFIX}")
    name, key_id, kind, seed = _decode_key(text.removeprefix(_SKEY_PREFIX))
    try:
        signer = NoteSigner(name=name, key=SigningKey.from_seed(seed), kind=kind)
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
        time_s: The time of a cosignature, seconds of Unix time; 0 where the type has none.
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


def _signed_message(kind: SignatureType, text: str, time_s: int) -> bytes:
    if kind is SignatureType.COSIGNATURE:
        # The first line separates the two types: no checkpoint has a second line that starts with `time`.
        return f"cosignature/v1\ntime {time_s}\n{text}".encode()
    return text.encode()


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
