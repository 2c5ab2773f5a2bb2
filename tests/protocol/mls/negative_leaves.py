"""Cases of sections 7.2, 7.3, 10.1 and 13.4: leaf nodes, key packages and their extensions."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial

from amanah_protocol.mls.checks import check_lifetime
from amanah_protocol.mls.credential import Credential, CredentialType, Extension, ExtensionType
from amanah_protocol.mls.key_package import KeyPackage, fresh_key_pair
from amanah_protocol.mls.leaf_node import LeafNode, LeafSource, Lifetime, Place
from amanah_protocol.mls.proposals import Add, GroupContextExtensions, ProposalRef, Update
from amanah_protocol.mls.rules import Rule
from tests.protocol.mls.forged_commit import join_commit, propose, sealed_commit, welcome_to
from tests.protocol.mls.franken import LeafForm, PackageForm, PathForm, required
from tests.protocol.mls.negative import Attempt, case, commit_to, take
from tests.protocol.mls.negative_welcomes import join_by
from tests.protocol.mls.stage import CONTEXT_EXTENSIONS, EXTRA_EXTENSION, GROUP_ID, MEMBERS, Stage, key_of

BendLeaf = Callable[[LeafForm], LeafForm]
LONG = Lifetime(0, 85 * 86_400)
"""A day longer than a room takes."""


def package(stage: Stage, name: str = "erin", **bent: object) -> KeyPackage:
    """A key package with something in it changed."""
    form = PackageForm(suite=stage.suite, identity=stage.identity(name), random=stage.random)
    return replace(form, **bent).package()  # type: ignore[arg-type] # the names are the form's own


def added(stage: Stage, **bent: object) -> Attempt:
    """A commit that adds such a key package."""
    return commit_to(stage, sealed_commit(stage, "carol", Add(package(stage, "erin", **bent))))


def committed(stage: Stage, bend: BendLeaf) -> Attempt:
    """A commit with such a leaf in its path."""
    return commit_to(stage, sealed_commit(stage, "carol", bend_path=partial(_with_leaf, bend)))


def _with_leaf(bend: BendLeaf, form: PathForm) -> PathForm:
    return replace(form, bend_leaf=bend)


def update_of(stage: Stage, bend: BendLeaf, name: str = "dave") -> ProposalRef:
    """Somebody proposes such an update."""
    keys = fresh_key_pair(stage.suite, stage.random)
    form = LeafForm.of(stage.identity(name), keys.public)
    form = replace(form, source=LeafSource.UPDATE, place=Place(GROUP_ID, MEMBERS[name]))
    stage[name]._state.updates[keys.public] = keys.private
    return propose(stage, name, Update(bend(form).sign()))


def updated(stage: Stage, bend: BendLeaf) -> Attempt:
    """A commit that takes up such an update."""
    return commit_to(stage, sealed_commit(stage, "carol", update_of(stage, bend)))


def leaf_of(stage: Stage, name: str) -> LeafNode:
    """Somebody's leaf."""
    leaf = stage["alice"].tree.leaf(MEMBERS[name])
    assert leaf is not None
    return leaf


# ---- keys and signatures


@case(Rule.SIGNATURE_KEY)
def a_path_whose_leaf_has_half_a_signature_key(stage: Stage) -> Attempt:
    return committed(stage, lambda form: replace(form, signature_key=bytes(16)))


@case(Rule.SIGNATURE_KEY)
def an_update_whose_leaf_has_no_signature_key(stage: Stage) -> Attempt:
    return updated(stage, lambda form: replace(form, signature_key=b""))


@case(Rule.HPKE_KEY)
def a_key_package_whose_init_key_is_too_short(stage: Stage) -> Attempt:
    return added(stage, init_key=bytes(31))


@case(Rule.HPKE_KEY)
def a_key_package_to_whose_init_key_nothing_can_be_sealed(stage: Stage) -> Attempt:
    return added(stage, init_key=bytes(stage.suite.kem.public_bytes))


@case(Rule.HPKE_KEY)
def a_leaf_to_whose_key_nothing_can_be_sealed(stage: Stage) -> Attempt:
    return added(stage, bend_leaf=lambda form: replace(form, encryption_key=bytes(stage.suite.kem.public_bytes)))


@case(Rule.HPKE_KEY)
def a_leaf_whose_key_is_beyond_the_modulus(stage: Stage) -> Attempt:
    def bend(form: LeafForm) -> LeafForm:
        # Of X25519 there are no such keys: what is no key there has another length.
        lattice = b"\xff" * (len(form.encryption_key) - 32)
        return replace(form, encryption_key=lattice + form.encryption_key[-32:] if lattice else b"")

    return added(stage, bend_leaf=bend)


