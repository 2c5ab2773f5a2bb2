"""The end of an incident as faces ask for it: nations are asked to sign off, sign, and it is recorded that it stands.

Each of these looks at all that the relay has of the room first: facts of fewer entries would be others.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Collection, Sequence
from typing import Final

from amanah_client.effective import check_present
from amanah_client.incident.closing import ShownClosing, ask_to_sign, record, sign
from amanah_client.room import Room
from amanah_client.sdk import Client
from amanah_protocol.content.incident import Incident, Status
from amanah_protocol.errors import Code, UsageError
from amanah_protocol.types import DeviceId, OrgName

_DAY_MS: Final = 86_400_000
_WAIT_S: Final = 20.0


async def ask_nations(
    client: Client, room: Room, nations: Sequence[OrgName], days: int, *, circle: Collection[DeviceId] = ()
) -> None:
    """Say that the incident is closed, if nobody has, then ask about all entries up to that.

    Args:
        client: The profile.
        room: The room.
        nations: Who is asked; all in the room where none is named.
        days: How many days they have.
        circle: Whom its author was shown as the readers; as `Room.compose`.

    Raises:
        AmanahError: It cannot be caught up, or is refused; where the first step was taken, that one stands.
    """
    await _catch_up(client, room)
    # Before anything is sent: else the incident would be closed, and nobody asked.
    check_present(room, nations)
    if room.board(about=()).standing.status is not Status.CLOSED:
        await client.do(room.compose(Incident(status=Status.CLOSED), circle=circle), _WAIT_S)
    asked = nations or tuple(party.organisation for party in room.members())
    events = await asyncio.to_thread(room.placed)
    body = ask_to_sign(events, nations=asked, sign_until_ms=_now_ms() + days * _DAY_MS)
    await client.ask(room.compose(body, circle=circle))


async def sign_off(
    client: Client,
    room: Room,
    *,
    anyway: bool,
    shown: ShownClosing | None = None,
    circle: Collection[DeviceId] = (),
) -> tuple[str, ...]:
    """Sign by what this device has; gives the facts in which that differs from what was asked.

    Where it differs and not `anyway`, nothing is signed.

    Args:
        client: The profile.
        room: The room.
        anyway: Whether other facts are signed, too.
        shown: As for `incident.closing.sign`.
        circle: As for `ask_nations`.

    Raises:
        AmanahError: It cannot be caught up, or there is nothing to sign, or another closing was shown.
    """
    await _catch_up(client, room)
    events = await asyncio.to_thread(room.placed)
    body, differs = sign(events, room.board(about=()), shown=shown, typed=True)
    if not differs or anyway:
        await client.ask(room.compose(body, circle=circle))
    return differs


async def record_closing(
    client: Client, room: Room, *, shown: ShownClosing | None = None, circle: Collection[DeviceId] = ()
) -> None:
    """Record that the closing stands.

    Args:
        client: The profile.
        room: The room.
        shown: As for `incident.closing.record`.
        circle: As for `ask_nations`.

    Raises:
        AmanahError: It cannot be caught up, or nations may still sign, or another closing was shown.
    """
    await _catch_up(client, room)
    body = record(room.board(about=()), now_ms=_now_ms(), shown=shown, typed=True)
    await client.ask(room.compose(body, circle=circle))


async def _catch_up(client: Client, room: Room) -> None:
    await client.online(_WAIT_S, patience=Client.PATIENCE)
    if not room.row.head_seq:
        raise UsageError(Code.NOT_FOUND, f"there is nothing in {room.title!r} to sign")


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
