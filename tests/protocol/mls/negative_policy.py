"""Cases of sections 11.2 and 12.4.3.2 and of RFC 9750 section 7: external commits, the end, and the policy."""

from __future__ import annotations

from amanah_protocol.mls.framing import Sender, SenderType
from amanah_protocol.mls.key_package import fresh_key_pair
from amanah_protocol.mls.proposals import (
    Add,
    ExternalInit,
    GroupContextExtensions,
    PreSharedKey,
    Remove,
    Update,
)
from amanah_protocol.mls.rules import Rule
from tests.protocol.mls.forged_commit import commit_by, join_commit, propose, sealed_commit
from tests.protocol.mls.franken import (
    LeafForm,
    MessageForm,
    content_by,
)
from tests.protocol.mls.negative import Attempt, case, commit_to, proposal_to
from tests.protocol.mls.negative_commits import REINIT, external
from tests.protocol.mls.negative_framing import from_eve, proposed_by
from tests.protocol.mls.negative_leaves import package
from tests.protocol.mls.stage import (
    CONTEXT_EXTENSIONS,
    MEMBERS,
    Stage,
    handshake,
    key_of,
)

# ---- external commits


def joined(stage: Stage, *items: object, name: str = "erin", **bent: object) -> Attempt:
    """Somebody joins by such a commit."""
    return commit_to(stage, join_commit(stage, name, *items, **bent).public())  # type: ignore[arg-type] # all are proposals


@case(Rule.EXTERNAL_INIT_ONCE)
def an_external_commit_without_an_external_init(stage: Stage) -> Attempt:
    return joined(stage, items=())


@case(Rule.EXTERNAL_INIT_ONCE)
def an_external_commit_with_two_external_inits(stage: Stage) -> Attempt:
    return joined(stage, ExternalInit(b"x"))


@case(Rule.EXTERNAL_REMOVE_ONCE)
def an_external_commit_that_removes_two(stage: Stage) -> Attempt:
    return joined(stage, Remove(MEMBERS["dave"]), Remove(MEMBERS["frank"]))


@case(Rule.EXTERNAL_TYPES)
def an_external_commit_with_an_add(stage: Stage) -> Attempt:
    return joined(stage, Add(package(stage, "gina")))


@case(Rule.EXTERNAL_TYPES)
def an_external_commit_with_an_update(stage: Stage) -> Attempt:
    keys = fresh_key_pair(stage.suite, stage.random)
    return joined(stage, Update(LeafForm.of(stage.identity("erin"), keys.public).sign()))


@case(Rule.EXTERNAL_TYPES)
def an_external_commit_with_a_new_context(stage: Stage) -> Attempt:
    return joined(stage, GroupContextExtensions(CONTEXT_EXTENSIONS))


@case(Rule.EXTERNAL_TYPES)
def an_external_commit_with_a_reinitialisation(stage: Stage) -> Attempt:
    return joined(stage, REINIT)


@case(Rule.EXTERNAL_BY_REFERENCE)
def an_external_commit_that_refers_to_a_proposal(stage: Stage) -> Attempt:
    reference = propose(stage, "dave", Remove(MEMBERS["frank"]))
    return joined(stage, reference, known=dict(stage["alice"]._state.proposals))


@case(Rule.EXTERNAL_PATH)
def an_external_commit_without_a_path(stage: Stage) -> Attempt:
    return joined(stage, with_path=False)


@case(Rule.DECRYPTION)
def an_external_init_with_a_point_of_low_order(stage: Stage) -> Attempt:
    enc = next(item.kem_output for item in join_commit(stage, "erin").items if isinstance(item, ExternalInit))
    return joined(stage, items=(ExternalInit(bytes(len(enc))),))


@case(Rule.CONFIRMATION_TAG)
def an_external_commit_on_another_init_secret(stage: Stage) -> Attempt:
    return joined(stage, init_secret=bytes(32))


# ---- after the end


