"""Which label and which words count of a message: what changed it, what it corrects, what corrects or withdraws it.

A message and its corrections say the same in other words, so the strictest of their labels, TLP and PAP, counts for
each of them.
By the fold of the board, which everybody who reads the same entries makes alike; the entries are named here, so that
nothing else of a room has to be read.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Final

from amanah_client.incident.board import Board
from amanah_client.incident.event import Author, Event
from amanah_client.labels import Who, circle_of, source_of
from amanah_client.model import MessageRow, MessageState, Struck
from amanah_protocol.content.bodies import Body
from amanah_protocol.content.forwarded import Forwarded
from amanah_protocol.content.revision import Correction, Withdrawal
from amanah_protocol.content.sealed import Content, decode_content
from amanah_protocol.envelope import decode_envelope
from amanah_protocol.errors import DecodeError
from amanah_protocol.kinds import Kind, Message, Relabel
from amanah_protocol.labels import Pap
from amanah_protocol.types import EnvelopeId, PersonId
from amanah_protocol.ways import Matter, Somebody

Find = Callable[[EnvelopeId], MessageRow | None]
About = Callable[[EnvelopeId], Iterable[MessageRow]]
_COUNTING: Final = (MessageState.SENT, MessageState.STORED)
"""States of entries that say something: not of one that was refused, whatever its header says."""
_LAST: Final = 2**62
"""Behind every place of a room."""


def labels_of(row: MessageRow) -> EnvelopeId | None:
    """Whose label or words an entry changes: what it relabels, corrects or takes back; None for other entries."""
    # A header is all there is to a relabel, also where it was struck as an erased one.
    if row.state not in _COUNTING and (row.kind, row.state) != (Kind.RELABEL, MessageState.ERASED):
        return None if row.struck is None else row.struck.corrects
    if row.kind == Kind.RELABEL:
        specific = decode_envelope(row.encoded).header.specific
        return specific.envelope if isinstance(specific, Relabel) else None
    body = _body(row)
    return body.message if isinstance(body, Correction | Withdrawal) else None


def labelling(envelope: EnvelopeId, find: Find, about: About) -> tuple[MessageRow, ...]:
    """The entries from which the label of a message follows, itself among them, in the order of the room.

    Args:
        envelope: The message.
        find: An entry of the room by its id.
        about: Entries that are about another; more of them may be given than are.
    """
    found, wanted, seen = dict[EnvelopeId, MessageRow](), [envelope], set[EnvelopeId]()
    while wanted:
        name = wanted.pop()
        if name in seen:
            continue
        seen.add(name)
        spoken = [row for row in about(name) if labels_of(row) == name]
        if (row := find(name)) is not None:
            found[name] = row
            target = labels_of(row)
            wanted += [] if target is None else [target]
        found |= {one.envelope: one for one in spoken}
        wanted += [one.envelope for one in spoken if one.kind != Kind.RELABEL]
    # Own ones without a place are behind all others, as they will be.
    return tuple(sorted(found.values(), key=lambda one: _LAST if one.room_seq is None else one.room_seq))


def board_of(entries: Iterable[MessageRow], who: Who) -> Board:
    """What entries that labels follow from come to.

    Args:
        entries: As `labelling` gives them.
        who: Names the people behind devices.
    """
    board = Board()
    for row in entries:
        board.apply(_event(row, who))
    return board


def spoken_by(board: Board, message: EnvelopeId) -> EnvelopeId | None:
    """The entry that says what a message says now: itself, or the correction in its place.

    None where its author took it back. A correction that does not count says what it says by itself.
    """
    said = board.messages[message]
    root = said if said.corrects is None else board.messages.get(said.corrects, said)
    if said.withdrawn is not None or root.withdrawn is not None:
        return None
    counts = root is said or message in root.corrections
    return root.corrected if counts and root.corrected is not None else message


def tombstone(row: MessageRow) -> MessageRow:
    """What is left of an entry whose words go: whoever erases them takes no label from what they corrected."""
    body, struck = _body(row), row.struck
    if row.content:
        corrects = body.message if isinstance(body, Correction) else None
        origin = body.origin.nation if isinstance(body, Forwarded) else None
        struck = Struck(pap=_pap(row), corrects=corrects, origin=origin)
    return replace(
        row,
        state=MessageState.ERASED,
        content=b"",
        key=b"",
        cause=None,
        code="",
        mending=None,
        struck=struck,
        retitled=None,
    )


def matter_of(row: MessageRow, entries: Iterable[MessageRow], circle: frozenset[Somebody] | None, who: Who) -> Matter:
    """A stored message as something that may go on.

    Args:
        row: The message.
        entries: Those from which its label follows, as `labelling` gives them.
        circle: Who is in its room.
        who: As in `board_of`.
    """
    board, body, sender = board_of(entries, who), _body(row), who(row.sender)
    if row.envelope in board.messages:
        label, pap = board.label_of(row.envelope), board.pap_of(row.envelope)
    else:
        label, pap = row.label, _pap(row)
    told = None if circle is None else circle_of(sender, body, circle)
    return Matter(label=label, source=source_of(sender, body, row.struck), circle=told, pap=pap)


def _event(row: MessageRow, who: Who) -> Event:
    sender = who(row.sender)
    person = PersonId(row.sender[:16]) if sender.person is None else sender.person
    return Event(
        seq=_LAST if row.room_seq is None else row.room_seq,
        id=row.envelope,
        # Labels do not follow from roles; what they bind is not folded here.
        author=Author(device=row.sender, organisation=sender.organisation, person=person, role=None),
        at_ms=row.accepted_at_ms or 0,
        specific=decode_envelope(row.encoded).header.specific if row.kind == Kind.RELABEL else Message(),
        body=_body(row),
        label_number=int(row.label),
        pap=_pap(row),
        struck=row.struck,
    )


def _content(row: MessageRow) -> Content | None:
    try:
        return decode_content(row.content) if row.content else None
    except DecodeError:
        return None  # of a later version: it was kept as what it is, and corrects nothing that is known here


def _body(row: MessageRow) -> Body | None:
    content = _content(row)
    return None if content is None else content.body


def _pap(row: MessageRow) -> Pap:
    if not row.content:
        # Else it is a header, or there is nothing here that anybody could act on.
        return Pap.CLEAR if row.struck is None else row.struck.pap
    content = _content(row)
    return Pap.RED if content is None else content.pap
