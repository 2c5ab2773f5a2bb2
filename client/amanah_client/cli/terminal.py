"""How commands speak: results, talk, errors, prompts and exit codes, the same for every verb.

0    done
2    usage: the command cannot be done as it was given
3    not allowed: passphrase, certificate, membership
4    not found: profile, room, message, file
5    verification failed, or part of the input was not usable
6    offline: what was to be sent is kept and goes out by itself
70   a fault of the program
75   try later: disk, busy; or kept: no answer yet, held for the officer's word. What is kept is not sent again
130  interrupted
"""

from __future__ import annotations

import errno
import json
import os
import re
import shutil
import sys
import textwrap
import unicodedata
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from io import TextIOWrapper
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

from cyclopts import Parameter

from amanah_client import moments, visible
from amanah_client.commands import at_home, home_option
from amanah_client.language import ENGLISH, isolate, spoken
from amanah_client.language.errors import happened, speaks
from amanah_protocol.errors import AmanahError, Code, OperationalError, PeerError, RefusedError, UsageError

if TYPE_CHECKING:
    from rich.console import Console


clock: Final = moments.clock
iso: Final = moments.iso
shown: Final = visible.shown

EXIT_OK: Final = 0
EXIT_USAGE: Final = 2
EXIT_AUTH: Final = 3
EXIT_NOT_FOUND: Final = 4
EXIT_VERIFICATION: Final = 5
EXIT_OFFLINE: Final = 6
EXIT_INTERNAL: Final = 70
EXIT_TRY_LATER: Final = 75
EXIT_INTERRUPTED: Final = 130

EXIT_CODES: Final = (
    "Exit codes: 0 done; 2 wrong usage; 3 not allowed (passphrase, certificate, membership); 4 not found; "
    "5 verification failed, or part of the input could not be used; 6 offline: what was to be sent is kept; "
    "70 a fault of the program; 75 try later (disk, busy), or kept (no answer yet, held for your word: do not send "
    "it again); 130 interrupted."
)

_CODES: Final[dict[Code, int]] = {
    **dict.fromkeys(
        (
            Code.PASSPHRASE, Code.LOGIN, Code.EXPIRED, Code.REVOKED, Code.REPLACED, Code.ROLE, Code.FOREIGN_DEVICE,
            Code.MEMBERSHIP, Code.NOT_MEMBER,
        ),
        EXIT_AUTH,
    ),
    **dict.fromkeys((Code.UNKNOWN_ROOM, Code.NOT_FOUND, Code.NO_PROFILE), EXIT_NOT_FOUND),
    Code.UNANCHORED: EXIT_VERIFICATION,
    Code.OFFLINE: EXIT_OFFLINE,
    Code.INTERNAL: EXIT_INTERNAL,
}  # fmt: skip

_RIGHT_TO_LEFT: Final = frozenset({"R", "AL", "AN"})
_OPTION: Final = re.compile(r"--?[^-\s]\S*")
_FIRST_STRONG: Final = "\u2068"
_POP: Final = "\u2069"

_ESCAPED: Final = {code: f"\\u{code:04x}" for code in (*range(0x7F, 0xA0), 0x2028, 0x2029, *map(ord, visible.HIDDEN))}
"""JSON itself escapes the first 32 control characters, and not CSI (U+009B), which some terminals obey."""


_TALK_INDENT: Final = 2
_WIDE: Final = 10_000
"""Columns where no person looks: a line is never folded for a program."""


@dataclass(frozen=True, slots=True)
class Line:
    """A line of result.

    Attributes:
        parts: (text, style) in order; the style is for terminals that have any, "" for none.
        indent: Columns before what is folded on a narrow terminal.
        mark: (text, style) with which each line below the first begins, what is folded too; the parts hold it already
            behind each of their ends of a line.
    """

    parts: tuple[tuple[str, str], ...]
    indent: int = 0
    mark: tuple[str, str] = ("", "")

    @property
    def plain(self) -> str:
        """As it is written where no person looks."""
        return "".join(text for text, _ in self.parts)


