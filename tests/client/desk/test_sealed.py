"""What is sealed goes to whom the page has shown as readers, as it was written, and comes back a piece at a time."""

from __future__ import annotations

from typing import Any, Final

import pytest

from amanah_client.desk.desk import SHOWN_CHARS
from amanah_client.feed import MOST
from amanah_protocol.content.clock import Clock
from amanah_protocol.content.handover import Handover
from amanah_protocol.content.incident import Incident
from amanah_protocol.content.proposal import Proposal
from amanah_protocol.content.reaction import Reaction
from amanah_protocol.content.revision import Correction
from amanah_protocol.content.task import Task
from amanah_protocol.content.text import Text
from amanah_protocol.labels import Label, Pap
from amanah_protocol.types import EnvelopeId
from tests.client.desk.serving import SEALING, Page, text_of
from tests.client.desk.sitting import Sitting
from tests.client.desk.test_desk import MARKS, sitting
from tests.client.test_sdk import MA, TN, until

__all__ = ["sitting"]

NOBODY: Final = "00" * 32
ENTRY: Final = "ab" * 32
AS_IT_WAS: Final = {"label": "TLP:AMBER", "pap": "PAP:AMBER"}
CHOSEN: Final = {"label": "TLP:GREEN", "pap": "PAP:RED"}
ASKED: Final[dict[str, dict[str, Any]]] = {
    "type": {"text": "x", **MARKS},
    "react": {"entry": ENTRY, "sign": "\U0001f440", "stands": True},
    "correct": {"entry": ENTRY, "text": "x", **CHOSEN},
    "withdraw": {"entry": ENTRY, "reason": ""},
    "stand": {"severity": "high", **CHOSEN},
    "add_task": {"nation": TN, "what": "x", **CHOSEN},
    "move_task": {"task": "00" * 16, "state": "done"},
    "propose": {"what": "x", "until": "+2h", **CHOSEN},
    "position": {"ordinal": 1, "agrees": True},
    "set_clock": {"what": "x", "at": "+2h", **CHOSEN},
    "move_clock": {"clock": "01" * 16, "stands": False},
    "handover": {"text": "x", **CHOSEN},
    "ask_to_sign": {"nations": [TN], "days": 3},
    "sign_off": {"closing": ENTRY},
    "record_closing": {"closing": ENTRY, "signed": []},
    "remove": {"devices": [ENTRY]},
    "bring": {"name": "x", "size": 1, **MARKS},
}


async def test_nothing_is_sealed_for_others_than_the_page_has_shown(sitting: Sitting) -> None:
    page, room = sitting.page, sitting.room
    assert set(ASKED) == SEALING
    # What a position is about has to be there: then the readers alone are wrong.
    assert (await page.ask("propose", room=room, what="sinkhole", until="+2h", **CHOSEN))["ok"]
    assert (await page.ask("set_clock", room=room, what="sinkhole", at="+2h", **CHOSEN))["ok"]
    (clock,) = await page.until(lambda: page.told["board"]["decisions"] and page.told["board"]["clocks"])
    before = len(sitting.two.a.outbox())
    for what, fields in (ASKED | {"move_clock": {"clock": clock["id"], "stands": False}}).items():
        refused = await page.ask(what, room=room, readers=NOBODY, **fields)
        assert not refused["ok"], what
        assert refused["data"] == {"look": "readers"}, what
        assert "Look again at who can read it" in refused["text"]
    assert len(sitting.two.a.outbox()) == before
    for what in ("type", "stand", "add_task", "propose", "set_clock", "handover"):
        assert (await page.ask(what, room=room, **ASKED[what]))["ok"], what


FORMS: Final = ("stand", "add_task", "propose", "set_clock", "handover")


def marks(sitting: Sitting) -> set[tuple[str, str]]:
    """Under what all that was said in the room was sealed, as its other reader has it."""
    return {
        (message.label.text, message.pap.text)
        for message in sitting.two.theirs.messages()
        if isinstance(message.body, Incident | Task | Proposal | Clock | Handover) and message.pap is not None
    }


async def placed(sitting: Sitting, count: int) -> None:
    kinds = Incident | Task | Proposal | Clock | Handover
    await until(lambda: sum(isinstance(one.body, kinds) for one in sitting.two.theirs.messages()) == count)


@pytest.mark.parametrize("chosen", [CHOSEN, {"label": "TLP:AMBER", "pap": "PAP:GREEN"}])
async def test_a_form_is_sealed_under_the_label_and_pap_that_were_chosen(
    sitting: Sitting, chosen: dict[str, str]
) -> None:
    for what in FORMS:
        assert (await sitting.page.ask(what, room=sitting.room, **(ASKED[what] | chosen)))["ok"], what
    await placed(sitting, len(FORMS))
    assert marks(sitting) == {(chosen["label"], chosen["pap"])}


