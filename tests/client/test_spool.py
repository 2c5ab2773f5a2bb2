"""Sealed bytes in a profile: sealed once, whole or not at all, kept as long as somebody needs them."""

from __future__ import annotations

import os
import threading
import time
from pathlib import Path
from typing import Any, Final

import pytest

from amanah_client.spool import Kept, Spool
from amanah_protocol.attachment import open_chunk, sealed_bytes
from amanah_protocol.crypto import sha256
from amanah_protocol.errors import Code, OperationalError, UsageError
from amanah_protocol.limits import ATTACHMENT_CHUNK_BYTES, MAX_ATTACHMENT_BYTES, SEALED_CHUNK_BYTES
from tests.protocol.refusal import refused

KEY: Final = bytes(range(32))
MESSAGE: Final = bytes(range(16))
DATA: Final = b"0123456789" * (ATTACHMENT_CHUNK_BYTES // 5)


@pytest.fixture
def spool(tmp_path: Path) -> Spool:
    return Spool(tmp_path / "files")


@pytest.fixture
def source(tmp_path: Path) -> Path:
    path = tmp_path / "source"
    path.write_bytes(DATA)
    return path


def names(spool_of: Path) -> list[str]:
    return sorted(path.suffix for path in (spool_of / "files").glob("*"))


def test_a_file_is_sealed_and_read_back_in_pieces(spool: Spool, source: Path, tmp_path: Path) -> None:
    told: list[tuple[int, int]] = []
    sealed = spool.seal(source, key=KEY, message_id=MESSAGE, tell=lambda done, of: told.append((done, of)))
    assert (sealed.size, sealed.digest) == (len(DATA), sha256(DATA))
    assert told[-1] == (len(DATA), len(DATA))
    whole = spool.read(sealed.attachment, 0, sealed_bytes(len(DATA)))
    assert whole is not None
    assert sha256(whole) == sealed.attachment
    piece = spool.read(sealed.attachment, SEALED_CHUNK_BYTES, len(whole) - SEALED_CHUNK_BYTES)
    assert piece is not None
    assert open_chunk(KEY, MESSAGE, len(DATA), 1, piece) == DATA[ATTACHMENT_CHUNK_BYTES:]
    assert spool.read(sealed.attachment, len(whole), 1) is None
    assert spool.read(bytes(32), 0, 1) is None
    assert DATA[:100] not in whole
    (path,) = (tmp_path / "files").iterdir()
    assert (path.stat().st_mode & 0o777, path.parent.stat().st_mode & 0o777) == (0o600, 0o700)
    spool.drop_sealed(sealed.attachment)
    spool.drop_sealed(sealed.attachment)
    assert names(tmp_path) == []


def test_the_file_itself_is_not_needed_any_more(spool: Spool, source: Path) -> None:
    """What changes in it later is not what was sealed: nothing is ever sealed twice under one key."""
    sealed = spool.seal(source, key=KEY, message_id=MESSAGE)
    before = spool.read(sealed.attachment, 0, 100)
    source.write_bytes(b"other bytes" * 100)
    assert spool.read(sealed.attachment, 0, 100) == before


@pytest.mark.parametrize("name", ["missing", "folder", "pipe"])
def test_what_is_no_file_is_refused(spool: Spool, tmp_path: Path, name: str) -> None:
    (tmp_path / "folder").mkdir()
    os.mkfifo(tmp_path / "pipe")
    with refused(Code.NOT_FOUND, UsageError):
        spool.seal(tmp_path / name, key=KEY, message_id=MESSAGE)
    assert names(tmp_path) == []


def test_a_file_that_is_too_large_is_refused_before_anything_is_written(spool: Spool, tmp_path: Path) -> None:
    path = tmp_path / "large"
    with path.open("wb") as file:
        file.truncate(MAX_ATTACHMENT_BYTES + 1)
    with refused(Code.TOO_LARGE, UsageError):
        spool.seal(path, key=KEY, message_id=MESSAGE)
    assert names(tmp_path) == []


@pytest.mark.parametrize("change", [-1, 1])
def test_a_file_that_changes_while_it_is_read_is_not_sealed(
    spool: Spool, source: Path, tmp_path: Path, change: int
) -> None:
    def tell(done: int, of: int) -> None:
        if done < of:
            os.truncate(source, len(DATA) + change)

    with refused(Code.USAGE, UsageError):
        spool.seal(source, key=KEY, message_id=MESSAGE, tell=tell)
    assert names(tmp_path) == []


def test_a_full_disk_leaves_nothing_of_what_was_to_be_sealed(
    spool: Spool, source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with refused(Code.DISK_FULL, OperationalError):
        spool.seal(source, key=KEY, message_id=MESSAGE)
    assert names(tmp_path) == []


# ---- on the way here


def keep(spool: Spool, sealed: bytes, *indices: int) -> Kept:
    """Keep some chunks; gives what became of the last."""
    kept = Kept(size=0)
    for index in indices:
        chunk = sealed[index * SEALED_CHUNK_BYTES :][:SEALED_CHUNK_BYTES]
        kept = spool.keep(sha256(sealed), index, chunk, len(sealed))
    return kept


def test_chunks_become_a_file_and_the_last_one_is_held_against_the_hash(spool: Spool, tmp_path: Path) -> None:
    sealed = os.urandom(2 * SEALED_CHUNK_BYTES + 7)
    assert spool.find(sha256(sealed), len(sealed)) == Kept(size=0)
    assert keep(spool, sealed, 0) == Kept(size=SEALED_CHUNK_BYTES)
    assert keep(spool, sealed, 1) == Kept(size=2 * SEALED_CHUNK_BYTES)
    assert spool.find(sha256(sealed), len(sealed)) == Kept(size=2 * SEALED_CHUNK_BYTES)
    assert keep(spool, sealed, 1) == Kept(size=2 * SEALED_CHUNK_BYTES)
    assert keep(spool, sealed, 2) == Kept(size=len(sealed), whole=True)
    assert spool.find(sha256(sealed), len(sealed)) == Kept(size=len(sealed), whole=True)
    path = spool.fetched(sha256(sealed))
    assert path.read_bytes() == sealed
    assert path.stat().st_mode & 0o777 == 0o600
    spool.drop_fetched(sha256(sealed))
    spool.drop_fetched(sha256(sealed))
    assert names(tmp_path) == []


def test_what_is_here_counts_by_whole_chunks_and_the_last_is_fetched_once_more(spool: Spool, tmp_path: Path) -> None:
    """Its hash was not compared, or it would have its own name."""
    for sealed in (os.urandom(2 * SEALED_CHUNK_BYTES), os.urandom(SEALED_CHUNK_BYTES + 9)):
        keep(spool, sealed, 0)
        part = tmp_path / "files" / f"{sha256(sealed).hex()}.part"
        for extra in (5, len(sealed) - SEALED_CHUNK_BYTES):
            part.write_bytes(sealed[: SEALED_CHUNK_BYTES + extra])
            assert spool.find(sha256(sealed), len(sealed)) == Kept(size=SEALED_CHUNK_BYTES)


def test_chunks_that_are_not_what_they_were_are_dropped_at_the_end(spool: Spool, tmp_path: Path) -> None:
    sealed = os.urandom(SEALED_CHUNK_BYTES + 9)
    keep(spool, sealed, 0)
    (tmp_path / "files" / f"{sha256(sealed).hex()}.part").write_bytes(bytes(SEALED_CHUNK_BYTES))
    assert keep(spool, sealed, 1) == Kept(size=0, damaged=True)
    assert names(tmp_path) == []


def test_a_link_in_the_place_of_a_part_is_not_written_through(spool: Spool, tmp_path: Path) -> None:
    sealed = os.urandom(SEALED_CHUNK_BYTES + 9)
    target = tmp_path / "mine"
    target.write_bytes(b"mine")
    (tmp_path / "files").mkdir()
    (tmp_path / "files" / f"{sha256(sealed).hex()}.part").symlink_to(target)
    with refused(Code.STORE, OperationalError):
        keep(spool, sealed, 0)
    assert target.read_bytes() == b"mine"


def test_what_nothing_asks_for_goes_after_a_day(spool: Spool, source: Path, tmp_path: Path) -> None:
    spool.tidy(set())  # before there is anything
    wanted = spool.seal(source, key=KEY, message_id=MESSAGE)
    spool.seal(source, key=bytes(32), message_id=MESSAGE)
    folder = tmp_path / "files"
    for name in ("a.sealing", "b.part", "c.in", "notes.txt"):
        (folder / name).write_bytes(b"x")
    spool.tidy({wanted.attachment})
    assert len(list(folder.iterdir())) == 6
    yesterday = time.time() - 86_401
    for path in folder.iterdir():
        os.utime(path, (yesterday, yesterday))
    spool.tidy({wanted.attachment})
    assert sorted(path.name for path in folder.iterdir()) == [f"{wanted.attachment.hex()}.out", "notes.txt"]


def test_two_programs_may_seal_at_one_time(tmp_path: Path, source: Path) -> None:
    made: list[Any] = []

    def work(number: int) -> None:
        made.append(Spool(tmp_path / "files").seal(source, key=bytes([number]) * 32, message_id=bytes([number]) * 16))

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert names(tmp_path) == [".out"] * 4
    assert {sealed.digest for sealed in made} == {sha256(DATA)}


def test_what_was_fetched_and_was_damaged_since_counts_as_not_here(spool: Spool, source: Path) -> None:
    sealed = spool.seal(source, key=bytes(32), message_id=bytes(16))
    whole = spool.fetched(sealed.attachment)
    assert not spool.has_fetched(sealed.attachment)
    whole.write_bytes(spool.read(sealed.attachment, 0, sealed_bytes(sealed.size)) or b"")
    assert spool.has_fetched(sealed.attachment)
    whole.write_bytes(whole.read_bytes()[:-1] + b"\0")
    assert not spool.has_fetched(sealed.attachment)
    assert not whole.exists()
