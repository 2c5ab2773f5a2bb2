"""What a process does whose profile is connected by another one: it reads what that one stores."""

from __future__ import annotations

from dataclasses import replace
from typing import Final, assert_never

import msgspec

from amanah_client import effects as e
from amanah_client import model
from amanah_client.engine import Listener, NamesChanged, Offline
from amanah_client.store import LocalStore
from amanah_client.store.writes import UNFINISHED
from amanah_protocol.errors import Code, OperationalError

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
    """Tells of messages, intents, rooms, names and alarms in a store that another process writes, as they change.

    A look that finds nothing new asks the file for one number; another reads what was written, and no more.
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
        self._messages, self._names = store.desk.turns()
        self._rooms = {row.room: row for row in store.rooms()}
        self._intents = {intent.id: intent for intent in store.intents(*UNFINISHED)}
        self._alarms = len(store.alarms())

    def expect(self, intent: model.Intent) -> None:
        """This process asks for it: how it ends is told, also where it ends before the next look."""
        self._intents[intent.id] = intent

    def look(self) -> None:
        """Tell what was stored since the last look."""
        version = self._store.data_version()
        if version == self._version:
            return
        _, names = self._store.desk.turns()
        if names != self._names:
            self._names = names
            self._tell(NamesChanged())
        self._look_for_messages()
        self._look_for_intents()
        for row in self._store.rooms():
            if self._rooms.get(row.room) != row:
                self._rooms[row.room] = row
                self._tell(e.RoomChanged(row=row))
        alarms = self._store.alarms()
        for alarm in alarms[self._alarms :]:
            self._tell(e.AlarmRaised(alarm=alarm))
        self._alarms = len(alarms)
        # Last: what a store that failed in between kept back is looked for anew.
        self._version = version

    def _look_for_messages(self) -> None:
        while page := self._store.desk.changed(self._messages, _PAGE):
            for turn, row in page:
                self._messages = turn
                self._tell(e.MessageChanged(row=row))

    def _look_for_intents(self) -> None:
        now = {intent.id: intent for intent in self._store.intents(*UNFINISHED)}
        for intent_id, known in self._intents.items():
            ended = None if intent_id in now else self._store.intent(intent_id)
            if ended is not None:
                # The store keeps the name of what has ended alone; who listens asks what it was about.
                self._tell(e.IntentChanged(intent=replace(ended, action=known.action)))
        for intent_id, intent in now.items():
            if self._intents.get(intent_id) != intent:
                self._tell(e.IntentChanged(intent=intent))
        self._intents = now
