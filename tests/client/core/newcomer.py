"""A newcomer that is shown the commits before its own, and how what it is shown is bent."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from amanah_client import model
from amanah_protocol import frames
from amanah_protocol.group.seam import Group
from amanah_protocol.kinds import Kind
from amanah_protocol.types import RoomId
from tests.client.core.forge import room_of
from tests.client.core.world import Client

OPEN, JOINING, REMOVED = model.RoomStatus.OPEN, model.RoomStatus.JOINING, model.RoomStatus.REMOVED
Entries = tuple[frames.MembershipEntry, ...]
Bend = Callable[[Entries], Entries]


def altered(entry: frames.MembershipEntry, **changes: Any) -> frames.MembershipEntry:  # noqa: ANN401 - frame fields
    """An entry with some fields changed."""
    values = {name: getattr(entry, name) for name in entry.__struct_fields__}
    return frames.MembershipEntry(**(values | changes))


def bend(client: Client, how: Bend) -> None:
    """Change what a client is shown of the commits before its own."""

    def hook(frame: frames.Frame) -> list[frames.Frame]:
        if isinstance(frame, frames.Membership):
            return [frames.Membership(request=frame.request, entries=how(frame.entries))]
        return [frame]

    client.toward = hook


def note_asked(client: Client) -> list[int]:
    """Behind which places a client asks from now on."""
    asked: list[int] = []

    def hook(frame: frames.Frame) -> list[frames.Frame]:
        if isinstance(frame, frames.GetMembership):
            asked.append(frame.after)
        return [frame]

    client.outward = hook
    return asked


def group_in(client: Client, room: RoomId) -> Group:
    """The group that a member holds."""
    group = room_of(client, room).group
    assert group is not None
    return group


def check_not_joined(client: Client, room: RoomId, *codes: str) -> None:
    """The room stands still before our commit: nothing of it is opened, shown or answered."""
    assert client.codes() == list(codes)
    assert all(alarm.evidence and alarm.room == room for alarm in client.store.alarms)
    row = client.row(room)
    assert (row.status, row.group, row.title, row.counter) == (JOINING, b"", "", 0)
    assert [stored.kind for stored in client.rows(room)] == [Kind.CREATE]
