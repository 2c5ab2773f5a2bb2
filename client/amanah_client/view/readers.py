"""Who can read a room: always in view, in words."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass

from amanah_client.directory import Party
from amanah_client.language import gettext as _
from amanah_client.view import words
from amanah_client.view.people import Nation, Seat, nations_of
from amanah_protocol.crypto import sha256


@dataclass(frozen=True, slots=True, kw_only=True)
class Readers:
    """Who can read what is sent now.

    Attributes:
        nations: By nation, the reader's own first.
        devices: How many devices in all.
        head: Beside the chips at the head of a room.
        compose: Above the composer.
        digest: Of these devices: what is sealed for others than were shown is told by it.
    """

    nations: tuple[Nation, ...]
    devices: int
    head: str
    compose: str
    digest: str


def digest_of(members: Iterable[Party]) -> str:
    """Of the devices that can read, in hex; their order says nothing."""
    return sha256(b"".join(sorted(party.device for party in members))).hex()


def readers(members: Collection[Party], seat: Seat) -> Readers:
    """Who can read what is sent now."""
    digest = digest_of(members)
    nations = nations_of(members, seat)
    devices = sum(nation.devices for nation in nations)
    counted = words.devices(devices)
    if not nations:
        nobody = _("This device is not in the room: nothing can be sent from here.")
        return Readers(
            nations=(), devices=0, head=_("nobody is known to read this room"), compose=nobody, digest=digest
        )
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
        digest=digest,
    )
