"""Which nations a room's label may reach: whom a face offers to invite, and why not the others."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING

from amanah_protocol.errors import Code, RefusedError
from amanah_protocol.identity import MEMBER_ROLES, Certificate, parse_organisation
from amanah_protocol.labels import Label
from amanah_protocol.roster import decode_roster
from amanah_protocol.types import OrgName

if TYPE_CHECKING:
    from amanah_client.sdk import Client


class Why(Enum):
    """Why a nation is not reached."""

    UNKNOWN = "no device of it that can be in a room has connected yet"
    CLEARANCE = "a device of it is certified for less"


@dataclass(frozen=True, slots=True, kw_only=True)
class Reached:
    """A nation, and whether a label may reach it.

    Attributes:
        organisation: Its organisation.
        why: Why not; None where it may.
        clearance: What its devices are certified for, the lowest of them; None where none is known.
    """

    organisation: OrgName
    why: Why | None
    clearance: Label | None = None


def reach(client: Client, label: Label, now_ms: int) -> tuple[Reached, ...]:
    """The other nations of the roster.

    An invitation is for all devices of a nation: one that is certified for less would keep everybody from saying in
    the room what the room is for.

    Args:
        client: The profile.
        label: The label of the room.
        now_ms: The time.
    """
    roster = client.profile.store.value("roster")
    names = () if roster is None else tuple(sorted(map(parse_organisation, decode_roster(roster).by_name)))
    usable = _usable(client, now_ms)
    own = client.certificate.organisation
    return tuple(_reached(name, usable.get(name, []), label) for name in names if name != own)


def check_reach(client: Client, label: Label, nations: tuple[OrgName, ...], now_ms: int) -> None:
    """A label may reach all of these.

    Raises:
        RefusedError: `LABEL` where a device of one is certified for less.
    """
    for one in reach(client, label, now_ms):
        if one.organisation in nations and one.why is Why.CLEARANCE and one.clearance is not None:
            detail = f"{label.text} may not reach {one.organisation}: a device of it is certified up to"
            hint = "Choose a lower label, leave that nation out, or ask it to certify its devices for this label."
            raise RefusedError(Code.LABEL, f"{detail} {one.clearance.text}", hint=hint)


def _usable(client: Client, now_ms: int) -> dict[OrgName, list[Certificate]]:
    directory = client.directory()
    found: dict[OrgName, list[Certificate]] = {}
    for device, certificate in directory.certificates.items():
        lasts = certificate.not_before_ms <= now_ms <= certificate.not_after_ms
        if certificate.role in MEMBER_ROLES and lasts and not directory.party(device).revoked:
            found.setdefault(certificate.organisation, []).append(certificate)
    return found


def _reached(name: OrgName, devices: list[Certificate], label: Label) -> Reached:
    if not devices:
        return Reached(organisation=name, why=Why.UNKNOWN)
    clearance = min(certificate.ceiling for certificate in devices)
    return Reached(organisation=name, why=Why.CLEARANCE if clearance < label else None, clearance=clearance)
