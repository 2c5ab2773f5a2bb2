"""Client cores and the real relay core in one memory: every frame passes a hook that a test may set."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any, Final

from amanah_client import actions, engine, inputs, model
from amanah_client import effects as e
from amanah_client.causes import GIVING_WAY
from amanah_client.core import ClientCore
from amanah_client.incident import labelled
from amanah_client.incident.labelled import labelling
from amanah_client.log_rows import AuditRow, ConflictRow, CustodyRow, StampRow
from amanah_client.saying import saying
from amanah_client.spool import Spool
from amanah_protocol import frames, identity
from amanah_protocol.content.text import Text
from amanah_protocol.crypto import sha256
from amanah_protocol.group import suites
from amanah_protocol.identity import MachineLimits, Role
from amanah_protocol.labels import Label
from amanah_protocol.log.note_keys import NoteSigner
from amanah_protocol.session import NO_TLS
from amanah_protocol.types import DeviceId, EnvelopeId, OrgName, PersonId, RoomId
from amanah_relay.quotas import RelayLimits
from tests.engines import ENGINES
from tests.relay.people import ADDRESS, NOW_MS, Device, Nation, key_of
from tests.relay.world import MA, SN, TN, Peer, World

Hook = Callable[[frames.Frame], list[frames.Frame]]
UNFINISHED: Final = (model.IntentState.QUEUED, model.IntentState.HELD, model.IntentState.SENT)


def seeded(name: str) -> Callable[[int], bytes]:
    """Bytes that are the same in every run."""
    count = 0

    def random(length: int) -> bytes:
        nonlocal count
        count += 1
        return hashlib.shake_256(f"{name} {count}".encode()).digest(length)

    return random


def is_of(encoded: bytes, organisation: OrgName, subject: PersonId) -> bool:
    """Whether a profile is a person's."""
    profile = identity.decode_profile(encoded)
    return (profile.organisation, profile.subject) == (organisation, subject)


