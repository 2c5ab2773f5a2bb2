"""Files of attachments: whole under their own name only, whatever the disk or a crash does."""

from __future__ import annotations

import asyncio
import errno
import os
from pathlib import Path
from typing import Final

import pytest

from amanah_protocol.crypto import sha256
from amanah_protocol.errors import AmanahError, Code, OperationalError
from amanah_protocol.types import OrgName, RoomId
from amanah_relay.effects import DropFile, PutPiece, ReadPiece
from amanah_relay.inputs import PiecePut, PieceRead, ReadFailed
from amanah_relay.shelf import Shelf, ShelfWorker

ROOM: Final = RoomId(bytes(range(16)))
TN: Final = OrgName("cert.example.tn")
DATA: Final = b"sealed bytes " * 100
HASH: Final = sha256(DATA)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "attachments"


@pytest.fixture
def shelf(folder: Path) -> Shelf:
    return Shelf(folder, reserve_bytes=0)


def piece(offset: int, data: bytes, *, name: bytes = HASH, total: int = len(DATA)) -> PutPiece:
    return PutPiece(token=1, room=ROOM, organisation=TN, attachment=name, total=total, offset=offset, data=data)


def reading(offset: int, length: int) -> ReadPiece:
    return ReadPiece(token=2, room=ROOM, organisation=TN, attachment=HASH, offset=offset, length=length)


def dropping() -> DropFile:
    return DropFile(room=ROOM, organisation=TN, attachment=HASH)


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.glob("*/*/*"))


def test_pieces_become_a_file_under_its_own_name(shelf: Shelf, folder: Path) -> None:
    assert shelf.put(piece(0, DATA[:500])) == PiecePut(token=1, size=500)
    assert names(folder) == [f"{HASH.hex()}.{len(DATA)}.part"]
    assert shelf.put(piece(500, DATA[500:])) == PiecePut(token=1, size=len(DATA), whole=True)
    assert names(folder) == [HASH.hex()]
    assert shelf.read(reading(490, 20)) == PieceRead(token=2, data=DATA[490:510])
    assert shelf.put(piece(0, b"x")) == PiecePut(token=1, size=len(DATA), whole=True)


def test_others_on_the_machine_may_not_look(shelf: Shelf, folder: Path) -> None:
    old = os.umask(0)
    try:
        shelf.put(piece(0, DATA))
    finally:
        os.umask(old)
    paths = [folder, *folder.rglob("*")]
    assert {path.stat().st_mode & 0o077 for path in paths} == {0}
    assert all(not path.stat().st_mode & 0o111 for path in paths if path.is_file())


def test_another_process_goes_on_where_one_was_killed(folder: Path) -> None:
    Shelf(folder, reserve_bytes=0).put(piece(0, DATA[:500]))
    again = Shelf(folder, reserve_bytes=0)
    (found,) = again.look().files
    assert (found.size, found.total, found.whole, found.room, found.organisation) == (500, len(DATA), False, ROOM, TN)
    assert again.put(piece(500, DATA[500:])).whole


@pytest.mark.parametrize("damage", [b"", b"other bytes"])
def test_what_a_power_cut_left_wrong_is_dropped_at_the_end(folder: Path, damage: bytes) -> None:
    Shelf(folder, reserve_bytes=0).put(piece(0, DATA[:500]))
    (part,) = folder.glob("*/*/*")
    part.write_bytes(damage.ljust(500, b"\0"))  # its length survived, its bytes did not
    again = Shelf(folder, reserve_bytes=0)
    assert again.put(piece(500, DATA[500:])) == PiecePut(token=1, size=0, damaged=True)
    assert names(folder) == []
    assert again.put(piece(0, DATA)).whole


def test_a_piece_behind_the_end_is_not_written_and_one_before_it_cuts_off(shelf: Shelf) -> None:
    shelf.put(piece(0, DATA[:500]))
    assert shelf.put(piece(501, b"x")) == PiecePut(token=1, size=500)
    assert shelf.put(piece(200, DATA[200:300])) == PiecePut(token=1, size=300)
    assert shelf.put(piece(300, DATA[300:])).whole


def test_more_uploads_at_once_than_hashes_are_remembered(shelf: Shelf, folder: Path) -> None:
    whole = {sha256(b"%d" % number): b"%d" % number * 50 for number in range(70)}
    data = {sha256(text): text for text in whole.values()}
    for offset in (0, 20, 40):
        for name, text in data.items():
            end = len(text) if offset == 40 else offset + 20
            shelf.put(piece(offset, text[offset:end], name=name, total=len(text)))
    assert names(folder) == sorted(name.hex() for name in data)


def test_the_logs_share_of_the_disk_is_left_free(folder: Path) -> None:
    with pytest.raises(OSError, match="reserve") as refused:
        Shelf(folder, reserve_bytes=2**62).put(piece(0, DATA))
    assert refused.value.errno == errno.ENOSPC


