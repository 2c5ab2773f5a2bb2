"""Rooms that one member's commit wedges, and what their members do then."""

from __future__ import annotations

from collections.abc import Collection

import pytest

from amanah_client import model
from amanah_client.core import membership
from amanah_client.saying import saying
from amanah_protocol.content.text import Text
from amanah_protocol.errors import Code, VerifyError
from amanah_protocol.kinds import Create
from amanah_protocol.labels import Label
from amanah_protocol.types import RoomId
from tests.client.core.forge import room_of
from tests.client.core.rooms import create, invite
from tests.client.core.world import MA, SN, TN, Client, Stage

HALTED, OPEN = model.RoomStatus.HALTED, model.RoomStatus.OPEN
DONE, QUEUED, HELD, FAILED = (
    model.IntentState.DONE,
    model.IntentState.QUEUED,
    model.IntentState.HELD,
    model.IntentState.FAILED,
)


class Victims:
    """Clients for whom the commits of one member do not open."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.devices: set[bytes] = set()
        self.committer: bytes = b""
        self.room = RoomId(bytes(16))
        plain = membership._process  # noqa: SLF001 - what a member does with a commit

        def process(ctx, group, entry, envelope, commit):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202 - as the one that it stands for
            if ctx.me in self.devices and envelope.header.kid == self.committer and group.room == self.room:
                raise VerifyError(Code.OPEN, "the path does not open")
            plain(ctx, group, entry, envelope, commit)

        monkeypatch.setattr(membership, "_process", process)

    def of(self, committer: Client, victims: Collection[Client], room: RoomId) -> None:
        self.committer, self.devices, self.room = committer.device.id, {one.device.id for one in victims}, room


def four(stage: Stage) -> tuple[Client, Client, Client, Client, RoomId]:
    """Officers of three nations, and a second one of the second: the last will change the room badly."""
    a, b, c = stage.online("A", of=TN), stage.online("B", of=MA), stage.online("C", of=SN)
    m = stage.online("M", of=MA)
    room = create(a)
    invite(a, room, b, c, m)
    return a, b, c, m, room


def change(client: Client, room: RoomId) -> None:
    """An empty commit."""
    room_of(client, room).change(renew_at_ms=0)
    client.stage.tick()


def wedge(victims: Victims, committer: Client, refusing: Collection[Client], room: RoomId) -> None:
    victims.of(committer, refusing, room)
    change(committer, room)
    for client in refusing:
        assert client.peer is None or client.row(room).status is HALTED


def settle(stage: Stage) -> None:
    stage.wait(70_000)


def next_of(client: Client, room: RoomId) -> RoomId:
    found = client.row(room).successor
    assert found is not None
    return found


def spec_of(client: Client, room: RoomId) -> Create:
    return room_of(client, room).spec


def members(client: Client, room: RoomId) -> set[bytes]:
    group = room_of(client, room).group
    assert group is not None
    return set(group.members)


def ids(*clients: Client) -> set[bytes]:
    return {client.device.id for client in clients}


def ask(client: Client, room: RoomId, text: str, label: Label = Label.AMBER) -> str:
    return client.ask(saying(room, Text(text=text), label=label))
