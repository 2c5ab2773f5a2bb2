"""What rings at the terminal: for whom, who is paged, and until when."""

from __future__ import annotations

import pytest

from amanah_client.language import Language, gettext, speaking
from amanah_client.paging.pager import Pager
from amanah_protocol.errors import Code, OperationalError
from amanah_protocol.kinds import Ack
from amanah_protocol.labels import Label, Precedence
from tests.client.terminal.officers import TN, at_the_terminal, joined, until
from tests.end_to_end.nations import Nations

ROTA = """
[waits]
desk_seconds = 1
step_seconds = 600

[[person]]
name = "Night duty"
hooks = [{ command = ["/bin/true"] }]

[backup]
name = "Backup team"
hooks = [{ command = ["/bin/true"] }]
"""


async def test_what_must_not_wait_rings_says_who_is_paged_and_ends_with_an_acknowledgement(nations: Nations) -> None:
    async with at_the_terminal(nations, "ringing", (80, 24), room="Ringing", rota=ROTA) as desk:
        app, pilot = desk.app, desk.pilot
        theirs = await joined(desk.malware, "Ringing")
        rung: list[bool] = []
        app.bell = lambda: rung.append(True)  # type: ignore[method-assign]  # what is heard leaves no other trace
        app.ringer._bell = app.bell  # noqa: SLF001 - as above
        await theirs.send("It can wait")
        await desk.sees("It can wait", "conversation")
        assert desk.told("ringing") == ""
        assert not rung
        await theirs.send("The key is out", precedence=Precedence.FLASH)
        await desk.sees("Rings  MA Malware lead, Flash, since", "ringing")
        await desk.sees("in Ringing", "ringing")
        await desk.sees("Paged: Night duty. Next: Backup team at", "ringing")
        assert "Drill" not in desk.told("ringing")
        desk.shoot("ringing-80x24")
        heard = len(rung)
        assert heard
        app._sound()  # noqa: SLF001 - what a timer does
        assert len(rung) == heard + 1

        # `received` is no answer; what is one ends it, and it is silent from then on.
        await pilot.press("f6")
        await desk.sees("PAP:AMBER", "conversation")
        await pilot.press("1")
        await desk.sees("Acknowledged: received.", "told")
        assert "Rings" in desk.told("ringing")
        await pilot.press("3")
        await until(lambda: desk.told("ringing") == "")
        heard = len(rung)
        app._sound()  # noqa: SLF001 - as above
        assert len(rung) == heard
        await until(lambda: any(isinstance(one.specific, Ack) for one in theirs.messages()))
        await pilot.press("f6")
        await desk.sees("Nothing rings.", "told")


async def test_a_mention_of_the_desk_rings_and_an_ack_without_a_message_answers_it(nations: Nations) -> None:
    async with at_the_terminal(nations, "desk", (80, 24), room="Desk calls") as desk:
        theirs = await joined(desk.malware, "Desk calls")
        await theirs.send("@cert.example.tn/duty")
        await desk.sees("@cert.example.tn/duty", "conversation")
        assert desk.told("ringing") == ""  # a text alone calls nobody: mentions are made by who writes
        other = await joined(desk.shift, "Desk calls")
        await other.send("in the other room", precedence=Precedence.IMMEDIATE)
        await desk.sees("Rings  SN Shift lead, Immediate", "ringing")
        await desk.sees("This desk rings. Nobody else is paged: paging.toml names nobody.", "ringing")
        await theirs.send("and this one", precedence=Precedence.FLASH)
        await desk.sees("1 more rings.", "ringing")
        await desk.type("/ack")
        await desk.sees("Rings  MA Malware lead, Flash", "ringing")
        await desk.type("/ack")
        await until(lambda: desk.told("ringing") == "")


@pytest.mark.parametrize("code", ["en", "fr", "ar"])
async def test_of_an_exercise_all_that_rings_and_each_message_says_so(nations: Nations, code: str) -> None:
    with speaking(Language(code=code)):
        title = f"Exercise {code}"
        async with at_the_terminal(nations, title, (80, 24), room=title, drill=True, says="") as desk:
            theirs = await joined(desk.malware, title)
            for text in ("first", "second", "third"):
                await theirs.send(text)
            await theirs.send("The key is out", precedence=Precedence.FLASH)
            await desk.sees("The key is out", "conversation")
            await desk.sees(gettext("Rings"), "ringing")
            drill = gettext("Drill")
            assert desk.told("ringing").strip().startswith(drill)
            assert desk.told("conversation").count(drill) == 4
            assert gettext("Drill: nothing here is real") in desk.told("head")
            desk.shoot(f"drill-{code}-80x24")


async def test_a_rota_that_cannot_be_used_is_told_and_it_rings_all_the_same(nations: Nations) -> None:
    async with at_the_terminal(nations, "mistaken", (80, 24), room="Mistaken", rota="[page]\nleast = 7\n") as desk:
        await desk.sees("Paging is in trouble: ", "ringing")
        await desk.sees("page.least", "ringing")
        theirs = await joined(desk.malware, "Mistaken")
        await theirs.send("now", precedence=Precedence.FLASH)
        await desk.sees("Rings  MA Malware lead, Flash", "ringing")


async def test_a_name_of_the_rota_that_no_room_has_is_told_until_one_has(nations: Nations) -> None:
    rota = "[page]\nrooms = ['Named', 'Later']\n"
    async with at_the_terminal(nations, "naming", (80, 24), room="Named", rota=rota) as desk:
        await desk.sees("paging.toml names a room Later, and there is none", "ringing")
        assert "Named" not in desk.told("ringing")
        later = await desk.malware.create_room("Later", label=Label.AMBER)
        await later.invite(TN)
        await until(lambda: desk.told("ringing") == "")


async def test_that_nothing_rings_any_more_is_told(nations: Nations, monkeypatch: pytest.MonkeyPatch) -> None:
    async def fails(_: Pager) -> None:
        raise OperationalError(Code.STORE, "the disk is gone")

    monkeypatch.setattr(Pager, "run", fails)
    async with at_the_terminal(nations, "silent", (80, 24), room="Silent") as desk:
        await desk.sees("Paging is in trouble: the disk is gone", "ringing")
        assert desk.app.is_running
