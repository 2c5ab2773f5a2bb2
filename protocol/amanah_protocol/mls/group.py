"""A group on one client: the public face of MLS.

    group = Group.create(suite, group_id, identity, policy=EVERYTHING, random=random)
    staged = group.commit([Add(key_package)], random=random)
    ...                                    # send staged.message; once it is accepted:
    group.merge()                          # and send staged.welcome(...) to whom it added

A method changes the whole state or, when it raises, nothing. `state` gives all of it as bytes, the commit in flight
included; whoever keeps it writes it before anything leaves.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

from amanah_protocol.crypto import SigningKey
from amanah_protocol.errors import Code, UsageError
from amanah_protocol.mls import joining
from amanah_protocol.mls.checks import Authenticate
from amanah_protocol.mls.codec import decode
from amanah_protocol.mls.commit import Taken, World, make_commit, take_commit, takeable
from amanah_protocol.mls.credential import Extension, Extensions, check_extensions
from amanah_protocol.mls.epoch import Entry, enter_with
from amanah_protocol.mls.framing import (
    Auth,
    AuthenticatedContent,
    Body,
    ContentType,
    FramedContent,
    PrivateMessage,
    Sender,
    SenderType,
    WireFormat,
    encode_message,
)
from amanah_protocol.mls.group_context import GroupContext, GroupInfo
from amanah_protocol.mls.kem import Random
from amanah_protocol.mls.key_package import fresh_key_pair
from amanah_protocol.mls.key_schedule import secrets_of
from amanah_protocol.mls.labelled import proposal_reference
from amanah_protocol.mls.leaf_node import Identity, LeafNode, Lifetime, Place
from amanah_protocol.mls.message_protection import (
    Handshake,
    Sealer,
    protect_public,
    sign_content,
)
from amanah_protocol.mls.policy import Policy
from amanah_protocol.mls.proposal_list import Proposed, check_sender
from amanah_protocol.mls.proposals import (
    Commit,
    Proposal,
    ProposalRef,
    ReInit,
    Remove,
    Update,
)
from amanah_protocol.mls.psk import FindPsk, PskId, ResumptionPsk
from amanah_protocol.mls.ratchet_tree import RatchetTree
from amanah_protocol.mls.receiving import check_commit_policy, check_policy, open_message, open_private
from amanah_protocol.mls.rules import InvalidError, Rule
from amanah_protocol.mls.secret_tree import Step
from amanah_protocol.mls.stored import Staged, State, decode_state
from amanah_protocol.mls.suites import HASH_BYTES, Suite


def no_psk(_: PskId) -> bytes | None:
    """The application has no pre-shared keys."""
    return None


def anybody(_: LeafNode, __: LeafNode | None) -> None:
    """No authentication service: for conformance with other engines, and nothing else."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Application:
    """What a group's client brings along.

    Attributes:
        key: Its signing key.
        policy: What the group's members accept.
        authenticate: Who may be in.
        find_psk: Pre-shared keys by their ids.
    """

    key: SigningKey
    policy: Policy
    authenticate: Authenticate = anybody
    find_psk: FindPsk = no_psk


@dataclass(frozen=True, slots=True, kw_only=True)
class Received:
    """Application data.

    Attributes:
        sender: The leaf of who sent it.
        data: The data.
        authenticated_data: What was vouched for besides.
    """

    sender: int
    data: bytes
    authenticated_data: bytes


