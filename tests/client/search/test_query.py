"""What somebody searches for: how it is read, and where a text says it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from amanah_client.search.query import EXCERPT_CHARS, MAX_CHARS, Query, Term, excerpt, expression, parse_query, spans
from amanah_protocol.errors import Code, UsageError
from amanah_protocol.labels import Label
from amanah_protocol.types import DeviceId, RoomId


def term(*words: str, is_start: bool = False) -> Term:
    return Term(words=words, is_start=is_start)


def test_words_phrases_and_filters_are_told_apart() -> None:
    text = (
        'Phish "Sinkhole the domain" room:"Phishing wave" FROM:cert.example.ma label:amber label:red http://x.example'
    )
    assert parse_query(text) == Query(
        terms=(
            term("phish", is_start=True),
            term("sinkhole", "the", "domain"),
            term("http", "x", "example", is_start=True),
        ),
        rooms=("Phishing wave",),
        senders=("cert.example.ma",),
        labels=(Label.AMBER, Label.RED),
    )


def test_a_quote_that_does_not_end_goes_to_the_end_and_a_filter_within_it_is_words() -> None:
    assert parse_query('"see room: here').terms == (term("see", "room", "here"),)
    assert parse_query("bedroom:x").terms == (term("bedroom", "x", is_start=True),)


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("", Code.USAGE), ("  ", Code.USAGE), ('"', Code.USAGE), ("*", Code.USAGE), ("!!! ?", Code.USAGE),
        ("room:", Code.USAGE), ("phish room:", Code.USAGE), ('from:""', Code.USAGE), ('label: "red"', Code.USAGE),
        ("label:purple", Code.LABEL), ("a" * (MAX_CHARS + 1), Code.TOO_LARGE), ("a " * 40, Code.TOO_LARGE),
    ],
)  # fmt: skip
def test_a_query_that_says_nothing_or_too_much_is_refused_with_a_word(text: str, code: Code) -> None:
    with pytest.raises(UsageError) as refused:
        parse_query(text)
    assert refused.value.code is code
    assert refused.value.hint


def test_the_index_is_asked_in_strings_alone() -> None:
    query = parse_query('a"b OR c" NEAR(x) words:y label:red')
    asked = expression(query, [RoomId(b"r" * 16)], [DeviceId(b"d" * 32), DeviceId(b"e" * 32)])
    assert asked == (
        'words : ("a"* AND "b or c" AND "near x"* AND "words y"*)'
        f' AND marks : ("\ue000{b"r".hex() * 16}")'
        f' AND marks : ("\ue001{b"d".hex() * 32}" OR "\ue001{b"e".hex() * 32}") AND marks : ("\ue0024")'
    )


@pytest.mark.parametrize(
    ("query", "text", "found"),
    [
        ("phish", "Phishing, and no fish: PHISH", ["Phishing", "PHISH"]),
        ('"the host"', "the hosts and the Host", ["the Host"]),
        ("198.51.100", "from 198.51.100.7", ["198.51.100"]),
        ("reseau", "le re\u0301seau, le réseau", ["re\u0301seau", "réseau"]),
        ("مخترق", "خادم مُخْتَرَق", ["مُخْتَرَق"]),
        ("a aa", "aab", ["aab"]),
        ("label:red", "anything", []),
    ],
)
def test_what_fits_is_named_by_its_place(query: str, text: str, found: list[str]) -> None:
    assert [text[start:end] for start, end in spans(text, parse_query(query))] == found


def test_an_excerpt_shows_the_first_place_that_fits() -> None:
    text = "x " * 500 + "Sinkhole" + " y" * 500
    piece, hits = excerpt(text, parse_query("sinkhole"))
    assert len(piece) == EXCERPT_CHARS
    assert [piece[start:end] for start, end in hits] == ["Sinkhole"]
    assert excerpt("short", parse_query("label:red")) == ("short", ())


@given(st.text(), st.text(max_size=20))
def test_places_ascend_and_lie_within_the_text(text: str, query: str) -> None:
    try:
        parsed = parse_query(query)
    except UsageError:
        return
    last = 0
    for start, end in spans(text, parsed):
        assert last <= start < end <= len(text)
        last = end
    piece, hits = excerpt(text, parsed)
    assert piece in text
    assert all(0 <= start < end <= len(piece) for start, end in hits)
