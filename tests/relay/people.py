"""Organisations, devices and rosters for tests of the relay, made by the protocol's own functions."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Final

from amanah_protocol import endorse, identity, revocation, roster
from amanah_protocol.cose import Typ
from amanah_protocol.crypto import SigningKey, sha256
from amanah_protocol.custody.erasures import person_erasure_document
from amanah_protocol.custody.grants import Terms, grant_document
from amanah_protocol.custody.holds import hold_document
from amanah_protocol.endorse import Endorsed
from amanah_protocol.group import suites
from amanah_protocol.identity import Certificate, Enrolment, MachineLimits, Role
from amanah_protocol.labels import Label
from amanah_protocol.log.note_keys import NoteSigner, SignatureType
from amanah_protocol.roster import Organisation, Relay, Roster, Witness
from amanah_protocol.types import DeviceId, OrgName, PersonId, RoomId
from amanah_protocol.verified import Verified

NOW_MS: Final = 1_800_000_000_000
ORIGIN: Final = "relay.example.org/log"
ADDRESS: Final = "relay.example.org:8443"
DAY_MS: Final = 86_400_000


def key_of(name: str) -> SigningKey:
    """A key that is the same in every run."""
    return SigningKey(sha256(b"test key: " + name.encode()))


RELAY_KEY: Final = key_of("relay")
LOG_SIGNER: Final = NoteSigner(name=ORIGIN, key=key_of("log"))


def witness(name: str) -> NoteSigner:
    """A witness's key."""
    return NoteSigner(name=f"{name}/witness", key=key_of(f"witness {name}"), kind=SignatureType.COSIGNATURE)


def endorsed_by(document: bytes, *keys: SigningKey) -> Endorsed:
    """A document with these keys' endorsements."""
    return Endorsed(document=document, signatures=tuple(endorse.endorse(document, key) for key in keys))


@dataclass(slots=True, kw_only=True, eq=False)
class Device:
    """A device: its key and the chain that it brings along."""

    key: SigningKey
    certificate: Certificate
    enrolment: Enrolment
    made: dict[bytes, tuple[int, bytes]] = field(default_factory=dict)
    """By room, counter and id of its newest envelope that the relay accepted."""

    @property
    def id(self) -> DeviceId:
        """Its id."""
        return self.certificate.device_id


