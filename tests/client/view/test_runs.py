"""What people write, as blocks and runs: the subset that is drawn, and what hostile texts come to."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from amanah_client.view.indicators import defang, defanged, find_indicators, has_live
from amanah_client.view.runs import Block, Run, begun, parse, plain


def marked(text: str) -> list[tuple[str, str]]:
    """Text and marks of the runs of one line."""
    (block,) = parse(text)
    (line,) = block.lines
    return [
        (run.text, "b" * run.bold + "i" * run.italic + "c" * run.code + "x" * run.indicator) for run in line
    ]  # fmt: skip


def test_what_is_stressed_is_told_from_what_is_not() -> None:
    assert marked("a **b *c* d** _e_ `f`") == [
        ("a ", ""), ("b ", "b"), ("c", "bi"), (" d", "b"), (" ", ""), ("e", "i"), (" ", ""), ("f", "c"),
    ]  # fmt: skip


@pytest.mark.parametrize("text", ["2 * 3 * 4", "snake_case_name", "**open", "a* b *c", "*", "** **", "`open", "__"])
def test_marks_that_stress_nothing_are_text(text: str) -> None:
    assert marked(text) == [(text, "")]


def test_code_keeps_its_marks_and_a_block_of_it_its_lines() -> None:
    assert marked("`*a*`") == [("*a*", "c")]
    assert parse("```\n*a*\n  b\n```\nc") == (
        Block(kind="code", lines=((Run(text="*a*", code=True),), (Run(text="  b", code=True),))),
        Block(kind="text", lines=((Run(text="c"),),)),
    )


def test_a_fence_that_nothing_closes_is_text() -> None:
    assert [(block.kind, block.plain) for block in parse("```\na")] == [("text", "```\na")]


def test_quotes_and_lists_are_blocks_and_numbers_stay_the_authors() -> None:
    found = [(block.kind, block.plain) for block in parse("> a\n> b\n- c\n* d\n7. e\n\nf\n")]
    assert found == [("quote", "a\nb"), ("bullets", "c\nd"), ("numbers", "7. e"), ("text", "f")]


def test_there_are_no_links_and_no_images() -> None:
    assert marked("[a](b) ![c](d) <b>e</b>") == [("[a](b) ![c](d) <b>e</b>", "")]


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ("http://evil.example/a_b?c=d", "hxxp://evil[.]example/a_b?c=d"),
        ("HTTPS://u@evil.example:81/", "HxxPS://u@evil[.]example:81/"),
        ("ftp://a.example", "fxp://a[.]example"),
        ("203.0.113.54", "203.0.113[.]54"),
        ("203.0.113.0/24", "203.0.113[.]0/24"),
        ("cdn-update.example", "cdn-update[.]example"),
        ("a.b.co.uk", "a.b.co[.]uk"),
        ("somebody@mail.example", "somebody@mail[.]example"),
        ("hxxps://cdn-update[.]example", "hxxps://cdn-update[.]example"),
        ("evil(.)example", "evil(.)example"),
        ("2001:db8::1", "2001:db8::1"),
        ("d41d8cd98f00b204e9800998ecf8427e", "d41d8cd98f00b204e9800998ecf8427e"),
    ],
)
def test_an_indicator_is_shown_defanged(written: str, said: str) -> None:
    assert marked(f"see {written}, now") == [("see ", ""), (said, "x"), (", now", "")]
    assert defanged(said) == said


@pytest.mark.parametrize(
    "text",
    ["loader.py", "README.md", "at 06:12:30", "version 1.2.3", "e.g. this", "1.2.3.4.5", "@cert.example.ma/duty"],
)
def test_what_only_looks_like_one_is_left_alone(text: str) -> None:
    assert marked(text) == [(text, "")]


def test_what_is_pasted_is_defanged_as_a_whole() -> None:
    text = "see http://a.example/x and 203.0.113.54, not d41d8cd98f00b204e9800998ecf8427e"
    assert has_live(text)
    assert defang(text) == "see hxxp://a[.]example/x and 203.0.113[.]54, not d41d8cd98f00b204e9800998ecf8427e"
    assert not has_live(defang(text))


def test_what_would_hide_or_reorder_is_shown_by_its_number() -> None:
    assert plain(parse("a\u202eb\u2066c\x1b[31m\u2028")) == "a<202E>b<2066>c<001B>[31m<2028>"


HOSTILE = st.text("*_`>- .\n1a:/@[](){}h\u202e\x00<&\u0627\ud800", max_size=300) | st.text(max_size=100)


@given(HOSTILE)
def test_of_any_text_nothing_is_lost_but_marks_and_nothing_is_shown_that_hides(text: str) -> None:
    shown = plain(parse(text))
    assert shown.count("\u0627") == text.count("\u0627")
    assert not any(letter in "\u202e\x00\x1b" or "\ud800" <= letter <= "\udfff" for letter in shown)


@given(HOSTILE)
def test_the_places_of_indicators_ascend_and_defanging_twice_is_defanging_once(text: str) -> None:
    places = [at for span in find_indicators(text) for at in span]
    assert places == sorted(places)
    assert defang(defang(text)) == defang(text)


@pytest.mark.parametrize(
    "piece", ["*", "**a", "`", "a.", "a@", "```\n", "> ", "_a ", "[.]", "1.1.", "http://", "a-", ":", "a:", "+a."]
)
def test_the_longest_text_of_any_piece_is_read(piece: str) -> None:
    text = (piece * 65_536)[:65_536]
    assert sum(len(block.lines) for block in parse(text)) > 0 or not text.strip("`\n> ")


def test_a_short_text_is_its_own_beginning() -> None:
    for text in ("", "one", "one\n\n```\ncode\n```"):
        assert begun(text, 2_000) == (parse(text), 0)
        assert begun(text, None) == (parse(text), 0)


def test_the_beginning_of_a_long_text_is_short_in_characters_lines_and_runs() -> None:
    for text in ("x" * 60_000, "x\n" * 30_000, "*a* " * 15_000, "> `a` **b**\n" * 5_000):
        blocks, left_out = begun(text, 2_000)
        assert 0 < left_out < len(text)
        assert len(plain(blocks)) <= 2_000
        assert sum(len(block.lines) for block in blocks) <= 40
        assert sum(len(line) for block in blocks for line in block.lines) <= 200
        assert begun(text, None) == (parse(text), 0)


def test_code_that_is_cut_off_is_code_up_to_there() -> None:
    blocks, left_out = begun("```\n" + "rule a { condition: true }\n" * 500 + "```", 2_000)
    assert [block.kind for block in blocks] == ["code"]
    assert left_out
