"""What an entry means to a desk: each case that pages or answers, and beside it the nearest that does not."""

from __future__ import annotations

from dataclasses import replace

import pytest
from msgspec import structs

from amanah_client.message import Message
from amanah_client.model import MessageState, Namer, RoomRow, RoomStatus, Stay
from amanah_client.paging import inputs as i
from amanah_client.paging.duty import Rota
from amanah_client.paging.reading import Desk, fits, is_over
from amanah_protocol import kinds
from amanah_protocol.content.bodies import Body
from amanah_protocol.content.handover import Handover
from amanah_protocol.content.page import Page, Result
from amanah_protocol.content.reaction import Reaction
from amanah_protocol.content.revision import Correction
from amanah_protocol.content.text import Called, Mention, Text
from amanah_protocol.identity import Role
from amanah_protocol.kinds import Grade
from amanah_protocol.labels import Precedence
from amanah_protocol.types import DeviceId, OrgName, RoomId
from tests.client.paging.calls import MA, TN
from tests.client.paging.calls import message as id_of
from tests.client.test_cli_showing import ROOM, message

IN = RoomRow(room=ROOM, status=RoomStatus.OPEN, title="Phishing wave", added_seq=3)
ME = DeviceId(b"m" * 32)
DESK = Desk(nation=MA, device=ME, rota=Rota())
CALLS_US = (Mention(called=Called.DESK, organisation=MA),)
PAGE = Page(message=id_of(1), step=1, whom="Somebody", result=Result.REACHED, at_ms=1)


def entry(
    body: Body | None = None,
    specific: kinds.Specific | None = None,
    *,
    of: OrgName = TN,
    role: Role = Role.OFFICER,
    precedence: Precedence = Precedence.ROUTINE,
) -> Message:
    made = message(body, specific)
    return replace(made, sender=structs.replace(made.sender, organisation=of, role=role), precedence=precedence)


def is_called(of: Message, room: RoomRow = IN, desk: Desk = DESK) -> bool:
    return isinstance(desk.meaning(of, room), i.Arrived)


FLASH = entry(Text(text="now"), precedence=Precedence.FLASH)


@pytest.mark.parametrize("precedence", Precedence)
def test_a_message_of_another_nation_pages_from_the_threshold_on(precedence: Precedence) -> None:
    said = entry(Text(text="now"), precedence=precedence)
    assert is_called(said) is (precedence >= Precedence.IMMEDIATE)
    assert is_called(said, desk=Desk(nation=MA, device=ME, rota=Rota(least=Precedence.PRIORITY))) is (precedence >= 1)


def test_what_pages_says_of_itself_what_its_header_and_the_relay_say() -> None:
    meaning = DESK.meaning(FLASH, IN, fresh=False)
    assert isinstance(meaning, i.Arrived)
    assert (meaning.call.message, meaning.call.room, meaning.call.at_ms) == (FLASH.id, ROOM, 1_000)
    assert (meaning.call.author[0], meaning.call.precedence, meaning.fresh) == (TN, Precedence.FLASH, False)


def test_what_cannot_be_read_here_pages_by_its_header() -> None:
    assert is_called(replace(FLASH, body=None, state=MessageState.UNREADABLE))


def test_the_own_nations_words_page_it_by_a_mention_alone() -> None:
    assert not is_called(entry(Text(text="now"), of=MA, precedence=Precedence.FLASH))
    assert is_called(entry(Text(text="now", mentions=CALLS_US), of=MA))


@pytest.mark.parametrize(
    "body",
    [
        Text(text="you", mentions=CALLS_US),
        Correction(message=id_of(1), text="you", mentions=CALLS_US),
        Handover(text="you", to=CALLS_US[0]),
    ],
)
def test_a_mention_of_the_duty_desk_pages_it(body: Body) -> None:
    assert is_called(entry(body))
    assert not is_called(entry(body), desk=Desk(nation=TN, device=ME, rota=Rota()))


