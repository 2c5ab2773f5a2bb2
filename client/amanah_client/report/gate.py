"""Which entries of a room may stand in a file, and what is left out: counted, never silent."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import tzinfo
from typing import Final

from amanah_client.incident.board import Board, Fold
from amanah_client.incident.event import Author
from amanah_client.labels import source_of
from amanah_client.message import Message, event_of
from amanah_client.report.outward import may_stand
from amanah_client.report.report import Fact, Source
from amanah_client.saying import USUAL_PAP
from amanah_protocol.labels import Label, Pap
from amanah_protocol.types import DeviceId, EnvelopeId, OrgName, RoomId
from amanah_protocol.ways import Outside, Somebody, Way

WITHHELD: Final = "left out"


@dataclass(frozen=True, slots=True, kw_only=True)
class Given:
    """A room as its reports take it.

    Attributes:
        room: Its id.
        title: Its title; "" where it is not known.
        ceiling: The highest label allowed in it.
        owner: Whose it is; None while its creation is not known.
        agreement: Under which agreement it was opened.
        drill: Whether it is an exercise.
        status: Where it stands for this device.
        nations: How many devices of each organisation are in it.
        me: Who reads.
        messages: Its entries that have a place, in order.
    """

    room: RoomId
    title: str
    ceiling: Label
    owner: OrgName | None
    agreement: str | None
    drill: bool
    status: str
    nations: tuple[tuple[OrgName, int], ...]
    me: Author
    messages: tuple[Message, ...]


class Gate:
    """One room, one label asked for: what may stand, from which entry it is, and what was left out.

    Attributes:
        given: The room.
        board: What its entries come to.
        asked: The highest label that the file may carry.
        zone: The reader's zone; None for that of this machine.
        way: What the file is.
        to: Who gets it.
        label: The highest label of what was let through so far.
        pap: The strictest PAP of it.
        left_out: Why entries were left out, and their places.
    """

    def __init__(self, given: Given, asked: Label, zone: tzinfo | None, *, way: Way, to: Outside) -> None:
        self.given = given
        self.way = way
        self.to = to
        self.asked = asked
        self.zone = zone
        self.board: Board = Fold(map(event_of, given.messages)).board
        self.label = Label.CLEAR
        self.pap = Pap.CLEAR
        self.left_out: dict[str, set[int]] = {}
        self._by_id = {message.id: message for message in given.messages}
        self._me = _somebody(given.me)

    @property
    def circle_label(self) -> Label:
        """The label of what members know from the room itself: its title, who is in it, what people are called.

        Clients seal these so.
        """
        return min(self.given.ceiling, Label.AMBER)

    def shows_circle(self) -> bool:
        """Whether title, circle and names may stand."""
        if self._refuses(self.circle_label, self._me) is not None:
            return False
        self.label = max(self.label, self.circle_label)
        return True

    def lets(self, entry: EnvelopeId) -> bool:
        """Whether what an entry says may stand; counted if not."""
        why = self.refusal(entry)
        if why is None:
            self.label = max(self.label, self.label_of(entry))
            self.pap = max(self.pap, self.board.pap_of(entry))
            return True
        self.left_out.setdefault(why, set()).add(self._by_id[entry].room_seq or 0)
        return False

    def refusal(self, entry: EnvelopeId) -> str | None:
        """Why what an entry says may not stand, and who can change that; None where it may. Nothing is counted."""
        source = source_of(_somebody(self.board.messages[entry].author), self._by_id[entry].body)
        return self._refuses(self.label_of(entry), source)

    def _refuses(self, label: Label, source: Somebody) -> str | None:
        return may_stand(label, asked=self.asked, source=source, by=self._me, way=self.way, to=self.to)

    def label_of(self, entry: EnvelopeId) -> Label:
        """The label that counts of an entry now; what a header says counts as what members know from the room."""
        if self._by_id[entry].body is None:
            return self.circle_label
        return self.board.label_of(entry)

    def limits(self, *entries: EnvelopeId) -> tuple[Fact, ...]:
        """What their readers may do with what entries say together, where it is not the usual."""
        said = [self.board.pap_of(entry) for entry in entries if self._by_id[entry].body is not None]
        pap = max(said, default=USUAL_PAP)
        return () if pap is USUAL_PAP else (Fact(name="PAP", value=pap.text),)

    def message(self, entry: EnvelopeId) -> Message:
        """An entry."""
        return self._by_id[entry]

    def source(self, entry: EnvelopeId) -> Source:
        """Where an entry stands."""
        message = self._by_id[entry]
        return Source(id=entry, room_seq=message.room_seq or 0, log_index=message.row.index or 0)

    def fact(self, name: str, value: str, entry: EnvelopeId) -> Fact:
        """What an entry says of something, or that it is left out."""
        if self.lets(entry):
            return Fact(name=name, value=value, source=self.source(entry))
        return Fact(name=name, value=WITHHELD, source=self.source(entry), missing=True)

    def called(self, device: DeviceId) -> str:
        """Who a device is: by name where names may stand, else by nation alone."""
        party = next((one.sender for one in self.given.messages if one.sender.device == device), None)
        if party is None:
            return device.hex()[:12]
        if self.shows_circle():
            return party.text
        return party.organisation or "a member"


def _somebody(author: Author) -> Somebody:
    return Somebody(organisation=author.organisation, person=author.person)
