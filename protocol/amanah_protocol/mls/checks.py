"""Checks of leaf nodes, key packages and whole trees (RFC 9420 sections 7.3, 10.1 and 12.4.3.1)."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Final, NamedTuple, TypeAlias

from amanah_protocol.crypto import KEY_BYTES
from amanah_protocol.mls.credential import Extensions, check_extensions, required_capabilities
from amanah_protocol.mls.key_package import KeyPackage
from amanah_protocol.mls.leaf_node import DEFAULT_EXTENSIONS, MLS10, LeafNode, LeafSource, Place
from amanah_protocol.mls.proposals import ProposalType
from amanah_protocol.mls.ratchet_tree import RatchetTree
from amanah_protocol.mls.rules import InvalidError, Rule
from amanah_protocol.mls.suites import Suite

Authenticate: TypeAlias = Callable[[LeafNode, LeafNode | None], None]
"""The authentication service (section 5.3.1): may this leaf enter, in place of that one if there was one?

Raises `VerifyError` to refuse.
"""

_DEFAULT_PROPOSALS: Final = frozenset(ProposalType)


class Needs(NamedTuple):
    """What a group asks of each member's capabilities, beyond the defaults.

    Gathered once: a peer can make the lists long, and a group has many members.
    """

    in_use: frozenset[int]
    extensions: frozenset[int]
    proposals: frozenset[int]
    credentials: frozenset[int]

    @classmethod
    def of(cls, extensions: Extensions) -> Needs:
        """Of a group's context.

        Raises:
            DecodeError: `MALFORMED`.
        """
        required = required_capabilities(extensions)
        return cls(
            in_use=frozenset(extension.type for extension in extensions) - DEFAULT_EXTENSIONS,
            extensions=frozenset(required.extensions) - DEFAULT_EXTENSIONS,
            proposals=frozenset(required.proposals) - _DEFAULT_PROPOSALS,
            credentials=frozenset(required.credentials),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Ground:
    """What leaves are held against.

    Attributes:
        suite: The group's suite.
        group_id: The group.
        extensions: Of the group's context, as they are after the commit.
        authenticate: Who may enter.
        needs: What the extensions ask of each leaf; a malformed one raises `DecodeError` (`MALFORMED`).
    """

    suite: Suite
    group_id: bytes
    extensions: Extensions
    authenticate: Authenticate
    needs: Needs = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "needs", Needs.of(self.extensions))


def check_key_package(key_package: KeyPackage, suite: Suite) -> None:
    """A key package as such (section 10.1); its leaf is checked where it goes.

    Raises:
        InvalidError: A `KEY_PACKAGE_...` rule, `HPKE_KEY` or `EXTENSION_TWICE`.
    """
    if key_package.version != MLS10:
        raise InvalidError(Rule.KEY_PACKAGE_VERSION)
    if key_package.suite != suite.number:
        raise InvalidError(Rule.KEY_PACKAGE_SUITE)
    check_extensions(key_package.extensions)
    suite.kem.check_public(key_package.init_key)
    if key_package.init_key == key_package.leaf_node.encryption_key:
        raise InvalidError(Rule.KEY_PACKAGE_INIT_KEY)
    if key_package.leaf_node.source is not LeafSource.KEY_PACKAGE:
        raise InvalidError(Rule.LEAF_SOURCE)
    key_package.verify_signature()


def check_lifetime(leaf: LeafNode, *, now_s: int, longest_s: int) -> None:
    """Whether a leaf may be added now (section 7.3); only who adds it asks, for clocks differ.

    Args:
        leaf: Out of a key package.
        now_s: Unix time in seconds.
        longest_s: The longest lifetime that is taken.

    Raises:
        InvalidError: `LEAF_SOURCE`, `LEAF_LIFETIME` or `LEAF_LIFETIME_RANGE`.
    """
    if leaf.lifetime is None:
        raise InvalidError(Rule.LEAF_SOURCE)
    if not leaf.lifetime.not_before <= now_s <= leaf.lifetime.not_after:
        raise InvalidError(Rule.LEAF_LIFETIME)
    if leaf.lifetime.not_after - leaf.lifetime.not_before > longest_s:
        raise InvalidError(Rule.LEAF_LIFETIME_RANGE)


def check_leaf(leaf: LeafNode, ground: Ground, index: int, replaced: LeafNode | None = None) -> None:
    """One leaf by itself (section 7.3), its signature and who it is of included.

    Args:
        leaf: The leaf.
        ground: The group.
        index: Where it stands.
        replaced: What stood there before it, if it is an update.

    Raises:
        InvalidError: A `LEAF_...` rule, `HPKE_KEY`, `SIGNATURE_KEY` or `EXTENSION_TWICE`.
        VerifyError: What `authenticate` raises.
    """
    suite = ground.suite
    if len(leaf.signature_key) != KEY_BYTES:
        raise InvalidError(Rule.SIGNATURE_KEY)
    suite.kem.check_public(leaf.encryption_key)
    if MLS10 not in leaf.capabilities.versions:
        raise InvalidError(Rule.LEAF_VERSION)
    if suite.number not in leaf.capabilities.suites:
        raise InvalidError(Rule.LEAF_SUITE)
    if leaf.credential.type not in leaf.capabilities.credentials:
        raise InvalidError(Rule.LEAF_CREDENTIAL_OWN)
    check_extensions(leaf.extensions)
    used = {extension.type for extension in leaf.extensions} - DEFAULT_EXTENSIONS
    if not used.issubset(leaf.capabilities.extensions):
        raise InvalidError(Rule.LEAF_EXTENSION)
    check_supports(leaf, ground.needs)
    leaf.verify_signature(Place(ground.group_id, index))
    ground.authenticate(leaf, replaced)


def check_supports(leaf: LeafNode, needs: Needs) -> None:
    """A leaf can live with a group's context and what that requires (sections 7.3 and 11.1).

    Raises:
        InvalidError: `LEAF_GROUP_EXTENSION` or `LEAF_REQUIRED`.
    """
    own = leaf.capabilities
    if not needs.in_use.issubset(own.extensions):
        raise InvalidError(Rule.LEAF_GROUP_EXTENSION)
    if (
        not needs.extensions.issubset(own.extensions)
        or not needs.proposals.issubset(own.proposals)
        or not needs.credentials.issubset(own.credentials)
    ):
        raise InvalidError(Rule.LEAF_REQUIRED)


def check_credentials(tree: RatchetTree) -> None:
    """Every member supports every credential type in use (section 7.3).

    Raises:
        InvalidError: `LEAF_CREDENTIAL_OTHERS`.
    """
    members = [leaf for _, leaf in tree.members()]
    used = {leaf.credential.type for leaf in members}
    # Members of one kind of client share one list: it is looked at once.
    for listed in {leaf.capabilities.credentials for leaf in members}:
        if not used.issubset(listed):
            raise InvalidError(Rule.LEAF_CREDENTIAL_OTHERS)


def check_unique_keys(tree: RatchetTree) -> None:
    """No key stands twice in a tree (sections 7.3 and 12.4.3.1).

    Raises:
        InvalidError: `LEAF_SIGNATURE_KEY_UNIQUE` or `LEAF_ENCRYPTION_KEY_UNIQUE`.
    """
    members = [leaf for _, leaf in tree.members()]
    if _repeats(leaf.signature_key for leaf in members):
        raise InvalidError(Rule.LEAF_SIGNATURE_KEY_UNIQUE)
    keys = [leaf.encryption_key for leaf in members] + [node.encryption_key for _, node in tree.parents()]
    if _repeats(keys):
        raise InvalidError(Rule.LEAF_ENCRYPTION_KEY_UNIQUE)


def _repeats(keys: Iterable[bytes]) -> bool:
    seen = list(keys)
    return len(set(seen)) != len(seen)


def check_tree(tree: RatchetTree, ground: Ground) -> None:
    """A whole tree, as somebody who joins is shown it (section 12.4.3.1).

    Raises:
        InvalidError: The rule that is broken.
        VerifyError: What `authenticate` raises.
    """
    for _, node in tree.parents():
        ground.suite.kem.check_public(node.encryption_key)
    tree.check_unmerged_leaves()
    tree.check_parent_hashes()
    check_unique_keys(tree)
    check_credentials(tree)
    for index, leaf in tree.members():
        check_leaf(leaf, ground, index)
