"""The shell around the core when the world is in the way: the store fails, the relay dies, a nation revokes."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

import pytest
from sqlcipher3 import dbapi2 as sqlcipher

from amanah_client import Client, actions, effects, model, organisation
from amanah_client.engine import Event, Offline
from amanah_client.home import Home, create_profile
from amanah_client.keystore import FLOOR_COST, Passphrase
from amanah_client.saying import saying
from amanah_protocol.content.text import Text
from amanah_protocol.errors import Code, DecodeError, OperationalError, UsageError
from amanah_protocol.labels import Label
from amanah_protocol.log.leaf import LeafType
from tests.end_to_end.nations import Nations

TN, MA = "cert.example.tn", "cert.example.ma"
WAIT_S = 60


@asynccontextmanager
async def opened(path: Path) -> AsyncIterator[Client]:
    """A client that is online and has one room."""
    async with await Client.open(path) as client:
        await client.online(WAIT_S)
        await client.create_room("Wave", label=Label.AMBER)
        yield client


@contextmanager
def database(client: Client) -> Iterator[sqlcipher.Connection]:
    """The client's database, as another program of the same user could open it."""
    key = client.profile.keystore.secrets["store"]
    connection = sqlcipher.connect(str(client.profile.home.store), isolation_level=None)
    connection.execute(f"PRAGMA key = \"x'{key.hex()}'\"")
    yield connection
    connection.close()


async def heard(events: asyncio.Queue[Event], wanted: Callable[[Event], bool]) -> Event:
    """Wait for an event."""
    async with asyncio.timeout(WAIT_S):
        while not wanted(event := await events.get()):
            pass
    return event


def texts(client: Client) -> list[str | None]:
    return [message.text for message in client.room("Wave").messages() if message.type == "text"]


async def test_a_store_that_is_full_for_a_while_loses_and_doubles_nothing(nations: Nations) -> None:
    async with opened(nations.enrol("full", TN)) as client:
        with database(client) as other, client.hearing() as events:
            other.execute(
                "CREATE TRIGGER full BEFORE INSERT ON message BEGIN SELECT RAISE(ABORT, 'the disk is full'); END"
            )
            intent = await client.ask(client.room("Wave").compose("said while it was full"))
            offline = await heard(events, lambda event: isinstance(event, Offline))
            assert isinstance(offline, Offline)
            assert (offline.problem.code, offline.final) == (Code.DISK_FULL, False)
            other.execute("DROP TRIGGER full")
            await heard(events, lambda event: isinstance(event, effects.Online))
        done = await client.outcome(intent.id, WAIT_S)
        assert done.state is model.IntentState.DONE
        assert texts(client) == ["said while it was full"]


