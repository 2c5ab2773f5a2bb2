"""The group: a `seam.Group` around one immutable state, replaced whole or not at all."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType

from amanah_protocol import limits
from amanah_protocol.crypto import KEY_BYTES, NONCE_BYTES, same
from amanah_protocol.errors import Code, UsageError, VerifyError
from amanah_protocol.group.flat.commit import (
    Changes,
    Commit,
    Transition,
    decode_commit,
    origin_of,
    transition_of,
    verify_packages,
    verify_transition,
)
from amanah_protocol.group.flat.keys import KeyPair, open_secret, seal_secret
from amanah_protocol.group.flat.members import check_member
from amanah_protocol.group.flat.message import MessagePlace, decode_message
from amanah_protocol.group.flat.schedule import Epoch, derive_epoch, export
from amanah_protocol.group.flat.staged import StagedCommit
from amanah_protocol.group.flat.state import EpochKeys, GroupState
from amanah_protocol.group.seam import Changed, CheckCredential, Credential, Random
from amanah_protocol.types import DeviceId, RoomId


class FlatGroup:
    """One room on one device. Its `repr` shows room and epoch only."""

    __slots__ = ("_state",)

    def __init__(self, state: GroupState) -> None:
        """Wrap a state; made by `FlatEngine` alone."""
        self._state = state

    def __repr__(self) -> str:
        return f"FlatGroup(room={self.room.hex()}, epoch={self.epoch})"

    @property
    def room(self) -> RoomId:
        """The group id."""
        return self._state.room

    @property
    def epoch(self) -> int:
        """The current epoch."""
        return self._state.epoch

    @property
    def members(self) -> Mapping[DeviceId, Credential]:
        """Who is in, by device, in order of their leaves."""
        return MappingProxyType(self._state.members.credentials)

    @property
    def pending(self) -> StagedCommit | None:
        """The own commit in flight, also after a restart."""
        return self._state.pending

    def stage_commit(
        self, *, adds: tuple[bytes, ...], removes: tuple[DeviceId, ...], aad: bytes, random: Random
    ) -> StagedCommit:
        """Prepare a commit; it also replaces the own leaf key.

        Args:
            adds: Key packages, checked by the caller (`Engine.key_package_info`).
            removes: Members to remove.
            aad: SHA-256 of the commit envelope's header, 32 bytes.
            random: Source of randomness.

        Raises:
            DecodeError: A key package does not parse.
            UsageError: `USAGE` when a commit is pending, `NOT_MEMBER` when this device was removed,
                `MEMBERSHIP` when the change is not possible, `TOO_LARGE` when commit or welcome
                would be.
            VerifyError: `SIGNATURE` or `KEY_ID` of a key package.
        """
        self._keys()
        state = self._state
        if state.pending is not None:
            raise UsageError(Code.USAGE, "an own commit waits for the relay's answer")
        leaf = KeyPair.generate(random)
        changes = Changes(
            room=state.room,
            epoch=state.epoch,
            aad=aad,
            adds=adds,
            removes=tuple(sorted(set(removes))),
            leaf=leaf.public,
            committer=state.device,
        )
        transition = self._plan(changes)
        staged = _stage(changes, transition, leaf=leaf, random=random)
        staged.check_size()
        self._state = replace(state, pending=staged)
        return staged

    def _plan(self, changes: Changes) -> Transition:
        packages = verify_packages(changes)
        added = (package.member.device for package in packages)
        members = self._state.members
        flaw = members.flaw(committer=changes.committer, added=added, removed=changes.removes)
        if flaw is not None:
            raise UsageError(Code.MEMBERSHIP, flaw)
        return transition_of(changes, members, packages)

    def merge(self) -> None:
        """The relay accepted the pending commit: enter its epoch.

        Raises:
            UsageError: `USAGE` when none is pending.
        """
        staged = self._state.pending
        if staged is None:
            raise UsageError(Code.USAGE, "no own commit is pending")
        epoch = _epoch_of(staged.secret, staged.commit.changes, staged.commit.origin, staged.transition)
        self._enter(staged.transition, EpochKeys.of(epoch, staged.leaf))

    def discard(self) -> None:
        """Forget the pending commit; nothing happens when there is none."""
        self._state = replace(self._state, pending=None)

    def process(
        self, sealed: bytes, *, sender: DeviceId, aad: bytes, expected: Changed, check: CheckCredential
    ) -> None:
        """Apply another member's commit as a whole or not at all.

        An own pending commit is forgotten with it: the epoch that it would end is over.

        Args:
            sealed: Sealed content of the commit envelope.
            sender: Its `kid`.
            aad: SHA-256 of its header.
            expected: What its header says it does.
            check: Called for each credential added.

        Raises:
            DecodeError: It does not parse.
            VerifyError: `BINDING`; `NOT_MEMBER`, also when this device was removed; `REFUSED_COMMIT`;
                `SIGNATURE` or `KEY_ID` of a key package; what `check` raises; `OPEN`, also for a
                commit in this device's name, which is merged and never processed.
        """
        state = self._state
        commit = decode_commit(sealed, sender)
        changes = commit.changes
        self._check_place(changes.room, changes.epoch, aad, changes.aad)
        keys = self._keys_for(sender)
        if sender == state.device:
            raise VerifyError(Code.OPEN, "a commit in this device's name that is not its pending one")
        transition = verify_transition(commit, state.members)
        if (transition.added, changes.removes) != (expected.added, expected.removed):
            raise VerifyError(Code.REFUSED_COMMIT, "the commit does something else than its header says")
        for package in transition.packages:
            check_member(package.member.device, package.member.credential, check)
        if state.device in changes.removes:
            self._enter(transition, None)
            return
        epoch, leaf = self._open_commit(commit, transition, keys), keys.leaf
        self._enter(transition, EpochKeys.of(epoch, leaf))

    def _open_commit(self, commit: Commit, transition: Transition, keys: EpochKeys) -> Epoch:
        device = self._state.device
        place = [member.device for member in transition.recipients].index(device)
        context = commit.changes.context(device)
        secret = open_secret(commit.sealed[place], ephemeral=commit.ephemeral, recipient=keys.leaf, context=context)
        epoch = _epoch_of(secret, commit.changes, commit.origin, transition)
        # A committer who gave each member another secret, or sees other members, ends here.
        if not same(epoch.confirmation, commit.confirmation):
            raise VerifyError(Code.OPEN, "the commit's secret is not the one that it confirms")
        return epoch

    def _enter(self, transition: Transition, keys: EpochKeys | None) -> None:
        epoch = self._state.epoch + 1
        self._state = replace(self._state, epoch=epoch, members=transition.members, keys=keys, pending=None)

    def seal(self, plaintext: bytes, *, aad: bytes, random: Random) -> bytes:
        """Seal for the current epoch; the key used is deleted from the state at once.

        Raises:
            UsageError: `NOT_MEMBER` when this device was removed, `TOO_LARGE` when no envelope would
                take it.
        """
        keys, state = self._keys(), self._state
        chain = keys.chains[state.device]
        generation = chain.next
        material, later = chain.take(generation)
        place = MessagePlace(
            room=state.room, epoch=state.epoch, generation=generation, guard=random(NONCE_BYTES), aad=aad
        )
        sealed = place.seal(plaintext, sender=state.device, material=material)
        if len(sealed) > limits.MAX_CONTENT_BYTES:
            raise UsageError(Code.TOO_LARGE, f"{len(plaintext)} bytes do not fit one message")
        self._state = replace(state, keys=keys.with_chain(state.device, later))
        return sealed

    def open(self, sealed: bytes, *, sender: DeviceId, aad: bytes) -> bytes:
        """Open another member's message of the current epoch, once.

        Raises:
            DecodeError: It does not parse.
            VerifyError: `BINDING`; `NOT_MEMBER`, also when this device was removed; `REPLAY`, also for
                an own message; `GENERATION`; `OPEN`. The state is unchanged.
        """
        place, ciphertext = decode_message(sealed)
        self._check_place(place.room, place.epoch, aad, place.aad)
        keys = self._keys_for(sender)
        if sender == self._state.device:
            raise VerifyError(Code.REPLAY, "an own message came back")
        material, later = keys.chains[sender].take(place.generation)
        plaintext = place.open(ciphertext, sender=sender, material=material)
        self._state = replace(self._state, keys=keys.with_chain(sender, later))
        return plaintext

    def export(self, label: str, context: bytes, length: int) -> bytes:
        """A secret of the current epoch for another use (RFC 9420 section 8.5).

        Raises:
            UsageError: `NOT_MEMBER` when this device was removed; `USAGE` unless 1 to 8,160 bytes are
                asked for.
        """
        return export(self._keys().exporter, label, context, length)

    def state(self) -> bytes:
        """Everything that must survive a restart, the pending commit included. Secret."""
        return self._state.encode()

    def _keys(self) -> EpochKeys:
        if self._state.keys is None:
            raise UsageError(Code.NOT_MEMBER, "this device was removed from the room")
        return self._state.keys

    def _keys_for(self, sender: DeviceId) -> EpochKeys:
        keys = self._state.keys
        if keys is None or sender not in self._state.members.by_device:
            raise VerifyError(Code.NOT_MEMBER, "the sender, or this device, is not in this epoch")
        return keys

    def _check_place(self, room: RoomId, epoch: int, aad: bytes, found: bytes) -> None:
        if (room, epoch) != (self._state.room, self._state.epoch):
            raise VerifyError(Code.BINDING, "it was sealed for another room or epoch")
        if aad != found:
            raise VerifyError(Code.BINDING, "it was sealed for another envelope")


def _epoch_of(secret: bytes, changes: Changes, origin: bytes, transition: Transition) -> Epoch:
    return derive_epoch(secret, room=changes.room, epoch=changes.epoch + 1, origin=origin, members=transition.members)


def _stage(changes: Changes, transition: Transition, *, leaf: KeyPair, random: Random) -> StagedCommit:
    secret = random(KEY_BYTES)
    ephemeral = KeyPair.generate(random)
    sealed = tuple(
        seal_secret(secret, ephemeral=ephemeral, recipient=member.leaf, context=changes.context(member.device))
        for member in transition.recipients
    )
    origin = origin_of(changes, ephemeral.public, sealed)
    confirmation = _epoch_of(secret, changes, origin, transition).confirmation
    commit = Commit(changes=changes, ephemeral=ephemeral.public, sealed=sealed, confirmation=confirmation)
    return StagedCommit(
        commit=commit,
        sealed=commit.encode(),
        transition=transition,
        secret=secret,
        leaf=leaf,
        ephemeral=KeyPair.generate(random),
    )
