"""A group's state on one client, and its stored form.

The stored form has two parts: what an epoch is, which is large and changes with a commit, and the message keys, which
are small and change with every message. Both are secret; whoever keeps them writes them in one transaction.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Final, TypeVar

from amanah_protocol.crypto import SigningKey
from amanah_protocol.errors import Code, DecodeError
from amanah_protocol.mls.codec import Reader, decode, opaque, optional, u8, u16, u64, vector
from amanah_protocol.mls.commit import Made, Newcomer
from amanah_protocol.mls.credential import Extension
from amanah_protocol.mls.epoch import Entry, Epoch
from amanah_protocol.mls.framing import Sender, encode_message
from amanah_protocol.mls.joining import make_welcome
from amanah_protocol.mls.kem import Random
from amanah_protocol.mls.proposal_list import Proposed
from amanah_protocol.mls.proposals import ReInit, encode_proposal, read_proposal
from amanah_protocol.mls.psk import PskId, read_psk_id
from amanah_protocol.mls.ratchet_tree import RatchetTree
from amanah_protocol.mls.secret_tree import SecretTree
from amanah_protocol.mls.suites import HASH_BYTES, Suite

VERSION: Final = 1
T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Staged:
    """An own commit that nobody has accepted yet.

    Attributes:
        message: The encoded `MLSMessage` to be sent.
        entry: The epoch that it begins.
        newcomers: Whom it adds.
        psks: Pre-shared keys that the epoch rests on.
        psk_secret: What they gave, 32 bytes.
        reinit: How the group goes on elsewhere, if this commit ends it.
    """

    message: bytes
    entry: Entry
    newcomers: tuple[Newcomer, ...]
    psks: tuple[PskId, ...]
    psk_secret: bytes
    reinit: ReInit | None

    @classmethod
    def of(cls, message: bytes, made: Made) -> Staged:
        """A commit as it was made and framed."""
        return cls(
            message=message,
            entry=made.entry,
            newcomers=made.newcomers,
            psks=made.change.psks,
            psk_secret=made.psk_secret,
            reinit=made.change.reinit,
        )

    @property
    def tree(self) -> RatchetTree:
        """The ratchet tree of the epoch that it begins."""
        return self.entry.epoch.tree

    def welcome(self, extensions: Iterable[Extension], *, key: SigningKey, random: Random) -> bytes:
        """The encoded `MLSMessage` for those that it adds.

        Args:
            extensions: Of the group info; `joining.ratchet_tree` of `tree` among them, unless the tree travels beside.
            key: The committer's signing key.
            random: Source of randomness.
        """
        welcome = make_welcome(
            self.entry,
            self.newcomers,
            psks=self.psks,
            psk_secret=self.psk_secret,
            extensions=extensions,
            key=key,
            random=random,
        )
        return encode_message(welcome)

    def encode(self) -> bytes:
        """The stored form. Secret."""
        entry = self.entry
        return b"".join(
            (
                opaque(self.message),
                opaque(entry.epoch.encode()),
                opaque(entry.messages.encode()),
                opaque(entry.joiner_secret),
                opaque(entry.confirmation_tag),
                vector(_encode_newcomer(newcomer) for newcomer in self.newcomers),
                vector(psk.encode() for psk in self.psks),
                self.psk_secret,
                _encode_reinit(self.reinit),
            )
        )

    @classmethod
    def read(cls, reader: Reader, suite: Suite) -> Staged:
        """Decode a stored one."""
        message = reader.opaque()
        epoch = decode(reader.opaque(), lambda inner: Epoch.read(inner, suite))
        messages = decode(reader.opaque(), lambda inner: SecretTree.read(inner, suite, epoch.tree.leaves))
        entry = Entry(epoch=epoch, messages=messages, joiner_secret=reader.opaque(), confirmation_tag=reader.opaque())
        return cls(
            message=message,
            entry=entry,
            newcomers=reader.vector(_read_newcomer),
            psks=reader.vector(read_psk_id),
            psk_secret=reader.take(HASH_BYTES),
            reinit=_read_reinit(reader),
        )


def _encode_newcomer(newcomer: Newcomer) -> bytes:
    path = None if newcomer.path_secret is None else opaque(newcomer.path_secret)
    return opaque(newcomer.key_package) + opaque(newcomer.init_key) + optional(path)


def _read_newcomer(reader: Reader) -> Newcomer:
    return Newcomer(key_package=reader.opaque(), init_key=reader.opaque(), path_secret=reader.optional(Reader.opaque))


def _encode_reinit(reinit: ReInit | None) -> bytes:
    return optional(None if reinit is None else encode_proposal(reinit))


def _read_reinit(reader: Reader) -> ReInit | None:
    found = reader.optional(read_proposal)
    if found is not None and not isinstance(found, ReInit):
        raise DecodeError(Code.MALFORMED, "group state: a group ends with a reinitialisation")
    return found


@dataclass(slots=True, kw_only=True, repr=False)
class State:
    """What changes of a group; swapped or kept as a whole.

    Attributes:
        epoch: The epoch.
        messages: Its message keys that were not used yet.
        pending: The own commit in flight.
        proposals: Proposals of the epoch, by reference.
        updates: Private keys of own update proposals, by their public keys.
        resumption: Resumption keys of past epochs that are kept, ascending.
        ended: How the group goes on elsewhere, once it was reinitialised.
    """

    epoch: Epoch
    messages: SecretTree
    pending: Staged | None
    proposals: dict[bytes, Proposed]
    updates: dict[bytes, bytes]
    resumption: dict[int, bytes]
    ended: ReInit | None

    @classmethod
    def entered(cls, entry: Entry, *, resumption: dict[int, bytes], ended: ReInit | None) -> State:
        """The state on entering an epoch: nothing of the one before is left."""
        return cls(
            epoch=entry.epoch,
            messages=entry.messages,
            pending=None,
            proposals={},
            updates={},
            resumption=resumption,
            ended=ended,
        )

    def encode_epoch(self) -> bytes:
        """The part that changes with commits and proposals."""
        return b"".join(
            (
                u8(VERSION),
                u16(self.epoch.suite.number),
                opaque(self.epoch.encode()),
                optional(None if self.pending is None else self.pending.encode()),
                vector(_encode_proposed(reference, item) for reference, item in self.proposals.items()),
                vector(opaque(public) + opaque(private) for public, private in self.updates.items()),
                vector(u64(epoch) + opaque(secret) for epoch, secret in self.resumption.items()),
                _encode_reinit(self.ended),
            )
        )

    def encode_messages(self) -> bytes:
        """The part that changes with every message; it names its epoch."""
        return u64(self.epoch.context.epoch) + self.messages.encode()


def _encode_proposed(reference: bytes, item: Proposed) -> bytes:
    return opaque(reference) + item.sender.encode() + encode_proposal(item.proposal)


def _read_proposed(reader: Reader) -> tuple[bytes, Proposed]:
    reference, sender = reader.opaque(), Sender.read(reader)
    return reference, Proposed(proposal=read_proposal(reader), sender=sender)


def decode_state(epoch: bytes, messages: bytes, suite_of: Callable[[int], Suite | None]) -> State:
    """Decode a stored state.

    Args:
        epoch: What `encode_epoch` gave.
        messages: What `encode_messages` gave, written with it or after it in the same epoch.
        suite_of: The suite of a number, None where it is not known.

    Raises:
        DecodeError: `SUITE` when it is of another suite, `UNKNOWN_VERSION` when it is a newer one's, else it is
            damaged.
    """
    reader = Reader(epoch)
    if reader.uint(1) != VERSION:
        raise DecodeError(Code.UNKNOWN_VERSION, "the stored group is of another version")
    suite = suite_of(reader.uint(2))
    if suite is None:
        raise DecodeError(Code.SUITE, "the stored group is of another suite; its room cannot be continued here")
    found = decode(reader.opaque(), lambda inner: Epoch.read(inner, suite))
    state = State(
        epoch=found,
        messages=_decode_messages(messages, found),
        pending=reader.optional(lambda inner: Staged.read(inner, suite)),
        proposals=dict(reader.vector(_read_proposed)),
        updates=dict(reader.vector(lambda inner: (inner.opaque(), inner.opaque()))),
        resumption=dict(reader.vector(lambda inner: (inner.uint(8), inner.opaque()))),
        ended=_read_reinit(reader),
    )
    reader.finish()
    return state


def _decode_messages(data: bytes, epoch: Epoch) -> SecretTree:
    reader = Reader(data)
    if reader.uint(8) != epoch.context.epoch:
        raise DecodeError(Code.MALFORMED, "group state: the message keys are of another epoch")
    messages = SecretTree.read(reader, epoch.suite, epoch.tree.leaves)
    reader.finish()
    return messages
