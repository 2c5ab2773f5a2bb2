"""Making and taking commits (RFC 9420 sections 12.4.1 and 12.4.2).

Nothing here changes a group: out comes the epoch that the commit leads to, complete or not at all, and whoever
holds the group swaps it in.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from amanah_protocol.errors import PeerError
from amanah_protocol.mls.checks import Authenticate, Ground, check_credentials, check_leaf
from amanah_protocol.mls.epoch import Entry, Epoch, check_confirmation, enter, joiner_secret_of
from amanah_protocol.mls.framing import (
    Auth,
    AuthenticatedContent,
    FramedContent,
    Sender,
    SenderType,
    WireFormat,
)
from amanah_protocol.mls.group_context import GroupContext
from amanah_protocol.mls.hpke import set_up_receiver
from amanah_protocol.mls.kem import Random
from amanah_protocol.mls.key_package import KeyPackage
from amanah_protocol.mls.key_schedule import NO_SECRET
from amanah_protocol.mls.leaf_node import Identity, LeafNode, LeafSource, Place
from amanah_protocol.mls.message_protection import sign_content
from amanah_protocol.mls.proposal_list import Change, ProposalList, Proposed, resolve
from amanah_protocol.mls.proposals import Commit, Proposal, ProposalOrRef, ProposalRef
from amanah_protocol.mls.psk import FindPsk, PskId, derive_psk_secret
from amanah_protocol.mls.ratchet_tree import RatchetTree
from amanah_protocol.mls.rules import InvalidError, Rule
from amanah_protocol.mls.suites import HASH_BYTES
from amanah_protocol.mls.transcript import confirmed_transcript_hash
from amanah_protocol.mls.treekem import CreatedPath, Privates, create_path, merge_path, open_path
from amanah_protocol.mls.update_path import UpdatePath

EXTERNAL_INIT_LABEL = b"MLS 1.0 external init secret"


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class World:
    """What is known outside the group when a commit is made or taken.

    Attributes:
        authenticate: Who may enter.
        find_psk: Pre-shared keys by their ids.
        proposals: Proposals of the epoch, by reference.
        updates: Private keys of own update proposals, by their public keys.
    """

    authenticate: Authenticate
    find_psk: FindPsk
    proposals: Mapping[bytes, Proposed]
    updates: Mapping[bytes, bytes]

    def ground(self, epoch: Epoch) -> Ground:
        """What leaves of this epoch are held against."""
        return Ground(
            suite=epoch.suite,
            group_id=epoch.context.group_id,
            extensions=epoch.context.extensions,
            authenticate=self.authenticate,
        )

    def psk_secret(self, psks: Sequence[PskId]) -> bytes:
        """All these keys in one secret.

        Raises:
            InvalidError: `PSK_UNKNOWN`.
        """
        found = []
        for psk in psks:
            key = self.find_psk(psk)
            if key is None:
                raise InvalidError(Rule.PSK_UNKNOWN)
            found.append((psk, key))
        return derive_psk_secret(found)


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Newcomer:
    """Somebody whom an own commit adds.

    Attributes:
        key_package: Reference of the key package used.
        init_key: What the welcome is sealed to.
        path_secret: Of the lowest node above both of us, if the commit has a path.
    """

    key_package: bytes
    init_key: bytes
    path_secret: bytes | None


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Made:
    """An own commit: what is to be sent, and what follows from it once it is accepted.

    Attributes:
        commit: The commit.
        content: The same, signed, confirmation tag included.
        change: What it does.
        entry: The epoch that it begins.
        newcomers: Whom it adds.
        psk_secret: What the epoch's pre-shared keys gave.
    """

    commit: Commit
    content: AuthenticatedContent
    change: Change
    entry: Entry
    newcomers: tuple[Newcomer, ...]
    psk_secret: bytes


def _provisional(epoch: Epoch, change: Change, tree_hash: bytes) -> GroupContext:
    """The context that path secrets are sealed under."""
    return epoch.context.following(tree_hash, change.extensions)


def takeable(
    epoch: Epoch, references: Sequence[ProposalRef], proposals: Sequence[Proposal], world: World
) -> Sequence[ProposalRef]:
    """Of the proposals that were sent before, those that an own commit can take up beside its own.

    Whoever may propose can propose what no commit may hold; that must not stop every commit of the epoch. The work is
    bounded: all together, else those that are in order by themselves, else none.

    Args:
        epoch: The epoch.
        references: The proposals that were sent before.
        proposals: What the commit brings itself.
        world: What is known beside the group.
    """
    if _fits(epoch, [*references, *proposals], world):
        return references
    alone = [reference for reference in references if _fits(epoch, [reference], world)]
    return alone if _fits(epoch, [*alone, *proposals], world) else []


def _fits(epoch: Epoch, items: Sequence[ProposalOrRef], world: World) -> bool:
    own = Sender(SenderType.MEMBER, epoch.own)
    try:
        change = ProposalList(resolve(items, own, world.proposals), own).apply(epoch.tree, world.ground(epoch))
        world.psk_secret(change.psks)
    except PeerError:
        return False
    return True


def make_commit(
    epoch: Epoch,
    items: Sequence[ProposalOrRef],
    world: World,
    *,
    identity: Identity,
    wire_format: WireFormat,
    authenticated_data: bytes,
    with_path: bool,
    random: Random,
) -> Made:
    """Make a commit of a member (section 12.4.1).

    Args:
        epoch: The epoch it ends.
        items: Proposals, by value or by reference.
        world: What is known beside the group.
        identity: What the own leaf says from now on.
        wire_format: How it will travel.
        authenticated_data: What it vouches for besides.
        with_path: Renew the own path also where the proposals do not ask for it.
        random: Source of randomness.

    Raises:
        InvalidError: What a receiver would refuse.
        UsageError: `TOO_LARGE`.
    """
    sender = Sender(SenderType.MEMBER, epoch.own)
    change = ProposalList(resolve(items, sender, world.proposals), sender).apply(epoch.tree, world.ground(epoch))
    added = frozenset(index for index, _ in change.added)
    path: CreatedPath | None = None
    if with_path or change.needs_path:
        path = create_path(
            epoch.suite,
            change.tree,
            identity,
            Place(epoch.context.group_id, epoch.own),
            added=added,
            context=lambda tree_hash: _provisional(epoch, change, tree_hash).encode(),
            random=random,
        )
    commit = Commit(tuple(items), None if path is None else path.path)
    content = FramedContent.of(epoch.context, sender, authenticated_data, commit)
    signature = sign_content(wire_format, content, epoch.context.encode(), identity.key)
    signed = AuthenticatedContent(wire_format=wire_format, content=content, auth=Auth(signature))
    psk_secret = world.psk_secret(change.psks)
    entry = _entry(
        epoch,
        change,
        signed,
        tree=change.tree if path is None else path.tree,
        privates=epoch.privates if path is None else path.privates,
        init_secret=epoch.secrets.init_secret,
        commit_secret=NO_SECRET if path is None else path.commit_secret,
        psk_secret=psk_secret,
    )
    return Made(
        commit=commit,
        content=replace(signed, auth=Auth(signature, entry.confirmation_tag)),
        change=change,
        entry=entry,
        newcomers=tuple(_newcomer(epoch.own, index, package, path) for index, package in change.added),
        psk_secret=psk_secret,
    )


def _newcomer(own: int, index: int, package: KeyPackage, path: CreatedPath | None) -> Newcomer:
    secret = None if path is None else path.secret_for(own, index)
    return Newcomer(key_package=package.reference, init_key=package.init_key, path_secret=secret)


def _entry(
    epoch: Epoch,
    change: Change,
    commit: AuthenticatedContent,
    *,
    tree: RatchetTree,
    privates: Privates,
    init_secret: bytes,
    commit_secret: bytes,
    psk_secret: bytes,
    own: int | None = None,
) -> Entry:
    """The epoch behind a commit (section 8)."""
    confirmed = confirmed_transcript_hash(epoch.interim_transcript_hash, commit)
    context = replace(_provisional(epoch, change, tree.hash()), confirmed_transcript_hash=confirmed)
    kept = {node: private for node, private in privates.items() if _holds(tree, node)}
    return enter(
        epoch.suite,
        context,
        tree,
        epoch.own if own is None else own,
        kept,
        joiner_secret=joiner_secret_of(init_secret, commit_secret, context),
        psk_secret=psk_secret,
    )


def _holds(tree: RatchetTree, node: int) -> bool:
    """Whether a private key still has its public one: what was blanked or cut off is forgotten."""
    return node < 2 * tree.leaves - 1 and tree[node] is not None


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Taken:
    """Somebody else's commit, checked as a whole.

    Attributes:
        change: What it does.
        committer: The leaf of who made it, in the tree after it.
        entry: The epoch that it begins; None when it removes us.
    """

    change: Change
    committer: int
    entry: Entry | None


def take_commit(epoch: Epoch, message: AuthenticatedContent, commit: Commit, world: World) -> Taken:
    """Take another member's commit, or an external one (section 12.4.2); its signature is verified already.

    Args:
        epoch: The epoch it ends.
        message: The commit as it came.
        commit: Its body.
        world: What is known beside the group.

    Raises:
        InvalidError: The rule that is broken.
        VerifyError: What `authenticate` raises.
    """
    sender, ground = message.content.sender, world.ground(epoch)
    proposed = resolve(commit.proposals, sender, world.proposals)
    change = ProposalList(proposed, sender).apply(epoch.tree, ground)
    ground = replace(ground, extensions=change.extensions)
    if commit.path is None:
        if change.needs_path:
            raise InvalidError(Rule.PATH_REQUIRED)
        committer, tree = sender.number, change.tree
    else:
        committer, tree = _merge(change, sender, commit.path, ground)
    if any(index == epoch.own for index, _ in change.removed):
        return Taken(change=change, committer=committer, entry=None)
    privates, commit_secret = _own_privates(epoch, change, world), NO_SECRET
    if commit.path is not None:
        path = open_path(
            epoch.suite,
            tree,
            commit.path,
            sender=committer,
            own=epoch.own,
            privates=privates,
            added=frozenset(index for index, _ in change.added),
            context=_provisional(epoch, change, tree.hash()).encode(),
        )
        privates, commit_secret = path.privates, path.commit_secret
    entry = _entry(
        epoch,
        change,
        message,
        tree=tree,
        privates=privates,
        init_secret=_init_secret(epoch, change),
        commit_secret=commit_secret,
        psk_secret=world.psk_secret(change.psks),
    )
    check_confirmation(entry, message.auth.confirmation_tag)
    return Taken(change=change, committer=committer, entry=entry)


def _init_secret(epoch: Epoch, change: Change) -> bytes:
    if change.external_init is None:
        return epoch.secrets.init_secret
    private = epoch.secrets.external_key_pair(epoch.suite).private
    hpke = set_up_receiver(epoch.suite, change.external_init, private, b"")
    return hpke.export(EXTERNAL_INIT_LABEL, HASH_BYTES)


def _own_privates(epoch: Epoch, change: Change, world: World) -> Privates:
    """Our private keys after the proposals: an own update that was taken up brings its leaf's."""
    if epoch.own not in change.updated:
        return epoch.privates
    leaf = change.tree.leaf(epoch.own)
    private = None if leaf is None else world.updates.get(leaf.encryption_key)
    if private is None:
        raise InvalidError(Rule.OWN_LEAF)
    return {2 * epoch.own: private}


