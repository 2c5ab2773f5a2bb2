"""The seam between rooms and the engine that seals them.

Callers hold a `Group` per room and know nothing of what is inside. All methods are pure: they
change the object in memory, randomness is passed in, and `state()` gives the bytes that the caller
must have stored *before* anything sealed leaves. A caller whose store fails throws the object away
and restores the last stored state; nothing sealed with the lost state has left then.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol, TypeAlias

from amanah_protocol.crypto import SigningKey
from amanah_protocol.kinds import MediaType
from amanah_protocol.types import DeviceId, EnvelopeId, RoomId

Random: TypeAlias = Callable[[int], bytes]
"""Gives that many bytes from a cryptographic source."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Credential:
    """Who a member is: its encoded certificate and enrolment certificate.

    Attributes:
        certificate: Encoded `identity.Certificate`.
        enrolment: Encoded `identity.Enrolment`.
    """

    certificate: bytes
    enrolment: bytes


CheckCredential: TypeAlias = Callable[[Credential], DeviceId]
"""Verifies a chain now and gives the device it is of; raises `VerifyError` to refuse."""


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyPackageInfo:
    """What an adder must check of a key package before it is used.

    Attributes:
        suite: The suite it is for.
        credential: The chain of its owner.
        not_before_ms: Start of its lifetime.
        not_after_ms: End, at most 84 days later.
        last_resort: True for the one that may be used more than once.
        reference: 32 bytes that identify it.
    """

    suite: int
    credential: Credential
    not_before_ms: int
    not_after_ms: int
    last_resort: bool
    reference: bytes


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class OwnKeyPackage:
    """A fresh key package and the secret that opens welcomes to it.

    Attributes:
        public: What is handed to the relay.
        private: Kept in the local store until it is used or expires.
        reference: 32 bytes that identify it.
    """

    public: bytes
    private: bytes
    reference: bytes


class Staged(Protocol):
    """An own commit that the relay has not answered yet."""

    @property
    def sealed(self) -> bytes:
        """Sealed content of the commit envelope."""

    @property
    def tree(self) -> bytes:
        """The public tree, sealed for those that the commit adds; the same bytes again after a restart."""

    def welcome(self, create_id: EnvelopeId, commit_id: EnvelopeId, *, random: Random) -> bytes:
        """Sealed content of the welcome for the devices added, bound to the two envelopes by their ids."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Changed:
    """What a processed commit did; compared with the envelope's header *before* it is applied.

    Attributes:
        added: Devices added, ascending.
        removed: Devices removed, ascending.
    """

    added: tuple[DeviceId, ...]
    removed: tuple[DeviceId, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Binding:
    """What a welcome belongs to, so that none leads into a look-alike room (attack 16) or an old epoch (attack 17).

    Attributes:
        room: The room of the envelope.
        policy: That of the room's `create`.
        create_id: Id of the room's create envelope as logged.
        commit_id: Id of the commit envelope that added this device.
        sender: `kid` of the welcome.
    """

    room: RoomId
    policy: bytes
    create_id: EnvelopeId
    commit_id: EnvelopeId
    sender: DeviceId


class Group(Protocol):
    """One room's group state on one device."""

    @property
    def room(self) -> RoomId:
        """The group id."""

    @property
    def epoch(self) -> int:
        """The current epoch."""

    @property
    def members(self) -> Mapping[DeviceId, Credential]:
        """Who is in, by device, in order of their leaves."""

    @property
    def pending(self) -> Staged | None:
        """The own commit in flight, also after a restart."""

    def stage_commit(
        self,
        *,
        adds: tuple[bytes, ...],
        removes: tuple[DeviceId, ...],
        credential: Credential,
        aad: bytes,
        random: Random,
    ) -> Staged:
        """Prepare a commit; the group stays in its epoch until `merge`.

        Args:
            credential: What the own leaf says from now on; so a renewed certificate reaches the room.
            adds: Key packages, checked by the caller (`Engine.key_package_info`).
            removes: Members to remove.
            aad: SHA-256 of the commit envelope's header.
            random: Source of randomness.

        Raises:
            UsageError: A commit is pending, a device is in already or is not in.
        """

    def merge(self) -> None:
        """The relay accepted the pending commit: enter its epoch."""

    def discard(self) -> None:
        """The relay refused the pending commit, or another won: forget it."""

    def process(
        self, sealed: bytes, *, sender: DeviceId, aad: bytes, expected: Changed, check: CheckCredential
    ) -> None:
        """Apply another member's commit as a whole or not at all.

        Args:
            sealed: Sealed content of the commit envelope.
            sender: Its `kid`; must be a member of this epoch.
            aad: SHA-256 of its header.
            expected: What its header says it does.
            check: Called for each credential added.

        Raises:
            DecodeError: It does not parse.
            VerifyError: `OPEN`, `BINDING`, `REFUSED_COMMIT` (it does something else than its header
                says), or what `check` raises. The state is unchanged.
        """

    def seal(self, plaintext: bytes, *, aad: bytes, random: Random) -> bytes:
        """Seal for the current epoch; the key used is deleted from the state at once.

        Raises:
            UsageError: `NOT_MEMBER` when this device was removed.
        """

    def open(self, sealed: bytes, *, sender: DeviceId, aad: bytes) -> bytes:
        """Open another member's message of the current epoch, once.

        Raises:
            DecodeError: It does not parse.
            VerifyError: `OPEN`, `BINDING`, `NOT_MEMBER`, `REPLAY` or `GENERATION`. The state is
                unchanged.
        """

    def export(self, label: str, context: bytes, length: int) -> bytes:
        """A secret of the current epoch for another use (RFC 9420 section 8.5)."""

    def epoch_state(self) -> bytes:
        """What must survive a restart and changes with commits, the pending one included. Secret."""

    def message_state(self) -> bytes:
        """What must survive a restart and changes with every message; written with the other part. Secret."""


