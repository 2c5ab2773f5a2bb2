"""How commands speak: results, talk, errors, prompts and exit codes, the same for every verb."""

from __future__ import annotations

import asyncio
import getpass
import json
import sys
import unicodedata
from collections.abc import Callable, Coroutine, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Final, TypeVar

from cyclopts import Parameter
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from amanah_client.home import Profile, find_home, open_profile
from amanah_client.sdk import Client
from amanah_protocol.cards import Armour, decode_armour
from amanah_protocol.errors import AmanahError, Code, OperationalError, PeerError, UsageError

EXIT_OK: Final = 0
EXIT_USAGE: Final = 2
EXIT_AUTH: Final = 3
EXIT_NOT_FOUND: Final = 4
EXIT_VERIFICATION: Final = 5
EXIT_OFFLINE: Final = 6
EXIT_INTERNAL: Final = 70
EXIT_TRY_LATER: Final = 75

_AUTH: Final = frozenset({
    Code.PASSPHRASE, Code.LOGIN, Code.EXPIRED, Code.REVOKED, Code.REPLACED, Code.ROLE, Code.FOREIGN_DEVICE,
    Code.MEMBERSHIP,
})  # fmt: skip
_NOT_FOUND: Final = frozenset({Code.UNKNOWN_ROOM, Code.NOT_FOUND, Code.NO_PROFILE, Code.NOT_MEMBER})

# Characters that reorder or hide what stands around them: a name must not rewrite the line it is in.
_HIDDEN: Final = frozenset("\u200e\u200f\u061c\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
_FIRST_STRONG: Final = "\u2068"
_POP: Final = "\u2069"

T = TypeVar("T")

results = Console(highlight=False, soft_wrap=True)
talk = Console(stderr=True, highlight=False, soft_wrap=True)


@Parameter(name="*")
@dataclass(frozen=True, slots=True, kw_only=True)
class Common:
    """Options that every command has.

    Attributes:
        home: The profile's folder; `AMANAH_HOME` by default.
        json: Print one JSON document instead of text.
        timeout: Seconds to wait for the relay.
    """

    home: Path | None = None
    json: Annotated[bool, Parameter(negative="")] = False
    timeout: float = 15.0


DEFAULTS: Final = Common()


def exit_code(error: AmanahError) -> int:
    """The documented exit code of an error."""
    if error.code in _AUTH:
        return EXIT_AUTH
    if error.code in _NOT_FOUND:
        return EXIT_NOT_FOUND
    if error.code is Code.OFFLINE:
        return EXIT_OFFLINE
    if isinstance(error, OperationalError):
        return EXIT_TRY_LATER
    if isinstance(error, PeerError) or error.code is Code.UNANCHORED:
        return EXIT_VERIFICATION
    return EXIT_USAGE


def report(error: AmanahError) -> int:
    """Say in one line what is wrong and what to do; gives the exit code."""
    say(f"amanah: {error.detail.rstrip('.')}. {error.hint} [{error.code}]")
    return exit_code(error)


def say(text: str) -> None:
    """One line of talk, on standard error."""
    talk.print(escape(shown(text)), style=None)


def show(text: str) -> None:
    """One line of result, on standard output."""
    results.print(escape(text))


def shown(text: str) -> str:
    """Text of others made safe for a terminal: no control characters, no hidden direction marks."""
    return "".join(_visible(character) for character in text)


def isolated(text: str) -> str:
    """As `shown`, isolated (Unicode TR 9), so that right-to-left text keeps its own order only."""
    return f"{_FIRST_STRONG}{shown(text)}{_POP}"


def _visible(character: str) -> str:
    if character in _HIDDEN or (unicodedata.category(character) in {"Cc", "Cs"} and character != "\n"):
        return f"<{ord(character):04X}>"
    return character


def show_json(value: object) -> None:
    """One JSON document on standard output."""
    sys.stdout.write(json.dumps(value, ensure_ascii=False, indent=2) + "\n")


def show_line(value: object) -> None:
    """One line of NDJSON on standard output, at once."""
    sys.stdout.write(json.dumps(value, ensure_ascii=False) + "\n")
    sys.stdout.flush()


def show_table(columns: Iterable[str], rows: Iterable[Iterable[str]]) -> None:
    """A plain table on standard output."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in columns:
        table.add_column(column, overflow="fold")
    for row in rows:
        table.add_row(*(escape(shown(cell)) for cell in row))
    results.print(table)


def clock(at_ms: int | None) -> str:
    """A time in UTC, to the second."""
    if at_ms is None:
        return "-"
    return datetime.fromtimestamp(at_ms / 1000, UTC).strftime("%Y-%m-%d %H:%M:%SZ")


def iso(at_ms: int | None) -> str | None:
    """A time for JSON: RFC 3339 with milliseconds."""
    if at_ms is None:
        return None
    return datetime.fromtimestamp(at_ms / 1000, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def ask_passphrase() -> str:
    """Ask for the passphrase on the terminal.

    Raises:
        UsageError: `PASSPHRASE` when there is no terminal to ask on.
    """
    if not sys.stdin.isatty():
        raise UsageError(Code.PASSPHRASE, "the profile has a passphrase and there is no terminal to ask for it")
    return getpass.getpass("Passphrase: ")


def new_passphrase() -> str:
    """Ask twice for a new passphrase.

    Raises:
        UsageError: `PASSPHRASE` when the two differ, or it is short, or there is no terminal.
    """
    if not sys.stdin.isatty():
        raise UsageError(Code.PASSPHRASE, "there is no terminal to ask for a passphrase; --key-file needs none")
    first = getpass.getpass("New passphrase (six words or more): ")
    if first != getpass.getpass("Again: "):
        raise UsageError(Code.PASSPHRASE, "the two differ")
    return first


def profile(common: Common) -> Profile:
    """Unlock the profile of a command."""
    return open_profile(find_home(common.home), ask_passphrase)


def with_client(common: Common, work: Callable[[Client], Coroutine[object, object, T]], *, connect: bool = True) -> T:
    """Open the profile's client, do some work with it, close it."""

    async def main() -> T:
        async with await Client.of(profile(common), connect=connect) as client:
            return await work(client)

    return asyncio.run(main())


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


def write_file(path: Path | None, data: str | bytes) -> None:
    """Write a result to a new file, or to standard output for None or `-`.

    Raises:
        UsageError: `USAGE` when the file exists: nothing is overwritten.
        OperationalError: `STORE` or `DISK_FULL`.
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
        raise UsageError(Code.USAGE, f"{path} exists; nothing is overwritten") from None
    except OSError as error:
        code = Code.DISK_FULL if error.errno == 28 else Code.STORE
        raise OperationalError(code, f"{path} cannot be written: {error.strerror}") from error
    say(f"written: {path}")
