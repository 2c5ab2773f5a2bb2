"""Cases of sections 7, 11 and 12.4.3: ratchet trees as newcomers are shown them, welcomes and group infos."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from amanah_protocol.mls import joining
from amanah_protocol.mls.codec import opaque, optional, vector
from amanah_protocol.mls.credential import Credential, Extension, ExtensionType
from amanah_protocol.mls.group import Application, Group
from amanah_protocol.mls.group_context import GroupInfo, Welcome
from amanah_protocol.mls.joining import Request, external_pub, join_by_commit
from amanah_protocol.mls.leaf_node import LeafNode, Place
from amanah_protocol.mls.policy import EVERYTHING
from amanah_protocol.mls.psk import ExternalPsk, ResumptionPsk, ResumptionUsage
from amanah_protocol.mls.ratchet_tree import (
    MAX_LEAVES,
    Node,
    ParentNode,
    RatchetTree,
    _encode_node,
    decode_ratchet_tree,
)
from amanah_protocol.mls.rules import Rule
from amanah_protocol.mls.suites import Suite
from tests.protocol.mls.forged_commit import LAST_EPOCH, WelcomeForm, commit_by, welcome_to
from tests.protocol.mls.franken import LeafForm, flipped, repath
from tests.protocol.mls.negative import Attempt, case, take
from tests.protocol.mls.stage import GROUP_ID, KNOWN_PSK, SUITES, Stage, find_psk, key_of, welcome_of


def application_of_erin() -> Application:
    """What the newcomer brings along."""
    return Application(key=key_of("erin"), policy=EVERYTHING, find_psk=find_psk)


def join_by(form: WelcomeForm, beside: bytes | None = None, suite: Suite | None = None) -> Attempt:
    """The newcomer joins by a welcome."""
    message = form.message()
    return lambda: enter(form, message, beside, suite)


def enter(form: WelcomeForm, message: bytes, beside: bytes | None = None, suite: Suite | None = None) -> Group:
    """Join, all steps of it."""
    opened = joining.open_welcome(welcome_of(message), [form.bundle], suite or form.suite, find_psk)
    group, _ = Group.join(opened, beside, application_of_erin())
    return group


# ---- welcomes


@case(Rule.WELCOME_NOT_OURS)
def a_welcome_for_another_key_package(stage: Stage) -> Attempt:
    message = welcome_of(welcome_to(stage).message())
    other = stage.package("erin")
    return lambda: joining.open_welcome(message, [other], stage.suite, find_psk)


@case(Rule.WELCOME_NOT_OURS)
def a_welcome_for_nobody(stage: Stage) -> Attempt:
    return join_by(welcome_to(stage, bend=lambda welcome: replace(welcome, secrets=())))


@case(Rule.WELCOME_SUITE)
def a_welcome_of_another_suite(stage: Stage) -> Attempt:
    return join_by(welcome_to(stage, bend=lambda welcome: replace(welcome, suite=2)))


@case(Rule.WELCOME_SUITE)
def a_welcome_of_a_suite_that_is_not_the_key_packages(stage: Stage) -> Attempt:
    other = next(suite for suite in SUITES.values() if suite is not stage.suite)
    form = welcome_to(stage, bend=lambda welcome: replace(welcome, suite=other.number))
    return join_by(form, suite=other)


@case(Rule.WELCOME_SUITE)
def a_group_context_of_another_suite(stage: Stage) -> Attempt:
    return join_by(welcome_to(stage, context_suite=2))


@case(Rule.VERSION)
def a_group_context_of_another_version(stage: Stage) -> Attempt:
    return join_by(welcome_to(stage, bend_info=lambda info: b"\x00\x02" + info[2:]))


def _bend_secrets(welcome: Welcome) -> Welcome:
    (entry,) = welcome.secrets
    sealed = entry.sealed._replace(ciphertext=flipped(entry.sealed.ciphertext))
    return replace(welcome, secrets=(replace(entry, sealed=sealed),))


@case(Rule.DECRYPTION)
def group_secrets_that_were_changed(stage: Stage) -> Attempt:
    return join_by(welcome_to(stage, bend=_bend_secrets))


def _bend_output(welcome: Welcome) -> Welcome:
    (entry,) = welcome.secrets
    sealed = entry.sealed._replace(kem_output=bytes(len(entry.sealed.kem_output)))
    return replace(welcome, secrets=(replace(entry, sealed=sealed),))


@case(Rule.DECRYPTION)
def group_secrets_sealed_with_a_point_of_low_order(stage: Stage) -> Attempt:
    return join_by(welcome_to(stage, bend=_bend_output))


@case(Rule.DECRYPTION)
def a_group_info_that_was_changed_after_the_secrets_were_sealed(stage: Stage) -> Attempt:
    def bend(welcome: Welcome) -> Welcome:
        return replace(welcome, encrypted_group_info=flipped(welcome.encrypted_group_info))

    return join_by(welcome_to(stage, bend=bend))


@case(Rule.GROUP_INFO_OPEN)
def a_group_info_sealed_with_another_key(stage: Stage) -> Attempt:
    other = (ExternalPsk(KNOWN_PSK, bytes(32)), b"not its secret")
    return join_by(welcome_to(stage, psks=(other,)))


@case(Rule.GROUP_INFO_SIGNATURE)
def a_group_info_that_is_not_signed(stage: Stage) -> Attempt:
    return join_by(welcome_to(stage, signature=bytes(64)))


@case(Rule.GROUP_INFO_SIGNATURE)
def a_group_info_that_another_member_signed(stage: Stage) -> Attempt:
    return join_by(welcome_to(stage, key=stage.identity("bob").key))


@case(Rule.GROUP_INFO_SIGNATURE)
def a_group_info_of_nobody(stage: Stage) -> Attempt:
    return join_by(welcome_to(stage, signer=6))


@case(Rule.GROUP_INFO_TREE)
def a_welcome_without_a_tree(stage: Stage) -> Attempt:
    return join_by(welcome_to(stage, info_extensions=lambda _: ()))


@case(Rule.TREE_HASH)
def a_tree_that_is_not_the_contexts(stage: Stage) -> Attempt:
    return join_by(welcome_to(stage, tree_hash=bytes(32)))


@case(Rule.TREE_HASH)
def a_tree_beside_the_welcome_that_is_another(stage: Stage) -> Attempt:
    return join_by(welcome_to(stage, info_extensions=lambda _: ()), stage["alice"].tree.encode())


@case(Rule.CONFIRMATION_TAG)
def a_welcome_with_a_changed_confirmation_tag(stage: Stage) -> Attempt:
    return join_by(welcome_to(stage, bend_tag=flipped))


@case(Rule.CONFIRMATION_TAG)
def a_welcome_with_an_empty_confirmation_tag(stage: Stage) -> Attempt:
    return join_by(welcome_to(stage, bend_tag=lambda _: b""))


@case(Rule.OWN_LEAF)
def a_tree_without_our_leaf(stage: Stage) -> Attempt:
    return join_by(welcome_to(stage, tree=stage["alice"].tree))


@case(Rule.OWN_LEAF)
def a_welcome_that_we_ourselves_are_said_to_have_made(stage: Stage) -> Attempt:
    return join_by(welcome_to(stage, signer=4, key=stage.identity("erin").key))


@case(Rule.PATH_KEY)
def a_path_secret_that_is_not_the_trees(stage: Stage) -> Attempt:
    return join_by(welcome_to(stage, path_secret=bytes(32)))


@case(Rule.PATH_KEY)
def a_path_secret_for_a_blank_node(stage: Stage) -> Attempt:
    tree, _ = stage["alice"].tree.without(5).with_leaf(stage.newcomer.public.leaf_node)
    return join_by(welcome_to(stage, tree=tree, path_secret=bytes(32)))


def _continuing(usage: ResumptionUsage, nonce: int) -> tuple[ResumptionPsk, bytes]:
    return ResumptionPsk(usage, GROUP_ID, 1, bytes([nonce]) * 32), b"a resumption key"


def _join_continuing(form: WelcomeForm) -> Attempt:
    message = welcome_of(form.message())

    def join() -> None:
        opened = joining.open_welcome(message, [form.bundle], form.suite, lambda _: b"a resumption key")
        Group.join(opened, None, application_of_erin())

    return join


@case(Rule.BRANCH_OR_REINIT)
def a_welcome_that_continues_two_groups(stage: Stage) -> Attempt:
    both = (_continuing(ResumptionUsage.BRANCH, 1), _continuing(ResumptionUsage.REINIT, 2))
    return _join_continuing(welcome_to(stage, psks=both, epoch=1))


@case(Rule.BRANCH_OR_REINIT)
def a_welcome_that_continues_a_group_in_a_later_epoch(stage: Stage) -> Attempt:
    return _join_continuing(welcome_to(stage, psks=(_continuing(ResumptionUsage.BRANCH, 1),), epoch=2))


@case(Rule.PSK_TWICE)
def a_welcome_with_a_pre_shared_key_twice(stage: Stage) -> Attempt:
    key = (ExternalPsk(KNOWN_PSK, bytes(32)), b"its secret")
    return join_by(welcome_to(stage, psks=(key, key)))


@case(Rule.PSK_NONCE)
def a_welcome_with_a_short_nonce(stage: Stage) -> Attempt:
    return join_by(welcome_to(stage, psks=((ExternalPsk(KNOWN_PSK, bytes(31)), b"its secret"),)))


@case(Rule.PSK_UNKNOWN)
def a_welcome_with_an_unknown_pre_shared_key(stage: Stage) -> Attempt:
    return join_by(welcome_to(stage, psks=((ExternalPsk(b"unknown", bytes(32)), b"its secret"),)))


# ---- ratchet trees


def _decoding(tree: bytes) -> Attempt:
    return lambda: decode_ratchet_tree(tree)


def _nodes(tree: RatchetTree, change: Callable[[list[bytes | None]], None]) -> Attempt:
    encoded = [_encode_node(tree[place]) for place in range(2 * tree.leaves - 1)]
    change(encoded)
    return _decoding(vector(optional(node) for node in encoded))


@case(Rule.TREE_EMPTY)
def a_tree_of_nothing(_: Stage) -> Attempt:
    return _decoding(vector([]))


@case(Rule.TREE_TRAILING_BLANK)
def a_tree_that_ends_in_a_blank_leaf(stage: Stage) -> Attempt:
    return _nodes(stage["alice"].tree, lambda _: None)


@case(Rule.TREE_TRAILING_BLANK)
def a_tree_that_ends_in_a_parent(stage: Stage) -> Attempt:
    def change(nodes: list[bytes | None]) -> None:
        nodes[11] = nodes[7]
        del nodes[12:]

    return _nodes(stage["alice"].tree, change)


@case(Rule.TREE_NODE_TYPE)
def a_leaf_in_a_parents_place(stage: Stage) -> Attempt:
    def change(nodes: list[bytes | None]) -> None:
        nodes[1] = nodes[0]
        del nodes[11:]

    return _nodes(stage["alice"].tree, change)


@case(Rule.TREE_NODE_TYPE)
def a_parent_in_a_leafs_place(stage: Stage) -> Attempt:
    def change(nodes: list[bytes | None]) -> None:
        nodes[0] = nodes[7]
        del nodes[11:]

    return _nodes(stage["alice"].tree, change)


@case(Rule.TREE_SIZE)
def a_tree_of_too_many_leaves(stage: Stage) -> Attempt:
    leaf = _encode_node(stage["alice"].tree[0])
    blanks = [None] * (2 * MAX_LEAVES - 1)
    return _decoding(vector(optional(node) for node in [leaf, *blanks, leaf]))


@case(Rule.TREE_SIZE)
def a_commit_that_adds_too_many(stage: Stage) -> Attempt:
    leaf = stage.newcomer.public.leaf_node
    nodes: list[Node | None] = [leaf, None] * MAX_LEAVES
    full = RatchetTree(nodes[:-1], [None] * (2 * MAX_LEAVES - 1))
    return lambda: full.with_leaf(leaf)


def _with_node(tree: RatchetTree, place: int, node: LeafNode | ParentNode) -> RatchetTree:
    """A tree in which one node is another; its hashes are worked out anew."""
    nodes = [tree[at] for at in range(2 * tree.leaves - 1)]
    nodes[place] = node
    return RatchetTree(nodes, [None] * len(nodes))


def _parent(tree: RatchetTree, place: int) -> ParentNode:
    found = tree.parent(place)
    assert found is not None
    return found


def tree_with_unmerged(stage: Stage) -> RatchetTree:
    """A valid tree of eight: `gina` at leaf 6 made a path, then `erin` came to 4 and `hans` to 7, both unmerged."""
    tree = _with_node(stage["alice"].tree, 12, stage.package("gina").public.leaf_node)
    tree = repath(tree, stage.suite, stage.identity("gina"), Place(GROUP_ID, 6), stage.random)
    tree, _ = tree.with_leaf(stage.newcomer.public.leaf_node)
    tree, _ = tree.with_leaf(stage.package("hans").public.leaf_node)
    assert _parent(tree, 7).unmerged_leaves == (4, 7)
    assert _parent(tree, 11).unmerged_leaves == (4, 7)
    return tree


def _shown(stage: Stage, place: int, **bent: object) -> Attempt:
    """A welcome into a tree in which one parent node is changed."""
    tree = tree_with_unmerged(stage)
    bent_node = replace(_parent(tree, place), **bent)  # type: ignore[arg-type] # the names are the node's own
    return join_by(welcome_to(stage, tree=_with_node(tree, place, bent_node)))


@case(Rule.UNMERGED_SORTED)
def unmerged_leaves_that_are_not_in_order(stage: Stage) -> Attempt:
    return _shown(stage, 7, unmerged_leaves=(7, 4))


@case(Rule.UNMERGED_SORTED)
def an_unmerged_leaf_that_stands_twice(stage: Stage) -> Attempt:
    return _shown(stage, 7, unmerged_leaves=(4, 4, 7))


@case(Rule.UNMERGED_LEAF)
def an_unmerged_leaf_that_is_not_below(stage: Stage) -> Attempt:
    return _shown(stage, 11, unmerged_leaves=(2, 4, 7))


@case(Rule.UNMERGED_LEAF)
def an_unmerged_leaf_beyond_the_tree(stage: Stage) -> Attempt:
    return _shown(stage, 7, unmerged_leaves=(4, 7, 1 << 31))


@case(Rule.UNMERGED_LEAF)
def an_unmerged_leaf_that_is_blank(stage: Stage) -> Attempt:
    tree = stage["alice"].tree
    root = replace(_parent(tree, 7), unmerged_leaves=(6,))
    tree, _ = _with_node(tree, 7, root).with_leaf(stage.newcomer.public.leaf_node)
    return join_by(welcome_to(stage, tree=tree))


@case(Rule.UNMERGED_BETWEEN)
def an_unmerged_leaf_that_a_node_in_between_does_not_list(stage: Stage) -> Attempt:
    return _shown(stage, 11, unmerged_leaves=(4,))


@case(Rule.PARENT_HASH)
def a_parent_hash_that_is_another(stage: Stage) -> Attempt:
    return _shown(stage, 11, parent_hash=bytes(32))


@case(Rule.PARENT_HASH)
def a_parent_hash_that_is_empty(stage: Stage) -> Attempt:
    return _shown(stage, 11, parent_hash=b"")


@case(Rule.PARENT_HASH)
def a_parent_that_nobody_below_made(stage: Stage) -> Attempt:
    return _shown(stage, 7, encryption_key=stage.suite.kem.derive_key_pair(bytes(32)).public)


@case(Rule.PARENT_HASH)
def an_unmerged_leaf_that_is_left_out_everywhere(stage: Stage) -> Attempt:
    tree = tree_with_unmerged(stage)
    for place in (7, 11):
        tree = _with_node(tree, place, replace(_parent(tree, place), unmerged_leaves=(4,)))
    return join_by(welcome_to(stage, tree=tree))


@case(Rule.HPKE_KEY)
def a_parent_to_whose_key_nothing_can_be_sealed(stage: Stage) -> Attempt:
    return _shown(stage, 7, encryption_key=bytes(stage.suite.kem.public_bytes))


@case(Rule.LEAF_ENCRYPTION_KEY_UNIQUE)
def a_tree_with_one_encryption_key_twice(stage: Stage) -> Attempt:
    tree, _ = welcome_to(stage).tree.with_leaf(_with_key_of_alice(stage))
    return join_by(welcome_to(stage, tree=tree))


def _with_key_of_alice(stage: Stage) -> LeafNode:
    alice = stage["alice"].tree.leaf(0)
    assert alice is not None
    return LeafForm.of(stage.identity("gina"), alice.encryption_key).sign()


@case(Rule.LEAF_SIGNATURE_KEY_UNIQUE)
def a_tree_with_one_client_twice(stage: Stage) -> Attempt:
    tree, _ = welcome_to(stage).tree.with_leaf(stage.package("bob").public.leaf_node)
    return join_by(welcome_to(stage, tree=tree))


@case(Rule.LEAF_CREDENTIAL_OTHERS)
def a_tree_with_a_credential_type_that_not_all_support(stage: Stage) -> Attempt:
    form = LeafForm.of(stage.identity("gina"), stage.package("gina").public.init_key)
    leaf = replace(form.with_capabilities(credentials=(1, 9)), credential=Credential(9, b"gina")).sign()
    tree, _ = welcome_to(stage).tree.with_leaf(leaf)
    return join_by(welcome_to(stage, tree=tree))


@case(Rule.LEAF_SIGNATURE)
def a_tree_with_a_leaf_that_is_not_signed(stage: Stage) -> Attempt:
    form = LeafForm.of(stage.identity("gina"), stage.package("gina").public.init_key)
    tree, _ = welcome_to(stage).tree.with_leaf(replace(form, signature=bytes(64)).sign())
    return join_by(welcome_to(stage, tree=tree))


# ---- group infos for who joins by a commit


def info_of(stage: Stage, *extensions: Extension, **bent: object) -> GroupInfo:
    """A group info of the stage's group, with its external public key."""
    form = welcome_to(stage, tree=stage["alice"].tree, info_extensions=lambda tree: (tree, *extensions), **bent)
    return form.info(form.entry(bytes(32)))


