"""The least that a new passphrase has to be: a floor without a dictionary, and a passphrase made by dice.

The floor stops what falls to anybody's first guesses; it cannot tell a famous verse from chance. Six
dice words or more are what a person should take; `made_passphrase` throws them.
"""

from __future__ import annotations

import secrets
import unicodedata
from collections import Counter
from itertools import pairwise
from typing import Final

from amanah_protocol.errors import Code, UsageError

MIN_CHARS: Final = 20
MIN_DIFFERENT: Final = 10
MADE_WORDS: Final = 7
"""Of a list of 2,048: 77 bits, as six dice words have."""

_HINT: Final = f"Take six dice words or more: at least {MIN_CHARS} characters, {MIN_DIFFERENT} of them different."


def check_strength(text: str) -> None:
    """Refuse a new passphrase that is short, or that repeats itself.

    Args:
        text: As typed.

    Raises:
        UsageError: `PASSPHRASE`.
    """
    letters = unicodedata.normalize("NFC", text).casefold()
    if len(letters) < MIN_CHARS:
        raise UsageError(Code.PASSPHRASE, f"the passphrase is too short: {len(letters)} characters", hint=_HINT)
    if len(set(letters)) < MIN_DIFFERENT:
        detail = f"the passphrase is too even: {len(set(letters))} different characters"
        raise UsageError(Code.PASSPHRASE, detail, hint=_HINT)
    pairs = list(pairwise(letters))
    steps = Counter(ord(second) - ord(first) for first, second in pairs)
    # `1234567890` twice has few pairs, `abcdefgh...` one step: neither is a choice.
    if 3 * len(set(pairs)) < 2 * len(pairs) or 2 * max(steps.values()) > len(pairs):
        raise UsageError(Code.PASSPHRASE, "the passphrase repeats itself, or is a run such as abc or 123", hint=_HINT)


def made_passphrase() -> str:
    """A passphrase of words by chance, 77 bits."""
    from mnemonic import Mnemonic  # noqa: PLC0415 - needed once in a profile's life

    words = Mnemonic("english").wordlist
    return " ".join(secrets.choice(words) for _ in range(MADE_WORDS))
