"""What log and witness say to each other, and what a witness decides (C2SP tlog-witness, `add-checkpoint`).

The decision is pure: from the keys that the witness trusts for an origin, the newest checkpoint that it
cosigned for it, and a request. Whoever calls it holds what it read under a lock until the new state is
durable, and answers only then.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import Enum, StrEnum
from typing import Final

from amanah_protocol.errors import Code, DecodeError, UsageError, VerifyError
from amanah_protocol.log.checkpoint import Checkpoint, decode_checkpoint
from amanah_protocol.log.fields import decode_decimal, decode_hash, encode_base64
from amanah_protocol.log.merkle import HASH_BYTES, MAX_TREE_SIZE, verify_consistency
from amanah_protocol.log.note import MAX_NOTE_BYTES, Note, NoteSignature, decode_signatures
from amanah_protocol.log.note_keys import NoteVerifier, verify_note
from amanah_protocol.verified import Verified

MAX_PROOF_LINES: Final = 63
_MAX_HEAD_BYTES: Final = 4_096
"""More than 63 lines of base64 and the old size take."""
MAX_REQUEST_BYTES: Final = _MAX_HEAD_BYTES + MAX_NOTE_BYTES
MAX_ANSWER_BYTES: Final = MAX_NOTE_BYTES
SIZE_TYPE: Final = "text/x.tlog.size"
"""Media type of the one refusal that carries a number."""

_OLD: Final = "old "


@dataclass(frozen=True, slots=True, kw_only=True)
class WitnessRequest:
    """What a log asks a witness for; nothing of it is verified.

    Attributes:
        old_size: The size of the checkpoint that the log believes the witness cosigned last; 0 for none.
        proof: The consistency proof from that size, at most 63 hashes of 32 bytes.
        checkpoint: What the submitted checkpoint says.
        note: The submitted checkpoint, for its signatures.
    """

    old_size: int
    proof: tuple[bytes, ...]
    checkpoint: Checkpoint
    note: Note


class Refusal(Enum):
    """Why a witness does not cosign: the HTTP status, and the words beside it."""

    UNKNOWN_ORIGIN = 404, "this witness does not know the log"
    SIGNATURE = 403, "no key that is trusted for the log has signed this checkpoint, or one of its signatures fails"
    OLD_SIZE = 400, "the old size is larger than the checkpoint"
    STALE = 409, "the old size is not that of the checkpoint cosigned last"
    PROOF = 422, "the consistency proof does not lead from the checkpoint cosigned last to this one"
    OTHER_ROOT = 409, "another root was cosigned at this size"

    def __init__(self, status: int, words: str) -> None:
        self.status = status
        self.words = words


class Finding(StrEnum):
    """What a checkpoint that a log signed, and that was refused, says about the log."""

    CONFLICT = "conflict"
    """Two roots at one size: the log has shown two histories, and both are signed."""
    UNPROVEN = "unproven"
    """No proof that held came with it. Anybody may have sent a wrong one: the log is asked for the right one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Accepted:
    """The witness's new state for an origin, to be made durable before it cosigns.

    Attributes:
        checkpoint: The newest checkpoint of the log.
        note: The same with the log's own signatures, one for each of its keys; lines of others are left out.
    """

    checkpoint: Verified[Checkpoint]
    note: Note


@dataclass(frozen=True, slots=True, kw_only=True)
class Refused:
    """The state stays as it is.

    Attributes:
        refusal: Why.
        known_size: Size of the checkpoint cosigned last, 0 for none: the answer to `STALE`.
        finding: What speaks against the log, None for nothing.
        note: The checkpoint as evidence, with the log's own signatures; None where nothing speaks against the log.
    """

    refusal: Refusal
    known_size: int
    finding: Finding | None = None
    note: Note | None = None


def encode_request(old_size: int, proof: Sequence[bytes], checkpoint: bytes) -> bytes:
    """The body of an `add-checkpoint` request.

    Args:
        old_size: The size from which the proof leads; 0 where the witness has cosigned nothing yet.
        proof: The consistency proof, at most 63 hashes of 32 bytes.
        checkpoint: The signed note.

    Raises:
        UsageError: `BAD_TYPE`.
        DecodeError: It is not a signed checkpoint.
    """
    if not 0 <= old_size <= MAX_TREE_SIZE or len(proof) > MAX_PROOF_LINES:
        raise UsageError(Code.BAD_TYPE, f"a witness takes a size of 63 bits and at most {MAX_PROOF_LINES} hashes")
    if any(len(node) != HASH_BYTES for node in proof):
        raise UsageError(Code.BAD_TYPE, "a hash of a proof has 32 bytes")
    decode_checkpoint(checkpoint)
    lines = [f"{_OLD}{old_size}", *(encode_base64(node) for node in proof), "", ""]
    return "\n".join(lines).encode("ascii") + checkpoint


def decode_request(data: bytes) -> WitnessRequest:
    """Decode the body of an `add-checkpoint` request; a witness answers 400 to what does not decode.

    Raises:
        DecodeError: `TOO_LARGE`, `MALFORMED` or `NOT_CANONICAL` (base64), also for a checkpoint with extension
            lines, which nobody could audit, and for the empty tree with another root than its own.
    """
    if len(data) > MAX_REQUEST_BYTES:
        raise DecodeError(Code.TOO_LARGE, f"{len(data)} bytes where at most {MAX_REQUEST_BYTES} are allowed")
    # The first empty line: the checkpoint behind it has one of its own.
    head, separator, note = data.partition(b"\n\n")
    if not separator or not head.isascii() or len(head) > _MAX_HEAD_BYTES:
        raise DecodeError(Code.MALFORMED, "a request is an old size, a proof, an empty line and a checkpoint")
    first, *rest = head.decode("ascii").split("\n")
    if not first.startswith(_OLD):
        raise DecodeError(Code.MALFORMED, "the first line of a request is `old` and a size")
    if len(rest) > MAX_PROOF_LINES:
        raise DecodeError(Code.MALFORMED, f"a proof has at most {MAX_PROOF_LINES} hashes")
    old_size = decode_decimal(first.removeprefix(_OLD), "the old size of a request")
    proof = tuple(decode_hash(line, "a hash of a proof") for line in rest)
    checkpoint, signed = decode_checkpoint(note)
    return WitnessRequest(old_size=old_size, proof=proof, checkpoint=checkpoint, note=signed)


