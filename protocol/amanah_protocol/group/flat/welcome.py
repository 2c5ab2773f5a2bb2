"""Welcomes: the secret of an epoch and its members, for the devices that a commit added.

    welcome = [ 1, room: bstr .size 16, create_id: bstr .size 32, commit_id: bstr .size 32,
                committer: bstr .size 32, ephemeral: bstr .size 32,
                secrets: [1*96 [reference: bstr .size 32, sealed: bstr .size 48]], info: bstr ]
    info    = [ epoch: uint, origin: bstr .size 32, confirmation: bstr .size 32, members: bstr ]   ; sealed

Each secret opens with the init key of one key package; `info` opens with the secret. Both are bound
to the room, its create and commit envelopes and the committer, so that no welcome leads into a
look-alike room (attack 16).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from amanah_protocol import cbor, limits
from amanah_protocol.crypto import same
from amanah_protocol.errors import Code, DecodeError, VerifyError
from amanah_protocol.group.flat.commit import MAX_EPOCH
from amanah_protocol.group.flat.keypackage import KeyPackage
from amanah_protocol.group.flat.keys import (
    MATERIAL_BYTES,
    SEALED_SECRET_BYTES,
    KeyPair,
    derive_secret,
    open_by,
    open_secret,
    seal_by,
    seal_secret,
)
from amanah_protocol.group.flat.members import Members, decode_members
from amanah_protocol.group.flat.schedule import Epoch, derive_epoch
from amanah_protocol.types import DeviceId, EnvelopeId, RoomId

VERSION: Final = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Binding:
    """What a welcome belongs to.

    Attributes:
        room: The room.
        create_id: Id of its create envelope.
        commit_id: Id of the commit envelope that added the devices.
        committer: Who sent both commit and welcome.
    """

    room: RoomId
    create_id: EnvelopeId
    commit_id: EnvelopeId
    committer: DeviceId

    @property
    def encoded(self) -> bytes:
        """Canonical CBOR of the four."""
        return cbor.encode([self.room, self.create_id, self.commit_id, self.committer])

    def context(self, reference: bytes) -> bytes:
        """What the secret for one key package is bound to."""
        return cbor.encode([self.encoded, reference])


@dataclass(frozen=True, slots=True, kw_only=True)
class EpochInfo:
    """What a joiner must know of the epoch that it enters.

    Attributes:
        epoch: Its number.
        origin: `Commit.origin` of the commit that began it.
        confirmation: As in the commit.
        members: The members in it.
    """

    epoch: int
    origin: bytes
    confirmation: bytes
    members: Members

    def encode(self) -> bytes:
        """Canonical CBOR of the four."""
        return cbor.encode([self.epoch, self.origin, self.confirmation, self.members.encoded])


@dataclass(frozen=True, slots=True, kw_only=True)
class Welcome:
    """A decoded welcome.

    Attributes:
        binding: What it belongs to.
        ephemeral: The X25519 public key that the secrets were sealed with.
        secrets: By reference of the key package, 48 bytes each.
        info: The sealed `EpochInfo`.
    """

    binding: Binding
    ephemeral: bytes
    secrets: dict[bytes, bytes]
    info: bytes

    def encode(self) -> bytes:
        """The sealed content of the welcome's envelope."""
        binding = self.binding
        secrets = [[reference, sealed] for reference, sealed in self.secrets.items()]
        return cbor.encode([
            VERSION, binding.room, binding.create_id, binding.commit_id, binding.committer,
            self.ephemeral, secrets, self.info,
        ])  # fmt: skip


def seal_welcome(
    secret: bytes, info: EpochInfo, *, binding: Binding, ephemeral: KeyPair, packages: Iterable[KeyPackage]
) -> Welcome:
    """Seal an epoch's secret to the devices added.

    The same ephemeral key may serve for another `binding`: every derived key is then another one.
    """
    secrets = {
        package.info.reference: seal_secret(
            secret,
            ephemeral=ephemeral,
            recipient=package.member.leaf,
            context=binding.context(package.info.reference),
        )
        for package in packages
    }
    sealed = seal_by(_info_material(secret, binding), info.encode(), binding.encoded)
    return Welcome(binding=binding, ephemeral=ephemeral.public, secrets=secrets, info=sealed)


