"""What fails is told, and the rooms stay; what was emptied comes back, in its own room alone."""

from __future__ import annotations

import pytest

from amanah_client import Client
from amanah_client.store.store import LocalStore
from amanah_client.terminal.composer import Composer
from amanah_protocol.errors import Code, OperationalError
from amanah_protocol.labels import Label
from tests.client.terminal.officers import Desk, at_the_terminal, joined, until
from tests.end_to_end.nations import Nations

FULL = OperationalError(Code.DISK_FULL, "no space is left")


async def fails(*_: object, **__: object) -> None:
    raise FULL


async def tells(desk: Desk) -> None:
    await desk.sees("Not done: no space is left.", "told")
    assert desk.app.is_running
    await desk.pilot.press("escape")
    await until(lambda: "no space" not in desk.told("told"))


async def test_whatever_a_full_disk_refuses_is_told_and_ends_nothing(
    nations: Nations, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with at_the_terminal(nations, "full", (80, 24), room="Full") as desk:
        app, pilot = desk.app, desk.pilot
        theirs = await joined(desk.malware, "Full")
        await theirs.send("before the disk was full")
        await desk.sees("before the disk", "conversation")
        with monkeypatch.context() as broken:
            broken.setattr(Client, "ask", fails)
            # A key, a question that is answered, a new room, a draft that a timer keeps.
            await pilot.press("tab", "3")
            await tells(desk)
            await desk.type("/tlp green #" + theirs.messages(newest=True)[-1].id.hex()[:8])
            await desk.sees("Not done: ", "told")  # somebody else's is not lowered
            await pilot.press("escape")
            app.composer.fill("")
            await pilot.press("ctrl+k")
            await until(lambda: app.screen.is_modal)
            await pilot.press(*"New room", "enter")
            await pilot.pause()
            await pilot.press("down", "enter")
            await tells(desk)
        with monkeypatch.context() as broken:
            broken.setattr(type(app.watch_over.client.profile.store.desk), "put_draft", refuse)
            await pilot.press(*"half a sentence")
            await tells(desk)
            await pilot.press("alt+down")
            await pilot.press("escape")
        assert app.composer.text == "half a sentence"
        await theirs.send("after it had room again")
        await desk.sees("after it had room again", "conversation")


def refuse(*_: object, **__: object) -> None:
    raise FULL


async def test_what_arrives_and_cannot_be_read_from_the_store_is_told(
    nations: Nations, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with at_the_terminal(nations, "unread", (80, 24), room="Unread") as desk:
        theirs = await joined(desk.malware, "Unread")
        with monkeypatch.context() as broken:
            broken.setattr(LocalStore, "intents", refuse)
            desk.app.show()
            assert "no space is left" in desk.told("told")
        with monkeypatch.context() as broken:
            broken.setattr("amanah_client.feed.Feed.take", refuse)
            await theirs.send("not taken up")
            await desk.sees("no space is left", "told")
        await theirs.send("taken up")
        await desk.sees("taken up", "conversation")


async def test_what_was_emptied_defanged_or_replaced_comes_back_and_in_no_other_room(nations: Nations) -> None:
    async with at_the_terminal(nations, "undo", (80, 24), room="Undo") as desk:
        app, pilot = desk.app, desk.pilot
        await app.watch_over.client.create_room("Undo elsewhere", label=Label.CLEAR)
        await desk.sees("Undo elsewhere", "rooms")
        await pilot.press(*"for us alone http://203.0.113.54/")
        await pilot.press("ctrl+c")
        assert app.composer.text == ""
        await pilot.press("ctrl+z")
        assert app.composer.text == "for us alone http://203.0.113.54/"
        await pilot.press("ctrl+d")
        assert app.composer.text == "for us alone hxxp://203.0.113[.]54/"
        await pilot.press("ctrl+z")
        assert app.composer.text == "for us alone http://203.0.113.54/"
        # Neither what is being written nor what was sent can be brought back where others read it.
        await pilot.press("alt+down")
        await desk.sees("Undo elsewhere", "head")
        await pilot.press("ctrl+z", "ctrl+z")
        assert app.composer.text == ""
        await desk.type("sent here")
        await pilot.press("ctrl+z")
        assert app.composer.text == ""


async def test_enter_counts_for_the_room_that_it_was_pressed_in(nations: Nations) -> None:
    async with at_the_terminal(nations, "overtaken", (80, 24), room="Overtaken") as desk:
        app = desk.app
        theirs = await joined(desk.malware, "Overtaken")
        await app.watch_over.client.create_room("Elsewhere", label=Label.CLEAR)
        await desk.sees("Elsewhere", "rooms")
        other = app.watch_over.client.room("Elsewhere")
        shown = app.composer.shown
        # As when another room is opened between the key and what it does.
        app.look_at(other.id)
        for text in ("for them alone", "/no-such-command"):
            app.composer.post_message(Composer.Sent(text, shown))
        await until(lambda: "for them alone" in [one.text for one in theirs.messages()])
        await desk.sees("there is no command", "told")
        assert app.composer.text == ""
        assert "for them alone" not in [one.text for one in other.messages()]
        app.look_at(theirs.id)
        await until(lambda: app.composer.text == "/no-such-command")
