"""The pager on the SDK: two nations at a real relay, in this process."""

from __future__ import annotations

import asyncio
import contextlib
import json
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Final

import pytest
from msgspec import structs

from amanah_client import actions, model
from amanah_client import effects as e
from amanah_client.cli import watching
from amanah_client.cli.main import main
from amanah_client.cli.terminal import EXIT_INTERRUPTED
from amanah_client.home import Home, ProfileLock
from amanah_client.language.errors import SpokenError
from amanah_client.paging import inputs as i
from amanah_client.paging import pager as p
from amanah_client.paging.duty import Command, Duty, Rota
from amanah_client.paging.machine import State
from amanah_client.sdk import Client
from amanah_client.store.desk import Desk as StoreDesk
from amanah_protocol.content.bodies import RoomInfo
from amanah_protocol.content.page import Page, Result
from amanah_protocol.errors import Code, UsageError
from amanah_protocol.identity import Role
from amanah_protocol.kinds import Grade
from amanah_protocol.labels import Label, Precedence
from amanah_protocol.types import EnvelopeId, RoomId
from tests.client.paging.calls import call as call_of
from tests.end_to_end.nations import Nations

TN, MA = "cert.example.tn", "cert.example.ma"
ROOM: Final = "Phishing wave"
WAIT_S: Final = 60
ALONE: Final = Rota()
ROTA: Final = Rota(
    people=(Duty(name="Analyst on duty", hooks=(Command(argv=("/bin/true",)),)),),
    backup=Duty(name="Backup team", hooks=(Command(argv=("/bin/false",)),)),
    desk_wait_ms=50,
    step_wait_ms=50,
    repeat_wait_ms=50,
)
SLOW: Final = structs.replace(ROTA, desk_wait_ms=86_400_000)


class Circle:
    """Profiles of two nations in one room."""

    def __init__(self, nations: Nations) -> None:
        self.nations = nations
        self.tunis, self.rabat = nations.enrol("tunis", TN), nations.enrol("rabat", MA)
        self.bot = nations.enrol("bot", MA, role=Role.BOT)
        asyncio.run(self._open_room())

    async def _open_room(self) -> None:
        for home in (self.rabat, self.bot):
            async with await Client.open(home) as client:
                await client.online(WAIT_S)
        async with await Client.open(self.tunis) as client:
            room = await client.create_room(ROOM, label=Label.AMBER, timeout_s=WAIT_S)
            await room.invite(MA, timeout_s=WAIT_S)

    def flash(self, text: str = "now") -> EnvelopeId:
        """Tunis sends a flash."""

        async def main() -> EnvelopeId:
            async with await Client.open(self.tunis) as client:
                intent = await client.room(ROOM).send(text, precedence=Precedence.FLASH, timeout_s=WAIT_S)
                assert intent.envelope is not None
                return intent.envelope

        return asyncio.run(main())


@pytest.fixture(scope="module")
def circle(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Circle]:
    nations = Nations(tmp_path_factory.mktemp("nations"), (TN, MA))
    nations.relay.start()
    yield Circle(nations)
    nations.close()


class Desk:
    """A pager that runs, and what it tells."""

    def __init__(self, client: Client, rota: Rota) -> None:
        self.client = client
        self.told: list[p.Notification] = []
        self.changed = asyncio.Event()
        self.pager = p.Pager(client, rota, tell=self._tell)

    def _tell(self, told: p.Notification) -> None:
        self.told.append(told)
        self.changed.set()

    async def until(self, wanted: Callable[[p.Notification], bool]) -> p.Notification:
        """The first of what is told that is wanted."""
        async with asyncio.timeout(WAIT_S):
            while True:
                for told in self.told:
                    if wanted(told):
                        return told
                self.changed.clear()
                await self.changed.wait()

    async def rings(self, message: EnvelopeId) -> None:
        await self.until(lambda told: isinstance(told, p.Rings) and told.ringing.message == message)

    async def paged(self, message: EnvelopeId, step: int, again: int = 0) -> p.Called:
        found = await self.until(
            lambda told: isinstance(told, p.Called) and (told.message, told.step, told.again) == (message, step, again)
        )
        assert isinstance(found, p.Called)
        return found

    async def quiet(self, message: EnvelopeId) -> p.Ended:
        found = await self.until(lambda told: isinstance(told, p.Ended) and told.message == message)
        assert isinstance(found, p.Ended)
        return found


