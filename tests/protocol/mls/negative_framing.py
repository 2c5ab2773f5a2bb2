"""Cases of sections 5, 6 and 9: versions, places, senders, signatures, tags, seals and generations."""

from __future__ import annotations

from dataclasses import replace

from amanah_protocol.crypto import SigningKey
from amanah_protocol.limits import MAX_FORWARD_GENERATIONS, MAX_SKIPPED_KEYS
from amanah_protocol.mls.framing import (
    FramedContent,
    PrivateMessage,
    PublicMessage,
    Sender,
    SenderType,
    WireFormat,
    decode_message,
    encode_message,
)
from amanah_protocol.mls.proposals import Add, Commit, ExternalInit, ProposalRef, Remove, Update
from amanah_protocol.mls.rules import Rule
from amanah_protocol.mls.secret_tree import MAX_GENERATION, Ratchet
from tests.protocol.mls.forged_commit import commit_by, join_commit, propose, sealed_commit
from tests.protocol.mls.franken import LeafForm, MessageForm, SealForm, content_by, flipped
from tests.protocol.mls.negative import Attempt, case, commit_to, data_to, proposal_to
from tests.protocol.mls.stage import BLANK, MAX_BYTES, MEMBERS, Stage, handshake, key_of, private

OTHER_KEY = key_of("somebody else")


def said_by(stage: Stage, name: str, **bent: object) -> MessageForm:
    """Application data of a member."""
    group = stage[name]
    form = MessageForm(epoch=group._state.epoch, content=content_by(group, b"said"), key=key_of(name))
    return replace(form, **bent)  # type: ignore[arg-type] # the names are the form's own


def proposed_by(stage: Stage, sender: Sender, body: object, key: SigningKey, name: str = "alice") -> MessageForm:
    """A proposal, or what is sent in its stead."""
    group = stage[name]
    tag = bytes(32) if isinstance(body, Commit) else None
    return MessageForm(epoch=group._state.epoch, content=content_by(group, body, sender), key=key, tag=tag)


def from_eve(number: int = 0) -> Sender:
    """The external sender."""
    return Sender(SenderType.EXTERNAL, number)


# ---- versions and places


@case(Rule.VERSION)
def a_message_of_another_version(stage: Stage) -> Attempt:
    message = stage["alice"].seal(b"said", random=stage.random)
    return lambda: decode_message(b"\x00\x02" + message[2:], MAX_BYTES)


def _elsewhere(content: FramedContent) -> FramedContent:
    return replace(content, group_id=b"another group")


def _later(content: FramedContent) -> FramedContent:
    return replace(content, epoch=content.epoch + 1)


@case(Rule.GROUP_ID)
def a_sealed_commit_for_another_group(stage: Stage) -> Attempt:
    return commit_to(stage, sealed_commit(stage, "carol", bend_content=_elsewhere))


@case(Rule.GROUP_ID)
def a_readable_commit_for_another_group(stage: Stage) -> Attempt:
    return commit_to(stage, commit_by(stage, "carol", bend_content=_elsewhere).public())


@case(Rule.GROUP_ID)
def data_for_another_group(stage: Stage) -> Attempt:
    form = said_by(stage, "carol")
    return data_to(stage, replace(form, content=_elsewhere(form.content)).sealed(stage["carol"]))


@case(Rule.EPOCH)
def a_sealed_commit_for_another_epoch(stage: Stage) -> Attempt:
    return commit_to(stage, sealed_commit(stage, "carol", bend_content=_later))


@case(Rule.EPOCH)
def a_readable_commit_for_another_epoch(stage: Stage) -> Attempt:
    return commit_to(stage, commit_by(stage, "carol", bend_content=_later).public())


@case(Rule.EPOCH)
def data_of_the_epoch_before(stage: Stage) -> Attempt:
    old = stage["carol"].seal(b"too late", random=stage.random)
    stage.deliver("alice", stage["alice"].commit(random=stage.random).message)
    return data_to(stage, old)


@case(Rule.EPOCH)
def the_loser_of_two_commits(stage: Stage) -> Attempt:
    second = sealed_commit(stage, "dave")
    stage.deliver("alice", stage["alice"].commit(random=stage.random).message)
    return commit_to(stage, second)


# ---- senders


@case(Rule.SENDER_LEAF)
def data_from_a_blank_leaf(stage: Stage) -> Attempt:
    return data_to(stage, said_by(stage, "carol").sealed(stage["carol"], SealForm(leaf=BLANK)))


@case(Rule.SENDER_LEAF)
def data_from_a_leaf_beyond_the_tree(stage: Stage) -> Attempt:
    return data_to(stage, said_by(stage, "carol").sealed(stage["carol"], SealForm(leaf=(1 << 32) - 1)))


