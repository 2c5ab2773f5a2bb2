from __future__ import annotations

import pytest

from amanah_client.composing.mentions import mentions_in, names
from amanah_protocol.content.text import MAX_MENTIONS, Called, Mention
from tests.client.composing.room import ANALYST, LEAD, MA, MEMBERS, SN, TN, party

NATION = Mention(called=Called.NATION, organisation=MA)
DESK = Mention(called=Called.DESK, organisation=MA)
PERSON = Mention(called=Called.PERSON, organisation=TN, person=ANALYST.subject)


@pytest.mark.parametrize(
    ("text", "called"),
    [
        ("nobody", ()),
        ("@cert.example.ma look", (NATION,)),
        ("ask @CERT.example.MA.", (NATION,)),
        ("(@cert.example.ma)", (NATION,)),
        ("@cert.example.ma/duty please", (DESK,)),
        ("@cert.example.ma/duty, @cert.example.ma", (DESK, NATION)),
        ("@cert.example.ma twice @cert.example.ma", (NATION,)),
        ("@Analyst on duty can you?", (PERSON,)),
        ("@analyst ON duty can you?", (PERSON,)),
        ("@Analyst on dutyfree", ()),
        ("@cert.example.ma.evil.example", ()),
        ("@cert.example.max", ()),
        ("@cert.example.ma/dutyfree", ()),
        ("mail to x@cert.example.ma", ()),
        ("@@cert.example.ma", ()),
        ("@cert.example.de", ()),
        ("@", ()),
    ],
)
def test_whom_a_text_calls(text: str, called: tuple[Mention, ...]) -> None:
    assert mentions_in(text, MEMBERS) == called


def test_a_name_that_two_people_share_calls_neither() -> None:
    members = (*MEMBERS, party(SN, 9, ANALYST.name))
    assert mentions_in(f"@{ANALYST.name}", members) == ()
    assert LEAD.name in names(members)


def test_a_person_cannot_take_the_name_of_a_nation() -> None:
    members = (*MEMBERS, party(SN, 9, MA))
    assert mentions_in(f"@{MA}", members) == (NATION,)


def test_no_more_are_called_than_a_text_may_call() -> None:
    members = [party(TN, number, f"Officer {number}") for number in range(100)]
    text = " ".join(f"@Officer {number}" for number in range(100))
    assert len(mentions_in(text, members)) == MAX_MENTIONS
