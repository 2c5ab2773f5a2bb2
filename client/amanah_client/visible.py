"""Others' text made safe to show: nothing in it may hide, reorder or end what stands around it."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from typing import Final

# Characters that reorder or hide what stands around them: a name must not rewrite the line it is in.
HIDDEN: Final = frozenset("\u200e\u200f\u061c\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
_ISOLATE: Final = re.compile("\u2068([^\u2066-\u2069\n]*)\u2069")
_BREAKS: Final = frozenset({"Zl", "Zp"})


def shown(text: str) -> str:
    """No control characters, no hidden direction marks: each is shown as its number."""
    return "".join(_visible(character) for character in text)


def pieces(sentence: str) -> Iterator[tuple[str, bool]]:
    """A sentence of ours, made safe to show, and the names in it that are isolated: each piece, and whether it is one.

    An isolate that is whole can only keep the order of what stands in it; a mark that opens or ends none is shown.
    """
    for place, piece in enumerate(_ISOLATE.split(sentence)):
        if piece:
            yield shown(piece), bool(place % 2)


def sentence(text: str) -> str:
    """A sentence of ours, made safe to show, with what isolates the names in it."""
    return "".join(f"\u2068{piece}\u2069" if is_name else piece for piece, is_name in pieces(text))


def _visible(character: str) -> str:
    category = unicodedata.category(character)
    if character in HIDDEN or category in _BREAKS or (category in {"Cc", "Cs"} and character != "\n"):
        return f"<{ord(character):04X}>"
    return character
