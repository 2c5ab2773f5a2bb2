"""A report as Markdown: whatever others wrote stands in code, in which nothing is read as anything else."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from amanah_client.report.report import DRILL, Fact, Item, Report, Source
from amanah_client.visible import shown

_TICKS: Final = re.compile("`+")
_FENCES: Final = re.compile("~+")
_SHORTEST_FENCE: Final = 3


def render_markdown(report: Report) -> str:
    """The whole report."""
    return "\n".join(_lines(report)) + "\n"


def _lines(report: Report) -> Iterator[str]:
    yield f"# {_code(report.title)}"
    yield ""
    if report.drill:
        yield from (f"**{DRILL}**", "")
    yield f"**{report.label.text}** {report.audience}"
    for section in report.sections:
        yield from ("", f"## {section.heading}", "")
        if section.note:
            yield from (section.note, "")
        for item in section.items:
            yield from _item(item, drill=report.drill)


def _item(item: Item, *, drill: bool) -> Iterator[str]:
    if item.source is not None:
        mark = "DRILL " if drill else ""
        label = "" if item.label is None else f", {item.label.text}"
        yield from (f"### {mark}{_place(item.source)}{label}", "")
    yield from map(_fact, item.facts)
    yield ""
    for quote in item.quotes:
        if quote.caption:
            yield from (f"{quote.caption}:", "")
        # Each line of it, too: one that is copied out of here alone is still of an exercise.
        yield from (_fenced(quote.text, "DRILL  " if drill else ""), "")


def _fact(fact: Fact) -> str:
    value = _code(fact.value)
    source = "" if fact.source is None else f" ({_place(fact.source)})"
    # A nation's name is an address, which some readers would make a link of.
    name = _code(fact.name) if "." in fact.name else fact.name
    return f"- {name}: {f'**{value}**' if fact.missing else value}{source}"


def _place(source: Source) -> str:
    return source.text


def _code(text: str) -> str:
    """One line of code; between more backticks than any run of them in it."""
    safe = shown(text).replace("\n", " ").strip() or "-"
    ticks = "`" * (1 + max((len(run) for run in _TICKS.findall(safe)), default=0))
    pad = " " if safe.startswith("`") or safe.endswith("`") else ""
    return f"{ticks}{pad}{safe}{pad}{ticks}"


def _fenced(text: str, mark: str) -> str:
    """Lines of code, each behind a mark; none of them is a fence that would end it."""
    safe = mark + shown(text).replace("\n", f"\n{mark}")
    longest = max((len(run) for run in _FENCES.findall(safe)), default=0)
    fence = "~" * max(_SHORTEST_FENCE, longest + 1)
    return f"{fence}\n{safe}\n{fence}"
