"""A community made for one run: organisations, devices with real certificates, a signed roster, a room.

Everything is signed as in earnest, so that the relay's checks all run; only custody is not: all
keys are in this process.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from amanah_protocol import identity, roster
from amanah_protocol.cards import Reply
from amanah_protocol.crypto import SigningKey
from amanah_protocol.endorse import Endorsed, endorse
from amanah_protocol.envelope import Envelope, Header, audience_digest, derive_room_id, sign_envelope
from amanah_protocol.group.engines import Engines
from amanah_protocol.group.seam import Credential, Group
from amanah_protocol.group.suites import CLASSICAL, SUPPORTED
from amanah_protocol.identity import Certificate, DeviceRequest, Role
from amanah_protocol.kinds import Commit, Create, MediaType, Message, Specific, Welcome
from amanah_protocol.labels import Label, Precedence
from amanah_protocol.log.note_keys import NoteSigner
from amanah_protocol.types import ZERO_32, DeviceId, EnvelopeId, OrgName, PersonId, RoomId

LABEL: Final = Label.AMBER


class Organisation:
    """An organisation whose root is one key."""

    def __init__(self, name: str, *, now_ms: int) -> None:
        """Make root and enrolment key."""
        self.name = OrgName(name)
        self.root = SigningKey.from_seed(secrets.token_bytes(32))
        self._enrolment_key = SigningKey.from_seed(secrets.token_bytes(32))
        document = identity.enrolment_document(self.name, self._enrolment_key.public, now_ms=now_ms)
        self.enrolment = Endorsed(document=document, signatures=(endorse(document, self.root),)).encode()
        self._now_ms = now_ms

    def certify(self, role: Role = Role.OFFICER, *, ceiling: Label = Label.RED) -> Device:
        """A new device with a certificate."""
        key = SigningKey.from_seed(secrets.token_bytes(32))
        request = identity.make_request(
            key,
            organisation=self.name,
            subject=PersonId(secrets.token_bytes(16)),
            role=role,
            nonce=secrets.token_bytes(16),
            suites=tuple(sorted(SUPPORTED)),
        )
        certificate = identity.issue_certificate(
            request, self._enrolment_key, now_ms=self._now_ms, ceiling=ceiling, profile_mac=secrets.token_bytes(32)
        )
        return Device(key=key, certificate=certificate, enrolment=self.enrolment)

    def answer(self, request: DeviceRequest, roster_bytes: bytes) -> Reply:
        """What a device installs that asked for a certificate."""
        salt = secrets.token_bytes(16)
        profile = identity.issue_profile(
            self._enrolment_key, organisation=self.name, subject=request.subject, name="bench", salt=salt
        )
        certificate = identity.issue_certificate(
            request, self._enrolment_key, now_ms=self._now_ms, ceiling=Label.RED, profile_mac=profile.mac
        )
        return Reply(
            certificate=certificate.encoded,
            enrolment=self.enrolment,
            profile=profile.encoded,
            roster=roster_bytes,
        )

    @property
    def member(self) -> roster.Organisation:
        """What the roster says of it."""
        return roster.Organisation(name=self.name, threshold=1, roots=(self.root.public,))


@dataclass(frozen=True, kw_only=True)
class Device:
    """A certified device and its key."""

    key: SigningKey
    certificate: Certificate
    enrolment: bytes

    @property
    def id(self) -> DeviceId:
        """SHA-256 of its key."""
        return self.certificate.device_id

    @property
    def credential(self) -> Credential:
        """What a key package holds."""
        return Credential(certificate=self.certificate.encoded, enrolment=self.enrolment)


def make_roster(
    organisations: Iterable[Organisation],
    relay: roster.Relay,
    *,
    now_ms: int,
    witnesses: tuple[NoteSigner, ...] = (),
) -> bytes:
    """A roster that every organisation has signed; the quorum is all of its witnesses."""
    members = tuple(organisations)
    document = roster.roster_document(
        version=1,
        community="a community for one run",
        issued_ms=now_ms - 60_000,
        threshold=len(members),
        organisations=tuple(organisation.member for organisation in members),
        relays=(relay,),
        witnesses=tuple(roster.Witness(name=signer.name, keys=(signer.verifier,)) for signer in witnesses),
        quorum=len(witnesses),
    )
    return Endorsed(
        document=document, signatures=tuple(endorse(document, organisation.root) for organisation in members)
    ).encode()


class Author:
    """Signs a device's envelopes in one room: counters, links, sealed content of any bytes."""

    def __init__(self, device: Device, room: RoomId) -> None:
        """Begin at counter 1."""
        self.device = device
        self._room = room
        self._counter = 0
        self._previous = EnvelopeId(ZERO_32)

    def header(
        self, specific: Specific, *, epoch: int, audience: frozenset[DeviceId], now_ms: int, sealed: bool
    ) -> Header:
        """The next header; `sign` must follow."""
        message = isinstance(specific, Message)
        return Header(
            kid=self.device.id,
            media_type=MediaType.MLS if sealed else MediaType.NONE,
            room=self._room,
            epoch=epoch,
            counter=self._counter + 1,
            previous=self._previous,
            sent_at_ms=now_ms,
            label=LABEL,
            precedence=Precedence.ROUTINE,
            audience=audience_digest(audience),
            commitment=secrets.token_bytes(32) if message else ZERO_32,
            size_class=1 if message else 0,
            specific=specific,
        )

    def sign(self, header: Header, sealed: bytes = b"") -> tuple[Envelope, bytes]:
        """Sign it; gives the envelope and its content."""
        envelope = sign_envelope(header, sealed, self.device.key)
        self._counter, self._previous = header.counter, envelope.id
        return envelope, sealed

    def message(
        self, sealed: bytes, *, epoch: int, audience: frozenset[DeviceId], now_ms: int
    ) -> tuple[Envelope, bytes]:
        """A message with this sealed content."""
        return self.sign(self.header(Message(), epoch=epoch, audience=audience, now_ms=now_ms, sealed=True), sealed)


