"""A report as a print."""

from __future__ import annotations

from amanah_client.prints import ACCENT, CRIT, INK, INK_3, LINE, MARGIN, Print, is_rtl, new_sheets
from amanah_client.report.page import missing
from amanah_client.report.report import DRILL, Fact, Item, Report

_NAMES_MM = 42.0


def render_sheet(report: Report, made_ms: int) -> bytes:
    """The whole print.

    Args:
        report: What it says.
        made_ms: The time that the file names as its own.

    Raises:
        UsageError: `CONFIG` when the extra `reports` is not installed.
    """
    # Each sheet says what it is: one that is found alone is not taken for less, or for real.
    named = f"{'DRILL, ' if report.drill else ''}{report.label.text}, {report.title}"
    try:
        pdf = new_sheets(title=report.title, named=named, page="page {number} of {all}", made_ms=made_ms)
    except ImportError as error:
        raise missing("fpdf2 with uharfbuzz") from error
    sheets = _Sheets(pdf)
    sheets.all(report)
    return bytes(pdf.output())


class _Sheets(Print):
    """Puts a report on sheets."""

    def all(self, report: Report) -> None:
        """The whole of it."""
        if report.drill:
            self.text(DRILL, size=10, bold=True, color=CRIT, height=6, gap=1)
        self.text(report.title, size=15, bold=True, height=7.5, gap=1)
        self.tlp(report.label)
        self.text(report.audience, indent=self.pdf.get_x() - MARGIN)
        for section in report.sections:
            self.heading(section.heading)
            if section.note:
                self.text(section.note, color=INK_3, gap=1)
            for item in section.items:
                self._item(item, drill=report.drill)

    def _item(self, item: Item, *, drill: bool) -> None:
        pdf = self.pdf
        if pdf.will_page_break(20):
            pdf.add_page()
        top = pdf.get_y()
        if item.source is not None:
            pdf.set_x(MARGIN + 4)
            if item.label is not None:
                self.tlp(item.label)
            place = f"DRILL {item.source.text}" if drill else item.source.text
            self.text(place, size=7.5, color=CRIT if drill else INK_3, indent=pdf.get_x() - MARGIN)
        for fact in item.facts:
            self._said(fact)
        for quote in item.quotes:
            if quote.caption:
                self.text(f"{quote.caption}:", size=7.5, color=INK_3, indent=4)
            for line in quote.text.split("\n"):
                self.text(line or " ", size=9.5, height=5, indent=4, align="R" if is_rtl(line) else "L")
        self.rule(top, CRIT if item.alarm else ACCENT if item.quotes else LINE)
        pdf.ln(2.5)

    def _said(self, fact: Fact) -> None:
        pdf = self.pdf
        source = "" if fact.source is None else f" ({fact.source.text})"
        pdf.set_font("text", size=8.5)
        pdf.set_text_color(*INK_3)
        name = self.safe(fact.name)
        pdf.set_x(MARGIN + 4)
        if pdf.get_string_width(name) + 2 * pdf.c_margin > _NAMES_MM:
            # A name that is longer than its column stands above: its value would be printed over its end.
            self.text(name, color=INK_3, height=4.6, indent=4)
        else:
            pdf.cell(_NAMES_MM, 4.6, name)
        color = CRIT if fact.missing else INK
        self.text(f"{fact.value}{source}", color=color, height=4.6, indent=4 + _NAMES_MM)
