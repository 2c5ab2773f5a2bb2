"""Everything a group is on one device, and its stored form.

    state = [ 0xF0FF, 1, room: bstr .size 16, epoch: uint, device: bstr .size 32, members: bstr,
              keys: [ leaf: bstr .size 32, exporter: bstr .size 32, chains: [* chain] ] / null,
              pending: [ sealed: bstr, secret: bstr, leaf: bstr, ephemeral: bstr ] / null ]
    chain = [ next: uint, key: bstr .size 32, skipped: [* [generation: uint, material: bstr .size 44]] ]

`keys` is null after the own removal. The suite stands first: every engine's state starts with it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final

from amanah_protocol import cbor, limits
from amanah_protocol.errors import Code, DecodeError, VerifyError
from amanah_protocol.group.flat.commit import MAX_EPOCH
from amanah_protocol.group.flat.keys import MATERIAL_BYTES, KeyPair
from amanah_protocol.group.flat.members import Members, decode_members
from amanah_protocol.group.flat.ratchet import Chain
from amanah_protocol.group.flat.schedule import Epoch
from amanah_protocol.group.flat.staged import StagedCommit, restore_staged
from amanah_protocol.group.suites import FLAT
from amanah_protocol.types import DeviceId, RoomId

VERSION: Final = 1
_MAX_STATE_BYTES: Final = 32 * limits.MIB
"""A thousand members with the longest certificates, all skipped keys and a pending commit."""


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class EpochKeys:
    """What a member of the epoch holds.

    Attributes:
        leaf: The own leaf key.
        exporter: 32 bytes.
        chains: Every sender's chain, the own included, in order of leaves.
    """

    leaf: KeyPair
    exporter: bytes
    chains: Mapping[DeviceId, Chain]

    @classmethod
    def of(cls, epoch: Epoch, leaf: KeyPair) -> EpochKeys:
        """The keys on entering an epoch."""
        return cls(leaf=leaf, exporter=epoch.exporter, chains=epoch.chains)

    def with_chain(self, sender: DeviceId, chain: Chain) -> EpochKeys:
        """The same with one sender's chain moved on."""
        return replace(self, chains={**self.chains, sender: chain})


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class GroupState:
    """A group on one device.

    Attributes:
        room: The group id.
        epoch: The current epoch.
        device: This device.
        members: Who is in.
        keys: What this device holds of the epoch; None once it was removed.
        pending: The own commit in flight.
    """

    room: RoomId
    epoch: int
    device: DeviceId
    members: Members
    keys: EpochKeys | None
    pending: StagedCommit | None = None

    def encode(self) -> bytes:
        """The stored form. Secret."""
        keys = None if self.keys is None else _keys_record(self.keys)
        pending = None if self.pending is None else self.pending.record()
        return cbor.encode([
            FLAT, VERSION, self.room, self.epoch, self.device, self.members.encoded, keys, pending
        ])  # fmt: skip


def _keys_record(keys: EpochKeys) -> list[object]:
    chains = [
        [chain.next, chain.key, [[generation, material] for generation, material in chain.skipped.items()]]
        for chain in keys.chains.values()
    ]
    return [keys.leaf.private, keys.exporter, chains]


def decode_state(data: bytes) -> GroupState:
    """Decode a stored state.

    Raises:
        DecodeError: `SUITE` when it is another engine's, `UNKNOWN_VERSION` when it is a newer one's,
            else it is damaged.
    """
    value = cbor.decode(data, max_bytes=_MAX_STATE_BYTES)
    start = cbor.Fields(value, None, "group state")
    if start.uint() != FLAT:
        raise DecodeError(Code.SUITE, "the stored group is of another suite; its room cannot be continued here")
    if start.uint() != VERSION:
        raise DecodeError(Code.UNKNOWN_VERSION, "the stored group is of another version")
    f = cbor.Fields(value, 8, "group state")
    f.next()
    f.next()
    room, epoch, device = RoomId(f.fixed(16)), f.uint(MAX_EPOCH), DeviceId(f.fixed(32))
    members = decode_members(f.blob(limits.MAX_TREE_BYTES))
    keys, pending = f.next(), f.next()
    return GroupState(
        room=room,
        epoch=epoch,
        device=device,
        members=members,
        keys=None if keys is None else _decode_keys(keys, members),
        pending=None if pending is None else _decode_pending(pending, members, device),
    )


def _decode_keys(value: cbor.Value, members: Members) -> EpochKeys:
    f = cbor.Fields(value, 3, "keys of an epoch")
    leaf, exporter = KeyPair.of(f.fixed(32)), f.fixed(32)
    chains = [_decode_chain(item) for item in f.array(limits.MAX_MEMBERS)]
    if len(chains) != len(members.leaves):
        raise DecodeError(Code.BAD_TYPE, "group state: there is one chain for each member")
    return EpochKeys(leaf=leaf, exporter=exporter, chains=dict(zip(members.by_device, chains, strict=True)))


def _decode_chain(value: cbor.Value) -> Chain:
    f = cbor.Fields(value, 3, "chain")
    generation, key = f.uint(), f.fixed(32)
    skipped = [_decode_skipped(item) for item in f.array(limits.MAX_SKIPPED_KEYS)]
    passed = [place for place, _ in skipped]
    if passed != sorted(set(passed)) or (passed and passed[-1] >= generation):
        raise DecodeError(Code.BAD_TYPE, "group state: skipped keys ascend and lie behind the chain")
    return Chain(next=generation, key=key, skipped=dict(skipped))


def _decode_skipped(value: cbor.Value) -> tuple[int, bytes]:
    f = cbor.Fields(value, 2, "skipped key")
    return f.uint(), f.fixed(MATERIAL_BYTES)


def _decode_pending(value: cbor.Value, members: Members, device: DeviceId) -> StagedCommit:
    try:
        return restore_staged(value, members, device)
    except VerifyError as error:
        raise DecodeError(Code.MALFORMED, "group state: the pending commit is damaged") from error
