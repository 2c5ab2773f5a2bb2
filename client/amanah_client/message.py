"""A message as people and programs read it: the stored row, opened and named."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, field

from amanah_client.causes import COUNTED, explain
from amanah_client.directory import Directory, Party
from amanah_client.incident.event import Author, Event
from amanah_client.model import Cause, Mending, MessageRow, MessageState
from amanah_protocol import kinds
from amanah_protocol.content.alert import Alert
from amanah_protocol.content.bodies import AlertBatch, Body, RoomInfo, body_name
from amanah_protocol.content.sealed import decode_content
from amanah_protocol.content.text import Text
from amanah_protocol.envelope import decode_envelope
from amanah_protocol.kinds import Kind
from amanah_protocol.labels import Label, Pap, Precedence
from amanah_protocol.limits import CLOCK_REMARK_MS
from amanah_protocol.types import EnvelopeId, PersonId, RoomId


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """One entry of a room.

    Attributes:
        id: Envelope id; what acknowledgements, disclosures and auditors name it by.
        room: Its room.
        room_seq: Its place, None while it is not acknowledged.
        sender: Who sent it, in the role that its device had then.
        kind: Kind of envelope; only some carry content.
        specific: What its header says for all to see.
        label: The label that counts.
        pap: What a receiver may do with it; None without content.
        precedence: How urgent it is.
        state: What became of it.
        cause: Why it cannot be read; None where it can.
        repaired_by: Who sent it again, where it was repaired.
        granted_by: Who gave it to this device, which came later.
        written_at_ms: When its author wrote it, by the author's clock.
        sent_at_ms: When it was sealed, by the author's clock.
        accepted_at_ms: When the relay took it, as the relay says.
        body: What was sealed; None for header-only kinds and what cannot be read.
        row: The stored row.
        drill: Whether it is of an exercise.
    """

    id: EnvelopeId
    room: RoomId
    room_seq: int | None
    sender: Party
    kind: Kind
    specific: kinds.Specific
    label: Label
    pap: Pap | None
    precedence: Precedence = Precedence.ROUTINE
    state: MessageState
    cause: Cause | None
    repaired_by: Party | None = None
    granted_by: Party | None = None
    written_at_ms: int | None
    sent_at_ms: int
    accepted_at_ms: int | None
    body: Body | None = field(repr=False)
    row: MessageRow = field(repr=False)
    drill: bool = False

    @property
    def clocks_differ(self) -> bool:
        """Whether author and relay tell times for it that are more than two minutes apart: one of them is wrong."""
        return self.accepted_at_ms is not None and abs(self.accepted_at_ms - self.sent_at_ms) > CLOCK_REMARK_MS

    @property
    def code(self) -> str:
        """The error's code, where it cannot be read; "" else."""
        return self.row.code

    @property
    def mending(self) -> Mending | None:
        """How far its repair is, where it needs or needed one."""
        return self.row.mending

    @property
    def explanation(self) -> str:
        """What it means that it cannot be read and what happens by itself, in plain words; "" where it can."""
        return explain(self.row)

    @property
    def text(self) -> str | None:
        """What a person wrote, if it is that."""
        return self.body.text if isinstance(self.body, Text) else None

    @property
    def alerts(self) -> tuple[Alert, ...]:
        """The alerts, if it is a batch of them."""
        return self.body.alerts if isinstance(self.body, AlertBatch) else ()

    @property
    def type(self) -> str:
        """What it is, in one word: text, alerts, title, profile, ... or the kind for the others."""
        match self.body:
            case AlertBatch():
                return "alerts"
            case RoomInfo():
                return "title"
            case None:
                return self.kind.name.lower()
            case body:
                return body_name(body)


def read_message(row: MessageRow, directory: Directory, *, drill: bool = False) -> Message:
    """Open a stored row: everything in it was verified before it was stored.

    Args:
        row: The row.
        directory: Names.
        drill: Whether its room is an exercise.
    """
    content = decode_content(row.content) if row.content else None
    header = decode_envelope(row.encoded).header
    return Message(
        id=row.envelope,
        room=row.room,
        room_seq=row.room_seq,
        sender=directory.party(row.sender, before=row.index),
        kind=header.kind,
        specific=header.specific,
        label=row.label,
        pap=None if content is None else content.pap,
        precedence=header.precedence,
        state=row.state,
        cause=row.cause,
        repaired_by=None if row.repaired_by is None else directory.party(row.repaired_by),
        granted_by=None if row.granted_by is None else directory.party(row.granted_by),
        written_at_ms=row.written_at_ms,
        sent_at_ms=row.sent_at_ms,
        accepted_at_ms=row.accepted_at_ms,
        body=None if content is None else content.body,
        row=row,
        drill=drill or (content is not None and content.drill),
    )


class Opened:
    """Messages that were opened last: a window that is read anew with each arrival opens again what changed alone."""

    def __init__(self, most: int = 2_048) -> None:
        """Keep at most so many."""
        self._most = most
        self._known: OrderedDict[tuple[RoomId, EnvelopeId], tuple[Directory, Message]] = OrderedDict()

    def read(self, row: MessageRow, directory: Directory, *, drill: bool) -> Message:
        """As `read_message`."""
        key = row.room, row.envelope
        names, known = self._known.pop(key, (None, None))
        if known is None or names is not directory or known.row != row or known.drill != drill:
            known = read_message(row, directory, drill=drill)
        self._known[key] = directory, known
        if len(self._known) > self._most:
            self._known.popitem(last=False)
        return known

    def forget(self, row: MessageRow) -> None:
        """It has changed: what it said before may be erased, and stays nowhere."""
        self._known.pop((row.room, row.envelope), None)


def counts(message: Message) -> bool:
    """Whether an entry says anything on the board: one that was refused does not, whatever its header says."""
    return message.state is not MessageState.UNREADABLE or message.kind in COUNTED


def event_of(message: Message) -> Event:
    """A message that has a place in the room, as the fold takes it."""
    return Event(
        seq=message.room_seq or 0,
        id=message.id,
        author=author_of(message.sender),
        at_ms=message.accepted_at_ms or 0,
        specific=message.specific,
        body=message.body,
        label_number=int(message.label),
        pap=_pap(message),
        struck=message.row.struck,
        index=message.row.index,
    )


def _pap(message: Message) -> Pap:
    if message.pap is not None:
        return message.pap
    return Pap.CLEAR if message.row.struck is None else message.row.struck.pap


def author_of(party: Party) -> Author:
    """Who a device is, as the fold takes it."""
    return Author(
        device=party.device,
        organisation=party.organisation,
        # Without a certificate nobody is the same person as another.
        person=PersonId(party.device[:16]) if party.subject is None else party.subject,
        role=party.role,
    )
