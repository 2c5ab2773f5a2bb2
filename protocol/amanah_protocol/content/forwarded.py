"""The text of a message of another room, quoted with where it comes from.

    forwarded = [ 1, text: tstr, [ nation: tstr, room: bstr .size 16, message: hash, accepted-at: ms, label: 0..4 ],
                  note: tstr ]                                                                               ; 21

Nation is its author's, also where it is forwarded again; room and message are those that it was taken from.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from amanah_protocol import cbor, limits
from amanah_protocol.content.alert import MAX_OBSERVED_AT_MS
from amanah_protocol.content.bounds import ID_BYTES, check_ids, check_nations, check_size, check_time
from amanah_protocol.content.text import MAX_CHARS
from amanah_protocol.labels import Label
from amanah_protocol.types import EnvelopeId, Milliseconds, OrgName, RoomId

_ORIGIN_FIELDS: Final = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """Where a quoted text comes from.

    Attributes:
        nation: Its author's organisation.
        room: The room that it was taken from.
        message: Its envelope there.
        accepted_at_ms: When the relay accepted it first.
        label: The label that counted when it was taken.

    Raises:
        UsageError: `BAD_TYPE`.
    """

    nation: OrgName
    room: RoomId
    message: EnvelopeId
    accepted_at_ms: Milliseconds
    label: Label

    def __post_init__(self) -> None:
        check_nations(self.nation)
        check_ids(self.room, length=ID_BYTES)
        check_ids(self.message)
        check_time(self.accepted_at_ms)


@dataclass(frozen=True, slots=True, kw_only=True)
class Forwarded:
    """A quoted text.

    Attributes:
        text: The text, up to 65,536 characters.
        origin: Where it comes from.
        note: What whoever forwards it says of it, up to 1,024 characters.

    Raises:
        UsageError: `TOO_LARGE`.
    """

    text: str = field(repr=False)
    origin: Origin
    note: str = field(default="", repr=False)

    def __post_init__(self) -> None:
        check_size(len(self.text), MAX_CHARS, "characters of a text")
        check_size(len(self.note), limits.MAX_TEXT_CHARS, "characters of a note")

    def encode(self) -> list[object]:
        """What follows the version."""
        origin = self.origin
        place = [origin.nation, origin.room, origin.message, origin.accepted_at_ms, int(origin.label)]
        return [self.text, place, self.note]

    @classmethod
    def decode(cls, f: cbor.Fields) -> Forwarded:
        """Read what follows the version."""
        text, place, note = f.text(MAX_CHARS), f.next(), f.text(limits.MAX_TEXT_CHARS)
        g = cbor.Fields(place, _ORIGIN_FIELDS, "origin")
        origin = Origin(
            nation=OrgName(g.text(limits.MAX_NAME_CHARS)),
            room=RoomId(g.fixed(ID_BYTES)),
            message=EnvelopeId(g.fixed(32)),
            accepted_at_ms=Milliseconds(g.uint(MAX_OBSERVED_AT_MS)),
            label=Label(g.uint(Label.RED)),
        )
        return cls(text=text, origin=origin, note=note)
