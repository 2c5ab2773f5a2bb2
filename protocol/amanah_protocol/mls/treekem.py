"""TreeKEM (RFC 9420 sections 7.4 to 7.6): a committer renews the keys above its leaf and tells the others.

Each node of the path gets a secret out of the one below it; each is sealed to whoever stands beside the path there.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from amanah_protocol.mls import tree_math
from amanah_protocol.mls.kem import KeyPair, Random
from amanah_protocol.mls.key_package import fresh_key_pair
from amanah_protocol.mls.labelled import decrypt_with_label, derive_secret, encrypt_with_label
from amanah_protocol.mls.leaf_node import Identity, Place
from amanah_protocol.mls.ratchet_tree import RatchetTree
from amanah_protocol.mls.rules import InvalidError, Rule
from amanah_protocol.mls.suites import HASH_BYTES, Suite
from amanah_protocol.mls.update_path import UpdatePath, UpdatePathNode

_LABEL = b"UpdatePathNode"

Privates = Mapping[int, bytes]
"""Private keys by place: of the own leaf and of what is known above it."""

ContextOf = Callable[[bytes], bytes]
"""The encoded group context that the path secrets are sealed under, from the new tree's hash."""


class PathSecret(NamedTuple):
    """The secret of one node and the key pair under it."""

    secret: bytes
    keys: KeyPair

    def __repr__(self) -> str:
        return "PathSecret()"


def path_secrets(suite: Suite, first: bytes, count: int) -> tuple[list[PathSecret], bytes]:
    """Secrets and key pairs of nodes from below, and the commit secret above the last (section 7.4).

    Args:
        suite: The group's suite.
        first: Secret of the lowest node.
        count: How many nodes.
    """
    found, secret = [], first
    for _ in range(count):
        found.append(PathSecret(secret, suite.kem.derive_key_pair(derive_secret(secret, b"node"))))
        secret = derive_secret(secret, b"path")
    return found, secret


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Path:
    """What a new path means for one member.

    Attributes:
        tree: The tree with the path in it.
        privates: The private keys that the member holds then.
        commit_secret: What the key schedule takes from it.
    """

    tree: RatchetTree
    privates: Privates
    commit_secret: bytes


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class CreatedPath(Path):
    """An own path.

    Attributes:
        path: What the others are sent.
        secrets: Path secrets by place, for those who are added at the same time.
    """

    path: UpdatePath
    secrets: Mapping[int, bytes]

    def secret_for(self, own: int, other: int) -> bytes:
        """The secret of the lowest node above two leaves, which a newcomer is given."""
        return self.secrets[tree_math.common_ancestor(own, other)]


def create_path(
    suite: Suite,
    tree: RatchetTree,
    identity: Identity,
    place: Place,
    *,
    added: frozenset[int],
    context: ContextOf,
    random: Random,
) -> CreatedPath:
    """Renew the own path (section 7.5).

    Args:
        suite: The group's suite.
        tree: The tree after the commit's proposals.
        identity: What the own leaf says.
        place: The group, and the own leaf.
        added: Leaves that the same commit adds: they get the secrets by their welcome.
        context: The provisional group context.
        random: Source of randomness.
    """
    filtered = tree.filtered_direct_path(place.leaf)
    secrets, commit_secret = path_secrets(suite, random(HASH_BYTES), len(filtered))
    nodes, parent_hash = tree.path_nodes(place.leaf, [secret.keys.public for secret in secrets])
    keys = fresh_key_pair(suite, random)
    leaf = identity.leaf_for_commit(keys.public, parent_hash, place)
    changed = tree.with_path(place.leaf, leaf, nodes)
    encoded = context(changed.hash())
    sealed = tuple(
        UpdatePathNode(
            secret.keys.public,
            tuple(
                encrypt_with_label(suite, key, _LABEL, encoded, secret.secret, random)
                for key in _recipients(changed, beside, added)
            ),
        )
        for (_, beside), secret in zip(filtered, secrets, strict=True)
    )
    places = [node for node, _ in filtered]
    return CreatedPath(
        tree=changed,
        privates=_privates(place.leaf, keys.private, places, secrets),
        commit_secret=commit_secret,
        path=UpdatePath(leaf, sealed),
        secrets={node: secret.secret for node, secret in zip(places, secrets, strict=True)},
    )