@Parameter(name="*")
@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """Options that every command has.

    Attributes:
        home: The profile's folder; `AMANAH_HOME` by default.
        json: Print JSON instead of text.
        timeout: Seconds to wait for the relay.
    """

    home: Path | None = None
    json: Annotated[bool, Parameter(negative="")] = False
    timeout: float = 15.0


DEFAULTS: Final = Options()


_literal: Final[list[str]] = []
"""What stood behind `--` on this process's command line."""
_home: Final[list[str]] = []
"""The folder behind `--home`, "" where the usual place is meant; nothing before a command line was read."""


def prepare(arguments: Sequence[str] = ()) -> None:
    """Before a command: a terminal that lacks a character gets its number, not an error.

    Args:
        arguments: The command line; what stands behind `--` is meant as it is written.
    """
    end = arguments.index("--") if "--" in arguments else len(arguments)
    _literal[:] = arguments[end + 1 :]
    _home[:] = [_home_of(arguments[:end])]
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def _home_of(words: Sequence[str]) -> str:
    found = ""
    for word, after in pairwise((*words, "")):
        if word == "--home":
            found = after
        elif word.startswith("--home="):
            found = word.removeprefix("--home=")
    return found


def home_folder() -> str:
    """The folder of the profile as it was named; "" for the usual place."""
    return "".join(_home)


def home_words() -> str:
    """What a command that is printed needs to find the profile of this one; "" for the usual place."""
    return home_option(home_folder(), "")


def check_no_option(text: str, hint: str) -> None:
    """What somebody may have meant as an option is not taken as anything else, unless it stood behind `--`.

    Raises:
        UsageError: `USAGE`.
    """
    if _OPTION.fullmatch(text) and text not in _literal:
        raise UsageError(Code.USAGE, f"there is no option {text}", hint=hint)


# ---- errors


def exit_code(error: AmanahError) -> int:
    """The documented exit code of an error."""
    if error.code in _CODES:
        return _CODES[error.code]
    if isinstance(error, OperationalError) or (isinstance(error, RefusedError) and not error.final):
        return EXIT_TRY_LATER
    if isinstance(error, PeerError) and not isinstance(error, RefusedError):
        return EXIT_VERIFICATION
    return EXIT_USAGE


def report(error: AmanahError) -> int:
    """Say in one line what is wrong and what to do; gives the exit code."""
    detail = error.detail.rstrip(".")
    # Some causes are just what the hint of their code begins with.
    is_doubled = detail != "" and error.hint.casefold().startswith(detail.casefold())
    hint = at_home(error.hint, home_words())
    said = hint if is_doubled else f"{detail}. {hint}"
    if not speaks(error):
        # What it says of this case is English, and stands behind what happened and what to do as evidence.
        said = f"{happened(error.code)} ({isolate(detail)})".lstrip()
    say(f"amanah: {said} [{error.code}]")
    return exit_code(error)


def operational(error: OSError, what: str | Path | None = None) -> OperationalError:
    """An error of the machine as one of ours."""
    code = Code.DISK_FULL if error.errno in {errno.ENOSPC, errno.EDQUOT, errno.EFBIG} else Code.STORE
    named = what or error.filename
    cause = error.strerror or "input or output failed"
    # The code's own hint speaks of a store, and this may be any file.
    hint = None if code is Code.DISK_FULL else "Look at the disk and the rights of that place, then try again."
    return OperationalError(code, f"{named}: {cause}" if named else cause, hint=hint)


# ---- output


def say(text: str) -> None:
    """One line of talk, on standard error; it may hold others' text."""
    line = visible.sentence(text).replace("\n", " ")
    sys.stderr.write((folded(line, _TALK_INDENT) if sys.stderr.isatty() else line) + "\n")
    sys.stderr.flush()


def show(line: str | Line) -> None:
    """A line of result, on standard output; the caller has made others' text safe."""
    line = Line(((line, ""),)) if isinstance(line, str) else line
    if not sys.stdout.isatty():
        sys.stdout.write(line.plain + "\n")
        return
    mark, marked = line.mark
    whole = folded(line.plain, line.indent, mark)
    if not any(style for _, style in line.parts):
        sys.stdout.write(whole + "\n")
        return
    from rich.text import Text  # noqa: PLC0415 - takes longer than most commands; not needed for programs

    # No markup and no emoji codes: what others wrote is shown as they wrote it.
    styled, begin = Text(whole), 0
    for text, style in line.parts:
        if style and whole.startswith(text, begin):
            styled.stylize(style, begin, begin + len(text))
        begin += len(text)
    for end in re.finditer("\n" + re.escape(mark), whole) if marked else ():
        styled.stylize(marked, end.start() + 1, end.end())
    _console().print(styled)


