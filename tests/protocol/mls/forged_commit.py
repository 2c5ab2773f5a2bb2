"""Commits and welcomes in which one thing is wrong, and all that follows from it is worked out as if it were right."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from amanah_protocol.crypto import SigningKey
from amanah_protocol.mls.codec import Reader, decode
from amanah_protocol.mls.commit import EXTERNAL_INIT_LABEL
from amanah_protocol.mls.credential import Extension, Extensions
from amanah_protocol.mls.epoch import Entry, Epoch, enter, joiner_secret_of
from amanah_protocol.mls.framing import FramedContent, Sender, SenderType, WireFormat, encode_message
from amanah_protocol.mls.group import Group
from amanah_protocol.mls.group_context import EncryptedGroupSecrets, GroupContext, GroupInfo, GroupSecrets, Welcome
from amanah_protocol.mls.hpke import set_up_sender
from amanah_protocol.mls.joining import external_pub, ratchet_tree
from amanah_protocol.mls.kem import Random
from amanah_protocol.mls.key_package import KeyPackageBundle
from amanah_protocol.mls.key_schedule import NO_SECRET, derive_welcome_keys
from amanah_protocol.mls.labelled import encrypt_with_label, proposal_reference
from amanah_protocol.mls.leaf_node import Identity, Place
from amanah_protocol.mls.proposal_list import Proposed
from amanah_protocol.mls.proposals import (
    Add,
    Commit,
    ExternalInit,
    GroupContextExtensions,
    PreSharedKey,
    ProposalOrRef,
    ProposalRef,
    Remove,
    Update,
)
from amanah_protocol.mls.psk import FindPsk, PskId, derive_psk_secret
from amanah_protocol.mls.ratchet_tree import RatchetTree
from amanah_protocol.mls.suites import HASH_BYTES, Suite
from amanah_protocol.mls.transcript import confirmed_transcript_hash
from tests.protocol.mls.franken import MessageForm, PathForm, SealForm, content_by
from tests.protocol.mls.stage import CONTEXT_EXTENSIONS, GROUP_ID, Stage, find_psk, handshake, key_of

LAST_EPOCH: Final = (1 << 64) - 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Applied:
    """What proposals do to a group when nobody asks whether they may."""

    tree: RatchetTree
    extensions: Extensions
    added: frozenset[int]
    psks: tuple[PskId, ...]


def apply_unchecked(epoch: Epoch, proposed: Sequence[Proposed]) -> Applied:
    """Apply proposals in the order of section 12.3, and check nothing."""
    tree, added, extensions = epoch.tree, set(), epoch.context.extensions
    for item in proposed:
        if isinstance(item.proposal, GroupContextExtensions):
            extensions = item.proposal.extensions
        if isinstance(item.proposal, Update) and tree.leaf(item.sender.number) is not None:
            tree = tree.with_update(item.sender.number, item.proposal.leaf_node)
    for item in proposed:
        if isinstance(item.proposal, Remove) and tree.leaf(item.proposal.removed) is not None:
            tree = tree.without(item.proposal.removed)
    for item in proposed:
        if isinstance(item.proposal, Add):
            tree, index = tree.with_leaf(item.proposal.key_package.leaf_node)
            added.add(index)
    psks = tuple(item.proposal.psk for item in proposed if isinstance(item.proposal, PreSharedKey))
    return Applied(tree=tree, extensions=extensions, added=frozenset(added), psks=psks)


def following(context: GroupContext, tree_hash: bytes, extensions: Extensions) -> GroupContext:
    """The next epoch's context, also where there is none."""
    epoch = min(context.epoch + 1, LAST_EPOCH)
    return replace(context, epoch=epoch, tree_hash=tree_hash, extensions=extensions)


