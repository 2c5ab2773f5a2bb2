"""The SDK against a real relay: rooms, messages, what happens without the relay, two programs of one profile."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from amanah_client import Client, Message, Room, model
from amanah_client.home import Home, ProfileLock
from amanah_protocol.errors import Code, OperationalError, UsageError
from amanah_protocol.identity import Role
from amanah_protocol.labels import Label
from tests.end_to_end.nations import Nations

TN, MA = "cert.example.tn", "cert.example.ma"


@pytest.fixture(scope="module")
def nations(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Nations]:
    made = Nations(tmp_path_factory.mktemp("nations"))
    made.relay.start()
    yield made
    made.close()


@pytest.fixture
def nations_offline(tmp_path: Path) -> Iterator[Nations]:
    made = Nations(tmp_path)
    yield made
    made.close()


async def texts(room: Room, count: int, timeout_s: float = 20) -> list[str]:
    """Wait until a room holds so many texts."""
    async with asyncio.timeout(timeout_s):
        while True:
            found = [message.text for message in room.messages(limit=10_000) if message.text is not None]
            if len(found) >= count:
                return found
            await asyncio.sleep(0.05)


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
        async with asyncio.timeout(20):
            while not second.is_online:
                await asyncio.sleep(0.05)
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
