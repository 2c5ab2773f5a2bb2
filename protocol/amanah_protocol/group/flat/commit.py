"""Commits: what changes, and the next epoch's secret sealed to each member that stays.

    commit = [ 1, room: bstr .size 16, epoch: uint, aad: bstr .size 32, adds: [* key package: bstr],
               removes: [* device: bstr .size 32], leaf: bstr .size 32, ephemeral: bstr .size 32,
               sealed: [* bstr .size 48], confirmation: bstr .size 32 ]

`epoch` is the one that the commit ends. `sealed` holds one secret for each member that was in before
and stays, without the committer, in order of leaves; who is added gets the secret by the welcome.
Nothing here is hidden from the relay that header and key packages do not show it anyway.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Final

from amanah_protocol import cbor, limits
from amanah_protocol.crypto import sha256
from amanah_protocol.errors import Code, DecodeError, VerifyError
from amanah_protocol.group.flat.keypackage import KeyPackage, verify_key_package
from amanah_protocol.group.flat.keys import SEALED_SECRET_BYTES, is_usable
from amanah_protocol.group.flat.members import Member, Members
from amanah_protocol.types import DeviceId, RoomId

VERSION: Final = 1
MAX_EPOCH: Final = 2**32


@dataclass(frozen=True, kw_only=True)
class Changes:
    """The part of a commit that everything sealed in it is bound to.

    Attributes:
        room: The group id.
        epoch: The epoch that ends.
        aad: SHA-256 of the envelope's header.
        adds: Encoded key packages, in the order of the new leaves.
        removes: Devices removed, ascending.
        leaf: The committer's new leaf key.
        committer: The committing device; the envelope names it, so it does not travel here.
    """

    room: RoomId
    epoch: int
    aad: bytes
    adds: tuple[bytes, ...]
    removes: tuple[DeviceId, ...]
    leaf: bytes
    committer: DeviceId

    @cached_property
    def digest(self) -> bytes:
        """SHA-256 over all of it."""
        fields = [self.room, self.epoch, self.committer, self.aad, list(self.adds), list(self.removes), self.leaf]
        return sha256(b"amanah/flat/1/commit" + cbor.encode(fields))

    def context(self, recipient: DeviceId) -> bytes:
        """What the secret sealed to one member is bound to."""
        return cbor.encode([self.room, self.epoch + 1, self.committer, recipient, self.digest, self.aad])


@dataclass(frozen=True, slots=True, kw_only=True)
class Commit:
    """A whole commit.

    Attributes:
        changes: What it does.
        ephemeral: The X25519 public key that it was sealed with.
        sealed: 48 bytes for each recipient, in order of leaves.
        confirmation: `Epoch.confirmation` of the epoch that begins.
    """

    changes: Changes
    ephemeral: bytes
    sealed: tuple[bytes, ...]
    confirmation: bytes

    @property
    def origin(self) -> bytes:
        """Identifies the commit, 32 bytes: the epoch that begins derives from all of it."""
        return origin_of(self.changes, self.ephemeral, self.sealed)

    def encode(self) -> bytes:
        """The sealed content of the commit's envelope."""
        changes = self.changes
        return cbor.encode([
            VERSION, changes.room, changes.epoch, changes.aad, list(changes.adds), list(changes.removes),
            changes.leaf, self.ephemeral, list(self.sealed), self.confirmation,
        ])  # fmt: skip


def origin_of(changes: Changes, ephemeral: bytes, sealed: tuple[bytes, ...]) -> bytes:
    """`Commit.origin`: SHA-256 over the changes and everything sealed.

    A member whose secret opens still refuses a commit in which that of another was altered on the way.
    """
    return sha256(b"amanah/flat/1/origin" + cbor.encode([changes.digest, ephemeral, list(sealed)]))


def decode_commit(data: bytes, committer: DeviceId) -> Commit:
    """Decode a commit that this device is said to have made.

    Raises:
        DecodeError: It does not parse.
    """
    f = cbor.Fields(cbor.decode(data, max_bytes=limits.MAX_HANDSHAKE_BYTES), 10, "commit")
    if f.uint() != VERSION:
        raise DecodeError(Code.UNKNOWN_VERSION, "a commit of another version")
    changes = Changes(
        room=RoomId(f.fixed(16)),
        epoch=f.uint(MAX_EPOCH),
        aad=f.fixed(32),
        adds=_decode_adds(f.array(limits.MAX_NAMED_DEVICES)),
        removes=tuple(DeviceId(device) for device in f.sorted_array(32, limits.MAX_NAMED_DEVICES)),
        leaf=f.fixed(32),
        committer=committer,
    )
    return Commit(
        changes=changes,
        ephemeral=f.fixed(32),
        sealed=f.fixed_array(SEALED_SECRET_BYTES, limits.MAX_MEMBERS),
        confirmation=f.fixed(32),
    )


def _decode_adds(items: list[cbor.Value]) -> tuple[bytes, ...]:
    f = cbor.Fields(items, None, "key packages")
    return tuple(f.blob(limits.MAX_KEY_PACKAGE_BYTES) for _ in items)


@dataclass(frozen=True, slots=True, kw_only=True)
class Transition:
    """What a commit makes of the members.

    Attributes:
        members: The members afterwards.
        packages: The key packages of those added.
        recipients: The members that the secret is sealed to, in order of leaves.
    """

    members: Members
    packages: tuple[KeyPackage, ...]
    recipients: tuple[Member, ...]

    @property
    def added(self) -> tuple[DeviceId, ...]:
        """Devices added, ascending."""
        return tuple(sorted(package.member.device for package in self.packages))


def verify_packages(changes: Changes) -> tuple[KeyPackage, ...]:
    """The key packages of the devices added, each signed by its own device.

    Raises:
        DecodeError: One does not parse.
        VerifyError: `SIGNATURE` or `KEY_ID`.
    """
    return tuple(verify_key_package(public) for public in changes.adds)


def transition_of(changes: Changes, members: Members, packages: tuple[KeyPackage, ...]) -> Transition:
    """What the changes make of these members; `Members.flaw` must have found nothing."""
    after = members.after(
        committer=changes.committer,
        leaf=changes.leaf,
        added=(package.member for package in packages),
        removed=changes.removes,
    )
    staying = after.leaves[: len(after.leaves) - len(packages)]
    recipients = tuple(member for member in staying if member.device != changes.committer)
    return Transition(members=after, packages=packages, recipients=recipients)


def verify_transition(commit: Commit, members: Members) -> Transition:
    """What another member's commit makes of these members.

    Raises:
        DecodeError: A key package does not parse.
        VerifyError: `SIGNATURE` or `KEY_ID` of a key package; `REFUSED_COMMIT` when it adds who is in,
            removes who is not, is too large, seals to too few or too many, or its leaf key is a
            low-order point.
    """
    changes = commit.changes
    if not is_usable(changes.leaf):
        raise VerifyError(Code.REFUSED_COMMIT, "the committer's new key would stop every later commit")
    packages = verify_packages(changes)
    added = (package.member.device for package in packages)
    flaw = members.flaw(committer=changes.committer, added=added, removed=changes.removes)
    if flaw is not None:
        raise VerifyError(Code.REFUSED_COMMIT, flaw)
    transition = transition_of(changes, members, packages)
    if len(commit.sealed) != len(transition.recipients):
        raise VerifyError(Code.REFUSED_COMMIT, "the secret is not sealed to each member that stays")
    return transition
