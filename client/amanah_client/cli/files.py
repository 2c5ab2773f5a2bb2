"""Files that commands read and write; `-` is standard input or output, and nothing is overwritten."""

from __future__ import annotations

import contextlib
import sys
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from amanah_client.cli.terminal import check_no_option, operational, say
from amanah_client.language import gettext as _
from amanah_client.language import isolate
from amanah_protocol.cards import Armour, decode_armour
from amanah_protocol.errors import Code, UsageError


def _no_option(_: type, path: Path) -> None:
    check_no_option(str(path), "See `--help`; a file that is called so is written with its folder: ./NAME.")


File = Annotated[Path, Parameter(allow_leading_hyphen=True, validator=_no_option)]
"""A file that is read or written; `-` is standard input or output."""


def read_file(path: Path) -> bytes:
    """The bytes of a file, or of standard input for `-`.

    Raises:
        UsageError: `NOT_FOUND` when it cannot be read.
    """
    try:
        return sys.stdin.buffer.read() if str(path) == "-" else path.read_bytes()
    except OSError as error:
        raise unreadable(path, error) from error


def unreadable(path: Path, error: OSError) -> UsageError:
    """A file that somebody named and that cannot be read."""
    return UsageError(Code.NOT_FOUND, f"{path} cannot be read: {error.strerror}", hint="Check the name of the file.")


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
        raise exists(path)


def exists(path: Path) -> UsageError:
    """A file that somebody named for a result and that is there already."""
    return UsageError(Code.USAGE, f"{path} exists; nothing is overwritten", hint="Name another file, or remove it.")


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
        raise exists(path) from None
    except OSError as error:
        with contextlib.suppress(OSError):
            path.unlink()
        raise operational(error, path) from error
    say(_("written: %(path)s", path=isolate(str(path))))


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
