"""What a profile keeps for its people beside the record: what they have read, were about to say, and search for."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

import msgspec

from amanah_client.message import Message
from amanah_protocol.labels import Label
from amanah_protocol.types import EnvelopeId, OrgName, PersonId

MOST_URGENT: Final = 200
"""So many urgent entries of a room are told."""


class Unread(msgspec.Struct, frozen=True, kw_only=True):
    """What came behind the read mark of a room and says something to a person; own words do not count.

    Attributes:
        entries: How many.
        mentions: How many of them call this profile's person, its duty desk or its nation.
        urgent: Those of precedence `immediate` or `flash`, the newest first, at most `MOST_URGENT`.
    """

    entries: int = 0
    mentions: int = 0
    urgent: tuple[EnvelopeId, ...] = ()


class Reader(msgspec.Struct, frozen=True, kw_only=True):
    """For whom is counted.

    Attributes:
        organisation: The own nation.
        person: The own pseudonym.
        devices: All devices of this person: what they say is not news.
    """

    organisation: OrgName
    person: PersonId
    devices: tuple[bytes, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """What somebody was about to say in a room.

    Attributes:
        text: So far.
        label: The label that was chosen; None for none yet.
        reply_to: The message that it answers.
    """

    text: str = field(repr=False)
    label: Label | None = None
    reply_to: EnvelopeId | None = None


class Since(msgspec.Struct, frozen=True, kw_only=True):
    """What its author has made of an entry since it was said, as the board counts it.

    Attributes:
        withdrawn: Its withdrawal, or that of what it corrects; None where it stands.
        corrected: The correction that tells in its place what is said now; None where this entry does.
    """

    withdrawn: Message | None = None
    corrected: Message | None = None


UNCHANGED: Final = Since()


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """An entry that a search found.

    Attributes:
        message: The entry.
        at: The entry at which a conversation shows it: what it corrects or withdraws; else itself.
        since: What became of it.
        place: Where it stands among all that was found; `before` of the next page.
        excerpt: A piece of what it says, around the first place that fits.
        spans: (start, end) of what fits, in the excerpt.
    """

    message: Message
    at: Message
    since: Since
    place: int
    excerpt: str = field(repr=False)
    spans: tuple[tuple[int, int], ...]
