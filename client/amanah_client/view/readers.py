"""Who can read a room, and under which labels: always in view, in words."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Final

import msgspec

from amanah_client.directory import Party
from amanah_client.language import gettext as _
from amanah_client.view import words
from amanah_client.view.people import Nation, Seat, nations_of
from amanah_protocol.crypto import sha256
from amanah_protocol.labels import Label

_MOST_NAMED: Final = 3
"""Of more people than that, the nations are named."""


class Readers(msgspec.Struct, frozen=True, kw_only=True):
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


class Offered(msgspec.Struct, frozen=True, kw_only=True):
    """A label of a room, and whether it is offered for what is said there.

    Attributes:
        label: The label.
        why: Who stands in the way; "" where it is offered.
    """

    label: Label
    why: str


def offered(members: Collection[Party], seat: Seat, ceiling: Label) -> tuple[Offered, ...]:
    """The labels up to a room's ceiling, the laxest first.

    Who is let in is certified for all of them; who is certified anew for less reads on what they may, and nothing
    above it is sealed for them: it is not offered either.
    """
    return tuple(Offered(label=one, why=_in_the_way(members, seat, one)) for one in Label if one <= ceiling)


def highest(labels: Collection[Offered], ceiling: Label) -> Label:
    """With which label somebody begins: the highest that is offered; the room's own where none is."""
    return max((one.label for one in labels if not one.why), default=ceiling)


def narrowed(labels: Collection[Offered]) -> str:
    """Why not all labels of a room are offered; "" where they are."""
    short = [one for one in labels if one.why]
    return "" if not short else _("Not offered: %(labels)s. %(why)s", labels=_texts(short), why=short[-1].why)


def _texts(labels: Iterable[Offered]) -> str:
    return words.listed(tuple(one.label.text for one in labels))


def _in_the_way(members: Iterable[Party], seat: Seat, label: Label) -> str:
    short = [one for one in members if one.ceiling is not None and one.ceiling < label]
    if not short:
        return ""
    named = {(one.organisation, one.subject or one.device): one for one in short}
    if len(named) <= _MOST_NAMED:
        people = map(seat.who, named.values())
        whom = [_("%(name)s of %(nation)s", name=words.value(one.name), nation=words.value(one.chip)) for one in people]
    else:
        whom = sorted({seat.chip(one.organisation) for one in short})
    lowest = min(one.ceiling for one in short if one.ceiling is not None)
    most = words.value(lowest.text)
    return _(
        "Can read this room, certified up to %(label)s only: %(whom)s.", label=most, whom=words.listed(tuple(whom))
    )
