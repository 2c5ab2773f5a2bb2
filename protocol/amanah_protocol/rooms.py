"""Who may do what in a room: one policy, enforced by the relay and again by every member.

The relay's refusal is a convenience; a member's refusal is the security (attack 15).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from amanah_protocol.custody.retention import decode_policy
from amanah_protocol.errors import Code, RefusedError
from amanah_protocol.identity import MEMBER_ROLES, Certificate, Role
from amanah_protocol.kinds import Commit, Create, Kind
from amanah_protocol.labels import Label
from amanah_protocol.limits import MAX_MEMBERS
from amanah_protocol.types import DeviceId
from amanah_protocol.ways import check_ceiling

_BOT_KINDS: Final = frozenset({
    Kind.MESSAGE, Kind.ALERT, Kind.ACK, Kind.DELIVERED, Kind.COUNTS, Kind.COMMIT, Kind.REFUSE, Kind.REPAIR
})  # fmt: skip
_OFFICER_KINDS: Final = frozenset(Kind)
_SENSOR_KINDS: Final = frozenset({Kind.ALERT, Kind.COUNTS})
_KINDS_OF_ROLE: Final = {
    Role.OFFICER: _OFFICER_KINDS,
    Role.BOT: _BOT_KINDS,
    Role.SENSOR: _SENSOR_KINDS,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """What the policy must know of a device besides its certificate.

    Attributes:
        certificate: The newest logged certificate.
        revoked: Whether a logged revocation names it.
    """

    certificate: Certificate
    revoked: bool

    def usable(self, at_ms: int) -> bool:
        """Valid and not revoked at this time."""
        valid = self.certificate.not_before_ms <= at_ms <= self.certificate.not_after_ms
        return valid and not self.revoked


def check_kind(certificate: Certificate, kind: Kind, label: Label) -> None:
    """The role allows the kind, the machine's limits too, and the label is within the ceiling.

    Raises:
        RefusedError: `ROLE` or `LABEL`.
    """
    if kind not in _KINDS_OF_ROLE.get(certificate.role, frozenset()):
        raise RefusedError(Code.ROLE, f"the role {certificate.role.name.lower()} may not send {kind.name.lower()}")
    machine = certificate.machine
    if machine is not None and machine.kinds and kind in (Kind.MESSAGE, Kind.ALERT) and kind not in machine.kinds:
        raise RefusedError(Code.ROLE, f"the certificate does not allow {kind.name.lower()}")
    check_ceiling(label, certificate.ceiling, "the device's")


def check_create(create: Create, creator: Standing) -> None:
    """An officer opens a room that his own organisation owns.

    Raises:
        DecodeError: The room's policy does not parse, or is of a version that nobody here would keep to.
        RefusedError: `ROLE` or `MEMBERSHIP` or `SUITE`.
    """
    decode_policy(create.policy)
    if creator.certificate.role is not Role.OFFICER:
        raise RefusedError(Code.ROLE, "only officers open rooms")
    if create.owner != creator.certificate.organisation:
        raise RefusedError(Code.MEMBERSHIP, "a room is owned by its creator's organisation")
    if create.suite not in creator.certificate.suites:
        raise RefusedError(Code.SUITE, "the creator's certificate does not name the room's suite")


def check_successor(create: Create, *, creator: DeviceId, before: Create, members: Iterable[DeviceId]) -> None:
    """Who was in a room may open the one that continues it, and it is of the same kind.

    It is owned by its creator's organisation as any room: where nobody of the old owner's is left, another's goes on.

    Args:
        create: The creation that names the other room as the one it continues.
        creator: Who made it.
        before: Creation of the other room.
        members: Who may continue it: for the relay all who ever were in, for a member those of the last good epoch.

    Raises:
        RefusedError: `MEMBERSHIP`.
    """
    if creator not in frozenset(members):
        raise RefusedError(Code.MEMBERSHIP, "the creator was not in the room that this one continues")
    kinds = [(one.suite, one.ceiling, one.policy, one.agreement, one.drill) for one in (create, before)]
    if kinds[0] != kinds[1]:
        raise RefusedError(
            Code.MEMBERSHIP, "a successor has the suite, ceiling, policy, agreement and mark of its room"
        )


def check_commit(
    commit: Commit,
    *,
    create: Create,
    committer: DeviceId,
    members: Iterable[DeviceId],
    standings: Mapping[DeviceId, Standing],
    at_ms: int,
) -> None:
    """The change of membership is one that this committer may make.

    Officers add devices of organisations that are in; only the owner organisation's officers add a
    new organisation. Anybody removes revoked or expired devices, an organisation its own, the owner
    any. Bots never add or remove.

    Args:
        commit: What the header says.
        create: The room's creation.
        committer: A member, with a standing.
        members: Devices in the room before the commit.
        standings: By device; what is missing is not certified.
        at_ms: Time of acceptance.

    Raises:
        RefusedError: `MEMBERSHIP`, `ROLE`, `SUITE`, `LABEL` or `QUOTA`.
    """
    inside = frozenset(members)
    own = standings[committer].certificate
    if own.role is not Role.OFFICER and (commit.added or commit.removed):
        raise RefusedError(Code.ROLE, "only officers add or remove members")
    present = {standings[device].certificate.organisation for device in inside if device in standings}
    owner = own.organisation == create.owner
    for device in commit.added:
        _check_added(standings.get(device), create=create, at_ms=at_ms)
        if device in inside or device in commit.removed:
            raise RefusedError(Code.MEMBERSHIP, "the device is in the room already")
        if standings[device].certificate.organisation not in present and not owner:
            raise RefusedError(Code.MEMBERSHIP, "only officers of the owner organisation add a new organisation")
    for device in commit.removed:
        if device not in inside or device == committer:
            raise RefusedError(Code.MEMBERSHIP, "the device is not in the room, or is the committer itself")
        standing = standings.get(device)
        foreign = standing is not None and standing.certificate.organisation != own.organisation
        if foreign and not owner and standing is not None and standing.usable(at_ms):
            raise RefusedError(Code.MEMBERSHIP, "a valid device is removed by its organisation or by the owner")
    if len(inside) + len(commit.added) - len(commit.removed) > MAX_MEMBERS:
        raise RefusedError(Code.QUOTA, f"a room has at most {MAX_MEMBERS} members")


def _check_added(standing: Standing | None, *, create: Create, at_ms: int) -> None:
    if standing is None:
        raise RefusedError(Code.MEMBERSHIP, "a device is added whose certificate is not logged")
    certificate = standing.certificate
    if not standing.usable(at_ms):
        raise RefusedError(Code.MEMBERSHIP, "a device is added whose certificate is revoked or expired")
    if certificate.role not in MEMBER_ROLES:
        raise RefusedError(Code.ROLE, f"a {certificate.role.name.lower()} cannot be a member")
    if create.suite not in certificate.suites:
        raise RefusedError(Code.SUITE, f"the device {certificate.device_id.hex()[:16]} lacks the room's suite")
    if certificate.ceiling < create.ceiling:
        # It would receive what its organisation did not clear it for.
        raise RefusedError(Code.LABEL, f"the device is cleared up to {certificate.ceiling.text} only")


def check_label(label: Label, create: Create) -> None:
    """The label is within the room's ceiling.

    Raises:
        RefusedError: `LABEL`.
    """
    check_ceiling(label, create.ceiling, "the room's")
