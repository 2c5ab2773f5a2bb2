"""The report of a bundle as a print: the page of `templates/report.html`, on A4.

Its fonts come along, so that it looks the same wherever it was made; what they have no letters for is
shown as its number, never left out.
"""

from __future__ import annotations

import logging
import unicodedata
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Final

from amanah_client.audit.export_report import ReportMessage, ReportRoom, ReportView, _, missing
from amanah_client.audit.report import Finding, Severity
from amanah_client.audit.table import Line, nations, short, size_words
from amanah_client.audit.words import between
from amanah_client.moments import moment
from amanah_client.visible import shown
from amanah_protocol.labels import Label

if TYPE_CHECKING:
    from fpdf import FPDF

_FONTS: Final = Path(__file__).with_name("fonts")
_INK: Final = (28, 35, 33)
_INK_3: Final = (95, 104, 100)
_LINE: Final = (203, 197, 183)
_CRIT: Final = (163, 32, 27)
_OK: Final = (31, 107, 58)
_ACCENT: Final = (15, 90, 74)
_TLP: Final = {
    Label.CLEAR: (255, 255, 255),
    Label.GREEN: (51, 255, 0),
    Label.AMBER: (255, 192, 0),
    Label.AMBER_STRICT: (255, 192, 0),
    Label.RED: (255, 43, 43),
}
_MARGIN: Final = 16.0
_NUMBER_WIDTH: Final = 30.0
_JOINED: Final = 0x0590
"""Where the scripts begin whose letters are joined or run from right to left."""
_TEXT: Final = "text"
_MONO: Final = "mono"


