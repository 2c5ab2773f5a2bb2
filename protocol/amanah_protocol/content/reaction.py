"""A short sign on a message.

reaction = [ 1, message: hash, sign: tstr, stands: bool ]
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from amanah_protocol import cbor
from amanah_protocol.content.bounds import check_ids, check_size
from amanah_protocol.types import EnvelopeId

MAX_SIGN_CHARS: Final = 16
"""An emoji of a family, with its joiners, has eleven."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reaction:
    """A sign that a person puts on a message, or takes back.

    Attributes:
        message: The message.
        sign: 1 to 16 characters.
        stands: False where it is taken back.

    Raises:
        UsageError: `TOO_LARGE` or `BAD_TYPE`.
    """

    message: EnvelopeId
    sign: str
    stands: bool = True

    def __post_init__(self) -> None:
        check_ids(self.message)
        check_size(len(self.sign), MAX_SIGN_CHARS, "characters of a sign", 1)

    def encode(self) -> list[object]:
        """What follows the version."""
        return [self.message, self.sign, self.stands]

    @classmethod
    def decode(cls, f: cbor.Fields) -> Reaction:
        """Read what follows the version."""
        return cls(message=EnvelopeId(f.fixed(32)), sign=f.text(MAX_SIGN_CHARS), stands=f.boolean())
