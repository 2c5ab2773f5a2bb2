"""Which organisations were in a room where: as far as the record was followed, and no further."""

from __future__ import annotations

from amanah_client import model
from amanah_client.core import nations
from amanah_client.core.room import Room
from amanah_client.log_rows import Nations, Presence
from amanah_protocol.types import OrgName
from tests.client.core.rooms import two
from tests.client.core.world import MA, SN, TN, Stage


def room_with(status: model.RoomStatus, known: Nations) -> Room:
    stage = Stage()
    a, _, room = two(stage)
    held = a.core._ctx.rooms[room]  # noqa: SLF001 - the room under test
    held.change(status=status, nations=known)
    return held


def test_who_is_in_is_followed_with_the_record_and_survives_a_restart() -> None:
    stage = Stage()
    a, b, room = two(stage)
    for client in (a, b):
        held = client.core._ctx.rooms[room]  # noqa: SLF001 - the room under test
        (tn, ma) = held.row.nations.times
        assert (tn.organisation, ma.organisation, tn.until, ma.until) == (TN, MA, None, None)
        assert tn.since < ma.since
        assert nations.was_in(held, OrgName(MA), ma.since - 1) is False
        assert nations.was_in(held, OrgName(MA), ma.since) is True
        assert nations.was_in(held, OrgName(SN), 10**9) is False
    before = a.core._ctx.rooms[room].row.nations  # noqa: SLF001 - as above
    a.restart()
    assert a.core._ctx.rooms[room].row.nations == before  # noqa: SLF001 - as above


def test_who_left_was_in_until_then() -> None:
    known = Nations(times=(Presence(organisation=OrgName(MA), since=5, until=9),), index=9)
    held = room_with(model.RoomStatus.OPEN, known)
    assert [nations.was_in(held, OrgName(MA), index) for index in (4, 5, 8, 9, 99)] == [False, True, True, False, False]


def test_where_a_room_is_not_followed_any_more_nobody_is_accused() -> None:
    known = Nations(times=(Presence(organisation=OrgName(TN), since=5),), index=9)
    held = room_with(model.RoomStatus.HALTED, known)
    assert [nations.was_in(held, OrgName(MA), index) for index in (9, 10)] == [False, None]
    assert nations.was_in(held, OrgName(TN), 10) is True


def test_a_store_that_knows_of_no_times_accuses_nobody_and_takes_who_is_in_for_having_been() -> None:
    stage = Stage()
    a, b, room = two(stage)
    held = a.core._ctx.rooms[room]  # noqa: SLF001 - the room under test
    held.change(nations=Nations())
    assert nations.was_in(held, OrgName(SN), 10**9) is None
    nations.follow(a.core._ctx, held, (a.device.id, b.device.id), 50)  # noqa: SLF001 - as above
    assert {(one.organisation, one.since) for one in held.row.nations.times} == {(TN, 0), (MA, 0)}
    nations.follow(a.core._ctx, held, (a.device.id,), 50)  # noqa: SLF001 - of a place that was followed
    assert all(one.until is None for one in held.row.nations.times)
