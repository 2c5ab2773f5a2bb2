"""What is held, confirmed and dropped: the durable store and the simulation's, which must agree."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import pytest
from sqlalchemy.dialects import sqlite

from amanah_protocol.crypto import sha256
from amanah_protocol.custody.chain import custody_chain
from amanah_protocol.custody.erasures import Cause, sign_erasure
from amanah_protocol.custody.retention import DAY_MS, RoomPolicy
from amanah_protocol.errors import Code, OperationalError, UsageError
from amanah_protocol.kinds import Commit, Kind
from amanah_protocol.labels import Label
from amanah_protocol.log.leaf import LeafType
from amanah_protocol.types import ZERO_32, EnvelopeId, OrgName, RoomId
from amanah_relay.effects import Confirm, Entry, Erasure, Held, Mark, Purge, ReadContent, ReadEntries, Survey
from amanah_relay.purging import RoomRule, Terms
from amanah_relay.store import Store, retention
from tests.relay.store.sequence import OTHER_KID, Draft, Sequence, roster, tree
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Passed:
    """What one step of a pass has done: contents, and at its end trees."""

    after: int | None
    dropped: int
    freed: tuple[Held, ...]


def purge(
    kept: Store | MemoryRelayStore, *, delivered: int = NEVER, handshake: int = NEVER, after: int = -1, limit: int = 100
) -> Passed:
    """One step of a pass: look, drop in an append, and behind the last content drop trees."""
    terms = Terms(newest_ms=FOR_EVER, delivered_ms=delivered, handshake_ms=handshake)
    until_ms = max(delivered, handshake)
    found = kept.survey(Survey(token=2, after=after, until_ms=until_ms, terms=terms, rules={}, limit=limit))
    freed: tuple[Held, ...] = ()
    if found.over:
        batch = Sequence.behind(kept.load()).batch()
        freed = kept.append(replace(batch, purges=tuple(item.index for item in found.over)))
    if found.after is not None:
        return Passed(after=found.after, dropped=len(found.over), freed=freed)
    trees = kept.purge(Purge(token=3, delivered_ms=delivered, handshake_ms=handshake, limit=limit))
    sizes: dict[OrgName, int] = {}
    for part in (*freed, *trees.freed):
        sizes[part.organisation] = sizes.get(part.organisation, 0) + part.size
    return Passed(
        after=after if trees.dropped == limit else None,
        dropped=len(found.over) + trees.dropped,
        freed=tuple(Held(organisation=name, size=size) for name, size in sorted(sizes.items())),
    )


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
    assert purge(kept, delivered=old_ms - 1) == Passed(after=None, dropped=0, freed=())
    assert bodies(kept) == [b"old", b"new"]
    assert purge(kept, delivered=old_ms) == Passed(after=None, dropped=1, freed=())
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


def test_a_tree_that_a_hold_keeps_stays_and_is_in_no_others_way(kept: Store | MemoryRelayStore, log: Sequence) -> None:
    """Without it the welcome that names it, which the hold keeps too, would admit nobody."""
    times = []
    for number in range(4):
        batch = log.batch(log.envelope(content=b""), trees=(tree(bytes([number])),))
        kept.append(batch)
        times.append(batch.accepted_at_ms)
    mark(kept, 5)

    def dropped(held: dict[RoomId, int], limit: int) -> int:
        return kept.purge(
            Purge(token=3, delivered_ms=log.now_ms, handshake_ms=NEVER, limit=limit, held=held)
        ).dropped  # fmt: skip

    assert dropped({x.ROOM: 0}, 2) == 0
    assert [dropped({x.ROOM: times[2]}, limit) for limit in (1, 2, 2)] == [1, 1, 0]
    assert dropped({RoomId(bytes(16)): 0}, 5) == 2


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


# ---- policies and holds


def survey(kept: Store | MemoryRelayStore, rule: RoomRule, *, newest: int) -> list[tuple[int, Cause]]:
    """What is over in the room, by a rule of its own."""
    wanted = Survey(
        token=9,
        after=-1,
        until_ms=newest,
        terms=Terms(newest_ms=newest, delivered_ms=NEVER, handshake_ms=NEVER),
        rules={x.ROOM: rule},
        limit=100,
    )
    return [(item.room_seq, item.cause) for item in kept.survey(wanted).over]


def test_a_policy_finds_by_label_and_by_the_rooms_last_entry(kept: Store | MemoryRelayStore, log: Sequence) -> None:
    kept.append(log.batch(log.envelope(content=b"red", label=Label.RED)))
    first_ms = log.now_ms
    log.now_ms += 3 * DAY_MS
    kept.append(log.batch(log.envelope(content=b"green", label=Label.GREEN)))
    policy = RoomPolicy(after_last={Label.RED: 2}, labels={Label.GREEN: 5})
    assert survey(kept, RoomRule(policy=policy), newest=first_ms + 2 * DAY_MS) == []
    assert survey(kept, RoomRule(policy=policy), newest=log.now_ms + 2 * DAY_MS) == [(2, Cause.ROOM)]
    by_label = RoomRule(policy=RoomPolicy(labels={Label.RED: 2, Label.GREEN: 5}))
    assert survey(kept, by_label, newest=first_ms + 2 * DAY_MS) == [(2, Cause.ROOM)]
    assert survey(kept, by_label, newest=log.now_ms + 5 * DAY_MS) == [(2, Cause.ROOM), (3, Cause.ROOM)]
    assert survey(kept, replace(by_label, held_since_ms=log.now_ms), newest=FOR_EVER) == [(2, Cause.ROOM)]


def test_what_is_erased_under_a_hold_is_shown_to_nobody_and_stays(
    kept: Store | MemoryRelayStore, log: Sequence
) -> None:
    batch = log.batch(log.envelope(content=b"secret"), log.envelope(content=b"older"))
    kept.append(batch)
    first, second = (
        replace(erasure(entry), held_since_ms=since) for entry, since in zip(batch.entries, (0, FOR_EVER), strict=True)
    )
    assert kept.append(log.batch(erasures=(first, second))) == (Held(organisation=TN, size=5),)
    assert bodies(kept) == [None, None]
    assert held(kept) == len(b"secret")
    payload = batch.entries[0].payload
    assert payload is not None
    assert kept.read_content(ReadContent(token=4, room=x.ROOM, payload=payload)).data is None
    assert survey(kept, RoomRule(held_since_ms=0), newest=FOR_EVER) == []
    assert survey(kept, RoomRule(), newest=FOR_EVER) == [(2, Cause.HELD)]
    freed = kept.append(replace(log.batch(), purges=(batch.entries[0].index,)))
    assert freed == (Held(organisation=TN, size=6),)
    assert held(kept) == 0
    assert survey(kept, RoomRule(), newest=FOR_EVER) == []


def test_what_is_dropped_and_what_says_so_are_durable_together(store: Store) -> None:
    log = Sequence.behind(store.load())
    store.append(log.batch(log.create()))
    message = log.batch(log.envelope(content=b"old"))
    store.append(message)
    statement = Draft(
        type=LeafType.ERASURE, room=custody_chain(x.ROOM), object=sign_erasure(x.content_erasure(), x.RELAY_KEY)
    )
    wrong = replace(log.batch(statement), root=bytes(32), purges=(message.entries[0].index,))
    with pytest.raises(UsageError):
        store.append(wrong)
    assert bodies(store) == [b"old"]
    again = Sequence.behind(store.load())
    store.append(replace(again.batch(statement), purges=(message.entries[0].index,)))
    assert bodies(store) == [None]
    assert store.verify_log().size == store.load().size


def test_what_a_member_has_erased_since_is_dropped_once(kept: Store | MemoryRelayStore, log: Sequence) -> None:
    batch = log.batch(log.envelope(content=b"old"))
    kept.append(batch)
    kept.append(log.batch(erasures=(erasure(batch.entries[0]),)))
    assert kept.append(replace(log.batch(), purges=(batch.entries[0].index,))) == ()
    assert held(kept) == 0
