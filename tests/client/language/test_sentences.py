"""Sentences in the language of a context, and names that keep their place in them."""

from __future__ import annotations

import asyncio
from threading import Thread

import pytest

from amanah_client.language import (
    ENGLISH,
    LANGUAGES,
    Language,
    gettext,
    isolate,
    language,
    ngettext,
    pgettext,
    said_of,
    speak,
    speaking,
    spoken,
)
from amanah_client.language import catalogue as read
from amanah_client.language.catalogue import Catalogue
from amanah_client.visible import pieces, sentence

ARABIC = Language(code="ar")


@pytest.mark.parametrize(
    ("text", "tag"),
    [
        ("ar", "ar"), ("AR_tn.UTF-8", "ar-TN"), ("fr-CA", "fr-CA"), ("ar_EG@calendar=islamic", "ar-EG"),
        ("fr.UTF-8", "fr"), (" en ", "en"), ("ar-Arab-MA", "ar"),
    ],
)  # fmt: skip
def test_a_language_is_known_by_a_locales_name_and_by_a_tag(text: str, tag: str) -> None:
    found = language(text)
    assert found is not None
    assert found.tag == tag


@pytest.mark.parametrize("text", ["", "C", "POSIX", "de", "arabic", "../fr", "fr/..", "ar\n"[:2] + "x"])
def test_what_there_is_no_catalogue_of_is_no_language(text: str) -> None:
    assert language(text) is None


def test_each_language_has_its_own_name_and_direction() -> None:
    told = {code: (Language(code=code).name, Language(code=code).direction) for code in LANGUAGES}
    assert told == {"en": ("English", "ltr"), "fr": ("Français", "ltr"), "ar": ("العربية", "rtl")}


def test_english_is_spoken_until_something_else_is_chosen() -> None:
    assert spoken() == ENGLISH
    with speaking(ARABIC):
        assert spoken() == ARABIC
    assert spoken() == ENGLISH


async def test_one_readers_language_is_not_anothers() -> None:
    async def reads(code: str) -> str:
        speak(Language(code=code))
        await asyncio.sleep(0)
        return gettext("Locked")

    assert tuple(await asyncio.gather(reads("en"), reads("fr"), reads("ar"))) == ("Locked", "Verrouillé", "مقفل")
    assert spoken() == ENGLISH


def test_a_thread_begins_in_english() -> None:
    told: list[str] = []
    with speaking(ARABIC):
        thread = Thread(target=lambda: told.append(gettext("Locked")))
        thread.start()
        thread.join()
    assert told == ["Locked"]


def test_what_is_not_translated_is_english() -> None:
    with speaking(ARABIC):
        assert gettext("no catalogue says this of %(name)s", name="x") == "no catalogue says this of x"
        assert pgettext("nowhere", "nor this: 100 %") == "nor this: 100 %"
        assert [ngettext("%(count)s of it", "%(count)s of them", n) for n in (1, 2)] == ["1 of it", "2 of them"]
    assert pgettext("nowhere", "%(name)s", name="x") == "x"
    assert said_of("one", "several", 1) == "one"


def test_arabic_has_six_forms() -> None:
    found = read.catalogue("ar")
    assert found is not None
    assert [found.form(n) for n in (0, 1, 2, 3, 10, 11, 99, 100, 101, 102, 103, 111)] == [
        0, 1, 2, 3, 3, 4, 4, 5, 5, 5, 3, 4,
    ]  # fmt: skip


def test_nothing_is_one_in_french() -> None:
    found = read.catalogue("fr")
    assert found is not None
    assert [found.form(n) for n in (0, 1, 2, 100)] == [0, 0, 1, 1]


def test_a_form_is_chosen_by_the_rule_of_the_language(monkeypatch: pytest.MonkeyPatch) -> None:
    forms = ("zero", "one", "two", "%(count)s few", "%(count)s many", "%(count)s other")
    arabic = read.catalogue("ar")
    assert arabic is not None
    made = Catalogue(said={("", "%(count)s leaf"): forms, ("", "told"): ("as one",)}, form=arabic.form)
    monkeypatch.setattr("amanah_client.language.sentences.catalogue", lambda _: made)
    with speaking(Language(code="ar", region="EG")):
        assert [ngettext("%(count)s leaf", "%(count)s leaves", n) for n in (0, 1, 2, 3, 11, 1100)] == [
            "zero", "one", "two", "٣ few", "١١ many", "١٬١٠٠ other",
        ]  # fmt: skip
        assert ngettext("told", "of several", 2) == "of several"


def test_english_needs_no_catalogue() -> None:
    assert read.catalogue("en") is None
    assert ngettext("%(count)s leaf", "%(count)s leaves", 10482) == "10,482 leaves"


# ---- names


@pytest.mark.parametrize(
    ("name", "french", "arabic"),
    [
        ("cert.example.tn", "cert.example.tn", "\u2068cert.example.tn\u2069"),
        ("بوابة", "\u2068بوابة\u2069", "\u2068بوابة\u2069"),
        ("a\u202eb", "a<202E>b", "\u2068a<202E>b\u2069"),
        ("a\u2069b", "a<2069>b", "\u2068a<2069>b\u2069"),
    ],
)
def test_a_name_is_isolated_where_it_runs_against_the_sentence(name: str, french: str, arabic: str) -> None:
    with speaking(Language(code="fr")):
        assert isolate(name) == french
    with speaking(ARABIC):
        assert isolate(name) == arabic
    assert isolate(name) == name


@pytest.mark.parametrize(
    ("sentence", "found"),
    [
        ("of \u2068TN\u2069: 2", [("of ", False), ("TN", True), (": 2", False)]),
        ("open \u2068TN", [("open <2068>TN", False)]),
        ("ended\u2069 \u2068a\u202eb\u2069", [("ended<2069> ", False), ("a<202E>b", True)]),
        ("\u2068a\u2068b\u2069\u2069", [("<2068>a", False), ("b", True), ("<2069>", False)]),
        ("\u2068a\nb\u2069", [("<2068>a\nb<2069>", False)]),
    ],
)
def test_an_isolate_counts_that_is_whole_and_on_one_line(sentence: str, found: list[tuple[str, bool]]) -> None:
    assert list(pieces(sentence)) == found


def test_of_a_sentence_that_is_shown_whole_isolates_stay() -> None:
    assert sentence("\u2068TN\u2069: \u2068a\u202eb") == "\u2068TN\u2069: <2068>a<202E>b"
