"""The SDK against a real relay: rooms, messages, what happens without the relay, two programs of one profile."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC
from pathlib import Path

import pytest

from amanah_client import Client, Message, Room, model
from amanah_client.core.invite import AGAIN_MS
from amanah_client.directory import Directory
from amanah_client.feed import Feed
from amanah_client.home import Home, ProfileLock
from amanah_client.message import Opened
from amanah_client.model import MessageState
from amanah_client.view.entries import Entry
from amanah_client.view.people import seat_of
from amanah_protocol.errors import AmanahError, Code, OperationalError, RefusedError, UsageError
from amanah_protocol.identity import Role
from amanah_protocol.kinds import Ack, Grade
from amanah_protocol.labels import Label
from amanah_protocol.types import DeviceId, RoomId
from tests.end_to_end.nations import Nations

TN, MA = "cert.example.tn", "cert.example.ma"


@pytest.fixture
def nations_offline(tmp_path: Path) -> Iterator[Nations]:
    made = Nations(tmp_path)
    yield made
    made.close()


async def invited(room: Room, device: DeviceId) -> None:
    """Invite a device that has just come: its key packages may take a moment longer than it, and are asked for anew."""
    async with asyncio.timeout(3 * AGAIN_MS / 1_000):
        while True:
            try:
                await room.invite(device, timeout_s=2 * AGAIN_MS / 1_000)
            except AmanahError as error:
                if error.code is not Code.NO_KEY_PACKAGE:
                    raise
                await asyncio.sleep(0.1)
            else:
                return


async def until(truth: Callable[[], object], timeout_s: float = 20) -> None:
    """Wait until something is so."""
    async with asyncio.timeout(timeout_s):
        while True:
            if truth():
                return
            await asyncio.sleep(0.05)


def said(room: Room) -> list[str]:
    return [message.text for message in room.messages(limit=10_000) if message.text is not None]


async def texts(room: Room, count: int) -> list[str]:
    """Wait until a room holds so many texts."""
    await until(lambda: len(said(room)) >= count)
    return said(room)


async def joined(client: Client, title: str, timeout_s: float = 20) -> Room:
    """Wait until a room of a title is there."""
    async with asyncio.timeout(timeout_s):
        while True:
            try:
                return client.room(title)
            except UsageError:
                await asyncio.sleep(0.05)


async def test_a_room_is_opened_another_nation_invited_and_both_read_what_both_say(nations: Nations) -> None:
    async with await Client.open(nations.enrol("a", TN)) as a, await Client.open(nations.enrol("b", MA)) as b:
        await a.online()
        await b.online()
        room = await a.create_room("Phishing wave", label=Label.AMBER)
        await room.invite(MA)
        sent = await room.send("Seen at your side?")
        assert sent.state is model.IntentState.DONE
        theirs = await joined(b, "Phishing wave")
        assert await texts(theirs, 1) == ["Seen at your side?"]
        await theirs.send("لا، ليس بعد")
        assert await texts(room, 2) == ["Seen at your side?", "لا، ليس بعد"]
        assert [party.name for party in room.members()] == ["b", "a"]
        first: Message = next(message for message in theirs.messages() if message.text)
        assert (first.sender.name, first.sender.organisation, first.label) == ("a", TN, Label.AMBER)


async def test_a_message_written_without_the_relay_goes_out_by_itself(nations_offline: Nations) -> None:
    nations = nations_offline
    path = nations.enrol("a", TN)
    async with await Client.open(path) as client:
        with pytest.raises(OperationalError) as caught:
            await client.create_room("Later", label=Label.GREEN, timeout_s=0.5)
        assert caught.value.code is Code.OFFLINE
        assert [intent.state for intent in client.outbox()] == [model.IntentState.QUEUED]
        await asyncio.to_thread(nations.relay.start)
        room = await joined(client, "Later")
        assert room.ceiling is Label.GREEN
        await asyncio.to_thread(nations.relay.stop)
        kept = await client.ask(room.compose("said while it was down"))
        await asyncio.to_thread(nations.relay.start)
        done = await client.outcome(kept.id, 60)
        assert done.room_seq is not None
    async with await Client.open(path, connect=False) as client:
        assert await texts(client.room("Later"), 1) == ["said while it was down"]


async def test_two_programs_of_one_profile_share_one_connection_and_the_second_takes_over(nations: Nations) -> None:
    path = nations.enrol("c", TN, role=Role.OFFICER)
    first = await Client.open(path)
    await first.online()
    room = await first.create_room("Shared", label=Label.AMBER)
    async with await Client.open(path) as second:
        assert second.is_following
        await second.online()
        with second.hearing() as events:
            await second.room("Shared").send("through the store")
            assert await texts(room, 1) == ["through the store"]
            async with asyncio.timeout(10):
                while not isinstance(event := await events.get(), model.Alarm) and not hasattr(event, "row"):
                    pass
        await first.close()
        await until(lambda: second.is_online)
        await second.room("Shared").send("by itself")
        assert await texts(room_of(second), 2) == ["through the store", "by itself"]


def room_of(client: Client) -> Room:
    return client.room("Shared")


async def test_the_lock_is_free_again_when_a_client_has_closed(nations: Nations) -> None:
    path = nations.enrol("d", TN)
    async with await Client.open(path):
        lock = ProfileLock(Home(path))
        assert not lock.acquire()
    assert lock.acquire()
    lock.release()


@dataclass(frozen=True)
class Two:
    """One room, as officers of two nations have it."""

    a: Client
    b: Client
    ours: Room
    theirs: Room


@asynccontextmanager
async def officers(nations: Nations, name: str) -> AsyncIterator[Two]:
    """Two of them, in a room of this name."""
    homes = [nations.enrol(f"{officer} of {name}", nation) for officer, nation in (("a", TN), ("b", MA))]
    async with await Client.open(homes[0]) as a, await Client.open(homes[1]) as b:
        await a.online()
        await b.online()
        room = await a.create_room(name, label=Label.AMBER)
        await invited(room, b.me)
        yield Two(a, b, room, await joined(b, name))


@pytest.fixture
async def two(nations: Nations, request: pytest.FixtureRequest) -> AsyncIterator[Two]:
    async with officers(nations, request.node.name) as made:
        yield made


async def test_what_is_said_is_heard_as_it_arrives(two: Two) -> None:
    heard = two.b.listen(two.theirs)
    waiting = asyncio.ensure_future(anext(heard))
    await asyncio.sleep(0)
    await two.ours.send("hear this")
    async with asyncio.timeout(20):
        message = await waiting
        while message.text is None:
            message = await anext(heard)
    assert (message.text, message.sender.organisation) == ("hear this", TN)


async def test_a_message_is_not_told_as_delivered_to_a_nation_that_came_later(nations: Nations) -> None:
    homes = [nations.enrol(f"{officer} who counts", nation) for officer, nation in (("a", TN), ("b", MA))]
    async with await Client.open(homes[0]) as a, await Client.open(homes[1]) as b:
        await a.online()
        await b.online()
        room = await a.create_room("Counted", label=Label.AMBER)
        await room.send("before")
        await invited(room, b.me)
        await room.send("behind")

        def delivered() -> list[str]:
            seat = seat_of(a, a.party(a.me), {}, now_ms=0, zone=UTC)
            own = [item.delivery for item in Feed(room).items(seat, ()) if isinstance(item, Entry)]
            return [one.text for one in own if one is not None]

        await until(lambda: delivered()[-1:] == ["delivered to the other nation"], 60)
        assert delivered() == ["accepted by the relay; the other nations came later", "delivered to the other nation"]


async def test_every_message_can_be_found_by_its_id_and_acknowledged(two: Two) -> None:
    sent = await two.ours.send("please confirm")
    await texts(two.theirs, 1)
    assert sent.envelope is not None
    found = two.b.message(sent.envelope.hex()[:9])
    assert found.text == "please confirm"
    await two.theirs.acknowledge(found.id, Grade.UNDERSTOOD)
    expected = Ack(grade=Grade.UNDERSTOOD, envelope=found.id)
    await until(lambda: expected in [message.specific for message in two.ours.messages()])


async def test_an_erased_message_leaves_a_tombstone_with_everybody(two: Two) -> None:
    sent = await two.ours.send("said too much")
    await texts(two.theirs, 1)
    assert sent.envelope is not None
    await two.ours.erase(sent.envelope)
    erased = (sent.envelope, model.MessageState.ERASED)
    await until(lambda: erased in [(message.id, message.state) for message in two.ours.messages()])
    await until(lambda: erased in [(message.id, message.state) for message in two.theirs.messages()])
    assert two.b.message(sent.envelope.hex()).text is None


async def test_members_are_found_by_organisation_name_and_device(two: Two) -> None:
    name = two.b.party(two.b.me).name
    await two.theirs.send("so that the name is known")
    await texts(two.ours, 1)
    for reference in (MA, name, two.b.me.hex(), two.b.me.hex()[:8].upper()):
        assert two.ours.find_members(reference) == (two.b.me,)
    for reference in ("cert.example.fr", "somebody", two.b.me.hex()[:3]):
        with pytest.raises(UsageError) as caught:
            two.ours.find_members(reference)
        assert caught.value.code is Code.NOT_FOUND
    assert two.a.device(two.b.me.hex()[:8]) == two.b.me
    with pytest.raises(UsageError):
        two.a.device(two.b.me.hex()[:3])


async def test_a_name_that_two_nations_have_does_not_remove_either(two: Two, nations: Nations) -> None:
    twin = nations.enrol("twin", MA, called=two.a.party(two.a.me).name)
    async with await Client.open(twin) as other:
        await other.online()
        await invited(two.ours, other.me)
        room = await joined(other, two.ours.title)
        await room.send("so that the name is known")
        await texts(two.ours, 1)
    with pytest.raises(UsageError) as caught:
        two.ours.find_members(two.a.party(two.a.me).name)
    assert caught.value.code is Code.USAGE


async def test_a_label_above_the_ceiling_is_refused_before_anything_is_queued(two: Two) -> None:
    for label in (Label.AMBER_STRICT, Label.RED):
        with pytest.raises(RefusedError) as caught:
            await two.ours.send("too much", label=label)
        assert caught.value.code is Code.LABEL
    assert two.a.outbox() == ()


async def test_a_room_whose_title_is_not_known_is_shown_by_its_id_under_the_strictest_label(two: Two) -> None:
    unknown = Room(two.a, RoomId(bytes(16)))
    assert (unknown.title, unknown.ceiling, unknown.epoch, unknown.members()) == ("00000000", Label.RED, None, [])
    assert unknown.alarms() == []


async def test_two_rooms_of_one_title_have_to_be_named_by_their_ids(two: Two) -> None:
    second = await two.a.create_room(two.ours.title, label=Label.GREEN)
    with pytest.raises(UsageError) as caught:
        two.a.room(two.ours.title)
    assert "2 rooms" in caught.value.detail
    assert two.a.room(second.id.hex()[:10]).ceiling is Label.GREEN
    await two.ours.send("the newest")
    assert [room.id for room in two.a.rooms()] == [second.id, two.ours.id]


async def test_what_is_done_can_neither_be_released_nor_withdrawn(two: Two) -> None:
    done = await two.ours.send("done")
    with pytest.raises(UsageError):
        await two.a.release(done)
    await two.a.withdraw(done)
    assert two.a.intent(done.id).state is model.IntentState.DONE
    sent = model.Intent(id="0" * 32, action=two.ours.compose("x"), created_at_ms=0, state=model.IntentState.SENT)
    with pytest.raises(UsageError):
        await two.a.withdraw(sent)


async def test_what_was_dropped_while_nothing_ran_never_goes_out(
    nations: Nations, monkeypatch: pytest.MonkeyPatch
) -> None:
    home, title = nations.enrol("dropping", TN), "Dropping"
    async with await Client.open(home) as client:
        await client.create_room(title, label=Label.AMBER)
    async with await Client.open(home, connect=False) as client:
        dropped = await client.ask(client.room(title).compose("better not"))
        kept = await client.ask(client.room(title).compose("as it is"))
        await client.withdraw(dropped)
    # However late the program looks around by itself.
    monkeypatch.setattr("amanah_client.engine._TICK_S", 3_600)
    async with await Client.open(home) as client:
        await client.outcome(kept.id)
        assert client.intent(dropped.id).detail == "withdrawn"
        assert [one.text for one in client.room(title).messages() if one.text] == ["as it is"]


def test_the_package_offers_its_names_and_no_others() -> None:
    import amanah_client  # noqa: PLC0415 - the package itself is asked

    assert {name: getattr(amanah_client, name).__name__ for name in amanah_client.__all__} == {
        "Client": "Client",
        "Message": "Message",
        "Room": "Room",
    }
    with pytest.raises(AttributeError, match="Nobody"):
        amanah_client.Nobody  # noqa: B018 - asking is the point


async def test_what_was_opened_before_is_not_opened_again_until_it_changes(two: Two) -> None:
    sent = await two.ours.send("kept")
    assert sent.envelope is not None
    name = sent.envelope.hex()
    first = two.ours.message(name)
    assert two.ours.message(name) is first
    await two.ours.erase(sent.envelope)
    await until(lambda: two.ours.message(name).state is MessageState.ERASED)
    assert two.ours.message(name).text is None


async def test_no_more_is_kept_open_than_was_allowed_and_nothing_under_other_names(two: Two) -> None:
    rows = [message.row for message in two.ours.messages(limit=3)]
    opened, names = Opened(most=2), two.a.directory()
    read = [opened.read(row, names, drill=False) for row in rows]
    assert opened.read(rows[2], names, drill=False) is read[2]
    assert opened.read(rows[0], names, drill=False) is not read[0]
    assert opened.read(rows[2], Directory((), ()), drill=False) is not read[2]
    assert opened.read(rows[2], Directory((), ()), drill=True).drill
    opened.forget(rows[2])
    opened.forget(rows[2])
