"""What an officer takes back at the terminal, and how it stands there from then on."""

from __future__ import annotations

import re

from amanah_client.saying import saying
from amanah_client.terminal.dialogs import Finding
from amanah_client.terminal.sheet import Sheet
from amanah_protocol.content.revision import Correction, Withdrawal
from amanah_protocol.content.task import Task
from amanah_protocol.types import OrgName
from tests.client.terminal.officers import MA, Desk, at_the_terminal, joined, until
from tests.end_to_end.nations import Nations


async def newest(desk: Desk, what: str) -> str:
    """The digits of the newest entry of a kind that has its place."""
    found: list[str] = []

    def is_there() -> bool:
        messages = desk.malware.room("Taking back").messages()
        found[:] = [one.id.hex()[:12] for one in messages if type(one.body).__name__ == what]
        return bool(found)

    await until(is_there)
    return found[-1]


async def test_a_task_and_a_proposal_are_taken_back_and_open_no_more(nations: Nations) -> None:
    async with at_the_terminal(nations, "taking back", room="Taking back") as desk:
        await joined(desk.malware, "Taking back")
        await desk.type(f"/task {MA} by 2020-01-01T00:00 Image the disks")
        await desk.sees("late by", "board")
        task = await newest(desk, "Task")
        await desk.type(f"/correct #{task} Image all disks")
        await desk.sees("only a text is corrected", "told")
        await desk.sees("Withdraw it, and ask anew.", "told")
        await desk.pilot.press("escape")
        await desk.type(f"/withdraw #{task} wrong nation")
        await desk.sees("Taken back: Image the disks", "told")
        await desk.sees(": wrong nation", "conversation")
        await desk.sees("withdrawn", "board")
        assert "late by" not in desk.told("board", "conversation")
        await desk.type("/decide by +2h Sinkhole the domains")
        await desk.sees("Your nation has not said where it stands.", "board")
        await desk.type(f"/withdraw #{await newest(desk, 'Proposal')}")
        await desk.sees("Withdrawn: nothing is decided.", "board")
        assert "Your nation has not said" not in desk.told("board", "conversation")
        # What it said is still there to be looked at.
        await desk.pilot.press("tab", "end", "space")
        await desk.sees("Decision 1  Sinkhole the domains", "conversation")
        await desk.pilot.press("c")
        await desk.sees("Only a text is corrected.", "told")


async def test_what_was_taken_back_is_found_without_its_words_and_what_was_corrected_where_it_stands(
    nations: Nations,
) -> None:
    async with at_the_terminal(nations, "finding", room="Taking back") as desk:
        theirs = await joined(desk.malware, "Taking back")
        leaked = (await theirs.send("The loader has hunter2")).envelope
        said = (await theirs.send("The loader is signed")).envelope
        assert leaked is not None
        assert said is not None
        await theirs.send(Withdrawal(message=leaked, reason="wrong room"))
        await theirs.send(Correction(message=said, text="Signed twice is the loader"))
        await desk.sees("corrected once", "conversation")
        await desk.sees("Withdrawn by its author at", "conversation")
        await desk.type("/search loader")
        await until(lambda: isinstance(desk.app.screen, Finding))
        await desk.pilot.pause()
        drawn = desk.drawn()
        assert "3 messages fit" in drawn
        assert re.search(r"TLP:AMBER\s+corrected\s*The loader is signed", drawn), drawn
        assert re.search(r"TLP:AMBER\s+Signed twice", drawn), drawn
        assert re.search(r"TLP:AMBER\s+Withdrawn by its author at [^:]+:\d\d UTC: wrong room", drawn), drawn
        assert "hunter2" not in drawn
        # The first is the correction: it stands at what it corrects.
        await desk.pilot.press("enter")
        await until(lambda: not isinstance(desk.app.screen, Finding))
        await desk.pilot.pause()
        assert desk.app.query_one("#conversation", Sheet).marked == said.hex()


async def test_what_others_send_all_the_same_is_shown_as_what_does_not_count(nations: Nations) -> None:
    async with at_the_terminal(nations, "all the same", room="Taking back") as desk:
        theirs = await joined(desk.malware, "Taking back")
        sent = await theirs.send(Task(id=bytes(16), what="Image the disks", nation=OrgName(MA)))
        assert sent.envelope is not None
        # As a client sends it that does not ask first whether it counts.
        body = Correction(message=sent.envelope, text="Image all disks")
        await desk.malware.do(saying(theirs.id, body, label=theirs.ceiling))
        await desk.sees("something without effect (correction): only a text is corrected", "conversation")
        assert "Image all disks" not in desk.told()
