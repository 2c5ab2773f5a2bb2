from __future__ import annotations

from dataclasses import replace

import pytest

from amanah_protocol.errors import Code, UsageError, VerifyError
from amanah_protocol.mls import joining
from amanah_protocol.mls.credential import Extension
from amanah_protocol.mls.framing import PublicMessage, Sender, SenderType, decode_message
from amanah_protocol.mls.group import Application, Group, anybody, no_psk
from amanah_protocol.mls.group_context import GroupInfo
from amanah_protocol.mls.joining import Request
from amanah_protocol.mls.leaf_node import LeafNode
from amanah_protocol.mls.message_protection import protect_public
from amanah_protocol.mls.policy import EVERYTHING, ROOM
from amanah_protocol.mls.proposals import (
    Add,
    GroupContextExtensions,
    PreSharedKey,
    Proposal,
    ReInit,
    Remove,
    Update,
)
from amanah_protocol.mls.psk import ExternalPsk, PskId, ResumptionPsk, ResumptionUsage
from amanah_protocol.mls.rules import InvalidError, Rule
from tests.protocol.mls.franken import LeafForm
from tests.protocol.mls.negative_framing import from_eve, proposed_by, said_by
from tests.protocol.mls.stage import (
    BLANK,
    CONTEXT_EXTENSIONS,
    EXTRA_EXTENSION,
    GROUP_ID,
    KNOWN_PSK,
    LIFETIME,
    MAX_BYTES,
    MEMBERS,
    SUITES,
    Stage,
    find_psk,
    handshake,
    key_of,
    make_stage,
    private,
    suite_of,
    welcome_of,
)
from tests.protocol.refusal import refused

PSK = PreSharedKey(ExternalPsk(KNOWN_PSK, bytes(32)))
REINIT = ReInit(b"the next group", 1, 3, ())


@pytest.fixture(params=SUITES)
def stage(request: pytest.FixtureRequest) -> Stage:
    return make_stage(SUITES[request.param])


@pytest.fixture
def one() -> Stage:
    return make_stage()


def announce(stage: Stage, name: str, message: bytes) -> None:
    """All others take a proposal."""
    for other, group in stage.groups.items():
        if other != name:
            group.take_proposal(handshake(message))


def propose(stage: Stage, name: str, proposal: Proposal, *, public: bool = False) -> None:
    """A member proposes, and all others take note."""
    announce(stage, name, stage[name].propose(proposal, random=stage.random, public=public))


def test_members_hear_each_other_and_a_newcomer_joins(stage: Stage) -> None:
    stage.check_in_step()
    stage.check_honest_traffic()


@pytest.mark.parametrize("public", [False, True])
def test_every_kind_of_proposal_is_taken_up_by_reference(stage: Stage, public: bool) -> None:  # noqa: FBT001 - a parameter of the test
    newcomer = stage.package("hans")
    propose(stage, "bob", Add(newcomer.public), public=public)
    propose(stage, "bob", PSK, public=public)
    propose(stage, "dave", Remove(MEMBERS["frank"]), public=public)
    propose(stage, "dave", GroupContextExtensions(CONTEXT_EXTENSIONS[:1]), public=public)
    update = stage["carol"].propose_update(stage.identity("carol"), random=stage.random, public=public)
    announce(stage, "carol", update)
    for sender, key, item in (
        (from_eve(), "eve", Add(stage.package("gina").public)),
        (Sender(SenderType.NEW_MEMBER_PROPOSAL), "erin", Add(stage.newcomer.public)),
    ):
        message = handshake(proposed_by(stage, sender, item, key_of(key)).public())
        for group in stage.groups.values():
            group.take_proposal(message)
    staged = stage["alice"].commit(random=stage.random, public=public, authenticated_data=b"vouched for")
    assert len(staged.newcomers) == 3
    stage.deliver("alice", staged.message)
    assert set(stage.groups) == {"alice", "bob", "carol", "dave"}
    welcome = staged.welcome([joining.ratchet_tree(staged.tree)], key=key_of("alice"), random=stage.random)
    for name, bundle in {"erin": stage.newcomer, "hans": newcomer}.items():
        opened = joining.open_welcome(welcome_of(welcome), [bundle], stage.suite, find_psk)
        stage.groups[name], _ = Group.join(opened, None, stage.application(name))
    stage.check_in_step()
    assert stage["alice"].context.extensions == CONTEXT_EXTENSIONS[:1]
    for name in list(stage.groups):
        stage.deliver(name, stage[name].commit(random=stage.random).message)
    stage.check_in_step()


