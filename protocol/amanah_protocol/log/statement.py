"""What the log has said of itself, signed: that at one size it had one root.

Three structures say that: checkpoints, by the log's key; heads of the control stream and receipts, by the relay's.
In a sealed message the sender's newest checkpoint travels without its text: who knows the log's key from the
roster makes the note anew.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import IntEnum

from amanah_protocol.errors import AmanahError, Code, DecodeError, UsageError, VerifyError
from amanah_protocol.heads import verify_control_head
from amanah_protocol.log.checkpoint import Checkpoint, decode_checkpoint, encode_body, verify_checkpoint
from amanah_protocol.log.note import Note, NoteSignature
from amanah_protocol.log.note_keys import NoteVerifier, decode_vkey
from amanah_protocol.log.receipt import verify_receipt
from amanah_protocol.roster import Relay
from amanah_protocol.verified import Verified


class Form(IntEnum):
    """What a statement is."""

    CHECKPOINT = 1
    HEAD = 2
    """A head of the control stream."""
    RECEIPT = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Statement:
    """A signed word about the log, not verified.

    Attributes:
        form: What it is.
        data: The note or the COSE_Sign1 as signed.
    """

    form: Form
    data: bytes = field(repr=False)


def verify_statement(statement: Statement, relay: Relay) -> Verified[Checkpoint]:
    """Verify that the log, or its relay, has signed this, and give what it says of the log.

    Raises:
        DecodeError: It does not parse.
        VerifyError: `CHECKPOINT`, `KEY_ID`, `SIGNATURE` or `RECEIPT`.
    """
    if statement.form is Form.CHECKPOINT:
        return verify_checkpoint(statement.data, relay.log_vkey, relay.origin)
    if statement.form is Form.HEAD:
        head = verify_control_head(statement.data, relay.key).value
        size, root = head.size, head.root
    else:
        receipt = verify_receipt(statement.data, relay.key).value
        size, root = receipt.size, receipt.root
    try:
        return Verified(Checkpoint(origin=relay.origin, size=size, root=root))
    except UsageError as error:
        raise DecodeError(error.code, error.detail) from error


def log_signature(note: bytes, vkey: str) -> bytes:
    """The log's own signature among those of a checkpoint; b"" where it is not by this key.

    Raises:
        DecodeError: The note or the key does not parse.
    """
    _, decoded = decode_checkpoint(note)
    verifier = decode_vkey(vkey)
    return next((line.signature for line in decoded.signatures if _is_by(line, verifier)), b"")


def rebuild_checkpoint(*, size: int, root: bytes, signature: bytes, relay: Relay) -> bytes:
    """The signed note of a checkpoint of which a message names size, root and the log's signature.

    Raises:
        VerifyError: `SIGNATURE` when the log of the roster did not sign this.
    """
    verifier = decode_vkey(relay.log_vkey)
    try:
        line = NoteSignature(name=verifier.name, key_id=verifier.key_id, signature=signature)
        text = encode_body(Checkpoint(origin=relay.origin, size=size, root=root))
        note = Note(text=text, signatures=(line,)).encode()
        verify_checkpoint(note, verifier, relay.origin)
    except AmanahError as error:
        raise VerifyError(
            Code.SIGNATURE, f"the log has not signed a checkpoint of size {size} with this root"
        ) from error
    return note


def _is_by(line: NoteSignature, verifier: NoteVerifier) -> bool:
    return (line.name, line.key_id) == (verifier.name, verifier.key_id)
