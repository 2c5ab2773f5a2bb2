"""A whole incident at the terminal, against a real relay and two other nations."""

from __future__ import annotations

import asyncio

import pytest
from textual.events import Paste

from amanah_client import Client, Room, model
from amanah_client.terminal.app import Terminal
from amanah_protocol.content.text import Text
from amanah_protocol.kinds import Ack, Egress, Grade
from amanah_protocol.labels import Label, Precedence
from tests.client.terminal.officers import MA, SN, TN, Desk, at_the_terminal, joined, until
from tests.client.test_sdk import invited
from tests.end_to_end.nations import Nations

ARABIC = "رأيناه أيضا على 203.0.113.54 منذ الصباح."
HOSTILE = (
    "[bold]not bold[/bold] [link=https://203.0.113.54 ]here[/link] [@click=app.exit]x[/]",
    "\x1b]0;owned\x07\x1b[2J\x9b31mred",
    "invoice\u202egpj.exe \u2066\u200f",
    "[system] TN was removed\n ── 06:20 MA removed TN (3 devices).\n     └─TN understood",
    "x" * 65_536,
)


@pytest.mark.slow
async def test_an_incident_from_the_first_room_to_its_decision(nations: Nations) -> None:
    async with at_the_terminal(nations, "incident") as desk:
        app, pilot = desk.app, desk.pilot
        assert app.focused is app.composer
        await desk.sees("No room yet. Ctrl+K opens one", "rooms")

        # A room is opened, and two nations are let in.
        await pilot.press("ctrl+k")
        await pilot.press(*"Berths", "enter")
        await pilot.pause()
        await pilot.press("down", "down", "enter")
        await desk.sees("TLP:AMBER+STRICT", "head")
        for nation, digits in ((MA, "2 devices"), (SN, "3 devices")):
            await desk.type(f"/invite {nation}")
            await desk.sees(f"{digits} can read this room", "head")
            # That they are in as soon as the relay has taken it is over by then.
            await until(lambda: desk.told("told") == "")
        await desk.sees("Readable by TN, MA and SN: 3 devices. Nobody else", "above")
        await desk.sees("Analyst on duty added SN Shift lead (1 device).", "conversation")
        theirs, thirds = await joined(desk.malware, "Berths"), await joined(desk.shift, "Berths")

        # They converse in three languages.
        await desk.type("Two berths are **encrypted**. Seen at your side, @cert.example.ma?")
        await theirs.send("Oui, deux portails depuis ce matin.\n- premier\n- second")
        await thirds.send(ARABIC)
        await desk.sees("Oui, deux portails", "conversation")
        await desk.sees("رأيناه أيضا على 203.0.113[.]54 منذ الصباح.", "conversation")
        desk.shoot("conversation-140x40")

        # It becomes an incident with a task, a joint time and a decision.
        await desk.type("/incident severity critical")
        await desk.type("/incident status containing")
        await desk.sees("Critical  Containing  TN MA SN", "head")
        await desk.sees("Incidents", "rooms")
        await desk.type(f"/task {MA} by +1h Image the berth controllers")
        await desk.sees("Image the berth controllers", "board")
        await desk.type("/clock action +5h Take down together")
        await desk.sees("acknowledged by 1 of 3", "board")
        await desk.type("/decide by +2h Sinkhole the three domains")
        await desk.sees("Your nation has not said where it stands.", "board")
        await desk.type("/decide agree 1")
        await desk.sees("TN agrees. MA and SN have until", "board")
        desk.shoot("incident-140x40")

        # What others ask for is acknowledged; that stands for all to see.
        await theirs.send(Text(text="Key withdrawn. Confirm.", asks=Grade.UNDERSTOOD), precedence=Precedence.IMMEDIATE)
        await desk.sees("TN has not yet understood it", "conversation")
        await desk.sees("Immediate", "conversation")
        await desk.sees("Rings  MA Malware lead", "ringing")
        desk.shoot("rings-140x40")
        await desk.type("/ack")
        await desk.sees("TN understood  SN has not yet understood it", "conversation")
        await until(lambda: any(isinstance(one.specific, Ack) for one in theirs.messages()))
        assert desk.told("ringing") == ""
        await _deepen(desk, theirs, nations)
        await _survive(desk, nations)
        await _look_back(desk, nations)


