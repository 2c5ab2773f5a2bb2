"""Who names a room: its owner's officers; another title is noted with its entry, whether it holds or not."""

from __future__ import annotations

from amanah_client import model
from amanah_client.core.opening import MAX_TITLES
from amanah_protocol.content.bodies import RoomInfo
from amanah_protocol.content.sealed import decode_content
from amanah_protocol.identity import Role
from amanah_protocol.kinds import Kind
from amanah_protocol.types import RoomId
from tests.client.core.forge import room_of
from tests.client.core.rooms import create, invite, two
from tests.client.core.wedged import Victims, four, next_of, settle, wedge
from tests.client.core.world import SN, TN, Client, Stage

TITLE = "Phishing wave"


def call(by: Client, room: RoomId, title: str, to: Client) -> model.Retitled | None:
    """A client that is not ours tells another title; what it made of the old one."""
    room_of(by, room).bodies.append(RoomInfo(title=title, description=""))
    by.stage.wait(2_000)
    row = to.rows(room, Kind.MESSAGE)[-1]
    assert decode_content(row.content).body == RoomInfo(title=title, description="")
    return row.retitled


def test_the_owners_officer_renames_a_room_and_the_entry_says_what_it_was_called(stage: Stage) -> None:
    a, b, room = two(stage)
    assert call(a, room, "Ministry", b) == model.Retitled(before=TITLE, holds=True)
    assert (b.row(room).title, b.row(room).titles) == ("Ministry", (TITLE,))


def test_a_member_of_another_nation_renames_no_room(stage: Stage) -> None:
    a, b, room = two(stage)
    assert call(b, room, "Ministry", a) == model.Retitled(before=TITLE, holds=False)
    assert (a.row(room).title, a.row(room).titles) == (TITLE, ())


def test_a_bot_of_the_owner_renames_no_room_and_none_is_left_without_a_title(stage: Stage) -> None:
    a, b = stage.online("A", of=TN), stage.online("B", of=TN, role=Role.BOT)
    room = create(a)
    invite(a, room, b)
    assert call(b, room, "Ministry", a) == model.Retitled(before=TITLE, holds=False)
    assert call(a, room, "", b) == model.Retitled(before=TITLE, holds=False)
    assert a.row(room).title == b.row(room).title == TITLE


def test_a_title_that_is_told_anew_is_no_other_one(stage: Stage) -> None:
    a, b, room = two(stage)
    invite(a, room, stage.online("C", of=SN))
    assert [row.retitled for row in (*a.store.messages.values(), *b.store.messages.values()) if row.retitled] == []
    assert call(b, room, TITLE, a) is None
    assert a.row(room).titles == ()


def newcomer(stage: Stage) -> tuple[Client, Client, Client, RoomId]:
    """An owner, a member of another nation, and one of a third that was told no title yet."""
    a, b, room = two(stage)
    c = stage.online("C", of=SN)
    invite(a, room, c)
    untold(c, room)
    return a, b, c, room


def untold(client: Client, room: RoomId) -> None:
    room_of(client, room).change(title="")


def test_whoever_is_told_no_title_yet_takes_anybodys_until_the_owner_tells_it(stage: Stage) -> None:
    a, b, c, room = newcomer(stage)
    assert call(b, room, "Ministry", c) is None
    assert c.row(room).title == "Ministry"
    assert call(b, room, "Harbour", c) == model.Retitled(before="Ministry", holds=False)
    assert call(a, room, TITLE, c) == model.Retitled(before="Ministry", holds=True)
    assert c.row(room).title == TITLE


def test_the_own_officers_word_counts_before_another_nations_and_behind_the_owners(stage: Stage) -> None:
    a, b, c, room = newcomer(stage)
    own = stage.online("C2", of=SN)
    invite(a, room, own)
    untold(c, room)
    call(b, room, "Ministry", c)
    assert call(own, room, TITLE, c) == model.Retitled(before="Ministry", holds=True)
    assert call(b, room, "Ministry", c) == model.Retitled(before=TITLE, holds=False)
    assert call(a, room, TITLE, c) is None
    assert call(own, room, "Harbour", c) == model.Retitled(before=TITLE, holds=False)
    assert c.row(room).title == TITLE


def test_a_room_that_had_many_titles_gets_no_other_and_keeps_all_of_them(stage: Stage) -> None:
    """A rota may name any of them: else whoever owns the room takes it out by naming it often."""
    a, b, room = two(stage)
    for number in range(MAX_TITLES):
        call(a, room, f"{number}", b)
    *former, last = TITLE, *(f"{number}" for number in range(MAX_TITLES))
    assert call(a, room, "one more", b) == model.Retitled(before=last, holds=False)
    assert (b.row(room).title, b.row(room).titles) == (last, tuple(former))
    # Back to one that it had before, which is then no earlier one.
    assert call(a, room, "3", b) == model.Retitled(before=last, holds=True)
    assert b.row(room).titles == (*(one for one in former if one != "3"), last)


def test_a_successor_is_known_by_what_its_room_was_called_whatever_its_opener_calls_it(
    stage: Stage, victims: Victims
) -> None:
    a, b, c, m, room = four(stage)
    wedge(victims, m, (a, b, c), room)
    room_of(a, room).change(title="Ministry")
    settle(stage)
    for client in (b, c):
        row = client.row(next_of(client, room))
        assert (row.title, row.titles) == ("Ministry", (TITLE,))