async def test_a_form_goes_under_no_label_above_the_ceiling_and_says_under_which(sitting: Sitting) -> None:
    above = {"label": "TLP:RED", "pap": "PAP:AMBER"}
    for what in FORMS:
        refused = await sitting.page.ask(what, room=sitting.room, **(ASKED[what] | above))
        assert "ceiling" in refused["text"], what
        unsaid = {name: value for name, value in ASKED[what].items() if name != "label"}
        assert not (await sitting.page.ask(what, room=sitting.room, **unsaid))["ok"], what
    assert sitting.two.a.outbox() == ()


async def test_a_joint_time_that_is_moved_or_called_off_keeps_its_label_and_pap(sitting: Sitting) -> None:
    page, room = sitting.page, sitting.room
    assert (await page.ask("set_clock", room=room, **ASKED["set_clock"]))["ok"]
    (clock,) = await page.until(lambda: page.told["board"]["clocks"])
    for fields in ({"at": "+4h"}, {"stands": False}):
        assert (await page.ask("move_clock", room=room, clock=clock["id"], **fields))["ok"]
    await placed(sitting, 3)
    assert marks(sitting) == {("TLP:GREEN", "PAP:RED")}


async def test_what_was_written_before_somebody_left_is_looked_at_again(sitting: Sitting) -> None:
    page, room = sitting.page, sitting.room
    shown = page.told["head"]["readers"]
    (theirs,) = [nation for nation in shown["nations"] if nation["organisation"] == MA]
    assert (
        await page.ask("remove", room=room, devices=[one for person in theirs["people"] for one in person["devices"]])
    )["ok"]
    await page.until(lambda: page.told["head"]["readers"]["digest"] != shown["digest"])
    refused = await page.ask("type", room=room, readers=shown["digest"], text="for all of you", **MARKS)
    assert refused["data"] == {"look": "readers"}
    assert (await page.ask("type", room=room, text="for us alone", **MARKS))["ok"]
    await page.until(lambda: page.said() == ["for us alone"])


async def test_a_command_that_seals_nothing_needs_no_readers(sitting: Sitting) -> None:
    answer = await sitting.page.ask("type", room=sitting.room, readers=NOBODY, text="/who", **MARKS)
    assert answer["data"] == {"show": "members"}


async def said(sitting: Sitting, text: str) -> str:
    """Say it; gives its entry."""
    assert (await sitting.page.ask("type", room=sitting.room, text=text, **MARKS))["ok"]
    found = await sitting.page.until(lambda: [item for item in sitting.page.entries("prose") if item["seq"]])
    return str(found[-1]["id"])


async def test_a_correction_begins_with_what_was_written_and_calls_whom_it_names(sitting: Sitting) -> None:
    page, room, theirs = sitting.page, sitting.room, sitting.two.theirs
    written = "**see** http://a.example/_x_ and `code`\n\n- one"
    entry = await said(sitting, written)
    assert (await page.ask("whole", room=room, entry=entry))["data"]["text"] == written
    assert (await page.ask("correct", room=room, entry=entry, text=f"@{MA} {written}", **AS_IT_WAS))["ok"]
    await until(lambda: [one for one in theirs.messages() if isinstance(one.body, Correction)])
    (body,) = [one.body for one in theirs.messages() if isinstance(one.body, Correction)]
    assert body.text == f"@{MA} {written}"
    assert [mention.organisation for mention in body.mentions] == [MA]
    await page.until(lambda: page.entries("prose")[0]["calls"] == ["MA"])


async def test_a_command_is_no_correction_and_a_slash_may_begin_one(sitting: Sitting) -> None:
    page, room = sitting.page, sitting.room
    entry = await said(sitting, "one")
    for command in ("/incident severity high", "/who", "/incidnt", "/reply two", "\uff0fwho"):
        refused = await page.ask("correct", room=room, entry=entry, text=command, **AS_IT_WAS)
        assert not refused["ok"], command
    assert (await page.ask("correct", room=room, entry=entry, text="//etc is a folder", **AS_IT_WAS))["ok"]
    await page.until(lambda: page.said() == ["/etc is a folder"])
    assert page.told["board"]["severity"] == ""


LONG: Final = "0123456789 " * 5_000


