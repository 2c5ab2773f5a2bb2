"""A report as a page of its own: everything in it, no script, nothing remote, no link but to its own lines."""

from __future__ import annotations

from functools import cache
from importlib import resources
from typing import TYPE_CHECKING

from amanah_client.report.report import DRILL, Report
from amanah_client.visible import shown
from amanah_protocol.errors import Code, UsageError

if TYPE_CHECKING:
    from jinja2 import Template


def render_page(report: Report) -> str:
    """The whole page.

    Raises:
        UsageError: `CONFIG` when the extra `reports` is not installed.
    """
    lines = (item for section in report.sections if section.lines for item in section.items)
    own = {item.source.id for item in lines if item.source is not None}
    page = _template().render(report=report, drill=DRILL, own=own)
    return page.encode("utf-8", "backslashreplace").decode()


@cache
def _template() -> Template:
    try:
        import jinja2  # noqa: PLC0415 - nothing but a page needs it
    except ImportError as error:
        raise missing("Jinja2") from error
    environment = jinja2.Environment(
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        # Whatever is printed was made safe to show; what the template made itself is no plain text any more.
        finalize=lambda value: shown(value) if type(value) is str else value,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    text = resources.files("amanah_client.report").joinpath("templates/report.html").read_text(encoding="utf-8")
    return environment.from_string(text)


def missing(package: str) -> UsageError:
    """What a report says when it cannot be made in a form."""
    hint = "Install the extra: pip install 'amanah[reports]'; `--form markdown` does without."
    return UsageError(Code.CONFIG, f"{package} is not installed, which makes this form of a report", hint=hint)
