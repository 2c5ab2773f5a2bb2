"""One small community under fixed keys: an example of each structure that the protocol signs.

Every key, nonce and time here is derived from a name, so the same sources give the same bytes on
every machine. The keys are published with the vectors and protect nothing.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cache
from typing import Any, Final

from amanah_protocol import cbor, cose, endorse, envelope, identity, kinds, revocation, roster
from amanah_protocol.audit import ReadingOrder
from amanah_protocol.cose import Typ
from amanah_protocol.crypto import SigningKey, sha256
from amanah_protocol.custody.erasures import (
    Cause,
    ContentErasure,
    PersonErasure,
    decode_person_erasure,
    erased_digest,
    person_erasure_document,
)
from amanah_protocol.custody.grants import AuditGrant, Terms, decode_grant, grant_document
from amanah_protocol.custody.holds import LegalHold, decode_hold, hold_document
from amanah_protocol.custody.retention import KindClass, RoomPolicy
from amanah_protocol.endorse import Endorsed
from amanah_protocol.heads import ControlHead, RoomHead
from amanah_protocol.identity import Certificate, DeviceRequest, Enrolment, MachineLimits, Profile, Role
from amanah_protocol.kinds import Kind, MediaType, Specific
from amanah_protocol.labels import Label, Precedence
from amanah_protocol.log.cose_receipt import CoseReceipt, sign_root
from amanah_protocol.log.leaf import Leaf, LeafType
from amanah_protocol.log.merkle import node_hash
from amanah_protocol.log.mldsa import mldsa44_public
from amanah_protocol.log.note_keys import NoteSigner, NoteVerifier, SignatureType
from amanah_protocol.log.receipt import Receipt
from amanah_protocol.roster import Organisation, Relay, Roster
from amanah_protocol.session import Transcript
from amanah_protocol.types import (
    CONTROL,
    ZERO_32,
    DeviceId,
    EnvelopeId,
    GrantId,
    KeyId,
    LeafHash,
    OrgName,
    PersonId,
    RoomId,
)

NOW_MS: Final = 1_790_000_000_000
SUITE: Final = 0x0003
ORIGIN: Final = "relay.example/log"
NAMES: Final = (OrgName("cert.example.ma"), OrgName("cert.example.sn"), OrgName("cert.example.tn"))
TN: Final = OrgName("cert.example.tn")


def example_seed(name: str) -> bytes:
    """The seed of an example key."""
    return sha256(b"amanah example key: " + name.encode())


def key(name: str) -> SigningKey:
    """The example key of a name."""
    return SigningKey(example_seed(name))


def fixed(name: str, length: int = 32) -> bytes:
    """Bytes that stand for random ones."""
    return sha256(b"amanah example bytes: " + name.encode())[:length]


@dataclass(frozen=True, slots=True, kw_only=True)
class Nation:
    """An organisation with the keys that in the world lie in different hands.

    Attributes:
        name: Its DNS name.
        custodians: Three root keys; two of them must sign.
        enrolment_key: The key of this year.
        enrolment: Its certificate by the root.
    """

    name: OrgName
    custodians: tuple[SigningKey, ...]
    enrolment_key: SigningKey
    enrolment: Enrolment

    @property
    def member(self) -> Organisation:
        """Its entry in the roster."""
        return Organisation(name=self.name, threshold=2, roots=tuple(sorted(key.public for key in self.custodians)))


def signed_bytes(typ: Typ, payload: bytes, signer: SigningKey) -> bytes:
    """A COSE_Sign1 over a payload that need not parse: what `cose.sign` would never make."""
    protected = cbor.encode({1: cose.ALG_ED25519, 4: signer.key_id, 16: str(typ)})
    return cose.encode_sign1(protected, payload, signer.sign(cose.signed_bytes(protected, payload)))


def endorsed(document: bytes, *signers: SigningKey) -> Endorsed:
    """A document with the endorsements of these keys."""
    return Endorsed(document=document, signatures=tuple(endorse.endorse(document, signer) for signer in signers))


@cache
def nation(name: OrgName) -> Nation:
    """The example organisation of a name."""
    custodians = tuple(key(f"{name} custodian {number}") for number in (1, 2, 3))
    enrolment_key = key(f"{name} enrolment")
    document = identity.enrolment_document(name, enrolment_key.public, now_ms=NOW_MS)
    return Nation(
        name=name,
        custodians=custodians,
        enrolment_key=enrolment_key,
        enrolment=identity.decode_enrolment(endorsed(document, *custodians[:2]).encode()),
    )


@cache
def request(role: Role = Role.OFFICER, name: OrgName = TN) -> DeviceRequest:
    """A device's request."""
    return identity.make_request(
        key(f"{name} {role.name.lower()}"),
        organisation=name,
        subject=PersonId(fixed(f"{name} {role.name.lower()} subject", 16)),
        role=role,
        nonce=fixed(f"{name} {role.name.lower()} nonce", 16),
        suites=(SUITE,),
    )


