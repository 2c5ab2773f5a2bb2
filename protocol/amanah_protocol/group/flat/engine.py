"""The engine: makes key packages and groups of suite 0xF0FF."""

from __future__ import annotations

from collections.abc import Mapping

from amanah_protocol.crypto import KEY_BYTES, SigningKey
from amanah_protocol.errors import Code, DecodeError, VerifyError
from amanah_protocol.group.flat.group import FlatGroup
from amanah_protocol.group.flat.keypackage import make_key_package, own_device, verify_key_package
from amanah_protocol.group.flat.keys import KeyPair
from amanah_protocol.group.flat.members import Member, Members, check_member
from amanah_protocol.group.flat.schedule import derive_epoch
from amanah_protocol.group.flat.state import EpochKeys, GroupState, decode_state
from amanah_protocol.group.flat.welcome import Binding, decode_welcome, open_welcome
from amanah_protocol.group.seam import CheckCredential, Credential, KeyPackageInfo, OwnKeyPackage, Random
from amanah_protocol.group.suites import FLAT
from amanah_protocol.kinds import MediaType
from amanah_protocol.types import ZERO_32, DeviceId, EnvelopeId, RoomId


class FlatEngine:
    """A `seam.Engine`; it holds nothing."""

    __slots__ = ()

    @property
    def suite(self) -> int:
        """0xF0FF."""
        return FLAT

    @property
    def media_type(self) -> MediaType:
        """`application/vnd.amanah.flat`."""
        return MediaType.FLAT

    def make_key_package(
        self, key: SigningKey, credential: Credential, *, now_ms: int, last_resort: bool, random: Random
    ) -> OwnKeyPackage:
        """A fresh key package: valid from an hour back, at most 84 days, inside the certificate.

        Raises:
            DecodeError: The own certificate does not parse.
            UsageError: `EXPIRED` when it is not valid now, `KEY_ID` when it is not this key's.
        """
        return make_key_package(key, credential, now_ms=now_ms, last_resort=last_resort, random=random)

    def key_package_info(self, public: bytes) -> KeyPackageInfo:
        """Decode a key package and verify its signature by the device key of its certificate.

        Raises:
            DecodeError: It does not parse, or is of another suite (`SUITE`).
            VerifyError: `SIGNATURE` or `KEY_ID`.
        """
        return verify_key_package(public).info

    def create(self, room: RoomId, key: SigningKey, credential: Credential, *, random: Random) -> FlatGroup:
        """A group at epoch 0 with its creator alone.

        Raises:
            DecodeError: The own certificate does not parse.
            UsageError: `KEY_ID` when it is not this key's.
        """
        device = own_device(key, credential).device_id
        leaf = KeyPair.generate(random)
        members = Members(leaves=(Member(device=device, credential=credential, leaf=leaf.public),))
        epoch = derive_epoch(random(KEY_BYTES), room=room, epoch=0, origin=ZERO_32, members=members)
        return FlatGroup(GroupState(room=room, epoch=0, device=device, members=members, keys=EpochKeys.of(epoch, leaf)))

    def join(
        self,
        sealed: bytes,
        tree: bytes | None,
        *,
        room: RoomId,
        create_id: EnvelopeId,
        commit_id: EnvelopeId,
        sender: DeviceId,
        privates: Mapping[bytes, bytes],
        key: SigningKey,
        check: CheckCredential,
    ) -> tuple[FlatGroup, bytes]:
        """Join by a welcome.

        Args:
            sealed: Sealed content of the welcome envelope.
            tree: Must be None: this engine has none.
            room: The room of the envelope.
            create_id: Id of the room's create envelope as logged.
            commit_id: Id of the commit envelope that added this device.
            sender: `kid` of the welcome.
            privates: Own key packages' secrets by reference; those used before must be gone.
            key: The device's signing key.
            check: Called for every member's credential, the own included.

        Returns:
            The group, and the reference of the key package used, whose secret is to be deleted.

        Raises:
            DecodeError: It does not parse.
            VerifyError: `BINDING` when it names another room, create, commit or sender, when a tree
                is given, or when sender or own leaf are not among the members; `OPEN`; `KEY_ID`;
                what `check` raises.
        """
        welcome = decode_welcome(sealed)
        binding = Binding(room=room, create_id=create_id, commit_id=commit_id, committer=sender)
        if welcome.binding != binding or tree is not None:
            raise VerifyError(Code.BINDING, "the welcome belongs to another room, create, commit or sender")
        joined = open_welcome(welcome, privates)
        members, device = joined.info.members, DeviceId(key.key_id)
        own = members.by_device.get(device)
        if own is None or own.leaf != joined.leaf.public or sender not in members.by_device:
            raise VerifyError(Code.BINDING, "sender or own leaf are not among the members of the welcome")
        for member in members.leaves:
            check_member(member.device, member.credential, check)
        keys = EpochKeys.of(joined.epoch, joined.leaf)
        state = GroupState(room=room, epoch=joined.info.epoch, device=device, members=members, keys=keys)
        return FlatGroup(state), joined.reference

    def restore(self, state: bytes, key: SigningKey) -> FlatGroup:
        """The group of a stored `Group.state()`.

        Raises:
            DecodeError: `SUITE` when the state is another engine's, `KEY_ID` when it is another
                device's, `UNKNOWN_VERSION`, else it is damaged.
        """
        restored = decode_state(state)
        if restored.device != key.key_id:
            raise DecodeError(Code.KEY_ID, "the stored group is another device's")
        return FlatGroup(restored)
