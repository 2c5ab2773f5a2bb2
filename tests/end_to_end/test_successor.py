"""A malicious member's commit passes the relay and is refused by all: three nations go on in a successor room.

Real relay process, real stores, real time, but that all wait less before they leave the old room; the liar is the same
client with one method that lies.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import pytest

from amanah_client import Client, Room, model
from amanah_client.cli.terminal import EXIT_OK
from amanah_client.core import successor
from amanah_client.home import Home, open_profile
from amanah_protocol.errors import AmanahError
from amanah_protocol.group.room_group import RoomGroup, StagedCommit
from amanah_protocol.labels import Label
from amanah_protocol.types import RoomId
from tests.end_to_end.nations import Nations, amanah

TN, MA, SN = "cert.example.tn", "cert.example.ma", "cert.example.sn"
TITLE: Final = "Payment portals"
WAIT_S: Final = 300


@pytest.fixture
def nations(tmp_path: Path) -> Iterator[Nations]:
    made = Nations(tmp_path, (TN, MA, SN))
    made.relay.start()
    yield made
    made.close()


def corrupt(monkeypatch: pytest.MonkeyPatch, liar: bytes) -> None:
    """From now on what this device seals into a commit does not open; its header stays right."""
    plain = RoomGroup.stage_commit

    def stage_commit(self: RoomGroup, **given: Any) -> StagedCommit:  # noqa: ANN401 - as the one that it stands for
        staged = plain(self, **given)
        if self.own_device != liar:
            return staged
        message = staged.commit.message
        broken = message[:-1] + bytes([message[-1] ^ 1])
        return replace(staged, commit=replace(staged.commit, message=broken))

    monkeypatch.setattr(RoomGroup, "stage_commit", stage_commit)


async def until(true: Callable[[], bool]) -> None:
    async with asyncio.timeout(WAIT_S):
        while not true():  # noqa: ASYNC110 - of several clients, each of which tells of itself alone
            await asyncio.sleep(0.2)


def texts(room: Room) -> list[str]:
    return [message.text for message in room.messages() if message.type == "text" and message.text is not None]


@pytest.mark.slow
def test_three_nations_go_on_in_a_successor_with_nothing_lost(
    nations: Nations, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(successor, "SETTLE_MS", 8_000)
    monkeypatch.setattr(successor, "EARLIEST_MS", 5_000)
    homes = {"a": TN, "b": MA, "c": SN, "liar": MA, "late": MA}
    paths = {name: nations.enrol(name, nation) for name, nation in homes.items()}
    old, new = asyncio.run(_incident(paths, monkeypatch))
    for name in ("a", "b", "c"):
        shown = amanah(paths[name], "room", "list", "--json", "--offline")
        rooms = {room["room"]: room for room in json.loads(shown.out)}
        assert (rooms[old.hex()]["status"], rooms[old.hex()]["successor"]) == ("closed", new.hex())
        assert (rooms[new.hex()]["status"], rooms[new.hex()]["continues"]) == ("open", old.hex())
        assert "it goes on in room" in amanah(paths[name], "room", "show", old.hex(), "--offline").out
    said = amanah(paths["b"], "send", old.hex(), "by the command line")
    assert said.code == EXIT_OK, said
    assert "is closed" in said.err
    by_title = amanah(paths["c"], "read", TITLE, "--json")
    assert json.loads(by_title.out)[-1]["text"] == "by the command line"
    alarms = amanah(paths["a"], "room", "show", old.hex(), "--json", "--offline")
    assert any(one["code"] == "REFUSED_COMMIT" and one["evidence"] for one in json.loads(alarms.out)["alarms"])


async def _incident(paths: dict[str, Path], monkeypatch: pytest.MonkeyPatch) -> tuple[RoomId, RoomId]:
    async with contextlib.AsyncExitStack() as stack:
        clients = {
            name: await stack.enter_async_context(await Client.of(open_profile(Home(path), str)))
            for name, path in paths.items()
        }
        for client in clients.values():
            await client.online(WAIT_S)
        liar, late = clients.pop("liar"), clients.pop("late")
        room = await clients["a"].create_room(TITLE, label=Label.AMBER)
        for one in (clients["b"].me, clients["c"].me, liar.me):
            await room.invite(one)
        await until(lambda: all(len(client.rooms()) == 1 for client in (*clients.values(), liar)))
        await until(lambda: all(client.room(room.id).row.title == TITLE for client in (*clients.values(), liar)))
        rooms = {name: client.room(room.id) for name, client in clients.items()}
        await rooms["b"].send("before")
        corrupt(monkeypatch, liar.me)
        with contextlib.suppress(AmanahError):  # for itself too it is no commit that it can follow
            await liar.room(room.id).invite(late.me, timeout_s=5)
        await until(lambda: all(one.row.status is model.RoomStatus.HALTED for one in rooms.values()))
        waiting = [await clients[name].ask(rooms[name].compose(f"from {name}")) for name in clients]
        await until(lambda: all(one.successor is not None for one in rooms.values()))
        for client, intent in zip(clients.values(), waiting, strict=True):
            await client.outcome(intent.id, WAIT_S)
        (new,) = {one.row.successor for one in rooms.values()}
        assert new is not None
        wanted = ["from a", "from b", "from c"]
        await until(lambda: all(sorted(texts(client.room(new))) == wanted for client in clients.values()))
        members = {party.device for party in clients["a"].room(new).members()}
        assert members == {client.me for client in clients.values()}
        assert all(texts(one) == ["before"] for one in rooms.values())
        assert new not in [one.id for one in liar.rooms()]
        return room.id, new