@case(Rule.HPKE_KEY)
def an_update_with_a_key_that_is_none(stage: Stage) -> Attempt:
    return updated(stage, lambda form: replace(form, encryption_key=form.encryption_key[1:]))


@case(Rule.HPKE_KEY)
def a_path_whose_leaf_has_a_key_that_is_none(stage: Stage) -> Attempt:
    return committed(stage, lambda form: replace(form, encryption_key=form.encryption_key + b"\x00"))


@case(Rule.LEAF_SIGNATURE)
def an_added_leaf_that_is_not_signed(stage: Stage) -> Attempt:
    return added(stage, bend_leaf=lambda form: replace(form, signature=bytes(64)))


@case(Rule.LEAF_SIGNATURE)
def an_update_that_was_signed_for_another_leaf(stage: Stage) -> Attempt:
    return updated(stage, lambda form: replace(form, place=Place(GROUP_ID, 2)))


@case(Rule.LEAF_SIGNATURE)
def an_update_that_was_signed_for_another_group(stage: Stage) -> Attempt:
    return updated(stage, lambda form: replace(form, place=Place(b"another group", 3)))


@case(Rule.LEAF_SIGNATURE)
def a_path_whose_leaf_was_signed_for_another_leaf(stage: Stage) -> Attempt:
    return committed(stage, lambda form: replace(form, place=Place(GROUP_ID, 0)))


@case(Rule.LEAF_SIGNATURE)
def a_path_whose_leaf_is_not_signed(stage: Stage) -> Attempt:
    return committed(stage, lambda form: replace(form, signature=b""))


# ---- sources and lifetimes


@case(Rule.LEAF_SOURCE)
def an_added_leaf_out_of_an_update(stage: Stage) -> Attempt:
    return added(stage, bend_leaf=lambda form: replace(form, source=LeafSource.UPDATE, place=Place(GROUP_ID, 4)))


@case(Rule.LEAF_SOURCE)
def an_added_leaf_out_of_a_commit(stage: Stage) -> Attempt:
    return added(stage, bend_leaf=lambda form: replace(form, source=LeafSource.COMMIT, place=Place(GROUP_ID, 4)))


@case(Rule.LEAF_SOURCE)
def an_update_with_a_leaf_out_of_a_key_package(stage: Stage) -> Attempt:
    return updated(stage, lambda form: replace(form, source=LeafSource.KEY_PACKAGE))


@case(Rule.LEAF_SOURCE)
def a_path_with_a_leaf_out_of_an_update(stage: Stage) -> Attempt:
    return committed(stage, lambda form: replace(form, source=LeafSource.UPDATE))


@case(Rule.LEAF_SOURCE)
def a_lifetime_that_is_asked_of_a_leaf_without_one(stage: Stage) -> Attempt:
    return lambda: check_lifetime(leaf_of(stage, "alice"), now_s=5_000, longest_s=99_999)


@case(Rule.LEAF_LIFETIME)
def a_leaf_before_its_lifetime(stage: Stage) -> Attempt:
    return lambda: check_lifetime(stage.newcomer.public.leaf_node, now_s=999, longest_s=99_999)


@case(Rule.LEAF_LIFETIME)
def a_leaf_after_its_lifetime(stage: Stage) -> Attempt:
    return lambda: check_lifetime(stage.newcomer.public.leaf_node, now_s=9_001, longest_s=99_999)


@case(Rule.LEAF_LIFETIME_RANGE)
def a_leaf_whose_lifetime_is_too_long(stage: Stage) -> Attempt:
    return lambda: check_lifetime(stage.newcomer.public.leaf_node, now_s=5_000, longest_s=7_999)


@case(Rule.LEAF_LIFETIME_RANGE)
def an_add_that_lives_longer_than_the_policy_takes(stage: Stage) -> Attempt:
    message = sealed_commit(stage, "carol", Add(package(stage, bend_leaf=lambda form: replace(form, lifetime=LONG))))
    strict = stage.under("bob", longest_lifetime_s=84 * 86_400)
    return partial(take, strict, message)


# ---- capabilities


@case(Rule.LEAF_VERSION)
def an_add_that_does_not_list_the_version(stage: Stage) -> Attempt:
    return added(stage, bend_leaf=lambda form: form.with_capabilities(versions=(2,)))


@case(Rule.LEAF_SUITE)
def an_add_that_does_not_list_the_suite(stage: Stage) -> Attempt:
    return added(stage, bend_leaf=lambda form: form.with_capabilities(suites=(2,)))


