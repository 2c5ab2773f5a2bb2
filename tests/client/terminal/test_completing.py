from __future__ import annotations

import pytest

from amanah_client.terminal.completing import complete, usage
from amanah_protocol.labels import Label
from amanah_protocol.types import OrgName
from tests.client.composing.room import MA, MEMBERS, SN, TN

FR = OrgName("cert.example.fr")


@pytest.mark.parametrize(
    ("line", "text"),
    [
        ("/ac", "/ack "),
        ("/inc", "/incident "),
        ("/incident sev", "/incident severity "),
        ("/incident severity h", "/incident severity high "),
        ("/incident status con", "/incident status containing "),
        ("/ack act", "/ack acting "),
        ("/tlp amber+", "/tlp amber+strict "),
        ("/precedence f", "/precedence flash "),
        ("/task cert.example.m", "/task cert.example.ma "),
        ("/task ref", "/task refuse "),
        ("/task cert.example.ma b", "/task cert.example.ma by "),
        ("/ack #aa act", "/ack #aa acting "),
        ("/decide b", "/decide by "),
        ("/decide by +2h q", "/decide by +2h quorum "),
        ("/react o", "/react off "),
        ("/invite cert.", "/invite cert.example.fr "),
        ("seen, @cert.example.ma/", "seen, @cert.example.ma/duty "),
        ("@Mal", "@Malware lead "),
    ],
)
def test_a_beginning_goes_on_where_it_is_certain(line: str, text: str) -> None:
    found = complete(line, MEMBERS, (TN, MA, SN, FR))
    assert found is not None
    assert (found.text, found.choices) == (text, ())


def test_several_go_on_as_far_as_they_agree_and_are_offered() -> None:
    found = complete("/t", MEMBERS)
    assert found is not None
    assert found.text == "/t"
    assert [name for name, _ in found.choices] == ["/task", "/tlp"]
    again = complete("@cert.example.", MEMBERS)
    assert again is not None
    assert len(again.choices) == 6
    nations = complete("/task c", MEMBERS, (FR,))
    assert nations is not None
    assert nations.text == "/task cert.example."


def test_a_label_is_offered_just_where_the_room_offers_it() -> None:
    found = complete("/tlp ", MEMBERS, labels=(Label.CLEAR, Label.GREEN))
    assert found is not None
    assert [name for name, _ in found.choices] == ["clear", "green"]
    assert complete("/tlp amber", MEMBERS, labels=(Label.CLEAR, Label.GREEN)) is None


def test_whom_one_invites_may_be_let_in_and_is_not_in_the_room_yet() -> None:
    others = (TN, MA, SN, FR, OrgName("cert.example.de"))
    found = complete("/invite ", MEMBERS, others)
    assert found is not None
    assert [name for name, _ in found.choices] == ["cert.example.de", "cert.example.fr"]


@pytest.mark.parametrize(
    "line",
    [
        "",
        "text",
        "a b",
        "/nothing x",
        "//etc/ho",
        "/handover x",
        "/zzz",
        "@nobody",
        "/ack a b",
        "/decide agree q",
        "/who x",
    ],
)
def test_what_goes_on_to_nothing_stays(line: str) -> None:
    assert complete(line, MEMBERS) is None


def test_a_command_says_how_it_is_written() -> None:
    assert usage("/ack ") == ("/ack [#MESSAGE] [received|read|understood|acting]",)
    assert usage("/who") == ("/who",)
    assert usage("/nothing") == usage("text") == ()
