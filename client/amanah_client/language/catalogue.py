"""Catalogues: the `.po` files of this package, read when a language is first spoken.

They are read as they stand in the source. A compiled form would be a step of the build that an editable installation
does not have, and saves some 50 ms of the first page, or of a command, in another language than English.
"""

from __future__ import annotations

import gettext
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Final

FOLDER: Final = Path(__file__).resolve().parent / "catalogues"


@dataclass(frozen=True, slots=True, kw_only=True)
class Catalogue:
    """A language's sentences.

    Attributes:
        said: (context or "", English) -> the sentence, or its forms in the order of `form`.
        form: How many of a thing -> which form they have.
    """

    said: Mapping[tuple[str, str], tuple[str, ...]]
    form: Callable[[int], int]

    def one(self, message: str, context: str = "") -> str:
        """A sentence; English, where it was not translated."""
        return self.said.get((context, message), (message,))[0]

    def many(self, one: str, several: str, count: int) -> str:
        """The form that so many of a thing have."""
        found = self.said.get(("", one))
        if found is None or len(found) == 1:
            return one if count == 1 else several
        return found[self.form(count)]


@lru_cache
def catalogue(code: str) -> Catalogue | None:
    """The catalogue of a language; None for English, which needs none."""
    path = FOLDER / f"{code}.po"
    if not path.exists():
        return None
    from babel.messages.pofile import read_po  # noqa: PLC0415 - whoever speaks English does not wait for it

    with path.open("rb") as file:
        read = read_po(file, locale=code)
    said: dict[tuple[str, str], tuple[str, ...]] = {}
    for message in read:
        if not message.id or message.fuzzy or not message.string:
            continue
        one = message.id if isinstance(message.id, str) else message.id[0]
        forms = (message.string,) if isinstance(message.string, str) else tuple(message.string)
        if all(forms):
            said[message.context or "", one] = forms
    return Catalogue(said=said, form=gettext.c2py(read.plural_expr))
