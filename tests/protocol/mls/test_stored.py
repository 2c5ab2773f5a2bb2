from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from amanah_protocol.errors import AmanahError, Code, DecodeError
from amanah_protocol.mls.codec import decode, opaque, optional, u8, u16
from amanah_protocol.mls.epoch import Epoch
from amanah_protocol.mls.group import Group
from amanah_protocol.mls.proposals import Remove, encode_proposal
from amanah_protocol.mls.stored import decode_state
from amanah_protocol.mls.suites import X25519_AES128GCM
from tests.protocol.mls.stage import SUITES, Stage, handshake, make_stage, private, suite_of
from tests.protocol.refusal import refused


@pytest.fixture
def stage() -> Stage:
    return make_stage()


@pytest.mark.parametrize("suite", SUITES)
def test_a_group_in_the_middle_of_everything_comes_back_and_goes_on(suite: str) -> None:
    stage = make_stage(SUITES[suite])
    alice, bob = stage["alice"], stage["bob"]
    bob.take_proposal(handshake(alice.propose(Remove(5), random=stage.random)))
    update = handshake(bob.propose_update(stage.identity("bob"), random=stage.random))
    alice.take_proposal(update)
    first, second = (private(alice.seal(text, random=stage.random)) for text in (b"first", b"second"))
    bob.open(second)
    states = bob.epoch_state(), bob.message_state()
    again = Group.restore(*states, stage.application("bob"), suite_of)
    assert (again.epoch_state(), again.message_state()) == states
    assert again.open(first).data == b"first"
    with pytest.raises(AmanahError):
        again.open(second)
    assert again.apply(again.take_commit(handshake(alice.commit(random=stage.random).message)))
    alice.merge()
    assert again.epoch_authenticator == alice.epoch_authenticator


def restore(epoch: bytes, messages: bytes) -> None:
    """Restore, without using what comes of it."""
    decode_state(epoch, messages, suite_of)


def test_a_state_of_another_version_is_refused(stage: Stage) -> None:
    epoch, messages = stage.states()["bob"]
    with refused(Code.UNKNOWN_VERSION, DecodeError):
        restore(u8(2) + epoch[1:], messages)


def test_a_state_of_a_suite_that_is_not_here_is_refused(stage: Stage) -> None:
    epoch, messages = stage.states()["bob"]
    with refused(Code.SUITE, DecodeError):
        restore(epoch[:1] + u16(2) + epoch[3:], messages)


def test_a_state_under_another_suite_than_its_context_is_damaged(stage: Stage) -> None:
    epoch, messages = stage.states()["bob"]
    with refused(Code.MALFORMED, DecodeError):
        restore(epoch[:1] + u16(X25519_AES128GCM.number) + epoch[3:], messages)


def test_message_keys_of_another_epoch_are_refused(stage: Stage) -> None:
    _, old = stage.states()["bob"]
    stage.deliver("alice", stage["alice"].commit(random=stage.random).message)
    epoch, _ = stage.states()["bob"]
    with refused(Code.MALFORMED, DecodeError):
        restore(epoch, old)


@pytest.mark.parametrize("more", [(b"\x00", b""), (b"", b"\x00")])
def test_bytes_behind_a_state_are_refused(stage: Stage, more: tuple[bytes, bytes]) -> None:
    epoch, messages = stage.states()["bob"]
    with refused(Code.MALFORMED, DecodeError):
        restore(epoch + more[0], messages + more[1])


def test_a_group_ends_with_nothing_but_a_reinitialisation(stage: Stage) -> None:
    epoch, messages = stage.states()["bob"]
    assert epoch.endswith(optional(None))
    with refused(Code.MALFORMED, DecodeError):
        restore(epoch[:-1] + optional(encode_proposal(Remove(1))), messages)


BENT: dict[str, Callable[[Epoch], Epoch]] = {
    "a tree that is not the context's": lambda epoch: replace(epoch, tree=epoch.tree.without(0)),
    "an own leaf that is blank": lambda epoch: replace(epoch, own=4),
    "an own leaf beyond the tree": lambda epoch: replace(epoch, own=1 << 31),
    "a private key of no node": lambda epoch: replace(epoch, privates={99: bytes(32)}),
    "a private key that is too short": lambda epoch: replace(epoch, privates={2: bytes(31)}),
    "a context of another suite": lambda epoch: replace(epoch, context=replace(epoch.context, suite=2)),
}


@pytest.mark.parametrize("name", BENT)
def test_an_epoch_that_does_not_hang_together_is_damaged(stage: Stage, name: str) -> None:
    epoch = stage["bob"]._state.epoch
    assert decode(epoch.encode(), lambda reader: Epoch.read(reader, stage.suite)).encode() == epoch.encode()
    with refused(Code.MALFORMED, DecodeError):
        decode(BENT[name](epoch).encode(), lambda reader: Epoch.read(reader, stage.suite))


def test_bytes_behind_a_stored_context_are_refused(stage: Stage) -> None:
    epoch = stage["bob"]._state.epoch
    context, encoded = epoch.context.encode(), epoch.encode()
    assert encoded.startswith(opaque(context))
    with refused(Code.MALFORMED, DecodeError):
        decode(
            opaque(context + b"\x00") + encoded[len(opaque(context)) :], lambda reader: Epoch.read(reader, stage.suite)
        )