@case(Rule.SENDER_LEAF)
def a_readable_commit_from_a_blank_leaf(stage: Stage) -> Attempt:
    sender = Sender(SenderType.MEMBER, BLANK)
    return commit_to(stage, proposed_by(stage, sender, Commit((), None), OTHER_KEY).public())


@case(Rule.SENDER_LEAF)
def a_readable_proposal_from_a_leaf_beyond_the_tree(stage: Stage) -> Attempt:
    return proposal_to(stage, proposed_by(stage, Sender(SenderType.MEMBER, 8), Remove(1), OTHER_KEY).public())


@case(Rule.SENDER_EXTERNAL)
def a_proposal_of_an_external_sender_that_the_group_does_not_have(stage: Stage) -> Attempt:
    return proposal_to(stage, proposed_by(stage, from_eve(1), Remove(2), key_of("eve")).public())


@case(Rule.SENDER_CONTENT)
def a_commit_of_an_external_sender(stage: Stage) -> Attempt:
    return commit_to(stage, proposed_by(stage, from_eve(), Commit((), None), key_of("eve")).public())


@case(Rule.SENDER_CONTENT)
def an_external_init_of_an_external_sender(stage: Stage) -> Attempt:
    return proposal_to(stage, proposed_by(stage, from_eve(), ExternalInit(b"x"), key_of("eve")).public())


@case(Rule.SENDER_CONTENT)
def application_data_of_an_external_sender(stage: Stage) -> Attempt:
    forged = PublicMessage(
        content=content_by(stage["alice"], b"said", from_eve()),
        auth=said_by(stage, "alice").authenticated().auth,
        membership_tag=None,
    )
    return proposal_to(stage, encode_message(forged))


@case(Rule.SENDER_CONTENT)
def a_newcomer_who_proposes_a_removal(stage: Stage) -> Attempt:
    sender = Sender(SenderType.NEW_MEMBER_PROPOSAL)
    return proposal_to(stage, proposed_by(stage, sender, Remove(2), key_of("erin")).public())


@case(Rule.SENDER_CONTENT)
def a_joiner_who_proposes_instead_of_committing(stage: Stage) -> Attempt:
    sender = Sender(SenderType.NEW_MEMBER_COMMIT)
    return commit_to(stage, proposed_by(stage, sender, Add(stage.newcomer.public), key_of("erin")).public())


@case(Rule.SENDER_CONTENT)
def a_commit_where_data_is_expected(stage: Stage) -> Attempt:
    return data_to(stage, sealed_commit(stage, "carol"))


@case(Rule.SENDER_CONTENT)
def data_where_a_commit_is_expected(stage: Stage) -> Attempt:
    return commit_to(stage, said_by(stage, "carol").sealed(stage["carol"]))


@case(Rule.SENDER_CONTENT)
def data_where_a_proposal_is_expected(stage: Stage) -> Attempt:
    return proposal_to(stage, said_by(stage, "carol").sealed(stage["carol"]))


@case(Rule.SENDER_CONTENT)
def a_commit_where_a_proposal_is_expected(stage: Stage) -> Attempt:
    return proposal_to(stage, sealed_commit(stage, "carol"))


@case(Rule.SENDER_SELF)
def own_data_that_comes_back(stage: Stage) -> Attempt:
    return data_to(stage, stage["bob"].seal(b"said", random=stage.random))


@case(Rule.SENDER_SELF)
def an_own_commit_that_comes_back_readable(stage: Stage) -> Attempt:
    return commit_to(stage, commit_by(stage, "bob").public())


@case(Rule.SENDER_SELF)
def an_own_commit_that_comes_back_sealed(stage: Stage) -> Attempt:
    message = stage["bob"].commit(random=stage.random).message
    stage["bob"].discard()
    return commit_to(stage, message)


@case(Rule.UPDATE_BY_OTHER)
def an_update_of_an_external_sender(stage: Stage) -> Attempt:
    leaf = LeafForm.of(stage.identity("eve"), stage.newcomer.public.init_key).sign()
    return proposal_to(stage, proposed_by(stage, from_eve(), Update(leaf), key_of("eve")).public())


@case(Rule.EXTERNAL_INIT_BY_MEMBER)
def an_external_init_that_a_member_proposes(stage: Stage) -> Attempt:
    sender = Sender(SenderType.MEMBER, MEMBERS["alice"])
    return proposal_to(stage, proposed_by(stage, sender, ExternalInit(b"x"), key_of("alice")).sealed(stage["alice"]))


# ---- signatures and tags


@case(Rule.CONTENT_SIGNATURE)
def data_signed_by_another_key(stage: Stage) -> Attempt:
    return data_to(stage, said_by(stage, "carol", key=OTHER_KEY).sealed(stage["carol"]))


@case(Rule.CONTENT_SIGNATURE)
def data_without_a_signature(stage: Stage) -> Attempt:
    return data_to(stage, said_by(stage, "carol", signature=b"").sealed(stage["carol"]))


