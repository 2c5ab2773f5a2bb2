"""One room, recomputed from its headers: circle, epochs, counters, and what each kind may say."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Final

from amanah_client.audit.egress import egress_fault
from amanah_client.audit.identities import Identities
from amanah_client.audit.register import CONTENT, EntryRow, Register, Sent, StayRow
from amanah_client.audit.report import Findings, Nations
from amanah_protocol import cbor, kinds, rooms
from amanah_protocol.envelope import Envelope, Header, audience_digest
from amanah_protocol.errors import Code, RefusedError, VerifyError
from amanah_protocol.identity import Certificate, Role
from amanah_protocol.kinds import Commit, Create, Grade
from amanah_protocol.labels import Label
from amanah_protocol.log.leaf import Leaf
from amanah_protocol.types import ZERO_32, DeviceId, EnvelopeId, OrgName, PersonId, RoomId
from amanah_protocol.ways import check_relabel

_NOTHING_SENT: Final = EnvelopeId(ZERO_32)


@dataclass(frozen=True, slots=True, kw_only=True)
class Circle:
    """Who is in the room during one epoch.

    Attributes:
        members: Their devices.
        digest: `audience_digest` of them.
        nations: Their number by organisation.
    """

    members: frozenset[DeviceId]
    digest: bytes
    nations: Nations


_NOBODY: Final = Circle(members=frozenset(), digest=audience_digest(frozenset()), nations=())


@dataclass(slots=True, kw_only=True)
class _Sender:
    """The record of one device in the room."""

    device: int
    counter: int = 0
    last: EnvelopeId = _NOTHING_SENT
    voided: set[int]


@dataclass(slots=True, kw_only=True)
class _Said:
    """What an entry says of others: their log indices, the label that it gives to one, which one it acknowledges."""

    mentioned: list[int] = field(default_factory=list)
    became: Label | None = None
    acknowledged: tuple[Sent, Grade] | None = None


class RoomHistory:
    """A room as far as the log was read."""

    def __init__(
        self, room: RoomId, origin: str, identities: Identities, findings: Findings, register: Register
    ) -> None:
        """Begin before the first entry, or behind those that the register knows.

        Args:
            room: Its id.
            origin: Origin of the log; a room belongs to one.
            identities: Who is who up to the entry that is taken next.
            findings: Where remarks are noted; faults are raised.
            register: Where its entries are put.
        """
        self.room = room
        self._origin = origin
        self._identities = identities
        self._findings = findings
        self._register = register
        self._row, fresh = register.room(room)
        self._create: Create | None = None
        self._senders: dict[DeviceId, _Sender] = {}
        self._stays: list[StayRow] = []
        self._open: dict[DeviceId, int] = {}
        """Of who is in, the place of its stay in the list."""
        self.partial = False
        """Whether a grant has left out entries, so that counters of senders cannot go on without a gap."""
        self.circle = _NOBODY
        """Who is in it after the last entry that held."""
        if not fresh:
            self._load()

    def _load(self) -> None:
        row, register = self._row, self._register
        if row.specific is not None:
            create = kinds.decode_specific(kinds.Kind.CREATE, cbor.decode(row.specific, max_bytes=len(row.specific)))
            self._create = create if isinstance(create, Create) else None
        self._senders = {
            device: _Sender(device=register.device(device).number, counter=counter, last=last, voided=voided)
            for device, counter, last, voided in register.senders(row.number)
        }
        self._stays = register.stays(row.number)
        devices = [register.device_of(stay.device) for stay in self._stays]
        self._open = {
            device: place
            for place, (device, stay) in enumerate(zip(devices, self._stays, strict=True))
            if stay.to_seq is None
        }
        self.circle = self._circle(frozenset(self._open))

    @property
    def number(self) -> int:
        """The room's number in the register."""
        return self._row.number

    @property
    def owner(self) -> OrgName | None:
        """The organisation that owns it; None when its creation is missing or did not hold."""
        return None if self._create is None else self._create.owner

    def has(self, organisation: OrgName) -> bool:
        """Whether a device of an organisation is in it, as far as it was read."""
        return any(name == organisation for name, _ in self.circle.nations)

    def heard(self, organisation: OrgName, subject: PersonId) -> bool:
        """Whether a person has written in it, as far as it was read."""
        people = map(self._identities.who, self._senders)
        return any((who.organisation, who.subject) == (organisation, subject) for who in people)

    def take(self, index: int, leaf: Leaf, envelope: Envelope, *, holds: bool | None) -> None:
        """Verify the room's next entry, apply it, and put it into the register.

        Args:
            index: Its log index.
            leaf: The entry.
            envelope: The envelope in it.
            holds: Whether the signature is that of the sender's key; None when no key of it was logged before.

        Raises:
            PeerError: A check refused it. If its signature holds it still counts in its sender's
                record; it changes nothing else.
        """
        said = _Said()
        sent = None
        try:
            self._verify(index, leaf, envelope, holds, said)
            header = envelope.header
            label = header.label
            sent = Sent(index, leaf.room_seq, header.kind, header.kid, leaf.accepted_at_ms, label, label)
        finally:
            # An entry that was refused is shown too, with its fault beside it.
            self._put(index, leaf, envelope, sent, said)

    def _verify(self, index: int, leaf: Leaf, envelope: Envelope, holds: bool | None, said: _Said) -> None:  # noqa: FBT001 - as in `take`
        header = envelope.header
        row = self._row
        row.first_ms, row.last_ms = row.first_ms if row.entries else leaf.accepted_at_ms, leaf.accepted_at_ms
        row.entries += 1
        if header.room != leaf.room:
            raise VerifyError(Code.BINDING, "the envelope is of another room than its entry")
        if self._identities.standing(header.kid) is None:
            raise VerifyError(Code.CERTIFICATE, "no certificate of the sender stands in the log before")
        if not holds:
            raise VerifyError(Code.SIGNATURE, "the signature does not verify")
        self._follow(envelope)
        certificate = self._identities.check_usable(header.kid, leaf.accepted_at_ms)
        specific = header.specific
        rooms.check_kind(certificate, header.kind, header.label)
        if isinstance(specific, Create):
            self._begin(index, leaf, header, specific)
            return
        create = self._opened()
        rooms.check_label(header.label, create)
        self._check_sender(certificate, header)
        self._check_epoch(header)
        if isinstance(specific, Commit):
            self._commit(index, leaf, header, specific, create)
            return
        _check_audience(header, self.circle)
        if not isinstance(specific, kinds.Message):
            self._check_addressed(leaf, header)
            self._weigh(index, header, said)

    def _put(self, index: int, leaf: Leaf, envelope: Envelope, sent: Sent | None, said: _Said) -> None:
        header, row = envelope.header, self._row
        specific = header.specific
        known = self._senders.get(header.kid)
        entry = EntryRow(
            index,
            row.number,
            leaf.room_seq,
            int(header.kind),
            self._register.device(header.kid).number if known is None else known.device,
            leaf.accepted_at_ms,
            header.sent_at_ms,
            int(header.label),
            int(header.precedence),
            header.size_class,
            header.epoch,
            envelope.id,
            b"" if specific == kinds.Message() else cbor.encode(kinds.encode_specific(specific)),
            _upto(specific),
            None if said.became is None else int(said.became),
            int(sent is not None),
        )
        self._register.put_entry(entry, envelope.id, sent, said.mentioned)
        if sent is not None and sent.kind in CONTENT:
            self._register.put_content(row.number, sent.seq, sent.label)
        if said.acknowledged is not None and said.acknowledged[0].kind in CONTENT:
            self._register.put_acknowledged(entry, *said.acknowledged)
        self._register.put_room(row)

    def _follow(self, envelope: Envelope) -> None:
        """The sender's own chain: counter, previous, voids (protocol, section 4)."""
        header = envelope.header
        sender = self._senders.get(header.kid)
        if sender is None:
            sender = _Sender(device=self._register.device(header.kid).number, voided=set())
            self._senders[header.kid] = sender
        counter = header.counter
        if counter in sender.voided:
            raise VerifyError(Code.VOIDED_APPEARED, f"counter {counter} was declared void before")
        if counter <= sender.counter:
            raise VerifyError(Code.FORK, f"the sender used counter {counter} twice in this room")
        expected, before = sender.counter + 1, sender.last
        sender.counter, sender.last = counter, envelope.id
        sender.voided.update(header.voids)
        self._register.put_sender(self._row.number, sender.device, counter, envelope.id, sender.voided)
        if self.partial:
            return
        if header.voids != tuple(range(expected, counter)):
            raise VerifyError(Code.GAP, f"the sender's counter went from {expected - 1} to {counter}")
        if header.previous != before:
            raise VerifyError(Code.COUNTER, "the envelope does not follow the sender's last one in this room")

    def _opened(self) -> Create:
        if self._create is None:
            raise VerifyError(Code.UNKNOWN_ROOM, "the room's creation is missing, or did not hold")
        return self._create

    def _begin(self, index: int, leaf: Leaf, header: Header, create: Create) -> None:
        if self._create is not None or self._row.entries > 1:
            raise VerifyError(Code.ROOM_EXISTS, "a room is created by its first entry alone")
        # The room id is recomputed from the origin when the header is decoded.
        if create.origin != self._origin:
            raise VerifyError(Code.BINDING, f"the room was made for the log {create.origin}")
        rooms.check_create(create, self._identities.standings((header.kid,))[header.kid])
        rooms.check_label(header.label, create)
        circle = self._circle(frozenset({header.kid}))
        _check_audience(header, circle)
        self._create, self.circle = create, circle
        row = self._row
        row.created, row.specific = index, cbor.encode(kinds.encode_specific(create))
        row.opened_by = self._register.device(header.kid).number
        self._enter(index, leaf, header.kid)

    def _check_sender(self, certificate: Certificate, header: Header) -> None:
        machine = certificate.machine
        if machine is not None and machine.rooms and self.room not in machine.rooms:
            raise VerifyError(Code.ROLE, "the machine's certificate does not name this room")
        # Post-only sensors are not members: only a certificate that names the room lets one write to it.
        posting = certificate.role is Role.SENSOR and machine is not None and self.room in machine.rooms
        if header.kid not in self.circle.members and not posting:
            raise VerifyError(Code.NOT_MEMBER, "the sender is not in the room")

    def _check_epoch(self, header: Header) -> None:
        sealed = header.is_sealed
        epoch = self._row.epoch
        if header.epoch > epoch or (sealed and header.epoch != epoch):
            raise VerifyError(Code.STALE_EPOCH, f"the room is in epoch {epoch}, not {header.epoch}")

    def _commit(self, index: int, leaf: Leaf, header: Header, commit: Commit, create: Create) -> None:
        before = self.circle.members
        rooms.check_commit(
            commit,
            create=create,
            committer=header.kid,
            members=before,
            standings=self._identities.standings({*before, *commit.added}),
            at_ms=leaf.accepted_at_ms,
        )
        circle = self._circle((before | set(commit.added)) - set(commit.removed))
        _check_audience(header, circle)
        self.circle = circle
        self._row.epoch += 1
        for device in commit.removed:
            self._leave(index, leaf, device)
        for device in commit.added:
            self._enter(index, leaf, device)

    def _enter(self, index: int, leaf: Leaf, device: DeviceId) -> None:
        stay = StayRow(self._register.device(device).number, leaf.room_seq, index)
        self._open[device] = len(self._stays)
        self._stays.append(stay)
        self._register.put_stay(self._row.number, stay)

    def _leave(self, index: int, leaf: Leaf, device: DeviceId) -> None:
        place = self._open.pop(device)
        stay = self._stays[place] = self._stays[place]._replace(to_seq=leaf.room_seq, removed=index)
        self._register.put_stay(self._row.number, stay)

    def _were_in(self, seq: int) -> frozenset[DeviceId]:
        """Who could read the entry at a place."""
        return frozenset(
            self._register.device_of(stay.device)
            for stay in self._stays
            if stay.from_seq <= seq and (stay.to_seq is None or seq < stay.to_seq)
        )

    def _check_addressed(self, leaf: Leaf, header: Header) -> None:
        """What the relay must not take."""
        match header.specific:
            case kinds.Welcome(addressees=addressees) | kinds.Repair(addressees=addressees):
                self._check_inside(addressees)
            case kinds.Grant(to_seq=room_seq, addressees=addressees):
                _check_before(room_seq, leaf)
                self._check_inside(addressees)
            case kinds.Delivered(room_seq=room_seq):
                _check_before(room_seq, leaf)
            case _:  # nothing is addressed
                pass

    def _weigh(self, index: int, header: Header, said: _Said) -> None:
        """What its sender says, against the record: a false word of one member does not break the log."""
        try:
            self._check_said(index, header, said)
        except (VerifyError, RefusedError) as error:
            self._findings.remark(index, error.code, error.detail)

    def _check_said(self, index: int, header: Header, said: _Said) -> None:
        referred = [self._referred(envelope) for envelope in _references(header.specific)]
        said.mentioned.extend(sent.at for sent in referred)
        match header.specific:
            case kinds.Repair(addressees=addressees):
                # Repair is no way to widen an audience: a grant is, and is shown as one.
                if not all(self._were_in(sent.seq).issuperset(addressees) for sent in referred):
                    raise VerifyError(Code.MEMBERSHIP, "a message was sent again to a device it was not for")
            case kinds.Egress() as egress:
                sent = referred[0]
                by, author = self._identities.who(header.kid), self._identities.who(sent.kid)
                if (fault := egress_fault(sent.label, egress, by=by, author=author)) is not None:
                    self._findings.remark(index, Code.LABEL, fault)
            case kinds.Ack(grade=grade):
                # A bot's stands in the record, and counts for no nation.
                if self._identities.who(header.kid).role is Role.OFFICER:
                    said.acknowledged = referred[0], grade
            case kinds.Relabel(envelope=envelope, old=old, new=new):
                sent = referred[0]
                check_relabel(
                    old=old,
                    new=new,
                    now=sent.label,
                    sent=sent.sent_label,
                    source=self._identities.who(sent.kid).somebody,
                    by=self._identities.who(header.kid).somebody,
                )
                said.became = new
                self._register.relabel(self._row.number, envelope, sent, new)
            case kinds.Decision(nations=nations):
                if not set(nations) <= {name for name, _ in self.circle.nations}:
                    raise VerifyError(Code.MEMBERSHIP, "a decision names a nation that is not in the room")
            case _:  # the others say nothing more that could be held against the record
                pass

    def _referred(self, envelope: EnvelopeId) -> Sent:
        sent = self._register.find(self._row.number, envelope)
        if sent is None:
            raise VerifyError(Code.NOT_FOUND, f"it refers to {envelope.hex()[:16]}, which is not in this room before")
        return sent

    def _check_inside(self, addressees: tuple[DeviceId, ...]) -> None:
        if not self.circle.members.issuperset(addressees):
            raise VerifyError(Code.MEMBERSHIP, "it is addressed to a device that is not in the room")

    def _circle(self, members: frozenset[DeviceId]) -> Circle:
        nations = Counter(self._identities.who(device).organisation for device in members)
        return Circle(members=members, digest=audience_digest(members), nations=tuple(sorted(nations.items())))


def _check_audience(header: Header, circle: Circle) -> None:
    if header.audience != circle.digest:
        raise VerifyError(Code.AUDIENCE, "the audience is not the digest of the devices in the room")


def _check_before(room_seq: int, leaf: Leaf) -> None:
    if room_seq >= leaf.room_seq:
        raise VerifyError(Code.NOT_FOUND, f"it speaks of entry {room_seq} of the room, which comes later")


def _references(specific: kinds.Specific) -> tuple[EnvelopeId, ...]:
    match specific:
        case kinds.Ack(envelope=envelope) | kinds.Egress(envelope=envelope) | kinds.Relabel(envelope=envelope):
            return (envelope,)
        case kinds.Refuse(commit=commit):
            return (commit,)
        case kinds.Erase(envelopes=envelopes) | kinds.Repair(envelopes=envelopes):
            return envelopes
        case _:  # the others refer to nothing
            return ()


def _upto(specific: kinds.Specific) -> int | None:
    """The place in the room that an entry reaches, where it says one."""
    match specific:
        case kinds.Delivered(room_seq=room_seq):
            return room_seq
        case kinds.Grant(to_seq=to_seq):
            return to_seq
        case _:
            return None
