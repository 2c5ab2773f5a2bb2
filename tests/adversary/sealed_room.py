"""A room as its engine alone knows it: the groups of a few devices, without client, relay or log.

What a member with bad intentions makes by hand is made with the state of such a group.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Final

from amanah_protocol.errors import AmanahError, DecodeError, VerifyError
from amanah_protocol.group.room_group import RoomGroup
from amanah_protocol.group.seam import Binding, Changed, Credential
from amanah_protocol.group.suites import CLASSICAL
from amanah_protocol.identity import decode_certificate
from amanah_protocol.mls.group import Group
from amanah_protocol.types import DeviceId, EnvelopeId, RoomId
from tests.adversary.forge import drawn
from tests.adversary.packages import credential_of
from tests.engines import ENGINES
from tests.simulation.community import Device, make_community
from tests.simulation.scheduler import START_MS

ROOM: Final = RoomId(b"a sealed room..!")
CREATE: Final = EnvelopeId(bytes([1]) * 32)
COMMIT: Final = EnvelopeId(bytes([2]) * 32)
AAD: Final = bytes([3]) * 32
POLICY: Final = b"a policy"
COMMUNITY: Final = make_community(1)


def device(name: str) -> Device:
    """A device of the community."""
    return COMMUNITY.devices[name]


def checked(credential: Credential) -> DeviceId:
    """Everybody is who the certificate says: chains are the client's to check."""
    return decode_certificate(credential.certificate).device_id


def inner(group: RoomGroup) -> Group:
    """The MLS group itself."""
    return group._live


@dataclass(frozen=True, slots=True, kw_only=True)
class Invitation:
    """What one device is given to join by.

    Attributes:
        sealed: The welcome.
        tree: The sealed tree beside it.
        binding: What its envelope says of it.
        privates: Secrets of the key package that it uses.
        guest: Whose.
    """

    sealed: bytes
    tree: bytes | None
    binding: Binding
    privates: dict[bytes, bytes]
    guest: Device


def package(guest: Device, suite: int = CLASSICAL) -> tuple[bytes, dict[bytes, bytes]]:
    """A fresh key package of a device, and its secret by reference."""
    made = ENGINES[suite].make_key_package(
        guest.key, credential_of(guest), now_ms=START_MS, last_resort=False, random=drawn
    )
    return made.public, {made.reference: made.private}


def binding(sender: Device, *, create: EnvelopeId = CREATE, commit: EnvelopeId = COMMIT) -> Binding:
    """What a right welcome belongs to."""
    return Binding(room=ROOM, policy=POLICY, create_id=create, commit_id=commit, sender=sender.id)


def join(invited: Invitation, suite: int = CLASSICAL) -> RoomGroup:
    """Join by an invitation.

    Raises:
        AmanahError: It does not hold.
    """
    group, _ = ENGINES[suite].join(
        invited.sealed,
        invited.tree,
        invited.binding,
        privates=invited.privates,
        key=invited.guest.key,
        check=checked,
    )
    assert isinstance(group, RoomGroup)
    return group


def open_room(owner: Device, suite: int = CLASSICAL, policy: bytes = POLICY) -> RoomGroup:
    """A room with its creator alone."""
    group = ENGINES[suite].create(ROOM, owner.key, credential_of(owner), policy=policy, now_ms=START_MS, random=drawn)
    assert isinstance(group, RoomGroup)
    return group


def invite(group: RoomGroup, host: Device, guest: Device, suite: int = CLASSICAL) -> Invitation:
    """Add a device by a commit that the host has merged."""
    public, privates = package(guest, suite)
    staged = group.stage_commit(adds=(public,), removes=(), credential=credential_of(host), aad=AAD, random=drawn)
    sealed, tree = staged.welcome(CREATE, COMMIT, random=drawn), staged.tree
    group.merge()
    return Invitation(sealed=sealed, tree=tree, binding=binding(host), privates=privates, guest=guest)


def room_of(*names: str, suite: int = CLASSICAL) -> dict[str, RoomGroup]:
    """A room whose first device has added the others, one by one; everybody has renewed its keys since."""
    host = device(names[0])
    groups = {names[0]: open_room(host, suite)}
    for name in names[1:]:
        public, privates = package(device(name), suite)
        sealed = commit(groups, names[0], adds=(public,))
        invited = Invitation(
            sealed=sealed[0], tree=sealed[1], binding=binding(host), privates=privates, guest=device(name)
        )
        groups[name] = join(invited, suite)
    for name in names:
        commit(groups, name)
    return groups


def commit(
    groups: dict[str, RoomGroup],
    by: str,
    *,
    adds: tuple[bytes, ...] = (),
    removes: Iterable[str] = (),
) -> tuple[bytes, bytes]:
    """One commits, the others follow, and who is removed is gone; gives the welcome and its tree."""
    host, leaving = device(by), tuple(device(name).id for name in removes)
    before = set(groups[by].members)
    staged = groups[by].stage_commit(adds=adds, removes=leaving, credential=credential_of(host), aad=AAD, random=drawn)
    made = staged.welcome(CREATE, COMMIT, random=drawn) if adds else b"", staged.tree
    groups[by].merge()
    changed = Changed(added=tuple(sorted(set(groups[by].members) - before)), removed=tuple(sorted(leaving)))
    for name, group in tuple(groups.items()):
        if device(name).id in leaving:
            del groups[name]
        elif name != by:
            group.process(staged.sealed, sender=host.id, aad=AAD, expected=changed, check=checked)
    return made


def refusal(act: Callable[[], object]) -> AmanahError | None:
    """The typed refusal of what an attacker made; None where it was taken. Anything else is a fault."""
    try:
        act()
    except (DecodeError, VerifyError) as error:
        return error
    return None
