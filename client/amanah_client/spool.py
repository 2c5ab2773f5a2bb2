"""Sealed bytes of files in a profile: `HASH.out` on their way out, `HASH.part` and `HASH.in` on their way here.

A file is sealed once, before anything of it leaves, and what is uploaded are these bytes, however often and by whatever
process. An upload that read the file again could seal other plaintext with a nonce that was used, if the file has
changed meanwhile; and the file may change, move or be unplugged once this copy is made. It takes its room on the disk.

On the way here only chunks are kept that were verified; they stay sealed, so that no plaintext is on the disk before
somebody saves the file, and a sample never is outside of its container.
"""

from __future__ import annotations

import hashlib
import os
import stat
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Final, Self

from amanah_client.keystore.durable import operational_errors, sync_folder
from amanah_protocol.attachment import chunk_bytes, chunk_count, seal_chunk
from amanah_protocol.errors import Code, UsageError
from amanah_protocol.limits import MAX_ATTACHMENT_BYTES, MIB, SEALED_CHUNK_BYTES

_MODE: Final = 0o700
_FILE_MODE: Final = 0o600
_STALE_S: Final = 86_400
"""What nothing asks for any more stays so long: another process may be about to ask for it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sealed:
    """A file that was sealed.

    Attributes:
        size: Its bytes.
        digest: SHA-256 of them.
        attachment: SHA-256 of the sealed bytes.
    """

    size: int
    digest: bytes
    attachment: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """What is here of an attachment.

    Attributes:
        size: Bytes.
        whole: Whether that is all, under its own hash.
        damaged: Whether it was all and had another hash; nothing is here then.
    """

    size: int
    whole: bool = False
    damaged: bool = False


class Sealing:
    """A file on its way into the spool: whole and durable under its hash when it is finished, else nothing of it."""

    def __init__(self, folder: Path, size: int, key: bytes, message_id: bytes) -> None:
        """Use `Spool.sealing`."""
        self._folder = folder
        self._size = size
        self._key = key
        self._message_id = message_id
        self._temporary = folder / f"{message_id.hex()}.sealing"
        self._waiting = bytearray()
        self._index = 0
        self._plain, self._outside = hashlib.sha256(), hashlib.sha256()
        self._target: BinaryIO | None = None

    def __enter__(self) -> Self:
        """Make the file that is written.

        Raises:
            OperationalError: `STORE` or `DISK_FULL`.
        """
        with operational_errors(self._folder):
            _make_folder(self._folder)
            self._target = _create(self._temporary)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Take away what was not finished."""
        if self._target is not None:
            # What was written of it does not count any more, nor that it could not be.
            with suppress(OSError):
                self._target.close()
        self._temporary.unlink(missing_ok=True)

    def feed(self, data: bytes) -> None:
        """What comes next of it.

        Raises:
            UsageError: `USAGE` for more than there was to be.
            OperationalError: `STORE` or `DISK_FULL`.
        """
        self._waiting += data
        while self._index < chunk_count(self._size) and len(self._waiting) >= chunk_bytes(self._size, self._index):
            length = chunk_bytes(self._size, self._index)
            self._seal(bytes(self._waiting[:length]))
            del self._waiting[:length]
        if self._waiting and self._index == chunk_count(self._size):
            raise _changed()

    def _seal(self, data: bytes) -> None:
        chunk = seal_chunk(self._key, self._message_id, self._size, self._index, data)
        self._plain.update(data)
        self._outside.update(chunk)
        with operational_errors(self._folder):
            self._open.write(chunk)
        self._index += 1

    def finish(self) -> Sealed:
        """All of it came: keep it, durably.

        Raises:
            UsageError: `USAGE` where there is less than there was to be.
            OperationalError: `STORE` or `DISK_FULL`.
        """
        self.feed(b"")  # an empty file is one empty chunk
        if self._index < chunk_count(self._size):
            raise _changed()
        attachment = self._outside.digest()
        with operational_errors(self._folder), self._open as target:
            target.flush()
            os.fsync(target.fileno())
            self._temporary.rename(_out(self._folder, attachment))
            sync_folder(self._folder)
        return Sealed(size=self._size, digest=self._plain.digest(), attachment=attachment)

    @property
    def _open(self) -> BinaryIO:
        if self._target is None:
            raise UsageError(Code.USAGE, "a file is sealed inside of `with`")
        return self._target