@dataclass(slots=True, kw_only=True, eq=False)
class Nation:
    """An organisation with its root and enrolment key."""

    name: OrgName
    root: SigningKey
    custodian: SigningKey
    enrolment_key: SigningKey
    enrolment: Enrolment

    @classmethod
    def make(cls, name: str, *, now_ms: int = NOW_MS) -> Nation:
        """An organisation enrolled by one of its two custodians an hour ago."""
        root, enrolment_key = key_of(f"root of {name}"), key_of(f"enrolment of {name}")
        document = identity.enrolment_document(OrgName(name), enrolment_key.public, now_ms=now_ms - 3_600_000)
        enrolment = identity.decode_enrolment(endorsed_by(document, root).encode())
        return cls(
            name=OrgName(name),
            root=root,
            custodian=key_of(f"custodian of {name}"),
            enrolment_key=enrolment_key,
            enrolment=enrolment,
        )

    @property
    def member(self) -> Organisation:
        """Its entry in the roster."""
        roots = tuple(sorted(key.public for key in (self.root, self.custodian)))
        return Organisation(name=self.name, threshold=1, roots=roots)

    def certify(
        self,
        name: str,
        role: Role = Role.OFFICER,
        *,
        now_ms: int = NOW_MS,
        ceiling: Label = Label.RED,
        machine: MachineLimits | None = None,
        suite: int = suites.CLASSICAL,
        lifetime_ms: int = 90 * DAY_MS,
        subject: PersonId | None = None,
    ) -> Device:
        """A device whose key, and whose person unless one is named, are made of its name."""
        key = key_of(f"device {name}")
        request = identity.make_request(
            key,
            organisation=self.name,
            subject=subject or PersonId(sha256(name.encode())[:16]),
            role=role,
            nonce=bytes(16),
            suites=(suite,),
        )
        certificate = identity.issue_certificate(
            request,
            self.enrolment_key,
            now_ms=now_ms,
            ceiling=ceiling,
            profile_mac=bytes(32),
            machine=machine,
            lifetime_ms=lifetime_ms,
        )
        return Device(key=key, certificate=certificate, enrolment=self.enrolment)

    def revoke(self, device: DeviceId, *, now_ms: int = NOW_MS, compromised_since_ms: int | None = None) -> bytes:
        """A revocation, encoded."""
        return revocation.issue_revocation(
            self.enrolment_key,
            organisation=self.name,
            device=device,
            now_ms=now_ms,
            reason="lost",
            compromised_since_ms=compromised_since_ms,
        ).encoded

    def grant(self, terms: Terms, *signers: SigningKey) -> bytes:
        """An audit grant by its two parties or these, encoded."""
        document = grant_document(terms)
        return self.two_party(document, Typ.AUDIT_GRANT, *signers)

    def hold(self, room: RoomId, *signers: SigningKey, now_ms: int, **changes: Any) -> bytes:  # noqa: ANN401 - fields of a hold
        """A legal hold of a room by its two parties or these, encoded; `changes` replace fields."""
        fields: dict[str, Any] = {
            "hold": b"h" * 16,
            "organisation": self.name,
            "rooms": (room,),
            "since_ms": 0,
            "reference": bytes(16),
            "issued_ms": now_ms,
        }
        return self.two_party(hold_document(**(fields | changes)), Typ.LEGAL_HOLD, *signers)

    def two_party(self, document: bytes, typ: Typ, *signers: SigningKey) -> bytes:
        """A document of two parties, encoded; by others, where they are named."""
        signatures = tuple(
            endorse.endorse(document, key, typ) for key in signers or (self.enrolment_key, self.custodian)
        )
        return Endorsed(document=document, signatures=signatures).encode()

    def forget(
        self, subject: PersonId, *signers: SigningKey, organisation: OrgName | None = None, now_ms: int = NOW_MS
    ) -> bytes:
        """That a person's name is forgotten, by two parties or these, encoded."""
        document = person_erasure_document(organisation=organisation or self.name, subject=subject, now_ms=now_ms)
        return self.two_party(document, Typ.ERASURE, *signers)

    def withdraw_enrolment(self, *, now_ms: int = NOW_MS) -> bytes:
        """The root's withdrawal of the enrolment key, encoded."""
        document = revocation.enrolment_revocation_document(self.name, self.enrolment.key_id, now_ms=now_ms)
        return endorsed_by(document, self.root).encode()

    def renew_enrolment(self, *, now_ms: int, by: SigningKey | None = None) -> Enrolment:
        """The same enrolment key for another year, endorsed by the root that made it or another."""
        document = identity.enrolment_document(self.name, self.enrolment_key.public, now_ms=now_ms)
        return identity.decode_enrolment(endorsed_by(document, by or self.root).encode())


def make_roster(
    nations: tuple[Nation, ...],
    *,
    version: int = 1,
    signers: tuple[Nation, ...] = (),
    now_ms: int = NOW_MS,
    witnesses: tuple[NoteSigner, ...] = (),
    quorum: int = 0,
) -> Roster:
    """A roster that two of its nations (or these signers) have signed."""
    document = roster.roster_document(
        version=version,
        community="test",
        issued_ms=now_ms - 3_600_000,
        threshold=min(2, len(nations)),
        organisations=tuple(nation.member for nation in nations),
        relays=(
            Relay(
                key=RELAY_KEY.public, log_vkey=LOG_SIGNER.verifier.vkey, origin=ORIGIN, addresses=(f"wss://{ADDRESS}",)
            ),
        ),
        witnesses=tuple(Witness(name=signer.name, keys=(signer.verifier,)) for signer in witnesses),
        quorum=quorum,
    )
    roots = [nation.root for nation in (signers or nations)]
    return roster.decode_roster(endorsed_by(document, *roots).encode())


def verify_made_roster(made: Roster) -> Verified[Roster]:
    """The roster as a first one."""
    return roster.verify_roster(made, None, now_ms=made.issued_ms)
