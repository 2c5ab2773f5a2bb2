"""The language that is spoken now.

It belongs to a context (PEP 567): a page, a terminal's session and a command each choose theirs, and none changes
another's. A new thread begins in English.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Final

LANGUAGES: Final = {"en": "English", "fr": "Français", "ar": "العربية"}
"""Those that there are catalogues of, each under its own name; the source is English."""
_RIGHT_TO_LEFT: Final = frozenset({"ar", "fa", "he", "ur"})
_TAG: Final = re.compile(r"([A-Za-z]{2,3})(?:[-_]([A-Za-z]{2}))?(?:[-_.@].*)?")


@dataclass(frozen=True, slots=True, kw_only=True)
class Language:
    """What a face speaks.

    Attributes:
        code: Of ISO 639, which chooses the catalogue.
        region: Of ISO 3166, which chooses numerals and names of months; "" for the usual ones.
    """

    code: str
    region: str = ""

    @property
    def tag(self) -> str:
        """As `lang` has it (BCP 47)."""
        return f"{self.code}-{self.region}" if self.region else self.code

    @property
    def name(self) -> str:
        """Its own name."""
        return LANGUAGES.get(self.code, self.code)

    @property
    def direction(self) -> str:
        """As `dir` has it."""
        return "rtl" if self.code in _RIGHT_TO_LEFT else "ltr"


ENGLISH: Final = Language(code="en")
_spoken: ContextVar[Language] = ContextVar("spoken", default=ENGLISH)


def language(text: str) -> Language | None:
    """The language that a setting, a locale's name or a tag names; None for one that there is no catalogue of."""
    found = _TAG.fullmatch(text.strip())
    if found is None or found[1].lower() not in LANGUAGES:
        return None
    return Language(code=found[1].lower(), region=(found[2] or "").upper())


def spoken() -> Language:
    """What is spoken here."""
    return _spoken.get()


def speak(wanted: Language) -> None:
    """From now on, in this context."""
    _spoken.set(wanted)


@contextmanager
def speaking(wanted: Language) -> Iterator[None]:
    """While it lasts, in this context."""
    before = _spoken.set(wanted)
    try:
        yield
    finally:
        _spoken.reset(before)
