"""What a process is told that follows another one's connection: what ended, and what that was about."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from amanah_client import actions, model
from amanah_client import effects as e
from amanah_client.attaching import Attach, Fetch
from amanah_client.desk.transfers import Transfers
from amanah_client.engine import Event
from amanah_client.follower import Follower
from amanah_client.store import LocalStore
from amanah_protocol.kinds import Grade
from amanah_protocol.labels import Label
from amanah_protocol.types import EnvelopeId
from tests.client.store.test_store import KEY, ROOM

SEALED = bytes(range(32))
ENTRY = EnvelopeId(b"e" * 32)
UP = Attach(room=ROOM, name="log.txt", size=1, digest=bytes(32), key=bytes(32), attachment=SEALED, label=Label.AMBER)
DOWN = Fetch(room=ROOM, envelope=ENTRY)
ACK = actions.Acknowledge(room=ROOM, envelope=ENTRY, grade=Grade.UNDERSTOOD)


@dataclass
class Followed:
    """A store that one process writes and another one follows."""

    writer: LocalStore
    reader: LocalStore
    told: list[Event] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.follower = Follower(self.reader, self.told.append)

    def ask(self, action: actions.Action) -> model.Intent:
        intent = model.Intent(id="1" * 32, action=action, created_at_ms=1)
        self.reader.add_intent(intent)
        self.follower.expect(intent)
        return intent

    def end(self, intent: model.Intent, state: model.IntentState) -> e.IntentChanged:
        self.writer.commit((e.PutIntent(intent=replace(intent, state=state)),))
        self.follower.look()
        (changed,) = [event for event in self.told if isinstance(event, e.IntentChanged)]
        self.told.clear()
        return changed


@pytest.fixture
def followed(tmp_path: Path) -> Iterator[Followed]:
    path = tmp_path / "store.db"
    writer = LocalStore(path, KEY, create=True)
    reader = LocalStore(path, KEY)
    yield Followed(writer, reader)
    reader.close()
    writer.close()


@pytest.mark.parametrize("state", [model.IntentState.DONE, model.IntentState.FAILED])
@pytest.mark.parametrize("action", [UP, DOWN, ACK])
def test_what_ended_is_told_with_what_it_was_about(
    followed: Followed, action: actions.Action, state: model.IntentState
) -> None:
    ended = followed.end(followed.ask(action), state).intent
    assert (ended.state, ended.action) == (state, action)
    stored = followed.reader.intent(ended.id)
    assert stored is not None
    assert isinstance(stored.action, actions.Finished)


@pytest.mark.parametrize(
    ("action", "state", "stands"),
    [
        (UP, model.IntentState.DONE, None),
        (UP, model.IntentState.FAILED, None),
        (DOWN, model.IntentState.DONE, "here"),
        (DOWN, model.IntentState.FAILED, "failed"),
    ],
)
def test_a_file_that_another_process_moves_waits_no_more_when_that_ended(
    followed: Followed, action: actions.Action, state: model.IntentState, stands: str | None
) -> None:
    transfers = Transfers(lambda _room, _envelope: SEALED)

    def now() -> object:
        found = transfers.value().get(SEALED.hex())
        return found["state"] if isinstance(found, dict) else None

    intent = followed.ask(action)
    transfers.hear(e.IntentChanged(intent=intent))
    assert now() == "waiting"
    transfers.hear(followed.end(intent, state))
    assert now() == stands
