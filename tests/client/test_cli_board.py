"""`amanah board --json`: who acknowledged, by nation and by person."""

from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING, cast

from amanah_client.cli.board import board_json
from amanah_protocol import kinds
from amanah_protocol.content.text import Text
from amanah_protocol.kinds import Grade
from tests.client.view.told import A_MA, A_TN, MA, SN, TN, Told, party

if TYPE_CHECKING:
    from amanah_client.room import Room
    from amanah_protocol.types import OrgName, PersonId


def test_a_nation_s_grade_stands_beside_what_each_of_its_people_gave() -> None:
    def profile(nation: OrgName, person: PersonId) -> SimpleNamespace | None:
        return SimpleNamespace(name="Malware lead") if (nation, person) == (MA, A_MA.subject) else None

    client = SimpleNamespace(directory=lambda: SimpleNamespace(profile=profile))
    room = cast("Room", SimpleNamespace(nations=lambda: frozenset((TN, MA, SN)), client=client))
    told, other = Told(), party(MA, 1)
    asked = told.say(A_TN, Text(text="x", asks=Grade.READ))
    for who, grade in ((A_MA, Grade.READ), (other, Grade.ACTING), (A_MA, Grade.UNDERSTOOD)):
        told.show(who, kinds.Ack(grade=grade, envelope=asked))
    (found,) = cast("list[dict[str, object]]", board_json(told.board, room)["asked"])
    assert found["acknowledged"] == {MA: "acting"}
    assert A_MA.subject is not None
    assert other.subject is not None
    assert found["acknowledged_by"] == [
        {
            "nation": MA, "person": A_MA.subject.hex(), "name": "Malware lead", "grade": "understood",
            "at": "2026-11-28T23:44:00.000Z",
        },
        {
            "nation": MA, "person": other.subject.hex(), "name": None, "grade": "acting",
            "at": "2026-11-28T23:43:00.000Z",
        },
    ]  # fmt: skip