def test_a_commit_without_a_path_is_taken_when_it_needs_none(stage: Stage) -> None:
    adds: list[Proposal] = [Add(stage.newcomer.public), PSK]
    staged = stage["alice"].commit(adds, random=stage.random, with_path=False)
    stage.deliver("alice", staged.message)
    welcome = welcome_of(staged.welcome([], key=key_of("alice"), random=stage.random))
    opened = joining.open_welcome(welcome, [stage.package("gina"), stage.newcomer], stage.suite, find_psk)
    stage.groups["erin"], joined = Group.join(opened, staged.tree.encode(), stage.application("erin"))
    assert joined.key_package == stage.newcomer.public.reference
    stage.check_in_step()


# ---- what an own commit takes up


def test_an_own_update_or_removal_is_left_to_others(one: Stage) -> None:
    announce(one, "alice", one["alice"].propose_update(one.identity("alice"), random=one.random))
    propose(one, "bob", Remove(MEMBERS["alice"]))
    propose(one, "bob", Remove(MEMBERS["frank"]))
    one.deliver("alice", one["alice"].commit(random=one.random).message)
    assert set(one.groups) == {"alice", "bob", "carol", "dave"}
    one.check_in_step()


def test_a_proposal_that_no_commit_can_hold_stops_none(one: Stage) -> None:
    propose(one, "bob", Remove(BLANK))
    propose(one, "bob", PreSharedKey(ExternalPsk(b"unknown", bytes(32))))
    propose(one, "bob", GroupContextExtensions((Extension(3, b"damaged"),)))
    propose(one, "dave", Remove(MEMBERS["frank"]))
    one.deliver("alice", one["alice"].commit([Add(one.newcomer.public)], random=one.random).message)
    assert set(one.groups) == {"alice", "bob", "carol", "dave"}
    one.check_in_step()


def test_what_waits_gives_way_to_what_a_commit_brings_itself(one: Stage) -> None:
    propose(one, "bob", Remove(MEMBERS["frank"]))
    staged = one["alice"].commit([Remove(MEMBERS["frank"]), Remove(MEMBERS["dave"])], random=one.random)
    one.deliver("alice", staged.message)
    assert set(one.groups) == {"alice", "bob", "carol"}
    one.check_in_step()


def test_a_commit_that_the_others_would_refuse_is_not_made(one: Stage) -> None:
    before = one.states()
    with pytest.raises(InvalidError) as caught:
        one["alice"].commit([Remove(BLANK)], random=one.random)
    assert caught.value.rule is Rule.REMOVE_BLANK
    assert one.states() == before


# ---- an own commit in flight


def test_an_own_commit_waits_and_survives_a_restart(stage: Stage) -> None:
    adds: list[Proposal] = [Add(stage.newcomer.public), Add(stage.package("gina").public), PSK]
    staged = stage["alice"].commit(adds, random=stage.random)
    states = stage["alice"].epoch_state(), stage["alice"].message_state()
    again = Group.restore(*states, stage.application("alice"), suite_of)
    assert (again.epoch_state(), again.message_state()) == states
    assert again.pending is not None
    assert again.pending.message == staged.message
    stage.groups["alice"] = again
    restored = again.pending
    stage.deliver("alice", staged.message)
    welcome = restored.welcome([joining.ratchet_tree(restored.tree)], key=key_of("alice"), random=stage.random)
    opened = joining.open_welcome(welcome_of(welcome), [stage.newcomer], stage.suite, find_psk)
    stage.groups["erin"], _ = Group.join(opened, None, stage.application("erin"))
    stage.check_in_step()


def test_only_one_own_commit_is_in_flight_and_none_is_merged_that_is_not(one: Stage) -> None:
    alice = one["alice"]
    with refused(Code.USAGE, UsageError):
        alice.merge()
    alice.commit(random=one.random)
    with refused(Code.USAGE, UsageError):
        alice.commit(random=one.random)
    alice.discard()
    assert alice.pending is None
    one.check_honest_traffic()