async def test_what_is_asked_for_while_the_core_is_loaded_anew_is_done(
    nations: Nations, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with opened(nations.enrol("loading", TN)) as client:
        tidying, go_on = threading.Event(), threading.Event()

        def slow(_: set[bytes]) -> None:
            tidying.set()
            go_on.wait(WAIT_S)

        monkeypatch.setattr(client.profile.spool, "tidy", slow)
        with database(client) as other, client.hearing() as events:
            other.execute(
                "CREATE TRIGGER full BEFORE INSERT ON message BEGIN SELECT RAISE(ABORT, 'the disk is full'); END"
            )
            first = await client.ask(client.room("Wave").compose("said while it was full"))
            await heard(events, lambda event: isinstance(event, Offline))
            other.execute("DROP TRIGGER full")
            await asyncio.to_thread(tidying.wait, WAIT_S)
            second = await client.ask(client.room("Wave").compose("said while it was loaded"))
            go_on.set()
        for intent in (first, second):
            assert (await client.outcome(intent.id, WAIT_S)).state is model.IntentState.DONE


async def test_a_store_that_cannot_even_be_read_is_tried_again_until_it_can(nations: Nations) -> None:
    async with opened(nations.enrol("unreadable", TN)) as client:
        room = client.room("Wave")
        with database(client) as other, client.hearing() as events:
            other.execute("ALTER TABLE message RENAME TO message_elsewhere")
            intent = await client.ask(saying(room.id, Text(text="kept"), label=Label.AMBER))
            await heard(events, lambda event: isinstance(event, Offline) and event.attempts >= 3)
            other.execute("ALTER TABLE message_elsewhere RENAME TO message")
        await client.outcome(intent.id, WAIT_S)
        assert texts(client) == ["kept"]


async def test_a_client_that_cannot_begin_leaves_nothing_running(nations: Nations) -> None:
    home = nations.enrol("begins", TN)
    async with await Client.open(home, connect=False) as client:
        with database(client) as other:
            other.execute("ALTER TABLE wish RENAME TO wish_elsewhere")
            with pytest.raises(OperationalError):
                await Client.open(home)
            other.execute("ALTER TABLE wish_elsewhere RENAME TO wish")
        assert [task.get_name() for task in asyncio.all_tasks() if task.get_name().startswith("amanah-")] == []
        assert [thread.name for thread in threading.enumerate() if thread.name.startswith("amanah-store")] == []


async def test_who_takes_a_connection_over_from_a_store_that_fails_for_a_moment_tries_again(nations: Nations) -> None:
    home = nations.enrol("over", TN)
    first = await Client.open(home)
    await first.online(WAIT_S)
    async with await Client.open(home) as second:
        with database(second) as other, second.hearing() as events:
            other.execute("ALTER TABLE wish RENAME TO wish_elsewhere")
            await first.close()
            offline = await heard(events, lambda event: isinstance(event, Offline) and event.problem.code is Code.STORE)
            assert isinstance(offline, Offline)
            assert not offline.final
            other.execute("ALTER TABLE wish_elsewhere RENAME TO wish")
            await heard(events, lambda event: isinstance(event, effects.Online))


async def test_who_follows_another_process_goes_on_behind_a_store_that_failed_for_a_moment(
    nations: Nations, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = nations.enrol("followed", TN)
    async with opened(path) as first, await Client.open(path) as second:
        failed, sound = asyncio.Event(), second.profile.store.rooms

        def failing() -> tuple[model.RoomRow, ...]:
            failed.set()
            raise OperationalError(Code.STORE, "too many open files")

        with second.hearing() as events:
            await first.ask(first.room("Wave").compose("said before"))
            await heard(events, lambda event: isinstance(event, effects.MessageChanged))
            monkeypatch.setattr(second.profile.store, "rooms", failing)
            await first.outcome((await first.ask(first.room("Wave").compose("said meanwhile"))).id, WAIT_S)
            await asyncio.wait_for(failed.wait(), WAIT_S)
            told = await heard(events, lambda event: isinstance(event, Offline))
            assert isinstance(told, Offline)
            assert (told.problem.code, told.final) == (Code.STORE, False)
            monkeypatch.setattr(second.profile.store, "rooms", sound)
            # The line is told as the other process has it, and what the failure kept back.
            await heard(events, lambda event: isinstance(event, effects.Online))
            await heard(events, lambda event: isinstance(event, effects.RoomChanged))
            await first.close()
            await heard(events, lambda _: second.is_online)


async def test_a_relay_that_is_killed_is_found_again_and_nothing_is_lost(tmp_path: Path) -> None:
    nations = Nations(tmp_path)
    try:
        nations.relay.start()
        async with opened(nations.enrol("a", TN)) as client:
            with client.hearing() as events:
                await asyncio.to_thread(nations.relay.kill)
                offline = await heard(events, lambda event: isinstance(event, Offline))
                assert isinstance(offline, Offline)
                assert offline.problem.code is Code.OFFLINE
            intent = await client.ask(client.room("Wave").compose("said meanwhile"))
            with pytest.raises(OperationalError) as caught:
                await client.outcome(intent.id, WAIT_S, patience=1)
            assert caught.value.code is Code.OFFLINE
            await asyncio.to_thread(nations.relay.start)
            await client.outcome(intent.id, WAIT_S)
            assert texts(client) == ["said meanwhile"]
    finally:
        nations.close()


async def test_a_device_that_its_nation_revoked_is_told_and_does_not_come_back(nations: Nations) -> None:
    issuer = nations.members[TN].profile
    async with opened(nations.enrol("gone", TN)) as client, await Client.open(nations.enrol("other", TN)) as other:
        await other.online(WAIT_S)
        item = organisation.find_issued(issuer, "gone")
        made = organisation.revoke(issuer, item, reason="lost", compromised_since_ms=None)
        with client.hearing() as events:
            await other.do(actions.SubmitControl(type=LeafType.REVOCATION, object=made.encoded), WAIT_S)
            offline = await heard(events, lambda event: isinstance(event, Offline) and event.final)
        assert isinstance(offline, Offline)
        assert offline.problem.code is Code.REVOKED
        with pytest.raises(OperationalError) as caught:
            await client.online(WAIT_S)
        assert caught.value.code is Code.REVOKED
        assert client.party(client.me).revoked


async def test_a_client_without_a_connection_reads_and_queues_and_waits_for_nobody(nations: Nations) -> None:
    path = nations.enrol("reader", TN)
    async with opened(path):
        pass
    async with await Client.open(path, connect=False) as client:
        with pytest.raises(OperationalError) as caught:
            await client.online(WAIT_S)
        assert caught.value.code is Code.OFFLINE
        with pytest.raises(OperationalError):
            await client.do(client.room("Wave").compose("later"), WAIT_S)
        (queued,) = client.outbox()
        assert client.intent(queued.id[:8]) == queued
        with pytest.raises(UsageError) as unknown:
            client.intent("")
        assert unknown.value.code is Code.NOT_FOUND


async def test_a_profile_that_does_not_load_gives_its_lock_back(nations: Nations) -> None:
    path = nations.enrol("damaged", TN)
    async with await Client.open(path, connect=False) as client:
        client.profile.store.put_value("log", b"\xc1")
    for _ in range(2):
        with pytest.raises(DecodeError) as caught:
            await Client.open(path)
        assert caught.value.code is Code.MALFORMED


async def test_a_passphrase_that_nobody_gives_is_asked_for(nations: Nations, tmp_path: Path) -> None:

    create_profile(Home(tmp_path), Passphrase(text="six words that are the right ones", cost=FLOOR_COST)).close()
    with pytest.raises(UsageError) as caught:
        await Client.open(tmp_path)
    assert caught.value.code is Code.PASSPHRASE


async def test_a_store_that_fails_between_two_steps_ends_nothing(nations: Nations) -> None:
    async with opened(nations.enrol("between", TN)) as client:
        with database(client) as other:
            other.execute("ALTER TABLE wish RENAME TO wish_elsewhere")
            await asyncio.sleep(1)  # the clock looks every quarter of a second
            other.execute("ALTER TABLE wish_elsewhere RENAME TO wish")
        intent = await client.ask(client.room("Wave").compose("still here"))
        done = await client.outcome(intent.id, WAIT_S)
        assert done.state is model.IntentState.DONE
        assert texts(client) == ["still here"]
