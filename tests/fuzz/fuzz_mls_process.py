"""Fuzz what a member takes: messages changed on their way, and bodies that a hostile member signs and tags rightly."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from amanah_protocol.mls.codec import decode
from amanah_protocol.mls.framing import PrivateMessage, PublicMessage, WireFormat, decode_message
from amanah_protocol.mls.proposals import Commit, Remove, encode_proposal, read_proposal
from amanah_protocol.mls.rules import InvalidError, Rule
from tests.protocol.mls.forged_commit import commit_by, join_commit
from tests.protocol.mls.franken import MessageForm, content_by
from tests.protocol.mls.stage import MAX_BYTES, Stage, key_of, make_stage

_AS_IT_CAME: Final = b"\x00"
_SIGNED_COMMIT: Final = b"\x01"
_SIGNED_PROPOSAL: Final = b"\x02"


def _seeds(stage: Stage) -> tuple[bytes, ...]:
    carol, dave = stage["carol"], stage["dave"]
    body = commit_by(stage, "carol", Remove(5)).message(WireFormat.PRIVATE_MESSAGE).content.encoded_body
    messages = (
        carol.seal(b"said", random=stage.random),
        carol.propose(Remove(5), random=stage.random),
        carol.propose(Remove(5), random=stage.random, public=True),
        carol.commit([Remove(5)], random=stage.random).message,
        dave.commit(random=stage.random, public=True).message,
        join_commit(stage, "erin").public(),
    )
    signed = (_SIGNED_COMMIT + body, _SIGNED_PROPOSAL + encode_proposal(Remove(5)))
    return (*(_AS_IT_CAME + message for message in messages), *signed)


SEEDS: Final = _seeds(make_stage())


def run(data: bytes) -> None:
    """A refusal leaves no trace; a commit leaves none either until it is applied."""
    stage = make_stage()
    bob, how, rest = stage["bob"], data[:1], data[1:]
    before = bob.epoch_state(), bob.message_state()
    try:
        if how == _SIGNED_COMMIT:
            _commit(stage, rest)
        elif how == _SIGNED_PROPOSAL:
            _send(stage, _form(stage, decode(rest, read_proposal)).sealed(stage["carol"]))
        else:
            _send(stage, rest)
    except Exception:
        assert (bob.epoch_state(), bob.message_state()) == before
        raise


def _form(stage: Stage, body: object) -> MessageForm:
    group = stage["carol"]
    return MessageForm(epoch=group._state.epoch, content=content_by(group, body), key=key_of("carol"))


def _commit(stage: Stage, body: bytes) -> None:
    """All of a commit is checked before its confirmation tag, which alone is not there."""
    form = replace(_form(stage, decode(body, Commit.read)), tag=bytes(32))
    try:
        _send(stage, form.sealed(stage["carol"]))
    except InvalidError as error:
        if error.rule is not Rule.CONFIRMATION_TAG:
            raise


def _send(stage: Stage, message: bytes) -> None:
    found, bob = decode_message(message, MAX_BYTES), stage["bob"]
    if not isinstance(found, PublicMessage | PrivateMessage):
        raise InvalidError(Rule.SENDER_CONTENT)
    last = InvalidError(Rule.SENDER_CONTENT)
    for take in (bob.take_commit, bob.take_proposal):
        try:
            take(found)
        except InvalidError as error:
            if error.rule is not Rule.SENDER_CONTENT:
                raise
            last = error
        else:
            return
    if not isinstance(found, PrivateMessage):
        raise last
    bob.open(found)
