"""A relay core, its store in memory, and people who talk to it frame by frame."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import Any, TypeVar

from amanah_protocol import frames as wire
from amanah_protocol import kinds, session
from amanah_protocol.crypto import sha256
from amanah_protocol.envelope import Envelope, Header, audience_digest, derive_room_id, sign_envelope
from amanah_protocol.errors import Code
from amanah_protocol.group import suites
from amanah_protocol.identity import Role
from amanah_protocol.kinds import Commit, Create, MediaType, Specific, Welcome
from amanah_protocol.labels import Label
from amanah_protocol.log.note_keys import NoteSigner
from amanah_protocol.session import NO_TLS, Transcript
from amanah_protocol.types import ZERO_32, DeviceId, EnvelopeId, KeyId, OrgName, RoomId
from amanah_relay.core import RelayCore
from amanah_relay.effects import (
    Append,
    Close,
    Confirm,
    Cosign,
    DropFile,
    FanOut,
    Purge,
    PutPiece,
    ReadPiece,
    Reload,
    Send,
    SessionId,
    ShelfEffect,
    Survey,
    Verify,
)
from amanah_relay.inputs import Checked, Congested, Connected, Disconnected, Drained, Input, Received, Stop, Tick
from amanah_relay.quotas import RelayLimits
from tests.relay.memory_store import MemoryStore, StoreEffect
from tests.relay.people import (
    ADDRESS,
    LOG_SIGNER,
    NOW_MS,
    ORIGIN,
    RELAY_KEY,
    Device,
    Nation,
    make_roster,
    verify_made_roster,
)

F = TypeVar("F")
TN, MA, SN = "cert.example.tn", "cert.example.ma", "cert.example.sn"


@dataclass(slots=True, kw_only=True, eq=False)
class Peer:
    """One connection, from its far end."""

    world: World
    number: SessionId
    device: Device | None = None
    frames: list[Any] = field(default_factory=list)
    closed: tuple[int, str] | None = None
    requests: int = 0

    @property
    def is_open(self) -> bool:
        """Whether the relay has not closed it."""
        return self.closed is None

    def send(self, frame: wire.Frame) -> None:
        """Send a frame; the store does all it is asked for."""
        self.send_bytes(wire.encode_frame(frame))

    def send_bytes(self, data: bytes) -> None:
        """Send any bytes."""
        self.world.give(Received(session=self.number, data=data))

    def next_request(self) -> int:
        """A fresh request number."""
        self.requests += 1
        return self.requests

    def take(self, kind: type[F]) -> list[F]:
        """All frames of a type that have come; they are forgotten, others stay."""
        found = [frame for frame in self.frames if isinstance(frame, kind)]
        self.frames = [frame for frame in self.frames if not isinstance(frame, kind)]
        return found

    def one(self, kind: type[F]) -> F:
        """The one frame of a type that has come."""
        found = self.take(kind)
        assert len(found) == 1, (kind, found, self.frames)
        return found[0]

    def refused(self) -> wire.Refused:
        """The one refusal that has come."""
        return self.one(wire.Refused)

    def publish(self, *items: Envelope | tuple[Envelope, bytes | None]) -> int:
        """Publish envelopes, with `SEALED` or the content given; gives the request's number."""
        request = self.next_request()
        self.send(wire.Publish(request=request, items=tuple(as_item(item) for item in items)))
        return request

    def subscribe(self, room: RoomId, after: int = 0) -> int:
        """Ask for a page of a room."""
        request = self.next_request()
        self.send(wire.Subscribe(request=request, room=room, after=after))
        return request


SEALED = b"sealed"


def as_item(item: Envelope | tuple[Envelope, bytes | None]) -> wire.Item:
    """An item of a publish."""
    if isinstance(item, tuple):
        return wire.Item(envelope=item[0].encoded, content=item[1])
    content = SEALED if item.header.is_sealed else b""
    return wire.Item(envelope=item.encoded, content=content)


@dataclass(slots=True, kw_only=True, eq=False)
class RoomModel:
    """A room as its members see it: whom they count in, and which epoch they are in."""

    id: RoomId
    members: set[DeviceId]
    epoch: int = 0
    creation: Envelope | None = None

    @property
    def create(self) -> Envelope:
        """Its create envelope."""
        assert self.creation is not None
        return self.creation


