"""Who may send what, and did they: from a message to content that its sender vouches for (RFC 9420 section 6)."""

from __future__ import annotations

from collections.abc import Iterable

from amanah_protocol.mls.credential import external_senders
from amanah_protocol.mls.epoch import Epoch
from amanah_protocol.mls.framing import (
    AuthenticatedContent,
    Body,
    FramedContent,
    PrivateMessage,
    PublicMessage,
    SenderType,
)
from amanah_protocol.mls.leaf_node import LeafNode, Lifetime
from amanah_protocol.mls.message_protection import Handshake, Sealer, unprotect_public, verify_content
from amanah_protocol.mls.policy import Policy
from amanah_protocol.mls.proposals import (
    Add,
    Commit,
    GroupContextExtensions,
    PreSharedKey,
    ProposalOrRef,
    ProposalRef,
    ReInit,
)
from amanah_protocol.mls.rules import InvalidError, Rule
from amanah_protocol.mls.secret_tree import Step


def open_message(
    message: Handshake, epoch: Epoch, sealer: Sealer, policy: Policy
) -> tuple[AuthenticatedContent, Step | None]:
    """Open a message of an epoch, and verify who sent it.

    Args:
        message: The message.
        epoch: The epoch.
        sealer: Its message keys.
        policy: What the group's members accept.

    Returns:
        The content, and the step of the secret tree that is to be applied when the content is taken.

    Raises:
        DecodeError: `MALFORMED`.
        InvalidError: The rule that is broken; nothing has changed.
    """
    if isinstance(message, PrivateMessage):
        return open_private(message, epoch, sealer)
    if not policy.public_handshakes:
        raise InvalidError(Rule.POLICY, "handshakes are sealed")
    _check_place(epoch, message.content.group_id, message.content.epoch)
    return _open_public(message, epoch, policy), None


def open_private(message: PrivateMessage, epoch: Epoch, sealer: Sealer) -> tuple[AuthenticatedContent, Step]:
    """Open a sealed message; see `open_message`."""
    _check_place(epoch, message.group_id, message.epoch)
    data = sealer.open_sender(message)
    leaf = _member(epoch, data.leaf)
    opened, step = sealer.open(message, data)
    verify_content(opened, epoch.context.encode(), leaf.signature_key)
    return opened, step


def _open_public(message: PublicMessage, epoch: Epoch, policy: Policy) -> AuthenticatedContent:
    key, context = _public_key_of(message.content, epoch, policy), epoch.context.encode()
    opened = unprotect_public(message, context, epoch.secrets.membership_key)
    verify_content(opened, context, key)
    return opened


def _check_place(epoch: Epoch, group_id: bytes, number: int) -> None:
    if group_id != epoch.context.group_id:
        raise InvalidError(Rule.GROUP_ID)
    if number != epoch.context.epoch:
        raise InvalidError(Rule.EPOCH)


def _member(epoch: Epoch, number: int) -> LeafNode:
    leaf = epoch.tree.leaf(number)
    if leaf is None:
        raise InvalidError(Rule.SENDER_LEAF)
    if number == epoch.own:
        raise InvalidError(Rule.SENDER_SELF)
    return leaf


def _public_key_of(content: FramedContent, epoch: Epoch, policy: Policy) -> bytes:
    """Whose signature a public content has to bear (section 6.1), if such a sender may send it at all."""
    sender, body = content.sender, content.body
    if sender.type is SenderType.MEMBER:
        return _member(epoch, sender.number).signature_key
    if sender.type is SenderType.NEW_MEMBER_COMMIT:
        return _joiners_key(body, policy)
    if not policy.external_proposals:
        raise InvalidError(Rule.POLICY, "nobody proposes from outside")
    if sender.type is SenderType.NEW_MEMBER_PROPOSAL:
        if not isinstance(body, Add):
            raise InvalidError(Rule.SENDER_CONTENT)
        return body.key_package.leaf_node.signature_key
    if isinstance(body, bytes | Commit):
        raise InvalidError(Rule.SENDER_CONTENT)
    senders = external_senders(epoch.context.extensions)
    if sender.number >= len(senders):
        raise InvalidError(Rule.SENDER_EXTERNAL)
    return senders[sender.number].signature_key


def _joiners_key(body: Body, policy: Policy) -> bytes:
    """Who joins by a commit signs it with the key of the leaf that it brings (section 12.4.3.2)."""
    if not policy.external_commits:
        raise InvalidError(Rule.POLICY, "nobody joins by a commit of its own")
    if not isinstance(body, Commit):
        raise InvalidError(Rule.SENDER_CONTENT)
    if body.path is None:
        raise InvalidError(Rule.EXTERNAL_PATH)
    return body.path.leaf_node.signature_key


def check_commit_policy(commit: Commit, policy: Policy) -> None:
    """Hold a commit against what the group's members accept.

    Raises:
        InvalidError: `PATH_REQUIRED`, or as `check_policy`.
    """
    if commit.path is None and not policy.commits_without_path:
        raise InvalidError(Rule.PATH_REQUIRED, "every commit renews its committer's keys")
    check_policy(commit.proposals, policy)


def check_policy(items: Iterable[ProposalOrRef], policy: Policy) -> None:
    """Hold proposals, by themselves or in a commit, against what the group's members accept.

    Raises:
        InvalidError: `POLICY` or `LEAF_LIFETIME_RANGE`.
    """
    for item in items:
        match item:
            case ProposalRef():
                allowed = policy.proposals_by_reference
            case PreSharedKey():
                allowed = policy.pre_shared_keys
            case ReInit():
                allowed = policy.reinit
            case GroupContextExtensions():
                allowed = policy.context_changes
            case Add(key_package=package):
                _check_range(package.leaf_node.lifetime, policy.longest_lifetime_s)
                allowed = True
            case _:
                allowed = True
        if not allowed:
            raise InvalidError(Rule.POLICY, f"no {type(item).__name__}")


def _check_range(lifetime: Lifetime | None, longest_s: int | None) -> None:
    if longest_s is not None and lifetime is not None and lifetime.not_after - lifetime.not_before > longest_s:
        raise InvalidError(Rule.LEAF_LIFETIME_RANGE)