def render_pdf(view: ReportView, exported_ms: int) -> Iterable[bytes]:
    """The print.

    Args:
        view: What it says.
        exported_ms: The time of the export, which the file names as its own.

    Raises:
        UsageError: `CONFIG` when the extra `reports` is not installed.
    """
    try:
        import fpdf  # noqa: PLC0415 - nothing but an export needs it, and it takes long to import
        import uharfbuzz  # noqa: F401, PLC0415 - without it Arabic would be printed letter by letter
    except ImportError as error:
        raise missing("fpdf2 with uharfbuzz") from error
    # It tells of every table of a font that it leaves out.
    logging.getLogger("fontTools.subset").setLevel(logging.ERROR)

    class Sheet(fpdf.FPDF):
        """A4; below, of which log it is, and which of how many sheets: one that is lost or added shows."""

        def footer(self) -> None:
            """The log, the number of the page and how many there are."""
            shaping, self.text_shaping = self.text_shaping, None
            self.set_y(-12)
            self.set_font(_TEXT, size=7.5)
            self.set_text_color(*_INK_3)
            self.cell(self.epw - _NUMBER_WIDTH, 4, shown(view.named))
            # fpdf writes how many there are into the finished sheets.
            self.cell(
                _NUMBER_WIDTH, 4, _("page {number} of {all}").format(number=self.page_no(), all="{nb}"), align="R"
            )
            self.text_shaping = shaping

    pdf = Sheet(format="A4")
    pdf.set_creation_date(datetime.fromtimestamp(exported_ms // 1000, UTC))
    pdf.set_title(shown(view.title))
    pdf.set_lang("en")
    pdf.set_margin(_MARGIN)
    pdf.set_auto_page_break(auto=True, margin=18)
    pdf.add_font(_TEXT, fname=_FONTS / "DejaVuSans.ttf")
    pdf.add_font(_TEXT, style="B", fname=_FONTS / "DejaVuSans-Bold.ttf")
    pdf.add_font(_MONO, fname=_FONTS / "DejaVuSansMono.ttf")
    pdf.add_page()
    _Print(pdf).all(view)
    return (bytes(pdf.output()),)


class _Print:
    """Puts a report on sheets."""

    def __init__(self, pdf: FPDF) -> None:
        self._pdf = pdf
        self._letters = frozenset(pdf.fonts[_TEXT].cmap)  # type: ignore[union-attr]  # it is one of ours, no core font

    def all(self, view: ReportView) -> None:
        """The whole report."""
        self._text(view.title, size=15, bold=True, height=7.5)
        self._text(
            _("A report for people. The evidence itself stands beside this page in the same file."), color=_INK_3
        )
        self._verdict(view)
        for name, value in view.facts:
            self._fact(name, value)
        self._heading(_("Read this first"))
        for text in view.limits:
            self._text(f"• {text}", gap=1)
        self._text(_("Check it yourself, on any machine, without a network:"), gap=1)
        for command in ("amanah audit check", "python amanah-verify.py"):
            self._text(f"{command} evidence.amanah --policy community.policy", font=_MONO, size=8)
        self._pdf.ln(1)
        for text in view.checking:
            self._text(f"• {text}", gap=1)
        if view.findings:
            self._heading(_("What was found"))
            for found in view.findings:
                self._finding(found)
        if view.messages:
            self._heading(_("Disclosed messages"))
            for message in view.messages:
                self._message(message)
        self._heading(_("Rooms"))
        for room in view.rooms:
            self._room(room)
        self._more(_("Further rooms, in the files for analysis: {count}"), view.more_rooms)
        self._heading(_("Who told whom what class of thing, when"))
        self._entries(view.entries)
        self._more(_("Further entries, in entries.csv and entries.jsonl of the same file: {count}"), view.more_entries)

    def _more(self, text: str, count: int) -> None:
        if count:
            self._text(text.format(count=count), color=_INK_3)

    def _finding(self, found: Finding) -> None:
        where = _("the whole record") if found.index is None else _("entry {index}").format(index=found.index)
        bad = found.severity is Severity.FAULT
        sort = _("Fault") if bad else _("Remark")
        self._text(f"{sort}, {where}: {found.text} [{found.code}]", color=_CRIT if bad else _INK, gap=1)

    def _safe(self, text: str) -> str:
        safe = "".join(
            letter if letter == "\n" or ord(letter) in self._letters else f"<U+{ord(letter):04X}>"
            for letter in shown(text)
        )
        self._shape(safe)
        return safe

    def _shape(self, text: str) -> None:
        """Shape what follows if its letters are joined or run from right to left: it takes four times as long."""
        self._pdf.set_text_shaping(use_shaping_engine=any(ord(letter) >= _JOINED for letter in text))

    def _text(
        self,
        text: str,
        *,
        size: float = 8.5,
        bold: bool = False,
        font: str = _TEXT,
        color: tuple[int, int, int] = _INK,
        height: float = 4.4,
        gap: float = 0,
        indent: float = 0,
        align: str = "L",
    ) -> None:
        pdf = self._pdf
        pdf.set_font(font, style="B" if bold else "", size=size)
        pdf.set_text_color(*color)
        pdf.set_x(_MARGIN + indent)
        pdf.multi_cell(pdf.epw - indent, height, self._safe(text), align=align, new_x="LMARGIN", new_y="NEXT")
        if gap:
            pdf.ln(gap)

    def _heading(self, text: str) -> None:
        if self._pdf.will_page_break(24):
            self._pdf.add_page()
        self._pdf.ln(4)
        self._text(text, size=11.5, bold=True, height=6, gap=1)

    def _rule(self, top: float, color: tuple[int, int, int]) -> None:
        """A bar at the inline start of what was printed since `top`, where that is on one sheet."""
        pdf = self._pdf
        if pdf.get_y() > top:
            pdf.set_fill_color(*color)
            pdf.rect(_MARGIN, top, 1.1, pdf.get_y() - top, style="F")

    def _verdict(self, view: ReportView) -> None:
        pdf = self._pdf
        pdf.ln(3)
        top, color = pdf.get_y(), _OK if view.holds else _CRIT
        self._text(view.by, size=7.5, color=_INK_3, height=4, indent=4)
        self._text(view.verdict, size=9.5, bold=True, color=_INK if view.holds else _CRIT, height=5, indent=4)
        self._rule(top, color)
        pdf.ln(3)

    def _fact(self, name: str, value: str) -> None:
        pdf = self._pdf
        pdf.set_font(_TEXT, size=8.5)
        pdf.set_text_color(*_INK_3)
        pdf.cell(30, 4.6, self._safe(name))
        pdf.set_text_color(*_INK)
        pdf.multi_cell(pdf.epw - 30, 4.6, self._safe(value), align="L", new_x="LMARGIN", new_y="NEXT")

    def _tlp(self, label: Label) -> None:
        pdf = self._pdf
        pdf.set_font(_TEXT, style="B", size=7.5)
        pdf.set_fill_color(0, 0, 0)
        pdf.set_text_color(*_TLP[label])
        pdf.cell(pdf.get_string_width(label.text) + 3, 4.4, label.text, fill=True, align="C")
        pdf.cell(2, 4.4, "")

    def _message(self, message: ReportMessage) -> None:
        pdf = self._pdf
        if pdf.will_page_break(26):
            pdf.add_page()
        top = pdf.get_y()
        pdf.set_x(_MARGIN + 4)
        self._tlp(message.label)
        pdf.set_font(_TEXT, style="B", size=8.5)
        pdf.set_text_color(*_INK)
        head = f"{message.sender}, {_('log index')} {message.index}, {message.precedence}"
        pdf.multi_cell(0, 4.4, self._safe(head), align="L", new_x="LMARGIN", new_y="NEXT")
        pdf.ln(1)
        if message.alarm:
            self._text(message.alarm, color=_CRIT, bold=True, indent=4)
        for text in message.said:
            self._text(text or " ", size=9.5, height=5, indent=4, align="R" if _is_rtl(text) else "L")
        pdf.ln(1)
        for name, value in message.times:
            self._text(f"{name} {value}", size=7.5, color=_INK_3, height=3.8, indent=4)
        self._rule(top, _ACCENT)
        pdf.ln(4)

    def _room(self, room: ReportRoom) -> None:
        pdf = self._pdf
        if pdf.will_page_break(22):
            pdf.add_page()
        pdf.set_font(_TEXT, style="B", size=9)
        pdf.set_text_color(*_INK)
        pdf.cell(pdf.get_string_width(f"{_('Room')} {room.name}") + 4, 4.6, f"{_('Room')} {room.name}")
        if room.ceiling is not None:
            pdf.set_font(_TEXT, size=7.5)
            pdf.set_text_color(*_INK_3)
            pdf.cell(pdf.get_string_width(_("up to")) + 3, 4.6, _("up to"))
            self._tlp(room.ceiling)
        pdf.ln(5.4)
        self._text(room.opened)
        self._text(room.period, size=7.5, color=_INK_3, height=3.8)
        self._text(room.room, font=_MONO, size=7.5, color=_INK_3, height=3.8, gap=1)
        self._text(f"{_('In it at the end')}: {nations(room.members) or _('nobody')}", gap=1)
        if room.changes:
            self._table(
                (_("Accepted"), _("Who changed the circle, and how"), _("Then in it")),
                (31, 87, 60),
                ((change.at, change.text, nations(change.members)) for change in room.changes),
            )
        pdf.ln(4)

    def _entries(self, entries: Sequence[Line]) -> None:
        if not entries:
            self._text(_("No entry of a room is shown in this file."), color=_INK_3)
            return
        self._table(
            (
                _("Log"),
                _("Accepted\nclaimed\nwitnessed"),
                _("Label"),
                _("From, and what"),
                _("Who could read"),
                _("State"),
            ),
            (11, 33, 24, 56, 36, 18),
            (self._entry(line) for line in entries),
        )

    def _entry(self, line: Line) -> tuple[str, ...]:
        entry = line.entry
        dated = between(entry.witnessed).replace("witnessed between ", "").replace(" and ", " …\n")
        precedence, size = entry.precedence.name.lower(), size_words(entry.kind, entry.size_class)
        about = f"{_('room')} {short(entry.room)}, {precedence}, {size}"
        return (
            str(entry.index),
            f"{moment(entry.accepted_at_ms)}\n{moment(entry.sent_at_ms)}\n{dated}",
            entry.label.text,
            f"{entry.sender.text}: {line.said}\n{about}",
            nations(entry.readers).replace(", ", "\n") or _("nobody"),
            line.state,
        )

    def _table(self, names: Sequence[str], widths: Sequence[int], rows: Iterable[Sequence[str]]) -> None:
        from fpdf.enums import TableBordersLayout, VAlign  # noqa: PLC0415 - as where the sheet is made
        from fpdf.fonts import FontFace  # noqa: PLC0415 - as above

        pdf, found = self._pdf, list[str]()
        pdf.set_font(_TEXT, size=6.8)
        pdf.set_text_color(*_INK)
        pdf.set_draw_color(*_LINE)
        with pdf.table(
            borders_layout=TableBordersLayout.HORIZONTAL_LINES,
            col_widths=tuple(widths),
            headings_style=FontFace(emphasis="BOLD", color=_INK_3),
            line_height=3.5,
            padding=(0.8, 1.2, 0.8, 0),
            text_align="LEFT",
            v_align=VAlign.T,
            width=pdf.epw,
        ) as table:
            for cells in (names, *rows):
                bad = cells[-1].startswith("FAULT")
                row = table.row(style=FontFace(emphasis="BOLD", color=_CRIT) if bad else None)
                for cell in cells:
                    row.cell(self._safe(cell))
                    found.append(cell)
            # They are printed when the table ends, all of them in one way.
            self._shape("".join(found))


def _is_rtl(text: str) -> bool:
    strong = (unicodedata.bidirectional(letter) for letter in text)
    return next((kind for kind in strong if kind in {"L", "R", "AL"}), "L") != "L"
