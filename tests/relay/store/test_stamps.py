"""Time stamps in the store: numbered as they came, given with what they cover, and found when they end."""

from __future__ import annotations

from pathlib import Path

import pytest

from amanah_protocol.errors import Code, OperationalError, UsageError
from amanah_protocol.log.note import Note, decode_note
from amanah_relay.effects import PutCheckpoint, PutStamp, ReadCheckpoints, ReadEnding, ReadStamps
from amanah_relay.store import DamageError, Store
from tests.relay.people import witness
from tests.relay.store.full import Full
from tests.vectors import examples as x

TSA, OTHER = "https://tsa.example/", "https://other.example/"
DAY_MS = 86_400_000


def checkpoint(store: Store) -> tuple[int, bytes]:
    (note,) = store.read_checkpoints(ReadCheckpoints(token=1, after=0, limit=9, max_bytes=9_999)).notes
    return int(decode_note(note).text.split("\n")[1]), note


def stamp(store: Store, authority: str = TSA, *, upto: int = 0, ends_days: int = 100, data: bytes = b"token") -> int:
    size, note = checkpoint(store)
    put = PutStamp(
        token=1,
        size=size,
        authority=authority,
        covered=len(note),
        upto=upto,
        ends_ms=x.NOW_MS + ends_days * DAY_MS,
        data=data,
    )
    return store.put_stamp(put).number


def ending(
    store: Store, authority: str = TSA, *, now_days: int = 0, within_days: int = 60, limit: int = 9
) -> list[int]:
    """Up to which number each checkpoint that is to be renewed has time stamps."""
    now_ms = x.NOW_MS + now_days * DAY_MS
    wanted = ReadEnding(
        token=1, authority=authority, now_ms=now_ms, before_ms=now_ms + within_days * DAY_MS, limit=limit
    )
    return [found.upto for found in store.read_ending(wanted).ending]


def test_stamps_are_numbered_and_given_behind_a_number(full: Full, tmp_path: Path) -> None:
    with full.copy(tmp_path) as store:
        size, note = checkpoint(store)
        assert stamp(store, data=b"third") == 3
        read = store.read_stamps(ReadStamps(token=4, after=1, limit=9, max_bytes=9_999))
        assert read.token == 4
        assert [(found.number, found.size, found.note, found.data) for found in read.stamps] == [
            (2, size, note, b"token 1"),
            (3, size, note, b"third"),
        ]
        assert len(store.read_stamps(ReadStamps(token=4, after=0, limit=2, max_bytes=9_999)).stamps) == 2
        assert len(store.read_stamps(ReadStamps(token=4, after=0, limit=9, max_bytes=1)).stamps) == 1


def test_a_stamp_is_given_with_the_note_as_it_was_then(full: Full, tmp_path: Path) -> None:
    with full.copy(tmp_path) as store:
        size, note = checkpoint(store)
        parsed = decode_note(note)
        line = witness("one").sign(parsed.text, time_s=7)
        grown = Note(text=parsed.text, signatures=(*parsed.signatures, line)).encode()
        store.put_checkpoint(PutCheckpoint(token=1, size=size, note=grown))
        stamp(store)
        notes = [
            found.note for found in store.read_stamps(ReadStamps(token=1, after=0, limit=9, max_bytes=99_999)).stamps
        ]
        assert notes == [note, note, grown]
        assert grown.startswith(note)
        store.verify_log()


def test_a_stamp_on_what_is_not_recorded_is_refused(full: Full, tmp_path: Path) -> None:
    with full.copy(tmp_path) as store:
        size, note = checkpoint(store)
        for wrong in ((size + 1, len(note)), (size, len(note) + 1), (size, 0)):
            put = PutStamp(token=1, size=wrong[0], authority=TSA, covered=wrong[1], upto=0, ends_ms=1, data=b"token")
            with pytest.raises(UsageError) as refused:
                store.put_stamp(put)
            assert refused.value.code is Code.USAGE
        assert stamp(store) == 3


def test_what_ends_soon_is_found_until_it_is_covered_by_what_lasts_longer(full: Full, tmp_path: Path) -> None:
    with full.copy(tmp_path) as store:
        stamp(store, ends_days=100)
        assert ending(store, within_days=60) == []
        assert ending(store, now_days=50) == [3]
        # What is renewed by a certificate that ends no later is not renewed.
        stamp(store, upto=3, ends_days=100)
        assert ending(store, now_days=50) == [4]
        stamp(store, upto=4, ends_days=500)
        assert ending(store, now_days=50) == []
        assert ending(store, now_days=450) == [5]
        assert ending(store, now_days=501) == []


def test_each_authority_renews_for_itself_and_all_that_is_older(full: Full, tmp_path: Path) -> None:
    with full.copy(tmp_path) as store:
        _, note = checkpoint(store)
        stamp(store, OTHER, ends_days=10, data=b"old")
        assert (ending(store), ending(store, OTHER)) == ([3], [3])
        stamp(store, upto=3, ends_days=500)
        assert (ending(store), ending(store, OTHER)) == ([], [4])
        wanted = ReadEnding(token=2, authority=OTHER, now_ms=x.NOW_MS + DAY_MS, before_ms=2**60, limit=9)
        (found,) = store.read_ending(wanted).ending
        assert found.note == note
        assert found.tokens == (b"token 0", b"token 1", b"old", b"token")
        assert found.ends_ms == x.NOW_MS + 500 * DAY_MS
        assert ending(store, OTHER, limit=0) == []


def test_the_newest_size_that_an_authority_has_stamped_is_told(full: Full, tmp_path: Path) -> None:
    with full.copy(tmp_path) as store:
        size, _ = checkpoint(store)
        wanted = [ReadEnding(token=1, authority=name, now_ms=0, before_ms=0, limit=1) for name in (TSA, OTHER)]
        assert [store.read_ending(one).newest for one in wanted] == [size, 0]


def test_a_stamp_that_is_gone_before_others_is_found(full: Full, tmp_path: Path) -> None:
    with (
        full.copy(tmp_path, "DELETE FROM stamp WHERE number = 1") as store,
        pytest.raises(DamageError, match="missing"),
    ):
        store.verify_log()


@pytest.mark.parametrize(
    "damage",
    [
        "UPDATE stamp SET token = x'00' WHERE number = 2",
        "UPDATE stamp SET covered = covered - 1 WHERE number = 2",
        "DELETE FROM checkpoint",
    ],
)
def test_a_damaged_stamp_is_given_to_nobody(full: Full, tmp_path: Path, damage: str) -> None:
    with full.copy(tmp_path, damage) as store:
        with pytest.raises(DamageError, match="time stamp"):
            store.verify_log()
        if "DELETE" in damage:
            return
        with pytest.raises(OperationalError) as refused:
            store.read_stamps(ReadStamps(token=1, after=0, limit=9, max_bytes=9_999))
        assert refused.value.code is Code.DAMAGED