async def until_it_pages(of: Desk) -> None:
    async with asyncio.timeout(WAIT_S):
        while not of.pager.runs_hooks:  # noqa: ASYNC110 - nothing tells of it
            await asyncio.sleep(0.01)


@contextlib.asynccontextmanager
async def desk(home: Path, rota: Rota = ALONE, *, connect: bool = True) -> AsyncIterator[Desk]:
    async with await Client.open(home, connect=connect) as client:
        made = Desk(client, rota)
        task = asyncio.create_task(made.pager.run())
        try:
            yield made
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)


def test_a_page_goes_through_its_steps_is_recorded_and_ends_by_acknowledge(circle: Circle) -> None:
    message = circle.flash()

    async def main() -> None:
        async with desk(circle.rabat, ROTA) as here:
            await here.rings(message)
            assert (await here.paged(message, 1)).result is Result.REACHED
            last = await here.paged(message, 2)
            assert (last.result, [one.detail for one in last.failures]) == (Result.FAILED, ["exit code 1"])
            await here.until(lambda told: isinstance(told, p.NobodyElse) and told.whom == "Backup team")
            await here.paged(message, 2, again=1)
            assert here.pager.runs_hooks
            (ringing,) = here.pager.ringing
            assert (ringing.message, ringing.precedence, ringing.whom) == (message, Precedence.FLASH, "Backup team")
            with pytest.raises(UsageError) as refused:
                await here.pager.acknowledge(message, Grade.RECEIVED)
            assert refused.value.code is Code.USAGE
            intent = await here.pager.acknowledge(message)
            assert here.pager.ringing == ()
            assert (await here.quiet(message)).answered
            with pytest.raises(UsageError) as again:
                await here.pager.acknowledge(message)
            assert again.value.code is Code.NOT_FOUND
            await here.client.outcome(intent.id, WAIT_S)
            spoken = here.client.room(ROOM).board().messages[message]
            steps = [(page.step, page.again, page.result) for _, page in spoken.pages][:4]
            assert steps == [
                (0, 0, Result.RANG), (1, 0, Result.REACHED), (2, 0, Result.FAILED), (2, 1, Result.FAILED),
            ]  # fmt: skip
        # Whoever starts it again hears nothing of what was answered.
        async with desk(circle.rabat, ROTA) as here:
            await here.client.online(WAIT_S)
            await asyncio.sleep(2 * p.TICK_S)
            assert here.told == []

    asyncio.run(main())


def test_a_pager_that_runs_before_its_certificate_was_read_is_of_its_nation_from_then_on(circle: Circle) -> None:
    fresh = circle.nations.enrol("fresh", MA)

    async def main() -> None:
        # Nothing was read yet when it begins: whose desk it is comes with the first answer of the relay.
        async with desk(fresh) as here, await Client.open(circle.tunis) as tunis:
            await here.client.online(WAIT_S)
            room = await tunis.create_room("First night", label=Label.AMBER, timeout_s=WAIT_S)
            await room.invite(MA, timeout_s=WAIT_S)
            called = await room.send("now", precedence=Precedence.FLASH, timeout_s=WAIT_S)
            assert called.envelope is not None
            await here.rings(called.envelope)
            ours = here.client.room("First night")
            own = await ours.send("we look", precedence=Precedence.FLASH, timeout_s=WAIT_S)
            await here.pager.acknowledge(called.envelope)
            assert (await here.quiet(called.envelope)).answered
            await asyncio.sleep(2 * p.TICK_S)
            assert [one.message for one in here.pager.ringing] == []
            assert not [one for one in here.told if isinstance(one, p.Rings) and one.ringing.message == own.envelope]

    asyncio.run(main())


def test_without_the_relay_it_rings_from_the_store_and_the_own_word_counts_at_once_and_after_a_restart(
    circle: Circle,
) -> None:
    message = circle.flash()

    async def main() -> None:
        async with desk(circle.rabat, SLOW) as here:
            await here.rings(message)
        async with desk(circle.rabat, ROTA, connect=False) as here:
            await here.rings(message)
            await here.paged(message, 1)
        # The record of that waits in the outbox: the step is not taken twice.
        async with desk(circle.rabat, SLOW, connect=False) as here:
            await here.rings(message)
            assert [ringing.step for ringing in here.pager.ringing] >= [1]
            await here.pager.acknowledge(message)
        async with desk(circle.rabat, ROTA, connect=False) as here:
            await asyncio.sleep(2 * p.TICK_S)
            assert here.told == []
        async with desk(circle.rabat, SLOW) as here:
            await here.client.online(WAIT_S)
            for intent in here.client.outbox():
                await here.client.outcome(intent.id, WAIT_S)
            assert here.client.room(ROOM).board().messages[message].grades() == {MA: Grade.UNDERSTOOD}

    asyncio.run(main())


