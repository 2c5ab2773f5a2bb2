"""Which message an attachment belongs to: stored with the message, loaded, verified."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Final

import pytest

from amanah_protocol.errors import Code, OperationalError
from amanah_protocol.kinds import Message
from amanah_protocol.types import OrgName
from amanah_relay.effects import Attached, Entry, Erasure, Standing
from amanah_relay.store import Store
from amanah_relay.store.verify import DamageError
from tests.relay.store.sequence import Sequence, roster
from tests.simulation.relay_store import MemoryRelayStore
from tests.vectors import examples as x

HASH: Final = x.fixed("attachment")
TN: Final = OrgName(x.TN)


def attached(entry: Entry, **changes: object) -> Attached:
    """The attachment of a message that is stored."""
    assert entry.envelope is not None
    assert entry.kid is not None
    fields: dict[str, object] = {
        "room": entry.room,
        "attachment": HASH,
        "envelope": entry.envelope,
        "sender": entry.kid,
        "organisation": TN,
        "accepted_at_ms": entry.accepted_at_ms,
        **changes,
    }
    return Attached(**fields)  # type: ignore[arg-type]  # what a test gives is what it tests


def post(kept: Store | MemoryRelayStore, log: Sequence) -> Entry:
    """A message with an attachment."""
    kept.append(log.batch(log.create()))
    batch = log.batch(log.envelope(Message(attachment=HASH)))
    kept.append(replace(batch, attachments=(attached(batch.entries[0]),)))
    return batch.entries[0]


@pytest.fixture(params=["durable", "in memory"])
def kept(request: pytest.FixtureRequest, store: Store) -> Store | MemoryRelayStore:
    """Either store, with the roster in it."""
    return store if request.param == "durable" else MemoryRelayStore.begun_with(roster(), x.NOW_MS)


def test_an_attachment_is_known_by_its_message_and_its_hash(kept: Store | MemoryRelayStore) -> None:
    entry = post(kept, Sequence.behind(kept.load()))
    state = kept.load()
    assert state.attachments == {entry.envelope: attached(entry)}
    assert state.attached == {(entry.room, HASH): entry.envelope}


@pytest.mark.parametrize("standing", [Standing.HIDDEN, Standing.DROPPED])
def test_what_becomes_of_it_is_stored_with_what_caused_it(kept: Store | MemoryRelayStore, standing: Standing) -> None:
    log = Sequence.behind(kept.load())
    entry = post(kept, log)
    assert entry.envelope is not None
    since = None if standing is Standing.DROPPED else 0
    erasure = Erasure(room=entry.room, envelopes=(entry.envelope,), by=None, held_since_ms=since)
    batch = log.batch(erasures=(erasure,))
    kept.append(replace(batch, attachments=(attached(entry, standing=standing),)))
    assert kept.load().attachments[entry.envelope].standing is standing
    if isinstance(kept, Store):
        assert kept.verify_log().erased == 1


CHANGES = [
    "UPDATE attachment SET standing = 3",
    "UPDATE attachment SET room = zeroblob(16)",
    "UPDATE attachment SET hash = zeroblob(32)",
    "UPDATE attachment SET envelope = zeroblob(32)",
    "UPDATE attachment SET checksum = checksum + 1",
]


@pytest.mark.parametrize("change", CHANGES)
def test_a_row_that_was_changed_is_damage(store: Store, tmp_path: Path, change: str) -> None:
    post(store, Sequence.behind(store.load()))
    store.verify_log()
    damage(tmp_path / "relay.db", change)
    with pytest.raises(OperationalError) as refused:
        store.load()
    assert refused.value.code is Code.DAMAGED
    with pytest.raises(DamageError):
        store.verify_log()


def test_a_row_that_is_gone_or_says_otherwise_than_the_message_is_found(store: Store, tmp_path: Path) -> None:
    log = Sequence.behind(store.load())
    entry = post(store, log)
    store.append(replace(log.batch(), attachments=(attached(entry, standing=Standing.DROPPED),)))
    with pytest.raises(DamageError, match="attachment"):
        store.verify_log()  # dropped, and its message was not erased
    damage(tmp_path / "relay.db", "DELETE FROM attachment")
    with pytest.raises(DamageError, match="attachment"):
        store.verify_log()


def test_one_attachment_of_a_room_belongs_to_one_message(store: Store) -> None:
    log = Sequence.behind(store.load())
    post(store, log)
    batch = log.batch(log.envelope(Message(attachment=HASH)))
    with pytest.raises(OperationalError) as refused:
        store.append(replace(batch, attachments=(attached(batch.entries[0]),)))
    assert refused.value.code is Code.STORE


def damage(path: Path, statement: str) -> None:
    """What a disk or a hand does."""
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA foreign_keys = OFF")
        connection.execute(statement)
        connection.commit()
