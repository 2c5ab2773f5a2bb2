"""Disclosure: one message, proven to anybody offline, without opening any other.

    disclosure = [ "amanah/disclosure/1", envelope: bstr, k: bstr .size 32, content: bstr, entry: bstr,
                   index: uint, size: uint, path: [* bstr .size 32], checkpoint: bstr,
                   certificate: bstr, enrolment: bstr ]

It shows that a device of a member organisation signed exactly this content, where in the room it
stands, and when the relay accepted it. It does not show that nobody was shown another log (cosigned
checkpoints do), nor whether the device was revoked before (the control stream does).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from amanah_protocol import cbor, endorse, limits
from amanah_protocol.content.sealed import Content, check_commitment, decode_content
from amanah_protocol.envelope import Envelope, decode_envelope, verify_envelope
from amanah_protocol.errors import Code, VerifyError
from amanah_protocol.identity import Certificate, decode_certificate, decode_enrolment
from amanah_protocol.log.checkpoint import Checkpoint, decode_checkpoint, verify_checkpoint
from amanah_protocol.log.leaf import MAX_ENTRY_BYTES, Leaf, LeafType, decode_leaf
from amanah_protocol.log.merkle import MAX_PATH, MAX_TREE_SIZE, leaf_hash, verify_inclusion
from amanah_protocol.log.note import MAX_NOTE_BYTES
from amanah_protocol.roster import Roster, verify_certificate
from amanah_protocol.verified import Verified

PURPOSE: Final = "amanah/disclosure/1"
MAX_DISCLOSURE_BYTES: Final = 1 * limits.MIB


@dataclass(frozen=True, slots=True, kw_only=True)
class Disclosure:
    """The file, not verified. Its `repr` does not show the content.

    Attributes:
        envelope: The encoded envelope.
        k: The message's disclosure key, 32 bytes.
        content: Its canonical content.
        entry: The log entry that holds the envelope.
        index: The entry's place in the log, from 0.
        size: Size of the tree that the path is for.
        path: The inclusion path, sibling of the leaf first.
        checkpoint: The signed note of that size.
        certificate: The sender's certificate, encoded.
        enrolment: The certificate of the key that issued it, encoded.
    """

    envelope: bytes
    k: bytes = field(repr=False)
    content: bytes = field(repr=False)
    entry: bytes
    index: int
    size: int
    path: tuple[bytes, ...]
    checkpoint: bytes
    certificate: bytes
    enrolment: bytes

    def encode(self) -> bytes:
        """The file's bytes."""
        return cbor.encode([
            PURPOSE, self.envelope, self.k, self.content, self.entry, self.index, self.size, list(self.path),
            self.checkpoint, self.certificate, self.enrolment,
        ])  # fmt: skip


def decode_disclosure(data: bytes) -> Disclosure:
    """Read a file; nothing is verified.

    Raises:
        DecodeError: `TOO_LARGE`, `MALFORMED`, `NOT_CANONICAL` or `BAD_TYPE`.
    """
    f = cbor.Fields(cbor.decode(data, max_bytes=MAX_DISCLOSURE_BYTES), 11, "disclosure")
    endorse.check_purpose(f, PURPOSE)
    return Disclosure(
        envelope=f.blob(limits.MAX_ENVELOPE_BYTES),
        k=f.fixed(32),
        content=f.blob(limits.MAX_PLAINTEXT_BYTES),
        entry=f.blob(MAX_ENTRY_BYTES),
        index=f.uint(MAX_TREE_SIZE),
        size=f.uint(MAX_TREE_SIZE),
        path=f.fixed_array(32, MAX_PATH),
        checkpoint=f.blob(MAX_NOTE_BYTES),
        certificate=f.blob(limits.MAX_CONTROL_BYTES),
        enrolment=f.blob(limits.MAX_CONTROL_BYTES),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Disclosed:
    """What a verified disclosure proves.

    Attributes:
        envelope: The envelope, whose signature holds.
        content: What it says; its label is the one that counts (`Content.differs_from`).
        certificate: The sender's, valid when the relay accepted the envelope.
        leaf: The log entry: room sequence and time of acceptance, as the relay says.
        index: The entry's place in the log.
        checkpoint: The log head that it was proven under.
    """

    envelope: Envelope
    content: Content = field(repr=False)
    certificate: Certificate
    leaf: Leaf
    index: int
    checkpoint: Checkpoint


def verify_disclosure(disclosure: Disclosure, *, roster: Verified[Roster]) -> Verified[Disclosed]:
    """Verify a disclosure by the roster alone: its organisations' roots and its relays' log keys.

    Args:
        disclosure: The file.
        roster: The community's roster, verified by the caller.

    Raises:
        DecodeError: A part does not parse.
        VerifyError: `CERTIFICATE`, `THRESHOLD`, `EXPIRED`, `KEY_ID`, `SIGNATURE`: not signed by a
            device of the roster's organisations at that time; `CHECKPOINT`: not signed by a log of
            the roster; `PROOF`: the entry is not in that log, or is another envelope's; `COMMITMENT`:
            the content is not what was sent.
    """
    envelope = decode_envelope(disclosure.envelope)
    leaf = _check_leaf(disclosure, envelope)
    certificate = decode_certificate(disclosure.certificate)
    enrolment = decode_enrolment(disclosure.enrolment)
    # At the time of acceptance: a certificate that expired since then does not unmake what it signed.
    verify_certificate(certificate, enrolment, roster, at_ms=leaf.accepted_at_ms)
    verify_envelope(envelope, certificate.public_key)
    checkpoint = _verify_head(disclosure, roster)
    root = checkpoint.value.root
    verify_inclusion(leaf_hash(disclosure.entry), disclosure.index, disclosure.size, disclosure.path, root)
    check_commitment(envelope.header, disclosure.k, disclosure.content)
    return Verified(
        Disclosed(
            envelope=envelope,
            content=decode_content(disclosure.content),
            certificate=certificate,
            leaf=leaf,
            index=disclosure.index,
            checkpoint=checkpoint.value,
        )
    )


def _check_leaf(disclosure: Disclosure, envelope: Envelope) -> Leaf:
    leaf = decode_leaf(disclosure.entry)
    if leaf.type is not LeafType.ENVELOPE or leaf.object != disclosure.envelope:
        raise VerifyError(Code.PROOF, "the log entry does not hold this envelope")
    # Else the relay's word about the place would be shown as that of another room.
    if leaf.room != envelope.header.room:
        raise VerifyError(Code.PROOF, "the log entry stands in another room than its envelope")
    return leaf


def _verify_head(disclosure: Disclosure, roster: Verified[Roster]) -> Verified[Checkpoint]:
    origin = decode_checkpoint(disclosure.checkpoint)[0].origin
    relay = next((relay for relay in roster.value.relays if relay.origin == origin), None)
    if relay is None:
        raise VerifyError(Code.CHECKPOINT, f"the roster names no log {origin}")
    checkpoint = verify_checkpoint(disclosure.checkpoint, relay.log_vkey, relay.origin)
    if checkpoint.value.size != disclosure.size:
        raise VerifyError(Code.PROOF, "the checkpoint is of another size than the proof")
    return checkpoint
