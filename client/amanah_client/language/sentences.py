"""Sentences in the language that is spoken: the functions of gettext, and what keeps a name in its place."""

from __future__ import annotations

import unicodedata
from typing import Final

from amanah_client.language.catalogue import catalogue
from amanah_client.language.forms import number
from amanah_client.language.spoken import spoken
from amanah_client.visible import shown

_FIRST_STRONG: Final = "\u2068"
_POP: Final = "\u2069"
_FROM_RIGHT: Final = frozenset({"R", "AL", "AN"})


def N_(message: str) -> str:  # noqa: N802 - the name by which such marks are known and extracted
    """Mark a constant of a module for the catalogues; it is translated where it is shown, by `gettext`."""
    return message


def said(message: str, context: str = "") -> str:
    """A sentence in the language that is spoken, as it stands in the catalogue: nothing is filled in."""
    found = catalogue(spoken().code)
    return message if found is None else found.one(message, context)


def said_of(one: str, several: str, count: int) -> str:
    """The same, in the form that so many of a thing have."""
    found = catalogue(spoken().code)
    if found is None:
        return one if count == 1 else several
    return found.many(one, several, count)


def gettext(message: str, /, **named: object) -> str:
    """A sentence in the language that is spoken, with what it names filled in (`%(name)s`)."""
    return said(message) % named if named else said(message)


def pgettext(context: str, message: str, /, **named: object) -> str:
    """As `gettext`, for a word that other languages tell apart by what it is about."""
    return said(message, context) % named if named else said(message, context)


def ngettext(one: str, several: str, count: int, /, **named: object) -> str:
    """As `gettext`, in the form that so many of a thing have; `%(count)s` is the number, unless it is given."""
    return said_of(one, several, count) % {"count": number(count), **named}


def isolate(text: object) -> str:
    """A name in a sentence: made safe to show, and where it runs against the sentence, isolated (Unicode TR 9).

    Without that, what stands beside it (a colon, a number, a bracket) goes over to the wrong side of it. An English
    sentence keeps it as it is: it may be for a program, and a face makes it safe as a whole.
    """
    return str(text) if spoken().code == "en" else guarded(str(text))


def guarded(text: str) -> str:
    """As `isolate`, in English too: for who shows the sentence as it is."""
    safe = shown(text)
    runs_right = any(unicodedata.bidirectional(character) in _FROM_RIGHT for character in safe)
    return f"{_FIRST_STRONG}{safe}{_POP}" if runs_right or spoken().direction == "rtl" else safe
