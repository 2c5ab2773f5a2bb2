"""Devices that cannot read something, and what they ask for: for the tests of repair."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from msgspec import structs

from amanah_client import model
from amanah_client.core import repair
from amanah_client.core.batch import Batch
from amanah_protocol import frames, kinds
from amanah_protocol.envelope import decode_envelope
from amanah_protocol.kinds import Kind
from amanah_protocol.labels import Label
from amanah_protocol.types import DeviceId, EnvelopeId, RoomId
from tests.client.core.forge import room_of
from tests.client.core.rooms import create, invite
from tests.client.core.world import MA, TN, Client, Hook, Stage, denied

OPEN, LOST, REMOVED = model.RoomStatus.OPEN, model.RoomStatus.LOST, model.RoomStatus.REMOVED
UNREADABLE, STORED, ERASED = model.MessageState.UNREADABLE, model.MessageState.STORED, model.MessageState.ERASED


def three(stage: Stage, ceiling: Label = Label.AMBER) -> tuple[Client, Client, Client, RoomId]:
    """Two officers of one nation and one of another."""
    a, a2, b = stage.online("A", of=TN), stage.online("A2", of=TN), stage.online("B", of=MA)
    room = create(a, ceiling)
    invite(a, room, a2, b)
    return a, a2, b, room


def lose(client: Client, room: RoomId, state: bytes = b"damaged") -> None:
    """What is stored of the room's keys is damaged, or gone."""
    client.disconnect()
    client.store.rooms[room] = replace(client.store.rooms[room], group=state)
    client.restart()


def missing(client: Client, room: RoomId) -> list[model.MessageRow]:
    """Messages that it cannot read."""
    return [row for row in client.rows(room, Kind.MESSAGE, Kind.ALERT) if row.state is UNREADABLE]


def repairs(client: Client, room: RoomId) -> list[tuple[DeviceId, kinds.Repair]]:
    """Requests and answers, as a client has them."""
    rows = [row for row in client.rows(room, Kind.REPAIR) if row.room_seq is not None]
    headers = [decode_envelope(row.encoded).header for row in rows]
    return [(header.kid, header.specific) for header in headers if isinstance(header.specific, kinds.Repair)]


def answers(client: Client, room: RoomId) -> list[DeviceId]:
    """Who sent something again."""
    return [kid for kid, one in repairs(client, room) if one.addressees]


def nothing_silent(client: Client, room: RoomId) -> bool:
    """Every entry from its adding on is shown, or is there with a cause by name."""
    rows = [row for row in client.rows(room) if row.room_seq is not None]
    assert all((row.cause is not None) == (row.state is UNREADABLE) == bool(row.code) for row in rows)
    places = {row.room_seq for row in rows}
    return set(range(client.row(room).added_seq, client.row(room).head_seq + 1)) <= places | {0}


def unread(
    stage: Stage, a: Client, a2: Client, b: Client, room: RoomId, label: Label = Label.AMBER, by: Client | None = None
) -> model.MessageRow:
    """A message of B that A has and that A2 could not open, though it was in its audience; nothing is asked yet."""
    stage.wait(5_000)
    author = by or b
    a2.toward = spoiled(decode_envelope)
    room_of(a2, room).change(asked_at_ms=stage.relay.now_ms)  # so it asks in a minute, and not before
    author.say(room, "the words", label)
    stage.run()
    a2.toward = None
    (row,) = missing(a2, room)
    return row


def spoiled(decode: Callable[[bytes], Any]) -> Hook:
    """A hook by which the relay holds back the contents of messages, and denies that it has them."""

    def hook(frame: frames.Frame) -> list[frames.Frame]:
        if isinstance(frame, frames.Delivery) and decode(frame.envelope).header.kind is Kind.MESSAGE:
            return [structs.replace(frame, content=None, length=0)]
        return [denied(frame)] if isinstance(frame, frames.ContentPiece) else [frame]

    return hook


def ask(sender: Client, room: RoomId, *envelopes: EnvelopeId) -> None:
    """Publish a request, whatever was asked before."""
    room_of(sender, room).row = replace(room_of(sender, room).row, asked_at_ms=0)
    repair._request(sender.core._ctx, room_of(sender, room), tuple(sorted(envelopes)), None)  # noqa: SLF001 - as `work` does
    sender.stage.tick(1)


def publish(sender: Client, room: RoomId, specific: kinds.Specific) -> None:
    """Publish an envelope that seals nothing, whatever it says."""
    batch = Batch(sender.core._ctx, room_of(sender, room))  # noqa: SLF001 - as the outbox does
    batch.add_bare(specific)
    batch.launch()
    sender.stage.tick(1)