def test_a_mention_of_the_nation_or_of_a_person_and_other_words_do_not_page() -> None:
    assert not is_called(entry(Text(text="you", mentions=(Mention(called=Called.NATION, organisation=MA),))))
    assert not is_called(entry(Handover(text="you")))
    assert not is_called(entry(Reaction(message=id_of(1), sign="a")))
    assert not is_called(entry(None, kinds.Erase(envelopes=(id_of(1),)), precedence=Precedence.FLASH))


def test_what_was_said_before_this_device_was_in_and_what_has_no_place_does_not_page() -> None:
    assert not is_called(FLASH, replace(IN, added_seq=7))
    assert is_called(FLASH, replace(IN, added_seq=6))
    assert not is_called(replace(FLASH, room_seq=None))


def test_a_room_that_was_renamed_pages_by_what_it_was_called_and_one_without_a_title_that_counts_by_any_name() -> None:
    by_name = Desk(nation=MA, device=ME, rota=Rota(rooms=("Port authority",)))
    assert not is_called(FLASH, IN, by_name)
    assert is_called(FLASH, replace(IN, titles=("x", "Port authority")), by_name)
    assert is_called(FLASH, replace(IN, title=""), by_name)
    for namer in Namer:
        assert is_called(FLASH, replace(IN, titled_by=namer), by_name) is (namer is Namer.OTHER)


def test_what_was_said_while_this_device_was_in_before_pages_once_it_is_in_again() -> None:
    """A device that fell behind is removed and added again by itself: what it missed has rung nowhere else."""

    def again(device: DeviceId, from_seq: int, until_seq: int) -> RoomRow:
        stay = Stay(device=device, from_seq=from_seq, until_seq=until_seq, since_ms=0)
        return replace(IN, added_seq=20, stays=(stay, Stay(device=device, from_seq=20, until_seq=None, since_ms=0)))

    assert is_called(FLASH, again(ME, 6, 8))
    assert not is_called(FLASH, again(ME, 7, 9))
    assert not is_called(FLASH, again(ME, 5, 7))
    assert not is_called(FLASH, again(DeviceId(b"o" * 32), 6, 8))
    assert not is_called(FLASH, replace(again(ME, 6, 8), status=RoomStatus.REMOVED))


def test_a_room_that_is_over_or_not_named_does_not_page() -> None:
    assert not is_called(FLASH, replace(IN, status=RoomStatus.REMOVED))
    assert not is_called(FLASH, replace(IN, successor=RoomId(b"s" * 16)))
    assert is_over(replace(IN, status=RoomStatus.REMOVED))
    # It can be mended, and a colleague's device may answer meanwhile.
    assert is_called(FLASH, replace(IN, status=RoomStatus.HALTED))
    for name, pages in (("Phishing wave", True), (ROOM.hex()[:4].upper(), True), (ROOM.hex()[:3], False), ("x", False)):
        assert fits(name, IN) is pages
        assert is_called(FLASH, desk=Desk(nation=MA, device=ME, rota=Rota(rooms=(name,)))) is pages


@pytest.mark.parametrize("grade", Grade)
def test_an_officer_of_the_nation_answers_by_having_read(grade: Grade) -> None:
    def answers(of: OrgName = MA, role: Role = Role.OFFICER) -> bool:
        said = entry(None, kinds.Ack(grade=grade, envelope=id_of(1)), of=of, role=role)
        return isinstance(DESK.meaning(said, IN), i.Acknowledged)

    assert answers() is (grade is not Grade.RECEIVED)
    assert not answers(of=TN)
    assert not answers(role=Role.BOT)


def test_a_record_counts_for_the_nation_that_tells_it() -> None:
    assert DESK.meaning(entry(PAGE, of=MA), IN) == i.Told(page=PAGE)
    # Else another nation could end what pages this one's people.
    assert DESK.meaning(entry(PAGE, precedence=Precedence.FLASH), IN) is None
    # Nor could a bot of this one that was taken over.
    assert DESK.meaning(entry(PAGE, of=MA, role=Role.BOT), IN) is None
