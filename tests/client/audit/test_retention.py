"""What a copy says of retention: what is gone and why, what should be, and what is held."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from amanah_client.audit.retention import GRACE_MS, Gone, retention
from amanah_protocol import kinds
from amanah_protocol.cose import Typ
from amanah_protocol.custody.erasures import Cause
from amanah_protocol.custody.holds import decode_hold, release_document
from amanah_protocol.custody.retention import DAY_MS, RoomPolicy
from amanah_protocol.envelope import derive_room_id
from amanah_protocol.labels import Label
from amanah_protocol.types import RoomId
from tests.client.audit.custodian import Held, forgotten, parties, roster_without, signed
from tests.client.audit.world import OFFICER_TN, SECOND_TN, TN, Room, examined, faults
from tests.vectors import examples as x


class Kept(Held):
    """The incident, and a room with a policy of its own."""

    def __init__(self, policy: RoomPolicy | None = None) -> None:
        super().__init__()
        chosen = policy or RoomPolicy(labels={Label.GREEN: 2}, after_last={Label.AMBER: 5})
        nonce = x.fixed("with a policy", 16)
        create = kinds.Create(
            origin=x.ORIGIN, nonce=nonce, suite=x.SUITE, ceiling=Label.AMBER, owner=TN, policy=chosen.encode()
        )
        self.kept: RoomId = derive_room_id(x.ORIGIN, OFFICER_TN.id, nonce)
        self.log.rooms[self.kept] = Room(members={OFFICER_TN.id})
        self.log.post(OFFICER_TN, self.kept, create)
        self.found = replace(self.found, room=self.kept)

    def say(self, label: Label) -> int:
        return self.log.post(OFFICER_TN, self.kept, kinds.Message(), label=label)

    def later(self, ms: int) -> None:
        """Something happens elsewhere, so much later than everything before."""
        room = self.log.open(SECOND_TN, f"later {self.log.size}")
        self.log.post(
            SECOND_TN, room, kinds.Message(), leaf_accepted_at_ms=self.log.now_ms + ms, sent_at_ms=self.log.now_ms + ms
        )

    def report(self) -> Any:  # noqa: ANN401 - what the report is, tests say
        report = examined(self.log)
        assert faults(report) == []
        return retention(report.record)


def test_what_the_relay_and_what_members_erased_is_shown_with_its_cause() -> None:
    kept = Kept()
    first, second = kept.say(Label.GREEN), kept.say(Label.GREEN)
    envelope = kept.log.rooms[kept.kept].sent[-1]
    erase = kept.log.post(OFFICER_TN, kept.kept, kinds.Erase(envelopes=(envelope,)))
    stated = kept.erasure(2, cause=Cause.RELAY)
    gone: tuple[Gone, ...] = kept.report().gone
    assert [(item.index, item.cause, item.proof) for item in gone] == [
        (first, Cause.RELAY, stated),
        (second, None, erase),
    ]
    assert gone[1].by is not None
    assert gone[1].by.organisation == TN
    assert not any(item.early for item in gone)


def test_what_goes_before_its_time_is_said_to() -> None:
    kept = Kept()
    kept.say(Label.GREEN)
    kept.erasure(2)
    assert [item.early for item in kept.report().gone] == [True]
    late = Kept()
    late.say(Label.GREEN)
    late.erasure(2, erased_at_ms=late.log.now_ms + 3 * DAY_MS)
    assert [item.early for item in late.report().gone] == [False]


@pytest.mark.parametrize(("ms", "overdue"), [(2 * DAY_MS, False), (2 * DAY_MS + GRACE_MS, True)])
def test_what_should_be_gone_and_is_not_is_overdue_after_a_day(ms: int, overdue: bool) -> None:  # noqa: FBT001 - a parameter of the test
    kept = Kept()
    index = kept.say(Label.GREEN)
    kept.say(Label.AMBER)
    kept.later(ms)
    assert [item.index for item in kept.report().overdue] == ([index] if overdue else [])


def test_what_was_erased_or_is_held_is_not_overdue() -> None:
    kept = Kept()
    kept.say(Label.GREEN)
    hold = kept.hold(rooms=(kept.kept,))
    kept.put(hold)
    kept.later(10 * DAY_MS)
    found = kept.report()
    assert found.overdue == ()
    assert [held.released for held in found.holds] == [None]
    release = signed(release_document(hold, now_ms=kept.log.now_ms), Typ.LEGAL_HOLD, *parties(TN))
    at_ms = kept.log.leaves[-1].accepted_at_ms + 1
    kept.put(decode_hold(release.encode()), accepted_at_ms=at_ms)
    assert len(kept.report().overdue) == 1


@pytest.mark.parametrize(("old", "new", "overdue"), [(Label.AMBER, Label.GREEN, 0), (Label.GREEN, Label.AMBER, 1)])
def test_the_label_in_an_entrys_header_counts_whatever_it_was_changed_to(old: Label, new: Label, overdue: int) -> None:
    """As the relay has it: the author of a message does not choose another time for it afterwards."""
    kept = Kept()
    kept.say(old)
    envelope = kept.log.rooms[kept.kept].sent[-1]
    kept.log.post(OFFICER_TN, kept.kept, kinds.Relabel(envelope=envelope, old=old, new=new))
    kept.later(4 * DAY_MS)
    assert len(kept.report().overdue) == overdue


def test_the_hold_of_who_has_left_the_roster_is_said_to_have_ended_and_holds_nothing() -> None:
    kept = Kept()
    kept.say(Label.GREEN)
    kept.put(kept.hold(rooms=(kept.kept,)))
    kept.later(10 * DAY_MS)
    assert kept.report().overdue == ()
    at_ms = kept.log.leaves[-1].accepted_at_ms + 1
    left = roster_without(kept, TN, accepted_at_ms=at_ms)
    found = kept.report()
    assert len(found.overdue) == 1
    assert [(one.lapsed, one.lapsed_at_ms, one.stands) for one in found.holds] == [(left, at_ms, False)]


def test_who_comes_back_into_the_roster_holds_again() -> None:
    kept = Kept()
    kept.say(Label.GREEN)
    kept.put(kept.hold(rooms=(kept.kept,)))
    roster_without(kept, TN)
    roster_without(kept, version=10)
    kept.later(10 * DAY_MS)
    found = kept.report()
    assert [one.stands for one in found.holds] == [True]
    assert found.overdue == ()


def test_rooms_without_a_policy_and_forgotten_persons_are_named() -> None:
    kept = Kept()
    index = forgotten(kept)
    found = kept.report()
    assert kept.kept not in found.without_policy
    assert len(found.without_policy) == 3
    assert found.with_policy == (kept.kept,)
    assert [(organisation, place) for organisation, _, place, _ in found.forgotten] == [(TN, index)]
