"""Our own engine as a member: it can do everything, and what it is told it does or fails."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from amanah_protocol.crypto import SigningKey
from amanah_protocol.mls import joining
from amanah_protocol.mls.codec import Reader, decode
from amanah_protocol.mls.credential import Credential, CredentialType, Extension, ExtensionType
from amanah_protocol.mls.framing import PrivateMessage, PublicMessage, decode_message, encode_message
from amanah_protocol.mls.group import Application, Group
from amanah_protocol.mls.group_context import GroupInfo, Welcome
from amanah_protocol.mls.kem import Random
from amanah_protocol.mls.key_package import KeyPackageBundle, make_key_package
from amanah_protocol.mls.leaf_node import MLS10, Capabilities, Identity
from amanah_protocol.mls.message_protection import Handshake
from amanah_protocol.mls.policy import EVERYTHING
from amanah_protocol.mls.proposals import Proposal
from amanah_protocol.mls.psk import ExternalPsk, PskId
from amanah_protocol.mls.suites import Suite
from tests.oracles.member import (
    CONTEXT,
    EXPORTED_BYTES,
    LABEL,
    MAX_BYTES,
    SPARE_EXTENSION,
    Ability,
    Committed,
    Framing,
    Outcome,
    Outside,
    View,
)

EVERY_ABILITY: Final = ~Ability.PROPOSE_SELF
"""A newcomer of ours does not propose itself: the engine takes such proposals and makes none."""


def handshake(message: bytes) -> Handshake:
    """Decode a message that may hold a proposal or a commit."""
    decoded = decode_message(message, MAX_BYTES)
    assert isinstance(decoded, PublicMessage | PrivateMessage)
    return decoded


class Ours:
    """A member on our engine."""

    engine = "ours"
    abilities = EVERY_ABILITY

    def __init__(self, suite: Suite, name: bytes, outside: Outside, random: Random) -> None:
        """Make up a client that is in no group yet."""
        self.name, self._suite, self._outside, self._random = name, suite, outside, random
        self.seed: Final = random(32)
        key = SigningKey(self.seed)
        self.signature_key = key.public
        self.identity: Final = Identity(
            key=key,
            credential=Credential(CredentialType.BASIC, name),
            capabilities=Capabilities((MLS10,), (suite.number,), (SPARE_EXTENSION,), (), (CredentialType.BASIC,)),
        )
        self.app: Final = Application(key=key, policy=EVERYTHING, find_psk=self._find_psk)
        self.bundle: KeyPackageBundle | None = None
        self.published = b""
        self._group: Group | None = None
        self._next: Group | None = None

    @property
    def group(self) -> Group:
        """The group it is in."""
        assert self._group is not None
        return self._group

    def _find_psk(self, psk: PskId) -> bytes | None:
        return self._outside.keys.get(psk.id) if isinstance(psk, ExternalPsk) else None

    def key_package(self) -> bytes:
        lifetime = self._outside.lifetime
        self.bundle = make_key_package(self._suite, self.identity, lifetime, last_resort=False, random=self._random)
        self.published = encode_message(self.bundle.public)
        return self.published

    def create(self, group_id: bytes) -> None:
        lifetime = self._outside.lifetime
        self._group = Group.create(
            self._suite, group_id, self.identity, app=self.app, lifetime=lifetime, random=self._random
        )

    def join(self, welcome: bytes, tree: bytes | None) -> None:
        decoded = decode_message(welcome, MAX_BYTES)
        assert isinstance(decoded, Welcome)
        assert self.bundle is not None
        opened = joining.open_welcome(decoded, [self.bundle], self._suite, self._find_psk)
        self._group, _ = Group.join(opened, tree, self.app)

    def restart(self) -> None:
        """Be born again out of the stored state, the commit in flight included."""
        stored = self.group.epoch_state(), self.group.message_state()
        self._group = Group.restore(*stored, self.app, {self._suite.number: self._suite}.get)

    def propose(self, proposal: Proposal, framing: Framing) -> bytes:
        return self.group.propose(
            proposal,
            random=self._random,
            public=framing.public,
            authenticated_data=framing.authenticated_data,
        )

    def propose_update(self, framing: Framing) -> bytes:
        return self.group.propose_update(
            self.identity,
            random=self._random,
            public=framing.public,
            authenticated_data=framing.authenticated_data,
        )

    def commit(self, proposals: Sequence[Proposal], framing: Framing, *, renew: bool, tree_inside: bool) -> Committed:
        staged = self.group.commit(
            proposals,
            random=self._random,
            public=framing.public,
            authenticated_data=framing.authenticated_data,
            with_path=renew,
        )
        welcome = None
        if staged.newcomers:
            extensions = [joining.ratchet_tree(staged.tree)] if tree_inside else []
            welcome = staged.welcome(extensions, key=self.app.key, random=self._random)
        tree = None if tree_inside else staged.tree.encode()
        return Committed(message=staged.message, welcome=welcome, tree=tree)

    def merge(self) -> None:
        if self._next is not None:
            self._group, self._next = self._next, None
        else:
            self.group.merge()

    def discard(self) -> None:
        self.group.discard()

    def take_proposal(self, message: bytes) -> None:
        self.group.take_proposal(handshake(message))

    def take_commit(self, message: bytes) -> Outcome:
        entered = self.group.apply(self.group.take_commit(handshake(message)))
        return Outcome.ENTERED if entered else Outcome.REMOVED

    def seal(self, data: bytes, authenticated_data: bytes) -> bytes:
        return self.group.seal(data, random=self._random, authenticated_data=authenticated_data)

    def open(self, message: bytes) -> tuple[bytes, bytes]:
        decoded = decode_message(message, MAX_BYTES)
        assert isinstance(decoded, PrivateMessage)
        received = self.group.open(decoded)
        return received.data, received.authenticated_data

    def view(self) -> View:
        return view_of(self.group)

    def group_info(self, *, tree_inside: bool, bare: bool) -> bytes:
        key = self.group.external_pub()
        if bare:
            key = Extension(ExtensionType.EXTERNAL_PUB, decode(key.data, Reader.opaque))
        return self.group.group_info([key, joining.ratchet_tree(self.group.tree)] if tree_inside else [key])

    def join_by_commit(self, info: bytes, tree: bytes | None, *, again: bool, authenticated_data: bytes) -> bytes:
        decoded = decode_message(info, MAX_BYTES)
        assert isinstance(decoded, GroupInfo)
        request = joining.Request(
            suite=self._suite,
            identity=self.identity,
            removes=self.group.own_leaf if again else None,
            authenticated_data=authenticated_data,
        )
        self._next, message = Group.join_by_commit(decoded, tree, request, self.app, random=self._random)
        return message

    def propose_self(self, info: bytes) -> bytes:
        raise NotImplementedError

    def close(self) -> None:
        """Nothing is held outside."""


def view_of(group: Group) -> View:
    """What a group of ours shows of its epoch."""
    return View(
        tree=group.tree.encode(),
        exported=group.export(LABEL.encode(), CONTEXT, EXPORTED_BYTES),
        authenticator=group.epoch_authenticator,
    )