@dataclass(slots=True, kw_only=True)
class Store:
    """What one client has stored; writes are made whole or not at all.

    Attributes:
        base: Own chain, profile and roster, and what replaces them.
        fails: The commit with this number from now on raises; 1 is the next.
        kept: Whether it is durable all the same.
    """

    base: model.Snapshot
    rooms: dict[RoomId, model.RoomRow] = field(default_factory=dict)
    messages: dict[tuple[RoomId, EnvelopeId], model.MessageRow] = field(default_factory=dict)
    erased: dict[tuple[RoomId, EnvelopeId], DeviceId | None] = field(default_factory=dict)
    intents: dict[str, model.Intent] = field(default_factory=dict)
    control: list[model.ControlRow] = field(default_factory=list)
    packages: dict[bytes, bytes] = field(default_factory=dict)
    profiles: list[bytes] = field(default_factory=list)
    alarms: list[model.Alarm] = field(default_factory=list)
    refused: list[model.Alarm] = field(default_factory=list)
    audit: list[AuditRow] = field(default_factory=list)
    custody: list[CustodyRow] = field(default_factory=list)
    forgotten: list[tuple[OrgName, PersonId]] = field(default_factory=list)
    dropping: list[e.DropOver] = field(default_factory=list)
    checkpoints: dict[int, bytes] = field(default_factory=dict)
    settled: int = 0
    stamps: list[StampRow] = field(default_factory=list)
    conflicts: dict[bytes, ConflictRow] = field(default_factory=dict)
    fails: int = 0
    kept: bool = False

    def snapshot(self) -> model.Snapshot:
        """What a core needs at start."""
        return replace(
            self.base,
            control=tuple(self.control),
            rooms=tuple(self.rooms.values()),
            sent=tuple(row for row in self.messages.values() if row.state is model.MessageState.SENT),
            intents=tuple(intent for intent in self.intents.values() if intent.state in UNFINISHED),
            key_packages=tuple(self.packages.items()),
            profiles=tuple(dict.fromkeys(self.profiles)),
            audit_size=len(self.audit),
            custody=tuple(self.custody),
            audit_settled=self.settled,
            audit_stamps=self.stamps[-1].number if self.stamps else 0,
            conflicts=tuple((row.key, row.at_ms) for row in self.conflicts.values()),
            missing=tuple(row for row in self.messages.values() if row.cause is not None and row.mending is not None),
        )

    def commit(self, writes: tuple[e.Write, ...]) -> None:
        """Make writes durable."""
        self.fails -= 1
        if self.fails == 0 and not self.kept:
            raise OSError
        for write in writes:
            self._perform(write)
        if self.fails == 0:
            raise OSError

    def _keep_custody(self, write: e.PutCustody | e.ForgetPerson | e.DropOver) -> None:
        match write:
            case e.PutCustody(row=custody):
                assert custody.sequence == 1 + sum(row.room == custody.room for row in self.custody)
                self.custody.append(custody)
            case e.ForgetPerson(organisation=organisation, subject=subject):
                self.profiles = [one for one in self.profiles if not is_of(one, organisation, subject)]
                self.forgotten.append((organisation, subject))
            case e.DropOver():
                self.dropping.append(write)

    def _keep_message(self, message: model.MessageRow, *, granted: bool) -> None:
        known = self.messages.get((message.room, message.envelope))
        if known is None:
            gives_way = True
        elif granted:
            gives_way = known.cause in GIVING_WAY
        else:
            stored = message.state is model.MessageState.STORED
            gives_way = stored or known.room_seq is None or known.cause is not None
        if gives_way:
            self.messages[message.room, message.envelope] = message

    def _perform(self, write: e.Write) -> None:  # noqa: C901, PLR0912, PLR0915 - one case for each write
        match write:
            case e.PutRoom(row=row):
                self.rooms[row.room] = row
            case e.PutMessage(row=message):
                self._keep_message(message, granted=False)
            case e.PutGranted(row=message):
                if self.erased.get((message.room, message.envelope), message) in (None, message.sender):
                    message = labelled.tombstone(message)
                self._keep_message(message, granted=True)
            case e.DropMessage(room=room, envelope=envelope):
                del self.messages[room, envelope]
            case e.EraseContent(room=room, envelopes=envelopes, by=by):
                for key in [(room, envelope) for envelope in envelopes]:
                    known = self.messages.get(key)
                    if known is None:
                        self.erased[key] = by
                    elif by in (None, known.sender):
                        self.messages[key] = labelled.tombstone(known)
            case e.PutIntent(intent=intent):
                assert intent.id in self.intents
                self.intents[intent.id] = intent
            case e.PutAction(intent=intent):
                self.intents[intent.id] = replace(self.intents[intent.id], action=intent.action)
            case e.DropWish():
                pass  # tests decide by inputs
            case e.PutControl(row=entry):
                assert not self.control or entry.sequence > self.control[-1].sequence
                self.control.append(entry)
            case e.PutRoster(roster=roster, first=first):
                self.base = replace(self.base, roster=roster, first_roster=first or self.base.first_roster)
            case e.PutControlHead(head=head):
                self.base = replace(self.base, control_head=head)
            case e.PutLogView(view=view):
                self.base = replace(self.base, log=view)
            case e.PutWitnessed(row=witnessed):
                self.base = replace(self.base, witnessed=witnessed)
            case e.PutConflict(row=conflict):
                self.conflicts.setdefault(conflict.key, conflict)
            case e.PutKeyPackage(reference=reference, private=private):
                assert reference not in self.packages
                self.packages[reference] = private
            case e.DropKeyPackage(reference=reference):
                del self.packages[reference]
            case e.PutProfile(profile=profile):
                self.profiles.append(profile)
            case e.PutAlarm(alarm=alarm):
                (self.refused if alarm.own else self.alarms).append(alarm)
            case e.PutCustody() | e.ForgetPerson() | e.DropOver():
                self._keep_custody(write)
            case e.PutAuditRows(rows=rows):
                assert rows[0].index == len(self.audit)
                self.audit.extend(rows)
            case e.PutCheckpoints(notes=notes, settled=settled):
                self.checkpoints.update(notes)
                self.settled = settled
            case e.PutStamps(stamps=stamps):
                self.stamps.extend(stamps)


