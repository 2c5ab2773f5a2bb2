"""What is held, confirmed and dropped: the durable store and the simulation's, which must agree."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Final

import pytest
from sqlalchemy.dialects import sqlite

from amanah_protocol.crypto import sha256
from amanah_protocol.errors import Code, OperationalError, UsageError
from amanah_protocol.kinds import Commit, Kind
from amanah_protocol.types import ZERO_32, EnvelopeId, OrgName, RoomId
from amanah_relay.effects import Confirm, Entry, Erasure, Held, Mark, Purge, ReadContent, ReadEntries
from amanah_relay.inputs import Purged
from amanah_relay.store import Store, retention
from tests.relay.store.sequence import OTHER_KID, Sequence, roster, tree
from tests.simulation.relay_store import MemoryRelayStore
from tests.vectors import examples as x

TN: Final = OrgName(x.TN)
NEVER: Final = -1
FOR_EVER: Final = 2**60


@pytest.fixture(params=["durable", "in memory"])
def kept(request: pytest.FixtureRequest, store: Store) -> Store | MemoryRelayStore:
    """Either store, with the roster in it."""
    return store if request.param == "durable" else MemoryRelayStore.begun_with(roster(), x.NOW_MS)


@pytest.fixture
def log(kept: Store | MemoryRelayStore) -> Sequence:
    """The end of its log, behind a room's creation."""
    made = Sequence.behind(kept.load())
    kept.append(made.batch(made.create()))
    return made


def held(kept: Store | MemoryRelayStore) -> int:
    """What is held of the one organisation that sends here, as loaded anew."""
    if isinstance(kept, Store):
        kept.verify_log()
    return kept.load().held.get(TN, 0)


def mark(kept: Store | MemoryRelayStore, room_seq: int) -> tuple[Held, ...]:
    """Confirm the room up to a place."""
    return kept.confirm(Confirm(token=1, marks=(Mark(room=x.ROOM, room_seq=room_seq),))).freed


def purge(
    kept: Store | MemoryRelayStore, *, delivered: int = NEVER, handshake: int = NEVER, after: int = -1, limit: int = 100
) -> Purged:
    """One step of a purge."""
    return kept.purge(Purge(token=2, after=after, delivered_ms=delivered, handshake_ms=handshake, limit=limit))


def bodies(kept: Store | MemoryRelayStore, room: RoomId = x.ROOM) -> list[bytes | None]:
    """The contents of a room behind its creation; None for one that was dropped."""
    page = kept.read_entries(ReadEntries(token=3, room=room, after=1, limit=100, max_bytes=FOR_EVER)).entries
    assert all((stored.entry.content is None) == stored.erased for stored in page)
    return [stored.entry.content for stored in page]


def erasure(entry: Entry) -> Erasure:
    assert entry.envelope is not None
    return Erasure(room=entry.room, envelopes=(entry.envelope,), by=None)


def test_what_was_sent_is_held_until_a_mark_passes_it(kept: Store | MemoryRelayStore, log: Sequence) -> None:
    assert held(kept) == 0
    assert kept.append(log.batch(log.envelope(content=bytes(100)), log.envelope(content=bytes(20)))) == ()
    assert held(kept) == 120
    assert mark(kept, 2) == (Held(organisation=TN, size=100),)
    assert held(kept) == 20
    assert kept.load().rooms[x.ROOM].confirmed_seq == 2
    assert mark(kept, 3) == (Held(organisation=TN, size=20),)
    assert held(kept) == 0


def test_a_mark_that_lies_behind_frees_nothing_twice(kept: Store | MemoryRelayStore, log: Sequence) -> None:
    kept.append(log.batch(log.envelope(content=bytes(100)), log.envelope(content=bytes(20))))
    mark(kept, 3)
    assert (mark(kept, 3), mark(kept, 2)) == ((), ())
    assert (held(kept), kept.load().rooms[x.ROOM].confirmed_seq) == (0, 3)


def test_erased_content_is_held_no_longer(kept: Store | MemoryRelayStore, log: Sequence) -> None:
    first, second = (log.batch(log.envelope(content=bytes(size))) for size in (100, 20))
    kept.append(first)
    kept.append(second)
    assert kept.append(log.batch(erasures=(erasure(second.entries[0]),))) == (Held(organisation=TN, size=20),)
    assert held(kept) == 100
    assert mark(kept, 3) == (Held(organisation=TN, size=100),)
    assert kept.append(log.batch(erasures=(erasure(first.entries[0]),))) == ()
    assert held(kept) == 0


def test_a_tree_counts_once_with_the_welcome_that_brought_it(kept: Store | MemoryRelayStore, log: Sequence) -> None:
    ratchet = tree(bytes(1_000))
    kept.append(log.batch(log.envelope(content=b"one"), trees=(ratchet,)))
    assert kept.append(log.batch(log.envelope(content=b"two"), trees=(ratchet,))) == (
        Held(organisation=TN, size=1_000),
    )
    assert held(kept) == 1_006
    assert mark(kept, 2) == (Held(organisation=TN, size=1_003),)
    twice = log.batch(log.envelope(content=b"six"), trees=(tree(bytes(50)), tree(bytes(50))))
    assert kept.append(twice) == (Held(organisation=TN, size=50),)
    assert held(kept) == 56


