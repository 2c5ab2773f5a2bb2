"""Attack 41 on both verifiers: whatever is changed in a record is found by each, at the same entry.

The record is held against a roster whose quorum, three witnesses, has just cosigned it: not one may be missing.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache
from itertools import pairwise
from typing import Final

import pytest
from msgspec import structs

from amanah_client.audit.examination import examine
from amanah_client.log_rows import AuditRow
from amanah_protocol import kinds
from amanah_protocol.cose import Typ
from amanah_protocol.custody.grants import decode_grant, ending_document
from amanah_protocol.custody.holds import decode_hold, release_document
from amanah_protocol.endorse import Endorsed, decode_endorsed
from amanah_protocol.errors import DecodeError, PeerError
from amanah_protocol.log.leaf import Leaf, LeafType, decode_leaf
from amanah_protocol.log.merkle import leaf_hash
from amanah_protocol.types import GrantId, LeafHash
from tests.client.audit.custodian import Held, forgotten, parties, signed
from tests.client.audit.world import AUDITOR_TN, NOW_MS, OFFICER_TN, TN, anchor, incident
from tests.vectors import examples as x
from tests.verify.bundles import ROSTER, WITNESSED, Evidence, checkpoint_at, cosigned, honest, verdict

MUTATIONS: Final = 500
SHORT: Final = 200
"""In a short run; a campaign of ten times as many makes 5,000."""
BITS: Final = 150
OF_BUNDLES_ALONE: Final = ("the exporter", "log, range", "a room that", "the rosters", "the members are")
"""What a record without a manifest has not."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Copy:
    """A record as both verifiers get it."""

    rows: tuple[AuditRow, ...]
    note: bytes
    head: bytes


def keep(held: Held) -> None:
    """Put everything that custody has into a record, in the order in which it comes."""
    grant, whole, hold = held.grant(auditor=TN), held.grant(id=GrantId(b"w" * 16), rooms=(), auditor=TN), held.hold()
    held.put(grant)
    held.put(whole)
    held.put(whole, held.custody("room"))
    held.put(hold)
    held.read(AUDITOR_TN)
    held.read(AUDITOR_TN, chain=held.custody())
    held.read(AUDITOR_TN, b"w" * 16, held.custody("room"))
    release = signed(release_document(hold, now_ms=held.log.now_ms), Typ.LEGAL_HOLD, *parties(TN))
    held.put(decode_hold(release.encode()))
    held.erasure(6, 7, 9)
    forgotten(held)  # while no hold stands
    held.put(held.hold(hold=bytes(16), since_ms=held.log.now_ms))
    held.erasure(8)
    ending = signed(ending_document(grant, now_ms=held.log.now_ms), Typ.AUDIT_GRANT, *parties(TN))
    held.put(decode_grant(ending.encode()))
    held.log.post(OFFICER_TN, held.found.room, kinds.Message())


