"""The list of rooms: where each stands, and in which order they are shown."""

from __future__ import annotations

from dataclasses import replace

import pytest
from msgspec import structs

from amanah_client.model import Rekey, RoomRow, RoomStatus
from amanah_client.view.board import board_view
from amanah_client.view.rooms import RoomLine, in_order, room_line, trouble_of
from amanah_protocol.content.alert import Severity
from amanah_protocol.content.incident import Incident, Status
from amanah_protocol.labels import Label
from amanah_protocol.types import RoomId
from tests.client.view.told import A_TN, ROOM, TN, Told, seat

OPEN = RoomRow(room=ROOM, status=RoomStatus.OPEN, title="Port\nauthority\u202e")


def line(row: RoomRow, told: Told | None = None, **counts: int) -> RoomLine:
    board = board_view((told or Told()).board, seat(), (TN,))
    return structs.replace(room_line(row, board, ceiling=Label.AMBER, nations=3), **counts)


def test_an_incident_says_how_bad_it_is_and_how_far_the_work_is() -> None:
    told = Told()
    told.say(A_TN, Incident(severity=Severity.CRITICAL, status=Status.CONTAINING))
    found = line(OPEN, told)
    assert (found.title, found.label, found.words) == ("Port authority<202E>", "TLP:AMBER", "3 nations, containing")
    assert (found.group, found.severity, found.closed, found.writable) == ("incident", "critical", False, True)
    assert line(OPEN).words == "3 nations"


@pytest.mark.parametrize("status", [one for one in RoomStatus if one is not RoomStatus.OPEN])
def test_a_room_that_is_not_open_says_why_and_what_happens(status: RoomStatus) -> None:
    found = line(replace(OPEN, status=status))
    assert found.trouble == found.words != ""
    assert found.writable is (status is RoomStatus.OPENING)


def test_a_room_that_goes_on_elsewhere_and_an_old_copy_say_so() -> None:
    closed = line(replace(OPEN, successor=RoomId(bytes(16))))
    assert (closed.closed, closed.writable) == (True, True)
    assert "goes on in a new room" in closed.trouble
    assert "old copy" in trouble_of(replace(OPEN, rekey=Rekey.EPOCH))
    assert trouble_of(OPEN) == ""


def test_the_worst_incident_stands_first_and_what_is_over_last() -> None:
    def of(title: str, *, severity: str = "", group: str = "incident", closed: bool = False) -> RoomLine:
        return structs.replace(line(OPEN), title=title, severity=severity, group=group, closed=closed)

    shown = in_order((
        of("standing", group="standing"), of("closed", severity="critical", closed=True), of("b", severity="low"),
        of("a", severity="low"), of("nobody said"), of("worst", severity="critical"),
    ))  # fmt: skip
    assert [one.title for one in shown] == ["worst", "a", "b", "nobody said", "closed", "standing"]
