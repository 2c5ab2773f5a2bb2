"""The secret tree (RFC 9420 section 9): one key and nonce for each message of each member, each deleted once used.

    encryption_secret -> node secrets -> two ratchets a leaf -> generation 0, 1, 2, ...

Asking for a key changes nothing; only `apply` of what came out does. A message that does not open leaves no trace.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum
from typing import Final, NamedTuple

from amanah_protocol.errors import Code, DecodeError
from amanah_protocol.limits import MAX_FORWARD_GENERATIONS, MAX_SKIPPED_KEYS
from amanah_protocol.mls import tree_math
from amanah_protocol.mls.codec import Reader, opaque, u32, vector
from amanah_protocol.mls.labelled import derive_tree_secret, expand_with_label
from amanah_protocol.mls.rules import InvalidError, Rule
from amanah_protocol.mls.suites import HASH_BYTES, Suite

MAX_GENERATION: Final = (1 << 32) - 1


class RatchetKind(IntEnum):
    """What a ratchet's keys are for: application messages, or proposals and commits."""

    HANDSHAKE = 0
    APPLICATION = 1


_LABELS: Final = {RatchetKind.HANDSHAKE: b"handshake", RatchetKind.APPLICATION: b"application"}


class MessageKey(NamedTuple):
    """What one message is sealed with; the nonce is still to be mixed with the reuse guard."""

    key: bytes
    nonce: bytes

    def __repr__(self) -> str:
        return "MessageKey()"


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Ratchet:
    """One member's chain of keys (section 9.1).

    Attributes:
        next: The first generation whose key was not derived yet.
        secret: Secret of that generation.
        skipped: Keys that were passed over and not used, ascending; at most 32.
    """

    next: int
    secret: bytes
    skipped: Mapping[int, MessageKey]

    def take(self, suite: Suite, generation: int) -> tuple[MessageKey, Ratchet]:
        """The key of a generation, and the ratchet without it.

        Raises:
            InvalidError: `GENERATION_USED` when it was taken, or passed over too long ago;
                `GENERATION_AHEAD` when more than 1,000 would be skipped (attack 25). Checked before
                anything is derived.
        """
        if generation < self.next:
            found = self.skipped.get(generation)
            if found is None:
                raise InvalidError(Rule.GENERATION_USED)
            left = {number: key for number, key in self.skipped.items() if number != generation}
            return found, Ratchet(next=self.next, secret=self.secret, skipped=left)
        if generation - self.next > MAX_FORWARD_GENERATIONS or generation == MAX_GENERATION:
            raise InvalidError(Rule.GENERATION_AHEAD)
        secret, skipped = self.secret, dict(self.skipped)
        for number in range(self.next, generation):
            # Only the newest of what is passed over is kept: the others need no keys, the chain alone goes on.
            if generation - number <= MAX_SKIPPED_KEYS:
                skipped[number] = _message_key(suite, secret, number)
            secret = derive_tree_secret(secret, b"secret", number, HASH_BYTES)
        key = _message_key(suite, secret, generation)
        secret = derive_tree_secret(secret, b"secret", generation, HASH_BYTES)
        kept = dict(list(skipped.items())[-MAX_SKIPPED_KEYS:])
        return key, Ratchet(next=generation + 1, secret=secret, skipped=kept)

    @classmethod
    def read(cls, reader: Reader, suite: Suite) -> Ratchet:
        """Decode a stored one."""
        upcoming, secret = reader.uint(4), reader.exactly(HASH_BYTES, "a ratchet's secret")
        skipped = reader.vector(lambda item: (item.uint(4), _read_message_key(item, suite)))
        return cls(next=upcoming, secret=secret, skipped=dict(skipped))

    def encode(self) -> bytes:
        """The stored form. Secret."""
        skipped = (u32(number) + opaque(key.key) + opaque(key.nonce) for number, key in self.skipped.items())
        return u32(self.next) + opaque(self.secret) + vector(skipped)


def _read_message_key(reader: Reader, suite: Suite) -> MessageKey:
    key = reader.exactly(suite.aead.key_bytes, "a message's key")
    return MessageKey(key, reader.exactly(suite.aead.nonce_bytes, "a message's nonce"))


def _message_key(suite: Suite, secret: bytes, generation: int) -> MessageKey:
    return MessageKey(
        derive_tree_secret(secret, b"key", generation, suite.aead.key_bytes),
        derive_tree_secret(secret, b"nonce", generation, suite.aead.nonce_bytes),
    )


Ratchets = tuple[Ratchet, Ratchet]
"""Of one leaf, by `RatchetKind`."""


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Step:
    """A key that was asked for, and how the tree is to change when it was used.

    Attributes:
        key: The key.
        leaf: Whose.
        generation: Of its ratchet.
        ratchets: The leaf's ratchets without the key.
        secrets: Node secrets that take the place of `spent`.
        spent: The node whose secret the ratchets came from, None if they were there.
    """

    key: MessageKey
    leaf: int
    generation: int
    ratchets: Ratchets
    secrets: Mapping[int, bytes]
    spent: int | None


