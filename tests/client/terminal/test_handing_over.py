"""Files that go out and come in, and the end of an incident."""

from __future__ import annotations

import asyncio
import threading
from functools import partial
from pathlib import Path

import pytest

from amanah_client.room import Room
from amanah_client.templates.template import built_in, decode_template
from amanah_protocol import attachment
from amanah_protocol.content.closing import Closing, ClosingRecorded, SignOff
from amanah_protocol.errors import Code, OperationalError
from tests.client.terminal.officers import at_the_terminal, joined, until
from tests.end_to_end.nations import Nations

SAMPLE = b"MZ" * 700_000


async def test_a_file_is_sealed_beside_what_is_typed_and_shows_how_far_it_is(
    nations: Nations, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sealed_on, seal = threading.Event(), attachment.seal_chunk

    def slowly(*words: object) -> bytes:
        if words[3] == 1:  # the second chunk
            assert sealed_on.wait(30)
        return seal(*words)  # type: ignore[arg-type]  # as it is called

    monkeypatch.setattr("amanah_client.spool.seal_chunk", slowly)
    (tmp_path / "loader.bin").write_bytes(SAMPLE)
    async with at_the_terminal(nations, "sealing", (80, 24), room="Sealing") as desk:
        app, pilot = desk.app, desk.pilot
        await desk.type(f"/attach {tmp_path / 'loader.bin'}")
        try:
            await desk.sees("Sealing loader.bin", "moving")
            await desk.sees("of 1,400,000 bytes", "moving")
            assert "\N{FULL BLOCK}" in desk.told("moving")
            desk.shoot("sealing-80x24")
            # Whoever attached it goes on; what would be lost by leaving is asked for first.
            await desk.type("Meanwhile we talk")
            await desk.sees("Meanwhile we talk", "conversation")
            await pilot.press("ctrl+q")
            await desk.sees("A file is not sealed or written yet.", "told")
            assert app.is_running
        finally:
            sealed_on.set()
        await desk.sees("loader.bin, 1,400,000 bytes", "conversation")
        await until(lambda: desk.told("moving") == "")


async def test_a_file_of_another_nation_is_saved_whole_where_it_is_wanted(nations: Nations, tmp_path: Path) -> None:
    async with at_the_terminal(nations, "saving", (80, 24), room="Saving") as desk:
        pilot = desk.pilot
        theirs = await joined(desk.malware, "Saving")
        await desk.type("/save")
        await desk.sees("there is no file in sight", "told")
        await pilot.press("ctrl+c", "escape")
        for name, sample in (("first.bin", False), ("second.bin", True)):
            (tmp_path / name).write_bytes(SAMPLE)
            await theirs.attach(tmp_path / name, sample=sample)
            await desk.sees(f"{name}, 1,400,000 bytes", "conversation")
        folder = tmp_path / "evidence"
        await desk.type(f"/save {folder}")
        await desk.sees("is no folder", "told")
        folder.mkdir()
        await pilot.press("ctrl+c")
        await desk.type(f"/save {folder}")
        # The newest without a word; a sample in a container alone.
        await desk.sees("Saved as", "told")
        assert [one.name for one in folder.iterdir()] == ["second.bin.zip"]
        # What was fetched before and was damaged since is fetched anew.
        file = theirs.files()[0]
        lies = desk.app.watch_over.client.profile.spool.fetched(file.attachment)
        lies.parent.mkdir(exist_ok=True)
        lies.write_bytes(b"damaged")
        first = file.message.id.hex()
        await desk.type(f"/save #{first[:8]} {folder}")
        await until((folder / "first.bin").exists)
        assert (folder / "first.bin").read_bytes() == SAMPLE
        # By a key, at the one that is marked.
        await pilot.press("tab", "home", "end", "up", "s")
        assert desk.app.composer.text == "/save "


async def test_what_cannot_be_fetched_is_told_and_its_command_comes_back(
    nations: Nations, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fails(*_: object, **__: object) -> Path:
        raise OperationalError(Code.TIMEOUT, "nothing came")

    async with at_the_terminal(nations, "stalled", (80, 24), room="Stalled") as desk:
        theirs = await joined(desk.malware, "Stalled")
        (tmp_path / "first.bin").write_bytes(SAMPLE)
        await theirs.attach(tmp_path / "first.bin")
        await desk.sees("first.bin", "conversation")
        monkeypatch.setattr(Room, "save", fails)
        await desk.type(f"/save {tmp_path}")
        await desk.sees("Not done: nothing came.", "told")
        assert desk.app.composer.text == f"/save {tmp_path}"
        assert desk.told("moving") == ""


def _was_asked(room: Room) -> bool:
    return bool(room.board(about=()).closings)


@pytest.mark.slow
async def test_an_incident_is_closed_signed_by_its_nations_and_recorded(nations: Nations) -> None:
    async with at_the_terminal(nations, "closing", (80, 24), room="Closing") as desk:
        pilot = desk.pilot
        await desk.type("/sign")
        await desk.sees("nobody asked to close this room", "told")
        await pilot.press("ctrl+c")
        await desk.type("/close 3")
        await desk.sees("Asked. Who has signed stands on the board.", "told")
        await desk.sees("Closed", "head")
        room = desk.app.watch_over.client.room("Closing")
        (asked,) = [one for one in room.messages() if isinstance(one.body, Closing)]
        await desk.type("/close record")
        await desk.sees("not signed yet", "told")
        await pilot.press("ctrl+c")
        await desk.type("/sign")
        await desk.sees("Signed for your nation.", "told")
        for client in (desk.malware, desk.shift):
            theirs = await joined(client, "Closing")
            await until(partial(_was_asked, theirs))
            assert isinstance(asked.body, Closing)
            await theirs.send(SignOff(closing=asked.id, first=asked.body.first, facts=asked.body.facts))
        await desk.sees("MA, SN and TN have signed off.", "board")
        desk.shoot("closing-80x24")
        await desk.type("/close record")
        await desk.sees("Recorded that the closing stands.", "told")
        await until(lambda: [one for one in room.messages() if isinstance(one.body, ClosingRecorded) and one.room_seq])


@pytest.mark.slow
async def test_what_is_still_open_is_named_before_an_incident_is_closed(nations: Nations) -> None:
    async with at_the_terminal(nations, "open-ends", (80, 24), room="Open ends") as desk:
        room = desk.app.watch_over.client.room("Open ends")
        await desk.type("/task cert.example.tn image the disks")
        await until(lambda: bool(room.board(about=()).tasks))
        for command in ("/incident status closed", "/close 3"):
            await desk.type(command)
            await until(lambda: "image the disks" in desk.drawn() and desk.app.screen.is_modal)
            await desk.pilot.press("enter")
            await until(lambda: not desk.app.screen.is_modal)
        assert not _was_asked(room)
        assert room.board(about=()).standing.status is None
        await desk.type("/close 3")
        await until(lambda: "image the disks" in desk.drawn() and desk.app.screen.is_modal)
        desk.shoot("closing-asked-80x24")
        await desk.pilot.press("down", "enter")
        await desk.sees("Asked. Who has signed stands on the board.", "told")
        await until(partial(_was_asked, room))


@pytest.mark.slow
async def test_without_the_relay_nothing_is_signed_of_what_may_be_missing(nations: Nations) -> None:
    async with at_the_terminal(nations, "unsigned", (80, 24), room="Unsigned") as desk:
        await asyncio.to_thread(nations.relay.stop)
        try:
            await desk.sees("Offline: ", "foot")
            for command in ("/close", "/sign"):
                await desk.type(command)
                await desk.sees("[OFFLINE]", "told")
                assert desk.app.composer.text == command
                await desk.pilot.press("ctrl+c", "escape")
        finally:
            await asyncio.to_thread(nations.relay.start)
        await desk.sees("Relay connected", "foot")


async def test_a_room_is_opened_by_a_template_and_as_an_exercise(nations: Nations) -> None:
    async with at_the_terminal(nations, "opening", (80, 24)) as desk:
        app, pilot = desk.app, desk.pilot
        await pilot.press("ctrl+k")
        await until(lambda: app.screen.is_modal)
        await pilot.press(*"Night", "enter")
        await pilot.pause()
        assert "template ransomware" in desk.drawn()
        await pilot.press("end")
        await pilot.pause()
        assert "Open it as an exercise" in desk.drawn()
        await pilot.press("enter")
        await pilot.pause()
        assert "nothing in it is real" in desk.drawn()
        desk.shoot("opening-80x24")
        # The first template, behind what opens nothing and the five labels.
        await pilot.press("home", *["down"] * 6, "enter")
        await desk.sees("Drill: nothing here is real", "head")
        await desk.sees("Task", "board")
        room = app.watch_over.client.room("Night")
        assert room.is_drill
        assert len(room.board().tasks) == len(decode_template(built_in("phishing"), "phishing").task)


async def test_what_is_not_there_is_named_and_a_slash_shows_the_commands(
    nations: Nations, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Short names: a long one is broken in its middle at 80 columns.
    monkeypatch.chdir(tmp_path)
    (tmp_path / "net flow.txt").write_text("x")
    async with at_the_terminal(nations, "quoted", (80, 24), room="Quoted") as desk:
        desk.app.composer.fill("/")
        await desk.sees("/attach", "choices")
        await desk.sees("/ack", "choices")
        desk.app.composer.fill("")
        await desk.type("/attach nothing.txt")
        await desk.sees("nothing.txt; nothing was sent", "told")
        await desk.pilot.press("ctrl+c")
        await desk.type("/attach 'net flow.txt'")
        await desk.sees("Sealed.", "told")
        # It is told in passing: whoever writes on has read it.
        desk.app.composer.fill("and")
        await until(lambda: "Sealed." not in desk.told("told"))
        desk.app.composer.fill("")
        await desk.sees("net flow.txt", "conversation")
        await desk.type("/save /no/such/folder")
        await desk.sees("/no/such/folder; nothing was saved", "told")
        assert "--to" not in desk.told("told")
        await desk.pilot.press("ctrl+c")
        await desk.type("/sign")
        await desk.sees("/close asks its nations to sign off", "told")
