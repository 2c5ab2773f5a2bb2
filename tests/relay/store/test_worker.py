"""The asyncio face: each effect has its input, in order, and a fault is an input too."""

from __future__ import annotations

import asyncio
import resource
import sqlite3
from collections.abc import AsyncIterator, Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from amanah_protocol.errors import AmanahError, Code, OperationalError
from amanah_protocol.types import CONTROL
from amanah_relay.effects import (
    CountKeyPackages,
    Erasure,
    PutKeyPackages,
    ReadContent,
    ReadEntries,
    ReadKnown,
    ReadLog,
    ReadMembership,
    ReadProof,
    Reload,
    TakeKeyPackages,
)
from amanah_relay.inputs import (
    Appended,
    AppendFailed,
    ContentRead,
    EntriesRead,
    KeyPackagesCounted,
    KeyPackagesPut,
    KeyPackagesTaken,
    KnownRead,
    Loaded,
    LogRead,
    MembershipRead,
    ProofRead,
    ReadFailed,
)
from amanah_relay.store import Store, StoreEffect, StoreInput, StoreWorker, worker
from tests.relay.store.full import Full
from tests.relay.store.sequence import Sequence, identities, roster
from tests.vectors import examples as x


@pytest.fixture
def errors() -> list[AmanahError]:
    return []


@pytest.fixture
async def performing(url: str, errors: list[AmanahError]) -> AsyncIterator[StoreWorker]:
    made = StoreWorker(Store.init(url, roster=roster(), origin=x.ORIGIN, now_ms=x.NOW_MS), on_error=errors.append)
    yield made
    await made.close()


async def load(performing: StoreWorker) -> Sequence:
    loaded = await performing.perform(Reload())
    assert isinstance(loaded, Loaded)
    return Sequence.behind(loaded.state)


def everything(token: int = 3) -> ReadEntries:
    return ReadEntries(token=token, room=x.ROOM, after=0, limit=500, max_bytes=10**9)


async def test_each_effect_is_answered_by_its_input(performing: StoreWorker, errors: list[AmanahError]) -> None:
    log = await load(performing)
    batch = log.batch(*identities(), log.create(), log.envelope(content=b"sealed"))
    assert await performing.perform(batch) == Appended(batch=batch.batch)
    entry = batch.entries[-1]
    bare = replace(batch.entries[-2], payload=None, content=None)
    assert entry.envelope is not None
    assert entry.payload is not None
    offer = PutKeyPackages(token=1, device=x.KID, suite=3, packages=(b"one",), last_resort=None)
    answers: list[tuple[StoreEffect, StoreInput]] = [
        (offer, KeyPackagesPut(token=1, left=1)),
        (CountKeyPackages(token=2, device=x.KID), KeyPackagesCounted(token=2, stock=((3, 1),))),
        (
            TakeKeyPackages(token=3, suite=3, devices=(x.KID,)),
            KeyPackagesTaken(token=3, taken=((b"one", False, 0),)),
        ),
        (
            ReadContent(token=4, room=x.ROOM, payload=entry.payload),
            ContentRead(token=4, data=b"sealed", addressees=None),
        ),
        (
            ReadMembership(token=8, room=x.ROOM, after=0, until=2, limit=1, max_bytes=1),
            MembershipRead(token=8, entries=(bare,)),
        ),
        (ReadLog(token=5, first=9, until=10), LogRead(token=5, entries=())),
    ]
    for effect, answer in answers:
        assert await performing.perform(effect) == answer
    read = await performing.perform(everything())
    known = await performing.perform(ReadKnown(token=6, envelope=entry.envelope))
    proof = await performing.perform(ReadProof(token=7, inclusion=True, old_or_index=6, size=7))
    assert isinstance(read, EntriesRead)
    assert [stored.entry for stored in read.entries] == list(batch.entries[-2:])
    assert isinstance(known, KnownRead)
    assert known.known is not None
    assert isinstance(proof, ProofRead)
    assert proof.leaf == entry.hash
    assert errors == []