def encode_answer(cosignatures: Iterable[NoteSignature]) -> bytes:
    """The body of a witness's answer: the cosignature of each of its keys, a line each."""
    return "".join(line.encode() for line in cosignatures).encode()


def decode_answer(data: bytes) -> tuple[NoteSignature, ...]:
    """Decode a witness's answer; whoever asked verifies the lines of the keys that it knows and ignores others.

    Raises:
        DecodeError: `TOO_LARGE`, `MALFORMED` or `NOT_CANONICAL` (base64).
    """
    if len(data) > MAX_ANSWER_BYTES:
        raise DecodeError(Code.TOO_LARGE, f"{len(data)} bytes where at most {MAX_ANSWER_BYTES} are allowed")
    try:
        return decode_signatures(data.decode("utf-8"))
    except UnicodeDecodeError as error:
        raise DecodeError(Code.MALFORMED, "an answer is UTF-8") from error


def encode_size(size: int) -> bytes:
    """The body of the answer to a stale old size."""
    return b"%d\n" % size


def decode_size(data: bytes) -> int:
    """Decode the body of the answer to a stale old size: a claim of the witness, which binds nobody.

    Raises:
        DecodeError: `MALFORMED`.
    """
    text = data[:32].decode("ascii", "replace")
    if not text.endswith("\n"):
        raise DecodeError(Code.MALFORMED, "a size is a decimal number and a newline")
    return decode_decimal(text.removesuffix("\n"), "the size that a witness tells")


def decide(request: WitnessRequest, keys: Sequence[NoteVerifier], known: Checkpoint | None) -> Accepted | Refused:
    """Decide on a request, by the checks of C2SP tlog-witness in their order.

    Args:
        request: What was asked.
        keys: The keys that are trusted for the origin which the request names; none for an unknown origin.
        known: The newest checkpoint that was cosigned for that origin; None for none.

    Returns:
        The new state, or why there is none.

    Raises:
        UsageError: `USAGE` when two of the keys share name and id.
    """
    known_size = known.size if known is not None else 0
    # "If the checkpoint origin is unknown, the witness MUST respond with a 404."
    if not keys:
        return Refused(refusal=Refusal.UNKNOWN_ORIGIN, known_size=known_size)
    # 403, also where one signature of a trusted key fails beside another that holds.
    try:
        checkpoint, note = verify_request(request, keys)
    except VerifyError:
        return Refused(refusal=Refusal.SIGNATURE, known_size=known_size)
    refusal = _check_growth(request, known)
    if refusal is None:
        return Accepted(checkpoint=checkpoint, note=note)
    finding = _finding(refusal, request.checkpoint, known)
    return Refused(refusal=refusal, known_size=known_size, finding=finding, note=note if finding else None)


def verify_request(request: WitnessRequest, keys: Sequence[NoteVerifier]) -> tuple[Verified[Checkpoint], Note]:
    """Verify that a key which is trusted for the log has signed the submitted checkpoint.

    Args:
        request: What was asked.
        keys: The keys that are trusted for its origin.

    Returns:
        The checkpoint, and the note with the lines of those keys alone.

    Raises:
        VerifyError: `SIGNATURE` when one of a known key fails, or none has signed.
    """
    signers = {(known.verifier.name, known.verifier.key_id) for known in verify_note(request.note, keys)}
    lines = {(line.name, line.key_id): line for line in request.note.signatures}
    note = Note(text=request.note.text, signatures=tuple(line for key, line in lines.items() if key in signers))
    return Verified(request.checkpoint), note


def _check_growth(request: WitnessRequest, known: Checkpoint | None) -> Refusal | None:
    """Whether the checkpoint continues the one that was cosigned last; None when it does."""
    old, new = request.old_size, request.checkpoint
    # "The old size MUST be equal to or lower than the checkpoint size": 400.
    if old > new.size:
        return Refusal.OLD_SIZE
    # "... the old size matches the size of the latest checkpoint it cosigned": 409 with that size.
    if old != (0 if known is None else known.size):
        return Refusal.STALE
    # "The proof MUST be empty if the old size is zero", and between equal sizes there is none: 422.
    if known is None or not old or old == new.size:
        if request.proof:
            return Refusal.PROOF
    else:
        try:
            verify_consistency(old, known.root, new.size, new.root, request.proof)
        except VerifyError:
            return Refusal.PROOF
    # "If the old size matches the checkpoint size, ... the root hashes are also identical": 409.
    return Refusal.OTHER_ROOT if _is_conflict(new, known) else None


def _is_conflict(new: Checkpoint, known: Checkpoint | None) -> bool:
    return known is not None and known.size == new.size and known.root != new.root


def _finding(refusal: Refusal, new: Checkpoint, known: Checkpoint | None) -> Finding | None:
    """What a refused checkpoint that the log has signed says about the log."""
    # Whatever old size it came with: who shows two trees need not ask for the second with the right one.
    if _is_conflict(new, known):
        return Finding.CONFLICT
    grown = known is not None and 0 < known.size < new.size
    return Finding.UNPROVEN if grown and refusal is Refusal.PROOF else None
