"""The contract of the store (`effects`), for any engine behind it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from amanah_protocol.crypto import sha256
from amanah_protocol.errors import Code, DecodeError, OperationalError, UsageError, VerifyError
from amanah_protocol.kinds import Kind
from amanah_protocol.log.leaf import Leaf, LeafType
from amanah_protocol.log.merkle import Frontier
from amanah_protocol.types import CONTROL, EnvelopeId, RoomId
from amanah_relay.effects import Append, Entry, Erasure, ReadKnown, ReadLog
from amanah_relay.inputs import ContentRead
from amanah_relay.store import Store
from tests.relay.store.asking import content, membership, page, prove_inclusion, size_of, started
from tests.relay.store.sequence import (
    CHAIN,
    OTHER,
    OTHER_KID,
    SECOND_ROOM,
    Draft,
    Sequence,
    control,
    identities,
    roster,
    tree,
)
from tests.vectors import examples as x

# ---- making a store


def test_a_new_store_begins_with_the_roster_as_the_first_control_entry(store: Store) -> None:
    entries = page(store, CONTROL).entries
    assert [stored.entry.index for stored in entries] == [0]
    entry = entries[0].entry
    assert (entry.type, entry.room_seq, entry.accepted_at_ms) == (LeafType.ROSTER, 1, x.NOW_MS)
    assert entry.document == roster()
    assert entry.object == x.roster_of().endorsed.record
    assert store.origin == x.ORIGIN


def test_a_store_is_not_made_twice(store: Store, url: str, log: Sequence) -> None:
    started(store, log)
    with pytest.raises(UsageError) as refused:
        Store.init(url, roster=roster(), origin=x.ORIGIN, now_ms=x.NOW_MS)
    assert refused.value.code is Code.USAGE
    assert size_of(store) == 6


@pytest.mark.parametrize(
    ("changes", "error", "code"),
    [
        ({"origin": "other.example/log"}, UsageError, Code.CONFIG),
        ({"roster": b"\x80"}, DecodeError, Code.BAD_TYPE),
        ({"now_ms": x.NOW_MS + 367 * 86_400_000}, VerifyError, Code.EXPIRED),
    ],
)
def test_a_store_is_made_with_a_valid_roster_that_names_the_log(
    url: str, changes: dict[str, Any], error: type[Exception], code: Code
) -> None:
    arguments: dict[str, Any] = {"roster": roster(), "origin": x.ORIGIN, "now_ms": x.NOW_MS}
    with pytest.raises(error) as refused:
        Store.init(url, **{**arguments, **changes})
    assert getattr(refused.value, "code", None) is code
    Store.init(url, **arguments).close()


def test_a_store_takes_no_batch_before_it_was_loaded(url: str) -> None:
    store = Store.init(url, roster=roster(), origin=x.ORIGIN, now_ms=x.NOW_MS)
    log = Sequence(frontier=Frontier(), heads={})
    with pytest.raises(OperationalError, match="not loaded yet"):
        store.append(log.batch())
    store.close()


# ---- appending


def test_what_was_appended_is_read_back_as_it_was(store: Store, log: Sequence) -> None:
    started(store, log)
    store.append(log.batch(*log.messages(3), log.envelope(x.SPECIFICS[Kind.ACK])))
    read = page(store)
    assert [stored.entry for stored in read.entries] == [entry for entry in log.entries if entry.room == x.ROOM]
    assert not any(stored.erased for stored in read.entries)
    assert (read.token, read.room, read.more) == (5, x.ROOM, False)


def test_what_was_appended_is_there_when_the_store_is_opened_again(store: Store, url: str, log: Sequence) -> None:
    started(store, log)
    again = Store.open(url)
    assert page(again) == page(store)
    assert again.verify_log().size == 6
    again.close()


def test_two_rooms_and_a_chain_are_each_read_in_their_own_order(store: Store, log: Sequence) -> None:
    order = Draft(type=LeafType.AUDIT_READ, room=CHAIN, object=b"\xd2 an order")
    store.append(log.batch(log.create(), log.create(SECOND_ROOM), order))
    store.append(log.batch(log.envelope(room=SECOND_ROOM), log.envelope(), order))
    for room in (x.ROOM, SECOND_ROOM, CHAIN):
        assert [(stored.entry.room, stored.entry.room_seq) for stored in page(store, room).entries] == [
            (room, 1),
            (room, 2),
        ]
    assert page(store, RoomId(bytes(15) + b"\x01")).entries == ()


def test_create_and_commits_are_read_without_what_stands_between(store: Store, log: Sequence) -> None:
    started(store, log)
    store.append(log.batch(log.create(SECOND_ROOM), log.envelope(x.SPECIFICS[Kind.COMMIT], room=SECOND_ROOM)))
    changes = [log.envelope(x.SPECIFICS[Kind.COMMIT]) for _ in range(3)]
    for change in changes:
        store.append(log.batch(log.envelope(), change, log.envelope()))
    places = [(entry.room_seq, entry.object) for entry in membership(store)]
    create = page(store).entries[0].entry.object
    assert places == [(1, create), *((3 * turn, change.object) for turn, change in enumerate(changes, start=1))]
    assert [entry.room_seq for entry in membership(store, after=1, until=9)] == [3, 6]
    assert [entry.room_seq for entry in membership(store, limit=2)] == [1, 3]
    assert [entry.room_seq for entry in membership(store, max_bytes=1)] == [1]
    assert [entry.room_seq for entry in membership(store, SECOND_ROOM)] == [1, 2]
    assert membership(store, CHAIN) == ()


def test_a_batch_that_does_not_continue_the_stored_log_stores_nothing(store: Store, log: Sequence) -> None:
    started(store, log)
    lost = log.batch(log.envelope())
    following = log.batch(log.envelope())
    with pytest.raises(OperationalError) as refused:
        store.append(following)
    assert refused.value.code is Code.STORE
    assert size_of(store) == lost.first
    store.append(lost)
    store.append(following)
    assert size_of(store) == lost.first + 2


def test_a_batch_stored_twice_is_stored_once(store: Store, log: Sequence) -> None:
    started(store, log)
    batch = log.batch(log.envelope())
    store.append(batch)
    with pytest.raises(OperationalError, match="another process"):
        store.append(batch)
    assert size_of(store) == batch.first + 1


def test_of_two_processes_that_continue_the_same_log_one_fails_and_corrupts_nothing(
    store: Store, url: str, log: Sequence
) -> None:
    started(store, log)
    second = Store.open(url)
    theirs = Sequence.behind(second.load())
    store.append(log.batch(*log.messages(2)))
    with pytest.raises(OperationalError, match="another process"):
        second.append(theirs.batch(theirs.envelope(key=OTHER)))
    behind = Sequence.behind(second.load())
    second.append(behind.batch(behind.envelope(key=OTHER)))
    assert second.verify_log().size == size_of(store) == 9
    second.close()


def test_an_envelope_that_is_stored_already_is_not_stored_again_nor_its_batch(store: Store, log: Sequence) -> None:
    started(store, log)
    message = log.envelope()
    store.append(log.batch(message))
    with pytest.raises(OperationalError) as refused:
        store.append(log.batch(log.envelope(), message))
    assert refused.value.code is Code.STORE
    assert size_of(store) == 7
    fresh = Sequence.behind(store.load())
    store.append(fresh.batch(fresh.envelope()))
    assert store.verify_log().size == 8


def other_tree(batch: Append) -> Append:
    return replace(batch, root=bytes(32))


def gap(batch: Append) -> Append:
    first, *rest = batch.entries
    return replace(batch, entries=(replace(first, index=first.index + 1), *rest))


def other_time(batch: Append) -> Append:
    first, *rest = batch.entries
    return replace(batch, entries=(replace(first, accepted_at_ms=1), *rest))


def no_content(batch: Append) -> Append:
    first, *rest = batch.entries
    return replace(batch, entries=(replace(first, content=None), *rest))


def no_room(batch: Append) -> Append:
    return replace(batch, rooms=())


def old_head(batch: Append) -> Append:
    return replace(batch, rooms=(replace(batch.rooms[0], head_seq=1),))


@pytest.mark.parametrize("broken", [other_tree, gap, other_time, no_content, no_room, old_head])
def test_a_batch_that_contradicts_itself_is_refused(
    store: Store, log: Sequence, broken: Callable[[Append], Append]
) -> None:
    started(store, log)
    batch = log.batch(*log.messages(2))
    with pytest.raises(UsageError):
        store.append(broken(batch))
    assert size_of(store) == batch.first
    store.append(batch)


def test_a_batch_without_entries_changes_members_and_keeps_the_log(store: Store, log: Sequence) -> None:
    started(store, log)
    before = store.load()
    row = log.batch(log.envelope()).members[0]
    again = Sequence.behind(before)
    store.append(again.batch(members=(replace(row, cursor=4, removed_seq=1),)))
    after = store.load()
    assert (after.size, after.edge) == (before.size, before.edge)
    removed = after.rooms[x.ROOM].members[x.KID]
    assert (removed.cursor, removed.removed_seq) == (4, 1)
    places = {(entry.room, entry.room_seq): entry.index for entry in log.entries}
    assert removed.removed_index == places[x.ROOM, 1] != 1
    fresh = Sequence.behind(after)
    store.append(fresh.batch(fresh.envelope()))
    assert store.verify_log().size == before.size + 1


# ---- pages


def test_pages_follow_one_another_without_gap_or_double(store: Store, log: Sequence) -> None:
    started(store, log)
    store.append(log.batch(*log.messages(10)))
    seen: list[int] = []
    more = True
    while more:
        read = page(store, after=len(seen), limit=4)
        seen += [stored.entry.room_seq for stored in read.entries]
        more = read.more
    assert seen == list(range(1, 12))


@pytest.mark.parametrize(("limit", "number", "more"), [(10, 10, True), (11, 11, False), (12, 11, False)])
def test_a_page_holds_up_to_its_limit_and_says_whether_more_is_left(
    store: Store, log: Sequence, limit: int, number: int, *, more: bool
) -> None:
    started(store, log)
    store.append(log.batch(*log.messages(10)))
    read = page(store, limit=limit)
    assert (len(read.entries), read.more) == (number, more)


@pytest.mark.parametrize(("less", "number"), [(0, 3), (1, 2)])
def test_a_page_stops_before_it_exceeds_its_bytes(store: Store, log: Sequence, less: int, number: int) -> None:
    started(store, log)
    batch = log.batch(*log.messages(5))
    store.append(batch)
    room = sum(len(entry.object) + len(entry.content or b"") for entry in batch.entries[:3])
    read = page(store, after=1, max_bytes=room - less)
    assert (len(read.entries), read.more) == (number, True)


def test_a_page_holds_one_entry_however_large_it_is(store: Store, log: Sequence) -> None:
    started(store, log)
    store.append(log.batch(log.envelope(content=b"x" * 100_000), log.envelope()))
    read = page(store, after=1, max_bytes=10)
    assert ([stored.entry.room_seq for stored in read.entries], read.more) == ([2], True)


def test_documents_count_towards_the_bytes_of_a_page(store: Store, log: Sequence) -> None:
    store.append(log.batch(*identities()))
    read = page(store, CONTROL, max_bytes=len(roster()))
    assert (len(read.entries), read.more) == (1, True)


# ---- known envelopes


def test_a_known_envelope_is_found_with_all_that_its_receipt_needs(store: Store, log: Sequence) -> None:
    started(store, log)
    store.append(log.batch(*log.messages(3)))
    batch = log.batch(*log.messages(3))
    store.append(batch)
    store.append(log.batch(log.envelope()))
    asked = batch.entries[1]
    known = store.read_known(ReadKnown(token=9, envelope=asked.envelope or x.ENVELOPES[0]))
    assert known.token == 9
    assert known.known is not None
    assert (known.known.index, known.known.room_seq) == (asked.index, asked.room_seq)
    assert (known.known.batch_first, known.known.batch_size) == (batch.first, batch.first + 3)
    assert (known.known.batch_root, known.known.accepted_at_ms) == (batch.root, batch.accepted_at_ms)
    assert known.known.leaves == tuple(entry.hash for entry in batch.entries)


def test_an_envelope_that_was_never_stored_is_not_known(store: Store, log: Sequence) -> None:
    started(store, log)
    assert store.read_known(ReadKnown(token=1, envelope=EnvelopeId(bytes(32)))).known is None


# ---- contents and trees


def test_a_content_is_found_by_its_hash_in_its_room_alone(store: Store, log: Sequence) -> None:
    started(store, log)
    sealed = b"large" * 50_000
    store.append(log.batch(log.envelope(content=sealed), log.create(SECOND_ROOM)))
    assert content(store, sha256(sealed)) == ContentRead(token=6, data=sealed, addressees=None)
    assert content(store, sha256(sealed), SECOND_ROOM).data is None
    assert content(store, sha256(b"another")).data is None


def test_a_content_is_given_with_its_addressees(store: Store, log: Sequence) -> None:
    started(store, log)
    devices = tuple(sorted((x.KID, OTHER_KID)))
    welcome = log.envelope(x.SPECIFICS[Kind.WELCOME], b"welcome", addressees=devices)
    store.append(log.batch(welcome, log.envelope(content=b"for nobody", addressees=())))
    assert content(store, sha256(b"welcome")).addressees == devices
    assert content(store, sha256(b"for nobody")).addressees == ()
    assert page(store, after=1).entries[0].entry.addressees == devices


def test_one_content_of_several_envelopes_is_for_the_addressees_of_all_of_them(store: Store, log: Sequence) -> None:
    started(store, log)
    same = [log.envelope(content=b"same", addressees=(device,)) for device in (x.KID, OTHER_KID)]
    store.append(log.batch(*same))
    assert content(store, sha256(b"same")).addressees == tuple(sorted((x.KID, OTHER_KID)))
    store.append(log.batch(log.envelope(content=b"same")))
    assert content(store, sha256(b"same")).addressees is None


def test_a_staged_tree_is_found_by_its_hash_in_its_room_alone(store: Store, log: Sequence) -> None:
    started(store, log)
    staged = tree(b"ratchet tree")
    store.append(log.batch(log.envelope(), trees=(staged,)))
    assert content(store, staged.hash) == ContentRead(token=6, data=b"ratchet tree", addressees=None)
    assert content(store, staged.hash, SECOND_ROOM).data is None


def test_a_tree_that_is_staged_again_is_no_fault(store: Store, log: Sequence) -> None:
    started(store, log)
    for _ in range(2):
        store.append(log.batch(log.envelope(), trees=(tree(b"ratchet tree"),)))
    assert content(store, sha256(b"ratchet tree")).data == b"ratchet tree"


# ---- erasure


def erasure(*entries: Entry, room: RoomId = x.ROOM, by: bytes | None = x.KID) -> Erasure:
    ids = tuple(entry.envelope for entry in entries if entry.envelope is not None)
    return Erasure(room=room, envelopes=ids, by=None if by is None else type(x.KID)(by))


def test_an_erased_content_is_gone_and_its_leaf_stays_provable(store: Store, log: Sequence) -> None:
    started(store, log)
    batch = log.batch(*log.messages(2))
    store.append(batch)
    dropped, kept = batch.entries
    store.append(log.batch(log.envelope(x.SPECIFICS[Kind.ERASE]), erasures=(erasure(dropped),)))
    read = page(store, after=1).entries
    assert [stored.erased for stored in read] == [True, False, False]
    assert read[0].entry == replace(dropped, content=None)
    assert read[1].entry == kept
    assert content(store, dropped.payload or b"").data is None
    assert content(store, kept.payload or b"").data == kept.content
    report = store.verify_log()
    assert (report.erased, report.size) == (1, log.frontier.size)
    prove_inclusion(store, log, dropped.index, log.frontier.size)


def test_an_erasure_drops_the_content_of_its_own_batch_too(store: Store, log: Sequence) -> None:
    started(store, log)
    batch = log.batch(log.envelope())
    store.append(replace(batch, erasures=(erasure(batch.entries[0]),)))
    assert page(store, after=1).entries[0].erased


@pytest.mark.parametrize(
    ("by", "room", "erased"),
    [(x.KID, x.ROOM, True), (None, x.ROOM, True), (OTHER_KID, x.ROOM, False), (None, SECOND_ROOM, False)],
)
def test_an_erasure_reaches_the_contents_of_its_room_that_its_author_may_drop(
    store: Store, log: Sequence, by: bytes | None, room: RoomId, *, erased: bool
) -> None:
    started(store, log)
    batch = log.batch(log.envelope())
    store.append(batch)
    store.append(log.batch(log.envelope(), erasures=(erasure(*batch.entries, room=room, by=by),)))
    assert page(store, after=1).entries[0].erased is erased


def test_an_erasure_said_twice_or_of_unknown_envelopes_is_no_fault(store: Store, log: Sequence) -> None:
    started(store, log)
    batch = log.batch(log.envelope())
    store.append(batch)
    unknown = Erasure(room=x.ROOM, envelopes=x.ENVELOPES, by=None)
    for _ in range(2):
        store.append(log.batch(log.envelope(), erasures=(erasure(*batch.entries), unknown)))
    assert store.verify_log().erased == 1


def test_what_has_no_content_is_never_erased(store: Store, log: Sequence) -> None:
    started(store, log)
    batch = log.batch(log.envelope(x.SPECIFICS[Kind.ACK]))
    store.append(batch)
    store.append(log.batch(log.envelope(), erasures=(erasure(*batch.entries),)))
    assert [stored.erased for stored in page(store, after=1).entries] == [False, False]


def test_a_content_stays_while_another_envelope_carries_it(store: Store, log: Sequence) -> None:
    started(store, log)
    batch = log.batch(log.envelope(content=b"same"), log.envelope(content=b"same", key=OTHER))
    store.append(batch)
    store.append(log.batch(log.envelope(), erasures=(erasure(batch.entries[0]),)))
    assert content(store, sha256(b"same")).data == b"same"
    store.append(log.batch(log.envelope(), erasures=(erasure(batch.entries[1], by=None),)))
    assert content(store, sha256(b"same")).data is None


# ---- the log


def test_leaves_are_read_by_index_with_documents_and_without_contents(store: Store, log: Sequence) -> None:
    started(store, log)
    store.append(log.batch(*log.messages(3)))
    read = store.read_log(ReadLog(token=3, first=1, until=7))
    bare = [replace(entry, payload=None, content=None, addressees=None) for entry in log.entries[:6]]
    assert (read.token, list(read.entries)) == (3, bare)
    assert all(
        Leaf(
            type=entry.type,
            accepted_at_ms=entry.accepted_at_ms,
            room=entry.room,
            room_seq=entry.room_seq,
            previous=entry.previous,
            object=entry.object,
        ).hash
        == entry.hash
        for entry in read.entries
    )


def test_leaves_are_read_to_the_end_of_the_log_and_no_further(store: Store, log: Sequence) -> None:
    started(store, log)
    assert len(store.read_log(ReadLog(token=3, first=4, until=99)).entries) == 2
    assert store.read_log(ReadLog(token=3, first=6, until=99)).entries == ()


# ---- the picture


def test_the_picture_is_that_of_the_batches(store: Store, log: Sequence) -> None:
    started(store, log)
    batch = log.batch(log.envelope(), log.envelope(key=OTHER))
    store.append(batch)
    state = store.load()
    assert (state.size, state.edge, state.last_accepted_ms) == (8, log.frontier.edge, batch.accepted_at_ms)
    room = state.rooms[x.ROOM]
    assert room.create == x.SPECIFICS[Kind.CREATE]
    assert (room.head_seq, room.head_leaf) == (3, batch.entries[-1].hash)
    assert room.members[x.KID].last_counter == 2
    assert room.members[OTHER_KID].last_id == batch.entries[1].envelope
    assert (state.control.head_seq, state.control.head_leaf) == log.heads[CONTROL]


def test_the_epoch_of_a_room_is_that_of_the_newest_batch(store: Store, log: Sequence) -> None:
    started(store, log)
    batch = log.batch(log.envelope())
    store.append(replace(batch, rooms=(replace(batch.rooms[0], epoch=41),)))
    assert store.load().rooms[x.ROOM].epoch == 41


def test_the_head_of_a_chain_that_is_no_room_is_part_of_the_picture(store: Store, log: Sequence) -> None:
    order = Draft(type=LeafType.AUDIT_READ, room=CHAIN, object=b"\xd2 an order")
    batch = log.batch(order, order)
    store.append(batch)
    chains = store.load().chains
    assert {room: (chain.head_seq, chain.head_leaf) for room, chain in chains.items()} == {
        CHAIN: (2, batch.entries[1].hash)
    }


def test_loading_twice_gives_the_same_picture(store: Store, log: Sequence) -> None:
    started(store, log)
    assert store.load() == store.load()


def test_control_entries_of_every_type_are_stored_and_verified(store: Store, log: Sequence) -> None:
    withdrawn = x.enrolment_revocation().endorsed
    second = x.roster_of(2).endorsed
    store.append(
        log.batch(
            *identities(),
            control(LeafType.REVOCATION, x.device_revocation().encoded),
            control(LeafType.REVOCATION, withdrawn.record, withdrawn.encode()),
            control(LeafType.ROSTER, second.record, second.encode()),
        )
    )
    assert [stored.entry for stored in page(store, CONTROL, after=1).entries] == log.entries
    assert store.verify_log().size == 8
