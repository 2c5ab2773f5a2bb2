"""An own commit in flight."""

from __future__ import annotations

from dataclasses import dataclass

from amanah_protocol import cbor, limits
from amanah_protocol.errors import Code, UsageError
from amanah_protocol.group.flat.commit import Commit, Transition, decode_commit, transition_of, verify_packages
from amanah_protocol.group.flat.keys import KeyPair
from amanah_protocol.group.flat.members import Members
from amanah_protocol.group.flat.welcome import Binding, EpochInfo, seal_welcome
from amanah_protocol.group.seam import WelcomeParts
from amanah_protocol.types import ZERO_32, DeviceId, EnvelopeId


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class StagedCommit:
    """A commit that the relay has not answered yet: a `seam.Staged`.

    Attributes:
        commit: The commit.
        sealed: Sealed content of the commit envelope.
        transition: What it makes of the members.
        secret: The fresh secret of the epoch that it begins.
        leaf: The committer's new leaf key.
        ephemeral: Seals the welcome.
    """

    commit: Commit
    sealed: bytes
    transition: Transition
    secret: bytes
    leaf: KeyPair
    ephemeral: KeyPair

    def welcome(self, create_id: EnvelopeId, commit_id: EnvelopeId) -> WelcomeParts:
        """The welcome for the devices added; the same ids give the same bytes.

        Raises:
            UsageError: `USAGE` when the commit adds nobody.
        """
        if not self.transition.packages:
            raise UsageError(Code.USAGE, "the commit adds nobody, so nobody is welcomed")
        changes = self.commit.changes
        info = EpochInfo(
            epoch=changes.epoch + 1,
            origin=self.commit.origin,
            confirmation=self.commit.confirmation,
            members=self.transition.members,
        )
        binding = Binding(room=changes.room, create_id=create_id, commit_id=commit_id, committer=changes.committer)
        welcome = seal_welcome(
            self.secret, info, binding=binding, ephemeral=self.ephemeral, packages=self.transition.packages
        )
        return WelcomeParts(sealed=welcome.encode(), tree=None)

    def check_size(self) -> None:
        """Commit and welcome fit their envelopes.

        Raises:
            UsageError: `TOO_LARGE`.
        """
        sizes = [len(self.sealed)]
        if self.transition.packages:
            sizes.append(len(self.welcome(EnvelopeId(ZERO_32), EnvelopeId(ZERO_32)).sealed))
        if max(sizes) > limits.MAX_HANDSHAKE_BYTES:
            raise UsageError(Code.TOO_LARGE, "the certificates of all members do not fit one welcome")

    def record(self) -> list[cbor.Value]:
        """What must survive a restart; the rest follows from it and the members."""
        return [self.sealed, self.secret, self.leaf.private, self.ephemeral.private]


def restore_staged(value: cbor.Value, members: Members, committer: DeviceId) -> StagedCommit:
    """The staged commit of a stored `StagedCommit.record()`.

    Raises:
        DecodeError: It is damaged.
        VerifyError: A key package in it is.
    """
    f = cbor.Fields(value, 4, "pending commit")
    sealed = f.blob(limits.MAX_HANDSHAKE_BYTES)
    commit = decode_commit(sealed, committer)
    packages = verify_packages(commit.changes)
    return StagedCommit(
        commit=commit,
        sealed=sealed,
        transition=transition_of(commit.changes, members, packages),
        secret=f.fixed(32),
        leaf=KeyPair.of(f.fixed(32)),
        ephemeral=KeyPair.of(f.fixed(32)),
    )