class Group:
    """One group on one client. Its `repr` shows group and epoch only."""

    __slots__ = ("_app", "_state")

    def __init__(self, state: State, app: Application) -> None:
        """Hold a state; made by `create`, `join`, `join_by_commit` or `restore`."""
        self._app = app
        self._state = state

    def __repr__(self) -> str:
        context = self.context
        return f"Group(group_id={context.group_id.hex()}, epoch={context.epoch})"

    # ---- coming into being

    @classmethod
    def create(
        cls,
        suite: Suite,
        group_id: bytes,
        identity: Identity,
        *,
        app: Application,
        lifetime: Lifetime,
        random: Random,
        extensions: Extensions = (),
    ) -> Group:
        """A group of one, in epoch 0 (section 11).

        Args:
            suite: Its suite, for its whole life.
            group_id: Its name.
            identity: Its only member.
            app: What the member brings along.
            lifetime: Of the member's leaf.
            random: Source of randomness.
            extensions: Of its context.
        """
        check_extensions(extensions)
        keys = fresh_key_pair(suite, random)
        tree = RatchetTree.of(identity.leaf_for_key_package(keys.public, lifetime))
        context = GroupContext(
            suite=suite.number,
            group_id=group_id,
            epoch=0,
            tree_hash=tree.hash(),
            confirmed_transcript_hash=b"",
            extensions=extensions,
        )
        secrets = secrets_of(random(HASH_BYTES))
        entry = enter_with(suite, context, tree, 0, {0: keys.private}, joiner_secret=b"", secrets=secrets)
        return cls(State.entered(entry, resumption={}, ended=None), app)

    @classmethod
    def join(cls, opened: joining.OpenedWelcome, tree: bytes | None, app: Application) -> tuple[Group, joining.Joined]:
        """Join by a welcome that `joining.open_welcome` opened.

        Args:
            opened: The welcome.
            tree: The encoded ratchet tree, where it does not stand in the welcome.
            app: What we bring along.

        Returns:
            The group, and what it was joined by; the private keys of the key package are to be deleted.

        Raises:
            DecodeError: `MALFORMED`.
            InvalidError: The rule that is broken.
            VerifyError: What `app.authenticate` raises.
        """
        joined = joining.join(opened, tree, app.authenticate)
        return cls(State.entered(joined.entry, resumption={}, ended=None), app), joined

    @classmethod
    def join_by_commit(
        cls, info: GroupInfo, tree: bytes | None, request: joining.Request, app: Application, *, random: Random
    ) -> tuple[Group, bytes]:
        """Join by a commit of one's own (section 12.4.3.2).

        Args:
            info: The group info, with an external public key.
            tree: The encoded ratchet tree, where the group info has none.
            request: Who joins, and how.
            app: What we bring along.
            random: Source of randomness.

        Returns:
            The group as it is once the commit is accepted, and the encoded `MLSMessage` to be sent.

        Raises:
            DecodeError: `MALFORMED`.
            InvalidError: The rule that is broken.
        """
        joined = joining.join_by_commit(info, tree, request, authenticate=app.authenticate, random=random)
        message = protect_public(joined.content, info.context.encode(), b"")
        return cls(State.entered(joined.entry, resumption={}, ended=None), app), encode_message(message)

    def with_application(self, app: Application) -> Group:
        """The same group for another application; the state is shared, so the old one is to be forgotten."""
        return Group(self._state, app)

    # ---- looking

    @property
    def context(self) -> GroupContext:
        """What the members agree on in this epoch."""
        return self._state.epoch.context

    @property
    def tree(self) -> RatchetTree:
        """The ratchet tree of this epoch."""
        return self._state.epoch.tree

    @property
    def own_leaf(self) -> int:
        """The number of the own leaf."""
        return self._state.epoch.own

    @property
    def suite(self) -> Suite:
        """The suite."""
        return self._state.epoch.suite

    @property
    def pending(self) -> Staged | None:
        """The own commit in flight, also after a restart."""
        return self._state.pending

    @property
    def ended(self) -> ReInit | None:
        """How the group goes on elsewhere, once it was reinitialised."""
        return self._state.ended

    @property
    def epoch_authenticator(self) -> bytes:
        """Equal for all who are in the same epoch (section 8.7), 32 bytes."""
        return self._state.epoch.secrets.epoch_authenticator

    def members(self) -> Iterator[tuple[int, LeafNode]]:
        """Who is in, by leaf."""
        return self.tree.members()

    def export(self, label: bytes, context: bytes, length: int) -> bytes:
        """A secret of this epoch for another use (section 8.5)."""
        return self._state.epoch.secrets.export(label, context, length)

    def resumption_psk(self, epoch: int) -> bytes | None:
        """The resumption key of this epoch, or of a past one that is still kept (section 8.6)."""
        if epoch == self.context.epoch:
            return self._state.epoch.secrets.resumption_psk
        return self._state.resumption.get(epoch)

    def group_info(self, extensions: Iterable[Extension] = ()) -> bytes:
        """An encoded, signed `MLSMessage` by which others may join (section 12.4.3)."""
        epoch = self._state.epoch
        tag = epoch.secrets.confirmation_tag(epoch.context.confirmed_transcript_hash)
        info = joining.make_group_info(epoch, tag, self._app.key, extensions)
        return encode_message(decode(info, GroupInfo.read))

    def external_pub(self) -> Extension:
        """The extension of a group info that lets others join this epoch by a commit (section 12.4.3.2)."""
        return joining.external_pub(self._state.epoch)

    # ---- sending

    def seal(self, data: bytes, *, random: Random, authenticated_data: bytes = b"") -> bytes:
        """Seal application data for the members of this epoch; its key is used up at once.

        Raises:
            UsageError: `USAGE` after a reinitialisation.
        """
        self._check_alive()
        content = self._content(data, authenticated_data)
        return encode_message(self._sealer().seal(self._sign(content, WireFormat.PRIVATE_MESSAGE), random))

    def propose(
        self, proposal: Proposal, *, random: Random, public: bool = False, authenticated_data: bytes = b""
    ) -> bytes:
        """Propose something; the encoded `MLSMessage` to be sent.

        Raises:
            InvalidError: `POLICY` or `LEAF_LIFETIME_RANGE`, by which the others would refuse it.
            UsageError: `USAGE` when the policy does not let proposals be sent, or only sealed ones.
        """
        self._check_alive()
        if not self._app.policy.proposals_by_reference:
            raise UsageError(Code.USAGE, "proposals are not sent by themselves in this group")
        check_policy([proposal], self._app.policy)
        signed = self._sign(self._content(proposal, authenticated_data), self._format(public=public))
        message = self._protect(signed, random)
        self._remember(signed)
        return encode_message(message)

    def propose_update(
        self, identity: Identity, *, random: Random, public: bool = False, authenticated_data: bytes = b""
    ) -> bytes:
        """Propose a fresh own leaf; its private key waits for a commit that takes it up."""
        self._check_key(identity)
        keys = fresh_key_pair(self.suite, random)
        leaf = identity.leaf_for_update(keys.public, Place(self.context.group_id, self.own_leaf))
        message = self.propose(Update(leaf), random=random, public=public, authenticated_data=authenticated_data)
        self._state.updates[keys.public] = keys.private
        return message

    def commit(
        self,
        proposals: Sequence[Proposal] = (),
        *,
        random: Random,
        public: bool = False,
        with_path: bool = True,
        authenticated_data: bytes = b"",
        identity: Identity | None = None,
    ) -> Staged:
        """Commit these proposals, and those of the epoch that were sent before and fit; nothing changes until `merge`.

        Args:
            proposals: By value.
            random: Source of randomness.
            public: Send it readable instead of sealed.
            with_path: Renew the own keys also where the proposals do not ask for it.
            authenticated_data: What it vouches for besides.
            identity: What the own leaf says from now on; None leaves it as it is.

        Raises:
            InvalidError: What the others would refuse.
            UsageError: `USAGE` when a commit is pending, or the policy does not let it be readable; `KEY_ID` for an
                identity of another key.
        """
        self._check_alive()
        if self._state.pending is not None:
            raise UsageError(Code.USAGE, "an own commit waits for its answer")
        identity = identity or Identity.of(self._app.key, self._own())
        self._check_key(identity)
        check_policy(proposals, self._app.policy)
        epoch, world = self._state.epoch, self._world()
        made = make_commit(
            epoch,
            [*takeable(epoch, self._references(), proposals, world), *proposals],
            world,
            identity=identity,
            wire_format=self._format(public=public),
            authenticated_data=authenticated_data,
            with_path=with_path,
            random=random,
        )
        check_commit_policy(made.commit, self._app.policy)
        staged = Staged.of(encode_message(self._protect(made.content, random)), made)
        self._state.pending = staged
        return staged

    def _references(self) -> list[ProposalRef]:
        """Proposals of the epoch that an own commit can take up: an own update or removal cannot be."""
        own = Sender(SenderType.MEMBER, self.own_leaf)
        return [
            ProposalRef(reference)
            for reference, item in self._state.proposals.items()
            if not (isinstance(item.proposal, Update) and item.sender == own) and item.proposal != Remove(self.own_leaf)
        ]

    def merge(self) -> None:
        """The own commit was accepted: enter its epoch.

        Raises:
            UsageError: `USAGE` when none is pending.
        """
        staged = self._state.pending
        if staged is None:
            raise UsageError(Code.USAGE, "no own commit is pending")
        self._enter(staged.entry, staged.reinit)

    def discard(self) -> None:
        """The own commit was refused, or another won: forget it."""
        self._state.pending = None

    # ---- receiving

    def open(self, message: PrivateMessage, by: Callable[[LeafNode], None] | None = None) -> Received:
        """Open application data of this epoch, once.

        Args:
            message: The message.
            by: Whether it may be this member's; raises `VerifyError` to refuse, and then nothing has changed.

        Raises:
            DecodeError: `MALFORMED`.
            InvalidError: The rule that is broken; nothing has changed.
            VerifyError: What `by` raises.
        """
        if message.content_type is not ContentType.APPLICATION:
            raise InvalidError(Rule.SENDER_CONTENT)
        opened, step = open_private(message, self._state.epoch, self._sealer())
        leaf = self.tree.leaf(opened.content.sender.number)
        if by is not None and leaf is not None:
            by(leaf)
        self._state.messages.apply(step)
        body = opened.content.body
        assert isinstance(body, bytes)  # noqa: S101 - narrows for mypy: the content type says so
        return Received(sender=opened.content.sender.number, data=body, authenticated_data=message.authenticated_data)

    def take_proposal(self, message: Handshake) -> Proposed:
        """Take a proposal that waits for a commit.

        Raises:
            DecodeError: `MALFORMED`.
            InvalidError: The rule that is broken; nothing has changed.
        """
        if not self._app.policy.proposals_by_reference:
            raise InvalidError(Rule.POLICY)
        if self._state.ended is not None:
            raise InvalidError(Rule.REINIT_DONE)
        opened, step = self._open(message)
        if isinstance(opened.content.body, bytes | Commit):
            raise InvalidError(Rule.SENDER_CONTENT)
        check_sender(opened.content.body, opened.content.sender)
        check_policy([opened.content.body], self._app.policy)
        if step is not None:
            self._state.messages.apply(step)
        return self._remember(opened)

    def take_commit(self, message: Handshake) -> Taken:
        """Check another's commit as a whole; nothing changes until `apply`.

        Raises:
            DecodeError: `MALFORMED`.
            InvalidError: The rule that is broken.
            VerifyError: What `authenticate` raises.
        """
        if self._state.ended is not None:
            raise InvalidError(Rule.REINIT_DONE)
        opened, _ = self._open(message)
        commit = opened.content.body
        if not isinstance(commit, Commit):
            raise InvalidError(Rule.SENDER_CONTENT)
        check_commit_policy(commit, self._app.policy)
        return take_commit(self._state.epoch, opened, commit, self._world())

    def apply(self, taken: Taken) -> bool:
        """Enter the epoch of a commit that `take_commit` checked; an own one in flight is forgotten.

        Returns:
            False when it removed us: the group takes nothing more, and is to be forgotten.

        Raises:
            UsageError: `USAGE` when it does not end the present epoch.
        """
        if taken.entry is None:
            return False
        if taken.entry.epoch.context.epoch != self.context.epoch + 1:
            raise UsageError(Code.USAGE, "a commit was taken in another epoch than it is applied in")
        self._enter(taken.entry, taken.change.reinit)
        return True

    # ---- the parts

    def _own(self) -> LeafNode:
        leaf = self.tree.leaf(self.own_leaf)
        assert leaf is not None  # noqa: S101 - narrows for mypy: an epoch is entered with its own leaf in the tree
        return leaf

    def _check_alive(self) -> None:
        if self._state.ended is not None:
            raise UsageError(Code.USAGE, "the group was reinitialised; it goes on in another")

    def _check_key(self, identity: Identity) -> None:
        """All that a member sends is signed by the key of its leaf; a client with another key joins anew."""
        if identity.key.public != self._app.key.public:
            raise UsageError(Code.KEY_ID, "a member keeps its signing key")

    def _format(self, *, public: bool) -> WireFormat:
        if public and not self._app.policy.public_handshakes:
            raise UsageError(Code.USAGE, "handshakes are sealed in this group")
        return WireFormat.PUBLIC_MESSAGE if public else WireFormat.PRIVATE_MESSAGE

    def _content(self, body: Body, authenticated_data: bytes) -> FramedContent:
        sender = Sender(SenderType.MEMBER, self.own_leaf)
        return FramedContent.of(self.context, sender, authenticated_data, body)

    def _sign(self, content: FramedContent, wire_format: WireFormat) -> AuthenticatedContent:
        signature = sign_content(wire_format, content, self.context.encode(), self._app.key)
        return AuthenticatedContent(wire_format=wire_format, content=content, auth=Auth(signature))

    def _sealer(self) -> Sealer:
        epoch = self._state.epoch
        return Sealer(
            suite=epoch.suite,
            sender_data_secret=epoch.secrets.sender_data_secret,
            tree=self._state.messages,
            padding=self._app.policy.padding,
        )

    def _protect(self, signed: AuthenticatedContent, random: Random) -> Handshake:
        if signed.wire_format is WireFormat.PRIVATE_MESSAGE:
            return self._sealer().seal(signed, random)
        return protect_public(signed, self.context.encode(), self._state.epoch.secrets.membership_key)

    def _open(self, message: Handshake) -> tuple[AuthenticatedContent, Step | None]:
        return open_message(message, self._state.epoch, self._sealer(), self._app.policy)

    def _remember(self, signed: AuthenticatedContent) -> Proposed:
        body = signed.content.body
        assert not isinstance(body, bytes | Commit)  # noqa: S101 - narrows for mypy: only proposals are remembered
        proposed = Proposed(proposal=body, sender=signed.content.sender)
        self._state.proposals[proposal_reference(signed.encode())] = proposed
        return proposed

    def _world(self) -> World:
        return World(
            authenticate=self._app.authenticate,
            find_psk=self._find_psk,
            proposals=self._state.proposals,
            updates=self._state.updates,
        )

    def _find_psk(self, psk: PskId) -> bytes | None:
        if isinstance(psk, ResumptionPsk) and psk.group_id == self.context.group_id:
            return self.resumption_psk(psk.epoch)
        return self._app.find_psk(psk)

    def _enter(self, entry: Entry, reinit: ReInit | None) -> None:
        state = self._state
        past = {**state.resumption, self.context.epoch: state.epoch.secrets.resumption_psk}
        kept = list(past.items())[len(past) - min(len(past), self._app.policy.kept_resumption_psks) :]
        self._state = State.entered(entry, resumption=dict(kept), ended=reinit)

    # ---- keeping

    def epoch_state(self) -> bytes:
        """The part of the state that changes with commits and proposals. Secret."""
        return self._state.encode_epoch()

    def message_state(self) -> bytes:
        """The part of the state that changes with every message. Secret."""
        return self._state.encode_messages()

    @classmethod
    def restore(
        cls,
        epoch_state: bytes,
        message_state: bytes,
        app: Application,
        suite_of: Callable[[int], Suite | None],
    ) -> Group:
        """The group of a stored state.

        Args:
            epoch_state: What `epoch_state` gave last.
            message_state: What `message_state` gave last.
            app: What we bring along.
            suite_of: The suite of a number, None where it is not known.

        Raises:
            DecodeError: `SUITE`, `UNKNOWN_VERSION`, or it is damaged.
        """
        return cls(decode_state(epoch_state, message_state, suite_of), app)
