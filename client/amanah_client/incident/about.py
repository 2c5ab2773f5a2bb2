"""What an entry speaks of, so that the board of a part of a room is made without reading the room."""

from __future__ import annotations

from collections.abc import Collection, Iterable
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


def part_of_board(events: Iterable[Event], *, shown: Collection[EnvelopeId], whole: Collection[EnvelopeId]) -> Board:
    """The board of some entries of a room, which says of them what the board of all says of them.

    Args:
        events: The entries, in whatever order, each once: those that are shown, what they are about, what is about
            any of these, and everything that is about the incident, with what is about that.
        shown: Of which it is told what had no effect.
        whole: Of which everything that is about them is among the entries.
    """
    board = Board()
    for event in sorted(events, key=lambda event: event.seq):
        board.apply(event)
    board.messages = {name: spoken for name, spoken in board.messages.items() if name in whole}
    board.without_effect = {name: why for name, why in board.without_effect.items() if name in shown}
    return board
