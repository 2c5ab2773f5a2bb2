"""Who can read a room: always in view, in words."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from amanah_client.directory import Party
from amanah_client.language import gettext as _
from amanah_client.view import words
from amanah_client.view.people import Nation, Seat, nations_of


@dataclass(frozen=True, slots=True, kw_only=True)
class Readers:
    """Who can read what is sent now.

    Attributes:
        nations: By nation, the reader's own first.
        devices: How many devices in all.
        head: Beside the chips at the head of a room.
        compose: Above the composer.
    """

    nations: tuple[Nation, ...]
    devices: int
    head: str
    compose: str


def readers(members: Iterable[Party], seat: Seat) -> Readers:
    """Who can read what is sent now."""
    nations = nations_of(members, seat)
    devices = sum(nation.devices for nation in nations)
    counted = words.devices(devices)
    if not nations:
        nobody = _("This device is not in the room: nothing can be sent from here.")
        return Readers(nations=(), devices=0, head=_("nobody is known to read this room"), compose=nobody)
    named = words.listed(tuple(nation.chip for nation in nations))
    return Readers(
        nations=nations,
        devices=devices,
        head=_("%(devices)s can read this room", devices=counted),
        compose=_(
            "Readable by %(nations)s: %(devices)s. Nobody else, now or later, without a recorded grant.",
            nations=named,
            devices=counted,
        ),
    )
