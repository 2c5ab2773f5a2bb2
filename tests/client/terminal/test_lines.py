from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from amanah_client.terminal.lines import Part, Row, cells, cut, part, said, strip_of, wrap
from amanah_client.view import words
from amanah_client.visible import HIDDEN

FSI, PDI = "\u2068", "\u2069"
TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=200)


def text_of(row: Row, width: int = 40) -> str:
    return strip_of(row, width).text


def plain(lines: list[tuple[Part, ...]]) -> list[str]:
    return ["".join(one.text for one in line) for line in lines]


def test_words_are_kept_whole_and_styles_with_them() -> None:
    parts = (Part("image the "), Part("berth", "bold"), Part(" controllers"))
    assert plain(wrap(parts, 10)) == ["image the", "berth", "controller", "s"]
    assert [one.style for line in wrap(parts, 12) for one in line if one.text == "berth"] == ["bold"]


def test_a_word_of_two_styles_is_not_torn_where_the_style_changes() -> None:
    assert plain(wrap((Part("aaa b"), Part("bb", "bold"), Part(": c")), 5)) == ["aaa", "bbb:", "c"]


def test_a_word_without_end_fills_lines_and_as_many_as_are_asked_for() -> None:
    lines = wrap((Part("x" * 65_536),), 73, most=18)
    assert plain(lines) == ["x" * 73] * 18


def test_a_wide_character_that_does_not_fit_goes_to_the_next_line() -> None:
    assert plain(wrap((Part("漢字漢字"),), 3)) == ["漢", "字", "漢", "字"]


@given(TEXTS, st.integers(1, 30))
def test_nothing_is_lost_by_folding_but_blanks_and_no_line_is_too_long(text: str, width: int) -> None:
    shown = part(text)
    lines = wrap((shown,), width)
    assert "".join(plain(lines)).replace(" ", "") == shown.text.replace(" ", "")
    assert all(cells(line) <= max(width, 2) for line in lines)


def test_what_does_not_fit_ends_in_an_ellipsis() -> None:
    assert plain([cut((Part("berth "), Part("controllers")), 9)]) == ["berth co…"]
    assert cut((Part("berth"),), 5) == (Part("berth"),)


@pytest.mark.parametrize(
    "hostile", ["\x1b[2J", "\x07", "\r", "\x9b31m", "\u202e", "\u2066", "\u200f", "\u2028", "\x00"]
)
def test_what_a_terminal_would_obey_is_shown_as_its_number(hostile: str) -> None:
    row = Row(parts=(part(f"a{hostile}b"), *said(words.value(hostile))))
    assert hostile[0] not in text_of(row)
    assert f"<{ord(hostile[0]):04X}>" in text_of(row)


@given(TEXTS, TEXTS)
def test_whatever_others_wrote_the_only_marks_that_go_out_are_isolates_in_pairs(first: str, second: str) -> None:
    text = text_of(Row(parts=(part(first), *said(f"told: {words.value(second)}."))), 500)
    assert not set(text) & (HIDDEN - {FSI, PDI})
    assert all(character.isprintable() or ord(character) > 0x9F for character in text)
    depth = 0
    for character in text:
        depth += {FSI: 1, PDI: -1}.get(character, 0)
        assert depth >= 0
    assert depth == 0


def test_a_line_from_the_right_is_isolated_and_so_are_the_latin_runs_in_it() -> None:
    row = Row(edge=(Part("12:00 "),), parts=(Part("عبر CVE-2026-1 و "), Part("203.0.113[.]54", "code", apart=True)))
    assert text_of(row, 60).rstrip() == f"12:00 {FSI}عبر {FSI}CVE-2026-1{PDI} و {FSI}203.0.113[.]54{PDI}{PDI}"


def test_a_line_from_the_left_has_no_marks() -> None:
    assert text_of(Row(parts=(part("Malware lead"), *said(words.value("MA"))))).strip() == "Malware leadMA"


@given(TEXTS, st.integers(8, 60))
def test_a_strip_has_the_cells_it_was_asked_for(text: str, width: int) -> None:
    row = Row(edge=(Part(" 12:00 "),), parts=(part(text),), end=(Part(" TLP:RED "),))
    drawn = strip_of(row, width)
    assert drawn.cell_length == width
    assert cell_len(drawn.text) == width


def test_what_stands_at_the_end_stays_when_the_text_is_too_long() -> None:
    row = Row(edge=(Part(" 12:00 "),), parts=(part("n" * 80),), end=(Part(" TLP:RED "),))
    assert text_of(row, 30).endswith("… TLP:RED ")


def test_markup_is_text() -> None:
    told = "[bold]x[/bold] [link=https://host.example]y[/link] [@click=app.bell]z[/]"
    (only,) = strip_of(Row(parts=(part(told),)), 90).crop(0, len(told))
    assert only.text == told
    assert only.style is not None
    assert not only.style.bold
    assert only.style.link is None
    assert not only.style.meta


@pytest.mark.parametrize("text", ["\u0627" * 65_536, "\u6f22" * 65_536, "a\u0301" * 30_000, "\u0301" * 65_536])
def test_a_word_of_any_length_is_folded_whole(text: str) -> None:
    lines = wrap((Part(text),), 38)
    assert "".join(part.text for line in lines for part in line) == text
    assert all(cells(line) <= 38 for line in lines)
