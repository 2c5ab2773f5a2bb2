"""Somebody who copied all that a device stored, and is told everything else that is not a key.

It knows every key package, tree, group context and reuse guard, and where in a message each key would fit. It never
sends anything. What it cannot open with that, a real one cannot.
"""

from __future__ import annotations

import gc
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, fields, replace
from types import BuiltinFunctionType, FunctionType, ModuleType

from amanah_protocol.errors import PeerError
from amanah_protocol.group.room_group import RoomGroup, open_tree, split_state
from amanah_protocol.limits import MAX_HANDSHAKE_BYTES
from amanah_protocol.mls.framing import AuthenticatedContent, PrivateMessage, decode_message
from amanah_protocol.mls.group_context import GroupContext, Welcome
from amanah_protocol.mls.key_schedule import NO_SECRET, derive_epoch, derive_joiner_secret, derive_welcome_keys
from amanah_protocol.mls.labelled import decrypt_with_label, derive_tree_secret, expand_with_label
from amanah_protocol.mls.message_protection import Sealer
from amanah_protocol.mls.proposals import Commit
from amanah_protocol.mls.receiving import open_private
from amanah_protocol.mls.secret_tree import MessageKey, SenderData
from amanah_protocol.mls.stored import State, decode_state
from amanah_protocol.mls.suites import HASH_BYTES, Suite
from amanah_protocol.mls.treekem import path_secrets
from tests.protocol.group.circle import SUITES

GENERATIONS = 4
LEVELS = 4


def bytes_in(thing: object) -> set[bytes]:
    """Every byte string that can be reached from an object, code left out."""
    found, seen, todo = set[bytes](), set[int](), [thing]
    while todo:
        item = todo.pop()
        if id(item) in seen or isinstance(item, type | ModuleType | FunctionType | BuiltinFunctionType):
            continue
        seen.add(id(item))
        if isinstance(item, bytes):
            found.add(item)
        todo += gc.get_referents(item)
    return found


def state_of(group: RoomGroup) -> State:
    """What a group stores, taken apart."""
    _, encoded = split_state(group.epoch_state())
    return decode_state(encoded, group.message_state(), SUITES.get)


def epoch_secrets(state: State) -> set[bytes]:
    """Secrets of the epoch itself and its message keys."""
    found = {getattr(state.epoch.secrets, field.name) for field in fields(state.epoch.secrets)}
    return {secret for secret in found | bytes_in(state.messages) - bytes_in(state.epoch.suite) if secret}


def secrets(state: State) -> set[bytes]:
    """All that is secret in a state."""
    found = epoch_secrets(state) | set(state.epoch.privates.values())
    if state.pending is not None:
        entry = state.pending.entry
        ahead = replace(state, epoch=entry.epoch, messages=entry.messages, pending=None)
        found |= secrets(ahead) | {entry.joiner_secret}
        found |= {newcomer.path_secret for newcomer in state.pending.newcomers if newcomer.path_secret is not None}
    return found


def inside(reader: RoomGroup, sealed: bytes) -> tuple[AuthenticatedContent, SenderData]:
    """What a member finds in something sealed, without its state being changed."""
    state = state_of(reader)
    message = private(sealed)
    sealer = Sealer(
        suite=state.epoch.suite,
        sender_data_secret=state.epoch.secrets.sender_data_secret,
        tree=state.messages,
        padding=0,
    )
    opened, _ = open_private(message, state.epoch, sealer)
    return opened, sealer.open_sender(message)


def private(sealed: bytes) -> PrivateMessage:
    """A sealed message, as everybody sees it."""
    message = decode_message(sealed, MAX_HANDSHAKE_BYTES)
    assert isinstance(message, PrivateMessage)
    return message


