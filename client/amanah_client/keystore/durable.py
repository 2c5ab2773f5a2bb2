"""How a small file reaches the disk whole: the old bytes or the new ones, after any interruption.

Contract of `replace_file`: when it returns, the new bytes survive a power cut. When it raises, or
the process dies inside it, the file holds the old bytes or the new ones, never a mixture. A
temporary file that was left behind is removed by the next call.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from amanah_protocol.errors import Code, DecodeError, OperationalError

_PRIVATE: Final = 0o600
_FULL: Final = frozenset({errno.ENOSPC, errno.EDQUOT})


@contextlib.contextmanager
def operational_errors(path: Path) -> Iterator[None]:
    """Turn an `OSError` into an `OperationalError`: `DISK_FULL`, or `STORE` for anything else."""
    try:
        yield
    except OSError as error:
        raise _operational(path, error) from error


def _operational(path: Path, error: OSError) -> OperationalError:
    code = Code.DISK_FULL if error.errno in _FULL else Code.STORE
    hint = None if code is Code.DISK_FULL else "Look at the disk and the rights of that place, then try again."
    return OperationalError(code, f"{path}: {error.strerror or 'input or output failed'}", hint=hint)


@contextlib.contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold the writers' lock of a file, `<name>.lock`; waits for another process that holds it.

    Raises:
        OperationalError: `STORE` or `DISK_FULL`.
    """
    lock = path.with_name(path.name + ".lock")
    with operational_errors(lock):
        descriptor = os.open(lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, _PRIVATE)
    try:
        with operational_errors(lock):
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def read_file(path: Path, *, max_bytes: int) -> bytes:
    """Read a whole file.

    Raises:
        FileNotFoundError: There is none.
        DecodeError: `TOO_LARGE`, without reading further.
        OperationalError: `STORE`.
    """
    try:
        # Non-blocking, or a named pipe in its place would hang the program.
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except FileNotFoundError:
        raise
    except OSError as error:
        raise _operational(path, error) from error
    try:
        with operational_errors(path):
            data = _read_up_to(descriptor, max_bytes + 1)
    finally:
        os.close(descriptor)
    if len(data) > max_bytes:
        raise DecodeError(Code.TOO_LARGE, f"{path} has more than {max_bytes} bytes")
    return data


def _read_up_to(descriptor: int, count: int) -> bytes:
    data = bytearray()
    while len(data) < count and (chunk := os.read(descriptor, count - len(data))):
        data += chunk
    return bytes(data)


def create_file(path: Path, data: bytes) -> None:
    """Make a file that is not there yet, readable by the owner alone, durable on return.

    Raises:
        FileExistsError: It is there; it was not touched.
        OperationalError: `STORE` or `DISK_FULL`; there is no file.
    """
    try:
        descriptor = _open_new(path)
    except FileExistsError:
        raise
    except OSError as error:
        raise _operational(path, error) from error
    with operational_errors(path):
        try:
            _write_durably(descriptor, data)
            sync_folder(path.parent)
        except OSError:
            with contextlib.suppress(OSError):
                path.unlink()
            raise


def replace_file(path: Path, data: bytes) -> None:
    """Put `data` in the place of a file, readable by the owner alone; see the module's contract.

    The caller holds `locked` for the file (or for the one that it belongs to).

    Raises:
        OperationalError: `STORE` or `DISK_FULL`; the file holds the old bytes or the new ones.
    """
    temporary = path.with_name(path.name + ".new")
    with operational_errors(path):
        try:
            temporary.unlink(missing_ok=True)
            _write_durably(_open_new(temporary), data)
            temporary.replace(path)
        except OSError:
            with contextlib.suppress(OSError):
                temporary.unlink()
            raise
        sync_folder(path.parent)


def _open_new(path: Path) -> int:
    # O_EXCL: a link planted under this name is not followed, and no looser mode is taken over.
    return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, _PRIVATE)


def _write_durably(descriptor: int, data: bytes) -> None:
    try:
        rest = memoryview(data)
        while rest:
            rest = rest[os.write(descriptor, rest) :]
        # Before any rename: otherwise a power cut may leave the name with none of the bytes.
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def sync_folder(folder: Path) -> None:
    """Make a rename durable, which it is only when the folder is.

    Raises:
        OSError: It may not be.
    """
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
