"""Files of attachments: `FOLDER/ROOM/ORGANISATION/HASH`, and `HASH.TOTAL.part` while pieces come.

An attachment is whole under its own name only: the last piece is written, the hash compared, the file made durable
(fsync), renamed, and its folder made durable, before anybody is told. What a crash leaves is a part, which goes on
where it ends, and whose hash is computed anew from what is there.
"""

from __future__ import annotations

import asyncio
import errno
import hashlib
import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final, TypeVar, assert_never

from amanah_protocol.errors import AmanahError, Code, OperationalError
from amanah_protocol.limits import MIB
from amanah_protocol.names import is_organisation
from amanah_protocol.types import OrgName, RoomId
from amanah_relay.effects import DropFile, PutPiece, ReadPiece, ShelfEffect
from amanah_relay.inputs import PiecePut, PieceRead, ReadFailed, Shelved, ShelvedFile

T = TypeVar("T")

_MODE: Final = 0o700
_FILE_MODE: Final = 0o600
_PART: Final = ".part"
_FULL: Final = (errno.ENOSPC, errno.EDQUOT)
_HASHERS: Final = 64
"""Uploads whose hash so far is remembered; of others it is computed anew."""


class Shelf:
    """The folder. Synchronous; one thread writes, another may read at the same time."""

    def __init__(self, folder: Path, *, reserve_bytes: int) -> None:
        """Use a folder, which is made when it is needed.

        Args:
            folder: Where the files lie.
            reserve_bytes: Of the disk, so much stays free.
        """
        self._folder = folder
        self._reserve_bytes = reserve_bytes
        self._hashers: dict[Path, tuple[hashlib._Hash, int]] = {}

    def put(self, piece: PutPiece) -> PiecePut:
        """Write a piece (`effects.PutPiece`).

        Raises:
            OSError: It was not written, or not all of it; what is there stays a part.
        """
        whole = self._whole(piece.room, piece.organisation, piece.attachment)
        if whole.exists():
            return PiecePut(token=piece.token, size=piece.total, whole=True)
        for folder in (self._folder, whole.parent.parent, whole.parent):
            folder.mkdir(mode=_MODE, exist_ok=True)
        part = whole.with_name(f"{whole.name}.{piece.total}{_PART}")
        descriptor = os.open(part, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, _FILE_MODE)
        try:
            length = os.fstat(descriptor).st_size
            if piece.offset > length:
                return PiecePut(token=piece.token, size=length)
            if piece.offset < length:
                os.ftruncate(descriptor, piece.offset)
            self._check_room(descriptor, len(piece.data))
            hasher = self._hasher(part, descriptor, piece.offset)
            _write(descriptor, piece.data, piece.offset)
            hasher.update(piece.data)
            size = piece.offset + len(piece.data)
            self._remember(part, hasher, size)
            if size < piece.total:
                return PiecePut(token=piece.token, size=size)
            return self._finish(piece, descriptor, part, whole)
        finally:
            os.close(descriptor)

    def read(self, wanted: ReadPiece) -> PieceRead:
        """Read a piece.

        Raises:
            OSError: It cannot be read.
        """
        path = self._whole(wanted.room, wanted.organisation, wanted.attachment)
        try:
            with path.open("rb") as file:
                file.seek(wanted.offset)
                return PieceRead(token=wanted.token, data=file.read(wanted.length))
        except FileNotFoundError:
            return PieceRead(token=wanted.token, data=None)

    def drop(self, file: DropFile) -> None:
        """Remove a file, and the folders that it leaves empty.

        Raises:
            OSError: It is still there.
        """
        whole = self._whole(file.room, file.organisation, file.attachment)
        for path in (whole, *whole.parent.glob(f"{whole.name}.*{_PART}")):
            path.unlink(missing_ok=True)
            self._hashers.pop(path, None)
        for folder in (whole.parent, whole.parent.parent):
            try:
                folder.rmdir()
            except OSError:  # others are in it, or it was never made
                return

    def look(self) -> Shelved:
        """Which files there are; what is named otherwise is nobody's here and stays.

        Raises:
            OSError: The folder cannot be read.
        """
        return Shelved(files=tuple(self._files()))

    def _files(self) -> Iterator[ShelvedFile]:
        for path in self._folder.glob("*/*/*"):
            room, organisation, name = path.parts[-3:]
            digest, _, rest = name.partition(".")
            total = rest.removesuffix(_PART)
            if not (is_organisation(organisation) and _is_hex(room, 16) and _is_hex(digest, 32)):
                continue
            if rest and not (rest.endswith(_PART) and total.isascii() and total.isdigit()):
                continue
            found = path.stat()
            yield ShelvedFile(
                room=RoomId(bytes.fromhex(room)),
                organisation=OrgName(organisation),
                attachment=bytes.fromhex(digest),
                total=int(total or found.st_size),
                size=found.st_size,
                whole=not rest,
                touched_ms=found.st_mtime_ns // 1_000_000,
            )

    def _whole(self, room: RoomId, organisation: OrgName, attachment: bytes) -> Path:
        return self._folder / room.hex() / organisation / attachment.hex()

    def _check_room(self, descriptor: int, size: int) -> None:
        found = os.fstatvfs(descriptor)
        # The log shares this disk: a relay that cannot append stands still for everybody.
        if found.f_bavail * found.f_frsize < size + self._reserve_bytes:
            raise OSError(errno.ENOSPC, "less is free than is kept in reserve")

    def _hasher(self, part: Path, descriptor: int, offset: int) -> hashlib._Hash:
        hasher, hashed = self._hashers.pop(part, (hashlib.sha256(), 0))
        if hashed != offset:
            hasher, hashed = hashlib.sha256(), 0
        while hashed < offset:
            data = os.pread(descriptor, min(MIB, offset - hashed), hashed)
            if not data:
                raise OSError(errno.EIO, "the part is shorter than it was")
            hasher.update(data)
            hashed += len(data)
        return hasher

    def _remember(self, part: Path, hasher: hashlib._Hash, size: int) -> None:
        if len(self._hashers) >= _HASHERS:
            self._hashers.clear()
        self._hashers[part] = hasher, size

    def _finish(self, piece: PutPiece, descriptor: int, part: Path, whole: Path) -> PiecePut:
        hasher, _ = self._hashers.pop(part)
        if hasher.digest() != piece.attachment:
            part.unlink()
            return PiecePut(token=piece.token, size=0, damaged=True)
        try:
            os.fsync(descriptor)
        except OSError:
            # What the disk has of it nobody knows, and a second fsync would not say: it begins anew.
            part.unlink(missing_ok=True)
            raise
        part.rename(whole)
        for folder in (whole.parent, whole.parent.parent, self._folder):
            _sync_folder(folder)
        return PiecePut(token=piece.token, size=piece.total, whole=True)