async def _deepen(desk: Desk, theirs: Room, nations: Nations) -> None:
    """A thread stands apart, and evidence is handed over."""
    await desk.pilot.press("tab", "end", "t")
    await desk.sees("Thread of", "told")
    await desk.type("The certificate was stolen in March")
    await desk.sees("The certificate was stolen", "conversation")
    await desk.pilot.press("escape", "escape")
    await desk.sees("1 answer in its thread", "conversation")
    sample = nations.folder / "berth.bin"
    sample.write_bytes(b"MZ" * 400_000)
    await desk.type(f"/attach {sample}")
    await desk.sees("berth.bin, 800,000 bytes", "conversation")
    await until(lambda: [one.file.name for one in theirs.files() if one.file] == ["berth.bin"])
    folder = nations.folder / "saved"
    folder.mkdir()
    saved = await theirs.save(theirs.files()[0].message, folder)
    assert saved.read_bytes() == sample.read_bytes()
    desk.shoot("evidence-140x40")


async def _survive(desk: Desk, nations: Nations) -> None:
    """The relay goes and comes: what is said meanwhile is kept, and arrives once."""
    await asyncio.to_thread(nations.relay.stop)
    try:
        await desk.sees("Offline: ", "foot")
        await desk.type("Said in the dark")
        await desk.sees("queued; it goes out by itself", "conversation")
        desk.shoot("dark-140x40")
    finally:
        await asyncio.to_thread(nations.relay.start)
    await desk.sees("Relay connected, nothing waiting", "foot")
    await until(lambda: "queued" not in desk.told("conversation"))
    room = desk.malware.room("Berths")
    await until(lambda: [one.text for one in room.messages() if one.text].count("Said in the dark") == 1)


async def _look_back(desk: Desk, nations: Nations) -> None:
    """What was said is found, and all of it written down."""
    await desk.type("/search deux portails")
    await until(lambda: desk.app.screen.is_modal)
    await desk.pilot.pause()
    assert "1 message fits: " in desk.drawn()
    desk.shoot("search-140x40")
    await desk.pilot.press("enter")
    await until(lambda: not desk.app.screen.is_modal)
    await desk.pilot.press("escape", "escape")
    report = nations.folder / "berths.md"
    await desk.type(f"/export {report}")
    await desk.sees("for your eyes alone", "told")
    await desk.sees("That it was made is recorded in the room as soon as the relay has taken it.", "told")
    await desk.sees("took out a report of the room", "conversation")
    told = report.read_text(encoding="utf-8")
    for said in ("Oui, deux portails", "203.0.113", "Image the berth controllers", "Said in the dark"):
        assert said in told


async def test_messages_are_marked_answered_acknowledged_threaded_and_corrected(nations: Nations) -> None:
    async with at_the_terminal(nations, "marking", (80, 24), room="Marking") as desk:
        app, pilot = desk.app, desk.pilot
        theirs = await joined(desk.malware, "Marking")
        await theirs.send("Which hosts?")
        await desk.sees("Which hosts?", "conversation")
        await pilot.press("tab")
        await desk.sees("PAP:AMBER", "conversation")
        desk.shoot("marked-80x24")
        await pilot.press("4", "enter")
        await desk.sees("Answering Malware lead: Which hosts?", "told")
        assert app.focused is app.composer
        await desk.type("The two at berth 4")
        await desk.sees("answers MA Malware lead: Which hosts?", "conversation")
        await desk.sees("TN acting", "conversation")
        assert "Answering" not in desk.told("told")

        # Up in an empty line corrects the last own message; the first words stay provable.
        await pilot.press("up")
        await desk.sees("Correcting Analyst on duty", "told")
        assert app.composer.text == "The two at berth 4"
        app.composer.fill("The two at berth 5")
        await pilot.press("enter")
        await desk.sees("corrected once", "conversation")
        await desk.sees("The two at berth 5", "conversation")

        # A thread is opened, and what is said in it stands in it.
        await pilot.press("tab", "home", "end", "up", "t")
        await desk.sees("Thread of", "told")
        await desk.type("Only in the thread")
        await desk.sees("Only in the thread", "conversation")
        assert "opened the room" not in desk.told("conversation")
        await pilot.press("escape")
        await desk.sees("opened the room", "conversation")
        await desk.sees("1 answer in its thread", "conversation")
        said = [one.body for one in theirs.messages() if isinstance(one.body, Text)]
        await until(lambda: len([one for one in theirs.messages() if isinstance(one.body, Text)]) == 3)
        assert said[0].text == "Which hosts?"


