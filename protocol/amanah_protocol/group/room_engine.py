"""The engine of a room suite: makes key packages and groups of MLS (RFC 9420)."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Final

from amanah_protocol import limits
from amanah_protocol.crypto import SigningKey
from amanah_protocol.errors import Code, DecodeError, VerifyError
from amanah_protocol.group.leaves import check_device, credential_of, identity_of, lifetime_of
from amanah_protocol.group.room_group import RoomGroup, open_tree, split_state
from amanah_protocol.group.seam import (
    Binding,
    CheckCredential,
    Credential,
    KeyPackageInfo,
    OwnKeyPackage,
    Random,
)
from amanah_protocol.identity import decode_certificate
from amanah_protocol.kinds import MediaType
from amanah_protocol.mls.checks import Ground, check_key_package, check_leaf
from amanah_protocol.mls.codec import Reader, decode, opaque
from amanah_protocol.mls.credential import Extension, ExtensionType, find_extension
from amanah_protocol.mls.framing import decode_message
from amanah_protocol.mls.group import Application, Group, no_psk
from amanah_protocol.mls.group_context import GroupInfo, Welcome
from amanah_protocol.mls.joining import OpenedWelcome, open_welcome
from amanah_protocol.mls.key_package import KeyPackageBundle, decode_key_package, make_key_package
from amanah_protocol.mls.leaf_node import LeafNode
from amanah_protocol.mls.rules import InvalidError, Rule
from amanah_protocol.mls.suites import HASH_BYTES, Suite
from amanah_protocol.types import DeviceId, RoomId

_LONGEST_S: Final = limits.KEY_PACKAGE_MS // 1000


class RoomEngine:
    """A `seam.Engine` of one suite."""

    __slots__ = ("_suite",)

    def __init__(self, suite: Suite) -> None:
        """Of a suite that rooms may have."""
        self._suite = suite

    @property
    def suite(self) -> int:
        """The suite's number."""
        return self._suite.number

    @property
    def media_type(self) -> MediaType:
        """`message/mls`."""
        return MediaType.MLS

    def make_key_package(
        self, key: SigningKey, credential: Credential, *, now_ms: int, last_resort: bool, random: Random
    ) -> OwnKeyPackage:
        """A fresh key package: valid from an hour back, at most 84 days, inside the certificate.

        Raises:
            DecodeError: The own certificate does not parse.
            UsageError: `EXPIRED` when it is not valid now, `KEY_ID` when it is not this key's.
        """
        lifetime = lifetime_of(key, credential, now_ms)
        identity = identity_of(key, credential)
        bundle = make_key_package(self._suite, identity, lifetime, last_resort=last_resort, random=random)
        public = bundle.public.encode()
        private = opaque(public) + opaque(bundle.init_private) + opaque(bundle.leaf_private)
        return OwnKeyPackage(public=public, private=private, reference=bundle.public.reference)

    def key_package_info(self, public: bytes) -> KeyPackageInfo:
        """Decode a key package and verify its signatures by the device key of its certificate.

        Raises:
            DecodeError: It does not parse.
            VerifyError: The rule that is broken, or `KEY_ID` when the certificate is another device's.
        """
        if len(public) > limits.MAX_KEY_PACKAGE_BYTES:
            raise DecodeError(Code.TOO_LARGE, f"a key package has at most {limits.MAX_KEY_PACKAGE_BYTES} bytes")
        package = decode_key_package(public)
        check_key_package(package, self._suite)
        leaf, lifetime = package.leaf_node, package.leaf_node.lifetime
        check_leaf(leaf, Ground(suite=self._suite, group_id=b"", extensions=(), authenticate=_by_its_own_word), 0)
        if lifetime is None or not 0 < lifetime.not_after - lifetime.not_before <= _LONGEST_S:
            raise InvalidError(Rule.LEAF_LIFETIME_RANGE)
        return KeyPackageInfo(
            suite=package.suite,
            credential=credential_of(leaf),
            not_before_ms=lifetime.not_before * 1000,
            not_after_ms=lifetime.not_after * 1000,
            last_resort=package.last_resort,
            reference=package.reference,
        )

    def create(
        self, room: RoomId, key: SigningKey, credential: Credential, *, policy: bytes, now_ms: int, random: Random
    ) -> RoomGroup:
        """A group at epoch 0 with its creator alone.

        Raises:
            DecodeError: The own certificate does not parse.
            UsageError: `EXPIRED` when it is not valid now, `KEY_ID` when it is not this key's.
        """
        lifetime = lifetime_of(key, credential, now_ms)

        def make(app: Application) -> Group:
            return Group.create(
                self._suite,
                room,
                identity_of(key, credential),
                app=app,
                lifetime=lifetime,
                random=random,
                extensions=(Extension(ExtensionType.ROOM_POLICY, policy),),
            )

        return RoomGroup(make, key)

    def join(
        self,
        sealed: bytes,
        tree: bytes | None,
        binding: Binding,
        *,
        privates: Mapping[bytes, bytes],
        key: SigningKey,
        check: CheckCredential,
    ) -> tuple[RoomGroup, bytes | None]:
        """Join by a welcome.

        Args:
            sealed: Sealed content of the welcome envelope.
            tree: The sealed tree fetched beside it.
            binding: What the welcome has to belong to.
            privates: Own key packages' secrets by reference; those used before must be gone.
            key: The device's signing key.
            check: Called for every member's credential, the own included.

        Returns:
            The group, and the reference of the key package used, whose secret is to be deleted; None where it was
            a last-resort one, which may be used again.

        Raises:
            DecodeError: It does not parse.
            VerifyError: The rule that is broken; `BINDING` when it names another room, policy, create, commit or
                sender, or comes without its tree; `KEY_ID` when it is to a key package of another device than `key`'s;
                what `check` raises.
        """
        welcome = decode_message(sealed, limits.MAX_HANDSHAKE_BYTES)
        if not isinstance(welcome, Welcome):
            raise DecodeError(Code.BAD_TYPE, "the content of a welcome envelope is a Welcome")
        held = [privates[secret.new_member] for secret in welcome.secrets if secret.new_member in privates]
        bundles = [decode(private, _read_bundle) for private in held]
        opened = open_welcome(welcome, bundles, self._suite, no_psk)
        _check_binding(opened.info, binding)
        ratchet_tree = self._open_tree(opened, tree)

        def make(app: Application) -> Group:
            joining = Application(key=key, policy=app.policy, authenticate=partial(_by_check, check))
            joined, _ = Group.join(opened, ratchet_tree, joining)
            return joined.with_application(app)

        group = RoomGroup(make, key)
        if group.own_device != key.key_id:
            raise VerifyError(Code.KEY_ID, "the welcome is to a key package of another device")
        _check_signer(opened.info, group, binding.sender)
        package = opened.bundle.public
        return group, None if package.last_resort else package.reference

    def _open_tree(self, opened: OpenedWelcome, sealed: bytes | None) -> bytes:
        seed = find_extension(opened.info.extensions, ExtensionType.ROOM_TREE_KEY)
        if sealed is None or seed is None or len(seed) != HASH_BYTES:
            raise VerifyError(Code.BINDING, "the welcome comes without its tree")
        return open_tree(self._suite, seed, sealed)

    def restore(self, epoch_state: bytes, message_state: bytes, key: SigningKey) -> RoomGroup:
        """The group of a stored state.

        Raises:
            DecodeError: `SUITE` when it is of another suite, `KEY_ID` when it is another device's,
                `UNKNOWN_VERSION`, else it is damaged.
        """
        seed, state = split_state(epoch_state)

        def make(app: Application) -> Group:
            return Group.restore(state, message_state, app, self._suite_of)

        group = RoomGroup(make, key, seed)
        if not group.whole:
            raise DecodeError(Code.MALFORMED, "the stored group and its pending commit do not belong together")
        if group.own_device != key.key_id:
            raise DecodeError(Code.KEY_ID, "the stored group is another device's")
        return group

    def _suite_of(self, number: int) -> Suite | None:
        return self._suite if number == self._suite.number else None


