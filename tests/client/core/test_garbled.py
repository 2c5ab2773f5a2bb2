"""A relay that garbles whatever it says, field by field: no core ends by an exception, and none is left mute."""

from __future__ import annotations

import random
from typing import Any, Final

import msgspec
import pytest

from amanah_client import actions, model
from amanah_client.saying import saying
from amanah_protocol import frames
from amanah_protocol.content.text import Text
from amanah_protocol.errors import Code, DecodeError
from amanah_protocol.labels import Label
from tests.client.core.rooms import create, invite
from tests.client.core.world import MA, SN, TN, Client, Hook, Stage

SEEDS: Final = 6
EVIL_NUMBERS: Final = (0, 1, 2, 7, 2**31, 2**53, 2**63 - 1)


def garble(value: Any, source: random.Random) -> Any:  # noqa: ANN401 - any field of a frame
    """Another value of the same kind, or nearly."""
    other: Any = source.choice((None, value, 2**40))
    match value:
        case bool():
            other = not value
        case int():
            other = source.choice((*EVIL_NUMBERS, value + 1, max(0, value - 1)))
        case bytes() if value:
            place = source.randrange(len(value))
            broken = value[:place] + bytes([value[place] ^ (1 << source.randrange(8))]) + value[place + 1 :]
            other = source.choice((broken, value[:place], bytes(len(value)), b""))
        case tuple() if value:
            place = source.randrange(len(value))
            changed = (*value[:place], garble(value[place], source), *value[place + 1 :])
            other = source.choice((changed, value[:place], value + value[:1], ()))
        case msgspec.Struct():
            other = garbled(value, source)
        case str():
            other = source.choice((*Code, "", "x" * 200))
        case _:  # None stays, or becomes a number
            pass
    return other


def garbled(frame: msgspec.Struct, source: random.Random) -> msgspec.Struct:
    """The frame with one field changed."""
    fields = {name: getattr(frame, name) for name in frame.__struct_fields__}
    if fields:
        name = source.choice(sorted(fields))
        fields[name] = garble(fields[name], source)
    return type(frame)(**fields)


def hostile(source: random.Random, one_in: int) -> Hook:
    """A hook that garbles, drops, doubles and refuses some of what the relay says."""
    earlier: list[frames.Frame] = []

    def hook(frame: frames.Frame) -> list[frames.Frame]:
        earlier.append(frame)
        if source.randrange(one_in):
            return [frame]
        match source.randrange(6):
            case 0:
                return []
            case 1:
                return [frame, frame]
            case 2:
                return [source.choice(earlier), frame]
            case 3 if hasattr(frame, "request"):
                code = source.choice(sorted(Code))
                return [frames.Refused(request=frame.request, code=code, detail="no", retry_after_ms=2**40)]
            case _:
                return [valid(garbled(frame, source), frame)]

    return hook


def valid(frame: msgspec.Struct, otherwise: frames.Frame) -> frames.Frame:
    """The frame, if it passes the decoder, which has tests of its own."""
    try:
        return frames.decode_relay_frame(frames.encode_frame(frame))  # type: ignore[arg-type]  # it is one, or is refused
    except (DecodeError, msgspec.MsgspecError, OverflowError, TypeError, ValueError):
        return otherwise


def live_on(stage: Stage, victim: Client, room: model.RoomRow) -> None:
    """People work, connections break, time passes."""
    for number in range(8):
        for client in stage.clients:
            if client.peer is None and not any(not one.again for one in client.disconnects):
                client.connect()
        stage.run()
        victim.ask(saying(room.room, Text(text=f"{number}"), label=Label.GREEN))
        if number == 3:
            victim.ask(actions.Invite(room=room.room, organisation=stage.relay.nations[SN].name))
            victim.ask(actions.Disclose(room=room.room, envelope=room.last_id, recipient="court"))
            victim.ask(actions.CreateRoom(title="another", ceiling=Label.GREEN, classical=True))
        for other in stage.clients:
            if other is not victim and room.room in other.store.rooms:
                other.ask(saying(room.room, Text(text=f"{other.name} {number}"), label=Label.GREEN))
        stage.run()
        stage.wait(40_000, 4_000)


@pytest.mark.parametrize("one_in", [3, 12, 40])
def test_whatever_a_relay_garbles_no_core_ends_by_an_exception(one_in: int, scale: int) -> None:
    for seed in range(SEEDS * scale):
        stage = Stage()
        a, b = stage.online("A", of=TN), stage.online("B", of=MA)
        stage.online("C", of=SN)
        room = create(a)
        invite(a, room, b)
        source = random.Random(f"{seed}/{one_in}")
        victim = (a, b)[seed % 2]
        row = victim.row(room)
        victim.toward = hostile(source, one_in)
        live_on(stage, victim, row)
        victim.toward = None
        victim.restart()
        victim.connect()
        stage.run()
        stage.wait(60_000, 4_000)
        assert victim.online()
        victim.tick()
