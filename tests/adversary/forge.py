"""What members with bad intentions sign, and what the relay makes up: right in all that a test does not change."""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import count
from typing import Any, Final

from amanah_client.core import group_of
from amanah_protocol import identity, kinds
from amanah_protocol.content.bodies import Body
from amanah_protocol.content.sealed import Content, View, encode_content, pad
from amanah_protocol.crypto import SigningKey, sha256
from amanah_protocol.endorse import Endorsed, endorse
from amanah_protocol.envelope import (
    Envelope,
    Header,
    audience_digest,
    derive_commitment,
    derive_room_id,
    sign_envelope,
)
from amanah_protocol.group.seam import Credential, Group
from amanah_protocol.group.suites import CLASSICAL, SUPPORTED
from amanah_protocol.identity import Certificate, MachineLimits, Role
from amanah_protocol.kinds import Commit, Create, MediaType, Specific, Welcome
from amanah_protocol.labels import Label, Pap
from amanah_protocol.log.leaf import LeafType
from amanah_protocol.types import ZERO_32, DeviceId, EnvelopeId, OrgName, PersonId, RoomId
from amanah_relay.core.checks import members_of
from tests.adversary.attack import Planted
from tests.adversary.evil import EvilRelay
from tests.adversary.stage import Stage
from tests.engines import ENGINES
from tests.simulation.community import ORIGIN, Organisation

K: Final = sha256(b"a disclosure key")
MESSAGE_ID: Final = sha256(b"a message id")[:16]


@dataclass(frozen=True, slots=True, kw_only=True)
class Rogue:
    """A device of the attacker's own making.

    Attributes:
        key: Its key.
        certificate: Its certificate, whoever has issued it.
        enrolment: The enrolment certificate beside it.
    """

    key: SigningKey
    certificate: Certificate
    enrolment: bytes

    @property
    def id(self) -> DeviceId:
        """SHA-256 of its key."""
        return self.certificate.device_id

    @property
    def credential(self) -> Credential:
        """What a group holds of it."""
        return Credential(certificate=self.certificate.encoded, enrolment=self.enrolment)


def rogue_organisation(name: OrgName, now_ms: int) -> Organisation:
    """Root and enrolment key of an organisation that has never seen them."""
    root, enrolment_key = (SigningKey(sha256(f"rogue {what} {name}".encode())) for what in ("root", "enrolment"))
    document = identity.enrolment_document(name, enrolment_key.public, now_ms=now_ms)
    enrolment = Endorsed(document=document, signatures=(endorse(document, root),)).encode()
    return Organisation(name=name, root=root, enrolment_key=enrolment_key, enrolment=enrolment)


def certified(
    organisation: Organisation,
    name: str,
    role: Role = Role.OFFICER,
    *,
    now_ms: int,
    machine: MachineLimits | None = None,
    named: OrgName | None = None,
) -> Rogue:
    """A device that an organisation certifies, as one of its own or of the organisation that is named."""
    key = SigningKey(sha256(f"rogue device {name}".encode()))
    request = identity.make_request(
        key,
        organisation=named or organisation.name,
        subject=PersonId(sha256(name.encode())[:16]),
        role=role,
        nonce=bytes(16),
        suites=tuple(sorted(SUPPORTED)),
    )
    certificate = identity.issue_certificate(
        request,
        organisation.enrolment_key,
        now_ms=now_ms,
        ceiling=Label.RED,
        profile_mac=sha256(b"no profile"),
        machine=machine,
    )
    return Rogue(key=key, certificate=certificate, enrolment=organisation.enrolment)


def log_device(relay: EvilRelay, device: Rogue) -> None:
    """Put a device's certificate into the control stream."""
    relay.log_control(LeafType.CERTIFICATE, device.certificate.encoded)


def header(
    relay: EvilRelay,
    device: DeviceId,
    room: RoomId,
    specific: Specific,
    **changes: Any,  # noqa: ANN401 - header fields
) -> Header:
    """The next header of a device, as the relay's record of it asks for."""
    member, state = relay.member(room, device), relay.room(room)
    sealed = kinds.is_sealed(specific)
    committed = kinds.kind_of(specific) in kinds.COMMITTED
    fields: dict[str, Any] = {
        "kid": device,
        "media_type": MediaType.MLS if sealed else MediaType.NONE,
        "room": room,
        "epoch": state.epoch,
        "counter": member.last_counter + 1,
        "previous": member.last_id,
        "sent_at_ms": relay.clock_ms,
        "label": Label.AMBER if sealed else Label.CLEAR,
        "audience": audience_digest(members_of(state)),
        "commitment": K if committed else ZERO_32,
        "size_class": 1 if committed or (isinstance(specific, kinds.Repair) and sealed) else 0,
        "specific": specific,
    }
    return Header(**(fields | changes))


