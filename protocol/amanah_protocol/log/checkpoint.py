"""Checkpoints: the signed head of the log (C2SP tlog-checkpoint).

The body has exactly three lines: origin, size, root. Extension lines, which the specification allows
and does not recommend, are refused: no monitor could audit what a log says there.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from amanah_protocol.errors import Code, DecodeError, UsageError, VerifyError
from amanah_protocol.log.cosigned import MAX_OPAQUE_BYTES
from amanah_protocol.log.fields import decode_head, encode_base64
from amanah_protocol.log.merkle import EMPTY_ROOT, HASH_BYTES, MAX_TREE_SIZE
from amanah_protocol.log.note import Note, NoteSignature, decode_note
from amanah_protocol.log.note_keys import NoteSigner, NoteVerifier, decode_vkey, verify_note
from amanah_protocol.verified import Verified

MAX_ORIGIN_BYTES: Final = MAX_OPAQUE_BYTES
"""What a cosigned message of C2SP tlog-cosignature can hold."""

# One line, without what a terminal would obey. Spaces are allowed: "clients MUST NOT assume that the origin
# is following this format", that of an address.
_ORIGIN: Final = re.compile(r"[^\x00-\x1f\x7f-\x9f\ud800-\udfff]+")


@dataclass(frozen=True, slots=True, kw_only=True)
class Checkpoint:
    """The head of a log at one size.

    Attributes:
        origin: The log's identity, one line of at most 255 bytes, for example `relay.example.org/log`.
        size: Number of leaves, 0 to 2**63 - 1.
        root: Root of the tree of this size, 32 bytes.

    Raises:
        UsageError: `MALFORMED`, also for a size of 0 with another root than that of the empty tree.
    """

    origin: str
    size: int
    root: bytes

    def __post_init__(self) -> None:
        if _ORIGIN.fullmatch(self.origin) is None or len(self.origin.encode()) > MAX_ORIGIN_BYTES:
            raise UsageError(Code.MALFORMED, "the origin of a log is one line of 1 to 255 bytes")
        if not 0 <= self.size <= MAX_TREE_SIZE or len(self.root) != HASH_BYTES:
            raise UsageError(Code.MALFORMED, "a checkpoint has a size of 63 bits and a root of 32 bytes")
        if not self.size and self.root != EMPTY_ROOT:
            raise UsageError(Code.MALFORMED, "the empty tree has one root only")


def encode_body(checkpoint: Checkpoint) -> str:
    """The note text of a checkpoint: three lines, each with its newline."""
    return f"{checkpoint.origin}\n{checkpoint.size}\n{encode_base64(checkpoint.root)}\n"


def decode_body(text: str) -> Checkpoint:
    """Decode the note text of a checkpoint.

    Raises:
        DecodeError: `MALFORMED`, also for extension lines, or `NOT_CANONICAL` (base64).
    """
    origin, size, root = decode_head(text)
    try:
        return Checkpoint(origin=origin, size=size, root=root)
    except UsageError as error:
        raise DecodeError(error.code, error.detail) from error


def decode_checkpoint(data: bytes) -> tuple[Checkpoint, Note]:
    """Decode a signed checkpoint; no signature is verified.

    Returns:
        What it says, for choosing the key to verify it with, and the note, for its signatures.

    Raises:
        DecodeError: as `decode_note` and `decode_body`.
    """
    note = decode_note(data)
    return decode_body(note.text), note


def sign_checkpoint(checkpoint: Checkpoint, signer: NoteSigner) -> bytes:
    """Sign a checkpoint as the log.

    "A log MUST not sign any checkpoint which is inconsistent with any checkpoint it previously signed":
    the caller signs only what is durable, and never an earlier size again with another root.

    Args:
        checkpoint: The head.
        signer: The log's key; its name is the origin.

    Returns:
        The note, at most 256 KiB. Cosignatures of witnesses are appended as further lines.

    Raises:
        UsageError: `USAGE` when the key has another name than the log, or is a witness's key.
    """
    if signer.name != checkpoint.origin:
        raise UsageError(Code.USAGE, f"the key {signer.name} does not sign for the log {checkpoint.origin}")
    text = encode_body(checkpoint)
    return Note(text=text, signatures=(signer.sign(text),)).encode()


def cosign_checkpoint(checkpoint: Verified[Checkpoint], signer: NoteSigner, *, time_s: int) -> NoteSignature:
    """Cosign a checkpoint as a witness (C2SP tlog-cosignature, types 0x04 and 0x06).

    A witness does so only after it has verified the consistency with the newest checkpoint that it knew,
    and has made the new one durable.

    Args:
        checkpoint: The head, its signature by the log verified.
        signer: The witness's key, of type `COSIGNATURE` or `ML_DSA_44`.
        time_s: Seconds of Unix time, at least 1: that this is the largest tree it has seen is what a witness says.

    Raises:
        UsageError: `USAGE` for another type of key or a time out of range.
    """
    if not time_s:
        raise UsageError(Code.USAGE, "a witness says when it cosigned")
    return signer.sign(encode_body(checkpoint.value), time_s=time_s)


def verify_checkpoint(data: bytes, vkey: str | NoteVerifier, origin: str) -> Verified[Checkpoint]:
    """Verify that a log signed this checkpoint; lines of other keys are ignored.

    It does not verify that the log shows everybody the same: that is what consistency proofs,
    witnesses and the comparison of views are for.

    Args:
        data: The signed note.
        vkey: The log's key, from the roster.
        origin: The log's origin, from the roster.

    Raises:
        DecodeError: as `decode_checkpoint` and `decode_vkey`.
        VerifyError: `CHECKPOINT` for another origin, or when the log's key has not signed.
    """
    verifier = decode_vkey(vkey) if isinstance(vkey, str) else vkey
    checkpoint, note = decode_checkpoint(data)
    # One key may serve two logs: the origin is compared, not implied by the key.
    if checkpoint.origin != origin:
        raise VerifyError(Code.CHECKPOINT, f"this is not a checkpoint of {origin}")
    try:
        verify_note(note, (verifier,))
    except VerifyError as error:
        raise VerifyError(Code.CHECKPOINT, f"the key of {origin} has not signed this checkpoint") from error
    return Verified(checkpoint)