def _privates(leaf: int, private: bytes, places: Sequence[int], secrets: Sequence[PathSecret]) -> Privates:
    above = {node: secret.keys.private for node, secret in zip(places, secrets, strict=True)}
    return {2 * leaf: private, **above}


def _resolution(tree: RatchetTree, node: int, added: frozenset[int]) -> list[int]:
    return [place for place in tree.resolution(node) if place & 1 or place // 2 not in added]


def _recipients(tree: RatchetTree, beside: int, added: frozenset[int]) -> list[bytes]:
    found = (tree[place] for place in _resolution(tree, beside, added))
    return [node.encryption_key for node in found if node is not None]


def merge_path(tree: RatchetTree, sender: int, path: UpdatePath) -> RatchetTree:
    """The tree with another member's path in it (section 7.5), its parent hashes checked.

    Raises:
        InvalidError: `PATH_LENGTH` or `PATH_PARENT_HASH`.
    """
    if len(path.nodes) != len(tree.filtered_direct_path(sender)):
        raise InvalidError(Rule.PATH_LENGTH)
    nodes, parent_hash = tree.path_nodes(sender, [node.encryption_key for node in path.nodes])
    if path.leaf_node.parent_hash != parent_hash:
        raise InvalidError(Rule.PATH_PARENT_HASH)
    return tree.with_path(sender, path.leaf_node, nodes)


def open_path(
    suite: Suite,
    tree: RatchetTree,
    path: UpdatePath,
    *,
    sender: int,
    own: int,
    privates: Privates,
    added: frozenset[int],
    context: bytes,
) -> Path:
    """Take another member's path: open the one secret that is for us, and go up from there (section 7.5).

    Args:
        suite: The group's suite.
        tree: What `merge_path` gave.
        path: The path.
        sender: Its leaf.
        own: Our leaf.
        privates: Our private keys before it.
        added: Leaves that the same commit adds.
        context: The encoded provisional group context.

    Raises:
        InvalidError: `PATH_SECRETS`, `PATH_KEY` or `DECRYPTION`.
    """
    filtered = tree.filtered_direct_path(sender)
    for (_, beside), node in zip(filtered, path.nodes, strict=True):
        if len(node.secrets) != len(_resolution(tree, beside, added)):
            raise InvalidError(Rule.PATH_SECRETS)
    meeting = tree_math.common_ancestor(own, sender)
    at = next(number for number, (node, _) in enumerate(filtered) if node == meeting)
    places = _resolution(tree, filtered[at][1], added)
    held = next((number for number, place in enumerate(places) if place in privates), None)
    if held is None:
        raise InvalidError(Rule.DECRYPTION)
    sealed = path.nodes[at].secrets[held]
    first = decrypt_with_label(suite, privates[places[held]], _LABEL, context, sealed)
    return take_path_secret(suite, tree, first, sender=sender, own=own, privates=privates)


def take_path_secret(
    suite: Suite, tree: RatchetTree, secret: bytes, *, sender: int, own: int, privates: Privates
) -> Path:
    """Go up from the secret of the lowest node that we share with the sender of a path.

    Args:
        suite: The group's suite.
        tree: The tree with the path in it.
        secret: The path secret of that node.
        sender: The leaf that made the path.
        own: Our leaf.
        privates: Our private keys before it; those that the path replaces are dropped.

    Raises:
        InvalidError: `PATH_KEY` when a key is not the one in the tree.
    """
    meeting = tree_math.common_ancestor(own, sender)
    nodes = [node for node, _ in tree.filtered_direct_path(sender)]
    shared = nodes[nodes.index(meeting) :]
    secrets, commit_secret = path_secrets(suite, secret, len(shared))
    for node, found in zip(shared, secrets, strict=True):
        parent = tree.parent(node)
        if parent is None or parent.encryption_key != found.keys.public:
            raise InvalidError(Rule.PATH_KEY)
    above = set(tree_math.direct_path(sender, tree.leaves))
    kept = {node: key for node, key in privates.items() if node not in above}
    taken = {node: found.keys.private for node, found in zip(shared, secrets, strict=True)}
    return Path(tree=tree, privates=kept | taken, commit_secret=commit_secret)