async def test_batches_handed_over_together_are_stored_in_order(performing: StoreWorker) -> None:
    log = await load(performing)
    batches = [log.batch(log.create()), *[log.batch(*log.messages(3)) for _ in range(20)]]
    answers = await asyncio.gather(*[performing.perform(batch) for batch in batches])
    assert answers == [Appended(batch=batch.batch) for batch in batches]
    read = await performing.perform(everything())
    assert isinstance(read, EntriesRead)
    assert [stored.entry.room_seq for stored in read.entries] == list(range(1, 62))


async def test_what_was_appended_is_seen_by_the_next_read(performing: StoreWorker) -> None:
    log = await load(performing)
    await performing.perform(log.batch(log.create()))
    for number in range(2, 30):
        await performing.perform(log.batch(log.envelope()))
        read = await performing.perform(replace(everything(), after=number - 1))
        assert isinstance(read, EntriesRead)
        assert len(read.entries) == 1


async def test_a_batch_that_fails_is_said_and_nothing_behind_it_is_stored(
    performing: StoreWorker, errors: list[AmanahError]
) -> None:
    log = await load(performing)
    await performing.perform(log.batch(log.create()))
    log.batch(log.envelope())
    late = [log.batch(log.envelope()) for _ in range(2)]
    answers = await asyncio.gather(*[performing.perform(batch) for batch in late])
    assert answers == [AppendFailed(batch=batch.batch, full=False) for batch in late]
    assert [error.code for error in errors] == [Code.STORE, Code.STORE]
    again = await load(performing)
    assert again.frontier.size == 2
    batch = again.batch(again.envelope())
    assert await performing.perform(batch) == Appended(batch=batch.batch)


async def test_a_read_that_fails_is_said(performing: StoreWorker, errors: list[AmanahError]) -> None:
    await load(performing)
    absent = ReadProof(token=9, inclusion=True, old_or_index=4, size=5)
    assert await performing.perform(absent) == ReadFailed(token=9)
    assert [error.code for error in errors] == [Code.NOT_FOUND]


async def test_key_packages_that_cannot_be_stored_are_said(performing: StoreWorker, errors: list[AmanahError]) -> None:
    offer = PutKeyPackages(token=5, device=x.KID, suite=3, packages=(b"one",), last_resort=None)
    assert await performing.perform(offer) == ReadFailed(token=5)
    assert [error.code for error in errors] == [Code.STORE]
    await load(performing)
    assert await performing.perform(offer) == KeyPackagesPut(token=5, left=1)


async def test_who_goes_away_does_not_undo_what_was_handed_over(performing: StoreWorker) -> None:
    log = await load(performing)
    gone = asyncio.ensure_future(performing.perform(log.batch(log.create())))
    await asyncio.sleep(0)
    gone.cancel()
    batch = log.batch(log.envelope())
    assert await performing.perform(batch) == Appended(batch=batch.batch)


async def test_the_first_load_of_a_broken_store_raises(full: Full, tmp_path: Path, errors: list[AmanahError]) -> None:
    with full.copy(tmp_path, "DELETE FROM chain"):
        performing = StoreWorker(Store.open(f"sqlite:///{tmp_path / 'copy.db'}"), on_error=errors.append)
        with pytest.raises(OperationalError) as refused:
            await performing.perform(Reload())
        assert refused.value.code is Code.DAMAGED
        await performing.close()


