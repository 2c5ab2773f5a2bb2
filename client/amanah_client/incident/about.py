"""What an entry speaks of, so that the board of a part of a room is made without reading the room."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from typing import Final

from amanah_client.incident.board import Board
from amanah_client.incident.event import Event
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


def speaks_of(specific: kinds.Specific | None, body: Body | None) -> tuple[EnvelopeId, ...]:
    """The messages that an entry is about, or `INCIDENT`; nothing where it changes no board.

    Args:
        specific: What its header says for all to see.
        body: What was sealed; None for header-only kinds and what cannot be read.
    """
    match body:
        case None:
            return _shown(specific)
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
    return {one for event in events for one in speaks_of(event.specific, event.body)} - {INCIDENT}


def part_of_board(shown: Collection[EnvelopeId], *, entries: Read, about: Read) -> tuple[Board, set[EnvelopeId]]:
    """The board of some entries of a room, which says of them what the board of all says of them.

    Args:
        shown: The entries.
        entries: Reads entries by their ids.
        about: Reads the entries that are about any of these.

    Returns:
        The board, and the entries of which `Board.messages` tells everything.
    """
    incident = about([INCIDENT])
    events, whole = incident | entries(shown), set[EnvelopeId]()
    # What an entry speaks of says whether it has an effect: that only its author may correct a message.
    wanted = set(events) | targets(events.values())
    while fresh := wanted - whole:
        whole |= fresh
        events |= entries(fresh - set(events)) | about(fresh)
        # Which label counts of a message its corrections say too, and what is about these.
        corrections = [event for event in events.values() if isinstance(event.body, Correction)]
        wanted = {event.id for event in corrections} | targets(corrections)
    board = Board()
    for event in sorted(events.values(), key=lambda event: event.seq):
        board.apply(event)
    board.messages = {name: spoken for name, spoken in board.messages.items() if name in whole}
    told = {*shown, *incident}
    board.without_effect = {name: why for name, why in board.without_effect.items() if name in told}
    return board, whole