@dataclass(slots=True, kw_only=True, eq=False)
class Client:
    """One client: its core, its store, and its connection if there is one.

    Attributes:
        toward: Hook on frames from the relay to this client.
        outward: Hook on frames from this client to the relay.
        effects: Everything it told its faces.
    """

    stage: Stage
    name: str
    device: Device
    store: Store
    core: ClientCore
    peer: Peer | None = None
    toward: Hook | None = None
    outward: Hook | None = None
    effects: list[e.Effect] = field(default_factory=list)
    disconnects: list[e.Disconnect] = field(default_factory=list)
    spool: Spool | None = None
    asked: int = 0
    clock_ms: int = 0
    """How far its clock is ahead."""

    def connect(self) -> None:
        """Open a connection; the login follows when the stage runs."""
        self.peer = self.stage.relay.connect()
        self.peer.device = self.device
        self.give(inputs.Opened(dialled=ADDRESS, tls_hash=NO_TLS))

    def disconnect(self) -> None:
        """Lose the connection."""
        if self.peer is not None:
            if self.peer.closed is None:
                self.stage.relay.drop(self.peer)
            self.peer = None
            self.give(inputs.Lost())

    def restart(self) -> None:
        """Throw the core away and make it anew from the store."""
        peer, self.peer = self.peer, None
        if peer is not None and peer.closed is None:
            self.stage.relay.drop(peer)
        self.core = ClientCore(
            self.store.snapshot(),
            key=self.device.key,
            random=seeded(f"{self.name} {self.stage.restarts}"),
            engines=ENGINES,
        )
        self.stage.restarts += 1

    @property
    def now_ms(self) -> int:
        """What its clock shows."""
        return self.stage.relay.now_ms + self.clock_ms

    def tick(self) -> None:
        """Its shell says that time has passed."""
        self.give(inputs.Tick(made_ms=self.now_ms))

    def give(self, event: inputs.Input) -> None:
        """Give the core an input, make its writes durable, then perform its effects."""
        step = self.core.handle(event, self.now_ms)
        try:
            self.store.commit(step.writes)
        except OSError:
            self.restart()
            return
        for effect in step.effects:
            self.effects.append(effect)
            match effect:
                case e.SendFrame(data=data):
                    self._send(data)
                case e.Disconnect():
                    self.disconnects.append(effect)
                    self.disconnect()
                case e.ReadMessage(room=room, envelope=envelope):
                    row = self.store.messages.get((room, envelope))
                    self.give(inputs.MessageRead(
                        room=room, envelope=envelope, row=row, labelling=self.labelling(room, envelope)
                    ))  # fmt: skip
                case e.ReadSealed() | e.DropSealed() | e.FindFetched() | e.KeepPiece() if self.spool is not None:
                    answer = engine.moved(self.spool, effect)
                    if answer is not None:
                        self.give(answer)
                case _:
                    pass

    def _send(self, data: bytes) -> None:
        if self.outward is None:
            self._give_relay(data)
            return
        frame = frames.decode_client_frame(data) if not is_login(data) else frames.decode_login_frame(data)
        for changed in self.outward(frame):
            self._give_relay(frames.encode_frame(changed))

    def _give_relay(self, data: bytes) -> None:
        if self.peer is not None and self.peer.closed is None:
            self.peer.send_bytes(data)

    def receive(self) -> bool:
        """Take what the relay sent; False when there was nothing."""
        peer = self.peer
        if peer is None:
            return False
        arrived, peer.frames = peer.frames, []
        for frame in arrived:
            for changed in [frame] if self.toward is None else self.toward(frame):
                if self.peer is peer:
                    self.give(inputs.Received(data=frames.encode_frame(changed)))
        if peer.closed is not None and self.peer is peer:
            self.peer = None
            self.give(inputs.Lost())
            return True
        return bool(arrived)

    def ask(self, action: actions.Action) -> str:
        """Queue an intent; gives its id."""
        self.asked += 1
        intent_id = sha256(f"{self.name} {self.asked}".encode())[:16].hex()
        intent = model.Intent(id=intent_id, action=action, created_at_ms=self.stage.relay.now_ms)
        self.store.intents[intent_id] = intent
        self.give(inputs.Asked(intent=intent))
        return intent_id

    def do(self, action: actions.Action) -> model.Intent:
        """Queue an intent and let everything run; gives what became of it."""
        intent = self.ask(action)
        self.stage.run()
        return self.store.intents[intent]

    def say(self, room: RoomId, text: str, label: Label = Label.AMBER) -> model.Intent:
        """Send a text."""
        return self.do(saying(room, Text(text=text), label=label))

    def intent(self, intent_id: str) -> model.Intent:
        """An intent as stored."""
        return self.store.intents[intent_id]

    def rows(self, room: RoomId, *kinds: int) -> list[model.MessageRow]:
        """Messages of a room in its order, own unacknowledged last; of some kinds only if named."""
        rows = [row for row in self.store.messages.values() if row.room == room and (not kinds or row.kind in kinds)]
        return sorted(rows, key=lambda row: 2**62 if row.room_seq is None else row.room_seq)

    def labelling(self, room: RoomId, envelope: EnvelopeId) -> tuple[model.MessageRow, ...]:
        """The entries from which the label of a message follows."""
        rows = self.rows(room)
        return labelling(envelope, lambda name: self.store.messages.get((room, name)), lambda _: rows)

    def texts(self, room: RoomId) -> list[str]:
        """The texts it can read, in order."""
        return [text for row in self.rooms_content(room) if (text := text_of(row)) is not None]

    def rooms_content(self, room: RoomId) -> list[model.MessageRow]:
        """Rows with content."""
        return [row for row in self.rows(room) if row.content]

    def codes(self) -> list[str]:
        """Codes of its alarms."""
        return [alarm.code for alarm in self.store.alarms]

    def row(self, room: RoomId) -> model.RoomRow:
        """A room as stored."""
        return self.store.rooms[room]

    def online(self) -> bool:
        """Whether it told that it is online since it connected last."""
        return any(isinstance(effect, e.Online) for effect in self.effects)