def test_a_disk_that_writes_half_and_then_nothing_leaves_a_part_that_goes_on(
    shelf: Shelf, monkeypatch: pytest.MonkeyPatch
) -> None:
    shelf.put(piece(0, DATA[:500]))
    real = os.pwrite
    written: list[int] = []

    def short(descriptor: int, data: bytes, offset: int) -> int:
        if written:
            raise OSError(errno.ENOSPC, "no space left")
        written.append(1)
        return real(descriptor, data[:7], offset)

    with monkeypatch.context() as patch:
        patch.setattr(os, "pwrite", short)
        with pytest.raises(OSError, match="no space"):
            shelf.put(piece(500, DATA[500:]))
    assert shelf.put(piece(500, DATA[500:])).whole
    assert shelf.read(reading(0, len(DATA))).data == DATA


def test_after_an_fsync_that_failed_nothing_of_it_is_trusted(
    shelf: Shelf, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_: int) -> None:
        raise OSError(errno.EIO, "input/output error")

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", fail)
        with pytest.raises(OSError, match="input/output"):
            shelf.put(piece(0, DATA))
    assert names(folder) == []
    assert shelf.put(piece(0, DATA)).whole


def test_a_part_that_shrank_under_our_hands_is_an_error(
    shelf: Shelf, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shelf.put(piece(0, DATA[:500]))
    again = Shelf(folder, reserve_bytes=0)
    monkeypatch.setattr(os, "pread", lambda *_: b"")
    with pytest.raises(OSError, match="shorter"):
        again.put(piece(500, DATA[500:]))


def test_a_file_in_the_way_that_is_a_link_is_not_followed(shelf: Shelf, folder: Path, tmp_path: Path) -> None:
    place = folder / ROOM.hex() / TN
    place.mkdir(parents=True)
    target = tmp_path / "elsewhere"
    target.write_bytes(b"mine")
    (place / f"{HASH.hex()}.{len(DATA)}.part").symlink_to(target)
    with pytest.raises(OSError, match="symbolic"):
        shelf.put(piece(0, DATA))
    assert target.read_bytes() == b"mine"


def test_a_file_is_dropped_with_its_parts_and_the_folders_that_it_leaves_empty(shelf: Shelf, folder: Path) -> None:
    shelf.drop(dropping())  # one that is not there is no fault
    shelf.put(piece(0, DATA))
    shelf.put(piece(0, b"x", name=bytes(32)))
    shelf.drop(dropping())
    assert names(folder) == [f"{bytes(32).hex()}.{len(DATA)}.part"]
    assert shelf.read(reading(0, 5)) == PieceRead(token=2, data=None)
    shelf.drop(DropFile(room=ROOM, organisation=TN, attachment=bytes(32)))
    assert list(folder.iterdir()) == []


def test_what_is_named_otherwise_is_nobodys(shelf: Shelf, folder: Path) -> None:
    assert shelf.look().files == ()
    shelf.put(piece(0, DATA))
    place = folder / ROOM.hex() / TN
    (place / "notes.txt").write_text("of the operator")
    (place / f"{HASH.hex()}.part").write_text("")
    (place / f"{HASH.hex()}.12.bak").write_text("")
    for other in (folder / "xyz" / TN, folder / ROOM.hex() / "not a name"):
        other.mkdir(parents=True)
        (other / HASH.hex()).write_text("")
    (found,) = shelf.look().files
    assert (found.attachment, found.whole, found.size, found.total) == (HASH, True, len(DATA), len(DATA))
    assert found.touched_ms > 1_700_000_000_000


def test_the_worker_answers_and_says_what_failed(folder: Path) -> None:
    async def play() -> None:
        said: list[AmanahError] = []
        worker = ShelfWorker(Shelf(folder, reserve_bytes=0), on_error=said.append)
        assert await worker.perform(piece(0, DATA)) == PiecePut(token=1, size=len(DATA), whole=True)
        assert await worker.perform(reading(0, 3)) == PieceRead(token=2, data=DATA[:3])
        assert len((await worker.look()).files) == 1
        whole = folder / ROOM.hex() / TN / HASH.hex()
        whole.unlink()
        whole.mkdir()  # what cannot be read or removed as a file
        assert await worker.perform(reading(0, 3)) == ReadFailed(token=2, full=False)
        assert await worker.perform(dropping()) is None
        assert [error.code for error in said] == [Code.STORE, Code.STORE]
        await worker.close()
        full = ShelfWorker(Shelf(folder, reserve_bytes=2**62), on_error=said.append)
        assert await full.perform(piece(0, b"x", name=bytes(32))) == ReadFailed(token=1, full=True)
        assert said[-1].code is Code.DISK_FULL
        await full.close()

    asyncio.run(play())


def test_a_folder_that_cannot_be_looked_into_is_said_to_be(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def play() -> None:
        worker = ShelfWorker(Shelf(folder, reserve_bytes=0), on_error=lambda _: None)

        def fail(*_: object) -> None:
            raise OSError(errno.EIO, "input/output error")

        monkeypatch.setattr(Path, "glob", fail)
        with pytest.raises(OperationalError) as refused:
            await worker.look()
        assert refused.value.code is Code.STORE
        await worker.close()

    asyncio.run(play())