class Spool:
    """The folder `files` of a profile; any of its processes may seal, only the connected one moves what is in it."""

    def __init__(self, folder: Path) -> None:
        """Use a folder, which is made when it is needed."""
        self._folder = folder

    def seal(
        self, path: Path, *, key: bytes, message_id: bytes, tell: Callable[[int, int], None] = lambda _done, _of: None
    ) -> Sealed:
        """Seal a file into the spool, durably.

        Args:
            path: The file; it is read once.
            key: 32 fresh random bytes.
            message_id: What its message will seal.
            tell: Called with bytes read, and of how many.

        Raises:
            UsageError: `NOT_FOUND` for what is no file or cannot be read; `TOO_LARGE`; `USAGE` when it changes.
            OperationalError: `STORE` or `DISK_FULL`; nothing is left of it.
        """
        source = _open_source(path)
        with source, operational_errors(self._folder):
            size = os.fstat(source.fileno()).st_size
            with self.sealing(size, key=key, message_id=message_id) as sealing:
                for index in range(chunk_count(size)):
                    sealing.feed(source.read(chunk_bytes(size, index)))
                    tell(source.tell(), size)
                sealing.feed(source.read(1))
                return sealing.finish()

    def sealing(self, size: int, *, key: bytes, message_id: bytes) -> Sealing:
        """A file of so many bytes that comes in pieces; arguments as `seal`.

        Nothing of its plaintext is ever on this disk: each piece is sealed as it comes.

        Raises:
            UsageError: `TOO_LARGE`.
        """
        if size > MAX_ATTACHMENT_BYTES:
            detail = f"this file has {size:,} bytes; an attachment has at most {MAX_ATTACHMENT_BYTES:,}"
            raise UsageError(Code.TOO_LARGE, detail, hint="Split it, or compress it first.")
        return Sealing(self._folder, size, key, message_id)

    # ---- on the way out

    def read(self, attachment: bytes, offset: int, length: int) -> bytes | None:
        """A piece of what was sealed; None when it is not there as it was."""
        try:
            with self._out(attachment).open("rb") as file:
                file.seek(offset)
                data = file.read(length)
        except OSError:
            return None
        return data if len(data) == length else None

    def drop_sealed(self, attachment: bytes) -> None:
        """Forget what was sealed; a disk that does not let it go keeps it until `tidy`."""
        with suppress(OSError):
            self._out(attachment).unlink(missing_ok=True)

    # ---- on the way here

    def find(self, attachment: bytes, total: int) -> Kept:
        """How much of an attachment of `total` bytes is here: whole chunks.

        Raises:
            OperationalError: `STORE`.
        """
        with operational_errors(self._folder):
            if self.fetched(attachment).exists():
                return Kept(size=total, whole=True)
            part = self._part(attachment)
            size = part.stat().st_size if part.exists() else 0
            # The last chunk may be here, and its hash not compared: it is fetched once more.
            whole_chunks = min(size, total - 1) // SEALED_CHUNK_BYTES
        return Kept(size=whole_chunks * SEALED_CHUNK_BYTES)

    def keep(self, attachment: bytes, index: int, data: bytes, total: int) -> Kept:
        """Keep a verified chunk behind those before it; with the last one, compare the hash.

        Raises:
            OperationalError: `STORE` or `DISK_FULL`; it is not kept.
        """
        part, offset = self._part(attachment), index * SEALED_CHUNK_BYTES
        with operational_errors(self._folder):
            _make_folder(self._folder)
            with os.fdopen(os.open(part, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, _FILE_MODE), "r+b") as file:
                file.truncate(offset)
                file.seek(offset)
                file.write(data)
                file.flush()
                if offset + len(data) < total:
                    return Kept(size=offset + len(data))
                if _digest(file) != attachment:
                    part.unlink()
                    return Kept(size=0, damaged=True)
                os.fsync(file.fileno())
            part.rename(self.fetched(attachment))
            sync_folder(self._folder)
        return Kept(size=total, whole=True)

    def fetched(self, attachment: bytes) -> Path:
        """Where the sealed bytes lie once they are all here."""
        return self._folder / f"{attachment.hex()}.in"

    def has_fetched(self, attachment: bytes) -> bool:
        """Whether the sealed bytes are all here and what they were; damaged ones are dropped, to be fetched anew."""
        try:
            with self.fetched(attachment).open("rb") as file:
                if _digest(file) == attachment:
                    return True
        except OSError:
            pass  # it is not here, or cannot be read any more: what is fetched anew takes its place
        self.drop_fetched(attachment)
        return False

    def drop_fetched(self, attachment: bytes) -> None:
        """Forget what was fetched."""
        with suppress(OSError):
            self.fetched(attachment).unlink(missing_ok=True)

    def tidy(self, wanted: set[bytes]) -> None:
        """Drop what an earlier process left and nothing asks for; `wanted` is what is still to be sent."""
        for path in self._files():
            if path.name.partition(".")[0] in {attachment.hex() for attachment in wanted}:
                continue
            with suppress(OSError):
                if time.time() - path.stat().st_mtime > _STALE_S:
                    path.unlink()

    def _files(self) -> Iterator[Path]:
        for suffix in ("out", "in", "part", "sealing"):
            yield from self._folder.glob(f"*.{suffix}")

    def _out(self, attachment: bytes) -> Path:
        return _out(self._folder, attachment)

    def _part(self, attachment: bytes) -> Path:
        return self._folder / f"{attachment.hex()}.part"


def _open_source(path: Path) -> BinaryIO:
    hint = "Check the name of the file."
    try:
        # Not blocking: a named pipe would wait for a writer for ever.
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except OSError as error:
        raise UsageError(Code.NOT_FOUND, f"{path} cannot be read: {error.strerror}", hint=hint) from error
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise UsageError(Code.NOT_FOUND, f"{path} is no file", hint=hint)
    return os.fdopen(descriptor, "rb")


def _make_folder(folder: Path) -> None:
    folder.mkdir(mode=_MODE, exist_ok=True)


def _out(folder: Path, attachment: bytes) -> Path:
    return folder / f"{attachment.hex()}.out"


def _create(path: Path) -> BinaryIO:
    return os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, _FILE_MODE), "wb")


def _changed() -> UsageError:
    return UsageError(Code.USAGE, "the file changed while it was read", hint="Attach it when nothing writes to it.")


def _digest(file: BinaryIO) -> bytes:
    file.seek(0)
    found = hashlib.sha256()
    while data := file.read(MIB):
        found.update(data)
    return found.digest()
