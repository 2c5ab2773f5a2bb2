"""One room, recomputed from its headers: circle, epochs, counters, and what each kind may say."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Final

from amanah_client.audit.identities import Identities
from amanah_client.audit.report import Change, Findings, Nations, RoomSummary, Who
from amanah_protocol import kinds, rooms
from amanah_protocol.envelope import Envelope, Header, audience_digest, verify_envelope
from amanah_protocol.errors import Code, VerifyError
from amanah_protocol.identity import Certificate, Role
from amanah_protocol.kinds import Commit, Create
from amanah_protocol.labels import Label
from amanah_protocol.log.leaf import Leaf
from amanah_protocol.types import ZERO_32, DeviceId, EnvelopeId, RoomId

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

    counter: int = 0
    last: EnvelopeId = _NOTHING_SENT
    voided: set[int]


@dataclass(slots=True, kw_only=True)
class _Sent:
    """What later entries may refer to."""

    kid: DeviceId
    circle: Circle
    label: Label


class RoomHistory:
    """A room as far as the log was read."""

    def __init__(self, room: RoomId, origin: str, identities: Identities, findings: Findings) -> None:
        """Begin before the first entry.

        Args:
            room: Its id.
            origin: Origin of the log; a room belongs to one.
            identities: Who is who up to the entry that is added next.
            findings: Where remarks are noted; faults are raised.
        """
        self.room = room
        self._origin = origin
        self._identities = identities
        self._findings = findings
        self._create: Create | None = None
        self._opened_by: Who | None = None
        self._epoch = 0
        self._senders: dict[DeviceId, _Sender] = {}
        self._sent: dict[EnvelopeId, _Sent] = {}
        self._changes: list[Change] = []
        self._entries = 0
        self._times = (0, 0)
        self.circle = _NOBODY
        """Who is in it after the last entry that held."""

    def add(self, index: int, leaf: Leaf, envelope: Envelope) -> None:
        """Verify the room's next entry, and apply it.

        Raises:
            PeerError: A check refused it. If its signature holds it still counts in its sender's
                record; it changes nothing else.
        """
        header = envelope.header
        self._times = (self._times[0] if self._entries else leaf.accepted_at_ms, leaf.accepted_at_ms)
        self._entries += 1
        if header.room != leaf.room:
            raise VerifyError(Code.BINDING, "the envelope is of another room than its entry")
        standing = self._identities.standing(header.kid)
        if standing is None:
            raise VerifyError(Code.CERTIFICATE, "no certificate of the sender stands in the log before")
        verify_envelope(envelope, standing.certificate.public_key)
        self._follow(envelope)
        certificate = self._identities.check_usable(header.kid, leaf.accepted_at_ms)
        rooms.check_kind(certificate, header.kind, header.label)
        if isinstance(header.specific, Create):
            self._open(header, header.specific)
        else:
            create = self._opened()
            rooms.check_label(header.label, create)
            self._check_sender(certificate, header)
            self._check_epoch(header)
            if isinstance(header.specific, Commit):
                self._commit(index, leaf, header, header.specific, create)
            else:
                _check_audience(header, self.circle)
                self._check_addressed(leaf, header)
                self._weigh(index, header)
        self._sent[envelope.id] = _Sent(kid=header.kid, circle=self.circle, label=header.label)

    def summary(self) -> RoomSummary:
        """The room in short."""
        return RoomSummary(
            room=self.room,
            create=self._create,
            opened_by=self._opened_by,
            first_ms=self._times[0],
            last_ms=self._times[1],
            entries=self._entries,
            changes=tuple(self._changes),
            members=self.circle.nations,
        )

    def _follow(self, envelope: Envelope) -> None:
        """The sender's own chain: counter, previous, voids (protocol, section 4)."""
        header = envelope.header
        sender = self._senders.setdefault(header.kid, _Sender(voided=set()))
        if header.counter in sender.voided:
            raise VerifyError(Code.VOIDED_APPEARED, f"counter {header.counter} was declared void before")
        if header.counter <= sender.counter:
            raise VerifyError(Code.FORK, f"the sender used counter {header.counter} twice in this room")
        expected, before = sender.counter + 1, sender.last
        sender.counter, sender.last = header.counter, envelope.id
        sender.voided.update(header.voids)
        skipped = header.counter - expected
        if len(header.voids) != skipped or header.voids != tuple(range(expected, header.counter)):
            raise VerifyError(Code.GAP, f"the sender's counter went from {expected - 1} to {header.counter}")
        if header.previous != before:
            raise VerifyError(Code.COUNTER, "the envelope does not follow the sender's last one in this room")

    def _opened(self) -> Create:
        if self._create is None:
            raise VerifyError(Code.UNKNOWN_ROOM, "the room's creation is missing, or did not hold")
        return self._create

    def _open(self, header: Header, create: Create) -> None:
        if self._create is not None or self._entries > 1:
            raise VerifyError(Code.ROOM_EXISTS, "a room is created by its first entry alone")
        # The room id is recomputed from the origin when the header is decoded.
        if create.origin != self._origin:
            raise VerifyError(Code.BINDING, f"the room was made for the log {create.origin}")
        rooms.check_create(create, self._identities.standings((header.kid,))[header.kid])
        rooms.check_label(header.label, create)
        circle = self._circle(frozenset({header.kid}))
        _check_audience(header, circle)
        self._create, self.circle = create, circle
        self._opened_by = self._identities.who(header.kid)

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
        if header.epoch > self._epoch or (sealed and header.epoch != self._epoch):
            raise VerifyError(Code.STALE_EPOCH, f"the room is in epoch {self._epoch}, not {header.epoch}")

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
        self._epoch += 1
        self._changes.append(
            Change(
                index=index,
                accepted_at_ms=leaf.accepted_at_ms,
                epoch=self._epoch,
                by=self._identities.who(header.kid),
                added=tuple(map(self._identities.who, commit.added)),
                removed=tuple(map(self._identities.who, commit.removed)),
                members=circle.nations,
            )
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

    def _weigh(self, index: int, header: Header) -> None:
        """What its sender says, against the record: a false word of one member does not break the log."""
        try:
            self._check_said(index, header)
        except VerifyError as error:
            self._findings.remark(index, error.code, error.detail)

    def _check_said(self, index: int, header: Header) -> None:
        referred = [self._referred(envelope) for envelope in _references(header.specific)]
        match header.specific:
            case kinds.Repair(addressees=addressees):
                # Repair is no way to widen an audience: a grant is, and is shown as one.
                if not all(sent.circle.members.issuperset(addressees) for sent in referred):
                    raise VerifyError(Code.MEMBERSHIP, "a message was sent again to a device it was not for")
            case kinds.Egress():
                if referred[0].label >= Label.AMBER_STRICT:
                    self._findings.remark(index, Code.LABEL, f"a message of {referred[0].label.text} left its circle")
            case kinds.Relabel(old=old, new=new):
                _relabel(header, referred[0], old, new)
            case kinds.Decision(nations=nations):
                if not set(nations) <= {name for name, _ in self.circle.nations}:
                    raise VerifyError(Code.MEMBERSHIP, "a decision names a nation that is not in the room")
            case _:  # the others say nothing more that could be held against the record
                pass

    def _referred(self, envelope: EnvelopeId) -> _Sent:
        sent = self._sent.get(envelope)
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


def _relabel(header: Header, sent: _Sent, old: Label, new: Label) -> None:
    if header.kid != sent.kid:
        raise VerifyError(Code.ROLE, "a label is changed by the author of the message alone")
    if old != sent.label:
        raise VerifyError(Code.LABEL, f"the message was {sent.label.text}, not {old.text}")
    sent.label = new