@case(Rule.LEAF_EXTENSION)
def an_add_with_an_extension_that_it_does_not_list(stage: Stage) -> Attempt:
    return added(stage, bend_leaf=lambda form: replace(form, extensions=(Extension(0xF0A7, b""),)))


@case(Rule.LEAF_EXTENSION)
def an_update_with_an_extension_that_it_does_not_list(stage: Stage) -> Attempt:
    return updated(stage, lambda form: replace(form, extensions=(Extension(0xF0A7, b""),)))


@case(Rule.LEAF_CREDENTIAL_OWN)
def an_add_that_does_not_list_its_own_credential_type(stage: Stage) -> Attempt:
    return added(stage, bend_leaf=lambda form: form.with_capabilities(credentials=(CredentialType.AMANAH,)))


def _of_new_type(form: LeafForm) -> LeafForm:
    kinds = (CredentialType.BASIC, 0xF0FF)
    return replace(form.with_capabilities(credentials=kinds), credential=Credential(0xF0FF, b"erin"))


@case(Rule.LEAF_CREDENTIAL_OTHERS)
def an_add_whose_credential_type_the_members_do_not_support(stage: Stage) -> Attempt:
    return added(stage, bend_leaf=_of_new_type)


@case(Rule.LEAF_CREDENTIAL_OTHERS)
def an_add_of_a_foreign_credential_type_by_a_commit_without_a_path(stage: Stage) -> Attempt:
    add = Add(package(stage, bend_leaf=_of_new_type))
    return commit_to(stage, sealed_commit(stage, "carol", add, with_path=False))


@case(Rule.LEAF_CREDENTIAL_OTHERS)
def an_update_to_a_credential_type_that_the_others_do_not_support(stage: Stage) -> Attempt:
    return updated(stage, _of_new_type)


@case(Rule.LEAF_CREDENTIAL_OTHERS)
def a_path_to_a_credential_type_that_the_others_do_not_support(stage: Stage) -> Attempt:
    return committed(stage, _of_new_type)


@case(Rule.LEAF_CREDENTIAL_OTHERS)
def a_path_that_gives_up_the_credential_type_of_the_others(stage: Stage) -> Attempt:
    def bend(form: LeafForm) -> LeafForm:
        mine = (CredentialType.AMANAH,)
        return replace(form.with_capabilities(credentials=mine), credential=Credential(CredentialType.AMANAH, b"me"))

    return committed(stage, bend)


@case(Rule.LEAF_CREDENTIAL_OTHERS)
def a_joiner_whose_credential_type_the_members_do_not_support(stage: Stage) -> Attempt:
    form = join_commit(stage, "erin", bend_path=partial(_with_leaf, _of_new_type))
    return commit_to(stage, form.public())


def _asking(stage: Stage, **lists: tuple[int, ...]) -> Attempt:
    """A group that asks of its members what none of them has, as somebody who joins is shown it."""
    return join_by(welcome_to(stage, context_extensions=(*CONTEXT_EXTENSIONS, required(**lists))))


@case(Rule.LEAF_REQUIRED)
def a_group_that_requires_an_extension_that_its_members_lack(stage: Stage) -> Attempt:
    return _asking(stage, extensions=(0xF0A7,))


@case(Rule.LEAF_REQUIRED)
def a_group_that_requires_a_proposal_type_that_its_members_lack(stage: Stage) -> Attempt:
    return _asking(stage, proposals=(0xF0A7,))


@case(Rule.LEAF_REQUIRED)
def a_group_that_requires_a_credential_type_that_its_members_lack(stage: Stage) -> Attempt:
    return _asking(stage, credentials=(CredentialType.X509,))


@case(Rule.LEAF_REQUIRED)
def an_add_that_lacks_what_the_same_commit_begins_to_require(stage: Stage) -> Attempt:
    asks = GroupContextExtensions((*CONTEXT_EXTENSIONS, required(credentials=(CredentialType.AMANAH,))))
    lacks = package(stage, bend_leaf=lambda form: form.with_capabilities(credentials=(CredentialType.BASIC,)))
    return commit_to(stage, sealed_commit(stage, "carol", asks, Add(lacks)))


@case(Rule.LEAF_GROUP_EXTENSION)
def an_add_that_does_not_support_an_extension_of_the_group(stage: Stage) -> Attempt:
    return added(stage, bend_leaf=lambda form: form.with_capabilities(extensions=(ExtensionType.LAST_RESORT,)))