@dataclass(frozen=True, slots=True, kw_only=True)
class CommitForm:
    """How a commit is made.

    Attributes:
        epoch: The epoch as its members hold it.
        identity: Who commits.
        sender: As what.
        items: Its proposals.
        random: Seeded.
        known: Proposals that were sent before.
        with_path: Whether it has a path.
        bend_path: Changes how the path is made.
        init_secret: Instead of the epoch's.
        key: Who signs the message, if not the identity.
        signature: Instead of the right one.
        bend_tag: Changes the confirmation tag.
        bend_content: Changes the content before it is signed.
        find_psk: The pre-shared keys.
    """

    epoch: Epoch
    identity: Identity
    sender: Sender
    items: Sequence[ProposalOrRef] = ()
    random: Random
    known: Mapping[bytes, Proposed] = field(default_factory=dict)
    with_path: bool = True
    bend_path: Callable[[PathForm], PathForm] = lambda form: form
    init_secret: bytes | None = None
    key: SigningKey | None = None
    signature: bytes | None = None
    bend_tag: Callable[[bytes], bytes] = lambda tag: tag
    bend_content: Callable[[FramedContent], FramedContent] = lambda content: content
    find_psk: FindPsk = find_psk

    def _proposed(self) -> list[Proposed]:
        return [
            self.known[item.reference] if isinstance(item, ProposalRef) else Proposed(proposal=item, sender=self.sender)
            for item in self.items
            if not isinstance(item, ProposalRef) or item.reference in self.known
        ]

    def message(self, wire_format: WireFormat) -> MessageForm:
        """The commit, to be sealed or sent readable."""
        epoch, applied = self.epoch, apply_unchecked(self.epoch, self._proposed())
        tree, path, commit_secret = applied.tree, None, NO_SECRET
        if self.with_path:
            index = self.sender.number
            if self.sender.type is SenderType.NEW_MEMBER_COMMIT:
                some = next(leaf for _, leaf in epoch.tree.members())
                tree, index = tree.with_leaf(some)
            path_form = PathForm(
                suite=epoch.suite,
                identity=self.identity,
                place=Place(epoch.context.group_id, index),
                random=self.random,
                added=applied.added,
            )
            made = self.bend_path(path_form).make(
                tree, lambda tree_hash: following(epoch.context, tree_hash, applied.extensions).encode()
            )
            tree, path, commit_secret = made.tree, made.path, made.commit_secret
        body = Commit(tuple(self.items), path)
        content = self.bend_content(FramedContent.of(epoch.context, self.sender, b"vouched for", body))
        form = MessageForm(
            epoch=epoch,
            content=content,
            key=self.key or self.identity.key,
            wire_format=wire_format,
            signature=self.signature,
        )
        entry = self._enter(form, applied, tree, commit_secret)
        return replace(form, tag=self.bend_tag(entry.confirmation_tag))

    def _enter(self, form: MessageForm, applied: Applied, tree: RatchetTree, commit_secret: bytes) -> Entry:
        epoch = self.epoch
        confirmed = confirmed_transcript_hash(epoch.interim_transcript_hash, form.authenticated())
        context = replace(
            following(epoch.context, tree.hash(), applied.extensions), confirmed_transcript_hash=confirmed
        )
        init_secret = epoch.secrets.init_secret if self.init_secret is None else self.init_secret
        keys = [(psk, self.find_psk(psk) or b"") for psk in applied.psks]
        return enter(
            epoch.suite,
            context,
            tree,
            0,
            {},
            joiner_secret=joiner_secret_of(init_secret, commit_secret, context),
            psk_secret=derive_psk_secret(keys),
        )

    def public(self, bend_tag: Callable[[bytes], bytes] = lambda tag: tag) -> bytes:
        """The commit, readable by all."""
        return self.message(WireFormat.PUBLIC_MESSAGE).public(bend_tag)

    def sealed(self, group: Group, seal: SealForm | None = None) -> bytes:
        """The commit, sealed by who holds the group."""
        return self.message(WireFormat.PRIVATE_MESSAGE).sealed(group, seal)


def commit_by(stage: Stage, name: str, *items: ProposalOrRef, **bent: object) -> CommitForm:
    """A member's commit."""
    group = stage[name]
    form = CommitForm(
        epoch=group._state.epoch,
        identity=stage.identity(name),
        sender=Sender(SenderType.MEMBER, group.own_leaf),
        items=items,
        random=stage.random,
        known=group._state.proposals,
        find_psk=group._find_psk,
    )
    return replace(form, **bent)  # type: ignore[arg-type] # the names are the form's own


def sealed_commit(stage: Stage, name: str, *items: ProposalOrRef, **bent: object) -> bytes:
    """A member's sealed commit."""
    return commit_by(stage, name, *items, **bent).sealed(stage[name])


def propose(stage: Stage, name: str, proposal: object) -> ProposalRef:
    """A member proposes, whatever it is, and everybody takes note; gives the reference."""
    group = stage[name]
    form = MessageForm(epoch=group._state.epoch, content=content_by(group, proposal), key=key_of(name))
    message = handshake(form.public())
    for other in stage.groups.values():
        if other is group:
            other._remember(replace(form, wire_format=WireFormat.PUBLIC_MESSAGE).authenticated())
        else:
            other.take_proposal(message)
    return ProposalRef(
        proposal_reference(replace(form, wire_format=WireFormat.PUBLIC_MESSAGE).authenticated().encode())
    )


