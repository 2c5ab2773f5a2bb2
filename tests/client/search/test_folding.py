"""Letters as search compares them."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from amanah_client.search.folding import fold, words


@pytest.mark.parametrize(
    ("written", "typed"),
    [
        ("Hameçonnage ciblé", "hameconnage cible"),
        ("ÉTÉ", "ete"),
        ("Straße", "STRASSE"),
        ("الأمن", "الامن"),
        ("إنترنت", "انترنت"),
        ("آلية", "اليه"),
        ("ٱلشبكة", "الشبكه"),
        ("مُخْتَرَق", "مخترق"),
        ("مخـــترق", "مخترق"),
        ("مسؤول", "مسوول"),
        ("طارئ", "طاري"),
        ("مستشفى", "مستشفي"),
        ("ﻻ", "لا"),
        ("ph\u200bish\u00ading", "phishing"),
        ("two\nlines\x00three", "two lines three"),
        ("\uff23\uff36\uff25\uff0d\uff12\uff10", "cve-20"),
    ],
)
def test_what_people_do_not_keep_apart_is_one(written: str, typed: str) -> None:
    assert fold(written) == fold(typed)
    assert fold(unicodedata.normalize("NFD", written)) == fold(typed)


@pytest.mark.parametrize(("one", "other"), [("الأمن", "الثمن"), ("phish", "fish"), ("host", "hosts"), ("cote", "cot")])
def test_words_that_differ_stay_apart(one: str, other: str) -> None:
    assert fold(one) != fold(other)


@given(st.text(st.characters()))
def test_any_text_folds_to_one_that_a_store_takes(text: str) -> None:
    folded = fold(text)
    folded.encode()
    assert not any(unicodedata.category(letter) in {"Cc", "Cs"} for letter in folded)


@given(st.text())
def test_words_stand_where_they_say(text: str) -> None:
    last = 0
    for start, end, folded in words(text):
        assert last <= start < end
        assert folded == fold(text[start:end])
        last = end


def test_marks_stay_with_their_word() -> None:
    assert [word for _, _, word in words("مُخْتَرَق, le réseau")] == ["مخترق", "le", "reseau"]
