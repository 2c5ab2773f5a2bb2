from __future__ import annotations

import pytest

from amanah_client.composing.mentions import as_written, mentions_in, names, read_mentions
from amanah_protocol.content.text import MAX_MENTIONS, Called, Mention
from amanah_protocol.errors import Code, UsageError
from amanah_protocol.types import OrgName
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


@pytest.mark.parametrize(
    "text",
    [
        "Wake up @cert.example.zz/duty",
        "@cert.example.max",
        "@cert.example.ma/dutyfree",
        "@cert.example.ma.evil.example",
        "@ma/duty",
        "Seen at your side, @MA?",
        "see (@cert.example.de).",
    ],
)
def test_what_looks_like_a_nation_and_names_none_is_refused(text: str) -> None:
    with pytest.raises(UsageError) as error:
        read_mentions(text, MEMBERS)
    assert error.value.code is Code.NOT_FOUND
    assert "@@" in error.value.hint


def test_the_nearest_of_the_room_are_named() -> None:
    with pytest.raises(UsageError) as error:
        read_mentions("@cert.example.mma/duty", MEMBERS)
    assert f"@{MA}/duty" in error.value.hint


def test_a_name_that_two_people_share_is_refused() -> None:
    assert read_mentions(f"@{ANALYST.name}", MEMBERS) == (f"@{ANALYST.name}", (PERSON,))
    with pytest.raises(UsageError, match="more than one"):
        read_mentions(f"@{ANALYST.name}", (*MEMBERS, party(SN, 9, ANALYST.name)))


@pytest.mark.parametrize(
    "text",
    [
        "mail soc@cert.example.zz today",
        "https://social.example/@duty.desk",
        "version @2 of @param, @here",
        "soc[@]cert.example.zz",
        "at 9 @ cert.example.zz",
        "@10.0.0.1",
    ],
)
def test_other_signs_call_nobody_and_are_sent_as_they_are(text: str) -> None:
    assert read_mentions(text, MEMBERS) == (text, ())


@pytest.mark.parametrize("text", ["use @dev/core 2.1", "@max/foo", "@den/kit", "@de-facto/one"])
def test_a_word_that_only_begins_like_a_nation_calls_nobody(text: str) -> None:
    members = (*MEMBERS, party(OrgName("cert.example.de"), 9, "Officer"))
    assert read_mentions(text, members) == (text, ())
    with pytest.raises(UsageError, match=r"de.? calls nobody"):
        read_mentions("Seen at your side, @de?", members)


@pytest.mark.parametrize(
    "said", ["@cert.example.zz", "@@cert.example.ma", "@ma/duty", "@tn", "(@evil.example)", "a@b.c @@ @"]
)
def test_what_calls_nobody_is_written_with_one_sign_more(said: str) -> None:
    written = as_written(said, MEMBERS)
    assert read_mentions(written, MEMBERS) == (said, ())


def test_what_calls_somebody_is_written_as_it_was_said() -> None:
    said = f"@{MA}/duty and @{ANALYST.name}"
    assert as_written(said, MEMBERS) == said
