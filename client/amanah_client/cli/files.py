"""Files that commands read and write; `-` is standard input or output, and nothing is overwritten."""

from __future__ import annotations

import contextlib
import sys
from pathlib import Path

from amanah_client.cli.terminal import operational, say
from amanah_protocol.cards import Armour, decode_armour
from amanah_protocol.errors import Code, UsageError


def read_file(path: Path) -> bytes:
    """The bytes of a file, or of standard input for `-`.

    Raises:
        UsageError: `NOT_FOUND` when it cannot be read.
    """
    try:
        return sys.stdin.buffer.read() if str(path) == "-" else path.read_bytes()
    except OSError as error:
        raise UsageError(Code.NOT_FOUND, f"{path} cannot be read: {error.strerror}") from error


def read_armoured(path: Path, kind: Armour) -> bytes:
    """What an armoured file holds.

    Raises:
        UsageError: `NOT_FOUND`.
        DecodeError: It is not of this kind, or damaged.
    """
    return decode_armour(read_file(path).decode("utf-8", "replace"), kind)


def check_new(path: Path | None) -> None:
    """Before something is done for a result file: it is not there yet.

    Raises:
        UsageError: `USAGE` when it is: nothing is overwritten.
    """
    if path is not None and str(path) != "-" and path.exists():
        raise _exists(path)


def _exists(path: Path) -> UsageError:
    return UsageError(Code.USAGE, f"{path} exists; nothing is overwritten")


def write_file(path: Path | None, data: str | bytes) -> None:
    """Write a result to a new file, or to standard output for None or `-`.

    Raises:
        UsageError: `USAGE` when the file exists: nothing is overwritten.
        OperationalError: `STORE` or `DISK_FULL`; there is no file then.
    """
    body = data.encode() if isinstance(data, str) else data
    if path is None or str(path) == "-":
        sys.stdout.buffer.write(body)
        sys.stdout.flush()
        return
    try:
        with path.open("xb") as file:
            file.write(body)
    except FileExistsError:
        raise _exists(path) from None
    except OSError as error:
        with contextlib.suppress(OSError):
            path.unlink()
        raise operational(error, path) from error
    say(f"written: {path}")


def replace_file(path: Path, text: str) -> None:
    """Put a text in the place of a file, whole or not at all.

    Raises:
        OperationalError: `STORE` or `DISK_FULL`; the file is as it was.
    """
    temporary = path.with_name(path.name + ".new")
    try:
        temporary.write_text(text)
        temporary.replace(path)
    except OSError as error:
        with contextlib.suppress(OSError):
            temporary.unlink()
        raise operational(error, path) from error