@case(Rule.LEAF_GROUP_EXTENSION)
def a_path_that_gives_up_an_extension_of_the_group(stage: Stage) -> Attempt:
    return committed(stage, lambda form: form.with_capabilities(extensions=()))


@case(Rule.LEAF_GROUP_EXTENSION)
def a_group_with_an_extension_that_its_members_do_not_support(stage: Stage) -> Attempt:
    return join_by(welcome_to(stage, context_extensions=(Extension(0xF0A7, b""),)))


# ---- what stands once


@case(Rule.LEAF_SIGNATURE_KEY_UNIQUE)
def an_update_to_the_signature_key_of_another_member(stage: Stage) -> Attempt:
    return updated(stage, lambda form: replace(form, key=key_of("frank")))


@case(Rule.LEAF_SIGNATURE_KEY_UNIQUE)
def a_path_to_the_signature_key_of_another_member(stage: Stage) -> Attempt:
    return committed(stage, lambda form: replace(form, key=key_of("frank")))


@case(Rule.LEAF_SIGNATURE_KEY_UNIQUE)
def a_joiner_with_the_signature_key_of_a_member(stage: Stage) -> Attempt:
    return commit_to(stage, join_commit(stage, "dave").public())


@case(Rule.LEAF_ENCRYPTION_KEY_UNIQUE)
def an_add_with_the_encryption_key_of_a_member(stage: Stage) -> Attempt:
    key = leaf_of(stage, "frank").encryption_key
    return added(stage, bend_leaf=lambda form: replace(form, encryption_key=key))


@case(Rule.LEAF_ENCRYPTION_KEY_UNIQUE)
def an_update_to_the_encryption_key_of_another_member(stage: Stage) -> Attempt:
    key = leaf_of(stage, "frank").encryption_key
    return updated(stage, lambda form: replace(form, encryption_key=key))


@case(Rule.LEAF_ENCRYPTION_KEY_UNIQUE)
def an_add_with_the_encryption_key_of_a_parent(stage: Stage) -> Attempt:
    _, parent = next(stage["alice"].tree.parents())
    return added(stage, bend_leaf=lambda form: replace(form, encryption_key=parent.encryption_key))


@case(Rule.LEAF_ENCRYPTION_KEY_SAME)
def an_update_that_keeps_its_encryption_key(stage: Stage) -> Attempt:
    key = leaf_of(stage, "dave").encryption_key
    return updated(stage, lambda form: replace(form, encryption_key=key))


TWICE = (Extension(EXTRA_EXTENSION, b"1"), Extension(EXTRA_EXTENSION, b"2"))


@case(Rule.EXTENSION_TWICE)
def a_key_package_with_an_extension_twice(stage: Stage) -> Attempt:
    return added(stage, extensions=TWICE)


@case(Rule.EXTENSION_TWICE)
def a_leaf_with_an_extension_twice(stage: Stage) -> Attempt:
    return committed(stage, lambda form: replace(form, extensions=TWICE))


@case(Rule.EXTENSION_TWICE)
def a_new_context_with_an_extension_twice(stage: Stage) -> Attempt:
    return commit_to(stage, sealed_commit(stage, "carol", GroupContextExtensions(TWICE)))


@case(Rule.EXTENSION_TWICE)
def a_welcome_into_a_context_with_an_extension_twice(stage: Stage) -> Attempt:
    return join_by(welcome_to(stage, context_extensions=TWICE))


@case(Rule.EXTENSION_TWICE)
def a_group_info_with_an_extension_twice(stage: Stage) -> Attempt:
    return join_by(welcome_to(stage, info_extensions=lambda tree: (tree, *TWICE)))


# ---- key packages


@case(Rule.KEY_PACKAGE_VERSION)
def a_key_package_of_another_version(stage: Stage) -> Attempt:
    return added(stage, version=2)


@case(Rule.KEY_PACKAGE_SUITE)
def a_key_package_of_another_suite(stage: Stage) -> Attempt:
    return added(stage, suite_number=2)


@case(Rule.KEY_PACKAGE_SIGNATURE)
def a_key_package_that_is_not_signed(stage: Stage) -> Attempt:
    return added(stage, signature=bytes(64))


@case(Rule.KEY_PACKAGE_SIGNATURE)
def a_key_package_around_the_leaf_of_somebody_else(stage: Stage) -> Attempt:
    return added(stage, bend_leaf=lambda form: replace(form, key=key_of("a stranger")))


@case(Rule.KEY_PACKAGE_INIT_KEY)
def a_key_package_that_uses_one_key_twice(stage: Stage) -> Attempt:
    return added(stage, init_is_leaf_key=True)
