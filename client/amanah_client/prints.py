"""Sheets of a print: A4, with fonts that come along, so that they look the same wherever they were made.

What the fonts have no letters for is shown as its number, never left out.
"""

from __future__ import annotations

import logging
import re
import unicodedata
from bisect import bisect_left
from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Final

from amanah_client.visible import shown
from amanah_protocol.labels import Label

if TYPE_CHECKING:
    from fpdf import FPDF

Color = tuple[int, int, int]

INK: Final = (28, 35, 33)
INK_3: Final = (95, 104, 100)
LINE: Final = (203, 197, 183)
CRIT: Final = (163, 32, 27)
OK: Final = (31, 107, 58)
ACCENT: Final = (15, 90, 74)
MARGIN: Final = 16.0
TEXT: Final = "text"
MONO: Final = "mono"

_FONTS: Final = Path(__file__).parent / "audit" / "fonts"
_TLP: Final = {
    Label.CLEAR: (255, 255, 255),
    Label.GREEN: (51, 255, 0),
    Label.AMBER: (255, 192, 0),
    Label.AMBER_STRICT: (255, 192, 0),
    Label.RED: (255, 43, 43),
}
_NUMBER_WIDTH: Final = 30.0
_JOINED: Final = 0x0590
"""Where the scripts begin whose letters are joined or run from right to left."""