def test_confirmed_content_goes_when_its_time_is_over_and_not_before(
    kept: Store | MemoryRelayStore, log: Sequence
) -> None:
    kept.append(log.batch(log.envelope(content=b"old")))
    old_ms = log.now_ms
    kept.append(log.batch(log.envelope(content=b"new")))
    mark(kept, 3)
    assert purge(kept, delivered=old_ms - 1) == Purged(token=2, after=None, dropped=0, freed=())
    assert bodies(kept) == [b"old", b"new"]
    assert purge(kept, delivered=old_ms) == Purged(token=2, after=None, dropped=1, freed=())
    assert bodies(kept) == [None, b"new"]
    assert kept.read_content(ReadContent(token=3, room=x.ROOM, payload=sha256(b"old"))).data is None
    assert held(kept) == 0


def test_content_that_a_member_has_not_confirmed_stays(kept: Store | MemoryRelayStore, log: Sequence) -> None:
    kept.append(log.batch(*log.messages(2)))
    mark(kept, 2)
    assert purge(kept, delivered=FOR_EVER).dropped == 1
    assert bodies(kept)[0] is None
    assert bodies(kept)[1] is not None


def test_a_commit_that_nobody_confirmed_goes_at_the_end_of_its_own_time(
    kept: Store | MemoryRelayStore, log: Sequence
) -> None:
    text = log.envelope(content=b"text")
    commit = log.envelope(Commit(added=(OTHER_KID,)), b"commit")
    welcome = log.envelope(x.SPECIFICS[Kind.WELCOME], b"welcome", addressees=(OTHER_KID,))
    batch = log.batch(text, commit, welcome, trees=(tree(b"tree"),))
    joined = replace(batch.members[0], device=OTHER_KID, last_counter=0, last_id=EnvelopeId(ZERO_32))
    kept.append(replace(batch, members=(*batch.members, joined)))
    assert purge(kept, delivered=FOR_EVER, handshake=log.now_ms - 1).dropped == 0
    went = purge(kept, delivered=FOR_EVER, handshake=log.now_ms)
    assert (went.dropped, went.freed) == (3, (Held(organisation=TN, size=len(b"commitwelcometree")),))
    assert bodies(kept) == [b"text", None, None]
    assert kept.read_content(ReadContent(token=3, room=x.ROOM, payload=sha256(b"tree"))).data is None
    assert held(kept) == len(b"text")


def test_a_confirmed_tree_goes_with_its_welcome(kept: Store | MemoryRelayStore, log: Sequence) -> None:
    kept.append(log.batch(log.envelope(), trees=(tree(b"tree"),)))
    mark(kept, 2)
    assert purge(kept, delivered=log.now_ms).dropped == 2
    assert held(kept) == 0


def test_a_purge_goes_on_where_its_last_step_ended(kept: Store | MemoryRelayStore, log: Sequence) -> None:
    kept.append(log.batch(*log.messages(5)))
    mark(kept, 6)
    steps, after = [], -1
    while (step := purge(kept, delivered=log.now_ms, after=after, limit=2)).after is not None:
        steps.append(step.dropped)
        after = step.after
        kept.load()
    assert [*steps, step.dropped] == [2, 2, 1]
    assert bodies(kept) == [None] * 5
    assert held(kept) == 0


def test_trees_go_in_steps_too(kept: Store | MemoryRelayStore, log: Sequence) -> None:
    for number in range(3):
        kept.append(log.batch(log.envelope(content=b""), trees=(tree(bytes([number])),)))
    mark(kept, 4)
    first = purge(kept, delivered=log.now_ms, limit=2)
    assert (first.dropped, first.after) == (2, -1)
    last = purge(kept, delivered=log.now_ms, after=-1, limit=2)
    assert (last.dropped, last.after) == (1, None)


# ---- the durable store alone


def test_what_is_held_outlives_the_process(store: Store, url: str) -> None:
    log = Sequence.behind(store.load())
    store.append(log.batch(log.create(), *log.messages(3)))
    mark(store, 2)
    before = store.load()
    store.close()
    again = Store.open(url)
    assert (again.load().held, again.load().rooms) == (before.held, before.rooms)
    again.close()


def test_a_batch_that_counts_otherwise_than_it_stores_is_refused(store: Store) -> None:
    log = Sequence.behind(store.load())
    batch = log.batch(log.create(), log.envelope())
    with pytest.raises(UsageError, match="held"):
        store.append(replace(batch, held=()))
    store.append(batch)


def test_a_tree_without_its_welcome_is_refused(store: Store) -> None:
    log = Sequence.behind(store.load())
    batch = log.batch(log.create(), log.envelope(), trees=(tree(b"tree"),))
    store.append(batch)
    lost = log.batch(log.envelope(), trees=(tree(b"tree"),))
    with pytest.raises(UsageError, match="welcome"):
        store.append(replace(lost, trees=(replace(lost.trees[0], room_seq=99),)))


def test_more_is_never_freed_than_was_held(store: Store, tmp_path: Path) -> None:
    log = Sequence.behind(store.load())
    store.append(log.batch(log.create(), log.envelope(content=bytes(100))))
    with closing(sqlite3.connect(next(tmp_path.glob("*.db")))) as raw, raw:
        raw.execute("DELETE FROM held")
    with pytest.raises(OperationalError) as refused:
        mark(store, 2)
    assert refused.value.code is Code.DAMAGED


def test_a_purge_reads_nothing_that_is_gone_already(store: Store, tmp_path: Path) -> None:
    log = Sequence.behind(store.load())
    store.append(log.batch(log.create()))
    with closing(sqlite3.connect(next(tmp_path.glob("*.db")))) as raw:
        asked = str(retention.OLD_CONTENTS.compile(dialect=sqlite.dialect()))
        plan = " ".join(str(row) for row in raw.execute(f"EXPLAIN QUERY PLAN {asked}", (1,) * asked.count("?")))
    assert "content_kept" in plan
