"""The forms of a report, and what a file of each is called."""

from __future__ import annotations

from typing import Final, Literal, TypeAlias

from amanah_client.report.markdown import render_markdown
from amanah_client.report.page import render_page
from amanah_client.report.report import Report
from amanah_client.report.sheet import render_sheet

Form: TypeAlias = Literal["markdown", "html", "pdf"]
ENDINGS: Final[dict[Form, str]] = {"markdown": ".md", "html": ".html", "pdf": ".pdf"}


def rendered(report: Report, form: Form, now_ms: int) -> bytes:
    """A report in a form.

    Args:
        report: The report.
        form: Text with marks, a page, or a print.
        now_ms: When it is made, for the print.

    Raises:
        UsageError: `CONFIG` when the form needs an extra that is not installed.
    """
    if form == "html":
        return render_page(report).encode()
    if form == "pdf":
        return render_sheet(report, now_ms)
    return render_markdown(report).encode()
