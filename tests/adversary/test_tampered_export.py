"""Attack 41, a tampered audit export: rows deleted, edited, put in another order or added; single bits turned.

The export itself holds; without the look at the root, or without any, what was changed is taken.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from io import BytesIO
from typing import Final

import pytest
from msgspec import structs

from amanah_client.audit.bundle import Bundle
from amanah_client.audit.bundle_check import check_bundle
from amanah_client.log_rows import AuditRow
from amanah_protocol.errors import PeerError
from amanah_protocol.log.leaf import Leaf, decode_leaf
from amanah_protocol.types import LeafHash
from tests.adversary.outcomes import control, defended
from tests.client.audit.bundles import bundle, ranges
from tests.client.audit.world import Incident, anchor, incident
from tests.vectors import examples as x

MUTATIONS: Final = 500
"""Of each sort together, in a short run; a campaign multiplies them and takes a record of 1,000 rows."""
SHORT_ROWS: Final = 60
LONG_ROWS: Final = 965

ANCHOR: Final = anchor()


@cache
def told(scale: int) -> tuple[Incident, list[AuditRow], bytes]:
    """The record, its rows, and its export."""
    found = incident(more=SHORT_ROWS if scale == 1 else LONG_ROWS)
    return found, found.rows(), bundle(found)


def detected(data: bytes) -> bool:
    """Whether somebody who trusts the roster finds something wrong with a file."""
    try:
        checked = check_bundle(Bundle(BytesIO(data)), ANCHOR)
    except PeerError:
        return True
    return checked.report.faults > 0


def edited(leaf: Leaf, rng: random.Random) -> Leaf:
    """The leaf with one of its fields changed."""
    changes: list[dict[str, object]] = [
        {"accepted_at_ms": leaf.accepted_at_ms + 1},
        {"room_seq": leaf.room_seq + 1},
        {"previous": LeafHash(x.fixed("another"))},
        {"object": leaf.object[:-1] + bytes([leaf.object[-1] ^ 1])},
    ]
    return structs.replace(leaf, **rng.choice(changes))


def delete(rows: list[AuditRow], rng: random.Random) -> list[AuditRow]:
    at = rng.randrange(len(rows))
    return rows[:at] + rows[at + 1 :]


def delete_and_number_anew(rows: list[AuditRow], rng: random.Random) -> list[AuditRow]:
    return [structs.replace(row, index=index) for index, row in enumerate(delete(rows, rng))]


def swap(rows: list[AuditRow], rng: random.Random) -> list[AuditRow]:
    first, second = rng.sample(range(len(rows)), 2)
    changed = list(rows)
    changed[first], changed[second] = changed[second], changed[first]
    return changed


def swap_and_number_anew(rows: list[AuditRow], rng: random.Random) -> list[AuditRow]:
    return [structs.replace(row, index=index) for index, row in enumerate(swap(rows, rng))]


def add(rows: list[AuditRow], rng: random.Random) -> list[AuditRow]:
    at = rng.randrange(len(rows) + 1)
    twin = rng.choice(rows)
    return [structs.replace(row, index=index) for index, row in enumerate([*rows[:at], twin, *rows[at:]])]


def in_scope(rows: list[AuditRow], rng: random.Random) -> tuple[int, Leaf]:
    at = rng.choice([row.index for row in rows if row.entry is not None])
    return at, decode_leaf(rows[at].entry or b"")


def edit(rows: list[AuditRow], rng: random.Random) -> list[AuditRow]:
    at, leaf = in_scope(rows, rng)
    return [*rows[:at], structs.replace(rows[at], entry=edited(leaf, rng).encode()), *rows[at + 1 :]]


def edit_and_hash_anew(rows: list[AuditRow], rng: random.Random) -> list[AuditRow]:
    at, leaf = in_scope(rows, rng)
    changed = edited(leaf, rng)
    return [*rows[:at], structs.replace(rows[at], entry=changed.encode(), hash=changed.hash), *rows[at + 1 :]]


def rehash(rows: list[AuditRow], rng: random.Random) -> list[AuditRow]:
    at = rng.randrange(len(rows))
    return [*rows[:at], structs.replace(rows[at], hash=rng.randbytes(32)), *rows[at + 1 :]]


def put_a_document_beside(rows: list[AuditRow], rng: random.Random) -> list[AuditRow]:
    at = rng.randrange(len(rows))
    beside = None if rows[at].document is not None else b"words that nobody signed"
    return [*rows[:at], structs.replace(rows[at], document=beside), *rows[at + 1 :]]


def take_an_entry_from_the_middle(rows: list[AuditRow], rng: random.Random) -> list[AuditRow]:
    """Show an entry in scope as a bare hash; the last of each room and chain is not taken, see below."""
    last = {decode_leaf(row.entry).room: row.index for row in rows if row.entry is not None}
    at = rng.choice([row.index for row in rows if row.entry is not None and row.index not in last.values()])
    return [*rows[:at], structs.replace(rows[at], entry=None, document=None), *rows[at + 1 :]]


ROW_MUTATIONS: Final[dict[str, Callable[[list[AuditRow], random.Random], list[AuditRow]]]] = {
    "delete": delete,
    "delete and number anew": delete_and_number_anew,
    "swap": swap,
    "swap and number anew": swap_and_number_anew,
    "add": add,
    "edit": edit,
    "edit and hash anew": edit_and_hash_anew,
    "rehash": rehash,
    "document": put_a_document_beside,
    "entry": take_an_entry_from_the_middle,
}


@defended(41)
def test_the_export_itself_holds(scale: int) -> None:
    assert not detected(told(scale)[2])


@pytest.mark.slow
@pytest.mark.parametrize("name", ROW_MUTATIONS)
@defended(41)
def test_every_mutation_of_a_row_is_detected_under_a_manifest_made_anew(name: str, scale: int) -> None:
    found, rows, _ = told(scale)
    rng = random.Random(f"41 {name}")
    missed = []
    for number in range(MUTATIONS * scale // (2 * len(ROW_MUTATIONS))):
        changed = ROW_MUTATIONS[name](rows, rng)
        if not detected(bundle(found, changed)):
            missed.append(number)
    assert missed == []


@pytest.mark.slow
@defended(41)
def test_every_single_bit_that_turns_is_detected(scale: int) -> None:
    data = told(scale)[2]
    rng = random.Random("41 bits")
    missed = []
    for _ in range(MUTATIONS * scale // 2):
        bit = rng.randrange(8 * len(data))
        turned = bytearray(data)
        turned[bit // 8] ^= 1 << bit % 8
        if not detected(bytes(turned)):
            missed.append(bit)
    assert missed == []


@defended(41)
def test_every_bit_of_what_stands_around_the_rows_is_looked_at() -> None:
    data = bundle(incident())
    directory = range(8 * data.rindex(b"PK\1\2"), 8 * len(data))
    header = range(8 * 43)
    signature = range(8 * data.index(b"manifest.sig"), 8 * (data.index(b"manifest.sig") + 60))
    for bit in [*header, *signature, *directory]:
        turned = bytearray(data)
        turned[bit // 8] ^= 1 << bit % 8
        assert detected(bytes(turned)), bit


def test_the_last_entry_of_a_rooms_record_can_be_held_back_and_that_is_said(scale: int) -> None:
    """The stated limit: an end is known from a signed head alone, and auditors get that of the control stream."""
    found, rows, _ = told(scale)
    last = max(row.index for row in rows if row.entry is not None and decode_leaf(row.entry).room == found.small)
    rows = [*rows[:last], structs.replace(rows[last], entry=None), *rows[last + 1 :]]
    assert detected(bundle(found, rows))
    shorter = tuple(replace(one, last=one.last - (one.room == found.small)) for one in ranges(found))
    assert not detected(bundle(found, rows, manifest={"rooms": shorter}))


@control(41, "leaves lead to the root")
def test_without_the_root_a_leaf_out_of_scope_is_exchanged_unnoticed() -> None:
    found, rows, _ = told(1)
    at = next(row.index for row in rows if row.entry is None)
    assert not detected(bundle(found, [*rows[:at], structs.replace(rows[at], hash=bytes(32)), *rows[at + 1 :]]))


def test_a_reader_without_the_checks_takes_an_edited_export() -> None:
    found, rows, _ = told(1)
    changed = bundle(found, edit(rows, random.Random(41)))
    taken = list(Bundle(BytesIO(changed)).rows())
    assert len(taken) == len(rows)
    assert taken != rows