def test_what_is_repaired_behind_its_answer_rings_nobody(circle: Circle, monkeypatch: pytest.MonkeyPatch) -> None:
    message = circle.flash()

    async def main() -> None:
        async with desk(circle.rabat, SLOW) as here:
            await here.rings(message)
            intent = await here.pager.acknowledge(message)
            await here.client.outcome(intent.id, WAIT_S)
        # As if it could not be read when the program started: it is no call then.
        monkeypatch.setattr(StoreDesk, "calling", lambda *_: [])
        async with desk(circle.rabat, ROTA, connect=False) as here:
            await asyncio.sleep(2 * p.TICK_S)
            row = here.client.profile.store.message(here.client.room(ROOM).id, message)
            assert row is not None
            await here.pager._hear(e.MessageChanged(row=row))  # noqa: SLF001 - as it comes when it is repaired
            assert here.told == []

    asyncio.run(main())


def test_of_two_processes_of_a_profile_one_runs_hooks_and_the_other_takes_over(circle: Circle) -> None:
    async def main() -> None:
        async with desk(circle.rabat, SLOW, connect=False) as first:
            await until_it_pages(first)
            async with await Client.open(circle.rabat, connect=False) as client:
                second = Desk(client, SLOW)
                running = asyncio.create_task(second.pager.run())
                await asyncio.sleep(2 * p.TICK_S)
                assert not second.pager.runs_hooks
                first.pager._lock.release()  # noqa: SLF001 - as the end of its process does
                await until_it_pages(second)
                running.cancel()
                await asyncio.gather(running, return_exceptions=True)

    asyncio.run(main())


def test_who_takes_over_knows_of_a_step_that_the_room_was_not_told_yet(circle: Circle) -> None:
    message, rota = circle.flash(), structs.replace(SLOW, step_wait_ms=SLOW.desk_wait_ms)

    async def main() -> None:
        async with desk(circle.rabat, rota) as here:
            await here.rings(message)
        async with desk(circle.rabat, rota, connect=False) as first:
            await until_it_pages(first)
            async with desk(circle.rabat, rota, connect=False) as second:
                await second.rings(message)
                page = Page(
                    message=message,
                    step=1,
                    again=0,
                    whom="Analyst",
                    result=Result.REACHED,
                    at_ms=time.time_ns() // 1_000_000,
                )
                await first.client.ask(first.client.room(ROOM).compose(page))
                assert [ringing.step for ringing in second.pager.ringing if ringing.message == message] == [0]
                first.pager._lock.release()  # noqa: SLF001 - as the end of its process does
                await until_it_pages(second)
                await asyncio.sleep(p.TICK_S)
                assert [ringing.step for ringing in second.pager.ringing if ringing.message == message] == [1]
                await second.pager.acknowledge(message)
        async with desk(circle.rabat, rota) as here:
            await here.client.online(WAIT_S)
            for intent in here.client.outbox():
                await here.client.outcome(intent.id, WAIT_S)

    asyncio.run(main())


def test_a_bot_rings_and_its_word_ends_nothing(circle: Circle) -> None:
    message = circle.flash()

    async def main() -> None:
        async with desk(circle.bot) as here:
            await here.rings(message)
            with pytest.raises(SpokenError, match="a bot does not answer"):
                await here.pager.acknowledge(message)
            assert [ringing.message for ringing in here.pager.ringing] == [message]
        async with desk(circle.rabat) as here:
            await here.rings(message)
            await here.pager.acknowledge(message)

    asyncio.run(main())


