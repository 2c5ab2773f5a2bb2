"""Lines of a terminal: parts with a style, wrapped by cells, and nothing in them that a terminal obeys.

Everything that is drawn becomes a `Row` here and a strip of cells by `strip_of`, and nothing else reaches the screen:
no markup is read, no control character and no direction mark of somebody else's is written. Where a row runs from the
right, it is isolated, and so are the Latin runs in it (Unicode TR 9): a terminal that reorders moves nothing past it.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import islice
from typing import Final

from rich.cells import cell_len, set_cell_size
from rich.segment import Segment
from rich.style import Style
from textual.strip import Strip

from amanah_client.visible import pieces, shown

STYLES: Final = {
    "": Style(),
    "dim": Style(dim=True),
    "bold": Style(bold=True),
    "italic": Style(italic=True),
    "code": Style(color="cyan"),
    "chip": Style(color="cyan", bold=True),
    "good": Style(color="green"),
    "bad": Style(color="red"),
    "worst": Style(color="red", bold=True),
    "page": Style(color="red", bold=True, reverse=True),
    # Another colour than what is urgent: nothing of a drill is.
    "drill": Style(color="magenta", bold=True, reverse=True),
    "here": Style(bold=True, reverse=True),
    # As FIRST has them: on black, in every theme.
    "TLP:RED": Style(color="#ff2b2b", bgcolor="#000000", bold=True),
    "TLP:AMBER+STRICT": Style(color="#ffc000", bgcolor="#000000", bold=True),
    "TLP:AMBER": Style(color="#ffc000", bgcolor="#000000", bold=True),
    "TLP:GREEN": Style(color="#33ff00", bgcolor="#000000", bold=True),
    "TLP:CLEAR": Style(color="#ffffff", bgcolor="#000000", bold=True),
}
"""Few colours, of the terminal's own sixteen but for labels; each says what a word beside it says, too."""

_FIRST_STRONG: Final = "\u2068"
_POP: Final = "\u2069"
_FROM_RIGHT: Final = frozenset({"R", "AL", "AN"})
_LATIN: Final = re.compile(r"{0}(?: {0})*".format(r"[A-Za-z0-9\[(](?:[!-~]*[A-Za-z0-9\])])?"))
_WORDS: Final = re.compile(r" +|[^ ]+")
_WINDOW: Final = 4
"""Characters for each cell that a line has at the most, with marks that take none."""
ELLIPSIS: Final = "\N{HORIZONTAL ELLIPSIS}"