@dataclass(frozen=True, slots=True, kw_only=True)
class Thief:
    """Attributes: the suite, and every secret that was taken."""

    suite: Suite
    loot: frozenset[bytes]

    @classmethod
    def of(cls, *groups: RoomGroup, more: Iterable[bytes] = ()) -> Thief:
        """Whoever copied the state of these groups now."""
        states = [state_of(group) for group in groups]
        return cls(suite=states[0].epoch.suite, loot=frozenset[bytes](more).union(*map(secrets, states)))

    def _long(self) -> list[bytes]:
        return [secret for secret in self.loot if len(secret) == HASH_BYTES]

    # ---- messages

    def keys(self) -> Iterator[MessageKey]:
        """Message keys: those taken, and those that follow from what was taken."""
        aead = self.suite.aead
        nonces = [item for item in self.loot if len(item) == aead.nonce_bytes]
        keys = [item for item in self.loot if len(item) == aead.key_bytes]
        yield from (MessageKey(key, nonce) for key in keys for nonce in nonces)
        secrets = self._long()
        for _ in range(LEVELS):
            for secret in secrets:
                yield from self._ratchet(secret)
                for label in (b"handshake", b"application"):
                    yield from self._ratchet(expand_with_label(secret, label, b"", HASH_BYTES))
            secrets = [
                expand_with_label(secret, b"tree", side, HASH_BYTES)
                for secret in secrets
                for side in (b"left", b"right")
            ]

    def _ratchet(self, secret: bytes) -> Iterator[MessageKey]:
        """The chain from a secret on, of whichever generation it is."""
        aead = self.suite.aead
        for first in range(GENERATIONS):
            at = secret
            for generation in range(first, GENERATIONS):
                yield MessageKey(
                    derive_tree_secret(at, b"key", generation, aead.key_bytes),
                    derive_tree_secret(at, b"nonce", generation, aead.nonce_bytes),
                )
                at = derive_tree_secret(at, b"secret", generation, HASH_BYTES)

    def opens(self, sealed: bytes, data: SenderData) -> bool:
        """Whether it opens a message, being told its reuse guard."""
        message = private(sealed)
        return any(opens_with(self.suite, key, message, data) for key in self.keys())

    # ---- commits and welcomes

    def enters(self, commit: Commit, before: GroupContext, after: GroupContext, authenticator: bytes) -> bool:
        """Whether it follows a commit into the epoch with this authenticator."""
        provisional = replace(after, confirmed_transcript_hash=before.confirmed_transcript_hash).encode()
        commit_secrets = {NO_SECRET, *self._long()}
        for at, node in enumerate(() if commit.path is None else commit.path.nodes):
            left = len(commit.path.nodes) - at if commit.path is not None else 0
            for sealed in node.secrets:
                for key in self._long():
                    try:
                        found = decrypt_with_label(self.suite, key, b"UpdatePathNode", provisional, sealed)
                    except PeerError:
                        continue
                    commit_secrets.add(path_secrets(self.suite, found, left)[1])
        return any(
            derive_epoch(
                derive_joiner_secret(init, secret, after.encode()), NO_SECRET, after.encode()
            ).epoch_authenticator
            == authenticator
            for init in self._long()
            for secret in commit_secrets
        )

    def joins(self, welcome: bytes) -> bool:
        """Whether it opens anything of a welcome."""
        found = decode_message(welcome, MAX_HANDSHAKE_BYTES)
        assert isinstance(found, Welcome)
        info = found.encrypted_group_info
        for secret in self._long():
            keys = derive_welcome_keys(self.suite, secret, NO_SECRET)
            if _succeeds(lambda: self.suite.aead.open(keys.key, keys.nonce, info, b"")):  # noqa: B023 - called at once
                return True
            for sealed in found.secrets:
                if _succeeds(lambda: decrypt_with_label(self.suite, secret, b"Welcome", info, sealed.sealed)):  # noqa: B023 - called at once
                    return True
        return False

    def sees_tree(self, sealed: bytes) -> bool:
        """Whether it opens a tree beside a welcome."""
        return any(_succeeds(lambda: open_tree(self.suite, seed, sealed)) for seed in self._long())  # noqa: B023 - called at once


def opens_with(suite: Suite, key: MessageKey, message: PrivateMessage, data: SenderData) -> bool:
    """Whether a message key is that of a message."""
    nonce = data.guard(key.nonce)
    return _succeeds(lambda: suite.aead.open(key.key, nonce, message.ciphertext, message.content_aad()))


def _succeeds(attempt: object) -> bool:
    assert callable(attempt)
    try:
        attempt()
    except PeerError:
        return False
    return True