class SecretTree:
    """All message keys of an epoch that were not used yet."""

    __slots__ = ("_leaves", "_ratchets", "_secrets", "_suite")

    def __init__(
        self, suite: Suite, leaves: int, secrets: dict[int, bytes], ratchets: dict[int, Ratchets] | None = None
    ) -> None:
        """Made by `of` or `read`.

        Args:
            suite: The group's suite.
            leaves: Leaves of the tree, a power of two.
            secrets: Node secrets that nothing was derived from yet.
            ratchets: Ratchets of the leaves that were used.
        """
        self._suite = suite
        self._leaves = leaves
        self._secrets = secrets
        self._ratchets = {} if ratchets is None else ratchets

    @classmethod
    def of(cls, suite: Suite, leaves: int, encryption_secret: bytes) -> SecretTree:
        """The whole tree under an epoch's encryption secret."""
        return cls(suite, leaves, {tree_math.root(leaves): encryption_secret})

    def next(self, leaf: int, kind: RatchetKind) -> Step:
        """The next key of the own leaf.

        Raises:
            InvalidError: `GENERATION_AHEAD` when there are no more.
        """
        ratchets, secrets, spent = self._ratchets_of(leaf)
        return self._step(leaf, kind, ratchets[kind].next, (ratchets, secrets, spent))

    def find(self, leaf: int, kind: RatchetKind, generation: int) -> Step:
        """The key of a generation of a leaf.

        Raises:
            InvalidError: As `Ratchet.take`.
        """
        return self._step(leaf, kind, generation, self._ratchets_of(leaf))

    def apply(self, step: Step) -> None:
        """The key was used: it, and what it came from, are gone."""
        if step.spent is not None:
            del self._secrets[step.spent]
            self._secrets.update(step.secrets)
        self._ratchets[step.leaf] = step.ratchets

    def _step(
        self,
        leaf: int,
        kind: RatchetKind,
        generation: int,
        found: tuple[Ratchets, dict[int, bytes], int | None],
    ) -> Step:
        (handshake, application), secrets, spent = found
        if kind is RatchetKind.HANDSHAKE:
            key, handshake = handshake.take(self._suite, generation)
        else:
            key, application = application.take(self._suite, generation)
        return Step(
            key=key,
            leaf=leaf,
            generation=generation,
            ratchets=(handshake, application),
            secrets=secrets,
            spent=spent,
        )

    def _ratchets_of(self, leaf: int) -> tuple[Ratchets, dict[int, bytes], int | None]:
        """A leaf's ratchets; if they are derived for it, also the siblings' secrets and the node they came from."""
        there = self._ratchets.get(leaf)
        if there is not None:
            return there, {}, None
        node = spent = next(
            node for node in (2 * leaf, *tree_math.direct_path(leaf, self._leaves)) if node in self._secrets
        )
        secret, secrets = self._secrets[node], {}
        while node != 2 * leaf:
            left, right = tree_math.left(node), tree_math.right(node)
            of_left = expand_with_label(secret, b"tree", b"left", HASH_BYTES)
            of_right = expand_with_label(secret, b"tree", b"right", HASH_BYTES)
            if tree_math.is_below(leaf, left):
                node, secret, secrets[right] = left, of_left, of_right
            else:
                node, secret, secrets[left] = right, of_right, of_left
        handshake, application = (
            Ratchet(next=0, secret=expand_with_label(secret, _LABELS[kind], b"", HASH_BYTES), skipped={})
            for kind in RatchetKind
        )
        return (handshake, application), secrets, spent

    @classmethod
    def read(cls, reader: Reader, suite: Suite, leaves: int) -> SecretTree:
        """Decode a stored one."""
        secrets = reader.vector(lambda item: (item.uint(4), item.exactly(HASH_BYTES, "a node's secret")))
        ratchets = reader.vector(lambda item: (item.uint(4), (Ratchet.read(item, suite), Ratchet.read(item, suite))))
        reached = [leaf for leaf, _ in ratchets]
        for node, _ in secrets:
            if node >= tree_math.width(leaves):
                raise DecodeError(Code.MALFORMED, "message keys: the secret of no node")
            reached += tree_math.leaves_below(node)
        if sorted(reached) != list(range(leaves)):
            raise DecodeError(Code.MALFORMED, "message keys: not one secret for each leaf")
        return cls(suite, leaves, dict(secrets), dict(ratchets))

    def encode(self) -> bytes:
        """The stored form. Secret."""
        secrets = (u32(node) + opaque(secret) for node, secret in self._secrets.items())
        ratchets = (u32(leaf) + pair[0].encode() + pair[1].encode() for leaf, pair in self._ratchets.items())
        return vector(secrets) + vector(ratchets)


class SenderData(NamedTuple):
    """`SenderData` (section 6.3.2): who sent, and with which key."""

    leaf: int
    generation: int
    reuse_guard: bytes

    @classmethod
    def read(cls, reader: Reader) -> SenderData:
        """Decode one."""
        return cls(reader.uint(4), reader.uint(4), reader.take(4))

    def encode(self) -> bytes:
        """Its bytes."""
        return u32(self.leaf) + u32(self.generation) + self.reuse_guard

    def guard(self, nonce: bytes) -> bytes:
        """The nonce with the reuse guard mixed in: a state restored from an old copy does not repeat one."""
        return bytes(a ^ b for a, b in zip(nonce[:4], self.reuse_guard, strict=True)) + nonce[4:]


def sender_data_key(suite: Suite, sender_data_secret: bytes, ciphertext: bytes) -> MessageKey:
    """Key and nonce of the sender data, out of the beginning of the content's ciphertext (section 6.3.2)."""
    sample = ciphertext[:HASH_BYTES]
    return MessageKey(
        expand_with_label(sender_data_secret, b"key", sample, suite.aead.key_bytes),
        expand_with_label(sender_data_secret, b"nonce", sample, suite.aead.nonce_bytes),
    )
