"""What a process does whose profile is connected by another one: it reads what that one stores."""

from __future__ import annotations

from typing import Final, assert_never

import msgspec

from amanah_client import effects as e
from amanah_client import model
from amanah_client.engine import Listener, NamesChanged, Offline
from amanah_client.store import LocalStore
from amanah_protocol.errors import Code, OperationalError
from amanah_protocol.types import RoomId

_PAGE: Final = 500


class _Word(msgspec.Struct, frozen=True, kw_only=True):
    """What the connected process says of its connection: who follows would else not know whether it has one."""

    online: bool
    attempts: int = 0
    code: str = ""
    detail: str = ""
    hint: str = ""


def encode_line(event: e.Online | Offline) -> bytes:
    """How the connection stands, for processes that follow."""
    match event:
        case e.Online():
            word = _Word(online=True)
        case Offline(problem=problem, attempts=attempts):
            said = {"code": str(problem.code), "detail": problem.detail, "hint": problem.hint}
            word = _Word(online=False, attempts=attempts, **said)
        case _:
            assert_never(event)
    return msgspec.json.encode(word)


def decode_line(data: bytes) -> e.Online | Offline | None:
    """How the connection of the other process stands; None when that is not known."""
    try:
        word = msgspec.json.decode(data, type=_Word)
        code = Code(word.code) if not word.online else Code.OFFLINE
    except ValueError:
        return None
    if word.online:
        return e.Online()
    # Never final: when the other one gives up and ends, this process connects itself.
    return Offline(problem=OperationalError(code, word.detail, hint=word.hint), attempts=word.attempts)


class Follower:
    """Tells of new messages, rooms and alarms in a store that another process writes.

    A change of a message that was told already (an erasure, a repair) is seen by reading it again.
    """

    def __init__(self, store: LocalStore, tell: Listener) -> None:
        """Begin behind what is stored now.

        Args:
            store: The profile's store.
            tell: Called for every event; must not block.
        """
        self._store = store
        self._tell = tell
        self._version = store.data_version()
        self._rooms: dict[RoomId, model.RoomRow] = {}
        self._reached: dict[RoomId, int] = {}
        for row in store.rooms():
            self._rooms[row.room] = row
            self._reached[row.room] = row.head_seq
        self._alarms = len(store.alarms())

    def look(self) -> None:
        """Tell what was stored since the last look."""
        version = self._store.data_version()
        if version == self._version:
            return
        self._version = version
        self._tell(NamesChanged())
        for row in self._store.rooms():
            self._look_into(row.room)
            if self._rooms.get(row.room) != row:
                self._rooms[row.room] = row
                self._tell(e.RoomChanged(row=row))
        alarms = self._store.alarms()
        for alarm in alarms[self._alarms :]:
            self._tell(e.AlarmRaised(alarm=alarm))
        self._alarms = len(alarms)

    def _look_into(self, room: RoomId) -> None:
        while True:
            page = self._store.messages(room, after=self._reached.get(room, 0), limit=_PAGE)
            for row in page:
                if row.room_seq is not None:
                    self._reached[room] = row.room_seq
                    self._tell(e.MessageChanged(row=row))
            # Own messages that are not acknowledged come last and are told when they have their place.
            if len(page) < _PAGE or page[-1].room_seq is None:
                return
