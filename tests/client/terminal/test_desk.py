"""Panels, dialogs and keys of the terminal, over a real relay."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from msgspec import structs

from amanah_client.directory import Directory, Party
from amanah_client.language import Language, gettext, speaking
from amanah_client.sdk import Client
from amanah_client.standing import standing_of
from amanah_client.terminal import opening
from amanah_protocol.content.task import Task
from amanah_protocol.errors import Code, OperationalError
from amanah_protocol.labels import Label, Pap, Precedence
from amanah_protocol.types import DeviceId, OrgName
from tests.client.terminal.officers import MA, SN, TN, Desk, at_the_terminal, joined, until
from tests.end_to_end.nations import Nations


async def front(desk: Desk, *, shows: bool = True) -> None:
    """Wait until something stands in front of the rooms, or nothing does."""
    await until(lambda: desk.app.screen.is_modal is shows)
    await desk.pilot.pause()


async def test_panels_come_and_go_by_keys_where_they_do_not_fit_beside(nations: Nations) -> None:
    async with at_the_terminal(nations, "panels", (80, 24), room="Panels") as desk:
        app, pilot = desk.app, desk.pilot
        theirs = await joined(desk.malware, "Panels")
        await theirs.send(Task(id=b"\x11" * 16, what="Image the disks", nation=OrgName(TN)))
        await desk.sees("Image the disks", "board")
        talk, rooms, board = (app.query_one(f"#{name}") for name in ("talk", "rooms", "board"))
        assert [one.display for one in (rooms, talk, board)] == [False, True, False]
        await pilot.press("f2")
        assert [one.display for one in (rooms, talk, board)] == [True, False, False]
        await pilot.press("f3")
        assert [one.display for one in (rooms, talk, board)] == [False, False, True]
        desk.shoot("board-80x24")

        # Enter on the board writes the command, which somebody still has to send.
        await pilot.press("down", "enter")
        assert talk.display
        assert app.composer.text == "/task take 11111111"
        assert app.focused is app.composer
        await pilot.press("enter")
        await desk.sees("in progress", "board")

        await pilot.resize_terminal(104, 30)
        await pilot.pause()
        assert [one.display for one in (rooms, talk, board)] == [True, True, False]
        await pilot.resize_terminal(140, 40)
        await pilot.pause()
        assert [one.display for one in (rooms, talk, board)] == [True, True, True]
        await pilot.press("f3")
        assert [one.display for one in (rooms, talk, board)] == [True, True, False]
        await pilot.press("f3", "escape")
        assert app.focused is app.composer


async def test_rooms_are_changed_by_keys_with_what_was_being_written_and_what_was_not_read(nations: Nations) -> None:
    async with at_the_terminal(nations, "rooms", (104, 30), room="First room") as desk:
        app, pilot = desk.app, desk.pilot
        client = app.watch_over.client
        other = await client.create_room("Other room", label=Label.GREEN)
        await other.invite(desk.malware.me)
        theirs = await joined(desk.malware, "Other room")
        await theirs.send("while you look elsewhere")
        await theirs.send("at once", precedence=Precedence.FLASH)
        await desk.sees("Other room 1 urgent", "rooms")
        app.composer.fill("half a sentence")
        await pilot.press("alt+down")
        await desk.sees("while you look elsewhere", "conversation")
        await desk.sees("new to you", "conversation")
        await until(lambda: "1 urgent" not in desk.told("rooms"))
        assert app.composer.text == ""
        await pilot.press("alt+up")
        await desk.sees("First room", "head")
        assert app.composer.text == "half a sentence"
        kept = client.room("First room").draft
        assert kept is not None
        assert kept.text == "half a sentence"

        await pilot.press("ctrl+k")
        await front(desk)
        await pilot.press(*"other")
        await pilot.press("enter")
        await desk.sees("Other room", "head")
        await pilot.press("ctrl+k")
        await front(desk)
        # What stands behind it hears no keys.
        await pilot.press("alt+down", "f2")
        await pilot.press("down", "up", "escape")
        await front(desk, shows=False)
        await desk.sees("Other room", "head")
        await pilot.press("f2", "f2", "up", "enter")
        await desk.sees("First room", "head")


async def test_keys_commands_and_readers_are_shown_in_front(nations: Nations) -> None:
    async with at_the_terminal(nations, "showing", (80, 24), room="Showing") as desk:
        app, pilot = desk.app, desk.pilot
        for key, text in (("f1", "Writing"), ("ctrl+underscore", "Writing"), ("f5", "Malware lead")):
            await pilot.press(key)
            await front(desk)
            assert text in desk.drawn()
            desk.shoot(f"front-{key}-80x24")
            await pilot.press("pagedown", "down", "up", "escape")
            await front(desk, shows=False)
        for line, text in (("/help ack", "/ack"), ("/help", "Commands"), ("/who", "cert.example.sn")):
            await desk.type(line)
            await front(desk)
            assert text in desk.drawn()
            await pilot.press("q")
            await front(desk, shows=False)
        assert app.composer.text == ""
        assert app.focused is app.composer


async def test_what_is_found_says_what_readers_may_do_with_it(nations: Nations) -> None:
    async with at_the_terminal(nations, "limited", (80, 24), room="Limited") as desk:
        theirs = await joined(desk.malware, "Limited")
        await theirs.send("The beacon of night", pap=Pap.RED)
        await desk.sees("The beacon of night", "conversation")
        await desk.type("/search beacon")
        await front(desk)
        assert re.search(r"PAP:RED\s+TLP:AMBER\s+The beacon", desk.drawn()), desk.drawn()


async def test_what_was_said_is_found_and_gone_to(nations: Nations) -> None:
    async with at_the_terminal(nations, "searching", (80, 24), room="Searching") as desk:
        app, pilot = desk.app, desk.pilot
        theirs = await joined(desk.malware, "Searching")
        await theirs.send("The sinkhole stands at 203.0.113.54")
        await desk.sees("The sinkhole stands", "conversation")
        await desk.type("/search sinkh")
        await front(desk)
        drawn = desk.drawn()
        assert "1 message fits: " in drawn
        assert "Malware lead" in drawn
        assert "203.0.113[.]54" in drawn
        assert re.search(r"TLP:AMBER\s+The sinkhole", drawn), drawn
        desk.shoot("found-80x24")
        assert "PAP" not in drawn  # it is the usual
        await pilot.press("enter")
        await front(desk, shows=False)
        await desk.sees("PAP:AMBER", "conversation")
        # What is marked is acknowledged, signed, answered and taken back by keys.
        await pilot.press("x")
        assert app.composer.text == "/react "
        await desk.type("/react +1")
        await desk.sees("└─+1 TN", "conversation")
        # What one put there is taken back by a key, too.
        await pilot.press("tab", "X")
        assert app.composer.text == "/react off +1"
        await pilot.press("enter")
        await until(lambda: "└─+1 TN" not in desk.told("conversation"))
        await pilot.press("tab", "c")
        await desk.sees("Only what you wrote yourself", "told")
        await pilot.press("escape")
        await desk.type("mine")
        await desk.sees("mine", "conversation")
        await pilot.press("tab", "end", "c")
        assert app.composer.text == "mine"
        await pilot.press("escape")
        assert app.composer.text == ""
        await pilot.press("tab", "end", "w")
        await pilot.press("enter")
        await desk.sees("Taken back: mine", "told")
        await desk.sees("Withdrawn by its author at", "conversation")
        await pilot.press("tab", "end", "space")
        await desk.sees("       mine", "conversation")
        await pilot.press("escape")
        await pilot.press("ctrl+f")
        assert app.composer.text == "/search "
        await desk.type("/search nothingofthekind")
        await front(desk)
        assert "Nothing fits" in desk.drawn()
        await pilot.press("escape")
        await front(desk, shows=False)


@pytest.mark.parametrize("code", ["fr", "ar"])
async def test_it_speaks_the_readers_language_around_what_was_written(nations: Nations, code: str) -> None:
    with speaking(Language(code=code)):
        async with at_the_terminal(nations, f"language {code}", (104, 30), room=f"Room {code}", says="") as desk:
            theirs = await joined(desk.malware, f"Room {code}")
            await theirs.send("Seen at 203.0.113.54")
            await desk.sees("Seen at 203.0.113[.]54", "conversation")
            for sentence in ("Nothing is held.", "F1 keys", "Not done:"):
                assert gettext(sentence) != sentence
            await desk.pilot.press("f4")
            await desk.sees(gettext("Nothing is held."), "told")
            await desk.sees(gettext("F1 keys"), "foot")
            await desk.type("/akc")
            await desk.sees(gettext("Not done:"), "told")
            assert "USAGE" not in desk.told("told")
            desk.shoot(f"language-{code}-104x30")


async def test_the_report_of_a_room_is_a_new_file_of_its_reader_alone(nations: Nations, tmp_path: Path) -> None:
    async with at_the_terminal(nations, "report", (80, 24), room="Report") as desk:
        theirs = await joined(desk.malware, "Report")
        await theirs.send(Task(id=b"\x13" * 16, what="Image the disks", nation=OrgName(TN)))
        await desk.sees("Image the disks", "board")
        for name, start in (("report.md", b"# "), ("report.html", b"<!"), ("report.pdf", b"%PDF")):
            written = tmp_path / name
            await desk.type(f"/export {written}")
            await desk.sees("for your eyes alone", "told")
            assert written.read_bytes().lstrip().startswith(start)
            assert written.stat().st_mode & 0o777 == 0o600
            await desk.type(f"/export {written}")
            await desk.sees("File exists", "told")
            await desk.pilot.press("escape")
            desk.app.composer.fill("")


async def test_no_label_and_no_nation_is_offered_that_a_room_may_not_have(
    nations: Nations, monkeypatch: pytest.MonkeyPatch
) -> None:
    low = nations.enrol("low", SN, ceiling=Label.GREEN)
    async with at_the_terminal(nations, "offered", (140, 40), room="Offered") as desk, await Client.open(low) as less:
        app, pilot = desk.app, desk.pilot
        own = app.watch_over.client
        await less.online()
        await until(lambda: less.me in own.directory().certificates)
        for title, label, whom in (("All", Label.GREEN, {MA, SN}), ("Few", Label.AMBER, {MA})):
            feed = app.watch_over.feed((await own.create_room(title, label=label)).id)
            assert set(app.watch_over.invitable(feed)) == whom
        theirs = await desk.malware.create_room("Theirs", label=Label.CLEAR)
        await theirs.invite(own.me)
        assert app.watch_over.invitable(app.watch_over.feed((await joined(own, "Theirs")).id)) == ()

        party = Directory.party

        def certified_anew(self: Directory, device: DeviceId, **more: Any) -> Party:  # noqa: ANN401 - as it is asked
            found = party(self, device, **more)
            return structs.replace(found, ceiling=Label.GREEN) if device == desk.shift.me else found

        monkeypatch.setattr(Directory, "party", certified_anew)
        app.watch_over.feed(own.room("Offered").id).read_anew()
        app.show()
        why = "Can read this room, certified up to TLP:GREEN only: Shift lead of SN."
        await desk.sees(f"Not offered: TLP:AMBER. {why}", "above")
        app.composer.fill("/tlp ")
        await pilot.press("tab")
        await desk.sees("green", "choices")
        assert "amber" not in desk.told("choices")
        desk.shoot("labels-140x40")
        await desk.type("/tlp amber")
        await desk.sees(f"TLP:AMBER may not be said here. {why}", "told")
        # What comes next begins with a label that is offered.
        await pilot.press("escape")
        app.watch_over.forget_draft(app.watch_over.feed(own.room("Offered").id))
        assert app.watch_over.draft(app.watch_over.feed(own.room("Offered").id)).label is Label.GREEN


def test_a_room_is_opened_under_no_label_that_its_opener_is_not_certified_for() -> None:
    _, choices = opening.asked("x", most=Label.GREEN, drill=False)
    labels = [word for choice in choices for part in choice.says if (word := part.text.strip()).startswith("TLP:")]
    assert set(labels) == {"TLP:GREEN", "TLP:CLEAR"}


async def test_a_log_that_contradicts_itself_takes_over_the_head(
    nations: Nations, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with at_the_terminal(nations, "broken", (80, 24), room="Broken") as desk:
        assert desk.told("alarm") == ""
        conflicts = replace(standing_of(desk.app.watch_over.client.profile.store), conflicts=1)
        monkeypatch.setattr("amanah_client.terminal.watch.standing_of", lambda _: conflicts)
        desk.app.show()
        await desk.sees("The relay's log contradicts itself: 1 contradiction is kept as evidence.", "alarm")
        await desk.sees("Nothing is sent any more.", "alarm")
        await desk.sees("The log is broken", "foot")
        assert desk.drawn().index("contradicts itself") < desk.drawn().index("Broken")
        desk.shoot("broken-80x24")


async def test_what_is_refused_or_alarmed_is_told_and_a_fault_ends_without_what_was_sealed(
    nations: Nations, capsys: pytest.CaptureFixture[str]
) -> None:
    async with at_the_terminal(nations, "faults", (80, 24), room="Faults") as desk:
        app, pilot = desk.app, desk.pilot
        await desk.type("/invite cert.example.xx")
        await desk.sees("Refused: ", "told")
        await pilot.press("escape", "tab", "home", "1")
        await desk.sees("Acknowledged: received.", "told")
        await pilot.press("f4")
        await desk.sees("Nothing is held.", "told")
        app.composer.fill("to be emptied")
        await pilot.press("ctrl+c")
        await desk.sees("Ctrl+C again leaves.", "told")
        assert app.composer.text == ""
        app._handle_exception(OperationalError(Code.STORE, "a fault of the store"))  # noqa: SLF001 - as Textual calls it
        await until(lambda: not app.is_running)
        app._exception = None  # noqa: SLF001 - it would be raised once more, here
    assert isinstance(app.fault, OperationalError)
    assert "Traceback" not in "".join(capsys.readouterr())
