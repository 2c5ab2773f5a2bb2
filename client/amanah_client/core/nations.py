"""Which organisations were in a room at which place of the log, from its creation on.

A legal hold binds by an organisation that was in the room where the hold stands in the log, so who is in now does not
say it. Followed with the record, and by a newcomer with the commits before its own.
"""

from __future__ import annotations

from collections.abc import Iterable

from amanah_client.core.context import Context
from amanah_client.core.room import Room
from amanah_client.log_rows import Nations, Presence
from amanah_client.model import RoomStatus
from amanah_protocol.types import DeviceId, OrgName


def follow(ctx: Context, room: Room, members: Iterable[DeviceId], index: int) -> None:
    """The room's creation, or a commit that was checked, stands at this place of the log: who is in behind it."""
    known = room.row.nations
    if index <= known.index:
        return  # who is added again follows from the last place that it has verified, or from the creation
    inside = {ctx.directory.organisation(device) for device in members}
    before = {one.organisation for one in known.times if one.until is None}
    # A store from before this was kept knows of no earlier time: who is in is taken for having been.
    since = index if known.times or index == room.row.created_index else 0
    left = tuple(
        Presence(organisation=one.organisation, since=one.since, until=index)
        if one.until is None and one.organisation not in inside
        else one
        for one in known.times
    )
    came = tuple(Presence(organisation=name, since=since) for name in sorted(inside - before))
    room.change(nations=Nations(times=left + came, index=index))


def was_in(room: Room, organisation: OrgName, index: int) -> bool | None:
    """Whether an organisation was in a room at this place of the log; None where this device did not follow so far."""
    nations = room.row.nations
    known = [one for one in nations.times if one.organisation == organisation and one.since <= index]
    if any(one.until is None or index < one.until for one in known):
        return True
    follows = room.row.status is RoomStatus.OPEN and room.outer is None and bool(nations.times)
    return False if follows or index <= nations.index else None
