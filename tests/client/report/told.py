"""A room that two nations talk in, as messages that reports are made of."""

from __future__ import annotations

from dataclasses import dataclass, field

from amanah_client.directory import Party
from amanah_client.message import Message, author_of
from amanah_client.model import Cause, MessageRow, MessageState
from amanah_client.report.gate import Given
from amanah_protocol import kinds
from amanah_protocol.content.bodies import Body
from amanah_protocol.identity import Role
from amanah_protocol.labels import Label, Pap
from amanah_protocol.types import DeviceId, EnvelopeId, OrgName, PersonId, RoomId

TN, MA = OrgName("cert.example.tn"), OrgName("cert.example.ma")
ROOM = RoomId(b"r" * 16)
START_MS = 1_795_000_000_000


def party(nation: OrgName, name: str = "Analyst on duty") -> Party:
    number = nation.encode().ljust(32, b".")
    return Party(
        device=DeviceId(number),
        organisation=nation,
        role=Role.OFFICER,
        name=name,
        revoked=False,
        subject=PersonId(number[-20:-4]),
    )


A, B = party(TN), party(MA, "مكتب المناوبة")


def id_of(seq: int) -> EnvelopeId:
    return EnvelopeId(seq.to_bytes(2) * 16)


@dataclass(slots=True, kw_only=True)
class Talk:
    """Writes a room, entry by entry."""

    ceiling: Label = Label.RED
    title: str = "Phishing wave"
    first: int = 1
    drill: bool = False
    messages: list[Message] = field(default_factory=list)

    def say(
        self,
        who: Party,
        body: Body | None,
        specific: kinds.Specific | None = None,
        *,
        label: Label = Label.AMBER,
        state: MessageState = MessageState.STORED,
        cause: Cause | None = None,
        late_ms: int = 0,
        pap: Pap = Pap.AMBER,
    ) -> EnvelopeId:
        seq = len(self.messages) + self.first
        envelope, said, at_ms = id_of(seq), specific or kinds.Message(), START_MS + seq * 60_000
        row = MessageRow(
            room=ROOM,
            envelope=envelope,
            room_seq=seq,
            index=1_000 + seq,
            accepted_at_ms=at_ms,
            previous=None,
            encoded=b"",
            sender=who.device,
            organisation=who.organisation,
            kind=int(kinds.kind_of(said)),
            label=label,
            label_differs=False,
            sent_at_ms=at_ms - late_ms,
            written_at_ms=at_ms,
            state=state,
            cause=cause,
            code="" if cause is None else "OPEN",
        )
        self.messages.append(
            Message(
                id=envelope,
                room=ROOM,
                room_seq=seq,
                sender=who,
                kind=kinds.kind_of(said),
                specific=said,
                label=label,
                pap=None if body is None else pap,
                state=state,
                cause=cause,
                written_at_ms=at_ms,
                sent_at_ms=at_ms - late_ms,
                accepted_at_ms=at_ms,
                body=body,
                row=row,
            )
        )
        return envelope

    def show(self, who: Party, specific: kinds.Specific) -> EnvelopeId:
        """An entry that seals nothing."""
        return self.say(who, None, specific, label=Label.CLEAR)

    @property
    def given(self) -> Given:
        return Given(
            room=ROOM,
            title=self.title,
            ceiling=self.ceiling,
            owner=TN,
            agreement=None,
            drill=self.drill,
            status="open",
            nations=((MA, 1), (TN, 1)),
            me=author_of(A),
            messages=tuple(self.messages),
        )