@case(Rule.CONTENT_SIGNATURE)
def data_that_another_member_signed_as_carol(stage: Stage) -> Attempt:
    return data_to(stage, said_by(stage, "carol", key=key_of("dave")).sealed(stage["carol"]))


@case(Rule.CONTENT_SIGNATURE)
def a_sealed_commit_signed_by_another_key(stage: Stage) -> Attempt:
    return commit_to(stage, sealed_commit(stage, "carol", key=OTHER_KEY))


@case(Rule.CONTENT_SIGNATURE)
def a_readable_commit_signed_by_another_key(stage: Stage) -> Attempt:
    return commit_to(stage, commit_by(stage, "carol", key=OTHER_KEY).public())


@case(Rule.CONTENT_SIGNATURE)
def a_commit_without_a_signature(stage: Stage) -> Attempt:
    return commit_to(stage, sealed_commit(stage, "carol", signature=b""))


@case(Rule.CONTENT_SIGNATURE)
def a_commit_with_half_a_signature(stage: Stage) -> Attempt:
    return commit_to(stage, sealed_commit(stage, "carol", signature=bytes(32)))


@case(Rule.CONTENT_SIGNATURE)
def a_commit_with_a_signature_and_more(stage: Stage) -> Attempt:
    return commit_to(stage, sealed_commit(stage, "carol", signature=bytes(65)))


@case(Rule.CONTENT_SIGNATURE)
def a_commit_signed_to_be_readable_and_sent_sealed(stage: Stage) -> Attempt:
    form = commit_by(stage, "carol").message(WireFormat.PUBLIC_MESSAGE)
    return commit_to(stage, form.sealed(stage["carol"]))


@case(Rule.CONTENT_SIGNATURE)
def an_external_proposal_signed_by_another_key(stage: Stage) -> Attempt:
    return proposal_to(stage, proposed_by(stage, from_eve(), Remove(2), OTHER_KEY).public())


@case(Rule.CONTENT_SIGNATURE)
def a_newcomers_proposal_signed_by_another_key(stage: Stage) -> Attempt:
    sender = Sender(SenderType.NEW_MEMBER_PROPOSAL)
    return proposal_to(stage, proposed_by(stage, sender, Add(stage.newcomer.public), OTHER_KEY).public())


@case(Rule.CONTENT_SIGNATURE)
def an_external_commit_signed_by_another_key(stage: Stage) -> Attempt:
    return commit_to(stage, join_commit(stage, "erin", key=OTHER_KEY).public())


@case(Rule.MEMBERSHIP_TAG)
def a_readable_commit_with_a_changed_membership_tag(stage: Stage) -> Attempt:
    return commit_to(stage, commit_by(stage, "carol").public(flipped))


@case(Rule.MEMBERSHIP_TAG)
def a_readable_commit_with_an_empty_membership_tag(stage: Stage) -> Attempt:
    return commit_to(stage, commit_by(stage, "carol").public(lambda _: b""))


@case(Rule.MEMBERSHIP_TAG)
def a_readable_commit_with_half_a_membership_tag(stage: Stage) -> Attempt:
    return commit_to(stage, commit_by(stage, "carol").public(lambda tag: tag[:16]))


@case(Rule.MEMBERSHIP_TAG)
def a_readable_commit_with_a_membership_tag_and_more(stage: Stage) -> Attempt:
    return commit_to(stage, commit_by(stage, "carol").public(lambda tag: tag + b"\x00"))


@case(Rule.MEMBERSHIP_TAG)
def a_readable_commit_with_no_membership_tag(stage: Stage) -> Attempt:
    message = handshake(commit_by(stage, "carol").public())
    assert isinstance(message, PublicMessage)
    return lambda: stage["bob"].take_commit(replace(message, membership_tag=None))


@case(Rule.MEMBERSHIP_TAG)
def a_readable_proposal_with_a_changed_membership_tag(stage: Stage) -> Attempt:
    sender = Sender(SenderType.MEMBER, MEMBERS["alice"])
    return proposal_to(stage, proposed_by(stage, sender, Remove(2), key_of("alice")).public(flipped))


@case(Rule.APPLICATION_IN_PUBLIC)
def readable_application_data(stage: Stage) -> Attempt:
    signed = said_by(stage, "carol", wire_format=WireFormat.PUBLIC_MESSAGE).authenticated()
    forged = PublicMessage(content=signed.content, auth=signed.auth, membership_tag=bytes(32))
    return commit_to(stage, encode_message(forged))


# ---- seals and generations


def _bent(stage: Stage, seal: SealForm) -> Attempt:
    return data_to(stage, said_by(stage, "carol").sealed(stage["carol"], seal))