def keep(held: list[frames.Frame], *kinds: type[frames.Frame]) -> Hook:
    """A hook that keeps frames of these types back, in `held`."""

    def hook(frame: frames.Frame) -> list[frames.Frame]:
        if isinstance(frame, kinds):
            held.append(frame)
            return []
        return [frame]

    return hook


def denied(frame: frames.ContentPiece) -> frames.Refused:
    """As if the relay had no such content."""
    return frames.Refused(request=frame.request, code="NOT_FOUND", detail="no such content")


def is_login(data: bytes) -> bool:
    """Whether an encoded frame is one of a login."""
    try:
        frames.decode_login_frame(data)
    except Exception:  # noqa: BLE001 - whatever it is, it is none
        return False
    return True


def text_of(row: model.MessageRow) -> str | None:
    """The text of a row, if it is one."""
    from amanah_protocol.content.sealed import decode_content  # noqa: PLC0415 - one use
    from amanah_protocol.content.text import Text  # noqa: PLC0415 - one use

    body = decode_content(row.content).body
    return body.text if isinstance(body, Text) else None


class Stage:
    """The relay and all clients; time stands still unless a test moves it."""

    def __init__(
        self, limits: RelayLimits | None = None, *, witnesses: tuple[NoteSigner, ...] = (), quorum: int = 0
    ) -> None:
        self.relay = World(limits, witnesses=witnesses, quorum=quorum)
        self.clients: list[Client] = []
        self.restarts = 0

    def client(
        self,
        name: str,
        *,
        of: str = TN,
        role: Role = Role.OFFICER,
        ceiling: Label = Label.RED,
        machine: MachineLimits | None = None,
        device_suites: tuple[int, ...] = (suites.CLASSICAL,),
    ) -> Client:
        """A certified device with an empty store."""
        device, profile = certify(
            self.relay.nations[of],
            name,
            role,
            now_ms=self.relay.now_ms,
            ceiling=ceiling,
            machine=machine,
            device_suites=device_suites,
        )
        base = model.Snapshot(
            certificate=device.certificate.encoded,
            enrolment=device.enrolment.endorsed.encode(),
            profile=profile,
            roster=self.relay.roster.endorsed.encode(),
        )
        store = Store(base=base)
        core = ClientCore(store.snapshot(), key=device.key, random=seeded(name), engines=ENGINES)
        client = Client(stage=self, name=name, device=device, store=store, core=core)
        self.clients.append(client)
        return client

    def online(self, name: str, **options: Any) -> Client:  # noqa: ANN401 - as `client`
        """A client that is logged in and caught up."""
        client = self.client(name, **options)
        client.connect()
        self.run()
        assert client.online(), (client.disconnects, client.store.alarms)
        return client

    def run(self) -> None:
        """Let frames flow until nothing moves."""
        moved = True
        while moved:
            moved = self.shelve()
            for client in self.clients:
                moved |= client.receive()

    def shelve(self) -> bool:
        """The relay's shell does something to files of attachments; there are none on this stage."""
        return False

    def tick(self, ms: int = 1_000) -> None:
        """Time passes for all."""
        self.relay.tick(ms)
        for client in self.clients:
            client.tick()
        self.run()

    def wait(self, ms: int, step_ms: int = 1_000) -> None:
        """Time passes, second by second."""
        for _ in range(ms // step_ms):
            self.tick(step_ms)

    def submit(self, client: Client, leaf_type: int, data: bytes) -> model.Intent:
        """A client submits a control object."""
        return client.do(actions.SubmitControl(type=leaf_type, object=data))


def certify(
    nation: Nation,
    name: str,
    role: Role,
    *,
    now_ms: int = NOW_MS,
    ceiling: Label = Label.RED,
    machine: MachineLimits | None = None,
    device_suites: tuple[int, ...] = (suites.CLASSICAL,),
) -> tuple[Device, bytes]:
    """A device whose certificate names a profile; the profile too, encoded."""
    key, subject = key_of(f"device {name}"), PersonId(sha256(name.encode())[:16])
    request = identity.make_request(
        key, organisation=nation.name, subject=subject, role=role, nonce=bytes(16), suites=device_suites
    )
    profile = identity.issue_profile(
        nation.enrolment_key, organisation=nation.name, subject=subject, name=f"officer {name}", salt=bytes(16)
    )
    certificate = identity.issue_certificate(
        request, nation.enrolment_key, now_ms=now_ms, ceiling=ceiling, profile_mac=profile.mac, machine=machine
    )
    return Device(key=key, certificate=certificate, enrolment=nation.enrolment), profile.encoded


__all__ = ["MA", "SN", "TN", "Client", "Stage", "certify", "seeded"]