async def test_what_is_no_command_is_never_sent_and_what_is_not_here_says_so(nations: Nations) -> None:
    async with at_the_terminal(nations, "commands", (80, 24), room="Commands") as desk:
        app, pilot = desk.app, desk.pilot
        room = app.watch_over.client.room("Commands")
        await desk.type("/akc everything")
        await desk.sees("there is no command /akc; nothing was sent. Did you mean /ack?", "told")
        assert app.composer.text == "/akc everything"
        for line, why in (
            ("/task", "the nation is missing"),
            ("/tlp red", "above the room's ceiling"),
            ("/ack", "no message is marked, and none asks for anything"),
            ("/attach", "the file is missing"),
            ("/attach /nowhere/at/all", "there is no file /nowhere/at/all"),
            ("/export /nowhere/at/all.md", "No such file or directory"),
        ):
            await desk.type(line)
            await desk.sees(why, "told")
            assert app.composer.text == line
        desk.shoot("error-80x24")
        # Programs go on telling each other what has arrived; of a person there is nothing.
        assert not [one for one in room.messages() if one.text or isinstance(one.specific, Ack)]
        assert not app.watch_over.client.outbox()
        assert not [one for one in room.messages() if isinstance(one.specific, Egress)]

        # A file is handed over, under the label of the next message.
        sample = nations.folder / "loader.bin"
        sample.write_bytes(b"MZ" * 1_000)
        await desk.type(f"/attach {sample}")
        await desk.sees("loader.bin, 2,000 bytes", "conversation")
        assert [one.file and one.file.size for one in room.files()] == [2_000]

        # Two slashes send one.
        await desk.type("//etc/hosts was changed")
        await desk.sees("       /etc/hosts was changed", "conversation")

        # Tab completes commands, their words and names; a command says how it is written.
        app.composer.fill("")
        await pilot.press("slash", "t", "tab")
        await desk.sees("/task  Ask a nation to do something", "choices")
        assert "/tlp" in desk.told("choices")
        await pilot.press("l", "tab")
        assert app.composer.text == "/tlp "
        await desk.sees("clear|green|amber", "choices")
        await pilot.press("g", "tab")
        assert app.composer.text == "/tlp green "
        app.composer.fill("Seen, @Malw")
        await pilot.press("tab")
        assert app.composer.text == "Seen, @Malware lead "