class ShelfWorker:
    """Performs effects on the shelf off the event loop: writes in their order by one thread, reads by another."""

    def __init__(self, shelf: Shelf, *, on_error: Callable[[AmanahError], None]) -> None:
        """Take a shelf over.

        Args:
            shelf: The shelf.
            on_error: Called on the event loop with what failed, for the operator's log.
        """
        self._shelf = shelf
        self._on_error = on_error
        self._writing = ThreadPoolExecutor(max_workers=1, thread_name_prefix="shelf-writer")
        self._reading = ThreadPoolExecutor(max_workers=1, thread_name_prefix="shelf-reader")

    async def perform(self, effect: ShelfEffect) -> PiecePut | PieceRead | ReadFailed | None:
        """Perform one effect and give the input that answers it; a failure is an input too."""
        try:
            match effect:
                case PutPiece():
                    return await self._on(self._writing, lambda: self._shelf.put(effect))
                case ReadPiece():
                    return await self._on(self._reading, lambda: self._shelf.read(effect))
                case DropFile():
                    await self._on(self._writing, lambda: self._shelf.drop(effect))
                    return None
                case _:
                    assert_never(effect)
        except OperationalError as error:
            self._on_error(error)
            if isinstance(effect, DropFile):
                return None  # the next look finds it
            return ReadFailed(token=effect.token, full=error.code is Code.DISK_FULL)

    async def look(self) -> Shelved:
        """Which files there are.

        Raises:
            OperationalError: `STORE`.
        """
        return await self._on(self._writing, self._shelf.look)

    async def close(self) -> None:
        """Finish what was handed over."""
        loop = asyncio.get_running_loop()
        for executor in (self._writing, self._reading):
            await loop.run_in_executor(None, executor.shutdown)

    @staticmethod
    async def _on(executor: ThreadPoolExecutor, work: Callable[[], T]) -> T:
        try:
            return await asyncio.shield(asyncio.get_running_loop().run_in_executor(executor, work))
        except OSError as error:
            code = Code.DISK_FULL if error.errno in _FULL else Code.STORE
            raise OperationalError(code, f"attachments: {error.strerror or 'the disk failed'}") from error


def _write(descriptor: int, data: bytes, offset: int) -> None:
    while data:
        written = os.pwrite(descriptor, data, offset)
        data, offset = data[written:], offset + written


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _is_hex(text: str, length: int) -> bool:
    return len(text) == 2 * length and all(digit in "0123456789abcdef" for digit in text)
