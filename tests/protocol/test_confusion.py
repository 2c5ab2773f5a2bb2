"""Every signed type into every verifier, under one key for all of them (attack 33).

In the field the keys differ; here one key has signed everything, so that nothing but the domain
separation can tell the types apart.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from itertools import product
from typing import Final

import pytest

from amanah_protocol import audit, cose, endorse, envelope, heads, identity, kinds, revocation, roster, session
from amanah_protocol.cose import Typ, encode_sign1
from amanah_protocol.crypto import verify_signature
from amanah_protocol.custody import erasures
from amanah_protocol.custody.grants import decode_grant
from amanah_protocol.custody.holds import decode_hold
from amanah_protocol.endorse import Endorsed
from amanah_protocol.errors import Code, PeerError, VerifyError
from amanah_protocol.identity import Role
from amanah_protocol.labels import Label
from amanah_protocol.log import cose_receipt
from amanah_protocol.log.checkpoint import Checkpoint, encode_body
from amanah_protocol.log.export import sign_manifest, verify_manifest
from amanah_protocol.log.merkle import node_hash
from amanah_protocol.log.note import Note, decode_note
from amanah_protocol.log.note_keys import NoteSigner, NoteVerifier, SignatureType, verify_note
from amanah_protocol.log.receipt import sign_receipt, verify_receipt
from amanah_protocol.mls.labelled import sign_with_label, verify_with_label
from amanah_protocol.mls.rules import Rule
from amanah_protocol.roster import Organisation
from amanah_protocol.session import Transcript
from amanah_protocol.types import DeviceId, KeyId
from tests.vectors import examples as x

KEY: Final = x.key("one key for everything")
PUBLIC: Final = KEY.public
TN: Final = x.TN
MANIFEST: Final = b"{}\n"
ROOT: Final = Organisation(name=TN, threshold=1, roots=(PUBLIC,))


@dataclass(frozen=True, slots=True, kw_only=True)
class Signed:
    """A type that is signed.

    Attributes:
        signature: The 64 bytes that its example holds.
        carrying: The example with another signature in that place.
        verify: What its receiver does, with the public key that it trusts.
    """

    signature: bytes
    carrying: Callable[[bytes], bytes]
    verify: Callable[[bytes, bytes], object]

    @property
    def example(self) -> bytes:
        """The example with its own signature."""
        return self.carrying(self.signature)


def sign1(data: bytes, verify: Callable[[bytes, bytes], object]) -> Signed:
    """A type that is one COSE_Sign1."""
    parts = cose.decode_sign1(data, max_bytes=8_192)
    return Signed(
        signature=parts.signature,
        carrying=lambda signature: encode_sign1(parts.protected, parts.payload, signature),
        verify=verify,
    )


def document(data: bytes, verify: Callable[[bytes, bytes], object], typ: Typ = Typ.ENDORSEMENT) -> Signed:
    """A type that is a document with one endorsement."""
    one = sign1(endorse.endorse(data, KEY, typ), verify)
    return Signed(
        signature=one.signature,
        carrying=lambda signature: Endorsed(document=data, signatures=(one.carrying(signature),)).encode(),
        verify=verify,
    )


def note(kind: SignatureType) -> Signed:
    """A checkpoint signed by the log, or cosigned by a witness."""
    text = encode_body(Checkpoint(origin=x.ORIGIN, size=40, root=x.fixed("root")))
    time_s = 0 if kind is SignatureType.ED25519 else 7
    line = NoteSigner(name=x.ORIGIN, key=KEY, kind=kind).sign(text, time_s=time_s)
    stamp, own = line.signature[:-64], line.signature[-64:]

    def carrying(signature: bytes) -> bytes:
        return Note(text=text, signatures=(replace(line, signature=stamp + signature),)).encode()

    def verify(data: bytes, public: bytes) -> None:
        verify_note(decode_note(data), [NoteVerifier(name=x.ORIGIN, public=public, kind=kind)])

    return Signed(signature=own, carrying=carrying, verify=verify)


def inclusion() -> Signed:
    """A COSE Receipt, with the leaf that it is for."""
    leaf, sibling = x.control_leaf().hash, x.envelope_leaf().hash
    made = cose_receipt.CoseReceipt(
        kid=KEY.key_id,
        size=2,
        index=1,
        path=(sibling,),
        signature=cose_receipt.sign_root(node_hash(sibling, leaf), KEY),
    )
    return Signed(
        signature=made.signature,
        carrying=lambda other: cose_receipt.encode_receipt(replace(made, signature=other)),
        verify=lambda data, public: cose_receipt.verify_receipt(cose_receipt.decode_receipt(data), leaf, public),
    )


def login(signature: bytes, verify: Callable[[Transcript, bytes, bytes], None]) -> Signed:
    """A login proof: bare bytes over what both sides know."""
    return Signed(
        signature=signature,
        carrying=lambda other: other,
        verify=lambda data, public: verify(x.transcript(), data, public),
    )


def labelled(label: bytes) -> Signed:
    """What MLS signs under a label (RFC 9420 section 5.1.2): here the same content under each."""
    content = x.fixed("what MLS signs")
    return Signed(
        signature=sign_with_label(KEY, label, content),
        carrying=lambda other: other,
        verify=lambda data, public: verify_with_label(public, label, content, data, Rule.LEAF_SIGNATURE),
    )


REQUEST: Final = identity.make_request(
    KEY, organisation=TN, subject=x.request().subject, role=Role.OFFICER, nonce=bytes(16), suites=(x.SUITE,)
)
PROFILE: Final = identity.issue_profile(KEY, organisation=TN, subject=REQUEST.subject, name="Officer A", salt=bytes(16))
CERTIFICATE: Final = identity.issue_certificate(
    REQUEST, KEY, now_ms=x.NOW_MS, ceiling=Label.RED, profile_mac=PROFILE.mac
)
ENVELOPE: Final = envelope.sign_envelope(
    x.header(kinds.Message(), kid=DeviceId(KEY.key_id)), x.sealed_content(kinds.Kind.MESSAGE), KEY
)
ENROLMENT: Final = identity.enrolment_document(TN, PUBLIC, now_ms=x.NOW_MS)
WITHDRAWAL: Final = revocation.enrolment_revocation_document(TN, KeyId(KEY.key_id), now_ms=x.NOW_MS)
ROSTER: Final = x.roster_document(organisations=(ROOT,), threshold=1)


def verify_revocation(data: bytes, public: bytes) -> None:
    revocation.verify_revocation(revocation.decode_revocation(data), public)


def verify_withdrawal(data: bytes, public: bytes) -> None:
    organisation = replace(ROOT, roots=(public,))
    revocation.verify_enrolment_revocation(revocation.decode_enrolment_revocation(data), organisation)


def verify_roster(data: bytes, public: bytes) -> None:
    found = roster.decode_roster(data)
    endorse.verify_threshold(found.endorsed, (public,), 1)
    roster.verify_roster(found, None, now_ms=x.NOW_MS)


def verify_enrolment(data: bytes, public: bytes) -> None:
    endorse.verify_threshold(identity.decode_enrolment(data).endorsed, (public,), 1)


def verify_certificate(data: bytes, public: bytes) -> None:
    identity.verify_certificate_signature(identity.decode_certificate(data), public)


def verify_profile(data: bytes, public: bytes) -> None:
    identity.verify_profile(identity.decode_profile(data), CERTIFICATE, public)


def verify_request(data: bytes, public: bytes) -> None:
    if identity.decode_request(data).public_key != public:
        raise VerifyError(Code.KEY_ID, "a request is held against the key that it brings")


def verify_grant(data: bytes, public: bytes) -> None:
    check_one(decode_grant(data).endorsed, public, Typ.AUDIT_GRANT)


def verify_hold(data: bytes, public: bytes) -> None:
    check_one(decode_hold(data).endorsed, public, Typ.LEGAL_HOLD)


def check_one(endorsed: Endorsed, public: bytes, typ: Typ) -> None:
    """One key is never two parties: that what it signed counts for this document is what is asked here."""
    if public not in endorse.verified_signers(endorsed, (public,), typ):
        raise VerifyError(Code.THRESHOLD, "the key has not signed")


def verify_person_erasure(data: bytes, public: bytes) -> None:
    check_one(erasures.decode_person_erasure(data).endorsed, public, Typ.ERASURE)


TYPES: Final[dict[str, Signed]] = {
    "envelope": sign1(
        ENVELOPE.encoded, lambda data, public: envelope.verify_envelope(envelope.decode_envelope(data), public)
    ),
    "request": sign1(REQUEST.encoded, verify_request),
    "certificate": sign1(CERTIFICATE.encoded, verify_certificate),
    "profile": sign1(PROFILE.encoded, verify_profile),
    "revocation": sign1(
        revocation.issue_revocation(
            KEY, organisation=TN, device=DeviceId(KEY.key_id), now_ms=x.NOW_MS, reason="lost"
        ).encoded,
        verify_revocation,
    ),
    "enrolment": document(ENROLMENT, verify_enrolment),
    "withdrawal": document(WITHDRAWAL, verify_withdrawal),
    "roster": document(ROSTER, verify_roster),
    "control head": sign1(heads.sign_control_head(x.control_head(), KEY), heads.verify_control_head),
    "room head": sign1(heads.sign_room_head(x.room_head(), KEY), heads.verify_room_head),
    "receipt": sign1(sign_receipt(x.receipt(), KEY), verify_receipt),
    "COSE Receipt": inclusion(),
    "reading order": sign1(audit.sign_order(x.reading_order(), KEY), audit.verify_order),
    "export": sign1(sign_manifest(MANIFEST, KEY), lambda data, public: verify_manifest(data, MANIFEST, public)),
    "relay's login": login(session.sign_as_relay(x.transcript(), KEY), session.verify_relay_proof),
    "client's login": login(session.sign_as_client(x.transcript(), KEY), session.verify_client_proof),
    "checkpoint": note(SignatureType.ED25519),
    "cosignature": note(SignatureType.COSIGNATURE),
    "MLS leaf": labelled(b"LeafNodeTBS"),
    "MLS key package": labelled(b"KeyPackageTBS"),
    "MLS group info": labelled(b"GroupInfoTBS"),
    "MLS content": labelled(b"FramedContentTBS"),
    "audit grant": document(x.audit_grant().endorsed.document, verify_grant, Typ.AUDIT_GRANT),
    "legal hold": document(x.legal_hold().endorsed.document, verify_hold, Typ.LEGAL_HOLD),
    "erasure": sign1(erasures.sign_erasure(x.content_erasure(), KEY), erasures.verify_erasure),
    "person's erasure": document(x.person_erasure().endorsed.document, verify_person_erasure, Typ.ERASURE),
}


def accepted(signed: Signed, data: bytes, public: bytes = PUBLIC) -> bool:
    try:
        signed.verify(data, public)
    except PeerError:
        return False
    return True


def test_every_signed_type_is_accepted_by_its_own_verifier_alone() -> None:
    found = {(one, other) for one, other in product(TYPES, TYPES) if accepted(TYPES[other], TYPES[one].example)}
    assert found == {(name, name) for name in TYPES}


def test_a_signature_made_for_one_type_holds_in_no_other() -> None:
    found = {
        (one, other)
        for one, other in product(TYPES, TYPES)
        if accepted(TYPES[other], TYPES[other].carrying(TYPES[one].signature))
    }
    assert found == {(name, name) for name in TYPES}


@pytest.mark.parametrize("name", TYPES)
def test_the_hash_of_a_key_is_not_taken_for_the_key(name: str) -> None:
    assert accepted(TYPES[name], TYPES[name].example)
    assert not accepted(TYPES[name], TYPES[name].example, KEY.key_id)


def test_every_purpose_of_the_closed_list_is_in_the_matrix() -> None:
    seen = {typ for typ in Typ for signed in TYPES.values() if str(typ).encode() in signed.example}
    assert seen == set(Typ)


def test_the_bytes_that_are_signed_begin_apart() -> None:
    login_bytes = x.transcript().encode()
    messages = {
        "envelope": ENVELOPE.parts.signed_bytes,
        "relay's login": b"amanah/login/1/relay\0" + login_bytes,
        "client's login": b"amanah/login/1/client\0" + login_bytes,
        "checkpoint": decode_note(TYPES["checkpoint"].example).text.encode(),
    }
    messages["MLS leaf"] = b"\x13MLS 1.0 LeafNodeTBS" + b"\x20" + x.fixed("what MLS signs")
    for name, message in messages.items():
        verify_signature(PUBLIC, TYPES[name].signature, message)
    beginnings = [
        b"\x84\x6aSignature1",
        b"amanah/login/1/relay\0",
        b"amanah/login/1/client\0",
        x.ORIGIN.encode(),
        b"\x13MLS 1.0 ",
    ]
    for message in messages.values():
        assert sum(message.startswith(beginning) for beginning in beginnings) == 1


def test_one_payload_under_every_purpose_passes_under_its_own_alone() -> None:
    body = [TN, KEY.key_id, x.NOW_MS, None, "lost"]
    for typ in Typ:
        assert accepted(TYPES["revocation"], cose.sign(typ, body, KEY)) == (typ is Typ.REVOCATION)
