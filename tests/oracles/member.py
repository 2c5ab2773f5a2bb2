"""One client of a group, whichever engine is behind it: what ours and the other engines have in common.

Everything that passes between clients is an encoded `MLSMessage` or an encoded ratchet tree. What a commit shall hold
is said in proposals of the RFC, which each driver says again in its engine's own words.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum, Flag, auto
from typing import Final, Protocol

from amanah_protocol.mls.leaf_node import Lifetime
from amanah_protocol.mls.proposals import Proposal

LABEL: Final = "amanah oracle"
CONTEXT: Final = b"the same on both sides"
EXPORTED_BYTES: Final = 32
MAX_BYTES: Final = 1 << 24
SPARE_EXTENSION: Final = 0xF7A0
"""An extension without meaning, for clients that can be told to support one."""


class Ability(Flag):
    """What an engine can do through the interface that it offers."""

    SEND_SEALED = auto()
    """Its proposals and commits can travel as PrivateMessage."""
    SEND_OPEN = auto()
    """They can travel as PublicMessage."""
    UPDATE = auto()
    """It proposes an update of its own leaf."""
    MIX = auto()
    """A commit of its can hold adds and removes by value together."""
    RENEW = auto()
    """It can renew its keys in a commit whose proposals do not ask for it."""
    EXTERNAL_PSK = auto()
    """It knows pre-shared keys from outside."""
    RESUMPTION_PSK = auto()
    """It proposes and commits resumption keys of the group's past epochs."""
    PROPOSE_CONTEXT = auto()
    """It proposes other extensions of the context."""
    COMMIT_CONTEXT = auto()
    """It commits them."""
    SPARE = auto()
    """It can be told to support an extension of our choosing."""
    VOUCH = auto()
    """It sends authenticated data, and shows what came."""
    GROUP_INFO = auto()
    """It gives a group info."""
    JOIN_BY_COMMIT = auto()
    """It joins by a commit of its own."""
    PROPOSE_SELF = auto()
    """It proposes from outside that it be added."""
    TAKE_FROM_OUTSIDE = auto()
    """It takes such proposals."""
    CHOOSE_TREE = auto()
    """It puts the tree into each welcome, or beside it, as it is told."""
    FORGET_COMMIT = auto()
    """It can make a commit and forget it though no other one came."""


class Outcome(Enum):
    """What a commit did to who took it."""

    ENTERED = auto()
    REMOVED = auto()


@dataclass(frozen=True, slots=True, kw_only=True)
class Framing:
    """How a handshake travels.

    Attributes:
        public: As PublicMessage.
        authenticated_data: What it vouches for besides.
    """

    public: bool
    authenticated_data: bytes = b""


@dataclass(frozen=True, slots=True, kw_only=True)
class Committed:
    """A commit that nobody has accepted yet.

    Attributes:
        message: The commit.
        welcome: For whom it adds; None when it adds nobody.
        tree: The ratchet tree, where the welcome does not hold it.
    """

    message: bytes
    welcome: bytes | None
    tree: bytes | None


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """What all members of an epoch agree on.

    Attributes:
        tree: The encoded ratchet tree.
        exported: A secret by the exporter.
        authenticator: The epoch authenticator; None where the engine does not show it.
    """

    tree: bytes
    exported: bytes
    authenticator: bytes | None


class Member(Protocol):
    """A client of one engine. An engine's refusal is an exception of whatever type."""

    engine: str
    name: bytes
    signature_key: bytes
    abilities: Ability

    def key_package(self) -> bytes:
        """A fresh key package; the next `join` is with it."""

    def create(self, group_id: bytes) -> None:
        """Begin a group of one."""

    def join(self, welcome: bytes, tree: bytes | None) -> None:
        """Join by a welcome."""

    def propose(self, proposal: Proposal, framing: Framing) -> bytes:
        """Propose something."""

    def propose_update(self, framing: Framing) -> bytes:
        """Propose a fresh own leaf."""

    def commit(self, proposals: Sequence[Proposal], framing: Framing, *, renew: bool, tree_inside: bool) -> Committed:
        """Commit these, and all that was proposed in this epoch."""

    def merge(self) -> None:
        """The own commit was accepted."""

    def discard(self) -> None:
        """Forget the own commit. Without `FORGET_COMMIT` another's commit has to come next."""

    def take_proposal(self, message: bytes) -> None:
        """Take another's proposal."""

    def take_commit(self, message: bytes) -> Outcome:
        """Take another's commit."""

    def seal(self, data: bytes, authenticated_data: bytes) -> bytes:
        """Seal a message."""

    def open(self, message: bytes) -> tuple[bytes, bytes]:
        """Data and authenticated data of another's message."""

    def view(self) -> View:
        """What it sees of the epoch."""

    def group_info(self, *, tree_inside: bool, bare: bool) -> bytes:
        """A group info with an external public key, by which others join.

        Args:
            tree_inside: The tree stands in it.
            bare: The key stands without its length, as no RFC has it.
        """

    def join_by_commit(self, info: bytes, tree: bytes | None, *, again: bool, authenticated_data: bytes) -> bytes:
        """Make a commit by which it joins; `again`: in the place of its former self. `merge` once it was accepted."""

    def propose_self(self, info: bytes) -> bytes:
        """Propose from outside to be added with the last key package."""

    def close(self) -> None:
        """It is needed no longer."""


class Outside(Protocol):
    """What members of one history share outside the group."""

    @property
    def lifetime(self) -> Lifetime:
        """Of key packages."""

    @property
    def keys(self) -> Mapping[bytes, bytes]:
        """Pre-shared keys by their ids."""
