"""Every cell of a store is held against something: each one, broken alone, is found."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import pytest

from amanah_protocol.errors import Code, OperationalError, VerifyError
from amanah_protocol.kinds import Commit, Kind
from amanah_protocol.log.leaf import LeafType
from amanah_relay.effects import Append, Entry, Erasure, PutKeyPackages, ReadKnown, ReadLog, ReadProof, TakeKeyPackages
from amanah_relay.store import DamageError, Store
from tests.relay.store.asking import content, page
from tests.relay.store.sequence import CHAIN, OTHER, OTHER_KID, SECOND_ROOM, Draft, Sequence, identities, roster, tree
from tests.vectors import examples as x

WITHOUT_MEANING: Final = {("key_package", "id"), ("alembic_version", "version_num")}
"""Columns that say nothing: an arbitrary number; what opening the store checks."""

WITHOUT_TRACE: Final = {"tree", "key_package"}
"""Tables of which no row is promised to be there."""

Cell = tuple[str, str, int]


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("verified") / "relay.db"


@pytest.fixture(scope="module")
def full(path: Path) -> Iterator[Store]:
    """A store with a row of every sort in every table, and a full tile."""
    store = Store.init(f"sqlite:///{path}", roster=roster(), origin=x.ORIGIN, now_ms=x.NOW_MS)
    log = Sequence.behind(store.load())
    store.append(log.batch(*identities(), log.create(), log.create(SECOND_ROOM)))
    commit = log.batch(log.envelope(Commit(added=(OTHER_KID,)), b"commit"))
    joined = replace(commit.members[0], device=OTHER_KID, last_counter=0, last_id=x.ENVELOPES[0])
    store.append(replace(commit, members=(*commit.members, replace(joined, last_id=type(x.ENVELOPES[0])(bytes(32))))))
    welcome = log.envelope(x.SPECIFICS[Kind.WELCOME], b"welcome", addressees=(OTHER_KID,))
    erased = log.batch(welcome, log.envelope(), log.envelope(key=OTHER), trees=(tree(b"ratchet tree"),))
    store.append(erased)
    dropped = Erasure(room=x.ROOM, envelopes=(erased.entries[1].envelope or x.ENVELOPES[0],), by=None)
    store.append(log.batch(log.envelope(x.SPECIFICS[Kind.ERASE]), erasures=(dropped,)))
    orders = [Draft(type=LeafType.AUDIT_READ, room=CHAIN, object=b"\xd2" + bytes([n % 256])) for n in range(250)]
    store.append(log.batch(*orders))
    store.put_key_packages(
        PutKeyPackages(token=0, device=x.KID, suite=3, packages=(b"one", b"two"), last_resort=b"last")
    )
    store.take_key_packages(TakeKeyPackages(token=0, suite=3, devices=(x.KID,)))
    store.checkpoint()
    yield store
    store.close()


@contextmanager
def broken(path: Path, table: str, statement: str, *values: object) -> Iterator[None]:
    """The store while one thing in it is wrong."""
    with closing(sqlite3.connect(path, isolation_level=None)) as raw:
        raw.execute("CREATE TEMP TABLE kept AS SELECT rowid AS place, * FROM " + table if has_rowid(table) else
                    "CREATE TEMP TABLE kept AS SELECT * FROM " + table)  # fmt: skip
        raw.execute(statement, values)
        try:
            yield
        finally:
            columns = ", ".join(f'"{name}"' for name in names(raw, table))
            raw.execute("BEGIN")
            raw.execute(f"DELETE FROM {table}")
            raw.execute(f"INSERT INTO {table} ({columns}) SELECT {columns} FROM kept")
            raw.execute("COMMIT")


def has_rowid(table: str) -> bool:
    return table != "member"


def names(raw: sqlite3.Connection, table: str) -> list[str]:
    return [row[1] for row in raw.execute(f"PRAGMA table_info({table})")]


def tables(raw: sqlite3.Connection) -> list[str]:
    found = raw.execute("SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%' ORDER BY name")
    return [row[0] for row in found]


def other(value: object) -> list[Any]:
    """Other values that a cell could come to hold."""
    match value:
        case None:
            return [bytes(32)]
        case int():
            return [value + 1, None] if value not in (0, 1) else [1 - value]
        case bytes():
            flipped = bytes([value[0] ^ 1]) + value[1:] if value else b"\0"
            return [flipped, value[:-1] + b"\xff\xff", "text"]
        case str():
            return [value + "x", b"\xff\xfe"]
        case _:
            raise AssertionError(value)


def cells(raw: sqlite3.Connection) -> list[tuple[str, str, object, str, tuple[object, ...]]]:
    """Of each table and column, one row for each sort of value: table, column, value, and how to name the row."""
    found = []
    for table in tables(raw):
        columns = names(raw, table)
        keys = [row[1] for row in raw.execute(f"PRAGMA table_info({table})") if row[5]]
        for column in columns:
            if (table, column) in WITHOUT_MEANING:
                continue
            seen = set()
            for row in raw.execute(f"SELECT * FROM {table}"):
                value = row[columns.index(column)]
                sort = (type(value), value if value in (0, 1) else None)
                if sort not in seen:
                    seen.add(sort)
                    which = " AND ".join(f'"{key}" = ?' for key in keys)
                    found.append((table, column, value, which, tuple(row[columns.index(key)] for key in keys)))
    return found


def test_a_whole_store_is_verified_and_described(full: Store, path: Path) -> None:
    report = full.verify_log()
    with closing(sqlite3.connect(path)) as raw:
        size, root = raw.execute("SELECT size, root FROM head").fetchone()
        assert all(raw.execute(f"SELECT count(*) FROM {table}").fetchone()[0] for table in tables(raw))
    assert (report.origin, report.size, report.root) == (x.ORIGIN, size, root)
    assert (report.batches, report.rooms, report.envelopes, report.erased) == (6, 2, 7, 1)


def test_every_single_broken_cell_is_found(full: Store, path: Path) -> None:
    with closing(sqlite3.connect(path)) as raw:
        every = cells(raw)
    assert len(every) > 80
    missed = []
    for table, column, value, which, key in every:
        for wrong in other(value):
            if wrong is None and not nullable(path, table, column):
                continue
            with broken(path, table, f'UPDATE {table} SET "{column}" = ? WHERE {which}', wrong, *key):  # noqa: SIM117 - set, then read
                if not found_damage(full):
                    missed.append((table, column, value, wrong))
    assert missed == []
    full.verify_log()


def nullable(path: Path, table: str, column: str) -> bool:
    with closing(sqlite3.connect(path)) as raw:
        return any(row[1] == column and not row[3] and not row[5] for row in raw.execute(f"PRAGMA table_info({table})"))


def found_damage(store: Store) -> bool:
    try:
        store.verify_log()
    except DamageError as error:
        assert error.code is Code.DAMAGED
        return True
    return False


def test_a_missing_row_of_every_table_that_must_have_it_is_found(full: Store, path: Path) -> None:
    with closing(sqlite3.connect(path)) as raw:
        wanted = [table for table in tables(raw) if table not in WITHOUT_TRACE | {"alembic_version"}]
    missed = []
    for table in wanted:
        column = "device" if table == "member" else "rowid"
        last = f"SELECT max({column}) FROM {table}"
        with broken(path, table, f"DELETE FROM {table} WHERE {column} = ({last})"):
            if not found_damage(full):
                missed.append(table)
    assert missed == []


EXTRA: Final = {
    "leaf": "INSERT INTO leaf SELECT log_index + 1, type, x'01', room_seq, accepted_at_ms, previous, hash, NULL, NULL,"
    " checksum, object FROM leaf ORDER BY log_index DESC LIMIT 1",
    "batch": "INSERT INTO batch SELECT first + 1, size, root, accepted_at_ms, checksum FROM batch LIMIT 1",
    "content": "INSERT INTO content SELECT 0, payload, length, erased, addressees, checksum, data FROM content LIMIT 1",
    "document": "INSERT INTO document SELECT 5, data FROM document LIMIT 1",
    "tile": "INSERT INTO tile SELECT level, place + 1, root, checksum, hashes FROM tile LIMIT 1",
    "room": "INSERT INTO room SELECT room, 0, head_seq, head_leaf, checksum FROM chain LIMIT 1",
    "chain": "INSERT INTO chain SELECT x'01', head_seq, head_leaf, checksum FROM chain LIMIT 1",
    "member": "INSERT INTO member SELECT room, x'01', organisation, added_seq, removed_seq, cursor, last_counter,"
    " last_id, checksum FROM member LIMIT 1",
}


@pytest.mark.parametrize("table", sorted(EXTRA))
def test_a_row_too_many_is_found(full: Store, path: Path, table: str) -> None:
    with broken(path, table, EXTRA[table]), pytest.raises(DamageError):
        full.verify_log()


@pytest.mark.parametrize("index", [0, 5, 8, 100, 255])
def test_the_first_leaf_that_is_wrong_is_named(full: Store, path: Path, index: int) -> None:
    both = f"UPDATE leaf SET object = object || x'00' WHERE log_index IN ({index}, {index + 1})"
    with broken(path, "leaf", both), pytest.raises(DamageError, match=f"leaf {index} is damaged") as found:
        full.verify_log()
    assert found.value.index == index
    assert isinstance(found.value, VerifyError)


def test_damage_that_is_of_no_leaf_names_none(full: Store, path: Path) -> None:
    with broken(path, "member", "UPDATE member SET cursor = cursor + 1"), pytest.raises(DamageError) as found:
        full.verify_log()
    assert found.value.index is None


# ---- what a careful hand could have written: every checksum fits


def forge(store: Store, log: Sequence, change: Callable[[Append], Append]) -> None:
    """Store a batch that is wrong in a way that appending does not look for."""
    store.append(change(log.batch(log.envelope(), log.envelope(key=OTHER))))


def with_first(batch: Append, **changes: Any) -> Append:  # noqa: ANN401 - any field of an entry
    first, *rest = batch.entries
    return replace(batch, entries=(replace(first, **changes), *rest))


FORGED: Final[dict[str, Callable[[Append], Append]]] = {
    "another sender": lambda batch: with_first(batch, kid=OTHER_KID),
    "another id": lambda batch: with_first(batch, envelope=x.ENVELOPES[0]),
    "another hash": lambda batch: with_first(batch, hash=batch.entries[1].previous),
    "another predecessor": lambda batch: with_first(batch, previous=x.fixed("previous")),
    "an old time": lambda batch: replace(
        batch, accepted_at_ms=5, entries=tuple(replace(entry, accepted_at_ms=5) for entry in batch.entries)
    ),
    "a counter of another envelope": lambda batch: replace(
        batch, members=tuple(replace(member, last_counter=99) for member in batch.members)
    ),
    "a member that nobody added": lambda batch: replace(
        batch, members=(*batch.members, replace(batch.members[0], device=x.DEVICES[0]))
    ),
}


@pytest.mark.parametrize("name", sorted(FORGED))
def test_a_batch_that_was_stored_wrong_is_found(store: Store, log: Sequence, name: str) -> None:
    store.append(log.batch(*identities(), log.create()))
    forge(store, log, FORGED[name])
    with pytest.raises(DamageError):
        store.verify_log()


def test_the_same_batch_stored_right_verifies(store: Store, log: Sequence) -> None:
    store.append(log.batch(*identities(), log.create()))
    forge(store, log, lambda batch: batch)
    assert store.verify_log().size == 8


def test_an_entry_outside_the_stream_that_its_type_belongs_to_is_found(store: Store, log: Sequence) -> None:
    store.append(log.batch(Draft(type=LeafType.CERTIFICATE, room=CHAIN, object=x.certificate().encoded)))
    with pytest.raises(DamageError, match="the room of leaf 1"):
        store.verify_log()


def test_an_envelope_that_does_not_decode_is_found(store: Store, log: Sequence) -> None:
    store.append(log.batch(replace(log.create(), object=b"\xd2 no envelope")) if False else unreadable(log))
    with pytest.raises(DamageError, match="leaf 1"):
        store.verify_log()


def unreadable(log: Sequence) -> Append:
    good = log.create()
    batch = log.batch(Draft(type=LeafType.ENVELOPE, room=x.ROOM, object=b"\xd2 no envelope"))
    entry: Entry = replace(
        batch.entries[0], envelope=good.envelope, kid=good.kid, payload=good.payload, content=good.content
    )
    return replace(batch, entries=(entry,))


# ---- reading never serves what is damaged


READS: Final[dict[str, tuple[str, Callable[[Store], object]]]] = {
    "a page": ("UPDATE leaf SET object = object || x'00' WHERE log_index = 9", lambda store: page(store)),
    "a page without an entry": ("DELETE FROM leaf WHERE log_index = 9", lambda store: page(store)),
    "a content in a page": ("UPDATE content SET data = x'00' WHERE log_index = 8", lambda store: page(store)),
    "a content gone from a page": ("UPDATE content SET data = NULL WHERE log_index = 8", lambda store: page(store)),
    "a page of documents": (
        "UPDATE document SET data = x'8240f6' WHERE log_index = 0",
        lambda store: page(store, x.fixed("", 0).ljust(16, b"\0")),  # type: ignore[arg-type]  # the control stream
    ),
    "a type in the log": (
        "UPDATE leaf SET type = 99 WHERE log_index = 9",
        lambda store: store.read_log(ReadLog(token=0, first=0, until=20)),
    ),
    "a leaf gone from the log": (
        "DELETE FROM leaf WHERE log_index = 9",
        lambda store: store.read_log(ReadLog(token=0, first=0, until=20)),
    ),
    "a known envelope": (
        "UPDATE leaf SET kid = x'00' WHERE log_index = 9",
        lambda store: store.read_known(ReadKnown(token=0, envelope=known(store, 9))),
    ),
    "a batch of a known envelope": (
        "UPDATE batch SET root = x'00'",
        lambda store: store.read_known(ReadKnown(token=0, envelope=known(store, 9))),
    ),
    "the size of a batch": (
        "DELETE FROM batch WHERE first > 0",
        lambda store: store.read_known(ReadKnown(token=0, envelope=known(store, 9))),
    ),
    "a content": (
        "UPDATE content SET data = x'00' WHERE log_index = 8",
        lambda store: content(store, payload(store, 8)),
    ),
    "addressees of a content": (
        "UPDATE content SET addressees = NULL WHERE log_index = 8",
        lambda store: content(store, payload(store, 8)),
    ),
    "a tree": ("UPDATE tree SET data = x'00'", lambda store: content(store, tree(b"ratchet tree").hash)),
    "the room of a tree": (
        f"UPDATE tree SET room = x'{SECOND_ROOM.hex()}'",
        lambda store: content(store, tree(b"ratchet tree").hash, SECOND_ROOM),
    ),
    "a hash of an inclusion proof": ("UPDATE leaf SET hash = zeroblob(32) WHERE log_index = 257", lambda store: prove(store, 258)),
    "a leaf gone from a proof": ("DELETE FROM leaf WHERE log_index = 257", lambda store: prove(store, 258)),
    "a tile of a proof": ("UPDATE tile SET hashes = zeroblob(8192)", lambda store: prove(store, 257)),
    "the length of a tile": ("UPDATE tile SET hashes = x'00'", lambda store: prove(store, 257)),
    "a tile gone from a proof": ("DELETE FROM tile", lambda store: prove(store, 257)),
    "the head before a proof": ("DELETE FROM head", lambda store: prove(store, 257)),
    "a last resort": (
        "UPDATE key_package SET data = x'00'",
        lambda store: store.take_key_packages(TakeKeyPackages(token=0, suite=3, devices=(x.KID,))),
    ),
    "the use of a key package": (
        "UPDATE key_package SET last_resort = 1 - last_resort",
        lambda store: store.take_key_packages(TakeKeyPackages(token=0, suite=3, devices=(x.KID,))),
    ),
    "a head at loading": ("UPDATE head SET size = size + 1", lambda store: store.load()),
    "an edge at loading": ("UPDATE head SET edge = x'00'", lambda store: store.load()),
    "a room at loading": ("UPDATE room SET epoch = epoch + 1", lambda store: store.load()),
    "a create at loading": ("DELETE FROM leaf WHERE log_index = 5", lambda store: store.load()),
    "a member at loading": ("UPDATE member SET last_counter = 0", lambda store: store.load()),
    "a room gone at loading": ("DELETE FROM room", lambda store: store.load()),
    "a chain at loading": ("UPDATE chain SET head_seq = head_seq + 1", lambda store: store.load()),
    "a control entry at loading": ("DELETE FROM leaf WHERE log_index = 2", lambda store: store.load()),
    "the last control entry at loading": ("DELETE FROM leaf WHERE log_index = 4", lambda store: store.load()),
    "the roster at loading": ("DELETE FROM document WHERE log_index = 0", lambda store: store.load()),
    "the whole control stream at loading": ("DELETE FROM leaf WHERE log_index < 5", lambda store: store.load()),
    "the tail at loading": ("DELETE FROM leaf WHERE log_index > 200", lambda store: store.load()),
}  # fmt: skip


def known(store: Store, index: int) -> Any:  # noqa: ANN401 - an id, whatever the row says
    del store
    return ID_AT[index]


def payload(store: Store, index: int) -> bytes:
    del store
    return PAYLOAD_AT[index]


def prove(store: Store, index: int) -> object:
    size = 264
    return store.read_proof(ReadProof(token=0, inclusion=True, old_or_index=index, size=size))


ID_AT: Final[dict[int, bytes]] = {}
PAYLOAD_AT: Final[dict[int, bytes]] = {}
