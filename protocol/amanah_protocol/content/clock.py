"""A joint time: when something is done together, until when nobody speaks, by when something is due.

    clock = [ 1, id: bstr .size 16, nature: 1..3, what: tstr, at: ms, stands: bool ]

The time is one for all; each face shows it in UTC and in its reader's zone. A later entry with the same id moves it,
or calls it off. That it was understood is an acknowledgement of the entry that set it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import IntEnum

from amanah_protocol import cbor, limits
from amanah_protocol.content.bounds import ID_BYTES, check_ids, check_size, check_time
from amanah_protocol.errors import Code, DecodeError


class Nature(IntEnum):
    """What a joint time is for; the number is the wire form."""

    ACTION = 1
    EMBARGO = 2
    DEADLINE = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Clock:
    """A joint time.

    Attributes:
        id: 16 random bytes; what moves it or calls it off has the same.
        nature: What it is for.
        what: 1 to 1,024 characters.
        at_ms: When, Unix milliseconds.
        stands: False where it is called off.

    Raises:
        UsageError: `TOO_LARGE` or `BAD_TYPE`.
    """

    id: bytes
    nature: Nature
    what: str = field(repr=False)
    at_ms: int
    stands: bool = True

    def __post_init__(self) -> None:
        check_ids(self.id, length=ID_BYTES)
        check_size(len(self.what), limits.MAX_TEXT_CHARS, "characters of a clock", 1)
        check_time(self.at_ms)

    def encode(self) -> list[object]:
        """What follows the version."""
        return [self.id, int(self.nature), self.what, self.at_ms, self.stands]

    @classmethod
    def decode(cls, f: cbor.Fields) -> Clock:
        """Read what follows the version."""
        id_, nature = f.fixed(ID_BYTES), f.uint(Nature.DEADLINE)
        if not nature:
            raise DecodeError(Code.BAD_TYPE, "an unknown nature of a clock")
        what, at_ms, stands = f.text(limits.MAX_TEXT_CHARS), f.uint(), f.boolean()
        return cls(id=id_, nature=Nature(nature), what=what, at_ms=at_ms, stands=stands)
