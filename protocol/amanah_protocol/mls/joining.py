"""Coming into a group: by a welcome (RFC 9420 section 12.4.3.1) or by an external commit (section 12.4.3.2)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from amanah_protocol.crypto import SigningKey
from amanah_protocol.errors import Code, UsageError, VerifyError
from amanah_protocol.mls.checks import Authenticate, Ground, check_tree
from amanah_protocol.mls.codec import Reader, decode, opaque
from amanah_protocol.mls.commit import EXTERNAL_INIT_LABEL, Newcomer
from amanah_protocol.mls.credential import (
    Extension,
    ExtensionType,
    check_extensions,
    external_senders,
    find_extension,
)
from amanah_protocol.mls.epoch import Entry, Epoch, check_confirmation, enter, joiner_secret_of
from amanah_protocol.mls.framing import Auth, AuthenticatedContent, FramedContent, Sender, SenderType, WireFormat
from amanah_protocol.mls.group_context import (
    EncryptedGroupSecrets,
    GroupContext,
    GroupInfo,
    GroupSecrets,
    Welcome,
)
from amanah_protocol.mls.hpke import set_up_sender
from amanah_protocol.mls.kem import Random
from amanah_protocol.mls.key_package import KeyPackageBundle
from amanah_protocol.mls.key_schedule import derive_welcome_keys
from amanah_protocol.mls.labelled import decrypt_with_label, encrypt_with_label
from amanah_protocol.mls.leaf_node import Identity, Place
from amanah_protocol.mls.message_protection import sign_content
from amanah_protocol.mls.proposals import Commit, ExternalInit, PreSharedKey, Proposal, Remove
from amanah_protocol.mls.psk import ExternalPsk, FindPsk, PskId, ResumptionUsage, derive_psk_secret
from amanah_protocol.mls.ratchet_tree import RatchetTree, decode_ratchet_tree
from amanah_protocol.mls.rules import InvalidError, Rule
from amanah_protocol.mls.suites import HASH_BYTES, Suite
from amanah_protocol.mls.transcript import confirmed_transcript_hash, interim_transcript_hash
from amanah_protocol.mls.treekem import Privates, create_path, take_path_secret

_WELCOME_LABEL = b"Welcome"


def make_group_info(epoch: Epoch, tag: bytes, key: SigningKey, extensions: Iterable[Extension]) -> bytes:
    """A signed group info of an epoch (section 12.4.3)."""
    info = GroupInfo(context=epoch.context, extensions=tuple(extensions), confirmation_tag=tag, signer=epoch.own)
    return info.sign(key)


def make_welcome(
    entry: Entry,
    newcomers: Sequence[Newcomer],
    *,
    psks: tuple[PskId, ...],
    psk_secret: bytes,
    extensions: Iterable[Extension],
    key: SigningKey,
    random: Random,
) -> Welcome:
    """The welcome for those that a commit adds.

    Args:
        entry: The epoch that the commit begins.
        newcomers: Whom it is for.
        psks: Pre-shared keys that the epoch rests on.
        psk_secret: What they gave.
        extensions: Of the group info; the ratchet tree among them if it does not travel by itself.
        key: The committer's signing key.
        random: Source of randomness.
    """
    suite = entry.epoch.suite
    keys = derive_welcome_keys(suite, entry.joiner_secret, psk_secret)
    info = make_group_info(entry.epoch, entry.confirmation_tag, key, extensions)
    sealed = suite.aead.seal(keys.key, keys.nonce, info, b"")
    return Welcome(
        suite=suite.number,
        secrets=tuple(_secrets_for(suite, entry, newcomer, psks, sealed, random) for newcomer in newcomers),
        encrypted_group_info=sealed,
    )


def _secrets_for(
    suite: Suite, entry: Entry, newcomer: Newcomer, psks: tuple[PskId, ...], info: bytes, random: Random
) -> EncryptedGroupSecrets:
    secrets = GroupSecrets(joiner_secret=entry.joiner_secret, path_secret=newcomer.path_secret, psks=psks)
    sealed = encrypt_with_label(suite, newcomer.init_key, _WELCOME_LABEL, info, secrets.encode(), random)
    return EncryptedGroupSecrets(new_member=newcomer.key_package, sealed=sealed)


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Joined:
    """What a welcome led to.

    Attributes:
        entry: The epoch entered.
        info: The group info, whose extensions the application may read.
        key_package: Reference of the key package used, whose private keys are to be deleted.
    """

    entry: Entry
    info: GroupInfo
    key_package: bytes


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class OpenedWelcome:
    """A welcome that is ours, opened and not believed yet.

    Attributes:
        suite: Its suite.
        secrets: What it told us alone.
        info: What it told everyone.
        bundle: The key package that it used.
        psk_secret: What its pre-shared keys gave.
    """

    suite: Suite
    secrets: GroupSecrets
    info: GroupInfo
    bundle: KeyPackageBundle
    psk_secret: bytes


def open_welcome(
    welcome: Welcome, bundles: Sequence[KeyPackageBundle], suite: Suite, find_psk: FindPsk
) -> OpenedWelcome:
    """Open a welcome with one of our key packages.

    Args:
        welcome: The welcome.
        bundles: Our key packages.
        suite: Our suite for it.
        find_psk: Pre-shared keys by their ids.

    Raises:
        DecodeError: `MALFORMED`.
        InvalidError: `WELCOME_SUITE`, `WELCOME_NOT_OURS`, `DECRYPTION`, `PSK_UNKNOWN`, `PSK_NONCE`,
            `PSK_TWICE`, `BRANCH_OR_REINIT` or `GROUP_INFO_OPEN`.
    """
    if welcome.suite != suite.number:
        raise InvalidError(Rule.WELCOME_SUITE)
    ours = {bundle.public.reference: bundle for bundle in bundles}
    entry = next((secret for secret in welcome.secrets if secret.new_member in ours), None)
    if entry is None:
        raise InvalidError(Rule.WELCOME_NOT_OURS)
    bundle = ours[entry.new_member]
    if bundle.public.suite != suite.number:
        raise InvalidError(Rule.WELCOME_SUITE)
    opened = decrypt_with_label(suite, bundle.init_private, _WELCOME_LABEL, welcome.encrypted_group_info, entry.sealed)
    secrets = decode(opened, GroupSecrets.read)
    psk_secret = _psk_secret(secrets.psks, find_psk)
    keys = derive_welcome_keys(suite, secrets.joiner_secret, psk_secret)
    try:
        info = suite.aead.open(keys.key, keys.nonce, welcome.encrypted_group_info, b"")
    except VerifyError as error:
        raise InvalidError(Rule.GROUP_INFO_OPEN) from error
    return OpenedWelcome(
        suite=suite, secrets=secrets, info=decode(info, GroupInfo.read), bundle=bundle, psk_secret=psk_secret
    )


def _psk_secret(psks: tuple[PskId, ...], find_psk: FindPsk) -> bytes:
    if len(set(psks)) != len(psks):
        raise InvalidError(Rule.PSK_TWICE)
    found = []
    for psk in psks:
        if len(psk.nonce) != HASH_BYTES:
            raise InvalidError(Rule.PSK_NONCE)
        key = find_psk(psk)
        if key is None:
            raise InvalidError(Rule.PSK_UNKNOWN)
        found.append((psk, key))
    continued = [psk for psk in psks if not isinstance(psk, ExternalPsk) and psk.usage is not _APPLICATION]
    # A new group continues one old group, or none (sections 11.2 and 11.3).
    if len(continued) > 1:
        raise InvalidError(Rule.BRANCH_OR_REINIT)
    return derive_psk_secret(found)


_APPLICATION = ResumptionUsage.APPLICATION


def join(opened: OpenedWelcome, tree: bytes | None, authenticate: Authenticate) -> Joined:
    """Believe a welcome, and enter its epoch.

    Args:
        opened: What `open_welcome` gave.
        tree: The encoded ratchet tree, where it does not stand in the welcome.
        authenticate: Who may be in.

    Raises:
        DecodeError: `MALFORMED`.
        InvalidError: The rule that is broken.
        VerifyError: What `authenticate` raises.
    """
    suite, info, bundle = opened.suite, opened.info, opened.bundle
    if info.context.suite != suite.number:
        raise InvalidError(Rule.WELCOME_SUITE)
    if info.context.epoch != 1 and any(
        not isinstance(psk, ExternalPsk) and psk.usage is not _APPLICATION for psk in opened.secrets.psks
    ):
        raise InvalidError(Rule.BRANCH_OR_REINIT)
    ratchet_tree = _tree_of(info, tree)
    _check_info(info, ratchet_tree, suite, authenticate)
    own = next((index for index, leaf in ratchet_tree.members() if leaf == bundle.public.leaf_node), None)
    if own is None or own == info.signer:
        raise InvalidError(Rule.OWN_LEAF)
    privates: Privates = {2 * own: bundle.leaf_private}
    if opened.secrets.path_secret is not None:
        path = take_path_secret(
            suite, ratchet_tree, opened.secrets.path_secret, sender=info.signer, own=own, privates=privates
        )
        privates = path.privates
    entry = enter(
        suite,
        info.context,
        ratchet_tree,
        own,
        privates,
        joiner_secret=opened.secrets.joiner_secret,
        psk_secret=opened.psk_secret,
    )
    check_confirmation(entry, info.confirmation_tag)
    return Joined(entry=entry, info=info, key_package=bundle.public.reference)


def _tree_of(info: GroupInfo, beside: bytes | None) -> RatchetTree:
    inside = find_extension(info.extensions, ExtensionType.RATCHET_TREE)
    encoded = inside if inside is not None else beside
    if encoded is None:
        raise InvalidError(Rule.GROUP_INFO_TREE)
    tree = decode_ratchet_tree(encoded)
    if tree.hash() != info.context.tree_hash:
        raise InvalidError(Rule.TREE_HASH)
    return tree


def _check_info(info: GroupInfo, tree: RatchetTree, suite: Suite, authenticate: Authenticate) -> None:
    check_extensions(info.extensions)
    check_extensions(info.context.extensions)
    external_senders(info.context.extensions)
    signer = tree.leaf(info.signer)
    if signer is None:
        raise InvalidError(Rule.GROUP_INFO_SIGNATURE)
    info.verify_signature(signer.signature_key)
    ground = Ground(
        suite=suite,
        group_id=info.context.group_id,
        extensions=info.context.extensions,
        authenticate=authenticate,
    )
    check_tree(tree, ground)


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class ExternalJoin:
    """A commit by which somebody joins.

    Attributes:
        content: The signed commit, confirmation tag included.
        entry: The epoch that it begins.
    """

    content: AuthenticatedContent
    entry: Entry


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """How somebody joins by a commit.

    Attributes:
        suite: The group's suite.
        identity: Who joins.
        removes: The leaf of the joiner's former self.
        psks: Pre-shared keys to mix in, with their ids.
        authenticated_data: What the commit vouches for besides.
    """

    suite: Suite
    identity: Identity
    removes: int | None = None
    psks: tuple[tuple[PskId, bytes], ...] = ()
    authenticated_data: bytes = b""


def join_by_commit(
    info: GroupInfo, tree: bytes | None, request: Request, *, authenticate: Authenticate, random: Random
) -> ExternalJoin:
    """Join a group by a commit of one's own (section 12.4.3.2).

    Args:
        info: Its group info, with an external public key.
        tree: Its encoded ratchet tree, where the group info has none.
        request: Who joins, and how.
        authenticate: Who may be in.
        random: Source of randomness.

    Raises:
        DecodeError: `MALFORMED`.
        InvalidError: The rule that is broken.
        UsageError: `USAGE` when the leaf to be removed is not there.
    """
    suite = request.suite
    if info.context.suite != suite.number:
        raise InvalidError(Rule.WELCOME_SUITE)
    external = find_extension(info.extensions, ExtensionType.EXTERNAL_PUB)
    if external is None:
        raise InvalidError(Rule.EXTERNAL_PUB)
    ratchet_tree = _tree_of(info, tree)
    _check_info(info, ratchet_tree, suite, authenticate)
    kem_output, hpke = set_up_sender(suite, decode(external, Reader.opaque), b"", random)
    proposals: list[Proposal] = [ExternalInit(kem_output)]
    placeholder = next(leaf for _, leaf in ratchet_tree.members())
    if request.removes is not None:
        if ratchet_tree.leaf(request.removes) is None:
            raise UsageError(Code.USAGE, "there is nobody at the leaf to be removed")
        ratchet_tree = ratchet_tree.without(request.removes)
        proposals.append(Remove(request.removes))
    proposals += [PreSharedKey(psk) for psk, _ in request.psks]
    # Any leaf holds the joiner's place until the path brings its own.
    ratchet_tree, own = ratchet_tree.with_leaf(placeholder)
    path = create_path(
        suite,
        ratchet_tree,
        request.identity,
        Place(info.context.group_id, own),
        added=frozenset(),
        context=lambda tree_hash: info.context.following(tree_hash, info.context.extensions).encode(),
        random=random,
    )
    signed = _sign(info.context, Commit(tuple(proposals), path.path), request)
    interim = interim_transcript_hash(info.context.confirmed_transcript_hash, info.confirmation_tag)
    entered = replace(
        info.context.following(path.tree.hash(), info.context.extensions),
        confirmed_transcript_hash=confirmed_transcript_hash(interim, signed),
    )
    init_secret = hpke.export(EXTERNAL_INIT_LABEL, HASH_BYTES)
    entry = enter(
        suite,
        entered,
        path.tree,
        own,
        path.privates,
        joiner_secret=joiner_secret_of(init_secret, path.commit_secret, entered),
        psk_secret=derive_psk_secret(request.psks),
    )
    return ExternalJoin(content=replace(signed, auth=Auth(signed.auth.signature, entry.confirmation_tag)), entry=entry)


def _sign(context: GroupContext, commit: Commit, request: Request) -> AuthenticatedContent:
    sender = Sender(SenderType.NEW_MEMBER_COMMIT)
    content = FramedContent.of(context, sender, request.authenticated_data, commit)
    signature = sign_content(WireFormat.PUBLIC_MESSAGE, content, context.encode(), request.identity.key)
    return AuthenticatedContent(wire_format=WireFormat.PUBLIC_MESSAGE, content=content, auth=Auth(signature))


def external_pub(epoch: Epoch) -> Extension:
    """The extension that lets others join by a commit (section 12.4.3.2)."""
    return Extension(ExtensionType.EXTERNAL_PUB, opaque(epoch.secrets.external_key_pair(epoch.suite).public))


def ratchet_tree(tree: RatchetTree) -> Extension:
    """The extension that carries the tree (section 12.4.3.3)."""
    return Extension(ExtensionType.RATCHET_TREE, tree.encode())