@dataclass(frozen=True, kw_only=True)
class Opening:
    """A room that can be opened: one publish makes it, one more lets all the others in."""

    room: RoomId
    creator: Author
    group: Group
    create: tuple[tuple[Envelope, bytes], ...]
    commit: tuple[tuple[Envelope, bytes], ...]
    members: frozenset[DeviceId]
    others: tuple[Device, ...]


def open_room(creator: Device, others: Iterable[Device], *, origin: str, now_ms: int) -> Opening:
    """Sign what opens a room with its creator and all the others (at most 96) in it."""
    nonce = secrets.token_bytes(16)
    room = derive_room_id(origin, creator.id, nonce)
    engine = Engines()[CLASSICAL]
    group = engine.create(room, creator.key, creator.credential, policy=b"", now_ms=now_ms, random=secrets.token_bytes)
    author = Author(creator, room)
    specific = Create(
        origin=origin,
        nonce=nonce,
        suite=CLASSICAL,
        ceiling=LABEL,
        owner=creator.certificate.organisation,
        policy=b"",
    )
    alone = frozenset({creator.id})
    create = author.sign(author.header(specific, epoch=0, audience=alone, now_ms=now_ms, sealed=False))
    added = {device.id: device for device in others}
    members = alone | frozenset(added)
    if not added:
        return Opening(room=room, creator=author, group=group, create=(create,), commit=(), members=members, others=())
    packages = tuple(
        engine.make_key_package(
            device.key, device.credential, now_ms=now_ms, last_resort=False, random=secrets.token_bytes
        ).public
        for device in added.values()
    )
    header = author.header(Commit(added=tuple(sorted(added))), epoch=0, audience=members, now_ms=now_ms, sealed=True)
    staged = group.stage_commit(
        adds=packages, removes=(), credential=creator.credential, aad=header.aad, random=secrets.token_bytes
    )
    commit = author.sign(header, staged.sealed)
    sealed = staged.welcome(create[0].id, commit[0].id, random=secrets.token_bytes)
    welcome = author.header(
        Welcome(addressees=tuple(sorted(added))), epoch=1, audience=members, now_ms=now_ms, sealed=True
    )
    return Opening(
        room=room,
        creator=author,
        group=group,
        create=(create,),
        others=tuple(added.values()),
        commit=(commit, author.sign(welcome, sealed)),
        members=members,
    )
