"""What an entry speaks of, so that the board of a part of a room is made without reading the room."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from dataclasses import replace
from typing import Final

from amanah_client.incident.board import Board
from amanah_client.incident.event import Event
from amanah_client.model import Struck
from amanah_protocol import kinds
from amanah_protocol.content.bodies import AlertBatch, Body, Profile, Repair, RoomInfo, Unknown
from amanah_protocol.content.file import File
from amanah_protocol.content.forwarded import Forwarded
from amanah_protocol.content.history import Grant
from amanah_protocol.content.page import Page
from amanah_protocol.content.reaction import Reaction
from amanah_protocol.content.revision import Correction, Withdrawal
from amanah_protocol.content.text import Text
from amanah_protocol.types import EnvelopeId

Read = Callable[[Collection[EnvelopeId]], dict[EnvelopeId, Event]]
INCIDENT: Final = EnvelopeId(b"")
"""Stands for the room's incident: what is not about single messages is about it."""


def speaks_of(
    specific: kinds.Specific | None, body: Body | None, struck: Struck | None = None
) -> tuple[EnvelopeId, ...]:
    """The messages that an entry is about, or `INCIDENT`; nothing where it changes no board.

    Args:
        specific: What its header says for all to see.
        body: What was sealed; None for header-only kinds and what cannot be read.
        struck: What counts on where its words are gone.
    """
    match body:
        case None:
            corrected = None if struck is None else struck.corrects
            return _shown(specific) if corrected is None else (corrected,)
        case Text(reply_to=reply_to, thread=thread):
            return tuple(one for one in (reply_to, thread) if one is not None)
        case (
            Reaction(message=message)
            | Correction(message=message)
            | Withdrawal(message=message)
            | Page(message=message)
        ):
            return (message,)
        case AlertBatch() | Profile() | RoomInfo() | Grant() | Repair() | Unknown() | Forwarded() | File():
            return ()
        case _:  # tasks, proposals, clocks, and whatever else people will say of an incident
            return (INCIDENT,)


def _shown(specific: kinds.Specific | None) -> tuple[EnvelopeId, ...]:
    match specific:
        case kinds.Ack(envelope=envelope) | kinds.Relabel(envelope=envelope):
            return (envelope,)
        case kinds.Decision():
            return (INCIDENT,)
        case _:
            return ()


def targets(events: Iterable[Event]) -> set[EnvelopeId]:
    """The messages that entries are about."""
    return {one for event in events for one in _about(event)} - {INCIDENT}


class Part:
    """The board of a part of a room, which says of it what the board of all entries says; kept while entries arrive."""

    def __init__(self, events: Iterable[Event], *, told: Collection[EnvelopeId], whole: Collection[EnvelopeId]) -> None:
        """Use `read_part`.

        Args:
            events: The entries, in whatever order, each once.
            told: Of which it is told what had no effect.
            whole: Of which everything that is about them is among the entries.
        """
        self._all, self._last = Board(), 0
        self._told, self._whole = set(told), set(whole)
        for event in sorted(events, key=lambda event: event.seq):
            self._take(event)

    @property
    def board(self) -> Board:
        """What the entries come to, as far as everything about it was read."""
        everything = self._all
        return replace(
            everything,
            messages={name: spoken for name, spoken in everything.messages.items() if name in self._whole},
            without_effect={name: why for name, why in everything.without_effect.items() if name in self._told},
        )

    def concerns(self, event: Event) -> bool:
        """Whether an entry is about anything here."""
        return not self._whole.isdisjoint(_about(event)) or _is_of_incident(event)

    def touched(self, event: Event) -> set[EnvelopeId]:
        """The messages that an entry may change: which label counts of one follows from its corrections, too."""
        named = targets([event])
        roots = {spoken.corrects for one in named if (spoken := self._all.messages.get(one)) is not None}
        return {event.id, *named, *(root for root in roots if root is not None)}

    def is_behind(self, event: Event) -> bool:
        """Whether an entry stands behind all that are here."""
        return event.seq > self._last

    def add(self, event: Event, *, shown: bool) -> bool:
        """Take an entry that arrived behind all others; False where more has to be read for it, and nothing is taken.

        Args:
            event: The entry.
            shown: Whether it is shown like the others.
        """
        if not (self.is_behind(event) and targets([event]) <= self._whole):
            return False
        self._take(event)
        if shown or _is_of_incident(event):
            self._told.add(event.id)
        if shown or _is_of_incident(event) or event.corrects is not None:
            self._whole.add(event.id)
        return True

    def _take(self, event: Event) -> None:
        self._all.apply(event)
        self._last = event.seq


def _is_of_incident(event: Event) -> bool:
    return INCIDENT in _about(event)


def _about(event: Event) -> tuple[EnvelopeId, ...]:
    return speaks_of(event.specific, event.body, event.struck)


def _deciding(events: Iterable[Event], whole: Collection[EnvelopeId]) -> set[EnvelopeId]:
    """Further messages by whose labels it is decided what some entries come to.

    Which label counts of a message its corrections say too, and what is about these. An answer stands in a thread
    unless it is below the label of what it answers.
    """
    found = set[EnvelopeId]()
    for event in events:
        if event.corrects is not None:
            found |= {event.id, event.corrects}
        match event.body:
            case Text(reply_to=answered, thread=thread) if answered is not None and thread in whole:
                found.add(answered)
            case _:  # no label decides of the others
                pass
    return found


def read_part(shown: Collection[EnvelopeId], *, entries: Read, about: Read) -> Part:
    """Read of a room what the board of a part of it takes, and little more.

    Args:
        shown: The entries that are shown; what makes the incident is told with them.
        entries: Reads entries by their ids.
        about: Reads the entries that are about any of these.
    """
    incident = about([INCIDENT])
    events, whole = incident | entries(shown), set[EnvelopeId]()
    # What an entry speaks of says whether it has an effect: that only its author may correct a message.
    wanted = set(events) | targets(events.values())
    while fresh := wanted - whole:
        whole |= fresh
        events |= entries(fresh - set(events)) | about(fresh)
        wanted = _deciding(events.values(), whole)
    return Part(events.values(), told={*shown, *incident}, whole=whole)
