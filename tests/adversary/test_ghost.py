"""Attack 15: a device that nobody certified, or not for this organisation, or that is in no log, in a room."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import pytest

from amanah_client.model import RoomStatus
from amanah_protocol.endorse import decode_endorsed
from amanah_protocol.errors import Code
from amanah_protocol.kinds import Kind
from amanah_protocol.log.leaf import LeafType
from tests.adversary.forge import Rogue, certified, log_device, rogue_organisation
from tests.adversary.outcomes import control, defended
from tests.adversary.shown import evidence
from tests.adversary.stage import Stage
from tests.adversary.test_roles import add
from tests.simulation.community import MA, TN

Play = Callable[..., Stage]
HELPER: Final = "sn-1"
"""A member that lets the ghost in: the relay alone can add nobody, for it can sign nothing in a member's name."""
READERS: Final = ("tn-1", "tn-2", "ma-1", "ma-2", "sn-2")


def of_the_relay(stage: Stage) -> Rogue:
    """An officer of TN by keys that the relay has made; enrolment and certificate are logged."""
    organisation = rogue_organisation(TN, stage.now_ms)
    ghost = certified(organisation, "ghost", now_ms=stage.now_ms)
    document = organisation.enrolment
    stage.relay.log_control(LeafType.ENROLMENT, decode_endorsed(document).record, document)
    log_device(stage.relay, ghost)
    return ghost


def of_another_organisation(stage: Stage) -> Rogue:
    """An officer of TN, says a certificate that MA has issued; it is logged."""
    ghost = certified(stage.device("ma-1").organisation, "ghost", now_ms=stage.now_ms, named=TN)
    log_device(stage.relay, ghost)
    return ghost


def unlogged(stage: Stage) -> Rogue:
    """An officer of TN by a certificate that is right and was never logged."""
    return certified(stage.device("tn-1").organisation, "ghost", now_ms=stage.now_ms)


GHOSTS: Final[dict[str, Callable[[Stage], Rogue]]] = {
    "of the relay's own making": of_the_relay,
    "certified by another organisation": of_another_organisation,
    "in no log": unlogged,
}


def let_a_ghost_in(play: Play, make: Callable[[Stage], Rogue]) -> tuple[Stage, Rogue]:
    """A member adds it, the relay logs the commit, and somebody says something behind it."""
    stage = play()
    ghost = make(stage)
    stage.wait(2)
    add(stage, HELPER, ghost)
    stage.wait(3)
    stage.say("tn-2", "for members only")
    stage.wait(5)
    return stage, ghost


@defended(15)
@pytest.mark.parametrize("kind", GHOSTS)
def test_a_ghost_is_never_in_a_room(play: Play, kind: str) -> None:
    stage, ghost = let_a_ghost_in(play, GHOSTS[kind])
    commit = next(row for row in stage.messages("tn-1") if row.kind == Kind.COMMIT and row.code)
    for name in READERS:
        circle = stage.circle(name, stage.row(name))
        assert circle.status is RoomStatus.HALTED
        assert stage.name(ghost.id) not in circle.members
        (alarm,) = [
            found for found in stage.alarms(name, Code.REFUSED_COMMIT) if "a commit was refused" in found.detail
        ]
        assert evidence(alarm) == [commit.encoded]
        # Nothing was sealed for the epoch that the ghost is in, or after it was asked in.
        assert stage.texts(name) == []
    sealed = [
        row
        for row in stage.messages("tn-2")
        if row.kind == Kind.MESSAGE and (row.room_seq or 0) > (commit.room_seq or 0)
    ]
    assert sealed == []
    assert stage.crashes() == []
    stage.say("ma-1", "the other room goes on", room=1)
    stage.wait(3)
    assert stage.texts("sn-2", room=1) == ["the other room goes on"]


@control(15, "the root's threshold")
def test_without_the_roots_threshold_the_relays_officer_is_in(play: Play) -> None:
    stage, ghost = let_a_ghost_in(play, of_the_relay)
    for name in READERS:
        assert stage.name(ghost.id) in stage.circle(name, stage.row(name)).members
        assert stage.texts(name) == ["for members only"]
    assert stage.all_alarms().keys() <= {HELPER}


@control(15, "an organisation's own enrolment key")
def test_without_the_look_at_the_issuer_one_organisation_makes_officers_of_another(play: Play) -> None:
    stage, ghost = let_a_ghost_in(play, of_another_organisation)
    for name in READERS:
        assert stage.name(ghost.id) in stage.circle(name, stage.row(name)).members
    assert stage.device("tn-1").organisation.name == TN != MA
    assert stage.client("tn-1").store.messages(stage.rooms[0])