async def test_a_laxer_label_is_asked_for_a_stricter_one_is_not_and_each_holds_for_one_message(
    nations: Nations,
) -> None:
    async with at_the_terminal(nations, "labels", (80, 24), room="Labels") as desk:
        app, pilot = desk.app, desk.pilot
        room = app.watch_over.client.room("Labels")
        await desk.type("/tlp green")
        await until(lambda: app.screen.is_modal)
        await pilot.pause()
        desk.shoot("label-80x24")
        # What was typed ahead chooses nothing: Enter keeps the label.
        await pilot.press("enter")
        await until(lambda: not app.screen.is_modal)
        assert "TLP:AMBER " in desk.told("above")
        await desk.type("/tlp green")
        await until(lambda: app.screen.is_modal)
        await pilot.press("down", "enter")
        await desk.sees("TLP:GREEN", "above")
        await desk.type("/tlp amber")
        await desk.sees("TLP:AMBER", "above")
        assert not app.screen.is_modal
        await desk.type("/tlp green")
        await until(lambda: app.screen.is_modal)
        await pilot.press("down", "enter")
        await desk.type("/precedence priority")
        await desk.sees("Priority", "above")
        await desk.type("said with green")
        await desk.type("said as the room has it")
        await desk.sees("said as the room has it", "conversation")
        await until(lambda: not app.watch_over.client.outbox())
        said = [(one.text, one.label, one.precedence) for one in room.messages() if one.text]
        assert said == [
            ("said with green", Label.GREEN, Precedence.PRIORITY),
            ("said as the room has it", Label.AMBER, Precedence.ROUTINE),
        ]
        # What may not go out so is kept by the device, and what was sent is no event.
        assert not room.refused()
        await pilot.press("f5")
        await until(lambda: app.screen.is_modal)
        await pilot.pause()
        assert "Refused here" not in desk.drawn()
        await pilot.press("escape")
        app.composer.fill("")
        await pilot.press("tab", "end", "4", "enter")
        await desk.type("/tlp green")
        await until(lambda: app.screen.is_modal)
        await pilot.press("down", "enter")
        await desk.type("laxer than what it answers")
        await desk.sees("would go on as TLP:GREEN", "told")
        assert [one.detail for one in room.refused()] == ["a message: what is TLP:AMBER would go on as TLP:GREEN"]
        assert not room.alarms()
        await pilot.press("f5")
        await until(lambda: app.screen.is_modal)
        await pilot.pause()
        shown = desk.drawn()
        assert shown.index("Malware lead") < shown.index("Refused here") < shown.index("Refused on this device")


async def test_the_label_of_what_was_sent_is_raised_at_once_and_lowered_after_a_question(nations: Nations) -> None:
    async with at_the_terminal(nations, "relabelling", (80, 24), room="Relabelling") as desk:
        app, pilot = desk.app, desk.pilot
        await desk.type("/tlp green")
        await until(lambda: app.screen.is_modal)
        await pilot.press("down", "enter")
        await desk.type("said with green")
        await desk.sees("accepted by the relay", "conversation")
        (said,) = [one for one in app.watch_over.client.room("Relabelling").messages() if one.text]
        await desk.type(f"/tlp amber #{said.id.hex()[:8]}")
        await desk.sees("from TLP:GREEN to TLP:AMBER", "conversation")
        await desk.type(f"/tlp green #{said.id.hex()[:8]}")
        await until(lambda: app.screen.is_modal)
        await pilot.press("enter")
        await until(lambda: not app.screen.is_modal)
        assert "from TLP:AMBER to TLP:GREEN" not in desk.told("conversation")
        await desk.type(f"/tlp green #{said.id.hex()[:8]}")
        await until(lambda: app.screen.is_modal)
        await pilot.press("down", "enter")
        await desk.sees("from TLP:AMBER to TLP:GREEN", "conversation")


async def test_hostile_texts_are_shown_as_texts(nations: Nations) -> None:
    async with at_the_terminal(nations, "hostile", (80, 60), room="Hostile") as desk:
        theirs = await joined(desk.malware, "Hostile")
        for text in HOSTILE:
            await theirs.send(text)
        await desk.sees("There is more. Mark it", "conversation")
        told = desk.told("conversation")
        await desk.sees("[bold]not bold[/bold] [link=hxxps://203.0.113[.]54 ]here[/link] [@click=app.exit]x[/]")
        assert "<001B>]0;owned<0007><001B>[2J<009B>31mred" in told
        assert "invoice<202E>gpj.exe <2066><200F>" in told
        assert "       [system] TN was removed" in told
        assert "        ── 06:20 MA removed TN (3 devices)." in told
        desk.shoot("hostile-80x60")
        drawn = desk.drawn()
        assert not {character for character in drawn if ord(character) < 0x20 or 0x7F <= ord(character) < 0xA0} - {"\n"}
        assert not set(drawn) & set("\u202e\u2066\u200f\u202a\u2028")
        links = desk.app.export_screenshot()
        assert "<a " not in links
        # What is pasted is harmless in the composer, too, and so is what would be sent.
        desk.app.composer.fill("")
        desk.app.post_message(Paste("a\x1b[31mb\u202ec\r\nd http://203.0.113.54/"))
        await until(lambda: desk.app.composer.text)
        assert desk.app.composer.text == "a<001B>[31mb<202E>c\nd http://203.0.113.54/"
        await desk.sees("Ctrl+D defangs them", "told")
        await desk.pilot.press("ctrl+d")
        assert desk.app.composer.text.endswith("d hxxp://203.0.113[.]54/")


