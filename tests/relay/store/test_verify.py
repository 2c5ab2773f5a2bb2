"""Every cell of a store is held against something: each one, broken alone, is found."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import pytest

from amanah_protocol.errors import Code, OperationalError, VerifyError
from amanah_protocol.log.leaf import LeafType
from amanah_protocol.log.merkle import Frontier
from amanah_protocol.types import EnvelopeId, LeafHash
from amanah_relay.effects import Append, ReadLog
from amanah_relay.store import DamageError, Store
from amanah_relay.store.hashes import tile_cells
from amanah_relay.store.transaction import batch_cells, head_cells
from tests.relay.store.full import Full, changed
from tests.relay.store.sequence import CHAIN, OTHER, OTHER_KID, Draft, Sequence, identities
from tests.vectors import examples as x

NOT_OURS: Final = "alembic_version"
WITHOUT_MEANING: Final = {("key_package", "id")}
"""An arbitrary number."""
WITHOUT_TRACE: Final = {"tree", "key_package", "checkpoint", "stamp"}
"""Tables of which no row is promised to be there."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """One cell, and how its row is found."""

    table: str
    column: str
    nullable: bool
    unique: bool
    value: object
    row: str
    key: tuple[object, ...]

    def others(self) -> list[object]:
        """Values that it could come to hold instead."""
        empty: list[object] = [None] if self.nullable else []
        match self.value:
            case None:
                return [bytes(32)]
            case int() if self.unique:
                return [self.value + 2**40]
            case int():
                return [1 - self.value if self.value in (0, 1) else self.value + 1, *empty]
            case b"":
                return [b"x", *empty]
            case bytes():
                flipped = bytes([self.value[0] ^ 1]) + self.value[1:]
                return [flipped, "text", *empty]
            case _:
                return [f"{self.value}x", b"\xff\xfe"]


def cells(path: Path) -> list[Cell]:
    """Of each column, a cell of each sort: there, absent, 0, 1."""
    found = []
    with closing(sqlite3.connect(path)) as raw:
        for table in tables(raw):
            shape = raw.execute(f"PRAGMA table_info({table})").fetchall()
            names = [column[1] for column in shape]
            keys = [column[1] for column in shape if column[5]]
            rows = raw.execute(f"SELECT * FROM {table}").fetchall()  # noqa: S608 - a table of ours
            for place, column in enumerate(shape):
                sorts = {(type(row[place]), row[place] if row[place] in (0, 1) else None): row for row in rows}
                found += [
                    Cell(
                        table=table,
                        column=column[1],
                        nullable=not column[3] and not column[5],
                        unique=bool(column[5]),
                        value=row[place],
                        row=" AND ".join(f'"{key}" = ?' for key in keys),
                        key=tuple(row[names.index(key)] for key in keys),
                    )
                    for row in sorts.values()
                    if (table, column[1]) not in WITHOUT_MEANING
                ]
    return found


def tables(raw: sqlite3.Connection) -> list[str]:
    found = raw.execute("SELECT name FROM sqlite_master WHERE type = 'table' AND name != ? ORDER BY name", (NOT_OURS,))
    return [row[0] for row in found]


def is_found(store: Store) -> bool:
    try:
        store.verify_log()
    except DamageError:
        return True
    return False


def test_a_whole_store_is_verified_and_described(full: Full, tmp_path: Path) -> None:
    with full.copy(tmp_path) as store:
        report = store.verify_log()
        newest = store.load()
    assert (report.origin, report.size, newest.size) == (x.ORIGIN, full.size, full.size)
    assert (report.batches, report.rooms, report.envelopes, report.erased) == (6, 2, 7, 1)


def test_every_table_has_rows_to_break(full: Full) -> None:
    with closing(sqlite3.connect(full.path)) as raw:
        assert {cell.table for cell in cells(full.path)} == set(tables(raw))


def test_every_single_broken_cell_is_found(full: Full, tmp_path: Path) -> None:
    missed = []
    for cell in cells(full.path):
        for wrong in cell.others():
            statement = f'UPDATE {cell.table} SET "{cell.column}" = ? WHERE {cell.row}'  # noqa: S608 - names of ours
            with full.copy(tmp_path, statement, values=(wrong, *cell.key)) as store:
                if not is_found(store):
                    missed.append((cell, wrong))
    assert missed == []


def test_a_missing_row_is_found_in_every_table_that_promises_it(full: Full, tmp_path: Path) -> None:
    with closing(sqlite3.connect(full.path)) as raw:
        promised = [table for table in tables(raw) if table not in WITHOUT_TRACE]
    missed = []
    for table in promised:
        column = {"member": "device", "membership": "room_seq", "attachment": "envelope"}.get(table, "rowid")
        statement = f"DELETE FROM {table} WHERE {column} = (SELECT max({column}) FROM {table})"  # noqa: S608 - names of ours
        with full.copy(tmp_path, statement) as store:
            if not is_found(store):
                missed.append(table)
    assert missed == []


EXTRA: Final = {
    "leaf": "SELECT log_index + 1, type, x'01', room_seq, accepted_at_ms, previous, hash, NULL, NULL, checksum, object"
    " FROM leaf ORDER BY log_index DESC LIMIT 1",
    "batch": "SELECT first + 1, size, root, accepted_at_ms, checksum FROM batch ORDER BY first LIMIT 1 OFFSET 1",
    "content": "SELECT 0, payload, length, erased, addressees, checksum, data FROM content LIMIT 1",
    "document": "SELECT 5, data FROM document LIMIT 1",
    "tile": "SELECT level, place + 1, root, checksum, hashes FROM tile LIMIT 1",
    "room": "SELECT x'01', epoch, head_seq, head_leaf, checksum FROM room LIMIT 1",
    "chain": "SELECT x'01', head_seq, head_leaf, checksum FROM chain LIMIT 1",
    "member": "SELECT room, x'01', organisation, added_seq, removed_seq, cursor, last_counter, last_id, checksum"
    " FROM member LIMIT 1",
    "attachment": "SELECT x'01', room, x'02', standing, checksum FROM attachment LIMIT 1",
    "membership": "SELECT room, 100 FROM membership LIMIT 1",
    "confirmed": "SELECT x'01', room_seq, checksum FROM confirmed LIMIT 1",
    "held": "SELECT 'cert.example.xx', size, checksum FROM held LIMIT 1",
    "checkpoint": "SELECT size + 1, checksum, note FROM checkpoint LIMIT 1",
}


@pytest.mark.parametrize("table", sorted(EXTRA))
def test_a_row_too_many_is_found(full: Full, tmp_path: Path, table: str) -> None:
    with full.copy(tmp_path, f"INSERT INTO {table} {EXTRA[table]}") as store, pytest.raises(DamageError):
        store.verify_log()


@pytest.mark.parametrize("index", [0, 5, 8, 100, 255])
def test_the_first_leaf_that_is_wrong_is_named(full: Full, tmp_path: Path, index: int) -> None:
    both = f"UPDATE leaf SET object = object || x'00' WHERE log_index IN ({index}, {index + 1})"  # noqa: S608 - two numbers
    with (
        full.copy(tmp_path, both) as store,
        pytest.raises(DamageError, match=f"damaged store: leaf {index}") as found,
    ):
        store.verify_log()
    assert found.value.index == index
    assert found.value.code is Code.DAMAGED
    assert isinstance(found.value, VerifyError)


def test_damage_that_is_of_no_leaf_names_none(full: Full, tmp_path: Path) -> None:
    with (
        full.copy(tmp_path, "UPDATE member SET cursor = cursor + 1") as store,
        pytest.raises(DamageError) as found,
    ):
        store.verify_log()
    assert found.value.index is None


# ---- what was stored wrong: every checksum fits


def with_first(batch: Append, **changes: Any) -> Append:  # noqa: ANN401 - any field of an entry
    first, *rest = batch.entries
    return replace(batch, entries=(replace(first, **changes), *rest))


def with_members(batch: Append, **changes: Any) -> Append:  # noqa: ANN401 - any field of a member
    return replace(batch, members=(*batch.members, replace(batch.members[0], **changes)))


def with_time(batch: Append, now_ms: int) -> Append:
    entries = tuple(replace(entry, accepted_at_ms=now_ms) for entry in batch.entries)
    return replace(batch, accepted_at_ms=now_ms, entries=entries)


WRONG: Final[dict[str, Callable[[Append], Append]]] = {
    "another sender": lambda batch: with_first(batch, kid=OTHER_KID),
    "another id": lambda batch: with_first(batch, envelope=EnvelopeId(bytes(32))),
    "another hash": lambda batch: with_first(batch, hash=LeafHash(bytes(32))),
    "another predecessor": lambda batch: with_first(batch, previous=LeafHash(bytes(32))),
    "another content": lambda batch: with_first(batch, content=bytes(len(batch.entries[0].content or b""))),
    "a time that the leaves do not name": lambda batch: with_time(batch, batch.accepted_at_ms + 1),
    "another counter of a member": lambda batch: with_members(batch, last_counter=99),
    "a member that nobody added": lambda batch: with_members(batch, device=x.DEVICES[0]),
}


@pytest.mark.parametrize("name", sorted(WRONG))
def test_a_batch_that_was_stored_wrong_is_found(store: Store, log: Sequence, name: str) -> None:
    store.append(log.batch(*identities(), log.create()))
    store.append(WRONG[name](log.batch(log.envelope(), log.envelope(key=OTHER))))
    with pytest.raises(DamageError):
        store.verify_log()


def test_the_same_batch_stored_right_verifies(store: Store, log: Sequence) -> None:
    store.append(log.batch(*identities(), log.create()))
    store.append(log.batch(log.envelope(), log.envelope(key=OTHER)))
    assert store.verify_log().size == 8


def test_a_time_that_goes_backwards_is_found(store: Store, log: Sequence) -> None:
    store.append(log.batch(log.create()))
    log.now_ms -= 100
    store.append(log.batch(log.envelope()))
    with pytest.raises(DamageError, match="the batch of leaf 2"):
        store.verify_log()


@pytest.mark.parametrize("place", [(5, None), (1, LeafHash(bytes(32)))])
def test_an_entry_that_does_not_follow_the_one_before_it_is_found(
    store: Store, log: Sequence, place: tuple[int, LeafHash | None]
) -> None:
    store.append(log.batch(log.create()))
    sequence, leaf = place
    log.heads[x.ROOM] = (sequence, leaf or log.heads[x.ROOM][1])
    store.append(log.batch(log.envelope()))
    with pytest.raises(DamageError, match="leaf 2 does not follow") as found:
        store.verify_log()
    assert found.value.index == 2


def test_a_batch_under_another_root_or_time_is_found(full: Full, tmp_path: Path) -> None:
    with closing(sqlite3.connect(full.path)) as raw:
        first, size, root, accepted, _ = raw.execute("SELECT * FROM batch WHERE first = 8").fetchone()
    right = batch_cells(first, size, root, accepted)
    for cells in (right, batch_cells(first, size, bytes(32), accepted), batch_cells(first, size, root, accepted + 1)):
        with full.copy(tmp_path, changed("batch", "first = 8", cells)) as store:
            assert is_found(store) == (cells is not right)


def test_a_tile_of_other_hashes_is_found(full: Full, tmp_path: Path) -> None:
    with closing(sqlite3.connect(full.path)) as raw:
        (hashes,) = raw.execute("SELECT hashes FROM tile").fetchone()
    right = [hashes[at : at + 32] for at in range(0, len(hashes), 32)]
    for wrong in (right, [bytes(32), *right[1:]]):
        cells = tile_cells(0, 0, wrong)
        with full.copy(tmp_path, changed("tile", "place = 0", cells)) as store:
            assert is_found(store) == (wrong is not right)


def test_a_head_of_another_tree_or_time_is_found(full: Full, tmp_path: Path) -> None:
    with full.copy(tmp_path) as store:
        state = store.load()
    other = (bytes(32), *state.edge[1:])
    for edge, time, right in ((state.edge, 0, True), (other, 0, False), (state.edge, -1, False)):
        root = Frontier(full.size, edge).root()
        cells = head_cells("an origin", full.size, root, edge, state.last_accepted_ms + time)
        with full.copy(tmp_path, changed("head", "id = 1", cells)) as store:
            assert is_found(store) is not right


def test_an_entry_outside_the_stream_of_its_type_is_found(store: Store, log: Sequence) -> None:
    store.append(log.batch(Draft(type=LeafType.CERTIFICATE, room=CHAIN, object=x.certificate().encoded)))
    with pytest.raises(DamageError, match="the room of leaf 1"):
        store.verify_log()


def test_an_envelope_that_does_not_decode_is_found(store: Store, log: Sequence) -> None:
    good = log.create()
    store.append(log.batch(replace(good, object=b"\xd2" + good.object)))
    with pytest.raises(DamageError, match="leaf 1"):
        store.verify_log()


def test_a_log_longer_than_a_page_is_verified_to_its_end(store: Store, log: Sequence) -> None:
    orders = [Draft(type=LeafType.AUDIT_READ, room=CHAIN, object=b"\xd2 order %d" % number) for number in range(1_200)]
    store.append(log.batch(*orders))
    assert store.verify_log().size == 1_201
    assert len(store.read_log(ReadLog(token=0, first=0, until=2_000)).entries) == 1_201


def test_a_store_that_cannot_be_read_is_not_said_to_be_damaged(full: Full, tmp_path: Path) -> None:
    with full.copy(tmp_path, "DROP TABLE tree") as store, pytest.raises(OperationalError) as refused:
        store.verify_log()
    assert refused.value.code is Code.STORE