@cache
def untouched() -> Copy:
    held = Held()
    held.found = told = incident(more=12)
    held.log = told.log
    keep(held)
    note = cosigned(told.log.checkpoint(), [NOW_MS // 1000 + 60] * 3)
    return Copy(rows=tuple(told.rows()), note=note, head=told.log.control_head())


def numbered(rows: list[AuditRow]) -> tuple[AuditRow, ...]:
    return tuple(structs.replace(row, index=index) for index, row in enumerate(rows))


def flipped(data: bytes, rng: random.Random) -> bytes:
    changed = bytearray(data)
    changed[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
    return bytes(changed)


def put(copy: Copy, row: AuditRow) -> Copy:
    return replace(copy, rows=(*copy.rows[: row.index], row, *copy.rows[row.index + 1 :]))


def a_row(copy: Copy, rng: random.Random, *types: LeafType) -> tuple[AuditRow, Leaf]:
    """A row with an entry, of one of these types if there are any."""
    while True:
        row = rng.choice(copy.rows)
        if row.entry is not None and (not types or decode_leaf(row.entry).type in types):
            return row, decode_leaf(row.entry)


def as_written(row: AuditRow, leaf: Leaf) -> AuditRow:
    """What a relay would write that changed an entry: with its right hash."""
    return structs.replace(row, entry=leaf.encode(), hash=leaf.hash)


# ---- the sorts of mutation


def delete(copy: Copy, rng: random.Random) -> Copy:
    rows = list(copy.rows)
    del rows[rng.randrange(len(rows))]
    return replace(copy, rows=tuple(rows) if rng.random() < 0.5 else numbered(rows))


def reorder(copy: Copy, rng: random.Random) -> Copy:
    rows = list(copy.rows)
    first, second = rng.sample(range(len(rows)), 2)
    rows[first], rows[second] = rows[second], rows[first]
    return replace(copy, rows=tuple(rows) if rng.random() < 0.5 else numbered(rows))


def insert(copy: Copy, rng: random.Random) -> Copy:
    rows = list(copy.rows)
    rows.insert(rng.randrange(len(rows) + 1), rng.choice(rows))
    return replace(copy, rows=tuple(rows) if rng.random() < 0.5 else numbered(rows))


def turn_a_bit_of_an_entry(copy: Copy, rng: random.Random) -> Copy:
    row, _ = a_row(copy, rng)
    entry = flipped(row.entry or b"", rng)
    return put(copy, structs.replace(row, entry=entry, hash=row.hash if rng.random() < 0.5 else leaf_hash(entry)))


def turn_a_bit_of_a_hash(copy: Copy, rng: random.Random) -> Copy:
    row = rng.choice(copy.rows)
    return put(copy, structs.replace(row, hash=LeafHash(flipped(row.hash, rng))))


def turn_a_bit_of_a_document(copy: Copy, rng: random.Random) -> Copy:
    row = rng.choice([row for row in copy.rows if row.document is not None])
    return put(copy, structs.replace(row, document=flipped(row.document or b"", rng)))


def take_a_document_away(copy: Copy, rng: random.Random) -> Copy:
    row = rng.choice([row for row in copy.rows if row.document is not None])
    return put(copy, structs.replace(row, document=None))


def put_a_document_beside(copy: Copy, rng: random.Random) -> Copy:
    row = rng.choice([row for row in copy.rows if row.document is None])
    return put(copy, structs.replace(row, document=b"words"))


def turn_a_bit_of_a_certificate(copy: Copy, rng: random.Random) -> Copy:
    row, leaf = a_row(copy, rng, LeafType.CERTIFICATE, LeafType.REVOCATION)
    return put(copy, as_written(row, structs.replace(leaf, object=flipped(leaf.object, rng))))


def turn_a_bit_of_custody(copy: Copy, rng: random.Random) -> Copy:
    """An order, a statement, or a document whose leaf speaks of what it is made to."""
    row, leaf = a_row(copy, rng, LeafType.AUDIT_READ, LeafType.AUDIT_GRANT, LeafType.LEGAL_HOLD, LeafType.ERASURE)
    if row.document is None:
        return put(copy, as_written(row, structs.replace(leaf, object=flipped(leaf.object, rng))))
    changed = flipped(row.document, rng)
    try:
        record = decode_endorsed(changed).record
    except DecodeError:
        record = leaf.object
    return put(copy, structs.replace(as_written(row, structs.replace(leaf, object=record)), document=changed))


def sign_custody_anew(copy: Copy, rng: random.Random) -> Copy:
    """A document that says something else, under the signatures of one party alone."""
    row, leaf = a_row(copy, rng, LeafType.AUDIT_GRANT, LeafType.LEGAL_HOLD)
    known = decode_endorsed(row.document or b"")
    kept = tuple(known.signatures[: rng.randrange(len(known.signatures))])
    fewer = Endorsed(document=known.document, signatures=kept)
    return put(
        copy, structs.replace(as_written(row, structs.replace(leaf, object=fewer.record)), document=fewer.encode())
    )


def say_it_of_another_chain(copy: Copy, rng: random.Random) -> Copy:
    row, leaf = a_row(copy, rng, LeafType.AUDIT_READ, LeafType.AUDIT_GRANT, LeafType.LEGAL_HOLD, LeafType.ERASURE)
    _, other = a_row(copy, rng)
    return put(copy, as_written(row, structs.replace(leaf, room=other.room)))


def move_a_time(copy: Copy, rng: random.Random) -> Copy:
    row, leaf = a_row(copy, rng)
    # Not beyond what the witnesses' times allow: that is judged of bundles alone (`test_witnesses.py`).
    moved = leaf.accepted_at_ms + rng.choice([-86_400_000, -1_000, -1, 1, 1_000, 100_000])
    return put(copy, as_written(row, structs.replace(leaf, accepted_at_ms=moved)))


def swap_two_signatures(copy: Copy, rng: random.Random) -> Copy:
    (first, one), (second, two) = (a_row(copy, rng, LeafType.ENVELOPE) for _ in range(2))
    if first == second:
        return swap_two_signatures(copy, rng)
    changed = put(copy, as_written(first, structs.replace(one, object=one.object[:-64] + two.object[-64:])))
    return put(changed, as_written(second, structs.replace(two, object=two.object[:-64] + one.object[-64:])))


def hide_an_entry(copy: Copy, rng: random.Random) -> Copy:
    """As if it were out of scope; the newest of a room could be that, and only a head would tell."""
    leaves = [(row, decode_leaf(row.entry)) for row in copy.rows if row.entry is not None]
    row = rng.choice([row for row, leaf in leaves if any(leaf.hash == other.previous for _, other in leaves)])
    return put(copy, structs.replace(row, entry=None, document=None))


def roll_back(copy: Copy, rng: random.Random) -> Copy:
    size = rng.randrange(len(copy.rows))
    note = checkpoint_at(list(copy.rows), size)
    return replace(copy, note=cosigned(note, [NOW_MS // 1000 + 60] * 3))


def drop_a_cosignature(copy: Copy, rng: random.Random) -> Copy:
    lines = copy.note.decode().splitlines(keepends=True)
    del lines[rng.randrange(4, len(lines))]
    return replace(copy, note="".join(lines).encode())


def give_a_cosignature_to_another(copy: Copy, rng: random.Random) -> Copy:
    lines = copy.note.decode().splitlines(keepends=True)
    first, second = rng.sample(range(5, len(lines)), 2)
    parts = [lines[first].split(" "), lines[second].split(" ")]
    lines[first] = " ".join([*parts[0][:2], parts[1][2]])
    return replace(copy, note="".join(lines).encode())


def turn_a_bit_of_the_note(copy: Copy, rng: random.Random) -> Copy:
    return replace(copy, note=flipped(copy.note, rng))


def turn_a_bit_of_the_head(copy: Copy, rng: random.Random) -> Copy:
    return replace(copy, head=flipped(copy.head, rng))


SORTS: Final[tuple[Callable[[Copy, random.Random], Copy], ...]] = (
    delete, reorder, insert, turn_a_bit_of_an_entry, turn_a_bit_of_a_hash, turn_a_bit_of_a_document,
    take_a_document_away, put_a_document_beside, turn_a_bit_of_a_certificate, move_a_time, swap_two_signatures,
    turn_a_bit_of_custody, sign_custody_anew, say_it_of_another_chain,
    hide_an_entry, roll_back, drop_a_cosignature, give_a_cosignature_to_another, turn_a_bit_of_the_note,
    turn_a_bit_of_the_head,
)  # fmt: skip


# ---- both verifiers


def main_one(copy: Copy) -> tuple[bool, int | None]:
    """Whether it holds, and the first bad index, by the main verifier."""
    trusted = anchor(WITNESSED.encode())
    try:
        report = examine(copy.rows, checkpoint=copy.note, anchor=trusted, control_head=copy.head)
    except PeerError:
        return False, None
    return report.first_bad is None, report.first_bad.index if report.first_bad else None


def single_file(copy: Copy) -> tuple[bool, int | None]:
    """The same by the single file, from a bundle whose manifest is made for what is in it."""
    evidence = Evidence(
        rows=list(copy.rows), checkpoint=untouched().note, rosters=(ROSTER,), control_head=copy.head,
        tails={}, members=lambda members: members.update({"checkpoint": copy.note}),
    )  # fmt: skip
    second = verdict(evidence.encode(), (WITNESSED.encode(),))
    reasons = [one for one in second.reasons if not one[1].startswith(OF_BUNDLES_ALONE)]
    return not reasons, second.first


def test_both_hold_what_nobody_has_touched() -> None:
    assert main_one(untouched()) == (True, None)
    assert single_file(untouched()) == (True, None)


@pytest.mark.parametrize("sort", SORTS)
def test_each_sort_of_mutation_is_found_by_both_at_the_same_entry(
    sort: Callable[[Copy, random.Random], Copy],
) -> None:
    rng = random.Random(sort.__name__)
    for _ in range(4):
        mutated = sort(untouched(), rng)
        if mutated != untouched():
            assert main_one(mutated)[0] is False
            assert main_one(mutated) == single_file(mutated)


@pytest.mark.slow
def test_every_mutation_is_found_by_both_at_the_same_entry(scale: int) -> None:
    rng = random.Random(41)
    tried = 0
    while tried < (SHORT if scale == 1 else MUTATIONS * scale):
        sort = rng.choice(SORTS)
        mutated = sort(untouched(), rng)
        if mutated == untouched():  # two rows may be alike, or a bit of base64 may be one that is not there
            continue
        found = main_one(mutated), single_file(mutated)
        assert found[0][0] is False, (sort.__name__, tried)
        assert found[0] == found[1], (sort.__name__, tried, found)
        tried += 1


@pytest.mark.slow
def test_every_bit_of_a_bundle_counts(scale: int) -> None:
    rng, data = random.Random(42), honest().encode()
    assert verdict(data, (ROSTER,)).holds
    for _ in range(BITS * scale):
        assert not verdict(flipped(data, rng), (ROSTER,)).holds


def test_each_bit_of_the_archives_frame_counts() -> None:
    data = honest().encode()
    ends = [data.index(b"PK\x01\x02"), len(data)]
    for start, end in ((0, 43), *pairwise(ends)):
        for place in range(start, end, 1 if start == 0 else 7):
            changed = bytearray(data)
            changed[place] ^= 1 << (place % 8)
            assert not verdict(bytes(changed), (ROSTER,)).holds, place


def test_what_a_mutation_does_is_no_accident() -> None:
    """A control: with the roster that asks for no witness, a dropped cosignature is none that anybody misses."""
    dropped = drop_a_cosignature(untouched(), random.Random(1))
    free = examine(dropped.rows, checkpoint=dropped.note, anchor=anchor(x.roster_of().endorsed.encode()))
    assert free.first_bad is None
