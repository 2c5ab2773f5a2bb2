"""The catalogues: whole, up to the source, and saying the same things with the same names in them."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest
from babel.messages.catalog import Catalog, Message

from amanah_client.language import LANGUAGES, Language, catalogue, speaking
from amanah_client.language.errors import HAPPENED, found, happened
from amanah_client.visible import pieces
from amanah_protocol.errors import Code
from amanah_protocol.labels import Label, Pap
from scripts import catalogues

PLACES: Final = re.compile(r"%\(\w+\)s|\{\w*\}")
SAYS: Final = {"_", "N_", "gettext", "ngettext", "pgettext"}
MARKUP: Final = re.compile(r"<[^>]*>|`[^`]*`")
NAMED: Final = re.compile(r"TLP:[A-Z+]+|UTC|Ctrl-C|--[a-z]+|amanah audit [a-z]+")
FEW: Final = 3
"""Of the six Arabic forms the first three (none, one, two) may tell the number by the form of the word."""


@pytest.fixture(scope="module")
def source() -> Catalog:
    return catalogues.extracted()


def forms(message: Message) -> tuple[str, ...]:
    return tuple(message.string) if isinstance(message.string, tuple | list) else (str(message.string),)


def english(message: Message) -> str:
    """The sentence, or that of several: it names all that there is to name."""
    return message.id if isinstance(message.id, str) else message.id[-1]


def said(path: Path) -> list[Message]:
    return [message for message in catalogues.read(path) if message.id]


def test_there_is_a_catalogue_of_each_language() -> None:
    assert {path.stem for path in catalogues.paths()} == set(LANGUAGES) - {"en"}


def test_what_people_read_is_found(source: Catalog) -> None:
    assert source.get("Locked") is not None, "of a template"
    assert source.get("%(count)s device") is not None, "of a module"
    assert source.get("officer", "role") is not None, "with what it is about"
    assert source.get("Evidence from the log {origin}") is None, "evidence stays English"


def in_modules() -> Iterator[tuple[str, str | None]]:
    """(sentence, context) of each that a module says, as Python reads it."""
    modules = (path for path in catalogues.CLIENT.rglob("*.py") if not path.match("audit/export_*.py"))
    for node in (node for path in modules for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in SAYS:
            words = [one.value for one in node.args if isinstance(one, ast.Constant) and isinstance(one.value, str)]
            if words:
                yield (words[1], words[0]) if node.func.id == "pgettext" else (words[0], None)


def test_no_sentence_of_a_module_is_overlooked(source: Catalog) -> None:
    """Before Python 3.12 what takes sentences from the source sees none inside of an f-string."""
    said = list(in_modules())
    assert len(said) > 1000
    assert [one for one in said if source.get(*one) is None] == []


@pytest.mark.parametrize("path", catalogues.paths(), ids=lambda path: path.stem)
def test_a_catalogue_is_up_to_the_source(path: Path, source: Catalog) -> None:
    """`make catalogues` changes nothing more."""
    assert path.read_text(encoding="utf-8") == catalogues.updated(path, source)


@pytest.mark.parametrize("path", catalogues.paths(), ids=lambda path: path.stem)
def test_every_sentence_is_translated_in_all_its_forms(path: Path) -> None:
    assert [message.id for message in catalogues.missing(catalogues.read(path))] == []
    count = catalogues.read(path).num_plurals
    assert count == {"fr": 2, "ar": 6}[path.stem]
    assert {len(forms(message)) for message in said(path) if message.pluralizable} == {count}


def test_a_gap_is_found(tmp_path: Path) -> None:
    path = tmp_path / "fr.po"
    path.write_text(
        'msgid ""\nmsgstr ""\n\nmsgid "whole"\nmsgstr "entier"\n\nmsgid "gap"\nmsgstr ""\n\n#, fuzzy\nmsgid "guess"\n'
        'msgstr "idée"\n\nmsgid "one"\nmsgid_plural "more"\nmsgstr[0] "un"\nmsgstr[1] ""\n'
    )
    assert [message.id for message in catalogues.missing(catalogues.read(path))] == ["gap", "guess", ("one", "more")]


@pytest.mark.parametrize("path", catalogues.paths(), ids=lambda path: path.stem)
def test_no_sentence_holds_a_mark_that_is_shown_as_its_number(path: Path) -> None:
    """What keeps a Latin word in its place are isolates in pairs; a lone mark would be read as `<200E>`."""
    told = [form for message in said(path) for form in forms(message)]
    assert [form for form in told for piece, _ in pieces(form) if piece not in form] == []


@pytest.mark.parametrize("path", catalogues.paths(), ids=lambda path: path.stem)
def test_what_is_filled_in_is_filled_in_everywhere(path: Path) -> None:
    wrong = []
    for message in said(path):
        wanted, told = set(PLACES.findall(english(message))), forms(message)
        for place, form in enumerate(told):
            found = set(PLACES.findall(form))
            by_form = len(told) > 1 and place < (FEW if path.stem == "ar" else 1)
            if not (found <= wanted if by_form else found == wanted):
                wrong.append((message.id, form))
    assert wrong == []


@pytest.mark.parametrize("path", catalogues.paths(), ids=lambda path: path.stem)
def test_markup_commands_and_names_stay_as_they_are(path: Path) -> None:
    """A command is to be typed; in French and Arabic the name of a file in it may be another word."""
    wrong = []
    for message in said(path):
        wanted = english(message)
        for form in forms(message):
            tags = [one.replace("FICHIER", "FILE") for one in MARKUP.findall(form)]
            if MARKUP.findall(wanted) != tags or not set(NAMED.findall(wanted)) <= set(NAMED.findall(form)):
                wrong.append((message.id, form))
    assert wrong == []


@pytest.mark.parametrize("path", catalogues.paths(), ids=lambda path: path.stem)
def test_no_catalogue_shouts_or_hides_anything(path: Path) -> None:
    text = "".join(form for message in said(path) for form in forms(message))
    # What keeps a Latin word in its place are isolates in pairs alone: see below.
    assert not re.search("[!\u200e\u200f\u061c\u202a-\u202e\u2066\u2067]", text)


@pytest.mark.parametrize("code", LANGUAGES)
def test_labels_are_the_same_in_every_language(code: str) -> None:
    known = catalogue.catalogue(code)
    assert known is None or not {("", label.text) for label in (*Label, *Pap)} & set(known.said)


def test_what_is_read_is_what_the_catalogues_say() -> None:
    for path in catalogues.paths():
        known = catalogue.catalogue(path.stem)
        assert known is not None
        assert len(known.said) == len(said(path))


# ---- errors


def test_every_code_has_a_sentence_of_what_happened_and_one_of_what_to_do() -> None:
    assert list(HAPPENED) == list(Code)
    assert [one for words in HAPPENED.values() for one in words if not re.fullmatch(r"[A-Z`].*\.", one)] == []


def test_an_error_is_told_in_the_language_that_is_spoken() -> None:
    assert happened(Code.TIMEOUT) == "There was no answer in time. Try again."
    with speaking(Language(code="fr")):
        assert happened("TIMEOUT") == "Pas de réponse à temps. Réessayez."
    with speaking(Language(code="ar")):
        assert happened(Code.TIMEOUT) == "لم يصل جواب في الوقت المحدد. حاول من جديد."


def test_what_is_found_of_an_entry_is_told_without_what_to_do() -> None:
    assert found("SIGNATURE") == "The signature is not that of the named key."
    assert found("NOT_FOUND") == "It refers to what is not in the room before it."
    with speaking(Language(code="ar")):
        assert found(Code.NOT_FOUND) == "يشير إلى ما ليس في الغرفة قبله."


def test_a_code_of_a_newer_relay_has_no_sentence() -> None:
    assert happened("OF_TOMORROW") == ""