def signed(
    relay: EvilRelay,
    key: SigningKey,
    room: RoomId,
    specific: Specific,
    content: bytes = b"",
    **changes: Any,  # noqa: ANN401 - header fields
) -> Planted:
    """An envelope of a device with its content, ready to be planted."""
    made = header(relay, DeviceId(key.key_id), room, specific, **changes)
    return Planted.of(sign_envelope(made, content, key), content)


def message(
    relay: EvilRelay,
    key: SigningKey,
    group: Group,
    body: Body,
    **changes: Any,  # noqa: ANN401 - header fields
) -> Planted:
    """A sealed message by somebody who holds the group's keys."""
    room, device = group.room, DeviceId(key.key_id)
    state = relay.room(room)
    view = View(log_size=0, log_root=ZERO_32, log_signature=b"", room_seq=0, room_head=ZERO_32)
    label = changes.pop("sealed_label", Label.AMBER)
    content = encode_content(
        Content(
            message_id=changes.pop("message_id", MESSAGE_ID),
            written_at_ms=relay.clock_ms,
            label_number=int(label),
            pap_number=int(Pap.AMBER),
            view=view,
            body=body,
        )
    )
    counter = changes.get("counter", relay.member(room, device).last_counter + 1)
    size_class, plaintext = pad(K, content)
    made = header(
        relay,
        device,
        room,
        changes.pop("specific", kinds.Message()),
        **{
            "epoch": state.epoch,
            "commitment": derive_commitment(K, room, device, counter, content),
            "size_class": size_class,
            **changes,
        },
    )
    sealed = group.seal(plaintext, aad=made.aad, random=bytes)
    return Planted.of(sign_envelope(made, sealed, key), sealed)


def stolen_group(stage: Stage, name: str, room: int = 0) -> Group:
    """A member's group state, as a thief of its store has it: a copy, the member's own goes on."""
    group = group_of(stage.row(name, room), stage.device(name).key)
    assert group is not None
    return group


def without_signature(envelope: Envelope, signature: bytes = bytes(64)) -> bytes:
    """The envelope's bytes with another signature."""
    assert envelope.encoded.endswith(envelope.parts.signature)
    return envelope.encoded[: -len(envelope.parts.signature)] + signature


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnRoom:
    """A room of the attacker's own.

    Attributes:
        room: Its id.
        group: Its group, with the victim in it.
    """

    room: RoomId
    group: Group


def open_own_room(
    relay: EvilRelay, creator: Rogue, victim: DeviceId, package: bytes, *, suite: int = CLASSICAL
) -> OwnRoom:
    """Open a room, and add the victim with a key package of its own; the suite is what `create` says it is."""
    nonce = sha256(b"a nonce")[:16]
    room = derive_room_id(ORIGIN, creator.id, nonce)
    create = Create(
        origin=ORIGIN,
        nonce=nonce,
        suite=suite,
        ceiling=Label.AMBER,
        owner=creator.certificate.organisation,
        policy=b"",
    )
    opening = Header(
        kid=creator.id,
        media_type=MediaType.NONE,
        room=room,
        epoch=0,
        counter=1,
        previous=EnvelopeId(ZERO_32),
        sent_at_ms=relay.clock_ms,
        label=Label.CLEAR,
        audience=audience_digest({creator.id}),
        specific=create,
    )
    created = sign_envelope(opening, b"", creator.key)
    relay.log(room, Planted.of(created))
    group = ENGINES[CLASSICAL].create(
        room, creator.key, creator.credential, policy=create.policy, now_ms=relay.clock_ms, random=drawn
    )
    both = audience_digest({creator.id, victim})
    made = header(relay, creator.id, room, Commit(added=(victim,)), audience=both)
    staged = group.stage_commit(adds=(package,), removes=(), credential=creator.credential, aad=made.aad, random=drawn)
    commit = sign_envelope(made, staged.sealed, creator.key)
    sealed = staged.welcome(created.id, commit.id, random=drawn)
    specific, tree = Welcome(addressees=(victim,), tree_hash=sha256(staged.tree)), staged.tree
    group.merge()
    relay.log(room, Planted.of(commit, staged.sealed))
    relay.log(room, replace(signed(relay, creator.key, room, specific, sealed, label=Label.CLEAR), tree=tree))
    return OwnRoom(room=room, group=group)


def drawn(length: int) -> bytes:
    """The attacker's randomness."""
    return next(_draws)[:length]


_draws: Final = (sha256(b"draw %d" % number) * 2 for number in count(1))
