"""What is still under way in a world: I9 asks for nothing, thirty seconds after everybody is connected again."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

from amanah_client import actions, model
from amanah_protocol.log.leaf import LeafType
from amanah_protocol.types import DeviceId, RoomId
from tests.simulation.final import read_log, read_room
from tests.simulation.history import Revoked

if TYPE_CHECKING:
    from tests.simulation.client_shell import ClientShell
    from tests.simulation.world import World

RECENT_MS: Final = 5_000
"""What was accepted so lately may still be on its way."""
WAITING: Final = (model.IntentState.QUEUED, model.IntentState.SENT, model.IntentState.HELD)


def find_unconnected(world: World) -> list[str]:
    """Who is not connected."""
    return [f"{shell.device.name} is not connected" for shell in _living(world) if shell.connected_ms is None]


def find_pending(world: World) -> list[str]:
    """What has not come about: logins, intents, deliveries of what was accepted a while ago."""
    newest = {room: _newest(world, room, RECENT_MS) for room in _rooms(world)}
    return [found for shell in _living(world) for found in _pending_of(shell, newest, patient=True)]


def find_unrest(world: World) -> list[str]:
    """What would still change something: publishes in flight, deliveries on their way."""
    newest = {room: _newest(world, room, 0) for room in _rooms(world)}
    found = [found for shell in _living(world) for found in _pending_of(shell, newest)]
    for shell in _living(world):
        flying = [row for row in shell.store.rooms() if row.in_flight is not None]
        found += [f"{shell.device.name} has a publish in flight in {row.room.hex()[:8]}" for row in flying]
    return found


def _living(world: World) -> list[ClientShell]:
    """Everybody whose device was not revoked."""
    revoked = {event.device for event in world.history.of(Revoked)}
    return [shell for shell in world.clients.values() if shell.device.id not in revoked]


def _rooms(world: World) -> list[RoomId]:
    log = read_log(world.relay.store)
    return list({entry.room: None for entry in log if entry.type is LeafType.ENVELOPE})


def _newest(world: World, room: RoomId, recent_ms: int) -> dict[DeviceId, int]:
    """The newest entry of a room, not counting recent ones, that each member must have."""
    until_ms = world.relay.clock_ms - recent_ms
    newest: dict[DeviceId, int] = {}
    before: frozenset[DeviceId] = frozenset()
    for logged in read_room(world.relay.store, room):
        if logged.entry.accepted_at_ms <= until_ms:
            # Who is removed gets the commit that removes him, and nothing behind it.
            newest.update(dict.fromkeys(logged.members | before, logged.entry.room_seq))
        before = logged.members
    return newest


def _pending_of(
    shell: ClientShell, newest: dict[RoomId, dict[DeviceId, int]], *, patient: bool = False
) -> Iterator[str]:
    name = shell.device.name
    if shell.online_since_ms is None:
        yield f"{name} is not online {shell.final}"
    for intent in shell.store.intents(*WAITING):
        # Who invites a device that has nothing to be invited with asks again every 30 s, until it comes online.
        if not (patient and isinstance(intent.action, actions.Invite)):
            yield f"{name}: {type(intent.action).__name__} is {intent.state} {intent.code} {intent.detail}"
    heads = {row.room: row for row in shell.store.rooms()}
    for room, members in newest.items():
        wanted = members.get(shell.device.id)
        row = heads.get(room)
        if wanted is not None and (row is None or row.head_seq < wanted):
            where = "nothing" if row is None else f"{row.head_seq}, {row.status}"
            yield f"{name} lacks {room.hex()[:8]} up to {wanted}: has {where}"
        if (
            wanted is not None
            and row is not None
            and row.status
            in (model.RoomStatus.JOINING, model.RoomStatus.HALTED, model.RoomStatus.BEHIND, model.RoomStatus.OPENING)
        ):
            yield f"{name} is still {row.status} in {room.hex()[:8]}"
