"""From a commit's list of proposals to what it does (RFC 9420 sections 12.2 and 12.3)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final, TypeVar

from amanah_protocol.mls.checks import (
    Ground,
    check_credentials,
    check_key_package,
    check_leaf,
    check_supports,
    check_unique_keys,
)
from amanah_protocol.mls.credential import Extensions, check_extensions, external_senders
from amanah_protocol.mls.framing import Sender, SenderType
from amanah_protocol.mls.key_package import KeyPackage
from amanah_protocol.mls.leaf_node import MLS10, LeafNode, LeafSource
from amanah_protocol.mls.proposals import (
    Add,
    ExternalInit,
    GroupContextExtensions,
    PreSharedKey,
    Proposal,
    ProposalOrRef,
    ProposalRef,
    ReInit,
    Remove,
    Update,
)
from amanah_protocol.mls.psk import ExternalPsk, PskId, ResumptionUsage
from amanah_protocol.mls.ratchet_tree import RatchetTree
from amanah_protocol.mls.rules import InvalidError, Rule
from amanah_protocol.mls.suites import HASH_BYTES

P = TypeVar("P", Add, Update, Remove, PreSharedKey, ReInit, ExternalInit, GroupContextExtensions)

_FROM_OUTSIDE: Final = (Add, Remove, PreSharedKey, ReInit, GroupContextExtensions)
"""What an external sender may propose (section 12.1.8)."""
_IN_EXTERNAL_COMMIT: Final = (ExternalInit, Remove, PreSharedKey)


@dataclass(frozen=True, slots=True, kw_only=True)
class Proposed:
    """A proposal and who made it."""

    proposal: Proposal
    sender: Sender


def resolve(items: Sequence[ProposalOrRef], committer: Sender, known: Mapping[bytes, Proposed]) -> tuple[Proposed, ...]:
    """Put proposals in place of their references; what stands by value is the committer's own.

    Raises:
        InvalidError: `PROPOSAL_UNKNOWN`, `PROPOSAL_REFERENCE_TWICE` or `EXTERNAL_BY_REFERENCE`: who joins by a
            commit cannot tell whether a proposal was made by a member (section 12.4.3.2).
    """
    found, seen = [], set()
    for item in items:
        if not isinstance(item, ProposalRef):
            found.append(Proposed(proposal=item, sender=committer))
            continue
        if committer.type is SenderType.NEW_MEMBER_COMMIT:
            raise InvalidError(Rule.EXTERNAL_BY_REFERENCE)
        if item.reference in seen:
            raise InvalidError(Rule.PROPOSAL_REFERENCE_TWICE)
        seen.add(item.reference)
        if item.reference not in known:
            raise InvalidError(Rule.PROPOSAL_UNKNOWN)
        found.append(known[item.reference])
    return tuple(found)


def check_sender(proposal: Proposal, sender: Sender) -> None:
    """Whether a member, or somebody outside, may propose this for others to commit (section 12.1.8).

    Raises:
        InvalidError: `EXTERNAL_INIT_BY_MEMBER`, `UPDATE_BY_OTHER` or `SENDER_CONTENT`.
    """
    if sender.type is SenderType.MEMBER:
        # It would wait here only to spoil every commit that takes it up.
        if isinstance(proposal, ExternalInit):
            raise InvalidError(Rule.EXTERNAL_INIT_BY_MEMBER)
        return
    if isinstance(proposal, Update):
        raise InvalidError(Rule.UPDATE_BY_OTHER)
    if not isinstance(proposal, _FROM_OUTSIDE):
        raise InvalidError(Rule.SENDER_CONTENT)


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """What a list of proposals does to a group.

    Attributes:
        tree: The tree after them; in an external commit the joiner's leaf is still to come.
        extensions: Of the group's context after them.
        added: Leaves that were added, with their key packages, in the order of the list.
        updated: Leaves that were replaced.
        removed: Leaves that were removed, with who was there.
        psks: Pre-shared keys to mix in.
        external_init: The joiner's half of the init secret, in an external commit.
        reinit: The group ends with this commit, and goes on elsewhere.
        needs_path: Whether the commit has to bring a path.
    """

    tree: RatchetTree
    extensions: Extensions
    added: tuple[tuple[int, KeyPackage], ...]
    updated: tuple[int, ...]
    removed: tuple[tuple[int, LeafNode], ...]
    psks: tuple[PskId, ...]
    external_init: bytes | None
    reinit: ReInit | None
    needs_path: bool


class ProposalList:
    """The proposals of one commit, sorted by what they are."""

    def __init__(self, proposed: Sequence[Proposed], committer: Sender) -> None:
        """Take a resolved list.

        Args:
            proposed: In the order of the commit.
            committer: Who commits.
        """
        self._proposed = proposed
        self._committer = committer

    def of(self, kind: type[P]) -> Iterator[tuple[P, Sender]]:
        """The proposals of a kind, in order, with who made them."""
        for item in self._proposed:
            if isinstance(item.proposal, kind):
                yield item.proposal, item.sender

    def apply(self, tree: RatchetTree, ground: Ground) -> Change:
        """Check the list, and give what it does (section 12.3: extensions, updates, removes, adds).

        Args:
            tree: The tree of the epoch.
            ground: The group, with the extensions of the epoch.

        Raises:
            InvalidError: The rule that is broken.
            VerifyError: What `authenticate` raises.
        """
        external = self._committer.type is SenderType.NEW_MEMBER_COMMIT
        if external:
            self._check_external_list()
        else:
            self._check_list()
        self._check_leaves_named(tree)
        self._check_psks()
        ground = self._new_ground(ground)
        removed = tuple((proposal.removed, _member(tree, proposal.removed)) for proposal, _ in self.of(Remove))
        after, updated, added = self._change_tree(tree, ground)
        if updated or added or removed or ground.extensions:
            self._check_result(after, ground)
        return Change(
            tree=after,
            extensions=ground.extensions,
            added=added,
            updated=updated,
            removed=removed,
            psks=tuple(proposal.psk for proposal, _ in self.of(PreSharedKey)),
            external_init=next((proposal.kem_output for proposal, _ in self.of(ExternalInit)), None),
            reinit=next((proposal for proposal, _ in self.of(ReInit)), None),
            needs_path=not all(isinstance(item.proposal, Add | PreSharedKey | ReInit) for item in self._proposed)
            or not self._proposed,
        )

    def _check_list(self) -> None:
        """Section 12.2, for a commit of a member."""
        own = self._committer.number
        if any(True for _ in self.of(ExternalInit)):
            raise InvalidError(Rule.EXTERNAL_INIT_BY_MEMBER)
        if any(sender == self._committer for _, sender in self.of(Update)):
            raise InvalidError(Rule.UPDATE_OWN)
        if any(proposal.removed == own for proposal, _ in self.of(Remove)):
            raise InvalidError(Rule.REMOVE_OWN)
        if len(list(self.of(GroupContextExtensions))) > 1:
            raise InvalidError(Rule.CONTEXT_TWICE)
        reinits = [proposal for proposal, _ in self.of(ReInit)]
        if reinits and len(self._proposed) > 1:
            raise InvalidError(Rule.REINIT_ALONE)
        for reinit in reinits:
            if reinit.version < MLS10:
                raise InvalidError(Rule.REINIT_VERSION)
            check_extensions(reinit.extensions)

    def _check_external_list(self) -> None:
        """Section 12.2, for a commit of somebody who joins by it."""
        if not all(isinstance(item.proposal, _IN_EXTERNAL_COMMIT) for item in self._proposed):
            raise InvalidError(Rule.EXTERNAL_TYPES)
        if len(list(self.of(ExternalInit))) != 1:
            raise InvalidError(Rule.EXTERNAL_INIT_ONCE)
        if len(list(self.of(Remove))) > 1:
            raise InvalidError(Rule.EXTERNAL_REMOVE_ONCE)

    def _check_leaves_named(self, tree: RatchetTree) -> None:
        for proposal, _ in self.of(Remove):
            _member(tree, proposal.removed)
        named = [sender.number for _, sender in self.of(Update)]
        named += [proposal.removed for proposal, _ in self.of(Remove)]
        if len(set(named)) != len(named):
            raise InvalidError(Rule.TWICE_FOR_LEAF)

    def _check_psks(self) -> None:
        psks = [proposal.psk for proposal, _ in self.of(PreSharedKey)]
        if len(set(psks)) != len(psks):
            raise InvalidError(Rule.PSK_TWICE)
        for psk in psks:
            if len(psk.nonce) != HASH_BYTES:
                raise InvalidError(Rule.PSK_NONCE)
            if not isinstance(psk, ExternalPsk) and psk.usage is not ResumptionUsage.APPLICATION:
                raise InvalidError(Rule.PSK_USAGE)

    def _new_ground(self, ground: Ground) -> Ground:
        extensions = next((proposal.extensions for proposal, _ in self.of(GroupContextExtensions)), None)
        if extensions is None:
            return ground
        check_extensions(extensions)
        external_senders(extensions)
        return replace(ground, extensions=extensions)

    def _change_tree(
        self, tree: RatchetTree, ground: Ground
    ) -> tuple[RatchetTree, tuple[int, ...], tuple[tuple[int, KeyPackage], ...]]:
        updated, added = [], []
        for update, sender in self.of(Update):
            replaced = _member(tree, sender.number)
            _check_update(update.leaf_node, replaced, ground, sender.number)
            tree = tree.with_update(sender.number, update.leaf_node)
            updated.append(sender.number)
        for remove, _ in self.of(Remove):
            tree = tree.without(remove.removed)
        for add, _ in self.of(Add):
            check_key_package(add.key_package, ground.suite)
            tree, index = tree.with_leaf(add.key_package.leaf_node)
            check_leaf(add.key_package.leaf_node, ground, index)
            added.append((index, add.key_package))
        return tree, tuple(updated), tuple(added)

    def _check_result(self, tree: RatchetTree, ground: Ground) -> None:
        self._check_clients(tree)
        check_unique_keys(tree)
        check_credentials(tree)
        if any(True for _ in self.of(GroupContextExtensions)):
            try:
                for _, leaf in tree.members():
                    check_supports(leaf, ground.needs)
            except InvalidError as error:
                raise InvalidError(Rule.CONTEXT_UNSUPPORTED) from error

    def _check_clients(self, tree: RatchetTree) -> None:
        """A client is in once; two leaves with one signature key are of one client."""
        adds = [proposal.key_package.leaf_node.signature_key for proposal, _ in self.of(Add)]
        if len(set(adds)) != len(adds):
            raise InvalidError(Rule.ADD_TWICE)
        members = Counter(leaf.signature_key for _, leaf in tree.members())
        if any(members[key] > 1 for key in adds):
            raise InvalidError(Rule.ADD_MEMBER)


def _member(tree: RatchetTree, index: int) -> LeafNode:
    leaf = tree.leaf(index)
    if leaf is None:
        raise InvalidError(Rule.REMOVE_BLANK)
    return leaf


def _check_update(leaf: LeafNode, replaced: LeafNode, ground: Ground, index: int) -> None:
    if leaf.source is not LeafSource.UPDATE:
        raise InvalidError(Rule.LEAF_SOURCE)
    if leaf.encryption_key == replaced.encryption_key:
        raise InvalidError(Rule.LEAF_ENCRYPTION_KEY_SAME)
    check_leaf(leaf, ground, index, replaced)
