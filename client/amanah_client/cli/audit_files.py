"""Exports on their way to and from files: piece by piece, and nothing is overwritten."""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
import sys
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import BinaryIO

from amanah_client.audit.bundle import MAGIC
from amanah_client.cli import terminal
from amanah_client.cli.files import exists, unreadable


@contextlib.contextmanager
def opened(path: Path) -> Iterator[tuple[BinaryIO, bytes]]:
    """A file, `-` for standard input, and its first bytes, which say whether it is a bundle.

    Raises:
        UsageError: `NOT_FOUND` when it cannot be read.
    """
    with contextlib.ExitStack() as stack:
        try:
            stream = sys.stdin.buffer if str(path) == "-" else stack.enter_context(path.open("rb"))
            begun = stream.read(len(MAGIC))
        except OSError as error:
            raise unreadable(path, error) from error
        yield stream, begun


@contextlib.contextmanager
def seekable(stream: BinaryIO, begun: bytes) -> Iterator[BinaryIO]:
    """The whole of a file of which some bytes were taken already; what comes in a pipe is kept on disk meanwhile.

    Raises:
        OperationalError: `STORE` or `DISK_FULL`.
    """
    if stream.seekable():
        yield stream
        return
    with tempfile.TemporaryFile() as file:
        try:
            file.write(begun)
            shutil.copyfileobj(stream, file)
        except OSError as error:
            raise terminal.operational(error, Path(tempfile.gettempdir())) from error
        yield file


def write_new(path: Path, pieces: Iterable[bytes]) -> str:
    """Write a new file piece by piece, or nothing; gives its SHA-256 in hex.

    Raises:
        UsageError: `USAGE` when the file exists.
        OperationalError: `STORE` or `DISK_FULL`; there is no file then.
    """
    digest = hashlib.sha256()
    if str(path) == "-":
        for piece in pieces:
            digest.update(piece)
            sys.stdout.buffer.write(piece)
        return digest.hexdigest()
    try:
        with path.open("xb") as file:
            try:
                for piece in pieces:
                    digest.update(piece)
                    file.write(piece)
                # A full disk shows here at the latest, while the file can still be taken away.
                file.flush()
                os.fsync(file.fileno())
            except BaseException:
                path.unlink()
                raise
    except FileExistsError:
        raise exists(path) from None
    except OSError as error:
        raise terminal.operational(error, path) from error
    return digest.hexdigest()
