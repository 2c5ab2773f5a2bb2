"""What a search found, as its conversation shows it by now."""

from __future__ import annotations

from typing import Literal

import msgspec

from amanah_client.reading import Found
from amanah_client.view.conversation import withdrawn_words
from amanah_client.view.indicators import defang
from amanah_client.visible import shown


class FindLine(msgspec.Struct, frozen=True, kw_only=True):
    """One find.

    Attributes:
        entry: The entry at which the conversation shows it, in hex.
        seq: Its place in the room; 0 for none.
        state: What its author has made of it: withdrawn, corrected, or "" where it stands.
        text: A piece of what it says; of what is withdrawn that alone, as its words are opened in the conversation.
    """

    entry: str
    seq: int
    state: Literal["", "withdrawn", "corrected"]
    text: str


def find_line(found: Found) -> FindLine:
    """What to show of a find."""
    state: Literal["", "withdrawn", "corrected"] = "" if found.since.corrected is None else "corrected"
    text = shown(defang(found.excerpt)).replace("\n", " ")
    if found.since.withdrawn is not None:
        state, text = "withdrawn", withdrawn_words(found.message, found.since.withdrawn)
    return FindLine(entry=found.at.id.hex(), seq=found.at.room_seq or 0, state=state, text=text)
