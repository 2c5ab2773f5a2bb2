"""Who was paged for a message, and whether that reached anybody: what a duty desk's program tells the room.

    page = [ 1, message: hash, step: 0..63, again: uint, whom: tstr, result: 1..3, at: ms ]

Each nation pages its own people and tells of these alone. Who answered is an acknowledgement of the message. How
somebody is reached, and why that failed, is not said: telephone numbers and addresses are nobody else's.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import IntEnum
from typing import Final

from amanah_protocol import cbor, limits
from amanah_protocol.content.bounds import check_ids, check_size, check_time
from amanah_protocol.errors import Code, DecodeError
from amanah_protocol.types import EnvelopeId

MAX_STEP: Final = 63
MAX_AGAIN: Final = 2**31 - 1


class Result(IntEnum):
    """What became of a page; the number is the wire form."""

    RANG = 1
    """A device of the desk rang."""
    REACHED = 2
    """What was to carry it took it over."""
    FAILED = 3
    """It reached nobody."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """One step of paging.

    Attributes:
        message: For which message.
        step: Which step, 0 to 63; 0 is the desk itself.
        again: How often that step was taken before, 0 to 2,147,483,647.
        whom: Who was paged, in words, 1 to 253 characters.
        result: What became of it.
        at_ms: When, by the clock of who paged, Unix milliseconds.

    Raises:
        UsageError: `TOO_LARGE` or `BAD_TYPE`.
    """

    message: EnvelopeId
    step: int
    again: int = 0
    whom: str = field(repr=False)
    result: Result
    at_ms: int

    def __post_init__(self) -> None:
        check_ids(self.message)
        check_size(self.step, MAX_STEP, "the number of a step")
        check_size(self.again, MAX_AGAIN, "how often a step was taken")
        check_size(len(self.whom), limits.MAX_NAME_CHARS, "characters of who was paged", 1)
        check_time(self.at_ms)

    def encode(self) -> list[object]:
        """What follows the version."""
        return [self.message, self.step, self.again, self.whom, int(self.result), self.at_ms]

    @classmethod
    def decode(cls, f: cbor.Fields) -> Page:
        """Read what follows the version."""
        message, step, again = EnvelopeId(f.fixed(32)), f.uint(), f.uint()
        whom, result, at_ms = f.text(limits.MAX_NAME_CHARS), f.uint(Result.FAILED), f.uint()
        if not result:
            raise DecodeError(Code.BAD_TYPE, "an unknown result of a page")
        return cls(message=message, step=step, again=again, whom=whom, result=Result(result), at_ms=at_ms)
