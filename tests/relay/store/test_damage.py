"""What is damaged is never served: each read and the loading refuse it, and the rest is still read."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Final

import pytest

from amanah_protocol.errors import Code, OperationalError
from amanah_protocol.log.merkle import Frontier
from amanah_protocol.types import CONTROL, DeviceId, EnvelopeId, RoomId
from amanah_relay.effects import ReadKnown, ReadLog, ReadProof, TakeKeyPackages
from amanah_relay.inputs import EntriesRead
from amanah_relay.state import RelayState
from amanah_relay.store import DamageError, Store
from amanah_relay.store.rows import leaf_cells
from amanah_relay.store.transaction import head_cells
from tests.relay.store.asking import content, membership, page
from tests.relay.store.full import TREE, Full, changed
from tests.relay.store.sequence import CHAIN, OTHER_KID, SECOND_ROOM, Sequence
from tests.vectors import examples as x

WELCOME: Final = 8
MESSAGE: Final = 10
"""Their log indices; 9 is erased, 6 the first of the second room."""

Read = Callable[[Store, Full], object]


def read_room(store: Store, _: Full) -> EntriesRead:
    return page(store)


def read_control(store: Store, _: Full) -> object:
    return page(store, CONTROL)


def read_log(store: Store, _: Full) -> object:
    return store.read_log(ReadLog(token=0, first=0, until=20))


def read_membership(store: Store, _: Full) -> object:
    return membership(store)


def read_membership_of_a_chain(store: Store, _: Full) -> object:
    return membership(store, CHAIN)


def read_known(store: Store, full: Full) -> object:
    return store.read_known(ReadKnown(token=0, envelope=EnvelopeId(full.entry(MESSAGE).envelope or b"")))


def read_welcome(store: Store, full: Full) -> object:
    return content(store, full.entry(WELCOME).payload or b"")


def read_tree(store: Store, _: Full, room: RoomId = x.ROOM) -> object:
    return content(store, TREE.hash, room)


def read_tree_elsewhere(store: Store, full: Full) -> object:
    return read_tree(store, full, SECOND_ROOM)


def prove_first(store: Store, full: Full) -> object:
    return store.read_proof(ReadProof(token=0, inclusion=True, old_or_index=0, size=full.size))


def prove_last(store: Store, full: Full) -> object:
    return store.read_proof(ReadProof(token=0, inclusion=True, old_or_index=full.size - 1, size=full.size))


def prove_growth(store: Store, full: Full) -> object:
    return store.read_proof(ReadProof(token=0, inclusion=False, old_or_index=12, size=full.size))


def take(store: Store, _: Full) -> object:
    return store.take_key_packages(TakeKeyPackages(token=0, suite=3, devices=(x.KID,)))


def load(store: Store, _: Full) -> object:
    return store.load()


def read_origin(store: Store, _: Full) -> object:
    return store.origin


DAMAGE: Final[list[tuple[Read, str]]] = [
    (read_room, "UPDATE leaf SET object = object || x'00' WHERE log_index = 10"),
    (read_room, "UPDATE leaf SET kid = x'00' WHERE log_index = 10"),
    (read_room, "UPDATE leaf SET accepted_at_ms = 'soon' WHERE log_index = 10"),
    (read_room, "DELETE FROM leaf WHERE log_index = 10"),
    (read_room, "UPDATE content SET data = x'00' WHERE log_index = 8"),
    (read_room, "UPDATE content SET data = NULL WHERE log_index = 8"),
    (read_room, "UPDATE content SET data = x'00' WHERE log_index = 9"),
    (read_room, "UPDATE content SET erased = 1 WHERE log_index = 8"),
    (read_room, "UPDATE content SET addressees = x'00' WHERE log_index = 8"),
    (read_room, "DELETE FROM content WHERE log_index = 8"),
    (read_control, "UPDATE document SET data = x'8240f6' WHERE log_index = 0"),
    (read_control, "UPDATE document SET data = (SELECT data FROM document WHERE log_index = 1) WHERE log_index = 0"),
    (read_control, "DELETE FROM document WHERE log_index = 0"),
    (read_control, "INSERT INTO document SELECT 2, data FROM document WHERE log_index = 1"),
    (read_log, "UPDATE leaf SET type = 99 WHERE log_index = 9"),
    (read_log, "DELETE FROM leaf WHERE log_index = 9"),
    (read_membership, "UPDATE leaf SET object = object || x'00' WHERE log_index = 7"),
    (read_membership, "UPDATE leaf SET previous = zeroblob(32) WHERE log_index = 7"),
    (read_membership, "UPDATE membership SET room_seq = 3 WHERE room_seq = 2"),
    (read_membership_of_a_chain, "INSERT INTO membership SELECT room, room_seq FROM leaf WHERE log_index = 20"),
    (read_known, "UPDATE leaf SET kid = x'00' WHERE log_index = 10"),
    (read_known, "UPDATE leaf SET hash = zeroblob(32) WHERE log_index = 8"),
    (read_known, "UPDATE batch SET root = x'00'"),
    (read_known, "DELETE FROM batch WHERE first > 0"),
    (read_known, "DELETE FROM batch"),
    (read_welcome, "UPDATE content SET data = x'00' WHERE log_index = 8"),
    (read_welcome, "UPDATE content SET data = NULL WHERE log_index = 8"),
    (read_welcome, "UPDATE content SET addressees = NULL WHERE log_index = 8"),
    (read_tree, "UPDATE tree SET data = x'00'"),
    (read_tree_elsewhere, "UPDATE tree SET room = (SELECT room FROM leaf WHERE log_index = 6)"),
    (prove_last, "UPDATE leaf SET hash = zeroblob(32) WHERE log_index = 257"),
    (prove_last, "DELETE FROM leaf WHERE log_index = 257"),
    (prove_first, "UPDATE tile SET hashes = zeroblob(8192)"),
    (prove_first, "UPDATE tile SET hashes = x'00'"),
    (prove_first, "UPDATE tile SET root = zeroblob(32)"),
    (prove_first, "DELETE FROM tile"),
    (prove_first, "DELETE FROM head"),
    (prove_growth, "DELETE FROM batch WHERE first = 12"),
    (take, "UPDATE key_package SET data = x'00' WHERE data IS NOT NULL"),
    (take, "UPDATE key_package SET last_resort = 1 - last_resort"),
    (read_origin, "UPDATE head SET origin = 'another'"),
    (load, "UPDATE head SET size = size + 1"),
    (load, "UPDATE head SET edge = x'00'"),
    (load, "DELETE FROM head"),
    (load, "UPDATE room SET epoch = epoch + 1"),
    (load, "DELETE FROM room"),
    (load, "UPDATE member SET last_counter = 0"),
    (load, "UPDATE member SET organisation = CAST(x'ff' AS TEXT)"),
    (load, "UPDATE chain SET head_seq = head_seq + 1"),
    (load, "DELETE FROM chain"),
    (load, "DELETE FROM leaf WHERE log_index = 2"),
    (load, "DELETE FROM leaf WHERE log_index = 4"),
    (load, "DELETE FROM leaf WHERE log_index = 5"),
    (load, "DELETE FROM leaf WHERE log_index < 5"),
    (load, "DELETE FROM leaf WHERE log_index > 200"),
    (load, "DELETE FROM document WHERE log_index = 0"),
]


@pytest.mark.parametrize(("read", "damage"), DAMAGE)
def test_damage_is_refused_and_not_served(full: Full, tmp_path: Path, read: Read, damage: str) -> None:
    with full.copy(tmp_path, damage) as store, pytest.raises(OperationalError) as refused:
        read(store, full)
    assert refused.value.code is Code.DAMAGED
    assert refused.value.final


@pytest.mark.parametrize("read", dict(DAMAGE))
def test_the_same_is_read_where_nothing_is_damaged(full: Full, tmp_path: Path, read: Read) -> None:
    with full.copy(tmp_path) as store:
        assert read(store, full) is not None


@pytest.mark.parametrize("read", [prove_last, prove_growth])
def test_a_proof_over_leaves_that_changed_places_is_not_served(full: Full, tmp_path: Path, read: Read) -> None:
    # Each row fits its checksum; only the root of the batch knows better.
    statements = []
    for index, other in ((257, 258), (258, 257)):
        cells = leaf_cells(replace(full.entry(index), hash=full.entry(other).hash))
        change = f"hash = x'{cells['hash'].hex()}', checksum = {cells['checksum']}"
        statements.append(f"UPDATE leaf SET {change} WHERE log_index = {index}")  # noqa: S608 - numbers and hex
    with full.copy(tmp_path, *statements) as store, pytest.raises(OperationalError) as refused:
        read(store, full)
    assert refused.value.code is Code.DAMAGED


def test_the_rest_of_a_damaged_store_is_still_read(full: Full, tmp_path: Path) -> None:
    with full.copy(tmp_path, "UPDATE leaf SET object = x'00' WHERE log_index = 10") as store:
        assert len(page(store, SECOND_ROOM).entries) == 1
        assert len(page(store, limit=2).entries) == 2
        assert content(store, full.entry(WELCOME).payload or b"").addressees == (OTHER_KID,)


# ---- damage that fits its checksum


def test_a_head_whose_edge_is_of_another_tree_is_refused(full: Full, tmp_path: Path) -> None:
    state = state_of(full, tmp_path)
    for edge in (state.edge[1:], (bytes(32), *state.edge[1:]), ()):
        cells = head_cells(x.ORIGIN, full.size, Frontier(full.size, state.edge).root(), edge, state.last_accepted_ms)
        with full.copy(tmp_path, changed("head", "id = 1", cells)) as store:
            with pytest.raises(OperationalError) as refused:
                store.load()
            assert refused.value.code is Code.DAMAGED
            with pytest.raises(DamageError):
                store.verify_log()


def state_of(full: Full, tmp_path: Path) -> RelayState:
    with full.copy(tmp_path) as store:
        return store.load()


def test_addressees_that_are_no_devices_are_refused(store: Store, log: Sequence) -> None:
    store.append(log.batch(log.create(), log.envelope(addressees=(DeviceId(b"short"),))))
    with pytest.raises(OperationalError) as refused:
        page(store)
    assert refused.value.code is Code.DAMAGED


# ---- damage that the database itself finds


def test_broken_pages_are_damage(full: Full, tmp_path: Path) -> None:
    with full.copy(tmp_path) as store:
        path = tmp_path / "copy.db"
        data = bytearray(path.read_bytes())
        for start in range(4_096, len(data), 4_096):
            data[start : start + 100] = bytes(100)
        path.write_bytes(data)
        for read in (read_room, read_log, load):
            with pytest.raises(OperationalError) as refused:
                read(store, full)
            assert refused.value.code is Code.DAMAGED
        with pytest.raises(DamageError):
            store.verify_log()
