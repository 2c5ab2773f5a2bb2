"""What nations decide together: a proposal with a window for objections, and where each nation stands.

    proposal = [ 1, ordinal: uint, what: tstr, object-until: ms, quorum: 1..64, [ 1*64 nation: tstr ] ]
    position = [ 1, proposal: hash, agrees: bool, reason: tstr ]

How it ended is for all to see: the kind `decision` in an envelope's header, which names the ordinal.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import pairwise
from typing import Final

from amanah_protocol import cbor, limits
from amanah_protocol.content.bounds import check_ids, check_nations, check_size, check_time
from amanah_protocol.errors import Code, UsageError
from amanah_protocol.types import EnvelopeId, OrgName

MAX_NATIONS: Final = 64
MAX_ORDINAL: Final = cbor.MAX_UINT


@dataclass(frozen=True, slots=True, kw_only=True)
class Proposal:
    """What is to be decided, by whom and until when.

    Attributes:
        ordinal: Its number in the room, by which the decision names it, unless one before it has that.
        what: 1 to 1,024 characters.
        object_until_ms: When the window for objections closes.
        quorum: How many nations have to agree.
        nations: Who is asked, 1 to 64, ascending, at least as many as the quorum.

    Raises:
        UsageError: `TOO_LARGE`, `BAD_TYPE` or `USAGE`.
    """

    ordinal: int
    what: str = field(repr=False)
    object_until_ms: int
    quorum: int
    nations: tuple[OrgName, ...]

    def __post_init__(self) -> None:
        check_size(self.ordinal, MAX_ORDINAL, "a proposal's number")
        check_size(len(self.what), limits.MAX_TEXT_CHARS, "characters of a proposal", 1)
        check_time(self.object_until_ms)
        check_size(len(self.nations), MAX_NATIONS, "nations of a proposal", 1)
        check_size(self.quorum, len(self.nations), "nations of a quorum", 1)
        check_nations(*self.nations)
        if any(left >= right for left, right in pairwise(self.nations)):
            raise UsageError(Code.BAD_TYPE, "the nations of a proposal ascend")

    def encode(self) -> list[object]:
        """What follows the version."""
        return [self.ordinal, self.what, self.object_until_ms, self.quorum, list(self.nations)]

    @classmethod
    def decode(cls, f: cbor.Fields) -> Proposal:
        """Read what follows the version."""
        ordinal, what, until, quorum = f.uint(), f.text(limits.MAX_TEXT_CHARS), f.uint(), f.uint(MAX_NATIONS)
        names = f.array(MAX_NATIONS)
        n = cbor.Fields(names, None, "nations")
        nations = tuple(OrgName(n.text(limits.MAX_NAME_CHARS)) for _ in names)
        return cls(ordinal=ordinal, what=what, object_until_ms=until, quorum=quorum, nations=nations)


@dataclass(frozen=True, slots=True, kw_only=True)
class Position:
    """Where its sender's nation stands; the last one counts, while the window is open.

    Attributes:
        proposal: The proposal's envelope.
        agrees: Whether it agrees or objects.
        reason: Up to 1,024 characters; an objection gives one.

    Raises:
        UsageError: `TOO_LARGE`, `BAD_TYPE`, or `USAGE` for an objection without a reason.
    """

    proposal: EnvelopeId
    agrees: bool
    reason: str = field(default="", repr=False)

    def __post_init__(self) -> None:
        check_ids(self.proposal)
        check_size(len(self.reason), limits.MAX_TEXT_CHARS, "characters of a reason")
        if not self.agrees and not self.reason:
            raise UsageError(Code.USAGE, "who objects says why")

    def encode(self) -> list[object]:
        """What follows the version."""
        return [self.proposal, self.agrees, self.reason]

    @classmethod
    def decode(cls, f: cbor.Fields) -> Position:
        """Read what follows the version."""
        return cls(proposal=EnvelopeId(f.fixed(32)), agrees=f.boolean(), reason=f.text(limits.MAX_TEXT_CHARS))
