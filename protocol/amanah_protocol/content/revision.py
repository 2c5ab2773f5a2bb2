"""What an author says of an own message later: the first stays provable.

correction = [ 1, message: hash, text: tstr, [ *64 mention ] ]
withdrawal = [ 1, message: hash, reason: tstr ]
"""

from __future__ import annotations

from dataclasses import dataclass, field

from amanah_protocol import cbor, limits
from amanah_protocol.content.bounds import check_ids, check_size
from amanah_protocol.content.text import MAX_CHARS, MAX_MENTIONS, Mention, decode_mentions
from amanah_protocol.types import EnvelopeId


@dataclass(frozen=True, slots=True, kw_only=True)
class Correction:
    """What an own text says from now on.

    Attributes:
        message: The text that it replaces, as it was sent first.
        text: Up to 65,536 characters.
        mentions: Up to 64 who are called.

    Raises:
        UsageError: `TOO_LARGE` or `BAD_TYPE`.
    """

    message: EnvelopeId
    text: str = field(repr=False)
    mentions: tuple[Mention, ...] = ()

    def __post_init__(self) -> None:
        check_ids(self.message)
        check_size(len(self.text), MAX_CHARS, "characters of a text")
        check_size(len(self.mentions), MAX_MENTIONS, "mentions")

    def encode(self) -> list[object]:
        """What follows the version."""
        return [self.message, self.text, [mention.encode() for mention in self.mentions]]

    @classmethod
    def decode(cls, f: cbor.Fields) -> Correction:
        """Read what follows the version."""
        return cls(message=EnvelopeId(f.fixed(32)), text=f.text(MAX_CHARS), mentions=decode_mentions(f))


@dataclass(frozen=True, slots=True, kw_only=True)
class Withdrawal:
    """An own message does not count any more; unlike an erasure it stays to be read.

    Attributes:
        message: The message.
        reason: Why, up to 1,024 characters; may be empty.

    Raises:
        UsageError: `TOO_LARGE` or `BAD_TYPE`.
    """

    message: EnvelopeId
    reason: str = field(repr=False)

    def __post_init__(self) -> None:
        check_ids(self.message)
        check_size(len(self.reason), limits.MAX_TEXT_CHARS, "characters of a reason")

    def encode(self) -> list[object]:
        """What follows the version."""
        return [self.message, self.reason]

    @classmethod
    def decode(cls, f: cbor.Fields) -> Withdrawal:
        """Read what follows the version."""
        return cls(message=EnvelopeId(f.fixed(32)), reason=f.text(limits.MAX_TEXT_CHARS))
