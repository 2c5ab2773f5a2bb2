"""A room's group: `mls.Group` behind the seam, with the bindings of `protocol.md` sections 4 and 5."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from amanah_protocol import limits
from amanah_protocol.crypto import NONCE_BYTES, SigningKey, hkdf_expand
from amanah_protocol.errors import Code, DecodeError, UsageError, VerifyError
from amanah_protocol.group.leaves import check_device, check_own, credential_of, device_of, identity_of
from amanah_protocol.group.seam import Changed, CheckCredential, Credential, Random
from amanah_protocol.identity import decode_certificate
from amanah_protocol.mls import stored
from amanah_protocol.mls.codec import Reader, opaque, optional
from amanah_protocol.mls.commit import Taken
from amanah_protocol.mls.credential import Extension, ExtensionType
from amanah_protocol.mls.framing import PrivateMessage, decode_message
from amanah_protocol.mls.group import Application, Group
from amanah_protocol.mls.key_package import decode_key_package
from amanah_protocol.mls.leaf_node import LeafNode
from amanah_protocol.mls.policy import ROOM
from amanah_protocol.mls.proposals import Add, Proposal, Remove
from amanah_protocol.mls.suites import HASH_BYTES, Suite
from amanah_protocol.types import DeviceId, EnvelopeId, RoomId

MAX_SEALED_BYTES: Final = limits.MAX_CONTENT_BYTES - 256
"""The longest plaintext that is sealed: signature, authenticated data and the frame take less than 256 bytes."""

_TREE_KEY: Final = b"amanah/room tree/1"


def seal_tree(suite: Suite, seed: bytes, tree: bytes) -> bytes:
    """A ratchet tree as it travels beside a welcome; the seed is of one tree alone, so the nonce need not vary."""
    return suite.aead.seal(_tree_key(suite, seed), bytes(NONCE_BYTES), tree, b"")


def open_tree(suite: Suite, seed: bytes, sealed: bytes) -> bytes:
    """Open what `seal_tree` made.

    Raises:
        VerifyError: `OPEN`.
    """
    return suite.aead.open(_tree_key(suite, seed), bytes(NONCE_BYTES), sealed, b"")


def _tree_key(suite: Suite, seed: bytes) -> bytes:
    return hkdf_expand(seed, _TREE_KEY, suite.aead.key_bytes)


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class StagedCommit:
    """An own commit in flight: a `seam.Staged`.

    Attributes:
        commit: The commit.
        seed: 32 bytes that the sealed tree's key comes from, so that a restart seals the same bytes again.
        key: The device's key.
    """

    commit: stored.Staged
    seed: bytes
    key: SigningKey

    @property
    def sealed(self) -> bytes:
        """Sealed content of the commit envelope."""
        return self.commit.message

    @property
    def tree(self) -> bytes:
        """The ratchet tree after the commit, sealed."""
        return seal_tree(self.commit.entry.epoch.suite, self.seed, self.commit.tree.encode())

    def welcome(self, create_id: EnvelopeId, commit_id: EnvelopeId, *, random: Random) -> bytes:
        """The welcome, bound to both envelopes inside its signed group info.

        The group info is sealed with a key and nonce of the epoch to be (RFC 9420 section 12.4.3.1): ask for one commit
        with one pair of ids, always the same.
        """
        extensions = (
            Extension(ExtensionType.ROOM_BINDING, create_id + commit_id),
            Extension(ExtensionType.ROOM_TREE_KEY, self.seed),
        )
        return self.commit.welcome(extensions, key=self.key, random=random)


class RoomGroup:
    """One room on one device. Its `repr` shows room and epoch only."""

    __slots__ = ("_check", "_group", "_key", "_members", "_seed")

    def __init__(self, make: Callable[[Application], Group], key: SigningKey, seed: bytes | None = None) -> None:
        """Hold a group; made by `RoomEngine` alone.

        Args:
            make: Makes the group with what a room brings along.
            key: The device's key.
            seed: Of the pending commit's tree.
        """
        self._key = key
        self._seed = seed
        self._check: CheckCredential | None = None
        self._members: tuple[int, Mapping[DeviceId, Credential]] = (-1, {})
        self._group: Group | None = make(Application(key=key, policy=ROOM, authenticate=self._authenticate))

    def __repr__(self) -> str:
        return "RoomGroup(left)" if self._group is None else f"RoomGroup(room={self.room.hex()}, epoch={self.epoch})"

    def _authenticate(self, leaf: LeafNode, replaced: LeafNode | None) -> None:
        """Who may enter (RFC 9420 section 5.3.1): a device by its logged certificate, in its own place only."""
        check_device(leaf, self._check or _own_word)
        if replaced is not None and device_of(replaced) != device_of(leaf):
            raise VerifyError(Code.KEY_ID, "a leaf was replaced by another device's")

    @property
    def _live(self) -> Group:
        if self._group is None:
            raise UsageError(Code.NOT_MEMBER, "this device was removed from the room")
        return self._group

    @property
    def room(self) -> RoomId:
        """The group id."""
        return RoomId(self._live.context.group_id)

    @property
    def epoch(self) -> int:
        """The current epoch."""
        return self._live.context.epoch

    @property
    def members(self) -> Mapping[DeviceId, Credential]:
        """Who is in, by device, in order of their leaves."""
        if self._members[0] != self.epoch:
            found = {device_of(leaf): credential_of(leaf) for _, leaf in self._live.members()}
            self._members = (self.epoch, MappingProxyType(found))
        return self._members[1]

    @property
    def whole(self) -> bool:
        """Whether a commit is in flight just when there is the seed of its tree; else the stored state was damaged."""
        return (self._live.pending is None) is (self._seed is None)

    def device_at(self, leaf: int) -> DeviceId | None:
        """The device at a leaf."""
        found = self._live.tree.leaf(leaf)
        return None if found is None else device_of(found)

    @property
    def own_device(self) -> DeviceId | None:
        """The device at the own leaf."""
        return self.device_at(self._live.own_leaf)

    @property
    def pending(self) -> StagedCommit | None:
        """The own commit in flight, also after a restart."""
        commit = self._live.pending
        if commit is None or self._seed is None:
            return None
        return StagedCommit(commit=commit, seed=self._seed, key=self._key)

    def stage_commit(
        self,
        *,
        adds: tuple[bytes, ...],
        removes: tuple[DeviceId, ...],
        credential: Credential,
        aad: bytes,
        random: Random,
    ) -> StagedCommit:
        """Prepare a commit; it always renews the own keys too.

        Args:
            credential: What the own leaf says from now on; so a renewed certificate reaches the room.
            adds: Key packages, checked by the caller (`RoomEngine.key_package_info`).
            removes: Members to remove.
            aad: SHA-256 of the commit envelope's header, 32 bytes.
            random: Source of randomness.

        Raises:
            DecodeError: A key package does not parse.
            UsageError: `USAGE` when a commit is pending, `NOT_MEMBER` when this device was removed, `MEMBERSHIP` when
                a device to remove is not in, `KEY_ID` when the credential is another device's, `TOO_LARGE` when no
                envelope would take it. Then no commit is pending.
            VerifyError: What the others would refuse.
        """
        places = {device_of(leaf): index for index, leaf in self._live.members()}
        missing = [device for device in removes if device not in places]
        if missing:
            raise UsageError(Code.MEMBERSHIP, "a device to be removed is not in the room")
        proposals: list[Proposal] = [Remove(places[device]) for device in sorted(set(removes))]
        proposals += [Add(decode_key_package(package)) for package in adds]
        check_own(self._key, credential)
        identity, seed = identity_of(self._key, credential), random(HASH_BYTES)
        staged = self._live.commit(proposals, random=random, authenticated_data=aad, identity=identity)
        self._seed = seed
        found = StagedCommit(commit=staged, seed=self._seed, key=self._key)
        if len(found.sealed) > limits.MAX_HANDSHAKE_BYTES:
            self.discard()
            raise UsageError(Code.TOO_LARGE, "the commit does not fit one envelope; name fewer devices")
        return found

    def merge(self) -> None:
        """The relay accepted the pending commit: enter its epoch.

        Raises:
            UsageError: `USAGE` when none is pending.
        """
        self._live.merge()
        self._seed = None

    def discard(self) -> None:
        """Forget the pending commit; nothing happens when there is none."""
        self._live.discard()
        self._seed = None

    def process(
        self, sealed: bytes, *, sender: DeviceId, aad: bytes, expected: Changed, check: CheckCredential
    ) -> None:
        """Apply another member's commit as a whole or not at all; an own one in flight is forgotten.

        Args:
            sealed: Sealed content of the commit envelope.
            sender: Its `kid`.
            aad: SHA-256 of its header.
            expected: What its header says it does.
            check: Called for each credential that comes in, the committer's renewed one included.

        Raises:
            DecodeError: It does not parse.
            VerifyError: The rule that is broken, `REFUSED_COMMIT` when it does something else than its header says,
                or what `check` raises. The state is unchanged.
        """
        group, message = self._live, _private(sealed, limits.MAX_HANDSHAKE_BYTES)
        _check_aad(message, aad)
        self._check = check
        try:
            taken = group.take_commit(message)
        finally:
            self._check = None
        self._check_sender(taken, sender)
        if _changed(taken) != expected:
            raise VerifyError(Code.REFUSED_COMMIT, "the commit does something else than its header says")
        self._seed = None
        if not group.apply(taken):
            self._group = None

    def _check_sender(self, taken: Taken, sender: DeviceId) -> None:
        leaf = self._live.tree.leaf(taken.committer)
        if leaf is None or device_of(leaf) != sender:
            raise VerifyError(Code.BINDING, "the commit was sealed by another device than its envelope says")

    def seal(self, plaintext: bytes, *, aad: bytes, random: Random) -> bytes:
        """Seal for the current epoch; the key used is deleted from the state at once.

        Raises:
            UsageError: `NOT_MEMBER` when this device was removed, `TOO_LARGE` when no envelope would take it.
        """
        if len(plaintext) > MAX_SEALED_BYTES:
            raise UsageError(Code.TOO_LARGE, f"{len(plaintext)} bytes do not fit one message")
        return self._live.seal(plaintext, random=random, authenticated_data=aad)

    def open(self, sealed: bytes, *, sender: DeviceId, aad: bytes) -> bytes:
        """Open another member's message of the current epoch, once.

        Raises:
            DecodeError: It does not parse.
            VerifyError: The rule that is broken, or `BINDING`. The state is unchanged.
        """
        message = _private(sealed, limits.MAX_CONTENT_BYTES)
        _check_aad(message, aad)
        return self._live.open(message, by=lambda leaf: _check_sealer(leaf, sender)).data

    def export(self, label: str, context: bytes, length: int) -> bytes:
        """A secret of the current epoch for another use (RFC 9420 section 8.5).

        Raises:
            UsageError: `NOT_MEMBER` when this device was removed.
        """
        return self._live.export(label.encode(), context, length)

    def epoch_state(self) -> bytes:
        """What changes with commits, the pending one included. Secret."""
        seed = None if self._seed is None else opaque(self._seed)
        return optional(seed) + self._live.epoch_state()

    def message_state(self) -> bytes:
        """What changes with every message. Secret."""
        return self._live.message_state()


def split_state(epoch_state: bytes) -> tuple[bytes | None, bytes]:
    """The seed of the pending commit's tree, and the engine's own state.

    Raises:
        DecodeError: `MALFORMED`.
    """
    reader = Reader(epoch_state)
    seed = reader.optional(lambda inner: inner.exactly(HASH_BYTES, "the seed of a tree"))
    return seed, epoch_state[reader.at :]


def _own_word(credential: Credential) -> DeviceId:
    """The device that a certificate is of, by its own word: who commits has checked the chains it adds."""
    return decode_certificate(credential.certificate).device_id


def _check_sealer(leaf: LeafNode, sender: DeviceId) -> None:
    if device_of(leaf) != sender:
        raise VerifyError(Code.BINDING, "the message was sealed by another device than its envelope says")


def _private(sealed: bytes, max_bytes: int) -> PrivateMessage:
    message = decode_message(sealed, max_bytes)
    if not isinstance(message, PrivateMessage):
        raise DecodeError(Code.BAD_TYPE, "sealed content is a PrivateMessage")
    return message


def _check_aad(message: PrivateMessage, aad: bytes) -> None:
    if message.authenticated_data != aad:
        raise VerifyError(Code.BINDING, "it was sealed for another envelope")


def _changed(taken: Taken) -> Changed:
    added = sorted(device_of(package.leaf_node) for _, package in taken.change.added)
    removed = sorted(device_of(leaf) for _, leaf in taken.change.removed)
    return Changed(added=tuple(added), removed=tuple(removed))
