"""What every template and style sheet of a web face keeps to, read from its text."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest
from jinja2 import Environment

import amanah_client

CLIENT: Final = Path(amanah_client.__file__).parent
FACES: Final = ("web", "console")
"""The frame, and what stands in it."""
TEMPLATES: Final = sorted(path for face in FACES for path in CLIENT.glob(f"{face}/templates/*.html"))
SHEETS: Final = sorted(path for face in FACES for path in CLIENT.glob(f"{face}/static/*.css"))
SCRIPTS: Final = sorted(path for face in FACES for path in CLIENT.glob(f"{face}/static/*.js"))

SPOKEN: Final = frozenset({"alt", "aria-label", "data-heading", "data-opening", "data-refused", "placeholder", "title"})
"""Attributes that people read."""
ALLOWED: Final = frozenset({"2026-11-23T12:00", "2026-11-24", "Z", "amanah audit ask", "amanah audit check"})
PHYSICAL: Final = re.compile(
    r"(?:^|[;{\s])(?:margin|padding|border|inset)?-?(?:left|right|top|bottom)(?:-\w+)?\s*:|(?:^|[;{\s])(?:min-|max-)?(?:width|height)\s*:"
    r"|text-align\s*:\s*(?:left|right)|float\s*:"
)


def untranslated(source: str) -> Iterator[str]:
    """Words that stand in a template outside of gettext: as text, or in an attribute that people read."""
    bare, inside = [], False
    for _, kind, value in Environment(extensions=["jinja2.ext.i18n"], autoescape=True).lex(source):
        if kind == "name" and value in {"trans", "endtrans"}:
            inside = value == "trans"
        elif kind == "data" and not inside:
            bare.append(value)
        elif kind == "variable_begin":
            bare.append("\u0001")
    text = "".join(bare)
    for name, value in re.findall(r'([\w-]+)="([^"]*)"', text):
        if name in SPOKEN and re.search(r"[A-Za-z]{2}", value):
            yield f'{name}="{value}"'
    without = re.sub(r"<(?:code|script)\b[^>]*>.*?</(?:code|script)>|<[^>]*>|<!--.*?-->", " ", text, flags=re.DOTALL)
    yield from (word for word in re.findall(r"[A-Za-z][A-Za-z']+", without))


@pytest.mark.parametrize("path", TEMPLATES, ids=lambda path: path.name)
def test_every_word_of_a_template_goes_through_gettext(path: Path) -> None:
    assert list(untranslated(path.read_text(encoding="utf-8"))) == []


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ("<p>{% trans %}Hello{% endtrans %}</p>", []),
        ("<p>Hello</p>", ["Hello"]),
        ("<p>{{ name }} said</p>", ["said"]),
        ('<img alt="A seal">', ['alt="A seal"']),
        ('<img alt="{% trans %}A seal{% endtrans %}">', []),
        ("{# Hello #}<code>amanah audit</code>", []),
    ],
)
def test_words_outside_of_gettext_are_found(source: str, found: list[str]) -> None:
    assert list(untranslated(source)) == found


@pytest.mark.parametrize("path", TEMPLATES, ids=lambda path: path.name)
def test_no_template_has_a_script_or_a_style_of_its_own(path: Path) -> None:
    source = path.read_text(encoding="utf-8")
    assert not re.search(r"<style|\sstyle=|\son\w+=|javascript:|<script(?![^>]*\ssrc=)", source)


@pytest.mark.parametrize("path", TEMPLATES, ids=lambda path: path.name)
def test_no_template_trusts_what_it_shows(path: Path) -> None:
    source = path.read_text(encoding="utf-8")
    assert not re.search(r"\|\s*safe\b|autoescape|Markup", source)


@pytest.mark.parametrize("path", [*TEMPLATES, *SHEETS, *SCRIPTS], ids=lambda path: path.name)
def test_nothing_names_another_place(path: Path) -> None:
    source = path.read_text(encoding="utf-8").replace("http://www.w3.org/2000/svg", "")
    assert not re.search(r"https?:|//[a-z]|@import|url\(", source)


@pytest.mark.parametrize("path", SHEETS, ids=lambda path: path.name)
def test_a_sheet_serves_both_directions(path: Path) -> None:
    assert PHYSICAL.findall(path.read_text(encoding="utf-8")) == []


@pytest.mark.parametrize(
    "rule", ["a{left:0}", "a{margin-left:1px}", "a{ width:2px}", "a{text-align:right}", "a{float:left}"]
)
def test_a_rule_for_one_direction_is_found(rule: str) -> None:
    assert PHYSICAL.findall(rule)


@pytest.mark.parametrize(
    "rule", ["a{inset-inline-start:0}", "a{inline-size:1px}", "a{stroke-width:1}", "a{text-align:end}"]
)
def test_a_rule_for_both_directions_is_not(rule: str) -> None:
    assert not PHYSICAL.findall(rule)


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.name)
def test_a_script_writes_text_alone(path: Path) -> None:
    assert not re.search(
        r"innerHTML|outerHTML|insertAdjacent|document\.write|eval\(|Function\(|import\(", path.read_text("utf-8")
    )


def test_the_files_that_the_rules_read_are_there() -> None:
    assert {"door.html", "frame.html"} <= {path.name for path in TEMPLATES}
    assert "frame.css" in {path.name for path in SHEETS}
    assert "launch.js" in {path.name for path in SCRIPTS}
