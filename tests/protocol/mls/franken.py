"""Signs anything: leaves, key packages, update paths and sealed messages in which one thing is wrong.

Nothing here checks. What stands around the one wrong thing is right: signatures, tags and seals are made anew over it,
so that a receiver that overlooked it would take the whole.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final

from amanah_protocol.crypto import SigningKey
from amanah_protocol.mls.codec import Reader, opaque, u8, u16
from amanah_protocol.mls.credential import (
    Credential,
    Extension,
    Extensions,
    ExtensionType,
    RequiredCapabilities,
    encode_extensions,
)
from amanah_protocol.mls.epoch import Epoch
from amanah_protocol.mls.framing import (
    Auth,
    AuthenticatedContent,
    FramedContent,
    PrivateMessage,
    Sender,
    SenderType,
    WireFormat,
    content_type_of,
    encode_message,
)
from amanah_protocol.mls.group import Group
from amanah_protocol.mls.hpke import Ciphertext
from amanah_protocol.mls.kem import Random
from amanah_protocol.mls.key_package import KeyPackage, KeyPackageBundle, decode_key_package, fresh_key_pair
from amanah_protocol.mls.labelled import derive_tree_secret, encrypt_with_label, sign_with_label
from amanah_protocol.mls.leaf_node import Capabilities, Identity, LeafNode, LeafSource, Lifetime, Place, _context
from amanah_protocol.mls.message_protection import protect_public, ratchet_of, sign_content
from amanah_protocol.mls.ratchet_tree import RatchetTree
from amanah_protocol.mls.rules import InvalidError
from amanah_protocol.mls.secret_tree import MessageKey, SenderData, sender_data_key
from amanah_protocol.mls.suites import HASH_BYTES, Suite
from amanah_protocol.mls.treekem import PathSecret, path_secrets
from amanah_protocol.mls.update_path import UpdatePath, UpdatePathNode
from tests.protocol.mls.stage import LIFETIME


def flipped(data: bytes, at: int = 0) -> bytes:
    """The same bytes with one bit changed."""
    return data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]


NOWHERE: Final = Place(b"", 0)


@dataclass(frozen=True, slots=True, kw_only=True)
class LeafForm:
    """What a leaf says; nothing of it has to be true.

    Attributes:
        encryption_key: Of the leaf.
        key: Who signs.
        signature_key: What the leaf names as its key; None names that of `key`.
        signature: Instead of the right one.
        place: Where the signature says that it stands, in leaves made in the group.
    """

    encryption_key: bytes
    key: SigningKey
    credential: Credential
    capabilities: Capabilities
    extensions: Extensions = ()
    source: LeafSource = LeafSource.KEY_PACKAGE
    lifetime: Lifetime = LIFETIME
    parent_hash: bytes = b""
    place: Place = NOWHERE
    signature_key: bytes | None = None
    signature: bytes | None = None

    @classmethod
    def of(cls, identity: Identity, encryption_key: bytes) -> LeafForm:
        """As the identity would make it for a key package."""
        return cls(
            encryption_key=encryption_key,
            key=identity.key,
            credential=identity.credential,
            capabilities=identity.capabilities,
            extensions=identity.extensions,
        )

    def with_capabilities(self, **lists: tuple[int, ...]) -> LeafForm:
        """With other lists of capabilities."""
        return replace(self, capabilities=self.capabilities._replace(**lists))

    def sign(self) -> LeafNode:
        """The leaf."""
        of_source = {
            LeafSource.KEY_PACKAGE: self.lifetime.encode(),
            LeafSource.UPDATE: b"",
            LeafSource.COMMIT: opaque(self.parent_hash),
        }[self.source]
        unsigned = b"".join(
            (
                opaque(self.encryption_key),
                opaque(self.key.public if self.signature_key is None else self.signature_key),
                self.credential.encode(),
                self.capabilities.encode(),
                u8(self.source),
                of_source,
                encode_extensions(self.extensions),
            )
        )
        right = sign_with_label(self.key, b"LeafNodeTBS", unsigned + _context(self.source, self.place))
        return LeafNode.read(Reader(unsigned + opaque(right if self.signature is None else self.signature)))


@dataclass(frozen=True, slots=True, kw_only=True)
class PackageForm:
    """What a key package says."""

    suite: Suite
    identity: Identity
    random: Random
    version: int = 1
    suite_number: int | None = None
    init_key: bytes | None = None
    init_is_leaf_key: bool = False
    extensions: Extensions = ()
    bend_leaf: Callable[[LeafForm], LeafForm] = lambda form: form
    signature: bytes | None = None

    def bundle(self) -> KeyPackageBundle:
        """The key package with its private keys."""
        init, own = fresh_key_pair(self.suite, self.random), fresh_key_pair(self.suite, self.random)
        leaf = self.bend_leaf(LeafForm.of(self.identity, own.public)).sign()
        init_key = own.public if self.init_is_leaf_key else self.init_key or init.public
        number = self.suite.number if self.suite_number is None else self.suite_number
        unsigned = b"".join(
            (
                u16(self.version),
                u16(number),
                opaque(init_key),
                leaf.encoded,
                encode_extensions(self.extensions),
            )
        )
        right = sign_with_label(self.identity.key, b"KeyPackageTBS", unsigned)
        public = decode_key_package(unsigned + opaque(right if self.signature is None else self.signature))
        return KeyPackageBundle(public=public, init_private=init.private, leaf_private=own.private)

    def package(self) -> KeyPackage:
        """The key package alone."""
        return self.bundle().public


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class ForgedPath:
    """A path, and what follows from it."""

    path: UpdatePath
    tree: RatchetTree
    commit_secret: bytes
    private: bytes
    secrets: dict[int, bytes]


def public_keys(secrets: list[PathSecret]) -> list[bytes]:
    """The keys that belong to path secrets."""
    return [secret.keys.public for secret in secrets]


@dataclass(frozen=True, slots=True, kw_only=True)
class PathForm:
    """How a path is made.

    Attributes:
        bend_leaf: Changes the leaf before it is signed.
        keys: The public keys of its nodes, from their secrets.
        bend: Changes the path when it is done; the tree stays that of the whole path.
    """

    suite: Suite
    identity: Identity
    place: Place
    random: Random
    added: frozenset[int] = frozenset()
    bend_leaf: Callable[[LeafForm], LeafForm] = lambda form: form
    keys: Callable[[list[PathSecret]], list[bytes]] = public_keys
    bend: Callable[[UpdatePath], UpdatePath] = lambda path: path

    def make(self, tree: RatchetTree, context: Callable[[bytes], bytes]) -> ForgedPath:
        """The path of the place's leaf in a tree."""
        filtered = tree.filtered_direct_path(self.place.leaf)
        secrets, commit_secret = path_secrets(self.suite, self.random(HASH_BYTES), len(filtered))
        keys = self.keys(secrets)
        nodes, parent_hash = tree.path_nodes(self.place.leaf, keys)
        own = fresh_key_pair(self.suite, self.random)
        form = replace(
            LeafForm.of(self.identity, own.public),
            source=LeafSource.COMMIT,
            parent_hash=parent_hash,
            place=self.place,
        )
        leaf = self.bend_leaf(form).sign()
        changed = tree.with_path(self.place.leaf, leaf, nodes)
        encoded = context(changed.hash())
        sealed = tuple(
            UpdatePathNode(key, self._sealed(changed, beside, secret.secret, encoded))
            for key, secret, (_, beside) in zip(keys, secrets, filtered, strict=True)
        )
        by_place = {node: secret.secret for (node, _), secret in zip(filtered, secrets, strict=True)}
        return ForgedPath(
            path=self.bend(UpdatePath(leaf, sealed)),
            tree=changed,
            commit_secret=commit_secret,
            private=own.private,
            secrets=by_place,
        )

    def _sealed(self, tree: RatchetTree, beside: int, secret: bytes, context: bytes) -> tuple[Ciphertext, ...]:
        places = [place for place in tree.resolution(beside) if place & 1 or place // 2 not in self.added]
        keys = [node.encryption_key for node in (tree[place] for place in places) if node is not None]
        return tuple(self._seal(key, secret, context) for key in keys)

    def _seal(self, key: bytes, secret: bytes, context: bytes) -> Ciphertext:
        try:
            return encrypt_with_label(self.suite, key, b"UpdatePathNode", context, secret, self.random)
        except InvalidError:
            return Ciphertext(b"", b"")  # a forged key, to which nothing can be sealed


def repath(tree: RatchetTree, suite: Suite, identity: Identity, place: Place, random: Random) -> RatchetTree:
    """A tree after a commit with a path of somebody, as it would be without any group around it."""
    return PathForm(suite=suite, identity=identity, place=place, random=random).make(tree, lambda _: b"").tree


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class MessageForm:
    """A message of somebody who is in, or says so.

    Attributes:
        epoch: The epoch as its members hold it.
        content: What it says.
        key: Who signs.
        context: What the signature is bound to, instead of the epoch's.
        signature: Instead of the right one.
        tag: A commit's confirmation tag.
        membership_key: Instead of the epoch's.
    """

    epoch: Epoch
    content: FramedContent
    key: SigningKey
    wire_format: WireFormat = WireFormat.PRIVATE_MESSAGE
    signature: bytes | None = None
    tag: bytes | None = None

    def authenticated(self) -> AuthenticatedContent:
        """Signed and tagged."""
        right = sign_content(self.wire_format, self.content, self.epoch.context.encode(), self.key)
        signature = right if self.signature is None else self.signature
        return AuthenticatedContent(wire_format=self.wire_format, content=self.content, auth=Auth(signature, self.tag))

    def public(self, bend_tag: Callable[[bytes], bytes] = lambda tag: tag) -> bytes:
        """Readable by all."""
        signed = replace(self, wire_format=WireFormat.PUBLIC_MESSAGE).authenticated()
        found = protect_public(signed, self.epoch.context.encode(), self.epoch.secrets.membership_key)
        if found.membership_tag is not None:
            found = replace(found, membership_tag=bend_tag(found.membership_tag))
        return encode_message(found)

    def sealed(self, group: Group, seal: SealForm | None = None) -> bytes:
        """Sealed by who holds the group."""
        return encode_message((seal or SealForm()).seal(self.authenticated(), group))


@dataclass(frozen=True, slots=True, kw_only=True)
class SealForm:
    """How a message is sealed.

    Attributes:
        leaf: Who it says that it is from; None says the truth.
        ahead: So many generations are passed over.
        generation: What it says of its generation; None says the truth.
        padding: Behind the content.
        bend: Changes the message when it is done.
    """

    leaf: int | None = None
    ahead: int = 0
    generation: int | None = None
    padding: bytes = b""
    bend: Callable[[PrivateMessage], PrivateMessage] = lambda message: message

    def seal(self, message: AuthenticatedContent, group: Group) -> PrivateMessage:
        """Seal; the group's own keys are not used up."""
        epoch, content = group._state.epoch, message.content
        aead, kind = epoch.suite.aead, content_type_of(content.body)
        generation, key = self._key(group, kind)
        said = generation if self.generation is None else self.generation
        data = SenderData(group.own_leaf if self.leaf is None else self.leaf, said, b"salt")
        frame = PrivateMessage(
            group_id=content.group_id,
            epoch=content.epoch,
            content_type=kind,
            authenticated_data=content.authenticated_data,
            encrypted_sender_data=b"",
            ciphertext=b"",
        )
        plaintext = content.encoded_body + message.auth.encode() + self.padding
        ciphertext = aead.seal(key.key, data.guard(key.nonce), plaintext, frame.content_aad())
        outer = sender_data_key(epoch.suite, epoch.secrets.sender_data_secret, ciphertext)
        sender_data = aead.seal(outer.key, outer.nonce, data.encode(), frame.place())
        return self.bend(replace(frame, encrypted_sender_data=sender_data, ciphertext=ciphertext))

    def _key(self, group: Group, kind: object) -> tuple[int, MessageKey]:
        suite, tree = group.suite, group._state.messages
        ratchets, _, _ = tree._ratchets_of(group.own_leaf)
        ratchet = ratchets[ratchet_of(kind)]  # type: ignore[arg-type] # a content type
        secret, generation = ratchet.secret, ratchet.next
        for _ in range(self.ahead):
            secret = derive_tree_secret(secret, b"secret", generation, HASH_BYTES)
            generation += 1
        return generation, MessageKey(
            derive_tree_secret(secret, b"key", generation, suite.aead.key_bytes),
            derive_tree_secret(secret, b"nonce", generation, suite.aead.nonce_bytes),
        )


def content_by(group: Group, body: object, sender: Sender | None = None, **bent: object) -> FramedContent:
    """Content of a member, for the epoch that the group is in."""
    found = FramedContent.of(
        group.context,
        sender or Sender(SenderType.MEMBER, group.own_leaf),
        b"vouched for",
        body,  # type: ignore[arg-type] # any body
    )
    return replace(found, **bent)  # type: ignore[arg-type] # the names are the content's own


def required(
    extensions: tuple[int, ...] = (), proposals: tuple[int, ...] = (), credentials: tuple[int, ...] = ()
) -> Extension:
    """The extension that asks something of every member."""
    return Extension(
        ExtensionType.REQUIRED_CAPABILITIES, RequiredCapabilities(extensions, proposals, credentials).encode()
    )
