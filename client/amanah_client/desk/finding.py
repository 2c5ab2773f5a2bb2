"""What an officer looks for: rooms, people and words; all of an entry; what happened in a room, in its order."""

from __future__ import annotations

from typing import Final

from amanah_client.composing.line import as_typed
from amanah_client.desk import wire
from amanah_client.desk.desk import Desk
from amanah_client.incident.about import INCIDENT
from amanah_client.message import Message
from amanah_client.reading import Found
from amanah_client.room import Room
from amanah_client.saying import unusual
from amanah_client.view.conversation import conversation, reactions, versions
from amanah_client.view.entries import Item
from amanah_client.view.finds import find_line
from amanah_client.view.gathered import Room as Seen
from amanah_client.view.people import Seat
from amanah_client.view.runs import begun, parse
from amanah_client.visible import shown
from amanah_protocol import kinds
from amanah_protocol.content.file import File
from amanah_protocol.content.forwarded import Forwarded
from amanah_protocol.content.handover import Handover
from amanah_protocol.content.text import Text
from amanah_protocol.errors import Code, UsageError
from amanah_protocol.types import RoomId

MOST: Final = 50
"""So many finds are shown; a person who gets more looks for something else."""
_RECENT: Final = 2_000
"""Changes of readers are looked for among so many of the newest entries; the incident itself is found whole."""
_SHOWN: Final = kinds.Create | kinds.Commit | kinds.Decision | kinds.Egress | kinds.Erase | kinds.Grant | kinds.Relabel
_MOST_EVENTS: Final = 500
_MOST_SIGNS: Final = 500
_VERSIONS: Final = 10


def find(desk: Desk, query: str) -> dict[str, object]:
    """What was said and fits, what came last first."""
    seat = desk.seat()
    found = desk.client.search(query, limit=MOST)
    rooms = {room.id: room for room in desk.client.rooms()}
    return {
        "found": [_found(one, rooms[one.message.room], seat) for one in found],
        "more": len(found) == MOST,
    }


def _found(found: Found, room: Room, seat: Seat) -> dict[str, object]:
    message = found.message
    who, (label, pap) = seat.who(message.sender), room.limits_of(message)
    line = find_line(found)
    return {
        "room": message.room.hex(),
        "title": shown(room.title),
        "drill": message.drill,
        "label": label.text,
        "pap": unusual(pap),
        "entry": line.entry,
        "seq": line.seq,
        "state": line.state,
        "chip": who.chip,
        "name": who.name,
        "at_ms": message.sent_at_ms,
        "text": line.text,
    }


def whole(desk: Desk, asked: wire.Whole) -> dict[str, object]:
    """All of what an entry says, as it was written and as it is shown, with all its signs.

    Raises:
        UsageError: `UNKNOWN_ROOM`, or `NOT_FOUND` for no such entry, version or text.
    """
    message, seen = _seen(desk, asked.room, asked.entry)
    text = _texts(message, seen)
    if asked.version is not None:
        text = text[asked.version : asked.version + 1]
    if not text:
        raise UsageError(Code.NOT_FOUND, "there is no such text here")
    signs = reactions(message, seen)[:_MOST_SIGNS] if message.id in seen.board.messages else ()
    typed = as_typed(text[-1], desk.feed(message.room).members)
    return {"text": text[-1], "typed": typed, "blocks": parse(text[-1]), "reactions": signs}


def before(desk: Desk, asked: wire.Before) -> dict[str, object]:
    """What an entry said before a version of it, what it said last first.

    Raises:
        UsageError: `UNKNOWN_ROOM` or `NOT_FOUND`.
    """
    message, seen = _seen(desk, asked.room, asked.entry)
    texts = list(enumerate(_texts(message, seen)))[: asked.version]
    found = [(version, *begun(text, seen.most)) for version, text in reversed(texts[-_VERSIONS:])]
    return {
        "versions": [{"version": version, "blocks": blocks, "left_out": left} for version, blocks, left in found],
        "more": max(0, len(texts) - _VERSIONS),
    }


def _seen(desk: Desk, room: str, entry: str) -> tuple[Message, Seen]:
    feed = desk.feed(RoomId(bytes.fromhex(room)))
    message = feed.room.message(entry)
    return message, feed.seen([message], desk.seat())


def _texts(message: Message, seen: Seen) -> tuple[str, ...]:
    """What somebody wrote in an entry; its versions, where it was corrected."""
    match message.body:
        case Text() as text:
            return versions(message.id, text, seen)
        case Handover(text=text) | Forwarded(text=text) | File(text=text):
            return (text,)
        case _:
            return ()


def timeline(desk: Desk, room: str) -> tuple[Item, ...]:
    """What happened in a room, the newest of it.

    Raises:
        UsageError: `UNKNOWN_ROOM`.
    """
    feed = desk.feed(RoomId(bytes.fromhex(room)))
    incident = map(desk.client.read, desk.client.profile.store.desk.about(feed.room.id, [INCIDENT]))
    recent = feed.room.messages(newest=True, limit=_RECENT)
    shown_too = (one for one in recent if isinstance(one.specific, _SHOWN) or isinstance(one.body, File))
    events = {one.id: one for one in (*incident, *shown_too) if one.room_seq is not None}
    newest = sorted(events.values(), key=lambda one: one.room_seq or 0)[-_MOST_EVENTS:]
    return conversation(newest, feed.seen(newest, desk.seat()))
