"""The report of a bundle as a print: the page of `templates/report.html`, on A4."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from amanah_client.audit.export_report import ReportMessage, ReportRoom, ReportView, _, missing
from amanah_client.audit.report import Finding, Severity
from amanah_client.audit.table import Line, nations, short, size_words
from amanah_client.audit.words import between
from amanah_client.moments import moment
from amanah_client.prints import ACCENT, CRIT, INK, INK_3, LINE, MARGIN, MONO, OK, TEXT, Print, is_rtl, new_sheets


def render_pdf(view: ReportView, exported_ms: int) -> Iterable[bytes]:
    """The print.

    Args:
        view: What it says.
        exported_ms: The time of the export, which the file names as its own.

    Raises:
        UsageError: `CONFIG` when the extra `reports` is not installed.
    """
    try:
        pdf = new_sheets(title=view.title, named=view.named, page=_("page {number} of {all}"), made_ms=exported_ms)
    except ImportError as error:
        raise missing("fpdf2 with uharfbuzz") from error
    _Print(pdf).all(view)
    return (bytes(pdf.output()),)


class _Print(Print):
    """Puts a report on sheets."""

    def all(self, view: ReportView) -> None:
        """The whole report."""
        self.text(view.title, size=15, bold=True, height=7.5)
        self.text(_("A report for people. The evidence itself stands beside this page in the same file."), color=INK_3)
        self._verdict(view)
        for name, value in view.facts:
            self.fact(name, value)
        self.heading(_("Read this first"))
        for text in view.limits:
            self.text(f"• {text}", gap=1)
        self.text(_("Check it yourself, on any machine, without a network:"), gap=1)
        for command in ("amanah audit check", "python amanah-verify.py"):
            self.text(f"{command} evidence.amanah --policy community.policy", font=MONO, size=8)
        self.pdf.ln(1)
        for text in view.checking:
            self.text(f"• {text}", gap=1)
        if view.findings:
            self.heading(_("What was found"))
            for found in view.findings:
                self._finding(found)
        if view.messages:
            self.heading(_("Disclosed messages"))
            for message in view.messages:
                self._message(message)
        self.heading(_("Rooms"))
        for room in view.rooms:
            self._room(room)
        self._more(_("Further rooms, in the files for analysis: {count}"), view.more_rooms)
        self.heading(_("Who told whom what class of thing, when"))
        self._entries(view.entries)
        self._more(_("Further entries, in entries.csv and entries.jsonl of the same file: {count}"), view.more_entries)

    def _more(self, text: str, count: int) -> None:
        if count:
            self.text(text.format(count=count), color=INK_3)

    def _finding(self, found: Finding) -> None:
        where = _("the whole record") if found.index is None else _("entry {index}").format(index=found.index)
        bad = found.severity is Severity.FAULT
        sort = _("Fault") if bad else _("Remark")
        self.text(f"{sort}, {where}: {found.text} [{found.code}]", color=CRIT if bad else INK, gap=1)

    def _verdict(self, view: ReportView) -> None:
        pdf = self.pdf
        pdf.ln(3)
        top, color = pdf.get_y(), OK if view.holds else CRIT
        self.text(view.by, size=7.5, color=INK_3, height=4, indent=4)
        self.text(view.verdict, size=9.5, bold=True, color=INK if view.holds else CRIT, height=5, indent=4)
        self.rule(top, color)
        pdf.ln(3)

    def _message(self, message: ReportMessage) -> None:
        pdf = self.pdf
        if pdf.will_page_break(26):
            pdf.add_page()
        top = pdf.get_y()
        pdf.set_x(MARGIN + 4)
        self.tlp(message.label)
        pdf.set_font(TEXT, style="B", size=8.5)
        pdf.set_text_color(*INK)
        head = f"{message.sender}, {_('log index')} {message.index}, {message.precedence}"
        pdf.multi_cell(0, 4.4, self.safe(head), align="L", new_x="LMARGIN", new_y="NEXT")
        pdf.ln(1)
        if message.alarm:
            self.text(message.alarm, color=CRIT, bold=True, indent=4)
        for text in message.said:
            self.text(text or " ", size=9.5, height=5, indent=4, align="R" if is_rtl(text) else "L")
        pdf.ln(1)
        for name, value in message.times:
            self.text(f"{name} {value}", size=7.5, color=INK_3, height=3.8, indent=4)
        self.rule(top, ACCENT)
        pdf.ln(4)

    def _room(self, room: ReportRoom) -> None:
        pdf = self.pdf
        if pdf.will_page_break(22):
            pdf.add_page()
        pdf.set_font(TEXT, style="B", size=9)
        pdf.set_text_color(*INK)
        pdf.cell(pdf.get_string_width(f"{_('Room')} {room.name}") + 4, 4.6, f"{_('Room')} {room.name}")
        if room.ceiling is not None:
            pdf.set_font(TEXT, size=7.5)
            pdf.set_text_color(*INK_3)
            pdf.cell(pdf.get_string_width(_("up to")) + 3, 4.6, _("up to"))
            self.tlp(room.ceiling)
        pdf.ln(5.4)
        self.text(room.opened)
        self.text(room.period, size=7.5, color=INK_3, height=3.8)
        self.text(room.room, font=MONO, size=7.5, color=INK_3, height=3.8, gap=1)
        self.text(f"{_('In it at the end')}: {nations(room.members) or _('nobody')}", gap=1)
        if room.changes:
            self._table(
                (_("Accepted"), _("Who changed the circle, and how"), _("Then in it")),
                (31, 87, 60),
                ((change.at, change.text, nations(change.members)) for change in room.changes),
            )
        pdf.ln(4)

    def _entries(self, entries: Sequence[Line]) -> None:
        if not entries:
            self.text(_("No entry of a room is shown in this file."), color=INK_3)
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

        pdf, found = self.pdf, list[str]()
        pdf.set_font(TEXT, size=6.8)
        pdf.set_text_color(*INK)
        pdf.set_draw_color(*LINE)
        with pdf.table(
            borders_layout=TableBordersLayout.HORIZONTAL_LINES,
            col_widths=tuple(widths),
            headings_style=FontFace(emphasis="BOLD", color=INK_3),
            line_height=3.5,
            padding=(0.8, 1.2, 0.8, 0),
            text_align="LEFT",
            v_align=VAlign.T,
            width=pdf.epw,
        ) as table:
            for cells in (names, *rows):
                bad = cells[-1].startswith("FAULT")
                row = table.row(style=FontFace(emphasis="BOLD", color=CRIT) if bad else None)
                for cell in cells:
                    row.cell(self.safe(cell))
                    found.append(cell)
            # They are printed when the table ends, all of them in one way.
            self.shape("".join(found))