def test_the_commit_of_another_takes_the_place_of_an_own_one(one: Stage) -> None:
    one["alice"].commit(random=one.random)
    one.deliver("bob", one["bob"].commit(random=one.random).message)
    assert one["alice"].pending is None
    one.check_in_step()


def test_a_commit_is_applied_in_the_epoch_in_which_it_was_taken(one: Stage) -> None:
    bob = one["bob"]
    first = bob.take_commit(handshake(one["carol"].commit(random=one.random).message))
    second = bob.take_commit(handshake(one["dave"].commit(random=one.random).message))
    assert bob.apply(first)
    before = one.states()
    for taken in (first, second):
        with refused(Code.USAGE, UsageError):
            bob.apply(taken)
    assert one.states() == before


def test_taking_a_commit_changes_nothing_until_it_is_applied(one: Stage) -> None:
    message = handshake(one["carol"].commit([Remove(MEMBERS["dave"])], random=one.random).message)
    before = one.states()
    assert one["bob"].take_commit(message).committer == MEMBERS["carol"]
    assert one["dave"].take_commit(message).entry is None
    assert one.states() == before
    assert not one["dave"].apply(one["dave"].take_commit(message))


# ---- joining by a commit


def info_for(stage: Stage, name: str = "alice") -> GroupInfo:
    """A group info with all that a joiner needs."""
    group = stage[name]
    extensions = (joining.ratchet_tree(group.tree), joining.external_pub(group._state.epoch))
    message = decode_message(group.group_info(extensions), MAX_BYTES)
    assert isinstance(message, GroupInfo)
    return message


def join(stage: Stage, name: str, request: Request, info: GroupInfo, tree: bytes | None = None) -> None:
    """Somebody joins by a commit, and all who are in take it."""
    group, message = Group.join_by_commit(info, tree, request, stage.application(name), random=stage.random)
    for other, held in list(stage.groups.items()):
        if not held.apply(held.take_commit(handshake(message))):
            del stage.groups[other]
    stage.groups[name] = group


def test_somebody_joins_by_a_commit_with_a_pre_shared_key(stage: Stage) -> None:
    key = find_psk(PSK.psk)
    assert key is not None
    request = Request(suite=stage.suite, identity=stage.identity("erin"), psks=((PSK.psk, key),))
    join(stage, "erin", request, info_for(stage))
    stage.check_in_step()
    stage.deliver("erin", stage["erin"].commit(random=stage.random).message)
    stage.check_in_step()


def test_a_member_that_lost_its_state_comes_back_in_its_former_place(stage: Stage) -> None:
    request = Request(suite=stage.suite, identity=stage.identity("dave"), removes=MEMBERS["dave"])
    join(stage, "dave", request, info_for(stage))
    assert len(list(stage["alice"].members())) == len(MEMBERS)
    stage.check_in_step()


def test_a_lone_member_that_lost_its_state_comes_back(one: Stage) -> None:
    for name in ("bob", "carol", "dave", "frank"):
        one.deliver("alice", one["alice"].commit([Remove(MEMBERS[name])], random=one.random).message)
    assert one["alice"].tree.leaves == 1
    request = Request(suite=one.suite, identity=one.identity("alice"), removes=0)
    group, message = Group.join_by_commit(info_for(one), None, request, one.application("alice"), random=one.random)
    assert one["alice"].take_commit(handshake(message)).entry is None
    assert [index for index, _ in group.members()] == [0]
    group.commit(random=one.random)
    group.merge()


def test_nobody_takes_the_place_of_nobody(one: Stage) -> None:
    request = Request(suite=one.suite, identity=one.identity("erin"), removes=BLANK)
    with refused(Code.USAGE, UsageError):
        Group.join_by_commit(info_for(one), None, request, one.application("erin"), random=one.random)


# ---- the policy and the application


