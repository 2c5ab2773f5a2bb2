"""One disclosed message, held against an anchor, or against itself where there is none."""

from __future__ import annotations

from dataclasses import dataclass, field

from amanah_client.audit.examination import Anchor
from amanah_protocol.content.sealed import check_commitment, decode_content
from amanah_protocol.envelope import decode_envelope, verify_envelope
from amanah_protocol.errors import Code, PeerError, VerifyError
from amanah_protocol.identity import decode_certificate, decode_enrolment, verify_certificate_signature
from amanah_protocol.log.checkpoint import decode_checkpoint
from amanah_protocol.log.disclosure import Disclosed, Disclosure, verify_disclosure
from amanah_protocol.log.leaf import LeafType, decode_leaf
from amanah_protocol.log.merkle import leaf_hash, verify_inclusion


@dataclass(frozen=True, slots=True, kw_only=True)
class Proven:
    """A disclosure and what it was held against.

    Attributes:
        disclosed: What it shows.
        anchor: What it was held against; "" when that was nothing but itself.
        witnesses: (name, seconds of Unix time) of each known cosignature of its checkpoint.
    """

    disclosed: Disclosed = field(repr=False)
    anchor: str
    witnesses: tuple[tuple[str, int], ...] = ()


def prove(disclosure: Disclosure, anchor: Anchor | None) -> Proven:
    """Hold a disclosure against an anchor; without one, against itself.

    Raises:
        PeerError: It does not hold.
    """
    if anchor is None:
        return Proven(disclosed=_hold_against_itself(disclosure), anchor="")
    refusal: PeerError | None = None
    for roster in reversed(anchor.rosters):
        try:
            disclosed = verify_disclosure(disclosure, roster=roster).value
        except PeerError as error:
            # What the newest roster says of it is what a reader is told.
            refusal = refusal or error
            continue
        witnesses = anchor.policy.verify_note(disclosure.checkpoint).cosignatures
        return Proven(disclosed=disclosed, anchor=anchor.name, witnesses=witnesses)
    raise refusal or VerifyError(Code.UNANCHORED, "there is no roster to hold it against")


def _hold_against_itself(disclosure: Disclosure) -> Disclosed:
    envelope = decode_envelope(disclosure.envelope)
    leaf = decode_leaf(disclosure.entry)
    if leaf.type is not LeafType.ENVELOPE or leaf.object != disclosure.envelope or leaf.room != envelope.header.room:
        raise VerifyError(Code.PROOF, "the log entry does not hold this envelope")
    certificate = decode_certificate(disclosure.certificate)
    verify_certificate_signature(certificate, decode_enrolment(disclosure.enrolment).public_key)
    verify_envelope(envelope, certificate.public_key)
    checkpoint, _ = decode_checkpoint(disclosure.checkpoint)
    if checkpoint.size != disclosure.size:
        raise VerifyError(Code.PROOF, "the checkpoint is of another size than the proof")
    entry = leaf_hash(disclosure.entry)
    verify_inclusion(entry, disclosure.index, disclosure.size, disclosure.path, checkpoint.root)
    check_commitment(envelope.header, disclosure.k, disclosure.content)
    return Disclosed(
        envelope=envelope,
        content=decode_content(disclosure.content),
        certificate=certificate,
        leaf=leaf,
        index=disclosure.index,
        checkpoint=checkpoint,
    )
