"""A nation that came later can read nothing of what was sealed before: it is neither counted for it nor waited for."""

from __future__ import annotations

import pytest
from msgspec import structs

from amanah_client.log_rows import Nations, Presence
from amanah_client.view.board import ClockLine, board_view
from amanah_client.view.conversation import conversation
from amanah_client.view.entries import Entry
from amanah_protocol import kinds
from amanah_protocol.content.clock import Clock, Nature
from amanah_protocol.content.text import Text
from amanah_protocol.kinds import Grade
from tests.client.view.told import A_MA, A_SN, A_TN, MA, NOW_MS, SN, TN, Told, seat

SN_CAME = 4
"""The log index of the commit that let Senegal in."""


def times(sn_since: int = SN_CAME) -> Nations:
    since = ((TN, 0), (MA, 1), (SN, sn_since))
    return Nations(times=tuple(Presence(organisation=name, since=at) for name, at in since), index=sn_since)


def entries(told: Told, known: Nations) -> list[Entry]:
    items = conversation(told.messages, structs.replace(told.room(), times=known))
    return [item for item in items if isinstance(item, Entry)]


def around_a_joining() -> Told:
    """One message that asks before Senegal came, and one behind; Morocco has neither, and Senegal says what it has."""
    told = Told()
    told.show(A_TN, kinds.Commit(added=(A_MA.device,)))
    told.say(A_TN, Text(text="before", asks=Grade.UNDERSTOOD))
    told.say(A_TN, Clock(id=bytes(16), nature=Nature.ACTION, what="Sinkhole", at_ms=NOW_MS))
    told.show(A_TN, kinds.Commit(added=(A_SN.device,)))
    told.say(A_TN, Text(text="behind", asks=Grade.UNDERSTOOD))
    told.show(A_SN, kinds.Delivered(room_seq=5))
    return told


def deliveries(told: Told, known: Nations) -> list[tuple[str, tuple[str, ...]]]:
    found = [entry.delivery for entry in entries(told, known)]
    return [(one.text, one.waiting) for one in found if one is not None]


def test_a_message_is_delivered_to_those_alone_for_whom_it_was_sealed() -> None:
    behind = ("delivered to 1 of 2 nations", ("MA",))
    before = ("accepted by the relay", ("MA",))
    assert deliveries(around_a_joining(), times()) == [before, before, behind]


@pytest.mark.parametrize("known", [times(sn_since=1), Nations()])
def test_who_was_in_is_counted_and_so_are_all_where_no_times_are_known(known: Nations) -> None:
    behind = ("delivered to 1 of 2 nations", ("MA",))
    assert deliveries(around_a_joining(), known) == [behind, behind, behind]


def test_a_message_that_was_sealed_for_no_other_nation_that_is_here_says_so() -> None:
    told = Told()
    told.say(A_TN, Text(text="alone"))
    told.show(A_SN, kinds.Delivered(room_seq=1))
    known = Nations(times=(Presence(organisation=TN, since=0), Presence(organisation=SN, since=2)), index=2)
    room = structs.replace(told.room(members=(A_TN, A_SN)), times=known)
    (entry,) = (item for item in conversation(told.messages, room) if isinstance(item, Entry))
    assert entry.delivery is not None
    assert (entry.delivery.state, entry.delivery.text, entry.delivery.waiting) == (
        "accepted", "accepted by the relay; the other nations came later", (),
    )  # fmt: skip


def test_a_nation_that_was_in_before_and_came_back_reads_nothing_from_between() -> None:
    told = around_a_joining()
    back = (Presence(organisation=SN, since=0, until=2), Presence(organisation=SN, since=SN_CAME))
    known = Nations(times=(*times().times[:2], *back), index=SN_CAME)
    assert [waiting for _, waiting in deliveries(told, known)] == [("MA",), ("MA",), ("MA",)]
    assert deliveries(told, known)[0] == ("accepted by the relay", ("MA",))


def test_an_acknowledgement_is_waited_for_from_those_alone_who_can_read() -> None:
    first, _, last = entries(around_a_joining(), times())
    assert first.acks is not None
    assert last.acks is not None
    assert [chip for chip, _ in first.acks.waiting] == ["MA"]
    assert [chip for chip, _ in last.acks.waiting] == ["MA", "SN"]


def clock(told: Told, known: Nations) -> tuple[str, tuple[str, ...], tuple[str, ...]]:
    (line,) = board_view(told.board, seat(), (MA, SN, TN), times=known).clocks
    (shown,) = (entry.content for entry in entries(told, known) if isinstance(entry.content, ClockLine))
    assert shown == line
    return line.words, line.acknowledged, line.waiting


def test_a_joint_time_waits_for_those_alone_who_can_read_it() -> None:
    told = around_a_joining()
    assert clock(told, times()) == ("acknowledged by 1 of 2", ("TN",), ("MA",))
    assert clock(told, times(sn_since=1)) == ("acknowledged by 1 of 3", ("TN",), ("MA", "SN"))


def test_a_joint_time_that_was_granted_to_who_came_later_may_be_acknowledged_by_them() -> None:
    told = around_a_joining()
    told.show(A_SN, kinds.Ack(grade=Grade.UNDERSTOOD, envelope=told.messages[2].id))
    assert clock(told, times()) == ("acknowledged by 2 of 3", ("SN", "TN"), ("MA",))