@case(Rule.SENDER_DATA)
def sender_data_that_was_changed(stage: Stage) -> Attempt:
    def bend(message: PrivateMessage) -> PrivateMessage:
        return replace(message, encrypted_sender_data=flipped(message.encrypted_sender_data))

    return _bent(stage, SealForm(bend=bend))


@case(Rule.SENDER_DATA)
def sender_data_that_is_not_there(stage: Stage) -> Attempt:
    return _bent(stage, SealForm(bend=lambda message: replace(message, encrypted_sender_data=b"")))


@case(Rule.SENDER_DATA)
def a_beginning_of_the_ciphertext_that_was_changed(stage: Stage) -> Attempt:
    return _bent(stage, SealForm(bend=lambda message: replace(message, ciphertext=flipped(message.ciphertext))))


@case(Rule.CONTENT_AEAD)
def an_end_of_the_ciphertext_that_was_changed(stage: Stage) -> Attempt:
    return _bent(stage, SealForm(bend=lambda message: replace(message, ciphertext=flipped(message.ciphertext, -2))))


@case(Rule.CONTENT_AEAD)
def authenticated_data_that_was_changed(stage: Stage) -> Attempt:
    return _bent(stage, SealForm(bend=lambda message: replace(message, authenticated_data=b"vouched for by none")))


@case(Rule.CONTENT_AEAD)
def data_sealed_as_another_member(stage: Stage) -> Attempt:
    return _bent(stage, SealForm(leaf=MEMBERS["dave"]))


@case(Rule.PADDING)
def padding_that_is_not_zero(stage: Stage) -> Attempt:
    return _bent(stage, SealForm(padding=bytes(30) + b"\x01"))


@case(Rule.GENERATION_USED)
def data_that_was_opened_before(stage: Stage) -> Attempt:
    message = stage["carol"].seal(b"said", random=stage.random)
    stage["bob"].open(private(message))
    return data_to(stage, message)


@case(Rule.GENERATION_USED)
def data_that_was_passed_over_too_long_ago(stage: Stage) -> Attempt:
    first = stage["carol"].seal(b"said", random=stage.random)
    for _ in range(MAX_SKIPPED_KEYS):
        stage["carol"].seal(b"lost", random=stage.random)
    stage["bob"].open(private(stage["carol"].seal(b"said", random=stage.random)))
    return data_to(stage, first)


@case(Rule.GENERATION_USED)
def a_proposal_that_was_taken_before(stage: Stage) -> Attempt:
    message = stage["carol"].propose(Remove(5), random=stage.random)
    stage["bob"].take_proposal(handshake(message))
    return proposal_to(stage, message)


@case(Rule.GENERATION_AHEAD)
def data_too_many_generations_ahead(stage: Stage) -> Attempt:
    return _bent(stage, SealForm(ahead=MAX_FORWARD_GENERATIONS + 1))


@case(Rule.GENERATION_AHEAD)
def data_of_the_last_generation(stage: Stage) -> Attempt:
    return _bent(stage, SealForm(generation=MAX_GENERATION))


@case(Rule.GENERATION_AHEAD)
def data_of_the_very_last_generation_when_it_is_the_next(stage: Stage) -> Attempt:
    last = Ratchet(next=MAX_GENERATION, secret=bytes(32), skipped={})
    for name in ("bob", "carol"):
        stage[name]._state.messages._ratchets[MEMBERS["carol"]] = (last, last)
    return _bent(stage, SealForm())


# ---- proposals that are referred to


@case(Rule.PROPOSAL_UNKNOWN)
def a_reference_to_no_proposal(stage: Stage) -> Attempt:
    return commit_to(stage, sealed_commit(stage, "carol", ProposalRef(bytes(32))))


@case(Rule.PROPOSAL_UNKNOWN)
def a_reference_to_a_proposal_of_the_epoch_before(stage: Stage) -> Attempt:
    message = stage["dave"].propose(Remove(MEMBERS["frank"]), random=stage.random)
    for name in ("bob", "carol"):
        stage[name].take_proposal(handshake(message))
    (reference,) = stage["carol"]._state.proposals
    stage.deliver("bob", sealed_away(stage))
    return commit_to(stage, sealed_commit(stage, "carol", ProposalRef(reference)))


def sealed_away(stage: Stage) -> bytes:
    """A commit of `bob` that leaves the proposals of the epoch where they are."""
    stage["bob"]._state.proposals.clear()
    for name in ("alice", "frank"):
        stage[name]._state.proposals.clear()
    return stage["bob"].commit(random=stage.random).message


@case(Rule.PROPOSAL_REFERENCE_TWICE)
def a_proposal_that_is_referred_to_twice(stage: Stage) -> Attempt:
    reference = propose(stage, "carol", Remove(MEMBERS["frank"]))
    return commit_to(stage, sealed_commit(stage, "carol", reference, reference))