async def test_a_long_text_is_shown_by_its_beginning_and_all_of_it_when_it_is_asked_for(sitting: Sitting) -> None:
    page, room = sitting.page, sitting.room
    entry = await said(sitting, LONG)
    (content,) = [item["content"] for item in page.entries("prose")]
    begin = "\n".join(map(text_of, content["blocks"]))
    assert LONG.startswith(begin.strip())
    assert len(begin) <= SHOWN_CHARS
    assert content["left_out"] == len(LONG.strip()) - SHOWN_CHARS
    whole = (await page.ask("whole", room=room, entry=entry))["data"]
    assert "\n".join(map(text_of, whole["blocks"])) == LONG.strip()


async def test_what_was_said_before_is_fetched_a_few_versions_at_a_time(sitting: Sitting) -> None:
    page, room = sitting.page, sitting.room
    entry = await said(sitting, "version 0")
    for number in range(1, 25):
        assert (await page.ask("correct", room=room, entry=entry, text=f"version {number} {LONG}", **AS_IT_WAS))["ok"]
    await page.until(lambda: page.entries("prose")[0]["content"]["corrections"] == 24)
    content = page.entries("prose")[0]["content"]
    assert content["before"] == []
    version, told = content["corrections"], []
    while version:
        data = (await page.ask("before", room=room, entry=entry, version=version))["data"]
        assert len(data["versions"]) <= 10
        told += [one["version"] for one in data["versions"]]
        version = data["versions"][-1]["version"]
        assert data["more"] == version
    assert told == list(range(23, -1, -1))
    first = (await page.ask("whole", room=room, entry=entry, version=0))["data"]
    assert first["text"] == "version 0"
    assert not (await page.ask("whole", room=room, entry=entry, version=25))["ok"]
    assert not (await page.ask("whole", room=room, entry=NOBODY))["ok"]


async def test_a_message_with_many_signs_shows_a_few_and_counts_the_others(sitting: Sitting) -> None:
    page, room, theirs = sitting.page, sitting.room, sitting.two.theirs
    entry = EnvelopeId(bytes.fromhex(await said(sitting, "sign it")))
    for number in range(40):
        await sitting.two.b.ask(theirs.compose(Reaction(message=entry, sign=f"s{number}", stands=True)))
    await page.until(lambda: page.entries("prose")[0]["more_reactions"] == 28)
    assert len(page.entries("prose")[0]["reactions"]) == 12
    whole = (await page.ask("whole", room=room, entry=entry.hex()))["data"]
    assert len(whole["reactions"]) == 40


MOST_BYTES: Final = 5 * 2**20


async def test_a_window_full_of_the_longest_texts_is_no_larger_than_a_page_can_take(
    sitting: Sitting,
) -> None:
    page, room, theirs = sitting.page, sitting.room, sitting.two.theirs
    for number in range(12):
        await sitting.two.b.ask(theirs.compose(Text(text=f"{number} " + "*\U0001f440* " * 16_000)))
    await page.until(lambda: len(page.entries("prose")) == 12)
    await page.ask("look", room=room)
    sizes: list[int] = []
    while not sizes:
        frame = await page.socket.recv()
        if '"kind":"entries"' in str(frame):
            sizes.append(len(str(frame).encode()))
    assert sizes[0] / 12 * MOST < MOST_BYTES


async def test_what_the_desk_itself_refuses_is_told_in_the_language_that_is_spoken(sitting: Sitting) -> None:
    socket = await sitting.served.dial(sitting.cookie, **{"Accept-Language": "fr"})
    page = Page(socket)
    await page.until(lambda: "rooms" in page.told)
    refused = await page.ask("type", room=sitting.room, readers=NOBODY, text="x", **MARKS)
    assert "Regardez de nouveau" in refused["text"]
    await socket.close()


async def test_a_correction_has_the_label_that_is_chosen_and_that_of_its_message_where_none_is(
    sitting: Sitting,
) -> None:
    page, room, ours = sitting.page, sitting.room, sitting.two.ours
    await page.ask("type", room=room, text="the panel", **MARKS | CHOSEN | {"pap": "PAP:AMBER"})
    entry = await sitting.entry("the panel")
    assert (await page.ask("correct", room=room, entry=entry, text="the panel at TN", **CHOSEN))["ok"]
    await page.until(lambda: page.said() == ["the panel at TN"])
    assert [text.text for text in ours.limits_of(ours.message(entry)) if text] == ["TLP:GREEN", "PAP:RED"]
    # Of a correction without one, the label is that of what it repeats, not the room's.
    assert ours.ceiling is not Label.GREEN
    said = ours.compose(Correction(message=EnvelopeId(bytes.fromhex(entry)), text="the panel at MA"))
    assert (said.label, said.pap) == (Label.GREEN, Pap.RED)
    assert ours.compose("anew").label is ours.ceiling
