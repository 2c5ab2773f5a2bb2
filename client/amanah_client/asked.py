"""New intents: one for an action, and those of a room that is to be opened with everything in it."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Iterable

from amanah_client.actions import Action, CreateRoom
from amanah_client.core.batch import message_id_of
from amanah_client.model import Intent
from amanah_client.store.store import LocalStore
from amanah_protocol.envelope import derive_room_id
from amanah_protocol.errors import Code, UsageError
from amanah_protocol.roster import decode_roster
from amanah_protocol.types import DeviceId, RoomId


def new_intent(action: Action, intent_id: str | None = None) -> Intent:
    """An intent that nobody has yet, under an id if that is settled."""
    return Intent(id=intent_id or secrets.token_hex(16), action=action, created_at_ms=time.time_ns() // 1_000_000)


def with_room(
    store: LocalStore, me: DeviceId, create: CreateRoom, inside: Callable[[RoomId], Iterable[Action]]
) -> tuple[Intent, ...]:
    """A room and what goes into it, the room's own intent first: its id follows from that.

    Raises:
        UsageError: `CONFIG` where the roster names several logs, so that the id is not known yet; or as `inside`.
    """
    opening = new_intent(create)
    roster = store.value("roster")
    origins = set() if roster is None else {relay.origin for relay in decode_roster(roster).relays}
    if len(origins) != 1:
        raise UsageError(Code.CONFIG, f"the roster names {len(origins)} logs", hint="Use `amanah room create`.")
    room = derive_room_id(origins.pop(), me, message_id_of(opening))
    return (opening, *map(new_intent, inside(room)))