def _merge(change: Change, sender: Sender, path: UpdatePath, ground: Ground) -> tuple[int, RatchetTree]:
    """Put a commit's path into the tree, with what section 12.4.2 asks of it."""
    tree, replaced = change.tree, _replaced_by(change, sender)
    if path.leaf_node.source is not LeafSource.COMMIT:
        raise InvalidError(Rule.LEAF_SOURCE)
    _check_path_keys(tree, path, replaced, ground)
    index = sender.number
    if sender.type is SenderType.NEW_MEMBER_COMMIT:
        tree, index = tree.with_leaf(path.leaf_node)
    check_leaf(path.leaf_node, ground, index, replaced)
    others = {leaf.signature_key for place, leaf in tree.members() if place != index}
    if path.leaf_node.signature_key in others:
        raise InvalidError(Rule.LEAF_SIGNATURE_KEY_UNIQUE)
    merged = merge_path(tree, index, path)
    check_credentials(merged)
    return index, merged


def _replaced_by(change: Change, sender: Sender) -> LeafNode | None:
    """Whose place the committer's new leaf takes: its own, or that of its former self."""
    if sender.type is SenderType.MEMBER:
        return change.tree.leaf(sender.number)
    return next((leaf for _, leaf in change.removed), None)


def _check_path_keys(tree: RatchetTree, path: UpdatePath, replaced: LeafNode | None, ground: Ground) -> None:
    own = path.leaf_node.encryption_key
    if replaced is not None and own == replaced.encryption_key:
        raise InvalidError(Rule.PATH_LEAF_KEY_SAME)
    keys = [own, *(node.encryption_key for node in path.nodes)]
    for key in keys:
        ground.suite.kem.check_public(key)
    held = {leaf.encryption_key for _, leaf in tree.members()}
    held.update(node.encryption_key for _, node in tree.parents())
    if len(set(keys)) != len(keys) or not held.isdisjoint(keys):
        raise InvalidError(Rule.PATH_KEY_UNIQUE)