class World:
    """Everything; time stands still unless a test moves it."""

    def __init__(
        self,
        limits: RelayLimits | None = None,
        *,
        nations: tuple[str, ...] = (TN, MA, SN),
        witnesses: tuple[NoteSigner, ...] = (),
        quorum: int = 0,
    ) -> None:
        self.now_ms = NOW_MS
        self.nations = {name: Nation.make(name) for name in nations}
        self.roster = make_roster(tuple(self.nations.values()), witnesses=witnesses, quorum=quorum)
        self.store = MemoryStore(roster=verify_made_roster(self.roster))
        self.limits = limits or RelayLimits()
        self.peers: dict[SessionId, Peer] = {}
        self.waiting: deque[StoreEffect] = deque()
        self.shelving: deque[ShelfEffect] = deque()
        """What is asked of the files of attachments; a test does it."""
        self.holding = False
        self.appends: list[Append] = []
        self.steps: list[Confirm | Survey | Purge] = []
        self.cosigning: list[Cosign] = []
        self.core = self.new_core()
        self.give(self.store.perform(Reload()))

    def new_core(self) -> RelayCore:
        """A core as after a restart."""
        return RelayCore(
            key=RELAY_KEY,
            log_signer=LOG_SIGNER,
            origin=ORIGIN,
            addresses=frozenset({ADDRESS}),
            limits=self.limits,
        )

    def restart(self) -> None:
        """A new process over the same store; all connections are gone."""
        self.peers.clear()
        self.waiting.clear()
        self.core = self.new_core()
        self.give(self.store.perform(Reload()))

    def give(self, event: Input) -> None:
        """Give the core an input, and the store all that follows unless it is held."""
        self.handle(event)
        while self.waiting and not self.holding:
            self.step()

    def handle(self, event: Input) -> None:
        """Give the core an input and collect effects."""
        for effect in self.core.handle(event, self.now_ms):
            match effect:
                case Send():
                    self._arrive(effect.session, effect.data)
                case FanOut():
                    for number in effect.sessions:
                        for data in effect.data:
                            self._arrive(number, data)
                case Close():
                    self.peers[effect.session].closed = (effect.code, effect.reason)
                case Verify():
                    self.handle(Checked(answers=((effect.token, tuple(claim.holds for claim in effect.claims)),)))
                case Cosign():
                    self.cosigning.append(effect)
                case PutPiece() | ReadPiece() | DropFile():
                    self.shelving.append(effect)
                case _:
                    self._ask_store(effect)

    def _ask_store(self, effect: StoreEffect) -> None:
        if isinstance(effect, Append):
            self.appends.append(effect)
        elif isinstance(effect, Confirm | Survey | Purge):
            self.steps.append(effect)
        self.waiting.append(effect)

    def step(self) -> None:
        """The store does the oldest thing asked of it, and the core is told."""
        self.handle(self.store.perform(self.waiting.popleft()))

    def release(self) -> None:
        """The store goes on and does all that waits."""
        self.holding = False
        while self.waiting:
            self.step()

    def tick(self, ms: int = 0) -> None:
        """Time passes."""
        self.now_ms += ms
        self.give(Tick())

    def stop(self) -> None:
        """Begin to stop."""
        self.give(Stop())

    def connect(self, network: str = "192.0.2.1") -> Peer:
        """A connection without login."""
        number = SessionId(len(self.peers) + 1)
        peer = self.peers[number] = Peer(world=self, number=number)
        nonce = sha256(b"nonce" + number.to_bytes(4, "big"))
        self.give(Connected(session=number, network=network, nonce=nonce, tls_hash=NO_TLS))
        return peer

    def hello(self, peer: Peer, device: Device, /, **changes: Any) -> wire.Hello:  # noqa: ANN401 - fields of a frame
        """Send the first frame of a login."""
        fields: dict[str, Any] = {
            "versions": (1,),
            "client_nonce": bytes(32),
            "device": device.id,
            "certificate_hash": device.certificate.hash,
            "dialled": ADDRESS,
        }
        hello = wire.Hello(**(fields | changes))
        peer.send(hello)
        return hello

    def prove(self, peer: Peer, device: Device, hello: wire.Hello, **changes: Any) -> None:  # noqa: ANN401 - as above
        """Answer the relay's challenge as the device would."""
        challenge = peer.one(wire.Challenge)
        transcript = transcript_of(hello, challenge)
        fields: dict[str, Any] = {
            "signature": session.sign_as_client(transcript, device.key),
            "certificate": device.certificate.encoded,
            "enrolment": device.enrolment.endorsed.encode(),
        }
        peer.send(wire.Proof(**(fields | changes)))

    def login(self, device: Device, network: str = "192.0.2.1") -> Peer:
        """Log a device in; what the relay said is forgotten."""
        peer = self.begin_login(device, network)
        peer.one(wire.Ready)
        return peer

    def begin_login(self, device: Device, network: str = "192.0.2.1") -> Peer:
        """Connect and prove, whatever comes of it."""
        peer = self.connect(network)
        peer.device = device
        self.prove(peer, device, self.hello(peer, device))
        return peer

    def drop(self, peer: Peer) -> None:
        """The connection is lost."""
        self.give(Disconnected(session=peer.number))

    def congest(self, peer: Peer) -> None:
        """The peer stops reading."""
        self.give(Congested(session=peer.number))

    def drain(self, peer: Peer) -> None:
        """The peer reads again."""
        self.give(Drained(session=peer.number))

    def certify(self, name: str, role: Role = Role.OFFICER, *, of: str = TN, **options: Any) -> Device:  # noqa: ANN401 - as `Nation.certify`
        """A new device of a nation."""
        return self.nations[of].certify(name, role, now_ms=self.now_ms, **options)

    def officer(self, name: str, *, of: str = TN) -> Peer:
        """A new officer's device, logged in."""
        return self.login(self.certify(name, of=of))

    def envelope(
        self,
        device: Device,
        room: RoomModel,
        specific: Specific,
        content: bytes = SEALED,
        /,
        **changes: Any,  # noqa: ANN401 - fields of a header
    ) -> Envelope:
        """The device's next envelope in a room, right in every field but those that are given."""
        kind = kinds.kind_of(specific)
        sealed = kinds.is_sealed(specific)
        counter, previous = device.made.get(room.id, (0, ZERO_32))
        fields: dict[str, Any] = {
            "kid": device.id,
            "media_type": MediaType.MLS if sealed else MediaType.NONE,
            "room": room.id,
            "epoch": room.epoch,
            "counter": counter + 1,
            "previous": EnvelopeId(previous),
            "sent_at_ms": self.now_ms,
            "label": Label.AMBER,
            "audience": audience_digest(room.members),
            "commitment": sha256(b"k") if kind in kinds.COMMITTED else ZERO_32,
            "size_class": 1 if kind in kinds.COMMITTED or (kind is kinds.Kind.REPAIR and sealed) else 0,
            "specific": specific,
        }
        made = sign_envelope(Header(**(fields | changes)), content if sealed else b"", device.key)
        device.made[room.id] = (made.header.counter, made.id)
        return made

    def new_room(self, device: Device, *, nonce: bytes = bytes(16), **create: Any) -> RoomModel:  # noqa: ANN401 - fields of a create
        """A room that is not published yet."""
        fields: dict[str, Any] = {
            "origin": ORIGIN,
            "nonce": nonce,
            "suite": suites.CLASSICAL,
            "ceiling": Label.RED,
            "owner": OrgName(device.certificate.organisation),
        }
        room = RoomModel(id=derive_room_id(ORIGIN, device.id, nonce), members={device.id})
        room.creation = self.envelope(device, room, Create(**(fields | create)))
        return room

    def recall(self, device: Device, room: RoomId) -> None:
        """The device goes on behind its last accepted envelope, whatever it has made since."""
        row = self.store.members.get((room, device.id))
        device.made[room] = (0, ZERO_32) if row is None else (row.last_counter, row.last_id)

    def open_room(self, creator: Peer, *members: Device, nonce: bytes = bytes(16), **create: Any) -> RoomModel:  # noqa: ANN401 - as `new_room`
        """A room with these members, created and welcomed; what the relay said is forgotten."""
        assert creator.device is not None
        room = self.new_room(creator.device, nonce=nonce, **create)
        creator.publish(room.create)
        creator.one(wire.Stored)
        if members:
            self.commit(creator, room, added=members)
        for peer in self.peers.values():
            peer.take(wire.RoomState)
        return room

    def commit(
        self, committer: Peer, room: RoomModel, *, added: tuple[Device, ...] = (), removed: tuple[Device, ...] = ()
    ) -> None:
        """Commit a change of members, with the welcome; it must be accepted."""
        committer.publish(*self.change(committer, room, added=added, removed=removed))
        committer.one(wire.Stored)

    def change(
        self, committer: Peer, room: RoomModel, *, added: tuple[Device, ...] = (), removed: tuple[Device, ...] = ()
    ) -> list[Envelope]:
        """The envelopes of a change of members; the model has changed already."""
        assert committer.device is not None
        new = tuple(sorted(device.id for device in added))
        gone = tuple(sorted(device.id for device in removed))
        epoch = room.epoch
        room.members = (room.members | set(new)) - set(gone)
        commit = self.envelope(committer.device, room, Commit(added=new, removed=gone), epoch=epoch)
        room.epoch += 1
        if not new:
            return [commit]
        return [commit, self.envelope(committer.device, room, Welcome(addressees=new))]

    def _arrive(self, number: SessionId, data: bytes) -> None:
        peer = self.peers.get(number)
        if peer is not None:
            assert peer.closed is None, "a frame behind a close"
            peer.frames.append(wire.decode_relay_frame(data))


def transcript_of(hello: wire.Hello, challenge: wire.Challenge) -> Transcript:
    """What both sides of a login sign."""
    return Transcript(
        offered=hello.versions,
        chosen=challenge.chosen,
        relay=KeyId(challenge.relay),
        origin=challenge.origin,
        dialled=hello.dialled,
        tls_hash=NO_TLS,
        client_nonce=hello.client_nonce,
        relay_nonce=challenge.relay_nonce,
        device=DeviceId(hello.device),
        certificate_hash=hello.certificate_hash,
        control_sequence=challenge.control_sequence,
        time_ms=challenge.time_ms,
    )


def device_of(peer: Peer) -> Device:
    """The device behind a connection."""
    assert peer.device is not None
    return peer.device


def code_of(refused: wire.Refused) -> Code:
    """The code of a refusal."""
    return Code(refused.code)