class Engine(Protocol):
    """Makes groups and key packages of one suite."""

    @property
    def suite(self) -> int:
        """The suite's number, as it stands in `create` and in certificates."""

    @property
    def media_type(self) -> MediaType:
        """What envelopes name as media type of content sealed by this engine."""

    def make_key_package(
        self, key: SigningKey, credential: Credential, *, now_ms: int, last_resort: bool, random: Random
    ) -> OwnKeyPackage:
        """A fresh key package: valid from an hour back, at most 84 days, inside the certificate."""

    def key_package_info(self, public: bytes) -> KeyPackageInfo:
        """Decode a key package and verify its signature by the device key of its certificate.

        Raises:
            DecodeError: It does not parse.
            VerifyError: `SIGNATURE` or `KEY_ID`.
        """

    def create(
        self, room: RoomId, key: SigningKey, credential: Credential, *, policy: bytes, now_ms: int, random: Random
    ) -> Group:
        """A group at epoch 0 with its creator alone; `policy` is that of the room's `create`."""

    def join(
        self,
        sealed: bytes,
        tree: bytes | None,
        binding: Binding,
        *,
        privates: Mapping[bytes, bytes],
        key: SigningKey,
        check: CheckCredential,
    ) -> tuple[Group, bytes | None]:
        """Join by a welcome.

        Args:
            sealed: Sealed content of the welcome envelope.
            tree: The sealed tree fetched beside it, if the header names one.
            binding: What the welcome has to belong to.
            privates: Own key packages' secrets by reference.
            key: The device's signing key.
            check: Called for every member's credential.

        Returns:
            The group, and the reference of the key package used, whose secret is to be deleted; None where it was
            a last-resort one, which may be used again: then the own keys are to be renewed at once.

        Raises:
            DecodeError: It does not parse.
            VerifyError: `OPEN` when it is not for us or the key package was used before, `BINDING`
                when it names another room, create, commit or sender, or what `check` raises.
        """

    def restore(self, epoch_state: bytes, message_state: bytes, key: SigningKey) -> Group:
        """The group of a stored `Group.epoch_state()` and `Group.message_state()`.

        Raises:
            DecodeError: `SUITE` when the state is another engine's, else it is damaged.
        """