def new_sheets(*, title: str, named: str, page: str, made_ms: int) -> FPDF:
    """Empty sheets; below, what they are of, and which of how many: one that is lost or added shows.

    Args:
        title: Of the file.
        named: What stands below each sheet.
        page: How its number is written, with `{number}` and `{all}`.
        made_ms: The time that the file names as its own.

    Raises:
        ImportError: fpdf2 or uharfbuzz is not installed.
    """
    import fpdf  # noqa: PLC0415 - nothing but a print needs it, and it takes long to import
    import uharfbuzz  # noqa: F401, PLC0415 - without it Arabic would be printed letter by letter

    # It tells of every table of a font that it leaves out.
    logging.getLogger("fontTools.subset").setLevel(logging.ERROR)

    class Sheet(fpdf.FPDF):
        """One with a foot."""

        def footer(self) -> None:
            """What it is of, the number of the page and how many there are."""
            shaping = self.text_shaping
            self.set_text_shaping(use_shaping_engine=_is_joined(named))
            self.set_y(-12)
            self.set_font(TEXT, size=7.5)
            self.set_text_color(*INK_3)
            self.cell(self.epw - _NUMBER_WIDTH, 4, shown(named))
            # fpdf writes how many there are into the finished sheets.
            self.cell(_NUMBER_WIDTH, 4, page.format(number=self.page_no(), all="{nb}"), align="R")
            self.text_shaping = shaping

    pdf = Sheet(format="A4")
    pdf.set_creation_date(datetime.fromtimestamp(made_ms // 1000, UTC))
    pdf.set_title(shown(title))
    pdf.set_lang("en")
    pdf.set_margin(MARGIN)
    pdf.set_auto_page_break(auto=True, margin=18)
    pdf.add_font(TEXT, fname=_FONTS / "DejaVuSans.ttf")
    pdf.add_font(TEXT, style="B", fname=_FONTS / "DejaVuSans-Bold.ttf")
    pdf.add_font(MONO, fname=_FONTS / "DejaVuSansMono.ttf")
    pdf.add_page()
    return pdf


class Print:
    """Puts text on sheets: paragraphs, headings, facts, labels."""

    def __init__(self, pdf: FPDF) -> None:
        self.pdf = pdf
        self._letters = frozenset(pdf.fonts[TEXT].cmap)  # type: ignore[union-attr]  # it is one of ours, no core font

    def safe(self, text: str) -> str:
        """Text as it is printed: what would hide or reorder, and what the fonts have no letter for, as numbers."""
        safe = "".join(
            letter if letter == "\n" or ord(letter) in self._letters else f"<U+{ord(letter):04X}>"
            for letter in shown(text)
        )
        self.shape(safe)
        return safe

    def shape(self, text: str) -> None:
        """Shape what follows if its letters are joined or run from right to left: it takes four times as long."""
        self.pdf.set_text_shaping(use_shaping_engine=_is_joined(text))

    def text(
        self,
        text: str,
        *,
        size: float = 8.5,
        bold: bool = False,
        font: str = TEXT,
        color: Color = INK,
        height: float = 4.4,
        gap: float = 0,
        indent: float = 0,
        align: str = "L",
    ) -> None:
        """A paragraph."""
        pdf = self.pdf
        pdf.set_font(font, style="B" if bold else "", size=size)
        pdf.set_text_color(*color)
        pdf.set_x(MARGIN + indent)
        self._paragraph(self.safe(text), width=pdf.epw - indent, height=height, align=align)
        if gap:
            pdf.ln(gap)

    def _paragraph(self, text: str, *, width: float, height: float, align: str = "L") -> None:
        """Lines from here on, `width` wide; the next thing begins at the margin below them."""
        pdf = self.pdf
        if not _is_joined(text):
            pdf.multi_cell(width, height, text, align=align, new_x="LMARGIN", new_y="NEXT")
            return
        left, margin = pdf.get_x() + pdf.c_margin, pdf.c_margin
        room, pdf.c_margin = width - 2 * margin, 0
        for line, rtl_base in self._folded(text, room):
            runs = visual_runs(line, rtl_base=rtl_base)
            wide = sum(self._width(run, rtl=rtl) for run, rtl in runs)
            pdf.set_x(left + (room - wide if align == "R" else 0))
            for run, rtl in runs:
                run_wide = self._width(run, rtl=rtl)
                pdf.cell(run_wide, height, run)
            pdf.ln(height)
        pdf.c_margin = margin
        pdf.set_text_shaping(use_shaping_engine=False)

    def _width(self, text: str, *, rtl: bool) -> float:
        """Of text of one direction, in which it is shaped and printed next."""
        self.pdf.set_text_shaping(use_shaping_engine=True, direction="rtl" if rtl else "ltr")
        return float(self.pdf.get_string_width(text))

    def _folded(self, text: str, width: float) -> Iterator[tuple[str, bool]]:
        """Lines that fit, broken between words, also inside a long one; each with its paragraph's direction."""
        for paragraph in text.split("\n"):
            rtl_base, line = is_rtl(paragraph), ""
            for word in re.findall(r"\S+\s*|\s+", paragraph):
                rest = word
                if line and not self._fits(line + rest, width):
                    yield line.rstrip(), rtl_base
                    line = ""
                while not self._fits(line + rest, width):
                    most = self._most(rest, width)
                    yield rest[:most], rtl_base
                    rest = rest[most:]
                line += rest
            yield line.rstrip(), rtl_base

    def _most(self, word: str, width: float) -> int:
        """How many letters of a word fit that is too long; at least one.

        Found by halves: one letter less at a time takes minutes for a word of a few thousand letters.
        """
        return bisect_left(range(1, len(word)), x=True, key=lambda count: not self._fits(word[:count], width))

    def _fits(self, text: str, width: float) -> bool:
        return len(text) <= 1 or self._width(text.rstrip(), rtl=False) <= width

    def heading(self, text: str) -> None:
        """A heading, on a sheet where something fits below it."""
        if self.pdf.will_page_break(24):
            self.pdf.add_page()
        self.pdf.ln(4)
        self.text(text, size=11.5, bold=True, height=6, gap=1)

    def rule(self, top: float, color: Color) -> None:
        """A bar at the inline start of what was printed since `top`, where that is on one sheet."""
        pdf = self.pdf
        if pdf.get_y() > top:
            pdf.set_fill_color(*color)
            pdf.rect(MARGIN, top, 1.1, pdf.get_y() - top, style="F")

    def fact(self, name: str, value: str) -> None:
        """A name and its value beside it."""
        pdf = self.pdf
        pdf.set_font(TEXT, size=8.5)
        pdf.set_text_color(*INK_3)
        pdf.cell(30, 4.6, self.safe(name))
        pdf.set_text_color(*INK)
        self._paragraph(self.safe(value), width=pdf.epw - 30, height=4.6)

    def tlp(self, label: Label) -> None:
        """A label in the colours of TLP 2.0; what follows stands on its line."""
        pdf = self.pdf
        pdf.set_font(TEXT, style="B", size=7.5)
        pdf.set_fill_color(0, 0, 0)
        pdf.set_text_color(*_TLP[label])
        pdf.cell(pdf.get_string_width(label.text) + 3, 4.4, label.text, fill=True, align="C")
        pdf.cell(2, 4.4, "")


def is_rtl(text: str) -> bool:
    """Whether the first letter that has a direction runs from right to left."""
    strong = (unicodedata.bidirectional(letter) for letter in text)
    return next((kind for kind in strong if kind in {"L", "R", "AL"}), "L") != "L"


def visual_runs(line: str, *, rtl_base: bool) -> list[tuple[str, bool]]:
    """A line's runs from left to right, each with whether it runs from right to left (Unicode TR 9, rules L1 and L2).

    fpdf2 knows two levels alone: it would print a number behind Arabic words in an English line at their wrong side.

    Args:
        line: The line.
        rtl_base: Whether the paragraph that it is of runs from right to left.
    """
    from fpdf.bidi import BidiParagraph  # noqa: PLC0415 - as where the sheets are made
    from fpdf.enums import TextDirection  # noqa: PLC0415 - the same

    base = TextDirection.RTL if rtl_base else TextDirection.LTR
    runs: list[tuple[str, int]] = []
    for one in BidiParagraph(line, base).get_characters_with_embedding_level():
        if runs and runs[-1][1] == one.embedding_level:
            runs[-1] = runs[-1][0] + one.character, one.embedding_level
        else:
            runs.append((one.character, one.embedding_level))
    for level in range(max((level for _, level in runs), default=0), 0, -1):
        runs = [
            run
            for inside, group in groupby(runs, key=lambda run, level=level: run[1] >= level)  # type: ignore[misc]  # bound at once
            for run in (reversed(list(group)) if inside else group)
        ]
    return [(text, level % 2 == 1) for text, level in runs]


def _is_joined(text: str) -> bool:
    return any(ord(letter) >= _JOINED for letter in text)
