"""How commands speak: results on standard output, talk on standard error, documented exit codes."""

from __future__ import annotations

import json
import shutil
import sys
import textwrap
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Final

from amanah_protocol.errors import AmanahError, Code, OperationalError, PeerError

EXIT_OK: Final = 0
EXIT_USAGE: Final = 2
EXIT_AUTH: Final = 3
EXIT_NOT_FOUND: Final = 4
EXIT_VERIFICATION: Final = 5
EXIT_INTERNAL: Final = 70
EXIT_TRY_LATER: Final = 75

EXIT_CODES: Final = (
    "Exit codes: 0 done; 2 wrong usage or configuration; 3 the roster does not allow it; 4 something is not there; "
    "5 verification failed; 75 try later (disk, port, store); 70 a fault of the program; 130 ended by Ctrl-C."
)

_TALK_INDENT: Final = 2
_AUTH: Final = frozenset({Code.LOGIN, Code.EXPIRED, Code.CERTIFICATE})
_NOT_FOUND: Final = frozenset({Code.NOT_FOUND, Code.NOT_INITIALISED})


def exit_code(error: AmanahError) -> int:
    """The documented exit code of an error."""
    if error.code is Code.INTERNAL:
        return EXIT_INTERNAL
    if error.code in _AUTH:
        return EXIT_AUTH
    if error.code in _NOT_FOUND:
        return EXIT_NOT_FOUND
    if isinstance(error, PeerError) or error.code is Code.DAMAGED:
        return EXIT_VERIFICATION
    return EXIT_TRY_LATER if isinstance(error, OperationalError) else EXIT_USAGE


def report(error: AmanahError) -> int:
    """Say in one line what is wrong and what to do next; gives the exit code."""
    say(f"amanah-relay: {error.detail.rstrip('.')}. {error.hint} [{error.code}]")
    return exit_code(error)


def warn(text: str) -> None:
    """Say in one line what may be meant, and is likely not."""
    say(f"amanah-relay: warning: {text}")


def say(text: str) -> None:
    """One line of talk."""
    # A name in somebody's file must not drive the operator's terminal.
    line = "".join(character if character.isprintable() else f"<{ord(character):04X}>" for character in text)
    sys.stderr.write((_folded(line, _TALK_INDENT) if sys.stderr.isatty() else line) + "\n")
    sys.stderr.flush()


def show_json(value: object) -> None:
    """One JSON document as the result."""
    sys.stdout.write(json.dumps(value, indent=2) + "\n")


def show_table(rows: Iterable[tuple[str, ...]]) -> None:
    """A plain table as the result."""
    cells = list(rows)
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    # The last column is folded below itself, so that the others stay a table.
    indent = sum(widths[:-1]) + 2 * len(widths[:-1])
    for row in cells:
        line = "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        sys.stdout.write((_folded(line, indent) if sys.stdout.isatty() else line) + "\n")


def _folded(line: str, indent: int) -> str:
    """A line for a person's terminal: folded between words alone, so that keys and addresses stay whole."""
    columns = shutil.get_terminal_size().columns
    if len(line) <= columns:
        return line
    return "\n".join(
        textwrap.wrap(line, columns, subsequent_indent=" " * indent, break_long_words=False, break_on_hyphens=False,
                      expand_tabs=False, replace_whitespace=False, drop_whitespace=True)
    )  # fmt: skip


def iso(at_ms: float) -> str:
    """A time for people and JSON: RFC 3339, to the second."""
    return datetime.fromtimestamp(at_ms / 1_000, UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