def test_a_word_that_is_refused_rings_again_and_a_room_that_is_over_is_quiet(circle: Circle) -> None:
    message = circle.flash()

    async def main() -> None:
        async with desk(circle.rabat) as here:
            await here.rings(message)
            intent = await here.pager.acknowledge(message)
            await here.client.outcome(intent.id, WAIT_S)
            refused = replace(intent, state=model.IntentState.FAILED)
            await here.pager._hear(e.IntentChanged(intent=refused))  # noqa: SLF001 - as the engine tells it
            (ringing,) = here.pager.ringing
            assert ringing.state is State.WAITING
            received = replace(refused, action=actions.Acknowledge(room=ringing.room, envelope=message, grade=1))
            await here.pager._hear(e.IntentChanged(intent=received))  # noqa: SLF001 - as above
            assert [one.message for one in here.pager.ringing] == [message]
            row = replace(here.client.room(ROOM).row, status=model.RoomStatus.REMOVED)
            await here.pager._hear(e.RoomChanged(row=row))  # noqa: SLF001 - as above
            assert not here.pager.ringing
            assert here.told[-1] == p.Ended(room=ringing.room, message=message, answered=False)

    asyncio.run(main())


def test_a_device_that_is_removed_and_added_again_rings_for_what_it_heard_before_and_for_what_comes(
    circle: Circle,
) -> None:
    before = circle.flash("before")

    async def main() -> None:
        async with desk(circle.rabat) as here, await Client.open(circle.tunis) as tunis:
            await here.rings(before)
            room = tunis.room(ROOM)
            await room.remove(here.client.me, timeout_s=WAIT_S)
            assert not (await here.quiet(before)).answered
            here.told.clear()
            await room.invite(MA, timeout_s=WAIT_S)
            await here.rings(before)
            intent = await room.send("after", precedence=Precedence.FLASH, timeout_s=WAIT_S)
            assert intent.envelope is not None
            await here.rings(intent.envelope)
            for message in (before, intent.envelope):
                own = await here.pager.acknowledge(message)
                outcome = await here.client.outcome(own.id, WAIT_S)
                assert outcome.state is model.IntentState.DONE
                assert (await here.quiet(message)).answered
            assert here.pager.ringing == ()

    asyncio.run(main())


def test_a_word_that_is_refused_to_another_process_of_the_profile_rings_again(circle: Circle) -> None:
    message = circle.flash()
    connected = ProfileLock(Home(circle.rabat))

    async def main() -> None:
        async with desk(circle.rabat) as here:
            await here.rings(message)
        assert connected.acquire()
        try:
            async with desk(circle.rabat) as here:
                assert here.client.is_following
                await here.rings(message)
                intent = await here.pager.acknowledge(message)
                await here.quiet(message)
                here.told.clear()
                async with await Client.open(circle.rabat, connect=False) as other:
                    other.profile.store.commit((e.PutIntent(intent=replace(intent, state=model.IntentState.FAILED)),))
                await here.rings(message)
        finally:
            connected.release()
        async with desk(circle.rabat) as here:
            await here.rings(message)
            await here.pager.acknowledge(message)

    asyncio.run(main())


def test_a_rota_names_rooms_and_one_that_fits_none_is_told(circle: Circle) -> None:
    async def main() -> None:
        async with await Client.open(circle.rabat, connect=False) as client:
            pager = p.Pager(client, structs.replace(ALONE, rooms=(ROOM, "Fishing wave")))
            assert pager.unknown_rooms() == ("Fishing wave",)

    asyncio.run(main())


@contextlib.asynccontextmanager
async def renamed(tunis: Client, here: Desk, title: str) -> AsyncIterator[None]:
    """The room's owner, whose client is not ours, calls it otherwise for a while."""
    room = tunis.room(ROOM)
    assert tunis._engine is not None  # noqa: SLF001 - no client of ours renames a room
    held = tunis._engine._core._ctx.rooms[room.id]  # noqa: SLF001 - as above
    for to in (title, ROOM):
        held.bodies.append(RoomInfo(title=to, description=""))
        await room.send("x", timeout_s=WAIT_S)
        async with asyncio.timeout(WAIT_S):
            while here.client.room(room.id).title != to:  # noqa: ASYNC110 - nothing tells of it
                await asyncio.sleep(0.01)
        if to is title:
            yield


