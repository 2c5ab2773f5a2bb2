"""Who is in a room and who may be: removed with all their devices, invited and spoken to as far as labels reach."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from msgspec import structs

from amanah_client import actions
from amanah_client.directory import Directory, Party
from amanah_client.model import RoomStatus
from amanah_client.room import Room
from amanah_client.sdk import Client
from amanah_protocol.kinds import Commit
from amanah_protocol.labels import Label
from amanah_protocol.types import DeviceId, PersonId
from tests.client.desk.serving import Page
from tests.client.desk.sitting import Sitting, at_the_desk
from tests.client.test_sdk import MA, TN, joined, texts, until
from tests.end_to_end.nations import Nations

SN, MR = "cert.example.sn", "cert.example.mr"
MARKS = {"label": "TLP:GREEN", "pap": "PAP:AMBER", "precedence": "routine"}


@pytest.fixture(scope="module")
def nations(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Nations]:
    made = Nations(tmp_path_factory.mktemp("nations"), (TN, MA, SN, MR))
    made.relay.start()
    yield made
    made.close()


@pytest.fixture
async def sitting(nations: Nations, request: pytest.FixtureRequest) -> AsyncIterator[Sitting]:
    async with at_the_desk(nations, request.node.name, Sitting) as made:
        yield made


@asynccontextmanager
async def at_two_devices(nations: Nations, sitting: Sitting, name: str) -> AsyncIterator[tuple[Room, Room]]:
    """Somebody from Dakar in the room, at two devices; the room as each of them has it."""
    person = PersonId(name.encode().ljust(16, b"."))
    homes = [nations.enrol(f"{name} at the {where}", SN, called=name, subject=person) for where in ("office", "laptop")]
    async with await Client.open(homes[0]) as one, await Client.open(homes[1]) as other:
        await one.online()
        await other.online()
        ours = sitting.two.ours
        await until(lambda: {one.me, other.me} <= sitting.two.a.directory().certificates.keys())
        for client in (one, other):
            await ours.invite(client.me)
        yield await joined(one, ours.title), await joined(other, ours.title)


async def shown(sitting: Sitting, devices: int) -> dict[str, Any]:
    """The person from Dakar as the page shows them, once they are there with so many devices."""

    def person() -> dict[str, Any] | None:
        nations = {one["chip"]: one["people"] for one in sitting.page.told["head"]["readers"]["nations"]}
        found: list[dict[str, Any]] = nations.get("SN", [])
        return next((one for one in found if len(one["devices"]) == devices), None)

    made: dict[str, Any] = await sitting.page.until(person)
    return made


def has(room: Room, text: str) -> bool:
    return any(said.text == text for said in room.messages())


async def test_whoever_is_removed_at_the_desk_is_removed_with_all_devices_in_one_commit(
    nations: Nations, sitting: Sitting
) -> None:
    async with at_two_devices(nations, sitting, "Awa") as both:
        person = await shown(sitting, 2)
        assert (person["counted"], len(set(person["devices"]))) == ("2 devices", 2)
        assert (await sitting.page.ask("remove", room=sitting.room, devices=person["devices"]))["ok"]
        await until(lambda: [one.row.status for one in both] == 2 * [RoomStatus.REMOVED])
        said = [one.specific for one in sitting.two.ours.messages()]
        removed = [{device.hex() for device in one.removed} for one in said if isinstance(one, Commit) and one.removed]
        assert removed == [set(person["devices"])]
        await sitting.page.until(
            lambda: {one["chip"] for one in sitting.page.told["head"]["readers"]["nations"]} == {"TN", "MA"}
        )


async def test_whoever_is_removed_with_one_of_two_devices_reads_on(nations: Nations, sitting: Sitting) -> None:
    """The control: what the page showed as one person is two devices, and each is removed by itself."""
    async with at_two_devices(nations, sitting, "Binta") as both:
        person = await shown(sitting, 2)
        assert (await sitting.page.ask("remove", room=sitting.room, devices=person["devices"][:1]))["ok"]
        await shown(sitting, 1)
        reading = next(one for one in both if one.client.me.hex() == person["devices"][1])
        await sitting.two.ours.send("said after it", label=Label.AMBER)
        await until(partial(has, reading, "said after it"))


async def test_nobody_is_removed_as_they_were_shown_once_they_have_come_in_with_another_device(
    nations: Nations, sitting: Sitting
) -> None:
    before = sitting.page.told["head"]["readers"]["digest"]
    async with at_two_devices(nations, sitting, "Coumba"):
        person = await shown(sitting, 2)
        asked = {"room": sitting.room, "devices": person["devices"][:1], "readers": before}
        refused = await sitting.page.ask("remove", **asked)
        assert "Who can read this room has changed" in refused["text"]
        assert refused["data"] == {"look": "readers"}
        assert not [one for one in sitting.two.a.outbox() if isinstance(one.action, actions.Remove)]
        assert len(sitting.two.ours.members()) == 4


async def test_a_device_that_an_officer_lost_is_removed_by_itself_and_the_one_that_asks_reads_on(
    nations: Nations, sitting: Sitting
) -> None:
    ours, page = sitting.two.ours, sitting.page
    home = nations.enrol("the lost laptop", TN, called="a", subject=sitting.two.a.party(sitting.two.a.me).subject)

    def me() -> dict[str, Any]:
        nation = next(one for one in page.told["head"]["readers"]["nations"] if one["mine"])
        found: dict[str, Any] = next(one for one in nation["people"] if one["who"]["me"])
        return found

    assert me()["others"] == []
    async with await Client.open(home) as lost:
        await lost.online()
        await until(lambda: lost.me in sitting.two.a.directory().certificates)
        await ours.invite(lost.me)
        there = await joined(lost, ours.title)
        (other,) = await page.until(lambda: me()["others"])
        assert other["devices"] == [lost.me.hex()]
        assert (await page.ask("remove", room=sitting.room, devices=other["devices"]))["ok"]
        await until(lambda: there.row.status is RoomStatus.REMOVED)
    await page.until(lambda: me()["others"] == [])
    await ours.send("said after it", label=Label.AMBER)
    await until(partial(has, sitting.two.theirs, "said after it"))


async def test_history_is_given_to_all_devices_of_whom_the_page_shows(nations: Nations, sitting: Sitting) -> None:
    await sitting.two.ours.send("before they came", label=Label.GREEN)
    await texts(sitting.two.theirs, 1)
    async with at_two_devices(nations, sitting, "Dieynaba") as both:
        person = await shown(sitting, 2)
        assert (await sitting.page.ask("grant", room=sitting.room, devices=person["devices"]))["ok"]
        for one in both:
            await until(partial(has, one, "before they came"))


async def test_history_goes_to_no_device_that_is_not_in_the_room(sitting: Sitting) -> None:
    plan = await sitting.page.ask("plan_grant", room=sitting.room, devices=["ab" * 32])
    assert not plan["ok"]


# ---- whom a label may reach


@pytest.fixture(scope="module")
def low(nations: Nations) -> Path:
    """Somebody in Nouakchott whose device is certified up to TLP:GREEN."""
    return nations.enrol("low", MR, ceiling=Label.GREEN)


@asynccontextmanager
async def known(home: Path, sitting: Sitting) -> AsyncIterator[Client]:
    async with await Client.open(home) as client:
        await client.online()
        await until(lambda: client.me in sitting.two.a.directory().certificates)
        yield client


async def test_a_nation_that_the_room_may_not_reach_is_not_offered_and_not_invited(low: Path, sitting: Sitting) -> None:
    page, two = sitting.page, sitting.two
    async with known(low, sitting) as client:
        (found,) = [one for one in (await whom(page, sitting.room)) if one["organisation"] == MR]
        assert (found["may"], bare(found["why"])) == (False, "A device of it is certified up to TLP:GREEN.")
        assert MA not in {one["organisation"] for one in await whom(page, sitting.room)}
        for asked in ("invite", "type"):
            fields = {"whom": MR} if asked == "invite" else {"text": f"/invite {MR}", **MARKS}
            refused = await page.ask(asked, room=sitting.room, **fields)
            assert (refused["ok"], "certified up to TLP:GREEN" in refused["text"]) == (False, True)
        assert two.a.outbox() == ()
        # The control: where all may read what is said there, the same nation is offered and comes.
        green = (await two.a.create_room("For all", label=Label.GREEN)).id.hex()
        assert [one["why"] for one in await whom(page, green) if one["organisation"] == MR] == [""]
        assert (await page.ask("invite", room=green, whom=MR))["ok"]
        await joined(client, "For all")


async def test_who_does_not_own_a_room_is_offered_nobody_new(low: Path, sitting: Sitting) -> None:
    two = sitting.two
    async with known(low, sitting):
        room = await two.b.create_room("Of Rabat", label=Label.GREEN)
        await room.invite(two.a.me)
        ours = await joined(two.a, "Of Rabat")
        (found,) = [one for one in await whom(sitting.page, ours.id.hex()) if one["organisation"] == MR]
        assert not found["may"]
        assert "owns this room and alone lets a new nation in" in bare(found["why"])


async def test_a_label_above_what_a_reader_is_certified_for_is_not_offered(
    nations: Nations, sitting: Sitting, monkeypatch: pytest.MonkeyPatch
) -> None:
    page, theirs = sitting.page, sitting.two.b.me
    head = page.told["head"]
    assert [(one["label"], one["why"]) for one in head["labels"]] == [
        ("TLP:CLEAR", ""), ("TLP:GREEN", ""), ("TLP:AMBER", ""),
    ]  # fmt: skip
    assert (head["label"], head["narrowed"]) == ("TLP:AMBER", "")
    party = Directory.party

    def certified_anew(self: Directory, device: DeviceId, **more: Any) -> Party:  # noqa: ANN401 - as it is asked
        found = party(self, device, **more)
        return structs.replace(found, ceiling=Label.GREEN) if device == theirs else found

    monkeypatch.setattr(Directory, "party", certified_anew)
    # A certificate that is new in the log: what is known of members is read again.
    async with known(nations.enrol("another", MA), sitting):
        await page.until(lambda: page.told["head"]["narrowed"])
    head = page.told["head"]
    name = next(one.name for one in sitting.two.ours.members() if one.device == theirs)
    why = f"Can read this room, certified up to TLP:GREEN only: {name} of MA."
    assert [(one["label"], bare(one["why"])) for one in head["labels"] if one["why"]] == [("TLP:AMBER", why)]
    assert (head["label"], bare(head["narrowed"])) == ("TLP:GREEN", f"Not offered: TLP:AMBER. {why}")
    refused = await page.ask("type", room=sitting.room, text="/tlp amber", **MARKS)
    assert (refused["ok"], "certified up to TLP:GREEN only" in bare(refused["text"])) == (False, True)
    marked = await page.ask("type", room=sitting.room, text="/tlp green", **MARKS)
    assert marked["data"] == {"marks": {"label": "TLP:GREEN"}}


async def whom(page: Page, room: str) -> list[dict[str, Any]]:
    """Whom the page offers to invite, and whom it does not."""
    found: list[dict[str, Any]] = (await page.ask("whom_to_invite", room=room))["data"]
    return found


def bare(text: str) -> str:
    """Without the marks that set apart what is put into a sentence."""
    return text.replace("\u2068", "").replace("\u2069", "")
