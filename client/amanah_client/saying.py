"""What is to be said in a room: a body of any kind, laid down as it will be sealed."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from amanah_protocol import cbor, limits
from amanah_protocol.content.bodies import Said, decode_body, encode_body
from amanah_protocol.content.file import File
from amanah_protocol.errors import Code, DecodeError, UsageError
from amanah_protocol.labels import Label, Pap, Precedence
from amanah_protocol.types import DeviceId, OrgName, RoomId

USUAL_PAP: Final = Pap.AMBER
"""What readers may do with what is said, where nobody says anything else: faces mark what differs from it."""


def unusual(pap: Pap | None) -> str:
    """What readers may do, as faces mark it: "" where it is the usual, or where there is nothing to do it with."""
    return "" if pap is None or pap is USUAL_PAP else pap.text


@dataclass(frozen=True, slots=True, kw_only=True)
class Say:
    """Something to say in a room; made by `saying`.

    Attributes:
        room: The room.
        number: The number of its body.
        value: The body's canonical CBOR.
        label: Its label.
        pap: What receivers may do with it.
        precedence: How urgent it is.
        circle: Whom its author was shown as its readers, device by device; () where nobody was shown any.
    """

    room: RoomId
    number: int
    value: bytes = field(repr=False)
    label: Label
    pap: Pap = USUAL_PAP
    precedence: Precedence = Precedence.ROUTINE
    circle: tuple[DeviceId, ...] = ()

    @property
    def body(self) -> Said:
        """What it says.

        Raises:
            DecodeError: It was laid down by another version of this program.
        """
        body = decode_body(self.number, cbor.decode(self.value, max_bytes=limits.MAX_PLAINTEXT_BYTES))
        if not isinstance(body, Said):
            raise DecodeError(Code.BAD_TYPE, "what was to be said is nothing that people say")
        return body


@dataclass(frozen=True, slots=True, kw_only=True)
class Decide:
    """How a proposal ended, for all to see; made by `Room.decision` from what the positions come to."""

    room: RoomId
    ordinal: int
    outcome: int
    nations: tuple[OrgName, ...]


def saying(
    room: RoomId,
    body: Said,
    *,
    label: Label,
    pap: Pap = USUAL_PAP,
    precedence: Precedence = Precedence.ROUTINE,
    circle: tuple[DeviceId, ...] = (),
) -> Say:
    """Something to say in a room.

    Raises:
        UsageError: `USAGE` for a file, whose bytes have to be there first.
    """
    if isinstance(body, File):
        raise UsageError(Code.USAGE, "a file is attached, not said", hint="Attach it: `Room.attach`, `amanah attach`.")
    number, value = encode_body(body)
    return Say(
        room=room,
        number=number,
        value=cbor.encode(value),
        label=label,
        pap=pap,
        precedence=precedence,
        circle=circle,
    )