def folded(text: str, indent: int, mark: str = "") -> str:
    """Text for a person's terminal: folded between words alone, so that ids and addresses stay whole.

    Args:
        text: Lines; each keeps its own indent.
        indent: Columns before what is folded, at the least.
        mark: What stands there in the place of blanks.
    """
    columns = shutil.get_terminal_size().columns
    return "\n".join(_fold(line, columns, indent, mark) if len(line) > columns else line for line in text.split("\n"))


def _fold(line: str, columns: int, indent: int, mark: str) -> str:
    hang = mark.ljust(max(indent, len(line) - len(line.removeprefix(mark).lstrip())))
    return "\n".join(
        textwrap.wrap(line, columns, subsequent_indent=hang, break_long_words=False, break_on_hyphens=False,
                      expand_tabs=False, replace_whitespace=False)
    )  # fmt: skip


def _console(width: int | None = None) -> Console:
    from rich.console import Console  # noqa: PLC0415 - as above

    return Console(highlight=False, soft_wrap=width is None, markup=False, emoji=False, width=width)


def isolated(text: str) -> str:
    """As `shown`, right-to-left lines isolated (Unicode TR 9): they keep their own order and no other's."""
    return "\n".join(_isolated(line) for line in shown(text).split("\n"))


def ours(sentence: str) -> str:
    """A sentence of ours on one line: others' names in it are safe, and keep their own order."""
    return visible.sentence(sentence).replace("\n", " ")


def composed(text: str) -> str:
    """Lines of ours around what others wrote (`said.said`), for a terminal."""
    return isolated(text) if spoken() == ENGLISH else visible.sentence(text)


def single(text: str) -> str:
    """As `isolated`, on one line: a name must not write a line of its own below."""
    return isolated(text.replace("\n", " "))


def _isolated(line: str) -> str:
    # In a sentence from right to left all that others wrote is foreign.
    if (line and spoken().direction == "rtl") or any(
        unicodedata.bidirectional(character) in _RIGHT_TO_LEFT for character in line
    ):
        return f"{_FIRST_STRONG}{line}{_POP}"
    return line


def show_json(value: object) -> None:
    """One JSON document on standard output."""
    sys.stdout.write(_json(value, indent=2) + "\n")


def show_line(value: object) -> None:
    """One line of NDJSON on standard output, at once."""
    sys.stdout.write(_json(value) + "\n")
    sys.stdout.flush()


def _json(value: object, *, indent: int | None = None) -> str:
    """JSON whose every line is safe on a terminal too: what `shown` hides is escaped, and reads back the same."""
    return json.dumps(value, ensure_ascii=False, indent=indent).translate(_ESCAPED)


def show_table(columns: Iterable[str], rows: Iterable[Iterable[str]], *, whole: Collection[str] = ()) -> None:
    """A plain table on standard output; cells may be others' text.

    Args:
        columns: Their names.
        rows: A cell for each column.
        whole: Columns that are never folded, because a person copies from them.
    """
    from rich.table import Table  # noqa: PLC0415 - as above

    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in columns:
        table.add_column(column, overflow="fold", no_wrap=column in whole)
    for row in rows:
        table.add_row(*(single(cell) for cell in row))
    console = _console(None if sys.stdout.isatty() else _WIDE)
    console.soft_wrap = False
    with console.capture() as drawn:
        console.print(table)
    # Not by the console itself: it ends the process with exit code 1 where nobody reads on.
    sys.stdout.write("".join(line.rstrip() + "\n" for line in drawn.get().splitlines()))


def has_desktop() -> bool:
    """Whether a browser can be opened beside this terminal."""
    return sys.stdout.isatty() and any(os.environ.get(name) for name in ("DISPLAY", "WAYLAND_DISPLAY"))
