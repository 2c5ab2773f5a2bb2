"""Three organisations, their devices and one relay: real keys and real signatures, all out of the seed."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from amanah_client.model import Snapshot
from amanah_protocol import identity, revocation, roster
from amanah_protocol.crypto import SigningKey, sha256
from amanah_protocol.endorse import Endorsed, endorse
from amanah_protocol.group.suites import CLASSICAL
from amanah_protocol.identity import Certificate, Role
from amanah_protocol.labels import Label
from amanah_protocol.log.note_keys import NoteSigner, SignatureType
from amanah_protocol.types import DeviceId, OrgName, PersonId
from tests.simulation.scheduler import START_MS

ORIGIN: Final = "relay.example.org/simulation"
DIALLED: Final = "127.0.0.1:8443"

TN, MA, SN = OrgName("cert.example.tn"), OrgName("cert.example.ma"), OrgName("cert.example.sn")
CAST: Final[tuple[tuple[str, OrgName, Role], ...]] = (
    ("tn-1", TN, Role.OFFICER),
    ("tn-2", TN, Role.OFFICER),
    ("tn-bot", TN, Role.BOT),
    ("ma-1", MA, Role.OFFICER),
    ("ma-2", MA, Role.OFFICER),
    ("sn-1", SN, Role.OFFICER),
    ("sn-2", SN, Role.OFFICER),
    ("auditor", SN, Role.AUDITOR),
)
"""Everybody, as (name, organisation, role)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Organisation:
    """An organisation whose root is one key."""

    name: OrgName
    root: SigningKey
    enrolment_key: SigningKey
    enrolment: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Device:
    """A certified device and its key.

    Attributes:
        name: What the simulation calls it.
        role: What its certificate says.
        key: Its key.
        certificate: Its certificate.
        profile: Encoded profile.
        organisation: Who certified it.
    """

    name: str
    role: Role
    key: SigningKey
    certificate: Certificate
    profile: bytes
    organisation: Organisation

    @property
    def id(self) -> DeviceId:
        """SHA-256 of its key."""
        return self.certificate.device_id


@dataclass(frozen=True, slots=True, kw_only=True)
class Community:
    """All of it.

    Attributes:
        relay_key: Signs logins, receipts and heads.
        log_signer: Signs checkpoints.
        witnesses: Who may cosign them.
        roster: Encoded, signed by all organisations.
        devices: By name.
    """

    relay_key: SigningKey
    log_signer: NoteSigner
    witnesses: tuple[NoteSigner, ...]
    roster: bytes
    devices: dict[str, Device] = field(repr=False)

    @property
    def names(self) -> dict[DeviceId, str]:
        """What the simulation calls each device."""
        return {device.id: name for name, device in self.devices.items()}

    def snapshot(self, name: str) -> Snapshot:
        """What a device's store holds after enrolment."""
        device = self.devices[name]
        return Snapshot(
            certificate=device.certificate.encoded,
            enrolment=device.organisation.enrolment,
            profile=device.profile,
            roster=self.roster,
        )

    def revocation(self, name: str, now_ms: int) -> bytes:
        """The organisation's word that a device is no longer to be trusted."""
        device = self.devices[name]
        return revocation.issue_revocation(
            device.organisation.enrolment_key,
            organisation=device.organisation.name,
            device=device.id,
            now_ms=now_ms,
            reason="lost",
        ).encoded


def make_community(seed: int, *, witnesses: int = 0, quorum: int = 0) -> Community:
    """The community of a seed, with so many witnesses, of which a quorum has to cosign."""
    organisations = {name: _organisation(seed, name) for name in sorted({organisation for _, organisation, _ in CAST})}
    relay_key = _key(seed, "relay")
    log_signer = NoteSigner(name=ORIGIN, key=_key(seed, "log"))
    relay = roster.Relay(
        key=relay_key.public,
        log_vkey=log_signer.verifier.vkey,
        origin=ORIGIN,
        addresses=(f"ws://{DIALLED}",),
    )
    devices = {name: _device(seed, name, organisations[of], role) for name, of, role in CAST}
    cosigners = tuple(_witness(seed, number) for number in range(witnesses))
    signed = _roster(list(organisations.values()), relay, cosigners, quorum)
    return Community(relay_key=relay_key, log_signer=log_signer, witnesses=cosigners, roster=signed, devices=devices)


def _witness(seed: int, number: int) -> NoteSigner:
    name = f"witness-{number}.example"
    return NoteSigner(name=name, key=_key(seed, name), kind=SignatureType.COSIGNATURE)


def _seed(seed: int, what: str) -> bytes:
    return sha256(f"{seed}/{what}".encode())


def _key(seed: int, what: str) -> SigningKey:
    return SigningKey.from_seed(_seed(seed, what))


def _organisation(seed: int, name: OrgName) -> Organisation:
    root, enrolment_key = _key(seed, f"{name} root"), _key(seed, f"{name} enrolment")
    document = identity.enrolment_document(name, enrolment_key.public, now_ms=START_MS)
    enrolment = Endorsed(document=document, signatures=(endorse(document, root),)).encode()
    return Organisation(name=name, root=root, enrolment_key=enrolment_key, enrolment=enrolment)


def _roster(
    organisations: list[Organisation], relay: roster.Relay, witnesses: tuple[NoteSigner, ...], quorum: int
) -> bytes:
    document = roster.roster_document(
        version=1,
        community="a simulated community",
        issued_ms=START_MS - 60_000,
        threshold=2,
        organisations=tuple(
            roster.Organisation(name=organisation.name, threshold=1, roots=(organisation.root.public,))
            for organisation in organisations
        ),
        relays=(relay,),
        witnesses=tuple(roster.Witness(name=signer.name, keys=(signer.verifier,)) for signer in witnesses),
        quorum=quorum,
    )
    return Endorsed(document=document, signatures=tuple(endorse(document, o.root) for o in organisations)).encode()


def _device(seed: int, name: str, organisation: Organisation, role: Role) -> Device:
    key = _key(seed, name)
    subject = PersonId(_seed(seed, f"{name} subject")[:16])
    request = identity.make_request(
        key,
        organisation=organisation.name,
        subject=subject,
        role=role,
        nonce=_seed(seed, f"{name} nonce")[:16],
        suites=(CLASSICAL,),
    )
    profile = identity.issue_profile(
        organisation.enrolment_key,
        organisation=organisation.name,
        subject=subject,
        name=f"officer {name}",
        salt=_seed(seed, f"{name} salt")[:16],
    )
    # A clock that is behind must not find a certificate that begins in its future.
    certificate = identity.issue_certificate(
        request,
        organisation.enrolment_key,
        now_ms=START_MS - 3_600_000,
        ceiling=Label.RED,
        profile_mac=profile.mac,
    )
    return Device(
        name=name,
        role=role,
        key=key,
        certificate=certificate,
        profile=profile.encoded,
        organisation=organisation,
    )
