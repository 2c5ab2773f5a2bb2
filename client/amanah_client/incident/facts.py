"""What a stretch of a room comes to, as hashes that all who have the same entries compute alike.

Not of a rendering: a program that draws a report in another way has the same facts. What only some were sent (keys,
what is sent again, histories) counts by its place alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from amanah_client.incident.board import Board
from amanah_client.incident.event import Event
from amanah_protocol import cbor
from amanah_protocol.content.bodies import Body, Profile, Repair, RoomInfo, encode_body
from amanah_protocol.content.closing import FACTS
from amanah_protocol.content.history import Grant
from amanah_protocol.crypto import sha256

_PREFIX: Final = b"amanah/closing/1/"


def facts_of(events: Sequence[Event], *, first: int, last: int) -> tuple[bytes, ...]:
    """The facts of the entries from one place to another, in the order of `FACTS`."""
    inside = [event for event in events if first <= event.seq <= last]
    board = Board()
    for event in inside:
        board.apply(event)
    values: dict[str, object] = {
        "entries": [[one.seq, one.id, one.at_ms, one.author.organisation, one.author.person] for one in inside],
        "incident": _incident(board),
        "decisions": _decisions(board),
        "tasks": [[id_, of.opened, int(of.state), of.moved] for id_, of in sorted(board.tasks.items())],
        "times": [[id_, of.set] for id_, of in sorted(board.clocks.items())],
        "messages": [[one.seq, _body(one.body), *_spoken(board, one)] for one in inside],
    }
    return tuple(sha256(_PREFIX + name.encode() + b"\0" + cbor.encode(values[name])) for name in FACTS)


def differing(one: tuple[bytes, ...], other: tuple[bytes, ...]) -> tuple[str, ...]:
    """In which facts two differ."""
    return tuple(name for name, ours, theirs in zip(FACTS, one, other, strict=True) if ours != theirs)


def _incident(board: Board) -> list[object]:
    return [[name, entry] for name, entry in board.standing.said]


def _decisions(board: Board) -> list[object]:
    return [
        [number, of.id, [[nation, entry] for nation, (_, entry) in sorted(of.positions.items())], of.decided]
        for number, of in sorted(board.proposals.items())
    ]


def _body(body: Body | None) -> bytes | None:
    """The hash of what everybody was sent and could read; None of what only some were, and of what is not readable."""
    if body is None or isinstance(body, Grant | Profile | Repair | RoomInfo):
        return None
    return sha256(cbor.encode(list(encode_body(body))))


def _spoken(board: Board, event: Event) -> list[object]:
    of = board.messages[event.id]
    acknowledged = sorted([org, person, int(given.grade)] for (org, person), given in of.acknowledged.items())
    reactions = [[sign, org, person] for sign, org, person in sorted(of.reactions)]
    return [int(board.label_of(event.id)), of.withdrawn, of.corrections, acknowledged, reactions]
