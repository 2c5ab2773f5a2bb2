"""What an officer looks for: rooms, people and words; and what happened in a room, in its order."""

from __future__ import annotations

from typing import Final

from amanah_client.desk.desk import Desk
from amanah_client.incident.about import INCIDENT
from amanah_client.reading import Found
from amanah_client.view.conversation import conversation
from amanah_client.view.entries import Item
from amanah_client.view.people import Seat
from amanah_client.visible import shown
from amanah_protocol import kinds
from amanah_protocol.types import RoomId

MOST: Final = 50
"""So many finds are shown; a person who gets more looks for something else."""
_RECENT: Final = 2_000
"""Changes of readers are looked for among so many of the newest entries; the incident itself is found whole."""
_SHOWN: Final = kinds.Create | kinds.Commit | kinds.Decision | kinds.Egress | kinds.Erase | kinds.Grant | kinds.Relabel
_MOST_EVENTS: Final = 500


def find(desk: Desk, query: str) -> dict[str, object]:
    """What was said and fits, what came last first."""
    seat = desk.seat()
    found = desk.client.search(query, limit=MOST)
    titles = {room.id: shown(room.title) for room in desk.client.rooms()}
    return {
        "found": [_found(one, titles.get(one.message.room, ""), seat) for one in found],
        "more": len(found) == MOST,
    }


def _found(found: Found, title: str, seat: Seat) -> dict[str, object]:
    message = found.message
    who = seat.who(message.sender)
    return {
        "room": message.room.hex(),
        "title": title,
        "entry": message.id.hex(),
        "seq": message.room_seq or 0,
        "chip": who.chip,
        "name": who.name,
        "at_ms": message.sent_at_ms,
        "text": shown(found.excerpt).replace("\n", " "),
    }


def timeline(desk: Desk, room: str) -> tuple[Item, ...]:
    """What happened in a room, the newest of it.

    Raises:
        UsageError: `UNKNOWN_ROOM`.
    """
    feed = desk.feed(RoomId(bytes.fromhex(room)))
    incident = map(desk.client.read, desk.client.profile.store.desk.about(feed.room.id, [INCIDENT]))
    recent = feed.room.messages(newest=True, limit=_RECENT)
    shown_too = (one for one in recent if isinstance(one.specific, _SHOWN))
    events = {one.id: one for one in (*incident, *shown_too) if one.room_seq is not None}
    newest = sorted(events.values(), key=lambda one: one.room_seq or 0)[-_MOST_EVENTS:]
    return conversation(newest, feed.seen(newest, desk.seat(), desk.members(feed.room)))
