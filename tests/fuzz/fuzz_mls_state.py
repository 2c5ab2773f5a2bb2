"""Fuzz the stored state of a group: a disk that gave back something else than was written."""

from __future__ import annotations

from contextlib import suppress
from typing import Final

from amanah_protocol.errors import AmanahError
from amanah_protocol.mls.codec import Reader, opaque
from amanah_protocol.mls.group import Group
from amanah_protocol.mls.proposals import Add, Remove
from tests.protocol.mls.stage import handshake, make_stage, private, suite_of

_STAGE: Final = make_stage()


def _states() -> tuple[bytes, ...]:
    alice, bob = _STAGE["alice"], _STAGE["bob"]
    plain = [opaque(group.epoch_state()) + opaque(group.message_state()) for group in (alice, bob)]
    proposal = alice.propose(Remove(5), random=_STAGE.random)
    bob.take_proposal(handshake(proposal))
    alice.seal(b"lost", random=_STAGE.random)
    bob.open(private(alice.seal(b"said", random=_STAGE.random)))
    bob.propose_update(_STAGE.identity("bob"), random=_STAGE.random)
    bob.commit([Add(_STAGE.newcomer.public)], random=_STAGE.random)
    return (*plain, opaque(bob.epoch_state()) + opaque(bob.message_state()))


SEEDS: Final = _states()


def run(data: bytes) -> None:
    """It is a group, which works or says why not, or it is refused."""
    reader = Reader(data)
    group = Group.restore(reader.opaque(), reader.opaque(), _STAGE.application("bob"), suite_of)
    reader.finish()
    group.epoch_state()
    for use in (
        lambda: group.seal(b"said", random=_STAGE.random),
        lambda: group.commit(random=_STAGE.random),
        group.merge,
    ):
        with suppress(AmanahError):
            use()