async def test_a_later_load_is_tried_again_until_the_store_is_back(
    url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(worker, "RETRY_S", 0.01)
    said: asyncio.Queue[AmanahError] = asyncio.Queue()
    store = Store.init(url, roster=roster(), origin=x.ORIGIN, now_ms=x.NOW_MS)
    performing = StoreWorker(store, on_error=said.put_nowait)
    await load(performing)
    path = tmp_path / "relay.db"
    path.rename(tmp_path / "away")
    loading = asyncio.ensure_future(load(performing))
    assert [(await said.get()).code for _ in range(3)] == [Code.STORE] * 3
    assert not loading.done()
    (tmp_path / "away").rename(path)
    assert (await loading).frontier.size == 1
    await performing.close()


async def test_a_later_load_of_a_damaged_store_raises(
    performing: StoreWorker, tmp_path: Path, errors: list[AmanahError]
) -> None:
    await load(performing)
    with closing(sqlite3.connect(tmp_path / "relay.db")) as raw, raw:
        raw.execute("UPDATE leaf SET object = x'00' WHERE log_index = 0")
    with pytest.raises(OperationalError) as refused:
        await performing.perform(Reload())
    assert refused.value.code is Code.DAMAGED
    assert await performing.perform(replace(everything(), room=CONTROL)) == ReadFailed(token=3)


# ---- checkpoints


async def until_moved(path: Path, canary: bytes) -> None:
    """Wait until the bytes are in no file of the store but the database's."""
    files = [path.with_name(path.name + end) for end in ("-wal", "")]
    while True:
        found = [canary in file.read_bytes() for file in files if file.exists()]
        if found == [False, True]:
            return
        await asyncio.sleep(0.01)


async def test_without_a_write_for_a_while_the_wal_is_moved(
    performing: StoreWorker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, errors: list[AmanahError]
) -> None:
    monkeypatch.setattr(worker, "IDLE_S", 0.01)
    log = await load(performing)
    first = log.batch(log.create(), log.envelope(content=b"canary" * 10))
    await performing.perform(first)
    kept = log.envelope(content=b"kept canary" * 10)
    dropped = Erasure(room=x.ROOM, envelopes=(first.entries[1].envelope or x.ENVELOPES[0],), by=None)
    with closing(sqlite3.connect(tmp_path / "relay.db", isolation_level=None)) as raw:
        # A reader in the way only puts it off.
        raw.execute("BEGIN")
        raw.execute("SELECT count(*) FROM leaf").fetchone()
        await performing.perform(log.batch(kept, erasures=(dropped,)))
        await asyncio.sleep(0.1)
        assert b"kept canary" in (tmp_path / "relay.db-wal").read_bytes()
    await until_moved(tmp_path / "relay.db", b"kept canary")
    assert errors == []


async def test_much_written_is_moved_without_an_idle_moment(
    performing: StoreWorker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(worker, "IDLE_S", 3_600.0)
    log = await load(performing)
    await performing.perform(log.batch(log.create(), log.envelope(content=b"canary" * 10)))
    while b"canary" * 10 not in (tmp_path / "relay.db").read_bytes():
        await performing.perform(log.batch(log.envelope(content=bytes(2_000_000))))


async def test_a_checkpoint_that_fails_is_said_and_stops_the_writer(
    performing: StoreWorker, monkeypatch: pytest.MonkeyPatch, errors: list[AmanahError]
) -> None:
    monkeypatch.setattr(worker, "IDLE_S", 0.01)
    log = await load(performing)
    await performing.perform(log.batch(log.create()))
    with small_files(1_000_000):
        for _ in range(20):
            if errors:
                break
            await performing.perform(log.batch(log.envelope(content=bytes(200_000))))
            await asyncio.sleep(0.1)
        stored = log.frontier.size
        failed = log.batch(log.envelope())
        assert await performing.perform(failed) == AppendFailed(batch=failed.batch, full=False)
    assert [error.code for error in errors] == [Code.STORE, Code.STORE]
    again = await load(performing)
    assert again.frontier.size == stored
    batch = again.batch(again.envelope())
    assert await performing.perform(batch) == Appended(batch=batch.batch)


@contextmanager
def small_files(most: int) -> Iterator[None]:
    """While no file may grow beyond this: the database reaches it before the WAL does."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (most, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


async def test_closing_finishes_what_was_handed_over(url: str, errors: list[AmanahError]) -> None:
    store = Store.init(url, roster=roster(), origin=x.ORIGIN, now_ms=x.NOW_MS)
    performing = StoreWorker(store, on_error=errors.append)
    log = await load(performing)
    batch = log.batch(log.create(), *log.messages(50))
    under_way = asyncio.ensure_future(performing.perform(batch))
    await asyncio.sleep(0)
    await performing.close()
    assert await under_way == Appended(batch=batch.batch)
    again = Store.open(url)
    assert again.verify_log().size == 52
    again.close()