def _joining(stage: Stage, info: GroupInfo) -> Attempt:
    request = Request(suite=stage.suite, identity=stage.identity("erin"))
    return lambda: join_by_commit(info, None, request, authenticate=lambda *_: None, random=stage.random)


@case(Rule.EXTERNAL_PUB)
def a_group_info_without_an_external_key(stage: Stage) -> Attempt:
    return _joining(stage, info_of(stage))


def _external(stage: Stage) -> Extension:
    return external_pub(stage["alice"]._state.epoch)


@case(Rule.WELCOME_SUITE)
def a_group_info_of_another_suite(stage: Stage) -> Attempt:
    return _joining(stage, info_of(stage, _external(stage), context_suite=2))


@case(Rule.HPKE_KEY)
def a_group_info_to_whose_external_key_nothing_can_be_sealed(stage: Stage) -> Attempt:
    key = bytes(stage.suite.kem.public_bytes)
    return _joining(stage, info_of(stage, Extension(ExtensionType.EXTERNAL_PUB, opaque(key))))


@case(Rule.GROUP_INFO_SIGNATURE)
def a_group_info_for_joiners_that_is_not_signed(stage: Stage) -> Attempt:
    return _joining(stage, info_of(stage, _external(stage), signature=bytes(64)))


@case(Rule.EPOCH_LAST)
def a_group_info_of_the_last_epoch(stage: Stage) -> Attempt:
    return _joining(stage, info_of(stage, _external(stage), epoch=LAST_EPOCH))


@case(Rule.EPOCH_LAST)
def a_commit_in_the_last_epoch(stage: Stage) -> Attempt:
    form = welcome_to(stage, epoch=LAST_EPOCH)
    group = enter(form, form.message())
    epoch = replace(group._state.epoch, own=0)
    commit = replace(commit_by(stage, "alice"), epoch=epoch).public()
    return lambda: take(group, commit)
