"""`.tlog-proof` files: one entry's place in a log, verifiable offline (C2SP tlog-proof).

The file holds the index, the inclusion path and the signed checkpoint; whoever verifies brings the
entry itself, and the log's key or a policy of logs and witnesses.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from amanah_protocol.errors import Code, DecodeError, UsageError
from amanah_protocol.log.checkpoint import Checkpoint, decode_checkpoint, verify_checkpoint
from amanah_protocol.log.fields import decode_base64, decode_decimal, decode_hash, encode_base64
from amanah_protocol.log.merkle import HASH_BYTES, MAX_PATH, MAX_TREE_SIZE, verify_inclusion
from amanah_protocol.log.note import MAX_NOTE_BYTES
from amanah_protocol.log.note_keys import NoteVerifier
from amanah_protocol.log.policy import Policy, Witnessed
from amanah_protocol.types import LeafHash
from amanah_protocol.verified import Verified

PROOF_SUFFIX: Final = ".tlog-proof"
MAX_EXTRA_BYTES: Final = 64 * 1024
MAX_PROOF_BYTES: Final = MAX_NOTE_BYTES + 2 * MAX_EXTRA_BYTES
"""The checkpoint; the extra data in base64; what is left is more than 64 hashes need."""

PROOF_HEADER: Final = b"c2sp.org/tlog-proof@v1\n"
"""How such a file begins."""

_HEADER: Final = PROOF_HEADER.decode().rstrip("\n")
_EXTRA: Final = "extra "
_INDEX: Final = "index "


@dataclass(frozen=True, slots=True, kw_only=True)
class LogProof:
    """The content of a `.tlog-proof` file, not verified.

    Attributes:
        index: The entry's place in the log, from 0.
        path: The inclusion path, at most 64 hashes of 32 bytes, sibling of the leaf first.
        checkpoint: The signed note, byte for byte.
        extra: At most 64 KiB for the application. Nothing authenticates it, not even a verified proof.

    Raises:
        UsageError: `MALFORMED` or `TOO_LARGE`.
        DecodeError: when the checkpoint is none.
    """

    index: int
    path: tuple[bytes, ...]
    checkpoint: bytes
    extra: bytes = b""

    def __post_init__(self) -> None:
        if not 0 <= self.index < MAX_TREE_SIZE:
            raise UsageError(Code.MALFORMED, f"no log has an entry {self.index}")
        if len(self.path) > MAX_PATH or any(len(node) != HASH_BYTES for node in self.path):
            raise UsageError(Code.MALFORMED, f"a path is at most {MAX_PATH} hashes of 32 bytes")
        if len(self.extra) > MAX_EXTRA_BYTES:
            raise UsageError(Code.TOO_LARGE, f"a proof has at most {MAX_EXTRA_BYTES} bytes of extra data")
        decode_checkpoint(self.checkpoint)


def encode_proof(proof: LogProof) -> bytes:
    """The bytes of a `.tlog-proof` file."""
    lines = [_HEADER]
    if proof.extra:
        lines.append(_EXTRA + encode_base64(proof.extra))
    lines.append(f"{_INDEX}{proof.index}")
    lines.extend(encode_base64(node) for node in proof.path)
    return "\n".join([*lines, "", ""]).encode("ascii") + proof.checkpoint


def decode_proof(data: bytes) -> LogProof:
    """Decode a `.tlog-proof` file; nothing is verified yet.

    Raises:
        DecodeError: `TOO_LARGE`, `UNKNOWN_VERSION` for another first line, `MALFORMED` or `NOT_CANONICAL`.
    """
    if len(data) > MAX_PROOF_BYTES:
        raise DecodeError(Code.TOO_LARGE, f"{len(data)} bytes where at most {MAX_PROOF_BYTES} are allowed")
    # The first empty line: the note behind it has one of its own.
    head, _, checkpoint = data.partition(b"\n\n")
    if not head.isascii():
        raise DecodeError(Code.MALFORMED, "the lines before the checkpoint are ASCII")
    header, *lines = head.decode("ascii").split("\n")
    if header != _HEADER:
        raise DecodeError(Code.UNKNOWN_VERSION, f"the first line of a proof is {_HEADER}")
    extra = b""
    if lines and lines[0].startswith(_EXTRA):
        extra = decode_base64(lines.pop(0).removeprefix(_EXTRA), "the extra data of a proof")
        if not extra:
            raise DecodeError(Code.NOT_CANONICAL, "a proof without extra data has no line for it")
    if not lines or not lines[0].startswith(_INDEX):
        raise DecodeError(Code.MALFORMED, "a proof names the index of its entry")
    index = decode_decimal(lines[0].removeprefix(_INDEX), "the index of a proof")
    path = tuple(decode_hash(line, "a hash of a proof") for line in lines[1:])
    try:
        return LogProof(index=index, path=path, checkpoint=checkpoint, extra=extra)
    except UsageError as error:
        raise DecodeError(error.code, error.detail) from error


def verify_proof(proof: LogProof, leaf: LeafHash, vkey: str | NoteVerifier, origin: str) -> Verified[Checkpoint]:
    """Verify that the log's checkpoint covers an entry; that others saw this log is not verified.

    Args:
        proof: The decoded file. Its `extra` stays unverified.
        leaf: `merkle.leaf_hash` of the entry, made by the verifier from the entry itself.
        vkey: The log's key, from the roster.
        origin: The log's origin, from the roster.

    Returns:
        The checkpoint, for comparing it with others; `proof.index` is then proven too.

    Raises:
        DecodeError: as `decode_vkey`.
        VerifyError: `CHECKPOINT` when the log has not signed it, `PROOF` when the path does not lead to it.
    """
    checkpoint = verify_checkpoint(proof.checkpoint, vkey, origin)
    verify_inclusion(leaf, proof.index, checkpoint.value.size, proof.path, checkpoint.value.root)
    return checkpoint


def verify_witnessed_proof(proof: LogProof, leaf: LeafHash, policy: Policy) -> Witnessed:
    """Verify that a checkpoint which satisfies a policy covers an entry (C2SP tlog-proof, tlog-policy).

    Args:
        proof: The decoded file. Its `extra` stays unverified.
        leaf: `merkle.leaf_hash` of the entry, made by the verifier from the entry itself.
        policy: The logs that are trusted, and which witnesses must have cosigned.

    Returns:
        The checkpoint and who cosigned it when; `proof.index` is then proven too.

    Raises:
        VerifyError: as `Policy.verify_note`; `PROOF` when the path does not lead to the checkpoint.
    """
    witnessed = policy.verify_note(proof.checkpoint)
    head = witnessed.checkpoint
    verify_inclusion(leaf, proof.index, head.size, proof.path, head.root)
    return witnessed
