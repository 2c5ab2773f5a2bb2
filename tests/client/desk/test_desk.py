"""The desk over a real relay: what arrives is pushed, what is asked for is done or refused with what to do next."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
from msgspec import structs

from amanah_client.sdk import Client
from amanah_protocol.content.alert import Severity
from amanah_protocol.content.revision import Correction, Withdrawal
from amanah_protocol.content.text import Text
from amanah_protocol.errors import Code, OperationalError, UsageError
from amanah_protocol.kinds import Grade
from amanah_protocol.labels import Label, Pap
from amanah_protocol.types import EnvelopeId
from tests.client.desk.serving import Page, serving
from tests.client.desk.sitting import Sitting, at_the_desk
from tests.client.test_sdk import MA, TN, until
from tests.end_to_end.nations import Nations


@pytest.fixture
async def sitting(nations: Nations, request: pytest.FixtureRequest) -> AsyncIterator[Sitting]:
    async with at_the_desk(nations, request.node.name, Sitting) as made:
        yield made


async def test_the_page_is_told_who_it_is_which_rooms_there_are_and_who_reads_them(sitting: Sitting) -> None:
    told = sitting.page.told
    assert told["hello"]["me"]["organisation"] == TN
    assert told["hello"]["most"] == "TLP:RED"
    assert [nation["chip"] for nation in told["head"]["readers"]["nations"]] == ["TN", "MA"]
    assert told["head"]["room"]["writable"]
    await sitting.page.until(lambda: told["line"]["online"])


async def test_who_it_is_reaches_a_page_that_was_open_before_its_certificate_was_read(
    sitting: Sitting, monkeypatch: pytest.MonkeyPatch
) -> None:
    page, client = sitting.page, sitting.two.a
    before = client.party(client.me)
    assert page.told["me"]["name"] == before.name
    monkeypatch.setattr(client, "party", lambda _device: structs.replace(before, name="Read by now"))
    await sitting.two.theirs.send("something that is pushed")
    await page.until(lambda: page.told["me"]["name"] == "Read by now")


async def test_what_others_say_is_pushed_and_counted_as_unread_until_it_was_seen(sitting: Sitting) -> None:
    page, room = sitting.page, sitting.room
    await sitting.two.theirs.send("seen at http://a.example")
    await page.until(lambda: page.said() == ["seen at hxxp://a[.]example"])
    await page.until(lambda: page.told["rooms"][0]["unread"] == 1)
    (entry,) = page.entries("prose")
    await page.ask("seen", room=room, seq=entry["seq"])
    await page.until(lambda: page.told["rooms"][0]["unread"] == 0)


async def test_a_store_that_cannot_be_read_for_a_moment_ends_no_desk(
    sitting: Sitting, monkeypatch: pytest.MonkeyPatch
) -> None:
    page, failed = sitting.page, []

    def fails(*_: object) -> bool:
        failed.append(True)
        raise OperationalError(Code.STORE, "it cannot be read now")

    with monkeypatch.context() as broken:
        broken.setattr("amanah_client.desk.transfers.Transfers.hear", fails)
        await sitting.two.theirs.send("while it failed")
        await until(lambda: failed)
    await sitting.two.theirs.send("and after")
    await page.until(lambda: "and after" in page.said())


async def test_what_is_typed_is_sealed_with_the_marks_that_stand_beside_it(sitting: Sitting) -> None:
    page, room, theirs = sitting.page, sitting.room, sitting.two.theirs
    marks = {"label": "TLP:GREEN", "pap": "PAP:RED", "precedence": "priority"}
    answer = await page.ask("type", room=room, text=f"@{MA} look", asks=3, **marks)
    assert answer["ok"]
    await until(lambda: [message for message in theirs.messages() if message.text])
    (message,) = [message for message in theirs.messages() if message.text]
    assert (message.label, message.pap and message.pap.text) == (Label.GREEN, "PAP:RED")
    assert isinstance(message.body, Text)
    assert message.body.asks is Grade.UNDERSTOOD
    assert [mention.organisation for mention in message.body.mentions] == [MA]
    await sitting.two.theirs.acknowledge(message.id, Grade.ACTING)
    entry = await page.until(
        lambda: next((one for one in page.entries("prose") if one["acks"] and one["acks"]["by"]), None)
    )
    assert entry["acks"]["by"] == [["MA", 4, "acting"]]
    (given,) = entry["acks"]["people"]
    assert ": acting, " in given
    assert entry["acks"]["mine"] == 0
    assert entry["urgent"] == "Priority"


MARKS = {"label": "TLP:AMBER", "pap": "PAP:AMBER", "precedence": "routine"}


async def test_a_command_is_carried_out_and_a_mistyped_one_is_refused_with_what_was_meant(sitting: Sitting) -> None:
    page, room = sitting.page, sitting.room
    assert (await page.ask("type", room=room, text="/incident severity high", **MARKS))["ok"]
    await page.until(lambda: page.told["board"]["severity"] == "high")
    await until(lambda: sitting.two.theirs.board().standing.severity is Severity.HIGH)
    refused = await page.ask("type", room=room, text="/incidnt severity low", **MARKS)
    assert not refused["ok"]
    assert "Did you mean /incident?" in refused["text"]
    marked = await page.ask("type", room=room, text="/tlp green", **MARKS)
    assert marked["data"] == {"marks": {"label": "TLP:GREEN"}}
    assert not (await page.ask("type", room=room, text="/tlp red", **MARKS))["ok"]
    assert (await page.ask("type", room=room, text="/who", **MARKS))["data"] == {"show": "members"}
    assert (await page.ask("type", room=room, text="/help ack", **MARKS))["data"]["commands"][0]["name"] == "ack"
    assert (await page.ask("type", room=room, text="/search x", **MARKS))["data"] == {"show": "search", "query": "x"}
    assert page.said() == []


async def test_a_label_above_the_ceiling_is_refused_and_nothing_is_queued(sitting: Sitting) -> None:
    answer = await sitting.page.ask("type", room=sitting.room, text="x", **(MARKS | {"label": "TLP:RED"}))
    assert not answer["ok"]
    assert "ceiling" in answer["text"]
    assert sitting.two.a.outbox() == ()


async def test_the_forms_of_the_board_do_what_they_say(sitting: Sitting) -> None:
    page, room = sitting.page, sitting.room
    chosen = {"label": "TLP:AMBER", "pap": "PAP:AMBER"}

    def board() -> dict[str, object]:
        found: dict[str, object] = page.told["board"]
        return found

    async def do(what: str, /, **fields: object) -> None:
        assert (await page.ask(what, room=room, **fields))["ok"]

    await do(
        "stand",
        title="Ministry mailboxes",
        severity="critical",
        status="triage",
        type="fraud/phishing",
        aware="00:00",
        **chosen,
    )
    await page.until(lambda: board()["title"] == "Ministry mailboxes")
    await do("add_task", nation=TN, what="image the disks", until="+2h", **chosen)
    (task,) = await page.until(lambda: board()["tasks"])
    await do("move_task", task=task["id"], state="refused", reason="no access")
    await page.until(lambda: page.told["board"]["tasks"][0]["state"] == "refused")
    await do("propose", what="sinkhole", until="+2h", quorum=1, **chosen)
    await page.until(lambda: board()["decisions"])
    await do("position", ordinal=1, agrees=False, reason="not yet")
    await do("position", ordinal=1, agrees=True)
    await page.until(lambda: page.told["board"]["decisions"][0]["mine"] == "agree")
    await do("set_clock", nature="embargo", what="quiet", at="+3h", **chosen)
    (clock,) = await page.until(lambda: board()["clocks"])
    await do("move_clock", clock=clock["id"], at="+4h")
    await page.until(lambda: page.told["board"]["clocks"][0]["at_ms"] > clock["at_ms"])
    await do("move_clock", clock=clock["id"], stands=False)
    await page.until(lambda: not board()["clocks"])
    await do("handover", text="all quiet", **chosen)
    await page.until(lambda: board()["handovers"])
    told = (await page.ask("timeline", room=room))["data"]
    assert len([item for item in told if item["kind"] == "entry"]) == 10
    for what, fields in (
        ("position", {"ordinal": 9, "agrees": True}),
        ("move_clock", {"clock": "00" * 16, "at": "+1h"}),
        ("add_task", {"nation": TN, "what": "x", "until": "soon", **chosen}),
        ("conclude", {"ordinal": 9}),
        ("move_task", {"task": task["id"], "state": "refused"}),
    ):
        answer = await page.ask(what, room=room, **fields)
        assert not answer["ok"]
        assert answer["text"]


async def test_messages_are_answered_corrected_withdrawn_and_signed(sitting: Sitting) -> None:
    page, room = sitting.page, sitting.room
    assert (await page.ask("type", room=room, text="one", **MARKS))["ok"]
    (first,) = await page.until(lambda: [item for item in page.entries("prose") if item["seq"]])
    entry = first["id"]
    await page.ask("react", room=room, entry=entry, sign="\U0001f440", stands=True)
    await page.ask("correct", room=room, entry=entry, text="two", label="TLP:AMBER", pap="PAP:AMBER")
    await page.until(lambda: page.said() == ["two"])
    await page.ask("type", room=room, text="three", answering=entry, replies=True, thread=entry, **MARKS)
    await page.until(lambda: page.said() == ["two", "three"])
    reply = page.entries("prose")[1]["reply"]
    assert (reply["id"], reply["text"]) == (entry, "two")
    await page.ask("look", room=room, thread=entry)
    await page.until(lambda: page.told["entries"]["thread"] == entry and len(page.entries("prose")) == 2)
    await page.ask("withdraw", room=room, entry=entry, reason="wrong host")
    gone = await page.until(lambda: page.entries("gone"))
    assert gone[0]["content"]["why"] == "withdrawn"
    await page.until(lambda: page.entries("gone")[0]["reactions"])
    assert (await page.ask("acknowledge", room=room, entry=entry, grade=2))["ok"]


def own(page: Page) -> list[dict[str, Any]]:
    """What the reader is offered to withdraw, in the order of the room."""
    found = (one for one in page.items.values() if one and one["kind"] == "entry" and one["own"])
    return sorted(found, key=lambda one: int(one["seq"]))


async def test_whatever_was_said_is_withdrawn_by_its_author_on_every_page(sitting: Sitting) -> None:
    page, room, two = sitting.page, sitting.room, sitting.two
    chosen = {"label": "TLP:AMBER", "pap": "PAP:AMBER"}

    async def do(what: str, /, **fields: object) -> None:
        answer = await page.ask(what, room=room, **fields)
        assert answer["ok"], answer

    def board(name: str) -> Any:  # noqa: ANN401 - what JSON holds
        return page.told["board"][name]

    await do("add_task", nation=TN, what="image the disks", until="2020-01-01T00:00", **chosen)
    await page.until(lambda: board("tasks") and board("tasks")[0]["late"])
    await do("propose", what="sinkhole", until="+2h", quorum=1, **chosen)
    await do("set_clock", nature="embargo", what="quiet", at="+3h", **chosen)
    await do("handover", text="all quiet", **chosen)
    await page.until(lambda: board("tasks") and board("decisions") and board("clocks") and board("handovers"))
    said = await page.until(lambda: len(mine := own(page)) == 4 and mine)
    (task,) = board("tasks")
    # A correction of what is no text is refused, with what to do instead.
    refused = await page.ask("correct", room=room, entry=said[0]["id"], text="another", **chosen)
    assert not refused["ok"]
    assert "only a text is corrected" in refused["text"]
    assert "ask anew" in refused["text"]
    # Nobody else takes it back.
    with pytest.raises(UsageError, match="only who wrote it"):
        await two.theirs.send(Withdrawal(message=EnvelopeId(bytes.fromhex(said[0]["id"])), reason=""))
    for one in said:
        await do("withdraw", entry=one["id"], reason="wrong nation")
    gone = await page.until(lambda: len(found := page.entries("gone")) == 4 and found)
    assert {one["content"]["was"]["kind"] for one in gone} == {"standing"}
    assert all("wrong nation" in one["content"]["text"] and not one["own"] for one in gone)
    await page.until(lambda: not board("clocks") and not board("handovers"))
    await page.until(lambda: board("tasks")[0]["state"] == "withdrawn" and not board("tasks")[0]["late"])
    await page.until(lambda: board("decisions")[0]["outcome"] == "withdrawn" and not board("decisions")[0]["open"])
    assert board("left_open") == []
    for what, fields in (
        ("move_task", {"task": task["id"], "state": "taken", "reason": ""}),
        ("position", {"ordinal": 1, "agrees": True}),
        ("conclude", {"ordinal": 1}),
        ("withdraw", {"entry": said[0]["id"], "reason": ""}),
    ):
        answer = await page.ask(what, room=room, **fields)
        assert not answer["ok"]
        assert "it is withdrawn" in answer["text"]
    whole = (await page.ask("whole", room=room, entry=said[3]["id"]))["data"]
    assert whole["text"] == "all quiet"


async def test_a_room_is_opened_people_invited_and_removed_from_the_page(sitting: Sitting) -> None:
    page = sitting.page
    assert (await page.ask("new_room", title="Second", label="TLP:GREEN", agreement="2026-11"))["ok"]
    line = await page.until(lambda: next((one for one in page.told["rooms"] if one["title"] == "Second"), None))
    await page.until(lambda: [one for one in page.told["rooms"] if one["id"] == line["id"] and one["writable"]])
    assert (await page.ask("invite", room=line["id"], whom=sitting.two.b.me.hex()))["ok"]
    await page.ask("look", room=line["id"])
    await page.until(
        lambda: page.told["head"]["room"]["id"] == line["id"] and page.told["head"]["readers"]["devices"] == 2
    )
    assert (await page.ask("remove", room=line["id"], devices=[sitting.two.b.me.hex()]))["ok"]
    await page.until(lambda: page.told["head"]["readers"]["devices"] == 1)
    assert not (await page.ask("new_room", title=" ", label="TLP:GREEN"))["ok"]
    assert not (await page.ask("invite", room=line["id"], whom="nobody"))["ok"]


async def test_what_was_taken_back_is_found_without_its_words_and_what_was_corrected_where_it_stands(
    sitting: Sitting,
) -> None:
    page, theirs = sitting.page, sitting.two.theirs
    leaked = (await theirs.send("The loader's password is hunter2")).envelope
    said = (await theirs.send("The loader is signed")).envelope
    assert leaked is not None
    assert said is not None
    await theirs.send(Withdrawal(message=leaked, reason="wrong room"))
    correction = (await theirs.send(Correction(message=said, text="The loader is signed twice"))).envelope
    assert correction is not None
    await page.until(lambda: [item["content"]["corrections"] for item in page.entries("prose")] == [1])
    await page.until(lambda: len(page.entries("gone")) == 1)
    found = (await page.ask("search", query="loader"))["data"]["found"]
    assert [(one["state"], one["entry"]) for one in found] == [
        ("", said.hex()), ("corrected", said.hex()), ("withdrawn", leaked.hex()),
    ]  # fmt: skip
    (gone,) = page.entries("gone")
    assert found[-1]["text"] == gone["content"]["text"]
    assert "hunter2" not in str(found)
    # Its conversation shows both there.
    (item,) = page.entries("prose")
    assert {(one["entry"], one["seq"]) for one in found[:2]} == {(item["id"], item["seq"])}


async def test_words_are_found_and_drafts_kept(sitting: Sitting) -> None:
    page, room = sitting.page, sitting.room
    await sitting.two.theirs.send("The Loader is signed")
    await page.until(lambda: page.said() == ["The Loader is signed"])
    data = (await page.ask("search", query="loader signed"))["data"]
    assert [(one["room"], one["chip"], one["label"]) for one in data["found"]] == [(room, "MA", "TLP:AMBER")]
    # What counts now is what stands before the words.
    theirs = next(one for one in sitting.two.theirs.messages() if one.text == "The Loader is signed")
    await sitting.two.theirs.relabel(theirs, Label.GREEN)
    await page.until(lambda: [item["the_label"] for item in page.entries("prose")] == ["TLP:GREEN"])
    (found,) = (await page.ask("search", query="loader signed"))["data"]["found"]
    assert (found["label"], found["pap"]) == ("TLP:GREEN", "")  # the usual is not said
    await sitting.two.theirs.send(Correction(message=theirs.id, text="It is signed twice"), pap=Pap.RED)
    await page.until(lambda: [item["the_pap"] for item in page.entries("prose")] == ["PAP:RED"])
    assert (await page.ask("search", query="loader signed"))["data"]["found"][0]["pap"] == "PAP:RED"
    assert (await page.ask("search", query="absent"))["data"] == {"found": [], "more": False}
    await page.ask("draft", room=room, text="half a sen")
    await page.ask("look", room=room)
    await page.until(lambda: page.told["head"]["draft"] == "half a sen")
    assert (await page.ask("defang", text="http://a.example"))["data"] == {"live": True, "text": "hxxp://a[.]example"}


async def test_what_cannot_be_sent_now_is_shown_as_queued_and_can_be_dropped(
    sitting: Sitting, nations: Nations
) -> None:
    page, room = sitting.page, sitting.room
    nations.relay.stop()
    try:
        await page.until(lambda: not page.told["line"]["online"])
        assert (await page.ask("type", room=room, text="later", **MARKS))["ok"]
        entry = await page.until(lambda: next((one for one in page.entries("prose") if one["delivery"]), None))
        assert entry["delivery"]["state"] in {"queued", "sent"}
        await page.until(lambda: page.told["line"]["waiting"] == 1)
        await page.ask("release", intent=entry["id"], drop=True)
        await page.until(lambda: page.said() == [])
    finally:
        nations.relay.start()


@pytest.mark.parametrize(
    "frame",
    [
        "no json",
        "[]",
        json.dumps({"do": "look", "n": 1}),
        json.dumps({"do": "look", "n": 1, "room": "../etc"}),
        json.dumps({"do": "fly", "n": 1}),
        json.dumps({"do": "lock", "n": 1, "more": 1}),
        json.dumps({"do": "look", "n": 1, "room": "00" * 16, "seq": "1"}),
        json.dumps({"do": "acknowledge", "n": 1, "room": "00" * 16, "entry": "00" * 32, "grade": 5}),
    ],
)
async def test_a_frame_that_is_not_exactly_one_of_ours_is_refused(sitting: Sitting, frame: str) -> None:
    await sitting.page.socket.send(frame)
    await sitting.page.until(lambda: sitting.page.answers)
    (answer,) = sitting.page.answers.values()
    assert not answer["ok"]
    sitting.page.answers.clear()
    assert (await sitting.page.ask("active"))["ok"]


async def test_a_room_that_is_not_here_is_refused(sitting: Sitting) -> None:
    for what, fields in (("look", {}), ("timeline", {}), ("acknowledge", {"entry": "00" * 32, "grade": 1})):
        assert not (await sitting.page.ask(what, room="00" * 16, **fields))["ok"]


async def test_a_long_room_is_shown_a_window_at_a_time(nations: Nations) -> None:
    home = nations.enrol("long", TN)
    async with await Client.open(home) as client:
        await client.online()
        room = await client.create_room("Long", label=Label.GREEN)
        for number in range(300):
            await client.ask(room.compose(f"number {number}"))
        await until(lambda: not client.outbox(), 60)
        async with serving(client) as served:
            page = Page(await served.dial(await served.enter()))
            await page.until(lambda: page.told.get("rooms"))
            await page.ask("look", room=room.id.hex())
            await page.until(lambda: page.said()[-1:] == ["number 299"])
            newest = page.told["entries"]
            assert newest["more"]
            assert newest["newest"]
            assert len(page.said()) < 300
            while page.told["entries"]["more"]:
                first = page.told["entries"]["first"]
                await page.ask("look", room=room.id.hex(), at="before", seq=first)
                await page.until(lambda: page.told["entries"]["first"] < first)  # noqa: B023 - awaited at once
            assert page.said()[:1] == ["number 0"]
            assert not page.told["entries"]["newest"]
            while not page.told["entries"]["newest"]:
                reached = page.entries("prose")[-1]["seq"]
                await page.ask("look", room=room.id.hex(), at="after", seq=reached)
                await page.until(lambda: page.told["entries"]["newest"] or page.entries("prose")[-1]["seq"] > reached)  # noqa: B023 - awaited at once
            assert page.said()[-1:] == ["number 299"]
            await page.socket.close()
