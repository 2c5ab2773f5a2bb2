"""A room of this profile as reports take it."""

from __future__ import annotations

from collections import Counter

from amanah_client.incident.event import Author
from amanah_client.report.gate import Given
from amanah_client.room import Room
from amanah_client.sdk import Client
from amanah_protocol.labels import Label


def read_room(client: Client, room: Room) -> Given:
    """All that this device holds of a room."""
    own = client.certificate
    created, nations = room.created, Counter(party.organisation for party in room.members())
    return Given(
        room=room.id,
        title=room.row.title,
        ceiling=room.ceiling,
        owner=None if created is None else created.owner,
        agreement=None if created is None else created.agreement,
        drill=room.is_drill,
        status=room.status,
        nations=tuple(sorted(nations.items())),
        me=Author(device=own.device_id, organisation=own.organisation, person=own.subject, role=own.role),
        messages=tuple(room.record()),
    )


def usual_label(room: Room) -> Label:
    """The label of a report that nobody names one for: the room's, and never the words of one person's eyes alone."""
    return min(room.ceiling, Label.AMBER_STRICT)
