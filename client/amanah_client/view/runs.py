"""What people write, as blocks of runs: a small subset of Markdown, and indicators made harmless.

Bold, italic, code, code blocks, quotes and lists are drawn; anything else is text. There are no links and no images:
an address is an indicator, shown defanged, and nothing opens it. Each pass over a text takes time in its length alone,
whatever a sender has put into it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Final, Literal

import msgspec

from amanah_client.view.indicators import defanged, find_indicators
from amanah_client.visible import shown

_FENCE: Final = "```"
_QUOTE: Final = re.compile(r"> ?")
_BULLET: Final = re.compile(r"[-*] (?=\S)")
_NUMBER: Final = re.compile(r"[0-9]{1,4}[.)] (?=\S)")
_CODE: Final = re.compile(r"`[^`\n]++`")
_MARKS: Final = re.compile(r"\*\*|\*|_")


class Run(msgspec.Struct, frozen=True, kw_only=True):
    """A stretch of one kind.

    Attributes:
        text: What is shown.
        bold: Whether it is stressed.
        italic: Whether it is stressed less.
        code: Whether it is to be read letter by letter.
        indicator: Whether it is an address, a hash or the like: shown defanged, never opened.
    """

    text: str
    bold: bool = False
    italic: bool = False
    code: bool = False
    indicator: bool = False


class Block(msgspec.Struct, frozen=True, kw_only=True):
    """A paragraph, a block of code, a quote, or a list.

    Attributes:
        kind: Which of them.
        lines: Its lines, or the items of a list; a block of code has one run a line.
    """

    kind: Literal["text", "code", "quote", "bullets", "numbers"]
    lines: tuple[tuple[Run, ...], ...]

    @property
    def plain(self) -> str:
        """Its text alone."""
        return "\n".join("".join(run.text for run in line) for line in self.lines)


_KEPT_CHARS: Final = 4_096
_BEGUN_LINES: Final = 40
_BEGUN_RUNS: Final = 200


def parse(text: str) -> tuple[Block, ...]:
    """Read what a person wrote; whatever it is, there is something to show."""
    # What is long is read again each time: kept, four thousand of them would take gigabytes.
    return _parsed(text) if len(text) <= _KEPT_CHARS else tuple(_blocks(shown(text).split("\n")))


@lru_cache(2_048)
def _parsed(text: str) -> tuple[Block, ...]:
    return tuple(_blocks(shown(text).split("\n")))


def begun(text: str, most: int | None) -> tuple[tuple[Block, ...], int]:
    """The blocks of a text's beginning, and how many characters of it are left out.

    Args:
        text: What a person wrote.
        most: So many characters at most, in few lines and few runs; None for all of it.
    """
    if most is None:
        return parse(text), 0
    kept = "\n".join(text.split("\n", _BEGUN_LINES)[:_BEGUN_LINES])[:most]
    while True:
        fences = sum(line.startswith(_FENCE) for line in kept.split("\n"))
        # What is cut off in the middle of a block of code is code up to there.
        is_open = len(kept) < len(text) and fences % 2
        blocks = parse(f"{kept}\n{_FENCE}" if is_open else kept)
        if len(kept) <= _BEGUN_RUNS or sum(len(line) for block in blocks for line in block.lines) <= _BEGUN_RUNS:
            return blocks, len(text) - len(kept)
        kept = kept[: len(kept) // 2]


def titled(text: str) -> tuple[Run, ...]:
    """A title, as people write it into one line: nothing in it is a mark, and its addresses are indicators."""
    return tuple(_said(shown(text), {"**": 0, "*": 0, "_": 0}))


def plain(blocks: tuple[Block, ...]) -> str:
    """The text of blocks alone, for quotes and notices of one line."""
    return "\n".join(block.plain for block in blocks)


def _blocks(lines: list[str]) -> Iterator[Block]:
    fences = [at for at, line in enumerate(lines) if line.startswith(_FENCE)]
    at = 0
    while at < len(lines):
        if fences and fences[0] == at and len(fences) > 1:
            begin, end = fences[:2]
            del fences[:2]
            yield Block(kind="code", lines=tuple((Run(text=line, code=True),) for line in lines[begin + 1 : end]))
            at = end + 1
            continue
        # A fence that nothing closes is text.
        stop = fences[0] if len(fences) > 1 else len(lines)
        kind = _kind(lines[at])
        end = at + 1
        while end < stop and _kind(lines[end]) == kind:
            end += 1
        found = [_inner(kind, line) for line in lines[at:end]]
        at = end
        while found and kind == "text" and not found[0].strip():
            del found[0]
        while found and kind == "text" and not found[-1].strip():
            del found[-1]
        if found:
            yield Block(kind=kind, lines=tuple(tuple(_runs(line)) for line in found))


def _kind(line: str) -> Literal["text", "quote", "bullets", "numbers"]:
    if line.startswith(">"):
        return "quote"
    if _BULLET.match(line):
        return "bullets"
    return "numbers" if _NUMBER.match(line) else "text"


def _inner(kind: str, line: str) -> str:
    if kind == "quote":
        return _QUOTE.sub("", line, count=1)
    # A number stays: it is the author's, and a face that counts anew would say another.
    return _BULLET.sub("", line, count=1) if kind == "bullets" else line


@dataclass(slots=True)
class _Piece:
    """A stretch of a line: text, code, or a mark that may begin or end a stress."""

    text: str
    what: Literal["text", "code", "mark"]
    opens: bool = False
    closes: bool = False
    role: Literal["", "open", "close"] = ""


def _runs(line: str) -> Iterator[Run]:
    """The runs of one line."""
    pieces = list(_pieces(line))
    _pair(pieces)
    stressed = {"**": 0, "*": 0, "_": 0}
    text: list[str] = []
    for piece in pieces:
        if not piece.role and piece.what != "code":
            text.append(piece.text)
            continue
        yield from _said("".join(text), stressed)
        text = []
        if piece.what == "code":
            yield from _code(piece.text[1:-1], stressed)
        else:
            stressed[piece.text] += 1 if piece.role == "open" else -1
    yield from _said("".join(text), stressed)


def _pieces(line: str) -> Iterator[_Piece]:
    at = 0
    for code in _CODE.finditer(line):
        yield from _marked(line, at, code.start())
        yield _Piece(code.group(), "code")
        at = code.end()
    yield from _marked(line, at, len(line))


def _marked(line: str, at: int, end: int) -> Iterator[_Piece]:
    # An address keeps its characters, whatever marks it has in it.
    kept = iter(find_indicators(line[at:end]))
    begin, span = at, next(kept, None)
    for mark in _MARKS.finditer(line, at, end):
        while span is not None and span[1] + begin <= mark.start():
            span = next(kept, None)
        if span is not None and span[0] + begin <= mark.start():
            continue
        if mark.start() > at:
            yield _Piece(line[at : mark.start()], "text")
        before, after = line[mark.start() - 1 : mark.start()], line[mark.end() : mark.end() + 1]
        yield _Piece(
            mark.group(),
            "mark",
            opens=bool(after.strip()) and not before.isalnum(),
            closes=bool(before.strip()) and not after.isalnum(),
        )
        at = mark.end()
    if at < end:
        yield _Piece(line[at:end], "text")


def _pair(pieces: list[_Piece]) -> None:
    """Which marks stress something: each that closes belongs to the nearest open one of its kind."""
    opened: dict[str, int] = {}
    for at, piece in enumerate(pieces):
        if piece.what != "mark":
            continue
        begin = opened.get(piece.text)
        if piece.closes and begin is not None and at > begin + 1:
            pieces[begin].role, piece.role = "open", "close"
            # What was opened inside and not closed there is text.
            opened = {mark: place for mark, place in opened.items() if place < begin}
        elif piece.opens:
            opened.setdefault(piece.text, at)


def _said(text: str, stressed: dict[str, int]) -> Iterator[Run]:
    bold, italic = stressed["**"] > 0, stressed["*"] + stressed["_"] > 0
    at = 0
    for begin, end in find_indicators(text):
        if begin > at:
            yield Run(text=text[at:begin], bold=bold, italic=italic)
        yield Run(text=defanged(text[begin:end]), bold=bold, italic=italic, indicator=True)
        at = end
    if at < len(text):
        yield Run(text=text[at:], bold=bold, italic=italic)


def _code(text: str, stressed: dict[str, int]) -> Iterator[Run]:
    for run in _said(text, stressed):
        yield Run(text=run.text, bold=run.bold, italic=run.italic, code=True, indicator=run.indicator)