def test_a_room_of_the_rota_that_its_owner_renames_is_told_and_rings_as_before(circle: Circle) -> None:
    async def main() -> None:
        async with (
            desk(circle.rabat, structs.replace(ALONE, rooms=(ROOM,))) as here,
            await Client.open(circle.tunis) as tunis,
        ):
            await tunis.online(WAIT_S)
            async with renamed(tunis, here, "Harbour"):
                told = await here.until(lambda told: isinstance(told, p.Renamed))
                assert told == p.Renamed(room=tunis.room(ROOM).id, before=ROOM, title="Harbour")
                intent = await tunis.room(ROOM).send("now", precedence=Precedence.FLASH, timeout_s=WAIT_S)
                assert intent.envelope is not None
                await here.rings(intent.envelope)
                await here.pager.acknowledge(intent.envelope)
                # As a program does that is started now.
                assert p.Pager(here.client, structs.replace(ALONE, rooms=(ROOM, "Port"))).unknown_rooms() == ("Port",)

    asyncio.run(main())


def test_a_room_that_gets_a_title_of_the_rota_rings_for_what_nobody_answered(circle: Circle) -> None:
    async def main() -> None:
        rota = structs.replace(ALONE, rooms=("Port authority",))
        async with desk(circle.rabat, rota) as here, await Client.open(circle.tunis) as tunis:
            await tunis.online(WAIT_S)
            intent = await tunis.room(ROOM).send("now", precedence=Precedence.FLASH, timeout_s=WAIT_S)
            message = intent.envelope
            assert message is not None
            async with asyncio.timeout(WAIT_S):
                while not here.client.room(ROOM).entries(message):  # noqa: ASYNC110 - nothing tells of it
                    await asyncio.sleep(0.01)
            await asyncio.sleep(2 * p.TICK_S)
            assert here.pager.ringing == ()
            async with renamed(tunis, here, "Port authority"):
                await here.rings(message)
                await here.pager.acknowledge(message)

    asyncio.run(main())


def test_watch_sounds_and_says_what_rings_until_it_is_ended(
    circle: Circle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    message = circle.flash()
    monkeypatch.setattr(watching, "BELL_S", 0.05)
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    player = tmp_path / "player"
    # The second time it ends the program that sounds it.
    player.write_text(f"#!/bin/sh\nenv > {tmp_path}/env\ntest -e {tmp_path}/once && kill -TERM $PPID\n")
    with player.open("a") as file:
        file.write(f"touch {tmp_path}/once\nexit 3\n")
    player.chmod(0o700)
    words = ["watch", "--sound", f"{player} loud", "--home", str(circle.rabat)]
    assert main(words) == EXIT_INTERRUPTED
    told = capsys.readouterr()
    assert f"RINGS  {message.hex()[:12]}" in told.out
    assert "nobody is named in paging.toml" in " ".join(told.err.split())
    assert "no sound: command" in " ".join(told.err.split())
    assert "\a" in told.err
    assert "AMANAH_PRECEDENCE=flash" in (tmp_path / "env").read_text().splitlines()
    assert main([*words[:3], "--json", "--no-bell", *words[3:]]) == EXIT_INTERRUPTED
    told = capsys.readouterr()
    assert json.loads(told.out.splitlines()[0])["event"] == "rings"
    assert "\a" not in told.err


def test_a_record_that_the_room_does_not_take_is_told_and_people_are_paged_all_the_same(circle: Circle) -> None:
    async def main() -> None:
        async with await Client.open(circle.rabat, connect=False) as client:
            here = Desk(client, ROTA)
            call = call_of(1, room=RoomId(b"x" * 16))
            record = i.Record(call=call, number=0, again=0, whom="the desk", result=Result.RANG)
            await here.pager._perform(record)  # noqa: SLF001 - a room that is gone meanwhile
            called, untold = here.told
            assert isinstance(called, p.Called)
            assert isinstance(untold, p.NotRecorded)
            assert untold.problem.code is Code.UNKNOWN_ROOM

    asyncio.run(main())


def test_the_rota_of_the_profiles_folder_is_taken_and_one_that_cannot_be_used_is_refused(circle: Circle) -> None:
    path = circle.rabat / "paging.toml"

    async def main() -> Rota:
        async with await Client.open(circle.rabat, connect=False) as client:
            return p.Pager(client).rota

    assert asyncio.run(main()) == Rota()
    try:
        path.write_text("[backup]\nname = 'Backup team'\nhooks = [{ command = ['/bin/true'] }]\n")
        assert asyncio.run(main()).pages
        path.write_text("[backup]\n")
        with pytest.raises(UsageError, match="line 1, backup"):
            asyncio.run(main())
    finally:
        path.unlink()
