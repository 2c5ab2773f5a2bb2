"""Who is in, in the order of leaves, and what a change to it must keep."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import cached_property

from amanah_protocol import cbor, limits
from amanah_protocol.errors import Code, DecodeError, VerifyError
from amanah_protocol.group.seam import CheckCredential, Credential
from amanah_protocol.types import DeviceId


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """One leaf.

    Attributes:
        device: The device.
        credential: Its chain.
        leaf: The X25519 public key that epoch secrets are sealed to, 32 bytes.
    """

    device: DeviceId
    credential: Credential
    leaf: bytes


@dataclass(frozen=True, kw_only=True)
class Members:
    """All leaves in order; new ones stand behind the others.

    Attributes:
        leaves: 1 to 1,000 members, each device once.
    """

    leaves: tuple[Member, ...]

    @cached_property
    def by_device(self) -> dict[DeviceId, Member]:
        """The members by device, in order of their leaves."""
        return {member.device: member for member in self.leaves}

    @cached_property
    def credentials(self) -> dict[DeviceId, Credential]:
        """Their credentials by device, in order of their leaves."""
        return {member.device: member.credential for member in self.leaves}

    @cached_property
    def encoded(self) -> bytes:
        """Canonical CBOR of [[enrolment], [[device, certificate, index of the enrolment, leaf]]].

        An enrolment certificate serves a whole organisation, so it stands here once.
        """
        enrolments = sorted({member.credential.enrolment for member in self.leaves})
        places = {enrolment: place for place, enrolment in enumerate(enrolments)}
        rows = [
            [member.device, member.credential.certificate, places[member.credential.enrolment], member.leaf]
            for member in self.leaves
        ]
        return cbor.encode([enrolments, rows])

    def flaw(self, *, committer: DeviceId, added: Iterable[DeviceId], removed: Iterable[DeviceId]) -> str | None:
        """Why this change by this member is not possible; None when it is."""
        joining, leaving = list(added), set(removed)
        here = self.by_device.keys()
        if not leaving <= here:
            return "a device to remove is not in the room"
        if committer in leaving:
            return "nobody commits the own removal"
        if len(set(joining)) != len(joining) or here & set(joining):
            return "a device to add is in the room already"
        if len(joining) + len(leaving) > limits.MAX_NAMED_DEVICES:
            return f"a commit adds and removes at most {limits.MAX_NAMED_DEVICES} devices"
        if len(self.leaves) + len(joining) - len(leaving) > limits.MAX_MEMBERS:
            return f"a room has at most {limits.MAX_MEMBERS} members"
        return None

    def after(
        self, *, committer: DeviceId, leaf: bytes, added: Iterable[Member], removed: Iterable[DeviceId]
    ) -> Members:
        """The members after a change without `flaw`; the committer's leaf key is replaced."""
        leaving = set(removed)
        stay = (
            replace(member, leaf=leaf) if member.device == committer else member
            for member in self.leaves
            if member.device not in leaving
        )
        return Members(leaves=(*stay, *added))


def decode_members(data: bytes) -> Members:
    """Decode what `Members.encoded` gives; credentials are not checked here.

    Raises:
        DecodeError: It does not parse, is not the one encoding of its members, or names a device twice.
    """
    f = cbor.Fields(cbor.decode(data, max_bytes=limits.MAX_TREE_BYTES), 2, "members")
    items = f.array(limits.MAX_MEMBERS)
    table = cbor.Fields(items, None, "enrolments")
    enrolments = [table.blob(limits.MAX_KEY_PACKAGE_BYTES) for _ in items]
    members = Members(leaves=tuple(_decode_member(row, enrolments) for row in f.array(limits.MAX_MEMBERS)))
    if len(members.by_device) != len(members.leaves) or not members.leaves:
        raise DecodeError(Code.BAD_TYPE, "members: a device stands there once, and at least one does")
    if members.encoded != data:
        raise DecodeError(Code.NOT_CANONICAL, "members: the enrolment certificates are not in their one order")
    return members


def _decode_member(row: cbor.Value, enrolments: list[bytes]) -> Member:
    f = cbor.Fields(row, 4, "member")
    device, certificate = DeviceId(f.fixed(32)), f.blob(limits.MAX_KEY_PACKAGE_BYTES)
    place = f.uint(limits.MAX_MEMBERS)
    if place >= len(enrolments):
        raise DecodeError(Code.BAD_TYPE, "member: there is no such enrolment certificate")
    credential = Credential(certificate=certificate, enrolment=enrolments[place])
    return Member(device=device, credential=credential, leaf=f.fixed(32))


def check_member(device: DeviceId, credential: Credential, check: CheckCredential) -> None:
    """The caller accepts the credential, and it is that of this device.

    Raises:
        VerifyError: `KEY_ID`, or what `check` raises.
    """
    if check(credential) != device:
        raise VerifyError(Code.KEY_ID, "a credential is given for another device than its own")