@cache
def profile(name: OrgName = TN) -> Profile:
    """The name behind the officer's pseudonym."""
    subject, salt = request(Role.OFFICER, name).subject, fixed(f"{name} salt", 16)
    issuer = nation(name).enrolment_key
    return identity.issue_profile(issuer, organisation=name, subject=subject, name="Officer A", salt=salt)


@cache
def certificate(role: Role = Role.OFFICER, name: OrgName = TN) -> Certificate:
    """A device's certificate; machines have limits."""
    machine = MachineLimits(rooms=(ROOM,), kinds=(Kind.ALERT, Kind.COUNTS)) if role in identity.MACHINE_ROLES else None
    return identity.issue_certificate(
        request(role, name),
        nation(name).enrolment_key,
        now_ms=NOW_MS,
        ceiling=Label.RED if machine is None else Label.AMBER,
        profile_mac=profile(name).mac,
        machine=machine,
    )


def device_key(role: Role = Role.OFFICER, name: OrgName = TN) -> SigningKey:
    """The key of a device."""
    return key(f"{name} {role.name.lower()}")


RELAY_KEY: Final = key("relay")
LOG_SIGNER: Final = NoteSigner(name=ORIGIN, key=key("log"))


def relay() -> Relay:
    """The community's one relay."""
    return Relay(
        key=RELAY_KEY.public,
        log_vkey=LOG_SIGNER.verifier.vkey,
        origin=ORIGIN,
        addresses=("wss://relay.example:443",),
        tls_hashes=(fixed("tls certificate"),),
    )


def roster_document(version: int = 1, **changes: object) -> bytes:
    """The document of a roster of the three organisations; two of them must sign."""
    fields: dict[str, Any] = {
        "version": version,
        "community": "Example community",
        "issued_ms": NOW_MS,
        "threshold": 2,
        "organisations": tuple(nation(name).member for name in NAMES),
        "relays": (relay(),),
    }
    fields.update(changes)
    return roster.roster_document(**fields)


WITNESSES: Final = (
    roster.Witness(
        name="CERT of Senegal",
        keys=(NoteSigner(name="witness.example.sn", key=key("witness 1"), kind=SignatureType.COSIGNATURE).verifier,),
    ),
    roster.Witness(
        name="CERT of Tunisia",
        keys=(
            NoteSigner(name="witness.example.tn", key=key("witness 2"), kind=SignatureType.COSIGNATURE).verifier,
            NoteVerifier(
                name="witness.example.tn", public=mldsa44_public(fixed("witness 2")), kind=SignatureType.ML_DSA_44
            ),
        ),
    ),
)
"""One with a key of Ed25519, one with a key of each type."""


def custodians(*names: OrgName) -> tuple[SigningKey, ...]:
    """Two custodians of each organisation: just their thresholds."""
    return tuple(custodian for name in names for custodian in nation(name).custodians[:2])


@cache
def roster_of(version: int = 1) -> Roster:
    """A version of the roster, signed by two of the three organisations."""
    return roster.decode_roster(endorsed(roster_document(version), *custodians(*NAMES[:2])).encode())


OFFICER: Final = device_key()
KID: Final = DeviceId(OFFICER.key_id)
NONCE: Final = fixed("room nonce", 16)
ROOM: Final = envelope.derive_room_id(ORIGIN, KID, NONCE)
DEVICES: Final = tuple(sorted(DeviceId(fixed(f"device {number}")) for number in (1, 2, 3)))
ENVELOPES: Final = tuple(sorted(EnvelopeId(fixed(f"envelope {number}")) for number in (1, 2)))

POLICY: Final = RoomPolicy(
    labels={Label.GREEN: 90, Label.RED: 30}, classes={KindClass.ALERT: 10}, after_last={Label.RED: 7}
)