def decode_welcome(data: bytes) -> Welcome:
    """Decode a welcome; what is sealed stays so.

    Raises:
        DecodeError: It does not parse, or names a key package twice.
    """
    f = cbor.Fields(cbor.decode(data, max_bytes=limits.MAX_HANDSHAKE_BYTES), 8, "welcome")
    if f.uint() != VERSION:
        raise DecodeError(Code.UNKNOWN_VERSION, "a welcome of another version")
    binding = Binding(
        room=RoomId(f.fixed(16)),
        create_id=EnvelopeId(f.fixed(32)),
        commit_id=EnvelopeId(f.fixed(32)),
        committer=DeviceId(f.fixed(32)),
    )
    ephemeral = f.fixed(32)
    items = f.array(limits.MAX_NAMED_DEVICES)
    secrets = dict(_decode_secret(item) for item in items)
    if len(secrets) != len(items):
        raise DecodeError(Code.BAD_TYPE, "welcome: a key package stands there twice")
    return Welcome(binding=binding, ephemeral=ephemeral, secrets=secrets, info=f.blob(limits.MAX_HANDSHAKE_BYTES))


def _decode_secret(item: cbor.Value) -> tuple[bytes, bytes]:
    f = cbor.Fields(item, 2, "secret of a welcome")
    return f.fixed(32), f.fixed(SEALED_SECRET_BYTES)


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Joined:
    """An opened welcome; the members' credentials are the caller's to check.

    Attributes:
        info: The epoch's number, origin and members.
        epoch: Its secrets.
        reference: The key package that was used.
        leaf: The key pair of it, now the own leaf key.
    """

    info: EpochInfo
    epoch: Epoch
    reference: bytes
    leaf: KeyPair


def open_welcome(welcome: Welcome, privates: Mapping[bytes, bytes]) -> Joined:
    """Open a welcome with the secret of the key package that it was sealed to.

    Args:
        welcome: The welcome.
        privates: Own key packages' secrets by reference; those used are there no more.

    Raises:
        DecodeError: What was sealed does not parse.
        VerifyError: `OPEN`, also when secret, members and confirmation do not belong together.
    """
    reference = next((reference for reference in welcome.secrets if reference in privates), None)
    if reference is None:
        raise VerifyError(Code.OPEN, "the welcome is not for this device, or its key package was used before")
    leaf = KeyPair.of(privates[reference])
    secret = open_secret(
        welcome.secrets[reference],
        ephemeral=welcome.ephemeral,
        recipient=leaf,
        context=welcome.binding.context(reference),
    )
    binding = welcome.binding
    info = _decode_info(open_by(_info_material(secret, binding), welcome.info, binding.encoded))
    epoch = derive_epoch(secret, room=binding.room, epoch=info.epoch, origin=info.origin, members=info.members)
    # Members that other members see otherwise give another confirmation, and messages that never open.
    if not same(epoch.confirmation, info.confirmation):
        raise VerifyError(Code.OPEN, "the welcome's secret is not that of the members it names")
    return Joined(info=info, epoch=epoch, reference=reference, leaf=leaf)


def _decode_info(data: bytes) -> EpochInfo:
    f = cbor.Fields(cbor.decode(data, max_bytes=limits.MAX_HANDSHAKE_BYTES), 4, "epoch of a welcome")
    return EpochInfo(
        epoch=f.uint(MAX_EPOCH),
        origin=f.fixed(32),
        confirmation=f.fixed(32),
        members=decode_members(f.blob(limits.MAX_HANDSHAKE_BYTES)),
    )


def _info_material(secret: bytes, binding: Binding) -> bytes:
    return derive_secret(secret, "welcome", binding.encoded, MATERIAL_BYTES)
