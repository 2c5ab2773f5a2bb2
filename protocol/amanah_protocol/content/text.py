"""What a person wrote, to whom it speaks, and what it asks for.

    text    = [ text: tstr ]                      ; number 1, one that says nothing more
    text    = [ 1, text: tstr, reply-to: hash / null, thread: hash / null, [ *64 mention ], asks: 0..4 ]   ; number 17
    mention = [ 1, nation: tstr ] / [ 2, duty-desk: tstr ] / [ 3, organisation: tstr, person: bstr .size 16 ]

Other messages are named by their envelope ids. The text may use a subset of Markdown, which faces draw and never
need: what they do not know is text. It travels as it was written; normalising it (NFC) is its sender's.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import IntEnum
from typing import Final

from amanah_protocol import cbor, limits
from amanah_protocol.content.bounds import ID_BYTES, check_ids, check_nations, check_size
from amanah_protocol.errors import Code, DecodeError, UsageError
from amanah_protocol.kinds import Grade
from amanah_protocol.types import EnvelopeId, OrgName, PersonId

MAX_CHARS: Final = 64 * limits.KIB
MAX_MENTIONS: Final = 64


class Called(IntEnum):
    """Whom a mention calls; the number is the wire form."""

    NATION = 1
    DESK = 2
    PERSON = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Mention:
    """Somebody who is called: everybody of an organisation, its duty desk, or a person.

    Attributes:
        called: Which of them.
        organisation: The organisation.
        person: The person's pseudonym, 16 bytes; None for the others.

    Raises:
        UsageError: `BAD_TYPE`.
    """

    called: Called
    organisation: OrgName
    person: PersonId | None = None

    def __post_init__(self) -> None:
        check_nations(self.organisation)
        check_ids(self.person, length=ID_BYTES)
        if (self.person is None) == (self.called is Called.PERSON):
            raise UsageError(Code.BAD_TYPE, "a mention of a person names it, and no other does")

    def encode(self) -> list[object]:
        """Its value."""
        person = [] if self.person is None else [self.person]
        return [int(self.called), self.organisation, *person]

    @classmethod
    def decode(cls, value: cbor.Value) -> Mention:
        """Read it.

        Raises:
            DecodeError: `BAD_TYPE`.
        """
        length = 3 if isinstance(value, list) and len(value) > 2 else 2
        f = cbor.Fields(value, length, "mention")
        called = f.uint(Called.PERSON)
        if not called:
            raise DecodeError(Code.BAD_TYPE, "mention: a number from 1 to 3 is wanted")
        organisation = OrgName(f.text(limits.MAX_NAME_CHARS))
        return cls(
            called=Called(called),
            organisation=organisation,
            person=PersonId(f.fixed(ID_BYTES)) if length == 3 else None,
        )


def decode_mentions(f: cbor.Fields) -> tuple[Mention, ...]:
    """The next field, an array of mentions."""
    return tuple(map(Mention.decode, f.array(MAX_MENTIONS)))


@dataclass(frozen=True, slots=True, kw_only=True)
class Text:
    """What a person wrote.

    Attributes:
        text: Up to 65,536 characters, any of them: faces escape what they show.
        reply_to: The message that it answers.
        thread: The message that begins the thread it stands in.
        mentions: Up to 64 who are called.
        asks: Up to which grade an acknowledgement is asked for; None for none.

    Raises:
        UsageError: `TOO_LARGE` or `BAD_TYPE`.
    """

    text: str = field(repr=False)
    reply_to: EnvelopeId | None = None
    thread: EnvelopeId | None = None
    mentions: tuple[Mention, ...] = ()
    asks: Grade | None = None

    def __post_init__(self) -> None:
        check_size(len(self.text), MAX_CHARS, "characters of a text")
        check_size(len(self.mentions), MAX_MENTIONS, "mentions")
        check_ids(self.reply_to, self.thread)

    @property
    def is_plain(self) -> bool:
        """Whether it says nothing but its text: such a one has a shorter form, and that form alone."""
        return (self.reply_to, self.thread, self.mentions, self.asks) == (None, None, (), None)

    def encode(self) -> list[object]:
        """What follows the version."""
        mentions = [mention.encode() for mention in self.mentions]
        return [self.text, self.reply_to, self.thread, mentions, int(self.asks or 0)]

    @classmethod
    def decode(cls, f: cbor.Fields) -> Text:
        """Read what follows the version."""
        found = cls(
            text=f.text(MAX_CHARS),
            reply_to=_envelope(f),
            thread=_envelope(f),
            mentions=decode_mentions(f),
            asks=_grade(f.uint(Grade.ACTING)),
        )
        if found.is_plain:
            raise DecodeError(Code.NOT_CANONICAL, "a text that says nothing more has the shorter form")
        return found


def _envelope(f: cbor.Fields) -> EnvelopeId | None:
    found = f.optional_fixed(32)
    return None if found is None else EnvelopeId(found)


def _grade(number: int) -> Grade | None:
    return Grade(number) if number else None