@dataclass(frozen=True, slots=True)
class Part:
    """A stretch of one style.

    Attributes:
        text: What is shown; harmless.
        style: A key of `STYLES`.
        apart: Whether its direction is its own.
    """

    text: str
    style: str = ""
    apart: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One line.

    Attributes:
        edge: What stands at its beginning: ours alone, where no text of others ever comes.
        parts: What it says.
        end: What stands at its end: ours alone, likewise.
    """

    edge: tuple[Part, ...] = ()
    parts: tuple[Part, ...] = ()
    end: tuple[Part, ...] = ()

    @property
    def plain(self) -> str:
        """Its text."""
        return "".join(part.text for part in (*self.edge, *self.parts, *self.end))


def part(text: str, style: str = "") -> Part:
    """A value that somebody or some machine wrote, on one line."""
    return Part(shown(text).replace("\n", " "), style, apart=True)


def said(sentence: str, style: str = "") -> tuple[Part, ...]:
    """A sentence of ours, with the names in it that are isolated."""
    return tuple(Part(text.replace("\n", " "), style, apart) for text, apart in pieces(sentence))


def cells(parts: Iterable[Part]) -> int:
    """How many cells they take."""
    return sum(cell_len(one.text) for one in parts)


def cut(parts: Iterable[Part], width: int) -> tuple[Part, ...]:
    """As much of them as fits, with an ellipsis where something is left out."""
    given = tuple(parts)
    if cells(given) <= width:
        return given
    left, kept = width - 1, []
    for one in given:
        size = cell_len(one.text)
        if size > left:
            kept.append(replace(one, text=set_cell_size(one.text, max(left, 0)).rstrip()))
            break
        kept.append(one)
        left -= size
    return (*kept, Part(ELLIPSIS, kept[-1].style)) if width > 0 else ()


def wrap(parts: Iterable[Part], width: int, most: int | None = None) -> list[tuple[Part, ...]]:
    """Fold them between words; a word that is longer than a line is folded where the line ends.

    Args:
        parts: What is folded.
        width: Cells of a line.
        most: Lines after which it ends.
    """
    lines = _lines(parts, max(width, 1))
    return list(lines if most is None else islice(lines, most))


def _lines(parts: Iterable[Part], width: int) -> Iterator[tuple[Part, ...]]:
    line: list[Part] = []
    size = 0
    for word in _words(parts):
        length = cells(word)
        if word[0].text.startswith(" "):
            if size + length <= width:
                line += word
                size += length
            elif size:
                yield _ended(line)
                line, size = [], 0
            continue
        if size + length > width and size:
            yield _ended(line)
            line, size = [], 0
        for piece in _pieces(word, width) if length > width else word:
            taken = cell_len(piece.text)
            if size + taken > width:
                yield _ended(line)
                line, size = [], 0
            line.append(piece)
            size += taken
    yield _ended(line)


def _ended(line: list[Part]) -> tuple[Part, ...]:
    """Without the blanks at its end."""
    while line and not line[-1].text.strip(" "):
        line.pop()
    return _joined(line)


def _joined(line: list[Part]) -> tuple[Part, ...]:
    """What has one style is one stretch."""
    found: list[Part] = []
    for one in line:
        if found and (found[-1].style, found[-1].apart) == (one.style, one.apart):
            found[-1] = replace(one, text=found[-1].text + one.text)
        else:
            found.append(one)
    return tuple(found)


def _words(parts: Iterable[Part]) -> Iterator[list[Part]]:
    """Words, whatever styles they have in them, and the blanks between them."""
    word: list[Part] = []
    for one in parts:
        for text in _WORDS.findall(one.text):
            piece = Part(text, one.style, one.apart)
            if text.startswith(" "):
                if word:
                    yield word
                yield [piece]
                word = []
            else:
                word.append(piece)
    if word:
        yield word


def _pieces(word: list[Part], width: int) -> Iterator[Part]:
    """A word that is longer than a line, in pieces of which some make a line."""
    for one in word:
        text, begun = one.text, 0
        while begun < len(text):
            # No more than a line can hold is looked at: measured whole for each line, a long word takes minutes.
            window = text[begun : begun + _WINDOW * width]
            at = len(window) if cell_len(window) <= width else _fitting(window, width)
            yield Part(window[:at], one.style, one.apart)
            begun += at


def _fitting(text: str, width: int) -> int:
    """How many characters fit into a line; at least one, or it would never end."""
    head = set_cell_size(text[: 8 * width], width).rstrip(" ")
    at = len(head)
    # Where a wide character does not fit, a blank takes its place.
    while at > 1 and not text.startswith(head[:at]):
        at -= 1
    return max(at, 1)


def from_right(text: str) -> bool:
    """Whether anything in it runs from the right."""
    return not text.isascii() and any(unicodedata.bidirectional(character) in _FROM_RIGHT for character in text)


def strip_of(row: Row, width: int) -> Strip:
    """The cells of a row, exactly so many: what is too long is cut."""
    end = row.end
    room = width - cells(row.edge) - cells(end)
    if room < 1 and end:
        end, room = (), width - cells(row.edge)
    parts = cut(row.parts, max(room, 0))
    space = Part(" " * max(room - cells(parts), 0))
    segments = [Segment(one.text, STYLES[one.style]) for one in row.edge]
    segments += _isolated(parts) if from_right("".join(one.text for one in parts)) else _segments(parts)
    segments += _segments((space, *end))
    return Strip(segments).adjust_cell_length(width)


def _segments(parts: Iterable[Part]) -> list[Segment]:
    return [Segment(one.text, STYLES[one.style]) for one in parts if one.text]


def _isolated(parts: Iterable[Part]) -> list[Segment]:
    """A row that runs from the right, or holds something that does: it moves nothing beside it."""
    kept = [one for one in parts if one.text]
    texts = [_alone(one.text) if one.apart or not from_right(one.text) else _LATIN.sub(_around, one.text)
             for one in kept]  # fmt: skip
    # With the text beside them: a segment without cells may be left out.
    texts[0], texts[-1] = f"{_FIRST_STRONG}{texts[0]}", f"{texts[-1]}{_POP}"
    return [Segment(text, STYLES[one.style]) for text, one in zip(texts, kept, strict=True)]


def _around(found: re.Match[str]) -> str:
    return f"{_FIRST_STRONG}{found.group()}{_POP}"


def _alone(text: str) -> str:
    """A text with its own direction; the blanks around it belong to the row."""
    inner = text.strip(" ")
    return text.replace(inner, f"{_FIRST_STRONG}{inner}{_POP}") if inner else text
