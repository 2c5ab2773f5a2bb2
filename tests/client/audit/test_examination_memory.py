"""What an examination keeps of a log: nothing of what went by, however wrong it was."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from amanah_client.audit import examination
from amanah_client.audit.examination import examine
from amanah_client.audit.garbage import without_collections
from amanah_client.log_rows import AuditRow
from amanah_protocol.log.checkpoint import Checkpoint, sign_checkpoint
from amanah_protocol.log.merkle import Frontier, leaf_hash
from amanah_protocol.types import LeafHash
from tests.client.audit.world import anchor, incident
from tests.vectors import examples as x

JUNK = 40


@pytest.fixture
def without_circles() -> Iterator[None]:
    """As for who examines: no circle is looked for, so what is in one stays."""
    gc.collect()
    gc.disable()
    yield
    gc.enable()


def junk() -> tuple[list[AuditRow], bytes]:
    """Entries that do not decode, under a checkpoint, as a relay may serve them."""
    entries = [b"\xa0" + bytes([number]) * 100 for number in range(JUNK)]
    hashes = [LeafHash(leaf_hash(entry)) for entry in entries]
    tree = Frontier()
    for leaf in hashes:
        tree.append(leaf)
    note = sign_checkpoint(Checkpoint(origin=x.ORIGIN, size=tree.size, root=tree.root()), x.LOG_SIGNER)
    rows = [
        AuditRow(index=index, hash=leaf, entry=entry, document=None)
        for index, (leaf, entry) in enumerate(zip(hashes, entries, strict=True))
    ]
    return rows, note


def kept() -> int:
    """Decoded entries that are still in memory."""
    return sum(type(thing).__name__ == "_Decoded" for thing in gc.get_objects())


def test_what_does_not_decode_is_not_kept(without_circles: None) -> None:
    rows, note = junk()
    report = examine(iter(rows), checkpoint=note, anchor=anchor())
    assert report.faults >= JUNK
    assert kept() == 0


@pytest.mark.parametrize(("most", "ahead"), [(2**20, 17), (1, 1)], ids=["small entries", "large ones"])
def test_so_many_entries_are_ahead_as_there_is_room_for(monkeypatch: pytest.MonkeyPatch, most: int, ahead: int) -> None:
    monkeypatch.setattr(examination, "STRETCH", 1)
    monkeypatch.setattr(examination, "_AHEAD_BYTES", most)
    told = incident()
    read = 0

    def rows() -> Iterator[AuditRow]:
        nonlocal read
        for row in told.rows():
            read += 1
            yield row

    at: list[int] = []
    examine(rows(), checkpoint=told.log.checkpoint(), anchor=anchor(), advanced=lambda _: at.append(read))
    assert at[0] == ahead
    assert at[-1] == told.log.size


def test_collections_are_on_again_behind_all_who_did_without() -> None:
    one, other = ExitStack(), ExitStack()
    assert gc.isenabled()
    one.enter_context(without_collections())
    other.enter_context(without_collections())
    assert not gc.isenabled()
    one.close()
    other.close()
    assert gc.isenabled()


def test_a_thread_that_comes_while_another_leaves_does_not_leave_them_off(monkeypatch: pytest.MonkeyPatch) -> None:
    one, other, asked = ExitStack(), ExitStack(), gc.isenabled
    one.enter_context(without_collections())

    def asked_before_the_other_left() -> bool:
        found = asked()
        one.close()
        return found

    monkeypatch.setattr(gc, "isenabled", asked_before_the_other_left)
    other.enter_context(without_collections())
    other.close()
    assert asked()
