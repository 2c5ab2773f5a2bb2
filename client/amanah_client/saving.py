"""From the sealed bytes of an attachment to a file in a folder: whole and verified, or not at all.

The file has a temporary name until its last byte is there and its hash is right. It is readable by its user alone, is
never run or opened, takes no name that is taken, and a sample is only ever written inside of its container: a ZIP
archive under the password that analysts use, which neither a virus scanner nor a careless click opens.
"""

from __future__ import annotations

import errno
import hashlib
import importlib.util
import io
import os
import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any, Final, Protocol

from amanah_client.keystore.durable import operational_errors, sync_folder
from amanah_protocol.attachment import chunk_count, open_chunk
from amanah_protocol.content.file import File
from amanah_protocol.crypto import same
from amanah_protocol.errors import Code, UsageError, VerifyError
from amanah_protocol.limits import SEALED_CHUNK_BYTES

PASSWORD: Final = b"infected"
"""What those who exchange samples use; it keeps nothing secret, and keeps programs from opening them by accident."""
_MODE: Final = 0o600
_MOST_NAMES: Final = 1_000
_NO_LINKS: Final = (errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.EMLINK, errno.ENOSYS)


class _Target(Protocol):
    """What plaintext is written to."""

    def write(self, data: bytes, /) -> int: ...


def save(
    sealed: Path,
    file: File,
    message_id: bytes,
    folder: Path,
    *,
    container: bool = False,
    tell: Callable[[int, int], None] = lambda _done, _of: None,
) -> Path:
    """Save a file.

    Args:
        sealed: Its sealed bytes.
        file: What its message says.
        message_id: What its message sealed.
        folder: Where it goes.
        container: Put it into a container also where it is no sample.
        tell: Called with bytes written, and of how many.

    Returns:
        The file that was made.

    Raises:
        VerifyError: `OPEN` or `CONTENT_HASH`; nothing is left of it.
        UsageError: `NOT_FOUND` for no folder; `CONFIG` where the extra for containers is not installed.
        OperationalError: `STORE` or `DISK_FULL`; nothing is left of it.
    """
    packed = file.sample or container
    check_place(folder, container=packed)
    with operational_errors(folder):
        temporary = folder / f".amanah-{secrets.token_hex(8)}.part"
        # O_EXCL: nothing that lies there is written to, whatever it leads to.
        descriptor = os.open(temporary, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, _MODE)
        try:
            with os.fdopen(descriptor, "w+b") as target:
                with _packed(target, file) if packed else _bare(target) as into:
                    _write(sealed, file, message_id, into, tell)
                target.flush()
                os.fchmod(target.fileno(), _MODE)
                os.fsync(target.fileno())
            made = _place(temporary, folder, f"{file.safe_name}.zip" if packed else file.safe_name)
        finally:
            with suppress(OSError):
                temporary.unlink(missing_ok=True)
        sync_folder(folder)
    return made


def check_place(folder: Path, *, container: bool) -> None:
    """A file can be saved there; asked before anything is fetched.

    Raises:
        UsageError: As `save`.
    """
    if not folder.is_dir():
        raise UsageError(Code.NOT_FOUND, f"{folder} is no folder", hint="Make it, or name another one by --to.")
    if container:
        check_container()


def check_container() -> None:
    """What makes containers is installed.

    Raises:
        UsageError: `CONFIG`.
    """
    if importlib.util.find_spec("pyzipper") is None:
        hint = "Install it: `pip install 'amanah[samples]'`."
        raise UsageError(Code.CONFIG, "a container needs the extra `samples`, which is not installed", hint=hint)


def pieces(sealed: Path, file: File, message_id: bytes, *, container: bool = False) -> Iterator[bytes]:
    """A file in pieces, for whoever writes it himself: the last of them is given when its hash was right.

    Who gets fewer pieces than the file has, has no file. Arguments as `save`.

    Raises:
        VerifyError: `OPEN` or `CONTENT_HASH`.
        UsageError: `CONFIG` as `save`.
        OSError: The sealed bytes cannot be read.
    """
    if not (file.sample or container):
        yield from _opened(sealed, file, message_id)
        return
    check_container()
    packed = _Passing()
    with _packed(packed, file) as into:
        for data in _opened(sealed, file, message_id):
            into.write(data)
            yield packed.take()
    yield packed.take()


def _write(sealed: Path, file: File, message_id: bytes, target: _Target, tell: Callable[[int, int], None]) -> None:
    done = 0
    for data in _opened(sealed, file, message_id):
        target.write(data)
        done += len(data)
        tell(done, file.size)


def _opened(sealed: Path, file: File, message_id: bytes) -> Iterator[bytes]:
    """Its chunks, one behind what was verified."""
    digest, held = hashlib.sha256(), b""
    with sealed.open("rb") as source:
        for index in range(chunk_count(file.size)):
            data = open_chunk(file.key, message_id, file.size, index, source.read(SEALED_CHUNK_BYTES))
            digest.update(data)
            if index:
                yield held
            held = data
        if source.read(1):
            raise VerifyError(Code.CONTENT_HASH, "there is more of the file than its message says")
    if not same(digest.digest(), file.digest):
        raise VerifyError(Code.CONTENT_HASH, "the file is not the one that its message names")
    yield held


class _Passing(io.RawIOBase):
    """What was written since it was taken last: an archive that is never whole anywhere."""

    def __init__(self) -> None:
        super().__init__()
        self._data = bytearray()

    def writable(self) -> bool:
        return True

    def write(self, data: Any, /) -> int:  # noqa: ANN401 - any buffer, as its base has it
        self._data += data
        return len(data)

    def take(self) -> bytes:
        taken, self._data = bytes(self._data), bytearray()
        return taken


@contextmanager
def _bare(target: IO[bytes]) -> Iterator[_Target]:
    yield target


@contextmanager
def _packed(target: IO[bytes] | io.RawIOBase, file: File) -> Iterator[_Target]:
    """One stored member under AES-256; deflating what may be hostile or large gains nothing here."""
    import pyzipper  # noqa: PLC0415 - an extra, which only samples need

    with pyzipper.AESZipFile(target, "w", compression=pyzipper.ZIP_STORED, encryption=pyzipper.WZ_AES) as archive:
        archive.setpassword(PASSWORD)
        member = pyzipper.zipfile_aes.AESZipInfo(file.safe_name)  # with the earliest time there is, and no rights
        member.compress_type = pyzipper.ZIP_STORED
        with archive.open(member, "w", force_zip64=True) as into:
            yield into


def _place(temporary: Path, folder: Path, name: str) -> Path:
    """Give it the first name that is free."""
    stem, dot, ending = name.partition(".")
    for number in range(1, _MOST_NAMES):
        target = folder / (name if number == 1 else f"{stem} ({number}){dot}{ending}")
        try:
            os.link(temporary, target, follow_symlinks=False)
        except FileExistsError:
            continue
        except OSError as error:
            if error.errno not in _NO_LINKS:
                raise
            # A file system without links (FAT): the name is taken first, then given what it is for.
            try:
                os.close(os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, _MODE))
            except FileExistsError:
                continue
            temporary.replace(target)
        return target
    raise UsageError(Code.USAGE, f"{folder} has {_MOST_NAMES - 1} files of this name", hint="Name another one by --to.")