SPECIFICS: Final[dict[Kind, Specific]] = {
    Kind.CREATE: kinds.Create(
        origin=ORIGIN,
        nonce=NONCE,
        suite=SUITE,
        ceiling=Label.RED,
        owner=TN,
        agreement="agreement 7",
        policy=POLICY.encode(),
        successor_of=RoomId(fixed("wedged room", 16)),
    ),
    Kind.COMMIT: kinds.Commit(added=DEVICES[:2], removed=DEVICES[2:]),
    Kind.WELCOME: kinds.Welcome(addressees=DEVICES[:2], tree_hash=fixed("tree")),
    Kind.MESSAGE: kinds.Message(),
    Kind.ALERT: kinds.Alert(count=100),
    Kind.INTAKE_KEY: kinds.IntakeKey(public_key=fixed("intake key"), expires_ms=NOW_MS + 86_400_000),
    Kind.ACK: kinds.Ack(grade=kinds.Grade.UNDERSTOOD, envelope=ENVELOPES[0]),
    Kind.DELIVERED: kinds.Delivered(room_seq=12),
    Kind.GRANT: kinds.Grant(from_seq=1, to_seq=9, addressees=DEVICES[:1]),
    Kind.ERASE: kinds.Erase(envelopes=ENVELOPES),
    Kind.REPAIR: kinds.Repair(envelopes=ENVELOPES, addressees=DEVICES[:1]),
    Kind.REFUSE: kinds.Refuse(commit=ENVELOPES[0], code="BINDING"),
    Kind.DECISION: kinds.Decision(ordinal=3, outcome=kinds.Outcome.ADOPTED, nations=NAMES),
    Kind.RELABEL: kinds.Relabel(envelope=ENVELOPES[0], old=Label.AMBER, new=Label.AMBER_STRICT),
    Kind.EGRESS: kinds.Egress(envelope=ENVELOPES[0], form="disclosure", recipient="an auditor"),
    Kind.COUNTS: kinds.Counts(accepted=400, merged=12, dropped=0),
}


ATTACHED: Final = kinds.Message(attachment=fixed("attachment"))
"""A message with an attachment; the one above has none."""
REQUEST: Final = kinds.Repair(envelopes=ENVELOPES, addressees=())
"""A repair that asks; the one above answers."""
DRILL: Final = kinds.Create(origin=ORIGIN, nonce=NONCE, suite=SUITE, ceiling=Label.AMBER, owner=TN, drill=True)
"""The creation of a room for an exercise; the one above is real."""


def header(specific: Specific, **changes: object) -> envelope.Header:
    """A header in which everything is right, and then what a test changes."""
    kind = kinds.kind_of(specific)
    sealed = kinds.is_sealed(specific)
    padded = kind in kinds.COMMITTED or (kind is Kind.REPAIR and sealed)
    fields: dict[str, Any] = {
        "kid": KID,
        "media_type": MediaType.MLS if sealed else MediaType.NONE,
        "room": ROOM,
        "epoch": 0 if kind is Kind.CREATE else 4,
        "counter": 9,
        "previous": EnvelopeId(fixed("previous")),
        "voids": (7, 8),
        "sent_at_ms": NOW_MS,
        "label": Label.AMBER,
        "precedence": Precedence.PRIORITY,
        "audience": envelope.audience_digest(frozenset({KID, *DEVICES})),
        "commitment": commitment() if kind in kinds.COMMITTED else ZERO_32,
        "size_class": 1 if padded else 0,
        "specific": specific,
    }
    fields.update(changes)
    return envelope.Header(**fields)


def commitment() -> bytes:
    """The commitment of the example content under the example key."""
    return envelope.derive_commitment(fixed("disclosure key"), ROOM, KID, 9, b"content")


def sealed_content(kind: Kind) -> bytes:
    """Bytes that stand for sealed content."""
    return b"" if kind in kinds.HEADER_ONLY else fixed(f"sealed {kind.name.lower()}") * 20


def signed(specific: Specific, **changes: object) -> envelope.Envelope:
    """A signed envelope of the officer."""
    sealed = sealed_content(kinds.kind_of(specific)) if kinds.is_sealed(specific) else b""
    return envelope.sign_envelope(header(specific, **changes), sealed, OFFICER)


def message(**changes: object) -> envelope.Envelope:
    """The officer's message."""
    return signed(kinds.Message(), **changes)


def device_revocation() -> revocation.Revocation:
    """The officer's device is revoked."""
    return revocation.issue_revocation(
        nation(TN).enrolment_key,
        organisation=TN,
        device=KID,
        now_ms=NOW_MS,
        reason="lost",
        compromised_since_ms=NOW_MS - 3_600_000,
    )


def enrolment_revocation() -> revocation.EnrolmentRevocation:
    """The root withdraws the enrolment key."""
    enrolment = KeyId(nation(TN).enrolment_key.key_id)
    document = revocation.enrolment_revocation_document(TN, enrolment, now_ms=NOW_MS)
    return revocation.decode_enrolment_revocation(endorsed(document, *custodians(TN)).encode())


