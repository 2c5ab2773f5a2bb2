"""What takes an officer more than one step: rooms by a template, closings, what goes on, what waits, what rings."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import replace
from typing import Any

import pytest

from amanah_client.ending import sign_off
from amanah_client.home import ProfileLock
from amanah_client.incident.board import Board
from amanah_client.incident.closing import sign
from amanah_client.incident.event import Event
from amanah_client.sdk import Client
from amanah_protocol.content.closing import SignOff
from amanah_protocol.content.incident import Status
from amanah_protocol.content.revision import Correction, Withdrawal
from amanah_protocol.content.text import Text
from amanah_protocol.kinds import Grade
from amanah_protocol.labels import Label, Pap, Precedence
from amanah_protocol.types import EnvelopeId
from tests.client.desk.serving import Page, serving
from tests.client.desk.sitting import Sitting, at_the_desk
from tests.client.test_sdk import MA, TN, invited, joined, officers, texts, until
from tests.end_to_end.nations import Nations

ROTA = """
[waits]
desk_seconds = 3600
[[person]]
name = "Analyst by night"
hooks = [{ command = ["/bin/true"] }]
"""
MARKS = {"label": "TLP:AMBER", "pap": "PAP:AMBER", "precedence": "routine"}


@pytest.fixture(scope="module")
def nations(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Nations]:
    made = Nations(tmp_path_factory.mktemp("nations"), (TN, MA, "cert.example.sn"))
    made.relay.start()
    yield made
    made.close()


@pytest.fixture
async def sitting(nations: Nations, request: pytest.FixtureRequest) -> AsyncIterator[Sitting]:
    async with at_the_desk(nations, request.node.name, Sitting) as made:
        yield made


# ---- rooms by a template


async def test_a_room_by_a_template_is_shown_before_it_is_made_and_then_made_as_it_was_shown(sitting: Sitting) -> None:
    page = sitting.page
    wanted = {
        "title": "Hospital group", "label": "TLP:AMBER+STRICT", "template": "ransomware",
        "parts": [{"nation": MA, "role": "affected"}], "drill": True,
    }  # fmt: skip
    plan = (await page.ask("plan_room", **wanted))["data"]
    assert plan["problem"] == ""
    kinds = [line["kind"] for line in plan["lines"]]
    assert (kinds.count("invite"), kinds.count("incident"), kinds.count("task"), kinds.count("clock")) == (1, 1, 5, 3)
    assert [line["chip"] for line in plan["lines"] if line["kind"] == "task"].count("MA") == 2
    assert any("support" in note for note in plan["notes"])
    (first,) = (line["text"] for line in plan["lines"] if line["kind"] == "text")
    assert f"- affected: @{MA} (" in first
    assert [room.id.hex() for room in sitting.two.a.rooms()] == [sitting.room]
    assert sitting.two.a.outbox() == ()
    assert (await page.ask("new_room", **wanted))["ok"]
    theirs = await joined(sitting.two.b, "Hospital group")
    await until(lambda: len(theirs.board().clocks) == 3)
    assert theirs.is_drill
    assert len(theirs.board().tasks) == 5
    assert [message.text for message in theirs.messages() if isinstance(message.body, Text)] == [first]
    line = await page.until(lambda: next((one for one in page.told["rooms"] if one["title"] == "Hospital group"), None))
    assert line["drill"]


async def test_a_nation_that_the_label_may_not_reach_is_not_offered_and_not_invited(
    nations: Nations, sitting: Sitting
) -> None:
    low = nations.enrol("low", "cert.example.sn", ceiling=Label.GREEN)
    page = sitting.page
    unknown = (await page.ask("plan_room", title="x", label="TLP:AMBER"))["data"]["nations"]
    assert {one["chip"]: one["may"] for one in unknown} == {"MA": True, "SN": False}
    assert "connected" in next(one["why"] for one in unknown if one["chip"] == "SN")
    async with await Client.open(low) as client:
        await client.online()
        sn = "cert.example.sn"
        await until(lambda: sn in {one.organisation for one in sitting.two.a.directory().certificates.values()})
        for label, may in (("TLP:AMBER", False), ("TLP:GREEN", True)):
            asked = {"title": f"up to {label}", "label": label, "parts": [{"nation": sn}]}
            plan = (await page.ask("plan_room", **asked))["data"]
            assert {one["chip"]: one["may"] for one in plan["nations"]}["SN"] is may
            assert bool(plan["problem"]) is not may
            made = await page.ask("new_room", **asked)
            assert made["ok"] is may
        await joined(client, "up to TLP:GREEN")
        assert not [room for room in sitting.two.a.rooms() if room.title == "up to TLP:AMBER"]


async def test_a_page_opens_no_file_as_a_template(sitting: Sitting) -> None:
    answer = await sitting.page.ask("new_room", title="x", label="TLP:GREEN", template="/etc/passwd")
    assert not answer["ok"]
    assert "phishing" in answer["text"]


# ---- the end of an incident


async def test_nations_are_asked_to_sign_sign_and_it_is_recorded(sitting: Sitting) -> None:
    page, room, theirs = sitting.page, sitting.room, sitting.two.theirs
    assert not page.told["board"]["closing"]
    absent = await page.ask("ask_to_sign", room=room, nations=[TN, "cert.example.sn"], days=3)
    assert (absent["ok"], "not in this room" in absent["text"]) == (False, True)
    # Nor was the incident said to be closed.
    assert theirs.board().standing.status is None
    asked = await page.ask("ask_to_sign", room=room, nations=[TN, MA], days=3)
    assert asked["ok"], asked
    closing = await page.until(lambda: page.told["board"]["closing"])
    assert (closing["mine"], closing["open"], closing["recordable"]) == ("waiting", True, False)
    assert closing["waiting"] == ["MA", "TN"]
    assert not (await page.ask("record_closing", room=room))["ok"]
    for what, fields in (("sign_off", {}), ("type", {"text": "/sign", **MARKS})):
        other = await page.ask(what, room=room, closing="ab" * 32, **fields)
        assert "is not what you were shown" in other["text"]
    assert (await page.ask("sign_off", room=room))["ok"]
    await page.until(lambda: page.told["board"]["closing"]["signed"] == ["TN"])
    await until(lambda: theirs.board().closings)
    assert await sign_off(sitting.two.b, theirs, anyway=False) == ()
    await page.until(lambda: page.told["board"]["closing"]["signed"] == ["MA", "TN"])
    for what, fields in (("record_closing", {}), ("type", {"text": "/close record", **MARKS})):
        other = await page.ask(what, room=room, signed=[TN], **fields)
        assert "is not what you were shown" in other["text"]
    assert (await page.ask("type", room=room, text="/close record", **MARKS))["ok"]
    await page.until(lambda: page.told["board"]["closing"]["recorded"])
    assert page.told["board"]["closing"]["words"] == "Closed and signed off by MA and TN."
    line = await page.until(
        lambda: next((one for one in page.told["rooms"] if one["id"] == room and "signed" in one["words"]), None)
    )
    assert line["closed"]
    assert theirs.board().standing.status is Status.CLOSED


async def test_nobody_closes_by_a_line_what_others_still_work_on_without_having_seen_it(sitting: Sitting) -> None:
    page, room, board = sitting.page, sitting.room, sitting.two.ours.board
    lines = ("/incident close", "/incident status closed")
    assert (await page.ask("type", room=room, text=f"/task {MA} Look at the log", **MARKS))["ok"]
    await page.until(lambda: page.told["board"]["left_open"])
    for line in lines:
        answer = await page.ask("type", room=room, text=line, **MARKS)
        assert answer["ok"]
        assert answer["data"] == {"left_open": ["Task of cert.example.ma: Look at the log"]}
    await until(lambda: not sitting.two.a.outbox())
    assert board().standing.status is None
    assert (await page.ask("type", room=room, text=lines[0], anyway=True, **MARKS))["data"] == {"sent": True}
    await until(lambda: board().standing.status is Status.CLOSED)


async def test_an_incident_of_which_nothing_is_open_is_closed_by_a_line_at_once(sitting: Sitting) -> None:
    answer = await sitting.page.ask("type", room=sitting.room, text="/incident close", **MARKS)
    assert answer["data"] == {"sent": True}
    await until(lambda: sitting.two.ours.board().standing.status is Status.CLOSED)


async def test_where_this_device_has_other_facts_nothing_is_signed_before_somebody_says_so(
    sitting: Sitting, monkeypatch: pytest.MonkeyPatch
) -> None:
    page, room = sitting.page, sitting.room
    await page.ask("ask_to_sign", room=room, nations=[TN], days=3)
    await page.until(lambda: page.told["board"]["closing"])
    monkeypatch.setattr("amanah_client.ending.sign", _with_other_facts)
    answer = await page.ask("sign_off", room=room)
    assert "tasks" in answer["data"]["differs"]
    assert sitting.two.a.outbox() == ()
    assert (await page.ask("sign_off", room=room, anyway=True))["ok"]
    closing = await page.until(lambda: page.told["board"]["closing"]["differs"] and page.told["board"]["closing"])
    assert (closing["mine"], closing["signed"]) == ("differs", [])


def _with_other_facts(events: Sequence[Event], board: Board, **asked: Any) -> tuple[SignOff, tuple[str, ...]]:  # noqa: ANN401 - as `sign` has it
    body, _differs = sign(events, board, **asked)
    return replace(body, facts=(*body.facts[:3], bytes(32), *body.facts[4:])), ("tasks",)


# ---- what goes on


async def test_a_message_goes_only_into_rooms_where_its_label_lets_it(sitting: Sitting) -> None:
    page, room, two = sitting.page, sitting.room, sitting.two
    await two.a.create_room("Other of ours", label=Label.AMBER)
    await two.a.create_room("Low", label=Label.GREEN)
    await two.ours.send("pass it on")
    entry = await sitting.entry("pass it on")
    found = (await page.ask("forward_targets", room=room, entry=entry))["data"]
    may = {one["title"]: one["may"] for one in found["rooms"]}
    assert found["label"] == "TLP:AMBER"
    assert (may["Other of ours"], may["Low"]) == (True, False)
    assert next(one["readers"] for one in found["rooms"] if one["may"]).startswith("Readable by TN: 1 device.")
    assert next(one["why"] for one in found["rooms"] if one["title"] == "Low")
    ids = {one["title"]: one["room"] for one in found["rooms"]}
    shown = {one["title"]: one["digest"] for one in found["rooms"]}
    low, other = {"to": ids["Low"], "readers": shown["Low"]}, {"to": ids["Other of ours"], "label": "TLP:AMBER"}
    refused = await page.ask("forward", room=room, entry=entry, label="TLP:GREEN", **low)
    assert not refused["ok"]
    before = len(two.a.outbox())
    # The readers of the room that it stands in are not those of the room that it goes to.
    here = page.told["head"]["readers"]["digest"]
    refused = await page.ask("forward", room=room, entry=entry, readers=here, **other)
    assert refused["data"] == {"look": "readers"}
    assert len(two.a.outbox()) == before
    sent = await page.ask("forward", room=room, entry=entry, readers=shown["Other of ours"], note="see", **other)
    assert sent["ok"]
    await until(lambda: any("forward" in str(one.type) for one in two.a.room("Other of ours").messages()))


async def test_what_was_said_in_a_drill_does_not_go_into_a_room_that_is_real(sitting: Sitting) -> None:
    page, two = sitting.page, sitting.two
    drill = await two.a.create_room("Exercise", label=Label.AMBER, drill=True)
    other = await two.a.create_room("Another exercise", label=Label.AMBER, drill=True)
    sent = await drill.send("all is lost")
    assert sent.envelope is not None
    found = (await page.ask("forward_targets", room=drill.id.hex(), entry=sent.envelope.hex()))["data"]
    may = {one["room"]: one["may"] for one in found["rooms"]}
    assert may[other.id.hex()]
    assert not may[sitting.room]
    shown = {one["room"]: one["digest"] for one in found["rooms"]}
    to = {"to": sitting.room, "readers": shown[sitting.room], "label": "TLP:AMBER"}
    refused = await page.ask("forward", room=drill.id.hex(), entry=sent.envelope.hex(), **to)
    assert not refused["ok"]
    assert refused["data"] != {"look": "readers"}


async def test_history_is_given_to_who_came_later_as_far_as_labels_let_it(nations: Nations, sitting: Sitting) -> None:
    page, two = sitting.page, sitting.two
    ours = await two.a.create_room("With history", label=Label.RED)
    room = ours.id.hex()
    await invited(ours, two.b.me)
    theirs = await joined(two.b, "With history")
    await theirs.send("for all to come", label=Label.GREEN)
    await theirs.send("from Rabat, for Rabat alone", label=Label.AMBER_STRICT)
    await texts(ours, 2)
    home = nations.enrol("newcomer", "cert.example.sn")
    async with await Client.open(home) as client:
        await client.online()
        await until(lambda: client.me in two.a.directory().certificates)
        assert (await page.ask("invite", room=room, whom=client.me.hex()))["ok"]
        late = await joined(client, ours.title)
        await until(lambda: late.members() and len(ours.members()) == 3)
        asked = {"room": room, "devices": [client.me.hex()]}
        plan = (await page.ask("plan_grant", **asked))["data"]
        assert plan["given"] >= 1
        assert [one["text"] for one in plan["left_out"]] == ["from Rabat, for Rabat alone"]
        assert (await page.ask("plan_grant", **asked, since_ms=2**52))["data"]["given"] == 0
        assert not (await page.ask("grant", **asked, since_ms=2**52))["ok"]
        assert (await page.ask("grant", **asked))["ok"]
        await until(lambda: any(one.text == "for all to come" for one in late.messages()))
        assert not any(one.text == "from Rabat, for Rabat alone" for one in late.messages())


async def test_a_label_is_raised_at_once_and_lowered_when_somebody_says_so_twice(sitting: Sitting) -> None:
    page, room, two = sitting.page, sitting.room, sitting.two
    await two.ours.send("labelled", label=Label.GREEN)
    entry = await sitting.entry("labelled")
    raised = await page.ask("type", room=room, text=f"/tlp amber #{entry[:12]}", **MARKS)
    assert raised["data"] == {"sent": True}
    envelope = EnvelopeId(bytes.fromhex(entry))
    await until(lambda: two.ours.matter(two.ours.message(entry)).label is Label.AMBER)
    lowered = await page.ask("type", room=room, text=f"/tlp green #{entry[:12]}", **MARKS)
    assert lowered["data"]["lower"]["label"] == "TLP:GREEN"
    assert two.a.outbox() == ()
    assert two.ours.matter(two.ours.message(envelope.hex())).label is Label.AMBER
    assert (await page.ask("relabel", room=room, entry=entry, label="TLP:GREEN"))["ok"]
    await until(lambda: two.ours.matter(two.ours.message(entry)).label is Label.GREEN)


# ---- what waits, and what was refused


async def test_an_invitation_that_is_refused_stands_there_until_it_was_seen(sitting: Sitting) -> None:
    page, room = sitting.page, sitting.room
    await page.ask("invite", room=room, whom="cert.example.nowhere")
    pending = await page.until(lambda: page.told["pending"]["trouble"] and page.told["pending"])
    (line,) = pending["lines"]
    assert (line["state"], line["room"], line["what"]) == ("refused", room, "Invitation of cert.example.nowhere")
    assert "roster" in line["words"]
    assert not line["droppable"]
    assert (await page.ask("dismiss", intent=line["id"]))["ok"]
    await page.until(lambda: not page.told["pending"]["lines"])


async def test_what_waits_for_the_relay_is_told_and_what_is_dropped_is_no_news(
    nations: Nations, sitting: Sitting
) -> None:
    page, room = sitting.page, sitting.room
    await sitting.two.theirs.send("answer me")
    entry = await sitting.entry("answer me")
    nations.relay.stop()
    try:
        await page.until(lambda: not page.told["line"]["online"])
        await page.ask("invite", room=room, whom=MA)
        await page.ask("acknowledge", room=room, entry=entry, grade=3)
        pending = await page.until(lambda: len(page.told["pending"]["lines"]) == 2 and page.told["pending"])
        assert pending["trouble"] == 0
        invitation = next(line for line in pending["lines"] if line["what"].startswith("Invitation"))
        assert invitation["droppable"]
        await page.ask("release", intent=invitation["id"], drop=True)
        await page.until(lambda: [line["what"][:15] for line in page.told["pending"]["lines"]] == ["Acknowledgement"])
    finally:
        nations.relay.start()
    await page.until(lambda: not page.told["pending"]["lines"])


# ---- what rings


async def _flash(sitting: Sitting, text: str = "now") -> str:
    sent = await sitting.two.theirs.send(text, precedence=Precedence.FLASH)
    assert sent.envelope is not None
    return sent.envelope.hex()


async def test_a_flash_rings_until_it_is_acknowledged(sitting: Sitting) -> None:
    page = sitting.page
    entry = await _flash(sitting)
    ringing = await page.until(lambda: page.told["ringing"]["lines"] and page.told["ringing"])
    (line,) = ringing["lines"]
    assert (line["entry"], line["room"], line["chip"], line["drill"]) == (entry, sitting.room, "MA", False)
    assert line["words"] == "This desk rings. Nobody else is paged: paging.toml names nobody."
    assert (line["urgent"], line["label"], line["begins"]) == ("Flash", "TLP:AMBER", "now")
    assert (await page.ask("answer_page", entry=entry))["ok"]
    await page.until(lambda: not page.told["ringing"]["lines"])
    envelope = EnvelopeId(bytes.fromhex(entry))
    await until(lambda: TN in {nation for nation, _grade in _grades(sitting, envelope)})
    assert not (await page.ask("answer_page", entry=entry))["ok"]


async def test_what_rings_says_what_it_says_by_now(sitting: Sitting) -> None:
    page, two = sitting.page, sitting.two
    entry = await _flash(sitting, "the old words")
    await page.until(lambda: page.told["ringing"]["lines"])
    envelope = EnvelopeId(bytes.fromhex(entry))
    await two.theirs.send(Correction(message=envelope, text="http://evil.example/ " + "words " * 99))
    begins = await page.until(lambda: (said := page.told["ringing"]["lines"][0]["begins"]) != "the old words" and said)
    assert begins.startswith("hxxp://evil[.]example/ words words")
    assert (len(begins), begins[-1]) == (160, "\N{HORIZONTAL ELLIPSIS}")
    assert page.told["ringing"]["lines"][0]["pap"] == ""  # it is the usual
    await two.theirs.send(Correction(message=envelope, text="look for it in your logs alone"), pap=Pap.RED)
    await page.until(lambda: page.told["ringing"]["lines"][0]["pap"] == "PAP:RED")
    await two.theirs.relabel(two.theirs.message(entry), Label.AMBER_STRICT)
    await page.until(lambda: page.told["ringing"]["lines"][0]["label"] == "TLP:AMBER+STRICT")
    await two.theirs.send(Withdrawal(message=envelope, reason="wrong room"))
    begins = await page.until(lambda: "Withdrawn" in (said := page.told["ringing"]["lines"][0]["begins"]) and said)
    assert begins.startswith("Withdrawn by its author at ")
    assert begins.endswith(": wrong room")


def _grades(sitting: Sitting, envelope: EnvelopeId) -> list[tuple[str, Grade]]:
    spoken = sitting.two.theirs.board(about=[envelope]).messages.get(envelope)
    return [] if spoken is None else [(nation, grade) for nation, grade in spoken.grades().items()]


async def test_an_acknowledgement_from_the_conversation_ends_the_ringing_too(sitting: Sitting) -> None:
    page = sitting.page
    entry = await _flash(sitting)
    await page.until(lambda: page.told["ringing"]["lines"])
    assert (await page.ask("acknowledge", room=sitting.room, entry=entry, grade=2))["ok"]
    await page.until(lambda: not page.told["ringing"]["lines"])


async def test_one_page_sounds_and_no_other_program_beside_it(sitting: Sitting) -> None:
    page, home = sitting.page, sitting.two.a.profile.home
    await _flash(sitting)
    await page.until(lambda: page.told["ringing"]["lines"])
    assert not page.told["ringing"]["sounds"]
    other = ProfileLock(home, home.sounding_lock)
    await until(other.acquire)
    await page.ask("sounds", on=True)
    await page.until(lambda: page.told["ringing"]["elsewhere"])
    assert not page.told["ringing"]["sounds"]
    other.release()
    await page.until(lambda: page.told["ringing"]["sounds"])
    assert not other.acquire()
    second = Page(await sitting.served.dial(await _again(sitting)))
    await second.ask("sounds", on=True)
    await second.until(lambda: second.told["ringing"]["elsewhere"])
    assert not second.told["ringing"]["sounds"]
    await page.socket.close()
    await second.until(lambda: second.told["ringing"]["sounds"])
    await second.socket.close()
    await until(other.acquire)
    other.release()


async def _again(sitting: Sitting) -> str:
    return sitting.page.socket.request.headers["Cookie"] if sitting.page.socket.request else ""


async def test_a_rota_is_followed_and_shown_with_the_record(nations: Nations) -> None:
    async with officers(nations, "with a rota") as two:
        two.a.profile.home.rota.write_text(ROTA)
        async with serving(two.a) as served:
            page = Page(await served.dial(await served.enter()))
            sent = await two.theirs.send("now", precedence=Precedence.FLASH)
            assert sent.envelope is not None
            (line,) = await page.until(lambda: page.told.get("ringing", {}).get("lines"))
            assert line["words"].startswith("This desk rings. Next: Analyst by night at ")
            assert line["due_ms"] is not None
            await until(lambda: two.theirs.board().messages[sent.envelope].pages)  # type: ignore[index]  # narrowed above
            await page.ask("answer_page", entry=line["entry"])
            await page.until(lambda: not page.told["ringing"]["lines"])
            told = await page.ask("duty")
            assert "Analyst by night" in told["data"]["now"]
            assert [step["whom"] for step in told["data"]["steps"]] == [
                "this desk",
                "Analyst by night",
                "Analyst by night",
            ]
            assert [step["how"] for step in told["data"]["steps"]] == ["", "command /bin/true", "command /bin/true"]
            await until(lambda: not two.a.outbox())
            record = (await page.ask("duty"))["data"]["record"]
            assert [one["chip"] for one in record] == ["TN", "TN"]
            assert record[0]["text"].endswith("answered: understood")
            assert record[1]["text"] == "this desk: a device rang"
            await page.socket.close()


async def test_a_rota_that_cannot_be_used_keeps_nobody_from_the_desk_and_is_told(nations: Nations) -> None:
    async with officers(nations, "with a wrong rota") as two:
        two.a.profile.home.rota.write_text("[page]\nleats = 1\n")
        async with serving(two.a) as served:
            page = Page(await served.dial(await served.enter()))
            await two.theirs.send("now", precedence=Precedence.FLASH)
            await page.until(lambda: page.told.get("ringing", {}).get("lines"))
            assert "leats" in page.told["ringing"]["trouble"]
            assert any("nobody but this desk is paged" in line for line in served.said)
            await page.socket.close()


async def test_a_name_of_the_rota_that_no_room_has_is_told_with_who_is_on_duty(nations: Nations) -> None:
    async with officers(nations, "with a rota of rooms") as two:
        two.a.profile.home.rota.write_text("[page]\nrooms = ['Port authority']\n")
        async with serving(two.a) as served:
            page = Page(await served.dial(await served.enter()))
            told = (await page.ask("duty"))["data"]["trouble"]
            assert "paging.toml names a room" in told
            assert "Port authority" in told
            await page.socket.close()


async def test_the_terminal_sounds_where_no_page_does(nations: Nations) -> None:
    async with officers(nations, "without a page") as two:
        bells: list[None] = []
        async with serving(two.a, bell=lambda: bells.append(None)) as served:
            await two.theirs.send("now", precedence=Precedence.FLASH)
            await until(lambda: bells)
            assert any(line.startswith("it rings: flash in room") for line in served.said)
            assert not any("now" in line for line in served.said)


# ---- commands


async def test_every_command_is_done_on_the_desk_or_opens_what_does_it(sitting: Sitting) -> None:
    page, room = sitting.page, sitting.room

    async def shows(text: str) -> object:
        answer = await page.ask("type", room=room, text=text, **MARKS)
        assert answer["ok"], answer["text"]
        return answer["data"]

    assert await shows("/close 5") == {"show": "closing", "days": 5}
    assert await shows("/attach") == {"show": "attach"}
    assert await shows("/save") == {"show": "files"}
    assert await shows("/export") == {"show": "report"}
    assert await shows("/who") == {"show": "members"}
    assert await shows("/invite cert.example.ma") == {"sent": True}
    refused = await page.ask("type", room=room, text="/sign", **MARKS)
    assert not refused["ok"]
    assert "close" in refused["text"]
