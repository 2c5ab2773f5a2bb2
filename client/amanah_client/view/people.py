"""Who somebody is, as faces show it: a nation's chip, and words for the person or the machine."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, tzinfo
from typing import TYPE_CHECKING

import msgspec
from msgspec import structs

from amanah_client.directory import Party
from amanah_client.language import gettext as _
from amanah_client.view import words
from amanah_client.visible import shown
from amanah_protocol.content.text import Mention
from amanah_protocol.identity import Role
from amanah_protocol.types import DeviceId, OrgName

if TYPE_CHECKING:
    from amanah_client.sdk import Client

UNKNOWN = "?"


def chips(names: Iterable[OrgName | str]) -> dict[str, str]:
    """Organisation -> two letters of its nation, or its whole name where two would share them."""
    wanted = sorted({str(name) for name in names if name})
    ends = {name: name.rpartition(".")[2].upper() for name in wanted}
    told = list(ends.values())
    return {name: end if len(end) == 2 and told.count(end) == 1 else name for name, end in ends.items()}


class Who(msgspec.Struct, frozen=True, kw_only=True):
    """Somebody, or some machine.

    Attributes:
        chip: Its nation, in two letters where nobody else has them.
        organisation: The organisation's name; "" where no certificate is known.
        name: What it is called, harmless to show.
        note: What is to be said beside it; "" for nothing.
        mine: Whether this is the reader's own nation.
        me: Whether this is the reader.
        device: The device, in hex.
        revoked: Whether its certificate was revoked.
        machine: Whether it is no person.
    """

    chip: str
    organisation: str
    name: str
    note: str
    mine: bool
    me: bool
    device: str
    revoked: bool
    machine: bool


class Seat(msgspec.Struct, frozen=True, kw_only=True):
    """Whose eyes see a room.

    Attributes:
        me: This device, as a party.
        chips: Organisation -> chip.
        now_ms: The time.
        find: Who a device is.
        named: Who a mention of a person means.
        zone: The reader's zone; None for that of this machine, as it is at each time.
    """

    me: Party
    chips: Mapping[str, str]
    now_ms: int
    find: Callable[[DeviceId], Party]
    named: Callable[[Mention], str]
    zone: tzinfo | None = UTC

    def chip(self, organisation: OrgName | str) -> str:
        """Of an organisation."""
        return self.chips.get(organisation, organisation or UNKNOWN)

    def who(self, party: Party) -> Who:
        """Of a device, by what is known of it now: a name may have come later than what it said."""
        party = self.find(party.device)
        return Who(
            chip=self.chip(party.organisation),
            organisation=party.organisation,
            name=shown(party.name).replace("\n", " "),
            note=_note(party),
            mine=party.organisation == self.me.organisation,
            me=self.is_me(party),
            device=party.device.hex(),
            revoked=party.revoked,
            machine=party.role is Role.BOT,
        )

    def is_me(self, party: Party) -> bool:
        """Whether a device is the reader's: one person may have several."""
        if party.subject is None or self.me.subject is None:
            return party.device == self.me.device
        return (party.organisation, party.subject) == (self.me.organisation, self.me.subject)


def seat_of(client: Client, me: Party, named: Mapping[str, str], *, now_ms: int, zone: tzinfo | None) -> Seat:
    """The seat of a profile's owner.

    Args:
        client: The profile.
        me: Its own device.
        named: Organisation -> chip.
        now_ms: The time.
        zone: The reader's zone; None for that of this machine.
    """
    directory = client.directory()

    def called(mention: Mention) -> str:
        person = mention.person
        known = None if person is None else directory.profile(mention.organisation, person)
        return known.name if known else (person or b"").hex()[:8]

    return Seat(me=me, chips=named, now_ms=now_ms, find=client.party, named=called, zone=zone)


def _note(party: Party) -> str:
    if party.revoked:
        return _("device revoked")
    if not party.organisation:
        return _("no certificate is known")
    return _digits(party) if party.namesakes else ""


class Person(msgspec.Struct, frozen=True, kw_only=True):
    """Somebody, or some machine, in a room.

    Attributes:
        who: Who it is.
        devices: All devices with which it can read the room, in hex: what is done to somebody is done to each of them.
        counted: How many these are, in words.
        others: Of the reader, each other device by itself: one that was lost is removed with the one at hand; else ().
    """

    who: Who
    devices: tuple[str, ...]
    counted: str
    others: tuple[Person, ...] = ()


class Nation(msgspec.Struct, frozen=True, kw_only=True):
    """A nation in a room.

    Attributes:
        chip: As `Who`.
        organisation: Its name.
        mine: Whether it is the reader's.
        people: Who is in, each once.
        devices: How many devices can read.
        unsure: Devices that are revoked or have no certificate that is known.
    """

    chip: str
    organisation: str
    mine: bool
    people: tuple[Person, ...]
    devices: int
    unsure: int


def nations_of(members: Iterable[Party], seat: Seat) -> tuple[Nation, ...]:
    """The nations of some devices, the reader's own first."""
    by_nation: dict[str, list[Party]] = {}
    for party in members:
        by_nation.setdefault(party.organisation, []).append(party)
    found = [_nation(organisation, parties, seat) for organisation, parties in by_nation.items()]
    return tuple(sorted(found, key=lambda nation: (not nation.mine, nation.chip)))


def _nation(organisation: str, parties: list[Party], seat: Seat) -> Nation:
    people: dict[object, list[Party]] = {}
    for party in parties:
        people.setdefault(party.device if party.subject is None else party.subject, []).append(party)
    named = [_person(devices, seat) for devices in people.values()]
    return Nation(
        chip=seat.chip(organisation),
        organisation=organisation,
        mine=organisation == seat.me.organisation,
        people=tuple(sorted(named, key=lambda one: (not one.who.me, one.who.machine, one.who.name))),
        devices=len(parties),
        unsure=sum(party.revoked or not party.organisation for party in parties),
    )


def _person(devices: list[Party], seat: Seat) -> Person:
    # Of several devices the one that there is something to say of.
    shown = next((one for one in devices if one.revoked), devices[0])
    others = [one for one in devices if one.device != seat.me.device] if seat.is_me(shown) else []
    return Person(
        who=seat.who(shown),
        devices=tuple(one.device.hex() for one in devices),
        counted=words.devices(len(devices)),
        others=tuple(_device(one, seat) for one in others),
    )


def _device(party: Party, seat: Seat) -> Person:
    """One of several devices of somebody, by its digits."""
    who, digits = seat.who(party), _digits(party)
    note = digits if who.note in {"", digits} else words.joined((digits, who.note))
    return Person(who=structs.replace(who, note=note), devices=(who.device,), counted=words.devices(1))


def _digits(party: Party) -> str:
    return _("device %(digits)s", digits=party.device.hex()[:8])