def test_what_the_policy_does_not_take_is_not_sent(one: Stage) -> None:
    strict = Group(one["alice"]._state, Application(key=key_of("alice"), policy=ROOM))
    before = one.states()
    with refused(Code.USAGE, UsageError):
        strict.propose(Remove(1), random=one.random)
    with refused(Code.USAGE, UsageError):
        strict.commit(random=one.random, public=True)
    for proposal in (PSK, REINIT, GroupContextExtensions(())):
        with pytest.raises(InvalidError) as caught:
            strict.commit([proposal], random=one.random)
        assert caught.value.rule is Rule.POLICY
    half = one.under("alice", pre_shared_keys=False)
    with pytest.raises(InvalidError) as caught:
        half.propose(PSK, random=one.random)
    assert caught.value.rule is Rule.POLICY
    assert one.states() == before


def test_a_room_takes_sealed_commits_that_add_remove_and_renew(stage: Stage) -> None:
    for name in list(stage.groups):
        stage.groups[name] = Group(stage[name]._state, stage.application(name, ROOM))
    stage.deliver("alice", stage["alice"].commit([Remove(MEMBERS["frank"])], random=stage.random).message)
    stage.check_honest_traffic()
    assert stage["alice"].resumption_psk(stage["alice"].context.epoch - 1) is None


def test_a_member_keeps_its_signing_key(one: Stage) -> None:
    before = one.states()
    stranger = one.identity("a stranger")
    with refused(Code.KEY_ID, UsageError):
        one["alice"].commit(random=one.random, identity=stranger)
    with refused(Code.KEY_ID, UsageError):
        one["alice"].propose_update(stranger, random=one.random)
    assert one.states() == before


def test_a_commit_changes_what_the_own_leaf_says(one: Stage) -> None:
    said = replace(one.identity("alice"), extensions=(Extension(EXTRA_EXTENSION, b"new"),))
    one.deliver("alice", one["alice"].commit(random=one.random, identity=said).message)
    leaf = one["bob"].tree.leaf(0)
    assert leaf is not None
    assert leaf.extensions == said.extensions


def test_whom_the_application_does_not_know_is_not_let_in(one: Stage) -> None:
    def refuse(leaf: LeafNode, _: LeafNode | None) -> None:
        if leaf.signature_key == key_of("erin").public:
            raise VerifyError(Code.CERTIFICATE, "nobody knows erin")

    app = Application(key=key_of("bob"), policy=EVERYTHING, authenticate=refuse)
    bob = Group(one["bob"]._state, app)
    message = one["alice"].commit([Add(one.newcomer.public)], random=one.random).message
    before = one.states()
    with refused(Code.CERTIFICATE, VerifyError):
        bob.take_commit(handshake(message))
    assert one.states() == before


def test_the_application_is_asked_about_each_new_leaf_and_what_it_replaces(one: Stage) -> None:
    asked: list[tuple[bytes, bytes | None]] = []

    def ask(leaf: LeafNode, replaced: LeafNode | None) -> None:
        asked.append((leaf.credential.value, None if replaced is None else replaced.credential.value))

    bob = Group(one["bob"]._state, Application(key=key_of("bob"), policy=EVERYTHING, authenticate=ask))
    bob.take_commit(handshake(one["alice"].commit([Add(one.newcomer.public)], random=one.random).message))
    assert asked == [(b"erin", None), (b"alice", b"alice")]


def test_by_default_nobody_is_known_by_a_key_and_everybody_is_let_in(one: Stage) -> None:
    assert no_psk(PSK.psk) is None
    leaf = one.newcomer.public.leaf_node
    anybody(leaf, leaf)


# ---- the end, the past, and other uses


def test_a_reinitialised_group_sends_nothing_more(stage: Stage) -> None:
    stage.deliver("alice", stage["alice"].commit([REINIT], random=stage.random).message)
    for name, group in stage.groups.items():
        again = Group.restore(group.epoch_state(), group.message_state(), stage.application(name), suite_of)
        assert again.ended == REINIT
        with refused(Code.USAGE, UsageError):
            again.seal(b"said", random=stage.random)
        with refused(Code.USAGE, UsageError):
            again.commit(random=stage.random)
        with refused(Code.USAGE, UsageError):
            again.propose(PSK, random=stage.random)


