"""Attacks 16, 17, 18 and 20, at the engine: welcomes, trees and key packages that are not what they say."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Final

import pytest

from amanah_protocol.crypto import hkdf_expand
from amanah_protocol.errors import AmanahError, Code
from amanah_protocol.group.room_group import RoomGroup, StagedCommit, open_tree, seal_tree
from amanah_protocol.mls.codec import decode
from amanah_protocol.mls.credential import Extension, ExtensionType
from amanah_protocol.mls.epoch import enter
from amanah_protocol.mls.framing import encode_message
from amanah_protocol.mls.group_context import EncryptedGroupSecrets, GroupInfo, GroupSecrets, Welcome
from amanah_protocol.mls.joining import make_welcome
from amanah_protocol.mls.key_schedule import derive_welcome_keys
from amanah_protocol.mls.labelled import encrypt_with_label
from amanah_protocol.mls.ratchet_tree import decode_ratchet_tree
from amanah_protocol.mls.suites import HASH_BYTES
from amanah_protocol.types import EnvelopeId
from tests.adversary.forge import drawn
from tests.adversary.mutations import info_mutants, tree_mutants
from tests.adversary.outcomes import control, defended
from tests.adversary.packages import SUITE, credential_of
from tests.adversary.sealed_room import (
    AAD,
    COMMIT,
    CREATE,
    Invitation,
    binding,
    commit,
    device,
    inner,
    join,
    package,
    refusal,
    room_of,
)

HOST: Final = "tn-1"
GUEST: Final = "sn-2"
CAST: Final = ("tn-1", "tn-2", "tn-bot", "ma-1", "ma-2", "sn-1")
NO_PSK: Final = bytes(HASH_BYTES)


@dataclass(frozen=True, slots=True, kw_only=True)
class Door:
    """A commit that adds the guest, before anything of it has left.

    Attributes:
        staged: The commit.
        privates: The guest's secrets.
    """

    staged: StagedCommit
    privates: dict[bytes, bytes]

    @property
    def tree(self) -> bytes:
        """The right tree, readable."""
        return open_tree(SUITE, self.staged.seed, self.staged.tree)

    @property
    def extensions(self) -> tuple[Extension, ...]:
        """Of the right group info."""
        return (
            Extension(ExtensionType.ROOM_BINDING, CREATE + COMMIT),
            Extension(ExtensionType.ROOM_TREE_KEY, self.staged.seed),
        )

    def invitation(self, sealed: bytes, tree: bytes) -> Invitation:
        """A welcome and a readable tree, as the guest is handed them."""
        return Invitation(
            sealed=sealed,
            tree=seal_tree(SUITE, self.staged.seed, tree),
            binding=binding(device(HOST)),
            privates=self.privates,
            guest=device(GUEST),
        )

    def right(self) -> Invitation:
        """With nothing wrong."""
        return self.invitation(self.staged.welcome(CREATE, COMMIT, random=drawn), self.tree)

    def with_info(self, encoded: bytes) -> Invitation:
        """With another group info, as one can make who is let in by the same welcome."""
        entry, newcomer = self.staged.commit.entry, self.staged.commit.newcomers[0]
        keys = derive_welcome_keys(SUITE, entry.joiner_secret, NO_PSK)
        sealed = SUITE.aead.seal(keys.key, keys.nonce, encoded, b"")
        secrets = GroupSecrets(joiner_secret=entry.joiner_secret, path_secret=newcomer.path_secret, psks=())
        told = encrypt_with_label(SUITE, newcomer.init_key, b"Welcome", sealed, secrets.encode(), drawn)
        welcome = Welcome(
            suite=SUITE.number,
            secrets=(EncryptedGroupSecrets(new_member=newcomer.key_package, sealed=told),),
            encrypted_group_info=sealed,
        )
        return self.invitation(encode_message(welcome), self.tree)

    def made_to_fit(self, tree: bytes) -> Invitation:
        """With another tree, and all that the committer can sign and derive made to fit it."""
        entry = self.staged.commit.entry
        changed = decode_ratchet_tree(tree)
        context = replace(entry.epoch.context, tree_hash=changed.hash())
        fitting = enter(
            SUITE,
            context,
            changed,
            entry.epoch.own,
            entry.epoch.privates,
            joiner_secret=entry.joiner_secret,
            psk_secret=NO_PSK,
        )
        welcome = make_welcome(
            fitting,
            self.staged.commit.newcomers,
            psks=(),
            psk_secret=NO_PSK,
            extensions=self.extensions,
            key=device(HOST).key,
            random=drawn,
        )
        return self.invitation(encode_message(welcome), tree)


@pytest.fixture
def door() -> Door:
    """Of a room of six, with an unmerged leaf and a blank place in its tree."""
    groups = room_of(*CAST)
    commit(groups, "ma-1", removes=("tn-2",))
    public, privates = package(device(GUEST))
    staged = groups[HOST].stage_commit(
        adds=(public,), removes=(), credential=credential_of(device(HOST)), aad=AAD, random=drawn
    )
    return Door(staged=staged, privates=privates)


def group_info(door: Door) -> GroupInfo:
    """The right one."""
    entry = door.staged.commit.entry
    info = GroupInfo(
        context=entry.epoch.context,
        extensions=door.extensions,
        confirmation_tag=entry.confirmation_tag,
        signer=entry.epoch.own,
    )
    return decode(info.sign(device(HOST).key), GroupInfo.read)


Case = tuple[str, Callable[[], Invitation]]


def mutants(door: Door) -> Iterator[Case]:
    """Every field of the tree, and of the group info, changed once."""
    for name, tree in tree_mutants(decode_ratchet_tree(door.tree)):
        yield name, lambda tree=tree: door.invitation(door.right().sealed, tree)  # type: ignore[misc]  # a default binds the loop's value
    for name, info in info_mutants(group_info(door)):
        yield name, lambda info=info: door.with_info(info)  # type: ignore[misc]  # as above


def accepted(cases: Iterator[Case]) -> tuple[int, list[str]]:
    """How many were tried, and which of them led into a group."""
    tried, taken = 0, []
    for name, make in cases:
        tried += 1
        if refusal(lambda make=make: join(make())) is None:  # type: ignore[misc]  # as above
            taken.append(name)
    return tried, taken


def test_the_right_tree_and_group_info_lead_in(door: Door) -> None:
    """The positive case of all that follows: what is changed below is otherwise right."""
    assert join(door.right()).epoch == door.staged.commit.entry.epoch.context.epoch
    assert (
        join(door.with_info(group_info(door).encode())).members.keys()
        == join(door.made_to_fit(door.tree)).members.keys()
    )


@defended(18)
def test_no_field_of_the_tree_or_the_group_info_can_be_changed(door: Door) -> None:
    tried, taken = accepted(mutants(door))
    assert tried >= 200
    assert taken == []


@control(18, "hashes over the tree")
def test_without_hashes_over_it_a_tree_is_taken_that_holds_the_relays_keys(door: Door) -> None:
    _, taken = accepted(mutants(door))
    assert any("encryption key" in name for name in taken)


@control(18, "the signature of the group info")
def test_without_its_signature_a_group_info_is_taken_to_which_somebody_has_added(door: Door) -> None:
    _, taken = accepted(mutants(door))
    assert "an extension more" in taken


def fields_of_nodes(door: Door) -> Iterator[Case]:
    """Fields of nodes changed by the committer, who has made hashes, signature and keys of its own fit."""
    for name, tree in tree_mutants(decode_ratchet_tree(door.tree)):
        # That a committer can blank what it makes is no forgery: the group it leads into is its own.
        if "blank" not in name:
            yield name, lambda tree=tree: door.made_to_fit(tree)  # type: ignore[misc]  # as above


@defended(18)
def test_not_even_the_committer_changes_a_field_of_what_others_have_signed(door: Door) -> None:
    tried, taken = accepted(fields_of_nodes(door))
    assert tried >= 100
    assert taken == []


@control(18, "parent hashes")
def test_without_parent_hashes_a_committer_puts_its_own_keys_above_others(door: Door) -> None:
    _, taken = accepted(fields_of_nodes(door))
    assert any("encryption key" in name for name in taken)


# ---- 16 and 17: a right welcome of another place


def rebound(door: Door, create: EnvelopeId, found: EnvelopeId) -> Invitation:
    """A right welcome, shown as that of other envelopes."""
    return replace(door.right(), binding=binding(device(HOST), create=create, commit=found))


OTHER: Final = EnvelopeId(hkdf_expand(bytes(32), b"another envelope", 32))


@defended(16)
@pytest.mark.parametrize(("create", "found"), [(OTHER, COMMIT), (CREATE, OTHER)])
def test_a_welcome_belongs_to_one_creation_and_one_commit(door: Door, create: EnvelopeId, found: EnvelopeId) -> None:
    error = refusal(lambda: join(rebound(door, create, found)))
    assert error is not None
    assert error.code is Code.BINDING


def old_welcome(group_of_host: RoomGroup, groups: dict[str, RoomGroup]) -> tuple[Invitation, int]:
    """A welcome that was never delivered, and the epoch in which its guest is added for the second time."""
    first, privates = package(device(GUEST))
    sealed, tree = commit_adding(groups, first)
    old = Invitation(sealed=sealed, tree=tree, binding=binding(device(HOST)), privates=privates, guest=device(GUEST))
    for name in ("tn-1", "ma-1", "sn-1"):
        commit(groups, name)
    commit(groups, HOST, removes=(GUEST,))
    second, more = package(device(GUEST))
    commit_adding(groups, second)
    # What its envelope says is of today; the guest has the secrets of both key packages.
    now = binding(device(HOST), commit=OTHER)
    return replace(old, binding=now, privates=privates | more), group_of_host.epoch


def commit_adding(groups: dict[str, RoomGroup], public: bytes) -> tuple[bytes, bytes]:
    """The host adds the guest, who hears nothing of it."""
    return commit(groups, HOST, adds=(public,))


@defended(17)
def test_an_old_welcome_does_not_serve_for_a_new_commit() -> None:
    groups = room_of("tn-1", "ma-1", "sn-1")
    invited, _ = old_welcome(groups[HOST], groups)
    error = refusal(lambda: join(invited))
    assert error is not None
    assert error.code is Code.BINDING


@control(17, "welcomes name their commit")
def test_without_the_name_of_its_commit_an_old_welcome_leads_into_an_epoch_long_over() -> None:
    groups = room_of("tn-1", "ma-1", "sn-1")
    invited, epoch = old_welcome(groups[HOST], groups)
    joined = join(invited)
    assert joined.epoch <= epoch - 5
    lost = joined.seal(b"said to those who were in then", aad=AAD, random=drawn)
    with pytest.raises(AmanahError):
        groups["ma-1"].open(lost, sender=device(GUEST).id, aad=AAD)
    assert inner(joined).context.epoch == joined.epoch