@case(Rule.REINIT_DONE, goes_on=False)
def a_commit_after_a_reinitialisation(stage: Stage) -> Attempt:
    stage.deliver("alice", stage["alice"].commit([REINIT], random=stage.random).message)
    return commit_to(stage, sealed_commit(stage, "carol"))


@case(Rule.REINIT_DONE, goes_on=False)
def a_proposal_after_a_reinitialisation(stage: Stage) -> Attempt:
    stage.deliver("alice", stage["alice"].commit([REINIT], random=stage.random).message)
    sender = Sender(SenderType.MEMBER, MEMBERS["carol"])
    form = proposed_by(stage, sender, Remove(MEMBERS["dave"]), key_of("carol"))
    return proposal_to(stage, form.public())


# ---- the policy


def under(stage: Stage, message: bytes, **changes: object) -> Attempt:
    """A commit that comes to somebody whose policy takes less."""
    group = stage.under("bob", **changes)
    return lambda: group.take_commit(handshake(message))


@case(Rule.POLICY)
def a_readable_commit_where_handshakes_are_sealed(stage: Stage) -> Attempt:
    return under(stage, commit_by(stage, "carol").public(), public_handshakes=False)


@case(Rule.POLICY)
def an_external_commit_where_there_are_none(stage: Stage) -> Attempt:
    return under(stage, join_commit(stage, "erin").public(), external_commits=False)


@case(Rule.POLICY)
def an_external_proposal_where_there_are_none(stage: Stage) -> Attempt:
    group = stage.under("bob", external_proposals=False)
    message = proposed_by(stage, from_eve(), Remove(MEMBERS["dave"]), key_of("eve")).public()
    return lambda: group.take_proposal(handshake(message))


@case(Rule.POLICY)
def a_newcomers_proposal_where_there_are_none(stage: Stage) -> Attempt:
    group = stage.under("bob", external_proposals=False)
    sender = Sender(SenderType.NEW_MEMBER_PROPOSAL)
    message = proposed_by(stage, sender, Add(stage.newcomer.public), key_of("erin")).public()
    return lambda: group.take_proposal(handshake(message))


def proposed_under(stage: Stage, proposal: object, **changes: object) -> Attempt:
    """A sealed proposal that comes to somebody whose policy takes less."""
    group = stage.under("bob", **changes)
    content = content_by(stage["carol"], proposal)
    form = MessageForm(epoch=stage["carol"]._state.epoch, content=content, key=key_of("carol"))
    message = form.sealed(stage["carol"])
    return lambda: group.take_proposal(handshake(message))


@case(Rule.POLICY)
def a_proposal_where_none_are_sent_before(stage: Stage) -> Attempt:
    return proposed_under(stage, Remove(MEMBERS["dave"]), proposals_by_reference=False)


@case(Rule.POLICY)
def a_commit_by_reference_where_no_proposals_are_sent_before(stage: Stage) -> Attempt:
    reference = propose(stage, "dave", Remove(MEMBERS["frank"]))
    return under(stage, sealed_commit(stage, "carol", reference), proposals_by_reference=False)


@case(Rule.POLICY)
def a_pre_shared_key_where_there_are_none(stage: Stage) -> Attempt:
    return under(stage, sealed_commit(stage, "carol", PreSharedKey(external())), pre_shared_keys=False)


@case(Rule.POLICY)
def a_proposal_of_a_pre_shared_key_where_there_are_none(stage: Stage) -> Attempt:
    return proposed_under(stage, PreSharedKey(external()), pre_shared_keys=False)


@case(Rule.POLICY)
def a_reinitialisation_where_there_is_none(stage: Stage) -> Attempt:
    return under(stage, sealed_commit(stage, "carol", REINIT), reinit=False)


@case(Rule.POLICY)
def a_new_context_where_it_does_not_change(stage: Stage) -> Attempt:
    context = GroupContextExtensions(CONTEXT_EXTENSIONS)
    return under(stage, sealed_commit(stage, "carol", context), context_changes=False)