def _read_bundle(reader: Reader) -> KeyPackageBundle:
    return KeyPackageBundle(
        public=decode_key_package(reader.opaque()), init_private=reader.opaque(), leaf_private=reader.opaque()
    )


def _by_its_own_word(leaf: LeafNode, _: LeafNode | None) -> None:
    """The certificate in a key package is of the key that signed it; its chain is the caller's to check."""
    check_device(leaf, lambda credential: decode_certificate(credential.certificate).device_id)


def _by_check(check: CheckCredential, leaf: LeafNode, _: LeafNode | None) -> None:
    check_device(leaf, check)


def _check_binding(info: GroupInfo, binding: Binding) -> None:
    context = info.context
    found = (
        context.group_id,
        context.extensions,
        find_extension(info.extensions, ExtensionType.ROOM_BINDING),
    )
    policy = (Extension(ExtensionType.ROOM_POLICY, binding.policy),)
    if found != (binding.room, policy, binding.create_id + binding.commit_id):
        raise VerifyError(Code.BINDING, "the welcome belongs to another room, policy, create or commit")
    if find_extension(info.extensions, ExtensionType.RATCHET_TREE) is not None:
        raise VerifyError(Code.BINDING, "the tree of a room travels beside its welcome")


def _check_signer(info: GroupInfo, group: RoomGroup, sender: DeviceId) -> None:
    if group.device_at(info.signer) != sender:
        raise VerifyError(Code.BINDING, "the welcome was made by another device than its envelope says")
