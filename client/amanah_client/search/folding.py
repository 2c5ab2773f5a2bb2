"""Letters as search compares them: without case, without marks above and below, and Arabic in one spelling.

Latin, Greek, Cyrillic, Hebrew and Arabic words are found whichever way their marks were typed. Scripts that set no
space between words (Chinese, Japanese, Thai) are not cut into words: a run of letters is found from its beginning only.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from typing import Final

_LETTERS: Final = str.maketrans({
    "\N{ARABIC TATWEEL}": None,
    "\N{ARABIC LETTER ALEF WASLA}": "\N{ARABIC LETTER ALEF}",
    "\N{ARABIC LETTER ALEF MAKSURA}": "\N{ARABIC LETTER YEH}",
    "\N{ARABIC LETTER FARSI YEH}": "\N{ARABIC LETTER YEH}",
    "\N{ARABIC LETTER KEHEH}": "\N{ARABIC LETTER KAF}",
    "\N{ARABIC LETTER TEH MARBUTA}": "\N{ARABIC LETTER HEH}",
})  # fmt: skip
"""Spellings that people do not keep apart. Hamza on a letter is a mark of it (NFKD) and goes with the marks."""

_LEFT_OUT: Final = frozenset({"Cc", "Cf", "Cs"})
"""Controls and what is not seen: with a joiner inside, a word would hide from the search."""
_WORD: Final = re.compile(
    "[^\\W_](?:[^\\W_]|["
    "\u00ad\u0300-\u036f\u0591-\u05c7\u0610-\u061a\u064b-\u065f\u0670\u06d6-\u06ed\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufeff"
    "])*"
)
"""A word as it stands in a text, with the marks that folding takes away."""


def fold(text: str) -> str:
    """A text in the form in which it is indexed and asked for; lines and controls become spaces."""
    if text.isascii():
        return _spaced(text.lower())
    parted = unicodedata.normalize("NFKD", _spaced(text))
    bare = "".join(
        letter
        for letter in parted
        if not unicodedata.combining(letter) and unicodedata.category(letter) not in _LEFT_OUT
    )
    return unicodedata.normalize("NFC", bare).casefold().translate(_LETTERS)


def words(text: str) -> Iterator[tuple[int, int, str]]:
    """(start, end, folded) of each word, in the text as it was written."""
    for found in _WORD.finditer(text):
        yield found.start(), found.end(), fold(found.group())


def _spaced(text: str) -> str:
    """With a space for each control character: two words on two lines stay two."""
    return text if text.isprintable() else "".join(" " if unicodedata.category(c) == "Cc" else c for c in text)