def two_party(document: bytes, typ: Typ) -> Endorsed:
    """A document of two parties: the enrolment key, and the custodian who did not endorse it."""
    tn = nation(TN)
    signers = (tn.enrolment_key, tn.custodians[2])
    return Endorsed(document=document, signatures=tuple(endorse.endorse(document, signer, typ) for signer in signers))


def audit_grant() -> AuditGrant:
    """The organisation lets another's auditor read the room."""
    terms = Terms(
        id=GrantId(fixed("grant", 16)),
        granting=TN,
        auditor=NAMES[0],
        rooms=(ROOM,),
        until_ms=NOW_MS,
        labels=(Label.GREEN, Label.AMBER),
        purpose="joint review 7",
        issued_ms=NOW_MS,
        not_before_ms=NOW_MS,
        not_after_ms=NOW_MS + 30 * 86_400_000,
    )
    return decode_grant(two_party(grant_document(terms), Typ.AUDIT_GRANT).encode())


def legal_hold() -> LegalHold:
    """The organisation holds the room's content."""
    document = hold_document(
        hold=fixed("hold", 16),
        organisation=TN,
        rooms=(ROOM,),
        since_ms=NOW_MS - 86_400_000,
        reference=fixed("reference", 16),
        issued_ms=NOW_MS,
    )
    return decode_hold(two_party(document, Typ.LEGAL_HOLD).encode())


def content_erasure() -> ContentErasure:
    """The relay has dropped two contents."""
    digest = erased_digest([(4, fixed("payload 4")), (7, fixed("payload 7"))])
    return ContentErasure(room=ROOM, places=(4, 7), digest=digest, cause=Cause.ROOM, erased_at_ms=NOW_MS)


def person_erasure() -> PersonErasure:
    """The officer's name is forgotten."""
    document = person_erasure_document(organisation=TN, subject=request().subject, now_ms=NOW_MS)
    return decode_person_erasure(two_party(document, Typ.ERASURE).encode())


def control_head() -> ControlHead:
    """A head of the control stream."""
    return ControlHead(sequence=7, leaf=LeafHash(fixed("leaf")), size=40, root=fixed("root"), time_ms=NOW_MS)


def room_head() -> RoomHead:
    """A head of the room."""
    return RoomHead(room=ROOM, room_seq=12, leaf=LeafHash(fixed("leaf")), size=40, time_ms=NOW_MS)


def cose_receipt() -> CoseReceipt:
    """The receipt of the second of two leaves, the envelope's and the certificate's."""
    first, second = envelope_leaf().hash, control_leaf().hash
    signature = sign_root(node_hash(first, second), RELAY_KEY)
    return CoseReceipt(kid=RELAY_KEY.key_id, size=2, index=1, path=(first,), signature=signature)


def receipt() -> Receipt:
    """A batch of three leaves."""
    leaves = tuple(LeafHash(fixed(f"leaf {number}")) for number in (1, 2, 3))
    return Receipt(first_index=37, size=40, root=fixed("root"), accepted_at_ms=NOW_MS, leaves=leaves)


def envelope_leaf() -> Leaf:
    """The message as the log holds it."""
    return Leaf(
        type=LeafType.ENVELOPE,
        accepted_at_ms=NOW_MS,
        room=ROOM,
        room_seq=12,
        previous=LeafHash(fixed("previous leaf")),
        object=message().encoded,
    )


def control_leaf() -> Leaf:
    """The officer's certificate as the log holds it, first in the control stream."""
    return Leaf(
        type=LeafType.CERTIFICATE,
        accepted_at_ms=NOW_MS,
        room=CONTROL,
        room_seq=1,
        previous=LeafHash(ZERO_32),
        object=certificate().encoded,
    )


def reading_order() -> ReadingOrder:
    """An auditor reads the whole log."""
    return ReadingOrder(first=0, until=40, ordered_at_ms=NOW_MS, nonce=fixed("order", 16))


def granted_order() -> ReadingOrder:
    """The same under a grant."""
    return replace(reading_order(), grant=audit_grant().id)


def transcript() -> Transcript:
    """A login of the officer's device."""
    return Transcript(
        offered=(1,),
        chosen=1,
        relay=KeyId(RELAY_KEY.key_id),
        origin=ORIGIN,
        dialled="relay.example:443",
        tls_hash=fixed("tls certificate"),
        client_nonce=fixed("client nonce"),
        relay_nonce=fixed("relay nonce"),
        device=KID,
        certificate_hash=certificate().hash,
        control_sequence=7,
        time_ms=NOW_MS,
    )
