"""The end of an incident: nations are asked to sign off what a room's entries came to, and that is recorded.

    closing  = [ 1, asked / recorded ]                                                       ; 19
    asked    = [ 1, first: uint, last: uint, facts, sign-until: ms, [ 1*64 nation: tstr ] ]
    recorded = [ 2, closing: hash, [ *64 nation: tstr ] ]
    sign-off = [ 1, closing: hash, first: uint, facts ]                                      ; 20
    facts    = [ 6*6 hash ]                                            ; one for each of FACTS, in that order

Facts are what the entries from `first` to `last` come to, never how a program draws them: whoever has the same entries
computes the same. A member that came later signs from its own first entry on.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Final

from amanah_protocol import cbor, limits
from amanah_protocol.content.bounds import check_ids, check_nations, check_size, check_time
from amanah_protocol.errors import Code, DecodeError, UsageError
from amanah_protocol.types import EnvelopeId, OrgName

FACTS: Final = ("entries", "incident", "decisions", "tasks", "times", "messages")
"""What is compared, so that a difference is found where it is."""
MAX_NATIONS: Final = 64


def _check_facts(facts: tuple[bytes, ...]) -> None:
    if len(facts) != len(FACTS):
        raise UsageError(Code.BAD_TYPE, f"facts have {len(FACTS)} hashes")
    check_ids(*facts)


def _check_ascending(nations: tuple[OrgName, ...], minimum: int) -> None:
    check_size(len(nations), MAX_NATIONS, "nations of a closing", minimum)
    check_nations(*nations)
    if any(left >= right for left, right in pairwise(nations)):
        raise UsageError(Code.BAD_TYPE, "the nations of a closing ascend")


def _facts(f: cbor.Fields) -> tuple[bytes, ...]:
    found = f.array(len(FACTS))
    hashes = cbor.Fields(found, len(FACTS), "facts")
    return tuple(hashes.fixed(32) for _ in found)


def _nations(f: cbor.Fields) -> tuple[OrgName, ...]:
    found = f.array(MAX_NATIONS)
    names = cbor.Fields(found, None, "nations")
    return tuple(OrgName(names.text(limits.MAX_NAME_CHARS)) for _ in found)


@dataclass(frozen=True, slots=True, kw_only=True)
class Closing:
    """Nations are asked to sign off.

    Attributes:
        first: The first place in the room that it is about.
        last: The last one.
        facts: What the entries between came to, as its sender has them: 6 hashes of 32 bytes.
        sign_until_ms: Until when nations may sign.
        nations: Who is asked, 1 to 64, ascending.

    Raises:
        UsageError: `TOO_LARGE` or `BAD_TYPE`.
    """

    first: int
    last: int
    facts: tuple[bytes, ...]
    sign_until_ms: int
    nations: tuple[OrgName, ...]

    def __post_init__(self) -> None:
        check_size(self.last, cbor.MAX_UINT, "a place in the room", 1)
        check_size(self.first, self.last, "the first place", 1)
        _check_facts(self.facts)
        check_time(self.sign_until_ms)
        _check_ascending(self.nations, 1)

    def encode(self) -> list[object]:
        """What follows the version."""
        return [[1, self.first, self.last, list(self.facts), self.sign_until_ms, list(self.nations)]]


@dataclass(frozen=True, slots=True, kw_only=True)
class ClosingRecorded:
    """All who were asked have signed, or their time is over.

    Attributes:
        closing: What they were asked.
        nations: Who has signed, up to 64, ascending.

    Raises:
        UsageError: `TOO_LARGE` or `BAD_TYPE`.
    """

    closing: EnvelopeId
    nations: tuple[OrgName, ...]

    def __post_init__(self) -> None:
        check_ids(self.closing)
        _check_ascending(self.nations, 0)

    def encode(self) -> list[object]:
        """What follows the version."""
        return [[2, self.closing, list(self.nations)]]


@dataclass(frozen=True, slots=True, kw_only=True)
class SignOff:
    """What its sender's nation makes of the same entries.

    Attributes:
        closing: What it answers.
        first: From which place on it has the entries.
        facts: What they come to with it; where they are others, everybody sees which.

    Raises:
        UsageError: `TOO_LARGE` or `BAD_TYPE`.
    """

    closing: EnvelopeId
    first: int
    facts: tuple[bytes, ...]

    def __post_init__(self) -> None:
        check_ids(self.closing)
        check_size(self.first, cbor.MAX_UINT, "the first place", 1)
        _check_facts(self.facts)

    def encode(self) -> list[object]:
        """What follows the version."""
        return [self.closing, self.first, list(self.facts)]

    @classmethod
    def decode(cls, f: cbor.Fields) -> SignOff:
        """Read what follows the version."""
        return cls(closing=EnvelopeId(f.fixed(32)), first=f.uint(), facts=_facts(f))


def decode_closing(f: cbor.Fields) -> Closing | ClosingRecorded:
    """Read what follows the version."""
    value = f.array(6)
    c = cbor.Fields(value, None, "closing")
    which = c.uint(2)
    if (which, len(value)) == (1, 6):
        return Closing(first=c.uint(), last=c.uint(), facts=_facts(c), sign_until_ms=c.uint(), nations=_nations(c))
    if (which, len(value)) == (2, 3):
        return ClosingRecorded(closing=EnvelopeId(c.fixed(32)), nations=_nations(c))
    raise DecodeError(Code.BAD_TYPE, "a closing is asked for or recorded")
