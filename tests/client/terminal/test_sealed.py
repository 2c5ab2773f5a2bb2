"""What is sealed goes to those whom the screen named when Enter was pressed, or it does not go."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from msgspec import structs

from amanah_client.attaching import Attach
from amanah_client.saying import Say
from amanah_client.sdk import Client
from amanah_client.terminal.app import Terminal
from amanah_client.terminal.composer import Composer
from amanah_protocol.labels import Label
from tests.client.terminal.officers import MA, TN, Desk, at_the_terminal, joined, until
from tests.end_to_end.nations import Nations

OTHERS = "00" * 32
CHANGED = "Who can read this room has changed: nothing was sent"


async def test_nothing_is_sealed_for_others_than_were_named(nations: Nations, tmp_path: Path) -> None:
    (tmp_path / "hosts.txt").write_text("berth 4")
    async with at_the_terminal(nations, "named", (80, 24), room="Named") as desk:
        app = desk.app
        room = app.watch_over.client.room("Named")
        await desk.type("/close 3")
        await desk.sees("/sign signs for your nation.", "board")
        await until(lambda: not app.watch_over.client.outbox())
        shown, before = app.composer.shown, room.row.head_seq
        assert shown is not None
        seals = ("for them alone", f"/task {MA} image it", "/clock action +1h all at once", "/decide by +1h go",
                 "/incident severity high", "/handover all quiet", f"/attach {tmp_path / 'hosts.txt'}",
                 "/close 3", "/sign", "/close record")  # fmt: skip
        for line in seals:
            app.composer.post_message(Composer.Sent(line, replace(shown, readers=OTHERS)))
            await desk.sees(CHANGED, "told")
            await until(lambda line=line: app.composer.text == line)  # type: ignore[misc]  # bound as it is looked at
            app.composer.fill("")
            app.tell("")
            await desk.pilot.pause()
        assert app.watch_over.client.outbox() == ()
        assert room.row.head_seq == before
        app.composer.post_message(Composer.Sent("for all of them", shown))
        await desk.sees("for all of them", "conversation")


async def test_what_was_written_before_somebody_left_is_looked_at_again(nations: Nations) -> None:
    async with at_the_terminal(nations, "left", (80, 24), room="Left") as desk:
        app = desk.app
        room, before = app.watch_over.client.room("Left"), app.composer.shown
        await room.remove(desk.shift.me)
        await desk.sees("2 devices can read", "head")
        # As when the screen changes between the key and what it does.
        app.composer.post_message(Composer.Sent("for all of you", before))
        await desk.sees(f"{CHANGED}. Look again at who can read it, then do it again.", "told")
        await until(lambda: app.composer.text == "for all of you")
        await desk.pilot.press("enter")
        await desk.sees("for all of you", "conversation")
        await until(lambda: [one.text for one in room.messages() if one.text] == ["for all of you"])


async def test_what_is_signed_or_recorded_is_the_closing_that_stood_there(nations: Nations) -> None:
    async with at_the_terminal(nations, "which", (80, 24), room="Which") as desk:
        app = desk.app
        await desk.type("/close 3")
        await desk.sees("/sign signs for your nation.", "board")
        shown = app.composer.shown
        assert shown is not None
        other = structs.replace(shown.closing, entry=None)
        app.composer.post_message(Composer.Sent("/sign", replace(shown, closing=other)))
        await desk.sees("is not what you were shown; nothing was signed or recorded", "told")
        await until(lambda: app.composer.text == "/sign")
        await desk.pilot.press("enter")
        await desk.sees("Signed for your nation.", "told")


async def test_what_waits_names_whom_its_author_was_shown(nations: Nations, tmp_path: Path) -> None:
    (tmp_path / "hosts.txt").write_text("berth 4")
    home = nations.enrol("alone", TN, called="Analyst on duty")
    async with await Client.open(home) as own:
        await own.online()
        await own.create_room("Alone", label=Label.AMBER)
        await joined(own, "Alone")
    async with (
        await Client.open(home, connect=False) as own,
        Terminal(own, "Alone").run_test(size=(80, 24)) as pilot,
    ):
        assert isinstance(pilot.app, Terminal)
        desk = Desk(pilot.app, pilot, own, own)
        await desk.sees("1 device can read", "head")
        await desk.type("kept for us")
        await desk.type(f"/attach {tmp_path / 'hosts.txt'}")
        await until(lambda: len(own.outbox()) == 2)
        for intent in own.outbox():
            assert isinstance(intent.action, Say | Attach)
            assert intent.action.circle == (own.me,)
