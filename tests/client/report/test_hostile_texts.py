"""What others write stands in a report as text: no script, no link, no picture, no heading of theirs."""

from __future__ import annotations

import random
import re
from datetime import UTC
from html.parser import HTMLParser

import pytest

from amanah_client.report.markdown import render_markdown
from amanah_client.report.page import render_page
from amanah_client.report.report import Report
from amanah_client.report.room import room_report
from amanah_client.report.sheet import render_sheet
from amanah_protocol.content.incident import Incident
from amanah_protocol.content.revision import Correction, Withdrawal
from amanah_protocol.content.task import Task, TaskMoved, TaskState
from amanah_protocol.content.text import Text
from amanah_protocol.labels import Label
from tests.client.report.told import MA, START_MS, A, B, Talk, id_of

PIECES = (
    "<script>alert(1)</script>", "</blockquote></main>", "<img src=x onerror=alert(1)>", "![x](http://198.51.100.1/x)",
    "[click](javascript:alert(1))", "<http://198.51.100.1>", "https://www.example.org/a", "user@example.org",
    "\n# Report of another room\n", "\n~~~\n", "\n~~~~~~~~\n", "```", "`", "\n- drill or real: `x`\n", "|a|b|\n|-|-|",
    "\u202egnp.exe", "\u2066", "\x1b]8;;http://198.51.100.1\x07", "\r\n\r\n", "\x00", "{{ 7*7 }}", "{% raw %}", "&lt;",
    "<style>*{display:none}</style>", "<meta http-equiv=refresh content=0>", "<base href=//198.51.100.1>", "\u2028",
    "<a href=//198.51.100.1>x</a>", "<iframe srcdoc=x>", "DRILL", "سكريبت", "<!--", "-->", "<![CDATA[", "'",
)  # fmt: skip
SEEDS = range(200)


def hostile(seed: int) -> str:
    chosen = random.Random(seed)
    return "".join(chosen.choice(PIECES) for _ in range(chosen.randint(1, 6))) or "x"


def report_of(text: str) -> Report:
    talk = Talk(title=text[:200])
    talk.say(A, Incident(title=text[:200]))
    talk.say(B, Text(text=text))
    talk.say(B, Correction(message=id_of(2), text=text))
    talk.say(B, Task(id=bytes(16), what=text, nation=MA))
    talk.say(B, TaskMoved(id=bytes(16), state=TaskState.REFUSED, reason=text))
    talk.say(B, Text(text="x"))
    talk.say(B, Withdrawal(message=id_of(6), reason=text))
    return room_report(talk.given, asked=Label.AMBER, zone=UTC)


class Tags(HTMLParser):
    """The elements of a page, with what they have."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))


def skeleton(page: str) -> list[str]:
    return [tag for tag, _ in Tags(page).found if tag not in {"p", "bdi"}]


CALM = "calm"


@pytest.mark.parametrize("seed", SEEDS)
def test_a_page_has_the_elements_that_it_has_with_calm_texts(seed: int) -> None:
    page = render_page(report_of(hostile(seed)))
    assert skeleton(page) == skeleton(render_page(report_of(CALM)))
    for tag, has in Tags(page).found:
        assert not any(name.startswith("on") or name in {"src", "srcset", "action"} for name in has)
        assert tag != "a" or (has["href"] or "").startswith("#e-")


def test_a_page_allows_nothing_but_its_own_style() -> None:
    metas = [has for tag, has in Tags(render_page(report_of(CALM))).found if tag == "meta"]
    policy = next(has["content"] for has in metas if has.get("http-equiv") == "Content-Security-Policy")
    assert policy == "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"


def outside_code(markdown: str) -> list[str]:
    """The lines of Markdown without what stands in code (CommonMark 4.5 and 6.1)."""
    lines, fence = [], ""
    for line in markdown.split("\n"):
        closing = re.fullmatch(r" {0,3}(~{3,}) *", line)
        if fence:
            fence = "" if closing and len(closing[1]) >= len(fence) else fence
        elif (opening := re.match(r" {0,3}(~{3,})", line)) is not None:
            fence = opening[1]
        else:
            lines.append(re.sub(r"(?<!`)(`+)(?!`)(.+?)(?<!`)\1(?!`)", "CODE", line))
    assert fence == ""
    return lines


@pytest.mark.parametrize("seed", SEEDS)
def test_markdown_outside_of_code_is_what_it_is_with_calm_texts(seed: int) -> None:
    assert outside_code(render_markdown(report_of(hostile(seed)))) == outside_code(render_markdown(report_of(CALM)))


@pytest.mark.parametrize("seed", SEEDS[:10])
def test_nothing_hidden_reaches_a_reader(seed: int) -> None:
    report = report_of(hostile(seed) + "\u202e\x1b\u2028\x00")
    for form in (render_markdown(report), render_page(report)):
        assert not set(form) & set("\u202e\x1b\u2028\x00\u2066\x07\r")
    assert render_sheet(report, START_MS).startswith(b"%PDF")
