"""Names that look alike: who is told apart by more than a name.

A person chooses how a name is written, and eyes compare what is drawn. So two names are taken for one where they differ
in nothing that is seen, or in letters that are drawn alike. Taken for one too often, a name has digits of a key beside
it that it did not need; too rarely, one officer passes for another. It is no list of all that look alike: Unicode has
none that is complete.
"""

from __future__ import annotations

import unicodedata
from typing import Final

_UNSEEN: Final = frozenset("MCZP")
"""Marks, what controls and formats, spaces, punctuation: by the first letter of their category."""
_BLANK: Final = frozenset("\u115f\u1160\u2800\u0640")
"""Letters and signs that draw nothing, and the stroke that lengthens an Arabic word."""
_ALIKE: Final = {
    # Small letters of Cyrillic, Greek and Armenian, and digits, by the Latin ones that they or their capitals are like.
    "a": "\u0430\u03b1\u0251",
    "b": "\u0432\u03b2",
    "c": "\u0441\u03f2",
    "d": "\u0501",
    "e": "\u0435\u03b5",
    "g": "\u0261\u0581",
    "h": "\u043d\u04bb\u03b7\u0570",
    "j": "\u0458\u03f3",
    "k": "\u043a\u03ba",
    "l": "i1|\u0456\u0131\u03b9\u04cf\u2223",
    "m": "\u043c\u03bc",
    "n": "\u03bd\u0578",
    "o": "0\u043e\u03bf\u0585\u03c3",
    "p": "\u0440\u03c1",
    "q": "\u051b",
    "s": "\u0455",
    "t": "\u0442\u03c4",
    "u": "\u057d",
    "w": "\u051d\u0461",
    "x": "\u0445\u03c7",
    "y": "\u0443\u03c5\u04af",
    "z": "\u03b6",
    # Arabic letters as keyboards for Persian and Urdu write them.
    "\u064a": "\u06cc\u0649",
    "\u0643": "\u06a9",
    "\u0647": "\u06c1\u06be\u0629",
}
_DRAWN: Final = str.maketrans({other: letter for letter, others in _ALIKE.items() for other in others})


def likeness(name: str) -> str:
    """What a name comes to for the eye: equal for two that look alike."""
    folded = unicodedata.normalize("NFKD", unicodedata.normalize("NFKC", name).casefold())
    seen = "".join(
        letter for letter in folded if unicodedata.category(letter)[0] not in _UNSEEN and letter not in _BLANK
    )
    return seen.translate(_DRAWN).replace("rn", "m").replace("vv", "w") or name
