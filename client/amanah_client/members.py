"""Who can read which room: from its group, kept until the group or a name changes."""

from __future__ import annotations

from collections.abc import Callable

from amanah_client.core.room import group_of
from amanah_client.directory import Directory, Party
from amanah_client.home import Profile
from amanah_client.model import RoomRow, RoomStatus
from amanah_protocol.group.seam import Group
from amanah_protocol.types import RoomId


class Members:
    """The members of a profile's rooms.

    The group of a large room takes milliseconds to load, and each message asks for who is in it.
    """

    def __init__(self, profile: Profile, held: Callable[[RoomRow], Group | None]) -> None:
        """Know nobody yet.

        Args:
            profile: Whose rooms; its key is asked for where a group is loaded, since not every profile has one.
            held: The group of such a row where this process has it loaded; None where not.
        """
        self._profile = profile
        self._held = held
        self._kept: dict[RoomId, tuple[bytes, RoomStatus, Directory, list[Party]]] = {}

    def group(self, row: RoomRow) -> Group | None:
        """The group of a room; None where this device is not in it. It may move on, and is not to be kept."""
        return self._held(row) or group_of(row, self._profile.device_key)

    def of(self, row: RoomRow, directory: Directory) -> list[Party]:
        """Who can read a room, by organisation and name."""
        kept = self._kept.get(row.room)
        if kept is None or kept[:2] != (row.group, row.status) or kept[2] is not directory:
            group = None if row.status is RoomStatus.REMOVED else self.group(row)
            parties = map(directory.party, () if group is None else group.members)
            found = sorted(parties, key=lambda party: (party.organisation, party.name))
            kept = self._kept[row.room] = row.group, row.status, directory, found
        return list(kept[3])