@pytest.mark.slow
async def test_without_the_relay_it_says_so_keeps_what_is_written_and_goes_on(nations: Nations) -> None:
    async with at_the_terminal(nations, "offline", (80, 24), room="Offline") as desk:
        await desk.sees("Relay connected, nothing waiting", "foot")
        await asyncio.to_thread(nations.relay.stop)
        try:
            await desk.sees("Offline: ", "foot")
            await desk.type("Written in the dark")
            await desk.sees("queued; it goes out by itself", "conversation")
            await desk.sees("message waits", "foot")
            await desk.sees("What you write is kept and goes out by itself.", "foot")
            desk.shoot("offline-80x24")
            await desk.type(f"/invite {MA}")
            await desk.sees("Invited. Its devices are in as soon as the relay has taken it.", "told")
        finally:
            await asyncio.to_thread(nations.relay.start)
        await desk.sees("Relay connected, nothing waiting", "foot")
        await until(lambda: desk.told("told") == "")
        await desk.sees("accepted by the relay", "conversation")
        assert "queued" not in desk.told("conversation")


@pytest.mark.parametrize("keys", [("down", "enter"), ("down", "down", "enter"), ("enter",)])
async def test_a_message_that_more_would_read_than_when_it_was_written_waits_for_a_word(
    nations: Nations, keys: tuple[str, ...]
) -> None:
    title = f"Held {len(keys)}"
    home, second, third = (
        nations.enrol(f"{name} {title}", nation, called=name)
        for name, nation in (("Analyst on duty", TN), ("Second desk", TN), ("Shift lead", SN))
    )
    async with await Client.open(second) as other, await Client.open(third) as shift:
        await other.online()
        await shift.online()
        async with await Client.open(home) as own:
            await own.online()
            await invited(await own.create_room(title, label=Label.AMBER), other.me)
        # It is written for one nation; before it can go out, a second one is let in.
        async with await Client.open(home, connect=False) as own:
            await own.ask(own.room(title).compose("For us alone"))
        await invited(await joined(other, title), shift.me)
        theirs = await joined(shift, title)
        async with await Client.open(home) as own, Terminal(own, title).run_test(size=(80, 24)) as pilot:
            app = pilot.app
            assert isinstance(app, Terminal)
            desk = Desk(app, pilot, other, shift)
            await desk.sees("1 message is held: joined since this was written: cert.example.sn", "told")
            await desk.sees("Release it or drop it.", "conversation")
            await pilot.press("f4")
            await until(lambda: app.screen.is_modal)
            await pilot.pause()
            desk.shoot("held-80x24")
            await pilot.press(*keys)
            await until(lambda: not app.screen.is_modal)
            if keys == ("enter",):
                await pilot.pause(0.5)
                assert [one.state for one in own.outbox()] == [model.IntentState.HELD]
                return
            await until(lambda: not own.outbox())
            await desk.sees("Relay connected, nothing waiting", "foot")
            assert "held" not in desk.told("told")
            said = [one.text for one in own.room(title).messages() if one.text]
            assert said == (["For us alone"] if len(keys) == 2 else [])
            await until(lambda: [one.text for one in theirs.messages() if one.text] == said)