def join_commit(stage: Stage, name: str, *items: ProposalOrRef, **bent: object) -> CommitForm:
    """A commit of somebody who joins by it; its external init comes first."""
    epoch = stage["alice"]._state.epoch
    public = decode(external_pub(epoch).data, Reader.opaque)
    kem_output, hpke = set_up_sender(stage.suite, public, b"", stage.random)
    form = CommitForm(
        epoch=epoch,
        identity=stage.identity(name),
        sender=Sender(SenderType.NEW_MEMBER_COMMIT),
        items=(ExternalInit(kem_output), *items),
        random=stage.random,
        init_secret=hpke.export(EXTERNAL_INIT_LABEL, HASH_BYTES),
    )
    return replace(form, **bent)  # type: ignore[arg-type] # the names are the form's own


@dataclass(frozen=True, slots=True, kw_only=True)
class WelcomeForm:
    """How a welcome into an epoch is made, out of nothing but a tree.

    Attributes:
        tree: The tree that the newcomer is shown.
        signer: The leaf that signs, and who signs for it.
        bundle: The newcomer's key package.
    """

    suite: Suite
    tree: RatchetTree
    signer: int
    key: SigningKey
    bundle: KeyPackageBundle
    random: Random
    epoch: int = 7
    context_suite: int | None = None
    context_extensions: Extensions = CONTEXT_EXTENSIONS
    tree_hash: bytes | None = None
    info_extensions: Callable[[Extension], Extensions] = lambda tree: (tree,)
    bend_tag: Callable[[bytes], bytes] = lambda tag: tag
    signature: bytes | None = None
    path_secret: bytes | None = None
    psks: tuple[tuple[PskId, bytes], ...] = ()
    bend_info: Callable[[bytes], bytes] = lambda info: info
    bend: Callable[[Welcome], Welcome] = lambda welcome: welcome

    def entry(self, joiner_secret: bytes) -> Entry:
        """The epoch that is entered."""
        context = GroupContext(
            suite=self.suite.number if self.context_suite is None else self.context_suite,
            group_id=GROUP_ID,
            epoch=self.epoch,
            tree_hash=self.tree.hash() if self.tree_hash is None else self.tree_hash,
            confirmed_transcript_hash=bytes(HASH_BYTES),
            extensions=self.context_extensions,
        )
        return enter(
            self.suite,
            context,
            self.tree,
            self.signer,
            {},
            joiner_secret=joiner_secret,
            psk_secret=derive_psk_secret(self.psks),
        )

    def info(self, entry: Entry) -> GroupInfo:
        """The signed group info."""
        info = GroupInfo(
            context=entry.epoch.context,
            extensions=self.info_extensions(ratchet_tree(self.tree)),
            confirmation_tag=self.bend_tag(entry.confirmation_tag),
            signer=self.signer,
        )
        signed = decode(info.sign(self.key), GroupInfo.read)
        return signed if self.signature is None else replace(signed, signature=self.signature)

    def welcome(self) -> Welcome:
        """The welcome."""
        entry = self.entry(self.random(HASH_BYTES))
        keys = derive_welcome_keys(self.suite, entry.joiner_secret, derive_psk_secret(self.psks))
        info = self.bend_info(self.info(entry).encode())
        sealed = self.suite.aead.seal(keys.key, keys.nonce, info, b"")
        psks = tuple(psk for psk, _ in self.psks)
        secrets = GroupSecrets(joiner_secret=entry.joiner_secret, path_secret=self.path_secret, psks=psks)
        for_one = encrypt_with_label(
            self.suite, self.bundle.public.init_key, b"Welcome", sealed, secrets.encode(), self.random
        )
        entries = (EncryptedGroupSecrets(new_member=self.bundle.public.reference, sealed=for_one),)
        return self.bend(Welcome(suite=self.suite.number, secrets=entries, encrypted_group_info=sealed))

    def message(self) -> bytes:
        """The welcome as it travels."""
        return encode_message(self.welcome())


def welcome_to(stage: Stage, **bent: object) -> WelcomeForm:
    """A right welcome for the newcomer into the stage's tree, signed by `alice`."""
    tree, _ = stage["alice"].tree.with_leaf(stage.newcomer.public.leaf_node)
    form = WelcomeForm(
        suite=stage.suite,
        tree=tree,
        signer=0,
        key=stage.identity("alice").key,
        bundle=stage.newcomer,
        random=stage.random,
    )
    return replace(form, **bent)  # type: ignore[arg-type] # the names are the form's own
