"""Everything that an epoch is to one member, and how the next one follows from it (RFC 9420 section 8)."""

from __future__ import annotations

from dataclasses import dataclass, replace

from amanah_protocol.crypto import KEY_BYTES
from amanah_protocol.errors import Code, DecodeError
from amanah_protocol.mls import tree_math
from amanah_protocol.mls.codec import Reader, decode, opaque, u32, vector
from amanah_protocol.mls.group_context import GroupContext
from amanah_protocol.mls.key_schedule import EpochSecrets, derive_epoch, derive_joiner_secret
from amanah_protocol.mls.ratchet_tree import RatchetTree, decode_ratchet_tree
from amanah_protocol.mls.rules import InvalidError, Rule
from amanah_protocol.mls.secret_tree import SecretTree
from amanah_protocol.mls.suites import HASH_BYTES, Suite
from amanah_protocol.mls.transcript import interim_transcript_hash
from amanah_protocol.mls.treekem import Privates


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Epoch:
    """One epoch, as a member holds it; message keys stand apart, in the secret tree.

    Attributes:
        suite: The group's suite.
        context: What the members agree on.
        tree: The ratchet tree.
        own: The own leaf.
        privates: Private keys of the own leaf and above it.
        secrets: The epoch's secrets; the encryption secret went into the secret tree.
        interim_transcript_hash: What the next commit is hashed onto.
    """

    suite: Suite
    context: GroupContext
    tree: RatchetTree
    own: int
    privates: Privates
    secrets: EpochSecrets
    interim_transcript_hash: bytes

    def encode(self) -> bytes:
        """The stored form. Secret."""
        s = self.secrets
        return b"".join(
            (
                opaque(self.context.encode()),
                opaque(self.tree.encode()),
                u32(self.own),
                vector(u32(node) + opaque(private) for node, private in self.privates.items()),
                s.sender_data_secret + s.exporter_secret + s.external_secret + s.confirmation_key,
                s.membership_key + s.resumption_psk + s.epoch_authenticator + s.init_secret,
                opaque(self.interim_transcript_hash),
            )
        )

    @classmethod
    def read(cls, reader: Reader, suite: Suite) -> Epoch:
        """Decode a stored one."""
        context = decode(reader.opaque(), GroupContext.read)
        tree, own = decode_ratchet_tree(reader.opaque()), reader.uint(4)
        privates = reader.vector(lambda item: (item.uint(4), item.exactly(KEY_BYTES, "a private key")))
        if context.suite != suite.number or context.tree_hash != tree.hash() or tree.leaf(own) is None:
            raise DecodeError(Code.MALFORMED, "group state: tree, own leaf and context do not belong together")
        if not all(place < tree_math.width(tree.leaves) for place, _ in privates):
            raise DecodeError(Code.MALFORMED, "group state: a private key of no node")
        names = (
            "sender_data_secret",
            "exporter_secret",
            "external_secret",
            "confirmation_key",
            "membership_key",
            "resumption_psk",
            "epoch_authenticator",
            "init_secret",
        )
        secrets = EpochSecrets(encryption_secret=b"", **{name: reader.take(HASH_BYTES) for name in names})
        return cls(
            suite=suite,
            context=context,
            tree=tree,
            own=own,
            privates=dict(privates),
            secrets=secrets,
            interim_transcript_hash=reader.opaque(),
        )


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Entry:
    """An epoch that is about to be entered.

    Attributes:
        epoch: The epoch.
        messages: Its message keys, none of them used.
        joiner_secret: What newcomers are given.
        confirmation_tag: What its commit or group info has to carry.
    """

    epoch: Epoch
    messages: SecretTree
    joiner_secret: bytes
    confirmation_tag: bytes


def enter(
    suite: Suite,
    context: GroupContext,
    tree: RatchetTree,
    own: int,
    privates: Privates,
    *,
    joiner_secret: bytes,
    psk_secret: bytes,
) -> Entry:
    """Derive an epoch from its joiner secret (section 8, figure 22).

    Args:
        suite: The group's suite.
        context: Of the epoch that is entered.
        tree: Its tree.
        own: The own leaf.
        privates: Private keys in that tree.
        joiner_secret: Of the epoch.
        psk_secret: Out of its pre-shared keys, or zeros.
    """
    return enter_with(
        suite, context, tree, own, privates, joiner_secret, derive_epoch(joiner_secret, psk_secret, context.encode())
    )


def enter_with(
    suite: Suite,
    context: GroupContext,
    tree: RatchetTree,
    own: int,
    privates: Privates,
    joiner_secret: bytes,
    secrets: EpochSecrets,
) -> Entry:
    """Put an epoch together from its secrets."""
    tag = secrets.confirmation_tag(context.confirmed_transcript_hash)
    epoch = Epoch(
        suite=suite,
        context=context,
        tree=tree,
        own=own,
        privates=privates,
        secrets=replace(secrets, encryption_secret=b""),
        interim_transcript_hash=interim_transcript_hash(context.confirmed_transcript_hash, tag),
    )
    messages = SecretTree.of(suite, tree.leaves, secrets.encryption_secret)
    return Entry(epoch=epoch, messages=messages, joiner_secret=joiner_secret, confirmation_tag=tag)


def joiner_secret_of(init_secret: bytes, commit_secret: bytes, context: GroupContext) -> bytes:
    """The joiner secret of the epoch that a commit begins."""
    return derive_joiner_secret(init_secret, commit_secret, context.encode())


def check_confirmation(entry: Entry, tag: bytes | None) -> None:
    """The commit's or group info's maker is in the very epoch that we derived (section 12.4.2).

    Raises:
        InvalidError: `CONFIRMATION_TAG`.
    """
    context = entry.epoch.context
    if tag is None or not entry.epoch.secrets.confirms(context.confirmed_transcript_hash, tag):
        raise InvalidError(Rule.CONFIRMATION_TAG)
