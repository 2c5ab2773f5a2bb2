"""Cases of sections 7.6, 8.4 and 12: update paths, lists of proposals and commits."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial

from amanah_protocol.mls.credential import Extension
from amanah_protocol.mls.framing import AuthenticatedContent, PublicMessage, WireFormat
from amanah_protocol.mls.group import Group
from amanah_protocol.mls.hpke import Ciphertext
from amanah_protocol.mls.joining import open_welcome
from amanah_protocol.mls.key_package import fresh_key_pair
from amanah_protocol.mls.leaf_node import LeafSource, Place
from amanah_protocol.mls.message_protection import protect_public
from amanah_protocol.mls.proposals import (
    Add,
    ExternalInit,
    GroupContextExtensions,
    PreSharedKey,
    ReInit,
    Remove,
    Update,
)
from amanah_protocol.mls.psk import MAX_PSKS, ExternalPsk, PskId, ResumptionPsk, ResumptionUsage
from amanah_protocol.mls.rules import Rule
from amanah_protocol.mls.treekem import PathSecret
from amanah_protocol.mls.update_path import UpdatePath, UpdatePathNode
from tests.protocol.mls.forged_commit import commit_by, propose, sealed_commit, welcome_to
from tests.protocol.mls.franken import (
    LeafForm,
    PathForm,
    flipped,
    public_keys,
    repath,
    required,
)
from tests.protocol.mls.negative import Attempt, case, commit_to, take
from tests.protocol.mls.negative_leaves import leaf_of, package, update_of
from tests.protocol.mls.negative_welcomes import application_of_erin
from tests.protocol.mls.stage import (
    BLANK,
    CONTEXT_EXTENSIONS,
    GROUP_ID,
    KNOWN_PSK,
    MEMBERS,
    Stage,
    find_psk,
    handshake,
)

REINIT = ReInit(b"the next group", 1, 3, ())


def external(nonce: int = 0, name: bytes = KNOWN_PSK) -> ExternalPsk:
    """The id of an external key."""
    return ExternalPsk(name, bytes([nonce]) * 32)


def resumption(stage: Stage, usage: ResumptionUsage, epoch: int | None = None) -> ResumptionPsk:
    """The id of a resumption key of this group."""
    return ResumptionPsk(usage, GROUP_ID, stage["bob"].context.epoch if epoch is None else epoch, bytes(32))


def unhindered(form: LeafForm) -> LeafForm:
    """A leaf that is as it should be."""
    return form


# ---- update paths


def with_path(stage: Stage, **bent: object) -> Attempt:
    """A commit whose path is made in another way."""

    def bend(form: PathForm) -> PathForm:
        return replace(form, **bent)  # type: ignore[arg-type] # the names are the form's own

    return commit_to(stage, sealed_commit(stage, "carol", bend_path=bend))


def bend_nodes(
    bend: Callable[[tuple[UpdatePathNode, ...]], tuple[UpdatePathNode, ...]], path: UpdatePath
) -> UpdatePath:
    """A path with other nodes."""
    return path._replace(nodes=bend(path.nodes))


def of_last(
    bend: Callable[[tuple[Ciphertext, ...]], tuple[Ciphertext, ...]], nodes: tuple[UpdatePathNode, ...]
) -> tuple[UpdatePathNode, ...]:
    """The same nodes, the secrets of the last one changed."""
    return (*nodes[:-1], nodes[-1]._replace(secrets=bend(nodes[-1].secrets)))


def of_all(bend: Callable[[Ciphertext], Ciphertext], nodes: tuple[UpdatePathNode, ...]) -> tuple[UpdatePathNode, ...]:
    """The same nodes, all their secrets changed."""
    return tuple(node._replace(secrets=tuple(map(bend, node.secrets))) for node in nodes)


def _flip(secret: Ciphertext) -> Ciphertext:
    return secret._replace(ciphertext=flipped(secret.ciphertext))


def _shorten(secret: Ciphertext) -> Ciphertext:
    return secret._replace(kem_output=secret.kem_output[1:])


@case(Rule.PATH_LENGTH)
def a_path_that_lacks_a_node(stage: Stage) -> Attempt:
    return with_path(stage, bend=partial(bend_nodes, lambda nodes: nodes[:-1]))


@case(Rule.PATH_LENGTH)
def a_path_with_a_node_too_many(stage: Stage) -> Attempt:
    more = UpdatePathNode(fresh_key_pair(stage.suite, stage.random).public, ())
    return with_path(stage, bend=partial(bend_nodes, lambda nodes: (*nodes, more)))


@case(Rule.PATH_LENGTH)
def a_path_without_nodes(stage: Stage) -> Attempt:
    return with_path(stage, bend=partial(bend_nodes, lambda _: ()))


@case(Rule.PATH_SECRETS)
def a_path_that_leaves_somebody_out(stage: Stage) -> Attempt:
    return with_path(stage, bend=partial(bend_nodes, partial(of_last, lambda secrets: secrets[:-1])))


@case(Rule.PATH_SECRETS)
def a_path_that_tells_somebody_twice(stage: Stage) -> Attempt:
    return with_path(stage, bend=partial(bend_nodes, partial(of_last, lambda secrets: (*secrets, secrets[0]))))


@case(Rule.PATH_KEY)
def a_path_whose_key_is_not_that_of_its_secret(stage: Stage) -> Attempt:
    def keys(secrets: list[PathSecret]) -> list[bytes]:
        return [*public_keys(secrets)[:-1], fresh_key_pair(stage.suite, stage.random).public]

    return with_path(stage, keys=keys)


@case(Rule.PATH_PARENT_HASH)
def a_path_whose_leaf_has_another_parent_hash(stage: Stage) -> Attempt:
    return with_path(stage, bend_leaf=lambda form: replace(form, parent_hash=bytes(32)))


@case(Rule.PATH_PARENT_HASH)
def a_path_whose_leaf_has_no_parent_hash(stage: Stage) -> Attempt:
    return with_path(stage, bend_leaf=lambda form: replace(form, parent_hash=b""))


@case(Rule.PATH_KEY_UNIQUE)
def a_path_whose_leaf_has_the_key_of_another_member(stage: Stage) -> Attempt:
    key = leaf_of(stage, "frank").encryption_key
    return with_path(stage, bend_leaf=lambda form: replace(form, encryption_key=key))


@case(Rule.PATH_KEY_UNIQUE)
def a_path_that_keeps_the_key_of_a_parent(stage: Stage) -> Attempt:
    root = stage["alice"].tree.parent(7)
    assert root is not None
    return with_path(stage, keys=lambda secrets: [*public_keys(secrets)[:-1], root.encryption_key])


@case(Rule.PATH_KEY_UNIQUE)
def a_path_with_one_key_twice(stage: Stage) -> Attempt:
    return with_path(stage, keys=lambda secrets: [public_keys(secrets)[0]] * len(secrets))


@case(Rule.PATH_LEAF_KEY_SAME)
def a_path_that_keeps_the_committers_key(stage: Stage) -> Attempt:
    key = leaf_of(stage, "carol").encryption_key
    return with_path(stage, bend_leaf=lambda form: replace(form, encryption_key=key))


@case(Rule.HPKE_KEY)
def a_path_with_a_node_to_whose_key_nothing_can_be_sealed(stage: Stage) -> Attempt:
    low = bytes(stage.suite.kem.public_bytes)
    return with_path(stage, keys=lambda secrets: [*public_keys(secrets)[:-1], low])


@case(Rule.DECRYPTION)
def a_path_secret_that_was_changed(stage: Stage) -> Attempt:
    return with_path(stage, bend=partial(bend_nodes, partial(of_all, _flip)))


@case(Rule.DECRYPTION)
def a_path_secret_with_a_kem_output_of_another_length(stage: Stage) -> Attempt:
    return with_path(stage, bend=partial(bend_nodes, partial(of_all, _shorten)))


@case(Rule.DECRYPTION)
def a_path_secret_for_a_node_whose_key_we_were_never_given(stage: Stage) -> Attempt:
    """`alice` made a path over `erin`, and the welcome kept the path secret back."""
    tree, _ = stage["alice"].tree.with_leaf(stage.newcomer.public.leaf_node)
    tree = repath(tree, stage.suite, stage.identity("frank"), Place(GROUP_ID, MEMBERS["frank"]), stage.random)
    message = welcome_to(stage, tree=tree).welcome()
    opened = open_welcome(message, [stage.newcomer], stage.suite, find_psk)
    group, _ = Group.join(opened, None, application_of_erin())
    commit = replace(commit_by(stage, "alice"), epoch=group._state.epoch).public()
    return lambda: take(group, commit)


# ---- lists of proposals


def committed(stage: Stage, *items: object) -> Attempt:
    """A sealed commit with a path that holds these."""
    return commit_to(stage, sealed_commit(stage, "carol", *items))  # type: ignore[arg-type] # all are proposals


@case(Rule.UPDATE_OWN)
def a_commit_of_ones_own_update(stage: Stage) -> Attempt:
    return committed(stage, update_of(stage, unhindered, "carol"))


@case(Rule.UPDATE_OWN)
def a_commit_with_an_update_by_value(stage: Stage) -> Attempt:
    keys = fresh_key_pair(stage.suite, stage.random)
    form = LeafForm.of(stage.identity("carol"), keys.public)
    place = Place(GROUP_ID, MEMBERS["carol"])
    return committed(stage, Update(replace(form, source=LeafSource.UPDATE, place=place).sign()))


@case(Rule.REMOVE_OWN)
def a_commit_that_removes_its_committer(stage: Stage) -> Attempt:
    message = sealed_commit(stage, "carol", Remove(MEMBERS["carol"]), with_path=False)
    return commit_to(stage, message)


@case(Rule.REMOVE_OWN)
def a_commit_that_takes_up_the_removal_of_its_committer(stage: Stage) -> Attempt:
    reference = propose(stage, "dave", Remove(MEMBERS["carol"]))
    return commit_to(stage, sealed_commit(stage, "carol", reference, with_path=False))


@case(Rule.TWICE_FOR_LEAF)
def two_removals_of_one_leaf(stage: Stage) -> Attempt:
    return committed(stage, Remove(MEMBERS["dave"]), Remove(MEMBERS["dave"]))


@case(Rule.TWICE_FOR_LEAF)
def an_update_and_a_removal_of_one_leaf(stage: Stage) -> Attempt:
    return committed(stage, update_of(stage, unhindered), Remove(MEMBERS["dave"]))


@case(Rule.TWICE_FOR_LEAF)
def two_updates_of_one_leaf(stage: Stage) -> Attempt:
    return committed(stage, update_of(stage, unhindered), update_of(stage, unhindered))


@case(Rule.REMOVE_BLANK)
def a_removal_of_a_blank_leaf(stage: Stage) -> Attempt:
    return committed(stage, Remove(BLANK))


@case(Rule.REMOVE_BLANK)
def a_removal_of_a_leaf_beyond_the_tree(stage: Stage) -> Attempt:
    return committed(stage, Remove((1 << 32) - 1))


@case(Rule.ADD_TWICE)
def two_adds_of_one_client(stage: Stage) -> Attempt:
    return committed(stage, Add(package(stage)), Add(package(stage)))


@case(Rule.ADD_MEMBER)
def an_add_of_a_member(stage: Stage) -> Attempt:
    return committed(stage, Add(package(stage, "dave")))


@case(Rule.PSK_TWICE)
def a_pre_shared_key_twice(stage: Stage) -> Attempt:
    return committed(stage, PreSharedKey(external()), PreSharedKey(external()))


@case(Rule.PSK_USAGE)
def a_resumption_key_to_branch(stage: Stage) -> Attempt:
    return committed(stage, PreSharedKey(resumption(stage, ResumptionUsage.BRANCH)))


@case(Rule.PSK_USAGE)
def a_resumption_key_to_reinitialise(stage: Stage) -> Attempt:
    return committed(stage, PreSharedKey(resumption(stage, ResumptionUsage.REINIT)))


@case(Rule.PSK_NONCE)
def a_pre_shared_key_with_a_short_nonce(stage: Stage) -> Attempt:
    return committed(stage, PreSharedKey(ExternalPsk(KNOWN_PSK, bytes(31))))


@case(Rule.PSK_UNKNOWN)
def an_external_key_that_is_not_known(stage: Stage) -> Attempt:
    return committed(stage, PreSharedKey(external(name=b"unknown")))


@case(Rule.PSK_UNKNOWN)
def a_resumption_key_of_an_epoch_that_is_not_kept(stage: Stage) -> Attempt:
    return committed(stage, PreSharedKey(resumption(stage, ResumptionUsage.APPLICATION, epoch=1 << 40)))


@case(Rule.PSK_COUNT)
def more_pre_shared_keys_than_can_be_counted(stage: Stage) -> Attempt:
    psks: list[PskId] = [ExternalPsk(KNOWN_PSK, number.to_bytes(32, "big")) for number in range(MAX_PSKS + 1)]
    world = stage["bob"]._world()
    return lambda: world.psk_secret(psks)


@case(Rule.CONTEXT_TWICE)
def two_new_contexts(stage: Stage) -> Attempt:
    context = GroupContextExtensions(CONTEXT_EXTENSIONS)
    return committed(stage, context, context)


@case(Rule.CONTEXT_UNSUPPORTED)
def a_new_context_with_an_extension_that_members_do_not_support(stage: Stage) -> Attempt:
    context = GroupContextExtensions((*CONTEXT_EXTENSIONS, Extension(0xF0A7, b"")))
    return committed(stage, context)


@case(Rule.CONTEXT_UNSUPPORTED)
def a_new_context_that_requires_what_members_do_not_support(stage: Stage) -> Attempt:
    return committed(stage, GroupContextExtensions((*CONTEXT_EXTENSIONS, required(credentials=(2,)))))


@case(Rule.REINIT_ALONE)
def a_reinitialisation_beside_an_add(stage: Stage) -> Attempt:
    return committed(stage, REINIT, Add(stage.newcomer.public))


@case(Rule.REINIT_VERSION)
def a_reinitialisation_to_an_older_version(stage: Stage) -> Attempt:
    return committed(stage, replace(REINIT, version=0))


@case(Rule.EXTENSION_TWICE)
def a_reinitialisation_with_an_extension_twice(stage: Stage) -> Attempt:
    return committed(stage, replace(REINIT, extensions=(Extension(0xF0A7, b"1"), Extension(0xF0A7, b"2"))))


@case(Rule.EXTERNAL_INIT_BY_MEMBER)
def a_members_commit_with_an_external_init(stage: Stage) -> Attempt:
    return committed(stage, ExternalInit(b"x"))


def pathless(stage: Stage, *items: object) -> Attempt:
    """A sealed commit without a path."""
    return commit_to(stage, sealed_commit(stage, "carol", *items, with_path=False))  # type: ignore[arg-type] # all are proposals


@case(Rule.PATH_REQUIRED)
def an_empty_commit_without_a_path(stage: Stage) -> Attempt:
    return pathless(stage)


@case(Rule.PATH_REQUIRED)
def a_removal_without_a_path(stage: Stage) -> Attempt:
    return pathless(stage, Remove(MEMBERS["dave"]))


@case(Rule.PATH_REQUIRED)
def an_update_without_a_path(stage: Stage) -> Attempt:
    return pathless(stage, update_of(stage, unhindered))


@case(Rule.PATH_REQUIRED)
def a_new_context_without_a_path(stage: Stage) -> Attempt:
    return pathless(stage, GroupContextExtensions(CONTEXT_EXTENSIONS))


@case(Rule.PATH_REQUIRED)
def an_add_and_a_removal_without_a_path(stage: Stage) -> Attempt:
    return pathless(stage, Add(stage.newcomer.public), Remove(MEMBERS["dave"]))


@case(Rule.OWN_LEAF, goes_on=False)
def an_own_update_whose_private_key_is_lost(stage: Stage) -> Attempt:
    reference = update_of(stage, unhindered, "bob")
    stage["bob"]._state.updates.clear()
    return committed(stage, reference)


# ---- commits


@case(Rule.CONFIRMATION_TAG)
def a_changed_confirmation_tag(stage: Stage) -> Attempt:
    return commit_to(stage, sealed_commit(stage, "carol", bend_tag=flipped))


@case(Rule.CONFIRMATION_TAG)
def an_empty_confirmation_tag(stage: Stage) -> Attempt:
    return commit_to(stage, sealed_commit(stage, "carol", bend_tag=lambda _: b""))


@case(Rule.CONFIRMATION_TAG)
def half_a_confirmation_tag(stage: Stage) -> Attempt:
    return commit_to(stage, sealed_commit(stage, "carol", bend_tag=lambda tag: tag[:16]))


@case(Rule.CONFIRMATION_TAG)
def a_confirmation_tag_and_more(stage: Stage) -> Attempt:
    return commit_to(stage, commit_by(stage, "carol", bend_tag=lambda tag: tag + b"\x00").public())


@case(Rule.CONFIRMATION_TAG)
def a_commit_with_no_confirmation_tag(stage: Stage) -> Attempt:
    message = handshake(commit_by(stage, "carol").public())
    assert isinstance(message, PublicMessage)
    bare = replace(message, auth=message.auth._replace(confirmation_tag=None))
    tag = membership_tag_of(stage, bare)
    return lambda: stage["bob"].take_commit(replace(bare, membership_tag=tag))


def membership_tag_of(stage: Stage, message: PublicMessage) -> bytes:
    """The right membership tag of a message in whatever form."""
    signed = AuthenticatedContent(wire_format=WireFormat.PUBLIC_MESSAGE, content=message.content, auth=message.auth)
    epoch = stage["carol"]._state.epoch
    tag = protect_public(signed, epoch.context.encode(), epoch.secrets.membership_key).membership_tag
    assert tag is not None
    return tag


@case(Rule.CONFIRMATION_TAG)
def a_commit_on_another_init_secret(stage: Stage) -> Attempt:
    return commit_to(stage, sealed_commit(stage, "carol", init_secret=bytes(32)))


@case(Rule.CONFIRMATION_TAG)
def a_commit_over_another_pre_shared_key(stage: Stage) -> Attempt:
    message = sealed_commit(stage, "carol", PreSharedKey(external()), find_psk=lambda _: b"another secret")
    return commit_to(stage, message)
