"""Entries of a room as the store gives them, and the seat of somebody who reads them."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC

from amanah_client.directory import Party
from amanah_client.incident.board import Board, Fold
from amanah_client.message import Message, event_of
from amanah_client.model import Cause, MessageRow, MessageState, Retitled
from amanah_client.view.conversation import conversation
from amanah_client.view.entries import Entry, Item
from amanah_client.view.gathered import Room, against
from amanah_client.view.people import Seat, chips
from amanah_protocol import kinds
from amanah_protocol.content.bodies import Body
from amanah_protocol.identity import Role
from amanah_protocol.kinds import kind_of
from amanah_protocol.labels import Label, Pap, Precedence
from amanah_protocol.types import ZERO_32, DeviceId, EnvelopeId, LeafHash, OrgName, PersonId, RoomId

TN, MA, SN = (OrgName(f"cert.example.{nation}") for nation in ("tn", "ma", "sn"))
NOW_MS = 1_795_912_800_000
"""The 29th of November 2026, 00:40 UTC."""
MINUTE_MS = 60_000
ROOM = RoomId(bytes(16))


def party(
    nation: OrgName, number: int = 0, name: str = "", *, role: Role = Role.OFFICER, revoked: bool = False
) -> Party:
    device = DeviceId(nation.encode().ljust(30, b".") + bytes((number, 0)))
    return Party(
        device=device,
        organisation=nation,
        role=role,
        name=name or f"officer {number} of {nation[-2:].upper()}",
        revoked=revoked,
        subject=PersonId(nation.encode()[-2:].ljust(15, b".") + bytes((number,))),
    )


A_TN, A_MA, A_SN = party(TN), party(MA), party(SN)
BOT = party(TN, 9, "Sensor gateway", role=Role.BOT)


def seat(me: Party = A_TN, now_ms: int = NOW_MS, parties: Iterable[Party] = (A_TN, A_MA, A_SN, BOT)) -> Seat:
    known = {one.device: one for one in parties}
    people = {(one.organisation, one.subject): one.name for one in known.values()}
    return Seat(
        me=me,
        chips=chips((TN, MA, SN)),
        now_ms=now_ms,
        zone=UTC,
        find=known.__getitem__,
        named=lambda one: people.get((one.organisation, one.person), "Analyst on duty") if one.person else "",
    )


class Told:
    """Writes the entries of a room, one behind the other, a minute apart."""

    def __init__(self) -> None:
        self.messages: list[Message] = []

    def say(
        self,
        who: Party,
        body: Body | None,
        specific: kinds.Specific | None = None,
        *,
        label: Label = Label.AMBER,
        pap: Pap = Pap.AMBER,
        precedence: Precedence = Precedence.ROUTINE,
        state: MessageState = MessageState.STORED,
        cause: Cause | None = None,
        late_ms: int = 0,
        waited_ms: int = 0,
        retitled: Retitled | None = None,
    ) -> EnvelopeId:
        seq = len(self.messages) + 1
        entry, at_ms = EnvelopeId(seq.to_bytes(32)), NOW_MS - 60 * MINUTE_MS + seq * MINUTE_MS
        shown = specific or kinds.Message()
        row = MessageRow(
            room=ROOM,
            envelope=entry,
            room_seq=None if state is MessageState.SENT else seq,
            index=seq,
            accepted_at_ms=at_ms + late_ms,
            previous=LeafHash(ZERO_32),
            encoded=b"",
            sender=who.device,
            organisation=who.organisation,
            kind=kind_of(shown),
            label=label,
            label_differs=False,
            sent_at_ms=at_ms,
            written_at_ms=at_ms - waited_ms,
            state=state,
            cause=cause,
            code="OPEN" if cause else "",
            retitled=retitled,
        )
        self.messages.append(
            Message(
                id=entry,
                room=ROOM,
                room_seq=row.room_seq,
                sender=who,
                kind=kind_of(shown),
                specific=shown,
                label=label,
                pap=None if body is None else pap,
                precedence=precedence,
                state=state,
                cause=cause,
                written_at_ms=at_ms - waited_ms,
                sent_at_ms=at_ms,
                accepted_at_ms=row.accepted_at_ms,
                body=body,
                row=row,
            )
        )
        return entry

    def show(self, who: Party, specific: kinds.Specific) -> EnvelopeId:
        return self.say(who, None, specific)

    @property
    def board(self) -> Board:
        return Fold(event_of(message) for message in self.messages if message.room_seq is not None).board

    def room(self, me: Party = A_TN, members: Iterable[Party] = (A_TN, A_MA, A_SN)) -> Room:
        senders = (message.sender for message in self.messages)
        eyes = seat(me, parties=(A_TN, A_MA, A_SN, BOT, *senders))
        return against(self.board, self.messages, eyes, Label.AMBER, members)

    def items(self, me: Party = A_TN) -> tuple[Item, ...]:
        return conversation(self.messages, self.room(me))

    def entries(self, me: Party = A_TN) -> list[Entry]:
        return [item for item in self.items(me) if isinstance(item, Entry)]