def test_a_pending_reinitialisation_survives_a_restart(one: Stage) -> None:
    one["alice"].commit([REINIT], random=one.random)
    states = one["alice"].epoch_state(), one["alice"].message_state()
    again = Group.restore(*states, one.application("alice"), suite_of)
    again.merge()
    assert again.ended == REINIT


def test_the_key_of_a_past_epoch_is_mixed_in_while_it_is_kept(one: Stage) -> None:
    past = one["alice"].context.epoch
    one.deliver("alice", one["alice"].commit(random=one.random).message)
    psks: list[PskId] = [
        ResumptionPsk(ResumptionUsage.APPLICATION, GROUP_ID, past, bytes(32)),
        ResumptionPsk(ResumptionUsage.APPLICATION, GROUP_ID, past + 1, bytes(32)),
    ]
    one.deliver("alice", one["alice"].commit([PreSharedKey(psk) for psk in psks], random=one.random).message)
    one.check_in_step()
    keys = {group.resumption_psk(past) for group in one.groups.values()}
    assert len(keys) == 1
    assert None not in keys


def test_all_members_export_the_same_and_each_use_another_secret(stage: Stage) -> None:
    exported = {group.export(b"use", b"context", 48) for group in stage.groups.values()}
    assert len(exported) == 1
    assert stage["alice"].export(b"use", b"other", 48) not in exported


def test_a_message_is_padded_to_what_the_policy_says(one: Stage) -> None:
    padded = one.under("alice", padding=256)
    sizes = {len(private(padded.seal(bytes(size), random=one.random)).ciphertext) for size in (0, 1, 100)}
    assert sizes == {256 + 16}
    sealed = private(padded.seal(b"said", random=one.random, authenticated_data=b"vouched for"))
    opened = one["bob"].open(sealed)
    assert (opened.data, opened.sender, opened.authenticated_data) == (b"said", 0, b"vouched for")


def test_application_data_is_never_sent_readable(one: Stage) -> None:
    epoch = one["alice"]._state.epoch
    with refused(Code.USAGE, UsageError):
        protect_public(said_by(one, "alice").authenticated(), epoch.context.encode(), bytes(32))


def test_who_was_removed_reads_nothing_more(one: Stage) -> None:
    frank = one["frank"]
    one.deliver("alice", one["alice"].commit([Remove(MEMBERS["frank"])], random=one.random).message)
    sealed = private(one["alice"].seal(b"said", random=one.random))
    with refused(Code.STALE_EPOCH, VerifyError):
        frank.open(sealed)


def test_a_group_shows_no_secret(one: Stage) -> None:
    group = one["alice"]
    assert repr(group) == f"Group(group_id={GROUP_ID.hex()}, epoch={group.context.epoch})"
    assert group.suite is one.suite
    for secret in (group._state.epoch.secrets, group._state.epoch, group._state.messages, group._state):
        assert group.epoch_authenticator.hex() not in repr(secret)


def test_a_public_proposal_is_the_same_when_it_comes_again(one: Stage) -> None:
    message = one["alice"].propose(Remove(MEMBERS["frank"]), random=one.random, public=True)
    assert isinstance(handshake(message), PublicMessage)
    one["bob"].take_proposal(handshake(message))
    before = one.states()
    one["bob"].take_proposal(handshake(message))
    assert one.states() == before


def test_an_update_made_by_hand_needs_its_private_key(one: Stage) -> None:
    leaf = LeafForm.of(one.identity("alice"), one.newcomer.public.init_key).sign()
    message = one["alice"].propose(Update(leaf), random=one.random)
    assert one["bob"].take_proposal(handshake(message)).proposal == Update(leaf)


def test_a_group_begins_with_its_creator_alone(stage: Stage) -> None:
    group = Group.create(
        stage.suite,
        b"new",
        stage.identity("gina"),
        app=stage.application("gina"),
        lifetime=LIFETIME,
        random=stage.random,
    )
    assert (group.context.epoch, group.own_leaf, group.tree.leaves) == (0, 0, 1)
    assert group.resumption_psk(0) is not None
    again = Group.restore(group.epoch_state(), group.message_state(), stage.application("gina"), suite_of)
    again.commit(random=stage.random)
    again.merge()
    assert again.context.epoch == 1
