"""What whoever goes off duty leaves to who comes.

handover = [ 1, text: tstr, to: mention / null ]
"""

from __future__ import annotations

from dataclasses import dataclass, field

from amanah_protocol import cbor
from amanah_protocol.content.bounds import check_size
from amanah_protocol.content.text import MAX_CHARS, Mention


@dataclass(frozen=True, slots=True, kw_only=True)
class Handover:
    """A note at the change of a shift.

    Attributes:
        text: 1 to 65,536 characters.
        to: Who takes over; None for whoever is next.

    Raises:
        UsageError: `TOO_LARGE`.
    """

    text: str = field(repr=False)
    to: Mention | None = None

    def __post_init__(self) -> None:
        check_size(len(self.text), MAX_CHARS, "characters of a note", 1)

    def encode(self) -> list[object]:
        """What follows the version."""
        return [self.text, None if self.to is None else self.to.encode()]

    @classmethod
    def decode(cls, f: cbor.Fields) -> Handover:
        """Read what follows the version."""
        text, to = f.text(MAX_CHARS), f.next()
        return cls(text=text, to=None if to is None else Mention.decode(to))
